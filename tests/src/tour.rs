//! A walk through what a person sees, in both themes: the pictures in the README are made by it.

use std::time::Duration;

use anyhow::{Result, ensure};
use argos_e2e::machine::Machine;

use crate::stage::{
    SOON, Stage, answer_after, decide, has_panel, open_launcher, or_evidence, question,
    ready_for_chat, say, terminal_is_ready,
};

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
    ready_for_chat(machine, SOON * 2)?;
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
    open_launcher(machine)?;
    std::thread::sleep(SETTLED);
    machine.keep_screen(&format!("launcher-{theme}"))?;
    machine.press(&["esc"])?;
    std::thread::sleep(SETTLED);
    // A terminal in front of the wallpaper, with something to read in it.
    machine.press(&["meta_l", "ret"])?;
    terminal_is_ready(machine)?;
    machine.type_text("argos status --user\n")?;
    std::thread::sleep(SETTLED);
    machine.keep_screen(&format!("terminal-{theme}"))?;
    Ok(())
}

fn permission(machine: &mut Machine, theme: &str) -> Result<()> {
    let count = say(machine, "list my documents")?;
    let request = question(machine)?;
    machine.keep_screen(&format!("permission-{theme}"))?;
    decide(machine, &request, &["alt", "o"])?;
    machine.until("the steward's answer", SOON, |m| answer_after(m, count))?;
    std::thread::sleep(SETTLED);
    machine.keep_screen(&format!("chat-{theme}"))?;
    // The chat and the terminal go again.
    machine.press(&["meta_l", "c"])?;
    machine.person("pkill -u argos -x foot")?;
    std::thread::sleep(SETTLED);
    Ok(())
}
