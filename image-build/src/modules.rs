//! Kernel modules and what they depend on, as `modules.dep` and `modules.builtin` tell.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// The modules of one kernel.
#[derive(Debug)]
pub(crate) struct Modules {
    /// `/usr/lib/modules/VERSION`, below the tree's root.
    pub folder: PathBuf,
    pub version: String,
    /// Name with underscores -> path below `folder`, and the paths it needs, nearest first.
    dependencies: BTreeMap<String, (String, Vec<String>)>,
    builtin: BTreeSet<String>,
}

impl Modules {
    /// Reads the newest kernel's lists in the tree `root`.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let modules = root.join("usr/lib/modules");
        let mut versions: Vec<String> = std::fs::read_dir(&modules)
            .with_context(|| {
                format!(
                    "{}: cannot be read; is a kernel among the packages?",
                    modules.display()
                )
            })?
            .filter_map(|e| e.ok()?.file_name().into_string().ok())
            .filter(|v| modules.join(v).join("modules.dep").is_file())
            .collect();
        versions.sort();
        let Some(version) = versions.pop() else {
            bail!(
                "{}: no kernel's modules.dep is there; is a kernel among the packages?",
                modules.display()
            );
        };
        let folder = modules.join(&version);
        let text = |name: &str| {
            let file = folder.join(name);
            std::fs::read_to_string(&file)
                .with_context(|| format!("{}: cannot be read", file.display()))
        };
        let dependencies = parse_dependencies(&text("modules.dep")?);
        let builtin = text("modules.builtin")?.lines().map(module_name).collect();
        Ok(Self {
            folder,
            version,
            dependencies,
            builtin,
        })
    }

    /// The paths of `names` and all they depend on, in an order in which they can be loaded,
    /// without those in `loaded`. Modules built into the kernel need no file.
    pub(crate) fn closure(&self, names: &[String], loaded: &[String]) -> Result<Vec<String>> {
        let mut order: Vec<String> = Vec::new();
        for name in names {
            let name = name.replace('-', "_");
            if self.builtin.contains(&name) {
                continue;
            }
            let Some((path, needs)) = self.dependencies.get(&name) else {
                bail!("kernel {} has no module `{name}`", self.version);
            };
            // modules.dep lists the nearest first: the farthest has to be loaded first.
            for p in needs.iter().rev().chain([path]) {
                if !order.contains(p) && !loaded.contains(p) {
                    order.push(p.clone());
                }
            }
        }
        Ok(order)
    }
}

fn parse_dependencies(text: &str) -> BTreeMap<String, (String, Vec<String>)> {
    text.lines()
        .filter_map(|line| {
            let (path, needs) = line.split_once(':')?;
            let needs = needs.split_whitespace().map(str::to_owned).collect();
            Some((module_name(path), (path.to_owned(), needs)))
        })
        .collect()
}

/// `kernel/fs/isofs/isofs.ko.xz` -> `isofs`.
fn module_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split(".ko").next().unwrap_or(file).replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modules() -> Modules {
        let text = "a/net-failover.ko.xz: b/failover.ko.xz\nb/failover.ko.xz:\nc/virtio_net.ko.xz: a/net-failover.ko.xz b/failover.ko.xz\n";
        Modules {
            folder: PathBuf::new(),
            version: "6".into(),
            dependencies: parse_dependencies(text),
            builtin: BTreeSet::from(["ext2".to_owned()]),
        }
    }

    #[test]
    fn needs_come_first_and_once() {
        let order = modules()
            .closure(
                &["virtio-net".into(), "failover".into(), "ext2".into()],
                &[],
            )
            .unwrap();
        assert_eq!(
            order,
            [
                "b/failover.ko.xz",
                "a/net-failover.ko.xz",
                "c/virtio_net.ko.xz"
            ]
        );
        assert_eq!(
            modules()
                .closure(&["virtio_net".into()], &order[..2])
                .unwrap(),
            ["c/virtio_net.ko.xz"]
        );
    }

    #[test]
    fn an_unknown_module_is_named() {
        assert!(
            modules()
                .closure(&["nvmee".into()], &[])
                .unwrap_err()
                .to_string()
                .contains("nvmee")
        );
    }
}
