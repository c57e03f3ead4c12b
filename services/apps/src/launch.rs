//! Starting an application as a transient unit of the person's supervisor.

use std::time::{SystemTime, UNIX_EPOCH};

use argos_control::Client;
use argos_units::TransientUnit;

use crate::App;
use crate::entries::program_path;

/// The terminal that programs without a window of their own get.
const TERMINAL: [&str; 2] = ["foot", "-e"];

/// Why an application was not started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The entry's program is not on the system.
    #[error("cannot start {app}: its program `{program}` is not installed")]
    NoProgram {
        /// Name of the application.
        app: String,
        /// What the entry would run.
        program: String,
    },
    /// The supervisor cannot be reached or refused.
    #[error("cannot start {app}: {source}")]
    Supervisor {
        /// Name of the application.
        app: String,
        /// What the supervisor said.
        source: argos_control::Error,
    },
}

/// Starts `app` with further `arguments` and returns the name of its unit. Blocks for the answer of
/// the supervisor, some milliseconds.
pub fn launch(app: &App, arguments: &[String]) -> Result<String, Error> {
    let unit = unit(app, arguments)?;
    let name = unit.name.clone();
    let failed = |source| Error::Supervisor {
        app: app.name.clone(),
        source,
    };
    Client::user()
        .map_err(failed)?
        .start_transient(unit, Vec::new())
        .map_err(failed)?;
    Ok(name)
}

/// The unit that `app` becomes. It runs unsandboxed: the person's own programs are trusted.
fn unit(app: &App, arguments: &[String]) -> Result<TransientUnit, Error> {
    let mut exec: Vec<String> = Vec::new();
    if app.terminal {
        exec.extend(TERMINAL.map(str::to_owned));
    }
    exec.extend(app.exec.iter().cloned());
    exec.extend(arguments.iter().cloned());
    for program in [&exec[0], &app.exec[0]] {
        if program_path(program).is_none() {
            return Err(Error::NoProgram {
                app: app.name.clone(),
                program: program.clone(),
            });
        }
    }
    if let Some(path) = program_path(&exec[0]) {
        exec[0] = path.to_string_lossy().into_owned();
    }
    Ok(TransientUnit {
        name: unit_name(&app.id),
        description: app.name.clone(),
        exec,
        working_directory: app
            .working_directory
            .clone()
            .or_else(|| std::env::var("HOME").ok()),
        ..TransientUnit::default()
    })
}

/// `app-ID-MILLISECONDS`: what units may not have in their names becomes `_`, and a second start
/// of the same application gets another name.
fn unit_name(id: &str) -> String {
    let id: String = id
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "_.-".contains(c) {
                c
            } else {
                '_'
            }
        })
        .take(64)
        .collect();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_millis());
    format!("app-{id}-{now:x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(exec: &[&str], terminal: bool) -> App {
        App {
            id: "org.example.Täst App".into(),
            name: "Test".into(),
            exec: exec.iter().map(|e| (*e).to_owned()).collect(),
            working_directory: Some("/tmp".into()),
            terminal,
            ..App::default()
        }
    }

    #[test]
    fn the_program_is_absolute_and_the_name_valid() {
        let unit = unit(&app(&["sh", "-c", "true"], false), &["x y".to_owned()]).unwrap();
        assert!(
            unit.exec[0].starts_with('/') && unit.exec[0].ends_with("/sh"),
            "{:?}",
            unit.exec
        );
        assert_eq!(unit.exec[1..], ["-c", "true", "x y"]);
        assert!(argos_units::name::is_valid(&unit.name), "{}", unit.name);
        assert_eq!(unit.working_directory.as_deref(), Some("/tmp"));
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = unit(&app(&["argos-no-such-program"], false), &[]).unwrap_err();
        assert!(
            error.to_string().contains("argos-no-such-program"),
            "{error}"
        );
    }
}
