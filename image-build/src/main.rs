//! `argos-image`: builds the ArgOS image and runs it in a virtual machine.
//!
//! The script of the same name beside this crate sees to the host's packages, compiles this program
//! and starts it in a mount namespace of its own: whatever is mounted here ends with the process.
//! Two Debian trees are kept in the cache: the *build tree*, in which the programs are compiled and
//! the image is packed, and the *base tree*, the image's packages; `test --windows` adds a third, see
//! [`windows`]. Each step's result is kept under the hash of what went into it, so that a step whose
//! input is unchanged does not run.

mod assemble;
mod compile;
mod config;
mod context;
mod disk;
mod documentation;
mod initrd;
mod lock;
mod modules;
mod output;
mod steps;
mod suite;
mod tree;
mod values;
mod vm;
mod windows;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::context::Context;

/// Builds the ArgOS image and runs it in a virtual machine.
#[derive(Debug, Parser)]
#[command(name = "argos-image", version, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

/// Options that every verb takes.
#[derive(Debug, Args)]
struct Global {
    /// Apply this profile of image.yaml; may be given several times.
    #[arg(long, value_name = "NAME", global = true)]
    profile: Vec<String>,
    /// Read this file instead of image-build/image.yaml.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Put the results here instead of image-build/output.
    #[arg(short = 'O', long, value_name = "FOLDER", global = true)]
    output_dir: Option<PathBuf>,
    /// Build again even if the result is there; twice: package steps too.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    force: u8,
    /// Keep what each step left for the next run. Always on; taken because mkosi's users type it.
    #[arg(short, long, global = true, hide = true)]
    incremental: bool,
    /// On a failed step, open a shell in the build tree before giving up.
    #[arg(long, global = true)]
    debug_shell: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show what would be built, of what, and where it goes.
    Summary {
        /// Explain every key of image.yaml instead.
        #[arg(long)]
        keys: bool,
        /// Print the JSON Schema of image.yaml instead.
        #[arg(long, conflicts_with = "keys")]
        schema: bool,
    },
    /// Build the image: kernel, initrd, EROFS root and a bootable disk image.
    Build,
    /// Start the image in QEMU; builds it first if it is not there.
    Vm(vm::Options),
    /// Build a hybrid ISO that boots live from USB or an optical drive, by BIOS and UEFI.
    Iso,
    /// A root shell in the image's tree; changes are thrown away at the end.
    Shell {
        /// Use the build tree instead of the image's.
        #[arg(long)]
        build_tree: bool,
        /// Command to run instead of a shell.
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// Run cargo in the build tree: `argos-image cargo -- test -p argos-init`.
    Cargo {
        /// Arguments of cargo.
        #[arg(last = true, required = true)]
        arguments: Vec<String>,
    },
    /// Run all tests: unit and integration tests in the build tree, then the booted image.
    Test(suite::Options),
    /// Remove the results; with -f the caches of the trees, with -ff everything cached.
    Clean,
}

impl Verb {
    fn name(&self) -> &'static str {
        match self {
            Self::Summary { .. } => "summary",
            Self::Build => "build",
            Self::Vm(_) => "vm",
            Self::Iso => "iso",
            Self::Shell { .. } => "shell",
            Self::Cargo { .. } => "cargo",
            Self::Test(_) => "test",
            Self::Clean => "clean",
        }
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("argos-image: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<ExitCode> {
    if let Verb::Summary { keys: true, .. } = cli.verb {
        print!("{}", config::Config::explain());
        return Ok(ExitCode::SUCCESS);
    }
    if let Verb::Summary { schema: true, .. } = cli.verb {
        println!(
            "{}",
            serde_json::to_string_pretty(&schemars::schema_for!(config::Config))?
        );
        return Ok(ExitCode::SUCCESS);
    }
    let context = Context::new(&cli.global, cli.verb.name())?;
    if !matches!(cli.verb, Verb::Summary { .. } | Verb::Clean) {
        context.prepare()?;
    }
    if !matches!(cli.verb, Verb::Vm(_) | Verb::Cargo { .. } | Verb::Clean) {
        context.check()?;
    }
    match &cli.verb {
        Verb::Summary { .. } => context.summary(),
        Verb::Build => {
            assemble::build(&context)?;
        }
        Verb::Vm(options) => return vm::start(&context, options),
        Verb::Iso => {
            let _making = context.making()?;
            let outputs = assemble::build(&context)?;
            disk::iso(&context, &outputs)?;
        }
        Verb::Shell {
            build_tree,
            command,
        } => {
            return tree::shell(&context, *build_tree, command);
        }
        Verb::Cargo { arguments } => return compile::cargo_for_people(&context, arguments),
        Verb::Test(options) => return suite::run(&context, options),
        Verb::Clean => context.clean()?,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documented_commands_parse() {
        for command in argos_docs::commands("argos-image") {
            if let Err(error) = Cli::try_parse_from(&command.words) {
                assert!(!error.use_stderr(), "{}: {error}", command.place);
            }
        }
    }

    #[test]
    fn every_option_is_documented() {
        use clap::CommandFactory;
        let page = argos_docs::page("docs/image.md").text;
        let cli = Cli::command();
        for command in cli.get_subcommands().chain([&cli]) {
            for option in command.get_arguments().filter(|a| !a.is_hide_set()) {
                let Some(long) = option.get_long() else {
                    continue;
                };
                assert!(
                    page.contains(&format!("`--{long}")),
                    "docs/image.md: no --{long}"
                );
            }
        }
    }
}
