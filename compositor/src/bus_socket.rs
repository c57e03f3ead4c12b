//! Waits for a bus that is not there, without looking for it again and again.
//!
//! | the bus's socket | then |
//! |---|---|
//! | is a file that is not there | the kernel says when it is (inotify on its folder, or on the nearest one above that exists); no timer runs |
//! | is there, and nobody serves it | the kernel says when it is another one, and it is tried after a pause that doubles |
//! | is no file, or cannot be watched | it is tried after a pause that doubles |

use std::{
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use argos_config::watch::Watcher;
use tokio::io::{Interest, unix::AsyncFd};
use zbus::address::{
    Address,
    transport::{Transport, UnixSocket},
};

/// The first pause: enough for who made a socket to listen on it.
const FIRST: Duration = Duration::from_millis(100);
/// The longest pause for the session's bus, which the compositor can do without.
const LONGEST: Duration = Duration::from_secs(300);
/// The longest for the system's: until login1 is there, the session is not locked before the machine sleeps.
const LONGEST_OF_SYSTEM: Duration = Duration::from_secs(30);

/// Tells the socket that is there from those before it.
type Identity = (u64, u64, i64, i64);

/// See the module's page.
#[derive(Debug)]
pub(crate) struct Awaited {
    /// The socket, if it is a file.
    path: Option<PathBuf>,
    pause: Duration,
    longest: Duration,
    watcher: Option<AsyncFd<Watcher>>,
    /// What was there when it was last tried.
    tried: Option<Identity>,
}

impl Awaited {
    /// The bus of the session.
    pub(crate) fn session() -> Self {
        Self::new(Address::session().ok().as_ref().and_then(file), LONGEST)
    }

    /// The bus of the system.
    pub(crate) fn system() -> Self {
        let path = Address::system().ok().as_ref().and_then(file);
        Self::new(path, LONGEST_OF_SYSTEM)
    }

    fn new(path: Option<PathBuf>, longest: Duration) -> Self {
        Self {
            path,
            pause: FIRST,
            longest,
            watcher: None,
            tried: None,
        }
    }

    /// It is tried now: what happens from here on is not missed. Needs a runtime.
    pub(crate) fn begin(&mut self) {
        let Some(path) = &self.path else { return };
        if self.watcher.is_none() {
            self.watcher = watcher()
                .inspect_err(|error| tracing::warn!("{} is not watched: {error}", path.display()))
                .ok();
        }
        if let Some(watcher) = &self.watcher {
            watch(watcher, path);
        }
        self.tried = identity(path);
    }

    /// It was reached.
    pub(crate) fn reached(&mut self) {
        self.pause = FIRST;
        self.watcher = None;
    }

    /// Returns when it is worth trying again. May be given up at any time.
    pub(crate) async fn another(&mut self) {
        let watched = async {
            if let (Some(path), Some(watcher)) = (&self.path, &self.watcher) {
                loop {
                    let now = identity(path);
                    if now.is_some() && now != self.tried {
                        return;
                    }
                    if something_happened(watcher).await.is_err() {
                        break;
                    }
                    // A folder on the way there may have come.
                    watch(watcher, path);
                }
            }
            std::future::pending().await
        };
        let pause = self.pause;
        let by_time = self.tried.is_some() || self.watcher.is_none();
        let late = async {
            if by_time {
                tokio::time::sleep(pause).await;
            } else {
                std::future::pending().await
            }
        };
        tokio::select! {
            () = watched => {}
            () = late => self.pause = (pause * 2).min(self.longest),
        }
    }
}

/// The file of an address's socket.
fn file(address: &Address) -> Option<PathBuf> {
    match address.transport() {
        Transport::Unix(unix) => match unix.path() {
            UnixSocket::File(path) => Some(path.clone()),
            _ => None,
        },
        _ => None,
    }
}

fn identity(path: &Path) -> Option<Identity> {
    let data = std::fs::metadata(path).ok()?;
    Some((data.dev(), data.ino(), data.ctime(), data.ctime_nsec()))
}

#[allow(unsafe_code)]
fn watcher() -> io::Result<AsyncFd<Watcher>> {
    let watcher = Watcher::of_arrivals()?;
    // SAFETY: a watcher's descriptor is open as long as it is, and it is not replaced in the result.
    let watcher = unsafe { AsyncFd::register_with_interest(watcher, Interest::READABLE) };
    Ok(watcher?)
}

fn watch(watcher: &AsyncFd<Watcher>, path: &Path) {
    if let Err(error) = watcher.get_ref().file(path) {
        tracing::warn!("{error}");
    }
}

/// Returns when something happened in what is watched.
async fn something_happened(watcher: &AsyncFd<Watcher>) -> io::Result<()> {
    loop {
        let mut ready = watcher.readable().await?;
        // All is taken away; what comes from here on makes it readable again.
        ready.clear_ready();
        if watcher.get_ref().happened() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    /// Long enough for what is to happen, and short enough for what is not.
    const LONG: Duration = Duration::from_secs(30);
    const SHORT: Duration = Duration::from_millis(300);

    async fn comes(awaited: &mut Awaited) -> bool {
        tokio::time::timeout(LONG, awaited.another()).await.is_ok()
    }

    async fn does_not_come(awaited: &mut Awaited) -> bool {
        let waited = tokio::time::timeout(SHORT, awaited.another());
        waited.await.is_err()
    }

    #[tokio::test]
    async fn a_socket_is_heard_of_when_it_comes_even_with_its_folder_and_no_timer_runs_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/bus");
        let mut awaited = Awaited::new(Some(path.clone()), LONGEST);
        awaited.begin();
        assert!(does_not_come(&mut awaited).await);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(folder.path().join("a/other"), "").unwrap();
        assert!(does_not_come(&mut awaited).await, "that is another file");
        let socket = path.clone();
        let maker = std::thread::spawn(move || {
            std::thread::sleep(SHORT);
            UnixListener::bind(socket).unwrap()
        });
        assert!(comes(&mut awaited).await);
        assert_eq!(awaited.pause, FIRST, "no pause was over");
        drop(maker.join().unwrap());
    }

    #[tokio::test]
    async fn what_comes_between_trying_and_waiting_is_not_missed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bus");
        let mut awaited = Awaited::new(Some(path.clone()), LONGEST);
        awaited.begin();
        let _listener = UnixListener::bind(&path).unwrap();
        assert!(comes(&mut awaited).await);
        assert_eq!(awaited.pause, FIRST);
    }

    #[tokio::test]
    async fn a_socket_that_nobody_serves_is_tried_less_and_less_often_until_it_is_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bus");
        drop(UnixListener::bind(&path).unwrap());
        let mut awaited = Awaited::new(Some(path.clone()), LONGEST);
        for pauses in [2, 4] {
            awaited.begin();
            assert!(comes(&mut awaited).await);
            assert_eq!(awaited.pause, FIRST * pauses);
        }
        awaited.pause = 2 * LONG;
        awaited.begin();
        assert!(does_not_come(&mut awaited).await);
        std::fs::remove_file(&path).unwrap();
        let _listener = UnixListener::bind(&path).unwrap();
        assert!(comes(&mut awaited).await);
        awaited.reached();
        assert_eq!(awaited.pause, FIRST);
    }

    #[tokio::test]
    async fn what_is_no_file_is_tried_after_pauses() {
        let mut awaited = Awaited::new(None, LONGEST);
        awaited.begin();
        assert!(comes(&mut awaited).await);
        assert_eq!(awaited.pause, FIRST * 2);
        awaited.pause = 2 * LONG;
        awaited.begin();
        assert!(does_not_come(&mut awaited).await);
    }

    #[test]
    fn the_file_is_the_addresss() {
        let of = |address: &str| file(&address.parse().unwrap());
        assert_eq!(
            of("unix:path=/run/user/7/bus"),
            Some("/run/user/7/bus".into())
        );
        assert_eq!(of("unix:abstract=/tmp/bus"), None);
    }
}
