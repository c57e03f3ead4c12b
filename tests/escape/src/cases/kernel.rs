//! Parts of the kernel that programs seldom need and attackers like.

use std::io;

use crate::case::{Case, Control, Handed, How, KILLED, PLAIN, PRIVILEGED, REFUSED, ROOT, case};
use crate::ground::HANDED;
use crate::sys::{call, checked, outside};

pub(crate) const CASES: &[Case] = &[
    case(
        "make an io_uring",
        Control::Unless(How::Plain, libc::EPERM, "kernel.io_uring_disabled is set"),
        KILLED,
        || {
            let parameters = [0_u8; 256];
            call(libc::SYS_io_uring_setup, [1, parameters.as_ptr() as i64]).map(|_| ())
        },
    ),
    case(
        "use an io_uring that came in",
        Control::Unless(How::Plain, libc::EPERM, "kernel.io_uring_disabled is set"),
        KILLED,
        || call(libc::SYS_io_uring_enter, [HANDED.into(), 0, 0, 0, 0]).map(|_| ()),
    )
    .handed(Handed::Ring),
    case("userfaultfd", PLAIN, KILLED, || {
        // UFFD_USER_MODE_ONLY.
        call(libc::SYS_userfaultfd, [1]).map(|_| ())
    }),
    case("add a key", PLAIN, KILLED, || {
        let (kind, name) = (c"user".as_ptr() as i64, c"argos".as_ptr() as i64);
        let process = -2;
        call(
            libc::SYS_add_key,
            [kind, name, c"x".as_ptr() as i64, 1, process],
        )
        .map(|_| ())
    }),
    case("ask for the session's keys", PLAIN, KILLED, || {
        call(libc::SYS_keyctl, [0, -3, 1]).map(|_| ())
    }),
    case("bpf", ROOT, KILLED, || {
        // An array of one element.
        let map = [2_u32, 4, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        call(libc::SYS_bpf, [0, map.as_ptr() as i64, 48]).map(|_| ())
    }),
    case(
        "count what the processor does",
        Control::Unless(How::Plain, libc::EACCES, "kernel.perf_event_paranoid is 3"),
        KILLED,
        || {
            // The software clock of this process, without the kernel's share.
            let mut event = [0_u32; 32];
            event[0] = 1;
            event[1] = 128;
            event[10] = 0b110_0000;
            call(
                libc::SYS_perf_event_open,
                [event.as_ptr() as i64, 0, -1, -1, 0],
            )
            .map(|_| ())
        },
    ),
    case("read the kernel's log", ROOT, KILLED, || {
        call(libc::SYS_syslog, [10, 0, 0]).map(|_| ())
    }),
    case(
        "load a module",
        Control::Unless(How::Root, libc::ENOSYS, "this kernel loads no modules"),
        KILLED,
        || {
            let nothing = [0_u8; 64];
            reached(
                call(
                    libc::SYS_init_module,
                    [nothing.as_ptr() as i64, 64, c"".as_ptr() as i64],
                ),
                libc::ENOEXEC,
            )
        },
    ),
    case(
        "load another kernel",
        Control::Unless(How::Root, libc::ENOSYS, "this kernel has no kexec"),
        KILLED,
        || {
            // No segments: nothing is loaded.
            call(libc::SYS_kexec_load, [0, 0, 0, 0]).map(|_| ())
        },
    ),
    case("reboot", PRIVILEGED, KILLED, || {
        // A command that there is not, which only who may reboot is told.
        let (one, two) = (0xfee1_dead_i64, 0x2812_1969);
        reached(
            call(libc::SYS_reboot, [one, two, 0x0dea_dbee, 0]),
            libc::EINVAL,
        )
    }),
    case(
        "switch accounting off",
        Control::Unless(How::Root, libc::ENOSYS, "this kernel keeps no accounts"),
        KILLED,
        || call(libc::SYS_acct, [0]).map(|_| ()),
    ),
    case("set the clock", ROOT, KILLED, || {
        // SAFETY: an all-zero `timex` asks and changes nothing.
        let mut ask: libc::timex = unsafe { std::mem::zeroed() };
        call(libc::SYS_adjtimex, [&raw mut ask as i64]).map(|_| ())
    }),
    case(
        "touch ports",
        Control::Unless(How::Root, libc::ENOSYS, "this kernel has no iopl"),
        KILLED,
        || call(libc::SYS_iopl, [0]).map(|_| ()),
    ),
    case("watch every file", PLAIN, KILLED, || {
        // FAN_CLASS_NOTIF | FAN_REPORT_FID: what everybody may have.
        call(libc::SYS_fanotify_init, [0x200, 0]).map(|_| ())
    }),
    case(
        "change the segments",
        Control::Unless(How::Plain, libc::ENOSYS, "this kernel has no modify_ldt"),
        KILLED,
        || {
            let table = [0_u8; 64];
            call(libc::SYS_modify_ldt, [0, table.as_ptr() as i64, 64]).map(|_| ())
        },
    ),
    case("change the personality", PLAIN, REFUSED, || {
        call(libc::SYS_personality, [0x0040_0000]).map(|_| ())
    }),
    case(
        "hand a filter's verdicts to another",
        PLAIN,
        REFUSED,
        || {
            // SAFETY: plain numbers.
            checked(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
            // One instruction: allow.
            let mut allow = libc::sock_filter {
                code: 6,
                jt: 0,
                jf: 0,
                k: libc::SECCOMP_RET_ALLOW,
            };
            let program = libc::sock_fprog {
                len: 1,
                filter: &raw mut allow,
            };
            // SECCOMP_SET_MODE_FILTER with SECCOMP_FILTER_FLAG_NEW_LISTENER.
            call(libc::SYS_seccomp, [1, 8, &raw const program as i64]).map(|_| ())
        },
    ),
    case("a system call of i386", PLAIN, KILLED, i386),
    case(
        "a system call of x32",
        Control::Unless(How::Plain, libc::ENOSYS, "this kernel has no x32"),
        KILLED,
        || call(0x4000_0000 + libc::SYS_getpid, []).map(|_| ()),
    ),
    case("shared memory of System V", PLAIN, REFUSED, || {
        let id = call(libc::SYS_shmget, [0, 4096, 0o600])?;
        call(libc::SYS_shmctl, [id, libc::IPC_RMID.into(), 0]).map(|_| ())
    }),
    case("semaphores of System V", PLAIN, REFUSED, || {
        let id = call(libc::SYS_semget, [0, 1, 0o600])?;
        call(libc::SYS_semctl, [id, 0, libc::IPC_RMID.into(), 0]).map(|_| ())
    }),
    case("messages of System V", PLAIN, REFUSED, || {
        let id = call(libc::SYS_msgget, [0, 0o600])?;
        call(libc::SYS_msgctl, [id, libc::IPC_RMID.into(), 0]).map(|_| ())
    }),
    case("messages of POSIX", PLAIN, REFUSED, || {
        let name = c"argos-escape".as_ptr() as i64;
        let flags = i64::from(libc::O_CREAT | libc::O_RDWR);
        call(libc::SYS_mq_open, [name, flags, 0o600, 0])?;
        call(libc::SYS_mq_unlink, [name]).map(|_| ())
    }),
    case(
        "allow core files again",
        Control::Unless(How::Plain, libc::EPERM, "core files are forbidden here"),
        REFUSED,
        || {
            // One would hold what the process knew.
            let limits = [4096_u64, 4096];
            call(
                libc::SYS_prlimit64,
                [0, libc::RLIMIT_CORE.into(), limits.as_ptr() as i64, 0],
            )
            .map(|_| ())
        },
    ),
];

/// Whether the kernel came to look at what it was given.
fn reached(result: io::Result<i64>, errno: i32) -> io::Result<()> {
    match result {
        Err(error) if outside() && error.raw_os_error() == Some(errno) => Ok(()),
        result => result.map(|_| ()),
    }
}

fn i386() -> io::Result<()> {
    let mut result: i32 = 20; // getpid there
    // SAFETY: the call takes no argument and clobbers what is listed.
    unsafe {
        std::arch::asm!(
            "int 0x80",
            inout("eax") result,
            out("r8") _,
            out("r9") _,
            out("r10") _,
            out("r11") _,
        );
    }
    if result > 0 {
        return Ok(());
    }
    Err(io::Error::from_raw_os_error(-result))
}
