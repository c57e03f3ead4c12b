//! Title bars and borders for clients that do not draw their own.
//!
//! A bar is drawn on the CPU into memory when its text, size or state changes, and then is a
//! texture like any other. The font is loaded when the first bar is needed, so a desktop of clients
//! that decorate themselves does not pay for it.

use std::{
    cell::{RefCell, RefMut},
    rc::Rc,
};

use smithay::{
    backend::{
        allocator::Fourcc,
        renderer::element::{memory::MemoryRenderBuffer, solid::SolidColorBuffer},
    },
    utils::{Logical, Point, Rectangle, Size, Transform},
};

use crate::{
    canvas::Canvas,
    config::{Colour, Look},
    layout::{Edges, Rect},
    lettering::Letters,
    protocols::icons::{self, Icon},
};

/// Height of a title bar in logical pixels.
pub(crate) const TITLE_BAR: i32 = 32;
/// Width of the clickable area of a button.
const BUTTON: i32 = 34;
/// Radius of the bar's upper corners.
const CORNER: f32 = 9.0;
/// Size of the title's letters.
const TEXT: f32 = 13.0;
/// How far outside a frame its border can still be grabbed.
pub(crate) const GRIP: i32 = 7;
/// How far along a side a corner reaches.
const CORNER_GRIP: i32 = 18;

/// No bar is drawn wider than this: its pixels cost memory here, its window's cost the client.
pub(crate) const WIDEST: i32 = 8192;

/// A button of a title bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Button {
    Minimise,
    Maximise,
    Close,
}

/// A part of what the compositor draws around a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The bar itself: drags the window.
    Bar,
    /// One of its buttons.
    Button(Button),
    /// A side or corner: resizes the window.
    Edge(Edges),
}

/// The part of a frame under a point of the global space, if it is not the content. `grip` is how far
/// outside of it its sides can be grabbed, in logical pixels.
pub(crate) fn part_under(
    frame: Rect,
    bar: i32,
    point: Point<f64, Logical>,
    grip: i32,
) -> Option<Part> {
    let (x, y) = (
        point.x - f64::from(frame.loc.x),
        point.y - f64::from(frame.loc.y),
    );
    let (w, h) = (f64::from(frame.size.w), f64::from(frame.size.h));
    let grip = f64::from(grip);
    if x < -grip || y < -grip || x >= w + grip || y >= h + grip {
        return None;
    }
    let inside = x >= 0.0 && y >= 0.0 && x < w && y < h;
    if inside {
        if y >= f64::from(bar) {
            return None;
        }
        let from_right = ((w - x) / f64::from(BUTTON)) as i32;
        return Some(match from_right {
            0 => Part::Button(Button::Close),
            1 => Part::Button(Button::Maximise),
            2 => Part::Button(Button::Minimise),
            _ => Part::Bar,
        });
    }
    let corner = f64::from(CORNER_GRIP);
    let mut edges = Edges {
        left: x < 0.0,
        right: x >= w,
        top: y < 0.0,
        bottom: y >= h,
    };
    if edges.left || edges.right {
        edges.top |= y < corner;
        edges.bottom |= y >= h - corner && !edges.top;
    }
    if edges.top || edges.bottom {
        edges.left |= x < corner;
        edges.right |= x >= w - corner && !edges.left;
    }
    Some(Part::Edge(edges))
}

/// Width of the part of a bar that titles have, in logical pixels.
fn titles_width(bar: i32) -> i32 {
    (bar - 3 * BUTTON - 8).max(1)
}

/// Which of a stack's windows has its title at `x`, in logical pixels from the left of the bar.
pub(crate) fn tab_at(bar: i32, count: usize, x: f64) -> usize {
    let share = x / f64::from(titles_width(bar));
    ((share * count as f64).max(0.0) as usize).min(count.saturating_sub(1))
}

/// What a bar should look like.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    /// Logical pixels.
    pub(crate) width: i32,
    pub(crate) scale: f64,
    pub(crate) icon: Option<&'a Rc<Icon>>,
    pub(crate) title: &'a str,
    /// The titles of the windows of its stack, and which of them is shown; empty without a stack.
    pub(crate) tabs: &'a [(String, bool)],
    pub(crate) active: bool,
    pub(crate) maximised: bool,
    pub(crate) hovered: Option<Button>,
}

