//! The back end of xdg-desktop-portal: `org.freedesktop.impl.portal.*` on the session bus.
//!
//! Programs, those in sandboxes above all, ask `org.freedesktop.portal.Desktop`; that asks here. Each
//! question is a [`Dialog`] that goes to the drawing thread as an [`Event`] and comes back through the
//! channel in it. While it is open there is a `Request` object by whose `Close` the caller ends it;
//! a caller that leaves the bus ends it as well.
//!
//! What callers say is not taken as it comes: texts, lists and pictures all have an end.

mod access;
mod app_chooser;
mod desk;
mod file_chooser;
mod inhibit;
mod options;
mod screen_cast;
mod screenshot;
mod settings;

use std::collections::HashMap;

use tokio::sync::oneshot;
use zbus::Connection;
use zbus::wire::OwnedVariant;

use super::{Pauses, on_own_thread};
use crate::capture::Screen;
use crate::parts::{chooser, consent, share};
use crate::settings::Look;
use argos_apps::App;
use iced_widget::image::Handle;

pub use desk::Desk;

/// The back end's name.
pub const NAME: &str = "org.freedesktop.impl.portal.desktop.argos";
/// Where its interfaces are.
pub const PATH: &str = "/org/freedesktop/portal/desktop";

/// How a request ended, for its caller.
const SUCCESS: u32 = 0;
const CANCELLED: u32 = 1;
const OTHER: u32 = 2;

/// What goes with it.
type Results = HashMap<String, OwnedVariant>;

/// Something for the drawing thread.
#[derive(Debug)]
pub enum Event {
    /// A dialog of this number is to be shown.
    Open(u32, Box<Dialog>),
    /// It is not wanted any more.
    Close(u32),
    /// Other applications can be chosen from in it.
    Apps(u32, Vec<App>),
    /// Things are to look like this.
    Look(Look),
    /// How many programs keep the session from being idle.
    Awake(usize),
}

/// A dialog.
#[derive(Debug)]
pub struct Dialog {
    /// Title of its window.
    pub title: String,
    /// The window it belongs to, as `xdg-foreign` names it.
    pub parent: Option<String>,
    /// Whether that takes no input meanwhile.
    pub modal: bool,
    /// What it asks.
    pub question: Question,
    /// Where the answer goes; dropped, it is one of failure.
    pub answer: oneshot::Sender<Answer>,
}

/// What a dialog asks.
#[derive(Debug)]
pub enum Question {
    /// For files.
    Files(Box<chooser::Request>),
    /// For a yes.
    Consent(Box<consent::Request>),
    /// For the colour of a pixel.
    Colour {
        /// Who asks, or nothing where that is not known.
        app: String,
        /// What the screens show; there is one at least.
        screens: Vec<Screen>,
    },
    /// For what of the screen is recorded.
    Share(Box<share::Request>),
    /// For an application.
    Apps {
        /// What is opened.
        what: String,
        /// What can be chosen.
        apps: Vec<App>,
        /// Their icons, by name.
        icons: HashMap<String, Handle>,
        /// The id of the one that was chosen last.
        last: String,
    },
}

/// What the person answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Nothing: the dialog was closed, or the answer is no.
    Cancelled,
    /// These files.
    Files(chooser::Answer),
    /// Yes, with these choices.
    Yes(Vec<(String, String)>),
    /// These sources of a recording.
    Share(share::Answer),
    /// This application.
    App(String),
    /// This colour: red, green, blue.
    Colour([u8; 3]),
}

/// Where events go.
#[derive(Clone)]
pub struct Events(std::sync::Arc<dyn Fn(Event) + Send + Sync>);

impl Events {
    /// Events are given to `to`.
    pub fn new(to: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(std::sync::Arc::new(to))
    }

    fn send(&self, event: Event) {
        (self.0)(event);
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Events")
    }
}

/// Starts the thread. `look` is the one to begin with.
pub fn start(events: Events, look: Look) {
    on_own_thread("bus", async move {
        let mut pauses = Pauses::new();
        loop {
            match Connection::session().await {
                Ok(connection) => {
                    let desk = Desk::new(events.clone());
                    match serve(&connection, &desk, &look).await {
                        Ok(()) => pauses = Pauses::new(),
                        Err(error) => tracing::warn!("the portal's interfaces: {error}"),
                    }
                    // Who asked has gone with the bus.
                    desk.close_all();
                }
                Err(error) => tracing::debug!("no session bus yet: {error}"),
            }
            pauses.wait().await;
        }
    });
}

/// Serves the interfaces until the bus is gone. `look` is the one to begin with.
///
/// # Errors
/// When the name is another program's, or the bus does not answer.
pub async fn serve(connection: &Connection, desk: &Desk, look: &Look) -> zbus::Result<()> {
    let server = connection.object_server();
    let desk = || desk.clone();
    server.at(PATH, file_chooser::FileChooser(desk())).await?;
    server.at(PATH, access::Access(desk())).await?;
    server.at(PATH, screenshot::Screenshot::new(desk())).await?;
    server
        .at(PATH, app_chooser::AppChooser::new(desk()))
        .await?;
    server.at(PATH, inhibit::Inhibit::new(desk())).await?;
    let casts = screen_cast::Casts::default();
    let recording = screen_cast::Recording(casts.clone());
    let cast = screen_cast::ScreenCast::new(desk(), casts);
    server.at(PATH, cast).await?;
    server.at(screen_cast::RECORDING.0, recording).await?;
    let appearance = settings::Shared::new(look);
    let settings = settings::Settings(appearance.clone());
    server.at(PATH, settings).await?;
    connection.request_name(screen_cast::RECORDING.1).await?;
    connection.request_name(NAME).await?;
    let desk = desk();
    if let Err(error) = settings::follow(connection, &desk, &appearance).await {
        tracing::debug!("the session bus: {error}");
    }
    connection.closed().await;
    Ok(())
}
