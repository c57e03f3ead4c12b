//! Steps of a build: what runs now, how long each took, where its output is.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// Lines of a failed command's output that are shown.
const SHOWN_LINES: usize = 30;

/// Prints steps and times, and keeps each step's log.
#[derive(Debug)]
pub(crate) struct Steps {
    logs: PathBuf,
    current: RefCell<String>,
    started: Instant,
    /// Logs of earlier runs are gone.
    fresh: Cell<bool>,
    /// Opened when a step fails.
    shell: RefCell<Option<Command>>,
}

impl Steps {
    pub(crate) fn new(logs: PathBuf) -> Self {
        Self {
            logs,
            current: RefCell::new("build".into()),
            started: Instant::now(),
            fresh: Cell::new(false),
            shell: RefCell::new(None),
        }
    }

    /// Runs one step, says its name before and its time after.
    pub(crate) fn step<T>(
        &self,
        name: &str,
        title: &str,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let outer = self.current.replace(name.to_owned());
        eprintln!("==> {title}");
        let begin = Instant::now();
        let result = work();
        self.current.replace(outer);
        let took = seconds(begin.elapsed());
        match &result {
            Ok(_) => eprintln!("    {name}: {took}"),
            Err(error) => {
                eprintln!("    {name}: failed after {took}");
                self.debug(error)?;
            }
        }
        result.with_context(|| format!("step `{name}` failed"))
    }

    /// Has this command run when a step fails, while what the step left is still there.
    pub(crate) fn on_failure(&self, shell: Command) {
        self.shell.replace(Some(shell));
    }

    /// Opens the shell, once: a step in a step fails with it.
    fn debug(&self, error: &anyhow::Error) -> Result<()> {
        let Some(mut shell) = self.shell.take() else {
            return Ok(());
        };
        eprintln!("argos-image: {error:#}");
        eprintln!("argos-image: a shell in the build tree; leave it to give up");
        shell.status().with_context(|| {
            format!(
                "{}: cannot be started",
                shell.get_program().to_string_lossy()
            )
        })?;
        Ok(())
    }

    /// Says that a step's result is there already.
    pub(crate) fn kept(&self, name: &str, what: &str) {
        eprintln!("    {name}: kept ({what})");
    }

    /// Says what somebody ought to look at.
    pub(crate) fn warn(&self, name: &str, what: &str) {
        eprintln!("    {name}: warning: {what}");
    }

    /// Total time since the program started.
    pub(crate) fn total(&self) -> String {
        seconds(self.started.elapsed())
    }

    /// Runs a command with its output in the step's log; on failure shows the last lines.
    pub(crate) fn run(&self, command: &mut Command) -> Result<()> {
        let path = self.log_file()?;
        let mut log = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("{}: cannot be written", path.display()))?;
        writeln!(log, "+ {command:?}")?;
        let status = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .status()
            .with_context(|| {
                format!(
                    "{}: cannot be started",
                    command.get_program().to_string_lossy()
                )
            })?;
        if !status.success() {
            let text = std::fs::read(&path)
                .map(|b| String::from_utf8_lossy(&b).into_owned())
                .unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            for line in &lines[lines.len().saturating_sub(SHOWN_LINES)..] {
                eprintln!("    | {line}");
            }
            bail!(
                "{} ended with {status}; the whole log is {}",
                command.get_program().to_string_lossy(),
                path.display()
            );
        }
        Ok(())
    }

    /// Runs a command whose output people want to see as it comes (cargo).
    pub(crate) fn run_shown(&self, command: &mut Command) -> Result<()> {
        let status = command.stdin(Stdio::null()).status().with_context(|| {
            format!(
                "{}: cannot be started",
                command.get_program().to_string_lossy()
            )
        })?;
        if !status.success() {
            bail!(
                "{} ended with {status}, see above",
                command.get_program().to_string_lossy()
            );
        }
        Ok(())
    }

    fn log_file(&self) -> Result<PathBuf> {
        std::fs::create_dir_all(&self.logs)
            .with_context(|| format!("{}: cannot be made", self.logs.display()))?;
        Ok(self.logs.join(format!("{}.log", self.current.borrow())))
    }

    /// Forgets the logs of earlier runs; those of this one stay.
    pub(crate) fn fresh_logs(&self) -> Result<()> {
        if self.fresh.replace(true) || !self.logs.exists() {
            return Ok(());
        }
        std::fs::remove_dir_all(&self.logs)
            .with_context(|| format!("{}: cannot be removed", self.logs.display()))
    }
}

