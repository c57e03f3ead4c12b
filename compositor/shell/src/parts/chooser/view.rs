//! How the file dialog looks.

use iced_core::alignment::Horizontal;
use iced_core::border::Radius;
use iced_core::text::Wrapping;
use iced_core::{Alignment, Border, Color, Length, Padding, Size};
use iced_widget::{
    Button, Column, button, column, container, mouse_area, opaque, row, scrollable, space, stack,
    text,
};
use jiff::Zoned;

use super::{
    Chooser, Column as By, Entry, FOLDER, Field, LIST, LOCATION, MOST_CHOICES, Message, Mode, NAME,
    Popup, ROW, State, Stop, types,
};
use crate::fonts;
use crate::host::Element;
use crate::icons::Icon;
use crate::l10n;
use crate::parts::dialog::{self, fit, ring};
use crate::theme::{GAP, Palette, ROUND, SMALL, TEXT, TEXT_SMALL, TIGHT, WIDE};
use crate::tr;
use crate::visible::visible;
use crate::widgets::{self, Kind};

const PLACES: f32 = 168.0;
const SIZES: f32 = 84.0;
const TIMES: f32 = 132.0;
/// A window that is narrower has no column of times.
const NARROW: f32 = 680.0;
/// A label of a program's, in characters.
const LONGEST: usize = 60;

