//! One attempt per case, tried outside and inside.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use crate::fixture::Fixture;

/// How the sandbox must answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Blocked {
    /// The call fails with one of these.
    Errno(&'static [i32]),
    /// The process is killed by the system call filter.
    Killed,
}

/// Whether the attempt must succeed outside.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Control {
    Succeeds,
    /// Only root can do it; for others the kernel's own permissions are what blocks.
    AsRoot,
    /// It cannot be shown, for this reason.
    Cannot(&'static str),
}

pub(crate) struct Attack {
    pub(crate) name: &'static str,
    act: fn() -> io::Result<()>,
    control: Control,
    blocked: Blocked,
}

use Blocked::{Errno, Killed};
use Control::{AsRoot, Cannot, Succeeds};

const GONE: Blocked = Errno(&[libc::ENOENT]);

pub(crate) const ALL: &[Attack] = &[
    attack("read /etc/shadow", || read("/etc/shadow"), AsRoot, GONE),
    attack(
        "read the home",
        || read(folder("home/secret")),
        Succeeds,
        GONE,
    ),
    attack(
        "read through a symlink",
        || read(folder("workspace/link")),
        Succeeds,
        GONE,
    ),
    attack(
        "create a file outside",
        || create(folder("home/new")),
        Succeeds,
        GONE,
    ),
    attack(
        "create a file in a read-only bind",
        || create(folder("readonly/new")),
        Succeeds,
        Errno(&[libc::EROFS, libc::EACCES]),
    ),
    attack(
        "truncate a file in a read-only bind",
        truncate,
        Succeeds,
        Errno(&[libc::EROFS, libc::EACCES]),
    ),
    attack(
        "run a program from the workspace",
        run_dropped,
        Succeeds,
        Errno(&[libc::EACCES]),
    ),
    attack(
        "read /proc/VICTIM/root",
        || read(victim_proc("root/etc/passwd")),
        Succeeds,
        GONE,
    ),
    attack(
        "read /proc/1/root",
        || read("/proc/1/root/etc/passwd"),
        Cannot("a host may protect its pid 1 even from root"),
        Errno(&[libc::ENOENT, libc::EACCES, libc::EPERM]),
    ),
    attack(
        "write /proc/1/mem",
        proc_1_mem,
        Cannot("a host may protect its pid 1 even from root"),
        Errno(&[libc::EROFS, libc::EACCES, libc::EPERM]),
    ),
    attack(
        "read a kernel setting",
        || read("/proc/sys/kernel/core_pattern"),
        Succeeds,
        GONE,
    ),
    attack("connect to the session bus", connect_bus, Succeeds, GONE),
    attack(
        "connect to an abstract socket",
        connect_abstract,
        Succeeds,
        Errno(&[libc::ECONNREFUSED]),
    ),
    attack(
        "connect by TCP",
        connect_tcp,
        Succeeds,
        Errno(&[libc::EPERM]),
    ),
    attack(
        "make a UDP socket",
        || socket(libc::AF_INET, libc::SOCK_DGRAM),
        Succeeds,
        Errno(&[libc::EPERM]),
    ),
    attack(
        "make a netlink socket",
        || socket(libc::AF_NETLINK, libc::SOCK_RAW),
        Succeeds,
        Errno(&[libc::EPERM]),
    ),
    attack(
        "make a packet socket",
        || socket(libc::AF_PACKET, libc::SOCK_RAW),
        AsRoot,
        Errno(&[libc::EPERM]),
    ),
    attack(
        "make a vsock socket",
        || socket(libc::AF_VSOCK, libc::SOCK_STREAM),
        Cannot("hosts without vsock"),
        Errno(&[libc::EPERM]),
    ),
    attack(
        "use an inherited descriptor",
        inherited,
        Succeeds,
        Errno(&[libc::EBADF]),
    ),
    attack(
        "read a secret from the environment",
        environment,
        Succeeds,
        GONE,
    ),
    attack(
        "signal a process outside",
        || call(libc::SYS_kill, [victim().into(), 0, 0, 0]),
        Succeeds,
        Errno(&[libc::ESRCH]),
    ),
    attack("ptrace", ptrace, Succeeds, Killed),
    attack("process_vm_readv", process_vm_readv, Succeeds, Killed),
    attack("pidfd_getfd", pidfd_getfd, Succeeds, Killed),
    attack(
        "unshare a user namespace",
        || call(libc::SYS_unshare, [libc::CLONE_NEWUSER.into(), 0, 0, 0]),
        Succeeds,
        Killed,
    ),
    attack(
        "clone a user namespace",
        clone_user_namespace,
        Succeeds,
        Errno(&[libc::EPERM]),
    ),
    attack("clone3", clone3, Succeeds, Errno(&[libc::ENOSYS])),
    attack("setns", setns, AsRoot, Killed),
    attack("mount", mount, AsRoot, Killed),
    attack(
        "fsopen",
        || call(libc::SYS_fsopen, [c"tmpfs".as_ptr() as i64, 0, 0, 0]),
        AsRoot,
        Killed,
    ),
    attack(
        "open_tree",
        || {
            call(
                libc::SYS_open_tree,
                [libc::AT_FDCWD.into(), c"/".as_ptr() as i64, 1, 0],
            )
        },
        AsRoot,
        Killed,
    ),
    attack(
        "umount /proc",
        umount_proc,
        Cannot("it would hurt the host"),
        Killed,
    ),
    attack(
        "chroot",
        || call(libc::SYS_chroot, [c"/".as_ptr() as i64, 0, 0, 0]),
        AsRoot,
        Killed,
    ),
    attack(
        "mknod a device",
        mknod_device,
        AsRoot,
        Errno(&[libc::EPERM]),
    ),
    attack(
        "become root",
        || call(libc::SYS_setresuid, [0; 4]),
        AsRoot,
        Errno(&[libc::EPERM]),
    ),
    attack(
        "change the owner of a file",
        chown,
        Succeeds,
        Errno(&[libc::EPERM]),
    ),
    attack(
        "io_uring",
        io_uring,
        Cannot("hosts that disable io_uring"),
        Killed,
    ),
    attack(
        "userfaultfd",
        || call(libc::SYS_userfaultfd, [1, 0, 0, 0]),
        Cannot("hosts that disable it"),
        Killed,
    ),
    attack(
        "bpf",
        || call(libc::SYS_bpf, [0, 0, 0, 0]),
        Cannot("it needs a program to load"),
        Killed,
    ),
    attack(
        "perf_event_open",
        || call(libc::SYS_perf_event_open, [0, 0, -1, -1]),
        Cannot("hosts without counters"),
        Killed,
    ),
    attack(
        "keyctl",
        || call(libc::SYS_keyctl, [0, -3, 1, 0]),
        Succeeds,
        Killed,
    ),
    attack(
        "read the kernel log",
        || call(libc::SYS_syslog, [10, 0, 0, 0]),
        AsRoot,
        Killed,
    ),
    attack(
        "load a module",
        || call(libc::SYS_init_module, [0, 0, 0, 0]),
        Cannot("it would need a module"),
        Killed,
    ),
    attack(
        "System V shared memory",
        sysv_memory,
        Succeeds,
        Errno(&[libc::EPERM]),
    ),
    attack("an i386 system call", i386_getpid, Succeeds, Killed),
    attack(
        "an x32 system call",
        || call(0x4000_0000 + libc::SYS_getpid, [0; 4]),
        Cannot("kernels without x32"),
        Killed,
    ),
    attack(
        "TIOCSTI",
        || terminal(libc::TIOCSTI),
        Cannot("it needs a controlling terminal"),
        Errno(&[libc::EPERM]),
    ),
    attack(
        "TIOCSTI with high bits",
        || terminal(libc::TIOCSTI | 0xdead_0000_0000),
        Cannot("it needs a controlling terminal"),
        Errno(&[libc::EPERM]),
    ),
    attack(
        "TIOCLINUX",
        || terminal(libc::TIOCLINUX),
        Cannot("it needs a virtual console"),
        Errno(&[libc::EPERM]),
    ),
    attack(
        "set the host name",
        || call(libc::SYS_sethostname, [c"pwned".as_ptr() as i64, 5, 0, 0]),
        Cannot("it would hurt the host"),
        Errno(&[libc::EPERM]),
    ),
    attack("regain a capability", regain, AsRoot, Errno(&[libc::EPERM])),
];

