//! A program that drives a display by itself, on a machine with two.

use std::time::Duration;

use anyhow::{Result, ensure};
use argos_e2e::machine::Machine;
use serde_json::Value;

use crate::stage::{SOON, Stage, has_panel, or_evidence};

/// The second display, which QEMU leaves unplugged and the kernel is told to take for plugged in.
const DISPLAY: &str = "Virtual-2";
const PLUGGED: &str = "video=Virtual-2:1024x768e";
const TWO_OUTPUTS: [&str; 2] = ["-global", "virtio-gpu-device.max_outputs=2"];
const FILE: &str = "$HOME/.config/argos/compositor.yaml";
/// What the program shows.
const COLOUR: (&str, [u8; 3]) = ("d05030", [0xd0, 0x50, 0x30]);

pub(crate) fn lease(stage: &mut Stage) -> Result<()> {
    let mut machine = stage.boot_with("lease", &["--append", PLUGGED], &TWO_OUTPUTS)?;
    or_evidence(&mut machine, drive)
}

/// Whether the second display is a screen of the desktop.
fn is_screen(machine: &mut Machine) -> Result<bool> {
    let outputs = machine.person_json("argos desktop outputs --json")?;
    let mut outputs = outputs.as_array().into_iter().flatten();
    Ok(outputs.any(|output: &Value| output["name"] == DISPLAY))
}

fn offers(machine: &mut Machine) -> Result<String> {
    Ok(machine.person("argos-lease offers")?.trim().to_owned())
}

fn wait_for_offer(machine: &mut Machine) -> Result<()> {
    machine.until("the display on offer", SOON, |m| {
        Ok((offers(m)? == DISPLAY).then_some(()))
    })
}

/// Starts a program that shows the colour, and waits until it does.
fn show(machine: &mut Machine, log: &str) -> Result<()> {
    machine.person(&format!(
        "setsid argos-lease show {DISPLAY} {} >{log} 2>&1 </dev/null &",
        COLOUR.0
    ))?;
    machine.until("the program's picture", SOON, |m| {
        let said = m.root(&format!("cat {log}"))?;
        ensure!(!said.contains("Error"), "the program failed: {said}");
        Ok(said.contains("shown").then_some(()))
    })
}

fn drive(machine: &mut Machine) -> Result<()> {
    machine.until("the second display", SOON, |m| {
        Ok(is_screen(m)?.then_some(()))
    })?;
    ensure!(
        offers(machine)?.is_empty(),
        "a screen of the desktop is offered"
    );

    machine.person(&format!(
        "mkdir -p ~/.config/argos && echo 'outputs: {{{DISPLAY}: {{lease: true}}}}' > {FILE}"
    ))?;
    wait_for_offer(machine)?;
    ensure!(
        !is_screen(machine)?,
        "what is given away is a screen as well"
    );
    let sandboxed = machine.person("argos-lease sandboxed")?;
    ensure!(
        sandboxed.trim() == "unseen",
        "a program in a sandbox can ask for displays: {sandboxed}"
    );

    show(machine, "/tmp/lease.log")?;
    machine.until("the colour on the second display", SOON, |m| {
        let screen = m.screen_of("gpu", 1)?;
        let all = screen.colours(screen.all());
        Ok((all == 1 && screen.pixel(5, 5) == COLOUR.1).then_some(()))
    })?;
    ensure!(has_panel(machine)?, "the desktop's own screen has no panel");
    ensure!(
        offers(machine)?.is_empty(),
        "what is given away is offered again"
    );

    // The program ends, and the display is there for another one.
    machine.root("kill $(pgrep -x argos-lease)")?;
    wait_for_offer(machine)?;

    // The settings want it back while a program has it.
    let log = "/tmp/lease-again.log";
    show(machine, log)?;
    machine.person(&format!("rm {FILE}"))?;
    machine.until("the program's loss", SOON, |m| {
        let said = m.root(&format!("cat {log}"))?;
        Ok(said.contains("taken back").then_some(()))
    })?;
    machine.until("the second screen", SOON, |m| {
        Ok(is_screen(m)?.then_some(()))
    })?;
    std::thread::sleep(Duration::from_secs(2));
    machine.until("the desktop on the second screen", SOON, |m| {
        let screen = m.screen_of("gpu", 1)?;
        Ok((screen.colours(screen.all()) > 1).then_some(()))
    })
}
