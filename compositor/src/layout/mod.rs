//! Where windows are: floating or tiled, on numbered workspaces that outputs show.
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
//!   recent). They differ while Alt-Tab is held: then [`Cycle`] shows a candidate on top without
//!   having used it yet. Tiles are drawn below all other windows, whatever the order.
//! * A window's **place** is its floating frame, a part of the screen that it is snapped to
//!   ([`snap`]), or a tile ([`tiling`], [`tree`]). [`Mode`] is laid over it: who leaves full screen
//!   comes back to its place. The floating frame is kept meanwhile, for when the window floats again.
//! * Windows can share a place as a stack ([`stacks`]); those that are not shown are *behind*.
//! * Which output shows what is the matter of [`workspaces`].

mod geometry;
mod snap;
mod stacks;
#[cfg(test)]
mod tests;
mod tiling;
mod tree;
mod workspaces;

use std::collections::BTreeMap;

use smithay::utils::{Logical, Point, Rectangle, Size};

pub use geometry::Direction;
pub(crate) use geometry::nearness;
pub use snap::{Snap, Zone};
pub use tiling::{Gaps, Growth, TileDrop};

use geometry::{centred, reachable, within};
use workspaces::Workspace;

/// A rectangle in logical pixels of the global space.
pub type Rect = Rectangle<i32, Logical>;

/// Number of a window, unique while the compositor runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowId(pub u64);

/// One output as the layout sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Area {
    /// Its name, by which it is known again when it returns.
    pub name: String,
    /// The whole output.
    pub full: Rect,
    /// What panels leave free.
    pub usable: Rect,
}

/// How a window fills the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// At its place: floating, snapped or as a tile.
    Normal,
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

impl Limits {
    /// Whether there is only one size that the client accepts.
    fn is_fixed(self) -> bool {
        self.max.w > 0 && self.max.h > 0 && self.max.w <= self.min.w && self.max.h <= self.min.h
    }
}

/// A window that comes into the layout.
#[derive(Debug, Clone, Default)]
pub struct Opening {
    /// The size that the client has drawn.
    pub client: Size<i32, Logical>,
    /// Height of the title bar that the compositor draws, 0 for none.
    pub title_bar: i32,
    /// The sizes that the client accepts.
    pub limits: Limits,
    /// The window that it belongs to.
    pub parent: Option<WindowId>,
    /// A point on the output where it should appear.
    pub at: Point<i32, Logical>,
    /// The workspace where it should be, from 0, instead of the one that is shown there.
    pub workspace: Option<usize>,
    /// Whether it floats on a workspace that tiles, if that is said.
    pub floats: Option<bool>,
    /// It does not get the focus.
    pub unfocused: bool,
    /// Where its floating frame begins, from what panels leave of its output.
    pub position: Option<Point<i32, Logical>>,
}

/// One window.
#[derive(Debug, Clone)]
struct Entry {
    /// From 0.
    workspace: usize,
    mode: Mode,
    minimised: bool,
    /// Wanted frame while floating; kept meanwhile to come back to.
    frame: Rect,
    /// The frame while its workspace is away from home, from the origin of the output there.
    at_home: Option<Rect>,
    /// The part of the screen that it is snapped to.
    zone: Option<Zone>,
    /// Where its tile is, while it has one on the screen.
    tile: Option<Rect>,
    /// It is in a stack, and another window of it is shown.
    behind: bool,
    /// Whether it floats on a workspace that tiles; `None` leaves it to what kind of window it is.
    floats: Option<bool>,
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

impl Entry {
    /// Whether its frame follows from the size of the output.
    fn fills(&self) -> bool {
        self.mode != Mode::Normal || self.zone.is_some()
    }
}

/// The windows that Alt-Tab goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Those of the active workspace.
    Workspace,
    /// All there are.
    Everywhere,
}

/// Alt-Tab while it is held.
#[derive(Debug, Clone)]
struct Cycle {
    /// The candidates in the order of use when it began.
    order: Vec<WindowId>,
    /// Which of them is shown.
    at: usize,
    /// The order of drawing when it began.
    stack: Vec<WindowId>,
}

