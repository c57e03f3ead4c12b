//! What entities are made of.

use specs::{Component, DenseVecStorage, Entity, WorldExt};

/// A place where things are said: one for each conversation, for now.
#[derive(Debug, Clone)]
pub struct Room {
    /// Name, for people who debug.
    pub name: String,
}

/// Who an agent is, as its manifest says.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Name, unique.
    pub name: String,
    /// Title.
    pub title: String,
    /// One line.
    pub description: String,
    /// Manifest folder.
    pub folder: String,
    /// Why it cannot be used.
    pub broken: Option<String>,
}

/// What an agent is after.
#[derive(Debug, Clone, Default)]
pub struct Goals(pub Vec<String>);

/// Where an agent is.
#[derive(Debug, Clone, Copy)]
pub struct Located {
    /// The room's entity.
    pub room: Entity,
}

/// Whether an agent's process is there, and what it is at.
#[derive(Debug, Clone)]
pub struct Presence {
    /// As in `org.argos.Agents1`.
    pub state: String,
    /// On what or why.
    pub detail: String,
    /// Since when.
    pub since_ms: u64,
    /// Whether it should run.
    pub wanted: bool,
}

impl Presence {
    /// Whether there is a process, connected or on its way.
    pub fn is_there(&self) -> bool {
        self.is_up() || self.state == "starting"
    }

    /// Whether the process is connected.
    pub fn is_up(&self) -> bool {
        matches!(
            self.state.as_str(),
            "idle" | "thinking" | "acting" | "waiting"
        )
    }
}

/// Who caused a stimulus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The person.
    Person,
    /// An agent, and those it does this for, by name.
    Agent {
        /// Who said it.
        name: String,
        /// For whom, nearest first.
        behalf: Vec<String>,
    },
    /// A timer or reminder that the agent set itself.
    Timer,
}

impl Source {
    /// As it is told to an agent.
    pub fn name(&self) -> String {
        match self {
            Self::Person => "person".to_owned(),
            Self::Agent { name, behalf } => {
                let names: Vec<&str> = std::iter::once(name)
                    .chain(behalf)
                    .map(String::as_str)
                    .collect();
                // The prefix keeps an agent that is called `person` apart from the person.
                format!("agent:{}", names.join(","))
            }
            Self::Timer => "timer".to_owned(),
        }
    }
}

/// Something that happens in a room.
#[derive(Debug, Clone)]
pub struct Stimulus {
    /// Where.
    pub room: Entity,
    /// By whom.
    pub source: Source,
    /// Message number.
    pub id: u64,
    /// What was said.
    pub text: String,
    /// When.
    pub at_ms: u64,
}

/// A stimulus as one agent perceives it.
#[derive(Debug, Clone)]
pub struct Percept {
    /// By whom.
    pub source: Source,
    /// Message number.
    pub id: u64,
    /// What was said.
    pub text: String,
    /// When.
    pub at_ms: u64,
    /// How much it stands out, 0 to 1.
    pub salience: f32,
    /// Not to be attended to before; after a delivery that did not work.
    pub not_before_ms: u64,
}

/// What an agent perceived and did not attend to yet.
#[derive(Debug, Clone, Default)]
pub struct Inbox {
    /// In order of perception.
    pub percepts: Vec<Percept>,
}

/// The one thing an agent is occupied with.
#[derive(Debug, Clone, Default)]
pub struct Attention {
    /// It, until it is answered.
    pub focus: Option<Percept>,
}

/// What an agent has in mind. Fades.
#[derive(Debug, Clone, Default)]
pub struct WorkingMemory {
    /// Newest last.
    pub items: Vec<Item>,
}

/// One thing in mind.
#[derive(Debug, Clone)]
pub struct Item {
    /// What.
    pub text: String,
    /// How present it is, 0 to 1.
    pub activation: f32,
}

impl WorkingMemory {
    /// Things that fit in a mind at once (Miller, 1956: seven, plus or minus two).
    pub const CAPACITY: usize = 9;

    /// Takes something in; what is least present makes room.
    pub fn take_in(&mut self, text: String) {
        self.items.push(Item {
            text: text.chars().take(500).collect(),
            activation: 1.0,
        });
        if self.items.len() > Self::CAPACITY
            && let Some(weakest) = (0..self.items.len()).min_by(|a, b| {
                self.items[*a]
                    .activation
                    .total_cmp(&self.items[*b].activation)
            })
        {
            self.items.remove(weakest);
        }
    }
}

/// What an agent means to do about what it is occupied with.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Tools and their arguments as JSON, in order.
    pub calls: Vec<(String, String)>,
}

/// A message whose answer is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Message number.
    pub id: u64,
    /// After this it stays unanswered.
    pub deadline_ms: u64,
}

/// How the conversation with the person stands.
#[derive(Debug, Clone, Default)]
pub struct Conversation {
    /// Messages that the agent has and did not answer yet.
    pub expected: Vec<Expected>,
    /// Answers since the unconscious loop last ran.
    pub exchanges: u32,
}

/// How well an agent knows others.
#[derive(Debug, Clone, Default)]
pub struct Relationships {
    /// The person, 0 to 1.
    pub person: f32,
}

macro_rules! components {
    ($($name:ident),* $(,)?) => {
        $(impl Component for $name { type Storage = DenseVecStorage<Self>; })*

        pub(crate) fn register(world: &mut specs::World) {
            $(world.register::<$name>();)*
        }
    };
}

components!(
    Room,
    Identity,
    Goals,
    Located,
    Presence,
    Inbox,
    Attention,
    WorkingMemory,
    Plan,
    Conversation,
    Relationships,
);
