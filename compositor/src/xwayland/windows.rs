//! The windows of X programs: what they ask of the window manager, which the compositor is, and what it
//! tells them.
//!
//! A window is [managed](crate::windows::Managed) from when its program maps it until it unmaps it, and in
//! the layout from the first picture on, as Wayland's are. Its place is the layout's: a program may ask
//! for another one only while it floats. X windows that nobody manages (menus, tooltips: *override-redirect*)
//! place themselves; they are drawn above all windows, and have the keyboard only if no other window of X
//! programs has it.
//!
//! What the X server says and hears is in pixels of its screen; [`scale`](super::scale) converts.

use smithay::{
    desktop::Window,
    input::pointer::GrabStartData,
    reexports::wayland_server::{Resource, protocol::wl_surface::WlSurface},
    utils::{Logical, Rectangle, SERIAL_COUNTER},
    wayland::{
        selection::SelectionTarget,
        xdg_activation::XdgActivationToken,
        xwayland_shell::{XWaylandShellHandler, XWaylandShellState},
    },
    xwayland::{
        X11Surface, X11Wm, XwmHandler,
        xwm::{Reorder, ResizeEdge, WmWindowProperty, WmWindowType, X11Window, XwmId},
    },
};

use crate::{
    focus::KeyFocus,
    handlers::presentable,
    layout::{Edges, Layout, Limits, Mode, Rect, WindowId},
    state::State,
    windows::{Managed, has_content},
};

pub(crate) use super::scale::{Factor, PixelRect, correction, origin, place, wayland_side};
use super::scale::{LARGEST, from_x, size_from_x, to_x};

/// What an X window was told last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) place: PixelRect,
    pub(crate) active: bool,
    pub(crate) mode: Mode,
    pub(crate) minimised: bool,
}

impl Told {
    /// Tells a window. Where the server is gone it cannot be told, and there is nobody to tell.
    pub(crate) fn tell(self, window: &X11Surface) {
        let fullscreen = matches!(self.mode, Mode::Fullscreen { .. });
        let told = window.configure(to_x(self.place)).and_then(|()| {
            window.set_activated(self.active)?;
            window.set_maximized(self.mode == Mode::Maximised)?;
            window.set_fullscreen(fullscreen)?;
            Ok(window.set_suspended(self.minimised)?)
        });
        if let Err(error) = told {
            tracing::debug!("an X window was not told: {error}");
        }
    }
}

/// Whether two stand for the same X window, be it there or gone.
pub(crate) fn is_same(one: &X11Surface, other: &X11Surface) -> bool {
    one.window_id() == other.window_id() && one.xwm_id() == other.xwm_id()
}

/// What windows of a kind are like.
fn kind(window: &X11Surface) -> WmWindowType {
    let dialog = window.is_transient_for().is_some();
    let otherwise = if dialog {
        WmWindowType::Dialog
    } else {
        WmWindowType::Normal
    };
    window.window_type().unwrap_or(otherwise)
}

/// Whether a window has a title bar of the compositor's, as far as its program says.
pub(crate) fn is_decorated(window: &X11Surface) -> bool {
    use WmWindowType::{Dialog, Normal, Utility};
    // Smithay calls those decorated whose programs do that themselves.
    matches!(kind(window), Normal | Dialog | Utility) && !window.is_decorated()
}

/// Whether a window floats on a workspace that tiles, if its kind says so.
pub(crate) fn floats(window: &X11Surface) -> Option<bool> {
    (kind(window) != WmWindowType::Normal).then_some(true)
}

/// Whether a window opens without taking the focus.
pub(crate) fn is_unfocused(window: &X11Surface) -> bool {
    use WmWindowType::{Notification, Splash, Tooltip};
    matches!(kind(window), Notification | Splash | Tooltip)
}

/// The sizes that a window's program accepts.
pub(crate) fn limits(window: &X11Surface) -> Limits {
    let (min, max) = (window.min_size(), window.max_size());
    Factor::of(window).to_limits(min.map(size_from_x), max.map(size_from_x))
}

/// Whether the person told a window's program where its content begins.
pub(crate) fn is_placed_by_person(window: &X11Surface) -> bool {
    use smithay::reexports::x11rb::properties::WmSizeHintsSpecification::UserSpecified;
    window
        .size_hints()
        .and_then(|hints| hints.position)
        .is_some_and(|(specified, ..)| matches!(specified, UserSpecified))
}

impl State {
    fn by_x11(&self, window: &X11Surface) -> Option<&Managed> {
        self.windows.by_x11(window)
    }

