//! The portal's back end: on a private bus with a person who presses keys in the dialogs' state, and
//! as a process in front of a compositor without a screen.

mod bench;
mod process;
#[path = "../stage/session.rs"]
mod session;
#[path = "../stage/mod.rs"]
mod stage;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use argos_shell::bus::portal::{Answer, Event, Question};
use argos_shell::fonts;
use argos_shell::host::headless::draw;
use argos_shell::parts::chooser::{
    self, Chooser, Filter, Message, Mode, Rule, Stroke, Task, entries,
};
use argos_shell::theme;
use bench::{Bench, OPEN, options};
use iced_core::{Color, Size};
use zbus::wire::{OwnedVariant, Variant};

/// A person before a file dialog: does at once what it asks to be done.
struct Person {
    dialog: Chooser,
    done: Option<Option<chooser::Answer>>,
}

impl Person {
    fn new(request: chooser::Request) -> Self {
        let (dialog, tasks) = Chooser::new(request, Vec::new());
        let mut person = Self { dialog, done: None };
        person.obey(tasks);
        person
    }

    fn obey(&mut self, tasks: Vec<Task>) {
        for task in tasks {
            match task {
                Task::Read(folder, number) => {
                    self.does(Message::Listed(number, entries::read(&folder)));
                }
                Task::Make(folder) => self.does(Message::Made(entries::make(folder))),
                Task::Done(answer) => self.done = Some(answer),
                Task::Scroll(_) | Task::Focus(_) => {}
            }
        }
    }

    fn does(&mut self, message: Message) {
        let tasks = self.dialog.update(message, Instant::now());
        self.obey(tasks);
    }

    fn presses(&mut self, stroke: Stroke) {
        self.does(Message::Key(stroke));
    }

    fn types(&mut self, letters: &str) {
        for letter in letters.chars() {
            self.presses(Stroke::Letter(letter.to_string()));
        }
    }

    /// Everything that is to be read in the dialog.
    fn reads(&self) -> Vec<String> {
        let theme = theme::built_in("dark");
        let size = Size::new(860.0, 560.0);
        let now: jiff::Zoned = "2026-11-25T12:00:00+00:00[UTC]".parse().unwrap();
        let drawn = draw(
            self.dialog.view(size, &now, &theme.colors),
            Size::new(860, 560),
            1.0,
            Color::BLACK,
            theme.colors.text,
        );
        drawn.texts.into_iter().map(|(text, _)| text).collect()
    }

    fn sees(&self, part: &str) -> bool {
        self.reads().iter().any(|text| text.contains(part))
    }

    /// The paths that were chosen.
    fn chose(self) -> Vec<PathBuf> {
        match self.done {
            Some(Some(answer)) => answer.paths,
            other => panic!("nothing is chosen: {other:?}"),
        }
    }
}

fn request(mode: Mode, folder: &Path) -> chooser::Request {
    chooser::Request {
        mode,
        accept: None,
        folder: Some(folder.to_owned()),
        name: String::new(),
        filters: Vec::new(),
        filter: 0,
        choices: Vec::new(),
    }
}

const ONE: Mode = Mode::Open {
    multiple: false,
    folders: false,
};
const MANY: Mode = Mode::Open {
    multiple: true,
    folders: false,
};

/// A folder with some files and folders.
fn some_files() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.txt", "b.png", "photo 10.png", "photo 2.png", ".secret"] {
        std::fs::write(folder.path().join(name), name).unwrap();
    }
    for name in ["inner", "other"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
    }
    std::fs::write(folder.path().join("inner/deep.txt"), "deep").unwrap();
    folder
}

#[test]
fn letters_and_enter_choose_a_file() {
    fonts::load();
    let folder = some_files();
    let mut person = Person::new(request(ONE, folder.path()));
    assert!(person.sees("photo 2.png") && !person.sees(".secret"));
    person.types("photo");
    person.presses(Stroke::Enter);
    // Numbers count: 2 stands before 10.
    assert_eq!(person.chose(), [folder.path().join("photo 2.png")]);
}