const fn attack(
    name: &'static str,
    act: fn() -> io::Result<()>,
    control: Control,
    blocked: Blocked,
) -> Attack {
    Attack {
        name,
        act,
        control,
        blocked,
    }
}

/// Runs the attempt outside and inside and compares.
pub(crate) fn check(attack: &Attack, fixture: &Fixture) -> Result<String, String> {
    let root = rustix::process::getuid().is_root();
    let mut note = String::new();
    match attack.control {
        Control::Cannot(why) => note = format!("  (no positive control: {why})"),
        Control::AsRoot if !root => note = "  (no positive control: it needs root)".to_owned(),
        Control::Succeeds | Control::AsRoot => {
            let mut command = fixture.outside(&["inside", attack.name]);
            leak_descriptor(&mut command, fixture)?;
            let output = command
                .output()
                .map_err(|error| format!("cannot run outside: {error}"))?;
            if !output.status.success() {
                return Err(format!("outside it must succeed, and: {}", tell(&output)));
            }
            for left in ["home/new", "readonly/new", "workspace/node"] {
                let _ = std::fs::remove_file(fixture.folder.join(left));
            }
        }
    }
    let mut command = fixture.inside(&fixture.spec(), &["inside", attack.name]);
    leak_descriptor(&mut command, fixture)?;
    let output = command
        .output()
        .map_err(|error| format!("cannot run inside: {error}"))?;
    let code = output.status.code();
    let fits = match attack.blocked {
        // The hostile program's exit status for a failed call is 1 and the errno is its output.
        Errno(numbers) => {
            code == Some(1)
                && String::from_utf8_lossy(&output.stdout)
                    .trim()
                    .parse::<i32>()
                    .is_ok_and(|number| numbers.contains(&number))
        }
        Killed => code == Some(128 + libc::SIGSYS),
    };
    if fits {
        Ok(note)
    } else {
        Err(format!(
            "inside it must be {:?}, and: {}",
            attack.blocked,
            tell(&output)
        ))
    }
}

