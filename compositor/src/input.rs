//! Keyboard, pointer and touch: from the devices to bindings, title bars and clients.
//!
//! The back ends hand events to [`State::process_input`]; tests call [`State::key`],
//! [`State::pointer_to`] and [`State::button`] themselves.

use smithay::{
    backend::input::{
        AbsolutePositionEvent, Axis, AxisSource, ButtonState, Event, InputBackend, InputEvent,
        KeyState, KeyboardKeyEvent, PointerAxisEvent, PointerButtonEvent, PointerMotionEvent,
        TouchEvent, TouchSlot,
    },
    desktop::WindowSurfaceType,
    input::{
        keyboard::{FilterResult, Keycode, Keysym, ModifiersState},
        pointer::{
            AxisFrame, ButtonEvent, CursorIcon, GrabStartData, MotionEvent, RelativeMotionEvent,
        },
        touch::{DownEvent, MotionEvent as TouchMotion, TouchDownGrab, UpEvent},
    },
    reexports::wayland_server::protocol::wl_surface::WlSurface,
    utils::{Logical, Point, SERIAL_COUNTER, Serial},
    wayland::{keyboard_shortcuts_inhibit::KeyboardShortcutsInhibitor, shell::wlr_layer::Layer},
};

use crate::{
    bindings::{Action, Magnify, Towards},
    decoration::{self, Button, Part},
    layers,
    layout::{Edges, Layout, Mode, WindowId},
    outputs::geometry,
    overview::{OverviewKey, Spot},
    protocols::shortcuts,
    state::State,
    switcher::Switch,
    xwayland::x11,
};

/// Linux's code of the left mouse button.
pub const LEFT: u32 = 0x110;
/// Linux's code of the right mouse button.
pub const RIGHT: u32 = 0x111;
/// Linux's code of the middle mouse button.
pub(crate) const MIDDLE: u32 = 0x112;
/// Two presses on a title bar within this many milliseconds are a double click.
const DOUBLE_CLICK: u32 = 400;

/// What a step of a wheel scrolls, in logical pixels: about three lines.
const WHEEL_STEP: f64 = 15.0;

/// What is under a point.
#[derive(Debug)]
pub(crate) enum Under {
    /// A client's surface; its origin in the global space; whose it is.
    Surface(WlSurface, Point<f64, Logical>, Owner),
    /// Something that the compositor draws around a window.
    Frame(WindowId, Part),
    /// A message of the compositor's.
    Notice,
    /// The previews of Alt-Tab; the window whose preview it is.
    Switcher(Option<WindowId>),
    /// The overview.
    Overview(Spot),
    /// A window, or its frame, that takes no input because this modal dialog stands before it.
    Behind(WindowId),
    /// The bare background.
    Nothing,
}

/// Whose surface it is.
#[derive(Debug, Clone)]
pub(crate) enum Owner {
    Window(WindowId),
    Layer(smithay::desktop::LayerSurface),
    /// An X window that places itself.
    Override,
    Locker,
}

/// What a key does besides being typed.
enum KeyAction {
    Bound(Action),
    ChangeVt(i32),
    /// Takes the shortcuts back from the focused client, or gives them again.
    ToggleInhibitor(KeyboardShortcutsInhibitor),
    /// What it does while Alt-Tab is held.
    Switch(Switch),
    /// What it does while the overview is open.
    Overview(OverviewKey),
    Magnify(Magnify),
    Swallow,
}

impl State {
    /// What a click at `point` would hit.
    pub(crate) fn under(&self, point: Point<f64, Logical>) -> Under {
        let Some(output) = self.outputs.at(point) else {
            return Under::Nothing;
        };
        if let Some(locked) = self.lock.locked() {
            return self
                .lock_under(locked, output, point)
                .map_or(Under::Nothing, |(surface, origin)| {
                    Under::Surface(surface, origin, Owner::Locker)
                });
        }
        let from_layer = |wanted: &dyn Fn(&smithay::desktop::LayerSurface) -> bool| {
            self.layer_under(output, point, wanted)
                .map(|(layer, surface, origin)| {
                    Under::Surface(surface, origin, Owner::Layer(layer))
                })
        };
        let on = |which: Layer| {
            from_layer(&move |layer: &smithay::desktop::LayerSurface| {
                layer.layer() == which && !layers::is_prompt(layer)
            })
        };
        let covered = self
            .outputs
            .index_of(output)
            .and_then(|index| self.windows.layout.fullscreen_on(index))
            .is_some();
        from_layer(&layers::is_prompt)
            .or_else(|| self.notice_at(point).then_some(Under::Notice))
            .or_else(|| self.windows.switcher.at(point).map(Under::Switcher))
            .or_else(|| self.overview_at(point).map(Under::Overview))
            .or_else(|| on(Layer::Overlay))
            .or_else(|| if covered { None } else { on(Layer::Top) })
            .or_else(|| self.window_under(point))
            .or_else(|| if covered { on(Layer::Top) } else { None })
            .or_else(|| on(Layer::Bottom))
            .or_else(|| on(Layer::Background))
            .unwrap_or(Under::Nothing)
    }

