//! One surface, of the layer shell, of a lock or of a window: its size and scale, its widgets' state, its place in the frame cycle.
//!
//! A surface moves through: made (committed without a buffer) → configured (has a size; the next
//! draw makes the first frame) → drawn and waiting for the frame callback ⇄ ready. Until it is
//! ready again it only collects what changed, so that a fast pointer costs one frame per refresh
//! and a surface nobody sees costs nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use iced_core::layout::Limits;
use iced_core::widget::operation::Outcome;
use iced_core::widget::{self, Tree};
use iced_core::window::{self, RedrawRequest};
use iced_core::{Event, Size, mouse, renderer};
use iced_graphics::Viewport;
use iced_runtime::user_interface::{Cache, State, UserInterface};
use sctk::compositor::{FrameCallbackData, Region};
use sctk::reexports::client::Proxy;
use sctk::reexports::client::backend::ObjectId;
use sctk::reexports::client::protocol::wl_buffer::WlBuffer;
use sctk::reexports::client::protocol::wl_output::WlOutput;
use sctk::reexports::client::protocol::wl_shm::Format;
use sctk::reexports::client::protocol::wl_surface::WlSurface;
use sctk::reexports::protocols::wp::fractional_scale::v1::client::wp_fractional_scale_v1::WpFractionalScaleV1;
use sctk::reexports::protocols::wp::idle_inhibit::zv1::client::zwp_idle_inhibitor_v1::ZwpIdleInhibitorV1;
use sctk::reexports::protocols::wp::viewporter::client::wp_viewport::WpViewport;
use sctk::reexports::protocols::xdg::dialog::v1::client::xdg_dialog_v1::XdgDialogV1;
use sctk::reexports::protocols::xdg::foreign::zv2::client::zxdg_imported_v2::ZxdgImportedV2;
use sctk::session_lock::SessionLockSurface;
use sctk::shell::WaylandSurface;
use sctk::shell::wlr_layer::LayerSurface;
use sctk::shell::xdg::window::{self as xdg_window, WindowDecorations};
use sctk::shm::raw::RawPool;
use smithay_client_toolkit as sctk;

use super::clipboard::Access;
use super::larger::Plan;
use super::render::{Backend, Target, physical};
use super::wayland::{InUse, ScaleOf, Silent, Wayland};
use super::{Content, Error, Height, Picture, Program, Renderer, Spec};

/// A picture that was drawn into a buffer of the surface `surface`.
pub(super) struct Painting {
    pub(super) surface: ObjectId,
    pool: RawPool,
    size: Size<u32>,
}

/// What a surface is to the compositor.
enum Role {
    Layer(LayerSurface),
    /// Covers an output of the locked session.
    Lock(SessionLockSurface),
    Window(Window),
}

/// A window, and what ties it to its parent.
struct Window {
    // Destroyed before the window itself.
    dialog: Option<XdgDialogV1>,
    parent: Option<ZxdgImportedV2>,
    window: xdg_window::Window,
}

impl Window {
    /// A window that opens with `asked` logical pixels.
    fn new(
        of: &super::Window,
        asked: Size<u32>,
        surface: WlSurface,
        wayland: &Wayland,
    ) -> Result<Self, Error> {
        let shell = wayland.windows.as_ref().ok_or(Error::Missing {
            protocol: "xdg_wm_base",
        })?;
        let window = shell.create_window(
            surface.clone(),
            WindowDecorations::RequestServer,
            &wayland.queue,
        );
        window.set_app_id(of.app_id);
        window.set_title(wire_text(&of.title));
        // On a small screen a window opens smaller than it needs to be for larger text.
        let (width, height) = of.least;
        window.set_min_size(Some((width.min(asked.width), height.min(asked.height))));
        let parent = match (&of.parent, &wayland.importer) {
            (Some(name), Some(importer)) => {
                let name = wire_text(name);
                let parent = importer.import_toplevel(name, &wayland.queue, Silent);
                parent.set_parent_of(&surface);
                Some(parent)
            }
            _ => None,
        };
        let dialog = wayland
            .dialogs
            .as_ref()
            .filter(|_| of.modal)
            .map(|dialogs| {
                let dialog = dialogs.get_xdg_dialog(window.xdg_toplevel(), &wayland.queue, Silent);
                dialog.set_modal();
                dialog
            });
        Ok(Self {
            dialog,
            parent,
            window,
        })
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        if let Some(dialog) = self.dialog.take() {
            dialog.destroy();
        }
        if let Some(parent) = self.parent.take() {
            parent.destroy();
        }
    }
}

