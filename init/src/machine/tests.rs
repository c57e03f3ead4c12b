//! The machine against an invented world: processes are entries in a map and time is a number.

use std::collections::{BTreeMap, BTreeSet};

use argos_units::{Graph, Kind, PathWatch, Process, Readiness, Restart, Timer, Unit, UnitState};
use proptest::prelude::*;

use super::state::State;
use super::*;

/// Processes that exist only here.
#[derive(Debug, Default)]
struct World {
    /// Units with a live group: run, whether the main process lives, and other processes.
    live: BTreeMap<String, Live>,
    /// Everything that was asked of the world, in order.
    log: Vec<String>,
    /// Units whose start fails.
    broken: BTreeSet<String>,
    /// Units whose processes outlive SIGKILL for now.
    immortal: BTreeSet<String>,
    paths: BTreeSet<String>,
    pids: u32,
}

#[derive(Debug)]
struct Live {
    run: u64,
    main: bool,
    told: bool,
}

impl Backend for World {
    fn start(&mut self, unit: &Unit, run: u64) -> Result<Option<u32>, String> {
        assert!(
            !self.live.contains_key(&unit.name),
            "two runs of {} overlap",
            unit.name
        );
        if self.broken.contains(&unit.name) {
            return Err("no such program".into());
        }
        self.log.push(format!("start {}", unit.name));
        if unit.process().is_none() && !matches!(unit.kind, Kind::Path(_)) {
            return Ok(None);
        }
        self.pids += 1;
        self.live.insert(
            unit.name.clone(),
            Live {
                run,
                main: true,
                told: false,
            },
        );
        Ok(Some(self.pids))
    }

    fn terminate(&mut self, unit: &Unit) {
        self.log.push(format!("term {}", unit.name));
        if let Some(live) = self.live.get_mut(&unit.name) {
            live.told = true;
        }
    }

    fn kill(&mut self, unit: &Unit) {
        if !self.immortal.contains(&unit.name)
            && self.live.get(&unit.name).is_some_and(|live| !live.main)
        {
            self.live.remove(&unit.name);
        } else if let Some(live) = self.live.get_mut(&unit.name) {
            live.told = true;
        }
    }

    fn is_empty(&mut self, unit: &Unit) -> bool {
        !self.live.contains_key(&unit.name)
    }

    fn release(&mut self, unit: &Unit) {
        self.live.remove(&unit.name);
        self.log.push(format!("down {}", unit.name));
    }

    fn path_exists(&mut self, unit: &Unit) -> bool {
        matches!(&unit.kind, Kind::Path(path) if self.paths.contains(&path.exists))
    }
}

/// The machine, its world and its clock, driven as a supervisor does.
#[derive(Debug, Default)]
struct Rig {
    machine: Machine,
    world: World,
    now: u64,
}

impl Rig {
    fn new(units: Vec<Unit>) -> Self {
        let graph = Graph {
            units,
            ..Graph::default()
        };
        graph.check().unwrap();
        let mut rig = Self::default();
        rig.machine.load(graph, 0, &mut rig.world);
        rig
    }

    fn start(&mut self, name: &str) {
        self.machine.start(name, self.now, &mut self.world).unwrap();
    }

    fn stop(&mut self, name: &str) {
        self.machine.stop(name, self.now, &mut self.world).unwrap();
    }

    fn ready(&mut self, name: &str) {
        let run = self.machine.run(name).unwrap();
        self.machine.ready(name, run, self.now, &mut self.world);
    }

    /// The main process of `name` ends; nothing else of the unit is left.
    fn exit(&mut self, name: &str, exit: Exit) {
        let Some(live) = self.world.live.get_mut(name) else {
            return;
        };
        live.main = false;
        let run = live.run;
        self.machine
            .exited(name, run, exit, self.now, &mut self.world);
    }

    fn advance(&mut self, ms: u64) {
        let end = self.now + ms;
        while let Some(at) = self.machine.next_deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.machine.tick(self.now, &mut self.world);
        }
        self.now = end;
    }

    fn state(&self, name: &str) -> UnitState {
        self.machine.status(name).unwrap().state
    }

    fn detail(&self, name: &str) -> String {
        self.machine.status(name).unwrap().detail
    }

    fn log(&mut self) -> String {
        std::mem::take(&mut self.world.log).join(", ")
    }
}

fn service(name: &str, ready: Readiness, restart: Restart) -> Unit {
    let exec = vec!["/bin/true".to_owned()];
    Unit::new(
        name,
        Kind::Service(Process {
            exec,
            ready,
            restart,
            ..Process::default()
        }),
    )
}

