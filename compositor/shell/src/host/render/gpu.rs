//! Drawing with wgpu: iced_wgpu presents to the same `wl_surface`s.
//!
//! The one place that hands raw pointers out: wgpu takes the `wl_display` and `wl_surface` of
//! libwayland, which is why the toolkit is built with its `system` feature.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::ptr::NonNull;

use iced_core::{Pixels, Size};
use iced_graphics::compositor::{Compositor as _, SurfaceError};
use iced_graphics::{Shell, Viewport};
use iced_wgpu::window::Compositor;
use smithay_client_toolkit::reexports::client::Proxy;
use smithay_client_toolkit::reexports::client::protocol::wl_surface::WlSurface;
use wgpu::rwh;

use super::super::wayland::Wayland;
use super::super::{Error, Renderer};
use super::CLEAR;

/// Names by which software drivers call themselves. wgpu does not hand out the adapter's type here.
const SOFTWARE: [&str; 4] = ["llvmpipe", "lavapipe", "softpipe", "SwiftShader"];

/// Device and renderer.
pub(crate) struct Gpu {
    compositor: Compositor,
    pub(super) renderer: Renderer,
}

/// The swapchain of one surface.
pub(crate) struct Target {
    surface: wgpu::Surface<'static>,
    size: Size<u32>,
}

impl Gpu {
    pub(super) fn new(wayland: &Wayland) -> Result<Self, Error> {
        let settings = iced_wgpu::Settings {
            // Frame callbacks already say when to draw; a presentation that waits would stop the
            // whole shell for one hidden surface.
            present_mode: wgpu::PresentMode::AutoNoVsync,
            default_font: crate::fonts::UI,
            default_text_size: Pixels(crate::theme::TEXT),
            antialiasing: Some(iced_graphics::Antialiasing::MSAAx4),
            ..iced_wgpu::Settings::default()
        };
        // wgpu wants a surface to see what the adapter can present to. This one is never shown.
        let surface = wayland.compositor.create_surface(&wayland.queue);
        let handle = Handle::new(wayland, &surface)?;
        let compositor = zbus::block_on(Compositor::request(
            settings,
            Some(handle),
            Shell::headless(),
        ));
        surface.destroy();
        let compositor = compositor.map_err(|e| Error::Gpu(e.to_string()))?;
        let adapter = compositor.information();
        let forced = std::env::var_os(super::probe::VARIABLE).is_some();
        if !forced && SOFTWARE.iter().any(|name| adapter.adapter.contains(name)) {
            return Err(Error::Gpu(format!(
                "{} is a software driver",
                adapter.adapter
            )));
        }
        tracing::info!("GPU: {} ({})", adapter.adapter, adapter.backend);
        let renderer = Renderer::Primary(compositor.create_renderer());
        Ok(Self {
            compositor,
            renderer,
        })
    }

    pub(super) fn target(
        &mut self,
        wayland: &Wayland,
        surface: &WlSurface,
    ) -> Result<Target, Error> {
        let handle = Handle::new(wayland, surface)?;
        // Configured at the first frame, when the size is known.
        Ok(Target {
            surface: self.compositor.create_surface(handle, 0, 0),
            size: Size::new(0, 0),
        })
    }

    pub(super) fn present(
        &mut self,
        target: &mut Target,
        viewport: &Viewport,
        before_commit: impl FnOnce(),
    ) -> Result<bool, Error> {
        let size = viewport.physical_size();
        if target.size != size {
            self.compositor
                .configure_surface(&mut target.surface, size.width, size.height);
            target.size = size;
        }
        let Renderer::Primary(renderer) = &mut self.renderer else {
            unreachable!("this back end makes only primary renderers")
        };
        let mut before_commit = Some(before_commit);
        // A swapchain is outdated after a change of the output; once more with a new one.
        for _ in 0..2 {
            let shown = iced_wgpu::window::compositor::present(
                renderer,
                &mut target.surface,
                viewport,
                CLEAR,
                || {
                    if let Some(before_commit) = before_commit.take() {
                        before_commit();
                    }
                },
            );
            match shown {
                Ok(()) => return Ok(true),
                Err(SurfaceError::OutOfMemory) => {
                    return Err(Error::Gpu("out of video memory".to_owned()));
                }
                Err(_) => {
                    self.compositor
                        .configure_surface(&mut target.surface, size.width, size.height);
                }
            }
        }
        Ok(false)
    }
}

/// The pointers that wgpu makes a surface of.
#[derive(Clone, Copy)]
struct Handle {
    display: NonNull<c_void>,
    surface: NonNull<c_void>,
}

// SAFETY: `wl_display` and `wl_surface` of libwayland may be used from any thread; its own locks
// guard them.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Handle {
    fn new(wayland: &Wayland, surface: &WlSurface) -> Result<Self, Error> {
        let display = NonNull::new(wayland.connection.backend().display_ptr().cast());
        let surface = NonNull::new(surface.id().as_ptr().cast());
        match (display, surface) {
            (Some(display), Some(surface)) => Ok(Self { display, surface }),
            _ => Err(Error::Gpu(
                "the Wayland connection has no libwayland objects".to_owned(),
            )),
        }
    }
}

impl rwh::HasDisplayHandle for Handle {
    fn display_handle(&self) -> Result<rwh::DisplayHandle<'_>, rwh::HandleError> {
        let raw = rwh::WaylandDisplayHandle::new(self.display);
        // SAFETY: the host drops every target, and with it every swapchain, before the connection.
        Ok(unsafe { rwh::DisplayHandle::borrow_raw(raw.into()) })
    }
}

impl rwh::HasWindowHandle for Handle {
    fn window_handle(&self) -> Result<rwh::WindowHandle<'_>, rwh::HandleError> {
        let raw = rwh::WaylandWindowHandle::new(self.surface);
        // SAFETY: a target is a field before its layer surface and so dropped before it.
        Ok(unsafe { rwh::WindowHandle::borrow_raw(raw.into()) })
    }
}
