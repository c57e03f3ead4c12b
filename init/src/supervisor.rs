//! The supervisor: one loop that joins the service graph, its processes and those who ask.
//!
//! One turn of the loop takes what is ready (children that ended, output, messages, requests, the
//! timer), then [`Supervisor::after_turn`] does what is due and tells everybody what changed.
//! Nothing in a turn waits: what may block (compiling, mounting, writing logs, unmounting) is a
//! child. A panic in a turn, or before the first, is a bug; it is said and the loop goes on.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::rc::Rc;
use std::time::Duration;

use argos_control::{Reply, UnitState};
use calloop::generic::Generic;
use calloop::signals::{Signal, Signals};
use calloop::{EventLoop, Interest, LoopHandle, Mode, PostAction, RegistrationToken};
use rustix::process::{Pid, WaitOptions};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use crate::cgroup::Groups;
use crate::clock::now_ms;
use crate::compile::Compilation;
use crate::conns::Clients;
use crate::console::{self, Level};
use crate::ending::Ending;
use crate::machine::{Machine, Note};
use crate::notify::{self, NotifySocket};
use crate::process::{self, Host};
use crate::settings::{Role, Settings};
use crate::spawn;
use crate::starting::Start;
use crate::survive::survive;
use crate::system::{self, Goal};

/// Most children that are reaped before others have their turn.
const MAX_REAPED: usize = 256;
/// Most rounds of telling and answering in one turn.
const MAX_ROUNDS: usize = 16;
/// Of how many units that are gone the log is kept.
const MAX_GONE: usize = 64;
/// Most mistakes in unit files that are kept to be told.
const MAX_PROBLEMS: usize = 100;
/// Pause before the log writer or the emergency shell is started again, in milliseconds.
const RESPAWN_MS: u64 = 1_000;
/// Pause after something that no piece of work can help, in milliseconds: it must not become a busy
/// loop.
const TROUBLE_MS: u64 = 50;
/// Name under which the supervisor's own lines are logged.
const OWN_LOG: &str = "argos-init";

/// Everything that the loop works on.
#[derive(Debug)]
pub struct Supervisor {
    pub(crate) settings: Rc<Settings>,
    pub(crate) handle: LoopHandle<'static, Self>,
    /// The service graph.
    pub(crate) machine: Machine,
    /// Its processes.
    pub(crate) host: Host,
    pub(crate) clients: Clients,
    pub(crate) next_client: u64,
    pub(crate) unserved: BTreeSet<u64>,
    /// The control socket in the loop, and when it listens again if it had to stop.
    pub(crate) control: Option<RegistrationToken>,
    pub(crate) listens_at: Option<u64>,
    /// When a client that was cut off was last spoken of, and how many were not since then.
    pub(crate) cut_off_said: Option<u64>,
    pub(crate) cut_off_unsaid: u32,
    pub(crate) ending: Ending,
    timer: Rc<OwnedFd>,
    compilation: Option<Compilation>,
    loaded: bool,
    pub(crate) start: Start,
    more_to_reap: bool,
    writer: Respawn,
    pub(crate) shell: Respawn,
    gone: VecDeque<String>,
    /// What was wrong with the unit files when they were last read.
    pub(crate) problems: Vec<String>,
}

/// A helper process that is started again when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Respawn {
    /// Not wanted.
    Off,
    /// Runs.
    Running(u32),
    /// To be started, in milliseconds.
    At(u64),
}

impl Respawn {
    fn deadline(self) -> Option<u64> {
        match self {
            Self::At(at) => Some(at),
            _ => None,
        }
    }
}

/// Runs a supervisor until everything is to end. The error is text for people, for what cannot be
/// done without; PID 1 has nothing of that sort once the loop exists.
pub fn run(settings: Settings) -> Result<Goal, String> {
    let mut event_loop: EventLoop<'static, Supervisor> =
        EventLoop::try_new().map_err(|error| format!("cannot make the event loop: {error}"))?;
    let mut supervisor = Supervisor::new(settings, event_loop.handle())?;
    let sink = supervisor.settings.sink();
    supervisor.set_up(Supervisor::open_sockets, Supervisor::first_compilation)?;
    loop {
        let turn = survive(sink, "doing what was due", || {
            let dispatched = event_loop.dispatch(None::<Duration>, &mut supervisor);
            supervisor.after_turn();
            dispatched
        });
        if let Some(Err(error)) = &turn {
            console::say(
                sink,
                Level::Error,
                &format!("the event loop failed: {error}"),
            );
        }
        if !matches!(turn, Some(Ok(()))) {
            std::thread::sleep(Duration::from_millis(TROUBLE_MS));
        }
        if let Some(goal) = supervisor.ending.is_over() {
            return Ok(goal);
        }
    }
}

