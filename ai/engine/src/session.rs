//! Opening a graph: what computes it, thread and memory options by the size of the model.
//!
//! # Weights in memory
//!
//! ONNX Runtime maps weights that lie in a file of their own (external data) and computes from the mapping,
//! but for matrix products it packs a copy of them. Weights inside the graph's file are always copied: the
//! file is one protocol-buffers message that is parsed. Measured with ONNX Runtime 1.31.1 on 256 MiB of
//! matrices and a table of 256 MiB, in MiB after loading:
//!
//! | weights | packed | resident, anonymous | resident, mapped (after a pass) | at most while loading |
//! |---|---|---|---|---|
//! | in the graph | yes | 514 | 8 | 777 |
//! | external | yes | 257 | 10 | 329 |
//! | external | no | 1 | 266 | 9 |
//!
//! What is mapped the system can drop and read again when memory is short. Without packing a pass over one
//! token took 12 ms instead of 17, over eight 52 instead of 27, over 128 295 instead of 281. So packing is
//! left out only where the weights are external and their copy would fill most of the memory that is free
//! ([`packs`]).

use std::path::Path;

use ort::ep::CPU;
use ort::session::Session;
use ort::session::builder::{BuilderResult, GraphOptimizationLevel, SessionBuilder};

use crate::graph::Bytes;
#[cfg(target_os = "linux")]
use crate::large_pages;
use crate::manifest::Kind;
use crate::provider::{self, Provider};
use crate::{Error, Result, folder, graph, runtime};

/// Below this size a second thread costs more in hand-over than it computes, and memory matters more
/// than allocation speed.
pub(crate) const TINY_BYTES: u64 = 64 << 20;

/// Opens the graph in `file`, that of a model of this `kind`. `threads` overrules the choice by load and size.
pub(crate) fn open(file: &Path, threads: Option<usize>, kind: Kind) -> Result<Session> {
    let environment = runtime::environment()?;
    let unusable = |reason: String| Error::Model {
        path: file.to_owned(),
        reason,
    };
    if !file.is_file() {
        return Err(unusable("the graph file is missing".into()));
    }
    let manifest = folder::manifest_beside(file)?;
    let wish = provider::wish(manifest.as_ref())?;
    let available = provider::available()?;
    let summary = graph::summary(file)
        .map_err(|e| unusable(format!("its graph cannot be read: {e}; get the file again")))?;
    let bytes = summary.bytes(file);
    let size_bytes = bytes.all();
    let candidates = provider::choose(wish.as_ref(), &available, kind, size_bytes)?;
    let free = free_memory();
    let pack = packs(!summary.external_files.is_empty(), size_bytes, free);
    // Whoever keeps a cache has counted it in and compared already.
    if !kind.keeps_cache() {
        fits(file, bytes, free)?;
    }
    let mut failed = String::new();
    for candidate in candidates {
        let builder = Session::builder(&environment).map_err(|e| unusable(e.to_string()))?;
        let opened = configure(builder, size_bytes, threads, candidate, pack)
            .map_err(|e| e.to_string())
            .and_then(|mut b| b.commit_from_file(file).map_err(|e| e.to_string()));
        match opened {
            Ok(session) => {
                tracing::debug!("{} is computed by {candidate}", file.display());
                provider::remember(file, candidate);
                #[cfg(target_os = "linux")]
                if candidate == Provider::Cpu && size_bytes >= TINY_BYTES {
                    large_pages::collapse();
                }
                return Ok(session);
            }
            Err(reason) if candidate == Provider::Cpu => {
                return Err(unusable(format!(
                    "ONNX Runtime does not take the graph: {reason}; get its files again, or another \
                     export of the model"
                )));
            }
            Err(reason) => {
                tracing::warn!("{}: {candidate} does not start: {reason}", file.display());
                failed = reason;
            }
        }
    }
    // Only a wish can be without the processor, which is the last one otherwise.
    let wish = wish.unwrap_or_else(|| provider::Wish {
        providers: available.clone(),
        from: "the choice",
    });
    Err(Error::Provider {
        wanted: provider::names(&wish.providers),
        from: wish.from,
        available: provider::names(&available),
        reason: failed,
    })
}