fn oneshot(name: &str) -> Unit {
    Unit::new(
        name,
        Kind::Oneshot(Process {
            exec: vec!["/x".into()],
            ..Process::default()
        }),
    )
}

fn with(mut unit: Unit, requires: &[&str], wants: &[&str], after: &[&str]) -> Unit {
    let owned = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
    (unit.requires, unit.wants, unit.after) = (owned(requires), owned(wants), owned(after));
    unit
}

fn notify(name: &str) -> Unit {
    service(name, Readiness::Notify, Restart::Always)
}

#[test]
fn requirements_come_up_first_and_independent_units_together() {
    let mut rig = Rig::new(vec![
        notify("bus"),
        notify("seat"),
        with(notify("shell"), &["bus", "seat"], &[], &[]),
        with(Unit::target("default"), &[], &["shell"], &[]),
    ]);
    rig.start("default");
    assert!(["start bus, start seat", "start seat, start bus"].contains(&rig.log().as_str()));
    rig.ready("bus");
    assert_eq!(rig.state("shell"), UnitState::Waiting);
    rig.ready("seat");
    assert_eq!(rig.log(), "start shell");
    assert_eq!(rig.state("default"), UnitState::Waiting);
    rig.ready("shell");
    assert_eq!(rig.state("default"), UnitState::Up);
}

#[test]
fn a_target_is_reached_although_what_it_only_wants_failed() {
    let mut rig = Rig::new(vec![
        service("bad", Readiness::Notify, Restart::No),
        with(Unit::target("default"), &[], &["bad"], &[]),
    ]);
    rig.start("default");
    rig.exit("bad", Exit::Status(3));
    assert_eq!(
        (rig.state("bad"), rig.state("default")),
        (UnitState::Failed, UnitState::Up)
    );
    assert_eq!(rig.detail("bad"), "ended with status 3 before it was ready");
}

#[test]
fn what_requires_a_failed_unit_fails_and_comes_back_with_it() {
    let mut rig = Rig::new(vec![
        service("db", Readiness::Notify, Restart::No),
        with(notify("app"), &["db"], &[], &[]),
    ]);
    rig.start("app");
    rig.exit("db", Exit::Signal(11));
    assert_eq!(rig.state("app"), UnitState::Failed);
    assert_eq!(rig.detail("app"), "`db`, which it requires, is not up");
    rig.start("db");
    rig.ready("db");
    assert_eq!(rig.state("app"), UnitState::Starting);
}

#[test]
fn a_crash_takes_those_who_require_it_along_and_all_return() {
    let mut rig = Rig::new(vec![notify("bus"), with(notify("app"), &["bus"], &[], &[])]);
    rig.start("app");
    rig.ready("bus");
    rig.ready("app");
    rig.log();
    rig.exit("bus", Exit::Signal(9));
    assert_eq!(rig.log(), "term app, down bus");
    assert_eq!(rig.state("bus"), UnitState::BackingOff);
    rig.exit("app", Exit::Status(0));
    rig.advance(BACKOFF_FIRST_MS);
    rig.ready("bus");
    rig.ready("app");
    assert_eq!(
        (rig.state("bus"), rig.state("app")),
        (UnitState::Up, UnitState::Up)
    );
    assert_eq!(rig.machine.status("bus").unwrap().restarts, 1);
}

#[test]
fn the_pause_doubles_up_to_its_bound_and_is_forgotten_after_a_good_run() {
    let mut rig = Rig::new(vec![service("crash", Readiness::None, Restart::OnFailure)]);
    rig.start("crash");
    let mut pauses = Vec::new();
    for _ in 0..12 {
        rig.exit("crash", Exit::Status(1));
        assert_eq!(rig.state("crash"), UnitState::BackingOff);
        let begin = rig.now;
        let until = rig.machine.next_deadline().unwrap();
        rig.advance(until - begin - 1);
        assert_eq!(rig.state("crash"), UnitState::BackingOff);
        rig.advance(1);
        assert_eq!(rig.state("crash"), UnitState::Up);
        pauses.push(until - begin);
    }
    assert_eq!(pauses[..5], [100, 200, 400, 800, 1600]);
    assert_eq!(pauses[9..], [30_000, 30_000, 30_000]);
    rig.advance(BACKOFF_FORGET_MS);
    rig.exit("crash", Exit::Status(1));
    assert_eq!(
        rig.machine.next_deadline(),
        Some(rig.now + BACKOFF_FIRST_MS)
    );
}

