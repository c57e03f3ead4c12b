//! No screen: frames are drawn into memory by pixman, input comes from function calls.
//!
//! This is what tests drive, in their own process and without a GPU.

use std::collections::HashMap;

use smithay::{
    backend::{
        allocator::Fourcc,
        renderer::{
            Bind, ExportMem, Offscreen, damage::OutputDamageTracker, pixman::PixmanRenderer,
        },
    },
    desktop::utils::OutputPresentationFeedback,
    output::{Mode, Output, PhysicalProperties, Subpixel},
    reexports::pixman::Image,
    utils::{Buffer, Rectangle},
};

use super::{Backend, Outcome, RendererKind, Setup};
use crate::{
    error::Error,
    mirror::Mirrors,
    render::{self, Picture, Scene},
    state::State,
    tint::{self, Filter, Shade},
};

/// The longest side of an output, in pixels.
const LARGEST: i32 = 16384;

/// The memory of one output.
#[derive(Debug)]
struct Target {
    image: Image<'static, 'static>,
    size: (i32, i32),
    tracker: OutputDamageTracker,
    feedback: Option<OutputPresentationFeedback>,
    drawn: bool,
    shade: Option<Shade>,
}

/// See the module's page.
#[derive(Debug)]
pub struct Headless {
    renderer: PixmanRenderer,
    targets: HashMap<String, Target>,
    mirrors: Mirrors<Image<'static, 'static>>,
    paced: bool,
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Render {
        renderer: "pixman",
        reason: error.to_string(),
    }
}

impl Headless {
    /// A back end without outputs; [`add_output`] adds some. It draws whenever something changed: tests do
    /// not wait.
    ///
    /// # Errors
    /// When pixman cannot start.
    pub fn new() -> Result<Self, Error> {
        Ok(Self {
            renderer: PixmanRenderer::new().map_err(failed)?,
            targets: HashMap::new(),
            mirrors: Mirrors::new("pixman", Fourcc::Xrgb8888),
            paced: false,
        })
    }

    /// What an output shows: the last frame that was drawn.
    ///
    /// # Errors
    /// When nothing was drawn on it yet.
    pub fn shown(&mut self, output: &Output) -> Result<Picture, Error> {
        let target = self.targets.get_mut(&output.name());
        let target = target.ok_or_else(|| failed("nothing was drawn on this output yet"))?;
        let (width, height) = target.size;
        let frame = self.renderer.bind(&mut target.image).map_err(failed)?;
        let all = Rectangle::from_size(target.size.into());
        let mapping = self
            .renderer
            .copy_framebuffer(&frame, all, Fourcc::Abgr8888);
        let mapping = mapping.map_err(failed)?;
        let rgba = self.renderer.map_texture(&mapping).map_err(failed)?;
        Ok(Picture {
            width: width as u32,
            height: height as u32,
            rgba: rgba.to_vec(),
        })
    }

    /// The same, drawing as often as a screen would.
    ///
    /// # Errors
    /// When pixman cannot start.
    pub fn paced() -> Result<Self, Error> {
        Ok(Self {
            paced: true,
            ..Self::new()?
        })
    }
}

/// Adds an output of that many pixels at 60 Hz.
pub fn add_output(state: &mut State, name: &str, width: i32, height: i32) -> Output {
    let output = Output::new(
        name.to_owned(),
        PhysicalProperties {
            size: (0, 0).into(),
            subpixel: Subpixel::Unknown,
            make: "ArgOS".into(),
            model: "headless".into(),
        },
    );
    state.add_output(
        output.clone(),
        Mode {
            size: (width, height).into(),
            refresh: 60_000,
        },
    );
    output
}

/// Changes the size of an output.
pub fn resize_output(state: &mut State, output: &Output, width: i32, height: i32) {
    state.output_resized(
        output,
        Mode {
            size: (width, height).into(),
            refresh: 60_000,
        },
    );
}

/// Takes an output away.
pub fn remove_output(state: &mut State, output: &Output) {
    state.remove_output(output);
}

impl Backend for Headless {
    fn renderer(&self) -> RendererKind {
        RendererKind::Pixman
    }

    fn needs_pacing(&self) -> bool {
        self.paced
    }

    fn render(&mut self, scene: &Scene<'_>, output: &Output) -> Result<Outcome, Error> {
        let mode = output
            .current_mode()
            .ok_or_else(|| failed("the output has no mode"))?;
        let size = (mode.size.w, mode.size.h);
        let target = match self.targets.entry(output.name()) {
            std::collections::hash_map::Entry::Occupied(entry) if entry.get().size == size => {
                entry.into_mut()
            }
            entry => {
                let image = self
                    .renderer
                    .create_buffer(Fourcc::Xrgb8888, size.into())
                    .map_err(failed)?;
                let tracker = OutputDamageTracker::from_output(output);
                entry
                    .insert_entry(Target {
                        image,
                        size,
                        tracker,
                        feedback: None,
                        drawn: false,
                        shade: None,
                    })
                    .into_mut()
            }
        };
        let age = usize::from(target.drawn);
        let renderer = &mut self.renderer;
        let result = if let Some(Filter { tint, .. }) = scene.glass.filter {
            let (sheet, states) =
                tint::shaded(&mut target.shade, renderer, scene, output, tint).map_err(failed)?;
            let mut frame = renderer.bind(&mut target.image).map_err(failed)?;
            let mut result = target
                .tracker
                .render_output(renderer, &mut frame, age, &[sheet], scene.ground())
                .map_err(failed)?;
            result.states = states;
            result
        } else {
            target.shade = None;
            let elements = scene.elements(renderer, output);
            let mut frame = renderer.bind(&mut target.image).map_err(failed)?;
            target
                .tracker
                .render_output(renderer, &mut frame, age, &elements, scene.ground())
                .map_err(failed)?
        };
        target.drawn = true;
        Ok(if result.damage.is_some() {
            Outcome::Shown(result.states)
        } else {
            Outcome::Unchanged(result.states)
        })
    }

    fn test_setup(&self, output: &Output, setup: Option<Setup>) -> Result<(), Error> {
        let size = setup.map(|setup| setup.mode.size);
        match size.filter(|size| size.w.max(size.h) > LARGEST) {
            Some(size) => Err(Error::Output {
                output: output.name(),
                reason: format!(
                    "{}x{} is too large; a side has {LARGEST} pixels at most",
                    size.w, size.h
                ),
            }),
            None => Ok(()),
        }
    }

    fn capture(&mut self, scene: &Scene<'_>, output: &Output) -> Result<Picture, Error> {
        render::capture::<_, Image<'static, 'static>>(&mut self.renderer, scene, output, "pixman")
    }

    fn refresh(
        &mut self,
        scene: &Scene<'_>,
        output: &Output,
    ) -> Result<Vec<Rectangle<i32, Buffer>>, Error> {
        self.mirrors.refresh(&mut self.renderer, scene, output)
    }

    fn read(
        &mut self,
        scene: &Scene<'_>,
        output: &Output,
        region: Rectangle<i32, Buffer>,
    ) -> Result<Vec<u8>, Error> {
        self.mirrors.read(&mut self.renderer, scene, output, region)
    }

    fn forget_mirrors(&mut self) {
        self.mirrors.clear();
    }

    fn keep_feedback(&mut self, output: &Output, feedback: OutputPresentationFeedback) {
        if let Some(target) = self.targets.get_mut(&output.name()) {
            target.feedback = Some(feedback);
        }
    }

    fn take_feedback(&mut self, output: &Output) -> Option<OutputPresentationFeedback> {
        self.targets.get_mut(&output.name())?.feedback.take()
    }
}
