//! `image.yaml`: what the image is made of.
//!
//! The types are the one place where a key is declared: parsing, `summary --keys` (by way of the
//! JSON Schema) and defaults come from here. A profile adds to lists and replaces single values.
//! [`Config::load`] finds what is wrong with the file by itself, [`Config::check_against`] what does
//! not fit the repository; both before anything is built.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path;

use anyhow::{Result, bail};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::values::{Compression, Resolution, Size, Word, suggestion};
use crate::workspace::Workspace;

/// The whole of `image.yaml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
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
    /// Debian packages of the tree that `test --windows` checks the hosted crates in.
    pub windows_packages: Vec<String>,
    /// Script that is run in the tree, as root, after the packages.
    #[serde(default)]
    pub customize: Option<Word>,
    /// Folders laid over the tree, in this order.
    #[serde(default)]
    pub overlays: Vec<Overlay>,
    /// Programs of the workspace that go to /usr/bin.
    pub programs: Vec<Word>,
    /// Programs of the workspace, each a package of its own, that are linked statically.
    pub static_programs: Vec<Word>,
    /// Script that makes the default model.
    #[serde(default)]
    pub model: Option<Word>,
    /// Folder of Markdown files that are indexed, together with the packages' manual pages, for
    /// questions about the system. Needs `model` and the program `argos`.
    #[serde(default)]
    pub documentation: Option<Word>,
    /// Cargo profile the programs are compiled with.
    pub cargo_profile: Word,
    /// Kernel modules the initrd loads at once.
    pub initrd_modules: Vec<String>,
    /// Kernel modules the initrd loads if no root has shown up.
    #[serde(default)]
    pub initrd_fallback_modules: Vec<String>,
    /// Whether the initrd has a shell (busybox), opened as root on the console when no root is found.
    #[serde(default)]
    pub initrd_shell: bool,
    /// Words of the kernel's command line.
    #[serde(default)]
    pub kernel_command_line: Vec<String>,
    /// EROFS compressor with an optional level: `lz4`, `lz4hc,9`, `zstd,15`.
    pub compression: Compression,
    /// The virtual machine that `vm` and `test` start.
    pub vm: Vm,
    /// Named changes to the above, chosen by `--profile`.
    #[serde(default)]
    pub profiles: BTreeMap<String, Profile>,
}

/// A folder of the repository and where it goes in the image.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Overlay {
    /// Folder, relative to the repository.
    pub from: Word,
    /// Folder in the image.
    pub to: Word,
}

/// The virtual machine.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Vm {
    /// Memory, with a unit: `2G`.
    pub memory: Size,
    /// Processors.
    pub cpus: NonZeroU32,
    /// Screen, `WIDTHxHEIGHT` in pixels.
    pub resolution: Resolution,
    /// Size of the data disk that is made on the first start: `4G`. It takes only what is written.
    pub data_disk: Size,
}

