//! `org.freedesktop.impl.portal.Inhibit`: programs that keep the session from ending or sleeping.
//!
//! | a program holds up | by |
//! |---|---|
//! | logging out | a lock of login1's on `shutdown` |
//! | suspending | a lock of login1's on `sleep` |
//! | being idle | the compositor, as for a film that can be seen |
//! | switching to another person | nothing: there is one person at a time |

use std::os::fd::OwnedFd as Descriptor;
use std::sync::{Mutex, PoisonError};

use argos_bus::compositor::Compositor1Proxy;
use futures_util::StreamExt;
use zbus::Connection;
use zbus::fdo;
use zbus::message::Header;
use zbus::names::UniqueName;
use zbus::object_server::SignalEmitter;
use zbus::wire::{OwnedFd, OwnedObjectPath, OwnedVariant, Variant};

use super::desk::{Waiting, leaves};
use super::{Desk, OTHER, PATH, Results, SUCCESS, options};
use crate::bus::names::Presence;

const LOGOUT: u32 = 1;
const SUSPEND: u32 = 4;
const IDLE: u32 = 8;

/// As many requests are held at once.
const MOST: usize = 128;
/// As many programs are told how the session stands.
const MOST_MONITORS: usize = 64;

/// How the session stands: it runs.
const RUNNING: u32 = 1;

#[zbus::proxy(
    interface = "org.freedesktop.login1.Manager",
    default_service = "org.freedesktop.login1",
    default_path = "/org/freedesktop/login1"
)]
trait Manager {
    fn inhibit(&self, what: &str, who: &str, why: &str, mode: &str) -> zbus::Result<OwnedFd>;
}

#[derive(Debug)]
pub(super) struct Inhibit {
    desk: Desk,
    held: std::sync::Arc<Mutex<usize>>,
    monitors: std::sync::Arc<Mutex<usize>>,
}

/// One more of something that is counted, as long as it is there.
struct Counted(std::sync::Arc<Mutex<usize>>);

impl Counted {
    fn new(count: &std::sync::Arc<Mutex<usize>>, most: usize) -> Option<Self> {
        let mut counted = count.lock().unwrap_or_else(PoisonError::into_inner);
        if *counted >= most {
            return None;
        }
        *counted += 1;
        Some(Self(count.clone()))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
    }
}

/// What is held up by a request, until it is dropped.
struct Held {
    desk: Desk,
    idle: bool,
    _lock: Option<Descriptor>,
    _counted: Counted,
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.idle {
            self.desk.keep_awake(false);
        }
    }
}

impl Inhibit {
    pub(super) fn new(desk: Desk) -> Self {
        Self {
            desk,
            held: Default::default(),
            monitors: Default::default(),
        }
    }
}

