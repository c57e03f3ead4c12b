//! Where the nodes of a graph lie: a force-directed layout that cools down and then rests.
//!
//! Bodies repel each other (Barnes and Hut, 1986: far groups count as one), springs pull together what
//! belongs together, a weak pull to the middle keeps loose parts near, and bodies that would lie on each
//! other are pushed apart. Each [`Layout::step`] is weaker than the one before, until it
//! [`Layout::is_still`] and steps change nothing. The method, with positions and velocities and a
//! falling heat, is that of Bostock's d3-force.
//!
//! Nothing here knows what the bodies stand for, draws, or reads a clock, and the same bodies and
//! springs always end up at the same places: another implementation can take its place.

use std::ops::Range;

/// A place, or a way, on the plane.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Place {
    /// To the right.
    pub x: f32,
    /// Down.
    pub y: f32,
}

impl Place {
    /// This one.
    pub const fn new(x: f32, y: f32) -> Self {
        Self { x, y }
    }

    fn to(self, other: Self) -> Self {
        Self::new(other.x - self.x, other.y - self.y)
    }

    fn squared(self) -> f32 {
        self.x * self.x + self.y * self.y
    }

    /// How far away another one is.
    pub fn distance(self, other: Self) -> f32 {
        self.to(other).squared().sqrt()
    }

    fn push(&mut self, way: Self, by: f32) {
        self.x += way.x * by;
        self.y += way.y * by;
    }
}

/// Something that has a place.
#[derive(Debug, Clone, Copy)]
struct Body {
    at: Place,
    velocity: Place,
    radius: f32,
    /// Held there, by the pointer.
    held: bool,
}

/// Two bodies that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spring(pub usize, pub usize);

/// The bodies at the other end of each body's springs.
#[derive(Debug, Default)]
pub struct Neighbours {
    /// Where those of each body begin in `all`, and where the last ones end.
    first: Vec<usize>,
    all: Vec<u32>,
}

impl Neighbours {
    /// Those of so many bodies.
    pub fn new(bodies: usize, springs: &[Spring]) -> Self {
        let mut first = vec![0; bodies + 1];
        for Spring(a, b) in springs {
            first[*a + 1] += 1;
            first[*b + 1] += 1;
        }
        for body in 0..bodies {
            first[body + 1] += first[body];
        }
        let mut free = first.clone();
        let mut all = vec![0; 2 * springs.len()];
        for Spring(a, b) in springs {
            for (own, other) in [(*a, *b), (*b, *a)] {
                all[free[own]] = other as u32;
                free[own] += 1;
            }
        }
        Self { first, all }
    }

    /// Where those of a body stand in [`Self::all`].
    pub fn of(&self, body: usize) -> Range<usize> {
        self.first[body]..self.first[body + 1]
    }

    /// Those of all bodies, one body's after another's.
    pub fn all(&self) -> &[u32] {
        &self.all
    }
}

/// Steps from full heat to rest.
pub const STEPS: u32 = 150;
/// Heat at which it rests.
const COLD: f32 = 0.001;
/// Heat after a change to a layout that was at rest.
const WARM: f32 = 0.4;
/// Distance that a spring wants between the edges of its bodies.
pub(super) const REST: f32 = 26.0;
/// How much farther that is for each body at the same one, by the square root of their number.
pub(super) const CROWD: f32 = 12.0;
/// How strongly bodies repel.
pub(super) const REPULSION: f32 = 90.0;
/// The pull to the middle; stronger downwards than sideways, as screens are wide.
pub(super) const PULL: Place = Place::new(0.05, 0.08);
/// What is left of a velocity after a step.
pub(super) const DRAG: f32 = 0.6;
/// Space kept between the edges of bodies.
pub const SPACE: f32 = 6.0;
/// A group that looks smaller than this from a body (its side by its distance) counts as one.
const NARROW: f32 = 0.8;

/// The layout.
#[derive(Debug, Default)]
pub struct Layout {
    bodies: Vec<Body>,
    springs: Vec<Spring>,
    /// Springs at each body.
    degrees: Vec<f32>,
    heat: f32,
    jitter: Jitter,
}

