//! `org.argos.Compositor1` on the session bus: windows and workspaces.

use serde::{Deserialize, Serialize};
use zbus::wire::Type;

use crate::Result;

/// A window on the desktop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Window {
    /// Number, unique while the compositor runs.
    pub id: u64,
    /// Application id as the client set it: `foot`.
    pub app_id: String,
    /// Title.
    pub title: String,
    /// Workspace, from 1.
    pub workspace: u32,
    /// Whether it has the keyboard.
    pub focused: bool,
    /// Left edge of the frame, title bar included, in logical pixels of the space all outputs share.
    pub x: i32,
    /// Upper edge.
    pub y: i32,
    /// Width.
    pub width: i32,
    /// Height.
    pub height: i32,
}

/// A picture of the screen or of a window.
#[cfg(unix)]
#[derive(Debug, Serialize, Deserialize, Type)]
pub struct Capture {
    /// A sealed memory file: a PNG, 8 bits each of red, green and blue.
    pub png: zbus::wire::OwnedFd,
    /// How many bytes of it.
    pub bytes: u64,
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// Colours of the frames that the compositor draws around windows, each as `#rrggbb`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct FrameColours {
    /// Title bar of the focused window.
    pub title_bar: String,
    /// Title bar of the other windows.
    pub title_bar_inactive: String,
    /// Title of the focused window.
    pub title: String,
    /// Title of the other windows.
    pub title_inactive: String,
    /// Line around windows.
    pub border: String,
    /// The close button under the pointer.
    pub accent: String,
    /// The cross on it.
    pub accent_text: String,
}

/// Windows and workspaces.
#[zbus::proxy(
    interface = "org.argos.Compositor1",
    default_service = "org.argos.Compositor1",
    default_path = "/org/argos/Compositor1"
)]
pub trait Compositor1 {
    /// Every window, most recently used first.
    fn list_windows(&self) -> Result<Vec<Window>>;
    /// Brings a window to the front and focuses it. Errors: `NotFound`.
    fn focus_window(&self, id: u64) -> Result<()>;
    /// Asks a window to close. Errors: `NotFound`.
    fn close_window(&self, id: u64) -> Result<()>;
    /// Shows a workspace, from 1. Errors: `InvalidArguments`.
    fn activate_workspace(&self, number: u32) -> Result<()>;
    /// Draws frames in a theme's colours, unless the person's settings name their own. Errors:
    /// `InvalidArguments`.
    fn set_frame_colours(&self, colours: &FrameColours) -> Result<()>;
    /// Locks the session: nothing of it is shown or gets input until its person has unlocked it.
    /// Returns when no output shows anything of it any more; the locker may come a moment later.
    /// Locking what is locked is no error. Errors: `Unavailable` (nothing could unlock it again).
    fn lock(&self) -> Result<()>;
    /// A picture of a window, or for 0 of the output under the pointer, without pointer and
    /// prompts. For the broker alone, which asks the person each time: whoever else asks is refused.
    /// Errors: `Denied`, `NotFound`, `Unavailable` (no output, or the session is locked),
    /// `LimitReached` (too large), `Failed`.
    #[cfg(unix)]
    fn capture(&self, window: u64) -> Result<Capture>;
    /// The workspace on screen, from 1.
    #[zbus(property)]
    fn active_workspace(&self) -> zbus::fdo::Result<u32>;
    /// How many workspaces there are.
    #[zbus(property)]
    fn workspaces(&self) -> zbus::fdo::Result<u32>;
    /// Whether the session is locked.
    #[zbus(property)]
    fn locked(&self) -> zbus::fdo::Result<bool>;
    /// `pixman` or `gles`.
    #[zbus(property(emits_changed_signal = "const"))]
    fn renderer(&self) -> zbus::fdo::Result<String>;

    /// Windows came, went, moved between workspaces, got the keyboard or changed their title. Not
    /// sent for each step of a drag.
    #[zbus(signal)]
    fn windows_changed(&self) -> Result<()>;
    /// A key binding asks the shell to show a part: `launcher`, `chat`, `agents`, `power`.
    #[zbus(signal)]
    fn shell_requested(&self, part: &str) -> Result<()>;
}
