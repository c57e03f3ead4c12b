//! The agent view: rooms, agents and what is said as a live graph, the last events as a timeline, and
//! everything that is known of what is chosen.
//!
//! It shows what `org.argos.Agents1` serves and nothing else. The parts of it:
//!
//! * [`layout`]: where the nodes lie; pure, so that it can be swapped.
//! * [`graph`]: the nodes and bonds, how they are looked at, and which one a key goes to.
//! * [`timeline`]: the events and the moment that is looked at.
//! * [`command`]: the command bar's language.
//! * [`scene`]: how its nodes and lines look.
//! * `canvas`: how the graph is drawn, and what the pointer does to it; [`gpu`]: the same on a GPU, which makes
//!   the layout as well.
//! * `track`, `inspector`, `view`: how the timeline and what is chosen are drawn, and what is around them.
//!
//! It moves only while the graph settles: then there is a deadline for each frame, else none but that of
//! looking again at the agent that is chosen.

mod canvas;
pub mod command;
pub mod gpu;
pub mod graph;
mod inspector;
pub mod layout;
pub mod scene;
pub mod timeline;
mod track;
mod view;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use argos_bus::agents::{Agent, Event, Mind, Pace, World};
use argos_bus::permissions::Grant;
use iced_core::Size;
use iced_core::keyboard::{self, Key as KeyboardKey, key::Named};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use self::canvas::Drawn;
use self::command::Line;
pub use self::command::Order;
use self::gpu::{Link, Travels};
pub use self::graph::Key;
use self::graph::{Graph, View};
use self::layout::Place;
use self::timeline::{Kind as EventKind, Timeline};
use crate::parts::permissions::SURE;
use crate::{l10n, tr};

/// The command bar's name.
pub const INPUT: &str = "agents-command";
/// What it needs where text is large and the screen small.
pub const LEAST: Size = Size::new(980.0, 480.0);

/// Time between two frames while the graph settles.
const FRAME: Duration = Duration::from_millis(33);
/// Steps of the graph between two frames.
const STEPS: u32 = 2;
/// The same where nobody is to see it move.
const STEPS_UNSEEN: u32 = 40;
/// Time between two frames while a GPU has the graph: with one step in each it settles as quickly.
const FRAME_GPU: Duration = Duration::from_nanos(16_666_667);
/// Time between two looks at the agent that is chosen: what it has in mind fades.
const LOOK: Duration = Duration::from_secs(3);
/// How much closer a key looks.
const CLOSER: f32 = 1.25;
/// The speeds that the buttons go through.
const SPEEDS: [f64; 7] = [0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0];

/// Which events are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Filter {
    /// All of them.
    #[default]
    All,
    /// What is said.
    Talk,
    /// What agents are at.
    States,
}

/// Whether there is something to show.
#[derive(Debug)]
enum Source {
    /// Nothing was heard yet.
    Unheard,
    /// The world, as it was heard last.
    World(World),
    /// The orchestrator is not there.
    Lost,
}

/// The view's state.
#[derive(Debug)]
pub struct Agents {
    source: Source,
    timeline: Timeline,
    graph: Graph,
    selected: Option<Key>,
    hovered: Option<Key>,
    mind: Option<Mind>,
    grants: Vec<Grant>,
    filter: Filter,
    /// What stands in the command bar, if it is open.
    line: Option<String>,
    /// What came of the last command: whether it went well, and words.
    answer: Option<(bool, String)>,
    /// Until when a second press stops everything.
    sure: Option<Instant>,
    /// Whether the graph is seen only once it has settled.
    still: bool,
    next_frame: Instant,
    next_look: Instant,
    link: Link,
    travels: Travels,
    graph_drawn: Drawn,
    track_drawn: Drawn,
}

