//! Building blocks of the parts: text, icons, buttons, cards in the theme's colours.
//!
//! iced's own themes are not used: every widget gets its look from the [`Palette`] here, so parts
//! stay short and the look is decided in one file.

use iced_core::border::Radius;
use iced_core::text::Wrapping;
use iced_core::{Alignment, Background, Border, Color, Font, Length, Padding, Shadow};
use iced_widget::{
    Button, Column, Container, Row, Svg, Text, TextInput, button, column, container, row, svg,
};
use iced_widget::{scrollable, space, text, text_input};

use crate::fonts;
use crate::host::Element;
use crate::icons::Icon;
use crate::shadow::Shadowed;
use crate::theme::{
    GAP, Palette, ROUND, ROUND_CARD, SMALL, TEXT, TEXT_LARGE, TEXT_SMALL, TIGHT, WIDE,
};

/// Room around a card for its shadow, in logical pixels.
pub const SHADOW: f32 = 18.0;
/// The shortest handle of a scroll bar that can be taken, in logical pixels.
pub const LEAST_HANDLE: u16 = 32;

/// One line or paragraph of text.
pub fn label<'a>(content: impl text::IntoFragment<'a>, size: f32, color: Color) -> Text<'a> {
    text(content).size(size).color(color).font(fonts::UI)
}

/// One line that is cut where it does not fit. Put it into something of limited width.
pub fn line<'a, M: 'a>(
    content: impl text::IntoFragment<'a>,
    size: f32,
    color: Color,
    font: Font,
) -> Element<'a, M> {
    container(
        text(content)
            .size(size)
            .color(color)
            .font(font)
            .wrapping(Wrapping::None),
    )
    .width(Length::Fill)
    .clip(true)
    .into()
}

/// `text`, cut with an ellipsis where it has more than `longest` characters.
pub fn shortened(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text.to_owned(),
    }
}

/// An icon of the shell.
pub fn icon<'a>(icon: Icon, size: f32, color: Color) -> Svg<'a> {
    svg(icon.handle())
        .width(size)
        .height(size)
        .style(move |_, _| svg::Style { color: Some(color) })
}

/// A filled circle that says how something stands.
pub fn dot<'a, M: 'a>(size: f32, color: Color) -> Element<'a, M> {
    container(space().width(size).height(size))
        .style(move |_: &iced_core::Theme| container::Style {
            background: Some(Background::Color(color)),
            border: rounded(size / 2.0),
            ..container::Style::default()
        })
        .into()
}

/// The look of a kind of button.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing until the pointer is over it.
    Plain,
    /// A raised surface.
    Raised,
    /// The one that is most likely meant.
    Primary,
    /// Refuses or destroys.
    Danger,
    /// Chosen: by the keyboard, or switched on.
    Chosen,
}

/// A button around `content`.
pub fn press<'a, M: Clone + 'a>(
    content: impl Into<Element<'a, M>>,
    kind: Kind,
    palette: &Palette,
) -> Button<'a, M, iced_core::Theme, crate::host::Renderer> {
    let palette = *palette;
    button(content)
        .padding(Padding::from([SMALL, GAP]))
        .style(move |_, status| button_style(kind, status, &palette, ROUND))
}

/// How a button of `kind` looks among others of which one is `chosen`, as the one that the keyboard is on.
pub fn choice_style(
    kind: Kind,
    status: button::Status,
    chosen: bool,
    palette: &Palette,
) -> button::Style {
    let mut style = button_style(kind, status, palette, ROUND);
    if chosen {
        style.border.width = 2.0;
        style.border.color = palette.text;
    }
    style
}

