//! What clients ask for by the protocols that make windows: surfaces, buffers, seats, `xdg-shell`
//! and activation. Layer shell is in [`crate::layers`], all others are in [`crate::protocols`].

use smithay::{
    backend::{allocator::dmabuf::Dmabuf, renderer::utils::on_commit_buffer_handler},
    delegate_cursor_shape, delegate_dmabuf, delegate_fractional_scale, delegate_output,
    delegate_seat, delegate_single_pixel_buffer, delegate_xdg_activation,
    desktop::{
        PopupKeyboardGrab, PopupKind, PopupPointerGrab, PopupUngrabStrategy, Window,
        find_popup_root_surface, get_popup_toplevel_coords, layer_map_for_output,
    },
    input::{
        Seat, SeatHandler, SeatState,
        keyboard::LedState,
        pointer::{CursorImageStatus, Focus},
    },
    reexports::{
        wayland_protocols::xdg::shell::server::xdg_toplevel,
        wayland_server::{
            Client, Resource,
            protocol::{
                wl_buffer::WlBuffer, wl_output::WlOutput, wl_seat::WlSeat, wl_surface::WlSurface,
            },
        },
    },
    utils::Serial,
    wayland::{
        buffer::BufferHandler,
        compositor::{
            BufferAssignment, CompositorClientState, CompositorHandler, CompositorState,
            SurfaceAttributes, add_pre_commit_hook, is_sync_subsurface, with_states,
        },
        dmabuf::{DmabufGlobal, DmabufHandler, DmabufState, ImportNotifier},
        fractional_scale::FractionalScaleHandler,
        output::OutputHandler,
        selection::{data_device::set_data_device_focus, primary_selection::set_primary_focus},
        shell::xdg::{
            PopupSurface, PositionerState, ToplevelSurface, XdgPopupSurfaceData, XdgShellHandler,
            XdgShellState, XdgToplevelSurfaceData,
        },
        shm::{ShmHandler, ShmState},
        xdg_activation::{
            XdgActivationHandler, XdgActivationState, XdgActivationToken, XdgActivationTokenData,
        },
    },
    xwayland::XWaylandClientData,
};

use crate::{
    focus::KeyFocus,
    guards::join_damage,
    layout::{Edges, Rect},
    limits::{self, Limits},
    outputs::geometry,
    protocols::{
        frames::hold_commits,
        root_of,
        subsurfaces::{apply_places, take_places},
    },
    state::{ClientState, State},
    windows::has_content,
    xwayland::x11,
};

/// How long an activation token is good for, in seconds.
pub(crate) const ACTIVATION_VALID: u64 = 10;

impl BufferHandler for State {
    fn buffer_destroyed(&mut self, buffer: &WlBuffer) {
        self.protocols.icons.buffer_destroyed(buffer);
    }
}

/// Whether a commit that is not applied yet brings a buffer.
fn has_new_buffer(surface: &WlSurface) -> bool {
    with_states(surface, |states| {
        let mut attributes = states.cached_state.get::<SurfaceAttributes>();
        let buffer = &attributes.current().buffer;
        matches!(buffer, Some(BufferAssignment::NewBuffer(_)))
    })
}

impl CompositorHandler for State {
    fn compositor_state(&mut self) -> &mut CompositorState {
        &mut self.protocols.compositor
    }

