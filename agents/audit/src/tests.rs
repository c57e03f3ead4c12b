//! The log written, attacked and verified, as files on disk.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::log::{GROUP, MAX_LOG};
use crate::{Audit, Commit, KEPT, Pin, Report, Row, verify};

const NOW: &str = "2026-11-23T10:00:00.000Z";

pub(crate) fn row(tool: &str) -> Row {
    Row {
        time: NOW.into(),
        agent: "steward".into(),
        hash: "h".into(),
        tool: tool.into(),
        arguments: json!({"path": "/a"}),
        action: "read".into(),
        resource: "/a".into(),
        decision: "allow",
        by: "person (once)".into(),
        outcome: "ok",
        calls: 1,
        duration_ms: 3,
        error: String::new(),
    }
}

struct Bed {
    folder: tempfile::TempDir,
    max: u64,
}

impl Bed {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            max: MAX_LOG,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("state/audit.jsonl")
    }

    fn open(&self) -> Audit {
        Audit::open_with(&self.path(), NOW, self.max).unwrap()
    }

    /// A closed log with the beginning and rows up to `last`.
    fn with_rows(last: u64) -> Self {
        let bed = Self::new();
        let audit = bed.open();
        for number in 2..=last {
            let given = audit.append(&row(&format!("t{number}")), None, Commit::Grouped);
            assert_eq!(given.unwrap(), number);
        }
        bed
    }

    fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn set_lines(&self, lines: &[String]) {
        let text: String = lines.iter().map(|l| format!("{l}\n")).collect();
        std::fs::write(self.path(), text).unwrap();
    }

    fn add(&self, bytes: &[u8]) {
        let mut file = OpenOptions::new().append(true).open(self.path()).unwrap();
        file.write_all(bytes).unwrap();
    }

    fn verify(&self) -> Report {
        verify(&self.path(), None).unwrap()
    }

    /// The one problem there is, as `LINE what`.
    fn problem(&self) -> String {
        let report = self.verify();
        assert_eq!(report.problems.len(), 1, "{:#?}", report.problems);
        let problem = &report.problems[0];
        assert_eq!(problem.file, self.path());
        format!("{} {}", problem.line, problem.what)
    }
}

/// A row as a forger makes it: a digest of its own that is right.
fn forged(line: &str, change: impl Fn(&mut Value)) -> String {
    let mut value: Value = serde_json::from_str(line).unwrap();
    value.as_object_mut().unwrap().shift_remove("digest");
    change(&mut value);
    let text = value.to_string();
    let digest = blake3::hash(text.as_bytes()).to_hex().to_string();
    format!("{},\"digest\":\"{digest}\"}}", &text[..text.len() - 1])
}

#[test]
fn a_whole_log_is_whole_and_its_last_row_pins_it() {
    let bed = Bed::with_rows(20);
    let report = bed.verify();
    assert!(report.is_whole(), "{report:?}");
    assert_eq!((report.rows, report.first), (20, Some(1)));
    let pin = report.last.unwrap();
    assert_eq!(pin.to_string().parse::<Pin>().unwrap(), pin);
    bed.open()
        .append(&row("more"), None, Commit::Grouped)
        .unwrap();
    assert!(verify(&bed.path(), Some(&pin)).unwrap().is_whole());
    // Everything written anew, the anchor too: only the note finds it.
    std::fs::remove_dir_all(bed.path().parent().unwrap()).unwrap();
    let audit = bed.open();
    for n in 2..30 {
        audit
            .append(&row(&format!("other{n}")), None, Commit::Grouped)
            .unwrap();
    }
    drop(audit);
    assert!(bed.verify().is_whole());
    let report = verify(&bed.path(), Some(&pin)).unwrap();
    assert!(report.problems[0].what.contains("rewritten"), "{report:?}");
    assert!("12:abc".parse::<Pin>().is_err() && "x".parse::<Pin>().is_err());
}

