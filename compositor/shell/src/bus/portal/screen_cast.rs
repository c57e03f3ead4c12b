//! `org.freedesktop.impl.portal.ScreenCast`: outputs and windows as video for programs.
//!
//! # A session's way
//!
//! `CreateSession` makes a [`Cast`], `SelectSources` says what the program wants, `Start` asks the person and starts
//! `argos-screencast`, a process for each session (see [`recorder`]), which says under which nodes PipeWire has the
//! streams. It ends with the session: when the program closes it or is gone, when nothing of what is recorded is left,
//! and when the person presses the sign on the panel ([`Recording`]).
//!
//! # Who is not asked
//!
//! What the person chose is given to the front end to keep ([`Kept`]), if the program wants that and the person too.
//! When it comes back and all of it is there, it is recorded without a question: an output of that name, a window of
//! that application with that title, or its only one. Otherwise the person is asked anew.

mod recorder;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use iced_widget::image::Handle;
use tokio::sync::watch;
use zbus::Connection;
use zbus::fdo;
use zbus::message::Header;
use zbus::names::UniqueName;
use zbus::object_server::SignalEmitter;
use zbus::wire::{OwnedObjectPath, OwnedVariant, Variant};

use self::recorder::{Recorder, Stream};
use super::desk::{Asked, Waiting, leaves};
use super::options::Kept;
use super::screenshot::on_a_thread;
use super::{Answer, CANCELLED, Desk, Question, Results, SUCCESS, options};
use crate::icons::load_app_icon;
use crate::parts::share::{self, Offer};
use crate::sources::{self, Screen, Window};
use crate::tr;

/// Where [`Recording`] is, and its name.
pub(super) const RECORDING: (&str, &str) = ("/org/argos/Sharing1", "org.argos.Sharing1");

/// What can be recorded: outputs, windows.
const MONITOR: u32 = 1;
const WINDOW: u32 = 2;
/// Whether the pointer is in the frames. As data beside them it is not given.
const HIDDEN: u32 = 1;
const EMBEDDED: u32 = 2;
/// The most that a choice is kept: until the person takes it back.
const FOREVER: u32 = 2;

/// As many sessions are open at once.
const MOST: usize = 32;
/// Pixels of an icon: twice its size in the list, for sharp screens.
const ICON: u32 = 80;

/// What a program selected.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    types: u32,
    multiple: bool,
    pointer: bool,
    /// For how long it wants the choice to hold: 0, 1 (while it runs) or 2.
    persist: u32,
    restore: Vec<Kept>,
}

impl Wanted {
    /// What the options say; or why that cannot be.
    fn of(options: &Results) -> Result<Self, String> {
        let types = options::number(options, "types").unwrap_or(MONITOR);
        if types & (MONITOR | WINDOW) == 0 {
            return Err(format!(
                "no sources of the types {types:#x}: outputs (1) and windows (2) can be recorded"
            ));
        }
        let pointer = match options::number(options, "cursor_mode") {
            None | Some(HIDDEN) => false,
            Some(EMBEDDED) => true,
            Some(other) => {
                return Err(format!(
                    "no cursor mode {other:#x}: the pointer is hidden (1) or embedded (2)"
                ));
            }
        };
        Ok(Self {
            types: types & (MONITOR | WINDOW),
            multiple: options::flag(options, "multiple").unwrap_or(false),
            pointer,
            persist: options::number(options, "persist_mode").map_or(0, |mode| mode.min(FOREVER)),
            restore: options::kept(options),
        })
    }
}

/// Something that can be recorded.
#[derive(Debug, Clone)]
enum Source {
    Screen(Screen),
    Window(Window),
}

impl Source {
    fn kept(&self) -> Kept {
        match self {
            Self::Screen(screen) => Kept {
                kind: MONITOR,
                name: screen.name.clone(),
                title: String::new(),
            },
            Self::Window(window) => Kept {
                kind: WINDOW,
                name: window.app.clone(),
                title: window.title.clone(),
            },
        }
    }