    fn client_compositor_state<'a>(&self, client: &'a Client) -> &'a CompositorClientState {
        if let Some(data) = client.get_data::<ClientState>() {
            return &data.compositor;
        }
        let server = client
            .get_data::<XWaylandClientData>()
            .expect("every client is inserted with a ClientState, but for Xwayland");
        x11::wayland_side(server)
    }

    fn new_surface(&mut self, surface: &WlSurface) {
        hold_commits(surface);
        add_pre_commit_hook::<Self, _>(surface, |_, _, surface| take_places(surface));
        if let Some(client) = surface.client()
            && let Some(usage) = limits::usage(&client)
        {
            let most = Limits::of(&client).surfaces;
            if !limits::add(&usage.surfaces, most) {
                limits::refuse(surface, "surfaces", most);
            }
        }
    }

    fn new_subsurface(&mut self, surface: &WlSurface, _: &WlSurface) {
        let Some(client) = surface.client() else {
            return;
        };
        let most = Limits::of(&client).subsurface_depth;
        if limits::subsurface_depth(surface) > most {
            limits::refuse(surface, "subsurfaces on top of each other", most);
        }
    }

    fn destroyed(&mut self, surface: &WlSurface) {
        self.touched_surface_gone(surface);
        limits::surface_gone(surface);
    }

    fn commit(&mut self, surface: &WlSurface) {
        limits::applied(surface);
        apply_places(surface);
        let follows = self.latency.waits() && has_new_buffer(surface);
        on_commit_buffer_handler::<Self>(surface);
        // Without a new buffer it stays.
        with_states(surface, |states| {
            let mut attributes = states.cached_state.get::<SurfaceAttributes>();
            join_damage(&mut attributes.current().damage);
        });
        self.backend.early_import(surface);
        let waits = self.watch_frames(surface);
        // Unless it turns out to be content and nothing else.
        let urgent = std::mem::replace(&mut self.turn.urgent, true);
        if is_sync_subsurface(surface) {
            // What it changes is seen when its parent is committed.
            self.turn.urgent = urgent;
            return;
        }
        let root = root_of(surface);
        if follows {
            self.latency_committed(&root);
        }

        if let Some(managed) = self.windows.by_surface(&root) {
            let (id, window, mapped) = (managed.id, managed.window.clone(), managed.mapped);
            let before = self.windows.extent(id);
            let began = window.geometry().loc;
            window.on_commit();
            self.keep_in_place(id, began);
            self.windows.content_changed(id);
            if root == *surface {
                self.icon_committed(surface);
                self.toplevel_committed(surface);
            }
            if self.windows.switcher.shows(id) || self.windows.overview.shows(id) {
                self.outputs.queue_all();
            } else if self.windows.layout.is_visible(id) {
                let after = self.windows.extent(id);
                // Its client waits for the frame, and is told everything with that.
                self.turn.urgent = urgent || !mapped || !waits || before != after;
                for extent in before.into_iter().chain(after) {
                    self.outputs.queue_rect(extent);
                }
            }
            return;
        }

        if let Some(window) = self.windows.override_of(&root) {
            let place = x11::place(window);
            self.outputs.queue_rect(place);
            return;
        }

        if self.lock_committed(&root) {
            return;
        }
        self.popups.commit(surface);
        if let Some(popup) = self.popups.find_popup(&root) {
            match &popup {
                PopupKind::Xdg(popup) if !popup.is_initial_configure_sent() => {
                    // The first configure of a popup is always allowed.
                    let _ = popup.send_configure();
                    // Who shows content without having waited for that breaks the protocol: it is shown at the place
                    // that it was told just now.
                    if has_content(popup.wl_surface()) {
                        take_place(popup);
                    }
                }
                PopupKind::Xdg(_) => {}
                PopupKind::InputMethod(popup) => self.place_input_popup(popup),
            }
            if let Ok(owner) = find_popup_root_surface(&popup) {
                if let Some(id) = self.windows.by_surface(&owner).map(|managed| managed.id) {
                    self.windows.content_changed(id);
                    if self.windows.layout.is_visible(id) {
                        self.outputs.queue_all();
                    }
                } else {
                    self.layer_committed(&owner);
                }
            }
            return;
        }
        if self.layer_committed(&root) {
            return;
        }

        let delta = |surface: &WlSurface| {
            with_states(surface, |states| {
                states
                    .cached_state
                    .get::<SurfaceAttributes>()
                    .current()
                    .buffer_delta
                    .take()
            })
        };
        if let CursorImageStatus::Surface(cursor) = self.cursor.status()
            && cursor == root
        {
            self.cursor.changes += 1;
            if let Some(delta) = delta(&cursor) {
                with_states(&cursor, |states| {
                    if let Some(data) = states
                        .data_map
                        .get::<smithay::input::pointer::CursorImageSurfaceData>()
                        && let Ok(mut data) = data.lock()
                    {
                        data.hotspot -= delta;
                    }
                });
            }
            self.outputs.queue_all();
        } else if let Some(icon) = &mut self.cursor.drag_icon
            && icon.surface == root
        {
            if let Some(delta) = delta(&icon.surface) {
                icon.offset += delta;
            }
            self.outputs.queue_all();
        }
    }
}

