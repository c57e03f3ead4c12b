//! The greeter's screen: nothing but the greeter, until it ends.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::fixture::{Fixture, LIMIT, rgb};

const SUPER: u32 = 125;
const RETURN: u32 = 28;
const A: u32 = 30;
const PRINT: u32 = 99;
const WHOLE: (i32, i32) = (1280, 800);
const RED: u32 = 0xc0_2020;
const BLUE: u32 = 0x20_20c0;

/// A compositor for a greeter that shows nothing and ends when it does.
fn greeting() -> Fixture {
    let mut f = Fixture::new();
    let command = ["bash", "-c", "cat <&$WAYLAND_SOCKET >/dev/null"];
    f.state.greet(&command.map(str::to_owned)).unwrap();
    f.turn();
    f
}

#[test]
fn it_is_locked_before_there_is_a_greeter() {
    let mut f = greeting();
    assert!(f.state.is_locked());
    // Even if a client came, by whatever way, it would neither be seen nor be heard.
    let mut client = f.client();
    let _window = f.window(&mut client, "text", WHOLE, RED);
    for keys in [&[A][..], &[SUPER], &[SUPER, RETURN], &[PRINT]] {
        f.chord(keys);
    }
    f.click(600.0, 300.0);
    f.pointer(1279.0, 799.0);
    f.roundtrip(&mut client);
    assert_ne!(f.pixel(640, 400), rgb(RED));
    assert_eq!(client.events.keyboard, None);
    assert_eq!((client.events.keys.len(), client.events.clicks), (0, 0));
    assert!(f.shell.try_recv().is_err() && f.orders.try_recv().is_err());
    assert!(f.state.capture(0).is_err());
}

#[test]
fn what_holds_the_lock_is_shown_and_opens_nothing() {
    let mut f = greeting();
    let mut client = f.client();
    let _window = f.window(&mut client, "text", WHOLE, RED);
    let mut greeter = f.trusted_client();
    let lock = greeter.lock();
    let surface = greeter.lock_surface(&lock, 0);
    f.roundtrip(&mut greeter);
    greeter.fill(&surface.surface, WHOLE, BLUE);
    f.roundtrip(&mut greeter);
    assert_eq!(greeter.events.locked, 1);
    f.pointer(1279.0, 799.0);
    assert_eq!(f.pixel(640, 400), rgb(BLUE));
    f.chord(&[SUPER, RETURN]);
    f.roundtrip(&mut greeter);
    assert!(greeter.events.keys.contains(&(RETURN, true)));

    lock.unlock_and_destroy();
    f.roundtrip(&mut greeter);
    assert!(f.state.is_locked(), "there is nothing behind it");
    f.roundtrip(&mut client);
    assert_eq!(client.events.keyboard, None);
    assert_ne!(f.pixel(640, 400), rgb(RED));
}

#[test]
fn a_greeter_that_is_not_there_is_named() {
    let mut f = Fixture::new();
    let wrong = f
        .state
        .greet(&["/nonexistent/greeter".to_owned(), "now".to_owned()]);
    let wrong = wrong.unwrap_err().to_string();
    assert!(wrong.contains("/nonexistent/greeter now"), "{wrong}");
    assert!(f.state.is_locked(), "and nothing is open for it");
    assert!(f.state.greet(&[]).is_err());
}

fn compositor(script: &str, folder: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_argos-compositor"))
        .args(["--backend", "headless", "--greeter", "bash", "-c", script])
        .current_dir(folder)
        .env_remove("XDG_RUNTIME_DIR")
        .env("WAYLAND_DISPLAY", "someones")
        .stdin(Stdio::null())
        .spawn()
        .unwrap()
}

/// How the process ended.
fn end(mut child: Child) -> std::process::ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if start.elapsed() > LIMIT {
            let _ = child.kill();
            let _ = child.wait();
            panic!("the compositor does not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn the_process_ends_with_its_greeter_however_that_ends() {
    for script in [
        // It is a Wayland client that says what it is to.
        "test -S /proc/self/fd/$WAYLAND_SOCKET && test -z \"$WAYLAND_DISPLAY\" && touch well",
        "exit 3",
        "kill -9 $$",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let status = end(compositor(script, folder.path()));
        assert!(status.success(), "{script}: {status}");
        assert_eq!(folder.path().join("well").exists(), script.contains("well"));
    }
}

#[test]
fn the_greeter_notices_the_end_of_the_compositor() {
    let folder = tempfile::tempdir().unwrap();
    let script = "touch began; cat <&$WAYLAND_SOCKET >/dev/null; touch over";
    let mut child = compositor(script, folder.path());
    let start = Instant::now();
    let wait = |what: &str| {
        while !folder.path().join(what).exists() {
            assert!(start.elapsed() < LIMIT, "{what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    wait("began");
    child.kill().unwrap();
    child.wait().unwrap();
    wait("over");
}
