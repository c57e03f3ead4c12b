//! A graphics device: how it is opened, what draws its pictures, and how they get to the screen.

use std::{
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use smithay::{
    backend::{
        allocator::{
            Format, Fourcc, Modifier,
            dmabuf::Dmabuf,
            dumb::DumbAllocator,
            format::FormatSet,
            gbm::{GbmAllocator, GbmBufferFlags, GbmDevice},
        },
        drm::{
            DrmDevice, DrmDeviceFd, DrmDeviceNotifier, DrmNode, DrmSurface,
            compositor::{
                DrmCompositor, FrameError, FrameFlags, PrimaryPlaneElement, RenderFrameError,
            },
            exporter::gbm::GbmFramebufferExporter,
        },
        egl::{EGLContext, EGLDisplay},
        renderer::{
            ImportDma, ImportMemWl,
            gles::{GlesRenderbuffer, GlesRenderer},
            pixman::PixmanRenderer,
        },
        session::{Session, libseat::LibSeatSession},
    },
    output::Output,
    reexports::{
        calloop::RegistrationToken, pixman::Image, rustix::fs::OFlags,
        wayland_server::protocol::wl_shm,
    },
    utils::{Buffer, DeviceFd, Rectangle},
};

use super::{
    Cause, device_error, failed,
    heads::{Head, Swapchain},
    is_away,
    replica::replicated,
};
use crate::{
    backend::{
        Outcome, RendererKind, copies,
        lease::Leases,
        planes,
        single::{self, Single},
    },
    dmabuf::Targets,
    error::Error,
    mirror::Mirrors,
    render::{self, Picture, Scene},
    tint::{self, Filter},
};

/// How frames of the device are drawn.
#[derive(Debug)]
pub(super) enum Graphics {
    /// `single`: the device shows a copy, so one buffer is enough.
    Pixman {
        renderer: PixmanRenderer,
        mirrors: Mirrors<Image<'static, 'static>>,
        single: bool,
    },
    Gles {
        renderer: Box<GlesRenderer>,
        mirrors: Mirrors<GlesRenderbuffer>,
        gbm: GbmDevice<DrmDeviceFd>,
        /// The buffers of clients into which it copies pictures.
        targets: Option<Targets>,
    },
}

/// Draws one frame with either pair of renderer and swapchain and sends it on its way.
macro_rules! draw {
    ($renderer:expr, $chain:expr, $elements:expr, $ground:expr, $flags:expr, $kind:expr) => {{
        let frame = match $chain.render_frame($renderer, $elements, $ground, $flags) {
            Ok(frame) => frame,
            Err(RenderFrameError::PrepareFrame(FrameError::DrmError(error))) if is_away(&error) => {
                return Ok(Outcome::Away);
            }
            Err(error) => {
                // The screen may have been left in a state that ours does not fit.
                let error = failed($kind, error);
                let _ = $chain.reset_state();
                return Err(error);
            }
        };
        if frame.needs_sync()
            && let PrimaryPlaneElement::Swapchain(element) = &frame.primary_element
        {
            let _ = element.sync.wait();
        }
        let (empty, states) = (frame.is_empty, frame.states);
        if empty {
            return Ok(Outcome::Unchanged(states));
        }
        match $chain.queue_frame(()) {
            Ok(()) => Ok(Outcome::Flipping(states)),
            Err(FrameError::DrmError(error)) if is_away(&error) => Ok(Outcome::Away),
            Err(error) => {
                let error = failed($kind, error);
                let _ = $chain.reset_state();
                Err(error)
            }
        }
    }};
}

/// A graphics device of the seat. What it shows goes before what that was drawn with.
#[derive(Debug)]
pub(super) struct Card {
    /// As `/dev/dri/card0`.
    pub(super) path: PathBuf,
    pub(super) heads: Vec<Head>,
    pub(super) graphics: Graphics,
    pub(super) node: DrmNode,
    pub(super) device: DrmDevice,
    /// What of it is given away.
    pub(super) leases: Leases,
    /// What reports its flips.
    pub(super) source: Option<RegistrationToken>,
}

impl Card {
    /// Opens a device through the seat.
    ///
    /// # Errors
    /// When it cannot be opened, or has no outputs to drive.
    pub(super) fn open(
        session: &mut LibSeatSession,
        path: &Path,
    ) -> Result<(Self, DrmDeviceNotifier), Error> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        let fd = session
            .open(path, flags)
            .map_err(|e| device_error("cannot open", path, e))?;
        let fd = DeviceFd::from(fd);
        let opened = Self::open_device(DrmDeviceFd::new(fd.clone()), path);
        if opened.is_err() {
            give_back(session, path, fd);
        }
        opened
    }

    fn open_device(fd: DrmDeviceFd, path: &Path) -> Result<(Self, DrmDeviceNotifier), Error> {
        let node =
            DrmNode::from_file(&fd).map_err(|e| device_error("not a DRM device:", path, e))?;
        let kind = RendererKind::forced().unwrap_or_else(|| RendererKind::for_device(&fd));
        let (device, notifier) = DrmDevice::new(fd.clone(), true)
            .map_err(|e| device_error("no modesetting on", path, e))?;
        let pixman = || {
            let driver = smithay::reexports::drm::Device::get_driver(&fd);
            let single = driver.is_ok_and(|driver| single::suits(&driver.name().to_string_lossy()));
            PixmanRenderer::new()
                .map(|renderer| Graphics::Pixman {
                    renderer,
                    mirrors: Mirrors::new("pixman", Fourcc::Xrgb8888),
                    single,
                })
                .map_err(|error| failed(RendererKind::Pixman, error))
        };
        let graphics = match kind {
            RendererKind::Pixman => pixman()?,
            RendererKind::Gles => match gles(&fd, node) {
                Ok(graphics) => graphics,
                Err(error) => {
                    tracing::warn!("{}: {error}; drawing with pixman instead", path.display());
                    pixman()?
                }
            },
        };
        let card = Self {
            path: path.to_owned(),
            heads: Vec::new(),
            graphics,
            node,
            device,
            leases: Leases::default(),
            source: None,
        };
        Ok((card, notifier))
    }

    /// Lets a device go and gives it back to the seat. Its source is gone already.
    pub(super) fn close(self, session: &mut LibSeatSession) {
        let (path, fd) = (self.path.clone(), self.device.device_fd().device_fd());
        drop(self);
        give_back(session, &path, fd);
    }

    /// The number by which the kernel's events name it.
    pub(super) fn id(&self) -> libc::dev_t {
        self.device.device_id()
    }

    pub(super) fn kind(&self) -> RendererKind {
        match self.graphics {
            Graphics::Pixman { .. } => RendererKind::Pixman,
            Graphics::Gles { .. } => RendererKind::Gles,
        }
    }

    pub(super) fn shows(&self, output: &Output) -> bool {
        self.heads.iter().any(|head| head.output == *output)
    }

    pub(super) fn head(&mut self, output: &Output) -> Option<&mut Head> {
        self.heads.iter_mut().find(|head| head.output == *output)
    }

    /// The formats of shared memory that can be drawn.
    pub(super) fn shm_formats(&self) -> Vec<wl_shm::Format> {
        match &self.graphics {
            Graphics::Pixman { renderer, .. } => renderer.shm_formats().collect(),
            Graphics::Gles { renderer, .. } => renderer.shm_formats().collect(),
        }
    }

    /// The formats of buffers on a GPU that can be drawn: none without one.
    pub(super) fn dmabuf_formats(&self) -> FormatSet {
        match &self.graphics {
            Graphics::Pixman { .. } => FormatSet::default(),
            Graphics::Gles { renderer, .. } => renderer.dmabuf_formats(),
        }
    }

    /// The buffers into which it copies pictures: none without a GPU.
    pub(super) fn targets(&self) -> Option<&Targets> {
        match &self.graphics {
            Graphics::Pixman { .. } => None,
            Graphics::Gles { targets, .. } => targets.as_ref(),
        }
    }

    /// Whether a buffer on a GPU can be drawn.
    pub(super) fn import_dmabuf(&mut self, dmabuf: &Dmabuf) -> bool {
        match &mut self.graphics {
            Graphics::Pixman { .. } => false,
            Graphics::Gles { renderer, .. } => renderer.import_dmabuf(dmabuf, None).is_ok(),
        }
    }

    pub(super) fn swapchain(
        &mut self,
        output: &Output,
        surface: DrmSurface,
    ) -> Result<Swapchain, Error> {
        let cursor = self.device.cursor_size();
        match &self.graphics {
            Graphics::Pixman { single: true, .. } => Single::new(surface, output)
                .map(|single| Swapchain::Single(Box::new(single)))
                .map_err(|error| failed(RendererKind::Pixman, error)),
            Graphics::Pixman { .. } => {
                let fd = self.device.device_fd().clone();
                // Dumb buffers are linear and pixman draws into all of these.
                let formats = [Fourcc::Xrgb8888, Fourcc::Argb8888].map(|code| Format {
                    code,
                    modifier: Modifier::Linear,
                });
                DrmCompositor::new(
                    output,
                    surface,
                    None,
                    DumbAllocator::new(fd.clone()),
                    fd,
                    [Fourcc::Xrgb8888, Fourcc::Argb8888],
                    formats,
                    cursor,
                    None,
                )
                .map(|compositor| Swapchain::Pixman(Box::new(compositor)))
                .map_err(|error| failed(RendererKind::Pixman, error))
            }
            Graphics::Gles { renderer, gbm, .. } => {
                let flags = GbmBufferFlags::RENDERING | GbmBufferFlags::SCANOUT;
                DrmCompositor::new(
                    output,
                    surface,
                    None,
                    GbmAllocator::new(gbm.clone(), flags),
                    GbmFramebufferExporter::new(gbm.clone(), Some(self.node)),
                    [Fourcc::Abgr8888, Fourcc::Argb8888, Fourcc::Xrgb8888],
                    renderer.egl_context().dmabuf_render_formats().clone(),
                    cursor,
                    Some(gbm.clone()),
                )
                .map(|compositor| Swapchain::Gles(Box::new(compositor)))
                .map_err(|error| failed(RendererKind::Gles, error))
            }
        }
    }
}