impl ShmHandler for State {
    fn shm_state(&self) -> &ShmState {
        &self.protocols.shm
    }
}

impl DmabufHandler for State {
    fn dmabuf_state(&mut self) -> &mut DmabufState {
        &mut self.protocols.dmabuf
    }

    fn dmabuf_imported(&mut self, _: &DmabufGlobal, dmabuf: Dmabuf, notifier: ImportNotifier) {
        if self.backend.import_dmabuf(&dmabuf) {
            let _ = notifier.successful::<Self>();
        } else {
            notifier.failed();
        }
    }
}

impl SeatHandler for State {
    type KeyboardFocus = KeyFocus;
    type PointerFocus = WlSurface;
    type TouchFocus = WlSurface;

    fn seat_state(&mut self) -> &mut SeatState<Self> {
        &mut self.protocols.seat
    }

    fn focus_changed(&mut self, seat: &Seat<Self>, focus: Option<&KeyFocus>) {
        let client = focus.and_then(|focus| focus.surface().client());
        set_data_device_focus(&self.display, seat, client.clone());
        set_primary_focus(&self.display, seat, client);
    }

    fn cursor_image(&mut self, _: &Seat<Self>, image: CursorImageStatus) {
        self.cursor.set_status(image);
        self.queue_pointer_output();
    }

    fn led_state_changed(&mut self, _: &Seat<Self>, leds: LedState) {
        self.backend.set_leds(leds);
    }
}

impl OutputHandler for State {}

impl FractionalScaleHandler for State {
    fn new_fractional_scale(&mut self, surface: WlSurface) {
        self.announce_scale(&surface);
    }
}

impl XdgActivationHandler for State {
    fn activation_state(&mut self) -> &mut XdgActivationState {
        &mut self.protocols.activation
    }

    fn token_created(&mut self, _: XdgActivationToken, data: XdgActivationTokenData) -> bool {
        let activation = &mut self.protocols.activation;
        activation.retain_tokens(|_, token| token.timestamp.elapsed().as_secs() < ACTIVATION_VALID);
        let own = activation
            .tokens()
            .filter(|(_, token)| token.client_id == data.client_id)
            .count();
        if own >= Limits::PUBLIC.tokens {
            return false;
        }
        // Only who is being used may hand the focus on.
        data.serial.is_some_and(|(serial, seat)| {
            Seat::<Self>::from_resource(&seat) == Some(self.seat.clone())
                && self
                    .keyboard
                    .last_enter()
                    .is_some_and(|enter| serial.is_no_older_than(&enter))
        })
    }

    fn request_activation(
        &mut self,
        token: XdgActivationToken,
        data: XdgActivationTokenData,
        surface: WlSurface,
    ) {
        if data.timestamp.elapsed().as_secs() < ACTIVATION_VALID
            && let Some(id) = self.windows.by_surface(&surface).map(|managed| managed.id)
        {
            self.focus_window(id);
        }
        self.protocols.activation.remove_token(&token);
    }
}

impl XdgShellHandler for State {
    fn xdg_shell_state(&mut self) -> &mut XdgShellState {
        &mut self.protocols.xdg_shell
    }

    fn new_toplevel(&mut self, surface: ToplevelSurface) {
        self.announce_scale(surface.wl_surface());
        Self::watch_for_farewell(&surface);
        self.windows
            .add(Window::new_wayland_window(surface.clone()));
        self.recall_decoration(&surface);
    }

