//! The launcher: type a few letters, start an application, or hand the words to an agent.

use std::collections::{HashMap, HashSet};

use argos_apps::App;
use iced_core::keyboard;
use iced_core::{Alignment, Color, Event, Length, Padding, Size};
use iced_widget::image::Handle;
use iced_widget::{column, container, row};

use crate::fonts;
use crate::host::Element;
use crate::icons::Icon;
use crate::l10n::{self, Language};
use crate::parts::list_keys::{ListKey, list_key};
use crate::parts::settings::Page;
use crate::theme::{GAP, Palette, SMALL, TEXT, TEXT_LARGE, TEXT_SMALL, TIGHT, WIDE};
use crate::tr;
use crate::widgets::{self, Kind, SHADOW};

/// Size of the surface in logical pixels, shadow included.
pub const WIDTH: u32 = 640 + 2 * SHADOW as u32;
/// As [`WIDTH`].
pub const HEIGHT: u32 = 500 + 2 * SHADOW as u32;
/// What it needs where text is large and the screen small.
pub const LEAST: Size = Size::new(520.0, 400.0);
/// The text input's name.
pub const INPUT: &str = "launcher-input";
/// The list's name.
pub const LIST: &str = "launcher-list";

/// Id of the settings among the applications; a page's is this, a colon and its name.
const SETTINGS: &str = "argos-settings";

const ROW: f32 = 52.0;
/// About as many characters of [`TEXT_SMALL`] fit into a row.
const ABOUT_CHARACTERS: usize = 88;
const ROWS_HEIGHT: f32 = 7.0 * ROW;

/// What the launcher holds.
#[derive(Debug, Default)]
pub struct Launcher {
    apps: Vec<App>,
    icons: HashMap<String, Handle>,
    query: String,
    /// Indices into `apps`, best first.
    found: Vec<usize>,
    /// Index into `found`; past its end: the row that asks the agent.
    selected: usize,
}

/// What a person does in it.
#[derive(Debug, Clone)]
pub enum Message {
    /// The words changed.
    Typed(String),
    /// Choose the row below or above.
    Move(isize),
    /// Do what the chosen row says.
    Activate,
    /// Do what this row says.
    Pick(usize),
    /// Away with it.
    Close,
}

/// What follows from it.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing beyond the launcher.
    None,
    /// The list is to be scrolled to this many pixels from its top.
    Scroll(f32),
    /// Start this application.
    Launch(Box<App>),
    /// Show this page of the settings.
    Settings(Page),
    /// Ask the agent this.
    Ask(String),
    /// Close it.
    Close,
}

impl Launcher {
    /// What is installed. The settings and their pages are found beside it.
    pub fn set_apps(&mut self, apps: Vec<App>) {
        self.apps = apps;
        self.apps.extend(settings());
        self.search();
    }

    /// Which icons are there.
    pub fn icon_names(&self) -> HashSet<String> {
        self.icons.keys().cloned().collect()
    }

    /// An application's icon is there.
    pub fn set_icon(&mut self, name: String, handle: Handle) {
        self.icons.insert(name, handle);
    }

    /// Begins anew.
    pub fn open(&mut self) {
        self.query.clear();
        self.search();
    }

    fn search(&mut self) {
        let found = argos_apps::search(&self.apps, &self.query);
        // Pages only come when somebody looks for them.
        let page = |app: &&App| page(app).is_some() && app.id != SETTINGS;
        let asked = self.can_ask();
        let found = found.into_iter().filter(|app| asked || !page(app));
        // Positions rather than references, which could not be kept beside what they refer to.
        self.found = found
            .filter_map(|app| self.apps.iter().position(|other| std::ptr::eq(other, app)))
            .collect();
        self.selected = 0;
    }

    fn can_ask(&self) -> bool {
        !self.query.trim().is_empty()
    }

    fn rows(&self) -> usize {
        self.found.len() + usize::from(self.can_ask())
    }

