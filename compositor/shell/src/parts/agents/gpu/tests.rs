//! The shaders against what they are given, always; what they do, where there is any adapter: a GPU, or Mesa's
//! software driver (`mesa-vulkan-drivers`).

use std::mem::offset_of;

use argos_bus::agents::{Agent, Event as Happened, Pace, Room, World};
use iced_core::Color;
use iced_wgpu::primitive::Pipeline as _;
use wgpu::naga;
use wgpu::naga::valid::{Capabilities, ValidationFlags, Validator};

use super::pipeline::{DRAW, LAYOUT, NUMBERS, Round, Sight, TILE};
use super::*;
use crate::host::headless;
use crate::parts::agents::graph::Bond;
use crate::parts::agents::layout::{CROWD, DRAG, PULL, REPULSION, REST, SPACE};
use crate::parts::agents::scene::{Body, Look};
use crate::parts::agents::timeline::Timeline;
use crate::parts::agents::{Agents, Outcome};
use crate::{theme, widgets};

fn module(source: &str) -> naga::Module {
    let module = naga::front::wgsl::parse_str(source)
        .unwrap_or_else(|wrong| panic!("{}", wrong.emit_to_string(source)));
    // No more than every device can.
    Validator::new(ValidationFlags::all(), Capabilities::empty())
        .validate(&module)
        .unwrap_or_else(|wrong| panic!("{}", wrong.emit_to_string(source)));
    module
}

/// Size of a struct of the shader, and where its members are.
fn shape(module: &naga::Module, name: &str) -> (u32, Vec<(String, u32)>) {
    let found = module
        .types
        .iter()
        .find(|(_, ty)| ty.name.as_deref() == Some(name));
    let (_, ty) = found.unwrap_or_else(|| panic!("no struct {name}"));
    let naga::TypeInner::Struct { members, span } = &ty.inner else {
        panic!("{name} is no struct");
    };
    let member = |member: &naga::StructMember| {
        let name = member.name.clone();
        (name.unwrap_or_default(), member.offset)
    };
    (*span, members.iter().map(member).collect())
}

#[test]
fn shaders_are_sound_and_see_the_numbers_where_they_are_written() {
    let (layout, draw) = (module(LAYOUT), module(DRAW));
    let owned = |members: &[(&str, usize)]| -> Vec<(String, u32)> {
        let member = |(name, at): &(&str, usize)| ((*name).to_owned(), *at as u32);
        members.iter().map(member).collect()
    };
    let body = [
        ("radius", offset_of!(Body, radius)),
        ("first", offset_of!(Body, first)),
        ("count", offset_of!(Body, count)),
        ("look", offset_of!(Body, look)),
    ];
    for module in [&layout, &draw] {
        let expected = (size_of::<Body>() as u32, owned(&body));
        assert_eq!(shape(module, "Body"), expected);
    }
    let round = [
        ("held_at", offset_of!(Round, held_at)),
        ("held", offset_of!(Round, held)),
        ("bodies", offset_of!(Round, bodies)),
        ("heat", offset_of!(Round, heat)),
    ];
    let expected = (size_of::<Round>() as u32, owned(&round));
    assert_eq!(shape(&layout, "Round"), expected);
    let sight = [
        ("size", offset_of!(Sight, size)),
        ("middle", offset_of!(Sight, middle)),
        ("zoom", offset_of!(Sight, zoom)),
        ("scale", offset_of!(Sight, scale)),
        ("smallest", offset_of!(Sight, smallest)),
        ("chosen", offset_of!(Sight, chosen)),
        ("hovered", offset_of!(Sight, hovered)),
        ("colors", offset_of!(Sight, colors)),
    ];
    let expected = (size_of::<Sight>() as u32, owned(&sight));
    assert_eq!(shape(&draw, "Sight"), expected);
    for entry in &layout.entry_points {
        assert_eq!(entry.workgroup_size, [TILE, 1, 1], "{}", entry.name);
    }
    let mut wanted: Vec<&str> = layout
        .overrides
        .iter()
        .filter_map(|(_, number)| number.name.as_deref())
        .collect();
    let mut given = NUMBERS.map(|(name, _)| name).to_vec();
    wanted.sort_unstable();
    given.sort_unstable();
    assert_eq!(wanted, given);
    let constant = |name: &str| {
        let all = &draw.constants;
        let (_, found) = all.iter().find(|(_, c)| c.name.as_deref() == Some(name))?;
        match draw.global_expressions[found.init] {
            naga::Expression::Literal(naga::Literal::U32(number)) => Some(number),
            _ => None,
        }
    };
    for (name, look) in [
        ("PERSON", Look::Person),
        ("ROOM", Look::Room),
        ("IDLE", Look::Idle),
        ("BUSY", Look::Busy),
        ("WAITING", Look::Waiting),
        ("FAILED", Look::Failed),
        ("STOPPED", Look::Stopped),
        ("OTHER", Look::Other),
        ("ABSENT", Look::Absent),
    ] {
        assert_eq!(constant(name), Some(look as u32), "{name}");
    }
}

