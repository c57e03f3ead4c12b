//! A model's weights brought into memory before its graph is opened, so that one can tell how far it is.
//!
//! ONNX Runtime says nothing while it loads a graph, and the disk is what takes long of it. What is
//! read here it finds in the system's page cache. Nothing is copied: on Linux the system is asked to read
//! a block, and the last byte of it is waited for.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::manifest::Kind;
use crate::registry::Info;
use crate::{folder, graph};

/// What is waited for at once, in bytes.
const BLOCK: u64 = 4 << 20;
/// How often it is told.
const EVERY: Duration = Duration::from_millis(100);

/// The graph that will be opened and the files that it keeps weights in, with their sizes in bytes. None
/// where that cannot be told: whoever opens the graph says why.
pub(crate) fn weights(info: &Info, kind: Kind) -> Vec<(PathBuf, u64)> {
    let Ok(file) = folder::graph(&info.path, kind) else {
        return Vec::new();
    };
    let Ok(summary) = graph::summary(&file) else {
        return Vec::new();
    };
    let beside = file.parent().unwrap_or(&info.path).to_owned();
    let external = summary.external_files.keys();
    let external = external.filter_map(|name| folder::inside(&beside, "weights", name).ok());
    std::iter::once(file)
        .chain(external)
        .filter_map(|path| {
            let about = path.metadata().ok()?;
            about.is_file().then(|| (path, about.len()))
        })
        .collect()
}

/// Reads `files`; `told` hears several times a second how many bytes of all are in memory, and at the end
/// that all are. What cannot be read is passed over: whoever opens the graph says why.
pub(crate) fn bring(files: &[(PathBuf, u64)], told: &dyn Fn(u64, u64)) {
    let total: u64 = files.iter().map(|f| f.1).sum();
    let (mut done, mut last) = (0_u64, Instant::now());
    for (path, size) in files {
        let end = done + size;
        if let Ok(file) = folder::open(path) {
            let mut at = 0;
            while at < *size {
                let length = BLOCK.min(size - at);
                if block(&file, at, length).is_err() {
                    break;
                }
                at += length;
                done += length;
                if done < total && last.elapsed() >= EVERY {
                    last = Instant::now();
                    told(done, total);
                }
            }
        }
        done = end;
    }
    told(total, total);
}

#[cfg(target_os = "linux")]
fn block(file: &File, at: u64, length: u64) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    let whole = std::num::NonZeroU64::new(length);
    rustix::fs::fadvise(file, at, whole, rustix::fs::Advice::WillNeed)?;
    file.read_exact_at(&mut [0], at + length - 1)
}

#[cfg(not(target_os = "linux"))]
fn block(mut file: &File, at: u64, length: u64) -> io::Result<()> {
    use std::io::{Read, Seek};
    file.seek(io::SeekFrom::Start(at))?;
    io::copy(&mut file.take(length), &mut io::sink()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn what_is_read_only_grows_and_ends_with_all_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, size: u64| {
            let path = dir.path().join(name);
            File::create(&path).unwrap().set_len(size).unwrap();
            (path, size)
        };
        let mut files = vec![
            file("graph", 5),
            file("weights", 3 * BLOCK + 1),
            file("none", 0),
        ];
        let heard = RefCell::new(Vec::new());
        bring(&files, &|done, total| {
            heard.borrow_mut().push((done, total))
        });
        let total = 3 * BLOCK + 6;
        let all = heard.take();
        assert!(
            all.is_sorted() && all.iter().all(|(_, t)| *t == total),
            "{all:?}"
        );
        assert_eq!(all.last(), Some(&(total, total)));
        // A file that is gone, or was cut meanwhile, is not waited for.
        std::fs::remove_file(&files[0].0).unwrap();
        files[1].1 *= 2;
        bring(&files, &|done, total| {
            heard.borrow_mut().push((done, total))
        });
        let all = heard.take();
        let total = 6 * BLOCK + 7;
        assert_eq!(all.last(), Some(&(total, total)), "{all:?}");
    }

    #[test]
    fn it_is_the_graph_that_will_be_opened() {
        let models = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models");
        let of = |name: &str| {
            let path = models.join(name);
            let info = Info {
                id: name.to_owned(),
                kind: Some(Kind::CausalLm),
                path: path.clone(),
                size_bytes: 0,
                state: crate::registry::State::Available,
                memory_bytes: None,
                provider: None,
            };
            let files = weights(&info, Kind::CausalLm).into_iter();
            let below =
                |(file, size): (PathBuf, u64)| (file.strip_prefix(&path).unwrap().to_owned(), size);
            files.map(below).collect::<Vec<_>>()
        };
        let graph = models.join("lm/model.onnx").metadata().unwrap().len();
        assert_eq!(of("lm"), [(PathBuf::from("model.onnx"), graph)]);
        assert!(of("nowhere").is_empty());
    }
}
