//! Clipboard and primary selection between X and Wayland programs.
//!
//! Contents go through a pipe of the compositor's and a thread for each transfer, so that a program
//! which does not read or write holds up nothing, and so that none is without end: [`LARGEST`] bytes,
//! [`PATIENCE`] for each step, [`MOST`] at a time. X programs may read what Wayland programs have copied only
//! while one of their windows has the keyboard, as Wayland programs may.

use std::{
    io::{self, PipeReader, Read, Write},
    os::fd::{AsFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::OFlags,
};
use smithay::{
    wayland::selection::{
        SelectionTarget,
        data_device::{
            clear_data_device_selection, current_data_device_selection_userdata,
            request_data_device_client_selection, set_data_device_selection,
        },
        primary_selection::{
            clear_primary_selection, current_primary_selection_userdata,
            request_primary_client_selection, set_primary_selection,
        },
    },
    xwayland::{X11Surface, xwm::XwmId},
};

use crate::state::State;

/// The most bytes of one transfer.
const LARGEST: u64 = 256 << 20;
/// How long a program may take for the next bytes.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many transfers there may be at a time.
const MOST: usize = 16;
/// How many types of content are passed on.
const MOST_TYPES: usize = 64;
/// The longest name of a type.
const LONGEST_TYPE: usize = 256;

/// The types of what Wayland programs have copied and selected.
#[derive(Debug, Default)]
pub(super) struct Offered {
    clipboard: Option<Vec<String>>,
    primary: Option<Vec<String>>,
    /// How many transfers there are.
    running: Arc<AtomicUsize>,
    /// Those window managers that content went through: what is left of a transfer may ask for them.
    used: Vec<XwmId>,
}

/// The types that are passed on.
fn bounded(mut types: Vec<String>) -> Vec<String> {
    types.retain(|name| name.len() <= LONGEST_TYPE);
    types.truncate(MOST_TYPES);
    types
}

/// Counts a transfer for as long as it is there.
struct Turn(Arc<AtomicUsize>);

impl Turn {
    fn take(running: &Arc<AtomicUsize>) -> Option<Self> {
        let turn = Self(Arc::clone(running));
        (running.fetch_add(1, Ordering::Relaxed) < MOST).then_some(turn)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Waits until there is something to be done with a descriptor.
fn wait(fd: &impl AsFd, flags: PollFlags) -> io::Result<()> {
    let mut fds = [PollFd::new(fd, flags)];
    let patience = rustix::time::Timespec {
        tv_sec: PATIENCE.as_secs() as i64,
        tv_nsec: 0,
    };
    match poll(&mut fds, Some(&patience))? {
        0 => Err(io::ErrorKind::TimedOut.into()),
        _ => Ok(()),
    }
}

/// Copies until the end.
fn copy(mut from: PipeReader, to: OwnedFd) -> io::Result<()> {
    rustix::fs::fcntl_setfl(&to, OFlags::WRONLY | OFlags::NONBLOCK)?;
    let mut to = std::fs::File::from(to);
    let mut left = LARGEST;
    let mut buffer = vec![0; 64 << 10];
    loop {
        wait(&from, PollFlags::IN)?;
        let length = from.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        left = left.checked_sub(length as u64).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("it is larger than {LARGEST} bytes"),
            )
        })?;
        let mut rest = &buffer[..length];
        while !rest.is_empty() {
            wait(&to, PollFlags::OUT)?;
            match to.write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Offered {
    fn types(&mut self, target: SelectionTarget) -> &mut Option<Vec<String>> {
        match target {
            SelectionTarget::Clipboard => &mut self.clipboard,
            SelectionTarget::Primary => &mut self.primary,
        }
    }

    /// A pipe from whose end everything is copied to `to`, within the bounds.
    fn pipe(&self, to: OwnedFd) -> io::Result<OwnedFd> {
        let turn = Turn::take(&self.running).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::ResourceBusy,
                format!("there are {MOST} transfers already"),
            )
        })?;
        let (from, end) = io::pipe()?;
        std::thread::Builder::new()
            .name("x11-selection".into())
            .spawn(move || {
                if let Err(error) = copy(from, to) {
                    tracing::debug!("a selection was not passed on whole: {error}");
                }
                drop(turn);
            })?;
        Ok(end.into())
    }
}

impl State {
    /// Wayland programs copied something, or nothing is copied any more.
    pub(crate) fn selected(&mut self, target: SelectionTarget, types: Option<Vec<String>>) {
        let types = types.map(bounded);
        self.xwayland.offered.types(target).clone_from(&types);
        self.offer(target, types);
    }

    fn offer(&mut self, target: SelectionTarget, types: Option<Vec<String>>) {
        let Some(manager) = self.xwayland.manager() else {
            return;
        };
        if let Err(error) = manager.new_selection(target, types) {
            tracing::warn!("X programs do not know what was copied: {error}");
        }
        // Smithay leaves it in its buffer until something else is sent; this sends without doing anything.
        let nothing = std::iter::empty::<&X11Surface>();
        if let Err(error) = manager.update_stacking_order_downwards(nothing) {
            tracing::debug!("the X server hears nothing: {error}");
        }
    }

