//! Reaching another machine, or this one by its addresses.

use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use crate::case::{Case, Control, DENIED, How, PLAIN, PRIVILEGED, REFUSED, Wall, case};
use crate::sys::{number, socket};

pub(crate) const CASES: &[Case] = &[
    case("connect by TCP", PLAIN, REFUSED, connect),
    case("connect by TCP without the proxy", PLAIN, REFUSED, || {
        // SAFETY: the process has one thread.
        unsafe {
            for name in [
                "http_proxy",
                "https_proxy",
                "HTTP_PROXY",
                "HTTPS_PROXY",
                "ALL_PROXY",
            ] {
                std::env::remove_var(name);
            }
        }
        connect()
    }),
    case("connect by TCP (Landlock alone)", PLAIN, DENIED, connect).under(Wall::Landlock),
    case("listen by TCP (Landlock alone)", PLAIN, DENIED, || {
        TcpListener::bind("127.0.0.1:0").map(|_| ())
    })
    .under(Wall::Landlock),
    case("ask a name server", PLAIN, REFUSED, || {
        // What is to be carried off is in the name.
        let mut query = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0".to_vec();
        for label in ["the-secret", "evil", "example"] {
            query.push(label.len() as u8);
            query.extend_from_slice(label.as_bytes());
        }
        query.extend_from_slice(b"\0\0\x01\0\x01");
        ask(&query)
    }),
    case("send a datagram", PLAIN, REFUSED, || ask(b"the secret")),
    case("ask by IPv6", PLAIN, REFUSED, || {
        socket(libc::AF_INET6, libc::SOCK_DGRAM, 0)
    }),
    case("ping", PRIVILEGED, REFUSED, || {
        socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP)
    }),
    case("a packet socket", PRIVILEGED, REFUSED, || {
        socket(libc::AF_PACKET, libc::SOCK_RAW, 0)
    }),
    case("a netlink socket", PLAIN, REFUSED, || {
        socket(libc::AF_NETLINK, libc::SOCK_RAW, 0)
    }),
    case(
        "a socket to the hypervisor",
        Control::Unless(How::Plain, libc::EAFNOSUPPORT, "this kernel has no vsock"),
        REFUSED,
        || socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0),
    ),
    case(
        "a socket to the kernel's ciphers",
        Control::Unless(How::Plain, libc::EAFNOSUPPORT, "this kernel has no AF_ALG"),
        REFUSED,
        || socket(libc::AF_ALG, libc::SOCK_SEQPACKET, 0),
    ),
];

fn connect() -> io::Result<()> {
    TcpStream::connect(("127.0.0.1", u16::try_from(number("PORT")).unwrap_or(1))).map(|_| ())
}

/// Sends to the fixture's server and waits for its answer.
fn ask(what: &[u8]) -> io::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(Duration::from_secs(30)))?;
    let port = u16::try_from(number("UDP_PORT")).unwrap_or(1);
    socket.send_to(what, ("127.0.0.1", port))?;
    let mut answer = [0; 512];
    socket.recv(&mut answer).map(|_| ())
}
