//! Scenarios on the running desktop.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use argos_e2e::machine::Machine;

use crate::stage::{SOON, Stage, answer_after, has_panel, question, say, unit, units};

/// Units that must be up at the desktop: PID 1's and the person's.
const SYSTEM: [&str; 7] = [
    "udevd",
    "dbus",
    "seatd",
    "greetd",
    "init-bridge",
    "ai",
    "login",
];
const SESSION: [&str; 7] = [
    "bus",
    "compositor",
    "shell",
    "prompt",
    "memory",
    "broker",
    "orchestrator",
];

/// Memory in use at the idle desktop, in MiB: MemTotal - MemAvailable.
const MEMORY_LIMIT: u64 = 450;
/// Share of one processor that a process of ours may use while nothing happens.
const IDLE_CPU: f64 = 0.01;
const IDLE_SECONDS: u64 = 30;

pub(crate) fn boot(stage: &mut Stage) -> Result<()> {
    stage.desktop()?;
    let times = stage.times;
    eprintln!(
        "    PID 1 after {:.1} s, panel after {:.1} s",
        times.init, times.panel
    );
    let machine = stage.desktop()?;
    machine.keep_screen("desktop")?;
    for (user, names) in [(false, &SYSTEM), (true, &SESSION)] {
        for name in names {
            machine.until(&format!("unit {name} up"), SOON, |m| {
                Ok((unit(m, user, name)?.0 == "up").then_some(()))
            })?;
        }
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
    machine.until("a quiet machine", Duration::from_secs(90), |m| {
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
    let busy = machine.root_within(
        &format!(
            "snap() {{ for p in $(pgrep argos) $(pgrep foot) $(pgrep seatd) $(pgrep dbus-daemon); do awk -v p=$p '{{n=$2; sub(/.*\\) /,\"\"); print p, n, $12+$13}}' /proc/$p/stat; done; }}; snap >/tmp/a; sleep {IDLE_SECONDS}; snap >/tmp/b; join /tmp/a /tmp/b 2>/dev/null | awk '{{print $2, ($5-$3)}}'"
        ),
        Duration::from_secs(IDLE_SECONDS + 60),
    )?;
    eprintln!("    memory in use {used} MiB");
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

pub(crate) fn terminal(stage: &mut Stage) -> Result<()> {
    let machine = stage.desktop()?;
    let before = machine.screen()?;
    machine.press(&["meta_l", "spc"])?;
    machine.until("the launcher", SOON, |m| {
        let now = m.screen()?;
        Ok((now.difference(&before, now.all()) > 0.02).then_some(()))
    })?;
    std::thread::sleep(Duration::from_secs(1));
    machine.type_text("foot")?;
    std::thread::sleep(Duration::from_secs(2));
    machine.keep_screen("launcher")?;
    machine.type_text("\n")?;
    machine.until("the terminal's window", SOON, |m| {
        let windows = m.person_json("argos desktop windows --json")?;
        Ok(windows
            .as_array()
            .is_some_and(|w| w.iter().any(|w| w["app_id"] == "foot"))
            .then_some(()))
    })?;
    std::thread::sleep(Duration::from_secs(2));
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

pub(crate) fn agent_allowed(stage: &mut Stage) -> Result<()> {
    let machine = stage.desktop()?;
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
    machine.press(&["alt", "o"])?;
    let answer = answer(machine, count)?;
    machine.keep_screen("answer")?;
    ensure!(answer.contains("Welcome.md"), "the answer is: {answer}");
    let text = machine.read_screen()?;
    ensure!(
        text.contains("Welcome.md"),
        "the chat does not show the answer; the screen reads:\n{text}"
    );
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
    let count = say(machine, "list my documents")?;
    question(machine)?;
    machine.press(&["alt", "d"])?;
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
    // Nobody opened the folder: its access time is older than the question.
    Ok(())
}

fn answer(machine: &mut Machine, count: usize) -> Result<String> {
    machine.until("the steward's answer", SOON, |m| answer_after(m, count))
}

pub(crate) fn confined(stage: &mut Stage) -> Result<()> {
    let machine = stage.desktop()?;
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

pub(crate) fn killed_services(stage: &mut Stage) -> Result<()> {
    let machine = stage.desktop()?;
    for (user, names) in [(false, &SYSTEM), (true, &SESSION)] {
        for name in names {
            kill_and_wait(machine, user, name)?;
        }
    }
    // And the desktop is a desktop: panel, launcher, an agent that answers.
    machine.until("the panel", SOON, |m| Ok(has_panel(m)?.then_some(())))?;
    machine.keep_screen("after-kills")?;
    let answer = machine.until("an answer after all that", Duration::from_secs(90), |m| {
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
        .until(
            &format!("unit {name} up again"),
            Duration::from_secs(90),
            |m| {
                let (state, now) = unit(m, user, name)?;
                Ok((state == "up" && now > 0 && now != pid).then_some(()))
            },
        )
        .with_context(|| format!("kill -9 of {name}"))
}
