//! `argos-init`: chooses the role.
//!
//! ```text
//! as PID 1, with /etc/initrd-release   the initrd stage
//! as PID 1                             the machine's supervisor
//! argos-init --user                    a person's supervisor, started by PID 1
//! argos-init --container               PID 1 of a container or of a test's namespace
//! argos-init --load-modules            loads the kernel modules listed in modules-load.d
//! ```

use std::path::Path;
use std::process::ExitCode;

use argos_init::console::{self, Level, Sink};
use argos_init::settings::Settings;
use argos_init::survive::survive;
use argos_init::{initrd, supervisor, system};

fn main() -> ExitCode {
    let argument = std::env::args().nth(1);
    let is_first = std::process::id() == 1;
    match argument.as_deref() {
        Some("--user") => match Settings::user().and_then(supervisor::run) {
            Ok(_) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("argos-init: {error}");
                ExitCode::FAILURE
            }
        },
        Some("--container") => match supervisor::run(Settings::container()) {
            Ok(_) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("argos-init: {error}");
                ExitCode::FAILURE
            }
        },
        Some("--load-modules") => {
            ExitCode::from(u8::try_from(system::load_listed_modules()).unwrap_or(1))
        }
        // The kernel hands words that it does not know to PID 1: they are not ours to refuse.
        _ if is_first => {
            say_panics();
            if Path::new("/etc/initrd-release").exists() {
                initrd::run();
            }
            machine()
        }
        _ => {
            eprintln!(
                "argos-init is PID 1; to talk to it use `argos`. Run by hand it takes --user, --container or --load-modules."
            );
            ExitCode::from(2)
        }
    }
}

/// PID 1 of a machine. Never returns: the kernel would panic.
fn machine() -> ! {
    survive(Sink::Kernel, "preparing the machine", system::prepare);
    loop {
        let work = || supervisor::run(Settings::system());
        match survive(Sink::Kernel, "supervising", work) {
            Some(Ok(goal)) => {
                system::finish(goal);
                console::say(
                    Sink::Kernel,
                    Level::Error,
                    "the kernel refuses to end; switch the machine off",
                );
            }
            Some(Err(error)) => {
                console::say(Sink::Kernel, Level::Error, &error);
                without_a_loop();
            }
            None => without_a_loop(),
        }
        std::thread::sleep(std::time::Duration::from_secs(10));
    }
}

/// There is not even a loop that could give the emergency shell: gives it here, and returns when
/// it ends.
fn without_a_loop() {
    let console = Path::new(console::CONSOLE);
    if system::may_open_shell()
        && let Ok(shell) = console::shell(console)
    {
        console::tell("\nA root shell follows. `exit` has everything tried again.\n");
        console::wait_for(shell.pid);
    }
}

/// A panic is a bug; it goes to the kernel's log and the loop survives it.
fn say_panics() {
    std::panic::set_hook(Box::new(|info| {
        console::say(Sink::Kernel, Level::Error, &format!("bug: {info}"));
    }));
}
