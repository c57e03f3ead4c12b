//! The test profile's root shell on the second serial port.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// What a command left.
#[derive(Debug, Clone)]
pub struct Output {
    /// Exit status.
    pub status: i32,
    /// Standard output and error.
    pub text: String,
}

/// A shell in the guest. One command at a time.
#[derive(Debug)]
pub struct Shell {
    stream: UnixStream,
    number: u64,
}

impl Shell {
    /// Connects to the port; the guest may not be there yet.
    pub fn connect(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket)
            .with_context(|| format!("{}: no shell port", socket.display()))?;
        Ok(Self {
            stream,
            number: u64::from(std::process::id()) << 32,
        })
    }

    /// Waits until the guest's shell answers.
    pub fn wait(&mut self, limit: Duration) -> Result<()> {
        let end = Instant::now() + limit;
        let mut patience = Duration::from_secs(2);
        while Instant::now() < end {
            // An early line may be lost while the port is not open in the guest: ask again, and give a slow
            // guest longer.
            if self.run("true", patience).is_ok() {
                return Ok(());
            }
            patience *= 2;
        }
        bail!("the test shell did not answer within {} s", limit.as_secs())
    }

    /// Runs a command line and returns its output and status.
    pub fn run(&mut self, line: &str, limit: Duration) -> Result<Output> {
        self.number += 1;
        let (begin, end) = (
            format!("@begin{}@", self.number),
            format!("@end{}@", self.number),
        );
        // Quotes keep the shell's echo of the line, should there be one, from looking like the marks.
        let request = format!(
            "echo '@'begin{n}@; {{ {line}\n}} 2>&1 </dev/null; argos_status=$?; echo; echo '@'end{n}@$argos_status@\n",
            n = self.number
        );
        self.stream
            .write_all(request.as_bytes())
            .context("the shell port is closed")?;
        let deadline = Instant::now() + limit;
        let mut bytes = Vec::new();
        let mut piece = [0; 16384];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!(
                    "the guest did not finish `{line}` within {} s; so far: {}",
                    limit.as_secs(),
                    String::from_utf8_lossy(&bytes)
                );
            }
            self.stream
                .set_read_timeout(Some(left.min(Duration::from_millis(500))))?;
            match self.stream.read(&mut piece) {
                Ok(0) => bail!("the machine has ended"),
                Ok(n) => bytes.extend_from_slice(&piece[..n]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    continue;
                }
                Err(e) => return Err(e).context("the shell port"),
            }
            let text = String::from_utf8_lossy(&bytes).replace('\r', "");
            if let Some((before, after)) = text.split_once(&end)
                && let Some((status, _)) = after.split_once('@')
            {
                let text = before
                    .split_once(&begin)
                    .map_or(before, |(_, t)| t)
                    .trim_matches('\n')
                    .to_owned();
                return Ok(Output {
                    status: status.parse().context("the guest's exit status")?,
                    text,
                });
            }
        }
    }
}
