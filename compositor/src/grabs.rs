//! Dragging windows: moving them and changing their size.
//!
//! A floating window follows the pointer; near a side of the screen a preview shows to what part of it
//! the window would snap. A tile stays where it is while it is dragged, and the preview shows where it
//! would go. What the preview shows is done when the button is let go of, and not if the drag ends in
//! another way.

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
    layout::{Edges, Mode, Rect, Snap, TileDrop, WindowId},
    state::State,
};

/// A pointer must go this far before a window is torn off the place that it fills.
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
            Kind::Resize(_) if self.windows.layout.mode(drag.id) != Some(Mode::Normal) => return,
            Kind::Resize(edges) => resize_icon(edges),
        };
        self.cursor.set_own(Some(icon));
        self.queue_pointer_output();
        let pointer = self.pointer.clone();
        let grab = DragGrab {
            drag,
            start,
            landing: None,
        };
        pointer.set_grab(self, grab, serial, Focus::Clear);
        // After the grab from before let go of its window.
        self.windows.movements.held = Some(drag.id);
    }
}

/// The pointer while a window is dragged: clients do not see it.
#[derive(Debug)]
struct DragGrab {
    drag: Drag,
    start: GrabStartData<State>,
    /// What happens when the button is let go of.
    landing: Option<Landing>,
}

/// What becomes of a window that is let go of.
#[derive(Debug, Clone, Copy)]
enum Landing {
    Snap(Snap),
    Tile(TileDrop),
}

impl DragGrab {
    fn drag_to(&mut self, data: &mut State, location: Point<f64, Logical>) {
        let (id, start) = (self.drag.id, self.drag.start);
        let moved = location - self.start.location;
        let layout = &data.windows.layout;
        match self.drag.kind {
            Kind::Move => {
                let far = moved.x.hypot(moved.y) >= TEAR;
                let filling = layout.mode(id) == Some(Mode::Maximised) || layout.zone(id).is_some();
                if (filling || layout.is_tile(id)) && !far {
                    return;
                }
                if filling {
                    self.tear_off(data);
                }
                if data.windows.layout.is_tile(id) {
                    let drop = data.windows.layout.drop_at(id, location);
                    self.landing = drop.map(|(drop, _)| Landing::Tile(drop));
                    data.show_preview(drop.map(|(_, frame)| frame));
                    return;
                }
                let mut to = self.drag.start.loc + moved.to_i32_round();
                let snapping = data.config.snapping;
                let reach = snapping.attraction as i32;
                if reach > 0 {
                    to = data.windows.layout.attracted(id, to, reach);
                }
                data.change_layout(|layout| layout.move_to(id, to));
                let snap = Some(&data.windows.layout)
                    .filter(|_| snapping.edges)
                    .and_then(|layout| layout.snap_at(id, location));
                self.landing = snap.map(|(snap, _)| Landing::Snap(snap));
                data.show_preview(snap.map(|(_, frame)| frame));
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

    /// A window that fills a part of the screen has its own size again, under the pointer, which stays
    /// on its bar.
    fn tear_off(&mut self, data: &mut State) {
        let (id, start) = (self.drag.id, self.drag.start);
        let share =
            (self.start.location.x - f64::from(start.loc.x)) / f64::from(start.size.w.max(1));
        data.change_layout(|layout| {
            layout.set_maximised(id, false);
            layout.unsnap(id);
        });
        let client = data.windows.layout.client(id);
        let width = client.map_or(0, |client| client.size.w);
        let x = self.start.location.x - share * f64::from(width);
        self.drag.start.loc.x = x.round() as i32;
    }

    fn land(&mut self, data: &mut State) {
        let id = self.drag.id;
        let Some(landing) = self.landing.take() else {
            return;
        };
        data.change_layout(|layout| match landing {
            Landing::Snap(Snap::Zone(zone)) => layout.snap(id, zone),
            Landing::Snap(Snap::Maximise) => layout.set_maximised(id, true),
            Landing::Tile(drop) => layout.drop_tile(id, drop),
        });
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
            self.land(data);
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
        data.show_preview(None);
        data.windows.movements.held = None;
        let id = self.drag.id;
        data.change_layout(|layout| layout.resize_end(id));
    }
}
