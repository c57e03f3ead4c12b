//! The graph on a GPU: nodes and lines drawn by a pipeline of our own, the layout made where they are drawn.
//!
//! Who decides what:
//!
//! * The view (`super`) holds the graph and its heat. At each frame's deadline it cools the graph by a step and
//!   leaves that step in the [`Link`], as long as none is left there.
//! * The [`Frame`] that a redraw leads to takes the steps from the link, has the GPU make them ([`Pipeline`]),
//!   draws from the places that result, and has these read back meanwhile. Nothing waits for that: a later frame
//!   finds them and leaves them in the link.
//! * The view takes the places from the link: for labels, for what the pointer is at, to show everything, and to
//!   begin with when nodes come or go. They are a frame or two old while something moves.
//!
//! No frame is asked for once the graph rests and its places are known, and none while one that was asked for
//! is not drawn: a hidden view costs nothing. Where a person wants less motion, the places that were seen stay
//! until the graph rests.
//!
//! The canvas draws instead where the shell draws by CPU, where the device cannot do what is needed here (it is
//! asked for all of it at once, when the first graph is drawn), and of more than [`MOST_NODES`]. It always has
//! the words, and the pointer is its.

mod pipeline;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use iced_core::widget::{Tree, tree};
use iced_core::{
    Clipboard, Event, Layout, Length, Rectangle, Renderer as _, Shell, Size, Widget, layout, mouse,
    renderer,
};
use iced_graphics::Viewport;
use iced_wgpu::Primitive;
use iced_wgpu::primitive::Renderer as _;

pub use self::pipeline::Pipeline;
use super::Message;
use super::canvas::Canvas;
use super::graph::{Graph, Key, View};
use super::layout::{Neighbours, PARTINGS, Place};
use super::scene::{Line, Says, Scene};
use crate::host::{Element, Renderer};
use crate::theme::Palette;

/// Most nodes that are compared each with each in every step.
pub const MOST_NODES: usize = 1 << 15;
/// Most lines.
pub const MOST_LINES: usize = 1 << 17;
/// Most steps that one frame makes.
pub const MOST_STEPS: usize = 16;
/// Most messages that are seen on their way.
pub const MOST_TRAVELS: usize = 64;
/// How long one is on its way along a line.
const TRAVEL: Duration = Duration::from_millis(700);

/// What the view and the frames that are drawn of it tell each other.
#[derive(Debug, Clone, Default)]
pub struct Link(Arc<Mutex<Shared>>);

#[derive(Debug, Default)]
struct Shared {
    by: By,
    /// The heat of each step that is to be made; where it is 0, bodies are only pushed apart, twice.
    heats: VecDeque<f32>,
    /// A frame was asked for and is not drawn yet.
    asked: bool,
    /// The GPU has places that were not read back.
    unread: bool,
    /// Something is left for the view.
    news: bool,
    of: Option<Arc<Neighbours>>,
    places: Vec<Place>,
}

/// Who draws the graph.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum By {
    #[default]
    Canvas,
    Gpu,
    /// The canvas, as the GPU cannot.
    CanvasOnly,
}

impl Link {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether steps are to be left here rather than made by the view.
    pub fn on_gpu(&self) -> bool {
        self.shared().by == By::Gpu
    }

    /// A GPU is to draw this, if it can. Returns whether it does.
    fn take(&self, gpu: bool, scene: &Scene) -> bool {
        let fits = scene.bodies.len() <= MOST_NODES && scene.lines.len() <= MOST_LINES;
        let mut shared = self.shared();
        if shared.by != By::CanvasOnly {
            shared.by = if gpu && fits { By::Gpu } else { By::Canvas };
        }
        if shared.by != By::Gpu {
            (shared.unread, shared.asked) = (false, false);
            shared.heats.clear();
        }
        shared.by == By::Gpu
    }

    /// Whether nothing is to come of it unless a step is left, or a frame asked for.
    pub fn is_still(&self) -> bool {
        let shared = self.shared();
        shared.heats.is_empty() && !shared.unread && !shared.news
    }

    /// Whether a frame that was asked for is not drawn yet.
    pub fn is_asked(&self) -> bool {
        self.shared().asked
    }