#[zbus::interface(name = "org.freedesktop.impl.portal.Inhibit")]
impl Inhibit {
    /// Holds up what `flags` say until the request is closed.
    #[allow(clippy::too_many_arguments)]
    async fn inhibit(
        &self,
        handle: OwnedObjectPath,
        app_id: String,
        _window: String,
        flags: u32,
        options: Results,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> fdo::Result<()> {
        let Some(counted) = Counted::new(&self.held, MOST) else {
            return Err(fdo::Error::LimitsExceeded(format!(
                "{MOST} programs hold the session up already"
            )));
        };
        let why = options::text(&options, "reason").unwrap_or_else(|| "no reason given".into());
        let who = if app_id.is_empty() {
            "a program"
        } else {
            &app_id
        };
        let kinds = [(LOGOUT, "shutdown"), (SUSPEND, "sleep"), (IDLE, "idle")];
        let kinds = kinds.iter().filter(|(flag, _)| flags & flag != 0);
        let what: Vec<&str> = kinds.map(|(_, kind)| *kind).collect();
        let idle = flags & IDLE != 0;
        let lock = match what.is_empty() {
            true => None,
            false => match take(&what.join(":"), who, &why).await {
                Ok(lock) => Some(lock),
                // Being idle does not need it.
                Err(error) if flags & (LOGOUT | SUSPEND) == 0 => {
                    tracing::debug!("login1 has no lock for {who}: {error}");
                    None
                }
                Err(error) => {
                    return Err(fdo::Error::Failed(format!(
                        "{} cannot be held up: {error}",
                        what.join(" and ")
                    )));
                }
            },
        };
        if idle {
            self.desk.keep_awake(true);
        }
        let held = Held {
            desk: self.desk.clone(),
            idle,
            _lock: lock,
            _counted: counted,
        };
        let waiting = Waiting::new(connection, &header, handle).await?;
        tokio::spawn(async move {
            waiting.ended().await;
            drop(held);
            waiting.over().await;
        });
        Ok(())
    }

    /// Tells a program how the session stands, from now until its session is closed.
    async fn create_monitor(
        &self,
        _handle: OwnedObjectPath,
        session_handle: OwnedObjectPath,
        _app_id: String,
        _window: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> fdo::Result<u32> {
        let Some(counted) = Counted::new(&self.monitors, MOST_MONITORS) else {
            tracing::warn!("{MOST_MONITORS} programs are told of the session already");
            return Ok(OTHER);
        };
        let server = connection.object_server();
        let session = Session {
            caller: header.sender().map(ToString::to_string),
            _counted: counted,
        };
        if server.at(&session_handle, session).await?.is_some() {
            return Ok(OTHER);
        }
        let bus = connection.clone();
        let caller = header.sender().map(UniqueName::to_owned);
        tokio::spawn(async move {
            let left = async {
                match caller {
                    Some(caller) => leaves(&bus, caller).await,
                    None => std::future::pending().await,
                }
            };
            let ended = tokio::select! {
                ended = tell(&bus, &session_handle) => ended,
                ended = left => ended,
            };
            if let Err(error) = ended {
                tracing::debug!("the session at {session_handle}: {error}");
            }
            // It may have been closed.
            let _ = bus
                .object_server()
                .remove::<Session, _>(&session_handle)
                .await;
        });
        Ok(SUCCESS)
    }

    /// A program is ready for the session's end, which is not asked about here.
    fn query_end_response(&self, _session_handle: OwnedObjectPath) {}

    /// The session stands otherwise.
    #[zbus(signal)]
    async fn state_changed(
        emitter: &SignalEmitter<'_>,
        session_handle: OwnedObjectPath,
        state: Results,
    ) -> zbus::Result<()>;
}

/// A lock of login1's.
async fn take(what: &str, who: &str, why: &str) -> zbus::Result<Descriptor> {
    let system = Connection::system().await?;
    let manager = ManagerProxy::new(&system).await?;
    Ok(manager.inhibit(what, who, why, "block").await?.into())
}

/// Tells one session how the screen lock stands, as long as it is there.
async fn tell(bus: &Connection, session: &OwnedObjectPath) -> zbus::Result<()> {
    let compositor = Compositor1Proxy::new(bus).await?;
    let mut presence = Presence::of(compositor.inner()).await?;
    let mut locks = compositor.receive_locked_changed().await;
    let emitter = SignalEmitter::new(bus, PATH)?;
    loop {
        let server = bus.object_server();
        if server.interface::<_, Session>(session).await.is_err() {
            return Ok(());
        }
        let locked = compositor.locked().await.unwrap_or(false);
        let mut state = Results::new();
        let put = |value: Variant<'_>| OwnedVariant::try_from(value);
        state.insert("screensaver-active".into(), put(locked.into())?);
        state.insert("session-state".into(), put(RUNNING.into())?);
        Inhibit::state_changed(&emitter, session.clone(), state).await?;
        tokio::select! {
            present = presence.changed() => if present.is_none() {
                return Ok(());
            },
            lock = locks.next() => if lock.is_none() {
                return Ok(());
            },
        }
    }
}

/// What a program is told by, until it closes it.
struct Session {
    caller: Option<String>,
    _counted: Counted,
}

#[zbus::interface(name = "org.freedesktop.impl.portal.Session")]
impl Session {
    /// Ends it.
    async fn close(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> fdo::Result<()> {
        if header.sender().map(ToString::to_string) != self.caller {
            return Err(fdo::Error::AccessDenied(
                "only who made a session may close it".to_owned(),
            ));
        }
        let Some(path) = header.path().map(|path| path.to_owned()) else {
            return Ok(());
        };
        let bus = connection.clone();
        // Not within the call of what is taken away.
        tokio::spawn(async move {
            let removed = bus.object_server().remove::<Session, _>(path).await;
            if let Err(error) = removed {
                tracing::debug!("a session could not be ended: {error}");
            }
        });
        Ok(())
    }

    /// The interface's version.
    #[zbus(property(emits_changed_signal = "const"), name = "version")]
    fn version(&self) -> u32 {
        1
    }
}
