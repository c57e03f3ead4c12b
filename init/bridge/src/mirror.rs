//! `org.argos.Init1`: the supervisor's units for everybody on the bus.
//!
//! Reading is open. Changing is decided here from the caller's uid as the bus knows it, since the
//! supervisor sees only the bridge: on the system bus root and the person at the seat may, on a
//! session bus the person it belongs to.

use std::future::Future;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::anyhow;
use argos_bus::init::Unit;
use argos_bus::{Error, Result};
use argos_control::{Client, ErrorCode, Event, UnitState, UnitStatus};
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::mpsc;
use tracing::warn;
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, interface};

use crate::supervisor::Supervisor;

/// Bus name.
pub(crate) const NAME: &str = "org.argos.Init1";
/// Object path.
pub(crate) const PATH: &str = "/org/argos/Init1";

/// Who lets programs block and delay a shutdown.
const LOGIN: &str = "org.freedesktop.login1";
/// Its errors that are an answer, not a failure.
const REFUSALS: [&str; 2] = [
    "org.freedesktop.login1.BlockedByInhibitorLock",
    "org.freedesktop.login1.OperationInProgress",
];
/// Longer than programs may delay a shutdown.
const LOGIN_PATIENCE: Duration = Duration::from_secs(10);

/// Who may change units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Root, and the person whose session is at the seat.
    RootOrSeat,
    /// Root, and the person as whom the bridge runs.
    Person,
}

/// The object on the bus.
#[derive(Debug)]
pub(crate) struct Init {
    supervisor: Supervisor,
    access: Access,
}

impl Init {
    pub(crate) fn new(supervisor: Supervisor, access: Access) -> Self {
        Self { supervisor, access }
    }

    async fn ask<T: Send + 'static>(
        &self,
        request: impl FnOnce(&mut Client) -> argos_control::client::Result<T> + Send + 'static,
    ) -> Result<T> {
        self.supervisor.ask(request).await.map_err(on_the_bus)
    }

    async fn may_change(
        &self,
        what: &str,
        connection: &Connection,
        header: &Header<'_>,
    ) -> Result<()> {
        let caller = argos_bus::caller::uid(connection, header).await?;
        if caller == 0 {
            return Ok(());
        }
        let allowed = match self.access {
            Access::Person => caller == rustix::process::getuid().as_raw(),
            Access::RootOrSeat => seat_person(&self.ask(Client::status).await?) == Some(caller),
        };
        if allowed {
            Ok(())
        } else {
            Err(Error::Denied(format!(
                "{what}: uid {caller} is neither root nor the person at the seat; \
                 do it from the desktop or with sudo"
            )))
        }
    }

    /// Shuts down by way of login1, so that programs can block or delay it. Where that is not there
    /// or does not answer, by PID 1 alone: a machine can always be switched off.
    async fn shut_down(
        &self,
        method: &str,
        directly: fn(&mut Client) -> argos_control::client::Result<()>,
        connection: &Connection,
    ) -> Result<()> {
        if self.access == Access::RootOrSeat {
            let asked = connection.call_method(
                Some(LOGIN),
                "/org/freedesktop/login1",
                Some("org.freedesktop.login1.Manager"),
                method,
                &false,
            );
            match tokio::time::timeout(LOGIN_PATIENCE, asked).await {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(zbus::Error::MethodError(name, text, _)))
                    if REFUSALS.contains(&name.as_str()) =>
                {
                    return Err(Error::Denied(text.unwrap_or_else(|| name.to_string())));
                }
                Ok(Err(error)) => warn!("login1 cannot be asked to shut down: {error}"),
                Err(_) => warn!("login1 does not answer; shutting down without it"),
            }
        }
        self.ask(directly).await
    }
}

#[interface(name = "org.argos.Init1")]
impl Init {
    /// Every loaded unit, by name.
    async fn list_units(&self) -> Result<Vec<Unit>> {
        let clock = Clock::now();
        Ok(self
            .ask(Client::status)
            .await?
            .into_iter()
            .map(|unit| clock.unit(unit))
            .collect())
    }

    /// One unit.
    async fn get_unit(&self, name: String) -> Result<Unit> {
        let status = self.ask(move |client| client.unit(&name)).await?;
        Ok(Clock::now().unit(status))
    }

    /// Starts a unit and what it requires; returns when it is up.
    async fn start_unit(
        &self,
        name: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        self.may_change(&format!("starting {name}"), connection, &header)
            .await?;
        self.ask(move |client| client.start(&name)).await
    }

    /// Stops a unit and what requires it.
    async fn stop_unit(
        &self,
        name: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        self.may_change(&format!("stopping {name}"), connection, &header)
            .await?;
        self.ask(move |client| client.stop(&name)).await
    }

    /// Stops, then starts.
    async fn restart_unit(
        &self,
        name: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        self.may_change(&format!("restarting {name}"), connection, &header)
            .await?;
        self.ask(move |client| client.restart(&name)).await
    }

    /// The last `lines` lines a unit printed.
    async fn log(&self, name: String, lines: u32) -> Result<Vec<String>> {
        self.ask(move |client| client.log(&name, lines)).await
    }

