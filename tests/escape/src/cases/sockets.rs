//! Services of the desktop and the system, by the names of their sockets. On a host the fixture
//! listens in their place; under the live broker the attempts meet the real ones (`agent`).

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};

use crate::case::{Blocked, Case, GONE, PLAIN, REFUSED, Wall, case};
use crate::sys::{folder, socket};

const NOBODY: Blocked = Blocked::Errno(&[libc::ECONNREFUSED]);

pub(crate) const CASES: &[Case] = &[
    case("the session bus", PLAIN, GONE, || connect("bus")),
    case("the system bus", PLAIN, GONE, || {
        connect("system_bus_socket")
    }),
    case("the display", PLAIN, GONE, || connect("wayland-0")),
    case("the supervisor", PLAIN, GONE, || connect("argos/control")),
    case("the models", PLAIN, GONE, || connect("argos/ai")),
    case("a log socket", PLAIN, GONE, || {
        UnixDatagram::unbound()?.connect(folder("home/run/log"))
    }),
    case("an abstract socket", PLAIN, NOBODY, abstract_socket),
    case(
        "an abstract socket (Landlock alone)",
        PLAIN,
        REFUSED,
        abstract_socket,
    )
    .under(Wall::Landlock),
    case("an abstract datagram", PLAIN, NOBODY, || {
        let address = SocketAddr::from_abstract_name(name() + "-datagram")?;
        UnixDatagram::unbound()?
            .send_to_addr(b"x", &address)
            .map(|_| ())
    }),
    case("a socket from a worker", PLAIN, REFUSED, || {
        socket(libc::AF_UNIX, libc::SOCK_STREAM, 0)
    })
    .under(Wall::Worker),
    case("a listener outside", PLAIN, GONE, || {
        UnixListener::bind(folder("home/run/fake")).map(|_| ())
    }),
];

fn name() -> String {
    std::env::var("ABSTRACT").unwrap_or_default()
}

fn connect(name: &str) -> io::Result<()> {
    UnixStream::connect(folder("home/run").join(name)).map(|_| ())
}

fn abstract_socket() -> io::Result<()> {
    UnixStream::connect_addr(&SocketAddr::from_abstract_name(name())?).map(|_| ())
}
