//! What of the graph is to be seen, whoever draws it: how each node looks and which lines bind them.
//!
//! It is made anew when something is different, not for each frame; where the nodes lie and how they are looked
//! at is not in it. Its numbers are laid out as the GPU takes them (`gpu`); the canvas reads the same ones.

use std::collections::HashMap;
use std::sync::Arc;

use argos_bus::agents::Agent;
use bytemuck::{Pod, Zeroable};
use iced_core::Color;

use super::graph::{Bond, Graph, Key};
use super::layout::Neighbours;
use super::timeline::{Timeline, speaker};
use crate::parts::panel::state_color;
use crate::theme::Palette;

/// How a node looks. The numbers stand in `gpu/draw.wgsl` as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Look {
    /// The person.
    Person = 0,
    /// A room.
    Room = 1,
    /// An agent that waits for something to do.
    Idle = 2,
    /// One that thinks, acts or starts.
    Busy = 3,
    /// One that waits for the person.
    Waiting = 4,
    /// One that gave up.
    Failed = 5,
    /// One that is not running.
    Stopped = 6,
    /// One in a state that is not known here.
    Other = 7,
    /// One that is not there at the moment that is shown.
    Absent = 8,
}

impl Look {
    const ALL: [Self; 9] = [
        Self::Person,
        Self::Room,
        Self::Idle,
        Self::Busy,
        Self::Waiting,
        Self::Failed,
        Self::Stopped,
        Self::Other,
        Self::Absent,
    ];

    /// That of an agent in this state.
    pub fn of_state(state: &str) -> Self {
        match state {
            "idle" => Self::Idle,
            "thinking" | "acting" | "starting" => Self::Busy,
            "waiting" => Self::Waiting,
            "failed" => Self::Failed,
            "stopped" => Self::Stopped,
            _ => Self::Other,
        }
    }

    /// The colour of an agent's mark.
    pub fn color(self, palette: &Palette) -> Color {
        let state = match self {
            Self::Idle => "idle",
            Self::Busy => "acting",
            Self::Waiting => "waiting",
            Self::Failed => "failed",
            Self::Person | Self::Room | Self::Stopped | Self::Other | Self::Absent => "",
        };
        state_color(state, palette)
    }
}

/// A node.
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Body {
    /// On the plane.
    pub radius: f32,
    /// Where its neighbours begin in [`Neighbours::all`].
    pub first: u32,
    /// How many they are.
    pub count: u32,
    pub(super) look: u32,
}

impl Body {
    /// How it looks.
    pub fn look(&self) -> Look {
        Look::ALL[self.look as usize]
    }
}

/// What a line says. The numbers stand in `gpu/draw.wgsl` as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Says {
    /// An agent is in a room.
    Inside = 0,
    /// Somebody spoke in a room.
    Spoke = 1,
    /// What happens at the moment goes this way.
    Now = 2,
}

/// A line between two nodes.
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Line {
    /// The node where it begins.
    pub from: u32,
    /// And where it ends.
    pub to: u32,
    says: u32,
    /// In logical pixels.
    pub width: f32,
}

impl Line {
    /// A line of this width.
    pub fn new(from: usize, to: usize, says: Says, width: f32) -> Self {
        Self {
            from: from as u32,
            to: to as u32,
            says: says as u32,
            width,
        }
    }

    /// What it says.
    pub fn says(&self) -> Says {
        match self.says {
            0 => Says::Inside,
            1 => Says::Spoke,
            _ => Says::Now,
        }
    }
}

/// Lines that one event can be shown by.
pub const NOW_LINES: usize = 2;
const INSIDE: f32 = 1.25;
const NOW: f32 = 3.0;

/// What is to be seen.
#[derive(Debug)]
pub struct Scene {
    /// What binds the nodes, by which one graph is told from another.
    pub neighbours: Arc<Neighbours>,
    /// The nodes, in the graph's order.
    pub bodies: Vec<Body>,
    /// The lines, those drawn first first. At most as many as the graph has edges, and [`NOW_LINES`].
    pub lines: Vec<Line>,
    /// Where the nodes lay when it was made: x, y, and no velocity.
    pub places: Vec<[f32; 4]>,
}

impl Scene {
    /// The graph with these agents at the timeline's moment.
    pub fn new(graph: &Graph, agents: &[Agent], timeline: &Timeline) -> Self {
        let neighbours = graph.neighbours().clone();
        let body = |(node, key): (usize, &Key)| {
            let look = match key {
                Key::Person => Look::Person,
                Key::Room(_) => Look::Room,
                Key::Agent(name) => named(agents, node, name)
                    .and_then(|agent| timeline.state(name, &agent.state))
                    .map_or(Look::Absent, Look::of_state),
            };
            let own = neighbours.of(node);
            Body {
                radius: key.radius(),
                first: own.start as u32,
                count: own.len() as u32,
                look: look as u32,
            }
        };
        let place = |node| {
            let at = graph.place(node);
            [at.x, at.y, 0.0, 0.0]
        };
        Self {
            bodies: graph.nodes().iter().enumerate().map(body).collect(),
            lines: lines(graph, timeline),
            places: (0..graph.nodes().len()).map(place).collect(),
            neighbours,
        }
    }
}

/// The agent that a node stands for. The graph has the agents in the world's order, after the person.
pub fn named<'a>(agents: &'a [Agent], node: usize, name: &str) -> Option<&'a Agent> {
    let there = node.checked_sub(1).and_then(|index| agents.get(index));
    there
        .filter(|agent| agent.name == name)
        .or_else(|| agents.iter().find(|agent| agent.name == name))
}

fn lines(graph: &Graph, timeline: &Timeline) -> Vec<Line> {
    let spoke: HashMap<(usize, usize), usize> = timeline
        .said()
        .iter()
        .filter_map(|(from, room, count)| {
            let from = graph.node(&Key::of_speaker(from)?)?;
            let room = graph.node(&Key::Room((*room).to_owned()))?;
            Some(((from, room), *count))
        })
        .collect();
    let mut lines = Vec::with_capacity(graph.edges().len() + NOW_LINES);
    for edge in graph.edges().iter().filter(|e| e.bond == Bond::Spoke) {
        // Where there is none, it speaks later than the moment that is shown.
        if let Some(times) = spoke.get(&(edge.from, edge.to)) {
            // The more was said the stronger, in ever smaller steps.
            let width = 1.0 + (*times as f32).log2().min(5.0) * 0.5;
            lines.push(Line::new(edge.from, edge.to, Says::Spoke, width));
        }
    }
    let inside = graph.edges().iter().filter(|e| e.bond == Bond::Inside);
    lines.extend(inside.map(|e| Line::new(e.from, e.to, Says::Inside, INSIDE)));
    // What the event at the moment went through.
    if let Some(event) = timeline.at()
        && matches!(event.kind.as_str(), "said" | "attended" | "answered")
    {
        let from = match event.kind.as_str() {
            "said" => Key::of_speaker(speaker(&event.from)),
            _ => None,
        };
        let way = [
            from,
            Some(Key::Room(event.agent.clone())),
            Some(Key::Agent(event.agent.clone())),
        ];
        let way: Vec<usize> = way
            .iter()
            .flatten()
            .filter_map(|key| graph.node(key))
            .collect();
        let pairs = way.windows(2);
        lines.extend(pairs.map(|pair| Line::new(pair[0], pair[1], Says::Now, NOW)));
    }
    lines
}
