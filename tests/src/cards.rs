//! Scenarios on a machine with several graphics devices, some of which come and go.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use argos_e2e::machine::Machine;
use argos_e2e::screen::Screen;
use serde_json::{Value, json};

use crate::stage::{SOON, Stage, or_evidence, unit};

/// A second device from the start, and a slot for one that comes later, with room for its memory.
const QEMU: &[&str] = &[
    "-device",
    "virtio-gpu-pci,id=second,edid=on,xres=1024,yres=768",
    "-device",
    "pcie-root-port,id=plug,chassis=1,slot=1,mem-reserve=32M",
];
/// The share of a screen that another theme changes at least.
const REPAINTED: f64 = 0.3;
/// The kernel's driver of the first two devices, which lets go of them and takes them again.
const DRIVER: &str = "/sys/bus/virtio/drivers/virtio_gpu";

/// Every device's screen is drawn, those that come are taken in, and those that go take nothing else along; not even
/// the first one, or the last one.
pub(crate) fn come_and_go(stage: &mut Stage) -> Result<()> {
    let mut machine = stage.boot_with("cards", &[], QEMU)?;
    or_evidence(&mut machine, |machine| {
        has_outputs(machine, 2)?;
        let (_, compositor) = unit(machine, true, "compositor")?;
        repaints(machine, &[None, Some("second")])?;
        plug(machine)?;
        let_go(machine)?;
        let (state, now) = unit(machine, true, "compositor")?;
        ensure!(
            state == "up" && now == compositor,
            "the compositor was process {compositor} and is {state} as {now}"
        );
        Ok(())
    })
}

/// A device of another kind comes, is drawn on, and goes. Once only: QEMU 10 keeps the name of the memory of a
/// `bochs-display` that went, and aborts when another one comes.
fn plug(machine: &mut Machine) -> Result<()> {
    let device =
        json!({"driver": "bochs-display", "id": "third", "bus": "plug", "xres": 800, "yres": 600});
    machine.qmp().run("device_add", device)?;
    has_outputs(machine, 3)?;
    repaints(machine, &[Some("third"), None])?;
    machine.qmp().run("device_del", json!({ "id": "third" }))?;
    has_outputs(machine, 2)?;
    repaints(machine, &[None, Some("second")])
}

/// The driver lets go of the firmware's device, then of the other one, and takes both again.
fn let_go(machine: &mut Machine) -> Result<()> {
    let line = format!(
        "for d in {DRIVER}/virtio*; do echo ${{d##*/}} $(cat $d/../boot_vga); done 2>/dev/null"
    );
    let listed = machine.root(&line)?;
    let mut devices: Vec<(bool, &str)> = listed
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let device = words.next()?;
            Some((words.next() != Some("1"), device))
        })
        .collect();
    devices.sort_unstable();
    ensure!(
        devices.len() == 2 && !devices[0].0 && devices[1].0,
        "the driver has {listed}"
    );
    let (first, second) = (devices[0].1, devices[1].1);
    machine.root(&format!("echo {first} > {DRIVER}/unbind"))?;
    let left = has_outputs(machine, 1)?;
    ensure!(left[0]["width"] == 1024, "what is left is {}", left[0]);
    repaints(machine, &[Some("second")])?;
    machine.root(&format!("echo {second} > {DRIVER}/unbind"))?;
    has_outputs(machine, 0)?;
    machine.root(&format!("echo {second} > {DRIVER}/bind"))?;
    has_outputs(machine, 1)?;
    repaints(machine, &[Some("second")])?;
    machine.root(&format!("echo {first} > {DRIVER}/bind"))?;
    has_outputs(machine, 2)?;
    repaints(machine, &[None, Some("second")])
}

/// Waits until there are so many outputs, each with a name of its own.
fn has_outputs(machine: &mut Machine, count: usize) -> Result<Vec<Value>> {
    let outputs = machine.until(&format!("{count} outputs"), SOON, |m| {
        let outputs = m.person_json("argos desktop outputs --json")?;
        let outputs = outputs.as_array().context("a list of outputs")?.clone();
        Ok((outputs.len() == count).then_some(outputs))
    })?;
    let names: BTreeSet<_> = outputs
        .iter()
        .map(|output| output["name"].as_str())
        .collect();
    ensure!(names.len() == count, "names are used twice: {outputs:?}");
    Ok(outputs)
}

fn screen(machine: &mut Machine, device: Option<&str>) -> Result<Screen> {
    match device {
        Some(device) => machine.screen_of(device, 0),
        None => machine.screen(),
    }
}

/// Another theme is seen on the screens of all these devices, and the one before again.
fn repaints(machine: &mut Machine, devices: &[Option<&str>]) -> Result<()> {
    for theme in ["light", "dark"] {
        let mut before = Vec::new();
        for device in devices {
            before.push(screen(machine, *device)?);
        }
        machine.person(&format!("argos desktop theme {theme}"))?;
        for (device, before) in devices.iter().zip(&before) {
            let name = device.unwrap_or("first");
            machine.until(&format!("{theme} on the {name} screen"), SOON, |m| {
                let now = screen(m, *device)?;
                Ok((now.difference(before, now.all()) > REPAINTED).then_some(()))
            })?;
        }
    }
    Ok(())
}
