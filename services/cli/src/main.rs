//! `argos`: the command line of an ArgOS system.
//!
//! Units are reached over the supervisors' control sockets ([`units`]), so that they can be seen
//! and changed when D-Bus is down. Everything else is a client of a service on one of the buses:
//! [`agents`], [`tools`], [`perm`] (permissions and audit), [`mcp`], [`memory`], [`timers`], [`models`],
//! [`desktop`]. [`sandbox`], [`ask`] and [`docs`] need neither. [`doctor`] asks all of them. [`args`] declares the command line, [`output`] prints, [`failure`]
//! says what went wrong and with which exit status.
//!
//! Called as `poweroff` or `reboot` it does that.

mod agents;
mod args;
mod ask;
mod built;
mod bus;
mod desktop;
mod docs;
mod doctor;
mod failure;
mod mcp;
mod memory;
mod models;
mod output;
mod perm;
mod sandbox;
mod timers;
mod tools;
mod units;

use std::io::Write;
use std::process::ExitCode;

use argos_bus::power::Shutdown;
use argos_control::Client;
use clap::{CommandFactory, Parser};

use crate::args::{AgentsCommand, Cli, Command, TimersCommand};
use crate::failure::{Failure, Result, Status};
use crate::output::Output;

fn main() -> ExitCode {
    let cli = Cli::parse_from(arguments());
    let out = Output::new(cli.json);
    let result = match cli.command {
        // A sandbox is entered by a process that has one thread.
        Command::Sandbox { command } => sandbox::run(out, command),
        // Computes all the time: nobody would look at signals.
        Command::Ask(args) if args.plan => ask::plan(out, args),
        Command::Docs { command } => docs::run(out, command),
        Command::Model { command } => match models::alone(out, command) {
            Ok(result) => result,
            Err(command) => answer(out, Command::Model { command: *command }),
        },
        command => answer(out, command),
    };
    let Err(failure) = result else {
        return ExitCode::SUCCESS;
    };
    if failure.is_broken_pipe() {
        return ExitCode::SUCCESS;
    }
    complain(&failure);
    // A blocking request that was interrupted must not hold the program.
    std::process::exit(failure.status as i32)
}

#[tokio::main(flavor = "current_thread")]
async fn answer(out: Output, command: Command) -> Result {
    tokio::select! {
        result = run(out, command) => result,
        // What the command holds is dropped: files that are not complete disappear.
        _ = tokio::signal::ctrl_c() => Err(Failure::silent(Status::Interrupted)),
    }
}

/// The command line; `poweroff` and `reboot` are links to this program.
fn arguments() -> Vec<std::ffi::OsString> {
    let mut arguments: Vec<_> = std::env::args_os().collect();
    let name = arguments
        .first()
        .map(std::path::Path::new)
        .and_then(std::path::Path::file_name);
    if let Some(name @ ("poweroff" | "reboot")) = name.and_then(std::ffi::OsStr::to_str) {
        let command = name.into();
        arguments.insert(1, command);
    }
    arguments
}

/// Says on standard error what went wrong and what to do.
fn complain(failure: &Failure) {
    if failure.message.is_empty() {
        return;
    }
    eprintln!("argos: {}", output::lines(&failure.message));
    if let Some(hint) = &failure.hint {
        eprintln!("  hint: {hint}");
    }
}

async fn run(out: Output, command: Command) -> Result {
    match command {
        Command::Status(args) => blocking(move || units::status(out, &args)).await,
        Command::Start(args) => {
            blocking(move || units::change(out, &args, "up", Client::start)).await
        }
        Command::Stop(args) => {
            blocking(move || units::change(out, &args, "down", Client::stop)).await
        }
        Command::Restart(args) => {
            blocking(move || units::change(out, &args, "up again", Client::restart)).await
        }
        Command::Log(args) => blocking(move || units::log(out, &args)).await,
        Command::Reload(scope) => blocking(move || units::reload(out, &scope)).await,
        Command::Poweroff(args) => units::power(out, &args, Shutdown::PowerOff).await,
        Command::Reboot(args) => units::power(out, &args, Shutdown::Reboot).await,
        Command::Chat(args) => agents::chat(out, args).await,
        Command::Ask(args) => agents::ask(out, args).await,
        Command::Agents { command } => {
            agents::run(out, command.unwrap_or(AgentsCommand::List)).await
        }
        Command::Tools { command } => tools::run(out, command).await,
        Command::Mcp { command } => mcp::run(out, command).await,
        Command::Perm { command } => perm::run(out, command).await,
        Command::Memory { command } => memory::run(out, command).await,
        Command::Timers { command } => {
            timers::run(out, command.unwrap_or(TimersCommand::List)).await
        }
        Command::Model { command } => models::run(out, command).await,
        Command::Ai { command } => models::ask(out, command).await,
        Command::Audit(args) => perm::audit(out, args).await,
        Command::Desktop { command } => desktop::run(out, command).await,
        Command::Sandbox { command } => sandbox::run(out, command),
        Command::Docs { command } => docs::run(out, command),
        Command::Doctor => doctor::run(out).await,
        Command::Completions { shell } => {
            // The generator panics where it cannot write.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "argos", &mut script);
            Ok(std::io::stdout().write_all(&script)?)
        }
    }
}

/// Work on the control socket, where an answer takes as long as a unit takes: Ctrl-C must get
/// through meanwhile.
async fn blocking(work: impl FnOnce() -> Result + Send + 'static) -> Result {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Failure::new(Status::Failed, error.to_string())),
    }
}
