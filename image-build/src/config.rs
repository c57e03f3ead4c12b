//! `image.yaml`: what the image is made of.
//!
//! The types are the one place where a key is declared: parsing, `summary --keys` (by way of the
//! JSON Schema) and defaults come from here. A profile may set every key of the file but `profiles`
//! itself; lists grow, single values are replaced.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The whole of `image.yaml`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Config {
    /// Name of the output files.
    pub name: String,
    /// Debian release the trees are made of.
    pub suite: String,
    /// Debian packages of the image.
    pub packages: Vec<String>,
    /// Debian packages of the build tree.
    pub build_packages: Vec<String>,
    /// Script that is run in the tree, as root, after the packages.
    #[serde(default)]
    pub customize: Option<String>,
    /// Folders laid over the tree, in this order.
    #[serde(default)]
    pub overlays: Vec<Overlay>,
    /// Programs of the workspace that go to /usr/bin.
    pub programs: Vec<String>,
    /// Programs of the workspace, each a package of its own, that are linked statically.
    pub static_programs: Vec<String>,
    /// Script that makes the default model.
    #[serde(default)]
    pub model: Option<String>,
    /// Cargo profile the programs are compiled with.
    pub cargo_profile: String,
    /// Kernel modules the initrd loads at once.
    pub initrd_modules: Vec<String>,
    /// Kernel modules the initrd loads if no root has shown up.
    #[serde(default)]
    pub initrd_fallback_modules: Vec<String>,
    /// Words of the kernel's command line.
    #[serde(default)]
    pub kernel_command_line: Vec<String>,
    /// EROFS compressor with an optional level: `lz4`, `lz4hc,9`, `zstd,15`.
    pub compression: String,
    /// The virtual machine that `vm` and `test` start.
    pub vm: Vm,
    /// Named changes to the above, chosen by `--profile`.
    #[serde(default)]
    pub profiles: BTreeMap<String, Profile>,
}

/// A folder of the repository and where it goes in the image.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Overlay {
    /// Folder, relative to the repository.
    pub from: String,
    /// Folder in the image.
    pub to: String,
}

/// The virtual machine.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Vm {
    /// Memory, with a unit: `2G`.
    pub memory: String,
    /// Processors.
    pub cpus: u32,
    /// Screen, `WIDTHxHEIGHT` in pixels.
    pub resolution: Resolution,
    /// Size of the data disk that is made on the first start: `4G`. It takes only what is written.
    pub data_disk: String,
}

/// Width and height in pixels, written `1280x800`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub(crate) struct Resolution {
    pub width: u32,
    pub height: u32,
}

impl std::str::FromStr for Resolution {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is no resolution; write it like 1280x800 (320x200 to 7680x4320)");
        let (w, h) = text.split_once('x').ok_or_else(wrong)?;
        let (width, height) = (
            w.parse().map_err(|_| wrong())?,
            h.parse().map_err(|_| wrong())?,
        );
        if !(320..=7680).contains(&width) || !(200..=4320).contains(&height) {
            return Err(wrong());
        }
        Ok(Self { width, height })
    }
}

impl TryFrom<String> for Resolution {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Resolution> for String {
    fn from(r: Resolution) -> Self {
        format!("{}x{}", r.width, r.height)
    }
}

/// What a profile may change.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Profile {
    /// Added packages.
    pub packages: Vec<String>,
    /// Added packages of the build tree.
    pub build_packages: Vec<String>,
    /// Added overlays.
    pub overlays: Vec<Overlay>,
    /// Added words of the kernel's command line.
    pub kernel_command_line: Vec<String>,
    /// Another cargo profile.
    pub cargo_profile: Option<String>,
    /// Another compressor.
    pub compression: Option<String>,
}

impl Config {
    /// Reads the file and applies profiles in the order given.
    pub(crate) fn load(file: &Path, profiles: &[String]) -> Result<Self> {
        let mut config: Self = argos_config::load(file)?;
        for name in profiles {
            let Some(profile) = config.profiles.get(name).cloned() else {
                let known: Vec<&str> = config.profiles.keys().map(String::as_str).collect();
                bail!(
                    "no profile `{name}` in {}; there are: {}",
                    file.display(),
                    known.join(", ")
                );
            };
            config.packages.extend(profile.packages);
            config.build_packages.extend(profile.build_packages);
            config.overlays.extend(profile.overlays);
            config
                .kernel_command_line
                .extend(profile.kernel_command_line);
            config.cargo_profile = profile.cargo_profile.unwrap_or(config.cargo_profile);
            config.compression = profile.compression.unwrap_or(config.compression);
        }
        config
            .check()
            .with_context(|| format!("{}", file.display()))?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        let plain = |s: &str| {
            !s.is_empty()
                && s.chars()
                    .all(|c| c.is_ascii_alphanumeric() || "+-._:".contains(c))
                && !s.starts_with('-')
        };
        for (key, words) in [
            ("packages", &self.packages),
            ("build-packages", &self.build_packages),
            ("programs", &self.programs),
            ("static-programs", &self.static_programs),
        ] {
            if let Some(word) = words.iter().find(|w| !plain(w)) {
                bail!("`{key}`: `{word}` is not a name (letters, digits and + - . _ : only)");
            }
        }
        for (key, word) in [
            ("name", &self.name),
            ("suite", &self.suite),
            ("cargo-profile", &self.cargo_profile),
        ] {
            if !plain(word) {
                bail!("`{key}`: `{word}` is not a name (letters, digits and + - . _ : only)");
            }
        }
        if let Some(o) = self.overlays.iter().find(|o| !o.to.starts_with('/')) {
            bail!(
                "`overlays`: `to: {}` must be an absolute path in the image",
                o.to
            );
        }
        Ok(())
    }