fn seconds(d: Duration) -> String {
    let s = d.as_secs_f64();
    if s < 60.0 {
        format!("{s:.1} s")
    } else {
        format!("{} min {:02} s", d.as_secs() / 60, d.as_secs() % 60)
    }
}

/// The hash of what goes into a step, as it names the step's result in the cache.
#[derive(Debug, Default)]
pub(crate) struct Fingerprint(blake3::Hasher);

impl Fingerprint {
    pub(crate) fn text(mut self, text: &str) -> Self {
        self.0.update(&(text.len() as u64).to_le_bytes());
        self.0.update(text.as_bytes());
        self
    }

    /// A file's content, or a folder's files with names, contents, links and the executable bit.
    pub(crate) fn path(mut self, path: &Path) -> Result<Self> {
        let meta = path
            .symlink_metadata()
            .with_context(|| format!("{}: cannot be read", path.display()))?;
        if meta.is_dir() {
            let mut entries: Vec<PathBuf> = std::fs::read_dir(path)?
                .map(|e| Ok(e?.path()))
                .collect::<Result<_>>()?;
            entries.sort();
            for entry in entries {
                self = self
                    .text(&entry.file_name().unwrap_or_default().to_string_lossy())
                    .path(&entry)?;
            }
            Ok(self.text("/"))
        } else if meta.is_symlink() {
            let target = std::fs::read_link(path)?;
            Ok(self.text("->").text(&target.to_string_lossy()))
        } else {
            use std::os::unix::fs::PermissionsExt;
            self.0
                .update(&[u8::from(meta.permissions().mode() & 0o111 != 0)]);
            let mut file =
                File::open(path).with_context(|| format!("{}: cannot be read", path.display()))?;
            self.0.update(&meta.len().to_le_bytes());
            self.0.update_reader(&mut file)?;
            Ok(self)
        }
    }

    pub(crate) fn finish(self) -> String {
        self.0.finalize().to_hex()[..16].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn logs_of_this_run_stay_and_those_of_others_go() {
        let folder = tempfile::tempdir().unwrap();
        let logs = folder.path().join("log");
        std::fs::create_dir(&logs).unwrap();
        std::fs::write(logs.join("old.log"), "").unwrap();
        let steps = Steps::new(logs.clone());
        steps.fresh_logs().unwrap();
        steps
            .step("tree", "a tree", || steps.run(&mut words("echo made")))
            .unwrap();
        steps.fresh_logs().unwrap();
        assert!(!logs.join("old.log").exists());
        let text = std::fs::read_to_string(logs.join("tree.log")).unwrap();
        assert!(text.ends_with("made\n"), "{text}");
    }

    #[test]
    fn a_failed_step_opens_the_shell_once_while_its_leftovers_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let steps = Steps::new(folder.path().join("log"));
        steps.on_failure(words(&format!("cat {} >>{}", path("left"), path("seen"))));
        let result = steps.step("outer", "outer", || {
            let inner = steps.step("inner", "inner", || {
                std::fs::write(path("left"), "x")?;
                steps.run(&mut words("exit 3"))
            });
            std::fs::remove_file(path("left"))?;
            inner
        });
        assert!(result.is_err());
        assert_eq!(std::fs::read_to_string(path("seen")).unwrap(), "x");
    }
}
