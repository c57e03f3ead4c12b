//! What games, drawing programs and virtual machines want of the pointer: its movement as the
//! device reports it, to hold it in place or within a region, and the gestures of touchpads.
//!
//! A constraint is in force while its surface has the pointer and its window the keyboard. The end
//! of each turn looks whether that is so ([`State::update_constraint`]); the pointer's movements
//! ask what is in force ([`State::constrained`]).

use smithay::{
    backend::input::{
        Event, GestureBeginEvent, GestureEndEvent, GesturePinchUpdateEvent as _,
        GestureSwipeUpdateEvent as _, InputBackend, InputEvent,
    },
    delegate_pointer_constraints, delegate_pointer_gestures, delegate_relative_pointer,
    input::pointer::{
        GestureHoldBeginEvent, GestureHoldEndEvent, GesturePinchBeginEvent, GesturePinchEndEvent,
        GesturePinchUpdateEvent, GestureSwipeBeginEvent, GestureSwipeEndEvent,
        GestureSwipeUpdateEvent, PointerHandle, RelativeMotionEvent,
    },
    reexports::wayland_server::{DisplayHandle, Resource, protocol::wl_surface::WlSurface},
    utils::{Logical, Point, SERIAL_COUNTER},
    wayland::{
        compositor::RegionAttributes,
        pointer_constraints::{
            PointerConstraint, PointerConstraintsHandler, PointerConstraintsState,
            with_pointer_constraint,
        },
        pointer_gestures::PointerGesturesState,
        relative_pointer::RelativePointerManagerState,
    },
};

use super::root_of;
use crate::{input::Under, state::State, xwayland::x11};

/// Keeps the globals alive.
#[derive(Debug)]
pub(crate) struct PointerProtocols {
    _relative: RelativePointerManagerState,
    _constraints: PointerConstraintsState,
    _gestures: PointerGesturesState,
}

impl PointerProtocols {
    pub(crate) fn new(dh: &DisplayHandle) -> Self {
        Self {
            _relative: RelativePointerManagerState::new::<State>(dh),
            _constraints: PointerConstraintsState::new::<State>(dh),
            _gestures: PointerGesturesState::new::<State>(dh),
        }
    }
}

/// A constraint that is in force.
enum Held {
    InPlace,
    Within(Option<RegionAttributes>),
}

/// How often a way out of a region is halved: to less than a pixel on any screen.
const HALVINGS: u32 = 14;

/// The last point on the way that is still inside, where `from` is.
fn last_inside(
    from: Point<f64, Logical>,
    to: Point<f64, Logical>,
    inside: impl Fn(Point<f64, Logical>) -> bool,
) -> Point<f64, Logical> {
    if inside(to) {
        return to;
    }
    let (mut reached, mut missed) = (from, to);
    for _ in 0..HALVINGS {
        let middle = Point::from(((reached.x + missed.x) / 2.0, (reached.y + missed.y) / 2.0));
        if inside(middle) {
            reached = middle;
        } else {
            missed = middle;
        }
    }
    reached
}

fn within(region: Option<&RegionAttributes>, at: Point<f64, Logical>) -> bool {
    region.is_none_or(|region| region.contains(at.to_i32_floor::<i32>()))
}

impl State {
    /// The origin of a surface, if it is what is under a point of the global space.
    fn origin_under(
        &self,
        surface: &WlSurface,
        at: Point<f64, Logical>,
    ) -> Option<Point<f64, Logical>> {
        match self.under(at) {
            Under::Surface(other, origin, _) if other == *surface => Some(origin),
            _ => None,
        }
    }

    /// Where the pointer ends that is sent somewhere, or nothing if it is held in place.
    pub(crate) fn constrained(&self, to: Point<f64, Logical>) -> Option<Point<f64, Logical>> {
        let Some(surface) = self.pointer.current_focus() else {
            return Some(to);
        };
        let held = with_pointer_constraint(&surface, &self.pointer, |constraint| {
            constraint
                .filter(|constraint| constraint.is_active())
                .map(|constraint| match &*constraint {
                    PointerConstraint::Locked(_) => Held::InPlace,
                    PointerConstraint::Confined(confined) => {
                        Held::Within(confined.region().cloned())
                    }
                })
        });
        match held {
            None => Some(to),
            Some(Held::InPlace) => None,
            Some(Held::Within(region)) => {
                let inside = |at: Point<f64, Logical>| {
                    self.origin_under(&surface, at)
                        .is_some_and(|origin| within(region.as_ref(), at - origin))
                };
                let from = self.pointer_at;
                if !inside(from) {
                    // The window went from under the pointer, which ends the constraint.
                    return Some(to);
                }
                // One direction after the other, so that it glides along the edge.
                let across = last_inside(from, Point::from((to.x, from.y)), inside);
                Some(last_inside(across, Point::from((across.x, to.y)), inside))
            }
        }
    }

    /// Whether the pointer is held in place by the surface that it is over.
    pub(crate) fn is_pointer_held(&self) -> bool {
        self.pointer.current_focus().is_some_and(|surface| {
            with_pointer_constraint(&surface, &self.pointer, |constraint| {
                constraint.is_some_and(|constraint| {
                    constraint.is_active() && matches!(&*constraint, PointerConstraint::Locked(_))
                })
            })
        })
    }

