//! Block devices as the kernel shows them, and the labels in their first blocks.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// One disk, optical drive or partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// `/dev/…`.
    pub path: PathBuf,
    /// The partition's name in its table.
    pub partition_name: Option<String>,
    /// Whether it is a part of another device.
    pub is_partition: bool,
}

/// Every block device that may hold a file system, disks before their partitions.
pub fn devices() -> Vec<Device> {
    let mut found: Vec<Device> = fs::read_dir("/sys/class/block")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| device(&entry.path()))
        .collect();
    found.sort_by(|a, b| (a.is_partition, &a.path).cmp(&(b.is_partition, &b.path)));
    found
}

fn device(folder: &Path) -> Option<Device> {
    let uevent = fs::read_to_string(folder.join("uevent")).ok()?;
    let size: u64 = fs::read_to_string(folder.join("size"))
        .ok()?
        .trim()
        .parse()
        .ok()?;
    let device = parse_uevent(&uevent)?;
    let name = device.path.file_name()?.to_str()?;
    let memory = ["loop", "ram", "zram", "dm-", "md"]
        .iter()
        .any(|prefix| name.starts_with(prefix));
    (size > 0 && !memory).then_some(device)
}

fn parse_uevent(text: &str) -> Option<Device> {
    let value = |key: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
    };
    Some(Device {
        path: Path::new("/dev").join(value("DEVNAME")?),
        partition_name: value("PARTNAME").map(str::to_owned),
        is_partition: value("DEVTYPE") == Some("partition"),
    })
}

fn read_at<const N: usize>(path: &Path, offset: u64) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    File::open(path)
        .ok()?
        .read_exact_at(&mut bytes, offset)
        .ok()?;
    Some(bytes)
}

/// The volume label of an ISO 9660 file system, out of its primary volume descriptor.
pub fn iso_label(path: &Path) -> Option<String> {
    iso_label_of(&read_at(path, 16 * 2048)?)
}

fn iso_label_of(descriptor: &[u8; 72]) -> Option<String> {
    // Type 1 (primary), "CD001", version 1; the volume identifier is at 40, padded with spaces.
    if descriptor[..7] != *b"\x01CD001\x01" {
        return None;
    }
    Some(
        String::from_utf8_lossy(&descriptor[40..72])
            .trim_end_matches([' ', '\0'])
            .to_owned(),
    )
}

/// The volume label of an ext2, 3 or 4 file system, out of its superblock.
pub fn ext4_label(path: &Path) -> Option<String> {
    ext4_label_of(&read_at(path, 1024)?)
}

fn ext4_label_of(superblock: &[u8; 136]) -> Option<String> {
    // s_magic at 0x38, s_volume_name at 0x78, 16 bytes padded with zeros.
    if superblock[0x38..0x3a] != [0x53, 0xef] {
        return None;
    }
    let name = &superblock[0x78..0x88];
    let end = name
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(name.len());
    Some(String::from_utf8_lossy(&name[..end]).into_owned())
}

/// Whether the device begins with an EROFS superblock.
pub fn is_erofs(path: &Path) -> bool {
    read_at(path, 1024) == Some([0xe2, 0xe1, 0xf5, 0xe0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_read_with_its_name() {
        let text = "MAJOR=254\nMINOR=2\nDEVNAME=vda2\nDEVTYPE=partition\nDISKSEQ=9\nPARTN=2\nPARTNAME=argos-root\n";
        let expected = Device {
            path: "/dev/vda2".into(),
            partition_name: Some("argos-root".into()),
            is_partition: true,
        };
        assert_eq!(parse_uevent(text), Some(expected));
        assert_eq!(parse_uevent("MAJOR=1\n"), None);
    }

    #[test]
    fn labels_are_found_where_the_formats_put_them() {
        let mut iso = [b' '; 72];
        iso[..7].copy_from_slice(b"\x01CD001\x01");
        iso[40..45].copy_from_slice(b"ARGOS");
        assert_eq!(iso_label_of(&iso).as_deref(), Some("ARGOS"));
        iso[1] = b'X';
        assert_eq!(iso_label_of(&iso), None);

        let mut ext4 = [0; 136];
        ext4[0x38..0x3a].copy_from_slice(&[0x53, 0xef]);
        ext4[0x78..0x82].copy_from_slice(b"argos-data");
        assert_eq!(ext4_label_of(&ext4).as_deref(), Some("argos-data"));
        ext4[0x78..0x88].copy_from_slice(b"sixteen-letters!");
        assert_eq!(ext4_label_of(&ext4).as_deref(), Some("sixteen-letters!"));
        assert_eq!(ext4_label_of(&[0; 136]), None);
    }
}
