//! The output folder: whose it is, and what of it may be removed.
//!
//! `-O` may name any folder. A file in it says that it was made, or taken empty, by this program;
//! without that, nothing is written to a folder that holds anything, and nothing is removed.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

/// The file that says so.
const MARK: &str = ".argos-image";
const MARK_TEXT: &str =
    "This folder is argos-image's: `argos-image clean` removes what was built here.\n";
/// Folders of the results' own: logs of the steps, and what the scenarios leave.
const FOLDERS: [&str; 2] = ["log", "e2e"];
/// What says that the results fit what they were made of.
pub(crate) const STAMP: &str = ".packed";
/// What follows the image's name and a point, up to the next point; `partial`: an unfinished file.
const RESULTS: [&str; 7] = [
    "vmlinuz", "initrd", "root", "disk", "iso", "data", "partial",
];

/// Makes the folder, or makes sure that it may be written to. `ours`: it is by its place.
pub(crate) fn prepare(folder: &Path, ours: bool) -> Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("{}: cannot be made", folder.display()))?;
    if folder.join(MARK).exists() {
        return Ok(());
    }
    ensure!(
        ours || folder.read_dir()?.next().is_none(),
        "{}: is not empty and was not made by argos-image (there is no {MARK} in it); name another folder with -O",
        folder.display()
    );
    std::fs::write(folder.join(MARK), MARK_TEXT)
        .with_context(|| format!("{}: cannot be written to", folder.display()))
}

/// Removes what was built there of the image `name`; of a folder that is ours by its place, all.
pub(crate) fn remove(folder: &Path, ours: bool, name: &str) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    if ours {
        remove_folder(folder)?;
        println!("removed {}", folder.display());
        return Ok(());
    }
    ensure!(
        folder.join(MARK).exists(),
        "{}: was not made by argos-image (there is no {MARK} in it), so nothing of it is removed",
        folder.display()
    );
    for entry in folder.read_dir()? {
        let entry = entry?;
        let file = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_dir() {
            if FOLDERS.contains(&file.as_str()) {
                remove_folder(&entry.path())?;
            }
        } else if is_result(&file, name) {
            std::fs::remove_file(entry.path())
                .with_context(|| format!("{}: cannot be removed", entry.path().display()))?;
        }
    }
    if folder
        .read_dir()?
        .all(|e| e.is_ok_and(|e| e.file_name() == MARK))
    {
        remove_folder(folder)?;
        println!("removed {}", folder.display());
    } else {
        println!(
            "removed the results in {}; what else is in it stays",
            folder.display()
        );
    }
    Ok(())
}

fn is_result(file: &str, name: &str) -> bool {
    let kind = |rest: &str| RESULTS.contains(&rest.split('.').next().unwrap_or(rest));
    file == STAMP
        || file
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('.'))
            .is_some_and(kind)
}

/// Removes a folder with all that is in it, but never through a mount: what is mounted in a tree is
/// the repository, the toolchain, the host's devices.
pub(crate) fn remove_folder(folder: &Path) -> Result<()> {
    let mounts = std::fs::read_to_string("/proc/self/mounts")
        .context("/proc/self/mounts: cannot be read")?;
    if let Some(mount) = mount_below(&mounts, &std::path::absolute(folder)?) {
        anyhow::bail!(
            "{}: not removed, since something is mounted at {}",
            folder.display(),
            mount.display()
        );
    }
    std::fs::remove_dir_all(folder)
        .with_context(|| format!("{}: cannot be removed", folder.display()))
}

fn mount_below(mounts: &str, folder: &Path) -> Option<PathBuf> {
    mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        // The kernel writes these as octal numbers.
        .map(|path| {
            path.replace("\\040", " ")
                .replace("\\011", "\t")
                .replace("\\134", "\\")
        })
        .map(PathBuf::from)
        .find(|path| path.starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = folder
            .read_dir()
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_with_something_in_it_is_refused_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("log")).unwrap();
        let error = prepare(folder.path(), false).unwrap_err().to_string();
        assert!(
            error.contains("not empty") && error.contains("-O"),
            "{error}"
        );
        let error = remove(folder.path(), false, "argos")
            .unwrap_err()
            .to_string();
        assert!(error.contains("nothing of it is removed"), "{error}");
        assert_eq!(names(folder.path()), ["log"]);
    }

    #[test]
    fn only_results_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        prepare(folder, false).unwrap();
        for file in [
            "argos.vmlinuz",
            "argos.disk.raw",
            "argos.disk.partial",
            "argos.data.qcow2",
            STAMP,
            "argos.txt",
            "letter",
        ] {
            std::fs::write(folder.join(file), "").unwrap();
        }
        for made in ["log", "e2e/screens", "photos"] {
            std::fs::create_dir_all(folder.join(made)).unwrap();
        }
        // The second time it is known by its mark.
        prepare(folder, false).unwrap();
        remove(folder, false, "argos").unwrap();
        assert_eq!(names(folder), [MARK, "argos.txt", "letter", "photos"]);
    }

    #[test]
    fn a_folder_with_nothing_else_goes_itself() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("out");
        prepare(&folder, false).unwrap();
        std::fs::write(folder.join("argos.iso"), "").unwrap();
        remove(&folder, false, "argos").unwrap();
        assert!(!folder.exists());
    }

    #[test]
    fn mounts_below_a_folder_are_seen() {
        let mounts =
            "proc /proc proc rw 0 0\n/dev/vda /cache/trees/build\\0401/src/argos ext4 rw 0 0\n";
        let at = |folder: &str| mount_below(mounts, Path::new(folder));
        assert_eq!(
            at("/cache/trees"),
            Some("/cache/trees/build 1/src/argos".into())
        );
        assert_eq!(at("/cache/tree"), None);
    }
}