/// How a button of `kind` looks.
pub fn button_style(
    kind: Kind,
    status: button::Status,
    palette: &Palette,
    round: f32,
) -> button::Style {
    let over = matches!(status, button::Status::Hovered | button::Status::Pressed);
    let faint = matches!(status, button::Status::Disabled);
    let (ground, ink, edge) = match kind {
        Kind::Plain => (over.then_some(palette.hover), palette.text, None),
        Kind::Raised => (
            Some(if over { palette.hover } else { palette.raised }),
            palette.text,
            Some(palette.line),
        ),
        Kind::Primary => (
            Some(mix(
                palette.accent,
                palette.text,
                if over { 0.18 } else { 0.0 },
            )),
            palette.accent_text,
            None,
        ),
        Kind::Danger => (
            Some(if over { palette.hover } else { palette.raised }),
            palette.bad,
            Some(palette.line),
        ),
        Kind::Chosen => (Some(palette.hover), palette.text, None),
    };
    let fade = |c: Color| if faint { c.scale_alpha(0.45) } else { c };
    button::Style {
        background: ground.map(|c| Background::Color(fade(c))),
        text_color: fade(ink),
        border: Border {
            color: edge.map_or(Color::TRANSPARENT, fade),
            width: if edge.is_some() { 1.0 } else { 0.0 },
            radius: Radius::new(round),
        },
        shadow: Shadow::default(),
        snap: true,
    }
}

/// A square button with an icon.
pub fn icon_button<'a, M: Clone + 'a>(
    shown: Icon,
    size: f32,
    color: Color,
    palette: &Palette,
) -> Button<'a, M, iced_core::Theme, crate::host::Renderer> {
    press(icon(shown, size, color), Kind::Plain, palette).padding(SMALL - 2.0)
}

/// A card with a soft shadow around it: it takes [`SHADOW`] of room on each side.
pub fn card<'a, M: 'a>(
    content: impl Into<Element<'a, M>>,
    palette: &Palette,
) -> Container<'a, M, iced_core::Theme, crate::host::Renderer> {
    let shadow = palette.shadow;
    let palette = *palette;
    let card = container(content)
        .width(Length::Fill)
        .style(move |_| container::Style {
            background: Some(Background::Color(palette.card)),
            text_color: Some(palette.text),
            border: Border {
                color: palette.line,
                width: 1.0,
                radius: Radius::new(ROUND_CARD),
            },
            ..container::Style::default()
        });
    container(Shadowed::new(card, shadow, SHADOW)).padding(SHADOW)
}

/// A surface inside a card.
pub fn raised<'a, M: 'a>(
    content: impl Into<Element<'a, M>>,
    ground: Color,
    round: f32,
) -> Container<'a, M, iced_core::Theme, crate::host::Renderer> {
    container(content).style(move |_| container::Style {
        background: Some(Background::Color(ground)),
        border: rounded(round),
        ..container::Style::default()
    })
}

/// A thin line across.
pub fn divider<'a, M: 'a>(palette: &Palette) -> Element<'a, M> {
    raised(space().width(Length::Fill).height(1), palette.line, 0.0).into()
}

/// A thin line down.
pub fn divider_down<'a, M: 'a>(height: f32, palette: &Palette) -> Element<'a, M> {
    raised(space().width(1).height(height), palette.line, 0.0).into()
}

/// A key as it is printed on the keyboard.
pub fn key_cap<'a, M: 'a>(name: impl text::IntoFragment<'a>, palette: &Palette) -> Element<'a, M> {
    let palette = *palette;
    container(label(name, TEXT_SMALL - 1.0, palette.text_dim).font(fonts::UI_MEDIUM))
        .padding(Padding::from([1.0, 6.0]))
        .style(move |_| container::Style {
            background: Some(Background::Color(palette.raised)),
            border: Border {
                color: palette.line,
                width: 1.0,
                radius: Radius::new(5.0),
            },
            ..container::Style::default()
        })
        .into()
}

/// A key and what it does.
pub fn hint<'a, M: 'a>(
    key: impl text::IntoFragment<'a>,
    does: impl text::IntoFragment<'a>,
    palette: &Palette,
) -> Row<'a, M, iced_core::Theme, crate::host::Renderer> {
    row![
        key_cap(key, palette),
        label(does, TEXT_SMALL, palette.text_dim)
    ]
    .spacing(TIGHT + 2.0)
    .align_y(Alignment::Center)
}

