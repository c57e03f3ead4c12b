//! Manifests: the files that say which parts the shell has besides its own.
//!
//! One file a part, `NAME.yaml`. Of several with one name the one in the last folder counts, as a whole, also
//! when it has a mistake: what is meant is what the person wrote, not what the system had before.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use argos_config::{Error, MAX_FILE_BYTES, Place};
use argos_units::{Restart, TransientUnit};
use serde::Deserialize;

/// What the names of parts' units begin with.
pub(super) const PREFIX: &str = "part-";
/// In a unit's description, before the sum of its definition: tells parts of the shell from other units, and one
/// definition of a part from another, also to a shell that did not start it.
const MARK: &str = " [shell part ";

/// A part of the shell's own that another one can stand in for. What asks for permissions, or shows and takes
/// them back, is not among them, nor what locks the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BuiltIn {
    /// Behind everything.
    Wallpaper,
    /// The bar at the top.
    Panel,
    /// Starts applications.
    Launcher,
    /// Conversations with agents.
    Chat,
    /// The agent view.
    Agents,
    /// Quick settings.
    Controls,
    /// The power menu.
    Power,
    /// The settings.
    Settings,
    /// Serves `org.freedesktop.Notifications`.
    Notifications,
    /// Shows volume and brightness for a moment when they change.
    Display,
}

impl BuiltIn {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Wallpaper,
        Self::Panel,
        Self::Launcher,
        Self::Chat,
        Self::Agents,
        Self::Controls,
        Self::Power,
        Self::Settings,
        Self::Notifications,
        Self::Display,
    ];

    /// As manifests and `argos desktop toggle` name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wallpaper => "wallpaper",
            Self::Panel => "panel",
            Self::Launcher => "launcher",
            Self::Chat => "chat",
            Self::Agents => "agents",
            Self::Controls => "controls",
            Self::Power => "power",
            Self::Settings => "settings",
            Self::Notifications => "notifications",
            Self::Display => "display",
        }
    }

    /// The one that is meant by what can be toggled: `launcher`, `settings/displays`.
    pub fn toggled(part: &str) -> Option<Self> {
        let name = part.split('/').next()?;
        Self::ALL
            .into_iter()
            .find(|built_in| built_in.name() == name)
    }
}

/// A manifest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// One line for people.
    #[serde(default)]
    pub description: String,
    /// Program and arguments.
    #[serde(default)]
    pub exec: Vec<String>,
    /// The parts that leave while it is there.
    #[serde(default)]
    pub replaces: BTreeSet<BuiltIn>,
    /// Environment besides the session's.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Whether it is to run.
    #[serde(default = "yes")]
    pub enabled: bool,
}

fn yes() -> bool {
    true
}

impl Manifest {
    /// Reads `text`, which errors call `file`.
    ///
    /// # Errors
    /// What is wrong with it, after file, line and column.
    pub fn parse(file: &str, text: &str) -> Result<Self, String> {
        let manifest: Self =
            argos_config::parse(file, text).map_err(|error: Error| error.to_string())?;
        let wrong = |key: &str, what: String| Err(format!("{}: {what}", place(file, text, key)));
        if manifest.enabled && manifest.exec.is_empty() {
            let what = "`exec` is missing: the program and its arguments, as [/usr/bin/clock]";
            return wrong("exec", what.to_owned());
        }
        if manifest.exec.iter().any(|word| word.contains('\0')) {
            return wrong("exec", "`exec` has a character of no text (0)".to_owned());
        }
        let env = manifest.env.iter();
        for (name, value) in env {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                let what = format!("`env` has `{name}`, which cannot be set");
                return wrong("env", what);
            }
        }
        Ok(manifest)
    }

    /// Reads a file, and looks whether its program is there.
    fn read(path: &Path) -> Result<Self, String> {
        let file = path.display().to_string();
        let text = text(path).map_err(|error| error.to_string())?;
        let manifest = Self::parse(&file, &text)?;
        match manifest.exec.first() {
            Some(program)
                if manifest.enabled && argos_apps::entries::program_path(program).is_none() =>
            {
                let at = place(&file, &text, "exec");
                Err(format!(
                    "{at}: there is no program `{program}`; install it, then: argos desktop parts --restart {}",
                    path.file_stem().unwrap_or_default().display()
                ))
            }
            _ => Ok(manifest),
        }
    }

    /// The unit that the part `name` becomes. `session` is environment that all parts get.
    pub(super) fn unit(&self, name: &str, session: &[(String, String)]) -> TransientUnit {
        let mut exec = self.exec.clone();
        if let Some(program) = exec.first_mut()
            && let Some(path) = argos_apps::entries::program_path(program)
        {
            *program = path.to_string_lossy().into_owned();
        }
        let mut env = session.to_vec();
        env.extend(self.env.clone());
        let mut sum = DefaultHasher::new();
        (&self.description, &exec, &env).hash(&mut sum);
        TransientUnit {
            name: format!("{PREFIX}{name}"),
            description: format!("{}{MARK}{:016x}]", self.description, sum.finish()),
            exec,
            env,
            working_directory: std::env::var("HOME").ok(),
            restart: Restart::Always,
            ..TransientUnit::default()
        }
    }
}

