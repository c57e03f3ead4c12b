//! What the device holds of the graph, and the shaders that move and draw it.
//!
//! A step is two passes over two buffers of places: `drift` reads the first and writes the second, `part` reads
//! that and writes the first, which is the one that is drawn. A graph of other nodes or bonds gets buffers of its
//! own; another look of the same one is written into those there are. For a frame only the uniforms are written.

use std::mem::size_of;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use bytemuck::{Pod, Zeroable};
use iced_core::{Color, Size};
use iced_graphics::color;
use wgpu::util::{BufferInitDescriptor, DeviceExt as _};

use super::super::canvas::{SMALLEST, line_color};
use super::super::layout::{CROWD, DRAG, PULL, REPULSION, REST, SPACE};
use super::super::scene::{Body, Line, NOW_LINES, Says, Scene};
use super::{Frame, MOST_STEPS, MOST_TRAVELS};
use crate::theme::Palette;

pub(super) const LAYOUT: &str = include_str!("layout.wgsl");
pub(super) const DRAW: &str = include_str!("draw.wgsl");
/// Bodies that a workgroup moves; `TILE` in the shader.
pub(super) const TILE: u32 = 64;
/// The numbers of the layout that the shader is made with.
pub(super) const NUMBERS: [(&str, f64); 7] = [
    ("REST", REST as f64),
    ("CROWD", CROWD as f64),
    ("REPULSION", REPULSION as f64),
    ("PULL_X", PULL.x as f64),
    ("PULL_Y", PULL.y as f64),
    ("DRAG", DRAG as f64),
    ("SPACE", SPACE as f64),
];
/// No body has this number.
const NONE: u32 = u32::MAX;

/// `Round` in the shader of the layout: a step.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Round {
    pub(super) held_at: [f32; 2],
    pub(super) held: u32,
    pub(super) bodies: u32,
    pub(super) heat: f32,
    pub(super) padding: u32,
}

/// `Sight` in the shaders that draw.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Sight {
    pub(super) size: [f32; 2],
    pub(super) middle: [f32; 2],
    pub(super) zoom: f32,
    pub(super) scale: f32,
    pub(super) smallest: f32,
    pub(super) chosen: u32,
    pub(super) hovered: u32,
    pub(super) padding: [u32; 3],
    pub(super) colors: [[f32; 4]; 10],
}

/// The shaders, and the graph that they were given last.
#[derive(Debug)]
pub struct Pipeline {
    /// Or why there are none.
    shaders: Result<Shaders, String>,
    graph: Option<Held>,
}

#[derive(Debug)]
struct Shaders {
    round: wgpu::Buffer,
    /// Bytes from one step to the next in it.
    stride: usize,
    sight: wgpu::Buffer,
    travels: wgpu::Buffer,
    layout_group: wgpu::BindGroupLayout,
    draw_group: wgpu::BindGroupLayout,
    drift: wgpu::ComputePipeline,
    part: wgpu::ComputePipeline,
    lines: wgpu::RenderPipeline,
    travel: wgpu::RenderPipeline,
    nodes: wgpu::RenderPipeline,
}

impl iced_wgpu::primitive::Pipeline for Pipeline {
    fn new(device: &wgpu::Device, _: &wgpu::Queue, format: wgpu::TextureFormat) -> Self {
        // What this device cannot do is no reason to end: the canvas is there.
        device.push_error_scope(wgpu::ErrorFilter::Validation);
        let shaders = Shaders::new(device, format);
        let shaders = match zbus::block_on(device.pop_error_scope()) {
            None => Ok(shaders),
            Some(error) => Err(error.to_string()),
        };
        Self {
            shaders,
            graph: None,
        }
    }
}

fn buffer(
    device: &wgpu::Device,
    label: &'static str,
    size: usize,
    usage: wgpu::BufferUsages,
) -> wgpu::Buffer {
    device.create_buffer(&wgpu::BufferDescriptor {
        label: Some(label),
        size: size as u64,
        usage,
        mapped_at_creation: false,
    })
}