fn agent(name: String, state: &str) -> Agent {
    Agent {
        title: name.to_uppercase(),
        name,
        description: String::new(),
        state: state.into(),
        detail: String::new(),
        since_ms: 0,
    }
}

/// Agents in all states, each in a room of its own.
fn world(count: usize) -> World {
    const STATES: [&str; 6] = ["idle", "thinking", "waiting", "failed", "stopped", "odd"];
    let name = |n: usize| format!("agent-{n:04}");
    let room = |n| Room {
        name: name(n),
        occupants: vec![name(n)],
    };
    World {
        agents: (0..count)
            .map(|n| agent(name(n), STATES[n % STATES.len()]))
            .collect(),
        rooms: (0..count).map(room).collect(),
        pace: Pace::default(),
        newest: 0,
    }
}

fn said(number: u64, to: &str) -> Happened {
    Happened {
        number,
        at_ms: number,
        kind: "said".into(),
        agent: to.into(),
        from: "person".into(),
        message: number,
        text: "hello".into(),
        was: String::new(),
    }
}

/// A graph of them, and of a person who spoke to every third one.
fn graph(count: usize) -> (Graph, Scene) {
    let world = world(count);
    let spoken = world.agents.iter().step_by(3).zip(1..);
    let spoken: Vec<_> = spoken.map(|(to, number)| said(number, &to.name)).collect();
    let mut timeline = Timeline::default();
    timeline.set(spoken);
    let mut graph = Graph::default();
    graph.set(&world, &timeline.said());
    let scene = Scene::new(&graph, &world.agents, &timeline);
    (graph, scene)
}

#[test]
fn a_scene_says_who_looks_how_and_what_binds_them() {
    let (graph, scene) = graph(6);
    let looks: Vec<Look> = scene.bodies.iter().map(Body::look).collect();
    let agents = [
        Look::Idle,
        Look::Busy,
        Look::Waiting,
        Look::Failed,
        Look::Stopped,
        Look::Other,
    ];
    assert_eq!(looks[0], Look::Person);
    assert_eq!(looks[1..7], agents);
    assert!(looks[7..].iter().all(|look| *look == Look::Room));
    let spoke = graph.edges().iter().filter(|e| e.bond == Bond::Spoke);
    assert_eq!(spoke.count(), 2);
    let kinds: Vec<Says> = scene.lines.iter().map(Line::says).collect();
    let (spoke, inside, now) = (Says::Spoke, Says::Inside, Says::Now);
    let expected = [
        spoke, spoke, inside, inside, inside, inside, inside, inside, now, now,
    ];
    assert_eq!(kinds, expected);
    // The person has two neighbours, the rooms it spoke in.
    assert_eq!(scene.bodies[0].count, 2);
    assert_eq!(scene.neighbours.all()[..2], [7, 10]);
}

