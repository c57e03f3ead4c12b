//! The same client in each compositor: how long the first frame takes, what it costs to be there, to be
//! idle, to show ten windows that move, and how long it is from a key to its effect on the screen.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::{
    client::{COLOURS, Paint, Window},
    compositor::{CLIENTS, Compositor, Kind},
    median,
    observer::Observer,
    process,
};

/// How long something may take.
const LIMIT: Duration = Duration::from_secs(30);
/// Frames in a second, on all of them.
const RATE: f64 = 60.0;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How often each is started, in turns.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of idleness, of all rounds together.
    #[arg(long, default_value_t = 30.0)]
    idle: f64,
    /// Seconds for which the ten windows move in each round.
    #[arg(long, default_value_t = 5.0)]
    moving: f64,
    /// Keys in each round.
    #[arg(long, default_value_t = 40)]
    keys: usize,
}

/// What is measured, in the order of the table.
const MEASURES: [&str; 8] = [
    "first frame, ms",
    "Pss idle, KiB",
    "private idle, KiB",
    "private, 10 clients, KiB",
    "CPU idle, ms/s",
    "CPU, 10 clients, ms/s",
    "dropped frames, %",
    "key to pixel, ms",
];

/// The numbers of one round, or nothing where there is none.
type Row = [Option<f64>; 8];

pub(crate) fn run(options: &Options) -> Result<(bool, Value)> {
    let mut rows: Vec<Vec<Row>> = vec![Vec::new(); Kind::ALL.len()];
    for round in 0..options.rounds {
        for turn in 0..Kind::ALL.len() {
            let index = (turn + round) % Kind::ALL.len();
            let kind = Kind::ALL[index];
            let row = measure(kind, options).with_context(|| kind.name())?;
            eprintln!("{} {}: {row:.2?}", kind.name(), round + 1);
            rows[index].push(row);
        }
    }
    let middle: Vec<Row> = rows
        .iter()
        .map(|rows| {
            std::array::from_fn(|measure| {
                let values: Vec<_> = rows.iter().filter_map(|row| row[measure]).collect();
                (!values.is_empty()).then(|| median(&values))
            })
        })
        .collect();
    print!("{:26}", "");
    for kind in Kind::ALL {
        print!("{:>11}", kind.name());
    }
    println!();
    for (measure, name) in MEASURES.iter().enumerate() {
        print!("{name:26}");
        for row in &middle {
            match row[measure] {
                Some(value) => print!("{value:11.2}"),
                None => print!("{:>11}", "-"),
            }
        }
        println!();
    }
    let (good, bars) = judge(&middle);
    let table: Vec<_> = Kind::ALL
        .iter()
        .zip(&middle)
        .map(|(kind, row)| {
            let values: serde_json::Map<_, _> = MEASURES
                .iter()
                .zip(row)
                .map(|(name, value)| ((*name).to_owned(), json!(value)))
                .collect();
            json!({"compositor": kind.name(), "medians": values})
        })
        .collect();
    Ok((
        good,
        json!({"rounds": options.rounds, "results": table, "bars": bars}),
    ))
}

/// Holds the medians to the bars.
fn judge(middle: &[Row]) -> (bool, Vec<Value>) {
    let best = |measure: usize| {
        let peers = middle[1..].iter().filter_map(|row| row[measure]);
        peers.fold(f64::INFINITY, f64::min)
    };
    let sway = |measure: usize| middle[1][measure].unwrap_or(f64::NAN);
    // What is measured, beside whom, the most of it, and a difference that nobody can measure.
    let bars = [
        (0, "the best", best(0), 1.0, 0.0),
        (2, "sway", sway(2), 1.2, 0.0),
        (3, "sway", sway(3), 1.2, 0.0),
        (4, "the best", best(4), 1.0, 0.05),
        (5, "sway", sway(5), 1.0, 0.0),
        (6, "the best", best(6), 1.0, 1.0),
        (7, "the best", best(7), 1.1, 0.0),
    ];
    let mut good = true;
    let mut list = Vec::new();
    println!();
    for (measure, whom, theirs, bar, slack) in bars {
        let ours = middle[0][measure].unwrap_or(f64::NAN);
        let holds = ours <= theirs * bar + slack;
        // Two that take nothing are alike.
        let ratio = if ours == theirs { 1.0 } else { ours / theirs };
        println!(
            "{:26} ours / {whom}: {ratio:.2} (bar {bar}){}",
            MEASURES[measure],
            if holds { "" } else { "  MISSED" }
        );
        good &= holds;
        list.push(json!({
            "measure": MEASURES[measure], "beside": whom, "ratio": ratio, "bar": bar, "holds": holds,
        }));
    }
    (good, list)
}

