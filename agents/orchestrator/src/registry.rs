//! Which agents there are: the folders they are found in.
//!
//! Only what people and the world need is read here. The broker reads the same manifests strictly
//! before it starts anything; what it says then is shown.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::world::Known;

/// What is read of `agent.yaml`. The other keys are the broker's.
#[derive(Debug, Deserialize)]
struct Listing {
    title: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    goals: Vec<String>,
    #[serde(default)]
    autostart: bool,
}

/// Finds agents in `folders`, earlier ones first: an agent of the person does not replace one of
/// the system that has its name. A folder whose manifest cannot be read is found as broken.
pub fn find(folders: &[PathBuf]) -> Vec<Known> {
    let mut found = BTreeMap::new();
    for folder in folders {
        let Ok(entries) = std::fs::read_dir(folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            if entry.path().join("agent.yaml").is_file() && !found.contains_key(&name) {
                let known = read(&name, &entry.path());
                found.insert(name, known);
            }
        }
    }
    found.into_values().collect()
}

fn read(name: &str, folder: &Path) -> Known {
    let folder_text = folder.display().to_string();
    match argos_config::load::<Listing>(&folder.join("agent.yaml")) {
        Ok(listing) => Known {
            name: name.to_owned(),
            title: listing.title,
            description: listing.description,
            goals: listing.goals,
            folder: folder_text,
            autostart: listing.autostart,
            broken: None,
        },
        Err(e) => Known {
            name: name.to_owned(),
            title: name.to_owned(),
            description: String::new(),
            goals: Vec::new(),
            folder: folder_text,
            autostart: false,
            broken: Some(e.to_string()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(folder: &Path, name: &str, text: &str) {
        std::fs::create_dir_all(folder.join(name)).unwrap();
        std::fs::write(folder.join(name).join("agent.yaml"), text).unwrap();
    }

    #[test]
    fn the_system_wins_and_broken_ones_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let (system, own) = (dir.path().join("system"), dir.path().join("own"));
        agent(
            &system,
            "steward",
            "name: steward\ntitle: Steward\nautostart: true\n",
        );
        agent(&own, "steward", "name: steward\ntitle: Impostor\n");
        agent(&own, "broken", "name: broken\n");
        std::fs::create_dir_all(own.join("nothing")).unwrap();
        let found = find(&[system, own, dir.path().join("missing")]);
        let titles: Vec<&str> = found.iter().map(|k| k.title.as_str()).collect();
        assert_eq!(titles, ["broken", "Steward"]);
        assert!(
            found[0].broken.as_ref().unwrap().contains("title"),
            "{:?}",
            found[0].broken
        );
        assert!(found[1].autostart);
    }
}
