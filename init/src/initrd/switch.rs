//! From the initramfs into the real root.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::SYSROOT;
use crate::spawn;

/// The real root's programs that may be handed over to, the first that is there.
const PROGRAMS: [&str; 2] = ["/usr/bin/argos-init", "/sbin/init"];

/// Moves the kernel's file systems and `/run` over. The error says which could not be.
pub fn move_mounts() -> Result<(), String> {
    if !PROGRAMS
        .iter()
        .any(|program| Path::new(&format!("{SYSROOT}{program}")).exists())
    {
        return Err(format!("the root has neither {}", PROGRAMS.join(" nor ")));
    }
    for target in ["/dev", "/proc", "/sys", "/run"] {
        rustix::mount::mount_move(target, format!("{SYSROOT}{target}"))
            .map_err(|error| format!("cannot move {target} into the root: {error}"))?;
    }
    Ok(())
}

/// Frees the initramfs, makes `/sysroot` the root and becomes its `argos-init`. Returns only if
/// that failed.
pub fn switch() -> io::Error {
    empty_initramfs();
    let switched = (|| -> io::Result<()> {
        rustix::process::chdir(SYSROOT)?;
        rustix::mount::mount_move(".", "/")?;
        rustix::process::chroot(".")?;
        rustix::process::chdir("/")?;
        Ok(())
    })();
    if let Err(error) = switched {
        return error;
    }
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for program in PROGRAMS {
        if let Ok(program) = CString::new(program) {
            last = spawn::replace(&[program]);
        }
    }
    last
}

/// Deletes what is in the initramfs and nowhere else: it is memory that is never freed otherwise.
fn empty_initramfs() {
    let Ok(root) = fs::metadata("/") else { return };
    let same = |path: &Path| fs::symlink_metadata(path).is_ok_and(|meta| meta.dev() == root.dev());
    let mut folders = vec![PathBuf::from("/")];
    let mut at = 0;
    while at < folders.len() {
        for entry in fs::read_dir(&folders[at]).into_iter().flatten().flatten() {
            let path = entry.path();
            if !same(&path) {
                continue;
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            } else {
                let _ = fs::remove_file(&path);
            }
        }
        at += 1;
    }
    for folder in folders.iter().skip(1).rev() {
        let _ = fs::remove_dir(folder);
    }
}
