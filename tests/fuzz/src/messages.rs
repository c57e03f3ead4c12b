//! What an agent writes into its socket, as the broker reads it: the handshake, the messages, what is in
//! them. The broker is the real one; what it would start or ask is not there.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use argos_broker::Unattended;
use argos_broker::core::Settings;
use argos_broker::manifest::{self, Agent};
use argos_broker::providers::Folders;
use argos_broker::sandbox::Programs;
use argos_broker::spawn::{Launch, SpawnError, Spawner};
use tokio::runtime::Runtime;
use zbus::Connection;
use zbus::connection::Builder;

/// Longest time for one input, on a busy machine. The broker waits for nothing that is not there.
const PATIENCE: Duration = Duration::from_secs(60);

/// What an agent sends before the first message.
const HANDSHAKE: &[u8] = b"\0AUTH ANONYMOUS 6172676f73\r\nBEGIN\r\n";

/// Methods with their signatures, and one that there is not.
const MEMBERS: [(&str, &str); 8] = [
    ("Describe", ""),
    ("CallTool", "ss"),
    ("Plan", "s"),
    ("Reply", "ts"),
    ("SetState", "ss"),
    ("NextMessage", ""),
    ("Nothing", "a{sv}"),
    ("CallTool", "v"),
];

/// The bytes of one connection. By the first of them, modulo 3: all that follows is sent; a handshake is
/// sent first; the rest becomes messages with a sound header, each out of a method (one byte), a length
/// (one byte, times four) and that much of a body.
pub fn messages(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else {
        return;
    };
    let bytes = match kind % 3 {
        0 => rest.to_vec(),
        1 => [HANDSHAKE, rest].concat(),
        _ => [HANDSHAKE, &framed(rest)].concat(),
    };
    static WORLD: OnceLock<World> = OnceLock::new();
    let world = WORLD.get_or_init(World::new);
    world.runtime.block_on(async {
        tokio::time::timeout(PATIENCE, world.converse(bytes))
            .await
            .expect("an agent that closed its socket is done with");
    });
    assert!(!world.panicked.load(Ordering::SeqCst), "a task panicked");
    let made: Vec<_> = std::fs::read_dir(world.folder.path().join("home"))
        .expect("the home")
        .collect();
    assert!(made.is_empty(), "nobody allowed that: {made:?}");
}

/// The broker and what it needs.
struct World {
    runtime: Runtime,
    broker: Unattended,
    agent: Agent,
    folder: tempfile::TempDir,
    panicked: Arc<AtomicBool>,
    _bus: Connection,
}

impl World {
    fn new() -> Self {
        let panicked = Arc::new(AtomicBool::new(false));
        let (flag, before) = (Arc::clone(&panicked), std::panic::take_hook());
        std::panic::set_hook(Box::new(move |info| {
            flag.store(true, Ordering::SeqCst);
            before(info);
        }));
        let folder = tempfile::tempdir().expect("a temporary folder");
        let home = folder.path().join("home");
        std::fs::create_dir(&home).expect("a home");
        let steward = folder.path().join("agents/steward");
        std::fs::create_dir_all(&steward).expect("the agent's folder");
        std::fs::write(
            steward.join("agent.yaml"),
            "name: steward\ntitle: Steward\ntools: ['files.*', 'memory.*', 'notes.*', 'system.*']\n",
        )
        .expect("its manifest");
        let agent = manifest::load(&steward).expect("an agent");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let (session_bus, bus) = runtime.block_on(empty_bus());
        let settings = Settings {
            home,
            state: folder.path().join("state"),
            shipped: folder.path().join("agents"),
            programs: Programs {
                folder: PathBuf::from("/nonexistent"),
            },
            providers: Folders {
                system: Vec::new(),
                own: folder.path().join("providers"),
            },
            worker_idle: Duration::from_secs(60),
            // Whoever is asked is not there.
            answer_time: Duration::from_millis(1),
            tool_time: Duration::from_secs(1),
            by_process_number: false,
        };
        let broker = {
            let _in = runtime.enter();
            Unattended::new(settings, Arc::new(Nobody), session_bus).expect("a broker")
        };
        Self {
            runtime,
            broker,
            agent,
            folder,
            panicked,
            _bus: bus,
        }
    }

