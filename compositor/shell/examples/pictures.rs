//! Pictures of every part in all themes, without a compositor: `pictures FOLDER [LANGUAGE [SCALE [PART [TEXT]]]]`, as
//! `pictures /tmp/p de 2 settings`, or `pictures /tmp/p de 1 settings 1.5` with larger text on a screen of 1280x800.

use std::path::Path;
use std::time::Instant;

use argos_shell::{fonts, l10n, theme};
use iced_core::{Color, Size};

#[path = "../tests/scenes/mod.rs"]
mod scenes;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let argument = |at| std::env::args().nth(at);
    let folder = argument(1).ok_or("usage: pictures FOLDER [LANGUAGE [SCALE [PART [TEXT]]]]")?;
    let folder = Path::new(&folder);
    l10n::speak_chosen(&argument(2).unwrap_or_default());
    let scale: f32 = argument(3).map_or(Ok(1.0), |scale| scale.parse())?;
    let part = argument(4).unwrap_or_default();
    let text: Option<f32> = argument(5).map(|text| text.parse()).transpose()?;
    std::fs::create_dir_all(folder)?;
    fonts::load();
    for name in ["dark", "light", theme::HIGH_CONTRAST] {
        let theme = theme::built_in(name);
        let scenes = scenes::all(Instant::now()).into_iter();
        for scene in scenes.filter(|scene| scene.name.starts_with(&part)) {
            let ground = Color::from_rgb8(70, 110, 120);
            let drawn = match text {
                Some(text) => scene.draw_larger(text, Size::new(1280, 800), &theme, ground),
                None => scene.draw(&theme, scale, ground),
            };
            save(
                &folder.join(format!("{}-{name}.png", scene.name)),
                drawn.size,
                &drawn.rgba,
            )?;
        }
        let (width, height) = (1280, 800);
        let mut pixels = vec![0; width * height * 4];
        argos_shell::parts::wallpaper::picture(&theme, "").draw(&mut pixels, width);
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
