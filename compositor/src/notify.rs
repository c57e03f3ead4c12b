//! Telling the supervisor that the compositor is ready (the sd_notify protocol).

use std::{
    env, io,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
};

/// Sends `READY=1` to `$NOTIFY_SOCKET`, if there is one.
pub fn ready() {
    let Some(name) = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
        return;
    };
    let send = || -> io::Result<()> {
        let address = match name.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            _ => SocketAddr::from_pathname(&name)?,
        };
        UnixDatagram::unbound()?.send_to_addr(b"READY=1\n", &address)?;
        Ok(())
    };
    if let Err(error) = send() {
        tracing::warn!(
            "the supervisor at {} was not told of readiness: {error}",
            name.display()
        );
    }
}
