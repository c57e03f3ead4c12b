//! What the settings application shows and offers: what the files say, themes, wallpapers, keyboard layouts, this
//! machine.
//!
//! It reads many small files, so it is asked on a thread of its own.

use std::collections::BTreeSet;
use std::path::Path;

use crate::parts::settings::{About, Known};
use crate::preferences::{File, Files};
use crate::settings::data_home;
use crate::theme;

/// Where xkb lists its layouts.
const LAYOUTS: &str = "/usr/share/X11/xkb/rules/evdev.lst";
/// Folders with wallpapers, besides the person's own.
const WALLPAPERS: &str = "/usr/share/argos/wallpapers";

/// Everything that is known now.
pub fn take(files: &Files) -> Known {
    let titled = |name: String| {
        let title = theme::load(&name).map(|theme| theme.title);
        title.ok().map(|title| (name, title))
    };
    let layouts = std::fs::read_to_string(LAYOUTS).unwrap_or_default();
    Known {
        compositor: files.read(File::Compositor),
        shell: files.read(File::Shell),
        themes: theme::names().into_iter().filter_map(titled).collect(),
        wallpapers: wallpapers(
            Path::new(WALLPAPERS),
            data_home()
                .map(|home| home.join("argos/wallpapers"))
                .as_deref(),
        ),
        layouts: keyboard_layouts(&layouts),
        about: about(),
    }
}

/// Those of the system by name, those of the person by path.
fn wallpapers(system: &Path, own: Option<&Path>) -> Vec<String> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(system).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|ending| ending == "yaml")
            && let Some(name) = path.file_stem().and_then(|name| name.to_str())
        {
            found.insert(name.to_owned());
        }
    }
    let own = own
        .into_iter()
        .flat_map(|own| std::fs::read_dir(own).into_iter().flatten());
    for entry in own.flatten() {
        let path = entry.path();
        let png = path.extension().is_some_and(|ending| ending == "png");
        if let Some(path) = path.to_str().filter(|_| png) {
            found.insert(path.to_owned());
        }
    }
    found.into_iter().collect()
}

/// Names and titles of the layouts in xkb's list, by title.
fn keyboard_layouts(list: &str) -> Vec<(String, String)> {
    let lines = list.lines().skip_while(|line| line.trim() != "! layout");
    let section = lines.skip(1).take_while(|line| !line.starts_with('!'));
    let mut layouts: Vec<(String, String)> = section
        .filter_map(|line| line.trim().split_once(char::is_whitespace))
        .map(|(name, title)| (name.to_owned(), title.trim().to_owned()))
        // One that the person makes up is none to pick.
        .filter(|(name, _)| name != "custom")
        .collect();
    layouts.sort_by(|a, b| a.1.cmp(&b.1));
    layouts
}

fn about() -> About {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, key: &str, between: char| {
        let mut lines = text.lines().filter_map(|line| line.split_once(between));
        let found = lines.find(|(name, _)| name.trim() == key);
        found.map(|(_, value)| value.trim().trim_matches('"').to_owned())
    };
    let version = env!("CARGO_PKG_VERSION");
    let system = field(&read("/etc/os-release"), "PRETTY_NAME", '=');
    let dmi = |name: &str| read(&format!("/sys/class/dmi/id/{name}")).trim().to_owned();
    let machine = [dmi("sys_vendor"), dmi("product_name")];
    let machine: Vec<String> = machine
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    let processor = read("/proc/cpuinfo");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let processor = field(&processor, "model name", ':').map(|name| format!("{name} × {cores}"));
    let memory = read("/proc/meminfo");
    let kib = |key: &str| {
        let value = field(&memory, key, ':')?;
        value.strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    About {
        system: system.map_or_else(
            || format!("ArgOS {version}"),
            |name| format!("{name}, argos-shell {version}"),
        ),
        machine: machine.join(" "),
        processor: processor.unwrap_or_default(),
        memory: kib("MemTotal")
            .zip(kib("MemAvailable"))
            .map(|(all, free)| (all * 1024, free * 1024)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_those_of_their_section() {
        let list = "! model\n  pc104  Generic\n\n! layout\n  us   English (US)\n  de   German\n  custom  A user-defined \
                    custom Layout\n\n! variant\n  intl  us: English\n";
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(
            keyboard_layouts(list),
            [pair("us", "English (US)"), pair("de", "German")]
        );
        assert_eq!(keyboard_layouts(""), []);
    }

    #[test]
    fn wallpapers_are_the_systems_and_the_persons_pictures() {
        let root = tempfile::tempdir().unwrap();
        let (system, own) = (root.path().join("system"), root.path().join("own"));
        for folder in [&system, &own] {
            std::fs::create_dir(folder).unwrap();
        }
        for file in [
            system.join("sea.yaml"),
            own.join("cat.png"),
            own.join("notes.txt"),
        ] {
            std::fs::write(file, "").unwrap();
        }
        let cat = own.join("cat.png").display().to_string();
        assert_eq!(wallpapers(&system, Some(&own)), [cat, "sea".to_owned()]);
        assert!(wallpapers(&root.path().join("nowhere"), None).is_empty());
    }

    #[test]
    fn this_machine_is_known() {
        let about = about();
        assert!(!about.system.is_empty());
        assert!(
            about
                .memory
                .is_some_and(|(all, free)| all > free && free > 0)
        );
    }
}
