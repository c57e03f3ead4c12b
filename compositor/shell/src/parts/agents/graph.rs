//! The agents' world as a graph: who and where its nodes are, what binds them, and how it is looked at.

use std::collections::HashMap;
use std::sync::Arc;

use argos_bus::agents::World;
use iced_core::{Point, Size};

use super::layout::{Layout, Neighbours, Place, STEPS, Spring};

/// What a node stands for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// The person at the screen.
    Person,
    /// An agent, by name.
    Agent(String),
    /// A room, by name.
    Room(String),
}

impl Key {
    /// Radius on the plane.
    pub fn radius(&self) -> f32 {
        match self {
            Self::Person => 13.0,
            Self::Agent(_) => 11.0,
            Self::Room(_) => 8.0,
        }
    }

    /// The one who speaks, as an event says it: `person`, `agent:NAME`.
    pub fn of_speaker(from: &str) -> Option<Self> {
        match from.strip_prefix("agent:") {
            Some(name) => Some(Self::Agent(name.to_owned())),
            None => (from == "person").then_some(Self::Person),
        }
    }
}

/// How two nodes belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bond {
    /// An agent is in a room.
    Inside,
    /// Somebody spoke in a room.
    Spoke,
}

/// Two nodes that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// The agent or the person.
    pub from: usize,
    /// The room.
    pub to: usize,
    /// How.
    pub bond: Bond,
}

/// What of the plane is in sight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// What is in the middle.
    pub middle: Place,
    /// Logical pixels to a unit of the plane.
    pub zoom: f32,
}

/// The least and the most zoom.
const ZOOMS: (f32, f32) = (0.1, 4.0);
/// The most zoom that is taken to show everything.
const CLOSEST_FIT: f32 = 1.7;
/// Room at the sides when everything is shown, for labels and the legend.
const MARGIN: Size = Size::new(70.0, 48.0);
/// Steps that are made at once when it begins, divided by the number of nodes.
const HEAD_START: usize = 60_000;

impl View {
    /// Where a place is in an area of this size.
    pub fn point(&self, at: Place, size: Size) -> Point {
        Point::new(
            size.width / 2.0 + (at.x - self.middle.x) * self.zoom,
            size.height / 2.0 + (at.y - self.middle.y) * self.zoom,
        )
    }

    /// Which place is there.
    pub fn place(&self, at: Point, size: Size) -> Place {
        Place::new(
            self.middle.x + (at.x - size.width / 2.0) / self.zoom,
            self.middle.y + (at.y - size.height / 2.0) / self.zoom,
        )
    }

    /// So many times closer, with what is at `fixed` staying there.
    #[must_use]
    pub fn zoomed(&self, by: f32, fixed: Point, size: Size) -> Self {
        let zoom = (self.zoom * by).clamp(ZOOMS.0, ZOOMS.1);
        let there = self.place(fixed, size);
        Self {
            zoom,
            middle: Place::new(
                there.x - (fixed.x - size.width / 2.0) / zoom,
                there.y - (fixed.y - size.height / 2.0) / zoom,
            ),
        }
    }
}

/// The graph.
#[derive(Debug, Default)]
pub struct Graph {
    nodes: Vec<Key>,
    index: HashMap<Key, usize>,
    edges: Vec<Edge>,
    neighbours: Arc<Neighbours>,
    layout: Layout,
    held: Option<usize>,
    /// As the person moved it; of none, everything is shown.
    view: Option<View>,
}