/// What a person does in it.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// Choose this, or nothing.
    Choose(Option<Key>),
    /// Choose the next one, or one before.
    Next(isize),
    /// Choose the nearest one in this direction.
    Towards(i8, i8),
    /// The pointer is over this.
    Hover(Option<Key>),
    /// Hold a node there.
    Drag(Key, Place),
    /// Let it go.
    LetGo,
    /// Look at the graph like this.
    Look(View),
    /// So many times closer.
    Closer(f32),
    /// Everything into sight.
    Fit,
    /// So many events further.
    Scrub(isize),
    /// To the event at this position.
    Go(usize),
    /// To the event of this number.
    GoTo(u64),
    /// To the oldest event.
    Oldest,
    /// To the present.
    Live,
    /// List these events.
    Filter(Filter),
    /// Have the orchestrator do this.
    Order(Order),
    /// Pause, or go on.
    PauseOrResume,
    /// Faster or slower by a step.
    Faster(isize),
    /// Stop everything, at the second press.
    StopAll,
    /// The conversation with this agent.
    Talk(String),
    /// The conversation with the agent that is chosen.
    TalkToChosen,
    /// Open the command bar.
    OpenBar,
    /// What stands in the command bar.
    Typed(String),
    /// Do what stands in the command bar.
    Submit,
    /// Away with what is in front: command bar, the past, what is chosen, the view.
    Back,
    /// Away with it.
    Close,
}

/// What follows from it.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    /// Nothing beyond the view.
    None,
    /// The command bar is to have the keyboard.
    Focus,
    /// What the world holds of this agent is wanted.
    Inspect(String),
    /// The world is wanted anew.
    World,
    /// The orchestrator is to do this.
    Order(Order),
    /// Say this.
    Say {
        /// To whom.
        agent: String,
        /// What.
        text: String,
    },
    /// Show the conversation with this agent.
    Talk(String),
    /// Close it.
    Close,
}

impl Default for Agents {
    fn default() -> Self {
        let now = Instant::now();
        Self {
            source: Source::Unheard,
            timeline: Timeline::default(),
            graph: Graph::default(),
            selected: None,
            hovered: None,
            mind: None,
            grants: Vec::new(),
            filter: Filter::default(),
            line: None,
            answer: None,
            sure: None,
            still: false,
            next_frame: now,
            next_look: now,
            link: Link::default(),
            travels: Travels::default(),
            graph_drawn: Drawn::default(),
            track_drawn: Drawn::default(),
        }
    }
}

/// The nodes that what was said goes through.
fn way(event: &Event) -> Vec<Key> {
    let (agent, room) = (
        Key::Agent(event.agent.clone()),
        Key::Room(event.agent.clone()),
    );
    match event.kind.as_str() {
        "said" => Key::of_speaker(timeline::speaker(&event.from))
            .into_iter()
            .chain([room, agent])
            .collect(),
        "answered" => vec![agent, room],
        _ => Vec::new(),
    }
}

/// The time of day of an event.
fn clock(ms: u64) -> String {
    let at = i64::try_from(ms).ok();
    let at = at.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    at.map_or_else(String::new, |at| {
        let at = at.to_zoned(TimeZone::system());
        l10n::seconds(&at)
    })
}

impl Agents {
    /// It is shown now; the world is asked for.
    pub fn open(&mut self, now: Instant) {
        (self.line, self.answer, self.sure) = (None, None, None);
        self.hovered = None;
        self.travels.clear();
        self.timeline.go(usize::MAX);
        self.next_frame = now + FRAME;
        self.next_look = now + LOOK;
        self.redraw();
    }

    /// The world, and the events that are known.
    pub fn set_world(&mut self, world: World, events: Vec<Event>) {
        self.timeline.set(events);
        self.show(world);
    }

    /// The world anew; events were heard in between.
    fn show(&mut self, world: World) {
        self.graph.set(&world, &self.timeline.said());
        self.source = Source::World(world);
        self.selected = self.selected.take().filter(|key| self.graph.has(key));
        self.redraw();
    }

    /// The orchestrator went away.
    pub fn lost(&mut self) {
        self.source = Source::Lost;
        self.graph = Graph::default();
        self.timeline = Timeline::default();
        self.travels.clear();
        (self.selected, self.hovered, self.mind) = (None, None, None);
        self.redraw();
    }

    /// An agent's state is another.
    pub fn set_agent(&mut self, agent: &Agent) {
        if let Source::World(world) = &mut self.source
            && let Some(known) = world.agents.iter_mut().find(|a| a.name == agent.name)
        {
            known.clone_from(agent);
            self.redraw();
        }
    }

