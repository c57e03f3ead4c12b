//! `wlr-virtual-pointer-unstable-v1`: programs that move the pointer, as remote desktops and wlrctl do.
//!
//! There is one pointer, and they move that. While the session is locked or a prompt is on the screen, only
//! trusted clients do: an answer to a prompt is a person's. Buttons that a client holds down are let go of
//! when its pointer goes.

use std::{collections::HashMap, sync::Mutex};

use smithay::{
    backend::input::{Axis, AxisSource, ButtonState},
    input::pointer::{AxisFrame, RelativeMotionEvent},
    output::Output,
    reexports::{
        wayland_protocols_wlr::virtual_pointer::v1::server::{
            zwlr_virtual_pointer_manager_v1::{self, ZwlrVirtualPointerManagerV1},
            zwlr_virtual_pointer_v1::{self, ZwlrVirtualPointerV1},
        },
        wayland_server::{
            Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource, WEnum,
            backend::ClientId, protocol::wl_pointer,
        },
    },
    utils::{Logical, Point},
};

use super::sandbox::{Privilege, is_trusted, may};
use crate::{layout::Rect, outputs::geometry, state::State};

const VERSION: u32 = 2;
/// More buttons than this nobody holds down at a time.
const MOST_BUTTONS: usize = 16;

pub(super) fn create_global(dh: &DisplayHandle) {
    dh.create_global::<State, ZwlrVirtualPointerManagerV1, ()>(VERSION, ());
}

/// A client's pointer.
#[derive(Debug, Default)]
pub(crate) struct VirtualPointer {
    /// What it is bound to; everything, if it is not.
    output: Option<Output>,
    held: Mutex<Held>,
}

/// What is under way with it.
#[derive(Debug, Default)]
struct Held {
    buttons: Vec<u32>,
    scrolled: Scrolled,
}

/// What was scrolled since the last frame.
#[derive(Debug, Default)]
struct Scrolled {
    time: u32,
    source: Option<AxisSource>,
    axes: HashMap<Axis, Amount>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Amount {
    value: f64,
    steps: i32,
    stops: bool,
}

impl Scrolled {
    fn is_empty(&self) -> bool {
        self.axes.is_empty()
    }

    fn frame(self) -> AxisFrame {
        let mut frame = AxisFrame::new(self.time);
        if let Some(source) = self.source {
            frame = frame.source(source);
        }
        for (axis, amount) in self.axes {
            if amount.value != 0.0 {
                frame = frame.value(axis, amount.value);
            }
            if amount.steps != 0 {
                frame = frame.v120(axis, amount.steps.saturating_mul(120));
            }
            if amount.stops {
                frame = frame.stop(axis);
            }
        }
        frame
    }
}

fn axis(axis: WEnum<wl_pointer::Axis>) -> Option<Axis> {
    match axis {
        WEnum::Value(wl_pointer::Axis::VerticalScroll) => Some(Axis::Vertical),
        WEnum::Value(wl_pointer::Axis::HorizontalScroll) => Some(Axis::Horizontal),
        _ => None,
    }
}

fn source(source: WEnum<wl_pointer::AxisSource>) -> Option<AxisSource> {
    Some(match source {
        WEnum::Value(wl_pointer::AxisSource::Wheel) => AxisSource::Wheel,
        WEnum::Value(wl_pointer::AxisSource::Finger) => AxisSource::Finger,
        WEnum::Value(wl_pointer::AxisSource::Continuous) => AxisSource::Continuous,
        WEnum::Value(wl_pointer::AxisSource::WheelTilt) => AxisSource::WheelTilt,
        _ => return None,
    })
}

impl State {
    /// Whether a client may move the pointer now.
    fn may_point(&self, client: &Client) -> bool {
        !(self.is_locked() || self.is_prompting()) || is_trusted(client)
    }

    /// The part of the global space that a pointer's coordinates cover.
    fn covered(&self, pointer: &VirtualPointer) -> Option<Rect> {
        let outputs = self.outputs.iter();
        match &pointer.output {
            Some(output) => self.outputs.index_of(output).map(|_| geometry(output)),
            None => outputs.map(geometry).reduce(Rect::merge),
        }
    }

