//! Processes as children of the broker, for hosts without our supervisor, and for tests.
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::io::Write;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, mpsc};

use argos_units::exec::ExecSpec;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::{Launch, SpawnError, Spawner};
use crate::session::lock;

/// Where `argos-exec` finds its spec.
const SPEC_FD: i32 = 4;
/// Above every number that is given to the child on purpose.
const OUT_OF_THE_WAY: i32 = 10;

/// How long one that was killed may take to be gone: a busy machine, or a disk that it waits for.
const END_TIME: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};

/// Starts processes through `argos-exec` as children.
#[derive(Debug)]
pub struct Direct {
    exec: PathBuf,
    running: Mutex<HashMap<String, OwnedFd>>,
}

impl Direct {
    /// Uses the `argos-exec` at this path.
    pub fn new(exec: PathBuf) -> Self {
        Self {
            exec,
            running: Mutex::new(HashMap::new()),
        }
    }

    fn spawn(&self, launch: &Launch, socket: OwnedFd, errors: OwnedFd) -> Result<(), String> {
        let spec = ExecSpec {
            sandbox: Some(launch.spec.to_json()),
            fds: vec![3],
            ..ExecSpec::default()
        };
        let bytes = spec.encode().map_err(|e| e.to_string())?;
        let edge = |e: rustix::io::Errno| format!("the process could not be prepared: {e}");
        let memory = rustix::fs::memfd_create(
            "argos-exec-spec",
            rustix::fs::MemfdFlags::CLOEXEC | rustix::fs::MemfdFlags::ALLOW_SEALING,
        )
        .map_err(edge)?;
        let mut file = std::fs::File::from(memory);
        file.write_all(&bytes).map_err(|e| e.to_string())?;
        rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(0)).map_err(edge)?;
        rustix::fs::fcntl_add_seals(
            &file,
            rustix::fs::SealFlags::WRITE
                | rustix::fs::SealFlags::GROW
                | rustix::fs::SealFlags::SHRINK,
        )
        .map_err(edge)?;
        let away = |fd: &dyn AsFd| rustix::io::fcntl_dupfd_cloexec(fd.as_fd(), OUT_OF_THE_WAY);
        let socket = away(&socket).map_err(edge)?;
        let file = away(&file).map_err(edge)?;
        let mut command = Command::new(&self.exec);
        command
            .arg("--spec-fd")
            .arg(SPEC_FD.to_string())
            .arg("--")
            .args(&launch.argv)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::from(errors));
        // SAFETY: between fork and exec the closure only makes dup2 system calls and allocates
        // nothing. The numbers it overwrites are copies in the child.
        unsafe {
            command.pre_exec(move || {
                for (from, to) in [(&socket, 3), (&file, SPEC_FD)] {
                    // SAFETY: the number is only borrowed for dup2 and not closed here.
                    let mut target = std::mem::ManuallyDrop::new(OwnedFd::from_raw_fd(to));
                    rustix::io::dup2(from, &mut target)?;
                }
                Ok(())
            });
        }
        // The child is tied to the thread that starts it, not to the process (PR_SET_PDEATHSIG), so
        // that thread stays for as long as the child does, and waits for it so that no zombie stays.
        let (started, outcome) = mpsc::channel();
        std::thread::spawn(move || {
            let spawned = command.spawn();
            // With it our copies of what the child was given: while one is open, nobody sees its end.
            drop(command);
            let opened = spawned.and_then(|child| {
                let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
                Ok((child, pidfd))
            });
            // Whoever asked waits for it below.
            match opened {
                Ok((mut child, pidfd)) => {
                    let _ = started.send(Ok(pidfd));
                    let _ = child.wait();
                }
                Err(e) => {
                    let _ = started.send(Err(e));
                }
            }
        });
        let pidfd = outcome
            .recv()
            .map_err(|e| e.to_string())?
            .map_err(|e| format!("{} cannot be started: {e}", self.exec.display()))?;
        lock(&self.running).insert(launch.name.clone(), pidfd);
        Ok(())
    }
}

impl Spawner for Direct {
    fn start(&self, launch: &Launch, socket: OwnedFd, errors: OwnedFd) -> Result<(), SpawnError> {
        self.spawn(launch, socket, errors)
            .map_err(|what| SpawnError {
                name: launch.name.clone(),
                what,
            })
    }

    fn stop(&self, name: &str) -> Result<(), SpawnError> {
        let Some(pidfd) = lock(&self.running).remove(name) else {
            return Ok(());
        };
        let failed = |what: String| SpawnError {
            name: name.to_owned(),
            what,
        };
        match pidfd_send_signal(&pidfd, Signal::KILL) {
            Ok(()) => {}
            Err(Errno::SRCH) => return Ok(()),
            Err(e) => return Err(failed(format!("cannot be ended: {e}"))),
        }
        // It has ended when the kernel says so, not when it was told to.
        let mut fds = [PollFd::new(&pidfd, PollFlags::IN)];
        match retry_on_intr(|| poll(&mut fds, Some(&END_TIME))) {
            Ok(0) => Err(failed("was killed and does not end".to_owned())),
            Ok(_) => Ok(()),
            Err(e) => Err(failed(format!("cannot be waited for: {e}"))),
        }
    }
}
