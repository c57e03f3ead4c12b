//! X programs: Xwayland, without a root window of its own, when somebody wants it.
//!
//! # The server's life
//!
//! The display's sockets ([`display`]) are the compositor's. While no server runs it watches them; the first
//! client that comes gets one started, which takes the sockets over and answers it. The server says that it is
//! up, the compositor becomes its window manager, and its windows are windows like all others ([`windows`]), in
//! pixels of their own ([`scale`]) of whose size programs are told ([`presentation`]). When it ends, however that
//! comes, its windows are gone and the sockets are watched again, after a pause that grows while servers do not
//! last. A server of which nobody has had a window for [`UNUSED`] is ended, and so is one that does not answer
//! ([`watchdog`]).
//!
//! | state | sockets are watched | [`Xwayland::server`] |
//! |---|---|---|
//! | switched off, or no program `Xwayland` | there are none | none |
//! | nobody has come | yes | none |
//! | starting | no | without [`Server::wm`] |
//! | running | no | with it |
//! | after a failure | after a pause | none |
//!
//! Xwayland is one client of the compositor, and all X programs are behind it: see `docs/desktop.md`, "X
//! programs", for what that means for who may see what.

mod display;
mod hints;
mod presentation;
mod scale;
mod selection;
mod watchdog;
pub(crate) mod windows;

pub(crate) use self::windows as x11;

use std::{
    collections::HashSet,
    os::fd::OwnedFd,
    process::Stdio,
    rc::Rc,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, poll};
use smithay::{
    delegate_xwayland_shell,
    reexports::{
        calloop::{
            Interest, Mode, PostAction, RegistrationToken,
            generic::Generic,
            timer::{TimeoutAction, Timer},
        },
        wayland_server::{Client, DisplayHandle},
    },
    wayland::{compositor::CompositorClientState, xwayland_shell::XWaylandShellState},
    xwayland::{X11Wm, XWayland, xwm::XwmId},
};

use self::{
    display::Display, hints::Hints, presentation::Presentation, selection::Offered,
    watchdog::Watchdog,
};
use crate::state::State;

/// The program.
const PROGRAM: &str = "Xwayland";
/// A server without windows is ended after this.
const UNUSED: Duration = Duration::from_secs(60);
/// A server that ran for this long has not failed to start.
const LASTING: Duration = Duration::from_secs(5);
/// The pauses after servers that did not last.
const PAUSES: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(60)];
/// Added to the display's number, the one that smithay is told; see [`display::substitute`].
const STAND_IN: u32 = 10_000;

/// See the module's page.
#[derive(Debug)]
pub(crate) struct Xwayland {
    pub(crate) shell: XWaylandShellState,
    /// There may be X programs, if the settings say so.
    allowed: bool,
    server: Option<Server>,
    display: Option<Display>,
    watched: Vec<RegistrationToken>,
    /// The window managers of the server that runs, and of those before it whose transfers of the
    /// clipboard may not be over.
    managers: Vec<X11Wm>,
    /// How many servers in a row did not last.
    failures: u32,
    /// That the program is not there was said.
    missed: bool,
    /// What Wayland programs have in clipboard and primary selection.
    offered: Offered,
    /// The window manager's order of windows, topmost first, as the server was told it.
    order: Vec<u32>,
    /// How the compositor reads what its windows say of themselves.
    hints: Option<Hints>,
}

/// A server that starts or runs.
#[derive(Debug)]
struct Server {
    instance: XWayland,
    client: Client,
    since: Instant,
    wm: Option<XwmId>,
    /// What its programs were told last of how large things are to be.
    told: Option<Presentation>,
    watchdog: Option<Watchdog>,
    /// The windows that programs have made, shown or not, by their X numbers.
    windows: HashSet<u32>,
    /// The end of a server that nobody uses.
    unused: Option<RegistrationToken>,
}

impl Xwayland {
    pub(crate) fn new(dh: &DisplayHandle) -> Self {
        Self {
            shell: XWaylandShellState::new::<State>(dh),
            allowed: false,
            server: None,
            display: None,
            watched: Vec::new(),
            managers: Vec::new(),
            failures: 0,
            missed: false,
            offered: Offered::default(),
            order: Vec::new(),
            hints: None,
        }
    }

    /// What `DISPLAY` is for programs, if there may be X programs.
    pub(crate) fn name(&self) -> Option<String> {
        let display = self.display.as_ref()?;
        Some(format!(":{}", display.number()))
    }

    /// The window manager of the server that runs.
    fn manager(&mut self) -> Option<&mut X11Wm> {
        let id = self.server.as_ref()?.wm?;
        self.managers.iter_mut().find(|wm| wm.id() == id)
    }

    /// Whether it is the window manager of the server that runs.
    fn is_current(&self, id: XwmId) -> bool {
        self.server.as_ref().and_then(|server| server.wm) == Some(id)
    }
}

