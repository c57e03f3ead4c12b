//! One buffer instead of a swapchain, for devices that show a copy.
//!
//! Virtual and other remote displays (virtio-gpu without 3D, USB, firmware framebuffers) never scan
//! out the buffer that is drawn into: the driver sends it somewhere. So a second buffer protects
//! nothing, and flipping between two costs a lot, since the driver then has to send the whole
//! screen and the host has to show it as new. Here the damage is drawn into the one buffer and only
//! the damage is sent (the DIRTYFB request): moving the pointer costs a few kilobytes, not four
//! megabytes.

use smithay::{
    backend::{
        allocator::{
            Allocator, Fourcc, Modifier,
            dmabuf::{AsDmabuf, Dmabuf},
            dumb::{DumbAllocator, DumbBuffer},
        },
        drm::{
            DrmDeviceFd, DrmError, DrmSurface, PlaneConfig, PlaneState,
            dumb::{DumbFramebuffer, framebuffer_from_dumb_buffer},
        },
        renderer::{
            Bind, Color32F, damage::OutputDamageTracker, element::RenderElement,
            pixman::PixmanRenderer,
        },
    },
    output::Output,
    reexports::drm::control::{ClipRect, Device, Mode},
    utils::{Buffer, Physical, Rectangle, Size, Transform},
};

use super::Outcome;
use crate::{
    mirror::in_buffer,
    render::Scene,
    tint::{self, Filter, Shade},
};

/// Drivers that send what is drawn somewhere instead of scanning it out.
const COPYING: &[&str] = &[
    "virtio_gpu",
    "qxl",
    "cirrus",
    "simpledrm",
    "efidrm",
    "vesadrm",
    "ofdrm",
    "hyperv_drm",
    "vkms",
    "gud",
    "udl",
    "vboxvideo",
];

