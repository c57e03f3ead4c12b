//! Workspaces and the outputs that show them.
//!
//! Every workspace belongs to one output, every output shows one of its workspaces. The *active*
//! workspace is the one where the person is; its output is the active output.
//!
//! | when | then |
//! |---|---|
//! | an output goes | its workspaces move to the active output, or else to the first, and remember their home |
//! | it returns | they go home, each window to the place that it had there, and it shows what it showed |
//! | a workspace is moved by the person | it belongs to the other output from now on |
//! | a workspace without windows that nobody sees is asked for | it comes to the active output |
//!
//! Where there are fewer workspaces than outputs, more are made. Without an output the active
//! workspace counts as shown. The active workspace stays the active one whatever outputs do.

use smithay::utils::{Logical, Point};

use super::{
    Area, Layout, Rect, WindowId,
    geometry::{Direction, nearness, overlap},
    no_output,
    tree::Tree,
};

/// One workspace.
#[derive(Debug, Clone)]
pub(super) struct Workspace {
    /// Index of the output that it belongs to; means nothing while there is none.
    pub(super) output: usize,
    /// Name of the output to which it returns, while that is not there.
    home: Option<String>,
    /// New windows become tiles.
    pub(super) tiling: bool,
    pub(super) tree: Tree,
}

impl Workspace {
    pub(super) fn new(tiling: bool) -> Self {
        Self {
            output: 0,
            home: None,
            tiling,
            tree: Tree::default(),
        }
    }
}

impl Layout {
    /// Tells which outputs there are and what panels leave of them.
    ///
    /// Workspaces move as the module's page says; windows that would be out of reach are moved back
    /// into reach. Returns whether anything is new.
    pub fn set_areas(&mut self, areas: Vec<Area>) -> bool {
        if self.areas == areas {
            return false;
        }
        let before = std::mem::replace(&mut self.areas, areas);
        self.find_outputs(&before);
        for id in self.stack.clone() {
            self.keep_reachable(id);
            if let Some(entry) = self.windows.get_mut(&id) {
                entry.revision += u64::from(entry.fills());
            }
        }
        self.retile();
        true
    }

    /// Gives every workspace an output and every output a workspace.
    fn find_outputs(&mut self, before: &[Area]) {
        for (area, shown) in before.iter().zip(&self.shown) {
            // A guest goes home again; it is no reason to forget what was shown before it came.
            if self.spaces[*shown].home.is_none() {
                self.last_shown.insert(area.name.clone(), *shown);
            }
        }
        let index = |areas: &[Area], name: &str| areas.iter().position(|area| area.name == name);
        let active_output = before
            .get(self.spaces[self.active].output)
            .and_then(|area| index(&self.areas, &area.name));
        let fallback = active_output.unwrap_or(0);
        for number in 0..self.spaces.len() {
            let from = before.get(self.spaces[number].output);
            let home = self.spaces[number]
                .home
                .as_deref()
                .and_then(|home| index(&self.areas, home));
            let stays = from.and_then(|area| index(&self.areas, &area.name));
            let to = home.or(stays).unwrap_or(fallback);
            let has_windows = !self.is_empty(number);
            let space = &mut self.spaces[number];
            space.output = to;
            if home.is_some() {
                space.home = None;
            } else if stays.is_none()
                && space.home.is_none()
                && (has_windows || self.shown.contains(&number))
            {
                space.home = from.map(|area| area.name.clone());
            }
            let leaves = from.is_some() && stays.is_none() && home.is_none();
            let from = from.map(|area| area.full.loc);
            let to = self.areas.get(to).map(|area| area.full.loc);
            if let Some((from, to)) = from.or(to).zip(to.or(from)) {
                self.carry(number, from, to, leaves, home.is_some());
            }
        }
        self.shown.clear();
        for output in 0..self.areas.len() {
            let number = self.choose(output);
            self.shown.push(number);
        }
    }

    /// The workspace that an output should show now.
    fn choose(&mut self, output: usize) -> usize {
        if self.spaces[self.active].output == output {
            return self.active;
        }
        let name = &self.areas[output].name;
        let belongs = |number: &usize| {
            *number != self.active
                && self.spaces[*number].output == output
                && !self.shown.contains(number)
        };
        let count = self.spaces.len();
        let known = self
            .last_shown
            .get(name)
            .copied()
            .filter(|number| *number < count && belongs(number))
            .or_else(|| (0..count).find(|number| belongs(number) && !self.is_empty(*number)));
        let free = || {
            (0..count).find(|number| {
                *number != self.active && self.is_empty(*number) && !self.shown.contains(number)
            })
        };
        let number = known.or_else(free).unwrap_or_else(|| {
            self.spaces.push(Workspace::new(self.tiling));
            count
        });
        self.spaces[number].output = output;
        number
    }

