//! The world that agents live in: entities, components, and three loops of systems.
//!
//! An agent is an entity here and, where it has code, a process elsewhere. What happens reaches the
//! world as an [`Event`]; what the world wants done leaves it as an [`Action`]. Nothing in here does
//! input or output or reads a clock: the service around it does, and tests play with it freely.
//!
//! ```text
//! conscious     on every event    stimulus -> perception (salience) -> attention -> action
//! subconscious  about every 1 s   working memory fades, deliveries are tried again, deadlines
//! unconscious   about every 60 s  exchanges become familiarity
//! ```
//!
//! The slower loops run only while they have something to do: [`World::next_wake`] says when, and
//! is `None` for an idle world. They can run faster or slower, and all three can stand still (paused):
//! then what is said is still perceived, but nobody turns to it, nothing fades, and nobody is started
//! unless the person says so. A step runs each of them once.
//!
//! How an agent's turn goes:
//!
//! ```text
//! free --attention picks a percept--> focused --delivered--> expecting --reply--> free
//!                                        |  not deliverable: back into the inbox, tried again
//!                                        '- its process ends, or a deadline passes: the person is
//!                                           told that it stays unanswered --> free
//! ```

mod chronicle;
pub mod components;
mod look;
mod systems;

use std::collections::VecDeque;

use argos_bus::agents::{self, Agent, FASTEST, Pace, SLOWEST};
use specs::{Builder, Entity, Join, RunNow, WorldExt};

use chronicle::{Chronicle, Entry};
use components::{
    Attention, Conversation, Expected, Goals, Identity, Inbox, Located, Percept, Plan, Presence,
    Relationships, Room, Source, Stimulus, WorkingMemory,
};

/// Time between two turns of the subconscious loop, in milliseconds.
pub const SUBCONSCIOUS_MS: u64 = 1_000;
/// Time between two turns of the unconscious loop, in milliseconds.
pub const UNCONSCIOUS_MS: u64 = 60_000;
/// How long a message may stay unanswered, in milliseconds: several questions to the person fit in.
pub const ANSWER_MS: u64 = 10 * 60_000;
/// The same for a message that was under way when this program was restarted.
pub const INHERITED_MS: u64 = 30_000;
/// Messages that may wait for one agent.
pub const MAX_WAITING: usize = 32;

/// An agent as it was found on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Name.
    pub name: String,
    /// Title.
    pub title: String,
    /// One line.
    pub description: String,
    /// Goals.
    pub goals: Vec<String>,
    /// Manifest folder.
    pub folder: String,
    /// Whether it is started with the session.
    pub autostart: bool,
    /// Why it cannot be used.
    pub broken: Option<String>,
}

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// These agents are on disk now.
    Found(Vec<Known>),
    /// The person said something to an agent.
    Said {
        /// To whom.
        agent: String,
        /// Message number.
        id: u64,
        /// Text.
        text: String,
    },
    /// Somebody else said something to an agent: another agent, or a timer that it set.
    Told {
        /// To whom.
        agent: String,
        /// Message number.
        id: u64,
        /// By whom.
        from: Source,
        /// Text.
        text: String,
    },
    /// A message from before a restart has no answer yet.
    Inherited {
        /// To whom it was said.
        agent: String,
        /// Message number.
        id: u64,
    },
    /// An agent answered.
    Replied {
        /// Who.
        agent: String,
        /// Which message, 0 for none.
        in_reply_to: u64,
        /// Text.
        text: String,
    },
    /// The broker says what an agent's process is at.
    State {
        /// Who.
        agent: String,
        /// State, as in `Broker1`.
        state: String,
        /// On what or why.
        detail: String,
    },
    /// An agent has a plan.
    Planned {
        /// Who.
        agent: String,
        /// Tools and their arguments as JSON, in order.
        calls: Vec<(String, String)>,
    },
    /// The broker is there.
    BrokerCame,
    /// The broker is gone, and every process with it.
    BrokerWent,
    /// The person wants the agent to run.
    Start(String),
    /// The person wants it not to run.
    Stop(String),
    /// The person wants none to run, and the loops to stand still.
    StopAll,
    /// The loops are to stand still.
    Pause,
    /// They are to run again.
    Resume,
    /// Each of them is to run once.
    Step,
    /// The slow ones are to run so many times as fast as usual.
    Speed(f64),
    /// A start was tried.
    Started {
        /// Who.
        agent: String,
        /// Why it failed.
        error: Option<String>,
    },
    /// A delivery was tried.
    Delivered {
        /// To whom.
        agent: String,
        /// Message number.
        id: u64,
        /// Whether it arrived.
        arrived: bool,
    },
    /// Time passed.
    Tick,
}

