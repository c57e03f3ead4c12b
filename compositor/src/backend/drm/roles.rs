//! Which graphics device of a seat does what: decisions, and nothing that touches a device.
//!
//! Every device shows its own outputs. One with a GPU also draws what they show. One without a GPU draws by
//! pixman, which cannot read what programs drew on a GPU; so where there is a GPU beside it, the main device
//! draws for it, and it shows a [copy](super::replica). That way either all is drawn by GPUs or nothing is, and
//! programs need not know on which output they are.
//!
//! The main device is the first one with a GPU, or the first one where none has: its buffers are those that programs
//! are asked for. First is the one that the firmware used, then by name, then those that came later.

use std::path::{Path, PathBuf};

use smithay::backend::allocator::{Format, Modifier, format::FormatSet};

use crate::backend::RendererKind;

/// The devices in the order in which they are asked, each once.
pub(super) fn in_order(primary: Option<PathBuf>, all: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut paths = Vec::from_iter(primary);
    for path in all {
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

/// Whether the settings name a device among those that are left alone. They may name it by a link.
pub(super) fn is_left_out(path: &Path, left_out: &[PathBuf]) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let path = real(path);
    left_out.iter().any(|other| real(other) == path)
}

/// The main device among devices that draw so; none if there are none.
pub(super) fn main_card(kinds: &[RendererKind]) -> Option<usize> {
    let gpu = kinds.iter().position(|kind| *kind == RendererKind::Gles);
    gpu.or((!kinds.is_empty()).then_some(0))
}

/// Which device draws what the device with that index shows.
pub(super) fn painter(kinds: &[RendererKind], shows: usize) -> usize {
    match (kinds.get(shows), main_card(kinds)) {
        (Some(RendererKind::Pixman), Some(main)) if kinds[main] == RendererKind::Gles => main,
        _ => shows,
    }
}

/// What an output is called: as the kernel calls its connector, and where another device has one of that name, with the
/// device behind it.
pub(super) fn output_name(
    connector: &str,
    device: &Path,
    is_taken: impl Fn(&str) -> bool,
) -> String {
    if !is_taken(connector) {
        return connector.to_owned();
    }
    let device = device.file_name().unwrap_or_default().to_string_lossy();
    format!("{connector}@{device}")
}

/// The formats of buffers that all of some GPUs can draw. Where there are several, a layout that is not named is none
/// of them: each GPU would take it for another.
pub(super) fn shared_formats(main: FormatSet, others: &[FormatSet]) -> Vec<Format> {
    main.into_iter()
        .filter(|format| {
            others.is_empty()
                || (format.modifier != Modifier::Invalid
                    && others.iter().all(|other| other.contains(format)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use smithay::backend::allocator::Fourcc;

    use super::*;
    use crate::backend::RendererKind::{Gles, Pixman};

    #[test]
    fn the_firmwares_device_comes_first_and_each_once() {
        let path = |name: &str| PathBuf::from(format!("/dev/dri/{name}"));
        let all = vec![path("card0"), path("card1"), path("card2")];
        assert_eq!(in_order(None, all.clone()), all);
        assert_eq!(
            in_order(Some(path("card1")), all),
            [path("card1"), path("card0"), path("card2")]
        );
        assert!(in_order(None, Vec::new()).is_empty());
    }

    #[test]
    fn a_device_is_left_out_by_its_name_or_a_link_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let [card, other, link] =
            ["card1", "card2", "pci-0000:01:00.0-card"].map(|name| folder.path().join(name));
        std::fs::write(&card, "").unwrap();
        std::fs::write(&other, "").unwrap();
        std::os::unix::fs::symlink("card1", &link).unwrap();
        for named in [&card, &link] {
            assert!(is_left_out(&card, std::slice::from_ref(named)));
            assert!(!is_left_out(&other, std::slice::from_ref(named)));
        }
        assert!(!is_left_out(&card, &[folder.path().join("gone")]));
        assert!(!is_left_out(&card, &[]));
    }

    #[test]
    fn the_main_device_is_the_first_with_a_gpu() {
        assert_eq!(main_card(&[]), None);
        assert_eq!(main_card(&[Pixman, Pixman]), Some(0));
        assert_eq!(main_card(&[Pixman, Gles, Gles]), Some(1));
        assert_eq!(main_card(&[Gles, Pixman]), Some(0));
    }

    #[test]
    fn who_has_no_gpu_shows_what_the_main_device_draws() {
        assert_eq!(painter(&[Pixman, Pixman], 1), 1);
        assert_eq!(painter(&[Gles, Pixman], 1), 0);
        assert_eq!(painter(&[Pixman, Gles], 0), 1);
        assert_eq!(painter(&[Gles, Gles], 1), 1, "each GPU draws its own");
    }

    proptest! {
        /// Whatever is there, all outputs are drawn in the same way, and that is the main device's.
        #[test]
        fn all_is_drawn_in_one_way(gpus in prop::collection::vec(any::<bool>(), 1..6)) {
            let kinds: Vec<_> = gpus.iter().map(|gpu| if *gpu { Gles } else { Pixman }).collect();
            let main = main_card(&kinds).unwrap();
            for shows in 0..kinds.len() {
                let draws = painter(&kinds, shows);
                prop_assert_eq!(kinds[draws], kinds[main]);
                prop_assert!(draws == shows || draws == main);
            }
        }
    }

    #[test]
    fn a_name_that_another_device_has_gets_the_device_behind_it() {
        let card = Path::new("/dev/dri/card1");
        let taken = ["Virtual-1", "HDMI-A-1"];
        let name = |connector| output_name(connector, card, |name| taken.contains(&name));
        assert_eq!(name("Virtual-1"), "Virtual-1@card1");
        assert_eq!(name("Virtual-2"), "Virtual-2");
        assert_eq!(name("HDMI-A-1"), "HDMI-A-1@card1");
    }

    #[test]
    fn several_gpus_are_offered_only_what_all_can_draw() {
        let format = |modifier| Format {
            code: Fourcc::Argb8888,
            modifier,
        };
        let tiled = format(Modifier::I915_x_tiled);
        let (linear, unnamed) = (format(Modifier::Linear), format(Modifier::Invalid));
        let set = |formats: &[Format]| formats.iter().copied().collect::<FormatSet>();
        let main = set(&[tiled, linear, unnamed]);
        assert_eq!(shared_formats(main.clone(), &[]), [tiled, linear, unnamed]);
        let other = set(&[unnamed, linear]);
        let others = [other, set(&[tiled])];
        assert_eq!(shared_formats(main.clone(), &others[..1]), [linear]);
        assert!(shared_formats(main, &others).is_empty());
    }
}