    /// As `argos-screencast` is told it.
    fn argument(&self) -> String {
        match self {
            Self::Screen(screen) => format!("output:{}", screen.name),
            Self::Window(window) => format!("window:{}", window.identifier),
        }
    }

    /// What a program is told of its stream.
    fn about(&self, stream: &Stream) -> HashMap<&'static str, Variant<'static>> {
        match self {
            Self::Screen(screen) => HashMap::from([
                ("source_type", MONITOR.into()),
                ("position", screen.at.into()),
                ("size", screen.logical.into()),
                ("mapping_id", screen.name.clone().into()),
            ]),
            Self::Window(window) => HashMap::from([
                ("source_type", WINDOW.into()),
                ("size", stream.size.into()),
                ("mapping_id", window.identifier.clone().into()),
            ]),
        }
    }
}

/// Which sources were kept, by number. Nothing unless each is there, and one at least.
fn find(kept: &[Kept], sources: &[Source], wanted: &Wanted) -> Option<Vec<usize>> {
    if kept.is_empty() || (kept.len() > 1 && !wanted.multiple) {
        return None;
    }
    let mut found = Vec::new();
    for kept in kept {
        let is_it = |(at, is): &(usize, Kept)| {
            is.kind == kept.kind && is.name == kept.name && !found.contains(at)
        };
        let named = sources.iter().map(Source::kept).enumerate().filter(is_it);
        let named: Vec<(usize, Kept)> = named.collect();
        let same = named.iter().find(|(_, is)| is.title == kept.title);
        let at = match (same, named.as_slice()) {
            // The only one is it, also where its title is another by now.
            (Some((at, _)), _) | (None, [(at, _)]) => *at,
            _ => return None,
        };
        found.push(at);
    }
    Some(found)
}

/// A program's session.
#[derive(Debug)]
struct Cast {
    caller: Option<UniqueName<'static>>,
    app: String,
    wanted: Mutex<Option<Wanted>>,
    begun: AtomicBool,
    recorder: Mutex<Option<Recorder>>,
    by_caller: AtomicBool,
    over: watch::Sender<bool>,
}

impl Cast {
    fn recorder(&self) -> MutexGuard<'_, Option<Recorder>> {
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wanted(&self) -> MutexGuard<'_, Option<Wanted>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) {
        self.over.send_replace(true);
    }

    async fn ended(&self) {
        let mut over = self.over.subscribe();
        // The other end is this session.
        let _ = over.wait_for(|over| *over).await;
    }

    fn is_of(&self, header: &Header<'_>) -> bool {
        header.sender().map(UniqueName::as_str) == self.caller.as_ref().map(UniqueName::as_str)
    }

    /// Keeps the recorder as long as the session; ends it where that is over. Whether it is kept.
    fn keep(&self, recorder: Recorder) -> bool {
        let mut kept = self.recorder();
        let over = *self.over.borrow();
        if !over {
            *kept = Some(recorder);
        }
        !over
    }

    /// Ends the recording.
    fn stop(&self) {
        self.end();
        let recorder = self.recorder().take();
        drop(recorder);
    }
}

/// Every session, by its path.
#[derive(Debug, Clone, Default)]
pub(super) struct Casts(Arc<Mutex<BTreeMap<String, Arc<Cast>>>>);

impl Casts {
    fn list(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Cast>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, path: &OwnedObjectPath, header: &Header<'_>) -> fdo::Result<Arc<Cast>> {
        let cast = self.list().get(path.as_str()).cloned();
        cast.filter(|cast| cast.is_of(header)).ok_or_else(|| {
            fdo::Error::InvalidArgs(format!(
                "there is no session at {path}; CreateSession makes one"
            ))
        })
    }

    /// Tells who shows it for whom something is recorded.
    async fn announce(&self, bus: &Connection) {
        let server = bus.object_server();
        let told = async {
            let recording = server.interface::<_, Recording>(RECORDING.0).await?;
            let emitter = recording.signal_emitter();
            recording.get().await.shares_changed(emitter).await
        };
        if let Err(error) = told.await {
            tracing::debug!("nobody hears of recordings: {error}");
        }
    }