fn tell(output: &std::process::Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    format!(
        "status {:?} signal {:?} errno {:?} {}",
        output.status.code(),
        output.status.signal(),
        text(&output.stdout),
        text(&output.stderr)
    )
}

/// Leaves the secret open as descriptor 9 of the command.
fn leak_descriptor(command: &mut Command, fixture: &Fixture) -> Result<(), String> {
    let secret =
        File::open(fixture.folder.join("home/secret")).map_err(|error| error.to_string())?;
    // SAFETY: dup2 is async-signal-safe; `secret` is owned by the closure.
    unsafe {
        command.pre_exec(move || io_result(libc::dup2(secret.as_raw_fd(), 9)).map(|_| ()));
    }
    Ok(())
}

/// The hostile program's `main`: says the errno of its attempt.
pub(crate) fn run_inside(name: &str) -> ExitCode {
    let Some(attack) = ALL.iter().find(|attack| attack.name == name) else {
        return ExitCode::from(2);
    };
    match (attack.act)() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{}", error.raw_os_error().unwrap_or(-1));
            ExitCode::from(1)
        }
    }
}

fn folder(name: &str) -> PathBuf {
    PathBuf::from(std::env::var_os("FOLDER").unwrap_or_default()).join(name)
}

fn victim() -> i32 {
    std::env::var("VICTIM")
        .ok()
        .and_then(|pid| pid.parse().ok())
        .unwrap_or(i32::MAX)
}

