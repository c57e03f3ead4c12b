//! The timeline on a canvas: a mark for each event in the order in which they happened, on a lane for
//! each kind, and the moment that is looked at. Press or drag on it to go to another moment.

use argos_bus::agents::Event as Happening;
use iced_core::{Color, Event, Point, Rectangle, Size, mouse};
use iced_widget::Action;
use iced_widget::canvas::{self, Geometry, Path};

use super::Message;
use super::canvas::{Drawn, stroke, write};
use super::timeline::{Kind, Timeline};
use crate::host::Renderer;
use crate::parts::panel::state_color;
use crate::theme::{Palette, TEXT_SMALL};
use crate::tr;
use crate::widgets::mix;

/// Height of the track.
pub(super) const HEIGHT: f32 = 62.0;
/// Room for the lanes' names.
const NAMES: f32 = 78.0;
/// Room behind the last event.
const END: f32 = 16.0;
/// Distances between two events.
const STEPS: (f32, f32) = (6.0, 22.0);
/// The lanes, and how far down each is.
const LANES: [(Kind, f32); 3] = [(Kind::Talk, 14.0), (Kind::State, 31.0), (Kind::World, 48.0)];

fn title(kind: Kind) -> String {
    match kind {
        Kind::Talk => tr!("agents-talk"),
        Kind::State => tr!("agents-states"),
        Kind::World => tr!("agents-world"),
    }
}

/// The timeline as it is to be seen.
pub(super) struct Track<'a> {
    pub(super) timeline: &'a Timeline,
    pub(super) drawn: &'a Drawn,
    pub(super) palette: Palette,
}

/// Which events are in sight, and where.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Window {
    first: usize,
    count: usize,
    step: f32,
    /// Where the first one is.
    left: f32,
}

impl Window {
    /// Of so many events, on a track of this width, when the one at `moment` is looked at.
    fn of(events: usize, moment: Option<usize>, width: f32) -> Self {
        let room = (width - NAMES - END).max(STEPS.0);
        let fit = ((room / STEPS.0) as usize).max(1);
        let count = events.min(fit);
        let step = (room / count.max(1) as f32).clamp(STEPS.0, STEPS.1);
        // The moment in the middle, as far as the ends allow.
        let moment = moment.unwrap_or_default();
        let first = moment.saturating_sub(count / 2).min(events - count);
        let left = width - END - (count as f32 - 0.5) * step;
        Self {
            first,
            count,
            step,
            left,
        }
    }

    fn x(&self, position: usize) -> Option<f32> {
        let slot = position.checked_sub(self.first)?;
        (slot < self.count).then_some(self.left + slot as f32 * self.step)
    }

    fn position(&self, x: f32) -> Option<usize> {
        let last = self.count.checked_sub(1)?;
        let slot = ((x - self.left) / self.step).round().max(0.0) as usize;
        Some(self.first + slot.min(last))
    }
}

impl Track<'_> {
    fn window(&self, width: f32) -> Window {
        let events = self.timeline.events().len();
        Window::of(events, self.timeline.position(), width)
    }

    fn paint(&self, frame: &mut canvas::Frame<Renderer>, size: Size) {
        let palette = &self.palette;
        for (kind, y) in LANES {
            write(
                frame,
                &title(kind),
                Point::new(16.0, y),
                TEXT_SMALL - 1.0,
                palette.text_dim,
            );
            let line = Path::line(Point::new(NAMES, y), Point::new(size.width - END, y));
            stroke(frame, &line, palette.line, 1.0);
        }
        let window = self.window(size.width);
        let moment = self.timeline.position();
        for (position, event) in self.timeline.events().enumerate() {
            let Some(x) = window.x(position) else {
                continue;
            };
            let y = lane(Kind::of(event));
            let color = color(event, palette);
            // What is later than the moment is not yet.
            let color = if Some(position) <= moment {
                color
            } else {
                mix(palette.card, color, 0.35)
            };
            let corner = Point::new(x - 2.0, y - 6.0);
            let bar = Path::rounded_rectangle(corner, Size::new(4.0, 12.0), 2.0.into());
            frame.fill(&bar, color);
        }
        if let Some(x) = moment.and_then(|position| window.x(position)) {
            let color = if self.timeline.is_live() {
                palette.accent
            } else {
                palette.text
            };
            let line = Path::line(Point::new(x, 4.0), Point::new(x, size.height - 4.0));
            stroke(frame, &line, color, 1.5);
            let handle = Path::new(|path| {
                path.move_to(Point::new(x - 5.0, 0.0));
                path.line_to(Point::new(x + 5.0, 0.0));
                path.line_to(Point::new(x, 7.0));
                path.close();
            });
            frame.fill(&handle, color);
        }
    }
}

