//! Scenarios of the built-in tools on the running desktop: what is really on the screen, in the
//! sound card and among the kernel's links after a call.

use anyhow::{Context as _, Result, ensure};
use argos_e2e::machine::Machine;
use argos_e2e::screen::Screen;
use serde_json::Value;

use crate::stage::{SOON, Stage, answer_after, decide, question, say, show, terminal_is_ready};

/// Calls a tool as the person.
pub(crate) fn call(machine: &mut Machine, words: &str) -> Result<Value> {
    machine.person_json(&format!("argos --json tools call {words}"))
}

/// What a call that must fail says.
pub(crate) fn refused(machine: &mut Machine, words: &str) -> Result<String> {
    machine.person(&format!("! argos tools call {words} 2>&1"))
}

/// Windows, workspaces, sound and light.
pub(crate) fn steer(stage: &mut Stage) -> Result<()> {
    let machine = stage.desktop()?;
    machine.press(&["meta_l", "ret"])?;
    terminal_is_ready(machine)?;
    let open = call(machine, "windows.list")?;
    let window = &open["windows"][0];
    ensure!(
        window["app"] == "foot" && window["focused"] == true && open["untrusted"][1] == "title",
        "windows.list told {open}"
    );

    call(machine, "workspace.switch number=2")?;
    let active = machine.person_json("argos desktop workspace --json")?;
    ensure!(active["active"] == 2, "workspace.switch left {active}");
    call(machine, "windows.focus window=terminal")?;
    let open = call(machine, "windows.list")?;
    ensure!(
        open["windows"][0]["focused"] == true,
        "windows.focus left {open}"
    );
    let text = refused(machine, "windows.focus window=maps")?;
    ensure!(text.contains("no window fits"), "{text}");
    let text = refused(machine, "workspace.switch number=40")?;
    ensure!(text.contains("workspace 40"), "{text}");
    call(
        machine,
        &format!("windows.close window={}", window["window"]),
    )?;
    machine.until("the closed window's end", SOON, |m| {
        let open = call(m, "windows.list")?;
        Ok(open["windows"]
            .as_array()
            .is_some_and(Vec::is_empty)
            .then_some(()))
    })?;

    sound_card(machine)?;
    let mut seen = Vec::new();
    for percent in [100u64, 30, 0] {
        let set = call(machine, &format!("volume.set percent={percent}"))?;
        let is = set["percent"].as_u64().context("volume.set")?;
        ensure!(
            is.abs_diff(percent) <= 3 && (percent == 0 || set["muted"] == false),
            "{percent} % asked for, {set}"
        );
        seen.push(machine.root(AMPLIFIERS)?);
    }
    ensure!(
        seen[0] != seen[1] && seen[1] != seen[2],
        "the sound card did not change: {seen:?}"
    );
    let text = refused(machine, "volume.set percent=101")?;
    ensure!(text.contains("maximum of 100"), "{text}");
    // The machine has no screen with a light of its own.
    let text = refused(machine, "brightness.set percent=50")?;
    ensure!(text.contains("no screen whose light"), "{text}");
    let status = machine.root("cat /proc/$(pgrep -x argos-devices)/status")?;
    ensure!(
        status.contains("CapEff:\t0000000000000000") && status.contains("NoNewPrivs:\t1"),
        "argos-devices has kept privileges:\n{status}"
    );
    Ok(())
}

/// The panel's quick settings and the keyboard's keys for sound.
pub(crate) fn quick_settings(stage: &mut Stage) -> Result<()> {
    let machine = stage.desktop()?;
    sound_card(machine)?;
    show(machine, &["meta_l", "i"], "the quick settings", 0.02)?;
    machine.until("the volume in the quick settings", SOON, |m| {
        let text = m.read_screen()?;
        Ok((text.contains("Network") && text.contains('%')).then_some(()))
    })?;
    machine.keep_screen("quick-settings")?;
    let before = machine.root(AMPLIFIERS)?;
    // To the first row, and twice louder: a card is silent until somebody asks for sound.
    for key in ["down", "right", "right"] {
        machine.press(&[key])?;
    }
    let louder = machine.until("a louder sound card", SOON, |m| {
        Ok(Some(m.root(AMPLIFIERS)?).filter(|now| *now != before))
    })?;
    machine.press(&["esc"])?;
    machine.until("the quick settings' end", SOON, |m| {
        Ok((!m.read_screen()?.contains("Network")).then_some(()))
    })?;
    machine.press(&["volumeup"])?;
    machine.until("a louder sound card by its key", SOON, |m| {
        Ok((m.root(AMPLIFIERS)? != louder).then_some(()))
    })?;
    // A moment later it is gone again, so this may miss it; the picture is for people.
    machine.keep_screen("volume-key")?;
    Ok(())
}

/// The codec's own registers, and not what the service says of itself.
const AMPLIFIERS: &str = "grep -h 'Amp-Out vals' /proc/asound/card0/codec#*";

/// Waits for the sound card: it comes with the rest of the devices, after the desktop.
fn sound_card(machine: &mut Machine) -> Result<()> {
    machine.until("the sound card", SOON * 2, |m| {
        let found = m.root("ls /proc/asound/card0/codec#* 2>/dev/null || true")?;
        Ok((!found.trim().is_empty()).then_some(()))
    })
}

