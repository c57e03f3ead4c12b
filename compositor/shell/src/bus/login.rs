//! The greeter's side of the system bus: the machine's power, by login1.

use argos_bus::power::{self, Shutdown};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use zbus::Connection;

use super::{Pauses, on_own_thread};
use crate::parts::greeter::Power;
use crate::tr;

#[zbus::proxy(
    interface = "org.freedesktop.login1.Manager",
    default_service = "org.freedesktop.login1",
    default_path = "/org/freedesktop/login1"
)]
trait Login {
    fn can_suspend(&self) -> zbus::Result<String>;
    /// Returns when the machine is awake again.
    fn suspend(&self, interactive: bool) -> zbus::Result<()>;
}

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
                if let Ok(answer) = can_suspend().await {
                    tell(Notice::CanSleep(answer == "yes"));
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

async fn can_suspend() -> zbus::Result<String> {
    let bus = Connection::system().await?;
    LoginProxy::new(&bus).await?.can_suspend().await
}

async fn obey(command: Power, tell: &(impl Fn(Notice) + Send + Sync)) {
    let done = async {
        let unreachable = |error: zbus::Error| error.to_string();
        let bus = Connection::system().await.map_err(unreachable)?;
        let how = match command {
            Power::Sleep => {
                let login = LoginProxy::new(&bus).await.map_err(unreachable)?;
                return login.suspend(false).await.map_err(unreachable);
            }
            Power::Restart => Shutdown::Reboot,
            Power::Off => Shutdown::PowerOff,
        };
        let asked = power::shut_down(&bus, how).await;
        asked.map_err(|refusal| refusal.to_string())
    };
    if let Err(why) = done.await {
        tell(Notice::Problem(match command {
            Power::Sleep => tr!("problem-sleep", why = why),
            Power::Restart => tr!("problem-restart", why = why),
            Power::Off => tr!("problem-power-off", why = why),
        }));
    }
}
