//! The objects of sessions, people and the one seat.

use zbus::object_server::{InterfaceRef, SignalEmitter};
use zbus::{Connection, OwnedObjectPath, fdo, interface};

use crate::manager::Manager;
use crate::sessions::{Session, Sessions, active_vt};

/// The one seat.
pub(crate) const SEAT: &str = "seat0";
const SEAT_PATH: &str = "/org/freedesktop/login1/seat/seat0";

/// Where a session is found.
pub(crate) fn session_path(id: &str) -> OwnedObjectPath {
    path(format!("/org/freedesktop/login1/session/{id}"))
}

/// Where a person is found. login1 writes a leading digit as its code: `_31000` is 1000.
pub(crate) fn user_path(uid: u32) -> OwnedObjectPath {
    path(format!("/org/freedesktop/login1/user/_3{uid}"))
}

/// Where the seat is found.
pub(crate) fn seat_path() -> OwnedObjectPath {
    path(SEAT_PATH.to_owned())
}

fn path(text: String) -> OwnedObjectPath {
    OwnedObjectPath::try_from(text).unwrap_or_else(|_| OwnedObjectPath::default())
}

/// Puts the seat on the bus.
pub(crate) async fn add_seat(connection: &Connection, sessions: &Sessions) -> zbus::Result<()> {
    let seat = Seat {
        sessions: sessions.clone(),
    };
    connection
        .object_server()
        .at(SEAT_PATH, seat)
        .await
        .map(drop)
}

/// Puts a session and its person on the bus, and says so.
pub(crate) async fn add(
    connection: &Connection,
    sessions: &Sessions,
    session: &Session,
) -> zbus::Result<()> {
    let server = connection.object_server();
    server
        .at(
            session.path(),
            SessionObject {
                session: session.clone(),
            },
        )
        .await?;
    let user = UserObject {
        session: session.clone(),
        sessions: sessions.clone(),
    };
    server.at(user_path(session.uid), user).await?;
    let manager: InterfaceRef<Manager> = server.interface(crate::manager::PATH).await?;
    Manager::session_new(manager.signal_emitter(), &session.id, session.path()).await
}

/// Takes a session and its person off the bus, and says so.
pub(crate) async fn remove(connection: &Connection, session: &Session) -> zbus::Result<()> {
    let server = connection.object_server();
    server.remove::<SessionObject, _>(session.path()).await?;
    server
        .remove::<UserObject, _>(user_path(session.uid))
        .await?;
    let manager: InterfaceRef<Manager> = server.interface(crate::manager::PATH).await?;
    Manager::session_removed(manager.signal_emitter(), &session.id, session.path()).await
}

#[derive(Debug)]
struct SessionObject {
    session: Session,
}

#[interface(name = "org.freedesktop.login1.Session")]
impl SessionObject {
    #[zbus(property(emits_changed_signal = "const"))]
    fn id(&self) -> String {
        self.session.id.clone()
    }

    /// The person: uid and object.
    #[zbus(property(emits_changed_signal = "const"))]
    fn user(&self) -> (u32, OwnedObjectPath) {
        (self.session.uid, user_path(self.session.uid))
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn name(&self) -> String {
        self.session.user.clone()
    }

    /// The seat: name and object.
    #[zbus(property(emits_changed_signal = "const"))]
    fn seat(&self) -> (String, OwnedObjectPath) {
        (SEAT.to_owned(), seat_path())
    }

    #[zbus(property(emits_changed_signal = "const"), name = "VTNr")]
    fn vtnr(&self) -> u32 {
        self.session.vt
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn leader(&self) -> u32 {
        self.session.leader
    }

    #[zbus(property(emits_changed_signal = "const"), name = "Type")]
    fn kind(&self) -> String {
        "wayland".to_owned()
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn class(&self) -> String {
        "user".to_owned()
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn desktop(&self) -> String {
        "ArgOS".to_owned()
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn remote(&self) -> bool {
        false
    }

    /// Whether its terminal is in front.
    #[zbus(property(emits_changed_signal = "false"))]
    fn active(&self) -> bool {
        active_vt() == self.session.vt
    }

    /// `active` or `online`.
    #[zbus(property(emits_changed_signal = "false"))]
    fn state(&self) -> String {
        if self.active() { "active" } else { "online" }.to_owned()
    }
}

#[derive(Debug)]
struct UserObject {
    session: Session,
    sessions: Sessions,
}

#[interface(name = "org.freedesktop.login1.User")]
impl UserObject {
    #[zbus(property(emits_changed_signal = "const"), name = "UID")]
    fn uid(&self) -> u32 {
        self.session.uid
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn name(&self) -> String {
        self.session.user.clone()
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn runtime_path(&self) -> String {
        format!("/run/user/{}", self.session.uid)
    }

    /// The graphical session: name and object.
    #[zbus(property(emits_changed_signal = "const"))]
    fn display(&self) -> (String, OwnedObjectPath) {
        (self.session.id.clone(), self.session.path())
    }

    #[zbus(property(emits_changed_signal = "false"))]
    fn sessions(&self) -> Vec<(String, OwnedObjectPath)> {
        let own = self.sessions.by_uid(self.session.uid).into_iter();
        own.map(|session| (session.id.clone(), session.path()))
            .collect()
    }
}

#[derive(Debug)]
struct Seat {
    sessions: Sessions,
}

#[interface(name = "org.freedesktop.login1.Seat")]
impl Seat {
    #[zbus(property(emits_changed_signal = "const"))]
    fn id(&self) -> String {
        SEAT.to_owned()
    }

    /// The session in front: name and object; empty and `/` if there is none.
    #[zbus(property(emits_changed_signal = "false"))]
    fn active_session(&self) -> (String, OwnedObjectPath) {
        let active = active_vt();
        let session = self
            .sessions
            .list()
            .into_iter()
            .find(|session| session.vt == active);
        session.map_or_else(
            || (String::new(), OwnedObjectPath::default()),
            |session| (session.id.clone(), session.path()),
        )
    }

    #[zbus(property(emits_changed_signal = "false"))]
    fn sessions(&self) -> Vec<(String, OwnedObjectPath)> {
        let sessions = self.sessions.list().into_iter();
        sessions
            .map(|session| (session.id.clone(), session.path()))
            .collect()
    }

    /// Whether there is a screen.
    #[zbus(property(emits_changed_signal = "false"))]
    fn can_graphical(&self) -> fdo::Result<bool> {
        let cards = std::fs::read_dir("/sys/class/drm");
        Ok(cards.is_ok_and(|cards| {
            cards
                .flatten()
                .any(|card| card.file_name().to_string_lossy().starts_with("card"))
        }))
    }
}

/// An emitter for the manager's signals.
pub(crate) fn manager_emitter(connection: &Connection) -> zbus::Result<SignalEmitter<'static>> {
    SignalEmitter::new(connection, crate::manager::PATH)
}
