//! What the scenarios share: the machine at its desktop, and ways to talk to what runs there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Error, Result, ensure};
use argos_e2e::machine::{Machine, Setup};
use argos_e2e::scenario::EmulatorCrash;
use serde_json::Value;

/// An emulated machine on two busy cores is slow; a stuck one is stuck for good.
pub(crate) const BOOT: Duration = Duration::from_secs(480);
pub(crate) const SOON: Duration = Duration::from_secs(150);

/// The last units of a boot.
const LATE: &[&str] = &["udev-coldplug-all", "later"];

/// The name of the saved state.
const AT_DESKTOP: &str = "desktop";

/// When things were seen during the boot, in seconds since QEMU started.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Times {
    pub init: f64,
    pub panel: f64,
    /// The default model can be asked.
    pub model: f64,
}

#[derive(Debug)]
pub(crate) struct Stage {
    folder: PathBuf,
    machine: Option<Machine>,
    pub times: Times,
    fresh: bool,
    /// The image's packed root.
    pub root: PathBuf,
    /// Whether the boot is held to its bars.
    pub strict: bool,
}

impl Stage {
    /// `output` is where the image is, and where this leaves what it sees.
    pub(crate) fn new(output: &Path, strict: bool) -> Result<Self> {
        let folder = output.join("e2e");
        if folder.exists() {
            std::fs::remove_dir_all(&folder)
                .with_context(|| format!("{}: cannot be removed", folder.display()))?;
        }
        std::fs::create_dir_all(&folder)?;
        Ok(Self {
            folder,
            machine: None,
            times: Times::default(),
            fresh: false,
            root: output.join("argos.root.erofs"),
            strict,
        })
    }

    /// The machine at its desktop as it was after the boot, once the steward could be talked to.
    pub(crate) fn desktop(&mut self) -> Result<&mut Machine> {
        if self.machine.is_none() {
            let (mut machine, times) = self.boot("desktop", "desktop.qcow2")?;
            // The panel shows before all that the scenarios use is there.
            let model = or_evidence(&mut machine, |m| {
                ready_for_chat(m, BOOT)?;
                m.until("the default model", BOOT, |m| {
                    let loaded = "grep -qs 'is ready after' /var/log/argos/ai.log && echo yes";
                    Ok(m.try_root(loaded)?.text.contains("yes").then(|| m.age()))
                })
            })?;
            // QEMU does not set an emulated TSC back: in a machine gone back to, all the time since leaps by at
            // once, and what was under way when it was saved runs into its limits (udevd kills its workers after
            // 180 s, and the sound card never comes). So nothing may be under way.
            or_evidence(&mut machine, |m| all_up(m, false, LATE, BOOT))?;
            machine.save(AT_DESKTOP)?;
            self.times = Times { model, ..times };
            self.machine = Some(machine);
            self.fresh = true;
        }
        let machine = self.machine.as_mut().context("the machine is gone")?;
        if !std::mem::replace(&mut self.fresh, false) {
            machine.restore(AT_DESKTOP)?;
            machine.wait_for_shell(SOON)?;
        }
        Ok(machine)
    }

    /// Boots a machine of its own to the desktop. `disk` is a data disk in the stage's folder.
    pub(crate) fn boot(&mut self, name: &str, disk: &str) -> Result<(Machine, Times)> {
        let disk = self.folder.join(disk).display().to_string();
        self.start(name, &["--data", &disk], &[], wait_for_desktop)
    }

    /// Boots a machine of its own to the desktop, with these words for `vm` and for QEMU and no data disk.
    pub(crate) fn boot_with(&mut self, name: &str, vm: &[&str], qemu: &[&str]) -> Result<Machine> {
        let words = [&["--ephemeral"], vm].concat();
        Ok(self.start(name, &words, qemu, wait_for_desktop)?.0)
    }

    /// Boots a machine of its own with this screen (`1920x1080`) and no data disk.
    pub(crate) fn boot_at(&mut self, name: &str, resolution: &str) -> Result<Machine> {
        let words = ["--ephemeral", "--resolution", resolution];
        Ok(self.start(name, &words, &[], wait_for_desktop)?.0)
    }

    /// Boots a medium by a firmware to the desktop, without a data disk. Yields the seconds until
    /// the panel.
    pub(crate) fn boot_medium(
        &mut self,
        name: &str,
        medium: &str,
        firmware: &str,
    ) -> Result<(Machine, f64)> {
        let words = ["--ephemeral", "--boot", medium, "--firmware", firmware];
        // The boot menu's kernel says nothing on the serial port.
        self.start(name, &words, &[], wait_for_panel)
    }

    /// Starts a machine of its own with these words for `vm` and for QEMU, and waits.
    fn start<T>(
        &self,
        name: &str,
        words: &[&str],
        qemu: &[&str],
        ready: impl FnOnce(&mut Machine) -> Result<T>,
    ) -> Result<(Machine, T)> {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let setup = Setup {
            vm: owned(words),
            qemu: owned(qemu),
        };
        let mut machine = Machine::start(&self.folder.join(name), &setup)?;
        let seen = or_evidence(&mut machine, ready)?;
        Ok((machine, seen))
    }