#[test]
fn messages_travel_leg_by_leg_and_arrive() {
    let (graph, _) = graph(2);
    let key = |name: &str| Key::Agent(name.into());
    let way = [
        Key::Person,
        Key::Room("agent-0000".into()),
        key("agent-0000"),
    ];
    let mut travels = Travels::default();
    travels.begin(&way);
    assert!(travels.lines(&graph).is_empty());
    let begun = Instant::now();
    travels.go_on(begun);
    let legs = |travels: &Travels| -> Vec<(u32, u32, f32)> {
        let lines = travels.lines(&graph);
        lines.iter().map(|l| (l.from, l.to, l.width)).collect()
    };
    assert_eq!(legs(&travels), [(0, 3, 0.0)]);
    travels.go_on(begun + TRAVEL / 2);
    assert_eq!(legs(&travels), [(0, 3, 0.5)]);
    travels.go_on(begun + TRAVEL * 3 / 2);
    assert_eq!(legs(&travels), [(3, 1, 0.5)]);
    travels.go_on(begun + TRAVEL * 2);
    assert!(travels.is_empty());
    for _ in 0..200 {
        travels.begin(&way);
    }
    assert_eq!(travels.all.len(), MOST_TRAVELS);
}

#[test]
fn steps_are_left_once_and_a_frame_is_awaited() {
    let (mut graph, scene) = graph(5);
    let link = Link::default();
    assert!(!link.on_gpu() && link.is_still());
    assert!(link.take(true, &scene) && link.on_gpu());
    graph.hold(&Key::Person, Place::default());
    link.ask(&mut graph, 3);
    assert!(link.is_asked() && !link.is_still());
    link.ask(&mut graph, 3);
    let (heats, more) = link.steps();
    assert_eq!((heats.len(), more), (3, false));
    assert!(heats.is_sorted_by(|a, b| a > b), "{heats:?}");
    // Not before the places are known.
    assert!(!link.is_asked() && !link.is_still());
    link.put(graph.neighbours(), &[[1.0, 2.0, 0.0, 0.0]; 11], true);
    let mut seen = 0;
    assert!(link.news(|of, places| {
        assert!(Arc::ptr_eq(of, graph.neighbours()));
        seen = places.len();
    }));
    assert_eq!(seen, 11);
    assert!(link.is_still());
    // The last step is followed by what parts those that still overlap, in several frames.
    while graph.cool().is_some() {}
    graph.hold(&Key::Person, Place::default());
    let mut zeros = 0;
    let mut frames = 0;
    while !graph.is_still() || link.shared().heats.front().is_some() {
        link.ask(&mut graph, MOST_STEPS);
        let (heats, _) = link.steps();
        assert!(heats.len() <= MOST_STEPS);
        zeros += heats.iter().filter(|heat| **heat == 0.0).count();
        frames += 1;
        assert!(frames < 30);
    }
    assert_eq!(zeros, PARTINGS / 2);
    // What the GPU cannot is not tried again.
    link.fail("a test");
    assert!(link.news(|_, _| ()));
    assert!(!link.take(true, &scene) && link.is_still());
}

/// A device as the shell has one, if there is an adapter.
fn device() -> Option<(wgpu::Device, wgpu::Queue)> {
    let instance = wgpu::Instance::new(&wgpu::InstanceDescriptor {
        backends: wgpu::Backends::PRIMARY,
        ..wgpu::InstanceDescriptor::default()
    });
    let options = wgpu::RequestAdapterOptions::default();
    let adapter = match zbus::block_on(instance.request_adapter(&options)) {
        Ok(adapter) => adapter,
        Err(error) => {
            eprintln!("left out, as there is no GPU and no driver that stands in for one: {error}");
            return None;
        }
    };
    let wanted = wgpu::DeviceDescriptor {
        // The least with which the shell draws by wgpu.
        required_limits: wgpu::Limits::downlevel_defaults(),
        ..wgpu::DeviceDescriptor::default()
    };
    let device = zbus::block_on(adapter.request_device(&wanted));
    Some(device.expect("the adapter has no device"))
}

/// The graph on a device.
struct Bench {
    device: wgpu::Device,
    queue: wgpu::Queue,
    pipeline: Pipeline,
    link: Link,
    scene: Arc<Scene>,
    still: bool,
}

impl Bench {
    fn new(scene: Scene) -> Option<Self> {
        let (device, queue) = device()?;
        let format = wgpu::TextureFormat::Rgba8Unorm;
        Some(Self {
            pipeline: Pipeline::new(&device, &queue, format),
            device,
            queue,
            link: Link::default(),
            scene: Arc::new(scene),
            still: false,
        })
    }