    /// Its window, if it is in the layout.
    fn mapped_x11(&self, window: &X11Surface) -> Option<WindowId> {
        let managed = self.by_x11(window)?;
        managed.mapped.then_some(managed.id)
    }

    /// Reads what an X window says of itself.
    fn read_x11(&mut self, window: &X11Surface) {
        let Some(managed) = self.windows.by_x11_mut(window) else {
            return;
        };
        let class = window.class();
        let name = if class.is_empty() {
            window.instance()
        } else {
            class
        };
        managed.app_id = presentable(&name);
        managed.title = presentable(&window.title());
        managed.decorated = is_decorated(window);
        if !managed.mapped {
            return;
        }
        let (id, bar, limits) = (managed.id, managed.bar(), managed.limits());
        let layout = &mut self.windows.layout;
        layout.set_title_bar(id, bar);
        layout.set_limits(id, limits);
    }

    /// A window of an X program was drawn, or is known to be drawn by a surface.
    pub(crate) fn x11_drawn(&mut self, id: WindowId) {
        let Some(managed) = self.windows.get(id) else {
            return;
        };
        let content = managed
            .surface()
            .is_some_and(|surface| has_content(&surface));
        if content && !managed.mapped {
            self.map(id);
        }
    }

    fn unmanage_x11(&mut self, window: &X11Surface) {
        if let Some(id) = self.windows.by_x11(window).map(|managed| managed.id) {
            self.see_off(id);
        }
        self.windows.remove_x11(window);
        self.outputs.queue_all();
    }

    /// All windows of X programs are gone.
    pub(super) fn forget_x11_windows(&mut self) {
        self.windows.remove_all_x11();
        self.outputs.queue_all();
    }

    /// A program asks to fill the screen or stop that.
    fn x11_wants(
        &mut self,
        window: &X11Surface,
        remember: impl FnOnce(&mut Managed),
        change: impl FnOnce(&mut Layout, WindowId),
    ) {
        let Some(managed) = self.windows.by_x11_mut(window) else {
            return;
        };
        remember(managed);
        let (id, mapped) = (managed.id, managed.mapped);
        if mapped {
            self.change_layout(|layout| change(layout, id));
        }
    }

    /// The press by which a program wants its window to be dragged: it must be on one of its own, as far
    /// as can be told.
    fn x11_drag_start(&self) -> Option<GrabStartData<Self>> {
        let start = self.pointer.grab_start_data()?;
        let (pressed, _) = start.focus.as_ref()?;
        let client = &self.xwayland.server.as_ref()?.client;
        (pressed.client().as_ref() == Some(client)).then_some(start)
    }

    /// Tells the server in which order windows lie, which is what its programs see.
    pub(crate) fn stack_x11(&mut self) {
        let layout = &self.windows.layout;
        let windows: Vec<_> = layout
            .visible()
            .filter_map(|id| self.windows.get(id)?.window.x11_surface().cloned())
            .collect();
        let order: Vec<_> = windows.iter().map(X11Surface::window_id).collect();
        if order == self.xwayland.order {
            return;
        }
        let Some(manager) = self.xwayland.manager() else {
            return;
        };
        // Smithay's *downwards* goes from the topmost window down.
        if let Err(error) = manager.update_stacking_order_downwards(windows.iter()) {
            tracing::debug!("the order of X windows was not told: {error}");
        }
        self.xwayland.order = order;
    }

    fn count_x11(&mut self, window: &X11Surface, there: bool) {
        if let Some(server) = &mut self.xwayland.server {
            if there {
                let client = server.client.clone();
                window.user_data().insert_if_missing(|| client);
                server.windows.insert(window.window_id());
            } else {
                server.windows.remove(&window.window_id());
            }
            self.end_x11_server_if_unused();
        }
    }
}

impl XwmHandler for State {
    fn xwm_state(&mut self, id: XwmId) -> &mut X11Wm {
        let mut managers = self.xwayland.managers.iter_mut();
        managers
            .find(|wm| wm.id() == id)
            .expect("a window manager is kept as long as it can be asked for")
    }

    fn new_window(&mut self, _: XwmId, window: X11Surface) {
        self.count_x11(&window, true);
    }

    fn new_override_redirect_window(&mut self, _: XwmId, window: X11Surface) {
        self.count_x11(&window, true);
    }

    fn map_window_request(&mut self, xwm: XwmId, window: X11Surface) {
        if !self.xwayland.is_current(xwm) || self.by_x11(&window).is_some() {
            return;
        }
        let id = self.windows.add(Window::new_x11_window(window.clone()));
        self.read_x11(&window);
        self.x11_wishes(id);
        if let Err(error) = window.set_mapped(true) {
            tracing::debug!("an X window is not shown: {error}");
        }
        // Only now, when the server has all that the window manager said: that holds the server for itself
        // meanwhile, and what asks it would wait for ever.
        self.read_x11_hints_of(window.window_id());
    }