#[allow(
    clippy::result_large_err,
    reason = "ort hands the builder back in its errors"
)]
fn configure(
    builder: SessionBuilder,
    size_bytes: u64,
    threads: Option<usize>,
    provider: Provider,
    pack: bool,
) -> BuilderResult {
    let tiny = size_bytes < TINY_BYTES;
    let builder = builder
        .with_prepacking(pack)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(threads.unwrap_or_else(|| {
            let processors = std::thread::available_parallelism().map_or(1, usize::from);
            let loads = std::fs::read_to_string("/proc/loadavg");
            chosen_threads(
                size_bytes,
                processors,
                loads.ok().and_then(|text| load(&text)),
            )
        }))?
        .with_inter_threads(1)?
        // A pass is hundreds of short operators, and so is the way to the next token: workers that sleep
        // between them cost a tenth. After the last token they are idle within a millisecond.
        .with_intra_op_spinning(!tiny)?
        .with_config_entry("session.intra_op.spin_duration_us", "1000")?;
    if provider != Provider::Cpu {
        return builder.with_execution_providers([provider.registration()]);
    }
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

/// How many threads a model of `size_bytes` gets: one when it is tiny, else the `processors` that the
/// rest of the machine leaves idle now, at least one. Under contention two threads are slower than
/// one, so a busy machine gets fewer. `load` is how many tasks were runnable over the last minute, where the system
/// tells.
fn chosen_threads(size_bytes: u64, processors: usize, load: Option<f64>) -> usize {
    if size_bytes < TINY_BYTES {
        return 1;
    }
    let busy = load.unwrap_or(0.0).round() as usize;
    processors.saturating_sub(busy).max(1)
}

/// Runnable tasks over the last minute, as `/proc/loadavg` has them.
fn load(loads: &str) -> Option<f64> {
    let load: f64 = loads.split_whitespace().next()?.parse().ok()?;
    load.is_finite().then_some(load)
}

/// Whether weights of `size_bytes` are packed anew for matrix products: see the module's page.
fn packs(external: bool, size_bytes: u64, free: Option<u64>) -> bool {
    !external || free.is_none_or(|free| free / 2 >= size_bytes)
}

/// Fails where the weights of the graph in `file` do not fit.
fn fits(file: &Path, bytes: Bytes, free: Option<u64>) -> Result<()> {
    let model = folder::name(file.parent().unwrap_or(file));
    has_room(&model, bytes.loading(), free)
}

/// Fails where what a model needs is more than is `free`. `None`: nobody knows what is free.
pub(crate) fn has_room(model: &str, needed: u64, free: Option<u64>) -> Result<()> {
    match free {
        Some(free) if free < needed => Err(Error::Memory {
            model: model.to_owned(),
            needed,
            free,
        }),
        _ => Ok(()),
    }
}

/// Memory that this program can still have, in bytes, where the system tells: what the machine has free, and
/// no more than the limits leave that the program runs under.
pub(crate) fn free_memory() -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let machine = read("/proc/meminfo").and_then(|text| kib(&text, "MemAvailable:"));
    let addresses = read("/proc/self/limits")
        .zip(read("/proc/self/status"))
        .and_then(|(limits, status)| free_addresses(&limits, &status));
    let group = read("/proc/self/cgroup")
        .and_then(|text| free_of_groups(&text, &|path| std::fs::read_to_string(path).ok()));
    [machine, addresses, group].into_iter().flatten().min()
}

/// A number of `/proc`'s tables, which are in KiB, in bytes.
fn kib(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|l| l.strip_prefix(name))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib.saturating_mul(1024))
}

/// What `RLIMIT_AS` leaves; `None` where there is no such limit.
fn free_addresses(limits: &str, status: &str) -> Option<u64> {
    let name = "Max address space";
    let line = limits.lines().find_map(|l| l.strip_prefix(name))?;
    let limit: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(limit.saturating_sub(kib(status, "VmSize:")?))
}

