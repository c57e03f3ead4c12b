//! The end of the way: copies of the screen become the pictures of a film.

use std::io;
use std::time::{Duration, Instant};

use argos_film::{Storage, Writer};
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, RgbImage};

use crate::picture::{Frame, Part, fitted};

/// How much the pictures keep of what they show, from 1 to 100. Letters stay sharp with it.
const QUALITY: u8 = 85;

/// A film that is being made.
#[derive(Debug)]
pub struct Reel<S> {
    part: Option<Part>,
    state: State<S>,
    pictures: u64,
}

#[derive(Debug)]
enum State<S> {
    /// The film's size is that of its first picture.
    Empty(Option<S>),
    Begun(Begun<S>),
}

#[derive(Debug)]
struct Begun<S> {
    film: Writer<S>,
    at: Instant,
    /// The last picture, and the same as JPEG.
    shown: RgbImage,
    jpeg: Vec<u8>,
}

impl<S: Storage> Reel<S> {
    /// Goes into an empty storage; shows a part of what comes, or all of it.
    pub fn new(storage: S, part: Option<Part>) -> Self {
        Self {
            part,
            state: State::Empty(Some(storage)),
            pictures: 0,
        }
    }

    /// Adds what the screen shows from then on. What is the same as before is not written again.
    ///
    /// # Errors
    /// When it cannot be written, or made a JPEG.
    pub fn add(&mut self, frame: &Frame) -> io::Result<()> {
        let picture = frame
            .upright(self.part)
            .ok_or_else(|| io::Error::other("a picture of the screen is not what it should be"))?;
        match &mut self.state {
            State::Empty(storage) => {
                let gone = || io::Error::other("the film could not be begun before");
                let jpeg = encoded(&picture)?;
                let mut film = Writer::new(storage.take().ok_or_else(gone)?, picture.dimensions())?;
                film.picture(Duration::ZERO, &jpeg)?;
                self.state = State::Begun(Begun {
                    film,
                    at: frame.at,
                    shown: picture,
                    jpeg,
                });
            }
            State::Begun(begun) => {
                let picture = fitted(picture, begun.shown.dimensions());
                if picture == begun.shown {
                    return Ok(());
                }
                begun.jpeg = encoded(&picture)?;
                begun.shown = picture;
                let at = frame.at.saturating_duration_since(begun.at);
                begun.film.picture(at, &begun.jpeg)?;
            }
        }
        self.pictures += 1;
        Ok(())
    }

    /// How many pictures were added.
    pub fn pictures(&self) -> u64 {
        self.pictures
    }

    /// How long the film is when it ends now.
    pub fn length(&self, now: Instant) -> Duration {
        match &self.state {
            State::Empty(_) => Duration::ZERO,
            State::Begun(begun) => now.saturating_duration_since(begun.at),
        }
    }

    /// Ends the film. The last picture is written once more: players show one for as long as it takes until the next,
    /// and the last one for a moment only.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(self, now: Instant) -> io::Result<()> {
        let length = self.length(now);
        let State::Begun(mut begun) = self.state else {
            return Ok(());
        };
        let again = begun.film.picture(length, &begun.jpeg);
        let ended = begun.film.finish(length);
        again.and(ended.map(drop))
    }
}

fn encoded(picture: &RgbImage) -> io::Result<Vec<u8>> {
    let mut jpeg = Vec::new();
    let (width, height) = picture.dimensions();
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY)
        .encode(picture.as_raw(), width, height, ExtendedColorType::Rgb8)
        .map_err(io::Error::other)?;
    Ok(jpeg)
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom, Write};
    use std::sync::{Arc, Mutex};

    use image::ImageFormat;
    use wayland_client::protocol::{wl_output::Transform, wl_shm::Format};

    use super::*;
    use crate::picture::Shape;

    /// A file in memory that is still there when the film is.
    #[derive(Debug, Clone, Default)]
    struct Shared(Arc<Mutex<io::Cursor<Vec<u8>>>>);

    impl Shared {
        fn bytes(&self) -> Vec<u8> {
            self.0.lock().unwrap().get_ref().clone()
        }
    }

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seek for Shared {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.0.lock().unwrap().seek(to)
        }
    }

    impl Storage for Shared {
        fn cut(&mut self, length: u64) -> io::Result<()> {
            self.0.lock().unwrap().cut(length)
        }
    }

    fn frame((width, height): (u32, u32), blue: u8, at: Instant) -> Frame {
        Frame {
            pixels: [blue, 0, 0, 0].repeat((width * height) as usize),
            shape: Shape {
                format: Format::Xrgb8888,
                width,
                height,
            },
            transform: Transform::Normal,
            at,
        }
    }

    #[test]
    fn a_film_has_one_size_and_each_picture_once_and_lasts_until_its_end() {
        let file = Shared::default();
        let mut reel = Reel::new(file.clone(), None);
        let begin = Instant::now();
        let after = |ms| begin + Duration::from_millis(ms);
        reel.add(&frame((64, 48), 10, after(0))).unwrap();
        reel.add(&frame((64, 48), 200, after(100))).unwrap();
        reel.add(&frame((64, 48), 200, after(200))).unwrap();
        // The window became smaller.
        reel.add(&frame((20, 30), 90, after(300))).unwrap();
        // Nothing waits for the end to be there.
        assert_eq!(argos_film::read(&file.bytes()).unwrap().pictures.len(), 3);
        assert_eq!(reel.pictures(), 3);
        reel.finish(after(3000)).unwrap();

        let bytes = file.bytes();
        let film = argos_film::read(&bytes).unwrap();
        assert_eq!((film.width, film.height), (64, 48));
        assert_eq!(film.duration, Some(Duration::from_secs(3)));
        let times: Vec<_> = film.pictures.iter().map(|p| p.at.as_millis()).collect();
        assert_eq!(times, [0, 100, 300, 3000]);
        assert_eq!(film.pictures[2].jpeg, film.pictures[3].jpeg);
        for (picture, blue) in film.pictures.iter().zip([10, 200, 90]) {
            let shown = image::load_from_memory_with_format(picture.jpeg, ImageFormat::Jpeg);
            let shown = shown.unwrap().into_rgb8();
            assert_eq!(shown.dimensions(), (64, 48));
            let middle = shown.get_pixel(32, 24).0[2];
            assert!(middle.abs_diff(blue) < 12, "{middle} is not {blue}");
        }
    }

    #[test]
    fn a_film_that_never_began_leaves_nothing() {
        let file = Shared::default();
        let reel = Reel::new(file.clone(), None);
        let now = Instant::now();
        assert_eq!(reel.length(now), Duration::ZERO);
        reel.finish(now).unwrap();
        assert!(file.bytes().is_empty());
    }
}
