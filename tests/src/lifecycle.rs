//! Scenarios about booting, ending and what lies between two boots.

use std::time::Duration;

use anyhow::{Result, ensure};
use argos_e2e::machine::Machine;

use crate::stage::{BOOT, SOON, Stage, all_up, or_evidence, ready_for_chat, unit};

/// Ending a machine in order: every unit has its time to stop.
const END: Duration = Duration::from_secs(240);

pub(crate) fn memory_survives(stage: &mut Stage) -> Result<()> {
    let (mut machine, _) = stage.boot("memory-first-boot", "memory.qcow2")?;
    or_evidence(&mut machine, |machine| {
        ready_for_chat(machine, BOOT)?;
        let answer = machine.person("argos chat steward 'remember that my cat is called Mia'")?;
        ensure!(!answer.is_empty(), "no answer");
        machine.end_by("argos poweroff", END)
    })?;
    drop(machine);

    let (mut machine, _) = stage.boot("memory-second-boot", "memory.qcow2")?;
    or_evidence(&mut machine, |machine| {
        ready_for_chat(machine, BOOT)?;
        let answer = machine.person("argos chat steward 'what is my cat called?'")?;
        ensure!(
            answer.contains("Mia"),
            "after the reboot the answer is: {answer}"
        );
        Ok(())
    })
}

pub(crate) fn broken_input(stage: &mut Stage) -> Result<()> {
    let (mut machine, _) = stage.boot("broken-first-boot", "broken.qcow2")?;
    or_evidence(&mut machine, break_things)?;
    drop(machine);
    let (mut machine, _) = stage.boot("broken-second-boot", "broken.qcow2")?;
    or_evidence(&mut machine, |machine| {
        ready_for_chat(machine, BOOT)?;
        broken_files_are_explained(machine)?;
        missing_model_is_explained(machine)?;
        full_disk_is_survived(machine)
    })
}

fn break_things(machine: &mut Machine) -> Result<()> {
    ready_for_chat(machine, BOOT)?;
    machine.root("mkdir -p /etc/argos/units && printf 'kind: service\\nexcc: [/bin/true]\\n' > /etc/argos/units/broken.yaml")?;
    machine.person("mkdir -p ~/.local/state/argos/memory; argos stop --user memory; for f in ~/.local/state/argos/memory/*.mdb; do head -c 65536 /dev/urandom > $f; done")?;
    machine.root(
        "mkdir -p /var/lib/argos/models/half && echo '{}' > /var/lib/argos/models/half/config.json",
    )?;
    machine.end_by("argos poweroff", END)?;
    Ok(())
}

fn broken_files_are_explained(machine: &mut Machine) -> Result<()> {
    let status = machine.try_root("argos status")?.text + &machine.serial();
    ensure!(
        status.contains("broken.yaml:2") && status.contains("exec"),
        "the broken unit is not explained:\n{status}"
    );
    all_up(machine, true, &["memory"], SOON)?;
    let log = machine.person("argos log --user memory")?;
    ensure!(
        log.contains("corrupt"),
        "the corrupt memory is not explained:\n{log}"
    );
    let models = machine.person("argos model list")?;
    ensure!(
        models.contains("half") && models.contains("default"),
        "the broken model is not listed:\n{models}"
    );
    Ok(())
}

/// A default model without its graph, dropped over the shipped one: the agent says what is missing
/// instead of guessing, and is itself again when the folder is gone.
fn missing_model_is_explained(machine: &mut Machine) -> Result<()> {
    machine.root("mkdir -p /var/lib/argos/models/default && echo 'kind: planner' > /var/lib/argos/models/default/model.yaml && argos restart ai")?;
    let said = machine.try_root("as-person \"argos chat steward 'how much memory is free?'\"")?;
    eprintln!(
        "    without a model: {}",
        said.text.lines().last().unwrap_or_default()
    );
    ensure!(
        said.text.contains("is not there") && said.text.contains("/var/lib/argos/models/default"),
        "a missing model is not explained:\n{}",
        said.text
    );
    machine.root("rm -r /var/lib/argos/models/default && argos restart ai")?;
    machine.until("an answer by the shipped model", BOOT, |m| {
        let said = m.person("argos chat steward 'how much memory is free?'")?;
        Ok(said.contains("in use").then_some(()))
    })?;
    Ok(())
}

