//! A private bus with the back end on it and a program that calls it.

use std::collections::HashMap;
use std::time::Duration;

use argos_shell::bus::portal::{self, Desk, Dialog, Event, Events};
use serde::Serialize;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;
use zbus::object_server::InterfaceRef;
use zbus::wire::{ObjectPath, OwnedVariant, Type, Variant};
use zbus::{Connection, Message, Proxy};

use super::session::Bus;
use super::stage::PATIENCE;

pub(super) const OPEN: &str = "OpenFile";

pub(super) type Results = HashMap<String, OwnedVariant>;
pub(super) type Reply = JoinHandle<zbus::Result<Message>>;

pub(super) struct Bench {
    pub(super) client: Connection,
    events: UnboundedReceiver<Event>,
    serving: JoinHandle<()>,
    bus: Bus,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A shell that has a theme.
pub(super) struct Shell(String);

#[zbus::interface(name = "org.argos.Shell1")]
impl Shell {
    #[zbus(property)]
    fn theme(&self) -> String {
        self.0.clone()
    }
}

impl Bench {
    pub(super) async fn new() -> Self {
        let bus = Bus::new();
        let (sender, events) = unbounded_channel();
        let events_to = Events::new(move |event| {
            let _ = sender.send(event);
        });
        let server = bus.connect().await;
        let serving = tokio::spawn(async move {
            let desk = Desk::new(events_to);
            let look = argos_shell::settings::Settings::default().look();
            portal::serve(&server, &desk, &look).await.unwrap();
        });
        let client = bus.connect().await;
        let dbus = zbus::fdo::DBusProxy::new(&client).await.unwrap();
        let name = || zbus::names::BusName::try_from(portal::NAME).unwrap();
        let there = async {
            while !dbus.name_has_owner(name()).await.unwrap() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, there)
            .await
            .expect("it serves");
        Self {
            client,
            events,
            serving,
            bus,
        }
    }

    pub(super) async fn another(&self) -> Connection {
        self.bus.connect().await
    }

    /// What the drawing thread is told next.
    pub(super) async fn event(&mut self) -> Event {
        let event = tokio::time::timeout(PATIENCE, self.events.recv()).await;
        event.expect("something happens").unwrap()
    }

    pub(super) async fn opened(&mut self) -> (u32, Box<Dialog>) {
        loop {
            match self.event().await {
                Event::Open(id, dialog) => return (id, dialog),
                // The one before is over.
                Event::Close(_) => {}
                other => panic!("a dialog opens: {other:?}"),
            }
        }
    }

    pub(super) fn calls<B>(&self, interface: &str, method: &str, handle: &str, body: B) -> Reply
    where
        B: Behind,
    {
        self.calls_by(&self.client, interface, method, handle, body)
    }

    pub(super) fn calls_by<B>(
        &self,
        by: &Connection,
        interface: &str,
        method: &str,
        handle: &str,
        body: B,
    ) -> Reply
    where
        B: Behind,
    {
        call(by, interface, method, handle, body)
    }

    pub(super) async fn closes(&self, by: &Connection, handle: &str) -> zbus::Result<()> {
        let request = Some("org.freedesktop.impl.portal.Request");
        let path = path(handle);
        by.call_method(Some(portal::NAME), path, request, "Close", &())
            .await
            .map(drop)
    }

    pub(super) async fn proxy(&self, interface: &str) -> Proxy<'static> {
        let interface = format!("org.freedesktop.impl.portal.{interface}");
        Proxy::new(&self.client, portal::NAME, portal::PATH, interface)
            .await
            .unwrap()
    }

    /// A shell with this theme comes.
    pub(super) async fn shell(&self, theme: &str) -> InterfaceRef<Shell> {
        let path = "/org/argos/Shell1";
        let server = self.client.object_server();
        server.at(path, Shell(theme.into())).await.unwrap();
        self.client.request_name("org.argos.Shell1").await.unwrap();
        server.interface(path).await.unwrap()
    }

    pub(super) async fn set_theme(&self, shell: &InterfaceRef<Shell>, theme: &str) {
        let mut state = shell.get_mut().await;
        state.0 = theme.into();
        state.theme_changed(shell.signal_emitter()).await.unwrap();
    }
}

pub(super) fn call<B: Behind>(
    by: &Connection,
    interface: &str,
    method: &str,
    handle: &str,
    body: B,
) -> Reply {
    let (by, method) = (by.clone(), method.to_owned());
    let interface = format!("org.freedesktop.impl.portal.{interface}");
    let body = body.behind(path(handle));
    tokio::spawn(async move {
        by.call_method(
            Some(portal::NAME),
            portal::PATH,
            Some(interface.as_str()),
            method.as_str(),
            &body,
        )
        .await
    })
}

fn path(handle: &str) -> ObjectPath<'static> {
    let path = format!("/org/freedesktop/portal/desktop/request/test/r{handle}");
    ObjectPath::try_from(path).unwrap()
}

pub(super) fn options<const N: usize>(
    values: [(&'static str, Variant<'static>); N],
) -> HashMap<&'static str, Variant<'static>> {
    values.into_iter().collect()
}

/// The response and what came with it.
pub(super) async fn replied(reply: Reply) -> (u32, Results) {
    let reply = tokio::time::timeout(PATIENCE, reply).await;
    let reply = reply.expect("there is a reply").unwrap().unwrap();
    reply.body().deserialize().unwrap()
}

/// Arguments that come after a request's handle.
pub(super) trait Behind {
    type All: Serialize + Type + Send + Sync + 'static;
    fn behind(self, handle: ObjectPath<'static>) -> Self::All;
}

macro_rules! behind {
    ($($name:ident),*) => {
        impl<$($name: Serialize + Type + Owned),*> Behind for ($($name,)*) {
            type All = (ObjectPath<'static>, $($name::Kept),*);
            #[allow(non_snake_case)]
            fn behind(self, handle: ObjectPath<'static>) -> Self::All {
                let ($($name,)*) = self;
                (handle, $($name.kept()),*)
            }
        }
    };
}
behind!(A);
behind!(A, B, C);
behind!(A, B, C, D);
behind!(A, B, C, D, E, F);

/// What can be kept while a call is made.
pub(super) trait Owned {
    type Kept: Serialize + Type + Send + Sync + 'static;
    fn kept(self) -> Self::Kept;
}

impl Owned for &str {
    type Kept = String;
    fn kept(self) -> String {
        self.to_owned()
    }
}

impl Owned for u32 {
    type Kept = Self;
    fn kept(self) -> Self {
        self
    }
}

impl Owned for Vec<&'static str> {
    type Kept = Self;
    fn kept(self) -> Self {
        self
    }
}

impl Owned for HashMap<&'static str, Variant<'static>> {
    type Kept = Self;
    fn kept(self) -> Self {
        self
    }
}
