//! Alt-Tab as it is seen: a card with a [picture](crate::previews) of each window that it goes through.
//!
//! Which windows those are, in which order, and which of them is meant is the matter of the
//! [layout](crate::layout::Layout::cycle). The card is on the output where the person is.

use smithay::{
    backend::renderer::{
        ImportAll, ImportMem, Renderer,
        element::{
            Kind,
            solid::{SolidColorBuffer, SolidColorRenderElement},
        },
    },
    input::keyboard::Keysym,
    utils::{Logical, Point, Scale, Size},
};

use crate::{
    layout::{Reach, Rect, WindowId},
    preview::Preview,
    previews::{Cell, PADDING, TITLE, renew},
    render::Element,
    state::State,
    windows::Windows,
};

/// The largest picture, in logical pixels.
const PICTURE: (i32, i32) = (216, 135);
/// Around all cells.
const MARGIN: i32 = 12;
/// Between the card and the sides of the screen, at least.
const DISTANCE: i32 = 24;
/// How much of what is below the card covers.
const COVER: f32 = 0.94;

/// What a key does while Alt-Tab is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Switch {
    Next,
    Previous,
    Choose,
    Cancel,
}

impl Switch {
    /// What that key does, if anything.
    pub(crate) fn by(key: Keysym) -> Option<Self> {
        Some(match key {
            Keysym::Right | Keysym::Down => Self::Next,
            Keysym::Left | Keysym::Up => Self::Previous,
            Keysym::Return | Keysym::KP_Enter => Self::Choose,
            Keysym::Escape => Self::Cancel,
            _ => return None,
        })
    }
}

/// See the module's page.
#[derive(Debug, Default)]
pub(crate) struct Switcher {
    /// Where the card is, while it is shown.
    place: Option<Rect>,
    cells: Vec<Cell>,
    ground: SolidColorBuffer,
    /// Around the candidate.
    mark: Preview,
}

/// Where `count` cells are, and the card around them, in the middle of `area`. Where there is no room for
/// all, those rows are shown that `at` is among. Returns the place of the card and of each cell, and which
/// of them is the first.
fn arrange(count: usize, at: usize, area: Rect) -> (Rect, Vec<Rect>, usize) {
    let cell =
        Size::<i32, Logical>::from((PICTURE.0 + 2 * PADDING, PICTURE.1 + TITLE + 2 * PADDING));
    let room = |length: i32, cell: i32| {
        let fits = (length - 2 * (DISTANCE + MARGIN)) / cell;
        usize::try_from(fits).unwrap_or(0).max(1)
    };
    let columns = room(area.size.w, cell.w).min(count.max(1));
    let rows = room(area.size.h, cell.h);
    let top = (at / columns + 1).saturating_sub(rows);
    let shown = rows.min(count.div_ceil(columns));
    let first = top * columns;
    let last = (first + shown * columns).min(count);
    let size = Size::from((
        columns as i32 * cell.w + 2 * MARGIN,
        shown as i32 * cell.h + 2 * MARGIN,
    ));
    let beside = Point::from(((area.size.w - size.w) / 2, (area.size.h - size.h) / 2));
    let corner = area.loc + beside;
    let places = (0..last - first)
        .map(|index| {
            let (x, y) = ((index % columns) as i32, (index / columns) as i32);
            let at = Point::from((MARGIN + x * cell.w, MARGIN + y * cell.h));
            Rect::new(corner + at, cell)
        })
        .collect();
    (Rect::new(corner, size), places, first)
}

impl Switcher {
    /// The window whose picture is at a point of the global space; nothing beside the card.
    pub(crate) fn at(&self, point: Point<f64, Logical>) -> Option<Option<WindowId>> {
        let within = |place: Rect| place.to_f64().contains(point);
        within(self.place?).then(|| {
            let cell = self.cells.iter().find(|cell| within(cell.place));
            cell.map(|cell| cell.id)
        })
    }

    /// Whether a window's picture is shown.
    pub(crate) fn shows(&self, id: WindowId) -> bool {
        self.cells.iter().any(|cell| cell.id == id)
    }
}

