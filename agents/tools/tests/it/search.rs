//! Searching files and notes, through the real worker.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::rig::Rig;

/// Paths beneath the home, as a search found them.
fn paths(rig: &Rig, found: &Value, what: &str) -> Vec<String> {
    let home = format!("{}/", rig.home.display());
    found[what]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| {
            found["path"]
                .as_str()
                .unwrap()
                .strip_prefix(&home)
                .unwrap()
                .to_owned()
        })
        .collect()
}

#[tokio::test]
async fn names_and_texts_are_found() {
    let rig = Rig::new();
    for (path, text) in [
        (
            "taxes/2025/Receipt.txt",
            "bread\nTAX: 3.20 for Anna\ntax again: anna\n",
        ),
        ("taxes/notes.md", "nothing here"),
        ("letters/anna.txt", "Dear Anna, the tax office wrote"),
        ("letters/picture.png", "\u{89}PNG\0 anna tax"),
        (".cache/anna-tax.txt", "anna tax"),
    ] {
        let path = rig.home.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let found = rig
        .call("files.search", json!({"query": "tax anna"}))
        .await
        .unwrap();
    assert_eq!(
        paths(&rig, &found, "texts"),
        ["letters/anna.txt", "taxes/2025/Receipt.txt"]
    );
    let receipt = &found["texts"][1];
    assert_eq!(
        (&receipt["line"], &receipt["text"], &receipt["lines"]),
        (&json!(2), &json!("TAX: 3.20 for Anna"), &json!(2))
    );
    assert_eq!(
        (&found["left_out"]["hidden"], &found["left_out"]["binary"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(found["truncated"], false);
    let found = rig
        .call(
            "files.search",
            json!({"query": "*.TXT", "path": "~/letters"}),
        )
        .await
        .unwrap();
    assert_eq!(paths(&rig, &found, "names"), ["letters/anna.txt"]);
    let found = rig
        .call("files.search", json!({"query": "tax", "path": "~"}))
        .await
        .unwrap();
    assert_eq!(paths(&rig, &found, "names"), ["taxes"]);
    let error = rig
        .call(
            "files.search",
            json!({"query": "x", "path": "~/letters/anna.txt"}),
        )
        .await
        .unwrap_err();
    assert!(error.hint.contains("files.read"), "{error}");
}

#[tokio::test]
async fn nothing_outside_is_found_by_links_and_nothing_blocks() {
    let rig = Rig::new();
    std::fs::create_dir_all(rig.home.join("inside")).unwrap();
    std::fs::create_dir_all(rig.home.join("outside")).unwrap();
    std::fs::write(rig.home.join("outside/secret.txt"), "the needle").unwrap();
    symlink(rig.home.join("outside"), rig.home.join("inside/folder")).unwrap();
    symlink(
        rig.home.join("outside/secret.txt"),
        rig.home.join("inside/needle-link"),
    )
    .unwrap();
    symlink(".", rig.home.join("inside/loop")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        rig.home.join("inside/needle-pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let found = rig
        .call(
            "files.search",
            json!({"query": "needle", "path": "~/inside"}),
        )
        .await
        .unwrap();
    assert_eq!(found["texts"], json!([]));
    assert_eq!(paths(&rig, &found, "names"), ["inside/needle-link"]);
    assert_eq!(found["names"][0]["kind"], "link");
}

#[tokio::test]
async fn what_was_refused_is_passed_over() {
    let mut rig = Rig::new();
    for folder in ["Documents/private/deep", "Documents/open", "Notes/private"] {
        std::fs::create_dir_all(rig.home.join(folder)).unwrap();
        std::fs::write(rig.home.join(folder).join("needle.txt"), "needle").unwrap();
    }
    rig.env.refused = vec![
        rig.home.join("Documents/private"),
        rig.home.join("Notes/private"),
    ];
    let found = rig
        .call(
            "files.search",
            json!({"query": "needle", "path": "~/Documents"}),
        )
        .await
        .unwrap();
    assert_eq!(paths(&rig, &found, "names"), ["Documents/open/needle.txt"]);
    assert_eq!(paths(&rig, &found, "texts"), ["Documents/open/needle.txt"]);
    assert_eq!(found["left_out"]["refused"], 1);
    let found = rig
        .call("notes.search", json!({"query": "needle"}))
        .await
        .unwrap();
    assert_eq!(found["texts"], json!([]));
    // Nor is it carried out of reach with the folder it is in.
    for (tool, arguments) in [
        ("files.trash", json!({"path": "~/Documents"})),
        (
            "files.move",
            json!({"from": "~/Documents", "to": "~/Elsewhere"}),
        ),
    ] {
        let error = rig.call(tool, arguments).await.unwrap_err();
        assert!(error.why.contains("Documents/private"), "{tool}: {error}");
    }
    assert!(rig.home.join("Documents/private/deep/needle.txt").exists());
}

#[tokio::test]
async fn much_is_cut_and_says_so() {
    let rig = Rig::new();
    for number in 0..300 {
        std::fs::write(
            rig.home.join(format!("needle-{number:03}")),
            "a needle in it",
        )
        .unwrap();
    }
    let found = rig
        .call("files.search", json!({"query": "needle"}))
        .await
        .unwrap();
    assert_eq!(
        (
            paths(&rig, &found, "names").len(),
            paths(&rig, &found, "texts").len()
        ),
        (50, 50)
    );
    assert_eq!(found["truncated"], true);
    assert!(found["truncated_why"].as_str().unwrap().contains("more"));
}

#[tokio::test]
async fn what_is_too_deep_too_large_or_closed_is_left_out_and_counted() {
    let rig = Rig::new();
    let deep = rig.home.join("d/".repeat(40));
    std::fs::create_dir_all(&deep).unwrap();
    std::fs::write(deep.join("needle"), "x").unwrap();
    std::fs::File::create(rig.home.join("large"))
        .unwrap()
        .set_len(9 << 20)
        .unwrap();
    let found = rig
        .call("files.search", json!({"query": "needle"}))
        .await
        .unwrap();
    assert_eq!(found["names"], json!([]));
    assert_eq!(found["left_out"]["large"], 1);
    assert!(
        found["truncated_why"].as_str().unwrap().contains("deep"),
        "{found}"
    );
    std::fs::create_dir(rig.home.join("closed")).unwrap();
    std::fs::set_permissions(rig.home.join("closed"), PermissionsExt::from_mode(0o0)).unwrap();
    let found = rig
        .call("files.search", json!({"query": "needle"}))
        .await
        .unwrap();
    // Nothing is closed to root.
    let root = rustix::process::geteuid().is_root();
    assert_eq!(found["left_out"]["unreadable"], u64::from(!root));
}

#[tokio::test]
async fn long_lines_and_odd_bytes_are_searched() {
    let rig = Rig::new();
    let mut text = "x".repeat(2 << 20).into_bytes();
    text.extend_from_slice(b" \xff\xfe needle \x1b[2J\n");
    std::fs::write(rig.home.join("long"), text).unwrap();
    let found = rig
        .call("files.search", json!({"query": "needle"}))
        .await
        .unwrap();
    let text = found["texts"][0]["text"].as_str().unwrap();
    assert!(
        text.contains("needle") && !text.contains('\u{1b}') && text.len() < 800,
        "{text:?}"
    );
}

#[tokio::test]
async fn a_search_that_is_given_up_ends() {
    let rig = Rig::new();
    for number in 0..2000 {
        std::fs::write(rig.home.join(format!("f{number}")), "text ".repeat(2000)).unwrap();
    }
    let call = rig
        .check("files.search", json!({"query": "not in any of them"}))
        .unwrap();
    // Only its own: other tests open files in this process at the same time.
    let home = rig.home.canonicalize().unwrap();
    let open = || {
        std::fs::read_dir("/proc/self/fd")
            .unwrap()
            .flatten()
            .filter_map(|fd| std::fs::read_link(fd.path()).ok())
            .filter(|path| path.starts_with(&home))
            .count()
    };
    let before = open();
    let mut given_up = false;
    // One that is through before it is seen at work is begun again.
    for _ in 0..1000 {
        let at_work = async {
            while open() <= before {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            _ = call.execute(&rig.env) => {}
            () = at_work => given_up = true,
        }
        if given_up {
            break;
        }
    }
    assert!(given_up);
    // Its files are closed again soon: the walk does not go on for nobody.
    let since = Instant::now();
    while open() > before {
        assert!(
            since.elapsed() < Duration::from_secs(60),
            "{} are open",
            open()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn notes_are_found() {
    let rig = Rig::new();
    let none = rig
        .call("notes.search", json!({"query": "milk"}))
        .await
        .unwrap();
    assert_eq!(
        (&none["texts"], &none["truncated"]),
        (&json!([]), &json!(false))
    );
    rig.call(
        "notes.add",
        json!({"text": "Buy milk and bread", "title": "Shopping"}),
    )
    .await
    .unwrap();
    rig.call("notes.add", json!({"text": "Call the plumber"}))
        .await
        .unwrap();
    let found = rig
        .call("notes.search", json!({"query": "milk"}))
        .await
        .unwrap();
    let paths = paths(&rig, &found, "texts");
    assert!(
        paths.len() == 1 && paths[0].ends_with("Shopping.md"),
        "{paths:?}"
    );
    assert_eq!(found["texts"][0]["text"], "Buy milk and bread");
}
