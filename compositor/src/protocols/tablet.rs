//! Drawing tablets.
//!
//! The pen moves the pointer. A program that speaks the tablet protocol hears of the pen itself,
//! with pressure and tilt; for all others, and for what the compositor draws, the pen is a mouse:
//! its tip is the left button, its buttons are the right and the middle one.

use std::sync::atomic::Ordering;

use smithay::{
    backend::input::{
        ButtonState, Device, DeviceCapability, Event, InputBackend, InputEvent, ProximityState,
        TabletToolButtonEvent, TabletToolDescriptor, TabletToolEvent, TabletToolProximityEvent,
        TabletToolTipEvent, TabletToolTipState,
    },
    input::pointer::CursorImageStatus,
    reexports::{
        wayland_protocols::wp::tablet::zv2::server::{
            zwp_tablet_manager_v2::{self, ZwpTabletManagerV2},
            zwp_tablet_seat_v2::ZwpTabletSeatV2,
            zwp_tablet_tool_v2::ZwpTabletToolV2,
            zwp_tablet_v2::ZwpTabletV2,
        },
        wayland_server::{
            Client, DataInit, Dispatch, DisplayHandle, Resource, delegate_dispatch,
            delegate_global_dispatch, protocol::wl_surface::WlSurface,
        },
    },
    utils::{Logical, Point, SERIAL_COUNTER},
    wayland::tablet_manager::{
        TabletDescriptor, TabletHandle, TabletManagerState, TabletSeatHandler, TabletSeatTrait,
        TabletSeatUserData, TabletToolHandle, TabletToolUserData, TabletUserData,
    },
    xwayland::XWaylandClientData,
};

use crate::{
    input::{LEFT, MIDDLE, Owner, RIGHT, Under},
    layers,
    state::{ClientState, State},
};

/// Linux's code of a pen's first button.
const PEN_BUTTON: u32 = 0x14b;
/// Linux's code of a pen's second button.
const SECOND_PEN_BUTTON: u32 = 0x14c;

/// Keeps the global alive, and what the pen does as a mouse.
#[derive(Debug)]
pub(crate) struct TabletProtocol {
    _manager: TabletManagerState,
    /// The tip was put down as the left button.
    clicking: bool,
}

impl TabletProtocol {
    pub(crate) fn new(dh: &DisplayHandle) -> Self {
        Self {
            _manager: TabletManagerState::new::<State>(dh),
            clicking: false,
        }
    }
}

impl State {
    /// A device came: if it is a tablet, programs hear of it.
    pub(crate) fn tablet_came(&self, device: &impl Device) {
        if device.has_capability(DeviceCapability::TabletTool) {
            self.seat
                .tablet_seat()
                .add_tablet::<Self>(&self.display, &TabletDescriptor::from(device));
        }
    }

    /// A device went.
    pub(crate) fn tablet_went(&self, device: &impl Device) {
        if device.has_capability(DeviceCapability::TabletTool) {
            let tablets = self.seat.tablet_seat();
            tablets.remove_tablet(&TabletDescriptor::from(device));
            if tablets.count_tablets() == 0 {
                tablets.clear_tools();
            }
        }
    }