    fn window_under(&self, point: Point<f64, Logical>) -> Option<Under> {
        let overrides = self.windows.overrides();
        let hit = overrides.filter_map(|(window, x11)| {
            let origin = x11::origin(x11);
            let (surface, at) = window.surface_under(point - origin, WindowSurfaceType::ALL)?;
            Some(Under::Surface(
                surface,
                at.to_f64() + origin,
                Owner::Override,
            ))
        });
        if let Some(under) = hit.into_iter().next() {
            return Some(under);
        }
        let layout = &self.windows.layout;
        layout.visible().find_map(|id| {
            let hit = self.part_of_window_under(id, point)?;
            let dialog = self.modal_dialog_of(id).map(Under::Behind);
            Some(dialog.unwrap_or(hit))
        })
    }

    fn part_of_window_under(&self, id: WindowId, point: Point<f64, Logical>) -> Option<Under> {
        let layout = &self.windows.layout;
        if let Some((surface, origin)) = self.windows.surface_under(id, point) {
            return Some(Under::Surface(surface, origin, Owner::Window(id)));
        }
        let bar = layout.title_bar(id);
        // The gap between tiles resizes them, whoever draws their frames.
        if bar == 0 && !layout.is_tile(id) {
            return None;
        }
        let grip = match layout.mode(id) {
            Some(Mode::Normal) if layout.is_tile(id) => {
                layout.gaps().between.clamp(0, decoration::GRIP)
            }
            Some(Mode::Normal) => decoration::GRIP,
            _ => 0,
        };
        decoration::part_under(layout.frame(id)?, bar, point, grip)
            .map(|part| Under::Frame(id, part))
    }

    /// The nearest point that is on an output.
    pub(crate) fn clamp_to_outputs(&self, point: Point<f64, Logical>) -> Point<f64, Logical> {
        if self.outputs.at(point).is_some() {
            return point;
        }
        let distance = |a: Point<f64, Logical>| (a.x - point.x).powi(2) + (a.y - point.y).powi(2);
        self.outputs
            .iter()
            .map(|output| {
                let area = geometry(output).to_f64();
                Point::from((
                    point
                        .x
                        .clamp(area.loc.x, area.loc.x + (area.size.w - 1.0).max(0.0)),
                    point
                        .y
                        .clamp(area.loc.y, area.loc.y + (area.size.h - 1.0).max(0.0)),
                ))
            })
            .min_by(|a, b| distance(*a).total_cmp(&distance(*b)))
            .unwrap_or(point)
    }

    pub(crate) fn queue_pointer_output(&mut self) {
        // The picture of the cursor reaches past its tip.
        let at = self.pointer_at.to_i32_round();
        let reach = self.config.cursor.size as i32 * 2;
        let around = crate::layout::Rect::new(
            at - Point::from((reach, reach)),
            (2 * reach, 2 * reach).into(),
        );
        self.outputs.queue_rect(around);
    }

