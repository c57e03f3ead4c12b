//! Where things are: repository, cache, output, configuration; and what of it this run holds.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::rc::{Rc, Weak};

use anyhow::{Context as _, Result, ensure};

use crate::Global;
use crate::config::Config;
use crate::lock::{self, Making};
use crate::output;
use crate::steps::Steps;
use crate::workspace::Workspace;

/// What every verb works with.
#[derive(Debug)]
pub(crate) struct Context {
    /// The repository.
    pub top: PathBuf,
    /// Trees, compiled programs, downloads.
    pub cache: PathBuf,
    /// Results.
    pub output: PathBuf,
    /// The output folder is the repository's, not one that a person named.
    own_output: bool,
    /// The pinned Rust toolchain.
    pub sysroot: PathBuf,
    /// cargo's downloads.
    pub cargo_home: PathBuf,
    pub config: Config,
    /// What it was read from.
    file: PathBuf,
    /// What this run was asked to do.
    verb: &'static str,
    pub profiles: Vec<String>,
    /// 0: keep what is there; 1: pack anew; 2: trees anew.
    pub force: u8,
    pub debug_shell: bool,
    pub steps: Steps,
    /// The right to make things, while some part of this run needs it.
    making: RefCell<Weak<Making>>,
    /// What this run uses until it ends.
    in_use: RefCell<Vec<File>>,
    /// What `force` has had made anew already.
    renewed: RefCell<BTreeSet<PathBuf>>,
}

impl Context {
    pub(crate) fn new(global: &Global, verb: &'static str) -> Result<Self> {
        let from_script = |name: &str| {
            std::env::var_os(name).map(PathBuf::from).with_context(|| {
                format!("{name} is not set; start this program by image-build/argos-image")
            })
        };
        let top = from_script("ARGOS_TOP")?;
        let cache = from_script("ARGOS_CACHE")?;
        let file = global
            .config
            .clone()
            .unwrap_or_else(|| top.join("image-build/image.yaml"));
        let config = Config::load(&file, &global.profile)?;
        // Each set of profiles has results of its own, so that the test image never stands in for the real one.
        let mut output = match &global.output_dir {
            Some(folder) => std::path::absolute(folder)?,
            None => top.join("image-build/output"),
        };
        if global.output_dir.is_none() && !global.profile.is_empty() {
            output.push(global.profile.join("+"));
        }
        let steps = Steps::new(output.join("log"));
        Ok(Self {
            sysroot: from_script("ARGOS_SYSROOT")?,
            cargo_home: from_script("ARGOS_CARGO_HOME")?,
            profiles: global.profile.clone(),
            force: global.force,
            debug_shell: global.debug_shell,
            own_output: global.output_dir.is_none(),
            top,
            cache,
            output,
            config,
            file,
            verb,
            steps,
            making: RefCell::default(),
            in_use: RefCell::default(),
            renewed: RefCell::default(),
        })
    }

    /// Building makes device nodes, owners and mounts: it needs root, and an output folder to write to.
    pub(crate) fn prepare(&self) -> Result<()> {
        ensure!(
            rustix::process::geteuid().is_root(),
            "`{}` needs root; start it by image-build/argos-image, which asks sudo",
            self.verb
        );
        output::prepare(&self.output, self.own_output)
    }

    /// Finds what in the configuration does not fit the repository.
    pub(crate) fn check(&self) -> Result<()> {
        let cargo = self.sysroot.join("bin/cargo");
        let workspace = Workspace::read(&self.top, &cargo, &self.cargo_home)?;
        self.config.check_against(&self.file, &self.top, &workspace)
    }

    /// Keeps other runs from making or removing anything for as long as some part of this one holds
    /// what is yielded. Waits for another run that does.
    pub(crate) fn making(&self) -> Result<Rc<Making>> {
        if let Some(held) = self.making.borrow().upgrade() {
            return Ok(held);
        }
        let taken = Rc::new(Making::wait(&self.cache, self.verb)?);
        self.making.replace(Rc::downgrade(&taken));
        Ok(taken)
    }

