//! What the dialogs that are windows have in common: ground, fields, buttons, the edge around what
//! has the keyboard.

use iced_core::border::Radius;
use iced_core::text::Wrapping;
use iced_core::{Alignment, Background, Border, Color, Length, Padding};
use iced_widget::{Button, Container, container, row, space, text};

use crate::fonts;
use crate::host::{Element, Renderer};
use crate::icons::Icon;
use crate::theme::{GAP, HUGE, Palette, ROUND, SMALL, TEXT, TEXT_SMALL};
use crate::widgets::{self, Kind};

/// About how wide a text of one line is in [`fonts::UI`], in logical pixels; rather more than less.
pub fn text_width(text: &str, size: f32) -> f32 {
    text.chars().map(width).sum::<f32>() * size
}

/// The width of a character to the size of its font.
fn width(c: char) -> f32 {
    match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | ' ' => 0.3,
        'f' | 'r' | 't' | '(' | ')' | '[' | ']' | '/' | '-' | '"' => 0.41,
        'm' | 'w' | 'M' | 'W' | '@' | '%' | '…' => 0.95,
        'a'..='z' | '0'..='9' | '_' => 0.63,
        'A'..='Z' => 0.76,
        c if u32::from(c) < 0x1100 => 0.7,
        _ => 1.08,
    }
}

/// `text`, cut in its middle so that it fits into `room` logical pixels. Beginning and end stay:
/// the end of a file's name says what it is.
pub fn fit(text: &str, room: f32, size: f32) -> String {
    if text_width(text, size) <= room {
        return text.to_owned();
    }
    let room = room / size - width('…');
    let take = |chars: &mut dyn Iterator<Item = char>, room: f32| {
        let mut left = room;
        let fits = |c: &char| {
            left -= width(*c);
            left >= 0.0
        };
        chars.take_while(fits).collect::<Vec<char>>()
    };
    let begin: String = take(&mut text.chars(), room * 0.62).into_iter().collect();
    let end = take(&mut text.chars().rev(), room * 0.38);
    let end: String = end.into_iter().rev().collect();
    format!("{}…{}", begin.trim_end(), end.trim_start())
}

/// The dialog's ground, under all of it.
pub fn ground<'a, M: 'a>(
    content: impl Into<Element<'a, M>>,
    palette: &Palette,
) -> Container<'a, M, iced_core::Theme, Renderer> {
    let palette = *palette;
    container(content)
        .width(Length::Fill)
        .height(Length::Fill)
        .style(move |_| container::Style {
            background: Some(Background::Color(palette.card)),
            text_color: Some(palette.text),
            ..container::Style::default()
        })
}

/// Room for the edge around what has the keyboard, in logical pixels: what has none is moved in by it to
/// stand in line.
pub const RING: f32 = 3.0;

/// `content` with an edge around it while the keyboard is there. The room for it is always there.
pub fn ring<'a, M: 'a>(
    content: impl Into<Element<'a, M>>,
    keyboard: bool,
    palette: &Palette,
) -> Element<'a, M> {
    let color = if keyboard {
        palette.accent
    } else {
        Color::TRANSPARENT
    };
    container(content)
        .padding(RING)
        .style(move |_| container::Style {
            border: Border {
                color,
                width: 2.0,
                radius: Radius::new(ROUND + RING),
            },
            ..container::Style::default()
        })
        .into()
}

/// What went wrong, in a line or two.
pub fn problem<'a, M: 'a>(says: &'a str, palette: &Palette) -> Element<'a, M> {
    row![
        widgets::icon(Icon::Alert, 16.0, palette.bad),
        widgets::label(says, TEXT_SMALL + 1.0, palette.bad)
            .wrapping(Wrapping::WordOrGlyph)
            .width(Length::Fill)
    ]
    .spacing(SMALL)
    .align_y(Alignment::Center)
    .into()
}

fn field_style(keyboard: bool, palette: &Palette) -> container::Style {
    container::Style {
        background: Some(Background::Color(palette.raised)),
        border: Border {
            color: if keyboard {
                palette.accent
            } else {
                palette.line
            },
            width: if keyboard { 1.5 } else { 1.0 },
            radius: Radius::new(ROUND),
        },
        ..container::Style::default()
    }
}

/// A text field of the name `id`.
pub fn field<'a, M: Clone + 'a>(
    id: &'static str,
    placeholder: &str,
    value: &str,
    keyboard: bool,
    palette: &Palette,
    typed: impl Fn(String) -> M + 'a,
) -> Element<'a, M> {
    let palette = *palette;
    let input = widgets::field(placeholder, value, TEXT, &palette)
        .id(id)
        .on_input(typed);
    container(input)
        .width(Length::Fill)
        .padding(Padding::from([SMALL, GAP]))
        .style(move |_| field_style(keyboard, &palette))
        .into()
}