    /// The world's loops run differently.
    pub fn set_pace(&mut self, pace: Pace) {
        if let Source::World(world) = &mut self.source {
            world.pace = pace;
        }
    }

    /// Whether the graph is to be seen only once it has settled: the person wants less motion.
    pub fn set_still(&mut self, still: bool) {
        self.still = still;
    }

    /// What is drawn is in another language or other colours.
    pub fn retell(&self) {
        self.redraw();
    }

    /// What the world holds of an agent.
    pub fn set_mind(&mut self, mind: Mind) {
        self.mind = Some(mind);
    }

    /// What was granted and refused.
    pub fn set_grants(&mut self, grants: Vec<Grant>) {
        self.grants = grants;
    }

    /// Something happened.
    pub fn happened(&mut self, event: Event) -> Outcome {
        let Source::World(world) = &self.source else {
            return Outcome::None;
        };
        let appeared = event.kind == "appeared";
        let chosen = self.chosen().is_some_and(|name| name == event.agent);
        let spoke = event.kind == "said";
        let agent = event.agent.clone();
        if self.timeline.is_live() && self.link.on_gpu() && !self.still {
            self.travels.begin(&way(&event));
        }
        self.timeline.push(event);
        if spoke && self.timeline.is_live() {
            // There may be a new bond.
            self.graph.set(world, &self.timeline.said());
        }
        self.redraw();
        match (appeared, chosen) {
            (true, _) => Outcome::World,
            (false, true) => Outcome::Inspect(agent),
            (false, false) => Outcome::None,
        }
    }

    /// What came of an order or of something that was said.
    pub fn answered(&mut self, said: Result<String, String>) {
        self.answer = Some(match said {
            Ok(words) => (true, words),
            Err(words) => (false, words),
        });
    }

    fn redraw(&self) {
        self.graph_drawn.change();
        self.track_drawn.clear();
    }

    fn world(&self) -> Option<&World> {
        match &self.source {
            Source::World(world) => Some(world),
            Source::Unheard | Source::Lost => None,
        }
    }

    fn agents(&self) -> impl Iterator<Item = &Agent> {
        self.world().into_iter().flat_map(|world| &world.agents)
    }

    fn agent(&self, name: &str) -> Option<&Agent> {
        self.agents().find(|agent| agent.name == name)
    }

    fn occupants(&self, room: &str) -> &[String] {
        let rooms = self.world().map_or(&[][..], |world| &world.rooms);
        let room = rooms.iter().find(|known| known.name == room);
        room.map_or(&[], |room| &room.occupants)
    }

    /// An agent's title; its name where it has none.
    fn title<'a>(&'a self, name: &'a str) -> &'a str {
        self.agent(name).map_or(name, |agent| &agent.title)
    }

    fn pace(&self) -> Pace {
        self.world().map(|world| world.pace).unwrap_or_default()
    }

    /// The agent that is chosen.
    fn chosen(&self) -> Option<&str> {
        match &self.selected {
            Some(Key::Agent(name)) => Some(name),
            _ => None,
        }
    }

    /// The events up to the moment, newest first, of what is chosen and of the kind that is listed.
    fn listed(&self) -> impl Iterator<Item = &Event> {
        let past = self.timeline.position().map_or(0, |position| position + 1);
        let wanted = |event: &&Event| {
            let kind = EventKind::of(event);
            let listed = match self.filter {
                Filter::All => true,
                Filter::Talk => kind == EventKind::Talk,
                Filter::States => kind == EventKind::State,
            };
            let about = match &self.selected {
                None => true,
                Some(Key::Agent(name) | Key::Room(name)) => event.agent == *name,
                Some(Key::Person) => timeline::speaker(&event.from) == "person",
            };
            listed && about
        };
        self.timeline.events().take(past).rev().filter(wanted)
    }

    /// Whether the graph is to be drawn anew by itself.
    fn moves(&self) -> bool {
        !self.graph.is_still() || !self.link.is_still() || !self.travels.is_empty()
    }

    /// When something is to be done without anybody doing anything.
    pub fn deadline(&self) -> Option<Instant> {
        // A frame that was asked for of the GPU is drawn when the screen is ready for it.
        let frame = self.moves() && !self.link.is_asked();
        let frame = frame.then_some(self.next_frame);
        let look = self.chosen().is_some().then_some(self.next_look);
        [frame, look, self.sure].into_iter().flatten().min()
    }

