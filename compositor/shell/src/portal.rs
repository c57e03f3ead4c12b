//! The portal's process: `argos-shell portal`, dialogs that other programs ask for.
//!
//! It shares no process with the panel or the prompts: what a program asks for here may be large or
//! odd. Its dialogs are windows like any other; each belongs to the window of the program that asked
//! where that is known, which takes no input meanwhile. Only where a colour is picked it covers the screens. The bus's
//! side is [`crate::bus::portal`].

use std::collections::BTreeMap;
use std::time::Instant;

use iced_core::{Color, Event, Size};
use tokio::sync::oneshot;

use crate::bus::portal::{Answer, Dialog, Event as Notice, Question};
use crate::host::{
    Anchor, Content, Element, Height, KeyboardInteractivity, Outputs, Program, Spec, Tasks, Window,
};
use crate::parts::chooser::{self, Chooser, entries, places};
use crate::parts::consent::{self, Consent};
use crate::parts::open_with::{self, OpenWith};
use crate::parts::picker::{self, Picker};
use crate::parts::share::{self, Share};
use crate::settings::Look;
use crate::theme::Theme;

/// By what the compositor knows the dialogs.
pub const APP_ID: &str = "org.argos.Portal";

/// The dialogs as a program.
#[derive(Debug)]
pub struct Portal {
    open: BTreeMap<u32, Open>,
    theme: Theme,
    /// How many times larger things are shown.
    text_size: f32,
    inbox: calloop::channel::Sender<Message>,
    /// How many programs keep the session from being idle.
    awake: usize,
    /// When what is shown changes by itself next.
    wake: Option<Instant>,
}

#[derive(Debug)]
struct Open {
    title: String,
    parent: Option<String>,
    modal: bool,
    shown: Shown,
    /// Where the answer goes; nothing once it was given.
    answer: Option<oneshot::Sender<Answer>>,
}

#[derive(Debug)]
enum Shown {
    Files(Box<Chooser>),
    Consent(Consent),
    Apps(OpenWith),
    Share(Share),
    Colour(Picker),
}

/// What can happen.
#[derive(Debug)]
pub enum Message {
    /// Said by the bus.
    Bus(Notice),
    /// In the dialog of this number.
    Files(u32, chooser::Message),
    /// The same.
    Consent(u32, consent::Message),
    /// The same.
    Apps(u32, open_with::Message),
    /// The same.
    Share(u32, share::Message),
    /// The same.
    Colour(u32, picker::Message),
}

/// Its surfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The dialog of this number.
    Dialog(u32),
    /// The picture of a screen, where a colour is picked for the request of this number; the screen's number.
    Still(u32, usize),
    /// What is in front of it.
    Pick(u32, usize),
    /// Nothing to be seen: it keeps the session from being idle.
    Awake,
}

impl Portal {
    /// Without dialogs. What is read elsewhere comes back through `inbox`.
    pub fn new(look: &Look, inbox: calloop::channel::Sender<Message>) -> Self {
        Self {
            open: BTreeMap::new(),
            theme: look.theme(),
            text_size: look.enlarged(),
            inbox,
            awake: 0,
            wake: None,
        }
    }

    fn set_alarm(&mut self, now: Instant) {
        let deadline = |open: &Open| match &open.shown {
            Shown::Consent(consent) => consent.deadline(now),
            Shown::Share(share) => share.deadline(now),
            _ => None,
        };
        self.wake = self.open.values().filter_map(deadline).min();
    }

    fn heard(&mut self, notice: Notice, tasks: &mut Tasks<Part>) {
        match notice {
            Notice::Open(id, dialog) => self.show(id, *dialog, tasks),
            Notice::Close(id) => {
                self.open.remove(&id);
            }
            Notice::Apps(id, apps) => {
                if let Some(Shown::Apps(dialog)) = self.open.get_mut(&id).map(|o| &mut o.shown) {
                    let last = dialog.chosen().unwrap_or_default().to_owned();
                    dialog.set(apps, &last);
                }
            }
            Notice::Look(look) => {
                (self.theme, self.text_size) = (look.theme(), look.enlarged());
            }
            Notice::Awake(count) => self.awake = count,
        }
    }

