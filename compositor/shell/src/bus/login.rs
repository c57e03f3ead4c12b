//! The greeter's side of the system bus: the machine's power, by login1.

use argos_bus::power::{self, Refusal, Shutdown};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use zbus::Connection;

use super::{Pauses, on_own_thread};
use crate::parts::greeter::Power;
use crate::tr;

/// What login1 says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Whether the machine can sleep.
    CanSleep(bool),
    /// It does not do what it should: a sentence.
    Problem(String),
}

/// Starts the thread. What is sent is done.
pub fn start(tell: impl Fn(Notice) + Send + Sync + 'static) -> UnboundedSender<Power> {
    let (commands, receiver) = unbounded_channel();
    on_own_thread("bus", run(tell, receiver));
    commands
}

async fn run(tell: impl Fn(Notice) + Send + Sync, mut commands: UnboundedReceiver<Power>) {
    let mut pauses = Pauses::new();
    let mut told = false;
    // At the boot login1 may come after the greeter.
    while !told {
        tokio::select! {
            () = pauses.wait() => {
                if let Ok(can) = can_sleep().await {
                    tell(Notice::CanSleep(can));
                    told = true;
                }
            }
            command = commands.recv() => match command {
                Some(command) => obey(command, &tell).await,
                None => return,
            },
        }
    }
    while let Some(command) = commands.recv().await {
        obey(command, &tell).await;
    }
}

async fn system() -> Result<Connection, Refusal> {
    let bus = Connection::system().await;
    bus.map_err(|error| Refusal::Absent(error.to_string()))
}

async fn can_sleep() -> Result<bool, Refusal> {
    power::can_sleep(&system().await?).await
}

async fn obey(command: Power, tell: &(impl Fn(Notice) + Send + Sync)) {
    let done = async {
        let bus = system().await?;
        match command {
            Power::Sleep => power::sleep(&bus).await,
            Power::Restart => power::shut_down(&bus, Shutdown::Reboot).await,
            Power::Off => power::shut_down(&bus, Shutdown::PowerOff).await,
        }
    };
    if let Err(refusal) = done.await {
        let why = refusal.to_string();
        tell(Notice::Problem(match command {
            Power::Sleep => tr!("problem-sleep", why = why),
            Power::Restart => tr!("problem-restart", why = why),
            Power::Off => tr!("problem-power-off", why = why),
        }));
    }
}
