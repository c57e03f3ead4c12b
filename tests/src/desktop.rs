//! Scenarios on the running desktop.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use argos_e2e::machine::Machine;
use argos_e2e::screen::Area;
use serde_json::Value;

use crate::stage::{
    SOON, Stage, all_up, answer_after, decide, has_panel, history, open_launcher, question, say,
    show, terminal_is_ready, unit, units,
};

/// Units that must be up at the desktop: PID 1's and the person's.
const SYSTEM: &[&str] = &[
    "udevd",
    "dbus",
    "seatd",
    "greetd",
    "init-bridge",
    "ai",
    "login",
    "devices",
    "network",
];
const SESSION: &[&str] = &[
    "bus",
    "init-bridge",
    "compositor",
    "shell",
    "prompt",
    "memory",
    "broker",
    "orchestrator",
    "agent-steward",
];

/// What a boot may take on an emulated machine with two quiet processors, in seconds from QEMU's
/// start, and the size of the packed root in bytes.
const INIT_BAR: f64 = 6.0;
const PANEL_BAR: f64 = 15.0;
const ROOT_BAR: u64 = 600_000_000;
/// How much more a busy build host may take before something slow counts as broken.
const BUSY: f64 = 2.5;
/// What a key may take to be seen, in milliseconds: one that shows a part of the shell, and one that is typed.
const PART_BAR: f64 = 400.0;
const TYPING_BAR: f64 = 150.0;
/// How often each part is shown, and what is typed into the chat.
const SHOWINGS: usize = 4;
const TYPED: &str = "what is in my documents folder";
/// So long nothing but the desktop runs after a key.
const QUIET: Duration = Duration::from_millis(1500);
/// Memory in use at the idle desktop, in MiB: MemTotal - MemAvailable.
const MEMORY_LIMIT: u64 = 450;
/// Share of one processor that a process of ours may use while nothing happens.
const IDLE_CPU: f64 = 0.01;
const IDLE_SECONDS: u64 = 30;
/// How often is looked for a while in which nothing happened: on a busy host the same work takes an emulated
/// processor longer.
const IDLE_LOOKS: u32 = 4;

pub(crate) fn boot(stage: &mut Stage) -> Result<()> {
    stage.desktop()?;
    let times = stage.times;
    let root = std::fs::metadata(&stage.root)
        .with_context(|| format!("{}: cannot be looked at", stage.root.display()))?
        .len();
    eprintln!(
        "    PID 1 after {:.1} s (bar {INIT_BAR}), panel after {:.1} s (bar {PANEL_BAR}), model after {:.1} s, root {} MB (bar {})",
        times.init,
        times.panel,
        times.model,
        root / 1_000_000,
        ROOT_BAR / 1_000_000
    );
    let patience = if stage.strict { 1.0 } else { BUSY };
    ensure!(
        times.init <= INIT_BAR * patience && times.panel <= PANEL_BAR * patience,
        "the boot is slow"
    );
    ensure!(root <= ROOT_BAR, "the root is too large");
    let machine = stage.desktop()?;
    machine.keep_screen("desktop")?;
    for (user, names) in [(false, SYSTEM), (true, SESSION)] {
        all_up(machine, user, names, SOON)?;
        for unit in units(machine, user)? {
            ensure!(
                unit["state"] != "failed",
                "unit {} failed: {}",
                unit["name"],
                unit["detail"]
            );
        }
    }
    Ok(())
}