/// A drawn bar.
#[derive(Debug)]
pub(crate) struct TitleBar {
    buffer: MemoryRenderBuffer,
    pixels: Rectangle<f64, Logical>,
    width: i32,
    scale: f64,
    icon: Option<Rc<Icon>>,
    title: String,
    tabs: Vec<(String, bool)>,
    active: bool,
    maximised: bool,
    hovered: Option<Button>,
}

impl TitleBar {
    pub(crate) fn buffer(&self) -> &MemoryRenderBuffer {
        &self.buffer
    }

    /// The part of the buffer that is drawn: all of it.
    pub(crate) fn pixels(&self) -> Rectangle<f64, Logical> {
        self.pixels
    }

    pub(crate) fn size(&self) -> Size<i32, Logical> {
        (self.width, TITLE_BAR).into()
    }

    fn fits(&self, wanted: &Wanted<'_>) -> bool {
        self.width == wanted.width
            && self.scale == wanted.scale
            && self.icon.as_ref() == wanted.icon
            && self.title == wanted.title
            && self.tabs == wanted.tabs
            && self.active == wanted.active
            && self.maximised == wanted.maximised
            && self.hovered == wanted.hovered
    }
}

/// Draws bars in the configured colours.
#[derive(Debug)]
pub(crate) struct Painter {
    look: Look,
    /// Loaded when the first text is written.
    letters: RefCell<Option<Letters>>,
}

impl Painter {
    pub(crate) fn new(look: &Look) -> Self {
        Self {
            look: look.clone(),
            letters: RefCell::default(),
        }
    }

    pub(crate) fn look(&self) -> &Look {
        &self.look
    }

    /// Draws `bar` anew if it is not what is wanted. Returns whether it was drawn.
    pub(crate) fn title_bar(&self, bar: &mut Option<TitleBar>, wanted: &Wanted<'_>) -> bool {
        if bar.as_ref().is_some_and(|bar| bar.fits(wanted)) {
            return false;
        }
        let canvas = self.paint(wanted);
        let buffer = MemoryRenderBuffer::from_slice(
            &canvas.bytes(),
            Fourcc::Argb8888,
            canvas.size(),
            1,
            Transform::Normal,
            None,
        );
        *bar = Some(TitleBar {
            buffer,
            pixels: canvas.extent(),
            width: wanted.width,
            scale: wanted.scale,
            icon: wanted.icon.cloned(),
            title: wanted.title.to_owned(),
            tabs: wanted.tabs.to_vec(),
            active: wanted.active,
            maximised: wanted.maximised,
            hovered: wanted.hovered,
        });
        true
    }