/// The longest text that goes into a message to the compositor, in bytes: a message has an end.
const LONGEST_TEXT: usize = 1024;

/// `text` as a message to the compositor can carry it: without NUL, and not too long.
fn wire_text(text: &str) -> String {
    let mut end = text.len().min(LONGEST_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].replace('\0', "")
}

impl Role {
    fn wl_surface(&self) -> &WlSurface {
        match self {
            Self::Layer(layer) => layer.wl_surface(),
            Self::Lock(lock) => lock.wl_surface(),
            Self::Window(window) => window.window.wl_surface(),
        }
    }
}

/// A surface of the program.
pub(super) struct Surface<Part> {
    // Dropped before its role: a swapchain must not outlive its wl_surface.
    target: Option<Target>,
    spec: Spec<Part>,
    output: Option<WlOutput>,
    role: Role,
    viewport: Option<WpViewport>,
    fractional_scale: Option<WpFractionalScaleV1>,
    idle_inhibitor: Option<ZwpIdleInhibitorV1>,
    /// What was asked of the compositor, and what it follows from.
    plan: Plan,
    /// What the compositor gave, in logical pixels.
    size: Option<Size<u32>>,
    /// Logical pixels to a unit of the program's.
    zoom: f32,
    /// Physical pixels to a logical one.
    scale: f64,
    cache: Option<Cache>,
    events: Vec<Event>,
    operations: Vec<Box<dyn widget::Operation>>,
    cursor: mouse::Cursor,
    /// Whether what is shown may differ from what should be.
    stale: bool,
    awaits_frame: bool,
    was_shown: bool,
    redraw_at: Option<Instant>,
    /// The buffer of a picture, and whether one is being painted.
    picture: Option<(WlBuffer, InUse)>,
    painting: bool,
}

impl<Part> Drop for Surface<Part> {
    fn drop(&mut self) {
        self.target = None;
        if let Some(viewport) = self.viewport.take() {
            viewport.destroy();
        }
        if let Some(scale) = self.fractional_scale.take() {
            scale.destroy();
        }
        if let Some(inhibitor) = self.idle_inhibitor.take() {
            inhibitor.destroy();
        }
        if let Some((buffer, _)) = self.picture.take() {
            buffer.destroy();
        }
    }
}

/// The height that `spec`'s widgets need at its width.
pub(super) fn measure<P: Program>(
    program: &P,
    spec: &Spec<P::Part>,
    renderer: &mut Renderer,
) -> u32 {
    match spec.height {
        Height::Fixed(height) => height,
        Height::Fit(highest) => {
            let room = Size::new(spec.width as f32, highest as f32);
            let mut view = program.view(spec.part, room);
            let mut tree = Tree::new(&view);
            let node =
                view.as_widget_mut()
                    .layout(&mut tree, renderer, &Limits::new(Size::ZERO, room));
            (node.size().height.ceil() as u32).clamp(1, highest)
        }
    }
}

impl<Part: Copy + Eq + std::fmt::Debug> Surface<Part> {
    pub(super) fn new(
        spec: Spec<Part>,
        plan: Plan,
        output: Option<WlOutput>,
        wayland: &Wayland,
        backend: &mut Backend,
    ) -> Result<Self, Error> {
        let surface = wayland.compositor.create_surface(&wayland.queue);
        let viewport = wayland
            .viewporter
            .as_ref()
            .map(|viewporter| viewporter.get_viewport(&surface, &wayland.queue, Silent));
        let fractional_scale = wayland
            .fractional_scale
            .as_ref()
            .filter(|_| viewport.is_some())
            .map(|manager| {
                manager.get_fractional_scale(&surface, &wayland.queue, ScaleOf(surface.clone()))
            });
        let target = match spec.content {
            Content::Widgets => Some(backend.target(wayland, &surface)?),
            Content::Picture(_) | Content::Nothing => None,
        };
        let idle_inhibitor = wayland
            .idle_inhibit
            .as_ref()
            .filter(|_| spec.keeps_awake)
            .map(|manager| manager.create_inhibitor(&surface, &wayland.queue, Silent));
        let role = match (&wayland.lock, &output, &spec.window) {
            (Some(lock), Some(output), _) => {
                Role::Lock(lock.create_lock_surface(surface, output, &wayland.queue))
            }
            (_, _, Some(window)) => {
                Role::Window(Window::new(window, plan.asked, surface, wayland)?)
            }
            _ => Role::Layer(wayland.layer_shell.create_layer_surface(
                &wayland.queue,
                surface,
                spec.layer,
                Some(spec.namespace),
                output.as_ref(),
            )),
        };
        let scale = output
            .as_ref()
            .and_then(|o| wayland.outputs.info(o))
            .map_or(1, |info| info.scale_factor);
        let new = Self {
            target,
            spec,
            output,
            role,
            viewport,
            fractional_scale,
            idle_inhibitor,
            plan,
            size: None,
            zoom: plan.zoom,
            scale: f64::from(scale),
            cache: None,
            events: Vec::new(),
            operations: Vec::new(),
            cursor: mouse::Cursor::Unavailable,
            stale: true,
            awaits_frame: false,
            was_shown: false,
            redraw_at: None,
            picture: None,
            painting: false,
        };
        new.ask();
        Ok(new)
    }

