//! What is to be of each part, decided from what its manifest says and how its unit stands.
//!
//! **Wanted and actual are separate.** Manifests say what is wanted, the supervisor says what there is, and each
//! time one of them says something new, the roster compares them part by part and asks for one step ([`Do`]) where
//! they differ. What was asked for is known to be done only when the supervisor tells so; until then nothing else
//! is asked for that part.
//!
//! ```text
//! manifest comes ─▶ start ─▶ runs ◀──▶ dies and comes back: the supervisor's business
//!                             │
//!                             ├─ manifest changes ─▶ stop ─▶ start
//!                             ├─ manifest goes, or is off ─▶ stop
//!                             ├─ dies too often ─▶ stop, halted until its manifest changes or somebody restarts it
//!                             └─ somebody stops its unit ─▶ halted the same
//! ```
//!
//! A manifest with a mistake counts as the one before it. Nothing here does anything or knows the time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use argos_bus::shell::Part;
use argos_control::{TransientUnit, UnitState, UnitStatus};

use super::manifest::{BuiltIn, Found, Manifest, PREFIX, part_of};

/// A part that dies so often...
const DEATHS: usize = 5;
/// ...within this time is given up.
const WINDOW: Duration = Duration::from_secs(60);

/// A step that the supervisor is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Do {
    /// Start this unit.
    Start(Box<TransientUnit>),
    /// Stop the unit of this name.
    Stop(String),
}

/// Why a part does not work as its manifest says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Its manifest has a mistake: where, and which.
    #[error("{0}")]
    Mistake(String),
    /// It died too often.
    #[error("ended {deaths} times within a minute ({why}) and is not started again")]
    GivenUp {
        /// How often within a minute.
        deaths: usize,
        /// How the last time.
        why: String,
    },
    /// The supervisor does not start it.
    #[error("cannot be started: {0}")]
    Refused(String),
}

/// What the shell has to know of the parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Parts of its own that others stand in for.
    pub replaced: BTreeSet<BuiltIn>,
    /// What is wrong, by the names of parts.
    pub problems: BTreeMap<String, Problem>,
}

/// Whether there is somebody who runs units.
#[derive(Debug, Default)]
enum Supervisor {
    /// Nobody was asked yet.
    #[default]
    Unknown,
    There,
    /// Not reached: why.
    Away(String),
}

/// What was asked of the supervisor and is not done yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Start,
    Stop,
}

/// Why a part is not started though its manifest wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Halt {
    GivenUp {
        deaths: usize,
        why: String,
    },
    Refused(String),
    /// Somebody stopped its unit.
    Stopped,
}

#[derive(Debug)]
struct Wanted {
    manifest: Manifest,
    unit: TransientUnit,
}

#[derive(Debug, Default)]
struct Entry {
    path: PathBuf,
    /// The last manifest without a mistake.
    wanted: Option<Wanted>,
    mistake: Option<String>,
    /// As the supervisor tells it.
    unit: Option<UnitStatus>,
    asked: Option<Asked>,
    halt: Option<Halt>,
    /// When it died lately.
    deaths: VecDeque<Instant>,
    /// Deaths of this unit that were counted.
    counted: u32,
    /// How it died the last time.
    last: String,
}

/// See the module's page.
#[derive(Debug, Default)]
pub(super) struct Roster {
    entries: BTreeMap<String, Entry>,
    supervisor: Supervisor,
    /// Environment that all parts get.
    session: Vec<(String, String)>,
}

impl Roster {
    /// An empty one; all its parts get `session` into their environment.
    pub(super) fn new(session: Vec<(String, String)>) -> Self {
        Self {
            session,
            ..Self::default()
        }
    }