impl State {
    /// Has the card arranged, or takes it away.
    pub(crate) fn prepare_switcher(&mut self) {
        let Some((place, wanted, candidate, scale)) = self.wanted_card() else {
            if self.windows.switcher.place.take().is_some() {
                self.windows.switcher.cells.clear();
                self.windows.switcher.mark.set(None, self.look.title);
                self.outputs.queue_all();
            }
            return;
        };
        let mut cells = std::mem::take(&mut self.windows.switcher.cells);
        let changed = renew(&mut cells, &wanted, &self.windows, scale, &self.painter);
        let switcher = &mut self.windows.switcher;
        let moved = switcher.place != Some(place) || switcher.mark.frame() != Some(candidate);
        switcher.cells = cells;
        if changed || moved {
            switcher.place = Some(place);
            let ground = self.look.title_bar_inactive.linear();
            switcher
                .ground
                .update(place.size, ground.map(|part| part * COVER));
            switcher.mark.set(Some(candidate), self.look.title);
            self.outputs.queue_all();
        }
    }

    /// The place of the card that should be shown now, those of its windows and of the candidate, and the
    /// scale of its output.
    fn wanted_card(&self) -> Option<(Rect, Vec<(WindowId, Rect)>, Rect, f64)> {
        let layout = &self.windows.layout;
        let (order, at) = layout.candidates()?;
        let index = layout.active_output()?;
        let output = self.outputs.get(index)?;
        let area = layout.areas().get(index)?.usable;
        let (place, places, first) = arrange(order.len(), at, area);
        let candidate = *places.get(at - first)?;
        let ids = order[first..].iter().copied();
        let wanted = ids.zip(places).collect();
        let scale = output.current_scale().fractional_scale();
        Some((place, wanted, candidate, scale))
    }

    /// A key of Alt-Tab's own was pressed.
    pub(crate) fn switch(&mut self, switch: Switch) {
        // What it goes through was decided when it began.
        self.change_layout(|layout| match switch {
            Switch::Next => layout.cycle(Reach::Workspace, false),
            Switch::Previous => layout.cycle(Reach::Workspace, true),
            Switch::Choose => layout.cycle_end(),
            Switch::Cancel => layout.cycle_cancel(),
        });
    }

    /// A picture was pressed, or the card beside them, which does nothing.
    pub(crate) fn choose_in_switcher(&mut self, window: Option<WindowId>) {
        if let Some(id) = window {
            self.change_layout(|layout| {
                layout.cycle_to(id);
                layout.cycle_end();
            });
        }
    }
}

impl Windows {
    /// The card of Alt-Tab on the output that covers `area`, front to back.
    pub(crate) fn switcher_elements<R>(
        &self,
        renderer: &mut R,
        area: Rect,
        scale: Scale<f64>,
        list: &mut Vec<Element<R>>,
    ) where
        R: Renderer + ImportAll + ImportMem,
        R::TextureId: Clone + Send + 'static,
    {
        let switcher = &self.switcher;
        let Some(place) = switcher.place.filter(|place| place.overlaps(area)) else {
            return;
        };
        for cell in &switcher.cells {
            self.cell_elements(cell, renderer, area, scale, list);
        }
        switcher.mark.elements(area, scale, list);
        let at = (place.loc - area.loc).to_physical_precise_round(scale);
        let kind = Kind::Unspecified;
        let ground = SolidColorRenderElement::from_buffer(&switcher.ground, at, scale, 1.0, kind);
        list.push(ground.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_on_the_screen_and_the_candidate_is_among_them() {
        let screen = Rect::new((0, 32).into(), (1280, 768).into());
        for count in 1..60 {
            for at in 0..count {
                let (card, cells, first) = arrange(count, at, screen);
                assert!(screen.contains_rect(card), "{count}");
                assert!(cells.iter().all(|cell| card.contains_rect(*cell)));
                assert!(
                    (first..first + cells.len()).contains(&at),
                    "{at} of {count}"
                );
            }
        }
        // Even where nothing fits there is one.
        let small = Rect::new((0, 0).into(), (100, 100).into());
        assert_eq!(arrange(3, 1, small).1.len(), 1);
    }
}
