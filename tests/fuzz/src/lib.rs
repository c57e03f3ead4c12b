//! Fuzz targets for what crosses a trust boundary. Each takes bytes as a hostile agent, tool provider or Wayland
//! client could send them, or as somebody could write them into a file of settings, and panics where something holds that must not.
//!
//! `tests/fuzz/run [SECONDS]` fuzzes each of them for ten minutes, or that long, with libFuzzer and
//! coverage. What it finds worth keeping goes into the cache; `tests/fuzz/run --keep` puts the smallest
//! set with the same coverage into `corpus/`, which `cargo test -p argos-fuzz` runs through on every
//! machine, without libFuzzer; of those for the compositor it tries [`mutations`] as well.

mod desktop;
mod messages;
mod mutations;
mod providers;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use argos_broker::manifest;
use argos_broker::permission::{Verdict, covers, well_formed};
use argos_broker::sandbox::{self, Programs, WORKSPACE};
use argos_sandbox::{Access, Proc, Root, Spec};
use argos_tools::{Catalogue, Context};

pub use desktop::{compositor_settings, requests, wayland};
pub use messages::messages;
pub use mutations::mutations;
pub use providers::providers;

/// A manifest, from its text to the sandbox that is made of it.
pub fn manifest(data: &[u8]) {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER
        .get_or_init(|| tempfile::tempdir().expect("a temporary folder"))
        .path()
        .join("steward");
    fs::create_dir_all(&folder).expect("the agent's folder");
    fs::write(folder.join("agent.yaml"), data).expect("its manifest");
    let Ok(agent) = manifest::load(&folder) else {
        return;
    };
    let manifest = &agent.manifest;
    assert_eq!(manifest.name, "steward", "it has the folder's name");
    assert!(!manifest.title.contains('\n'), "a title is one line");
    let programs = Programs {
        folder: PathBuf::from("/usr/bin"),
    };
    for probe in [false, true] {
        let Ok(launch) = sandbox::agent(&agent, &programs, Path::new("/home/x/w"), probe) else {
            return;
        };
        for bind in &closed(&launch.spec).binds {
            let writable = bind.access == Access::Write;
            assert_eq!(writable, bind.target() == Path::new(WORKSPACE), "{bind:?}");
            assert!(!bind.source.starts_with("/etc") && !bind.source.starts_with("/home/x/.ssh"));
        }
        let program = Path::new(&launch.argv[0]);
        assert!(program.is_absolute(), "{program:?}");
        let outside = program
            .components()
            .any(|part| part == std::path::Component::ParentDir);
        assert!(!outside, "{program:?}");
    }
}

/// Holds a sandbox that a foreign text asked for to what all such sandboxes are; returns its root.
fn closed(spec: &Spec) -> &Root {
    spec.check()
        .expect("what was written makes no impossible sandbox");
    assert_eq!(&Spec::from_json(&spec.to_json()).expect("JSON"), spec);
    let n = &spec.namespaces;
    assert!(n.user && n.mount && n.pid && n.net && n.ipc && n.uts && n.cgroup);
    assert_eq!(spec.keep_fds, [3]);
    let root = spec.root.as_ref().expect("a root of its own");
    assert!(root.proc != Proc::Full);
    root
}

/// A tool call: the tool's name, a newline, the arguments.
pub fn arguments(data: &[u8]) {
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (tool, arguments) = text.split_once('\n').unwrap_or((text, ""));
    let catalogue = CATALOGUE.get_or_init(Catalogue::builtin);
    let tool = match catalogue.find(tool) {
        Ok(tool) => tool,
        Err(error) => {
            assert!(error.to_string().len() < 4096, "{error}");
            return;
        }
    };
    let Ok(arguments) = serde_json::from_str(arguments) else {
        return;
    };
    let context = Context::new(Some("steward".to_owned()), "/home/nobody-here");
    let Ok(call) = tool.check(arguments, &context) else {
        return;
    };
    // What the person reads is one line of readable text, and no other resource than is enforced.
    for text in [&call.summary, &call.resource] {
        assert!(!text.chars().any(char::is_control), "{text:?}");
        let turned = |c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        assert!(!text.chars().any(turned), "{text:?}");
    }
    if call.is_path() {
        assert!(
            well_formed(call.action.name(), &call.resource),
            "{:?}",
            call.resource
        );
        assert!(
            covers("read", "/", &call.resource, Verdict::Allow),
            "{:?}",
            call.resource
        );
    }
    // Canonical arguments are what is executed: checked once more they mean the same.
    let again = tool
        .check(call.arguments.clone(), &context)
        .expect("canonical arguments are arguments");
    assert_eq!(again.resource, call.resource);
    assert_eq!(again.summary, call.summary);
    assert_eq!(again.arguments, call.arguments);
}