/// A binding of a buffer.
fn binding(
    binding: u32,
    visibility: wgpu::ShaderStages,
    ty: wgpu::BufferBindingType,
    one: usize,
) -> wgpu::BindGroupLayoutEntry {
    let dynamic = ty == wgpu::BufferBindingType::Uniform && visibility == COMPUTE;
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility,
        ty: wgpu::BindingType::Buffer {
            ty,
            has_dynamic_offset: dynamic,
            min_binding_size: NonZeroU64::new(one as u64),
        },
        count: None,
    }
}

const COMPUTE: wgpu::ShaderStages = wgpu::ShaderStages::COMPUTE;
const UNIFORM: wgpu::BufferBindingType = wgpu::BufferBindingType::Uniform;
const READ: wgpu::BufferBindingType = wgpu::BufferBindingType::Storage { read_only: true };
const WRITE: wgpu::BufferBindingType = wgpu::BufferBindingType::Storage { read_only: false };
const WRITTEN: wgpu::BufferUsages = wgpu::BufferUsages::COPY_DST;
/// Bytes of a body's place and velocity.
const STATE: usize = size_of::<[f32; 4]>();

impl Shaders {
    fn new(device: &wgpu::Device, format: wgpu::TextureFormat) -> Self {
        let step = device.limits().min_uniform_buffer_offset_alignment as usize;
        let stride = size_of::<Round>().next_multiple_of(step.max(1));
        let in_vertex = wgpu::ShaderStages::VERTEX;
        let group = |label, entries: &[wgpu::BindGroupLayoutEntry]| {
            device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some(label),
                entries,
            })
        };
        let layout_group = group(
            "graph layout",
            &[
                binding(0, COMPUTE, UNIFORM, size_of::<Round>()),
                binding(1, COMPUTE, READ, size_of::<Body>()),
                binding(2, COMPUTE, READ, size_of::<u32>()),
                binding(3, COMPUTE, READ, STATE),
                binding(4, COMPUTE, WRITE, STATE),
            ],
        );
        let both = in_vertex | wgpu::ShaderStages::FRAGMENT;
        let draw_group = group(
            "graph",
            &[
                binding(0, both, UNIFORM, size_of::<Sight>()),
                binding(1, in_vertex, READ, size_of::<Body>()),
                binding(2, in_vertex, READ, STATE),
            ],
        );
        let with = |group| {
            device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: None,
                bind_group_layouts: &[group],
                push_constant_ranges: &[],
            })
        };
        let module = |label, source: &'static str| {
            device.create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some(label),
                source: wgpu::ShaderSource::Wgsl(source.into()),
            })
        };
        let (layout, module_layout) = (with(&layout_group), module("graph layout", LAYOUT));
        let compute = |entry| {
            device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(entry),
                layout: Some(&layout),
                module: &module_layout,
                entry_point: Some(entry),
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants: &NUMBERS,
                    // A tile is written before it is read.
                    zero_initialize_workgroup_memory: false,
                },
                cache: None,
            })
        };
        let (drawing, module_draw) = (with(&draw_group), module("graph", DRAW));
        let line = [wgpu::VertexBufferLayout {
            array_stride: size_of::<Line>() as u64,
            step_mode: wgpu::VertexStepMode::Instance,
            attributes: &wgpu::vertex_attr_array![0 => Uint32x2, 1 => Uint32, 2 => Float32],
        }];
        let draw = |label, vertex, fragment, buffers: &[wgpu::VertexBufferLayout<'_>]| {
            device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
                label: Some(label),
                layout: Some(&drawing),
                vertex: wgpu::VertexState {
                    module: &module_draw,
                    entry_point: Some(vertex),
                    compilation_options: wgpu::PipelineCompilationOptions::default(),
                    buffers,
                },
                primitive: wgpu::PrimitiveState {
                    topology: wgpu::PrimitiveTopology::TriangleStrip,
                    ..wgpu::PrimitiveState::default()
                },
                depth_stencil: None,
                multisample: wgpu::MultisampleState::default(),
                fragment: Some(wgpu::FragmentState {
                    module: &module_draw,
                    entry_point: Some(fragment),
                    compilation_options: wgpu::PipelineCompilationOptions::default(),
                    targets: &[Some(wgpu::ColorTargetState {
                        format,
                        blend: Some(wgpu::BlendState::PREMULTIPLIED_ALPHA_BLENDING),
                        write_mask: wgpu::ColorWrites::ALL,
                    })],
                }),
                multiview: None,
                cache: None,
            })
        };
        let uniform = wgpu::BufferUsages::UNIFORM | WRITTEN;
        let sight = buffer(device, "graph sight", size_of::<Sight>(), uniform);
        let travels = MOST_TRAVELS * size_of::<Line>();
        Self {
            round: buffer(device, "graph steps", MOST_STEPS * stride, uniform),
            stride,
            sight,
            travels: buffer(
                device,
                "graph travels",
                travels,
                wgpu::BufferUsages::VERTEX | WRITTEN,
            ),
            drift: compute("drift"),
            part: compute("part"),
            lines: draw("graph lines", "line_vertex", "line_fragment", &line),
            travel: draw("graph travels", "travel_vertex", "travel_fragment", &line),
            nodes: draw("graph nodes", "node_vertex", "node_fragment", &[]),
            layout_group,
            draw_group,
        }
    }
}