    /// A lock's surface asks for nothing: it is told its size, and may not commit before that.
    fn ask(&self) {
        let layer = match &self.role {
            Role::Layer(layer) => layer,
            Role::Lock(_) => return,
            Role::Window(window) => {
                // The first commit asks for a size; later ones come with a frame.
                if self.size.is_none() {
                    window.window.commit();
                }
                return;
            }
        };
        let zoomed = |length: i32| (length as f32 * self.plan.zoom).round() as i32;
        let [top, right, bottom, left] = self.spec.margin.map(zoomed);
        let asked = self.plan.asked;
        layer.set_anchor(self.spec.anchor);
        layer.set_size(asked.width, asked.height);
        layer.set_margin(top, right, bottom, left);
        layer.set_exclusive_zone(match self.spec.exclusive_zone {
            // All of it.
            zone if zone > 0 && zone as u32 == self.spec_height() => asked.height as i32,
            zone if zone > 0 => zoomed(zone),
            zone => zone,
        });
        layer.set_keyboard_interactivity(self.spec.keyboard);
        layer.commit();
    }

    fn spec_height(&self) -> u32 {
        match self.spec.height {
            Height::Fixed(height) | Height::Fit(height) => height,
        }
    }

    pub(super) fn id(&self) -> ObjectId {
        self.role.wl_surface().id()
    }

    pub(super) fn part(&self) -> Part {
        self.spec.part
    }

    pub(super) fn is(&self, part: Part, output: Option<&WlOutput>) -> bool {
        self.spec.part == part && self.output.as_ref() == output
    }

    pub(super) fn redraw_at(&self) -> Option<Instant> {
        self.redraw_at
            .filter(|_| !self.awaits_frame && self.size.is_some())
    }

    /// What is shown may be out of date.
    pub(super) fn refresh(&mut self) {
        self.stale |= matches!(self.spec.content, Content::Widgets);
    }

    /// The program wants it a little different. Returns whether what is seen is elsewhere or larger from now on.
    pub(super) fn arrange(
        &mut self,
        spec: Spec<Part>,
        plan: Plan,
        wayland: &Wayland,
        painter: &calloop::channel::Sender<Painting>,
    ) -> Result<bool, Error> {
        let differs = plan != self.plan
            || spec.anchor != self.spec.anchor
            || spec.margin != self.spec.margin
            || spec.exclusive_zone != self.spec.exclusive_zone
            || spec.keyboard != self.spec.keyboard;
        let other_picture = match (&spec.content, &self.spec.content) {
            (Content::Picture(new), Content::Picture(old)) => !Arc::ptr_eq(new, old),
            _ => false,
        };
        if let (Role::Window(shown), Some(new), Some(old)) =
            (&self.role, &spec.window, &self.spec.window)
            && new.title != old.title
        {
            shown.window.set_title(wire_text(&new.title));
        }
        self.spec = spec;
        let larger = plan.zoom != self.plan.zoom;
        self.plan = plan;
        // A window is as large as its person made it, and a lock's surface as its output.
        if differs && matches!(self.role, Role::Layer(_)) {
            self.ask();
        }
        if other_picture && self.size.is_some() {
            self.paint(wayland, painter)?;
        }
        let moved = match self.size.filter(|_| larger) {
            Some(size) => self.enlarge(plan.zoom, size, wayland),
            None => false,
        };
        Ok(moved)
    }