#[test]
fn a_good_end_is_not_a_failure() {
    let mut rig = Rig::new(vec![service("once", Readiness::None, Restart::OnFailure)]);
    rig.start("once");
    rig.exit("once", Exit::Status(0));
    let status = rig.machine.status("once").unwrap();
    assert_eq!((status.state, status.wanted), (UnitState::Down, false));
}

#[test]
fn stops_run_in_reverse_order() {
    let mut rig = Rig::new(vec![
        notify("bus"),
        with(notify("compositor"), &["bus"], &[], &[]),
        with(notify("shell"), &[], &[], &["compositor"]),
    ]);
    for name in ["shell", "compositor"] {
        rig.start(name);
    }
    for name in ["bus", "compositor", "shell"] {
        rig.ready(name);
    }
    rig.log();
    rig.machine.close(rig.now, &mut rig.world);
    assert_eq!(rig.log(), "term shell");
    rig.exit("shell", Exit::Status(0));
    assert_eq!(rig.log(), "down shell, term compositor");
    rig.exit("compositor", Exit::Status(0));
    rig.exit("bus", Exit::Status(0));
    assert_eq!(rig.log(), "down compositor, term bus, down bus");
    assert!(rig.machine.is_idle());
    assert!(matches!(
        rig.machine.start("bus", rig.now, &mut rig.world),
        Err(Refusal::Invalid(_))
    ));
}

#[test]
fn a_deaf_process_is_killed_after_its_time() {
    let mut rig = Rig::new(vec![service("deaf", Readiness::None, Restart::Always)]);
    rig.start("deaf");
    rig.stop("deaf");
    rig.advance(argos_units::graph::DEFAULT_STOP_TIMEOUT_MS - 1);
    assert!(!rig.detail("deaf").contains("killed"));
    assert_eq!(rig.state("deaf"), UnitState::Stopping);
    rig.advance(1);
    rig.exit("deaf", Exit::Signal(9));
    assert_eq!(rig.state("deaf"), UnitState::Down);
    let notes = rig.machine.take_news().notes;
    assert!(
        notes
            .iter()
            .any(|n| n.text.contains("5000 ms after SIGTERM")),
        "{notes:?}"
    );
}

#[test]
fn a_run_begins_only_when_the_last_ones_processes_are_gone() {
    let mut rig = Rig::new(vec![service("s", Readiness::None, Restart::Always)]);
    rig.start("s");
    rig.world.immortal.insert("s".into());
    rig.exit("s", Exit::Status(1));
    rig.advance(1_000);
    assert_eq!(rig.state("s"), UnitState::Stopping);
    rig.world.live.remove("s");
    rig.advance(1_000);
    assert_eq!(rig.state("s"), UnitState::Up);
}

#[test]
fn too_late_is_a_failure() {
    let mut rig = Rig::new(vec![service("slow", Readiness::Notify, Restart::No)]);
    rig.start("slow");
    rig.advance(argos_units::graph::DEFAULT_READY_TIMEOUT_MS);
    assert_eq!(rig.state("slow"), UnitState::Stopping);
    rig.exit("slow", Exit::Signal(15));
    assert_eq!(rig.state("slow"), UnitState::Failed);
    assert_eq!(rig.detail("slow"), "was not ready after 60000 ms");
}

#[test]
fn news_about_an_earlier_run_is_ignored() {
    let mut rig = Rig::new(vec![notify("n")]);
    rig.start("n");
    let first = rig.machine.run("n").unwrap();
    rig.exit("n", Exit::Status(1));
    rig.advance(BACKOFF_FIRST_MS);
    assert_eq!(rig.state("n"), UnitState::Starting);
    rig.machine.ready("n", first, rig.now, &mut rig.world);
    rig.machine
        .exited("n", first, Exit::Status(0), rig.now, &mut rig.world);
    assert_eq!(rig.state("n"), UnitState::Starting);
}

#[test]
fn a_start_that_cannot_even_begin_backs_off() {
    let mut rig = Rig::new(vec![service("lost", Readiness::None, Restart::Always)]);
    rig.world.broken.insert("lost".into());
    rig.start("lost");
    assert_eq!(rig.state("lost"), UnitState::BackingOff);
    assert_eq!(rig.detail("lost"), "could not be started: no such program");
    rig.advance(1_000);
    assert_eq!(rig.machine.stuck_behind("lost").unwrap().0, "lost");
    rig.world.broken.clear();
    rig.advance(1_000);
    assert_eq!(rig.state("lost"), UnitState::Up);
}

