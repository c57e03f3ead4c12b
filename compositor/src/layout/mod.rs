//! Where windows are: a floating layout on numbered workspaces.
//!
//! This module is pure. It knows numbers and rectangles, no client, no renderer and no clock, so
//! that random operations can be thrown at it (`tests.rs`). [`crate::windows`] tells it what
//! clients and people do and carries its answers back to them.
//!
//! # The model
//!
//! * A window's **frame** is what the person sees as one thing: the client's content and, where
//!   the compositor draws it, the title bar above. All rectangles in here are frames unless a name
//!   says `client`. Coordinates are logical pixels in the global space that all outputs share.
//! * What a window **wants** to be and what the client has **drawn** differ while a resize is on
//!   its way. The wanted frame ([`Entry::frame`]) is what the client is asked for; the drawn size
//!   follows with each commit, and while they differ the window is kept at the corner that must
//!   not move ([`Entry::anchor`]).
//! * Whoever changes a window's wanted size or mode bumps [`Entry::revision`]; the client is asked
//!   again only then. A client that answers with another size than it was asked for is right: its
//!   size becomes the wanted one, without a new revision, so that nobody argues in a loop.
//! * `stack` is the order of drawing (last on top), `recent` the order of use (first is the most
//!   recent). They differ only while Alt-Tab is held: then [`Cycle`] shows a candidate on top
//!   without having used it yet.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use smithay::utils::{Logical, Point, Rectangle, Size};

/// A rectangle in logical pixels of the global space.
pub type Rect = Rectangle<i32, Logical>;

/// Number of a window, unique while the compositor runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowId(pub u64);

/// One output as the layout sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    /// The whole output.
    pub full: Rect,
    /// What panels leave free.
    pub usable: Rect,
}

/// How a window fills the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Where the person put it.
    Floating,
    /// Over the usable part of its output.
    Maximised,
    /// Over the whole output, panels included; remembers whether it was maximised before.
    Fullscreen {
        /// Whether leaving full screen means going back to maximised.
        maximised: bool,
    },
}

/// Sides of a frame, as in a resize by one side or corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Edges {
    /// The left side moves.
    pub left: bool,
    /// The right side moves.
    pub right: bool,
    /// The top side moves.
    pub top: bool,
    /// The bottom side moves.
    pub bottom: bool,
}

/// The smallest and largest size a client accepts, in client pixels; 0 means no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Smallest.
    pub min: Size<i32, Logical>,
    /// Largest.
    pub max: Size<i32, Logical>,
}

/// One window.
#[derive(Debug, Clone)]
struct Entry {
    /// From 0.
    workspace: usize,
    mode: Mode,
    minimised: bool,
    /// Wanted frame while floating; kept while maximised or full screen to come back to.
    frame: Rect,
    /// Size of the frame as the client has last drawn it, title bar included.
    drawn: Size<i32, Logical>,
    /// The sides that move: a drawn size that differs from the wanted one is kept at the others.
    anchor: Edges,
    /// Height of the title bar that the compositor draws; 0 if the client draws its own.
    title_bar: i32,
    limits: Limits,
    parent: Option<WindowId>,
    /// A drag is changing the size.
    resizing: bool,
    revision: u64,
}

/// Alt-Tab while it is held.
#[derive(Debug, Clone)]
struct Cycle {
    /// The candidates in the order of use when it began.
    order: Vec<WindowId>,
    /// Which of them is shown.
    at: usize,
}

/// How far a cascaded window is moved from the one it would cover.
const CASCADE: i32 = 32;
/// How much of a frame's width stays on the screen however far it is dragged.
const REACHABLE: i32 = 64;
/// How much of a frame's height stays on the screen.
const REACHABLE_TOP: i32 = 28;
/// Nothing can be made smaller than this by dragging.
const SMALLEST: i32 = 48;
/// What is assumed to be there while no output is connected.
const NO_OUTPUT: (i32, i32) = (1280, 800);