/// Something to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Hand a message to an agent's process.
    Deliver {
        /// To whom.
        agent: String,
        /// Message number.
        id: u64,
        /// Who said it.
        from: String,
        /// Text.
        text: String,
    },
    /// Start an agent's process.
    Start {
        /// Who.
        agent: String,
        /// Manifest folder.
        folder: String,
    },
    /// End an agent's process.
    Stop {
        /// Who.
        agent: String,
    },
    /// Tell everybody that an agent's state is another.
    Show(Agent),
    /// Tell the person something about a conversation.
    Tell {
        /// Whose conversation.
        agent: String,
        /// The message it is about.
        in_reply_to: u64,
        /// Text.
        text: String,
    },
}

/// Milliseconds since the epoch, as the last event had it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Now(pub(crate) u64);

/// What systems want done.
#[derive(Debug, Default)]
pub(crate) struct Wanted(pub(crate) Vec<Action>);

/// What just happened in a room and was not perceived yet.
#[derive(Debug, Default)]
pub(crate) struct Happening(pub(crate) VecDeque<Stimulus>);

/// The agents' world.
pub struct World {
    world: specs::World,
    broker: bool,
    pace: Pace,
    last_subconscious: u64,
    last_unconscious: u64,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("agents", &self.agents())
            .finish_non_exhaustive()
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// An empty world whose loops run as usual.
    pub fn new() -> Self {
        Self::at_pace(Pace::default())
    }

    /// An empty world whose loops run like this.
    pub fn at_pace(pace: Pace) -> Self {
        let mut world = specs::World::new();
        components::register(&mut world);
        world.insert(Now::default());
        world.insert(Wanted::default());
        world.insert(Happening::default());
        world.insert(Chronicle::default());
        Self {
            world,
            broker: false,
            pace: Pace {
                speed: bounded(pace.speed),
                ..pace
            },
            last_subconscious: 0,
            last_unconscious: 0,
        }
    }

    /// How the loops run.
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// What happened after the event of this number, as far as it is known.
    pub fn events(&self, since: u64) -> Vec<agents::Event> {
        self.world.read_resource::<Chronicle>().after(since)
    }

    /// The number of the last event.
    pub fn newest(&self) -> u64 {
        self.world.read_resource::<Chronicle>().newest()
    }

    /// Whether there is an agent of that name.
    pub fn knows(&self, name: &str) -> bool {
        self.entity(name).is_some()
    }

    /// Messages that wait for an agent or its answer.
    pub fn waiting(&self, name: &str) -> usize {
        let Some(entity) = self.entity(name) else {
            return 0;
        };
        let inbox = self.world.read_storage::<Inbox>();
        let conversations = self.world.read_storage::<Conversation>();
        inbox.get(entity).map_or(0, |i| i.percepts.len())
            + conversations.get(entity).map_or(0, |c| c.expected.len())
    }

