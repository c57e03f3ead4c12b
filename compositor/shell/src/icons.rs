//! The shell's own icons, and the icons of applications.
//!
//! The own ones are line drawings in one colour, part of the program, tinted by the theme.
//! Applications' come from the icon theme as SVG or PNG; they are decoded once per size, off the
//! main thread, by [`load_app_icon`].

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use iced_core::svg;

/// An icon of the shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Icon {
    Alert,
    App,
    Argos,
    Back,
    Bell,
    Brush,
    Chat,
    Check,
    Close,
    Disk,
    Display,
    Down,
    Download,
    Enter,
    Eye,
    File,
    Folder,
    FolderNew,
    Forward,
    Globe,
    Graph,
    Home,
    Info,
    Keyboard,
    Lock,
    Logout,
    Moon,
    Muted,
    Network,
    NightLight,
    Offline,
    Pause,
    Person,
    Picture,
    Play,
    Power,
    Restart,
    Search,
    Send,
    Settings,
    Shield,
    Sound,
    Spark,
    Step,
    Stop,
    Sun,
    Up,
}

macro_rules! drawings {
    ($($icon:ident: $file:literal),* $(,)?) => {
        const DRAWINGS: &[(Icon, &[u8])] = &[$((
            Icon::$icon,
            include_bytes!(concat!("../../../rootfs/usr/share/argos/icons/", $file, ".svg")),
        )),*];
    };
}
drawings! {
    Alert: "alert", App: "app", Argos: "argos", Back: "back", Bell: "bell", Brush: "brush", Chat: "chat", Check: "check", Close: "close", Disk: "disk", Display: "display", Down: "down", Download: "download", Enter: "enter", Eye: "eye", File: "file", Folder: "folder", FolderNew: "folder-new", Forward: "forward", Globe: "globe", Graph: "graph", Home: "home", Info: "info", Keyboard: "keyboard", Lock: "lock", Logout: "logout", Moon: "moon", Muted: "muted", Network: "network", NightLight: "night-light", Offline: "offline", Pause: "pause", Person: "person", Picture: "picture", Play: "play", Power: "power", Restart: "restart", Search: "search", Send: "send", Settings: "settings", Shield: "shield", Sound: "sound", Spark: "spark", Step: "step", Stop: "stop", Sun: "sun", Up: "up",
}

impl Icon {
    /// The drawing. The same handle each time, so that renderers can keep what they made of it.
    pub fn handle(self) -> svg::Handle {
        static HANDLES: LazyLock<Vec<(Icon, svg::Handle)>> = LazyLock::new(|| {
            DRAWINGS
                .iter()
                .map(|(icon, bytes)| (*icon, svg::Handle::from_memory(*bytes)))
                .collect()
        });
        HANDLES
            .iter()
            .find(|(icon, _)| *icon == self)
            .map(|(_, handle)| handle.clone())
            .expect("every icon has a drawing, which a test checks")
    }
}

/// Pixels of a decoded icon: RGBA, not premultiplied, `size` by `size`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pixels {
    /// Side in pixels.
    pub size: u32,
    /// Four bytes a pixel.
    pub rgba: Vec<u8>,
}

/// The largest icon file that is read, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// Finds and decodes the icon `name` (a theme name or an absolute path) for `size` pixels.
pub fn load_app_icon(name: &str, size: u32) -> Option<Pixels> {
    let path = find(name, size, &icon_folders())?;
    if std::fs::metadata(&path).ok()?.len() > MAX_FILE {
        return None;
    }
    let bytes = std::fs::read(&path).ok()?;
    match path.extension()?.to_str()? {
        "svg" => decode_svg(&bytes, size),
        "png" => decode_png(&bytes, size),
        _ => None,
    }
}

fn icon_folders() -> Vec<PathBuf> {
    let system = std::env::var("XDG_DATA_DIRS").unwrap_or_default();
    let system = if system.is_empty() {
        "/usr/local/share:/usr/share".to_owned()
    } else {
        system
    };
    crate::settings::data_home()
        .into_iter()
        .chain(std::env::split_paths(&system))
        .collect()
}

/// Where the icon lies: drawings first, then the size above the wanted one that is nearest, then
/// the largest below.
fn find(name: &str, size: u32, folders: &[PathBuf]) -> Option<PathBuf> {
    let path = Path::new(name);
    if path.is_absolute() {
        return path.is_file().then(|| path.to_owned());
    }
    if name.is_empty() || name.contains('/') {
        return None;
    }
    // Entries sometimes say the file's ending.
    let name = name
        .strip_suffix(".png")
        .or_else(|| name.strip_suffix(".svg"))
        .unwrap_or(name);
    const SIZES: [u32; 9] = [16, 22, 24, 32, 48, 64, 128, 256, 512];
    let larger = SIZES.into_iter().filter(|s| *s >= size);
    let smaller = SIZES.into_iter().rev().filter(|s| *s < size);
    let sized: Vec<u32> = larger.chain(smaller).collect();
    for folder in folders {
        let hicolor = folder.join("icons/hicolor");
        let drawing = hicolor.join(format!("scalable/apps/{name}.svg"));
        let pictures = sized
            .iter()
            .map(|s| hicolor.join(format!("{s}x{s}/apps/{name}.png")));
        let old = ["svg", "png"]
            .into_iter()
            .map(|ending| folder.join(format!("pixmaps/{name}.{ending}")));
        if let Some(found) = std::iter::once(drawing)
            .chain(pictures)
            .chain(old)
            .find(|p| p.is_file())
        {
            return Some(found);
        }
    }
    None
}

