//! The Wayland connection: globals, handlers, and what they tell the event loop.
//!
//! Handlers do nothing but translate: every event becomes a [`Happening`] in a queue that
//! [`super::Host`] works through after each dispatch, in order. That keeps the protocol apart from
//! widgets, and lets one batch of pointer motions cost one layout.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use calloop::LoopHandle;
use iced_core::{Event, Point, Size, keyboard, mouse};
use sctk::compositor::{CompositorHandler, CompositorState};
use sctk::data_device_manager::DataDeviceManagerState;
use sctk::data_device_manager::data_device::DataDevice;
use sctk::dispatch2::Dispatch2;
use sctk::output::{OutputHandler, OutputState};
use sctk::reexports::client::backend::ObjectId;
use sctk::reexports::client::globals::GlobalList;
use sctk::reexports::client::protocol::{
    wl_buffer, wl_keyboard, wl_output, wl_pointer, wl_seat, wl_surface,
};
use sctk::reexports::client::{Connection, Proxy, QueueHandle};
use sctk::reexports::protocols::wp::fractional_scale::v1::client::{
    wp_fractional_scale_manager_v1::WpFractionalScaleManagerV1,
    wp_fractional_scale_v1::{self, WpFractionalScaleV1},
};
use sctk::reexports::protocols::wp::idle_inhibit::zv1::client::{
    zwp_idle_inhibit_manager_v1::ZwpIdleInhibitManagerV1, zwp_idle_inhibitor_v1::ZwpIdleInhibitorV1,
};
use sctk::reexports::protocols::wp::single_pixel_buffer::v1::client::wp_single_pixel_buffer_manager_v1::WpSinglePixelBufferManagerV1;
use sctk::reexports::protocols::wp::viewporter::client::{
    wp_viewport::WpViewport, wp_viewporter::WpViewporter,
};
use sctk::reexports::protocols::xdg::dialog::v1::client::{
    xdg_dialog_v1::XdgDialogV1, xdg_wm_dialog_v1::XdgWmDialogV1,
};
use sctk::reexports::protocols::xdg::foreign::zv2::client::{
    zxdg_imported_v2::ZxdgImportedV2, zxdg_importer_v2::ZxdgImporterV2,
};
use sctk::registry::{ProvidesRegistryState, RegistryState};
use sctk::seat::keyboard::{KeyEvent, KeyboardHandler, Keysym, Modifiers, RawModifiers};
use sctk::seat::pointer::{
    CursorIcon, PointerEvent, PointerEventKind, PointerHandler, ThemeSpec, ThemedPointer,
};
use sctk::seat::{Capability, SeatHandler, SeatState};
use sctk::session_lock::{
    SessionLock, SessionLockHandler, SessionLockState, SessionLockSurface,
    SessionLockSurfaceConfigure,
};
use sctk::shell::WaylandSurface;
use sctk::shell::wlr_layer::{LayerShell, LayerShellHandler, LayerSurface, LayerSurfaceConfigure};
use sctk::shell::xdg::XdgShell;
use sctk::shell::xdg::window::{Window, WindowConfigure, WindowHandler};
use sctk::shm::{Shm, ShmHandler};
use smithay_client_toolkit as sctk;

use super::{Error, keys};

/// Something that happened to one surface.
#[derive(Debug)]
pub(super) enum Happening {
    /// It has this size now, in logical pixels; a zero means that the compositor leaves it open.
    Configured(Size<u32>),
    /// The compositor took it away.
    Closed,
    /// The person closes it.
    CloseAsked,
    /// It is shown at this scale now.
    Scaled(f64),
    /// The compositor is ready for its next frame.
    Frame,
    /// Input for its widgets.
    Input(Event),
}