/// How far a cascaded window is moved from the one it would cover.
const CASCADE: i32 = 32;
/// What is assumed to be there while no output is connected.
const NO_OUTPUT: (i32, i32) = (1280, 800);

/// All windows on all workspaces.
#[derive(Debug, Clone)]
pub struct Layout {
    areas: Vec<Area>,
    windows: BTreeMap<WindowId, Entry>,
    stack: Vec<WindowId>,
    stacks: Vec<Vec<WindowId>>,
    recent: Vec<WindowId>,
    spaces: Vec<Workspace>,
    /// Number of the workspace where the person is.
    active: usize,
    /// Number of the workspace that each output shows, in the order of `areas`.
    shown: Vec<usize>,
    /// What an output showed when it was there last, by its name.
    last_shown: BTreeMap<String, usize>,
    /// Whether a new workspace tiles.
    tiling: bool,
    gaps: Gaps,
    cycle: Option<Cycle>,
}

impl Layout {
    /// An empty layout with that many workspaces, at least one.
    pub fn new(workspaces: usize) -> Self {
        Self {
            areas: Vec::new(),
            windows: BTreeMap::new(),
            stack: Vec::new(),
            stacks: Vec::new(),
            recent: Vec::new(),
            spaces: vec![Workspace::new(false); workspaces.max(1)],
            active: 0,
            shown: Vec::new(),
            last_shown: BTreeMap::new(),
            tiling: false,
            gaps: Gaps {
                between: 0,
                around: 0,
            },
            cycle: None,
        }
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
            .all(|area| reachable(entry.frame, area) != entry.frame.loc)
        {
            entry.frame.loc = reachable(entry.frame, &area);
        }
    }

    /// Puts a new window on its workspace, on top and focused unless it is to be neither, and returns
    /// its frame.
    ///
    /// A window with a parent is centred over it; others are cascaded from the middle of the screen,
    /// or become tiles.
    pub fn insert(&mut self, id: WindowId, opening: &Opening) -> Rect {
        self.remove(id);
        self.cycle_end();
        let bar = opening.title_bar;
        let parent = opening.parent.filter(|p| self.windows.contains_key(p));
        let client = opening.client;
        let size = Size::from((client.w.max(1), client.h.max(1) + bar));
        let here = self.workspace_at(opening.at);
        let wanted = opening.workspace.filter(|n| *n < self.spaces.len());
        let workspace =
            wanted.unwrap_or_else(|| parent.map_or(here, |p| self.windows[&p].workspace));
        if !self.is_shown(workspace) && self.is_empty(workspace) {
            self.spaces[workspace].output = self.spaces[here].output;
        }
        let usable = self.area_of_workspace(workspace).usable;
        let over = parent.filter(|p| self.windows[p].workspace == workspace);
        let over = over.and_then(|parent| self.frame(parent));
        let loc = match (opening.position, over) {
            (Some(position), _) => usable.loc + position,
            (None, Some(parent)) => centred(size, parent),
            (None, None) => self.cascade(size, usable, workspace),
        };
        let focused = self.focused();
        self.windows.insert(
            id,
            Entry {
                workspace,
                mode: Mode::Normal,
                minimised: false,
                frame: Rect::new(loc, size),
                at_home: None,
                zone: None,
                tile: None,
                behind: false,
                floats: opening.floats,
                drawn: size,
                anchor: Edges::default(),
                title_bar: bar,
                limits: opening.limits,
                parent,
                resizing: false,
                revision: 0,
            },
        );
        match focused.filter(|_| opening.unfocused) {
            // Right behind the window that is used.
            Some(focused) => {
                let place = |list: &[WindowId]| list.iter().position(|other| *other == focused);
                let above = place(&self.stack).unwrap_or(self.stack.len());
                self.stack.insert(above, id);
                let next = place(&self.recent).map_or(0, |used| used + 1);
                self.recent.insert(next, id);
            }
            None => {
                self.stack.push(id);
                self.recent.insert(0, id);
                if self.is_shown(workspace) && !opening.unfocused {
                    self.active = workspace;
                }
            }
        }
        self.keep_reachable(id);
        self.tile_if_wanted(id);
        if focused.is_none() || !opening.unfocused {
            self.uncover(id);
        }
        self.windows[&id].frame
    }

