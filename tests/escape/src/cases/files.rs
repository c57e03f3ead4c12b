//! Reading, writing and running what was not given.

use std::ffi::CString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::case::{
    Blocked, Case, Control, DENIED, GONE, Handed, How, PLAIN, READ_ONLY, REFUSED, ROOT, Wall, case,
};
use crate::ground::{HANDED, LEFT_OPEN, receive_descriptor};
use crate::sys::{
    call, checked, create, failed, folder, open_to_write, outside, path, program, read,
};

const NOT_OVER: Blocked = Blocked::Errno(&[libc::EXDEV]);

pub(crate) const CASES: &[Case] = &[
    case("read /etc/shadow", ROOT, GONE, || read("/etc/shadow")),
    case("read the accounts", PLAIN, GONE, || read("/etc/passwd")),
    case("read the home", PLAIN, GONE, || read(folder("home/secret"))),
    case("read the home (Landlock alone)", PLAIN, DENIED, || {
        read(folder("home/secret"))
    })
    .under(Wall::Landlock),
    case("read through a symbolic link", PLAIN, GONE, || {
        read(folder("workspace/link"))
    }),
    case("write through a symbolic link", PLAIN, GONE, || {
        open_to_write(folder("workspace/link"))
    }),
    case("win a race of links", PLAIN, GONE, race),
    case("read beneath a folder by ..", PLAIN, GONE, || {
        read(folder("readonly/../home/secret"))
    }),
    case("create a file outside", PLAIN, GONE, || {
        create(folder("home/new"))
    }),
    case("create a missing start-up file", PLAIN, GONE, || {
        create(folder("home/.bash_profile"))
    }),
    case(
        "create a missing configuration file",
        PLAIN,
        READ_ONLY,
        || create(folder("readonly/config.yaml")),
    ),
    case(
        "create a missing configuration file (Landlock alone)",
        PLAIN,
        DENIED,
        || create(folder("readonly/config.yaml")),
    )
    .under(Wall::Landlock),
    case("create a desktop entry", PLAIN, GONE, || {
        create(folder("home/.local/share/applications/evil.desktop"))
    }),
    case("create an agent", PLAIN, GONE, || {
        create(folder("home/.local/share/argos/agents/evil.yaml"))
    }),
    case("write to a folder to read", PLAIN, READ_ONLY, || {
        open_to_write(folder("readonly/file"))
    }),
    case("truncate by a read-only open", PLAIN, READ_ONLY, || {
        truncating_open(folder("readonly/file"))
    }),
    case(
        "truncate by a read-only open (Landlock alone)",
        PLAIN,
        DENIED,
        || truncating_open(folder("readonly/file")),
    )
    .under(Wall::Landlock),
    case("truncate by name", PLAIN, READ_ONLY, || {
        let file = path(folder("readonly/file"));
        call(libc::SYS_truncate, [file.as_ptr() as i64, 1]).map(|_| ())
    }),
    case("hard link to a file outside", PLAIN, GONE, || {
        std::fs::hard_link(folder("home/secret"), folder("workspace/hard"))
    }),
    case("hard link out of a folder to read", PLAIN, NOT_OVER, || {
        std::fs::hard_link(folder("readonly/file"), folder("workspace/hard"))
    }),
    case("rename out", PLAIN, GONE, || {
        std::fs::rename(folder("workspace/program"), folder("home/program"))
    }),
    case("rename into a folder to read", PLAIN, NOT_OVER, || {
        std::fs::rename(folder("workspace/program"), folder("readonly/program"))
    }),
    case(
        "rename into a folder to read (Landlock alone)",
        PLAIN,
        DENIED,
        || std::fs::rename(folder("workspace/program"), folder("readonly/program")),
    )
    .under(Wall::Landlock),
    case("exchange two folders", PLAIN, NOT_OVER, || {
        let (a, b) = (path(folder("workspace/one")), path(folder("readonly/two")));
        let here = libc::AT_FDCWD.into();
        let exchange = libc::RENAME_EXCHANGE.into();
        call(
            libc::SYS_renameat2,
            [here, a.as_ptr() as i64, here, b.as_ptr() as i64, exchange],
        )
        .map(|_| ())
    }),
    case("plant a git hook", PLAIN, READ_ONLY, || {
        create(folder("repository/.git/hooks/post-checkout"))
    }),
    case("change git's configuration", PLAIN, READ_ONLY, || {
        open_to_write(folder("repository/.git/config"))
    }),
    case(
        "lead git's common folder elsewhere",
        PLAIN,
        READ_ONLY,
        || create(folder("repository/.git/commondir")),
    ),
    case(
        "put another repository in its place",
        PLAIN,
        Blocked::Errno(&[libc::EBUSY]),
        || std::fs::rename(folder("repository/.git"), folder("repository/old")),
    ),
    case(
        "lead a work tree to another repository",
        PLAIN,
        READ_ONLY,
        || open_to_write(folder("tree/.git")),
    ),
    case(
        "replace the file that names the repository",
        PLAIN,
        Blocked::Errno(&[libc::EBUSY]),
        || std::fs::remove_file(folder("tree/.git")),
    ),
    case("make a device", ROOT, REFUSED, || {
        let node = path(folder("workspace/node"));
        let device = libc::makedev(1, 3) as i64;
        let mode = (libc::S_IFCHR | 0o666).into();
        call(libc::SYS_mknod, [node.as_ptr() as i64, mode, device]).map(|_| ())
    }),
    case("read the kernel's log by its device", ROOT, GONE, || {
        std::fs::File::open("/dev/kmsg").map(|_| ())
    }),
    case("run a program from the workspace", PLAIN, DENIED, || {
        Err(Command::new(folder("workspace/program")).exec())
    }),
    case(
        "run a program from the workspace (Landlock alone)",
        PLAIN,
        DENIED,
        || Err(Command::new(folder("workspace/program")).exec()),
    )
    .under(Wall::Landlock),
    case("run a script from the workspace", PLAIN, DENIED, || {
        Err(Command::new(folder("workspace/script")).exec())
    }),
    case("have the loader run it", PLAIN, REFUSED, || {
        // The loader maps the program itself; where that fails it ends with 127.
        let loader = "/lib64/ld-linux-x86-64.so.2";
        match program(Command::new(loader).arg(folder("workspace/program")))? {
            Some(0) => Ok(()),
            Some(127) => failed(libc::EPERM),
            status => Err(io::Error::other(format!("status {status:?}"))),
        }
    }),
    case("map a file as code", PLAIN, REFUSED, || {
        let file = std::fs::File::open(folder("workspace/program"))?;
        let code = i64::from(libc::PROT_READ | libc::PROT_EXEC);
        let fd = std::os::fd::AsRawFd::as_raw_fd(&file).into();
        call(
            libc::SYS_mmap,
            [0, 4096, code, libc::MAP_PRIVATE.into(), fd, 0],
        )
        .map(|_| ())
    }),
    case("run a program from memory", PLAIN, REFUSED, from_memory),
    case(
        "write to memory that is shared by name",
        PLAIN,
        GONE,
        || create("/dev/shm/argos-escape"),
    ),
    case("change the core handler", ROOT, GONE, || {
        open_to_write("/proc/sys/kernel/core_pattern")
    }),
    case(
        "register a binary format",
        Control::Unless(How::Root, libc::ENOENT, "binfmt_misc is not mounted"),
        GONE,
        || open_to_write("/proc/sys/fs/binfmt_misc/register"),
    ),
    case(
        "press the magic key",
        Control::Unless(How::Root, libc::ENOENT, "this kernel has no magic key"),
        GONE,
        || open_to_write("/proc/sysrq-trigger"),
    ),
    case("read a kernel setting", PLAIN, GONE, || {
        read("/proc/sys/kernel/core_pattern")
    }),
    case("write to a control group", ROOT, GONE, || {
        let place = [
            "/sys/fs/cgroup/cgroup.procs",
            "/sys/fs/cgroup/unified/cgroup.procs",
        ]
        .into_iter()
        .find(|place| Path::new(place).exists())
        .unwrap_or("/sys/fs/cgroup/pids/cgroup.procs");
        open_to_write(place)
    }),
    case("write an attribute", PLAIN, REFUSED, || {
        let file = path(folder("workspace/program"));
        let (file, name) = (file.as_ptr() as i64, c"user.argos".as_ptr() as i64);
        call(libc::SYS_setxattr, [file, name, c"x".as_ptr() as i64, 1, 0]).map(|_| ())
    }),
    case(
        "use an inherited descriptor",
        PLAIN,
        Blocked::Errno(&[libc::EBADF]),
        || {
            let mut byte = [0_u8];
            call(
                libc::SYS_pread64,
                [LEFT_OPEN.into(), byte.as_mut_ptr() as i64, 1, 0],
            )
            .map(|_| ())
        },
    )
    .handed(Handed::Secret),
    case(
        "open beneath a folder that an accomplice sent",
        PLAIN,
        DENIED,
        || {
            let folder = receive_descriptor(HANDED)?;
            let name = CString::from(c"etc/passwd");
            call(libc::SYS_openat, [folder.into(), name.as_ptr() as i64, 0]).map(|_| ())
        },
    )
    .handed(Handed::Accomplice),
];