/// Connection, globals and seat.
pub(super) struct Wayland {
    pub(super) connection: Connection,
    pub(super) queue: QueueHandle<Self>,
    pub(super) compositor: CompositorState,
    pub(super) layer_shell: LayerShell,
    /// Windows; nothing where the compositor has none.
    pub(super) windows: Option<XdgShell>,
    pub(super) dialogs: Option<XdgWmDialogV1>,
    /// Other programs' windows by their names.
    pub(super) importer: Option<ZxdgImporterV2>,
    pub(super) idle_inhibit: Option<ZwpIdleInhibitManagerV1>,
    pub(super) shm: Shm,
    pub(super) outputs: OutputState,
    pub(super) viewporter: Option<WpViewporter>,
    pub(super) single_pixel: Option<WpSinglePixelBufferManagerV1>,
    pub(super) fractional_scale: Option<WpFractionalScaleManagerV1>,
    pub(super) selections: Option<DataDeviceManagerState>,
    pub(super) data_device: Option<DataDevice>,
    pub(super) clipboard: super::clipboard::Store,
    /// What happened since the last time somebody looked, oldest first.
    pub(super) happenings: Vec<(ObjectId, Happening)>,
    /// Whether outputs came or went since the last time somebody looked.
    pub(super) outputs_changed: bool,
    /// The lock that is held, or asked for.
    pub(super) lock: Option<SessionLock>,
    /// Whether the compositor said that it is not ours.
    pub(super) lock_lost: bool,
    /// Whether Caps Lock is on, if that changed since the last time somebody looked.
    pub(super) caps_changed: Option<bool>,
    /// The serial of the newest key or button press: what setting the clipboard needs.
    pub(super) serial: u32,
    registry: RegistryState,
    seats: SeatState,
    handle: LoopHandle<'static, Self>,
    pointer: Option<ThemedPointer>,
    keyboard: Option<wl_keyboard::WlKeyboard>,
    focus: Option<ObjectId>,
    modifiers: keyboard::Modifiers,
    caps: bool,
    cursor: Option<CursorIcon>,
}

impl Wayland {
    pub(super) fn new(
        connection: Connection,
        globals: &GlobalList,
        queue: QueueHandle<Self>,
        handle: LoopHandle<'static, Self>,
    ) -> Result<Self, Error> {
        let missing = |protocol| move |_| Error::Missing { protocol };
        Ok(Self {
            compositor: CompositorState::bind(globals, &queue).map_err(missing("wl_compositor"))?,
            layer_shell: LayerShell::bind(globals, &queue)
                .map_err(missing("zwlr_layer_shell_v1"))?,
            windows: XdgShell::bind(globals, &queue).ok(),
            dialogs: globals.bind(&queue, 1..=1, Silent).ok(),
            importer: globals.bind(&queue, 1..=1, Silent).ok(),
            idle_inhibit: globals.bind(&queue, 1..=1, Silent).ok(),
            shm: Shm::bind(globals, &queue).map_err(missing("wl_shm"))?,
            outputs: OutputState::new(globals, &queue),
            viewporter: globals.bind(&queue, 1..=1, Silent).ok(),
            single_pixel: globals.bind(&queue, 1..=1, Silent).ok(),
            fractional_scale: globals.bind(&queue, 1..=1, Silent).ok(),
            selections: DataDeviceManagerState::bind(globals, &queue).ok(),
            data_device: None,
            clipboard: super::clipboard::Store::default(),
            happenings: Vec::new(),
            outputs_changed: true,
            lock: None,
            lock_lost: false,
            caps_changed: None,
            serial: 0,
            registry: RegistryState::new(globals),
            seats: SeatState::new(globals, &queue),
            handle,
            pointer: None,
            keyboard: None,
            focus: None,
            modifiers: keyboard::Modifiers::empty(),
            caps: false,
            cursor: None,
            connection,
            queue,
        })
    }

    /// Asks for the session's lock; surfaces that are made from now on are the lock's.
    pub(super) fn lock(&mut self, globals: &GlobalList) -> Result<(), Error> {
        let lock = SessionLockState::new(globals, &self.queue)
            .lock(&self.queue)
            .map_err(|_| Error::Missing {
                protocol: "ext_session_lock_manager_v1",
            })?;
        self.lock = Some(lock);
        Ok(())
    }

    /// Unlocks the session. Returns whether it was ours: the compositor may not have told so yet.
    pub(super) fn unlock(&mut self) -> bool {
        let held = self.lock.take_if(|lock| lock.is_locked());
        if let Some(lock) = &held {
            lock.unlock();
        }
        held.is_some()
    }

    /// The logical size of an output, or without one of the smallest there is, across and down: a surface may come
    /// to any. Nothing where none is known.
    pub(super) fn room(&self, output: Option<&wl_output::WlOutput>) -> Option<Size> {
        let size = |output: &wl_output::WlOutput| {
            let info = self.outputs.info(output)?;
            let of_mode = || {
                let mode = info.modes.iter().find(|mode| mode.current)?;
                let (width, height) = mode.dimensions;
                Some((width / info.scale_factor, height / info.scale_factor))
            };
            let (width, height) = info.logical_size.or_else(of_mode)?;
            (width > 0 && height > 0).then(|| Size::new(width as f32, height as f32))
        };
        if let Some(output) = output {
            return size(output);
        }
        let outputs: Vec<_> = self.outputs.outputs().collect();
        let sizes = outputs.iter().filter_map(size);
        sizes.reduce(|a, b| Size::new(a.width.min(b.width), a.height.min(b.height)))
    }