impl Layout {
    /// Takes these bodies and springs: of each body its radius and, if it was there before, its place.
    /// New ones begin beside one they belong to, or around the middle.
    pub fn set(&mut self, bodies: &[(f32, Option<Place>)], springs: Vec<Spring>) {
        let fresh = bodies.iter().all(|(_, at)| at.is_none());
        let mut degrees = vec![0.0; bodies.len()];
        for Spring(a, b) in &springs {
            degrees[*a] += 1.0;
            degrees[*b] += 1.0;
        }
        self.bodies.clear();
        for (index, (radius, at)) in bodies.iter().enumerate() {
            self.bodies.push(Body {
                at: at.unwrap_or_else(|| spiral(index)),
                velocity: Place::default(),
                radius: *radius,
                held: false,
            });
        }
        if !fresh {
            for Spring(a, b) in &springs {
                for (new, known) in [(*a, *b), (*b, *a)] {
                    if let (None, Some(near)) = (bodies[new].1, bodies[known].1) {
                        let aside = self.jitter.way();
                        self.bodies[new].at = near;
                        self.bodies[new].at.push(aside, REST);
                    }
                }
            }
        }
        self.springs = springs;
        self.degrees = degrees;
        self.warm(if fresh { 1.0 } else { WARM });
    }

    /// Where a body lies.
    pub fn place(&self, body: usize) -> Place {
        self.bodies[body].at
    }

    /// Whether nothing moves any more.
    pub fn is_still(&self) -> bool {
        self.heat <= COLD
    }

    /// Holds a body at a place.
    pub fn hold(&mut self, body: usize, at: Place) {
        let body = &mut self.bodies[body];
        body.at = at;
        body.velocity = Place::default();
        body.held = true;
        self.warm(WARM);
    }

    /// Lets go of every body.
    pub fn let_go(&mut self) {
        for body in &mut self.bodies {
            body.held = false;
        }
    }

    fn warm(&mut self, heat: f32) {
        self.heat = if self.bodies.is_empty() {
            0.0
        } else {
            self.heat.max(heat)
        };
    }

    /// Cools down by a step that is made elsewhere (the caller [`Layout::put`]s what came of it), and says at
    /// which heat; nothing at rest.
    pub fn cool(&mut self) -> Option<f32> {
        if self.is_still() {
            return None;
        }
        self.heat *= COLD.powf(1.0 / STEPS as f32);
        Some(self.heat)
    }

    /// Takes the places of all bodies, but for those that are held.
    pub fn put(&mut self, places: &[Place]) {
        for (body, at) in self.bodies.iter_mut().zip(places) {
            if !body.held {
                body.at = *at;
            }
        }
    }

    /// Moves everything a little.
    pub fn step(&mut self) {
        if self.cool().is_none() {
            return;
        }
        self.pull_together();
        self.repel();
        for body in &mut self.bodies {
            if body.held {
                continue;
            }
            body.velocity.x = (body.velocity.x - body.at.x * PULL.x * self.heat) * DRAG;
            body.velocity.y = (body.velocity.y - body.at.y * PULL.y * self.heat) * DRAG;
            let by = body.velocity;
            body.at.push(by, 1.0);
        }
        self.part();
        if self.is_still() {
            // What the last forces pushed together is parted once more.
            for _ in 0..PARTINGS {
                if !self.part() {
                    break;
                }
            }
        }
    }

    fn pull_together(&mut self) {
        for Spring(a, b) in &self.springs {
            let (from, to) = (self.bodies[*a], self.bodies[*b]);
            let way = from.at.to(to.at);
            let long = way.squared().sqrt().max(0.01);
            let (da, db) = (self.degrees[*a], self.degrees[*b]);
            // Around a body with many springs there has to be room for all.
            let rest = REST + from.radius + to.radius + CROWD * (da.max(db) - 1.0).sqrt();
            let pull = (long - rest) / long * self.heat / da.min(db).max(1.0);
            // What many springs hold moves less.
            let share = db / (da + db);
            self.bodies[*a].velocity.push(way, pull * share);
            self.bodies[*b].velocity.push(way, -pull * (1.0 - share));
        }
    }

    fn repel(&mut self) {
        let tree = Tree::of(self.bodies.iter().map(|body| body.at));
        for index in 0..self.bodies.len() {
            let away = tree.repulsion(index, self.bodies[index].at, &mut self.jitter);
            let by = -REPULSION * self.heat;
            self.bodies[index].velocity.push(away, by);
        }
    }

