//! The file dialog: opening, saving, choosing folders.
//!
//! It shows a folder that is *read* elsewhere ([`Task::Read`]; a slow disk does not hold up the
//! dialog), *listed*, or *failed* (the reason stands where the list would be). Each reading has a
//! number, so that one that comes late does not replace a newer one.
//!
//! The keyboard is on one [`Stop`] at a time; Tab goes from one to the next, and each can be left
//! by keys alone. A [`Popup`] or the question whether to replace a file takes all keys while it is
//! there. Names of files are strangers' words: they are shown with hidden characters made visible.

pub mod entries;
pub mod places;
mod types;
mod view;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

use iced_core::Event;
use iced_core::keyboard::{self, Key, Modifiers, key::Named};

pub use entries::{Column, Filter, Listing, Rule};
use entries::{Entry, compare, why};
use places::Place;

use crate::tr;
use crate::visible::visible;
use crate::widgets::next_row;

/// Size it opens with, in logical pixels.
pub const SIZE: (u32, u32) = (860, 560);
/// Smaller it is not made.
pub const LEAST: (u32, u32) = (560, 380);
/// The list's name.
pub const LIST: &str = "chooser-list";
/// The field for a file's name.
pub const NAME: &str = "chooser-name";
/// The field for a path.
pub const LOCATION: &str = "chooser-location";
/// The field for a new folder's name.
pub const FOLDER: &str = "chooser-folder";

/// Height of a row in logical pixels.
const ROW: f32 = 30.0;
/// Letters typed within this belong to one word.
const WORD: Duration = Duration::from_millis(1000);
/// Two clicks within this are a double click.
const DOUBLE: Duration = Duration::from_millis(400);
/// Folders that Back knows.
const MOST_BACK: usize = 100;
/// As many choices of the caller's are shown; the others stay as they are.
pub const MOST_CHOICES: usize = 4;
/// The longest name of a file in bytes, on all disks that matter.
const LONGEST_NAME: usize = 255;

/// What a program asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What is to be chosen.
    pub mode: Mode,
    /// What the button that ends it says, if the program says so.
    pub accept: Option<String>,
    /// Where it begins.
    pub folder: Option<PathBuf>,
    /// What the name begins with, when saving.
    pub name: String,
    /// Which files can be shown.
    pub filters: Vec<Filter>,
    /// Which of them are, at first.
    pub filter: usize,
    /// What else the program wants to know.
    pub choices: Vec<Choice>,
}

/// What is to be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// What exists.
    Open {
        /// One of it, or several.
        multiple: bool,
        /// Folders, not files.
        folders: bool,
    },
    /// Where one file is put, and its name.
    Save,
    /// A folder that files of these names are put into.
    SaveAll(Vec<OsString>),
}

/// Something the program wants to know besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The program's name for it.
    pub id: String,
    /// What it is about.
    pub label: String,
    /// What can be chosen: the program's name, and a label. Nothing: yes or no.
    pub options: Vec<(String, String)>,
    /// What is: one of the options, or `true` or `false`.
    pub chosen: String,
}

impl Choice {
    /// Whether it is a matter of yes or no.
    pub fn is_switch(&self) -> bool {
        self.options.is_empty()
    }

    /// The label of what is chosen.
    pub fn chosen_label(&self) -> &str {
        let chosen = self.options.iter().find(|(id, _)| *id == self.chosen);
        chosen.map_or("", |(_, label)| label)
    }

    /// The other one of yes and no.
    pub fn switch(&mut self) {
        let other = self.chosen != "true";
        self.chosen = other.to_string();
    }
}

/// What was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Absolute paths.
    pub paths: Vec<PathBuf>,
    /// The filter that was on.
    pub filter: Option<Filter>,
    /// The choices' names and values.
    pub choices: Vec<(String, String)>,
}

/// Where the keyboard can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Places,
    NewFolder,
    Hidden,
    Columns,
    List,
    Name,
    Filter,
    Choice(usize),
    Cancel,
    Accept,
}

/// What is in front of the dialog.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Popup {
    /// The filters, or the options of a choice, and the one the keyboard is on.
    Options(Option<usize>, usize),
    /// The name of a new folder, and why it could not be made.
    Folder(String, String),
    /// Whether this file, which exists, is to be replaced, and whether the keyboard is on yes.
    Replace(PathBuf, bool),
}

/// What the list shows.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Reading,
    Listed,
    Failed(String),
}

/// The dialog.
#[derive(Debug)]
pub struct Chooser {
    request: Request,
    places: Vec<Place>,
    place: usize,
    folder: PathBuf,
    back: Vec<PathBuf>,
    forward: Vec<PathBuf>,
    state: State,
    /// Number of the newest reading.
    reading: u64,
    listing: Listing,
    /// Indices of the entries that are shown, in their order.
    shown: Vec<usize>,
    /// Indices of the entries that are chosen.
    selected: BTreeSet<usize>,
    /// The row the keyboard is on, and the one where a range began.
    row: Option<usize>,
    anchor: usize,
    /// What is to be chosen once the folder is listed.
    wanted: Option<OsString>,
    sort: (Column, bool),
    hidden: bool,
    /// How far the list is scrolled, and how high it was when it was drawn last.
    offset: f32,
    height: Cell<f32>,
    name: String,
    /// What is typed instead of the path bar.
    location: Option<String>,
    stop: Stop,
    popup: Option<Popup>,
    problem: String,
    word: (String, Option<Instant>),
    clicked: Option<(usize, Instant)>,
    modifiers: Modifiers,
}

