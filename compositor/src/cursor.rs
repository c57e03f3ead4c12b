//! The cursor: from the theme, from a client's surface, or, where there is no theme, drawn by us.
//!
//! It is composited into the frame. Animated themes show their first picture only: a cursor that
//! moves by itself would keep an idle screen awake.

use std::collections::HashMap;

use smithay::{
    backend::{
        allocator::Fourcc,
        renderer::{
            ImportAll, ImportMem, Renderer,
            element::{
                Kind,
                memory::{MemoryRenderBuffer, MemoryRenderBufferRenderElement},
                surface::render_elements_from_surface_tree,
            },
        },
    },
    desktop::utils::bbox_from_surface_tree,
    input::pointer::{CursorIcon, CursorImageStatus, CursorImageSurfaceData},
    reexports::wayland_server::protocol::wl_surface::WlSurface,
    utils::{IsAlive, Logical, Physical, Point, Rectangle, Scale, Size, Transform},
    wayland::compositor::with_states,
};
use xcursor::{CursorTheme, parser::Image};

use crate::{config, render::Element};

/// One picture of the theme.
#[derive(Debug)]
struct Sprite {
    buffer: MemoryRenderBuffer,
    /// Physical pixels.
    size: Size<i32, Physical>,
    hotspot: Point<i32, Physical>,
}

/// What follows the pointer during drag and drop.
#[derive(Debug)]
pub(crate) struct DragIcon {
    pub(crate) surface: WlSurface,
    /// From the pointer to the surface's origin.
    pub(crate) offset: Point<i32, Logical>,
}

/// The cursor and what hangs on it.
#[derive(Debug)]
pub(crate) struct Cursor {
    theme: Option<CursorTheme>,
    size: u32,
    /// What the client under the pointer asked for.
    status: CursorImageStatus,
    /// What the compositor shows instead, while the pointer is on something of its own.
    own: Option<CursorIcon>,
    sprites: HashMap<(CursorIcon, u32), Sprite>,
    pub(crate) drag_icon: Option<DragIcon>,
    /// How often it may have become another one.
    pub(crate) changes: u64,
}

/// A size of cursors in physical pixels.
pub(crate) fn pixels(size: u32, scale: f64) -> u32 {
    (f64::from(size) * scale).round() as u32
}

/// The theme that the settings name, or else the system's.
fn load(config: &config::Cursor) -> Option<CursorTheme> {
    // A theme that does not have the arrow is no theme.
    [config.theme.as_str(), "default"]
        .into_iter()
        .map(CursorTheme::load)
        .find(|theme| {
            theme
                .load_icon("default")
                .or_else(|| theme.load_icon("left_ptr"))
                .is_some()
        })
}

impl Cursor {
    pub(crate) fn new(config: &config::Cursor) -> Self {
        Self {
            theme: load(config),
            size: config.size,
            status: CursorImageStatus::default_named(),
            own: None,
            sprites: HashMap::new(),
            drag_icon: None,
            changes: 0,
        }
    }

    /// Shows another theme, in another size.
    pub(crate) fn set_theme(&mut self, config: &config::Cursor) {
        self.theme = load(config);
        self.size = config.size;
        self.sprites.clear();
        self.changes += 1;
    }

    pub(crate) fn set_status(&mut self, status: CursorImageStatus) {
        self.status = status;
        self.changes += 1;
    }

    /// Shows this whatever the client wants; returns whether that is new.
    pub(crate) fn set_own(&mut self, icon: Option<CursorIcon>) -> bool {
        let new = self.own != icon;
        self.own = icon;
        self.changes += u64::from(new);
        new
    }

    /// What is shown.
    pub(crate) fn status(&self) -> CursorImageStatus {
        match self.own {
            Some(icon) => CursorImageStatus::Named(icon),
            None => match &self.status {
                CursorImageStatus::Surface(surface) if !surface.alive() => {
                    CursorImageStatus::default_named()
                }
                other => other.clone(),
            },
        }
    }

    /// Where in the client's cursor surface the tip is.
    pub(crate) fn hotspot(surface: &WlSurface) -> Point<i32, Logical> {
        with_states(surface, |states| {
            states
                .data_map
                .get::<CursorImageSurfaceData>()
                .and_then(|data| data.lock().ok().map(|data| data.hotspot))
                .unwrap_or_default()
        })
    }

