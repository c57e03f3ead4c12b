//! The windows: clients' toplevels, and the carrying of the layout's answers to them.
//!
//! A toplevel is here from its creation to its destruction; it is in the [`Layout`] only while it
//! has content.

use smithay::{
    backend::renderer::{
        ImportAll, ImportMem, Renderer,
        element::{Kind, memory::MemoryRenderBufferRenderElement, solid::SolidColorRenderElement},
        utils::with_renderer_surface_state,
    },
    desktop::{Window, WindowSurfaceType, space::SpaceElement},
    output::Output,
    reexports::{
        wayland_protocols::xdg::{
            decoration::zv1::server::zxdg_toplevel_decoration_v1::Mode as DecorationMode,
            shell::server::xdg_toplevel,
        },
        wayland_server::protocol::wl_surface::WlSurface,
    },
    utils::{Logical, Physical, Point, Rectangle, Scale},
    wayland::{
        compositor::with_states,
        shell::xdg::{SurfaceCachedState, ToplevelSurface, XdgToplevelSurfaceData},
    },
};

use crate::{
    decoration::{self, Borders, Button, TITLE_BAR, TitleBar},
    layout::{Layout, Limits, Mode, Rect, WindowId},
    outputs::geometry,
    render::{Element, window_tree},
    state::State,
};

/// A toplevel and what the compositor adds to it.
#[derive(Debug)]
pub(crate) struct Managed {
    pub(crate) id: WindowId,
    pub(crate) window: Window,
    pub(crate) app_id: String,
    pub(crate) title: String,
    /// It has content and is in the layout.
    pub(crate) mapped: bool,
    /// The client lets the compositor draw the title bar.
    pub(crate) decorated: bool,
    /// Asked for before it had content.
    pub(crate) wants_maximised: bool,
    /// Asked for before it had content.
    pub(crate) wants_fullscreen: bool,
    pub(crate) title_bar: Option<TitleBar>,
    pub(crate) borders: Borders,
    /// The button under the pointer.
    pub(crate) hovered: Option<Button>,
    /// The layout's revision and the activation that the client was told last.
    told: Option<(u64, bool)>,
}

impl Managed {
    pub(crate) fn toplevel(&self) -> Option<&ToplevelSurface> {
        self.window.toplevel()
    }
}

/// All windows.
#[derive(Debug)]
pub(crate) struct Windows {
    pub(crate) layout: Layout,
    list: Vec<Managed>,
    next: u64,
}

impl Windows {
    pub(crate) fn new(workspaces: usize) -> Self {
        Self {
            layout: Layout::new(workspaces),
            list: Vec::new(),
            next: 1,
        }
    }

    pub(crate) fn get(&self, id: WindowId) -> Option<&Managed> {
        self.list.iter().find(|managed| managed.id == id)
    }

    pub(crate) fn get_mut(&mut self, id: WindowId) -> Option<&mut Managed> {
        self.list.iter_mut().find(|managed| managed.id == id)
    }

    /// Has every title bar drawn anew.
    pub(crate) fn forget_title_bars(&mut self) {
        for managed in &mut self.list {
            managed.title_bar = None;
        }
    }

    /// The window whose toplevel has this surface.
    pub(crate) fn by_surface(&self, surface: &WlSurface) -> Option<&Managed> {
        self.list.iter().find(|managed| {
            managed
                .toplevel()
                .is_some_and(|t| t.wl_surface() == surface)
        })
    }

    pub(crate) fn by_surface_mut(&mut self, surface: &WlSurface) -> Option<&mut Managed> {
        self.list.iter_mut().find(|managed| {
            managed
                .toplevel()
                .is_some_and(|t| t.wl_surface() == surface)
        })
    }

    pub(crate) fn surface(&self, id: WindowId) -> Option<WlSurface> {
        Some(self.get(id)?.toplevel()?.wl_surface().clone())
    }

    /// Takes a new toplevel in; it has no content yet.
    pub(crate) fn add(&mut self, toplevel: ToplevelSurface) {
        let id = WindowId(self.next);
        self.next += 1;
        self.list.push(Managed {
            id,
            window: Window::new_wayland_window(toplevel),
            app_id: String::new(),
            title: String::new(),
            mapped: false,
            decorated: false,
            wants_maximised: false,
            wants_fullscreen: false,
            title_bar: None,
            borders: Borders::default(),
            hovered: None,
            told: None,
        });
    }

    /// The toplevel is gone. Returns where its frame was, if it was on the screen.
    pub(crate) fn remove(&mut self, surface: &WlSurface) -> Option<Rect> {
        let id = self.by_surface(surface)?.id;
        let frame = self.layout.frame(id).filter(|_| self.layout.is_visible(id));
        self.layout.remove(id);
        self.list.retain(|managed| managed.id != id);
        frame
    }