/// What happens in it.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// A folder was read, as the reading of this number.
    Listed(u64, Result<Listing, String>),
    /// A folder was made.
    Made(Result<PathBuf, String>),
    /// The list is scrolled to here.
    Scrolled(f32),
    /// Scroll the list to here.
    ScrollTo(f32),
    /// A row was clicked.
    Click(usize),
    /// Go to this folder.
    Go(PathBuf),
    /// Go to the folder before.
    Back,
    /// Go to the folder after.
    Forward,
    /// Go to the folder around.
    Up,
    /// Go to a place.
    Place(usize),
    /// Read the folder again.
    Reload,
    /// Sort by this column, or the other way round.
    Sort(Column),
    /// Show hidden files, or not.
    Hidden,
    /// Show the filters, or a choice's options.
    Open(Option<usize>),
    /// One of those was chosen.
    Pick(usize),
    /// A yes or no was changed.
    Switch(usize),
    /// Ask for the name of a new folder.
    NewFolder,
    /// A text was typed: a file's name, a path, or a new folder's name.
    Typed(Field, String),
    /// Type a file's name.
    EditName,
    /// Type a path.
    EditLocation,
    /// Something beside all fields was clicked.
    Aside,
    /// Another key is held.
    Modifiers(Modifiers),
    /// A key.
    Key(Stroke),
    /// Done.
    Accept,
    /// Replace the file, or not.
    Replace(bool),
    /// Away with it.
    Cancel,
}

/// A text field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// A file's name.
    Name,
    /// A path.
    Location,
    /// A new folder's name.
    Folder,
}

/// A key by what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stroke {
    /// Rows down, columns right; up and left are negative.
    Move(isize, isize),
    /// A page down, or up.
    Page(isize),
    /// The first, or the last.
    Edge(bool),
    /// Do it.
    Enter,
    /// Choose it, or not.
    Space,
    /// The next stop, or the one before.
    Tab(bool),
    /// Everything.
    All,
    /// Out of it.
    Escape,
    /// A letter.
    Letter(String),
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// A folder is to be read ([`entries::read`]); its number comes back with it.
    Read(PathBuf, u64),
    /// A folder is to be made.
    Make(PathBuf),
    /// The list is to be scrolled to this many whole pixels from its top.
    Scroll(u32),
    /// This field is to have the keyboard.
    Focus(&'static str),
    /// It is over.
    Done(Option<Answer>),
}

impl Chooser {
    /// A dialog for `request`, and what is to be done first.
    pub fn new(request: Request, places: Vec<Place>) -> (Self, Vec<Task>) {
        let known = |path: &PathBuf| path.is_absolute() && path.is_dir();
        let folder = request.folder.clone().filter(known);
        let documents = || places.iter().find(|place| place.first);
        let folder = folder
            .or_else(|| {
                documents()
                    .or_else(|| places.first())
                    .map(|p| p.path.clone())
            })
            .unwrap_or_else(|| "/".into());
        let stop = match request.mode {
            Mode::Save => Stop::Name,
            _ => Stop::List,
        };
        let mut chooser = Self {
            name: request.name.clone(),
            wanted: Some(OsString::from(&request.name)).filter(|name| !name.is_empty()),
            request,
            places,
            place: 0,
            folder: PathBuf::new(),
            back: Vec::new(),
            forward: Vec::new(),
            state: State::Reading,
            reading: 0,
            listing: Listing::default(),
            shown: Vec::new(),
            selected: BTreeSet::new(),
            row: None,
            anchor: 0,
            sort: (Column::Name, false),
            hidden: false,
            offset: 0.0,
            height: Cell::new(320.0),
            location: None,
            stop,
            popup: None,
            problem: String::new(),
            word: (String::new(), None),
            clicked: None,
            modifiers: Modifiers::empty(),
        };
        let mut tasks = chooser.show(folder);
        if stop == Stop::Name {
            tasks.push(Task::Focus(NAME));
        }
        (chooser, tasks)
    }

    fn multiple(&self) -> bool {
        matches!(self.request.mode, Mode::Open { multiple: true, .. })
    }

    /// Whether folders are what is chosen.
    fn folders(&self) -> bool {
        matches!(
            self.request.mode,
            Mode::Open { folders: true, .. } | Mode::SaveAll(_)
        )
    }

    fn saves(&self) -> bool {
        self.request.mode == Mode::Save
    }

    /// Shows a folder without remembering where one was.
    fn show(&mut self, folder: PathBuf) -> Vec<Task> {
        self.folder = folder;
        let here = |place: &Place| place.path == self.folder;
        self.place = self.places.iter().position(here).unwrap_or(self.place);
        self.listing = Listing::default();
        self.problem.clear();
        self.location = None;
        self.offset = 0.0;
        self.arrange();
        self.read()
    }

    fn read(&mut self) -> Vec<Task> {
        self.reading += 1;
        self.state = State::Reading;
        vec![
            Task::Read(self.folder.clone(), self.reading),
            Task::Scroll(self.offset as u32),
        ]
    }

