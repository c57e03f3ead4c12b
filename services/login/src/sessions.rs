//! Who is logged in, as PID 1 sees it: each `user@UID` that is up is one session at `seat0`.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Result, anyhow};
use argos_control::{Client, Event, UnitState};
use tokio::sync::mpsc;
use tracing::{info, warn};
use zbus::names::OwnedUniqueName;
use zbus::{Connection, OwnedObjectPath};

use crate::error::Error;
use crate::objects;

/// One session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    /// `c1`, `c2`, …: never used twice.
    pub(crate) id: String,
    pub(crate) uid: u32,
    /// Name of the account; the uid where there is none.
    pub(crate) user: String,
    /// The person's supervisor.
    pub(crate) leader: u32,
    /// Virtual terminal that was in front when the session came up, 0 if there is none.
    pub(crate) vt: u32,
}

impl Session {
    pub(crate) fn path(&self) -> OwnedObjectPath {
        objects::session_path(&self.id)
    }
}

/// All sessions, by uid.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sessions {
    table: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    sessions: BTreeMap<u32, Session>,
}

/// What a unit's change meant.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    New(Session),
    Removed(Session),
    Nothing,
}

impl Sessions {
    /// Every session.
    pub(crate) fn list(&self) -> Vec<Session> {
        self.lock().sessions.values().cloned().collect()
    }

    /// By its name. Errors: `NoSuchSession`.
    pub(crate) fn by_id(&self, id: &str) -> Result<Session, Error> {
        self.lock()
            .sessions
            .values()
            .find(|session| session.id == id)
            .cloned()
            .ok_or_else(|| {
                Error::NoSuchSession(format!(
                    "there is no session `{id}`; see: loginctl list-sessions"
                ))
            })
    }

    /// Of a person. Errors: `NoSuchUser`.
    pub(crate) fn by_uid(&self, uid: u32) -> Result<Session, Error> {
        self.lock()
            .sessions
            .get(&uid)
            .cloned()
            .ok_or_else(|| Error::NoSuchUser(format!("uid {uid} has no session")))
    }

    /// The session at the seat. Two at once are none: it cannot be told who sits there.
    pub(crate) fn at_seat(&self) -> Option<Session> {
        let table = self.lock();
        let mut all = table.sessions.values();
        let session = all.next()?.clone();
        all.next().is_none().then_some(session)
    }

