//! Between the pixels of X programs and the layout's.
//!
//! X knows pixels and no scale. So that what its programs draw is sharp, the X screen has as many pixels as the
//! outputs, and all that passes between it and the compositor is converted. There are two sides to that:
//!
//! * What comes over Wayland (surfaces, the pointer, outputs) smithay converts, by the scale of the client
//!   ([`wayland_side`]).
//! * What comes over X (places and sizes of windows) is converted here, and nowhere in smithay: its window manager
//!   asks another state of the client for the scale, which has none. It rounds each number for itself, and is wrong
//!   about new windows where the scale is not whole. So what it calls logical is [`Pixels`].
//!
//! The layout's pixels are the larger ones. A size of the layout that becomes pixels is the same size again when it
//! comes back; one of a program that comes between two becomes the next, and stays that.

use smithay::{
    backend::renderer::utils::with_renderer_surface_state,
    output::Output,
    reexports::wayland_server::Client,
    utils::{Logical, Physical, Point, Rectangle, Scale, Size},
    wayland::compositor::CompositorClientState,
    xwayland::{X11Surface, XWaylandClientData},
};

use crate::{
    layout::{Limits, Rect},
    outputs::geometry,
};

/// No X window is larger to a side, in pixels.
pub(super) const LARGEST: i32 = 16384;
/// Nothing of X is farther away, in pixels: it has 16 bits for a place.
const FARTHEST: i32 = i16::MAX as i32;
/// What is nearer to a whole number counts as it.
const NEARLY: f64 = 1e-6;

/// The kind of what X programs see.
#[derive(Debug)]
pub(crate) enum Pixels {}

/// A place on the X screen.
pub(crate) type PixelRect = Rectangle<i32, Pixels>;

/// How many pixels of the X screen are one of the layout's: 1 or more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Factor(f64);

impl Factor {
    /// X programs draw as if all outputs had scale 1.
    pub(crate) const ONE: Self = Self(1.0);

    /// That of outputs with these scales: of the greatest, as fewer pixels are made of more without harm.
    pub(crate) fn for_scales(scales: impl Iterator<Item = f64>) -> Self {
        Self(scales.fold(1.0, f64::max))
    }

    /// That of the server which is that client.
    pub(crate) fn of_server(client: &Client) -> Self {
        let scale = client
            .get_data::<XWaylandClientData>()
            .map_or(1.0, |data| wayland_side(data).client_scale());
        Self(scale.max(1.0))
    }

    /// That of the server which has the window.
    pub(crate) fn of(window: &X11Surface) -> Self {
        window
            .user_data()
            .get::<Client>()
            .map_or(Self::ONE, Self::of_server)
    }

    pub(crate) fn get(self) -> f64 {
        self.0
    }

    /// The nearest pixel.
    fn pixel(self, logical: i32) -> i32 {
        (f64::from(logical) * self.0).round() as i32
    }

    /// A side of a window in pixels: there is none without any.
    fn side(self, logical: i32) -> i32 {
        self.pixel(logical).clamp(1, LARGEST)
    }

    fn logical(self, pixel: i32) -> i32 {
        (f64::from(pixel) / self.0).round() as i32
    }

    fn logical_side(self, pixels: i32) -> i32 {
        self.logical(pixels).max(1)
    }

    /// A place of the layout on the X screen.
    pub(crate) fn to_pixels(self, rect: Rect) -> PixelRect {
        let place = |at: i32| self.pixel(at).clamp(-FARTHEST, FARTHEST);
        Rectangle::new(
            (place(rect.loc.x), place(rect.loc.y)).into(),
            (self.side(rect.size.w), self.side(rect.size.h)).into(),
        )
    }

    /// The place of the layout that is nearest to one on the X screen.
    pub(crate) fn to_logical(self, rect: PixelRect) -> Rect {
        Rect::new(
            self.to_logical_point(rect.loc),
            self.to_logical_size(rect.size),
        )
    }

    pub(crate) fn to_logical_point(self, at: Point<i32, Pixels>) -> Point<i32, Logical> {
        (self.logical(at.x), self.logical(at.y)).into()
    }

    pub(crate) fn to_logical_size(self, size: Size<i32, Pixels>) -> Size<i32, Logical> {
        (self.logical_side(size.w), self.logical_side(size.h)).into()
    }