/// A graph on the device.
#[derive(Debug)]
struct Held {
    scene: Arc<Scene>,
    bodies: wgpu::Buffer,
    lines: wgpu::Buffer,
    /// Where the bodies are between two steps.
    places: wgpu::Buffer,
    /// Where they were seen last, while they move unseen.
    seen: wgpu::Buffer,
    forth: wgpu::BindGroup,
    back: wgpu::BindGroup,
    draw: wgpu::BindGroup,
    draw_seen: wgpu::BindGroup,
    read: Read,
    /// Whether what is drawn is `places` rather than `seen`.
    live: bool,
    travels: u32,
}

/// The way of places back.
#[derive(Debug)]
struct Read {
    buffer: wgpu::Buffer,
    at: Arc<AtomicU8>,
    /// Whether no step was made since they were copied.
    newest: bool,
}

impl Read {
    /// The places were copied by what was submitted last.
    fn begin(&mut self) {
        self.newest = true;
        self.at.store(UNDERWAY, Ordering::Release);
        let at = self.at.clone();
        self.buffer
            .map_async(wgpu::MapMode::Read, .., move |result| {
                let came = if result.is_ok() { HERE } else { FAILED };
                at.store(came, Ordering::Release);
            });
    }
}

/// Nothing is read back.
const FREE: u8 = 0;
/// Copied on the device, and not here yet.
const UNDERWAY: u8 = 1;
/// Here.
const HERE: u8 = 2;
/// The device did not do it.
const FAILED: u8 = 3;

