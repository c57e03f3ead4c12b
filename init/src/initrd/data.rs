//! What can be written: `/etc`, `/var` and `/home` as overlays over the read-only root.
//!
//! The upper layers are on the data disk if there is one, else in memory. The data disk is a
//! partition named `argos-data`, or a whole disk whose ext4 volume has that label.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::mount::MountFlags;

use super::block::{self, Device};
use super::{SYSROOT, say};
use crate::console::Level;
use crate::{mounts, system};

/// Name of the partition, and label of the volume.
const NAME: &str = "argos-data";
/// Where the disk is mounted; it stays there below the real root's `/run`.
const DISK: &str = "/run/argos/data";
/// Where changes are kept in memory.
const MEMORY: &str = "/run/argos/memory";
/// How long a data disk may appear after the root, which comes from another disk.
const LIMIT: Duration = Duration::from_millis(200);
/// What is laid over, with the permission bits of the top folder.
const WRITABLE: [(&str, u32); 3] = [("etc", 0o755), ("var", 0o755), ("home", 0o755)];

/// Mounts the data disk; yields where, or nothing if there is none that works (which is said).
pub fn mount() -> Option<PathBuf> {
    let begin = Instant::now();
    let device = loop {
        if let Some(device) = find(&block::devices()) {
            break device;
        }
        if begin.elapsed() > LIMIT {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let source = device.display().to_string();
    let flags = MountFlags::NOATIME | MountFlags::NODEV | MountFlags::NOSUID;
    let mounted = mounts::mount(&source, DISK, "ext4", flags, "errors=remount-ro").and_then(|()| {
        // A file system that came up read-only, or is full of holes, shows here.
        WRITABLE
            .iter()
            .try_for_each(|(name, mode)| prepare(Path::new(DISK), name, *mode))
    });
    match mounted {
        Ok(()) => Some(DISK.into()),
        Err(error) => {
            let _ = rustix::mount::unmount(DISK, rustix::mount::UnmountFlags::DETACH);
            let text = format!(
                "the data disk {source} cannot be used: {error}; this boot keeps its changes in memory only"
            );
            say(Level::Error, &text);
            None
        }
    }
}

fn find(devices: &[Device]) -> Option<PathBuf> {
    let named = devices
        .iter()
        .find(|device| device.partition_name.as_deref() == Some(NAME));
    let labelled = || {
        let mut disks = devices.iter().filter(|device| !device.is_partition);
        disks.find(|disk| block::ext4_label(&disk.path).as_deref() == Some(NAME))
    };
    named.or_else(labelled).map(|device| device.path.clone())
}

/// Makes the folders of one overlay.
fn prepare(base: &Path, name: &str, mode: u32) -> std::io::Result<()> {
    for (part, mode) in [("upper", mode), ("work", 0o700)] {
        let path = base.join(name).join(part);
        if !path.exists() {
            mounts::make_folder(&path.display().to_string(), mode)?;
        }
    }
    Ok(())
}

/// Mounts the overlays, with their upper layers on `disk` or in memory. The error says which could
/// not be.
pub fn lay_over(disk: Option<&Path>) -> Result<(), String> {
    let base = match disk {
        Some(disk) => disk.to_owned(),
        None => {
            let flags = MountFlags::NODEV | MountFlags::NOSUID;
            mounts::mount("tmpfs", MEMORY, "tmpfs", flags, "mode=0755,size=50%")
                .map_err(|error| format!("cannot make room in memory: {error}"))?;
            fs::write(system::LIVE_MARK, "")
                .map_err(|error| format!("cannot write {}: {error}", system::LIVE_MARK))?;
            PathBuf::from(MEMORY)
        }
    };
    for (name, mode) in WRITABLE {
        let target = format!("{SYSROOT}/{name}");
        if !Path::new(&target).is_dir() {
            say(
                Level::Warning,
                &format!("the root has no /{name}; it stays away"),
            );
            continue;
        }
        prepare(&base, name, mode)
            .map_err(|error| format!("cannot make the upper layer of /{name}: {error}"))?;
        let layer = base.join(name);
        // The lower layer changes with every update of the root, so that nothing may be stored
        // that ties the upper one to it.
        let options = format!(
            "lowerdir={target},upperdir={0}/upper,workdir={0}/work,index=off,xino=off,metacopy=off",
            layer.display()
        );
        mounts::mount("overlay", &target, "overlay", MountFlags::NODEV, &options)
            .map_err(|error| format!("cannot lay /{name} over the root: {error}"))?;
    }
    let flags = MountFlags::NODEV | MountFlags::NOSUID;
    mounts::mount(
        "tmpfs",
        &format!("{SYSROOT}/tmp"),
        "tmpfs",
        flags,
        "mode=1777",
    )
    .map_err(|error| format!("cannot mount /tmp: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_partition_goes_before_labels() {
        let device = |path: &str, name: Option<&str>| Device {
            path: path.into(),
            partition_name: name.map(str::to_owned),
            is_partition: name.is_some(),
        };
        let devices = [device("/dev/none", None), device("/dev/none3", Some(NAME))];
        assert_eq!(find(&devices), Some("/dev/none3".into()));
        assert_eq!(find(&devices[..1]), None);
    }

    #[test]
    fn a_labelled_disk_is_found_by_its_superblock() {
        let folder = std::env::temp_dir().join(format!("argos-data-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("disk");
        let mut image = vec![0; 4096];
        image[1024 + 0x38..1024 + 0x3a].copy_from_slice(&[0x53, 0xef]);
        image[1024 + 0x78..1024 + 0x82].copy_from_slice(NAME.as_bytes());
        fs::write(&path, &image).unwrap();
        let device = Device {
            path: path.clone(),
            partition_name: None,
            is_partition: false,
        };
        assert_eq!(find(std::slice::from_ref(&device)), Some(path));
        assert_eq!(
            find(&[Device {
                is_partition: true,
                ..device
            }]),
            None
        );
        fs::remove_dir_all(&folder).unwrap();
    }
}