/// Only with permission, and without the question itself.
pub(crate) fn capture(stage: &mut Stage) -> Result<()> {
    let machine = stage.desktop()?;
    machine.press(&["meta_l", "ret"])?;
    terminal_is_ready(machine)?;
    // A program of the person's own that is not the broker.
    let text = machine.person("dbus-send --session --print-reply --dest=org.argos.Compositor1 /org/argos/Compositor1 org.argos.Compositor1.Capture uint64:0 2>&1 || true")?;
    ensure!(
        text.contains("org.argos.Error.Denied"),
        "a stranger was given: {text}"
    );

    let count = say(machine, "take a screenshot")?;
    let request = question(machine)?;
    machine.keep_screen("capture-prompt")?;
    ensure!(
        request["action"] == "read"
            && request["resource"] == "screen"
            && request["grantable"] != true,
        "asked for {request}"
    );
    // The person's own call, while the question is on the screen.
    let own = call(machine, "screen.capture")?;
    let path = own["path"].as_str().context("the picture's path")?;
    let picture = fetch(machine, path, "own-capture")?;
    let text = picture.text(machine.tree(), machine.folder())?;
    ensure!(
        !text.contains("asks for permission") && text.contains("argos@"),
        "the picture reads:\n{text}"
    );

    decide(machine, &request, &["alt", "o"])?;
    let answer = machine.until("the steward's answer", SOON, |m| answer_after(m, count))?;
    ensure!(answer.contains("I took a picture"), "{answer}");
    machine.keep_screen("capture-answer")?;
    let path =
        machine.person("ls -1N ~/.local/state/argos/agents/steward/workspace/Screen*.png")?;
    let given = fetch(machine, path.trim(), "given-capture")?;
    ensure!(
        (given.width, given.height) == (picture.width, picture.height),
        "{} by {}",
        given.width,
        given.height
    );
    let window = call(machine, "screen.capture window=terminal")?;
    let path = window["path"].as_str().context("the window's picture")?;
    let window = fetch(machine, path, "window-capture")?;
    ensure!(
        window.width < picture.width && window.height < picture.height,
        "{} by {}",
        window.width,
        window.height
    );
    let text = window.text(machine.tree(), machine.folder())?;
    ensure!(
        text.contains("argos@"),
        "the window's picture reads:\n{text}"
    );
    Ok(())
}

/// Brings a picture out of the machine, and keeps it.
fn fetch(machine: &mut Machine, path: &str, name: &str) -> Result<Screen> {
    let picture = bytes(machine, path)?;
    let file = machine.folder().join(format!("{name}.png"));
    std::fs::write(&file, picture)?;
    Screen::read(&file)
}

/// Brings a file out of the machine.
pub(crate) fn bytes(machine: &mut Machine, path: &str) -> Result<Vec<u8>> {
    let text = machine.root_within(&format!("base64 -w 0 '{path}'"), SOON * 4)?;
    base64(text.trim()).context("what the machine sent is no base64")
}

/// RFC 4648, as coreutils write it.
fn base64(text: &str) -> Option<Vec<u8>> {
    let value = |c: u8| {
        Some(u32::from(match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        }))
    };
    let text = text.trim_end_matches('=');
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
    for four in text.as_bytes().chunks(4) {
        let mut word = 0;
        for c in four {
            word = word << 6 | value(*c)?;
        }
        word <<= 6 * (4 - four.len());
        bytes.extend_from_slice(&word.to_be_bytes()[1..four.len()]);
    }
    Some(bytes)
}

/// Off is off: for links that are there, for new ones, and after the service was killed.
pub(crate) fn network(stage: &mut Stage) -> Result<()> {
    let machine = stage.desktop()?;
    machine.root(
        "modprobe dummy && ip link add t0 type dummy && ip addr add 10.9.0.1/24 dev t0 && ip link set t0 up && ip route add default via 10.9.0.2",
    )?;
    let status = call(machine, "network.status")?;
    ensure!(
        status["enabled"] == true && status["default_routes"][0]["gateway"] == "10.9.0.2",
        "network.status told {status}"
    );

    let status = call(machine, "network.set enabled=false")?;
    ensure!(status["enabled"] == false, "network.set told {status}");
    is_off(machine)?;

    machine.root("ip link set t0 up; ip link add t1 type dummy; ip link set t1 up")?;
    is_off(machine)?;
    let pid = machine.root("pgrep -x argos-network")?;
    machine.root(&format!("kill -9 {}; ip link set t0 up", pid.trim()))?;
    machine.until("the network service again", SOON, |m| {
        let now = m.root("pgrep -x argos-network || true")?;
        Ok((!now.trim().is_empty() && now != pid).then_some(()))
    })?;
    is_off(machine)?;

    let status = machine.until("the network switched on", SOON, |m| {
        Ok(call(m, "network.set enabled=true").ok())
    })?;
    ensure!(
        status["enabled"] == true && status["default_routes"][0]["gateway"] == "10.9.0.2",
        "network.set told {status}"
    );
    let status = machine.root("cat /proc/$(pgrep -x argos-network)/status")?;
    ensure!(
        status.contains("CapEff:\t0000000000001000"),
        "argos-network has more than CAP_NET_ADMIN:\n{status}"
    );
    Ok(())
}

fn is_off(machine: &mut Machine) -> Result<()> {
    machine.until("every link down but loopback", SOON, |m| {
        let up = m.root("ip -o link show up | grep -v LOOPBACK || true")?;
        Ok(up.trim().is_empty().then_some(()))
    })
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_is_read() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("Zg==", b"f"),
            ("Zm8=", b"fo"),
            ("Zm9v", b"foo"),
            ("Zm9vYg==", b"foob"),
            ("+/8=", b"\xfb\xff"),
        ] {
            assert_eq!(base64(text).unwrap(), bytes, "{text}");
        }
        assert_eq!(base64("a b"), None);
    }
}