impl Held {
    fn new(scene: &Arc<Scene>, shaders: &Shaders, device: &wgpu::Device) -> Self {
        use wgpu::BufferUsages as Usages;
        let filled = |label, contents: &[u8], usage| {
            device.create_buffer_init(&BufferInitDescriptor {
                label: Some(label),
                // A binding is not empty.
                contents: if contents.is_empty() {
                    &[0; STATE][..]
                } else {
                    contents
                },
                usage,
            })
        };
        let bodies = filled(
            "graph bodies",
            bytemuck::cast_slice(&scene.bodies),
            Usages::STORAGE | WRITTEN,
        );
        let neighbours = filled(
            "graph neighbours",
            bytemuck::cast_slice(scene.neighbours.all()),
            Usages::STORAGE,
        );
        let bytes = scene.places.len().max(1) * STATE;
        let state = Usages::STORAGE | Usages::COPY_SRC;
        let places = filled("graph places", bytemuck::cast_slice(&scene.places), state);
        let drifted = buffer(device, "graph drifted", bytes, Usages::STORAGE);
        let seen = buffer(device, "graph seen", bytes, Usages::STORAGE | WRITTEN);
        // As many as there may be at another moment of the same graph.
        let most = scene.neighbours.all().len() / 2 + NOW_LINES;
        let group = |layout, resources: Vec<wgpu::BindingResource<'_>>| {
            let entries: Vec<_> = (0..)
                .zip(resources)
                .map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource })
                .collect();
            device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some("graph"),
                layout,
                entries: &entries,
            })
        };
        let pass = |from: &wgpu::Buffer, to: &wgpu::Buffer| {
            // One step of those in it.
            let round = wgpu::BufferBinding {
                buffer: &shaders.round,
                offset: 0,
                size: NonZeroU64::new(size_of::<Round>() as u64),
            };
            let resources = vec![
                wgpu::BindingResource::Buffer(round),
                bodies.as_entire_binding(),
                neighbours.as_entire_binding(),
                from.as_entire_binding(),
                to.as_entire_binding(),
            ];
            group(&shaders.layout_group, resources)
        };
        let draw = |places: &wgpu::Buffer| {
            let resources = vec![
                shaders.sight.as_entire_binding(),
                bodies.as_entire_binding(),
                places.as_entire_binding(),
            ];
            group(&shaders.draw_group, resources)
        };
        Self {
            scene: scene.clone(),
            lines: buffer(
                device,
                "graph lines",
                most * size_of::<Line>(),
                Usages::VERTEX | WRITTEN,
            ),
            forth: pass(&places, &drifted),
            back: pass(&drifted, &places),
            draw: draw(&places),
            draw_seen: draw(&seen),
            read: Read {
                buffer: buffer(
                    device,
                    "graph places back",
                    bytes,
                    Usages::MAP_READ | WRITTEN,
                ),
                at: Arc::new(AtomicU8::new(FREE)),
                newest: false,
            },
            bodies,
            places,
            seen,
            live: true,
            travels: 0,
        }
    }

    /// Whether it is the graph of this scene, however that looks.
    fn is_of(&self, scene: &Scene) -> bool {
        Arc::ptr_eq(&self.scene.neighbours, &scene.neighbours)
    }

    /// Writes how the graph looks.
    fn look(&self, queue: &wgpu::Queue) {
        let (bodies, lines) = (&self.scene.bodies, &self.scene.lines);
        queue.write_buffer(&self.bodies, 0, bytemuck::cast_slice(bodies));
        queue.write_buffer(&self.lines, 0, bytemuck::cast_slice(lines));
    }

    /// Leaves places that have come back.
    fn read_back(&mut self, frame: &Frame) {
        match self.read.at.load(Ordering::Acquire) {
            HERE => {
                let view = self.read.buffer.get_mapped_range(..);
                let places = bytemuck::cast_slice(&view);
                let of = &self.scene.neighbours;
                frame.link.put(of, places, self.read.newest);
                drop(view);
                self.read.buffer.unmap();
            }
            FAILED => {}
            _ => return,
        }
        self.read.at.store(FREE, Ordering::Release);
    }

    /// Makes steps at these heats.
    fn step(
        &self,
        heats: &[f32],
        frame: &Frame,
        shaders: &Shaders,
        queue: &wgpu::Queue,
        encoder: &mut wgpu::CommandEncoder,
    ) {
        let bodies = self.scene.bodies.len() as u32;
        let (held, at) = frame
            .held
            .map_or((NONE, [0.0; 2]), |(node, at)| (node as u32, [at.x, at.y]));
        let mut rounds = vec![0; heats.len() * shaders.stride];
        for (bytes, heat) in rounds.chunks_exact_mut(shaders.stride).zip(heats) {
            let round = Round {
                held_at: at,
                held,
                bodies,
                heat: *heat,
                padding: 0,
            };
            bytes[..size_of::<Round>()].copy_from_slice(bytemuck::bytes_of(&round));
        }
        queue.write_buffer(&shaders.round, 0, &rounds);
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some("graph layout"),
            timestamp_writes: None,
        });
        for (index, heat) in heats.iter().enumerate() {
            let offset = [(index * shaders.stride) as u32];
            let first = if *heat > 0.0 {
                &shaders.drift
            } else {
                &shaders.part
            };
            for (pipeline, group) in [(first, &self.forth), (&shaders.part, &self.back)] {
                pass.set_pipeline(pipeline);
                pass.set_bind_group(0, group, &offset);
                pass.dispatch_workgroups(bodies.div_ceil(TILE), 1, 1);
            }
        }
    }
}