/// All windows on all workspaces.
#[derive(Debug, Clone)]
pub struct Layout {
    areas: Vec<Area>,
    windows: BTreeMap<WindowId, Entry>,
    stack: Vec<WindowId>,
    recent: Vec<WindowId>,
    active: usize,
    workspaces: usize,
    cycle: Option<Cycle>,
}

impl Layout {
    /// An empty layout with that many workspaces, at least one.
    pub fn new(workspaces: usize) -> Self {
        Self {
            areas: Vec::new(),
            windows: BTreeMap::new(),
            stack: Vec::new(),
            recent: Vec::new(),
            active: 0,
            workspaces: workspaces.max(1),
            cycle: None,
        }
    }

    /// Tells which outputs there are and what panels leave of them.
    ///
    /// Windows that would be out of reach are moved back into reach. Returns whether anything is
    /// new.
    pub fn set_areas(&mut self, areas: Vec<Area>) -> bool {
        if self.areas == areas {
            return false;
        }
        self.areas = areas;
        for id in self.stack.clone() {
            self.keep_reachable(id);
            if let Some(entry) = self.windows.get_mut(&id)
                && entry.mode != Mode::Floating
            {
                entry.revision += 1;
            }
        }
        true
    }

    /// Moves a frame that cannot be seen and grabbed on any output to the nearest place on its own
    /// where it can.
    fn keep_reachable(&mut self, id: WindowId) {
        let area = self.area_of(id);
        let Some(entry) = self.windows.get_mut(&id) else {
            return;
        };
        if self
            .areas
            .iter()
            .all(|area| reachable(entry.frame, *area) != entry.frame.loc)
        {
            entry.frame.loc = reachable(entry.frame, area);
        }
    }

    /// Puts a new window on the active workspace, on top and focused, and returns its frame.
    ///
    /// `client` is the size the client has drawn, `title_bar` the height of a title bar that the
    /// compositor draws, `at` a point on the output where it should appear. A window with a parent
    /// is centred over it; others are cascaded from the middle of the screen.
    pub fn insert(
        &mut self,
        id: WindowId,
        client: Size<i32, Logical>,
        title_bar: i32,
        parent: Option<WindowId>,
        at: Point<i32, Logical>,
    ) -> Rect {
        self.remove(id);
        self.cycle_end();
        let parent = parent.filter(|p| self.windows.contains_key(p));
        let size = Size::from((client.w.max(1), client.h.max(1) + title_bar));
        let workspace = parent.map_or(self.active, |p| self.windows[&p].workspace);
        let loc = match parent {
            Some(parent) => centred(size, self.frame(parent).unwrap_or(self.area_at(at).usable)),
            None => self.cascade(size, self.area_at(at).usable, workspace),
        };
        self.windows.insert(
            id,
            Entry {
                workspace,
                mode: Mode::Floating,
                minimised: false,
                frame: Rect::new(loc, size),
                drawn: size,
                anchor: Edges::default(),
                title_bar,
                limits: Limits::default(),
                parent,
                resizing: false,
                revision: 0,
            },
        );
        self.stack.push(id);
        self.recent.insert(0, id);
        self.keep_reachable(id);
        self.windows[&id].frame
    }

    /// Forgets a window. Unknown numbers are ignored.
    pub fn remove(&mut self, id: WindowId) {
        if self.windows.remove(&id).is_none() {
            return;
        }
        self.stack.retain(|other| *other != id);
        self.recent.retain(|other| *other != id);
        for entry in self.windows.values_mut() {
            if entry.parent == Some(id) {
                entry.parent = None;
            }
        }
        if let Some(cycle) = &mut self.cycle {
            cycle.order.retain(|other| *other != id);
            if cycle.order.is_empty() {
                self.cycle = None;
            } else {
                cycle.at = cycle.at.min(cycle.order.len() - 1);
                let candidate = cycle.order[cycle.at];
                self.raise(candidate);
            }
        }
    }

