//! The fonts of the shell; see [`argos_fonts`] for which they are.
//!
//! Left alone, the text system opens every font file of the machine at start. Under emulation that
//! costs more than drawing the panel, so [`only_ours`] hides the system's font folders from it until
//! [`load`] has it know ours.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, IntoRawFd};
use std::sync::OnceLock;

use argos_fonts::Families;
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

/// Has the text system know the desktop's fonts, once. Returns what [`UI`] and [`MONO`] are.
pub fn load() -> Option<Families> {
    static LOADED: OnceLock<Option<Families>> = OnceLock::new();
    *LOADED.get_or_init(|| {
        // Only a panic while shaping text gets here with an error; the fonts are loaded by then.
        let mut shared = iced_graphics::text::font_system().write().ok()?;
        let system = shared.raw();
        let (ours, families) = argos_fonts::system(system.locale().to_owned());
        *system = ours;
        if families.sans.is_none() || families.fixed.is_none() {
            tracing::warn!(
                "text may be missing: install fonts-inter and fonts-jetbrains-mono, or fonts-dejavu-core"
            );
        }
        Some(families)
    })
}
