//! iced's widgets on layer-shell surfaces and in windows, without winit and without softbuffer.
//!
//! A [`Program`] says which surfaces it wants ([`Spec`]), what each of them shows (a widget tree)
//! and how messages change it. [`run`] makes the surfaces so, translates Wayland input into widget
//! events, and draws a surface when, and only when, something in it changed and the compositor is
//! ready for a frame. Nothing here knows what a panel or a launcher is.
//!
//! One turn of the loop: dispatch Wayland and the inbox; feed each surface's widgets the input that
//! came, in the order in which it came; apply the messages that result; make surfaces come and go;
//! draw. Widget trees are rebuilt from the program's state each time (their state is kept beside),
//! and a rebuilt tree that looks as before costs no commit (`render::cpu`).

mod clipboard;
pub mod headless;
mod keys;
pub mod larger;
pub(crate) mod render;
mod surface;
mod wayland;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use calloop::channel::{Channel, Event as ChannelEvent};
use calloop::{EventLoop, LoopHandle};
use iced_core::{Color, Size, widget};
use sctk::reexports::calloop_wayland_source::WaylandSource;
pub use sctk::reexports::client::Connection;
use sctk::reexports::client::globals::registry_queue_init;
use sctk::reexports::client::protocol::wl_output::WlOutput;
pub use sctk::shell::wlr_layer::{Anchor, KeyboardInteractivity, Layer};
use smithay_client_toolkit as sctk;

pub use render::probe;
use render::{Backend, Choice};
use surface::Surface;
use wayland::{Happening, Wayland};

/// The renderer all widgets are drawn with: wgpu's or tiny-skia's, decided at start.
pub type Renderer = iced_renderer::Renderer;
/// A widget tree.
pub type Element<'a, Message> = iced_core::Element<'a, Message, iced_core::Theme, Renderer>;

/// The part of a screen that a window opens with at most: it has a frame, and panels are beside it.
const WINDOW_ROOM: (f32, f32) = (0.98, 0.9);

/// What runs on the host.
pub trait Program: Sized {
    /// What can happen.
    type Message: Send + 'static;
    /// Names its surfaces.
    type Part: Copy + Eq + Debug + 'static;
    /// Whether it holds the session locked. Then its surfaces are the lock's: they cover their
    /// output, and of a [`Spec`] only `part`, `on` (which is [`Outputs::Each`]) and `content` count.
    /// It ends with [`Tasks::unlock`].
    const LOCKS: bool = false;

    /// The surfaces that should exist now.
    fn surfaces(&self) -> Vec<Spec<Self::Part>>;
    /// What a surface with widgets shows. `size` is in logical pixels.
    fn view(&self, part: Self::Part, size: Size) -> Element<'_, Self::Message>;
    /// Something happened.
    fn update(&mut self, message: Self::Message, tasks: &mut Tasks<Self::Part>);
    /// Takes an event before the widgets of `part` see it.
    fn intercept(&self, part: Self::Part, event: &iced_core::Event) -> Option<Self::Message>;
    /// When [`Program::tick`] is to be called next, if ever.
    fn deadline(&self) -> Option<Instant>;
    /// The deadline passed.
    fn tick(&mut self, now: Instant, tasks: &mut Tasks<Self::Part>);
    /// The first frame of `part` is on screen, or the first after it moved.
    fn shown(&mut self, part: Self::Part);
    /// `part`, which was on screen, has another size or scale or is gone: what is seen is not where
    /// it will be, until it is [`Program::shown`].
    fn moves(&mut self, _part: Self::Part) {}
    /// The person closes the window of `part`, by its frame or by a key of the compositor's. It stays
    /// until [`Program::surfaces`] has it no more.
    fn closes(&mut self, _part: Self::Part, _tasks: &mut Tasks<Self::Part>) {}
    /// Caps Lock was switched on or off.
    fn caps_lock(&mut self, _on: bool) {}
    /// The colour of text that says none.
    fn text_color(&self) -> Color;
    /// How many times as large as they are laid out things are shown: 1 unless the person wants otherwise. All
    /// sizes that a program says and hears are those of 1.
    fn text_size(&self) -> f32 {
        1.0
    }
    /// The smallest size at which the widgets of `part` have room; 0 where any does. Where the screen is too small
    /// for [`Program::text_size`], a surface is made smaller than its [`Spec`] says down to this, and then shown
    /// less large. Without it, it is never smaller than its [`Spec`] says.
    fn least(&self, _part: Self::Part) -> Option<Size> {
        None
    }
}