    /// The pointer is over this button, or over none.
    pub(crate) fn set_hovered(&mut self, over: Option<(WindowId, Button)>) {
        for managed in &mut self.list {
            managed.hovered = over
                .filter(|(id, _)| *id == managed.id)
                .map(|(_, button)| button);
        }
    }

    pub(crate) fn output_gone(&self, output: &Output) {
        for managed in &self.list {
            managed.window.output_leave(output);
        }
    }

    /// Visible windows that are mostly on the output with that index.
    pub(crate) fn visible_on(&self, output: usize) -> impl Iterator<Item = &Window> {
        self.layout
            .visible()
            .filter(move |id| self.layout.output_of(*id) == Some(output))
            .filter_map(|id| Some(&self.get(id)?.window))
    }

    /// Where the surface's own origin is drawn, which for clients with shadows of their own is
    /// left and above of the content.
    pub(crate) fn origin(&self, id: WindowId) -> Option<Point<i32, Logical>> {
        Some(self.layout.client(id)?.loc - self.get(id)?.window.geometry().loc)
    }

    /// Everything that the window covers, popups and borders included.
    pub(crate) fn extent(&self, id: WindowId) -> Option<Rect> {
        let mut bounds = self.get(id)?.window.bbox_with_popups();
        bounds.loc += self.origin(id)?;
        let mut frame = self.layout.frame(id)?;
        frame.loc -= Point::from((1, 1));
        frame.size += (2, 2).into();
        Some(bounds.merge(frame))
    }

    /// The surface at a point of the global space that belongs to this window, and its origin.
    pub(crate) fn surface_under(
        &self,
        id: WindowId,
        point: Point<f64, Logical>,
    ) -> Option<(WlSurface, Point<f64, Logical>)> {
        let origin = self.origin(id)?;
        let (surface, loc) = self
            .get(id)?
            .window
            .surface_under(point - origin.to_f64(), WindowSurfaceType::ALL)?;
        Some((surface, (loc + origin).to_f64()))
    }

    /// The windows' elements on the output that covers `area`, front to back.
    pub(crate) fn elements<R>(
        &self,
        renderer: &mut R,
        area: Rect,
        scale: Scale<f64>,
        list: &mut Vec<Element<R>>,
    ) where
        R: Renderer + ImportAll + ImportMem,
        R::TextureId: Clone + Send + 'static,
    {
        for id in self.layout.visible() {
            self.window_elements(id, renderer, area, scale, list);
        }
    }

    /// One window's elements, visible or not.
    pub(crate) fn window_elements<R>(
        &self,
        id: WindowId,
        renderer: &mut R,
        area: Rect,
        scale: Scale<f64>,
        list: &mut Vec<Element<R>>,
    ) where
        R: Renderer + ImportAll + ImportMem,
        R::TextureId: Clone + Send + 'static,
    {
        let (Some(managed), Some(frame), Some(origin), Some(extent)) = (
            self.get(id),
            self.layout.frame(id),
            self.origin(id),
            self.extent(id),
        ) else {
            return;
        };
        if !extent.overlaps(area) {
            return;
        }
        let to_output = |point: Point<i32, Logical>| -> Point<i32, Physical> {
            (point - area.loc).to_physical_precise_round(scale)
        };
        let (popups, content) = window_tree(renderer, &managed.window, to_output(origin), scale);
        list.extend(popups);
        if let Some(bar) = &managed.title_bar
            && self.layout.title_bar(id) > 0
        {
            let size = bar.size();
            match MemoryRenderBufferRenderElement::from_buffer(
                renderer,
                to_output(frame.loc).to_f64(),
                bar.buffer(),
                None,
                None,
                Some(size),
                Kind::Unspecified,
            ) {
                Ok(element) => list.push(element.into()),
                Err(error) => tracing::warn!("title bar: {error}"),
            }
        }
        list.extend(content);
        if self.layout.title_bar(id) > 0 {
            for (buffer, loc) in managed.borders.parts(frame) {
                list.push(
                    SolidColorRenderElement::from_buffer(
                        buffer,
                        to_output(loc),
                        scale,
                        1.0,
                        Kind::Unspecified,
                    )
                    .into(),
                );
            }
        }
    }

    /// As the bus shows them, most recently used first.
    pub(crate) fn list(&self) -> Vec<argos_bus::compositor::Window> {
        let focused = self.layout.focused();
        self.layout
            .recent()
            .iter()
            .filter_map(|id| self.get(*id))
            .map(|managed| {
                let frame = self.layout.frame(managed.id).unwrap_or_default();
                argos_bus::compositor::Window {
                    id: managed.id.0,
                    app_id: managed.app_id.clone(),
                    title: managed.title.clone(),
                    workspace: self.layout.workspace(managed.id).unwrap_or(0) as u32 + 1,
                    focused: focused == Some(managed.id),
                    x: frame.loc.x,
                    y: frame.loc.y,
                    width: frame.size.w,
                    height: frame.size.h,
                }
            })
            .collect()
    }
}