    /// Pushes bodies apart that overlap. Returns whether there were any.
    fn part(&mut self) -> bool {
        let widest = self.bodies.iter().map(|b| b.radius).fold(1.0, f32::max);
        let side = 2.0 * widest + SPACE;
        let cell = |at: Place| ((at.x / side).floor() as i32, (at.y / side).floor() as i32);
        let mut cells: Vec<((i32, i32), usize)> = self
            .bodies
            .iter()
            .enumerate()
            .map(|(index, body)| (cell(body.at), index))
            .collect();
        cells.sort_unstable();
        let mut any = false;
        for here in 0..cells.len() {
            let ((column, row), a) = cells[here];
            // The rest of this cell and half of the cells around it: each pair is met once.
            let around = [(1, -1), (1, 0), (1, 1), (0, 1)];
            let mut others: Vec<usize> = cells[here + 1..]
                .iter()
                .take_while(|(cell, _)| *cell == (column, row))
                .map(|(_, b)| *b)
                .collect();
            for (right, down) in around {
                let wanted = (column.saturating_add(right), row.saturating_add(down));
                let begin = cells.partition_point(|(cell, _)| *cell < wanted);
                let there = cells[begin..]
                    .iter()
                    .take_while(|(cell, _)| *cell == wanted);
                others.extend(there.map(|(_, b)| *b));
            }
            for b in others {
                any |= self.part_two(a, b);
            }
        }
        any
    }

    fn part_two(&mut self, a: usize, b: usize) -> bool {
        let (one, other) = (self.bodies[a], self.bodies[b]);
        let wanted = one.radius + other.radius + SPACE;
        let mut way = one.at.to(other.at);
        if way.squared() >= wanted * wanted {
            return false;
        }
        if way.squared() < 1e-4 {
            way = self.jitter.way();
        }
        let long = way.squared().sqrt();
        let overlap = (wanted - long).max(0.0) / long;
        let (ours, theirs) = match (one.held, other.held) {
            (true, true) => (0.0, 0.0),
            (true, false) => (0.0, 1.0),
            (false, true) => (1.0, 0.0),
            (false, false) => (0.5, 0.5),
        };
        self.bodies[a].at.push(way, -overlap * ours);
        self.bodies[b].at.push(way, overlap * theirs);
        overlap * long > SPACE / 4.0
    }
}

/// Most times that overlaps are looked for at the end.
pub(super) const PARTINGS: usize = 60;

/// The place of a body without neighbours: a sunflower's spiral.
fn spiral(index: usize) -> Place {
    let turn = std::f32::consts::PI * (3.0 - 5.0_f32.sqrt());
    let (far, angle) = (14.0 * (index as f32 + 0.5).sqrt(), index as f32 * turn);
    Place::new(far * angle.cos(), far * angle.sin())
}

/// Ways for bodies that lie on the same place, always the same ones in the same order.
#[derive(Debug, Default)]
struct Jitter(u32);

impl Jitter {
    fn way(&mut self) -> Place {
        self.0 = self.0.wrapping_add(1);
        let angle = self.0 as f32 * 2.4;
        Place::new(angle.cos(), angle.sin())
    }
}

/// Bodies sorted into squares within squares, with the middle of those in each.
#[derive(Debug)]
struct Tree {
    cells: Vec<Cell>,
    corner: Place,
    side: f32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    /// How many bodies are in it, and the sum of their places.
    count: f32,
    sum: Place,
    /// The squares in it by quarter, 0 for none: the root is nobody's child.
    children: [u32; 4],
    /// The body, where there is one only.
    body: Option<u32>,
}

/// Squares are halved so often and no further: bodies may lie on the same place.
const DEEPEST: u32 = 20;

impl Tree {
    fn of(places: impl Iterator<Item = Place> + Clone) -> Self {
        let (mut least, mut most) = (
            Place::new(f32::MAX, f32::MAX),
            Place::new(f32::MIN, f32::MIN),
        );
        for at in places.clone() {
            least = Place::new(least.x.min(at.x), least.y.min(at.y));
            most = Place::new(most.x.max(at.x), most.y.max(at.y));
        }
        let side = (most.x - least.x).max(most.y - least.y).max(1.0);
        let mut tree = Self {
            cells: vec![Cell::default()],
            corner: least,
            side,
        };
        for (index, at) in places.enumerate() {
            tree.insert(index as u32, at);
        }
        tree
    }