#[test]
fn a_changed_row_is_named() {
    let bed = Bed::with_rows(9);
    let mut lines = bed.lines();
    lines[4] = lines[4].replace("\"allow\"", "\"deny\"");
    bed.set_lines(&lines);
    assert_eq!(
        bed.problem(),
        "5 row 5 was changed: its digest is not its own"
    );
    // Its number too: no other row is suspected.
    lines[4] = lines[4].replace("\"number\":5", "\"number\":500");
    bed.set_lines(&lines);
    assert!(bed.problem().starts_with("5 row 500 was changed"));
    // The last one.
    let bed = Bed::with_rows(9);
    let mut lines = bed.lines();
    lines[8] = lines[8].replace("t9", "t8");
    bed.set_lines(&lines);
    assert!(bed.problem().starts_with("9 row 9 was changed"));
}

#[test]
fn a_row_that_was_replaced_with_a_digest_that_fits_is_found() {
    let bed = Bed::with_rows(9);
    let mut lines = bed.lines();
    lines[4] = forged(&lines[4], |v| v["decision"] = "deny".into());
    bed.set_lines(&lines);
    let problem = bed.problem();
    assert!(
        problem.starts_with("6 row 6 does not follow row 5 at"),
        "{problem}"
    );
    assert!(problem.contains("audit.jsonl:5"), "{problem}");
    // The last one, and then all that follow: the anchor knows better.
    let bed = Bed::with_rows(9);
    let mut lines = bed.lines();
    lines[8] = forged(&lines[8], |v| v["outcome"] = "denied".into());
    bed.set_lines(&lines);
    assert!(
        bed.problem()
            .starts_with("9 row 9 is not the one that the anchor knows")
    );
}

#[test]
fn rows_that_were_replaced_up_to_the_end_are_found_after_a_restart_too() {
    // As many forged ones, the last rows of the log, each with a digest that fits.
    for forgeries in 1..4 {
        let bed = Bed::with_rows(9);
        let mut lines = bed.lines();
        let mut previous: Option<Value> = None;
        for line in &mut lines[9 - forgeries..] {
            *line = forged(line, |row| {
                row["decision"] = "deny".into();
                if let Some(previous) = &previous {
                    row["previous"] = previous.clone();
                }
            });
            let row: Value = serde_json::from_str(line).unwrap();
            previous = Some(row["digest"].clone());
        }
        bed.set_lines(&lines);
        for _ in 0..2 {
            bed.open()
                .append(&row("after"), None, Commit::Grouped)
                .unwrap();
        }
        let report = bed.verify();
        assert_eq!(report.problems.len(), 1, "{report:#?}");
        let problem = &report.problems[0].what;
        assert!(
            problem.starts_with("row 10 does not follow row 9"),
            "{problem}"
        );
        let own: Value = serde_json::from_str(&bed.lines()[9]).unwrap();
        assert_eq!((&own["number"], &own["event"]), (&json!(10), &json!("gap")));
        assert!(own["error"].as_str().unwrap().contains("row 9"), "{own}");
        // Said once.
        assert_eq!(report.rows, 12);
    }
}

