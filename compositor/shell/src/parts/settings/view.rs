//! How the settings are put together: head with the search, pages at the left, rows at the right.

use iced_core::{Alignment, Background, Color, Length, Padding, Size};
use iced_widget::{Column, column, container, row, space, toggler};

use super::items::{Kind, turn_title};
use super::trial::Trial;
use super::{Choice, INPUT, Item, LIST, Message, Page, Settings};
use crate::fonts;
use crate::host::{Element, Renderer};
use crate::icons::Icon;
use crate::preferences::File;
use crate::theme::{
    Appearance, GAP, Palette, ROUND, SMALL, TEXT, TEXT_SMALL, TIGHT, WIDE, accent_colour, contrast,
    parse_color,
};
use crate::tr;
use crate::visible::visible;
use crate::widgets::{self, Kind as Button, SHADOW};

/// Size of the surface in logical pixels, shadow included.
pub const WIDTH: u32 = 900 + 2 * SHADOW as u32;
/// As [`WIDTH`].
pub const HEIGHT: u32 = 600 + 2 * SHADOW as u32;
/// What they need where text is large and the screen small.
pub const LEAST: Size = Size::new(840.0, 460.0);

/// Height of a row.
pub(super) const ROW: f32 = 62.0;
/// Height of a row of a list to pick from.
pub(super) const CHOICE: f32 = 40.0;
/// Height of what is seen of the rows.
pub(super) const ROWS_HEIGHT: f32 = 430.0;
/// Width of the pages' column.
const PAGES: f32 = 236.0;
/// Width of the value between − and +.
const VALUE: f32 = 98.0;
/// Width of what is only told, or picked from a list.
const WORDS: f32 = 250.0;
/// Across a colour to press.
const SWATCH: f32 = 18.0;
/// So many choices are shown as they are; more are in a list of their own.
const FEW: usize = 4;
/// The longest explanation or reason, in characters.
const LONGEST: usize = 150;

