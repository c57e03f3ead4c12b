//! What pagers see of workspaces and do with them.

use std::sync::{Arc, Mutex};

use argos_compositor::{backend::headless, config::Config};
use wayland_client::{
    Connection, Dispatch, Proxy, QueueHandle, WEnum, event_created_child,
    protocol::wl_output::WlOutput,
};
use wayland_protocols::ext::workspace::v1::client::{
    ext_workspace_group_handle_v1::{self, ExtWorkspaceGroupHandleV1},
    ext_workspace_handle_v1::{self, ExtWorkspaceHandleV1, State, WorkspaceCapabilities},
    ext_workspace_manager_v1::{self, ExtWorkspaceManagerV1},
};

use crate::fixture::{Client, Events, Fixture};

type Shared<T> = Arc<Mutex<T>>;

/// What a pager knows.
#[derive(Debug, Default)]
struct Pages {
    groups: Vec<ExtWorkspaceGroupHandleV1>,
    workspaces: Vec<ExtWorkspaceHandleV1>,
    done: u32,
    finished: bool,
}

#[derive(Debug, Default)]
struct Group {
    outputs: Vec<WlOutput>,
    workspaces: Vec<ExtWorkspaceHandleV1>,
}

#[derive(Debug, Default)]
struct Page {
    name: String,
    active: bool,
    may_activate: bool,
}

impl Dispatch<ExtWorkspaceManagerV1, Shared<Pages>> for Events {
    fn event(
        _: &mut Self,
        _: &ExtWorkspaceManagerV1,
        event: ext_workspace_manager_v1::Event,
        pages: &Shared<Pages>,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use ext_workspace_manager_v1::Event;
        let mut pages = pages.lock().unwrap();
        match event {
            Event::WorkspaceGroup { workspace_group } => pages.groups.push(workspace_group),
            Event::Workspace { workspace } => pages.workspaces.push(workspace),
            Event::Done => pages.done += 1,
            Event::Finished => pages.finished = true,
            _ => {}
        }
    }

    event_created_child!(Events, ExtWorkspaceManagerV1, [
        ext_workspace_manager_v1::EVT_WORKSPACE_GROUP_OPCODE =>
            (ExtWorkspaceGroupHandleV1, Shared::<Group>::default()),
        ext_workspace_manager_v1::EVT_WORKSPACE_OPCODE =>
            (ExtWorkspaceHandleV1, Shared::<Page>::default()),
    ]);
}

impl Dispatch<ExtWorkspaceGroupHandleV1, Shared<Group>> for Events {
    fn event(
        _: &mut Self,
        _: &ExtWorkspaceGroupHandleV1,
        event: ext_workspace_group_handle_v1::Event,
        group: &Shared<Group>,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use ext_workspace_group_handle_v1::Event;
        let mut group = group.lock().unwrap();
        match event {
            Event::OutputEnter { output } => group.outputs.push(output),
            Event::OutputLeave { output } => group.outputs.retain(|other| *other != output),
            Event::WorkspaceEnter { workspace } => group.workspaces.push(workspace),
            Event::WorkspaceLeave { workspace } => {
                group.workspaces.retain(|other| *other != workspace);
            }
            _ => {}
        }
    }
}

impl Dispatch<ExtWorkspaceHandleV1, Shared<Page>> for Events {
    fn event(
        _: &mut Self,
        _: &ExtWorkspaceHandleV1,
        event: ext_workspace_handle_v1::Event,
        page: &Shared<Page>,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use ext_workspace_handle_v1::Event;
        let mut page = page.lock().unwrap();
        match event {
            Event::Name { name } => page.name = name,
            Event::State {
                state: WEnum::Value(state),
            } => page.active = state.contains(State::Active),
            Event::Capabilities {
                capabilities: WEnum::Value(capabilities),
            } => {
                page.may_activate = capabilities == WorkspaceCapabilities::Activate;
            }
            _ => {}
        }
    }
}

/// A client that lists workspaces.
struct Pager {
    client: Client,
    manager: ExtWorkspaceManagerV1,
    pages: Shared<Pages>,
}

