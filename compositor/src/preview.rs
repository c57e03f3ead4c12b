//! The rectangle that shows where a dragged window would go.

use smithay::{
    backend::renderer::{
        Color32F, ImportAll, ImportMem, Renderer,
        element::{
            Kind,
            solid::{SolidColorBuffer, SolidColorRenderElement},
        },
    },
    utils::{Point, Scale},
};

use crate::{config::Colour, layout::Rect, render::Element, state::State};

/// Width of the line around it, in logical pixels.
const LINE: i32 = 2;
/// How much of what is below the line covers.
const LINE_COVER: f32 = 0.75;
/// The same of what it surrounds.
const GROUND_COVER: f32 = 0.16;

/// See the module's page.
#[derive(Debug, Default)]
pub(crate) struct Preview {
    frame: Option<Rect>,
    /// The left, right, upper and lower line, and the ground between them.
    parts: [SolidColorBuffer; 5],
}

impl Preview {
    /// What is shown.
    pub(crate) fn frame(&self) -> Option<Rect> {
        self.frame
    }

    pub(crate) fn set(&mut self, frame: Option<Rect>, colour: Colour) {
        self.frame = frame;
        let Some(frame) = frame else {
            return;
        };
        for (index, (part, place)) in self.parts.iter_mut().zip(places(frame)).enumerate() {
            let cover = if index < 4 { LINE_COVER } else { GROUND_COVER };
            // Renderers take colours with the cover multiplied in.
            let [r, g, b, _] = colour.linear().map(|part| part * cover);
            part.update(place.size, Color32F::new(r, g, b, cover));
        }
    }

    /// Its elements on the output that covers `area`.
    pub(crate) fn elements<R>(&self, area: Rect, scale: Scale<f64>, list: &mut Vec<Element<R>>)
    where
        R: Renderer + ImportAll + ImportMem,
    {
        let Some(frame) = self.frame.filter(|frame| frame.overlaps(area)) else {
            return;
        };
        for (part, place) in self.parts.iter().zip(places(frame)) {
            let at = (place.loc - area.loc).to_physical_precise_round(scale);
            let kind = Kind::Unspecified;
            list.push(SolidColorRenderElement::from_buffer(part, at, scale, 1.0, kind).into());
        }
    }
}

/// Where the parts of a preview are.
fn places(frame: Rect) -> [Rect; 5] {
    let line = LINE.min(frame.size.w / 2).min(frame.size.h / 2).max(0);
    let (x, y, w, h) = (frame.loc.x, frame.loc.y, frame.size.w, frame.size.h);
    let inner = h - 2 * line;
    let rect = |x: i32, y: i32, w: i32, h: i32| Rect::new(Point::from((x, y)), (w, h).into());
    [
        rect(x, y + line, line, inner),
        rect(x + w - line, y + line, line, inner),
        rect(x, y, w, line),
        rect(x, y + h - line, w, line),
        rect(x + line, y + line, w - 2 * line, inner),
    ]
}

impl State {
    /// Shows where a window would go, or nothing.
    pub(crate) fn show_preview(&mut self, frame: Option<Rect>) {
        let before = self.windows.preview.frame();
        if before == frame {
            return;
        }
        self.windows.preview.set(frame, self.look.title);
        for rect in before.into_iter().chain(frame) {
            self.outputs.queue_rect(rect);
        }
    }
}