    /// Goes to a folder.
    fn go(&mut self, folder: PathBuf) -> Vec<Task> {
        if folder == self.folder {
            return self.reload();
        }
        self.back.push(std::mem::take(&mut self.folder));
        if self.back.len() > MOST_BACK {
            self.back.remove(0);
        }
        self.forward.clear();
        self.show(folder)
    }

    fn reload(&mut self) -> Vec<Task> {
        let chosen = self.row.and_then(|row| self.shown.get(row));
        self.wanted = chosen.map(|index| self.listing.entries[*index].name.clone());
        self.location = None;
        self.problem.clear();
        self.read()
    }

    /// Goes to the folder around, on the one that was left.
    fn up(&mut self) -> Vec<Task> {
        let Some(around) = self.folder.parent().map(Path::to_owned) else {
            return Vec::new();
        };
        let left = self.folder.file_name().map(OsStr::to_owned);
        let tasks = self.go(around);
        self.wanted = left;
        tasks
    }

    fn filter(&self) -> Option<&Filter> {
        self.request.filters.get(self.request.filter)
    }

    /// Sorts and filters what there is. What is chosen stays so, if it is still shown.
    fn arrange(&mut self) {
        let on = self.row.and_then(|row| self.shown.get(row).copied());
        let entries = &self.listing.entries;
        let filter = self.request.filters.get(self.request.filter);
        let only_folders = self.folders();
        let mut shown: Vec<usize> = (0..entries.len())
            .filter(|index| {
                let entry = &entries[*index];
                (self.hidden || !entry.is_hidden())
                    && (!only_folders || entry.folder)
                    && filter.is_none_or(|filter| filter.takes(entry))
            })
            .collect();
        let (column, downwards) = self.sort;
        shown.sort_by(|a, b| compare(&entries[*a], &entries[*b], column, downwards));
        self.shown = shown;
        let seen: BTreeSet<usize> = self.shown.iter().copied().collect();
        self.selected.retain(|index| seen.contains(index));
        self.row = on.and_then(|on| self.shown.iter().position(|index| *index == on));
        self.anchor = self.row.unwrap_or(0);
        self.clicked = None;
    }

    fn entry(&self, row: usize) -> Option<&Entry> {
        self.listing.entries.get(*self.shown.get(row)?)
    }

    /// Puts the keyboard on a row and chooses it, or everything up to it.
    fn choose(&mut self, row: usize, extend: bool) -> Vec<Task> {
        let Some(index) = self.shown.get(row).copied() else {
            return Vec::new();
        };
        if extend && self.multiple() {
            let (from, to) = (self.anchor.min(row), self.anchor.max(row));
            self.selected = self.shown[from..=to].iter().copied().collect();
        } else {
            self.selected = BTreeSet::from([index]);
            self.anchor = row;
        }
        self.row = Some(row);
        self.problem.clear();
        let entry = &self.listing.entries[index];
        if self.saves() && !entry.folder {
            self.name = entry.name.to_string_lossy().into_owned();
        }
        self.reveal(row)
    }

    /// Scrolls no further than is needed to see a row.
    fn reveal(&mut self, row: usize) -> Vec<Task> {
        let top = row as f32 * ROW;
        let height = self.height.get().max(ROW);
        let offset = self.offset.min(top).max(top + ROW - height).max(0.0).ceil();
        if offset == self.offset {
            return Vec::new();
        }
        self.offset = offset;
        vec![Task::Scroll(offset as u32)]
    }

    /// The folder `reading` is about was read.
    fn listed(&mut self, reading: u64, listing: Result<Listing, String>) -> Vec<Task> {
        if reading != self.reading {
            return Vec::new();
        }
        let (state, listing) = match listing {
            Ok(listing) => (State::Listed, listing),
            Err(why) => (State::Failed(why), Listing::default()),
        };
        self.state = state;
        self.listing = listing;
        self.selected.clear();
        self.row = None;
        self.arrange();
        let wanted = self.wanted.take();
        let place = wanted.and_then(|wanted| {
            let named = |index: &usize| self.listing.entries[*index].name == wanted;
            self.shown.iter().position(named)
        });
        match place {
            Some(row) => {
                let name = std::mem::take(&mut self.name);
                let tasks = self.choose(row, false);
                self.name = name;
                tasks
            }
            // The keyboard has somewhere to begin, and nothing is chosen by itself.
            None => {
                self.row = (!self.shown.is_empty()).then_some(0);
                Vec::new()
            }
        }
    }

    /// A row was clicked.
    fn click(&mut self, row: usize, now: Instant) -> Vec<Task> {
        let double = self
            .clicked
            .is_some_and(|(last, at)| last == row && now.duration_since(at) < DOUBLE);
        let mut tasks = self.turn_to(Stop::List);
        let Some(index) = self.shown.get(row).copied() else {
            return tasks;
        };
        let plain = !self.modifiers.control() && !self.modifiers.shift();
        if double && plain {
            tasks.extend(self.activate(row));
        } else if self.modifiers.control() && self.multiple() {
            self.toggle(index);
            (self.row, self.anchor) = (Some(row), row);
        } else {
            tasks.extend(self.choose(row, self.modifiers.shift()));
        }
        self.clicked = Some((row, now)).filter(|_| !double && plain);
        tasks
    }

    fn toggle(&mut self, index: usize) {
        if !self.selected.remove(&index) {
            self.selected.insert(index);
        }
    }

