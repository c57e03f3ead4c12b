//! Connections to the buses, with errors that say what is not there.

use std::path::PathBuf;

use zbus::{Connection, fdo};

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

/// Asks login1 to shut down, which lets programs block or delay that. `method` is `PowerOff` or
/// `Reboot`. `Ok(false)`: nobody is there to ask. Errors: a program blocks it, or the caller may not.
pub(crate) async fn ask_login(method: &str) -> Result<bool> {
    let Ok(bus) = system().await else {
        return Ok(false);
    };
    let asked = bus
        .call_method(
            Some("org.freedesktop.login1"),
            "/org/freedesktop/login1",
            Some("org.freedesktop.login1.Manager"),
            method,
            &false,
        )
        .await;
    match asked {
        Ok(_) => Ok(true),
        // Login is down or does not answer: that must not keep anybody from switching off.
        Err(error) => refusal(error).map_or(Ok(false), Err),
    }
}

/// What login1 says against it; `None` where it is not there to say anything.
fn refusal(error: zbus::Error) -> Option<Failure> {
    let denied = |text: String| Failure::new(Status::Denied, text);
    let from_elsewhere = "do it from the desktop or with sudo";
    match error {
        zbus::Error::MethodError(name, text, _) => {
            let failure = denied(text.unwrap_or_else(|| name.to_string()));
            Some(match name.as_str().rsplit('.').next() {
                Some("BlockedByInhibitorLock") => {
                    failure.hint("end what blocks it, or use --force")
                }
                Some("OperationInProgress") => failure.hint("it happens already"),
                _ => failure.hint(from_elsewhere),
            })
        }
        // The errors of D-Bus itself come like this, a refusal among them.
        zbus::Error::FDO(error) => match *error {
            fdo::Error::AccessDenied(why)
            | fdo::Error::AuthFailed(why)
            | fdo::Error::InteractiveAuthorizationRequired(why) => {
                Some(denied(why).hint(from_elsewhere))
            }
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_not_taken_for_a_service_that_is_down() {
        let of = |error: fdo::Error| refusal(zbus::Error::FDO(Box::new(error)));
        assert!(of(fdo::Error::AccessDenied("not you".to_owned())).is_some());
        let ask = fdo::Error::InteractiveAuthorizationRequired("who?".to_owned());
        assert!(of(ask).is_some());
        assert!(of(fdo::Error::ServiceUnknown("gone".to_owned())).is_none());
        assert!(of(fdo::Error::NoReply("slow".to_owned())).is_none());
    }
}