#[test]
fn the_keyboard_alone_goes_everywhere() {
    fonts::load();
    let folder = some_files();
    let mut person = Person::new(request(ONE, folder.path()));
    person.types("i");
    person.presses(Stroke::Enter);
    assert!(person.sees("deep.txt"), "{:?}", person.reads());
    // Back, with the folder that was left chosen, and forward into it again.
    person.presses(Stroke::Move(0, -1));
    assert!(person.sees("other"));
    person.presses(Stroke::Move(0, 1));
    assert!(person.sees("deep.txt"));
    person.does(Message::Back);
    person.does(Message::Hidden);
    assert!(person.sees(".secret"));
    // A path: relative, from the root, and one that is not there.
    for (path, seen) in [
        ("inner".to_owned(), "deep.txt"),
        (folder.path().display().to_string(), "photo 2.png"),
        ("/no/such".to_owned(), "There is no “/no/such”."),
    ] {
        person.does(Message::EditLocation);
        person.does(Message::Typed(chooser::Field::Location, path));
        person.presses(Stroke::Enter);
        assert!(person.sees(seen), "{seen}: {:?}", person.reads());
    }
    // Out of the path first, then out of the dialog.
    person.presses(Stroke::Escape);
    assert_eq!(person.done, None);
    person.presses(Stroke::Escape);
    assert_eq!(person.done, Some(None));
}

#[test]
fn tab_comes_round() {
    let folder = some_files();
    let mut asks = request(Mode::Save, folder.path());
    asks.filters = ["*", "*.png"]
        .map(|pattern| Filter {
            label: pattern.into(),
            rules: vec![Rule::Glob(pattern.into())],
        })
        .to_vec();
    let mut person = Person::new(asks);
    let begun = format!("{:?}", person.dialog);
    // Name, places, new folder, hidden, columns, list, filter, cancel, accept.
    for _ in 0..9 {
        person.presses(Stroke::Tab(false));
    }
    assert_eq!(format!("{:?}", person.dialog), begun);
    person.presses(Stroke::Tab(true));
    person.presses(Stroke::Tab(true));
    person.presses(Stroke::Enter);
    assert_eq!(
        person.done,
        Some(None),
        "the stop before the last is Cancel"
    );
}

#[test]
fn several_are_chosen_by_range_and_one_by_one() {
    let folder = some_files();
    let mut person = Person::new(request(MANY, folder.path()));
    person.presses(Stroke::All);
    person.does(Message::Accept);
    assert_eq!(person.chose().len(), 4, "all files, no folders");
    let mut person = Person::new(request(MANY, folder.path()));
    person.types("a");
    person.does(Message::Modifiers(iced_core::keyboard::Modifiers::SHIFT));
    person.presses(Stroke::Move(2, 0));
    person.does(Message::Modifiers(iced_core::keyboard::Modifiers::empty()));
    person.presses(Stroke::Enter);
    let names = ["a.txt", "b.png", "photo 2.png"].map(|name| folder.path().join(name));
    assert_eq!(person.chose(), names);
}

#[test]
fn a_folder_is_chosen_by_going_into_it() {
    let folder = some_files();
    let mode = Mode::Open {
        multiple: false,
        folders: true,
    };
    let mut person = Person::new(request(mode.clone(), folder.path()));
    person.types("inner");
    person.presses(Stroke::Enter);
    person.does(Message::Accept);
    assert_eq!(person.chose(), [folder.path().join("inner")]);
    // Or by choosing it where it is.
    let mut person = Person::new(request(mode, folder.path()));
    person.types("other");
    person.does(Message::Accept);
    assert_eq!(person.chose(), [folder.path().join("other")]);
}

#[test]
fn nothing_is_replaced_unasked() {
    fonts::load();
    let folder = some_files();
    let mut asks = request(Mode::Save, folder.path());
    asks.name = "a.txt".into();
    let mut person = Person::new(asks);
    person.presses(Stroke::Enter);
    assert!(person.sees("Replace the file?"));
    // Enter keeps it: the keyboard begins on no.
    person.presses(Stroke::Enter);
    assert_eq!(person.done, None);
    assert!(!person.sees("Replace the file?"));
    person.presses(Stroke::Enter);
    person.presses(Stroke::Move(0, 1));
    person.presses(Stroke::Enter);
    assert_eq!(person.chose(), [folder.path().join("a.txt")]);
}

