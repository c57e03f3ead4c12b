//! Paths that agents write, turned into the one string that is shown, granted and enforced.
//!
//! `~/Documents/../x` becomes `/home/argos/x`; then every part that is a symbolic link is followed,
//! so that what the person reads is where the file really is. Enforcement ([`crate::open_beneath`])
//! follows no link at all: a link that appears between the question and the act makes the act fail.
//!
//! Nothing here tells the caller whether a path exists: the parts that do not are kept as written,
//! and there is no error. Whether something is there is only learned with the permission to read it.

use std::path::{Component, Path, PathBuf};

use crate::text;
use crate::{Code, Context, ToolError};

/// Longest path, in bytes.
const MAX_PATH: usize = 4096;
/// Most symbolic links followed on the way.
const MAX_LINKS: usize = 40;
/// Trees that hold no files of a person, and where opening something can have effects.
const NOT_FILES: [&str; 3] = ["/proc", "/sys", "/dev"];

/// The canonical form of a path that an agent wrote and that is to be read. A name that is not there
/// but for its case is taken for what was meant: `~/downloads` finds `~/Downloads`.
pub(crate) fn canonical(
    tried: &str,
    written: &str,
    context: &Context,
) -> Result<String, ToolError> {
    let wrong = |why: String| ToolError::new(Code::InvalidArguments, tried, why);
    if written.len() > MAX_PATH {
        return Err(ToolError::new(
            Code::LimitReached,
            tried,
            format!(
                "the path has {} bytes; the most is {MAX_PATH}",
                written.len()
            ),
        ));
    }
    text::plain(tried, "path", written)?;
    let lexical = absolute(written, &context.home).map_err(wrong)?;
    let path = follow(&lexical).map_err(wrong)?;
    let Some(path) = path.to_str() else {
        return Err(wrong("it leads to a name that is not UTF-8".to_owned()));
    };
    text::plain(tried, "path", path)?;
    // What stands around a path is not part of it, so nobody could say that it is.
    if path.ends_with(char::is_whitespace) {
        return Err(wrong(format!(
            "{path:?} ends in a space, which cannot be seen"
        )));
    }
    if NOT_FILES
        .iter()
        .any(|tree| Path::new(path).starts_with(tree))
    {
        return Err(wrong(format!("{path} is no place for files"))
            .hint("system.info tells about the machine"));
    }
    Ok(path.to_owned())
}

/// The canonical form of a path that is to be made or replaced. Only the folder's name is forgiving:
/// `README.md` is not `readme.md` when it is written.
pub(crate) fn canonical_new(
    tried: &str,
    written: &str,
    context: &Context,
) -> Result<String, ToolError> {
    let wrong = |why: String| ToolError::new(Code::InvalidArguments, tried, why);
    // For its limits; what it makes of the last part does not count.
    let found = canonical(tried, written, context)?;
    let lexical = absolute(written, &context.home).map_err(wrong)?;
    let (Some(folder), Some(name)) = (lexical.parent(), lexical.file_name()) else {
        return Ok(found);
    };
    let (Some(folder), Some(name)) = (folder.to_str(), name.to_str()) else {
        return Err(wrong("it is not UTF-8".to_owned()));
    };
    let path = Path::new(&canonical(tried, folder, context)?).join(name);
    if path.is_symlink() {
        return canonical(tried, &path.to_string_lossy(), context);
    }
    Ok(path.to_string_lossy().into_owned())
}

/// Refuses to change what the permissions of agents rest on: the broker's grants and audit log, the
/// person's settings, where tool providers and units are declared, and the parts of the shell, which
/// run outside of every sandbox. With `whole`, for what takes a folder with all in it, also every folder above them.
pub(crate) fn changeable(
    tried: &str,
    path: &str,
    context: &Context,
    whole: bool,
) -> Result<(), ToolError> {
    let kept = [
        ".local/state/argos",
        ".config/argos",
        ".local/share/argos/parts",
    ];
    let kept = kept.map(|part| context.home.join(part));
    // They may be reached by another name: both are held against the path.
    let kept: Vec<PathBuf> = kept
        .iter()
        .filter_map(|place| follow(place).ok())
        .chain(kept.iter().cloned())
        .collect();
    let path = Path::new(path);
    for place in &kept {
        if path.starts_with(place) {
            return Err(ToolError::new(
                Code::Denied,
                tried,
                format!(
                    "{} holds what agents are granted and did, or what runs as the person; no tool changes it",
                    place.display()
                ),
            ));
        }
    }
    if whole && (kept.iter().any(|place| place.starts_with(path)) || context.home.starts_with(path))
    {
        return Err(ToolError::new(
            Code::Denied,
            tried,
            format!(
                "{} holds the whole home or what agents were granted",
                path.display()
            ),
        )
        .hint("Name what is in it instead"));
    }
    Ok(())
}

