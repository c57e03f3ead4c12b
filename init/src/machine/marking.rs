//! Phase one: requests mark units as wanted or as having to stop, and queue them.

use std::collections::BTreeSet;

use argos_units::{Graph, Unit, name};

use super::state::{Outcome, State, new_entry, stopping};
use super::{Backend, MAX_INSTANCES, MAX_UNITS, Machine, Refusal};

impl Machine {
    /// Takes a new graph. Units that run keep running under their old definition until they are
    /// next down; units that are gone from the graph stop and disappear.
    pub fn load(&mut self, graph: Graph, now: u64, backend: &mut dyn Backend) {
        self.templates = graph
            .templates
            .into_iter()
            .map(|t| (t.name.clone(), t))
            .collect();
        let mut gone: BTreeSet<String> = self.entries.keys().cloned().collect();
        for unit in graph.units {
            gone.remove(&unit.name);
            self.put(unit, now);
        }
        for name in gone {
            let instance = name::split_instance(&name)
                .and_then(|(template, i)| self.templates.get(template).map(|t| t.instantiate(i)));
            if let Some(unit) = instance {
                self.put(unit, now);
            } else if let Some(entry) = self.entries.get_mut(&name)
                && !entry.vanishes
            {
                entry.vanishes = true;
                self.mark_stopped(&name);
            }
        }
        self.index();
        for name in self.entries.keys().cloned().collect::<Vec<_>>() {
            self.enqueue(&name);
        }
        self.settle(now, backend);
    }

    pub(super) fn put(&mut self, unit: Unit, now: u64) {
        match self.entries.get_mut(&unit.name) {
            Some(entry) if entry.is_active() => {
                entry.vanishes = false;
                entry.replacement = (entry.unit != unit).then_some(unit);
            }
            Some(entry) => {
                entry.vanishes = false;
                entry.unit = unit;
            }
            None => drop(self.entries.insert(unit.name.clone(), new_entry(unit, now))),
        }
    }

    /// Rebuilds who comes after whom.
    pub(super) fn index(&mut self) {
        self.after_me.clear();
        for entry in self.entries.values() {
            for before in entry.unit.before_me() {
                let required = entry.unit.requires.iter().any(|name| name == before);
                let list = self.after_me.entry(before.to_owned()).or_default();
                // A unit that names another twice does so in one go, so that only the last can be it.
                let last = list.last_mut();
                match last.filter(|(name, _)| *name == entry.unit.name) {
                    Some((_, known)) => *known |= required,
                    None => list.push((entry.unit.name.clone(), required)),
                }
            }
        }
    }

    /// Makes the instance of a template if `name` is one and is not there.
    pub(super) fn ensure(&mut self, name: &str, now: u64) -> Result<(), Refusal> {
        if self.entries.contains_key(name) {
            return Ok(());
        }
        let not_found = || Refusal::NotFound(format!("there is no unit `{name}`"));
        if !name::is_valid(name) {
            return Err(not_found());
        }
        let mut made: Vec<Unit> = Vec::new();
        let mut list = vec![name.to_owned()];
        while let Some(wanted) = list.pop() {
            if self.entries.contains_key(&wanted) || made.iter().any(|unit| unit.name == wanted) {
                continue;
            }
            let template = name::split_instance(&wanted)
                .and_then(|(template, i)| self.templates.get(template).map(|t| t.instantiate(i)));
            let Some(unit) = template.filter(|_| made.len() < MAX_INSTANCES) else {
                if wanted == name {
                    return Err(not_found());
                }
                return Err(Refusal::Invalid(format!(
                    "`{name}` needs `{wanted}`, which does not exist"
                )));
            };
            list.extend(unit.requires.iter().chain(&unit.wants).cloned());
            made.push(unit);
        }
        made.into_iter()
            .try_for_each(|unit| self.add(unit, false, now))
    }

    pub(super) fn add(&mut self, unit: Unit, vanishes: bool, now: u64) -> Result<(), Refusal> {
        if self.entries.len() >= MAX_UNITS {
            return Err(Refusal::Invalid(format!(
                "there are {MAX_UNITS} units already"
            )));
        }
        let name = unit.name.clone();
        let mut entry = new_entry(unit, now);
        entry.vanishes = vanishes;
        self.entries.insert(name, entry);
        self.index();
        Ok(())
    }

    /// Wants a unit, all it requires and all it wants.
    pub fn start(
        &mut self,
        name: &str,
        now: u64,
        backend: &mut dyn Backend,
    ) -> Result<(), Refusal> {
        if self.closing {
            return Err(Refusal::Invalid("everything is being stopped".into()));
        }
        self.ensure(name, now)?;
        self.mark_wanted(name, now);
        self.settle(now, backend);
        Ok(())
    }