/// What a program asks the host to do.
pub struct Tasks<Part> {
    operations: Vec<(Part, Box<dyn widget::Operation>)>,
    exit: bool,
    unlock: bool,
}

impl<Part> Debug for Tasks<Part> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tasks")
            .field("exit", &self.exit)
            .field("unlock", &self.unlock)
            .finish_non_exhaustive()
    }
}

impl<Part> Default for Tasks<Part> {
    fn default() -> Self {
        Self {
            operations: Vec::new(),
            exit: false,
            unlock: false,
        }
    }
}

impl<Part> Tasks<Part> {
    /// Gives a text input of `part` the keyboard, its cursor at the end.
    pub fn focus(&mut self, part: Part, input: &'static str)
    where
        Part: Copy,
    {
        use widget::operation::{focusable, text_input};
        let id = widget::Id::new(input);
        self.operations
            .push((part, Box::new(focusable::focus(id.clone()))));
        self.operations
            .push((part, Box::new(text_input::move_cursor_to_end(id))));
    }

    /// Scrolls a scrollable of `part` to `offset` pixels from its top.
    pub fn scroll_to(&mut self, part: Part, scrollable: &'static str, offset: f32) {
        use widget::operation::scrollable::{AbsoluteOffset, scroll_to};
        let offset = AbsoluteOffset {
            x: None,
            y: Some(offset),
        };
        self.operations.push((
            part,
            Box::new(scroll_to(widget::Id::new(scrollable), offset)),
        ));
    }

    /// Ends [`run`].
    pub fn exit(&mut self) {
        self.exit = true;
    }

    /// Unlocks the session that the program holds locked, and ends [`run`].
    pub fn unlock(&mut self) {
        self.unlock = true;
    }

    /// Whether the session is to be unlocked.
    pub fn unlocks(&self) -> bool {
        self.unlock
    }
}

/// A surface as the program wants it.
#[derive(Debug, Clone)]
pub struct Spec<Part> {
    /// Whose it is.
    pub part: Part,
    /// On every output, on one, or on the one the compositor picks.
    pub on: Outputs,
    /// How far in front.
    pub layer: Layer,
    /// The edges it sticks to.
    pub anchor: Anchor,
    /// Width in logical pixels; 0 stretches it between its anchors.
    pub width: u32,
    /// Height.
    pub height: Height,
    /// Distances from the anchored edges: top, right, bottom, left.
    pub margin: [i32; 4],
    /// Logical pixels at each edge that only hold a shadow: clicks there go to what is behind.
    pub shadow: u32,
    /// Logical pixels that windows keep clear of it; -1 ignores what others keep clear.
    pub exclusive_zone: i32,
    /// Whether it takes the keyboard.
    pub keyboard: KeyboardInteractivity,
    /// Its name for the compositor.
    pub namespace: &'static str,
    /// What it shows.
    pub content: Content,
    /// Makes it a window as other programs have them: of the above, `part`, `width`, `height` and
    /// `content` count then, the sizes being what it opens with.
    pub window: Option<Window>,
    /// Whether the session does not count as idle while it is on screen.
    pub keeps_awake: bool,
}

impl<Part> Spec<Part> {
    /// Widgets that cover outputs, panels as well, and have the keyboard.
    pub fn cover(part: Part, on: Outputs, namespace: &'static str) -> Self {
        Self {
            part,
            on,
            layer: Layer::Overlay,
            anchor: Anchor::all(),
            width: 0,
            height: Height::Fixed(0),
            margin: [0; 4],
            shadow: 0,
            exclusive_zone: -1,
            keyboard: KeyboardInteractivity::Exclusive,
            namespace,
            content: Content::Widgets,
            window: None,
            keeps_awake: false,
        }
    }

