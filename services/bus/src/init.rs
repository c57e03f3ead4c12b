//! `org.argos.Init1` on the system bus: units as PID 1 sees them, mirrored by a bridge.

use serde::{Deserialize, Serialize};
use zbus::wire::Type;

use crate::Result;

/// One unit and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Unit {
    /// Name, without the file's ending: `seatd`, `user@1000`.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// `service`, `oneshot`, `socket`, `timer`, `target`, `mount` or `path`.
    pub kind: String,
    /// Whether somebody wants it up.
    pub wanted: bool,
    /// `down`, `waiting`, `starting`, `up`, `stopping`, `backing-off` or `failed`.
    pub state: String,
    /// Why it is in this state, or empty.
    pub detail: String,
    /// Main process, 0 if none.
    pub pid: u32,
    /// How often it was restarted since it was last asked to start.
    pub restarts: u32,
    /// When it entered this state.
    pub since_ms: u64,
}

/// PID 1's units. Reading is open to everybody; changing needs root or the person at the seat.
#[zbus::proxy(
    interface = "org.argos.Init1",
    default_service = "org.argos.Init1",
    default_path = "/org/argos/Init1"
)]
pub trait Init1 {
    /// Every loaded unit, by name.
    fn list_units(&self) -> Result<Vec<Unit>>;
    /// One unit. Errors: `NotFound`.
    fn get_unit(&self, name: &str) -> Result<Unit>;
    /// Starts a unit and what it requires; returns when it is up. Errors: `NotFound`, `Denied`, `Failed`.
    fn start_unit(&self, name: &str) -> Result<()>;
    /// Stops a unit and what requires it. Errors: `NotFound`, `Denied`, `Failed`.
    fn stop_unit(&self, name: &str) -> Result<()>;
    /// Stops, then starts. Errors: `NotFound`, `Denied`, `Failed`.
    fn restart_unit(&self, name: &str) -> Result<()>;
    /// The last `lines` lines a unit printed. Errors: `NotFound`.
    fn log(&self, name: &str, lines: u32) -> Result<Vec<String>>;
    /// Stops everything in order and switches the machine off. Errors: `Denied`.
    fn power_off(&self) -> Result<()>;
    /// Stops everything in order and restarts the machine. Errors: `Denied`.
    fn reboot(&self) -> Result<()>;

    /// A unit changed its state.
    #[zbus(signal)]
    fn unit_changed(&self, unit: Unit) -> Result<()>;
}