    /// Sees a session through to its end.
    async fn live(self, bus: Connection, cast: Arc<Cast>, path: OwnedObjectPath) {
        let left = async {
            match cast.caller.clone() {
                Some(caller) => {
                    if let Err(error) = leaves(&bus, caller).await {
                        tracing::debug!("a caller cannot be watched: {error}");
                    }
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = cast.ended() => {}
            () = left => {}
        }
        cast.stop();
        self.list().remove(path.as_str());
        if !cast.by_caller.load(Ordering::Relaxed)
            && let Ok(emitter) = SignalEmitter::new(&bus, &path)
            && let Err(error) = Session::closed(&emitter).await
        {
            tracing::debug!("nobody hears that {path} is closed: {error}");
        }
        let removed = bus.object_server().remove::<Session, _>(&path).await;
        if let Err(error) = removed {
            tracing::debug!("the session at {path}: {error}");
        }
        self.announce(&bus).await;
    }
}

#[derive(Debug)]
pub(super) struct ScreenCast {
    desk: Desk,
    casts: Casts,
}

impl ScreenCast {
    pub(super) fn new(desk: Desk, casts: Casts) -> Self {
        Self { desk, casts }
    }

    /// Has the person choose, and records that. Nothing, where the person wants none of it.
    async fn begin(
        &self,
        cast: &Arc<Cast>,
        wanted: &Wanted,
        program: PathBuf,
        parent: &str,
        options: &Results,
        waiting: &Waiting,
    ) -> Result<Option<Results>, String> {
        self.desk.speak();
        let (types, restore) = (wanted.types, wanted.restore.clone());
        let wants = wanted.clone();
        let (sources, restored, offers) = on_a_thread(move || {
            let mut there = sources::list().map_err(|error| error.to_string())?;
            let known = find(&restore, &selected(&there, types), &wants);
            let offers = if known.is_some() {
                Vec::new()
            } else {
                sources::add_pictures(&mut there);
                offers(&selected(&there, types))
            };
            Ok((selected(&there, types), known, offers))
        })
        .await?;
        let (chosen, remember) = match restored {
            Some(restored) => (restored, true),
            None => {
                let asked = Asked {
                    title: tr!("share-title"),
                    parent: options::parent(parent),
                    modal: options::flag(options, "modal").unwrap_or(true),
                    question: Question::Share(Box::new(share::Request {
                        app: cast.app.clone(),
                        offers,
                        multiple: wanted.multiple,
                        remember: wanted.persist > 0,
                    })),
                };
                let asking = self.desk.ask(self.desk.number(), asked, waiting);
                let answer = tokio::select! {
                    answer = asking => answer,
                    () = cast.ended() => None,
                };
                match answer {
                    Some(Answer::Share(answer)) => (answer.chosen, answer.remember),
                    Some(_) => return Ok(None),
                    None => return Err("the request was closed".to_owned()),
                }
            }
        };
        let chosen: Vec<&Source> = chosen.iter().filter_map(|at| sources.get(*at)).collect();
        let arguments = chosen.iter().map(|source| source.argument()).collect();
        let (recorder, streams, ended) = tokio::select! {
            started = Recorder::start(program, arguments, wanted.pointer) => started?,
            () = waiting.ended() => return Err("the request was closed".to_owned()),
        };
        if !cast.keep(recorder) {
            return Err("the session was closed".to_owned());
        }
        let over = cast.clone();
        tokio::spawn(async move {
            // Its sender says it, or is gone.
            let _ = ended.await;
            over.end();
        });
        let results = results(&chosen, &streams, wanted, remember);
        results.map(Some).map_err(|error| error.to_string())
    }
}

/// The sources of these types.
fn selected(there: &sources::Sources, types: u32) -> Vec<Source> {
    let screens = there.screens.iter().cloned().map(Source::Screen);
    let windows = there.windows.iter().cloned().map(Source::Window);
    let screens = screens.filter(|_| types & MONITOR != 0);
    screens
        .chain(windows.filter(|_| types & WINDOW != 0))
        .collect()
}

/// The sources as they are shown. Reads many files.
fn offers(sources: &[Source]) -> Vec<Offer> {
    let apps = argos_apps::list();
    let offer = |source: &Source| match source {
        Source::Screen(screen) => Offer {
            name: if screen.about.is_empty() {
                screen.name.clone()
            } else {
                format!("{} ({})", screen.about, screen.name)
            },
            about: tr!(
                "share-screen",
                width = screen.pixels.0,
                height = screen.pixels.1
            ),
            window: false,
            picture: screen.picture.clone(),
        },
        Source::Window(window) => {
            let app = apps.iter().find(|app| app.id == window.app);
            let name = app.map_or(window.app.as_str(), |app| app.name.as_str());
            let icon = app.and_then(|app| load_app_icon(&app.icon, ICON));
            Offer {
                name: window.title.clone(),
                about: tr!("share-window", app = name),
                window: true,
                picture: icon
                    .map(|pixels| Handle::from_rgba(pixels.size, pixels.size, pixels.rgba)),
            }
        }
    };
    sources.iter().map(offer).collect()
}

/// What the program is told.
fn results(
    chosen: &[&Source],
    streams: &[Stream],
    wanted: &Wanted,
    remember: bool,
) -> zbus::Result<Results> {
    let told = chosen.iter().zip(streams);
    let told: Vec<_> = told
        .map(|(source, stream)| (stream.node, source.about(stream)))
        .collect();
    let persist = if remember { wanted.persist } else { 0 };
    let mut results = Results::new();
    let mut put = |name: &str, value: Variant<'_>| {
        results.insert(name.to_owned(), OwnedVariant::try_from(value)?);
        Ok::<(), zbus::Error>(())
    };
    put("streams", told.into())?;
    put("persist_mode", persist.into())?;
    if persist > 0 {
        let kept: Vec<Kept> = chosen.iter().map(|source| source.kept()).collect();
        put("restore_data", options::restore_data(&kept))?;
    }
    Ok(results)
}

#[zbus::interface(name = "org.freedesktop.impl.portal.ScreenCast")]
impl ScreenCast {
    /// Makes a session, which is at `session_handle`.
    async fn create_session(
        &self,
        _handle: OwnedObjectPath,
        session_handle: OwnedObjectPath,
        app_id: String,
        _options: Results,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> fdo::Result<(u32, Results)> {
        recorder::program().map_err(fdo::Error::Failed)?;
        let cast = Arc::new(Cast {
            caller: header.sender().map(UniqueName::to_owned),
            app: app_id,
            wanted: Mutex::default(),
            begun: AtomicBool::default(),
            recorder: Mutex::default(),
            by_caller: AtomicBool::default(),
            over: watch::Sender::new(false),
        });
        if self.casts.list().len() >= MOST {
            return Err(fdo::Error::LimitsExceeded(format!(
                "{MOST} programs record the screen already"
            )));
        }
        let server = connection.object_server();
        let session = Session(cast.clone());
        if server.at(&session_handle, session).await?.is_some() {
            return Err(fdo::Error::InvalidArgs(format!(
                "there is a session at {session_handle} already; each has a handle of its own"
            )));
        }
        let path = session_handle.to_string();
        self.casts.list().insert(path.clone(), cast.clone());
        let casts = self.casts.clone();
        tokio::spawn(casts.live(connection.clone(), cast, session_handle));
        let id = OwnedVariant::try_from(Variant::from(path))?;
        Ok((SUCCESS, Results::from([("session_id".to_owned(), id)])))
    }

    /// Says what the program wants to record.
    async fn select_sources(
        &self,
        _handle: OwnedObjectPath,
        session_handle: OwnedObjectPath,
        _app_id: String,
        options: Results,
        #[zbus(header)] header: Header<'_>,
    ) -> fdo::Result<(u32, Results)> {
        let cast = self.casts.get(&session_handle, &header)?;
        let wanted = Wanted::of(&options).map_err(fdo::Error::InvalidArgs)?;
        *cast.wanted() = Some(wanted);
        Ok((SUCCESS, Results::new()))
    }

    /// Asks the person, and records what is chosen until the session ends.
    #[allow(clippy::too_many_arguments)]
    async fn start(
        &self,
        handle: OwnedObjectPath,
        session_handle: OwnedObjectPath,
        _app_id: String,
        parent_window: String,
        options: Results,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> fdo::Result<(u32, Results)> {
        let cast = self.casts.get(&session_handle, &header)?;
        let Some(wanted) = cast.wanted().clone() else {
            return Err(fdo::Error::Failed(
                "SelectSources comes before Start".to_owned(),
            ));
        };
        if cast.begun.swap(true, Ordering::Relaxed) {
            return Err(fdo::Error::Failed(
                "a session is started once; make another one".to_owned(),
            ));
        }
        let program = recorder::program().map_err(fdo::Error::Failed)?;
        let waiting = Waiting::new(connection, &header, handle).await?;
        let begun = self
            .begin(&cast, &wanted, program, &parent_window, &options, &waiting)
            .await;
        waiting.over().await;
        match begun {
            Ok(Some(results)) => {
                self.casts.announce(connection).await;
                Ok((SUCCESS, results))
            }
            Ok(None) => {
                cast.end();
                Ok((CANCELLED, Results::new()))
            }
            Err(why) => {
                cast.end();
                tracing::warn!("nothing of the screen is recorded: {why}");
                Err(fdo::Error::Failed(why))
            }
        }
    }

    /// What can be recorded: outputs (1) and windows (2), where `argos-screencast` is installed.
    #[zbus(property(emits_changed_signal = "const"))]
    fn available_source_types(&self) -> u32 {
        match recorder::program() {
            Ok(_) => MONITOR | WINDOW,
            Err(_) => 0,
        }
    }

    /// Where the pointer can be: nowhere (1) or in the frames (2).
    #[zbus(property(emits_changed_signal = "const"))]
    fn available_cursor_modes(&self) -> u32 {
        HIDDEN | EMBEDDED
    }

    /// The interface's version: from 4 on choices can be kept, from 5 on streams have a `mapping_id`.
    #[zbus(property(emits_changed_signal = "const"), name = "version")]
    fn version(&self) -> u32 {
        5
    }
}

/// By what a program ends its session.
struct Session(Arc<Cast>);

#[zbus::interface(name = "org.freedesktop.impl.portal.Session")]
impl Session {
    /// Ends it.
    fn close(&self, #[zbus(header)] header: Header<'_>) -> fdo::Result<()> {
        if !self.0.is_of(&header) {
            return Err(fdo::Error::AccessDenied(
                "only who made a session may close it".to_owned(),
            ));
        }
        self.0.by_caller.store(true, Ordering::Relaxed);
        self.0.end();
        Ok(())
    }

    /// It has ended by itself.
    #[zbus(signal)]
    async fn closed(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;

    /// The interface's version.
    #[zbus(property(emits_changed_signal = "const"), name = "version")]
    fn version(&self) -> u32 {
        1
    }
}

/// `org.argos.Sharing1`: for the sign on the panel.
#[derive(Debug)]
pub(super) struct Recording(pub(super) Casts);

#[zbus::interface(name = "org.argos.Sharing1")]
impl Recording {
    /// Ends every recording.
    fn stop_all(&self) {
        for cast in self.0.list().values() {
            if cast.recorder().is_some() {
                cast.end();
            }
        }
    }

    /// For whom something is recorded.
    #[zbus(property)]
    fn shares(&self) -> Vec<String> {
        let casts = self.0.list();
        let recording = casts.values().filter(|cast| cast.recorder().is_some());
        recording.map(|cast| cast.app.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(values: &[(&str, Variant<'static>)]) -> Results {
        let values = values.iter().map(|(name, value)| {
            let value = OwnedVariant::try_from(value).unwrap();
            ((*name).to_owned(), value)
        });
        values.collect()
    }

    fn screen(name: &str) -> Source {
        Source::Screen(Screen {
            name: name.into(),
            at: (10, 20),
            logical: (640, 400),
            pixels: (1280, 800),
            ..Screen::default()
        })
    }

    fn window(app: &str, title: &str) -> Source {
        Source::Window(Window {
            identifier: format!("id of {title}"),
            title: title.into(),
            app: app.into(),
        })
    }

    fn any(multiple: bool) -> Wanted {
        Wanted {
            types: MONITOR | WINDOW,
            multiple,
            pointer: false,
            persist: FOREVER,
            restore: Vec::new(),
        }
    }

    #[test]
    fn a_program_gets_what_it_selects_or_hears_why_not() {
        let plain = Wanted::of(&Results::new()).unwrap();
        assert_eq!((plain.types, plain.multiple), (MONITOR, false));
        assert_eq!((plain.pointer, plain.persist), (false, 0));
        let all = Wanted::of(&with(&[
            ("types", 7_u32.into()),
            ("multiple", true.into()),
            ("cursor_mode", EMBEDDED.into()),
            ("persist_mode", 9_u32.into()),
        ]))
        .unwrap();
        assert_eq!((all.types, all.multiple), (MONITOR | WINDOW, true));
        assert_eq!((all.pointer, all.persist), (true, FOREVER));
        for (name, value) in [("types", 4_u32), ("types", 0), ("cursor_mode", 4)] {
            let why = Wanted::of(&with(&[(name, value.into())])).unwrap_err();
            assert!(why.contains(&format!("{value:#x}")), "{why}");
        }
        // What has another type was not said.
        let odd = with(&[("types", "all".into()), ("persist_mode", true.into())]);
        assert_eq!(Wanted::of(&odd), Ok(plain));
    }

    #[test]
    fn what_was_kept_is_found_or_the_person_is_asked() {
        let all = [
            screen("DP-1"),
            window("org.example.Mail", "Inbox"),
            window("org.example.Mail", "Letter"),
            window("org.example.Film", "Now playing"),
        ];
        let found = |kept: &[Source], multiple| {
            let kept: Vec<Kept> = kept.iter().map(Source::kept).collect();
            find(&kept, &all, &any(multiple))
        };
        assert_eq!(found(&[screen("DP-1")], false), Some(vec![0]));
        assert_eq!(
            found(&[window("org.example.Mail", "Letter")], false),
            Some(vec![2])
        );
        // The only window of an application is it, whatever it shows.
        assert_eq!(
            found(&[window("org.example.Film", "Before")], false),
            Some(vec![3])
        );
        for gone in [
            screen("DP-2"),
            window("org.example.Mail", "Draft"),
            window("org.example.Other", "Inbox"),
        ] {
            assert_eq!(found(&[screen("DP-1"), gone], true), None);
        }
        assert_eq!(found(&[], true), None);
        let two = [screen("DP-1"), window("org.example.Mail", "Inbox")];
        assert_eq!(found(&two, true), Some(vec![0, 1]));
        assert_eq!(found(&two, false), None, "only one is wanted now");
        // One window does not stand for two.
        let twice = [
            window("org.example.Film", "One"),
            window("org.example.Film", "Two"),
        ];
        assert_eq!(found(&twice, true), None);
    }

    #[test]
    fn what_is_kept_comes_back_as_it_was() {
        let sources = [screen("DP-1"), window("org.example.Mail", "Inbox")];
        let chosen: Vec<&Source> = sources.iter().collect();
        let streams = [(41, (1280, 800)), (42, (300, 200))];
        let streams = streams.map(|(node, size)| Stream { node, size });
        let told = results(&chosen, &streams, &any(true), true).unwrap();
        assert_eq!(*told["persist_mode"], Variant::from(FOREVER));
        let kept: Vec<Kept> = sources.iter().map(Source::kept).collect();
        assert_eq!(options::kept(&told), kept);
        let again = Wanted::of(&told).unwrap();
        assert_eq!(again.restore, kept);
        let streams = format!("{:?}", told["streams"]);
        assert!(
            streams.contains("41") && streams.contains("640"),
            "{streams}"
        );
        // Without the person's yes to that nothing is kept.
        let told = results(&chosen, &[], &any(true), false).unwrap();
        assert_eq!(*told["persist_mode"], Variant::from(0_u32));
        assert!(!told.contains_key("restore_data"));
    }
}
