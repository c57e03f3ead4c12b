//! The initrd: argos-init, the modules that find the root, and the lists that say which.
//!
//! Modules are stored uncompressed, since one pass of zstd over the whole is quicker to undo at boot
//! than xz for each of them.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::assemble::{Outputs, place};
use crate::context::Context;
use crate::modules::Modules;

/// Packs the initrd and copies the kernel beside it.
pub(crate) fn pack(context: &Context, outputs: &Outputs, root: &Path, stage: &Path) -> Result<()> {
    let modules = Modules::read(root)?;
    let first = modules.closure(&context.config.initrd_modules, &[])?;
    let fallback = modules.closure(&context.config.initrd_fallback_modules, &first)?;
    for folder in ["dev", "proc", "sys", "run", "sysroot", "etc/argos-initrd"] {
        std::fs::create_dir_all(stage.join(folder))?;
    }
    place(&root.join("usr/bin/argos-init"), &stage.join("init"), 0o755)?;
    std::fs::write(stage.join("etc/initrd-release"), "ID=argos\nNAME=ArgOS\n")?;
    let folder = format!("usr/lib/modules/{}", modules.version);
    for (name, list) in [("modules", &first), ("modules.fallback", &fallback)] {
        let mut lines = String::new();
        for path in list {
            let plain = path.strip_suffix(".xz").unwrap_or(path);
            lines.push_str(&format!("/{folder}/{plain}\n"));
            unpack_module(
                context,
                &modules.folder.join(path),
                &stage.join(&folder).join(plain),
            )?;
        }
        std::fs::write(stage.join("etc/argos-initrd").join(name), lines)?;
    }
    let partial = outputs.initrd.with_extension("partial");
    let script = r#"cd "$1" && find . -mindepth 1 | LC_ALL=C sort | cpio --quiet --reproducible -o -H newc --owner=0:0 | zstd -q -T0 -15 -f -o "$2""#;
    let mut command = outputs.tree.command(context, &context.top, "bash");
    command
        .args(["-o", "pipefail", "-c", script, "bash"])
        .arg(stage)
        .arg(&partial);
    context.steps.run(&mut command)?;
    std::fs::rename(&partial, &outputs.initrd)?;

    let kernel = root.join(format!("boot/vmlinuz-{}", modules.version));
    ensure!(
        kernel.is_file(),
        "{}: the kernel is not there",
        kernel.display()
    );
    place(&kernel, &outputs.kernel, 0o644)
        .context("the kernel cannot be copied to the output folder")
}

fn unpack_module(context: &Context, from: &Path, to: &Path) -> Result<()> {
    if from.extension().is_none_or(|e| e != "xz") {
        return place(from, to, 0o644);
    }
    std::fs::create_dir_all(to.parent().unwrap_or(Path::new("/")))?;
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", r#"exec xz -dc -- "$1" >"$2""#, "sh"])
        .arg(from)
        .arg(to);
    context.steps.run(&mut command)
}
