//! The service on a bus of its own, with an AI service that comes late.

use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use argos_bus::Error;
use argos_bus::ai::Model;
use argos_bus::memory::Memory1Proxy;

/// A child process that ends with its owner.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn bus(folder: &Path) -> (Process, String) {
    let config = folder.join("bus.conf");
    std::fs::write(
        &config,
        format!(
            "<busconfig><type>session</type><listen>unix:path={}</listen><policy context=\"default\">\
             <allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>",
            folder.join("bus").display()
        ),
    )
    .unwrap();
    let mut child = Command::new("dbus-daemon")
        .arg(format!("--config-file={}", config.display()))
        .args(["--nofork", "--print-address=1"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("dbus-daemon (package dbus) is needed for this test");
    let mut address = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut address)
        .unwrap();
    (Process(child), address.trim().to_owned())
}

async fn start(address: &str, state: &Path) -> (Process, Memory1Proxy<'static>) {
    let service = Process(
        Command::new(env!("CARGO_BIN_EXE_argos-memory"))
            .args(["--bus", address, "--ai-bus", address, "--state"])
            .arg(state)
            .spawn()
            .unwrap(),
    );
    let connection = zbus::connection::Builder::address(address)
        .build()
        .await
        .unwrap();
    let names = zbus::fdo::DBusProxy::new(&connection).await.unwrap();
    let start = Instant::now();
    while !names
        .name_has_owner("org.argos.Memory1".try_into().unwrap())
        .await
        .unwrap()
    {
        assert!(
            start.elapsed() < Duration::from_secs(90),
            "the service does not come up"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (service, Memory1Proxy::new(&connection).await.unwrap())
}

/// An AI service whose vectors know two subjects: teeth and paper.
struct FakeAi;

#[zbus::interface(name = "org.argos.AI1")]
impl FakeAi {
    async fn list_models(&self) -> Vec<Model> {
        vec![Model {
            id: "default".into(),
            kind: "planner".into(),
            path: String::new(),
            size_bytes: 1,
            state: "ready".into(),
            detail: String::new(),
            provider: "cpu".into(),
        }]
    }

    async fn embed(&self, texts: Vec<String>) -> argos_bus::Result<Vec<Vec<f64>>> {
        if texts.iter().any(|t| t.len() > 100) {
            return Err(Error::InvalidArguments("too long for this model".into()));
        }
        let about = |text: &str, words: &[&str]| {
            0.05 + words.iter().filter(|w| text.contains(**w)).count() as f64
        };
        let vector = |t: &String| {
            vec![
                about(t, &["dentist", "tooth", "teeth"]),
                about(t, &["printer", "paper"]),
                0.1,
            ]
        };
        Ok(texts.iter().map(vector).collect())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn remembers_without_the_ai_service_and_by_meaning_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let (_bus, address) = bus(folder.path());
    let state = folder.path().join("state/memory");
    let (mut service, memory) = start(&address, &state).await;

    let dentist = memory
        .remember("said", "steward", "the dentist is on friday", &["chat"])
        .await
        .unwrap();
    let long = format!(
        "{} The printer needs paper.",
        "Nothing of interest. ".repeat(30)
    );
    let printer = memory.remember("fact", "shared", &long, &[]).await.unwrap();
    assert!(dentist < printer);
    assert_eq!(memory.count().await.unwrap(), 2);
    // By words, as there is nothing else.
    let found = memory.recall("When is my dentist?", "", 5).await.unwrap();
    assert_eq!(found.iter().map(|m| m.id).collect::<Vec<_>>(), [dentist]);
    assert!(memory.recall("tooth", "", 5).await.unwrap().is_empty());

    for (kind, owner, text) in [("sung", "a", "b"), ("said", "", "b"), ("said", "a", " ")] {
        let refused = memory.remember(kind, owner, text, &[]).await;
        assert!(
            matches!(refused, Err(Error::InvalidArguments(_))),
            "{refused:?}"
        );
    }

    // The AI service comes; what waited gets its vectors, long texts in pieces.
    let ai = zbus::connection::Builder::address(address.as_str())
        .serve_at("/org/argos/AI1", FakeAi)
        .name("org.argos.AI1")
        .build()
        .await
        .unwrap();
    let begin = Instant::now();
    loop {
        let teeth = memory.recall("my tooth hurts", "", 5).await.unwrap();
        let paper = memory.recall("paper jam", "shared", 5).await.unwrap();
        if teeth
            .first()
            .is_some_and(|m| m.id == dentist && m.score > 0.9)
            && paper
                .first()
                .is_some_and(|m| m.id == printer && m.score > 0.9)
        {
            assert!(paper.iter().all(|m| m.owner == "shared"));
            break;
        }
        assert!(
            begin.elapsed() < Duration::from_secs(90),
            "{teeth:?} {paper:?}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    // It goes again: words have to do.
    ai.close().await.unwrap();
    assert_eq!(
        memory.recall("dentist", "", 5).await.unwrap()[0].id,
        dentist
    );

    // kill -9, and all of it is there.
    service.0.kill().unwrap();
    service.0.wait().unwrap();
    let (_service, memory) = start(&address, &state).await;
    let recent = memory.recent("", 10).await.unwrap();
    assert_eq!(
        recent.iter().map(|m| m.id).collect::<Vec<_>>(),
        [printer, dentist]
    );
    memory.forget(dentist).await.unwrap();
    assert!(matches!(
        memory.forget(dentist).await,
        Err(Error::NotFound(_))
    ));
    assert_eq!(memory.count().await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn export_and_import_by_fd_and_a_damaged_store() {
    let folder = tempfile::tempdir().unwrap();
    let (_bus, address) = bus(folder.path());
    let state = folder.path().join("memory");
    let (service, memory) = start(&address, &state).await;
    for i in 0..300 {
        memory
            .remember("done", "steward", &format!("act {i}"), &[])
            .await
            .unwrap();
    }
    let mut file = tempfile::tempfile().unwrap();
    let fd = |file: &std::fs::File| std::os::fd::OwnedFd::from(file.try_clone().unwrap()).into();
    assert_eq!(memory.export(fd(&file)).await.unwrap(), 300);
    file.rewind().unwrap();
    assert_eq!(memory.import(fd(&file)).await.unwrap(), 0);
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text.lines().count(), 300);

    // The file is cut short behind its back: the service comes up all the same.
    drop(service);
    let data = std::fs::OpenOptions::new()
        .write(true)
        .open(state.join("data.mdb"))
        .unwrap();
    data.set_len(data.metadata().unwrap().len() / 2 / 4096 * 4096)
        .unwrap();
    let (_service, memory) = start(&address, &state).await;
    let aside = std::fs::read_dir(folder.path())
        .unwrap()
        .flatten()
        .any(|e| {
            e.file_name()
                .to_string_lossy()
                .starts_with("memory.corrupt-")
        });
    assert!(aside);
    // And the export brings back what was lost.
    file.rewind().unwrap();
    memory.import(fd(&file)).await.unwrap();
    assert_eq!(memory.count().await.unwrap(), 300);

    file.rewind().unwrap();
    file.set_len(0).unwrap();
    writeln!(file, "{}", text.lines().next().unwrap()).unwrap();
    writeln!(file, "nonsense").unwrap();
    file.rewind().unwrap();
    match memory.import(fd(&file)).await {
        Err(Error::InvalidArguments(text)) => assert!(text.starts_with("line 2: "), "{text}"),
        other => panic!("{other:?}"),
    }
}

/// Memory of its own that a process has now, in bytes.
fn own_memory(service: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", service.0.id())).unwrap();
    let line = status.lines().find(|l| l.starts_with("RssAnon:")).unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        << 10
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_import_takes_little_memory_also_through_a_pipe() {
    const LINES: u64 = 5000;
    let folder = tempfile::tempdir().unwrap();
    let (_bus, address) = bus(folder.path());
    let (service, memory) = start(&address, &folder.path().join("memory")).await;
    let (reader, mut writer) = std::io::pipe().unwrap();
    std::thread::spawn(move || {
        let filler = "x".repeat(16_000);
        for id in 1..=LINES {
            let line = format!(
                r#"{{"id":{id},"when_ms":{id},"kind":"said","owner":"a","text":"{id} {filler}","tags":[]}}"#
            );
            writeln!(writer, "{line}").unwrap();
        }
    });
    let before = own_memory(&service);
    let import = memory.import(std::os::fd::OwnedFd::from(reader).into());
    let mut most = before;
    let watch = async {
        loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            most = most.max(own_memory(&service));
        }
    };
    let imported = tokio::select! {
        imported = import => imported.unwrap(),
        () = watch => unreachable!("it watches for ever"),
    };
    assert_eq!(imported, LINES);
    assert_eq!(memory.count().await.unwrap(), LINES);
    // 80 MB came in.
    let taken = most - before;
    assert!(taken < 32 << 20, "{} MiB", taken >> 20);
}
