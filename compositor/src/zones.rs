//! Where layer surfaces are, and what they leave of an output to windows.
//!
//! By the layer shell, surfaces that keep a zone clear make room among themselves, and everything else lies in what
//! they leave, whoever came first; a zone counts only at one edge. Smithay's map goes by who came first, and
//! knows zones at corners. So the places are found here ([`arrange`], which is pure) from what clients committed
//! last, and the map is told each of them as margins from all sides of the output ([`told`]), from which it
//! finds that very place again.

use std::sync::Mutex;

use smithay::{
    desktop::{LayerSurface, layer_map_for_output},
    output::Output,
    reexports::wayland_server::protocol::wl_surface::WlSurface,
    utils::{Logical, Point, Size},
    wayland::{
        compositor::with_states,
        shell::wlr_layer::{Anchor, ExclusiveZone, LayerSurfaceCachedState, Margins},
    },
};

use crate::{layout::Rect, outputs::geometry};

/// What a client asked for its layer surface.
type Asked = LayerSurfaceCachedState;

/// What was asked with the last commit; kept with the surface.
#[derive(Debug, Default)]
struct Committed(Mutex<Option<Asked>>);

/// What layer surfaces leave to windows, from the output's corner; kept with the output.
#[derive(Debug, Default)]
struct Left(Mutex<Option<Rect>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
    Top,
    Bottom,
}

/// The side at which a surface keeps a zone clear, and how deep that is.
fn zone(asked: &Asked) -> Option<(Side, i32)> {
    let ExclusiveZone::Exclusive(deep) = asked.exclusive_zone else {
        return None;
    };
    let at = |edge| asked.anchor.contains(edge);
    // One edge, or one and both beside it. Anything else is as good as no zone.
    let (side, margin) = match (
        at(Anchor::LEFT),
        at(Anchor::RIGHT),
        at(Anchor::TOP),
        at(Anchor::BOTTOM),
    ) {
        (true, false, top, bottom) if top == bottom => (Side::Left, asked.margin.left),
        (false, true, top, bottom) if top == bottom => (Side::Right, asked.margin.right),
        (left, right, true, false) if left == right => (Side::Top, asked.margin.top),
        (left, right, false, true) if left == right => (Side::Bottom, asked.margin.bottom),
        _ => return None,
    };
    let deep = i32::try_from(deep).unwrap_or(i32::MAX);
    Some((side, deep.saturating_add(margin).max(0)))
}

/// What is left of an area without that much at one side.
fn cut(mut area: Rect, side: Side, by: i32) -> Rect {
    let along = match side {
        Side::Left | Side::Right => &mut area.size.w,
        Side::Top | Side::Bottom => &mut area.size.h,
    };
    let by = by.min(*along);
    *along -= by;
    match side {
        Side::Left => area.loc.x += by,
        Side::Top => area.loc.y += by,
        Side::Right | Side::Bottom => {}
    }
    area
}

/// Beginning and length of a surface along one axis, in a room that begins at `from`. The margins are those of the
/// edges that it is anchored to; a length of 0 leaves it to the compositor.
fn span(from: i32, room: i32, length: i32, before: Option<i32>, after: Option<i32>) -> (i32, i32) {
    // Margins are any numbers that a client says.
    let (first, last) = (before.unwrap_or(0), after.unwrap_or(0));
    let start = from.saturating_add(first);
    let room = room.saturating_sub(first).saturating_sub(last);
    let length = if length == 0 { room } else { length };
    let length = length.min(room).max(1);
    let rest = room.saturating_sub(length);
    let start = match (before, after) {
        (Some(_), None) => start,
        (None, Some(_)) => start.saturating_add(rest),
        // In the middle.
        (Some(_), Some(_)) | (None, None) => start.saturating_add(rest / 2),
    };
    (start, length)
}

/// The place of a surface in an area.
fn placed(asked: &Asked, area: Rect) -> Rect {
    let margin = |edge, margin| asked.anchor.contains(edge).then_some(margin);
    let (x, w) = span(
        area.loc.x,
        area.size.w,
        asked.size.w,
        margin(Anchor::LEFT, asked.margin.left),
        margin(Anchor::RIGHT, asked.margin.right),
    );
    let (y, h) = span(
        area.loc.y,
        area.size.h,
        asked.size.h,
        margin(Anchor::TOP, asked.margin.top),
        margin(Anchor::BOTTOM, asked.margin.bottom),
    );
    Rect::new((x, y).into(), (w, h).into())
}

