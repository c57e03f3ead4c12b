//! The graph on a canvas: how it is drawn, and what the pointer does to it.
//!
//! It is drawn once for each change: the drawing is kept ([`Drawn`]), and one that is kept costs no
//! repaint. Where a GPU draws nodes and lines ([`super::gpu`]), what is left to the canvas is what has words.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use argos_bus::agents::Agent;
use iced_core::text::Paragraph as _;
use iced_core::{Color, Event, Pixels, Point, Rectangle, Size, alignment, mouse, text};
use iced_graphics::text::Paragraph;
use iced_widget::Action;
use iced_widget::canvas::{self, Geometry, Path, Stroke};

use super::Message;
use super::graph::{Graph, Key, View};
use super::scene::{Line, Look, Says, Scene, named};
use super::timeline::Timeline;
use crate::fonts;
use crate::host::Renderer;
use crate::parts::panel::state_word;
use crate::theme::{Palette, TEXT_SMALL};
use crate::tr;
use crate::widgets::{mix, shortened};

type Frame = canvas::Frame<Renderer>;

/// Radius of the smallest node that is drawn, in logical pixels.
pub(super) const SMALLEST: f32 = 2.5;
/// A press that moves less is a click.
const STEADY: f32 = 4.0;
/// One line of the wheel is so many times closer.
const WHEEL: f32 = 1.15;
/// Height of the legend at the lower edge.
const LEGEND: f32 = 30.0;
/// Longest label, in characters.
const LONGEST: usize = 26;
/// Labels that a place is looked for where a GPU draws thousands of nodes: the most important ones in sight.
const MOST_LABELS: usize = 400;
/// So far out of sight a node may be that still reaches into it.
const NEAR: f32 = 80.0;

/// The drawing that is kept.
#[derive(Default)]
pub(super) struct Drawn {
    cache: canvas::Cache<Renderer>,
    scene: RefCell<Option<Arc<Scene>>>,
    palette: Cell<Option<Palette>>,
    size: Cell<Option<Size>>,
    /// Whether nodes and lines are drawn by a GPU.
    on_gpu: Cell<bool>,
    /// The width of each label that was drawn.
    widths: RefCell<HashMap<String, f32>>,
}

impl std::fmt::Debug for Drawn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Drawn")
    }
}

impl Drawn {
    /// It is not so any more.
    pub(super) fn clear(&self) {
        self.cache.clear();
    }

    /// What is to be seen is another.
    pub(super) fn change(&self) {
        self.clear();
        self.scene.take();
    }

    /// What is to be seen, by `look` unless it is kept.
    pub(super) fn scene(&self, look: impl FnOnce() -> Scene) -> Arc<Scene> {
        let mut kept = self.scene.borrow_mut();
        kept.get_or_insert_with(|| Arc::new(look())).clone()
    }

    /// From now on nodes and lines are drawn by a GPU, or are not.
    pub(super) fn set_on_gpu(&self, on_gpu: bool) {
        if self.on_gpu.replace(on_gpu) != on_gpu {
            self.clear();
        }
    }

    /// How large it was when it was drawn last.
    pub(super) fn size(&self) -> Option<Size> {
        self.size.get()
    }

    /// Draws with `paint` unless the drawing that is kept is in these colours and of this size.
    pub(super) fn draw(
        &self,
        renderer: &Renderer,
        size: Size,
        palette: &Palette,
        paint: impl FnOnce(&mut Frame),
    ) -> Geometry<Renderer> {
        if self.palette.replace(Some(*palette)) != Some(*palette) {
            self.cache.clear();
        }
        self.size.set(Some(size));
        self.cache.draw(renderer, size, paint)
    }

    fn width(&self, label: &str) -> f32 {
        if let Some(width) = self.widths.borrow().get(label) {
            return *width;
        }
        let width = Paragraph::with_text(text::Text {
            content: label,
            bounds: Size::INFINITE,
            size: Pixels(TEXT_SMALL),
            line_height: text::LineHeight::default(),
            font: fonts::UI_MEDIUM,
            align_x: text::Alignment::Left,
            align_y: alignment::Vertical::Top,
            shaping: text::Shaping::Advanced,
            wrapping: text::Wrapping::None,
        })
        .min_width();
        self.widths.borrow_mut().insert(label.to_owned(), width);
        width
    }
}

