//! From units to a graph: instances of templates, `wanted-by`, missing names, circles.
//!
//! Whatever cannot stay is left out together with what requires it, so that the graph that comes
//! out always passes [`Graph::check`].

use std::collections::BTreeMap;

use argos_units::{Graph, GraphError, Kind, Problem, Unit, graph, name};

use crate::convert::Parsed;

/// Links what was parsed.
pub fn link(parsed: Vec<Parsed>, problems: Vec<Problem>) -> Graph {
    let mut linker = Linker {
        problems,
        ..Linker::default()
    };
    let mut wishes = Vec::new();
    for Parsed {
        source,
        unit,
        wanted_by,
    } in parsed
    {
        let wished = wanted_by
            .into_iter()
            .map(|target| (target, unit.name.clone()));
        wishes.extend(wished);
        linker
            .files
            .insert(unit.name.clone(), source.base.display().to_string());
        let kind = if name::is_template(&unit.name) {
            &mut linker.templates
        } else {
            &mut linker.units
        };
        kind.insert(unit.name.clone(), unit);
    }
    for (target, unit) in wishes {
        linker.want(&target, unit);
    }
    linker.make_instances();
    linker.drop_missing();
    linker.break_circles();
    linker.finish()
}

#[derive(Debug, Default)]
struct Linker {
    units: BTreeMap<String, Unit>,
    templates: BTreeMap<String, Unit>,
    files: BTreeMap<String, String>,
    problems: Vec<Problem>,
}

impl Linker {
    fn problem(&mut self, unit: &str, message: &str) {
        let file = self.files.get(unit).map_or("", String::as_str);
        let separator = if file.is_empty() { "" } else { ": " };
        let message = format!("{file}{separator}{message}");
        self.problems.push(Problem {
            unit: unit.to_owned(),
            message,
        });
    }

    fn want(&mut self, target: &str, unit: String) {
        self.instance(target);
        match self.units.get_mut(target) {
            Some(target) if !target.wants.contains(&unit) => target.wants.push(unit),
            Some(_) => {}
            None => self.problem(
                &unit,
                &format!("`wanted-by` names `{target}`, which does not exist; nothing starts it"),
            ),
        }
    }

    /// Makes the instance `name` if there is a template for it.
    fn instance(&mut self, name: &str) {
        if self.units.contains_key(name) {
            return;
        }
        let Some((template, instance)) = name::split_instance(name) else {
            return;
        };
        let Some(unit) = self
            .templates
            .get(template)
            .map(|template| template.instantiate(instance))
        else {
            return;
        };
        if let Some(file) = self.files.get(template).cloned() {
            self.files.insert(name.to_owned(), file);
        }
        self.units.insert(name.to_owned(), unit);
    }

    /// Instances that are named somewhere, and those that they name.
    fn make_instances(&mut self) {
        let mut list: Vec<String> = self.units.keys().cloned().collect();
        while let Some(name) = list.pop() {
            let Some(unit) = self.units.get(&name) else {
                continue;
            };
            let named: Vec<String> = unit
                .requires
                .iter()
                .chain(&unit.wants)
                .map(String::as_str)
                .chain(unit.activates())
                .map(str::to_owned)
                .collect();
            for name in named {
                // A template that names a longer instance of itself must not run away.
                if !self.units.contains_key(&name) && self.units.len() < graph::MAX_UNITS {
                    self.instance(&name);
                    list.push(name);
                }
            }
        }
    }

    fn leave_out(&mut self, unit: &str, message: &str) {
        self.problem(unit, &format!("{message}; the unit is left out"));
        self.units.remove(unit);
    }

    /// Leaves out what requires something that is not there, until nothing does.
    fn drop_missing(&mut self) {
        loop {
            let missing = self.units.values().find_map(|unit| {
                let needs = unit
                    .requires
                    .iter()
                    .map(String::as_str)
                    .chain(unit.activates());
                let need = needs.clone().find(|need| !self.units.contains_key(*need))?;
                Some((unit.name.clone(), need.to_owned()))
            });
            let Some((unit, need)) = missing else { break };
            let why = if self.problems.iter().any(|problem| problem.unit == need) {
                "has a mistake of its own"
            } else {
                "does not exist"
            };
            self.leave_out(&unit, &format!("it needs `{need}`, which {why}"));
        }
        let mut unwanted = Vec::new();
        let names: Vec<String> = self.units.keys().cloned().collect();
        for unit in self.units.values_mut() {
            unit.wants.retain(|want| {
                let there = names.binary_search(want).is_ok();
                if !there {
                    unwanted.push((unit.name.clone(), want.clone()));
                }
                there
            });
        }
        for (unit, want) in unwanted {
            // One that has a mistake has been reported already.
            if !self.problems.iter().any(|problem| problem.unit == want) {
                self.problem(
                    &unit,
                    &format!("it wants `{want}`, which does not exist; it starts without"),
                );
            }
        }
    }

    /// Leaves out one unit of each circle: the last one by name that is not a target.
    fn break_circles(&mut self) {
        loop {
            let graph = Graph {
                units: self.units.values().cloned().collect(),
                ..Graph::default()
            };
            let Err(GraphError::Cycle(circle)) = graph.check() else {
                return;
            };
            let is_target = |name: &&String| {
                matches!(self.units.get(*name).map(|u| &u.kind), Some(Kind::Target))
            };
            let Some(victim) = circle
                .iter()
                .filter(|name| !is_target(name))
                .max()
                .or(circle.iter().max())
                .cloned()
            else {
                return;
            };
            let text = circle.join(" -> ");
            self.leave_out(
                &victim,
                &format!("units wait for each other in a circle: {text}"),
            );
            self.drop_missing();
        }
    }

    fn finish(mut self) -> Graph {
        // What is left over is about size only, and is said rather than handed over.
        let graph = Graph {
            units: std::mem::take(&mut self.units).into_values().collect(),
            templates: std::mem::take(&mut self.templates).into_values().collect(),
            problems: Vec::new(),
        };
        match graph.check() {
            Ok(()) => Graph {
                problems: self.problems,
                ..graph
            },
            Err(error) => {
                self.problem("", &error.to_string());
                Graph {
                    problems: self.problems,
                    ..Graph::default()
                }
            }
        }
    }
}