#[test]
fn a_name_that_cannot_be_is_refused_in_words() {
    fonts::load();
    let folder = some_files();
    let long = "x".repeat(300);
    let mut person = Person::new(request(Mode::Save, folder.path()));
    for (name, says) in [
        ("  ", "Type a name"),
        ("nowhere/new.txt", "There is no folder"),
        (long.as_str(), "too long"),
    ] {
        person.does(Message::Typed(chooser::Field::Name, name.to_owned()));
        person.does(Message::Accept);
        assert!(person.sees(says), "{says}: {:?}", person.reads());
        assert_eq!(person.done, None);
    }
    // A folder's name is a way into it, and a new name ends it there.
    person.does(Message::Typed(chooser::Field::Name, "inner".into()));
    person.does(Message::Accept);
    assert!(person.sees("deep.txt"));
    person.does(Message::Typed(chooser::Field::Name, "../new.txt".into()));
    person.does(Message::Accept);
    assert_eq!(person.chose(), [folder.path().join("new.txt")]);
}

#[test]
fn a_new_folder_is_made_and_gone_into() {
    fonts::load();
    let folder = some_files();
    let mut person = Person::new(request(Mode::Save, folder.path()));
    person.does(Message::NewFolder);
    for (name, says) in [("a/b", "no “/”"), ("inner", "exists already")] {
        person.does(Message::Typed(chooser::Field::Folder, name.into()));
        person.presses(Stroke::Enter);
        assert!(person.sees(says), "{:?}", person.reads());
    }
    person.does(Message::Typed(chooser::Field::Folder, "new".into()));
    person.presses(Stroke::Enter);
    person.does(Message::Typed(chooser::Field::Name, "x".into()));
    person.does(Message::Accept);
    assert_eq!(person.chose(), [folder.path().join("new/x")]);
    assert!(folder.path().join("new").is_dir());
}

#[test]
fn files_saved_together_replace_none() {
    let folder = some_files();
    let names = ["a.txt", "a.txt", "new.txt"].map(Into::into).to_vec();
    let mut person = Person::new(request(Mode::SaveAll(names), folder.path()));
    person.does(Message::Accept);
    let names = ["a (1).txt", "a (2).txt", "new.txt"].map(|name| folder.path().join(name));
    assert_eq!(person.chose(), names);
}

#[test]
fn what_cannot_be_read_is_said_where_the_list_would_be() {
    fonts::load();
    let folder = some_files();
    let gone = folder.path().join("inner");
    let mut person = Person::new(request(ONE, &gone));
    std::fs::remove_dir_all(&gone).unwrap();
    person.does(Message::Reload);
    assert!(
        person.sees("“inner” is not there any more."),
        "{:?}",
        person.reads()
    );
    assert!(person.sees("Try again"));
    person.does(Message::Up);
    assert!(person.sees("other"));
}

#[test]
fn a_late_reading_does_not_replace_a_newer_one() {
    fonts::load();
    let folder = some_files();
    let mut person = Person::new(request(ONE, folder.path()));
    let late = entries::read(&folder.path().join("inner"));
    person.does(Message::Listed(0, late));
    assert!(person.sees("a.txt") && !person.sees("deep.txt"));
}

#[test]
fn twenty_thousand_files_are_no_burden() {
    fonts::load();
    let folder = tempfile::tempdir().unwrap();
    for number in 0..20_000 {
        std::fs::File::create(folder.path().join(format!("file {number}.dat"))).unwrap();
    }
    let began = Instant::now();
    let mut person = Person::new(request(MANY, folder.path()));
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    let texts = person.reads().len();
    assert!(texts < 200, "only what is seen is built: {texts} texts");
    let began = Instant::now();
    for _ in 0..20 {
        person.presses(Stroke::Move(1, 0));
        person.reads();
    }
    person.presses(Stroke::Edge(false));
    person.types("file 777");
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    assert!(person.sees("file 777.dat"), "{:?}", person.reads());
    person.presses(Stroke::Enter);
    assert_eq!(person.chose(), [folder.path().join("file 777.dat")]);
}