/// Whether a path has a hidden part: what stands there steers programs (`.bashrc`, `.config`,
/// `.git/hooks`), so a grant for a folder above it is no word on it.
pub(crate) fn hidden(path: &str, context: &Context) -> bool {
    let path = Path::new(path);
    path.strip_prefix(&context.home)
        .unwrap_or(path)
        .components()
        .any(|part| part.as_os_str().as_encoded_bytes().starts_with(b"."))
}

/// Makes a path absolute and takes out `.` and `..`, by its words alone.
fn absolute(written: &str, home: &Path) -> Result<PathBuf, String> {
    let written = written.trim();
    if written.is_empty() {
        return Err("the path is empty".to_owned());
    }
    let mut path = if let Some(rest) = written.strip_prefix('~') {
        if !rest.is_empty() && !rest.starts_with('/') {
            return Err(format!(
                "{written:?}: the homes of others cannot be named by `~name`"
            ));
        }
        home.join(rest.trim_start_matches('/'))
    } else {
        // A relative path means the person's home: nobody else's working folder is known here.
        home.join(written)
    };
    if path
        .components()
        .any(|part| matches!(part, Component::ParentDir | Component::CurDir))
    {
        let mut plain = PathBuf::from("/");
        for part in path.components() {
            match part {
                Component::Normal(name) => plain.push(name),
                Component::ParentDir if !plain.pop() => {
                    return Err("the path leads above the root".to_owned());
                }
                _ => {}
            }
        }
        path = plain;
    }
    Ok(path.components().collect())
}

/// Follows every symbolic link in an absolute path, as far as it exists.
fn follow(path: &Path) -> Result<PathBuf, String> {
    let mut links = 0;
    let mut done = PathBuf::from("/");
    let mut left: Vec<std::ffi::OsString> = parts(path);
    while let Some(name) = left.pop() {
        if name == ".." {
            done.pop();
            continue;
        }
        let mut next = done.join(&name);
        let mut kind = next.symlink_metadata().ok().map(|meta| meta.file_type());
        if kind.is_none()
            && let Some(near) = same_but_case(&done, &name)
        {
            next = done.join(near);
            kind = next.symlink_metadata().ok().map(|meta| meta.file_type());
        }
        match kind {
            Some(kind) if kind.is_symlink() => {
                links += 1;
                if links > MAX_LINKS {
                    return Err("the path has too many symbolic links".to_owned());
                }
                let Ok(target) = std::fs::read_link(&next) else {
                    return Err(
                        "the path goes through a symbolic link that cannot be read".to_owned()
                    );
                };
                if target.is_absolute() {
                    done = PathBuf::from("/");
                }
                left.extend(parts(&target));
            }
            _ => done = next,
        }
        if left.len() > MAX_PATH {
            return Err("the path is too long once its symbolic links are followed".to_owned());
        }
    }
    Ok(done)
}

/// The parts of a path, last one first, `..` kept.
fn parts(path: &Path) -> Vec<std::ffi::OsString> {
    path.components()
        .rev()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            _ => None,
        })
        .collect()
}