    fn toplevel_destroyed(&mut self, surface: ToplevelSurface) {
        let gone = self.windows.by_surface(surface.wl_surface());
        if let Some(id) = gone.map(|managed| managed.id) {
            self.see_off(id);
            if self.windows.remove(id).is_some() {
                self.update_pointer_focus();
                self.outputs.queue_all();
            }
        }
    }

    fn new_popup(&mut self, surface: PopupSurface, _: PositionerState) {
        if !self.may_pop_up(&surface) {
            return;
        }
        self.announce_scale(surface.wl_surface());
        self.unconstrain_popup(&surface);
        if let Err(error) = self.popups.track_popup(PopupKind::from(surface)) {
            tracing::warn!("popup: {error}");
        }
    }

    fn popup_destroyed(&mut self, _: PopupSurface) {
        // As long as there is a surface that the pointer can be told to have left.
        self.update_pointer_focus();
        self.outputs.queue_all();
    }

    fn reposition_request(
        &mut self,
        surface: PopupSurface,
        positioner: PositionerState,
        token: u32,
    ) {
        surface.with_pending_state(|pending| {
            pending.geometry = positioner.get_geometry();
            pending.positioner = positioner;
        });
        self.unconstrain_popup(&surface);
        let unanswered = with_states(surface.wl_surface(), |states| {
            states
                .data_map
                .get::<XdgPopupSurfaceData>()
                .and_then(|data| Some(data.lock().ok()?.pending_configures().len()))
                .unwrap_or(0)
        });
        if Self::may_be_told(surface.xdg_popup(), unanswered) {
            surface.send_repositioned(token);
        }
    }

    fn grab(&mut self, surface: PopupSurface, seat: WlSeat, serial: Serial) {
        let Some(seat) = Seat::<Self>::from_resource(&seat) else {
            return;
        };
        let popup = PopupKind::Xdg(surface);
        let Ok(root) = find_popup_root_surface(&popup) else {
            return;
        };
        if self.windows.by_surface(&root).is_none() && self.layer_of(&root).is_none() {
            return;
        }
        if self.is_locked()
            || self
                .exclusive_layer()
                .is_some_and(|layer| *layer.wl_surface() != root)
        {
            // Whoever has the keyboard exclusively does not lose it to somebody's menu.
            let _ = smithay::desktop::PopupManager::dismiss_popup(&root, &popup);
            return;
        }
        let Ok(mut grab) = self.popups.grab_popup(root.into(), popup, &seat, serial) else {
            return;
        };
        let (keyboard, pointer) = (self.keyboard.clone(), self.pointer.clone());
        let previous = grab.previous_serial().unwrap_or(serial);
        if (keyboard.is_grabbed()
            && !self.is_composing()
            && !keyboard.has_grab(serial)
            && !keyboard.has_grab(previous))
            || (pointer.is_grabbed() && !pointer.has_grab(serial) && !pointer.has_grab(previous))
        {
            grab.ungrab(PopupUngrabStrategy::All);
            return;
        }
        keyboard.set_focus(self, grab.current_grab(), serial);
        keyboard.set_grab(self, PopupKeyboardGrab::new(&grab), serial);
        pointer.set_grab(self, PopupPointerGrab::new(&grab), serial, Focus::Keep);
        self.menu = Some(grab);
    }

    fn move_request(&mut self, surface: ToplevelSurface, _: WlSeat, serial: Serial) {
        if let Some(start) = self.drag_start(surface.wl_surface(), serial)
            && let Some(id) = self
                .windows
                .by_surface(surface.wl_surface())
                .map(|managed| managed.id)
        {
            self.begin_move(id, start, serial);
        }
    }