#[test]
fn removed_inserted_reordered_and_cut_off_rows_are_named() {
    let bed = Bed::with_rows(9);
    let whole = bed.lines();

    let mut lines = whole.clone();
    lines.remove(3);
    bed.set_lines(&lines);
    assert_eq!(bed.problem(), "4 row 4 is missing before this line");

    let mut lines = whole.clone();
    lines.drain(..3);
    bed.set_lines(&lines);
    assert_eq!(bed.problem(), "1 rows 1 to 3 are missing before this line");

    let mut lines = whole.clone();
    lines.truncate(6);
    bed.set_lines(&lines);
    assert_eq!(
        bed.problem(),
        "7 rows 7 to 9 are missing at the end: it was cut off"
    );

    let mut lines = whole.clone();
    lines.swap(3, 4);
    bed.set_lines(&lines);
    let report = bed.verify();
    assert_eq!(report.problems[0].what, "row 4 is missing before this line");
    assert!(
        report.problems[1]
            .what
            .starts_with("row 4 stands behind row 5")
    );
    assert_eq!((report.problems.len(), report.problems[1].line), (2, 5));

    for inserted in ["{}", "not even JSON", "", &whole[0].replace("none", "ok")] {
        let mut lines = whole.clone();
        lines.insert(4, inserted.to_owned());
        bed.set_lines(&lines);
        assert!(bed.problem().starts_with("5 "), "{inserted}");
    }
    let mut lines = whole.clone();
    lines.insert(4, whole[4].clone());
    bed.set_lines(&lines);
    assert!(bed.problem().starts_with("6 row 5 stands behind row 5"));

    std::fs::write(bed.path(), "").unwrap();
    assert_eq!(
        bed.problem(),
        "1 rows 1 to 9 are missing at the end: it was cut off"
    );
    std::fs::remove_file(bed.path()).unwrap();
    assert_eq!(
        bed.problem(),
        "1 rows 1 to 9 are missing at the end: it was cut off"
    );
}

#[test]
fn a_missing_or_damaged_anchor_is_said_now_and_after_a_restart() {
    let bed = Bed::with_rows(9);
    let anchor = bed.path().with_extension("anchor");
    std::fs::write(&anchor, "{}").unwrap();
    assert!(
        bed.verify().problems[0]
            .what
            .contains("cannot be understood")
    );
    std::fs::remove_file(&anchor).unwrap();
    assert!(bed.verify().problems[0].what.contains("the anchor is gone"));
    drop(bed.open());
    let report = bed.verify();
    assert_eq!(report.rows, 10);
    assert!(
        report.problems[0].what.contains("when the broker started"),
        "{report:?}"
    );
}

#[test]
fn rows_that_are_gone_at_the_start_stay_missing() {
    let bed = Bed::with_rows(9);
    let mut lines = bed.lines();
    lines.truncate(6);
    bed.set_lines(&lines);
    bed.open()
        .append(&row("after"), None, Commit::Grouped)
        .unwrap();
    assert_eq!(bed.problem(), "7 rows 7 to 9 are missing before this line");
    let own: Value = serde_json::from_str(&bed.lines()[6]).unwrap();
    assert_eq!((&own["number"], &own["event"]), (&json!(10), &json!("gap")));
    assert!(own["error"].as_str().unwrap().contains("up to 9"), "{own}");
}

#[test]
fn a_torn_line_is_ended_and_accounted_for() {
    for torn in [&b"{\"number\":10,\"ti"[..], b"\xff\x00", b"{}"] {
        let bed = Bed::with_rows(9);
        bed.add(torn);
        let report = bed.verify();
        assert!(report.is_whole(), "{report:?}");
        assert_eq!(report.lost[0].line, 10);
        bed.open()
            .append(&row("two"), None, Commit::Grouped)
            .unwrap();
        let report = bed.verify();
        assert!(report.is_whole(), "{report:?}");
        assert_eq!(
            (report.rows, report.lost.len(), report.lost[0].line),
            (11, 1, 10)
        );
        // Nobody can say so of another line.
        let mut bytes = std::fs::read(bed.path()).unwrap();
        let at = bytes.windows(torn.len()).rposition(|w| w == torn).unwrap();
        bytes[at] = b'X';
        std::fs::write(bed.path(), bytes).unwrap();
        assert_eq!(bed.verify().problems.len(), 1);
    }
}