    /// The client drew this size. `settled` says that it has answered everything it was asked, so
    /// that what it drew is what it wants.
    pub fn drawn(&mut self, id: WindowId, client: Size<i32, Logical>, settled: bool) {
        let Some(entry) = self.windows.get_mut(&id) else {
            return;
        };
        let bar = if matches!(entry.mode, Mode::Fullscreen { .. }) {
            0
        } else {
            entry.title_bar
        };
        entry.drawn = Size::from((client.w.max(1), client.h.max(1) + bar));
        if settled && entry.mode == Mode::Floating {
            entry.frame = anchored(entry);
            self.keep_reachable(id);
        }
    }

    /// The sizes that the client accepts.
    pub fn set_limits(&mut self, id: WindowId, limits: Limits) {
        if let Some(entry) = self.windows.get_mut(&id) {
            entry.limits = limits;
        }
    }

    /// Sets the height of the compositor's title bar; the client's own size stays as it is.
    pub fn set_title_bar(&mut self, id: WindowId, height: i32) {
        if let Some(entry) = self.windows.get_mut(&id)
            && entry.title_bar != height
        {
            let change = height - entry.title_bar;
            entry.title_bar = height;
            entry.frame.size.h = (entry.frame.size.h + change).max(1 + height);
            entry.drawn.h = (entry.drawn.h + change).max(1 + height);
            if entry.mode != Mode::Floating {
                entry.revision += 1;
            }
            self.keep_reachable(id);
        }
    }

    /// Names the window that this one belongs to.
    pub fn set_parent(&mut self, id: WindowId, parent: Option<WindowId>) {
        let parent = parent.filter(|p| *p != id && self.windows.contains_key(p));
        if let Some(entry) = self.windows.get_mut(&id) {
            entry.parent = parent;
        }
    }

    /// Moves a floating window. A maximised window first becomes floating again.
    pub fn move_to(&mut self, id: WindowId, loc: Point<i32, Logical>) {
        self.set_maximised(id, false);
        let Some(entry) = self.windows.get_mut(&id) else {
            return;
        };
        if entry.mode != Mode::Floating {
            return;
        }
        entry.anchor = Edges::default();
        entry.frame.loc = loc;
        self.keep_reachable(id);
    }

    /// Asks for a new frame size, as a resize drag does: `edges` are the sides that move and
    /// `start` is the frame when the drag began.
    pub fn resize(&mut self, id: WindowId, start: Rect, edges: Edges, size: Size<i32, Logical>) {
        let Some(entry) = self.windows.get_mut(&id) else {
            return;
        };
        if entry.mode != Mode::Floating {
            return;
        }
        let size = within(size, entry.limits, entry.title_bar);
        let mut frame = Rect::new(start.loc, size);
        if edges.left {
            frame.loc.x = start.loc.x + start.size.w - size.w;
        }
        if edges.top {
            frame.loc.y = start.loc.y + start.size.h - size.h;
        }
        if entry.frame != frame || entry.anchor != edges {
            entry.frame = frame;
            entry.anchor = edges;
            entry.resizing = true;
            entry.revision += 1;
        }
        self.keep_reachable(id);
    }

    /// The resize drag is over.
    pub fn resize_end(&mut self, id: WindowId) {
        if let Some(entry) = self.windows.get_mut(&id)
            && entry.resizing
        {
            entry.resizing = false;
            entry.revision += 1;
        }
    }

    /// Whether a drag is changing the size.
    pub fn is_resizing(&self, id: WindowId) -> bool {
        self.windows.get(&id).is_some_and(|entry| entry.resizing)
    }

    /// Maximises or restores a window.
    pub fn set_maximised(&mut self, id: WindowId, on: bool) {
        let Some(entry) = self.windows.get_mut(&id) else {
            return;
        };
        let mode = match (entry.mode, on) {
            (Mode::Floating, true) => Mode::Maximised,
            (Mode::Maximised, false) => Mode::Floating,
            (Mode::Fullscreen { .. }, maximised) => Mode::Fullscreen { maximised },
            _ => return,
        };
        self.set_mode(id, mode);
    }

