//! The protocols of `src/protocols`, each driven by a client that speaks it.

mod dialogs;
mod frames;
pub(crate) mod globals;
mod icons;
mod idle;
mod pointer;
mod popups;
mod selection;
mod shortcuts;
mod subsurfaces;
mod tablet;
mod text;
mod toplevel_list;
