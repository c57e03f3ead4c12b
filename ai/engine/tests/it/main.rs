//! The engine on real graphs: the tiny models beside this test, and the default model.
//!
//! Needs `ARGOS_ONNXRUNTIME` (the library) and, for the planner's tests, `ARGOS_TEST_MODEL` (the folder
//! of the default model). A plain `cargo test` without them leaves these tests out and says so; with
//! `CI` set their absence is a failure.

mod causal;
mod embedding;
mod perception;
mod planner;

use std::path::{Path, PathBuf};

/// A path that the environment names, or `None` with a word about it.
fn from_environment(variable: &str) -> Option<PathBuf> {
    match std::env::var_os(variable).filter(|v| !v.is_empty()) {
        Some(path) => Some(path.into()),
        None => {
            assert!(
                std::env::var_os("CI").is_none(),
                "{variable} must be set in CI"
            );
            eprintln!("left out: {variable} is not set");
            None
        }
    }
}

/// Whether ONNX Runtime is to be had.
fn runtime() -> bool {
    from_environment(argos_engine::runtime::LIBRARY_VARIABLE).is_some()
}

/// One of the models beside this test.
fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/models")
        .join(name)
}

/// A copy of one of them, to be broken.
fn copied(name: &str) -> tempfile::TempDir {
    fn copy(from: &Path, to: &Path) {
        for file in std::fs::read_dir(from).unwrap().flatten() {
            let to = to.join(file.file_name());
            if file.path().is_dir() {
                std::fs::create_dir(&to).unwrap();
                copy(&file.path(), &to);
            } else {
                std::fs::copy(file.path(), to).unwrap();
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    copy(&self::folder(name), folder.path());
    folder
}

/// Replaces the number at `index` of the weight `name` in a copy's graph.
fn poison(copy: &Path, name: &str, index: usize, number: f32) {
    let graph = copy.join("model.onnx");
    let mut bytes = std::fs::read(&graph).unwrap();
    // The tensor's name (field 8), then its data (field 9) with a length of one or two bytes.
    let mut tag = vec![0x42, name.len() as u8];
    tag.extend(name.as_bytes());
    tag.push(0x4a);
    let length = bytes.windows(tag.len()).position(|w| w == tag).unwrap() + tag.len();
    let size = if bytes[length] & 0x80 == 0 { 1 } else { 2 };
    let at = length + size + 4 * index;
    bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
    std::fs::write(&graph, bytes).unwrap();
}
