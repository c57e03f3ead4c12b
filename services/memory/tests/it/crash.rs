//! `kill -9` in the middle of writing, and a disk that is full.
//!
//! The writer is this test binary again, running [`writer`] with `ARGOS_MEMORY_WRITER` set.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use argos_memory::{Error, Store};

const VARIABLE: &str = "ARGOS_MEMORY_WRITER";

/// Not a test by itself: writes until it is killed or the store is full, and says what was promised.
#[test]
fn writer() {
    let Some(path) = std::env::var_os(VARIABLE) else {
        return;
    };
    let store = match Store::open(Path::new(&path)) {
        Err(e @ Error::Full { .. }) => {
            println!("full {e}");
            return;
        }
        other => other.unwrap(),
    };
    for n in 0.. {
        let text = format!("number {n} {}", "padding ".repeat(n % 200));
        match store.remember(&super::record(&text)) {
            Ok(id) => println!("stored {id} {n}"),
            Err(e @ Error::Full { .. }) => {
                println!("full {e}");
                // What is there can still be read and, as far as there is room, given away.
                assert!(store.count().unwrap() > 0);
                store.verify().unwrap();
                return;
            }
            Err(e) => panic!("{e}"),
        }
    }
}

/// Numbers that the writer was promised, with what it wrote under them.
fn promises(line: &str) -> Option<(u64, usize)> {
    let mut words = line.split_once("stored ")?.1.split(' ');
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

fn command(path: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "crash::writer",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(VARIABLE, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    command
}

fn all_are_there(path: &Path, promised: &[(u64, usize)]) {
    let store = Store::open(path).unwrap();
    store.verify().unwrap();
    for (id, n) in promised {
        assert!(
            store
                .get(*id)
                .unwrap()
                .text
                .starts_with(&format!("number {n} "))
        );
    }
    store.remember(&super::record("and on it goes")).unwrap();
}

#[test]
fn nothing_promised_is_lost_by_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut promised = Vec::new();
    for round in 0..6u64 {
        let mut child = command(folder.path()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Kill it somewhere in the middle, a little later each time, while it goes on writing.
        let mut seen = 0;
        while seen < 5 {
            let line = lines.next().unwrap().unwrap();
            if let Some(promise) = promises(&line) {
                promised.push(promise);
                seen += 1;
            }
        }
        std::thread::sleep(Duration::from_millis(3 * round + 1));
        child.kill().unwrap();
        child.wait().unwrap();
        // Lines that were under way when it died are promises too.
        promised.extend(lines.map_while(Result::ok).filter_map(|l| promises(&l)));
        all_are_there(folder.path(), &promised);
    }
    assert!(promised.len() >= 30);
}

#[test]
fn full_disk_is_said_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory");
    // A limit on the size of files stands for the disk: the store's file may not grow beyond 1 MiB.
    let inner = command(&path);
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 2048; exec \"$@\"", "sh"]);
    limited.arg(inner.get_program()).args(inner.get_args());
    limited.env(VARIABLE, &path).stdout(Stdio::piped());
    let output = limited.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    let full = text
        .lines()
        .find(|l| l.contains("full "))
        .expect("it has to fill up");
    assert!(
        full.contains("no room") && full.contains("nothing is lost"),
        "{full}"
    );
    let promised: Vec<_> = text.lines().filter_map(promises).collect();
    assert!(promised.len() > 50, "{}", promised.len());
    all_are_there(&path, &promised);
}
