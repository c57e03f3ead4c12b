//! Logging in on the booted image: what comes after a log-out, who gets in, what a crash of it leaves.

use std::time::Duration;

use anyhow::{Result, ensure};
use argos_e2e::machine::Machine;

use crate::stage::{SOON, Stage, all_up, has_panel};

/// The greeter's process, if there is one.
const GREETER: &str = "pgrep -f '^argos-shell greeter$' || true";
const PASSWORD: &str = "opensesame7";

/// Waits for the greeter, which says `words`.
fn shows(machine: &mut Machine, words: &str) -> Result<()> {
    machine.until(&format!("`{words}` on the greeter"), SOON * 2, |m| {
        let text = m.read_screen()?;
        Ok((text.contains("Live user") && text.contains(words)).then_some(()))
    })
}

fn log_out(machine: &mut Machine) -> Result<()> {
    // The supervisor may be gone before it could say that this is done.
    machine.try_root("as-person 'argos stop --user desktop'")?;
    shows(machine, "Password")?;
    nobody_is_in(machine)
}

/// Gives the person a password and logs out, to a greeter that asks for it.
pub(crate) fn leave(machine: &mut Machine) -> Result<()> {
    machine.root(&format!("echo 'argos:{PASSWORD}' | chpasswd"))?;
    log_out(machine)
}

/// Kills the greeter, and waits for another one that asks for the password.
pub(crate) fn kill(machine: &mut Machine) -> Result<()> {
    let first = machine.root(GREETER)?.trim().to_owned();
    machine.root(&format!("kill -9 {first}"))?;
    machine.until("another greeter", SOON, |m| {
        let now = m.root(GREETER)?.trim().to_owned();
        Ok((!now.is_empty() && now != first).then_some(()))
    })?;
    shows(machine, "Password")
}

fn nobody_is_in(machine: &mut Machine) -> Result<()> {
    let session = machine.try_root("argos status user@1000")?;
    ensure!(
        session.status != 0,
        "somebody is logged in:\n{}",
        session.text
    );
    Ok(())
}

/// Logs out, tries what does not log in, logs in by password; then the greeter is killed.
pub(crate) fn greeter(stage: &mut Stage) -> Result<()> {
    let machine = stage.desktop()?;
    leave(machine)?;
    machine.keep_screen("greeter")?;
    let owner = machine.root("ps -o user= -p $(pgrep -f '^argos-shell greeter$')")?;
    ensure!(owner.trim() == "greeter", "the greeter runs as {owner}");

    // No key starts anything; what is typed goes to the field.
    machine.press(&["meta_l", "ret"])?;
    machine.press(&["print"])?;
    machine.press(&["esc"])?;
    machine.press(&["ret"])?;
    shows(machine, "Password")?;
    let others = machine
        .root("ps -o comm= -u greeter | grep -vxE 'argos-composito|argos-shell|sh' || true")?;
    ensure!(others.trim().is_empty(), "the greeter's user runs {others}");
    machine.type_text("wrong\n")?;
    shows(machine, "Wrong password")?;
    machine.keep_screen("greeter-wrong")?;
    nobody_is_in(machine)?;

    machine.type_text(&format!("{PASSWORD}\n"))?;
    all_up(machine, true, &["compositor", "shell"], SOON * 2)?;
    machine.until("the panel", SOON, |m| Ok(has_panel(m)?.then_some(())))?;
    machine.keep_screen("logged-in")?;
    ensure!(
        machine.root(GREETER)?.trim().is_empty(),
        "the greeter runs beside the desktop"
    );
    let last = machine.root("cat /var/lib/argos/greeter/last.yaml")?;
    ensure!(last.contains("argos"), "who was here is not kept: {last}");
    let logged = machine.root(&format!(
        "grep -rl {PASSWORD} /var/log /var/lib/argos 2>/dev/null || true"
    ))?;
    ensure!(logged.trim().is_empty(), "the password is in {logged}");

    // A killed greeter comes back, and lets nobody in: greetd logs in by itself once a boot.
    log_out(machine)?;
    kill(machine)?;
    std::thread::sleep(Duration::from_secs(2));
    nobody_is_in(machine)?;
    machine.type_text(&format!("{PASSWORD}\n"))?;
    all_up(machine, true, &["compositor", "shell"], SOON * 2)?;
    machine.until("the panel once more", SOON, |m| {
        Ok(has_panel(m)?.then_some(()))
    })
}
