//! `org.argos.Shell1` on the session bus: the desktop shell.

use serde::{Deserialize, Serialize};
use zbus::wire::Type;

use crate::Result;

/// A part of the shell that is a program of its own, by its manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Part {
    /// Name: its manifest's, without the ending.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// That of its unit (see [`crate::init::Unit`]); or without one: `given-up` (it died too often), `stopped`
    /// (somebody stopped the unit), `refused` (the supervisor does not start it), `disabled`, `broken` (its
    /// manifest never was right) or `waiting` (for the supervisor).
    pub state: String,
    /// Main process, 0 if none.
    pub pid: u32,
    /// How often it was restarted.
    pub restarts: u32,
    /// The shell's own parts that it stands in for: `panel`.
    pub replaces: Vec<String>,
    /// Path of its manifest.
    pub manifest: String,
    /// What is wrong with the manifest, or how it died the last time; or empty.
    pub error: String,
}

/// The shell's parts and appearance.
#[zbus::proxy(
    interface = "org.argos.Shell1",
    default_service = "org.argos.Shell1",
    default_path = "/org/argos/Shell1"
)]
pub trait Shell1 {
    /// Shows a part: `launcher`, `chat`, `agents`, `controls`, `power`, `permissions`. Shown again, it hides.
    /// Where another part stands in for it, that is told by `Requested`. Errors: `InvalidArguments`.
    fn toggle(&self, part: &str) -> Result<()>;
    /// The parts that are programs of their own, by name.
    fn list_parts(&self) -> Result<Vec<Part>>;
    /// Starts such a part anew, also one that was given up; returns when that is begun. Errors: `NotFound`.
    fn restart_part(&self, name: &str) -> Result<()>;
    /// Sets the theme by name. Errors: `NotFound` with the names there are.
    fn set_theme(&self, name: &str) -> Result<()>;
    /// The theme's name: `dark`, `light`.
    #[zbus(property)]
    fn theme(&self) -> zbus::fdo::Result<String>;
    /// The accent that the person chose: a name, as `blue`, or `#rrggbb`; empty for the theme's.
    #[zbus(property)]
    fn accent(&self) -> zbus::fdo::Result<String>;
    /// How large text is, in percent: 80 to 200.
    #[zbus(property)]
    fn text_size(&self) -> zbus::fdo::Result<u32>;

    /// A part of the shell's own is to be shown, or hidden if it is, and another part stands in for it: `launcher`,
    /// `settings/displays`. For that part.
    #[zbus(signal)]
    fn requested(&self, part: &str) -> Result<()>;
}
