//! The wallpaper: a sea drawn from a few numbers, or a PNG.
//!
//! It is painted once per size and theme, straight into the buffer that is shown, so it has to be
//! cheap on a slow CPU: rows of one colour each, no path rasteriser. Gradients are dithered with an
//! ordered pattern, without which dark ones show bands.

use std::path::Path;
use std::sync::Arc;

use iced_core::Color;
use serde::Deserialize;

use crate::host::Picture;
use crate::theme::{self, Theme};

/// A wallpaper file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sea {
    /// Colours of the sky from the top to the horizon, evenly spaced.
    sky: Vec<Paint>,
    /// A light in the sky.
    glow: Option<Glow>,
    /// Stars.
    stars: Option<Stars>,
    /// Waves, back to front.
    #[serde(default)]
    waves: Vec<Wave>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(transparent)]
struct Paint(#[serde(deserialize_with = "theme::color")] Color);

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Glow {
    x: f32,
    y: f32,
    radius: f32,
    color: Paint,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stars {
    count: u32,
    /// How far down, as a fraction of the height.
    below: f32,
    color: Paint,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wave {
    /// Middle of the crest line.
    y: f32,
    /// How far it swings.
    height: f32,
    /// From crest to crest, in widths.
    length: f32,
    /// Where it begins, in lengths.
    shift: f32,
    top: Paint,
    bottom: Paint,
}

/// A wallpaper that is a picture file.
#[derive(Debug)]
struct Image {
    width: u32,
    height: u32,
    rgba: Vec<u8>,
}

/// The wallpaper `wanted`, or that of `theme` where it is empty. A missing or broken file is named in the log; the sky is then one
/// colour.
pub fn picture(theme: &Theme, wanted: &str) -> Arc<dyn Picture> {
    let name = match wanted {
        "" => &theme.wallpaper,
        wanted => wanted,
    };
    let path = theme::wallpaper_path(name);
    match load(&path, name) {
        Ok(picture) => picture,
        Err(error) => {
            tracing::warn!("wallpaper: {error}");
            Arc::new(Sea {
                sky: vec![Paint(theme.colors.card)],
                glow: None,
                stars: None,
                waves: Vec::new(),
            })
        }
    }
}

fn load(path: &Path, name: &str) -> Result<Arc<dyn Picture>, String> {
    if path.extension().is_some_and(|ending| ending == "png") {
        let bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let (width, height, rgba) = crate::icons::read_png(&bytes)
            .filter(|(width, height, _)| *width > 0 && *height > 0)
            .ok_or_else(|| format!("{} is not a PNG that can be read", path.display()))?;
        return Ok(Arc::new(Image {
            width,
            height,
            rgba,
        }));
    }
    if path.exists() {
        let sea: Sea = argos_config::load(path).map_err(|e| e.to_string())?;
        return Ok(Arc::new(sea));
    }
    BUILT_IN
        .iter()
        .find(|(built_in, _)| *built_in == name)
        .map(|(name, text)| -> Arc<dyn Picture> { Arc::new(parse(name, text)) })
        .ok_or_else(|| format!("{} does not exist", path.display()))
}

const BUILT_IN: [(&str, &str); 2] = [
    (
        "tide-night",
        include_str!("../../../../rootfs/usr/share/argos/wallpapers/tide-night.yaml"),
    ),
    (
        "tide-day",
        include_str!("../../../../rootfs/usr/share/argos/wallpapers/tide-day.yaml"),
    ),
];

fn parse(name: &str, text: &str) -> Sea {
    argos_config::parse(name, text).expect("the built-in wallpapers are parsed by a test")
}

/// A colour in 1/256ths of a step, for dithering: blue, green, red.
type Fine = [i32; 3];

fn fine(color: Color) -> Fine {
    let scale = |part: f32| (part * 255.0 * 256.0) as i32;
    [scale(color.b), scale(color.g), scale(color.r)]
}

fn between(a: Fine, b: Fine, part: f32) -> Fine {
    let part = part.clamp(0.0, 1.0);
    std::array::from_fn(|i| a[i] + ((b[i] - a[i]) as f32 * part) as i32)
}

/// The ordered dither pattern, 0 to 255.
const DITHER: [[i32; 8]; 8] = {
    const BAYER: [[i32; 8]; 8] = [
        [0, 32, 8, 40, 2, 34, 10, 42],
        [48, 16, 56, 24, 50, 18, 58, 26],
        [12, 44, 4, 36, 14, 46, 6, 38],
        [60, 28, 52, 20, 62, 30, 54, 22],
        [3, 35, 11, 43, 1, 33, 9, 41],
        [51, 19, 59, 27, 49, 17, 57, 25],
        [15, 47, 7, 39, 13, 45, 5, 37],
        [63, 31, 55, 23, 61, 29, 53, 21],
    ];
    let mut scaled = [[0; 8]; 8];
    let mut y = 0;
    while y < 8 {
        let mut x = 0;
        while x < 8 {
            scaled[y][x] = BAYER[y][x] * 4;
            x += 1;
        }
        y += 1;
    }
    scaled
};

fn dithered(color: Fine, x: usize, y: usize) -> [u8; 4] {
    let more = DITHER[y % 8][x % 8];
    let step = |part: i32| ((part + more) >> 8).clamp(0, 255) as u8;
    [step(color[0]), step(color[1]), step(color[2]), 0xff]
}

impl Picture for Sea {
    fn draw(&self, pixels: &mut [u8], width: usize) {
        if width == 0 {
            return;
        }
        let height = pixels.len() / 4 / width;
        let horizon = self.waves.first().map_or(1.0, |wave| wave.y + wave.height);
        self.draw_sky(
            pixels,
            width,
            height,
            (horizon * height as f32).ceil() as usize,
        );
        self.draw_stars(pixels, width, height);
        for (index, wave) in self.waves.iter().enumerate() {
            // What the next wave covers anyway is not drawn.
            let end = self
                .waves
                .get(index + 1)
                .map_or(1.0, |next| next.y + next.height * 1.5);
            draw_wave(
                wave,
                pixels,
                width,
                height,
                ((end * height as f32).ceil() as usize).min(height),
            );
        }
    }
}

impl Sea {
    fn draw_sky(&self, pixels: &mut [u8], width: usize, height: usize, end: usize) {
        let stops: Vec<Fine> = self.sky.iter().map(|paint| fine(paint.0)).collect();
        let Some(last) = stops.len().checked_sub(1) else {
            return;
        };
        let span = end.clamp(1, height.max(1));
        for (y, row) in pixels.chunks_exact_mut(width * 4).enumerate().take(span) {
            let at = y as f32 / span as f32 * last as f32;
            let stop = (at as usize).min(last.saturating_sub(1));
            let ground = between(stops[stop], stops[(stop + 1).min(last)], at - stop as f32);
            match &self.glow {
                None => fill(row, ground, 0, width, y),
                Some(glow) => glow.fill(row, ground, width, height, y),
            }
        }
    }

    fn draw_stars(&self, pixels: &mut [u8], width: usize, height: usize) {
        let Some(stars) = &self.stars else { return };
        // A fixed seed: the same sky on every screen and after every start.
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1 << 24) as f32
        };
        let color = fine(stars.color.0);
        for _ in 0..stars.count {
            let (x, y) = (random(), random());
            // Fewer and fainter towards the horizon; a few bright ones.
            let light = (1.0 - y) * (0.15 + 0.75 * random().powi(3));
            let px = (x * width as f32) as usize;
            let py = (y * stars.below * height as f32) as usize;
            for (dx, dy, part) in [(0, 0, 1.0), (1, 0, 0.35), (0, 1, 0.35), (1, 1, 0.15)] {
                blend(pixels, width, px + dx, py + dy, color, light * part);
            }
        }
    }
}

impl Glow {
    fn fill(&self, row: &mut [u8], ground: Fine, width: usize, height: usize, y: usize) {
        let light = fine(self.color.0);
        let alpha = self.color.0.a * 4096.0;
        let radius = self.radius * height as f32;
        let dy = y as f32 - self.y * height as f32;
        let reach = (radius * radius - dy * dy).max(0.0).sqrt();
        let middle = self.x * width as f32;
        let from = ((middle - reach).max(0.0) as usize).min(width);
        let to = ((middle + reach).max(0.0) as usize).min(width);
        fill(row, ground, 0, from, y);
        let scale = 1.0 / (radius * radius);
        for (x, pixel) in row.chunks_exact_mut(4).enumerate().take(to).skip(from) {
            let dx = x as f32 - middle;
            let near = 1.0 - (dx * dx + dy * dy) * scale;
            let part = (near * near * alpha) as i32;
            let color: Fine =
                std::array::from_fn(|i| ground[i] + (light[i] - ground[i]) * part / 4096);
            pixel.copy_from_slice(&dithered(color, x, y));
        }
        fill(row, ground, to, width, y);
    }
}

fn draw_wave(wave: &Wave, pixels: &mut [u8], width: usize, height: usize, end: usize) {
    use std::f32::consts::TAU;
    let tall = height as f32;
    let crest: Vec<f32> = (0..width)
        .map(|x| {
            let at = x as f32 / width as f32 / wave.length + wave.shift;
            // Two swings of different length look less like a drawing of a sine.
            let swing = 0.72 * (TAU * at).sin() + 0.28 * (TAU * at * 1.7 + 1.3).sin();
            (wave.y - wave.height * swing) * tall
        })
        .collect();
    let highest = crest.iter().copied().fold(f32::MAX, f32::min).max(0.0) as usize;
    let lowest = crest.iter().copied().fold(0.0, f32::max).ceil() as usize + 1;
    let (top, bottom) = (fine(wave.top.0), fine(wave.bottom.0));
    let span = (end.saturating_sub(highest)).max(1) as f32;
    let rows = pixels
        .chunks_exact_mut(width * 4)
        .enumerate()
        .take(end)
        .skip(highest);
    for (y, row) in rows {
        let color = between(top, bottom, (y - highest) as f32 / span);
        if y >= lowest {
            fill(row, color, 0, width, y);
            continue;
        }
        for (x, pixel) in row.chunks_exact_mut(4).enumerate() {
            let cover = y as f32 + 1.0 - crest[x];
            if cover >= 1.0 {
                pixel.copy_from_slice(&dithered(color, x, y));
            } else if cover > 0.0 {
                for (i, part) in pixel.iter_mut().take(3).enumerate() {
                    let old = f32::from(*part);
                    *part = (old + (color[i] as f32 / 256.0 - old) * cover) as u8;
                }
            }
        }
    }
}

/// Fills a part of a row with one colour.
fn fill(row: &mut [u8], color: Fine, from: usize, to: usize, y: usize) {
    if from >= to {
        return;
    }
    let pattern: [[u8; 4]; 8] = std::array::from_fn(|x| dithered(color, x, y));
    for (x, pixel) in row.chunks_exact_mut(4).enumerate().take(to).skip(from) {
        pixel.copy_from_slice(&pattern[x % 8]);
    }
}

fn blend(pixels: &mut [u8], width: usize, x: usize, y: usize, color: Fine, part: f32) {
    if x >= width {
        return;
    }
    if let Some(pixel) = pixels.get_mut((y * width + x) * 4..(y * width + x) * 4 + 4) {
        for (i, value) in pixel.iter_mut().take(3).enumerate() {
            let old = f32::from(*value);
            *value = (old + (color[i] as f32 / 256.0 - old) * part) as u8;
        }
    }
}

impl Picture for Image {
    /// Scaled to cover, the middle in the middle.
    fn draw(&self, pixels: &mut [u8], width: usize) {
        if width == 0 {
            return;
        }
        let height = pixels.len() / 4 / width;
        let scale = (self.width as f32 / width as f32).min(self.height as f32 / height as f32);
        let left = (self.width as f32 - width as f32 * scale) / 2.0;
        let top = (self.height as f32 - height as f32 * scale) / 2.0;
        let columns: Vec<usize> = (0..width)
            .map(|x| ((left + (x as f32 + 0.5) * scale) as usize).min(self.width as usize - 1))
            .collect();
        for (y, row) in pixels.chunks_exact_mut(width * 4).enumerate() {
            let from = ((top + (y as f32 + 0.5) * scale) as usize).min(self.height as usize - 1);
            let source = &self.rgba[from * self.width as usize * 4..][..self.width as usize * 4];
            for (pixel, x) in row.chunks_exact_mut(4).zip(&columns) {
                let rgba = &source[x * 4..][..4];
                pixel.copy_from_slice(&[rgba[2], rgba[1], rgba[0], 0xff]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(sea: &Sea, width: usize, height: usize) -> Vec<u8> {
        // Not a colour of any sea, so that what is left out is found.
        let mut pixels = [1, 2, 3, 7].repeat(width * height);
        sea.draw(&mut pixels, width);
        pixels
    }

    #[test]
    fn every_pixel_of_every_size_is_painted() {
        for (name, text) in BUILT_IN {
            let sea = parse(name, text);
            for (width, height) in [(1280, 800), (1920, 1080), (333, 1000), (7, 5), (1, 1)] {
                let pixels = drawn(&sea, width, height);
                let missed = pixels.chunks_exact(4).filter(|p| p[3] == 7).count();
                assert_eq!(missed, 0, "{name} at {width}x{height}");
            }
        }
    }

    #[test]
    fn the_sky_is_above_the_sea() {
        let sea = parse(BUILT_IN[0].0, BUILT_IN[0].1);
        let pixels = drawn(&sea, 64, 64);
        let at = |x: usize, y: usize| &pixels[(y * 64 + x) * 4..][..3];
        assert_ne!(at(32, 2), at(32, 40));
        assert_ne!(at(32, 40), at(32, 62));
        assert_eq!(pixels, drawn(&sea, 64, 64), "the same each time");
    }

    #[test]
    fn a_picture_covers_the_screen_from_its_middle() {
        // Left half red, right half blue, on a square screen: the middle stays in the middle.
        let rgba: Vec<u8> = (0..4 * 2)
            .flat_map(|i| {
                if i % 4 < 2 {
                    [255, 0, 0, 255]
                } else {
                    [0, 0, 255, 255]
                }
            })
            .collect();
        let image = Image {
            width: 4,
            height: 2,
            rgba,
        };
        let mut pixels = vec![0; 8 * 8 * 4];
        image.draw(&mut pixels, 8);
        assert_eq!(pixels[..4], [0, 0, 255, 255]);
        assert_eq!(pixels[7 * 4..8 * 4], [255, 0, 0, 255]);
    }
}