    /// The sizes between those that a program accepts; 0 is no limit. One that accepts a single size gets the nearest
    /// that is not smaller.
    pub(crate) fn to_limits(
        self,
        min: Option<Size<i32, Pixels>>,
        max: Option<Size<i32, Pixels>>,
    ) -> Limits {
        let least = |pixels: i32| (f64::from(pixels.max(0)) / self.0 - NEARLY).ceil() as i32;
        let most = |pixels: i32, least: i32| {
            if pixels <= 0 {
                return 0;
            }
            let most = (f64::from(pixels) / self.0 + NEARLY).floor() as i32;
            most.max(least).max(1)
        };
        let (min, max) = (min.unwrap_or_default(), max.unwrap_or_default());
        let min = Size::from((least(min.w), least(min.h)));
        Limits {
            min,
            max: (most(max.w, min.w), most(max.h, min.h)).into(),
        }
    }

    /// The size of an output on the X screen, as its programs are told it.
    fn screen(self, size: Size<i32, Physical>, scale: f64) -> Size<i32, Pixels> {
        let side = |side: i32| (f64::from(side) / scale * self.0).round() as i32;
        (side(size.w), side(size.h)).into()
    }

    /// The place of a window that fills an output, if it is one: to the pixel, as programs compare that.
    pub(crate) fn full(self, place: Rect, outputs: &[Output]) -> PixelRect {
        let mut pixels = self.to_pixels(place);
        let filled = outputs.iter().find(|output| geometry(output) == place);
        if let Some((output, mode)) =
            filled.and_then(|output| Some((output, output.current_mode()?)))
        {
            let size = output.current_transform().transform_size(mode.size);
            pixels.size = self.screen(size, output.current_scale().fractional_scale());
        }
        pixels
    }
}

/// What smithay keeps of the server on the side of Wayland, with its scale.
pub(crate) fn wayland_side(server: &XWaylandClientData) -> &CompositorClientState {
    server
        .user_data()
        .get::<CompositorClientState>()
        .unwrap_or(&server.compositor_state)
}

/// What smithay's window manager says of a place.
pub(crate) fn from_x(rect: Rectangle<i32, Logical>) -> PixelRect {
    let Rectangle { loc, size } = rect;
    Rectangle::new((loc.x, loc.y).into(), (size.w, size.h).into())
}

/// A place as smithay's window manager takes it.
pub(crate) fn to_x(rect: PixelRect) -> Rectangle<i32, Logical> {
    let Rectangle { loc, size } = rect;
    Rectangle::new((loc.x, loc.y).into(), (size.w, size.h).into())
}

/// A size as smithay's window manager says it.
pub(crate) fn size_from_x(size: Size<i32, Logical>) -> Size<i32, Pixels> {
    (size.w, size.h).into()
}

/// Where a window is, as the X server was told or has told.
pub(crate) fn place(window: &X11Surface) -> Rect {
    Factor::of(window).to_logical(from_x(window.geometry()))
}

/// Where a window begins, between the layout's pixels if need be.
pub(crate) fn origin(window: &X11Surface) -> Point<f64, Logical> {
    let (at, factor) = (window.geometry().loc, Factor::of(window).get());
    (f64::from(at.x) / factor, f64::from(at.y) / factor).into()
}

/// How much larger a window has to be drawn at a scale than a size in whole pixels of the layout says, so that its
/// pixels are the screen's. Nothing, if that is right.
pub(crate) fn correction(window: &X11Surface, scale: Scale<f64>) -> Option<Scale<f64>> {
    let surface = window.wl_surface()?;
    let sizes = with_renderer_surface_state(&surface, |state| {
        state.buffer_size().zip(state.surface_size())
    });
    let (buffer, drawn) = sizes??;
    let drawn = drawn.to_f64().to_physical(scale).to_i32_round();
    Factor::of(window).correction((buffer.w, buffer.h).into(), drawn, scale)
}

