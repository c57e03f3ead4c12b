//! Snapping: floating windows at halves and quarters of the screen, and the light pull of edges.

use smithay::utils::{Logical, Point};

use super::{Edges, Layout, Mode, Rect, WindowId, geometry::Direction};

/// How near to the side of an output the pointer has to be to snap.
const NEAR: f64 = 12.0;
/// This share of a side, from each of its ends, is the corner.
const CORNER: f64 = 0.22;

/// A part of an output's usable area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// The left half.
    Left,
    /// The right half.
    Right,
    /// The upper half.
    Top,
    /// The lower half.
    Bottom,
    /// The upper left quarter.
    TopLeft,
    /// The upper right quarter.
    TopRight,
    /// The lower left quarter.
    BottomLeft,
    /// The lower right quarter.
    BottomRight,
}

/// What happens to a floating window that is let go of at a side of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Snap {
    /// It fills a part.
    Zone(Zone),
    /// It fills all.
    Maximise,
}

impl Zone {
    /// The part of `area`.
    pub fn of(self, area: Rect) -> Rect {
        let sides = match self {
            Self::Left => (true, false, false, false),
            Self::Right => (false, true, false, false),
            Self::Top => (false, false, true, false),
            Self::Bottom => (false, false, false, true),
            Self::TopLeft => (true, false, true, false),
            Self::TopRight => (false, true, true, false),
            Self::BottomLeft => (true, false, false, true),
            Self::BottomRight => (false, true, false, true),
        };
        let (left, right, top, bottom) = sides;
        let (x, w) = part(area.loc.x, area.size.w, left, right);
        let (y, h) = part(area.loc.y, area.size.h, top, bottom);
        Rect::new((x, y).into(), (w, h).into())
    }
}

/// The first or second half of a length, or all of it.
fn part(start: i32, length: i32, first: bool, second: bool) -> (i32, i32) {
    let half = length / 2;
    match (first, second) {
        (true, _) => (start, half.max(1)),
        (_, true) => (start + half, (length - half).max(1)),
        _ => (start, length),
    }
}

impl Layout {
    /// What letting go of a floating window would do with the pointer at a point, and the frame that
    /// it would get.
    pub fn snap_at(&self, id: WindowId, at: Point<f64, Logical>) -> Option<(Snap, Rect)> {
        let entry = self.windows.get(&id)?;
        if entry.limits.is_fixed() || self.is_tile(id) {
            return None;
        }
        let area = self
            .areas
            .iter()
            .find(|area| area.full.to_f64().contains(at))?;
        let full = area.full.to_f64();
        let (x, y) = (at.x - full.loc.x, at.y - full.loc.y);
        let (left, right) = (x < NEAR, x >= full.size.w - NEAR);
        let (top, bottom) = (y < NEAR, y >= full.size.h - NEAR);
        let beside = left || right;
        let upper = beside && (top || y < full.size.h * CORNER);
        let lower = beside && (bottom || y >= full.size.h * (1.0 - CORNER));
        let snap = match (left, right, upper, lower) {
            (true, _, true, _) => Snap::Zone(Zone::TopLeft),
            (true, _, _, true) => Snap::Zone(Zone::BottomLeft),
            (true, ..) => Snap::Zone(Zone::Left),
            (_, true, true, _) => Snap::Zone(Zone::TopRight),
            (_, true, _, true) => Snap::Zone(Zone::BottomRight),
            (_, true, ..) => Snap::Zone(Zone::Right),
            _ if top => Snap::Maximise,
            _ => return None,
        };
        let frame = match snap {
            Snap::Zone(zone) => zone.of(area.usable),
            Snap::Maximise => area.usable,
        };
        Some((snap, frame))
    }

    /// Snaps a floating window to a part of its output. Its floating frame is kept to come back to.
    /// Tiles and windows of fixed size stay as they are.
    pub fn snap(&mut self, id: WindowId, zone: Zone) {
        if self.is_tile(id) || self.is_behind(id) {
            return;
        }
        if let Some(entry) = self.windows.get_mut(&id)
            && !entry.limits.is_fixed()
            && (entry.zone != Some(zone) || entry.mode != Mode::Normal)
        {
            entry.mode = Mode::Normal;
            entry.zone = Some(zone);
            entry.anchor = Edges::default();
            entry.resizing = false;
            entry.revision += 1;
        }
    }

    /// Gives a snapped window its floating frame back.
    pub fn unsnap(&mut self, id: WindowId) {
        if let Some(entry) = self.windows.get_mut(&id)
            && entry.zone.take().is_some()
        {
            entry.anchor = Edges::default();
            entry.revision += 1;
            self.keep_reachable(id);
        }
    }

    /// The part of the screen that a window is snapped to.
    pub fn zone(&self, id: WindowId) -> Option<Zone> {
        self.windows.get(&id)?.zone
    }

    /// Where a floating window that is moved to `to` comes to lie when the edges of usable areas and
    /// of other windows that are at most `reach` pixels away pull it to them.
    pub fn attracted(
        &self,
        id: WindowId,
        to: Point<i32, Logical>,
        reach: i32,
    ) -> Point<i32, Logical> {
        let Some(size) = self.frame(id).map(|frame| frame.size) else {
            return to;
        };
        let moved = Rect::new(to, size);
        let mut best = (reach + 1, reach + 1);
        let mut by = (0, 0);
        let pull = |edges: [i32; 2], own: [i32; 2], best: &mut i32, by: &mut i32| {
            for edge in edges {
                for side in own {
                    if (edge - side).abs() < *best {
                        *best = (edge - side).abs();
                        *by = edge - side;
                    }
                }
            }
        };
        let others = self
            .visible()
            .filter(|other| *other != id && !self.is_tile(*other))
            .filter_map(|other| self.frame(other));
        for other in self.areas.iter().map(|area| area.usable).chain(others) {
            let near = Rect::new(
                other.loc - Point::from((reach, reach)),
                (other.size.w + 2 * reach, other.size.h + 2 * reach).into(),
            );
            if !near.overlaps(moved) {
                continue;
            }
            let (x, y) = (other.loc.x, other.loc.y);
            let (right, bottom) = (x + other.size.w, y + other.size.h);
            let horizontal = [moved.loc.x, moved.loc.x + size.w];
            let vertical = [moved.loc.y, moved.loc.y + size.h];
            pull([x, right], horizontal, &mut best.0, &mut by.0);
            pull([y, bottom], vertical, &mut best.1, &mut by.1);
        }
        to + Point::from(by)
    }

    /// Snaps a floating window to the half on one side, or gives it its frame back if it is there
    /// already; a tile is moved.
    pub fn snap_towards(&mut self, id: WindowId, direction: Direction) {
        if self.is_tile(id) {
            self.move_towards(id, direction);
            return;
        }
        let zone = match direction {
            Direction::Left => Zone::Left,
            Direction::Right => Zone::Right,
            Direction::Up => Zone::Top,
            Direction::Down => Zone::Bottom,
        };
        self.toggle_zone(id, zone);
    }

    /// Snaps a window to a part of the screen, or gives it its frame back if it is there already.
    pub fn toggle_zone(&mut self, id: WindowId, zone: Zone) {
        if self.zone(id) == Some(zone) && self.mode(id) == Some(Mode::Normal) {
            self.unsnap(id);
        } else {
            self.snap(id, zone);
        }
    }
}
