//! Tools that change files, through the real worker: whole or not at all, nothing lost, and no way
//! out of what was granted.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use argos_tools::{Code, ToolError};
use serde_json::{Value, json};

use crate::rig::Rig;

async fn write(rig: &Rig, path: &str, text: &str) -> Result<Value, ToolError> {
    rig.call("files.write", json!({"path": path, "text": text}))
        .await
}

fn read(rig: &Rig, path: &str) -> String {
    std::fs::read_to_string(rig.home.join(path)).unwrap()
}

/// Names in a folder, sorted.
fn names(rig: &Rig, path: &str) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(rig.home.join(path))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_file_is_written_with_its_folders_and_the_old_version_kept() {
    let rig = Rig::new();
    let told = write(&rig, "~/letters/2026/anna.txt", "Dear Anna")
        .await
        .unwrap();
    assert_eq!(
        (&told["created"], &told["size_bytes"]),
        (&json!(true), &json!(9))
    );
    assert_eq!(read(&rig, "letters/2026/anna.txt"), "Dear Anna");
    let file = rig.home.join("letters/2026/anna.txt");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o4750)).unwrap();
    let told = write(&rig, "~/letters/2026/anna.txt", "Dear Anne")
        .await
        .unwrap();
    assert_eq!(told["created"], false);
    assert_eq!(read(&rig, "letters/2026/anna.txt"), "Dear Anne");
    // Who may run it stays as it was; set-user-id does not.
    assert_eq!(file.metadata().unwrap().mode() & 0o7777, 0o750);
    let previous = PathBuf::from(told["previous"].as_str().unwrap());
    assert_eq!(std::fs::read_to_string(&previous).unwrap(), "Dear Anna");
    let info = read(&rig, ".local/share/Trash/info/anna.txt.trashinfo");
    assert!(
        info.contains(&format!("Path={}\n", file.display())) && info.contains("\nDeletionDate=20"),
        "{info}"
    );
    assert_eq!(
        names(&rig, "letters/2026"),
        ["anna.txt"],
        "no draft is left"
    );
}