impl Card {
    /// Draws one of its outputs and shows it.
    pub(super) fn render(&mut self, scene: &Scene<'_>, output: &Output) -> Result<Outcome, Error> {
        let kind = self.kind();
        let Self {
            graphics, heads, ..
        } = self;
        let Some(head) = heads.iter_mut().find(|head| head.output == *output) else {
            return Ok(Outcome::Away);
        };
        head.replica = None;
        match (graphics, &mut head.swapchain) {
            (Graphics::Pixman { renderer, .. }, Swapchain::Single(chain)) => chain
                .draw(renderer, scene, output, &mut head.shade)
                .map_err(|error| failed(kind, error)),
            (Graphics::Pixman { renderer, .. }, Swapchain::Pixman(chain)) => {
                let (ground, flags) = (scene.ground(), FrameFlags::DEFAULT);
                let Some(Filter { tint, .. }) = scene.glass.filter else {
                    head.shade = None;
                    let elements = scene.elements(renderer, output);
                    return draw!(renderer, chain, &elements, ground, flags, kind);
                };
                let (sheet, states) = tint::shaded(&mut head.shade, renderer, scene, output, tint)
                    .map_err(|error| failed(kind, error))?;
                let elements = [sheet];
                let drawn = (|| draw!(renderer, chain, &elements, ground, flags, kind))();
                drawn.map(|outcome| outcome.with_states(states))
            }
            (Graphics::Gles { renderer, .. }, Swapchain::Gles(chain)) => {
                let renderer = renderer.as_mut();
                let elements = tint::tinted(scene, renderer, output);
                let flags = planes::flags(&scene.glass);
                draw!(renderer, chain, &elements, scene.ground(), flags, kind)
            }
            _ => Err(failed(kind, "the output was set up for another renderer")),
        }
    }