    /// Moves a workspace's frames from the origin of one output to that of another one.
    fn carry(
        &mut self,
        number: usize,
        from: Point<i32, Logical>,
        to: Point<i32, Logical>,
        leaves_home: bool,
        returns_home: bool,
    ) {
        for entry in self.windows.values_mut() {
            if entry.workspace != number {
                continue;
            }
            if leaves_home && entry.at_home.is_none() {
                let mut frame = entry.frame;
                frame.loc -= from;
                entry.at_home = Some(frame);
            }
            match entry.at_home.filter(|_| returns_home) {
                Some(frame) => {
                    entry.at_home = None;
                    if entry.frame.size != frame.size {
                        entry.revision += 1;
                    }
                    entry.frame = Rect::new(frame.loc + to, frame.size);
                }
                None => entry.frame.loc += to - from,
            }
        }
    }

    /// Whether no window is on a workspace.
    pub(super) fn is_empty(&self, number: usize) -> bool {
        self.windows.values().all(|entry| entry.workspace != number)
    }

    /// Whether an output shows a workspace.
    pub fn is_shown(&self, number: usize) -> bool {
        if self.areas.is_empty() {
            number == self.active
        } else {
            self.shown.contains(&number)
        }
    }

    /// Shows a workspace, from 0, on the output that it belongs to, and makes it the active one.
    /// Returns whether there is one with that number.
    pub fn activate_workspace(&mut self, number: usize) -> bool {
        if number >= self.spaces.len() {
            return false;
        }
        self.cycle_end();
        if !self.is_shown(number) && self.is_empty(number) {
            self.spaces[number].output = self.spaces[self.active].output;
            self.spaces[number].home = None;
        }
        self.show(number);
        true
    }

    /// Makes a workspace the active one.
    pub(super) fn show(&mut self, number: usize) {
        self.active = number;
        if let Some(shown) = self.shown.get_mut(self.spaces[number].output) {
            *shown = number;
        }
    }

    /// Moves a window and those that belong to it to a workspace, from 0, without showing that
    /// workspace.
    pub fn move_to_workspace(&mut self, id: WindowId, number: usize) -> bool {
        if !self.windows.contains_key(&id) || number >= self.spaces.len() {
            return false;
        }
        self.cycle_end();
        let from = self.windows[&id].workspace;
        if !self.is_shown(number) && self.is_empty(number) {
            self.spaces[number].output = self.spaces[from].output;
            self.spaces[number].home = None;
        }
        let origin = |layout: &Self, workspace: usize| layout.area_of_workspace(workspace).full.loc;
        let by = origin(self, number) - origin(self, from);
        for other in self.family(id) {
            self.untile(other);
            if let Some(entry) = self.windows.get_mut(&other) {
                if entry.workspace != number {
                    entry.frame.loc += by;
                    entry.at_home = None;
                    entry.revision += u64::from(entry.fills());
                }
                entry.workspace = number;
            }
            self.keep_reachable(other);
            self.tile_if_wanted(other);
        }
        self.retile();
        true
    }

    /// A window, those of its stack, and those that belong to one of them.
    fn family(&self, id: WindowId) -> Vec<WindowId> {
        let stack = self.stack_of(id).unwrap_or_default();
        let is_one = |other: WindowId| other == id || stack.contains(&other);
        self.windows
            .iter()
            .filter(|(other, entry)| is_one(**other) || entry.parent.is_some_and(is_one))
            .map(|(other, _)| *other)
            .collect()
    }

    /// After a window was put somewhere by hand: it belongs to what the output shows that it is
    /// mostly on.
    pub(super) fn follow_frame(&mut self, id: WindowId) {
        let Some(entry) = self.windows.get(&id) else {
            return;
        };
        let home = self.spaces[entry.workspace].output;
        let best = self
            .areas
            .iter()
            .enumerate()
            .map(|(index, area)| (overlap(entry.frame, area.full), index))
            .max_by_key(|(part, index)| (*part, *index == home, usize::MAX - index));
        let Some((part, output)) = best else {
            return;
        };
        if part == 0 || output == home || !self.is_shown(entry.workspace) {
            return;
        }
        self.cycle_end();
        let number = self.shown[output];
        let follow = self.focused() == Some(id);
        let tiling = self.spaces[number].tiling;
        for other in self.family(id) {
            if let Some(entry) = self.windows.get_mut(&other) {
                entry.workspace = number;
                // It does not become a tile under the hand that carries it.
                entry.floats = entry.floats.filter(|_| !tiling).or(tiling.then_some(true));
            }
        }
        if follow {
            self.active = number;
        }
    }

