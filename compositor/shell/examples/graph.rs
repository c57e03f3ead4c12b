//! How quick the agents' graph is: `graph [NODES ...]`, of 500, 2000 and 10000 nodes unless said otherwise.
//!
//! On the first adapter there is, a GPU or a driver that stands in for one, through what the agent view draws with:
//! a step of the layout (sixteen at once, by their number), a frame of a graph that settles (one step, all lines and
//! nodes, places read back) and of one that rests, each until the device is done, into 1920 by 1080 pixels. Beside
//! it a step of the layout by which the canvas goes, on one core. What was measured stands in
//! `tests/bench/desktop/README.md`.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use argos_bus::agents::{Agent, Event, Pace, Room, World};
use argos_shell::parts::agents::gpu::{Frame, Link, MOST_STEPS, Pipeline};
use argos_shell::parts::agents::graph::Graph;
use argos_shell::parts::agents::scene::Scene;
use argos_shell::parts::agents::timeline::Timeline;
use argos_shell::theme;
use iced_core::{Rectangle, Size};
use iced_graphics::Viewport;
use iced_wgpu::Primitive as _;
use iced_wgpu::primitive::Pipeline as _;

const SIZE: Size<u32> = Size::new(1920, 1080);
const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Bgra8Unorm;
/// Frames of one that rests.
const FRAMES: u32 = 60;
/// Times that sixteen steps are made.
const ROUNDS: u32 = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let counts: Vec<usize> = std::env::args()
        .skip(1)
        .map(|n| n.parse())
        .collect::<Result<_, _>>()?;
    let counts = if counts.is_empty() {
        vec![500, 2_000, 10_000]
    } else {
        counts
    };
    let instance = wgpu::Instance::new(&wgpu::InstanceDescriptor::default());
    let options = wgpu::RequestAdapterOptions {
        power_preference: wgpu::PowerPreference::HighPerformance,
        ..wgpu::RequestAdapterOptions::default()
    };
    let adapter = zbus::block_on(instance.request_adapter(&options))?;
    let about = adapter.get_info();
    println!(
        "{} ({:?}, {})",
        about.name, about.backend, about.driver_info
    );
    let (device, queue) =
        zbus::block_on(adapter.request_device(&wgpu::DeviceDescriptor::default()))?;
    println!(
        "{:>7} {:>7} {:>12} {:>14} {:>10} {:>14} {:>14}",
        "nodes", "lines", "step, ms", "settling, ms", "frames/s", "at rest, ms", "CPU step, ms"
    );
    for count in counts {
        let (mut graph, scene) = graph(count);
        let begun = Instant::now();
        for _ in 0..MOST_STEPS {
            graph.step();
        }
        let by_cpu = begun.elapsed() / MOST_STEPS as u32;
        let (nodes, lines) = (scene.bodies.len(), scene.lines.len());
        let mut stage = Stage::new(device.clone(), queue.clone(), scene);
        stage.frame(&mut graph, MOST_STEPS)?;
        let mut steps = Duration::ZERO;
        for _ in 0..ROUNDS {
            steps += stage.frame(&mut graph, MOST_STEPS)?;
        }
        let (mut settling, mut frames) = (Duration::ZERO, 0);
        while !graph.is_still() {
            settling += stage.frame(&mut graph, 1)?;
            frames += 1;
        }
        while !stage.link.is_still() {
            stage.frame(&mut graph, 0)?;
            stage.link.news(|_, _| ());
        }
        let mut rest = Duration::ZERO;
        for _ in 0..FRAMES {
            rest += stage.frame(&mut graph, 0)?;
        }
        let ms = |time: Duration, by: u32| time.as_secs_f64() * 1e3 / f64::from(by.max(1));
        let (rest, frame) = (ms(rest, FRAMES), ms(settling, frames));
        let step = (ms(steps, ROUNDS) - rest).max(0.0) / MOST_STEPS as f64;
        println!(
            "{nodes:>7} {lines:>7} {step:>12.3} {frame:>14.2} {:>10.1} {rest:>14.2} {:>14.2}",
            1e3 / frame,
            ms(by_cpu, 1)
        );
    }
    Ok(())
}