    /// The frame that a window has, or will have again, when it floats.
    pub fn floating_frame(&self, id: WindowId) -> Option<Rect> {
        self.windows.get(&id).map(|entry| entry.frame)
    }

    /// Asks for another size of a window's floating frame, within what its client accepts; its upper
    /// left corner stays.
    pub fn set_floating_size(&mut self, id: WindowId, size: Size<i32, Logical>) {
        if let Some(entry) = self.windows.get_mut(&id) {
            entry.frame.size = within(size, entry.limits, entry.title_bar);
            entry.anchor = Edges::default();
            entry.revision += 1;
            self.keep_reachable(id);
        }
    }

    /// Forgets a window. Unknown numbers are ignored.
    pub fn remove(&mut self, id: WindowId) {
        self.leave_stack(id);
        self.untile(id);
        if self.windows.remove(&id).is_none() {
            return;
        }
        self.stack.retain(|other| *other != id);
        self.recent.retain(|other| *other != id);
        for entry in self.windows.values_mut() {
            if entry.parent == Some(id) {
                entry.parent = None;
                // What was a dialog does not become a tile because it was left alone.
                entry.floats.get_or_insert(true);
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
        self.retile();
    }

    /// The client drew this size. `settled` says that it has answered everything it was asked, so
    /// that what it drew is what it wants.
    pub fn drawn(&mut self, id: WindowId, client: Size<i32, Logical>, settled: bool) {
        let tile = self.is_tile(id);
        let Some(entry) = self.windows.get_mut(&id) else {
            return;
        };
        let bar = if matches!(entry.mode, Mode::Fullscreen { .. }) {
            0
        } else {
            entry.title_bar
        };
        entry.drawn = Size::from((client.w.max(1), client.h.max(1) + bar));
        if settled && !tile && !entry.behind && !entry.fills() {
            entry.frame = anchored(entry);
            self.keep_reachable(id);
        }
    }

    /// The sizes that the client accepts.
    pub fn set_limits(&mut self, id: WindowId, limits: Limits) {
        if let Some(entry) = self.windows.get_mut(&id)
            && entry.limits != limits
        {
            entry.limits = limits;
            self.sort_in(id);
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
            entry.revision += u64::from(entry.fills() || entry.tile.is_some());
            self.keep_reachable(id);
            self.retile();
        }
    }

    /// Names the window that this one belongs to.
    pub fn set_parent(&mut self, id: WindowId, parent: Option<WindowId>) {
        let parent = parent.filter(|p| *p != id && self.windows.contains_key(p));
        let Some(entry) = self.windows.get_mut(&id) else {
            return;
        };
        entry.parent = parent;
        self.sort_in(id);
    }

    /// Moves a floating window, to another output too. A maximised or snapped window first becomes
    /// floating again; tiles stay where they are.
    pub fn move_to(&mut self, id: WindowId, loc: Point<i32, Logical>) {
        if self.is_tile(id) || self.is_behind(id) {
            return;
        }
        self.set_maximised(id, false);
        self.unsnap(id);
        let Some(entry) = self.windows.get_mut(&id) else {
            return;
        };
        if entry.mode != Mode::Normal {
            return;
        }
        entry.anchor = Edges::default();
        entry.frame.loc = loc;
        entry.at_home = None;
        self.keep_reachable(id);
        self.follow_frame(id);
    }

    /// The content reaches out to other sides than before, so that it begins that much farther on: what was seen of
    /// it stays where it is.
    pub fn shift(&mut self, id: WindowId, by: Point<i32, Logical>) {
        if let Some(entry) = self.windows.get_mut(&id) {
            entry.frame.loc += by;
            if let Some(home) = &mut entry.at_home {
                home.loc += by;
            }
            self.keep_reachable(id);
        }
    }

    /// Asks for a new frame size, as a resize drag does: `edges` are the sides that move and
    /// `start` is the frame when the drag began.
    pub fn resize(&mut self, id: WindowId, start: Rect, edges: Edges, size: Size<i32, Logical>) {
        if self.tile(id).is_some() && self.mode(id) == Some(Mode::Normal) {
            self.resize_tile(id, start, edges, size);
            return;
        }
        let tile = self.is_tile(id);
        let Some(entry) = self.windows.get_mut(&id) else {
            return;
        };
        if entry.mode != Mode::Normal || tile || entry.behind {
            return;
        }
        entry.zone = None;
        entry.at_home = None;
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
            (Mode::Normal, true) => Mode::Maximised,
            (Mode::Maximised, false) => Mode::Normal,
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
            (Mode::Normal, true) => Mode::Fullscreen { maximised: false },
            (Mode::Maximised, true) => Mode::Fullscreen { maximised: true },
            (Mode::Fullscreen { maximised: true }, false) => Mode::Maximised,
            (Mode::Fullscreen { maximised: false }, false) => Mode::Normal,
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
        self.retile();
    }

    /// Uses a window: its workspace is shown, it is on top and has the focus.
    ///
    /// Returns whether there is such a window.
    pub fn focus(&mut self, id: WindowId) -> bool {
        self.show_member(id);
        let Some(entry) = self.windows.get_mut(&id) else {
            return false;
        };
        entry.minimised = false;
        let workspace = entry.workspace;
        self.cycle = None;
        self.show(workspace);
        self.used(id);
        self.retile();
        true
    }

    fn used(&mut self, id: WindowId) {
        self.recent.retain(|other| *other != id);
        self.recent.insert(0, id);
        self.raise(id);
        self.uncover(id);
    }

    /// A tile that is used is not covered by other tiles of its workspace that fill the screen.
    fn uncover(&mut self, id: WindowId) {
        let Some(number) = self
            .workspace(id)
            .filter(|_| self.is_tile(id) && self.mode(id) == Some(Mode::Normal))
        else {
            return;
        };
        for other in self.spaces[number].tree.windows() {
            self.set_mode(other, Mode::Normal);
        }
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

    /// Alt-Tab pressed (again): shows the next window in the order of use, or the previous one. What it
    /// goes through is decided when it begins.
    pub fn cycle(&mut self, reach: Reach, backwards: bool) {
        let active = self.active;
        let cycle = match &mut self.cycle {
            Some(cycle) => cycle,
            none => {
                let order: Vec<_> = self
                    .recent
                    .iter()
                    .copied()
                    .filter(|id| reach == Reach::Everywhere || self.windows[id].workspace == active)
                    .collect();
                if order.is_empty() {
                    return;
                }
                let stack = self.stack.clone();
                // The first is where the person is, unless everything is minimised.
                none.insert(Cycle {
                    order,
                    at: 0,
                    stack,
                })
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

    /// Shows that candidate of Alt-Tab. Other windows are ignored.
    pub fn cycle_to(&mut self, id: WindowId) {
        if let Some(cycle) = &mut self.cycle
            && let Some(at) = cycle.order.iter().position(|other| *other == id)
        {
            cycle.at = at;
            self.raise(id);
        }
    }

    /// Alt-Tab is given up: everything is as it was before.
    pub fn cycle_cancel(&mut self) {
        if let Some(cycle) = self.cycle.take() {
            let windows = &self.windows;
            self.stack = cycle.stack;
            self.stack.retain(|id| windows.contains_key(id));
        }
    }

    /// What Alt-Tab goes through, in its order, and which of them is shown.
    pub fn candidates(&self) -> Option<(&[WindowId], usize)> {
        let cycle = self.cycle.as_ref()?;
        Some((&cycle.order, cycle.at))
    }

    /// Whether Alt-Tab is held.
    pub fn is_cycling(&self) -> bool {
        self.cycle.is_some()
    }

    /// The workspace where the person is, from 0.
    pub fn active_workspace(&self) -> usize {
        self.active
    }

    /// How many workspaces there are.
    pub fn workspaces(&self) -> usize {
        self.spaces.len()
    }

    /// The window that has the focus as far as the layout decides.
    pub fn focused(&self) -> Option<WindowId> {
        if let Some(cycle) = &self.cycle {
            let candidate = cycle.order[cycle.at];
            // One of another workspace is not gone to yet.
            if self.windows[&candidate].workspace == self.active {
                return Some(candidate);
            }
        }
        self.recent
            .iter()
            .copied()
            .find(|id| self.is_visible(*id) && self.windows[id].workspace == self.active)
    }

    /// Whether a window is on a workspace that is shown, and not minimised.
    pub fn is_visible(&self, id: WindowId) -> bool {
        let candidate = self.cycle.as_ref().map(|cycle| cycle.order[cycle.at]);
        self.windows.get(&id).is_some_and(|entry| {
            let hidden = entry.minimised || entry.behind;
            self.is_shown(entry.workspace) && (!hidden || candidate == Some(id))
        })
    }

    /// Whether a window is hidden until it is focused again.
    pub fn is_minimised(&self, id: WindowId) -> bool {
        self.windows.get(&id).is_some_and(|entry| entry.minimised)
    }

    /// The visible windows, topmost first.
    pub fn visible(&self) -> impl Iterator<Item = WindowId> {
        self.topmost_first(move |id| self.is_visible(id))
    }

    /// Those windows of a workspace, from 0, that are visible while it is shown, topmost first.
    pub fn on_workspace(&self, number: usize) -> impl Iterator<Item = WindowId> {
        self.topmost_first(move |id| {
            let entry = &self.windows[&id];
            entry.workspace == number && !entry.minimised && !entry.behind
        })
    }

    fn topmost_first(&self, which: impl Fn(WindowId) -> bool) -> impl Iterator<Item = WindowId> {
        let candidate = self.cycle.as_ref().map(|cycle| cycle.order[cycle.at]);
        let is_low = |id: &WindowId| {
            self.windows[id].mode == Mode::Normal && self.is_tile(*id) && candidate != Some(*id)
        };
        let (low, high): (Vec<_>, Vec<_>) = self
            .stack
            .iter()
            .rev()
            .copied()
            .filter(|id| which(*id))
            .partition(is_low);
        high.into_iter().chain(low)
    }

    /// Every window, most recently used first.
    pub fn recent(&self) -> &[WindowId] {
        &self.recent
    }

    /// Where a window's frame is drawn now.
    pub fn frame(&self, id: WindowId) -> Option<Rect> {
        let id = self.holder(id);
        let entry = self.windows.get(&id)?;
        let area = self.area_of(id);
        Some(match entry.mode {
            Mode::Normal => match (entry.tile, entry.zone) {
                (Some(tile), _) => tile,
                (None, Some(zone)) => zone.of(area.usable),
                (None, None) => anchored(entry),
            },
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
        if !entry.fills() && entry.tile.is_none() && !entry.behind {
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

    /// Whether a window is a tile or snapped, so that its client has to fill the size that it is
    /// given.
    pub fn is_fitted(&self, id: WindowId) -> bool {
        self.is_tile(id) || self.zone(id).is_some()
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
        let number = self.shown.get(output)?;
        self.visible()
            .filter(|id| self.windows[id].workspace == *number)
            .find(|id| {
                self.frame(*id)
                    .is_some_and(|frame| frame.overlaps(area.full))
            })
            .filter(|id| matches!(self.windows[id].mode, Mode::Fullscreen { .. }))
    }

    /// Index of the output that shows a window's workspace, or would.
    pub fn output_of(&self, id: WindowId) -> Option<usize> {
        let entry = self.windows.get(&id)?;
        Some(self.spaces[entry.workspace].output).filter(|output| *output < self.areas.len())
    }

    fn area_of(&self, id: WindowId) -> Area {
        self.windows
            .get(&id)
            .map_or_else(no_output, |entry| self.area_of_workspace(entry.workspace))
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
    Area {
        name: String::new(),
        full,
        usable: full,
    }
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
