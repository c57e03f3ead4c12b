//! What taskbars see of windows and do with them.

use std::sync::{Arc, Mutex};

use wayland_client::{
    Connection, Dispatch, Proxy, QueueHandle, event_created_child, protocol::wl_output::WlOutput,
};
use wayland_protocols::xdg::shell::client::xdg_toplevel::State as Is;
use wayland_protocols_wlr::foreign_toplevel::v1::client::{
    zwlr_foreign_toplevel_handle_v1::{self, ZwlrForeignToplevelHandleV1},
    zwlr_foreign_toplevel_manager_v1::{self, ZwlrForeignToplevelManagerV1},
};

use crate::fixture::{Client, Events, Fixture};

const RED: u32 = 0xc0_2020;
const MAXIMISED: u32 = 0;
const MINIMISED: u32 = 1;
const ACTIVATED: u32 = 2;
const FULLSCREEN: u32 = 3;

type Shared<T> = Arc<Mutex<T>>;

/// What a taskbar knows of a window.
#[derive(Debug, Default, Clone)]
struct Entry {
    title: String,
    app_id: String,
    states: Vec<u32>,
    outputs: Vec<WlOutput>,
    parent: Option<ZwlrForeignToplevelHandleV1>,
    /// How often something was told as a whole.
    done: u32,
    closed: bool,
}

#[derive(Debug, Default)]
struct List {
    windows: Vec<ZwlrForeignToplevelHandleV1>,
    finished: bool,
}

/// A client that lists windows.
struct Bar {
    client: Client,
    manager: ZwlrForeignToplevelManagerV1,
    list: Shared<List>,
}

impl Bar {
    fn new(f: &mut Fixture) -> Self {
        let mut client = f.client();
        let list = Shared::default();
        let manager = client.bind_version(3, Arc::clone(&list));
        f.roundtrip(&mut client);
        Self {
            client,
            manager,
            list,
        }
    }

    fn entries(&self) -> Vec<(ZwlrForeignToplevelHandleV1, Entry)> {
        let list = self.list.lock().unwrap();
        list.windows
            .iter()
            .map(|handle| {
                let entry = handle.data::<Shared<Entry>>().unwrap();
                (handle.clone(), entry.lock().unwrap().clone())
            })
            .collect()
    }

    fn find(&self, title: &str) -> (ZwlrForeignToplevelHandleV1, Entry) {
        let mut entries = self.entries().into_iter();
        entries
            .find(|(_, entry)| entry.title == title && !entry.closed)
            .unwrap_or_else(|| panic!("no {title} in {:?}", self.entries()))
    }

    fn states(&self, title: &str) -> Vec<u32> {
        self.find(title).1.states
    }

    /// The titles of the windows that are open.
    fn open(&self) -> Vec<String> {
        let entries = self.entries().into_iter();
        entries
            .filter(|(_, entry)| !entry.closed)
            .map(|(_, entry)| entry.title)
            .collect()
    }
}

impl Dispatch<ZwlrForeignToplevelManagerV1, Shared<List>> for Events {
    fn event(
        _: &mut Self,
        _: &ZwlrForeignToplevelManagerV1,
        event: zwlr_foreign_toplevel_manager_v1::Event,
        list: &Shared<List>,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let mut list = list.lock().unwrap();
        match event {
            zwlr_foreign_toplevel_manager_v1::Event::Toplevel { toplevel } => {
                list.windows.push(toplevel);
            }
            zwlr_foreign_toplevel_manager_v1::Event::Finished => list.finished = true,
            _ => {}
        }
    }

    event_created_child!(Events, ZwlrForeignToplevelManagerV1, [
        zwlr_foreign_toplevel_manager_v1::EVT_TOPLEVEL_OPCODE =>
            (ZwlrForeignToplevelHandleV1, Shared::<Entry>::default()),
    ]);
}

impl Dispatch<ZwlrForeignToplevelHandleV1, Shared<Entry>> for Events {
    fn event(
        _: &mut Self,
        _: &ZwlrForeignToplevelHandleV1,
        event: zwlr_foreign_toplevel_handle_v1::Event,
        entry: &Shared<Entry>,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use zwlr_foreign_toplevel_handle_v1::Event;
        let mut entry = entry.lock().unwrap();
        match event {
            Event::Title { title } => entry.title = title,
            Event::AppId { app_id } => entry.app_id = app_id,
            Event::State { state } => {
                let states = state.chunks_exact(4);
                entry.states = states
                    .map(|bytes| u32::from_ne_bytes(bytes.try_into().unwrap()))
                    .collect();
            }
            Event::OutputEnter { output } => entry.outputs.push(output),
            Event::OutputLeave { output } => entry.outputs.retain(|other| *other != output),
            Event::Parent { parent } => entry.parent = parent,
            Event::Done => entry.done += 1,
            Event::Closed => entry.closed = true,
            _ => {}
        }
    }
}

