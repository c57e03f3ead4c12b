//! Rectangles: where frames may be, how they lie to each other.

use smithay::utils::{Logical, Point, Size};

use super::{Area, Limits, Rect};

/// How much of a frame's width stays on the screen however far it is dragged.
const REACHABLE: i32 = 64;
/// How much of a frame's height stays on the screen.
const REACHABLE_TOP: i32 = 28;
/// Nothing can be made smaller than this, in client pixels.
pub(super) const SMALLEST: i32 = 48;

/// One of the four ways on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To smaller x.
    Left,
    /// To larger x.
    Right,
    /// To smaller y.
    Up,
    /// To larger y.
    Down,
}

/// The line along which something is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Axis {
    /// Side by side.
    Horizontal,
    /// One above the other.
    Vertical,
}

impl Direction {
    pub(super) fn axis(self) -> Axis {
        match self {
            Self::Left | Self::Right => Axis::Horizontal,
            Self::Up | Self::Down => Axis::Vertical,
        }
    }

    /// Whether it leads to larger coordinates.
    pub(super) fn is_forward(self) -> bool {
        matches!(self, Self::Right | Self::Down)
    }

    /// A step that way.
    pub(super) fn step(self, length: i32) -> Point<i32, Logical> {
        let length = if self.is_forward() { length } else { -length };
        match self.axis() {
            Axis::Horizontal => (length, 0).into(),
            Axis::Vertical => (0, length).into(),
        }
    }
}

impl Axis {
    /// The axis along which `size` is longer.
    pub(super) fn of(size: Size<i32, Logical>) -> Self {
        if size.w >= size.h {
            Self::Horizontal
        } else {
            Self::Vertical
        }
    }

    pub(super) fn length(self, size: Size<i32, Logical>) -> i32 {
        match self {
            Self::Horizontal => size.w,
            Self::Vertical => size.h,
        }
    }

    pub(super) fn start(self, rect: Rect) -> i32 {
        match self {
            Self::Horizontal => rect.loc.x,
            Self::Vertical => rect.loc.y,
        }
    }

    pub(super) fn end(self, rect: Rect) -> i32 {
        self.start(rect) + self.length(rect.size)
    }

    /// `rect` with another beginning and length along this axis.
    pub(super) fn with(self, mut rect: Rect, start: i32, length: i32) -> Rect {
        match self {
            Self::Horizontal => {
                rect.loc.x = start;
                rect.size.w = length;
            }
            Self::Vertical => {
                rect.loc.y = start;
                rect.size.h = length;
            }
        }
        rect
    }

    pub(super) fn across(self) -> Self {
        match self {
            Self::Horizontal => Self::Vertical,
            Self::Vertical => Self::Horizontal,
        }
    }
}

/// How far `to` is from `from` that way; the smaller the nearer. What lies straight ahead is nearer
/// than anything that does not. `None` if it is not that way at all.
pub(crate) fn nearness(from: Rect, to: Rect, direction: Direction) -> Option<(bool, i32)> {
    let axis = direction.axis();
    let centre = |rect: Rect| 2 * axis.start(rect) + axis.length(rect.size);
    let (ahead, gap) = if direction.is_forward() {
        (centre(to) > centre(from), axis.start(to) - axis.end(from))
    } else {
        (centre(to) < centre(from), axis.start(from) - axis.end(to))
    };
    let across = axis.across();
    let aside = across.start(to) >= across.end(from) || across.end(to) <= across.start(from);
    ahead.then_some((aside, gap.max(0)))
}

/// `rect` without a margin, which is smaller where there is no room for it.
pub(super) fn shrunk(rect: Rect, margin: i32) -> Rect {
    let margin = margin.clamp(0, (rect.size.w.min(rect.size.h) / 4).max(0));
    Rect::new(
        rect.loc + Point::from((margin, margin)),
        (rect.size.w - 2 * margin, rect.size.h - 2 * margin).into(),
    )
}

pub(super) fn overlap(a: Rect, b: Rect) -> i64 {
    a.intersection(b)
        .map_or(0, |part| i64::from(part.size.w) * i64::from(part.size.h))
}

pub(super) fn centred(size: Size<i32, Logical>, area: Rect) -> Point<i32, Logical> {
    Point::from((
        (area.loc.x + (area.size.w - size.w) / 2).max(area.loc.x),
        (area.loc.y + (area.size.h - size.h) / 2).max(area.loc.y),
    ))
}

/// The nearest place where enough of the frame's top can be seen and grabbed.
pub(super) fn reachable(frame: Rect, area: &Area) -> Point<i32, Logical> {
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
pub(super) fn within(
    size: Size<i32, Logical>,
    limits: Limits,
    title_bar: i32,
) -> Size<i32, Logical> {
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