impl Factor {
    fn correction(
        self,
        buffer: Size<i32, Pixels>,
        drawn: Size<i32, Physical>,
        scale: Scale<f64>,
    ) -> Option<Scale<f64>> {
        let side = |pixels: i32, drawn: i32, scale: f64| {
            let exact = (f64::from(pixels) * scale / self.0).round().max(1.0);
            let drawn = f64::from(drawn.max(1));
            // What differs by more was not rounded: the server itself shows a small mode enlarged.
            ((exact - drawn).abs() <= scale.max(1.0)).then_some(exact / drawn)
        };
        let x = side(buffer.w, drawn.w, scale.x)?;
        let y = side(buffer.h, drawn.h, scale.y)?;
        (x != 1.0 || y != 1.0).then(|| Scale::from((x, y)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rect((x, y, w, h): (i32, i32, i32, i32)) -> Rect {
        Rect::new((x, y).into(), (w, h).into())
    }

    fn pixels((x, y, w, h): (i32, i32, i32, i32)) -> PixelRect {
        Rectangle::new((x, y).into(), (w, h).into())
    }

    /// Scales that outputs have, and any between.
    fn factors() -> impl Strategy<Value = Factor> {
        prop_oneof![
            prop::sample::select(vec![1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0]),
            1.0..4.0,
        ]
        .prop_map(Factor)
    }

    proptest! {
        /// However often a window is put back and forth, it is where it was and as large.
        #[test]
        fn a_place_of_the_layout_survives_the_way_to_x_and_back(
            factor in factors(),
            place in (-8000..8000, -8000..8000, 1..4096, 1..4096),
        ) {
            let place = rect(place);
            prop_assert_eq!(factor.to_logical(factor.to_pixels(place)), place);
        }

        /// A program that asks for the size which it was told asks for nothing new.
        #[test]
        fn a_size_of_a_program_changes_once_at_most(
            factor in factors(),
            asked in (-8000..8000, -8000..8000, 1..4096, 1..4096),
        ) {
            let asked = pixels(asked);
            let once = factor.to_pixels(factor.to_logical(asked));
            prop_assert_eq!(factor.to_pixels(factor.to_logical(once)), once);
            let step = factor.get().ceil() as i32;
            prop_assert!((once.size.w - asked.size.w).abs() <= step, "{:?}", once);
            prop_assert!((once.loc.x - asked.loc.x).abs() <= step, "{:?}", once);
        }

        /// No program is told a size that it does not accept, unless it accepts one alone, and then the next.
        #[test]
        fn limits_hold_in_pixels(
            factor in factors(),
            min in 1..2000,
            more in 0..2000,
        ) {
            let (min, max) = (min, min + more);
            let limits = factor.to_limits(Some((min, min).into()), Some((max, max).into()));
            prop_assert!(limits.min.w <= limits.max.w, "{:?}", limits);
            let told = |w: i32| factor.to_pixels(rect((0, 0, w, 1))).size.w;
            prop_assert!(told(limits.min.w) >= min);
            let room = if f64::from(more) > factor.get() { 0 } else { factor.get().ceil() as i32 };
            prop_assert!(told(limits.max.w) <= max + room, "{} of {max}", told(limits.max.w));
        }

        /// At the scale that programs draw for, a pixel of theirs is one of the screen.
        #[test]
        fn what_is_drawn_has_its_own_pixels(factor in factors(), w in 1..3000, h in 1..3000) {
            let buffer = Size::<i32, Pixels>::from((w, h));
            let scale = Scale::from(factor.get());
            let drawn: Size<i32, Physical> = factor
                .to_logical_size(buffer)
                .to_f64()
                .to_physical(scale)
                .to_i32_round();
            let by = factor.correction(buffer, drawn, scale).unwrap_or(Scale::from(1.0));
            // As smithay reckons it.
            let shown: Size<i32, Physical> = drawn.to_f64().upscale(by).to_i32_round();
            prop_assert_eq!((shown.w, shown.h), (w, h));
        }
    }

    #[test]
    fn the_greatest_scale_counts_and_none_below_one() {
        let of = |scales: &[f64]| Factor::for_scales(scales.iter().copied());
        assert_eq!(of(&[1.0, 1.5, 1.25]), Factor(1.5));
        assert_eq!(of(&[0.5]), Factor::ONE);
        assert_eq!(of(&[]), Factor::ONE);
    }

    #[test]
    fn places_and_sizes_stay_within_what_x_can_say() {
        let far = Factor(4.0).to_pixels(rect((20_000, -20_000, 9000, 0)));
        assert_eq!(far, pixels((32767, -32767, 16384, 1)));
        assert_eq!(
            Factor(4.0).to_logical(pixels((0, 0, 1, 1))),
            rect((0, 0, 1, 1))
        );
    }

    #[test]
    fn an_output_has_its_own_pixels_on_the_x_screen() {
        assert_eq!(
            Factor(1.5).screen((1366, 768).into(), 1.5),
            (1366, 768).into()
        );
        assert_eq!(
            Factor(2.0).screen((1280, 800).into(), 1.0),
            (2560, 1600).into()
        );
    }

    #[test]
    fn no_limits_are_none() {
        assert_eq!(Factor(1.5).to_limits(None, None), Limits::default());
        let least = Factor(1.5).to_limits(Some((301, 150).into()), None);
        assert_eq!((least.min, least.max), ((201, 100).into(), (0, 0).into()));
    }

    #[test]
    fn a_surface_that_is_enlarged_on_purpose_is_left_alone() {
        let scale = Scale::from(2.0);
        let factor = Factor(2.0);
        assert_eq!(
            factor.correction((640, 480).into(), (1280, 960).into(), scale),
            None
        );
        assert_eq!(
            factor.correction((300, 200).into(), (300, 200).into(), scale),
            None
        );
        assert!(
            factor
                .correction((301, 200).into(), (302, 200).into(), scale)
                .is_some()
        );
    }
}