    /// Whether there is nothing to look after.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// These are the manifests now.
    pub(super) fn found(&mut self, found: BTreeMap<String, Found>) -> Vec<Do> {
        for (name, entry) in &mut self.entries {
            if !found.contains_key(name) {
                entry.wanted = None;
                entry.mistake = None;
                entry.halt = None;
            }
        }
        for (name, Found { path, outcome }) in found {
            let unit = outcome.as_ref().map(|m| m.unit(&name, &self.session));
            let unit = unit.ok();
            let entry = self.entries.entry(name).or_default();
            entry.path = path;
            entry.mistake = outcome.as_ref().err().cloned();
            if let (Ok(manifest), Some(unit)) = (outcome, unit)
                && entry.wanted.as_ref().map(|wanted| &wanted.manifest) != Some(&manifest)
            {
                entry.wanted = Some(Wanted { manifest, unit });
                entry.forgive();
            }
        }
        self.settle()
    }

    /// The supervisor is there, with these units.
    pub(super) fn connected(&mut self, units: Vec<UnitStatus>, now: Instant) -> Vec<Do> {
        self.supervisor = Supervisor::There;
        for entry in self.entries.values_mut() {
            entry.unit = None;
            entry.asked = None;
        }
        for unit in units {
            self.note(unit, now);
        }
        self.settle()
    }

    /// The supervisor is not there, or not any more.
    pub(super) fn lost(&mut self, why: String) {
        self.supervisor = Supervisor::Away(why);
        for entry in self.entries.values_mut() {
            entry.unit = None;
            entry.asked = None;
        }
        self.forget();
    }

    /// A unit stands so.
    pub(super) fn told(&mut self, unit: UnitStatus, now: Instant) -> Vec<Do> {
        self.note(unit, now);
        self.settle()
    }

    fn note(&mut self, unit: UnitStatus, now: Instant) {
        if let Some(name) = part_of(&unit.name, &unit.description) {
            let entry = self.entries.entry(name.to_owned()).or_default();
            entry.note(unit, now);
        }
    }

    /// The unit of this name is gone.
    pub(super) fn removed(&mut self, unit: &str) -> Vec<Do> {
        if let Some(entry) = self.of_unit(unit)
            && (entry.unit.is_some() || entry.asked.is_some())
        {
            entry.unit = None;
            if entry.asked.take() != Some(Asked::Stop) && entry.halt.is_none() {
                entry.halt = Some(Halt::Stopped);
            }
        }
        self.settle()
    }

    /// What was asked of this unit is not done.
    pub(super) fn refused(&mut self, unit: &str, why: String) {
        if let Some(entry) = self.of_unit(unit) {
            match entry.asked.take() {
                Some(Asked::Start) => entry.halt = Some(Halt::Refused(why)),
                // Asked again as soon as something happens.
                _ => entry.last = why,
            }
        }
    }

    fn of_unit(&mut self, unit: &str) -> Option<&mut Entry> {
        self.entries.get_mut(unit.strip_prefix(PREFIX)?)
    }

    /// Starts a part anew, also one that was given up.
    pub(super) fn restart(&mut self, name: &str) -> Vec<Do> {
        let Some(entry) = self.entries.get_mut(name) else {
            return Vec::new();
        };
        entry.forgive();
        let mut steps = Vec::new();
        if let Some(unit) = &entry.unit
            && entry.asked.is_none()
            && entry.due().is_some()
        {
            steps.push(Do::Stop(unit.name.clone()));
            entry.asked = Some(Asked::Stop);
        }
        steps.extend(self.settle());
        steps
    }

    /// The steps that are due.
    fn settle(&mut self) -> Vec<Do> {
        let steps = match self.supervisor {
            Supervisor::There => self.entries.values_mut().filter_map(Entry::step).collect(),
            Supervisor::Unknown | Supervisor::Away(_) => Vec::new(),
        };
        self.forget();
        steps
    }

    fn forget(&mut self) {
        self.entries.retain(|_, entry| {
            entry.wanted.is_some()
                || entry.mistake.is_some()
                || entry.unit.is_some()
                || entry.asked.is_some()
        });
    }

    /// What the shell has to know.
    pub(super) fn seen(&self) -> Seen {
        let there = matches!(self.supervisor, Supervisor::There);
        let running = self.entries.values().filter(|_| there);
        let replaced = running.filter_map(Entry::due);
        let replaced = replaced.flat_map(|wanted| wanted.manifest.replaces.iter().copied());
        let problems = self.entries.iter();
        let problems = problems.filter_map(|(name, entry)| Some((name.clone(), entry.problem()?)));
        Seen {
            replaced: replaced.collect(),
            problems: problems.collect(),
        }
    }

