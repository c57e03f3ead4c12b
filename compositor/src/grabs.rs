//! Dragging windows: moving them and changing their size.

use smithay::{
    input::pointer::{
        AxisFrame, ButtonEvent, CursorIcon, Focus, GestureHoldBeginEvent, GestureHoldEndEvent,
        GesturePinchBeginEvent, GesturePinchEndEvent, GesturePinchUpdateEvent,
        GestureSwipeBeginEvent, GestureSwipeEndEvent, GestureSwipeUpdateEvent, GrabStartData,
        MotionEvent, PointerGrab, PointerInnerHandle, RelativeMotionEvent,
    },
    reexports::wayland_server::protocol::wl_surface::WlSurface,
    utils::{Logical, Point, Serial},
};

use crate::{
    input::resize_icon,
    layout::{Edges, Mode, Rect, WindowId},
    state::State,
};

/// A pointer must go this far before a maximised window is torn off.
const TEAR: f64 = 12.0;

/// What a drag does.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Move,
    Resize(Edges),
}

/// A drag that is about to begin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drag {
    id: WindowId,
    kind: Kind,
    /// The frame when it began.
    start: Rect,
}

impl Drag {
    pub(crate) fn moving(state: &State, id: WindowId) -> Self {
        Self {
            id,
            kind: Kind::Move,
            start: state.windows.layout.frame(id).unwrap_or_default(),
        }
    }

    pub(crate) fn resizing(state: &State, id: WindowId, edges: Edges) -> Self {
        Self {
            id,
            kind: Kind::Resize(edges),
            start: state.windows.layout.frame(id).unwrap_or_default(),
        }
    }
}

impl State {
    /// The client's press becomes a move of its window.
    pub(crate) fn begin_move(&mut self, id: WindowId, start: GrabStartData<Self>, serial: Serial) {
        let drag = Drag::moving(self, id);
        self.grab(drag, start, serial);
    }

    /// The client's press becomes a resize of its window.
    pub(crate) fn begin_resize(
        &mut self,
        id: WindowId,
        start: GrabStartData<Self>,
        edges: Edges,
        serial: Serial,
    ) {
        let drag = Drag::resizing(self, id, edges);
        self.grab(drag, start, serial);
    }

    /// A press on the compositor's own parts becomes a drag.
    pub(crate) fn begin_drag(&mut self, drag: Drag, button: u32, serial: Serial) {
        let location = self.pointer_at;
        self.grab(
            drag,
            GrabStartData {
                focus: None,
                button,
                location,
            },
            serial,
        );
    }

    fn grab(&mut self, drag: Drag, start: GrabStartData<Self>, serial: Serial) {
        let icon = match drag.kind {
            Kind::Move => CursorIcon::Grabbing,
            Kind::Resize(_) if self.windows.layout.mode(drag.id) != Some(Mode::Floating) => return,
            Kind::Resize(edges) => resize_icon(edges),
        };
        self.cursor.set_own(Some(icon));
        self.queue_pointer_output();
        let pointer = self.pointer.clone();
        pointer.set_grab(self, DragGrab { drag, start }, serial, Focus::Clear);
    }
}

/// The pointer while a window is dragged: clients do not see it.
#[derive(Debug)]
struct DragGrab {
    drag: Drag,
    start: GrabStartData<State>,
}

impl DragGrab {
    fn drag_to(&mut self, data: &mut State, location: Point<f64, Logical>) {
        let (id, start) = (self.drag.id, self.drag.start);
        let moved = location - self.start.location;
        let layout = &data.windows.layout;
        match self.drag.kind {
            Kind::Move => {
                if layout.mode(id) == Some(Mode::Maximised) {
                    if moved.x.hypot(moved.y) < TEAR {
                        return;
                    }
                    // The window becomes small again under the pointer, which stays on its bar.
                    let share = (self.start.location.x - f64::from(start.loc.x))
                        / f64::from(start.size.w.max(1));
                    data.change_layout(|layout| layout.set_maximised(id, false));
                    let width = data
                        .windows
                        .layout
                        .client(id)
                        .map_or(0, |client| client.size.w);
                    let x = self.start.location.x - share * f64::from(width);
                    self.drag.start.loc.x = x.round() as i32;
                }
                let to = self.drag.start.loc + moved.to_i32_round();
                data.change_layout(|layout| layout.move_to(id, to));
            }
            Kind::Resize(edges) => {
                let by = moved.to_i32_round::<i32>();
                let mut size = start.size;
                size.w += if edges.right {
                    by.x
                } else if edges.left {
                    -by.x
                } else {
                    0
                };
                size.h += if edges.bottom {
                    by.y
                } else if edges.top {
                    -by.y
                } else {
                    0
                };
                data.change_layout(|layout| layout.resize(id, start, edges, size));
            }
        }
    }
}