fn lane(kind: Kind) -> f32 {
    let lane = LANES.iter().find(|(other, _)| *other == kind);
    lane.map_or(0.0, |(_, y)| *y)
}

/// The colour of an event.
pub(super) fn color(event: &Happening, palette: &Palette) -> Color {
    match event.kind.as_str() {
        "said" => palette.accent,
        "answered" => palette.good,
        "unanswered" | "stopped-all" => palette.bad,
        "state" => state_color(&event.text, palette),
        "paused" => palette.warn,
        _ => palette.text_dim,
    }
}

impl canvas::Program<Message, iced_core::Theme, Renderer> for Track<'_> {
    /// Whether the button is down.
    type State = bool;

    fn update(
        &self,
        down: &mut bool,
        event: &Event,
        bounds: Rectangle,
        cursor: mouse::Cursor,
    ) -> Option<Action<Message>> {
        let Event::Mouse(event) = event else {
            return None;
        };
        match event {
            mouse::Event::ButtonPressed(mouse::Button::Left) => {
                *down = cursor.is_over(bounds);
            }
            mouse::Event::ButtonReleased(mouse::Button::Left) => {
                *down = false;
                return None;
            }
            mouse::Event::WheelScrolled { delta } if cursor.is_over(bounds) => {
                let lines = match delta {
                    mouse::ScrollDelta::Lines { y, .. } => *y,
                    mouse::ScrollDelta::Pixels { y, .. } => *y / 20.0,
                };
                let by = -(lines.abs().ceil().copysign(lines)) as isize;
                return Some(Action::publish(Message::Scrub(by)).and_capture());
            }
            mouse::Event::CursorMoved { .. } => {}
            _ => return None,
        }
        let at = cursor.position_from(bounds.position())?;
        let position = self.window(bounds.width).position(at.x)?;
        let moves = *down && self.timeline.position() != Some(position);
        moves.then(|| Action::publish(Message::Go(position)).and_capture())
    }

    fn draw(
        &self,
        _: &bool,
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
        _: &bool,
        bounds: Rectangle,
        cursor: mouse::Cursor,
    ) -> mouse::Interaction {
        if cursor.is_over(bounds) {
            mouse::Interaction::Pointer
        } else {
            mouse::Interaction::None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_press_goes_to_the_event_under_it() {
        for (events, moment) in [(1, 0), (7, 6), (1000, 999), (1000, 0), (1000, 400)] {
            let window = Window::of(events, Some(moment), 700.0);
            let x = window.x(moment).expect("the moment is in sight");
            assert!((NAMES..=700.0).contains(&x), "{events} {moment}: {x}");
            for position in window.first..window.first + window.count {
                let x = window.x(position).unwrap();
                assert_eq!(window.position(x + 1.0), Some(position));
            }
            assert_eq!(window.position(-1e6), Some(window.first));
            assert_eq!(window.position(1e6), Some(window.first + window.count - 1));
        }
        assert_eq!(Window::of(0, None, 700.0).position(300.0), None);
        // No room at all is no reason to fall.
        assert_eq!(Window::of(5, Some(4), 0.0).count, 1);
    }
}
