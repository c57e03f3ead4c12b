//! A message that the compositor draws itself, above everything but prompts.
//!
//! It is for what only the compositor can say, as that its settings have a mistake: the shell may not
//! run, and a log is read by nobody who does not know that there is something to read. It stays until
//! what it says is no longer so, or until it is clicked or dismissed by a key. Messages about several things
//! stand below each other: none takes the place of another's.
//!
//! A *badge* is a small one at the lower side that only shows a state and that nobody can click.

use std::collections::HashMap;

use smithay::{
    backend::{
        allocator::Fourcc,
        renderer::{
            ImportAll, ImportMem, Renderer,
            element::{
                Kind,
                memory::{MemoryRenderBuffer, MemoryRenderBufferRenderElement},
            },
        },
    },
    utils::{Logical, Point, Rectangle, Scale, Size, Transform},
};

use crate::{
    canvas::Canvas, decoration::Painter, layout::Rect, lettering::Letters, render::Element,
    state::State,
};

/// Widest in logical pixels.
const WIDEST: i32 = 880;
/// From the upper side of what panels leave, and at least from the sides.
const DISTANCE: i32 = 16;
/// Around the text.
const PADDING: i32 = 16;
/// Size of the letters.
const TEXT: f32 = 13.0;
/// Height of a line.
const LINE: i32 = 22;
/// More lines are not shown.
const MOST_LINES: usize = 12;
/// Width of the stripe at the left.
const STRIPE: i32 = 5;

/// How all that is shown is closed.
const HOW_TO_CLOSE: &str = "Click here, or press Super+Escape, to close this.";

/// What a message is about. A newer one about the same takes its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topic {
    /// The file with the settings.
    Settings,
    /// The keyboard's layout.
    Layout,
    /// Sticky keys.
    StickyKeys,
    /// Outputs whose refresh is to be variable.
    Refresh,
    /// What a badge says.
    State,
}

/// See the module's page.
#[derive(Debug, Default)]
pub(crate) struct Notice {
    /// In the order in which they came.
    said: Vec<(Topic, String)>,
    /// All of it, as it is shown.
    text: Option<String>,
    picture: Option<Picture>,
    /// At the lower side, no wider than its text.
    low: bool,
}

/// The message as it was drawn.
#[derive(Debug)]
struct Picture {
    buffer: MemoryRenderBuffer,
    size: Size<i32, Logical>,
    /// All of its pixels.
    pixels: Rectangle<f64, Logical>,
    scale: f64,
    /// The widest that it could have been.
    widest: i32,
}

impl Notice {
    /// What it says now.
    pub(crate) fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// Says this about a topic, or nothing any more. Returns whether that changes anything.
    fn say(&mut self, topic: Topic, text: Option<String>) -> bool {
        let at = self.said.iter().position(|(other, _)| *other == topic);
        match (at, text) {
            (None, None) => return false,
            (Some(at), Some(text)) if self.said[at].1 == text => return false,
            (Some(at), Some(text)) => self.said[at].1 = text,
            (Some(at), None) => drop(self.said.remove(at)),
            (None, Some(text)) => self.said.push((topic, text)),
        }
        let all: Vec<&str> = self.said.iter().map(|(_, text)| text.as_str()).collect();
        let closes = (!self.low).then_some(HOW_TO_CLOSE);
        let all: Vec<&str> = all.into_iter().chain(closes).collect();
        self.text = (!self.said.is_empty()).then(|| all.join("\n"));
        self.picture = None;
        true
    }

    /// Whether a line of the text is the first one about something.
    fn begins(&self, line: usize) -> bool {
        let lengths = self.said.iter().map(|(_, text)| text.lines().count());
        let mut first = 0;
        for length in lengths {
            if line == first {
                return true;
            }
            first += length;
        }
        false
    }

    /// Where it is on an output with that usable area.
    pub(crate) fn place(&self, usable: Rect) -> Option<Rect> {
        let size = self.picture.as_ref()?.size;
        let x = usable.loc.x + (usable.size.w - size.w) / 2;
        let y = if self.low {
            usable.loc.y + usable.size.h - size.h - DISTANCE
        } else {
            usable.loc.y + DISTANCE
        };
        Some(Rect::new((x, y).into(), size))
    }