    /// Has a device with a GPU draw one of the outputs, and shows that.
    pub(super) fn show_drawn(
        &mut self,
        painter: &mut Self,
        scene: &Scene<'_>,
        output: &Output,
    ) -> Result<Outcome, Error> {
        let kind = self.kind();
        let Self {
            graphics, heads, ..
        } = self;
        let Some(head) = heads.iter_mut().find(|head| head.output == *output) else {
            return Ok(Outcome::Away);
        };
        let (Graphics::Pixman { renderer, .. }, Graphics::Gles { renderer: gpu, .. }) =
            (graphics, &mut painter.graphics)
        else {
            return Err(failed(kind, "the output was set up for another renderer"));
        };
        head.shade = None;
        let (sheet, states) = replicated(&mut head.replica, gpu.as_mut(), renderer, scene, output)
            .map_err(|error| failed(RendererKind::Gles, error))?;
        let (elements, ground) = ([sheet], scene.ground());
        let shown = match &mut head.swapchain {
            Swapchain::Single(chain) => chain
                .show(renderer, &elements, ground, output)
                .map_err(|error| failed(kind, error)),
            Swapchain::Pixman(chain) => (|| {
                draw!(
                    renderer,
                    chain,
                    &elements,
                    ground,
                    FrameFlags::DEFAULT,
                    kind
                )
            })(),
            Swapchain::Gles(_) => Err(failed(kind, "the output was set up for another renderer")),
        };
        shown.map(|outcome| outcome.with_states(states))
    }

