//! The windows: clients' toplevels, and the carrying of the layout's answers to them.
//!
//! A toplevel is here from its creation to its destruction, a window of an X program while it is mapped
//! ([`crate::xwayland`] knows what is particular about those); it is in the [`Layout`] only while it has
//! content.

use std::{borrow::Cow, collections::HashMap, rc::Rc, time::Duration};

use smithay::{
    backend::renderer::{
        ImportAll, ImportMem, Renderer,
        element::{
            Kind,
            memory::MemoryRenderBufferRenderElement,
            solid::{SolidColorBuffer, SolidColorRenderElement},
        },
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
    utils::{Logical, Physical, Point, Rectangle, Scale, Size},
    wayland::{
        compositor::with_states,
        seat::WaylandFocus,
        shell::xdg::{SurfaceCachedState, ToplevelSurface, XdgToplevelSurfaceData},
    },
    xwayland::X11Surface,
};

use crate::{
    animations::{Elsewhere, Movements, Pose, Way},
    config::Config,
    decoration::{self, Borders, Button, TITLE_BAR, TitleBar},
    focus::KeyFocus,
    handlers::unanswered,
    layout::{Layout, Limits, Mode, Opening, Rect, WindowId},
    outputs::geometry,
    overview::Overview,
    preview::Preview,
    protocols::{bell::Flash, icons::Icon},
    render::{Element, clipped, rescaled, resized, window_tree},
    rules::{Rule, Wish},
    state::State,
    switcher::Switcher,
    xwayland::x11,
    zones,
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
    /// What the title bar shows before the title.
    pub(crate) icon: Option<Rc<Icon>>,
    pub(crate) title_bar: Option<TitleBar>,
    pub(crate) borders: Borders,
    /// How often its content may have become another one.
    pub(crate) changes: u64,
    /// How it is drawn while it moves.
    pub(crate) way: Way,
    /// What the settings say of it.
    wish: Wish,
    /// Where its surface began when its client took the content away.
    left_at: Option<Point<i32, Logical>>,
    /// The button under the pointer.
    pub(crate) hovered: Option<Button>,
    /// The layout's revision and the activation that the client was told last.
    told: Option<(u64, bool)>,
    /// What an X window was told last.
    told_x11: Option<x11::Told>,
}

impl Managed {
    fn new(id: WindowId, window: Window) -> Self {
        Self {
            id,
            window,
            app_id: String::new(),
            title: String::new(),
            mapped: false,
            decorated: false,
            wants_maximised: false,
            wants_fullscreen: false,
            icon: None,
            title_bar: None,
            borders: Borders::default(),
            changes: 0,
            way: Way::default(),
            wish: Wish::default(),
            left_at: None,
            hovered: None,
            told: None,
            told_x11: None,
        }
    }

    pub(crate) fn toplevel(&self) -> Option<&ToplevelSurface> {
        self.window.toplevel()
    }

    /// Its surface. That of an X window comes some time after the window, and may go before it.
    pub(crate) fn surface(&self) -> Option<WlSurface> {
        self.window.wl_surface().map(Cow::into_owned)
    }

    /// It as what has the keyboard.
    pub(crate) fn focus(&self) -> Option<KeyFocus> {
        let surface = self.surface()?;
        Some(match self.window.x11_surface() {
            Some(window) => KeyFocus::x11(window.clone(), surface),
            None => surface.into(),
        })
    }

    /// The sizes that its client accepts.
    pub(crate) fn limits(&self) -> Limits {
        if let Some(window) = self.window.x11_surface() {
            return x11::limits(window);
        }
        self.surface()
            .map_or_else(Limits::default, |surface| limits(&surface))
    }

    /// Finds what the rules say of it.
    pub(crate) fn follow_rules(&mut self, rules: &[Rule]) {
        self.wish = Wish::of(rules, &self.app_id, &self.title);
        if let Some(maximised) = self.wish.maximised {
            self.wants_maximised = maximised;
        }
        if let Some(fullscreen) = self.wish.fullscreen {
            self.wants_fullscreen = fullscreen;
        }
    }

    /// The size that the rules want its content to have.
    pub(crate) fn wished_size(&self) -> Option<Size<i32, Logical>> {
        self.wish.size()
    }

    /// Whether nothing is to be drawn around it.
    fn is_bare(&self) -> bool {
        self.wish.decoration == Some(false)
    }

    /// Height of the title bar that the compositor draws, 0 for none.
    pub(crate) fn bar(&self) -> i32 {
        if self.decorated && !self.is_bare() {
            TITLE_BAR
        } else {
            0
        }
    }
}

/// All windows.
#[derive(Debug)]
pub(crate) struct Windows {
    pub(crate) layout: Layout,
    /// Where the window that is dragged would go.
    pub(crate) preview: Preview,
    /// The previews of Alt-Tab.
    pub(crate) switcher: Switcher,
    pub(crate) overview: Overview,
    pub(crate) movements: Movements,
    list: Vec<Managed>,
    /// X windows that place themselves, the topmost last.
    overrides: Vec<Window>,
    next: u64,
    /// The window that rings.
    pub(crate) flash: Option<Flash>,
}

impl Windows {
    pub(crate) fn new(config: &Config) -> Self {
        let mut layout = Layout::new(config.workspaces as usize);
        layout.set_tiling_default(config.tiling.enabled);
        layout.set_gaps(config.tiling.gaps());
        Self {
            layout,
            preview: Preview::default(),
            switcher: Switcher::default(),
            overview: Overview::default(),
            movements: Movements::default(),
            list: Vec::new(),
            overrides: Vec::new(),
            next: 1,
            flash: None,
        }
    }

    /// All of them, in the order in which they came.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Managed> {
        self.list.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Managed> {
        self.list.iter_mut()
    }

    pub(crate) fn get(&self, id: WindowId) -> Option<&Managed> {
        self.list.iter().find(|managed| managed.id == id)
    }

    pub(crate) fn get_mut(&mut self, id: WindowId) -> Option<&mut Managed> {
        self.list.iter_mut().find(|managed| managed.id == id)
    }

    /// A window shows something else than before.
    pub(crate) fn content_changed(&mut self, id: WindowId) {
        if let Some(managed) = self.get_mut(id) {
            managed.changes += 1;
        }
    }

    /// Has every title bar drawn anew.
    pub(crate) fn forget_title_bars(&mut self) {
        for managed in &mut self.list {
            managed.title_bar = None;
        }
    }

    /// The window that has this surface.
    pub(crate) fn by_surface(&self, surface: &WlSurface) -> Option<&Managed> {
        self.list
            .iter()
            .find(|managed| managed.window.wl_surface().as_deref() == Some(surface))
    }

    pub(crate) fn by_surface_mut(&mut self, surface: &WlSurface) -> Option<&mut Managed> {
        self.list
            .iter_mut()
            .find(|managed| managed.window.wl_surface().as_deref() == Some(surface))
    }

    pub(crate) fn surface(&self, id: WindowId) -> Option<WlSurface> {
        self.get(id)?.surface()
    }

    pub(crate) fn by_x11(&self, window: &X11Surface) -> Option<&Managed> {
        let is_it = |other: &X11Surface| x11::is_same(other, window);
        self.list
            .iter()
            .find(|managed| managed.window.x11_surface().is_some_and(is_it))
    }

    pub(crate) fn by_x11_mut(&mut self, window: &X11Surface) -> Option<&mut Managed> {
        let is_it = |other: &X11Surface| x11::is_same(other, window);
        self.list
            .iter_mut()
            .find(|managed| managed.window.x11_surface().is_some_and(is_it))
    }

    /// The window of an X program with that number.
    pub(crate) fn by_x11_number(&mut self, number: u32) -> Option<&mut Managed> {
        self.list.iter_mut().find(|managed| {
            let window = managed.window.x11_surface();
            window.is_some_and(|window| window.window_id() == number)
        })
    }

    /// The window that an X window says it belongs to.
    fn owner_of(&self, window: &X11Surface) -> Option<&Managed> {
        let number = window.is_transient_for()?;
        let is_it =
            |other: &X11Surface| other.window_id() == number && other.xwm_id() == window.xwm_id();
        self.list
            .iter()
            .find(|managed| managed.window.x11_surface().is_some_and(is_it))
    }

    /// The window that it belongs to, if that is in the layout.
    pub(crate) fn parent_of(&self, managed: &Managed) -> Option<WindowId> {
        let parent = if let Some(window) = managed.window.x11_surface() {
            self.owner_of(window)?
        } else {
            self.by_surface(&managed.toplevel()?.parent()?)?
        };
        parent.mapped.then_some(parent.id)
    }

    /// Takes a new window in; it has no content yet.
    pub(crate) fn add(&mut self, window: Window) -> WindowId {
        let id = WindowId(self.next);
        self.next += 1;
        self.list.push(Managed::new(id, window));
        id
    }

    /// The window is gone. Returns where its frame was, if it was on the screen.
    pub(crate) fn remove(&mut self, id: WindowId) -> Option<Rect> {
        let frame = self.layout.frame(id).filter(|_| self.layout.is_visible(id));
        self.layout.remove(id);
        self.list.retain(|managed| managed.id != id);
        frame
    }

    /// An X window is gone, managed or not.
    pub(crate) fn remove_x11(&mut self, window: &X11Surface) {
        self.overrides
            .retain(|other| !other.x11_surface().is_some_and(|x| x11::is_same(x, window)));
        if let Some(id) = self.by_x11(window).map(|managed| managed.id) {
            self.remove(id);
        }
    }

    /// All X windows are gone.
    pub(crate) fn remove_all_x11(&mut self) {
        self.overrides.clear();
        let of_x11 = self.list.iter().filter(|managed| managed.window.is_x11());
        for id in of_x11.map(|managed| managed.id).collect::<Vec<_>>() {
            self.remove(id);
        }
    }

    /// Takes an X window in that places itself.
    pub(crate) fn add_override(&mut self, window: Window) {
        self.overrides.push(window);
    }

    /// The X windows that place themselves and are shown, the topmost first. One that belongs to a window
    /// which is not shown is not shown either.
    pub(crate) fn overrides(&self) -> impl Iterator<Item = (&Window, &X11Surface)> {
        let with_x11 = |window| Some((window, Window::x11_surface(window)?));
        self.overrides
            .iter()
            .rev()
            .filter_map(with_x11)
            .filter(|(_, x11)| {
                let owner = self.owner_of(x11);
                owner.is_none_or(|owner| self.layout.is_visible(owner.id))
            })
    }

    /// The X window that places itself and has this surface.
    pub(crate) fn override_of(&self, surface: &WlSurface) -> Option<&X11Surface> {
        self.overrides
            .iter()
            .filter_map(Window::x11_surface)
            .find(|x11| x11.wl_surface().as_ref() == Some(surface))
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
        let area = self.layout.areas().get(output).map(|area| area.full);
        let overrides = self
            .overrides()
            .filter_map(move |(window, x11)| area?.overlaps(x11::place(x11)).then_some(window));
        self.layout
            .visible()
            .filter(move |id| self.layout.output_of(*id) == Some(output))
            .filter_map(|id| Some(&self.get(id)?.window))
            .chain(overrides)
    }

    /// Where the surface's own origin is drawn, which for clients with shadows of their own is
    /// left and above of the content.
    pub(crate) fn origin(&self, id: WindowId) -> Option<Point<i32, Logical>> {
        Some(self.layout.client(id)?.loc - content(&self.get(id)?.window).loc)
    }

    /// Everything that the window covers, popups and borders included.
    pub(crate) fn extent(&self, id: WindowId) -> Option<Rect> {
        let window = &self.get(id)?.window;
        let mut bounds = if window.is_x11() {
            content(window)
        } else {
            window.bbox_with_popups()
        };
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
        let seen = !self.overflows(id) || self.layout.frame(id)?.to_f64().contains(point);
        let wanted = if seen {
            WindowSurfaceType::ALL
        } else {
            WindowSurfaceType::POPUP
        };
        let (surface, loc) = self
            .get(id)?
            .window
            .surface_under(point - origin.to_f64(), wanted)?;
        Some((surface, (loc + origin).to_f64()))
    }

    /// The windows' elements on the output that has that index and covers `area`, front to back; at a moment, where
    /// what moves is then.
    pub(crate) fn elements<R>(
        &self,
        renderer: &mut R,
        (output, area): (usize, Rect),
        scale: Scale<f64>,
        moment: Option<Duration>,
        list: &mut Vec<Element<R>>,
    ) where
        R: Renderer + ImportAll + ImportMem,
        R::TextureId: Clone + Send + 'static,
    {
        self.preview.elements(area, scale, list);
        for (window, x11) in self.overrides() {
            let at = x11::origin(x11) - area.loc.to_f64();
            let at = at.to_physical(scale).to_i32_round();
            let (popups, content) = window_tree(renderer, window, at, scale, 1.0);
            list.extend(popups);
            match x11::correction(x11, scale) {
                Some(factor) => list.extend(rescaled(content, at, factor, None, scale)),
                None => list.extend(content),
            }
        }
        if let Some(moment) = moment {
            for ghost in self.movements.ghosts.iter().rev() {
                ghost.elements(renderer, area, scale, moment, list);
            }
        }
        for id in self.layout.visible().chain(self.leaving(output, moment)) {
            match self.pose_on(output, id, moment) {
                Ok(None) => self.window_elements(id, renderer, area, scale, list),
                Ok(Some(pose)) => self.moving_elements(id, &pose, renderer, area, scale, list),
                Err(Elsewhere) => {}
            }
        }
    }

    /// One window's elements, visible or not, where it is.
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
        let (popups, content) =
            window_tree(renderer, &managed.window, to_output(origin), scale, 1.0);
        list.extend(popups);
        if let Some(flash) = self.flash.as_ref().filter(|flash| flash.window == id) {
            let cover = SolidColorRenderElement::from_buffer(
                &flash.cover,
                to_output(frame.loc),
                scale,
                1.0,
                Kind::Unspecified,
            );
            list.push(cover.into());
        }
        if let Some(bar) = &managed.title_bar
            && self.layout.title_bar(id) > 0
        {
            let size = bar.size();
            match MemoryRenderBufferRenderElement::from_buffer(
                renderer,
                to_output(frame.loc).to_f64(),
                bar.buffer(),
                None,
                Some(bar.pixels()),
                Some(size),
                Kind::Unspecified,
            ) {
                Ok(element) => list.push(element.into()),
                Err(error) => tracing::warn!("title bar: {error}"),
            }
        }
        let cut = self.overflows(id).then(|| {
            let size = frame.size.to_f64().to_physical(scale).to_i32_round();
            Rectangle::new(to_output(frame.loc), size)
        });
        let x11 = managed.window.x11_surface();
        match (x11.and_then(|x11| x11::correction(x11, scale)), cut) {
            (Some(factor), cut) => {
                list.extend(rescaled(content, to_output(origin), factor, cut, scale));
            }
            (None, Some(place)) => list.extend(clipped(content, place, scale)),
            (None, None) => list.extend(content),
        }
        if self.layout.title_bar(id) > 0 {
            for (buffer, Rectangle { loc, .. }) in managed.borders.parts(frame) {
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

    /// The same while it moves.
    fn moving_elements<R>(
        &self,
        id: WindowId,
        pose: &Pose,
        renderer: &mut R,
        area: Rect,
        scale: Scale<f64>,
        list: &mut Vec<Element<R>>,
    ) where
        R: Renderer + ImportAll + ImportMem,
        R::TextureId: Clone + Send + 'static,
    {
        let Some(managed) = self.get(id) else {
            return;
        };
        let alpha = pose.alpha;
        let (x, y) = (pose.frame.loc.x, pose.frame.loc.y);
        let (w, h) = (pose.frame.size.w, pose.frame.size.h);
        let bar = f64::from(self.layout.title_bar(id)) * pose.size;
        let line = pose.size;
        // Sides are rounded, not sizes, so that what touches goes on touching.
        let place = |left: f64, top: f64, right: f64, bottom: f64| {
            let corner = |x: f64, y: f64| -> Point<i32, Physical> {
                let at = Point::<f64, Logical>::from((x, y)) - area.loc.to_f64();
                at.to_physical(scale).to_i32_round()
            };
            let (from, to) = (corner(left, top), corner(right, bottom));
            Rectangle::new(
                from,
                ((to.x - from.x).max(1), (to.y - from.y).max(1)).into(),
            )
        };
        let solid = |buffer: &SolidColorBuffer,
                     size: Size<i32, Logical>,
                     to: Rectangle<i32, Physical>| {
            let kind = Kind::Unspecified;
            let element = SolidColorRenderElement::from_buffer(buffer, to.loc, scale, alpha, kind);
            resized(element, size.to_physical_precise_round(scale), to)
        };
        let whole = place(x, y, x + w, y + h);
        let inner = place(x, y + bar, x + w, y + h);
        let content = content(&managed.window);
        let drawn: Size<i32, Physical> = content.size.to_physical_precise_round(scale);
        let factor = if pose.stretched {
            Scale::from((
                f64::from(inner.size.w) / f64::from(drawn.w.max(1)),
                f64::from(inner.size.h) / f64::from(drawn.h.max(1)),
            ))
        } else {
            Scale::from(pose.size)
        };
        let origin = inner.loc - content.loc.to_physical_precise_round(scale);
        let (popups, content) = window_tree(renderer, &managed.window, origin, scale, alpha);
        list.extend(rescaled(popups, inner.loc, factor, None, scale));
        let frame = self.layout.frame(id).unwrap_or_default();
        if let Some(flash) = self.flash.as_ref().filter(|flash| flash.window == id) {
            list.push(solid(&flash.cover, frame.size, whole).into());
        }
        if let Some(title_bar) = managed.title_bar.as_ref().filter(|_| bar > 0.0) {
            let above = place(x, y, x + w, y + bar);
            match MemoryRenderBufferRenderElement::from_buffer(
                renderer,
                above.loc.to_f64(),
                title_bar.buffer(),
                Some(alpha),
                Some(title_bar.pixels()),
                Some(title_bar.size()),
                Kind::Unspecified,
            ) {
                Ok(element) => {
                    let size = title_bar.size().to_physical_precise_round(scale);
                    list.push(resized(element, size, above).into());
                }
                Err(error) => tracing::warn!("title bar: {error}"),
            }
        }
        let cut = Some(whole).filter(|_| !pose.stretched && self.overflows(id));
        list.extend(rescaled(content, inner.loc, factor, cut, scale));
        if bar > 0.0 {
            let places = [
                place(x - line, y + bar, x, y + h),
                place(x + w, y + bar, x + w + line, y + h),
                place(x - line, y + h, x + w + line, y + h + line),
            ];
            for ((side, from), to) in managed.borders.parts(frame).zip(places) {
                list.push(solid(side, from.size, to).into());
            }
        }
    }

    /// Whether a tile's client draws more than fits, because it cannot be as small as its tile.
    fn overflows(&self, id: WindowId) -> bool {
        let drawn = self.get(id).map(|managed| content(&managed.window).size);
        let place = self.layout.client(id).map(|client| client.size);
        self.layout.is_fitted(id)
            && self.layout.mode(id) == Some(Mode::Normal)
            && drawn
                .zip(place)
                .is_some_and(|(drawn, place)| drawn.w > place.w || drawn.h > place.h)
    }

    /// The titles of each stack's windows, by the one of them that is shown.
    fn tabs(&self) -> HashMap<WindowId, Vec<(String, bool)>> {
        let stacked = |id: WindowId| {
            let stack = self.layout.stack_of(id)?;
            let title = |other: &WindowId| Some((self.get(*other)?.title.clone(), *other == id));
            Some((id, stack.iter().filter_map(title).collect()))
        };
        self.layout.visible().filter_map(stacked).collect()
    }

    /// The window of a stack whose title is at a point of the stack's bar.
    pub(crate) fn tab_at(&self, id: WindowId, point: Point<f64, Logical>) -> Option<WindowId> {
        let stack = self.layout.stack_of(id)?;
        let frame = self.layout.frame(id)?;
        let x = point.x - f64::from(frame.loc.x);
        let width = frame.size.w.min(decoration::WIDEST);
        stack
            .get(decoration::tab_at(width, stack.len(), x))
            .copied()
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

/// Where a window's content is on its surface.
pub(crate) fn content(window: &Window) -> Rect {
    match window.x11_surface() {
        Some(window) => Rect::from_size(x11::place(window).size),
        None => window.geometry(),
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

/// Whether a client says where in its surface its window is.
fn has_geometry(surface: &WlSurface) -> bool {
    with_states(surface, |states| {
        let mut cached = states.cached_state.get::<SurfaceCachedState>();
        cached.current().geometry.is_some()
    })
}

impl State {
    /// A window's content was committed, which began there in its surface before: what was seen stays where it is.
    ///
    /// A client that says nothing of its window's geometry means all its surfaces together. So its window begins
    /// elsewhere once a subsurface reaches out to the left or above.
    pub(crate) fn keep_in_place(&mut self, id: WindowId, began: Point<i32, Logical>) {
        let Windows { layout, list, .. } = &mut self.windows;
        let mut mapped = list.iter_mut().filter(|managed| managed.mapped);
        let Some(managed) = mapped.find(|managed| managed.id == id) else {
            return;
        };
        let Some(toplevel) = managed.toplevel() else {
            return;
        };
        let surface = toplevel.wl_surface().clone();
        if !has_content(&surface) {
            let bar = Point::from((0, managed.bar()));
            let frame = layout.floating_frame(id);
            managed.left_at = frame.map(|frame| frame.loc + bar - began);
            return;
        }
        let by = managed.window.geometry().loc - began;
        if by == Point::default() || has_geometry(&surface) {
            return;
        }
        layout.shift(id, by);
        if let Some(frame) = layout.frame(id) {
            managed.way.allow(frame);
        }
    }

    /// A toplevel's surface was committed.
    pub(crate) fn toplevel_committed(&mut self, surface: &WlSurface) {
        let Some(managed) = self.windows.by_surface(surface) else {
            return;
        };
        let (id, mapped, told) = (managed.id, managed.mapped, managed.told);
        let window = managed.window.clone();
        let Some(toplevel) = window.toplevel().cloned() else {
            self.x11_drawn(id);
            return;
        };
        let content = has_content(surface);
        if !toplevel.is_initial_configure_sent() {
            self.configure_first(id, &toplevel);
            // Who shows content without having waited for that breaks the protocol, and waits for a frame now:
            // it is shown rather than left waiting.
            if !content {
                return;
            }
        }
        if content && !mapped {
            self.map(id);
        } else if !content && mapped {
            if let Some(extent) = self.windows.extent(id) {
                self.outputs.queue_rect(extent);
            }
            self.windows.layout.remove(id);
            if let Some(managed) = self.windows.get_mut(id) {
                managed.mapped = false;
                managed.way = Way::default();
                managed.told = None;
                managed.title_bar = None;
            }
        } else if mapped {
            let before = self.windows.layout.frame(id);
            self.windows.layout.set_limits(id, limits(surface));
            // What it was not asked for yet it cannot have answered.
            let asked =
                told.map(|(revision, _)| revision) == Some(self.windows.layout.revision(id));
            let settled = asked && settled(surface);
            self.windows
                .layout
                .drawn(id, window.geometry().size, settled);
            let after = self.windows.layout.frame(id);
            if before != after
                && let Some(before) = before
            {
                self.outputs.queue_rect(before);
                if let Some((managed, after)) = self.windows.get_mut(id).zip(after) {
                    managed.way.allow(after);
                }
            }
        }
    }

    /// The first configure: the client chooses its size unless it asked to fill the screen.
    fn configure_first(&mut self, id: WindowId, toplevel: &ToplevelSurface) {
        let at = self.pointer_at;
        let area = self.outputs.at(at).or(self.outputs.first()).cloned();
        let rules = &self.config.rules;
        let Some(managed) = self.windows.get_mut(id) else {
            return;
        };
        managed.follow_rules(rules);
        let (maximised, fullscreen) = (managed.wants_maximised, managed.wants_fullscreen);
        let (bar, bare, size) = (managed.bar(), managed.is_bare(), managed.wish.size());
        toplevel.with_pending_state(|pending| {
            if bare && pending.decoration_mode.is_some() {
                // It draws nothing because the compositor does, and the compositor does not.
                pending.decoration_mode = Some(DecorationMode::ServerSide);
            }
            pending.size = size;
            if let Some(output) = &area {
                let full = geometry(output);
                let usable = zones::left(output);
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
    pub(crate) fn map(&mut self, id: WindowId) {
        let at = self.pointer_at.to_i32_round();
        let Some(managed) = self.windows.get(id) else {
            return;
        };
        let drawn = content(&managed.window);
        let size = drawn.size;
        let (bar, wish) = (managed.bar(), managed.wish.clone());
        let left_at = managed.left_at;
        let (maximised, fullscreen) = (managed.wants_maximised, managed.wants_fullscreen);
        let at_output = self.outputs.at(self.pointer_at).or(self.outputs.first());
        // A window that begins by filling the screen has no size of its own to go back to.
        let size = match at_output {
            Some(output) if maximised || fullscreen => {
                let full = geometry(output).size;
                let most = (full.w * 2 / 3, full.h * 2 / 3);
                wish.size().unwrap_or_else(|| most.into())
            }
            _ => size,
        };
        let (parent, limits) = (self.windows.parent_of(managed), managed.limits());
        let x11 = managed.window.x11_surface().cloned();
        let layout = &mut self.windows.layout;
        let opening = Opening {
            client: size,
            title_bar: bar,
            limits,
            parent,
            at,
            workspace: match (wish.workspace, &wish.output) {
                (Some(number), _) => (number as usize).checked_sub(1),
                (None, Some(name)) => layout.workspace_of_output(name),
                (None, None) => None,
            },
            floats: wish.floating.or(x11.as_ref().and_then(x11::floats)),
            unfocused: match wish.focus {
                Some(focus) => !focus,
                None => x11.as_ref().is_some_and(x11::is_unfocused),
            },
            position: wish.position(),
        };
        let unfocused = opening.unfocused;
        layout.insert(id, &opening);
        if let Some((wanted, frame)) = wish.size().zip(layout.floating_frame(id)) {
            let size = (wanted.w, wanted.h + bar).into();
            if frame.size != size {
                layout.set_floating_size(id, size);
            }
        }
        if wish.focus == Some(true) {
            layout.focus(id);
        }
        layout.set_maximised(id, maximised);
        layout.set_fullscreen(id, fullscreen);
        if let Some(window) =
            x11.filter(|window| wish.position().is_none() && x11::is_placed_by_person(window))
        {
            let mode = layout.mode(id);
            if mode == Some(Mode::Normal) && !layout.is_fitted(id) {
                layout.move_to(id, x11::place(&window).loc - Point::from((0, bar)));
            }
        }
        // A window that was hidden comes back to where it was.
        if let Some(left_at) = left_at.filter(|_| wish.position().is_none())
            && layout.mode(id) == Some(Mode::Normal)
            && !layout.is_fitted(id)
        {
            layout.move_to(id, left_at + drawn.loc - Point::from((0, bar)));
        }
        if !unfocused {
            self.focused_layer = None;
        }
        let pace = self.pace();
        if let Some(managed) = self.windows.get_mut(id) {
            managed.mapped = true;
            managed.left_at = None;
            managed.way = Way::coming(pace);
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
        let stacks = self.windows.tabs();
        let pace = self.pace();
        let Windows {
            layout,
            list,
            movements,
            overview,
            ..
        } = &mut self.windows;
        let mut moves = movements.lead(layout, overview, pace)
            | movements.end_farewells(pace)
            | overview.lead(pace);
        for managed in list.iter_mut().filter(|managed| managed.mapped) {
            let id = managed.id;
            let active = focused == Some(id);
            if managed.window.is_x11()
                && let Some(client) = layout.client(id)
            {
                // An X window has the size that the window manager gives it, at once.
                layout.drawn(id, client.size, false);
            }
            let (Some(frame), Some(client), Some(mode)) =
                (layout.frame(id), layout.client(id), layout.mode(id))
            else {
                continue;
            };
            let told = (layout.revision(id), active);
            // Who answers nothing is told when it does: what it was told and did not answer is kept.
            if managed.told != Some(told)
                && let Some(toplevel) = managed.window.toplevel()
                && unanswered(toplevel.wl_surface()) < crate::limits::Limits::PUBLIC.configures
            {
                toplevel.with_pending_state(|pending| {
                    // A window that nobody resized keeps choosing its own size.
                    if told.0 > 0 || mode != Mode::Normal {
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
                    let fitted = mode == Mode::Normal && layout.is_fitted(id);
                    for side in [
                        xdg_toplevel::State::TiledLeft,
                        xdg_toplevel::State::TiledRight,
                        xdg_toplevel::State::TiledTop,
                        xdg_toplevel::State::TiledBottom,
                    ] {
                        set(side, fitted);
                    }
                });
                toplevel.send_pending_configure();
                managed.told = Some(told);
                for output in &outputs {
                    self.outputs.queue(output);
                }
            }

            if let Some(window) = managed.window.x11_surface() {
                let factor = x11::Factor::of(window);
                let fills = matches!(mode, Mode::Fullscreen { .. });
                let told = x11::Told {
                    place: if fills {
                        factor.full(client, &outputs)
                    } else {
                        factor.to_pixels(client)
                    },
                    active,
                    mode,
                    minimised: layout.is_minimised(id),
                };
                if managed.told_x11 != Some(told) {
                    told.tell(window);
                    managed.told_x11 = Some(told);
                    self.outputs.queue_all();
                }
            }

            let visible = layout.is_visible(id);
            if visible {
                let pace = pace.filter(|_| movements.held != Some(id));
                moves |= managed.way.lead(frame, pace);
            } else {
                managed.way = Way::default();
            }
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
                    icon: managed.icon.as_ref(),
                    title: &managed.title,
                    tabs: stacks.get(&id).map_or(&[], Vec::as_slice),
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
        if moves {
            self.outputs.queue_all();
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
        let Some(managed) = self.windows.get(id) else {
            return false;
        };
        if let Some(toplevel) = managed.toplevel() {
            toplevel.send_close();
        } else if let Some(window) = managed.window.x11_surface()
            && let Err(error) = window.close()
        {
            tracing::debug!("an X window was not asked to close: {error}");
        }
        true
    }

    /// Changes the layout and draws what comes of it.
    pub(crate) fn change_layout(&mut self, change: impl FnOnce(&mut Layout)) {
        change(&mut self.windows.layout);
        self.outputs.queue_all();
    }

    /// The client and the compositor agree who draws the title bar.
    pub(crate) fn set_decoration(&mut self, toplevel: &ToplevelSurface, wanted: DecorationMode) {
        let bare = self
            .windows
            .by_surface(toplevel.wl_surface())
            .is_some_and(Managed::is_bare);
        let server = bare || wanted == DecorationMode::ServerSide;
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
            let (id, bar) = (managed.id, managed.bar());
            self.change_layout(|layout| layout.set_title_bar(id, bar));
        }
    }
}
