//! What the workspace has that `image.yaml` names: programs and cargo profiles.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// Profiles that cargo has by itself and that leave programs in a folder of that name.
const PROFILES: [&str; 2] = ["dev", "release"];

/// Names that the repository's Cargo.toml files declare.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    /// Program -> the package it is in.
    pub programs: BTreeMap<String, String>,
    pub profiles: BTreeSet<String>,
}

impl Workspace {
    /// Asks cargo, which compiles nothing for that and needs no network.
    pub(crate) fn read(top: &Path, cargo: &Path, cargo_home: &Path) -> Result<Self> {
        let output = Command::new(cargo)
            .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
            .arg("--manifest-path")
            .arg(top.join("Cargo.toml"))
            .env("CARGO_HOME", cargo_home)
            .output()
            .with_context(|| format!("{}: cannot be started", cargo.display()))?;
        ensure!(
            output.status.success(),
            "the workspace's programs are not known, since `cargo metadata` failed:\n{}",
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
        let metadata = serde_json::from_slice(&output.stdout)?;
        let manifest = top.join("Cargo.toml");
        let manifest = std::fs::read_to_string(&manifest)
            .with_context(|| format!("{}: cannot be read", manifest.display()))?;
        Ok(Self {
            programs: programs(&metadata),
            profiles: profiles(&manifest),
        })
    }
}

fn programs(metadata: &serde_json::Value) -> BTreeMap<String, String> {
    let list = |value: &serde_json::Value| value.as_array().cloned().unwrap_or_default();
    let mut programs = BTreeMap::new();
    for package in list(&metadata["packages"]) {
        for target in list(&package["targets"]) {
            if let (true, Some(program), Some(package)) = (
                list(&target["kind"]).iter().any(|k| k == "bin"),
                target["name"].as_str(),
                package["name"].as_str(),
            ) {
                programs.insert(program.to_owned(), package.to_owned());
            }
        }
    }
    programs
}

/// The tables `[profile.NAME]` of a Cargo.toml, which `cargo metadata` does not tell.
fn profiles(manifest: &str) -> BTreeSet<String> {
    let declared = manifest.lines().filter_map(|line| {
        let name = line.trim().strip_prefix("[profile.")?;
        name.split(['.', ']']).next()
    });
    declared.chain(PROFILES).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_those_declared_and_cargos_own() {
        let manifest = "[profile.ci]\ninherits = \"dev\"\n\n[profile.ci.package.\"*\"]\n[profile.slow]\n[package]\n";
        let found: Vec<String> = profiles(manifest).into_iter().collect();
        assert_eq!(found, ["ci", "dev", "release", "slow"]);
    }

    #[test]
    fn programs_are_known_by_their_package() {
        let metadata = serde_json::json!({"packages": [
            {"name": "argos-cli", "targets": [{"kind": ["bin"], "name": "argos"}, {"kind": ["test"], "name": "it"}]},
            {"name": "argos-bus", "targets": [{"kind": ["lib"], "name": "argos_bus"}]},
        ]});
        let found: Vec<(String, String)> = programs(&metadata).into_iter().collect();
        assert_eq!(found, [("argos".to_owned(), "argos-cli".to_owned())]);
    }
}