/// The places of an output's layer surfaces, which are in the order in which they came, and what they leave to
/// windows.
fn arrange(output: Size<i32, Logical>, all: &[Asked]) -> (Vec<Rect>, Rect) {
    let output = Rect::from_size(output);
    let mut left = output;
    let mut places = vec![Rect::default(); all.len()];
    for (asked, place) in all.iter().zip(&mut places) {
        if let Some((side, deep)) = zone(asked) {
            *place = placed(asked, left);
            left = cut(left, side, deep);
        }
    }
    for (asked, place) in all.iter().zip(&mut places) {
        if zone(asked).is_none() {
            let whole = asked.exclusive_zone == ExclusiveZone::DontCare;
            *place = placed(asked, if whole { output } else { left });
        }
    }
    (places, left)
}

/// A place in the words that Smithay's map understands in one way only.
fn told(asked: &Asked, place: Rect, output: Size<i32, Logical>) -> Asked {
    Asked {
        anchor: Anchor::all(),
        exclusive_zone: ExclusiveZone::DontCare,
        margin: Margins {
            top: place.loc.y,
            right: output
                .w
                .saturating_sub(place.loc.x)
                .saturating_sub(place.size.w),
            bottom: output
                .h
                .saturating_sub(place.loc.y)
                .saturating_sub(place.size.h),
            left: place.loc.x,
        },
        ..*asked
    }
}

fn asked(surface: &WlSurface) -> Option<Asked> {
    with_states(surface, |states| {
        let committed = states.data_map.get::<Committed>()?;
        *committed.0.lock().ok()?
    })
}

fn keep(surface: &WlSurface, asked: Option<Asked>) {
    with_states(surface, |states| {
        let committed = states.data_map.get_or_insert_threadsafe(Committed::default);
        if let Ok(mut committed) = committed.0.lock() {
            *committed = asked;
        }
    });
}

/// A layer surface was committed: what its client asks counts from now on.
pub(crate) fn committed(surface: &WlSurface) {
    let asked = with_states(surface, |states| {
        *states.cached_state.get::<Asked>().current()
    });
    keep(surface, Some(asked));
}

/// It is no layer surface any more.
pub(crate) fn forget(surface: &WlSurface) {
    keep(surface, None);
}

/// Puts a surface at a place on its output, whatever its client asked. No protocol can; tests do.
pub(crate) fn put(surface: &WlSurface, at: Point<i32, Logical>) {
    let put = |asked: &mut Asked| {
        asked.anchor = Anchor::TOP | Anchor::LEFT;
        asked.exclusive_zone = ExclusiveZone::DontCare;
        asked.margin = Margins {
            top: at.y,
            left: at.x,
            ..Margins::default()
        };
    };
    with_states(surface, |states| {
        put(states.cached_state.get::<Asked>().pending());
    });
    keep(
        surface,
        asked(surface).map(|mut asked| {
            put(&mut asked);
            asked
        }),
    );
}

/// Finds the places of an output's layer surfaces, and tells their clients the sizes.
pub(crate) fn arrange_output(output: &Output) {
    let size = geometry(output).size;
    let mut map = layer_map_for_output(output);
    // Those that were never committed have not said what they want.
    let known =
        |layer: &LayerSurface| Some((layer.wl_surface().clone(), asked(layer.wl_surface())?));
    let (surfaces, all): (Vec<_>, Vec<_>) = map.layers().filter_map(known).unzip();
    let (places, left) = arrange(size, &all);
    for ((surface, asked), place) in surfaces.iter().zip(&all).zip(places) {
        with_states(surface, |states| {
            *states.cached_state.get::<Asked>().current() = told(asked, place, size);
        });
    }
    map.arrange();
    let kept = output.user_data().get_or_insert_threadsafe(Left::default);
    if let Ok(mut kept) = kept.0.lock() {
        *kept = Some(left);
    }
}

