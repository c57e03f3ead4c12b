//! Pictures that the compositor paints itself, on the CPU: shapes by how much of each pixel they cover,
//! and lines of text.

use smithay::utils::{Logical, Rectangle};

use crate::{config::Colour, lettering::Letters, protocols::icons::Icon};

/// Premultiplied pixels.
pub(crate) struct Canvas {
    width: i32,
    height: i32,
    /// Blue, green, red, alpha; 0 to 1, premultiplied.
    pixels: Vec<[f32; 4]>,
}

impl Canvas {
    pub(crate) fn new(width: i32, height: i32) -> Self {
        Self {
            width,
            height,
            pixels: vec![[0.0; 4]; width as usize * height as usize],
        }
    }

    /// Width and height in pixels.
    pub(crate) fn size(&self) -> (i32, i32) {
        (self.width, self.height)
    }

    /// All of its pixels, as the part of a texture that is drawn.
    pub(crate) fn extent(&self) -> Rectangle<f64, Logical> {
        Rectangle::from_size((f64::from(self.width), f64::from(self.height)).into())
    }

    fn blend(&mut self, x: i32, y: i32, colour: Colour, cover: f32) {
        if x < 0 || y < 0 || x >= self.width || y >= self.height || cover <= 0.0 {
            return;
        }
        let cover = cover.min(1.0);
        let pixel = &mut self.pixels[(y * self.width + x) as usize];
        let [r, g, b] = colour.0.map(|part| f32::from(part) / 255.0);
        for (part, value) in pixel.iter_mut().zip([b, g, r, 1.0]) {
            *part = value * cover + *part * (1.0 - cover);
        }
    }

    /// Draws a square picture, each of whose pixels here is the mean of those that fall on it.
    pub(crate) fn image(&mut self, icon: &Icon, left: f32, top: f32, side: f32) {
        let (left, top) = (left.round() as i32, top.round() as i32);
        let side = side.round().max(1.0) as usize;
        let from = |at: usize| at * icon.side / side;
        let until = |at: usize| ((at + 1) * icon.side).div_ceil(side).max(from(at) + 1);
        for y in 0..side {
            for x in 0..side {
                let (px, py) = (left + x as i32, top + y as i32);
                if px < 0 || py < 0 || px >= self.width || py >= self.height {
                    continue;
                }
                let mut sum = [0.0; 4];
                let mut count = 0.0;
                for row in from(y)..until(y) {
                    for source in &icon.pixels[row * icon.side..][from(x)..until(x)] {
                        for (sum, part) in sum.iter_mut().zip(source) {
                            *sum += f32::from(*part) / 255.0;
                        }
                        count += 1.0;
                    }
                }
                let pixel = &mut self.pixels[(py * self.width + px) as usize];
                let alpha = (sum[3] / count).min(1.0);
                for (part, value) in pixel.iter_mut().zip(sum) {
                    // What a client says is premultiplied may not be.
                    *part = (value / count).min(alpha) + *part * (1.0 - alpha);
                }
            }
        }
    }

    /// Colours every pixel as much as `cover` says at its middle.
    pub(crate) fn fill(&mut self, colour: Colour, cover: impl Fn(f32, f32) -> f32) {
        self.fill_within((0, self.width), (0, self.height), colour, cover);
    }

    /// The same within some columns and rows.
    pub(crate) fn fill_within(
        &mut self,
        columns: (i32, i32),
        rows: (i32, i32),
        colour: Colour,
        cover: impl Fn(f32, f32) -> f32,
    ) {
        for y in rows.0.max(0)..rows.1.min(self.height) {
            for x in columns.0.max(0)..columns.1.min(self.width) {
                self.blend(x, y, colour, cover(x as f32 + 0.5, y as f32 + 0.5));
            }
        }
    }

    /// Writes one line from the left of `columns`, in the middle of `rows`, cut with an ellipsis where
    /// it does not fit. All in pixels.
    pub(crate) fn text(
        &mut self,
        letters: &mut Letters,
        text: &str,
        size: f32,
        columns: (f32, f32),
        rows: (f32, f32),
        colour: Colour,
    ) {
        let (left, top) = (columns.0.round() as i32, rows.0.round() as i32);
        let room = columns.1 - columns.0;
        let height = rows.1 - rows.0;
        letters.write(text, size, room, height, colour, |x, y, colour, cover| {
            self.blend(left + x, top + y, colour, cover);
        });
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.pixels
            .iter()
            .flatten()
            .map(|part| (part * 255.0).round() as u8)
            .collect()
    }
}
