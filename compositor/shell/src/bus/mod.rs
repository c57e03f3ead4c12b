//! D-Bus: a thread of its own, with messages in both directions.
//!
//! The drawing thread never waits for a bus. It gets [`Notice`]s through its event loop's channel
//! and gives [`Command`]s. Buses and services may be absent at start and go away at any time: the
//! thread connects again quietly, and what could not be done comes back as a notice with a reason.
//!
//! [`shell`] is the shell's side (it owns `org.argos.Shell1` and the notification service), with [`machine`] for
//! the system's services and [`tray`] for programs' icons; [`prompt`] is the permission prompt's and [`portal`] that
//! of the dialogs other programs ask for, which share no process with it; nor does the greeter, whose is [`login`].

pub mod login;
pub mod machine;
mod names;
pub mod notify;
pub mod portal;
pub mod prompt;
pub mod shell;
pub mod tray;

use std::collections::BTreeMap;
use std::time::Duration;

use argos_bus::agents::{self, Agent, ChatMessage, Mind, Pace};
use argos_bus::compositor::{Output, OutputMode, OutputWish};
use argos_bus::devices::{Brightness, Volume};
use argos_bus::network::Status;
use argos_bus::permissions::{Explanation, Grant, Request};
use argos_bus::recorder::{Outcome, Recording};

use crate::parts::agents::Order;
use crate::parts::ahead::{Question, Wish};
use crate::parts::notifications::{Notification, Reason};
use crate::parts::permission::Decision;
use crate::parts::power::Item;

/// Something the services said.
#[derive(Debug)]
pub enum Notice {
    /// A workspace is on screen.
    Workspaces {
        /// Its number, from 1.
        active: u32,
        /// How many there are.
        count: u32,
    },
    /// A part is to be shown, or hidden if it is: `launcher`, `chat`, `agents`, `controls`,
    /// `power`, `permissions`, `settings` (also with a page, as `settings/displays`); or a key of the keyboard was pressed, as `volume-up`.
    Toggle(String),
    /// The theme is to be this one, which exists.
    SetTheme(String),
    /// Every agent there is.
    Agents(Vec<Agent>),
    /// An agent changed its state.
    Agent(Agent),
    /// The orchestrator went away.
    AgentsLost,
    /// The agents' world, and the events of it that are known.
    World(Box<agents::World>, Vec<agents::Event>),
    /// Something happened in it.
    Happened(Box<agents::Event>),
    /// Its loops run like this.
    Pace(Pace),
    /// What it holds of an agent.
    Mind(Box<Mind>),
    /// What came of an order about agents, in words.
    Ordered(Result<String, String>),
    /// The last messages of a conversation.
    History {
        /// Whose.
        agent: String,
        /// Oldest first.
        messages: Vec<ChatMessage>,
    },
    /// Something was said.
    Said(ChatMessage),
    /// Something could not be said.
    NotSent {
        /// To whom.
        agent: String,
        /// What.
        text: String,
        /// Why.
        why: String,
    },
    /// An application wants something shown.
    Notify(Notification),
    /// An application takes its notification back.
    TakeBack(u32),
    /// Something the person asked for went wrong.
    Problem(String),
    /// Every grant that holds and the last audit rows, oldest first.
    Permissions {
        /// Grants and standing refusals.
        grants: Vec<Grant>,
        /// Rows as JSON.
        rows: Vec<String>,
    },
    /// They cannot be had, or not be changed: why.
    NoPermissions(String),
    /// They are not what they were.
    PermissionsChanged,
    /// What would happen, or why that cannot be said; to the question of this number.
    Explained(u64, Result<Explanation, String>),
    /// What was wished is granted or refused under this number.
    Granted(u64),
    /// Questions that wait, of the prompt.
    Requested(Vec<Request>),
    /// A question was closed.
    Resolved(u64),
    /// An answer did not get through.
    NotAnswered(String),
    /// The broker went away.
    BrokerLost,
    /// An item of the tray is there, or has changed.
    TrayItem(Box<tray::Item>),
    /// An item of the tray is gone.
    TrayGone(tray::Address),
    /// The menu of an item of the tray.
    TrayMenu(tray::Address, Vec<tray::Entry>),
    /// The bus is gone, and all items with it.
    TrayLost,
    /// How loud the machine is, or why that is not known.
    Sound(Result<Volume, String>),
    /// How bright, the same.
    Light(Result<Brightness, String>),
    /// Where the network stands, the same.
    Network(Result<Status, String>),
    /// The screens that are on, and the modes of each, by its name.
    Outputs(Vec<Output>, BTreeMap<String, Vec<OutputMode>>),
    /// A screen is otherwise, on trial; or why it is not.
    Tried(Result<(), String>),
    /// What was tried is kept; or why it is not.
    TrialKept(Result<(), String>),
    /// Whether the person wants less motion.
    ReducedMotion(bool),
    /// The AI service's models, by name and state; nothing while it is not there.
    Models(Option<Vec<(String, String)>>),
    /// Whether the colours are warmer; nothing while the compositor does not say.
    Night(Option<bool>),
    /// For which programs something of the screen is recorded.
    Shares(Vec<String>),
    /// The screen is recorded, or is not any more.
    Recording(Option<Recording>),
    /// A recording has ended.
    Recorded(Outcome),
}