/// A graph of so many nodes: agents, a room for each, and a person who spoke in some of them.
fn graph(count: usize) -> (Graph, Scene) {
    const STATES: [&str; 5] = ["idle", "thinking", "waiting", "failed", "stopped"];
    let name = |n: usize| format!("agent-{n:05}");
    let agent = |n: usize| Agent {
        name: name(n),
        title: name(n),
        description: String::new(),
        state: STATES[n * 7 % STATES.len()].to_owned(),
        detail: String::new(),
        since_ms: 0,
    };
    let agents = count.saturating_sub(1).div_ceil(2);
    let rooms = count.saturating_sub(1) / 2;
    let room = |n: usize| Room {
        name: name(n),
        // Some rooms have two more agents in them.
        occupants: [n, n + rooms, n * 31 % agents.max(1)].map(name).to_vec(),
    };
    let said = |n: usize| Event {
        number: n as u64 + 1,
        at_ms: 0,
        kind: "said".to_owned(),
        agent: name(n * 11 % rooms.max(1)),
        from: "person".to_owned(),
        message: 1,
        text: String::new(),
        was: String::new(),
    };
    let world = World {
        agents: (0..agents).map(agent).collect(),
        rooms: (0..rooms).map(room).collect(),
        pace: Pace::default(),
        newest: 0,
    };
    let mut timeline = Timeline::default();
    timeline.set((0..rooms.min(200)).map(said).collect());
    let mut graph = Graph::default();
    graph.set(&world, &timeline.said());
    // Warm again, if it was small enough to come to rest at once.
    graph.hold(&argos_shell::parts::agents::Key::Person, graph.place(0));
    graph.let_go();
    let scene = Scene::new(&graph, &world.agents, &timeline);
    (graph, scene)
}

/// What a graph is drawn on.
struct Stage {
    device: wgpu::Device,
    queue: wgpu::Queue,
    pipeline: Pipeline,
    view: wgpu::TextureView,
    link: Link,
    scene: Arc<Scene>,
}

impl Stage {
    fn new(device: wgpu::Device, queue: wgpu::Queue, scene: Scene) -> Self {
        let texture = device.create_texture(&wgpu::TextureDescriptor {
            label: None,
            size: wgpu::Extent3d {
                width: SIZE.width,
                height: SIZE.height,
                depth_or_array_layers: 1,
            },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: FORMAT,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT,
            view_formats: &[],
        });
        Self {
            pipeline: Pipeline::new(&device, &queue, FORMAT),
            device,
            queue,
            view: texture.create_view(&wgpu::TextureViewDescriptor::default()),
            link: Link::default(),
            scene: Arc::new(scene),
        }
    }

    /// Draws a frame with so many steps, and says how long that took until the device was done.
    fn frame(&mut self, graph: &mut Graph, steps: usize) -> Result<Duration, Box<dyn Error>> {
        let begun = Instant::now();
        self.link.ask(graph, steps);
        let size = Size::new(SIZE.width as f32, SIZE.height as f32);
        let frame = Frame {
            link: self.link.clone(),
            scene: self.scene.clone(),
            view: graph.view(size),
            held: None,
            chosen: None,
            hovered: None,
            travels: Vec::new(),
            palette: theme::built_in("dark").colors,
            rests: graph.is_still(),
            still: false,
        };
        let viewport = Viewport::with_physical_size(SIZE, 1.0);
        let bounds = Rectangle::with_size(size);
        let pipeline = &mut self.pipeline;
        frame.prepare(pipeline, &self.device, &self.queue, &bounds, &viewport);
        let mut encoder = self
            .device
            .create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            label: None,
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view: &self.view,
                depth_slice: None,
                resolve_target: None,
                ops: wgpu::Operations {
                    load: wgpu::LoadOp::Clear(wgpu::Color::BLACK),
                    store: wgpu::StoreOp::Store,
                },
            })],
            depth_stencil_attachment: None,
            timestamp_writes: None,
            occlusion_query_set: None,
        });
        frame.draw(&self.pipeline, &mut pass);
        drop(pass);
        self.queue.submit([encoder.finish()]);
        self.device.poll(wgpu::PollType::wait_indefinitely())?;
        Ok(begun.elapsed())
    }
}
