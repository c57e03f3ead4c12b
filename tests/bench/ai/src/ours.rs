//! ArgOS's own engine: loading it, asking it, and serving it as the peers are served.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use anyhow::{Result, bail};
use argos_engine::causal::{CausalLm, Class, Event, Limits, Options as Wishes, Prompt, Request};
use clap::Args;

use crate::engine::{Loaded, Memory, Order, Single, Streams};

/// Longest prompt and answer, as all engines get it.
const ROOM: usize = 2048;

#[derive(Debug, Args)]
pub(crate) struct Options {
    model: PathBuf,
    threads: usize,
}

/// Limits of all measurements.
pub(crate) fn limits(threads: usize) -> Limits {
    Limits {
        context: ROOM,
        threads: Some(threads),
        ..Limits::default()
    }
}

/// Loads a model's folder.
pub(crate) fn load(folder: &Path, limits: &Limits) -> Result<CausalLm> {
    Ok(CausalLm::load(folder, limits)?)
}

/// An owner that has computed nothing yet.
pub(crate) fn stranger() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// When the tokens of an answer came, and which they were.
#[derive(Debug)]
pub(crate) struct Answer {
    pub tokens: Vec<u32>,
    /// Seconds since it was asked for.
    pub times: Vec<f64>,
}

/// An answer that is on its way.
#[derive(Debug)]
pub(crate) struct Pending {
    events: Receiver<(Instant, Event)>,
    asked: Instant,
}

/// A greedy request of exactly `new` tokens.
pub(crate) fn request(prompt: Vec<u32>, new: usize, owner: u64, class: Class) -> Request {
    Request {
        options: Wishes {
            max_tokens: Some(new),
            temperature: Some(0.0),
            ignore_stop_tokens: true,
            ..Wishes::default()
        },
        owner,
        class,
        ..Request::new(Prompt::Tokens(prompt))
    }
}

/// Queues it.
pub(crate) fn submit(model: &CausalLm, request: Request) -> Result<Pending> {
    let (sink, events) = channel();
    let asked = Instant::now();
    model.submit(request, move |event| {
        // Nobody listens any more where the bench gave up.
        let _ = sink.send((Instant::now(), event));
    })?;
    Ok(Pending { events, asked })
}

impl Pending {
    /// Waits for the end. Without [`Wishes::logprobs`] the tokens are not told, only counted by their times.
    pub(crate) fn wait(self) -> Result<Answer> {
        let mut answer = Answer {
            tokens: Vec::new(),
            times: Vec::new(),
        };
        for (when, event) in self.events {
            match event {
                Event::Text { token, .. } => {
                    answer.times.push((when - self.asked).as_secs_f64());
                    answer.tokens.extend(token.map(|t| t.id));
                }
                Event::Finished(_) => return Ok(answer),
                Event::Failed(error) => return Err(error.into()),
            }
        }
        bail!("the engine's thread is gone")
    }
}

impl Answer {
    /// Until the first token.
    pub(crate) fn first(&self) -> f64 {
        self.times.first().copied().unwrap_or(f64::NAN)
    }

    /// Until the last one.
    pub(crate) fn last(&self) -> f64 {
        self.times.last().copied().unwrap_or(f64::NAN)
    }
}

/// Answers the orders on standard input.
pub(crate) fn serve(options: &Options) -> Result<bool> {
    let start = Instant::now();
    let model = load(&options.model, &limits(options.threads))?;
    let loaded = Loaded {
        load_s: start.elapsed().as_secs_f64(),
        memory: private()?,
    };
    say(&loaded)?;
    for line in std::io::stdin().lock().lines() {
        match serde_json::from_str(&line?)? {
            Order::Single { prompt, new } => {
                let answer =
                    submit(&model, request(prompt, new, stranger(), Class::Agent))?.wait()?;
                let first_s = answer.first();
                say(&Single {
                    first_s,
                    decode_s: answer.last() - first_s,
                })?;
            }
            Order::Streams { prompts, new } => {
                let owner = stranger();
                let start = Instant::now();
                let pending = prompts
                    .into_iter()
                    .map(|prompt| submit(&model, request(prompt, new, owner, Class::Agent)))
                    .collect::<Result<Vec<_>>>()?;
                let answers = pending
                    .into_iter()
                    .map(Pending::wait)
                    .collect::<Result<Vec<_>>>()?;
                say(&Streams {
                    first_s: answers.iter().map(Answer::first).collect(),
                    total_s: start.elapsed().as_secs_f64(),
                })?;
            }
            Order::Memory => say(&Memory { memory: private()? })?,
        }
    }
    Ok(true)
}

fn say(value: &impl serde::Serialize) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(value)?)?;
    Ok(out.flush()?)
}

/// Bytes that are this process's alone.
fn private() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup")?;
    let kib = text
        .lines()
        .filter(|line| line.starts_with("Private_"))
        .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    Ok(kib.sum::<u64>() * 1024)
}
