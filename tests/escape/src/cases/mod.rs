//! The cases by subject. What needs the live broker (agents on a booted system, their sockets,
//! prompts, the control group) is `agent`.

mod files;
mod kernel;
mod namespaces;
mod network;
mod privileges;
mod processes;
mod resources;
mod sockets;
mod terminal;

use crate::case::Case;

pub(crate) const ALL: &[(&str, &[Case])] = &[
    ("processes", processes::CASES),
    ("privileges", privileges::CASES),
    ("namespaces", namespaces::CASES),
    ("files", files::CASES),
    ("sockets", sockets::CASES),
    ("network", network::CASES),
    ("terminal", terminal::CASES),
    ("kernel", kernel::CASES),
    ("resources", resources::CASES),
];

pub(crate) fn find(name: &str) -> Option<&'static Case> {
    ALL.iter()
        .flat_map(|(_, cases)| *cases)
        .find(|case| case.name == name)
}
