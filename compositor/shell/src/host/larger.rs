//! Larger text: everything is laid out as ever and shown so many times larger.
//!
//! A program says sizes in its own units. At a text size of 1 such a unit is a logical pixel; at 1.5 a
//! surface is asked for one and a half times as large, and what is laid out in its units is drawn so many times
//! larger. Words and what is around them keep their proportions, so nothing is cut that was not cut before.
//!
//! A screen has an end. What does not fit is first made smaller in its own units, down to what its widgets need
//! ([`Program::least`](super::Program::least)), and where that is not enough, shown less large; never smaller
//! than it would be without larger text.

use iced_core::Size;

/// How large a surface is to be, and how many times larger its widgets are shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// What to ask the compositor for, in logical pixels; 0 stretches.
    pub asked: Size<u32>,
    /// Logical pixels to a unit of the program's.
    pub zoom: f32,
    /// What the widgets need, in units; 0 where any size does.
    pub least: Size,
}

impl Plan {
    /// At a text size of 1.
    pub fn as_it_is(wanted: Size<u32>) -> Self {
        Self {
            asked: wanted,
            zoom: 1.0,
            least: Size::ZERO,
        }
    }

    /// For a surface of `wanted` units (0 stretches it) on a screen with `room` logical pixels, if that is known.
    /// Without a `least` it needs what is wanted.
    pub fn new(text_size: f32, wanted: Size<u32>, least: Option<Size>, room: Option<Size>) -> Self {
        let units = Size::new(wanted.width as f32, wanted.height as f32);
        let least = least.unwrap_or(units);
        let Some(room) = room else {
            return Self {
                asked: grown(wanted, text_size, Size::INFINITE),
                zoom: text_size,
                least,
            };
        };
        let zoom = fitting(text_size, room, least);
        Self {
            // At a text size of 1 a surface may be larger than its screen, as ever.
            asked: grown(wanted, zoom, if zoom > 1.0 { room } else { Size::INFINITE }),
            zoom,
            least,
        }
    }

    /// How many times larger widgets are shown on what the compositor gave.
    pub fn given(&self, text_size: f32, size: Size<u32>) -> f32 {
        let given = Size::new(size.width as f32, size.height as f32);
        fitting(text_size, given, self.least)
    }
}

/// `text_size`, or as much of it as `least` leaves in `room`.
fn fitting(text_size: f32, room: Size, least: Size) -> f32 {
    let most = |room: f32, least: f32| if least > 0.0 { room / least } else { f32::MAX };
    text_size
        .min(most(room.width, least.width))
        .min(most(room.height, least.height))
        .max(text_size.min(1.0))
}

fn grown(wanted: Size<u32>, zoom: f32, room: Size) -> Size<u32> {
    // A hundredth is no pixel more: sizes are not exact numbers.
    let grow = |length: u32, room: f32| match length {
        0 => 0,
        length => ((length as f32 * zoom - 0.01).ceil().min(room.floor()) as u32).max(1),
    };
    Size::new(
        grow(wanted.width, room.width),
        grow(wanted.height, room.height),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCREEN: Size = Size::new(1280.0, 800.0);

    fn plan(text_size: f32, wanted: (u32, u32), least: Option<(f32, f32)>) -> Plan {
        let least = least.map(|(width, height)| Size::new(width, height));
        let wanted = Size::new(wanted.0, wanted.1);
        Plan::new(text_size, wanted, least, Some(SCREEN))
    }

    #[test]
    fn what_has_room_is_so_many_times_larger() {
        let menu = plan(1.5, (264, 301), None);
        assert_eq!((menu.asked, menu.zoom), (Size::new(396, 452), 1.5));
        assert_eq!(menu.given(1.5, menu.asked), 1.5);
        let smaller = plan(0.8, (264, 300), None);
        assert_eq!((smaller.asked, smaller.zoom), (Size::new(212, 240), 0.8));
        // Rounding adds no pixel.
        assert_eq!(plan(1.1, (360, 36), None).asked, Size::new(396, 40));
    }

    #[test]
    fn what_has_none_is_first_smaller_and_then_less_large() {
        let wide = plan(1.5, (936, 636), Some((800.0, 400.0)));
        assert_eq!(wide.zoom, 1.5);
        assert_eq!(wide.asked, Size::new(1280, 800));
        let wider = plan(2.0, (936, 636), Some((800.0, 400.0)));
        assert_eq!(wider.zoom, 1.6);
        assert_eq!(wider.given(2.0, wider.asked), 1.6);
        // It is never shown smaller than without larger text.
        let huge = plan(1.5, (2000, 900), None);
        assert_eq!((huge.zoom, huge.asked), (1.0, Size::new(2000, 900)));
    }

    #[test]
    fn what_is_stretched_is_as_large_as_its_screen_leaves_it() {
        let bar = plan(1.5, (0, 36), Some((640.0, 36.0)));
        assert_eq!((bar.asked, bar.zoom), (Size::new(0, 54), 1.5));
        assert_eq!(bar.given(1.5, Size::new(1280, 54)), 1.5);
        assert_eq!(bar.given(1.5, Size::new(800, 54)), 1.25);
        let cover = plan(2.0, (0, 0), Some((640.0, 480.0)));
        assert_eq!(cover.given(2.0, Size::new(1280, 800)), 800.0 / 480.0);
        assert_eq!(plan(2.0, (0, 0), None).given(2.0, Size::new(9, 9)), 2.0);
    }
}
