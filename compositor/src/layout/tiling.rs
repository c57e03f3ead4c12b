//! Tiles: the windows that share a workspace without lying over each other.
//!
//! Whether a workspace tiles is its own matter. On one that does, every window is a tile but for
//! those that *float*: dialogs and other windows with a parent, windows of one fixed size, and those
//! that the person took out. They lie above the tiles. A tile keeps the frame that it has as a
//! floating window, to come back to.
//!
//! The places of all tiles are computed anew by [`Layout::retile`] after everything that may change
//! them, which also sees to it that a client is asked for its new size.

use smithay::utils::{Logical, Point, Size};

use super::{
    Edges, Layout, Mode, Rect, WindowId,
    geometry::{Axis, Direction, SMALLEST, nearness, shrunk},
    tree::Needs,
};

/// By how much one key press moves a window or one of its sides.
const STEP: i32 = 48;
/// This share of a tile, from each side, is where a dragged window is put beside it.
const BESIDE: f64 = 0.25;

/// Room between tiles, in logical pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gaps {
    /// Between two tiles.
    pub between: i32,
    /// Between tiles and the sides of the usable area.
    pub around: i32,
}

/// How a key press changes a window's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// More width.
    Wider,
    /// Less width.
    Narrower,
    /// More height.
    Taller,
    /// Less height.
    Shorter,
}

/// Where a dragged tile would go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TileDrop {
    /// It changes places with another tile.
    Swap(WindowId),
    /// It goes to one side of another tile.
    Beside(WindowId, Direction),
    /// It goes to another workspace, which is shown by another output.
    Workspace(usize),
}

impl Layout {
    /// Whether a new workspace tiles. Where that changes, those that exist change with it.
    pub fn set_tiling_default(&mut self, on: bool) {
        if self.tiling != on {
            self.tiling = on;
            for number in 0..self.spaces.len() {
                self.set_tiling(number, on);
            }
        }
    }

    /// Sets the room between tiles.
    pub fn set_gaps(&mut self, gaps: Gaps) {
        self.gaps = gaps;
        self.retile();
    }

    /// The room between tiles.
    pub fn gaps(&self) -> Gaps {
        self.gaps
    }

    /// Whether a workspace, from 0, tiles.
    pub fn is_tiling(&self, number: usize) -> bool {
        self.spaces.get(number).is_some_and(|space| space.tiling)
    }

    /// Makes tiles of a workspace's windows, or lets them float again, each with the frame that it
    /// had.
    pub fn set_tiling(&mut self, number: usize, on: bool) {
        let Some(space) = self.spaces.get_mut(number) else {
            return;
        };
        if space.tiling == on {
            return;
        }
        self.cycle_end();
        self.spaces[number].tiling = on;
        let windows: Vec<_> = self
            .windows
            .iter()
            .filter(|(_, entry)| entry.workspace == number)
            .map(|(id, _)| *id)
            .collect();
        for id in windows {
            if on {
                self.tile_if_wanted(id);
            } else {
                self.untile(id);
            }
        }
        self.retile();
    }

    /// Whether a window is one of the tiles of its workspace, though it may fill the screen now.
    pub fn is_tile(&self, id: WindowId) -> bool {
        self.windows
            .get(&id)
            .is_some_and(|entry| self.spaces[entry.workspace].tree.contains(id))
    }

    /// Takes a window out of the tiles to float above them, or makes it a tile.
    pub fn set_floating(&mut self, id: WindowId, floating: bool) {
        let Some(entry) = self.windows.get_mut(&id) else {
            return;
        };
        entry.floats = Some(floating);
        self.sort_in(id);
    }

    /// Whether a window would float on a workspace that tiles.
    pub fn is_floating(&self, id: WindowId) -> bool {
        self.windows.get(&id).is_some_and(|entry| {
            entry
                .floats
                .unwrap_or(entry.parent.is_some() || entry.limits.is_fixed())
        })
    }

