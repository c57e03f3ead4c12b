//! Typing on behalf of the person.

use std::io;

use crate::case::{Case, Control, GONE, Handed, How, PLAIN, REFUSED, case};
use crate::sys::{call, outside};

const NEEDS_RIGHT: &str = "dev.tty.legacy_tiocsti is off";

pub(crate) const CASES: &[Case] = &[
    case(
        "push a key into the terminal",
        Control::Unless(How::Plain, libc::EIO, NEEDS_RIGHT),
        REFUSED,
        || push(libc::TIOCSTI as i64),
    )
    .handed(Handed::Terminal),
    case(
        "the same with the high bits set",
        Control::Unless(How::Plain, libc::EIO, NEEDS_RIGHT),
        REFUSED,
        || push(libc::TIOCSTI as i64 | 0xdead_0000_0000),
    )
    .handed(Handed::Terminal),
    case(
        "paste on the console",
        Control::Unless(How::Root, libc::ENOENT, "there is no virtual console"),
        REFUSED,
        || {
            let console = if outside() {
                let console = std::fs::File::open("/dev/tty1").map_err(missing)?;
                std::os::fd::IntoRawFd::into_raw_fd(console)
            } else {
                0
            };
            // The state of the shift keys: what only asks goes through the same door.
            let ask = [6_u8; 2];
            call(
                libc::SYS_ioctl,
                [console.into(), libc::TIOCLINUX as i64, ask.as_ptr() as i64],
            )
            .map(|_| ())
        },
    )
    .handed(Handed::Terminal),
    case("change the line discipline", PLAIN, REFUSED, || {
        let discipline = 0;
        let at = &raw const discipline as i64;
        call(libc::SYS_ioctl, [0, libc::TIOCSETD as i64, at]).map(|_| ())
    })
    .handed(Handed::Terminal),
    case("change the terminal's mode", PLAIN, REFUSED, || {
        let mut mode = [0_u8; 64];
        let at = mode.as_mut_ptr() as i64;
        if outside() {
            call(libc::SYS_ioctl, [0, libc::TCGETS as i64, at])?;
        }
        call(libc::SYS_ioctl, [0, libc::TCSETS as i64, at]).map(|_| ())
    })
    .handed(Handed::Terminal),
    case("open the controlling terminal", PLAIN, GONE, || {
        std::fs::File::open("/dev/tty").map(|_| ())
    })
    .handed(Handed::Terminal),
    case("make a terminal", PLAIN, GONE, || {
        std::fs::File::open("/dev/ptmx").map(|_| ())
    }),
];

fn push(command: i64) -> io::Result<()> {
    let key = b'x';
    call(libc::SYS_ioctl, [0, command, &raw const key as i64]).map(|_| ())
}

/// A console that cannot be opened is as good as none.
fn missing(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(libc::ENXIO | libc::ENODEV | libc::EIO) => io::Error::from_raw_os_error(libc::ENOENT),
        _ => error,
    }
}
