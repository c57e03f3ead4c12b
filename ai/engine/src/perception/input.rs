//! A picture as a graph takes it: resized, channels in order, scaled.

use image::imageops::{self, FilterType};
use image::{GenericImageView, RgbImage};

use super::Picture;
use crate::manifest::{Channels, ImageInput, Interpolation, Layout, Resize};
use crate::{Error, Result};

/// Most pixels of any picture on the way: a strip of one pixel by thousands would grow to gigabytes when
/// its shorter side is brought to a model's hundreds.
const MAX_STEP_PIXELS: u64 = 32 << 20;

/// A picture's numbers, in the manifest's layout without the batch.
#[derive(Debug)]
pub(super) struct Pixels {
    pub width: usize,
    pub values: Vec<f32>,
}

/// Prepares a picture. With [`Resize::FitHeight`] it is as wide as it is then; `pad_to` fills it up to
/// that width with zeros.
///
/// Fails with [`Error::InvalidArguments`] where the picture's shape is beyond what can be fitted.
pub(super) fn prepare(
    picture: &Picture,
    input: &ImageInput,
    pad_to: Option<usize>,
) -> Result<Pixels> {
    let resized = resize(&picture.0, input)?;
    let (width, height) = (resized.width() as usize, resized.height() as usize);
    let full = pad_to.map_or(width, |w| w.max(width));
    let channels = input.channels.count();
    let of = |values: &[f32], channel: usize| values[channel.min(values.len() - 1)];
    let mut values = vec![0.0; full * height * channels];
    for (x, y, pixel) in resized.enumerate_pixels() {
        let (x, y) = (x as usize, y as usize);
        let [red, green, blue] = pixel.0;
        let ordered = match input.channels {
            Channels::Rgb => [red, green, blue].map(f32::from),
            Channels::Bgr => [blue, green, red].map(f32::from),
            // ITU-R BT.601, as the libraries compute it that models are trained with.
            Channels::Grey => {
                let grey =
                    0.299 * f32::from(red) + 0.587 * f32::from(green) + 0.114 * f32::from(blue);
                [grey; 3]
            }
        };
        for (channel, value) in ordered.into_iter().take(channels).enumerate() {
            let at = match input.layout {
                Layout::Nchw => (channel * height + y) * full + x,
                Layout::Nhwc => (y * full + x) * channels + channel,
            };
            values[at] = (value * input.scale - of(&input.mean, channel)) / of(&input.std, channel);
        }
    }
    Ok(Pixels {
        width: full,
        values,
    })
}

/// The shape of the graph's input for a picture of `width` and `height`, with a batch of one.
pub(super) fn shape(input: &ImageInput, width: usize) -> [usize; 4] {
    let (height, channels) = (input.height as usize, input.channels.count());
    match input.layout {
        Layout::Nchw => [1, channels, height, width],
        Layout::Nhwc => [1, height, width, channels],
    }
}

fn resize(image: &RgbImage, input: &ImageInput) -> Result<RgbImage> {
    let (width, height) = (input.width, input.height);
    match input.resize {
        Resize::Stretch => scaled(image, width, height, input.interpolation),
        Resize::FitHeight => {
            let fitted = proportion(image.width(), height, image.height());
            if fitted > width {
                return Err(Error::InvalidArguments(format!(
                    "the line is {fitted} pixels wide at the model's height of {height}, the model takes \
                     at most {width}; cut it into pieces"
                )));
            }
            scaled(image, fitted, height, input.interpolation)
        }
        Resize::ShortestEdge => {
            let edge = input.edge.unwrap_or(width.max(height));
            let shorter = image.width().min(image.height());
            let resized = scaled(
                image,
                proportion(image.width(), edge, shorter),
                proportion(image.height(), edge, shorter),
                input.interpolation,
            )?;
            let (left, top) = (
                (resized.width() - width) / 2,
                (resized.height() - height) / 2,
            );
            Ok(resized.view(left, top, width, height).to_image())
        }
    }
}

/// `length × to ÷ from`, rounded, at least 1.
fn proportion(length: u32, to: u32, from: u32) -> u32 {
    let exact = (u64::from(length) * u64::from(to) + u64::from(from) / 2) / u64::from(from);
    u32::try_from(exact).unwrap_or(u32::MAX).max(1)
}

