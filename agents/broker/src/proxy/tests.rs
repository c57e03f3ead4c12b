//! The proxy: what it reads, and its limits, driven through its socket against a host on loopback.

use tokio::net::TcpListener;

use super::*;
use crate::alone::Alone;

/// Longer than anything here takes, and shorter than the limits that are not at stake.
const PATIENCE: Duration = Duration::from_secs(20);

/// A proxy with these limits, and the one host that it leads to.
struct World {
    proxy: Proxy,
    host: TcpListener,
    broker: Arc<Broker>,
    folder: tempfile::TempDir,
    _bus: zbus::Connection,
}

impl World {
    async fn new(limits: Limits) -> Self {
        Self::of(Alone::new().await, limits, true).await
    }

    /// The host is not granted, and the person takes their time.
    async fn asking() -> Self {
        let alone = Alone::answering_in(Duration::from_secs(600)).await;
        Self::of(alone, Limits::default(), false).await
    }

    async fn of(alone: Alone, limits: Limits, granted: bool) -> Self {
        let Alone {
            broker,
            folder,
            bus,
        } = alone;
        let host = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hosts = vec![HostPattern::parse(&host.local_addr().unwrap().to_string()).unwrap()];
        let subject = Subject {
            agent: "mcp.test".to_owned(),
            hash: "h".to_owned(),
        };
        if granted {
            admit(&broker, &subject, &needs(&hosts));
        }
        let client = Client {
            subject,
            title: "Test".to_owned(),
            hosts,
            limits,
        };
        let proxy = listen(&broker, client, folder.path().join("proxy")).unwrap();
        Self {
            proxy,
            host,
            broker,
            folder,
            _bus: bus,
        }
    }

    /// Asks for the host; nothing is waited for.
    async fn ask(&self) -> UnixStream {
        let mut stream = UnixStream::connect(self.proxy.path()).await.unwrap();
        let request = format!(
            "CONNECT {} HTTP/1.1\r\n\r\n",
            self.host.local_addr().unwrap()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    /// Both ends of a connection.
    async fn connection(&self) -> (UnixStream, TcpStream) {
        let mut inside = self.ask().await;
        let (answer, outside) = tokio::join!(status(&mut inside), self.host.accept());
        assert_eq!(answer, "200");
        (inside, outside.unwrap().0)
    }
}

/// The status that an answer begins with; its head is read to the end.
async fn status(stream: &mut UnixStream) -> String {
    let head = tokio::time::timeout(PATIENCE, read_head(stream)).await;
    let head = String::from_utf8(head.expect("an answer").unwrap()).unwrap();
    head.split(' ').nth(1).unwrap().to_owned()
}

/// Reads to the end, however that comes; how many bytes there were.
async fn to_the_end(stream: &mut (impl AsyncRead + Unpin)) -> usize {
    let mut read = Vec::new();
    // Reset is an end as well.
    let end = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut read)).await;
    assert!(end.is_ok(), "it does not end");
    read.len()
}

#[tokio::test]
async fn more_bytes_than_are_allowed_end_both_sides() {
    let world = World::new(Limits {
        bytes: 100 << 10,
        ..Limits::default()
    })
    .await;
    let (mut inside, mut outside) = world.connection().await;
    let mut part = vec![7; 60 << 10];
    inside.write_all(&part).await.unwrap();
    outside.read_exact(&mut part).await.unwrap();
    // Both ways count together. Neither side ends of itself: the host only sends, what is inside waits.
    let sending = tokio::spawn(async move {
        while outside.write_all(&[7; 1024]).await.is_ok() {}
        outside
    });
    let read = to_the_end(&mut inside).await;
    assert!(read <= 40 << 10, "{read}");
    let mut outside = tokio::time::timeout(PATIENCE, sending)
        .await
        .unwrap()
        .unwrap();
    to_the_end(&mut outside).await;
}