    /// A window of `width` by `height` logical pixels with widgets.
    pub fn window(part: Part, width: u32, height: Height, window: Window) -> Self {
        Self {
            part,
            on: Outputs::Active,
            layer: Layer::Top,
            anchor: Anchor::empty(),
            width,
            height,
            margin: [0; 4],
            shadow: 0,
            exclusive_zone: 0,
            keyboard: KeyboardInteractivity::OnDemand,
            namespace: "argos-window",
            content: Content::Widgets,
            window: Some(window),
            keeps_awake: false,
        }
    }
}

/// What makes a surface a window. Only the title may change while it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Its title.
    pub title: String,
    /// By what the compositor knows the application.
    pub app_id: &'static str,
    /// Another program's window that it belongs to, as `xdg-foreign` names it. One that is not
    /// there (any more) is no error.
    pub parent: Option<String>,
    /// Whether its parent takes no input while it is there.
    pub modal: bool,
    /// Narrower and lower than this, in logical pixels, it is not made.
    pub least: (u32, u32),
}

/// Where a surface is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outputs {
    /// One on each output.
    Each,
    /// One on the output that the compositor calls so, while it is there.
    Named(String),
    /// One, where the compositor thinks fit.
    Active,
}

/// The height of a surface in logical pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Height {
    /// This; 0 stretches it between its anchors.
    Fixed(u32),
    /// What its widgets need, up to this.
    Fit(u32),
}

/// What a surface shows.
#[derive(Debug, Clone)]
pub enum Content {
    /// Widgets, by [`Program::view`].
    Widgets,
    /// A picture, drawn once.
    Picture(Arc<dyn Picture>),
    /// Nothing, but it takes clicks, by [`Program::intercept`].
    Nothing,
}

/// A picture that fills a surface. It is drawn off the main thread, straight into the buffer that
/// is shown, and then forgotten.
pub trait Picture: Debug + Send + Sync {
    /// Draws it into rows of `width` pixels, each four bytes: blue, green, red, and one without
    /// meaning.
    fn draw(&self, pixels: &mut [u8], width: usize);
}

/// Why the host ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection to a compositor.
    #[error("cannot reach the compositor: {0}")]
    Connect(String),
    /// The compositor went away, or ended the connection for an error of ours.
    #[error("the compositor ended the connection: {0}")]
    Lost(String),
    /// Somebody else holds the session locked.
    #[error("the session is locked by another locker already")]
    NotOurs,
    /// The compositor lacks something without which there is no shell.
    #[error("the compositor does not offer {protocol}, which the shell needs")]
    Missing {
        /// The protocol.
        protocol: &'static str,
    },
    /// No memory for a buffer.
    #[error("cannot make a buffer of {width}x{height} pixels: {}", reason.as_deref().unwrap_or("it is too large"))]
    Buffer {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
        /// What the system said.
        reason: Option<String>,
    },
    /// The GPU does not do.
    #[error("the GPU cannot be used: {0}")]
    Gpu(String),
    /// Nobody could be logged in.
    #[error("there is nobody who logs people in: {0}")]
    Greetd(String),
    /// The event loop broke.
    #[error("the event loop failed: {0}")]
    Loop(#[from] calloop::Error),
}

/// Runs `program` on `connection` until it asks to end or the compositor goes away. Messages from
/// other threads arrive through `inbox`.
pub fn run<P: Program>(
    program: P,
    connection: Connection,
    choice: Choice,
    inbox: Channel<P::Message>,
) -> Result<(), Error>
where
    P::Message: 'static,
{
    let mut events: EventLoop<'static, Wayland> = EventLoop::try_new()?;
    let handle: LoopHandle<'static, Wayland> = events.handle();
    let (globals, queue) =
        registry_queue_init(&connection).map_err(|e| Error::Connect(e.to_string()))?;
    let mut wayland = Wayland::new(connection.clone(), &globals, queue.handle(), handle.clone())?;
    let insert = |e: String| Error::Connect(e);
    if P::LOCKS {
        wayland.lock(&globals)?;
    }
    WaylandSource::new(connection.clone(), queue)
        .insert(handle.clone())
        .map_err(|e| insert(e.to_string()))?;

    let received = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let sink = received.clone();
    handle
        .insert_source(inbox, move |event, (), _| {
            if let ChannelEvent::Msg(message) = event {
                sink.borrow_mut().push(message);
            }
        })
        .map_err(|e| insert(e.to_string()))?;
    let painted = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let (painter, paintings) = calloop::channel::channel();
    let sink = painted.clone();
    handle
        .insert_source(paintings, move |event, (), _| {
            if let ChannelEvent::Msg(painting) = event {
                sink.borrow_mut().push(painting);
            }
        })
        .map_err(|e| insert(e.to_string()))?;

    let backend = Backend::new(choice, &wayland);
    tracing::info!("drawing with {}", backend.name());
    let mut host = Host {
        program,
        backend,
        surfaces: Vec::new(),
        tasks: Tasks::default(),
        painter,
    };
    // Outputs are announced in the first round trip.
    events.dispatch(Some(Duration::from_secs(5)), &mut wayland)?;
    host.arrange(&mut wayland)?;
    loop {
        let timeout = host
            .next_wake()
            .map(|at| at.saturating_duration_since(Instant::now()));
        events
            .dispatch(timeout, &mut wayland)
            .map_err(|e| Error::Lost(e.to_string()))?;
        for painting in painted.borrow_mut().drain(..) {
            host.show(painting, &wayland);
        }
        let messages = std::mem::take(&mut *received.borrow_mut());
        host.turn(&mut wayland, messages)?;
        if host.tasks.exit {
            return Ok(());
        }
        if host.tasks.unlock && wayland.unlock() {
            host.surfaces.clear();
            // Until the compositor has read it, this process must not go away.
            return connection
                .roundtrip()
                .map(drop)
                .map_err(|e| Error::Lost(e.to_string()));
        }
    }
}