fn victim_proc(name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{}/{name}", victim()))
}

fn path(path: PathBuf) -> CString {
    CString::new(path.into_os_string().into_encoded_bytes()).expect("no NUL in a test path")
}

fn io_result(result: i32) -> io::Result<()> {
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

fn call(number: i64, a: [i64; 4]) -> io::Result<()> {
    // SAFETY: the arguments are numbers, null, or strings that live until it returns.
    let result = unsafe { libc::syscall(number, a[0], a[1], a[2], a[3], 0_i64) };
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

fn read(path: impl Into<PathBuf>) -> io::Result<()> {
    std::fs::read(path.into()).map(|_| ())
}

fn create(path: PathBuf) -> io::Result<()> {
    File::create(path).map(|_| ())
}

fn truncate() -> io::Result<()> {
    let file = path(folder("readonly/file"));
    call(libc::SYS_truncate, [file.as_ptr() as i64, 1, 0, 0])
}

fn run_dropped() -> io::Result<()> {
    Err(Command::new(folder("workspace/program")).exec())
}

fn proc_1_mem() -> io::Result<()> {
    File::options()
        .read(true)
        .write(true)
        .open("/proc/1/mem")
        .map(|_| ())
}

fn connect_bus() -> io::Result<()> {
    UnixStream::connect(folder("home/bus")).map(|_| ())
}

fn connect_abstract() -> io::Result<()> {
    let name = std::env::var("ABSTRACT").unwrap_or_default();
    UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?).map(|_| ())
}

fn connect_tcp() -> io::Result<()> {
    let port: u16 = std::env::var("PORT")
        .ok()
        .and_then(|port| port.parse().ok())
        .unwrap_or(1);
    std::net::TcpStream::connect(("127.0.0.1", port)).map(|_| ())
}

fn socket(family: i32, kind: i32) -> io::Result<()> {
    call(libc::SYS_socket, [family.into(), kind.into(), 0, 0])
}

fn inherited() -> io::Result<()> {
    // SAFETY: the descriptor is open, or the read says EBADF.
    let file = std::mem::ManuallyDrop::new(unsafe { File::from_raw_fd(9) });
    let mut byte = [0];
    std::os::unix::fs::FileExt::read_at(&*file, &mut byte, 0).map(|_| ())
}

fn environment() -> io::Result<()> {
    match std::env::var("SECRET") {
        Ok(_) => Ok(()),
        Err(_) => Err(io::Error::from_raw_os_error(libc::ENOENT)),
    }
}

fn fork_sleeper() -> i32 {
    // SAFETY: the child only sleeps; it dies with this process.
    unsafe {
        let parent = libc::getpid();
        let pid = libc::fork();
        if pid == 0 {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            // Its parent may be gone already; it would keep the test's pipe open for nothing.
            if libc::getppid() == parent {
                libc::sleep(60);
            }
            libc::_exit(0);
        }
        pid
    }
}

fn ptrace() -> io::Result<()> {
    call(
        libc::SYS_ptrace,
        [libc::PTRACE_SEIZE.into(), fork_sleeper().into(), 0, 0],
    )
}

fn process_vm_readv() -> io::Result<()> {
    let pid = fork_sleeper();
    let mut into = [0_u8; 4];
    let from = *b"abcd";
    let local = libc::iovec {
        iov_base: into.as_mut_ptr().cast(),
        iov_len: 4,
    };
    let remote = libc::iovec {
        iov_base: from.as_ptr().cast_mut().cast(),
        iov_len: 4,
    };
    // SAFETY: both vectors describe four bytes; the child is a copy of this process.
    io_result(
        unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) } as i32,
    )
}

