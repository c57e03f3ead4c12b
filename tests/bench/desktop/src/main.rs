//! The compositor beside its peers, and under attack, without a screen and with the CPU drawing.
//!
//! ```text
//! cargo build --release -p argos-compositor -p argos-bench-desktop     # in the build tree
//! tests/bench/desktop/peers/install /var/tmp/peers                     # sway, labwc, weston; root
//! tests/bench/desktop/peers/run /var/tmp/peers TARGET/release peers --rounds 5 --realtime --json /out/peers.json
//! tests/bench/desktop/peers/run /var/tmp/peers TARGET/release hostile --realtime --json /out/hostile.json
//! ```
//!
//! `--realtime` puts all that is measured before everything else on the machine, both sides alike. What was
//! measured, and on what, is in `README.md` beside this crate.

mod client;
mod compositor;
mod hostile;
mod observer;
mod peers;
mod process;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

/// Measures the desktop.
#[derive(Debug, Parser)]
struct Options {
    #[command(subcommand)]
    what: What,
    /// Before all other programs of the machine (root).
    #[arg(long, global = true)]
    realtime: bool,
    /// Writes the numbers to a file, too.
    #[arg(long, global = true, value_name = "FILE")]
    json: Option<std::path::PathBuf>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Beside sway, labwc and weston.
    Peers(peers::Options),
    /// With clients that mean harm.
    Hostile(hostile::Options),
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("argos-bench-desktop: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Returns whether all bars hold.
fn run(options: &Options) -> Result<bool> {
    if options.realtime {
        process::realtime()?;
    }
    let (good, numbers) = match &options.what {
        What::Peers(options) => peers::run(options)?,
        What::Hostile(options) => hostile::run(options)?,
    };
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&numbers)?;
        std::fs::write(path, text + "\n").with_context(|| path.display().to_string())?;
    }
    Ok(good)
}

/// The middle of some numbers.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        length => (sorted[(length - 1) / 2] + sorted[length / 2]) / 2.0,
    }
}
