//! The screen's light by the kernel's backlight class.
//!
//! One light may have several interfaces; the kernel's documentation (`sysfs-class-backlight`) says
//! which to prefer: firmware, then platform, then raw.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use argos_bus::devices::Brightness;
use argos_bus::{Error, Result};

use crate::backend::Light;

/// Kinds of interfaces, the best first.
const KINDS: [&str; 3] = ["firmware", "platform", "raw"];
/// Below so much of the most, in percent, nothing can be read on some screens.
const LEAST: u64 = 1;

/// See the module's page.
#[derive(Debug)]
pub(crate) struct Backlight {
    /// `/sys/class/backlight`.
    folder: PathBuf,
}

/// One interface.
#[derive(Debug)]
struct Interface {
    folder: PathBuf,
    name: String,
    most: u64,
}

impl Backlight {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn find(&self) -> Result<Interface> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(none()),
            Err(error) => {
                return Err(Error::Failed(format!("{}: {error}", self.folder.display())));
            }
        };
        entries
            .flatten()
            .filter_map(|entry| {
                let folder = entry.path();
                // Without a most there is no percentage; 0 would be a light without steps.
                let most = number(&folder.join("max_brightness")).ok()?;
                let kind = fs::read_to_string(folder.join("type")).unwrap_or_default();
                let rank = KINDS.iter().position(|known| *known == kind.trim());
                let name = entry.file_name().to_string_lossy().into_owned();
                (most > 0).then_some((
                    rank.unwrap_or(KINDS.len()),
                    Interface { folder, name, most },
                ))
            })
            .min_by(|(a, one), (b, other)| a.cmp(b).then_with(|| one.name.cmp(&other.name)))
            .map(|(_, interface)| interface)
            .ok_or_else(none)
    }
}

fn none() -> Error {
    Error::Unavailable(
        "this machine has no screen whose light can be set; external screens have buttons of their own"
            .to_owned(),
    )
}

fn number(file: &Path) -> io::Result<u64> {
    let text = fs::read_to_string(file)?;
    text.trim()
        .parse()
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no number"))
}

impl Interface {
    fn failed(&self, what: &str, error: &io::Error) -> Error {
        Error::Failed(format!("{what} of {}: {error}", self.name))
    }

    fn tell(&self) -> Result<Brightness> {
        let is = number(&self.folder.join("brightness"))
            .map_err(|error| self.failed("reading the brightness", &error))?
            .min(self.most);
        let percent = (is as f64 / self.most as f64 * 100.0).round() as u32;
        Ok(Brightness {
            // A light that is on is never 0.
            percent: percent.max(u32::from(is > 0)),
            device: self.name.clone(),
        })
    }

    fn set(&self, percent: u32) -> Result<()> {
        let least = (self.most * LEAST / 100).max(1);
        let wanted = (u128::from(self.most) * u128::from(percent) + 50) / 100;
        let wanted = u64::try_from(wanted)
            .unwrap_or(self.most)
            .clamp(least, self.most);
        // The file is there: what cannot be opened for writing is not made.
        fs::OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(self.folder.join("brightness"))
            .and_then(|mut file| io::Write::write_all(&mut file, wanted.to_string().as_bytes()))
            .map_err(|error| self.failed("setting the brightness", &error))
    }
}

impl Light for Backlight {
    fn brightness(&self) -> Result<Brightness> {
        self.find()?.tell()
    }

    fn set_brightness(&self, percent: u32) -> Result<Brightness> {
        let interface = self.find()?;
        interface.set(percent)?;
        interface.tell()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn light(folder: &Path, name: &str, kind: &str, is: &str, most: &str) {
        let at = folder.join(name);
        fs::create_dir_all(&at).unwrap();
        for (file, text) in [("type", kind), ("brightness", is), ("max_brightness", most)] {
            fs::write(at.join(file), format!("{text}\n")).unwrap();
        }
    }

    fn is(folder: &Path, name: &str) -> String {
        fs::read_to_string(folder.join(name).join("brightness")).unwrap()
    }

    #[test]
    fn the_best_interface_is_set_within_its_steps() {
        let folder = tempfile::tempdir().unwrap();
        light(folder.path(), "acpi_video0", "firmware", "7", "15");
        light(folder.path(), "intel_backlight", "raw", "600", "937");
        let backlight = Backlight::new(folder.path().into());
        let now = backlight.brightness().unwrap();
        assert_eq!((now.percent, now.device.as_str()), (47, "acpi_video0"));
        for (asked, raw, told) in [(100, "15", 100), (50, "8", 53), (1, "1", 7), (0, "1", 7)] {
            assert_eq!(backlight.set_brightness(asked).unwrap().percent, told);
            assert_eq!(is(folder.path(), "acpi_video0"), raw, "{asked} %");
        }
        assert_eq!(is(folder.path(), "intel_backlight"), "600\n");
    }

    #[test]
    fn a_light_is_never_set_to_nothing() {
        let folder = tempfile::tempdir().unwrap();
        light(folder.path(), "panel", "raw", "0", "120000");
        let backlight = Backlight::new(folder.path().into());
        assert_eq!(backlight.brightness().unwrap().percent, 0);
        assert_eq!(backlight.set_brightness(0).unwrap().percent, 1);
        assert_eq!(is(folder.path(), "panel"), "1200");
        light(
            folder.path(),
            "panel",
            "raw",
            "18446744073709551615",
            "18446744073709551615",
        );
        assert_eq!(backlight.set_brightness(100).unwrap().percent, 100);
    }

    #[test]
    fn no_light_is_unavailable_and_a_broken_one_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let nowhere = Backlight::new(folder.path().join("absent"));
        assert!(matches!(nowhere.brightness(), Err(Error::Unavailable(_))));
        light(folder.path(), "broken", "raw", "x", "0");
        light(folder.path(), "odd", "raw", "5", "many");
        fs::create_dir(folder.path().join("empty")).unwrap();
        let backlight = Backlight::new(folder.path().into());
        assert!(matches!(
            backlight.set_brightness(50),
            Err(Error::Unavailable(_))
        ));
        light(folder.path(), "half", "raw", "much", "10");
        assert!(matches!(backlight.brightness(), Err(Error::Failed(_))));
    }
}