#[test]
fn a_fall_while_a_torn_line_is_accounted_for_is_no_damage() {
    let bed = Bed::with_rows(9);
    let torn = b"{\"number\":10,\"ti";
    bed.add(torn);
    drop(bed.open());
    let mended = std::fs::read(bed.path()).unwrap();
    let from = std::fs::metadata(bed.path()).unwrap().len() as usize;
    assert!(bed.verify().is_whole());
    let torn_at = mended.windows(torn.len()).rposition(|w| w == torn);
    let ended = torn_at.unwrap() + torn.len();
    // Right after its end, within the row that accounts for it, and twice.
    for ends in [
        vec![ended + 1],
        vec![ended + 30],
        vec![ended + 30, from + 40],
    ] {
        let bed = Bed::with_rows(9);
        bed.add(torn);
        for end in ends {
            drop(bed.open());
            let bytes = std::fs::read(bed.path()).unwrap();
            std::fs::write(bed.path(), &bytes[..end.min(bytes.len() - 1)]).unwrap();
            // The anchor of the last commit before.
            let row: Value = serde_json::from_str(&bed.lines()[8]).unwrap();
            let anchor = json!({"version": 1, "first": 1, "last": 9, "digest": row["digest"]});
            std::fs::write(bed.path().with_extension("anchor"), anchor.to_string()).unwrap();
        }
        bed.open()
            .append(&row("two"), None, Commit::Grouped)
            .unwrap();
        let report = bed.verify();
        assert!(report.is_whole(), "{report:#?}");
        assert!(!report.lost.is_empty());
        assert_eq!(report.last.unwrap().number, 11);
        // Nobody can say so of other lines.
        let mut lines = bed.lines();
        lines.insert(9, "x".to_owned());
        bed.set_lines(&lines);
        assert!(!bed.verify().is_whole());
    }
}

#[test]
fn a_row_that_only_lacks_its_end_is_not_lost() {
    let bed = Bed::with_rows(9);
    let mut bytes = std::fs::read(bed.path()).unwrap();
    bytes.pop();
    std::fs::write(bed.path(), bytes).unwrap();
    assert!(bed.verify().is_whole());
    bed.open()
        .append(&row("two"), None, Commit::Grouped)
        .unwrap();
    let report = bed.verify();
    assert!(report.is_whole() && report.lost.is_empty(), "{report:?}");
    assert_eq!(report.rows, 10);
}

#[test]
fn a_log_from_before_the_chain_is_taken_up_and_cannot_be_changed_afterwards() {
    for end in ["\n", "\n{\"time\":\"20"] {
        let bed = Bed::new();
        std::fs::create_dir_all(bed.path().parent().unwrap()).unwrap();
        let old: Vec<String> = (0..5)
            .map(|n| serde_json::to_string(&row(&format!("old{n}"))).unwrap())
            .collect();
        std::fs::write(bed.path(), old.join("\n") + end).unwrap();
        assert!(bed.verify().is_whole());
        let audit = bed.open();
        audit.append(&row("new"), None, Commit::Grouped).unwrap();
        assert_eq!(audit.tail(100).unwrap().len(), 7);
        drop(audit);
        let report = bed.verify();
        assert!(report.is_whole(), "{report:?}");
        assert_eq!(
            (report.rows, report.unchained),
            (2, 4 + end.lines().count() as u64)
        );
        let mut lines = bed.lines();
        lines[2] = lines[2].replace("old2", "old3");
        bed.set_lines(&lines);
        assert!(
            bed.problem()
                .contains("before the beginning of the chain was changed")
        );
    }
}