    /// See [`crate::backend::Backend::capture`].
    pub(super) fn capture(&mut self, scene: &Scene<'_>, output: &Output) -> Result<Picture, Error> {
        match &mut self.graphics {
            Graphics::Pixman { renderer, .. } => {
                render::capture::<_, Image<'static, 'static>>(renderer, scene, output, "pixman")
            }
            Graphics::Gles { renderer, .. } => {
                render::capture::<_, GlesRenderbuffer>(renderer.as_mut(), scene, output, "gles")
            }
        }
    }

    /// See [`crate::backend::Backend::refresh`].
    pub(super) fn refresh(
        &mut self,
        scene: &Scene<'_>,
        output: &Output,
    ) -> Result<Vec<Rectangle<i32, Buffer>>, Error> {
        match &mut self.graphics {
            Graphics::Pixman {
                renderer, mirrors, ..
            } => mirrors.refresh(renderer, scene, output),
            Graphics::Gles {
                renderer, mirrors, ..
            } => mirrors.refresh(renderer.as_mut(), scene, output),
        }
    }

    /// See [`crate::backend::Backend::read`].
    pub(super) fn read(
        &mut self,
        scene: &Scene<'_>,
        output: &Output,
        region: Rectangle<i32, Buffer>,
    ) -> Result<Vec<u8>, Error> {
        match &mut self.graphics {
            Graphics::Pixman {
                renderer, mirrors, ..
            } => mirrors.read(renderer, scene, output, region),
            Graphics::Gles {
                renderer, mirrors, ..
            } => mirrors.read(renderer.as_mut(), scene, output, region),
        }
    }

    /// See [`crate::backend::Backend::copy`].
    pub(super) fn copy(
        &mut self,
        scene: &Scene<'_>,
        output: &Output,
        region: Rectangle<i32, Buffer>,
        buffer: &mut Dmabuf,
    ) -> Result<(), Error> {
        match &mut self.graphics {
            Graphics::Pixman { .. } => Err(failed(
                RendererKind::Pixman,
                "it copies into no buffers on a GPU",
            )),
            Graphics::Gles {
                renderer, mirrors, ..
            } => {
                mirrors.give(renderer.as_mut(), scene, output, region, buffer)?;
                copies::finish(renderer).map_err(|error| failed(RendererKind::Gles, error))
            }
        }
    }

    /// See [`crate::backend::Backend::forget_mirrors`].
    pub(super) fn forget_mirrors(&mut self) {
        match &mut self.graphics {
            Graphics::Pixman { mirrors, .. } => mirrors.clear(),
            Graphics::Gles { mirrors, .. } => mirrors.clear(),
        }
    }
}

/// Gives a device back to the seat, unless something still holds it.
fn give_back(session: &mut LibSeatSession, path: &Path, fd: DeviceFd) {
    let fd: Result<OwnedFd, DeviceFd> = fd.try_into();
    let Ok(fd) = fd else {
        tracing::debug!("{}: something still holds it", path.display());
        return;
    };
    if let Err(error) = session.close(fd) {
        tracing::debug!(
            "{}: the seat does not take it back: {error}",
            path.display()
        );
    }
}

fn gles(fd: &DrmDeviceFd, node: DrmNode) -> Result<Graphics, Error> {
    let wrong = |error: &dyn std::fmt::Display| failed(RendererKind::Gles, error);
    let gbm = GbmDevice::new(fd.clone()).map_err(|error| wrong(&error))?;
    let mut renderer = new_gles(&gbm).map_err(|error| wrong(&error))?;
    let targets = copies::targets(&mut renderer, node);
    Ok(Graphics::Gles {
        targets,
        renderer: Box::new(renderer),
        mirrors: Mirrors::new("gles", Fourcc::Abgr8888),
        gbm,
    })
}

#[allow(unsafe_code)]
fn new_gles(gbm: &GbmDevice<DrmDeviceFd>) -> Result<GlesRenderer, Cause> {
    // SAFETY: the display keeps a clone of the GBM device, so it outlives what EGL does with it.
    let display = unsafe { EGLDisplay::new(gbm.clone())? };
    let context = EGLContext::new(&display)?;
    // SAFETY: the context is new, is current on no other thread and stays on this one.
    Ok(unsafe { GlesRenderer::new(context)? })
}