/// One line of text. The left end is at `at`: what is drawn anew is found by that.
pub(super) fn write(frame: &mut Frame, words: &str, at: Point, size: f32, color: Color) {
    frame.fill_text(canvas::Text {
        content: words.to_owned(),
        position: at,
        color,
        size: Pixels(size),
        font: fonts::UI_MEDIUM,
        align_y: alignment::Vertical::Center,
        shaping: text::Shaping::Advanced,
        ..canvas::Text::default()
    });
}

/// The graph as it is to be seen.
pub(super) struct Canvas<'a> {
    pub(super) graph: &'a Graph,
    pub(super) timeline: &'a Timeline,
    /// Every agent.
    pub(super) agents: &'a [Agent],
    pub(super) selected: Option<&'a Key>,
    pub(super) hovered: Option<&'a Key>,
    pub(super) drawn: &'a Drawn,
    pub(super) palette: Palette,
}

/// What the pointer is at.
#[derive(Debug, Default)]
pub(super) struct Pointer {
    pressed: Option<Pressed>,
}

#[derive(Debug)]
struct Pressed {
    at: Point,
    on: Option<Key>,
    view: View,
    moved: bool,
}

impl canvas::Program<Message, iced_core::Theme, Renderer> for Canvas<'_> {
    type State = Pointer;

    fn update(
        &self,
        pointer: &mut Pointer,
        event: &Event,
        bounds: Rectangle,
        cursor: mouse::Cursor,
    ) -> Option<Action<Message>> {
        let Event::Mouse(event) = event else {
            return None;
        };
        let size = bounds.size();
        let inside = cursor.position_in(bounds);
        match event {
            mouse::Event::CursorMoved { .. } => {
                let at = cursor.position_from(bounds.position())?;
                let Some(pressed) = &mut pointer.pressed else {
                    let over = inside.and_then(|at| self.graph.hit(at, size));
                    let message = Message::Hover(over.cloned());
                    return (over != self.hovered).then(|| Action::publish(message));
                };
                if !pressed.moved && pressed.at.distance(at) < STEADY {
                    return None;
                }
                pressed.moved = true;
                let view = pressed.view;
                Some(Action::publish(match &pressed.on {
                    Some(key) => Message::Drag(key.clone(), view.place(at, size)),
                    None => {
                        let (from, to) = (view.place(pressed.at, size), view.place(at, size));
                        let mut middle = view.middle;
                        middle.x -= to.x - from.x;
                        middle.y -= to.y - from.y;
                        Message::Look(View { middle, ..view })
                    }
                }))
            }
            mouse::Event::CursorLeft => self
                .hovered
                .is_some()
                .then(|| Action::publish(Message::Hover(None))),
            mouse::Event::ButtonPressed(mouse::Button::Left) => {
                let at = inside?;
                pointer.pressed = Some(Pressed {
                    at,
                    on: self.graph.hit(at, size).cloned(),
                    view: self.graph.view(size),
                    moved: false,
                });
                Some(Action::capture())
            }
            mouse::Event::ButtonReleased(mouse::Button::Left) => {
                let pressed = pointer.pressed.take()?;
                match (pressed.moved, pressed.on) {
                    (false, on) => Some(Action::publish(Message::Choose(on))),
                    (true, Some(_)) => Some(Action::publish(Message::LetGo)),
                    (true, None) => None,
                }
            }
            mouse::Event::WheelScrolled { delta } => {
                let at = inside?;
                let lines = match delta {
                    mouse::ScrollDelta::Lines { y, .. } => *y,
                    mouse::ScrollDelta::Pixels { y, .. } => *y / 40.0,
                };
                let view = self.graph.view(size);
                let closer = view.zoomed(WHEEL.powf(lines), at, size);
                Some(Action::publish(Message::Look(closer)).and_capture())
            }
            _ => None,
        }
    }

    fn draw(
        &self,
        _: &Pointer,
        renderer: &Renderer,
        _: &iced_core::Theme,
        bounds: Rectangle,
        _: mouse::Cursor,
    ) -> Vec<Geometry<Renderer>> {
        let size = bounds.size();
        vec![self.drawn.draw(renderer, size, &self.palette, |frame| {
            self.paint(frame, size);
        })]
    }

    fn mouse_interaction(
        &self,
        pointer: &Pointer,
        bounds: Rectangle,
        cursor: mouse::Cursor,
    ) -> mouse::Interaction {
        match &pointer.pressed {
            Some(pressed) if pressed.moved => mouse::Interaction::Grabbing,
            _ if !cursor.is_over(bounds) => mouse::Interaction::None,
            _ if self.hovered.is_some() => mouse::Interaction::Pointer,
            _ => mouse::Interaction::Grab,
        }
    }
}

