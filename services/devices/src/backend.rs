//! What the service needs of a machine.
//!
//! Calls may block for as long as a device takes; the service makes one at a time, off its loop.
//! Each looks for its device anew. Where there is none the error is `Unavailable` and says what is
//! missing.

use argos_bus::Result;
use argos_bus::devices::{Brightness, Volume};

/// Something that plays.
pub(crate) trait Sound: Send + Sync {
    /// How loud it is.
    fn volume(&self) -> Result<Volume>;
    /// Sets the volume, 0 to 100, and has it heard where that is above 0.
    fn set_volume(&self, percent: u32) -> Result<Volume>;
    /// Mutes, or not.
    fn set_muted(&self, muted: bool) -> Result<Volume>;
}

/// The light of a screen.
pub(crate) trait Light: Send + Sync {
    /// How bright it is.
    fn brightness(&self) -> Result<Brightness>;
    /// Sets it, 0 to 100; 0 is the least at which something can be read.
    fn set_brightness(&self, percent: u32) -> Result<Brightness>;
}