impl Pager {
    fn new(f: &mut Fixture) -> Self {
        let mut client = f.client();
        let pages = Shared::default();
        let manager = client.bind_version(1, Arc::clone(&pages));
        f.roundtrip(&mut client);
        Self {
            client,
            manager,
            pages,
        }
    }

    /// The names of the workspaces; the active one has a star.
    fn names(&self) -> String {
        let pages = self.pages.lock().unwrap();
        let names = pages.workspaces.iter().map(|workspace| {
            let page = workspace.data::<Shared<Page>>().unwrap().lock().unwrap();
            assert!(page.may_activate);
            format!("{}{}", page.name, if page.active { "*" } else { "" })
        });
        names.collect::<Vec<_>>().join(" ")
    }

    fn workspace(&self, index: usize) -> ExtWorkspaceHandleV1 {
        self.pages.lock().unwrap().workspaces[index].clone()
    }

    /// How many outputs and workspaces each group has that has any.
    fn groups(&self) -> Vec<(usize, usize)> {
        let pages = self.pages.lock().unwrap();
        let groups = pages.groups.iter().filter(|group| group.is_alive());
        let counts = groups.map(|group| {
            let group = group.data::<Shared<Group>>().unwrap().lock().unwrap();
            (group.outputs.len(), group.workspaces.len())
        });
        counts.filter(|(_, workspaces)| *workspaces > 0).collect()
    }

    fn done(&self) -> u32 {
        self.pages.lock().unwrap().done
    }
}

#[test]
fn a_pager_sees_workspaces_and_switches_them_once_it_commits() {
    let mut f = Fixture::with(Config {
        workspaces: 3,
        ..Config::default()
    });
    let mut pager = Pager::new(&mut f);
    assert_eq!(pager.names(), "1* 2 3");
    assert_eq!(pager.done(), 1);
    f.pointer(30.0, 30.0);
    f.roundtrip(&mut pager.client);
    assert_eq!(pager.done(), 1, "nothing is new");

    f.chord(&[125, 3]); // Super+2
    f.roundtrip(&mut pager.client);
    assert_eq!((pager.names().as_str(), pager.done()), ("1 2* 3", 2));

    pager.workspace(0).activate();
    pager.workspace(2).activate();
    f.roundtrip(&mut pager.client);
    assert_eq!(pager.names(), "1 2* 3", "nothing before the commit");
    pager.manager.commit();
    f.roundtrip(&mut pager.client);
    assert_eq!(pager.names(), "1 2 3*");
    assert_eq!(f.state.layout().active_workspace(), 2);
    pager.manager.commit();
    pager.workspace(1).deactivate();
    pager.workspace(1).remove();
    pager.manager.commit();
    f.roundtrip(&mut pager.client);
    assert_eq!(pager.names(), "1 2 3*");

    pager.manager.stop();
    f.roundtrip(&mut pager.client);
    f.chord(&[125, 2]);
    f.roundtrip(&mut pager.client);
    assert!(pager.pages.lock().unwrap().finished);
    assert_eq!(pager.names(), "1 2 3*");
}

#[test]
fn each_output_is_a_group_of_workspaces() {
    let mut f = Fixture::new();
    let mut pager = Pager::new(&mut f);
    pager.client.output(0);
    f.roundtrip(&mut pager.client);
    assert_eq!(pager.groups(), [(1, 4)]);
    let second = headless::add_output(&mut f.state, "two", 640, 480);
    f.roundtrip(&mut pager.client);
    pager.client.output(1);
    f.roundtrip(&mut pager.client);
    assert_eq!(pager.groups(), [(1, 3), (1, 1)]);
    // One of them shows the first, the other the second.
    assert_eq!(pager.names(), "1* 2* 3 4");
    headless::remove_output(&mut f.state, &second);
    f.roundtrip(&mut pager.client);
    assert_eq!(pager.groups(), [(1, 4)]);
    assert_eq!(pager.names(), "1* 2 3 4");
}
