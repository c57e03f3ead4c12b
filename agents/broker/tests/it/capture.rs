//! Pictures of the screen: given to the broker alone, asked for each time, kept where the agent
//! sees them.

use std::io::{Seek, Write};

use argos_bus::Error;
use argos_bus::compositor::{Capture, Compositor1Proxy};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use crate::bed::Bed;

/// The double of the compositor, with the rule of the real one.
struct FakeCompositor;

#[zbus::interface(name = "org.argos.Compositor1")]
impl FakeCompositor {
    async fn capture(
        &self,
        _window: u64,
        #[zbus(connection)] connection: &zbus::Connection,
        #[zbus(header)] header: zbus::message::Header<'_>,
    ) -> argos_bus::Result<Capture> {
        if !argos_bus::caller::owns("org.argos.Broker1", connection, &header).await? {
            return Err(Error::Denied("you are not the broker".to_owned()));
        }
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let mut file = std::fs::File::from(memfd_create("picture", flags).unwrap());
        file.write_all(b"all that is on the screen").unwrap();
        file.rewind().unwrap();
        let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW;
        fcntl_add_seals(&file, seals).unwrap();
        Ok(Capture {
            png: std::os::fd::OwnedFd::from(file).into(),
            bytes: 25,
            width: 4,
            height: 3,
        })
    }
}

pub(crate) async fn a_picture_is_asked_for_each_time_and_lands_in_the_workspace() {
    let bed = Bed::new(20.0).await;
    let at = "/org/argos/Compositor1";
    bed.bus
        .object_server()
        .at(at, FakeCompositor)
        .await
        .unwrap();
    bed.bus.request_name("org.argos.Compositor1").await.unwrap();
    let stranger = Compositor1Proxy::new(&bed.bus).await.unwrap();
    assert!(matches!(stranger.capture(0).await, Err(Error::Denied(_))));

    bed.start_steward().await;
    let pictures = || -> Vec<String> {
        let workspace = bed.state().join("agents/steward/workspace");
        let files = std::fs::read_dir(workspace).unwrap().flatten();
        files
            .filter(|file| file.file_name().to_string_lossy().ends_with(".png"))
            .map(|file| std::fs::read_to_string(file.path()).unwrap())
            .collect()
    };
    for (id, answer, kept) in [(1, "once", 1), (2, "deny", 1), (3, "once", 2)] {
        let (reply, request) = bed.ask_and_answer(id, "screen.capture {}", answer).await;
        assert_eq!(
            (request.resource.as_str(), request.grantable),
            ("screen", false),
            "no answer is kept"
        );
        assert_eq!(
            reply.contains("I took a picture"),
            answer == "once",
            "{reply}"
        );
        assert_eq!(pictures(), vec!["all that is on the screen"; kept]);
    }
    // An act that is confirmed has a row before it, too.
    let rows = bed.audit();
    let outcomes: Vec<_> = rows.iter().map(|row| row["outcome"].as_str()).collect();
    let expected = ["begun", "ok", "denied", "begun", "ok"].map(Some);
    assert_eq!(outcomes, expected);
}
