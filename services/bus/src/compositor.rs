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

/// A screen that is on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct Output {
    /// Name of the connector: `eDP-1`.
    pub name: String,
    /// Pixels in a row of its mode.
    pub width: u32,
    /// Rows of its mode.
    pub height: u32,
    /// Frames in 1000 seconds: 60000 are 60 a second.
    pub refresh: u32,
    /// Physical pixels to a logical one.
    pub scale: f64,
    /// How the display hangs: `normal`, `90`, `180`, `270`, `flipped`, `flipped-90`, `flipped-180` or
    /// `flipped-270`; degrees counter-clockwise.
    pub transform: String,
    /// Its left edge in the space all outputs share, in logical pixels.
    pub x: i32,
    /// Its upper edge.
    pub y: i32,
    /// Whether it is dark: not driven for the time being.
    pub dark: bool,
    /// When its refresh follows its frames: `off`, `on`, or `automatic`, while a full-screen window covers it.
    pub variable_refresh: String,
}

/// A way in which a screen can be driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct OutputMode {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Frames in 1000 seconds.
    pub refresh: u32,
    /// Whether it is the one that the display prefers.
    pub preferred: bool,
}

/// What a screen is to be, in the words of `compositor.yaml`; an empty word is the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct OutputWish {
    /// Name of the connector.
    pub name: String,
    /// `1920x1080`, or `1920x1080@59.94` with its frames a second; by default the display's choice.
    pub mode: String,
    /// As [`Output::transform`]; by default `normal`.
    pub transform: String,
    /// `left-of NAME`, `right-of NAME`, `above NAME`, `below NAME` or `1920,0`; by default right of those before it.
    pub place: String,
}

/// How long a key took to be seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct KeyLatency {
    /// The namespace of the layer surface in which something followed; empty for a window's.
    pub surface: String,
    /// Whether the surface itself appeared; else it showed something else than before.
    pub appeared: bool,
    /// From the key's event, by the kernel's clock, until the frame was on the screen.
    pub milliseconds: f64,
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
    /// Warmer colours now, or none, until the settings would change that by themselves. `temperature` is in
    /// kelvins, 1700 to 6500; 0 is that of the settings. Errors: `InvalidArguments`.
    fn set_night_light(&self, on: bool, temperature: u32) -> Result<()>;
    /// Shows the screen so many times larger, 1 to 8. Errors: `InvalidArguments`.
    fn set_zoom(&self, factor: f64) -> Result<()>;
    /// The screens that are on, in the order in which they came.
    fn list_outputs(&self) -> Result<Vec<Output>>;
    /// The name of the screen under the pointer, or of the first one: what pictures are taken of where nothing else is
    /// said. Errors: `Unavailable` (there is no screen).
    fn active_output(&self) -> Result<String>;
    /// The identifier by which `ext-foreign-toplevel-list-v1` calls a window. Errors: `NotFound`.
    fn window_handle(&self, id: u64) -> Result<String>;
    /// The ways in which a screen can be driven. Errors: `NotFound`.
    fn list_modes(&self, output: &str) -> Result<Vec<OutputMode>>;
    /// Sets screens up otherwise, on trial: after so many seconds, 5 to 60, what was before comes back, unless
    /// `KeepOutputs` is called. Keeping it beyond the session is for whoever writes `compositor.yaml`. Errors:
    /// `NotFound`, `InvalidArguments` (no such mode), `Failed` (the screen cannot do it).
    fn try_outputs(&self, outputs: &[OutputWish], seconds: u32) -> Result<()>;
    /// Keeps what is on trial, until the settings are read again. Errors: `NotFound` (nothing is, any more).
    fn keep_outputs(&self) -> Result<()>;
    /// Takes back what is on trial. Errors: `NotFound`.
    fn take_back_outputs(&self) -> Result<()>;
    /// Begins to measure how long keys take to be seen, or ends it. Returns what was measured since the last call. Keys
    /// at prompts and on the locked screen are not measured.
    fn measure_keys(&self, on: bool) -> Result<Vec<KeyLatency>>;
    /// Whether the colours are warmer, or on their way there.
    #[zbus(property)]
    fn night_light(&self) -> zbus::fdo::Result<bool>;
    /// The temperature of white while they are, in kelvins.
    #[zbus(property)]
    fn night_temperature(&self) -> zbus::fdo::Result<u32>;
    /// How many times larger the screen is shown.
    #[zbus(property)]
    fn zoom(&self) -> zbus::fdo::Result<f64>;
    /// Whether the person wants less motion: things are to be there at once.
    #[zbus(property)]
    fn reduced_motion(&self) -> zbus::fdo::Result<bool>;
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
    /// A screen came, or was switched on.
    #[zbus(signal)]
    fn output_added(&self, output: Output) -> Result<()>;
    /// A screen has another mode, scale, transform or place, or it went dark or is lit again.
    #[zbus(signal)]
    fn output_changed(&self, output: Output) -> Result<()>;
    /// A screen is gone, or switched off.
    #[zbus(signal)]
    fn output_removed(&self, name: &str) -> Result<()>;
    /// A key binding asks the shell to show a part: `launcher`, `chat`, `agents`, `power`.
    #[zbus(signal)]
    fn shell_requested(&self, part: &str) -> Result<()>;
}
