//! The files with a person's settings, as the settings application reads and changes them.
//!
//! | file | whose | where it begins |
//! |---|---|---|
//! | `~/.config/argos/compositor.yaml` | the compositor's, which follows it | as a copy of the file that was in force |
//! | `~/.config/argos/shell.yaml` | the shell's | empty |
//!
//! A change leaves everything else in a file as it is written ([`crate::yaml`]), is tried on the compositor
//! (`argos-compositor --check`) before it counts, and replaces the file at once or not at all. It is done on a
//! thread of its own: a disk may be slow.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Sender, channel};

use argos_config::write_atomically;
use serde_json::Value;

use crate::yaml;

/// A file with settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum File {
    /// What the compositor does.
    Compositor,
    /// What the shell shows.
    Shell,
}

impl File {
    fn name(self) -> &'static str {
        match self {
            Self::Compositor => "compositor.yaml",
            Self::Shell => "shell.yaml",
        }
    }
}

/// Values of one file that change together.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Which file.
    pub file: File,
    /// Keys, from the outermost one on, and the value there.
    pub values: Vec<(Vec<String>, Value)>,
}

/// Where the files are.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// The person's folder; without one nothing can be kept.
    pub own: Option<PathBuf>,
    /// Folders with the settings of the system, the one that goes before the others first.
    pub system: Vec<PathBuf>,
    /// The program that says whether settings of the compositor can be used.
    pub compositor: Option<PathBuf>,
}

impl Files {
    /// The usual places.
    pub fn usual() -> Self {
        let beside = std::env::current_exe().ok();
        let beside = beside.map(|shell| shell.with_file_name("argos-compositor"));
        Self {
            own: crate::settings::config_home().map(|home| home.join("argos")),
            system: vec!["/etc/argos".into(), "/usr/share/argos".into()],
            compositor: beside.filter(|program| program.exists()),
        }
    }

    /// The text of a file: the person's own, else for the compositor that of the system.
    fn text(&self, file: File) -> Result<String, String> {
        let system = self.system.iter().filter(|_| file == File::Compositor);
        for folder in self.own.iter().chain(system) {
            let path = folder.join(file.name());
            match std::fs::read_to_string(&path) {
                Ok(text) => return Ok(text),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(format!("{}: {error}", path.display())),
            }
        }
        Ok(String::new())
    }

    /// What a file says.
    ///
    /// # Errors
    /// It cannot be read, or is no mapping.
    pub fn read(&self, file: File) -> Result<Value, String> {
        yaml::read(&self.text(file)?).map_err(|error| format!("{}: {error}", file.name()))
    }

    /// Changes a person's own file.
    ///
    /// # Errors
    /// Why the file is as before: it cannot be read, understood or written, or the compositor refuses what it
    /// would say.
    pub fn change(&self, change: &Change) -> Result<(), String> {
        let name = change.file.name();
        let own = self.own.as_ref().ok_or("there is no home folder")?;
        let mut text = self.text(change.file)?;
        for (keys, value) in &change.values {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            text = yaml::set(&text, &keys, value).map_err(|error| format!("{name}: {error}"))?;
        }
        let path = own.join(name);
        // A link stays one: it is changed where it leads.
        let path = std::fs::canonicalize(&path).unwrap_or(path);
        if change.file == File::Compositor
            && let Some(compositor) = &self.compositor
        {
            check(compositor, &path, &text)?;
        }
        write_atomically(&path, text.as_bytes()).map_err(|error| error.to_string())
    }
}

/// Has the compositor read what is to be written to `path`.
fn check(compositor: &Path, path: &Path, text: &str) -> Result<(), String> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.check", std::process::id()));
    let trial = path.with_file_name(name);
    write_atomically(&trial, text.as_bytes()).map_err(|error| error.to_string())?;
    let checked = Command::new(compositor)
        .args(["--check", "--config"])
        .arg(&trial)
        .output();
    // Nobody needs it any more, whatever became of it.
    let _ = std::fs::remove_file(&trial);
    let checked = checked.map_err(|error| format!("{}: {error}", compositor.display()))?;
    if checked.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&checked.stdout);
    let shown = trial.display().to_string();
    let why = said.lines().next().unwrap_or_default();
    Err(match why.is_empty() {
        true => format!("{} ended with {}", compositor.display(), checked.status),
        false => why.replace(&shown, "compositor.yaml"),
    })
}

/// The thread that changes files.
#[derive(Debug)]
pub struct Writer(Sender<Change>);

impl Writer {
    /// Starts it. `done` hears what became of each change.
    pub fn start(files: Files, done: impl Fn(Change, Result<(), String>) + Send + 'static) -> Self {
        let (changes, inbox) = channel::<Change>();
        let work = move || {
            while let Ok(first) = inbox.recv() {
                let mut wanted = vec![first];
                while let Ok(next) = inbox.try_recv() {
                    queue(&mut wanted, next);
                }
                for change in wanted {
                    let outcome = files.change(&change);
                    if let Err(why) = &outcome {
                        tracing::warn!("settings: {why}");
                    }
                    done(change, outcome);
                }
            }
        };
        let started = std::thread::Builder::new()
            .name("settings".to_owned())
            .spawn(work);
        if let Err(error) = started {
            tracing::error!("no thread to write settings with: {error}");
        }
        Self(changes)
    }