    /// Shows its widgets so many times larger, as far as `size` allows it. Returns whether it was on screen
    /// otherwise.
    fn enlarge(&mut self, text_size: f32, size: Size<u32>, wayland: &Wayland) -> bool {
        let zoom = self.plan.given(text_size, size);
        if zoom == self.zoom {
            return false;
        }
        self.zoom = zoom;
        self.stale = true;
        self.limit_input(size, wayland);
        std::mem::take(&mut self.was_shown)
    }

    /// The compositor gives it a size. Returns whether it was on screen with another one.
    pub(super) fn configured(
        &mut self,
        given: Size<u32>,
        text_size: f32,
        wayland: &Wayland,
    ) -> bool {
        let or = |given: u32, asked: u32| if given == 0 { asked.max(1) } else { given };
        let size = Size::new(
            or(given.width, self.plan.asked.width),
            or(given.height, self.plan.asked.height),
        );
        if self.size == Some(size) {
            return false;
        }
        self.size = Some(size);
        self.zoom = match self.spec.content {
            Content::Widgets => self.plan.given(text_size, size),
            Content::Picture(_) | Content::Nothing => 1.0,
        };
        self.stale = true;
        self.limit_input(size, wayland);
        std::mem::take(&mut self.was_shown)
    }

    /// Lets clicks on the shadow through. Takes effect with the next frame.
    fn limit_input(&self, size: Size<u32>, wayland: &Wayland) {
        if self.spec.shadow == 0 {
            return;
        }
        let Ok(region) = Region::new(&wayland.compositor) else {
            return;
        };
        let edge = (self.spec.shadow as f32 * self.zoom).round() as u32;
        let inner = |length: u32| length.saturating_sub(2 * edge) as i32;
        region.add(
            edge as i32,
            edge as i32,
            inner(size.width),
            inner(size.height),
        );
        self.role
            .wl_surface()
            .set_input_region(Some(region.wl_region()));
    }

    /// The same for its scale.
    pub(super) fn scaled(&mut self, scale: f64) -> bool {
        if self.scale == scale {
            return false;
        }
        self.scale = scale;
        self.stale = true;
        std::mem::take(&mut self.was_shown)
    }

    /// The compositor is ready for the next frame. Returns whether this one was the first.
    pub(super) fn frame_done(&mut self) -> bool {
        self.awaits_frame = false;
        !std::mem::replace(&mut self.was_shown, true)
    }

    pub(super) fn operate(&mut self, operation: Box<dyn widget::Operation>) {
        self.operations.push(operation);
        self.stale = true;
    }

    /// Keeps an event for the widgets. Of several pointer motions in a row the last one counts.
    pub(super) fn queue(&mut self, mut event: Event) {
        if let Event::Mouse(mouse::Event::CursorMoved { position }) = &mut event {
            position.x /= self.zoom;
            position.y /= self.zoom;
        }
        let motion =
            |event: &Event| matches!(event, Event::Mouse(mouse::Event::CursorMoved { .. }));
        if motion(&event) && self.events.last().is_some_and(motion) {
            self.events.pop();
        }
        self.events.push(event);
    }

    /// Lets the widgets work through their events.
    pub(super) fn feed<P: Program<Part = Part>>(
        &mut self,
        program: &P,
        renderer: &mut Renderer,
        wayland: &mut Wayland,
        messages: &mut Vec<P::Message>,
    ) {
        if self.events.is_empty() || !matches!(self.spec.content, Content::Widgets) {
            self.events.clear();
            return;
        }
        let Some(size) = self.units() else { return };
        let events = std::mem::take(&mut self.events);
        let cache = self.cache.take().unwrap_or_default();
        let mut ui =
            UserInterface::build(program.view(self.spec.part, size), size, cache, renderer);
        // One at a time, so that each event meets the pointer where it was then: a press may precede
        // the motion away from what was pressed.
        let mut clipboard = Access(wayland);
        let mut interaction = None;
        for event in &events {
            match event {
                Event::Mouse(mouse::Event::CursorMoved { position }) => {
                    self.cursor = mouse::Cursor::Available(*position);
                }
                Event::Mouse(mouse::Event::CursorLeft) => self.cursor = mouse::Cursor::Unavailable,
                _ => {}
            }
            let event = std::slice::from_ref(event);
            let (state, _) = ui.update(event, self.cursor, renderer, &mut clipboard, messages);
            match state {
                State::Outdated => self.stale = true,
                State::Updated {
                    mouse_interaction,
                    redraw_request,
                    has_layout_changed,
                    ..
                } => {
                    interaction = Some(mouse_interaction);
                    self.stale |= has_layout_changed;
                    self.note(redraw_request);
                }
            }
        }
        self.cache = Some(ui.into_cache());
        if let Some(interaction) = interaction
            && self.cursor != mouse::Cursor::Unavailable
        {
            wayland.set_cursor(interaction);
        }
    }