    /// Every key with its explanation, for `summary --keys`.
    pub(crate) fn explain() -> String {
        let schema = serde_json::to_value(schemars::schema_for!(Self)).unwrap_or_default();
        let mut out = String::new();
        explain_object(&schema, &schema, 0, &mut out);
        out
    }
}

fn explain_object(
    schema: &serde_json::Value,
    root: &serde_json::Value,
    depth: usize,
    out: &mut String,
) {
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    for (key, value) in properties {
        let text = value["description"]
            .as_str()
            .unwrap_or_default()
            .replace('\n', " ");
        let indent = "  ".repeat(depth);
        out.push_str(&format!(
            "{indent}{key:<width$} {text}\n",
            width = 26 - indent.len()
        ));
        let inner = [
            &value["$ref"],
            &value["items"]["$ref"],
            &value["additionalProperties"]["$ref"],
        ]
        .into_iter()
        .find_map(|r| r.as_str())
        .and_then(|r| root.pointer(r.trim_start_matches('#')));
        if let Some(inner) = inner {
            explain_object(inner, root, depth + 1, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("image.yaml")
    }

    #[test]
    fn the_shipped_file_loads_with_every_profile() {
        let plain = Config::load(&shipped(), &[]).unwrap();
        for name in plain.profiles.keys() {
            Config::load(&shipped(), std::slice::from_ref(name)).unwrap();
        }
    }

    #[test]
    fn a_profile_adds_to_lists_and_replaces_values() {
        let plain = Config::load(&shipped(), &[]).unwrap();
        let test = Config::load(&shipped(), &["test".into(), "release".into()]).unwrap();
        assert!(test.packages.len() > plain.packages.len());
        assert_eq!(test.cargo_profile, "release");
    }

    #[test]
    fn an_unknown_profile_lists_what_there_is() {
        let e = Config::load(&shipped(), &["tests".into()])
            .unwrap_err()
            .to_string();
        assert!(e.contains("`tests`") && e.contains("release, test"), "{e}");
    }

    #[test]
    fn a_wrong_key_is_named_with_file_line_and_suggestion() {
        let text = std::fs::read_to_string(shipped())
            .unwrap()
            .replace("cargo-profile: ci", "cargo-profil: ci");
        let line = text
            .lines()
            .position(|l| l.starts_with("cargo-profil:"))
            .unwrap()
            + 1;
        let e = argos_config::parse::<Config>("image.yaml", &text)
            .unwrap_err()
            .to_string();
        assert!(
            e.starts_with(&format!("image.yaml:{line}:1: ")) && e.contains("`cargo-profile`?"),
            "{e}"
        );
    }

    #[test]
    fn a_package_name_cannot_be_an_option() {
        let mut c = Config::load(&shipped(), &[]).unwrap();
        c.packages.push("--hook=rm".into());
        assert!(c.check().unwrap_err().to_string().contains("--hook=rm"));
    }

    #[test]
    fn every_key_is_explained() {
        let text = Config::explain();
        for line in text.lines() {
            assert!(
                line.trim()
                    .split_once(' ')
                    .is_some_and(|(_, t)| !t.trim().is_empty()),
                "unexplained: {line}"
            );
        }
        assert!(text.contains("data-disk"));
    }

    #[test]
    fn resolutions() {
        assert_eq!(
            "1920x1080".parse(),
            Ok(Resolution {
                width: 1920,
                height: 1080
            })
        );
        for wrong in ["", "1920", "0x0", "axb", "99999x10"] {
            assert!(wrong.parse::<Resolution>().is_err(), "{wrong}");
        }
    }

    /// The pieces of `image.yaml` in the documentation, laid over the shipped one.
    #[test]
    fn documented_pieces_load() {
        let folder = std::env::temp_dir().join(format!("argos-image-docs-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("image.yaml");
        argos_docs::check("image", |block| {
            let piece = argos_config::parse(&block.place(), &block.text).map_err(text)?;
            let mut whole = argos_config::load(&shipped()).map_err(text)?;
            argos_config::merge(&mut whole, piece);
            std::fs::write(&file, whole.to_string()).map_err(text)?;
            let config = Config::load(&file, &[]).map_err(text)?;
            let profiles: Vec<String> = config.profiles.into_keys().collect();
            Config::load(&file, &profiles).map(drop).map_err(text)
        });
        std::fs::remove_dir_all(folder).unwrap();
    }

    fn text(error: impl Into<anyhow::Error>) -> String {
        format!("{:#}", error.into())
    }

    #[test]
    fn every_key_is_documented() {
        let page = argos_docs::page("docs/image.md").text;
        for line in Config::explain().lines() {
            let key = line.split_whitespace().next().unwrap();
            assert!(
                page.contains(&format!("`{key}`")),
                "docs/image.md: no `{key}`"
            );
        }
    }
}
