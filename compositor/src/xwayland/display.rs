//! An X display's name: its lock, and the sockets on which clients come.
//!
//! They are the compositor's and stay from one X server to the next. A client that connects while none
//! runs waits in the socket's queue and is answered by the server that is started for it.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Read, Write},
    mem::ManuallyDrop,
    os::{
        fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
        linux::net::SocketAddrExt,
        unix::{
            fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
            net::{SocketAddr, UnixListener},
        },
    },
    path::{Path, PathBuf},
    rc::Rc,
};

use rustix::{
    io::DupFlags,
    net::{Shutdown, SocketAddrUnix},
    process::{Pid, getuid, test_kill_process},
};

/// Where X clients look for sockets.
const FOLDER: &str = "/tmp/.X11-unix";
/// The numbers that are tried, if the wanted one is taken.
const NUMBERS: std::ops::Range<u32> = 0..64;

/// See the module's page. The name is free again once this is dropped.
#[derive(Debug)]
pub(super) struct Display {
    number: u32,
    /// The socket in the file system, and the abstract one.
    listeners: Vec<Rc<OwnedFd>>,
    socket: PathBuf,
    lock: PathBuf,
}

impl Display {
    /// Takes the display of the wanted number, or else the first that is free.
    pub(super) fn take(wanted: Option<u32>) -> io::Result<Self> {
        prepare_folder(Path::new(FOLDER))?;
        let mut last = None;
        for number in wanted.into_iter().chain(NUMBERS) {
            match Self::take_number(number) {
                Ok(display) => return Ok(display),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()))
    }

    fn take_number(number: u32) -> io::Result<Self> {
        let lock = PathBuf::from(format!("/tmp/.X{number}-lock"));
        take_lock(&lock)?;
        let socket = Path::new(FOLDER).join(format!("X{number}"));
        let mut display = Self {
            number,
            listeners: Vec::new(),
            socket: socket.clone(),
            lock,
        };
        // Whoever listened there has not held the lock.
        match fs::remove_file(&socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&socket)?;
        // Xwayland takes clients of its own user only; others need not get as far as to ask.
        fs::set_permissions(&socket, Permissions::from_mode(0o700))?;
        display.listeners.push(Rc::new(listener.into()));
        let name = SocketAddr::from_abstract_name(socket.as_os_str().as_encoded_bytes())?;
        // A server that is just ending may have it still, and would take clients that look here first.
        let listener = UnixListener::bind_addr(&name)?;
        display.listeners.push(Rc::new(listener.into()));
        Ok(display)
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// Its socket in the file system.
    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    pub(super) fn listeners(&self) -> &[Rc<OwnedFd>] {
        &self.listeners
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        for listener in &self.listeners {
            // A server that is ending has them too; nobody is to wait for its answer.
            if let Err(error) = rustix::net::shutdown(&**listener, Shutdown::Both) {
                tracing::debug!("an X socket stays open: {error}");
            }
        }
        for path in [&self.socket, &self.lock] {
            if let Err(error) = fs::remove_file(path)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!("{}: cannot be removed: {error}", path.display());
            }
        }
    }
}

/// Makes the folder of sockets as every X server does, or looks whether nobody can play tricks in it.
fn prepare_folder(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => return fs::set_permissions(folder, Permissions::from_mode(0o1777)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let found = fs::symlink_metadata(folder)?;
    let owner = found.uid();
    let others_write = found.mode() & 0o022 != 0;
    let sticky = found.mode() & 0o1000 != 0;
    let trusted = owner == 0 || owner == getuid().as_raw();
    if found.is_dir() && trusted && (sticky || !others_write) {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!(
            "{} is not a folder of mode 1777 that belongs to root; as root: rm -r {0}; mkdir -m 1777 {0}",
            folder.display()
        ),
    ))
}

/// Makes the lock file, which has the number of the process that holds it; one of a process that is gone
/// does not count.
fn take_lock(path: &Path) -> io::Result<()> {
    let make = || {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o444)
            .open(path)
    };
    let mut file = match make() {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_left_over(path) => {
            fs::remove_file(path)?;
            make()?
        }
        other => other?,
    };
    let written = writeln!(file, "{:>10}", std::process::id());
    if written.is_err() {
        fs::remove_file(path)?;
    }
    written
}

fn is_left_over(path: &Path) -> bool {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(32).read_to_string(&mut text));
    let holder = text.trim().parse().ok().and_then(Pid::from_raw);
    read.is_ok() && holder.is_some_and(|pid| test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
}

/// Puts `listeners` in the place of the sockets of display `stand_in` in this process: the descriptors
/// keep their numbers and are something else from then on. Returns how many were found.
///
/// Smithay starts an X server only on sockets that it makes itself, on which no client can have come yet.
/// So it makes some for a display that nobody knows, and before it passes their numbers on they become
/// those on which a client waits.
#[allow(unsafe_code)]
pub(super) fn substitute(stand_in: u32, listeners: &[Rc<OwnedFd>]) -> io::Result<usize> {
    let name = format!("{FOLDER}/X{stand_in}");
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let number: Option<RawFd> = entry?.file_name().to_str().and_then(|n| n.parse().ok());
        let Some(number) = number else { continue };
        // SAFETY: it was open a moment ago. Should another thread have closed it since, the question
        // below fails or is about another descriptor, which has another name.
        let fd = unsafe { BorrowedFd::borrow_raw(number) };
        let address = rustix::net::getsockname(fd).and_then(SocketAddrUnix::try_from);
        let is_stand_in = address.is_ok_and(|address| {
            address.path_bytes() == Some(name.as_bytes())
                || address.abstract_name() == Some(name.as_bytes())
        });
        if is_stand_in {
            found.push(number);
        }
    }
    for (number, listener) in found.iter().zip(listeners) {
        // SAFETY: only smithay, further up on this thread's stack, has sockets of that name; it keeps
        // them open until it has started the server. It goes on to own what is there now.
        let mut place = ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(*number) });
        rustix::io::dup3(listener.as_fd(), &mut place, DupFlags::CLOEXEC)?;
    }
    Ok(found.len().min(listeners.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_of_a_process_that_is_gone_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        take_lock(&path).unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap().trim(),
            std::process::id().to_string()
        );
        assert!(take_lock(&path).is_err(), "we are alive");
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let gone = child.id();
        child.wait().unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, format!("{gone:>10}\n")).unwrap();
        take_lock(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "no number").unwrap();
        assert!(take_lock(&path).is_err(), "whose it is cannot be told");
    }

    #[test]
    fn the_folder_is_everybodys_and_nobody_elses() {
        let above = tempfile::tempdir().unwrap();
        let folder = above.path().join("X11");
        prepare_folder(&folder).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o7777, 0o1777);
        prepare_folder(&folder).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
        assert!(prepare_folder(&folder).is_err(), "not sticky");
        let link = above.path().join("link");
        std::os::unix::fs::symlink(above.path(), &link).unwrap();
        assert!(prepare_folder(&link).is_err(), "a link");
    }
}
