//! `argos-record [--json] [--tell] WISH`: records the screen until it is told to stop. `argos desktop record` becomes
//! this program, and the shell starts it for a key. WISH is an [`argos_bus::recorder::Wish`] as JSON; `--tell` says on
//! the bus also why nothing was begun, for one who sees no terminal.
//!
//! It ends by SIGINT, SIGTERM, SIGHUP, `Stop` on the bus, after the seconds that were wished, with its source, or when
//! the bus is gone; each time with a whole file.

mod service;

use std::ffi::OsString;
use std::fmt::Display;
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use argos_bus::compositor::Compositor1Proxy;
use argos_bus::recorder::{Outcome, Source, Wish};
use argos_record::screen::End;
use argos_record::stop::Stop;
use argos_record::{Error, Plan, Summary, Target, file};
use jiff::Zoned;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use zbus::Connection;

use crate::service::{Begun, Recorder, Refused};

/// Exit statuses, as `argos` has them.
const FAILED: u8 = 1;
const USAGE: u8 = 2;
const NOT_UP: u8 = 3;
const NOT_FOUND: u8 = 4;
const DENIED: u8 = 5;

/// The command line.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    json: bool,
    tell: bool,
    wish: Wish,
}

/// Why nothing was recorded, or less than was wished.
#[derive(Debug)]
struct Failure {
    status: u8,
    message: String,
    hint: Option<&'static str>,
    /// What there is all the same.
    outcome: Option<Outcome>,
}

impl Failure {
    fn new(status: u8, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            hint: None,
            outcome: None,
        }
    }

    fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }
}

impl From<argos_bus::Error> for Failure {
    fn from(error: argos_bus::Error) -> Self {
        use argos_bus::Error as E;
        let status = match &error {
            E::NotFound(_) => NOT_FOUND,
            E::Denied(_) => DENIED,
            E::Unavailable(_) | E::ZBus(_) => NOT_UP,
            _ => FAILED,
        };
        Self::new(status, error.text())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::Connect(_) | Error::Missing(_) => NOT_UP,
            Error::NoOutput { .. } | Error::NoWindow | Error::Outside { .. } => NOT_FOUND,
            Error::Format | Error::Memory(..) | Error::Write(_) => FAILED,
        };
        let failure = Self::new(status, error.to_string());
        match error {
            Error::Connect(_) => failure.hint("run it from the desktop, outside of a sandbox"),
            Error::Missing(_) => failure.hint("programs in a sandbox may not record the screen"),
            Error::NoWindow => failure.hint("`argos desktop windows` lists those that are there"),
            _ => failure,
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let asked = match asked(std::env::args_os().skip(1)) {
        Ok(asked) => asked,
        Err(failure) => return complain(&failure),
    };
    match run(&asked).await {
        Ok(outcome) => match say(&asked, &outcome) {
            Ok(()) => ExitCode::SUCCESS,
            // Nobody reads it any more.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Err(error) => complain(&Failure::new(FAILED, error.to_string())),
        },
        Err(failure) => complain(&failure),
    }
}

fn complain(failure: &Failure) -> ExitCode {
    eprintln!("argos: {}", failure.message);
    if let Some(hint) = failure.hint {
        eprintln!("  hint: {hint}");
    }
    ExitCode::from(failure.status)
}

fn asked(arguments: impl Iterator<Item = OsString>) -> Result<Asked, Failure> {
    let wrong = |why: &dyn Display| {
        Failure::new(USAGE, format!("argos-record [--json] [--tell] WISH: {why}"))
            .hint("`argos desktop record` starts it; `argos desktop record --help` says more")
    };
    let (mut json, mut tell, mut wish) = (false, false, None);
    for argument in arguments {
        let argument = argument.to_str().ok_or_else(|| wrong(&"it is no text"))?;
        match argument {
            "--json" => json = true,
            "--tell" => tell = true,
            flag if flag.starts_with("--") => {
                return Err(wrong(&format_args!("there is no option `{flag}`")));
            }
            text if wish.is_none() => {
                wish = Some(serde_json::from_str(text).map_err(|error| wrong(&error))?);
            }
            more => return Err(wrong(&format_args!("`{more}` is too much"))),
        }
    }
    let wish = wish.ok_or_else(|| wrong(&"there is no wish"))?;
    Ok(Asked { json, tell, wish })
}

/// Prints what there is now.
fn say(asked: &Asked, outcome: &Outcome) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    if asked.json {
        return writeln!(out, "{}", json!(outcome));
    }
    let seconds = outcome.elapsed_ms as f64 / 1000.0;
    let left_out = match outcome.left_out {
        0 => String::new(),
        count => format!("; {count} more were left out, because this machine was too slow"),
    };
    let Outcome { file, pictures, .. } = outcome;
    writeln!(
        out,
        "{file}: {pictures} pictures in {seconds:.1} s{left_out}"
    )
}

