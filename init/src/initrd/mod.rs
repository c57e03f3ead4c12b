//! placeholder while the rest compiles
/// Runs the stage.
pub fn run() {}
