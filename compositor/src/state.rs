//! The compositor's state and the turn of its loop.
//!
//! Everything happens on one thread in a calloop loop: clients' requests, input, the back end's
//! page flips, D-Bus requests (by channel, see [`crate::bus`]). Handlers change the state and say
//! which outputs have to be drawn again; [`State::settle`] runs once after each turn, carries out what clients
//! asked ([`crate::clients`]) and then the consequences ([`Turn`] says when), in this order: modal dialogs, pointer focus, sizes and states to clients,
//! keyboard focus, what holds the pointer, frames, what keeps the session from being idle, whether
//! the lock is complete, what the bus and the tools of the desktop are told ([`crate::protocols`]),
//! and last the flush of all clients. So a burst of requests costs one frame, and a turn in which
//! nothing changed draws nothing.

use std::{
    cell::RefCell,
    collections::HashMap,
    os::unix::net::UnixStream,
    path::PathBuf,
    rc::Rc,
    sync::atomic::AtomicBool,
    time::{Duration, Instant},
};

use smithay::{
    backend::input::TouchSlot,
    desktop::{LayerSurface, PopupGrab, PopupKeyboardGrab, PopupManager, PopupPointerGrab},
    input::{
        Seat, SeatState,
        keyboard::{KeyboardHandle, Keycode, Keysym, XkbConfig},
        pointer::PointerHandle,
    },
    output::Output,
    reexports::{
        calloop::{
            self, EventLoop, Interest, LoopHandle, LoopSignal, Mode, PostAction, generic::Generic,
        },
        wayland_protocols::xdg::shell::server::xdg_toplevel::WmCapabilities,
        wayland_server::{
            Client, Display, DisplayHandle, Resource,
            backend::{ClientData, ClientId, DisconnectReason},
            protocol::wl_surface::WlSurface,
        },
    },
    utils::{Clock, IsAlive, Logical, Monotonic, Point, SERIAL_COUNTER},
    wayland::{
        compositor::{CompositorClientState, CompositorState},
        cursor_shape::CursorShapeManagerState,
        dmabuf::{DmabufGlobal, DmabufState},
        fractional_scale::FractionalScaleManagerState,
        output::OutputManagerState,
        presentation::PresentationState,
        security_context::SecurityContext,
        shell::{wlr_layer::WlrLayerShellState, xdg::XdgShellState},
        shm::ShmState,
        single_pixel_buffer::SinglePixelBufferState,
        socket::ListeningSocketSource,
        viewporter::ViewporterState,
        xdg_activation::XdgActivationState,
    },
};

use crate::{
    backend::Backend,
    bindings::Bindings,
    bus,
    clients::Connections,
    config::{Config, Look},
    cursor::Cursor,
    decoration::Painter,
    error::Error,
    focus::KeyFocus,
    limits::Usage,
    lock::Lock,
    outputs::Outputs,
    protocols::{
        bell::BellProtocol,
        decorations::DecorationProtocols,
        dialogs::DialogProtocols,
        extensions::Extensions,
        frames::FrameProtocols,
        icons::IconProtocol,
        idle::IdleProtocols,
        pointer::PointerProtocols,
        sandbox::{Privilege, SandboxProtocols},
        selection::SelectionProtocols,
        shortcuts::ShortcutProtocol,
        tablet::TabletProtocol,
        text::TextProtocols,
        toplevel_list::ToplevelListProtocol,
    },
    windows::{Windows, has_content},
    xwayland::Xwayland,
};

/// The longest that consequences wait for a frame: one at 50 Hz.
const LONGEST_WAIT: Duration = Duration::from_millis(20);

/// What came in this turn of the loop, and whether its consequences can wait for the frame that is due anyway.
///
/// Ten windows that move make as many turns for each frame. Nothing follows from such a turn but that a frame is
/// due: the windows are where they were, and what their clients are told they are told with the frame. So a turn
/// in which clients only showed new content, in windows that are on the screen and wait for a frame
/// ([`Self::plain`]), does nothing more, once a frame is on its way; the turn in which the frame is drawn sees to
/// everything, before that. Whatever else happens has its consequences at once.
#[derive(Debug)]
pub(crate) struct Turn {
    /// Something was asked of which more follows.
    pub(crate) urgent: bool,
    /// Portions of requests that were served.
    pub(crate) portions: usize,
    /// Requests that only show new content.
    pub(crate) plain: usize,
    /// When consequences were last seen to.
    settled: Instant,
}