    /// A frame is asked for. It makes so many steps of the graph, if none are left to make; after the last one of a
    /// graph that comes to rest, bodies that still overlap are pushed apart.
    pub fn ask(&self, graph: &mut Graph, steps: usize) {
        let mut shared = self.shared();
        shared.asked = true;
        if !shared.heats.is_empty() {
            return;
        }
        while shared.heats.len() < steps.min(MOST_STEPS)
            && let Some(heat) = graph.cool()
        {
            shared.heats.push_back(heat);
        }
        if !shared.heats.is_empty() && graph.is_still() {
            shared.heats.extend([0.0; PARTINGS / 2]);
        }
    }

    /// What is left for the view: `put` has the places that were read back, if it is that.
    pub fn news(&self, put: impl FnOnce(&Arc<Neighbours>, &[Place])) -> bool {
        let mut shared = self.shared();
        if let Some(of) = shared.of.take() {
            put(&of, &shared.places);
        }
        std::mem::take(&mut shared.news)
    }

    /// What the frame that is drawn now is to make, and whether that leaves steps to later ones.
    fn steps(&self) -> (Vec<f32>, bool) {
        let mut shared = self.shared();
        shared.asked = false;
        let count = shared.heats.len().min(MOST_STEPS);
        shared.unread |= count > 0;
        let heats = shared.heats.drain(..count).collect();
        (heats, !shared.heats.is_empty())
    }

    fn is_unread(&self) -> bool {
        self.shared().unread
    }

    /// The places were read back; `newest`: no step was made since.
    fn put(&self, of: &Arc<Neighbours>, places: &[[f32; 4]], newest: bool) {
        let mut shared = self.shared();
        shared.places.clear();
        let place = |at: &[f32; 4]| Place::new(at[0], at[1]);
        shared.places.extend(places.iter().map(place));
        shared.of = Some(of.clone());
        shared.news = true;
        shared.unread &= !newest;
    }

    /// It cannot be drawn by this GPU.
    fn fail(&self, reason: &str) {
        let mut shared = self.shared();
        if shared.by != By::CanvasOnly {
            tracing::warn!("the agents' graph is drawn without shaders of its own: {reason}");
        }
        shared.by = By::CanvasOnly;
        shared.heats.clear();
        (shared.asked, shared.unread, shared.news) = (false, false, true);
    }
}

/// Messages on their way.
#[derive(Debug, Default)]
pub struct Travels {
    all: VecDeque<Travel>,
    now: Option<Instant>,
}

#[derive(Debug)]
struct Travel {
    from: Key,
    to: Key,
    /// After how many others of the same message it begins.
    turn: u32,
    begun: Option<Instant>,
}

impl Travels {
    /// A message goes this way, from node to node, from the next [`Self::go_on`] on.
    pub fn begin(&mut self, way: &[Key]) {
        for (turn, pair) in (0..).zip(way.windows(2)) {
            if self.all.len() == MOST_TRAVELS {
                self.all.pop_front();
            }
            self.all.push_back(Travel {
                from: pair[0].clone(),
                to: pair[1].clone(),
                turn,
                begun: None,
            });
        }
    }

    /// It is `now`: those that have arrived are forgotten.
    pub fn go_on(&mut self, now: Instant) {
        self.now = Some(now);
        self.all.retain_mut(|travel| {
            let begun = *travel.begun.get_or_insert(now + TRAVEL * travel.turn);
            now < begun + TRAVEL
        });
    }

    /// None is seen.
    pub fn clear(&mut self) {
        self.all.clear();
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Those that are on their way, as lines whose width is how much of them lies behind.
    pub fn lines(&self, graph: &Graph) -> Vec<Line> {
        let Some(now) = self.now else {
            return Vec::new();
        };
        let line = |travel: &Travel| {
            let gone = now.checked_duration_since(travel.begun?)?;
            let gone = gone.as_secs_f32() / TRAVEL.as_secs_f32();
            let (from, to) = (graph.node(&travel.from)?, graph.node(&travel.to)?);
            Some(Line::new(from, to, Says::Now, gone.min(1.0)))
        };
        self.all.iter().filter_map(line).collect()
    }
}

/// The graph as it is to be drawn once.
#[derive(Debug)]
pub struct Frame {
    /// Has the steps, and gets the places.
    pub link: Link,
    /// What is to be seen.
    pub scene: Arc<Scene>,
    /// How it is looked at.
    pub view: View,
    /// The node that is held, and where.
    pub held: Option<(usize, Place)>,
    /// The node that is chosen.
    pub chosen: Option<usize>,
    /// The node that the pointer is over.
    pub hovered: Option<usize>,
    /// [`Travels::lines`].
    pub travels: Vec<Line>,
    /// The colours.
    pub palette: Palette,
    /// Whether the graph rests, but for the steps in the link.
    pub rests: bool,
    /// Whether it is seen only once it rests.
    pub still: bool,
}

impl Primitive for Frame {
    type Pipeline = Pipeline;