/// A text field that has not the keyboard: a click gives it that. It shows `says` in a colour.
pub fn field_off<'a, M: Clone + 'a>(
    (says, ink): (String, Color),
    palette: &Palette,
    click: M,
) -> Element<'a, M> {
    let palette = *palette;
    let inside = container(
        text(says)
            .size(TEXT)
            .font(fonts::UI)
            .color(ink)
            .wrapping(Wrapping::None),
    )
    .width(Length::Fill)
    .padding(Padding::from([SMALL, GAP]))
    .clip(true)
    .style(move |_| field_style(false, &palette));
    iced_widget::mouse_area(inside)
        .on_press(click)
        .interaction(iced_core::mouse::Interaction::Text)
        .into()
}

/// A button that ends a dialog.
pub fn big_button<'a, M: Clone + 'a>(
    label: String,
    kind: Kind,
    palette: &Palette,
) -> Button<'a, M, iced_core::Theme, Renderer> {
    let label = text(label)
        .size(TEXT)
        .font(fonts::UI_MEDIUM)
        .wrapping(Wrapping::None);
    widgets::press(label, kind, palette).padding(Padding::from([SMALL, crate::theme::WIDE]))
}

/// Something that is on or off.
pub fn switch<'a, M: Clone + 'a>(
    label: &str,
    on: bool,
    palette: &Palette,
) -> Button<'a, M, iced_core::Theme, Renderer> {
    let colors = *palette;
    let mark: Element<'a, M> = if on {
        widgets::icon(Icon::Check, 13.0, colors.accent_text).into()
    } else {
        space().width(13).height(13).into()
    };
    let mark = container(mark).padding(2).style(move |_| container::Style {
        background: Some(Background::Color(if on {
            colors.accent
        } else {
            colors.raised
        })),
        border: Border {
            color: if on { colors.accent } else { colors.text_dim },
            width: 1.0,
            radius: Radius::new(5.0),
        },
        ..container::Style::default()
    });
    let label = widgets::label(
        fit(label, 320.0, TEXT_SMALL + 1.0),
        TEXT_SMALL + 1.0,
        colors.text,
    );
    let inside = row![mark, label.wrapping(Wrapping::None)]
        .spacing(SMALL)
        .align_y(Alignment::Center);
    widgets::press(inside, Kind::Plain, palette).padding(Padding::from([6.0, SMALL]))
}

/// A card in front of a dialog that is dimmed behind it.
pub fn in_front<'a, M: 'a>(
    content: impl Into<Element<'a, M>>,
    width: f32,
    palette: &Palette,
) -> Element<'a, M> {
    let backdrop = palette.backdrop;
    let card = widgets::card(container(content).padding(HUGE), palette);
    container(container(card).max_width(width + 2.0 * widgets::SHADOW))
        .center(Length::Fill)
        .style(move |_| container::Style {
            background: Some(Background::Color(backdrop)),
            ..container::Style::default()
        })
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_keep_their_ends() {
        assert_eq!(fit("short.txt", 200.0, TEXT), "short.txt");
        let cut = fit(&format!("a{}z.tar.gz", "x".repeat(500)), 200.0, TEXT);
        assert!(cut.starts_with('a') && cut.ends_with("z.tar.gz"), "{cut}");
        assert!(text_width(&cut, TEXT) <= 200.0, "{cut}");
        assert_eq!(fit("abcdef", 0.0, TEXT), "…");
    }
}