pub(crate) fn idle(stage: &mut Stage) -> Result<()> {
    let machine = stage.desktop()?;
    // Late boot work (the rest of the devices, the model) is over first.
    machine.until("a quiet machine", SOON * 2, |m| {
        let load = m.root(
            "cut -d' ' -f4 /proc/loadavg; sleep 3; vmstat 1 2 | tail -n1 | awk '{print $15}'",
        )?;
        let idle: u32 = load
            .lines()
            .last()
            .and_then(|l| l.trim().parse().ok())
            .unwrap_or(0);
        Ok((idle >= 90).then_some(()))
    })?;
    let memory = machine.root(
        "awk '/MemTotal/{t=$2} /MemAvailable/{a=$2} END{print int((t-a)/1024)}' /proc/meminfo",
    )?;
    let used: u64 = memory.trim().parse().context("memory in use")?;
    let mut looks = 0;
    let (worst, busy) = loop {
        let (worst, busy) = busiest(machine)?;
        looks += 1;
        if worst.1 < IDLE_CPU || looks == IDLE_LOOKS {
            break (worst, busy);
        }
    };
    eprintln!("    memory in use {used} MiB");
    eprintln!(
        "    busiest while idle: {} {:.2} %",
        worst.0,
        worst.1 * 100.0
    );
    ensure!(
        worst.1 < IDLE_CPU,
        "{} uses {:.1} % of a processor while idle:\n{busy}",
        worst.0,
        worst.1 * 100.0
    );
    ensure!(
        used <= MEMORY_LIMIT,
        "{used} MiB are in use at the idle desktop, more than {MEMORY_LIMIT}"
    );
    Ok(())
}

/// The launcher and the chat are there soon after their keys, and what is typed in the chat as well. It is the
/// compositor that measures, by the guest's clock: from the kernel's event to the frame that is on the screen.
pub(crate) fn quick(stage: &mut Stage) -> Result<()> {
    let strict = stage.strict;
    let patience = if strict { 1.0 } else { BUSY };
    let machine = stage.desktop()?;
    machine.person("argos desktop latency on")?;
    let launcher = showings(machine, "spc", &["esc"], "argos-launcher")?;
    let chat = showings(machine, "c", &["meta_l", "c"], "argos-chat")?;
    machine.press(&["meta_l", "c"])?;
    std::thread::sleep(QUIET * 2);
    latencies(machine)?;
    for c in TYPED.chars() {
        let key = if c == ' ' {
            "spc".to_owned()
        } else {
            c.to_string()
        };
        machine.press(&[key.as_str()])?;
        // Each is seen before the next one comes.
        std::thread::sleep(QUIET / 3);
    }
    std::thread::sleep(QUIET);
    machine.keep_screen("typed")?;
    let typed: Vec<f64> = latencies(machine)?
        .into_iter()
        .filter(|key| key.surface == "argos-chat" && !key.appeared)
        .map(|key| key.milliseconds)
        .collect();
    machine.person("argos desktop latency off")?;
    // A key that comes while the one before is not seen yet is not measured.
    ensure!(
        typed.len() * 3 >= TYPED.len() * 2,
        "of {} keys only {} were seen: {typed:?}",
        TYPED.len(),
        typed.len()
    );
    let mut late = Vec::new();
    for (what, mut measured, bar) in [
        ("the launcher", launcher, PART_BAR),
        ("the chat", chat, PART_BAR),
        ("typing", typed, TYPING_BAR),
    ] {
        let first = measured[0];
        measured.sort_by(f64::total_cmp);
        let (median, slowest) = (measured[measured.len() / 2], measured[measured.len() - 1]);
        eprintln!(
            "    {what}: first {first:.0} ms, median {median:.0} ms, slowest {slowest:.0} ms (bar {bar})"
        );
        // On a busy host a single late one is the host's.
        let counts = if strict { slowest } else { median };
        if counts > bar * patience {
            late.push(what);
        }
    }
    ensure!(late.is_empty(), "too slow: {}", late.join(", "));
    Ok(())
}

/// Shows a part by Super and a key a few times, and hides it again. How long each took to be seen.
fn showings(machine: &mut Machine, key: &str, hide: &[&str], surface: &str) -> Result<Vec<f64>> {
    let mut took = Vec::new();
    for _ in 0..SHOWINGS {
        machine.press(&["meta_l", key])?;
        std::thread::sleep(QUIET);
        let shown = machine.until(surface, SOON, |m| {
            let keys = latencies(m)?;
            Ok(keys
                .into_iter()
                .find(|key| key.surface == surface && key.appeared))
        })?;
        took.push(shown.milliseconds);
        machine.press(hide)?;
        std::thread::sleep(QUIET);
    }
    Ok(took)
}

/// How long a key took to be seen.
#[derive(Debug, serde::Deserialize)]
struct KeyLatency {
    surface: String,
    appeared: bool,
    milliseconds: f64,
}

