//! Stacks: windows that share one place, of which one is shown.
//!
//! The window that is shown has the place: frame, part of the screen, tile, mode. The others are
//! *behind* it: on the same workspace, neither visible nor tiles. Whichever of them is used next takes
//! the place over ([`Layout::hand_over`]). A stack has at least two windows.

use smithay::utils::Point;

use super::{CASCADE, Edges, Layout, Mode, WindowId};

impl Layout {
    /// The windows of the stack that a window is in, in the order in which they came.
    pub fn stack_of(&self, id: WindowId) -> Option<&[WindowId]> {
        self.stacks
            .iter()
            .find(|stack| stack.contains(&id))
            .map(Vec::as_slice)
    }

    /// Puts a window on the one that was used before it on its workspace, which is behind it then.
    /// Returns whether there is one.
    pub fn stack(&mut self, id: WindowId) -> bool {
        self.cycle_end();
        let Some(entry) = self.windows.get(&id).filter(|entry| !entry.behind) else {
            return false;
        };
        let number = entry.workspace;
        let can = |other: WindowId| {
            let entry = &self.windows[&other];
            entry.workspace == number && entry.parent.is_none() && !entry.minimised && !entry.behind
        };
        let place = self
            .recent
            .iter()
            .copied()
            .find(|other| *other != id && can(*other));
        let Some(place) = place.filter(|_| can(id)) else {
            return false;
        };
        self.leave_stack(id);
        match self.stacks.iter_mut().find(|stack| stack.contains(&place)) {
            Some(stack) => stack.push(id),
            None => self.stacks.push(vec![place, id]),
        }
        self.hand_over(place, id);
        true
    }

    /// Takes a window out of its stack, to a place of its own.
    pub fn unstack(&mut self, id: WindowId) {
        self.cycle_end();
        if !self.leave_stack(id) {
            return;
        }
        if let Some(entry) = self.windows.get_mut(&id) {
            entry.floats = None;
            entry.mode = Mode::Normal;
            entry.zone = None;
            entry.frame.loc += Point::from((CASCADE, CASCADE));
            entry.revision += 1;
        }
        self.keep_reachable(id);
        self.sort_in(id);
        self.focus(id);
    }

    /// Uses the next window of a stack, or the one before.
    pub fn next_in_stack(&mut self, id: WindowId, backwards: bool) {
        self.cycle_end();
        let Some(stack) = self.stack_of(id) else {
            return;
        };
        let Some(at) = stack.iter().position(|other| *other == id) else {
            return;
        };
        let step = if backwards { stack.len() - 1 } else { 1 };
        let next = stack[(at + step) % stack.len()];
        self.focus(next);
    }

    /// The window of a stack that is shown.
    fn shown_of(&self, id: WindowId) -> WindowId {
        self.stack_of(id)
            .and_then(|stack| stack.iter().copied().find(|id| !self.windows[id].behind))
            .unwrap_or(id)
    }

    /// The window that has the place of a window: itself, unless it is behind another one.
    pub(super) fn holder(&self, id: WindowId) -> WindowId {
        if self.is_behind(id) {
            self.shown_of(id)
        } else {
            id
        }
    }

    /// Whether a window is behind another one of its stack.
    pub(super) fn is_behind(&self, id: WindowId) -> bool {
        self.windows.get(&id).is_some_and(|entry| entry.behind)
    }

    /// A window that is behind takes its place over from the one that is shown.
    pub(super) fn show_member(&mut self, id: WindowId) {
        if self.is_behind(id) {
            let shown = self.shown_of(id);
            self.hand_over(shown, id);
        }
    }

    /// Gives the place of one window to another one of its stack.
    fn hand_over(&mut self, from: WindowId, to: WindowId) {
        self.untile(to);
        let floats = self.is_floating(from);
        let Some(old) = self.windows.get_mut(&from) else {
            return;
        };
        old.behind = true;
        let place = old.clone();
        old.tile = None;
        old.minimised = false;
        self.spaces[place.workspace].tree.swap(from, to);
        if let Some(entry) = self.windows.get_mut(&to) {
            entry.behind = false;
            entry.workspace = place.workspace;
            entry.frame = place.frame;
            entry.at_home = place.at_home;
            entry.mode = place.mode;
            entry.zone = place.zone;
            entry.tile = place.tile;
            entry.minimised = place.minimised;
            entry.floats = Some(floats);
            entry.anchor = Edges::default();
            entry.resizing = false;
            entry.revision += 1;
        }
        self.retile();
    }

    /// A window is no longer in its stack; who was behind it has its place. Returns whether it was in
    /// one.
    pub(super) fn leave_stack(&mut self, id: WindowId) -> bool {
        let Some(index) = self.stacks.iter().position(|stack| stack.contains(&id)) else {
            return false;
        };
        if !self.is_behind(id) {
            let stack = &self.stacks[index];
            let at = stack.iter().position(|other| *other == id).unwrap_or(0);
            let next = stack[(at + 1) % stack.len()];
            self.hand_over(id, next);
        }
        self.stacks[index].retain(|other| *other != id);
        if self.stacks[index].len() < 2 {
            self.stacks.remove(index);
        }
        if let Some(entry) = self.windows.get_mut(&id) {
            entry.behind = false;
        }
        true
    }
}