impl Turn {
    fn new() -> Self {
        Self {
            urgent: true,
            portions: 0,
            plain: 0,
            settled: Instant::now(),
        }
    }

    /// The turn is over. Returns whether what follows from it can wait for a frame.
    fn end(&mut self) -> bool {
        let urgent = std::mem::take(&mut self.urgent);
        let served = std::mem::take(&mut self.portions) > 0;
        served && !urgent && self.settled.elapsed() < LONGEST_WAIT
    }
}

/// What the compositor keeps about each client.
#[derive(Debug, Default)]
pub struct ClientState {
    /// Smithay's part.
    pub compositor: CompositorClientState,
    /// Whether it came in over the private socket: only such a client can put a prompt above
    /// everything, or lock the session.
    pub trusted: bool,
    /// The sandbox it came out of. Such a client is never trusted.
    pub sandbox: Option<SecurityContext>,
    /// Whether it asked for a seat's tablets, so that a pen is not a mouse to it.
    pub uses_tablets: AtomicBool,
    /// What it has of what is limited.
    pub(crate) usage: Usage,
}

impl ClientData for ClientState {
    fn initialized(&self, _: ClientId) {}
    fn disconnected(&self, _: ClientId, _: DisconnectReason) {}
}

/// Smithay's state of each protocol; by theme where [`crate::protocols`] has a module for it.
#[derive(Debug)]
pub struct Protocols {
    pub(crate) compositor: CompositorState,
    pub(crate) xdg_shell: XdgShellState,
    pub(crate) layer_shell: WlrLayerShellState,
    pub(crate) shm: ShmState,
    pub(crate) seat: SeatState<State>,
    pub(crate) activation: XdgActivationState,
    pub(crate) dmabuf: DmabufState,
    pub(crate) dmabuf_global: Option<DmabufGlobal>,
    pub(crate) bell: BellProtocol,
    pub(crate) decorations: DecorationProtocols,
    pub(crate) dialogs: DialogProtocols,
    pub(crate) frames: FrameProtocols,
    pub(crate) icons: IconProtocol,
    pub(crate) idle: IdleProtocols,
    pub(crate) selection: SelectionProtocols,
    pub(crate) shortcuts: ShortcutProtocol,
    pub(crate) tablet: TabletProtocol,
    pub(crate) toplevel_list: ToplevelListProtocol,
    // These only keep their globals alive.
    _output: OutputManagerState,
    _pointer: PointerProtocols,
    _sandbox: SandboxProtocols,
    _text: TextProtocols,
    _viewporter: ViewporterState,
    _fractional_scale: FractionalScaleManagerState,
    _cursor_shape: CursorShapeManagerState,
    _presentation: PresentationState,
    _single_pixel: SinglePixelBufferState,
}

impl Protocols {
    fn new(
        dh: &DisplayHandle,
        clock: &Clock<Monotonic>,
        handle: LoopHandle<'static, State>,
    ) -> Self {
        Self {
            compositor: CompositorState::new_v6::<State>(dh),
            xdg_shell: XdgShellState::new_with_capabilities::<State>(
                dh,
                [
                    WmCapabilities::Maximize,
                    WmCapabilities::Fullscreen,
                    WmCapabilities::Minimize,
                ],
            ),
            layer_shell: WlrLayerShellState::new_with_filter::<State, _>(
                dh,
                Privilege::Panels.filter(),
            ),
            shm: ShmState::new::<State>(dh, vec![]),
            seat: SeatState::new(),
            activation: XdgActivationState::new::<State>(dh),
            dmabuf: DmabufState::new(),
            dmabuf_global: None,
            bell: BellProtocol::new(dh),
            decorations: DecorationProtocols::new(dh),
            dialogs: DialogProtocols::new(dh),
            frames: FrameProtocols::new(dh),
            icons: IconProtocol::new(dh),
            idle: IdleProtocols::new(dh, handle),
            selection: SelectionProtocols::new(dh),
            shortcuts: ShortcutProtocol::new(dh),
            tablet: TabletProtocol::new(dh),
            toplevel_list: ToplevelListProtocol::new(dh),
            _output: OutputManagerState::new_with_xdg_output::<State>(dh),
            _pointer: PointerProtocols::new(dh),
            _sandbox: SandboxProtocols::new(dh),
            _text: TextProtocols::new(dh),
            _viewporter: ViewporterState::new::<State>(dh),
            _fractional_scale: FractionalScaleManagerState::new::<State>(dh),
            _cursor_shape: CursorShapeManagerState::new::<State>(dh),
            _presentation: PresentationState::new::<State>(dh, clock.id() as u32),
            _single_pixel: SinglePixelBufferState::new::<State>(dh),
        }
    }
}

