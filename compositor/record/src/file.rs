//! The file that a recording goes into.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use jiff::Zoned;

/// The person's folder for videos, if they have a home.
pub fn folder() -> Option<PathBuf> {
    let of = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let home = || Some(PathBuf::from(of("HOME")?).join("Videos"));
    of("XDG_VIDEOS_DIR").map(PathBuf::from).or_else(home)
}

/// Makes a file of that name, which must not be there.
///
/// # Errors
/// When it is there, or cannot be made.
pub fn make(path: &Path) -> io::Result<File> {
    File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)
}

/// Makes a file with a name that is not taken, by the time.
///
/// # Errors
/// When it cannot be made.
pub fn make_in(folder: &Path, now: &Zoned) -> io::Result<(PathBuf, File)> {
    fs::create_dir_all(folder)?;
    let now = now.strftime("Recording %Y-%m-%d %H-%M-%S");
    for number in 0..1000 {
        let name = match number {
            0 => format!("{now}.mkv"),
            number => format!("{now} ({number}).mkv"),
        };
        let path = folder.join(name);
        match make(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("a thousand recordings in one second"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_the_time_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("Videos");
        let now: Zoned = "2026-11-22T14:05:42[UTC]".parse().unwrap();
        let name = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        let (first, _) = make_in(&inside, &now).unwrap();
        let (second, _) = make_in(&inside, &now).unwrap();
        let taken = make(&second).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(name(first), "Recording 2026-11-22 14-05-42.mkv");
        assert_eq!(name(second), "Recording 2026-11-22 14-05-42 (1).mkv");
    }
}