/// The part that a unit is, by its name and its description.
pub(super) fn part_of<'a>(unit: &'a str, description: &str) -> Option<&'a str> {
    description.rsplit_once(MARK)?;
    unit.strip_prefix(PREFIX)
}

/// `file:line:column` of a key, or of the beginning where the key is not there.
fn place(file: &str, text: &str, key: &str) -> String {
    let places: BTreeMap<String, Place> = argos_config::parse(file, text).unwrap_or_default();
    let (line, column) = places
        .get(key)
        .map_or((1, 1), |place| (place.0.line, place.0.column));
    format!("{file}:{line}:{column}")
}

/// The text of a file. What is no file is not opened: a pipe has no end.
fn text(path: &Path) -> Result<String, Error> {
    let unreadable = |source| Error::Unreadable {
        path: path.to_owned(),
        source,
    };
    let data = std::fs::metadata(path).map_err(unreadable)?;
    if !data.is_file() {
        let source = std::io::Error::other("it is no ordinary file");
        return Err(unreadable(source));
    }
    if data.len() > MAX_FILE_BYTES {
        return Err(Error::TooLarge {
            path: path.to_owned(),
            size: data.len(),
            limit: MAX_FILE_BYTES,
        });
    }
    std::fs::read_to_string(path).map_err(unreadable)
}

/// A manifest that was found.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// Its file.
    pub(super) path: PathBuf,
    /// What it says, or what is wrong with it.
    pub(super) outcome: Result<Manifest, String>,
}