impl Graph {
    /// Shows this world, in which those spoke (source, room, how often).
    pub fn set(&mut self, world: &World, said: &[(&str, &str, usize)]) {
        let mut nodes = vec![Key::Person];
        nodes.extend(world.agents.iter().map(|a| Key::Agent(a.name.clone())));
        nodes.extend(world.rooms.iter().map(|r| Key::Room(r.name.clone())));
        let index: HashMap<Key, usize> = nodes.iter().cloned().zip(0..).collect();
        let mut edges = Vec::new();
        for room in &world.rooms {
            let to = index[&Key::Room(room.name.clone())];
            for agent in &room.occupants {
                if let Some(from) = index.get(&Key::Agent(agent.clone())) {
                    let (from, bond) = (*from, Bond::Inside);
                    edges.push(Edge { from, to, bond });
                }
            }
        }
        for (source, room, _) in said {
            let from = Key::of_speaker(source).and_then(|key| index.get(&key));
            let to = index.get(&Key::Room((*room).to_owned()));
            if let (Some(from), Some(to)) = (from, to) {
                let (from, to) = (*from, *to);
                if edges.iter().all(|e| (e.from, e.to) != (from, to)) {
                    let bond = Bond::Spoke;
                    edges.push(Edge { from, to, bond });
                }
            }
        }
        if (&nodes, &edges) == (&self.nodes, &self.edges) {
            return;
        }
        let fresh = self.nodes.is_empty();
        let bodies: Vec<_> = nodes
            .iter()
            .map(|key| {
                let was = self.index.get(key).map(|node| self.layout.place(*node));
                (key.radius(), was)
            })
            .collect();
        let springs: Vec<_> = edges.iter().map(|e| Spring(e.from, e.to)).collect();
        self.neighbours = Arc::new(Neighbours::new(nodes.len(), &springs));
        self.held = None;
        self.layout.set(&bodies, springs);
        (self.nodes, self.index, self.edges) = (nodes, index, edges);
        if fresh {
            // Small ones are at rest before they are first seen.
            for _ in 0..(HEAD_START / self.nodes.len()).min(STEPS as usize + 1) {
                self.layout.step();
            }
        }
    }

    /// Every node.
    pub fn nodes(&self) -> &[Key] {
        &self.nodes
    }

    /// Whether there is this node.
    pub fn has(&self, key: &Key) -> bool {
        self.index.contains_key(key)
    }

    /// Where a node stands in [`Self::nodes`].
    pub fn node(&self, key: &Key) -> Option<usize> {
        self.index.get(key).copied()
    }

    /// What the bonds bind: another one for each graph of other nodes or bonds.
    pub fn neighbours(&self) -> &Arc<Neighbours> {
        &self.neighbours
    }

    /// Every bond.
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// Where a node lies.
    pub fn place(&self, node: usize) -> Place {
        self.layout.place(node)
    }

    /// Whether nothing moves.
    pub fn is_still(&self) -> bool {
        self.layout.is_still()
    }

    /// Moves everything a little.
    pub fn step(&mut self) {
        self.layout.step();
    }

    /// Cools down by a step that is made elsewhere ([`Layout::cool`]).
    pub fn cool(&mut self) -> Option<f32> {
        self.layout.cool()
    }

    /// Takes the places of all nodes, in their order, if they are of this graph.
    pub fn put(&mut self, of: &Arc<Neighbours>, places: &[Place]) {
        if Arc::ptr_eq(of, &self.neighbours) {
            self.layout.put(places);
        }
    }

    /// Holds a node at a place.
    pub fn hold(&mut self, key: &Key, at: Place) {
        if let Some(node) = self.index.get(key) {
            self.held = Some(*node);
            self.layout.hold(*node, at);
        }
    }

    /// The node that is held, and where.
    pub fn held(&self) -> Option<(usize, Place)> {
        self.held.map(|node| (node, self.place(node)))
    }

    /// Lets go of it.
    pub fn let_go(&mut self) {
        self.held = None;
        self.layout.let_go();
    }

    /// Looks at it like this from now on.
    pub fn look(&mut self, view: View) {
        self.view = Some(view);
    }

    /// Shows everything from now on.
    pub fn fit(&mut self) {
        self.view = None;
    }

    /// How it is looked at in an area of this size.
    pub fn view(&self, size: Size) -> View {
        if let Some(view) = self.view {
            return view;
        }
        let mut least = Place::default();
        let mut most = Place::default();
        for (node, key) in self.nodes.iter().enumerate() {
            let (at, r) = (self.place(node), key.radius());
            least = Place::new(least.x.min(at.x - r), least.y.min(at.y - r));
            most = Place::new(most.x.max(at.x + r), most.y.max(at.y + r));
        }
        let fits = |room: f32, margin: f32, needed: f32| {
            (room - 2.0 * margin).max(room / 2.0) / needed.max(1.0)
        };
        let zoom = fits(size.width, MARGIN.width, most.x - least.x)
            .min(fits(size.height, MARGIN.height, most.y - least.y))
            .clamp(ZOOMS.0, CLOSEST_FIT);
        View {
            middle: Place::new((least.x + most.x) / 2.0, (least.y + most.y) / 2.0),
            zoom,
        }
    }

