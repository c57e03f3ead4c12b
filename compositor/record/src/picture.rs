//! A copy of the screen as a picture that a person sees: upright, cut, of the film's size.

use std::time::Instant;

use image::RgbImage;
use image::imageops::{self, FilterType};
use wayland_client::protocol::{wl_output::Transform, wl_shm::Format};

/// A copy as it lies in memory.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Rows of four bytes a pixel.
    pub pixels: Vec<u8>,
    /// How these are.
    pub shape: Shape,
    /// How the rows lie on the output.
    pub transform: Transform,
    /// When it was there.
    pub at: Instant,
}

/// How a copy lies in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// One of those that [`is_known`] says yes to.
    pub format: Format,
    /// Pixels in a row; there is nothing between two rows.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Shape {
    /// Bytes of a row.
    pub fn stride(&self) -> u64 {
        u64::from(self.width) * 4
    }

    /// Bytes of all.
    pub fn bytes(&self) -> u64 {
        self.stride() * u64::from(self.height)
    }
}

/// A part of a picture, whatever its size: left and upper edge, width and height, each from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

/// Whether pixels of a format can be read here.
pub fn is_known(format: Format) -> bool {
    order(format).is_some()
}

/// Where red, green and blue are in a pixel.
fn order(format: Format) -> Option<[usize; 3]> {
    match format {
        Format::Xrgb8888 | Format::Argb8888 => Some([2, 1, 0]),
        Format::Xbgr8888 | Format::Abgr8888 => Some([0, 1, 2]),
        _ => None,
    }
}

impl Frame {
    /// What a person sees of it, or of a part of it. `None` where the pixels are not as many as its shape says.
    pub fn upright(&self, part: Option<Part>) -> Option<RgbImage> {
        let [red, green, blue] = order(self.shape.format)?;
        let pixels = self.pixels.chunks_exact(4);
        let rgb: Vec<u8> = pixels
            .flat_map(|pixel| [pixel[red], pixel[green], pixel[blue]])
            .collect();
        let lying = RgbImage::from_raw(self.shape.width, self.shape.height, rgb)?;
        let upright = turned(lying, self.transform);
        Some(match part {
            None => upright,
            Some(part) => {
                let (x, y, width, height) = pixels_of(part, upright.dimensions());
                imageops::crop_imm(&upright, x, y, width, height).to_image()
            }
        })
    }
}

/// As a person sees it: `transform` says how the rows lie on the output.
fn turned(lying: RgbImage, transform: Transform) -> RgbImage {
    match transform {
        Transform::_90 => imageops::rotate90(&lying),
        Transform::_180 => imageops::rotate180(&lying),
        Transform::_270 => imageops::rotate270(&lying),
        Transform::Flipped => imageops::flip_horizontal(&lying),
        Transform::Flipped90 => imageops::flip_horizontal(&imageops::rotate90(&lying)),
        Transform::Flipped180 => imageops::flip_vertical(&lying),
        Transform::Flipped270 => imageops::flip_horizontal(&imageops::rotate270(&lying)),
        _ => lying,
    }
}

/// A part in pixels, at least one of them.
fn pixels_of(part: Part, (width, height): (u32, u32)) -> (u32, u32, u32, u32) {
    let span = |from: f64, length: f64, of: u32| {
        let begin = ((from * f64::from(of)).round() as u32).min(of.saturating_sub(1));
        let end = ((from + length) * f64::from(of)).round() as u32;
        (begin, end.clamp(begin + 1, of.max(begin + 1)) - begin)
    };
    let (x, wide) = span(part.x, part.width, width);
    let (y, high) = span(part.y, part.height, height);
    (x, y, wide, high)
}

