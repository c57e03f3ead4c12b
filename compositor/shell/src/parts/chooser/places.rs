//! Where people keep things: their folders, the computer, and disks that are plugged in.

use std::path::{Path, PathBuf};

use crate::icons::Icon;
use crate::tr;
use crate::visible::visible;

/// A place at the left of the dialog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What it is called.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// How it is drawn.
    pub icon: Icon,
    /// Whether dialogs begin there that are not told where to: the folder for documents.
    pub first: bool,
}

/// As many disks are shown.
const MOST_DISKS: usize = 8;

/// The person's folders, by the names of `user-dirs.dirs` and what they are called without it.
const FOLDERS: [(&str, &str, Icon); 6] = [
    ("DESKTOP", "Desktop", Icon::App),
    ("DOCUMENTS", "Documents", Icon::File),
    ("DOWNLOAD", "Downloads", Icon::Download),
    ("MUSIC", "Music", Icon::Sound),
    ("PICTURES", "Pictures", Icon::Picture),
    ("VIDEOS", "Videos", Icon::Play),
];

/// All that are there now.
pub fn places() -> Vec<Place> {
    let mut places = Vec::new();
    if let Some(home) = home() {
        places.push(Place {
            name: tr!("place-home"),
            path: home.clone(),
            icon: Icon::Home,
            first: false,
        });
        let own = user_dirs(&home);
        for (key, name, icon) in FOLDERS {
            let path = folder(&own, key, &home, name);
            // One that is the home itself is switched off.
            if path != home && path.is_dir() {
                let name = path.file_name().unwrap_or(path.as_os_str());
                let name = visible(&name.to_string_lossy());
                places.push(Place {
                    name,
                    path,
                    icon,
                    first: key == "DOCUMENTS",
                });
            }
        }
    }
    places.push(Place {
        name: tr!("place-computer"),
        path: "/".into(),
        icon: Icon::Disk,
        first: false,
    });
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    places.extend(disks(&mounts));
    places
}

/// The person's home.
pub fn home() -> Option<PathBuf> {
    let home = PathBuf::from(std::env::var_os("HOME")?);
    home.is_absolute().then_some(home)
}

/// Where pictures of the screen are put: the person's folder for pictures.
pub fn pictures() -> Option<PathBuf> {
    let home = home()?;
    Some(folder(&user_dirs(&home), "PICTURES", &home, "Pictures"))
}

fn folder(own: &[(String, PathBuf)], key: &str, home: &Path, otherwise: &str) -> PathBuf {
    let named = own.iter().find(|(name, _)| name == key);
    named.map_or_else(|| home.join(otherwise), |(_, path)| path.clone())
}

fn user_dirs(home: &Path) -> Vec<(String, PathBuf)> {
    let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let config = config.filter(|path| path.is_absolute());
    let file = config
        .unwrap_or_else(|| home.join(".config"))
        .join("user-dirs.dirs");
    let text = std::fs::read_to_string(file).unwrap_or_default();
    parse_user_dirs(&text, home)
}

/// Lines like `XDG_MUSIC_DIR="$HOME/Musik"`.
fn parse_user_dirs(text: &str, home: &Path) -> Vec<(String, PathBuf)> {
    let line = |line: &str| {
        let (key, value) = line.trim().split_once('=')?;
        let key = key.strip_prefix("XDG_")?.strip_suffix("_DIR")?;
        let value = value.strip_prefix('"')?.strip_suffix('"')?;
        let path = match value.strip_prefix("$HOME") {
            Some("" | "/") => home.to_owned(),
            Some(below) => home.join(below.strip_prefix('/')?),
            None => PathBuf::from(value),
        };
        path.is_absolute().then(|| (key.to_owned(), path))
    };
    text.lines().filter_map(line).collect()
}

/// What is mounted where disks are that a person plugs in.
fn disks(mounts: &str) -> Vec<Place> {
    let disk = |line: &str| {
        let at = unescape(line.split(' ').nth(1)?);
        let plugged = ["/media/", "/run/media/", "/mnt/"];
        let plugged = plugged.iter().any(|folder| at.starts_with(folder));
        let path = PathBuf::from(at);
        let name = visible(&path.file_name()?.to_string_lossy());
        plugged.then_some(Place {
            name,
            path,
            icon: Icon::Disk,
            first: false,
        })
    };
    let disks = mounts.lines().filter_map(disk);
    disks.take(MOST_DISKS).collect()
}

/// The kernel writes spaces in paths as `\040`.
fn unescape(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..3).and_then(|d| u8::from_str_radix(d, 8).ok());
        match code {
            Some(code) => {
                out.push(char::from(code));
                out.push_str(&part[3..]);
            }
            None => {
                out.push('\\');
                out.push_str(part);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_persons_folders_may_have_other_names() {
        let text = "# x\nXDG_MUSIC_DIR=\"$HOME/Musik\"\nXDG_PICTURES_DIR=\"/data/p\"\n\
                    XDG_VIDEOS_DIR=\"$HOME\"\nXDG_DESKTOP_DIR=\"relative\"\nnonsense\n";
        let found = parse_user_dirs(text, Path::new("/home/a"));
        let of = |key: &str| folder(&found, key, Path::new("/home/a"), "Otherwise");
        assert_eq!(of("MUSIC"), Path::new("/home/a/Musik"));
        assert_eq!(of("PICTURES"), Path::new("/data/p"));
        assert_eq!(of("VIDEOS"), Path::new("/home/a"));
        assert_eq!(of("DESKTOP"), Path::new("/home/a/Otherwise"));
    }

    #[test]
    fn plugged_disks_are_places() {
        let mounts = "proc /proc proc rw 0 0\n/dev/sdb1 /run/media/ada/MY\\040STICK vfat rw 0 0\n\
                      /dev/sda1 /home ext4 rw 0 0\n";
        let found = disks(mounts);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].name, "MY STICK");
        assert_eq!(found[0].path, Path::new("/run/media/ada/MY STICK"));
    }
}