    /// Sends all of it, reads whatever comes back, and waits until the broker is done with it.
    async fn converse(&self, bytes: Vec<u8>) {
        let (ours, theirs) = UnixStream::pair().expect("a socket pair");
        let talk = tokio::task::spawn_blocking(move || talk(ours, &bytes));
        self.broker
            .converse(self.agent.clone(), OwnedFd::from(theirs))
            .await;
        // How it ended for the agent is the agent's business.
        let _ = talk.await;
    }
}

fn talk(mut socket: UnixStream, bytes: &[u8]) -> io::Result<()> {
    let mut writer = socket.try_clone()?;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let written = writer.write_all(bytes);
            let _ = writer.shutdown(Shutdown::Write);
            written
        });
        let mut heard = Vec::new();
        socket.read_to_end(&mut heard).map(|_| ())
    })
}

/// A session bus on which there is nobody.
async fn empty_bus() -> (Connection, Connection) {
    let (one, other) = UnixStream::pair().expect("a socket pair");
    let guid = zbus::Guid::generate();
    let server = Builder::unix_stream(one).server(guid).p2p().build();
    let client = Builder::unix_stream(other).p2p().build();
    let (server, client) = tokio::join!(server, client);
    (client.expect("a client"), server.expect("a server"))
}

/// Starts nothing.
#[derive(Debug)]
struct Nobody;

impl Spawner for Nobody {
    fn start(&self, launch: &Launch, _: OwnedFd, _: OwnedFd) -> Result<(), SpawnError> {
        Err(SpawnError {
            name: launch.name.clone(),
            what: "nothing is started here".to_owned(),
        })
    }

    fn stop(&self, _: &str) -> Result<(), SpawnError> {
        Ok(())
    }
}

/// Messages with a sound header, out of bytes.
fn framed(mut data: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    let mut serial = 0;
    while let [member, length, rest @ ..] = data {
        let length = (usize::from(*length) * 4).min(rest.len());
        let (body, more) = rest.split_at(length);
        serial += 1;
        let (member, signature) = MEMBERS[usize::from(*member) % MEMBERS.len()];
        stream.extend(message(serial, member, signature, body));
        data = more;
    }
    stream
}

/// One method call, little-endian, as the D-Bus specification lays it out.
fn message(serial: u32, member: &str, signature: &str, body: &[u8]) -> Vec<u8> {
    let mut fields = Vec::new();
    let mut field = |code: u8, kind: &str, value: &str| {
        pad(&mut fields, 8);
        fields.extend([code, 1, kind.as_bytes()[0], 0]);
        if kind == "g" {
            fields.push(u8::try_from(value.len()).expect("a short signature"));
        } else {
            let length = u32::try_from(value.len()).expect("a short name");
            fields.extend(length.to_le_bytes());
        }
        fields.extend(value.as_bytes());
        fields.push(0);
    };
    field(1, "o", "/org/argos/Agent1");
    field(2, "s", "org.argos.Agent1");
    field(3, "s", member);
    if !signature.is_empty() {
        field(8, "g", signature);
    }
    let mut bytes = vec![b'l', 1, 0, 1];
    for number in [body.len(), serial as usize, fields.len()] {
        bytes.extend(
            u32::try_from(number)
                .expect("a short message")
                .to_le_bytes(),
        );
    }
    bytes.extend(fields);
    pad(&mut bytes, 8);
    bytes.extend(body);
    bytes
}

fn pad(bytes: &mut Vec<u8>, to: usize) {
    bytes.resize(bytes.len().next_multiple_of(to), 0);
}