/// The whole picture in that size, with black where it is of another form.
pub fn fitted(picture: RgbImage, size: (u32, u32)) -> RgbImage {
    let (from, to) = (picture.dimensions(), size);
    if from == to {
        return picture;
    }
    let scale = (f64::from(to.0) / f64::from(from.0)).min(f64::from(to.1) / f64::from(from.1));
    let scaled =
        |length: u32, most: u32| ((f64::from(length) * scale).round() as u32).clamp(1, most.max(1));
    let (width, height) = (scaled(from.0, to.0), scaled(from.1, to.1));
    let small = imageops::resize(&picture, width, height, FilterType::Triangle);
    let mut whole = RgbImage::new(to.0, to.1);
    let (x, y) = ((to.0 - width) / 2, (to.1 - height) / 2);
    imageops::replace(&mut whole, &small, x.into(), y.into());
    whole
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    /// A frame whose pixels are numbered, by their red.
    fn frame((width, height): (u32, u32), transform: Transform) -> Frame {
        Frame {
            pixels: (0..width * height)
                .flat_map(|number| [30, 20, number as u8, 99])
                .collect(),
            shape: Shape {
                format: Format::Xrgb8888,
                width,
                height,
            },
            transform,
            at: Instant::now(),
        }
    }

    fn reds(picture: &RgbImage) -> Vec<u8> {
        picture.pixels().map(|pixel| pixel.0[0]).collect()
    }

    #[test]
    fn colours_are_where_the_format_says() {
        let mut it = frame((2, 1), Transform::Normal);
        let seen = it.upright(None).unwrap();
        assert_eq!(seen.into_raw(), [0, 20, 30, 1, 20, 30]);
        it.shape.format = Format::Xbgr8888;
        let seen = it.upright(None).unwrap();
        assert_eq!(seen.into_raw(), [30, 20, 0, 30, 20, 1]);
        it.shape.format = Format::Rgb565;
        assert!(it.upright(None).is_none() && !is_known(Format::Rgb565));
        it.shape.format = Format::Xrgb8888;
        it.shape.height = 2;
        assert!(it.upright(None).is_none(), "there are too few pixels");
    }

    #[test]
    fn a_screen_that_hangs_otherwise_is_seen_upright() {
        // Three by two, row by row: 0 1 2, 3 4 5.
        let seen = |transform| {
            let seen = frame((3, 2), transform).upright(None).unwrap();
            (seen.dimensions(), reds(&seen))
        };
        assert_eq!(seen(Transform::Normal), ((3, 2), vec![0, 1, 2, 3, 4, 5]));
        assert_eq!(seen(Transform::_90), ((2, 3), vec![3, 0, 4, 1, 5, 2]));
        assert_eq!(seen(Transform::_180), ((3, 2), vec![5, 4, 3, 2, 1, 0]));
        assert_eq!(seen(Transform::_270), ((2, 3), vec![2, 5, 1, 4, 0, 3]));
        assert_eq!(seen(Transform::Flipped), ((3, 2), vec![2, 1, 0, 5, 4, 3]));
        assert_eq!(seen(Transform::Flipped90), ((2, 3), vec![0, 3, 1, 4, 2, 5]));
        assert_eq!(
            seen(Transform::Flipped180),
            ((3, 2), vec![3, 4, 5, 0, 1, 2])
        );
        assert_eq!(
            seen(Transform::Flipped270),
            ((2, 3), vec![5, 2, 4, 1, 3, 0])
        );
    }

    #[test]
    fn a_part_is_cut_out_and_never_is_nothing() {
        let half = Part {
            x: 0.5,
            y: 0.0,
            width: 0.5,
            height: 0.5,
        };
        let seen = frame((4, 2), Transform::Normal)
            .upright(Some(half))
            .unwrap();
        assert_eq!((seen.dimensions(), reds(&seen)), ((2, 1), vec![2, 3]));
        // Of a screen that became smaller than anybody thought.
        let point = Part {
            x: 0.99,
            y: 0.99,
            width: 0.01,
            height: 0.01,
        };
        assert_eq!(pixels_of(point, (1, 1)), (0, 0, 1, 1));
        assert_eq!(pixels_of(point, (4, 4)), (3, 3, 1, 1));
        let all = Part {
            x: 0.0,
            y: 0.0,
            width: 1.0,
            height: 1.0,
        };
        assert_eq!(pixels_of(all, (1279, 799)), (0, 0, 1279, 799));
    }

    #[test]
    fn another_size_is_scaled_and_lies_in_the_middle() {
        let white = |width, height| RgbImage::from_pixel(width, height, Rgb([255; 3]));
        assert_eq!(fitted(white(8, 6), (8, 6)), white(8, 6));
        // Twice as wide: half as high, black above and below.
        let wide = fitted(white(16, 4), (8, 6));
        assert_eq!(wide.dimensions(), (8, 6));
        for (x, y, pixel) in wide.enumerate_pixels() {
            let lit = (2..4).contains(&y);
            assert_eq!(pixel.0[0] > 128, lit, "{x}, {y}");
        }
        // A small one fills it as far as it goes.
        let high = fitted(white(1, 3), (8, 6));
        for (x, y, pixel) in high.enumerate_pixels() {
            let lit = (3..5).contains(&x);
            assert_eq!(pixel.0[0] > 128, lit, "{x}, {y}");
        }
        // However thin it is, something is there.
        let line = fitted(white(1000, 1), (8, 6));
        assert!(line.pixels().any(|pixel| pixel.0[0] > 128));
    }
}