    /// Stops everything in order and switches the machine off.
    async fn power_off(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        self.may_change("switching the machine off", connection, &header)
            .await?;
        self.shut_down("PowerOff", Client::poweroff, connection)
            .await
    }

    /// Stops everything in order and restarts the machine.
    async fn reboot(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        self.may_change("restarting the machine", connection, &header)
            .await?;
        self.shut_down("Reboot", Client::reboot, connection).await
    }

    /// A unit changed its state.
    #[zbus(signal)]
    async fn unit_changed(emitter: &SignalEmitter<'_>, unit: Unit) -> zbus::Result<()>;
}

/// Emits `UnitChanged` for each change that the supervisor reports.
///
/// Returns once listening has begun; the future it yields ends only with an error.
pub(crate) fn follow(
    connection: &Connection,
    supervisor: &Supervisor,
) -> anyhow::Result<impl Future<Output = anyhow::Result<()>> + use<>> {
    let events = supervisor.connect()?.subscribe()?;
    let (sender, mut changes) = mpsc::channel(256);
    std::thread::Builder::new()
        .name("unit-changes".to_owned())
        .spawn(move || {
            for event in events {
                if sender.blocking_send(event).is_err() {
                    return;
                }
            }
        })?;
    let emitter = SignalEmitter::new(connection, PATH)?.into_owned();
    Ok(async move {
        // What vanishes was reported as down before; only its last state is kept, to fill in.
        while let Some(event) = changes.recv().await {
            let unit = match event? {
                Event::Unit(status) => Clock::now().unit(status),
                Event::Removed(name) => gone(name),
            };
            Init::unit_changed(&emitter, unit).await?;
        }
        Err(anyhow!("the supervisor closed the connection"))
    })
}

/// A unit that does not exist any more.
fn gone(name: String) -> Unit {
    Unit {
        name,
        description: String::new(),
        kind: "service".to_owned(),
        wanted: false,
        state: UnitState::Down.as_str().to_owned(),
        detail: "gone".to_owned(),
        pid: 0,
        restarts: 0,
        since_ms: Clock::now().wall_ms,
    }
}

/// Both clocks at one moment: the supervisor counts from the boot, the bus from the epoch.
#[derive(Debug, Clone, Copy)]
struct Clock {
    wall_ms: u64,
    boot_ms: u64,
}

impl Clock {
    fn now() -> Self {
        let boot = clock_gettime(ClockId::Boottime);
        let boot = Duration::try_from(boot).unwrap_or_default();
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            wall_ms: millis(wall),
            boot_ms: millis(boot),
        }
    }

    fn unit(self, status: UnitStatus) -> Unit {
        let ago = self.boot_ms.saturating_sub(status.since_ms);
        Unit {
            name: status.name,
            description: status.description,
            kind: status.kind,
            wanted: status.wanted,
            state: status.state.as_str().to_owned(),
            detail: status.detail,
            pid: status.pid,
            restarts: status.restarts,
            since_ms: self.wall_ms.saturating_sub(ago),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The person at the seat: the one whose supervisor runs. Two at once is nobody, since it cannot
/// be told then who sits there.
fn seat_person(units: &[UnitStatus]) -> Option<u32> {
    let mut people = units
        .iter()
        .filter(|unit| unit.state == UnitState::Up)
        .filter_map(|unit| unit.name.strip_prefix("user@")?.parse().ok());
    let person = people.next()?;
    people.next().is_none().then_some(person)
}

fn on_the_bus(error: argos_control::Error) -> Error {
    let text = error.to_string();
    match error.code() {
        Some(ErrorCode::NotFound) => Error::NotFound(text),
        Some(ErrorCode::Denied) => Error::Denied(text),
        Some(ErrorCode::Invalid) => Error::InvalidArguments(text),
        Some(ErrorCode::Failed) => Error::Failed(text),
        None => Error::Unavailable(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(name: &str, state: UnitState) -> UnitStatus {
        UnitStatus {
            name: name.to_owned(),
            description: String::new(),
            kind: "service".to_owned(),
            wanted: true,
            state,
            detail: String::new(),
            pid: 7,
            restarts: 0,
            since_ms: 4_000,
        }
    }

    #[test]
    fn the_person_at_the_seat_is_the_only_one_whose_supervisor_is_up() {
        let one = status("user@1000", UnitState::Up);
        assert_eq!(
            seat_person(&[status("seatd", UnitState::Up), one.clone()]),
            Some(1000)
        );
        assert_eq!(
            seat_person(&[one.clone(), status("user@1001", UnitState::Failed)]),
            Some(1000)
        );
        assert_eq!(
            seat_person(&[one, status("user@1001", UnitState::Up)]),
            None
        );
        assert_eq!(seat_person(&[status("user@", UnitState::Up)]), None);
    }

    #[test]
    fn times_are_told_from_the_epoch() {
        let clock = Clock {
            wall_ms: 1_000_000,
            boot_ms: 10_000,
        };
        assert_eq!(clock.unit(status("x", UnitState::Up)).since_ms, 994_000);
    }
}