/// A node as it is drawn.
struct Dot<'a> {
    node: usize,
    key: &'a Key,
    at: Point,
    radius: f32,
    look: Look,
}

impl Canvas<'_> {
    /// What is to be seen.
    pub(super) fn scene(&self) -> Arc<Scene> {
        let look = || Scene::new(self.graph, self.agents, self.timeline);
        self.drawn.scene(look)
    }

    fn paint(&self, frame: &mut Frame, size: Size) {
        let scene = self.scene();
        let view = self.graph.view(size);
        let dots: Vec<Dot<'_>> = self
            .graph
            .nodes()
            .iter()
            .zip(&scene.bodies)
            .enumerate()
            .map(|(node, (key, body))| Dot {
                node,
                key,
                at: view.point(self.graph.place(node), size),
                radius: (body.radius * view.zoom).max(SMALLEST),
                look: body.look(),
            })
            .collect();
        if !self.drawn.on_gpu.get() {
            self.lines(frame, &scene, &dots);
            for dot in dots.iter().filter(|dot| dot.look != Look::Absent) {
                self.dot(frame, dot);
            }
        }
        self.labels(frame, &dots, size);
        self.legend(frame, size);
    }

    /// What binds the nodes.
    fn lines(&self, frame: &mut Frame, scene: &Scene, dots: &[Dot<'_>]) {
        let ends = |line: &Line| {
            let (from, to) = (&dots[line.from as usize], &dots[line.to as usize]);
            let there = from.look != Look::Absent && to.look != Look::Absent;
            there.then_some((from.at, to.at))
        };
        // Of one kind and width after another, so that most of them are one path.
        for alike in scene
            .lines
            .chunk_by(|a, b| (a.says(), a.width) == (b.says(), b.width))
        {
            let mut path = canvas::path::Builder::new();
            for (from, to) in alike.iter().filter_map(ends) {
                path.move_to(from);
                path.line_to(to);
            }
            let color = line_color(alike[0].says(), &self.palette);
            stroke(frame, &path.build(), color, alike[0].width);
        }
    }

    fn dot(&self, frame: &mut Frame, dot: &Dot<'_>) {
        let palette = &self.palette;
        match dot.key {
            Key::Person => {
                frame.fill(&Path::circle(dot.at, dot.radius), palette.text);
                frame.fill(&Path::circle(dot.at, dot.radius * 0.45), palette.card);
            }
            Key::Room(_) => {
                let side = dot.radius * 2.0;
                let corner = Point::new(dot.at.x - dot.radius, dot.at.y - dot.radius);
                let shape =
                    Path::rounded_rectangle(corner, Size::new(side, side), (side * 0.3).into());
                frame.fill(&shape, palette.raised);
                stroke(frame, &shape, palette.text_dim, 1.5);
            }
            Key::Agent(_) => mark(frame, dot.at, dot.radius, dot.look, palette),
        }
        let ring = |frame: &mut Frame, color, width| {
            let around = Path::circle(dot.at, dot.radius + 6.0);
            stroke(frame, &around, color, width);
        };
        if self.selected == Some(dot.key) {
            ring(frame, palette.text, 2.0);
        } else if self.hovered == Some(dot.key) {
            ring(frame, palette.text_dim, 1.5);
        }
    }

    /// How far a node reaches with the rings around it.
    fn reach(&self, dot: &Dot<'_>) -> f32 {
        let ringed = self.selected == Some(dot.key) || self.hovered == Some(dot.key);
        match dot.look {
            _ if ringed => dot.radius + 7.0,
            Look::Busy => dot.radius * 1.25 + 3.0,
            _ => dot.radius,
        }
    }

    /// Labels beside the nodes, the more important ones first, as far as they lie neither on each other nor
    /// on a node.
    fn labels(&self, frame: &mut Frame, dots: &[Dot<'_>], size: Size) {
        let palette = &self.palette;
        let now = self.timeline.at().map(|event| event.agent.as_str());
        let weight = |dot: &Dot<'_>| match (dot.key, dot.look) {
            (key, _) if self.selected == Some(key) => 0,
            (key, _) if self.hovered == Some(key) => 1,
            (Key::Person, _) => 2,
            (Key::Agent(name), _) if now == Some(name.as_str()) => 3,
            (_, Look::Waiting | Look::Failed) => 4,
            (_, Look::Busy) => 5,
            (_, Look::Idle) => 6,
            (Key::Agent(_), _) => 7,
            (Key::Room(_), _) => 8,
        };
        // Above the legend, and in between its sides.
        let area = Rectangle::new(
            Point::new(2.0, 2.0),
            Size::new(size.width - 4.0, size.height - LEGEND - 2.0),
        );
        let around = |dot: &Dot<'_>| {
            let reach = self.reach(dot);
            let corner = Point::new(dot.at.x - reach, dot.at.y - reach);
            Rectangle::new(corner, Size::new(2.0 * reach, 2.0 * reach))
        };
        let near = area.expand(NEAR);
        let there = |dot: &&Dot<'_>| dot.look != Look::Absent && near.contains(dot.at);
        let mut order: Vec<(i32, &Dot<'_>)> = dots
            .iter()
            .filter(there)
            .map(|dot| (weight(dot), dot))
            .collect();
        // By where they begin, so that few of them have to be compared with a label.
        let mut discs: Vec<Rectangle> = order.iter().map(|(_, dot)| around(dot)).collect();
        discs.sort_unstable_by(|a, b| a.x.total_cmp(&b.x));
        let widest = discs.iter().map(|disc| disc.width).fold(0.0, f32::max);
        let more_important = |a: &(i32, &Dot<'_>), b: &(i32, &Dot<'_>)| {
            a.0.cmp(&b.0).then_with(|| a.1.key.cmp(b.1.key))
        };
        if self.drawn.on_gpu.get() && order.len() > MOST_LABELS {
            order.select_nth_unstable_by(MOST_LABELS, more_important);
            order.truncate(MOST_LABELS);
        }
        order.sort_unstable_by(more_important);
        let mut taken: Vec<Rectangle> = Vec::new();
        for (weight, dot) in order {
            let asked = weight < 2;
            let label = match dot.key {
                Key::Person => tr!("you"),
                Key::Agent(name) => {
                    let title =
                        named(self.agents, dot.node, name).map(|agent| agent.title.as_str());
                    shortened(title.unwrap_or(name), LONGEST)
                }
                Key::Room(name) => format!("#{}", shortened(name, LONGEST)),
            };
            let own = around(dot);
            let (width, reach) = (self.drawn.width(&label), self.reach(dot));
            let (aside, over) = (reach + 5.0 + width / 2.0, reach + 10.0);
            // Below, above, at the right, at the left.
            let places = [(0.0, over), (0.0, -over), (aside, 0.0), (-aside, 0.0)];
            let mut places = places.into_iter().map(|(right, down)| {
                let corner = Point::new(dot.at.x + right - width / 2.0, dot.at.y + down - 8.0);
                let mut bounds = Rectangle::new(corner, Size::new(width, 16.0));
                // One that is asked for is moved into sight.
                if asked && area.contains(dot.at) {
                    let last = (area.x + area.width - width).max(area.x);
                    bounds.x = bounds.x.clamp(area.x, last);
                }
                bounds
            });
            let free = |bounds: &Rectangle| {
                let wide = bounds.expand(2.0);
                let apart = |other: &Rectangle| wide.intersection(other).is_none();
                let first = discs.partition_point(|disc| disc.x < wide.x - widest);
                let mut discs = discs[first..]
                    .iter()
                    .take_while(|disc| disc.x <= wide.x + wide.width)
                    .filter(|disc| **disc != own);
                bounds.is_within(&area) && taken.iter().all(apart) && (asked || discs.all(apart))
            };
            let Some(bounds) = places.find(free) else {
                continue;
            };
            let color = match dot.key {
                Key::Room(_) if !asked => palette.text_dim,
                Key::Agent(_) if dot.look == Look::Stopped && !asked => palette.text_dim,
                _ => palette.text,
            };
            let at = Point::new(bounds.x, bounds.center_y());
            write(frame, &label, at, TEXT_SMALL, color);
            taken.push(bounds);
        }
    }

    fn legend(&self, frame: &mut Frame, size: Size) {
        let palette = &self.palette;
        let y = size.height - LEGEND / 2.0;
        // Nodes that lie there are under it.
        let top = Point::new(1.0, size.height - LEGEND);
        let ground = Size::new(size.width - 1.0, LEGEND);
        frame.fill_rectangle(top, ground, palette.card);
        let mut x = 18.0;
        for state in ["idle", "acting", "waiting", "failed", "stopped"] {
            let word = match state {
                "acting" => tr!("agents-at-work"),
                _ => state_word(state),
            };
            mark(frame, Point::new(x, y), 5.0, Look::of_state(state), palette);
            write(
                frame,
                &word,
                Point::new(x + 13.0, y),
                TEXT_SMALL,
                palette.text_dim,
            );
            x += 13.0 + self.drawn.width(&word) + 22.0;
        }
    }
}

