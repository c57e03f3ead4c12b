//! The verb `test`: everything that has to hold.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::assemble;
use crate::compile;
use crate::context::Context;
use crate::disk;
use crate::documentation;
use crate::tree::{self, Tree};
use crate::windows;

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
    /// Run clippy too, warnings being errors, and cargo deny if cargo-deny is installed.
    #[arg(long)]
    pub lint: bool,
    /// Check the hosted crates for Windows too. Slow the first time: that takes a Debian tree of its
    /// own and a standard library compiled from source.
    #[arg(long)]
    pub windows: bool,
    /// Also the slow scenarios: ISO and disk image booted by BIOS and by UEFI, the walk for the pictures.
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
    let driver = Driver::new(options)?;
    let scenarios = if options.no_vm {
        Vec::new()
    } else {
        driver.scenarios()?
    };
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
            deny(context)?;
        }
        // Integration tests start programs of other packages, which `cargo test` does not build.
        let programs = compile::programs(context, &tree)?;
        let base = tree::base(context)?;
        let documentation = documentation::index(context, &tree, &base, &programs, model.as_ref())?;
        steps.step("unit-tests", "unit and integration tests", || {
            let mut variables = model.as_ref().map_or_else(Vec::new, |model| {
                vec![
                    ("ARGOS_TEST_MODEL", model.folder.as_path()),
                    ("ARGOS_ONNXRUNTIME", model.runtime.as_path()),
                ]
            });
            if let Some(folder) = &documentation {
                variables.push(("ARGOS_TEST_DOCUMENTATION", folder));
            }
            steps.run_shown(compile::cargo_with(context, &tree, &variables)?.args([
                "test",
                "--locked",
                "--workspace",
                "--profile",
                profile,
                "--no-fail-fast",
            ]))
        })?;
    }
    // Not one of the unit tests: it needs nothing of theirs, and is asked for by name.
    if options.windows {
        windows::check(context)?;
    }
    if options.no_vm {
        return Ok(ExitCode::SUCCESS);
    }
    let making = context.making()?;
    let outputs = assemble::build(context)?;
    if scenarios.iter().any(|name| name.starts_with("iso")) {
        disk::iso(context, &outputs)?;
    }
    // The machines are started by processes of their own, which may have to make a data disk.
    drop(making);
    let status = steps.step("scenarios", "the booted image", || {
        driver.run(
            driver
                .command()
                .env("ARGOS_TREE", &tree.root)
                .env("ARGOS_OUTPUT", &context.output)
                .env("ARGOS_PROFILES", context.profiles.join(","))
                .args(["--repeat", &options.repeat.to_string()]),
            Command::status,
        )
    })?;
    Ok(compile::exit_code(status))
}

/// The program that runs the scenarios, with what chooses among them.
#[derive(Debug)]
struct Driver {
    program: PathBuf,
    choice: Vec<String>,
}

impl Driver {
    fn new(options: &Options) -> Result<Self> {
        let mut choice = Vec::new();
        if options.all {
            choice.push("--all".to_owned());
        }
        if options.bars {
            choice.push("--bars".to_owned());
        }
        if let Some(text) = &options.scenario {
            choice.push(format!("--scenario={text}"));
        }
        Ok(Self {
            program: std::env::current_exe()?.with_file_name("argos-e2e"),
            choice,
        })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.choice);
        command
    }

    fn run<T>(
        &self,
        command: &mut Command,
        how: impl FnOnce(&mut Command) -> std::io::Result<T>,
    ) -> Result<T> {
        how(command).with_context(|| format!("{}: cannot be started", self.program.display()))
    }

    /// The names of those that will run.
    fn scenarios(&self) -> Result<Vec<String>> {
        let output = self.run(self.command().arg("--list"), Command::output)?;
        ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
        let names = String::from_utf8_lossy(&output.stdout);
        Ok(names.lines().map(str::to_owned).collect())
    }
}

/// Licences, sources and versions of dependencies, where a person has cargo-deny. Not its advisories:
/// those need a database from the network.
fn deny(context: &Context) -> Result<()> {
    let found = Command::new("cargo-deny").arg("--version").output();
    if !found.is_ok_and(|output| output.status.success()) {
        eprintln!(
            "    deny: skipped, since there is no cargo-deny on root's PATH (`cargo install cargo-deny --locked`)"
        );
        return Ok(());
    }
    let title = "licences, sources and versions of dependencies";
    context.steps.step("deny", title, || {
        let toolchain = context.sysroot.join("bin");
        // Duplicate versions are warnings, which would bury the rest.
        let words = "--log-level error --locked check bans licenses sources";
        context.steps.run_shown(
            Command::new("cargo-deny")
                .current_dir(&context.top)
                // It starts both; rustup's may have no toolchain under sudo.
                .env("CARGO", toolchain.join("cargo"))
                .env("RUSTC", toolchain.join("rustc"))
                .env("CARGO_HOME", &context.cargo_home)
                .args(words.split(' ')),
        )
    })
}