/// The number in the value of `DISPLAY`, if it is a display of this machine.
fn number(display: &str) -> Option<u32> {
    let number = display.strip_prefix(':')?;
    number.split('.').next()?.parse().ok()
}

/// Whether the program is installed.
fn is_installed() -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| folder.join(PROGRAM).is_file())
}

impl State {
    /// From now on there may be X programs, as long as the settings do not say otherwise.
    pub fn allow_x11(&mut self) {
        self.xwayland.allowed = true;
        self.set_x11(self.config.xwayland.enabled);
    }

    /// What `DISPLAY` is for programs, if there may be X programs.
    pub fn x11_display(&self) -> Option<String> {
        self.xwayland.name()
    }

    /// Switches X programs on or off.
    pub(crate) fn set_x11(&mut self, on: bool) {
        if !self.xwayland.allowed || on == self.xwayland.display.is_some() {
            return;
        }
        if !on {
            self.x11_server_ended();
            self.unwatch_display();
            self.xwayland.display = None;
            tracing::info!("X programs are switched off");
            return;
        }
        if !is_installed() {
            if !self.xwayland.missed {
                tracing::info!(
                    "no X programs: there is no {PROGRAM} in PATH; it is in the package xwayland"
                );
            }
            self.xwayland.missed = true;
            return;
        }
        let wanted = std::env::var("DISPLAY").ok().and_then(|name| number(&name));
        match Display::take(wanted) {
            Ok(display) => {
                let number = display.number();
                if wanted.is_some_and(|wanted| wanted != number) {
                    tracing::warn!(
                        "display :{} is another server's; only programs that are started from here \
                         know that X programs are shown on :{number}",
                        wanted.unwrap_or_default()
                    );
                }
                tracing::info!("X programs are shown on :{number}");
                self.xwayland.display = Some(display);
                self.xwayland.failures = 0;
                self.watch_display();
            }
            Err(error) => tracing::warn!("no X programs: no display to listen on: {error}"),
        }
    }

    /// Waits for the first client.
    fn watch_display(&mut self) {
        self.unwatch_display();
        let Some(display) = &self.xwayland.display else {
            return;
        };
        for listener in display.listeners() {
            let source = Generic::new(Rc::clone(listener), Interest::READ, Mode::Level);
            let inserted = self.handle.insert_source(source, |_, _, state| {
                // Both sockets' sources may be due in the same turn.
                if state.xwayland.server.is_none() {
                    state.start_x11_server();
                }
                Ok(PostAction::Remove)
            });
            match inserted {
                Ok(token) => self.xwayland.watched.push(token),
                Err(error) => tracing::warn!("X clients are not waited for: {}", error.error),
            }
        }
    }

    fn unwatch_display(&mut self) {
        for token in self.xwayland.watched.drain(..) {
            self.handle.remove(token);
        }
    }

    fn start_x11_server(&mut self) {
        // The source that noticed the client removes itself.
        self.unwatch_display();
        let Some(display) = &self.xwayland.display else {
            return;
        };
        let stand_in = display.number() + STAND_IN;
        let listeners = display.listeners().to_vec();
        let wanted = listeners.len();
        let mut substituted = Ok(0);
        // Smithay asks for the environment when its sockets are there and the program is not started.
        let environment = std::iter::from_fn(|| {
            substituted = display::substitute(stand_in, &listeners);
            None::<(&str, &str)>
        });
        let said = || {
            if tracing::enabled!(tracing::Level::DEBUG) {
                Stdio::inherit()
            } else {
                Stdio::null()
            }
        };
        let factor = self.x11_presentation().factor;
        let spawned = XWayland::spawn(
            &self.display,
            stand_in,
            environment,
            true,
            Stdio::null(),
            said(),
            |data| {
                let wayland_side = CompositorClientState::default();
                wayland_side.set_client_scale(factor.get());
                data.insert_if_missing_threadsafe(|| wayland_side);
            },
        );
        let started = spawned.and_then(|(instance, client)| {
            if substituted? != wanted {
                return Err(std::io::Error::other("its sockets were not found"));
            }
            let speaks = instance.poll_fd().try_clone_to_owned()?;
            Ok((instance, client, speaks))
        });
        let (instance, client, speaks) = match started {
            Ok(started) => started,
            Err(error) => {
                tracing::warn!("{PROGRAM} could not be started: {error}");
                self.watch_display_later();
                return;
            }
        };
        tracing::info!("{PROGRAM} is started for an X client");
        let watchdog = Watchdog::start(&self.handle)
            .inspect_err(|error| tracing::warn!("{PROGRAM} is not watched over: {error}"))
            .ok();
        self.xwayland.server = Some(Server {
            instance,
            client,
            since: Instant::now(),
            wm: None,
            told: None,
            watchdog,
            windows: HashSet::new(),
            unused: None,
        });
        let source = Generic::new(speaks, Interest::READ, Mode::Level);
        let inserted = self.handle.insert_source(source, |_, speaks, state| {
            Ok(state.x11_server_speaks(speaks))
        });
        if let Err(error) = inserted {
            tracing::warn!("{PROGRAM} is not listened to: {}", error.error);
            self.x11_server_ended();
        }
    }