fn pidfd_getfd() -> io::Result<()> {
    // SAFETY: plain numbers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, fork_sleeper(), 0) };
    if fd == -1 {
        return Err(io::Error::last_os_error());
    }
    call(libc::SYS_pidfd_getfd, [fd, 0, 0, 0])
}

fn clone_user_namespace() -> io::Result<()> {
    let flags = libc::CLONE_NEWUSER | libc::SIGCHLD;
    // SAFETY: a plain fork in a new namespace.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    if pid == 0 {
        // SAFETY: ends the child.
        unsafe { libc::_exit(0) };
    }
    io_result(pid as i32)
}

fn clone3() -> io::Result<()> {
    let args: [u64; 8] = [0, 0, 0, 0, libc::SIGCHLD as u64, 0, 0, 0];
    // SAFETY: the structure's first version has eight words.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, args.as_ptr(), 64) };
    if pid == 0 {
        // SAFETY: ends the child.
        unsafe { libc::_exit(0) };
    }
    io_result(pid as i32)
}

fn setns() -> io::Result<()> {
    let own = File::open("/proc/self/ns/net")?;
    call(libc::SYS_setns, [own.as_raw_fd().into(), 0, 0, 0])
}

fn mount() -> io::Result<()> {
    // A namespace of its own, so that the positive control leaves nothing behind.
    call(libc::SYS_unshare, [libc::CLONE_NEWNS.into(), 0, 0, 0])?;
    let private = (libc::MS_REC | libc::MS_PRIVATE) as i64;
    call(libc::SYS_mount, [0, c"/".as_ptr() as i64, 0, private])?;
    call(
        libc::SYS_mount,
        [
            c"x".as_ptr() as i64,
            c"/mnt".as_ptr() as i64,
            c"tmpfs".as_ptr() as i64,
            0,
        ],
    )
}

fn umount_proc() -> io::Result<()> {
    call(
        libc::SYS_umount2,
        [c"/proc".as_ptr() as i64, libc::MNT_DETACH.into(), 0, 0],
    )
}

fn mknod_device() -> io::Result<()> {
    let node = path(folder("workspace/node"));
    call(
        libc::SYS_mknod,
        [
            node.as_ptr() as i64,
            (libc::S_IFCHR | 0o666).into(),
            libc::makedev(1, 3) as i64,
            0,
        ],
    )
}

fn chown() -> io::Result<()> {
    let file = path(folder("workspace/program"));
    // SAFETY: a valid path; the owner stays.
    io_result(unsafe { libc::chown(file.as_ptr(), libc::getuid(), libc::getgid()) })
}

fn io_uring() -> io::Result<()> {
    let parameters = [0_u8; 256];
    call(
        libc::SYS_io_uring_setup,
        [1, parameters.as_ptr() as i64, 0, 0],
    )
}

fn sysv_memory() -> io::Result<()> {
    // SAFETY: numbers only; the segment is removed at once.
    unsafe {
        let id = libc::shmget(libc::IPC_PRIVATE, 4096, 0o600);
        io_result(id)?;
        io_result(libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut()))
    }
}

fn i386_getpid() -> io::Result<()> {
    let mut result: i32 = 20; // getpid on i386
    // SAFETY: the call takes no argument and clobbers what is listed.
    unsafe {
        std::arch::asm!("int 0x80", inout("eax") result, out("r8") _, out("r9") _, out("r10") _, out("r11") _);
    }
    if result > 0 {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(-result))
    }
}

fn terminal(command: libc::Ioctl) -> io::Result<()> {
    let byte = b'x';
    // SAFETY: reads one byte at most.
    io_result(unsafe { libc::ioctl(0, command, &raw const byte) })
}

fn regain() -> io::Result<()> {
    let all = rustix::thread::CapabilitySet::SYS_ADMIN;
    let sets = rustix::thread::CapabilitySets {
        effective: all,
        permitted: all,
        inheritable: rustix::thread::CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, sets).map_err(io::Error::from)
}
