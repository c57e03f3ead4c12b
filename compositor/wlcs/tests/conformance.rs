//! The Wayland conformance test suite against the compositor.
//!
//! `passes.txt` are the tests that passed once; each of them has to pass again, beside others or alone, and the
//! list only grows.
//! `failures.txt` are all others, each with the reason why it fails or is not there.
//!
//! ```text
//! cargo test -p argos-wlcs                   # what is in passes.txt
//! cargo test -p argos-wlcs -- --whole        # the whole suite, minutes
//! cargo test -p argos-wlcs -- --update       # the same, and new passes are written into the list
//! ```
//!
//! The suite is Debian's package `wlcs`; `WLCS` names its program where that lies elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

/// How many of the suite's processes run at once. They wait most of the time: a test that fails does so for ten
/// seconds.
const PROCESSES: usize = 4;
/// The same for the whole suite, where many tests fail.
const PROCESSES_ALL: usize = 24;

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Passed,
    Failed,
    /// The suite found that it does not apply.
    Skipped,
}

fn main() -> Result<()> {
    let program = program()?;
    let passes = list("passes.txt")?;
    let failures = list("failures.txt")?;
    let both: Vec<_> = passes.intersection(&failures).collect();
    ensure!(
        both.is_empty(),
        "these are in passes.txt and in failures.txt: {both:?}"
    );
    // Other words are for other tests of the same run.
    let words: Vec<_> = std::env::args().skip(1).collect();
    let update = words.iter().any(|word| word == "--update");
    if !(update || words.iter().any(|word| word == "--whole")) {
        let filter: Vec<_> = passes.iter().map(String::as_str).collect();
        let mut results = run(&program, &filter.join(":"), PROCESSES)?;
        // The suite's own limits are for a machine that does nothing else: what did not pass is tried once
        // more, alone.
        let not_passed = |name: &&str| results.get(*name) != Some(&Ended::Passed);
        let again: Vec<_> = filter.iter().copied().filter(not_passed).collect();
        if !again.is_empty() {
            eprintln!("tried once more: {}", again.join(" "));
            results.extend(run(&program, &again.join(":"), 1)?);
        }
        return hold(&passes, &results);
    }
    let results = run(&program, "*", PROCESSES_ALL)?;
    let count = |ended| results.values().filter(|e| **e == ended).count();
    eprintln!(
        "{} passed, {} failed, {} skipped",
        count(Ended::Passed),
        count(Ended::Failed),
        count(Ended::Skipped)
    );
    let names = |wanted| {
        let those = results.iter().filter(move |(_, ended)| **ended == wanted);
        those.map(|(name, _)| name.clone())
    };
    let passed: BTreeSet<_> = names(Ended::Passed).collect();
    for name in passed.difference(&passes) {
        eprintln!("passes now: {name}");
    }
    if update {
        let mut all: Vec<_> = passes.union(&passed).cloned().collect();
        all.push(String::new());
        std::fs::write(folder().join("passes.txt"), all.join("\n"))?;
    }
    hold(&passes, &results)?;
    let unknown: Vec<_> = names(Ended::Failed)
        .filter(|name| !failures.contains(name))
        .collect();
    ensure!(
        unknown.is_empty(),
        "these fail and have no reason in failures.txt:\n{}",
        unknown.join("\n")
    );
    Ok(())
}

/// Everything in `passes` has passed.
fn hold(passes: &BTreeSet<String>, results: &BTreeMap<String, Ended>) -> Result<()> {
    let mut broken = Vec::new();
    for name in passes {
        match results.get(name) {
            Some(Ended::Passed) => {}
            Some(ended) => broken.push(format!("{name}: {ended:?}")),
            None => broken.push(format!(
                "{name}: there is no such test, or the suite ended before it"
            )),
        }
    }
    ensure!(
        broken.is_empty(),
        "{} of {} tests that passed before do not:\n{}",
        broken.len(),
        passes.len(),
        broken.join("\n")
    );
    println!("{} tests of the suite pass", passes.len());
    Ok(())
}

/// Runs the tests of a filter in several processes and puts together how they ended.
fn run(program: &Path, filter: &str, processes: usize) -> Result<BTreeMap<String, Ended>> {
    let library = library()?;
    let runtime = std::env::temp_dir().join(format!("argos-wlcs-{}", std::process::id()));
    std::fs::create_dir_all(&runtime)?;
    let shard = |number: usize| {
        let output = Command::new(program)
            .arg(&library)
            .arg(format!("--gtest_filter={filter}"))
            .env("GTEST_TOTAL_SHARDS", processes.to_string())
            .env("GTEST_SHARD_INDEX", number.to_string())
            .env("XDG_RUNTIME_DIR", &runtime)
            .stderr(Stdio::null())
            .output()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        // Its status only says whether something failed; a signal means that it broke off.
        if output.status.code().is_none() {
            eprintln!("a process of the suite broke off: {}", output.status);
        }
        Ok(read(&String::from_utf8_lossy(&output.stdout)))
    };
    let results: Result<Vec<_>> = std::thread::scope(|scope| {
        let shard = &shard;
        let threads: Vec<_> = (0..processes)
            .map(|number| scope.spawn(move || shard(number)))
            .collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined
            .map(|end| end.unwrap_or_else(|_| bail!("a thread of this program panicked")))
            .collect()
    });
    std::fs::remove_dir_all(&runtime)?;
    Ok(results?.into_iter().flatten().collect())
}

/// How the tests of one process ended, from what it printed. Its report in JSON counts what was skipped as failed.
fn read(printed: &str) -> Vec<(String, Ended)> {
    let ended = |line: &str| {
        let (mark, rest) = line.strip_prefix('[')?.split_once(']')?;
        let ended = match mark.trim() {
            "OK" => Ended::Passed,
            "FAILED" => Ended::Failed,
            "SKIP" => Ended::Skipped,
            _ => return None,
        };
        // The lines at the end say it once more, without the time.
        let name = rest.trim().split([' ', ',']).next()?;
        name.contains('.').then(|| (name.to_owned(), ended))
    };
    printed.lines().filter_map(ended).collect()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A list's names: the first word of each line.
fn list(file: &str) -> Result<BTreeSet<String>> {
    let path = folder().join(file);
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    Ok(text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect())
}

fn program() -> Result<PathBuf> {
    let usual = format!("/usr/lib/{}-linux-gnu/wlcs/wlcs", std::env::consts::ARCH);
    let path = std::env::var_os("WLCS").map_or_else(|| PathBuf::from(usual), PathBuf::from);
    ensure!(
        path.exists(),
        "{}: not there; it is in Debian's package `wlcs`, and WLCS may name another place",
        path.display()
    );
    Ok(path)
}

/// The compositor as a library, which cargo leaves beside this program or one folder above.
fn library() -> Result<PathBuf> {
    let here = std::env::current_exe()?;
    here.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join("libargos_wlcs.so"))
        .find(|path| path.exists())
        .with_context(|| format!("no libargos_wlcs.so beside {}", here.display()))
}