    /// Makes a window cover its output, or brings it back to what it was.
    pub fn set_fullscreen(&mut self, id: WindowId, on: bool) {
        let Some(entry) = self.windows.get_mut(&id) else {
            return;
        };
        let mode = match (entry.mode, on) {
            (Mode::Floating, true) => Mode::Fullscreen { maximised: false },
            (Mode::Maximised, true) => Mode::Fullscreen { maximised: true },
            (Mode::Fullscreen { maximised: true }, false) => Mode::Maximised,
            (Mode::Fullscreen { maximised: false }, false) => Mode::Floating,
            _ => return,
        };
        self.set_mode(id, mode);
    }

    fn set_mode(&mut self, id: WindowId, mode: Mode) {
        if let Some(entry) = self.windows.get_mut(&id)
            && entry.mode != mode
        {
            entry.mode = mode;
            entry.anchor = Edges::default();
            entry.resizing = false;
            entry.revision += 1;
            self.keep_reachable(id);
        }
    }

    /// Hides a window until it is focused again, or shows it.
    pub fn set_minimised(&mut self, id: WindowId, on: bool) {
        self.cycle_end();
        if let Some(entry) = self.windows.get_mut(&id) {
            entry.minimised = on;
        }
    }

    /// Uses a window: its workspace is shown, it is on top and has the focus.
    ///
    /// Returns whether there is such a window.
    pub fn focus(&mut self, id: WindowId) -> bool {
        let Some(entry) = self.windows.get_mut(&id) else {
            return false;
        };
        entry.minimised = false;
        self.active = entry.workspace;
        self.cycle = None;
        self.used(id);
        true
    }

    fn used(&mut self, id: WindowId) {
        self.recent.retain(|other| *other != id);
        self.recent.insert(0, id);
        self.raise(id);
    }

    /// Draws a window above the others, and the windows that belong to it above that.
    fn raise(&mut self, id: WindowId) {
        self.stack.retain(|other| *other != id);
        self.stack.push(id);
        let children: Vec<_> = self
            .stack
            .iter()
            .copied()
            .filter(|other| self.windows[other].parent == Some(id))
            .collect();
        self.stack.retain(|other| !children.contains(other));
        self.stack.extend(children);
    }

    /// Alt-Tab pressed (again): shows the next window in the order of use, or the previous one.
    pub fn cycle(&mut self, backwards: bool) {
        let active = self.active;
        let cycle = match &mut self.cycle {
            Some(cycle) => cycle,
            none => {
                let order: Vec<_> = self
                    .recent
                    .iter()
                    .copied()
                    .filter(|id| self.windows[id].workspace == active)
                    .collect();
                if order.is_empty() {
                    return;
                }
                // The first is where the person is, unless everything is minimised.
                none.insert(Cycle { order, at: 0 })
            }
        };
        let len = cycle.order.len();
        cycle.at = (cycle.at + if backwards { len - 1 } else { 1 }) % len;
        let id = cycle.order[cycle.at];
        self.raise(id);
    }

    /// Alt released: the window shown last is the one that is used now.
    pub fn cycle_end(&mut self) {
        if let Some(cycle) = self.cycle.take() {
            self.focus(cycle.order[cycle.at]);
        }
    }

    /// Whether Alt-Tab is held.
    pub fn is_cycling(&self) -> bool {
        self.cycle.is_some()
    }

    /// Shows a workspace, from 0. Returns whether there is one with that number.
    pub fn activate_workspace(&mut self, number: usize) -> bool {
        if number >= self.workspaces {
            return false;
        }
        self.cycle_end();
        self.active = number;
        true
    }

