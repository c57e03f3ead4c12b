//! Programs that others wrote, on the desktop: by what they do, and with a picture of each.
//!
//! The image of the profile `programs` has them. Each starts from the saved desktop, so that none stands in
//! another's way.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use argos_e2e::machine::Machine;

use crate::stage::{SOON, Stage, terminal_is_ready};

/// A browser or an office starts in minutes on an emulated processor.
const START: Duration = Duration::from_secs(420);
/// Where the person's files of these scenarios are.
const FOLDER: &str = "/home/argos";

/// A page that says in its title what is typed.
const PAGE: &str = "<!doctype html><title>ready</title><input id=i autofocus><script>i.oninput=()=>document.title=i.value</script>";

/// The saved desktop of an image that has the programs.
fn desktop(stage: &mut Stage) -> Result<&mut Machine> {
    let machine = stage.desktop()?;
    let there = machine.root("command -v firefox-esr || true")?;
    ensure!(
        !there.trim().is_empty(),
        "this image has no such programs: add `--profile programs`"
    );
    Ok(machine)
}

/// Runs a line as the person, in their home.
fn person(machine: &mut Machine, line: &str) -> Result<String> {
    machine.person(&format!("cd; {line}"))
}

/// Titles and applications of all windows, a line each.
fn windows(machine: &mut Machine) -> Result<String> {
    let windows = machine.person_json("argos desktop windows --json")?;
    let lines = windows.as_array().context("windows")?.iter().map(|w| {
        format!(
            "{} {}\n",
            w["app_id"].as_str().unwrap_or_default(),
            w["title"].as_str().unwrap_or_default()
        )
    });
    Ok(lines.collect::<String>().to_lowercase())
}

/// Starts a program in the person's session and waits until a window says one of these words.
fn start(machine: &mut Machine, line: &str, words: &str) -> Result<()> {
    // As in a terminal of the session, where X programs find their server.
    person(
        machine,
        &format!("{{ export DISPLAY=:0; {line}; }} >/tmp/program.log 2>&1 &"),
    )?;
    let seen = machine.until(&format!("a window with `{words}`"), START, |m| {
        Ok(windows(m)?.contains(words).then_some(()))
    });
    let log = machine.root("tail -n 20 /tmp/program.log")?;
    seen.with_context(|| format!("`{line}` said:\n{log}"))
}

/// Waits until a window's title has this in it.
fn titled(machine: &mut Machine, words: &str) -> Result<()> {
    machine.until(&format!("the title `{words}`"), SOON, |m| {
        Ok(windows(m)?.contains(words).then_some(()))
    })
}

/// Waits until the screen reads this, not minding case.
fn reads(machine: &mut Machine, words: &str) -> Result<()> {
    machine.until(&format!("`{words}` on the screen"), SOON, |m| {
        let text = m.read_screen()?.to_lowercase();
        Ok(text.contains(&words.to_lowercase()).then_some(()))
    })
}

/// Waits until a file of the person's has content.
fn written(machine: &mut Machine, name: &str) -> Result<String> {
    machine.until(&format!("the file {name}"), SOON, |m| {
        let text = m.root(&format!("cat {FOLDER}/{name} 2>/dev/null || true"))?;
        Ok(Some(text).filter(|text| !text.trim().is_empty()))
    })
}

/// Terminals of both worlds, and what speaks to the compositor without a window.
pub(crate) fn terminals(stage: &mut Stage) -> Result<()> {
    let machine = desktop(stage)?;
    machine.press(&["meta_l", "ret"])?;
    terminal_is_ready(machine)?;
    person(machine, "printf 'from the clipboard' | wl-copy")?;
    ensure!(person(machine, "wl-paste --no-newline")? == "from the clipboard");
    machine.type_text("cat > pasted\n")?;
    machine.press(&["ctrl", "shift", "v"])?;
    machine.type_text("\n")?;
    machine.press(&["ctrl", "d"])?;
    let pasted = written(machine, "pasted")?;
    ensure!(pasted.contains("from the clipboard"), "pasted: {pasted}");
    person(machine, "wtype 'echo by-$((40+2)) > typed' -k Return")?;
    ensure!(written(machine, "typed")?.trim() == "by-42");
    machine.keep_screen("program-foot")?;

    let machine = desktop(stage)?;
    start(machine, "xterm -fa Monospace", "xterm")?;
    reads(machine, "argos@")?;
    machine.type_text("echo by-x > typed\n")?;
    ensure!(written(machine, "typed")?.trim() == "by-x");
    machine.keep_screen("program-xterm")?;
    Ok(())
}