/// What was measured since the last time.
fn latencies(machine: &mut Machine) -> Result<Vec<KeyLatency>> {
    let measured = machine.person_json("argos desktop latency --json")?;
    serde_json::from_value(measured).context("argos desktop latency")
}

/// The busiest of our processes for a while, with its share of a processor; and all of them, with the ticks
/// that each took.
fn busiest(machine: &mut Machine) -> Result<((String, f64), String)> {
    let busy = machine.root_within(
        &format!(
            "snap() {{ for p in $(pgrep argos) $(pgrep foot) $(pgrep seatd) $(pgrep dbus-daemon); do awk -v p=$p '{{n=$2; sub(/.*\\) /,\"\"); print p, n, $12+$13}}' /proc/$p/stat; done; }}; snap >/tmp/a; sleep {IDLE_SECONDS}; snap >/tmp/b; join /tmp/a /tmp/b 2>/dev/null | awk '{{print $2, ($5-$3)}}'"
        ),
        SOON + Duration::from_secs(IDLE_SECONDS),
    )?;
    let mut worst = (String::new(), 0.0);
    for line in busy.lines() {
        let Some((name, ticks)) = line.rsplit_once(' ') else {
            continue;
        };
        let share = ticks.parse::<f64>().unwrap_or(0.0) / 100.0 / IDLE_SECONDS as f64;
        if share >= worst.1 {
            worst = (name.to_owned(), share);
        }
    }
    ensure!(!busy.trim().is_empty(), "no process of ours was found");
    Ok((worst, busy))
}

pub(crate) fn terminal(stage: &mut Stage) -> Result<()> {
    let machine = stage.desktop()?;
    open_launcher(machine)?;
    // What cannot be read is waited for all the same, only not longer.
    let reads = |machine: &mut Machine, text: &str, times: usize| {
        let _ = machine.until(text, Duration::from_secs(20), |m| {
            let seen = m.read_screen()?.to_lowercase();
            Ok((seen.matches(text).count() >= times).then_some(()))
        });
    };
    reads(machine, "search applications", 1);
    machine.type_text("foot")?;
    // In the field and in what was found.
    reads(machine, "foot", 2);
    machine.keep_screen("launcher")?;
    machine.type_text("\n")?;
    terminal_is_ready(machine)?;
    machine.type_text("echo Typed By Hand > ~/typed.txt; echo so it reads\n")?;
    machine.until("the typed command's file", SOON, |m| {
        Ok((m.root("cat /home/argos/typed.txt")? == "Typed By Hand").then_some(()))
    })?;
    machine.keep_screen("terminal")?;
    let text = machine.read_screen()?;
    ensure!(
        text.contains("so it reads"),
        "the terminal does not show what was typed; the screen reads:\n{text}"
    );
    Ok(())
}

/// What is switched in the settings on the screen stands in the person's file, and nothing else of it changes.
pub(crate) fn settings(stage: &mut Stage) -> Result<()> {
    const FILE: &str = "$HOME/.config/argos/compositor.yaml";
    let machine = stage.desktop()?;
    let before = machine.screen()?;
    machine.person("argos desktop settings windows")?;
    machine.until("the settings", SOON, |m| {
        let now = m.screen()?;
        Ok((now.difference(&before, now.all()) > 0.1).then_some(()))
    })?;
    machine.keep_screen("settings")?;
    let tiling = |m: &mut Machine| {
        m.person(&format!(
            "sed -n '/^tiling:/,/^[a-z]/p' {FILE} 2>&1 || true"
        ))
    };
    let switched = |m: &mut Machine, on: bool| {
        let wanted = format!("enabled: {on}");
        m.until(&wanted, SOON, |m| {
            Ok(tiling(m)?.contains(&wanted).then_some(()))
        })
    };
    // To the second row.
    machine.press(&["down"])?;
    machine.press(&["down"])?;
    machine.press(&["ret"])?;
    switched(machine, true)?;
    let shipped = "/usr/share/argos/compositor.yaml";
    let changed = machine.person(&format!("diff {shipped} {FILE} | grep -c '^>' || true"))?;
    ensure!(
        changed.trim() == "1",
        "{} lines are others than in {shipped}",
        changed.trim()
    );
    machine.press(&["ret"])?;
    switched(machine, false)?;
    machine.person(&format!("rm {FILE}"))?;
    machine.press(&["esc"])?;
    machine.until("the settings' end", SOON, |m| {
        let now = m.screen()?;
        Ok((now.difference(&before, now.all()) < 0.05).then_some(()))
    })
}