/// Looks for manifests in `folders`, later ones over earlier ones, by the names of their parts.
pub(super) fn find(folders: &[PathBuf]) -> BTreeMap<String, Found> {
    let mut files = BTreeMap::new();
    for folder in folders {
        // A folder that is not there has none.
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if let Some(name) = name.to_string_lossy().strip_suffix(".yaml")
                && !name.starts_with('.')
            {
                files.insert(name.to_owned(), entry.path());
            }
        }
    }
    let read = |(name, path): (String, PathBuf)| {
        let unit = format!("{PREFIX}{name}");
        let outcome = if argos_units::name::is_valid(&unit) && !unit.contains('@') {
            Manifest::read(&path)
        } else {
            Err(format!(
                "{}: `{name}` cannot be a part's name: letters, digits and `_.-:` can, {} at most",
                path.display(),
                argos_units::name::MAX_LEN - PREFIX.len()
            ))
        };
        (name, Found { path, outcome })
    };
    files.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(text: &str) -> String {
        Manifest::parse("clock.yaml", text).unwrap_err()
    }

    #[test]
    fn mistakes_have_file_and_line() {
        let unknown = mistake("exec: [/bin/true]\nreplace: [panel]\n");
        assert!(unknown.starts_with("clock.yaml:2:1: "), "{unknown}");
        assert!(unknown.contains("did you mean `replaces`"), "{unknown}");
        let nothing = mistake("exec: [/bin/true]\nreplaces: [prompt]\n");
        assert!(nothing.starts_with("clock.yaml:2:"), "{nothing}");
        assert!(nothing.contains("panel"), "it says what can be: {nothing}");
        assert!(mistake("exec: [/bin/true\n").starts_with("clock.yaml:"));
        let env = mistake("exec: [/bin/true]\nenv:\n  \"A=B\": c\n");
        assert!(env.starts_with("clock.yaml:3:"), "{env}");
    }

    #[test]
    fn half_a_file_is_a_mistake_and_nothing_that_stops_a_part() {
        let whole = "description: Clock\nexec: [/bin/sh, -c, sleep 9]\n";
        for cut in 0..whole.len() - 2 {
            assert!(
                Manifest::parse("clock.yaml", &whole[..cut]).is_err(),
                "{:?}",
                &whole[..cut]
            );
        }
        assert!(Manifest::parse("clock.yaml", whole).is_ok());
        // This one is meant.
        assert!(
            !Manifest::parse("clock.yaml", "enabled: false")
                .unwrap()
                .enabled
        );
    }

    #[test]
    fn every_part_is_read_by_the_name_that_it_is_shown_with() {
        for built_in in BuiltIn::ALL {
            let text = format!("exec: [/bin/true]\nreplaces: [{}]\n", built_in.name());
            let manifest = Manifest::parse("x.yaml", &text).unwrap();
            assert_eq!(manifest.replaces, [built_in].into());
            assert_eq!(BuiltIn::toggled(built_in.name()), Some(built_in));
        }
        assert_eq!(
            BuiltIn::toggled("settings/displays"),
            Some(BuiltIn::Settings)
        );
        // These stay the shell's.
        assert_eq!(BuiltIn::toggled("permissions"), None);
    }

    #[test]
    fn a_later_folder_goes_before_an_earlier_one_also_with_a_mistake() {
        let root = tempfile::tempdir().unwrap();
        let [system, own] = ["system", "own"].map(|name| root.path().join(name));
        for (folder, name, text) in [
            (&system, "clock.yaml", "exec: [/bin/true]\n"),
            (&system, "dock.yaml", "exec: [/bin/true]\n"),
            (&own, "clock.yaml", "exec: [/bin/false]\n"),
            (&own, "dock.yaml", "exec: [\n"),
            (&own, "gone.yaml", "\nexec: [/nowhere/at/all]\n"),
            (&own, "my clock.yaml", "exec: [/bin/true]\n"),
            (&own, ".clock.yaml.12.new", "exec: [/bin/true]\n"),
            (&own, ".hidden.yaml", "exec: [/bin/true]\n"),
            (&own, "dock.yaml~", "exec: [/bin/true]\n"),
        ] {
            std::fs::create_dir_all(folder).unwrap();
            std::fs::write(folder.join(name), text).unwrap();
        }
        let nowhere = root.path().join("nowhere");
        let found = find(&[system, nowhere, own.clone()]);
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(names, ["clock", "dock", "gone", "my clock"]);
        let clock = found["clock"].outcome.clone().unwrap();
        assert_eq!(clock.exec, ["/bin/false"]);
        assert!(found["dock"].outcome.is_err());
        let gone = found["gone"].outcome.clone().unwrap_err();
        let at = format!("{}:2:7: ", own.join("gone.yaml").display());
        assert!(gone.starts_with(&at), "{gone}");
        assert!(found["my clock"].outcome.is_err());
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let root = tempfile::tempdir().unwrap();
        let pipe = root.path().join("pipe.yaml");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let found = find(&[root.path().to_owned()]);
        let why = found["pipe"].outcome.clone().unwrap_err();
        assert!(why.contains("no ordinary file"), "{why}");
    }

    #[test]
    fn a_unit_says_whose_it_is_and_what_it_was_made_of() {
        let parse = |text: &str| Manifest::parse("clock.yaml", text).unwrap();
        let unit = parse("description: Clock\nexec: [sh]\nenv: {A: b}\n").unit("clock", &[]);
        assert_eq!(unit.name, "part-clock");
        assert!(unit.exec[0].ends_with("/sh") && unit.exec[0].starts_with('/'));
        assert_eq!(part_of(&unit.name, &unit.description), Some("clock"));
        assert_eq!(part_of(&unit.name, "Clock"), None);
        let same = "env: {A: b}\nexec: [sh]\ndescription: Clock\nreplaces: [panel]\n";
        assert_eq!(parse(same).unit("clock", &[]), unit);
        let other = "description: Clock\nexec: [sh]\nenv: {A: c}\n";
        assert_ne!(
            parse(other).unit("clock", &[]).description,
            unit.description
        );
    }
}
