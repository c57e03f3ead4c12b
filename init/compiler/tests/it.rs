//! Whole folders of unit files through the compiler.

use std::fs;
use std::path::{Path, PathBuf};

use argos_unit_compiler::{Scope, compile};
use argos_units::{Graph, Kind, Readiness, Restart, Unit, codec};

struct Folders(tempfile::TempDir);

impl Folders {
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self(dir)
    }

    fn compile(&self, scope: Scope) -> Graph {
        let folders: Vec<PathBuf> = ["usr", "etc", "run"]
            .iter()
            .map(|f| self.0.path().join(f))
            .collect();
        let graph = compile(scope, &folders);
        assert_eq!(
            codec::decode_graph(&codec::encode_graph(&graph).unwrap()).unwrap(),
            graph
        );
        graph
    }
}

fn unit<'a>(graph: &'a Graph, name: &str) -> &'a Unit {
    graph
        .units
        .iter()
        .find(|unit| unit.name == name)
        .unwrap_or_else(|| panic!("no {name} in {graph:#?}"))
}

/// The one problem, without the folder.
fn only_problem(graph: &Graph) -> String {
    assert_eq!(graph.problems.len(), 1, "{:#?}", graph.problems);
    let message = &graph.problems[0].message;
    message
        .rsplit_once("/usr/")
        .map_or(message.as_str(), |(_, rest)| rest)
        .to_owned()
}

const FULL: &str = "
kind: service
description: AI service
exec: [/usr/bin/argos-ai, --fast]
ready: {dbus: org.argos.AI1}
requires: [bus]
after: [nobody]
wanted-by: [default]
restart: always
user: argos-ai
env: {RUST_LOG: info}
stop-timeout: 5s
ready-timeout: 2m
state-directory: argos-ai
limits: {memory: 512M, tasks: 64, cpu: 50%, cpu-weight: 20}
sandbox: {profile: service, namespaces: {net: false}}
";
const BUS: &str = "{kind: service, exec: [/bin/bus], ready: notify}";
const DEFAULT: &str = "kind: target";

#[test]
fn every_key_arrives() {
    let graph = Folders::new(&[
        ("usr/ai.yaml", FULL),
        ("usr/bus.yaml", BUS),
        ("usr/default.yaml", DEFAULT),
    ])
    .compile(Scope::System);
    assert_eq!(graph.problems, []);
    assert_eq!(unit(&graph, "default").wants, ["ai"]);
    let ai = unit(&graph, "ai");
    assert_eq!((ai.stop_timeout_ms, ai.ready_timeout_ms), (5_000, 120_000));
    let process = ai.process().unwrap();
    assert_eq!(process.ready, Readiness::Dbus("org.argos.AI1".into()));
    assert_eq!(process.restart, Restart::Always);
    assert_eq!(process.limits.memory_bytes, Some(512 << 20));
    assert_eq!(
        (process.limits.tasks, process.limits.cpu_percent),
        (Some(64), Some(50))
    );
    assert_eq!(process.limits.cpu_weight, Some(20));
    assert_eq!(process.env, [("RUST_LOG".to_owned(), "info".to_owned())]);
    let sandbox: argos_sandbox::Spec =
        serde_json::from_str(process.sandbox.as_ref().unwrap()).unwrap();
    assert!(!sandbox.namespaces.net && sandbox.namespaces.pid);
}