    /// Draws the message if it is not drawn as it has to be: sharp at `scale`, `widest` at most.
    fn prepare(&mut self, by: &Painter, scale: f64, widest: i32) {
        let Some(text) = &self.text else {
            self.picture = None;
            return;
        };
        let fits = |p: &Picture| p.scale == scale && p.widest == widest;
        if self.picture.as_ref().is_some_and(fits) {
            return;
        }
        let room = (widest - 2 * PADDING).max(1) as f32;
        // Each line as it fits, and whether it begins a message.
        let mut lines = Vec::new();
        let letters = &mut by.letters();
        for (number, line) in text.lines().enumerate() {
            let parts = wrap(letters, line, room).into_iter().enumerate();
            lines.extend(parts.map(|(at, part)| (part, at == 0 && self.begins(number))));
        }
        if lines.len() > MOST_LINES {
            // The last one says how to close it.
            let last = lines.pop();
            lines.truncate(MOST_LINES - 1);
            lines.extend(last);
        }
        let padding = if self.low { PADDING / 2 } else { PADDING };
        let height = lines.len().max(1) as i32 * LINE + 2 * padding;
        let width = if self.low {
            let lengths = lines.iter().map(|(line, _)| letters.length(line, TEXT));
            lengths.fold(0.0, f32::max).ceil() as i32 + 2 * PADDING
        } else {
            widest
        };
        let size = Size::from((width.clamp(1, widest), height));
        let physical = |length: i32| (f64::from(length) * scale).round().max(1.0) as i32;
        let mut canvas = Canvas::new(physical(size.w), physical(size.h));
        let look = by.look();
        canvas.fill(look.title_bar, |_, _| 1.0);
        let stripe = (0, physical(STRIPE));
        let rows = (0, physical(size.h));
        canvas.fill_within(stripe, rows, look.accent, |_, _| 1.0);
        let at = |length: i32| physical(length) as f32;
        for (index, (line, begins)) in lines.iter().enumerate() {
            let top = padding + index as i32 * LINE;
            let ink = if *begins {
                look.title
            } else {
                look.title_inactive
            };
            let columns = (at(PADDING), at(size.w - PADDING) + 1.0);
            let rows = (at(top), at(top + LINE));
            canvas.text(letters, line, TEXT * scale as f32, columns, rows, ink);
        }
        let buffer = MemoryRenderBuffer::from_slice(
            &canvas.bytes(),
            Fourcc::Argb8888,
            canvas.size(),
            1,
            Transform::Normal,
            None,
        );
        self.picture = Some(Picture {
            buffer,
            size,
            pixels: canvas.extent(),
            scale,
            widest,
        });
    }

    /// Its element on the output that covers `area`.
    pub(crate) fn elements<R>(
        &self,
        renderer: &mut R,
        area: Rect,
        usable: Rect,
        scale: Scale<f64>,
        list: &mut Vec<Element<R>>,
    ) where
        R: Renderer + ImportAll + ImportMem,
        R::TextureId: Clone + Send + 'static,
    {
        let Some((picture, place)) = self.picture.as_ref().zip(self.place(usable)) else {
            return;
        };
        let at: Point<f64, _> = (place.loc - area.loc)
            .to_physical_precise_round::<_, i32>(scale)
            .to_f64();
        let element = MemoryRenderBufferRenderElement::from_buffer(
            renderer,
            at,
            &picture.buffer,
            None,
            Some(picture.pixels),
            Some(picture.size),
            Kind::Unspecified,
        );
        match element {
            Ok(element) => list.push(element.into()),
            Err(error) => tracing::warn!("notice: {error}"),
        }
    }
}