    fn insert(&mut self, body: u32, at: Place) {
        let (mut cell, mut corner, mut side) = (0, self.corner, self.side);
        for _ in 0..DEEPEST {
            let (was, alone) = (self.cells[cell], self.cells[cell].body.take());
            self.add(cell, at);
            if was.count == 0.0 {
                self.cells[cell].body = Some(body);
                return;
            }
            side /= 2.0;
            if let Some(other) = alone {
                // Two of them now: the first one goes a level down.
                let below = self.child(cell, quarter(was.sum, corner, side));
                self.add(below, was.sum);
                self.cells[below].body = Some(other);
            }
            let at_quarter = quarter(at, corner, side);
            cell = self.child(cell, at_quarter);
            corner.x += side * (at_quarter % 2) as f32;
            corner.y += side * (at_quarter / 2) as f32;
        }
        self.add(cell, at);
    }

    fn add(&mut self, cell: usize, at: Place) {
        self.cells[cell].count += 1.0;
        self.cells[cell].sum.push(at, 1.0);
    }

    fn child(&mut self, cell: usize, quarter: usize) -> usize {
        match self.cells[cell].children[quarter] {
            0 => {
                let new = self.cells.len();
                self.cells.push(Cell::default());
                self.cells[cell].children[quarter] = new as u32;
                new
            }
            child => child as usize,
        }
    }

    /// The sum of the ways to all other bodies, each by the square of its length.
    fn repulsion(&self, body: usize, at: Place, jitter: &mut Jitter) -> Place {
        let mut sum = Place::default();
        let mut open = vec![(0, self.side)];
        while let Some((index, side)) = open.pop() {
            let cell = &self.cells[index];
            if cell.count == 0.0 || cell.body == Some(body as u32) {
                continue;
            }
            let middle = Place::new(cell.sum.x / cell.count, cell.sum.y / cell.count);
            let mut way = at.to(middle);
            let far = way.squared();
            let inner = cell.children.iter().any(|child| *child != 0);
            if inner && side * side > NARROW * NARROW * far {
                let children = cell.children.iter().filter(|child| **child != 0);
                open.extend(children.map(|child| (*child as usize, side / 2.0)));
                continue;
            }
            if far < 1e-4 {
                way = jitter.way();
            }
            sum.push(way, cell.count / way.squared().max(1.0));
        }
        sum
    }
}