    /// Takes in what happened at `now_ms`, runs the loops that are due, and says what is to be
    /// done.
    pub fn handle(&mut self, event: Event, now_ms: u64) -> Vec<Action> {
        self.world.insert(Now(now_ms));
        self.world.write_resource::<Chronicle>().now_ms = now_ms;
        let step = matches!(event, Event::Step);
        let (rested, slept) = (!self.subconscious_has_work(), !self.unconscious_has_work());
        self.apply(event, now_ms);
        // A loop that had nothing to do begins its rhythm now.
        if rested {
            self.last_subconscious = now_ms;
        }
        if slept {
            self.last_unconscious = now_ms;
        }
        let due = |last: u64, every: u64| step || now_ms >= last + every;
        let moves = step || !self.pace.paused;
        if moves
            && self.subconscious_has_work()
            && due(self.last_subconscious, self.every(SUBCONSCIOUS_MS))
        {
            self.last_subconscious = now_ms;
            systems::Fade.run_now(&self.world);
            systems::Deadlines.run_now(&self.world);
        }
        if moves
            && self.unconscious_has_work()
            && due(self.last_unconscious, self.every(UNCONSCIOUS_MS))
        {
            self.last_unconscious = now_ms;
            systems::Consolidate.run_now(&self.world);
        }
        systems::Perceive.run_now(&self.world);
        if moves {
            systems::Attend {
                broker: self.broker,
            }
            .run_now(&self.world);
        }
        self.world.maintain();
        std::mem::take(&mut self.world.write_resource::<Wanted>().0)
    }

    /// When the world wants to be woken by [`Event::Tick`] if nothing happens before, in
    /// milliseconds since the epoch.
    pub fn next_wake(&self) -> Option<u64> {
        if self.pace.paused {
            return None;
        }
        let sub = self.subconscious_has_work().then(|| {
            let tick = self.last_subconscious + self.every(SUBCONSCIOUS_MS);
            // With nothing but deadlines ahead, sleep until the first.
            if self.fades() {
                tick
            } else {
                self.first_deadline().unwrap_or(tick).max(tick)
            }
        });
        let un = self
            .unconscious_has_work()
            .then_some(self.last_unconscious + self.every(UNCONSCIOUS_MS));
        sub.into_iter().chain(un).min()
    }

    /// The time between two turns of a loop that usually takes this.
    fn every(&self, usual_ms: u64) -> u64 {
        ((usual_ms as f64 / self.pace.speed) as u64).max(1)
    }

    fn apply(&mut self, event: Event, now: u64) {
        match event {
            Event::Tick => {}
            Event::Found(found) => self.found(found, now),
            Event::Said { agent, id, text } => self.said(&agent, id, Source::Person, text, now),
            Event::Told {
                agent,
                id,
                from,
                text,
            } => self.said(&agent, id, from, text, now),
            Event::Inherited { agent, id } => {
                if let Some(entity) = self.entity(&agent) {
                    let mut conversations = self.world.write_storage::<Conversation>();
                    if let Some(c) = conversations.get_mut(entity) {
                        c.expected.push(Expected {
                            id,
                            deadline_ms: now + INHERITED_MS,
                        });
                    }
                }
            }
            Event::Replied {
                agent,
                in_reply_to,
                text,
            } => self.replied(&agent, in_reply_to, &text),
            Event::State {
                agent,
                state,
                detail,
            } => self.state(&agent, &state, &detail, now),
            Event::Planned { agent, calls } => {
                if let Some(entity) = self.entity(&agent)
                    && let Some(plan) = self.world.write_storage::<Plan>().get_mut(entity)
                {
                    plan.calls = calls;
                }
            }
            Event::BrokerCame => {
                self.broker = true;
                self.start_wanted(now);
            }
            Event::BrokerWent => {
                self.broker = false;
                for name in self.names() {
                    let up = self.presence(&name, Presence::is_up);
                    if up == Some(true) {
                        self.state(&name, "stopped", "the broker is gone; waiting for it", now);
                    }
                }
            }
            Event::Start(name) => {
                self.want(&name, true);
                self.start(&name, now);
            }
            Event::Stop(name) => self.stop(&name),
            Event::StopAll => {
                for name in self.names() {
                    self.stop(&name);
                }
                self.write(&Entry {
                    kind: "stopped-all",
                    ..Entry::default()
                });
                self.pause();
            }
            Event::Pause => self.pause(),
            Event::Resume => self.resume(now),
            Event::Step => self.write(&Entry {
                kind: "stepped",
                ..Entry::default()
            }),
            Event::Speed(speed) => {
                let speed = bounded(speed);
                if speed != self.pace.speed {
                    self.pace.speed = speed;
                    self.write(&Entry {
                        kind: "speed",
                        text: &speed.to_string(),
                        ..Entry::default()
                    });
                }
            }
            Event::Started { agent, error } => match error {
                Some(error) => self.state(&agent, "failed", &error, now),
                // One that ran already says nothing on its own.
                None if self.presence(&agent, |p| p.state == "starting") == Some(true) => {
                    self.state(&agent, "idle", "", now);
                }
                None => {}
            },
            Event::Delivered { agent, id, arrived } => self.delivered(&agent, id, arrived, now),
        }
    }