    /// Takes an event of any back end.
    pub fn process_input<B: InputBackend>(&mut self, event: InputEvent<B>) {
        if !matches!(
            event,
            InputEvent::DeviceAdded { .. }
                | InputEvent::DeviceRemoved { .. }
                | InputEvent::Special(_)
        ) {
            self.person_is_active();
        }
        match event {
            InputEvent::Keyboard { event } => {
                self.key(event.key_code(), event.state(), event.time_msec());
            }
            InputEvent::PointerMotion { event } => {
                let relative = RelativeMotionEvent {
                    delta: event.delta(),
                    delta_unaccel: event.delta_unaccel(),
                    utime: event.time(),
                };
                let to = self.clamp_to_outputs(self.pointer_at + event.delta());
                self.move_pointer(to, Some(relative), event.time_msec());
            }
            InputEvent::PointerMotionAbsolute { event } => {
                if let Some(to) = self.on_first_output::<B>(&event) {
                    self.pointer_to(to, event.time_msec());
                }
            }
            InputEvent::PointerButton { event } => {
                self.button(event.button_code(), event.state(), event.time_msec());
            }
            InputEvent::PointerAxis { event } => self.axis::<B>(&event),
            InputEvent::TouchDown { event } => {
                let Some(at) = self.on_first_output::<B>(&event) else {
                    return;
                };
                let at = self.through_magnifier(at);
                self.touch_down(event.slot(), at, event.time_msec());
            }
            InputEvent::TouchMotion { event } => {
                let (Some(at), Some(touch)) =
                    (self.on_first_output::<B>(&event), self.seat.get_touch())
                else {
                    return;
                };
                let at = self.through_magnifier(at);
                let focus = self.focus_at(at);
                let motion = TouchMotion {
                    slot: event.slot(),
                    location: at,
                    time: event.time_msec(),
                };
                touch.motion(self, focus, &motion);
            }
            InputEvent::TouchUp { event } => {
                self.touched.remove(&event.slot());
                if let Some(touch) = self.seat.get_touch() {
                    let serial = SERIAL_COUNTER.next_serial();
                    touch.up(
                        self,
                        &UpEvent {
                            slot: event.slot(),
                            serial,
                            time: event.time_msec(),
                        },
                    );
                }
            }
            InputEvent::TouchFrame { .. } => {
                if let Some(touch) = self.seat.get_touch() {
                    touch.frame(self);
                }
            }
            InputEvent::TouchCancel { .. } => {
                self.touched.clear();
                if let Some(touch) = self.seat.get_touch() {
                    touch.cancel(self);
                }
            }
            event @ (InputEvent::GestureSwipeBegin { .. }
            | InputEvent::GestureSwipeUpdate { .. }
            | InputEvent::GestureSwipeEnd { .. }
            | InputEvent::GesturePinchBegin { .. }
            | InputEvent::GesturePinchUpdate { .. }
            | InputEvent::GesturePinchEnd { .. }
            | InputEvent::GestureHoldBegin { .. }
            | InputEvent::GestureHoldEnd { .. }) => self.gesture(event),
            event @ (InputEvent::TabletToolProximity { .. }
            | InputEvent::TabletToolAxis { .. }
            | InputEvent::TabletToolTip { .. }
            | InputEvent::TabletToolButton { .. }) => self.tablet(event),
            InputEvent::DeviceRemoved { device } => self.tablet_went(&device),
            InputEvent::DeviceAdded { device } => {
                use smithay::backend::input::{Device, DeviceCapability};
                self.tablet_came(&device);
                if device.has_capability(DeviceCapability::Touch) && self.seat.get_touch().is_none()
                {
                    self.seat.add_touch();
                }
            }
            _ => {}
        }
    }

    /// A key of a keyboard went down or up. `code` is xkb's: Linux's plus 8.
    pub fn key(&mut self, code: Keycode, state: KeyState, time: u32) {
        self.light_outputs();
        self.filter_access(code, state, time);
    }

    /// A key is pressed or let go of as far as everybody is concerned.
    pub(crate) fn key_typed(&mut self, code: Keycode, state: KeyState, time: u32) {
        let serial = SERIAL_COUNTER.next_serial();
        let keyboard = self.keyboard.clone();
        self.keep_keys_private();
        let inhibitor = self.focused_inhibitor();
        let mut modifier = false;
        let action = keyboard.input(
            self,
            code,
            state,
            serial,
            time,
            |data, modifiers, handle| {
                let typed = handle.modified_sym();
                let key = handle.raw_latin_sym_or_raw_current_sym().unwrap_or(typed);
                modifier = key.is_modifier_key();
                data.filter_key(code, state, modifiers, (key, typed), inhibitor)
            },
        );
        if state == KeyState::Pressed && !modifier {
            match &action {
                Some(KeyAction::Bound(Action::Shell(_))) => self.key_to_measure(time, true),
                None => self.key_to_measure(time, false),
                _ => {}
            }
        }
        match action {
            Some(KeyAction::Bound(action)) => self.act(&action),
            Some(KeyAction::ChangeVt(vt)) => self.backend.change_vt(vt),
            Some(KeyAction::ToggleInhibitor(inhibitor)) => shortcuts::toggle(&inhibitor),
            Some(KeyAction::Switch(switch)) => self.switch(switch),
            Some(KeyAction::Overview(key)) => self.overview_key(key),
            Some(KeyAction::Magnify(how)) => self.magnify(how),
            Some(KeyAction::Swallow) | None => {}
        }
        let held = self.keyboard.modifier_state();
        if self.windows.layout.is_cycling() && !held.alt && !held.logo {
            self.change_layout(Layout::cycle_end);
        }
    }