    /// Something was done.
    pub fn update(&mut self, message: Message) -> Outcome {
        match message {
            Message::Typed(query) => {
                self.query = query;
                self.search();
                Outcome::Scroll(0.0)
            }
            Message::Move(by) => {
                let rows = self.rows() as isize;
                if rows > 0 {
                    self.selected = (self.selected as isize + by).rem_euclid(rows) as usize;
                }
                // The chosen row in the middle, as far as the list's ends allow.
                Outcome::Scroll(widgets::centred(self.selected, ROW, ROWS_HEIGHT))
            }
            Message::Pick(index) => {
                self.selected = index;
                self.activate()
            }
            Message::Activate => self.activate(),
            Message::Close => Outcome::Close,
        }
    }

    fn activate(&mut self) -> Outcome {
        match self.found.get(self.selected) {
            Some(index) => match page(&self.apps[*index]) {
                Some(page) => Outcome::Settings(page),
                None => Outcome::Launch(Box::new(self.apps[*index].clone())),
            },
            None if self.can_ask() => Outcome::Ask(self.query.trim().to_owned()),
            None => Outcome::None,
        }
    }

    /// Keys that mean something besides text.
    pub fn intercept(event: &Event) -> Option<Message> {
        let Event::Keyboard(keyboard::Event::KeyPressed { key, modifiers, .. }) = event else {
            return None;
        };
        Some(match list_key(key, *modifiers, 6)? {
            ListKey::Escape => Message::Close,
            ListKey::Enter => Message::Activate,
            ListKey::Move(by) => Message::Move(by),
        })
    }

    /// The launcher's widgets. `agent` is the title of the agent that can be asked.
    pub fn view<'a>(&'a self, agent: &'a str, palette: &Palette) -> Element<'a, Message> {
        let field = row![
            widgets::icon(Icon::Search, 20.0, palette.text_dim),
            widgets::field(&tr!("launcher-search"), &self.query, TEXT_LARGE, palette)
                .id(INPUT)
                .on_input(Message::Typed),
        ]
        .spacing(GAP)
        .padding(Padding::from([0.0, WIDE + 2.0]))
        .height(58)
        .align_y(Alignment::Center);

        let apps = self
            .found
            .iter()
            .enumerate()
            .map(|(row, index)| self.app_row(row, &self.apps[*index], palette));
        let mut rows = column(apps);
        if self.can_ask() {
            rows = rows.push(self.ask_row(agent, palette));
        } else if self.found.is_empty() {
            rows = rows.push(
                container(widgets::label(
                    tr!("launcher-nothing"),
                    TEXT,
                    palette.text_dim,
                ))
                .center_x(Length::Fill)
                .padding(WIDE * 2.0),
            );
        }
        let list = widgets::list(rows, LIST, palette);

        let keys = row![
            widgets::hint("↑↓", tr!("does-choose"), palette),
            widgets::hint(tr!("key-enter"), tr!("does-open"), palette),
            widgets::hint(tr!("key-escape"), tr!("does-close"), palette),
        ]
        .spacing(WIDE)
        .align_y(Alignment::Center);

        widgets::sheet(field.into(), list, keys.into(), palette)
    }