    fn resize_request(
        &mut self,
        surface: ToplevelSurface,
        _: WlSeat,
        serial: Serial,
        edges: xdg_toplevel::ResizeEdge,
    ) {
        use xdg_toplevel::ResizeEdge as E;
        let edges = Edges {
            left: matches!(edges, E::Left | E::TopLeft | E::BottomLeft),
            right: matches!(edges, E::Right | E::TopRight | E::BottomRight),
            top: matches!(edges, E::Top | E::TopLeft | E::TopRight),
            bottom: matches!(edges, E::Bottom | E::BottomLeft | E::BottomRight),
        };
        if let Some(start) = self.drag_start(surface.wl_surface(), serial)
            && let Some(id) = self
                .windows
                .by_surface(surface.wl_surface())
                .map(|managed| managed.id)
        {
            self.begin_resize(id, start, edges, serial);
        }
    }

    fn maximize_request(&mut self, surface: ToplevelSurface) {
        self.want(
            &surface,
            |managed| managed.wants_maximised = true,
            |layout, id| {
                layout.set_maximised(id, true);
            },
        );
    }

    fn unmaximize_request(&mut self, surface: ToplevelSurface) {
        self.want(
            &surface,
            |managed| managed.wants_maximised = false,
            |layout, id| {
                layout.set_maximised(id, false);
            },
        );
    }

    fn fullscreen_request(&mut self, surface: ToplevelSurface, _: Option<WlOutput>) {
        self.want(
            &surface,
            |managed| managed.wants_fullscreen = true,
            |layout, id| {
                layout.set_fullscreen(id, true);
            },
        );
    }

    fn unfullscreen_request(&mut self, surface: ToplevelSurface) {
        self.want(
            &surface,
            |managed| managed.wants_fullscreen = false,
            |layout, id| {
                layout.set_fullscreen(id, false);
            },
        );
    }

    fn minimize_request(&mut self, surface: ToplevelSurface) {
        if let Some(id) = self
            .windows
            .by_surface(surface.wl_surface())
            .map(|managed| managed.id)
        {
            self.change_layout(|layout| layout.set_minimised(id, true));
        }
    }

    fn app_id_changed(&mut self, surface: ToplevelSurface) {
        let app_id = attribute(&surface, |data| data.app_id.clone());
        if let Some(managed) = self.windows.by_surface_mut(surface.wl_surface()) {
            managed.app_id = app_id;
        }
    }

    fn title_changed(&mut self, surface: ToplevelSurface) {
        let title = attribute(&surface, |data| data.title.clone());
        if let Some(managed) = self.windows.by_surface_mut(surface.wl_surface()) {
            managed.title = title;
        }
    }

    fn parent_changed(&mut self, surface: ToplevelSurface) {
        if let Some(managed) = self.windows.by_surface(surface.wl_surface()) {
            let (id, parent) = (managed.id, self.windows.parent_of(managed));
            self.windows.layout.set_parent(id, parent);
        }
    }
}

/// A popup is where it was told to be last, whatever its client answered.
fn take_place(popup: &PopupSurface) {
    with_states(popup.wl_surface(), |states| {
        let data = states.data_map.get::<XdgPopupSurfaceData>();
        if let Some(Ok(mut data)) = data.map(|data| data.lock()) {
            data.current = *data.current_server_state();
        }
    });
}

/// How many configures of a window were not answered.
pub(crate) fn unanswered(surface: &WlSurface) -> usize {
    with_states(surface, |states| {
        states
            .data_map
            .get::<XdgToplevelSurfaceData>()
            .and_then(|data| Some(data.lock().ok()?.pending_configures().len()))
            .unwrap_or(0)
    })
}

/// A client asked for something of its window, and is told what it is now.
fn answer(toplevel: &ToplevelSurface) {
    let unanswered = unanswered(toplevel.wl_surface());
    if State::may_be_told(toplevel.xdg_toplevel(), unanswered) {
        toplevel.send_configure();
    }
}

/// A text that the client set on its toplevel.
fn attribute(
    surface: &ToplevelSurface,
    read: impl Fn(&smithay::wayland::shell::xdg::XdgToplevelSurfaceRoleAttributes) -> Option<String>,
) -> String {
    let text = with_states(surface.wl_surface(), |states| {
        states
            .data_map
            .get::<XdgToplevelSurfaceData>()
            .and_then(|data| read(&*data.lock().ok()?))
    });
    presentable(&text.unwrap_or_default())
}