/// Records, and tells others so.
async fn run(asked: &Asked) -> Result<Outcome, Failure> {
    let stop = Stop::new().map_err(|error| Failure::new(FAILED, error.to_string()))?;
    let (begin, begun) = watch::channel(None);
    let (end, ended) = watch::channel(None);
    let recorder = Recorder {
        begun,
        ended,
        stop: stop.clone(),
    };
    let bus = service::serve(recorder).await.map_err(|why| match why {
        Refused::Taken => Failure::new(FAILED, "the screen is being recorded already")
            .hint("`argos desktop record --stop` ends that recording"),
        Refused::Bus(error) => Failure::new(
            NOT_UP,
            format!("the desktop's message bus is not there: {error}"),
        )
        .hint("`argos status --user bus` shows why"),
    })?;
    let recorded = record(asked, &bus, begin, &stop).await;
    let (outcome, told) = match &recorded {
        Ok(outcome) => (outcome.clone(), true),
        Err(failure) => match &failure.outcome {
            Some(outcome) => (outcome.clone(), true),
            None => (nothing(&failure.message), asked.tell),
        },
    };
    if let Err(error) = service::leave(&bus, outcome, told, end).await {
        // It goes with this process in any case.
        eprintln!("argos: the message bus: {error}");
    }
    recorded
}

/// What is told where nothing was recorded.
fn nothing(why: &str) -> Outcome {
    Outcome {
        file: String::new(),
        elapsed_ms: 0,
        pictures: 0,
        left_out: 0,
        error: why.to_owned(),
    }
}

async fn record(
    asked: &Asked,
    bus: &Connection,
    begin: watch::Sender<Option<Begun>>,
    stop: &Stop,
) -> Result<Outcome, Failure> {
    let failed = |error: std::io::Error| Failure::new(FAILED, error.to_string());
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(failed)?;

    let wish = &asked.wish;
    let plan = plan(wish, bus).await?;
    let wayland = wayland_client::Connection::connect_to_env()
        .map_err(|error| Failure::from(Error::Connect(error.to_string())))?;
    let (path, film) = open(wish)?;
    let begun = begin.subscribe();
    let speaks = !asked.json && std::io::stderr().is_terminal();
    let (file, stopping) = (path.display().to_string(), stop.clone());
    let mut making = tokio::task::spawn_blocking(move || {
        let begins = move || {
            if speaks {
                eprintln!("recording {file}; Ctrl-C ends it");
            }
            let at = Instant::now();
            begin.send_replace(Some(Begun { file, at }));
        };
        argos_record::record(&wayland, &plan, film, &stopping, begins)
    });
    let made = tokio::select! {
        made = &mut making => made,
        () = async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hang_up.recv() => {}
                () = over(wish.seconds, begun) => {}
                () = bus.closed() => {}
            }
        } => {
            stop.stop();
            making.await
        }
    };
    let made = made.map_err(|error| Failure::new(FAILED, error.to_string()))?;
    outcome(&path, made)
}

/// Returns when the recording has lasted for so long.
async fn over(seconds: Option<u32>, mut begun: watch::Receiver<Option<Begun>>) {
    let Some(seconds) = seconds else {
        return std::future::pending().await;
    };
    let begins = begun.wait_for(Option::is_some).await.is_ok();
    if !begins {
        return std::future::pending().await;
    }
    tokio::time::sleep(Duration::from_secs(seconds.into())).await;
}

/// What is to be recorded, as the compositor calls it.
async fn plan(wish: &Wish, bus: &Connection) -> Result<Plan, Failure> {
    let compositor = Compositor1Proxy::new(bus)
        .await
        .map_err(argos_bus::Error::from)?;
    if matches!(compositor.locked().await, Ok(true)) {
        return Err(Failure::new(
            DENIED,
            "the screen is locked; it can be recorded once its person has unlocked it",
        ));
    }
    let target = match &wish.source {
        Source::Screen => Target::Output(compositor.active_output().await?),
        Source::Output(name) => Target::Output(name.clone()),
        Source::Window(id) => Target::Window(compositor.window_handle(*id).await?),
        Source::Region(region) => Target::Region(*region),
    };
    Ok(Plan {
        target,
        pointer: wish.pointer,
        rate: wish.rate.max(1),
    })
}

fn open(wish: &Wish) -> Result<(PathBuf, File), Failure> {
    let Some(path) = &wish.file else {
        let folder = file::folder().ok_or_else(|| {
            Failure::new(FAILED, "there is no home to put it into").hint("name a file")
        })?;
        return file::make_in(&folder, &Zoned::now()).map_err(|error| {
            let folder = folder.display();
            Failure::new(FAILED, format!("{folder}: no file can be made: {error}"))
        });
    };
    // Others are told of it, wherever they are.
    let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
    match file::make(&path) {
        Ok(film) => Ok((path, film)),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(Failure::new(
            FAILED,
            format!("{} is there already", path.display()),
        )
        .hint("name another one: a recording overwrites nothing")),
        Err(error) => Err(Failure::new(
            FAILED,
            format!("{} cannot be made: {error}", path.display()),
        )),
    }
}