impl Chooser {
    /// The dialog's widgets, for a window of this size. `now` is the time by the wall's clock.
    pub fn view(&self, size: Size, now: &Zoned, palette: &Palette) -> Element<'_, Message> {
        let mut all = column![self.top(size, palette)];
        if self.saves() {
            all = all.push(self.name_row(palette));
        }
        if let Mode::SaveAll(names) = &self.request.mode {
            let says = tr!("chooser-saves", count = names.len());
            let says = widgets::label(says, TEXT_SMALL, palette.text_dim);
            all = all.push(container(says).padding(Padding::from([0.0, WIDE]).bottom(GAP)));
        }
        all = all.push(widgets::divider(palette)).push(
            row![
                self.place_list(palette),
                vertical(palette),
                self.files(size, now, palette)
            ]
            .height(Length::Fill),
        );
        all = all.push(widgets::divider(palette));
        if !self.problem.is_empty() {
            all = all.push(
                container(dialog::problem(&self.problem, palette))
                    .padding(Padding::from([GAP, WIDE]).bottom(0.0)),
            );
        }
        let all = dialog::ground(all.push(self.foot(size, palette)), palette);
        let all = mouse_area(all).on_press(Message::Aside);
        match &self.popup {
            None => all.into(),
            Some(popup) => {
                let popup = match popup {
                    Popup::Options(which, at) => self.options_popup(*which, *at, size, palette),
                    Popup::Folder(name, problem) => folder_popup(name, problem, palette),
                    Popup::Replace(path, yes) => replace_popup(path, *yes, palette),
                };
                stack![all, opaque(popup)].into()
            }
        }
    }

    fn top(&self, size: Size, palette: &Palette) -> Element<'_, Message> {
        let tool = |icon, on: Option<Message>| {
            let color = if on.is_some() {
                palette.text
            } else {
                palette.text_dim.scale_alpha(0.5)
            };
            widgets::icon_button(icon, 18.0, color, palette).on_press_maybe(on)
        };
        let back = (!self.back.is_empty()).then_some(Message::Back);
        let forward = (!self.forward.is_empty()).then_some(Message::Forward);
        let up = self.folder.parent().is_some().then_some(Message::Up);
        let mut tools = row![].spacing(TIGHT).align_y(Alignment::Center);
        if self.makes_folders() {
            let new = tool(Icon::FolderNew, Some(Message::NewFolder));
            tools = tools.push(ring(new, self.on(Stop::NewFolder), palette));
        }
        let eye = if self.hidden {
            palette.accent
        } else {
            palette.text_dim
        };
        let eye = widgets::icon_button(Icon::Eye, 18.0, eye, palette).on_press(Message::Hidden);
        tools = tools.push(ring(eye, self.on(Stop::Hidden), palette));
        row![
            row![
                tool(Icon::Back, back),
                tool(Icon::Forward, forward),
                tool(Icon::Up, up)
            ]
            .spacing(TIGHT / 2.0),
            container(self.path_bar(size, palette)).width(Length::Fill),
            tools,
        ]
        .spacing(SMALL)
        .padding(Padding::from([SMALL, GAP]))
        .align_y(Alignment::Center)
        .height(52)
        .into()
    }

    fn on(&self, stop: Stop) -> bool {
        self.popup.is_none() && self.location.is_none() && self.stop == stop
    }

    /// The folders around this one, each to be gone to; or the path as it is typed.
    fn path_bar(&self, size: Size, palette: &Palette) -> Element<'_, Message> {
        if let Some(text) = &self.location {
            let typed = |text| Message::Typed(Field::Location, text);
            return dialog::field(LOCATION, &tr!("chooser-path"), text, true, palette, typed);
        }
        let home = super::places::home();
        let mut crumbs: Vec<(String, std::path::PathBuf, Option<Icon>)> = Vec::new();
        for folder in self.folder.ancestors() {
            if home.as_deref() == Some(folder) {
                crumbs.push((tr!("place-home"), folder.to_owned(), Some(Icon::Home)));
                break;
            }
            match folder.file_name() {
                Some(name) => {
                    let name = visible(&name.to_string_lossy());
                    crumbs.push((fit(&name, 180.0, TEXT), folder.to_owned(), None));
                }
                None => {
                    crumbs.push((tr!("place-computer"), folder.to_owned(), Some(Icon::Disk)));
                }
            }
        }
        // From the end: as many as there is room for, and the folder itself in any case.
        let mut room = size.width - 330.0;
        let width = |crumb: &(String, _, Option<Icon>)| {
            let icon = if crumb.2.is_some() { 24.0 } else { 0.0 };
            dialog::text_width(&crumb.0, TEXT) + icon + 34.0
        };
        let mut count = 0;
        for crumb in &crumbs {
            room -= width(crumb);
            if room < 0.0 && count > 0 {
                break;
            }
            count += 1;
        }
        let cut = count < crumbs.len();
        let mut bar = row![].align_y(Alignment::Center);
        if cut {
            let (_, path, _) = &crumbs[count];
            let more = widgets::press(
                widgets::label("…", TEXT, palette.text_dim),
                Kind::Plain,
                palette,
            );
            bar = bar.push(
                more.padding(Padding::from([6.0, SMALL]))
                    .on_press(Message::Go(path.clone())),
            );
        }
        let shown = crumbs.into_iter().take(count).rev();
        for (at, (name, path, icon)) in shown.enumerate() {
            if at > 0 || cut {
                bar = bar.push(widgets::icon(Icon::Forward, 13.0, palette.text_dim));
            }
            let last = at + 1 == count;
            let ink = if last { palette.text } else { palette.text_dim };
            let font = if last { fonts::UI_STRONG } else { fonts::UI };
            let mut inside = row![].spacing(6).align_y(Alignment::Center);
            if let Some(icon) = icon {
                inside = inside.push(widgets::icon(icon, 16.0, ink));
            }
            let name = widgets::label(name, TEXT, ink)
                .font(font)
                .wrapping(Wrapping::None);
            bar = bar.push(
                widgets::press(inside.push(name), Kind::Plain, palette)
                    .padding(Padding::from([6.0, SMALL]))
                    .on_press(Message::Go(path)),
            );
        }
        // The room beside it is for who wants to type.
        let rest =
            mouse_area(space().width(Length::Fill).height(32)).on_press(Message::EditLocation);
        container(bar.push(rest))
            .width(Length::Fill)
            .clip(true)
            .into()
    }

    fn name_row(&self, palette: &Palette) -> Element<'_, Message> {
        let label = widgets::label(tr!("chooser-name"), TEXT, palette.text_dim);
        let on = self.on(Stop::Name);
        let typed = |text| Message::Typed(Field::Name, text);
        let field: Element<'_, Message> = if on {
            let empty = tr!("chooser-name-of-file");
            dialog::field(NAME, &empty, &self.name, true, palette, typed)
        } else {
            let says = if self.name.is_empty() {
                (tr!("chooser-name-of-file"), palette.text_dim)
            } else {
                (self.name.clone(), palette.text)
            };
            dialog::field_off(says, palette, Message::EditName)
        };
        row![label, field]
            .spacing(GAP)
            .padding(Padding::from([0.0, WIDE]).bottom(GAP))
            .align_y(Alignment::Center)
            .into()
    }

    fn place_list(&self, palette: &Palette) -> Element<'_, Message> {
        let on = self.on(Stop::Places);
        let rows = self.places.iter().enumerate().map(|(at, place)| {
            let here = place.path == self.folder;
            let ink = if here {
                palette.accent
            } else {
                palette.text_dim
            };
            let name = fit(&place.name, PLACES - 66.0, TEXT);
            let name = widgets::label(name, TEXT, palette.text).wrapping(Wrapping::None);
            let inside = row![widgets::icon(place.icon, 17.0, ink), name]
                .spacing(SMALL + 2.0)
                .align_y(Alignment::Center);
            let kind = if here { Kind::Chosen } else { Kind::Plain };
            line_button(inside, kind, on && self.place == at, palette)
                .on_press(Message::Place(at))
                .into()
        });
        let rows = Column::with_children(rows).spacing(2).padding(SMALL);
        scrollable(rows)
            .width(PLACES)
            .height(Length::Fill)
            .direction(scrollable::Direction::Vertical(scrollbar()))
            .style(widgets::scroll_style(palette))
            .into()
    }

    fn files(&self, size: Size, now: &Zoned, palette: &Palette) -> Element<'_, Message> {
        let times = size.width >= NARROW;
        // What is beside names: places, the scroll bar, paddings, the other columns.
        let beside = PLACES + 66.0 + SIZES + if times { TIMES } else { 0.0 };
        let names = (size.width - beside).max(60.0);
        // Name, heads, bars above and below; a little more does not matter.
        self.height
            .set((size.height - 150.0 - if self.saves() { 46.0 } else { 0.0 }).max(ROW));
        let list: Element<'_, Message> = match &self.state {
            State::Failed(why) => {
                self.instead(Icon::Alert, palette.warn, why.clone(), true, palette)
            }
            State::Reading if self.shown.is_empty() => {
                let says = tr!("chooser-reading");
                self.instead(Icon::Folder, palette.text_dim, says, false, palette)
            }
            _ if self.shown.is_empty() => {
                let all_hidden = !self.listing.entries.is_empty();
                let says = match (all_hidden, self.folders()) {
                    (true, true) => tr!("chooser-no-folders"),
                    (true, false) if self.filter().is_some() => tr!("chooser-none-of-kind"),
                    (true, false) => tr!("chooser-only-hidden"),
                    (false, _) => tr!("chooser-empty"),
                };
                self.instead(Icon::Folder, palette.text_dim, says, false, palette)
            }
            _ => self.rows(size, names, times, now, palette),
        };
        column![self.heads(names, times, palette), list]
            .width(Length::Fill)
            .into()
    }

    fn heads(&self, names: f32, times: bool, palette: &Palette) -> Element<'_, Message> {
        let (by, downwards) = self.sort;
        let head = |column: By, says: String, width: f32, right: bool| {
            let ink = if by == column {
                palette.text
            } else {
                palette.text_dim
            };
            let mut inside = row![
                widgets::label(says, TEXT_SMALL, ink)
                    .font(fonts::UI_MEDIUM)
                    .wrapping(Wrapping::None)
            ]
            .spacing(TIGHT)
            .align_y(Alignment::Center);
            if by == column {
                let arrow = if downwards { Icon::Down } else { Icon::Up };
                inside = inside.push(widgets::icon(arrow, 12.0, ink));
            }
            let side = if right {
                Horizontal::Right
            } else {
                Horizontal::Left
            };
            let inside = container(inside).width(Length::Fill).align_x(side);
            line_button(
                inside,
                Kind::Plain,
                by == column && self.on(Stop::Columns),
                palette,
            )
            .width(width)
            .height(26)
            .padding(Padding::from([TIGHT, SMALL]))
            .on_press(Message::Sort(column))
        };
        let width = names + 18.0 + 4.0 * SMALL;
        let mut heads = row![head(By::Name, tr!("chooser-name"), width, false)];
        heads = heads.push(head(By::Size, tr!("chooser-size"), SIZES, true));
        if times {
            let says = tr!("chooser-modified");
            heads = heads.push(head(By::Modified, says, TIMES + SMALL, true));
        }
        container(heads)
            .padding(Padding::from([TIGHT, SMALL]))
            .into()
    }

    /// What stands where the list would be.
    fn instead<'a>(
        &'a self,
        icon: Icon,
        ink: Color,
        says: String,
        failed: bool,
        palette: &Palette,
    ) -> Element<'a, Message> {
        let says = widgets::label(says, TEXT, palette.text_dim)
            .wrapping(Wrapping::WordOrGlyph)
            .align_x(Horizontal::Center);
        let mut inside = column![
            widgets::icon(icon, 34.0, ink),
            container(says).max_width(360)
        ]
        .spacing(GAP)
        .align_x(Alignment::Center);
        if failed {
            let again = widgets::press(
                widgets::label(tr!("chooser-try-again"), TEXT_SMALL, palette.text),
                Kind::Raised,
                palette,
            );
            inside = inside.push(again.on_press(Message::Reload));
        }
        container(inside).center(Length::Fill).into()
    }

    /// The rows that are seen, with room for the others above and below.
    fn rows(
        &self,
        size: Size,
        names: f32,
        times: bool,
        now: &Zoned,
        palette: &Palette,
    ) -> Element<'_, Message> {
        let count = self.shown.len();
        let first = ((self.offset / ROW) as usize).min(count.saturating_sub(1));
        let seen = (size.height / ROW) as usize + 2;
        let last = (first + seen).min(count);
        let on = self.on(Stop::List);
        let rows = (first..last).filter_map(|at| {
            let entry = self.entry(at)?;
            let chosen = self.selected.contains(&self.shown[at]);
            let row = file_row(entry, names, times, now, palette);
            let kind = if chosen { Kind::Chosen } else { Kind::Plain };
            let button = line_button(row, kind, on && self.row == Some(at), palette)
                .height(ROW)
                .on_press(Message::Click(at));
            Some(Element::from(button))
        });
        let above = space().height(first as f32 * ROW);
        let below = space().height((count - last) as f32 * ROW);
        let mut all = column![above, Column::with_children(rows), below];
        if self.listing.left_out > 0 {
            let says = tr!("chooser-left-out", count = self.listing.left_out);
            all =
                all.push(container(widgets::label(says, TEXT_SMALL, palette.warn)).padding(SMALL));
        }
        let list = scrollable(all.padding(Padding::from([0.0, SMALL])))
            .id(LIST)
            .width(Length::Fill)
            .height(Length::Fill)
            .on_scroll(|view| Message::Scrolled(view.absolute_offset().y))
            .style(widgets::scroll_style(palette));
        // A bar's own handle is as long as the part of the list that is seen, however little that is.
        let (height, whole) = (self.height.get(), count as f32 * ROW);
        let short = height * height / whole < f32::from(widgets::LEAST_HANDLE);
        let (own, handle) = if short {
            let farthest = (whole - height).max(1.0);
            let to = Message::ScrollTo;
            let handle = widgets::scroll_handle(self.offset, farthest, to, palette);
            (scrollable::Scrollbar::hidden(), handle)
        } else {
            (scrollbar(), space().width(6).into())
        };
        let list = list.direction(scrollable::Direction::Vertical(own));
        // Both ways the list is at the same place among the widgets, and stays where it is scrolled to.
        stack![list, container(handle).align_right(Length::Fill).padding(1)].into()
    }

    fn foot(&self, size: Size, palette: &Palette) -> Element<'_, Message> {
        let mut left = row![].spacing(SMALL).align_y(Alignment::Center);
        if self.request.filters.len() > 1 {
            let label = self.filter().map_or("", |filter| &filter.label);
            let button = drop_down(label, 190.0, palette).on_press(Message::Open(None));
            left = left.push(ring(button, self.on(Stop::Filter), palette));
        }
        for (at, choice) in self.request.choices.iter().take(MOST_CHOICES).enumerate() {
            let shown: Element<'_, Message> = if choice.is_switch() {
                let on = choice.chosen == "true";
                dialog::switch(&short(&choice.label), on, palette)
                    .on_press(Message::Switch(at))
                    .into()
            } else {
                let label = fit(&short(&choice.label), 140.0, TEXT_SMALL);
                row![
                    widgets::label(label, TEXT_SMALL, palette.text_dim),
                    drop_down(choice.chosen_label(), 150.0, palette)
                        .on_press(Message::Open(Some(at)))
                ]
                .spacing(SMALL)
                .align_y(Alignment::Center)
                .into()
            };
            left = left.push(ring(shown, self.on(Stop::Choice(at)), palette));
        }
        let accept = match (&self.request.accept, &self.request.mode) {
            (Some(label), _) => fit(&short(label), 200.0, TEXT),
            (None, Mode::Save) => tr!("save"),
            (None, Mode::SaveAll(_)) => tr!("chooser-save-here"),
            (None, Mode::Open { folders: true, .. }) => tr!("chooser-choose-folder"),
            (None, Mode::Open { .. }) => tr!("open"),
        };
        let can = self.can_accept();
        let buttons = row![
            ring(
                dialog::big_button(tr!("cancel"), Kind::Raised, palette).on_press(Message::Cancel),
                self.on(Stop::Cancel),
                palette
            ),
            ring(
                dialog::big_button(accept, Kind::Primary, palette)
                    .on_press_maybe(can.then_some(Message::Accept)),
                self.on(Stop::Accept),
                palette
            ),
        ]
        .spacing(TIGHT);
        // Much that the program asks goes to a line of its own.
        let crowded = self.request.choices.len() > 1 || size.width < NARROW;
        let foot: Element<'_, Message> = if crowded {
            column![
                left.wrap().vertical_spacing(TIGHT),
                row![
                    container(self.count(palette)).padding(Padding::from([0.0, dialog::RING])),
                    space().width(Length::Fill),
                    buttons
                ]
                .align_y(Alignment::Center)
            ]
            .spacing(SMALL)
            .into()
        } else {
            row![
                left,
                self.count(palette),
                space().width(Length::Fill),
                buttons
            ]
            .spacing(GAP)
            .align_y(Alignment::Center)
            .into()
        };
        container(foot)
            .padding(Padding::from([SMALL + 2.0, GAP]))
            .into()
    }

    /// How many are chosen, where that can be several.
    fn count(&self, palette: &Palette) -> Element<'_, Message> {
        let says = match self.selected.len() {
            count if count > 1 => tr!("chooser-chosen", count = count),
            _ => String::new(),
        };
        widgets::label(says, TEXT_SMALL, palette.text_dim)
            .wrapping(Wrapping::None)
            .into()
    }

    fn options_popup(
        &self,
        which: Option<usize>,
        on: usize,
        size: Size,
        palette: &Palette,
    ) -> Element<'_, Message> {
        let (labels, chosen): (Vec<&str>, usize) = match which {
            None => {
                let labels = self.request.filters.iter().map(|f| f.label.as_str());
                (labels.collect(), self.request.filter)
            }
            Some(choice) => {
                let choice = &self.request.choices[choice];
                let labels = choice.options.iter().map(|(_, label)| label.as_str());
                let chosen = |(id, _): &(String, String)| *id == choice.chosen;
                let chosen = choice.options.iter().position(chosen);
                (labels.collect(), chosen.unwrap_or(0))
            }
        };
        let room = (size.height - 120.0).max(ROW);
        // Around the one the keyboard is on, as many as there is room for.
        let most = ((room / 34.0) as usize).max(1);
        let first = on
            .saturating_sub(most / 2)
            .min(labels.len().saturating_sub(most));
        let rows = labels.iter().enumerate().skip(first).take(most);
        let rows = rows.map(|(at, label)| {
            let mark: Element<'_, Message> = if at == chosen {
                widgets::icon(Icon::Check, 15.0, palette.accent).into()
            } else {
                space().width(15).into()
            };
            let label = fit(&short(label), 300.0, TEXT);
            let label = widgets::label(label, TEXT, palette.text).wrapping(Wrapping::None);
            let inside = row![mark, label].spacing(SMALL).align_y(Alignment::Center);
            let kind = if at == on { Kind::Chosen } else { Kind::Plain };
            line_button(inside, kind, at == on, palette)
                .height(34)
                .on_press(Message::Pick(at))
                .into()
        });
        let mut rows = Column::with_children(rows).padding(TIGHT);
        if labels.len() > most {
            let says = tr!("chooser-options", shown = most, count = labels.len());
            rows = rows
                .push(container(widgets::label(says, TEXT_SMALL, palette.text_dim)).padding(SMALL));
        }
        let card = widgets::card(rows, palette).width(Length::Fixed(360.0));
        // Beside the button that opened it, above the foot.
        let place = container(card)
            .width(Length::Fill)
            .height(Length::Fill)
            .align_bottom(Length::Fill)
            .padding(Padding::from([0.0, 0.0]).bottom(42.0));
        mouse_area(place).on_press(Message::Aside).into()
    }
}