struct Host<P: Program> {
    program: P,
    backend: Backend,
    surfaces: Vec<Surface<P::Part>>,
    tasks: Tasks<P::Part>,
    painter: calloop::channel::Sender<surface::Painting>,
}

impl<P: Program> Host<P> {
    fn next_wake(&self) -> Option<Instant> {
        let redraws = self.surfaces.iter().filter_map(Surface::redraw_at);
        redraws.chain(self.program.deadline()).min()
    }

    fn turn(&mut self, wayland: &mut Wayland, messages: Vec<P::Message>) -> Result<(), Error> {
        if wayland.lock_lost {
            return Err(Error::NotOurs);
        }
        let mut changed = std::mem::take(&mut wayland.outputs_changed);
        if let Some(on) = wayland.caps_changed.take() {
            self.program.caps_lock(on);
            self.refresh();
        }
        for message in messages {
            self.apply(message);
            changed = true;
        }
        let now = Instant::now();
        if self.program.deadline().is_some_and(|at| at <= now) {
            self.program.tick(now, &mut self.tasks);
            self.refresh();
            changed = true;
        }
        for (id, happening) in std::mem::take(&mut wayland.happenings) {
            let Some(index) = self.surfaces.iter().position(|s| s.id() == id) else {
                continue;
            };
            match happening {
                Happening::Configured(size) => {
                    let text_size = self.program.text_size();
                    if self.surfaces[index].configured(size, text_size, wayland) {
                        self.program.moves(self.surfaces[index].part());
                    }
                }
                Happening::Scaled(scale) => {
                    if self.surfaces[index].scaled(scale) {
                        self.program.moves(self.surfaces[index].part());
                    }
                }
                Happening::Frame => {
                    if self.surfaces[index].frame_done() {
                        self.program.shown(self.surfaces[index].part());
                        self.refresh();
                    }
                }
                Happening::CloseAsked => {
                    let part = self.surfaces[index].part();
                    self.program.closes(part, &mut self.tasks);
                    self.refresh();
                    changed = true;
                }
                Happening::Closed => {
                    let gone = self.surfaces.remove(index);
                    self.program.moves(gone.part());
                    changed = true;
                }
                Happening::Input(event) => changed |= self.input(wayland, index, event),
            }
        }
        for index in 0..self.surfaces.len() {
            changed |= self.feed(wayland, index);
        }
        if changed {
            self.arrange(wayland)?;
        }
        self.draw(wayland)
    }

    /// Gives an event to the program or queues it for the widgets. Widgets hear of what came
    /// before an intercepted event first, so that a quickly typed word and its Enter stay in order.
    fn input(&mut self, wayland: &mut Wayland, index: usize, event: iced_core::Event) -> bool {
        let surface = &mut self.surfaces[index];
        let Some(message) = self.program.intercept(surface.part(), &event) else {
            surface.queue(event);
            return false;
        };
        self.feed(wayland, index);
        self.apply(message);
        true
    }

