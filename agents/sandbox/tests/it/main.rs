//! Drives the real sandbox on the running kernel: what must work inside, how the processes end, and
//! that a missing level fails closed. What must not work is `tests/escape`.
//!
//! Started as root it runs everything twice, as root and as an unprivileged user.
//! A word as argument runs only the tests with it in their name.
#![allow(unsafe_code)]

mod chroot;
mod fixture;
mod life;

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["inside-life", name] => return life::run_inside(name),
        ["run-as", spec, program @ ..] => life::run_as(spec, program),
        ["suite", filter @ ..] => return suite(filter),
        _ => {}
    }
    let filter: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    if args.iter().any(|arg| arg == "--list") {
        return ExitCode::SUCCESS;
    }
    // Asked first: it has no path in another mount namespace.
    let own = std::env::current_exe();
    if let Err(error) = chroot::leave() {
        eprintln!("cannot leave the chroot this runs in: {error}");
        return ExitCode::FAILURE;
    }
    let mut users = vec![None];
    if rustix::process::getuid().is_root() {
        users.push(Some(UNPRIVILEGED));
    }
    let exe = match own.and_then(|own| fixture::publish_exe(&own)) {
        Ok(exe) => exe,
        Err(error) => {
            eprintln!("cannot copy the test program to where everybody can run it: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut good = true;
    for user in users {
        let mut command = Command::new(exe.program());
        command.arg("suite").args(&filter);
        if let Some(id) = user {
            command.uid(id).gid(id);
        }
        good &= command.status().is_ok_and(|status| status.success());
    }
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

const UNPRIVILEGED: u32 = 1000;

fn suite(filter: &[&str]) -> ExitCode {
    let who = if rustix::process::getuid().is_root() {
        "root"
    } else {
        "unprivileged"
    };
    println!(
        "\nrunning as {who} (uid {})",
        rustix::process::getuid().as_raw()
    );
    let wanted = |name: &str| filter.is_empty() || filter.iter().any(|word| name.contains(word));
    let fixture = fixture::Fixture::new().expect("the fixture can be made");
    let mut failed = 0;
    let mut passed = 0;
    let mut report = |name: &str, result: Result<String, String>| match result {
        Ok(note) => {
            passed += 1;
            println!("  ok    {name}{note}");
        }
        Err(why) => {
            failed += 1;
            println!("  FAIL  {name}: {why}");
        }
    };
    for (name, test) in life::ALL.iter().filter(|(name, _)| wanted(name)) {
        report(name, test(&fixture));
    }
    println!("{who}: {passed} passed, {failed} failed");
    if failed == 0 && passed > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
