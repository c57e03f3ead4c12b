//! A window on another desktop, drawn with GLES: for working on the compositor and trying it out.

use std::time::Duration;

use smithay::{
    backend::{
        allocator::Fourcc,
        renderer::{
            ImportDma, ImportMemWl,
            damage::OutputDamageTracker,
            gles::{GlesRenderbuffer, GlesRenderer},
            utils::import_surface_tree,
        },
        winit::{self, WinitEvent, WinitEventLoop, WinitGraphicsBackend},
    },
    desktop::utils::OutputPresentationFeedback,
    output::{Mode, Output, PhysicalProperties, Subpixel},
    reexports::{
        calloop::{
            EventLoop,
            timer::{TimeoutAction, Timer},
        },
        wayland_server::protocol::wl_surface::WlSurface,
        winit::{dpi::LogicalSize, platform::pump_events::PumpStatus, window::Window},
    },
    utils::{Buffer, Physical, Rectangle, Size, Transform},
};

use super::{Backend, Outcome, RendererKind, Setup};
use crate::{
    error::Error,
    mirror::Mirrors,
    render::{self, Picture, Scene},
    state::State,
    tint,
};

/// See the module's page.
#[derive(Debug)]
pub struct Nested {
    window: WinitGraphicsBackend<GlesRenderer>,
    /// For frames of this size and scale.
    tracker: Option<(Size<i32, Physical>, f64, OutputDamageTracker)>,
    feedback: Option<OutputPresentationFeedback>,
    mirrors: Mirrors<GlesRenderbuffer>,
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Render {
        renderer: "gles",
        reason: error.to_string(),
    }
}

impl Nested {
    /// Opens the window.
    ///
    /// # Errors
    /// When there is no desktop to open it on, or it has no GLES.
    pub fn open() -> Result<(Self, WinitEventLoop), Error> {
        let attributes = Window::default_attributes()
            .with_inner_size(LogicalSize::new(1280.0, 800.0))
            .with_title("ArgOS");
        let (window, events) = winit::init_from_attributes::<GlesRenderer>(attributes)
            .map_err(|error| Error::Nested(error.to_string()))?;
        Ok((
            Self {
                window,
                tracker: None,
                feedback: None,
                mirrors: Mirrors::new("gles", Fourcc::Abgr8888),
            },
            events,
        ))
    }

    fn mode(&self) -> Mode {
        Mode {
            size: self.window.window_size(),
            refresh: 60_000,
        }
    }
}

/// Adds the window as an output and its events to the loop.
///
/// # Errors
/// When the loop takes no more sources.
pub fn start(
    event_loop: &EventLoop<'static, State>,
    state: &mut State,
    mut events: WinitEventLoop,
    mode: Mode,
) -> Result<(), Error> {
    let output = Output::new(
        "nested".into(),
        PhysicalProperties {
            size: (0, 0).into(),
            subpixel: Subpixel::Unknown,
            make: "ArgOS".into(),
            model: "nested".into(),
        },
    );
    state.add_output(output.clone(), mode);
    // winit's own loop can only be asked, not waited for, so this one is asked at the frame rate.
    event_loop
        .handle()
        .insert_source(Timer::immediate(), move |_, (), state| {
            let status = events.dispatch_new_events(|event| match event {
                WinitEvent::Resized { size, .. } => {
                    state.output_resized(
                        &output,
                        Mode {
                            size,
                            refresh: 60_000,
                        },
                    );
                }
                WinitEvent::Input(event) => state.process_input(event),
                WinitEvent::Redraw => state.outputs.queue(&output),
                WinitEvent::CloseRequested => state.stop(),
                WinitEvent::Focus(_) => {}
            });
            if let PumpStatus::Exit(_) = status {
                state.stop();
            }
            TimeoutAction::ToDuration(Duration::from_millis(16))
        })
        .map_err(|error| Error::event_loop(error.error))?;
    Ok(())
}