    /// The clients' surfaces that are drawn with the cursor.
    pub(crate) fn surfaces(&self) -> impl Iterator<Item = &WlSurface> {
        let cursor = match &self.status {
            CursorImageStatus::Surface(surface) if self.own.is_none() && surface.alive() => {
                Some(surface)
            }
            _ => None,
        };
        cursor.into_iter().chain(
            self.drag_icon
                .as_ref()
                .map(|icon| &icon.surface)
                .filter(|surface: &&WlSurface| IsAlive::alive(*surface)),
        )
    }

    /// Loads the picture that is going to be drawn at this scale.
    pub(crate) fn prepare(&mut self, scale: f64) {
        let CursorImageStatus::Named(icon) = self.status() else {
            return;
        };
        let size = pixels(self.size, scale);
        if !self.sprites.contains_key(&(icon, size)) {
            let sprite = self.load(icon, size).unwrap_or_else(|| drawn_arrow(size));
            self.sprites.insert((icon, size), sprite);
        }
    }

    /// The theme's first picture that is nearest to a size, in physical pixels.
    fn picture(&self, icon: CursorIcon, size: u32) -> Option<Image> {
        let theme = self.theme.as_ref()?;
        let names = std::iter::once(icon.name()).chain(icon.alt_names().iter().copied());
        let path = names
            .chain(["left_ptr"])
            .find_map(|name| theme.load_icon(name))?;
        let images = xcursor::parser::parse_xcursor(&std::fs::read(path).ok()?)?;
        images
            .into_iter()
            .min_by_key(|image| image.size.abs_diff(size))
    }

    /// The theme's arrow at a scale, if the theme has one.
    pub(crate) fn arrow(&self, scale: f64) -> Option<Image> {
        self.picture(CursorIcon::Default, pixels(self.size, scale))
    }

    fn load(&self, icon: CursorIcon, size: u32) -> Option<Sprite> {
        let image = self.picture(icon, size)?;
        let dimensions = (image.width as i32, image.height as i32);
        Some(Sprite {
            // The file's order of bytes is that of a little-endian ARGB word.
            buffer: MemoryRenderBuffer::from_slice(
                &image.pixels_rgba,
                Fourcc::Argb8888,
                dimensions,
                1,
                Transform::Normal,
                None,
            ),
            size: dimensions.into(),
            hotspot: (image.xhot as i32, image.yhot as i32).into(),
        })
    }

    /// The elements of the cursor at `at`, in logical pixels of the output.
    pub(crate) fn elements<R>(
        &self,
        renderer: &mut R,
        at: Point<f64, Logical>,
        scale: Scale<f64>,
        list: &mut Vec<Element<R>>,
    ) where
        R: Renderer + ImportAll + ImportMem,
        R::TextureId: Clone + Send + 'static,
    {
        let tip: Point<i32, Physical> = at.to_physical(scale).to_i32_round();
        self.image_elements(renderer, tip, scale, list);
        if let Some(icon) = self.drag_icon.as_ref().filter(|icon| icon.surface.alive()) {
            list.extend(tree(renderer, &icon.surface, tip, icon.offset, scale));
        }
    }

    /// The size of its picture at a scale, and where in it the tip is. Nothing, if it is hidden or not
    /// [prepared](Self::prepare).
    pub(crate) fn image(&self, scale: f64) -> Option<(Size<i32, Physical>, Point<i32, Physical>)> {
        match self.status() {
            CursorImageStatus::Hidden => None,
            CursorImageStatus::Surface(surface) => {
                let bounds = bbox_from_surface_tree(&surface, (0, 0));
                let tip = Self::hotspot(&surface) - bounds.loc;
                let size = bounds.size.to_physical_precise_round(scale);
                Some((size, tip.to_physical_precise_round(scale)))
            }
            CursorImageStatus::Named(icon) => {
                let sprite = self.sprites.get(&(icon, pixels(self.size, scale)))?;
                Some((sprite.size, sprite.hotspot))
            }
        }
    }

