//! The graph on a canvas: how it is drawn, and what the pointer does to it.
//!
//! It is drawn once for each change: the drawing is kept ([`Drawn`]), and one that is kept costs no
//! repaint.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};

use iced_core::text::Paragraph as _;
use iced_core::{Color, Event, Pixels, Point, Rectangle, Size, alignment, mouse, text};
use iced_graphics::text::Paragraph;
use iced_widget::Action;
use iced_widget::canvas::{self, Geometry, Path, Stroke};

use super::Message;
use super::graph::{Bond, Graph, Key, View};
use super::timeline::{Timeline, speaker};
use crate::fonts;
use crate::host::Renderer;
use crate::parts::panel::{state_color, state_word};
use crate::theme::{Palette, TEXT_SMALL};
use crate::tr;
use crate::widgets::{mix, shortened};

type Frame = canvas::Frame<Renderer>;

/// A press that moves less is a click.
const STEADY: f32 = 4.0;
/// One line of the wheel is so many times closer.
const WHEEL: f32 = 1.15;
/// Height of the legend at the lower edge.
const LEGEND: f32 = 30.0;
/// Longest label, in characters.
const LONGEST: usize = 26;

/// The drawing that is kept.
#[derive(Default)]
pub(super) struct Drawn {
    cache: canvas::Cache<Renderer>,
    palette: Cell<Option<Palette>>,
    size: Cell<Option<Size>>,
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
    /// Title and state of every agent.
    pub(super) agents: BTreeMap<&'a str, (&'a str, &'a str)>,
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
    key: &'a Key,
    at: Point,
    radius: f32,
    /// An agent's state.
    state: &'a str,
}

impl Canvas<'_> {
    fn paint(&self, frame: &mut Frame, size: Size) {
        let view = self.graph.view(size);
        let dots: Vec<Option<Dot<'_>>> = self
            .graph
            .nodes()
            .iter()
            .enumerate()
            .map(|(node, key)| {
                let state = match key {
                    Key::Agent(name) => {
                        let (_, now) = self.agents.get(name.as_str())?;
                        self.timeline.state(name, now)?
                    }
                    Key::Person | Key::Room(_) => "",
                };
                Some(Dot {
                    key,
                    at: view.point(self.graph.place(node), size),
                    radius: (key.radius() * view.zoom).max(2.5),
                    state,
                })
            })
            .collect();
        self.bonds(frame, &dots);
        for dot in dots.iter().flatten() {
            self.dot(frame, dot);
        }
        self.labels(frame, &dots, size);
        self.legend(frame, size);
    }

    fn bonds(&self, frame: &mut Frame, dots: &[Option<Dot<'_>>]) {
        let palette = &self.palette;
        let said = self.timeline.said();
        let spoke: HashMap<(Option<Key>, &str), usize> = said
            .iter()
            .map(|(from, room, count)| ((Key::of_speaker(from), *room), *count))
            .collect();
        let mut inside = canvas::path::Builder::new();
        for edge in self.graph.edges() {
            let (Some(from), Some(to)) = (&dots[edge.from], &dots[edge.to]) else {
                continue;
            };
            let Key::Room(room) = to.key else { continue };
            let times = spoke.get(&(Some(from.key.clone()), room.as_str()));
            match (edge.bond, times) {
                (Bond::Inside, _) => {
                    inside.move_to(from.at);
                    inside.line_to(to.at);
                }
                (Bond::Spoke, Some(times)) => {
                    // The more was said the stronger, in ever smaller steps.
                    let width = 1.0 + (*times as f32).log2().min(5.0) * 0.5;
                    let color = mix(palette.card, palette.accent, 0.5);
                    stroke(frame, &Path::line(from.at, to.at), color, width);
                }
                // It speaks later than the moment that is shown.
                (Bond::Spoke, None) => {}
            }
        }
        let color = mix(palette.line, palette.text_dim, 0.45);
        stroke(frame, &inside.build(), color, 1.25);
        // What the event at the moment went through.
        if let Some(event) = self.timeline.at() {
            let from = match event.kind.as_str() {
                "said" => Key::of_speaker(speaker(&event.from)),
                _ => None,
            };
            let way = [
                from,
                Some(Key::Room(event.agent.clone())),
                Some(Key::Agent(event.agent.clone())),
            ];
            let talk = matches!(event.kind.as_str(), "said" | "attended" | "answered");
            let points: Vec<Point> = way
                .iter()
                .flatten()
                .filter_map(|key| dots.iter().flatten().find(|dot| dot.key == key))
                .map(|dot| dot.at)
                .collect();
            for pair in points.windows(2).filter(|_| talk) {
                let line = Path::line(pair[0], pair[1]);
                stroke(frame, &line, palette.accent, 3.0);
            }
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
            Key::Agent(_) => mark(frame, dot.at, dot.radius, dot.state, palette),
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
        match dot.state {
            _ if ringed => dot.radius + 7.0,
            "thinking" | "acting" | "starting" => dot.radius * 1.25 + 3.0,
            _ => dot.radius,
        }
    }

    /// Labels beside the nodes, the more important ones first, as far as they lie neither on each other nor
    /// on a node.
    fn labels(&self, frame: &mut Frame, dots: &[Option<Dot<'_>>], size: Size) {
        let palette = &self.palette;
        let now = self.timeline.at().map(|event| event.agent.as_str());
        let weight = |dot: &Dot<'_>| match (dot.key, dot.state) {
            (key, _) if self.selected == Some(key) => 0,
            (key, _) if self.hovered == Some(key) => 1,
            (Key::Person, _) => 2,
            (Key::Agent(name), _) if now == Some(name.as_str()) => 3,
            (_, "waiting" | "failed") => 4,
            (_, "thinking" | "acting" | "starting") => 5,
            (_, "idle") => 6,
            (Key::Agent(_), _) => 7,
            (Key::Room(_), _) => 8,
        };
        let mut order: Vec<&Dot<'_>> = dots.iter().flatten().collect();
        order.sort_by_key(|dot| (weight(dot), dot.key));
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
        let discs: Vec<Rectangle> = order.iter().map(|dot| around(dot)).collect();
        let mut taken: Vec<Rectangle> = Vec::new();
        for dot in order {
            let asked = weight(dot) < 2;
            let label = match dot.key {
                Key::Person => tr!("you"),
                Key::Agent(name) => {
                    let title = self.agents.get(name.as_str()).map(|(title, _)| *title);
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
                let apart = |other: &Rectangle| bounds.expand(2.0).intersection(other).is_none();
                let discs = discs.iter().filter(|disc| **disc != own);
                bounds.is_within(&area)
                    && taken.iter().all(apart)
                    && (asked || discs.into_iter().all(apart))
            };
            let Some(bounds) = places.find(free) else {
                continue;
            };
            let color = match dot.key {
                Key::Room(_) if !asked => palette.text_dim,
                Key::Agent(_) if dot.state == "stopped" && !asked => palette.text_dim,
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
            mark(frame, Point::new(x, y), 5.0, state, palette);
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

/// The mark of an agent's state: told apart by its shape as well as by its colour.
fn mark(frame: &mut Frame, at: Point, radius: f32, state: &str, palette: &Palette) {
    let color = state_color(state, palette);
    let disc = Path::circle(at, radius);
    match state {
        "stopped" => {
            frame.fill(&disc, palette.card);
            stroke(frame, &disc, color, (radius * 0.2).max(1.5));
        }
        "waiting" => {
            frame.fill(&disc, color);
            frame.fill(&Path::circle(at, radius * 0.42), palette.card);
        }
        "failed" => {
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
        "idle" => frame.fill(&disc, color),
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
