//! Looking at a damaged store from a process of its own, which may fault without harm.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use argos_memory::recovery::Inspector;
use argos_memory::{Error, Record, Result};

use crate::host;

/// How often salvaging goes on after a fault.
const MAX_FAULTS: usize = 200;

/// Runs this program again for the looking.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subprocess;

impl Inspector for Subprocess {
    fn check(&self, path: &Path) -> Result<()> {
        let io = |source| Error::Io {
            what: "start a process to check",
            path: path.to_owned(),
            source,
        };
        let output = Command::new(std::env::current_exe().map_err(io)?)
            .arg("check")
            .arg(path)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(io)?;
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let corrupt = |reason: String| Error::Corrupt {
            path: path.to_owned(),
            reason,
        };
        if host::faulted(output.status) {
            return Err(corrupt(format!("reading it faults ({})", output.status)));
        }
        match output.status.code() {
            Some(0) => Ok(()),
            Some(code) if code == i32::from(crate::DAMAGED) => Err(corrupt(said)),
            _ => Err(Error::Failed {
                path: path.to_owned(),
                reason: said,
            }),
        }
    }

    fn salvage(&self, path: &Path) -> Vec<Record> {
        let mut records = Vec::new();
        let mut from = 1;
        for _ in 0..MAX_FAULTS {
            match salvage_from(path, from, &mut records) {
                Ok(Some(after_fault)) => from = after_fault,
                Ok(None) => break,
                Err(e) => {
                    tracing::error!("cannot start a process to salvage {}: {e}", path.display());
                    break;
                }
            }
        }
        records
    }
}

/// Collects records until the process ends; `Some` number to go on from if it faulted.
fn salvage_from(path: &Path, from: u64, records: &mut Vec<Record>) -> std::io::Result<Option<u64>> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("salvage")
        .arg(path)
        .arg(from.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut tried = None;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout)
            .lines()
            .map_while(std::io::Result::ok)
        {
            if let Ok(id) = line.parse::<u64>() {
                tried = Some(id);
            } else if let Ok(record) = serde_json::from_str(&line) {
                records.push(record);
            }
        }
    }
    let faulted = host::faulted(child.wait()?);
    Ok(tried.filter(|_| faulted).and_then(|id| id.checked_add(1)))
}
