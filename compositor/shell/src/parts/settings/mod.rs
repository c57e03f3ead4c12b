//! The settings: pages of what can be set, each with a key in a file behind it.
//!
//! * [`items`]: which settings there are, and which values they take.
//! * `trial`: a change of a screen is tried before it is kept.
//! * `view`: how they are shown.
//!
//! It shows what the files say and asks for changes ([`Outcome::Change`]); a change is shown at once, and where it
//! cannot be made, what the file says is shown again with the reason beside it.
//!
//! The search field always has the keyboard: letters search, arrows go over the settings.

pub mod items;
mod trial;
mod view;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Instant;

use argos_bus::compositor::{Output, OutputMode, OutputWish};
use iced_core::Event;
use iced_core::keyboard::{self, Key, key::Named};
use serde_json::{Map, Value, json};

pub use self::items::{Item, Page};
use self::items::{Kind, quarters_later, step, written};
use self::trial::Trial;
pub use self::trial::{Answer, SECONDS as TRIAL_SECONDS};
use crate::l10n::{self, Language};
use crate::parts::list_keys::{ListKey, list_key};
use crate::preferences::{Change, File};
use crate::theme::{self, HIGH_CONTRAST};
use crate::tr;
use crate::widgets;

pub use self::view::{HEIGHT, LEAST, WIDTH};

/// The search field's name.
pub const INPUT: &str = "settings-search";
/// The list's name.
pub const LIST: &str = "settings-list";

/// What is known of this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// Name and version of the system.
    pub system: String,
    /// What the machine's maker calls it.
    pub machine: String,
    /// Processor and how many cores it has.
    pub processor: String,
    /// Memory in bytes: all of it, and what is free for programs.
    pub memory: Option<(u64, u64)>,
}

/// What the settings say, and what there is to choose from.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// The compositor's file, or why it cannot be used.
    pub compositor: Result<Value, String>,
    /// The shell's.
    pub shell: Result<Value, String>,
    /// Themes: names and titles.
    pub themes: Vec<(String, String)>,
    /// Wallpapers: names, or paths of pictures.
    pub wallpapers: Vec<String>,
    /// Layouts of keyboards: names and titles.
    pub layouts: Vec<(String, String)>,
    /// This machine.
    pub about: About,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            compositor: Ok(Value::Object(Map::new())),
            shell: Ok(Value::Object(Map::new())),
            themes: Vec::new(),
            wallpapers: Vec::new(),
            layouts: Vec::new(),
            about: About::default(),
        }
    }
}

/// A list from which a value is picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Picking {
    item: Item,
    selected: usize,
}

/// One of the things that an item can be.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Choice {
    /// As files have it.
    name: String,
    /// For people.
    title: String,
}

/// The application's state.
#[derive(Debug, Default)]
pub struct Settings {
    page: Page,
    query: String,
    /// The row that the keyboard is on.
    selected: Option<usize>,
    picking: Option<Picking>,
    known: Known,
    outputs: Vec<Output>,
    /// By the screens' names.
    modes: BTreeMap<String, Vec<OutputMode>>,
    /// A change of a screen that waits for an answer.
    trial: Option<Trial>,
    /// What is to be said of the accent: that it cannot be had as it is written.
    accent_note: String,
    /// The models of the AI service: names and states; nothing while it is not there.
    models: Option<Vec<(String, String)>>,
    problems: BTreeMap<Item, String>,
}

/// What a person does in it.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// Show this page.
    Show(Page),
    /// The page so many further.
    Turn(isize),
    /// The words that are searched for.
    Typed(String),
    /// The row so many below.
    Move(isize),
    /// More or less of the chosen row.
    AdjustChosen(isize),
    /// Do what the chosen row is for.
    ActivateChosen,
    /// More or less of this.
    Adjust(Item, isize),
    /// Do what this is for: switch it, open its list.
    Activate(Item),
    /// Have this one of the list.
    Pick(Item, usize),
    /// Whether what is tried is to be kept.
    Trial(Answer),
    /// Away with what is in front: the list, the search, the settings.
    Back,
    /// Away with it.
    Close,
}

/// What follows from it.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    /// Nothing beyond the part.
    None,
    /// The search field is to have the keyboard, and the list to be at its top.
    Focus,
    /// The list is to be scrolled to this many pixels from its top.
    Scroll(f32),
    /// This is to be written.
    Change(Change),
    /// This theme.
    Theme(String),
    /// This accent; empty for the theme's.
    Accent(String),
    /// Text of so many percent.
    TextSize(u32),
    /// This wallpaper; empty for the theme's.
    Wallpaper(String),
    /// This language; empty for that of the environment.
    Language(String),
    /// A screen is to be tried so.
    Try(OutputWish),
    /// What is tried is to be kept, or taken back.
    EndTrial(bool),
    /// The permissions page.
    Permissions,
    /// The agent view.
    Agents,
    /// What the files say is wanted anew.
    Read,
    /// Close it.
    Close,
}

impl Settings {
    /// Begins anew, at this page.
    pub fn open(&mut self, page: Page) {
        self.page = page;
        self.query.clear();
        (self.selected, self.picking, self.trial) = (None, None, None);
        self.problems.clear();
    }

    /// The page that is shown.
    pub fn page(&self) -> Page {
        self.page
    }