#[tokio::test]
async fn appending_adds_in_place() {
    let rig = Rig::new();
    let append = async |text: &str| {
        rig.call(
            "files.write",
            json!({"path": "~/list.md", "text": text, "append": true}),
        )
        .await
    };
    let told = append("- milk\n").await.unwrap();
    assert_eq!(
        (&told["created"], &told["reversible"]),
        (&json!(true), &json!(true))
    );
    let inode = rig.home.join("list.md").metadata().unwrap().ino();
    let told = append("- bread\n").await.unwrap();
    assert_eq!(
        (&told["created"], &told["reversible"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(told["size_bytes"], 15);
    assert_eq!(read(&rig, "list.md"), "- milk\n- bread\n");
    assert_eq!(rig.home.join("list.md").metadata().unwrap().ino(), inode);
    // A sparse file of more than the most.
    std::fs::File::create(rig.home.join("list.md"))
        .unwrap()
        .set_len(65 << 20)
        .unwrap();
    assert_eq!(append("x").await.unwrap_err().code, Code::LimitReached);
}

#[tokio::test]
async fn what_is_no_file_of_the_persons_is_not_written() {
    let rig = Rig::new();
    std::fs::create_dir(rig.home.join("folder")).unwrap();
    std::fs::write(rig.home.join("protected"), "as it was").unwrap();
    std::fs::set_permissions(rig.home.join("protected"), PermissionsExt::from_mode(0o444)).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        rig.home.join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    for append in [false, true] {
        for (path, code) in [
            ("~/folder", Code::InvalidArguments),
            ("~/protected", Code::Denied),
            ("~/pipe", Code::InvalidArguments),
            ("~/protected/x", Code::NotFound),
        ] {
            let arguments = json!({"path": path, "text": "x", "append": append});
            let error = rig.call("files.write", arguments).await.unwrap_err();
            assert_eq!(error.code, code, "{path}: {error}");
        }
    }
    assert_eq!(read(&rig, "protected"), "as it was");
    assert_eq!(names(&rig, ""), ["folder", "pipe", "protected"]);
}

#[tokio::test]
async fn where_there_can_be_no_trash_nothing_is_replaced() {
    let rig = Rig::new();
    std::fs::write(rig.home.join("a.txt"), "old").unwrap();
    std::fs::create_dir_all(rig.home.join(".local/share")).unwrap();
    std::fs::write(rig.home.join(".local/share/Trash"), "a file in its place").unwrap();
    let error = write(&rig, "~/a.txt", "new").await.unwrap_err();
    assert!(error.hint.contains("Nothing was written"), "{error}");
    assert_eq!(read(&rig, "a.txt"), "old");
    assert_eq!(names(&rig, ""), [".local", "a.txt"], "no draft is left");
}

#[tokio::test]
async fn a_write_that_is_given_up_leaves_the_old_file_and_no_draft() {
    let mut rig = Rig::new();
    std::fs::write(rig.home.join("a.txt"), "old").unwrap();
    rig.process().kill().unwrap();
    let error = write(&rig, "~/a.txt", "new").await.unwrap_err();
    assert_eq!(error.code, Code::Unavailable);
    assert_eq!(read(&rig, "a.txt"), "old");
    assert_eq!(names(&rig, ""), ["a.txt"]);
}

#[tokio::test]
async fn a_grant_for_a_folder_reaches_no_further_and_one_for_a_file_only_this() {
    let mut rig = Rig::new();
    std::fs::create_dir(rig.home.join("granted")).unwrap();
    std::fs::create_dir(rig.home.join("other")).unwrap();
    rig.env.granted = Some(rig.home.join("granted"));
    write(&rig, "~/granted/deep/er/a.txt", "x").await.unwrap();
    let error = write(&rig, "~/other/a.txt", "x").await.unwrap_err();
    assert_eq!(error.code, Code::Denied);
    rig.env.granted = Some(rig.home.join("other/a.txt"));
    write(&rig, "~/other/a.txt", "x").await.unwrap();
    assert_eq!(
        write(&rig, "~/other/b.txt", "x").await.unwrap_err().code,
        Code::Denied
    );
}

#[tokio::test]
async fn a_link_that_appears_after_the_question_leads_nowhere() {
    let rig = Rig::new();
    std::fs::create_dir_all(rig.home.join("shared/sub")).unwrap();
    std::fs::create_dir(rig.home.join("private")).unwrap();
    std::fs::write(rig.home.join("private/a.txt"), "secret").unwrap();
    std::fs::write(rig.home.join("shared/sub/a.txt"), "shared").unwrap();
    for (tool, arguments) in [
        (
            "files.write",
            json!({"path": "~/shared/sub/a.txt", "text": "x"}),
        ),
        (
            "files.write",
            json!({"path": "~/shared/sub/a.txt", "text": "x", "append": true}),
        ),
        ("files.trash", json!({"path": "~/shared/sub/a.txt"})),
        (
            "files.move",
            json!({"from": "~/shared/sub/a.txt", "to": "~/b.txt"}),
        ),
        ("files.move", json!({"from": "~/shared", "to": "~/private"})),
    ] {
        let call = rig.check(tool, arguments).unwrap();
        // The agent has a friend who may write there.
        std::fs::rename(rig.home.join("shared/sub"), rig.home.join("shared/away")).unwrap();
        symlink(rig.home.join("private"), rig.home.join("shared/sub")).unwrap();
        if tool == "files.move" && call.resource.ends_with("shared") {
            // What is moved is the folder with the link in it; the link is not followed.
            call.execute(&rig.env).await.unwrap();
            assert!(rig.home.join("private/shared/sub").is_symlink());
            break;
        }
        let error = call.execute(&rig.env).await.unwrap_err();
        assert!(error.hint.contains("symbolic link"), "{tool}: {error}");
        assert_eq!(read(&rig, "private/a.txt"), "secret");
        std::fs::remove_file(rig.home.join("shared/sub")).unwrap();
        std::fs::rename(rig.home.join("shared/away"), rig.home.join("shared/sub")).unwrap();
    }
    assert_eq!(read(&rig, "private/a.txt"), "secret");
}

#[tokio::test]
async fn a_link_at_the_very_end_is_not_written_through() {
    let rig = Rig::new();
    std::fs::write(rig.home.join("secret"), "secret").unwrap();
    for append in [false, true] {
        let arguments = json!({"path": "~/new.txt", "text": "x", "append": append});
        let call = rig.check("files.write", arguments).unwrap();
        symlink(rig.home.join("secret"), rig.home.join("new.txt")).unwrap();
        assert!(call.execute(&rig.env).await.is_err());
        assert_eq!(read(&rig, "secret"), "secret");
        assert!(rig.home.join("new.txt").is_symlink());
        std::fs::remove_file(rig.home.join("new.txt")).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writing_while_folders_are_swapped_never_leads_out() {
    let rig = Rig::new();
    for folder in ["granted/sub", "outside"] {
        std::fs::create_dir_all(rig.home.join(folder)).unwrap();
    }
    symlink(rig.home.join("outside"), rig.home.join("granted/link")).unwrap();
    let call = rig
        .check(
            "files.write",
            json!({"path": "~/granted/sub/a.txt", "text": "x"}),
        )
        .unwrap();
    let stop = AtomicBool::new(false);
    let (sub, link) = (rig.home.join("granted/sub"), rig.home.join("granted/link"));
    let mut written = 0;
    tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let _ = rustix::fs::renameat_with(
                        rustix::fs::CWD,
                        &sub,
                        rustix::fs::CWD,
                        &link,
                        rustix::fs::RenameFlags::EXCHANGE,
                    );
                }
            });
            let begin = std::time::Instant::now();
            let mut tries = 0;
            // On a busy machine the folder may stand the right way at no moment of few tries.
            while tries < 200 || (written == 0 && begin.elapsed().as_secs() < 30) {
                tries += 1;
                let done = tokio::runtime::Handle::current().block_on(call.execute(&rig.env));
                written += usize::from(done.is_ok());
            }
            stop.store(true, Ordering::Relaxed);
        });
    });
    assert!(
        names(&rig, "outside").is_empty(),
        "{:?}",
        names(&rig, "outside")
    );
    assert!(
        written > 0,
        "the race must also be won honestly now and then"
    );
}