/// What the memory limits of the control groups leave in which this program is; `None` where there are none.
/// File pages that were not used for a while go by themselves and count as free.
fn free_of_groups(membership: &str, read: &dyn Fn(&Path) -> Option<String>) -> Option<u64> {
    let own = membership.lines().find_map(|l| l.strip_prefix("0::/"))?;
    let root = Path::new("/sys/fs/cgroup");
    let number = |path: &Path| read(path)?.trim().parse::<u64>().ok();
    let place = root.join(own);
    place
        .ancestors()
        .take_while(|group| group.starts_with(root))
        .filter_map(|group| {
            let limit = number(&group.join("memory.max"))?;
            let used = number(&group.join("memory.current"))?;
            let old = read(&group.join("memory.stat")).map_or(0, |text| {
                let line = text.lines().find_map(|l| l.strip_prefix("inactive_file "));
                line.and_then(|n| n.trim().parse().ok()).unwrap_or(0)
            });
            Some(limit.saturating_sub(used.saturating_sub(old)))
        })
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_weights_are_not_copied_where_memory_is_short() {
        assert!(packs(true, 4 << 30, Some(8 << 30)));
        assert!(!packs(true, 4 << 30, Some(7 << 30)));
        // Weights in the graph are copied already.
        assert!(packs(false, 4 << 30, Some(7 << 30)));
        assert!(packs(true, 4 << 30, None));
    }

    #[test]
    fn threads_by_size_and_load() {
        let (tiny, large) = (TINY_BYTES - 1, TINY_BYTES);
        for (size, processors, load, threads) in [
            (tiny, 8, Some(0.0), 1),
            (large, 8, Some(0.0), 8),
            (large, 8, Some(0.49), 8),
            (large, 8, Some(0.5), 7),
            (large, 8, Some(5.2), 3),
            // Busier than it has processors; one is there at least.
            (large, 8, Some(8.0), 1),
            (large, 8, Some(300.0), 1),
            (large, 1, Some(0.0), 1),
            // Nobody knows how busy it is.
            (large, 8, None, 8),
            (large, 8, Some(-1.0), 8),
        ] {
            let found = chosen_threads(size, processors, load);
            assert_eq!(found, threads, "{size} bytes, {processors}, {load:?}");
        }
        assert_eq!(load("0.52 0.58 0.59 1/389 12345\n"), Some(0.52));
        for none in ["", "nan 0 0", "inf 0 0", "x"] {
            assert_eq!(load(none), None, "{none}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_with_both_numbers() {
        let file = Path::new("models/large/model.onnx");
        let inside = |inside| Bytes { inside, beside: 0 };
        fits(file, inside(4 << 30), Some(6 << 30)).unwrap();
        fits(file, inside(4 << 30), None).unwrap();
        let error = fits(file, inside(4 << 30), Some(5 << 30))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("model large needs 6144 MiB") && error.contains("5120 MiB are free"),
            "{error}"
        );
        let beside = Bytes {
            inside: 2 << 20,
            beside: 5 << 30,
        };
        fits(file, beside, Some((5 << 30) + (3 << 20))).unwrap();
        let error = fits(file, beside, Some(5 << 30)).unwrap_err().to_string();
        assert!(error.contains("needs 5123 MiB"), "{error}");
    }

    #[test]
    fn limits_of_the_program_bound_what_is_free() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max address space         1073741824           unlimited            bytes\n";
        let status = "Name:\tx\nVmSize:\t  524288 kB\n";
        assert_eq!(free_addresses(limits, status), Some(512 << 20));
        let unlimited = limits.replace("1073741824", "unlimited ");
        assert_eq!(free_addresses(&unlimited, status), None);

        let files = |path: &Path| {
            let text = match path.to_str()? {
                "/sys/fs/cgroup/ai/own/memory.max" => "max\n",
                "/sys/fs/cgroup/ai/memory.max" => "1000\n",
                "/sys/fs/cgroup/ai/own/memory.current" => "500\n",
                "/sys/fs/cgroup/ai/memory.current" => "700\n",
                "/sys/fs/cgroup/ai/memory.stat" => "anon 400\ninactive_file 100\n",
                _ => return None,
            };
            Some(text.to_owned())
        };
        assert_eq!(free_of_groups("0::/ai/own\n", &files), Some(400));
        assert_eq!(free_of_groups("0::/other\n", &files), None);
        assert_eq!(free_of_groups("1:name=x:/ai\n", &files), None);
    }
}
