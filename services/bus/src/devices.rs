//! `org.argos.Devices1` on the system bus: how loud and how bright this machine is.

use serde::{Deserialize, Serialize};
use zbus::wire::Type;

use crate::Result;

/// How loud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Volume {
    /// 0 to 100, as the ear hears it.
    pub percent: u32,
    /// Whether nothing is heard, whatever `percent` says.
    pub muted: bool,
    /// What it is the volume of: card and control.
    pub device: String,
}

/// How bright.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Brightness {
    /// 1 to 100; 0 where the screen's light is off.
    pub percent: u32,
    /// The screen's light.
    pub device: String,
}

/// Volume and brightness. Reading is open to everybody; changing needs root or the person at the
/// seat.
#[zbus::proxy(
    interface = "org.argos.Devices1",
    default_service = "org.argos.Devices1",
    default_path = "/org/argos/Devices1"
)]
pub trait Devices1 {
    /// The volume. Errors: `Unavailable` where nothing can play.
    fn volume(&self) -> Result<Volume>;
    /// Sets the volume, 0 to 100, and says what became of it: devices have steps. Above 0 it is
    /// heard again if it was muted. Errors: `InvalidArguments`, `Denied`, `Unavailable`, `Failed`.
    fn set_volume(&self, percent: u32) -> Result<Volume>;
    /// Mutes, or not. Errors: `Denied`, `Unavailable` (nothing to play with, or it cannot be muted),
    /// `Failed`.
    fn set_muted(&self, muted: bool) -> Result<Volume>;
    /// The brightness. Errors: `Unavailable` where the screen's light cannot be set.
    fn brightness(&self) -> Result<Brightness>;
    /// Sets the brightness, 0 to 100, and says what became of it: 0 is the least at which something
    /// can be read. Errors: `InvalidArguments`, `Denied`, `Unavailable`, `Failed`.
    fn set_brightness(&self, percent: u32) -> Result<Brightness>;
}