impl Supervisor {
    fn new(settings: Settings, handle: LoopHandle<'static, Self>) -> Result<Self, String> {
        let settings = Rc::new(settings);
        spawn::allow_more_descriptors();
        let groups = match settings.role {
            Role::System => Groups::for_system(),
            Role::Container => Err("not used in a container".into()),
            Role::User => Groups::for_user(),
        };
        let mut notes = Vec::new();
        let groups = groups.unwrap_or_else(|why| {
            notes.push(format!("no cgroups, so that units have no limits: {why}"));
            Groups::Sessions
        });
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Boottime, flags)
            .map_err(|error| format!("cannot make a timer: {error}"))?;
        let mut host = Host::new(settings.clone(), handle.clone(), groups);
        host.notes = notes;
        let mut supervisor = Self {
            settings,
            handle,
            machine: Machine::new(),
            host,
            clients: Clients::new(),
            next_client: 0,
            unserved: BTreeSet::new(),
            control: None,
            listens_at: None,
            cut_off_said: None,
            cut_off_unsaid: 0,
            ending: Ending::default(),
            timer: Rc::new(timer),
            compilation: None,
            loaded: false,
            start: Start::Coming { up_since: None },
            more_to_reap: false,
            writer: Respawn::At(0),
            shell: Respawn::Off,
            gone: VecDeque::new(),
            problems: Vec::new(),
        };
        supervisor
            .watch_timer()
            .map_err(|error| format!("cannot watch the timer: {error}"))?;
        supervisor
            .watch_signals()
            .map_err(|error| format!("cannot watch signals: {error}"))?;
        Ok(supervisor)
    }

    fn watch_timer(&mut self) -> io::Result<()> {
        let fd = self.timer.try_clone()?;
        let source = Generic::new(fd, Interest::READ, Mode::Level);
        let inserted = self.handle.insert_source(source, |_, fd, _| {
            // What is due is done after the turn; here the timer only has to fall silent.
            let mut count = [0; 8];
            let _ = rustix::io::read(&**fd, &mut count);
            Ok(PostAction::Continue)
        });
        inserted
            .map(drop)
            .map_err(|error| io::Error::other(error.error.to_string()))
    }

    fn watch_signals(&mut self) -> io::Result<()> {
        if self.settings.role == Role::User {
            // Orphans of this person's units come here instead of to PID 1.
            rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        }
        let wanted = [
            Signal::SIGCHLD,
            Signal::SIGTERM,
            Signal::SIGINT,
            Signal::SIGHUP,
        ];
        let signals = Signals::new(&wanted).map_err(|error| io::Error::other(error.to_string()))?;
        let inserted = self.handle.insert_source(signals, |event, (), supervisor| {
            supervisor.signalled(event.signal());
        });
        inserted
            .map(drop)
            .map_err(|error| io::Error::other(error.error.to_string()))
    }

    /// What comes before the loop. Whatever happens here, PID 1 has to reach the loop.
    fn set_up(
        &mut self,
        open_sockets: impl FnOnce(&mut Self) -> Result<(), String>,
        compile: impl FnOnce(&mut Self),
    ) -> Result<(), String> {
        let sink = self.settings.sink();
        let opened = survive(sink, "opening the sockets", || open_sockets(self))
            .unwrap_or_else(|| Err("nobody can ask anything of this supervisor".into()));
        match opened {
            // Without its sockets a machine still boots; a person's supervisor is of no use.
            Err(error) if self.settings.role == Role::User => return Err(error),
            Err(error) => self.say(Level::Error, &error),
            Ok(()) => {}
        }
        let begun = survive(sink, "having the units read", || compile(self));
        if begun.is_none() && self.compilation.is_none() {
            survive(sink, "helping", || {
                self.emergency("there are no units to start");
            });
        }
        Ok(())
    }

    fn open_sockets(&mut self) -> Result<(), String> {
        let folder = self.settings.sockets.clone();
        let person = self.settings.role == Role::User;
        let failed = |what: &str, error: io::Error| {
            format!("cannot {what} in {}: {error}", folder.display())
        };
        fs::create_dir_all(&folder).map_err(|e| failed("make the folder", e))?;
        let notify =
            NotifySocket::bind(&folder.join("notify")).map_err(|e| failed("make `notify`", e))?;
        let source = Generic::new(notify, Interest::READ, Mode::Level);
        let inserted = self.handle.insert_source(source, |_, notify, supervisor| {
            if let Some(message) = notify.receive() {
                supervisor.notified(&message);
            }
            Ok(PostAction::Continue)
        });
        inserted.map_err(|e| failed("watch `notify`", io::Error::other(e.error.to_string())))?;
        let path = folder.join("control");
        let _ = fs::remove_file(&path);
        let listener = UnixListener::bind(&path).map_err(|e| failed("make `control`", e))?;
        let mode = if person { 0o600 } else { 0o666 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))
            .map_err(|e| failed("set the mode of `control`", e))?;
        self.listen(listener)
            .map_err(|e| failed("watch `control`", e))
    }

    /// Says one line, also into the supervisor's own log.
    pub(crate) fn say(&mut self, level: Level, text: &str) {
        console::say(self.settings.sink(), level, text);
        self.host.logs.line(OWN_LOG, text);
    }

    // ---- Units files -------------------------------------------------------------------------

    fn first_compilation(&mut self) {
        let words = if self.settings.role == Role::System {
            system::command_line()
        } else {
            Vec::new()
        };
        if let Some(target) = words
            .iter()
            .find_map(|word| word.strip_prefix("argos.target="))
        {
            let mut settings = (*self.settings).clone();
            settings.first = target.to_owned();
            self.settings = Rc::new(settings);
        }
        if words.iter().any(|word| word == "argos.emergency") {
            self.loaded = true;
            self.emergency("`argos.emergency` is on the kernel's command line");
        } else if let Err(error) = self.begin_compilation() {
            self.emergency(&error);
        }
        self.after_turn();
    }

    /// Has the unit files read; what comes of it arrives through the loop.
    pub(crate) fn begin_compilation(&mut self) -> Result<(), String> {
        if self.compilation.is_none() {
            let (settings, handle) = (self.settings.clone(), self.handle.clone());
            self.compilation = Some(Compilation::start(
                &settings,
                &handle,
                &mut self.host,
                now_ms(),
            )?);
        }
        Ok(())
    }

    /// The compiler wrote something; `false` if it is not to be read any more.
    pub(crate) fn compiler_wrote(&mut self, bytes: &[u8]) -> bool {
        self.compilation
            .as_mut()
            .is_some_and(|compilation| compilation.wrote(bytes))
    }

    /// The compiler closed its output.
    pub(crate) fn compiler_closed(&mut self) {
        if let Some(compilation) = &mut self.compilation {
            compilation.closed();
        }
    }

    fn finish_compilation(&mut self) {
        if !self.compilation.as_ref().is_some_and(Compilation::is_over) {
            return;
        }
        let Some(result) = self
            .compilation
            .take()
            .map(|compilation| compilation.result())
        else {
            return;
        };
        let first_time = !std::mem::replace(&mut self.loaded, true);
        match result {
            Ok(graph) => {
                let problems: Vec<String> =
                    graph.problems.iter().map(|p| p.message.clone()).collect();
                for problem in &problems {
                    self.say(Level::Warning, problem);
                }
                self.machine.load(graph, now_ms(), &mut self.host);
                if first_time {
                    self.start_first();
                }
                self.problems.clone_from(&problems);
                self.problems.truncate(MAX_PROBLEMS);
                self.reloaded(&Reply::Lines(problems));
            }
            Err(message) => {
                self.say(Level::Error, &message);
                let code = argos_control::ErrorCode::Failed;
                self.reloaded(&Reply::Error {
                    code,
                    message: format!("{message}; the units stay as they were"),
                });
                if first_time {
                    self.emergency("there are no units to start");
                }
            }
        }
        if first_time
            && self.settings.role == Role::User
            && let Err(error) = notify::tell_parent()
        {
            self.say(
                Level::Error,
                &format!("cannot tell PID 1 that this supervisor is ready: {error}"),
            );
        }
    }

    // ---- Events ------------------------------------------------------------------------------

    fn signalled(&mut self, signal: Signal) {
        match signal {
            Signal::SIGCHLD => self.more_to_reap = true,
            Signal::SIGHUP => {
                if let Err(error) = self.begin_compilation() {
                    self.say(Level::Error, &error);
                }
            }
            // Ctrl-Alt-Del arrives as SIGINT.
            Signal::SIGINT if self.settings.role == Role::System => {
                self.begin_shutdown(Goal::Reboot);
            }
            _ => self.begin_shutdown(Goal::PowerOff),
        }
    }

    /// Reaps every child that ended, its own and those that were left to it. Numbers are not used
    /// again before that, so that one table tells whose main process it was.
    fn reap(&mut self) {
        self.more_to_reap = false;
        for _ in 0..MAX_REAPED {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => self.reaped(pid, process::exit_of(status)),
                Ok(None) | Err(rustix::io::Errno::CHILD) => return,
                Err(_) => {}
            }
        }
        self.more_to_reap = true;
    }

    fn reaped(&mut self, pid: Pid, exit: crate::machine::Exit) {
        let pid = u32::try_from(pid.as_raw_nonzero().get()).unwrap_or(0);
        let again = Respawn::At(now_ms() + RESPAWN_MS);
        if let Some((name, run)) = self.host.reaped(pid, exit) {
            self.machine
                .exited(&name, run, exit, now_ms(), &mut self.host);
        } else if self
            .compilation
            .as_mut()
            .is_some_and(|c| c.reaped(pid, exit))
        {
        } else if self.writer == Respawn::Running(pid) {
            self.writer = if self.ending.is_quiet() {
                Respawn::Off
            } else {
                again
            };
        } else if self.shell == Respawn::Running(pid) {
            self.shell = again;
        } else {
            self.ending.reaped(pid);
        }
    }

    fn notified(&mut self, message: &notify::Message) {
        let Some((name, run)) = self.host.owner(message.pid) else {
            return;
        };
        let wants_it = self
            .machine
            .unit(&name)
            .and_then(|unit| unit.process())
            .is_some_and(|process| process.ready == argos_units::Readiness::Notify);
        if message.ready && wants_it {
            self.unit_is_ready(&name, run);
        }
        if let Some(status) = &message.status {
            self.machine.describe(&name, run, status);
        }
    }

    /// A run says that it is ready.
    pub(crate) fn unit_is_ready(&mut self, name: &str, run: u64) {
        self.machine.ready(name, run, now_ms(), &mut self.host);
    }

    /// The bridge reports that a bus name has an owner.
    pub(crate) fn bus_name_appeared(&mut self, bus_name: &str) {
        let names: Vec<String> = self.machine.statuses().map(|status| status.name).collect();
        let units = names.iter().filter_map(|name| self.machine.unit(name));
        let ready = self.host.waits_for_bus_name(units, bus_name);
        for (name, run) in ready {
            self.unit_is_ready(&name, run);
        }
    }

    /// Somebody connected to a socket unit.
    pub(crate) fn socket_has_guest(&mut self, socket: &str, service: &str) {
        self.host.disarmed(socket);
        if let Err(refusal) = self.machine.start(service, now_ms(), &mut self.host) {
            let (crate::machine::Refusal::NotFound(why) | crate::machine::Refusal::Invalid(why)) =
                refusal;
            self.say(
                Level::Warning,
                &format!("{socket} cannot start {service}: {why}"),
            );
            self.host.service_is_down(service, now_ms());
        }
    }

    // ---- After each turn ----------------------------------------------------------------------

    fn after_turn(&mut self) {
        if self.more_to_reap {
            self.reap();
        }
        let now = now_ms();
        if self.machine.has_work() || self.machine.next_deadline().is_some_and(|at| at <= now) {
            self.machine.tick(now, &mut self.host);
        }
        if self.host.next_deadline().is_some_and(|at| at <= now) {
            for (name, run) in self.host.due(now) {
                self.unit_is_ready(&name, run);
            }
        }
        if let Some(compilation) = &mut self.compilation
            && compilation.deadline <= now
        {
            compilation.too_late();
        }
        self.finish_compilation();
        self.watch_start(now);
        self.listen_again(now);
        self.respawn(now);
        self.serve_rest();
        self.step_ending();
        self.tell();
        self.arm_timer();
    }

    fn respawn(&mut self, now: u64) {
        if self.writer.deadline().is_some_and(|at| at <= now) && !self.ending.is_quiet() {
            let folder = self.settings.logs.clone();
            self.writer = match self.host.logs.start_writer(&folder) {
                Ok(child) => Respawn::Running(child.pid),
                Err(_) => Respawn::At(now + RESPAWN_MS),
            };
        }
        if self.shell.deadline().is_some_and(|at| at <= now) && !self.ending.is_quiet() {
            let console = self.settings.console.clone().unwrap_or_default();
            self.shell = match console::shell(&console) {
                Ok(child) => Respawn::Running(child.pid),
                Err(error) => {
                    self.say(Level::Error, &format!("no emergency shell: {error}"));
                    Respawn::Off
                }
            };
        }
    }

    /// Says what happened and answers those who waited for it.
    fn tell(&mut self) {
        for _ in 0..MAX_ROUNDS {
            for text in std::mem::take(&mut self.host.notes) {
                self.say(Level::Warning, &text);
            }
            let news = self.machine.take_news();
            for Note { warning, text } in &news.notes {
                self.say(
                    if *warning {
                        Level::Warning
                    } else {
                        Level::Notice
                    },
                    text,
                );
            }
            for name in &news.changed {
                let down = self.machine.status(name).is_some_and(|status| {
                    matches!(status.state, UnitState::Down | UnitState::Failed)
                });
                if down {
                    self.host.service_is_down(name, now_ms());
                }
            }
            for (name, _) in &news.removed {
                self.host.forget(name);
                self.gone.retain(|gone| gone != name);
                self.gone.push_back(name.clone());
                if self.gone.len() > MAX_GONE
                    && let Some(oldest) = self.gone.pop_front()
                    && self.machine.unit(&oldest).is_none()
                {
                    self.host.logs.forget(&oldest);
                }
            }
            let quiet = news.changed.is_empty() && news.removed.is_empty();
            self.tell_clients(&news);
            if quiet {
                break;
            }
        }
    }

    fn arm_timer(&mut self) {
        let now = now_ms();
        let deadlines = [
            self.machine.next_deadline(),
            self.host.next_deadline(),
            self.compilation
                .as_ref()
                .map(|compilation| compilation.deadline),
            self.writer.deadline().filter(|_| !self.ending.is_quiet()),
            self.shell.deadline().filter(|_| !self.ending.is_quiet()),
            self.ending.deadline(),
            self.listens_at,
            self.start.deadline(),
            (self.more_to_reap || self.machine.has_work() || !self.unserved.is_empty())
                .then_some(now),
        ];
        let next = deadlines.into_iter().flatten().min();
        // Zero would switch the timer off.
        let value = match next {
            Some(at) => timespec(at.max(1)),
            None => timespec(0),
        };
        let spec = Itimerspec {
            it_interval: timespec(0),
            it_value: value,
        };
        let _ = timerfd_settime(&*self.timer, TimerfdTimerFlags::ABSTIME, &spec);
    }
}

fn timespec(ms: u64) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(ms / 1_000).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(ms % 1_000 * 1_000_000).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A supervisor that is nobody's PID 1.
    fn container(folder: &std::path::Path) -> (EventLoop<'static, Supervisor>, Supervisor) {
        let event_loop = EventLoop::try_new().unwrap();
        let settings = Settings {
            sockets: folder.join("sockets"),
            logs: folder.join("logs"),
            ..Settings::container()
        };
        let supervisor = Supervisor::new(settings, event_loop.handle()).unwrap();
        (event_loop, supervisor)
    }

    #[test]
    fn bugs_before_the_loop_do_not_keep_it_from_being_reached() {
        let folder = tempfile::tempdir().unwrap();
        let (_event_loop, mut supervisor) = container(folder.path());
        let nothing: Vec<u8> = Vec::new();
        let reached = supervisor.set_up(
            |_| Err(format!("never said: {}", nothing[0])),
            |_| assert!(nothing[0] > 0),
        );
        assert_eq!(reached, Ok(()));
        let said = supervisor.host.logs.last(OWN_LOG, 10).unwrap().join("\n");
        assert!(said.contains("nobody can ask"), "{said}");
        assert!(said.contains("no units to start"), "{said}");
    }
}