fn measure(kind: Kind, options: &Options) -> Result<Row> {
    let mut compositor = Compositor::start(kind)?;
    let pid = compositor.pid();
    let mut window = Window::open(compositor.connect()?, Paint::EachKey, 0)?;
    window.until(LIMIT, "its first frame", |inner| inner.first.is_some())?;
    let first = window.inner.first.map(|at| at - compositor.started);

    // Whatever it does once it has started is done.
    thread::sleep(Duration::from_millis(1500));
    let idle = process::memory(pid)?;
    let (before, begin) = (process::cpu(pid)?, Instant::now());
    let share = options.idle / options.rounds as f64;
    thread::sleep(Duration::from_secs_f64(share));
    let idle_cpu = (process::cpu(pid)? - before).as_secs_f64() / begin.elapsed().as_secs_f64();

    let key = if kind.can_be_watched() {
        Some(keys(&mut compositor, window, options.keys)?)
    } else {
        drop(window);
        None
    };

    let stop = Arc::new(AtomicBool::new(false));
    let start = Arc::new(AtomicBool::new(false));
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let socket = compositor.connect()?;
        let (stop, start) = (Arc::clone(&stop), Arc::clone(&start));
        clients.push(thread::spawn(move || -> Result<u32> {
            let mut window = Window::open(socket, Paint::EachFrame, number)?;
            window.go_on(&start)?;
            window.reset();
            window.go_on(&stop)?;
            Ok(window.inner.frames)
        }));
    }
    thread::sleep(Duration::from_secs(1));
    let (before, begin) = (process::cpu(pid)?, Instant::now());
    start.store(true, Ordering::Relaxed);
    thread::sleep(Duration::from_secs_f64(options.moving));
    stop.store(true, Ordering::Relaxed);
    let time = begin.elapsed().as_secs_f64();
    let moving_cpu = (process::cpu(pid)? - before).as_secs_f64() / time;
    let full = process::memory(pid)?;
    let mut frames = 0;
    for client in clients {
        frames += client
            .join()
            .map_err(|_| anyhow::anyhow!("a client panicked"))??;
    }
    let wanted = RATE * time * CLIENTS as f64;
    let dropped = (1.0 - f64::from(frames) / wanted).max(0.0) * 100.0;
    Ok([
        first.map(|time| time.as_secs_f64() * 1000.0),
        Some(idle.pss),
        Some(idle.private),
        Some(full.private),
        Some(idle_cpu * 1000.0),
        Some(moving_cpu * 1000.0),
        Some(dropped),
        key,
    ])
}

/// From keys to their effect; the median, in milliseconds.
fn keys(compositor: &mut Compositor, mut window: Window, count: usize) -> Result<f64> {
    let mut observer = Observer::new(compositor.connect()?)?;
    // The keyboard that there is now is the client's, too.
    window.until(LIMIT, "the keyboard", |inner| inner.focused)?;
    let stop = Arc::new(AtomicBool::new(false));
    let painter = {
        let stop = Arc::clone(&stop);
        thread::spawn(move || window.go_on(&stop))
    };
    let mut measured = || -> Result<f64> {
        observer.sees(COLOURS[0])?;
        let mut times = Vec::new();
        for number in 0..count {
            let took = observer.key_to(COLOURS[(number + 1) % 2])?;
            times.push(took.as_secs_f64() * 1000.0);
            // Not in step with the frames.
            thread::sleep(Duration::from_micros(
                60_000 + (number as u64 * 7919) % 17_000,
            ));
        }
        Ok(median(&times))
    };
    let result = measured();
    stop.store(true, Ordering::Relaxed);
    let painted = painter.join();
    painted.map_err(|_| anyhow::anyhow!("the client panicked"))??;
    result
}