    /// The pointer is held in place: its client hears of the movement alone.
    pub(crate) fn relative_motion_in_place(&mut self, event: &RelativeMotionEvent) {
        let focus = match self.under(self.pointer_at) {
            Under::Surface(surface, origin, _) => Some((surface, origin)),
            _ => None,
        };
        let pointer = self.pointer.clone();
        pointer.relative_motion(self, focus, event);
        pointer.frame(self);
    }

    /// Puts the constraint of the surface under the pointer in force, or ends it.
    pub(crate) fn update_constraint(&mut self) {
        let Some(surface) = self.pointer.current_focus() else {
            return;
        };
        let used = self
            .keyboard
            .current_focus()
            .is_some_and(|focus| root_of(focus.surface()) == root_of(&surface));
        let at = self.pointer_at;
        let local = self.origin_under(&surface, at).map(|origin| at - origin);
        with_pointer_constraint(&surface, &self.pointer, |constraint| {
            let Some(constraint) = constraint else {
                return;
            };
            if constraint.is_active() {
                if !used {
                    constraint.deactivate();
                }
            } else if used && local.is_some_and(|at| within(constraint.region(), at)) {
                constraint.activate();
            }
        });
    }

    /// Passes a touchpad's gesture on to what is under the pointer.
    pub(crate) fn gesture<B: InputBackend>(&mut self, event: InputEvent<B>) {
        let pointer = self.pointer.clone();
        let serial = SERIAL_COUNTER.next_serial();
        match event {
            InputEvent::GestureSwipeBegin { event } => {
                let (time, fingers) = (event.time_msec(), event.fingers());
                let begin = GestureSwipeBeginEvent {
                    serial,
                    time,
                    fingers,
                };
                pointer.gesture_swipe_begin(self, &begin);
            }
            InputEvent::GestureSwipeUpdate { event } => {
                let (time, delta) = (event.time_msec(), event.delta());
                pointer.gesture_swipe_update(self, &GestureSwipeUpdateEvent { time, delta });
            }
            InputEvent::GestureSwipeEnd { event } => {
                let (time, cancelled) = (event.time_msec(), event.cancelled());
                let end = GestureSwipeEndEvent {
                    serial,
                    time,
                    cancelled,
                };
                pointer.gesture_swipe_end(self, &end);
            }
            InputEvent::GesturePinchBegin { event } => {
                let (time, fingers) = (event.time_msec(), event.fingers());
                let begin = GesturePinchBeginEvent {
                    serial,
                    time,
                    fingers,
                };
                pointer.gesture_pinch_begin(self, &begin);
            }
            InputEvent::GesturePinchUpdate { event } => {
                let update = GesturePinchUpdateEvent {
                    time: event.time_msec(),
                    delta: event.delta(),
                    scale: event.scale(),
                    rotation: event.rotation(),
                };
                pointer.gesture_pinch_update(self, &update);
            }
            InputEvent::GesturePinchEnd { event } => {
                let (time, cancelled) = (event.time_msec(), event.cancelled());
                let end = GesturePinchEndEvent {
                    serial,
                    time,
                    cancelled,
                };
                pointer.gesture_pinch_end(self, &end);
            }
            InputEvent::GestureHoldBegin { event } => {
                let (time, fingers) = (event.time_msec(), event.fingers());
                let begin = GestureHoldBeginEvent {
                    serial,
                    time,
                    fingers,
                };
                pointer.gesture_hold_begin(self, &begin);
            }
            InputEvent::GestureHoldEnd { event } => {
                let (time, cancelled) = (event.time_msec(), event.cancelled());
                let end = GestureHoldEndEvent {
                    serial,
                    time,
                    cancelled,
                };
                pointer.gesture_hold_end(self, &end);
            }
            _ => {}
        }
    }
}

impl PointerConstraintsHandler for State {
    // The end of the turn puts it in force.
    fn new_constraint(&mut self, _: &WlSurface, _: &PointerHandle<Self>) {}

    fn cursor_position_hint(
        &mut self,
        surface: &WlSurface,
        pointer: &PointerHandle<Self>,
        location: Point<f64, Logical>,
    ) {
        let active = with_pointer_constraint(surface, pointer, |constraint| {
            constraint.is_some_and(|constraint| constraint.is_active())
        });
        if !active {
            return;
        }
        // The client draws its own cursor there, so that is where the pointer is to be when it is
        // let go of; but not on anything else.
        let Some(origin) = self.origin_under(surface, self.pointer_at) else {
            return;
        };
        // Smithay does not convert this one.
        let factor = surface
            .client()
            .map_or(x11::Factor::ONE, |client| x11::Factor::of_server(&client));
        let to = origin + location.downscale(factor.get());
        if self.origin_under(surface, to).is_some() {
            self.queue_pointer_output();
            self.pointer_at = to;
            pointer.set_location(to);
            self.queue_pointer_output();
        }
    }
}

delegate_relative_pointer!(State);
delegate_pointer_constraints!(State);
delegate_pointer_gestures!(State);