impl Pipeline {
    pub(super) fn prepare(
        &mut self,
        frame: &Frame,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        size: Size,
        scale: f32,
    ) {
        let shaders = match &self.shaders {
            Ok(shaders) => shaders,
            Err(reason) => return frame.link.fail(reason),
        };
        let scene = &frame.scene;
        if !matches!(&self.graph, Some(graph) if graph.is_of(scene)) {
            self.graph = None;
        }
        let new = self.graph.is_none();
        let graph = self
            .graph
            .get_or_insert_with(|| Held::new(scene, shaders, device));
        if new || !Arc::ptr_eq(&graph.scene, scene) {
            graph.scene = scene.clone();
            graph.look(queue);
        }
        // A device that is lost says so where the frame is presented.
        let _ = device.poll(wgpu::PollType::Poll);
        graph.read_back(frame);

        let (heats, more) = frame.link.steps();
        let was_live = graph.live;
        graph.live = !frame.still || frame.held.is_some() || (frame.rests && !more);
        graph.read.newest &= heats.is_empty();
        // One at a time. What is not seen yet is not told, either.
        let read = &graph.read;
        let reads = graph.live && frame.link.is_unread() && read.at.load(Ordering::Acquire) == FREE;
        let label = Some("graph layout");
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label });
        let bytes = graph.places.size();
        if was_live && !graph.live {
            encoder.copy_buffer_to_buffer(&graph.places, 0, &graph.seen, 0, bytes);
        }
        if !heats.is_empty() {
            graph.step(&heats, frame, shaders, queue, &mut encoder);
        }
        if reads {
            encoder.copy_buffer_to_buffer(&graph.places, 0, &graph.read.buffer, 0, bytes);
        }
        queue.submit([encoder.finish()]);
        if reads {
            graph.read.begin();
        }

        let sight = sight(frame, size, scale);
        queue.write_buffer(&shaders.sight, 0, bytemuck::bytes_of(&sight));
        let travels = &frame.travels[..frame.travels.len().min(MOST_TRAVELS)];
        queue.write_buffer(&shaders.travels, 0, bytemuck::cast_slice(travels));
        graph.travels = travels.len() as u32;
    }

    pub(super) fn draw(&self, pass: &mut wgpu::RenderPass<'_>) {
        let (Ok(shaders), Some(graph)) = (&self.shaders, &self.graph) else {
            return;
        };
        let group = if graph.live {
            &graph.draw
        } else {
            &graph.draw_seen
        };
        pass.set_bind_group(0, group, &[]);
        pass.set_pipeline(&shaders.lines);
        pass.set_vertex_buffer(0, graph.lines.slice(..));
        pass.draw(0..4, 0..graph.scene.lines.len() as u32);
        pass.set_pipeline(&shaders.travel);
        pass.set_vertex_buffer(0, shaders.travels.slice(..));
        pass.draw(0..4, 0..graph.travels);
        pass.set_pipeline(&shaders.nodes);
        pass.draw(0..4, 0..graph.scene.bodies.len() as u32);
    }
}

fn sight(frame: &Frame, size: Size, scale: f32) -> Sight {
    let number = |node: Option<usize>| node.map_or(NONE, |node| node as u32);
    Sight {
        size: [size.width, size.height],
        middle: [frame.view.middle.x, frame.view.middle.y],
        zoom: frame.view.zoom,
        scale,
        smallest: SMALLEST,
        chosen: number(frame.chosen),
        hovered: number(frame.hovered),
        padding: [0; 3],
        colors: colors(&frame.palette).map(|ink| color::pack(ink).components()),
    }
}

/// The colours by their numbers in the shaders that draw.
fn colors(palette: &Palette) -> [Color; 10] {
    [
        palette.card,
        palette.raised,
        palette.text,
        palette.text_dim,
        palette.accent,
        palette.good,
        palette.warn,
        palette.bad,
        line_color(Says::Inside, palette),
        line_color(Says::Spoke, palette),
    ]
}