/// Two ordinary programs, one that draws with shared memory and no decoration of its own; pointer
/// and keys move, resize, maximise, switch and close them.
pub(crate) fn windows(stage: &mut Stage) -> Result<()> {
    let machine = stage.desktop()?;
    machine.person("weston-simple-shm >/tmp/simple-shm.log 2>&1 &")?;
    let shm = machine.until("the window of weston-simple-shm", SOON, |m| {
        Ok(list(m)?.into_iter().next())
    })?;
    // It draws something else all the time.
    let inside = Area {
        x: usize::try_from(shm.x + 20)?,
        y: usize::try_from(shm.y + 60)?,
        width: 40,
        height: 40,
    };
    let picture = machine.screen()?;
    machine.until("another picture of weston-simple-shm", SOON, |m| {
        Ok((m.screen()?.difference(&picture, inside) > 0.5).then_some(()))
    })?;

    machine.press(&["meta_l", "ret"])?;
    let foot = machine.until("the terminal's window", SOON, |m| {
        let windows = list(m)?;
        Ok(windows
            .into_iter()
            .find(|w| w.app_id == "foot" && w.focused))
    })?;
    machine.keep_screen("two-windows")?;

    // By its title bar, left of the buttons.
    let grip = (foot.x + 80, foot.y + 12);
    machine.drag(grip, (grip.0 + 90, grip.1 + 60))?;
    let moved = machine.until("a moved window", SOON, |m| {
        let now = window(m, foot.id)?;
        Ok((now.x == foot.x + 90 && now.y == foot.y + 60).then_some(now))
    })?;
    ensure!(
        (moved.width, moved.height) == (foot.width, foot.height),
        "moving made {foot:?} into {moved:?}"
    );
    // By its lower right corner.
    let corner = (moved.x + moved.width + 2, moved.y + moved.height + 2);
    machine.drag(corner, (corner.0 - 120, corner.1 - 90))?;
    machine.until("a smaller window", SOON, |m| {
        let now = window(m, foot.id)?;
        let smaller = now.width < moved.width - 60 && now.height < moved.height - 40;
        Ok((smaller && (now.x, now.y) == (moved.x, moved.y)).then_some(()))
    })?;
    machine.press(&["meta_l", "up"])?;
    let full = i64::try_from(picture.width)?;
    machine.until("a maximised window", SOON, |m| {
        Ok((window(m, foot.id)?.width == full).then_some(()))
    })?;
    machine.keep_screen("maximised")?;
    machine.press(&["meta_l", "up"])?;
    machine.until("a restored window", SOON, |m| {
        Ok((window(m, foot.id)?.width < full).then_some(()))
    })?;

    machine.press(&["alt", "tab"])?;
    machine.until("the other window after Alt-Tab", SOON, |m| {
        Ok(window(m, shm.id)?.focused.then_some(()))
    })?;
    machine.press(&["meta_l", "2"])?;
    machine.until("workspace 2", SOON, |m| {
        Ok((workspace(m)? == 2 && list(m)?.iter().all(|w| !w.focused)).then_some(()))
    })?;
    machine.press(&["meta_l", "1"])?;
    machine.until("workspace 1", SOON, |m| {
        Ok((workspace(m)? == 1).then_some(()))
    })?;
    machine.press(&["meta_l", "shift", "3"])?;
    machine.until("the window on workspace 3", SOON, |m| {
        Ok((window(m, shm.id)?.workspace == 3).then_some(()))
    })?;

    // By the button at its right end.
    let foot = window(machine, foot.id)?;
    machine.click(foot.x + foot.width - 16, foot.y + 16)?;
    machine.until("the terminal's end", SOON, |m| {
        Ok(list(m)?.iter().all(|w| w.id != foot.id).then_some(()))
    })?;
    Ok(())
}

