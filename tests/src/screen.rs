//! A picture of the machine's screen, and what can be asked of it.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

/// A screenshot: 8-bit RGB, rows from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Screen {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    rgb: Vec<u8>,
}

/// A part of the screen in pixels.
#[derive(Debug, Clone, Copy)]
pub struct Area {
    /// Left edge.
    pub x: usize,
    /// Upper edge.
    pub y: usize,
    /// Width.
    pub width: usize,
    /// Height.
    pub height: usize,
}

impl Screen {
    /// Reads a PNG as QEMU's `screendump` writes it.
    pub fn read(file: &Path) -> Result<Self> {
        let reader = BufReader::new(
            File::open(file).with_context(|| format!("{}: cannot be read", file.display()))?,
        );
        let mut decoder = png::Decoder::new(reader);
        decoder.set_transformations(png::Transformations::normalize_to_color8());
        let mut reader = decoder.read_info()?;
        let mut bytes = vec![
            0;
            reader
                .output_buffer_size()
                .context("the picture is too large")?
        ];
        let info = reader.next_frame(&mut bytes)?;
        let channels = match info.color_type {
            png::ColorType::Rgb => 3,
            png::ColorType::Rgba => 4,
            other => bail!("{}: unexpected colour type {other:?}", file.display()),
        };
        let rgb = bytes[..info.buffer_size()]
            .chunks_exact(channels)
            .flat_map(|p| [p[0], p[1], p[2]])
            .collect();
        Ok(Self {
            width: info.width as usize,
            height: info.height as usize,
            rgb,
        })
    }

    /// Writes it as a PNG.
    pub fn write(&self, file: &Path) -> Result<()> {
        let out = BufWriter::new(
            File::create(file).with_context(|| format!("{}: cannot be written", file.display()))?,
        );
        let mut encoder =
            png::Encoder::new(out, u32::try_from(self.width)?, u32::try_from(self.height)?);
        encoder.set_color(png::ColorType::Rgb);
        encoder.write_header()?.write_image_data(&self.rgb)?;
        Ok(())
    }

    /// The pixel at `x`, `y`.
    pub fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        let at = (y * self.width + x) * 3;
        [self.rgb[at], self.rgb[at + 1], self.rgb[at + 2]]
    }

    /// The whole screen.
    pub fn all(&self) -> Area {
        Area {
            x: 0,
            y: 0,
            width: self.width,
            height: self.height,
        }
    }

    fn pixels(&self, area: Area) -> impl Iterator<Item = [u8; 3]> + '_ {
        let right = (area.x + area.width).min(self.width);
        let bottom = (area.y + area.height).min(self.height);
        (area.y..bottom).flat_map(move |y| (area.x..right).map(move |x| self.pixel(x, y)))
    }

    /// How many different colours an area has.
    pub fn colours(&self, area: Area) -> usize {
        self.pixels(area)
            .collect::<std::collections::HashSet<_>>()
            .len()
    }

    /// Mean brightness of an area, 0 to 255.
    pub fn brightness(&self, area: Area) -> f64 {
        let (sum, count) = self.pixels(area).fold((0u64, 0u64), |(s, n), p| {
            (s + p.iter().map(|v| u64::from(*v)).sum::<u64>(), n + 3)
        });
        sum as f64 / count.max(1) as f64
    }

    /// Share of the pixels, 0 to 1, that differ noticeably from `other` in an area.
    pub fn difference(&self, other: &Self, area: Area) -> f64 {
        if (self.width, self.height) != (other.width, other.height) {
            return 1.0;
        }
        let pairs = self.pixels(area).zip(other.pixels(area));
        let (changed, all) = pairs.fold((0usize, 0usize), |(c, n), (a, b)| {
            let far = a.iter().zip(b).any(|(x, y)| x.abs_diff(y) > 12);
            (c + usize::from(far), n + 1)
        });
        changed as f64 / all.max(1) as f64
    }

    /// The text a person would read on it, by OCR in the build tree. `scratch` is a folder that the
    /// tree sees under the same path.
    pub fn text(&self, tree: &Path, scratch: &Path) -> Result<String> {
        let file = scratch.join("ocr.png");
        self.enlarged().write(&file)?;
        let output = Command::new("chroot")
            .arg(tree)
            .args(["/usr/bin/env", "OMP_THREAD_LIMIT=1", "tesseract"])
            .arg(&file)
            .args(["-", "--psm", "11", "-l", "eng"])
            .output()
            .context("chroot cannot be started")?;
        ensure!(
            output.status.success(),
            "tesseract: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Twice the size: small type is beyond the reader otherwise.
    fn enlarged(&self) -> Self {
        let (width, height) = (self.width * 2, self.height * 2);
        let mut rgb = Vec::with_capacity(width * height * 3);
        for y in 0..height {
            for x in 0..width {
                rgb.extend_from_slice(&self.pixel(x / 2, y / 2));
            }
        }
        Self { width, height, rgb }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(colour: [u8; 3]) -> Screen {
        Screen {
            width: 8,
            height: 4,
            rgb: colour.repeat(32),
        }
    }

    #[test]
    fn differences_and_colours() {
        let (black, white) = (plain([0; 3]), plain([255; 3]));
        assert_eq!(black.difference(&white, black.all()), 1.0);
        assert_eq!(black.difference(&black, black.all()), 0.0);
        assert_eq!(white.colours(white.all()), 1);
        assert_eq!(white.brightness(white.all()), 255.0);
        let mut half = black.clone();
        half.rgb[..48].fill(255);
        assert_eq!(
            half.difference(
                &black,
                Area {
                    x: 0,
                    y: 0,
                    width: 8,
                    height: 4
                }
            ),
            0.5
        );
    }

    #[test]
    fn a_picture_survives_its_file() {
        let file = std::env::temp_dir().join(format!("argos-screen-{}.png", std::process::id()));
        let screen = plain([1, 2, 3]);
        screen.write(&file).unwrap();
        assert_eq!(Screen::read(&file).unwrap(), screen);
        std::fs::remove_file(file).unwrap();
    }
}
