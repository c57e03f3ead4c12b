//! `org.argos.Agents1` on the session bus, served by the orchestrator: agents, conversations, and the
//! world that agents live in.
//!
//! Who shows the world asks for [`Agents1Proxy::world`] and [`Agents1Proxy::events`] once and follows
//! the signals from there. Numbers of events begin at 1 with the orchestrator: when its name has a new
//! owner, both are asked for again.

use serde::{Deserialize, Serialize};
use zbus::wire::Type;

use crate::Result;

/// An agent and what it is at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Agent {
    /// Name, unique: `steward`.
    pub name: String,
    /// Title for people: `Steward`.
    pub title: String,
    /// One line on what it is for.
    pub description: String,
    /// `starting`, `idle`, `thinking`, `acting`, `waiting`, `stopped` or `failed`.
    pub state: String,
    /// On what or why.
    pub detail: String,
    /// When it entered this state.
    pub since_ms: u64,
}

/// One line of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct ChatMessage {
    /// Number, unique, rising.
    pub id: u64,
    /// The message it answers, or 0.
    pub in_reply_to: u64,
    /// The agent whose conversation this is.
    pub agent: String,
    /// `person`, `agent` or `system`.
    pub role: String,
    /// The text (CommonMark).
    pub text: String,
    /// When it was said.
    pub when_ms: u64,
}

/// A place where things are said; those who are in it perceive them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Room {
    /// Name, unique.
    pub name: String,
    /// The agents in it, by name.
    pub occupants: Vec<String>,
}

/// How fast the world's loops run, and whether they do.
///
/// While they stand still, what is said is perceived and kept, but no agent turns to it, nothing
/// fades, and nobody is started but by [`Agents1Proxy::start`]. What an agent is at already, it
/// finishes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Type)]
pub struct Pace {
    /// Whether the loops stand still.
    pub paused: bool,
    /// How many times as fast as usual the slow loops run, [`SLOWEST`] to [`FASTEST`].
    pub speed: f64,
}

/// The lowest speed of the loops.
pub const SLOWEST: f64 = 0.1;
/// The highest speed of the loops.
pub const FASTEST: f64 = 20.0;

impl Default for Pace {
    fn default() -> Self {
        Self {
            paused: false,
            speed: 1.0,
        }
    }
}

/// The world at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct World {
    /// Every agent, by name.
    pub agents: Vec<Agent>,
    /// Every room, by name.
    pub rooms: Vec<Room>,
    /// How its loops run.
    pub pace: Pace,
    /// Number of the last event that this takes into account, 0 if there was none.
    pub newest: u64,
}

/// Something that happened in the world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Event {
    /// Number, one more than that of the event before.
    pub number: u64,
    /// When.
    pub at_ms: u64,
    /// * `appeared`: an agent was found.
    /// * `said`: `from` said `text` in the agent's room.
    /// * `attended`: the agent turned to message `message`.
    /// * `answered`: it said `text`, in answer to `message` or of its own accord (0).
    /// * `unanswered`: message `message` stays without an answer.
    /// * `state`: the agent's state was `was` and is `text`.
    /// * `paused`, `resumed`, `stepped`, `speed` (to `text`), `stopped-all`: the loops.
    pub kind: String,
    /// The agent it is about, or empty.
    pub agent: String,
    /// Who caused it: `person`, `timer`, `agent:NAME` (with those it speaks for behind commas), or
    /// empty.
    pub from: String,
    /// The message it is about, or 0.
    pub message: u64,
    /// As `kind` says; of what was said, the beginning.
    pub text: String,
    /// Of a state, the one before; else empty.
    pub was: String,
}

/// Something said, as one agent perceives it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct Percept {
    /// Number of the message.
    pub message: u64,
    /// Who said it, as in [`Event::from`].
    pub from: String,
    /// The beginning of it.
    pub text: String,
    /// When it was said.
    pub at_ms: u64,
    /// How much it stands out, 0 to 1.
    pub salience: f64,
}

/// Something an agent has in mind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct Thought {
    /// What.
    pub text: String,
    /// How present it is, 0 to 1.
    pub activation: f64,
}

/// A call that an agent's plan has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Intention {
    /// Tool: `files.list`.
    pub tool: String,
    /// Arguments as JSON, the beginning of them.
    pub arguments: String,
}

