//! The Debian trees, and running programs in them.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};

use crate::context::Context;
use crate::lock;
use crate::output::remove_folder;
use crate::steps::Fingerprint;

/// Variables that lead programs to the registries: people behind proxies and private certificates
/// set them. Those that name files hold paths below [`CERTIFICATES`], which is there in the tree too.
const NETWORK_VARIABLES: [&str; 10] = [
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
];
const CERTIFICATES: &str = "/etc/ssl/certs";

/// A Debian tree in which programs run with the repository, the cache and the toolchain at the
/// paths they have on the host.
#[derive(Debug)]
pub(crate) struct Tree {
    pub root: PathBuf,
}

impl Tree {
    /// The build tree; made if it is not there.
    pub(crate) fn build(context: &Context) -> Result<Self> {
        Self::of(context, "build", &context.config.build_packages)
    }

    /// The tree with a compiler for Windows; made if it is not there.
    pub(crate) fn windows(context: &Context) -> Result<Self> {
        Self::of(context, "windows", &context.config.windows_packages)
    }

    fn of(context: &Context, name: &str, packages: &[String]) -> Result<Self> {
        let root = debian(context, name, "minbase", packages, None)?;
        let tree = Self { root };
        tree.mount(context)?;
        Ok(tree)
    }

    /// Mounts into the tree what its programs need. They go with this process's mount namespace.
    fn mount(&self, context: &Context) -> Result<()> {
        for folder in ["/proc", "/sys", "/dev"] {
            bind(Path::new(folder), &self.inside(folder), true)?;
        }
        bind(&context.top, &self.inside(&context.top), true)?;
        bind(&context.cache, &self.inside(&context.cache), false)?;
        std::fs::create_dir_all(&context.output)?;
        if !context.output.starts_with(&context.top) {
            bind(&context.output, &self.inside(&context.output), false)?;
        }
        std::fs::create_dir_all(&context.cargo_home)?;
        if !context.cargo_home.starts_with(&context.cache) {
            bind(
                &context.cargo_home,
                &self.inside(&context.cargo_home),
                false,
            )?;
        }
        if !context.sysroot.starts_with(&context.cache) {
            bind(&context.sysroot, &self.inside(&context.sysroot), false)?;
        }
        for path in [
            CERTIFICATES,
            "/usr/local/share/ca-certificates",
            "/usr/share/ca-certificates",
        ] {
            if Path::new(path).is_dir() {
                bind(Path::new(path), &self.inside(path), false)?;
            }
        }
        for file in ["/etc/resolv.conf", "/etc/hosts"] {
            if let Ok(text) = std::fs::read(file) {
                let inside = self.inside(file);
                // Programs of another run may be reading it.
                if std::fs::read(&inside).is_ok_and(|old| old == text) {
                    continue;
                }
                let _ = std::fs::remove_file(&inside);
                std::fs::write(&inside, text)
                    .with_context(|| format!("{}: cannot be written", inside.display()))?;
            }
        }
        if context.debug_shell {
            let shell = self.command(context, &context.top, "bash");
            context.steps.on_failure(shell);
        }
        Ok(())
    }

    /// Makes a host folder visible in the tree under the same path.
    pub(crate) fn share(&self, folder: &Path) -> Result<()> {
        bind(folder, &self.inside(folder), false)
    }

    /// [`Self::share`], where the folder is not seen already: a folder that something is mounted on
    /// cannot be removed as long as this process lives.
    pub(crate) fn show(&self, context: &Context, folder: &Path) -> Result<()> {
        let seen = [&context.top, &context.output];
        if seen.iter().any(|known| folder.starts_with(known)) {
            return Ok(());
        }
        self.share(folder)
    }