#[test]
fn a_mistake_leaves_out_its_unit_and_no_other() {
    for (text, expected) in [
        (
            "kind: service\nexce: [/bin/x]\n",
            "bad.yaml:2:1: unknown key `exce`; did you mean `exec`?",
        ),
        (
            "kind: servce\n",
            "bad.yaml:1:7: unknown value `servce`; did you mean `service`?",
        ),
        ("kind: service\n", "bad.yaml: key `exec` is missing"),
        ("exec: [/bin/x]\n", "bad.yaml: key `kind` is missing"),
        (
            "kind: service\nexec: [x]\n",
            "bad.yaml: `exec` needs the program's absolute path, and `x` is none",
        ),
        ("kind: service\nexec: []\n", "bad.yaml: `exec` is empty"),
        (
            "kind: target\nexec: [/x]\n",
            "bad.yaml: key `exec` is for services and oneshots only",
        ),
        (
            "kind: service\nexec: [/x]\nstop-timeout: 5\n",
            "bad.yaml:3:15: `5` is not a time",
        ),
        (
            "kind: service\nexec: [/x]\nready-timeout: 18446744073709551615ms\n",
            "bad.yaml:3:16: `18446744073709551615ms` is more than ten years",
        ),
        (
            "kind: service\nexec: [/x]\ngroup: seat\n",
            "bad.yaml: `group` goes with `user`",
        ),
        (
            "kind: service\nexec: [/x]\nworking-directory: /\nsandbox: {}\n",
            "bad.yaml: `working-directory` is outside the sandbox",
        ),
        (
            "kind: service\nexec: [/x]\nsandbox: {namespaces: {pid: false}, root: {proc: full}}\n",
            "bad.yaml: `sandbox`: ",
        ),
        (
            "kind: timer\nunit: bus\nevery: 0s\n",
            "bad.yaml: `every` is under a second",
        ),
        (
            "kind: service\nexec: [/x]\nready: exec\n",
            "bad.yaml: `ready: exec` is for oneshots",
        ),
        (
            "kind: service\nexec: [/x]\nrequires: [../x]\n",
            "bad.yaml:3:12: `../x` is not a unit's name",
        ),
        (
            "kind: service\nexec: [/x]\nrequires: [gone]\n",
            "bad.yaml: it needs `gone`, which does not exist",
        ),
        (
            "kind: service\nexec: [/x]\nsandbox: {netwrk: no}\n",
            "bad.yaml:3:11: unknown key `netwrk`",
        ),
        (
            "kind: timer\nevery: 1h\n",
            "bad.yaml: `unit`, which it starts, is missing",
        ),
        ("kind: [\n", "bad.yaml:"),
    ] {
        let folders = Folders::new(&[("usr/bad.yaml", text), ("usr/bus.yaml", BUS)]);
        let graph = folders.compile(Scope::System);
        let problem = only_problem(&graph);
        assert!(problem.starts_with(expected), "{text}: {problem}");
        let names: Vec<_> = graph.units.iter().map(|unit| unit.name.as_str()).collect();
        assert_eq!(names, ["bus"], "{text}");
    }
}

#[test]
fn what_requires_a_broken_unit_goes_with_it_and_what_wants_it_stays() {
    let graph = Folders::new(&[
        ("usr/a.yaml", "kind: nonsense"),
        ("usr/b.yaml", "{kind: target, requires: [a]}"),
        ("usr/c.yaml", "{kind: target, requires: [b]}"),
        ("usr/d.yaml", "{kind: target, wants: [c]}"),
    ])
    .compile(Scope::System);
    assert_eq!(graph.units.len(), 1);
    assert_eq!(unit(&graph, "d").wants, [] as [&str; 0]);
    let about: Vec<_> = graph
        .problems
        .iter()
        .map(|problem| problem.unit.as_str())
        .collect();
    assert_eq!(about, ["a", "b", "c"]);
}

#[test]
fn a_circle_costs_one_unit() {
    let graph = Folders::new(&[
        ("usr/default.yaml", "{kind: target, wants: [x]}"),
        ("usr/x.yaml", "{kind: service, exec: [/x], after: [y]}"),
        ("usr/y.yaml", "{kind: service, exec: [/y], after: [x]}"),
    ])
    .compile(Scope::System);
    let names: Vec<_> = graph.units.iter().map(|unit| unit.name.as_str()).collect();
    assert_eq!(names, ["default", "x"]);
    assert!(
        only_problem(&graph).contains("in a circle: x -> y -> x"),
        "{graph:?}"
    );
}

#[test]
fn later_folders_win_drop_ins_merge_and_empty_files_take_away() {
    let graph = Folders::new(&[
        (
            "usr/a.yaml",
            "{kind: service, exec: [/usr/a], env: {A: '1', B: '2'}}",
        ),
        ("usr/b.yaml", "{kind: service, exec: [/usr/b]}"),
        ("etc/b.yaml", "{kind: service, exec: [/etc/b]}"),
        ("usr/c.yaml", "kind: target"),
        ("run/c.yaml", ""),
        ("usr/a.yaml.d/10.yaml", "{env: {A: '3'}, restart: always}"),
        ("etc/a.yaml.d/10.yaml", "{env: {A: '4'}}"),
        (
            "run/a.yaml.d/20.yaml",
            "{env: {B: null}, description: over}",
        ),
    ])
    .compile(Scope::System);
    assert_eq!(graph.problems, []);
    let a = unit(&graph, "a");
    assert_eq!(a.description, "over");
    let process = a.process().unwrap();
    assert_eq!(process.env, [("A".to_owned(), "4".to_owned())]);
    assert_eq!(process.restart, Restart::No);
    assert_eq!(unit(&graph, "b").process().unwrap().exec, ["/etc/b"]);
    assert!(graph.units.iter().all(|unit| unit.name != "c"));
}

#[test]
fn a_mistake_in_a_drop_in_is_reported_there() {
    let graph = Folders::new(&[
        ("usr/bus.yaml", BUS),
        ("usr/bus.yaml.d/x.yaml", "restart: always\nrestrat: no\n"),
    ])
    .compile(Scope::System);
    let problem = only_problem(&graph);
    assert!(
        problem.starts_with("bus.yaml.d/x.yaml:2:1: unknown key `restrat`"),
        "{problem}"
    );
}