    /// Opens a folder; ends it with a file.
    fn activate(&mut self, row: usize) -> Vec<Task> {
        let Some(entry) = self.entry(row) else {
            return Vec::new();
        };
        if entry.folder {
            let folder = self.folder.join(&entry.name);
            return self.go(folder);
        }
        self.accept()
    }

    /// What would be answered, if it were accepted now. `None` where nothing fitting is chosen.
    fn paths(&self) -> Option<Vec<PathBuf>> {
        let chosen = |folder: bool| -> Vec<PathBuf> {
            let rows = self.shown.iter().filter(|i| self.selected.contains(i));
            let entries = rows.map(|index| &self.listing.entries[*index]);
            entries
                .filter(|entry| entry.folder == folder)
                .map(|entry| self.folder.join(&entry.name))
                .collect()
        };
        match &self.request.mode {
            Mode::Open { folders: true, .. } => {
                let chosen = chosen(true);
                if !chosen.is_empty() {
                    return Some(chosen);
                }
                (self.state == State::Listed).then(|| vec![self.folder.clone()])
            }
            Mode::Open { folders: false, .. } => Some(chosen(false)).filter(|c| !c.is_empty()),
            Mode::Save => {
                let named = !self.name.trim().is_empty() && self.state == State::Listed;
                named.then(|| vec![self.folder.join(self.name.trim())])
            }
            Mode::SaveAll(names) => {
                let into = chosen(true).pop().unwrap_or_else(|| self.folder.clone());
                (self.state == State::Listed).then(|| free_names(&into, names))
            }
        }
    }

    /// Whether the button that ends it can be pressed: files are chosen, or one folder to go into.
    fn can_accept(&self) -> bool {
        self.paths().is_some() || self.chosen_folder().is_some()
    }

    /// The one thing that is chosen, if it is a folder.
    fn chosen_folder(&self) -> Option<PathBuf> {
        let mut chosen = self.selected.iter();
        let (Some(index), None) = (chosen.next(), chosen.next()) else {
            return None;
        };
        let entry = self.listing.entries.get(*index)?;
        entry.folder.then(|| self.folder.join(&entry.name))
    }

    fn accept(&mut self) -> Vec<Task> {
        self.problem.clear();
        if self.saves() {
            return self.save();
        }
        match (self.paths(), self.chosen_folder()) {
            (Some(paths), _) => {
                let into = match self.request.mode {
                    Mode::SaveAll(_) => paths.first().and_then(|path| path.parent()),
                    _ => None,
                };
                if let Some(folder) = into.filter(|folder| !may_write(folder)) {
                    self.problem = no_writing(folder);
                    return Vec::new();
                }
                self.done(paths)
            }
            (None, Some(folder)) => self.go(folder),
            (None, None) => Vec::new(),
        }
    }

    fn done(&self, paths: Vec<PathBuf>) -> Vec<Task> {
        let choices = self.request.choices.iter();
        vec![Task::Done(Some(Answer {
            paths,
            filter: self.filter().cloned(),
            choices: choices.map(|c| (c.id.clone(), c.chosen.clone())).collect(),
        }))]
    }

    /// Ends it with the name that is typed, if a file can be put there.
    fn save(&mut self) -> Vec<Task> {
        let name = self.name.trim().to_owned();
        if name.is_empty() {
            self.problem = tr!("chooser-no-name");
            return self.turn_to(Stop::Name);
        }
        let path = self.meant(&name);
        if path.is_dir() {
            self.name.clone_from(&self.request.name);
            return self.go(path);
        }
        let (Some(folder), Some(file)) = (path.parent(), path.file_name()) else {
            self.problem = tr!("chooser-no-file-name");
            return Vec::new();
        };
        if file.len() > LONGEST_NAME {
            self.problem = tr!("chooser-long", bytes = file.len(), most = LONGEST_NAME);
            return Vec::new();
        }
        if name.contains('\0') || name.ends_with('/') || !folder.is_dir() {
            self.problem = tr!("chooser-no-folder", folder = readable(folder));
            return Vec::new();
        }
        match std::fs::symlink_metadata(&path) {
            Ok(_) if !may_write(&path) => {
                let name = visible(&file.to_string_lossy());
                self.problem = tr!("chooser-no-replacing", name = name);
                Vec::new()
            }
            Ok(_) => {
                self.popup = Some(Popup::Replace(path, false));
                Vec::new()
            }
            Err(_) if !may_write(folder) => {
                self.problem = no_writing(folder);
                Vec::new()
            }
            Err(_) => self.done(vec![path]),
        }
    }

    /// The path that a typed text means: from the root, from the home, or from here.
    fn meant(&self, text: &str) -> PathBuf {
        let home = places::home();
        let path = match (text.strip_prefix('~'), home) {
            (Some(""), Some(home)) => home,
            (Some(below), Some(home)) if below.starts_with('/') => {
                home.join(below.trim_start_matches('/'))
            }
            _ => self.folder.join(text),
        };
        plain(&path)
    }

