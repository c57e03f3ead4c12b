//! Both halves of the protocol against each other, and the server half against nonsense.

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use argos_control::protocol::{MAX_FDS, MAX_REQUEST, VERSION};
use argos_control::server::{Closed, Connection, MAX_OUTBOX};
use argos_control::{
    Client, ErrorCode, Event, FrameError, Reply, Request, TransientUnit, UnitState, UnitStatus,
};

fn wait_readable(connection: &Connection) {
    use rustix::event::{PollFd, PollFlags, poll};
    poll(&mut [PollFd::new(connection, PollFlags::IN)], None).unwrap();
}

/// Receives until a whole request is there.
fn next(connection: &mut Connection) -> Result<(Request, Vec<OwnedFd>), Closed> {
    loop {
        if let Some(request) = connection.next()? {
            return Ok(request);
        }
        wait_readable(connection);
        connection.receive()?;
    }
}

/// A server that runs `serve` for one connection, and a client of it.
fn pair(serve: impl FnOnce(Connection) + Send + 'static) -> (Client, thread::JoinHandle<()>) {
    let path: PathBuf = std::env::temp_dir().join(format!(
        "argos-control-{}-{:?}",
        std::process::id(),
        thread::current().id()
    ));
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    let server =
        thread::spawn(move || serve(Connection::new(listener.accept().unwrap().0).unwrap()));
    let client = Client::connect(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    client.set_timeout(Some(Duration::from_secs(60))).unwrap();
    (client, server)
}

fn status(name: &str) -> UnitStatus {
    UnitStatus {
        name: name.into(),
        description: "x".repeat(200),
        kind: "service".into(),
        wanted: true,
        state: UnitState::Up,
        detail: String::new(),
        pid: 7,
        restarts: 0,
        since_ms: 1,
    }
}

#[test]
fn descriptors_that_are_of_no_use_are_closed_at_once() {
    let (mut client, server) = pair(|mut connection| {
        connection.refuse_descriptors();
        let (request, fds) = next(&mut connection).unwrap();
        assert!(matches!(request, Request::StartTransient(unit) if unit.fds == [3]));
        assert_eq!(fds.len(), 0);
        connection.send(&Reply::Done).unwrap();
    });
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let unit = TransientUnit {
        fds: vec![3],
        ..TransientUnit::default()
    };
    client.start_transient(unit, vec![theirs.into()]).unwrap();
    assert_eq!(ours.read(&mut [0]).unwrap(), 0, "somebody still has it");
    server.join().unwrap();
}

#[test]
fn descriptors_arrive_with_their_request_and_work() {
    let (mut client, server) = pair(|mut connection| {
        assert_eq!(connection.peer().uid, rustix::process::getuid().as_raw());
        let (request, fds) = next(&mut connection).unwrap();
        assert!(matches!(request, Request::StartTransient(unit) if unit.fds == [3, 9]));
        assert_eq!(fds.len(), 2);
        for (fd, text) in fds.into_iter().zip(["first", "second"]) {
            UnixStream::from(fd).write_all(text.as_bytes()).unwrap();
        }
        connection.send(&Reply::Done).unwrap();
        let (request, fds) = next(&mut connection).unwrap();
        assert_eq!((request, fds.len()), (Request::Status, 0));
        connection
            .send(&Reply::Units(
                (0..4000).map(|i| status(&i.to_string())).collect(),
            ))
            .unwrap();
        while connection.wants_write() {
            thread::sleep(Duration::from_millis(1));
            connection.flush().unwrap();
        }
    });
    let (mut first, theirs) = UnixStream::pair().unwrap();
    let (mut second, theirs_too) = UnixStream::pair().unwrap();
    let unit = TransientUnit {
        name: "t".into(),
        fds: vec![3, 9],
        ..TransientUnit::default()
    };
    client
        .start_transient(unit, vec![theirs.into(), theirs_too.into()])
        .unwrap();
    let mut text = String::new();
    first.read_to_string(&mut text).unwrap();
    second.read_to_string(&mut text).unwrap();
    assert_eq!(text, "firstsecond");
    // A reply far larger than the socket's buffer.
    assert_eq!(client.status().unwrap().len(), 4000);
    server.join().unwrap();
}

#[test]
fn a_refusal_reaches_the_caller_with_its_words() {
    let (mut client, server) = pair(|mut connection| {
        next(&mut connection).unwrap();
        let message = "there is no unit `x`".to_owned();
        connection
            .send(&Reply::Error {
                code: ErrorCode::NotFound,
                message,
            })
            .unwrap();
        next(&mut connection).unwrap();
        connection.send(&Reply::Lines(vec![])).unwrap();
    });
    let error = client.start("x").unwrap_err();
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        (Some(ErrorCode::NotFound), "there is no unit `x`")
    );
    assert!(matches!(
        client.stop("x"),
        Err(argos_control::Error::Unexpected)
    ));
    server.join().unwrap();
}

