//! Parts of the shell that others make: found by manifest, and run by the person's supervisor.
//!
//! * [`manifest`]: the files.
//! * [`roster`]: what is to be of each part, decided.
//! * here: what is decided is done, on a thread of its own that follows the folders and the supervisor.
//!
//! The processes are transient units of the person's `argos-init`, as applications and agents are: it starts them
//! again with growing pauses, stops them by SIGTERM and then SIGKILL with all that they started, keeps their logs,
//! and they outlive a shell that crashes. A new shell knows them again by what their descriptions say. What the
//! supervisor leaves open is decided here: which units there are to be, and when one that dies again and again is
//! given up.

pub mod manifest;
mod roster;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use argos_bus::shell::Part;
use argos_config::watch::Watcher;
use argos_control::{Client, ErrorCode, Event, UnitStatus};
use calloop::channel::{Channel, Event as ChannelEvent, Sender, channel};
use calloop::generic::Generic;
use calloop::timer::{TimeoutAction, Timer};
use calloop::{EventLoop, Interest, LoopHandle, Mode, PostAction};

use manifest::{BuiltIn, PREFIX, find};
use roster::{Do, Roster};
pub use roster::{Problem, Seen};

/// Whoever writes a file often does several things to it; they are looked at together after this.
const CALM: Duration = Duration::from_millis(60);
/// How long the supervisor may take to start or stop a unit: longer than it gives one between SIGTERM and SIGKILL.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pauses between attempts to reach it.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// The folders with manifests, later ones over earlier ones. The person's is below the home whatever
/// `XDG_DATA_HOME` says: agents' tools keep out of it by that name.
pub fn folders() -> Vec<PathBuf> {
    let own = std::env::var_os("HOME").filter(|home| !home.is_empty());
    let own = own.map(|home| Path::new(&home).join(".local/share/argos/parts"));
    ["/usr/share/argos/parts", "/etc/argos/parts"]
        .map(PathBuf::from)
        .into_iter()
        .chain(own)
        .collect()
}

/// The thread that looks after the parts.
#[derive(Debug, Clone)]
pub struct Plugins {
    inbox: Sender<Input>,
    known: Arc<Mutex<Known>>,
}

/// What it last found.
#[derive(Debug, Default)]
struct Known {
    list: Vec<Part>,
    replaced: BTreeSet<BuiltIn>,
}

/// What it hears.
#[derive(Debug)]
enum Input {
    /// The supervisor is there, with these units.
    Connected(Vec<UnitStatus>),
    /// It is not: why.
    Lost(String),
    /// Something became of a part's unit.
    Unit(Event),
    /// What was asked of this unit was not done.
    Refused(String, String),
    /// Start this part anew.
    Restart(String),
}

impl Plugins {
    /// Starts it, for manifests in `folders`. `tell` hears whenever there is something new for the shell.
    pub fn start(folders: Vec<PathBuf>, tell: impl Fn(Seen) + Send + 'static) -> Self {
        let (inbox, inputs) = channel();
        let known = Arc::default();
        let plugins = Self { inbox, known };
        let of_thread = plugins.clone();
        let run = move || {
            if let Err(error) = run(folders, of_thread, inputs, Box::new(tell)) {
                tracing::error!("no parts but the shell's own: {error}");
            }
        };
        let started = std::thread::Builder::new()
            .name("parts".to_owned())
            .spawn(run);
        if let Err(error) = started {
            tracing::error!("no parts but the shell's own: no thread: {error}");
        }
        plugins
    }

    /// Every part, by name.
    pub fn list(&self) -> Vec<Part> {
        self.known().list.clone()
    }

    /// Whether another part stands in for this one.
    pub fn replaces(&self, built_in: BuiltIn) -> bool {
        self.known().replaced.contains(&built_in)
    }