    fn show(&mut self, id: u32, dialog: Dialog, tasks: &mut Tasks<Part>) {
        let mut first = Vec::new();
        let shown = match dialog.question {
            Question::Files(request) => {
                let (chooser, begin) = Chooser::new(*request, places::places());
                first = begin;
                Shown::Files(Box::new(chooser))
            }
            Question::Consent(request) => Shown::Consent(Consent::new(*request)),
            Question::Share(request) => Shown::Share(Share::new(*request)),
            Question::Apps {
                what,
                apps,
                icons,
                last,
            } => Shown::Apps(OpenWith::new(what, apps, icons, &last)),
            Question::Colour { app, screens } => match Picker::new(app, screens) {
                Some(picker) => Shown::Colour(picker),
                // Who asked is told that by the answer's end.
                None => return,
            },
        };
        self.open.insert(
            id,
            Open {
                title: dialog.title,
                parent: dialog.parent,
                modal: dialog.modal,
                shown,
                answer: Some(dialog.answer),
            },
        );
        self.obey(id, first, tasks);
    }

    /// Does what follows from something in a file dialog.
    fn obey(&mut self, id: u32, follows: Vec<chooser::Task>, tasks: &mut Tasks<Part>) {
        let part = Part::Dialog(id);
        for task in follows {
            match task {
                chooser::Task::Read(folder, number) => self.elsewhere(id, move || {
                    chooser::Message::Listed(number, entries::read(&folder))
                }),
                chooser::Task::Make(folder) => {
                    self.elsewhere(id, move || chooser::Message::Made(entries::make(folder)))
                }
                chooser::Task::Scroll(offset) => {
                    tasks.scroll_to(part, chooser::LIST, offset as f32);
                }
                chooser::Task::Focus(field) => tasks.focus(part, field),
                chooser::Task::Done(None) => self.answer(id, Answer::Cancelled),
                chooser::Task::Done(Some(files)) => self.answer(id, Answer::Files(files)),
            }
        }
    }

    /// Works on a thread of its own: disks may be slow.
    fn elsewhere(&self, id: u32, work: impl FnOnce() -> chooser::Message + Send + 'static) {
        let inbox = self.inbox.clone();
        let work = move || {
            // The receiver is gone only when the program ends.
            let _ = inbox.send(Message::Files(id, work()));
        };
        let started = std::thread::Builder::new()
            .name("folder".into())
            .spawn(work);
        if let Err(error) = started {
            tracing::error!("a folder cannot be read: {error}");
        }
    }

    fn picker(&mut self, id: u32) -> Option<&mut Picker> {
        match &mut self.open.get_mut(&id)?.shown {
            Shown::Colour(picker) => Some(picker),
            _ => None,
        }
    }

    fn answer(&mut self, id: u32, answer: Answer) {
        if let Some(mut open) = self.open.remove(&id)
            && let Some(to) = open.answer.take()
        {
            // Who asked may be gone, and the window goes in any case.
            let _ = to.send(answer);
        }
    }
}

/// Covers a screen, panels as well. What has widgets has the keyboard.
fn cover(part: Part, screen: &str, content: Content) -> Spec<Part> {
    let (keyboard, namespace) = match content {
        Content::Widgets => (KeyboardInteractivity::Exclusive, "argos-pick"),
        _ => (KeyboardInteractivity::None, "argos-still"),
    };
    Spec {
        keyboard,
        content,
        ..Spec::cover(part, Outputs::Named(screen.to_owned()), namespace)
    }
}

impl Program for Portal {
    type Message = Message;
    type Part = Part;

