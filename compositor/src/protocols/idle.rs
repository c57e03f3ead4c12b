//! `ext-idle-notify`: who wants to hear when nobody has touched anything for a while; and
//! `idle-inhibit`: a film that is being watched keeps that from happening, while it can be seen.

use smithay::{
    delegate_idle_inhibit, delegate_idle_notify,
    desktop::utils::surface_primary_scanout_output,
    reexports::{
        calloop::LoopHandle,
        wayland_server::{DisplayHandle, protocol::wl_surface::WlSurface},
    },
    utils::IsAlive,
    wayland::{
        compositor::with_states,
        idle_inhibit::{IdleInhibitHandler, IdleInhibitManagerState},
        idle_notify::{IdleNotifierHandler, IdleNotifierState},
    },
};

use super::root_of;
use crate::state::State;

/// Smithay's state of these protocols, and who inhibits.
#[derive(Debug)]
pub(crate) struct IdleProtocols {
    notifier: IdleNotifierState<State>,
    _inhibit: IdleInhibitManagerState,
    /// One for each inhibitor, so a surface may be here twice.
    inhibitors: Vec<WlSurface>,
    /// Whether one of them can be seen.
    inhibited: bool,
}

impl IdleProtocols {
    pub(crate) fn new(dh: &DisplayHandle, handle: LoopHandle<'static, State>) -> Self {
        Self {
            notifier: IdleNotifierState::new(dh, handle),
            _inhibit: IdleInhibitManagerState::new::<State>(dh),
            inhibitors: Vec::new(),
            inhibited: false,
        }
    }
}

impl State {
    /// Somebody is there: an input event came.
    pub(crate) fn person_is_active(&mut self) {
        self.turn.urgent = true;
        self.protocols.idle.notifier.notify_activity(&self.seat);
        self.end_idling();
    }

    /// Whether something that is seen keeps the session from being idle.
    pub(crate) fn is_kept_awake(&self) -> bool {
        self.protocols.idle.inhibited
    }

    /// Whether something of a surface is on the screen.
    fn is_seen(&self, surface: &WlSurface) -> bool {
        if self.is_locked() {
            return false;
        }
        let root = root_of(surface);
        let shown = match self.windows.by_surface(&root) {
            Some(managed) => managed.mapped && self.windows.layout.is_visible(managed.id),
            None => self.layer_of(&root).is_some(),
        };
        // What is wholly behind other windows is on no output.
        shown
            && with_states(surface, |states| {
                surface_primary_scanout_output(surface, states).is_some()
            })
    }

    /// Looks whether something that is seen keeps the session from being idle.
    pub(crate) fn update_idle_inhibition(&mut self) {
        let mut inhibitors = std::mem::take(&mut self.protocols.idle.inhibitors);
        inhibitors.retain(IsAlive::alive);
        let inhibited = inhibitors.iter().any(|surface| self.is_seen(surface));
        self.protocols.idle.inhibitors = inhibitors;
        self.protocols.idle.notifier.set_is_inhibited(inhibited);
        if std::mem::replace(&mut self.protocols.idle.inhibited, inhibited) && !inhibited {
            self.idling_begins();
        }
    }
}

impl IdleNotifierHandler for State {
    fn idle_notifier_state(&mut self) -> &mut IdleNotifierState<Self> {
        &mut self.protocols.idle.notifier
    }
}

impl IdleInhibitHandler for State {
    fn inhibit(&mut self, surface: WlSurface) {
        self.protocols.idle.inhibitors.push(surface);
    }

    fn uninhibit(&mut self, surface: WlSurface) {
        let inhibitors = &mut self.protocols.idle.inhibitors;
        if let Some(index) = inhibitors.iter().position(|other| *other == surface) {
            inhibitors.swap_remove(index);
        }
    }
}

delegate_idle_notify!(State);
delegate_idle_inhibit!(State);