    /// Whether the compositor calls an output so.
    pub(super) fn is_called(&self, output: &wl_output::WlOutput, name: &str) -> bool {
        let info = self.outputs.info(output);
        info.and_then(|info| info.name).as_deref() == Some(name)
    }

    /// Shows `interaction`'s pointer over the surface that has it.
    pub(super) fn set_cursor(&mut self, interaction: mouse::Interaction) {
        let icon = keys::cursor(interaction);
        if self.cursor == Some(icon) {
            return;
        }
        if let Some(pointer) = &self.pointer {
            // A pointer that is nowhere or a theme without this shape: the old one stays.
            let _ = pointer.set_cursor(&self.connection, icon);
            self.cursor = Some(icon);
        }
    }

    fn push(&mut self, surface: &wl_surface::WlSurface, happening: Happening) {
        self.happenings.push((surface.id(), happening));
    }

    fn push_key(&mut self, event: keyboard::Event) {
        if let Some(focus) = self.focus.clone() {
            self.happenings
                .push((focus, Happening::Input(Event::Keyboard(event))));
        }
    }
}

/// Data of objects whose events need no answer.
#[derive(Debug)]
pub(super) struct Silent;

macro_rules! silent {
    ($($object:ty),*) => {$(
        impl Dispatch2<$object, Wayland> for Silent {
            fn event(
                &self,
                _: &mut Wayland,
                _: &$object,
                _: <$object as Proxy>::Event,
                _: &Connection,
                _: &QueueHandle<Wayland>,
            ) {
            }
        }
    )*};
}
silent!(
    WpViewporter,
    WpSinglePixelBufferManagerV1,
    WpViewport,
    WpFractionalScaleManagerV1,
    XdgWmDialogV1,
    XdgDialogV1,
    ZxdgImporterV2,
    // That its window is gone needs no answer: the compositor takes the tie away by itself.
    ZxdgImportedV2,
    ZwpIdleInhibitManagerV1,
    ZwpIdleInhibitorV1
);

/// Data of a fractional scale object: whose scale it is.
#[derive(Debug)]
pub(super) struct ScaleOf(pub(super) wl_surface::WlSurface);

impl Dispatch2<WpFractionalScaleV1, Wayland> for ScaleOf {
    fn event(
        &self,
        state: &mut Wayland,
        _: &WpFractionalScaleV1,
        event: wp_fractional_scale_v1::Event,
        _: &Connection,
        _: &QueueHandle<Wayland>,
    ) {
        if let wp_fractional_scale_v1::Event::PreferredScale { scale } = event {
            // The protocol counts in 120ths.
            state.push(&self.0, Happening::Scaled(f64::from(scale) / 120.0));
        }
    }
}

/// Data of a buffer: whether the compositor still reads it.
#[derive(Debug, Default, Clone)]
pub(super) struct InUse(pub(super) Arc<AtomicBool>);

impl Dispatch2<wl_buffer::WlBuffer, Wayland> for InUse {
    fn event(
        &self,
        _: &mut Wayland,
        _: &wl_buffer::WlBuffer,
        event: wl_buffer::Event,
        _: &Connection,
        _: &QueueHandle<Wayland>,
    ) {
        if matches!(event, wl_buffer::Event::Release) {
            self.0.store(false, Ordering::Release);
        }
    }
}

impl CompositorHandler for Wayland {
    fn scale_factor_changed(
        &mut self,
        _: &Connection,
        _: &QueueHandle<Self>,
        surface: &wl_surface::WlSurface,
        factor: i32,
    ) {
        // The fractional protocol says the same more exactly where there is one.
        if self.fractional_scale.is_none() || self.viewporter.is_none() {
            self.push(surface, Happening::Scaled(f64::from(factor)));
        }
    }

    fn transform_changed(
        &mut self,
        _: &Connection,
        _: &QueueHandle<Self>,
        _: &wl_surface::WlSurface,
        _: wl_output::Transform,
    ) {
    }

    fn frame(
        &mut self,
        _: &Connection,
        _: &QueueHandle<Self>,
        surface: &wl_surface::WlSurface,
        _: u32,
    ) {
        self.push(surface, Happening::Frame);
    }

    fn surface_enter(
        &mut self,
        _: &Connection,
        _: &QueueHandle<Self>,
        _: &wl_surface::WlSurface,
        _: &wl_output::WlOutput,
    ) {
    }

