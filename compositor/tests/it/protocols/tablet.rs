//! Drawing tablets: the pen for those who know it, a mouse for the others.

use wayland_client::{
    Connection, Dispatch, Proxy, QueueHandle, delegate_noop, event_created_child,
};
use wayland_protocols::wp::tablet::zv2::client::{
    zwp_tablet_manager_v2::ZwpTabletManagerV2,
    zwp_tablet_pad_v2::ZwpTabletPadV2,
    zwp_tablet_seat_v2::{self, ZwpTabletSeatV2},
    zwp_tablet_tool_v2::{self, ZwpTabletToolV2},
    zwp_tablet_v2::{self, ZwpTabletV2},
};

use crate::{
    devices::Pen,
    fixture::{Events, Fixture, on},
};

delegate_noop!(Events: ignore ZwpTabletManagerV2);
delegate_noop!(Events: ignore ZwpTabletPadV2);

impl Dispatch<ZwpTabletSeatV2, ()> for Events {
    fn event(
        _: &mut Self,
        _: &ZwpTabletSeatV2,
        _: zwp_tablet_seat_v2::Event,
        _: &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
    }

    event_created_child!(Events, ZwpTabletSeatV2, [
        zwp_tablet_seat_v2::EVT_TABLET_ADDED_OPCODE => (ZwpTabletV2, ()),
        zwp_tablet_seat_v2::EVT_TOOL_ADDED_OPCODE => (ZwpTabletToolV2, ()),
        zwp_tablet_seat_v2::EVT_PAD_ADDED_OPCODE => (ZwpTabletPadV2, ()),
    ]);
}
on!(ZwpTabletV2, |state, _tablet, event| {
    if let zwp_tablet_v2::Event::Name { name } = event {
        state.heard.push(name);
    }
});
on!(ZwpTabletToolV2, |state, _tool, event| {
    use zwp_tablet_tool_v2::Event;
    state.heard.push(match event {
        Event::ProximityIn { .. } => "near".into(),
        Event::ProximityOut => "away".into(),
        Event::Motion { x, y } => format!("at {x} {y}"),
        Event::Pressure { pressure } => format!("pressure {pressure}"),
        Event::Down { .. } => "down".into(),
        Event::Up => "up".into(),
        _ => return,
    });
});

/// The pen near the middle of the screen.
const PEN: Pen = Pen {
    at: (0.5, 0.5),
    pressure: 0.0,
    near: true,
    down: false,
};

#[test]
fn a_program_that_knows_tablets_gets_the_pen() {
    let mut f = Fixture::new();
    f.plug_tablet();
    let mut client = f.client();
    f.window(&mut client, "drawing", (400, 300), 0);
    let manager: ZwpTabletManagerV2 = client.bind();
    manager.get_tablet_seat(&client.seat, &client.qh, ());
    f.roundtrip(&mut client);
    assert_eq!(client.events.heard, ["Tablet"]);
    client.events.heard.clear();

    f.pen_near(PEN);
    let pressing = Pen {
        pressure: 1.0,
        down: true,
        ..PEN
    };
    f.pen_tip(pressing);
    f.pen_moves(Pen {
        at: (0.6, 0.5),
        ..pressing
    });
    f.pen_tip(PEN);
    f.pen_near(Pen { near: false, ..PEN });
    f.roundtrip(&mut client);
    let heard = client.events.heard.join(", ");
    // The window's corner is at (440, 250).
    for part in [
        "near, at 200 150",
        "pressure 65535, down",
        "at 328 150, pressure 65535",
        "up",
    ] {
        assert!(heard.contains(part), "{part}: {heard}");
    }
    assert!(heard.ends_with("away"), "{heard}");
    assert_eq!(client.events.clicks, 0, "a pen is no mouse then");
}

#[test]
fn for_all_others_the_pen_is_a_mouse() {
    let mut f = Fixture::new();
    f.plug_tablet();
    let mut client = f.client();
    let one = f.window(&mut client, "one", (400, 300), 0);
    f.window(&mut client, "two", (100, 50), 0);
    let at = (450.0 / 1280.0, 500.0 / 800.0);
    f.pen_near(Pen { at, ..PEN });
    f.pen_tip(Pen {
        at,
        down: true,
        ..PEN
    });
    f.pen_tip(Pen { at, ..PEN });
    f.roundtrip(&mut client);
    assert_eq!(client.events.clicks, 1);
    assert_eq!(client.events.pointer.as_ref(), Some(&one.surface));
    assert_eq!(f.titles(), "one*@1 two@1");
}
