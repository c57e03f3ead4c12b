//! The fonts: Inter for text, JetBrains Mono for what must be read exactly; where they lack, Noto's emoji in colour and
//! DejaVu.
//!
//! Left alone, the text system opens every font file of the machine at start. Under emulation that
//! costs more than drawing the panel, so [`only_ours`] hides the system's font folders from it and
//! [`load`] names the few files that are needed. They are mapped, not read: what is not used of
//! them takes no memory.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, IntoRawFd};
use std::path::Path;
use std::sync::OnceLock;

use iced_core::Font;
use iced_core::font::{Family, Weight};
use iced_graphics::text::cosmic_text::fontdb::Database;
use iced_graphics::text::cosmic_text::{Fallback, FontSystem};
use unicode_script::Script;

/// Text.
pub const UI: Font = Font {
    family: Family::SansSerif,
    ..Font::DEFAULT
};
/// Text that stands out a little.
pub const UI_MEDIUM: Font = Font {
    weight: Weight::Medium,
    ..UI
};
/// Headings.
pub const UI_STRONG: Font = Font {
    weight: Weight::Semibold,
    ..UI
};
/// What must be read exactly: paths, code.
pub const MONO: Font = Font {
    family: Family::Monospace,
    ..Font::DEFAULT
};

const SANS: (&str, &[&str]) = (
    "Inter",
    &[
        "/usr/share/fonts/opentype/inter/Inter-Regular.otf",
        "/usr/share/fonts/opentype/inter/Inter-Medium.otf",
        "/usr/share/fonts/opentype/inter/Inter-SemiBold.otf",
    ],
);
const FIXED: (&str, &[&str]) = (
    "JetBrains Mono",
    &["/usr/share/fonts/truetype/jetbrains-mono/JetBrainsMono-Regular.ttf"],
);
/// What the others lack of it, or have without colour.
const EMOJI: (&str, &str) = (
    "Noto Color Emoji",
    "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf",
);
/// For letters that the others lack, and for everything where they are not installed.
const SANS_FALLBACK: (&str, &str) = (
    "DejaVu Sans",
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
);
const FIXED_FALLBACK: (&str, &str) = (
    "DejaVu Sans Mono",
    "/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf",
);

/// Makes the font libraries of this process see an empty font folder.
///
/// # Safety
/// Sets an environment variable: no other thread may run yet.
pub unsafe fn only_ours() {
    let config = "<fontconfig><dir>/usr/share/argos/fonts</dir></fontconfig>";
    let Ok(file) = rustix::fs::memfd_create("fonts.conf", rustix::fs::MemfdFlags::CLOEXEC) else {
        // Slower, not wrong.
        return;
    };
    if rustix::io::write(&file, config.as_bytes()) != Ok(config.len()) {
        return;
    }
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    // Kept open: the path must stay readable as long as the process runs.
    let _ = file.into_raw_fd();
    // SAFETY: the caller promises that this is the only thread.
    unsafe { std::env::set_var("FONTCONFIG_FILE", path) };
}

/// Where to look for what a font lacks. DejaVu has some of the emoji, without colour: so it comes after those.
const LACKING: &[&str] = &[EMOJI.0, SANS_FALLBACK.0, FIXED_FALLBACK.0];

/// [`LACKING`] for the text system.
#[derive(Debug)]
struct Lacking;

impl Fallback for Lacking {
    fn common_fallback(&self) -> &[&'static str] {
        LACKING
    }

    fn forbidden_fallback(&self) -> &[&'static str] {
        &[]
    }

    fn script_fallback(&self, _: Script, _: &str) -> &[&'static str] {
        &[]
    }
}

/// The families of [`UI`] and [`MONO`], where there are any.
type Families = (Option<&'static str>, Option<&'static str>);

