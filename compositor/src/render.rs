//! What is drawn on an output, from front to back.
//!
//! Generic over the renderer: pixman and GLES draw the same elements. Each element carries its own
//! identity and damage, from which the back ends find what has to be drawn again.

use std::time::Duration;

use smithay::{
    backend::{
        allocator::Fourcc,
        renderer::{
            Bind, Color32F, ExportMem, ImportAll, ImportMem, Offscreen, Renderer, TextureFilter,
            damage::OutputDamageTracker,
            element::{
                AsRenderElements, Element as _, Kind,
                memory::MemoryRenderBufferRenderElement,
                render_elements,
                solid::SolidColorRenderElement,
                surface::{WaylandSurfaceRenderElement, render_elements_from_surface_tree},
                utils::{CropRenderElement, RescaleRenderElement},
            },
        },
    },
    desktop::{LayerSurface, PopupManager, layer_map_for_output},
    output::Output,
    utils::{Buffer, Logical, Physical, Point, Rectangle, Scale, Size, Transform},
    wayland::{seat::WaylandFocus, shell::wlr_layer::Layer},
};

use crate::{
    backend::RendererKind,
    cursor::Cursor,
    error::Error,
    layers,
    layout::{Rect, WindowId},
    lock::Locked,
    notice::Notice,
    outputs::geometry,
    tint::Filter,
    windows::{Windows, content},
    zoom::Zoom,
};

render_elements! {
    /// One thing on the screen.
    pub Element<R> where R: ImportAll + ImportMem;
    /// A client's surface.
    Surface=WaylandSurfaceRenderElement<R>,
    /// A part of a client's surface.
    Part=CropRenderElement<WaylandSurfaceRenderElement<R>>,
    /// A part of a client's surface, smaller than it is: previews.
    Thumbnail=CropRenderElement<RescaleRenderElement<WaylandSurfaceRenderElement<R>>>,
    /// A client's surface while its window moves, or of a size between the layout's pixels.
    Moving=RescaleRenderElement<WaylandSurfaceRenderElement<R>>,
    /// Pixels of our own around such a window.
    MovingMemory=RescaleRenderElement<MemoryRenderBufferRenderElement<R>>,
    /// One colour there.
    MovingSolid=RescaleRenderElement<SolidColorRenderElement>,
    /// Pixels of our own: title bars, the cursor.
    Memory=MemoryRenderBufferRenderElement<R>,
    /// One colour: borders.
    Solid=SolidColorRenderElement,
}

render_elements! {
    /// One thing as the person sees it.
    pub Shown<R> where R: ImportAll + ImportMem;
    /// As it is.
    Plain=Element<R>,
    /// Magnified.
    Zoomed=RescaleRenderElement<Element<R>>,
}

impl<R: Renderer + ImportAll + ImportMem> std::fmt::Debug for Shown<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain",
            Self::Zoomed(_) => "Zoomed",
            Self::_GenericCatcher(_) => "",
        })
    }
}

impl<R: Renderer + ImportAll + ImportMem> std::fmt::Debug for Element<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Surface(_) => "Surface",
            Self::Part(_) => "Part",
            Self::Thumbnail(_) => "Thumbnail",
            Self::Moving(_) => "Moving",
            Self::MovingMemory(_) => "MovingMemory",
            Self::MovingSolid(_) => "MovingSolid",
            Self::Memory(_) => "Memory",
            Self::Solid(_) => "Solid",
            Self::_GenericCatcher(_) => "",
        })
    }
}

/// What of the desktop is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// The screen, as the person sees it.
    Screen,
    /// What is behind the prompts, with the pointer or without: what others may be given a picture of.
    Behind {
        /// Whether the pointer is in it.
        pointer: bool,
    },
    /// One window's content, wherever it is and whatever is in front of it.
    Window {
        /// Which.
        id: WindowId,
        /// Whether the pointer is in it.
        pointer: bool,
    },
    /// What the pointer looks like, by itself.
    Cursor,
}

impl View {
    /// One window's content without the pointer.
    pub(crate) fn window(id: WindowId) -> Self {
        Self::Window { id, pointer: false }
    }
}