    fn surfaces(&self) -> Vec<Spec<Part>> {
        let mut surfaces: Vec<Spec<Part>> = Vec::new();
        for (id, open) in &self.open {
            let ((width, height), least) = match &open.shown {
                Shown::Colour(picker) => {
                    // What is made later is in front.
                    for (number, screen) in picker.screens().iter().enumerate() {
                        let picture = Content::Picture(screen.picture.clone());
                        surfaces.push(cover(Part::Still(*id, number), &screen.name, picture));
                        let pick = Part::Pick(*id, number);
                        surfaces.push(cover(pick, &screen.name, Content::Widgets));
                    }
                    continue;
                }
                Shown::Files(_) => {
                    let (width, height) = chooser::SIZE;
                    ((width, Height::Fixed(height)), chooser::LEAST)
                }
                Shown::Consent(consent) => {
                    let (width, highest) = consent.size();
                    ((width, Height::Fit(highest)), (320, 160))
                }
                Shown::Share(_) => {
                    let (width, height) = share::SIZE;
                    ((width, Height::Fixed(height)), share::LEAST)
                }
                Shown::Apps(_) => {
                    let (width, height) = open_with::SIZE;
                    ((width, Height::Fixed(height)), open_with::LEAST)
                }
            };
            let window = Window {
                title: open.title.clone(),
                app_id: APP_ID,
                parent: open.parent.clone(),
                modal: open.modal && open.parent.is_some(),
                least,
            };
            surfaces.push(Spec::window(Part::Dialog(*id), width, height, window));
        }
        if self.awake > 0 {
            surfaces.push(Spec {
                anchor: Anchor::TOP | Anchor::LEFT,
                width: 1,
                height: Height::Fixed(1),
                // Nothing of it takes clicks.
                shadow: 1,
                keyboard: KeyboardInteractivity::None,
                content: Content::Nothing,
                keeps_awake: true,
                ..Spec::cover(Part::Awake, Outputs::Active, "argos-awake")
            });
        }
        surfaces
    }