    fn pause(&mut self) {
        if !self.pace.paused {
            self.pace.paused = true;
            self.write(&Entry {
                kind: "paused",
                ..Entry::default()
            });
        }
    }

    fn resume(&mut self, now: u64) {
        if !self.pace.paused {
            return;
        }
        self.pace.paused = false;
        self.write(&Entry {
            kind: "resumed",
            ..Entry::default()
        });
        // The time they stood still does not count.
        self.last_subconscious = now;
        self.last_unconscious = now;
        if self.broker {
            self.start_wanted(now);
        }
    }

    fn stop(&mut self, name: &str) {
        self.want(name, false);
        if self.presence(name, Presence::is_there) == Some(true) {
            self.act(Action::Stop {
                agent: name.to_owned(),
            });
        }
    }

    fn found(&mut self, found: Vec<Known>, now: u64) {
        for known in found {
            let (identity, goals) = (
                Identity {
                    name: known.name.clone(),
                    title: known.title,
                    description: known.description,
                    folder: known.folder,
                    broken: known.broken.clone(),
                },
                Goals(known.goals),
            );
            if let Some(entity) = self.entity(&known.name) {
                // A changed manifest; its process keeps running under the one it started with.
                let mut identities = self.world.write_storage::<Identity>();
                let mut all_goals = self.world.write_storage::<Goals>();
                // The entity is alive: it was just found by its components.
                let _ = identities.insert(entity, identity);
                let _ = all_goals.insert(entity, goals);
                continue;
            }
            let room = self
                .world
                .create_entity()
                .with(Room {
                    name: known.name.clone(),
                })
                .build();
            self.write(&Entry {
                kind: "appeared",
                agent: &known.name,
                ..Entry::default()
            });
            let (state, detail) = match known.broken {
                Some(why) => ("failed", why),
                None => ("stopped", String::new()),
            };
            self.world
                .create_entity()
                .with(identity)
                .with(goals)
                .with(Located { room })
                .with(Presence {
                    state: state.to_owned(),
                    detail,
                    since_ms: now,
                    wanted: known.autostart,
                })
                .with(Inbox::default())
                .with(Attention::default())
                .with(WorkingMemory::default())
                .with(Plan::default())
                .with(Conversation::default())
                .with(Relationships::default())
                .build();
        }
        if self.broker {
            self.start_wanted(now);
        }
    }

    fn said(&mut self, agent: &str, id: u64, source: Source, text: String, now: u64) {
        let Some(entity) = self.entity(agent) else {
            return;
        };
        self.write(&Entry {
            kind: "said",
            agent,
            from: Some(&source),
            message: id,
            text: &text,
            ..Entry::default()
        });
        let room = self
            .world
            .read_storage::<Located>()
            .get(entity)
            .map(|l| l.room);
        if let Some(room) = room {
            self.world
                .write_resource::<Happening>()
                .0
                .push_back(Stimulus {
                    room,
                    source,
                    id,
                    text,
                    at_ms: now,
                });
        }
        // Said to somebody who is not there: that wakes them, now or when the world goes on.
        self.want(agent, true);
        if !self.pace.paused {
            self.start(agent, now);
        }
    }