/// A text field without an edge of its own.
pub fn field<'a, M: Clone + 'a>(
    placeholder: &str,
    value: &str,
    size: f32,
    palette: &Palette,
) -> TextInput<'a, M, iced_core::Theme, crate::host::Renderer> {
    let palette = *palette;
    text_input(placeholder, value)
        .size(size)
        .font(fonts::UI)
        .padding(0)
        .style(move |_, _| text_input::Style {
            background: Background::Color(Color::TRANSPARENT),
            border: Border::default(),
            icon: palette.text_dim,
            placeholder: palette.text_dim,
            value: palette.text,
            selection: palette.accent.scale_alpha(0.35),
        })
}

/// A slider from 0 to 100 percent.
pub fn slider<'a, M: Clone + 'a>(
    percent: u32,
    changed: impl Fn(u32) -> M + 'a,
    palette: &Palette,
) -> Element<'a, M> {
    use iced_widget::slider::{Handle, HandleShape, Rail, Style};
    let palette = *palette;
    iced_widget::slider(0..=100_u32, percent, changed)
        .height(20)
        .style(move |_, _| Style {
            rail: Rail {
                backgrounds: (
                    Background::Color(palette.accent),
                    // Seen on a chosen row, too.
                    Background::Color(mix(palette.line, palette.text_dim, 0.3)),
                ),
                width: 6.0,
                border: rounded(3.0),
            },
            handle: Handle {
                shape: HandleShape::Circle { radius: 8.0 },
                background: Background::Color(palette.text),
                border_width: 2.0,
                border_color: palette.card,
            },
        })
        .into()
}

/// A scroll bar that stays out of the way.
pub fn scroll_style(
    palette: &Palette,
) -> impl Fn(&iced_core::Theme, scrollable::Status) -> scrollable::Style + use<> {
    let palette = *palette;
    move |_, status| {
        let active = !matches!(status, scrollable::Status::Active { .. });
        let scroller = if active {
            palette.text_dim.scale_alpha(0.7)
        } else {
            palette.line
        };
        let rail = scrollable::Rail {
            background: None,
            border: Border::default(),
            scroller: scrollable::Scroller {
                background: Background::Color(scroller),
                border: rounded(3.0),
            },
        };
        scrollable::Style {
            container: container::Style::default(),
            vertical_rail: rail,
            horizontal_rail: rail,
            gap: None,
            auto_scroll: scrollable::AutoScroll {
                background: Background::Color(palette.card),
                border: rounded(ROUND),
                shadow: Shadow::default(),
                icon: palette.text,
            },
        }
    }
}

/// The handle of a scroll bar, for lists so long that one as long as the part that is seen could not be
/// taken. `offset` logical pixels are above what is seen, `farthest` at most; `to` is told where it is
/// dragged.
pub fn scroll_handle<'a, M: Clone + 'a>(
    offset: f32,
    farthest: f32,
    to: impl Fn(f32) -> M + 'a,
    palette: &Palette,
) -> Element<'a, M> {
    use iced_widget::slider::{Handle, HandleShape, Rail, Status, Style};
    let palette = *palette;
    // Such a slider counts from below.
    let below = (farthest - offset).clamp(0.0, farthest);
    iced_widget::vertical_slider(0.0..=farthest, below, move |below| to(farthest - below))
        .width(6)
        .step(1.0)
        .style(move |_, status| Style {
            rail: Rail {
                backgrounds: (Color::TRANSPARENT.into(), Color::TRANSPARENT.into()),
                width: 0.0,
                border: Border::default(),
            },
            handle: Handle {
                shape: HandleShape::Rectangle {
                    width: LEAST_HANDLE,
                    border_radius: rounded(3.0).radius,
                },
                background: Background::Color(match status {
                    Status::Active => palette.line,
                    Status::Hovered | Status::Dragged => palette.text_dim.scale_alpha(0.7),
                }),
                border_width: 0.0,
                border_color: Color::TRANSPARENT,
            },
        })
        .into()
}

