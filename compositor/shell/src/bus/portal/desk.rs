//! Where requests wait for the person: the `Request` objects, and callers that go away.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt;
use tokio::sync::oneshot;
use zbus::Connection;
use zbus::fdo::{self, DBusProxy};
use zbus::message::Header;
use zbus::names::{BusName, UniqueName};
use zbus::wire::OwnedObjectPath;

use super::{Answer, Dialog, Event, Events, Question};
use crate::l10n;
use crate::settings::Settings;

/// As many dialogs are open at once; further requests fail.
const MOST: usize = 16;

/// Dialogs and what they were asked by.
#[derive(Debug, Clone)]
pub struct Desk {
    pub(super) events: Events,
    last: Arc<AtomicU32>,
    open: Arc<Mutex<BTreeSet<u32>>>,
    awake: Arc<Mutex<usize>>,
}

/// Closes the dialog when the request is over, however it ended.
struct Open<'a>(&'a Desk, u32);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.remove(&self.1) {
            self.0.events.send(Event::Close(self.1));
        }
    }
}

/// What a dialog looks like and asks.
pub(super) struct Asked {
    pub(super) title: String,
    pub(super) parent: Option<String>,
    pub(super) modal: bool,
    pub(super) question: Question,
}

impl Desk {
    /// A desk whose dialogs go to `events`.
    pub fn new(events: Events) -> Self {
        Self {
            events,
            last: Arc::default(),
            open: Arc::default(),
            awake: Arc::default(),
        }
    }

    /// Closes every dialog.
    pub(super) fn close_all(&self) {
        let open = std::mem::take(&mut *self.open.lock().unwrap_or_else(PoisonError::into_inner));
        for id in open {
            self.events.send(Event::Close(id));
        }
        *self.awake.lock().unwrap_or_else(PoisonError::into_inner) = 0;
        self.events.send(Event::Awake(0));
    }

    /// Speaks the person's language, which may have changed since the last dialog. While one is open
    /// it stays.
    pub(super) fn speak(&self) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.is_empty() {
            l10n::speak_chosen(&Settings::load().language);
        }
    }

    /// One program more keeps the session awake, or one less.
    pub(super) fn keep_awake(&self, more: bool) {
        let mut awake = self.awake.lock().unwrap_or_else(PoisonError::into_inner);
        *awake = if more {
            *awake + 1
        } else {
            awake.saturating_sub(1)
        };
        self.events.send(Event::Awake(*awake));
    }

    /// The number of the next dialog.
    pub(super) fn number(&self) -> u32 {
        self.last.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }

    /// Shows a dialog until it is answered. `None`: its caller wants it no more, there are too many, or
    /// it could not be shown.
    pub(super) async fn ask(&self, id: u32, asked: Asked, request: &Waiting) -> Option<Answer> {
        {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            if open.len() >= MOST {
                tracing::warn!("{MOST} dialogs are open already: another request fails");
                return None;
            }
            open.insert(id);
        }
        let _open = Open(self, id);
        let (answer, answered) = oneshot::channel();
        self.events.send(Event::Open(
            id,
            Box::new(Dialog {
                title: asked.title,
                parent: asked.parent,
                modal: asked.modal,
                question: asked.question,
                answer,
            }),
        ));
        tokio::select! {
            answer = answered => answer.ok(),
            () = request.ended() => None,
        }
    }
}

/// A request that waits: the object that its caller closes it by is there as long as this is.
pub(super) struct Waiting {
    connection: Connection,
    handle: OwnedObjectPath,
    closed: Arc<tokio::sync::Notify>,
    gone: Arc<tokio::sync::Notify>,
    watching: tokio::task::JoinHandle<()>,
}

impl Waiting {
    /// A request of `header`'s sender.
    ///
    /// # Errors
    /// When there is a request at `handle` already.
    pub(super) async fn new(
        connection: &Connection,
        header: &Header<'_>,
        handle: OwnedObjectPath,
    ) -> fdo::Result<Self> {
        let caller = header.sender().map(UniqueName::to_owned);
        let closed = Arc::new(tokio::sync::Notify::new());
        let request = Request {
            caller: caller.clone(),
            closed: closed.clone(),
        };
        if connection
            .object_server()
            .at(&handle, request)
            .await?
            .is_some()
        {
            return Err(fdo::Error::InvalidArgs(format!(
                "there is a request at {handle} already; each has a handle of its own"
            )));
        }
        let gone = Arc::new(tokio::sync::Notify::new());
        let (bus, left) = (connection.clone(), gone.clone());
        let watching = tokio::spawn(async move {
            if let Some(caller) = caller {
                if let Err(error) = leaves(&bus, caller).await {
                    tracing::debug!("a caller cannot be watched: {error}");
                    return;
                }
                left.notify_one();
            }
        });
        Ok(Self {
            connection: connection.clone(),
            handle,
            closed,
            gone,
            watching,
        })
    }

    /// Waits until its caller closes it or is gone.
    pub(super) async fn ended(&self) {
        tokio::select! {
            () = self.closed.notified() => {}
            () = self.gone.notified() => {}
        }
    }

    /// The request is over.
    pub(super) async fn over(self) {
        self.watching.abort();
        let server = self.connection.object_server();
        if let Err(error) = server.remove::<Request, _>(&self.handle).await {
            tracing::debug!("the request at {}: {error}", self.handle);
        }
    }
}

/// Waits until `caller` has left the bus.
pub(super) async fn leaves(bus: &Connection, caller: UniqueName<'static>) -> zbus::Result<()> {
    let dbus = DBusProxy::new(bus).await?;
    let mut changes = dbus
        .receive_name_owner_changed_with_args(&[(0, caller.as_str())])
        .await?;
    // It may have gone before anybody listened.
    if !dbus.name_has_owner(BusName::from(caller.clone())).await? {
        return Ok(());
    }
    while let Some(change) = changes.next().await {
        if change.args().is_ok_and(|args| args.new_owner().is_none()) {
            return Ok(());
        }
    }
    Ok(())
}

/// By what a caller ends its request.
#[derive(Debug)]
pub(super) struct Request {
    caller: Option<UniqueName<'static>>,
    closed: Arc<tokio::sync::Notify>,
}

#[zbus::interface(name = "org.freedesktop.impl.portal.Request")]
impl Request {
    /// Ends the request: its dialog is closed.
    fn close(&self, #[zbus(header)] header: Header<'_>) -> fdo::Result<()> {
        if header.sender().map(UniqueName::as_str) != self.caller.as_ref().map(UniqueName::as_str) {
            return Err(fdo::Error::AccessDenied(
                "only who made a request may close it".to_owned(),
            ));
        }
        self.closed.notify_one();
        Ok(())
    }
}
