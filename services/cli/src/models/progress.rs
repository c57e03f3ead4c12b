//! How far a long copy is, and whether it is still wanted.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::failure::{Failure, Result, Status};
use crate::output::{Output, bytes, one_line, span};

/// How often it is told.
const EVERY: Duration = Duration::from_millis(250);

/// Set by Ctrl-C, looked at between two blocks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    pub(crate) fn check(&self) -> Result {
        if self.0.load(Ordering::Relaxed) {
            return Err(Failure::silent(Status::Interrupted));
        }
        Ok(())
    }
}

/// Sets an [`Interrupt`] when it is dropped.
#[derive(Debug)]
pub(crate) struct OnDrop(pub(crate) Interrupt);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// One line that is written over on a terminal, JSON lines with `--json`, nothing else elsewhere.
#[derive(Debug)]
pub(crate) struct Progress {
    out: Output,
    terminal: bool,
    verb: &'static str,
    file: String,
    done: u64,
    total: u64,
    /// What was there before this process began.
    before: u64,
    start: Instant,
    told: Option<Instant>,
    shown: bool,
}

impl Progress {
    pub(crate) fn new(out: Output, verb: &'static str, total: u64) -> Self {
        Self {
            out,
            terminal: !out.json && std::io::stderr().is_terminal(),
            verb,
            file: String::new(),
            done: 0,
            total,
            before: 0,
            start: Instant::now(),
            told: None,
            shown: false,
        }
    }

    /// Says nothing from here on.
    pub(crate) fn mute(&mut self) {
        self.terminal = false;
        self.out = Output::new(false);
    }

    /// Another file begins.
    pub(crate) fn file(&mut self, name: &str) {
        self.file = one_line(name);
    }

    /// The whole is larger than was known.
    pub(crate) fn grow(&mut self, more: u64) {
        self.total = self.total.saturating_add(more);
    }

    /// `count` bytes were there already.
    pub(crate) fn skip(&mut self, count: u64) {
        self.done += count;
        self.before += count;
    }

    /// `count` bytes have to be done again.
    pub(crate) fn back(&mut self, count: u64) {
        self.done = self.done.saturating_sub(count);
        self.before = self.before.min(self.done);
    }

    /// So much is done of a whole that others know.
    pub(crate) fn at(&mut self, done: u64, total: u64) {
        (self.done, self.total) = (done, total);
        self.tell();
    }

    /// `count` bytes were done.
    pub(crate) fn add(&mut self, count: u64) {
        self.done += count;
        if self.told.is_none_or(|told| told.elapsed() >= EVERY) {
            self.told = Some(Instant::now());
            self.tell();
        }
    }

    fn tell(&mut self) {
        let seconds = self.start.elapsed().as_secs_f64().max(0.001);
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss
        )]
        let speed = ((self.done - self.before) as f64 / seconds) as u64;
        if self.out.json {
            let line = json!({"event": "progress", "file": self.file, "bytes": self.done,
                "total_bytes": self.total, "bytes_per_second": speed});
            let _ = writeln!(std::io::stdout().lock(), "{line}");
        } else if self.terminal {
            let left = self.total.saturating_sub(self.done).saturating_mul(1000) / speed.max(1);
            self.shown = true;
            let text = format!(
                "{} {}: {} of {}, {}/s, {} left",
                self.verb,
                self.file,
                bytes(self.done),
                bytes(self.total.max(self.done)),
                bytes(speed),
                span(left)
            );
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K{text}");
        }
    }

    /// Takes the line off the terminal.
    pub(crate) fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
