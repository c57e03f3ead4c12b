//! `org.argos.Sharing1` on the session bus: which programs get pictures of the screen just now.
//!
//! The shell's portal serves it, and has the name only while it runs: nobody starts it to ask.

use crate::Result;

/// What is recorded for programs through the portal.
#[zbus::proxy(
    interface = "org.argos.Sharing1",
    default_service = "org.argos.Sharing1",
    default_path = "/org/argos/Sharing1"
)]
pub trait Sharing1 {
    /// Ends every recording, as if each of the sources had gone.
    fn stop_all(&self) -> Result<()>;
    /// For whom something is recorded: an application's id for each recording, empty where that is not known.
    #[zbus(property)]
    fn shares(&self) -> zbus::fdo::Result<Vec<String>>;
}
