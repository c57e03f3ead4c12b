//! What the protocols for tools of the desktop have in common: when their clients are told of changes, and how many
//! of them there may be.
//!
//! Each of them shows or steers what is other clients', so who sees its global is decided in one place, with the
//! other privileges ([`super::sandbox::may`]). What clients hear comes from a comparison: once a turn, [`State::tell_extensions`] compares
//! what each of them was told with what is, so nothing else in the compositor has to think of them.

use smithay::reexports::wayland_server::{Client, DisplayHandle, Resource};

use super::{
    capture, gamma, heads, image_copy, lease, power, screencopy, toplevels, virtual_pointer,
    workspaces,
};
use crate::state::State;

/// How many managers of one protocol a client may have at a time. Each is told everything.
const MOST_MANAGERS: usize = 16;
/// The code of an error that no protocol has a name for.
pub(crate) const TOO_MANY: u32 = u32::MAX;

/// The state of all of them.
#[derive(Debug)]
pub(crate) struct Extensions {
    pub(crate) captures: capture::Captures,
    pub(crate) sessions: image_copy::Sessions,
    pub(crate) toplevels: toplevels::Toplevels,
    pub(crate) workspaces: workspaces::Workspaces,
    pub(crate) heads: heads::Heads,
    pub(crate) powers: power::Powers,
    pub(crate) gammas: gamma::Gammas,
    pub(crate) leases: lease::Leases,
}

impl Extensions {
    /// Makes the globals.
    pub(crate) fn new(dh: &DisplayHandle) -> Self {
        screencopy::create_global(dh);
        image_copy::create_globals(dh);
        toplevels::create_global(dh);
        workspaces::create_global(dh);
        heads::create_global(dh);
        power::create_global(dh);
        gamma::create_global(dh);
        virtual_pointer::create_global(dh);
        Self {
            captures: capture::Captures::default(),
            sessions: image_copy::Sessions::default(),
            toplevels: toplevels::Toplevels::default(),
            workspaces: workspaces::Workspaces::default(),
            heads: heads::Heads::default(),
            powers: power::Powers::default(),
            gammas: gamma::Gammas::default(),
            leases: lease::Leases::default(),
        }
    }
}

impl State {
    /// Tells clients of these protocols what changed, and gives out the pictures that are due.
    pub(crate) fn tell_extensions(&mut self) {
        self.tell_toplevels();
        self.tell_workspaces();
        self.tell_heads();
        self.tell_powers();
        self.tell_gammas();
        self.tell_leases();
        self.tell_sessions();
        self.drop_stale_mirrors();
        self.serve_captures();
    }
}

/// Ends the client of an object that is one more than anybody needs.
pub(super) fn send_away(object: &impl Resource, what: &str) {
    object.post_error(
        TOO_MANY,
        format!("more {what} than one client may have; destroy those that are done with"),
    );
}

/// Whether a client has as many managers as it may have. `owners` says of each that there is whose it is.
pub(super) fn is_full(owners: impl Iterator<Item = Option<Client>>, client: &Client) -> bool {
    let own = owners.filter(|owner| owner.as_ref() == Some(client));
    own.count() >= MOST_MANAGERS
}