/// Everything.
#[derive(Debug)]
pub struct State {
    pub(crate) backend: Box<dyn Backend>,
    pub(crate) windows: Windows,
    pub(crate) outputs: Outputs,
    pub(crate) cursor: Cursor,
    pub(crate) painter: Painter,
    /// The person's colours, or else the theme's.
    pub(crate) look: Look,
    pub(crate) popups: PopupManager,
    pub(crate) protocols: Protocols,
    pub(crate) extensions: Extensions,
    pub(crate) xwayland: Xwayland,
    pub(crate) lock: Lock,
    pub(crate) seat: Seat<State>,
    pub(crate) keyboard: KeyboardHandle<State>,
    pub(crate) pointer: PointerHandle<State>,
    /// Where the pointer is, in the global space. The seat knows as well, but may not be asked
    /// while it is calling a handler.
    pub(crate) pointer_at: Point<f64, Logical>,
    /// The surface that the pointer was said to be over, and where that began.
    pub(crate) pointer_over: Option<(WlSurface, Point<f64, Logical>)>,
    /// Where fingers rest.
    pub(crate) touched: HashMap<TouchSlot, WlSurface>,
    /// The menu that has keyboard and pointer.
    pub(crate) menu: Option<PopupGrab<State>>,
    /// A layer surface that asked for the keyboard on demand and was clicked.
    pub(crate) focused_layer: Option<LayerSurface>,
    /// A modifier key that was pressed and so far nothing with it: its tap may be bound.
    pub(crate) tap: Option<Keysym>,
    /// Keys whose press was taken by a binding, so that their release is taken too.
    pub(crate) taken_keys: Vec<Keycode>,
    /// When and where the last press on a title bar was, to see double clicks.
    pub(crate) last_title_press: Option<(u32, crate::layout::WindowId)>,
    /// A press on a part of the compositor's that becomes a drag once the press is done with.
    pub(crate) pending_drag: Option<crate::grabs::Drag>,
    pub(crate) bindings: Bindings,
    pub(crate) config: Config,
    pub(crate) settings: crate::settings::Settings,
    pub(crate) notice: crate::notice::Notice,
    /// The modifiers that are held though nobody holds them, on the screen.
    pub(crate) badge: crate::notice::Notice,
    pub(crate) access: crate::access::Access,
    pub(crate) mouse_keys: crate::mouse_keys::MouseKeys,
    pub(crate) idling: crate::idling::Idling,
    pub(crate) night: crate::night::Night,
    /// How long keys take to be seen.
    pub(crate) latency: crate::latency::Latency,
    /// A change of outputs that is on trial.
    pub(crate) trial: Option<crate::arrangement::Trial>,
    pub(crate) magnifier: crate::zoom::Magnifier,
    pub(crate) bus: bus::Link,
    pub(crate) display: DisplayHandle,
    pub(crate) connections: Connections,
    pub(crate) turn: Turn,
    pub(crate) clock: Clock<Monotonic>,
    /// The loop that all this runs in.
    pub handle: LoopHandle<'static, State>,
    pub(crate) signal: LoopSignal,
    /// Name of the public socket, for programs that are started from here.
    pub(crate) socket: Option<String>,
}

