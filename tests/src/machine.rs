//! The virtual machine under test.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::keys;
use crate::qmp::Qmp;
use crate::screen::Screen;
use crate::shell::Shell;

/// Between two looks at something that takes time in an emulated machine.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// Between two movements of the pointer: the compositor answers each.
const POINTER_PAUSE: Duration = Duration::from_millis(150);
/// Between two typed keys.
const KEY_PAUSE: Duration = Duration::from_millis(40);
/// How long QEMU may take to open its sockets.
const SOCKETS: Duration = Duration::from_secs(180);
/// How long a machine may take from its last word to its end.
const LAST_BREATH: Duration = Duration::from_secs(30);
/// How long a command in the guest may take unless a scenario says otherwise; the slowest wait for an answer
/// of their own for three minutes.
const COMMAND: Duration = Duration::from_secs(240);
/// Characters that are typed before the guest is waited for: QEMU drops what the keyboard's queue of 64 events
/// does not hold, of which a character with Shift takes up to eight.
const AT_ONCE: usize = 6;

/// How a machine is started.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// Arguments of `argos-image … vm` before `--`.
    pub vm: Vec<String>,
    /// Arguments of QEMU.
    pub qemu: Vec<String>,
}

/// A running machine.
#[derive(Debug)]
pub struct Machine {
    child: Child,
    qmp: Qmp,
    shell: Shell,
    folder: PathBuf,
    tree: PathBuf,
    started: Instant,
    shots: u32,
}