    /// A frame, drawn by the time that this returns.
    fn frame(&mut self, graph: &Graph) {
        let frame = Frame {
            link: self.link.clone(),
            scene: self.scene.clone(),
            view: graph.view(Size::new(400.0, 300.0)),
            held: graph.held(),
            chosen: None,
            hovered: None,
            travels: Vec::new(),
            palette: theme::built_in("dark").colors,
            rests: graph.is_still(),
            still: self.still,
        };
        let size = Size::new(400.0, 300.0);
        self.pipeline
            .prepare(&frame, &self.device, &self.queue, size, 1.0);
        assert_ne!(self.link.shared().by, By::CanvasOnly, "{:?}", self.pipeline);
        self.device
            .poll(wgpu::PollType::wait_indefinitely())
            .expect("the device is lost");
    }

    /// The places after these steps.
    fn places(&mut self, graph: &Graph, heats: &[f32]) -> Vec<Place> {
        self.link.shared().heats.extend(heats);
        // One that makes them, and one that finds the places.
        self.frame(graph);
        self.frame(graph);
        let mut found = Vec::new();
        assert!(self.link.news(|_, places| found = places.to_vec()));
        found
    }
}

/// A step as the shader makes it.
fn reference(scene: &Scene, states: &mut [[f32; 4]], heat: f32, held: Option<(usize, Place)>) {
    let all = 0..states.len();
    let before = states.to_vec();
    let way = |from: &[f32; 4], to: &[f32; 4]| (to[0] - from[0], to[1] - from[1]);
    for own in all.clone() {
        let here = before[own];
        if let Some((_, at)) = held.filter(|(node, _)| *node == own) {
            states[own] = [at.x, at.y, 0.0, 0.0];
            continue;
        }
        let (mut x, mut y) = (here[2], here[3]);
        for other in all.clone().filter(|other| *other != own) {
            let (right, down) = way(&here, &before[other]);
            let far = (right * right + down * down).max(1.0);
            x -= right / far * REPULSION * heat;
            y -= down / far * REPULSION * heat;
        }
        let body = scene.bodies[own];
        for index in &scene.neighbours.all()[scene.neighbours.of(own)] {
            let other = scene.bodies[*index as usize];
            let (right, down) = way(&here, &before[*index as usize]);
            let long = right.hypot(down).max(0.01);
            let (ours, theirs) = (body.count as f32, other.count as f32);
            let crowd = CROWD * (ours.max(theirs) - 1.0).sqrt();
            let rest = REST + body.radius + other.radius + crowd;
            let pull = (long - rest) / long * heat / ours.min(theirs).max(1.0);
            x += right * pull * theirs / (ours + theirs);
            y += down * pull * theirs / (ours + theirs);
        }
        x = (x - here[0] * PULL.x * heat) * DRAG;
        y = (y - here[1] * PULL.y * heat) * DRAG;
        states[own] = [here[0] + x, here[1] + y, x, y];
    }
    let before = states.to_vec();
    for own in all.clone() {
        if held.is_some_and(|(node, _)| node == own) {
            continue;
        }
        let radius = scene.bodies[own].radius;
        let (mut x, mut y) = (0.0, 0.0);
        for other in all.clone().filter(|other| *other != own) {
            let (right, down) = way(&before[own], &before[other]);
            let long = right.hypot(down);
            let overlap = radius + scene.bodies[other].radius + SPACE - long;
            if overlap > 0.0 {
                let theirs = held.is_some_and(|(node, _)| node == other);
                let share = if theirs { 1.0 } else { 0.5 };
                x -= right / long * overlap * share;
                y -= down / long * overlap * share;
            }
        }
        let far = f32::hypot(x, y);
        let most = radius + SPACE;
        let shorter = if far > most { most / far } else { 1.0 };
        states[own][0] += x * shorter;
        states[own][1] += y * shorter;
    }
}

