//! The colour of a pixel, picked for a program: what the screens showed, held still, and a lens that follows the
//! pointer or the keys.
//!
//! Each screen is covered by two surfaces: its picture, painted once, and in front of that what is drawn here, so
//! that a movement costs no more than the lens. The colour is that of the picture's pixel, however large it is shown.
//!
//! What is picked here is given away, so nothing is taken for [`GUARD`] after it came on screen: a click that was
//! meant for what was there before is no answer.

use std::time::Instant;

use iced_core::keyboard::{self, Key, key::Named};
use iced_core::text::Wrapping;
use iced_core::{Alignment, Background, Border, Color, Event, Length, Point, Size, mouse};
use iced_widget::image::{FilterMethod, Handle};
use iced_widget::{column, container, mouse_area, pin, row, space, stack};

pub use super::consent::GUARD;
use super::dialog::fit;
use crate::capture::{Picture, Screen};
use crate::fonts;
use crate::host::Element;
use crate::theme::{Palette, ROUND, SMALL, TEXT, TEXT_LARGE, TEXT_SMALL, TIGHT, hex};
use crate::tr;
use crate::visible::visible;
use crate::widgets::{self, rounded, shortened};

/// So many pixels are in the lens across and down; the one that is meant is in the middle.
const CELLS: u32 = 15;
/// So many times larger than they are, in logical pixels.
const CELL: u32 = 12;
/// Width and height of the lens in logical pixels.
const LENS: f32 = (CELLS * CELL) as f32;
/// Width and height of the card around it.
const CARD: Size = Size::new(LENS + 2.0 * SMALL, 322.0);
/// How far the card is from the pixel.
const AWAY: f32 = 24.0;
/// The ring around the pixel that is meant, on the screen.
const MARK: f32 = 17.0;
/// How far an arrow goes with Shift, in pixels.
const FAR: i32 = 10;
/// The longest name of a program, in characters.
const LONGEST: usize = 160;

/// The smallest screen, in logical pixels, on which the card stands beside every pixel.
pub const LEAST: Size = Size::new(2.0 * (CARD.width + AWAY), CARD.height);

/// What was picked: red, green, blue; or nothing.
pub type Answer = Option<[u8; 3]>;

/// What a person does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
    /// Points at the pixel `(x, y)` of the screen of this number.
    Point(usize, (u32, u32)),
    /// Goes by so many pixels to the right and down.
    Move(i32, i32),
    /// Goes to the next or previous screen.
    Turn(isize),
    /// Takes the colour.
    Take,
    /// Takes none.
    Cancel,
}

/// The screens and what is pointed at.
#[derive(Debug)]
pub struct Picker {
    app: String,
    screens: Vec<Screen>,
    /// The number of a screen, and the place of a pixel of it.
    at: (usize, (u32, u32)),
    lens: Handle,
    shown: Option<Instant>,
}

impl Picker {
    /// Points at the middle of the first screen. `app`: who asks, or nothing where that is not known. `None` without
    /// screens.
    pub fn new(app: String, screens: Vec<Screen>) -> Option<Self> {
        let first = screens.first()?;
        let place = middle(&first.picture);
        let lens = lens(&first.picture, place);
        Some(Self {
            app,
            screens,
            at: (0, place),
            lens,
            shown: None,
        })
    }

    /// The screens, by the number that [`Picker::view`] takes.
    pub fn screens(&self) -> &[Screen] {
        &self.screens
    }

    /// The compositor has shown it, for the first time or in a new place.
    pub fn on_screen(&mut self, now: Instant) {
        self.shown = Some(now);
    }

    /// What is on screen is not where it will be.
    pub fn moves(&mut self) {
        self.shown = None;
    }

    /// Something was done. Returns the answer, if it is one and counts.
    pub fn update(&mut self, message: Message, now: Instant) -> Option<Answer> {
        let (screen, (x, y)) = self.at;
        match message {
            Message::Point(screen, place) => self.go(screen, place),
            Message::Move(right, down) => {
                let to = (
                    x.saturating_add_signed(right),
                    y.saturating_add_signed(down),
                );
                self.go(screen, to);
            }
            Message::Turn(by) => {
                let next = widgets::next_row(Some(screen), by, self.screens.len());
                if next != screen {
                    self.go(next, middle(&self.screens[next].picture));
                }
            }
            Message::Take => {
                let seen = |shown| now.duration_since(shown) >= GUARD;
                return self.shown.is_some_and(seen).then(|| Some(self.colour()));
            }
            Message::Cancel => return Some(None),
        }
        None
    }