    /// Keeps other runs from removing this folder until this one ends. `false`: it is not there.
    pub(crate) fn uses(&self, folder: &Path) -> Result<bool> {
        let file = lock::share(folder)?;
        let there = file.is_some();
        self.in_use.borrow_mut().extend(file);
        Ok(there)
    }

    /// Whether a tree or a model that is there is to be made anew: with `-ff`, but once, since later
    /// parts of the run work in what the first made.
    pub(crate) fn renews(&self, path: &Path) -> bool {
        self.force >= 2 && self.renewed.borrow_mut().insert(path.to_owned())
    }

    /// An output file: `argos.SUFFIX`.
    pub(crate) fn result(&self, suffix: &str) -> PathBuf {
        self.output.join(format!("{}.{suffix}", self.config.name))
    }

    pub(crate) fn summary(&self) {
        let c = &self.config;
        let line = |key: &str, value: String| println!("{key:>20}: {value}");
        line("image", c.name.clone());
        line("Debian suite", c.suite.clone());
        line(
            "profiles",
            if self.profiles.is_empty() {
                "none".into()
            } else {
                self.profiles.join(", ")
            },
        );
        line(
            "packages",
            format!("{} ({})", c.packages.len(), c.packages.join(" ")),
        );
        line("build packages", format!("{}", c.build_packages.len()));
        line(
            "programs",
            [c.programs.join(" "), c.static_programs.join(" ")].join(" "),
        );
        line("cargo profile", c.cargo_profile.to_string());
        line(
            "overlays",
            c.overlays
                .iter()
                .map(|o| format!("{} -> {}", o.from, o.to))
                .collect::<Vec<_>>()
                .join(", "),
        );
        line("model", c.model.as_deref().unwrap_or("none").to_owned());
        let documentation = c.documentation.as_deref().unwrap_or("not indexed");
        line("documentation", documentation.to_owned());
        line("kernel command line", c.kernel_command_line.join(" "));
        line("compression", c.compression.to_string());
        line("initrd shell", c.initrd_shell.to_string());
        line(
            "virtual machine",
            format!(
                "{} memory, {} cpus, {}",
                c.vm.memory, c.vm.cpus, c.vm.resolution
            ),
        );
        line("output", self.output.display().to_string());
        line("cache", self.cache.display().to_string());
        for suffix in ["vmlinuz", "initrd", "root.erofs", "disk.raw", "iso"] {
            let path = self.result(suffix);
            let state = std::fs::metadata(&path)
                .map_or_else(|_| "not built".into(), |m| human_size(m.len()));
            line("result", format!("{} ({state})", path.display()));
        }
    }

    /// Removes results and, by `force`, caches.
    pub(crate) fn clean(&self) -> Result<()> {
        let _making = Making::now(&self.cache, self.verb)?;
        let mut folders = Vec::new();
        if self.force >= 1 {
            for part in ["trees", "model", "documentation", "stage"] {
                folders.push(self.cache.join(part));
            }
        }
        if self.force >= 2 {
            // The host folder holds this very program; the next start compiles it again.
            for part in ["target", "static", "windows", "cargo", "host"] {
                folders.push(self.cache.join(part));
            }
        }
        // All or nothing: whoever uses a tree uses what was compiled in it, too.
        let _free = folders
            .iter()
            .chain([&self.output])
            .map(|folder| lock::claim(folder))
            .collect::<Result<Vec<_>>>()?;
        output::remove(&self.output, self.own_output, &self.config.name)?;
        for folder in folders.iter().filter(|f| f.exists()) {
            output::remove_folder(folder)?;
            println!("removed {}", folder.display());
        }
        Ok(())
    }
}

/// A size in bytes with a binary unit, for people.
pub(crate) fn human_size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut size = bytes as f64;
    let mut unit = "B";
    for next in UNITS {
        if size < 1024.0 {
            break;
        }
        size /= 1024.0;
        unit = next;
    }
    if unit == "B" {
        format!("{bytes} B")
    } else {
        format!("{size:.1} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::human_size;

    #[test]
    fn sizes_for_people() {
        assert_eq!(human_size(12), "12 B");
        assert_eq!(human_size(1536), "1.5 KiB");
        assert_eq!(human_size(3 << 30), "3.0 GiB");
    }
}
