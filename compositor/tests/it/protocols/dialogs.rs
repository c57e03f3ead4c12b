//! Dialogs that stand before their window, and title bars by the KDE protocol.

use std::time::{Duration, Instant};

use wayland_client::{Connection, Dispatch, Proxy, QueueHandle, delegate_noop};
use wayland_protocols::xdg::{
    dialog::v1::client::{xdg_dialog_v1::XdgDialogV1, xdg_wm_dialog_v1::XdgWmDialogV1},
    foreign::zv2::client::{
        zxdg_exported_v2::{self, ZxdgExportedV2},
        zxdg_exporter_v2::ZxdgExporterV2,
        zxdg_imported_v2::ZxdgImportedV2,
        zxdg_importer_v2::ZxdgImporterV2,
    },
    system_bell::v1::client::xdg_system_bell_v1::XdgSystemBellV1,
};
use wayland_protocols_misc::server_decoration::client::{
    org_kde_kwin_server_decoration::{self, OrgKdeKwinServerDecoration},
    org_kde_kwin_server_decoration_manager::OrgKdeKwinServerDecorationManager,
};

use crate::fixture::{Client, Events, Fixture, Toplevel, on, rgb};

const RED: u32 = 0xc0_2020;
const BLUE: u32 = 0x20_20c0;
/// How long the bell is seen, and how long it is not rung again.
const LIT: Duration = Duration::from_millis(120);
const PAUSE: Duration = Duration::from_millis(500);

delegate_noop!(Events: ignore XdgWmDialogV1);
delegate_noop!(Events: ignore XdgDialogV1);
delegate_noop!(Events: ignore ZxdgExporterV2);
delegate_noop!(Events: ignore ZxdgImporterV2);
delegate_noop!(Events: ignore ZxdgImportedV2);
delegate_noop!(Events: ignore XdgSystemBellV1);
delegate_noop!(Events: ignore OrgKdeKwinServerDecorationManager);
on!(ZxdgExportedV2, |state, _exported, event| {
    if let zxdg_exported_v2::Event::Handle { handle } = event {
        state.heard.push(handle);
    }
});
on!(OrgKdeKwinServerDecoration, |state, _decoration, event| {
    if let org_kde_kwin_server_decoration::Event::Mode { mode } = event {
        state.heard.push(format!("{mode:?}"));
    }
});

/// A small window that belongs to another one.
fn dialog(f: &mut Fixture, client: &mut Client, parent: &Toplevel) -> (Toplevel, XdgDialogV1) {
    let dialogs: XdgWmDialogV1 = client.bind();
    let toplevel = client.toplevel("dialog");
    toplevel.toplevel.set_parent(Some(&parent.toplevel));
    let dialog = dialogs.get_xdg_dialog(&toplevel.toplevel, &client.qh, ());
    f.roundtrip(client);
    client.draw(&toplevel, (200, 100), BLUE);
    f.roundtrip(client);
    (toplevel, dialog)
}

#[test]
fn a_modal_dialog_takes_what_its_parent_would_get() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let parent = f.window(&mut client, "parent", (600, 400), RED);
    let (toplevel, dialog) = dialog(&mut f, &mut client, &parent);

    f.click(360.0, 220.0);
    f.roundtrip(&mut client);
    assert_eq!(f.titles(), "parent*@1 dialog@1", "it is not modal yet");
    assert_eq!(
        f.pixel(640, 400),
        rgb(BLUE),
        "and above its parent all the same"
    );

    dialog.set_modal();
    f.roundtrip(&mut client);
    assert_eq!(f.titles(), "dialog*@1 parent@1");
    let clicks = client.events.clicks;
    f.click(360.0, 220.0);
    f.roundtrip(&mut client);
    assert_eq!(
        client.events.clicks, clicks,
        "the parent does not hear of it"
    );
    assert_eq!(client.events.pointer, None);
    assert_eq!(client.events.keyboard.as_ref(), Some(&toplevel.surface));
    f.click(640.0, 400.0);
    f.roundtrip(&mut client);
    assert_eq!(client.events.clicks, clicks + 1);

    f.window(&mut client, "third", (100, 50), 0);
    f.chord(&[56, 15]); // Alt+Tab
    f.chord(&[56, 15, 15]);
    f.roundtrip(&mut client);
    assert_ne!(client.events.keyboard.as_ref(), Some(&parent.surface));

    dialog.unset_modal();
    f.click(360.0, 220.0);
    f.roundtrip(&mut client);
    f.click(360.0, 220.0);
    f.roundtrip(&mut client);
    assert_eq!(client.events.keyboard.as_ref(), Some(&parent.surface));
}