    pub(crate) fn apply(&self, unit: &str, up: bool, pid: u32) -> Change {
        let Some(uid) = unit.strip_prefix("user@").and_then(|uid| uid.parse().ok()) else {
            return Change::Nothing;
        };
        let mut table = self.lock();
        match (up, table.sessions.contains_key(&uid)) {
            (true, false) => {
                table.next += 1;
                let session = Session {
                    id: format!("c{}", table.next),
                    uid,
                    user: account_name(uid).unwrap_or_else(|| uid.to_string()),
                    leader: pid,
                    vt: active_vt(),
                };
                table.sessions.insert(uid, session.clone());
                Change::New(session)
            }
            (false, true) => table
                .sessions
                .remove(&uid)
                .map_or(Change::Nothing, Change::Removed),
            _ => Change::Nothing,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows PID 1's units, and keeps the objects on the bus and the signals in step.
///
/// Returns once the sessions that are there now are known; the future ends only with an error.
pub(crate) async fn follow(
    connection: &Connection,
    sessions: &Sessions,
    control: &Path,
) -> Result<impl Future<Output = Result<()>> + use<>> {
    let present = Client::connect(control)?.status()?;
    let events = Client::connect(control)?.subscribe()?;
    let (sender, mut changes) = mpsc::channel(256);
    std::thread::Builder::new()
        .name("sessions".to_owned())
        .spawn(move || {
            for event in events {
                if sender.blocking_send(event).is_err() {
                    return;
                }
            }
        })?;
    let (connection, sessions) = (connection.clone(), sessions.clone());
    objects::add_seat(&connection, &sessions).await?;
    for unit in present {
        let change = sessions.apply(&unit.name, unit.state == UnitState::Up, unit.pid);
        publish(&connection, &sessions, change).await?;
    }
    Ok(async move {
        while let Some(event) = changes.recv().await {
            let change = match event? {
                Event::Unit(unit) => {
                    sessions.apply(&unit.name, unit.state == UnitState::Up, unit.pid)
                }
                Event::Removed(name) => sessions.apply(&name, false, 0),
            };
            publish(&connection, &sessions, change).await?;
        }
        Err(anyhow!("PID 1 closed the connection"))
    })
}

async fn publish(connection: &Connection, sessions: &Sessions, change: Change) -> Result<()> {
    match change {
        Change::New(session) => {
            info!("{} is logged in as session {}", session.user, session.id);
            objects::add(connection, sessions, &session).await?;
        }
        Change::Removed(session) => {
            info!("session {} of {} is over", session.id, session.user);
            objects::remove(connection, &session).await?;
        }
        Change::Nothing => {}
    }
    Ok(())
}

/// The process and user behind a bus name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller {
    pub(crate) uid: u32,
    pub(crate) pid: u32,
}

impl Caller {
    /// Asks the bus. Errors: `AccessDenied` where it does not know.
    pub(crate) async fn of(
        connection: &Connection,
        header: &zbus::message::Header<'_>,
    ) -> Result<Self, Error> {
        let unknown =
            |why: String| Error::AccessDenied(format!("it is not known who calls: {why}"));
        let sender = header
            .sender()
            .ok_or_else(|| unknown("no sender".to_owned()))?;
        let sender = OwnedUniqueName::from(sender.to_owned());
        let bus = zbus::fdo::DBusProxy::new(connection).await?;
        let credentials = bus
            .get_connection_credentials(sender.into_inner().into())
            .await
            .map_err(|error| unknown(error.to_string()))?;
        let uid = credentials
            .unix_user_id()
            .ok_or_else(|| unknown("no uid".to_owned()))?;
        Ok(Self {
            uid,
            pid: credentials.process_id().unwrap_or(0),
        })
    }
}

/// The account's name, from /etc/passwd. Accounts from elsewhere are shown by number.
fn account_name(uid: u32) -> Option<String> {
    let mut accounts = accounts().into_iter();
    accounts.find_map(|(name, theirs)| (theirs == uid).then_some(name))
}

/// The account's user id, from /etc/passwd.
pub(crate) fn account_uid(account: &str) -> Option<u32> {
    let mut accounts = accounts().into_iter();
    accounts.find_map(|(name, uid)| (name == account).then_some(uid))
}

/// Names and user ids of /etc/passwd.
fn accounts() -> Vec<(String, u32)> {
    let text = std::fs::read_to_string("/etc/passwd").unwrap_or_else(|error| {
        warn!("accounts are shown by number: /etc/passwd cannot be read: {error}");
        String::new()
    });
    let account = |line: &str| {
        let mut fields = line.split(':');
        Some((fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?))
    };
    text.lines().filter_map(account).collect()
}

/// Number of the virtual terminal in front, 0 where there is none.
pub(crate) fn active_vt() -> u32 {
    std::fs::read_to_string("/sys/class/tty/tty0/active")
        .ok()
        .and_then(|text| text.trim().strip_prefix("tty")?.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_come_and_go_with_supervisors() {
        let sessions = Sessions::default();
        assert_eq!(sessions.apply("seatd", true, 5), Change::Nothing);
        let Change::New(first) = sessions.apply("user@0", true, 9) else {
            panic!("no session")
        };
        assert_eq!(
            (first.id.as_str(), first.user.as_str(), first.leader),
            ("c1", "root", 9)
        );
        // Readiness told twice is one session.
        assert_eq!(sessions.apply("user@0", true, 9), Change::Nothing);
        assert_eq!(sessions.at_seat(), Some(first.clone()));

        assert!(matches!(
            sessions.apply("user@54321", true, 10),
            Change::New(_)
        ));
        assert_eq!(sessions.by_uid(54321).unwrap().user, "54321");
        assert_eq!(sessions.at_seat(), None);

        assert_eq!(sessions.apply("user@0", false, 0), Change::Removed(first));
        assert!(matches!(sessions.by_id("c1"), Err(Error::NoSuchSession(_))));
        // A name is never used twice.
        let Change::New(again) = sessions.apply("user@0", true, 11) else {
            panic!("no session")
        };
        assert_eq!(again.id, "c3");
    }
}
