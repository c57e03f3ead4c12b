//! The soft shadow of a card.
//!
//! iced's own shadows are not used: its CPU renderer draws them whole into every damaged region, so that they darken
//! with each partial redraw, and pixel by pixel. A few translucent rounded rectangles around each other look the same
//! and are clipped like everything else. Of each, only what can be seen beside the card is drawn: bands with the upper
//! and the lower corners, and strips beside them. What lies under the card would be most of the pixels by far.

use iced_core::border::Radius;
use iced_core::layout::{self, Layout};
use iced_core::renderer::{self, Quad, Renderer as _};
use iced_core::widget::{Operation, Tree, tree};
use iced_core::{
    Border, Clipboard, Color, Event, Length, Rectangle, Shell, Size, Vector, Widget, mouse, overlay,
};

use crate::host::{Element, Renderer};
use crate::theme::ROUND_CARD;

/// How many rectangles there are.
const STEPS: u8 = 6;

/// What stands on a shadow. Its own size is that of its content: the shadow reaches beyond.
pub(crate) struct Shadowed<'a, M> {
    content: Element<'a, M>,
    color: Color,
    reach: f32,
}

impl<'a, M> Shadowed<'a, M> {
    /// `content` has corners of [`ROUND_CARD`] and is opaque; the shadow reaches so many logical pixels beyond it.
    pub(crate) fn new(content: impl Into<Element<'a, M>>, color: Color, reach: f32) -> Self {
        Self {
            content: content.into(),
            color,
            reach,
        }
    }
}

/// What is seen of a rounded rectangle that reaches `by` beyond a card: pieces that do not overlap, and their upper and
/// lower corners.
fn pieces(card: Rectangle, by: f32) -> Vec<(Rectangle, Radius)> {
    let round = ROUND_CARD + by;
    let all = card.expand(by);
    // Corners are no rounder than half of what they are on.
    let band = 2.0 * round;
    if all.height < 2.0 * band {
        return vec![(all, Radius::new(round))];
    }
    let piece = |x, y, width, height| Rectangle {
        x,
        y,
        width,
        height,
    };
    let (low, between) = (all.y + all.height - band, all.height - 2.0 * band);
    let upper = Radius::new(round).bottom(0.0);
    let lower = Radius::new(round).top(0.0);
    let right = card.x + card.width;
    vec![
        (piece(all.x, all.y, all.width, band), upper),
        (piece(all.x, low, all.width, band), lower),
        (piece(all.x, all.y + band, by, between), Radius::new(0.0)),
        (piece(right, all.y + band, by, between), Radius::new(0.0)),
    ]
}

impl<M> Widget<M, iced_core::Theme, Renderer> for Shadowed<'_, M> {
    fn size(&self) -> Size<Length> {
        self.content.as_widget().size()
    }

    fn size_hint(&self) -> Size<Length> {
        self.content.as_widget().size_hint()
    }

    fn tag(&self) -> tree::Tag {
        self.content.as_widget().tag()
    }

    fn state(&self) -> tree::State {
        self.content.as_widget().state()
    }

    fn children(&self) -> Vec<Tree> {
        self.content.as_widget().children()
    }

    fn diff(&self, tree: &mut Tree) {
        self.content.as_widget().diff(tree);
    }

    fn layout(
        &mut self,
        tree: &mut Tree,
        renderer: &Renderer,
        limits: &layout::Limits,
    ) -> layout::Node {
        self.content.as_widget_mut().layout(tree, renderer, limits)
    }

    fn operate(
        &mut self,
        tree: &mut Tree,
        layout: Layout<'_>,
        renderer: &Renderer,
        operation: &mut dyn Operation,
    ) {
        let content = self.content.as_widget_mut();
        content.operate(tree, layout, renderer, operation);
    }

    fn update(
        &mut self,
        tree: &mut Tree,
        event: &Event,
        layout: Layout<'_>,
        cursor: mouse::Cursor,
        renderer: &Renderer,
        clipboard: &mut dyn Clipboard,
        shell: &mut Shell<'_, M>,
        viewport: &Rectangle,
    ) {
        let content = self.content.as_widget_mut();
        content.update(
            tree, event, layout, cursor, renderer, clipboard, shell, viewport,
        );
    }

    fn mouse_interaction(
        &self,
        tree: &Tree,
        layout: Layout<'_>,
        cursor: mouse::Cursor,
        viewport: &Rectangle,
        renderer: &Renderer,
    ) -> mouse::Interaction {
        let content = self.content.as_widget();
        content.mouse_interaction(tree, layout, cursor, viewport, renderer)
    }

    fn draw(
        &self,
        tree: &Tree,
        renderer: &mut Renderer,
        theme: &iced_core::Theme,
        style: &renderer::Style,
        layout: Layout<'_>,
        cursor: mouse::Cursor,
        viewport: &Rectangle,
    ) {
        let card = layout.bounds();
        for step in (0..STEPS).rev() {
            // Each adds a little, so that the sum falls off softly.
            let part = f32::from(step) / f32::from(STEPS);
            let color = self.color.scale_alpha(0.34 * (1.0 - part));
            let by = self.reach * f32::from(step + 1) / f32::from(STEPS);
            for (bounds, radius) in pieces(card, by) {
                let quad = Quad {
                    bounds,
                    border: Border {
                        radius,
                        ..Border::default()
                    },
                    ..Quad::default()
                };
                renderer.fill_quad(quad, color);
            }
        }
        let content = self.content.as_widget();
        content.draw(tree, renderer, theme, style, layout, cursor, viewport);
    }

    fn overlay<'b>(
        &'b mut self,
        tree: &'b mut Tree,
        layout: Layout<'b>,
        renderer: &Renderer,
        viewport: &Rectangle,
        translation: Vector,
    ) -> Option<overlay::Element<'b, M, iced_core::Theme, Renderer>> {
        let content = self.content.as_widget_mut();
        content.overlay(tree, layout, renderer, viewport, translation)
    }
}

impl<'a, M: 'a> From<Shadowed<'a, M>> for Element<'a, M> {
    fn from(shadowed: Shadowed<'a, M>) -> Self {
        Self::new(shadowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_are_what_is_seen_of_the_whole_and_do_not_overlap() {
        let card = Rectangle {
            x: 18.0,
            y: 18.0,
            width: 300.0,
            height: 200.0,
        };
        for by in [3.0, 18.0] {
            let pieces = pieces(card, by);
            assert_eq!(pieces.len(), 4);
            let whole = card.expand(by);
            let covers = |x: f32, y: f32| {
                let at = iced_core::Point::new(x + 0.5, y + 0.5);
                let seen = whole.contains(at) && !card.contains(at);
                (
                    seen,
                    pieces
                        .iter()
                        .filter(|(piece, _)| piece.contains(at))
                        .count(),
                )
            };
            for x in 0..340_u16 {
                for y in 0..240_u16 {
                    let (seen, times) = covers(x.into(), y.into());
                    assert!(
                        if seen { times == 1 } else { times <= 1 },
                        "{x}, {y}: {times}"
                    );
                }
            }
        }
        // A low one is drawn as a whole.
        let low = Rectangle {
            height: 40.0,
            ..card
        };
        assert_eq!(
            pieces(low, 3.0),
            [(low.expand(3.0), Radius::new(ROUND_CARD + 3.0))]
        );
    }
}