#[test]
fn a_restart_takes_requirers_along_and_keeps_them_wanted() {
    let mut rig = Rig::new(vec![notify("a"), with(notify("b"), &["a"], &[], &[])]);
    rig.start("b");
    rig.ready("a");
    rig.ready("b");
    rig.log();
    rig.machine.restart("a", rig.now, &mut rig.world).unwrap();
    assert_eq!(rig.log(), "term b");
    rig.exit("b", Exit::Status(0));
    rig.exit("a", Exit::Status(0));
    assert_eq!(rig.log(), "down b, term a, down a, start a");
    rig.ready("a");
    assert_eq!(rig.log(), "start b");
}

#[test]
fn a_transient_unit_leaves_nothing_behind() {
    let mut rig = Rig::new(vec![]);
    let unit = service("agent-x", Readiness::None, Restart::No);
    rig.machine
        .start_transient(unit.clone(), 0, &mut rig.world)
        .unwrap();
    assert!(
        rig.machine
            .start_transient(unit, 0, &mut rig.world)
            .is_err()
    );
    rig.exit("agent-x", Exit::Status(1));
    assert_eq!(rig.machine.status("agent-x"), None);
    let removed = rig.machine.take_news().removed;
    assert_eq!(
        removed,
        [("agent-x".to_owned(), Some("ended with status 1".to_owned()))]
    );
}

#[test]
fn instances_are_made_when_they_are_asked_for() {
    let template = service("user@", Readiness::None, Restart::No);
    let graph = Graph {
        templates: vec![template],
        ..Graph::default()
    };
    let mut rig = Rig::default();
    rig.machine.load(graph, 0, &mut rig.world);
    rig.start("user@1000");
    assert_eq!(rig.state("user@1000"), UnitState::Up);
    for wrong in ["other@1", "user@", "user", "user@../x"] {
        let refused = rig.machine.start(wrong, 0, &mut rig.world);
        assert!(matches!(refused, Err(Refusal::NotFound(_))), "{wrong}");
    }
}

#[test]
fn a_reload_stops_what_is_gone_and_lets_the_rest_run() {
    let mut rig = Rig::new(vec![notify("old"), notify("kept")]);
    for name in ["old", "kept"] {
        rig.start(name);
        rig.ready(name);
    }
    let mut kept = notify("kept");
    kept.description = "new words".into();
    let graph = Graph {
        units: vec![kept, notify("fresh")],
        ..Graph::default()
    };
    rig.machine.load(graph, rig.now, &mut rig.world);
    assert_eq!(rig.state("old"), UnitState::Stopping);
    rig.exit("old", Exit::Status(0));
    assert_eq!(rig.machine.status("old"), None);
    let status = rig.machine.status("kept").unwrap();
    assert_eq!(
        (status.state, status.description.as_str()),
        (UnitState::Up, "")
    );
    rig.machine
        .restart("kept", rig.now, &mut rig.world)
        .unwrap();
    rig.exit("kept", Exit::Status(0));
    assert_eq!(rig.machine.status("kept").unwrap().description, "new words");
}

#[test]
fn a_timer_repeats_its_oneshot() {
    let timer = Timer {
        unit: "job".into(),
        after_start_ms: Some(1_000),
        every_ms: Some(60_000),
    };
    let mut rig = Rig::new(vec![oneshot("job"), Unit::new("tick", Kind::Timer(timer))]);
    rig.start("tick");
    assert_eq!(rig.log(), "start tick");
    rig.advance(1_000);
    assert_eq!(rig.log(), "start job");
    rig.exit("job", Exit::Status(0));
    assert_eq!(rig.state("job"), UnitState::Up);
    rig.advance(60_000);
    assert!(rig.log().ends_with("start job"));
}

#[test]
fn a_path_starts_its_unit_once_it_is_there_and_goes_on_looking_if_its_process_dies() {
    let watch = PathWatch {
        exists: "/media/disk".into(),
        unit: "job".into(),
    };
    let mut rig = Rig::new(vec![oneshot("job"), Unit::new("disk", Kind::Path(watch))]);
    rig.start("disk");
    rig.advance(10 * PATH_POLL_MS);
    assert_eq!(rig.log(), "start disk");
    rig.exit("disk", Exit::Signal(9));
    rig.advance(BACKOFF_FIRST_MS);
    assert_eq!(rig.log(), "down disk, start disk");
    rig.world.paths.insert("/media/disk".into());
    rig.advance(PATH_POLL_MS);
    assert_eq!(rig.log(), "start job");
}