    fn surface_leave(
        &mut self,
        _: &Connection,
        _: &QueueHandle<Self>,
        _: &wl_surface::WlSurface,
        _: &wl_output::WlOutput,
    ) {
    }
}

impl LayerShellHandler for Wayland {
    fn closed(&mut self, _: &Connection, _: &QueueHandle<Self>, layer: &LayerSurface) {
        self.push(layer.wl_surface(), Happening::Closed);
    }

    fn configure(
        &mut self,
        _: &Connection,
        _: &QueueHandle<Self>,
        layer: &LayerSurface,
        configure: LayerSurfaceConfigure,
        _: u32,
    ) {
        let (width, height) = configure.new_size;
        self.push(
            layer.wl_surface(),
            Happening::Configured(Size::new(width, height)),
        );
    }
}

impl WindowHandler for Wayland {
    fn request_close(&mut self, _: &Connection, _: &QueueHandle<Self>, window: &Window) {
        self.push(window.wl_surface(), Happening::CloseAsked);
    }

    fn configure(
        &mut self,
        _: &Connection,
        _: &QueueHandle<Self>,
        window: &Window,
        configure: WindowConfigure,
        _: u32,
    ) {
        let length = |given: Option<NonZeroU32>| given.map_or(0, NonZeroU32::get);
        let (width, height) = configure.new_size;
        self.push(
            window.wl_surface(),
            Happening::Configured(Size::new(length(width), length(height))),
        );
    }
}

impl SessionLockHandler for Wayland {
    fn locked(&mut self, _: &Connection, _: &QueueHandle<Self>, _: SessionLock) {}

    fn finished(&mut self, _: &Connection, _: &QueueHandle<Self>, _: SessionLock) {
        self.lock_lost = true;
    }

    fn configure(
        &mut self,
        _: &Connection,
        _: &QueueHandle<Self>,
        surface: SessionLockSurface,
        configure: SessionLockSurfaceConfigure,
        _: u32,
    ) {
        let (width, height) = configure.new_size;
        self.push(
            surface.wl_surface(),
            Happening::Configured(Size::new(width, height)),
        );
    }
}

impl OutputHandler for Wayland {
    fn output_state(&mut self) -> &mut OutputState {
        &mut self.outputs
    }

    fn new_output(&mut self, _: &Connection, _: &QueueHandle<Self>, _: wl_output::WlOutput) {
        self.outputs_changed = true;
    }

    fn update_output(&mut self, _: &Connection, _: &QueueHandle<Self>, _: wl_output::WlOutput) {
        self.outputs_changed = true;
    }

    fn output_destroyed(&mut self, _: &Connection, _: &QueueHandle<Self>, _: wl_output::WlOutput) {
        self.outputs_changed = true;
    }
}

impl SeatHandler for Wayland {
    fn seat_state(&mut self) -> &mut SeatState {
        &mut self.seats
    }

    fn new_seat(&mut self, _: &Connection, _: &QueueHandle<Self>, _: wl_seat::WlSeat) {}

    fn new_capability(
        &mut self,
        _: &Connection,
        queue: &QueueHandle<Self>,
        seat: wl_seat::WlSeat,
        capability: Capability,
    ) {
        if self.data_device.is_none() {
            self.data_device = self
                .selections
                .as_ref()
                .map(|s| s.get_data_device(queue, &seat));
        }
        match capability {
            Capability::Keyboard if self.keyboard.is_none() => {
                let repeat = Box::new(|state: &mut Self, _: &_, event: KeyEvent| {
                    let modifiers = state.modifiers;
                    state.push_key(keys::pressed(&event, modifiers, true));
                });
                let handle = self.handle.clone();
                match self
                    .seats
                    .get_keyboard_with_repeat(queue, &seat, None, handle, repeat)
                {
                    Ok(keyboard) => self.keyboard = Some(keyboard),
                    Err(error) => tracing::warn!("no keyboard input: {error}"),
                }
            }
            Capability::Pointer if self.pointer.is_none() => {
                let surface = self.compositor.create_surface(queue);
                let shm = self.shm.wl_shm().clone();
                let theme = ThemeSpec::System;
                match self
                    .seats
                    .get_pointer_with_theme::<_, ()>(queue, &seat, &shm, surface, theme)
                {
                    Ok(pointer) => self.pointer = Some(pointer),
                    Err(error) => tracing::warn!("no pointer input: {error}"),
                }
            }
            _ => {}
        }
    }

