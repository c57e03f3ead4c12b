//! Who calls a service of the machine, and whether that is root or the person at the seat.
//!
//! Identity comes from the connection: the bus's own word on the sender's uid. Who sits at the seat
//! is login1's word. Where it cannot be asked, nobody but root may.

use zbus::fdo::DBusProxy;
use zbus::message::Header;
use zbus::{Connection, OwnedObjectPath};

use crate::{Error, Result};

/// The part of `org.freedesktop.login1.Manager` that is asked here; argos-login serves it.
#[zbus::proxy(
    interface = "org.freedesktop.login1.Manager",
    default_service = "org.freedesktop.login1",
    default_path = "/org/freedesktop/login1"
)]
trait Login {
    /// Name, uid, account, seat and object of each session.
    #[allow(clippy::type_complexity)]
    fn list_sessions(&self) -> zbus::Result<Vec<(String, u32, String, String, OwnedObjectPath)>>;
}

/// The caller's uid, as the bus knows it.
///
/// # Errors
/// `Denied` where the bus does not know.
pub async fn uid(connection: &Connection, header: &Header<'_>) -> Result<u32> {
    let sender = header
        .sender()
        .ok_or_else(|| Error::Denied("the caller has no name on the bus".to_owned()))?;
    let bus = DBusProxy::new(connection).await?;
    let asked = bus.get_connection_unix_user(sender.clone().into()).await;
    asked.map_err(|error| Error::Denied(format!("the bus does not know who calls: {error}")))
}

/// Passes root and the person at the seat. `what` is what was tried: `setting the volume`.
///
/// # Errors
/// `Denied`, saying who else may.
pub async fn root_or_seat(what: &str, connection: &Connection, header: &Header<'_>) -> Result<()> {
    let uid = uid(connection, header).await?;
    if uid == 0 {
        return Ok(());
    }
    let login = LoginProxy::new(connection).await?;
    let sessions = login.list_sessions().await.map_err(|error| {
        Error::Denied(format!(
            "{what}: who sits at the seat is not known ({error}), so only root may; use sudo"
        ))
    })?;
    if sessions
        .iter()
        .any(|(_, theirs, _, seat, _)| *theirs == uid && seat == "seat0")
    {
        return Ok(());
    }
    Err(Error::Denied(format!(
        "{what}: uid {uid} is neither root nor the person at the seat; do it from the desktop or with sudo"
    )))
}

/// Whether the caller owns a bus name: a service is who it says by what the bus gave it, not by an
/// argument.
///
/// # Errors
/// The bus is gone.
pub async fn owns(name: &str, connection: &Connection, header: &Header<'_>) -> Result<bool> {
    let Some(sender) = header.sender() else {
        return Ok(false);
    };
    let name = zbus::names::BusName::try_from(name.to_owned())
        .map_err(|error| Error::Failed(error.to_string()))?;
    let bus = DBusProxy::new(connection).await?;
    match bus.get_name_owner(name).await {
        Ok(owner) => Ok(owner.as_str() == sender.as_str()),
        Err(zbus::fdo::Error::NameHasNoOwner(_)) => Ok(false),
        Err(error) => Err(Error::Denied(format!(
            "the bus does not say who calls: {error}"
        ))),
    }
}
