//! A graphics device: how it is opened and what draws its pictures.

use std::path::Path;

use smithay::{
    backend::{
        allocator::{
            Format, Fourcc, Modifier,
            dumb::DumbAllocator,
            gbm::{GbmAllocator, GbmBufferFlags, GbmDevice},
        },
        drm::{
            DrmDevice, DrmDeviceFd, DrmNode, DrmSurface, compositor::DrmCompositor,
            exporter::gbm::GbmFramebufferExporter,
        },
        egl::{EGLContext, EGLDisplay},
        renderer::{
            ImportDma,
            gles::{GlesRenderbuffer, GlesRenderer},
            pixman::PixmanRenderer,
        },
        session::{Session, libseat::LibSeatSession},
    },
    output::Output,
    reexports::{pixman::Image, rustix::fs::OFlags},
    utils::DeviceFd,
};

use super::{Cause, Drm, device_error, failed, heads::Swapchain};
use crate::{
    backend::{
        RendererKind, copies,
        single::{self, Single},
    },
    dmabuf::{Feedback, Targets},
    error::Error,
    mirror::Mirrors,
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

impl Drm {
    #[allow(clippy::type_complexity)]
    pub(super) fn open_device(
        session: &mut LibSeatSession,
        path: &Path,
    ) -> Result<
        (
            DrmDevice,
            smithay::backend::drm::DrmDeviceNotifier,
            DrmNode,
            Graphics,
        ),
        Error,
    > {
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        let fd = session
            .open(path, flags)
            .map_err(|e| device_error("cannot open", path, e))?;
        let fd = DrmDeviceFd::new(DeviceFd::from(fd));
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
        Ok((device, notifier, node, graphics))
    }

    pub(super) fn kind(&self) -> RendererKind {
        match self.graphics {
            Graphics::Pixman { .. } => RendererKind::Pixman,
            Graphics::Gles { .. } => RendererKind::Gles,
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

    /// Which buffers programs are to make, by what the renderer draws and the display's planes take.
    pub(super) fn buffers(&self, swapchain: &Swapchain) -> Option<Feedback> {
        let (Graphics::Gles { renderer, .. }, Swapchain::Gles(chain)) = (&self.graphics, swapchain)
        else {
            return None;
        };
        let surface = chain.surface();
        let overlays = surface.planes().overlay.iter();
        let formats = overlays.flat_map(|plane| plane.formats.iter());
        let planes = surface.plane_info().formats.iter().chain(formats).copied();
        Feedback::new(self.node.dev_id(), renderer.dmabuf_formats(), planes)
            .inspect_err(|error| tracing::warn!("programs are not told what planes take: {error}"))
            .ok()
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