    /// Has the graph go on by a frame.
    fn go_on(&mut self, now: Instant) {
        if self.link.news(|of, places| self.graph.put(of, places)) {
            self.graph_drawn.clear();
        }
        if self.link.on_gpu() {
            self.next_frame = (self.next_frame + FRAME_GPU).max(now);
            let steps = if self.still { gpu::MOST_STEPS } else { 1 };
            self.link.ask(&mut self.graph, steps);
            self.travels.go_on(now);
            return;
        }
        self.travels.clear();
        self.next_frame = now + FRAME;
        for _ in 0..if self.still { STEPS_UNSEEN } else { STEPS } {
            self.graph.step();
        }
        if !self.still || self.graph.is_still() {
            self.graph_drawn.clear();
        }
    }

    /// A deadline passed.
    pub fn tick(&mut self, now: Instant) -> Outcome {
        self.sure = self.sure.filter(|until| *until > now);
        if self.moves() && self.next_frame <= now {
            self.go_on(now);
        }
        match self.chosen() {
            Some(name) if self.next_look <= now => {
                let name = name.to_owned();
                self.next_look = now + LOOK;
                Outcome::Inspect(name)
            }
            _ => Outcome::None,
        }
    }

    /// Something was done.
    pub fn update(&mut self, message: Message, now: Instant) -> Outcome {
        match message {
            Message::Choose(key) => return self.choose(key, now),
            Message::Next(by) => {
                let next = self.graph.next(self.selected.as_ref(), by);
                return self.choose(next, now);
            }
            Message::Towards(right, down) => {
                if let Some(key) = self.graph.beside(self.selected.as_ref(), (right, down)) {
                    return self.choose(Some(key), now);
                }
            }
            Message::Hover(key) => {
                self.hovered = key;
                self.graph_drawn.clear();
            }
            Message::Drag(key, at) => {
                self.graph.hold(&key, at);
                self.graph_drawn.clear();
            }
            Message::LetGo => self.graph.let_go(),
            Message::Look(view) => {
                self.graph.look(view);
                self.graph_drawn.clear();
            }
            Message::Closer(by) => {
                let view = self.graph_drawn.size().map(|size| {
                    let middle = iced_core::Point::new(size.width / 2.0, size.height / 2.0);
                    self.graph.view(size).zoomed(by, middle, size)
                });
                if let Some(view) = view {
                    self.graph.look(view);
                    self.graph_drawn.clear();
                }
            }
            Message::Fit => {
                self.graph.fit();
                self.graph_drawn.clear();
            }
            Message::Scrub(by) => self.at_moment(|timeline| timeline.scrub(by)),
            Message::Go(position) => self.at_moment(|timeline| timeline.go(position)),
            Message::GoTo(number) => self.at_moment(|timeline| timeline.go_to(number)),
            Message::Oldest => self.at_moment(|timeline| timeline.go(0)),
            Message::Live => self.at_moment(|timeline| timeline.go(usize::MAX)),
            Message::Filter(filter) => self.filter = filter,
            Message::Order(order) => return self.order(order),
            Message::PauseOrResume => return self.order(Order::Pause(!self.pace().paused)),
            Message::Faster(by) => return self.order(Order::Speed(self.speed(by))),
            Message::StopAll => {
                if self.sure.take().is_some_and(|until| until > now) {
                    return self.order(Order::StopAll);
                }
                self.sure = Some(now + SURE);
            }
            Message::Talk(agent) => return Outcome::Talk(agent),
            Message::TalkToChosen => {
                if let Some(agent) = self.chosen() {
                    return Outcome::Talk(agent.to_owned());
                }
            }
            Message::OpenBar => {
                self.line = Some(String::new());
                self.answer = None;
                return Outcome::Focus;
            }
            Message::Typed(text) => self.line = Some(text),
            Message::Submit => return self.submit(now),
            Message::Back => return self.back(now),
            Message::Close => return Outcome::Close,
        }
        Outcome::None
    }