impl Machine {
    /// Starts the image with its sockets, serial log and screenshots in `folder`.
    pub fn start(folder: &Path, setup: &Setup) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let tree = std::env::var_os("ARGOS_TREE")
            .map(PathBuf::from)
            .context("ARGOS_TREE is not set; start the tests by image-build/argos-image")?;
        let builder = std::env::current_exe()?.with_file_name("argos-image");
        // Socket paths are short by law (108 bytes), folders of results may not be.
        let (qmp, shell) = (folder.join("qmp"), folder.join("shell"));
        for socket in [&qmp, &shell] {
            let _ = std::fs::remove_file(socket);
        }
        let log = File::create(folder.join("qemu.log"))?;
        let profiles = std::env::var("ARGOS_PROFILES").unwrap_or_else(|_| "test".into());
        let mut command = Command::new(builder);
        for profile in profiles.split(',') {
            command.args(["--profile", profile]);
        }
        command
            .args(["vm", "--headless"])
            .arg("--qmp")
            .arg(&qmp)
            .arg("--shell")
            .arg(&shell)
            .arg("--serial")
            .arg(folder.join("serial.log"))
            .args(&setup.vm)
            .arg("--")
            .args(&setup.qemu)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let mut child = command.spawn().context("argos-image cannot be started")?;
        let end = Instant::now() + SOCKETS;
        while !(qmp.exists() && shell.exists()) {
            if let Some(status) = child.try_wait()? {
                bail!("QEMU ended at once with {status}: {}", words(folder));
            }
            if Instant::now() > end {
                let _ = child.kill();
                bail!(
                    "QEMU did not open its sockets within {} s",
                    SOCKETS.as_secs()
                );
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let started = started(child.id()).unwrap_or_else(Instant::now);
        Ok(Self {
            qmp: Qmp::connect(&qmp)?,
            shell: Shell::connect(&shell)?,
            child,
            folder: folder.to_owned(),
            tree,
            started,
            shots: 0,
        })
    }

    /// Seconds since QEMU started.
    pub fn age(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The build tree, whose programs read pictures.
    pub fn tree(&self) -> &Path {
        &self.tree
    }

    /// The monitor.
    pub fn qmp(&mut self) -> &mut Qmp {
        &mut self.qmp
    }

    /// What the serial console has shown so far.
    pub fn serial(&self) -> String {
        std::fs::read(self.folder.join("serial.log"))
            .map(|b| String::from_utf8_lossy(&b).into_owned())
            .unwrap_or_default()
    }

    /// Waits for the test shell.
    pub fn wait_for_shell(&mut self, limit: Duration) -> Result<()> {
        self.shell.wait(limit)
    }

    /// Runs a command as root; an exit status other than 0 is an error.
    pub fn root(&mut self, line: &str) -> Result<String> {
        self.root_within(line, COMMAND)
    }

    /// [`Self::root`] with a time limit.
    pub fn root_within(&mut self, line: &str, limit: Duration) -> Result<String> {
        let output = self.shell.run(line, limit)?;
        if output.status != 0 {
            bail!("`{line}` ended with {}: {}", output.status, output.text);
        }
        Ok(output.text)
    }

    /// Runs a command as root and returns status and text.
    pub fn try_root(&mut self, line: &str) -> Result<crate::shell::Output> {
        self.shell.run(line, COMMAND)
    }

    /// Runs a command as the person at the desk, in the environment of the session.
    pub fn person(&mut self, line: &str) -> Result<String> {
        let line = format!("as-person {}", quote(line));
        self.root(&line)
    }

    /// [`Self::person`], its output read as JSON.
    pub fn person_json(&mut self, line: &str) -> Result<Value> {
        let text = self.person(line)?;
        serde_json::from_str(&text).with_context(|| format!("`{line}` printed no JSON: {text}"))
    }

    /// Takes a picture of the screen.
    pub fn screen(&mut self) -> Result<Screen> {
        let file = self.folder.join("screen.png");
        self.qmp
            .run("screendump", json!({ "filename": file, "format": "png" }))?;
        Screen::read(&file)
    }

    /// Takes a picture of one of the screens of the graphics device with that id.
    pub fn screen_of(&mut self, device: &str, head: u32) -> Result<Screen> {
        let file = self.folder.join(format!("screen-{device}-{head}.png"));
        self.qmp.run(
            "screendump",
            json!({ "filename": file, "format": "png", "device": device, "head": head }),
        )?;
        Screen::read(&file)
    }

    /// Takes a picture and keeps it under `name`.
    pub fn keep_screen(&mut self, name: &str) -> Result<Screen> {
        let screen = self.screen()?;
        self.shots += 1;
        screen.write(&self.folder.join(format!("{:02}-{name}.png", self.shots)))?;
        Ok(screen)
    }

    /// What a person reads on the screen.
    pub fn read_screen(&mut self) -> Result<String> {
        let screen = self.screen()?;
        screen.text(&self.tree, &self.folder)
    }

    /// Presses keys together, by QEMU's names: `["meta_l", "c"]`.
    pub fn press(&mut self, keys: &[&str]) -> Result<()> {
        let event = |down: bool| move |key: &&str| json!({"type": "key", "data": {"down": down, "key": {"type": "qcode", "data": key}}});
        let down: Value = keys.iter().map(event(true)).collect();
        let up: Value = keys.iter().rev().map(event(false)).collect();
        // In one go: were this process not scheduled in between, the guest would take the keys for held ones
        // and repeat them.
        let presses = [down, up].map(|events| json!({ "events": events }));
        self.qmp.run_in_a_row("input-send-event", presses)
    }

    /// Types text on a US keyboard.
    pub fn type_text(&mut self, text: &str) -> Result<()> {
        for (number, c) in text.chars().enumerate() {
            if number > 0 && number % AT_ONCE == 0 {
                self.root("true")?;
            }
            let keys = keys::for_char(c).with_context(|| format!("no key makes {c:?}"))?;
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            self.press(&keys)?;
            // Faster than people type.
            std::thread::sleep(KEY_PAUSE);
        }
        Ok(())
    }

    /// Moves the pointer to a pixel of a screen of that size.
    fn point(&mut self, (width, height): (usize, usize), (x, y): (i64, i64)) -> Result<()> {
        let axis = |name: &str, at: i64, of: usize| json!({"type": "abs", "data": {"axis": name, "value": (at * 32768 + 16384) / of as i64}});
        self.qmp.run(
            "input-send-event",
            json!({ "events": [axis("x", x, width), axis("y", y, height)] }),
        )?;
        std::thread::sleep(POINTER_PAUSE);
        Ok(())
    }

    /// Presses or releases the left button.
    fn button(&mut self, down: bool) -> Result<()> {
        self.qmp.run(
            "input-send-event",
            json!({ "events": [{"type": "btn", "data": {"down": down, "button": "left"}}] }),
        )?;
        std::thread::sleep(POINTER_PAUSE);
        Ok(())
    }

    /// Clicks at a pixel of the screen.
    pub fn click(&mut self, x: i64, y: i64) -> Result<()> {
        let size = self.size()?;
        self.point(size, (x, y))?;
        self.button(true)?;
        self.button(false)
    }

    /// Drags from one pixel to another, by way of the middle.
    pub fn drag(&mut self, from: (i64, i64), to: (i64, i64)) -> Result<()> {
        let size = self.size()?;
        self.point(size, from)?;
        self.button(true)?;
        self.point(size, ((from.0 + to.0) / 2, (from.1 + to.1) / 2))?;
        self.point(size, to)?;
        self.button(false)
    }

    fn size(&mut self) -> Result<(usize, usize)> {
        let screen = self.screen()?;
        Ok((screen.width, screen.height))
    }

    /// Looks again until `see` returns something, or says what was not seen.
    pub fn until<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut see: impl FnMut(&mut Self) -> Result<Option<T>>,
    ) -> Result<T> {
        let end = Instant::now() + limit;
        let mut last = None;
        loop {
            match see(self) {
                Ok(Some(value)) => return Ok(value),
                Ok(None) => {}
                Err(error) => last = Some(error),
            }
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "waiting for {what}: the machine has ended with {status}: {}",
                    words(&self.folder)
                );
            }
            if Instant::now() > end {
                let missed = format!("{what}: not within {} s", limit.as_secs());
                return Err(match last {
                    Some(error) => error.context(missed),
                    None => anyhow::anyhow!(missed),
                });
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Runs a command as root that ends the machine, and waits for its end.
    pub fn end_by(&mut self, line: &str, limit: Duration) -> Result<ExitStatus> {
        // The shell may be gone before it could answer.
        let answer = self.try_root(line);
        self.wait_for_end(limit)
            .with_context(|| format!("`{line}` answered {answer:?}"))
    }

    /// Waits for the machine to end by itself.
    pub fn wait_for_end(&mut self, limit: Duration) -> Result<ExitStatus> {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > end {
                bail!("the machine did not end within {} s", limit.as_secs());
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// The signal that ended QEMU, if one did. Nothing in a guest may be able to do that: it is the
    /// emulator that broke.
    pub fn crash(&mut self) -> Option<i32> {
        // The end of its sockets is seen before its own; a machine that goes on is not waited for.
        if self.qmp.run("query-status", json!({})).is_ok() {
            return None;
        }
        let code = self.wait_for_end(LAST_BREATH).ok()?.code()?;
        // As the builder tells of signals.
        (code > 128).then_some(code - 128)
    }

    /// Keeps the machine's whole state under a name, on its data disk.
    pub fn save(&mut self, name: &str) -> Result<()> {
        self.qmp.human(&format!("savevm {name}"))
    }

    /// Goes back to a kept state.
    pub fn restore(&mut self, name: &str) -> Result<()> {
        self.qmp.human(&format!("loadvm {name}"))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Asked first, so that disk images are closed; killed if it does not listen.
        let _ = self.qmp.run("quit", json!({}));
        if self.wait_for_end(LAST_BREATH).is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// What QEMU and the builder had to say.
fn words(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("qemu.log")).unwrap_or_default()
}

/// When the builder's only child, QEMU, was started, by the kernel's clock.
fn started(builder: u32) -> Option<Instant> {
    const TICKS_PER_SECOND: f64 = 100.0;
    let children =
        std::fs::read_to_string(format!("/proc/{builder}/task/{builder}/children")).ok()?;
    let qemu = children.split_whitespace().next()?;
    let stat = std::fs::read_to_string(format!("/proc/{qemu}/stat")).ok()?;
    // The second field is a name in brackets, which may hold anything; the start is field 22.
    let ticks: f64 = stat
        .rsplit_once(')')?
        .1
        .split_whitespace()
        .nth(19)?
        .parse()
        .ok()?;
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    let now: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    Instant::now().checked_sub(Duration::try_from_secs_f64(now - ticks / TICKS_PER_SECOND).ok()?)
}

/// Quotes a word for a POSIX shell.
pub fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn quoting() {
        assert_eq!(super::quote("it's"), r"'it'\''s'");
    }
}