/// Whether a surface has content.
pub(crate) fn has_content(surface: &WlSurface) -> bool {
    with_renderer_surface_state(surface, |state| state.buffer().is_some()).unwrap_or(false)
}

/// Whether the client has answered every configure that it was sent.
fn settled(surface: &WlSurface) -> bool {
    with_states(surface, |states| {
        states
            .data_map
            .get::<XdgToplevelSurfaceData>()
            .and_then(|data| {
                data.lock()
                    .ok()
                    .map(|data| data.pending_configures().is_empty())
            })
            .unwrap_or(true)
    })
}

fn limits(surface: &WlSurface) -> Limits {
    with_states(surface, |states| {
        let mut cached = states.cached_state.get::<SurfaceCachedState>();
        let current = cached.current();
        Limits {
            min: current.min_size,
            max: current.max_size,
        }
    })
}

impl State {
    /// A toplevel's surface was committed.
    pub(crate) fn toplevel_committed(&mut self, surface: &WlSurface) {
        let Some(managed) = self.windows.by_surface(surface) else {
            return;
        };
        let (id, mapped, window) = (managed.id, managed.mapped, managed.window.clone());
        let Some(toplevel) = window.toplevel().cloned() else {
            return;
        };
        if !toplevel.is_initial_configure_sent() {
            self.configure_first(id, &toplevel);
            return;
        }
        let content = has_content(surface);
        if content && !mapped {
            self.map(id);
        } else if !content && mapped {
            if let Some(extent) = self.windows.extent(id) {
                self.outputs.queue_rect(extent);
            }
            self.windows.layout.remove(id);
            if let Some(managed) = self.windows.get_mut(id) {
                managed.mapped = false;
                managed.told = None;
                managed.title_bar = None;
            }
        } else if mapped {
            let before = self.windows.layout.frame(id);
            self.windows.layout.set_limits(id, limits(surface));
            self.windows
                .layout
                .drawn(id, window.geometry().size, settled(surface));
            if before != self.windows.layout.frame(id)
                && let Some(before) = before
            {
                self.outputs.queue_rect(before);
            }
        }
    }

    /// The first configure: the client chooses its size unless it asked to fill the screen.
    fn configure_first(&mut self, id: WindowId, toplevel: &ToplevelSurface) {
        let at = self.pointer_at;
        let area = self.outputs.at(at).or(self.outputs.first()).cloned();
        let Some(managed) = self.windows.get(id) else {
            return;
        };
        let (maximised, fullscreen) = (managed.wants_maximised, managed.wants_fullscreen);
        let bar = if managed.decorated { TITLE_BAR } else { 0 };
        toplevel.with_pending_state(|pending| {
            if let Some(output) = &area {
                let full = geometry(output);
                let usable = smithay::desktop::layer_map_for_output(output).non_exclusive_zone();
                let bounds = (usable.size.w.max(1), (usable.size.h - bar).max(1)).into();
                pending.bounds = Some(bounds);
                if fullscreen {
                    pending.size = Some(full.size);
                } else if maximised {
                    pending.size = Some(bounds);
                }
            }
            if fullscreen {
                pending.states.set(xdg_toplevel::State::Fullscreen);
            }
            if maximised {
                pending.states.set(xdg_toplevel::State::Maximized);
            }
        });
        toplevel.send_configure();
    }

    /// A toplevel has content for the first time (again): it gets a place, and the focus.
    fn map(&mut self, id: WindowId) {
        let at = self.pointer_at.to_i32_round();
        let Some(managed) = self.windows.get(id) else {
            return;
        };
        let size = managed.window.geometry().size;
        let bar = if managed.decorated { TITLE_BAR } else { 0 };
        let (maximised, fullscreen) = (managed.wants_maximised, managed.wants_fullscreen);
        let at_output = self.outputs.at(self.pointer_at).or(self.outputs.first());
        // A window that begins by filling the screen has no size of its own to go back to.
        let size = match at_output {
            Some(output) if maximised || fullscreen => {
                let full = geometry(output).size;
                (full.w * 2 / 3, full.h * 2 / 3).into()
            }
            _ => size,
        };
        let parent = managed
            .toplevel()
            .and_then(ToplevelSurface::parent)
            .and_then(|parent| Some(self.windows.by_surface(&parent)?.id));
        let surface = managed
            .toplevel()
            .map(|toplevel| toplevel.wl_surface().clone());
        let layout = &mut self.windows.layout;
        layout.insert(id, size, bar, parent, at);
        if let Some(surface) = surface {
            layout.set_limits(id, limits(&surface));
        }
        layout.set_maximised(id, maximised);
        layout.set_fullscreen(id, fullscreen);
        self.focused_layer = None;
        if let Some(managed) = self.windows.get_mut(id) {
            managed.mapped = true;
            tracing::debug!(
                "window {} mapped: {} `{}`",
                id.0,
                managed.app_id,
                managed.title
            );
        }
        self.outputs.queue_all();
    }