    fn at_moment(&mut self, go: impl FnOnce(&mut Timeline)) {
        go(&mut self.timeline);
        self.redraw();
    }

    fn choose(&mut self, key: Option<Key>, now: Instant) -> Outcome {
        if self.selected == key {
            return Outcome::None;
        }
        self.selected = key;
        self.mind = None;
        self.graph_drawn.clear();
        self.next_look = now + LOOK;
        match self.chosen() {
            Some(name) => Outcome::Inspect(name.to_owned()),
            None => Outcome::None,
        }
    }

    fn order(&mut self, order: Order) -> Outcome {
        self.answer = None;
        Outcome::Order(order)
    }

    /// The speed that comes `by` steps after the present one.
    fn speed(&self, by: isize) -> f64 {
        let now = self.pace().speed;
        let at = SPEEDS.iter().position(|speed| *speed >= now);
        let at = at.unwrap_or(SPEEDS.len() - 1);
        SPEEDS[at.saturating_add_signed(by).min(SPEEDS.len() - 1)]
    }

    fn submit(&mut self, now: Instant) -> Outcome {
        let Some(line) = self.line.take() else {
            return Outcome::None;
        };
        if line.trim().is_empty() {
            return Outcome::None;
        }
        let agents: Vec<&str> = self.agents().map(|agent| agent.name.as_str()).collect();
        let understood = match command::parse(&line, &agents, self.chosen()) {
            Ok(understood) => understood,
            Err(wrong) => {
                // It can be mended.
                self.line = Some(line);
                self.answered(Err(wrong));
                return Outcome::Focus;
            }
        };
        self.answer = None;
        match understood {
            Line::Order(order) => return self.order(order),
            Line::Say { agent, text } => return Outcome::Say { agent, text },
            Line::Live => self.at_moment(|timeline| timeline.go(usize::MAX)),
            Line::Fit => {
                self.graph.fit();
                self.graph_drawn.clear();
            }
            Line::Find(words) => {
                let titles: HashMap<&str, &str> = self
                    .agents()
                    .map(|agent| (agent.name.as_str(), agent.title.as_str()))
                    .collect();
                match self.graph.find(&words, &titles) {
                    Some(key) => return self.choose(Some(key), now),
                    None => {
                        let nothing = tr!("agents-not-found", name = words);
                        self.answered(Err(nothing));
                    }
                }
            }
        }
        Outcome::None
    }

    fn back(&mut self, now: Instant) -> Outcome {
        if self.line.take().is_some() || self.answer.take().is_some() {
            return Outcome::None;
        }
        if !self.timeline.is_live() {
            self.at_moment(|timeline| timeline.go(usize::MAX));
            return Outcome::None;
        }
        if self.selected.is_some() {
            return self.choose(None, now);
        }
        Outcome::Close
    }

