//! `org.freedesktop.impl.portal.Screenshot` on the session bus, of which the desktop's own programs use one method:
//! they need no front end that keeps sandboxed programs apart.

use std::collections::HashMap;

use zbus::{ObjectPath, OwnedVariant};

/// A request was granted.
pub const SUCCESS: u32 = 0;
/// The person wants nothing of it.
pub const CANCELLED: u32 = 1;

/// Colours of the screen; the shell serves it.
#[zbus::proxy(
    interface = "org.freedesktop.impl.portal.Screenshot",
    default_service = "org.freedesktop.impl.portal.desktop.argos",
    default_path = "/org/freedesktop/portal/desktop"
)]
pub trait Screenshot {
    /// Has the person pick a pixel. `handle` is of this request alone, below
    /// `/org/freedesktop/portal/desktop/request`, `app_id` who asks, `parent_window` nothing, and there are no options.
    /// Returns [`SUCCESS`] and `color` (red, green and blue of sRGB, from 0 to 1), or [`CANCELLED`], or another number
    /// where it went wrong. It ends when the caller leaves the bus.
    fn pick_color(
        &self,
        handle: &ObjectPath<'_>,
        app_id: &str,
        parent_window: &str,
        options: HashMap<&str, OwnedVariant>,
    ) -> zbus::Result<(u32, HashMap<String, OwnedVariant>)>;
}