    /// The elements of the cursor alone, with its tip at a place on the output.
    pub(crate) fn image_elements<R>(
        &self,
        renderer: &mut R,
        tip: Point<i32, Physical>,
        scale: Scale<f64>,
        list: &mut Vec<Element<R>>,
    ) where
        R: Renderer + ImportAll + ImportMem,
        R::TextureId: Clone + Send + 'static,
    {
        match self.status() {
            CursorImageStatus::Hidden => {}
            CursorImageStatus::Surface(surface) => {
                let hotspot = Self::hotspot(&surface);
                let offset = Point::from((-hotspot.x, -hotspot.y));
                list.extend(tree(renderer, &surface, tip, offset, scale));
            }
            CursorImageStatus::Named(icon) => {
                if let Some(sprite) = self.sprites.get(&(icon, pixels(self.size, scale.x))) {
                    // The picture has the pixels it should have on the screen, so it is not scaled.
                    let size = sprite.size.to_f64().to_logical(scale).to_i32_round();
                    let whole = Size::from((f64::from(sprite.size.w), f64::from(sprite.size.h)));
                    match MemoryRenderBufferRenderElement::from_buffer(
                        renderer,
                        (tip - sprite.hotspot).to_f64(),
                        &sprite.buffer,
                        None,
                        Some(Rectangle::from_size(whole)),
                        Some(size),
                        Kind::Cursor,
                    ) {
                        Ok(element) => list.push(element.into()),
                        Err(error) => tracing::warn!("cursor: {error}"),
                    }
                }
            }
        }
    }
}

/// The elements of a surface that hangs on the tip.
fn tree<R>(
    renderer: &mut R,
    surface: &WlSurface,
    tip: Point<i32, Physical>,
    offset: Point<i32, Logical>,
    scale: Scale<f64>,
) -> Vec<Element<R>>
where
    R: Renderer + ImportAll + ImportMem,
    R::TextureId: Clone + Send + 'static,
{
    let loc = tip + offset.to_physical_precise_round(scale);
    render_elements_from_surface_tree(renderer, surface, loc, scale, 1.0, Kind::Cursor)
}

/// The outline of an arrow whose tip is at the origin, in 24ths of the cursor's size.
const ARROW: &[(f32, f32)] = &[
    (1.0, 1.0),
    (1.0, 18.6),
    (5.2, 14.7),
    (8.0, 21.2),
    (11.0, 19.9),
    (8.2, 13.6),
    (13.8, 13.1),
];

/// An arrow for systems without a cursor theme: dark with a light rim, seen on any ground.
fn drawn_arrow(size: u32) -> Sprite {
    let unit = size as f32 / 24.0;
    let (width, height) = ((16.0 * unit).ceil() as i32, (24.0 * unit).ceil() as i32);
    let mut bytes = Vec::with_capacity(width as usize * height as usize * 4);
    for y in 0..height {
        for x in 0..width {
            let inside = signed_distance((x as f32 + 0.5) / unit, (y as f32 + 0.5) / unit) * unit;
            let body = (inside - 0.6 * unit + 0.5).clamp(0.0, 1.0);
            let rim = (inside + 0.6 * unit + 0.5).clamp(0.0, 1.0);
            let white = 255.0 * (rim - body) + 30.0 * body;
            let part = white.round() as u8;
            bytes.extend([part, part, part, (255.0 * rim).round() as u8]);
        }
    }
    Sprite {
        buffer: MemoryRenderBuffer::from_slice(
            &bytes,
            Fourcc::Argb8888,
            (width, height),
            1,
            Transform::Normal,
            None,
        ),
        size: (width, height).into(),
        hotspot: (unit.round() as i32, unit.round() as i32).into(),
    }
}

/// Distance to the arrow's outline, positive inside.
fn signed_distance(x: f32, y: f32) -> f32 {
    let mut nearest = f32::MAX;
    let mut inside = false;
    for (index, a) in ARROW.iter().enumerate() {
        let b = ARROW[(index + 1) % ARROW.len()];
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let along = (((x - a.0) * dx + (y - a.1) * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
        nearest = nearest.min((x - a.0 - along * dx).hypot(y - a.1 - along * dy));
        if (a.1 > y) != (b.1 > y) && x < a.0 + (y - a.1) / dy * dx {
            inside = !inside;
        }
    }
    if inside { nearest } else { -nearest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drawn_arrow_points_at_its_hotspot() {
        assert!(signed_distance(4.0, 10.0) > 1.0);
        assert!(signed_distance(14.0, 2.0) < -1.0);
        let sprite = drawn_arrow(48);
        assert_eq!(sprite.hotspot, (2, 2).into());
        assert_eq!(sprite.size, (32, 48).into());
    }
}
