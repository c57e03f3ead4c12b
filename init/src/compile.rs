//! The unit compiler as a child: its output is collected without waiting and checked as a whole.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use argos_units::{Graph, codec};
use calloop::generic::Generic;
use calloop::{Interest, LoopHandle, Mode, PostAction, RegistrationToken};
use rustix::io::Errno;

use crate::machine::Exit;
use crate::process::Host;
use crate::settings::{Role, Settings};
use crate::spawn::{self, Image};
use crate::supervisor::Supervisor;

/// How long it may take, in milliseconds.
const TIME_LIMIT_MS: u64 = 30_000;
/// Name under which its messages are logged.
const LOG_NAME: &str = "unit-compiler";

/// A compilation that is under way.
#[derive(Debug)]
pub struct Compilation {
    pid: u32,
    pidfd: OwnedFd,
    output: Vec<u8>,
    source: Option<RegistrationToken>,
    exit: Option<Exit>,
    /// When it is given up, in milliseconds.
    pub deadline: u64,
    /// Why it was given up.
    gave_up: Option<&'static str>,
}

impl Compilation {
    /// Starts the compiler. The error is text for people.
    pub fn start(
        settings: &Rc<Settings>,
        handle: &LoopHandle<'static, Supervisor>,
        host: &mut Host,
        now: u64,
    ) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("cannot start the unit compiler: {error}");
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
            .map_err(|error| failed(error.into()))?;
        rustix::fs::fcntl_setfl(&read, rustix::fs::OFlags::NONBLOCK)
            .map_err(|e| failed(e.into()))?;
        let (messages, _) = host.log_pipe(LOG_NAME).map_err(failed)?;
        let null = std::fs::File::open("/dev/null").map_err(failed)?;

        let mut argv = vec![settings.compiler.as_os_str().to_owned()];
        if settings.role == Role::User {
            argv.push("--user".into());
        }
        argv.extend(
            settings
                .unit_folders
                .iter()
                .map(|folder| folder.as_os_str().to_owned()),
        );
        let argv = argv
            .into_iter()
            .filter_map(|text| CString::new(std::os::unix::ffi::OsStringExt::into_vec(text)).ok());
        let image = Image {
            argv: argv.collect(),
            env: vec![c"LANG=C.UTF-8".to_owned()],
            working_directory: c"/".to_owned(),
            listen_pid: false,
        };
        let fds = [(null.as_fd(), 0), (write.as_fd(), 1), (messages.as_fd(), 2)];
        let child = spawn::program(&image, &fds, None).map_err(failed)?;

        let source = Generic::new(read, Interest::READ, Mode::Level);
        let inserted = handle.insert_source(source, |_, read, supervisor| {
            let mut bytes = [0; 16 << 10];
            let more = match rustix::io::read(&**read, &mut bytes) {
                Ok(0) => false,
                Ok(count) => supervisor.compiler_wrote(&bytes[..count]),
                Err(Errno::AGAIN | Errno::INTR) => true,
                Err(_) => false,
            };
            if !more {
                supervisor.compiler_closed();
                return Ok(PostAction::Remove);
            }
            Ok(PostAction::Continue)
        });
        Ok(Self {
            pid: child.pid,
            pidfd: child.pidfd,
            output: Vec::new(),
            source: Some(
                inserted.map_err(|error| failed(std::io::Error::other(error.error.to_string())))?,
            ),
            exit: None,
            deadline: now.saturating_add(TIME_LIMIT_MS),
            gave_up: None,
        })
    }

    /// Takes a piece of the output; `false` if it is too much.
    pub fn wrote(&mut self, bytes: &[u8]) -> bool {
        if self.output.len() + bytes.len() > codec::MAX_BYTES {
            self.give_up("it writes more than a unit graph may have");
            return false;
        }
        self.output.extend_from_slice(bytes);
        true
    }

    /// The loop has taken the pipe away.
    pub fn closed(&mut self) {
        self.source = None;
    }

    /// A child ended; `true` if it was this one.
    pub fn reaped(&mut self, pid: u32, exit: Exit) -> bool {
        if pid == self.pid {
            self.exit = Some(exit);
        }
        pid == self.pid
    }

    /// Kills it.
    pub fn give_up(&mut self, why: &'static str) {
        self.gave_up = Some(why);
        self.deadline = u64::MAX;
        let _ = rustix::process::pidfd_send_signal(&self.pidfd, rustix::process::Signal::KILL);
    }

    /// Its time is over.
    pub fn too_late(&mut self) {
        self.give_up("it took longer than 30 s");
    }

    /// Whether all of it is there.
    pub fn is_over(&self) -> bool {
        self.exit.is_some() && self.source.is_none()
    }

    /// What came of it. The error is text for people.
    pub fn result(&self) -> Result<Graph, String> {
        let wrong = |why: &str| {
            format!("the unit files could not be compiled: {why}; see the log of {LOG_NAME}")
        };
        if let Some(why) = self.gave_up {
            return Err(wrong(why));
        }
        match self.exit {
            Some(Exit::Status(0)) => {
                codec::decode_graph(&self.output).map_err(|error| wrong(&error.to_string()))
            }
            Some(Exit::Status(code)) => {
                Err(wrong(&format!("the compiler ended with status {code}")))
            }
            Some(Exit::Signal(signal)) => {
                Err(wrong(&format!("the compiler was ended by signal {signal}")))
            }
            None => Err(wrong("the compiler has not ended")),
        }
    }
}
