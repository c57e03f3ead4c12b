//! What a person sees: each part holds its state, its view and what its keys do.
//!
//! Parts know nothing of Wayland or D-Bus. [`crate::shell`], [`crate::prompt`], [`crate::lock`],
//! [`crate::greeter`] and [`crate::portal`] put them on surfaces and connect them with the services.

pub mod agents;
pub mod ahead;
pub mod chat;
pub mod chooser;
pub mod consent;
pub mod controls;
pub mod dialog;
mod entry;
pub mod greeter;
pub mod launcher;
pub mod list_keys;
pub mod lock;
pub mod markup;
pub mod notifications;
pub mod open_with;
pub mod panel;
pub mod permission;
pub mod permissions;
pub mod picker;
pub mod power;
pub mod settings;
pub mod share;
pub mod tray;
pub mod wallpaper;