/// The one name in a folder that differs from `name` only in its case.
fn same_but_case(folder: &Path, name: &std::ffi::OsStr) -> Option<std::ffi::OsString> {
    let wanted = name.to_str()?.to_lowercase();
    let mut found = None;
    for entry in std::fs::read_dir(folder).ok()?.take(10_000).flatten() {
        let entry = entry.file_name();
        if entry
            .to_str()
            .is_some_and(|entry| entry.to_lowercase() == wanted)
        {
            if found.is_some() {
                return None;
            }
            found = Some(entry);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(home: &Path) -> Context {
        Context::new(Some("steward".to_owned()), home)
    }

    fn at(home: &Path, written: &str) -> Result<String, ToolError> {
        canonical("files.list", written, &context(home))
    }

    #[test]
    fn words_become_one_path() {
        let home = Path::new("/home/nobody-here");
        for (written, path) in [
            ("~", "/home/nobody-here"),
            ("~/", "/home/nobody-here"),
            ("~/Documents/", "/home/nobody-here/Documents"),
            ("Documents", "/home/nobody-here/Documents"),
            ("~/a/../b//./c", "/home/nobody-here/b/c"),
            (
                "/home/nobody-here/../../etc/x-not-there",
                "/etc/x-not-there",
            ),
            (" ~/a ", "/home/nobody-here/a"),
        ] {
            assert_eq!(at(home, written).unwrap(), path, "{written}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        let home = Path::new("/home/nobody-here");
        let long = "a/".repeat(3000);
        for written in [
            "",
            " ",
            "~root/x",
            "a\0b",
            "a\nb",
            "../../../..",
            "/proc/1/environ",
            "/dev/sda",
            "/sys",
            "/proc/../proc/self",
            &long,
        ] {
            assert!(at(home, written).is_err(), "{written:?}");
        }
    }

    #[test]
    fn links_are_followed_to_what_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(home.join("real/deep")).unwrap();
        std::os::unix::fs::symlink("/etc", home.join("trap")).unwrap();
        std::os::unix::fs::symlink("real/deep", home.join("short")).unwrap();
        std::os::unix::fs::symlink("loop", home.join("loop")).unwrap();
        let shown = |written: &str| at(&home, written);
        assert_eq!(shown("~/trap/shadow").unwrap(), "/etc/shadow");
        assert_eq!(
            shown("~/short/x").unwrap(),
            home.join("real/deep/x").to_str().unwrap()
        );
        assert!(shown("~/loop/x").is_err());
        assert_eq!(
            shown("~/not/there").unwrap(),
            home.join("not/there").to_str().unwrap()
        );
    }

    #[test]
    fn a_new_file_keeps_its_name_and_no_link_hides_where_it_goes() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().canonicalize().unwrap();
        std::fs::create_dir(home.join("Documents")).unwrap();
        std::fs::write(home.join("Documents/readme.md"), "").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", home.join("Documents/link")).unwrap();
        let new = |written: &str| canonical_new("files.write", written, &context(&home));
        assert_eq!(
            new("documents/README.md").unwrap(),
            home.join("Documents/README.md").to_str().unwrap()
        );
        assert_eq!(new("~/documents/link").unwrap(), "/etc/passwd");
        assert!(new("/dev/sda").is_err() && new("~/a\u{202e}b").is_err());
    }

    #[test]
    fn what_permissions_rest_on_is_not_changed() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().canonicalize().unwrap();
        let may = |path: &str, whole| {
            let path = home.join(path);
            changeable("t", path.to_str().unwrap(), &context(&home), whole).is_ok()
        };
        assert!(!may(".local/state/argos/grants.json", false));
        assert!(!may(".local/state/argos", true));
        assert!(!may(".local", true) && !may("", true));
        let above = home.parent().unwrap().to_str().unwrap();
        assert!(changeable("t", above, &context(&home), true).is_err());
        assert!(!may(".local/share/argos/parts/clock.yaml", false));
        assert!(!may(".local/share", true), "a folder of parts goes with it");
        assert!(may(".local/share/argos/agents/x", true) && may(".local/share/x", true));
        assert!(may("Documents", true) && may(".bashrc", false));
        // The same folder by another name.
        std::fs::create_dir_all(home.join("elsewhere")).unwrap();
        std::fs::create_dir_all(home.join(".local/state")).unwrap();
        std::os::unix::fs::symlink(home.join("elsewhere"), home.join(".local/state/argos"))
            .unwrap();
        assert!(!may("elsewhere/grants.json", false) && !may("elsewhere", true));
    }

    #[test]
    fn case_is_forgiven_if_it_is_clear_what_is_meant() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().canonicalize().unwrap();
        std::fs::create_dir(home.join("Downloads")).unwrap();
        assert_eq!(
            at(&home, "downloads").unwrap(),
            home.join("Downloads").to_str().unwrap()
        );
        std::fs::create_dir(home.join("DOWNLOADS")).unwrap();
        assert_eq!(
            at(&home, "downloads").unwrap(),
            home.join("downloads").to_str().unwrap()
        );
    }
}
