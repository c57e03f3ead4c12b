//! From starting a program to its first instruction.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use argos_sandbox::{Access, Landlock, Namespaces, PathRule, Spec};
use rustix::time::{ClockId, clock_gettime};

use crate::{median, peer, probe, quantile, start};

/// The most of bwrap's time that ours may take.
const BAR: f64 = 0.8;
/// Where the program is, inside.
const INSIDE: &str = "/probe";

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The static `argos-exec`.
    #[arg(long, value_name = "FILE")]
    exec: PathBuf,
    /// Starts of each kind.
    #[arg(long, default_value_t = 200)]
    runs: usize,
    /// Before all other programs of the machine (root).
    #[arg(long)]
    realtime: bool,
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let folder = tempfile::tempdir()?;
    let program = folder.path().join("probe");
    probe::write(&program)?;
    let exec = std::path::absolute(&options.exec)?;
    if options.realtime {
        start::realtime()?;
    }

    let mut plain = Command::new(&program);
    plain.stdin(Stdio::null());
    let (mut ours, _spec) = start::command(&exec, &start::agent(&program, INSIDE))?;
    ours.arg(INSIDE);
    let mut bwrap = peer::bwrap(&program, INSIDE);
    bwrap.arg(INSIDE);
    let (helped, _inner) = with_helper(&exec, &program)?;

    let mut kinds = [
        ("a plain start", plain, Vec::new()),
        ("argos-exec, all walls", ours, Vec::new()),
        ("bwrap: namespaces, root, capabilities", bwrap, Vec::new()),
        (
            "bwrap, and a helper for Landlock and seccomp",
            helped,
            Vec::new(),
        ),
    ];
    for _ in 0..options.runs {
        for (name, command, times) in &mut kinds {
            times.push(once(command).with_context(|| (*name).to_owned())?);
        }
    }
    println!(
        "spawn to first instruction, {} starts each, ms",
        options.runs
    );
    println!("{:46}{:>8}{:>8}{:>8}", "", "p10", "median", "p90");
    for (name, _, times) in &mut kinds {
        println!(
            "{name:46}{:8.2}{:8.2}{:8.2}",
            quantile(times, 0.1),
            median(times),
            quantile(times, 0.9)
        );
    }
    let [_, (_, _, ours), (_, _, bwrap), (_, _, helped)] = &mut kinds;
    let ratio = median(ours) / median(bwrap);
    println!("ours / bwrap: {ratio:.2} (bar {BAR})");
    println!(
        "ours / bwrap with equal walls: {:.2}",
        median(ours) / median(helped)
    );
    Ok(ratio <= BAR)
}

/// What agent programs elsewhere do: bwrap for the namespaces, and inside it a program of their own that
/// adds Landlock and a system call filter before it executes the real one.
fn with_helper(exec: &Path, program: &Path) -> Result<(Command, OwnedFd)> {
    let path = |path: &str, access| PathRule {
        path: path.into(),
        access,
    };
    let spec = Spec {
        namespaces: Namespaces::none(),
        root: None,
        landlock: Landlock {
            paths: vec![
                path("/usr", Access::Execute),
                path(INSIDE, Access::Execute),
                path("/proc", Access::Read),
                path("/tmp", Access::Write),
            ],
            ..Landlock::default()
        },
        ..Spec::default()
    };
    let (inner, memory) = start::command(Path::new("/exec"), &spec)?;
    let mut command = peer::bwrap(program, INSIDE);
    command.arg("--ro-bind").arg(exec).arg("/exec");
    command.arg(inner.get_program()).args(inner.get_args());
    command.arg(INSIDE);
    start::pass(&mut command, &memory, 9);
    Ok((command, memory))
}

/// Starts it once; milliseconds until its first instruction.
fn once(command: &mut Command) -> Result<f64> {
    let (mut reader, writer) = std::io::pipe()?;
    let before = now();
    let mut child = command.stdout(writer).spawn()?;
    // The command keeps the pipe's other end until it is told another.
    command.stdout(Stdio::null());
    let mut bytes = [0; 16];
    let read = reader.read_exact(&mut bytes);
    let status = child.wait()?;
    ensure!(status.success(), "it ended with {status}");
    read.context("it said nothing")?;
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap_or_default());
    let after = word(0) * 1_000_000_000 + word(8);
    Ok(after.saturating_sub(before) as f64 / 1e6)
}

/// Nanoseconds of the clock that the program reads.
fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
