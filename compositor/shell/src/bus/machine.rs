//! The machine's sound, light and links, on the system bus.
//!
//! Commands are done one after the other, so that steps add up; of several that set the same value only the last
//! one is, so that dragging a slider does not queue.

use std::time::Duration;

use argos_bus::devices::{Brightness, Devices1Proxy, Volume};
use argos_bus::network::{Network1Proxy, Status};
use futures_util::StreamExt;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::MissedTickBehavior;
use zbus::Connection;

use super::names::Presence;
use super::{Notice, Notices, Pauses};
use crate::tr;

/// How often it is looked at what nobody tells of: sound cards and cables that come and go, and what other programs
/// set.
const LOOK_AGAIN: Duration = Duration::from_secs(20);

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
    let names = zbus::fdo::DBusProxy::new(bus).await?;
    let mut told = Told::new(notices);
    let mut look = tokio::time::interval(LOOK_AGAIN);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            // The first tick is at once. Who is not there is not started for this: at the start it would come
            // between the person and the desktop.
            _ = look.tick() => {
                if names.name_has_owner(devices.inner().destination().clone()).await? {
                    told.devices(&devices).await;
                }
                if names.name_has_owner(network.inner().destination().clone()).await? {
                    told.network(&network).await;
                }
            }
            present = devices_presence.changed() => match present {
                Some(_) => told.devices(&devices).await,
                None => return Ok(()),
            },
            present = network_presence.changed() => match present {
                Some(_) => told.network(&network).await,
                None => return Ok(()),
            },
            signal = switched.next() => match signal {
                Some(_) => told.network(&network).await,
                None => return Ok(()),
            },
            command = commands.recv() => {
                let Some(first) = command else { return Ok(()) };
                let mut wanted = vec![first];
                while let Ok(next) = commands.try_recv() {
                    queue(&mut wanted, next);
                }
                for command in wanted {
                    // What a person did is shown before it is done, so the answer is told in any case.
                    told.forget();
                    obey(command, &devices, &network, &mut told).await;
                }
            }
        }
    }
}

/// What the shell was told last: it hears only what is new.
struct Told<'a> {
    notices: &'a Notices,
    sound: Option<Result<Volume, String>>,
    light: Option<Result<Brightness, String>>,
    network: Option<Result<Status, String>>,
}

impl<'a> Told<'a> {
    fn new(notices: &'a Notices) -> Self {
        Self {
            notices,
            sound: None,
            light: None,
            network: None,
        }
    }

    fn forget(&mut self) {
        *self = Self::new(self.notices);
    }

    fn set_sound(&mut self, sound: Result<Volume, String>) {
        if self.sound.as_ref() != Some(&sound) {
            self.notices.send(Notice::Sound(sound.clone()));
            self.sound = Some(sound);
        }
    }

    fn set_light(&mut self, light: Result<Brightness, String>) {
        if self.light.as_ref() != Some(&light) {
            self.notices.send(Notice::Light(light.clone()));
            self.light = Some(light);
        }
    }

    fn set_network(&mut self, network: Result<Status, String>) {
        if self.network.as_ref() != Some(&network) {
            self.notices.send(Notice::Network(network.clone()));
            self.network = Some(network);
        }
    }

    async fn devices(&mut self, devices: &Devices1Proxy<'_>) {
        self.set_sound(said(devices.volume().await));
        self.set_light(said(devices.brightness().await));
    }

    async fn network(&mut self, network: &Network1Proxy<'_>) {
        self.set_network(said(network.status().await));
    }

    fn refused(&self, command: Command, error: &argos_bus::Error) {
        let why = error.text();
        self.notices.send(Notice::Problem(match command {
            Command::Network(_) => tr!("problem-network", why = why),
            Command::Brightness(_) | Command::BrightnessBy(_) => tr!("problem-light", why = why),
            _ => tr!("problem-volume", why = why),
        }));
    }
}

/// Adds a command; it takes the place of one before it that it makes void.
fn queue(wanted: &mut Vec<Command>, next: Command) {
    let void = matches!(
        (wanted.last(), next),
        (
            Some(Command::Volume(_) | Command::VolumeBy(_)),
            Command::Volume(_)
        ) | (
            Some(Command::Brightness(_) | Command::BrightnessBy(_)),
            Command::Brightness(_)
        ) | (Some(Command::Network(_)), Command::Network(_))
            | (Some(Command::Tell), Command::Tell)
    );
    if void {
        wanted.pop();
    }
    wanted.push(next);
}

async fn obey(
    command: Command,
    devices: &Devices1Proxy<'_>,
    network: &Network1Proxy<'_>,
    told: &mut Told<'_>,
) {
    match command {
        Command::Tell => {
            told.devices(devices).await;
            told.network(network).await;
        }
        Command::Network(enabled) => match network.set_enabled(enabled).await {
            Ok(status) => told.set_network(Ok(status)),
            Err(error) => {
                told.refused(command, &error);
                told.network(network).await;
            }
        },
        Command::Brightness(_) | Command::BrightnessBy(_) => {
            let now = match devices.brightness().await {
                Ok(now) => now,
                Err(error) => return told.set_light(Err(error.text())),
            };
            let percent = match command {
                Command::Brightness(percent) => percent,
                Command::BrightnessBy(by) => stepped(now.percent, by),
                _ => now.percent,
            };
            let set = devices.set_brightness(percent).await;
            let is = set.unwrap_or_else(|error| {
                told.refused(command, &error);
                now
            });
            told.set_light(Ok(is));
        }
        Command::Volume(_) | Command::VolumeBy(_) | Command::Mute => {
            let now = match devices.volume().await {
                Ok(now) => now,
                Err(error) => return told.set_sound(Err(error.text())),
            };
            let set = match command {
                Command::Volume(percent) => devices.set_volume(percent).await,
                Command::VolumeBy(by) => devices.set_volume(stepped(now.percent, by)).await,
                _ => devices.set_muted(!now.muted).await,
            };
            let is = set.unwrap_or_else(|error| {
                told.refused(command, &error);
                now
            });
            told.set_sound(Ok(is));
        }
    }
}

/// `percent`, so much more or less of it.
fn stepped(percent: u32, by: i32) -> u32 {
    percent.saturating_add_signed(by).min(100)
}

fn said<T>(answer: argos_bus::Result<T>) -> Result<T, String> {
    answer.map_err(|error| error.text())
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
