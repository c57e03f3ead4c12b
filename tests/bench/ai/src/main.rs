//! How fast models run, side by side with peers in one run.
//!
//! ```text
//! tests/bench/ai/peers/install PEERS
//! PEERS/bin/python tests/bench/ai/peers/models.py MODELS
//! cargo run --release -p argos-bench-ai -- speed  --peers PEERS --models MODELS
//! cargo run --release -p argos-bench-ai -- agree  --peers PEERS --models MODELS
//! cargo run --release -p argos-bench-ai -- prefix --models MODELS
//! cargo run --release -p argos-bench-ai -- person --models MODELS
//! ```
//!
//! `ARGOS_ONNXRUNTIME` names the runtime's library where it is not installed; the one in PEERS is of the
//! same version. The peers are llama.cpp (by llama-cpp-python), onnxruntime-genai and transformers; every
//! engine gets the same random weights in the shapes of SmolLM2-135M and Qwen2.5-0.5B, the same threads and
//! the same prompts, and is asked in turn, so that what else the machine does meets all of them. Each table
//! ends with the ratios that are looked at, medians over the rounds, and the status is 1 where one misses its
//! bar. As root, `chrt -r 10` before the command keeps other programs of a busy machine out of the times.
//!
//! The bars: `speed` decoding at one stream with int4 0.97 of onnxruntime-genai (its kernels are ours) and
//! 1.2 of llama.cpp, eight streams 2.5 of one and 1.2 of eight on llama.cpp; `agree` token for token as
//! transformers in fp32 wherever its two best logits are more than 0.001 apart; `prefix` a repeated beginning
//! of 1,000 tokens 5 % of the first time; `person` first token beside eight streams in the background 1.3 of
//! the time alone, and one chunk.

mod agree;
mod engine;
mod ours;
mod person;
mod prefix;
mod speed;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(version, about)]
struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Prefill, decoding, many streams, memory and loading, beside the peers.
    Speed(speed::Options),
    /// Whether the answers are those of transformers.
    Agree(agree::Options),
    /// What a beginning costs that was computed before.
    Prefix(prefix::Options),
    /// How long a person waits beside background work.
    Person(person::Options),
    /// ArgOS's engine, as the peers are run; started by `speed`.
    #[command(hide = true)]
    Serve(ours::Options),
}

/// What all measurements are told.
#[derive(Debug, Clone, Args)]
struct Common {
    /// Folder that `peers/models.py` filled.
    #[arg(long)]
    models: PathBuf,
    /// Which of its models.
    #[arg(long, value_delimiter = ',', default_values_t = ["135m".to_owned(), "0.5b".to_owned()])]
    shapes: Vec<String>,
    /// Threads of every engine.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// How often everything is measured.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

fn main() -> ExitCode {
    let outcome = match Options::parse().what {
        What::Speed(options) => speed::run(&options),
        What::Agree(options) => agree::run(&options),
        What::Prefix(options) => prefix::run(&options),
        What::Person(options) => person::run(&options),
        What::Serve(options) => ours::serve(&options),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("argos-bench-ai: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// `count` tokens that differ by `seed`, none of them special.
fn tokens(seed: usize, count: usize) -> Vec<u32> {
    let token = |n: usize| 300 + (seed * 104_729 + n * 7_919 + n * n * 31) % 48_000;
    (0..count).map(|n| token(n) as u32).collect()
}
