//! The real world behind the service graph: how a unit's run is started, watched and ended.
//!
//! [`Host`] is the machine's [`Backend`]. It owns what a run needs (pidfd, pipes, sockets, group)
//! and registers what has to be listened to with the loop; what is heard goes back into the
//! machine through the [`Supervisor`]. What may have to wait for a slow file system is in `slow`.

mod slow;

use std::collections::{BTreeMap, HashMap};
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::rc::Rc;

use argos_units::{Directory, ExecSpec, Kind, Process, Readiness, Socket, Unit};
use calloop::generic::Generic;
use calloop::{Interest, LoopHandle, Mode, PostAction, RegistrationToken};
use rustix::fs::{MemfdFlags, OFlags};
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use rustix::process::Signal;

use crate::cgroup::Groups;
use crate::logs::Logs;
use crate::machine::{Backend, Exit};
use crate::settings::Settings;
use crate::spawn::{self, Child, Image};
use crate::supervisor::Supervisor;
use slow::refuse_slow;

/// How often a socket that a unit should listen on is tried, at first and at most, in milliseconds.
const PROBE_FIRST_MS: u64 = 5;
const PROBE_LAST_MS: u64 = 100;
/// Pause before a socket unit listens again after its service ended, in milliseconds: a service
/// that cannot cope with a connection must not be started for it without end.
const REARM_MS: u64 = 1_000;
/// How long the output of a run that is over is listened to, in milliseconds. Its processes are
/// gone; somebody who got the pipe from them and keeps it open must not keep it here.
const LINGER_MS: u64 = 1_000;
/// Most groups that the owner of a delegated group may make below it: when the unit is down they
/// are removed one by one.
const MAX_DESCENDANTS: u32 = 1_000;

/// Processes, groups, pipes and sockets of the units.
#[derive(Debug)]
pub struct Host {
    settings: Rc<Settings>,
    handle: LoopHandle<'static, Supervisor>,
    groups: Groups,
    /// What units printed.
    pub logs: Logs,
    runs: BTreeMap<String, Run>,
    /// Main processes: unit and run.
    pids: HashMap<u32, (String, u64)>,
    /// Descriptors that came with a transient unit.
    passed: HashMap<String, Vec<(i32, OwnedFd)>>,
    listeners: BTreeMap<String, Listener>,
    probes: Vec<Probe>,
    rearm: Vec<(u64, String)>,
    /// Output of runs that are over, and until when it is listened to.
    lingering: Vec<(u64, RegistrationToken)>,
    /// Lines for the supervisor's own log.
    pub notes: Vec<String>,
}

#[derive(Debug)]
struct Run {
    run: u64,
    pid: u32,
    pidfd: OwnedFd,
    alive: bool,
    has_terminal: bool,
    ready: Option<RegistrationToken>,
    output: Option<RegistrationToken>,
    /// Whether there may be something to unmount.
    mounted: bool,
    /// Whether a path unit's path was there when its child last looked.
    path_is_there: bool,
}

/// A socket unit.
#[derive(Debug)]
struct Listener {
    socket: UnixListener,
    unit: String,
    token: Option<RegistrationToken>,
}

/// A socket that will be there when a unit is ready.
#[derive(Debug)]
struct Probe {
    name: String,
    run: u64,
    path: String,
    next: u64,
    pause: u64,
}