/// The size of a picture of a view on an output, and how its rows lie on that. Nothing, where there is nothing to be
/// seen.
pub(crate) fn dimensions(
    view: View,
    windows: &Windows,
    cursor: &Cursor,
    output: &Output,
) -> Option<(Size<i32, Physical>, Transform)> {
    let scale = output.current_scale().fractional_scale();
    let (size, transform) = match view {
        View::Screen | View::Behind { .. } => {
            (output.current_mode()?.size, output.current_transform())
        }
        View::Window { id, .. } => {
            let size = windows.layout.client(id)?.size;
            (size.to_physical_precise_round(scale), Transform::Normal)
        }
        View::Cursor => (cursor.image(scale)?.0, Transform::Normal),
    };
    (size.w > 0 && size.h > 0).then_some((size, transform))
}

/// What is between the screen and the person's eyes, and in no picture for others.
#[derive(Debug, Clone, Default)]
pub(crate) struct Glass {
    /// Makes the colours warmer.
    pub(crate) filter: Option<Filter>,
    /// Makes things larger.
    pub(crate) zoom: Option<Zoom>,
    /// When it is seen, if anything moves ([`crate::animations`]).
    pub(crate) moment: Option<Duration>,
}

impl Glass {
    /// Whether planes of the display can show things by themselves: nothing of it has to be done to them.
    pub(crate) fn is_clear(&self) -> bool {
        self.filter.is_none() && self.zoom.is_none()
    }
}

/// All that a frame is made of.
#[derive(Debug)]
pub struct Scene<'a> {
    pub(crate) view: View,
    pub(crate) windows: &'a Windows,
    pub(crate) cursor: &'a Cursor,
    pub(crate) pointer: Point<f64, Logical>,
    /// Behind the desktop.
    pub(crate) background: Color32F,
    /// Index of the output that is drawn.
    pub(crate) output_index: usize,
    /// A message above the desktop.
    pub(crate) notice: &'a Notice,
    /// A state, at the lower side.
    pub(crate) badge: &'a Notice,
    /// The lock: where there is one, nothing else is drawn.
    pub(crate) locked: Option<&'a Locked>,
    /// What draws it.
    pub(crate) renderer: RendererKind,
    /// What the person sees it through.
    pub(crate) glass: Glass,
}

/// Pixman reckons places in a buffer with 16 bits before the point, and draws nothing at all where that does not do.
const PIXMAN_REACH: f64 = 32767.0;

/// Whether pixman can draw an element.
fn suits_pixman(
    element: &impl smithay::backend::renderer::element::Element,
    scale: Scale<f64>,
) -> bool {
    let (place, mut source) = (element.geometry(scale), element.src().size);
    if matches!(
        element.transform(),
        Transform::_90 | Transform::_270 | Transform::Flipped90 | Transform::Flipped270
    ) {
        source = (source.h, source.w).into();
    }
    let reaches = |at: i32, size: i32, source: f64| {
        let shrunk = (source / f64::from(size.max(1))).max(1.0);
        (f64::from(at).abs() + f64::from(size)) * shrunk < PIXMAN_REACH
    };
    reaches(place.loc.x, place.size.w, source.w) && reaches(place.loc.y, place.size.h, source.h)
}

/// What a locked output shows where no locker shows anything.
const LOCKED: Color32F = Color32F::new(0.016, 0.022, 0.028, 1.0);