    /// The node at a point of an area of this size.
    pub fn hit(&self, at: Point, size: Size) -> Option<&Key> {
        let view = self.view(size);
        let there = view.place(at, size);
        let (node, far) = (0..self.nodes.len())
            .map(|node| (node, self.place(node).distance(there)))
            .min_by(|a, b| a.1.total_cmp(&b.1))?;
        let reach = self.nodes[node].radius().max(9.0 / view.zoom) + 3.0 / view.zoom;
        (far <= reach).then(|| &self.nodes[node])
    }

    /// The node that comes `by` nodes after another one, agents before rooms before the person, around the
    /// ends.
    pub fn next(&self, from: Option<&Key>, by: isize) -> Option<Key> {
        let mut order: Vec<&Key> = self.nodes.iter().collect();
        order.sort_by_key(|key| match key {
            Key::Agent(name) => (0, name.as_str()),
            Key::Room(name) => (1, name.as_str()),
            Key::Person => (2, ""),
        });
        let here = from.and_then(|key| order.iter().position(|other| *other == key));
        let count = order.len() as isize;
        if count == 0 {
            return None;
        }
        let next = match here {
            Some(here) => (here as isize + by).rem_euclid(count),
            None if by > 0 => 0,
            None => count - 1,
        };
        order.get(next as usize).map(|key| (*key).clone())
    }