    /// All parts, as the bus tells of them.
    pub(super) fn list(&self) -> Vec<Part> {
        let entries = self.entries.iter();
        entries
            .map(|(name, entry)| self.part(name, entry))
            .collect()
    }

    fn part(&self, name: &str, entry: &Entry) -> Part {
        let manifest = entry.wanted.as_ref().map(|wanted| &wanted.manifest);
        let unit = entry.unit.as_ref();
        let ended = |unit: &UnitStatus| {
            let failed = matches!(unit.state, UnitState::BackingOff | UnitState::Failed);
            failed.then(|| unit.detail.clone())
        };
        let (state, error) = match (&entry.halt, &self.supervisor, unit) {
            (Some(Halt::GivenUp { why, .. }), ..) => ("given-up", why.clone()),
            (Some(Halt::Refused(why)), ..) => ("refused", why.clone()),
            (Some(Halt::Stopped), ..) => ("stopped", String::new()),
            (None, _, Some(unit)) => {
                let error = ended(unit).unwrap_or_else(|| entry.last.clone());
                (unit.state.as_str(), error)
            }
            (None, ..) if manifest.is_none() => ("broken", String::new()),
            (None, ..) if manifest.is_some_and(|manifest| !manifest.enabled) => {
                ("disabled", String::new())
            }
            (None, Supervisor::Away(why), None) => ("waiting", why.clone()),
            (None, Supervisor::Unknown, None) => ("waiting", String::new()),
            (None, Supervisor::There, None) => ("starting", entry.last.clone()),
        };
        let replaces = manifest.into_iter().flat_map(|manifest| &manifest.replaces);
        Part {
            name: name.to_owned(),
            description: manifest.map_or_else(String::new, |m| m.description.clone()),
            state: state.to_owned(),
            pid: unit.map_or(0, |unit| unit.pid),
            restarts: unit.map_or(0, |unit| unit.restarts),
            replaces: replaces
                .map(|built_in| built_in.name().to_owned())
                .collect(),
            manifest: entry.path.display().to_string(),
            error: entry.mistake.clone().unwrap_or(error),
        }
    }
}

impl Entry {
    /// Its definition, if it is to run.
    fn due(&self) -> Option<&Wanted> {
        let wanted = self.wanted.as_ref();
        wanted.filter(|wanted| wanted.manifest.enabled && self.halt.is_none())
    }

    /// The past is no reason any more not to start it.
    fn forgive(&mut self) {
        self.halt = None;
        self.deaths.clear();
        self.last.clear();
    }

    /// Its unit stands so.
    fn note(&mut self, unit: UnitStatus, now: Instant) {
        // The supervisor counts a restart when it begins, which is a while after the death.
        let died = u32::from(unit.state == UnitState::BackingOff);
        let deaths = unit.restarts.saturating_add(died);
        if self.unit.is_none() && self.asked != Some(Asked::Start) {
            // It ran before anybody looked: when it died is not known.
            self.counted = deaths;
        } else if self.unit.is_none() {
            self.counted = 0;
        }
        if self.asked == Some(Asked::Start) {
            self.asked = None;
        }
        for _ in self.counted..deaths {
            self.deaths.push_back(now);
        }
        self.counted = deaths;
        if died > 0 {
            self.last.clone_from(&unit.detail);
        }
        self.unit = Some(unit);
        let old = |at: &Instant| now.saturating_duration_since(*at) > WINDOW;
        while self.deaths.front().is_some_and(old) {
            self.deaths.pop_front();
        }
        if self.deaths.len() >= DEATHS && self.halt.is_none() {
            self.halt = Some(Halt::GivenUp {
                deaths: self.deaths.len(),
                why: self.last.clone(),
            });
        }
    }

