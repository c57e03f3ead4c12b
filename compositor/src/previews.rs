//! Windows as small pictures of themselves, with icon and title below: what Alt-Tab and the overview are
//! made of.
//!
//! The pictures are the windows' own surfaces, drawn smaller, so they move as the windows do; only the line
//! below them is painted, and painted again when it says something else.

use std::rc::Rc;

use smithay::{
    backend::{
        allocator::Fourcc,
        renderer::{
            ImportAll, ImportMem, Renderer,
            element::{
                Kind,
                memory::{MemoryRenderBuffer, MemoryRenderBufferRenderElement},
            },
        },
    },
    utils::{Logical, Physical, Point, Rectangle, Scale, Size, Transform},
};

use crate::{
    canvas::Canvas,
    decoration::Painter,
    layout::{Rect, WindowId},
    protocols::icons::{self, Icon},
    render::{Element, thumbnail},
    windows::{Windows, content},
};

/// Height of the line with icon and title, in logical pixels.
pub(crate) const TITLE: i32 = 30;
/// Around picture and title.
pub(crate) const PADDING: i32 = 10;
/// Size of the letters.
const TEXT: f32 = 12.0;

/// Where a window's picture is in a cell that also has room for its title: as large as fits, and no larger
/// than the window.
pub(crate) fn picture_in(cell: Rect, window: Size<i32, Logical>) -> Rect {
    let room = Size::<i32, Logical>::from((
        (cell.size.w - 2 * PADDING).max(1),
        (cell.size.h - 2 * PADDING - TITLE).max(1),
    ));
    let (w, h) = (f64::from(window.w.max(1)), f64::from(window.h.max(1)));
    let shrink = (f64::from(room.w) / w).min(f64::from(room.h) / h).min(1.0);
    let size = Size::<i32, Logical>::from((
        ((w * shrink).round() as i32).max(1),
        ((h * shrink).round() as i32).max(1),
    ));
    let at = Point::from((
        PADDING + (room.w - size.w) / 2,
        PADDING + (room.h - size.h) / 2,
    ));
    Rect::new(cell.loc + at, size)
}

/// One window.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) id: WindowId,
    /// All of it; in the global space, as the picture.
    pub(crate) place: Rect,
    pub(crate) picture: Rect,
    line: Line,
}

impl Cell {
    /// The line below the picture, on the output that covers `area`.
    pub(crate) fn line_elements<R>(
        &self,
        renderer: &mut R,
        area: Rect,
        scale: Scale<f64>,
        alpha: f32,
        list: &mut Vec<Element<R>>,
    ) where
        R: Renderer + ImportAll + ImportMem,
        R::TextureId: Clone + Send + 'static,
    {
        let at = Point::from((PADDING, self.place.size.h - PADDING - TITLE));
        let at = self.place.loc + at - area.loc;
        self.line.elements(renderer, at, scale, alpha, list);
    }
}

/// A line of text, with an icon before it if there is one.
#[derive(Debug)]
pub(crate) struct Line {
    buffer: MemoryRenderBuffer,
    pixels: Rectangle<f64, Logical>,
    width: i32,
    title: String,
    icon: Option<Rc<Icon>>,
    scale: f64,
}

impl Line {
    pub(crate) fn paint(
        title: &str,
        icon: Option<&Rc<Icon>>,
        width: i32,
        scale: f64,
        by: &Painter,
    ) -> Self {
        let physical = |length: i32| (f64::from(length) * scale).round().max(1.0) as i32;
        let mut canvas = Canvas::new(physical(width), physical(TITLE));
        let rows = (0.0, canvas.size().1 as f32);
        let mut left = 0.0;
        if let Some(icon) = icon {
            let side = physical(icons::SIDE) as f32;
            canvas.image(icon, left, (rows.1 - side) / 2.0, side);
            left += side + physical(6) as f32;
        }
        let columns = (left, canvas.size().0 as f32);
        let (size, ink) = (TEXT * scale as f32, by.look().title);
        canvas.text(&mut by.letters(), title, size, columns, rows, ink);
        Self {
            buffer: MemoryRenderBuffer::from_slice(
                &canvas.bytes(),
                Fourcc::Argb8888,
                canvas.size(),
                1,
                Transform::Normal,
                None,
            ),
            pixels: canvas.extent(),
            width,
            title: title.to_owned(),
            icon: icon.cloned(),
            scale,
        }
    }