/// Which quarter of a square a place is in; `half` is half of the square's side.
fn quarter(at: Place, corner: Place, half: f32) -> usize {
    usize::from(at.x >= corner.x + half) + 2 * usize::from(at.y >= corner.y + half)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    /// `agents` pairs of an agent and its room, with a person who talks to every third one.
    fn pairs(agents: usize) -> Layout {
        let mut bodies = vec![(12.0, None)];
        let mut springs = Vec::new();
        for agent in 0..agents {
            let (own, room) = (bodies.len(), bodies.len() + 1);
            bodies.extend([(10.0, None), (8.0, None)]);
            springs.push(Spring(own, room));
            if agent % 3 == 0 {
                springs.push(Spring(0, room));
            }
        }
        let mut layout = Layout::default();
        layout.set(&bodies, springs);
        layout
    }

    #[test]
    fn neighbours_are_known_from_both_ends() {
        let springs = [Spring(0, 2), Spring(3, 0), Spring(0, 2)];
        let neighbours = Neighbours::new(5, &springs);
        let of = |body| neighbours.all()[neighbours.of(body)].to_vec();
        assert_eq!(of(0), [2, 3, 2]);
        assert_eq!((of(1), of(4)), (vec![], vec![]));
        assert_eq!((of(2), of(3)), (vec![0, 0], vec![0]));
        assert_eq!(Neighbours::new(0, &[]).all(), [0; 0]);
    }

    #[test]
    fn what_is_made_elsewhere_cools_alike_and_leaves_held_bodies() {
        let (mut here, mut elsewhere) = (pairs(3), pairs(3));
        let mut steps = 0;
        while elsewhere.cool().is_some() {
            here.step();
            assert_eq!(here.heat, elsewhere.heat);
            steps += 1;
        }
        assert!(here.is_still() && steps > 0);
        let there = Place::new(9.0, 9.0);
        elsewhere.hold(2, there);
        elsewhere.put(&[Place::default(); 7]);
        assert_eq!(elsewhere.place(2), there);
        assert_eq!(elsewhere.place(3), Place::default());
    }

    fn settle(layout: &mut Layout) -> u32 {
        let mut steps = 0;
        while !layout.is_still() {
            layout.step();
            steps += 1;
            assert!(steps <= STEPS + 1, "it does not come to rest");
        }
        steps
    }

    fn sound(layout: &Layout) {
        for (a, one) in layout.bodies.iter().enumerate() {
            assert!(one.at.x.is_finite() && one.at.y.is_finite(), "{one:?}");
            for other in &layout.bodies[a + 1..] {
                let apart = one.at.distance(other.at);
                let touching = one.radius + other.radius;
                assert!(apart >= touching, "{one:?} lies on {other:?}");
            }
        }
    }

    #[test]
    fn it_comes_to_rest_without_overlaps_and_within_reach() {
        for count in [0, 1, 2, 7, 60, 500] {
            let mut layout = pairs(count);
            settle(&mut layout);
            sound(&layout);
            let reach = layout
                .bodies
                .iter()
                .map(|body| body.at.distance(Place::default()))
                .fold(0.0, f32::max);
            let bound = 120.0 + 60.0 * (2.0 * count as f32).sqrt();
            assert!(reach < bound, "{count}: {reach} from the middle");
        }
    }

    #[test]
    fn what_belongs_together_lies_together() {
        let mut layout = pairs(40);
        settle(&mut layout);
        let mean = |distances: &[f32]| distances.iter().sum::<f32>() / distances.len() as f32;
        let (mut bound, mut others) = (Vec::new(), Vec::new());
        for agent in 0..40 {
            let own = layout.place(1 + 2 * agent);
            for room in 0..40 {
                let far = own.distance(layout.place(2 + 2 * room));
                if room == agent {
                    bound.push(far);
                } else {
                    others.push(far);
                }
            }
        }
        assert!(mean(&bound) * 3.0 < mean(&others));
    }

    #[test]
    fn the_same_graph_always_lies_the_same() {
        let (mut one, mut other) = (pairs(30), pairs(30));
        settle(&mut one);
        settle(&mut other);
        for body in 0..one.bodies.len() {
            assert_eq!(one.place(body), other.place(body));
        }
    }

    #[test]
    fn bodies_on_one_place_are_parted() {
        let mut layout = Layout::default();
        let bodies: Vec<_> = (0..50).map(|_| (9.0, Some(Place::new(5.0, 5.0)))).collect();
        layout.set(&bodies, Vec::new());
        settle(&mut layout);
        sound(&layout);
    }

    #[test]
    fn what_was_there_stays_near_where_it_was() {
        let mut layout = pairs(20);
        settle(&mut layout);
        let before: Vec<Place> = (0..41).map(|body| layout.place(body)).collect();
        let mut bodies: Vec<_> = (0..41)
            .map(|body| (layout.bodies[body].radius, Some(before[body])))
            .collect();
        let mut springs = layout.springs.clone();
        bodies.push((10.0, None));
        springs.push(Spring(41, 2));
        layout.set(&bodies, springs);
        assert!(layout.place(41).distance(before[2]) < 2.0 * REST, "beside");
        settle(&mut layout);
        sound(&layout);
        let moved = (0..41).map(|body| layout.place(body).distance(before[body]));
        let most = moved.fold(0.0, f32::max);
        assert!(most < 120.0, "{most}");
    }

    #[test]
    fn a_held_body_stays_where_it_is_held() {
        let mut layout = pairs(10);
        settle(&mut layout);
        let there = Place::new(300.0, -200.0);
        layout.hold(1, there);
        settle(&mut layout);
        assert_eq!(layout.place(1), there);
        layout.let_go();
        assert!(layout.is_still(), "letting go moves nothing by itself");
    }

    #[test]
    fn five_hundred_agents_are_quick() {
        let mut layout = pairs(500);
        let begun = Instant::now();
        for _ in 0..20 {
            layout.step();
        }
        // A hundredth of that on a quiet machine with an optimised build.
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
}