impl Scene<'_> {
    /// What is behind everything.
    pub(crate) fn ground(&self) -> Color32F {
        if self.view == View::Cursor {
            Color32F::TRANSPARENT
        } else if self.locked.is_some() {
            LOCKED
        } else {
            self.background
        }
    }

    fn pointer_elements<R>(
        &self,
        renderer: &mut R,
        area: Rect,
        scale: Scale<f64>,
        list: &mut Vec<Element<R>>,
    ) where
        R: Renderer + ImportAll + ImportMem,
        R::TextureId: Clone + Send + 'static,
    {
        if area.to_f64().contains(self.pointer) {
            let at = self.pointer - area.loc.to_f64();
            self.cursor.elements(renderer, at, scale, list);
        }
    }

    /// The part of the global space that is drawn.
    fn area(&self, output: &Output) -> Rect {
        match self.view {
            View::Screen | View::Behind { .. } => geometry(output),
            View::Window { id, .. } => self.windows.layout.client(id).unwrap_or_default(),
            View::Cursor => Rect::default(),
        }
    }

    /// The size of its picture, and how the rows lie on the output; see [`dimensions`].
    pub(crate) fn dimensions(&self, output: &Output) -> Option<(Size<i32, Physical>, Transform)> {
        dimensions(self.view, self.windows, self.cursor, output)
    }

    /// The elements of `output` as the person sees them, front to back; see [`Self::content`].
    pub fn elements<R>(&self, renderer: &mut R, output: &Output) -> Vec<Shown<R>>
    where
        R: Renderer + ImportAll + ImportMem,
        R::TextureId: Clone + Send + 'static,
    {
        let content = self.content(renderer, output);
        // Magnified pixels stay sharp, and their edges do not mix with what is beside them.
        let filter = match self.glass.zoom {
            Some(_) => TextureFilter::Nearest,
            None => TextureFilter::Linear,
        };
        if let Err(error) = renderer.upscale_filter(filter) {
            tracing::warn!("how things are enlarged cannot be chosen: {error}");
        }
        let Some(zoom) = self.glass.zoom else {
            return content.into_iter().map(Shown::Plain).collect();
        };
        let scale = Scale::from(output.current_scale().fractional_scale());
        let still = zoom.still - geometry(output).loc.to_f64();
        let still: Point<i32, Physical> = still.to_physical(scale).to_i32_round();
        let larger =
            |element| RescaleRenderElement::from_element(element, still, Scale::from(zoom.factor));
        let mut list: Vec<_> = content.into_iter().map(larger).map(Shown::Zoomed).collect();
        self.leave_out(&mut list, output);
        list
    }

    /// Takes out what the renderer cannot draw.
    fn leave_out<E: smithay::backend::renderer::element::Element>(
        &self,
        list: &mut Vec<E>,
        output: &Output,
    ) {
        if self.renderer == RendererKind::Pixman {
            let scale = Scale::from(output.current_scale().fractional_scale());
            list.retain(|element| suits_pixman(element, scale));
        }
    }

    /// The elements of `output`, front to back. A surface whose buffer cannot be imported, or that the renderer
    /// cannot draw, is left out.
    fn content<R>(&self, renderer: &mut R, output: &Output) -> Vec<Element<R>>
    where
        R: Renderer + ImportAll + ImportMem,
        R::TextureId: Clone + Send + 'static,
    {
        let mut list = self.all_elements(renderer, output);
        self.leave_out(&mut list, output);
        list
    }

    fn all_elements<R>(&self, renderer: &mut R, output: &Output) -> Vec<Element<R>>
    where
        R: Renderer + ImportAll + ImportMem,
        R::TextureId: Clone + Send + 'static,
    {
        let scale = Scale::from(output.current_scale().fractional_scale());
        let area = self.area(output);
        let mut list = Vec::new();
        if let Some(locked) = self.locked {
            if self.view == View::Screen {
                self.pointer_elements(renderer, area, scale, &mut list);
                if let Some(surface) = locked.surface_on(output) {
                    list.extend(render_elements_from_surface_tree::<R, Element<R>>(
                        renderer,
                        surface,
                        Point::default(),
                        scale,
                        1.0,
                        Kind::Unspecified,
                    ));
                }
            }
            return list;
        }
        if self.view == View::Cursor {
            if let Some((_, tip)) = self.cursor.image(scale.x) {
                self.cursor.image_elements(renderer, tip, scale, &mut list);
            }
            return list;
        }
        if let View::Window { id, pointer } = self.view {
            if pointer {
                self.pointer_elements(renderer, area, scale, &mut list);
            }
            self.windows
                .window_elements(id, renderer, area, scale, &mut list);
            return list;
        }
        let on_screen = self.view == View::Screen;

        if on_screen || self.view == (View::Behind { pointer: true }) {
            self.pointer_elements(renderer, area, scale, &mut list);
        }

        let map = layer_map_for_output(output);
        let layer = |renderer: &mut R, layer: &LayerSurface, list: &mut Vec<Element<R>>| {
            if let Some(place) = map.layer_geometry(layer) {
                let loc = place.loc.to_physical_precise_round(scale);
                let elements = AsRenderElements::<R>::render_elements::<Element<R>>(
                    layer, renderer, loc, scale, 1.0,
                );
                let blank = layers::blank_surfaces(layer);
                list.extend(elements.into_iter().filter(|it| !blank.contains(it.id())));
            }
        };
        let all_on = |renderer: &mut R, which: Layer, list: &mut Vec<Element<R>>| {
            for surface in map
                .layers_on(which)
                .rev()
                .filter(|surface| !layers::is_prompt(surface))
            {
                layer(renderer, surface, list);
            }
        };

        for prompt in map
            .layers()
            .rev()
            .filter(|surface| on_screen && layers::is_prompt(surface))
        {
            layer(renderer, prompt, &mut list);
        }
        if let Some(shown) = self.windows.layout.areas().get(self.output_index) {
            for notice in [self.notice, self.badge] {
                notice.elements(renderer, area, shown.usable, scale, &mut list);
            }
        }
        self.windows
            .switcher_elements(renderer, area, scale, &mut list);
        let here = (self.output_index, area);
        let moment = self.glass.moment;
        self.windows
            .overview_elements(renderer, here, scale, moment, &mut list);
        all_on(renderer, Layer::Overlay, &mut list);
        let covered = self
            .windows
            .layout
            .fullscreen_on(self.output_index)
            .is_some();
        if !covered {
            all_on(renderer, Layer::Top, &mut list);
        }
        self.windows
            .elements(renderer, here, scale, moment, &mut list);
        if covered {
            all_on(renderer, Layer::Top, &mut list);
        }
        all_on(renderer, Layer::Bottom, &mut list);
        all_on(renderer, Layer::Background, &mut list);
        list
    }
}

