//! Whether work is slower inside: the processor's, and work with many files, whose names Landlock looks at.

use std::fs;
use std::hint::black_box;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use argos_sandbox::{Access, Bind};

use crate::{median, start};

/// The most of the time outside that the same work may take inside.
const BAR: f64 = 1.03;
const INSIDE: &str = "/work";
const WORKSPACE: &str = "/workspace";

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    Cpu,
    Files,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The static `argos-exec`.
    #[arg(long, value_name = "FILE")]
    exec: PathBuf,
    /// Pairs of runs of each kind.
    #[arg(long, default_value_t = 15)]
    runs: usize,
    /// Where files are made, on the file system in question.
    #[arg(long, value_name = "FOLDER", default_value = "/var/tmp")]
    folder: PathBuf,
    /// Before all other programs of the machine (root).
    #[arg(long)]
    realtime: bool,
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let own = std::env::current_exe()?;
    let exec = std::path::absolute(&options.exec)?;
    let folder = tempfile::tempdir_in(&options.folder)?;
    if options.realtime {
        start::realtime()?;
    }
    let mut spec = start::agent(&own, INSIDE);
    spec.root
        .get_or_insert_with(Default::default)
        .binds
        .push(Bind {
            source: folder.path().to_owned(),
            target: Some(WORKSPACE.into()),
            access: Access::Write,
        });
    println!(
        "the same work, {} pairs each, seconds (median)",
        options.runs
    );
    println!("{:8}{:>10}{:>10}{:>10}", "", "outside", "inside", "ratio");
    let mut good = true;
    for kind in ["cpu", "files"] {
        let mut outside = Command::new(&own);
        outside.args(["do", kind]).arg(folder.path());
        let (mut inside, _spec) = start::command(&exec, &spec)?;
        inside.args([INSIDE, "do", kind, WORKSPACE]);
        let (mut a, mut b, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for index in 0..options.runs {
            // In turns first, so that neither has the warmer caches.
            let (first, second) = if index % 2 == 0 {
                let first = once(&mut outside)?;
                (first, once(&mut inside)?)
            } else {
                let second = once(&mut inside)?;
                (once(&mut outside)?, second)
            };
            a.push(first);
            b.push(second);
            ratios.push(second / first);
        }
        let ratio = median(&mut ratios);
        println!(
            "{kind:8}{:10.3}{:10.3}{ratio:10.3} (bar {BAR})",
            median(&mut a),
            median(&mut b)
        );
        good &= ratio <= BAR;
    }
    Ok(good)
}

/// Seconds that the work itself took, as it says.
fn once(command: &mut Command) -> Result<f64> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot be started")?;
    ensure!(
        output.status.success(),
        "the work ended with {}",
        output.status
    );
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().context("the work said no time")
}

/// Does the work and says how long it took, its own start and end left out.
pub(crate) fn act(kind: Kind, folder: &Path) -> Result<bool> {
    let begin = Instant::now();
    match kind {
        Kind::Cpu => processor(),
        Kind::Files => files(folder)?,
    }
    println!("{}", begin.elapsed().as_secs_f64());
    Ok(true)
}

/// Mixes numbers, and walks through 8 MB of memory in no order.
fn processor() {
    let mut memory = vec![0_u64; 1 << 20];
    let mut state = 1_u64;
    for _ in 0..150_000_000 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let at = (state >> 44) as usize & (memory.len() - 1);
        memory[at] = memory[at].rotate_left(7) ^ state;
    }
    black_box(memory);
}

/// Makes small files in folders, lists, reads, renames and removes them, as a build or an agent would.
fn files(folder: &Path) -> Result<()> {
    let mut text = Vec::new();
    for round in 0..4 {
        for group in 0..20 {
            let deep = folder.join(format!("a/b/c/{group}"));
            fs::create_dir_all(&deep)?;
            for file in 0..100 {
                let path = deep.join(file.to_string());
                fs::File::create(&path)?.write_all(&[round; 4096])?;
            }
            for entry in fs::read_dir(&deep)? {
                let path = entry?.path();
                fs::metadata(&path)?;
                text.clear();
                fs::File::open(&path)?.read_to_end(&mut text)?;
                fs::rename(&path, path.with_extension("new"))?;
            }
        }
        fs::remove_dir_all(folder.join("a"))?;
    }
    black_box(text);
    Ok(())
}