    /// The colour of the pixel that is pointed at.
    fn colour(&self) -> [u8; 3] {
        let (screen, (x, y)) = self.at;
        self.screens[screen].picture.pixel(x, y)
    }

    /// Points at another pixel, or at the nearest one that the screen has.
    fn go(&mut self, screen: usize, (x, y): (u32, u32)) {
        let Some(Screen { picture, .. }) = self.screens.get(screen) else {
            return;
        };
        let (width, height) = picture.size();
        let at = (screen, (x.min(width - 1), y.min(height - 1)));
        if at != self.at {
            self.lens = lens(picture, at.1);
            self.at = at;
        }
    }

    /// The keys: arrows go by a pixel, with Shift by ten; Tab to the next screen; Enter and Space take the colour,
    /// Escape does not.
    pub fn intercept(event: &Event) -> Option<Message> {
        let Event::Keyboard(keyboard::Event::KeyPressed {
            key: Key::Named(key),
            modifiers,
            repeat,
            ..
        }) = event
        else {
            return None;
        };
        let by = if modifiers.shift() { FAR } else { 1 };
        match key {
            Named::ArrowLeft => Some(Message::Move(-by, 0)),
            Named::ArrowRight => Some(Message::Move(by, 0)),
            Named::ArrowUp => Some(Message::Move(0, -by)),
            Named::ArrowDown => Some(Message::Move(0, by)),
            Named::Tab => Some(Message::Turn(if modifiers.shift() { -1 } else { 1 })),
            // Held keys were held before.
            Named::Enter | Named::Space if !repeat => Some(Message::Take),
            Named::Escape if !repeat => Some(Message::Cancel),
            _ => None,
        }
    }

    /// What is in front of the picture of a screen, on a surface of this size that covers it.
    pub fn view(&self, screen: usize, size: Size, palette: &Palette) -> Element<'_, Message> {
        let mut layers = stack![space().width(Length::Fill).height(Length::Fill)];
        let (mut width, mut height) = (1, 1);
        if let Some(shown) = self.screens.get(screen) {
            (width, height) = shown.picture.size();
        }
        let (on, (x, y)) = self.at;
        if on == screen {
            let at = Point::new(
                (x as f32 + 0.5) * size.width / width as f32,
                (y as f32 + 0.5) * size.height / height as f32,
            );
            let corner = Point::new(at.x - MARK / 2.0, at.y - MARK / 2.0);
            layers = layers
                .push(pin(ring(MARK, palette)).position(corner))
                .push(pin(self.card(palette)).position(beside(at, size)));
        }
        let pixel = |at: f32, pixels: u32, length: f32| {
            // Multiplied first: a whole number of logical pixels stays one.
            (f64::from(at) * f64::from(pixels) / f64::from(length)) as u32
        };
        mouse_area(layers)
            .interaction(mouse::Interaction::Crosshair)
            .on_move(move |at| {
                let x = pixel(at.x, width, size.width);
                Message::Point(screen, (x, pixel(at.y, height, size.height)))
            })
            .on_press(Message::Take)
            .on_right_press(Message::Cancel)
            .into()
    }

    /// Who asks, the lens, the colour and the keys.
    fn card(&self, palette: &Palette) -> Element<'_, Message> {
        let who = if self.app.is_empty() {
            tr!("consent-nameless")
        } else {
            visible(&shortened(&self.app, LONGEST))
        };
        let title = fit(&tr!("pick-title"), LENS, TEXT);
        let about = column![
            widgets::label(title, TEXT, palette.text).font(fonts::UI_STRONG),
            widgets::label(fit(&who, LENS, TEXT_SMALL), TEXT_SMALL, palette.text_dim)
                .wrapping(Wrapping::None),
        ]
        .spacing(TIGHT / 2.0);
        let lens = iced_widget::image(self.lens.clone())
            .width(LENS)
            .height(LENS)
            .filter_method(FilterMethod::Nearest);
        let meant = container(ring(CELL as f32 + 4.0, palette)).center(LENS);
        let [red, green, blue] = self.colour();
        let colour = Color::from_rgb8(red, green, blue);
        let line = palette.line;
        let sample = container(space().width(28).height(28)).style(move |_: &iced_core::Theme| {
            container::Style {
                background: Some(Background::Color(colour)),
                border: Border {
                    color: line,
                    width: 1.0,
                    ..rounded(ROUND)
                },
                ..container::Style::default()
            }
        });
        let named = row![
            sample,
            widgets::label(hex(colour), TEXT_LARGE, palette.text).font(fonts::MONO)
        ]
        .spacing(SMALL)
        .align_y(Alignment::Center);
        let keys = column![
            widgets::hint(tr!("key-enter"), tr!("does-choose"), palette),
            widgets::hint(tr!("key-escape"), tr!("does-close"), palette),
        ]
        .spacing(TIGHT);
        let all = column![about, stack![lens, meant], named, keys].spacing(SMALL);
        let ground = palette.card;
        container(all)
            .padding(SMALL)
            .width(CARD.width)
            .height(CARD.height)
            .style(move |_: &iced_core::Theme| container::Style {
                background: Some(Background::Color(ground)),
                border: Border {
                    color: line,
                    width: 1.0,
                    ..rounded(ROUND)
                },
                ..container::Style::default()
            })
            .into()
    }
}

