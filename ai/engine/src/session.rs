//! Opening a graph: thread and memory options by the size of the model.

use std::path::Path;

use ort::ep::CPU;
use ort::session::Session;
use ort::session::builder::{BuilderResult, GraphOptimizationLevel, SessionBuilder};

use crate::{Error, Result, runtime};

/// Below this size a second thread costs more in hand-over than it computes, and memory matters more
/// than allocation speed.
const TINY_BYTES: u64 = 64 << 20;

/// Opens the graph in `file`. `size_bytes` is the size of graph and external weights together; `threads`
/// overrules the choice by load and size.
pub(crate) fn open(file: &Path, size_bytes: u64, threads: Option<usize>) -> Result<Session> {
    let environment = runtime::environment()?;
    let unusable = |reason: String| Error::Model {
        path: file.to_owned(),
        reason,
    };
    if !file.is_file() {
        return Err(unusable("the graph file is missing".into()));
    }
    let builder = Session::builder(&environment).map_err(|e| unusable(e.to_string()))?;
    configure(builder, size_bytes, threads)
        .map_err(|e| unusable(e.to_string()))?
        .commit_from_file(file)
        .map_err(|e| unusable(format!("ONNX Runtime does not take the graph: {e}")))
}

#[allow(
    clippy::result_large_err,
    reason = "ort hands the builder back in its errors"
)]
fn configure(builder: SessionBuilder, size_bytes: u64, threads: Option<usize>) -> BuilderResult {
    let tiny = size_bytes < TINY_BYTES;
    let builder = builder
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(threads.unwrap_or_else(|| chosen_threads(size_bytes)))?
        .with_inter_threads(1)?
        // Spinning workers would burn a core between two tokens and after the last one.
        .with_intra_op_spinning(false)?;
    if !tiny {
        return Ok(builder);
    }
    // The arena keeps the largest working set that ever was; a small model frees it instead. Memory
    // patterns help only where the input always has the same shape.
    let builder = builder
        .with_memory_pattern(false)?
        .with_config_entry("session.use_device_allocator_for_initializers", "1")?;
    builder.with_execution_providers([CPU::default().with_arena_allocator(false).build()])
}

/// How many threads a model of `size_bytes` gets: one when it is tiny, else the processors that the
/// rest of the machine leaves idle now, at least one. Under contention two threads are slower than
/// one, so a busy machine gets fewer.
fn chosen_threads(size_bytes: u64) -> usize {
    if size_bytes < TINY_BYTES {
        return 1;
    }
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let busy = load_average().unwrap_or(0.0).round() as usize;
    processors.saturating_sub(busy).max(1)
}

/// Runnable tasks over the last minute, where the system tells.
fn load_average() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next()?.parse().ok()
}
