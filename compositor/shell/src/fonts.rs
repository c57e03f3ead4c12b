//! The fonts: Inter for text, JetBrains Mono for what must be read exactly, DejaVu where they lack.
//!
//! Left alone, the text system opens every font file of the machine at start. Under emulation that
//! costs more than drawing the panel, so [`only_ours`] hides the system's font folders from it and
//! [`load`] names the few files that are needed. They are mapped, not read: what is not used of
//! them takes no memory.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, IntoRawFd};
use std::path::Path;

use iced_core::Font;
use iced_core::font::{Family, Weight};

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

/// Loads the fonts. Returns the families of [`UI`] and [`MONO`]; `None` where nothing fitting is
/// installed and some other font will be seen.
pub fn load() -> (Option<&'static str>, Option<&'static str>) {
    let mut system = match iced_graphics::text::font_system().write() {
        Ok(system) => system,
        // Only a panic while shaping text gets here; the fonts are loaded by then.
        Err(_) => return (None, None),
    };
    let db = system.raw().db_mut();
    let mut add = |path: &str| Path::new(path).exists() && db.load_font_file(path).is_ok();
    // Each file is loaded, also where an earlier one is not there.
    let mut add_all = |paths: &[&str]| paths.iter().filter(|path| !add(path)).count() == 0;
    let sans = add_all(SANS.1);
    let fixed = add_all(FIXED.1);
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