#[test]
fn a_unit_that_repeats_itself_is_no_news() {
    let mut rig = Rig::new(vec![notify("n")]);
    rig.start("n");
    let run = rig.machine.run("n").unwrap();
    rig.machine.describe("n", run, "loading");
    assert!(rig.machine.take_news().changed.contains("n"));
    rig.machine.describe("n", run, "loading");
    assert!(rig.machine.take_news().changed.is_empty());
}

/// How long something may take, short times and absurd ones alike.
fn durations() -> impl Strategy<Value = u64> {
    prop_oneof![0..10u64, 0..100_000u64, any::<u64>(), Just(u64::MAX)]
}

proptest! {
    #[test]
    fn no_duration_is_too_long(
        (after, every) in (prop::option::of(durations()), prop::option::of(durations())),
        (ready, stop) in (durations(), durations()),
        begin in 0..1u64 << 40,
        pauses in prop::collection::vec(0..1u64 << 36, 1..12),
    ) {
        let timer = Timer { unit: "job".into(), after_start_ms: after, every_ms: every };
        let mut slow = notify("slow");
        (slow.ready_timeout_ms, slow.stop_timeout_ms) = (ready, stop);
        let mut job = oneshot("job");
        (job.ready_timeout_ms, job.stop_timeout_ms) = (ready, stop);
        let mut rig = Rig::new(vec![slow, job, Unit::new("tick", Kind::Timer(timer))]);
        rig.now = begin;
        rig.start("tick");
        rig.start("slow");
        for pause in pauses {
            rig.now += pause;
            // What is due is done after a few steps, each of which may have no time at all; a
            // deadline that stays in the past would keep the supervisor busy for ever.
            for _ in 0..4 {
                rig.machine.tick(rig.now, &mut rig.world);
            }
            let (now, next) = (rig.now, rig.machine.next_deadline());
            prop_assert!(next.is_none_or(|at| at > now), "{next:?} at {now}");
            if rig.state("slow") == UnitState::Starting {
                rig.stop("slow");
            } else {
                rig.exit("slow", Exit::Status(1));
            }
        }
        rig.machine.kill_all(rig.now, &mut rig.world);
    }
}

// ---- Random operations against invariants ---------------------------------------------------

#[derive(Debug, Clone)]
enum Op {
    Start(usize),
    Stop(usize),
    Restart(usize),
    Ready(usize),
    Exit(usize, bool),
    Break(usize, bool),
    Advance(u64),
    Reload(u8),
}

const COUNT: usize = 7;

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let unit = 0..COUNT;
    let op = prop_oneof![
        4 => unit.clone().prop_map(Op::Start),
        2 => unit.clone().prop_map(Op::Stop),
        2 => unit.clone().prop_map(Op::Restart),
        6 => unit.clone().prop_map(Op::Ready),
        5 => (unit.clone(), any::<bool>()).prop_map(|(u, ok)| Op::Exit(u, ok)),
        1 => (unit, any::<bool>()).prop_map(|(u, on)| Op::Break(u, on)),
        3 => (0..20_000u64).prop_map(Op::Advance),
        1 => any::<u8>().prop_map(Op::Reload),
    ];
    prop::collection::vec(op, 1..80)
}

/// An acyclic graph: unit `i` may only depend on units before it.
fn graph(edges: &[u8], present: u8) -> Graph {
    let name = |i: usize| format!("u{i}");
    let there = |i: usize| i == 0 || present & (1 << (i % 8)) != 0;
    let units = (0..COUNT).filter(|i| there(*i)).map(|i| {
        let mut unit = match i % 4 {
            0 => service(&name(i), Readiness::Notify, Restart::Always),
            1 => service(&name(i), Readiness::None, Restart::OnFailure),
            2 => oneshot(&name(i)),
            _ => Unit::target(&name(i)),
        };
        for j in (0..i).filter(|j| there(*j)) {
            match edges[i * COUNT + j] % 6 {
                0 => unit.requires.push(name(j)),
                1 => unit.wants.push(name(j)),
                2 => unit.after.push(name(j)),
                _ => {}
            }
        }
        unit
    });
    Graph {
        units: units.collect(),
        ..Graph::default()
    }
}