    /// Its size in the program's units.
    fn units(&self) -> Option<Size> {
        let size = self.size?;
        Some(Size::new(
            size.width as f32 / self.zoom,
            size.height as f32 / self.zoom,
        ))
    }

    fn note(&mut self, request: RedrawRequest) {
        match request {
            RedrawRequest::NextFrame => self.stale = true,
            RedrawRequest::At(at) => {
                self.redraw_at = Some(self.redraw_at.map_or(at, |earlier| earlier.min(at)));
            }
            RedrawRequest::Wait => {}
        }
    }

    /// Draws it, if it needs to be drawn and the compositor is ready for it.
    pub(super) fn draw<P: Program<Part = Part>>(
        &mut self,
        program: &P,
        backend: &mut Backend,
        wayland: &mut Wayland,
        painter: &calloop::channel::Sender<Painting>,
        messages: &mut Vec<P::Message>,
    ) -> Result<(), Error> {
        let Some(size) = self.size else { return Ok(()) };
        let now = Instant::now();
        self.stale |= self.redraw_at.is_some_and(|at| at <= now);
        if !self.stale || self.awaits_frame {
            return Ok(());
        }
        self.stale = false;
        match self.spec.content {
            Content::Picture(_) => self.paint(wayland, painter),
            Content::Nothing => self.blank(wayland),
            Content::Widgets => {
                self.redraw_at = None;
                self.lay_out_and_draw(program, backend.renderer(), wayland, now, messages);
                self.present(backend, wayland, size)
            }
        }
    }

    fn lay_out_and_draw<P: Program<Part = Part>>(
        &mut self,
        program: &P,
        renderer: &mut Renderer,
        wayland: &mut Wayland,
        now: Instant,
        messages: &mut Vec<P::Message>,
    ) {
        let Some(bounds) = self.units() else { return };
        let cache = self.cache.take().unwrap_or_default();
        let mut ui = UserInterface::build(
            program.view(self.spec.part, bounds),
            bounds,
            cache,
            renderer,
        );
        for operation in self.operations.drain(..) {
            let mut next = Some(operation);
            while let Some(mut operation) = next.take() {
                ui.operate(renderer, operation.as_mut());
                if let Outcome::Chain(following) = operation.finish() {
                    next = Some(following);
                }
            }
        }
        // Widgets settle how they look (hovered, focused, blinking) on this event.
        let redraw = Event::Window(window::Event::RedrawRequested(now));
        let (state, _) = ui.update(
            std::slice::from_ref(&redraw),
            self.cursor,
            renderer,
            &mut Access(wayland),
            messages,
        );
        match state {
            State::Outdated => self.stale = true,
            State::Updated {
                mouse_interaction,
                redraw_request,
                ..
            } => {
                if self.cursor != mouse::Cursor::Unavailable {
                    wayland.set_cursor(mouse_interaction);
                }
                self.note(redraw_request);
            }
        }
        let style = renderer::Style {
            text_color: program.text_color(),
        };
        ui.draw(renderer, &iced_core::Theme::Dark, &style, self.cursor);
        self.cache = Some(ui.into_cache());
    }

    fn present(
        &mut self,
        backend: &mut Backend,
        wayland: &Wayland,
        size: Size<u32>,
    ) -> Result<(), Error> {
        let Some(target) = &mut self.target else {
            return Ok(());
        };
        let surface = self.role.wl_surface().clone();
        set_scale(&surface, self.viewport.as_ref(), size, self.scale);
        let scale = if self.viewport.is_some() {
            self.scale
        } else {
            self.scale.round()
        };
        let all = scale as f32 * self.zoom;
        let viewport = Viewport::with_physical_size(physical(size, scale), all);
        let queue = &wayland.queue;
        let callback = || {
            surface.frame(queue, FrameCallbackData(surface.clone()));
        };
        self.awaits_frame = backend.present(target, wayland, &surface, &viewport, callback)?;
        Ok(())
    }

