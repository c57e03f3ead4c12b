//! Outputs of a device without a GPU beside one that has one: drawn there, read back, shown here.
//!
//! pixman cannot read what programs drew on a GPU, and a device that has none (a USB display, a server's
//! graphics) is often beside one that has. So the GPU draws the scene into memory of its own, and what
//! changed of it is read back into a picture, which the output shows as one [`Sheet`]. What does not change
//! costs nothing.
#![allow(unsafe_code)]

use smithay::{
    backend::{
        allocator::Fourcc,
        renderer::{
            Bind, ExportMem, Offscreen,
            damage::OutputDamageTracker,
            element::{Id, RenderElementStates},
            gles::{GlesRenderbuffer, GlesRenderer},
            pixman::PixmanRenderer,
            utils::DamageBag,
        },
    },
    output::Output,
    reexports::pixman::Image,
    utils::{Buffer, Physical, Rectangle, Size, Transform},
};

use super::Cause;
use crate::{
    render::Scene,
    tint::{self, Sheet},
};

/// More rectangles than this are read as the one around them: the GPU is waited for with each.
const MOST_READS: usize = 8;

/// The picture of an output, kept from frame to frame, upright.
#[derive(Debug)]
pub(super) struct Replica {
    id: Id,
    /// What the GPU draws into.
    target: GlesRenderbuffer,
    tracker: OutputDamageTracker,
    /// What was read back.
    image: Image<'static, 'static>,
    damage: DamageBag<i32, Buffer>,
    size: Size<i32, Physical>,
    scale: f64,
    /// Nothing was drawn yet, or not all of it was read.
    stale: bool,
}

impl Replica {
    fn new(
        painter: &mut GlesRenderer,
        renderer: &mut PixmanRenderer,
        size: Size<i32, Physical>,
        scale: f64,
    ) -> Result<Self, Cause> {
        let area: Size<i32, Buffer> = (size.w, size.h).into();
        Ok(Self {
            id: Id::new(),
            target: painter.create_buffer(Fourcc::Abgr8888, area)?,
            tracker: OutputDamageTracker::new(size, scale, Transform::Normal),
            image: renderer.create_buffer(Fourcc::Xrgb8888, area)?,
            damage: DamageBag::default(),
            size,
            scale,
            stale: true,
        })
    }
}

/// Has `painter` draw what changed of a scene, and reads it back for `renderer`. The sheet must be gone before the
/// replica is used again.
pub(super) fn replicated(
    kept: &mut Option<Replica>,
    painter: &mut GlesRenderer,
    renderer: &mut PixmanRenderer,
    scene: &Scene<'_>,
    output: &Output,
) -> Result<(Sheet, RenderElementStates), Cause> {
    let size = tint::upright(output).ok_or("the output has no mode")?;
    let scale = output.current_scale().fractional_scale();
    let fits = |replica: &Replica| replica.size == size && replica.scale == scale;
    let replica = match kept.take().filter(fits) {
        Some(replica) => kept.insert(replica),
        None => kept.insert(Replica::new(painter, renderer, size, scale)?),
    };
    // Should anything go wrong from here, all of it is drawn the next time.
    let stale = std::mem::replace(&mut replica.stale, true);
    let elements = tint::tinted(scene, painter, output);
    let mut frame = painter.bind(&mut replica.target)?;
    let result = replica.tracker.render_output(
        painter,
        &mut frame,
        usize::from(!stale),
        &elements,
        scene.ground(),
    )?;
    let damage = to_read(result.damage.into_iter().flatten().copied(), size);
    for rect in &damage {
        let mapping = painter.copy_framebuffer(&frame, *rect, Fourcc::Abgr8888)?;
        lay(&mut replica.image, *rect, painter.map_texture(&mapping)?);
    }
    replica.damage.add(damage);
    replica.stale = false;
    let sheet = Sheet::of(&replica.id, &replica.image, replica.size, &replica.damage)?;
    Ok((sheet, result.states))
}

/// What is read of a picture of that size in which this changed.
fn to_read(
    damage: impl Iterator<Item = Rectangle<i32, Physical>>,
    size: Size<i32, Physical>,
) -> Vec<Rectangle<i32, Buffer>> {
    let mut rects: Vec<Rectangle<i32, Buffer>> = damage
        .filter_map(|rect| rect.intersection(Rectangle::from_size(size)))
        .filter(|rect| !rect.is_empty())
        .map(|rect| {
            Rectangle::new(
                (rect.loc.x, rect.loc.y).into(),
                (rect.size.w, rect.size.h).into(),
            )
        })
        .collect();
    if rects.len() > MOST_READS {
        rects = rects
            .into_iter()
            .reduce(Rectangle::merge)
            .into_iter()
            .collect();
    }
    rects
}

/// Lays pixels (red, green, blue and a byte without meaning each, rows without gaps) into a part of an image.
fn lay(image: &mut Image<'static, 'static>, part: Rectangle<i32, Buffer>, rgba: &[u8]) {
    let stride = image.stride() / size_of::<u32>();
    let rows = image.height();
    // SAFETY: the image owns so many rows of so many bytes and is borrowed alone here.
    let pixels = unsafe { std::slice::from_raw_parts_mut(image.data(), stride * rows) };
    put(pixels, stride, part, rgba);
}

/// The same into rows of `stride` pixels, 0xRRGGBB each.
fn put(pixels: &mut [u32], stride: usize, part: Rectangle<i32, Buffer>, rgba: &[u8]) {
    let (left, top, width) = (
        part.loc.x as usize,
        part.loc.y as usize,
        part.size.w as usize,
    );
    for (row, bytes) in rgba.chunks_exact(width * 4).enumerate() {
        let from = (top + row) * stride + left;
        for (pixel, bytes) in pixels[from..from + width]
            .iter_mut()
            .zip(bytes.chunks_exact(4))
        {
            *pixel = u32::from_be_bytes([0xff, bytes[0], bytes[1], bytes[2]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_lands_where_it_changed() {
        let mut pixels = [0; 12];
        let part = Rectangle::new((1, 1).into(), (2, 2).into());
        let rgba: Vec<u8> = (1..=16).collect();
        put(&mut pixels, 4, part, &rgba);
        let expected: [[u32; 4]; 3] = [
            [0, 0, 0, 0],
            [0, 0xff01_0203, 0xff05_0607, 0],
            [0, 0xff09_0a0b, 0xff0d_0e0f, 0],
        ];
        assert_eq!(&pixels[..], expected.as_flattened());
    }

    #[test]
    fn what_is_read_is_inside_and_not_in_many_pieces() {
        let rect = |x: i32, y: i32, w: i32, h: i32| {
            Rectangle::<i32, Physical>::new((x, y).into(), (w, h).into())
        };
        let read = |damage: Vec<Rectangle<i32, Physical>>| {
            let read = to_read(damage.into_iter(), Size::from((100, 50)));
            let parts = read.into_iter().map(|part| {
                let (at, size) = (part.loc, part.size);
                (at.x, at.y, size.w, size.h)
            });
            parts.collect::<Vec<_>>()
        };
        let outside = [rect(90, -5, 20, 10), rect(200, 0, 5, 5), rect(3, 3, 0, 4)];
        assert_eq!(read(outside.to_vec()), [(90, 0, 10, 5)]);
        let many: Vec<_> = (0..20).map(|n| rect(n * 5, 10, 2, 2)).collect();
        assert_eq!(read(many), [(0, 10, 97, 2)]);
    }
}
