//! `org.argos.Shell1` on the session bus: the desktop shell.

use crate::Result;

/// The shell's parts and appearance.
#[zbus::proxy(
    interface = "org.argos.Shell1",
    default_service = "org.argos.Shell1",
    default_path = "/org/argos/Shell1"
)]
pub trait Shell1 {
    /// Shows a part: `launcher`, `chat`, `agents`, `controls`, `power`, `permissions`. Shown again, it hides.
    /// Errors: `InvalidArguments`.
    fn toggle(&self, part: &str) -> Result<()>;
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
}