    fn filter_key(
        &mut self,
        code: Keycode,
        state: KeyState,
        modifiers: &ModifiersState,
        (key, typed): (Keysym, Keysym),
        inhibitor: Option<KeyboardShortcutsInhibitor>,
    ) -> FilterResult<KeyAction> {
        let tapped = self.tap.take();
        if state == KeyState::Released {
            if let Some(index) = self.taken_keys.iter().position(|taken| *taken == code) {
                self.taken_keys.swap_remove(index);
                return FilterResult::Intercept(KeyAction::Swallow);
            }
            // A tap is the release of the very key that was pressed last. The client saw the press,
            // so it sees the release as well.
            if tapped == Some(key)
                && !self.is_prompting()
                && !self.is_locked()
                && let Some(action) = self.bindings.tap(key).cloned()
            {
                self.handle.insert_idle(move |state| state.act(&action));
            }
            return FilterResult::Forward;
        }
        if let Some(vt) = virtual_terminal(typed) {
            self.taken_keys.push(code);
            return FilterResult::Intercept(KeyAction::ChangeVt(vt));
        }
        // Who cannot read what is there can enlarge it whatever it is.
        if let Some(Action::Zoom(how)) = self.bindings.press(modifiers, key)
            && !inhibitor
                .as_ref()
                .is_some_and(KeyboardShortcutsInhibitor::is_active)
        {
            let how = *how;
            self.taken_keys.push(code);
            return FilterResult::Intercept(KeyAction::Magnify(how));
        }
        // A prompt has the person's whole attention: nothing behind it can be steered meanwhile. Nor
        // can anything behind a lock.
        if self.is_prompting() || self.is_locked() {
            return FilterResult::Forward;
        }
        if self.windows.layout.is_cycling()
            && let Some(switch) = Switch::by(key)
        {
            self.taken_keys.push(code);
            return FilterResult::Intercept(KeyAction::Switch(switch));
        }
        if self.windows.overview.is_open() && !key.is_modifier_key() {
            self.taken_keys.push(code);
            let bound = self.bindings.press(modifiers, key);
            return FilterResult::Intercept(match bound {
                Some(action @ Action::Overview) => KeyAction::Bound(action.clone()),
                _ => KeyAction::Overview(OverviewKey::by(key, typed)),
            });
        }
        if let Some(inhibitor) = inhibitor {
            let others = modifiers.ctrl || modifiers.alt || modifiers.shift;
            if key == Keysym::Escape && modifiers.logo && !others {
                self.taken_keys.push(code);
                return FilterResult::Intercept(KeyAction::ToggleInhibitor(inhibitor));
            }
            if inhibitor.is_active() {
                return FilterResult::Forward;
            }
        }
        if matches!(key, Keysym::Super_L | Keysym::Super_R)
            && !modifiers.ctrl
            && !modifiers.alt
            && !modifiers.shift
        {
            self.tap = Some(key);
        }
        match self.bindings.press(modifiers, key).cloned() {
            Some(action) => {
                self.taken_keys.push(code);
                FilterResult::Intercept(KeyAction::Bound(action))
            }
            None => FilterResult::Forward,
        }
    }

    /// Carries out what a binding asks for.
    pub(crate) fn act(&mut self, action: &Action) {
        // A tap is carried out a moment later, when the session may be locked.
        if self.is_locked() {
            return;
        }
        let focused = self.windows.layout.focused();
        match action {
            Action::None => {}
            Action::Shell(part) => self.bus.shell_requested(part),
            Action::Terminal => {
                let command = self.config.terminal.clone();
                self.spawn(&command);
            }
            Action::Spawn(command) => self.spawn(command),
            Action::Close => {
                if let Some(id) = focused {
                    self.close_window(id);
                }
            }
            Action::Maximise => {
                if let Some(id) = focused {
                    self.toggle_maximised(id);
                }
            }
            Action::Fullscreen => {
                if let Some(id) = focused {
                    self.change_layout(|layout| {
                        let on = matches!(layout.mode(id), Some(Mode::Fullscreen { .. }));
                        layout.set_fullscreen(id, !on);
                    });
                }
            }
            Action::Minimise => {
                if let Some(id) = focused {
                    self.change_layout(|layout| layout.set_minimised(id, true));
                }
            }
            Action::NextWindow(reach) => self.change_layout(|layout| layout.cycle(*reach, false)),
            Action::PreviousWindow(reach) => {
                self.change_layout(|layout| layout.cycle(*reach, true));
            }
            Action::Overview => self.toggle_overview(),
            Action::Workspace(number) => {
                self.focused_layer = None;
                self.change_layout(|layout| {
                    layout.activate_workspace(*number as usize - 1);
                });
                self.pointer_follows();
            }
            Action::MoveToWorkspace(number) => {
                if let Some(id) = focused {
                    self.change_layout(|layout| {
                        layout.move_to_workspace(id, *number as usize - 1);
                    });
                }
            }
            Action::ToggleTiling => self.change_layout(|layout| {
                let number = layout.active_workspace();
                layout.set_tiling(number, !layout.is_tiling(number));
            }),
            Action::Focus(side) => {
                self.focused_layer = None;
                self.change_layout(|layout| layout.focus_towards(*side));
                self.pointer_follows();
            }
            Action::FocusOutput(towards) => {
                self.focused_layer = None;
                self.change_layout(|layout| {
                    if let Some(output) = output(layout, *towards) {
                        layout.focus_output(output);
                    }
                });
                self.pointer_follows();
            }
            Action::MoveWorkspaceToOutput(towards) => {
                self.change_layout(|layout| {
                    if let Some(output) = output(layout, *towards) {
                        layout.move_workspace_to_output(output);
                    }
                });
                self.pointer_follows();
            }
            Action::ToggleFloating
            | Action::Move(_)
            | Action::Swap(_)
            | Action::Resize(_)
            | Action::SnapTowards(_)
            | Action::Snap(_)
            | Action::Stack
            | Action::Unstack
            | Action::NextInStack
            | Action::PreviousInStack
            | Action::MoveToOutput(_) => {
                if let Some(id) = focused {
                    self.change_layout(|layout| arrange(layout, id, action));
                    self.pointer_follows();
                }
            }
            Action::Dismiss => self.dismiss_notices(),
            Action::Lock => {
                self.lock_session();
            }
            Action::Screenshot => self.save_screenshot(),
            Action::NightLight => self.toggle_night_light(),
            Action::Zoom(how) => self.magnify(*how),
        }
    }