    /// Keeps what a failed scenario left: the screen, the serial log and the units' own words.
    ///
    /// Yields whether QEMU broke; then the next scenario gets a new machine.
    pub(crate) fn keep_evidence(&mut self, scenario: &str, error: &Error) -> Option<EmulatorCrash> {
        if let Some(machine) = &mut self.machine {
            evidence(machine, scenario);
            if let Some(signal) = machine.crash() {
                self.machine = None;
                return Some(EmulatorCrash { signal });
            }
        }
        error.downcast_ref().copied()
    }
}

/// Does something with a machine of the scenario's own, which is gone when the scenario fails, and
/// keeps then what is to be seen.
pub(crate) fn or_evidence<T>(
    machine: &mut Machine,
    run: impl FnOnce(&mut Machine) -> Result<T>,
) -> Result<T> {
    run(machine).map_err(|error| {
        evidence(machine, "here");
        match machine.crash() {
            Some(signal) => error.context(EmulatorCrash { signal }),
            None => error,
        }
    })
}

/// What a person's chat, the units and their logs say of themselves; in the files, and short where only
/// what is printed is kept.
const WORDS: &str = "argos status; for u in $(ls /var/log/argos 2>/dev/null); do echo \"== $u\"; tail -n 15 /var/log/argos/$u; done; as-person 'argos status --user --all; tail -n 25 ~/.local/state/argos/log/*.log; tail -n 5 ~/.local/state/argos/audit.jsonl'";
const SHORT: &str = "as-person 'argos agents; argos agents history steward -n 4 --json; tail -n 4 ~/.local/state/argos/log/agent-steward.log ~/.local/state/argos/log/broker.log'; tail -n 6 /var/log/argos/ai.log; uptime; free -m; for p in $(pgrep -x argos-ai); do for t in /proc/$p/task/*; do echo $(cat $t/comm $t/wchan) $(cut -d ' ' -f 3,14,15 $t/stat); done; done";

fn evidence(machine: &mut Machine, name: &str) {
    let _ = machine.keep_screen(&format!("failed-{name}"));
    let words = |machine: &mut Machine, line: &str| {
        let words = machine.try_root(line);
        words.map_or_else(|e| format!("{e:#}"), |output| output.text)
    };
    let file = machine.folder().join(format!("failed-{name}.log"));
    if std::fs::write(&file, words(machine, WORDS)).is_ok() {
        eprintln!("    kept: {}", file.display());
    }
    let screen = machine.read_screen().unwrap_or_else(|e| format!("{e:#}"));
    let short = words(machine, SHORT);
    let lines = screen.lines().chain(short.lines());
    for line in lines.filter(|line| !line.trim().is_empty()).take(120) {
        eprintln!("    | {line}");
    }
}

/// Waits until PID 1 has spoken, then until the shell's panel is on the screen.
pub(crate) fn wait_for_desktop(machine: &mut Machine) -> Result<Times> {
    let init = machine.until("PID 1's first word on the console", BOOT, |m| {
        Ok(m.serial().contains("argos-init:").then(|| m.age()))
    })?;
    let panel = wait_for_panel(machine)?;
    Ok(Times {
        init,
        panel,
        ..Times::default()
    })
}

/// Waits until the shell's panel is on the screen and the test shell answers; the panel's seconds.
fn wait_for_panel(machine: &mut Machine) -> Result<f64> {
    let panel = machine.until("the panel on the screen", BOOT, |m| {
        Ok(has_panel(m)?.then(|| m.age()))
    })?;
    machine.wait_for_shell(BOOT)?;
    Ok(panel)
}

/// Whether the panel is there: a strip along the upper edge with text in it, and a lit desktop below.
pub(crate) fn has_panel(machine: &mut Machine) -> Result<bool> {
    use argos_e2e::screen::Area;
    let screen = machine.screen()?;
    if screen.width < 1000 {
        return Ok(false);
    }
    let clock = Area {
        x: screen.width / 2 - 120,
        y: 4,
        width: 240,
        height: 28,
    };
    let below = Area {
        x: 0,
        y: screen.height / 2,
        width: screen.width,
        height: screen.height / 4,
    };
    Ok(screen.colours(clock) > 8 && screen.brightness(below) > 4.0)
}

/// The units of PID 1 or of the person's supervisor, as `argos status --json` prints them.
pub(crate) fn units(machine: &mut Machine, user: bool) -> Result<Vec<Value>> {
    let text = if user {
        machine.person("argos status --user --json")?
    } else {
        machine.root("argos status --json")?
    };
    let value: Value =
        serde_json::from_str(&text).with_context(|| format!("argos status printed {text}"))?;
    Ok(value.as_array().cloned().unwrap_or_default())
}