#[test]
fn events_follow_a_subscription_until_the_end() {
    let (client, server) = pair(|mut connection| {
        next(&mut connection).unwrap();
        connection.send(&Reply::Done).unwrap();
        connection
            .send(&Reply::Event(Event::Unit(status("a"))))
            .unwrap();
        connection
            .send(&Reply::Event(Event::Removed("a".into())))
            .unwrap();
    });
    let mut events = client.subscribe().unwrap();
    assert_eq!(events.next().unwrap().unwrap(), Event::Unit(status("a")));
    assert_eq!(events.next().unwrap().unwrap(), Event::Removed("a".into()));
    server.join().unwrap();
    assert!(events.next().unwrap().is_err());
    assert!(events.next().is_none());
}

/// What the server half says to these bytes; `None` if it just waits for more.
fn verdict(bytes: &[u8]) -> Option<Closed> {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let mut connection = Connection::new(theirs).unwrap();
    ours.write_all(bytes).unwrap();
    loop {
        match connection.receive() {
            Ok(true) => {}
            Ok(false) => return None,
            Err(closed) => return Some(closed),
        }
        loop {
            match connection.next() {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(closed) => return Some(closed),
            }
        }
    }
}

fn frame(payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap();
    [&[VERSION][..], &length.to_le_bytes(), payload].concat()
}

#[test]
fn malformed_input_is_refused_by_name() {
    assert!(matches!(
        verdict(b"GET / HTTP/1.1\r\n"),
        Some(Closed::Frame(FrameError::Version(b'G')))
    ));
    let huge = [&[VERSION][..], &u32::MAX.to_le_bytes()].concat();
    assert!(matches!(
        verdict(&huge),
        Some(Closed::Frame(FrameError::TooLarge { .. }))
    ));
    assert!(matches!(
        verdict(&frame(&[250])),
        Some(Closed::Frame(FrameError::Damaged(_)))
    ));
    // `Status` with something after it.
    assert!(matches!(
        verdict(&frame(&[0, 0])),
        Some(Closed::Frame(FrameError::Damaged(_)))
    ));
    assert!(verdict(&frame(&[0])).is_none());
    assert!(verdict(&frame(&[0])[..3]).is_none());
    // A string that claims to be longer than everything.
    assert!(matches!(
        verdict(&frame(&[1, 0xff, 0xff, 0xff, 0xff, 0x0f])),
        Some(Closed::Frame(_))
    ));
}

#[test]
fn random_bytes_never_do_harm() {
    let mut state = 42u64;
    let mut random = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        u8::try_from(state >> 56).unwrap()
    };
    for round in 0..5_000 {
        let payload: Vec<u8> = (0..random() % 48)
            .map(|_| random() % if round % 3 == 0 { 14 } else { 255 })
            .collect();
        let bytes = if round % 2 == 0 {
            frame(&payload)
        } else {
            payload
        };
        let _ = verdict(&bytes);
    }
}

#[test]
fn a_flood_is_cut_off() {
    // Requests that are sent while none is taken.
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let mut connection = Connection::new(theirs).unwrap();
    let mut sent = 0;
    let closed = loop {
        if let Ok(count) = ours.write(&frame(&[0]).repeat(500)) {
            sent += count;
        }
        if let Err(closed) = connection.receive() {
            break closed;
        }
        assert!(sent < 4 * MAX_REQUEST, "the inbox grows without bound");
    };
    assert!(matches!(closed, Closed::Flood));

    // Replies that nobody reads.
    let (_ours, theirs) = UnixStream::pair().unwrap();
    let mut connection = Connection::new(theirs).unwrap();
    let reply = Reply::Lines(vec!["x".repeat(1 << 20)]);
    let full = (0..).find_map(|count| connection.send(&reply).err().map(|closed| (count, closed)));
    let (count, closed) = full.unwrap();
    assert!(matches!(closed, Closed::Slow) && count <= MAX_OUTBOX >> 19);
}

#[test]
fn too_many_descriptors_are_refused() {
    let (mut client, server) = pair(|mut connection| {
        let _ = next(&mut connection);
    });
    let fds: Vec<OwnedFd> = (0..=MAX_FDS)
        .map(|_| std::io::stderr().as_fd().try_clone_to_owned().unwrap())
        .collect();
    let numbers = (10..).take(fds.len()).collect();
    let unit = TransientUnit {
        name: "t".into(),
        fds: numbers,
        ..TransientUnit::default()
    };
    assert_eq!(
        client.start_transient(unit, fds).unwrap_err().code(),
        Some(ErrorCode::Invalid)
    );
    drop(client);
    server.join().unwrap();
}