/// Small tools that were made for wlroots' compositors.
pub(crate) fn tools(stage: &mut Stage) -> Result<()> {
    let machine = desktop(stage)?;
    person(machine, "grim picture.png")?;
    let kind = machine.root(&format!("head -c 4 {FOLDER}/picture.png | tail -c 3"))?;
    ensure!(kind == "PNG", "grim wrote: {kind}");

    let name = person(machine, "wlr-randr | head -n1 | cut -d' ' -f1")?;
    let name = name.trim();
    person(machine, &format!("wlr-randr --output {name} --scale 2"))?;
    let scale = person(machine, "wlr-randr | grep Scale")?;
    ensure!(scale.contains("2.0"), "{scale}");
    machine.keep_screen("program-wlr-randr")?;
    person(machine, &format!("wlr-randr --output {name} --scale 1"))?;

    person(
        machine,
        "swayidle -w timeout 2 'touch idle; echo yes > idle' >/tmp/program.log 2>&1 &",
    )?;
    written(machine, "idle")?;

    person(machine, "{ slurp > chosen; } 2>/tmp/program.log &")?;
    machine.until("slurp's shade", SOON, |m| {
        Ok((m.root("pgrep -x slurp || true")?.trim() != "").then_some(()))
    })?;
    machine.until("a place chosen with slurp", SOON, |m| {
        m.drag((300, 300), (500, 400))?;
        let text = m.root(&format!("cat {FOLDER}/chosen"))?;
        Ok((text.contains(' ') && text.contains('x')).then_some(()))
    })?;

    person(
        machine,
        "timeout --signal=INT 20 wf-recorder -y -f film.mkv >/tmp/program.log 2>&1 || true",
    )?;
    let bytes = machine.root(&format!("stat -c %s {FOLDER}/film.mkv"))?;
    ensure!(
        bytes.trim().parse::<u64>()? > 1000,
        "a film of {bytes} bytes"
    );

    let machine = desktop(stage)?;
    let before = machine.screen()?;
    person(machine, "waybar >/tmp/program.log 2>&1 &")?;
    machine.until("waybar", START, |m| {
        let now = m.screen()?;
        Ok((now.difference(&before, now.all()) > 0.005).then_some(()))
    })?;
    machine.keep_screen("program-waybar")?;
    Ok(())
}

/// What shows GTK 4, Qt 6 and a film.
pub(crate) fn toolkits(stage: &mut Stage) -> Result<()> {
    let machine = desktop(stage)?;
    start(machine, "gtk4-widget-factory", "widget")?;
    reads(machine, "togglebutton")?;
    machine.type_text("typed into gtk")?;
    reads(machine, "typed into gtk")?;
    machine.keep_screen("program-gtk4")?;

    let machine = desktop(stage)?;
    let gallery = "/usr/lib/x86_64-linux-gnu/qt6/examples/widgets/gallery/bin/gallery";
    start(machine, gallery, "gallery")?;
    reads(machine, "Default Push Button")?;
    machine.keep_screen("program-qt6")?;

    let machine = desktop(stage)?;
    start(
        machine,
        "mpv --no-config --vo=wlshm --ao=null av://lavfi:testsrc=size=640x360:rate=10",
        "mpv",
    )?;
    let before = machine.screen()?;
    machine.until("another picture of the film", SOON, |m| {
        let now = m.screen()?;
        Ok((now.difference(&before, now.all()) > 0.0005).then_some(()))
    })?;
    machine.keep_screen("program-mpv")?;
    Ok(())
}

/// Firefox and Chromium: what is typed arrives, and what they say of themselves is right.
pub(crate) fn browsers(stage: &mut Stage) -> Result<()> {
    for (name, line) in [
        ("firefox", "firefox-esr --no-remote ~/page.html"),
        (
            "chromium",
            "chromium --ozone-platform=wayland --no-first-run --disable-gpu ~/page.html",
        ),
    ] {
        let machine = desktop(stage)?;
        person(machine, &format!("cat > ~/page.html <<'END'\n{PAGE}\nEND"))?;
        start(machine, line, name)?;
        titled(machine, "ready").with_context(|| format!("{name} did not show the page"))?;
        machine.type_text("typed here")?;
        titled(machine, "typed here")?;
        machine.keep_screen(&format!("program-{name}"))?;
    }
    Ok(())
}

/// A letter is written and saved; pictures are edited by an X program.
pub(crate) fn office(stage: &mut Stage) -> Result<()> {
    let machine = desktop(stage)?;
    start(machine, "soffice --nologo --norestore --writer", "writer")?;
    reads(machine, "Untitled")?;
    machine.type_text("Dear reader")?;
    reads(machine, "Dear reader")?;
    machine.keep_screen("program-writer")?;
    machine.press(&["ctrl", "s"])?;
    reads(machine, "Save")?;
    machine.press(&["ctrl", "a"])?;
    machine.type_text("/home/argos/letter.odt\n")?;
    titled(machine, "letter.odt")?;
    let kind = machine.root(&format!("head -c 2 {FOLDER}/letter.odt"))?;
    ensure!(kind == "PK", "the letter begins with {kind:?}");

    let machine = desktop(stage)?;
    start(machine, "GDK_BACKEND=x11 gimp --no-splash", "gimp")?;
    reads(machine, "Filters")?;
    machine.keep_screen("program-gimp")?;
    Ok(())
}
