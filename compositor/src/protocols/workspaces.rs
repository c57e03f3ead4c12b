//! `ext-workspace-v1`: the workspaces, for pagers and bars.
//!
//! Each output has a group, with the workspaces that belong to it; what groups there are is said in one
//! place ([`State::seen_workspaces`]). Workspaces are named by their numbers, from 1; a client can switch
//! between them, and neither make nor remove any.

use smithay::{
    output::Output,
    reexports::{
        wayland_protocols::ext::workspace::v1::server::{
            ext_workspace_group_handle_v1::{self, ExtWorkspaceGroupHandleV1, GroupCapabilities},
            ext_workspace_handle_v1::{
                self, ExtWorkspaceHandleV1, State as Is, WorkspaceCapabilities,
            },
            ext_workspace_manager_v1::{self, ExtWorkspaceManagerV1},
        },
        wayland_server::{
            Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource,
            backend::ClientId, protocol::wl_output::WlOutput,
        },
    },
};

use super::{
    extensions::{is_full, send_away},
    sandbox::{Privilege, may},
};
use crate::state::State;

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
    groups: Vec<Group>,
    /// In the order of their numbers.
    workspaces: Vec<Workspace>,
    /// The workspaces that the client wants to see, from 0, once it commits; the last one last.
    wanted: Vec<usize>,
}

#[derive(Debug)]
struct Group {
    name: String,
    object: ExtWorkspaceGroupHandleV1,
    outputs: Vec<WlOutput>,
}

#[derive(Debug)]
struct Workspace {
    object: ExtWorkspaceHandleV1,
    told: SeenWorkspace,
}

/// The workspaces as they are.
#[derive(Debug)]
struct Seen {
    groups: Vec<SeenGroup>,
    /// In the order of their numbers.
    workspaces: Vec<SeenWorkspace>,
}

#[derive(Debug)]
struct SeenGroup {
    /// Tells groups apart; no client hears of it.
    name: String,
    outputs: Vec<Output>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct SeenWorkspace {
    /// The name of its group.
    group: String,
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
        if self.extensions.workspaces.0.is_empty() {
            return;
        }
        let seen = self.seen_workspaces();
        for manager in &mut self.extensions.workspaces.0 {
            manager.tell(&seen, &self.display);
        }
    }

    fn seen_workspaces(&self) -> Seen {
        let layout = &self.windows.layout;
        let workspaces = (0..layout.workspaces()).map(|index| SeenWorkspace {
            group: layout
                .output_of_workspace(index)
                .and_then(|output| layout.areas().get(output))
                .map(|area| area.name.clone())
                .unwrap_or_default(),
            active: layout.is_shown(index),
        });
        let groups = self.outputs.iter().map(|output| SeenGroup {
            name: output.name(),
            outputs: vec![output.clone()],
        });
        Seen {
            workspaces: workspaces.collect(),
            groups: groups.collect(),
        }
    }
}

fn states(active: bool) -> Is {
    if active { Is::Active } else { Is::empty() }
}

impl Manager {
    fn tell(&mut self, seen: &Seen, dh: &DisplayHandle) {
        let Some(client) = self.object.client() else {
            return;
        };
        // Groups come before what is in them, and go after it.
        let mut changed = self.tell_groups(&seen.groups, &client, dh);
        changed |= self.tell_workspaces(&seen.workspaces, &client, dh);
        self.groups.retain(|group| {
            let there = seen.groups.iter().any(|seen| seen.name == group.name);
            if !there {
                group.object.removed();
                changed = true;
            }
            there
        });
        if changed {
            self.object.done();
        }
    }

    fn tell_groups(&mut self, seen: &[SeenGroup], client: &Client, dh: &DisplayHandle) -> bool {
        let mut changed = false;
        for seen in seen {
            let known = self.groups.iter().position(|group| group.name == seen.name);
            let index = known.or_else(|| {
                let object = client
                    .create_resource::<ExtWorkspaceGroupHandleV1, (), State>(dh, VERSION, ())
                    .ok()?;
                self.object.workspace_group(&object);
                object.capabilities(GroupCapabilities::empty());
                self.groups.push(Group {
                    name: seen.name.clone(),
                    object,
                    outputs: Vec::new(),
                });
                changed = true;
                Some(self.groups.len() - 1)
            });
            if let Some(index) = index {
                changed |= self.groups[index].tell_outputs(&seen.outputs, client);
            }
        }
        changed
    }

    fn tell_workspaces(
        &mut self,
        seen: &[SeenWorkspace],
        client: &Client,
        dh: &DisplayHandle,
    ) -> bool {
        let mut changed = false;
        while self.workspaces.len() > seen.len()
            && let Some(Workspace { object, told }) = self.workspaces.pop()
        {
            self.leave(&told.group, &object);
            object.removed();
            changed = true;
        }
        for (index, seen) in seen.iter().enumerate() {
            if index == self.workspaces.len() {
                let Some(object) = self.introduce(index, seen, client, dh) else {
                    return changed;
                };
                self.workspaces.push(Workspace {
                    object,
                    told: seen.clone(),
                });
                changed = true;
                continue;
            }
            let Workspace { object, told } = &self.workspaces[index];
            if told == seen {
                continue;
            }
            if object.is_alive() {
                if told.group != seen.group {
                    self.leave(&told.group, object);
                    self.enter(&seen.group, object);
                }
                if told.active != seen.active {
                    object.state(states(seen.active));
                }
                changed = true;
            }
            self.workspaces[index].told = seen.clone();
        }
        changed
    }

    fn introduce(
        &self,
        index: usize,
        seen: &SeenWorkspace,
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
        object.state(states(seen.active));
        self.enter(&seen.group, &object);
        Some(object)
    }

    /// The object of a group, unless its client let go of it.
    fn group(&self, name: &str) -> Option<&ExtWorkspaceGroupHandleV1> {
        let mut groups = self.groups.iter();
        let group = groups.find(|group| group.name == name)?;
        group.object.is_alive().then_some(&group.object)
    }

    fn enter(&self, group: &str, workspace: &ExtWorkspaceHandleV1) {
        if let Some(group) = self.group(group) {
            group.workspace_enter(workspace);
        }
    }

    fn leave(&self, group: &str, workspace: &ExtWorkspaceHandleV1) {
        if let Some(group) = self.group(group)
            && workspace.is_alive()
        {
            group.workspace_leave(workspace);
        }
    }
}

impl Group {
    fn tell_outputs(&mut self, outputs: &[Output], client: &Client) -> bool {
        if !self.object.is_alive() {
            return false;
        }
        // A client may bind an output at any time, and several times.
        let now: Vec<_> = outputs
            .iter()
            .flat_map(|output| output.client_outputs(client).collect::<Vec<_>>())
            .collect();
        let changed = now != self.outputs;
        for output in self.outputs.iter().filter(|output| !now.contains(output)) {
            if output.is_alive() {
                self.object.output_leave(output);
            }
        }
        for output in now.iter().filter(|output| !self.outputs.contains(output)) {
            self.object.output_enter(output);
        }
        self.outputs = now;
        changed
    }
}

impl GlobalDispatch<ExtWorkspaceManagerV1, ()> for State {
    fn bind(
        state: &mut Self,
        _: &DisplayHandle,
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
        managers.push(Manager {
            object,
            groups: Vec::new(),
            workspaces: Vec::new(),
            wanted: Vec::new(),
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
                let wanted = manager.map(|manager| std::mem::take(&mut manager.wanted));
                for index in wanted.into_iter().flatten() {
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
                manager.wanted.retain(|index| *index != place.index);
                manager.wanted.push(place.index);
            }
        }
    }
}