fn decode_svg(bytes: &[u8], size: u32) -> Option<Pixels> {
    let tree = resvg::usvg::Tree::from_data(bytes, &resvg::usvg::Options::default()).ok()?;
    let mut pixmap = tiny_skia::Pixmap::new(size, size)?;
    let natural = tree.size();
    let scale = size as f32 / natural.width().max(natural.height());
    let transform = tiny_skia::Transform::from_scale(scale, scale).post_translate(
        (size as f32 - natural.width() * scale) / 2.0,
        (size as f32 - natural.height() * scale) / 2.0,
    );
    resvg::render(&tree, transform, &mut pixmap.as_mut());
    Some(Pixels {
        size,
        rgba: straight(&pixmap),
    })
}

fn decode_png(bytes: &[u8], size: u32) -> Option<Pixels> {
    let (width, height, rgba) = read_png(bytes)?;
    let mut source = tiny_skia::Pixmap::new(width, height)?;
    for (to, from) in source.pixels_mut().iter_mut().zip(rgba.chunks_exact(4)) {
        *to = tiny_skia::ColorU8::from_rgba(from[0], from[1], from[2], from[3]).premultiply();
    }
    let scale = size as f32 / width.max(height) as f32;
    let mut pixmap = tiny_skia::Pixmap::new(size, size)?;
    let paint = tiny_skia::PixmapPaint {
        quality: tiny_skia::FilterQuality::Bicubic,
        ..tiny_skia::PixmapPaint::default()
    };
    let transform = tiny_skia::Transform::from_scale(scale, scale).post_translate(
        (size as f32 - width as f32 * scale) / 2.0,
        (size as f32 - height as f32 * scale) / 2.0,
    );
    pixmap.draw_pixmap(0, 0, source.as_ref(), &paint, transform, None);
    Some(Pixels {
        size,
        rgba: straight(&pixmap),
    })
}

fn straight(pixmap: &tiny_skia::Pixmap) -> Vec<u8> {
    pixmap
        .pixels()
        .iter()
        .flat_map(|pixel| {
            let c = pixel.demultiply();
            [c.red(), c.green(), c.blue(), c.alpha()]
        })
        .collect()
}

/// Width, height and RGBA of a PNG.
pub(crate) fn read_png(bytes: &[u8]) -> Option<(u32, u32, Vec<u8>)> {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().ok()?;
    let mut data = vec![0; reader.output_buffer_size()?];
    let info = reader.next_frame(&mut data).ok()?;
    data.truncate(info.buffer_size());
    let rgba = match info.color_type {
        png::ColorType::Rgba => data,
        png::ColorType::Rgb => data
            .chunks_exact(3)
            .flat_map(|p| [p[0], p[1], p[2], 255])
            .collect(),
        png::ColorType::Grayscale => data.iter().flat_map(|g| [*g, *g, *g, 255]).collect(),
        png::ColorType::GrayscaleAlpha => data
            .chunks_exact(2)
            .flat_map(|p| [p[0], p[0], p[0], p[1]])
            .collect(),
        png::ColorType::Indexed => return None,
    };
    Some((info.width, info.height, rgba))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_own_icon_draws_something() {
        for (icon, bytes) in DRAWINGS {
            let pixels = decode_svg(bytes, 24).unwrap_or_else(|| panic!("{icon:?} is no SVG"));
            let ink = pixels.rgba.chunks_exact(4).filter(|p| p[3] > 128).count();
            assert!(
                (20..450).contains(&ink),
                "{icon:?}: {ink} dark pixels of 576"
            );
            let _ = icon.handle();
        }
    }

    #[test]
    fn drawings_come_before_pictures_and_larger_before_smaller() {
        let root = tempfile::tempdir().unwrap();
        let icons = root.path().join("icons/hicolor");
        let put = |path: &str| {
            let path = icons.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"x").unwrap();
        };
        put("16x16/apps/foot.png");
        put("128x128/apps/foot.png");
        put("48x48/apps/foot.png");
        let found = |name: &str, size| {
            find(name, size, &[root.path().to_owned()]).map(|p| {
                p.strip_prefix(&icons)
                    .unwrap()
                    .to_string_lossy()
                    .into_owned()
            })
        };
        assert_eq!(found("foot", 40).as_deref(), Some("48x48/apps/foot.png"));
        assert_eq!(found("foot", 300).as_deref(), Some("128x128/apps/foot.png"));
        assert_eq!(
            found("foot.png", 10).as_deref(),
            Some("16x16/apps/foot.png")
        );
        put("scalable/apps/foot.svg");
        assert_eq!(found("foot", 40).as_deref(), Some("scalable/apps/foot.svg"));
        assert_eq!(found("../../../etc/passwd", 40), None);
        assert_eq!(found("", 40), None);
    }

    #[test]
    fn a_picture_is_scaled_to_the_square() {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 4, 2);
        encoder.set_color(png::ColorType::Rgb);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&[200; 24]).unwrap();
        drop(writer);
        let pixels = decode_png(&bytes, 8).unwrap();
        assert_eq!(pixels.rgba.len(), 8 * 8 * 4);
        let at = |x: usize, y: usize| &pixels.rgba[(y * 8 + x) * 4..][..4];
        assert_eq!(at(4, 4), [200, 200, 200, 255]);
        assert_eq!(at(4, 0)[3], 0, "it is centred, with nothing above");
    }
}