    /// Has a change done.
    ///
    /// # Errors
    /// The thread is not there; then the change.
    pub fn change(&self, change: Change) -> Result<(), Change> {
        self.0.send(change).map_err(|error| error.0)
    }
}

/// Adds a change; of several to the same values only the last one is done.
fn queue(wanted: &mut Vec<Change>, next: Change) {
    let keys = |change: &Change| -> Vec<Vec<String>> {
        change.values.iter().map(|(keys, _)| keys.clone()).collect()
    };
    let void = |last: &Change| last.file == next.file && keys(last) == keys(&next);
    if wanted.last().is_some_and(void) {
        wanted.pop();
    }
    wanted.push(next);
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use serde_json::json;

    use super::*;

    fn change(file: File, keys: &[&str], value: Value) -> Change {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        Change {
            file,
            values: vec![(keys, value)],
        }
    }

    fn files(root: &Path) -> Files {
        Files {
            own: Some(root.join("home/argos")),
            system: vec![root.join("etc"), root.join("usr")],
            compositor: None,
        }
    }

    #[test]
    fn the_own_file_begins_as_a_copy_of_the_one_in_force() {
        let root = tempfile::tempdir().unwrap();
        let files = files(root.path());
        for folder in ["etc", "usr"] {
            std::fs::create_dir(root.path().join(folder)).unwrap();
        }
        let system = "# The machine's.\nworkspaces: 6\n";
        std::fs::write(root.path().join("usr/compositor.yaml"), "workspaces: 2\n").unwrap();
        std::fs::write(root.path().join("etc/compositor.yaml"), system).unwrap();
        let night = change(File::Compositor, &["night-light", "enabled"], json!(true));
        files.change(&night).unwrap();
        let own = root.path().join("home/argos/compositor.yaml");
        let text = std::fs::read_to_string(&own).unwrap();
        assert_eq!(text, format!("{system}night-light:\n  enabled: true\n"));
        assert_eq!(
            files.read(File::Compositor).unwrap(),
            json!({"workspaces": 6, "night-light": {"enabled": true}})
        );
        // The shell's own has no other.
        files
            .change(&change(File::Shell, &["language"], json!("de")))
            .unwrap();
        assert_eq!(files.read(File::Shell).unwrap(), json!({"language": "de"}));
    }

    #[test]
    fn what_cannot_be_written_or_understood_says_so_and_changes_nothing() {
        let root = tempfile::tempdir().unwrap();
        let files = files(root.path());
        std::fs::create_dir_all(root.path().join("home/argos")).unwrap();
        let own = root.path().join("home/argos/compositor.yaml");
        let wanted = change(File::Compositor, &["idle", "lock-after"], json!(5));
        std::fs::write(&own, "idle: [\n").unwrap();
        let why = files.change(&wanted).unwrap_err();
        assert!(why.starts_with("compositor.yaml:"), "{why}");
        assert_eq!(std::fs::read_to_string(&own).unwrap(), "idle: [\n");
        // A folder in the place of the file stands for whatever keeps it from being written.
        std::fs::remove_file(&own).unwrap();
        std::fs::create_dir(&own).unwrap();
        assert!(files.change(&wanted).is_err());
        let nobody = Files::default();
        assert!(nobody.change(&wanted).unwrap_err().contains("home"));
    }

    #[test]
    fn what_the_compositor_refuses_is_not_written() {
        let root = tempfile::tempdir().unwrap();
        let mut files = files(root.path());
        let program = root.path().join("argos-compositor");
        let refuses = "#!/bin/sh\n[ \"$1 $2\" = '--check --config' ] || exit 9\n\
                       grep -q nowhere \"$3\" || exit 0\necho \"$3:2:11: there is no layout\"\nexit 1\n";
        std::fs::write(&program, refuses).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        files.compositor = Some(program);
        let layout = |name| change(File::Compositor, &["keyboard", "layout"], json!(name));
        files.change(&layout("de")).unwrap();
        let why = files.change(&layout("nowhere")).unwrap_err();
        assert_eq!(why, "compositor.yaml:2:11: there is no layout");
        let there = files.read(File::Compositor).unwrap();
        assert_eq!(there["keyboard"]["layout"], "de");
        let left = std::fs::read_dir(root.path().join("home/argos")).unwrap();
        assert_eq!(left.count(), 1, "no trial is left");
    }

    #[test]
    fn a_link_stays_a_link() {
        let root = tempfile::tempdir().unwrap();
        let files = files(root.path());
        let real = root.path().join("kept.yaml");
        std::fs::write(&real, "theme: dark # mine\n").unwrap();
        std::fs::create_dir_all(root.path().join("home/argos")).unwrap();
        let link = root.path().join("home/argos/shell.yaml");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        files
            .change(&change(File::Shell, &["theme"], json!("light")))
            .unwrap();
        assert!(link.is_symlink());
        assert_eq!(
            std::fs::read_to_string(&real).unwrap(),
            "theme: \"light\" # mine\n"
        );
    }

    #[test]
    fn of_several_changes_of_a_value_the_last_is_done() {
        let speed = |value| change(File::Compositor, &["pointer", "speed"], json!(value));
        let theme = change(File::Shell, &["theme"], json!("light"));
        let mut wanted = vec![speed(0.1)];
        for next in [speed(0.2), theme.clone(), speed(0.3), speed(0.4)] {
            queue(&mut wanted, next);
        }
        assert_eq!(wanted, [speed(0.2), theme, speed(0.4)]);
    }
}