#[tokio::test]
async fn a_program_gets_the_files_and_how_they_were_chosen() {
    let folder = some_files();
    let mut bench = Bench::new().await;
    let bytes = [folder.path().to_str().unwrap().as_bytes(), b"\0"].concat();
    let filters = vec![
        ("Pictures", vec![(0_u32, "*.png"), (1, "image/png")]),
        ("All", vec![(0, "*")]),
    ];
    let encodings = vec![("u", "UTF-8"), ("l", "Latin-1")];
    let choices = vec![
        ("enc", "Encoding", encodings, "l"),
        ("links", "Follow links", Vec::new(), "maybe"),
    ];
    let asks = options([
        ("multiple", true.into()),
        ("accept_label", "_Take".into()),
        ("current_folder", bytes.into()),
        ("filters", filters.clone().into()),
        ("current_filter", filters[0].clone().into()),
        ("choices", choices.into()),
    ]);
    let reply = bench.calls(
        "FileChooser",
        OPEN,
        "1",
        ("org.example.App", "wayland:w", "Take one", asks),
    );
    let (_, dialog) = bench.opened().await;
    assert_eq!(dialog.title, "Take one");
    assert_eq!((dialog.parent.as_deref(), dialog.modal), (Some("w"), true));
    let Question::Files(request) = dialog.question else {
        panic!("a file dialog is wanted")
    };
    assert_eq!(request.accept.as_deref(), Some("Take"));
    assert_eq!((request.mode.clone(), request.filter), (MANY, 0));
    assert_eq!(request.choices[1].chosen, "false", "it is no word for yes");
    let mut person = Person::new(*request);
    fonts::load();
    assert!(person.sees("b.png") && !person.sees("a.txt"), "filtered");
    person.types("b");
    person.presses(Stroke::Enter);
    let answer = person.done.flatten().unwrap();
    dialog.answer.send(Answer::Files(answer)).unwrap();
    let (response, results) = bench::replied(reply).await;
    assert_eq!(response, 0);
    let uris: Vec<String> = results["uris"].try_clone().unwrap().try_into().unwrap();
    assert_eq!(uris, [format!("file://{}/b.png", folder.path().display())]);
    let filter: Variant<'_> = filters[0].clone().into();
    assert_eq!(*results["current_filter"], filter);
    let choices: Variant<'_> = vec![("enc", "l"), ("links", "false")].into();
    assert_eq!(*results["choices"], choices);
}

#[tokio::test]
async fn saving_begins_where_the_program_says() {
    let folder = some_files();
    let mut bench = Bench::new().await;
    let file = folder.path().join("inner/deep.txt");
    let asks = options([(
        "current_file",
        file.to_str().unwrap().as_bytes().to_vec().into(),
    )]);
    let reply = bench.calls("FileChooser", "SaveFile", "1", ("", "", "", asks));
    let (_, dialog) = bench.opened().await;
    assert_eq!(dialog.title, "Save");
    let Question::Files(request) = dialog.question else {
        panic!("a file dialog is wanted")
    };
    assert_eq!(request.folder, Some(folder.path().join("inner")));
    assert_eq!(request.name, "deep.txt");
    dialog.answer.send(Answer::Cancelled).unwrap();
    let (response, results) = bench::replied(reply).await;
    assert_eq!((response, results.len()), (1, 0));
}

#[tokio::test]
async fn odd_requests_are_cut_to_what_can_be_shown() {
    let mut bench = Bench::new().await;
    let many: Vec<_> = (0..5000)
        .map(|n| (format!("filter {n}"), vec![(0_u32, "*".to_owned()); 20]))
        .collect();
    let title = "T".repeat(200_000);
    let asks = options([
        ("filters", many.into()),
        ("current_folder", b"../etc\0".to_vec().into()),
        ("current_name", "../../.bashrc".into()),
        ("choices", 7_u32.into()),
        ("modal", "yes".into()),
    ]);
    let reply = bench.calls(
        "FileChooser",
        "SaveFile",
        "1",
        ("", "x11:7", title.as_str(), asks),
    );
    let (_, dialog) = bench.opened().await;
    assert!(dialog.title.chars().count() < 200);
    assert_eq!(dialog.parent, None);
    let Question::Files(request) = dialog.question else {
        panic!("a file dialog is wanted")
    };
    assert_eq!(request.filters.len(), 200);
    assert_eq!((request.folder, request.name.as_str()), (None, ".bashrc"));
    assert!(request.choices.is_empty());
    drop(dialog.answer);
    assert_eq!(bench::replied(reply).await.0, 2);
    // Names of files to save are names, and there must be one.
    let names = vec![
        b"/etc/passwd\0".to_vec(),
        b"a\0b\0".to_vec(),
        b"..\0".to_vec(),
    ];
    let asks = options([("files", names.into())]);
    let reply = bench.calls("FileChooser", "SaveFiles", "2", ("", "", "", asks));
    let (_, dialog) = bench.opened().await;
    let Question::Files(request) = dialog.question else {
        panic!("a file dialog is wanted")
    };
    assert_eq!(request.mode, Mode::SaveAll(vec!["passwd".into()]));
    dialog.answer.send(Answer::Cancelled).unwrap();
    bench::replied(reply).await;
    let empty = options([("files", Vec::<Vec<u8>>::new().into())]);
    let refused = bench.calls("FileChooser", "SaveFiles", "3", ("", "", "", empty));
    let error = refused.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("names no file"), "{error}");
}

