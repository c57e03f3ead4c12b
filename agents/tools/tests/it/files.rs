//! Tools on files, through the real worker.

use std::path::PathBuf;

use argos_tools::Code;
use serde_json::json;

use crate::rig::Rig;

#[tokio::test]
async fn a_folder_is_listed() {
    let rig = Rig::new();
    std::fs::create_dir_all(rig.home.join("Documents/Zoo")).unwrap();
    std::fs::write(rig.home.join("Documents/b.txt"), "12345").unwrap();
    std::fs::write(rig.home.join("Documents/A.txt"), "").unwrap();
    std::os::unix::fs::symlink("/etc/shadow", rig.home.join("Documents/link")).unwrap();
    let result = rig
        .call("files.list", json!({"path": "documents"}))
        .await
        .unwrap();
    assert_eq!(result["path"], rig.home.join("Documents").to_str().unwrap());
    let told: Vec<(&str, &str)> = result["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            (
                entry["name"].as_str().unwrap(),
                entry["kind"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("Zoo", "folder"),
            ("A.txt", "file"),
            ("b.txt", "file"),
            ("link", "link")
        ]
    );
    assert_eq!(result["entries"][2]["size_bytes"], 5);
    assert!(
        result["entries"][2]["modified"]
            .as_str()
            .unwrap()
            .ends_with('Z')
    );
    assert_eq!(
        (&result["truncated"], &result["total"]),
        (&json!(false), &json!(4))
    );
}

#[tokio::test]
async fn a_large_folder_is_cut_and_says_so() {
    let rig = Rig::new();
    for number in 0..1700 {
        std::fs::write(rig.home.join(format!("f{number:04}")), "").unwrap();
    }
    let result = rig.call("files.list", json!({"path": "~"})).await.unwrap();
    let entries = result["entries"].as_array().unwrap();
    assert_eq!(
        (entries.len(), &result["total"], &result["truncated"]),
        (500, &json!(1700), &json!(true))
    );
    assert_eq!(
        (&entries[0]["name"], &entries[499]["name"]),
        (&json!("f0000"), &json!("f0499"))
    );
}

#[tokio::test]
async fn text_is_read_and_cut_between_characters() {
    let rig = Rig::new();
    std::fs::write(rig.home.join("a.txt"), "grüße\n").unwrap();
    let result = rig
        .call("files.read", json!({"path": "~/a.txt"}))
        .await
        .unwrap();
    assert_eq!(
        (&result["text"], &result["truncated"], &result["size_bytes"]),
        (&json!("grüße\n"), &json!(false), &json!(8))
    );
    let result = rig
        .call("files.read", json!({"path": "~/a.txt", "max_bytes": 3}))
        .await
        .unwrap();
    assert_eq!(
        (&result["text"], &result["truncated"]),
        (&json!("gr"), &json!(true))
    );
    std::fs::write(rig.home.join("big"), "x".repeat(3 << 20)).unwrap();
    let result = rig
        .call("files.read", json!({"path": "~/big"}))
        .await
        .unwrap();
    assert_eq!(result["text"].as_str().unwrap().len(), 64 << 10);
    let result = rig
        .call("files.read", json!({"path": "~/big", "max_bytes": 1 << 20}))
        .await
        .unwrap();
    assert_eq!(result["text"].as_str().unwrap().len(), 1 << 20);
}

#[tokio::test]
async fn what_is_not_text_is_refused_with_a_hint() {
    let rig = Rig::new();
    std::fs::write(rig.home.join("picture.png"), b"\x89PNG\r\n\x1a\n\0\0").unwrap();
    std::fs::write(rig.home.join("zeros"), [0; 64]).unwrap();
    std::fs::write(rig.home.join("broken"), b"abc\xff\xfe").unwrap();
    for (name, words) in [
        ("picture.png", "PNG"),
        ("zeros", "binary"),
        ("broken", "binary"),
    ] {
        let error = rig
            .call("files.read", json!({"path": format!("~/{name}")}))
            .await
            .unwrap_err();
        assert_eq!(error.code, Code::InvalidArguments);
        assert!(
            error.why.contains(words) && !error.hint.is_empty(),
            "{error}"
        );
    }
}