    fn point(&mut self, pointer: &VirtualPointer, request: zwlr_virtual_pointer_v1::Request) {
        use zwlr_virtual_pointer_v1::Request;
        let Ok(mut held) = pointer.held.lock() else {
            return;
        };
        match request {
            Request::Motion { time, dx, dy } => {
                drop(held);
                let delta = Point::<f64, Logical>::from((dx, dy));
                let relative = RelativeMotionEvent {
                    delta,
                    delta_unaccel: delta,
                    utime: u64::from(time) * 1000,
                };
                let to = self.clamp_to_outputs(self.pointer_at + delta);
                self.move_pointer(to, Some(relative), time);
            }
            Request::MotionAbsolute {
                time,
                x,
                y,
                x_extent,
                y_extent,
            } => {
                drop(held);
                let Some(covered) = self.covered(pointer) else {
                    return;
                };
                if x_extent == 0 || y_extent == 0 {
                    return;
                }
                let part = |at: u32, of: u32| (f64::from(at) / f64::from(of)).min(1.0);
                let covered = covered.to_f64();
                let at = Point::from((
                    covered.size.w * part(x, x_extent),
                    covered.size.h * part(y, y_extent),
                ));
                self.pointer_to(covered.loc + at, time);
            }
            Request::Button {
                time,
                button,
                state,
            } => {
                let pressed = match state {
                    WEnum::Value(wl_pointer::ButtonState::Pressed) => true,
                    WEnum::Value(wl_pointer::ButtonState::Released) => false,
                    _ => return,
                };
                let index = held.buttons.iter().position(|other| *other == button);
                // What is pressed twice is pressed once.
                match (pressed, index) {
                    (true, None) if held.buttons.len() < MOST_BUTTONS => held.buttons.push(button),
                    (false, Some(index)) => {
                        held.buttons.swap_remove(index);
                    }
                    _ => return,
                }
                drop(held);
                let state = if pressed {
                    ButtonState::Pressed
                } else {
                    ButtonState::Released
                };
                self.button(button, state, time);
            }
            Request::Frame => {
                let scrolled = std::mem::take(&mut held.scrolled);
                drop(held);
                if !scrolled.is_empty() {
                    let handle = self.pointer.clone();
                    handle.axis(self, scrolled.frame());
                    handle.frame(self);
                }
            }
            _ => {}
        }
    }
}

impl GlobalDispatch<ZwlrVirtualPointerManagerV1, ()> for State {
    fn bind(
        _: &mut Self,
        _: &DisplayHandle,
        _: &Client,
        manager: New<ZwlrVirtualPointerManagerV1>,
        (): &(),
        data_init: &mut DataInit<'_, Self>,
    ) {
        data_init.init(manager, ());
    }

    fn can_view(client: Client, (): &()) -> bool {
        may(&client, Privilege::Pointing)
    }
}

impl Dispatch<ZwlrVirtualPointerManagerV1, ()> for State {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &ZwlrVirtualPointerManagerV1,
        request: zwlr_virtual_pointer_manager_v1::Request,
        (): &(),
        _: &DisplayHandle,
        data_init: &mut DataInit<'_, Self>,
    ) {
        use zwlr_virtual_pointer_manager_v1::Request;
        match request {
            Request::CreateVirtualPointer { id, .. } => {
                data_init.init(id, VirtualPointer::default());
            }
            Request::CreateVirtualPointerWithOutput { output, id, .. } => {
                let pointer = VirtualPointer {
                    output: output.as_ref().and_then(Output::from_resource),
                    ..VirtualPointer::default()
                };
                data_init.init(id, pointer);
            }
            _ => {}
        }
    }
}

impl Dispatch<ZwlrVirtualPointerV1, VirtualPointer> for State {
    fn request(
        state: &mut Self,
        client: &Client,
        object: &ZwlrVirtualPointerV1,
        request: zwlr_virtual_pointer_v1::Request,
        pointer: &VirtualPointer,
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        use zwlr_virtual_pointer_v1::{Error, Request};
        let scroll = |axis: Axis, time: u32, change: &dyn Fn(&mut Amount)| {
            if let Ok(mut held) = pointer.held.lock() {
                held.scrolled.time = time;
                change(held.scrolled.axes.entry(axis).or_default());
            }
        };
        let wrong_axis = || object.post_error(Error::InvalidAxis, "there is no such axis");
        match &request {
            Request::Axis {
                time,
                axis: which,
                value,
            } => {
                let Some(which) = axis(*which) else {
                    return wrong_axis();
                };
                scroll(which, *time, &|amount| amount.value += *value);
            }
            Request::AxisDiscrete {
                time,
                axis: which,
                value,
                discrete,
            } => {
                let Some(which) = axis(*which) else {
                    return wrong_axis();
                };
                scroll(which, *time, &|amount| {
                    amount.value += *value;
                    amount.steps = amount.steps.saturating_add(*discrete);
                });
            }
            Request::AxisStop { time, axis: which } => {
                let Some(which) = axis(*which) else {
                    return wrong_axis();
                };
                scroll(which, *time, &|amount| amount.stops = true);
            }
            Request::AxisSource { axis_source } => {
                let Some(source) = source(*axis_source) else {
                    object.post_error(Error::InvalidAxisSource, "there is no such source");
                    return;
                };
                if let Ok(mut held) = pointer.held.lock() {
                    held.scrolled.source = Some(source);
                }
            }
            _ => {}
        }
        // What it holds down may be let go of whatever is on the screen.
        let lets_go = matches!(
            &request,
            Request::Button {
                state: WEnum::Value(wl_pointer::ButtonState::Released),
                ..
            }
        );
        if !lets_go && !state.may_point(client) {
            if let Ok(mut held) = pointer.held.lock() {
                held.scrolled = Scrolled::default();
            }
            return;
        }
        state.person_is_active();
        state.point(pointer, request);
    }

    fn destroyed(
        state: &mut Self,
        _: ClientId,
        _: &ZwlrVirtualPointerV1,
        pointer: &VirtualPointer,
    ) {
        let buttons = match pointer.held.lock() {
            Ok(mut held) => std::mem::take(&mut held.buttons),
            Err(_) => return,
        };
        let time = state.now().as_millis() as u32;
        for button in buttons {
            state.button(button, ButtonState::Released, time);
        }
    }
}
