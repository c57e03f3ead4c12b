//! The desktop shell of ArgOS.
//!
//! * [`host`]: iced's widgets on layer-shell surfaces; knows nothing of what they show.
//! * [`parts`]: panel, launcher, chat and the others: state, look and keys, pure.
//! * [`bus`]: the D-Bus side, on a thread of its own.
//! * [`plugins`]: parts that are programs of their own.
//! * [`shell`], [`prompt`], [`lock`], [`greeter`] and [`portal`]: the programs that put them together, each a
//!   process.
//! * [`private_socket`]: how prompt and locker reach the compositor; [`pam`]: how the locker checks
//!   a password; [`greetd`]: how the greeter has people logged in; [`accounts`]: who they are.
//! * [`capture`]: pictures of the screen.
//! * [`theme`], [`widgets`], [`icons`], [`fonts`]: the look; [`l10n`]: the words.

pub mod accounts;
pub mod bus;
pub mod capture;
pub mod fonts;
pub mod greetd;
pub mod greeter;
pub mod host;
pub mod icons;
pub mod inventory;
pub mod l10n;
pub mod lock;
pub mod pam;
pub mod parts;
pub mod plugins;
pub mod portal;
pub mod preferences;
pub mod private_socket;
pub mod prompt;
pub mod settings;
mod shadow;
pub mod shell;
pub mod sources;
pub mod theme;
pub mod visible;
pub mod widgets;
pub mod yaml;