fn truncating_open(file: std::path::PathBuf) -> io::Result<()> {
    let file = path(file);
    let flags = libc::O_RDONLY | libc::O_TRUNC;
    call(
        libc::SYS_openat,
        [libc::AT_FDCWD.into(), file.as_ptr() as i64, flags.into()],
    )
    .map(|_| ())
}

/// Reads `workspace/swap/secret` while another process exchanges the folder `swap` for a link to
/// the home, all the time.
fn race() -> io::Result<()> {
    let (swap, link) = (
        path(folder("workspace/swap")),
        path(folder("workspace/to-home")),
    );
    let parent = rustix::process::getpid();
    // SAFETY: the process has one thread; the child only renames, and ends with its parent.
    let child = checked(unsafe { libc::fork() })?;
    if child == 0 {
        while rustix::process::getppid() == Some(parent) {
            let here = libc::AT_FDCWD.into();
            let (a, b) = (swap.as_ptr() as i64, link.as_ptr() as i64);
            let _ = call(
                libc::SYS_renameat2,
                [here, a, here, b, libc::RENAME_EXCHANGE.into()],
            );
        }
        std::process::exit(0);
    }
    let mut last = failed(libc::ENOENT);
    for _ in 0..20_000 {
        last = read(folder("workspace/swap/secret"));
        if last.is_ok() {
            break;
        }
    }
    // SAFETY: the child was not waited for.
    unsafe {
        libc::kill(child, libc::SIGKILL);
        libc::waitpid(child, std::ptr::null_mut(), 0);
    }
    last
}

fn from_memory() -> io::Result<()> {
    let fd = call(libc::SYS_memfd_create, [c"program".as_ptr() as i64, 0])?;
    let program = std::fs::read("/usr/bin/true")?;
    let mut file = std::fs::File::options()
        .write(true)
        .open(format!("/proc/self/fd/{fd}"))?;
    io::Write::write_all(&mut file, &program)?;
    drop(file);
    if outside() {
        // Its success is an end with 0, which is what the control looks for.
        let arguments = [c"program".as_ptr(), std::ptr::null()];
        let environment: [*const libc::c_char; 1] = [std::ptr::null()];
        call(
            libc::SYS_execveat,
            [
                fd,
                c"".as_ptr() as i64,
                arguments.as_ptr() as i64,
                environment.as_ptr() as i64,
                libc::AT_EMPTY_PATH.into(),
            ],
        )?;
    }
    Ok(())
}