/// What layer surfaces leave of an output to windows, from its corner.
pub(crate) fn left(output: &Output) -> Rect {
    let kept = output.user_data().get::<Left>();
    kept.and_then(|left| *left.0.lock().ok()?)
        .unwrap_or_else(|| Rect::from_size(geometry(output).size))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: (i32, i32) = (1280, 800);

    fn surface(anchor: Anchor, size: (i32, i32), zone: i32) -> Asked {
        Asked {
            anchor,
            size: size.into(),
            exclusive_zone: zone.into(),
            ..Asked::default()
        }
    }

    fn rect(x: i32, y: i32, w: i32, h: i32) -> Rect {
        Rect::new((x, y).into(), (w, h).into())
    }

    #[test]
    fn a_zone_moves_those_that_came_before_it_too() {
        let dock = surface(Anchor::LEFT, (200, 300), 0);
        let picture = surface(Anchor::all(), (0, 0), -1);
        let panel = surface(Anchor::TOP | Anchor::LEFT | Anchor::RIGHT, (0, 40), 40);
        let bar = surface(Anchor::LEFT, (60, 60), 60);
        let (places, left) = arrange(OUTPUT.into(), &[dock, picture, panel, bar]);
        assert_eq!(
            places,
            [
                rect(60, 270, 200, 300),
                rect(0, 0, 1280, 800),
                rect(0, 0, 1280, 40),
                rect(0, 390, 60, 60),
            ]
        );
        assert_eq!(left, rect(60, 40, 1220, 760));
    }

    #[test]
    fn a_zone_counts_at_one_edge_only_and_its_margin_with_it() {
        let whole = rect(0, 0, 1280, 800);
        for bits in 0..16 {
            let anchor = Anchor::from_bits_truncate(bits);
            let mut asked = surface(anchor, (100, 100), 25);
            asked.margin = Margins {
                top: 1,
                right: 2,
                bottom: 3,
                left: 4,
            };
            let across = anchor.intersection(Anchor::LEFT | Anchor::RIGHT);
            let down = anchor.intersection(Anchor::TOP | Anchor::BOTTOM);
            let single = |edges: Anchor| edges.bits().count_ones() == 1;
            let expected = match (single(across), single(down)) {
                (true, false) if across == Anchor::LEFT => rect(29, 0, 1251, 800),
                (true, false) => rect(0, 0, 1253, 800),
                (false, true) if down == Anchor::TOP => rect(0, 26, 1280, 774),
                (false, true) => rect(0, 0, 1280, 772),
                _ => whole,
            };
            assert_eq!(arrange(OUTPUT.into(), &[asked]).1, expected, "{anchor:?}");
        }
    }

    #[test]
    fn a_size_that_was_asked_for_is_kept_between_two_edges() {
        let (places, _) = arrange(
            OUTPUT.into(),
            &[
                surface(Anchor::all(), (320, 200), 0),
                surface(Anchor::LEFT | Anchor::RIGHT, (0, 50), 0),
                surface(Anchor::empty(), (5000, 50), 0),
            ],
        );
        assert_eq!(
            places,
            [
                rect(480, 300, 320, 200),
                rect(0, 375, 1280, 50),
                rect(0, 375, 1280, 50),
            ]
        );
    }

    #[test]
    fn nothing_that_is_asked_makes_a_surface_or_the_rest_smaller_than_nothing() {
        let mut pushed = surface(Anchor::all(), (0, 0), 0);
        pushed.margin = Margins {
            top: 1 << 14,
            right: 1 << 14,
            bottom: 1 << 14,
            left: 1 << 14,
        };
        let greedy = surface(Anchor::TOP, (i32::MAX, i32::MAX), i32::MAX);
        let mut far = surface(Anchor::RIGHT, (10, 0), 0);
        far.margin.right = i32::MIN;
        far.margin.left = i32::MAX;
        let late = surface(Anchor::BOTTOM, (10, 10), 10);
        let (places, left) = arrange(OUTPUT.into(), &[pushed, greedy, late, far]);
        assert!(
            places
                .iter()
                .all(|place| place.size.w > 0 && place.size.h > 0)
        );
        assert_eq!(left, rect(0, 800, 1280, 0));
    }

    #[test]
    fn what_the_map_is_told_is_the_place() {
        let place = rect(-20, 780, 300, 60);
        let told = told(&Asked::default(), place, OUTPUT.into());
        assert_eq!(placed(&told, Rect::from_size(OUTPUT.into())), place);
    }
}
