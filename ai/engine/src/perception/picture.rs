//! Pictures as they come: encoded bytes or raw pixels, bounded before they are decoded.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageReader, Limits, RgbImage};

use crate::{Error, Result};

/// Most pixels of a picture. What a camera takes fits; what claims to be more is not decoded.
pub const MAX_PIXELS: u64 = 50_000_000;

/// Longest side in pixels.
const MAX_SIDE: u32 = 1 << 15;

/// Most bytes that decoding may allocate: colours and transparency of the largest picture, a byte each.
const MAX_BYTES: u64 = MAX_PIXELS * 4;

/// A picture: red, green and blue, a byte each, row by row from the top left.
#[derive(Debug, Clone)]
pub struct Picture(pub(super) RgbImage);

impl Picture {
    /// Decodes a PNG or JPEG, turned as its metadata says; transparency is dropped.
    ///
    /// Fails with [`Error::InvalidArguments`] where it is neither, broken, or larger than
    /// [`MAX_PIXELS`], which is found out before its pixels are touched.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let refused = |e: &dyn std::fmt::Display| {
            Error::InvalidArguments(format!("the picture cannot be decoded: {e}"))
        };
        let mut reader = ImageReader::new(Cursor::new(bytes))
            .with_guessed_format()
            .map_err(|e| refused(&e))?;
        if reader.format().is_none() {
            return Err(refused(&"it is neither PNG nor JPEG"));
        }
        let mut limits = Limits::no_limits();
        limits.max_image_width = Some(MAX_SIDE);
        limits.max_image_height = Some(MAX_SIDE);
        limits.max_alloc = Some(MAX_BYTES);
        reader.limits(limits);
        let mut decoder = reader.into_decoder().map_err(|e| refused(&e))?;
        let (width, height) = decoder.dimensions();
        check_size(width, height)?;
        let orientation = decoder.orientation().map_err(|e| refused(&e))?;
        let mut picture = DynamicImage::from_decoder(decoder).map_err(|e| refused(&e))?;
        picture.apply_orientation(orientation);
        Ok(Self(picture.into_rgb8()))
    }

    /// A picture of `width` × `height` pixels, three bytes each (red, green, blue), row by row.
    ///
    /// Fails with [`Error::InvalidArguments`] where the bytes are not that many.
    pub fn from_rgb8(width: u32, height: u32, pixels: Vec<u8>) -> Result<Self> {
        check_size(width, height)?;
        let wanted = u64::from(width) * u64::from(height) * 3;
        let refused = || {
            Error::InvalidArguments(format!(
                "{width} × {height} pixels of three bytes are {wanted} bytes, another number was given"
            ))
        };
        if pixels.len() as u64 != wanted {
            return Err(refused());
        }
        RgbImage::from_raw(width, height, pixels)
            .map(Self)
            .ok_or_else(refused)
    }

    /// Pixels across.
    pub fn width(&self) -> u32 {
        self.0.width()
    }

    /// Pixels down.
    pub fn height(&self) -> u32 {
        self.0.height()
    }
}

fn check_size(width: u32, height: u32) -> Result<()> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 || pixels > MAX_PIXELS || width.max(height) > MAX_SIDE {
        return Err(Error::InvalidArguments(format!(
            "the picture is {width} × {height}; at most {MAX_PIXELS} pixels and {MAX_SIDE} a side are taken"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::ImageFormat;

    fn encoded(format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        RgbImage::from_pixel(5, 3, image::Rgb([200, 100, 50]))
            .write_to(&mut bytes, format)
            .unwrap();
        bytes.into_inner()
    }

    #[test]
    fn png_and_jpeg_are_decoded_and_nothing_else() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg] {
            let picture = Picture::decode(&encoded(format)).unwrap();
            assert_eq!((picture.width(), picture.height()), (5, 3));
            let pixel = picture.0.get_pixel(2, 1).0;
            let near = pixel
                .iter()
                .zip([200u8, 100, 50])
                .all(|(a, b)| a.abs_diff(b) < 4);
            assert!(near, "{pixel:?}");
        }
        let refused = |bytes: &[u8]| Picture::decode(bytes).unwrap_err().to_string();
        assert!(refused(b"GIF89a").contains("cannot be decoded"));
        assert!(refused(b"").contains("neither PNG nor JPEG"));
        for cut in [9, 40, encoded(ImageFormat::Png).len() - 14] {
            refused(&encoded(ImageFormat::Png)[..cut]);
        }
    }

    /// A PNG whose header claims another size; the checksum is right.
    fn claiming(width: u32, height: u32) -> Vec<u8> {
        let mut png = encoded(ImageFormat::Png);
        png[16..20].copy_from_slice(&width.to_be_bytes());
        png[20..24].copy_from_slice(&height.to_be_bytes());
        let mut crc = u32::MAX;
        for byte in &png[12..29] {
            crc ^= u32::from(*byte);
            for _ in 0..8 {
                crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
            }
        }
        png[29..33].copy_from_slice(&(!crc).to_be_bytes());
        png
    }

    #[test]
    fn bombs_are_refused_by_their_header() {
        assert!(Picture::decode(&claiming(5, 3)).is_ok());
        for (width, height) in [
            (0x7fff_ffff, 0x7fff_ffff),
            (32_767, 32_767),
            (0x7fff_ffff, 1),
            (1, 40_000),
        ] {
            let error = Picture::decode(&claiming(width, height)).unwrap_err();
            assert!(matches!(error, Error::InvalidArguments(_)), "{error}");
        }
        // Within the limits, but the pixels are missing.
        assert!(Picture::decode(&claiming(500, 300)).is_err());
    }

    #[test]
    fn raw_pixels_have_to_be_as_many_as_said() {
        assert!(Picture::from_rgb8(2, 1, vec![0; 6]).is_ok());
        for (width, height, bytes) in [(2, 1, 5), (2, 1, 7), (0, 0, 0), (1 << 31, 1 << 31, 0)] {
            let error = Picture::from_rgb8(width, height, vec![0; bytes]).unwrap_err();
            assert!(matches!(error, Error::InvalidArguments(_)), "{error}");
        }
    }
}