/// A window as the compositor tells of it.
#[derive(Debug, serde::Deserialize)]
struct Window {
    id: u64,
    app_id: String,
    workspace: u32,
    focused: bool,
    x: i64,
    y: i64,
    width: i64,
    height: i64,
}

fn list(machine: &mut Machine) -> Result<Vec<Window>> {
    let windows = machine.person_json("argos desktop windows --json")?;
    serde_json::from_value(windows).context("argos desktop windows")
}

fn window(machine: &mut Machine, id: u64) -> Result<Window> {
    let mut windows = list(machine)?.into_iter();
    windows
        .find(|w| w.id == id)
        .with_context(|| format!("window {id} is gone"))
}

fn workspace(machine: &mut Machine) -> Result<u64> {
    let value = machine.person_json("argos desktop workspace --json")?;
    value["active"].as_u64().context("argos desktop workspace")
}

/// Puts the person's documents on a file system that notes every reading, for the time of a
/// scenario.
fn watch_documents(machine: &mut Machine) -> Result<()> {
    machine.root("cp -a /home/argos/Documents /tmp/documents && mount -t tmpfs -o strictatime,mode=0755,uid=1000,gid=1000 watched /home/argos/Documents && cp -a /tmp/documents/. /home/argos/Documents/")?;
    Ok(())
}

/// When the folder was last read.
fn last_read(machine: &mut Machine) -> Result<String> {
    machine.root("stat -c %x /home/argos/Documents")
}

pub(crate) fn agent_allowed(stage: &mut Stage) -> Result<()> {
    let machine = stage.desktop()?;
    watch_documents(machine)?;
    let unread = last_read(machine)?;
    let count = say(machine, "list my documents")?;
    let request = question(machine)?;
    machine.keep_screen("prompt")?;
    ensure!(
        request["action"] == "read" && request["resource"] == "/home/argos/Documents",
        "asked for {request}"
    );
    let text = machine.read_screen()?;
    ensure!(
        text.contains("/home/argos/Documents"),
        "the prompt does not show the folder; the screen reads:\n{text}"
    );
    decide(machine, &request, &["alt", "o"])?;
    let answer = answer(machine, count)?;
    ensure!(answer.contains("Welcome.md"), "the answer is: {answer}");
    // What the scenario that denies relies on.
    ensure!(
        last_read(machine)? != unread,
        "the folder was listed, and yet it was not read"
    );
    let shown = machine.until("the answer in the chat", SOON, |m| {
        Ok(m.read_screen()?.contains("Welcome.md").then_some(()))
    });
    machine.keep_screen("answer")?;
    shown?;
    let audit = machine.person("tail -n 1 ~/.local/state/argos/audit.jsonl")?;
    let row: serde_json::Value = serde_json::from_str(&audit).context("the audit row")?;
    ensure!(
        row["tool"] == "files.list" && row["decision"] == "allow" && row["by"] == "person (once)",
        "the audit row is {audit}"
    );
    Ok(())
}

pub(crate) fn agent_denied(stage: &mut Stage) -> Result<()> {
    let machine = stage.desktop()?;
    watch_documents(machine)?;
    let unread = last_read(machine)?;
    let count = say(machine, "list my documents")?;
    let request = question(machine)?;
    decide(machine, &request, &["alt", "d"])?;
    let answer = answer(machine, count)?;
    machine.keep_screen("denied")?;
    ensure!(
        !answer.contains("Welcome.md"),
        "denied, and yet the answer is: {answer}"
    );
    let audit = machine.person("tail -n 1 ~/.local/state/argos/audit.jsonl")?;
    let row: serde_json::Value = serde_json::from_str(&audit).context("the audit row")?;
    ensure!(
        row["tool"] == "files.list" && row["outcome"] == "denied",
        "the audit row is {audit}"
    );
    ensure!(
        last_read(machine)? == unread,
        "denied, and yet the folder was read"
    );
    Ok(())
}

fn answer(machine: &mut Machine, count: usize) -> Result<String> {
    machine.until("the steward's answer", SOON, |m| answer_after(m, count))
}