    fn app_row<'a>(
        &'a self,
        row_index: usize,
        app: &'a App,
        palette: &Palette,
    ) -> Element<'a, Message> {
        let about = if app.comment.is_empty() {
            &app.generic_name
        } else {
            &app.comment
        };
        let mut words = column![widgets::line(
            &app.name,
            TEXT,
            palette.text,
            fonts::UI_MEDIUM
        )]
        .spacing(2);
        if !about.is_empty() {
            let about = widgets::shortened(about, ABOUT_CHARACTERS);
            words = words.push(widgets::line(
                about,
                TEXT_SMALL,
                palette.text_dim,
                fonts::UI,
            ));
        }
        self.row(
            row_index,
            self.app_icon(app, palette),
            words.into(),
            palette,
        )
    }

    fn ask_row<'a>(&'a self, agent: &'a str, palette: &Palette) -> Element<'a, Message> {
        let mark = container(widgets::icon(Icon::Spark, 20.0, palette.accent)).center(32);
        let words = column![
            widgets::line(
                tr!(
                    "launcher-ask",
                    agent = agent,
                    question = widgets::shortened(self.query.trim(), 60)
                ),
                TEXT,
                palette.text,
                fonts::UI_MEDIUM
            ),
            widgets::line(
                tr!("launcher-ask-about"),
                TEXT_SMALL,
                palette.text_dim,
                fonts::UI
            ),
        ]
        .spacing(2);
        self.row(self.found.len(), mark.into(), words.into(), palette)
    }

    fn row<'a>(
        &'a self,
        index: usize,
        mark: Element<'a, Message>,
        words: Element<'a, Message>,
        palette: &Palette,
    ) -> Element<'a, Message> {
        let chosen = index == self.selected;
        let mut content = row![mark, words]
            .spacing(GAP + 2.0)
            .align_y(Alignment::Center);
        if chosen {
            content = content.push(widgets::icon(Icon::Enter, 16.0, palette.text_dim));
        }
        let kind = if chosen { Kind::Chosen } else { Kind::Plain };
        widgets::press(container(content).center_y(Length::Fill), kind, palette)
            .width(Length::Fill)
            .height(ROW)
            .padding(Padding::from([0.0, GAP - 2.0]))
            .on_press(Message::Pick(index))
            .into()
    }

    fn app_icon<'a>(&'a self, app: &'a App, palette: &Palette) -> Element<'a, Message> {
        if let Some(page) = page(app) {
            let icon = match app.id.as_str() {
                SETTINGS => Icon::Settings,
                _ => page.icon(),
            };
            let icon = container(widgets::icon(icon, 18.0, palette.accent)).center(32);
            return widgets::raised(icon, palette.raised, SMALL + TIGHT / 2.0).into();
        }
        if let Some(handle) = self.icons.get(&app.icon) {
            return iced_widget::image(handle.clone())
                .width(32)
                .height(32)
                .into();
        }
        tile(app, palette)
    }
}

/// The settings and their pages as things to be found, by their English names as well.
fn settings() -> impl Iterator<Item = App> {
    let entry = |id: String, name: String, english: String, comment: String| App {
        id,
        name,
        generic_name: String::new(),
        comment,
        icon: String::new(),
        exec: vec![SETTINGS.to_owned()],
        working_directory: None,
        terminal: false,
        keywords: vec![english],
        categories: Vec::new(),
    };
    let english = |words: &dyn Fn() -> String| l10n::speaking(Language::English, words);
    let whole = entry(
        SETTINGS.to_owned(),
        tr!("settings"),
        english(&|| tr!("settings")),
        tr!("settings-about"),
    );
    let pages = Page::ALL.into_iter().map(move |page| {
        entry(
            format!("{SETTINGS}:{}", page.name()),
            page.title(),
            english(&|| page.title()),
            tr!("settings-page-about", about = page.about()),
        )
    });
    std::iter::once(whole).chain(pages)
}

/// The page of the settings that an entry stands for.
fn page(app: &App) -> Option<Page> {
    match app.id.strip_prefix(SETTINGS)? {
        "" => Some(Page::default()),
        rest => Page::named(rest.strip_prefix(':')?),
    }
}

/// A letter on a colour of its own tells applications without an icon apart.
pub(super) fn tile<'a, M: 'a>(app: &App, palette: &Palette) -> Element<'a, M> {
    let letter = app
        .name
        .chars()
        .find(|c| c.is_alphanumeric())
        .unwrap_or('?')
        .to_uppercase()
        .to_string();
    let ground = widgets::mix(tile_color(&app.id), palette.card, 0.25);
    widgets::raised(
        container(widgets::label(letter, TEXT_LARGE - 1.0, Color::WHITE).font(fonts::UI_STRONG))
            .center(32),
        ground,
        SMALL + TIGHT / 2.0,
    )
    .into()
}

