//! From packages, programs and overlays to kernel, initrd, root and disk image.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::compile::{self, Model};
use crate::context::{Context, human_size};
use crate::output::STAMP;
use crate::steps::Fingerprint;
use crate::tree::{self, Tree};
use crate::{disk, documentation, initrd};

/// What a build leaves, and what other steps need of its way there.
#[derive(Debug)]
pub(crate) struct Outputs {
    pub kernel: PathBuf,
    pub initrd: PathBuf,
    pub root: PathBuf,
    pub disk: PathBuf,
    /// The tree of packages that the root was made from.
    pub base: PathBuf,
    /// The tree the image was packed in.
    pub tree: Tree,
    programs: Vec<PathBuf>,
    model: Option<Model>,
    /// The index of the documentation.
    documentation: Option<PathBuf>,
}

/// The verb `build`.
pub(crate) fn build(context: &Context) -> Result<Outputs> {
    let _making = context.making()?;
    context.steps.fresh_logs()?;
    let tree = Tree::build(context)?;
    let base = tree::base(context)?;
    let programs = compile::programs(context, &tree)?;
    let model = compile::model(context, &tree)?;
    let documentation = documentation::index(context, &tree, &base, &programs, model.as_ref())?;
    let outputs = Outputs {
        kernel: context.result("vmlinuz"),
        initrd: context.result("initrd"),
        root: context.result("root.erofs"),
        disk: context.result("disk.raw"),
        base,
        tree,
        programs,
        model,
        documentation,
    };
    let print = fingerprint(context, &outputs)?;
    let stamp = context.output.join(STAMP);
    let results = [
        &outputs.kernel,
        &outputs.initrd,
        &outputs.root,
        &outputs.disk,
    ];
    let kept = std::fs::read_to_string(&stamp).is_ok_and(|old| old == print)
        && results.iter().all(|f| f.exists());
    if kept && context.force == 0 {
        context.steps.kept("pack", "nothing changed");
    } else {
        let _ = std::fs::remove_file(&stamp);
        pack(context, &outputs)?;
        std::fs::write(&stamp, print)?;
    }
    let size = |f: &Path| std::fs::metadata(f).map_or(0, |m| m.len());
    eprintln!(
        "==> {} ready in {}: kernel {}, initrd {}, root {}",
        context.config.name,
        context.steps.total(),
        human_size(size(&outputs.kernel)),
        human_size(size(&outputs.initrd)),
        human_size(size(&outputs.root)),
    );
    eprintln!("    {}", context.output.display());
    Ok(outputs)
}

/// Everything that the packed files depend on.
fn fingerprint(context: &Context, outputs: &Outputs) -> Result<String> {
    let c = &context.config;
    let mut print = Fingerprint::default()
        .text(&outputs.base.to_string_lossy())
        // The shell of the initrd and the boot loader come from there.
        .text(&outputs.tree.root.to_string_lossy())
        .text(&c.compression.to_string())
        .text(&c.initrd_shell.to_string())
        .text(&c.kernel_command_line.join(" "))
        .text(&c.initrd_modules.join(" "))
        .text(&c.initrd_fallback_modules.join(" "));
    for program in &outputs.programs {
        print = print.path(program)?;
    }
    for overlay in &c.overlays {
        print = print
            .text(&overlay.to)
            .path(&context.top.join(&*overlay.from))?;
    }
    if let Some(model) = &outputs.model {
        print = print.text(&model.folder.to_string_lossy());
    }
    if let Some(folder) = &outputs.documentation {
        print = print.text(&folder.to_string_lossy());
    }
    // The builder itself: another version may pack differently.
    Ok(print.path(&std::env::current_exe()?)?.finish())
}

fn pack(context: &Context, outputs: &Outputs) -> Result<()> {
    let stage = context
        .cache
        .join("stage")
        .join(format!("pack-{}", std::process::id()));
    let root = stage.join("root");
    let result = pack_in(context, outputs, &stage, &root);
    let _ = rustix::mount::unmount(&root, rustix::mount::UnmountFlags::DETACH);
    let _ = std::fs::remove_dir_all(&stage);
    result
}

