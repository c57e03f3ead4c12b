//! A walk through what a person sees, in both themes: the pictures in the README are made by it.

use std::time::Duration;

use anyhow::{Result, ensure};
use argos_e2e::machine::Machine;

use crate::stage::{SOON, Stage, answer_after, has_panel, or_evidence, question, say};

/// Animations and late drawing are over by then.
const SETTLED: Duration = Duration::from_secs(3);

pub(crate) fn walk(stage: &mut Stage, resolution: &str) -> Result<()> {
    let mut machine = stage.boot_at(&format!("tour-{resolution}"), resolution)?;
    or_evidence(&mut machine, |machine| show(machine, resolution))
}

fn show(machine: &mut Machine, resolution: &str) -> Result<()> {
    let size = machine.screen()?;
    ensure!(
        format!("{}x{}", size.width, size.height) == resolution,
        "the screen has {}x{} pixels",
        size.width,
        size.height
    );
    machine.until("the agent", SOON * 2, |m| {
        let agents = m.person_json("argos agents --json")?;
        Ok((agents[0]["state"] == "idle").then_some(()))
    })?;
    for theme in ["dark", "light"] {
        machine.person(&format!("argos desktop theme {theme}"))?;
        std::thread::sleep(SETTLED);
        ensure!(has_panel(machine)?, "there is no panel with {theme}");
        machine.keep_screen(&format!("desktop-{theme}"))?;
        launcher(machine, theme)?;
        permission(machine, theme)?;
    }
    Ok(())
}

fn launcher(machine: &mut Machine, theme: &str) -> Result<()> {
    let before = machine.screen()?;
    machine.press(&["meta_l", "spc"])?;
    machine.until("the launcher", SOON, |m| {
        let now = m.screen()?;
        Ok((now.difference(&before, now.all()) > 0.02).then_some(()))
    })?;
    std::thread::sleep(SETTLED);
    machine.keep_screen(&format!("launcher-{theme}"))?;
    machine.press(&["esc"])?;
    std::thread::sleep(SETTLED);
    // A terminal in front of the wallpaper, with something to read in it.
    machine.press(&["meta_l", "ret"])?;
    machine.until("the terminal's window", SOON, |m| {
        let windows = m.person_json("argos desktop windows --json")?;
        Ok(windows
            .as_array()
            .is_some_and(|w| w.iter().any(|w| w["app_id"] == "foot"))
            .then_some(()))
    })?;
    machine.until("the shell's prompt", SOON, |m| {
        Ok(m.read_screen()?.contains("argos@").then_some(()))
    })?;
    machine.type_text("argos status --user\n")?;
    std::thread::sleep(SETTLED);
    machine.keep_screen(&format!("terminal-{theme}"))?;
    Ok(())
}

fn permission(machine: &mut Machine, theme: &str) -> Result<()> {
    let count = say(machine, "list my documents")?;
    question(machine)?;
    machine.keep_screen(&format!("permission-{theme}"))?;
    machine.press(&["alt", "o"])?;
    machine.until("the steward's answer", SOON, |m| answer_after(m, count))?;
    std::thread::sleep(SETTLED);
    machine.keep_screen(&format!("chat-{theme}"))?;
    // The chat and the terminal go again.
    machine.press(&["meta_l", "c"])?;
    machine.person("pkill -u argos -x foot")?;
    std::thread::sleep(SETTLED);
    Ok(())
}
