//! Pictures of outputs, windows and the pointer in memory that are kept and brought up to date, for clients that copy what is
//! on the screen.
//!
//! A mirror is drawn only when it is asked for, and then only where something changed since the last
//! time: who records the screen pays for what moves, not for the whole of it. What changed is found by a
//! damage tracker of the mirror's own, so the screen's frames are not touched.

use smithay::{
    backend::{
        allocator::{Fourcc, dmabuf::Dmabuf},
        renderer::{
            Bind, Blit, ExportMem, ImportAll, ImportMem, Offscreen, Renderer, TextureFilter,
            damage::OutputDamageTracker,
        },
    },
    output::Output,
    utils::{Buffer, Physical, Rectangle, Size, Transform},
};

use crate::{
    error::Error,
    render::{Scene, View},
};

/// More rectangles than this are told as the one around them.
const MOST_RECTANGLES: usize = 32;

/// What a mirror was made for.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Shape {
    size: Size<i32, Physical>,
    scale: f64,
    transform: Transform,
}

impl Shape {
    fn of(scene: &Scene<'_>, output: &Output) -> Option<Self> {
        let (size, transform) = scene.dimensions(output)?;
        Some(Self {
            size,
            scale: output.current_scale().fractional_scale(),
            transform,
        })
    }
}

#[derive(Debug)]
struct Mirror<T> {
    output: Output,
    view: View,
    shape: Shape,
    target: T,
    tracker: OutputDamageTracker,
    /// Nothing was drawn into it yet.
    blank: bool,
}

/// The mirrors of a back end. `T` is what its renderer draws into.
#[derive(Debug)]
pub(crate) struct Mirrors<T> {
    /// The renderer's name.
    renderer: &'static str,
    /// `Xrgb8888`, or `Abgr8888` where the renderer reads nothing else back.
    format: Fourcc,
    /// In the order in which they were made.
    list: Vec<Mirror<T>>,
}

impl<T> Mirrors<T> {
    pub(crate) fn new(renderer: &'static str, format: Fourcc) -> Self {
        Self {
            renderer,
            format,
            list: Vec::new(),
        }
    }

    /// Lets all mirrors go.
    pub(crate) fn clear(&mut self) {
        self.list.clear();
    }

    fn failed(&self, error: impl std::fmt::Display) -> Error {
        Error::Render {
            renderer: self.renderer,
            reason: error.to_string(),
        }
    }

    fn position(&self, view: View, output: &Output) -> Option<usize> {
        // A window has one wherever it goes.
        let anywhere = matches!(view, View::Window { .. });
        self.list
            .iter()
            .position(|mirror| mirror.view == view && (anywhere || mirror.output == *output))
    }

    /// What a mirror of a view is drawn in: what the pointer does not cover can be seen through.
    fn format(&self, view: View) -> Fourcc {
        match (view, self.format) {
            (View::Cursor, Fourcc::Xrgb8888) => Fourcc::Argb8888,
            (_, format) => format,
        }
    }

    /// Draws what changed; see [`crate::backend::Backend::refresh`].
    pub(crate) fn refresh<R>(
        &mut self,
        renderer: &mut R,
        scene: &Scene<'_>,
        output: &Output,
    ) -> Result<Vec<Rectangle<i32, Buffer>>, Error>
    where
        R: Renderer + ImportAll + ImportMem + Offscreen<T> + Bind<T>,
        R::TextureId: Clone + Send + 'static,
    {
        let shape = Shape::of(scene, output);
        let shape = shape.ok_or_else(|| self.failed("there is nothing to be seen"))?;
        let index = match self.position(scene.view, output) {
            Some(index) if self.list[index].shape == shape => index,
            other => {
                if let Some(stale) = other {
                    self.list.swap_remove(stale);
                }
                let target = renderer
                    .create_buffer(self.format(scene.view), (shape.size.w, shape.size.h).into())
                    .map_err(|error| self.failed(error))?;
                self.list.push(Mirror {
                    output: output.clone(),
                    view: scene.view,
                    shape,
                    target,
                    tracker: OutputDamageTracker::new(shape.size, shape.scale, shape.transform),
                    blank: true,
                });
                self.list.len() - 1
            }
        };
        let drawn = draw(renderer, &mut self.list[index], scene, output);
        drawn.map_err(|error| {
            // Half a picture is no base for the next one.
            self.list.swap_remove(index);
            self.failed(error)
        })
    }