    fn replied(&mut self, agent: &str, in_reply_to: u64, text: &str) {
        let Some(entity) = self.entity(agent) else {
            return;
        };
        if let Some(c) = self.world.write_storage::<Conversation>().get_mut(entity) {
            c.expected.retain(|e| e.id != in_reply_to);
            c.exchanges += 1;
        }
        if let Some(a) = self.world.write_storage::<Attention>().get_mut(entity)
            && a.focus.as_ref().is_some_and(|f| f.id == in_reply_to)
        {
            a.focus = None;
        }
        if let Some(m) = self.world.write_storage::<WorkingMemory>().get_mut(entity) {
            m.take_in(format!("I answered: {text}"));
        }
        if let Some(plan) = self.world.write_storage::<Plan>().get_mut(entity) {
            plan.calls.clear();
        }
        // An empty answer says that there is nothing to say.
        self.write(&Entry {
            kind: "answered",
            agent,
            message: in_reply_to,
            text,
            ..Entry::default()
        });
    }

    fn state(&mut self, name: &str, state: &str, detail: &str, now: u64) {
        let Some(entity) = self.entity(name) else {
            return;
        };
        let (was_up, is_up, shown) = {
            let mut presences = self.world.write_storage::<Presence>();
            let Some(p) = presences.get_mut(entity) else {
                return;
            };
            if p.state == state && p.detail == detail {
                return;
            }
            let was_up = p.is_up();
            let was = std::mem::replace(&mut p.state, state.to_owned());
            p.detail = detail.to_owned();
            p.since_ms = now;
            self.world.write_resource::<Chronicle>().write(&Entry {
                kind: "state",
                agent: name,
                text: state,
                was: &was,
                ..Entry::default()
            });
            let identities = self.world.read_storage::<Identity>();
            let Some(i) = identities.get(entity) else {
                return;
            };
            (was_up, p.is_up(), look::shown(i, p))
        };
        self.act(Action::Show(shown));
        if was_up && !is_up {
            self.interrupted(name, entity);
        }
    }

    /// The process is gone: what it was busy with stays unanswered, and that is said.
    fn interrupted(&mut self, name: &str, entity: Entity) {
        let focus = self
            .world
            .write_storage::<Attention>()
            .get_mut(entity)
            .and_then(|a| a.focus.take());
        let lost: Vec<u64> = self
            .world
            .write_storage::<Conversation>()
            .get_mut(entity)
            .map(|c| c.expected.drain(..).map(|e| e.id).collect())
            .unwrap_or_default();
        if let Some(plan) = self.world.write_storage::<Plan>().get_mut(entity) {
            plan.calls.clear();
        }
        // Handed over but not confirmed yet counts as lost as well.
        let unconfirmed = focus.filter(|f| !lost.contains(&f.id)).map(|f| f.id);
        let title = self.title(entity);
        for id in lost.into_iter().chain(unconfirmed) {
            self.write(&Entry {
                kind: "unanswered",
                agent: name,
                message: id,
                ..Entry::default()
            });
            self.act(Action::Tell {
                agent: name.to_owned(),
                in_reply_to: id,
                text: format!("{title} was interrupted before it answered. Please ask again."),
            });
        }
    }

    fn delivered(&mut self, agent: &str, id: u64, arrived: bool, now: u64) {
        let Some(entity) = self.entity(agent) else {
            return;
        };
        let mut attentions = self.world.write_storage::<Attention>();
        let Some(attention) = attentions.get_mut(entity) else {
            return;
        };
        if attention.focus.as_ref().is_none_or(|f| f.id != id) {
            return;
        }
        if arrived {
            if let Some(c) = self.world.write_storage::<Conversation>().get_mut(entity)
                && c.expected.iter().all(|e| e.id != id)
            {
                c.expected.push(Expected {
                    id,
                    deadline_ms: now + ANSWER_MS,
                });
            }
        } else if let Some(percept) = attention.focus.take()
            && let Some(inbox) = self.world.write_storage::<Inbox>().get_mut(entity)
        {
            inbox.percepts.push(Percept {
                not_before_ms: now + SUBCONSCIOUS_MS,
                ..percept
            });
        }
    }

