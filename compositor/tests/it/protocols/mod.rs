//! The protocols of `src/protocols`, each driven by a client that speaks it.

mod globals;
mod selection;
mod toplevel_list;