    /// Copies pixels into a buffer on the GPU; see [`crate::backend::Backend::copy`].
    pub(crate) fn give<R>(
        &mut self,
        renderer: &mut R,
        scene: &Scene<'_>,
        output: &Output,
        region: Rectangle<i32, Buffer>,
        buffer: &mut Dmabuf,
    ) -> Result<(), Error>
    where
        R: Renderer + Blit + Bind<T> + Bind<Dmabuf>,
    {
        let index = self
            .position(scene.view, output)
            .ok_or_else(|| self.failed("nothing was drawn of this output yet"))?;
        let given = give(renderer, &mut self.list[index].target, region, buffer);
        given.map_err(|error| self.failed(error))
    }

    /// Reads pixels; see [`crate::backend::Backend::read`].
    pub(crate) fn read<R>(
        &mut self,
        renderer: &mut R,
        scene: &Scene<'_>,
        output: &Output,
        region: Rectangle<i32, Buffer>,
    ) -> Result<Vec<u8>, Error>
    where
        R: Renderer + ExportMem + Bind<T>,
    {
        let index = self
            .position(scene.view, output)
            .ok_or_else(|| self.failed("nothing was drawn of this output yet"))?;
        let format = self.format(scene.view);
        let mirror = &mut self.list[index];
        let pixels = copy(renderer, &mut mirror.target, region, format);
        let mut pixels = pixels.map_err(|error| self.failed(error))?;
        if format == Fourcc::Abgr8888 {
            for pixel in pixels.chunks_exact_mut(4) {
                pixel.swap(0, 2);
            }
        }
        Ok(pixels)
    }
}

fn draw<R, T>(
    renderer: &mut R,
    mirror: &mut Mirror<T>,
    scene: &Scene<'_>,
    output: &Output,
) -> Result<Vec<Rectangle<i32, Buffer>>, String>
where
    R: Renderer + ImportAll + ImportMem + Bind<T>,
    R::TextureId: Clone + Send + 'static,
{
    let elements = scene.elements(renderer, output);
    let mut frame = renderer
        .bind(&mut mirror.target)
        .map_err(|error| error.to_string())?;
    let age = usize::from(!mirror.blank);
    let result = mirror
        .tracker
        .render_output(renderer, &mut frame, age, &elements, scene.ground())
        .map_err(|error| error.to_string())?;
    mirror.blank = false;
    let Shape {
        size, transform, ..
    } = mirror.shape;
    let upright = transform.transform_size(size);
    let mut changed: Vec<_> = result
        .damage
        .into_iter()
        .flatten()
        .map(|rect| in_buffer(*rect, transform, upright))
        .collect();
    if changed.len() > MOST_RECTANGLES {
        changed = changed
            .into_iter()
            .reduce(Rectangle::merge)
            .into_iter()
            .collect();
    }
    Ok(changed)
}

/// Where a part of an output, as a person sees it, is in the rows of its mode. `upright` is the size that
/// the person sees.
pub(crate) fn in_buffer(
    rect: Rectangle<i32, Physical>,
    transform: Transform,
    upright: Size<i32, Physical>,
) -> Rectangle<i32, Buffer> {
    let rect = transform.invert().transform_rect_in(rect, &upright);
    Rectangle::new(
        (rect.loc.x, rect.loc.y).into(),
        (rect.size.w, rect.size.h).into(),
    )
}

fn give<R, T>(
    renderer: &mut R,
    target: &mut T,
    region: Rectangle<i32, Buffer>,
    buffer: &mut Dmabuf,
) -> Result<(), R::Error>
where
    R: Renderer + Blit + Bind<T> + Bind<Dmabuf>,
{
    let from = Bind::<T>::bind(&mut *renderer, target)?;
    let mut to = Bind::<Dmabuf>::bind(&mut *renderer, buffer)?;
    let size = Size::from((region.size.w, region.size.h));
    let part = Rectangle::new((region.loc.x, region.loc.y).into(), size);
    let whole = Rectangle::from_size(size);
    renderer.blit(&from, &mut to, part, whole, TextureFilter::Nearest)
}

fn copy<R, T>(
    renderer: &mut R,
    target: &mut T,
    region: Rectangle<i32, Buffer>,
    format: Fourcc,
) -> Result<Vec<u8>, R::Error>
where
    R: Renderer + ExportMem + Bind<T>,
{
    let frame = renderer.bind(target)?;
    let mapping = renderer.copy_framebuffer(&frame, region, format)?;
    Ok(renderer.map_texture(&mapping)?.to_vec())
}
