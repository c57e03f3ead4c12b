//! MCP both ways through the real broker: servers in their real sandboxes, our tools for a client
//! outside, and the proxy. The server is a small one of our own ([`server`]); those of the MCP project
//! are met by `peers`, where `ARGOS_MCP_PEERS` names a folder to install them in.
//!
//! A word as argument runs only the tests with it in their name.

#[allow(dead_code)]
#[path = "../../../broker/tests/it/bed.rs"]
mod bed;
#[allow(unsafe_code)]
#[path = "../../../sandbox/tests/it/chroot.rs"]
mod chroot;
mod network;
mod outer;
mod peers;
mod server;
mod servers;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

type Test = fn() -> Pin<Box<dyn Future<Output = ()>>>;

macro_rules! tests {
    ($($module:ident :: $name:ident),* $(,)?) => {
        &[$((stringify!($name), || Box::pin($module::$name()))),*]
    };
}

const TESTS: &[(&str, Test)] = tests![
    servers::a_servers_tool_is_asked_for_run_and_recorded,
    servers::a_server_sees_its_folders_and_nothing_else,
    servers::a_server_that_falls_over_is_an_error_for_that_call_only,
    servers::a_server_that_does_not_come_up_says_why,
    servers::what_a_server_declares_is_cleaned_or_left_out,
    servers::results_are_bounded_and_failures_told,
    servers::a_call_that_takes_too_long_is_cancelled,
    servers::a_confirmation_is_asked_of_the_person,
    servers::what_a_server_cannot_have_is_refused_in_words,
    servers::a_tool_that_changed_loses_its_grants,
    servers::servers_are_added_and_removed,
    network::a_server_reaches_its_hosts_and_no_others,
    network::hosts_of_a_package_are_asked_about,
    network::a_server_over_http_is_reached_through_the_proxy,
    outer::a_client_outside_is_asked_for_like_an_agent,
    outer::a_client_that_leaves_takes_its_questions_along,
    peers::the_servers_and_clients_of_the_mcp_project,
];

/// An ordinary user whom every tree knows (`nobody`): dbus-daemon looks its own user up.
const PERSON: u32 = 65534;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["server", mode, ..] => {
            server::run(mode);
            return ExitCode::SUCCESS;
        }
        ["suite", programs, filter @ ..] => return suite(Path::new(programs), filter),
        _ => {}
    }
    if args.iter().any(|a| a == "--list") {
        return ExitCode::SUCCESS;
    }
    let folder = std::env::temp_dir().join(format!("argos-mcp-it-{}", std::process::id()));
    let test = match publish(&folder) {
        Ok(test) => test,
        Err(e) => {
            eprintln!("{e}");
            return ExitCode::FAILURE;
        }
    };
    // After the copies: a program's own path is not the same any more out there.
    if let Err(e) = chroot::leave() {
        eprintln!("cannot leave the chroot this runs in: {e}");
        return ExitCode::FAILURE;
    }
    let mut command = Command::new(test);
    command
        .arg("suite")
        .arg(&folder)
        .args(args.iter().filter(|a| !a.starts_with('-')));
    if rustix::process::getuid().is_root() {
        command.uid(PERSON).gid(PERSON);
    }
    let good = command.status().is_ok_and(|s| s.success());
    // Only copies; what stays is removed with the rest of the temporary folder.
    let _ = std::fs::remove_dir_all(&folder);
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Copies the programs to where every user can run them.
fn publish(folder: &Path) -> Result<PathBuf, String> {
    let own = Path::new(env!("CARGO_BIN_EXE_argos-mcp"));
    let built = own.parent().unwrap_or(Path::new("."));
    std::fs::create_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    std::fs::set_permissions(folder, PermissionsExt::from_mode(0o755))
        .map_err(|e| e.to_string())?;
    let test = std::env::current_exe().map_err(|e| e.to_string())?;
    let programs = ["argos-mcp", "argos-broker", "argos-exec", "argos-tools"];
    let mut sources: Vec<(PathBuf, PathBuf)> = programs
        .iter()
        .map(|p| (built.join(p), folder.join(p)))
        .collect();
    sources.push((test, folder.join("it")));
    for (from, to) in sources {
        std::fs::copy(&from, &to).map_err(|e| {
            format!(
                "{}: {e}\nthese tests drive the real programs; build them first: cargo build \
                 -p argos-broker -p argos-exec -p argos-tools with the same profile",
                from.display()
            )
        })?;
    }
    Ok(folder.join("it"))
}

fn suite(programs: &Path, filter: &[&str]) -> ExitCode {
    bed::PROGRAMS
        .set(programs.to_owned())
        .expect("the suite begins once");
    let wanted: Vec<_> = TESTS
        .iter()
        .filter(|(name, _)| filter.is_empty() || filter.iter().any(|word| name.contains(word)))
        .collect();
    let mut failed = 0;
    for (name, test) in &wanted {
        let started = Instant::now();
        println!("test {name} ...");
        let limit = Duration::from_secs(if name.contains("project") { 900 } else { 120 });
        let outcome = std::panic::catch_unwind(|| {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime")
                .block_on(async { tokio::time::timeout(limit, test()).await })
        });
        let seconds = started.elapsed().as_secs_f32();
        match outcome {
            Ok(Ok(())) => println!("test {name} ... ok ({seconds:.1} s)"),
            Ok(Err(_)) => {
                failed += 1;
                println!("test {name} ... FAILED: no end after {seconds:.0} s");
            }
            Err(_) => {
                failed += 1;
                println!("test {name} ... FAILED ({seconds:.1} s)");
            }
        }
    }
    println!("{} passed, {failed} failed", wanted.len() - failed);
    if failed == 0 && !wanted.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
