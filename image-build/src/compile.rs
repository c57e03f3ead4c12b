//! The workspace's programs and the default model, made in the build tree.

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::context::Context;
use crate::steps::Fingerprint;
use crate::tree::Tree;

/// The host's triple is the target's: the image is built for the machine that builds it.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// How long making the default model may take.
const MODEL_LIMIT: Duration = Duration::from_secs(60);

/// The target folder of the static programs, in the cache.
const STATIC: &str = "static";

/// cargo in the build tree, with the shared target folder.
pub(crate) fn cargo(context: &Context, tree: &Tree) -> Result<Command> {
    cargo_with(context, tree, &[])
}

/// [`cargo`] with variables of its own.
pub(crate) fn cargo_with(
    context: &Context,
    tree: &Tree,
    variables: &[(&str, &Path)],
) -> Result<Command> {
    let mut command = compiling_in(context, tree, "target")?;
    for (name, value) in variables {
        command.arg(format!("{name}={}", value.display()));
    }
    command.arg("cargo");
    Ok(command)
}

/// `env` in a tree with a target folder of the cache: more variables and a cargo are to follow.
pub(crate) fn compiling_in(context: &Context, tree: &Tree, folder: &str) -> Result<Command> {
    let target = context.cache.join(folder);
    claim(context, &target)?;
    let mut command = tree.command(context, &context.top, "env");
    command.arg(format!("CARGO_TARGET_DIR={}", target.display()));
    Ok(command)
}

/// Makes a target folder this checkout's. cargo knows what two checkouts compiled into one folder
/// apart by their files' times only, and takes the newer for its own: what another checkout left
/// there of the workspace's crates is forgotten. What they depend on is the same for all.
fn claim(context: &Context, target: &Path) -> Result<()> {
    let mark = target.join(".checkout");
    let owner = context.top.to_string_lossy();
    if std::fs::read_to_string(&mark).is_ok_and(|text| text == owner) {
        return Ok(());
    }
    let _making = context.making()?;
    forget(target, 2).with_context(|| format!("{}: cannot be cleared", target.display()))?;
    std::fs::create_dir_all(target)?;
    std::fs::write(&mark, owner.as_bytes())
        .with_context(|| format!("{}: cannot be written", mark.display()))
}