/// One unit's state: name, state, process.
pub(crate) fn unit(machine: &mut Machine, user: bool, name: &str) -> Result<(String, i64)> {
    let all = units(machine, user)?;
    let unit = all
        .iter()
        .find(|u| u["name"] == name)
        .with_context(|| format!("no unit `{name}`"))?;
    Ok((
        unit["state"].as_str().unwrap_or_default().to_owned(),
        unit["pid"].as_i64().unwrap_or_default(),
    ))
}

/// The last thing the steward said, if it came after `count` messages.
pub(crate) fn answer_after(machine: &mut Machine, count: usize) -> Result<Option<String>> {
    let history = history(machine)?;
    Ok(history
        .iter()
        .skip(count)
        .rev()
        .find(|m| m["role"] == "agent")
        .map(|m| m["text"].as_str().unwrap_or_default().to_owned()))
}

/// The conversation with the steward.
pub(crate) fn history(machine: &mut Machine) -> Result<Vec<Value>> {
    let value = machine.person_json("argos agents history steward -n 200 --json")?;
    Ok(value.as_array().cloned().unwrap_or_default())
}

/// Waits until each of the units is up.
pub(crate) fn all_up(
    machine: &mut Machine,
    user: bool,
    names: &[&str],
    limit: Duration,
) -> Result<()> {
    for name in names {
        machine.until(&format!("unit {name} up"), limit, |m| {
            Ok((unit(m, user, name)?.0 == "up").then_some(()))
        })?;
    }
    Ok(())
}

/// Waits until the steward can be talked to.
pub(crate) fn ready_for_chat(machine: &mut Machine, limit: Duration) -> Result<()> {
    machine.until("the agent", limit, |m| {
        let agents = m.person_json("argos agents --json")?;
        Ok(agents
            .as_array()
            .is_some_and(|a| {
                a.iter()
                    .any(|a| a["name"] == "steward" && a["state"] == "idle")
            })
            .then_some(()))
    })
}

/// Presses keys and waits until a share of the screen has changed.
pub(crate) fn show(machine: &mut Machine, keys: &[&str], what: &str, share: f64) -> Result<()> {
    let before = machine.screen()?;
    machine.press(keys)?;
    machine.until(what, SOON, |m| {
        let now = m.screen()?;
        Ok((now.difference(&before, now.all()) > share).then_some(()))
    })
}

/// Opens the launcher by its key.
pub(crate) fn open_launcher(machine: &mut Machine) -> Result<()> {
    show(machine, &["meta_l", "spc"], "the launcher", 0.02)
}

/// Waits for the terminal's window and the shell's prompt in it: what is typed before the shell
/// reads may be thrown away.
pub(crate) fn terminal_is_ready(machine: &mut Machine) -> Result<()> {
    machine.until("the terminal's window", SOON, |m| {
        let windows = m.person_json("argos desktop windows --json")?;
        Ok(windows
            .as_array()
            .is_some_and(|w| w.iter().any(|w| w["app_id"] == "foot"))
            .then_some(()))
    })?;
    machine.until("the shell's prompt", SOON, |m| {
        Ok(m.read_screen()?.contains("argos@").then_some(()))
    })
}

/// Opens the chat by its key and says something.
pub(crate) fn say(machine: &mut Machine, text: &str) -> Result<usize> {
    show(machine, &["meta_l", "c"], "the chat window", 0.05)?;
    // Its input is there only once it is drawn whole, and what is typed before goes elsewhere.
    machine.until("the chat's input", SOON, |m| {
        Ok(m.read_screen()?.contains("Message Steward").then_some(()))
    })?;
    let count = history(machine)?.len();
    machine.type_text(text)?;
    machine.type_text("\n")?;
    Ok(count)
}

/// Waits for the question whether the steward may do something.
pub(crate) fn question(machine: &mut Machine) -> Result<Value> {
    let request = machine.until("the permission prompt", SOON, |m| {
        let pending = m.person_json("argos permissions pending --json")?;
        Ok(pending.as_array().and_then(|p| p.first()).cloned())
    })?;
    ensure!(request["agent"] == "steward", "the prompt names {request}");
    // A key pressed before the prompt is on the screen goes to the window below.
    machine.until("the prompt on the screen", SOON, |m| {
        Ok(m.read_screen()?
            .contains("asks for permission")
            .then_some(()))
    })?;
    Ok(request)
}

/// Presses keys until they have answered the question: it takes no answer in its first moments, so that
/// nobody gives one by accident.
pub(crate) fn decide(machine: &mut Machine, request: &Value, keys: &[&str]) -> Result<()> {
    let open = |m: &mut Machine| -> Result<bool> {
        let pending = m.person_json("argos permissions pending --json")?;
        let mut all = pending.as_array().into_iter().flatten();
        Ok(all.any(|other| other["id"] == request["id"]))
    };
    machine.until("the question's end", SOON, |m| {
        std::thread::sleep(Duration::from_secs(1));
        if !open(m)? {
            return Ok(Some(()));
        }
        m.press(keys)?;
        // It goes to the broker and comes back.
        std::thread::sleep(Duration::from_secs(2));
        Ok((!open(m)?).then_some(()))
    })
}