fn short(text: &str) -> String {
    visible(&widgets::shortened(text, LONGEST))
}

fn vertical<'a, M: 'a>(palette: &Palette) -> Element<'a, M> {
    widgets::raised(space().width(1).height(Length::Fill), palette.line, 0.0).into()
}

fn scrollbar() -> scrollable::Scrollbar {
    // Beside the rows, which leave as much room.
    scrollable::Scrollbar::new()
        .width(6)
        .scroller_width(6)
        .margin(1)
}

/// A row that can be pressed, with an edge where the keyboard is.
fn line_button<'a>(
    inside: impl Into<Element<'a, Message>>,
    kind: Kind,
    keyboard: bool,
    palette: &Palette,
) -> Button<'a, Message, iced_core::Theme, crate::host::Renderer> {
    let palette = *palette;
    button(container(inside).center_y(Length::Fill))
        .width(Length::Fill)
        .height(34)
        .padding(Padding::from([0.0, SMALL]))
        .style(move |_, status| {
            let mut style = widgets::button_style(kind, status, &palette, ROUND - 2.0);
            if keyboard {
                style.border = Border {
                    color: palette.accent,
                    width: 1.5,
                    radius: Radius::new(ROUND - 2.0),
                };
            }
            style
        })
}

fn file_row<'a>(
    entry: &'a Entry,
    names: f32,
    times: bool,
    now: &Zoned,
    palette: &Palette,
) -> Element<'a, Message> {
    let (icon, ink) = if entry.folder {
        (Icon::Folder, palette.accent)
    } else {
        let icon = match types::known().group(&entry.shown) {
            "image" => Icon::Picture,
            "audio" => Icon::Sound,
            "video" => Icon::Play,
            _ => Icon::File,
        };
        (icon, palette.text_dim)
    };
    let cell = |says: String, width: f32| {
        let says = widgets::label(says, TEXT_SMALL, palette.text_dim).wrapping(Wrapping::None);
        container(says).width(width).align_x(Horizontal::Right)
    };
    let name =
        widgets::label(fit(&entry.shown, names, TEXT), TEXT, palette.text).wrapping(Wrapping::None);
    let mut row = row![
        widgets::icon(icon, 18.0, ink),
        container(name).width(names).clip(true),
        cell(entry.size.map_or_else(String::new, bytes), SIZES),
    ]
    .spacing(SMALL)
    .align_y(Alignment::Center);
    if times {
        let time = entry.modified.map(|seconds| when(seconds, now));
        row = row.push(cell(time.unwrap_or_default(), TIMES));
    }
    row.into()
}