    /// Takes an event of a tablet.
    pub(crate) fn tablet<B: InputBackend>(&mut self, event: InputEvent<B>) {
        match event {
            InputEvent::TabletToolProximity { event } => {
                let tablets = self.seat.tablet_seat();
                let dh = self.display.clone();
                tablets.add_tool::<Self>(self, &dh, &event.tool());
                match event.state() {
                    ProximityState::In => self.pen_moved::<B>(&event),
                    ProximityState::Out => {
                        if let Some((tool, _)) = self.pen::<B>(&event) {
                            tool.proximity_out(event.time_msec());
                        }
                        self.lift_click(event.time_msec());
                    }
                }
            }
            InputEvent::TabletToolAxis { event } => {
                if let Some((tool, _)) = self.pen::<B>(&event) {
                    pass_axes::<B>(&tool, &event);
                }
                self.pen_moved::<B>(&event);
            }
            InputEvent::TabletToolTip { event } => {
                if let Some((tool, _)) = self.pen::<B>(&event) {
                    pass_axes::<B>(&tool, &event);
                }
                self.pen_moved::<B>(&event);
                self.pen_tip::<B>(&event);
            }
            InputEvent::TabletToolButton { event } => {
                let (button, state, time) =
                    (event.button(), event.button_state(), event.time_msec());
                if self.draws_at(self.pointer_at).is_some() {
                    if let Some((tool, _)) = self.pen::<B>(&event) {
                        tool.button(button, state, SERIAL_COUNTER.next_serial(), time);
                    }
                    return;
                }
                match button {
                    PEN_BUTTON => self.button(RIGHT, state, time),
                    SECOND_PEN_BUTTON => self.button(MIDDLE, state, time),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// The tool and the tablet of an event.
    fn pen<B: InputBackend>(
        &self,
        event: &impl TabletToolEvent<B>,
    ) -> Option<(TabletToolHandle, TabletHandle)> {
        let tablets = self.seat.tablet_seat();
        let tool = tablets.get_tool(&event.tool())?;
        let tablet = tablets.get_tablet(&TabletDescriptor::from(&event.device()))?;
        Some((tool, tablet))
    }

    fn pen_moved<B: InputBackend>(&mut self, event: &impl TabletToolEvent<B>) {
        let Some(at) = self.on_first_output::<B>(event) else {
            return;
        };
        let time = event.time_msec();
        self.pointer_to(at, time);
        if let Some((tool, tablet)) = self.pen::<B>(event) {
            let focus = self.draws_at(self.pointer_at);
            let serial = SERIAL_COUNTER.next_serial();
            tool.motion(self.pointer_at, focus, &tablet, serial, time);
        }
    }

    fn pen_tip<B: InputBackend>(&mut self, event: &impl TabletToolTipEvent<B>) {
        let time = event.time_msec();
        match event.tip_state() {
            TabletToolTipState::Down if self.draws_at(self.pointer_at).is_some() => {
                let serial = SERIAL_COUNTER.next_serial();
                if self.pressed(LEFT, serial, time) {
                    // The pen draws; it does not drag windows about.
                    self.pending_drag = None;
                }
                if let Some((tool, _)) = self.pen::<B>(event) {
                    tool.tip_down(serial, time);
                }
            }
            TabletToolTipState::Down => {
                self.protocols.tablet.clicking = true;
                self.button(LEFT, ButtonState::Pressed, time);
            }
            TabletToolTipState::Up => {
                if let Some((tool, _)) = self.pen::<B>(event) {
                    tool.tip_up(time);
                }
                self.lift_click(time);
            }
        }
    }

    fn lift_click(&mut self, time: u32) {
        if std::mem::take(&mut self.protocols.tablet.clicking) {
            self.button(LEFT, ButtonState::Released, time);
        }
    }

    /// The surface at a point and its origin, if its program speaks the tablet protocol and may be
    /// reached now.
    fn draws_at(&self, at: Point<f64, Logical>) -> Option<(WlSurface, Point<f64, Logical>)> {
        let Under::Surface(surface, origin, owner) = self.under(at) else {
            return None;
        };
        if self.is_prompting() && !matches!(&owner, Owner::Layer(layer) if layers::is_prompt(layer))
        {
            return None;
        }
        let client = surface.client()?;
        let uses_tablets = match client.get_data::<ClientState>() {
            Some(data) => data.uses_tablets.load(Ordering::Relaxed),
            // Xwayland, which does.
            None => client.get_data::<XWaylandClientData>().is_some(),
        };
        uses_tablets.then_some((surface, origin))
    }
}

/// What changed of the pen besides its place; its next motion carries it.
fn pass_axes<B: InputBackend>(tool: &TabletToolHandle, event: &impl TabletToolEvent<B>) {
    if event.pressure_has_changed() {
        tool.pressure(event.pressure());
    }
    if event.distance_has_changed() {
        tool.distance(event.distance());
    }
    if event.tilt_has_changed() {
        tool.tilt(event.tilt());
    }
    if event.slider_has_changed() {
        tool.slider_position(event.slider_position());
    }
    if event.rotation_has_changed() {
        tool.rotation(event.rotation());
    }
    if event.wheel_has_changed() {
        tool.wheel(event.wheel_delta(), event.wheel_delta_discrete());
    }
}

impl TabletSeatHandler for State {
    fn tablet_tool_image(&mut self, _: &TabletToolDescriptor, image: CursorImageStatus) {
        self.cursor.set_status(image);
        self.queue_pointer_output();
    }
}

impl Dispatch<ZwpTabletManagerV2, ()> for State {
    fn request(
        state: &mut Self,
        client: &Client,
        manager: &ZwpTabletManagerV2,
        request: zwp_tablet_manager_v2::Request,
        data: &(),
        dh: &DisplayHandle,
        data_init: &mut DataInit<'_, Self>,
    ) {
        if matches!(
            request,
            zwp_tablet_manager_v2::Request::GetTabletSeat { .. }
        ) && let Some(data) = client.get_data::<ClientState>()
        {
            data.uses_tablets.store(true, Ordering::Relaxed);
        }
        <TabletManagerState as Dispatch<ZwpTabletManagerV2, (), Self>>::request(
            state, client, manager, request, data, dh, data_init,
        );
    }
}

delegate_global_dispatch!(State: [ZwpTabletManagerV2: ()] => TabletManagerState);
delegate_dispatch!(State: [ZwpTabletSeatV2: TabletSeatUserData] => TabletManagerState);
delegate_dispatch!(State: [ZwpTabletToolV2: TabletToolUserData] => TabletManagerState);
delegate_dispatch!(State: [ZwpTabletV2: TabletUserData] => TabletManagerState);