#[test]
fn templates_are_kept_and_named_instances_made() {
    let graph = Folders::new(&[
        (
            "usr/console@.yaml",
            "{kind: service, exec: [/sbin/agetty, '%i'], tty: /dev/%i, restart: always}",
        ),
        ("usr/default.yaml", "{kind: target, wants: [console@ttyS0]}"),
    ])
    .compile(Scope::System);
    assert_eq!(graph.problems, []);
    assert_eq!(graph.templates.len(), 1);
    let process = unit(&graph, "console@ttyS0").process().unwrap();
    assert_eq!(process.tty.as_deref(), Some("/dev/ttyS0"));
}

#[test]
fn a_person_cannot_change_users() {
    let folders = Folders::new(&[("usr/x.yaml", "{kind: service, exec: [/x], user: root}")]);
    assert!(only_problem(&folders.compile(Scope::User)).contains("`user`, `group` and `delegate`"));
    assert_eq!(folders.compile(Scope::System).problems, []);
}

#[test]
fn a_mount_and_a_timer_are_understood() {
    let graph = Folders::new(&[
        (
            "usr/data.yaml",
            "{kind: mount, what: /dev/vdb, path: /data, type: ext4, options: 'ro,noatime'}",
        ),
        ("usr/job.yaml", "{kind: oneshot, exec: [/job]}"),
        ("usr/nightly.yaml", "{kind: timer, every: 24h, unit: job}"),
    ])
    .compile(Scope::System);
    assert_eq!(graph.problems, []);
    assert!(
        matches!(&unit(&graph, "data").kind, Kind::Mount(mount) if mount.options == "ro,noatime")
    );
    assert!(
        matches!(&unit(&graph, "nightly").kind, Kind::Timer(timer) if timer.every_ms == Some(86_400_000))
    );
}

/// The units that the image ships, both scopes, are without mistakes.
#[test]
fn shipped_units_compile() {
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rootfs/usr/lib/argos");
    for (scope, folder) in [(Scope::System, "units"), (Scope::User, "user-units")] {
        let graph = compile(scope, &[units.join(folder)]);
        assert_eq!(graph.problems, [], "{folder}");
    }
    // With those of a profile laid over them.
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let more = top.join("image-build/portals/usr/lib/argos/user-units");
    let graph = compile(Scope::User, &[units.join("user-units"), more]);
    assert_eq!(graph.problems, [], "portals");
    assert!(graph.units.iter().any(|unit| unit.name == "wireplumber"));
}

/// The unit files in the documentation, together with those that the image ships. A block's words
/// `name=` and `drop-in=` say which file it is.
#[test]
fn documented_units_compile() {
    let examples = argos_docs::blocks("unit");
    let name = |block: &argos_docs::Block| {
        let named = block.value("drop-in").or(block.value("name"));
        named.unwrap_or("example").to_owned()
    };
    let file = |block: &argos_docs::Block| match block.value("drop-in") {
        Some(unit) => format!("etc/{unit}.yaml.d/example.yaml"),
        None => format!("etc/{}.yaml", name(block)),
    };
    let scope = |block: &argos_docs::Block| {
        if block.words.iter().any(|word| word == "user") {
            Scope::User
        } else {
            Scope::System
        }
    };
    argos_docs::check("unit", |block| {
        let good = examples
            .iter()
            .filter(|other| !other.must_fail() && scope(other) == scope(block));
        // The block itself last: where it has the name of another, that one is replaced.
        let files: Vec<_> = good
            .chain([block])
            .map(|b| (file(b), b.text.as_str()))
            .collect();
        let files: Vec<_> = files
            .iter()
            .map(|(name, text)| (name.as_str(), *text))
            .collect();
        let folders = Folders::new(&files);
        let scope = scope(block);
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../rootfs/usr/lib/argos")
            .join(if scope == Scope::User {
                "user-units"
            } else {
                "units"
            });
        let graph = compile(scope, &[shipped, folders.0.path().join("etc")]);
        let own = graph.problems.iter().filter(|p| p.unit == name(block));
        let said: Vec<_> = own.map(|p| p.message.as_str()).collect();
        if said.is_empty() {
            Ok(())
        } else {
            Err(said.join("; "))
        }
    });
}

#[test]
fn every_key_is_documented() {
    let page = argos_docs::page("docs/units.md").text;
    let schema = argos_unit_compiler::file::schema();
    let limits = &schema["$defs"]["LimitsFile"];
    for keys in [&schema["properties"], &limits["properties"]] {
        for key in keys.as_object().unwrap().keys() {
            assert!(
                page.contains(&format!("`{key}`")),
                "docs/units.md: no `{key}`"
            );
        }
    }
}
