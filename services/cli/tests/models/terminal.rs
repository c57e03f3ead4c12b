//! What is done in a terminal: a conversation, Ctrl-C in it, lines that are remembered, how far a model is
//! with loading. The terminal is a real one, without a screen.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{LONG, Process, import_talkers, service};

/// What the line editor writes when a prompt begins to read, and when its line is taken.
const READS: &str = "\x1b[?2004h";
const TAKEN: &str = "\x1b[?2004l";
const CTRL_C: &str = "\x03";
const UP: &str = "\x1b[A";

/// A program in a terminal of its own.
struct Terminal {
    program: Process,
    keyboard: File,
    screen: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    /// `argos model` with these arguments, with what it keeps in `state`.
    fn start(address: &str, state: &Path, arguments: &[&str]) -> Self {
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let size = rustix::termios::Winsize {
            ws_row: 24,
            ws_col: 200,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        rustix::termios::tcsetwinsize(&ours, size).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap();
        let flags =
            rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC;
        let theirs = rustix::fs::open(&name, flags, rustix::fs::Mode::empty()).unwrap();
        let again = || OwnedFd::try_clone(&theirs).unwrap();
        // It leads a session that has the terminal, so that Ctrl-C reaches it.
        let program = Command::new("setsid")
            .arg("--ctty")
            .arg(env!("CARGO_BIN_EXE_argos"))
            .arg("model")
            .args(arguments)
            .env("TERM", "xterm")
            .env("XDG_STATE_HOME", state)
            .env("DBUS_SYSTEM_BUS_ADDRESS", address)
            .stdin(again())
            .stdout(again())
            .stderr(again())
            .spawn()
            .unwrap();
        let screen = Arc::<Mutex<Vec<u8>>>::default();
        let (shown, mut output) = (Arc::clone(&screen), File::from(ours.try_clone().unwrap()));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // The end is an error: the last one who had the terminal is gone.
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                shown.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        });
        Self {
            program: Process(program),
            keyboard: ours.into(),
            screen,
        }
    }

    fn screen(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().unwrap()).into_owned()
    }

    fn prompts(&self) -> usize {
        self.screen().matches(READS).count()
    }

    /// Lines that were taken.
    fn lines(&self) -> usize {
        self.screen().matches(TAKEN).count()
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    #[track_caller]
    fn wait(&self, what: &str, mut seen: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        while !seen(self) {
            assert!(
                start.elapsed() < LONG,
                "{what} never came: {:?}",
                self.screen()
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Types a line, and waits for the next prompt.
    #[track_caller]
    fn line(&mut self, text: &str) {
        let before = self.prompts();
        self.press(&format!("{text}\r"));
        self.wait("a prompt", |t| t.prompts() > before);
    }

    /// What stands on the screen since the last line was taken.
    fn since_line(&self) -> String {
        let screen = self.screen();
        screen
            .rsplit_once(TAKEN)
            .map_or("", |(_, rest)| rest)
            .to_owned()
    }

    /// The conversation, as `/save` writes it.
    fn saved(&mut self, file: &Path) -> Vec<Value> {
        let _ = std::fs::remove_file(file);
        self.line(&format!("/save {}", file.display()));
        let saved: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        saved["messages"].as_array().unwrap().clone()
    }

    fn end(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.program.0.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < LONG, "it stays: {:?}", self.screen());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn roles(messages: &[Value]) -> Vec<&str> {
    let roles = messages.iter().map(|m| m["role"].as_str().unwrap());
    roles.collect()
}

fn signal(process: &Process, signal: Signal) {
    let pid = rustix::process::Pid::from_child(&process.0);
    rustix::process::kill_process(pid, signal).unwrap();
}

#[test]
fn conversations_in_a_terminal() {
    let dir = tempfile::tempdir().unwrap();
    import_talkers(dir.path());
    let Some((_bus, service, address)) = service(dir.path()) else {
        return;
    };
    let state = dir.path().join("state");
    let start = |arguments: &[&str]| Terminal::start(&address, &state, arguments);
    let began = Instant::now();
    while !start(&["list"]).end().success() {
        assert!(began.elapsed() < LONG, "the service does not come up");
        std::thread::sleep(Duration::from_millis(50));
    }
    let saved = dir.path().join("saved.json");

    // How far loading is stands on the terminal, and is gone when it is there.
    let loaded = (0..20).find_map(|_| {
        let mut loading = start(&["load", "lm"]);
        assert!(loading.end().success(), "{:?}", loading.screen());
        assert!(start(&["unload", "lm"]).end().success());
        let screen = loading.screen();
        screen.contains("reading lm: ").then_some(screen)
    });
    let loaded = loaded.expect("a look at how far it is");
    assert!(loaded.trim_end().ends_with("lm: ready"), "{loaded:?}");

    // Two turns: the second has the first before it.
    let mut talk = start(&["run", "lm-gqa", "--max-tokens", "6"]);
    talk.wait("a prompt", |t| t.prompts() == 1);
    talk.line("Hello");
    talk.line("And again");
    let messages = talk.saved(&saved);
    assert_eq!(roles(&messages), ["user", "assistant"].repeat(2));
    assert_eq!(
        (&messages[0]["content"], &messages[2]["content"]),
        (&json!("Hello"), &json!("And again"))
    );
    let first = messages[1]["content"].as_str().unwrap();
    assert!(!first.is_empty(), "{messages:?}");
    // At a prompt Ctrl-C takes back the line, and nothing more.
    let before = talk.prompts();
    talk.press(&format!("not this{CTRL_C}"));
    talk.wait("a prompt", |t| t.prompts() > before);
    assert_eq!(talk.saved(&saved).len(), 4);
    talk.press("/bye\r");
    assert_eq!(talk.end().code(), Some(0));

    // Lines are remembered for the next time: the last one was `/bye`.
    let history = std::fs::read_to_string(state.join("argos/model-history")).unwrap();
    let lines: Vec<&str> = history.lines().collect();
    assert!(
        lines.contains(&"Hello") && lines.contains(&"And again"),
        "{history}"
    );
    assert!(!history.contains("not this"), "{history}");
    let mut talk = start(&["run", "lm-gqa", "--max-tokens", "6"]);
    talk.wait("a prompt", |t| t.prompts() == 1);
    talk.press(&format!("{UP}\r"));
    assert_eq!(talk.end().code(), Some(0));

    // Ctrl-C ends an answer and not the program. The service is stopped in the middle of it, so that what
    // is there came as it was written, and the rest cannot come.
    let mut talk = start(&["run", "lm-gqa", "--max-tokens", "400"]);
    talk.wait("a prompt", |t| t.prompts() == 1);
    let stopped = (0..100).any(|_| {
        talk.line("/clear");
        let (before, lines) = (talk.prompts(), talk.lines());
        talk.press("Hi\r");
        talk.wait("an answer", |t| {
            let begun = t.lines() > lines && t.since_line().len() > 4;
            begun || t.prompts() > before
        });
        signal(&service, Signal::STOP);
        std::thread::sleep(Duration::from_millis(300));
        let in_the_middle = talk.prompts() == before;
        if in_the_middle {
            talk.press(CTRL_C);
            talk.wait("a prompt after Ctrl-C", |t| t.prompts() > before);
        }
        signal(&service, Signal::CONT);
        // Else it was through already.
        in_the_middle
    });
    assert!(stopped, "{:?}", talk.screen());
    let messages = talk.saved(&saved);
    assert_eq!(roles(&messages), ["user", "assistant"]);
    let part = messages[1]["content"].as_str().unwrap();
    assert!(!part.is_empty() && part.chars().count() < 400, "{part:?}");
    // The conversation goes on with what came.
    talk.line("And now?");
    let messages = talk.saved(&saved);
    assert_eq!(messages[1]["content"], part);
    assert_eq!(roles(&messages), ["user", "assistant"].repeat(2));
    talk.press("/bye\r");
    assert_eq!(talk.end().code(), Some(0));
}