type Inner<'a> = PointerInnerHandle<'a, State>;
type At = Option<(WlSurface, Point<f64, Logical>)>;

impl PointerGrab<State> for DragGrab {
    fn motion(&mut self, data: &mut State, handle: &mut Inner<'_>, _: At, event: &MotionEvent) {
        handle.motion(data, None, event);
        if data.windows.layout.mode(self.drag.id).is_none() {
            handle.unset_grab(self, data, event.serial, event.time, true);
        } else {
            self.drag_to(data, event.location);
        }
    }

    fn relative_motion(
        &mut self,
        data: &mut State,
        handle: &mut Inner<'_>,
        _: At,
        event: &RelativeMotionEvent,
    ) {
        handle.relative_motion(data, None, event);
    }

    fn button(&mut self, data: &mut State, handle: &mut Inner<'_>, event: &ButtonEvent) {
        handle.button(data, event);
        if !handle.current_pressed().contains(&self.start.button) {
            handle.unset_grab(self, data, event.serial, event.time, true);
        }
    }

    fn axis(&mut self, data: &mut State, handle: &mut Inner<'_>, details: AxisFrame) {
        handle.axis(data, details);
    }

    fn frame(&mut self, data: &mut State, handle: &mut Inner<'_>) {
        handle.frame(data);
    }

    fn gesture_swipe_begin(
        &mut self,
        data: &mut State,
        handle: &mut Inner<'_>,
        event: &GestureSwipeBeginEvent,
    ) {
        handle.gesture_swipe_begin(data, event);
    }

    fn gesture_swipe_update(
        &mut self,
        data: &mut State,
        handle: &mut Inner<'_>,
        event: &GestureSwipeUpdateEvent,
    ) {
        handle.gesture_swipe_update(data, event);
    }

    fn gesture_swipe_end(
        &mut self,
        data: &mut State,
        handle: &mut Inner<'_>,
        event: &GestureSwipeEndEvent,
    ) {
        handle.gesture_swipe_end(data, event);
    }

    fn gesture_pinch_begin(
        &mut self,
        data: &mut State,
        handle: &mut Inner<'_>,
        event: &GesturePinchBeginEvent,
    ) {
        handle.gesture_pinch_begin(data, event);
    }

    fn gesture_pinch_update(
        &mut self,
        data: &mut State,
        handle: &mut Inner<'_>,
        event: &GesturePinchUpdateEvent,
    ) {
        handle.gesture_pinch_update(data, event);
    }

    fn gesture_pinch_end(
        &mut self,
        data: &mut State,
        handle: &mut Inner<'_>,
        event: &GesturePinchEndEvent,
    ) {
        handle.gesture_pinch_end(data, event);
    }

    fn gesture_hold_begin(
        &mut self,
        data: &mut State,
        handle: &mut Inner<'_>,
        event: &GestureHoldBeginEvent,
    ) {
        handle.gesture_hold_begin(data, event);
    }

    fn gesture_hold_end(
        &mut self,
        data: &mut State,
        handle: &mut Inner<'_>,
        event: &GestureHoldEndEvent,
    ) {
        handle.gesture_hold_end(data, event);
    }

    fn start_data(&self) -> &GrabStartData<State> {
        &self.start
    }

    fn unset(&mut self, data: &mut State) {
        data.cursor.set_own(None);
        let id = self.drag.id;
        data.change_layout(|layout| layout.resize_end(id));
    }
}
