//! Where subsurfaces are in their parents.
//!
//! A subsurface's place is the parent's state: it is taken with the parent's commit, and counts when that is applied,
//! whatever the subsurface itself commits before or after. Smithay keeps it with the subsurface instead. So a
//! commit of the parent takes the places of its children along ([`take_places`]), and whenever something of parent
//! or child was applied the places are as the parent has them ([`apply_places`]).

use std::collections::HashMap;

use smithay::{
    reexports::wayland_server::{DisplayHandle, Resource, protocol::wl_surface::WlSurface},
    utils::{Logical, Point},
    wayland::compositor::{
        Cacheable, SubsurfaceCachedState, get_children, get_parent, with_states,
    },
};

/// The places of a surface's children, by their numbers in the protocol.
#[derive(Debug, Default, Clone)]
struct Places(HashMap<u32, Point<i32, Logical>>);

impl Places {
    fn of(&self, child: &WlSurface) -> Point<i32, Logical> {
        // One that the parent has not taken yet begins where it does.
        let place = self.0.get(&child.id().protocol_id());
        place.copied().unwrap_or_default()
    }
}

impl Cacheable for Places {
    fn commit(&mut self, _: &DisplayHandle) -> Self {
        self.clone()
    }

    fn merge_into(self, into: &mut Self, _: &DisplayHandle) {
        *into = self;
    }
}

/// A surface is being committed.
pub(crate) fn take_places(surface: &WlSurface) {
    let places: HashMap<_, _> = get_children(surface)
        .iter()
        .map(|child| {
            let place = with_states(child, |states| {
                let mut state = states.cached_state.get::<SubsurfaceCachedState>();
                state.pending().location
            });
            (child.id().protocol_id(), place)
        })
        .collect();
    with_states(surface, |states| {
        if !places.is_empty() || states.cached_state.has::<Places>() {
            states.cached_state.get::<Places>().pending().0 = places;
        }
    });
}

/// A commit of a surface was applied.
pub(crate) fn apply_places(surface: &WlSurface) {
    if let Some(parent) = get_parent(surface) {
        apply_place(&parent, surface);
    }
    for child in get_children(surface) {
        apply_place(surface, &child);
    }
}

fn apply_place(parent: &WlSurface, child: &WlSurface) {
    let place = with_states(parent, |states| {
        states.cached_state.get::<Places>().current().of(child)
    });
    with_states(child, |states| {
        let mut state = states.cached_state.get::<SubsurfaceCachedState>();
        state.current().location = place;
    });
}
