//! What happens when nobody is there.

use std::time::{Duration, Instant};

use argos_compositor::{
    bus::Order,
    config::{Config, Idle},
};
use wayland_client::Proxy;
use wayland_protocols::wp::idle_inhibit::zv1::client::zwp_idle_inhibit_manager_v1::ZwpIdleInhibitManagerV1;

use crate::fixture::Fixture;

fn with(idle: Idle) -> Fixture {
    Fixture::with(Config {
        idle,
        ..Config::default()
    })
}

fn dark(f: &Fixture) -> bool {
    let shown = f.state.shown_on_bus();
    shown.outputs.iter().all(|output| output.dark)
}

#[test]
fn the_session_is_locked_the_screens_go_dark_and_the_machine_sleeps() {
    let mut f = with(Idle {
        lock_after: 1,
        screen_off_after: 2,
        suspend_after: 2,
        ..Idle::default()
    });
    let folder = tempfile::tempdir().unwrap();
    f.state.allow_lock(|| (), folder.path().join("locked"));
    let start = Instant::now();
    f.mouse(1.0, 0.0);
    f.until("it is locked", |f| f.state.is_locked());
    assert!(start.elapsed() >= Duration::from_secs(1));
    f.until("it is dark", |f| dark(f));
    assert!(start.elapsed() >= Duration::from_secs(2));
    assert_eq!(f.orders.try_recv().unwrap(), Order::Suspend);

    f.mouse(1.0, 0.0);
    assert!(!dark(&f), "somebody is there");
    assert!(f.state.is_locked());
    f.until("it is dark again", |f| dark(f));
    f.until("it sleeps again", |f| f.orders.try_recv().is_ok());
}

#[test]
fn a_film_that_is_watched_keeps_it_awake_and_one_that_is_not_does_not() {
    let mut f = with(Idle {
        screen_off_after: 1,
        ..Idle::default()
    });
    let mut client = f.client();
    let film = f.window(&mut client, "film", (300, 200), 0);
    let manager: ZwpIdleInhibitManagerV1 = client.bind();
    let inhibitor = manager.create_inhibitor(&film.surface, &client.qh, ());
    f.roundtrip(&mut client);
    assert!(inhibitor.is_alive());
    f.go_on(&mut client, Duration::from_millis(2500));
    assert!(!dark(&f));
    film.toplevel.set_minimized();
    f.roundtrip(&mut client);
    let hidden = Instant::now();
    f.until("it is dark", |f| dark(f));
    assert!(hidden.elapsed() >= Duration::from_millis(900));
}

#[test]
fn other_settings_count_at_once() {
    let mut f = Fixture::new();
    f.state.apply_settings(Config {
        idle: Idle {
            screen_off_after: 1,
            ..Idle::default()
        },
        ..Config::default()
    });
    f.until("it is dark", |f| dark(f));
    f.chord(&[30]);
    assert!(!dark(&f));
    f.state.apply_settings(Config::default());
    let mut client = f.client();
    f.go_on(&mut client, Duration::from_millis(1500));
    assert!(!dark(&f));
}