    /// Starts a unit that disappears when it is down.
    pub fn start_transient(
        &mut self,
        unit: Unit,
        now: u64,
        backend: &mut dyn Backend,
    ) -> Result<(), Refusal> {
        if self.closing {
            return Err(Refusal::Invalid("everything is being stopped".into()));
        }
        if !name::is_valid(&unit.name) || name::is_template(&unit.name) {
            return Err(Refusal::Invalid(format!(
                "`{}` is no usable unit name",
                unit.name
            )));
        }
        if self.entries.contains_key(&unit.name) {
            return Err(Refusal::Invalid(format!(
                "there is a unit `{}` already",
                unit.name
            )));
        }
        let name = unit.name.clone();
        self.add(unit, true, now)?;
        self.mark_wanted(&name, now);
        self.settle(now, backend);
        Ok(())
    }

    /// Wants a unit no longer, nor what requires it.
    pub fn stop(&mut self, name: &str, now: u64, backend: &mut dyn Backend) -> Result<(), Refusal> {
        if !self.entries.contains_key(name) {
            return Err(Refusal::NotFound(format!("there is no unit `{name}`")));
        }
        self.mark_stopped(name);
        self.settle(now, backend);
        Ok(())
    }

    /// Has a unit pass through down; what requires it follows and comes back with it.
    pub fn restart(
        &mut self,
        name: &str,
        now: u64,
        backend: &mut dyn Backend,
    ) -> Result<(), Refusal> {
        if self.closing {
            return Err(Refusal::Invalid("everything is being stopped".into()));
        }
        self.ensure(name, now)?;
        for unit in self.requirers(name) {
            self.mark_must_stop(&unit);
        }
        self.mark_must_stop(name);
        self.mark_wanted(name, now);
        self.settle(now, backend);
        Ok(())
    }

    /// Stops everything in order; from now on nothing starts.
    pub fn close(&mut self, now: u64, backend: &mut dyn Backend) {
        self.closing = true;
        for name in self.entries.keys().cloned().collect::<Vec<_>>() {
            if let Some(entry) = self.entries.get_mut(&name) {
                entry.wanted = false;
            }
            self.mark_must_stop(&name);
        }
        self.settle(now, backend);
    }

    /// Kills what is left, in no order.
    pub fn kill_all(&mut self, now: u64, backend: &mut dyn Backend) {
        self.close(now, backend);
        for name in self.entries.keys().cloned().collect::<Vec<_>>() {
            let Some(entry) = self.entries.get_mut(&name) else {
                continue;
            };
            if entry.is_active() {
                if !matches!(entry.state, State::Stopping { .. }) {
                    entry.state = stopping(entry.pid(), now, Outcome::Told);
                }
                self.kill(&name, now, backend);
            }
        }
        self.settle(now, backend);
    }

    pub(super) fn mark_wanted(&mut self, name: &str, now: u64) {
        let mut list = vec![name.to_owned()];
        let mut seen: BTreeSet<String> = list.iter().cloned().collect();
        while let Some(name) = list.pop() {
            let Some(entry) = self.entries.get_mut(&name) else {
                continue;
            };
            if !entry.wanted {
                entry.wanted = true;
                entry.restarts = 0;
                self.news.changed.insert(name.clone());
            }
            if matches!(entry.state, State::Failed { .. } | State::BackingOff { .. }) {
                entry.state = State::Down;
                entry.since = now;
                entry.failures = 0;
                entry.restarts = 0;
                entry.detail.clear();
                self.news.changed.insert(name.clone());
            }
            for need in entry.unit.requires.iter().chain(&entry.unit.wants) {
                if seen.insert(need.clone()) {
                    list.push(need.clone());
                }
            }
            self.enqueue(&name);
        }
    }

    pub(super) fn mark_stopped(&mut self, name: &str) {
        let mut list = self.requirers(name);
        list.push(name.to_owned());
        for name in list {
            if let Some(entry) = self.entries.get_mut(&name)
                && entry.wanted
            {
                entry.wanted = false;
                self.news.changed.insert(name.clone());
            }
            self.mark_must_stop(&name);
        }
    }

    pub(super) fn mark_must_stop(&mut self, name: &str) {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.must_stop = matches!(entry.state, State::Starting { .. } | State::Up { .. });
            self.touch(name);
        }
    }

    /// Everything that requires `name`, directly or not.
    pub(super) fn requirers(&self, name: &str) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        let mut seen: BTreeSet<&str> = BTreeSet::from([name]);
        let mut list = vec![name];
        while let Some(at) = list.pop() {
            for (after, required) in self.after_me.get(at).into_iter().flatten() {
                if *required && seen.insert(after) {
                    found.push(after.clone());
                    list.push(after);
                }
            }
        }
        found
    }

    pub(super) fn enqueue(&mut self, name: &str) {
        if self.queued.insert(name.to_owned()) {
            self.queue.push_back(name.to_owned());
        }
    }

    /// Queues a unit and everybody who looks at its state.
    pub(super) fn touch(&mut self, name: &str) {
        self.enqueue(name);
        for (after, _) in self.after_me.get(name).cloned().unwrap_or_default() {
            self.enqueue(&after);
        }
        let before: Vec<String> = match self.entries.get(name) {
            Some(entry) => entry.unit.before_me().map(str::to_owned).collect(),
            None => Vec::new(),
        };
        for name in before {
            self.enqueue(&name);
        }
    }
}