    /// What the settings say, and what there is to choose from.
    pub fn set_known(&mut self, known: Known) {
        self.known = known;
    }

    /// The screens that are on, and their modes by their names.
    pub fn set_outputs(&mut self, outputs: Vec<Output>, modes: BTreeMap<String, Vec<OutputMode>>) {
        self.outputs = outputs;
        self.modes = modes;
    }

    /// What is to be said of the accent.
    pub fn set_accent_note(&mut self, note: String) {
        self.accent_note = note;
    }

    /// The models of the AI service.
    pub fn set_models(&mut self, models: Option<Vec<(String, String)>>) {
        self.models = models;
    }

    /// A value of the shell's own is another.
    pub fn set_own(&mut self, key: &str, value: impl Into<Value>) {
        if let Ok(Value::Object(shell)) = &mut self.known.shell {
            shell.insert(key.to_owned(), value.into());
        }
    }

    /// A screen is otherwise, or why it is not. Where nobody waits for it any more: it is not to be kept.
    pub fn tried(&mut self, done: Result<(), String>, now: Instant) -> Option<bool> {
        match (done, &mut self.trial) {
            (Ok(()), Some(trial)) => trial.begin(now),
            (Ok(()), None) => return Some(false),
            (Err(why), _) => self.give_up(why),
        }
        None
    }

    /// What was tried is kept, and can be written; or why it is not.
    pub fn kept(&mut self, kept: Result<(), String>) -> Outcome {
        match (kept, self.trial.take()) {
            (Ok(()), Some(trial)) => self.write(trial.change),
            (Ok(()), None) => Outcome::None,
            (Err(why), trial) => {
                self.trial = trial;
                self.give_up(why);
                Outcome::None
            }
        }
    }

    fn give_up(&mut self, why: String) {
        if let Some(trial) = self.trial.take() {
            self.problems.insert(trial.item, why);
        }
    }

    /// The settings are gone: whether something was on trial.
    pub fn abandon(&mut self) -> bool {
        self.trial.take().is_some()
    }

    /// When something is to be done without anybody doing anything.
    pub fn deadline(&self) -> Option<Instant> {
        self.trial.as_ref().and_then(Trial::deadline)
    }

    /// The deadline passed.
    pub fn tick(&mut self, now: Instant) -> Outcome {
        // The compositor counts as well.
        if self.trial.as_mut().is_some_and(|trial| trial.count(now)) {
            self.trial = None;
            return Outcome::EndTrial(false);
        }
        Outcome::None
    }

    /// What became of a change.
    pub fn changed(&mut self, change: &Change, outcome: Result<(), String>) -> Outcome {
        let outputs = self.output_names();
        let about = |item: &Item| {
            item.place(&outputs)
                .is_some_and(|(file, keys)| file == change.file && change.values[0].0 == keys)
        };
        let mut items = Page::ALL
            .into_iter()
            .flat_map(|page| page.items(outputs.len()));
        let Some(item) = items.find(about) else {
            return Outcome::None;
        };
        match outcome {
            Ok(()) => {
                self.problems.remove(&item);
                Outcome::None
            }
            Err(why) => {
                self.problems.insert(item, why);
                Outcome::Read
            }
        }
    }

    fn output_names(&self) -> Vec<String> {
        self.outputs
            .iter()
            .map(|output| output.name.clone())
            .collect()
    }

    /// Why the file of an item cannot be used, if so.
    fn file_problem(&self, file: File) -> Option<&str> {
        let said = match file {
            File::Compositor => &self.known.compositor,
            File::Shell => &self.known.shell,
        };
        said.as_ref().err().map(String::as_str)
    }

    fn value(&self, item: Item) -> Option<&Value> {
        let (file, keys) = item.place(&self.output_names())?;
        let document = match file {
            File::Compositor => self.known.compositor.as_ref().ok()?,
            File::Shell => self.known.shell.as_ref().ok()?,
        };
        keys.iter().try_fold(document, |at, key| at.get(key))
    }

