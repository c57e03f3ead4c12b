//! Looking into other processes, and pushing them about.

use std::io;
use std::path::PathBuf;

use crate::case::{Blocked, Case, DENIED, GONE, Handed, KILLED, PLAIN, PRIVILEGED, Wall, case};
use crate::ground::HANDED;
use crate::sys::{call, checked, open_to_write, read, sleeper, victim};

const UNKNOWN: Blocked = Blocked::Errno(&[libc::ESRCH]);

pub(crate) const CASES: &[Case] = &[
    case("ptrace a sibling", PLAIN, KILLED, || seize(victim())),
    case("ptrace a child", PLAIN, KILLED, || seize(sleeper()?)),
    case("ptrace process 1", PRIVILEGED, KILLED, || seize(1)),
    case("read another's memory", PLAIN, KILLED, || {
        vectored(libc::SYS_process_vm_readv)
    }),
    case("write another's memory", PLAIN, KILLED, || {
        vectored(libc::SYS_process_vm_writev)
    }),
    case("take another's descriptor", PLAIN, KILLED, || {
        let pid = sleeper()?;
        let pidfd = call(libc::SYS_pidfd_open, [pid.into(), 0])?;
        call(libc::SYS_pidfd_getfd, [pidfd, 0, 0]).map(|_| ())
    }),
    case("compare another's kernel objects", PLAIN, KILLED, || {
        let pid = i64::from(sleeper()?);
        call(libc::SYS_kcmp, [pid, pid, 1, 0, 0]).map(|_| ())
    }),
    case("read the memory of process 1", PRIVILEGED, DENIED, || {
        std::fs::File::open("/proc/1/mem").map(|_| ())
    }),
    case(
        "write the memory of process 1",
        PRIVILEGED,
        Blocked::Errno(&[libc::EROFS, libc::EACCES]),
        || open_to_write("/proc/1/mem"),
    ),
    case(
        "read the environment of process 1",
        PRIVILEGED,
        DENIED,
        || read("/proc/1/environ"),
    ),
    case("enter the root of process 1", PRIVILEGED, DENIED, || {
        std::fs::read_dir("/proc/1/root/").map(|_| ())
    }),
    case("enter a sibling's root", PLAIN, GONE, || {
        read(of_victim("root/etc/passwd"))
    }),
    case("enter a sibling's folder", PLAIN, GONE, || {
        std::fs::read_dir(of_victim("cwd/")).map(|_| ())
    }),
    case("read a sibling's environment", PLAIN, GONE, || {
        read(of_victim("environ"))
    }),
    case("read a sibling's memory by /proc", PLAIN, GONE, || {
        std::fs::File::open(of_victim("mem")).map(|_| ())
    }),
    case("signal a process outside", PLAIN, UNKNOWN, || {
        call(libc::SYS_kill, [victim().into(), 0]).map(|_| ())
    }),
    case(
        "queue a signal with a value outside",
        PLAIN,
        UNKNOWN,
        || {
            // SAFETY: plain numbers.
            let value = libc::sigval {
                sival_ptr: std::ptr::null_mut(),
            };
            // SAFETY: as above; signal 0 only asks.
            checked(unsafe { libc::sigqueue(victim(), 0, value) }).map(|_| ())
        },
    ),
    case(
        "signal through a pidfd that came in",
        PLAIN,
        Blocked::Errno(&[libc::EINVAL]),
        by_pidfd,
    )
    .handed(Handed::Pidfd),
    case(
        "signal a process outside (Landlock alone)",
        PLAIN,
        Blocked::Errno(&[libc::EPERM]),
        || call(libc::SYS_kill, [victim().into(), 0]).map(|_| ()),
    )
    .under(Wall::Landlock),
    case(
        "signal through a pidfd (Landlock alone)",
        PLAIN,
        Blocked::Errno(&[libc::EPERM]),
        by_pidfd,
    )
    .under(Wall::Landlock)
    .handed(Handed::Pidfd),
    case("change another's limits", PLAIN, UNKNOWN, || {
        let mut old = [0_u64; 2];
        call(
            libc::SYS_prlimit64,
            [
                victim().into(),
                libc::RLIMIT_CORE.into(),
                0,
                old.as_mut_ptr() as i64,
            ],
        )
        .map(|_| ())
    }),
    case("slow another down", PLAIN, UNKNOWN, || {
        call(
            libc::SYS_setpriority,
            [libc::PRIO_PROCESS.into(), victim().into(), 5],
        )
        .map(|_| ())
    }),
    case("pin another to a processor", PLAIN, UNKNOWN, || {
        let mask = [u64::MAX; 16];
        call(
            libc::SYS_sched_setaffinity,
            [victim().into(), 128, mask.as_ptr() as i64],
        )
        .map(|_| ())
    }),
];

fn of_victim(name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{}/{name}", victim()))
}

fn seize(pid: i32) -> io::Result<()> {
    call(
        libc::SYS_ptrace,
        [libc::PTRACE_SEIZE.into(), pid.into(), 0, 0],
    )
    .map(|_| ())
}

/// Copies four bytes from or to a child, which has everything where this process has it.
fn vectored(number: i64) -> io::Result<()> {
    let mut here = *b"here";
    let mut there = *b"abcd";
    let local = libc::iovec {
        iov_base: here.as_mut_ptr().cast(),
        iov_len: 4,
    };
    let remote = libc::iovec {
        iov_base: there.as_mut_ptr().cast(),
        iov_len: 4,
    };
    let pid = sleeper()?;
    let (local, remote) = (&raw const local as i64, &raw const remote as i64);
    call(number, [pid.into(), local, 1, remote, 1, 0]).map(|_| ())
}

fn by_pidfd() -> io::Result<()> {
    call(libc::SYS_pidfd_send_signal, [HANDED.into(), 0, 0, 0]).map(|_| ())
}