    /// Something changed of which it depends whether a window is a tile.
    pub(super) fn sort_in(&mut self, id: WindowId) {
        if self.is_floating(id) {
            self.untile(id);
        } else {
            self.tile_if_wanted(id);
        }
        self.retile();
    }

    /// Makes a window a tile if its workspace tiles and it does not float.
    pub(super) fn tile_if_wanted(&mut self, id: WindowId) {
        let Some(entry) = self.windows.get(&id) else {
            return;
        };
        let number = entry.workspace;
        let elsewhere = entry.behind || self.is_floating(id) || self.is_tile(id);
        if !self.spaces[number].tiling || elsewhere {
            return;
        }
        let beside = self.recent.iter().copied().find(|other| {
            *other != id
                && self
                    .tile(*other)
                    .is_some_and(|_| self.windows[other].workspace == number)
        });
        let side = match beside
            .and_then(|beside| self.tile(beside))
            .map(|tile| Axis::of(tile.size))
        {
            Some(Axis::Vertical) => Direction::Down,
            _ => Direction::Right,
        };
        if let Some(entry) = self.windows.get_mut(&id) {
            entry.zone = None;
            entry.resizing = false;
            entry.anchor = Edges::default();
        }
        self.spaces[number].tree.insert(id, beside, side);
        self.retile();
    }

    /// Takes a window out of the tiles of its workspace.
    pub(super) fn untile(&mut self, id: WindowId) {
        if let Some(entry) = self.windows.get_mut(&id) {
            self.spaces[entry.workspace].tree.remove(id);
            // Its client was asked for the tile's size.
            entry.revision += u64::from(entry.tile.take().is_some());
        }
    }

    /// Where a window's tile is, if it has one on the screen now.
    pub(super) fn tile(&self, id: WindowId) -> Option<Rect> {
        self.windows.get(&id)?.tile
    }

    /// Computes the places of all tiles.
    pub(super) fn retile(&mut self) {
        for number in 0..self.spaces.len() {
            let area = self.tiled_area(number);
            let smallest = |id| self.smallest_tile(id);
            let needs = self.needs(&smallest);
            let places = self.spaces[number].tree.arrange(area, &needs);
            for id in self.spaces[number].tree.windows() {
                let tile = places
                    .iter()
                    .find(|(other, _)| *other == id)
                    .map(|(_, tile)| *tile);
                if let Some(entry) = self.windows.get_mut(&id)
                    && entry.tile != tile
                {
                    let resized = entry.tile.map(|tile| tile.size) != tile.map(|tile| tile.size);
                    entry.revision += u64::from(resized);
                    entry.tile = tile;
                }
            }
        }
    }