    fn map_window_notify(&mut self, _: XwmId, _: X11Surface) {
        // The server puts it on top, wherever it is here.
        self.xwayland.order.clear();
    }

    fn mapped_override_redirect_window(&mut self, xwm: XwmId, window: X11Surface) {
        if self.xwayland.is_current(xwm) {
            self.windows.add_override(Window::new_x11_window(window));
            self.outputs.queue_all();
        }
    }

    fn unmapped_window(&mut self, _: XwmId, window: X11Surface) {
        self.unmanage_x11(&window);
    }

    fn destroyed_window(&mut self, _: XwmId, window: X11Surface) {
        self.unmanage_x11(&window);
        self.count_x11(&window, false);
    }

    fn configure_request(
        &mut self,
        _: XwmId,
        window: X11Surface,
        x: Option<i32>,
        y: Option<i32>,
        w: Option<u32>,
        h: Option<u32>,
        _: Option<Reorder>,
    ) {
        let mut asked = from_x(window.geometry());
        let side = |side: u32| i32::try_from(side).unwrap_or(LARGEST).clamp(1, LARGEST);
        asked.loc.x = x.unwrap_or(asked.loc.x);
        asked.loc.y = y.unwrap_or(asked.loc.y);
        asked.size.w = w.map_or(asked.size.w, side);
        asked.size.h = h.map_or(asked.size.h, side);
        let Some(id) = self.mapped_x11(&window) else {
            if let Err(error) = window.configure(to_x(asked)) {
                tracing::debug!("an X window is not configured: {error}");
            }
            return;
        };
        let layout = &self.windows.layout;
        if layout.mode(id) != Some(Mode::Normal) || layout.is_fitted(id) {
            return;
        }
        let Some(now) = layout.client(id) else {
            return;
        };
        let bar = layout.title_bar(id);
        // What it does not ask for stays as it is, whatever it was told last.
        let asked = Factor::of(&window).to_logical(asked);
        let size = (
            w.map_or(now.size.w, |_| asked.size.w),
            h.map_or(now.size.h, |_| asked.size.h),
        );
        let at = (
            x.map_or(now.loc.x, |_| asked.loc.x),
            y.map_or(now.loc.y, |_| asked.loc.y),
        );
        self.change_layout(|layout| {
            if now.size != size.into() {
                layout.set_floating_size(id, (size.0, size.1 + bar).into());
            }
            if now.loc != at.into() {
                layout.move_to(id, (at.0, at.1 - bar).into());
            }
        });
        // A program that moves its window does so step by step.
        self.windows.put(id);
    }

    fn configure_notify(
        &mut self,
        _: XwmId,
        window: X11Surface,
        _: Rectangle<i32, Logical>,
        _: Option<X11Window>,
    ) {
        if window.is_override_redirect() {
            self.outputs.queue_all();
        }
    }

    fn property_notify(&mut self, _: XwmId, window: X11Surface, property: WmWindowProperty) {
        match property {
            WmWindowProperty::StartupId => self.activate_x11(&window),
            WmWindowProperty::TransientFor => {
                if let Some(managed) = self.by_x11(&window) {
                    let (id, parent) = (managed.id, self.windows.parent_of(managed));
                    self.windows.layout.set_parent(id, parent);
                }
            }
            _ => self.read_x11(&window),
        }
    }

    fn maximize_request(&mut self, _: XwmId, window: X11Surface) {
        self.x11_wants(
            &window,
            |managed| managed.wants_maximised = true,
            |layout, id| layout.set_maximised(id, true),
        );
    }

    fn unmaximize_request(&mut self, _: XwmId, window: X11Surface) {
        self.x11_wants(
            &window,
            |managed| managed.wants_maximised = false,
            |layout, id| layout.set_maximised(id, false),
        );
    }

    fn fullscreen_request(&mut self, _: XwmId, window: X11Surface) {
        self.x11_wants(
            &window,
            |managed| managed.wants_fullscreen = true,
            |layout, id| layout.set_fullscreen(id, true),
        );
    }

    fn unfullscreen_request(&mut self, _: XwmId, window: X11Surface) {
        self.x11_wants(
            &window,
            |managed| managed.wants_fullscreen = false,
            |layout, id| layout.set_fullscreen(id, false),
        );
    }

    fn minimize_request(&mut self, _: XwmId, window: X11Surface) {
        self.x11_wants(&window, |_| {}, |layout, id| layout.set_minimised(id, true));
    }

