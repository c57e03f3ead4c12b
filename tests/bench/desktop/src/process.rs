//! What a process costs, as the kernel counts it.
#![allow(unsafe_code)]

use std::{fs, time::Duration};

use anyhow::{Context, Result};

/// Memory of a process, in KiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// Its share of what it has in common with others, and all that it has alone.
    pub(crate) pss: f64,
    /// What it wrote and has alone.
    pub(crate) private: f64,
}

/// # Errors
/// When there is no such process.
pub(crate) fn memory(pid: u32) -> Result<Memory> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| path.clone())?;
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.split_whitespace().next())
            .and_then(|number| number.parse().ok())
            .with_context(|| format!("{path} has no {name}"))
    };
    Ok(Memory {
        pss: field("Pss:")?,
        private: field("Private_Dirty:")?,
    })
}

/// Time that all threads of a process ran.
///
/// # Errors
/// When there is no such process.
pub(crate) fn cpu(pid: u32) -> Result<Duration> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let path = task?.path().join("schedstat");
        // A thread may end meanwhile.
        let text = fs::read_to_string(path).unwrap_or_default();
        let first = text.split_whitespace().next();
        sum += first.and_then(|time| time.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(Duration::from_nanos(sum))
}

/// Puts this process before all others of the machine, and so all that it starts.
///
/// # Errors
/// Without root.
pub(crate) fn realtime() -> Result<()> {
    let parameters = libc::sched_param { sched_priority: 10 };
    // SAFETY: the parameters are valid for the call.
    let result = unsafe { libc::sched_setscheduler(0, libc::SCHED_RR, &raw const parameters) };
    if result == 0 {
        return Ok(());
    }
    Err(std::io::Error::last_os_error()).context("--realtime needs root")
}