impl State {
    /// Sets up the protocols and the seat. Outputs come from the back end, clients from
    /// [`Self::listen`] or [`Self::insert_client`].
    ///
    /// # Errors
    /// When the keyboard layout cannot be compiled or the loop takes no more sources.
    pub fn new(
        event_loop: &EventLoop<'static, State>,
        config: Config,
        backend: Box<dyn Backend>,
        bus: bus::Link,
    ) -> Result<Self, Error> {
        let display: Display<State> = Display::new().map_err(Error::display)?;
        let dh = display.handle();
        let handle = event_loop.handle();
        let clock = Clock::new();
        let mut protocols = Protocols::new(&dh, &clock, handle.clone());

        // The display's own descriptor stays with it; the source polls a duplicate. It wakes for the X server
        // only: all other clients are read in [`crate::clients`].
        let display = Rc::new(RefCell::new(display));
        let poll = display
            .borrow_mut()
            .backend()
            .poll_fd()
            .try_clone_to_owned()
            .map_err(Error::event_loop)?;
        let connections = Connections::new(Rc::clone(&display));
        handle
            .insert_source(
                Generic::new(poll, Interest::READ, Mode::Level),
                move |_, _, state| {
                    state.turn.urgent = true;
                    display.borrow_mut().dispatch_clients(state)?;
                    Ok(PostAction::Continue)
                },
            )
            .map_err(|error| Error::event_loop(error.error))?;

        let mut seat = protocols.seat.new_wl_seat(&dh, backend.seat_name());
        let keyboard = {
            let k = &config.keyboard;
            let xkb = XkbConfig {
                rules: "",
                model: &k.model,
                layout: &k.layout,
                variant: &k.variant,
                options: (!k.options.is_empty()).then(|| k.options.clone()),
            };
            seat.add_keyboard(xkb, k.repeat_delay, k.repeat_rate)
                .or_else(|error| {
                    tracing::warn!(
                        "keyboard layout `{}` `{}`: {error}; using the system's default layout",
                        k.layout,
                        k.variant
                    );
                    seat.add_keyboard(XkbConfig::default(), k.repeat_delay, k.repeat_rate)
                })
        }
        .map_err(Error::keyboard)?;
        let pointer = seat.add_pointer();

        let (bindings, errors) = Bindings::new(config.binding_pairs());
        for error in errors {
            tracing::warn!("bindings: {error}");
        }

        let look = config.look.clone().unwrap_or_default();
        let mut state = Self {
            backend,
            windows: Windows::new(&config),
            outputs: Outputs::default(),
            cursor: Cursor::new(&config.cursor),
            painter: Painter::new(&look),
            look,
            popups: PopupManager::default(),
            lock: Lock::new(&dh),
            extensions: Extensions::new(&dh),
            xwayland: Xwayland::new(&dh),
            protocols,
            seat,
            keyboard,
            pointer,
            pointer_at: Point::default(),
            pointer_over: None,
            touched: HashMap::new(),
            menu: None,
            focused_layer: None,
            tap: None,
            taken_keys: Vec::new(),
            last_title_press: None,
            pending_drag: None,
            bindings,
            config,
            settings: crate::settings::Settings::default(),
            notice: crate::notice::Notice::default(),
            badge: crate::notice::Notice::default(),
            access: crate::access::Access::default(),
            mouse_keys: crate::mouse_keys::MouseKeys::default(),
            idling: crate::idling::Idling::default(),
            night: crate::night::Night::default(),
            latency: crate::latency::Latency::default(),
            trial: None,
            magnifier: crate::zoom::Magnifier::default(),
            bus,
            display: dh,
            connections,
            turn: Turn::new(),
            clock,
            handle,
            signal: event_loop.get_signal(),
            socket: None,
        };
        state.update_night();
        state.reset_idling();
        Ok(state)
    }

    /// Listens for clients on `name` in `$XDG_RUNTIME_DIR`. A socket and lock that a killed
    /// compositor left behind do not matter.
    ///
    /// # Errors
    /// When another compositor has the name, or the folder cannot be written.
    pub fn listen(&mut self, name: &str) -> Result<(), Error> {
        let source = ListeningSocketSource::with_name(name).map_err(|source| Error::Socket {
            name: name.to_owned(),
            source,
        })?;
        self.handle
            .insert_source(source, |stream, (), state| {
                if let Err(error) = state.insert_client(stream, false) {
                    tracing::warn!("a client could not be taken in: {error}");
                }
            })
            .map_err(|error| Error::event_loop(error.error))?;
        self.socket = Some(name.to_owned());
        tracing::info!("listening on {name}");
        Ok(())
    }

    /// Listens for trusted clients on a socket that only this user can open.
    ///
    /// # Errors
    /// When the folder cannot be made or the socket cannot be bound.
    pub fn listen_private(&mut self, path: PathBuf) -> Result<(), Error> {
        let listener =
            crate::private_socket::bind(&path).map_err(|source| Error::PrivateSocket {
                path: path.clone(),
                source,
            })?;
        self.handle
            .insert_source(
                Generic::new(listener, Interest::READ, Mode::Level),
                |_, listener, state| {
                    match listener.accept() {
                        Ok((stream, _)) => {
                            if let Err(error) = state.insert_client(stream, true) {
                                tracing::warn!("a trusted client could not be taken in: {error}");
                            }
                        }
                        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                        Err(error) => tracing::warn!("private socket: {error}"),
                    }
                    Ok(PostAction::Continue)
                },
            )
            .map_err(|error| Error::event_loop(error.error))?;
        tracing::info!("listening for trusted clients on {}", path.display());
        Ok(())
    }

