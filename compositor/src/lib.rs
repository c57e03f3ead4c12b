//! The Wayland compositor of ArgOS, as a library with a back-end trait.
//!
//! The binary picks a back end and runs the loop; tests (and, later, conformance adapters) make a
//! [`State`] on the [`backend::headless`] back end in their own process and drive it by function
//! calls.
//!
//! | module | room |
//! |---|---|
//! | [`state`] | everything together, and what one turn of the loop does |
//! | [`layout`] | where windows are; pure |
//! | `windows` | clients' toplevels and the carrying of the layout's answers to them |
//! | `layers`, `zones` | panels, wallpaper, launcher, prompts above everything; where they are |
//! | `idling` | what happens when nobody is there |
//! | `lock` | the locked session: who sees and steers what |
//! | `greeter` | a screen for the greeter and for nothing else |
//! | `clients` | clients' connections, and how they are read fairly |
//! | [`limits`], `guards` | what one client may have; what requests pass before they are carried out |
//! | `handlers` | the requests of the protocols that make windows |
//! | `protocols` | all other protocols, by theme; who sees which |
//! | `input`, `grabs` | keyboard, pointer, touch; dragging windows |
//! | [`bindings`], [`config`] | what keys do; the settings |
//! | [`rules`] | what the settings say of windows before they open |
//! | [`settings`], `notice` | reading them again when they change; saying what is wrong with them |
//! | `animations`, `motion` | what is seen on its way; how it gets there, pure |
//! | `preview` | where a dragged window would go |
//! | `previews`, `switcher`, `overview` | small pictures of windows; Alt-Tab and the overview made of them |
//! | `outputs` | outputs, and when each of them is drawn |
//! | [`arrangement`] | outputs as the settings want them; changes of these on trial |
//! | [`render`], `decoration`, `cursor`, `canvas` | what is drawn |
//! | `night`, `tint` | warmer colours in the evening |
//! | `zoom` | the magnifier |
//! | `latency` | how long keys take to be seen |
//! | `access`, `mouse_keys` | sticky, slow and bounce keys; the keypad as a mouse |
//! | `mirror` | pictures that are kept for those who copy the screen |
//! | `xwayland`, `focus` | X programs; what has the keyboard |
//! | [`backend`] | DRM, nested, headless; the choice of the renderer |
//! | [`bus`], [`notify`] | D-Bus, readiness |

mod access;
mod animations;
pub mod arrangement;
pub mod backend;
pub mod bindings;
pub mod bus;
mod bus_socket;
mod canvas;
mod clients;
pub mod config;
mod cursor;
mod decoration;
pub mod dmabuf;
mod error;
mod farewell;
mod focus;
mod grabs;
mod greeter;
mod guards;
mod handlers;
mod idling;
mod input;
mod latency;
mod layers;
pub mod layout;
mod lettering;
pub mod limits;
mod lock;
mod mirror;
mod motion;
mod mouse_keys;
mod night;
mod notice;
pub mod notify;
mod outputs;
mod overview;
mod preview;
mod previews;
mod private_socket;
mod protocols;
pub mod refresh;
pub mod render;
pub mod rules;
mod screenshot;
pub mod settings;
mod sleep;
mod spawn;
pub mod state;
mod switcher;
mod tint;
mod windows;
mod xwayland;
mod zones;
mod zoom;

pub use error::Error;
pub use input::{LEFT, RIGHT};
pub use layers::PROMPT;
pub use smithay;
pub use spawn::start_locker;
pub use state::State;