#[tokio::test]
async fn a_connection_ends_at_the_end_of_its_life_however_busy() {
    let life = Duration::from_millis(600);
    let world = World::new(Limits {
        life,
        ..Limits::default()
    })
    .await;
    let began = Instant::now();
    let (mut inside, mut outside) = world.connection().await;
    let busy = tokio::spawn(async move {
        while outside.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    to_the_end(&mut inside).await;
    let took = began.elapsed();
    assert!(took >= life, "{took:?}");
    tokio::time::timeout(PATIENCE, busy).await.unwrap().unwrap();
}

#[tokio::test]
async fn silence_of_both_ends_it_and_silence_of_one_does_not() {
    // Long beside what a busy machine may make of the pauses below.
    let silence = Duration::from_secs(4);
    let world = World::new(Limits {
        silence,
        ..Limits::default()
    })
    .await;
    let (mut inside, mut outside) = world.connection().await;
    // A download: one side has nothing to say for longer than that, and is not taken to have ended.
    for _ in 0..7 {
        outside.write_all(b"x").await.unwrap();
        inside.read_u8().await.unwrap();
        tokio::time::sleep(silence / 6).await;
    }
    let mut part = [0; 16];
    assert!(
        outside
            .try_read(&mut part)
            .is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock)
    );
    let began = Instant::now();
    inside.write_all(b"y").await.unwrap();
    assert_eq!(outside.read_u8().await.unwrap(), b'y');
    to_the_end(&mut inside).await;
    to_the_end(&mut outside).await;
    assert!(began.elapsed() >= silence, "{:?}", began.elapsed());
    // One that takes nothing is silent too.
    let (_inside, mut outside) = world.connection().await;
    let sending = async { while outside.write_all(&[7; 64 << 10]).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, sending)
        .await
        .expect("it is cut off");
}

#[tokio::test]
async fn one_side_may_end_before_the_other() {
    let world = World::new(Limits::default()).await;
    let (mut inside, mut outside) = world.connection().await;
    inside.write_all(b"all").await.unwrap();
    inside.shutdown().await.unwrap();
    assert_eq!(to_the_end(&mut outside).await, 3);
    outside.write_all(b"answer").await.unwrap();
    drop(outside);
    assert_eq!(to_the_end(&mut inside).await, 6);
}

#[tokio::test]
async fn so_many_at_once_and_the_next_waits_for_one_to_end() {
    let world = World::new(Limits {
        open: 2,
        ..Limits::default()
    })
    .await;
    let first = world.connection().await;
    let _second = world.connection().await;
    let mut third = world.ask().await;
    let early = tokio::time::timeout(Duration::from_millis(300), third.read_u8()).await;
    assert!(early.is_err(), "it was answered: {early:?}");
    drop(first);
    let (answer, _outside) = tokio::join!(status(&mut third), world.host.accept());
    assert_eq!(answer, "200");
}

#[tokio::test]
async fn connections_are_taken_at_a_pace() {
    let world = World::new(Limits {
        burst: 2.0,
        per_second: 4.0,
        ..Limits::default()
    })
    .await;
    let began = Instant::now();
    for _ in 0..4 {
        drop(world.connection().await);
    }
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(400), "{took:?}");
}

#[tokio::test]
async fn a_head_that_does_not_come_is_answered_and_recorded() {
    let world = World::new(Limits {
        head: Duration::from_millis(200),
        ..Limits::default()
    })
    .await;
    let mut stream = UnixStream::connect(world.proxy.path()).await.unwrap();
    stream.write_all(b"CONNECT ").await.unwrap();
    assert_eq!(status(&mut stream).await, "400");
    let mut rows = world.broker.audit.tail(1).unwrap();
    let row: serde_json::Value = serde_json::from_str(&rows.pop().unwrap()).unwrap();
    assert_eq!(
        (&row["outcome"], &row["tool"]),
        (&json!("invalid"), &json!(TOOL))
    );
    assert!(row["error"].as_str().unwrap().contains("in time"), "{row}");
}

#[tokio::test]
async fn what_is_open_ends_with_the_proxy() {
    let world = World::new(Limits::default()).await;
    let (mut inside, mut outside) = world.connection().await;
    let path = world.folder.path().join("proxy");
    assert!(path.exists());
    drop(world.proxy);
    assert_eq!(to_the_end(&mut inside).await, 0);
    assert_eq!(to_the_end(&mut outside).await, 0);
    assert!(!path.exists());
}

#[test]
fn only_connect_is_spoken() {
    let read = |text: &str| authority(text.as_bytes()).map_or_else(|no| no.status, |_| "ok");
    assert_eq!(
        read("CONNECT a.example:443 HTTP/1.1\r\nHost: b.example\r\n\r\n"),
        "ok"
    );
    assert_eq!(read("GET http://a.example/ HTTP/1.1\r\n\r\n")[..3], *"405");
    for bad in [
        "CONNECT a.example:443\r\n\r\n",
        "CONNECT  a.example:443 HTTP/1.1\r\n\r\n",
        "CONNECT a.example:443 x HTTP/1.1\r\n\r\n",
        "connect a.example:443 HTTP/2\r\n\r\n",
        "\r\n\r\n",
    ] {
        assert_eq!(read(bad)[..3], *"400", "{bad:?}");
    }
    assert_eq!(
        authority(b"CONNECT \xff HTTP/1.1\r\n\r\n")
            .unwrap_err()
            .status[..3],
        *"400"
    );
}