    /// Goes where the typed path says.
    fn locate(&mut self) -> Vec<Task> {
        let Some(text) = self.location.clone() else {
            return Vec::new();
        };
        let path = self.meant(text.trim());
        match std::fs::metadata(&path) {
            Ok(about) if about.is_dir() => {
                let mut tasks = self.go(path);
                tasks.extend(self.turn_to(Stop::List));
                tasks
            }
            Ok(_) => {
                let name = path.file_name().unwrap_or_default().to_owned();
                let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
                let mut tasks = self.go(folder);
                if self.saves() {
                    self.name = name.to_string_lossy().into_owned();
                    tasks.extend(self.turn_to(Stop::Name));
                } else {
                    tasks.extend(self.turn_to(Stop::List));
                }
                self.wanted = Some(name);
                tasks
            }
            Err(error) => {
                self.problem = match error.kind() {
                    std::io::ErrorKind::NotFound => {
                        tr!("chooser-no-such", path = readable(&path))
                    }
                    _ => why(&path, &error),
                };
                Vec::new()
            }
        }
    }

    fn stops(&self) -> Vec<Stop> {
        let mut stops = vec![Stop::Places];
        if self.makes_folders() {
            stops.push(Stop::NewFolder);
        }
        stops.extend([Stop::Hidden, Stop::Columns, Stop::List]);
        if self.saves() {
            stops.insert(0, Stop::Name);
        }
        if self.request.filters.len() > 1 {
            stops.push(Stop::Filter);
        }
        let choices = self.request.choices.len().min(MOST_CHOICES);
        stops.extend((0..choices).map(Stop::Choice));
        stops.extend([Stop::Cancel, Stop::Accept]);
        stops
    }

    /// Whether a folder can be made from here.
    fn makes_folders(&self) -> bool {
        self.saves() || self.folders()
    }

    fn turn_to(&mut self, stop: Stop) -> Vec<Task> {
        self.stop = stop;
        self.location = None;
        if stop == Stop::Name {
            return vec![Task::Focus(NAME)];
        }
        Vec::new()
    }

    /// Something happened.
    pub fn update(&mut self, message: Message, now: Instant) -> Vec<Task> {
        match message {
            Message::Listed(reading, listing) => self.listed(reading, listing),
            Message::Made(Ok(folder)) => {
                self.popup = None;
                let mut tasks = self.go(folder);
                if self.stop != Stop::Name {
                    tasks.extend(self.turn_to(Stop::List));
                } else {
                    tasks.push(Task::Focus(NAME));
                }
                tasks
            }
            Message::Made(Err(why)) => {
                match &mut self.popup {
                    Some(Popup::Folder(_, problem)) => *problem = why,
                    _ => self.problem = why,
                }
                Vec::new()
            }
            Message::Scrolled(offset) => {
                self.offset = offset;
                Vec::new()
            }
            Message::ScrollTo(offset) => {
                self.offset = offset.max(0.0).round();
                vec![Task::Scroll(self.offset as u32)]
            }
            Message::Click(row) => self.click(row, now),
            Message::Go(folder) => self.go(folder),
            Message::Back => match self.back.pop() {
                Some(folder) => {
                    self.forward.push(std::mem::take(&mut self.folder));
                    self.show(folder)
                }
                None => Vec::new(),
            },
            Message::Forward => match self.forward.pop() {
                Some(folder) => {
                    self.back.push(std::mem::take(&mut self.folder));
                    self.show(folder)
                }
                None => Vec::new(),
            },
            Message::Up => self.up(),
            Message::Place(place) => {
                let Some(found) = self.places.get(place) else {
                    return Vec::new();
                };
                self.place = place;
                let folder = found.path.clone();
                self.go(folder)
            }
            Message::Reload => self.reload(),
            Message::Sort(column) => {
                let (old, downwards) = self.sort;
                self.sort = (column, old == column && !downwards);
                self.arrange();
                self.row.map_or_else(Vec::new, |row| self.reveal(row))
            }
            Message::Hidden => {
                self.hidden = !self.hidden;
                self.arrange();
                self.row.map_or_else(Vec::new, |row| self.reveal(row))
            }
            Message::Open(which) => {
                self.open(which);
                Vec::new()
            }
            Message::Pick(at) => self.pick(at),
            Message::Switch(at) => {
                if let Some(choice) = self.request.choices.get_mut(at) {
                    choice.switch();
                }
                self.turn_to(Stop::Choice(at))
            }
            Message::NewFolder => {
                self.popup = Some(Popup::Folder(String::new(), String::new()));
                vec![Task::Focus(FOLDER)]
            }
            Message::Typed(field, text) => {
                match (field, &mut self.popup) {
                    (Field::Name, _) => self.name = text,
                    (Field::Location, _) => self.location = Some(text),
                    (Field::Folder, Some(Popup::Folder(name, problem))) => {
                        *name = text;
                        problem.clear();
                    }
                    (Field::Folder, _) => {}
                }
                self.problem.clear();
                Vec::new()
            }
            Message::EditName => self.turn_to(Stop::Name),
            Message::EditLocation => self.edit_location(None),
            Message::Aside => {
                if self.popup.is_none() && (self.stop == Stop::Name || self.location.is_some()) {
                    return self.turn_to(Stop::List);
                }
                if matches!(self.popup, Some(Popup::Options(..))) {
                    self.popup = None;
                }
                Vec::new()
            }
            Message::Modifiers(modifiers) => {
                self.modifiers = modifiers;
                Vec::new()
            }
            Message::Key(stroke) => self.key(stroke, now),
            Message::Accept => self.accept(),
            Message::Replace(replace) => match self.popup.take() {
                Some(Popup::Replace(path, _)) if replace => self.done(vec![path]),
                Some(Popup::Replace(..)) => self.turn_to(Stop::Name),
                other => {
                    self.popup = other;
                    Vec::new()
                }
            },
            Message::Cancel => vec![Task::Done(None)],
        }
    }