#[test]
fn the_chain_goes_on_across_the_logs_and_the_oldest_may_go() {
    let mut bed = Bed::new();
    bed.max = 4000;
    let audit = bed.open();
    // Room that is held while the log changes must be there in the new one.
    let room = audit.reserve().unwrap();
    for n in 2..120 {
        audit
            .append(&row(&format!("t{n:03}")), None, Commit::Grouped)
            .unwrap();
    }
    audit
        .append(&row("last"), Some(room), Commit::Grouped)
        .unwrap();
    let tail = audit.tail(20).unwrap();
    assert_eq!(tail.len(), 20, "one log has fewer");
    assert!(tail[0].contains("t101") && tail[18].contains("t119") && tail[19].contains("last"));
    drop(audit);
    let mut names: Vec<_> = std::fs::read_dir(bed.path().parent().unwrap())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let mut expected = vec!["audit.anchor".to_owned(), "audit.jsonl".to_owned()];
    expected.extend((1..=KEPT).map(|n| format!("audit.jsonl.{n}")));
    assert_eq!(names, expected);
    let report = bed.verify();
    assert!(report.is_whole(), "{report:?}");
    assert!(report.first > Some(1) && report.rows < 120);
    // What was there before the broker started is found as well.
    assert_eq!(bed.open().tail(20).unwrap(), tail);
    // The oldest that is still kept may not go, nor one in the middle.
    for age in [KEPT, 2] {
        let name = bed.path().with_extension(format!("jsonl.{age}"));
        let text = std::fs::read(&name).unwrap();
        std::fs::remove_file(&name).unwrap();
        let report = bed.verify();
        let problem = &report.problems[0];
        assert!(
            problem.what.contains("are missing before this line"),
            "{problem:?}"
        );
        let next = bed.path().with_extension(format!("jsonl.{}", age - 1));
        assert_eq!((&problem.file, problem.line), (&next, 1));
        std::fs::write(&name, text).unwrap();
    }
}

#[test]
fn lines_put_before_the_oldest_row_that_is_kept_are_found() {
    let mut bed = Bed::new();
    bed.max = 2000;
    let audit = bed.open();
    for n in 2..60 {
        let tool = format!("t{n}");
        audit.append(&row(&tool), None, Commit::Grouped).unwrap();
    }
    drop(audit);
    let oldest = bed.path().with_extension(format!("jsonl.{KEPT}"));
    let whole = std::fs::read_to_string(&oldest).unwrap();
    let unchained = serde_json::to_string(&row("unchained")).unwrap();
    for inserted in [format!("{unchained}\n"), "x\n\n".to_owned()] {
        std::fs::write(&oldest, inserted.clone() + &whole).unwrap();
        let report = bed.verify();
        assert_eq!(report.problems.len(), 1, "{inserted}: {report:?}");
        assert_eq!(report.problems[0].file, oldest);
    }
    // A fall may have torn the line that a log begins with; the row behind it says so.
    let (mended, rest) = whole.split_once('\n').unwrap();
    let torn = "{\"number\":7,";
    let about =
        json!({"bytes": torn.len(), "blake3": blake3::hash(torn.as_bytes()).to_hex().as_str()});
    let mended = forged(mended, |v| {
        v["event"] = "mended".into();
        v["arguments"] = about.clone();
    });
    std::fs::write(&oldest, format!("{torn}\n{mended}\n{rest}")).unwrap();
    let report = bed.verify();
    // The rows behind the forged one do not follow it; that is all.
    assert_eq!(
        (report.problems.len(), report.lost.len()),
        (1, 1),
        "{report:?}"
    );
    assert!(report.problems[0].what.contains("does not follow"));
}

#[test]
fn an_unended_line_in_an_old_log_is_no_fall() {
    let mut bed = Bed::new();
    bed.max = 2000;
    let audit = bed.open();
    for n in 2..30 {
        let tool = format!("t{n}");
        audit.append(&row(&tool), None, Commit::Grouped).unwrap();
    }
    drop(audit);
    let old = bed.path().with_extension("jsonl.2");
    let unchained = serde_json::to_string(&row("unchained")).unwrap();
    let whole = std::fs::read_to_string(&old).unwrap();
    std::fs::write(&old, whole.clone() + &unchained).unwrap();
    let report = bed.verify();
    assert_eq!(
        (report.problems.len(), report.lost.len()),
        (1, 0),
        "{report:?}"
    );
    assert_eq!(report.problems[0].file, old);
    // A row that lacks its end is there.
    std::fs::write(&old, whole.trim_end()).unwrap();
    assert!(bed.verify().is_whole());
}