/// Whether a driver sends what is drawn somewhere instead of scanning it out.
pub(super) fn suits(driver: &str) -> bool {
    COPYING.contains(&driver)
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// An output with one buffer.
#[derive(Debug)]
pub(super) struct Single {
    surface: DrmSurface,
    picture: Picture,
    /// The screen shows the picture as far as the tracker knows it.
    shown: bool,
}

/// The buffer and what knows its size. The framebuffer goes before the buffer it stands for.
#[derive(Debug)]
struct Picture {
    tracker: OutputDamageTracker,
    framebuffer: DumbFramebuffer,
    pixels: Dmabuf,
    _buffer: DumbBuffer,
    size: Size<i32, Physical>,
    scale: f64,
    transform: Transform,
}

impl Picture {
    /// For frames of that size, as the output is set.
    fn new(fd: &DrmDeviceFd, size: Size<i32, Physical>, output: &Output) -> Result<Self, Cause> {
        let (scale, transform) = (
            output.current_scale().fractional_scale(),
            output.current_transform(),
        );
        let (width, height) = (size.w as u32, size.h as u32);
        let buffer = DumbAllocator::new(fd.clone()).create_buffer(
            width,
            height,
            Fourcc::Xrgb8888,
            &[Modifier::Linear],
        )?;
        let pixels = buffer.export()?;
        let framebuffer = framebuffer_from_dumb_buffer(fd, &buffer, true)?;
        let tracker = OutputDamageTracker::new(size, scale, transform);
        Ok(Self {
            tracker,
            framebuffer,
            pixels,
            _buffer: buffer,
            size,
            scale,
            transform,
        })
    }
}

impl Single {
    pub(super) fn new(surface: DrmSurface, output: &Output) -> Result<Self, Cause> {
        let (w, h) = surface.pending_mode().size();
        let size = (i32::from(w), i32::from(h)).into();
        let picture = Picture::new(surface.device_fd(), size, output)?;
        Ok(Self {
            surface,
            picture,
            shown: false,
        })
    }

    pub(super) fn pending_mode(&self) -> Mode {
        self.surface.pending_mode()
    }

    /// The next frame has this mode.
    pub(super) fn use_mode(&mut self, mode: Mode) -> Result<(), DrmError> {
        self.shown = false;
        self.surface.use_mode(mode)
    }

    /// Switches the output off; the next frame switches it on again.
    pub(super) fn clear(&mut self) -> Result<(), DrmError> {
        self.shown = false;
        self.surface.clear()
    }

    /// The screen was somebody else's: nothing of what was shown is there any more.
    pub(super) fn reset_state(&mut self) -> Result<(), DrmError> {
        self.shown = false;
        self.surface.reset_state()
    }

    /// Draws what changed and sends it.
    pub(super) fn draw(
        &mut self,
        renderer: &mut PixmanRenderer,
        scene: &Scene<'_>,
        output: &Output,
        shade: &mut Option<Shade>,
    ) -> Result<Outcome, Cause> {
        if !self.surface.is_active() {
            return Ok(Outcome::Away);
        }
        let ground = scene.ground();
        if let Some(Filter { tint, .. }) = scene.glass.filter {
            let (sheet, states) = tint::shaded(shade, renderer, scene, output, tint)?;
            let shown = self.show(renderer, &[sheet], ground, output)?;
            return Ok(shown.with_states(states));
        }
        *shade = None;
        let elements = scene.elements(renderer, output);
        self.show(renderer, &elements, ground, output)
    }

    /// Draws what changed of these elements and sends it.
    pub(super) fn show<E: RenderElement<PixmanRenderer>>(
        &mut self,
        renderer: &mut PixmanRenderer,
        elements: &[E],
        ground: Color32F,
        output: &Output,
    ) -> Result<Outcome, Cause> {
        if !self.surface.is_active() {
            return Ok(Outcome::Away);
        }
        let (w, h) = self.surface.pending_mode().size();
        let size = (i32::from(w), i32::from(h)).into();
        if self.picture.size != size
            || self.picture.scale != output.current_scale().fractional_scale()
            || self.picture.transform != output.current_transform()
        {
            self.picture = Picture::new(self.surface.device_fd(), size, output)?;
            self.shown = false;
        }
        let age = usize::from(self.shown);
        // Should anything go wrong from here, the next frame is drawn and sent whole.
        let shown = std::mem::replace(&mut self.shown, false);
        let tracker = &mut self.picture.tracker;
        let (damage, states) = {
            let mut target = renderer.bind(&mut self.picture.pixels)?;
            let result = tracker.render_output(renderer, &mut target, age, elements, ground)?;
            (result.damage, result.states)
        };
        let Some(damage) = damage else {
            self.shown = shown;
            return Ok(Outcome::Unchanged(states));
        };
        let sent = if shown && !self.surface.commit_pending() {
            let (size, transform) = (self.picture.size, self.picture.transform);
            let upright = transform.transform_size(size);
            let clips: Vec<_> = damage
                .iter()
                .map(|rect| clip(in_buffer(*rect, transform, upright)))
                .collect();
            match self
                .surface
                .device_fd()
                .dirty_framebuffer(*self.picture.framebuffer.as_ref(), &clips)
            {
                // A driver without the request gets the whole picture.
                Err(error) if error.kind() != std::io::ErrorKind::PermissionDenied => {
                    self.show_whole()
                }
                other => other.map_err(Away::of_io),
            }
        } else {
            self.show_whole()
        };
        match sent {
            Ok(()) => {
                self.shown = true;
                Ok(Outcome::Shown(states))
            }
            Err(Away::Yes) => Ok(Outcome::Away),
            Err(Away::No(cause)) => Err(cause),
        }
    }

    fn show_whole(&self) -> Result<(), Away> {
        let size = self.picture.size;
        let plane = PlaneState {
            handle: self.surface.plane(),
            config: Some(PlaneConfig {
                src: Rectangle::from_size((size.w, size.h).into()).to_f64(),
                dst: Rectangle::from_size(size),
                transform: Transform::Normal,
                alpha: 1.0,
                damage_clips: None,
                fb: *self.picture.framebuffer.as_ref(),
                fence: None,
            }),
        };
        self.surface.commit([plane], false).map_err(|error| {
            if super::drm::is_away(&error) {
                Away::Yes
            } else {
                Away::No(error.into())
            }
        })
    }
}

/// Why a frame could not be sent.
enum Away {
    /// The device is not ours at the moment.
    Yes,
    No(Cause),
}

impl Away {
    fn of_io(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::PermissionDenied {
            Self::Yes
        } else {
            Self::No(error.into())
        }
    }
}

fn clip(rect: Rectangle<i32, Buffer>) -> ClipRect {
    let part = |value: i32| value.clamp(0, i32::from(u16::MAX)) as u16;
    let end = rect.loc + rect.size.to_point();
    ClipRect::new(part(rect.loc.x), part(rect.loc.y), part(end.x), part(end.y))
}