    fn start_wanted(&mut self, now: u64) {
        if self.pace.paused {
            return;
        }
        for name in self.names() {
            if self.presence(&name, |p| p.wanted) == Some(true) {
                self.start(&name, now);
            }
        }
    }

    fn start(&mut self, name: &str, now: u64) {
        let Some(entity) = self.entity(name) else {
            return;
        };
        let (folder, broken) = {
            let identities = self.world.read_storage::<Identity>();
            let Some(i) = identities.get(entity) else {
                return;
            };
            (i.folder.clone(), i.broken.clone())
        };
        if let Some(why) = broken {
            return self.state(name, "failed", &why, now);
        }
        if !self.broker {
            return self.state(
                name,
                "stopped",
                "the broker is not there; waiting for it",
                now,
            );
        }
        if self.presence(name, |p| !p.is_up() && p.state != "starting") == Some(true) {
            self.state(name, "starting", "", now);
            self.act(Action::Start {
                agent: name.to_owned(),
                folder,
            });
        }
    }

    fn want(&mut self, name: &str, wanted: bool) {
        let Some(entity) = self.entity(name) else {
            return;
        };
        if let Some(p) = self.world.write_storage::<Presence>().get_mut(entity) {
            p.wanted = wanted;
        }
    }

    fn write(&mut self, entry: &Entry<'_>) {
        self.world.write_resource::<Chronicle>().write(entry);
    }

    fn act(&mut self, action: Action) {
        self.world.write_resource::<Wanted>().0.push(action);
    }

    fn names(&self) -> Vec<String> {
        self.world
            .read_storage::<Identity>()
            .join()
            .map(|i| i.name.clone())
            .collect()
    }

    fn title(&self, entity: Entity) -> String {
        self.world
            .read_storage::<Identity>()
            .get(entity)
            .map(|i| i.title.clone())
            .unwrap_or_default()
    }

    fn presence<T>(&self, name: &str, look: impl FnOnce(&Presence) -> T) -> Option<T> {
        let entity = self.entity(name)?;
        self.world.read_storage::<Presence>().get(entity).map(look)
    }

    fn entity(&self, name: &str) -> Option<Entity> {
        let entities = self.world.entities();
        let identities = self.world.read_storage::<Identity>();
        (&entities, &identities)
            .join()
            .find(|(_, i)| i.name == name)
            .map(|(e, _)| e)
    }

    fn fades(&self) -> bool {
        let memories = self.world.read_storage::<WorkingMemory>();
        let inboxes = self.world.read_storage::<Inbox>();
        memories.join().any(|m| !m.items.is_empty())
            || (self.broker && inboxes.join().any(|i| !i.percepts.is_empty()))
    }

    fn first_deadline(&self) -> Option<u64> {
        self.world
            .read_storage::<Conversation>()
            .join()
            .flat_map(|c| c.expected.iter().map(|e| e.deadline_ms))
            .min()
    }

    fn subconscious_has_work(&self) -> bool {
        self.fades() || self.first_deadline().is_some()
    }

    fn unconscious_has_work(&self) -> bool {
        self.world
            .read_storage::<Conversation>()
            .join()
            .any(|c| c.exchanges > 0)
    }
}

fn bounded(speed: f64) -> f64 {
    // What a file or a program may have, and no number to divide by.
    if speed.is_nan() {
        return Pace::default().speed;
    }
    speed.clamp(SLOWEST, FASTEST)
}

#[cfg(test)]
mod tests;