    fn word(&self, item: Item) -> Cow<'_, str> {
        match self.value(item) {
            Some(Value::String(word)) => Cow::Borrowed(word),
            // As people write 90 degrees.
            Some(Value::Number(number)) => Cow::Owned(number.to_string()),
            _ => Cow::Borrowed(""),
        }
    }

    /// The theme that is shown.
    fn theme(&self) -> Cow<'_, str> {
        let name = self.word(Item::Theme);
        if name.is_empty() {
            Cow::Borrowed(crate::theme::DEFAULT)
        } else {
            name
        }
    }

    fn is_on(&self, item: Item) -> bool {
        match (item, item.kind()) {
            (Item::HighContrast, _) => self.theme() == HIGH_CONTRAST,
            (_, Kind::Switch(default)) => {
                self.value(item).and_then(Value::as_bool).unwrap_or(default)
            }
            _ => false,
        }
    }

    fn number(&self, item: Item) -> f64 {
        let default = match item.kind() {
            Kind::Number(_, default, _) => default,
            _ => 0.0,
        };
        self.value(item).and_then(Value::as_f64).unwrap_or(default)
    }

    fn time(&self, item: Item) -> String {
        match (self.word(item), item.kind()) {
            (time, Kind::Time(default)) if time.is_empty() => default.to_owned(),
            (time, _) => time.into_owned(),
        }
    }

    /// Whether the sun says when the night light comes.
    fn by_the_sun(&self) -> bool {
        let night = self.known.compositor.as_ref().ok();
        let night = night.and_then(|compositor| compositor.get("night-light"));
        night.is_some_and(|night| {
            ["latitude", "longitude"]
                .iter()
                .all(|key| night.get(key).is_some_and(Value::is_number))
        })
    }

    /// Whether there is something to set: what is told only where it is known, what is picked only where there is
    /// something to pick from.
    fn is_there(&self, item: Item) -> bool {
        match item {
            Item::Theme | Item::Layout => !self.choices(item).is_empty(),
            // A mode that is the only one is told with the scale.
            Item::Mode(at) => self.modes_of(at).len() > 1,
            Item::Place(_) => self.outputs.len() > 1,
            Item::HighContrast => {
                let mut themes = self.known.themes.iter();
                themes.any(|(name, _)| name == HIGH_CONTRAST)
            }
            _ if item.kind() == Kind::Told => !self.told(item).is_empty(),
            _ => true,
        }
    }

    /// Whether it can be changed now.
    fn can_change(&self, item: Item) -> bool {
        let place = item.place(&self.output_names());
        let broken = place.is_some_and(|(file, _)| self.file_problem(file).is_some());
        let by_sun = matches!(item, Item::NightFrom | Item::NightTo) && self.by_the_sun();
        !broken && !by_sun
    }

    /// What is shown where something is only told.
    fn told(&self, item: Item) -> String {
        let about = &self.known.about;
        match item {
            Item::System => about.system.clone(),
            Item::Machine => about.machine.clone(),
            Item::Processor => about.processor.clone(),
            Item::Memory => about.memory.map_or_else(String::new, |(all, free)| {
                let gib = |bytes: u64| l10n::decimal(bytes as f64 / f64::from(1 << 30), 1);
                tr!("set-memory-words", all = gib(all), free = gib(free))
            }),
            Item::Models => match &self.models {
                None => String::new(),
                Some(models) if models.is_empty() => tr!("set-models-none"),
                Some(models) => {
                    let one = |(name, state): &(String, String)| {
                        tr!("set-model", name = name, state = state)
                    };
                    models.iter().map(one).collect::<Vec<_>>().join(", ")
                }
            },
            _ => String::new(),
        }
    }

    /// What an item can be.
    fn choices(&self, item: Item) -> Vec<Choice> {
        let choice = |name: &str, title: String| Choice {
            name: name.to_owned(),
            title,
        };
        match item {
            Item::Theme => {
                let themes = self.known.themes.iter();
                themes
                    .map(|(name, title)| choice(name, theme_title(name, title)))
                    .collect()
            }
            Item::Wallpaper => {
                let set = self.word(item);
                let mut names: Vec<&str> =
                    self.known.wallpapers.iter().map(String::as_str).collect();
                // One that was written by hand is one of them.
                if !set.is_empty() && !names.contains(&set.as_ref()) {
                    names.push(&set);
                }
                let of_theme = choice("", tr!("set-wallpaper-theme"));
                let named = names.iter().map(|name| choice(name, wallpaper_title(name)));
                std::iter::once(of_theme).chain(named).collect()
            }
            Item::Layout => {
                if self.known.layouts.is_empty() {
                    return Vec::new();
                }
                let set = self.word(item);
                let listed = |name: &str| self.known.layouts.iter().any(|(other, _)| other == name);
                let own = !set.is_empty() && !listed(&set);
                let own = own.then(|| choice(&set, set.to_string()));
                let layouts = self.known.layouts.iter();
                std::iter::once(choice("", tr!("set-layout-system")))
                    .chain(own)
                    .chain(layouts.map(|(name, title)| choice(name, title.clone())))
                    .collect()
            }
            Item::Language => {
                let languages = Language::ALL.into_iter();
                std::iter::once(choice("", tr!("set-language-system")))
                    .chain(languages.map(|l| choice(l.code(), l.name().to_owned())))
                    .collect()
            }
            Item::Accent => {
                let set = self.word(item);
                let own = theme::ACCENTS.iter().all(|(name, ..)| *name != set);
                let own = (own && !set.is_empty()).then(|| choice(&set, set.to_string()));
                let named = theme::ACCENTS.iter();
                std::iter::once(choice("", tr!("set-accent-theme")))
                    .chain(named.map(|(name, ..)| choice(name, accent_title(name))))
                    .chain(own)
                    .collect()
            }
            Item::Mode(at) => self.mode_choices(at),
            Item::Transform(_) => {
                let turns = items::TURNS.iter();
                turns
                    .map(|turn| choice(turn, items::turn_title(turn)))
                    .collect()
            }
            Item::Place(at) => {
                let others = self.outputs.iter().enumerate();
                let others = others.filter(|(other, _)| *other != at);
                let sides = |(_, output): (usize, &Output)| {
                    items::SIDES.map(|side| {
                        let name = format!("{side} {}", output.name);
                        choice(&name, items::side_title(side, &output.name))
                    })
                };
                std::iter::once(choice("", tr!("set-place-automatic")))
                    .chain(others.flat_map(sides))
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    fn modes_of(&self, at: usize) -> &[OutputMode] {
        let name = self.outputs.get(at).map(|output| &output.name);
        let modes = name.and_then(|name| self.modes.get(name));
        modes.map_or(&[], Vec::as_slice)
    }

    /// The modes of a screen, the largest and quickest first.
    fn mode_choices(&self, at: usize) -> Vec<Choice> {
        let mut modes = self.modes_of(at).to_vec();
        modes.sort_by_key(|mode| {
            let size = u64::from(mode.width) * u64::from(mode.height);
            std::cmp::Reverse((size, mode.width, mode.refresh))
        });
        let choice = |mode: &OutputMode| Choice {
            name: items::mode_word(mode),
            title: view::mode_title(mode.width, mode.height, mode.refresh),
        };
        let preferred = modes.iter().find(|mode| mode.preferred).map(choice);
        let own = Choice {
            name: String::new(),
            title: preferred.map_or_else(
                || tr!("set-mode-own"),
                |mode| tr!("set-mode-own-is", mode = mode.title),
            ),
        };
        let mut choices: Vec<Choice> = modes.iter().map(choice).collect();
        // Those that differ in what nobody sees are one.
        choices.dedup();
        choices.insert(0, own);
        choices
    }

    /// The one that an item is.
    fn chosen(&self, item: Item, choices: &[Choice]) -> Option<usize> {
        let set = match (item, self.word(item)) {
            (Item::Theme, _) => self.theme(),
            (Item::Transform(_), word) if word.is_empty() => Cow::Borrowed("normal"),
            (_, word) => word,
        };
        choices.iter().position(|choice| choice.name == set)
    }

    /// The choices that fit what is searched for, with their positions among all.
    fn found_choices(&self, item: Item) -> Vec<(usize, Choice)> {
        let choices = self.choices(item).into_iter().enumerate();
        let fits = |(_, choice): &(usize, Choice)| {
            fits(&self.query, &format!("{} {}", choice.title, choice.name))
        };
        choices.filter(fits).collect()
    }

    /// The rows that are shown: those of the page, or of all pages those that are searched for.
    fn rows(&self) -> Vec<(Page, Item)> {
        let searching = !self.query.trim().is_empty();
        let pages = Page::ALL
            .into_iter()
            .filter(|page| searching || *page == self.page);
        let items = pages.flat_map(|page| {
            let items = page.items(self.outputs.len()).into_iter();
            items.map(move |item| (page, item))
        });
        items
            .filter(|(_, item)| self.is_there(*item))
            .filter(|(page, item)| !searching || fits(&self.query, &self.words(*page, *item)))
            .collect()
    }

    /// The words by which a setting is found, in English as well.
    fn words(&self, page: Page, item: Item) -> String {
        let output = self.output_of(item).map_or("", |o| o.name.as_str());
        let own = || format!("{} {} {}", page.title(), item.title(output), item.about());
        format!("{} {}", own(), l10n::speaking(Language::English, own))
    }

    /// The screen that an item is about.
    fn output_of(&self, item: Item) -> Option<&Output> {
        self.outputs.get(item.screen()?)
    }

    fn count(&self) -> usize {
        match self.picking {
            Some(picking) => self.found_choices(picking.item).len(),
            None => self.rows().len(),
        }
    }

    /// Something was done.
    pub fn update(&mut self, message: Message, now: Instant) -> Outcome {
        if let Some(trial) = &mut self.trial {
            return match message {
                Message::Trial(answer) => match trial.answer(answer, now) {
                    Some(true) => Outcome::EndTrial(true),
                    Some(false) => {
                        self.trial = None;
                        Outcome::EndTrial(false)
                    }
                    None => Outcome::None,
                },
                Message::Close => Outcome::Close,
                // The question goes first.
                _ => Outcome::None,
            };
        }
        match message {
            Message::Show(page) => {
                let problems = std::mem::take(&mut self.problems);
                self.open(page);
                self.problems = problems;
                Outcome::Focus
            }
            Message::Turn(by) => {
                let at = Page::ALL.iter().position(|page| *page == self.page);
                let next = widgets::next_row(at, by, Page::ALL.len());
                self.update(Message::Show(Page::ALL[next]), now)
            }
            Message::Typed(query) => {
                self.query = query;
                self.selected = None;
                if let Some(picking) = &mut self.picking {
                    picking.selected = 0;
                }
                Outcome::Scroll(0.0)
            }
            Message::Move(by) => self.go(by),
            Message::AdjustChosen(by) => match self.selected_item() {
                Some(item) => self.adjust(item, by),
                None => Outcome::None,
            },
            Message::ActivateChosen => match (self.picking, self.selected_item()) {
                (Some(Picking { item, selected }), _) => {
                    match self.found_choices(item).get(selected) {
                        Some((at, _)) => self.pick(item, *at),
                        None => Outcome::None,
                    }
                }
                (None, Some(item)) => self.activate(item),
                (None, None) => Outcome::None,
            },
            Message::Adjust(item, by) => {
                self.select(item);
                self.adjust(item, by)
            }
            Message::Activate(item) => {
                self.select(item);
                self.activate(item)
            }
            Message::Pick(item, at) => {
                if self.picking.is_none() {
                    self.select(item);
                }
                self.pick(item, at)
            }
            Message::Back => {
                if let Some(picking) = self.picking.take() {
                    self.query.clear();
                    self.select(picking.item);
                    return self.show_selected();
                }
                if self.query.is_empty() {
                    return Outcome::Close;
                }
                self.query.clear();
                self.selected = None;
                Outcome::Scroll(0.0)
            }
            Message::Close => Outcome::Close,
            Message::Trial(_) => Outcome::None,
        }
    }

    fn selected_item(&self) -> Option<Item> {
        let rows = self.rows();
        self.selected
            .and_then(|at| rows.get(at))
            .map(|(_, item)| *item)
    }

    fn select(&mut self, item: Item) {
        let rows = self.rows();
        self.selected = rows.iter().position(|(_, other)| *other == item);
    }

    fn go(&mut self, by: isize) -> Outcome {
        let count = self.count();
        if count == 0 {
            return Outcome::None;
        }
        match &mut self.picking {
            Some(picking) => {
                let at = picking.selected as isize + by;
                picking.selected = at.rem_euclid(count as isize) as usize;
            }
            None => self.selected = Some(widgets::next_row(self.selected, by, count)),
        }
        self.show_selected()
    }

    fn show_selected(&self) -> Outcome {
        let (row, height) = match self.picking {
            Some(picking) => (picking.selected, view::CHOICE),
            None => (self.selected.unwrap_or(0), view::ROW),
        };
        Outcome::Scroll(widgets::centred(row, height, view::ROWS_HEIGHT))
    }

    fn adjust(&mut self, item: Item, by: isize) -> Outcome {
        if self.picking.is_some() || !self.can_change(item) {
            return Outcome::None;
        }
        match item.kind() {
            Kind::Switch(_) if self.is_on(item) != (by > 0) => self.activate(item),
            Kind::Number(values, ..) => {
                let before = self.number(item);
                let after = step(values, before, by);
                if after == before {
                    return Outcome::None;
                }
                if item == Item::TextSize {
                    let percent = after as u32;
                    self.set_own("text-size", percent);
                    return Outcome::TextSize(percent);
                }
                self.change(item, written(after))
            }
            Kind::Time(_) => match quarters_later(&self.time(item), by) {
                Some(time) => self.change(item, Value::from(time)),
                None => Outcome::None,
            },
            Kind::Pick => {
                let choices = self.choices(item);
                let at = self.chosen(item, &choices);
                if choices.is_empty() {
                    return Outcome::None;
                }
                self.pick(item, widgets::next_row(at, by, choices.len()))
            }
            Kind::Switch(_) | Kind::Button | Kind::Told => Outcome::None,
        }
    }

    fn activate(&mut self, item: Item) -> Outcome {
        if !self.can_change(item) {
            return Outcome::None;
        }
        match (item, item.kind()) {
            (Item::OpenPermissions, _) => Outcome::Permissions,
            (Item::OpenAgents, _) => Outcome::Agents,
            (Item::HighContrast, _) => {
                let theme = match self.is_on(item) {
                    true => crate::theme::DEFAULT,
                    false => HIGH_CONTRAST,
                };
                self.set_own("theme", theme);
                Outcome::Theme(theme.to_owned())
            }
            (_, Kind::Switch(_)) => {
                let on = !self.is_on(item);
                self.change(item, json!(on))
            }
            (_, Kind::Pick) => {
                let choices = self.choices(item);
                let selected = self.chosen(item, &choices).unwrap_or(0);
                self.query.clear();
                self.picking = Some(Picking { item, selected });
                self.show_selected()
            }
            _ => Outcome::None,
        }
    }

    fn pick(&mut self, item: Item, at: usize) -> Outcome {
        let choices = self.choices(item);
        let Some(choice) = choices.get(at) else {
            return Outcome::None;
        };
        if self.picking.take().is_some() {
            self.query.clear();
            self.select(item);
        }
        if !self.can_change(item) || self.chosen(item, &choices) == Some(at) {
            return Outcome::None;
        }
        let name = choice.name.clone();
        match item {
            Item::Theme => {
                self.set_own("theme", name.as_str());
                Outcome::Theme(name)
            }
            Item::Accent => {
                self.set_own("accent", name.as_str());
                Outcome::Accent(name)
            }
            Item::Wallpaper => {
                self.set_own("wallpaper", name.as_str());
                Outcome::Wallpaper(name)
            }
            Item::Language => {
                self.set_own("language", name.as_str());
                Outcome::Language(name)
            }
            Item::Mode(at) | Item::Transform(at) | Item::Place(at) => self.try_out(item, at, name),
            _ => self.change(item, Value::from(name)),
        }
    }

    /// Has a screen tried with this value.
    fn try_out(&mut self, item: Item, at: usize, value: String) -> Outcome {
        let (Some(output), Some((file, keys))) =
            (self.outputs.get(at), item.place(&self.output_names()))
        else {
            return Outcome::None;
        };
        let said = |of: Item| {
            if of == item {
                value.clone()
            } else {
                self.word(of).into_owned()
            }
        };
        let wish = OutputWish {
            name: output.name.clone(),
            mode: said(Item::Mode(at)),
            transform: said(Item::Transform(at)),
            place: said(Item::Place(at)),
        };
        self.problems.remove(&item);
        let change = Change {
            file,
            values: vec![(keys, Value::from(value))],
        };
        self.trial = Some(Trial::new(item, change));
        Outcome::Try(wish)
    }

    /// Shows a value at once and has it written.
    fn change(&mut self, item: Item, value: Value) -> Outcome {
        let Some((file, keys)) = item.place(&self.output_names()) else {
            return Outcome::None;
        };
        self.problems.remove(&item);
        let mut values = vec![(keys, value)];
        if item == Item::Layout {
            // A variant is one of a layout.
            let keys = vec!["keyboard".to_owned(), "variant".to_owned()];
            let variant = self.known.compositor.as_ref().ok();
            let variant = variant.and_then(|all| all.get("keyboard")?.get("variant")?.as_str());
            if variant.is_some_and(|variant| !variant.is_empty()) {
                values.push((keys, Value::from("")));
            }
        }
        self.write(Change { file, values })
    }

    fn write(&mut self, change: Change) -> Outcome {
        let document = match change.file {
            File::Compositor => &mut self.known.compositor,
            File::Shell => &mut self.known.shell,
        };
        if let Ok(document) = document {
            for (keys, value) in &change.values {
                put(document, keys, value.clone());
            }
        }
        Outcome::Change(change)
    }

    /// Its keys. Everything else goes into the search field.
    pub fn intercept(&self, event: &Event) -> Option<Message> {
        let Event::Keyboard(keyboard::Event::KeyPressed {
            key,
            modifiers,
            repeat,
            ..
        }) = event
        else {
            return None;
        };
        if modifiers.control() || modifiers.alt() || modifiers.logo() {
            return None;
        }
        if self.trial.is_some() {
            return Trial::key(key, *repeat).map(Message::Trial);
        }
        let on_row = self.selected.is_some() && self.picking.is_none();
        // A held key does it once.
        let activate = (!repeat).then_some(Message::ActivateChosen);
        match key {
            Key::Named(Named::Tab) => Some(Message::Turn(if modifiers.shift() { -1 } else { 1 })),
            Key::Named(Named::ArrowLeft) if on_row => Some(Message::AdjustChosen(-1)),
            Key::Named(Named::ArrowRight) if on_row => Some(Message::AdjustChosen(1)),
            Key::Named(Named::Space) if on_row && self.query.is_empty() => activate,
            _ => match list_key(key, *modifiers, 5)? {
                ListKey::Escape => Some(Message::Back),
                ListKey::Enter => activate,
                ListKey::Move(by) => Some(Message::Move(by)),
            },
        }
    }
}

fn put(at: &mut Value, keys: &[String], value: Value) {
    let Some((first, rest)) = keys.split_first() else {
        *at = value;
        return;
    };
    if !at.is_object() {
        *at = Value::Object(Map::new());
    }
    put(&mut at[first.as_str()], rest, value);
}

/// Whether a text has every word that is searched for.
fn fits(query: &str, text: &str) -> bool {
    let text = text.to_lowercase();
    query
        .split_whitespace()
        .all(|word| text.contains(&word.to_lowercase()))
}

/// A theme's title: that of its file, but for those that come with the system.
fn theme_title(name: &str, title: &str) -> String {
    match name {
        "dark" => tr!("controls-dark"),
        "light" => tr!("controls-light"),
        HIGH_CONTRAST => tr!("set-high-contrast"),
        _ => title.to_owned(),
    }
}

fn accent_title(name: &str) -> String {
    tr!("accent", name = name)
}

fn wallpaper_title(name: &str) -> String {
    match name {
        "tide-day" => tr!("wallpaper-tide-day"),
        "tide-night" => tr!("wallpaper-tide-night"),
        path => {
            let file = path.rsplit('/').next().unwrap_or(path);
            let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
            widgets::shortened(&crate::visible::visible(stem), 32)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        Known {
            compositor: Ok(json!({
                "idle": {"lock-after": 300},
                "keyboard": {"layout": "us", "variant": "intl"},
            })),
            themes: vec![
                pair("dark", "Dark"),
                pair("light", "Light"),
                pair("mine", "Mine"),
            ],
            layouts: vec![
                pair("de", "German"),
                pair("fr", "French"),
                pair("us", "English (US)"),
            ],
            ..Known::default()
        }
    }

    fn open(page: Page) -> Settings {
        let mut settings = Settings::default();
        settings.set_known(known());
        settings.open(page);
        settings
    }

    fn press(settings: &mut Settings, named: Named) -> Outcome {
        let key = Key::Named(named);
        let event = keyboard::Event::KeyPressed {
            modified_key: key.clone(),
            key,
            physical_key: keyboard::key::Physical::Unidentified(
                keyboard::key::NativeCode::Unidentified,
            ),
            location: keyboard::Location::Standard,
            modifiers: keyboard::Modifiers::empty(),
            text: None,
            repeat: false,
        };
        let message = settings.intercept(&Event::Keyboard(event));
        message.map_or(Outcome::None, |message| {
            settings.update(message, Instant::now())
        })
    }

    fn change(outcome: Outcome) -> (Vec<String>, Value) {
        match outcome {
            Outcome::Change(change) => change.values[0].clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_keyboard_alone_changes_a_value() {
        let mut settings = open(Page::Power);
        assert_eq!(
            press(&mut settings, Named::ArrowRight),
            Outcome::None,
            "nothing is chosen"
        );
        press(&mut settings, Named::ArrowDown);
        let (keys, value) = change(press(&mut settings, Named::ArrowRight));
        assert_eq!(
            (keys.join("."), value),
            ("idle.lock-after".to_owned(), json!(600))
        );
        // It is shown at once, and goes on from there.
        let (_, value) = change(press(&mut settings, Named::ArrowRight));
        assert_eq!(value, json!(900));
        press(&mut settings, Named::ArrowUp);
        let (keys, value) = change(press(&mut settings, Named::Space));
        assert_eq!(
            (keys.join("."), value),
            ("idle.lock-before-sleep".to_owned(), json!(false))
        );
        // An arrow in the direction in which it is already changes nothing.
        assert_eq!(press(&mut settings, Named::ArrowLeft), Outcome::None);
        let (_, value) = change(press(&mut settings, Named::ArrowRight));
        assert_eq!(value, json!(true));
    }

    #[test]
    fn a_layout_is_picked_from_a_list_and_takes_its_variant_away() {
        let mut settings = open(Page::Input);
        press(&mut settings, Named::ArrowDown);
        press(&mut settings, Named::Enter);
        assert!(settings.picking.is_some());
        settings.update(Message::Typed("germ".into()), Instant::now());
        let Outcome::Change(change) = press(&mut settings, Named::Enter) else {
            panic!("nothing is picked")
        };
        let words: Vec<_> = change
            .values
            .iter()
            .map(|(keys, value)| (keys[1].as_str(), value.clone()))
            .collect();
        assert_eq!(words, [("layout", json!("de")), ("variant", json!(""))]);
        assert!(settings.picking.is_none() && settings.query.is_empty());
        assert_eq!(settings.selected_item(), Some(Item::Layout));
        // Escape leaves the list, then the settings.
        press(&mut settings, Named::Enter);
        assert_ne!(press(&mut settings, Named::Escape), Outcome::Close);
        assert_eq!(press(&mut settings, Named::Escape), Outcome::Close);
    }

    #[test]
    fn settings_are_found_by_words_of_either_language() {
        let mut settings = open(Page::About);
        let found = |settings: &mut Settings, query: &str| -> Vec<Item> {
            settings.update(Message::Typed(query.into()), Instant::now());
            settings.rows().iter().map(|(_, item)| *item).collect()
        };
        assert_eq!(found(&mut settings, "lock before"), [Item::LockBeforeSleep]);
        assert_eq!(found(&mut settings, "xyzzy"), []);
        l10n::speaking(Language::German, || {
            assert_eq!(found(&mut settings, "lock before"), [Item::LockBeforeSleep]);
            assert!(found(&mut settings, "Einrastfunktion").contains(&Item::StickyKeys));
        });
    }

    #[test]
    fn what_cannot_be_written_is_said_beside_it_until_it_can() {
        let mut settings = open(Page::Windows);
        let Outcome::Change(change) =
            settings.update(Message::Activate(Item::Tiling), Instant::now())
        else {
            panic!("nothing changes")
        };
        assert!(settings.is_on(Item::Tiling));
        let why = "read-only file system".to_owned();
        assert_eq!(settings.changed(&change, Err(why.clone())), Outcome::Read);
        settings.set_known(known());
        assert!(!settings.is_on(Item::Tiling), "as the file says");
        assert_eq!(settings.problems.get(&Item::Tiling), Some(&why));
        assert_eq!(settings.changed(&change, Ok(())), Outcome::None);
        assert!(settings.problems.is_empty());
    }

    #[test]
    fn a_broken_file_keeps_its_settings_from_being_changed() {
        let mut settings = open(Page::Power);
        settings.set_known(Known {
            compositor: Err("compositor.yaml:1:1: not a mapping".into()),
            ..known()
        });
        assert_eq!(
            settings.update(Message::Activate(Item::LockBeforeSleep), Instant::now()),
            Outcome::None
        );
        assert_eq!(
            settings.update(Message::Adjust(Item::LockAfter, 1), Instant::now()),
            Outcome::None
        );
        // Those of the other file can be.
        settings.update(Message::Show(Page::Language), Instant::now());
        let outcome = settings.update(Message::Pick(Item::Language, 2), Instant::now());
        assert_eq!(outcome, Outcome::Language("de".into()));
    }

    #[test]
    fn what_has_nothing_behind_it_is_not_there() {
        let mut settings = Settings::default();
        settings.open(Page::About);
        assert!(settings.rows().is_empty());
        settings.open(Page::Input);
        assert!(!settings.rows().contains(&(Page::Input, Item::Layout)));
        // The sun's times are not the person's.
        let night = json!({"night-light": {"latitude": 52.5, "longitude": 13.4}});
        settings.set_known(Known {
            compositor: Ok(night),
            ..known()
        });
        assert_eq!(
            settings.update(Message::Adjust(Item::NightFrom, 1), Instant::now()),
            Outcome::None
        );
        let outcome = settings.update(Message::Adjust(Item::NightTemperature, 1), Instant::now());
        assert_eq!(change(outcome).1, json!(4500));
    }

    /// A machine with two screens, one of which has two modes.
    fn screens() -> Settings {
        let output = |name: &str| Output {
            name: name.into(),
            width: 1920,
            height: 1080,
            refresh: 60_000,
            scale: 1.0,
            transform: "normal".into(),
            x: 0,
            y: 0,
            dark: false,
            variable_refresh: "off".into(),
        };
        let mode = |width, refresh, preferred| OutputMode {
            width,
            height: 1080,
            refresh,
            preferred,
        };
        let modes = vec![mode(1280, 60_000, false), mode(1920, 59_940, true)];
        let mut settings = open(Page::Displays);
        settings.set_known(Known {
            compositor: Ok(json!({"outputs": {"one": {"transform": 90}}})),
            ..known()
        });
        settings.set_outputs(
            vec![output("one"), output("two")],
            BTreeMap::from([("one".to_owned(), modes)]),
        );
        settings
    }

    fn wish(outcome: Outcome) -> OutputWish {
        match outcome {
            Outcome::Try(wish) => wish,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_screen_is_tried_before_it_is_kept() {
        let mut settings = screens();
        let now = Instant::now();
        let rows: Vec<Item> = settings.rows().iter().map(|(_, item)| *item).collect();
        assert!(rows.starts_with(&[
            Item::Mode(0),
            Item::Scale(0),
            Item::Transform(0),
            Item::Place(0),
            Item::Scale(1),
        ]));
        // The smaller mode, by the keyboard.
        press(&mut settings, Named::ArrowDown);
        let tried = wish(press(&mut settings, Named::ArrowLeft));
        assert_eq!(
            (
                tried.name.as_str(),
                tried.mode.as_str(),
                tried.transform.as_str()
            ),
            ("one", "1280x1080@60", "90")
        );
        assert_eq!(settings.deadline(), None, "it is not done yet");
        assert_eq!(settings.tried(Ok(()), now), None);
        assert!(settings.deadline().is_some_and(|at| at > now));
        // Nothing is kept by a key that was on its way; the question begins on no.
        let keep = |settings: &mut Settings, at| settings.update(Message::Trial(Answer::Keep), at);
        assert_eq!(keep(&mut settings, now), Outcome::None);
        assert_eq!(
            press(&mut settings, Named::ArrowDown),
            Outcome::None,
            "its keys are others"
        );
        press(&mut settings, Named::ArrowDown);
        assert_eq!(press(&mut settings, Named::Enter), Outcome::EndTrial(false));
        assert_eq!(settings.deadline(), None);

        // Kept, it is written.
        wish(settings.update(Message::Pick(Item::Transform(0), 2), now));
        settings.tried(Ok(()), now);
        let later = now + std::time::Duration::from_secs(1);
        assert_eq!(keep(&mut settings, later), Outcome::EndTrial(true));
        let (keys, value) = change(settings.kept(Ok(())));
        assert_eq!(
            (keys.join(".").as_str(), value),
            ("outputs.one.transform", json!("180"))
        );
        assert_eq!(settings.word(Item::Transform(0)), "180");
    }

    #[test]
    fn what_nobody_keeps_in_time_or_cannot_be_tried_is_as_before() {
        let mut settings = screens();
        let now = Instant::now();
        let place = Message::Pick(Item::Place(1), 1);
        let tried = wish(settings.update(place.clone(), now));
        assert_eq!(
            (tried.name.as_str(), tried.place.as_str()),
            ("two", "left-of one")
        );
        settings.tried(Ok(()), now);
        let mut at = now;
        while let Some(next) = settings.deadline() {
            assert!(next > at && next <= now + std::time::Duration::from_secs(16));
            at = next;
            let outcome = settings.tick(at);
            let over = settings.deadline().is_none();
            assert_eq!(outcome == Outcome::EndTrial(false), over);
        }
        assert_eq!(settings.word(Item::Place(1)), "");
        // Too late to keep it, and the reason is said.
        wish(settings.update(place.clone(), now));
        settings.tried(Ok(()), now);
        assert_eq!(settings.kept(Err("too late".into())), Outcome::None);
        assert_eq!(settings.problems[&Item::Place(1)], "too late");
        wish(settings.update(place.clone(), now));
        assert_eq!(settings.tried(Err("no".into()), now), None);
        assert_eq!(settings.problems[&Item::Place(1)], "no");
        // Who closes the settings does not keep it, whenever the compositor is ready.
        wish(settings.update(place, now));
        assert!(settings.abandon() && !settings.abandon());
        assert_eq!(settings.tried(Ok(()), now), Some(false));
    }

    #[test]
    fn accent_and_size_of_text_are_set_at_once() {
        let mut settings = open(Page::Appearance);
        let now = Instant::now();
        let blue = settings
            .choices(Item::Accent)
            .iter()
            .position(|choice| choice.name == "blue");
        let outcome = settings.update(Message::Pick(Item::Accent, blue.unwrap()), now);
        assert_eq!(outcome, Outcome::Accent("blue".into()));
        assert_eq!(settings.word(Item::Accent), "blue");
        // One that was written by hand is one of them.
        settings.set_own("accent", "#123456");
        let choices = settings.choices(Item::Accent);
        assert_eq!(
            settings.chosen(Item::Accent, &choices),
            Some(choices.len() - 1)
        );
        let larger =
            |settings: &mut Settings| settings.update(Message::Adjust(Item::TextSize, 1), now);
        assert_eq!(larger(&mut settings), Outcome::TextSize(110));
        assert_eq!(larger(&mut settings), Outcome::TextSize(125));
        settings.set_own("text-size", 200);
        assert_eq!(larger(&mut settings), Outcome::None);
    }

    #[test]
    fn pages_have_names() {
        for page in Page::ALL {
            assert_eq!(Page::named(page.name()), Some(page));
        }
        assert_eq!(Page::named("nothing"), None);
    }
}
