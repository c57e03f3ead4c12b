//! The locked screen on the booted image: what it shows, what gets through, who unlocks it.

use anyhow::{Result, ensure};
use argos_e2e::machine::Machine;

use crate::stage::{SOON, Stage, terminal_is_ready, unit};
use crate::tools::{call, refused};

/// The locker's process, if there is one.
const LOCKER: &str = "pgrep -f '^/usr/bin/argos-shell lock$' || true";
const PASSWORD: &str = "opensesame7";

fn is_locked(machine: &mut Machine) -> Result<bool> {
    let told = machine.person("dbus-send --session --print-reply --dest=org.argos.Compositor1 /org/argos/Compositor1 org.freedesktop.DBus.Properties.Get string:org.argos.Compositor1 string:Locked")?;
    Ok(told.contains("boolean true"))
}

/// Waits for the lock screen, which says `words`.
fn shows(machine: &mut Machine, words: &str) -> Result<()> {
    machine.until(&format!("`{words}` on the lock screen"), SOON, |m| {
        let text = m.read_screen()?;
        ensure!(
            !text.contains("argos@"),
            "the terminal can be read:\n{text}"
        );
        Ok((text.contains("screen is locked") && text.contains(words)).then_some(()))
    })
}

/// Types what unlocks until it has, since nothing is taken for a moment after what was wrong.
fn unlock(machine: &mut Machine, typed: &str) -> Result<()> {
    machine.until("the unlocked session", SOON, |m| {
        m.press(&["esc"])?;
        m.type_text(typed)?;
        for _ in 0..10 {
            if !is_locked(m)? {
                return Ok(Some(()));
            }
            std::thread::sleep(std::time::Duration::from_secs(1));
        }
        Ok(None)
    })?;
    machine.until("the locker's end", SOON, |m| {
        Ok(m.root(LOCKER)?.trim().is_empty().then_some(()))
    })
}

/// Locks by the tool, tries what does not unlock, unlocks by password, then without one.
pub(crate) fn lock(stage: &mut Stage) -> Result<()> {
    let machine = stage.desktop()?;
    machine.press(&["meta_l", "ret"])?;
    terminal_is_ready(machine)?;
    machine.root(&format!("echo 'argos:{PASSWORD}' | chpasswd"))?;

    let told = call(machine, "screen.lock")?;
    ensure!(told["locked"] == true, "screen.lock told {told}");
    // No picture from now on may show the terminal.
    let text = machine.read_screen()?;
    ensure!(!text.contains("argos@"), "locked, and it reads:\n{text}");
    shows(machine, "Password")?;
    machine.keep_screen("locked")?;
    ensure!(is_locked(machine)?, "the compositor says it is not locked");

    // What is typed goes to the lock: neither the terminal nor a binding has it.
    machine.type_text("touch ~/leaked\n")?;
    shows(machine, "Wrong password")?;
    machine.keep_screen("locked-wrong")?;
    machine.press(&["meta_l", "c"])?;
    machine.press(&["print"])?;
    machine.press(&["meta_l", "q"])?;
    let text = refused(machine, "screen.capture")?;
    ensure!(text.contains("locked"), "{text}");
    std::thread::sleep(std::time::Duration::from_secs(2));
    machine.person("test ! -e ~/leaked && ! ls ~/Pictures/Screenshot* 2>/dev/null")?;
    let windows = machine.person_json("argos desktop windows --json")?;
    ensure!(
        windows.as_array().is_some_and(|all| all.len() == 1),
        "the terminal was closed: {windows}"
    );

    // A killed locker leaves it locked, and comes back.
    let first = machine.root(LOCKER)?.trim().to_owned();
    machine.root(&format!("kill -9 {first}"))?;
    let text = machine.read_screen()?;
    ensure!(!text.contains("argos@"), "without a locker:\n{text}");
    machine.type_text("touch ~/leaked\n")?;
    machine.until("another locker", SOON, |m| {
        let now = m.root(LOCKER)?.trim().to_owned();
        Ok((!now.is_empty() && now != first).then_some(()))
    })?;
    shows(machine, "locked")?;
    ensure!(
        is_locked(machine)?,
        "the locker's death unlocked the session"
    );
    // What was typed meanwhile may be in its field.
    machine.press(&["esc"])?;
    machine.type_text(&format!("{PASSWORD}x\n"))?;
    shows(machine, "Wrong password")?;
    unlock(machine, &format!("{PASSWORD}\n"))?;
    machine.until("the terminal", SOON, |m| {
        Ok(m.read_screen()?.contains("argos@").then_some(()))
    })?;
    machine.keep_screen("unlocked")?;
    machine.person("test ! -e ~/leaked")?;
    machine.type_text("touch ~/typed\n")?;
    machine.until("what is typed into the terminal", SOON, |m| {
        let there = m.person("ls ~/typed 2>/dev/null || true")?;
        Ok((!there.trim().is_empty()).then_some(()))
    })?;
    let logged = machine.root(&format!(
        "grep -rl {PASSWORD} /var/log /home/argos/.local/state 2>/dev/null || true"
    ))?;
    ensure!(logged.trim().is_empty(), "the password is in {logged}");

    // A killed compositor takes the windows with it, and the lock stays.
    machine.press(&["meta_l", "l"])?;
    shows(machine, "Password")?;
    let (_, compositor) = unit(machine, true, "compositor")?;
    machine.root(&format!("kill -9 {compositor}"))?;
    machine.until("another compositor", SOON, |m| {
        let (state, now) = unit(m, true, "compositor")?;
        Ok((state == "up" && now != compositor).then_some(()))
    })?;
    shows(machine, "Password")?;
    ensure!(is_locked(machine)?, "the compositor came back unlocked");

    // And without a password Enter is enough.
    machine.root("passwd -d argos")?;
    let locker = machine.root(LOCKER)?.trim().to_owned();
    machine.root(&format!("kill -9 {locker}"))?;
    shows(machine, "no password")?;
    machine.keep_screen("locked-no-password")?;
    unlock(machine, "\n")
}
