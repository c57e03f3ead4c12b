//! Judges every case: first outside, where the attempt must succeed, then inside, where it must
//! fail as it says. Prints one line a case.

use std::collections::BTreeMap;
use std::io;
use std::process::Output;

use crate::case::{Blocked, Case, Control, How, errno, killed};
use crate::cases;
use crate::fixture::Fixture;
use crate::{ground, orphans};

/// Cases that may go without a positive control, over all users.
const WITHOUT_CONTROL: usize = 8;

/// How a case came out.
struct Row {
    good: bool,
    control: String,
    expected: String,
    seen: String,
}

/// What one run says to the program that judges all of them, a line each: `\u{1}NAME\tREASON`.
const MARK: char = '\u{1}';

/// Runs the cases whose subject or name has one of these words, as this user.
pub(crate) fn run(words: &[String]) -> io::Result<bool> {
    let root = rustix::process::getuid().is_root();
    let who = match (root, crate::fixture::for_root()) {
        (true, _) => "root",
        (false, false) => "unprivileged",
        (false, true) => "root's choice, without a user namespace",
    };
    println!("\nas {who} (user {})", rustix::process::getuid().as_raw());
    println!(
        "      {:<11} {:<52} {:<28} {:<20} SEEN",
        "SUBJECT", "CASE", "OUTSIDE", "EXPECTED"
    );
    let fixture = Fixture::new()?;
    let wanted = |subject: &str, name: &str| {
        words.is_empty()
            || words
                .iter()
                .any(|word| subject.contains(&**word) || name.contains(&**word))
    };
    let (mut good, mut bad) = (0, 0);
    let mut report = |subject: &str, name: &str, row: Row| {
        let mark = if row.good { "ok" } else { "FAIL" };
        if row.good {
            good += 1;
        } else {
            bad += 1;
        }
        println!(
            "{mark:<5} {subject:<11} {name:<52} {:<28} {:<20} {}",
            row.control, row.expected, row.seen
        );
    };
    for (subject, list) in cases::ALL {
        for case in list.iter().filter(|case| wanted(subject, case.name)) {
            report(subject, case.name, judge(case, &fixture, root));
            fixture.tidy();
        }
    }
    for (name, check) in orphans::CASES {
        if wanted("processes", name) {
            let row = match check(&fixture) {
                Ok(seen) => Row {
                    good: true,
                    control: "lives on".to_owned(),
                    expected: "gone".to_owned(),
                    seen,
                },
                Err(why) => Row {
                    good: false,
                    control: "lives on".to_owned(),
                    expected: "gone".to_owned(),
                    seen: why,
                },
            };
            report("processes", name, row);
        }
    }
    println!("{who}: {good} blocked, {bad} not as expected");
    Ok(bad == 0 && good > 0)
}

fn judge(case: &Case, fixture: &Fixture, root: bool) -> Row {
    let mut row = Row {
        good: false,
        control: String::new(),
        expected: case.blocked.to_string(),
        seen: String::new(),
    };
    if let Some(why) = case.not_for_root.filter(|_| root) {
        row.good = true;
        row.control = "-".to_owned();
        row.seen = format!("not tried as root: {why}");
        return row;
    }
    match control(case, fixture, root) {
        Ok(text) => row.control = text,
        Err(why) => {
            row.control = "FAILED".to_owned();
            row.seen = why;
            return row;
        }
    }
    fixture.tidy();
    match inside(case, fixture) {
        Ok((good, seen)) => {
            row.good = good;
            row.seen = seen;
        }
        Err(error) => row.seen = format!("it cannot be run inside: {error}"),
    }
    row
}

/// Shows that the attempt works outside; says how, or why that cannot be shown.
fn control(case: &Case, fixture: &Fixture, root: bool) -> Result<String, String> {
    let without = |why: &str| {
        println!("{MARK}{}\t{why}", case.name);
        Ok(format!("none: {why}"))
    };
    let (how, unless) = match case.control {
        Control::Works(how) => (how, None),
        Control::Unless(how, number, why) => (how, Some((number, why))),
    };
    if how == How::Root && !root {
        return without("it needs root");
    }
    let verb = match how {
        How::Privileged => "privileged",
        How::Plain | How::Root => "act",
    };
    let mut command = fixture.outside(&[verb, case.name]);
    let kept = ground::hand(&mut command, case.handed, fixture);
    let output = kept.and_then(|_kept| command.output().map(|output| (output, _kept)));
    let (output, _kept) = output.map_err(|error| format!("it cannot be run outside: {error}"))?;
    if output.status.success() {
        return Ok(how.to_string());
    }
    match (said(&output), unless) {
        (Some(number), Some((expected, why))) if number == expected => without(why),
        _ => Err(format!("outside it must succeed, and: {}", tell(&output))),
    }
}

fn inside(case: &Case, fixture: &Fixture) -> io::Result<(bool, String)> {
    let mut command = fixture.inside(case, &["act", case.name]);
    let _kept = ground::hand(&mut command, case.handed, fixture)?;
    Ok(judged(case, &command.output()?))
}

/// Whether what came of an attempt is what its case expects, and what that was.
pub(crate) fn judged(case: &Case, output: &Output) -> (bool, String) {
    let signal = std::os::unix::process::ExitStatusExt::signal(&output.status);
    let good = match case.blocked {
        Blocked::Errno(numbers) => said(output).is_some_and(|seen| numbers.contains(&seen)),
        // By the process that waits for the program, or of the program itself where there is none.
        Blocked::Killed(expected) => {
            output.status.code() == Some(128 + expected) || signal == Some(expected)
        }
    };
    (good, tell(output))
}

/// The errno that the hostile program says its attempt failed with.
fn said(output: &Output) -> Option<i32> {
    if output.status.code() != Some(1) {
        return None;
    }
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}

fn tell(output: &Output) -> String {
    if output.status.success() {
        return "it got through".to_owned();
    }
    if let Some(number) = said(output) {
        return errno(number);
    }
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&output.status) {
        return killed(signal);
    }
    match output.status.code() {
        Some(code) if code > 128 => killed(code - 128),
        _ => format!(
            "{}: {}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout).trim(),
            String::from_utf8_lossy(&output.stderr).trim()
        ),
    }
}

/// Whether the runs' words on cases without a control are few enough. `users` is how many runs
/// there were: what one of them showed is shown.
pub(crate) fn enough_controls(lines: &[String], users: usize) -> bool {
    let mut missing: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in lines {
        if let Some((name, why)) = line.split_once('\t') {
            missing.entry(name).or_default().push(why);
        }
    }
    missing.retain(|_, reasons| reasons.len() >= users);
    // Run by an ordinary user alone, what needs root cannot be shown and is not counted.
    missing.retain(|_, reasons| users > 1 || reasons != &["it needs root"]);
    println!(
        "\nwithout a positive control: {} (at most {WITHOUT_CONTROL})",
        missing.len()
    );
    for (name, reasons) in &missing {
        println!("  {name}: {}", reasons[0]);
    }
    missing.len() <= WITHOUT_CONTROL
}

/// The part of a line that is meant for [`enough_controls`].
pub(crate) fn without_control(line: &str) -> Option<&str> {
    line.strip_prefix(MARK)
}
