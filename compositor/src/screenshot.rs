//! Pictures of the screen: to memory for tests and tools, to a PNG file for people.

use std::{
    fs,
    io::{self, BufWriter},
    path::{Path, PathBuf},
};

use smithay::output::Output;

use crate::{
    error::Error,
    render::{Picture, Scene},
    state::State,
};

impl State {
    /// Draws what is on an output into memory. The screen itself is not touched.
    ///
    /// # Errors
    /// When drawing fails.
    pub fn screenshot(&mut self, output: &Output) -> Result<Picture, Error> {
        self.cursor
            .prepare(output.current_scale().fractional_scale());
        let scene = Scene {
            windows: &self.windows,
            cursor: &self.cursor,
            pointer: self.pointer_at,
            background: self.look.background.linear().into(),
            output_index: self.outputs.index_of(output).unwrap_or(0),
        };
        self.backend.capture(&scene, output)
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
    let mut encoder = png::Encoder::new(out, picture.width, picture.height);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    encoder.write_header()?.write_image_data(&picture.rgba)?;
    Ok(())
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
}
