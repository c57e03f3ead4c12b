//! `argos docs` as a program: an index of a few pages, and how well questions find theirs in that of the
//! image.
//!
//! Needs `ARGOS_ONNXRUNTIME` and `ARGOS_TEST_MODEL` (the default model's folder); for the questions
//! `ARGOS_TEST_DOCUMENTATION` too, the folder of the image's index. A plain `cargo test` without them leaves
//! these tests out and says so; with `CI` set their absence is a failure.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn from_environment(variable: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable).filter(|v| !v.is_empty());
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "{variable} must be set in CI"
        );
        eprintln!("left out: {variable} is not set");
    }
    found.map(PathBuf::from)
}

fn model() -> Option<PathBuf> {
    from_environment("ARGOS_ONNXRUNTIME").and(from_environment("ARGOS_TEST_MODEL"))
}

/// Runs it; it has to do what it was asked.
fn argos(command: &mut Command) -> Value {
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {told}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn docs(verb: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_argos"));
    command.args(["--json", "docs", verb]);
    command
}

const MANUAL: &str = r#".TH LAMP.CONF 5
.SH NAME
lamp.conf \- configuration file for lamp(1)
.SH DESCRIPTION
How bright the lamp shines at night.
.SH SEE ALSO
candle(1)
"#;

fn index(
    model: &Path,
    pages: &Path,
    manuals: Option<&Path>,
    reuse: Option<&Path>,
    out: &Path,
) -> Value {
    let mut command = docs("index");
    command
        .arg(out)
        .arg("--pages")
        .arg(pages)
        .arg("--model")
        .arg(model);
    if let Some(folder) = manuals {
        command.arg("--manuals").arg(folder);
    }
    if let Some(folder) = reuse {
        command.arg("--reuse").arg(folder);
    }
    argos(&mut command)
}

#[test]
fn an_index_is_the_same_each_time_and_takes_over_what_stayed() {
    let Some(model) = model() else { return };
    let work = tempfile::tempdir().unwrap();
    let folder = |name: &str| {
        let path = work.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    };
    let pages = folder("pages");
    std::fs::write(
        pages.join("a.md"),
        "# Door\n\nHow to open it.\n\n## Key\n\nTurn it.\n",
    )
    .unwrap();
    std::fs::write(pages.join("other.txt"), "no page").unwrap();
    // Where there is no mandoc, the pages alone.
    let there = Command::new("mandoc").arg("-V").output().is_ok();
    assert!(
        there || std::env::var_os("CI").is_none(),
        "mandoc is missing"
    );
    let manuals = there.then(|| folder("man"));
    if let Some(manuals) = &manuals {
        let section = folder("man/man5");
        std::fs::write(section.join("lamp.conf.5"), MANUAL).unwrap();
        // Another name of it, and a page of another section.
        std::os::unix::fs::symlink("lamp.conf.5", section.join("bulb.5")).unwrap();
        std::fs::write(section.join("lamp.conf.5x"), MANUAL).unwrap();
        assert!(manuals.is_dir());
    }
    let files = |name: &str| {
        ["passages.jsonl", "vectors"]
            .map(|file| std::fs::read(work.path().join(name).join(file)).unwrap())
    };
    let count = if there { 4 } else { 2 };
    let first = work.path().join("first");
    let told = index(&model, &pages, manuals.as_deref(), None, &first);
    assert_eq!(
        (&told["passages"], &told["reused"]),
        (&count.into(), &0.into()),
        "{told}"
    );
    let second = work.path().join("second");
    let told = index(&model, &pages, manuals.as_deref(), Some(&first), &second);
    assert_eq!(told["reused"], count, "{told}");
    assert_eq!(files("first"), files("second"));

    let text = String::from_utf8(files("first")[0].clone()).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[1]["source"], "a.md");
    assert_eq!(lines[1]["section"], serde_json::json!(["Door", "Key"]));
    assert_eq!(lines[1]["line"], 7);
    if there {
        assert_eq!(lines[3]["source"], "lamp.conf(5)");
        assert_eq!(lines[3]["title"], "configuration file for lamp(1)");
        assert_eq!(lines[3]["text"], "How bright the lamp shines at night.");
    }

    std::fs::write(
        pages.join("a.md"),
        "# Door\n\nHow to open it.\n\n## Key\n\nPush it.\n",
    )
    .unwrap();
    let told = index(&model, &pages, manuals.as_deref(), Some(&second), &first);
    assert_eq!(told["reused"], count - 1, "{told}");
    let third = work.path().join("third");
    index(&model, &pages, manuals.as_deref(), None, &third);
    assert_eq!(files("first"), files("third"));
}

/// What `ai/train/README.md` says was measured, less a little: package updates change a few pages.
#[test]
fn questions_find_their_page() {
    let (Some(model), Some(index)) = (model(), from_environment("ARGOS_TEST_DOCUMENTATION")) else {
        return;
    };
    let questions =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../agents/passages/tests/questions.jsonl");
    let told = argos(
        docs("measure")
            .arg(&questions)
            .arg("--index")
            .arg(&index)
            .arg("--model")
            .arg(&model),
    );
    let at_least = |way: &str, which: &str, floor: f64| {
        let measured = told[way][which].as_f64().unwrap();
        assert!(
            measured >= floor,
            "{way}, {which}: {measured} %, not {floor} %: {told}"
        );
    };
    at_least("both", "first", 55.0);
    at_least("both", "three", 78.0);
    let three = |way: &str| told[way]["three"].as_f64().unwrap();
    assert!(three("both") > three("words") + 10.0, "{told}");
    // An index of the image is no burden for it.
    let size: u64 = ["passages.jsonl", "vectors"]
        .iter()
        .map(|f| index.join(f).metadata().unwrap().len())
        .sum();
    assert!(size < 8_000_000, "{size} bytes");
}
