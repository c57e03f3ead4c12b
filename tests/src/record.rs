//! Recording the screen: what is in the films, and that the panel says so meanwhile.

use std::time::Duration;

use anyhow::{Context as _, Error, Result, ensure};
use argos_e2e::machine::Machine;
use argos_e2e::screen::{Area, Screen};

use crate::stage::{SOON, Stage};
use crate::tools::bytes;

/// The dot of the sign, in the dark theme; and how high the panel is.
const DOT: [u8; 3] = [0xff, 0x8a, 0x84];
const PANEL: usize = 36;
/// How long is recorded.
const SECONDS: u64 = 3;

/// A window that changes all the time is recorded by a command, and the screen by a key.
pub(crate) fn record(stage: &mut Stage) -> Result<()> {
    let machine = stage.desktop()?;
    machine.person("weston-simple-shm >/tmp/simple-shm.log 2>&1 &")?;
    let window = machine.until("the window of weston-simple-shm", SOON, |m| {
        let windows = m.person_json("argos desktop windows --json")?;
        Ok(windows[0]["id"].as_u64())
    })?;
    ensure!(
        !has_sign(&machine.screen()?),
        "the panel says that the screen is recorded, and it is not"
    );

    machine.person(&format!(
        "argos desktop record --json --window {window} --rate 4 /tmp/window.mkv >/tmp/record.json 2>/tmp/record.log &"
    ))?;
    let before = sign(machine, true)?;
    machine.keep_screen("recording")?;
    std::thread::sleep(Duration::from_secs(SECONDS));
    let refused = machine.person("! argos desktop record --seconds 1 2>&1")?;
    ensure!(refused.contains("recorded already"), "{refused}");
    let file = machine.person("argos desktop record --stop")?;
    ensure!(file.trim() == "/tmp/window.mkv", "it said {file}");
    is_notified(machine, &before)?;
    sign(machine, false)?;

    let outcome = machine.person_json("cat /tmp/record.json")?;
    let film = bytes(machine, "/tmp/window.mkv")?;
    let pictures = pictures_of(&film)?;
    ensure!(
        outcome["pictures"].as_u64() == Some(pictures as u64 - 1),
        "{pictures} pictures are there, and it said {outcome}"
    );
    // A slow machine makes few of them, but more than one.
    ensure!(pictures > 3, "there are only {pictures} pictures");

    machine.person(&format!("argos desktop close {window}"))?;
    machine.press(&["meta_l", "shift", "r"])?;
    sign(machine, true)?;
    machine.press(&["meta_l", "shift", "r"])?;
    sign(machine, false)?;
    let file = machine.person("ls -1N ~/Videos/Recording*.mkv")?;
    let film = bytes(machine, file.trim())?;
    pictures_of(&film)?;
    let (width, height) = size(&film)?;
    let screen = machine.screen()?;
    ensure!(
        (width, height) == (screen.width, screen.height),
        "the film has {width}x{height} pixels"
    );
    Ok(())
}

/// Waits until the panel says that the screen is recorded, or does not any more.
fn sign(machine: &mut Machine, shown: bool) -> Result<Screen> {
    let what = if shown {
        "the sign of a recording"
    } else {
        "the end of the sign"
    };
    machine.until(what, SOON, |m| {
        let screen = m.screen()?;
        Ok((has_sign(&screen) == shown).then_some(screen))
    })
}

fn has_sign(screen: &Screen) -> bool {
    let right = screen.width / 2..screen.width;
    let places = right.flat_map(|x| (0..PANEL).map(move |y| (x, y)));
    let red = places.filter(|(x, y)| {
        let pixel = screen.pixel(*x, *y);
        pixel.iter().zip(DOT).all(|(a, b)| a.abs_diff(b) < 24)
    });
    red.count() > 20
}

/// Something comes at the upper right, and says so.
fn is_notified(machine: &mut Machine, before: &Screen) -> Result<()> {
    let card = Area {
        x: before.width - 320,
        y: PANEL + 24,
        width: 280,
        height: 30,
    };
    // It stays for a few seconds: it is looked at later.
    let screen = machine.until("the notification", SOON, |m| {
        let screen = m.screen()?;
        Ok((screen.difference(before, card) > 0.05).then_some(screen))
    })?;
    let text = screen.text(machine.tree(), machine.folder())?;
    ensure!(text.contains("was recorded"), "the screen reads:\n{text}");
    Ok(())
}

/// Looks at every picture of a film, and returns how many there are.
fn pictures_of(film: &[u8]) -> Result<usize> {
    let film = argos_film::read(film).map_err(Error::msg)?;
    ensure!(film.whole, "the film was not ended");
    for picture in &film.pictures {
        let format = image::ImageFormat::Jpeg;
        let shown = image::load_from_memory_with_format(picture.jpeg, format)?;
        ensure!(
            (shown.width(), shown.height()) == (film.width, film.height),
            "a picture has {}x{} pixels, the film {}x{}",
            shown.width(),
            shown.height(),
            film.width,
            film.height
        );
    }
    Ok(film.pictures.len())
}

fn size(film: &[u8]) -> Result<(usize, usize)> {
    let film = argos_film::read(film).map_err(Error::msg)?;
    let size = usize::try_from(film.width).ok();
    size.zip(usize::try_from(film.height).ok())
        .context("the film's size")
}
