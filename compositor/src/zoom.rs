//! The magnifier: the output where the person is, shown larger.
//!
//! One point of it stays where it is and everything else moves away from it: the pointer, or a place where
//! text is typed, or the window in use, whichever moved last. Since the pointer stays where it is, it
//! reaches every corner, and mice and the tablets of virtual machines need no other coordinates; what
//! touches the screen elsewhere is meant for what is seen there ([`State::through_magnifier`]). Only frames
//! of the screen are larger, pictures for others are not ([`crate::render::Glass`]).

use smithay::{
    output::Output,
    reexports::wayland_server::{Resource, backend::ClientId},
    utils::{Logical, Point, Rectangle},
};

use crate::{
    bindings::Magnify, layout::WindowId, outputs::geometry, protocols::root_of, state::State,
};

/// The most that things are enlarged.
pub(crate) const LARGEST: f64 = 8.0;
/// Less than this is nothing.
const LEAST: f64 = 1.02;

/// How an output is magnified.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Zoom {
    pub(crate) factor: f64,
    /// What stays where it is, in the global space.
    pub(crate) still: Point<f64, Logical>,
}

/// See the module's page.
#[derive(Debug)]
pub(crate) struct Magnifier {
    factor: f64,
    /// What is followed instead of the pointer, until that moves.
    followed: Option<Point<f64, Logical>>,
    /// The window that was in use last.
    focused: Option<WindowId>,
    /// Where clients said that text is typed, in their surface, and have not committed it yet.
    texts: Vec<(ClientId, Rectangle<i32, Logical>)>,
}

impl Default for Magnifier {
    fn default() -> Self {
        Self {
            factor: 1.0,
            followed: None,
            focused: None,
            texts: Vec::new(),
        }
    }
}

impl State {
    /// How many times larger things are shown, 1 to 8.
    pub fn zoom(&self) -> f64 {
        self.magnifier.factor
    }

    /// Shows things so many times larger; 1 is as they are.
    pub fn set_zoom(&mut self, factor: f64) {
        let factor = Some(factor).filter(|factor| *factor >= LEAST);
        let factor = factor.map_or(1.0, |factor| factor.min(LARGEST));
        if self.magnifier.factor == factor {
            return;
        }
        self.magnifier.factor = factor;
        if factor == 1.0 {
            self.magnifier = Magnifier::default();
        } else {
            self.magnifier.focused = self.windows.layout.focused();
        }
        self.outputs.queue_all();
    }

    pub(crate) fn magnify(&mut self, how: Magnify) {
        let step = self.config.magnifier.step;
        self.set_zoom(match how {
            Magnify::In => self.magnifier.factor * step,
            Magnify::Out => self.magnifier.factor / step,
            Magnify::Off => 1.0,
        });
    }

    /// The wheel was turned with Super: so many steps down.
    pub(crate) fn scroll_zoom(&mut self, steps: f64) {
        let step = self.config.magnifier.step;
        self.set_zoom(self.magnifier.factor * step.powf(-steps));
    }

    fn magnifies(&self) -> bool {
        self.magnifier.factor > 1.0
    }

    fn still(&self) -> Point<f64, Logical> {
        self.magnifier.followed.unwrap_or(self.pointer_at)
    }

    /// How an output is magnified, if it is.
    pub(crate) fn zoom_of(&self, output: &Output) -> Option<Zoom> {
        let still = self.still();
        let here = self.magnifies() && geometry(output).to_f64().contains(still);
        here.then_some(Zoom {
            factor: self.magnifier.factor,
            still,
        })
    }

    /// What is seen at a point of the screen, in the global space.
    pub(crate) fn through_magnifier(&self, at: Point<f64, Logical>) -> Point<f64, Logical> {
        let zoom = self.outputs.at(at).and_then(|output| self.zoom_of(output));
        zoom.map_or(at, |Zoom { factor, still }| {
            let from = at - still;
            still + Point::from((from.x / factor, from.y / factor))
        })
    }

    fn follow(&mut self, point: Option<Point<f64, Logical>>) {
        if self.magnifier.followed == point {
            return;
        }
        for still in [self.still(), point.unwrap_or(self.pointer_at)] {
            if let Some(output) = self.outputs.at(still).cloned() {
                self.outputs.queue(&output);
            }
        }
        self.magnifier.followed = point;
    }

    /// The pointer moved.
    pub(crate) fn magnify_pointer(&mut self) {
        if self.magnifies() {
            self.follow(None);
        }
    }

    /// A client says where text is typed in its surface. It counts once it commits that.
    pub(crate) fn text_moved(&mut self, client: ClientId, place: Rectangle<i32, Logical>) {
        if self.magnifies() && self.config.magnifier.follow_text {
            let texts = &mut self.magnifier.texts;
            texts.retain(|(other, _)| *other != client);
            texts.push((client, place));
        }
    }

    /// A client commits what it said of its text.
    pub(crate) fn text_committed(&mut self, client: &ClientId) {
        let mut texts = self.magnifier.texts.iter();
        let Some(index) = texts.position(|(other, _)| other == client) else {
            return;
        };
        let (_, place) = self.magnifier.texts.swap_remove(index);
        let Some(focus) = self.keyboard.current_focus() else {
            return;
        };
        let surface = focus.surface();
        let theirs = surface
            .client()
            .is_some_and(|focused| focused.id() == *client);
        let origin = self
            .windows
            .by_surface(&root_of(surface))
            .and_then(|managed| self.windows.origin(managed.id));
        if let Some(origin) = origin.filter(|_| theirs && !self.is_locked()) {
            let middle = origin + place.loc + Point::from((place.size.w / 2, place.size.h / 2));
            let middle = self.clamp_to_outputs(middle.to_f64());
            self.follow(Some(middle));
        }
    }

    /// Goes to the window in use, if that is another one and the pointer is not in it.
    pub(crate) fn magnify_focus(&mut self) {
        if !self.magnifies() {
            return;
        }
        let layout = &self.windows.layout;
        let focused = layout.focused();
        if focused == self.magnifier.focused {
            return;
        }
        let place = focused
            .and_then(|id| layout.client(id))
            .map(Rectangle::to_f64);
        self.magnifier.focused = focused;
        if let Some(place) = place.filter(|place| !place.contains(self.pointer_at)) {
            let middle = place.loc + Point::from((place.size.w / 2.0, place.size.h / 2.0));
            let middle = self.clamp_to_outputs(middle);
            self.follow(Some(middle));
        }
    }
}