    /// Takes a client in over a connected socket.
    ///
    /// # Errors
    /// When the socket is broken.
    pub fn insert_client(&mut self, stream: UnixStream, trusted: bool) -> std::io::Result<Client> {
        let data = ClientState {
            trusted,
            ..ClientState::default()
        };
        self.take_in(stream, data)
    }

    /// Carries out what the last turn of the loop changed; see the module's page.
    pub fn settle(&mut self) {
        self.serve_clients();
        if self.turn.end() && self.outputs.is_frame_coming() && !self.delay_frames() {
            return;
        }
        self.turn.settled = Instant::now();
        self.popups.cleanup();
        self.update_areas();
        self.follow_x11_scale();
        self.give_way_to_dialogs();
        self.update_pointer_focus();
        self.sync_windows();
        self.stack_x11();
        self.prepare_notice();
        self.prepare_switcher();
        self.prepare_overview();
        self.update_keyboard_focus();
        self.update_constraint();
        self.magnify_focus();
        self.redraw_queued();
        self.update_idle_inhibition();
        self.confirm_lock();
        self.tell_bus();
        self.sync_toplevel_list();
        self.tell_extensions();
        if let Err(error) = self.display.flush_clients() {
            tracing::warn!("a client could not be written to: {error}");
        }
        self.answer_clients();
    }

    /// Time since an arbitrary start, as frame callbacks and input events carry it.
    pub(crate) fn now(&self) -> Duration {
        self.clock.now().into()
    }

    /// Ends the loop after this turn.
    pub fn stop(&self) {
        self.signal.stop();
        self.signal.wakeup();
    }

    /// Tells the layout where the outputs are and what panels leave of them.
    pub(crate) fn update_areas(&mut self) {
        let areas = self
            .outputs
            .iter()
            .map(|output| {
                let full = crate::outputs::geometry(output);
                let mut usable = crate::zones::left(output);
                usable.loc += full.loc;
                // Panels that want more than there is do not get everything.
                let usable = Some(usable)
                    .filter(|rest| rest.size.w > 0 && rest.size.h > 0)
                    .and_then(|rest| rest.intersection(full))
                    .filter(|rest| rest.size.w > 0 && rest.size.h > 0)
                    .unwrap_or(full);
                crate::layout::Area {
                    name: output.name(),
                    full,
                    usable,
                }
            })
            .collect();
        if self.windows.layout.set_areas(areas) {
            self.windows.stop();
            self.outputs.queue_all();
        }
    }

    /// The surface that should have the keyboard now.
    fn wanted_focus(&self) -> Option<KeyFocus> {
        if self.is_locked() {
            return self.lock_focus().map(KeyFocus::from);
        }
        if let Some(layer) = self.exclusive_layer() {
            return Some(layer.wl_surface().clone().into());
        }
        if let Some(layer) = &self.focused_layer
            && layer.alive()
            && layer.can_receive_keyboard_focus()
            && has_content(layer.wl_surface())
        {
            return Some(layer.wl_surface().clone().into());
        }
        let focused = self.windows.layout.focused();
        let focus = focused.and_then(|id| self.windows.get(id)?.focus());
        // A menu of the X program in use takes the keys within the server.
        if focus.as_ref().is_some_and(KeyFocus::is_x11) {
            return focus;
        }
        self.x11_override_focus().or(focus)
    }

    fn update_keyboard_focus(&mut self) {
        if self
            .focused_layer
            .as_ref()
            .is_some_and(|layer| !layer.alive())
        {
            self.focused_layer = None;
        }
        // Who had the keyboard exclusively and now wants it on demand keeps it until the person
        // turns to something else.
        if let Some(layer) = self.exclusive_layer() {
            self.focused_layer = Some(layer);
        }
        let wanted = self.wanted_focus();
        self.keep_keys_private();
        self.give_menu_the_keys();
        let by_menu = self.is_menu_open() || !self.is_composing();
        if self.keyboard.is_grabbed() && by_menu && !self.is_locked() {
            // A menu has it. Only what takes the keyboard exclusively may end that.
            let Some(layer) = self.exclusive_layer() else {
                return;
            };
            let surface = layer.wl_surface();
            let inside = self.keyboard.current_focus().is_some_and(|focus| {
                self.popups
                    .find_popup(focus.surface())
                    .and_then(|popup| smithay::desktop::find_popup_root_surface(&popup).ok())
                    .is_some_and(|root| root == *surface)
            });
            if inside {
                return;
            }
            let keyboard = self.keyboard.clone();
            keyboard.unset_grab(self);
            let pointer = self.pointer.clone();
            if pointer.is_grabbed() {
                let time = self.now().as_millis() as u32;
                pointer.unset_grab(self, SERIAL_COUNTER.next_serial(), time);
            }
        }
        if self.keyboard.current_focus() != wanted {
            let keyboard = self.keyboard.clone();
            keyboard.set_focus(self, wanted, SERIAL_COUNTER.next_serial());
        }
    }