/// The agent view, by the keyboard alone: it shows the steward, takes something that is said to it, shows that in the
/// timeline, and has the agents' world stand still and go on.
pub(crate) fn agent_view(stage: &mut Stage) -> Result<()> {
    const WORDS: &str = "how much memory is free?";
    let machine = stage.desktop()?;
    let before = machine.screen()?;
    show(machine, &["meta_l", "a"], "the agent view", 0.2)?;
    reads(machine, "the agent view", |text| {
        text.contains("Nothing is chosen") || text.contains("Stop everything")
    })?;
    machine.keep_screen("agents")?;
    let command = |machine: &mut Machine, line: &str| {
        machine.type_text("/")?;
        // What is typed before it is there are other keys.
        reads(machine, "the command bar", |text| {
            let help = ["AGENT TEXT", "find NAME", "stop all"];
            help.iter().any(|known| text.contains(known))
        })?;
        machine.type_text(line)?;
        machine.type_text("\n")
    };
    command(machine, "find steward")?;
    reads(machine, "the steward in the agent view", |text| {
        let of_it = ["Goals", "Familiar with you", "touches anything"];
        text.contains("Steward") && of_it.iter().any(|known| text.contains(known))
    })?;
    machine.keep_screen("agents-steward")?;

    let earlier = events(machine)?.last().map_or(0, number);
    let count = history(machine)?.len();
    command(machine, &format!("say steward {WORDS}"))?;
    let said = machine.until("what was said among the events", SOON, |m| {
        let wanted = |event: &Value| {
            event["kind"] == "said" && event["text"] == WORDS && number(event) > earlier
        };
        Ok(events(m)?.into_iter().find(wanted))
    })?;
    ensure!(
        said["from"] == "person" && said["agent"] == "steward",
        "what was said is {said}"
    );
    let answer = answer(machine, count)?;
    ensure!(
        answer.to_lowercase().contains("memory"),
        "the answer is: {answer}"
    );
    // Back to it, event by event. One that comes meanwhile is after it all the same.
    let since = events(machine)?.into_iter().map(|event| number(&event));
    for _ in since.filter(|event| *event > number(&said)) {
        machine.press(&["pgup"])?;
        // It is with the guest before the next one comes.
        machine.root("true")?;
    }
    reads(machine, "what was said in the timeline", |text| {
        text.contains("Back to now") && text.contains("how much memory")
    })?;
    machine.keep_screen("agents-then")?;
    machine.press(&["end"])?;
    reads(machine, "the present in the timeline", |text| {
        !text.contains("Back to now")
    })?;

    for (kind, paused) in [("paused", true), ("resumed", false)] {
        machine.press(&["spc"])?;
        machine.until(&format!("the agents' world {kind}"), SOON, |m| {
            let events = events(m)?;
            let mut pace = events.iter().rev().filter(|event| number(event) > earlier);
            let newest = pace.find(|event| event["kind"] == "paused" || event["kind"] == "resumed");
            Ok(newest
                .is_some_and(|event| event["kind"] == kind)
                .then_some(()))
        })?;
        // The button's own word is dark on bright, which is read badly; the keys' line says it as well.
        reads(machine, &format!("the key for a world {kind}"), |text| {
            text.to_lowercase().contains("resume") == paused
        })?;
        machine.keep_screen(&format!("agents-{kind}"))?;
    }
    // Out of what it said, then out of what is chosen, then out of it.
    machine.until("the agent view's end", SOON, |m| {
        m.press(&["esc"])?;
        let now = m.screen()?;
        Ok((now.difference(&before, now.all()) < 0.05).then_some(()))
    })
}

/// Waits until the screen reads as wanted.
fn reads(machine: &mut Machine, what: &str, wanted: impl Fn(&str) -> bool) -> Result<()> {
    machine.until(&format!("{what} on the screen"), SOON, |m| {
        Ok(wanted(&m.read_screen()?).then_some(()))
    })
}

/// What is known to have happened among the agents, the newest last.
fn events(machine: &mut Machine) -> Result<Vec<Value>> {
    let events = machine.person_json("argos agents events -n 1000 --json")?;
    Ok(events.as_array().cloned().unwrap_or_default())
}

fn number(event: &Value) -> u64 {
    event["number"].as_u64().unwrap_or_default()
}