/// A text of a client's, cut to a length that is shown and sent in good time.
pub(crate) fn presentable(text: &str) -> String {
    const LONGEST: usize = 512;
    text.chars()
        .filter(|c| !c.is_control())
        .take(LONGEST)
        .collect()
}

impl State {
    /// A client asks to fill the screen or stop that: before it has content it is remembered.
    fn want(
        &mut self,
        surface: &ToplevelSurface,
        remember: impl FnOnce(&mut crate::windows::Managed),
        change: impl FnOnce(&mut crate::layout::Layout, crate::layout::WindowId),
    ) {
        let Some(managed) = self.windows.by_surface_mut(surface.wl_surface()) else {
            return;
        };
        remember(managed);
        let (id, mapped) = (managed.id, managed.mapped);
        if mapped {
            let before = self.windows.layout.revision(id);
            self.change_layout(|layout| change(layout, id));
            if self.windows.layout.revision(id) == before {
                // Nothing changed, but the protocol promises an answer.
                answer(surface);
            }
        } else if surface.is_initial_configure_sent() {
            answer(surface);
        }
    }

    /// Whether a client may be told one more thing that it asked for, not having answered so many before.
    fn may_be_told(object: &impl Resource, unanswered: usize) -> bool {
        let Some(client) = object.client() else {
            return false;
        };
        let most = Limits::of(&client).configures;
        if unanswered >= most {
            limits::refuse(
                object,
                "configures that it asked for and did not answer",
                most,
            );
        }
        unanswered < most
    }

    /// Whether a popup may belong to the one that it says it belongs to.
    pub(crate) fn may_pop_up(&self, popup: &PopupSurface) -> bool {
        let parent = |surface: &WlSurface| {
            with_states(surface, |states| {
                let data = states.data_map.get::<XdgPopupSurfaceData>()?;
                data.lock().ok()?.parent.clone()
            })
        };
        let above = std::iter::successors(parent(popup.wl_surface()), parent);
        let (depth, Some(client)) = (above.count(), popup.wl_surface().client()) else {
            return false;
        };
        let most = Limits::of(&client).popup_depth;
        if depth > most {
            limits::refuse(popup.xdg_popup(), "popups of popups", most);
        }
        depth <= most
    }

    /// The output on which a popup's parent is, relative to the parent's geometry.
    pub(crate) fn popup_bounds(&self, popup: &PopupKind) -> Option<Rect> {
        let root = find_popup_root_surface(popup).ok()?;
        let mut bounds;
        if let Some(managed) = self.windows.by_surface(&root) {
            let layout = &self.windows.layout;
            let output = self.outputs.get(layout.output_of(managed.id)?)?;
            bounds = geometry(output);
            bounds.loc -= layout.client(managed.id)?.loc;
        } else {
            let (layer, output) = self.layer_of(&root)?;
            let place = layer_map_for_output(&output)
                .layer_geometry(&layer)
                .unwrap_or_default();
            bounds = geometry(&output);
            bounds.loc = (-place.loc.x, -place.loc.y).into();
        }
        bounds.loc -= get_popup_toplevel_coords(popup);
        Some(bounds)
    }

    /// Keeps a popup on the output of its parent.
    pub(crate) fn unconstrain_popup(&self, popup: &PopupSurface) {
        if let Some(bounds) = self.popup_bounds(&PopupKind::Xdg(popup.clone())) {
            popup.with_pending_state(|pending| {
                pending.geometry = pending.positioner.get_unconstrained_geometry(bounds);
            });
        }
    }
}

delegate_dmabuf!(State);
delegate_seat!(State);
delegate_output!(State);
delegate_fractional_scale!(State);
delegate_cursor_shape!(State);
delegate_single_pixel_buffer!(State);
delegate_xdg_activation!(State);