    /// Moves a window to a workspace, from 0, without showing that workspace.
    pub fn move_to_workspace(&mut self, id: WindowId, number: usize) -> bool {
        if number >= self.workspaces {
            return false;
        }
        self.cycle_end();
        let family: Vec<_> = self
            .windows
            .iter()
            .filter(|(other, entry)| **other == id || entry.parent == Some(id))
            .map(|(other, _)| *other)
            .collect();
        for other in family {
            if let Some(entry) = self.windows.get_mut(&other) {
                entry.workspace = number;
            }
        }
        self.windows.contains_key(&id)
    }

    /// The workspace on screen, from 0.
    pub fn active_workspace(&self) -> usize {
        self.active
    }

    /// How many workspaces there are.
    pub fn workspaces(&self) -> usize {
        self.workspaces
    }

    /// The window that has the focus as far as the layout decides.
    pub fn focused(&self) -> Option<WindowId> {
        if let Some(cycle) = &self.cycle {
            return Some(cycle.order[cycle.at]);
        }
        self.recent.iter().copied().find(|id| self.is_visible(*id))
    }

    /// Whether a window is on the active workspace and not minimised.
    pub fn is_visible(&self, id: WindowId) -> bool {
        let candidate = self.cycle.as_ref().map(|cycle| cycle.order[cycle.at]);
        self.windows.get(&id).is_some_and(|entry| {
            entry.workspace == self.active && (!entry.minimised || candidate == Some(id))
        })
    }

    /// Whether a window is hidden until it is focused again.
    pub fn is_minimised(&self, id: WindowId) -> bool {
        self.windows.get(&id).is_some_and(|entry| entry.minimised)
    }

    /// The visible windows, topmost first.
    pub fn visible(&self) -> impl Iterator<Item = WindowId> {
        self.stack
            .iter()
            .rev()
            .copied()
            .filter(|id| self.is_visible(*id))
    }

    /// Every window, most recently used first.
    pub fn recent(&self) -> &[WindowId] {
        &self.recent
    }

    /// Where a window's frame is drawn now.
    pub fn frame(&self, id: WindowId) -> Option<Rect> {
        let entry = self.windows.get(&id)?;
        let area = self.area_of(id);
        Some(match entry.mode {
            Mode::Floating => anchored(entry),
            Mode::Maximised => area.usable,
            Mode::Fullscreen { .. } => area.full,
        })
    }

    /// Where the client's content is drawn now; the size is the one that the client is asked for.
    pub fn client(&self, id: WindowId) -> Option<Rect> {
        let entry = self.windows.get(&id)?;
        let mut rect = self.frame(id)?;
        let bar = self.title_bar(id);
        rect.loc.y += bar;
        if entry.mode == Mode::Floating {
            rect.size = entry.frame.size;
        }
        rect.size.w = rect.size.w.max(1);
        rect.size.h = (rect.size.h - bar).max(1);
        Some(rect)
    }

    /// Height of the title bar that the compositor has to draw for a window now, 0 for none.
    pub fn title_bar(&self, id: WindowId) -> i32 {
        self.windows.get(&id).map_or(0, |e| {
            if matches!(e.mode, Mode::Fullscreen { .. }) {
                0
            } else {
                e.title_bar
            }
        })
    }

    /// How a window fills the screen.
    pub fn mode(&self, id: WindowId) -> Option<Mode> {
        self.windows.get(&id).map(|entry| entry.mode)
    }

    /// Workspace of a window, from 0.
    pub fn workspace(&self, id: WindowId) -> Option<usize> {
        self.windows.get(&id).map(|entry| entry.workspace)
    }

    /// Counts how often the compositor changed what it wants of a window's size or mode.
    pub fn revision(&self, id: WindowId) -> u64 {
        self.windows.get(&id).map_or(0, |entry| entry.revision)
    }

    /// The window that covers the whole output with that index, if the topmost one there does.
    pub fn fullscreen_on(&self, output: usize) -> Option<WindowId> {
        let area = self.areas.get(output)?;
        self.visible()
            .find(|id| {
                self.frame(*id)
                    .is_some_and(|frame| frame.overlaps(area.full))
            })
            .filter(|id| matches!(self.windows[id].mode, Mode::Fullscreen { .. }))
    }