impl Settings {
    /// The settings' widgets.
    pub fn view(&self, palette: &Palette) -> Element<'_, Message> {
        let body = row![
            self.pages(palette),
            divider_down(palette),
            container(self.right(palette)).width(Length::Fill)
        ];
        widgets::sheet(self.head(palette), body.into(), self.keys(palette), palette)
    }

    fn head(&self, palette: &Palette) -> Element<'_, Message> {
        let looks_for = match self.picking {
            Some(_) => tr!("settings-search-choices"),
            None => tr!("settings-search"),
        };
        let search = row![
            widgets::icon(Icon::Search, 16.0, palette.text_dim),
            widgets::field(&looks_for, &self.query, TEXT, palette)
                .id(INPUT)
                .on_input(Message::Typed),
        ]
        .spacing(SMALL)
        .align_y(Alignment::Center);
        row![
            widgets::icon(Icon::Settings, 22.0, palette.accent),
            widgets::label(tr!("settings"), TEXT + 3.0, palette.text).font(fonts::UI_STRONG),
            space().width(Length::Fill),
            widgets::raised(search, palette.raised, ROUND)
                .padding(Padding::from([SMALL - 1.0, GAP]))
                .width(280),
            widgets::icon_button(Icon::Close, 18.0, palette.text_dim, palette)
                .on_press(Message::Close),
        ]
        .spacing(GAP)
        .padding(Padding::from([0.0, WIDE]))
        .height(58)
        .align_y(Alignment::Center)
        .into()
    }

    fn pages(&self, palette: &Palette) -> Element<'_, Message> {
        let searching = !self.query.trim().is_empty() && self.picking.is_none();
        let one = |page: Page| {
            let here = page == self.page && !searching;
            let (kind, ink) = match here {
                true => (Button::Chosen, palette.text),
                false => (Button::Plain, palette.text_dim),
            };
            let content = row![
                widgets::icon(page.icon(), 18.0, ink),
                widgets::line(page.title(), TEXT, palette.text, fonts::UI),
            ]
            .spacing(GAP)
            .align_y(Alignment::Center);
            widgets::press(content, kind, palette)
                .width(Length::Fill)
                .padding(Padding::from([SMALL + 1.0, GAP]))
                .on_press(Message::Show(page))
                .into()
        };
        let pages: Vec<Element<'_, Message>> = Page::ALL.into_iter().map(one).collect();
        container(column(pages).spacing(TIGHT / 2.0))
            .padding(Padding::from([TIGHT, SMALL]))
            .width(PAGES)
            .height(Length::Fill)
            .into()
    }

    fn right(&self, palette: &Palette) -> Element<'_, Message> {
        if let Some(trial) = self.trial.as_ref().filter(|trial| trial.asks()) {
            return trial.view(palette);
        }
        if let Some(picking) = self.picking {
            return self.picker(picking.item, picking.selected, palette);
        }
        let rows = self.rows();
        let searching = !self.query.trim().is_empty();
        let heading = match searching {
            true => {
                let count = rows.len();
                widgets::heading(
                    tr!("settings-found"),
                    tr!("settings-count", count = count),
                    palette,
                )
            }
            false => widgets::heading(self.page.title(), self.page.about(), palette),
        };
        let mut content: Column<'_, Message, _, Renderer> = column![];
        for problem in self.broken_files(&rows) {
            content = content.push(banner(problem, palette));
        }
        if rows.is_empty() {
            let words = match searching {
                true => tr!("settings-nothing-found"),
                false => tr!("settings-nothing-known"),
            };
            let words = widgets::label(words, TEXT, palette.text_dim);
            content = content.push(container(words).center_x(Length::Fill).padding(WIDE * 2.0));
        }
        for (at, (page, item)) in rows.into_iter().enumerate() {
            let of = searching.then(|| page.title());
            content = content.push(self.row(at, item, of, palette));
        }
        column![
            container(heading).padding(Padding {
                left: WIDE + SMALL,
                right: WIDE,
                bottom: SMALL,
                top: TIGHT,
            }),
            widgets::list(content, LIST, palette)
        ]
        .into()
    }

    /// What keeps the rows that are shown from being changed.
    fn broken_files(&self, rows: &[(Page, Item)]) -> Vec<String> {
        let outputs = self.output_names();
        let shown = |file: File| {
            let mut places = rows.iter().filter_map(|(_, item)| item.place(&outputs));
            places.any(|(other, _)| other == file)
        };
        let files = [File::Compositor, File::Shell].into_iter();
        let broken = files.filter(|file| shown(*file));
        broken
            .filter_map(|file| self.file_problem(file))
            .map(|why| tr!("settings-broken", why = visible(why)))
            .collect()
    }

    fn row(
        &self,
        at: usize,
        item: Item,
        of: Option<String>,
        palette: &Palette,
    ) -> Element<'_, Message> {
        let output = self.output_of(item);
        let title = item.title(output.map_or("", |output| output.name.as_str()));
        let mut head = row![widgets::label(title, TEXT, palette.text).font(fonts::UI_MEDIUM)]
            .spacing(SMALL)
            .align_y(Alignment::Center);
        if let Some(page) = of {
            head = head.push(widgets::label(page, TEXT_SMALL, palette.text_dim));
        }
        let about = match (item, output) {
            (Item::Scale(_), Some(output)) => mode(output),
            (Item::NightFrom | Item::NightTo, _) if self.by_the_sun() => tr!("set-night-sun"),
            (Item::Accent, _) if self.accent_note.is_empty() => self.chosen_title(item),
            (Item::Accent, _) => visible(&self.accent_note),
            _ => item.about(),
        };
        let (about, ink) = match self.problems.get(&item) {
            Some(why) => (tr!("settings-not-kept", why = visible(why)), palette.bad),
            None => (about, palette.text_dim),
        };
        let mut words = column![head].spacing(TIGHT / 2.0).width(Length::Fill);
        if !about.is_empty() {
            let about = widgets::shortened(&about, LONGEST);
            words = words.push(widgets::label(about, TEXT_SMALL, ink));
        }
        let content = row![words, self.control(item, palette)]
            .spacing(WIDE)
            .align_y(Alignment::Center)
            .padding(Padding::from([0.0, WIDE]))
            .height(ROW);
        let ground = match self.selected == Some(at) {
            true => palette.hover,
            false => Color::TRANSPARENT,
        };
        container(content)
            .width(Length::Fill)
            .clip(true)
            .style(move |_| container::Style {
                background: Some(Background::Color(ground)),
                border: widgets::rounded(ROUND),
                ..container::Style::default()
            })
            .into()
    }

    fn control(&self, item: Item, palette: &Palette) -> Element<'_, Message> {
        let can = self.can_change(item);
        match item.kind() {
            Kind::Switch(_) => switch(self.is_on(item), can.then_some(item), palette),
            Kind::Number(values, _, unit) => {
                let value = self.number(item);
                let ends = (
                    can && values.first().is_some_and(|least| value > *least),
                    can && values.last().is_some_and(|most| value < *most),
                );
                steps(item, unit.words(value), ends, palette)
            }
            Kind::Time(_) => steps(item, self.time(item), (can, can), palette),
            Kind::Pick if item == Item::Accent => self.swatches(can, palette),
            Kind::Pick => self.pick_control(item, can, palette),
            Kind::Button => {
                let label = widgets::label(tr!("settings-open"), TEXT, palette.text);
                widgets::press(label.font(fonts::UI_MEDIUM), Button::Raised, palette)
                    .on_press(Message::Activate(item))
                    .into()
            }
            Kind::Told => container(
                widgets::label(visible(&self.told(item)), TEXT, palette.text)
                    .align_x(Alignment::End)
                    .wrapping(iced_core::text::Wrapping::WordOrGlyph),
            )
            .width(WORDS + WIDE * 4.0)
            .align_right(Length::Shrink)
            .into(),
        }
    }

    fn pick_control(&self, item: Item, can: bool, palette: &Palette) -> Element<'_, Message> {
        let choices = self.choices(item);
        let chosen = self.chosen(item, &choices);
        let short = choices
            .iter()
            .map(|choice| choice.title.chars().count())
            .sum::<usize>()
            < 34;
        if choices.len() <= FEW && short {
            let chips = choices.into_iter().enumerate().map(|(at, choice)| {
                let (kind, ink) = match chosen == Some(at) {
                    true => (Button::Primary, palette.accent_text),
                    false => (Button::Raised, palette.text),
                };
                widgets::press(widgets::label(choice.title, TEXT - 1.0, ink), kind, palette)
                    .padding(Padding::from([TIGHT + 2.0, GAP]))
                    .on_press_maybe(can.then_some(Message::Pick(item, at)))
                    .into()
            });
            return row(chips.collect::<Vec<_>>()).spacing(TIGHT + 2.0).into();
        }
        let title = match (item, chosen) {
            // With the mode that this is there is no room for it.
            (Item::Mode(_), Some(0)) => tr!("set-mode-own"),
            _ => self.chosen_title(item),
        };
        let content = row![
            widgets::line(title, TEXT, palette.text, fonts::UI),
            widgets::icon(Icon::Forward, 14.0, palette.text_dim),
        ]
        .spacing(SMALL)
        .align_y(Alignment::Center);
        widgets::press(content, Button::Raised, palette)
            .width(WORDS)
            .on_press_maybe(can.then_some(Message::Activate(item)))
            .into()
    }

    /// What an item is, for people.
    fn chosen_title(&self, item: Item) -> String {
        let choices = self.choices(item);
        let chosen = self.chosen(item, &choices);
        chosen.map_or_else(
            || self.word(item).into_owned(),
            |at| choices[at].title.clone(),
        )
    }

    /// The accents as colours to press.
    fn swatches(&self, can: bool, palette: &Palette) -> Element<'_, Message> {
        let choices = self.choices(Item::Accent);
        let chosen = self.chosen(Item::Accent, &choices);
        let ground =
            match contrast(palette.card, Color::WHITE) > contrast(palette.card, Color::BLACK) {
                true => Appearance::Dark,
                false => Appearance::Light,
            };
        let one = |(at, choice): (usize, Choice)| {
            let colour = parse_color(accent_colour(&choice.name, ground));
            let content: Element<'_, Message> = match colour {
                Some(colour) => widgets::dot(SWATCH, colour),
                None => widgets::label(choice.title, TEXT - 1.0, palette.text).into(),
            };
            let (colors, here) = (*palette, chosen == Some(at));
            widgets::press(content, Button::Plain, palette)
                .padding(Padding::from(if colour.is_some() {
                    [4.0, 4.0]
                } else {
                    [TIGHT, SMALL]
                }))
                .style(move |_, status| widgets::choice_style(Button::Plain, status, here, &colors))
                .on_press_maybe(can.then_some(Message::Pick(Item::Accent, at)))
                .into()
        };
        let swatches: Vec<Element<'_, Message>> =
            choices.into_iter().enumerate().map(one).collect();
        row(swatches).align_y(Alignment::Center).into()
    }

    fn picker(&self, item: Item, selected: usize, palette: &Palette) -> Element<'_, Message> {
        let all = self.choices(item);
        let chosen = self.chosen(item, &all);
        let found = self.found_choices(item);
        let screen = self
            .output_of(item)
            .map_or("", |output| output.name.as_str());
        let back =
            widgets::icon_button(Icon::Back, 18.0, palette.text, palette).on_press(Message::Back);
        let heading = row![
            back,
            widgets::label(item.title(screen), TEXT + 3.0, palette.text).font(fonts::UI_STRONG)
        ]
        .spacing(SMALL)
        .align_y(Alignment::Center)
        .padding(Padding::from([TIGHT, WIDE]));
        let mut rows: Column<'_, Message, _, Renderer> = column![];
        if found.is_empty() {
            let words = widgets::label(tr!("settings-nothing-found"), TEXT, palette.text_dim);
            rows = rows.push(container(words).center_x(Length::Fill).padding(WIDE * 2.0));
        }
        for (row_at, (at, choice)) in found.into_iter().enumerate() {
            let kind = match row_at == selected {
                true => Button::Chosen,
                false => Button::Plain,
            };
            let mark = match chosen == Some(at) {
                true => palette.accent,
                false => Color::TRANSPARENT,
            };
            let content = row![
                widgets::dot(8.0, mark),
                widgets::line(choice.title, TEXT, palette.text, fonts::UI),
                widgets::label(choice.name, TEXT_SMALL, palette.text_dim).font(fonts::MONO),
            ]
            .spacing(GAP)
            .height(Length::Fill)
            .align_y(Alignment::Center);
            let button = widgets::press(content, kind, palette)
                .width(Length::Fill)
                .height(CHOICE)
                .padding(Padding::from([0.0, WIDE]))
                .on_press(Message::Pick(item, at));
            rows = rows.push(button);
        }
        column![heading, widgets::list(rows, LIST, palette)].into()
    }

    fn keys(&self, palette: &Palette) -> Element<'_, Message> {
        if self.trial.as_ref().is_some_and(Trial::asks) {
            return row![
                widgets::hint("←→", tr!("does-choose"), palette),
                widgets::hint(tr!("key-enter"), tr!("does-press"), palette),
                widgets::hint(tr!("key-escape"), tr!("does-take-back"), palette),
            ]
            .spacing(WIDE)
            .align_y(Alignment::Center)
            .into();
        }
        let mut keys = row![widgets::hint("↑↓", tr!("does-choose"), palette)];
        if self.picking.is_none() {
            keys = keys
                .push(widgets::hint("←→", tr!("does-change"), palette))
                .push(widgets::hint(tr!("key-enter"), tr!("does-press"), palette))
                .push(widgets::hint(
                    tr!("key-tab"),
                    tr!("does-other-page"),
                    palette,
                ));
        } else {
            keys = keys.push(widgets::hint(tr!("key-enter"), tr!("does-choose"), palette));
        }
        let leaves = self.picking.is_some() || !self.query.is_empty();
        let does = match leaves {
            true => tr!("does-back"),
            false => tr!("does-close"),
        };
        keys.push(widgets::hint(tr!("key-escape"), does, palette))
            .spacing(WIDE)
            .align_y(Alignment::Center)
            .into()
    }
}

