//! QEMU's monitor protocol (QMP), as far as the tests need it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

/// How long a command may take; saving a machine's whole state is the longest.
const COMMAND_LIMIT: Duration = Duration::from_secs(300);

/// A connection to a machine's monitor.
#[derive(Debug)]
pub struct Qmp {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
}

impl Qmp {
    /// Connects and leaves the negotiation mode.
    pub fn connect(socket: &Path) -> Result<Self> {
        let writer = UnixStream::connect(socket)
            .with_context(|| format!("{}: no monitor answers", socket.display()))?;
        writer.set_read_timeout(Some(COMMAND_LIMIT))?;
        let mut qmp = Self {
            reader: BufReader::new(writer.try_clone()?),
            writer,
        };
        qmp.read()?;
        qmp.run("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Runs one command and returns what it returned. Events in between are dropped.
    pub fn run(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let line = json!({ "execute": command, "arguments": arguments });
        self.writer.write_all(format!("{line}\n").as_bytes())?;
        self.answer(command)
    }

    /// Runs a command several times, without a pause in between that this process could be the cause of.
    pub fn run_in_a_row<const N: usize>(
        &mut self,
        command: &str,
        arguments: [Value; N],
    ) -> Result<()> {
        let lines: String = arguments
            .iter()
            .map(|arguments| json!({ "execute": command, "arguments": arguments }))
            .map(|line| format!("{line}\n"))
            .collect();
        self.writer.write_all(lines.as_bytes())?;
        for _ in 0..N {
            self.answer(command)?;
        }
        Ok(())
    }

    fn answer(&mut self, command: &str) -> Result<Value> {
        loop {
            let mut answer = self
                .read()
                .with_context(|| format!("monitor command {command}"))?;
            if let Some(error) = answer.get("error") {
                bail!(
                    "monitor command {command}: {}",
                    error["desc"].as_str().unwrap_or("failed")
                );
            }
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
        }
    }

    /// Runs a command of the human monitor, which alone knows `savevm` and `loadvm`.
    pub fn human(&mut self, line: &str) -> Result<()> {
        let answer = self.run("human-monitor-command", json!({ "command-line": line }))?;
        match answer.as_str().map(str::trim) {
            None | Some("") => Ok(()),
            Some(text) => bail!("monitor command {line}: {text}"),
        }
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = String::new();
        if self
            .reader
            .read_line(&mut line)
            .context("the monitor does not answer")?
            == 0
        {
            bail!("the machine has ended");
        }
        serde_json::from_str(&line).with_context(|| format!("the monitor said {line:?}"))
    }
}
