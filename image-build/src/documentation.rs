//! The index of the documentation: what questions about the system are answered from.
//!
//! `argos docs index` makes it, in the build tree, of the pages that `documentation` names and of the
//! manual pages of the image's packages. It is kept under the hash of these, of the model and of the
//! program. A new one takes over from the newest before it what stayed the same.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Result, bail, ensure};

use crate::compile::Model;
use crate::context::Context;
use crate::lock;
use crate::output::remove_folder;
use crate::steps::Fingerprint;
use crate::tree::Tree;

/// What makes the index.
const PROGRAM: &str = "argos";
/// Where the image's packages have their manual pages; the packed root has none.
const MANUALS: &str = "usr/share/man";
/// Indexes that are kept.
const KEPT: usize = 4;

/// Makes the index, or takes it from the cache. `None`: the image is to have none.
pub(crate) fn index(
    context: &Context,
    tree: &Tree,
    base: &Path,
    programs: &[PathBuf],
    model: Option<&Model>,
) -> Result<Option<PathBuf>> {
    let Some(pages) = &context.config.documentation else {
        return Ok(None);
    };
    let Some(model) = model else {
        bail!("`documentation` needs `model`: it makes the passages' embeddings");
    };
    let Some(program) = programs.iter().find(|path| path.ends_with(PROGRAM)) else {
        bail!("`documentation` needs `{PROGRAM}` among `programs`: it makes the index");
    };
    let pages = context.top.join(&**pages);
    let manuals = base.join(MANUALS);
    let mut print = Fingerprint::default()
        .path(program)?
        .path(&pages)?
        .text(&model.folder.to_string_lossy());
    if manuals.is_dir() {
        print = print.path(&manuals)?;
    }
    let cache = context.cache.join("documentation");
    let folder = cache.join(print.finish());
    let anew = context.renews(&folder);
    if !anew && context.uses(&folder)? {
        let what = "pages, model and program are unchanged";
        context.steps.kept("documentation", what);
        return Ok(Some(folder));
    }
    let _making = context.making()?;
    // Another run may have made it while this one waited.
    if !anew && context.uses(&folder)? {
        return Ok(Some(folder));
    }
    context
        .steps
        .step("documentation", "index the documentation", || {
            std::fs::create_dir_all(&cache)?;
            let partial = folder.with_extension("partial");
            for leftover in [&partial, &folder] {
                if leftover.exists() {
                    let _free = lock::claim(leftover)?;
                    remove_folder(leftover)?;
                }
            }
            let before = made(&cache);
            let mut command = tree.command(context, &context.top, "env");
            command
                .arg(format!("ARGOS_ONNXRUNTIME={}", model.runtime.display()))
                .arg(program)
                .args(["docs", "index"])
                .arg(&partial)
                .arg("--pages")
                .arg(&pages)
                .arg("--model")
                .arg(&model.folder);
            if manuals.is_dir() {
                command.arg("--manuals").arg(&manuals);
            }
            if let Some(newest) = before.first().filter(|_| !anew) {
                command.arg("--reuse").arg(newest);
            }
            context.steps.run(&mut command)?;
            ensure!(
                partial.is_dir(),
                "{}: {PROGRAM} did not make it",
                partial.display()
            );
            std::fs::rename(&partial, &folder)?;
            for old in before.iter().skip(KEPT - 1) {
                // Not one that another run packs.
                if let Ok(_free) = lock::claim(old) {
                    remove_folder(old)?;
                }
            }
            Ok(())
        })?;
    context.uses(&folder)?;
    Ok(Some(folder))
}

/// The indexes in the cache, newest first.
fn made(cache: &Path) -> Vec<PathBuf> {
    let mut found: Vec<(SystemTime, PathBuf)> = std::fs::read_dir(cache)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_none())
        .filter_map(|path| Some((path.metadata().ok()?.modified().ok()?, path)))
        .filter(|(_, path)| path.is_dir())
        .collect();
    found.sort_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, path)| path).collect()
}