#[tokio::test]
async fn moving_replaces_nothing_and_can_be_undone() {
    let rig = Rig::new();
    std::fs::create_dir(rig.home.join("Archive")).unwrap();
    std::fs::write(rig.home.join("report.txt"), "report").unwrap();
    let told = rig
        .call(
            "files.move",
            json!({"from": "~/report.txt", "to": "~/archive"}),
        )
        .await
        .unwrap();
    assert_eq!(
        told["to"],
        rig.home.join("Archive/report.txt").to_str().unwrap()
    );
    assert_eq!(read(&rig, "Archive/report.txt"), "report");
    std::fs::write(rig.home.join("report.txt"), "another").unwrap();
    let error = rig
        .call(
            "files.move",
            json!({"from": "~/report.txt", "to": "~/Archive"}),
        )
        .await
        .unwrap_err();
    assert!(error.why.contains("already"), "{error}");
    assert_eq!(
        (read(&rig, "report.txt"), read(&rig, "Archive/report.txt")),
        ("another".into(), "report".into())
    );
    std::fs::remove_file(rig.home.join("report.txt")).unwrap();
    rig.call("files.move", told["undo"]["arguments"].clone())
        .await
        .unwrap();
    assert_eq!(read(&rig, "report.txt"), "report");
    // Into folders that are not there yet, and the name's case alone.
    rig.call(
        "files.move",
        json!({"from": "~/report.txt", "to": "~/new/deep/Report.txt"}),
    )
    .await
    .unwrap();
    rig.call(
        "files.move",
        json!({"from": "~/new/deep/Report.txt", "to": "~/new/deep/REPORT.txt"}),
    )
    .await
    .unwrap();
    assert_eq!(names(&rig, "new/deep"), ["REPORT.txt"]);
    for (from, to) in [
        ("~/new", "~/new/deep/er"),
        ("~/new", "~/new"),
        ("~/not-there", "~/x"),
    ] {
        let error = rig
            .call("files.move", json!({"from": from, "to": to}))
            .await
            .unwrap_err();
        assert!(
            matches!(error.code, Code::InvalidArguments | Code::NotFound),
            "{error}"
        );
    }
    assert!(!rig.home.join("x").exists());
}

#[tokio::test]
async fn what_is_put_into_the_trash_can_be_taken_back() {
    let rig = Rig::new();
    std::fs::create_dir_all(rig.home.join("project/src")).unwrap();
    std::fs::write(rig.home.join("project/src/main.rs"), "fn main() {}").unwrap();
    let trash = async || rig.call("files.trash", json!({"path": "~/project"})).await;
    let told = trash().await.unwrap();
    assert_eq!(
        (&told["kind"], &told["reversible"]),
        (&json!("folder"), &json!(true))
    );
    assert!(!rig.home.join("project").exists());
    assert_eq!(trash().await.unwrap_err().code, Code::NotFound);
    // Another one of this name does not replace it.
    std::fs::write(rig.home.join("project"), "a file").unwrap();
    trash().await.unwrap();
    assert_eq!(
        names(&rig, ".local/share/Trash/files"),
        ["project", "project 2"]
    );
    let infos = [
        ".local/share/Trash/info/project.trashinfo",
        ".local/share/Trash/info/project 2.trashinfo",
    ];
    for info in infos {
        assert!(
            read(&rig, info).contains(&format!("Path={}\n", rig.home.join("project").display()))
        );
        assert_eq!(
            rig.home.join(info).metadata().unwrap().mode() & 0o777,
            0o600
        );
    }
    rig.call("files.move", told["undo"]["arguments"].clone())
        .await
        .unwrap();
    assert_eq!(read(&rig, "project/src/main.rs"), "fn main() {}");
    assert_eq!(
        names(&rig, ".local/share/Trash/info"),
        ["project 2.trashinfo"]
    );
    // A link goes into the trash itself, and the trash not into itself.
    let error = rig
        .call("files.trash", json!({"path": "~/.local/share/Trash/files"}))
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::InvalidArguments);
}
