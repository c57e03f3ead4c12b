//! Bootable results: the disk image and the hybrid ISO.
//!
//! Both boot by GRUB, by BIOS and by UEFI, with the kernel and initrd beside it. On the disk image
//! the root is a GPT partition named `argos-root`; on the ISO it is the file `/live/root.erofs`.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::assemble::Outputs;
use crate::context::Context;

const MIB: u64 = 1 << 20;
const SECTOR: u64 = 512;
/// Where GRUB's second stage starts: the BIOS boot partition.
const CORE_START: u64 = MIB;
const ESP_START: u64 = 2 * MIB;
/// Room for GRUB, a kernel and an initrd, with as much again for an update beside them.
const ESP_SIZE: u64 = 96 * MIB;
const ROOT_START: u64 = ESP_START + ESP_SIZE;

/// Offsets in GRUB's first stage (`boot.img`): where it finds the second stage's first sector, and
/// the jump that makes it ask the BIOS for the boot drive; and in the second stage (`core.img`): the
/// sector it goes on reading at. From GRUB's `boot.S` and `diskboot.S`.
const BOOT_KERNEL_SECTOR: u64 = 0x5c;
const CORE_BLOCKLIST: u64 = 0x1f4;

const GRUB_MODULES: [&str; 14] = [
    "part_gpt",
    "part_msdos",
    "fat",
    "iso9660",
    "normal",
    "configfile",
    "linux",
    "search",
    "search_fs_file",
    "search_label",
    "test",
    "all_video",
    "echo",
    "ls",
];

/// What a medium's menu offers.
#[derive(Debug, Clone, Copy)]
struct Boot {
    title: &'static str,
    /// Words for the initrd: where the root and the changes are.
    words: &'static str,
}

/// Of an installed disk: its own partitions.
const DISK: Boot = Boot {
    title: "ArgOS",
    words: "argos.root=auto",
};
/// Of a medium to try ArgOS from: its own root, and nothing of the disks of the machine it is put
/// in, which may have an ArgOS of their own.
const LIVE: Boot = Boot {
    title: "ArgOS live (nothing is kept)",
    words: "argos.root=ISO:ARGOS argos.data=off",
};

fn menu(boot: Boot, kernel_words: &[String]) -> String {
    let Boot { title, words } = boot;
    let kernel_words = kernel_words.join(" ");
    let entry = |more_title: &str, more: &str| {
        format!(
            "menuentry \"{title}{more_title}\" {{\n  linux /argos/vmlinuz console=tty0 {words} {kernel_words}{more}\n  initrd /argos/initrd\n}}\n"
        )
    };
    format!(
        "set timeout=1\nset default=0\n{}{}",
        entry("", ""),
        entry(
            ", with messages and a shell on failure",
            " loglevel=6 argos.debug-shell"
        )
    )
}

/// Writes the disk image.
pub(crate) fn raw(context: &Context, outputs: &Outputs, stage: &Path) -> Result<()> {
    std::fs::create_dir_all(stage)?;
    let root_size = std::fs::metadata(&outputs.root)?.len();
    let root_sectors = root_size.div_ceil(SECTOR);
    let size = (ROOT_START + root_sectors * SECTOR).next_multiple_of(MIB) + MIB;
    let partial = outputs.disk.with_extension("partial");
    File::create(&partial)?.set_len(size)?;

    let table = format!(
        "label: gpt\nstart={}, size={}, type=21686148-6449-6E6F-744E-656564454649, name=argos-grub\nstart={}, size={}, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name=argos-esp\nstart={}, size={root_sectors}, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, name=argos-root\n",
        CORE_START / SECTOR,
        (ESP_START - CORE_START) / SECTOR,
        ESP_START / SECTOR,
        ESP_SIZE / SECTOR,
        ROOT_START / SECTOR,
    );
    std::fs::write(stage.join("table"), table)?;
    std::fs::write(
        stage.join("grub.cfg"),
        menu(DISK, &context.config.kernel_command_line),
    )?;
    std::fs::write(
        stage.join("search.cfg"),
        "search --no-floppy --file --set=root /argos/vmlinuz\nconfigfile ($root)/argos/grub.cfg\n",
    )?;
    let script = format!(
        r#"
stage=$1 disk=$2 kernel=$3 initrd=$4
sfdisk --quiet "$disk" <"$stage/table"
grub-mkimage -O x86_64-efi -p /argos -c "$stage/search.cfg" -o "$stage/bootx64.efi" {modules} efi_gop
grub-mkimage -O i386-pc -p /argos -c "$stage/search.cfg" -o "$stage/core.img" biosdisk {modules}
cp /usr/lib/grub/i386-pc/boot.img "$stage/boot.img"
truncate -s {esp} "$stage/esp"
mkfs.vfat -F32 -n ARGOS-ESP "$stage/esp" >/dev/null
mmd -i "$stage/esp" ::/EFI ::/EFI/BOOT ::/argos
mcopy -i "$stage/esp" "$stage/bootx64.efi" ::/EFI/BOOT/BOOTX64.EFI
mcopy -i "$stage/esp" "$kernel" ::/argos/vmlinuz
mcopy -i "$stage/esp" "$initrd" ::/argos/initrd
mcopy -i "$stage/esp" "$stage/grub.cfg" ::/argos/grub.cfg
"#,
        modules = GRUB_MODULES.join(" "),
        esp = ESP_SIZE,
    );
    let mut command = outputs.tree.command(context, &context.top, "sh");
    command
        .args(["-euc", &script, "sh"])
        .arg(stage)
        .arg(&partial)
        .arg(&outputs.kernel)
        .arg(&outputs.initrd);
    context.steps.run(&mut command)?;

    let mut disk = File::options().read(true).write(true).open(&partial)?;
    copy_at(&mut disk, ESP_START, &stage.join("esp"))?;
    copy_at(&mut disk, ROOT_START, &outputs.root)?;
    install_grub(&mut disk, &stage.join("boot.img"), &stage.join("core.img"))?;
    disk.sync_all()?;
    std::fs::rename(&partial, &outputs.disk)?;
    Ok(())
}