/// The place in the middle of a picture.
fn middle(picture: &Picture) -> (u32, u32) {
    let (width, height) = picture.size();
    (width / 2, height / 2)
}

/// `picture` around a pixel, [`CELL`] times larger, see-through where it ends.
fn lens(picture: &Picture, (x, y): (u32, u32)) -> Handle {
    let (width, height) = picture.size();
    let side = CELLS * CELL;
    let from = |at: u32, along: u32, end: u32| {
        let from = (at + along / CELL).checked_sub(CELLS / 2);
        from.filter(|from| *from < end)
    };
    let mut rgba = Vec::with_capacity(side as usize * side as usize * 4);
    for down in 0..side {
        for across in 0..side {
            match (from(x, across, width), from(y, down, height)) {
                (Some(x), Some(y)) => {
                    rgba.extend(picture.pixel(x, y));
                    rgba.push(255);
                }
                _ => rgba.extend([0; 4]),
            }
        }
    }
    Handle::from_rgba(side, side, rgba)
}

/// A square edge that is seen on light and on dark, and nothing within.
fn ring<'a>(side: f32, palette: &Palette) -> Element<'a, Message> {
    let edge = |color: Color| {
        move |_: &iced_core::Theme| container::Style {
            border: Border {
                color,
                width: 1.0,
                ..Border::default()
            },
            ..container::Style::default()
        }
    };
    let inner = container(space().width(side - 2.0).height(side - 2.0)).style(edge(palette.text));
    container(inner).padding(1).style(edge(palette.card)).into()
}