/// A number of bytes as people say it.
fn bytes(bytes: u64) -> String {
    if bytes < 1000 {
        return tr!("size", value = bytes.to_string(), thousands = 0);
    }
    let mut value = bytes as f64 / 1000.0;
    // How many times it was divided: the unit.
    let mut thousands = 1;
    while value >= 999.5 && thousands < 6 {
        value /= 1000.0;
        thousands += 1;
    }
    let digits = usize::from(value < 9.95);
    let value = l10n::decimal(value, digits);
    tr!("size", value = value, thousands = thousands)
}

/// A time as people say it.
fn when(seconds: i64, now: &Zoned) -> String {
    let Ok(then) = jiff::Timestamp::from_second(seconds) else {
        return String::new();
    };
    let then = then.to_zoned(now.time_zone().clone());
    let days = now.date().duration_since(then.date()).as_hours() / 24;
    let time = l10n::minutes(&then);
    match days {
        0 => tr!("modified-today", time = time),
        1 => tr!("modified-yesterday", time = time),
        _ if then.year() == now.year() => {
            let date = l10n::short_date(&then);
            tr!("modified-this-year", date = date, time = time)
        }
        _ => l10n::short_date_with_year(&then),
    }
}

/// A button that opens a list of options.
fn drop_down<'a>(
    label: &str,
    width: f32,
    palette: &Palette,
) -> Button<'a, Message, iced_core::Theme, crate::host::Renderer> {
    let label = fit(&short(label), width - 46.0, TEXT_SMALL + 1.0);
    let inside = row![
        text(label)
            .size(TEXT_SMALL + 1.0)
            .font(fonts::UI)
            .wrapping(Wrapping::None),
        space().width(Length::Fill),
        widgets::icon(Icon::Down, 13.0, palette.text_dim)
    ]
    .align_y(Alignment::Center);
    widgets::press(inside, Kind::Raised, palette)
        .width(width)
        .padding(Padding::from([SMALL - 1.0, GAP]))
}

