//! Connections to the buses, with errors that say what is not there.

use std::path::PathBuf;

use argos_bus::power::{self, Refusal, Shutdown};
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

/// A program of ours: the one beside this program, else the one in PATH.
pub(crate) fn beside(name: &str) -> std::path::PathBuf {
    std::env::current_exe()
        .ok()
        .map(|own| own.with_file_name(name))
        .filter(|path| path.is_file())
        .unwrap_or_else(|| name.into())
}

/// Asks login1 to shut down. `Ok(false)`: nobody is there to ask, which must not keep anybody from
/// switching off.
///
/// # Errors
/// A program blocks it, or the caller may not.
pub(crate) async fn ask_login(how: Shutdown) -> Result<bool> {
    let Ok(bus) = system().await else {
        return Ok(false);
    };
    let refusal = match power::shut_down(&bus, how).await {
        Ok(()) => return Ok(true),
        Err(Refusal::Absent(_)) => return Ok(false),
        Err(refusal) => refusal,
    };
    let (status, hint) = match refusal {
        Refusal::Blocked(_) => (Status::Denied, "end what blocks it, or use --force"),
        Refusal::Underway(_) => (Status::Denied, "it happens already"),
        Refusal::Denied(_) => (Status::Denied, "do it from the desktop or with sudo"),
        Refusal::Failed(_) | Refusal::Absent(_) => (Status::Failed, "--force asks PID 1 itself"),
    };
    Err(Failure::new(status, refusal.to_string()).hint(hint))
}