    /// What writes titles and messages.
    pub(crate) fn letters(&self) -> RefMut<'_, Letters> {
        RefMut::map(self.letters.borrow_mut(), |letters| {
            let named = Some(&*self.look.font).filter(|path| !path.as_os_str().is_empty());
            letters.get_or_insert_with(|| Letters::new(named))
        })
    }

    fn paint(&self, wanted: &Wanted<'_>) -> Canvas {
        let scale = wanted.scale as f32;
        let logical = (wanted.width as f32, TITLE_BAR as f32);
        let mut canvas = Canvas::new(
            (logical.0 * scale).round().max(1.0) as i32,
            (logical.1 * scale).round().max(1.0) as i32,
        );
        let (ground, ink) = if wanted.active {
            (self.look.title_bar, self.look.title)
        } else {
            (self.look.title_bar_inactive, self.look.title_inactive)
        };

        let (width, radius) = (
            canvas.size().0 as f32,
            if wanted.maximised {
                0.0
            } else {
                CORNER * scale
            },
        );
        canvas.fill(ground, |x, y| {
            let dx = (radius - x).max(x - (width - radius)).max(0.0);
            let dy = (radius - y).max(0.0);
            radius - dx.hypot(dy) + 0.5
        });
        // A hint of light along the upper side sets the bar off from dark wallpapers.
        let light = Colour(ground.0.map(|part| part.saturating_add(18)));
        let rim = (0, scale.ceil() as i32 + 1);
        canvas.fill_within((0, canvas.size().0), rim, light, |x, y| {
            let inside = (x - radius).min(width - radius - x) + 0.5;
            inside.min(scale.max(1.0) - y)
        });

        for (index, button) in [Button::Close, Button::Maximise, Button::Minimise]
            .into_iter()
            .enumerate()
        {
            let centre = (
                (logical.0 - BUTTON as f32 * (index as f32 + 0.5)) * scale,
                logical.1 / 2.0 * scale,
            );
            let reach = BUTTON as f32 / 2.0 * scale;
            let columns = ((centre.0 - reach) as i32, (centre.0 + reach) as i32 + 1);
            let rows = (0, canvas.size().1);
            let mut paint = |colour, cover: &dyn Fn(f32, f32) -> f32| {
                canvas.fill_within(columns, rows, colour, cover);
            };
            let hovered = wanted.hovered == Some(button);
            if hovered {
                let disc = if button == Button::Close {
                    self.look.accent
                } else {
                    self.look.border
                };
                let radius = 10.5 * scale;
                paint(disc, &|x, y| {
                    radius - (x - centre.0).hypot(y - centre.1) + 0.5
                });
            }
            let ink = match button {
                Button::Close if hovered => self.look.accent_text,
                _ if hovered => self.look.title,
                _ => ink,
            };
            let (arm, half) = (4.25 * scale, 0.65 * scale);
            let line = |a: (f32, f32), b: (f32, f32)| {
                move |x: f32, y: f32| half - distance((x - centre.0, y - centre.1), a, b) + 0.5
            };
            match button {
                Button::Close => {
                    paint(ink, &line((-arm, -arm), (arm, arm)));
                    paint(ink, &line((-arm, arm), (arm, -arm)));
                }
                Button::Maximise if wanted.maximised => {
                    paint(ink, &line((-arm, 1.5 * scale), (0.0, -3.0 * scale)));
                    paint(ink, &line((arm, 1.5 * scale), (0.0, -3.0 * scale)));
                    paint(ink, &line((-arm, arm), (arm, arm)));
                }
                Button::Maximise => {
                    for (a, b) in [
                        ((-arm, -arm), (arm, -arm)),
                        ((arm, -arm), (arm, arm)),
                        ((arm, arm), (-arm, arm)),
                        ((-arm, arm), (-arm, -arm)),
                    ] {
                        paint(ink, &line(a, b));
                    }
                }
                Button::Minimise => paint(ink, &line((-arm, 2.5 * scale), (arm, 2.5 * scale))),
            }
        }

        let rows = (0.0, canvas.size().1 as f32);
        let titles = titles_width(wanted.width) as f32 * scale;
        let room = titles / wanted.tabs.len().max(1) as f32;
        for (index, (title, shown)) in wanted.tabs.iter().enumerate() {
            let left = room * index as f32;
            let ink = if *shown {
                ink
            } else {
                let columns = (left as i32, (left + room) as i32);
                let rows = (0, canvas.size().1);
                let ground = self.look.title_bar_inactive;
                // As round as the bar is where it begins.
                canvas.fill_within(columns, rows, ground, |x, y| {
                    if x >= radius || y >= radius {
                        1.0
                    } else {
                        radius - (radius - x).hypot(radius - y) + 0.5
                    }
                });
                self.look.title_inactive
            };
            let columns = (left + 14.0 * scale, left + room - 4.0 * scale);
            let letters = &mut self.letters();
            canvas.text(letters, title, TEXT * scale, columns, rows, ink);
        }
        let mut text_left = 14.0 * scale;
        if wanted.tabs.is_empty()
            && let Some(icon) = wanted.icon
        {
            let side = icons::SIDE as f32 * scale;
            canvas.image(icon, 10.0 * scale, (rows.1 - side) / 2.0, side);
            text_left += side + 2.0 * scale;
        }
        if wanted.tabs.is_empty() {
            let columns = (text_left, titles);
            let letters = &mut self.letters();
            canvas.text(letters, wanted.title, TEXT * scale, columns, rows, ink);
        }
        canvas
    }
}