    /// The next step, which is then taken as asked for.
    fn step(&mut self) -> Option<Do> {
        if self.asked.is_some() {
            return None;
        }
        let due = self.due().map(|wanted| &wanted.unit);
        let (asked, step) = match (due, &self.unit) {
            (Some(wanted), None) => (Asked::Start, Do::Start(Box::new(wanted.clone()))),
            (Some(wanted), Some(unit)) if wanted.description == unit.description => return None,
            // From before this shell, and what it is to be now cannot be read: it is left alone.
            (None, Some(_)) if self.wanted.is_none() && self.mistake.is_some() => return None,
            (_, Some(unit)) => (Asked::Stop, Do::Stop(unit.name.clone())),
            (None, None) => return None,
        };
        self.asked = Some(asked);
        Some(step)
    }

    fn problem(&self) -> Option<Problem> {
        if let Some(mistake) = &self.mistake {
            return Some(Problem::Mistake(mistake.clone()));
        }
        match self.halt.clone()? {
            Halt::GivenUp { deaths, why } => Some(Problem::GivenUp { deaths, why }),
            Halt::Refused(why) => Some(Problem::Refused(why)),
            // Whoever did it knows.
            Halt::Stopped => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A roster, and a supervisor that does what it says.
    struct Bench {
        roster: Roster,
        files: BTreeMap<String, Found>,
        units: BTreeMap<String, UnitStatus>,
        now: Instant,
        /// What was done, in words.
        log: Vec<String>,
    }

    impl Bench {
        fn new() -> Self {
            let mut bench = Self {
                roster: Roster::new(Vec::new()),
                files: BTreeMap::new(),
                units: BTreeMap::new(),
                now: Instant::now(),
                log: Vec::new(),
            };
            assert_eq!(bench.roster.connected(Vec::new(), bench.now), []);
            bench
        }

        /// A file that nobody has looked at yet.
        fn put(&mut self, name: &str, text: &str) {
            let outcome = Manifest::parse("file", text);
            let path = PathBuf::from(format!("/parts/{name}.yaml"));
            self.files.insert(name.to_owned(), Found { path, outcome });
        }

        fn write(&mut self, name: &str, text: &str) {
            self.put(name, text);
            self.find();
        }

        fn remove(&mut self, name: &str) {
            self.files.remove(name);
            self.find();
        }

        fn find(&mut self) {
            let steps = self.roster.found(self.files.clone());
            self.obey(steps);
        }

        fn obey(&mut self, steps: Vec<Do>) {
            for step in steps {
                let next = match step {
                    Do::Start(unit) => {
                        self.log.push(format!("start {}", unit.name));
                        let status = UnitStatus {
                            name: unit.name.clone(),
                            description: unit.description.clone(),
                            kind: "service".into(),
                            wanted: true,
                            state: UnitState::Up,
                            detail: String::new(),
                            pid: 7,
                            restarts: 0,
                            since_ms: 0,
                        };
                        let before = self.units.insert(unit.name.clone(), status.clone());
                        assert!(before.is_none(), "{} runs already", unit.name);
                        self.roster.told(status, self.now)
                    }
                    Do::Stop(unit) => {
                        self.log.push(format!("stop {unit}"));
                        assert!(self.units.remove(&unit).is_some(), "{unit} does not run");
                        self.roster.removed(&unit)
                    }
                };
                self.obey(next);
            }
        }

        /// A part dies, after `ms` milliseconds, and comes back if it may.
        fn dies(&mut self, name: &str, ms: u64) {
            self.now += Duration::from_millis(ms);
            for state in [UnitState::BackingOff, UnitState::Up] {
                let unit = format!("part-{name}");
                let Some(status) = self.units.get_mut(&unit) else {
                    return;
                };
                status.state = state;
                status.detail = "ended with status 3".into();
                status.restarts += u32::from(state == UnitState::Up);
                let steps = self.roster.told(status.clone(), self.now);
                self.obey(steps);
            }
        }

        fn state(&self, name: &str) -> String {
            let list = self.roster.list();
            let part = list.iter().find(|part| part.name == name);
            part.map_or_else(|| "absent".to_owned(), |part| part.state.clone())
        }

        fn logged(&mut self) -> Vec<String> {
            std::mem::take(&mut self.log)
        }
    }

    const CLOCK: &str = "exec: [/bin/true]\nreplaces: [panel]\n";

    #[test]
    fn a_part_comes_changes_and_goes_with_its_manifest() {
        let mut bench = Bench::new();
        bench.write("clock", CLOCK);
        assert_eq!(bench.logged(), ["start part-clock"]);
        assert_eq!(bench.roster.seen().replaced, [BuiltIn::Panel].into());
        bench.find();
        assert!(bench.logged().is_empty(), "nothing is new");
        bench.write("clock", "exec: [/bin/false]\n");
        assert_eq!(bench.logged(), ["stop part-clock", "start part-clock"]);
        assert!(bench.roster.seen().replaced.is_empty());
        // What it replaces is the shell's business, not its own.
        bench.write("clock", "exec: [/bin/false]\nreplaces: [power]\n");
        assert!(bench.logged().is_empty());
        assert_eq!(bench.roster.seen().replaced, [BuiltIn::Power].into());
        bench.write("clock", "exec: [/bin/false]\nenabled: false\n");
        assert_eq!(bench.logged(), ["stop part-clock"]);
        assert_eq!(bench.state("clock"), "disabled");
        bench.write("clock", CLOCK);
        bench.remove("clock");
        assert_eq!(bench.logged(), ["start part-clock", "stop part-clock"]);
        assert!(bench.roster.is_empty());
        assert_eq!(bench.roster.seen(), Seen::default());
    }

    #[test]
    fn a_mistake_leaves_what_runs_and_is_told_until_it_is_mended() {
        let mut bench = Bench::new();
        bench.write("clock", CLOCK);
        bench.logged();
        bench.write("clock", "exec: [\n");
        assert!(bench.logged().is_empty());
        let seen = bench.roster.seen();
        assert!(matches!(&seen.problems["clock"], Problem::Mistake(why) if why.contains("file:")));
        assert_eq!(seen.replaced, [BuiltIn::Panel].into());
        let part = &bench.roster.list()[0];
        assert_eq!((part.state.as_str(), part.pid), ("up", 7));
        assert!(part.error.contains("file:"));
        bench.write("clock", CLOCK);
        assert!(bench.logged().is_empty());
        assert!(bench.roster.seen().problems.is_empty());
        // One that never was right.
        bench.write("dock", "exec: [\n");
        assert_eq!(bench.state("dock"), "broken");
        assert!(bench.logged().is_empty());
    }

    #[test]
    fn what_dies_too_often_is_given_up_and_what_dies_seldom_is_not() {
        let mut bench = Bench::new();
        bench.write("clock", CLOCK);
        for _ in 0..20 {
            bench.dies("clock", 15_001);
        }
        assert_eq!(bench.state("clock"), "up");
        assert_eq!(bench.logged(), ["start part-clock"]);
        bench.now += WINDOW * 2;
        for _ in 0..DEATHS {
            assert_eq!(bench.state("clock"), "up");
            bench.dies("clock", 100);
        }
        assert_eq!(bench.logged(), ["stop part-clock"]);
        assert_eq!(bench.state("clock"), "given-up");
        let seen = bench.roster.seen();
        let why = "ended with status 3".to_owned();
        let deaths = DEATHS;
        assert_eq!(seen.problems["clock"], Problem::GivenUp { deaths, why });
        assert!(seen.replaced.is_empty(), "the panel is back");
        bench.find();
        assert!(bench.logged().is_empty(), "it is not tried again by itself");
        let steps = bench.roster.restart("clock");
        bench.obey(steps);
        assert_eq!(bench.logged(), ["start part-clock"]);
        bench.dies("clock", 100);
        assert_eq!(bench.state("clock"), "up", "its past is forgotten");
        assert_eq!(bench.roster.seen().problems, BTreeMap::new());
    }

    #[test]
    fn another_manifest_is_another_chance() {
        let mut bench = Bench::new();
        bench.write("clock", CLOCK);
        for _ in 0..DEATHS {
            bench.dies("clock", 100);
        }
        bench.logged();
        bench.write("clock", "exec: [/bin/false]\nreplaces: [panel]\n");
        assert_eq!(bench.logged(), ["start part-clock"]);
        assert_eq!(bench.roster.seen().replaced, [BuiltIn::Panel].into());
    }

    #[test]
    fn what_somebody_stopped_is_not_started_against_their_will() {
        let mut bench = Bench::new();
        bench.write("clock", CLOCK);
        bench.logged();
        bench.units.clear();
        let steps = bench.roster.removed("part-clock");
        bench.obey(steps);
        assert!(bench.logged().is_empty());
        assert_eq!(bench.state("clock"), "stopped");
        assert_eq!(bench.roster.seen(), Seen::default());
        let steps = bench.roster.restart("clock");
        bench.obey(steps);
        assert_eq!(bench.logged(), ["start part-clock"]);
        // One that runs is started anew.
        let steps = bench.roster.restart("clock");
        bench.obey(steps);
        assert_eq!(bench.logged(), ["stop part-clock", "start part-clock"]);
    }

    #[test]
    fn a_new_shell_takes_over_what_runs_and_ends_what_is_not_wanted_any_more() {
        let mut bench = Bench::new();
        bench.write("clock", CLOCK);
        bench.write("dock", CLOCK);
        bench.write("bar", CLOCK);
        bench.write("old", CLOCK);
        for _ in 1..DEATHS {
            bench.dies("clock", 100);
        }
        bench.logged();
        bench.roster = Roster::new(Vec::new());
        bench.files.remove("old");
        let other = Manifest::parse("file", "exec: [/bin/false]\n");
        bench.files.get_mut("dock").unwrap().outcome = other;
        bench.files.get_mut("bar").unwrap().outcome = Err("a mistake".to_owned());
        bench.find();
        assert!(bench.logged().is_empty(), "who runs is not known yet");
        let foreign = UnitStatus {
            name: "part-time".into(),
            description: "A unit of the person's own".into(),
            ..bench.units["part-clock"].clone()
        };
        bench.units.insert(foreign.name.clone(), foreign);
        let units = bench.units.values().cloned().collect();
        let steps = bench.roster.connected(units, bench.now);
        bench.obey(steps);
        let log = bench.logged();
        assert_eq!(log, ["stop part-dock", "start part-dock", "stop part-old"]);
        // What it died of before is nothing to this shell.
        bench.dies("clock", 100);
        assert_eq!(bench.state("clock"), "up");
    }

    #[test]
    fn nothing_is_asked_twice_and_late_changes_are_not_lost() {
        let mut bench = Bench::new();
        bench.put("clock", CLOCK);
        let steps = bench.roster.found(bench.files.clone());
        assert_eq!(steps.len(), 1);
        // It goes before the supervisor has answered.
        assert_eq!(bench.roster.found(bench.files.clone()), []);
        assert_eq!(bench.roster.found(BTreeMap::new()), []);
        bench.files.clear();
        bench.obey(steps);
        assert_eq!(bench.logged(), ["start part-clock", "stop part-clock"]);
        assert!(bench.roster.is_empty());
    }

    #[test]
    fn a_refusal_is_told_and_without_a_supervisor_nothing_is_replaced() {
        let mut bench = Bench::new();
        bench.put("clock", CLOCK);
        assert_eq!(bench.roster.found(bench.files.clone()).len(), 1);
        bench.roster.refused("part-clock", "no".to_owned());
        assert_eq!(bench.state("clock"), "refused");
        let problems = bench.roster.seen().problems;
        assert_eq!(problems["clock"], Problem::Refused("no".to_owned()));
        bench.roster.lost("gone".to_owned());
        let steps = bench.roster.restart("clock");
        assert_eq!(steps, []);
        assert_eq!(bench.roster.seen(), Seen::default());
        let part = &bench.roster.list()[0];
        assert_eq!(
            (part.state.as_str(), part.error.as_str()),
            ("waiting", "gone")
        );
        let steps = bench.roster.connected(Vec::new(), bench.now);
        bench.obey(steps);
        assert_eq!(bench.state("clock"), "up");
    }
}