/// Text in lines that are no longer than `room`, in logical pixels: broken at spaces, or within a word
/// that is longer than a line.
fn wrap(letters: &mut Letters, text: &str, room: f32) -> Vec<String> {
    let mut widths = HashMap::new();
    let mut width = |c: char| {
        *widths.entry(c).or_insert_with(|| {
            // Space at the end of a line may count for nothing.
            let mut of = |text: &str| letters.length(text, TEXT);
            of(&format!("n{c}n")) - of("nn")
        })
    };
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let (mut line, mut used) = (String::new(), 0.0);
        for word in paragraph.split_inclusive(' ') {
            let length: f32 = word.trim_end().chars().map(&mut width).sum();
            if used + length > room && !line.is_empty() {
                lines.push(std::mem::take(&mut line));
                used = 0.0;
            }
            for c in word.chars() {
                if used + width(c) > room && !line.is_empty() && c != ' ' {
                    lines.push(std::mem::take(&mut line));
                    used = 0.0;
                }
                used += width(c);
                line.push(c);
            }
        }
        lines.push(line);
    }
    lines
}

impl State {
    /// Shows a message about something, or takes the one away that is shown.
    pub(crate) fn show_notice(&mut self, topic: Topic, text: Option<String>) {
        if self.notice.say(topic, text) {
            self.outputs.queue_all();
        }
    }

    /// Takes all messages away.
    pub(crate) fn dismiss_notices(&mut self) {
        if self.notice.text.is_some() {
            self.notice = Notice::default();
            self.outputs.queue_all();
        }
    }

    /// Shows a state at the lower side of the screen, or takes away what is shown there.
    pub(crate) fn show_badge(&mut self, text: Option<String>) {
        self.badge.low = true;
        if self.badge.say(Topic::State, text) {
            self.outputs.queue_all();
        }
    }

    /// What the messages say that are shown, if any are.
    pub fn notice(&self) -> Option<&str> {
        self.notice.text()
    }

    /// Has the message drawn for the outputs there are.
    pub(crate) fn prepare_notice(&mut self) {
        let scales = self
            .outputs
            .iter()
            .map(|output| output.current_scale().fractional_scale());
        let scale = scales.fold(1.0, f64::max);
        let areas = self.windows.layout.areas();
        let room = areas.iter().map(|area| area.usable.size.w).min();
        let widest = (room.unwrap_or(WIDEST) - 2 * DISTANCE).clamp(1, WIDEST);
        for notice in [&mut self.notice, &mut self.badge] {
            notice.prepare(&self.painter, scale, widest);
        }
    }

    /// Whether the message is at a point of the global space.
    pub(crate) fn notice_at(&self, point: Point<f64, Logical>) -> bool {
        self.windows
            .layout
            .areas()
            .iter()
            .filter(|area| area.full.to_f64().contains(point))
            .filter_map(|area| self.notice.place(area.usable))
            .any(|place| place.to_f64().contains(point))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_about_several_things_stand_below_each_other() {
        let mut notice = Notice::default();
        let text = |words: &str| Some(words.to_owned());
        assert!(!notice.say(Topic::Layout, None));
        assert!(notice.say(Topic::Settings, text("line 3: wrong\nThey stay.")));
        assert!(notice.say(Topic::StickyKeys, text("Sticky keys are on")));
        let shown = format!("line 3: wrong\nThey stay.\nSticky keys are on\n{HOW_TO_CLOSE}");
        assert_eq!(notice.text(), Some(shown.as_str()));
        let begins: Vec<bool> = (0..4).map(|line| notice.begins(line)).collect();
        assert_eq!(begins, [true, false, true, false]);
        // The same again is nothing new; something else about it takes its place.
        assert!(!notice.say(Topic::StickyKeys, text("Sticky keys are on")));
        assert!(notice.say(Topic::StickyKeys, text("Sticky keys are off")));
        assert!(notice.say(Topic::Settings, None));
        let shown = format!("Sticky keys are off\n{HOW_TO_CLOSE}");
        assert_eq!(notice.text(), Some(shown.as_str()));
        assert!(notice.say(Topic::StickyKeys, None));
        assert_eq!(notice.text(), None);
    }
}