    /// After a key: the pointer is on the output where the person is, so that what opens next opens
    /// there.
    fn pointer_follows(&mut self) {
        let active = self.windows.layout.active_output();
        let Some(output) = active.and_then(|index| self.outputs.get(index)).cloned() else {
            return;
        };
        if self.pointer.is_grabbed() || self.outputs.at(self.pointer_at) == Some(&output) {
            return;
        }
        let area = geometry(&output).to_f64();
        let middle = area.loc + Point::from((area.size.w / 2.0, area.size.h / 2.0));
        let time = self.now().as_millis() as u32;
        self.pointer_to(middle, time);
    }

    fn toggle_maximised(&mut self, id: WindowId) {
        self.change_layout(|layout| {
            let on = layout.mode(id) == Some(Mode::Maximised);
            layout.set_maximised(id, !on);
        });
    }

    /// The pointer goes to a point of the global space.
    pub fn pointer_to(&mut self, to: Point<f64, Logical>, time: u32) {
        let to = self.clamp_to_outputs(to);
        self.move_pointer(to, None, time);
    }

    fn focus_at(&self, point: Point<f64, Logical>) -> Option<(WlSurface, Point<f64, Logical>)> {
        match self.under(point) {
            Under::Surface(surface, origin, _) => Some((surface, origin)),
            Under::Frame(..)
            | Under::Behind(_)
            | Under::Notice
            | Under::Switcher(_)
            | Under::Overview(_)
            | Under::Nothing => None,
        }
    }

    pub(crate) fn move_pointer(
        &mut self,
        to: Point<f64, Logical>,
        relative: Option<RelativeMotionEvent>,
        time: u32,
    ) {
        let Some(to) = self.constrained(to) else {
            if let Some(event) = relative {
                self.relative_motion_in_place(&event);
            }
            return;
        };
        self.queue_pointer_output();
        self.overview_drag(to);
        let pointer = self.pointer.clone();
        self.pointer_at = to;
        self.magnify_pointer();
        let under = self.under(to);
        if !pointer.is_grabbed() {
            self.hover(&under);
        }
        let focus = match under {
            Under::Surface(surface, origin, _) => Some((surface, origin)),
            _ => None,
        };
        if let Some(event) = relative {
            pointer.relative_motion(self, focus.clone(), &event);
        }
        self.pointer_over.clone_from(&focus);
        let serial = SERIAL_COUNTER.next_serial();
        pointer.motion(
            self,
            focus,
            &MotionEvent {
                location: to,
                serial,
                time,
            },
        );
        pointer.frame(self);
        self.queue_pointer_output();
    }

    /// Shows what pressing here would do: the cursor's shape, the button that lights up.
    fn hover(&mut self, under: &Under) {
        let (own, over) = match under {
            Under::Surface(..) => (None, None),
            Under::Frame(id, Part::Button(button)) => {
                (Some(CursorIcon::Default), Some((*id, *button)))
            }
            Under::Frame(_, Part::Edge(edges)) => (Some(resize_icon(*edges)), None),
            Under::Notice | Under::Switcher(Some(_)) | Under::Overview(_) => {
                (Some(CursorIcon::Pointer), None)
            }
            Under::Frame(..) | Under::Behind(_) | Under::Switcher(None) | Under::Nothing => {
                (Some(CursorIcon::Default), None)
            }
        };
        if self.cursor.set_own(own) {
            self.queue_pointer_output();
        }
        self.windows.set_hovered(over);
    }

