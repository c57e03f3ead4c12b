//! The initrd: argos-init, the modules that find the root, the lists that say which, and a shell if
//! `initrd-shell` asks for one.
//!
//! Modules are stored uncompressed, since one pass of zstd over the whole is quicker to undo at boot
//! than xz for each of them.

use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::assemble::{Outputs, place};
use crate::context::Context;
use crate::modules::Modules;
use crate::tree::Tree;

/// A shell that needs nothing else, in the build tree (package busybox-static).
const BUSYBOX: &str = "/bin/busybox";
/// Unpacks the modules in `$1` and packs all that is there as `$2`.
const PACK: &str = r#"
cd "$1"
find . -name '*.ko.xz' -exec xz --decompress -- {} +
find . -mindepth 1 | LC_ALL=C sort | cpio --quiet --reproducible -o -H newc --owner=0:0 | zstd -q -T0 -15 -f -o "$2"
"#;

/// Packs the initrd and copies the kernel beside it.
pub(crate) fn pack(context: &Context, outputs: &Outputs, root: &Path, stage: &Path) -> Result<()> {
    let modules = Modules::read(root)?;
    let first = modules.closure(&context.config.initrd_modules, &[])?;
    let fallback = modules.closure(&context.config.initrd_fallback_modules, &first)?;
    for folder in ["dev", "proc", "sys", "run", "sysroot", "etc/argos-initrd"] {
        std::fs::create_dir_all(stage.join(folder))?;
    }
    if context.config.initrd_shell {
        place_shell(&outputs.tree, stage)?;
    }
    place(&root.join("usr/bin/argos-init"), &stage.join("init"), 0o755)?;
    std::fs::write(stage.join("etc/initrd-release"), "ID=argos\nNAME=ArgOS\n")?;
    let folder = format!("usr/lib/modules/{}", modules.version);
    for (name, list) in [("modules", &first), ("modules.fallback", &fallback)] {
        let mut lines = String::new();
        for path in list {
            let plain = path.strip_suffix(".xz").unwrap_or(path);
            lines.push_str(&format!("/{folder}/{plain}\n"));
            place(
                &modules.folder.join(path),
                &stage.join(&folder).join(path),
                0o644,
            )?;
        }
        std::fs::write(stage.join("etc/argos-initrd").join(name), lines)?;
    }
    let partial = outputs.initrd.with_extension("partial");
    let mut command = outputs.tree.command(context, &context.top, "bash");
    command
        .args(["-o", "pipefail", "-euc", PACK, "bash"])
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

/// The shell where argos-init looks for it. busybox runs its own commands by name, without links.
fn place_shell(tree: &Tree, stage: &Path) -> Result<()> {
    let busybox = tree.inside(BUSYBOX);
    ensure!(
        busybox.is_file(),
        "`initrd-shell` takes busybox from the build tree, where it is not; add `busybox-static` to `build-packages`"
    );
    place(&busybox, &stage.join("bin/busybox"), 0o755)?;
    symlink("busybox", stage.join("bin/sh"))?;
    Ok(())
}
