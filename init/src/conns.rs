//! The control socket: who may ask what, and who waits for which answer.
//!
//! A connection has at most one unanswered request; what a client sends meanwhile stays in its
//! buffer. So replies keep their order, and one client cannot make the supervisor hold a long
//! queue. Waiting is data ([`Pending`]): after each turn of the loop every pending request is held
//! against the units as they stand.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;

use argos_control::server::{Closed, Connection, Peer};
use argos_control::{ErrorCode, Event, Reply, Request, UnitState};
use argos_units::{Kind, Process, Readiness, TransientUnit, Unit};
use calloop::generic::Generic;
use calloop::{Interest, Mode, PostAction, RegistrationToken};

use crate::console::Level;
use crate::machine::{News, Refusal};
use crate::settings::Role;
use crate::supervisor::Supervisor;
use crate::system::Goal;

/// Most clients at a time.
const MAX_CLIENTS: usize = 256;
/// Most clients of one user at a time, root aside.
const MAX_CLIENTS_OF_ONE: usize = 64;
/// Most requests that one client gets answered before others have their turn.
const MAX_TURN: usize = 32;

/// Most bytes that wait for the clients of one user, root aside, before they are cut off: one alone
/// may have half of that.
const MAX_WAITING_OF_ONE: usize = 2 * argos_control::server::MAX_OUTBOX;
/// Pause before the control socket listens again where no connection can be taken, in milliseconds.
const LISTEN_PAUSE_MS: u64 = 100;
/// Least distance between lines about clients that were cut off, in milliseconds.
const CUT_OFF_MS: u64 = 1_000;

/// One client.
#[derive(Debug)]
pub struct Client {
    connection: Connection,
    read_source: Option<RegistrationToken>,
    write_source: Option<RegistrationToken>,
    pending: Option<Pending>,
    subscribed: bool,
}

/// A request that is answered later.
#[derive(Debug)]
enum Pending {
    /// Until the unit is up in a run after this one.
    Up { name: String, after_run: u64 },
    /// Until it is down.
    Down { name: String },
    /// Until the unit files are compiled.
    Reload,
}

/// All clients, by number.
pub type Clients = BTreeMap<u64, Client>;

fn denied(what: &str) -> Reply {
    let message = format!("only root may {what} here");
    Reply::Error {
        code: ErrorCode::Denied,
        message,
    }
}

fn refused(refusal: Refusal) -> Reply {
    let (code, message) = match refusal {
        Refusal::NotFound(message) => (ErrorCode::NotFound, message),
        Refusal::Invalid(message) => (ErrorCode::Invalid, message),
    };
    Reply::Error { code, message }
}

