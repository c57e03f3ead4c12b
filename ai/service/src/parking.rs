//! The folder for requests that have to wait: nobody else's business, and empty at the start.
//!
//! What is in it are files without names, which are gone with the process. Where a file system has none,
//! they have names for a moment, and those that an earlier end left there are removed.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

use anyhow::Context;

/// How names begin that the files have for a moment.
const NAMES: &str = ".tmp";

/// Makes the folder, or takes one that is there, for this user alone. Nothing but what an earlier run left
/// is removed.
///
/// # Errors
/// It cannot be made, or there is something else, or somebody else's.
pub(crate) fn prepare(folder: &Path) -> anyhow::Result<()> {
    let said = || format!("cannot use {}", folder.display());
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(e).with_context(said),
        _ => {}
    }
    let about = fs::symlink_metadata(folder).with_context(said)?;
    anyhow::ensure!(
        about.is_dir(),
        "{}: there is something that is no folder; remove it or choose another one",
        said()
    );
    let own = rustix::process::geteuid().as_raw();
    anyhow::ensure!(
        about.uid() == own,
        "{}: it belongs to user {}, not to {own}; choose another folder",
        said(),
        about.uid()
    );
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).with_context(said)?;
    for entry in fs::read_dir(folder).with_context(said)? {
        let entry = entry.with_context(said)?;
        let left = entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(NAMES.as_bytes());
        if left && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let file = entry.path();
            fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_made_private_and_what_was_left_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("parked");
        prepare(&folder).unwrap();
        let mode = || fs::metadata(&folder).unwrap().mode() & 0o777;
        assert_eq!(mode(), 0o700);
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        // As the engine makes them where a file must have a name.
        let (_, left) = tempfile::NamedTempFile::new_in(&folder)
            .unwrap()
            .keep()
            .unwrap();
        fs::write(folder.join("letter"), "not ours").unwrap();
        fs::create_dir(folder.join(".tmp-folder")).unwrap();
        prepare(&folder).unwrap();
        assert_eq!(mode(), 0o700);
        assert!(!left.exists() && folder.join("letter").exists());
    }

    #[test]
    fn what_is_no_folder_of_ours_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        std::os::unix::fs::symlink(dir.path(), dir.path().join("link")).unwrap();
        for (name, part) in [
            ("file", "no folder"),
            ("link", "no folder"),
            ("missing/parked", "cannot use"),
        ] {
            let error = prepare(&dir.path().join(name)).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        if rustix::process::geteuid().is_root() {
            let theirs = dir.path().join("theirs");
            fs::create_dir(&theirs).unwrap();
            std::os::unix::fs::chown(&theirs, Some(1234), None).unwrap();
            let error = prepare(&theirs).unwrap_err().to_string();
            assert!(error.contains("user 1234"), "{error}");
        }
    }
}
