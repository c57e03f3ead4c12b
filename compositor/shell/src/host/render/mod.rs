//! The two ways to draw: tiny-skia on the CPU into shared memory, wgpu on a GPU.
//!
//! Which one is decided once, before anything is drawn ([`probe`]). Both end in the same
//! `wl_surface`s and take the same widgets, since iced's renderer type holds either.

pub(super) mod cpu;
pub(super) mod gpu;
pub mod probe;

use iced_core::{Color, Size};
use iced_graphics::Viewport;
use smithay_client_toolkit::reexports::client::protocol::wl_surface::WlSurface;

use super::wayland::Wayland;
use super::{Error, Renderer};
pub(crate) use probe::Choice;

/// The drawing side of the process: one renderer for all surfaces, since only one draws at a time.
#[allow(clippy::large_enum_variant, reason = "there is one in the process")]
pub(super) enum Backend {
    Cpu(Renderer),
    Gpu(Box<gpu::Gpu>),
}

/// The drawing side of one surface.
pub(super) enum Target {
    Cpu(cpu::Target),
    Gpu(gpu::Target),
}

impl Backend {
    /// Starts what `choice` says; falls back to the CPU where the GPU turns out to be none.
    pub(super) fn new(choice: Choice, wayland: &Wayland) -> Self {
        if choice == Choice::Gpu {
            match gpu::Gpu::new(wayland) {
                Ok(gpu) => return Self::Gpu(Box::new(gpu)),
                Err(error) => tracing::warn!("drawing on the CPU: {error}"),
            }
        }
        Self::Cpu(cpu::renderer())
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Cpu(_) => "tiny-skia on the CPU",
            Self::Gpu(_) => "wgpu",
        }
    }

    pub(super) fn renderer(&mut self) -> &mut Renderer {
        match self {
            Self::Cpu(renderer) => renderer,
            Self::Gpu(gpu) => &mut gpu.renderer,
        }
    }

    pub(super) fn target(
        &mut self,
        wayland: &Wayland,
        surface: &WlSurface,
    ) -> Result<Target, Error> {
        Ok(match self {
            Self::Cpu(_) => Target::Cpu(cpu::Target::default()),
            Self::Gpu(gpu) => Target::Gpu(gpu.target(wayland, surface)?),
        })
    }

    /// Shows what the widgets drew. `before_commit` runs just before the frame is committed, and
    /// not at all where nothing changed. Returns whether a frame was committed.
    pub(super) fn present(
        &mut self,
        target: &mut Target,
        wayland: &Wayland,
        surface: &WlSurface,
        viewport: &Viewport,
        before_commit: impl FnOnce(),
    ) -> Result<bool, Error> {
        match (self, target) {
            (Self::Cpu(Renderer::Secondary(renderer)), Target::Cpu(target)) => {
                target.present(renderer, wayland, surface, viewport, before_commit)
            }
            (Self::Gpu(gpu), Target::Gpu(target)) => gpu.present(target, viewport, before_commit),
            _ => unreachable!("targets are made by the back end that presents them"),
        }
    }
}

/// The colour behind everything: layer surfaces are see-through where nothing is drawn.
const CLEAR: Color = Color::TRANSPARENT;

/// Physical pixels of a surface of `size` logical ones at `scale`.
pub(super) fn physical(size: Size<u32>, scale: f64) -> Size<u32> {
    let scaled = |length: u32| ((f64::from(length) * scale).round() as u32).max(1);
    Size::new(scaled(size.width), scaled(size.height))
}
