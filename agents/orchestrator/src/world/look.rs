//! The world as those outside of it see it: a picture of it all, and all of one agent.

use std::collections::HashMap;

use argos_bus::agents::{self, Agent, Intention, Mind, Thought};
use specs::{Entity, Join, WorldExt};

use super::World;
use super::chronicle::beginning;
use super::components::{
    Attention, Conversation, Goals, Identity, Inbox, Located, Percept, Plan, Presence,
    Relationships, Room, WorkingMemory,
};

impl World {
    /// Every agent as others see it, by name.
    pub fn agents(&self) -> Vec<Agent> {
        let identities = self.world.read_storage::<Identity>();
        let presences = self.world.read_storage::<Presence>();
        let mut agents: Vec<Agent> = (&identities, &presences)
            .join()
            .map(|(i, p)| shown(i, p))
            .collect();
        agents.sort_by(|a, b| a.name.cmp(&b.name));
        agents
    }

    /// The world as others see it.
    pub fn seen(&self) -> agents::World {
        let entities = self.world.entities();
        let rooms = self.world.read_storage::<Room>();
        let located = self.world.read_storage::<Located>();
        let identities = self.world.read_storage::<Identity>();
        let mut inside: HashMap<Entity, Vec<String>> = HashMap::new();
        for (place, identity) in (&located, &identities).join() {
            let names = inside.entry(place.room).or_default();
            names.push(identity.name.clone());
        }
        let mut rooms: Vec<agents::Room> = (&entities, &rooms)
            .join()
            .map(|(entity, room)| agents::Room {
                name: room.name.clone(),
                occupants: inside.remove(&entity).unwrap_or_default(),
            })
            .collect();
        rooms.sort_by(|a, b| a.name.cmp(&b.name));
        for room in &mut rooms {
            room.occupants.sort();
        }
        agents::World {
            agents: self.agents(),
            rooms,
            pace: self.pace,
            newest: self.newest(),
        }
    }

    /// What there is of one agent. What it uses is not known in here.
    pub fn mind(&self, name: &str) -> Option<Mind> {
        let entity = self.entity(name)?;
        macro_rules! of {
            ($component:ty) => {
                self.world
                    .read_storage::<$component>()
                    .get(entity)
                    .cloned()?
            };
        }
        let conversation = of!(Conversation);
        let room = of!(Located).room;
        let rooms = self.world.read_storage::<Room>();
        Some(Mind {
            agent: name.to_owned(),
            room: rooms.get(room)?.name.clone(),
            wanted: of!(Presence).wanted,
            goals: of!(Goals).0,
            focus: of!(Attention).focus.iter().map(perceived).collect(),
            waiting: of!(Inbox).percepts.iter().map(perceived).collect(),
            plan: of!(Plan)
                .calls
                .into_iter()
                .map(|(tool, arguments)| Intention {
                    tool,
                    arguments: beginning(&arguments),
                })
                .collect(),
            thoughts: of!(WorkingMemory)
                .items
                .into_iter()
                .map(|item| Thought {
                    text: item.text,
                    activation: f64::from(item.activation),
                })
                .collect(),
            awaited: conversation
                .expected
                .iter()
                .map(|e| (e.id, e.deadline_ms))
                .collect(),
            familiarity: f64::from(of!(Relationships).person),
            usage: Vec::new(),
            tokens: Vec::new(),
        })
    }
}

fn perceived(percept: &Percept) -> agents::Percept {
    agents::Percept {
        message: percept.id,
        from: percept.source.name(),
        text: beginning(&percept.text),
        at_ms: percept.at_ms,
        salience: f64::from(percept.salience),
    }
}

pub(super) fn shown(identity: &Identity, presence: &Presence) -> Agent {
    Agent {
        name: identity.name.clone(),
        title: identity.title.clone(),
        description: identity.description.clone(),
        state: presence.state.clone(),
        detail: presence.detail.clone(),
        since_ms: presence.since_ms,
    }
}