    /// After windows moved, the pointer may be over something else, or elsewhere over the same, without having moved.
    pub(crate) fn update_pointer_focus(&mut self) {
        if self.pointer.is_grabbed() {
            return;
        }
        let location = self.pointer_at;
        let under = self.under(location);
        self.hover(&under);
        let focus = match under {
            Under::Surface(surface, origin, _) => Some((surface, origin)),
            _ => None,
        };
        let same =
            self.pointer.current_focus() == focus.as_ref().map(|(surface, _)| surface.clone());
        // A client that holds the pointer in place hears of no place.
        if !same || (self.pointer_over != focus && !self.is_pointer_held()) {
            self.pointer_over.clone_from(&focus);
            let pointer = self.pointer.clone();
            let (serial, time) = (SERIAL_COUNTER.next_serial(), self.now().as_millis() as u32);
            pointer.motion(
                self,
                focus,
                &MotionEvent {
                    location,
                    serial,
                    time,
                },
            );
            pointer.frame(self);
        }
    }

    /// A button went down or up; codes are Linux's, as [`LEFT`].
    pub fn button(&mut self, button: u32, state: ButtonState, time: u32) {
        self.light_outputs();
        self.tap = None;
        let serial = SERIAL_COUNTER.next_serial();
        let pointer = self.pointer.clone();
        let mut handled = false;
        if state == ButtonState::Pressed && !pointer.is_grabbed() {
            handled = self.pressed(button, serial, time);
        } else if state == ButtonState::Released {
            handled = self.overview_released();
        }
        let event = ButtonEvent {
            button,
            state,
            serial,
            time,
        };
        if !handled || pointer.is_grabbed() {
            pointer.button(self, &event);
        }
        pointer.frame(self);
        if handled && let Some(drag) = self.pending_drag.take() {
            self.begin_drag(drag, button, serial);
        }
        if state == ButtonState::Released {
            self.modifiers_used(time);
        }
    }

    /// A press while nothing is grabbed: focus, and what the compositor's own parts do. Returns
    /// whether the press was for the compositor.
    pub(crate) fn pressed(&mut self, button: u32, serial: Serial, time: u32) -> bool {
        let under = self.under(self.pointer_at);
        if self.is_prompting() {
            // Only the prompt may be clicked.
            return !matches!(&under, Under::Surface(_, _, Owner::Layer(layer)) if layers::is_prompt(layer));
        }
        let _ = serial;
        match under {
            Under::Surface(_, _, Owner::Locker | Owner::Override) => false,
            Under::Surface(_, _, Owner::Layer(layer)) => {
                if layer.can_receive_keyboard_focus() {
                    self.focused_layer = Some(layer);
                } else if layer.layer() == Layer::Background {
                    // A wallpaper is as good as nothing.
                    self.go_to_output_here();
                }
                false
            }
            Under::Surface(_, _, Owner::Window(id)) => {
                self.focus_window(id);
                let held = self.keyboard.modifier_state();
                if !held.logo {
                    return false;
                }
                match button {
                    LEFT => self.pending_drag = Some(crate::grabs::Drag::moving(self, id)),
                    RIGHT => {
                        self.pending_drag = self
                            .nearest_corner(id)
                            .map(|edges| crate::grabs::Drag::resizing(self, id, edges));
                    }
                    _ => return false,
                }
                true
            }
            Under::Frame(id, part) => {
                self.focus_window(id);
                if button == LEFT {
                    self.press_part(id, part, time);
                }
                true
            }
            Under::Notice => {
                self.dismiss_notices();
                true
            }
            Under::Switcher(window) => {
                self.choose_in_switcher(window);
                true
            }
            Under::Overview(spot) => {
                self.overview_pressed(spot);
                true
            }
            Under::Behind(dialog) => {
                self.focus_window(dialog);
                true
            }
            Under::Nothing => {
                self.focused_layer = None;
                self.go_to_output_here();
                false
            }
        }
    }

    /// A press beside all windows goes to what the output there shows.
    fn go_to_output_here(&mut self) {
        let here = self.outputs.at(self.pointer_at);
        if let Some(index) = here.and_then(|output| self.outputs.index_of(output))
            && self.windows.layout.active_output() != Some(index)
        {
            self.change_layout(|layout| {
                layout.focus_output(index);
            });
        }
    }