#[test]
fn hosts_are_granted_one_by_one() {
    let hosts: Vec<HostPattern> = ["Example.org", "*.example.org", "127.0.0.1:8080"]
        .iter()
        .map(|text| HostPattern::parse(text).unwrap())
        .collect();
    let resources: Vec<String> = needs(&hosts).into_iter().map(|n| n.resource).collect();
    assert_eq!(resources, ["example.org", "127.0.0.1:8080"]);
}

#[tokio::test]
async fn one_that_leaves_while_the_person_is_asked_takes_its_question_back() {
    let world = World::asking().await;
    let pending = || lock(&world.broker.permissions).prompts.pending().len();
    let until = async |number| {
        let waiting = async {
            while pending() != number {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .unwrap_or_else(|_| panic!("{} questions, not {number}", pending()));
    };
    // Two ask the same: the question stays for as long as one of them does.
    let mut first = world.ask().await;
    until(1).await;
    let second = world.ask().await;
    drop(second);
    // One that has no more to say is there, and what it has said already is nobody's business here.
    first.write_all(b"hello").await.unwrap();
    first.shutdown().await.unwrap();
    let early = tokio::time::timeout(3 * TICK, first.read_u8()).await;
    assert!(early.is_err(), "it was answered: {early:?}");
    assert_eq!(pending(), 1);
    drop(first);
    until(0).await;
    let rows = async {
        loop {
            let rows: Vec<String> = world.broker.audit.tail(2).unwrap();
            if rows.len() == 2 {
                return rows;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    for row in tokio::time::timeout(PATIENCE, rows).await.unwrap() {
        let row: serde_json::Value = serde_json::from_str(&row).unwrap();
        assert_eq!(row["outcome"], "cancelled", "{row}");
    }
    // The proxy ends: so does what waits for it.
    let _third = world.ask().await;
    until(1).await;
    let World { proxy, broker, .. } = world;
    drop(proxy);
    let gone = async {
        while !lock(&broker.permissions).prompts.pending().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
}

/// As `argos perm deny` gives one, and as an answer to a wider question would let it go ahead.
#[tokio::test]
async fn a_refusal_that_comes_while_the_person_is_asked_holds() {
    use crate::grants::Word;
    use crate::permission::{Scope, Verdict};
    let world = World::new(Limits::default()).await;
    let broker = &world.broker;
    let subject = Subject {
        agent: "steward".to_owned(),
        hash: "h".to_owned(),
    };
    let need = |resource: &str| Need {
        action: "read".to_owned(),
        resource: resource.to_owned(),
    };
    let question = |resource: &str, grantable| Question {
        subject: subject.clone(),
        title: "Steward".to_owned(),
        tool: "files.list".to_owned(),
        arguments: resource.to_owned(),
        need: need(resource),
        summary: String::new(),
        grantable,
    };
    let refuse = |resource: &str| {
        let word = Word {
            subject: &subject,
            need: &need(resource),
            verdict: Verdict::Deny,
            scope: Scope::Session,
            expires_ms: None,
        };
        lock(&broker.permissions).grants.add(word, 0).unwrap();
    };
    let settle = async |resource: &str, meanwhile: &dyn Fn(u64)| {
        let need = need(resource);
        asking::settle(
            broker,
            |grants, now| grants.decide(&subject, &need, Fallback::Ask, now),
            |grantable| question(resource, grantable),
            meanwhile,
        )
        .await
        .unwrap()
    };
    let answer = |id, word| asking::answer(broker, id, word).unwrap();
    assert!(settle("/one", &|id| answer(id, "once")).await.allows());
    let refused = settle("/two", &|id| {
        refuse("/two");
        answer(id, "once");
    })
    .await;
    assert!(!refused.allows());
    let refused = settle("/three/secret", &|_| {
        refuse("/three/secret");
        let wider = lock(&broker.permissions)
            .prompts
            .ask(question("/three", true), 0, 0);
        answer(wider.unwrap().id, "always");
    })
    .await;
    assert!(!refused.allows());
    assert!(refused.to_string().starts_with("grant "), "{refused}");
}