    /// Whether a menu has the pointer.
    fn is_menu_open(&self) -> bool {
        self.pointer
            .with_grab(|_, grab| grab.is::<PopupPointerGrab<Self>>())
            .unwrap_or(false)
    }

    /// An input method that lets go of the keys takes the menu's hold on them along: the menu gets
    /// them back.
    fn give_menu_the_keys(&mut self) {
        if !self.is_menu_open() {
            self.menu = None;
        }
        if let Some(menu) = self.menu.clone()
            && !self.keyboard.is_grabbed()
        {
            let keyboard = self.keyboard.clone();
            keyboard.set_focus(self, menu.current_grab(), menu.serial());
            keyboard.set_grab(self, PopupKeyboardGrab::new(&menu), menu.serial());
        }
    }

    /// Where the pointer is, in the global space.
    pub fn pointer_location(&self) -> Point<f64, Logical> {
        self.pointer_at
    }

    /// The windows as the bus shows them, most recently used first.
    pub fn window_list(&self) -> Vec<argos_bus::compositor::Window> {
        self.windows.list()
    }

    /// What the bus shows.
    pub fn shown_on_bus(&self) -> bus::Snapshot {
        self.bus.shown()
    }

    /// Moves a floating window so that its content begins at `at` in the global space, or a layer surface, which
    /// nobody but tests can. Other surfaces stay.
    pub fn place_surface(&mut self, surface: &WlSurface, at: Point<i32, Logical>) {
        let Some(id) = self.windows.by_surface(surface).map(|managed| managed.id) else {
            self.place_layer(surface, at);
            return;
        };
        let bar = self.windows.layout.title_bar(id);
        self.windows.layout.move_to(id, at - Point::from((0, bar)));
        self.outputs.queue_all();
    }

    /// A client's object by its number in the protocol, if it has such a one.
    pub fn object<I: Resource + 'static>(&self, client: &Client, number: u32) -> Option<I> {
        client.object_from_protocol_id(&self.display, number).ok()
    }

    /// The layout, to look at.
    pub fn layout(&self) -> &crate::layout::Layout {
        &self.windows.layout
    }

    /// The outputs, in the order in which they came.
    pub fn output_list(&self) -> Vec<Output> {
        self.outputs.iter().cloned().collect()
    }

    /// How many frames have been drawn on all outputs since the start.
    pub fn frames(&self) -> u64 {
        self.outputs.frames()
    }

    /// Draws frames in a theme's colours, unless the person's settings name their own.
    pub(crate) fn set_theme_look(&mut self, look: Look) {
        self.settings.theme = Some(look.clone());
        if self.config.look.is_none() {
            self.set_look(look);
        }
    }

    pub(crate) fn set_look(&mut self, look: Look) {
        if self.look == look {
            return;
        }
        self.painter = Painter::new(&look);
        self.look = look;
        self.windows.forget_title_bars();
        self.outputs.queue_all();
    }

    fn tell_bus(&mut self) {
        let layout = &self.windows.layout;
        let (night_light, night_temperature) = self.night_light();
        self.bus.update(bus::Snapshot {
            windows: self.windows.list(),
            active: layout.active_workspace() as u32 + 1,
            workspaces: layout.workspaces() as u32,
            renderer: self.backend.renderer().name(),
            locked: self.is_locked(),
            night_light,
            night_temperature,
            zoom: self.zoom(),
            reduced_motion: self.config.accessibility.reduced_motion,
            outputs: self.outputs.told(&self.config),
            lock_before_sleep: self.config.idle.lock_before_sleep,
        });
    }
}

/// Runs `event_loop` until something calls [`State::stop`].
///
/// # Errors
/// When the loop itself fails.
pub fn run(event_loop: &mut EventLoop<'static, State>, state: &mut State) -> Result<(), Error> {
    state.settle();
    event_loop
        .run(None, state, State::settle)
        .map_err(|error: calloop::Error| Error::EventLoop(error.into()))
}