    /// The server says that it is up, or it is not there any more.
    fn x11_server_speaks(&mut self, speaks: &OwnedFd) -> PostAction {
        let Some(server) = self
            .xwayland
            .server
            .as_mut()
            .filter(|server| server.wm.is_none())
        else {
            return PostAction::Remove;
        };
        let socket = match server.instance.take_socket() {
            Ok(Some(socket)) => socket,
            Ok(None) if !hung_up(speaks) => return PostAction::Continue,
            _ => {
                tracing::warn!(
                    "{PROGRAM} ended before it was up; RUST_LOG=debug shows what it says"
                );
                self.x11_server_ended();
                return PostAction::Remove;
            }
        };
        let client = server.client.clone();
        if let Some(display) = &self.xwayland.display {
            let resources = self.x11_presentation().resources();
            presentation::say_first(display.socket(), resources);
        }
        match X11Wm::start_wm(self.handle.clone(), socket, client) {
            Ok(wm) => {
                if let Some(server) = &mut self.xwayland.server {
                    server.wm = Some(wm.id());
                }
                tracing::debug!("{PROGRAM} is up");
                self.xwayland.managers.push(wm);
                self.xwayland.order.clear();
                self.read_x11_hints();
                self.follow_x11_scale();
                self.offer_selections();
                self.end_x11_server_if_unused();
            }
            Err(error) => {
                tracing::warn!("{PROGRAM} does not take a window manager: {error}");
                self.x11_server_ended();
            }
        }
        PostAction::Remove
    }

    /// The server is gone, or goes with this: its windows are gone, and the next client gets a new one.
    fn x11_server_ended(&mut self) {
        let Some(server) = self.xwayland.server.take() else {
            return;
        };
        if let Some(token) = server.unused {
            self.handle.remove(token);
        }
        if let Some(watchdog) = server.watchdog {
            watchdog.stop(&self.handle);
        }
        self.forget_x11_hints();
        self.forget_x11_windows();
        self.forget_x11_selections();
        // Each server counts its surfaces from one: with what smithay remembers of this one's, the windows
        // of the next would be taken for those.
        let fresh = XWaylandShellState::new::<Self>(&self.display);
        let old = std::mem::replace(&mut self.xwayland.shell, fresh);
        self.display.remove_global::<Self>(old.global());
        let lasted = server.wm.is_some() && server.since.elapsed() >= LASTING;
        self.xwayland.failures = if lasted {
            0
        } else {
            self.xwayland.failures + 1
        };
        // Its connection to us is closed with this, which ends it.
        drop(server.instance);
        if lasted {
            self.watch_display();
        } else {
            self.watch_display_later();
        }
    }

    fn watch_display_later(&mut self) {
        let [shortest, longest] = PAUSES;
        let doublings = self.xwayland.failures.saturating_sub(1).min(16);
        let pause = longest.min(shortest * 2_u32.pow(doublings));
        let timer = Timer::from_duration(pause);
        let inserted = self.handle.insert_source(timer, |_, (), state| {
            if state.xwayland.server.is_none() {
                state.watch_display();
            }
            TimeoutAction::Drop
        });
        if inserted.is_err() {
            self.watch_display();
        }
    }

    /// Lets the time run after which a server without windows is ended, or stops it.
    fn end_x11_server_if_unused(&mut self) {
        let Some(server) = &mut self.xwayland.server else {
            return;
        };
        if !server.windows.is_empty() {
            if let Some(token) = server.unused.take() {
                self.handle.remove(token);
            }
            return;
        }
        if server.unused.is_some() {
            return;
        }
        let timer = Timer::from_duration(UNUSED);
        let token = self.handle.insert_source(timer, |_, (), state| {
            if let Some(server) = &mut state.xwayland.server {
                server.unused = None;
                tracing::info!("{PROGRAM} is not used any more");
                state.x11_server_ended();
            }
            TimeoutAction::Drop
        });
        server.unused = token.ok();
    }
}

/// Whether nobody has the other end open any more.
fn hung_up(fd: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(fd, PollFlags::empty())];
    let at_once = rustix::time::Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut fds, Some(&at_once)).is_ok() && fds[0].revents().contains(PollFlags::HUP)
}

delegate_xwayland_shell!(State);

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn displays_of_this_machine_have_numbers() {
        assert_eq!(number(":0"), Some(0));
        assert_eq!(number(":12.0"), Some(12));
        assert_eq!(number("far:0"), None);
        assert_eq!(number(""), None);
    }
}
