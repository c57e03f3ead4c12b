//! Connections to the buses, with errors that say what is not there.

use std::path::PathBuf;

use zbus::Connection;

use crate::failure::{Failure, Result, Status};

/// The person's run time folder: `$XDG_RUNTIME_DIR`, or where PID 1 makes it, so that a serial
/// console finds the desktop as well.
pub(crate) fn runtime_dir() -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty()) {
        return Ok(dir.into());
    }
    let uid = rustix::process::getuid().as_raw();
    let dir = PathBuf::from(format!("/run/user/{uid}"));
    if dir.is_dir() {
        return Ok(dir);
    }
    let hint = if uid == 0 {
        "root has no desktop: run it as the person at the screen, without sudo"
    } else {
        "log in to the desktop first"
    };
    Err(Failure::new(Status::NotUp, format!("uid {uid} has no session here")).hint(hint))
}

/// The bus of the desktop.
pub(crate) async fn session() -> Result<Connection> {
    let builder = if std::env::var_os("DBUS_SESSION_BUS_ADDRESS").is_some() {
        zbus::connection::Builder::session()
    } else {
        let path = runtime_dir()?.join("bus");
        zbus::connection::Builder::address(format!("unix:path={}", path.display()).as_str())
    };
    builder.build().await.map_err(|error| {
        Failure::new(
            Status::NotUp,
            format!("the desktop's message bus is not there: {error}"),
        )
        .hint("`argos status --user bus` shows why")
    })
}

/// The bus of the system.
pub(crate) async fn system() -> Result<Connection> {
    zbus::connection::Builder::system()
        .build()
        .await
        .map_err(|error| {
            Failure::new(
                Status::NotUp,
                format!("the system's message bus is not there: {error}"),
            )
            .hint("`argos status dbus` shows why")
        })
}

/// A lock as login1 lists it: what, who, why, mode, uid, pid.
type Lock = (String, String, String, String, u32, u32);

/// Who blocks shutting down, and why. Empty as well where nobody can be asked.
pub(crate) async fn shutdown_blockers() -> Vec<String> {
    let Ok(bus) = system().await else {
        return Vec::new();
    };
    let asked = bus
        .call_method(
            Some("org.freedesktop.login1"),
            "/org/freedesktop/login1",
            Some("org.freedesktop.login1.Manager"),
            "ListInhibitors",
            &(),
        )
        .await;
    let locks = asked.and_then(|reply| reply.body().deserialize::<Vec<Lock>>());
    let blocks = |(what, who, why, mode, _, pid): Lock| {
        let shutdown = mode == "block" && what.split(':').any(|kind| kind == "shutdown");
        shutdown.then(|| format!("{who} (pid {pid}): {why}"))
    };
    locks
        .unwrap_or_default()
        .into_iter()
        .filter_map(blocks)
        .collect()
}
