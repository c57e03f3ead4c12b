//! `ext-foreign-toplevel-list`: which windows there are, for taskbars and for those who ask for
//! pictures of a window. A handle's user data is the window's [`WindowId`].

use std::collections::{HashMap, hash_map::Entry};

use smithay::{
    delegate_foreign_toplevel_list,
    reexports::wayland_server::DisplayHandle,
    wayland::foreign_toplevel_list::{
        ForeignToplevelHandle, ForeignToplevelListHandler, ForeignToplevelListState,
    },
};

use super::sandbox::Privilege;
use crate::{layout::WindowId, state::State};

/// Smithay's state of the protocol, and what was told of which window.
#[derive(Debug)]
pub(crate) struct ToplevelListProtocol {
    list: ForeignToplevelListState,
    handles: HashMap<WindowId, ForeignToplevelHandle>,
}

impl ToplevelListProtocol {
    pub(crate) fn new(dh: &DisplayHandle) -> Self {
        Self {
            list: ForeignToplevelListState::new_with_filter::<State>(
                dh,
                Privilege::WindowList.filter(),
            ),
            handles: HashMap::new(),
        }
    }

    /// How a window is called by the protocol, if it can be seen there.
    pub(crate) fn identifier(&self, window: WindowId) -> Option<String> {
        self.handles
            .get(&window)
            .map(ForeignToplevelHandle::identifier)
    }
}

impl State {
    /// Tells who listens which windows came, changed and went.
    pub(crate) fn sync_toplevel_list(&mut self) {
        let windows = &self.windows;
        let ToplevelListProtocol { list, handles } = &mut self.protocols.toplevel_list;
        handles.retain(|id, handle| {
            let there = windows.get(*id).is_some_and(|managed| managed.mapped);
            if !there {
                list.remove_toplevel(handle);
            }
            there
        });
        for managed in windows.iter().filter(|managed| managed.mapped) {
            match handles.entry(managed.id) {
                Entry::Vacant(entry) => {
                    let id = managed.id;
                    let handle = list.new_toplevel::<Self>(&managed.title, &managed.app_id);
                    handle.user_data().insert_if_missing_threadsafe(|| id);
                    entry.insert(handle);
                }
                Entry::Occupied(entry) => {
                    let handle = entry.get();
                    if handle.title() != managed.title || handle.app_id() != managed.app_id {
                        handle.send_title(&managed.title);
                        handle.send_app_id(&managed.app_id);
                        handle.send_done();
                    }
                }
            }
        }
    }
}

impl ForeignToplevelListHandler for State {
    fn foreign_toplevel_list_state(&mut self) -> &mut ForeignToplevelListState {
        &mut self.protocols.toplevel_list.list
    }
}

delegate_foreign_toplevel_list!(State);