/// The elements of a surface, its subsurfaces and its popups, front to back, with the surface's
/// origin at `location`.
pub(crate) fn window_tree<R>(
    renderer: &mut R,
    window: &smithay::desktop::Window,
    location: Point<i32, Physical>,
    scale: Scale<f64>,
    alpha: f32,
) -> (Vec<Element<R>>, Vec<Element<R>>)
where
    R: Renderer + ImportAll + ImportMem,
    R::TextureId: Clone + 'static,
{
    let Some(surface) = window.wl_surface() else {
        return (Vec::new(), Vec::new());
    };
    let mut popups = Vec::new();
    for (popup, offset) in PopupManager::popups_for_surface(&surface) {
        let offset: Point<i32, Physical> = (window.geometry().loc + offset - popup.geometry().loc)
            .to_physical_precise_round(scale);
        let at = location + offset;
        popups.extend(render_elements_from_surface_tree::<R, Element<R>>(
            renderer,
            popup.wl_surface(),
            at,
            scale,
            alpha,
            Kind::Unspecified,
        ));
    }
    let content = render_elements_from_surface_tree(
        renderer,
        &surface,
        location,
        scale,
        alpha,
        Kind::Unspecified,
    );
    (popups, content)
}

/// A window's content as it is now, smaller so that it fits exactly into `place`, in physical pixels of the
/// output; without its popups.
pub(crate) fn thumbnail<R>(
    renderer: &mut R,
    window: &smithay::desktop::Window,
    place: Rectangle<i32, Physical>,
    scale: Scale<f64>,
    alpha: f32,
) -> impl Iterator<Item = Element<R>>
where
    R: Renderer + ImportAll + ImportMem,
    R::TextureId: Clone + 'static,
{
    let content = content(window);
    let size = content.size.to_physical_precise_round::<_, i32>(scale);
    let shrink = Scale::from((
        f64::from(place.size.w) / f64::from(size.w.max(1)),
        f64::from(place.size.h) / f64::from(size.h.max(1)),
    ));
    let origin = place.loc - content.loc.to_physical_precise_round(scale);
    let surfaces: Vec<WaylandSurfaceRenderElement<R>> = window
        .wl_surface()
        .map(|surface| {
            render_elements_from_surface_tree(
                renderer,
                &surface,
                origin,
                scale,
                alpha,
                Kind::Unspecified,
            )
        })
        .unwrap_or_default();
    surfaces.into_iter().filter_map(move |surface| {
        let small = RescaleRenderElement::from_element(surface, place.loc, shrink);
        CropRenderElement::from_element(small, scale, place).map(Element::Thumbnail)
    })
}