#[test]
fn a_taskbar_sees_every_window_and_what_becomes_of_it() {
    let mut f = Fixture::new();
    let mut client = f.client();
    f.window(&mut client, "early", (300, 200), RED);
    let mut bar = Bar::new(&mut f);
    assert_eq!(bar.open(), ["early"]);
    assert_eq!(bar.states("early"), [ACTIVATED]);

    let dialogue = client.toplevel("dialogue");
    f.roundtrip(&mut client);
    f.roundtrip(&mut bar.client);
    assert_eq!(bar.open(), ["early"], "without content there is no window");
    client.draw(&dialogue, (100, 100), RED);
    f.roundtrip(&mut client);
    f.roundtrip(&mut bar.client);
    let (_, entry) = bar.find("dialogue");
    assert_eq!((entry.app_id.as_str(), entry.done), ("test.dialogue", 1));
    assert_eq!(entry.parent, None);
    assert!(bar.states("early").is_empty());

    // What changes is told once, and nothing where nothing does.
    let first = f.window(&mut client, "owner", (300, 200), RED);
    dialogue.toplevel.set_parent(Some(&first.toplevel));
    dialogue.toplevel.set_title("new name".into());
    dialogue.toplevel.set_app_id("test.other".into());
    f.roundtrip(&mut client);
    f.roundtrip(&mut bar.client);
    let (owner, _) = bar.find("owner");
    let (_, entry) = bar.find("new name");
    assert_eq!(entry.app_id, "test.other");
    assert_eq!(entry.parent, Some(owner));
    let before = entry.done;
    f.pointer(10.0, 10.0);
    client.draw(&first, (300, 200), RED);
    f.roundtrip(&mut client);
    f.roundtrip(&mut bar.client);
    assert_eq!(bar.find("new name").1.done, before);

    dialogue.toplevel.destroy();
    f.roundtrip(&mut client);
    f.roundtrip(&mut bar.client);
    assert_eq!(bar.open(), ["early", "owner"]);
    bar.manager.stop();
    f.roundtrip(&mut bar.client);
    assert!(bar.list.lock().unwrap().finished);
    f.window(&mut client, "late", (300, 200), RED);
    f.roundtrip(&mut bar.client);
    assert_eq!(bar.open(), ["early", "owner"]);
    f.dies(client);
    f.roundtrip(&mut bar.client);
    assert!(bar.open().is_empty(), "what it knows of it hears of");
}

#[test]
fn a_taskbar_steers_windows() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let one = f.window(&mut client, "one", (300, 200), RED);
    f.window(&mut client, "two", (300, 200), RED);
    let mut bar = Bar::new(&mut f);
    let seat = bar.client.seat();
    let (handle, _) = bar.find("one");
    let after = |f: &mut Fixture, client: &mut Client, bar: &mut Bar| {
        f.roundtrip(&mut bar.client);
        f.roundtrip(client);
        f.roundtrip(&mut bar.client);
        bar.states("one")
    };
    handle.activate(&seat);
    assert_eq!(after(&mut f, &mut client, &mut bar), [ACTIVATED]);
    assert!(f.titles().starts_with("one*"));
    handle.set_maximized();
    assert_eq!(after(&mut f, &mut client, &mut bar), [MAXIMISED, ACTIVATED]);
    assert_eq!(client.configured(&one).0, (1280, 800));
    handle.set_fullscreen(Some(&bar.client.output(0)));
    assert_eq!(
        after(&mut f, &mut client, &mut bar),
        [ACTIVATED, FULLSCREEN]
    );
    assert!(client.configured(&one).1.contains(&Is::Fullscreen));
    handle.unset_fullscreen();
    handle.unset_maximized();
    assert_eq!(after(&mut f, &mut client, &mut bar), [ACTIVATED]);
    handle.set_minimized();
    assert_eq!(after(&mut f, &mut client, &mut bar), [MINIMISED]);
    assert!(f.titles().starts_with("two*"));
    handle.unset_minimized();
    assert!(!after(&mut f, &mut client, &mut bar).contains(&MINIMISED));

    // What is to fill the screen is to be seen.
    handle.set_minimized();
    handle.set_maximized();
    let states = after(&mut f, &mut client, &mut bar);
    assert!(states.contains(&MAXIMISED) && !states.contains(&MINIMISED));
    handle.unset_maximized();
    handle.set_minimized();
    handle.set_fullscreen(None);
    let states = after(&mut f, &mut client, &mut bar);
    assert!(states.contains(&FULLSCREEN) && !states.contains(&MINIMISED));
    handle.close();
    after(&mut f, &mut client, &mut bar);
    assert_eq!(client.events.closed, std::slice::from_ref(&one.toplevel));

    // A handle outlives its window and then does nothing.
    one.toplevel.destroy();
    f.roundtrip(&mut client);
    handle.set_maximized();
    handle.activate(&seat);
    handle.close();
    f.roundtrip(&mut bar.client);
    assert_eq!(bar.open(), ["two"]);
    handle.destroy();
    let (two, _) = bar.find("two");
    let surface = bar.client.compositor.create_surface(&bar.client.qh, ());
    two.set_rectangle(&surface, 0, 0, 40, 40);
    f.roundtrip(&mut bar.client);
    two.set_rectangle(&surface, 0, 0, -1, 40);
    f.is_thrown_out(bar.client);
}

#[test]
fn a_window_is_on_the_outputs_that_show_its_workspace() {
    let mut f = Fixture::new();
    let mut client = f.client();
    f.window(&mut client, "here", (300, 200), RED);
    let mut bar = Bar::new(&mut f);
    assert!(bar.find("here").1.outputs.is_empty(), "none is bound yet");
    let output = bar.client.output(0);
    f.roundtrip(&mut bar.client);
    assert_eq!(bar.find("here").1.outputs, std::slice::from_ref(&output));
    bar.find("here").0.set_minimized();
    f.roundtrip(&mut bar.client);
    assert_eq!(
        bar.find("here").1.outputs,
        std::slice::from_ref(&output),
        "it can be come back to"
    );
    f.chord(&[125, 3]);
    f.roundtrip(&mut bar.client);
    assert!(bar.find("here").1.outputs.is_empty());
    f.chord(&[125, 2]);
    f.roundtrip(&mut bar.client);
    assert_eq!(bar.find("here").1.outputs, [output]);
}

#[test]
fn nobody_needs_twenty_managers() {
    let mut f = Fixture::new();
    let client = f.client();
    for _ in 0..20 {
        let _: ZwlrForeignToplevelManagerV1 = client.bind_version(3, Shared::<List>::default());
    }
    f.is_thrown_out(client);
}