#[test]
fn the_gpu_makes_the_steps_that_the_reference_makes() {
    let (mut graph, mut scene) = graph(150);
    // Closer together than they came to rest, so that many overlap.
    for at in &mut scene.places {
        *at = at.map(|length| length * 0.4);
    }
    let mut states = scene.places.clone();
    let there = Place::new(15.0, -20.0);
    graph.hold(&Key::Agent("agent-0003".into()), there);
    let held = graph.held();
    let Some(mut bench) = Bench::new(scene) else {
        return;
    };
    let scene = bench.scene.clone();
    let mut heat = 1.0;
    for _ in 0..4 {
        reference(&scene, &mut states, heat, held);
        let places = bench.places(&graph, &[heat]);
        for (node, (there, here)) in places.iter().zip(&states).enumerate() {
            let apart = there.distance(Place::new(here[0], here[1]));
            assert!(apart < 0.05, "{node}: {there:?} instead of {here:?}");
        }
        assert_eq!(places.len(), states.len());
        heat *= 0.9;
    }
    let (node, _) = held.unwrap();
    assert_eq!(bench.places(&graph, &[0.5])[node], there);
}

#[test]
fn on_a_gpu_it_comes_to_rest_without_overlaps() {
    let (mut graph, scene) = graph(120);
    let Some(mut bench) = Bench::new(scene) else {
        return;
    };
    // From the beginning: all are warm.
    graph.hold(&Key::Person, Place::default());
    graph.let_go();
    let mut frames = 0;
    while !graph.is_still() || !bench.link.is_still() {
        bench.link.news(|of, places| graph.put(of, places));
        bench.link.ask(&mut graph, 1);
        bench.frame(&graph);
        frames += 1;
        assert!(frames < 300, "it does not come to rest");
    }
    for (a, one) in graph.nodes().iter().enumerate() {
        for (b, other) in graph.nodes()[..a].iter().enumerate() {
            let apart = graph.place(a).distance(graph.place(b));
            assert!(apart >= one.radius() + other.radius(), "{a} lies on {b}");
        }
    }
    // And what lies on one place is parted.
    let places = bench.scene.places.iter().map(|_| [5.0, 5.0, 0.0, 0.0]);
    let scene = Scene {
        neighbours: Arc::default(),
        bodies: bench.scene.bodies[..40]
            .iter()
            .map(|body| Body {
                first: 0,
                count: 0,
                ..*body
            })
            .collect(),
        lines: Vec::new(),
        places: places.take(40).collect(),
    };
    bench.scene = Arc::new(scene);
    let mut heats = vec![0.3; 12];
    heats.extend([0.0; 4]);
    for _ in 0..12 {
        bench.link.shared().heats.extend(&heats);
        bench.frame(&graph);
    }
    let places = bench.places(&graph, &[0.0]);
    for (a, one) in places.iter().enumerate() {
        assert!(one.x.is_finite() && one.y.is_finite());
        for (b, other) in places[..a].iter().enumerate() {
            assert!(one.distance(*other) > 15.0, "{a} lies on {b}");
        }
    }
}

#[test]
fn with_less_motion_places_are_told_once_it_rests() {
    let (mut graph, scene) = graph(30);
    let Some(mut bench) = Bench::new(scene) else {
        return;
    };
    bench.still = true;
    graph.hold(&Key::Person, Place::new(80.0, 0.0));
    graph.let_go();
    let mut told = 0;
    let mut frames = 0;
    while !graph.is_still() || !bench.link.is_still() {
        let rests = graph.is_still();
        if bench.link.news(|of, places| graph.put(of, places)) {
            assert!(rests, "it was told while it moved");
            told += 1;
        }
        bench.link.ask(&mut graph, MOST_STEPS);
        bench.frame(&graph);
        frames += 1;
        assert!(frames < 60, "it does not come to rest");
    }
    assert_eq!(told, 1);
}

