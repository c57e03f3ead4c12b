//! What the sandbox costs, side by side with its peer in one run.
//!
//! ```text
//! cargo build --release -p argos-broker -p argos-tools -p argos-agent-runtime
//! RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --target x86_64-unknown-linux-gnu -p argos-exec
//! cargo run --release -p argos-bench-sandbox -- spawn --exec target/x86_64-unknown-linux-gnu/release/argos-exec
//! cargo run --release -p argos-bench-sandbox -- work  --exec …
//! cargo run --release -p argos-bench-sandbox -- idle  --exec … --agent target/release/argos-agent
//! tests/bench/sandbox/peers/install FOLDER
//! cargo run --release -p argos-bench-sandbox -- calls --exec … --programs target/release --peers FOLDER
//! ```
//!
//! The peer is bubblewrap (`bwrap`, Debian package `bubblewrap`), from PATH. User namespaces have to be
//! there for the user who runs it, so not in a chroot. Each table ends with the ratio that is looked at,
//! and the status is 1 where one is over its bar: `spawn` 0.8 of bwrap, `work` 1.03 of the same work
//! outside, `idle` 2 MB of private memory an agent, `calls` 0.25 ms and a fifth of what the MCP servers take.
//!
//! As root, `--realtime` keeps other programs of a busy machine out of the times.

mod calls;
mod idle;
mod peer;
mod probe;
mod spawn;
mod start;
mod work;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(version, about)]
struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// From starting a program to its first instruction.
    Spawn(spawn::Options),
    /// Work of the processor and with files, inside and outside.
    Work(work::Options),
    /// Many agents that wait: the memory of each.
    Idle(idle::Options),
    /// Tool calls of many agents, beside MCP servers.
    Calls(calls::Options),
    /// An agent that calls; started by the broker for `calls`.
    #[command(hide = true)]
    Call(calls::Pace),
    /// The work itself; started by `work`.
    #[command(hide = true)]
    Do {
        /// `cpu` or `files`.
        kind: work::Kind,
        /// Where files may be made.
        folder: PathBuf,
    },
}

fn main() -> ExitCode {
    let outcome = match Options::parse().what {
        What::Spawn(options) => spawn::run(&options),
        What::Work(options) => work::run(&options),
        What::Idle(options) => idle::run(&options),
        What::Calls(options) => calls::run(&options),
        What::Call(pace) => calls::call(pace),
        What::Do { kind, folder } => work::act(kind, &folder),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("argos-bench-sandbox: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// The middle value.
fn median(values: &mut [f64]) -> f64 {
    quantile(values, 0.5)
}

/// The value that this share of the others is below.
fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values
        .get((last as f64 * share).round() as usize)
        .copied()
        .unwrap_or(f64::NAN)
}