    /// Starts a part anew, also one that was given up.
    ///
    /// # Errors
    /// `NotFound`: there is none of that name.
    pub fn restart(&self, name: &str) -> argos_bus::Result<()> {
        let list = self.list();
        if !list.iter().any(|part| part.name == name) {
            let text =
                format!("there is no part `{name}`; `argos desktop parts` shows those there are");
            return Err(argos_bus::Error::NotFound(text));
        }
        let sent = self.inbox.send(Input::Restart(name.to_owned()));
        sent.map_err(|_| argos_bus::Error::Unavailable("the shell is ending".to_owned()))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // It is replaced as a whole, so there is nothing half done in it.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the thread works with.
struct Keeper {
    folders: Vec<PathBuf>,
    roster: Roster,
    watcher: Option<Rc<Watcher>>,
    /// A change was seen and is looked at soon.
    pending: bool,
    /// The supervisor is followed.
    follows: bool,
    plugins: Plugins,
    tell: Box<dyn Fn(Seen)>,
    told: Seen,
    handle: LoopHandle<'static, Keeper>,
}

fn run(
    folders: Vec<PathBuf>,
    plugins: Plugins,
    inputs: Channel<Input>,
    tell: Box<dyn Fn(Seen)>,
) -> calloop::Result<()> {
    let mut events = EventLoop::<'static, Keeper>::try_new()?;
    let handle = events.handle();
    handle
        .insert_source(inputs, |input, (), keeper| {
            if let ChannelEvent::Msg(input) = input {
                keeper.hears(input);
            }
        })
        .map_err(|error| error.error)?;
    // Where they find the compositor: the one that this shell is on.
    let session = std::env::var("WAYLAND_DISPLAY")
        .ok()
        .map(|display| ("WAYLAND_DISPLAY".to_owned(), display));
    let mut keeper = Keeper {
        folders,
        roster: Roster::new(session.into_iter().collect()),
        watcher: None,
        pending: false,
        follows: false,
        plugins,
        tell,
        told: Seen::default(),
        handle,
    };
    match keeper.watch() {
        Ok(watcher) => keeper.watcher = Some(watcher),
        Err(error) => tracing::warn!(
            "manifests of parts are not followed: {error}; they are read when the shell starts"
        ),
    }
    keeper.look();
    // Of a shell before this one there may be parts whose manifests are gone.
    if !keeper.follows && Client::user().is_ok_and(has_parts) {
        keeper.follow();
    }
    events.run(None, &mut keeper, |_| {})
}

fn has_parts(mut supervisor: Client) -> bool {
    let is_part = |unit: &UnitStatus| manifest::part_of(&unit.name, &unit.description).is_some();
    supervisor
        .status()
        .is_ok_and(|units| units.iter().any(is_part))
}

impl Keeper {
    fn hears(&mut self, input: Input) {
        let now = Instant::now();
        let steps = match input {
            Input::Connected(units) => self.roster.connected(units, now),
            Input::Lost(why) => {
                self.roster.lost(why);
                Vec::new()
            }
            Input::Unit(Event::Unit(unit)) => self.roster.told(unit, now),
            Input::Unit(Event::Removed(unit)) => self.roster.removed(&unit),
            Input::Refused(unit, why) => {
                tracing::warn!("{unit}: {why}");
                self.roster.refused(&unit, why);
                Vec::new()
            }
            Input::Restart(name) => {
                // The program may be there by now.
                self.look();
                self.roster.restart(&name)
            }
        };
        self.finish(steps);
    }

    /// Reads the manifests, and has their folders and what is a link among them watched.
    fn look(&mut self) {
        // First: what changes while they are read is seen.
        self.watch_all(&self.folders, Watcher::folder);
        let found = find(&self.folders);
        let links = found.values().map(|found| &found.path);
        self.watch_all(links.filter(|path| path.is_symlink()), Watcher::file);
        let steps = self.roster.found(found);
        if !self.follows && !self.roster.is_empty() {
            self.follow();
        }
        self.finish(steps);
    }

    /// Has the steps done, and tells what is new.
    fn finish(&mut self, steps: Vec<Do>) {
        let seen = self.roster.seen();
        *self.plugins.known() = Known {
            list: self.roster.list(),
            replaced: seen.replaced.clone(),
        };
        // Before anything starts: what a part stands in for should be gone by then.
        if seen != self.told {
            for (name, problem) in &seen.problems {
                if self.told.problems.get(name) != Some(problem) {
                    tracing::warn!("part {name}: {problem}");
                }
            }
            (self.tell)(seen.clone());
            self.told = seen;
        }
        for step in steps {
            self.ask(step);
        }
    }

    /// Asks the supervisor for a step. It may take a while: others do not wait for it.
    fn ask(&self, step: Do) {
        let inbox = self.plugins.inbox.clone();
        let unit = match &step {
            Do::Start(unit) => unit.name.clone(),
            Do::Stop(unit) => unit.clone(),
        };
        let name = unit.clone();
        let ask = move || {
            let asked = Client::user().and_then(|mut supervisor| {
                supervisor.set_timeout(Some(PATIENCE))?;
                match step {
                    Do::Start(unit) => supervisor.start_transient(*unit, Vec::new()),
                    Do::Stop(unit) => supervisor.stop(&unit),
                }
            });
            let refused = asked.err().filter(|error| {
                // It died at once, and that is told as all deaths are; or it is gone already.
                let told = [Some(ErrorCode::Failed), Some(ErrorCode::NotFound)];
                !told.contains(&error.code())
            });
            if let Some(error) = refused {
                // The receiver is gone only when the program ends.
                let _ = inbox.send(Input::Refused(name, error.to_string()));
            }
        };
        let started = std::thread::Builder::new()
            .name("part".to_owned())
            .spawn(ask);
        if let Err(error) = started {
            let why = format!("no thread: {error}");
            let _ = self.plugins.inbox.send(Input::Refused(unit, why));
        }
    }

    /// Follows the supervisor from now on.
    fn follow(&mut self) {
        let inbox = self.plugins.inbox.clone();
        let started = std::thread::Builder::new()
            .name("units".to_owned())
            .spawn(move || follow(&inbox));
        match started {
            Ok(_) => self.follows = true,
            Err(error) => self.roster.lost(format!("no thread: {error}")),
        }
    }

    /// Has changes of the folders followed.
    fn watch(&self) -> Result<Rc<Watcher>, Box<dyn std::error::Error>> {
        let watcher = Rc::new(Watcher::of_changes()?);
        let source = Generic::new(Rc::clone(&watcher), Interest::READ, Mode::Level);
        self.handle
            .insert_source(source, |_, watcher, keeper| {
                if watcher.happened() {
                    keeper.look_soon();
                }
                Ok(PostAction::Continue)
            })
            .map_err(|error| error.error)?;
        Ok(watcher)
    }

    fn look_soon(&mut self) {
        if self.pending {
            return;
        }
        let timer = Timer::from_duration(CALM);
        let added = self.handle.insert_source(timer, |_, (), keeper| {
            keeper.pending = false;
            keeper.look();
            TimeoutAction::Drop
        });
        self.pending = added.is_ok();
    }

    /// Watches these too, as folders or as files.
    fn watch_all<'a>(
        &self,
        paths: impl IntoIterator<Item = &'a PathBuf>,
        how: fn(&Watcher, &Path) -> Result<(), argos_config::Error>,
    ) {
        let Some(watcher) = &self.watcher else {
            return;
        };
        for path in paths {
            if let Err(error) = how(watcher, path) {
                tracing::warn!("{error}");
            }
        }
    }
}

/// Tells what becomes of the parts' units, as long as somebody listens.
fn follow(inbox: &Sender<Input>) {
    let (first, longest) = PAUSES;
    let mut pause = first;
    loop {
        // In this order: what happens in between is told as well.
        let subscribed = Client::user().and_then(Client::subscribe);
        let subscribed = subscribed.and_then(|events| Ok((events, Client::user()?.status()?)));
        let lost = match subscribed {
            Ok((events, units)) => {
                pause = first;
                if inbox.send(Input::Connected(units)).is_err() {
                    return;
                }
                let mut lost = String::new();
                for event in events {
                    let told = match event {
                        Ok(event) if is_of_part(&event) => inbox.send(Input::Unit(event)),
                        Ok(_) => continue,
                        Err(error) => {
                            lost = error.to_string();
                            break;
                        }
                    };
                    if told.is_err() {
                        return;
                    }
                }
                lost
            }
            Err(error) => error.to_string(),
        };
        if inbox.send(Input::Lost(lost)).is_err() {
            return;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(longest);
    }
}

fn is_of_part(event: &Event) -> bool {
    match event {
        Event::Unit(unit) => unit.name.starts_with(PREFIX),
        Event::Removed(unit) => unit.starts_with(PREFIX),
    }
}