    /// Index of the output that a window is mostly on.
    pub fn output_of(&self, id: WindowId) -> Option<usize> {
        let entry = self.windows.get(&id)?;
        self.areas
            .iter()
            .enumerate()
            .max_by_key(|(index, area)| (overlap(entry.frame, area.full), usize::MAX - index))
            .map(|(index, _)| index)
    }

    fn area_of(&self, id: WindowId) -> Area {
        self.output_of(id)
            .map_or_else(no_output, |index| self.areas[index])
    }

    fn area_at(&self, at: Point<i32, Logical>) -> Area {
        self.areas
            .iter()
            .find(|area| area.full.contains(at))
            .or(self.areas.first())
            .copied()
            .unwrap_or_else(no_output)
    }

    /// The middle of `area`, moved on while another window of the workspace begins right there.
    fn cascade(
        &self,
        size: Size<i32, Logical>,
        area: Rect,
        workspace: usize,
    ) -> Point<i32, Logical> {
        let mut loc = centred(size, area);
        let taken: Vec<_> = self
            .windows
            .values()
            .filter(|entry| entry.workspace == workspace)
            .map(|entry| anchored(entry).loc)
            .collect();
        // Every window can push it on once, so this ends.
        for _ in 0..taken.len() {
            if !taken.contains(&loc) {
                break;
            }
            loc += Point::from((CASCADE, CASCADE));
            if loc.x + size.w > area.loc.x + area.size.w
                || loc.y + size.h > area.loc.y + area.size.h
            {
                loc = area.loc + Point::from((CASCADE, 0));
            }
        }
        loc
    }
}

fn no_output() -> Area {
    let full = Rect::from_size(NO_OUTPUT.into());
    Area { full, usable: full }
}

fn overlap(a: Rect, b: Rect) -> i64 {
    a.intersection(b)
        .map_or(0, |part| i64::from(part.size.w) * i64::from(part.size.h))
}

fn centred(size: Size<i32, Logical>, area: Rect) -> Point<i32, Logical> {
    Point::from((
        (area.loc.x + (area.size.w - size.w) / 2).max(area.loc.x),
        (area.loc.y + (area.size.h - size.h) / 2).max(area.loc.y),
    ))
}

/// The frame as drawn, held at the sides that a resize does not move.
fn anchored(entry: &Entry) -> Rect {
    let mut rect = Rect::new(entry.frame.loc, entry.drawn);
    // What was drawn last may have been full screen, without the bar.
    rect.size.h = rect.size.h.max(entry.title_bar + 1);
    if entry.anchor.left {
        rect.loc.x += entry.frame.size.w - entry.drawn.w;
    }
    if entry.anchor.top {
        rect.loc.y += entry.frame.size.h - rect.size.h;
    }
    rect
}

/// The nearest place where enough of the frame's top can be seen and grabbed.
fn reachable(frame: Rect, area: Area) -> Point<i32, Logical> {
    let usable = area.usable;
    let keep = REACHABLE.min(frame.size.w).min(usable.size.w);
    let left = usable.loc.x - frame.size.w + keep;
    let right = (usable.loc.x + usable.size.w - keep).max(left);
    let top = usable.loc.y;
    let bottom = (usable.loc.y + usable.size.h - REACHABLE_TOP).max(top);
    Point::from((
        frame.loc.x.clamp(left, right),
        frame.loc.y.clamp(top, bottom),
    ))
}

/// A frame size that the client accepts.
fn within(size: Size<i32, Logical>, limits: Limits, title_bar: i32) -> Size<i32, Logical> {
    let fit = |value: i32, min: i32, max: i32| {
        let min = min.max(SMALLEST);
        let max = if max > 0 { max.max(min) } else { i32::MAX / 4 };
        value.clamp(min, max)
    };
    Size::from((
        fit(size.w, limits.min.w, limits.max.w),
        fit(size.h - title_bar, limits.min.h, limits.max.h) + title_bar,
    ))
}