/// Where the card stands: to the right of a place and below it, on the other side where the screen ends.
fn beside(at: Point, screen: Size) -> Point {
    let place = |at: f32, card: f32, room: f32| {
        let after = at + AWAY;
        let fits = after + card <= room;
        let place = if fits { after } else { at - AWAY - card };
        place.clamp(0.0, (room - card).max(0.0))
    };
    Point::new(
        place(at.x, CARD.width, screen.width),
        place(at.y, CARD.height, screen.height),
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use iced_core::keyboard::Modifiers;
    use iced_core::keyboard::key::{NativeCode, Physical};

    use super::*;

    /// A screen on which every pixel has a colour of its own.
    fn screen(name: &str, width: u32, height: u32) -> Screen {
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| [x as u8, y as u8, 7]));
        let picture = Picture::new(width, height, pixels.flatten().collect()).unwrap();
        Screen {
            name: name.into(),
            picture: Arc::new(picture),
        }
    }

    /// On two screens, shown long enough to take an answer.
    fn picker() -> (Picker, Instant) {
        let screens = vec![screen("a", 200, 100), screen("b", 80, 60)];
        let mut picker = Picker::new("org.example.Paint".into(), screens).unwrap();
        let shown = Instant::now();
        picker.on_screen(shown);
        (picker, shown + GUARD)
    }

    fn press(key: Named, modifiers: Modifiers, repeat: bool) -> Option<Message> {
        Picker::intercept(&Event::Keyboard(keyboard::Event::KeyPressed {
            key: Key::Named(key),
            modified_key: Key::Named(key),
            physical_key: Physical::Unidentified(NativeCode::Xkb(0)),
            location: keyboard::Location::Standard,
            modifiers,
            text: None,
            repeat,
        }))
    }

    #[test]
    fn keys_go_by_a_pixel_by_ten_and_to_the_other_screen() {
        let (mut picker, now) = picker();
        assert_eq!(picker.colour(), [100, 50, 7], "the middle");
        let none = Modifiers::empty();
        let mut presses = |key, modifiers| {
            let message = press(key, modifiers, false).unwrap();
            assert_eq!(picker.update(message, now), None);
            picker.colour()
        };
        assert_eq!(presses(Named::ArrowRight, none), [101, 50, 7]);
        assert_eq!(presses(Named::ArrowUp, Modifiers::SHIFT), [101, 40, 7]);
        assert_eq!(presses(Named::ArrowLeft, Modifiers::SHIFT), [91, 40, 7]);
        assert_eq!(presses(Named::ArrowDown, none), [91, 41, 7]);
        for _ in 0..20 {
            presses(Named::ArrowRight, Modifiers::SHIFT);
        }
        assert_eq!(presses(Named::ArrowUp, none), [199, 40, 7], "no farther");
        for _ in 0..9 {
            presses(Named::ArrowUp, Modifiers::SHIFT);
        }
        assert_eq!(presses(Named::ArrowLeft, none), [198, 0, 7]);
        assert_eq!(presses(Named::Tab, none), [40, 30, 7]);
        assert_eq!(presses(Named::Tab, Modifiers::SHIFT), [100, 50, 7]);
        assert_eq!(press(Named::Enter, none, true), None, "it was held before");
        assert_eq!(
            press(Named::ArrowDown, none, true),
            Some(Message::Move(0, 1))
        );
    }

    #[test]
    fn what_is_pointed_at_is_taken_once_it_was_seen() {
        let (mut picker, armed) = picker();
        let early = armed - Duration::from_millis(1);
        assert_eq!(picker.update(Message::Point(1, (79, 200)), early), None);
        assert_eq!(picker.update(Message::Take, early), None);
        assert_eq!(
            picker.update(Message::Take, armed),
            Some(Some([79, 59, 7])),
            "the nearest that is there"
        );
        picker.moves();
        assert_eq!(picker.update(Message::Take, armed), None);
        assert_eq!(picker.update(Message::Cancel, early), Some(None));
    }

    #[test]
    fn the_lens_has_the_pixel_in_its_middle_and_ends_where_the_screen_does() {
        let seen = |place, across: u32, down: u32| {
            let Handle::Rgba { width, pixels, .. } = lens(&screen("a", 200, 100).picture, place)
            else {
                panic!("it is made of pixels")
            };
            let at = ((down * CELL) * width + across * CELL) as usize * 4;
            [pixels[at], pixels[at + 1], pixels[at + 3]]
        };
        let middle = CELLS / 2;
        assert_eq!(seen((50, 40), middle, middle), [50, 40, 255]);
        assert_eq!(seen((50, 40), 0, CELLS - 1), [43, 47, 255]);
        assert_eq!(seen((0, 0), middle, middle), [0, 0, 255]);
        assert_eq!(seen((0, 0), middle - 1, middle)[2], 0);
        assert_eq!(seen((199, 99), middle, middle + 1)[2], 0);
    }

    #[test]
    fn the_card_never_covers_what_is_pointed_at() {
        for screen in [LEAST, Size::new(1280.0, 800.0)] {
            for across in 0..=40 {
                for down in 0..=40 {
                    let part = |part: i32, length: f32| part as f32 / 40.0 * length;
                    let at = Point::new(part(across, screen.width), part(down, screen.height));
                    let card = iced_core::Rectangle::new(beside(at, screen), CARD);
                    assert!(!card.contains(at), "{at:?} on {screen:?}: {card:?}");
                    assert!(card.x >= 0.0 && card.x + card.width <= screen.width);
                    assert!(card.y >= 0.0 && card.y + card.height <= screen.height);
                }
            }
        }
    }
}
