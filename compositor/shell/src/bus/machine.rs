//! The machine's sound, light and links, on the system bus.
//!
//! Commands are done one after the other, so that steps add up; of several that set the same value only the last
//! one is, so that dragging a slider does not queue.

use argos_bus::devices::Devices1Proxy;
use argos_bus::network::Network1Proxy;
use futures_util::StreamExt;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use zbus::Connection;

use super::names::Presence;
use super::{Notice, Notices, Pauses};

/// Something the machine is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Say where everything stands.
    Tell,
    /// This loud, in percent.
    Volume(u32),
    /// Louder or quieter by so many percent.
    VolumeBy(i32),
    /// Silent, or not any more.
    Mute,
    /// This bright, in percent.
    Brightness(u32),
    /// Brighter or darker by so many percent.
    BrightnessBy(i32),
    /// Links on or off.
    Network(bool),
}

/// Starts the task; it ends when the sender is gone.
pub(super) fn start(notices: Notices) -> UnboundedSender<Command> {
    let (commands, receiver) = unbounded_channel();
    tokio::spawn(run(notices, receiver));
    commands
}

async fn run(notices: Notices, mut commands: UnboundedReceiver<Command>) {
    let mut pauses = Pauses::new();
    while !commands.is_closed() {
        match Connection::system().await {
            Ok(bus) => {
                pauses = Pauses::new();
                if let Err(error) = serve(&bus, &notices, &mut commands).await {
                    tracing::debug!("the system bus: {error}");
                }
            }
            Err(error) => tracing::debug!("no system bus yet: {error}"),
        }
        // What was commanded meanwhile is not done later, when nobody expects it any more.
        while commands.try_recv().is_ok() {}
        pauses.wait().await;
    }
}

/// Serves until the bus or the sender of commands is gone.
async fn serve(
    bus: &Connection,
    notices: &Notices,
    commands: &mut UnboundedReceiver<Command>,
) -> zbus::Result<()> {
    let devices = Devices1Proxy::new(bus).await?;
    let network = Network1Proxy::new(bus).await?;
    let mut devices_presence = Presence::of(devices.inner()).await?;
    let mut network_presence = Presence::of(network.inner()).await?;
    let mut switched = network.receive_enabled_changed().await?;
    // Who is not there yet is not started for this: it would come between the person and the desktop.
    let names = zbus::fdo::DBusProxy::new(bus).await?;
    if names
        .name_has_owner(devices.inner().destination().clone())
        .await?
    {
        tell_devices(&devices, notices).await;
    }
    if names
        .name_has_owner(network.inner().destination().clone())
        .await?
    {
        tell_network(&network, notices).await;
    }
    loop {
        tokio::select! {
            present = devices_presence.changed() => match present {
                Some(_) => tell_devices(&devices, notices).await,
                None => return Ok(()),
            },
            present = network_presence.changed() => match present {
                Some(_) => tell_network(&network, notices).await,
                None => return Ok(()),
            },
            signal = switched.next() => match signal {
                Some(_) => tell_network(&network, notices).await,
                None => return Ok(()),
            },
            command = commands.recv() => {
                let Some(first) = command else { return Ok(()) };
                let mut wanted = vec![first];
                while let Ok(next) = commands.try_recv() {
                    queue(&mut wanted, next);
                }
                for command in wanted {
                    obey(command, &devices, &network, notices).await;
                }
            }
        }
    }
}

/// Adds a command; it takes the place of one before it that it makes void.
fn queue(wanted: &mut Vec<Command>, next: Command) {
    let void = match (wanted.last(), next) {
        (Some(Command::Volume(_) | Command::VolumeBy(_)), Command::Volume(_))
        | (Some(Command::Brightness(_) | Command::BrightnessBy(_)), Command::Brightness(_))
        | (Some(Command::Network(_)), Command::Network(_))
        | (Some(Command::Tell), Command::Tell) => true,
        _ => false,
    };
    if void {
        wanted.pop();
    }
    wanted.push(next);
}

async fn obey(
    command: Command,
    devices: &Devices1Proxy<'_>,
    network: &Network1Proxy<'_>,
    notices: &Notices,
) {
    match command {
        Command::Tell => {
            tell_devices(devices, notices).await;
            tell_network(network, notices).await;
        }
        Command::Network(enabled) => match network.set_enabled(enabled).await {
            Ok(status) => notices.send(Notice::Network(Ok(status))),
            Err(error) => {
                refused(notices, "network", &error);
                tell_network(network, notices).await;
            }
        },
        Command::Brightness(_) | Command::BrightnessBy(_) => {
            let now = match devices.brightness().await {
                Ok(now) => now,
                Err(error) => return notices.send(Notice::Light(Err(error.text()))),
            };
            let percent = match command {
                Command::Brightness(percent) => percent,
                Command::BrightnessBy(by) => stepped(now.percent, by),
                _ => now.percent,
            };
            let set = devices.set_brightness(percent).await;
            let is = set.unwrap_or_else(|error| {
                refused(notices, "light", &error);
                now
            });
            notices.send(Notice::Light(Ok(is)));
        }
        Command::Volume(_) | Command::VolumeBy(_) | Command::Mute => {
            let now = match devices.volume().await {
                Ok(now) => now,
                Err(error) => return notices.send(Notice::Sound(Err(error.text()))),
            };
            let set = match command {
                Command::Volume(percent) => devices.set_volume(percent).await,
                Command::VolumeBy(by) => devices.set_volume(stepped(now.percent, by)).await,
                _ => devices.set_muted(!now.muted).await,
            };
            let is = set.unwrap_or_else(|error| {
                refused(notices, "volume", &error);
                now
            });
            notices.send(Notice::Sound(Ok(is)));
        }
    }
}

/// `percent`, so much more or less of it.
fn stepped(percent: u32, by: i32) -> u32 {
    percent.saturating_add_signed(by).min(100)
}

async fn tell_devices(devices: &Devices1Proxy<'_>, notices: &Notices) {
    notices.send(Notice::Sound(said(devices.volume().await)));
    notices.send(Notice::Light(said(devices.brightness().await)));
}

async fn tell_network(network: &Network1Proxy<'_>, notices: &Notices) {
    notices.send(Notice::Network(said(network.status().await)));
}

fn said<T>(answer: argos_bus::Result<T>) -> Result<T, String> {
    answer.map_err(|error| error.text())
}

fn refused(notices: &Notices, what: &str, error: &argos_bus::Error) {
    notices.send(Notice::Problem(format!(
        "The {what} stays as it is: {}",
        error.text()
    )));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_value_of_a_drag_is_set_and_steps_add_up() {
        let mut wanted = Vec::new();
        for next in [
            Command::Volume(10),
            Command::Volume(20),
            Command::Brightness(5),
            Command::Volume(30),
            Command::VolumeBy(5),
            Command::VolumeBy(5),
            Command::Mute,
        ] {
            queue(&mut wanted, next);
        }
        assert_eq!(
            wanted,
            [
                Command::Volume(20),
                Command::Brightness(5),
                Command::Volume(30),
                Command::VolumeBy(5),
                Command::VolumeBy(5),
                Command::Mute,
            ]
        );
    }

    #[test]
    fn steps_stay_within_bounds() {
        assert_eq!(
            [stepped(3, -5), stepped(98, 5), stepped(50, 5)],
            [0, 100, 55]
        );
    }
}