    fn edit_location(&mut self, begin: Option<&str>) -> Vec<Task> {
        let text = match begin {
            Some(begin) => begin.to_owned(),
            None => {
                let mut text = self.folder.to_string_lossy().into_owned();
                if !text.ends_with('/') {
                    text.push('/');
                }
                text
            }
        };
        self.location = Some(text);
        vec![Task::Focus(LOCATION)]
    }

    fn open(&mut self, which: Option<usize>) {
        let at = match which {
            None => self.request.filter,
            Some(choice) => {
                let Some(choice) = self.request.choices.get(choice) else {
                    return;
                };
                let chosen = |(id, _): &(String, String)| *id == choice.chosen;
                choice.options.iter().position(chosen).unwrap_or(0)
            }
        };
        self.stop = which.map_or(Stop::Filter, Stop::Choice);
        self.popup = Some(Popup::Options(which, at));
    }

    /// How many options there are.
    fn options(&self, which: Option<usize>) -> usize {
        match which {
            None => self.request.filters.len(),
            Some(choice) => self
                .request
                .choices
                .get(choice)
                .map_or(0, |c| c.options.len()),
        }
    }

    fn pick(&mut self, at: usize) -> Vec<Task> {
        if let Some(Popup::Options(which, _)) = self.popup.take() {
            self.set(which, at);
        }
        self.row.map_or_else(Vec::new, |row| self.reveal(row))
    }

    fn set(&mut self, which: Option<usize>, at: usize) {
        match which {
            None if at < self.request.filters.len() => {
                self.request.filter = at;
                self.arrange();
            }
            None => {}
            Some(choice) => {
                if let Some(choice) = self.request.choices.get_mut(choice)
                    && let Some((id, _)) = choice.options.get(at)
                {
                    choice.chosen.clone_from(id);
                }
            }
        }
    }

    fn key(&mut self, stroke: Stroke, now: Instant) -> Vec<Task> {
        if let Some(popup) = self.popup.clone() {
            return self.key_in_popup(popup, stroke);
        }
        if self.location.is_some() {
            return match stroke {
                Stroke::Enter => self.locate(),
                Stroke::Escape | Stroke::Tab(_) => {
                    self.problem.clear();
                    self.turn_to(Stop::List)
                }
                _ => Vec::new(),
            };
        }
        match (self.stop, stroke) {
            (_, Stroke::Escape) => vec![Task::Done(None)],
            (_, Stroke::Tab(back)) => {
                let stops = self.stops();
                let at = stops.iter().position(|stop| *stop == self.stop);
                let next = next_row(at, if back { -1 } else { 1 }, stops.len());
                self.turn_to(stops[next])
            }
            (Stop::Name, Stroke::Enter) => self.accept(),
            (Stop::Name, Stroke::Move(1, 0)) => self.turn_to(Stop::List),
            (Stop::Places, Stroke::Move(by, 0)) if !self.places.is_empty() => {
                self.place = next_row(Some(self.place), by, self.places.len());
                Vec::new()
            }
            (Stop::Places, Stroke::Move(0, 1)) => self.turn_to(Stop::List),
            (Stop::Places, Stroke::Enter | Stroke::Space) => {
                let tasks = self.update(Message::Place(self.place), now);
                self.turn_to(Stop::List);
                tasks
            }
            (Stop::Columns, Stroke::Move(0, by)) => {
                let at = Column::ALL.iter().position(|c| *c == self.sort.0);
                let next = next_row(at, by, Column::ALL.len());
                self.update(Message::Sort(Column::ALL[next]), now)
            }
            (Stop::Columns, Stroke::Enter | Stroke::Space) => {
                self.update(Message::Sort(self.sort.0), now)
            }
            (Stop::Columns, Stroke::Move(1, 0)) => self.turn_to(Stop::List),
            (Stop::Filter, Stroke::Move(by, 0)) => {
                self.step(None, self.request.filter, by);
                Vec::new()
            }
            (Stop::Choice(at), Stroke::Move(by, 0)) => {
                let choice = &self.request.choices[at];
                let chosen = |(id, _): &(String, String)| *id == choice.chosen;
                let now = choice.options.iter().position(chosen).unwrap_or(0);
                self.step(Some(at), now, by);
                Vec::new()
            }
            (Stop::NewFolder, Stroke::Enter | Stroke::Space) => {
                self.update(Message::NewFolder, now)
            }
            (Stop::Hidden, Stroke::Enter | Stroke::Space) => self.update(Message::Hidden, now),
            (Stop::Filter, Stroke::Enter | Stroke::Space) => {
                self.open(None);
                Vec::new()
            }
            (Stop::Choice(at), Stroke::Enter | Stroke::Space) => {
                if self.request.choices[at].is_switch() {
                    return self.update(Message::Switch(at), now);
                }
                self.open(Some(at));
                Vec::new()
            }
            (Stop::Cancel, Stroke::Enter | Stroke::Space) => vec![Task::Done(None)],
            (Stop::Accept, Stroke::Enter | Stroke::Space) => self.accept(),
            (Stop::Cancel | Stop::Accept, Stroke::Move(0, by)) => {
                self.key(Stroke::Tab(by < 0), now)
            }
            (Stop::List, stroke) => self.key_in_list(stroke, now),
            // A letter means a file, wherever the keyboard is.
            (Stop::Name, Stroke::Letter(_)) => Vec::new(),
            (_, Stroke::Letter(letter)) => {
                let tasks = self.turn_to(Stop::List);
                debug_assert!(tasks.is_empty());
                self.type_ahead(&letter, now)
            }
            _ => Vec::new(),
        }
    }

