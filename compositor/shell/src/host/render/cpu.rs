//! Drawing on the CPU: iced_tiny_skia straight into ARGB shared memory.
//!
//! Only what changed is drawn and only what changed is damaged; a frame that changed nothing is
//! not committed at all. Two comparisons are needed for that: against the frame on screen (what
//! the compositor must hear of) and against the frame that the buffer at hand still holds (what
//! must be drawn over it), since buffers take turns.
//!
//! The pixels of `wl_shm`'s ARGB8888 are premultiplied, blue first in memory. tiny-skia's are
//! premultiplied too, and iced_tiny_skia swaps red and blue, so no conversion is left.

use std::rc::Rc;
use std::sync::atomic::Ordering;

use iced_core::{Pixels, Rectangle, Size};
use iced_graphics::{Viewport, damage};
use iced_tiny_skia::Layer;
use sctk::reexports::client::protocol::wl_buffer::WlBuffer;
use sctk::reexports::client::protocol::wl_shm::Format;
use sctk::reexports::client::protocol::wl_surface::WlSurface;
use sctk::shm::raw::RawPool;
use smithay_client_toolkit as sctk;

use super::super::wayland::{InUse, Wayland};
use super::super::{Error, Renderer};
use super::CLEAR;

/// Glyphs and antialiased edges may reach this far beyond the bounds of what they belong to, in
/// logical pixels.
const OVERHANG: f32 = 2.0;

/// A CPU renderer with the shell's font and text size.
pub(crate) fn renderer() -> Renderer {
    Renderer::Secondary(iced_tiny_skia::Renderer::new(
        crate::fonts::UI,
        Pixels(crate::theme::TEXT),
    ))
}

/// What a frame showed.
#[derive(Debug)]
struct Frame {
    layers: Vec<Layer>,
    size: Size<u32>,
    scale: f32,
}

/// A shared-memory buffer and the frame it holds.
struct Buffer {
    pool: RawPool,
    buffer: WlBuffer,
    in_use: InUse,
    size: Size<u32>,
    frame: Option<Rc<Frame>>,
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.buffer.destroy();
    }
}

/// The buffers of one surface.
#[derive(Default)]
pub(crate) struct Target {
    buffers: Vec<Buffer>,
    on_screen: Option<Rc<Frame>>,
}

impl Target {
    pub(super) fn present(
        &mut self,
        renderer: &mut iced_tiny_skia::Renderer,
        wayland: &Wayland,
        surface: &WlSurface,
        viewport: &Viewport,
        before_commit: impl FnOnce(),
    ) -> Result<bool, Error> {
        let size = viewport.physical_size();
        let scale = viewport.scale_factor();
        let changed = changes(self.on_screen.as_deref(), renderer.layers(), viewport);
        if changed.is_empty() {
            return Ok(false);
        }

        self.buffers
            .retain(|b| b.size == size || b.in_use.0.load(Ordering::Acquire));
        let free = self
            .buffers
            .iter()
            .position(|b| b.size == size && !b.in_use.0.load(Ordering::Acquire));
        let index = match free {
            Some(index) => index,
            None => {
                self.buffers.push(Buffer::new(wayland, size)?);
                self.buffers.len() - 1
            }
        };
        let buffer = &mut self.buffers[index];

        let stale = changes(buffer.frame.as_deref(), renderer.layers(), viewport);
        let frame = Rc::new(Frame {
            layers: renderer.layers().to_vec(),
            size,
            scale,
        });
        let mut pixels =
            tiny_skia::PixmapMut::from_bytes(buffer.pool.mmap(), size.width, size.height).ok_or(
                Error::Buffer {
                    width: size.width,
                    height: size.height,
                    reason: None,
                },
            )?;
        let mut mask = tiny_skia::Mask::new(size.width, size.height).ok_or(Error::Buffer {
            width: size.width,
            height: size.height,
            reason: None,
        })?;
        let logical: Vec<Rectangle> = stale
            .iter()
            .map(|region| Rectangle::<f32>::from(*region) * (1.0 / scale))
            .collect();
        renderer.draw(&mut pixels, &mut mask, viewport, &logical, CLEAR);

        buffer.frame = Some(frame.clone());
        buffer.in_use.0.store(true, Ordering::Release);
        surface.attach(Some(&buffer.buffer), 0, 0);
        for region in &changed {
            surface.damage_buffer(
                region.x as i32,
                region.y as i32,
                region.width as i32,
                region.height as i32,
            );
        }
        before_commit();
        surface.commit();
        self.on_screen = Some(frame);
        Ok(true)
    }
}