#[tokio::test]
async fn kinds_and_absences_are_told_apart() {
    let rig = Rig::new();
    std::fs::write(rig.home.join("file"), "").unwrap();
    let path = |name: &str| json!({"path": format!("~/{name}")});
    assert_eq!(
        rig.call("files.read", path("nothing"))
            .await
            .unwrap_err()
            .code,
        Code::NotFound
    );
    assert_eq!(
        rig.call("files.list", path("file/x"))
            .await
            .unwrap_err()
            .code,
        Code::NotFound
    );
    assert!(
        rig.call("files.list", path("file"))
            .await
            .unwrap_err()
            .hint
            .contains("files.read")
    );
    assert!(
        rig.call("files.read", path(""))
            .await
            .unwrap_err()
            .hint
            .contains("files.list")
    );
}

#[tokio::test]
async fn a_link_that_appears_after_the_question_leads_nowhere() {
    let rig = Rig::new();
    let (asked, elsewhere) = (rig.home.join("asked"), rig.home.join("elsewhere"));
    for folder in [&asked, &elsewhere] {
        std::fs::create_dir(folder).unwrap();
        std::fs::write(folder.join("file"), folder.to_str().unwrap()).unwrap();
    }
    let call = rig
        .check("files.read", json!({"path": "~/asked/file"}))
        .unwrap();
    std::fs::remove_dir_all(&asked).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &asked).unwrap();
    let error = call.execute(&rig.env).await.unwrap_err();
    assert!(error.hint.contains("link"), "{error}");
    // Asked again, the person is shown where it leads now.
    let call = rig
        .check("files.read", json!({"path": "~/asked/file"}))
        .unwrap();
    assert_eq!(call.resource, elsewhere.join("file").to_str().unwrap());
}

#[tokio::test]
async fn a_grant_for_a_folder_holds_beneath_it_and_nowhere_else() {
    let mut rig = Rig::new();
    std::fs::create_dir_all(rig.home.join("granted/sub")).unwrap();
    std::fs::write(rig.home.join("granted/sub/file"), "fine").unwrap();
    std::fs::write(rig.home.join("granted-not"), "secret").unwrap();
    rig.env.granted = Some(rig.home.join("granted"));
    assert_eq!(
        rig.call("files.read", json!({"path": "~/granted/sub/file"}))
            .await
            .unwrap()["text"],
        "fine"
    );
    let error = rig
        .call("files.read", json!({"path": "~/granted-not"}))
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::Denied);
}

#[tokio::test]
async fn notes_are_added_and_never_replaced() {
    let rig = Rig::new();
    let arguments = json!({"text": "milk\nbread", "title": "Shopping: ../list"});
    let mut paths = Vec::new();
    for _ in 0..2 {
        let result = rig.call("notes.add", arguments.clone()).await.unwrap();
        paths.push(PathBuf::from(result["path"].as_str().unwrap()));
    }
    assert_ne!(paths[0], paths[1]);
    for path in &paths {
        assert_eq!(path.parent(), Some(rig.home.join("Notes").as_path()));
        assert_eq!(
            std::fs::read_to_string(path).unwrap(),
            "# Shopping: ../list\n\nmilk\nbread\n"
        );
    }
    assert_eq!(
        std::fs::read_dir(rig.home.join("Notes")).unwrap().count(),
        2,
        "no draft is left"
    );
    let result = rig
        .call("notes.add", json!({"text": "call mum"}))
        .await
        .unwrap();
    let path = result["path"].as_str().unwrap();
    assert!(path.ends_with(" call mum.md"), "{path}");
    assert_eq!(std::fs::read_to_string(path).unwrap(), "call mum\n");
}