/// Something a service is to do.
#[derive(Debug)]
pub enum Command {
    /// Show a workspace.
    Workspace(u32),
    /// Say something to an agent.
    Send {
        /// To whom.
        agent: String,
        /// What.
        text: String,
    },
    /// Ask for a conversation.
    History(String),
    /// Ask for the agents' world.
    World,
    /// Ask what it holds of an agent.
    Inspect(String),
    /// Start, stop, pause agents.
    Order(Order),
    /// Start an application.
    Launch(Box<argos_apps::App>),
    /// Log out, restart, power off.
    Power(Item),
    /// Things look like this now.
    Look(shell::Shown),
    /// A part that another one stands in for is to be shown or hidden.
    Requested(String),
    /// Serve notifications, or leave them to another part.
    ServeNotifications(bool),
    /// A notification is gone.
    NotificationClosed(u32, Reason),
    /// A notification's button was pressed.
    NotificationActed(u32, String),
    /// A question's answer.
    Answer(u64, Decision),
    /// No to every question of this agent.
    DenyAll(String),
    /// Ask for grants and the last audit rows.
    Permissions,
    /// Take this grant back.
    Revoke(u64),
    /// Ask what would happen.
    Explain(Question),
    /// Grant or refuse without being asked.
    Grant(Wish),
    /// Ask for the screens that are on, and for the AI service's models.
    About,
    /// Try a screen otherwise, for so many seconds.
    Try(OutputWish, u32),
    /// Keep what is tried, or take it back.
    EndTrial(bool),
    /// Warmer colours, or none.
    Night(bool),
    /// End all recordings of the screen.
    StopSharing,
    /// Begin to record the screen, or end that.
    Record,
    /// Sound, light, links.
    Machine(machine::Command),
    /// An item of the tray.
    Tray(tray::Command),
}

/// Where notices go: into the program's inbox, as its own kind of message.
#[derive(Clone)]
pub struct Notices(std::sync::Arc<dyn Fn(Notice) + Send + Sync>);

impl Notices {
    /// Notices go to `inbox`, wrapped by `wrap`.
    pub fn new<M: Send + 'static>(
        inbox: calloop::channel::Sender<M>,
        wrap: fn(Notice) -> M,
    ) -> Self {
        Self(std::sync::Arc::new(move |notice| {
            // The receiver is gone only when the program ends.
            let _ = inbox.send(wrap(notice));
        }))
    }

    fn send(&self, notice: Notice) {
        (self.0)(notice);
    }
}

impl std::fmt::Debug for Notices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Notices")
    }
}

/// Pauses between attempts to reach a bus.
struct Pauses(Duration);

impl Pauses {
    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(5);

    fn new() -> Self {
        Self(Self::FIRST)
    }

    /// Waits, longer each time.
    async fn wait(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(Self::LONGEST);
    }
}

/// Runs `task` on a thread of its own, with a small runtime.
fn on_own_thread<F>(name: &str, task: F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let run = move || match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime.block_on(task),
        Err(error) => tracing::error!("no D-Bus: cannot start its runtime: {error}"),
    };
    if let Err(error) = std::thread::Builder::new().name(name.to_owned()).spawn(run) {
        tracing::error!("no D-Bus: cannot start its thread: {error}");
    }
}