/// A colour by an application's id: always the same, dark enough for white text.
fn tile_color(id: &str) -> Color {
    const COLORS: [(u8, u8, u8); 7] = [
        (38, 103, 140),
        (30, 122, 110),
        (126, 74, 140),
        (160, 78, 60),
        (88, 104, 40),
        (70, 84, 160),
        (150, 60, 96),
    ];
    let sum = id.bytes().fold(0u32, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u32::from(byte))
    });
    let (r, g, b) = COLORS[sum as usize % COLORS.len()];
    Color::from_rgb8(r, g, b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(name: &str, generic: &str) -> App {
        App {
            id: name.to_lowercase(),
            name: name.into(),
            generic_name: generic.into(),
            ..App::default()
        }
    }

    fn launcher() -> Launcher {
        let mut launcher = Launcher::default();
        launcher.set_apps(vec![
            app("Calculator", ""),
            app("Files", "File manager"),
            app("Foot", "Terminal"),
        ]);
        launcher
    }

    #[test]
    fn typing_and_enter_starts_the_best_match() {
        let mut launcher = launcher();
        launcher.update(Message::Typed("term".into()));
        let Outcome::Launch(app) = launcher.update(Message::Activate) else {
            panic!("nothing starts")
        };
        assert_eq!(app.name, "Foot");
    }

    #[test]
    fn settings_are_found_and_their_pages_by_name() {
        let mut launcher = launcher();
        let shown = |launcher: &Launcher| -> Vec<String> {
            let found = launcher.found.iter();
            found
                .map(|index| launcher.apps[*index].name.clone())
                .collect()
        };
        assert_eq!(
            shown(&launcher),
            ["Calculator", "Files", "Foot", "Settings"]
        );
        launcher.update(Message::Typed("displ".into()));
        assert_eq!(shown(&launcher), ["Displays"]);
        let outcome = launcher.update(Message::Activate);
        assert!(
            matches!(outcome, Outcome::Settings(Page::Displays)),
            "{outcome:?}"
        );
        launcher.update(Message::Typed("settings".into()));
        let outcome = launcher.update(Message::Activate);
        assert!(
            matches!(outcome, Outcome::Settings(Page::Appearance)),
            "{outcome:?}"
        );
        // In German as well, by either name.
        l10n::speaking(Language::German, || {
            launcher.set_apps(Vec::new());
            for query in ["bildschirme", "displays"] {
                launcher.update(Message::Typed(query.into()));
                assert_eq!(shown(&launcher), ["Bildschirme"], "{query}");
            }
        });
    }

    #[test]
    fn words_that_name_nothing_are_a_question() {
        let mut launcher = launcher();
        launcher.update(Message::Typed(" what uses my memory? ".into()));
        let Outcome::Ask(question) = launcher.update(Message::Activate) else {
            panic!("nothing is asked")
        };
        assert_eq!(question, "what uses my memory?");
    }

    #[test]
    fn the_question_is_the_last_row_and_the_list_goes_round() {
        let mut launcher = launcher();
        launcher.update(Message::Typed("f".into()));
        launcher.update(Message::Move(-1));
        assert!(matches!(launcher.update(Message::Activate), Outcome::Ask(q) if q == "f"));
        launcher.update(Message::Move(1));
        assert!(matches!(
            launcher.update(Message::Activate),
            Outcome::Launch(_)
        ));
    }

    #[test]
    fn an_empty_launcher_does_nothing() {
        let mut launcher = Launcher::default();
        launcher.update(Message::Move(1));
        assert!(matches!(launcher.update(Message::Activate), Outcome::None));
    }
}