/// Distance of a point from a line segment.
fn distance(p: (f32, f32), a: (f32, f32), b: (f32, f32)) -> f32 {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let along = (((p.0 - a.0) * dx + (p.1 - a.1) * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
    (p.0 - a.0 - along * dx).hypot(p.1 - a.1 - along * dy)
}

/// The line around a decorated window: left, right and lower side.
#[derive(Debug, Default)]
pub(crate) struct Borders {
    sides: [SolidColorBuffer; 3],
}

impl Borders {
    pub(crate) fn update(&mut self, frame: Rect, look: &Look) {
        for (side, place) in self.sides.iter_mut().zip(Self::places(frame)) {
            side.update(place.size, look.border.linear());
        }
    }

    fn places(frame: Rect) -> [Rect; 3] {
        let (x, y, w, h) = (frame.loc.x, frame.loc.y, frame.size.w, frame.size.h);
        let below = (h - TITLE_BAR).max(0);
        [
            Rect::new((x - 1, y + TITLE_BAR).into(), (1, below).into()),
            Rect::new((x + w, y + TITLE_BAR).into(), (1, below).into()),
            Rect::new((x - 1, y + h).into(), (w + 2, 1).into()),
        ]
    }

    /// The sides and where they are drawn.
    pub(crate) fn parts(&self, frame: Rect) -> impl Iterator<Item = (&SolidColorBuffer, Rect)> {
        self.sides.iter().zip(Self::places(frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_frame_are_where_they_are_drawn() {
        let frame = Rect::new((100, 100).into(), (400, 300).into());
        let part = |x: f64, y: f64| part_under(frame, TITLE_BAR, (x, y).into(), GRIP);
        assert_eq!(part(120.0, 110.0), Some(Part::Bar));
        assert_eq!(part(495.0, 110.0), Some(Part::Button(Button::Close)));
        assert_eq!(part(450.0, 110.0), Some(Part::Button(Button::Maximise)));
        assert_eq!(part(300.0, 250.0), None, "the content is the client's");
        assert_eq!(
            part(300.0, 403.0),
            Some(Part::Edge(Edges {
                bottom: true,
                ..Edges::default()
            }))
        );
        let corner = Edges {
            bottom: true,
            right: true,
            ..Edges::default()
        };
        assert_eq!(part(503.0, 395.0), Some(Part::Edge(corner)));
        assert_eq!(part(520.0, 250.0), None);
        assert_eq!(part_under(frame, TITLE_BAR, (503.0, 250.0).into(), 0), None);
    }

    #[test]
    fn a_bar_has_its_colour_and_round_corners_and_is_drawn_once() {
        let look = Look::default();
        let painter = Painter::new(&look);
        let wanted = Wanted {
            width: 200,
            scale: 1.5,
            icon: None,
            title: "A title that is far too long for such a narrow window",
            active: true,
            tabs: &[],
            maximised: false,
            hovered: Some(Button::Close),
        };
        let canvas = painter.paint(&wanted);
        assert_eq!(canvas.size(), (300, 48));
        let bytes = canvas.bytes();
        let pixel =
            |x: usize, y: usize| -> [u8; 4] { bytes[(y * 300 + x) * 4..][..4].try_into().unwrap() };
        assert_eq!(pixel(0, 0), [0, 0, 0, 0], "the corner is round");
        let [r, g, b] = look.title_bar.0;
        assert_eq!(pixel(8, 40), [b, g, r, 255]);
        let [r, g, b] = look.accent.0;
        assert_eq!(
            pixel(274, 36),
            [b, g, r, 255],
            "the hovered button has its disc"
        );

        let tabs = [("one".to_owned(), false), ("two".to_owned(), true)];
        let stack = Wanted {
            tabs: &tabs,
            title: "two",
            hovered: None,
            ..wanted
        };
        let bytes = painter.paint(&stack).bytes();
        let ground = |x: usize| bytes[(44 * 300 + x) * 4..][..3].to_vec();
        let behind = look
            .title_bar_inactive
            .0
            .into_iter()
            .rev()
            .collect::<Vec<_>>();
        let shown = look.title_bar.0.into_iter().rev().collect::<Vec<_>>();
        // Titles have 90 of the 200 pixels, at scale 1.5.
        assert_eq!((ground(30), ground(100)), (behind, shown));
        assert_eq!(
            (
                tab_at(200, 2, 20.0),
                tab_at(200, 2, 66.0),
                tab_at(200, 2, 199.0)
            ),
            (0, 1, 1)
        );

        let mut bar = None;
        assert!(painter.title_bar(&mut bar, &wanted));
        assert!(painter.title_bar(&mut bar, &stack));
        assert!(painter.title_bar(&mut bar, &wanted));
        assert!(!painter.title_bar(&mut bar, &wanted));
        assert!(painter.title_bar(
            &mut bar,
            &Wanted {
                active: false,
                ..wanted
            }
        ));
    }
}