impl Buffer {
    fn new(wayland: &Wayland, size: Size<u32>) -> Result<Self, Error> {
        let error = |source: String| Error::Buffer {
            width: size.width,
            height: size.height,
            reason: Some(source),
        };
        let (width, height) = (size.width as i32, size.height as i32);
        let bytes = size.width as usize * size.height as usize * 4;
        let mut pool = RawPool::new(bytes, &wayland.shm).map_err(|e| error(e.to_string()))?;
        let in_use = InUse::default();
        let buffer = pool.create_buffer(
            0,
            width,
            height,
            width * 4,
            Format::Argb8888,
            in_use.clone(),
            &wayland.queue,
        );
        Ok(Self {
            pool,
            buffer,
            in_use,
            size,
            frame: None,
        })
    }
}

/// The regions, in whole physical pixels, in which `layers` differ from `before`.
fn changes(before: Option<&Frame>, layers: &[Layer], viewport: &Viewport) -> Vec<Rectangle<u32>> {
    let size = viewport.physical_size();
    let scale = viewport.scale_factor();
    let all = Rectangle {
        x: 0,
        y: 0,
        width: size.width,
        height: size.height,
    };
    let Some(before) = before.filter(|b| b.size == size && b.scale == scale) else {
        return vec![all];
    };
    let differing = damage::diff(
        &before.layers,
        layers,
        |layer| vec![layer.bounds],
        Layer::damage,
    );
    let bounds = Rectangle::with_size(viewport.logical_size());
    let grown = differing
        .into_iter()
        .map(|region| region.expand(OVERHANG))
        .collect();
    damage::group(grown, bounds)
        .into_iter()
        .map(|region| outward(region * scale, size))
        .collect()
}

/// The whole pixels that `region` touches, within `size`.
fn outward(region: Rectangle, size: Size<u32>) -> Rectangle<u32> {
    let left = (region.x.floor().max(0.0) as u32).min(size.width);
    let top = (region.y.floor().max(0.0) as u32).min(size.height);
    let right = ((region.x + region.width).ceil().max(0.0) as u32).min(size.width);
    let bottom = ((region.y + region.height).ceil().max(0.0) as u32).min(size.height);
    Rectangle {
        x: left,
        y: top,
        width: right - left,
        height: bottom - top,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_grow_to_whole_pixels_and_stay_inside() {
        let size = Size::new(100, 50);
        let region = Rectangle {
            x: -3.0,
            y: 10.4,
            width: 20.2,
            height: 60.0,
        };
        assert_eq!(
            outward(region, size),
            Rectangle {
                x: 0,
                y: 10,
                width: 18,
                height: 40
            }
        );
    }

    #[test]
    fn a_frame_like_the_last_one_changes_nothing() {
        use iced_core::renderer::{Quad, Renderer as _};
        let viewport = Viewport::with_physical_size(Size::new(200, 100), 2.0);
        let Renderer::Secondary(mut renderer) = renderer() else {
            panic!("not a CPU renderer")
        };
        let mut draw = |width: f32| {
            renderer.reset(Rectangle::with_size(viewport.logical_size()));
            let bounds = Rectangle {
                x: 10.0,
                y: 10.0,
                width,
                height: 10.0,
            };
            renderer.fill_quad(
                Quad {
                    bounds,
                    ..Quad::default()
                },
                iced_core::Color::WHITE,
            );
            renderer.layers().to_vec()
        };
        let frame = Frame {
            layers: draw(20.0),
            size: Size::new(200, 100),
            scale: 2.0,
        };
        assert!(changes(Some(&frame), &draw(20.0), &viewport).is_empty());
        let changed = changes(Some(&frame), &draw(24.0), &viewport);
        assert_eq!(changed.len(), 1);
        assert!(
            changed[0].x <= 20 && changed[0].x + changed[0].width >= 68,
            "{changed:?}"
        );
        assert!(changed[0].width < 100, "only the changed part: {changed:?}");
        assert_eq!(changes(None, &draw(20.0), &viewport)[0].width, 200);
    }
}