    fn press_part(&mut self, id: WindowId, part: Part, time: u32) {
        let last = self.last_title_press.take();
        match part {
            Part::Bar => {
                // On a stack's bar its windows lie beside each other; the one pressed is shown.
                let id = self.windows.tab_at(id, self.pointer_at).unwrap_or(id);
                self.focus_window(id);
                let double = last.is_some_and(|(then, other)| {
                    other == id && time.wrapping_sub(then) <= DOUBLE_CLICK
                });
                if double {
                    self.toggle_maximised(id);
                } else {
                    self.last_title_press = Some((time, id));
                    self.pending_drag = Some(crate::grabs::Drag::moving(self, id));
                }
            }
            Part::Button(Button::Close) => {
                self.close_window(id);
            }
            Part::Button(Button::Maximise) => self.toggle_maximised(id),
            Part::Button(Button::Minimise) => {
                self.change_layout(|layout| layout.set_minimised(id, true));
            }
            Part::Edge(edges) => {
                self.pending_drag = Some(crate::grabs::Drag::resizing(self, id, edges));
            }
        }
    }

    /// The corner of a window that is nearest to the pointer.
    fn nearest_corner(&self, id: WindowId) -> Option<Edges> {
        let frame = self.windows.layout.frame(id)?.to_f64();
        let at = self.pointer_at - frame.loc;
        let (left, top) = (at.x < frame.size.w / 2.0, at.y < frame.size.h / 2.0);
        Some(Edges {
            left,
            right: !left,
            top,
            bottom: !top,
        })
    }

    fn axis<B: InputBackend>(&mut self, event: &B::PointerAxisEvent) {
        if self.steers_magnifier() {
            let steps = event.amount_v120(Axis::Vertical).map(|steps| steps / 120.0);
            let amount = event.amount(Axis::Vertical);
            let steps = steps.or(amount.map(|amount| amount / WHEEL_STEP));
            self.tap = None;
            self.scroll_zoom(steps.unwrap_or(0.0));
            return;
        }
        let mut frame = AxisFrame::new(event.time_msec()).source(event.source());
        for axis in [Axis::Horizontal, Axis::Vertical] {
            let steps = event.amount_v120(axis);
            let amount = event
                .amount(axis)
                .or(steps.map(|steps| steps / 120.0 * WHEEL_STEP))
                .unwrap_or(0.0);
            if amount != 0.0 {
                frame = frame
                    .relative_direction(axis, event.relative_direction(axis))
                    .value(axis, amount);
                if let Some(steps) = steps {
                    frame = frame.v120(axis, steps as i32);
                }
            } else if event.source() == AxisSource::Finger && event.amount(axis) == Some(0.0) {
                frame = frame.stop(axis);
            }
        }
        let pointer = self.pointer.clone();
        pointer.axis(self, frame);
        pointer.frame(self);
    }

    /// Whether Super is held and nothing else, and no client has the keys with it.
    fn steers_magnifier(&self) -> bool {
        let held = self.keyboard.modifier_state();
        held.logo
            && !held.ctrl
            && !held.alt
            && !held.shift
            && !self.pointer.is_grabbed()
            && !self
                .focused_inhibitor()
                .is_some_and(|inhibitor| inhibitor.is_active())
    }

    /// Touch screens, drawing tablets and the tablets of virtual machines cover the first output.
    pub(crate) fn on_first_output<B: InputBackend>(
        &self,
        event: &impl AbsolutePositionEvent<B>,
    ) -> Option<Point<f64, Logical>> {
        let output = self.outputs.first()?;
        let (area, transform) = (geometry(output), output.current_transform());
        // The device lies on the display, so it turns with it.
        let size = transform.invert().transform_size(area.size);
        let at = transform.transform_point_in(event.position_transformed(size), &size.to_f64());
        Some(at + area.loc.to_f64())
    }

