//! `ext-workspace-v1`: the workspaces, for pagers and bars.
//!
//! A workspace spans all outputs, so there is one group, which has all of them. Workspaces are named by
//! their numbers, from 1; a client can switch between them, and neither make nor remove any.

use smithay::reexports::{
    wayland_protocols::ext::workspace::v1::server::{
        ext_workspace_group_handle_v1::{self, ExtWorkspaceGroupHandleV1, GroupCapabilities},
        ext_workspace_handle_v1::{self, ExtWorkspaceHandleV1, State as Is, WorkspaceCapabilities},
        ext_workspace_manager_v1::{self, ExtWorkspaceManagerV1},
    },
    wayland_server::{
        Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource,
        backend::ClientId, protocol::wl_output::WlOutput,
    },
};

use super::{Privilege, is_full, may, send_away};
use crate::{outputs::Outputs, state::State};

const VERSION: u32 = 1;

pub(super) fn create_global(dh: &DisplayHandle) {
    dh.create_global::<State, ExtWorkspaceManagerV1, ()>(VERSION, ());
}

/// Who is told of workspaces.
#[derive(Debug, Default)]
pub(crate) struct Workspaces(Vec<Manager>);

#[derive(Debug)]
struct Manager {
    object: ExtWorkspaceManagerV1,
    group: ExtWorkspaceGroupHandleV1,
    /// In the order of their numbers.
    workspaces: Vec<Workspace>,
    outputs: Vec<WlOutput>,
    /// The client was told of the group.
    greeted: bool,
    /// The workspace that the client wants to see, from 0, once it commits.
    wanted: Option<usize>,
}

#[derive(Debug)]
struct Workspace {
    object: ExtWorkspaceHandleV1,
    active: bool,
}

/// A workspace object's data: whose it is, and its number from 0.
#[derive(Debug)]
pub(crate) struct Place {
    manager: ExtWorkspaceManagerV1,
    index: usize,
}

impl State {
    /// Tells pagers what is new with the workspaces.
    pub(super) fn tell_workspaces(&mut self) {
        let (count, active) = (
            self.windows.layout.workspaces(),
            self.windows.layout.active_workspace(),
        );
        for manager in &mut self.extensions.workspaces.0 {
            manager.tell(count, active, &self.outputs, &self.display);
        }
    }
}

fn states(active: bool) -> Is {
    if active { Is::Active } else { Is::empty() }
}

impl Manager {
    fn tell(&mut self, count: usize, active: usize, outputs: &Outputs, dh: &DisplayHandle) {
        let Some(client) = self.object.client() else {
            return;
        };
        let mut changed = !std::mem::replace(&mut self.greeted, true);
        changed |= self.tell_outputs(outputs, &client);
        while self.workspaces.len() > count
            && let Some(Workspace { object, .. }) = self.workspaces.pop()
        {
            if object.is_alive() {
                if self.group.is_alive() {
                    self.group.workspace_leave(&object);
                }
                object.removed();
            }
            changed = true;
        }
        for (index, workspace) in self.workspaces.iter_mut().enumerate() {
            let is = index == active;
            if std::mem::replace(&mut workspace.active, is) != is && workspace.object.is_alive() {
                workspace.object.state(states(is));
                changed = true;
            }
        }
        for index in self.workspaces.len()..count {
            let Some(object) = self.add(index, index == active, &client, dh) else {
                return;
            };
            self.workspaces.push(Workspace {
                object,
                active: index == active,
            });
            changed = true;
        }
        if changed {
            self.object.done();
        }
    }

    fn tell_outputs(&mut self, outputs: &Outputs, client: &Client) -> bool {
        if !self.group.is_alive() {
            return false;
        }
        let now: Vec<_> = outputs
            .iter()
            .flat_map(|output| output.client_outputs(client).collect::<Vec<_>>())
            .collect();
        let changed = now != self.outputs;
        for output in self.outputs.iter().filter(|output| !now.contains(output)) {
            if output.is_alive() {
                self.group.output_leave(output);
            }
        }
        for output in now.iter().filter(|output| !self.outputs.contains(output)) {
            self.group.output_enter(output);
        }
        self.outputs = now;
        changed
    }