/// The permissions page: asking what would happen, and deciding it there, by the keyboard alone.
pub(crate) fn decided_ahead(stage: &mut Stage) -> Result<()> {
    let machine = stage.desktop()?;
    let granted = |m: &mut Machine| m.person_json("argos perm list steward --json");
    let read = |grants: &Value| {
        let mut all = grants.as_array()?.iter();
        let wanted = |grant: &&Value| {
            grant["action"] == "read" && grant["resource"] == "/home/argos/Documents"
        };
        all.find(wanted).cloned()
    };
    ensure!(read(&granted(machine)?).is_none(), "it is granted already");
    show(machine, &["ctrl", "alt", "delete"], "the power menu", 0.01)?;
    for key in ["down", "down", "ret"] {
        machine.press(&[key])?;
    }
    let sees = |machine: &mut Machine, text: &str| {
        machine.until(&format!("`{text}` on the screen"), SOON, |m| {
            Ok(m.read_screen()?.contains(text).then_some(()))
        })
    };
    sees(machine, "What was done")?;
    for _ in 0..2 {
        machine.press(&["tab"])?;
    }
    sees(machine, "what would happen now")?;
    machine.type_text("~/Documents")?;
    sees(machine, "nothing was said about it")?;
    machine.keep_screen("decide-ahead")?;
    // From the input past how long it holds to the button, and twice on that: soon enough after each other.
    for key in ["down", "down"] {
        machine.press(&[key])?;
    }
    let grant = press_twice(machine, "ret", "the grant", |m| Ok(read(&granted(m)?)))?;
    ensure!(
        grant["verdict"] == "allow" && grant["scope"] == "always",
        "what was granted is {grant}"
    );
    // The first page shows it, and takes it back.
    sees(machine, "/home/argos/Documents")?;
    sees(machine, "Take back")?;
    machine.keep_screen("decided")?;
    press_twice(machine, "delete", "no grant any more", |m| {
        Ok(read(&granted(m)?).is_none().then_some(()))
    })?;
    machine.press(&["esc"])
}

/// Presses a key twice, so that what wants to be sure is, and waits for what comes of it. A slow machine may
/// have got the second too late: then once more.
fn press_twice<T>(
    machine: &mut Machine,
    key: &str,
    what: &str,
    mut see: impl FnMut(&mut Machine) -> Result<Option<T>>,
) -> Result<T> {
    machine.until(what, SOON, |m| {
        for _ in 0..2 {
            m.press(&[key])?;
            std::thread::sleep(Duration::from_millis(300));
        }
        for _ in 0..20 {
            if let Some(seen) = see(m)? {
                return Ok(Some(seen));
            }
            std::thread::sleep(Duration::from_secs(1));
        }
        Ok(None)
    })
}

/// The shipped agent's sandbox, tried from inside by a twin of the agent, and seen from outside on
/// the agent itself.
pub(crate) fn confined(stage: &mut Stage) -> Result<()> {
    let machine = stage.desktop()?;
    let pid = machine.until("the steward's process", SOON, |m| {
        let pid = m.root("pgrep -n -x argos-agent")?;
        Ok((!pid.trim().is_empty()).then(|| pid.trim().to_owned()))
    })?;
    let status = machine.root(&format!("cat /proc/{pid}/status"))?;
    for line in [
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
    ] {
        ensure!(
            status.contains(line),
            "the steward's process lacks `{line}`:\n{status}"
        );
    }
    for kind in ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"] {
        let own = machine.root(&format!(
            "test \"$(readlink /proc/{pid}/ns/{kind})\" != \"$(readlink /proc/1/ns/{kind})\" && echo own || echo shared"
        ))?;
        ensure!(
            own.trim() == "own",
            "the steward shares PID 1's {kind} namespace"
        );
    }
    // What is forbidden inside works outside: otherwise the probe would prove nothing.
    machine.person("test -r ~/Documents/Welcome.md && test -S /run/user/1000/bus && test -S /run/dbus/system_bus_socket")?;
    let probe = machine.person_json("argos-broker probe-sandbox steward")?;
    for what in [
        "read_shadow",
        "list_home",
        "list_person_home",
        "inet_socket",
        "connect_loopback",
        "session_bus",
        "system_bus",
        "wayland",
        "supervisor",
        "init",
        "mount",
    ] {
        let attempt = &probe[what];
        ensure!(
            attempt["ok"] == false && attempt["untried"] != true,
            "`{what}` was not refused: {attempt}"
        );
    }
    // A sandbox in which nothing works would refuse all of that too.
    ensure!(
        probe["workspace"]["ok"] == true,
        "the agent cannot use its own workspace: {}",
        probe["workspace"]
    );
    Ok(())
}

