//! Finding and mounting the root.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::mount::MountFlags;

use super::block::{self, Device};
use super::{SYSROOT, say};
use crate::console::Level;
use crate::{edge, mounts};

/// Name of the partition that holds the root.
const PARTITION: &str = "argos-root";
/// Label of the volume that holds the root's image.
const VOLUME: &str = "ARGOS";
/// The root's image on such a volume.
const IMAGE: &str = "live/root.erofs";
/// Where such a volume is mounted; it stays there below the real root's `/run`.
const MEDIUM: &str = "/run/argos/medium";
/// When the drivers that most machines do without are loaded.
const FALLBACK: Duration = Duration::from_millis(300);
/// When the console hears that something is being waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// What `argos.root=` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// `auto`: the partition `argos-root`, else the volume `ARGOS`.
    Auto,
    /// `/dev/…`: this device, with EROFS or with an ISO volume.
    Device(PathBuf),
    /// `PARTLABEL=…`: the partition of that name.
    Partition(String),
    /// `ISO:…`: the ISO volume of that label.
    Volume(String),
}

impl Wanted {
    /// Reads the value. The error says what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            path if path.starts_with("/dev/") => Ok(Self::Device(path.into())),
            _ => {
                let label =
                    |prefix: &str| text.strip_prefix(prefix).filter(|label| !label.is_empty());
                if let Some(name) = label("PARTLABEL=") {
                    Ok(Self::Partition(name.to_owned()))
                } else if let Some(name) = label("ISO:") {
                    Ok(Self::Volume(name.to_owned()))
                } else {
                    Err(format!(
                        "`argos.root={text}` is not understood; it can be auto, /dev/NAME, PARTLABEL=NAME or ISO:LABEL"
                    ))
                }
            }
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Auto => {
                format!("a partition named `{PARTITION}` or an ISO volume labelled `{VOLUME}`")
            }
            Self::Device(path) => format!("`{}`", path.display()),
            Self::Partition(name) => format!("a partition named `{name}`"),
            Self::Volume(label) => format!("an ISO volume labelled `{label}`"),
        }
    }
}

/// Where a root may be.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Candidate {
    /// The device is the root.
    Erofs(PathBuf),
    /// The device holds the root's image.
    Iso(PathBuf),
}

/// Waits for the root and mounts it. Yields a description; the error says what was looked for and
/// what was there.
pub fn find_and_mount(wanted: &Wanted, limit: Duration) -> Result<String, String> {
    let begin = Instant::now();
    let mut told = false;
    let mut fallback = false;
    let mut last_error = None;
    loop {
        let devices = block::devices();
        for candidate in candidates(wanted, &devices) {
            match mount(&candidate) {
                Ok(description) => return Ok(description),
                Err(error) => {
                    if last_error.as_ref() != Some(&error) {
                        say(Level::Warning, &error);
                    }
                    last_error = Some(error);
                }
            }
        }
        if begin.elapsed() > limit {
            let there: Vec<String> = devices
                .iter()
                .map(|d| d.path.display().to_string())
                .collect();
            let why = last_error
                .map(|error| format!(" ({error})"))
                .unwrap_or_default();
            return Err(format!(
                "no root after {} s: looked for {}{why}; block devices here: {}",
                limit.as_secs(),
                wanted.describe(),
                if there.is_empty() {
                    "none".to_owned()
                } else {
                    there.join(" ")
                },
            ));
        }
        if !fallback && begin.elapsed() > FALLBACK {
            fallback = true;
            super::load_modules("modules.fallback");
        }
        if !told && begin.elapsed() > PATIENCE {
            told = true;
            say(
                Level::Warning,
                &format!("waiting for {}", wanted.describe()),
            );
        }
        std::thread::sleep(Duration::from_millis(if begin.elapsed() < PATIENCE {
            20
        } else {
            250
        }));
    }
}