fn verify(rig: &Rig) {
    let machine = &rig.machine;
    assert!(!machine.has_work());
    for (name, entry) in &machine.entries {
        let status = Machine::report(entry);
        match &entry.state {
            State::Down => assert!(!entry.wanted, "{name} is wanted and nobody does anything"),
            State::Waiting => {
                assert!(entry.wanted, "{name} waits though nobody wants it");
                assert!(!machine.may_start(name), "{name} waits for nothing");
                assert_eq!(
                    machine.blocked_by(name),
                    None,
                    "{name} waits for what never comes"
                );
            }
            State::Starting { .. } | State::Up { .. } => {
                if entry.must_stop {
                    assert!(!machine.may_stop(name), "{name} could stop and does not");
                } else {
                    assert!(entry.wanted, "{name} runs though nobody wants it");
                    for need in &entry.unit.requires {
                        let up = machine
                            .status(need)
                            .is_some_and(|s| s.state == UnitState::Up);
                        assert!(up, "{name} runs without {need}");
                    }
                }
                if matches!(entry.state, State::Starting { .. }) {
                    assert!(
                        rig.world.live.contains_key(name),
                        "{name} starts without a process"
                    );
                }
            }
            State::Stopping { killed, .. } => {
                assert!(
                    rig.world.live.contains_key(name),
                    "{name} stops but nothing is left of it"
                );
                let live = &rig.world.live[name];
                assert!(
                    live.told || !live.main || *killed,
                    "{name} stops but was not told"
                );
            }
            State::BackingOff { until } => {
                assert!(entry.wanted && *until > rig.now, "{name} is late");
                assert!(!rig.world.live.contains_key(name));
            }
            State::Failed { .. } => {
                assert!(
                    !status.detail.is_empty(),
                    "{name} failed and does not say why"
                );
                assert!(!rig.world.live.contains_key(name));
            }
        }
    }
    for name in rig.world.live.keys() {
        assert!(
            machine.entries.get(name).is_some_and(Entry::is_active),
            "{name} was forgotten"
        );
    }
}

/// Everything in the world does as it is told until nothing changes.
fn cooperate(rig: &mut Rig) {
    for _ in 0..4 * COUNT {
        for i in 0..COUNT {
            let name = format!("u{i}");
            let Some(status) = rig.machine.status(&name) else {
                continue;
            };
            match status.state {
                UnitState::Starting if status.kind == "oneshot" => rig.exit(&name, Exit::Status(0)),
                UnitState::Starting => rig.ready(&name),
                UnitState::Stopping => rig.exit(&name, Exit::Status(0)),
                _ => {}
            }
            verify(rig);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn random_operations_keep_the_invariants(
        edges in prop::collection::vec(any::<u8>(), COUNT * COUNT),
        ops in ops(),
    ) {
        let mut rig = Rig::default();
        rig.machine.load(graph(&edges, 0xff), 0, &mut rig.world);
        for op in ops {
            let name = |i: usize| format!("u{i}");
            // A unit that a reload took away is refused, which is right and not of interest here.
            let (now, world) = (rig.now, &mut rig.world);
            match op {
                Op::Start(i) => drop(rig.machine.start(&name(i), now, world)),
                Op::Stop(i) => drop(rig.machine.stop(&name(i), now, world)),
                Op::Restart(i) => drop(rig.machine.restart(&name(i), now, world)),
                Op::Ready(i) => if rig.machine.run(&name(i)).is_some() { rig.ready(&name(i)) },
                Op::Exit(i, true) => rig.exit(&name(i), Exit::Status(0)),
                Op::Exit(i, false) => rig.exit(&name(i), Exit::Signal(11)),
                Op::Break(i, true) => drop(rig.world.broken.insert(name(i))),
                Op::Break(i, false) => drop(rig.world.broken.remove(&name(i))),
                Op::Advance(ms) => rig.advance(ms),
                Op::Reload(present) => rig.machine.load(graph(&edges, present), now, world),
            }
            verify(&rig);
        }

        // Once the world behaves, everything wanted comes up.
        rig.world.broken.clear();
        cooperate(&mut rig);
        rig.advance(2 * BACKOFF_LAST_MS);
        cooperate(&mut rig);
        for status in rig.machine.statuses() {
            let fine = matches!(status.state, UnitState::Up | UnitState::Failed);
            prop_assert!(!status.wanted || fine, "{status:?}");
        }

        // And everything goes down in order.
        rig.machine.close(rig.now, &mut rig.world);
        verify(&rig);
        cooperate(&mut rig);
        prop_assert!(rig.machine.is_idle(), "{:?}", rig.machine.statuses().collect::<Vec<_>>());
        prop_assert!(rig.world.live.is_empty());
    }
}