/// What a profile may change.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Profile {
    /// Added packages.
    pub packages: Vec<String>,
    /// Added packages of the build tree.
    pub build_packages: Vec<String>,
    /// Added overlays.
    pub overlays: Vec<Overlay>,
    /// Added programs of the workspace.
    pub programs: Vec<Word>,
    /// Added words of the kernel's command line.
    pub kernel_command_line: Vec<String>,
    /// Another cargo profile.
    pub cargo_profile: Option<Word>,
    /// With or without a shell in the initrd.
    pub initrd_shell: Option<bool>,
    /// Another compressor.
    pub compression: Option<Compression>,
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
            config.programs.extend(profile.programs);
            config
                .kernel_command_line
                .extend(profile.kernel_command_line);
            config.cargo_profile = profile.cargo_profile.unwrap_or(config.cargo_profile);
            config.initrd_shell = profile.initrd_shell.unwrap_or(config.initrd_shell);
            config.compression = profile.compression.unwrap_or(config.compression);
        }
        config.check(&file.display().to_string())?;
        Ok(config)
    }

    /// Finds what does not fit the repository at `top`: paths, programs, the cargo profile. `file`
    /// is what the configuration was read from.
    pub(crate) fn check_against(
        &self,
        file: &Path,
        top: &Path,
        workspace: &Workspace,
    ) -> Result<()> {
        let file = file.display().to_string();
        let scripts = [("customize", &self.customize), ("model", &self.model)];
        for (key, path) in scripts {
            if let Some(path) = path {
                present(&file, key, path, top, "file", Path::is_file)?;
            }
        }
        let folders = self.overlays.iter().map(|o| ("overlays", &o.from));
        for (key, path) in folders.chain(self.documentation.iter().map(|d| ("documentation", d))) {
            present(&file, key, path, top, "folder", Path::is_dir)?;
        }
        let programs = || workspace.programs.keys().map(String::as_str);
        for (key, words) in [
            ("programs", &self.programs),
            ("static-programs", &self.static_programs),
        ] {
            for word in words {
                let Some(package) = workspace.programs.get(&**word) else {
                    bail!(
                        "{}: `{key}`: the workspace has no program `{word}`{}",
                        word.place(&file),
                        suggestion(word, programs())
                    );
                };
                if key == "static-programs" && package != &**word {
                    bail!(
                        "{}: `{key}`: `{word}` is in the package `{package}`; only a program in a package of its own name can be linked statically",
                        word.place(&file)
                    );
                }
            }
        }
        let profile = &self.cargo_profile;
        if !workspace.profiles.contains(&**profile) {
            let known: Vec<&str> = workspace.profiles.iter().map(String::as_str).collect();
            bail!(
                "{}: `cargo-profile`: Cargo.toml has no profile `{profile}`{} (known: {})",
                profile.place(&file),
                suggestion(profile, known.iter().copied()),
                known.join(", ")
            );
        }
        Ok(())
    }

    fn check(&self, file: &str) -> Result<()> {
        let plain = |s: &str| {
            !s.is_empty()
                && s.chars()
                    .all(|c| c.is_ascii_alphanumeric() || "+-._:".contains(c))
                && !s.starts_with('-')
        };
        for (key, words) in [
            ("packages", &self.packages),
            ("build-packages", &self.build_packages),
            ("windows-packages", &self.windows_packages),
        ] {
            if let Some(word) = words.iter().find(|w| !plain(w)) {
                bail!(
                    "{file}: `{key}`: `{word}` is not a name (letters, digits and + - . _ : only)"
                );
            }
        }
        for (key, word) in [("name", &self.name), ("suite", &self.suite)] {
            if !plain(word) {
                bail!(
                    "{file}: `{key}`: `{word}` is not a name (letters, digits and + - . _ : only)"
                );
            }
        }
        if let Some(Overlay { to, .. }) = self.overlays.iter().find(|o| !o.to.starts_with('/')) {
            bail!(
                "{}: `overlays`: `to: {to}` must be an absolute path in the image; did you mean `/{to}`?",
                to.place(file)
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

/// Makes sure that a path of the repository is there.
fn present(
    file: &str,
    key: &str,
    path: &Word,
    top: &Path,
    kind: &str,
    fits: impl Fn(&Path) -> bool,
) -> Result<()> {
    let full = top.join(&**path);
    if fits(&full) {
        return Ok(());
    }
    // What lies beside it and is of the right kind.
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let beside: Vec<String> = top
        .join(folder)
        .read_dir()
        .into_iter()
        .flatten()
        .filter_map(|e| Some(e.ok()?.path()))
        .filter(|p| fits(p))
        .filter_map(|p| p.file_name()?.to_str().map(str::to_owned))
        .collect();
    let hint = suggestion(name, beside.iter().map(String::as_str));
    bail!(
        "{}: `{key}`: `{path}` is no {kind} of the repository{hint}",
        path.place(file)
    );
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
        assert!(test.programs.len() > plain.programs.len());
        assert_eq!(&*test.cargo_profile, "release");
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

    /// The message about the shipped file with one thing in it changed, and the changed line's number.
    fn message(old: &str, new: &str) -> (String, usize) {
        let text = std::fs::read_to_string(shipped()).unwrap();
        let line = text[..text.find(old).unwrap()].matches('\n').count() + 1;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("image.yaml");
        std::fs::write(&file, text.replacen(old, new, 1)).unwrap();
        let error = Config::load(&file, &["test".into()])
            .and_then(|config| config.check_against(&file, top(), workspace()))
            .expect_err(new);
        let error = format!("{error:#}");
        let rest = error.strip_prefix(&format!("{}:{line}:", file.display()));
        match rest {
            Some(rest) => (rest.to_owned(), line),
            None => panic!("not at line {line}: {error}"),
        }
    }

    fn top() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
    }

    /// Read once: cargo takes its time.
    fn workspace() -> &'static Workspace {
        static WORKSPACE: std::sync::OnceLock<Workspace> = std::sync::OnceLock::new();
        WORKSPACE.get_or_init(|| {
            let home = tempfile::tempdir().unwrap();
            let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
            Workspace::read(top(), Path::new(&cargo), home.path()).unwrap()
        })
    }

    #[test]
    fn the_shipped_file_fits_the_repository() {
        for name in ["test", "release"] {
            let config = Config::load(&shipped(), &[name.into()]).unwrap();
            config
                .check_against(&shipped(), top(), workspace())
                .unwrap();
        }
    }

    #[test]
    fn a_wrong_value_is_found_where_it_stands() {
        for (old, new, parts) in [
            (
                "compression: lz4hc,9",
                "compression: zst",
                ["`zst`", "`zstd`?"],
            ),
            ("memory: 2G", "memory: 2 GB", ["`2 GB`", "`2G`?"]),
            (
                "memory: 2G",
                "memory: 2048",
                ["`2048` is no size", "512M or 2G"],
            ),
            ("cpus: 2", "cpus: 0", ["0", "nonzero"]),
            (
                "resolution: 1280x800",
                "resolution: 1280",
                ["`1280`", "1280x800"],
            ),
            ("data-disk: 4G", "data-disk: 4 G", ["`4 G`", "`4G`?"]),
            (
                "customize: image-build/customize.sh",
                "customize: image-build/custom.sh",
                [
                    "`customize`: `image-build/custom.sh` is no file",
                    "`customize.sh`?",
                ],
            ),
            (
                "model: ai/train/build.sh",
                "model: ai/trian/build.sh",
                ["`model`: `ai/trian/build.sh` is no file", ""],
            ),
            (
                "{from: rootfs, to: /}",
                "{from: rotfs, to: /}",
                ["`overlays`: `rotfs` is no folder", "`rootfs`?"],
            ),
            (
                "to: /usr/share/argos/agents",
                "to: usr/share/argos/agents",
                ["`to: usr/share/argos/agents`", "`/usr/share/argos/agents`?"],
            ),
            (
                "  - argos-compositor\n",
                "  - argos-compositer\n",
                [
                    "`programs`: the workspace has no program `argos-compositer`",
                    "`argos-compositor`?",
                ],
            ),
            (
                "  - argos-exec\n",
                "  - argos-session\n",
                [
                    "`static-programs`: `argos-session` is in the package `argos-login`",
                    "",
                ],
            ),
            (
                "cargo-profile: ci",
                "cargo-profile: c1",
                [
                    "Cargo.toml has no profile `c1`",
                    "`ci`? (known: ci, dev, release)",
                ],
            ),
            // In a profile as well.
            (
                "{from: tests/rootfs, to: /}",
                "{from: tests/rootf, to: /}",
                ["`tests/rootf` is no folder", "`rootfs`?"],
            ),
        ] {
            let (message, line) = message(old, new);
            for part in parts {
                assert!(message.contains(part), "{new} in line {line}: {message}");
            }
        }
    }

    #[test]
    fn a_package_name_cannot_be_an_option() {
        let mut c = Config::load(&shipped(), &[]).unwrap();
        c.packages.push("--hook=rm".into());
        assert!(
            c.check("image.yaml")
                .unwrap_err()
                .to_string()
                .contains("--hook=rm")
        );
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