/// Mode and direction of a screen.
fn mode(output: &argos_bus::compositor::Output) -> String {
    let mode = mode_title(output.width, output.height, output.refresh);
    match output.transform.as_str() {
        "normal" => mode,
        turned => tr!(
            "set-output-turned",
            mode = mode,
            turned = turn_title(turned)
        ),
    }
}

/// A mode for people: pixels, and frames in 1000 seconds.
pub(super) fn mode_title(width: u32, height: u32, refresh: u32) -> String {
    let hertz = crate::l10n::number((f64::from(refresh) / 100.0).round() / 10.0);
    let (width, height) = (width.to_string(), height.to_string());
    tr!(
        "set-output-mode",
        width = width,
        height = height,
        hertz = hertz
    )
}

fn divider_down<'a>(palette: &Palette) -> Element<'a, Message> {
    widgets::raised(space().width(1).height(Length::Fill), palette.line, 0.0).into()
}

/// Something that is wrong with all that stands below it.
fn banner<'a>(words: String, palette: &Palette) -> Element<'a, Message> {
    let content = row![
        widgets::icon(Icon::Alert, 18.0, palette.bad),
        widgets::label(words, TEXT - 1.0, palette.text).width(Length::Fill),
    ]
    .spacing(GAP)
    .align_y(Alignment::Center);
    container(
        widgets::raised(content, palette.raised, ROUND)
            .padding(Padding::from([GAP, WIDE]))
            .width(Length::Fill),
    )
    .padding(Padding {
        bottom: SMALL,
        ..Padding::ZERO
    })
    .into()
}

