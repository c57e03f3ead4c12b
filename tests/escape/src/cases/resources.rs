//! Taking more than one's share. Memory and processor time are the control group's, so those
//! bombs go off under the live broker (`agent`); what the sandbox itself bounds is here.

use std::io::{self, Write};

use crate::case::{Blocked, Case, PLAIN, REFUSED, case};
use crate::sys::{call, checked, folder, outside};

const ENOUGH: Blocked = Blocked::Errno(&[libc::EAGAIN]);
const FULL: Blocked = Blocked::Errno(&[libc::ENOSPC]);

pub(crate) const CASES: &[Case] = &[
    case("a bomb of processes", PLAIN, ENOUGH, || bomb(300))
        .not_for_root("the kernel exempts root from this limit: that takes a control group"),
    case(
        "a bomb of descriptors",
        PLAIN,
        Blocked::Errno(&[libc::EMFILE]),
        || {
            if outside() {
                let limits = [4096_u64, 4096];
                call(
                    libc::SYS_prlimit64,
                    [0, libc::RLIMIT_NOFILE.into(), limits.as_ptr() as i64, 0],
                )?;
            }
            for _ in 0..2000 {
                call(libc::SYS_dup, [0])?;
            }
            Ok(())
        },
    ),
    case("raise the limit of descriptors", PLAIN, REFUSED, || {
        let limits = [4096_u64, 4096];
        call(
            libc::SYS_prlimit64,
            [0, libc::RLIMIT_NOFILE.into(), limits.as_ptr() as i64, 0],
        )
        .map(|_| ())
    }),
    case(
        "a bomb of one file",
        PLAIN,
        Blocked::Killed(libc::SIGXFSZ),
        || fill(&folder("workspace/made"), 3),
    ),
    case(
        "a bomb of one sparse file",
        PLAIN,
        Blocked::Killed(libc::SIGXFSZ),
        || {
            let file = std::fs::File::create(folder("workspace/made"))?;
            file.set_len(1 << 40)
                // A file system may hold no file as large; that is not what is asked.
                .or_else(|error| match error.raw_os_error() {
                    Some(libc::EFBIG) if outside() => file.set_len(1 << 30),
                    _ => Err(error),
                })
        },
    ),
    case("fill the memory of /tmp", PLAIN, FULL, || {
        let files: Vec<_> = (0..40)
            .map(|n| format!("/tmp/argos-escape-fill-{}-{n}", std::process::id()))
            .collect();
        let result = files.iter().try_for_each(|file| fill(file.as_ref(), 1));
        for file in files {
            let _ = std::fs::remove_file(file);
        }
        result
    }),
    case("fill /tmp with names", PLAIN, FULL, || {
        let place =
            std::path::PathBuf::from(format!("/tmp/argos-escape-names-{}", std::process::id()));
        std::fs::create_dir(&place)?;
        let result = (0..20_000).try_for_each(|n| std::fs::create_dir(place.join(n.to_string())));
        let _ = std::fs::remove_dir_all(&place);
        result
    }),
];

fn fill(file: &std::path::Path, mebibytes: usize) -> io::Result<()> {
    let mut file = std::fs::File::create(file)?;
    let some = vec![1_u8; 1 << 20];
    (0..mebibytes).try_for_each(|_| file.write_all(&some))
}

fn bomb(count: usize) -> io::Result<()> {
    let mut children = Vec::new();
    let mut result = Ok(());
    for _ in 0..count {
        match crate::sys::sleeper() {
            Ok(pid) => children.push(pid),
            Err(error) => {
                result = Err(error);
                break;
            }
        }
    }
    for pid in children {
        // SAFETY: children that were not waited for.
        let _ = checked(unsafe { libc::kill(pid, libc::SIGKILL) });
        // SAFETY: as above; no status is stored.
        unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
    }
    result
}