    /// Its element, if its corner is at `at` from that of the output.
    pub(crate) fn elements<R>(
        &self,
        renderer: &mut R,
        at: Point<i32, Logical>,
        scale: Scale<f64>,
        alpha: f32,
        list: &mut Vec<Element<R>>,
    ) where
        R: Renderer + ImportAll + ImportMem,
        R::TextureId: Clone + Send + 'static,
    {
        let at: Point<i32, Physical> = at.to_physical_precise_round(scale);
        let element = MemoryRenderBufferRenderElement::from_buffer(
            renderer,
            at.to_f64(),
            &self.buffer,
            Some(alpha),
            Some(self.pixels),
            Some((self.width, TITLE).into()),
            Kind::Unspecified,
        );
        match element {
            Ok(element) => list.push(element.into()),
            Err(error) => tracing::warn!("`{}` is not shown: {error}", self.title),
        }
    }

    fn says(&self, title: &str, icon: Option<&Rc<Icon>>, width: i32, scale: f64) -> bool {
        self.title == title
            && self.icon.as_ref() == icon
            && self.width == width
            && self.scale == scale
    }
}

/// Makes `cells` those of the wanted windows, each in its place; what is painted already stays. Returns
/// whether anything looks different now.
pub(crate) fn renew(
    cells: &mut Vec<Cell>,
    wanted: &[(WindowId, Rect)],
    windows: &Windows,
    scale: f64,
    by: &Painter,
) -> bool {
    let mut before = std::mem::take(cells);
    let mut changed = before.len() != wanted.len();
    for (id, place) in wanted {
        let Some(managed) = windows.get(*id) else {
            continue;
        };
        let width = (place.size.w - 2 * PADDING).max(1);
        let (title, icon) = (managed.title.as_str(), managed.icon.as_ref());
        let picture = picture_in(*place, content(&managed.window).size);
        let old = before.iter().position(|cell| cell.id == *id);
        let line = match old.map(|index| before.swap_remove(index)) {
            Some(old) if old.line.says(title, icon, width, scale) => {
                changed |= old.place != *place || old.picture != picture;
                old.line
            }
            _ => {
                changed = true;
                Line::paint(title, icon, width, scale, by)
            }
        };
        cells.push(Cell {
            id: *id,
            place: *place,
            picture,
            line,
        });
    }
    changed
}

impl Windows {
    /// A cell on the output that covers `area`, front to back.
    pub(crate) fn cell_elements<R>(
        &self,
        cell: &Cell,
        renderer: &mut R,
        area: Rect,
        scale: Scale<f64>,
        list: &mut Vec<Element<R>>,
    ) where
        R: Renderer + ImportAll + ImportMem,
        R::TextureId: Clone + Send + 'static,
    {
        self.picture_elements(cell.id, (cell.picture, 1.0), renderer, area, scale, list);
        cell.line_elements(renderer, area, scale, 1.0, list);
    }

    /// A window's picture at a place, and how much it covers of what is behind it.
    pub(crate) fn picture_elements<R>(
        &self,
        id: WindowId,
        (place, alpha): (Rect, f32),
        renderer: &mut R,
        area: Rect,
        scale: Scale<f64>,
        list: &mut Vec<Element<R>>,
    ) where
        R: Renderer + ImportAll + ImportMem,
        R::TextureId: Clone + Send + 'static,
    {
        if let Some(managed) = self.get(id) {
            let at = (place.loc - area.loc).to_physical_precise_round(scale);
            let place = Rectangle::new(at, place.size.to_physical_precise_round(scale));
            list.extend(thumbnail(renderer, &managed.window, place, scale, alpha));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_keep_their_shape_and_are_no_larger_than_their_windows() {
        let cell = Rect::new((50, 60).into(), (236, 185).into());
        let wide = picture_in(cell, (1280, 400).into());
        assert_eq!(wide.size, (216, 68).into());
        assert_eq!(picture_in(cell, (50, 40).into()).size, (50, 40).into());
        for window in [(1, 30_000), (30_000, 1), (0, 0), (4000, 3000)] {
            let picture = picture_in(cell, window.into());
            assert!(cell.contains_rect(picture), "{window:?}");
        }
    }
}