/// On and off; `item` is what it switches, if that can be.
fn switch<'a>(on: bool, item: Option<Item>, palette: &Palette) -> Element<'a, Message> {
    let palette = *palette;
    toggler(on)
        .size(22)
        .on_toggle_maybe(item.map(|item| move |_| Message::Activate(item)))
        .style(move |_, _| {
            let faint = |color: Color| match item {
                Some(_) => color,
                None => color.scale_alpha(0.45),
            };
            let (ground, knob, edge) = match on {
                true => (palette.accent, palette.accent_text, palette.accent),
                false => (palette.raised, palette.text_dim, palette.text_dim),
            };
            toggler::Style {
                background: Background::Color(faint(ground)),
                background_border_width: 1.0,
                background_border_color: faint(edge),
                foreground: Background::Color(faint(knob)),
                foreground_border_width: 0.0,
                foreground_border_color: Color::TRANSPARENT,
                text_color: None,
                border_radius: None,
                padding_ratio: 0.15,
            }
        })
        .into()
}

/// A value between − and +; `ends`: whether there is less and more.
fn steps<'a>(
    item: Item,
    value: String,
    ends: (bool, bool),
    palette: &Palette,
) -> Element<'a, Message> {
    let button = |sign, by, can: bool| {
        let ink = if can { palette.text } else { palette.text_dim };
        let label = widgets::label(sign, TEXT + 1.0, ink).font(fonts::UI_STRONG);
        widgets::press(
            container(label).center(Length::Fill),
            Button::Raised,
            palette,
        )
        .width(32)
        .height(30)
        .padding(0)
        .on_press_maybe(can.then_some(Message::Adjust(item, by)))
    };
    let value = widgets::label(value, TEXT, palette.text);
    row![
        button("−", -1, ends.0),
        container(value).center_x(VALUE),
        button("+", 1, ends.1),
    ]
    .align_y(Alignment::Center)
    .into()
}