impl Supervisor {
    /// Puts the control socket into the loop.
    pub fn listen(&mut self, listener: UnixListener) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let source = Generic::new(listener, Interest::READ, Mode::Level);
        let inserted = self
            .handle
            .insert_source(source, |_, listener, supervisor| {
                use io::ErrorKind::{ConnectionAborted, Interrupted, WouldBlock};
                match listener.accept() {
                    Ok((stream, _)) => supervisor.accept(stream),
                    Err(error)
                        if matches!(error.kind(), WouldBlock | Interrupted | ConnectionAborted) => {
                    }
                    // No descriptor or memory is left. The guest goes on waiting, and so the socket
                    // would be ready again at once, for ever.
                    Err(_) => {
                        let at = crate::clock::now_ms().saturating_add(LISTEN_PAUSE_MS);
                        supervisor.listens_at = Some(at);
                        return Ok(PostAction::Disable);
                    }
                }
                Ok(PostAction::Continue)
            });
        let token = inserted.map_err(|error| io::Error::other(error.error.to_string()))?;
        self.control = Some(token);
        Ok(())
    }

    /// Listens again if the pause is over.
    pub(crate) fn listen_again(&mut self, now: u64) {
        if self.listens_at.is_some_and(|at| at <= now)
            && let Some(token) = &self.control
        {
            self.listens_at = match self.handle.enable(token) {
                Ok(()) => None,
                Err(_) => Some(now.saturating_add(LISTEN_PAUSE_MS)),
            };
        }
    }

    fn accept(&mut self, stream: std::os::unix::net::UnixStream) {
        let Ok(mut connection) = Connection::new(stream) else {
            return;
        };
        let uid = connection.peer().uid;
        let own = rustix::process::getuid().as_raw();
        if self.settings.role == Role::User && uid != own && uid != 0 {
            return;
        }
        let same = self
            .clients
            .values()
            .filter(|client| client.connection.peer().uid == uid);
        if self.clients.len() >= MAX_CLIENTS || (uid != 0 && same.count() >= MAX_CLIENTS_OF_ONE) {
            return;
        }
        if !self.is_master(connection.peer()) {
            // Only who may start a transient unit has a use for them.
            connection.refuse_descriptors();
        }
        let Ok(readable) = connection.as_fd().try_clone_to_owned() else {
            return;
        };
        self.next_client += 1;
        let id = self.next_client;
        let source = Generic::new(readable, Interest::READ, Mode::Level);
        let inserted = self.handle.insert_source(source, move |_, _, supervisor| {
            Ok(supervisor.client_is_readable(id))
        });
        let Ok(token) = inserted else { return };
        let client = Client {
            connection,
            read_source: Some(token),
            write_source: None,
            pending: None,
            subscribed: false,
        };
        self.clients.insert(id, client);
    }

    fn client_is_readable(&mut self, id: u64) -> PostAction {
        let Some(client) = self.clients.get_mut(&id) else {
            return PostAction::Remove;
        };
        if let Err(closed) = client.connection.receive() {
            client.read_source = None;
            self.drop_client(id, &closed);
            return PostAction::Remove;
        }
        self.serve(id);
        if self.clients.contains_key(&id) {
            PostAction::Continue
        } else {
            PostAction::Remove
        }
    }

    /// Answers what a client has asked, as far as it need not wait.
    fn serve(&mut self, id: u64) {
        for _ in 0..MAX_TURN {
            let Some(client) = self.clients.get_mut(&id) else {
                return;
            };
            if client.pending.is_some() {
                return;
            }
            match client.connection.next() {
                Ok(Some((request, fds))) => {
                    let peer = client.connection.peer();
                    if let Some(reply) = self.answer(id, peer, request, fds) {
                        self.reply(id, &reply);
                    }
                }
                Ok(None) => return,
                Err(closed) => return self.drop_client(id, &closed),
            }
        }
        // The rest of its buffer is served after the next turn of the loop.
        self.unserved.insert(id);
    }

    /// Serves those whose turn ended early.
    pub fn serve_rest(&mut self) {
        for id in std::mem::take(&mut self.unserved) {
            self.serve(id);
        }
    }

    fn reply(&mut self, id: u64, reply: &Reply) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        if let Err(closed) = client.connection.send(reply) {
            return self.drop_client(id, &closed);
        }
        let peer = client.connection.peer();
        if peer.uid != 0 && client.connection.waiting() > 0 {
            let all = self.clients.values().map(|client| &client.connection);
            let mine = all.filter(|connection| connection.peer().uid == peer.uid);
            if mine.map(Connection::waiting).sum::<usize>() > MAX_WAITING_OF_ONE {
                return self.drop_client(id, &Closed::Slow);
            }
        }
        self.watch_writing(id);
    }

    /// Listens for room in a client's socket as long as something waits for it.
    fn watch_writing(&mut self, id: u64) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        if !client.connection.wants_write() || client.write_source.is_some() {
            return;
        }
        let Ok(writable) = client.connection.as_fd().try_clone_to_owned() else {
            return;
        };
        let source = Generic::new(writable, Interest::WRITE, Mode::Level);
        let inserted = self.handle.insert_source(source, move |_, _, supervisor| {
            let Some(client) = supervisor.clients.get_mut(&id) else {
                return Ok(PostAction::Remove);
            };
            match client.connection.flush() {
                Ok(()) if client.connection.wants_write() => return Ok(PostAction::Continue),
                Ok(()) => client.write_source = None,
                Err(closed) => {
                    client.write_source = None;
                    supervisor.drop_client(id, &closed);
                }
            }
            Ok(PostAction::Remove)
        });
        client.write_source = inserted.ok();
    }

    fn drop_client(&mut self, id: u64, why: &Closed) {
        if let Some(client) = self.clients.remove(&id) {
            for token in [client.read_source, client.write_source]
                .into_iter()
                .flatten()
            {
                self.handle.remove(token);
            }
            if !matches!(why, Closed::Peer) {
                self.say_cut_off(client.connection.peer().uid, why);
            }
        }
    }

    /// Says why a client was cut off, though not more often than anybody could read: who may
    /// connect could fill the log otherwise.
    fn say_cut_off(&mut self, uid: u32, why: &Closed) {
        let now = crate::clock::now_ms();
        if let Some(last) = self.cut_off_said
            && now.saturating_sub(last) < CUT_OFF_MS
        {
            self.cut_off_unsaid = self.cut_off_unsaid.saturating_add(1);
            return;
        }
        self.cut_off_said = Some(now);
        let mut text = format!("a control client of user {uid} was cut off: {why}");
        match std::mem::take(&mut self.cut_off_unsaid) {
            0 => {}
            count => text.push_str(&format!(" (and {count} others since the last such line)")),
        }
        self.say(Level::Warning, &text);
    }

    /// Whether the peer may do everything.
    fn is_master(&self, peer: Peer) -> bool {
        match self.settings.role {
            Role::System | Role::Container => peer.uid == 0,
            // The socket admits only the person and root.
            Role::User => true,
        }
    }

    /// Whether the peer may start and stop this unit: its own supervisor, besides root.
    fn may_change(&self, peer: Peer, name: &str) -> bool {
        self.is_master(peer) || name == format!("user@{}", peer.uid)
    }

    /// Whether the peer may end the machine: root, and the person at it, as long as nobody else
    /// has a session here whom that would throw out.
    fn may_end(&self, peer: Peer) -> bool {
        let mine = format!("user@{}", peer.uid);
        let mut has_session = false;
        let mut others = false;
        for status in self.machine.statuses() {
            if status.name.starts_with("user@") && status.state == UnitState::Up {
                has_session |= status.name == mine;
                others |= status.name != mine;
            }
        }
        self.is_master(peer) || (has_session && !others)
    }

    /// Answers now, or makes the client wait (`None`).
    fn answer(
        &mut self,
        id: u64,
        peer: Peer,
        request: Request,
        fds: Vec<OwnedFd>,
    ) -> Option<Reply> {
        let now = crate::clock::now_ms();
        let not_found = |name: &str| {
            let message = format!("there is no unit `{name}`");
            Reply::Error {
                code: ErrorCode::NotFound,
                message,
            }
        };
        match request {
            Request::Status => Some(Reply::Units(self.machine.statuses().collect())),
            Request::Problems => Some(Reply::Lines(self.problems.clone())),
            Request::Unit { name } => Some(match self.machine.status(&name) {
                Some(status) => Reply::Units(vec![status]),
                None => not_found(&name),
            }),
            Request::Log { name, lines } => {
                let lines = lines.min(argos_control::protocol::MAX_LINES) as usize;
                Some(match self.host.logs.last(&name, lines) {
                    Some(lines) => Reply::Lines(lines),
                    None if self.machine.unit(&name).is_some() => Reply::Lines(Vec::new()),
                    None => not_found(&name),
                })
            }
            Request::Subscribe => {
                let first: Vec<Reply> = self
                    .machine
                    .statuses()
                    .map(|s| Reply::Event(Event::Unit(s)))
                    .collect();
                self.reply(id, &Reply::Done);
                for reply in &first {
                    self.reply(id, reply);
                }
                if let Some(client) = self.clients.get_mut(&id) {
                    client.subscribed = true;
                }
                None
            }
            Request::Wait { name } => {
                if self.machine.status(&name).is_none() {
                    return Some(Reply::Done);
                }
                self.pend(id, Pending::Down { name })
            }
            Request::Start { name } | Request::Restart { name } | Request::Stop { name }
                if !self.may_change(peer, &name) =>
            {
                Some(denied(&format!("start or stop `{name}`")))
            }
            Request::Start { name } => match self.machine.start(&name, now, &mut self.host) {
                Ok(()) => self.pend(id, Pending::Up { name, after_run: 0 }),
                Err(refusal) => Some(refused(refusal)),
            },
            Request::Restart { name } => {
                let after_run = self.machine.run(&name).unwrap_or(0);
                match self.machine.restart(&name, now, &mut self.host) {
                    Ok(()) => self.pend(id, Pending::Up { name, after_run }),
                    Err(refusal) => Some(refused(refusal)),
                }
            }
            Request::Stop { name } => match self.machine.stop(&name, now, &mut self.host) {
                Ok(()) => self.pend(id, Pending::Down { name }),
                Err(refusal) => Some(refused(refusal)),
            },
            Request::Poweroff | Request::Reboot if !self.may_end(peer) => {
                Some(denied("end this while somebody else has a session"))
            }
            Request::Poweroff => {
                self.begin_shutdown(Goal::PowerOff);
                Some(Reply::Done)
            }
            Request::Reboot if self.settings.role == Role::User => Some(Reply::Error {
                code: ErrorCode::Invalid,
                message: "a person's supervisor cannot restart the machine; ask PID 1".into(),
            }),
            Request::Reboot => {
                self.begin_shutdown(Goal::Reboot);
                Some(Reply::Done)
            }
            Request::Reload if !self.is_master(peer) => Some(denied("reload the units")),
            Request::Reload => match self.begin_compilation() {
                Ok(()) => self.pend(id, Pending::Reload),
                Err(message) => Some(Reply::Error {
                    code: ErrorCode::Failed,
                    message,
                }),
            },
            Request::StartTransient(_) if !self.is_master(peer) => {
                Some(denied("start other units"))
            }
            Request::StartTransient(unit) => {
                let name = unit.name.clone();
                match self.start_transient(*unit, fds, now) {
                    Ok(()) => self.pend(id, Pending::Up { name, after_run: 0 }),
                    Err(refusal) => Some(refused(refusal)),
                }
            }
            Request::BusName { .. } if !self.is_master(peer) => Some(denied("report bus names")),
            Request::BusName { name, present } => {
                if present {
                    self.bus_name_appeared(&name);
                }
                Some(Reply::Done)
            }
        }
    }

    fn pend(&mut self, id: u64, pending: Pending) -> Option<Reply> {
        if let Some(client) = self.clients.get_mut(&id) {
            client.pending = Some(pending);
        }
        None
    }

    fn start_transient(
        &mut self,
        unit: TransientUnit,
        fds: Vec<OwnedFd>,
        now: u64,
    ) -> Result<(), Refusal> {
        let invalid = |text: String| Err(Refusal::Invalid(text));
        if unit.fds.len() != fds.len() {
            return invalid(format!(
                "`{}` names {} descriptors but {} came with it",
                unit.name,
                unit.fds.len(),
                fds.len()
            ));
        }
        let mut numbers = unit.fds.clone();
        numbers.sort_unstable();
        numbers.dedup();
        if numbers.len() != unit.fds.len() || numbers.iter().any(|n| !(0..=63).contains(n)) {
            return invalid(format!(
                "`{}` needs different descriptors from 0 to 63",
                unit.name
            ));
        }
        if unit
            .exec
            .first()
            .is_none_or(|program| !program.starts_with('/'))
        {
            return invalid(format!(
                "`{}` needs the absolute path of its program",
                unit.name
            ));
        }
        let process = Process {
            exec: unit.exec,
            ready: Readiness::None,
            restart: unit.restart,
            env: unit.env,
            working_directory: unit.working_directory,
            limits: unit.limits,
            sandbox: unit.sandbox,
            ..Process::default()
        };
        let mut definition = Unit::new(&unit.name, Kind::Service(process));
        definition.description = unit.description;
        if self.machine.unit(&unit.name).is_none() {
            self.host
                .pass(&unit.name, unit.fds.into_iter().zip(fds).collect());
        }
        let started = self
            .machine
            .start_transient(definition, now, &mut self.host);
        if started.is_err() && self.machine.unit(&unit.name).is_none() {
            self.host.forget(&unit.name);
        }
        started
    }

    /// Tells subscribers and answers those whose wait is over.
    pub fn tell_clients(&mut self, news: &News) {
        let changed: Vec<Reply> = news
            .changed
            .iter()
            .filter_map(|name| self.machine.status(name))
            .map(|status| Reply::Event(Event::Unit(status)))
            .chain(
                news.removed
                    .iter()
                    .map(|(n, _)| Reply::Event(Event::Removed(n.clone()))),
            )
            .collect();
        if !changed.is_empty() {
            let subscribers = self.clients.iter().filter(|(_, client)| client.subscribed);
            for id in subscribers.map(|(id, _)| *id).collect::<Vec<_>>() {
                for reply in &changed {
                    self.reply(id, reply);
                }
            }
        }
        let mut answers = Vec::new();
        for (id, client) in &self.clients {
            if let Some(pending) = &client.pending
                && let Some(reply) = self.outcome(pending, news)
            {
                answers.push((*id, reply));
            }
        }
        for (id, reply) in answers {
            if let Some(client) = self.clients.get_mut(&id) {
                client.pending = None;
            }
            self.reply(id, &reply);
            self.serve(id);
        }
    }

    /// Answers everybody who waits for the unit files.
    pub fn reloaded(&mut self, reply: &Reply) {
        let waiting = self
            .clients
            .iter()
            .filter(|(_, c)| matches!(c.pending, Some(Pending::Reload)));
        for id in waiting.map(|(id, _)| *id).collect::<Vec<_>>() {
            if let Some(client) = self.clients.get_mut(&id) {
                client.pending = None;
            }
            self.reply(id, reply);
            self.serve(id);
        }
    }

    /// The answer to a pending request, if there is one now.
    fn outcome(&self, pending: &Pending, news: &News) -> Option<Reply> {
        let failed = |message: String| {
            Some(Reply::Error {
                code: ErrorCode::Failed,
                message,
            })
        };
        match pending {
            Pending::Reload => None,
            Pending::Down { name } => match self.machine.status(name).map(|status| status.state) {
                None | Some(UnitState::Down | UnitState::Failed) => Some(Reply::Done),
                Some(_) => None,
            },
            Pending::Up { name, after_run } => {
                let Some(status) = self.machine.status(name) else {
                    // A transient unit that has come and gone.
                    let end = news.removed.iter().find(|(removed, _)| removed == name);
                    return match end.and_then(|(_, failure)| failure.clone()) {
                        Some(failure) => failed(format!("{name} {failure}")),
                        None => Some(Reply::Done),
                    };
                };
                let fresh = self.machine.run(name).unwrap_or(0) > *after_run;
                let detail = &status.detail;
                match status.state {
                    UnitState::Up if fresh => Some(Reply::Done),
                    UnitState::Failed => failed(format!("{name} failed: {detail}")),
                    UnitState::BackingOff => {
                        failed(format!("{name} failed and will be tried again: {detail}"))
                    }
                    UnitState::Down if !status.wanted && detail.is_empty() => {
                        failed(format!("{name} was stopped before it was up"))
                    }
                    // A service that did its work and ended well before anybody looked.
                    UnitState::Down if !status.wanted => Some(Reply::Done),
                    UnitState::Waiting => {
                        self.machine.stuck_behind(name).and_then(|(behind, why)| {
                            failed(format!(
                                "{name} waits for `{behind}`, which keeps failing: {why}"
                            ))
                        })
                    }
                    _ => None,
                }
            }
        }
    }
}