#[test]
fn a_gpu_draws_what_the_canvas_draws() {
    crate::fonts::load();
    let Some(mut gpu) = headless::gpu() else {
        eprintln!("left out, as there is no GPU and no driver that stands in for one");
        return;
    };
    let now = Instant::now();
    let shown = || {
        let mut agents = Agents::default();
        let events = vec![said(1, "agent-0000"), said(2, "agent-0003")];
        agents.set_world(world(6), events);
        let chosen = Some(Key::Agent("agent-0001".into()));
        agents.update(Message::Choose(chosen), now);
        agents
    };
    // What is kept of a drawing is of one renderer.
    let (by_cpu, mut agents) = (shown(), shown());
    let size = Size::new(1244, 742);
    for name in ["dark", "light"] {
        let palette = theme::built_in(name).colors;
        let (ground, text) = (Color::from_rgb8(70, 110, 120), palette.text);
        let canvas = headless::draw(by_cpu.view(&palette), size, 1.0, ground, text);
        assert!(!by_cpu.link.on_gpu());
        let view = agents.view(&palette);
        let shaders = headless::draw_with(&mut gpu, view, size, 1.0, ground, text);
        assert!(agents.link.on_gpu());
        let pixel = |rgba: &[u8], x: f32, y: f32| -> [i32; 3] {
            let at = (y as usize * size.width as usize + x as usize) * 4;
            [0, 1, 2].map(|channel| i32::from(rgba[at + channel]))
        };
        let apart = |a: [i32; 3], b: [i32; 3]| -> i32 {
            let channels = a.iter().zip(&b).map(|(a, b)| (a - b).abs());
            channels.max().unwrap_or_default()
        };
        // The graph is at the left, below the head and a divider.
        let corner = (widgets::SHADOW, widgets::SHADOW + 55.0);
        let area = agents.graph_drawn.size().expect("it was drawn");
        let view = agents.graph.view(area);
        let on_screen = |at: Place| {
            let at = view.point(at, area);
            (corner.0 + at.x, corner.1 + at.y)
        };
        // The middle of each node, and what is around it.
        for (node, key) in agents.graph.nodes().iter().enumerate() {
            let (x, y) = on_screen(agents.graph.place(node));
            let r = key.radius() * view.zoom;
            for (right, down) in [(0.0, 0.0), (0.6 * r, 0.1 * r), (0.1 * r, 0.7 * r)] {
                let (x, y) = (x + right, y + down);
                let (by_canvas, by_gpu) = (pixel(&canvas.rgba, x, y), pixel(&shaders.rgba, x, y));
                assert!(
                    apart(by_canvas, by_gpu) <= 24,
                    "{name}: {key:?} at {x}, {y}: {by_canvas:?} and {by_gpu:?}"
                );
            }
        }
        // The lines between them, where they are halfway.
        let ground = pixel(&shaders.rgba, corner.0 + 6.0, corner.1 + 6.0);
        for edge in agents.graph.edges() {
            let (a, b) = (agents.graph.place(edge.from), agents.graph.place(edge.to));
            let (x, y) = on_screen(Place::new((a.x + b.x) / 2.0, (a.y + b.y) / 2.0));
            for rgba in [&canvas.rgba, &shaders.rgba] {
                let near = (0..25).map(|n| (x + (n % 5) as f32 - 2.0, y + (n / 5) as f32 - 2.0));
                let most = near.map(|(x, y)| apart(pixel(rgba, x, y), ground)).max();
                assert!(most > Some(20), "{name}: no line at {x}, {y}");
            }
        }
        // And all in all: the edges of letters and shapes differ a little.
        let pixels = canvas.rgba.chunks_exact(4);
        let differing = pixels
            .zip(shaders.rgba.chunks_exact(4))
            .filter(|(a, b)| a.iter().zip(*b).any(|(a, b)| a.abs_diff(*b) > 64))
            .count();
        let all = (size.width * size.height) as usize;
        assert!(differing * 50 < all, "{name}: {differing} pixels of {all}");
    }
    // It rests, and nothing is asked for.
    agents.update(Message::Choose(None), now);
    assert_eq!(agents.deadline(), None);
    // A message is on its way, until it has arrived.
    assert_eq!(agents.happened(said(3, "agent-0000")), Outcome::None);
    let palette = theme::built_in("dark").colors;
    let mut now = now;
    let mut frames = 0;
    while let Some(at) = agents.deadline() {
        now = now.max(at);
        agents.tick(now);
        assert_eq!(agents.deadline(), None, "before it is drawn");
        let view = agents.view(&palette);
        let size = Size::new(980, 480);
        headless::draw_with(&mut gpu, view, size, 1.0, Color::BLACK, Color::WHITE);
        frames += 1;
        assert!(frames < 120, "it does not come to rest");
    }
    assert!(frames > 40, "{frames}");
}