/// Removes the fingerprints of the workspace's crates in `folder/*/.fingerprint`, down to `depth`
/// folders (a target folder has one a profile, below one a target triple).
fn forget(folder: &Path, depth: u32) -> std::io::Result<()> {
    let prints = folder.join(".fingerprint");
    for entry in std::fs::read_dir(&prints).into_iter().flatten() {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("argos-") {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    if depth == 0 {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let entry = entry?;
        if entry.file_type()?.is_dir() && entry.file_name() != ".fingerprint" {
            forget(&entry.path(), depth - 1)?;
        }
    }
    Ok(())
}

/// Compiles the programs of the image and returns where they are.
pub(crate) fn programs(context: &Context, tree: &Tree) -> Result<Vec<PathBuf>> {
    let _making = context.making()?;
    let c = &context.config;
    let profile = &*c.cargo_profile;
    // The whole workspace, also for the image: the features of shared dependencies are then the
    // same as in the test run, and nothing compiles twice.
    context.steps.step(
        "compile",
        &format!("compile the workspace (profile {profile})"),
        || {
            context.steps.run_shown(cargo(context, tree)?.args([
                "build",
                "--locked",
                "--workspace",
                "--profile",
                profile,
            ]))
        },
    )?;
    context.steps.step(
        "compile-static",
        &format!("compile {} statically", c.static_programs.join(" and ")),
        || {
            let mut command = compiling_in(context, tree, STATIC)?;
            command
                .arg("RUSTFLAGS=-C target-feature=+crt-static")
                .args([
                    "cargo",
                    "build",
                    "--locked",
                    "--profile",
                    profile,
                    "--target",
                    TARGET,
                ]);
            for program in &c.static_programs {
                // The package of that name alone: PID 1 gets no feature that another program asked for.
                command.args(["-p", &**program]);
            }
            context.steps.run_shown(&mut command)
        },
    )?;
    let folder = match profile {
        "dev" => "debug",
        other => other,
    };
    let dynamic = context.cache.join("target").join(folder);
    let fixed = context.cache.join(STATIC).join(TARGET).join(folder);
    let programs: Vec<PathBuf> = c
        .programs
        .iter()
        .map(|p| dynamic.join(&**p))
        .chain(c.static_programs.iter().map(|p| fixed.join(&**p)))
        .collect();
    for program in &programs {
        ensure!(
            program.is_file(),
            "{}: cargo did not make it",
            program.display()
        );
    }
    Ok(programs)
}

/// What the model step leaves.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    /// The default model's folder.
    pub folder: PathBuf,
    /// ONNX Runtime's library.
    pub runtime: PathBuf,
}

/// Makes the default model, or takes it from the cache.
pub(crate) fn model(context: &Context, tree: &Tree) -> Result<Option<Model>> {
    let Some(script) = &context.config.model else {
        return Ok(None);
    };
    let script = context.top.join(&**script);
    let source = script.parent().unwrap_or(Path::new("/"));
    let print = Fingerprint::default().path(source)?.finish();
    let folder = context.cache.join("model").join(print);
    let model = Model {
        folder: folder.join("default"),
        runtime: folder.join("libonnxruntime.so"),
    };
    let anew = context.renews(&folder);
    let there = || folder.is_dir() && !anew;
    // Waiting for another run, which may be making it, where it is not there.
    let _making = (!there()).then(|| context.making()).transpose()?;
    if there() {
        context.steps.kept("model", "its sources are unchanged");
        note_checkout(&context.cache, &context.top, &folder)?;
        return Ok(Some(model));
    }
    context.steps.step("model", "make the default model", || {
        let partial = folder.with_extension("partial");
        if partial.exists() {
            std::fs::remove_dir_all(&partial)?;
        }
        std::fs::create_dir_all(&partial)?;
        let venv = context.cache.join("model/python");
        let mut command = tree.command(context, &context.top, "sh");
        command.arg(&script).arg(&venv).arg(&partial);
        let environments = complete_environments(&venv);
        let begin = Instant::now();
        context.steps.run(&mut command)?;
        // The first time its Python environment was fetched and laid out as well, which takes as long as it takes.
        if complete_environments(&venv) == environments
            && let Some(warning) = too_slow(begin.elapsed())
        {
            context.steps.warn("model", &warning);
        }
        for made in [
            "default/model.onnx",
            "default/tokenizer.json",
            "libonnxruntime.so",
        ] {
            ensure!(
                partial.join(made).is_file(),
                "{}: it did not make {made}",
                script.display()
            );
        }
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::rename(&partial, &folder)
            .with_context(|| format!("{}: cannot be renamed", partial.display()))
    })?;
    note_checkout(&context.cache, &context.top, &folder)?;
    Ok(Some(model))
}

/// How many Python environments are there that models are made with.
fn complete_environments(venv: &Path) -> usize {
    let all = std::fs::read_dir(venv).into_iter().flatten().flatten();
    all.filter(|entry| entry.path().join("complete").exists())
        .count()
}

/// What is said of a model that took longer than it may: everybody who builds the image waits for it.
fn too_slow(took: Duration) -> Option<String> {
    (took > MODEL_LIMIT).then(|| {
        format!(
            "making it took {} s; it may take {} s on an idle machine (ai/train/build.py)",
            took.as_secs(),
            MODEL_LIMIT.as_secs()
        )
    })
}

/// Notes which model a checkout has: `argos ask --plan` finds it by that (services/cli/src/built.rs).
fn note_checkout(cache: &Path, top: &Path, model: &Path) -> Result<()> {
    let folder = cache
        .join("model/checkouts")
        .join(top.strip_prefix("/").unwrap_or(top));
    let link = folder.join(".model");
    let new = folder.join(format!(".model.{}", std::process::id()));
    if std::fs::read_link(&link).is_ok_and(|noted| noted == model) {
        return Ok(());
    }
    let note = || -> std::io::Result<()> {
        std::fs::create_dir_all(&folder)?;
        std::os::unix::fs::symlink(model, &new)?;
        std::fs::rename(&new, &link)
    };
    note().with_context(|| format!("{}: cannot be made", link.display()))
}

/// The verb `cargo`.
pub(crate) fn cargo_for_people(context: &Context, arguments: &[String]) -> Result<ExitCode> {
    let tree = Tree::build(context)?;
    let status = cargo(context, &tree)?
        .args(arguments)
        .status()
        .context("chroot: cannot be started")?;
    Ok(exit_code(status))
}

/// A child's status as ours; one that a signal ended is told apart as shells do, by 128 and its number.
pub(crate) fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{ExitCode, ExitStatus};

    use super::{MODEL_LIMIT, complete_environments, exit_code, forget, note_checkout, too_slow};

    #[test]
    fn a_childs_end_is_told_on() {
        for (raw, told) in [(0, 0), (3 << 8, 3), (11, 139), (9, 137)] {
            let code = exit_code(ExitStatus::from_raw(raw));
            assert_eq!(
                format!("{code:?}"),
                format!("{:?}", ExitCode::from(told)),
                "{raw}"
            );
        }
    }

    #[test]
    fn a_model_that_takes_more_than_a_minute_is_told_of() {
        assert_eq!(too_slow(MODEL_LIMIT), None);
        let warning = too_slow(MODEL_LIMIT * 3 / 2).unwrap();
        assert!(warning.contains("took 90 s; it may take 60 s"), "{warning}");
        let venv = tempfile::tempdir().unwrap();
        assert_eq!(complete_environments(&venv.path().join("none")), 0);
        for name in ["a", "b"] {
            std::fs::create_dir(venv.path().join(name)).unwrap();
        }
        std::fs::write(venv.path().join("b/complete"), "").unwrap();
        assert_eq!(complete_environments(venv.path()), 1);
    }

    /// What training produced is in the repository, and in every clone of it.
    #[test]
    fn the_trained_head_is_small() {
        let head =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../ai/train/head.safetensors");
        let size = std::fs::metadata(&head).unwrap().len();
        assert!(
            (1..=4_000_000).contains(&size),
            "{}: {size} bytes; at most 4 MB are committed",
            head.display()
        );
    }

    #[test]
    fn each_checkout_has_its_last_model_noted() {
        let cache = tempfile::tempdir().unwrap();
        let noted = |checkout: &str| {
            let link = cache
                .path()
                .join("model/checkouts")
                .join(checkout)
                .join(".model");
            std::fs::read_link(link).unwrap()
        };
        let [old, new] = ["model/0", "model/1"].map(|model| cache.path().join(model));
        for model in [&old, &new, &new] {
            note_checkout(cache.path(), "/src/one".as_ref(), model).unwrap();
        }
        // Of a checkout in another one as well.
        note_checkout(cache.path(), "/src/one/two".as_ref(), &old).unwrap();
        assert_eq!((noted("src/one"), noted("src/one/two")), (new, old));
    }

    #[test]
    fn only_what_is_the_workspaces_own_is_forgotten() {
        let target = tempfile::tempdir().unwrap();
        let kept = [
            "ci/.fingerprint/serde-1",
            "ci/deps",
            "x86/ci/.fingerprint/serde-1",
        ];
        let gone = [
            "ci/.fingerprint/argos-init-1",
            "x86/ci/.fingerprint/argos-exec-1",
        ];
        for folder in kept.iter().chain(&gone) {
            std::fs::create_dir_all(target.path().join(folder)).unwrap();
        }
        forget(target.path(), 2).unwrap();
        assert!(kept.iter().all(|f| target.path().join(f).is_dir()));
        assert!(gone.iter().all(|f| !target.path().join(f).exists()));
    }
}
