//! `argos-exec` as a supervisor starts it, without the rights of root.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use argos_units::{Directory, ExecSpec};

/// Runs a shell script through `argos-exec` with these bytes as its specification.
fn run_raw(folder: &Path, spec: &[u8], program: &[&str]) -> Output {
    let file = folder.join("spec");
    fs::write(&file, spec).unwrap();
    Command::new("/bin/sh")
        .arg("-c")
        .arg("spec=$1; exec=$2; shift 2; exec \"$exec\" --spec-fd 9 -- \"$@\" 9<\"$spec\"")
        .arg("sh")
        .arg(&file)
        .arg(env!("CARGO_BIN_EXE_argos-exec"))
        .args(program)
        .output()
        .unwrap()
}

fn run(folder: &Path, spec: &ExecSpec, program: &[&str]) -> Output {
    run_raw(folder, &spec.encode().unwrap(), program)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn folders_limits_and_the_working_folder_are_set_and_the_specification_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("a/b").display().to_string();
    let spec = ExecSpec {
        working_directory: Some(made.clone()),
        directories: vec![Directory {
            path: made.clone(),
            mode: 0o700,
        }],
        open_files: Some(77),
        ..ExecSpec::default()
    };
    let script = "pwd; ulimit -Sn; stat -c %a .; test -e /proc/self/fd/9 || echo closed";
    let output = run(folder.path(), &spec, &["/bin/sh", "-c", script]);
    assert_eq!(
        text(&output.stdout),
        format!("{made}\n77\n700\nclosed\n"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn whatever_cannot_be_done_keeps_the_program_from_running() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("ran").display().to_string();
    let missing = folder.path().join("missing").display().to_string();
    fs::write(folder.path().join("file"), "").unwrap();
    let occupied = folder.path().join("file").display().to_string();
    let default = ExecSpec::default;
    for (spec, words) in [
        (
            ExecSpec {
                user: Some("no-such-user".into()),
                ..default()
            },
            "there is no user `no-such-user`",
        ),
        (
            ExecSpec {
                group: Some("root".into()),
                ..default()
            },
            "a group without a user",
        ),
        (
            ExecSpec {
                working_directory: Some(missing),
                ..default()
            },
            "cannot enter the working folder",
        ),
        (
            ExecSpec {
                tty: Some("/dev/no-such-tty".into()),
                ..default()
            },
            "cannot use the terminal",
        ),
        (
            ExecSpec {
                sandbox: Some("{\"netwrk\": false}".into()),
                ..default()
            },
            "`netwrk`",
        ),
        (
            ExecSpec {
                directories: vec![Directory {
                    path: occupied,
                    mode: 0o755,
                }],
                ..default()
            },
            "there is something else",
        ),
    ] {
        let output = run(folder.path(), &spec, &["/usr/bin/touch", &mark]);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(126), "{spec:?}: {stderr}");
        assert!(
            stderr.starts_with("argos-exec: ") && stderr.contains(words),
            "{stderr}"
        );
        assert!(!Path::new(&mark).exists(), "{spec:?}");
    }
}

#[test]
fn a_damaged_specification_or_call_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let good = ExecSpec::default().encode().unwrap();
    for bytes in [
        &b""[..],
        b"nonsense",
        &good[..good.len() - 1],
        &[&good[..], b"x"].concat(),
    ] {
        let output = run_raw(folder.path(), bytes, &["/bin/true"]);
        assert_eq!(output.status.code(), Some(126), "{bytes:?}");
    }
    assert_eq!(
        run(folder.path(), &ExecSpec::default(), &["true"])
            .status
            .code(),
        Some(126)
    );
    assert_eq!(
        run(folder.path(), &ExecSpec::default(), &["/nonexistent"])
            .status
            .code(),
        Some(127)
    );
    let bare = Command::new(env!("CARGO_BIN_EXE_argos-exec"))
        .arg("/bin/true")
        .output()
        .unwrap();
    assert_eq!(bare.status.code(), Some(126));
}
