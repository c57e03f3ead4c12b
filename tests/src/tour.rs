//! A walk through what a person sees, in both themes: the pictures in the README and in `docs/images` are made by it.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use argos_e2e::machine::Machine;

use crate::greeter;
use crate::stage::{
    self, SOON, Stage, answer_after, decide, has_panel, open_launcher, or_evidence, question,
    ready_for_chat, say, terminal_is_ready,
};

/// Animations and late drawing are over by then.
const SETTLED: Duration = Duration::from_secs(3);
const THEMES: [&str; 2] = ["dark", "light"];

/// Goes through it on a screen with so many pixels, of which `scale` across and down make a logical one.
pub(crate) fn walk(stage: &mut Stage, resolution: &str, scale: u32) -> Result<()> {
    let mut machine = stage.boot_at(&format!("tour-{resolution}"), resolution)?;
    or_evidence(&mut machine, |machine| show(machine, resolution, scale))
}

fn show(machine: &mut Machine, resolution: &str, scale: u32) -> Result<()> {
    let size = machine.screen()?;
    ensure!(
        format!("{}x{}", size.width, size.height) == resolution,
        "the screen has {}x{} pixels",
        size.width,
        size.height
    );
    ready_for_chat(machine, SOON * 2)?;
    if scale > 1 {
        enlarge(machine, scale)?;
    }
    for theme in THEMES {
        machine.person(&format!("argos desktop theme {theme}"))?;
        std::thread::sleep(SETTLED);
        // The panel is looked for where it is at scale 1.
        ensure!(
            scale > 1 || has_panel(machine)?,
            "there is no panel with {theme}"
        );
        machine.keep_screen(&format!("desktop-{theme}"))?;
        launcher(machine, theme)?;
        permission(machine, theme)?;
        settings(machine, theme)?;
        agents(machine, theme)?;
    }
    log_out(machine, scale)
}

/// What says that the screen has this scale.
fn scaled(machine: &mut Machine, scale: u32) -> Result<String> {
    let outputs = machine.person_json("argos desktop outputs --json")?;
    let name = outputs[0]["name"].as_str().context("the screen's name")?;
    Ok(format!("outputs: {{{name}: {{scale: {scale}}}}}"))
}

fn enlarge(machine: &mut Machine, scale: u32) -> Result<()> {
    let config = scaled(machine, scale)?;
    machine.person(&format!(
        "mkdir -p ~/.config/argos && echo '{config}' > ~/.config/argos/compositor.yaml"
    ))?;
    machine.until("the screen's scale", SOON, |m| {
        let outputs = m.person_json("argos desktop outputs --json")?;
        let is = outputs[0]["scale"].as_f64().context("the screen's scale")?;
        Ok((is == f64::from(scale)).then_some(()))
    })
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

fn settings(machine: &mut Machine, theme: &str) -> Result<()> {
    let before = machine.screen()?;
    machine.person("argos desktop settings appearance")?;
    machine.until("the settings", SOON, |m| {
        let now = m.screen()?;
        Ok((now.difference(&before, now.all()) > 0.1).then_some(()))
    })?;
    std::thread::sleep(SETTLED);
    machine.keep_screen(&format!("settings-{theme}"))?;
    machine.press(&["esc"])?;
    std::thread::sleep(SETTLED);
    Ok(())
}

fn agents(machine: &mut Machine, theme: &str) -> Result<()> {
    stage::show(machine, &["meta_l", "a"], "the agent view", 0.1)?;
    // Everyone's, then the first one's own.
    std::thread::sleep(SETTLED);
    machine.keep_screen(&format!("agents-{theme}"))?;
    machine.press(&["tab"])?;
    std::thread::sleep(SETTLED);
    machine.keep_screen(&format!("agents-chosen-{theme}"))?;
    machine.press(&["meta_l", "a"])?;
    std::thread::sleep(SETTLED);
    Ok(())
}

/// Out of the session; the greeter has settings of the machine's.
fn log_out(machine: &mut Machine, scale: u32) -> Result<()> {
    let config = scaled(machine, scale)?;
    machine.root(&format!("echo '{config}' > /etc/argos/compositor.yaml"))?;
    for theme in THEMES {
        machine.root(&format!("echo 'theme: {theme}' > /etc/argos/shell.yaml"))?;
        if theme == THEMES[0] {
            greeter::leave(machine)?;
        } else {
            greeter::kill(machine)?;
        }
        std::thread::sleep(SETTLED);
        machine.keep_screen(&format!("greeter-{theme}"))?;
    }
    Ok(())
}