    /// Carries what the layout wants to the clients and keeps title bars and borders right.
    pub(crate) fn sync_windows(&mut self) {
        let focused = self.windows.layout.focused();
        let outputs: Vec<_> = self.outputs.iter().cloned().collect();
        let Windows { layout, list, .. } = &mut self.windows;
        for managed in list.iter_mut().filter(|managed| managed.mapped) {
            let id = managed.id;
            let active = focused == Some(id);
            let (Some(frame), Some(client), Some(mode)) =
                (layout.frame(id), layout.client(id), layout.mode(id))
            else {
                continue;
            };
            let told = (layout.revision(id), active);
            if managed.told != Some(told)
                && let Some(toplevel) = managed.window.toplevel()
            {
                toplevel.with_pending_state(|pending| {
                    // A window that nobody resized keeps choosing its own size.
                    if told.0 > 0 || mode != Mode::Floating {
                        pending.size = Some(client.size);
                    }
                    let mut set = |state, on| {
                        if on {
                            pending.states.set(state);
                        } else {
                            pending.states.unset(state);
                        }
                    };
                    set(xdg_toplevel::State::Activated, active);
                    set(xdg_toplevel::State::Maximized, mode == Mode::Maximised);
                    set(
                        xdg_toplevel::State::Fullscreen,
                        matches!(mode, Mode::Fullscreen { .. }),
                    );
                    set(xdg_toplevel::State::Resizing, layout.is_resizing(id));
                });
                toplevel.send_pending_configure();
                managed.told = Some(told);
                for output in &outputs {
                    self.outputs.queue(output);
                }
            }

            let visible = layout.is_visible(id);
            for output in &outputs {
                let area = geometry(output);
                match area.intersection(frame).filter(|_| visible) {
                    Some(overlap) => {
                        let local = Rectangle::new(overlap.loc - frame.loc, overlap.size);
                        managed.window.output_enter(output, local);
                    }
                    None => managed.window.output_leave(output),
                }
            }

            if layout.title_bar(id) > 0 && visible {
                let scale = layout
                    .output_of(id)
                    .and_then(|index| outputs.get(index))
                    .map_or(1.0, |output| output.current_scale().fractional_scale());
                let wanted = decoration::Wanted {
                    width: frame.size.w.min(decoration::WIDEST),
                    scale,
                    title: &managed.title,
                    active,
                    maximised: mode == Mode::Maximised,
                    hovered: managed.hovered,
                };
                if self.painter.title_bar(&mut managed.title_bar, &wanted) {
                    self.outputs.queue_rect(frame);
                }
                managed.borders.update(frame, &self.look);
            }
        }
    }

    /// Uses a window: shows it, raises it, gives it the keyboard. Returns whether it exists.
    pub(crate) fn focus_window(&mut self, id: WindowId) -> bool {
        self.focused_layer = None;
        let found = self.windows.layout.focus(id);
        if found {
            self.outputs.queue_all();
        }
        found
    }

    /// Asks a window to close. Returns whether it exists.
    pub(crate) fn close_window(&self, id: WindowId) -> bool {
        let toplevel = self.windows.get(id).and_then(Managed::toplevel);
        if let Some(toplevel) = toplevel {
            toplevel.send_close();
        }
        toplevel.is_some()
    }

    /// Changes the layout and draws what comes of it.
    pub(crate) fn change_layout(&mut self, change: impl FnOnce(&mut Layout)) {
        change(&mut self.windows.layout);
        self.outputs.queue_all();
    }

    /// The client and the compositor agree who draws the title bar.
    pub(crate) fn set_decoration(
        &mut self,
        toplevel: &ToplevelSurface,
        wanted: Option<DecorationMode>,
    ) {
        // Client-side unless the client prefers otherwise: most draw their own bar better than
        // anybody else can, and those that cannot say so.
        let server = wanted == Some(DecorationMode::ServerSide);
        let mode = if server {
            DecorationMode::ServerSide
        } else {
            DecorationMode::ClientSide
        };
        toplevel.with_pending_state(|pending| pending.decoration_mode = Some(mode));
        if toplevel.is_initial_configure_sent() {
            toplevel.send_pending_configure();
        }
        if let Some(managed) = self.windows.by_surface_mut(toplevel.wl_surface()) {
            managed.decorated = server;
            let id = managed.id;
            self.change_layout(|layout| {
                layout.set_title_bar(id, if server { TITLE_BAR } else { 0 });
            });
        }
    }
}