    fn needs<'a>(&self, smallest: &'a dyn Fn(WindowId) -> Option<Size<i32, Logical>>) -> Needs<'a> {
        Needs {
            gap: self.gaps.between.max(0),
            smallest,
        }
    }

    pub(super) fn tiled_area(&self, number: usize) -> Rect {
        shrunk(self.area_of_workspace(number).usable, self.gaps.around)
    }

    /// The smallest tile that a window takes; `None` while it is hidden.
    fn smallest_tile(&self, id: WindowId) -> Option<Size<i32, Logical>> {
        let entry = self.windows.get(&id).filter(|entry| !entry.minimised)?;
        let min = entry.limits.min;
        Some((min.w.max(SMALLEST), min.h.max(SMALLEST) + entry.title_bar).into())
    }

    /// The tiles of a workspace that are on the screen, the one used last first.
    fn tiles_of(&self, number: usize) -> impl Iterator<Item = (WindowId, Rect)> {
        self.recent
            .iter()
            .filter(move |id| self.windows[id].workspace == number)
            .filter_map(|id| Some((*id, self.tile(*id)?)))
    }

    /// The window next to `from` on one side. Of two that are as near the first one counts.
    fn nearest(
        from: Rect,
        direction: Direction,
        candidates: impl Iterator<Item = (WindowId, Rect)>,
    ) -> Option<WindowId> {
        candidates
            .filter_map(|(id, rect)| Some((nearness(from, rect, direction)?, id)))
            .min_by_key(|(distance, _)| *distance)
            .map(|(_, id)| id)
    }

    /// Uses the window on one side of the focused one, or else goes to the output there.
    pub fn focus_towards(&mut self, direction: Direction) {
        self.cycle_end();
        let focused = self.focused();
        let active = self.active;
        let next = focused.and_then(|id| self.frame(id)).and_then(|from| {
            let others = self
                .recent
                .iter()
                .copied()
                .filter(|id| {
                    Some(*id) != focused
                        && self.is_visible(*id)
                        && self.windows[id].workspace == active
                })
                .filter_map(|id| Some((id, self.frame(id)?)));
            Self::nearest(from, direction, others)
        });
        if let Some(id) = next {
            self.focus(id);
        } else if let Some(output) = self.output_towards(direction) {
            self.focus_output(output);
        }
    }

    /// Moves a window: a tile past its neighbour, to the side of the screen, or at last to the next
    /// output; a floating window by a step.
    pub fn move_towards(&mut self, id: WindowId, direction: Direction) {
        self.cycle_end();
        let Some(entry) = self.windows.get(&id) else {
            return;
        };
        if entry.mode != Mode::Normal {
            return;
        }
        let number = entry.workspace;
        let Some(tile) = self.tile(id) else {
            let step = direction.step(STEP);
            if let Some(frame) = self.frame(id).filter(|_| !self.is_tile(id)) {
                self.move_to(id, frame.loc + step);
            }
            return;
        };
        let others = self.tiles_of(number).filter(|(other, _)| *other != id);
        let next = Self::nearest(tile, direction, others);
        let tree = &mut self.spaces[number].tree;
        if let Some(next) = next {
            tree.pass(id, next, direction);
        } else if !tree.is_at_edge(id, direction) {
            tree.remove(id);
            tree.insert_at_edge(id, direction);
        } else if let Some(output) = self.output_towards(direction) {
            self.move_to_output(id, output);
        }
        self.retile();
    }

    /// Moves a window to what another output shows; the focus goes along. Returns whether there is
    /// such an output.
    pub fn move_to_output(&mut self, id: WindowId, output: usize) -> bool {
        let Some(number) = self.workspace_on(output) else {
            return false;
        };
        self.move_to_workspace(id, number) && self.focus(id)
    }

    /// Exchanges a tile with the one on one side of it.
    pub fn swap_towards(&mut self, id: WindowId, direction: Direction) {
        self.cycle_end();
        let Some((tile, number)) = self.tile(id).zip(self.workspace(id)) else {
            return;
        };
        let others = self.tiles_of(number).filter(|(other, _)| *other != id);
        if let Some(other) = Self::nearest(tile, direction, others) {
            self.spaces[number].tree.swap(id, other);
            self.retile();
        }
    }

    /// Changes a window's size by a step: of a tile its right or lower border moves, or the other one
    /// if there is none; of a floating window the lower right corner.
    pub fn grow(&mut self, id: WindowId, growth: Growth) {
        let (by, far, near) = match growth {
            Growth::Wider => ((STEP, 0), Direction::Right, Direction::Left),
            Growth::Narrower => ((-STEP, 0), Direction::Right, Direction::Left),
            Growth::Taller => ((0, STEP), Direction::Down, Direction::Up),
            Growth::Shorter => ((0, -STEP), Direction::Down, Direction::Up),
        };
        let axis = far.axis();
        if let Some(tile) = self.tile(id) {
            let step = by.0 + by.1;
            if !self.move_border(id, far, axis.end(tile) + step) {
                self.move_border(id, near, axis.start(tile) - step);
            }
            return;
        }
        let Some(frame) = self.frame(id).filter(|_| !self.is_tile(id)) else {
            return;
        };
        let edges = Edges {
            right: by.0 != 0,
            bottom: by.1 != 0,
            ..Edges::default()
        };
        let mut size = frame.size;
        size.w += by.0;
        size.h += by.1;
        self.resize(id, frame, edges, size);
        self.resize_end(id);
    }

    /// Moves the border on one side of a tile to a coordinate. Returns whether there is a border that
    /// can be moved.
    fn move_border(&mut self, id: WindowId, side: Direction, to: i32) -> bool {
        let Some(number) = self.workspace(id) else {
            return false;
        };
        let area = self.tiled_area(number);
        let mut tree = std::mem::take(&mut self.spaces[number].tree);
        let smallest = |id| self.smallest_tile(id);
        let needs = self.needs(&smallest);
        let moved = tree.move_border(id, side, to, area, &needs);
        self.spaces[number].tree = tree;
        self.retile();
        moved
    }

    /// What a resize drag does to a tile: the borders on the sides that move go to where the frame
    /// would end.
    pub(super) fn resize_tile(
        &mut self,
        id: WindowId,
        start: Rect,
        edges: Edges,
        size: Size<i32, Logical>,
    ) {
        let (right, bottom) = (start.loc.x + start.size.w, start.loc.y + start.size.h);
        let sides = [
            (edges.left, Direction::Left, right - size.w),
            (edges.right, Direction::Right, start.loc.x + size.w),
            (edges.top, Direction::Up, bottom - size.h),
            (edges.bottom, Direction::Down, start.loc.y + size.h),
        ];
        for (_, side, to) in sides.into_iter().filter(|(moves, ..)| *moves) {
            self.move_border(id, side, to);
        }
    }

    /// Where a tile that is dragged goes when it is let go of at a point, and the frame that shows
    /// it. `None` if it stays.
    pub fn drop_at(&self, id: WindowId, at: Point<f64, Logical>) -> Option<(TileDrop, Rect)> {
        if !self.is_tile(id) {
            return None;
        }
        let number = self.workspace_at(at.to_i32_floor());
        let under = self
            .tiles_of(number)
            .find(|(_, tile)| tile.to_f64().contains(at));
        let Some((other, tile)) = under else {
            let area = self.area_of_workspace(number).usable;
            return (self.workspace(id) != Some(number))
                .then_some((TileDrop::Workspace(number), area));
        };
        if other == id {
            return None;
        }
        let x = (at.x - f64::from(tile.loc.x)) / f64::from(tile.size.w.max(1));
        let y = (at.y - f64::from(tile.loc.y)) / f64::from(tile.size.h.max(1));
        let sides = [
            (x, Direction::Left),
            (1.0 - x, Direction::Right),
            (y, Direction::Up),
            (1.0 - y, Direction::Down),
        ];
        let side = sides
            .into_iter()
            .min_by(|a, b| a.0.total_cmp(&b.0))
            .filter(|(distance, _)| *distance < BESIDE);
        Some(match side {
            None => (TileDrop::Swap(other), tile),
            Some((_, side)) => {
                let axis = side.axis();
                let half = axis.length(tile.size) / 2;
                let start = axis.start(tile) + if side.is_forward() { half } else { 0 };
                (TileDrop::Beside(other, side), axis.with(tile, start, half))
            }
        })
    }

    /// Puts a dragged tile where [`Self::drop_at`] said.
    pub fn drop_tile(&mut self, id: WindowId, drop: TileDrop) {
        let target = match drop {
            TileDrop::Swap(other) | TileDrop::Beside(other, _) => self.workspace(other),
            TileDrop::Workspace(number) => Some(number),
        };
        let (Some(from), Some(number)) = (self.workspace(id), target) else {
            return;
        };
        if number != from && !self.move_to_workspace(id, number) {
            return;
        }
        if self.is_tile(id) {
            let tree = &mut self.spaces[number].tree;
            match drop {
                TileDrop::Swap(other) => {
                    // Who comes from elsewhere has no place to give in return.
                    if number == from {
                        tree.swap(id, other);
                    }
                }
                TileDrop::Beside(other, side) => {
                    tree.remove(id);
                    tree.insert(id, Some(other), side);
                }
                TileDrop::Workspace(_) => {}
            }
        }
        self.retile();
        self.focus(id);
    }
}