    fn unminimize_request(&mut self, _: XwmId, window: X11Surface) {
        self.x11_wants(
            &window,
            |_| {},
            |layout, id| layout.set_minimised(id, false),
        );
    }

    fn resize_request(&mut self, _: XwmId, window: X11Surface, _: u32, edge: ResizeEdge) {
        use ResizeEdge as E;
        let edges = Edges {
            left: matches!(edge, E::Left | E::TopLeft | E::BottomLeft),
            right: matches!(edge, E::Right | E::TopRight | E::BottomRight),
            top: matches!(edge, E::Top | E::TopLeft | E::TopRight),
            bottom: matches!(edge, E::Bottom | E::BottomLeft | E::BottomRight),
        };
        if let Some((id, start)) = self.mapped_x11(&window).zip(self.x11_drag_start()) {
            self.begin_resize(id, start, edges, SERIAL_COUNTER.next_serial());
        }
    }

    fn move_request(&mut self, _: XwmId, window: X11Surface, _: u32) {
        if let Some((id, start)) = self.mapped_x11(&window).zip(self.x11_drag_start()) {
            self.begin_move(id, start, SERIAL_COUNTER.next_serial());
        }
    }

    fn allow_selection_access(&mut self, _: XwmId, _: SelectionTarget) -> bool {
        self.x11_may_paste()
    }

    fn send_selection(
        &mut self,
        _: XwmId,
        selection: SelectionTarget,
        mime_type: String,
        fd: std::os::fd::OwnedFd,
    ) {
        self.send_to_x11(selection, mime_type, fd);
    }

    fn new_selection(&mut self, xwm: XwmId, selection: SelectionTarget, mime_types: Vec<String>) {
        if self.xwayland.is_current(xwm) {
            self.x11_selected(selection, mime_types);
        }
    }

    fn cleared_selection(&mut self, _: XwmId, selection: SelectionTarget) {
        self.x11_deselected(selection);
    }

    fn disconnected(&mut self, id: XwmId) {
        if self.xwayland.is_current(id) {
            tracing::info!("Xwayland ended");
            self.x11_server_ended();
        }
        self.forget_manager(id);
    }
}

impl State {
    /// What rules and the program want of a window before it is shown: it is asked for its first size.
    fn x11_wishes(&mut self, id: WindowId) {
        let rules = &self.config.rules;
        let Some(managed) = self.windows.get_mut(id) else {
            return;
        };
        managed.follow_rules(rules);
        if let Some((size, window)) = managed.wished_size().zip(managed.window.x11_surface()) {
            let mut wished = from_x(window.geometry());
            let place = Rect::from_size(size);
            wished.size = Factor::of(window).to_pixels(place).size;
            if let Err(error) = window.configure(to_x(wished)) {
                tracing::debug!("an X window is not configured: {error}");
            }
        }
    }

    /// A program that was handed the focus by another one (a browser that opens a link) names the token.
    fn activate_x11(&mut self, window: &X11Surface) {
        let token = window.startup_id().map(XdgActivationToken::from);
        let Some((token, id)) = token.zip(self.mapped_x11(window)) else {
            return;
        };
        let activation = &mut self.protocols.activation;
        if let Some(data) = activation.data_for_token(&token)
            && data.timestamp.elapsed().as_secs() < crate::handlers::ACTIVATION_VALID
        {
            activation.remove_token(&token);
            self.focus_window(id);
        }
    }
}

impl XWaylandShellHandler for State {
    fn xwayland_shell_state(&mut self) -> &mut XWaylandShellState {
        &mut self.xwayland.shell
    }

    fn surface_associated(&mut self, _: XwmId, surface: WlSurface, window: X11Surface) {
        self.announce_scale(&surface);
        // Its first picture may have come before this was known.
        if let Some(id) = self.by_x11(&window).map(|managed| managed.id) {
            self.x11_drawn(id);
        }
        self.outputs.queue_all();
    }
}

impl State {
    /// The X window that places itself and is to have the keyboard: the topmost that takes keys (as
    /// programs that choose from a list, started by a key).
    pub(crate) fn x11_override_focus(&self) -> Option<KeyFocus> {
        let takes_keys = |window: &&X11Surface| {
            let hints = window.hints().and_then(|hints| hints.input);
            kind(window) == WmWindowType::Normal && hints != Some(false)
        };
        let mut windows = self.windows.overrides().map(|(_, window)| window);
        let window = windows.find(takes_keys)?;
        let surface = window.wl_surface().filter(has_content)?;
        Some(KeyFocus::x11(window.clone(), surface))
    }
}