    /// Moves the active workspace to another output, which shows it; its old output shows another
    /// one. Returns whether there is such an output and it is another one.
    pub fn move_workspace_to_output(&mut self, output: usize) -> bool {
        self.cycle_end();
        let number = self.active;
        let from = self.spaces[number].output;
        if output >= self.areas.len() || output == from {
            return false;
        }
        let start = self.areas[from].full.loc;
        let end = self.areas[output].full.loc;
        self.carry(number, start, end, false, false);
        for entry in self.windows.values_mut() {
            if entry.workspace == number {
                entry.at_home = None;
                entry.revision += u64::from(entry.fills());
            }
        }
        self.spaces[number].output = output;
        self.spaces[number].home = None;
        self.show(number);
        self.last_shown.remove(&self.areas[from].name);
        self.shown[from] = number;
        self.shown[from] = self.choose(from);
        for id in self.stack.clone() {
            self.keep_reachable(id);
        }
        self.retile();
        true
    }

    /// Goes to what an output shows. Returns whether there is such an output.
    pub fn focus_output(&mut self, output: usize) -> bool {
        match self.shown.get(output) {
            Some(number) => self.activate_workspace(*number),
            None => false,
        }
    }

    /// The outputs, and what panels leave of them.
    pub fn areas(&self) -> &[Area] {
        &self.areas
    }

    /// Index of the active output.
    pub fn active_output(&self) -> Option<usize> {
        Some(self.spaces[self.active].output).filter(|output| *output < self.areas.len())
    }

    /// The output after the active one.
    pub fn next_output(&self) -> Option<usize> {
        Some((self.active_output()? + 1) % self.areas.len())
    }

    /// The output next to the active one on one side.
    pub fn output_towards(&self, direction: Direction) -> Option<usize> {
        let from = self.areas[self.active_output()?].full;
        self.areas
            .iter()
            .enumerate()
            .filter_map(|(index, area)| Some((nearness(from, area.full, direction)?, index)))
            .min()
            .map(|(_, index)| index)
    }

    /// What the output with that name shows, from 0.
    pub fn workspace_of_output(&self, name: &str) -> Option<usize> {
        let output = self.areas.iter().position(|area| area.name == name)?;
        self.workspace_on(output)
    }

    /// Index of the output that a workspace, from 0, belongs to.
    pub fn output_of_workspace(&self, number: usize) -> Option<usize> {
        let space = self.spaces.get(number)?;
        Some(space.output).filter(|output| *output < self.areas.len())
    }

    /// What an output shows, from 0.
    pub fn workspace_on(&self, output: usize) -> Option<usize> {
        self.shown.get(output).copied()
    }

    /// Changes how many workspaces there are; there stay at least as many as outputs. Windows of
    /// those that go are on the last one then.
    pub fn set_workspaces(&mut self, count: usize) {
        let count = count.max(1).max(self.areas.len());
        self.cycle_end();
        while self.spaces.len() < count {
            let mut space = Workspace::new(self.tiling);
            space.output = self.spaces[self.active].output;
            self.spaces.push(space);
        }
        if self.spaces.len() == count {
            return;
        }
        // Which workspace an output shows may change with this, so what is shown is chosen anew.
        let lost: Vec<_> = self
            .stack
            .iter()
            .copied()
            .filter(|id| self.windows[id].workspace >= count)
            .collect();
        for id in lost {
            self.move_to_workspace(id, count - 1);
        }
        self.active = self.active.min(count - 1);
        self.spaces.truncate(count);
        self.last_shown.retain(|_, number| *number < count);
        self.shown.clear();
        for output in 0..self.areas.len() {
            let number = self.choose(output);
            self.shown.push(number);
        }
        self.retile();
    }

    pub(super) fn area_of_workspace(&self, number: usize) -> Area {
        self.areas
            .get(self.spaces[number].output)
            .cloned()
            .unwrap_or_else(no_output)
    }

    /// The workspace that the output at a point shows.
    pub(super) fn workspace_at(&self, at: Point<i32, Logical>) -> usize {
        self.areas
            .iter()
            .position(|area| area.full.contains(at))
            .map_or(self.active, |output| self.shown[output])
    }
}
