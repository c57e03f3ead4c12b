//! The first stage: from the kernel's initramfs to the real root.
//!
//! It is run once, in order, before there is anything to supervise; so this is straight code that
//! may wait, unlike the rest of the program. It runs no other program: the initramfs holds only
//! `argos-init` and kernel modules (and a shell where the builder was asked for one).
//!
//! 1. Mount what is needed, load the modules listed in `/etc/argos-initrd/modules`, in that order.
//! 2. Find the root ([`root`]) within [`ROOT_LIMIT`] and mount it, read-only, at `/sysroot`. If it
//!    has not shown up soon, load the modules in `modules.fallback` as well: drivers that most
//!    machines do without.
//! 3. Find the disk that keeps changes ([`data`]), or keep them in memory.
//! 4. Lay `/etc`, `/var` and `/home` over it, move the mounts, switch the root ([`switch`]).
//!
//! Words on the kernel's command line: `argos.root=` (see [`root::Wanted`]), `argos.data=off`.
//! Checking the root with dm-verity comes with a later issue; it belongs between finding the root
//! and mounting it.

pub mod block;
pub mod data;
pub mod root;
pub mod switch;

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::console::{self, Level, Sink};
use crate::survive::survive;
use crate::{edge, mounts, system};

/// How long the root may take to appear.
pub const ROOT_LIMIT: Duration = Duration::from_secs(60);
/// Where the real root is put together.
pub const SYSROOT: &str = "/sysroot";

fn say(level: Level, text: &str) {
    console::say(Sink::Kernel, level, text);
}

/// Runs the stage; ends in the real root's `argos-init`, or in a shell.
pub fn run() -> ! {
    let failed = mounts::mount_first_basics();
    console::lift_ration();
    say(Level::Notice, "initrd");
    for problem in failed {
        say(Level::Error, &problem);
    }
    let words = system::command_line();
    load_modules("modules");
    match survive(Sink::Kernel, "looking for the root", || bring_up(&words)) {
        Some(Ok(error)) => fail(&format!(
            "the root is mounted but its argos-init cannot be run: {error}"
        )),
        Some(Err(message)) => fail(&message),
        None => fail("the first stage cannot go on"),
    }
}

/// Loads the listed modules. One that fails is said and passed over: it may not be needed.
fn load_modules(list: &str) {
    let list = fs::read_to_string(format!("/etc/argos-initrd/{list}")).unwrap_or_default();
    for line in list
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        if let Err(error) = edge::load_module(Path::new(line), c"") {
            say(Level::Warning, &format!("cannot load {line}: {error}"));
        }
    }
}

/// Everything up to the switch. `Ok` holds why the real root's program could not be run.
fn bring_up(words: &[String]) -> Result<std::io::Error, String> {
    let value = |key: &str| words.iter().rev().find_map(|word| word.strip_prefix(key));
    let wanted = root::Wanted::parse(value("argos.root=").unwrap_or("auto"))?;
    let description = root::find_and_mount(&wanted, ROOT_LIMIT)?;
    say(Level::Notice, &format!("root mounted ({description})"));

    let disk = match value("argos.data=") {
        Some("off") => None,
        _ => data::mount(),
    };
    data::lay_over(disk.as_deref())?;
    if words.iter().any(|word| word == "argos.emergency=initrd") {
        return Err("`argos.emergency=initrd` is on the kernel's command line".into());
    }
    switch::move_mounts()?;
    Ok(switch::switch())
}

/// Says why it does not go on, and offers a shell if the initramfs has one.
fn fail(message: &str) -> ! {
    say(Level::Error, message);
    // In the real root a shell has to be asked for; here its presence in the initramfs, which the
    // owner of the machine built or signed, is what allows it.
    let mut told = false;
    loop {
        match console::shell(Path::new(console::CONSOLE)) {
            Ok(child) => {
                if !told {
                    console::tell(
                        "A root shell follows. `exit` starts another one; Ctrl-Alt-Del restarts.\n",
                    );
                }
                console::wait_for(child.pid);
            }
            Err(_) if !told => {
                console::tell(
                    "There is no shell in this initrd. Switch the machine off, or restart it with Ctrl-Alt-Del.\n",
                );
            }
            Err(_) => {}
        }
        told = true;
        std::thread::sleep(Duration::from_secs(1));
    }
}