/// What is read while logs are begun is one state of them.
#[test]
fn no_log_is_missed_while_another_is_begun() {
    let mut bed = Bed::new();
    // Where the disk does not take most of the time.
    if let Ok(memory) = tempfile::tempdir_in("/dev/shm") {
        bed.folder = memory;
    }
    bed.max = 1;
    let audit = bed.open();
    let end = std::time::Instant::now() + std::time::Duration::from_secs(3);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while std::time::Instant::now() < end {
                audit.append(&row("next"), None, Commit::Grouped).unwrap();
            }
        });
        for _ in 0..2 {
            scope.spawn(|| {
                while std::time::Instant::now() < end {
                    let report = bed.verify();
                    assert!(report.is_whole(), "{report:?}");
                }
            });
        }
    });
}

#[test]
fn a_fall_while_another_log_is_begun_loses_nothing() {
    let bed = Bed::with_rows(9);
    std::fs::rename(bed.path(), bed.path().with_extension("jsonl.1")).unwrap();
    assert!(bed.verify().is_whole());
    bed.open()
        .append(&row("on"), None, Commit::Grouped)
        .unwrap();
    let report = bed.verify();
    assert!(report.is_whole(), "{report:?}");
    assert_eq!(report.rows, 10);
}

#[test]
fn rows_are_committed_within_a_second_and_the_anchor_follows() {
    let bed = Bed::new();
    let audit = bed.open();
    let since = std::time::Instant::now();
    audit.append(&row("one"), None, Commit::Grouped).unwrap();
    let anchored = || {
        let text = std::fs::read_to_string(bed.path().with_extension("anchor")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["last"].as_u64()
    };
    // Not at once, unless this machine took its time.
    let first = anchored();
    assert!(first == Some(1) || since.elapsed() >= GROUP, "{first:?}");
    while anchored() != Some(2) {
        // A second, and what a busy machine takes.
        assert!(since.elapsed().as_secs() < 60);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    audit.append(&row("now"), None, Commit::Now).unwrap();
    assert_eq!(anchored(), Some(3));
    let begun = audit.append(&row("act"), None, Commit::Now).unwrap();
    audit.append_end(&row("act"), begun, None).unwrap();
    let last: Value = serde_json::from_str(&audit.tail(1).unwrap()[0]).unwrap();
    assert_eq!(last["begun"], 4);
}

#[test]
fn one_program_at_a_time_has_the_log() {
    let bed = Bed::with_rows(2);
    let audit = bed.open();
    let error = Audit::open(&bed.path(), NOW).unwrap_err().to_string();
    assert!(error.contains("end the other argos-broker"), "{error}");
    drop(audit);
    Audit::open(&bed.path(), NOW).unwrap();
}

#[test]
fn many_threads_make_one_chain() {
    let mut bed = Bed::new();
    bed.max = 50_000;
    let audit = bed.open();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let audit = &audit;
            scope.spawn(move || {
                for n in 0..50 {
                    let room = audit.reserve().unwrap();
                    let commit = if n % 10 == 0 {
                        Commit::Now
                    } else {
                        Commit::Grouped
                    };
                    audit
                        .append(&row(&format!("{thread}.{n}")), Some(room), commit)
                        .unwrap();
                }
            });
        }
        // What is read meanwhile is a whole beginning.
        for _ in 0..20 {
            let report = bed.verify();
            assert!(report.is_whole(), "{report:?}");
        }
    });
    drop(audit);
    let report = bed.verify();
    assert!(report.is_whole(), "{report:?}");
    assert_eq!(report.last.unwrap().number, 401);
}

#[test]
fn long_arguments_keep_their_hash() {
    let bed = Bed::new();
    let audit = bed.open();
    let mut long = row("files.write");
    long.arguments = json!({"text": "ä".repeat(16 << 10)});
    audit.append(&long, None, Commit::Grouped).unwrap();
    let line = &audit.tail(1).unwrap()[0];
    assert!(line.len() < 40_000 && line.contains("blake3"));
    // What was never decided is not worth as much.
    long.decision = "none";
    long.error = "ä".repeat(4 << 10);
    audit.append(&long, None, Commit::Grouped).unwrap();
    let line = &audit.tail(1).unwrap()[0];
    assert!(line.len() < 8_000 && line.contains("blake3"));
    drop(audit);
    assert!(bed.verify().is_whole());
}

