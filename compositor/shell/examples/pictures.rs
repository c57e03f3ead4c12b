//! Pictures of every part in both themes, at scale 1 and 2, without a compositor: `pictures FOLDER`.

use std::path::Path;
use std::time::Instant;

use argos_shell::{fonts, theme};
use iced_core::{Color, Size};

#[path = "../tests/scenes/mod.rs"]
mod scenes;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: pictures FOLDER")?;
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;
    fonts::load();
    for name in ["dark", "light"] {
        let theme = theme::built_in(name);
        for scene in scenes::all(Instant::now()) {
            let ground = Color::from_rgb8(70, 110, 120);
            for (scale, ending) in [(1.0, ""), (2.0, "@2")] {
                let drawn = scene.draw(&theme, scale, ground);
                save(
                    &folder.join(format!("{}-{name}{ending}.png", scene.name)),
                    drawn.size,
                    &drawn.rgba,
                )?;
            }
        }
        let (width, height) = (1280, 800);
        let mut pixels = vec![0; width * height * 4];
        argos_shell::parts::wallpaper::picture(&theme).draw(&mut pixels, width);
        for pixel in pixels.chunks_exact_mut(4) {
            pixel.swap(0, 2);
        }
        let size = Size::new(width as u32, height as u32);
        save(&folder.join(format!("wallpaper-{name}.png")), size, &pixels)?;
    }
    Ok(())
}

fn save(path: &Path, size: Size<u32>, rgba: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
    let file = std::io::BufWriter::new(std::fs::File::create(path)?);
    let mut encoder = png::Encoder::new(file, size.width, size.height);
    encoder.set_color(png::ColorType::Rgba);
    encoder.write_header()?.write_image_data(rgba)?;
    Ok(())
}