    /// Where a path of the tree lies on the host.
    pub(crate) fn inside(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// A command that runs in the tree, in `folder`, with a clean environment.
    pub(crate) fn command(&self, context: &Context, folder: &Path, program: &str) -> Command {
        let mut command = Command::new("chroot");
        command.arg(&self.root).args(["/usr/bin/env", "-i"]);
        for (key, value) in self.environment(context) {
            command.arg(format!("{key}={value}"));
        }
        command
            .args(["/bin/sh", "-c", r#"cd "$0" && exec "$@""#])
            .arg(folder)
            .arg(program);
        command
    }

    fn environment(&self, context: &Context) -> Vec<(String, String)> {
        let path = format!(
            "{}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            context.sysroot.display()
        );
        let cargo = context.cargo_home.display().to_string();
        let mut variables: Vec<(String, String)> = [
            ("HOME", "/root".to_owned()),
            ("LANG", "C.UTF-8".to_owned()),
            ("PATH", path),
            ("CARGO_HOME", cargo),
            (
                "TERM",
                std::env::var("TERM").unwrap_or_else(|_| "dumb".into()),
            ),
        ]
        .into_iter()
        .map(|(k, v)| (k.to_owned(), v))
        .collect();
        for name in NETWORK_VARIABLES.into_iter().chain([
            "ARGOS_CACHE",
            "ARGOS_TEST_MODEL",
            "ARGOS_ONNXRUNTIME",
            "RUST_LOG",
            "RUST_BACKTRACE",
            "CI",
        ]) {
            if let Ok(value) = std::env::var(name) {
                variables.push((name.to_owned(), value));
            }
        }
        variables
    }
}

/// The image's packages, customised: made if it is not there.
pub(crate) fn base(context: &Context) -> Result<PathBuf> {
    let c = &context.config;
    let customize = c.customize.as_ref().map(|p| context.top.join(&**p));
    debian(
        context,
        "base",
        "essential",
        &c.packages,
        customize.as_deref(),
    )
}

/// A tree of Debian packages under its fingerprint in the cache.
fn debian(
    context: &Context,
    name: &str,
    variant: &str,
    packages: &[String],
    customize: Option<&Path>,
) -> Result<PathBuf> {
    let mut sorted = packages.to_vec();
    sorted.sort();
    sorted.dedup();
    let mut print = Fingerprint::default()
        .text(&context.config.suite)
        .text(variant)
        .text(&sorted.join(" "));
    if let Some(script) = customize {
        print = print.path(script)?;
    }
    let trees = context.cache.join("trees");
    let root = trees.join(format!("{name}-{}", print.finish()));
    let kept = || {
        let what = format!("{} packages", sorted.len());
        context.steps.kept(&format!("{name} tree"), &what);
        Ok(root.clone())
    };
    let anew = context.renews(&root);
    if !anew && context.uses(&root)? {
        return kept();
    }
    let _making = context.making()?;
    // Another run may have made it while this one waited.
    if !anew && context.uses(&root)? {
        return kept();
    }
    context.steps.step(
        &format!("{name}-tree"),
        &format!(
            "{name} tree: {} Debian packages and what they depend on",
            sorted.len()
        ),
        || {
            std::fs::create_dir_all(&trees)?;
            let partial = trees.join(format!("{name}.partial"));
            for leftover in [&partial, &root] {
                if leftover.exists() {
                    let _free = lock::claim(leftover)?;
                    remove_folder(leftover)?;
                }
            }
            let mut command = Command::new("mmdebstrap");
            command
                .arg(format!("--variant={variant}"))
                .arg(format!("--include={}", sorted.join(",")))
                .args([
                    "--skip=cleanup/reproducible",
                    "--aptopt=Acquire::Retries \"3\"",
                ])
                .env("DEBIAN_FRONTEND", "noninteractive")
                .env("LC_ALL", "C.UTF-8");
            if let Some(script) = customize {
                // Taken in by mmdebstrap and run in the tree while /proc and /dev are there.
                command
                    .arg(format!(
                        "--customize-hook=copy-in {} /tmp",
                        script.display()
                    ))
                    .arg(format!(
                        "--customize-hook=chroot \"$1\" sh -eu /tmp/{}",
                        file_name(script)?
                    ))
                    .arg(format!(
                        "--customize-hook=rm \"$1\"/tmp/{}",
                        file_name(script)?
                    ));
            }
            command.arg(&context.config.suite).arg(&partial);
            context.steps.run(&mut command)?;
            std::fs::rename(&partial, &root)?;
            Ok(())
        },
    )?;
    context.uses(&root)?;
    Ok(root)
}

fn file_name(path: &Path) -> Result<String> {
    match path.file_name().and_then(|n| n.to_str()) {
        Some(name)
            if name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) =>
        {
            Ok(name.to_owned())
        }
        _ => bail!(
            "{}: the file's name may have letters, digits and - _ . only",
            path.display()
        ),
    }
}

/// Bind-mounts `from` at `to`, with the mounts below it if `deep`.
pub(crate) fn bind(from: &Path, to: &Path, deep: bool) -> Result<()> {
    std::fs::create_dir_all(to).with_context(|| format!("{}: cannot be made", to.display()))?;
    let mounted = if deep {
        rustix::mount::mount_bind_recursive(from, to)
    } else {
        rustix::mount::mount_bind(from, to)
    };
    mounted.with_context(|| format!("{}: cannot be mounted at {}", from.display(), to.display()))
}

/// A copy-on-write view of `lower`: changes go to `upper`.
pub(crate) fn overlay(lower: &Path, upper: &Path, work: &Path, at: &Path) -> Result<()> {
    for folder in [upper, work, at] {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("{}: cannot be made", folder.display()))?;
    }
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        lower.display(),
        upper.display(),
        work.display()
    );
    let options = std::ffi::CString::new(options)?;
    rustix::mount::mount(
        "overlay",
        at,
        "overlay",
        rustix::mount::MountFlags::empty(),
        options.as_c_str(),
    )
    .with_context(|| {
        format!(
            "an overlay over {} cannot be mounted at {}",
            lower.display(),
            at.display()
        )
    })
}

/// The verb `shell`.
pub(crate) fn shell(context: &Context, build_tree: bool, command: &[String]) -> Result<ExitCode> {
    let tree = if build_tree {
        Tree::build(context)?
    } else {
        let _making = context.making()?;
        let outputs = crate::assemble::build(context)?;
        let stage = context
            .cache
            .join("stage")
            .join(format!("shell-{}", std::process::id()));
        let root = stage.join("root");
        overlay(
            &outputs.base,
            &stage.join("upper"),
            &stage.join("work"),
            &root,
        )?;
        crate::assemble::install(context, &outputs, &root)?;
        let tree = Tree { root };
        tree.mount(context)?;
        tree
    };
    let mut run = tree.command(
        context,
        Path::new("/"),
        command.first().map_or("bash", String::as_str),
    );
    let status = run.args(command.iter().skip(1)).status()?;
    if !build_tree {
        // What is mounted in the overlay goes with it; after that its upper folder is all there is.
        let _ = rustix::mount::unmount(&tree.root, rustix::mount::UnmountFlags::DETACH);
        let _ = tree.root.parent().map(remove_folder);
    }
    Ok(crate::compile::exit_code(status))
}