#[tokio::test]
async fn a_request_is_closed_by_its_caller_and_by_nobody_else() {
    let mut bench = Bench::new().await;
    let reply = bench.calls("FileChooser", OPEN, "1", ("", "", "", options([])));
    let (id, dialog) = bench.opened().await;
    // The same handle again is no request.
    let again = bench.calls("FileChooser", OPEN, "1", ("", "", "", options([])));
    let error = again.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("handle of its own"), "{error}");
    let other = bench.another().await;
    let error = bench.closes(&other, "1").await.unwrap_err().to_string();
    assert!(error.contains("only who made"), "{error}");
    bench.closes(&bench.client, "1").await.unwrap();
    assert!(matches!(bench.event().await, Event::Close(closed) if closed == id));
    assert_eq!(bench::replied(reply).await.0, 2);
    assert!(dialog.answer.is_closed());
    // The object is gone.
    assert!(bench.closes(&bench.client, "1").await.is_err());
}

#[tokio::test]
async fn a_caller_that_leaves_takes_its_dialog_with_it() {
    let mut bench = Bench::new().await;
    let caller = bench.another().await;
    let reply = bench.calls_by(&caller, "FileChooser", OPEN, "1", ("", "", "", options([])));
    let (id, _dialog) = bench.opened().await;
    caller.close().await.unwrap();
    reply.abort();
    assert!(matches!(bench.event().await, Event::Close(closed) if closed == id));
}

#[tokio::test]
async fn there_are_not_endlessly_many_dialogs() {
    let mut bench = Bench::new().await;
    let mut open = Vec::new();
    for number in 0..16 {
        let handle = number.to_string();
        let reply = bench.calls("FileChooser", OPEN, &handle, ("", "", "", options([])));
        open.push((reply, bench.opened().await));
    }
    let reply = bench.calls("FileChooser", OPEN, "more", ("", "", "", options([])));
    assert_eq!(bench::replied(reply).await.0, 2);
}

#[tokio::test]
async fn access_is_given_by_the_person() {
    let mut bench = Bench::new().await;
    let asks = || {
        options([
            ("grant_label", "_Let it".into()),
            (
                "choices",
                vec![("r", "Remember", Vec::<(&str, &str)>::new(), "true")].into(),
            ),
        ])
    };
    let body = (
        "org.example.Cam",
        "",
        "Camera?",
        "It wants to see",
        "More",
        asks(),
    );
    let reply = bench.calls("Access", "AccessDialog", "1", body);
    let (_, dialog) = bench.opened().await;
    let Question::Consent(request) = dialog.question else {
        panic!("a question is wanted")
    };
    assert_eq!(request.title, "Camera?");
    assert_eq!(
        (request.grant.as_str(), request.deny.as_str()),
        ("Let it", "Deny")
    );
    let yes = Answer::Yes(vec![("r".into(), "true".into())]);
    dialog.answer.send(yes).unwrap();
    let (response, results) = bench::replied(reply).await;
    assert_eq!(response, 0);
    let choices: Variant<'_> = vec![("r", "true")].into();
    assert_eq!(*results["choices"], choices);
    let body = ("", "", "Camera?", "", "", asks());
    let reply = bench.calls("Access", "AccessDialog", "2", body);
    bench
        .opened()
        .await
        .1
        .answer
        .send(Answer::Cancelled)
        .unwrap();
    assert_eq!(bench::replied(reply).await.0, 1);
}

