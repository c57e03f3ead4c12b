//! Services that the bus asks for.
//!
//! `dbus-daemon --systemd-activation` does not start services itself. For a service file with a
//! `SystemdService=` line it sends `org.freedesktop.systemd1.Activator.ActivationRequest` with that
//! line's value to the owner of `org.freedesktop.systemd1`, and holds the messages back until the
//! service's name has an owner or `ActivationFailure` comes. Owning that name is all that is done
//! here; systemd's own interfaces are not offered.

use std::future::Future;

use anyhow::{Result, anyhow};
use argos_control::ErrorCode;
use futures_util::StreamExt;
use tracing::{info, warn};
use zbus::{Connection, MatchRule, MessageStream, message};

use crate::supervisor::Supervisor;

/// The name that dbus-daemon asks.
pub(crate) const NAME: &str = "org.freedesktop.systemd1";
const INTERFACE: &str = "org.freedesktop.systemd1.Activator";

/// Starts the unit of each request.
///
/// Returns once listening has begun; the future it yields ends only with an error.
pub(crate) async fn serve(
    connection: &Connection,
    supervisor: &Supervisor,
) -> Result<impl Future<Output = Result<()>> + use<>> {
    // The bus itself sets the sender, so that nobody else can ask.
    let rule = MatchRule::builder()
        .msg_type(message::Type::Signal)
        .sender("org.freedesktop.DBus")
        .interface(INTERFACE)
        .member("ActivationRequest")
        .build()?;
    let mut requests = MessageStream::for_match_rule(rule, connection, None).await?;
    let (connection, supervisor) = (connection.clone(), supervisor.clone());
    Ok(async move {
        while let Some(request) = requests.next().await {
            let service: String = request?.body().deserialize()?;
            // Each in a task of its own: one service may need another to become ready.
            tokio::spawn(activate(connection.clone(), supervisor.clone(), service));
        }
        Err(anyhow!("the bus went away"))
    })
}

async fn activate(connection: Connection, supervisor: Supervisor, service: String) {
    let unit = unit_of(&service).to_owned();
    info!("the bus asks for {unit}");
    let name = unit.clone();
    let Err(error) = supervisor.ask(move |client| client.start(&name)).await else {
        return;
    };
    warn!("{unit} was asked for by the bus and cannot be started: {error}");
    let reason = match error.code() {
        Some(ErrorCode::NotFound) => "org.freedesktop.DBus.Error.ServiceUnknown",
        Some(ErrorCode::Denied) => "org.freedesktop.DBus.Error.AccessDenied",
        _ => "org.freedesktop.DBus.Error.Spawn.Failed",
    };
    let sent = connection
        .emit_signal(
            Some("org.freedesktop.DBus"),
            "/org/freedesktop/systemd1",
            INTERFACE,
            "ActivationFailure",
            &(service, reason, error.to_string()),
        )
        .await;
    if let Err(error) = sent {
        warn!("the bus cannot be told that {unit} did not start: {error}");
    }
}

/// The unit that a `SystemdService=` line means: `seatd.service` and `seatd` are one.
fn unit_of(service: &str) -> &str {
    service.strip_suffix(".service").unwrap_or(service)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_ending_of_a_service_is_no_part_of_a_unit_name() {
        assert_eq!(super::unit_of("login.service"), "login");
        assert_eq!(super::unit_of("login"), "login");
        assert_eq!(super::unit_of("org.argos.AI1"), "org.argos.AI1");
    }
}
