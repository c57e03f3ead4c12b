//! The systems of the three loops.

use specs::{Entities, Join, ReadStorage, System, Write, WriteStorage};

use super::chronicle::{Chronicle, Entry};
use super::components::{
    Attention, Conversation, Identity, Inbox, Located, Percept, Presence, Relationships, Source,
    Stimulus, WorkingMemory,
};
use super::{Action, Happening, Now, Wanted};

/// What is less present than this is forgotten.
const FORGOTTEN: f32 = 0.05;
/// What is left of a thing in mind after a second.
const FADING: f32 = 0.9;

/// Conscious: what happens in a room is perceived by those who are in it.
pub(crate) struct Perceive;

impl<'a> System<'a> for Perceive {
    type SystemData = (
        Write<'a, Happening>,
        ReadStorage<'a, Identity>,
        ReadStorage<'a, Located>,
        ReadStorage<'a, Relationships>,
        WriteStorage<'a, Inbox>,
    );

    fn run(
        &mut self,
        (mut happening, identities, located, relations, mut inboxes): Self::SystemData,
    ) {
        for stimulus in happening.0.drain(..) {
            for (identity, place, relation, inbox) in
                (&identities, &located, &relations, &mut inboxes).join()
            {
                let own = matches!(&stimulus.source, Source::Agent { name, .. } if *name == identity.name);
                if place.room == stimulus.room && !own {
                    inbox.percepts.push(Percept {
                        source: stimulus.source.clone(),
                        id: stimulus.id,
                        text: stimulus.text.clone(),
                        at_ms: stimulus.at_ms,
                        salience: salience(&stimulus, identity, relation),
                        not_before_ms: 0,
                    });
                }
            }
        }
    }
}

/// How much a stimulus stands out for an agent: people before timers before agents, being named, and who is
/// familiar a little more.
fn salience(stimulus: &Stimulus, identity: &Identity, relation: &Relationships) -> f32 {
    let text = stimulus.text.to_lowercase();
    let named = text.contains(&identity.name) || text.contains(&identity.title.to_lowercase());
    let base = match stimulus.source {
        Source::Person => 0.8 + 0.1 * relation.person,
        Source::Timer => 0.7,
        Source::Agent { .. } => 0.5,
    };
    if named { base + 0.1 } else { base }
}

/// Conscious: an agent that is there and free turns to what stands out most, and acts on it.
pub(crate) struct Attend {
    pub(crate) broker: bool,
}

impl<'a> System<'a> for Attend {
    type SystemData = (
        Write<'a, Wanted>,
        Write<'a, Now>,
        Write<'a, Chronicle>,
        ReadStorage<'a, Identity>,
        ReadStorage<'a, Presence>,
        WriteStorage<'a, Inbox>,
        WriteStorage<'a, Attention>,
        WriteStorage<'a, WorkingMemory>,
    );

    fn run(
        &mut self,
        (
            mut wanted,
            now,
            mut chronicle,
            identities,
            presences,
            mut inboxes,
            mut attentions,
            mut memories,
        ): Self::SystemData,
    ) {
        for (identity, presence, inbox, attention, memory) in (
            &identities,
            &presences,
            &mut inboxes,
            &mut attentions,
            &mut memories,
        )
            .join()
        {
            if !self.broker || !presence.is_up() || attention.focus.is_some() {
                continue;
            }
            // Equally salient things are taken in the order in which they happened.
            let next = (0..inbox.percepts.len())
                .filter(|i| inbox.percepts[*i].not_before_ms <= now.0)
                .max_by(|a, b| {
                    let (a, b) = (&inbox.percepts[*a], &inbox.percepts[*b]);
                    a.salience.total_cmp(&b.salience).then(b.id.cmp(&a.id))
                });
            let Some(next) = next else { continue };
            let percept = inbox.percepts.remove(next);
            memory.take_in(format!("{} said: {}", percept.source.name(), percept.text));
            chronicle.write(&Entry {
                kind: "attended",
                agent: &identity.name,
                from: Some(&percept.source),
                message: percept.id,
                ..Entry::default()
            });
            wanted.0.push(Action::Deliver {
                agent: identity.name.clone(),
                id: percept.id,
                from: percept.source.name(),
                text: percept.text.clone(),
            });
            attention.focus = Some(percept);
        }
    }
}

/// Subconscious: what is in mind fades.
pub(crate) struct Fade;

impl<'a> System<'a> for Fade {
    type SystemData = WriteStorage<'a, WorkingMemory>;

    fn run(&mut self, mut memories: Self::SystemData) {
        for memory in (&mut memories).join() {
            for item in &mut memory.items {
                item.activation *= FADING;
            }
            memory.items.retain(|i| i.activation >= FORGOTTEN);
        }
    }
}

/// Subconscious: what was not answered in time is let go, and the person is told.
pub(crate) struct Deadlines;

impl<'a> System<'a> for Deadlines {
    type SystemData = (
        Entities<'a>,
        Write<'a, Wanted>,
        Write<'a, Now>,
        Write<'a, Chronicle>,
        ReadStorage<'a, Identity>,
        WriteStorage<'a, Conversation>,
        WriteStorage<'a, Attention>,
    );

    fn run(
        &mut self,
        (
            entities,
            mut wanted,
            now,
            mut chronicle,
            identities,
            mut conversations,
            mut attentions,
        ): Self::SystemData,
    ) {
        for (entity, identity, conversation) in (&entities, &identities, &mut conversations).join()
        {
            let (late, still): (Vec<_>, Vec<_>) = conversation
                .expected
                .drain(..)
                .partition(|e| e.deadline_ms <= now.0);
            conversation.expected = still;
            for expected in late {
                if let Some(attention) = attentions.get_mut(entity)
                    && attention
                        .focus
                        .as_ref()
                        .is_some_and(|f| f.id == expected.id)
                {
                    attention.focus = None;
                }
                chronicle.write(&Entry {
                    kind: "unanswered",
                    agent: &identity.name,
                    message: expected.id,
                    ..Entry::default()
                });
                wanted.0.push(Action::Tell {
                    agent: identity.name.clone(),
                    in_reply_to: expected.id,
                    text: format!("{} gave no answer. Please ask again.", identity.title),
                });
            }
        }
    }
}

/// Unconscious: having talked makes familiar, in ever smaller steps.
pub(crate) struct Consolidate;

impl<'a> System<'a> for Consolidate {
    type SystemData = (
        WriteStorage<'a, Conversation>,
        WriteStorage<'a, Relationships>,
    );

    fn run(&mut self, (mut conversations, mut relations): Self::SystemData) {
        for (conversation, relation) in (&mut conversations, &mut relations).join() {
            for _ in 0..std::mem::take(&mut conversation.exchanges).min(100) {
                relation.person += (1.0 - relation.person) * 0.05;
            }
        }
    }
}