    /// The option after or before, if there is one.
    fn step(&mut self, which: Option<usize>, now: usize, by: isize) {
        let next = now as isize + by;
        if (0..self.options(which) as isize).contains(&next) {
            self.set(which, next as usize);
        }
    }

    fn key_in_list(&mut self, stroke: Stroke, now: Instant) -> Vec<Task> {
        let last = self.shown.len().saturating_sub(1);
        let page = ((self.height.get() / ROW) as usize).max(2) - 1;
        let extend = self.modifiers.shift();
        let to = |row: usize, this: &mut Self| this.choose(row.min(last), extend);
        match (stroke, self.row) {
            (Stroke::Move(by, 0), Some(row)) => {
                // The first row is not passed over when nothing was chosen yet.
                let first = self.selected.is_empty() && row == 0 && by > 0;
                let row = if first {
                    0
                } else {
                    row.saturating_add_signed(by)
                };
                to(row, self)
            }
            (Stroke::Move(0, 1), Some(row)) if self.entry(row).is_some_and(|e| e.folder) => {
                self.activate(row)
            }
            (Stroke::Move(0, -1), _) => self.up(),
            (Stroke::Page(by), Some(row)) => {
                to(row.saturating_add_signed(by * page as isize), self)
            }
            (Stroke::Edge(first), Some(_)) => to(if first { 0 } else { last }, self),
            (Stroke::Enter, _) if self.modifiers.control() => self.accept(),
            (Stroke::Enter, Some(row)) => {
                if self.selected.len() > 1 {
                    return self.accept();
                }
                let tasks = self.choose(row, false);
                [tasks, self.activate(row)].concat()
            }
            (Stroke::Space, Some(row)) => {
                match (self.multiple(), self.shown.get(row).copied()) {
                    (true, Some(index)) => self.toggle(index),
                    _ => return self.choose(row, false),
                }
                self.anchor = row;
                Vec::new()
            }
            (Stroke::All, _) if self.multiple() => {
                let entries = &self.listing.entries;
                let folders = self.folders();
                let fitting = self.shown.iter().copied();
                self.selected = fitting.filter(|i| entries[*i].folder == folders).collect();
                Vec::new()
            }
            (Stroke::Letter(letter), _) => self.type_ahead(&letter, now),
            _ => Vec::new(),
        }
    }

    /// Goes to the next name that begins with what was typed.
    fn type_ahead(&mut self, letter: &str, now: Instant) -> Vec<Task> {
        let going_on = self
            .word
            .1
            .is_some_and(|at| now.duration_since(at) < WORD && !self.word.0.is_empty());
        if !going_on && matches!(letter, "/" | "~") {
            return self.edit_location(Some(letter));
        }
        if !going_on {
            self.word.0.clear();
        }
        // The same letter again and again goes through all that begin with it.
        if self.word.0 != letter {
            self.word.0.push_str(&letter.to_lowercase());
        }
        self.word.1 = Some(now);
        let count = self.shown.len();
        let single = self.word.0.chars().count() == 1;
        let from = self.row.map_or(0, |row| {
            row + usize::from(single && !self.selected.is_empty())
        });
        let mut rows = (0..count).map(|by| (from + by) % count);
        let found = rows.find(|row| {
            self.entry(*row)
                .is_some_and(|entry| entry.begins_with(&self.word.0))
        });
        found.map_or_else(Vec::new, |row| self.choose(row, false))
    }

    fn key_in_popup(&mut self, popup: Popup, stroke: Stroke) -> Vec<Task> {
        match (popup, stroke) {
            (Popup::Replace(..), Stroke::Escape) => {
                self.popup = None;
                self.turn_to(Stop::Name)
            }
            (_, Stroke::Escape) => {
                self.popup = None;
                let stop = self.stop;
                self.turn_to(stop)
            }
            (Popup::Options(which, at), Stroke::Move(by, 0)) => {
                let count = self.options(which);
                let next = next_row(Some(at), by, count.max(1));
                self.popup = Some(Popup::Options(which, next));
                Vec::new()
            }
            (Popup::Options(_, at), Stroke::Enter | Stroke::Space) => self.pick(at),
            (Popup::Replace(path, yes), Stroke::Move(..) | Stroke::Tab(_)) => {
                self.popup = Some(Popup::Replace(path, !yes));
                Vec::new()
            }
            (Popup::Replace(path, true), Stroke::Enter | Stroke::Space) => self.done(vec![path]),
            (Popup::Replace(_, false), Stroke::Enter | Stroke::Space) => {
                self.popup = None;
                self.turn_to(Stop::Name)
            }
            (Popup::Folder(name, _), Stroke::Enter) => {
                let name = name.trim();
                let bad = name.is_empty()
                    || name.contains(['/', '\0'])
                    || matches!(name, "." | "..")
                    || name.len() > LONGEST_NAME;
                if bad {
                    let problem = if name.len() > LONGEST_NAME {
                        tr!("chooser-folder-long")
                    } else {
                        tr!("chooser-folder-wrong")
                    };
                    self.popup = Some(Popup::Folder(name.to_owned(), problem));
                    return Vec::new();
                }
                vec![Task::Make(self.folder.join(name))]
            }
            _ => Vec::new(),
        }
    }

