//! The greeter as a process, between a compositor without a screen and a greetd that does what the test says.

mod stage;

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use argos_compositor::State;
use argos_compositor::backend::headless::Headless;
use argos_compositor::config::Idle;
use argos_compositor::render::Picture;
use argos_compositor::smithay::backend::input::KeyState;
use argos_compositor::smithay::input::keyboard::Keycode;
use serde_json::{Value, json};
use stage::{Compositor, PATIENCE};

// Linux's codes of keys.
const ENTER: u32 = 28;
const O: u32 = 24;
const P: u32 = 25;
const E: u32 = 18;
const N: u32 = 49;

/// A screen with the greeter on it, and greetd.
struct Seat {
    compositor: Compositor,
    greetd: UnixStream,
    folder: tempfile::TempDir,
    time: u32,
}

impl Seat {
    /// Ada was here last.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (socket, last) = (folder.path().join("greetd"), folder.path().join("last"));
        std::fs::write(&last, "person: ada\n").unwrap();
        let listener = UnixListener::bind(&socket).unwrap();
        listener.set_nonblocking(true).unwrap();
        let words = [
            "env".to_owned(),
            format!("GREETD_SOCK={}", socket.display()),
            format!("HOME={}", folder.path().display()),
            "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent".to_owned(),
            "ARGOS_SHELL_RENDERER=cpu".to_owned(),
            "LC_ALL=C.UTF-8".to_owned(),
            env!("CARGO_BIN_EXE_argos-shell").to_owned(),
            "greeter".to_owned(),
            "--state".to_owned(),
            last.display().to_string(),
        ];
        let backend = || Headless::paced().unwrap();
        let greet = move |state: &mut State| state.greet(&words).unwrap();
        let compositor = Compositor::new(Idle::default(), backend, greet);
        let end = Instant::now() + PATIENCE;
        let greetd = loop {
            match listener.accept() {
                Ok((stream, _)) => break stream,
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
            assert!(Instant::now() < end, "no greeter comes");
        };
        greetd.set_nonblocking(false).unwrap();
        greetd.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            compositor,
            greetd,
            folder,
            time: 1000,
        }
    }

    /// Where it is kept who was here last.
    fn last(&self) -> PathBuf {
        self.folder.path().join("last")
    }

    /// What the greeter asks next.
    fn asks(&mut self) -> Value {
        let mut length = [0; 4];
        self.greetd.read_exact(&mut length).unwrap();
        let mut text = vec![0; u32::from_ne_bytes(length) as usize];
        self.greetd.read_exact(&mut text).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    fn expect(&mut self, what: Value) {
        assert_eq!(self.asks(), what);
    }

    fn says(&mut self, what: &Value) {
        let text = what.to_string();
        let length = (text.len() as u32).to_ne_bytes();
        self.greetd.write_all(&length).unwrap();
        self.greetd.write_all(text.as_bytes()).unwrap();
    }

    fn asks_for(&mut self, style: &str, text: &str) {
        self.says(
            &json!({"type": "auth_message", "auth_message_type": style, "auth_message": text}),
        );
    }

    fn succeeds(&mut self) {
        self.says(&json!({"type": "success"}));
    }

    /// What is on the screen.
    fn picture(&self) -> Picture {
        self.compositor.does(|state| {
            let output = state.output_list()[0].clone();
            state.screenshot(&output).unwrap()
        })
    }

    /// What is on the screen once nothing moves there.
    fn still(&self) -> Picture {
        let mut before = self.picture();
        loop {
            std::thread::sleep(Duration::from_millis(300));
            let now = self.picture();
            if now == before {
                return now;
            }
            before = now;
        }
    }

    fn until(&self, what: &str, seen: impl Fn(&Picture) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !seen(&self.picture()) {
            assert!(Instant::now() < end, "{what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the greeter is on the screen: before, keys go nowhere. Its ground has two colours.
    fn is_shown(&self) {
        self.until("the greeter shows nothing", |picture| {
            picture.pixel(1200, 100) != picture.pixel(1200, 700)
        });
    }

    /// Asks something, and waits until that is on the screen: what is typed before is no answer to it.
    fn asks_and_shows(&mut self, style: &str, text: &str) {
        let before = self.still();
        self.asks_for(style, text);
        self.until("the question is not shown", |picture| {
            picture.rgba != before.rgba
        });
    }

    fn types(&mut self, codes: &'static [u32]) {
        for code in codes {
            self.time += 20;
            let (code, time) = (Keycode::new(code + 8), self.time);
            self.compositor.does(move |state| {
                state.key(code, KeyState::Pressed, time);
                state.key(code, KeyState::Released, time + 10);
            });
        }
    }

    /// The compositor ended, and with it the greeter.
    fn is_over(&self) {
        let over = self.compositor.over.recv_timeout(PATIENCE);
        over.expect("the compositor ends with the greeter");
    }

    /// Nothing of that happens for a while.
    fn goes_on(&self, time: Duration) {
        let over = self.compositor.over.recv_timeout(time);
        assert_eq!(over, Err(RecvTimeoutError::Timeout), "it ended");
    }
}

fn create() -> Value {
    json!({"type": "create_session", "username": "ada"})
}

fn cancel() -> Value {
    json!({"type": "cancel_session"})
}

fn answers(text: &str) -> Value {
    json!({"type": "post_auth_message_response", "response": text})
}

fn notes() -> Value {
    json!({"type": "post_auth_message_response"})
}

/// From the success of the last question on.
fn starts(mut seat: Seat) {
    seat.succeeds();
    seat.expect(json!({"type": "start_session", "cmd": ["argos-session"], "env": []}));
    seat.succeeds();
    seat.is_over();
    let last = std::fs::read_to_string(seat.last()).unwrap();
    assert!(last.contains("ada") && last.contains("argos"), "{last}");
}

#[test]
fn a_password_begins_the_session() {
    let mut seat = Seat::new();
    seat.expect(create());
    seat.asks_for("secret", "Password: ");
    seat.is_shown();
    seat.types(&[O, P, E, N, ENTER]);
    seat.expect(answers("open"));
    starts(seat);
}

#[test]
fn after_a_wrong_one_comes_the_right_one() {
    let mut seat = Seat::new();
    seat.expect(create());
    seat.asks_for("secret", "Password: ");
    seat.is_shown();
    seat.types(&[N, O, ENTER]);
    seat.expect(answers("no"));
    seat.says(&json!({"type": "error", "error_type": "auth_error", "description": "AUTH_ERR"}));
    seat.expect(cancel());
    seat.succeeds();
    seat.expect(create());
    seat.asks_for("secret", "Password: ");
    seat.types(&[O, P, E, N, ENTER]);
    seat.expect(answers("open"));
    starts(seat);
}

#[test]
fn all_that_pam_asks_is_answered() {
    let mut seat = Seat::new();
    seat.expect(create());
    seat.asks_for("info", "Two questions");
    seat.expect(notes());
    seat.asks_for("error", "and an error");
    seat.expect(notes());
    seat.is_shown();
    seat.asks_and_shows("visible", "Name: ");
    seat.types(&[P, E, N, ENTER]);
    seat.expect(answers("pen"));
    seat.asks_and_shows("secret", "Code: ");
    seat.types(&[O, N, E, ENTER]);
    seat.expect(answers("one"));
    starts(seat);
}

#[test]
fn without_a_password_it_begins_when_enter_is_pressed() {
    let mut seat = Seat::new();
    seat.expect(create());
    seat.succeeds();
    seat.is_shown();
    seat.goes_on(Duration::from_millis(500));
    seat.types(&[ENTER]);
    seat.expect(json!({"type": "start_session", "cmd": ["argos-session"], "env": []}));
    seat.succeeds();
    seat.is_over();
}

/// It ends, but not before somebody could read why.
fn is_told_and_ends(seat: &Seat) {
    seat.goes_on(Duration::from_secs(3));
    seat.is_over();
}

#[test]
fn a_greetd_that_falls_is_told_of() {
    let mut seat = Seat::new();
    seat.expect(create());
    seat.asks_for("secret", "Password: ");
    seat.is_shown();
    seat.types(&[N, O, ENTER]);
    seat.expect(answers("no"));
    seat.greetd.shutdown(std::net::Shutdown::Both).unwrap();
    is_told_and_ends(&seat);
}

#[test]
fn a_greetd_that_is_none_is_told_of() {
    let mut seat = Seat::new();
    seat.expect(create());
    seat.is_shown();
    // An answer of 4 GiB.
    seat.greetd.write_all(&u32::MAX.to_ne_bytes()).unwrap();
    is_told_and_ends(&seat);
    let last = std::fs::read_to_string(seat.last()).unwrap();
    assert_eq!(last, "person: ada\n", "nobody was here");
}