#[test]
fn a_dialog_may_belong_to_a_window_of_another_program() {
    let mut f = Fixture::new();
    let mut program = f.client();
    let parent = f.window(&mut program, "program", (600, 400), RED);
    let exporter: ZxdgExporterV2 = program.bind();
    exporter.export_toplevel(&parent.surface, &program.qh, ());
    f.roundtrip(&mut program);
    let handle = program.events.heard.pop().unwrap();

    let mut portal = f.client();
    let importer: ZxdgImporterV2 = portal.bind();
    let imported = importer.import_toplevel(handle, &portal.qh, ());
    let chooser = portal.toplevel("chooser");
    f.roundtrip(&mut portal);
    imported.set_parent_of(&chooser.surface);
    let dialogs: XdgWmDialogV1 = portal.bind();
    let dialog = dialogs.get_xdg_dialog(&chooser.toplevel, &portal.qh, ());
    dialog.set_modal();
    portal.draw(&chooser, (200, 100), BLUE);
    f.roundtrip(&mut portal);
    f.click(360.0, 220.0);
    f.roundtrip(&mut program);
    f.roundtrip(&mut portal);
    assert_eq!(f.titles(), "chooser*@1 program@1");
    assert_eq!(program.events.clicks, 0);
}

#[test]
fn a_title_bar_can_be_asked_for_before_there_is_a_window() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let manager: OrgKdeKwinServerDecorationManager = client.bind();
    let toplevel = client.toplevel("old");
    let decoration = manager.create(&toplevel.surface, &client.qh, ());
    decoration.request_mode(org_kde_kwin_server_decoration::Mode::Server);
    f.roundtrip(&mut client);
    assert_eq!(client.events.heard, ["Value(Client)", "Value(Server)"]);
    client.draw(&toplevel, (300, 200), RED);
    f.roundtrip(&mut client);
    let window = f.state.window_list().remove(0);
    assert!(window.height > 200, "{window:?}");
    decoration.release();
    f.roundtrip(&mut client);
    assert_eq!(f.state.window_list().remove(0).height, 200);
}

#[test]
fn the_bell_lights_the_window_up_for_a_moment() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let toplevel = f.window(&mut client, "loud", (300, 200), RED);
    f.pointer(10.0, 10.0);
    let bell: XdgSystemBellV1 = client.bind();
    let ring = |f: &mut Fixture, client: &mut Client| {
        bell.ring(Some(&toplevel.surface));
        f.roundtrip(client);
        f.pixel(640, 400) != rgb(RED)
    };
    // What is looked at late on a busy machine says nothing; then it is done again.
    let seen = (0..50).any(|_| {
        let begun = Instant::now();
        let lit = ring(&mut f, &mut client);
        if begun.elapsed() >= LIT {
            f.go_on(&mut client, PAUSE);
            return false;
        }
        assert!(lit);
        f.go_on(&mut client, LIT + Duration::from_millis(30));
        assert_eq!(f.pixel(640, 400), rgb(RED));
        // Not more often than a person bears.
        let again = ring(&mut f, &mut client);
        let in_time = begun.elapsed() < PAUSE;
        assert!(!(again && in_time));
        f.go_on(&mut client, PAUSE);
        in_time
    });
    assert!(seen);
}