    /// Whether a text field has the keyboard.
    fn types(&self) -> bool {
        match &self.popup {
            Some(Popup::Folder(..)) => true,
            Some(_) => false,
            None => self.location.is_some() || self.stop == Stop::Name,
        }
    }

    /// The keys.
    pub fn intercept(&self, event: &Event) -> Option<Message> {
        let Event::Keyboard(event) = event else {
            return None;
        };
        let (key, physical, modifiers, text) = match event {
            keyboard::Event::ModifiersChanged(modifiers) => {
                return Some(Message::Modifiers(*modifiers));
            }
            keyboard::Event::KeyPressed {
                key,
                physical_key,
                modifiers,
                text,
                ..
            } => (key, physical_key, modifiers, text),
            keyboard::Event::KeyReleased { .. } => return None,
        };
        let types = self.types();
        let free = self.popup.is_none();
        let stroke = match key {
            Key::Named(Named::ArrowUp) if modifiers.alt() && free => return Some(Message::Up),
            Key::Named(Named::ArrowLeft) if modifiers.alt() && free => return Some(Message::Back),
            Key::Named(Named::ArrowRight) if modifiers.alt() && free => {
                return Some(Message::Forward);
            }
            Key::Named(Named::Home) if modifiers.alt() && free => {
                return Some(Message::Place(0));
            }
            Key::Named(Named::F5) if free => return Some(Message::Reload),
            Key::Named(Named::Backspace) if free && !types => return Some(Message::Up),
            Key::Named(Named::Escape) => Stroke::Escape,
            Key::Named(Named::Tab) => Stroke::Tab(modifiers.shift()),
            Key::Named(Named::Enter) if modifiers.control() && free && self.location.is_none() => {
                return Some(Message::Accept);
            }
            Key::Named(Named::Enter) => Stroke::Enter,
            Key::Named(Named::ArrowDown) => Stroke::Move(1, 0),
            Key::Named(Named::ArrowUp) => Stroke::Move(-1, 0),
            Key::Character(_) if modifiers.control() && !modifiers.alt() && free => {
                let shortcut = match key.to_latin(*physical)?.to_ascii_lowercase() {
                    'h' => Message::Hidden,
                    'l' => Message::EditLocation,
                    'r' => Message::Reload,
                    'n' if self.makes_folders() => Message::NewFolder,
                    'a' if !types => Message::Key(Stroke::All),
                    _ => return None,
                };
                return Some(shortcut);
            }
            // The rest is for the field.
            _ if types => return None,
            Key::Named(Named::ArrowRight) => Stroke::Move(0, 1),
            Key::Named(Named::ArrowLeft) => Stroke::Move(0, -1),
            Key::Named(Named::PageDown) => Stroke::Page(1),
            Key::Named(Named::PageUp) => Stroke::Page(-1),
            Key::Named(Named::Home) => Stroke::Edge(true),
            Key::Named(Named::End) => Stroke::Edge(false),
            // Within a word that is being typed it is a letter.
            Key::Named(Named::Space) if self.in_word() => Stroke::Letter(" ".into()),
            Key::Named(Named::Space) => Stroke::Space,
            Key::Character(_) if !modifiers.control() && !modifiers.alt() && !modifiers.logo() => {
                Stroke::Letter(text.as_ref()?.to_string())
            }
            _ => return None,
        };
        Some(Message::Key(stroke))
    }

    fn in_word(&self) -> bool {
        self.stop == Stop::List
            && !self.word.0.is_empty()
            && self.word.1.is_some_and(|at| at.elapsed() < WORD)
    }
}

/// Whether the person may write there.
fn may_write(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
}

fn no_writing(folder: &Path) -> String {
    tr!("chooser-no-writing", folder = readable(folder))
}

/// A path to be read by people.
fn readable(path: &Path) -> String {
    visible(&path.to_string_lossy())
}

/// A path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => plain.push(name),
            Component::ParentDir => {
                plain.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    plain
}

/// Where files of these names can be put without replacing any: `a (1).txt`, if there is an `a.txt`.
fn free_names(folder: &Path, names: &[OsString]) -> Vec<PathBuf> {
    let mut taken: Vec<PathBuf> = Vec::new();
    for name in names {
        let free = |path: &Path, taken: &[PathBuf]| {
            std::fs::symlink_metadata(path).is_err() && !taken.iter().any(|other| other == path)
        };
        let mut path = folder.join(name);
        let stem = Path::new(name).file_stem().unwrap_or(name).to_owned();
        let ending = Path::new(name).extension().map(OsStr::to_owned);
        let mut number = 1;
        while !free(&path, &taken) && number < 10_000 {
            let mut other = stem.clone();
            other.push(format!(" ({number})"));
            if let Some(ending) = &ending {
                other.push(".");
                other.push(ending);
            }
            path = folder.join(other);
            number += 1;
        }
        taken.push(path);
    }
    taken
}
