//! The guard of hosted mode: what also runs as a guest on other systems is checked for Windows.
//!
//! A check and no build: it finds code that only compiles on Unix, and runs nothing. Compiler and
//! standard library come from Debian like everything else in the trees, so that a tree is made from
//! one archive. Debian has no standard library for Windows that fits; cargo compiles it from source
//! (`-Z build-std`), which Debian's stable compiler does when told to bootstrap.

use anyhow::Result;

use crate::compile;
use crate::context::Context;
use crate::tree::Tree;

/// The target: Windows with the C library that mingw has.
const TARGET: &str = "x86_64-pc-windows-gnu";

/// The crates hosted mode is made of, with their programs.
const HOSTED: [&str; 5] = [
    "argos-bus",
    "argos-config",
    "argos-engine",
    "argos-memory",
    "argos-orchestrator",
];

/// Checks the hosted crates for Windows.
pub(crate) fn check(context: &Context) -> Result<()> {
    let making = context.making()?;
    let tree = Tree::windows(context)?;
    drop(making);
    let title = format!("check the hosted crates for {TARGET}");
    context.steps.step("windows", &title, || {
        let mut command = compile::compiling_in(context, &tree, "windows")?;
        command
            // By their paths: the pinned toolchain comes first in the tree's PATH.
            .args(["RUSTC=/usr/bin/rustc", "RUSTC_BOOTSTRAP=1"])
            .args(["/usr/bin/cargo", "check", "--locked"])
            .args(["-Z", "build-std=std,panic_abort", "--target", TARGET])
            .args(["--profile", &context.config.cargo_profile]);
        for name in HOSTED {
            command.args(["-p", name]);
        }
        context.steps.run_shown(&mut command)
    })
}