    fn add(
        &self,
        index: usize,
        active: bool,
        client: &Client,
        dh: &DisplayHandle,
    ) -> Option<ExtWorkspaceHandleV1> {
        let place = Place {
            manager: self.object.clone(),
            index,
        };
        let object = client
            .create_resource::<ExtWorkspaceHandleV1, Place, State>(dh, VERSION, place)
            .ok()?;
        let name = (index + 1).to_string();
        self.object.workspace(&object);
        object.id(name.clone());
        object.name(name);
        object.coordinates((index as u32).to_ne_bytes().to_vec());
        object.capabilities(WorkspaceCapabilities::Activate);
        object.state(states(active));
        if self.group.is_alive() {
            self.group.workspace_enter(&object);
        }
        Some(object)
    }
}

impl GlobalDispatch<ExtWorkspaceManagerV1, ()> for State {
    fn bind(
        state: &mut Self,
        dh: &DisplayHandle,
        client: &Client,
        manager: New<ExtWorkspaceManagerV1>,
        (): &(),
        data_init: &mut DataInit<'_, Self>,
    ) {
        let object = data_init.init(manager, ());
        let managers = &mut state.extensions.workspaces.0;
        if is_full(
            managers.iter().map(|manager| manager.object.client()),
            client,
        ) {
            send_away(&object, "managers of workspaces");
            return;
        }
        let Ok(group) =
            client.create_resource::<ExtWorkspaceGroupHandleV1, (), State>(dh, VERSION, ())
        else {
            return;
        };
        object.workspace_group(&group);
        group.capabilities(GroupCapabilities::empty());
        managers.push(Manager {
            object,
            group,
            workspaces: Vec::new(),
            outputs: Vec::new(),
            greeted: false,
            wanted: None,
        });
    }

    fn can_view(client: Client, (): &()) -> bool {
        may(&client, Privilege::Workspaces)
    }
}

impl Dispatch<ExtWorkspaceManagerV1, ()> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        object: &ExtWorkspaceManagerV1,
        request: ext_workspace_manager_v1::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        let managers = &mut state.extensions.workspaces.0;
        match request {
            ext_workspace_manager_v1::Request::Commit => {
                let manager = managers
                    .iter_mut()
                    .find(|manager| manager.object == *object);
                if let Some(index) = manager.and_then(|manager| manager.wanted.take()) {
                    state.focused_layer = None;
                    state.change_layout(|layout| {
                        layout.activate_workspace(index);
                    });
                }
            }
            ext_workspace_manager_v1::Request::Stop => {
                managers.retain(|manager| manager.object != *object);
                object.finished();
            }
            _ => {}
        }
    }

    fn destroyed(state: &mut Self, _: ClientId, object: &ExtWorkspaceManagerV1, (): &()) {
        let managers = &mut state.extensions.workspaces.0;
        managers.retain(|manager| manager.object != *object);
    }
}

impl Dispatch<ExtWorkspaceGroupHandleV1, ()> for State {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &ExtWorkspaceGroupHandleV1,
        _: ext_workspace_group_handle_v1::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        // There are as many workspaces as the settings say.
    }
}

impl Dispatch<ExtWorkspaceHandleV1, Place> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        _: &ExtWorkspaceHandleV1,
        request: ext_workspace_handle_v1::Request,
        place: &Place,
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        if let ext_workspace_handle_v1::Request::Activate = request {
            let managers = &mut state.extensions.workspaces.0;
            let manager = managers
                .iter_mut()
                .find(|manager| manager.object == place.manager);
            if let Some(manager) = manager {
                manager.wanted = Some(place.index);
            }
        }
    }
}
