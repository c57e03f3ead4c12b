//! What of a frame the planes of a display may show by themselves, instead of all of it being drawn into one buffer.

use smithay::backend::drm::compositor::FrameFlags;

use crate::render::Glass;

/// What planes may show of a frame that the person sees through that glass.
pub(super) fn flags(glass: &Glass) -> FrameFlags {
    flags_for(glass.filter.is_some(), glass.zoom.is_some())
}

fn flags_for(tinted: bool, magnified: bool) -> FrameFlags {
    if tinted {
        // What a plane shows by itself would be beside the tint.
        FrameFlags::empty()
    } else if magnified {
        // Planes enlarge as they like, and not with sharp pixels. The pointer's picture is drawn for its plane.
        FrameFlags::ALLOW_CURSOR_PLANE_SCANOUT
    } else {
        // Full-screen programs seldom have buffers of the very kind that ours are of. Whether the plane takes theirs is
        // tried before.
        FrameFlags::DEFAULT | FrameFlags::ALLOW_PRIMARY_PLANE_SCANOUT_ANY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_show_nothing_that_has_to_be_tinted_or_magnified() {
        let all = flags_for(false, false);
        assert!(all.contains(FrameFlags::ALLOW_SCANOUT));
        assert!(all.contains(FrameFlags::ALLOW_PRIMARY_PLANE_SCANOUT_ANY));
        assert_eq!(
            flags_for(false, true),
            FrameFlags::ALLOW_CURSOR_PLANE_SCANOUT
        );
        for magnified in [false, true] {
            assert_eq!(flags_for(true, magnified), FrameFlags::empty());
        }
    }
}