/// Rows that scroll, to fill what room there is.
pub fn list<'a, M: 'a>(
    rows: Column<'a, M, iced_core::Theme, crate::host::Renderer>,
    id: &'static str,
    palette: &Palette,
) -> Element<'a, M> {
    scrollable(rows.padding(Padding::from([0.0, SMALL])))
        .id(id)
        .height(Length::Fill)
        .direction(scrollable::Direction::Vertical(
            scrollable::Scrollbar::new()
                .width(6)
                .scroller_width(6)
                .margin(2),
        ))
        .style(scroll_style(palette))
        .into()
}

/// The row that comes `by` rows after the chosen one, around the ends; of none, the first or the last one.
pub fn next_row(chosen: Option<usize>, by: isize, count: usize) -> usize {
    let count = count as isize;
    let next = match chosen {
        Some(at) => (at as isize + by).rem_euclid(count),
        None if by > 0 => 0,
        None => count - 1,
    };
    next as usize
}

/// Where a list of rows of one height is to stand so that a row is in its middle.
pub fn centred(row: usize, row_height: f32, height: f32) -> f32 {
    (row as f32 * row_height - (height - row_height) / 2.0).max(0.0)
}

/// A card with a head, a list and a foot that tells the keys.
pub fn sheet<'a, M: 'a>(
    head: Element<'a, M>,
    list: Element<'a, M>,
    keys: Element<'a, M>,
    palette: &Palette,
) -> Element<'a, M> {
    let foot = container(keys)
        .padding(Padding::from([0.0, WIDE]))
        .height(40)
        .align_y(Alignment::Center)
        .width(Length::Fill);
    let content = column![
        head,
        divider(palette),
        container(list)
            .padding(Padding::from([SMALL, 0.0]))
            .height(Length::Fill),
        divider(palette),
        foot,
    ];
    card(container(content).height(Length::Fill), palette).into()
}

/// A row of a menu: icon, text, and whether the keyboard is on it.
pub fn menu_row<'a, M: Clone + 'a>(
    shown: Icon,
    title: impl text::IntoFragment<'a>,
    chosen: bool,
    message: M,
    palette: &Palette,
) -> Element<'a, M> {
    let kind = if chosen { Kind::Chosen } else { Kind::Plain };
    let ink = if chosen {
        palette.text
    } else {
        palette.text_dim
    };
    press(
        row![icon(shown, 18.0, ink), label(title, TEXT, palette.text)]
            .spacing(GAP)
            .align_y(Alignment::Center),
        kind,
        palette,
    )
    .width(Length::Fill)
    .padding(Padding::from([10.0, GAP]))
    .on_press(message)
    .into()
}

/// Heading and explanation, one above the other.
pub fn heading<'a, M: 'a>(title: String, below: String, palette: &Palette) -> Element<'a, M> {
    column![
        label(title, TEXT_LARGE, palette.text).font(fonts::UI_STRONG),
        label(below, TEXT_SMALL, palette.text_dim),
    ]
    .spacing(TIGHT / 2.0)
    .into()
}

/// A border with round corners and no line.
pub fn rounded(radius: f32) -> Border {
    Border {
        radius: Radius::new(radius),
        ..Border::default()
    }
}

/// `a` with a part of `b`.
pub fn mix(a: Color, b: Color, part: f32) -> Color {
    let between = |a: f32, b: f32| a + (b - a) * part;
    Color {
        r: between(a.r, b.r),
        g: between(a.g, b.g),
        b: between(a.b, b.b),
        a: a.a,
    }
}

/// The inner padding of cards.
pub const CARD_PADDING: Padding = Padding {
    top: WIDE,
    right: WIDE,
    bottom: WIDE,
    left: WIDE,
};