#[test]
fn a_log_that_cannot_make_way_goes_on() {
    let mut bed = Bed::new();
    bed.max = 1;
    std::fs::create_dir_all(bed.path().with_extension("jsonl.new")).unwrap();
    let audit = bed.open();
    for tool in ["one", "two"] {
        audit.append(&row(tool), None, Commit::Grouped).unwrap();
    }
    drop(audit);
    assert_eq!(bed.lines().len(), 3);
    assert!(bed.verify().is_whole());
}

#[test]
fn a_line_without_end_is_read_in_pieces() {
    let bed = Bed::with_rows(4);
    let mut lines = bed.lines();
    lines.insert(2, "x".repeat(3 << 20));
    bed.set_lines(&lines);
    assert!(bed.problem().starts_with("3 it is no row of the log"));
    let text = std::fs::read_to_string(Path::new(&bed.path())).unwrap();
    assert_eq!(text.lines().count(), 5);
}

/// The rows in the documentation have the fields that rows have.
#[test]
fn documented_rows_are_rows() {
    let fields = |value: &Value| -> Vec<String> {
        let object = value.as_object().unwrap();
        object.keys().cloned().collect()
    };
    let bed = Bed::with_rows(2);
    let mine = serde_json::from_str(&bed.lines()[1]).unwrap();
    argos_docs::check("audit", |block| {
        let shown: Value = serde_json::from_str(&block.text).map_err(|e| e.to_string())?;
        if fields(&shown) == fields(&mine) {
            Ok(())
        } else {
            Err(format!("a row has {}", fields(&mine).join(", ")))
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever one byte is changed to, wherever: it is found, and nothing panics.
    #[test]
    fn any_changed_byte_is_found(at in 0usize..4000, to in any::<u8>()) {
        let bed = Bed::with_rows(9);
        let mut bytes = std::fs::read(bed.path()).unwrap();
        let at = at % bytes.len();
        prop_assume!(bytes[at] != to);
        bytes[at] = to;
        // The very last byte only ends the line.
        let only_the_end = at == bytes.len() - 1;
        std::fs::write(bed.path(), bytes).unwrap();
        let report = bed.verify();
        prop_assert!(!report.is_whole() || only_the_end, "{report:?}");
        // And it opens, and goes on.
        bed.open().append(&row("on"), None, Commit::Grouped).unwrap();
        prop_assert!(!bed.verify().is_whole() || only_the_end);
    }

    /// Wherever the file ends after a fall: the chain goes on; what the anchor knows is missed.
    #[test]
    fn any_end_is_gone_on_from(keep in 0usize..4000, anchored in 1u64..9) {
        let bed = Bed::with_rows(9);
        let bytes = std::fs::read(bed.path()).unwrap();
        let keep = keep % bytes.len();
        std::fs::write(bed.path(), &bytes[..keep]).unwrap();
        let whole = bytes[..keep].iter().filter(|b| **b == b'\n').count() as u64;
        // The anchor of an earlier commit.
        let line: Value = serde_json::from_str(std::str::from_utf8(&bytes).unwrap()
            .lines().nth(anchored as usize - 1).unwrap()).unwrap();
        let anchor = json!({"version": 1, "first": 1, "last": anchored, "digest": line["digest"]});
        std::fs::write(bed.path().with_extension("anchor"), anchor.to_string()).unwrap();
        bed.open().append(&row("on"), None, Commit::Grouped).unwrap();
        let report = bed.verify();
        // A row that only lacks the end of its line is there.
        let nearly = bytes[keep] == b'\n';
        prop_assert_eq!(
            report.is_whole(), whole + u64::from(nearly) >= anchored, "{:?}", report
        );
    }
}
