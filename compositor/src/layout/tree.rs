//! The tiles of one workspace: a binary tree.
//!
//! A leaf is a window, a split divides its rectangle between two parts. A new window halves the
//! tile that was used last, along its longer side. A tree was chosen over a master and a stack
//! because every border can then be moved by itself and every window be put at every side of every
//! other, so that what a person drags with the pointer and what they do by keys is the same thing.
//!
//! Knows numbers of windows, what each of them needs at least, and whether it is there at all just
//! now: a minimised window keeps its place in the tree and takes none on the screen.

use smithay::utils::{Logical, Size};

use super::{
    Rect, WindowId,
    geometry::{Axis, Direction},
};

/// No part of a split gets less than this share of it by resizing.
const LEAST_SHARE: f64 = 0.05;

/// What arranging needs to know of the windows.
pub(super) struct Needs<'a> {
    /// Logical pixels between two tiles.
    pub(super) gap: i32,
    /// The smallest frame that the window takes; `None` if it takes no place now.
    pub(super) smallest: &'a dyn Fn(WindowId) -> Option<Size<i32, Logical>>,
}

#[derive(Debug, Clone)]
enum Node {
    Leaf(WindowId),
    Split(Box<Split>),
}

#[derive(Debug, Clone)]
struct Split {
    axis: Axis,
    /// Of the first part, 0 to 1.
    share: f64,
    first: Node,
    second: Node,
}

/// All tiles of a workspace.
#[derive(Debug, Clone, Default)]
pub(super) struct Tree {
    root: Option<Node>,
}

impl Tree {
    pub(super) fn contains(&self, id: WindowId) -> bool {
        self.root.as_ref().is_some_and(|root| root.contains(id))
    }

    /// The windows, from the upper left to the lower right.
    pub(super) fn windows(&self) -> Vec<WindowId> {
        let mut list = Vec::new();
        if let Some(root) = &self.root {
            root.collect(&mut list);
        }
        list
    }

    /// Adds a window on one side of another one, or of the last one where that is not there.
    pub(super) fn insert(&mut self, id: WindowId, beside: Option<WindowId>, side: Direction) {
        let beside = beside
            .filter(|beside| self.contains(*beside))
            .or_else(|| self.windows().last().copied());
        match (&mut self.root, beside) {
            (Some(root), Some(beside)) => {
                if let Some(leaf) = root.leaf_mut(beside) {
                    leaf.split(id, side);
                }
            }
            (root, _) => *root = Some(Node::Leaf(id)),
        }
    }

    /// Adds a window along one whole side.
    pub(super) fn insert_at_edge(&mut self, id: WindowId, side: Direction) {
        match &mut self.root {
            Some(root) => root.split(id, side),
            root => *root = Some(Node::Leaf(id)),
        }
    }

    /// Takes a window out; its neighbour gets its place.
    pub(super) fn remove(&mut self, id: WindowId) {
        self.root = self.root.take().and_then(|root| root.without(id));
    }

    /// Exchanges the places of two windows.
    pub(super) fn swap(&mut self, a: WindowId, b: WindowId) {
        if let Some(root) = &mut self.root {
            root.rename(&|id| match id {
                id if id == a => b,
                id if id == b => a,
                id => id,
            });
        }
    }

    /// Moves a window past another one, to the side of it that is farther away.
    pub(super) fn pass(&mut self, id: WindowId, other: WindowId, side: Direction) {
        let siblings = self
            .root
            .as_ref()
            .is_some_and(|root| root.are_siblings(id, other, side.axis()));
        if siblings {
            self.swap(id, other);
        } else {
            self.remove(id);
            self.insert(id, Some(other), side);
        }
    }

    /// Whether a window is along one whole side already.
    pub(super) fn is_at_edge(&self, id: WindowId, side: Direction) -> bool {
        match &self.root {
            Some(Node::Split(split)) if split.axis == side.axis() => {
                let part = if side.is_forward() {
                    &split.second
                } else {
                    &split.first
                };
                matches!(part, Node::Leaf(leaf) if *leaf == id)
            }
            Some(Node::Leaf(leaf)) => *leaf == id,
            _ => false,
        }
    }

    /// Where each window is that takes a place.
    pub(super) fn arrange(&self, area: Rect, needs: &Needs<'_>) -> Vec<(WindowId, Rect)> {
        let mut places = Vec::new();
        if let Some(root) = &self.root {
            root.arrange(area, needs, &mut places);
        }
        places
    }

    /// Moves the border on one side of a window to a coordinate. Returns whether there is one.
    pub(super) fn move_border(
        &mut self,
        id: WindowId,
        side: Direction,
        to: i32,
        area: Rect,
        needs: &Needs<'_>,
    ) -> bool {
        self.root
            .as_mut()
            .is_some_and(|root| root.move_border(id, side, to, area, needs))
    }
}

impl Node {
    fn contains(&self, id: WindowId) -> bool {
        match self {
            Self::Leaf(leaf) => *leaf == id,
            Self::Split(split) => split.first.contains(id) || split.second.contains(id),
        }
    }

    fn collect(&self, list: &mut Vec<WindowId>) {
        match self {
            Self::Leaf(leaf) => list.push(*leaf),
            Self::Split(split) => {
                split.first.collect(list);
                split.second.collect(list);
            }
        }
    }

    fn leaf_mut(&mut self, id: WindowId) -> Option<&mut Self> {
        if matches!(self, Self::Leaf(leaf) if *leaf == id) {
            return Some(self);
        }
        match self {
            Self::Leaf(_) => None,
            Self::Split(split) => split
                .first
                .leaf_mut(id)
                .or_else(|| split.second.leaf_mut(id)),
        }
    }

