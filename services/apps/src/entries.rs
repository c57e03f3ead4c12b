//! Desktop entries as the freedesktop.org specification lays them out.
//!
//! Parsing is `freedesktop-desktop-entry`'s; what is decided here is which entries a person sees:
//! the first file of an id wins (`~/.local/share` before `/usr/share`), hidden ones shadow later
//! ones, and what is meant for another desktop or lacks its program is left out.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use freedesktop_desktop_entry::{DesktopEntry, Iter, default_paths, get_languages_from_env};

/// The desktop's name in `OnlyShowIn` and `NotShowIn`.
const DESKTOP: &str = "ArgOS";

/// An application a person can start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct App {
    /// Id: the file's name without `.desktop`, folders joined by `-`: `org.codeberg.dnkl.foot`.
    pub id: String,
    /// Name in the person's language.
    pub name: String,
    /// What kind of program it is (`Terminal`), or empty.
    pub generic_name: String,
    /// One line on what it is for, or empty.
    pub comment: String,
    /// Icon's name in the icon theme, or an absolute path, or empty.
    pub icon: String,
    /// Program and arguments, field codes removed; never empty.
    pub exec: Vec<String>,
    /// Folder to start in, if the entry names one.
    pub working_directory: Option<String>,
    /// Whether it needs a terminal around it.
    pub terminal: bool,
    /// Further words to find it by.
    pub keywords: Vec<String>,
    /// Categories of the specification: `System`, `Utility`, …
    pub categories: Vec<String>,
}

/// Every application of this person, by name. Reads the folders of `XDG_DATA_HOME` and
/// `XDG_DATA_DIRS`; entries that cannot be read are left out.
pub fn list() -> Vec<App> {
    list_in(default_paths(), &get_languages_from_env())
}

/// As [`list`], from `folders` (first ones win) and in the first of `languages` there is.
pub fn list_in(folders: impl IntoIterator<Item = PathBuf>, languages: &[String]) -> Vec<App> {
    let mut seen = HashSet::new();
    let mut apps: Vec<App> = Vec::new();
    for path in Iter::new(folders.into_iter()) {
        let Ok(entry) = DesktopEntry::from_path(path, Some(languages)) else {
            continue;
        };
        // A hidden entry still counts as seen: that is how a person removes a system-wide one.
        if !seen.insert(entry.id().to_owned()) {
            continue;
        }
        apps.extend(app(&entry, languages));
    }
    apps.sort_by_cached_key(|app| (app.name.to_lowercase(), app.id.clone()));
    apps
}

fn app(entry: &DesktopEntry, languages: &[String]) -> Option<App> {
    if entry.type_() != Some("Application") || entry.hidden() || entry.no_display() {
        return None;
    }
    if entry
        .only_show_in()
        .is_some_and(|desktops| !desktops.contains(&DESKTOP))
        || entry
            .not_show_in()
            .is_some_and(|desktops| desktops.contains(&DESKTOP))
    {
        return None;
    }
    if entry
        .try_exec()
        .is_some_and(|program| program_path(program).is_none())
    {
        return None;
    }
    let exec = entry.parse_exec().ok()?;
    let text = |value: Option<std::borrow::Cow<'_, str>>| {
        value.map(std::borrow::Cow::into_owned).unwrap_or_default()
    };
    Some(App {
        id: entry.id().to_owned(),
        name: text(entry.name(languages)),
        generic_name: text(entry.generic_name(languages)),
        comment: text(entry.comment(languages)),
        icon: entry.icon().unwrap_or_default().to_owned(),
        exec,
        working_directory: entry.path().filter(|p| !p.is_empty()).map(str::to_owned),
        terminal: entry.terminal(),
        keywords: entry
            .keywords(languages)
            .unwrap_or_default()
            .into_iter()
            .filter(|word| !word.is_empty())
            .map(std::borrow::Cow::into_owned)
            .collect(),
        categories: entry
            .categories()
            .unwrap_or_default()
            .into_iter()
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect(),
    })
}

/// Where `program` lies: itself if it is an absolute path of a file, else the first match in
/// `PATH`.
pub fn program_path(program: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let executable = |path: &Path| {
        path.metadata()
            .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    let path = Path::new(program);
    if path.is_absolute() {
        return executable(path).then(|| path.to_owned());
    }
    if program.is_empty() || program.contains('/') {
        return None;
    }
    let folders = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    std::env::split_paths(&folders)
        .map(|folder| folder.join(program))
        .find(|path| executable(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, text: &str) {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(
            folder.join(name),
            format!("[Desktop Entry]\nType=Application\n{text}"),
        )
        .unwrap();
    }

    fn names(folders: &[&Path]) -> Vec<String> {
        let folders = folders.iter().map(|f| f.to_path_buf());
        list_in(folders, &["de".to_owned()])
            .into_iter()
            .map(|app| app.name)
            .collect()
    }

    #[test]
    fn a_persons_entry_wins_and_hides_the_systems() {
        let root = tempfile::tempdir().unwrap();
        let (home, system) = (root.path().join("home"), root.path().join("system"));
        write(&system, "edit.desktop", "Name=Editor\nExec=/bin/sh\n");
        write(&system, "gone.desktop", "Name=Gone\nExec=/bin/sh\n");
        write(&home, "edit.desktop", "Name=My editor\nExec=/bin/sh\n");
        write(
            &home,
            "gone.desktop",
            "Name=Gone\nExec=/bin/sh\nHidden=true\n",
        );
        assert_eq!(names(&[&home, &system]), ["My editor"]);
    }

    #[test]
    fn only_what_this_desktop_can_start_is_listed() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path();
        write(
            folder,
            "a.desktop",
            "Name=Shown\nExec=/bin/sh\nOnlyShowIn=GNOME;ArgOS;\n",
        );
        write(
            folder,
            "b.desktop",
            "Name=Foreign\nExec=/bin/sh\nOnlyShowIn=GNOME;\n",
        );
        write(
            folder,
            "c.desktop",
            "Name=Unwanted\nExec=/bin/sh\nNotShowIn=ArgOS;\n",
        );
        write(
            folder,
            "d.desktop",
            "Name=Missing\nExec=x\nTryExec=argos-no-such-program\n",
        );
        write(
            folder,
            "e.desktop",
            "Name=Internal\nExec=/bin/sh\nNoDisplay=true\n",
        );
        write(folder, "f.desktop", "Name=Nothing to run\n");
        std::fs::write(folder.join("g.desktop"), "not a desktop entry").unwrap();
        assert_eq!(names(&[folder]), ["Shown"]);
    }

    #[test]
    fn language_and_field_codes_are_resolved() {
        let root = tempfile::tempdir().unwrap();
        write(
            root.path(),
            "org.example.View.desktop",
            "Name=Viewer\nName[de]=Betrachter\nExec=/bin/sh -c \"a b\" %U\nKeywords=Bild;Foto;\nTerminal=true\n",
        );
        let apps = list_in([root.path().to_owned()], &["de".to_owned()]);
        assert_eq!(apps[0].name, "Betrachter");
        assert_eq!(apps[0].exec, ["/bin/sh", "-c", "a b"]);
        assert_eq!(apps[0].keywords, ["Bild", "Foto"]);
        assert!(apps[0].terminal);
    }
}