/// What cannot be kept is said, and the desktop stays.
fn full_disk_is_survived(machine: &mut Machine) -> Result<()> {
    // Allocated, not written: the host has no gigabytes to write then, however slow its disk is.
    machine.try_root(
        "mkdir /var/fill; n=0; for m in 1024 256 64 16 4 1; do \
         while fallocate -l ${m}M /var/fill/$n 2>/dev/null; do n=$((n+1)); done; \
         rm -f /var/fill/$n; done; dd if=/dev/zero of=/var/fill/rest bs=4k 2>/dev/null; sync; true",
    )?;
    let said =
        machine.try_root("as-person \"argos chat steward 'remember that the disk is full'\"")?;
    eprintln!(
        "    on a full disk: {}",
        said.text.lines().last().unwrap_or_default()
    );
    ensure!(!said.text.is_empty(), "a full disk is met with silence");
    let call = machine.try_root("as-person \"argos tools call notes.add text=full\"")?;
    ensure!(
        call.status != 0 && call.text.contains("No space left"),
        "a note on a full disk: status {}, {}",
        call.status,
        call.text
    );
    for name in ["compositor", "shell", "broker"] {
        let (state, _) = unit(machine, true, name)?;
        ensure!(state == "up", "on a full disk {name} is {state}");
    }
    machine.root("rm -r /var/fill")?;
    Ok(())
}

pub(crate) fn poweroff(stage: &mut Stage) -> Result<()> {
    let (mut machine, _) = stage.boot("poweroff", "poweroff.qcow2")?;
    or_evidence(&mut machine, |m| m.end_by("argos poweroff", END))?;
    let serial = machine.serial();
    ensure!(
        !serial.contains("Kernel panic"),
        "the kernel panicked at the end:\n{serial}"
    );
    drop(machine);
    // A file system that was not unmounted says so at the next mount.
    let (mut machine, _) = stage.boot("poweroff-again", "poweroff.qcow2")?;
    let kernel = machine.root("dmesg")?;
    ensure!(
        !kernel.contains("recovery complete") && !kernel.contains("recovering journal"),
        "the data disk was not unmounted"
    );
    Ok(())
}

/// The ISO as a USB disk, by UEFI.
pub(crate) fn iso_usb_uefi(stage: &mut Stage) -> Result<()> {
    by_firmware(stage, "usb", "uefi", "/dev/loop")
}

/// The ISO as an optical disc, by BIOS.
pub(crate) fn iso_cd_bios(stage: &mut Stage) -> Result<()> {
    by_firmware(stage, "cd", "bios", "/dev/loop")
}

/// The disk image, by UEFI.
pub(crate) fn disk_uefi(stage: &mut Stage) -> Result<()> {
    by_firmware(stage, "disk", "uefi", "/dev/vda3")
}

/// The disk image, by BIOS.
pub(crate) fn disk_bios(stage: &mut Stage) -> Result<()> {
    by_firmware(stage, "disk", "bios", "/dev/vda3")
}

/// Boots a medium by its own boot loader to the desktop; the root has to come from `root`.
fn by_firmware(stage: &mut Stage, medium: &str, firmware: &str, root: &str) -> Result<()> {
    let (mut machine, panel) =
        stage.boot_medium(&format!("{medium}-{firmware}"), medium, firmware)?;
    eprintln!("    panel after {panel:.1} s");
    or_evidence(&mut machine, |machine| {
        machine.keep_screen("desktop")?;
        let efi = machine.try_root("test -d /sys/firmware/efi")?.status == 0;
        ensure!(
            efi == (firmware == "uefi"),
            "it was not {firmware} that booted"
        );
        let source = machine.root("findmnt --noheadings --output SOURCE /")?;
        ensure!(
            source.starts_with(root),
            "the root is on {source} and not on {root}"
        );
        ready_for_chat(machine, BOOT)?;
        machine.end_by("argos poweroff", END)
    })?;
    Ok(())
}
