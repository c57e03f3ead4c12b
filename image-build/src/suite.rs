//! The verb `test`: everything that has to hold.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::assemble;
use crate::compile;
use crate::context::Context;
use crate::disk;
use crate::tree::Tree;

/// Options of `test`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Only scenarios whose name contains this.
    #[arg(long, value_name = "TEXT")]
    pub scenario: Option<String>,
    /// Leave out formatting, unit and integration tests.
    #[arg(long)]
    pub no_unit: bool,
    /// Leave out the booted image.
    #[arg(long)]
    pub no_vm: bool,
    /// Run clippy too, warnings being errors.
    #[arg(long)]
    pub lint: bool,
    /// Also the slow scenarios: the ISO, booted by BIOS and by UEFI.
    #[arg(long)]
    pub all: bool,
    /// Hold the boot to its bars (seconds until PID 1 and the panel), which are for a quiet machine.
    #[arg(long)]
    pub bars: bool,
    /// Run the scenarios this many times.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub repeat: u32,
}

/// Runs the tests. The image is the test profile's.
pub(crate) fn run(context: &Context, options: &Options) -> Result<ExitCode> {
    ensure!(
        context.profiles.iter().any(|p| p == "test"),
        "the tests need the test profile: `argos-image --profile test test`"
    );
    let making = context.making()?;
    context.steps.fresh_logs()?;
    let tree = Tree::build(context)?;
    // Tests hold up nobody: what they use is marked as in use.
    drop(making);
    context.uses(&context.output)?;
    let steps = &context.steps;
    if !options.no_unit {
        steps.step("format", "check the formatting", || {
            steps.run_shown(compile::cargo(context, &tree)?.args(["fmt", "--all", "--check"]))
        })?;
        let model = compile::model(context, &tree)?;
        let profile = &*context.config.cargo_profile;
        if options.lint {
            steps.step("lint", "clippy, warnings being errors", || {
                steps.run_shown(compile::cargo(context, &tree)?.args([
                    "clippy",
                    "--locked",
                    "--workspace",
                    "--all-targets",
                    "--profile",
                    profile,
                    "--",
                    "-D",
                    "warnings",
                ]))
            })?;
        }
        // Integration tests start programs of other packages, which `cargo test` does not build.
        compile::programs(context, &tree)?;
        steps.step("unit-tests", "unit and integration tests", || {
            let mut command = tree.command(context, &context.top, "env");
            command.arg(format!(
                "CARGO_TARGET_DIR={}",
                context.cache.join("target").display()
            ));
            if let Some(model) = &model {
                command.arg(format!("ARGOS_TEST_MODEL={}", model.folder.display()));
                command.arg(format!("ARGOS_ONNXRUNTIME={}", model.runtime.display()));
            }
            command.args([
                "cargo",
                "test",
                "--locked",
                "--workspace",
                "--profile",
                profile,
                "--no-fail-fast",
            ]);
            steps.run_shown(&mut command)
        })?;
    }
    if options.no_vm {
        return Ok(ExitCode::SUCCESS);
    }
    let making = context.making()?;
    let outputs = assemble::build(context)?;
    let iso_wanted = options
        .scenario
        .as_ref()
        .map_or(options.all, |name| name.contains("iso"));
    if iso_wanted {
        disk::iso(context, &outputs)?;
    }
    // The machines are started by processes of their own, which may have to make a data disk.
    drop(making);
    let driver = std::env::current_exe()?.with_file_name("argos-e2e");
    let mut command = Command::new(&driver);
    command
        .env("ARGOS_TREE", &tree.root)
        .env("ARGOS_OUTPUT", &context.output)
        .args(["--repeat", &options.repeat.to_string()]);
    if options.all {
        command.arg("--all");
    }
    if options.bars {
        command.arg("--bars");
    }
    if let Some(text) = &options.scenario {
        command.args(["--scenario", text]);
    }
    let status = steps.step("scenarios", "the booted image", || {
        command
            .status()
            .with_context(|| format!("{}: cannot be started", driver.display()))
    })?;
    Ok(compile::exit_code(status))
}