    fn remove_capability(
        &mut self,
        _: &Connection,
        _: &QueueHandle<Self>,
        _: wl_seat::WlSeat,
        capability: Capability,
    ) {
        match capability {
            Capability::Keyboard => {
                if let Some(keyboard) = self.keyboard.take() {
                    keyboard.release();
                }
            }
            Capability::Pointer => self.pointer = None,
            _ => {}
        }
    }

    fn remove_seat(&mut self, _: &Connection, _: &QueueHandle<Self>, _: wl_seat::WlSeat) {}
}

impl KeyboardHandler for Wayland {
    fn enter(
        &mut self,
        _: &Connection,
        _: &QueueHandle<Self>,
        _: &wl_keyboard::WlKeyboard,
        surface: &wl_surface::WlSurface,
        _: u32,
        _: &[u32],
        _: &[Keysym],
    ) {
        self.focus = Some(surface.id());
        self.push(
            surface,
            Happening::Input(Event::Window(iced_core::window::Event::Focused)),
        );
    }

    fn leave(
        &mut self,
        _: &Connection,
        _: &QueueHandle<Self>,
        _: &wl_keyboard::WlKeyboard,
        surface: &wl_surface::WlSurface,
        _: u32,
    ) {
        self.focus = None;
        self.push(
            surface,
            Happening::Input(Event::Window(iced_core::window::Event::Unfocused)),
        );
    }

    fn press_key(
        &mut self,
        _: &Connection,
        _: &QueueHandle<Self>,
        _: &wl_keyboard::WlKeyboard,
        serial: u32,
        event: KeyEvent,
    ) {
        self.serial = serial;
        self.push_key(keys::pressed(&event, self.modifiers, false));
    }

    fn repeat_key(
        &mut self,
        _: &Connection,
        _: &QueueHandle<Self>,
        _: &wl_keyboard::WlKeyboard,
        _: u32,
        event: KeyEvent,
    ) {
        self.push_key(keys::pressed(&event, self.modifiers, true));
    }

    fn release_key(
        &mut self,
        _: &Connection,
        _: &QueueHandle<Self>,
        _: &wl_keyboard::WlKeyboard,
        _: u32,
        event: KeyEvent,
    ) {
        self.push_key(keys::released(&event, self.modifiers));
    }

    fn update_modifiers(
        &mut self,
        _: &Connection,
        _: &QueueHandle<Self>,
        _: &wl_keyboard::WlKeyboard,
        _: u32,
        modifiers: Modifiers,
        _: RawModifiers,
        _: u32,
    ) {
        if self.caps != modifiers.caps_lock {
            self.caps = modifiers.caps_lock;
            self.caps_changed = Some(self.caps);
        }
        self.modifiers = keys::modifiers(modifiers);
        self.push_key(keyboard::Event::ModifiersChanged(self.modifiers));
    }
}

impl PointerHandler for Wayland {
    fn pointer_frame(
        &mut self,
        _: &Connection,
        _: &QueueHandle<Self>,
        _: &wl_pointer::WlPointer,
        events: &[PointerEvent],
    ) {
        for event in events {
            let surface = &event.surface;
            let position = Point::new(event.position.0 as f32, event.position.1 as f32);
            let mut input = |event| self.push(surface, Happening::Input(Event::Mouse(event)));
            match event.kind {
                PointerEventKind::Enter { .. } => {
                    input(mouse::Event::CursorEntered);
                    input(mouse::Event::CursorMoved { position });
                    // The compositor forgets the shape when the pointer comes from elsewhere.
                    self.cursor = None;
                }
                PointerEventKind::Leave { .. } => input(mouse::Event::CursorLeft),
                PointerEventKind::Motion { .. } => input(mouse::Event::CursorMoved { position }),
                PointerEventKind::Press { button, serial, .. } => {
                    input(mouse::Event::ButtonPressed(keys::button(button)));
                    self.serial = serial;
                }
                PointerEventKind::Release { button, .. } => {
                    input(mouse::Event::ButtonReleased(keys::button(button)));
                }
                PointerEventKind::Axis {
                    horizontal,
                    vertical,
                    ..
                } => {
                    let delta = keys::scroll(&horizontal, &vertical);
                    input(mouse::Event::WheelScrolled { delta });
                }
            }
        }
    }
}

impl ShmHandler for Wayland {
    fn shm_state(&mut self) -> &mut Shm {
        &mut self.shm
    }
}

impl ProvidesRegistryState for Wayland {
    fn registry(&mut self) -> &mut RegistryState {
        &mut self.registry
    }
    sctk::registry_handlers![OutputState, SeatState];
}

sctk::delegate_registry!(Wayland);
sctk::delegate_dispatch2!(Wayland);