/// A terminal stands in for the panel: it comes and goes with its manifest, and back after a kill.
pub(crate) fn parts(stage: &mut Stage) -> Result<()> {
    const FILE: &str = "$HOME/.local/share/argos/parts/term.yaml";
    let machine = stage.desktop()?;
    let before = machine.screen()?;
    let clock = Area {
        x: before.width / 2 - 120,
        y: 4,
        width: 240,
        height: 28,
    };
    machine.person(&format!("mkdir -p $(dirname {FILE})"))?;
    machine.person(&format!(
        "printf 'exec: [foot]\\nreplaces: [panel]\\n' > {FILE}"
    ))?;
    // Its words are a twelfth of what is there.
    let without = machine.until("a screen without panel", SOON, |m| {
        let screen = m.screen()?;
        Ok((screen.difference(&before, clock) > 0.04).then_some(screen))
    })?;
    machine.until("the part's window", SOON, |m| {
        Ok(list(m)?.into_iter().find(|window| window.app_id == "foot"))
    })?;
    machine.keep_screen("part-for-panel")?;
    kill_and_wait(machine, true, "part-term")?;
    // A mistake costs nothing.
    machine.person(&format!("printf 'exec: [' > {FILE}"))?;
    machine.until("the mistake", SOON, |m| {
        let parts = m.person_json("argos desktop parts --json")?;
        let told = parts[0]["error"].as_str().unwrap_or_default();
        Ok((told.contains("term.yaml:1:") && parts[0]["state"] == "up").then_some(()))
    })?;
    machine.person(&format!("rm {FILE}"))?;
    machine.until("the panel again", SOON, |m| {
        Ok((m.screen()?.difference(&without, clock) > 0.04).then_some(()))
    })?;
    machine.until("an end of the part", SOON, |m| {
        let gone = units(m, true)?.iter().all(|u| u["name"] != "part-term");
        Ok((gone && list(m)?.is_empty()).then_some(()))
    })
}

pub(crate) fn killed_services(stage: &mut Stage) -> Result<()> {
    let machine = stage.desktop()?;
    for (user, names) in [(false, SYSTEM), (true, SESSION)] {
        for name in names {
            kill_and_wait(machine, user, name)?;
        }
    }
    // The person's supervisor takes everything of theirs along; the session brings it back.
    kill_and_wait(machine, false, "user@1000")?;
    all_up(machine, true, SESSION, SOON * 2)?;
    // And the desktop is a desktop: panel, launcher, an agent that answers.
    machine.until("the panel", SOON, |m| Ok(has_panel(m)?.then_some(())))?;
    machine.keep_screen("after-kills")?;
    let answer = machine.until("an answer after all that", SOON * 2, |m| {
        Ok(Some(
            m.person("argos chat steward 'how much memory is free?'")?,
        ))
    })?;
    ensure!(
        answer.to_lowercase().contains("memory"),
        "the answer is: {answer}"
    );
    Ok(())
}

fn kill_and_wait(machine: &mut Machine, user: bool, name: &str) -> Result<()> {
    // What the last kill took along is back first.
    let pid = machine.until(&format!("unit {name} up before it is killed"), SOON, |m| {
        let (state, pid) = unit(m, user, name)?;
        Ok((state == "up" && pid > 0).then_some(pid))
    })?;
    machine.root(&format!("kill -9 {pid}"))?;
    machine
        .until(&format!("unit {name} up again"), SOON * 2, |m| {
            let (state, now) = unit(m, user, name)?;
            Ok((state == "up" && now > 0 && now != pid).then_some(()))
        })
        .with_context(|| format!("kill -9 of {name}"))
}