fn folder_popup<'a>(name: &'a str, problem: &'a str, palette: &Palette) -> Element<'a, Message> {
    let typed = |text| Message::Typed(Field::Folder, text);
    let mut inside = column![
        widgets::label(tr!("chooser-new-folder"), TEXT + 1.0, palette.text).font(fonts::UI_STRONG),
        dialog::field(
            FOLDER,
            &tr!("chooser-folder-name"),
            name,
            true,
            palette,
            typed
        ),
    ]
    .spacing(GAP);
    if !problem.is_empty() {
        inside = inside.push(dialog::problem(problem, palette));
    }
    let keys = row![
        widgets::hint(tr!("key-enter"), tr!("does-make"), palette),
        widgets::hint(tr!("key-escape"), tr!("does-back"), palette)
    ]
    .spacing(WIDE);
    dialog::in_front(inside.push(keys), 400.0, palette)
}

fn replace_popup<'a>(path: &std::path::Path, yes: bool, palette: &Palette) -> Element<'a, Message> {
    let name = path.file_name().unwrap_or_default();
    let name = fit(&visible(&name.to_string_lossy()), 300.0, TEXT);
    let folder = path.parent().and_then(std::path::Path::file_name);
    let folder = folder.map_or_else(|| "/".into(), |name| visible(&name.to_string_lossy()));
    let folder = fit(&folder, 250.0, TEXT);
    let says = tr!("chooser-replace-about", name = name, folder = folder);
    let inside = column![
        widgets::label(tr!("chooser-replace"), TEXT + 1.0, palette.text).font(fonts::UI_STRONG),
        widgets::label(says, TEXT, palette.text_dim).wrapping(Wrapping::WordOrGlyph),
        row![
            space().width(Length::Fill),
            ring(
                dialog::big_button(tr!("chooser-replace-no"), Kind::Raised, palette)
                    .on_press(Message::Replace(false)),
                !yes,
                palette
            ),
            ring(
                dialog::big_button(tr!("chooser-replace-yes"), Kind::Danger, palette)
                    .on_press(Message::Replace(true)),
                yes,
                palette
            ),
        ]
        .spacing(TIGHT),
    ]
    .spacing(WIDE);
    dialog::in_front(inside, 420.0, palette)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        for (size, says) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (9_949, "9.9 kB"),
            (9_960, "10 kB"),
            (999_600, "1.0 MB"),
            (4_700_000_000, "4.7 GB"),
            (u64::MAX, "18 EB"),
        ] {
            assert_eq!(bytes(size), says);
        }
    }

    #[test]
    fn sizes_and_times_are_those_of_the_language() {
        let now: Zoned = "2026-11-25T12:00:00+00:00[UTC]".parse().unwrap();
        let at = now.timestamp().as_second();
        let all = || {
            let days = |days: i64| when(at - days * 86_400, &now);
            [bytes(7), bytes(2_304_112), days(1), days(30), days(400)]
        };
        use l10n::{Language, speaking};
        assert_eq!(
            speaking(Language::German, all),
            [
                "7 B",
                "2,3 MB",
                "Gestern 12:00",
                "26. Okt. 12:00",
                "21. Okt. 2025"
            ]
        );
        assert_eq!(
            speaking(Language::French, all),
            [
                "7 o",
                "2,3 Mo",
                "Hier 12:00",
                "26 oct. 12:00",
                "21 oct. 2025"
            ]
        );
    }

    #[test]
    fn times_are_near_or_far() {
        let now: Zoned = "2026-11-25T12:00:00+00:00[UTC]".parse().unwrap();
        let at = now.timestamp().as_second();
        assert_eq!(when(at - 3600, &now), "Today 11:00");
        assert_eq!(when(at - 86_400, &now), "Yesterday 12:00");
        assert_eq!(when(at - 30 * 86_400, &now), "26 Oct 12:00");
        assert_eq!(when(0, &now), "1 Jan 1970");
        assert_eq!(when(i64::MAX, &now), "");
    }
}
