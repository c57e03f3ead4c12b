//! The list of windows that taskbars read.

use wayland_client::{Connection, Dispatch, Proxy, QueueHandle, event_created_child};
use wayland_protocols::ext::foreign_toplevel_list::v1::client::{
    ext_foreign_toplevel_handle_v1::{self, ExtForeignToplevelHandleV1},
    ext_foreign_toplevel_list_v1::{self, ExtForeignToplevelListV1},
};

use crate::fixture::{Events, Fixture, on};

impl Dispatch<ExtForeignToplevelListV1, ()> for Events {
    fn event(
        state: &mut Self,
        _: &ExtForeignToplevelListV1,
        event: ext_foreign_toplevel_list_v1::Event,
        _: &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let ext_foreign_toplevel_list_v1::Event::Toplevel { toplevel } = event {
            state.handles.push(toplevel);
        }
    }

    event_created_child!(Events, ExtForeignToplevelListV1, [
        ext_foreign_toplevel_list_v1::EVT_TOPLEVEL_OPCODE => (ExtForeignToplevelHandleV1, ()),
    ]);
}
on!(ExtForeignToplevelHandleV1, |state, _handle, event| {
    match event {
        ext_foreign_toplevel_handle_v1::Event::Title { title } => {
            state.heard.push(format!("title {title}"));
        }
        ext_foreign_toplevel_handle_v1::Event::AppId { app_id } => {
            state.heard.push(format!("app {app_id}"));
        }
        ext_foreign_toplevel_handle_v1::Event::Closed => state.heard.push("closed".into()),
        _ => {}
    }
});

#[test]
fn windows_are_listed_as_they_come_change_and_go() {
    let mut f = Fixture::new();
    let mut client = f.client();
    f.window(&mut client, "first", (300, 200), 0);
    let mut bar = f.client();
    let _list: ExtForeignToplevelListV1 = bar.bind();
    f.roundtrip(&mut bar);
    assert_eq!(bar.events.heard, ["title first", "app test.first"]);

    bar.events.heard.clear();
    let second = client.toplevel("second");
    f.roundtrip(&mut client);
    f.roundtrip(&mut bar);
    assert_eq!(bar.events.heard, [""; 0], "without content it is no window");
    client.draw(&second, (300, 200), 0);
    f.roundtrip(&mut client);
    second.toplevel.set_title("2nd".into());
    f.roundtrip(&mut client);
    second.toplevel.destroy();
    f.roundtrip(&mut client);
    f.roundtrip(&mut bar);
    assert_eq!(
        bar.events.heard,
        ["title second", "app test.second", "title 2nd", "closed"]
    );
}