#[tokio::test]
async fn an_application_is_chosen() {
    let mut bench = Bench::new().await;
    let asks = options([("filename", "a.png".into()), ("last_choice", "b".into())]);
    let body = ("", "", vec!["no.such.App"], asks);
    let reply = bench.calls("AppChooser", "ChooseApplication", "1", body);
    let (id, dialog) = bench.opened().await;
    let Question::Apps {
        what, apps, last, ..
    } = dialog.question
    else {
        panic!("applications are wanted")
    };
    assert_eq!(
        (what.as_str(), apps.len(), last.as_str()),
        ("a.png", 0, "b")
    );
    let more = bench.calls("AppChooser", "UpdateChoices", "1", (vec!["no.such.App"],));
    more.await.unwrap().unwrap();
    assert!(matches!(bench.event().await, Event::Apps(about, _) if about == id));
    dialog
        .answer
        .send(Answer::App("org.example.View".into()))
        .unwrap();
    let (response, results) = bench::replied(reply).await;
    assert_eq!(response, 0);
    assert_eq!(*results["choice"], Variant::from("org.example.View"));
    let wrong = bench.calls("AppChooser", "UpdateChoices", "9", (vec!["a"],));
    assert!(wrong.await.unwrap().is_err());
}

#[tokio::test]
async fn settings_follow_the_theme() {
    use futures_util::StreamExt;
    let mut bench = Bench::new().await;
    let settings = bench.proxy("Settings").await;
    let all = |namespaces: &'static [&'static str]| {
        let settings = settings.clone();
        async move {
            let all: HashMap<String, HashMap<String, OwnedVariant>> =
                settings.call("ReadAll", &(namespaces,)).await.unwrap();
            all.into_values().map(|values| values.len()).sum::<usize>()
        }
    };
    assert_eq!(all(&[]).await, 4);
    assert_eq!(all(&["org.freedesktop.*"]).await, 4);
    assert_eq!(all(&["org.gnome.*", "org.freedesktop"]).await, 0);
    let read = |key: &'static str| {
        let settings = settings.clone();
        async move {
            let read: zbus::Result<OwnedVariant> = settings
                .call("Read", &("org.freedesktop.appearance", key))
                .await;
            read
        }
    };
    assert_eq!(*read("color-scheme").await.unwrap(), Variant::from(1_u32));
    assert!(read("no-such").await.is_err());
    let mut changes = settings.receive_signal("SettingChanged").await.unwrap();
    let shell = bench.shell("light").await;
    let mut heard = HashMap::new();
    while heard.len() < 2 {
        let change = changes.next().await.unwrap();
        let (namespace, key, value): (String, String, OwnedVariant) =
            change.body().deserialize().unwrap();
        assert_eq!(namespace, "org.freedesktop.appearance");
        heard.insert(key, value);
    }
    assert_eq!(*heard["color-scheme"], Variant::from(2_u32));
    let accent = theme::built_in("light").colors.accent;
    let accent = (accent.r, accent.g, accent.b);
    let accent = (
        f64::from(accent.0),
        f64::from(accent.1),
        f64::from(accent.2),
    );
    assert_eq!(*heard["accent-color"], Variant::from(accent));
    assert!(matches!(bench.event().await, Event::Look(look) if look.theme == "light"));
    // And back, while it is there.
    bench.set_theme(&shell, "dark").await;
    let change = changes.next().await.unwrap();
    let (_, key, _): (String, String, OwnedVariant) = change.body().deserialize().unwrap();
    assert!(["accent-color", "color-scheme"].contains(&key.as_str()));
    assert!(matches!(bench.event().await, Event::Look(look) if look.theme == "dark"));
}

#[tokio::test]
async fn programs_keep_the_session_awake_until_they_let_go() {
    let mut bench = Bench::new().await;
    let asks = || options([("reason", "a film".into())]);
    let film = bench.calls(
        "Inhibit",
        "Inhibit",
        "1",
        ("org.example.Film", "", 8_u32, asks()),
    );
    film.await.unwrap().unwrap();
    assert!(matches!(bench.event().await, Event::Awake(1)));
    let other = bench.another().await;
    let more = bench.calls_by(&other, "Inhibit", "Inhibit", "2", ("", "", 8_u32, asks()));
    more.await.unwrap().unwrap();
    assert!(matches!(bench.event().await, Event::Awake(2)));
    bench.closes(&bench.client, "1").await.unwrap();
    assert!(matches!(bench.event().await, Event::Awake(1)));
    // It ends without a word.
    other.close().await.unwrap();
    assert!(matches!(bench.event().await, Event::Awake(0)));
}
