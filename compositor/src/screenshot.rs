//! Pictures of the screen: to memory for tests, to a PNG file for people, to a sealed memory file
//! for the broker ([`crate::bus`] says who may ask).

use std::{
    fs,
    io::{self, BufWriter, Seek},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use smithay::output::Output;

use crate::{
    backend::Backend,
    error::Error,
    layout::WindowId,
    render::{Glass, Picture, Scene, View},
    state::State,
};

/// The most pixels in a picture for others: a screen of 8K has 33 million.
const MOST_PIXELS: f64 = 34e6;
/// The largest picture that is handed over.
const MOST_BYTES: u64 = 64 << 20;

impl State {
    /// Draws what is on an output into memory. The screen itself is not touched.
    ///
    /// # Errors
    /// When drawing fails.
    pub fn screenshot(&mut self, output: &Output) -> Result<Picture, Error> {
        self.draw_view(View::Screen, output)
    }

    /// The picture that [`argos_bus::compositor::Compositor1Proxy::capture`] hands over: of a window,
    /// or for 0 of the output under the pointer. The pointer and the prompts are not in it, so that
    /// nobody learns from a picture how a question looks or whether there is one.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable` (no output, or the session is locked), `LimitReached`, `Failed`.
    pub fn capture(&mut self, window: u64) -> argos_bus::Result<Picture> {
        use argos_bus::Error;
        if self.is_locked() {
            return Err(Error::Unavailable(
                "the screen is locked; pictures are taken again once its person has unlocked it"
                    .to_owned(),
            ));
        }
        let at = self.pointer_at;
        let (view, output) = if window == 0 {
            (
                View::Behind { pointer: false },
                self.outputs.at(at).or_else(|| self.outputs.first()),
            )
        } else {
            let id = WindowId(window);
            let layout = &self.windows.layout;
            let Some(content) = layout.client(id) else {
                return Err(Error::NotFound(format!(
                    "there is no window {window}; ListWindows names those that exist"
                )));
            };
            let output = layout.output_of(id).and_then(|n| self.outputs.get(n));
            let output = output.or_else(|| self.outputs.first());
            let scale = output.map_or(1.0, |output| output.current_scale().fractional_scale());
            let pixels = f64::from(content.size.w) * f64::from(content.size.h) * scale * scale;
            if pixels > MOST_PIXELS {
                return Err(Error::LimitReached(format!(
                    "the window {window} has {pixels:.0} pixels; the most that is drawn is {MOST_PIXELS:.0}"
                )));
            }
            (View::window(id), output)
        };
        let Some(output) = output.cloned() else {
            return Err(Error::Unavailable(
                "there is no screen to take a picture of; connect one".to_owned(),
            ));
        };
        self.draw_view(view, &output)
            .map_err(|error| Error::Failed(error.to_string()))
    }

    fn draw_view(&mut self, view: View, output: &Output) -> Result<Picture, Error> {
        self.with_scene(view, output, |backend, scene| {
            backend.capture(scene, output)
        })
    }

    /// Has something done with the back end and with what is to be drawn of an output.
    pub(crate) fn with_scene<T>(
        &mut self,
        view: View,
        output: &Output,
        draw: impl FnOnce(&mut dyn Backend, &Scene<'_>) -> T,
    ) -> T {
        self.through_glass(view, output, Glass::default(), draw)
    }

    /// The same with what the person sees it through.
    pub(crate) fn through_glass<T>(
        &mut self,
        view: View,
        output: &Output,
        glass: Glass,
        draw: impl FnOnce(&mut dyn Backend, &Scene<'_>) -> T,
    ) -> T {
        self.cursor
            .prepare(output.current_scale().fractional_scale());
        let scene = Scene {
            view,
            windows: &self.windows,
            cursor: &self.cursor,
            pointer: self.pointer_at,
            background: self.look.background.linear().into(),
            output_index: self.outputs.index_of(output).unwrap_or(0),
            notice: &self.notice,
            badge: &self.badge,
            locked: self.lock.locked(),
            renderer: self.backend.renderer(),
            glass,
        };
        draw(self.backend.as_mut(), &scene)
    }

    /// Saves a picture of the output under the pointer in the person's pictures folder.
    pub(crate) fn save_screenshot(&mut self) {
        let at = self.pointer_at;
        let Some(output) = self.outputs.at(at).or(self.outputs.first()).cloned() else {
            return;
        };
        let picture = match self.screenshot(&output) {
            Ok(picture) => picture,
            Err(error) => return tracing::error!("screenshot: {error}"),
        };
        // Compressing takes longer than a frame may.
        let saving =
            std::thread::Builder::new()
                .name("screenshot".into())
                .spawn(move || match save(&picture, &folder()) {
                    Ok(path) => tracing::info!("screenshot saved as {}", path.display()),
                    Err(error) => {
                        tracing::warn!("screenshot not saved in {}: {error}", folder().display());
                    }
                });
        if let Err(error) = saving {
            tracing::warn!("screenshot not saved: {error}");
        }
    }
}

fn folder() -> PathBuf {
    let home = std::env::var_os("HOME").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
    std::env::var_os("XDG_PICTURES_DIR").map_or_else(|| home.join("Pictures"), PathBuf::from)
}

/// Writes a PNG with a name that is not taken; returns it.
fn save(picture: &Picture, folder: &Path) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let now = jiff::Zoned::now().strftime("%Y-%m-%d %H-%M-%S").to_string();
    for number in 0..1000 {
        let suffix = if number == 0 {
            String::new()
        } else {
            format!(" ({number})")
        };
        let path = folder.join(format!("Screenshot {now}{suffix}.png"));
        match fs::File::create_new(&path) {
            Ok(file) => {
                write(picture, BufWriter::new(file))?;
                return Ok(path);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("a thousand pictures in one second"))
}

fn write(picture: &Picture, out: impl io::Write) -> io::Result<()> {
    encode(picture, png::ColorType::Rgba, &picture.rgba, out)
}

fn encode(
    picture: &Picture,
    colour: png::ColorType,
    pixels: &[u8],
    out: impl io::Write,
) -> io::Result<()> {
    let mut encoder = png::Encoder::new(out, picture.width, picture.height);
    encoder.set_color(colour);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(())
}

/// A PNG of a picture without its alpha, in a memory file that nobody can change any more.
pub(crate) fn seal(picture: &Picture) -> io::Result<(OwnedFd, u64)> {
    let rgb: Vec<u8> = picture
        .rgba
        .chunks_exact(4)
        .flat_map(|pixel| [pixel[0], pixel[1], pixel[2]])
        .collect();
    let file = memfd_create(
        "argos-capture",
        MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING,
    )?;
    let mut file = fs::File::from(file);
    encode(picture, png::ColorType::Rgb, &rgb, BufWriter::new(&file))?;
    let bytes = file.metadata()?.len();
    if bytes > MOST_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("the picture has {bytes} bytes; the most is {MOST_BYTES}"),
        ));
    }
    file.rewind()?;
    fcntl_add_seals(
        &file,
        SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE,
    )?;
    Ok((file.into(), bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_pictures_in_a_second_are_two_files_that_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let picture = Picture {
            width: 2,
            height: 1,
            rgba: vec![1, 2, 3, 255, 4, 5, 6, 255],
        };
        let first = save(&picture, folder.path()).unwrap();
        let second = save(&picture, folder.path()).unwrap();
        assert_ne!(first, second);
        let mut reader = png::Decoder::new(io::BufReader::new(fs::File::open(second).unwrap()))
            .read_info()
            .unwrap();
        let mut bytes = vec![0; 8];
        reader.next_frame(&mut bytes).unwrap();
        assert_eq!(bytes, picture.rgba);
    }

    #[test]
    fn a_sealed_picture_is_read_from_its_beginning_and_cannot_be_changed() {
        use io::{Read, Write};
        let picture = Picture {
            width: 2,
            height: 1,
            rgba: vec![1, 2, 3, 0, 4, 5, 6, 255],
        };
        let (file, bytes) = seal(&picture).unwrap();
        let mut file = fs::File::from(file);
        let mut png = Vec::new();
        file.read_to_end(&mut png).unwrap();
        assert_eq!(png.len() as u64, bytes);
        let mut reader = png::Decoder::new(io::Cursor::new(png)).read_info().unwrap();
        let mut pixels = vec![0; 6];
        reader.next_frame(&mut pixels).unwrap();
        assert_eq!(pixels, [1, 2, 3, 4, 5, 6]);
        assert!(file.write_all(b"more").is_err());
        assert!(file.set_len(0).is_err());
    }
}
