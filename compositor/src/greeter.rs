//! A screen for the greeter, and for nothing else.
//!
//! `argos-compositor --greeter` starts the greeter and is locked from the first frame on until it ends
//! ([`crate::lock`]): the greeter is the locker, over a socket that it inherits, and there is no other one
//! by which a client could come. So no key starts a program, nothing takes a picture, and while the
//! greeter is not there the screen is one plain colour. Changing the virtual terminal and the magnifier
//! work, as they do for everybody. The compositor ends with the greeter; whoever started it starts both
//! again.

use std::{
    io,
    os::{fd::AsRawFd, unix::net::UnixStream},
    process::{Command, Stdio},
};

use rustix::{
    io::{FdFlags, fcntl_setfd},
    process::{Pid, PidfdFlags, pidfd_open},
};
use smithay::reexports::calloop::{Interest, Mode, PostAction, generic::Generic};

use crate::{error::Error, state::State};

impl State {
    /// Locks the screen for good, starts the program that may draw on it, and ends the loop when that
    /// ends. `command` is the program and its arguments.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn greet(&mut self, command: &[String]) -> Result<(), Error> {
        self.lock_for_good();
        self.start_greeter(command)
            .map_err(|source| Error::Greeter {
                command: command.join(" "),
                source,
            })
    }

    fn start_greeter(&mut self, command: &[String]) -> io::Result<()> {
        let (program, arguments) = command
            .split_first()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no program is named"))?;
        let (ours, theirs) = UnixStream::pair()?;
        self.insert_client(ours, true)?;
        // It is inherited. Nobody else is started here who would inherit it as well.
        fcntl_setfd(&theirs, FdFlags::empty())?;
        let mut child = Command::new(program)
            .args(arguments)
            .env("WAYLAND_SOCKET", theirs.as_raw_fd().to_string())
            .env_remove("WAYLAND_DISPLAY")
            .env_remove("DISPLAY")
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null())
            .spawn()?;
        drop(theirs);
        tracing::info!("{program} has the screen");
        let end = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
        let name = program.clone();
        self.handle
            .insert_source(
                Generic::new(end, Interest::READ, Mode::Level),
                move |_, _, state| {
                    match child.wait() {
                        Ok(status) if status.success() => tracing::info!("{name} is done: ending"),
                        Ok(status) => tracing::error!("{name} ended with {status}: ending"),
                        Err(error) => tracing::error!("{name}: {error}: ending"),
                    }
                    state.stop();
                    Ok(PostAction::Remove)
                },
            )
            .map_err(|error| io::Error::other(error.error))?;
        Ok(())
    }
}