    /// Lets a surface's widgets work through their events. Returns whether messages resulted.
    fn feed(&mut self, wayland: &mut Wayland, index: usize) -> bool {
        let mut messages = Vec::new();
        self.surfaces[index].feed(
            &self.program,
            self.backend.renderer(),
            wayland,
            &mut messages,
        );
        let any = !messages.is_empty();
        for message in messages {
            self.apply(message);
        }
        any
    }

    fn apply(&mut self, message: P::Message) {
        self.program.update(message, &mut self.tasks);
        self.refresh();
    }

    fn refresh(&mut self) {
        for surface in &mut self.surfaces {
            surface.refresh();
        }
    }

    /// Makes the surfaces be what the program wants.
    fn arrange(&mut self, wayland: &mut Wayland) -> Result<(), Error> {
        let outputs: Vec<_> = wayland.outputs.outputs().collect();
        let specs = if outputs.is_empty() {
            Vec::new()
        } else {
            self.program.surfaces()
        };
        let mut wanted = Vec::new();
        for spec in specs {
            let on: Vec<_> = match &spec.on {
                Outputs::Active => vec![None],
                Outputs::Each => outputs.iter().map(Some).collect(),
                Outputs::Named(name) => {
                    let named = outputs.iter().filter(|o| wayland.is_called(o, name));
                    named.map(Some).collect()
                }
            };
            wanted.extend(on.into_iter().map(|o| (spec.clone(), o.cloned())));
        }
        self.surfaces.retain(|s| {
            wanted
                .iter()
                .any(|(spec, output)| s.is(spec.part, output.as_ref()))
        });
        let kept_clear = wanted.iter().map(|(spec, _)| spec.exclusive_zone.max(0));
        let kept_clear = kept_clear.max().unwrap_or(0) as f32;
        for (spec, output) in wanted {
            let plan = self.plan(&spec, output.as_ref(), kept_clear, wayland);
            match self
                .surfaces
                .iter_mut()
                .find(|s| s.is(spec.part, output.as_ref()))
            {
                Some(surface) => {
                    if surface.arrange(spec, plan, wayland, &self.painter)? {
                        self.program.moves(surface.part());
                    }
                }
                None => {
                    let surface = Surface::new(spec, plan, output, wayland, &mut self.backend)?;
                    self.surfaces.push(surface);
                }
            }
        }
        for (part, operation) in self.tasks.operations.drain(..) {
            if let Some(surface) = self.surfaces.iter_mut().find(|s| s.part() == part) {
                surface.operate(operation);
            }
        }
        Ok(())
    }

    /// How large a surface is to be. `kept_clear`: what windows keep clear of the program's own.
    fn plan(
        &mut self,
        spec: &Spec<P::Part>,
        output: Option<&WlOutput>,
        kept_clear: f32,
        wayland: &Wayland,
    ) -> larger::Plan {
        let height = surface::measure(&self.program, spec, self.backend.renderer());
        let wanted = Size::new(spec.width, height);
        if !matches!(spec.content, Content::Widgets) {
            return larger::Plan::as_it_is(wanted);
        }
        let text_size = self.program.text_size();
        let beside = if spec.exclusive_zone == 0 {
            kept_clear
        } else {
            0.0
        };
        let room = wayland.room(output).map(|room| {
            let (wide, high) = if spec.window.is_some() {
                WINDOW_ROOM
            } else {
                (1.0, 1.0)
            };
            Size::new(room.width * wide, room.height * high - beside * text_size)
        });
        let least = spec.window.as_ref().map(|window| {
            let (width, height) = window.least;
            Size::new(width as f32, height as f32)
        });
        let least = least.or_else(|| self.program.least(spec.part));
        larger::Plan::new(text_size, wanted, least, room)
    }

    fn draw(&mut self, wayland: &mut Wayland) -> Result<(), Error> {
        let mut messages = Vec::new();
        for surface in &mut self.surfaces {
            surface.draw(
                &self.program,
                &mut self.backend,
                wayland,
                &self.painter,
                &mut messages,
            )?;
        }
        for message in messages {
            self.apply(message);
        }
        Ok(())
    }

    fn show(&mut self, painting: surface::Painting, wayland: &Wayland) {
        if let Some(surface) = self
            .surfaces
            .iter_mut()
            .find(|s| s.id() == painting.surface)
        {
            surface.show(painting, wayland);
        }
    }
}