/// Tells clients which buffers can be drawn.
pub fn offer_formats(
    state: &mut State,
    shm: Vec<smithay::reexports::wayland_server::protocol::wl_shm::Format>,
) {
    state.protocols.shm.update_formats(shm);
}

impl Nested {
    /// Shared-memory formats that can be drawn, and the window's mode.
    pub fn abilities(
        &mut self,
    ) -> (
        Vec<smithay::reexports::wayland_server::protocol::wl_shm::Format>,
        Mode,
    ) {
        (self.window.renderer().shm_formats().collect(), self.mode())
    }
}

impl Backend for Nested {
    fn renderer(&self) -> RendererKind {
        RendererKind::Gles
    }

    fn render(&mut self, scene: &Scene<'_>, output: &Output) -> Result<Outcome, Error> {
        let (size, scale) = (
            self.window.window_size(),
            output.current_scale().fractional_scale(),
        );
        // A new surface has no age before its first frame.
        let (tracker, age) = match &mut self.tracker {
            Some((known, at, tracker)) if *known == size && *at == scale => {
                (tracker, self.window.buffer_age().unwrap_or(0))
            }
            // The window's rows run from the bottom, which is nobody's business but ours.
            other => {
                let tracker = OutputDamageTracker::new(size, scale, Transform::Flipped180);
                (&mut other.insert((size, scale, tracker)).2, 0)
            }
        };
        let (damage, states) = {
            let (renderer, mut frame) = self.window.bind().map_err(failed)?;
            let elements = tint::tinted(scene, renderer, output);
            let result = tracker
                .render_output(renderer, &mut frame, age, &elements, scene.ground())
                .map_err(failed)?;
            (result.damage.cloned(), result.states)
        };
        match damage {
            Some(damage) => {
                self.window.submit(Some(&damage)).map_err(failed)?;
                Ok(Outcome::Shown(states))
            }
            None => Ok(Outcome::Unchanged(states)),
        }
    }

    fn test_setup(&self, output: &Output, setup: Option<Setup>) -> Result<(), Error> {
        let as_it_is = setup.is_some_and(|setup| {
            Some(setup.mode) == output.current_mode() && setup.transform == Transform::Normal
        });
        if as_it_is {
            return Ok(());
        }
        Err(Error::Output {
            output: output.name(),
            reason: "it is a window: the desktop around it gives it its size and keeps it upright"
                .to_owned(),
        })
    }

    fn capture(&mut self, scene: &Scene<'_>, output: &Output) -> Result<Picture, Error> {
        render::capture::<_, GlesRenderbuffer>(self.window.renderer(), scene, output, "gles")
    }

    fn refresh(
        &mut self,
        scene: &Scene<'_>,
        output: &Output,
    ) -> Result<Vec<Rectangle<i32, Buffer>>, Error> {
        self.mirrors.refresh(self.window.renderer(), scene, output)
    }

    fn read(
        &mut self,
        scene: &Scene<'_>,
        output: &Output,
        region: Rectangle<i32, Buffer>,
    ) -> Result<Vec<u8>, Error> {
        self.mirrors
            .read(self.window.renderer(), scene, output, region)
    }

    fn forget_mirrors(&mut self) {
        self.mirrors.clear();
    }

    fn early_import(&mut self, surface: &WlSurface) {
        if let Err(error) = import_surface_tree(self.window.renderer(), surface) {
            tracing::warn!("a client's buffer cannot be drawn: {error}");
        }
    }

    fn import_dmabuf(&mut self, dmabuf: &smithay::backend::allocator::dmabuf::Dmabuf) -> bool {
        self.window.renderer().import_dmabuf(dmabuf, None).is_ok()
    }

    fn keep_feedback(&mut self, _: &Output, feedback: OutputPresentationFeedback) {
        self.feedback = Some(feedback);
    }

    fn take_feedback(&mut self, _: &Output) -> Option<OutputPresentationFeedback> {
        self.feedback.take()
    }
}