    fn view(&self, part: Part, size: Size) -> Element<'_, Message> {
        let nothing = || iced_widget::space().into();
        let palette = &self.theme.colors;
        let id = match part {
            Part::Dialog(id) => id,
            Part::Pick(id, screen) => {
                return match self.open.get(&id).map(|open| &open.shown) {
                    Some(Shown::Colour(picker)) => picker
                        .view(screen, size, palette)
                        .map(move |message| Message::Colour(id, message)),
                    _ => nothing(),
                };
            }
            Part::Still(..) | Part::Awake => return nothing(),
        };
        match self.open.get(&id).map(|open| &open.shown) {
            Some(Shown::Files(files)) => files
                .view(size, &jiff::Zoned::now(), palette)
                .map(move |message| Message::Files(id, message)),
            Some(Shown::Consent(consent)) => consent
                .view(Instant::now(), size, palette)
                .map(move |message| Message::Consent(id, message)),
            Some(Shown::Share(share)) => share
                .view(Instant::now(), size.width, palette)
                .map(move |message| Message::Share(id, message)),
            Some(Shown::Apps(apps)) => apps
                .view(size.width, palette)
                .map(move |message| Message::Apps(id, message)),
            Some(Shown::Colour(_)) | None => nothing(),
        }
    }

    fn update(&mut self, message: Message, tasks: &mut Tasks<Part>) {
        let now = Instant::now();
        match message {
            Message::Bus(notice) => self.heard(notice, tasks),
            Message::Files(id, message) => {
                if let Some(Shown::Files(files)) = self.open.get_mut(&id).map(|o| &mut o.shown) {
                    let follows = files.update(message, now);
                    self.obey(id, follows, tasks);
                }
            }
            Message::Consent(id, message) => {
                let shown = self.open.get_mut(&id).map(|open| &mut open.shown);
                if let Some(Shown::Consent(consent)) = shown {
                    match consent.update(message, now) {
                        Some(Some(choices)) => self.answer(id, Answer::Yes(choices)),
                        Some(None) => self.answer(id, Answer::Cancelled),
                        None => {}
                    }
                }
            }
            Message::Apps(id, message) => {
                if let Some(Shown::Apps(apps)) = self.open.get_mut(&id).map(|o| &mut o.shown) {
                    match apps.update(message) {
                        open_with::Outcome::None => {}
                        open_with::Outcome::Scroll(offset) => {
                            tasks.scroll_to(Part::Dialog(id), open_with::LIST, offset as f32);
                        }
                        open_with::Outcome::Done(Some(app)) => self.answer(id, Answer::App(app)),
                        open_with::Outcome::Done(None) => self.answer(id, Answer::Cancelled),
                    }
                }
            }
            Message::Share(id, message) => {
                if let Some(Shown::Share(share)) = self.open.get_mut(&id).map(|o| &mut o.shown) {
                    match share.update(message, now) {
                        share::Outcome::None => {}
                        share::Outcome::Scroll(offset) => {
                            tasks.scroll_to(Part::Dialog(id), share::LIST, offset as f32);
                        }
                        share::Outcome::Done(Some(answer)) => {
                            self.answer(id, Answer::Share(answer));
                        }
                        share::Outcome::Done(None) => self.answer(id, Answer::Cancelled),
                    }
                }
            }
            Message::Colour(id, message) => {
                if let Some(picker) = self.picker(id) {
                    match picker.update(message, now) {
                        Some(Some(colour)) => self.answer(id, Answer::Colour(colour)),
                        Some(None) => self.answer(id, Answer::Cancelled),
                        None => {}
                    }
                }
            }
        }
    }

    fn intercept(&self, part: Part, event: &Event) -> Option<Message> {
        let (Part::Dialog(id) | Part::Pick(id, _)) = part else {
            return None;
        };
        match &self.open.get(&id)?.shown {
            Shown::Files(files) => {
                let message = files.intercept(event)?;
                Some(Message::Files(id, message))
            }
            Shown::Consent(_) => Some(Message::Consent(id, Consent::intercept(event)?)),
            Shown::Share(_) => Some(Message::Share(id, Share::intercept(event)?)),
            Shown::Apps(_) => Some(Message::Apps(id, OpenWith::intercept(event)?)),
            Shown::Colour(_) => Some(Message::Colour(id, Picker::intercept(event)?)),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.wake
    }

    // That a question takes answers now is seen when it is drawn again.
    fn tick(&mut self, now: Instant, _: &mut Tasks<Part>) {
        self.set_alarm(now);
    }

    fn shown(&mut self, part: Part) {
        let now = Instant::now();
        if let Part::Dialog(id) = part {
            match self.open.get_mut(&id).map(|open| &mut open.shown) {
                Some(Shown::Consent(consent)) => consent.on_screen(now),
                Some(Shown::Share(share)) => share.on_screen(now),
                _ => {}
            }
        }
        if let Part::Pick(id, _) = part
            && let Some(picker) = self.picker(id)
        {
            picker.on_screen(now);
        }
        self.set_alarm(now);
    }

    fn moves(&mut self, part: Part) {
        if let Part::Dialog(id) = part {
            match self.open.get_mut(&id).map(|open| &mut open.shown) {
                Some(Shown::Consent(consent)) => consent.moves(),
                Some(Shown::Share(share)) => share.moves(),
                _ => {}
            }
        }
        if let Part::Pick(id, _) = part
            && let Some(picker) = self.picker(id)
        {
            picker.moves();
        }
        self.set_alarm(Instant::now());
    }

    fn closes(&mut self, part: Part, _: &mut Tasks<Part>) {
        if let Part::Dialog(id) = part {
            self.answer(id, Answer::Cancelled);
        }
    }

    fn text_color(&self) -> Color {
        self.theme.colors.text
    }

    fn text_size(&self) -> f32 {
        self.text_size
    }

    fn least(&self, part: Part) -> Option<Size> {
        matches!(part, Part::Pick(..)).then_some(picker::LEAST)
    }
}