    /// Divides what is here between it and a new window.
    fn split(&mut self, id: WindowId, side: Direction) {
        let here = std::mem::replace(self, Self::Leaf(id));
        let (first, second) = if side.is_forward() {
            (here, Self::Leaf(id))
        } else {
            (Self::Leaf(id), here)
        };
        *self = Self::Split(Box::new(Split {
            axis: side.axis(),
            share: 0.5,
            first,
            second,
        }));
    }

    fn without(self, id: WindowId) -> Option<Self> {
        match self {
            Self::Leaf(leaf) => (leaf != id).then_some(self),
            Self::Split(split) => {
                let Split {
                    axis,
                    share,
                    first,
                    second,
                } = *split;
                match (first.without(id), second.without(id)) {
                    (Some(first), Some(second)) => Some(Self::Split(Box::new(Split {
                        axis,
                        share,
                        first,
                        second,
                    }))),
                    (one, other) => one.or(other),
                }
            }
        }
    }

    fn rename(&mut self, name: &impl Fn(WindowId) -> WindowId) {
        match self {
            Self::Leaf(leaf) => *leaf = name(*leaf),
            Self::Split(split) => {
                split.first.rename(name);
                split.second.rename(name);
            }
        }
    }

    fn are_siblings(&self, a: WindowId, b: WindowId, axis: Axis) -> bool {
        let Self::Split(split) = self else {
            return false;
        };
        if let (Self::Leaf(first), Self::Leaf(second)) = (&split.first, &split.second) {
            return split.axis == axis && [(a, b), (b, a)].contains(&(*first, *second));
        }
        split.first.are_siblings(a, b, axis) || split.second.are_siblings(a, b, axis)
    }

    /// The least that this part needs; `None` if nothing in it takes a place.
    fn smallest(&self, needs: &Needs<'_>) -> Option<Size<i32, Logical>> {
        match self {
            Self::Leaf(leaf) => (needs.smallest)(*leaf),
            Self::Split(split) => {
                match (split.first.smallest(needs), split.second.smallest(needs)) {
                    (Some(a), Some(b)) => Some(match split.axis {
                        Axis::Horizontal => (a.w + needs.gap + b.w, a.h.max(b.h)).into(),
                        Axis::Vertical => (a.w.max(b.w), a.h + needs.gap + b.h).into(),
                    }),
                    (one, other) => one.or(other),
                }
            }
        }
    }

    fn arrange(&self, area: Rect, needs: &Needs<'_>, places: &mut Vec<(WindowId, Rect)>) {
        match self {
            Self::Leaf(leaf) => {
                if (needs.smallest)(*leaf).is_some() {
                    places.push((*leaf, area));
                }
            }
            Self::Split(split) => {
                let (first, second) = split.areas(area, needs);
                split.first.arrange(first, needs, places);
                split.second.arrange(second, needs, places);
            }
        }
    }

    fn move_border(
        &mut self,
        id: WindowId,
        side: Direction,
        to: i32,
        area: Rect,
        needs: &Needs<'_>,
    ) -> bool {
        let Self::Split(split) = self else {
            return false;
        };
        let (first, second) = split.areas(area, needs);
        let in_first = split.first.contains(id);
        if !in_first && !split.second.contains(id) {
            return false;
        }
        // The nearest split of that axis has the border; its parts are asked first.
        let inner = if in_first {
            split.first.move_border(id, side, to, first, needs)
        } else {
            split.second.move_border(id, side, to, second, needs)
        };
        if inner {
            return true;
        }
        let has_border = split.axis == side.axis() && in_first == side.is_forward();
        let Some(division) = Division::of(split, area, needs).filter(|_| has_border) else {
            return false;
        };
        let start = split.axis.start(area);
        let first = if in_first {
            to - start
        } else {
            to - start - division.gap
        };
        let share = f64::from(division.within(first)) / f64::from(division.length);
        split.share = share.clamp(LEAST_SHARE, 1.0 - LEAST_SHARE);
        true
    }
}

impl Split {
    /// What each part gets of an area. A part in which nothing takes a place leaves it to the other.
    fn areas(&self, area: Rect, needs: &Needs<'_>) -> (Rect, Rect) {
        let Some(division) = Division::of(self, area, needs) else {
            return (area, area);
        };
        let wanted = (f64::from(division.length) * self.share).round() as i32;
        let first = division.within(wanted);
        let start = self.axis.start(area);
        (
            self.axis.with(area, start, first),
            self.axis
                .with(area, start + first + division.gap, division.length - first),
        )
    }
}

/// How an area is divided between two parts that both take a place.
struct Division {
    /// Pixels between the parts.
    gap: i32,
    /// Pixels that the parts share.
    length: i32,
    /// What the parts need.
    least: (i32, i32),
}

impl Division {
    fn of(split: &Split, area: Rect, needs: &Needs<'_>) -> Option<Self> {
        let first = split.first.smallest(needs)?;
        let second = split.second.smallest(needs)?;
        let whole = split.axis.length(area.size);
        let gap = needs.gap.min((whole - 2).max(0));
        Some(Self {
            gap,
            length: (whole - gap).max(2),
            least: (split.axis.length(first), split.axis.length(second)),
        })
    }

    /// The length of the first part that is nearest to `wanted` and leaves both what they need. Where
    /// there is too little for both, each gets as much of it as it needs more than the other.
    fn within(&self, wanted: i32) -> i32 {
        let (a, b) = self.least;
        let fair = if a + b <= self.length {
            wanted.clamp(a, self.length - b)
        } else {
            (i64::from(self.length) * i64::from(a) / i64::from(a + b)) as i32
        };
        fair.clamp(1, self.length - 1)
    }
}