/// What an agent's processes use of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Usage {
    /// Memory in bytes.
    pub memory: u64,
    /// Processor time since it was started, in microseconds.
    pub cpu_us: u64,
    /// Processes and threads.
    pub tasks: u32,
}

/// What language models read and wrote for an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Tokens {
    /// Tokens of the 24 hours that began with the first of them.
    pub used: u64,
    /// How many it may use in them.
    pub limit: u64,
}

/// What the world holds of one agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct Mind {
    /// Whose.
    pub agent: String,
    /// The room it is in.
    pub room: String,
    /// Whether it is to run.
    pub wanted: bool,
    /// What it is after.
    pub goals: Vec<String>,
    /// The one thing it is occupied with, or nothing.
    pub focus: Vec<Percept>,
    /// What it perceived and did not turn to yet, in the order of perception.
    pub waiting: Vec<Percept>,
    /// The plan for what it is occupied with, in order; empty if the model made none.
    pub plan: Vec<Intention>,
    /// Working memory, newest last.
    pub thoughts: Vec<Thought>,
    /// Messages that it has and did not answer yet, and when they count as unanswered.
    pub awaited: Vec<(u64, u64)>,
    /// How familiar the person is to it, 0 to 1.
    pub familiarity: f64,
    /// What it uses, where it runs and that is counted; else nothing.
    pub usage: Vec<Usage>,
    /// The tokens it used, where it runs; else nothing.
    pub tokens: Vec<Tokens>,
}

/// Agents, conversations with them, and their world.
#[zbus::proxy(
    interface = "org.argos.Agents1",
    default_service = "org.argos.Agents1",
    default_path = "/org/argos/Agents1"
)]
pub trait Agents1 {
    /// Every known agent.
    fn list(&self) -> Result<Vec<Agent>>;
    /// Starts an agent; returns when it is up, at once if it was. Errors: `NotFound`, `Failed` (it
    /// did not come up, and why), `Unavailable` (the broker is not there; it is started later).
    fn start(&self, agent: &str) -> Result<()>;
    /// Stops an agent. Errors: `NotFound`.
    fn stop(&self, agent: &str) -> Result<()>;
    /// Says something to an agent; returns the message's number. Its answer comes as a signal.
    /// Errors: `NotFound`, `LimitReached`.
    fn send(&self, agent: &str, text: &str) -> Result<u64>;
    /// Says something to an agent on behalf of others: the agent that says it first, then those it
    /// does so for. Only the broker may, which knows who they are. As `send` otherwise.
    /// Errors: `Denied`, `NotFound`, `LimitReached`.
    fn relay(&self, from: &[&str], agent: &str, text: &str) -> Result<u64>;
    /// The last `limit` messages of a conversation, oldest first. Errors: `NotFound`.
    fn history(&self, agent: &str, limit: u32) -> Result<Vec<ChatMessage>>;

    /// The world as it is now.
    fn world(&self) -> Result<World>;
    /// What happened after the event of number `since` (0: all that is still known), oldest first.
    /// The last 1000 are known.
    fn events(&self, since: u64) -> Result<Vec<Event>>;
    /// What the world holds of an agent. Errors: `NotFound`.
    fn inspect(&self, agent: &str) -> Result<Mind>;
    /// Has the loops stand still, or run again. It stays so when the orchestrator is restarted.
    fn set_paused(&self, paused: bool) -> Result<()>;
    /// Has every loop run once. Errors: `Failed` (they are running).
    fn step(&self) -> Result<()>;
    /// Sets the speed of the slow loops. Errors: `InvalidArguments` (not within [`SLOWEST`] to
    /// [`FASTEST`]).
    fn set_speed(&self, speed: f64) -> Result<()>;
    /// Stops every agent and has the loops stand still; returns how many were running.
    fn stop_all(&self) -> Result<u32>;

    /// Something was said by either side.
    #[zbus(signal)]
    fn message(&self, message: ChatMessage) -> Result<()>;
    /// An agent changed its state.
    #[zbus(signal)]
    fn state_changed(&self, agent: Agent) -> Result<()>;
    /// Something happened in the world.
    #[zbus(signal)]
    fn happened(&self, event: Event) -> Result<()>;
    /// The loops run differently now.
    #[zbus(signal)]
    fn pace_changed(&self, pace: Pace) -> Result<()>;
}
