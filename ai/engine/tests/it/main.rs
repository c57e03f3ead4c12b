//! The engine on real graphs: the tiny language models beside this test, and the default model.
//!
//! Needs `ARGOS_ONNXRUNTIME` (the library) and, for the planner's tests, `ARGOS_TEST_MODEL` (the folder
//! of the default model). A plain `cargo test` without them leaves these tests out and says so; with
//! `CI` set their absence is a failure.

mod causal;
mod planner;

use std::path::PathBuf;

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