/// Loads the fonts, once. Returns the families of [`UI`] and [`MONO`]; `None` where nothing fitting is
/// installed and some other font will be seen.
pub fn load() -> Families {
    static LOADED: OnceLock<Families> = OnceLock::new();
    *LOADED.get_or_init(|| {
        let mut system = match iced_graphics::text::font_system().write() {
            Ok(system) => system,
            // Only a panic while shaping text gets here; the fonts are loaded by then.
            Err(_) => return (None, None),
        };
        let system = system.raw();
        let mut db = std::mem::take(system.db_mut());
        let families = add_to(&mut db);
        *system = with_fallback(system.locale().to_owned(), db);
        families
    })
}

fn with_fallback(locale: String, db: Database) -> FontSystem {
    FontSystem::new_with_locale_and_db_and_fallback(locale, db, Lacking)
}

fn add_to(db: &mut Database) -> Families {
    let mut add = |path: &str| Path::new(path).exists() && db.load_font_file(path).is_ok();
    // Each file is loaded, also where an earlier one is not there.
    let mut add_all = |paths: &[&str]| paths.iter().filter(|path| !add(path)).count() == 0;
    let sans = add_all(SANS.1);
    let fixed = add_all(FIXED.1);
    // In weights that it has not, a font is used for what is lacking in the order in which they were loaded.
    add(EMOJI.1);
    let sans_fallback = add(SANS_FALLBACK.1);
    let fixed_fallback = !fixed && add(FIXED_FALLBACK.1);
    let sans = match (sans, sans_fallback) {
        (true, _) => Some(SANS.0),
        (false, true) => Some(SANS_FALLBACK.0),
        (false, false) => None,
    };
    let fixed = match (fixed, fixed_fallback) {
        (true, _) => Some(FIXED.0),
        (false, true) => Some(FIXED_FALLBACK.0),
        (false, false) => None,
    };
    if let Some(family) = sans {
        db.set_sans_serif_family(family);
    }
    if let Some(family) = fixed {
        db.set_monospace_family(family);
    }
    if sans.is_none() || fixed.is_none() {
        tracing::warn!(
            "neither {} nor {} is installed: text may be missing",
            SANS.0,
            SANS_FALLBACK.0
        );
    }
    (sans, fixed)
}

#[cfg(test)]
mod tests {
    use iced_graphics::text::cosmic_text::{Attrs, Buffer, Family, Metrics, Shaping, Weight};

    use super::*;

    /// DejaVu has emoji as well, without colour; so it stands in for both fonts here, under a name each.
    #[test]
    fn emoji_are_those_in_colour_in_every_weight() {
        let mut db = Database::new();
        db.load_font_file(FIXED_FALLBACK.1)
            .expect("DejaVu is needed (Debian: fonts-dejavu-core)");
        let mut dejavu = Database::new();
        dejavu.load_font_file(SANS_FALLBACK.1).unwrap();
        let plain = dejavu.faces().next().unwrap().clone();
        let mut colour = plain.clone();
        EMOJI.0.clone_into(&mut colour.families[0].0);
        let colour = db.push_face_info(colour);
        let plain = db.push_face_info(plain);
        let mut system = with_fallback("en-US".to_owned(), db);
        let mut fonts = |text: &str, weight| {
            let mut buffer = Buffer::new(&mut system, Metrics::new(14.0, 18.0));
            let attrs = Attrs::new()
                .family(Family::Name(FIXED_FALLBACK.0))
                .weight(weight);
            buffer.set_text(&mut system, text, &attrs, Shaping::Advanced, None);
            buffer.shape_until_scroll(&mut system, false);
            let glyphs = buffer.layout_runs().flat_map(|run| run.glyphs.to_vec());
            glyphs.map(|glyph| glyph.font_id).collect::<Vec<_>>()
        };
        for weight in [Weight::NORMAL, Weight::SEMIBOLD] {
            let [letter, emoji] = fonts("a😀", weight)[..] else {
                panic!("there are two glyphs")
            };
            assert_eq!(emoji, colour);
            assert!(letter != colour && letter != plain);
        }
    }
}
