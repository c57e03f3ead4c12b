//! How an ordinary client fares while others mean harm, and what of memory that takes.

use std::{
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use argos_hostile::Attack;
use serde_json::{Value, json};

use crate::{
    client::{Paint, Window},
    compositor::{Compositor, Kind},
    process,
};

/// Fewest frames in a second of the ordinary client.
const FRAMES: f64 = 30.0;
/// Most memory that the compositor takes for one client, in KiB.
const MOST: f64 = 128.0 * 1024.0;
/// Most of it that is left when the client is gone, in KiB.
const LEFT: f64 = 16.0 * 1024.0;
/// How long memory may take to fall back.
const REST: Duration = Duration::from_secs(3);

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Seconds of each attack.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Only the attacks with this in their name.
    #[arg(long, default_value = "")]
    only: String,
}

/// What one run came to.
struct Outcome {
    name: String,
    attackers: usize,
    frames: f64,
    longest: Duration,
    grown: f64,
    left: f64,
    thrown_out: u32,
}

impl Outcome {
    fn holds(&self) -> bool {
        let clients = self.attackers as f64;
        self.frames >= FRAMES && self.grown <= MOST * clients && self.left <= LEFT * clients
    }
}

pub(crate) fn run(options: &Options) -> Result<(bool, Value)> {
    let attacks: Vec<_> = Attack::ALL
        .into_iter()
        .filter(|attack| attack.name().contains(&options.only))
        .collect();
    println!(
        "{:22}{:>10}{:>12}{:>12}{:>12}{:>12}",
        "", "frames/s", "longest ms", "grown KiB", "left KiB", "thrown out"
    );
    let mut runs: Vec<_> = attacks
        .iter()
        .map(|attack| (attack.name().to_owned(), vec![*attack]))
        .collect();
    if options.only.is_empty() {
        runs.push(("all together".to_owned(), attacks));
    }
    let (mut good, mut list) = (true, Vec::new());
    for (name, attacks) in runs {
        let outcome = one(name, &attacks, options.seconds)?;
        let holds = outcome.holds();
        println!(
            "{:22}{:10.1}{:12.1}{:12.0}{:12.0}{:12}{}",
            outcome.name,
            outcome.frames,
            outcome.longest.as_secs_f64() * 1000.0,
            outcome.grown,
            outcome.left,
            outcome.thrown_out,
            if holds { "" } else { "  MISSED" }
        );
        good &= holds;
        list.push(json!({
            "attack": outcome.name, "frames": outcome.frames,
            "longest_ms": outcome.longest.as_secs_f64() * 1000.0,
            "grown_kib": outcome.grown, "left_kib": outcome.left,
            "thrown_out": outcome.thrown_out, "holds": holds,
        }));
    }
    println!("bars: {FRAMES} frames/s, {MOST} KiB for one client, of which {LEFT} KiB stay");
    Ok((good, json!({"seconds": options.seconds, "results": list})))
}

fn one(name: String, attacks: &[Attack], seconds: f64) -> Result<Outcome> {
    let mut compositor = Compositor::start(Kind::Argos)?;
    let pid = compositor.pid();
    let mut window = Window::open(compositor.connect()?, Paint::EachFrame, 0)?;
    let limit = Duration::from_secs(30);
    window.until(limit, "frames", |inner| inner.frames > 30)?;
    let before = process::memory(pid)?.private;
    let door = compositor.door().context("there is no socket")?;

    let stop = Arc::new(AtomicBool::new(false));
    let attackers: Vec<_> = attacks
        .iter()
        .map(|attack| {
            let (attack, door, stop) = (*attack, door.clone(), Arc::clone(&stop));
            thread::spawn(move || attack.run(|| UnixStream::connect::<&PathBuf>(&door), &stop))
        })
        .collect();
    let watcher = {
        let stop = Arc::clone(&stop);
        thread::spawn(move || {
            let mut most = 0.0_f64;
            while !stop.load(Ordering::Relaxed) {
                most = most.max(process::memory(pid).map_or(0.0, |memory| memory.private));
                thread::sleep(Duration::from_millis(50));
            }
            most
        })
    };
    let timer = {
        let stop = Arc::clone(&stop);
        thread::spawn(move || {
            thread::sleep(Duration::from_secs_f64(seconds));
            stop.store(true, Ordering::Relaxed);
        })
    };
    window.reset();
    let begin = Instant::now();
    let went_on = window.go_on(&stop);
    let time = begin.elapsed().as_secs_f64();
    let frames = f64::from(window.inner.frames) / time;
    let longest = window.inner.longest;
    stop.store(true, Ordering::Relaxed);
    let _ = timer.join();
    if went_on.is_err() || !compositor.is_running()? {
        went_on.with_context(|| format!("{name}: {}", compositor.last_words()))?;
        anyhow::bail!(
            "{name}: the compositor is gone: {}",
            compositor.last_words()
        );
    }
    let most = watcher.join().unwrap_or(f64::INFINITY);
    let mut thrown_out = 0;
    for attacker in attackers {
        let result = attacker.join();
        thrown_out += result.map_err(|_| anyhow::anyhow!("{name}: the attacker panicked"))??;
    }
    let end = Instant::now() + REST;
    let mut left = f64::INFINITY;
    while Instant::now() < end {
        // It has something to do, as it would have.
        let rest = Arc::new(AtomicBool::new(false));
        let timer = {
            let rest = Arc::clone(&rest);
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(200));
                rest.store(true, Ordering::Relaxed);
            })
        };
        window.go_on(&rest)?;
        let _ = timer.join();
        left = process::memory(pid)?.private - before;
    }
    Ok(Outcome {
        name,
        attackers: attacks.len(),
        frames,
        longest,
        grown: (most - before).max(0.0),
        left: left.max(0.0),
        thrown_out,
    })
}