    /// Tells a server that is new what there is.
    pub(super) fn offer_selections(&mut self) {
        for target in [SelectionTarget::Clipboard, SelectionTarget::Primary] {
            if let Some(types) = self.xwayland.offered.types(target).clone() {
                self.offer(target, Some(types));
            }
        }
    }

    /// Whether X programs may read what Wayland programs have copied.
    pub(super) fn x11_may_paste(&self) -> bool {
        let focus = self.keyboard.current_focus();
        !self.is_locked() && focus.is_some_and(|focus| focus.is_x11())
    }

    /// An X program asks for what a Wayland program has.
    pub(super) fn send_to_x11(&mut self, target: SelectionTarget, mime_type: String, fd: OwnedFd) {
        if let Some(id) = self.xwayland.server.as_ref().and_then(|server| server.wm) {
            self.xwayland.offered.mark(id);
        }
        let sent = self.xwayland.offered.pipe(fd).and_then(|end| {
            let seat = &self.seat;
            match target {
                SelectionTarget::Clipboard => {
                    request_data_device_client_selection(seat, mime_type, end)
                        .map_err(io::Error::other)
                }
                SelectionTarget::Primary => {
                    request_primary_client_selection(seat, mime_type, end).map_err(io::Error::other)
                }
            }
        });
        if let Err(error) = sent {
            tracing::warn!("nothing is pasted into an X program: {error}");
        }
    }

    /// A Wayland program asks for what an X program has.
    pub(crate) fn send_from_x11(
        &mut self,
        target: SelectionTarget,
        mime_type: String,
        fd: OwnedFd,
    ) {
        let handle = self.handle.clone();
        let sent = self.xwayland.offered.pipe(fd).map_err(|e| e.to_string());
        let sent = sent.and_then(|end| {
            let manager = self.xwayland.manager().ok_or("no X server runs")?;
            let id = manager.id();
            manager
                .send_selection(target, mime_type, end, handle)
                .map_err(|error| error.to_string())?;
            self.xwayland.offered.mark(id);
            Ok(())
        });
        if let Err(error) = sent {
            tracing::warn!("nothing is pasted from an X program: {error}");
        }
    }

    /// An X program copied something.
    pub(super) fn x11_selected(&mut self, target: SelectionTarget, types: Vec<String>) {
        let types = bounded(types);
        *self.xwayland.offered.types(target) = None;
        match target {
            SelectionTarget::Clipboard => {
                set_data_device_selection(&self.display, &self.seat, types, ());
            }
            SelectionTarget::Primary => {
                set_primary_selection(&self.display, &self.seat, types, ());
            }
        }
    }

    /// What an X program has copied is gone. What Wayland programs have copied since is not.
    pub(super) fn x11_deselected(&mut self, target: SelectionTarget) {
        match target {
            SelectionTarget::Clipboard => {
                if current_data_device_selection_userdata(&self.seat).is_some() {
                    clear_data_device_selection(&self.display, &self.seat);
                }
            }
            SelectionTarget::Primary => {
                if current_primary_selection_userdata(&self.seat).is_some() {
                    clear_primary_selection(&self.display, &self.seat);
                }
            }
        }
    }

    pub(super) fn forget_x11_selections(&mut self) {
        self.x11_deselected(SelectionTarget::Clipboard);
        self.x11_deselected(SelectionTarget::Primary);
    }

    /// The window manager's connection is closed. What is left of a transfer through it may ask for it, so
    /// one that had transfers stays.
    pub(super) fn forget_manager(&mut self, id: XwmId) {
        if !self.xwayland.offered.used.contains(&id) {
            self.xwayland.managers.retain(|wm| wm.id() != id);
        }
    }
}

impl Offered {
    fn mark(&mut self, id: XwmId) {
        if !self.used.contains(&id) {
            self.used.push(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transfers_and_types_are_bounded() {
        let running = Arc::default();
        let turns: Vec<_> = (0..MOST).map(|_| Turn::take(&running)).collect();
        assert!(turns.iter().all(Option::is_some));
        assert!(Turn::take(&running).is_none());
        drop(turns);
        assert!(Turn::take(&running).is_some());

        let types = (0..200).map(|n| format!("text/{n}")).collect();
        assert_eq!(bounded(types).len(), MOST_TYPES);
        assert_eq!(bounded(vec!["x".repeat(300)]), Vec::<String>::new());
    }

    #[test]
    fn contents_are_copied_to_their_end() {
        let (mut read, write) = io::pipe().unwrap();
        let offered = Offered::default();
        let mut end = std::fs::File::from(offered.pipe(write.into()).unwrap());
        let sent = vec![7; 300_000];
        let copy = sent.clone();
        let writer = std::thread::spawn(move || end.write_all(&copy).unwrap());
        let mut got = Vec::new();
        read.read_to_end(&mut got).unwrap();
        writer.join().unwrap();
        assert_eq!(got, sent);
    }
}
