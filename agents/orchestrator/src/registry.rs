//! Which agents there are: the folders they are found in.
//!
//! Only what people and the world need is read here. The broker reads the same manifests strictly
//! before it starts anything; what it says then is shown. Until then its names are shown already, so
//! what would look like another line or hides something is not taken over from it.

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
            // No agent has such a name, and what is shown must be one line.
            if name.chars().any(argos_config::misleads) {
                continue;
            }
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
    let file = folder.join("agent.yaml");
    let listing = argos_config::load::<Listing>(&file).map_err(|e| e.to_string());
    match listing.and_then(|listing| plain(listing, &file)) {
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
            broken: Some(e),
        },
    }
}

/// The listing, if its words are what they look like.
fn plain(listing: Listing, file: &Path) -> Result<Listing, String> {
    for (key, text) in [
        ("title", &listing.title),
        ("description", &listing.description),
    ] {
        if text.chars().any(argos_config::misleads) {
            let file = file.display();
            return Err(format!(
                "{file}: {key}: {text:?}; write plain text on one line"
            ));
        }
    }
    Ok(listing)
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
        agent(&own, "liar", "name: liar\ntitle: \"Steward\\nReally\"\n");
        agent(&own, "li\nar", "name: liar\ntitle: Liar\n");
        std::fs::create_dir_all(own.join("nothing")).unwrap();
        let found = find(&[system, own, dir.path().join("missing")]);
        let titles: Vec<&str> = found.iter().map(|k| k.title.as_str()).collect();
        assert_eq!(titles, ["broken", "liar", "Steward"]);
        assert!(
            found[0].broken.as_ref().unwrap().contains("title"),
            "{:?}",
            found[0].broken
        );
        let why = found[1].broken.as_ref().unwrap();
        assert!(why.contains("one line") && !why.contains('\n'), "{why}");
        assert!(found[2].autostart);
    }
}
