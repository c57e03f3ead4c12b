//! The desktop shell of ArgOS.
//!
//! * [`host`]: iced's widgets on layer-shell surfaces; knows nothing of what they show.
//! * [`parts`]: panel, launcher, chat and the others: state, look and keys, pure.
//! * [`bus`]: the D-Bus side, on a thread of its own.
//! * [`shell`] and [`prompt`]: the two programs that put them together, each a process.
//! * [`theme`], [`widgets`], [`icons`], [`fonts`]: the look.

pub mod bus;
pub mod fonts;
pub mod host;
pub mod icons;
pub mod parts;
pub mod prompt;
pub mod settings;
pub mod shell;
pub mod theme;
pub mod visible;
pub mod widgets;