    fn prepare(
        &self,
        pipeline: &mut Pipeline,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        bounds: &Rectangle,
        viewport: &Viewport,
    ) {
        pipeline.prepare(self, device, queue, bounds.size(), viewport.scale_factor());
    }

    fn draw(&self, pipeline: &Pipeline, pass: &mut wgpu::RenderPass<'_>) -> bool {
        pipeline.draw(pass);
        true
    }
}

/// The graph: by GPU where that goes, with the canvas above it; by the canvas elsewhere.
pub(super) struct Picture<'a> {
    pub(super) canvas: Canvas<'a>,
    pub(super) link: &'a Link,
    pub(super) travels: &'a Travels,
    pub(super) still: bool,
}

type Inner<'a, 'b> =
    iced_widget::canvas::Canvas<&'b Canvas<'a>, Message, iced_core::Theme, Renderer>;

impl<'a> Picture<'a> {
    fn inner(&self) -> Inner<'a, '_> {
        iced_widget::canvas(&self.canvas)
            .width(Length::Fill)
            .height(Length::Fill)
    }

    fn frame(&self, scene: Arc<Scene>, size: Size) -> Frame {
        let Canvas { graph, palette, .. } = self.canvas;
        let node = |key: Option<&Key>| key.and_then(|key| graph.node(key));
        Frame {
            link: self.link.clone(),
            scene,
            view: graph.view(size),
            held: graph.held(),
            chosen: node(self.canvas.selected),
            hovered: node(self.canvas.hovered),
            travels: self.travels.lines(graph),
            palette,
            rests: graph.is_still(),
            still: self.still,
        }
    }
}

impl Widget<Message, iced_core::Theme, Renderer> for Picture<'_> {
    fn tag(&self) -> tree::Tag {
        self.inner().tag()
    }

    fn state(&self) -> tree::State {
        self.inner().state()
    }

    fn size(&self) -> Size<Length> {
        self.inner().size()
    }

    fn layout(
        &mut self,
        tree: &mut Tree,
        renderer: &Renderer,
        limits: &layout::Limits,
    ) -> layout::Node {
        self.inner().layout(tree, renderer, limits)
    }

    fn update(
        &mut self,
        tree: &mut Tree,
        event: &Event,
        layout: Layout<'_>,
        cursor: mouse::Cursor,
        renderer: &Renderer,
        clipboard: &mut dyn Clipboard,
        shell: &mut Shell<'_, Message>,
        viewport: &Rectangle,
    ) {
        self.inner().update(
            tree, event, layout, cursor, renderer, clipboard, shell, viewport,
        );
    }

    fn mouse_interaction(
        &self,
        tree: &Tree,
        layout: Layout<'_>,
        cursor: mouse::Cursor,
        viewport: &Rectangle,
        renderer: &Renderer,
    ) -> mouse::Interaction {
        self.inner()
            .mouse_interaction(tree, layout, cursor, viewport, renderer)
    }

    fn draw(
        &self,
        tree: &Tree,
        renderer: &mut Renderer,
        theme: &iced_core::Theme,
        style: &renderer::Style,
        layout: Layout<'_>,
        cursor: mouse::Cursor,
        viewport: &Rectangle,
    ) {
        let bounds = layout.bounds();
        let scene = self.canvas.scene();
        let on_gpu = self
            .link
            .take(matches!(renderer, Renderer::Primary(_)), &scene);
        self.canvas.drawn.set_on_gpu(on_gpu);
        let words = |renderer: &mut Renderer| {
            self.inner()
                .draw(tree, renderer, theme, style, layout, cursor, viewport);
        };
        if on_gpu && bounds.width >= 1.0 && bounds.height >= 1.0 {
            renderer.draw_primitive(bounds, self.frame(scene, bounds.size()));
            // A layer of their own: within one, what has words would be under it.
            renderer.with_layer(bounds, words);
        } else {
            words(renderer);
        }
    }
}

impl<'a> From<Picture<'a>> for Element<'a, Message> {
    fn from(picture: Picture<'a>) -> Self {
        Self::new(picture)
    }
}
