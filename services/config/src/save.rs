//! Replacing a file so that after a crash there is the old content or the new, never half of one.

use std::io::Write;
use std::path::Path;

use serde::Serialize;

use crate::Error;

/// Writes `value` as YAML to `path` ([`write_atomically`]).
pub fn save<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    let text = serde_saphyr::to_string(value).map_err(|e| Error::Unserialisable {
        path: path.to_owned(),
        message: e.to_string(),
    })?;
    write_atomically(path, text.as_bytes())
}

/// Replaces the content of `path`: written to a temporary file beside it, synced, renamed over it,
/// and the folder synced. Makes the folder if it is missing.
pub fn write_atomically(path: &Path, content: &[u8]) -> Result<(), Error> {
    try_write(path, content).map_err(|source| Error::Unwritable {
        path: path.to_owned(),
        source,
    })
}

fn try_write(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder)?;
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().ok_or(std::io::ErrorKind::InvalidInput)?);
    name.push(format!(".{}.new", std::process::id()));
    let temporary = folder.join(name);
    let written = (|| {
        let mut file = std::fs::File::create(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    })();
    if written.is_err() {
        // Best effort: the error that matters is the one above.
        let _ = std::fs::remove_file(&temporary);
        return written;
    }
    sync_folder(folder)
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}

/// Windows commits a rename without being asked, and opens no folders.
#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_and_leaves_nothing_beside() {
        let folder = std::env::temp_dir().join(format!("argos-config-{}", std::process::id()));
        let file = folder.join("deep/file.yaml");
        save(&file, &vec![1, 2]).unwrap();
        save(&file, &vec![3]).unwrap();
        assert_eq!(crate::load::<Vec<u32>>(&file).unwrap(), [3]);
        assert_eq!(
            std::fs::read_dir(file.parent().unwrap()).unwrap().count(),
            1
        );
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_failed_write_keeps_the_old_content() {
        let folder = std::env::temp_dir().join(format!("argos-config-full-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("target")).unwrap();
        // A folder cannot be renamed over: stands for any failure at the last step.
        let error = write_atomically(&folder.join("target"), b"x").unwrap_err();
        assert!(error.to_string().contains("cannot be written"));
        assert_eq!(
            std::fs::read_dir(&folder).unwrap().count(),
            1,
            "no temporary file is left"
        );
        std::fs::remove_dir_all(folder).unwrap();
    }
}