fn pack_in(context: &Context, outputs: &Outputs, stage: &Path, root: &Path) -> Result<()> {
    context.steps.step(
        "assemble",
        "lay programs, model and overlays over the packages",
        || {
            tree::overlay(
                &outputs.base,
                &stage.join("upper"),
                &stage.join("work"),
                root,
            )?;
            install(context, outputs, root)?;
            strip(context, outputs, &stage.join("programs"), root)
        },
    )?;
    context.steps.step("initrd", "pack the initrd", || {
        initrd::pack(context, outputs, root, &stage.join("initrd"))
    })?;
    context.steps.step(
        "root",
        &format!("pack the root as EROFS ({})", context.config.compression),
        || {
            // mkfs.erofs runs in the build tree, which sees the stage by way of the cache; the overlay
            // was mounted after the cache was shared, so it is shared by itself.
            outputs.tree.share(root)?;
            let partial = outputs.root.with_extension("partial");
            let mut command = outputs.tree.command(context, &context.top, "mkfs.erofs");
            command
                .arg(format!("-z{}", context.config.compression))
                // Boot files are outputs of their own; the package manager's lists are of no use in a read-only
                // root; manual pages are in the index of the documentation.
                .args([
                    "--quiet",
                    "-C65536",
                    // Deduplication and packed tails would take a tenth of the size away, and nine
                    // tenths of the speed: with them only one processor works.
                    &format!(
                        "--workers={}",
                        std::thread::available_parallelism().map_or(1, usize::from)
                    ),
                    "-T0",
                    "-Uclear",
                    "--exclude-regex=^(boot/.+|etc/apt/.*|var/lib/apt/.*|var/cache/.*|usr/share/man/.*|tmp/.*)$",
                ])
                .arg(&partial)
                .arg(root);
            let packed = context.steps.run(&mut command);
            let _ = rustix::mount::unmount(
                outputs.tree.inside(root),
                rustix::mount::UnmountFlags::DETACH,
            );
            packed?;
            std::fs::rename(&partial, &outputs.root)?;
            Ok(())
        },
    )?;
    context
        .steps
        .step("disk", "write the bootable disk image", || {
            disk::raw(context, outputs, &stage.join("disk"))
        })
}

/// Takes out of the programs in `root` what only debuggers read, by way of a folder that the build tree sees: a
/// fifth of their size. Who debugs has the programs that cargo made.
fn strip(context: &Context, outputs: &Outputs, folder: &Path, root: &Path) -> Result<()> {
    let names = || {
        outputs
            .programs
            .iter()
            .filter_map(|program| program.file_name())
    };
    let mut command = outputs.tree.command(context, &context.top, "strip");
    command.arg("--strip-all");
    for (program, name) in outputs.programs.iter().zip(names()) {
        place(program, &folder.join(name), 0o755)?;
        command.arg(folder.join(name));
    }
    context.steps.run(&mut command)?;
    for name in names() {
        place(&folder.join(name), &root.join("usr/bin").join(name), 0o755)?;
    }
    Ok(())
}

/// Puts into `root` (a tree of the image's packages) what the workspace adds.
pub(crate) fn install(context: &Context, outputs: &Outputs, root: &Path) -> Result<()> {
    for program in &outputs.programs {
        let name = program.file_name().unwrap_or_default();
        place(program, &root.join("usr/bin").join(name), 0o755)?;
    }
    if let Some(model) = &outputs.model {
        lay_over(&model.folder, &root.join("usr/share/argos/models/default"))?;
        place(
            &model.runtime,
            &root.join("usr/lib/argos/libonnxruntime.so"),
            0o644,
        )?;
    }
    if let Some(folder) = &outputs.documentation {
        lay_over(folder, &root.join("usr/share/argos/documentation"))?;
    }
    for overlay in &context.config.overlays {
        lay_over(
            &context.top.join(&*overlay.from),
            &root.join(overlay.to.trim_start_matches('/')),
        )?;
    }
    let init = root.join("usr/sbin/init");
    let _ = std::fs::remove_file(&init);
    symlink("/usr/bin/argos-init", &init)
        .with_context(|| format!("{}: cannot be made", init.display()))?;
    Ok(())
}

/// Copies a folder's content over another, as root's files: 0755 where the executable bit is set,
/// 0644 elsewhere, since a checkout keeps no more than that.
fn lay_over(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).with_context(|| format!("{}: cannot be made", to.display()))?;
    for entry in
        std::fs::read_dir(from).with_context(|| format!("{}: cannot be read", from.display()))?
    {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            lay_over(&source, &target)?;
        } else if kind.is_symlink() {
            let _ = std::fs::remove_file(&target);
            symlink(std::fs::read_link(&source)?, &target)?;
        } else {
            let executable = entry.metadata()?.permissions().mode() & 0o100 != 0;
            place(&source, &target, if executable { 0o755 } else { 0o644 })?;
        }
    }
    Ok(())
}

/// Copies one file with the given mode, owned by root.
pub(crate) fn place(from: &Path, to: &Path, mode: u32) -> Result<()> {
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // Removed first: a link of the packages' tree must not be written through.
    let _ = std::fs::remove_file(to);
    std::fs::copy(from, to)
        .with_context(|| format!("{} cannot be copied to {}", from.display(), to.display()))?;
    std::fs::set_permissions(to, PermissionsExt::from_mode(mode))?;
    std::os::unix::fs::chown(to, Some(0), Some(0))?;
    Ok(())
}