    /// The nearest node in a direction, (1, 0) for the right.
    pub fn beside(&self, from: Option<&Key>, (right, down): (i8, i8)) -> Option<Key> {
        let Some(here) = from.and_then(|key| self.index.get(key)) else {
            return self.next(None, 1);
        };
        let at = self.place(*here);
        let (right, down) = (f32::from(right), f32::from(down));
        let cost = |node: usize| {
            let other = self.place(node);
            let (x, y) = (other.x - at.x, other.y - at.y);
            let (along, across) = (x * right + y * down, (x * down - y * right).abs());
            // What is more beside than in that direction is in another one.
            (along > 0.0 && across <= along * 2.0).then_some(along + 2.0 * across)
        };
        (0..self.nodes.len())
            .filter(|node| node != here)
            .filter_map(|node| cost(node).map(|cost| (node, cost)))
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(node, _)| self.nodes[node].clone())
    }

    /// The agent or room whose name, or title in `titles`, begins with or holds these words.
    pub fn find(&self, words: &str, titles: &HashMap<&str, &str>) -> Option<Key> {
        let words = words.trim().trim_start_matches('#').to_lowercase();
        let rank = |key: &Key| {
            let (kind, name, title) = match key {
                Key::Person => return None,
                Key::Agent(name) => (0, name, titles.get(name.as_str()).copied()),
                Key::Room(name) => (1, name, None),
            };
            let names = [Some(name.as_str()), title].into_iter().flatten();
            let best = names.filter_map(|name| {
                let name = name.to_lowercase();
                match name.find(&words) {
                    Some(0) if name == words => Some(0),
                    Some(0) => Some(1),
                    Some(_) => Some(2),
                    None => None,
                }
            });
            best.min().map(|best| (best, kind))
        };
        let found = self.nodes.iter().filter_map(|key| Some((rank(key)?, key)));
        found.min().map(|(_, key)| key.clone())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use argos_bus::agents::{Agent, Pace, Room};

    use super::*;

    pub(crate) fn world(names: &[&str]) -> World {
        let agent = |name: &&str| Agent {
            name: (*name).to_owned(),
            title: name.to_uppercase(),
            description: String::new(),
            state: "idle".into(),
            detail: String::new(),
            since_ms: 0,
        };
        let room = |name: &&str| Room {
            name: (*name).to_owned(),
            occupants: vec![(*name).to_owned()],
        };
        World {
            agents: names.iter().map(agent).collect(),
            rooms: names.iter().map(room).collect(),
            pace: Pace::default(),
            newest: 0,
        }
    }

    fn agent(name: &str) -> Key {
        Key::Agent(name.to_owned())
    }

    const SIZE: Size = Size::new(800.0, 500.0);

    #[test]
    fn the_world_is_a_graph_of_agents_rooms_and_who_speaks_where() {
        let mut graph = Graph::default();
        let said = [
            ("person", "a", 3),
            ("agent:a", "b", 1),
            ("timer", "a", 1),
            ("agent:gone", "a", 1),
            // Its own room binds it already.
            ("agent:a", "a", 1),
        ];
        graph.set(&world(&["a", "b"]), &said);
        assert_eq!(graph.nodes().len(), 5);
        let spoke = graph.edges().iter().filter(|e| e.bond == Bond::Spoke);
        assert_eq!((graph.edges().len(), spoke.count()), (4, 2));
        assert!(graph.is_still(), "a small one is at rest at once");
        let before = graph.place(1);
        graph.set(&world(&["a", "b"]), &said);
        assert!(graph.is_still() && graph.place(1) == before, "as before");
        graph.set(&world(&["a", "b", "c"]), &said);
        assert!(!graph.is_still());
        assert_eq!(graph.place(graph.index[&agent("a")]), before);
    }

    #[test]
    fn everything_is_in_sight_until_somebody_looks_elsewhere() {
        let names: Vec<String> = (0..40).map(|n| format!("agent-{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut graph = Graph::default();
        graph.set(&world(&names), &[]);
        for size in [SIZE, Size::new(300.0, 900.0)] {
            let view = graph.view(size);
            for node in 0..graph.nodes().len() {
                let point = view.point(graph.place(node), size);
                assert!((0.0..=size.width).contains(&point.x), "{point:?}");
                assert!((0.0..=size.height).contains(&point.y), "{point:?}");
                let back = view.place(point, size);
                assert!(back.distance(graph.place(node)) < 0.1);
            }
        }
        let view = graph.view(SIZE);
        let corner = Point::new(100.0, 100.0);
        let closer = view.zoomed(2.0, corner, SIZE);
        let (before, after) = (view.place(corner, SIZE), closer.place(corner, SIZE));
        assert!(
            before.distance(after) < 0.1,
            "what is under the pointer stays"
        );
        graph.look(closer);
        assert_eq!(graph.view(SIZE), closer);
        graph.fit();
        assert_eq!(graph.view(SIZE), view);
        assert!(view.zoomed(1e9, corner, SIZE).zoom <= ZOOMS.1);
    }

    #[test]
    fn nodes_are_hit_where_they_are_drawn() {
        let mut graph = Graph::default();
        graph.set(&world(&["a", "b"]), &[]);
        let view = graph.view(SIZE);
        for (node, key) in graph.nodes().iter().enumerate() {
            let at = view.point(graph.place(node), SIZE);
            assert_eq!(graph.hit(at, SIZE), Some(key));
        }
        assert_eq!(graph.hit(Point::new(1.0, 1.0), SIZE), None);
    }

    #[test]
    fn keys_reach_every_node() {
        let mut graph = Graph::default();
        graph.set(&world(&["b", "a"]), &[]);
        let mut seen = Vec::new();
        let mut here = None;
        for _ in 0..5 {
            here = graph.next(here.as_ref(), 1);
            seen.extend(here.clone());
        }
        let room = |name: &str| Key::Room(name.to_owned());
        let all = [agent("a"), agent("b"), room("a"), room("b"), Key::Person];
        assert_eq!(seen, all);
        assert_eq!(graph.next(here.as_ref(), 1), Some(agent("a")));
        assert_eq!(graph.next(Some(&agent("a")), -1), Some(Key::Person));
        // Going somewhere and nowhere else gets there.
        for (node, key) in graph.nodes().iter().enumerate() {
            for way in [(1, 0), (-1, 0), (0, 1), (0, -1)] {
                if let Some(other) = graph.beside(Some(key), way) {
                    let (from, to) = (graph.place(node), graph.place(graph.index[&other]));
                    let along =
                        (to.x - from.x) * f32::from(way.0) + (to.y - from.y) * f32::from(way.1);
                    assert!(along > 0.0, "{key:?} {way:?} {other:?}");
                }
            }
        }
        assert_eq!(graph.beside(None, (1, 0)), Some(agent("a")));
    }

    #[test]
    fn names_are_found_whole_before_in_part() {
        let mut graph = Graph::default();
        graph.set(&world(&["clerk", "clerk-two", "steward"]), &[]);
        let titles = HashMap::from([("steward", "Head of the house")]);
        let found = |words| graph.find(words, &titles);
        assert_eq!(found("clerk"), Some(agent("clerk")));
        assert_eq!(found("TWO"), Some(agent("clerk-two")));
        assert_eq!(found("house"), Some(agent("steward")));
        assert_eq!(found("nobody"), None);
    }
}
