//! An engine in a process of its own: it is told by lines of JSON on its standard input.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// What is asked of an engine.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub(crate) enum Order {
    /// One prompt and `new` tokens after it.
    Single { prompt: Vec<u32>, new: usize },
    /// Several at once, all of one length.
    Streams { prompts: Vec<Vec<u32>>, new: usize },
    /// Bytes that are the process's alone.
    Memory,
}

/// After loading.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Loaded {
    pub load_s: f64,
    /// Private bytes.
    pub memory: u64,
}

/// Of [`Order::Single`].
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Single {
    /// Until the first token.
    pub first_s: f64,
    /// From there to the last one.
    pub decode_s: f64,
}

/// Of [`Order::Streams`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Streams {
    /// Until the first token of each.
    pub first_s: Vec<f64>,
    /// Until the last token of all.
    pub total_s: f64,
}

/// Of [`Order::Memory`].
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Memory {
    pub memory: u64,
}

/// Transformers' answer, with how far apart the two best logits were at each token.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Reference {
    pub tokens: Vec<u32>,
    pub gaps: Vec<f64>,
}

/// A running engine.
#[derive(Debug)]
pub(crate) struct Engine {
    pub name: &'static str,
    pub loaded: Loaded,
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Engine {
    /// ArgOS's, in this program.
    pub(crate) fn ours(model: &Path, threads: usize) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("serve").arg(model);
        Self::start("ArgOS", command.arg(threads.to_string()))
    }

    /// One of `peers/serve.py`, installed in `peers`.
    pub(crate) fn peer(
        name: &'static str,
        peers: &Path,
        model: &Path,
        threads: usize,
    ) -> Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/serve.py");
        let mut command = Command::new(peers.join("bin/python"));
        command
            .arg(script)
            .arg(name)
            .arg(model)
            .arg(threads.to_string());
        Self::start(name, &mut command)
    }

    fn start(name: &'static str, command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {command:?}"))?;
        let (Some(orders), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("{name} has no pipes");
        };
        let mut engine = Self {
            name,
            loaded: Loaded {
                load_s: 0.0,
                memory: 0,
            },
            child,
            orders,
            answers: BufReader::new(answers),
        };
        engine.loaded = engine.read()?;
        Ok(engine)
    }

    /// Asks and waits for the answer.
    pub(crate) fn ask<T: DeserializeOwned>(&mut self, order: &Order) -> Result<T> {
        self.tell(&serde_json::to_value(order)?)
    }

    /// What transformers alone knows.
    pub(crate) fn reference(&mut self, prompt: &[u32], new: usize) -> Result<Reference> {
        self.tell(&json!({"do": "reference", "prompt": prompt, "new": new}))
    }

    fn tell<T: DeserializeOwned>(&mut self, order: &serde_json::Value) -> Result<T> {
        writeln!(self.orders, "{order}")
            .with_context(|| format!("{} does not listen", self.name))?;
        self.orders.flush()?;
        self.read()
    }

    fn read<T: DeserializeOwned>(&mut self) -> Result<T> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            bail!("{} ended: {}", self.name, self.child.wait()?);
        }
        serde_json::from_str(&line).with_context(|| format!("{} said {line:?}", self.name))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