    /// Starts painting the picture on a thread of its own.
    fn paint(
        &mut self,
        wayland: &Wayland,
        painter: &calloop::channel::Sender<Painting>,
    ) -> Result<(), Error> {
        let (Some(size), Content::Picture(picture)) = (self.size, &self.spec.content) else {
            return Ok(());
        };
        if self.painting {
            // Once more when this one is done.
            self.stale = true;
            return Ok(());
        }
        let size = physical(size, self.scale);
        let error = |source: String| Error::Buffer {
            width: size.width,
            height: size.height,
            reason: Some(source),
        };
        let bytes = size.width as usize * size.height as usize * 4;
        let mut pool = RawPool::new(bytes, &wayland.shm).map_err(|e| error(e.to_string()))?;
        let picture: Arc<dyn Picture> = picture.clone();
        let (id, painter) = (self.id(), painter.clone());
        self.painting = true;
        std::thread::Builder::new()
            .name("painter".to_owned())
            .spawn(move || {
                picture.draw(pool.mmap(), size.width as usize);
                // The receiver is gone only when the shell ends.
                let _ = painter.send(Painting {
                    surface: id,
                    pool,
                    size,
                });
            })
            .map_err(|e| error(e.to_string()))?;
        Ok(())
    }

    /// Shows a painting. Its memory stays with the compositor; ours is given back.
    pub(super) fn show(&mut self, painting: Painting, wayland: &Wayland) {
        self.painting = false;
        let Some(size) = self.size else { return };
        if physical(size, self.scale) != painting.size {
            self.stale = true;
            return;
        }
        let Painting {
            mut pool,
            size: pixels,
            ..
        } = painting;
        let (width, height) = (pixels.width as i32, pixels.height as i32);
        let in_use = InUse::default();
        let buffer = pool.create_buffer(
            0,
            width,
            height,
            width * 4,
            Format::Xrgb8888,
            in_use.clone(),
            &wayland.queue,
        );
        self.attach(buffer, in_use, size, self.scale);
    }

    /// Maps it with a single see-through pixel, which costs no memory; where the compositor makes pixels by itself, it
    /// knows that there is nothing to draw, either.
    fn blank(&mut self, wayland: &Wayland) -> Result<(), Error> {
        let Some(size) = self.size else { return Ok(()) };
        if let (Some(pixels), Some(_)) = (&wayland.single_pixel, &self.viewport) {
            let in_use = InUse::default();
            let buffer = pixels.create_u32_rgba_buffer(0, 0, 0, 0, &wayland.queue, in_use.clone());
            self.attach(buffer, in_use, size, 1.0);
            return Ok(());
        }
        let side = if self.viewport.is_some() {
            Size::new(1, 1)
        } else {
            size
        };
        let error = |source: String| Error::Buffer {
            width: side.width,
            height: side.height,
            reason: Some(source),
        };
        let bytes = side.width as usize * side.height as usize * 4;
        let mut pool = RawPool::new(bytes, &wayland.shm).map_err(|e| error(e.to_string()))?;
        let in_use = InUse::default();
        let (width, height) = (side.width as i32, side.height as i32);
        let buffer = pool.create_buffer(
            0,
            width,
            height,
            width * 4,
            Format::Argb8888,
            in_use.clone(),
            &wayland.queue,
        );
        self.attach(buffer, in_use, size, 1.0);
        Ok(())
    }

    fn attach(&mut self, buffer: WlBuffer, in_use: InUse, size: Size<u32>, scale: f64) {
        let surface = self.role.wl_surface();
        set_scale(surface, self.viewport.as_ref(), size, scale);
        in_use.0.store(true, Ordering::Release);
        surface.attach(Some(&buffer), 0, 0);
        surface.damage_buffer(0, 0, i32::MAX, i32::MAX);
        surface.commit();
        if let Some((old, _)) = self.picture.replace((buffer, in_use)) {
            old.destroy();
        }
    }
}

/// Tells the compositor how many pixels stand for a logical one.
fn set_scale(surface: &WlSurface, viewport: Option<&WpViewport>, size: Size<u32>, scale: f64) {
    match viewport {
        Some(viewport) => viewport.set_destination(size.width as i32, size.height as i32),
        None => surface.set_buffer_scale(scale.round() as i32),
    }
}