/// What became of it.
fn outcome(
    path: &Path,
    made: Result<Summary, (Error, Option<Summary>)>,
) -> Result<Outcome, Failure> {
    let (summary, error) = match made {
        Ok(summary) => (Some(summary), None),
        Err((error, summary)) => (summary, Some(error)),
    };
    let place = path.display();
    let Some(summary) = summary.filter(|summary| summary.pictures > 0) else {
        // Nobody is to find a film without pictures.
        let _ = std::fs::remove_file(path);
        return Err(match error {
            Some(Error::Write(error)) => {
                Failure::new(FAILED, format!("{place} cannot be written: {error}"))
            }
            Some(error) => error.into(),
            None => Failure::new(FAILED, "nothing was recorded: no picture came")
                .hint("while the screen is locked, there are none"),
        });
    };
    // What is there now survives a power cut.
    let kept = File::open(path).and_then(|film| film.sync_all());
    let mut outcome = Outcome {
        file: place.to_string(),
        elapsed_ms: u64::try_from(summary.length.as_millis()).unwrap_or(u64::MAX),
        pictures: summary.pictures,
        left_out: summary.left_out,
        error: String::new(),
    };
    let failure = match (error, kept) {
        (None, Ok(())) => {
            if summary.end == End::Gone {
                eprintln!("argos: what was recorded is gone, so the recording has ended");
            }
            return Ok(outcome);
        }
        (Some(Error::Write(error)), _) | (None, Err(error)) => Failure::new(
            FAILED,
            format!(
                "{place} cannot be written: {error}; what was recorded until then can be played"
            ),
        ),
        (Some(error), _) => {
            let failure = Failure::from(error);
            let why = &failure.message;
            let message = format!("{why}; what was recorded until then is in {place}");
            Failure { message, ..failure }
        }
    };
    outcome.error.clone_from(&failure.message);
    Err(Failure {
        outcome: Some(outcome),
        ..failure
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Asked, Failure> {
        asked(words.iter().map(OsString::from))
    }

    #[test]
    fn a_wish_is_one_argument_and_what_is_wrong_is_said() {
        let asked = parsed(&["--json", r#"{"source":{"output":"eDP-1"}}"#]).unwrap();
        assert!(asked.json && !asked.tell);
        assert_eq!(asked.wish.source, Source::Output("eDP-1".into()));
        assert!(parsed(&["--tell", "{}"]).unwrap().tell);
        for (words, why) in [
            (&[] as &[&str], "no wish"),
            (&["{}", "{}"], "too much"),
            (&["--loud"], "no option"),
            (&[r#"{"scale":2}"#], "scale"),
        ] {
            let failure = parsed(words).unwrap_err();
            assert_eq!(failure.status, USAGE);
            assert!(failure.message.contains(why), "{}", failure.message);
        }
    }

    #[test]
    fn a_film_that_was_broken_off_is_kept_and_one_without_pictures_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("film.mkv");
        let summary = |pictures| Summary {
            length: Duration::from_millis(1500),
            pictures,
            left_out: 3,
            end: End::Stopped,
        };
        let full = || Error::Write(std::io::ErrorKind::StorageFull.into());

        std::fs::write(&path, "film").unwrap();
        let whole = outcome(&path, Ok(summary(7))).unwrap();
        assert_eq!((whole.pictures, whole.left_out), (7, 3));
        assert_eq!((whole.elapsed_ms, whole.error.as_str()), (1500, ""));

        let failure = outcome(&path, Err((full(), Some(summary(7))))).unwrap_err();
        assert!(failure.message.contains("can be played"), "{failure:?}");
        assert_eq!(failure.outcome.unwrap().error, failure.message);
        assert!(path.exists());

        let failure = outcome(&path, Err((full(), Some(summary(0))))).unwrap_err();
        assert!(
            failure.message.contains("film.mkv cannot be written"),
            "{failure:?}"
        );
        assert!(failure.outcome.is_none() && !path.exists());
        let failure = outcome(&path, Ok(summary(0))).unwrap_err();
        assert!(
            failure.message.contains("nothing was recorded"),
            "{failure:?}"
        );
    }

    #[test]
    fn a_file_that_is_there_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("film.mkv");
        let wish = Wish {
            file: Some(path.clone()),
            ..Wish::default()
        };
        open(&wish).unwrap();
        let failure = open(&wish).unwrap_err();
        assert!(failure.message.contains("is there already"), "{failure:?}");
        let wish = Wish {
            file: Some(folder.path().join("nowhere/film.mkv")),
            ..Wish::default()
        };
        let failure = open(&wish).unwrap_err();
        assert!(failure.message.contains("nowhere/film.mkv"), "{failure:?}");
    }
}