/// The colour of a line.
pub(super) fn line_color(says: Says, palette: &Palette) -> Color {
    match says {
        Says::Inside => mix(palette.line, palette.text_dim, 0.45),
        Says::Spoke => mix(palette.card, palette.accent, 0.5),
        Says::Now => palette.accent,
    }
}

/// The mark of an agent's state: told apart by its shape as well as by its colour. A GPU draws the same one by
/// `gpu/draw.wgsl`.
fn mark(frame: &mut Frame, at: Point, radius: f32, look: Look, palette: &Palette) {
    let color = look.color(palette);
    let disc = Path::circle(at, radius);
    match look {
        Look::Stopped => {
            frame.fill(&disc, palette.card);
            stroke(frame, &disc, color, (radius * 0.2).max(1.5));
        }
        Look::Waiting => {
            frame.fill(&disc, color);
            frame.fill(&Path::circle(at, radius * 0.42), palette.card);
        }
        Look::Failed => {
            frame.fill(&disc, color);
            let r = radius * 0.4;
            let mut cross = canvas::path::Builder::new();
            for (x, y) in [(r, r), (r, -r)] {
                cross.move_to(Point::new(at.x - x, at.y - y));
                cross.line_to(Point::new(at.x + x, at.y + y));
            }
            let width = (radius * 0.22).max(1.25);
            stroke(frame, &cross.build(), palette.card, width);
        }
        Look::Idle => frame.fill(&disc, color),
        _ => {
            frame.fill(&disc, color);
            let around = Path::circle(at, radius * 1.25 + 2.0);
            stroke(frame, &around, color, 1.5);
        }
    }
}

pub(super) fn stroke(frame: &mut Frame, path: &Path, color: Color, width: f32) {
    frame.stroke(path, Stroke::default().with_color(color).with_width(width));
}