/// What of a client's surfaces is within `place`, in physical pixels of the output.
pub(crate) fn clipped<R>(
    elements: Vec<Element<R>>,
    place: Rectangle<i32, Physical>,
    scale: Scale<f64>,
) -> impl Iterator<Item = Element<R>>
where
    R: Renderer + ImportAll + ImportMem,
{
    elements
        .into_iter()
        .filter_map(move |element| match element {
            Element::Surface(surface) => {
                CropRenderElement::from_element(surface, scale, place).map(Element::Part)
            }
            other => Some(other),
        })
}

/// A client's surfaces so many times larger, away from the point `still`, and no more of them than is within `cut`.
pub(crate) fn rescaled<R>(
    elements: Vec<Element<R>>,
    still: Point<i32, Physical>,
    factor: Scale<f64>,
    cut: Option<Rectangle<i32, Physical>>,
    scale: Scale<f64>,
) -> impl Iterator<Item = Element<R>>
where
    R: Renderer + ImportAll + ImportMem,
{
    elements.into_iter().filter_map(move |element| {
        let Element::Surface(surface) = element else {
            return Some(element);
        };
        let moving = RescaleRenderElement::from_element(surface, still, factor);
        match cut {
            Some(cut) => {
                CropRenderElement::from_element(moving, scale, cut).map(Element::Thumbnail)
            }
            None => Some(Element::Moving(moving)),
        }
    })
}

/// An element that has the corner of `place` and that size, as large as `place`.
pub(crate) fn resized<E: smithay::backend::renderer::element::Element>(
    element: E,
    size: Size<i32, Physical>,
    place: Rectangle<i32, Physical>,
) -> RescaleRenderElement<E> {
    let factor = Scale::from((
        f64::from(place.size.w) / f64::from(size.w.max(1)),
        f64::from(place.size.h) / f64::from(size.h.max(1)),
    ));
    RescaleRenderElement::from_element(element, place.loc, factor)
}

/// A picture: 8 bits each of red, green, blue and alpha, rows from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// `width * height * 4` bytes.
    pub rgba: Vec<u8>,
}

impl Picture {
    /// Red, green and blue of one pixel.
    ///
    /// # Panics
    /// Outside the picture.
    pub fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        assert!(
            x < self.width && y < self.height,
            "({x}, {y}) is not in {}x{}",
            self.width,
            self.height
        );
        let at = (y as usize * self.width as usize + x as usize) * 4;
        [self.rgba[at], self.rgba[at + 1], self.rgba[at + 2]]
    }
}

/// Draws the scene into memory.
pub(crate) fn capture<R, T>(
    renderer: &mut R,
    scene: &Scene<'_>,
    output: &Output,
    name: &'static str,
) -> Result<Picture, Error>
where
    R: Renderer + ImportAll + ImportMem + ExportMem + Offscreen<T> + Bind<T>,
    R::TextureId: Clone + Send + 'static,
{
    let failed = |reason: String| Error::Render {
        renderer: name,
        reason,
    };
    let scale = output.current_scale().fractional_scale();
    let physical: Size<i32, Physical> = match scene.view {
        View::Screen | View::Behind { .. } => {
            let mode = output.current_mode();
            let mode = mode.ok_or_else(|| failed("the output has no mode".into()))?;
            // A picture for people is upright, however the display hangs.
            output.current_transform().transform_size(mode.size)
        }
        View::Window { .. } | View::Cursor => {
            let shown = scene.dimensions(output);
            shown
                .ok_or_else(|| failed("there is nothing to be seen".into()))?
                .0
        }
    };
    let size: Size<i32, Buffer> = (physical.w, physical.h).into();
    let elements = scene.elements(renderer, output);
    let mut target = renderer
        .create_buffer(Fourcc::Abgr8888, size)
        .map_err(|error| failed(error.to_string()))?;
    let mut frame = renderer
        .bind(&mut target)
        .map_err(|error| failed(error.to_string()))?;
    OutputDamageTracker::new(physical, scale, Transform::Normal)
        .render_output(renderer, &mut frame, 0, &elements, scene.ground())
        .map_err(|error| failed(error.to_string()))?;
    let mapping = renderer
        .copy_framebuffer(&frame, Rectangle::from_size(size), Fourcc::Abgr8888)
        .map_err(|error| failed(error.to_string()))?;
    let rgba = renderer
        .map_texture(&mapping)
        .map_err(|error| failed(error.to_string()))?
        .to_vec();
    Ok(Picture {
        width: size.w as u32,
        height: size.h as u32,
        rgba,
    })
}