    fn touch_down(&mut self, slot: TouchSlot, at: Point<f64, Logical>, time: u32) {
        self.light_outputs();
        let Some(touch) = self.seat.get_touch() else {
            return;
        };
        let serial = SERIAL_COUNTER.next_serial();
        let under = self.under(at);
        let prompting = self.is_prompting();
        match &under {
            Under::Surface(_, _, Owner::Layer(layer)) if layer.can_receive_keyboard_focus() => {
                self.focused_layer = Some(layer.clone());
            }
            Under::Surface(_, _, Owner::Window(id))
            | Under::Frame(id, Part::Bar | Part::Edge(_))
                if !prompting =>
            {
                self.focus_window(*id);
            }
            Under::Frame(id, part @ Part::Button(_)) if !prompting => {
                self.press_part(*id, *part, time);
            }
            Under::Notice if !prompting => self.dismiss_notices(),
            Under::Switcher(window) if !prompting => self.choose_in_switcher(*window),
            Under::Overview(spot) if !prompting => self.overview_touched(*spot),
            Under::Behind(dialog) if !prompting => {
                self.focus_window(*dialog);
            }
            _ => {}
        }
        let focus = match under {
            Under::Surface(surface, origin, Owner::Layer(layer))
                if !prompting || layers::is_prompt(&layer) =>
            {
                Some((surface, origin))
            }
            Under::Surface(surface, origin, Owner::Window(_) | Owner::Override) if !prompting => {
                Some((surface, origin))
            }
            Under::Surface(surface, origin, Owner::Locker) => Some((surface, origin)),
            _ => None,
        };
        if let Some((surface, _)) = &focus {
            self.touched.insert(slot, surface.clone());
        }
        touch.down(
            self,
            focus,
            &DownEvent {
                slot,
                location: at,
                serial,
                time,
            },
        );
    }

    /// A surface is gone. To its client, so are the fingers that rest on it: what they do from here on is nobody's.
    pub(crate) fn touched_surface_gone(&mut self, surface: &WlSurface) {
        let rests = |(slot, on): (&TouchSlot, &WlSurface)| (on == surface).then_some(*slot);
        let slots: Vec<_> = self.touched.iter().filter_map(rests).collect();
        let Some(touch) = self.seat.get_touch().filter(|_| !slots.is_empty()) else {
            return;
        };
        let carries = touch
            .with_grab(|_, grab| !grab.is::<TouchDownGrab<Self>>())
            .unwrap_or(false);
        let (serial, time) = (SERIAL_COUNTER.next_serial(), self.now().as_millis() as u32);
        for slot in slots {
            self.touched.remove(&slot);
            // What the finger carries is not dropped by that.
            if !carries {
                let up = UpEvent { slot, serial, time };
                touch.up(self, &up);
            }
        }
        if !carries {
            touch.frame(self);
        }
    }

    /// The press that a client's request to move or resize refers to, if it is held and was on one
    /// of that client's surfaces.
    pub(crate) fn drag_start(
        &self,
        surface: &WlSurface,
        serial: Serial,
    ) -> Option<GrabStartData<Self>> {
        use smithay::reexports::wayland_server::Resource;
        if !self.pointer.has_grab(serial) {
            return None;
        }
        let start = self.pointer.grab_start_data()?;
        let pressed = start.focus.as_ref().map(|(surface, _)| surface.id())?;
        pressed.same_client_as(&surface.id()).then_some(start)
    }
}

/// What a binding does to a window's place.
fn arrange(layout: &mut Layout, id: WindowId, action: &Action) {
    match action {
        Action::ToggleFloating => layout.set_floating(id, !layout.is_floating(id)),
        Action::Move(side) => layout.move_towards(id, *side),
        Action::Swap(side) => layout.swap_towards(id, *side),
        Action::Resize(growth) => layout.grow(id, *growth),
        Action::SnapTowards(side) => layout.snap_towards(id, *side),
        Action::Snap(zone) => layout.toggle_zone(id, *zone),
        Action::Stack => {
            layout.stack(id);
        }
        Action::Unstack => layout.unstack(id),
        Action::NextInStack => layout.next_in_stack(id, false),
        Action::PreviousInStack => layout.next_in_stack(id, true),
        Action::MoveToOutput(towards) => {
            if let Some(output) = output(layout, *towards) {
                layout.move_to_output(id, output);
            }
        }
        _ => {}
    }
}

fn output(layout: &Layout, towards: Towards) -> Option<usize> {
    match towards {
        Towards::Next => layout.next_output(),
        Towards::Side(side) => layout.output_towards(side),
    }
}

fn virtual_terminal(key: Keysym) -> Option<i32> {
    let (first, last) = (
        Keysym::XF86_Switch_VT_1.raw(),
        Keysym::XF86_Switch_VT_12.raw(),
    );
    (first..=last)
        .contains(&key.raw())
        .then(|| (key.raw() - first + 1) as i32)
}

pub(crate) fn resize_icon(edges: Edges) -> CursorIcon {
    match (edges.left, edges.right, edges.top, edges.bottom) {
        (true, _, true, _) => CursorIcon::NwResize,
        (true, _, _, true) => CursorIcon::SwResize,
        (_, true, true, _) => CursorIcon::NeResize,
        (_, true, _, true) => CursorIcon::SeResize,
        (true, ..) => CursorIcon::WResize,
        (_, true, ..) => CursorIcon::EResize,
        (_, _, true, _) => CursorIcon::NResize,
        _ => CursorIcon::SResize,
    }
}