impl Host {
    /// A world without units.
    pub fn new(
        settings: Rc<Settings>,
        handle: LoopHandle<'static, Supervisor>,
        groups: Groups,
    ) -> Self {
        Self {
            settings,
            handle,
            groups,
            logs: Logs::default(),
            runs: BTreeMap::new(),
            pids: HashMap::new(),
            passed: HashMap::new(),
            listeners: BTreeMap::new(),
            probes: Vec::new(),
            rearm: Vec::new(),
            lingering: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Keeps descriptors for the runs of a transient unit.
    pub fn pass(&mut self, name: &str, fds: Vec<(i32, OwnedFd)>) {
        self.passed.insert(name.to_owned(), fds);
    }

    /// A unit is gone for good.
    pub fn forget(&mut self, name: &str) {
        self.passed.remove(name);
    }

    /// The unit and run whose main process just ended, if `pid` was one.
    pub fn reaped(&mut self, pid: u32, exit: Exit) -> Option<(String, u64)> {
        let (name, run) = self.pids.remove(&pid)?;
        if let Some(record) = self.runs.get_mut(&name)
            && record.run == run
            && record.pid == pid
        {
            record.alive = false;
            // A mount that says that it failed left nothing; one that was killed may have.
            record.mounted &= matches!(exit, Exit::Status(0) | Exit::Signal(_));
        }
        Some((name, run))
    }

    /// The unit and run that a process belongs to: by its number, its group or its ancestors.
    pub fn owner(&self, pid: u32) -> Option<(String, u64)> {
        if let Some((name, run)) = self.pids.get(&pid) {
            return Some((name.clone(), *run));
        }
        if let Some(name) = self.groups.unit_of(pid) {
            let run = self.runs.get(&name)?.run;
            return Some((name, run));
        }
        let mut ancestor = pid;
        for _ in 0..8 {
            ancestor = parent_of(ancestor)?;
            if let Some((name, run)) = self.pids.get(&ancestor) {
                return Some((name.clone(), *run));
            }
        }
        None
    }

    /// Units that wait for a bus name: name and run.
    pub fn waits_for_bus_name<'a>(
        &'a self,
        units: impl Iterator<Item = &'a Unit>,
        bus_name: &str,
    ) -> Vec<(String, u64)> {
        units
            .filter(|unit| {
                matches!(unit.process().map(|p| &p.ready), Some(Readiness::Dbus(n)) if n == bus_name)
            })
            .filter_map(|unit| Some((unit.name.clone(), self.runs.get(&unit.name)?.run)))
            .collect()
    }

    // ---- Things to look at again later --------------------------------------------------------

    /// When [`Host::due`] has something to do, in milliseconds.
    pub fn next_deadline(&self) -> Option<u64> {
        let probes = self.probes.iter().map(|probe| probe.next);
        let rearm = self.rearm.iter().map(|(at, _)| *at);
        let lingering = self.lingering.iter().map(|(at, _)| *at);
        probes.chain(rearm).chain(lingering).min()
    }

    /// Looks again at what is due; yields the units that turned out to be ready: name and run.
    pub fn due(&mut self, now: u64) -> Vec<(String, u64)> {
        let mut ready = Vec::new();
        self.probes.retain_mut(|probe| {
            if probe.next > now {
                return true;
            }
            if accepts(&probe.path) {
                ready.push((probe.name.clone(), probe.run));
                return false;
            }
            probe.pause = (probe.pause * 2).min(PROBE_LAST_MS);
            probe.next = now + probe.pause;
            true
        });
        let due: Vec<String> = self
            .rearm
            .iter()
            .filter(|(at, _)| *at <= now)
            .map(|(_, name)| name.clone())
            .collect();
        self.rearm.retain(|(at, _)| *at > now);
        self.lingering.retain(|(at, token)| {
            if *at <= now {
                self.handle.remove(*token);
            }
            *at > now
        });
        for name in due {
            if let Err(error) = self.arm(&name) {
                self.notes
                    .push(format!("{name} cannot listen again: {error}"));
            }
        }
        ready
    }

    /// The service of a socket unit is down: listens again, after a pause.
    pub fn service_is_down(&mut self, service: &str, now: u64) {
        let sockets = self
            .listeners
            .iter()
            .filter(|(_, l)| l.unit == service && l.token.is_none());
        let names: Vec<String> = sockets.map(|(name, _)| name.clone()).collect();
        for name in names {
            if self.rearm.iter().all(|(_, known)| *known != name) {
                self.rearm.push((now + REARM_MS, name));
            }
        }
    }

    fn arm(&mut self, name: &str) -> Result<(), String> {
        let Some(listener) = self.listeners.get_mut(name) else {
            return Ok(());
        };
        let socket = listener
            .socket
            .try_clone()
            .map_err(|error| error.to_string())?;
        let service = listener.unit.clone();
        let source = Generic::new(socket, Interest::READ, Mode::Level);
        let me = name.to_owned();
        let token = self.handle.insert_source(source, move |_, _, supervisor| {
            // From here on the service accepts; nothing is listened to until it is down.
            supervisor.socket_has_guest(&me, &service);
            Ok(PostAction::Remove)
        });
        listener.token = Some(token.map_err(|error| error.error.to_string())?);
        Ok(())
    }

    /// The loop has taken the listener's source away.
    pub fn disarmed(&mut self, name: &str) {
        if let Some(listener) = self.listeners.get_mut(name) {
            listener.token = None;
        }
    }

    // ---- Starting -----------------------------------------------------------------------------

    fn start_process(&mut self, unit: &Unit, process: &Process, run: u64) -> Result<u32, String> {
        let failed = |what: &str, error: io::Error| format!("{what}: {error}");
        let null = fs::File::options()
            .read(true)
            .write(true)
            .open("/dev/null")
            .map_err(|error| failed("cannot open /dev/null", error))?;
        if let Readiness::Socket(path) = &process.ready {
            refuse_slow(path)?;
        }
        let (output, output_token) = self
            .log_pipe(&unit.name)
            .map_err(|error| failed("cannot make a pipe", error))?;
        let mut fds: Vec<(BorrowedFd<'_>, i32)> =
            vec![(null.as_fd(), 0), (output.as_fd(), 1), (output.as_fd(), 2)];

        let mut env = self.settings.env.clone();
        let sockets: Vec<OwnedFd> = self.sockets_of(&unit.name);
        for (at, socket) in (3..).zip(&sockets) {
            fds.push((socket.as_fd(), at));
        }
        if !sockets.is_empty() {
            env.insert("LISTEN_FDS".into(), sockets.len().to_string());
        }
        let passed = self.passed.get(&unit.name);
        for (number, fd) in passed.into_iter().flatten() {
            fds.push((fd.as_fd(), *number));
        }
        let mut ready_pipe = None;
        match &process.ready {
            Readiness::Fd(number) => {
                let (read, write) = pipe().map_err(|error| failed("cannot make a pipe", error))?;
                ready_pipe = Some((read, write, *number));
            }
            Readiness::Notify => {
                let path = self.settings.sockets.join("notify");
                env.insert("NOTIFY_SOCKET".into(), path.display().to_string());
            }
            _ => {}
        }
        if let Some((_, write, number)) = &ready_pipe {
            fds.push((write.as_fd(), *number));
        }
        if process.user.is_some() && self.settings.changes_users() {
            // argos-exec fills in the user's own.
            env.remove("HOME");
        }
        env.extend(process.env.iter().cloned());

        let mut argv = process.exec.clone();
        let spec = self.exec_spec(process, &fds);
        let spec_file;
        if !spec.is_empty() {
            let file = memfd(&spec)?;
            let number = fds.iter().map(|(_, to)| *to).max().unwrap_or(2).max(2) + 1;
            argv.splice(
                0..0,
                [
                    self.settings.exec.display().to_string(),
                    "--spec-fd".to_owned(),
                    number.to_string(),
                    "--".to_owned(),
                ],
            );
            spec_file = file;
            fds.push((spec_file.as_fd(), number));
        }
        let directory = match &process.working_directory {
            Some(path) if spec.is_empty() => path.as_str(),
            _ => "/",
        };
        let image = Image {
            argv: strings(argv.iter().map(String::as_str))?,
            env: strings(env.iter().map(|(name, value)| format!("{name}={value}")))?,
            working_directory: string(directory)?,
            listen_pid: !sockets.is_empty(),
        };
        let (group, unlimited) = self
            .groups
            .create(
                &unit.name,
                &process.limits,
                process.delegate.then_some(MAX_DESCENDANTS),
            )
            .map_err(|error| failed("cannot make its cgroup", error))?;
        for problem in unlimited {
            self.notes.push(format!("{}: {problem}", unit.name));
        }
        let child = spawn::program(&image, &fds, group.as_ref().map(AsFd::as_fd))
            .map_err(|error| failed("cannot make a process", error))?;
        drop(fds);
        let ready = match ready_pipe {
            Some((read, write, _)) => {
                drop(write);
                Some(self.watch_ready_pipe(&unit.name, run, read)?)
            }
            None => None,
        };
        if let Readiness::Socket(path) = &process.ready {
            self.probes.push(Probe {
                name: unit.name.clone(),
                run,
                path: path.clone(),
                next: 0,
                pause: PROBE_FIRST_MS,
            });
        }
        let record = self.record(unit, run, child);
        record.has_terminal = process.tty.is_some();
        record.ready = ready;
        record.output = Some(output_token);
        Ok(record.pid)
    }

    fn exec_spec(&self, process: &Process, fds: &[(BorrowedFd<'_>, i32)]) -> ExecSpec {
        let mut directories = Vec::new();
        for (root, name, mode) in [
            (
                &self.settings.runtime,
                &process.runtime_directory,
                process.runtime_directory_mode,
            ),
            (&self.settings.state, &process.state_directory, 0o755),
        ] {
            if let Some(name) = name {
                let path = root.join(name).display().to_string();
                directories.push(Directory { path, mode });
            }
        }
        let changes = self.settings.changes_users();
        let mut spec = ExecSpec {
            user: process.user.clone().filter(|_| changes),
            group: process.group.clone().filter(|_| changes),
            tty: process.tty.clone(),
            working_directory: None,
            directories,
            delegate: process.delegate && changes && matches!(self.groups, Groups::Cgroup(_)),
            open_files: process.limits.open_files,
            sandbox: process.sandbox.clone(),
            variables: Vec::new(),
            fds: Vec::new(),
        };
        if !spec.is_empty() {
            let own = ["NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID"].map(str::to_owned);
            let set = process.env.iter().map(|(name, _)| name.clone());
            spec.variables = set.chain(own).collect();
            spec.working_directory = process.working_directory.clone();
            spec.fds = fds
                .iter()
                .map(|(_, number)| *number)
                .filter(|number| *number > 2)
                .collect();
        }
        spec
    }

    /// Keeps a run whose main process is there, to be filled in by who started it.
    fn record(&mut self, unit: &Unit, run: u64, child: Child) -> &mut Run {
        let Child { pid, pidfd } = child;
        self.pids.insert(pid, (unit.name.clone(), run));
        let record = Run {
            run,
            pid,
            pidfd,
            alive: true,
            has_terminal: false,
            ready: None,
            output: None,
            mounted: false,
            path_is_there: false,
        };
        self.runs
            .entry(unit.name.clone())
            .insert_entry(record)
            .into_mut()
    }

    /// A pipe whose other end goes into the unit's log, and what listens to it.
    pub fn log_pipe(&mut self, name: &str) -> io::Result<(OwnedFd, RegistrationToken)> {
        let (read, write) = pipe()?;
        nonblocking(&read)?;
        let name = name.to_owned();
        let source = Generic::new(read, Interest::READ, Mode::Level);
        let inserted = self
            .handle
            .insert_source(source, move |_, read, supervisor| {
                // Little at a time: one unit's flood of short lines must not hold up the others.
                let mut bytes = [0; 4 << 10];
                let logs = &mut supervisor.host.logs;
                match rustix::io::read(&**read, &mut bytes) {
                    Ok(0) => logs.finish(&name),
                    Ok(count) => {
                        logs.take(&name, &bytes[..count]);
                        return Ok(PostAction::Continue);
                    }
                    Err(Errno::AGAIN | Errno::INTR) => return Ok(PostAction::Continue),
                    Err(_) => logs.finish(&name),
                }
                Ok(PostAction::Remove)
            });
        let token = inserted.map_err(|error| io::Error::other(error.error.to_string()))?;
        Ok((write, token))
    }

    fn watch_ready_pipe(
        &mut self,
        name: &str,
        run: u64,
        read: OwnedFd,
    ) -> Result<RegistrationToken, String> {
        nonblocking(&read).map_err(|error| error.to_string())?;
        let name = name.to_owned();
        let source = Generic::new(read, Interest::READ, Mode::Level);
        let inserted = self
            .handle
            .insert_source(source, move |_, read, supervisor| {
                let mut bytes = [0; 64];
                match rustix::io::read(&**read, &mut bytes) {
                    Ok(count) if bytes[..count].contains(&b'\n') => {
                        supervisor.host.ready_pipe_gone(&name, run);
                        supervisor.unit_is_ready(&name, run);
                        Ok(PostAction::Remove)
                    }
                    Ok(0) => {
                        // Closed without a word: the time limit decides.
                        supervisor.host.ready_pipe_gone(&name, run);
                        Ok(PostAction::Remove)
                    }
                    _ => Ok(PostAction::Continue),
                }
            });
        inserted.map_err(|error| error.error.to_string())
    }

    fn ready_pipe_gone(&mut self, name: &str, run: u64) {
        if let Some(record) = self.runs.get_mut(name)
            && record.run == run
        {
            record.ready = None;
        }
    }

    fn sockets_of(&self, service: &str) -> Vec<OwnedFd> {
        let mine = self
            .listeners
            .values()
            .filter(|listener| listener.unit == service);
        mine.filter_map(|listener| listener.socket.try_clone().ok().map(OwnedFd::from))
            .collect()
    }

    fn linger(&mut self, output: Option<RegistrationToken>) {
        let until = crate::clock::now_ms() + LINGER_MS;
        self.lingering.extend(output.map(|output| (until, output)));
    }

    fn start_socket(&mut self, unit: &Unit, socket: &Socket) -> Result<(), String> {
        refuse_slow(&socket.listen)?;
        let path = Path::new(&socket.listen);
        let bind = || -> io::Result<UnixListener> {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            let _ = fs::remove_file(path);
            let listener = UnixListener::bind(path)?;
            fs::set_permissions(path, fs::Permissions::from_mode(socket.mode))?;
            Ok(listener)
        };
        let listener =
            bind().map_err(|error| format!("cannot listen on {}: {error}", socket.listen))?;
        let record = Listener {
            socket: listener,
            unit: socket.unit.clone(),
            token: None,
        };
        self.listeners.insert(unit.name.clone(), record);
        self.arm(&unit.name)
    }
}

impl Backend for Host {
    fn start(&mut self, unit: &Unit, run: u64) -> Result<Option<u32>, String> {
        match &unit.kind {
            Kind::Service(process) | Kind::Oneshot(process) => {
                self.start_process(unit, process, run).map(Some)
            }
            Kind::Mount(mount) => self.start_mount(unit, mount, run).map(Some),
            Kind::Socket(socket) => self.start_socket(unit, socket).map(|()| None),
            Kind::Path(path) => self.start_path(unit, path, run).map(Some),
            Kind::Target | Kind::Timer(_) => Ok(None),
        }
    }

    fn terminate(&mut self, unit: &Unit) {
        let Some(run) = self.runs.get(&unit.name).filter(|run| run.alive) else {
            return;
        };
        // Shells at a terminal pass over SIGTERM and obey a hang-up.
        if run.has_terminal {
            let _ = rustix::process::pidfd_send_signal(&run.pidfd, Signal::HUP);
        }
        let _ = rustix::process::pidfd_send_signal(&run.pidfd, Signal::TERM);
        let _ = rustix::process::pidfd_send_signal(&run.pidfd, Signal::CONT);
    }

    fn kill(&mut self, unit: &Unit) {
        let Some(run) = self.runs.get(&unit.name) else {
            return;
        };
        if run.alive {
            let _ = rustix::process::pidfd_send_signal(&run.pidfd, Signal::KILL);
        }
        self.groups.kill(&unit.name, run.pid);
    }

    fn is_empty(&mut self, unit: &Unit) -> bool {
        let Some(run) = self.runs.get(&unit.name) else {
            return true;
        };
        if run.alive || !self.groups.is_empty(&unit.name, run.pid) {
            return false;
        }
        match &unit.kind {
            Kind::Mount(mount) if run.mounted => {
                self.unmount(&unit.name, &mount.path);
                false
            }
            _ => true,
        }
    }

    fn release(&mut self, unit: &Unit) {
        if let Some(run) = self.runs.remove(&unit.name) {
            if let Some(token) = run.ready {
                self.handle.remove(token);
            }
            if run.alive {
                // It was given up, and what hangs must not go on once it can: another run may have
                // begun by then.
                let _ = rustix::process::pidfd_send_signal(&run.pidfd, Signal::KILL);
            }
            self.linger(run.output);
            self.groups.remove(&unit.name);
        }
        self.probes.retain(|probe| probe.name != unit.name);
        if let Kind::Socket(socket) = &unit.kind {
            let listener = self.listeners.remove(&unit.name);
            if let Some(token) = listener.and_then(|listener| listener.token) {
                self.handle.remove(token);
            }
            self.rearm.retain(|(_, name)| *name != unit.name);
            if refuse_slow(&socket.listen).is_ok() {
                let _ = fs::remove_file(&socket.listen);
            }
        }
    }

    fn path_exists(&mut self, unit: &Unit) -> bool {
        let run = self.runs.get(&unit.name);
        run.is_some_and(|run| run.path_is_there)
    }
}

/// How a process ended, as `waitpid` says.
pub fn exit_of(status: rustix::process::WaitStatus) -> Exit {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Exit::Status(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Status(-1),
    }
}

/// Whether something listens on a Unix socket. Never waits: a full queue counts as listening.
fn accepts(path: &str) -> bool {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
    let Ok(address) = SocketAddrUnix::new(path) else {
        return false;
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let Ok(socket) = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
    else {
        return false;
    };
    matches!(
        rustix::net::connect(&socket, &address),
        Ok(()) | Err(Errno::AGAIN)
    )
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, so what counts comes after the last one.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace()
        .nth(1)?
        .parse()
        .ok()
        .filter(|parent| *parent > 1)
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?)
}

fn nonblocking(fd: &OwnedFd) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(fd)?;
    Ok(rustix::fs::fcntl_setfl(fd, flags | OFlags::NONBLOCK)?)
}

fn memfd(spec: &ExecSpec) -> Result<OwnedFd, String> {
    let bytes = spec.encode().map_err(|error| error.to_string())?;
    let write = || -> io::Result<OwnedFd> {
        let file = rustix::fs::memfd_create("argos-exec", MemfdFlags::CLOEXEC)?;
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let written = rustix::io::write(&file, rest)?;
            rest = &rest[written..];
        }
        rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(0))?;
        Ok(file)
    };
    write().map_err(|error| format!("cannot hand over its set-up: {error}"))
}

fn string(text: &str) -> Result<CString, String> {
    CString::new(text).map_err(|_| format!("{text:?} holds a null character"))
}

fn strings(texts: impl Iterator<Item = impl AsRef<str>>) -> Result<Vec<CString>, String> {
    texts.map(|text| string(text.as_ref())).collect()
}