fn candidates(wanted: &Wanted, devices: &[Device]) -> Vec<Candidate> {
    let named = |name: &str| {
        let mine = devices
            .iter()
            .filter(|d| d.partition_name.as_deref() == Some(name));
        mine.map(|d| Candidate::Erofs(d.path.clone()))
            .collect::<Vec<_>>()
    };
    // On a hybrid image the label is seen on the whole device and maybe on a partition; the whole
    // device comes first in the list.
    let labelled = |label: &str| {
        let mine = devices
            .iter()
            .filter(|d| block::iso_label(&d.path).as_deref() == Some(label));
        mine.map(|d| Candidate::Iso(d.path.clone()))
            .collect::<Vec<_>>()
    };
    match wanted {
        Wanted::Auto => {
            let partitions = named(PARTITION);
            if partitions.is_empty() {
                labelled(VOLUME)
            } else {
                partitions
            }
        }
        Wanted::Device(path) if block::is_erofs(path) => vec![Candidate::Erofs(path.clone())],
        Wanted::Device(path) if block::iso_label(path).is_some() => {
            vec![Candidate::Iso(path.clone())]
        }
        Wanted::Device(_) => Vec::new(),
        Wanted::Partition(name) => named(name),
        Wanted::Volume(label) => labelled(label),
    }
}

fn mount(candidate: &Candidate) -> Result<String, String> {
    match candidate {
        Candidate::Erofs(device) => {
            mount_erofs(device)?;
            Ok(device.display().to_string())
        }
        Candidate::Iso(device) => {
            let source = device.display();
            mounts::mount(
                &source.to_string(),
                MEDIUM,
                "iso9660",
                MountFlags::RDONLY,
                "",
            )
            .map_err(|error| format!("cannot mount {source} as ISO 9660: {error}"))?;
            let mounted = mount_image(&Path::new(MEDIUM).join(IMAGE));
            if mounted.is_err() {
                let _ = rustix::mount::unmount(MEDIUM, rustix::mount::UnmountFlags::DETACH);
            }
            mounted
                .map(|()| format!("{IMAGE} on {source}"))
                .map_err(|error| format!("{source}: {error}"))
        }
    }
}

fn mount_image(image: &Path) -> Result<(), String> {
    let file = File::open(image).map_err(|error| format!("cannot open {IMAGE}: {error}"))?;
    let (device, _kept) = edge::attach_loop(file.as_fd())
        .map_err(|error| format!("cannot attach {IMAGE}: {error}"))?;
    mount_erofs(&device)
}

fn mount_erofs(device: &Path) -> Result<(), String> {
    let source = device.display().to_string();
    fs::create_dir_all(SYSROOT).map_err(|error| format!("cannot make {SYSROOT}: {error}"))?;
    mounts::mount(&source, SYSROOT, "erofs", MountFlags::RDONLY, "")
        .map_err(|error| format!("cannot mount {source} as EROFS: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_understood_or_refused() {
        assert_eq!(Wanted::parse("auto"), Ok(Wanted::Auto));
        assert_eq!(
            Wanted::parse("/dev/sda2"),
            Ok(Wanted::Device("/dev/sda2".into()))
        );
        assert_eq!(
            Wanted::parse("PARTLABEL=x"),
            Ok(Wanted::Partition("x".into()))
        );
        assert_eq!(
            Wanted::parse("ISO:ARGOS"),
            Ok(Wanted::Volume("ARGOS".into()))
        );
        for wrong in ["", "sda2", "PARTLABEL=", "ISO:", "UUID=1"] {
            assert!(Wanted::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_named_partition_is_taken_and_a_foreign_one_left() {
        let device = |path: &str, name: Option<&str>| Device {
            path: path.into(),
            partition_name: name.map(str::to_owned),
            is_partition: true,
        };
        let devices = [
            device("/dev/none1", Some("EFI")),
            device("/dev/none2", Some(PARTITION)),
        ];
        let found = candidates(&Wanted::Auto, &devices);
        assert_eq!(found, [Candidate::Erofs("/dev/none2".into())]);
        assert_eq!(candidates(&Wanted::Partition("other".into()), &devices), []);
    }
}