/// What `grub-bios-setup` does to a disk, done to an image file.
fn install_grub(disk: &mut File, boot: &Path, core: &Path) -> Result<()> {
    let mut boot = std::fs::read(boot)?;
    let mut core = std::fs::read(core)?;
    ensure!(
        boot.len() == SECTOR as usize,
        "GRUB's boot.img has {} bytes instead of 512",
        boot.len()
    );
    ensure!(
        core.len() as u64 <= ESP_START - CORE_START,
        "GRUB's core.img ({} bytes) does not fit its partition",
        core.len()
    );
    let first = CORE_START / SECTOR;
    put(&mut boot, BOOT_KERNEL_SECTOR, &first.to_le_bytes())?;
    put(&mut core, CORE_BLOCKLIST, &(first + 1).to_le_bytes())?;
    // The partition table (protective MBR) lies in the same sector behind the code.
    let mut sector = vec![0; SECTOR as usize];
    disk.seek(SeekFrom::Start(0))?;
    disk.read_exact(&mut sector)?;
    sector[..0x1b8].copy_from_slice(&boot[..0x1b8]);
    disk.seek(SeekFrom::Start(0))?;
    disk.write_all(&sector)?;
    disk.seek(SeekFrom::Start(CORE_START))?;
    disk.write_all(&core)?;
    Ok(())
}

fn put(image: &mut [u8], at: u64, bytes: &[u8]) -> Result<()> {
    let at = usize::try_from(at)?;
    let place = image
        .get_mut(at..at + bytes.len())
        .context("GRUB's image is too short")?;
    place.copy_from_slice(bytes);
    Ok(())
}

fn copy_at(disk: &mut File, start: u64, from: &Path) -> Result<()> {
    disk.seek(SeekFrom::Start(start))?;
    let mut source = File::open(from)?;
    std::io::copy(&mut source, disk)
        .with_context(|| format!("{} cannot be copied into the disk image", from.display()))?;
    Ok(())
}

/// The verb `iso`.
pub(crate) fn iso(context: &Context, outputs: &Outputs) -> Result<()> {
    let iso = context.result("iso");
    let stage = context
        .cache
        .join("stage")
        .join(format!("iso-{}", std::process::id()));
    let made = context.steps.step("iso", "write the hybrid ISO", || {
        for folder in ["boot/grub", "live", "argos"] {
            std::fs::create_dir_all(stage.join(folder))?;
        }
        std::fs::write(
            stage.join("boot/grub/grub.cfg"),
            menu(LIVE, &context.config.kernel_command_line),
        )?;
        for (from, to) in [
            (&outputs.kernel, "argos/vmlinuz"),
            (&outputs.initrd, "argos/initrd"),
            (&outputs.root, "live/root.erofs"),
        ] {
            // Hard links where output and cache share a file system: the root is big.
            let to = stage.join(to);
            if std::fs::hard_link(from, &to).is_err() {
                std::fs::copy(from, &to)
                    .with_context(|| format!("{} cannot be copied", from.display()))?;
            }
        }
        let partial = iso.with_extension("iso.partial");
        let mut command = outputs.tree.command(context, &context.top, "grub-mkrescue");
        command
            .args(["--compress=xz", "-o"])
            .arg(&partial)
            .arg(&stage)
            .args(["--", "-volid", "ARGOS"]);
        context.steps.run(&mut command)?;
        std::fs::rename(&partial, &iso)?;
        Ok(())
    });
    let _ = std::fs::remove_dir_all(&stage);
    made?;
    eprintln!("    {}", iso.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_medium_takes_no_root_and_no_data_from_a_disk() {
        let text = menu(LIVE, &["quiet".into()]);
        let kernels: Vec<&str> = text.lines().filter(|l| l.contains("vmlinuz")).collect();
        assert_eq!(
            kernels[0].trim(),
            "linux /argos/vmlinuz console=tty0 argos.root=ISO:ARGOS argos.data=off quiet"
        );
        for line in &kernels {
            assert!(
                line.contains("argos.root=ISO:ARGOS argos.data=off"),
                "{line}"
            );
        }
        assert_eq!(text.matches("menuentry \"ArgOS live").count(), 2);
        let disk = menu(DISK, &[]);
        assert!(disk.contains("argos.root=auto") && !disk.contains("argos.data"));
    }
}
