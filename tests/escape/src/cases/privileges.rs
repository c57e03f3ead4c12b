//! Becoming somebody else, or more than one was.

use std::io;
use std::path::PathBuf;
use std::process::Command;

use rustix::thread::{CapabilitySet, CapabilitySets};

use crate::case::{Case, Control, GONE, How, PLAIN, PRIVILEGED, REFUSED, ROOT, case};
use crate::sys::{call, checked, failed, folder, path, program};

pub(crate) const CASES: &[Case] = &[
    case(
        "run a set-user-id copy",
        Control::Unless(How::Plain, libc::ENOENT, "only root can make one"),
        REFUSED,
        || {
            let mut other = Command::new(PathBuf::from(
                std::env::var_os("SETUID").unwrap_or_default(),
            ));
            match program(other.arg("changed-user"))? {
                Some(0) => Ok(()),
                // It runs, and as nobody else.
                Some(3) => failed(libc::EPERM),
                status => Err(io::Error::other(format!("status {status:?}"))),
            }
        },
    ),
    case("sudo", ROOT, REFUSED, || {
        // Where there is no sudo, su is the same kind of program.
        let words: &[&str] = if std::path::Path::new("/usr/bin/sudo").exists() {
            &["/usr/bin/sudo", "-n", "/usr/bin/true"]
        } else {
            &["/usr/bin/su", "root", "-c", "/usr/bin/true"]
        };
        match program(Command::new(words[0]).args(&words[1..]))? {
            Some(0) => Ok(()),
            _ => failed(libc::EPERM),
        }
    }),
    case("leave a set-user-id program behind", PLAIN, REFUSED, || {
        let file = path(folder("workspace/program"));
        call(libc::SYS_chmod, [file.as_ptr() as i64, 0o4755]).map(|_| ())
    }),
    case("leave one behind by a descriptor", PLAIN, REFUSED, || {
        let file = std::fs::File::open(folder("workspace/program"))?;
        let fd = std::os::fd::AsRawFd::as_raw_fd(&file);
        call(libc::SYS_fchmod, [fd.into(), 0o2755]).map(|_| ())
    }),
    case("create a file that is set-user-id", PLAIN, REFUSED, || {
        let file = path(folder("workspace/made"));
        let flags = libc::O_CREAT | libc::O_WRONLY;
        call(
            libc::SYS_openat,
            [
                libc::AT_FDCWD.into(),
                file.as_ptr() as i64,
                flags.into(),
                0o4755,
            ],
        )
        .map(|_| ())
    }),
    case("create one by openat2", PLAIN, crate::case::MISSING, || {
        let file = path(folder("workspace/made"));
        let how = [(libc::O_CREAT | libc::O_WRONLY) as u64, 0o4755, 0];
        call(
            libc::SYS_openat2,
            [
                libc::AT_FDCWD.into(),
                file.as_ptr() as i64,
                how.as_ptr() as i64,
                24,
            ],
        )
        .map(|_| ())
    }),
    case("change the user", PRIVILEGED, REFUSED, || {
        call(libc::SYS_setresuid, [0, 0, 0]).map(|_| ())
    }),
    case("change the group", PRIVILEGED, REFUSED, || {
        call(libc::SYS_setresgid, [0, 0, 0]).map(|_| ())
    }),
    case("join groups", ROOT, REFUSED, || {
        let groups = [0_u32];
        call(libc::SYS_setgroups, [1, groups.as_ptr() as i64]).map(|_| ())
    }),
    case("regain a capability", PRIVILEGED, REFUSED, || {
        let wanted = CapabilitySet::SYS_ADMIN;
        let sets = CapabilitySets {
            effective: wanted,
            permitted: wanted,
            inheritable: CapabilitySet::empty(),
        };
        rustix::thread::set_capabilities(None, sets).map_err(io::Error::from)
    }),
    case(
        "use a capability that was kept",
        PRIVILEGED,
        REFUSED,
        || {
            // Enough to see: each of the kernel's checks looks at this set.
            let held = rustix::thread::capabilities(None)?;
            if (held.effective | held.permitted).is_empty() {
                return failed(libc::EPERM);
            }
            Ok(())
        },
    ),
    case("raise an ambient capability", PRIVILEGED, REFUSED, || {
        if crate::sys::outside() {
            let all = rustix::thread::capabilities(None)?;
            let sets = CapabilitySets {
                inheritable: all.permitted,
                ..all
            };
            rustix::thread::set_capabilities(None, sets)?;
        }
        // CAP_NET_RAW.
        // SAFETY: plain numbers.
        checked(unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE, 13, 0, 0) })
            .map(|_| ())
    }),
    case("give a file away", ROOT, REFUSED, || {
        let file = path(folder("workspace/program"));
        call(libc::SYS_chown, [file.as_ptr() as i64, 65534, 65534]).map(|_| ())
    }),
    case(
        "read a secret from the environment",
        PLAIN,
        GONE,
        || match std::env::var("SECRET") {
            Ok(_) => Ok(()),
            Err(_) => failed(libc::ENOENT),
        },
    ),
];