    /// Its keys. While the command bar is open, the others are text.
    pub fn intercept(&self, event: &iced_core::Event) -> Option<Message> {
        let iced_core::Event::Keyboard(keyboard::Event::KeyPressed {
            key,
            modifiers,
            repeat,
            ..
        }) = event
        else {
            return None;
        };
        let bar = self.line.is_some();
        if modifiers.control() || modifiers.alt() || modifiers.logo() {
            return None;
        }
        match key.as_ref() {
            KeyboardKey::Named(Named::Escape) => Some(Message::Back),
            KeyboardKey::Named(Named::Enter) if bar => (!repeat).then_some(Message::Submit),
            _ if bar => None,
            KeyboardKey::Named(named) => Some(match named {
                Named::Tab => Message::Next(if modifiers.shift() { -1 } else { 1 }),
                Named::ArrowLeft => Message::Towards(-1, 0),
                Named::ArrowRight => Message::Towards(1, 0),
                Named::ArrowUp => Message::Towards(0, -1),
                Named::ArrowDown => Message::Towards(0, 1),
                Named::PageUp => Message::Scrub(-1),
                Named::PageDown => Message::Scrub(1),
                Named::Home => Message::Oldest,
                Named::End => Message::Live,
                // Held keys do these once.
                Named::Enter if !repeat => Message::TalkToChosen,
                Named::Space if !repeat => Message::PauseOrResume,
                _ => return None,
            }),
            KeyboardKey::Character(text) => Some(match text {
                "/" | ":" => Message::OpenBar,
                "." if self.pace().paused => Message::Order(Order::Step),
                "+" | "=" => Message::Closer(CLOSER),
                "-" => Message::Closer(1.0 / CLOSER),
                "0" => Message::Fit,
                _ => return None,
            }),
            KeyboardKey::Unidentified => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use iced_core::SmolStr;
    use iced_core::keyboard::{Location, Modifiers, key};

    use super::*;

    fn shown() -> (Agents, Instant) {
        let mut agents = Agents::default();
        let event = |number, kind: &str, agent: &str| Event {
            number,
            at_ms: number,
            kind: kind.into(),
            agent: agent.into(),
            from: "person".into(),
            message: 1,
            text: "idle".into(),
            was: "stopped".into(),
        };
        let past = [
            ("state", "a"),
            ("said", "a"),
            ("state", "b"),
            ("paused", ""),
        ];
        let past = past
            .iter()
            .zip(1..)
            .map(|((kind, agent), n)| event(n, kind, agent));
        agents.set_world(graph::tests::world(&["a", "b"]), past.collect());
        (agents, Instant::now())
    }

    fn press(agents: &mut Agents, key: KeyboardKey, now: Instant) -> Outcome {
        let event = iced_core::Event::Keyboard(keyboard::Event::KeyPressed {
            modified_key: key.clone(),
            key,
            physical_key: key::Physical::Unidentified(key::NativeCode::Xkb(0)),
            location: Location::Standard,
            modifiers: Modifiers::empty(),
            text: None,
            repeat: false,
        });
        match agents.intercept(&event) {
            Some(message) => agents.update(message, now),
            None => Outcome::None,
        }
    }

    fn named(agents: &mut Agents, name: Named, now: Instant) -> Outcome {
        press(agents, KeyboardKey::Named(name), now)
    }

    fn typed(agents: &mut Agents, text: &str, now: Instant) -> Outcome {
        press(agents, KeyboardKey::Character(SmolStr::new(text)), now)
    }

    #[test]
    fn it_rests_when_nothing_moves_and_nobody_is_chosen() {
        let (mut agents, now) = shown();
        agents.open(now);
        assert_eq!(agents.deadline(), None);
        let wants = named(&mut agents, Named::Tab, now);
        assert_eq!(wants, Outcome::Inspect("a".into()));
        let look = agents.deadline().expect("what it has in mind fades");
        assert_eq!(look, now + LOOK);
        assert_eq!(agents.tick(now), Outcome::None, "not yet");
        assert_eq!(agents.tick(look), Outcome::Inspect("a".into()));
        // Something new: the graph moves until it has settled.
        agents.set_world(graph::tests::world(&["a", "b", "c"]), Vec::new());
        agents.update(Message::Choose(None), now);
        let mut now = now;
        let mut frames = 0;
        while let Some(at) = agents.deadline() {
            now = now.max(at);
            agents.tick(now);
            frames += 1;
            assert!(frames < 200, "it does not come to rest");
        }
        assert!(frames > 10, "it is seen to move");
        // Less of that is wanted.
        agents.set_still(true);
        agents.set_world(graph::tests::world(&["a", "b", "c", "d"]), Vec::new());
        let mut frames = 0;
        while let Some(at) = agents.deadline() {
            now = now.max(at);
            agents.tick(now);
            frames += 1;
        }
        assert!(frames < 6, "it is there soon: {frames}");
    }

    #[test]
    fn escape_goes_back_one_thing_at_a_time() {
        let (mut agents, now) = shown();
        named(&mut agents, Named::Tab, now);
        named(&mut agents, Named::PageUp, now);
        assert_eq!(typed(&mut agents, "/", now), Outcome::Focus);
        // Now they are text.
        assert_eq!(typed(&mut agents, ".", now), Outcome::None);
        assert_eq!(named(&mut agents, Named::Tab, now), Outcome::None);
        let mut open = || {
            let outcome = named(&mut agents, Named::Escape, now);
            let shown = (
                agents.line.is_some(),
                !agents.timeline.is_live(),
                agents.selected.is_some(),
            );
            (outcome, shown)
        };
        assert_eq!(open(), (Outcome::None, (false, true, true)));
        assert_eq!(open(), (Outcome::None, (false, false, true)));
        assert_eq!(open(), (Outcome::None, (false, false, false)));
        assert_eq!(open().0, Outcome::Close);
    }

    #[test]
    fn everything_is_stopped_by_the_second_press_in_time() {
        let (mut agents, now) = shown();
        assert_eq!(agents.update(Message::StopAll, now), Outcome::None);
        assert_eq!(agents.deadline(), Some(now + SURE));
        // Late, and so a first press again.
        let late = now + SURE;
        assert_eq!(agents.update(Message::StopAll, late), Outcome::None);
        let stop = Outcome::Order(Order::StopAll);
        assert_eq!(agents.update(Message::StopAll, late), stop);
        agents.tick(late);
        assert_eq!(agents.deadline(), None);
    }

    #[test]
    fn the_world_is_steered_by_keys_and_words() {
        let (mut agents, now) = shown();
        let pause = Outcome::Order(Order::Pause(true));
        assert_eq!(named(&mut agents, Named::Space, now), pause);
        assert_eq!(typed(&mut agents, ".", now), Outcome::None, "it runs");
        agents.set_pace(Pace {
            paused: true,
            speed: 1.0,
        });
        let (step, resume) = (Order::Step, Order::Pause(false));
        assert_eq!(typed(&mut agents, ".", now), Outcome::Order(step));
        assert_eq!(
            named(&mut agents, Named::Space, now),
            Outcome::Order(resume)
        );
        let faster = agents.update(Message::Faster(1), now);
        assert_eq!(faster, Outcome::Order(Order::Speed(2.0)));
        agents.set_pace(Pace {
            paused: false,
            speed: 0.1,
        });
        let slower = agents.update(Message::Faster(-1), now);
        assert_eq!(slower, Outcome::Order(Order::Speed(0.1)));

        let say = |agents: &mut Agents, words: &str| {
            agents.update(Message::OpenBar, now);
            agents.update(Message::Typed(words.into()), now);
            named(agents, Named::Enter, now)
        };
        let said = Outcome::Say {
            agent: "b".into(),
            text: "good morning".into(),
        };
        assert_eq!(say(&mut agents, "say b good morning"), said);
        assert_eq!(say(&mut agents, "find #B"), Outcome::Inspect("b".into()));
        let stop = Outcome::Order(Order::Stop("b".into()));
        assert_eq!(say(&mut agents, "stop"), stop);
        // A mistake is said and can be mended.
        assert_eq!(say(&mut agents, "stopp"), Outcome::Focus);
        assert_eq!(agents.line.as_deref(), Some("stopp"));
        assert!(agents.answer.as_ref().is_some_and(|(well, _)| !well));
    }

    #[test]
    fn events_are_listed_by_kind_by_what_is_chosen_and_up_to_the_moment() {
        let (mut agents, now) = shown();
        let numbers =
            |agents: &Agents| -> Vec<u64> { agents.listed().map(|event| event.number).collect() };
        assert_eq!(numbers(&agents), [4, 3, 2, 1]);
        agents.update(Message::Filter(Filter::States), now);
        assert_eq!(numbers(&agents), [3, 1]);
        agents.update(Message::Choose(Some(Key::Agent("a".into()))), now);
        assert_eq!(numbers(&agents), [1]);
        agents.update(Message::Filter(Filter::All), now);
        assert_eq!(numbers(&agents), [2, 1]);
        agents.update(Message::Oldest, now);
        assert_eq!(numbers(&agents), [1]);
    }

    #[test]
    fn it_says_when_the_orchestrator_is_gone_and_forgets_what_was() {
        let (mut agents, now) = shown();
        named(&mut agents, Named::Tab, now);
        agents.lost();
        assert!(agents.selected.is_none() && agents.timeline.at().is_none());
        assert_eq!(agents.deadline(), None);
        // Nothing can be chosen, and no key falls over that.
        for key in [Named::Tab, Named::ArrowUp, Named::PageUp, Named::Home] {
            assert_eq!(named(&mut agents, key, now), Outcome::None);
        }
        assert_eq!(named(&mut agents, Named::Escape, now), Outcome::Close);
    }
}