fn scaled(
    image: &RgbImage,
    width: u32,
    height: u32,
    interpolation: Interpolation,
) -> Result<RgbImage> {
    if (width, height) == image.dimensions() {
        return Ok(image.clone());
    }
    // It is scaled down the columns first, then along the rows.
    let columns = u64::from(image.width()) * u64::from(height);
    if columns.max(u64::from(width) * u64::from(height)) > MAX_STEP_PIXELS {
        return Err(Error::InvalidArguments(format!(
            "a picture of {} × {} would become one of {width} × {height} on the way into the model, more \
             than {MAX_STEP_PIXELS} pixels; cut it to a usual shape",
            image.width(),
            image.height()
        )));
    }
    let filter = match interpolation {
        Interpolation::Nearest => FilterType::Nearest,
        Interpolation::Bilinear => FilterType::Triangle,
        Interpolation::Bicubic => FilterType::CatmullRom,
        Interpolation::Lanczos => FilterType::Lanczos3,
    };
    Ok(imageops::resize(image, width, height, filter))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(yaml: &str) -> ImageInput {
        argos_config::parse("image", yaml).unwrap()
    }

    /// `width` × `height` pixels whose red is 10 × column, green 10 × row, blue 7.
    fn gradient(width: u32, height: u32) -> Picture {
        let pixels = (0..height)
            .flat_map(|y| (0..width).flat_map(move |x| [10 * x as u8, 10 * y as u8, 7]))
            .collect();
        Picture::from_rgb8(width, height, pixels).unwrap()
    }

    #[test]
    fn layout_order_and_scale() {
        let picture = gradient(2, 2);
        let plain = "{width: 2, height: 2, scale: 1, mean: [1, 2, 3], std: [1, 2, 4]";
        let values = |rest: &str| {
            prepare(&picture, &input(&format!("{plain}{rest}}}")), None)
                .unwrap()
                .values
        };
        // Red, then green, then blue.
        assert_eq!(
            values(""),
            [
                -1.0, 9.0, -1.0, 9.0, -1.0, -1.0, 4.0, 4.0, 1.0, 1.0, 1.0, 1.0
            ]
        );
        assert_eq!(
            values(", layout: nhwc"),
            [
                -1.0, -1.0, 1.0, 9.0, -1.0, 1.0, -1.0, 4.0, 1.0, 9.0, 4.0, 1.0
            ]
        );
        let blue_first = values(", channels: bgr, layout: nhwc");
        assert_eq!(blue_first[..3], [6.0, -1.0, -0.75]);
        let grey = input("{width: 2, height: 2, channels: grey}");
        let grey = prepare(&picture, &grey, None).unwrap().values;
        assert_eq!(grey.len(), 4);
        assert!((grey[1] - (2.99 + 0.798) / 255.0).abs() < 1e-6, "{grey:?}");
    }

    #[test]
    fn the_middle_is_cut_out_and_stretching_keeps_all() {
        // Eight columns, four rows: at its size, the middle four columns.
        let square = input("{width: 4, height: 4, scale: 1}");
        let values = prepare(&gradient(8, 4), &square, None).unwrap().values;
        assert_eq!(values[..4], [20.0, 30.0, 40.0, 50.0]);
        let stretched =
            input("{width: 4, height: 2, scale: 1, resize: stretch, interpolation: nearest}");
        let values = prepare(&gradient(8, 4), &stretched, None).unwrap().values;
        assert_eq!(values[..4], [10.0, 30.0, 50.0, 70.0]);
    }

    #[test]
    fn lines_keep_their_shape_and_are_filled_up() {
        let line = input("{width: 40, height: 4, scale: 1, resize: fit-height}");
        let fitted = prepare(&gradient(16, 8), &line, None).unwrap();
        assert_eq!((fitted.width, fitted.values.len()), (8, 3 * 4 * 8));
        let padded = prepare(&gradient(16, 8), &line, Some(40)).unwrap();
        assert_eq!((padded.width, padded.values.len()), (40, 3 * 4 * 40));
        assert!(padded.values[8..40].iter().all(|v| *v == 0.0));
        let error = prepare(&gradient(25, 2), &line, None)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("50 pixels wide") && error.contains("at most 40"),
            "{error}"
        );
    }

    #[test]
    fn strips_do_not_grow_without_bounds() {
        let wide = Picture::from_rgb8(30_000, 1, vec![0; 90_000]).unwrap();
        let square = input("{width: 224, height: 224}");
        let error = prepare(&wide, &square, None).unwrap_err().to_string();
        assert!(
            error.contains("30000 × 1") && error.contains("6720000 × 224"),
            "{error}"
        );
    }

    proptest::proptest! {
        /// Whatever comes in, what goes out has the graph's size and is no brighter or darker.
        #[test]
        fn sizes_and_values_stay_in_bounds(
            (across, down) in (1u32..60, 1u32..60),
            (width, height) in (1u32..40, 1u32..40),
            more in 0u32..20,
            way in 0..3,
            seed in 0u32..,
        ) {
            let bytes = (0..across * down * 3)
                .map(|n| 40 + (n.wrapping_mul(seed | 1) >> 7) as u8 % 100)
                .collect();
            let picture = Picture::from_rgb8(across, down, bytes).unwrap();
            let resize = match way {
                0 => format!("edge: {}", width.max(height) + more),
                1 => "resize: stretch".into(),
                _ => "resize: fit-height".into(),
            };
            let across_at_most = if way == 2 { 4000 } else { width };
            let input = input(&format!(
                "{{width: {across_at_most}, height: {height}, scale: 1, {resize}}}"
            ));
            let pixels = prepare(&picture, &input, None).unwrap();
            proptest::prop_assert_eq!(pixels.values.len(), pixels.width * height as usize * 3);
            if way < 2 {
                proptest::prop_assert_eq!(pixels.width, width as usize);
            }
            for value in pixels.values {
                // Bilinear weights are positive: nothing overshoots.
                proptest::prop_assert!((39.0..=140.0).contains(&value), "{}", value);
            }
        }
    }
}
