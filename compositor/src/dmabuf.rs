//! Buffers on the GPU: which kinds of them programs are told to make.
//!
//! What a program draws can be shown as it is, by a plane of the display, without being drawn once more; but only if its
//! buffers are of a kind that the plane takes. A surface that could be shown so is told of these kinds first
//! ([`Feedback`]). All of them can be drawn as well: a plane is never sure to take a buffer, and pictures for others are
//! drawn from it. Which surfaces planes show is decided by the back end with each frame; not while colours are warmer or
//! things are larger, which planes cannot show ([`crate::render::Glass`]).

use smithay::{
    backend::{
        allocator::Format,
        renderer::element::{RenderElementPresentationState as Presented, RenderingReason},
    },
    reexports::wayland_protocols::wp::linux_dmabuf::zv1::server::zwp_linux_dmabuf_feedback_v1::TrancheFlags,
    wayland::dmabuf::{DmabufFeedback, DmabufFeedbackBuilder},
};

use crate::state::State;

/// What surfaces on an output are told.
#[derive(Debug, Clone)]
pub struct Feedback {
    /// One that is drawn.
    drawn: DmabufFeedback,
    /// One that a plane may show.
    shown: DmabufFeedback,
}

/// Those of the kinds that planes take that can be drawn as well, each once.
fn for_planes(drawn: &[Format], planes: impl IntoIterator<Item = Format>) -> Vec<Format> {
    let mut both: Vec<Format> = Vec::new();
    for format in planes {
        if drawn.contains(&format) && !both.contains(&format) {
            both.push(format);
        }
    }
    both
}

/// Whether a surface is told what planes take. `fills`: its window fills the screen; `clear`: planes can be used at all.
fn may_be_shown(presented: Option<Presented>, fills: bool, clear: bool) -> bool {
    if !clear {
        return false;
    }
    match presented {
        // A plane shows it, or would if it took the buffer.
        Some(
            Presented::ZeroCopy
            | Presented::Rendering {
                reason: Some(RenderingReason::FormatUnsupported | RenderingReason::ScanoutFailed),
            },
        ) => true,
        // Something is in front of it for a moment.
        Some(Presented::Rendering { reason: None }) => fills,
        Some(Presented::Skipped) | None => false,
    }
}

impl Feedback {
    /// For a device that draws the kinds `drawn` and has planes that take the kinds `planes`.
    ///
    /// # Errors
    /// When there is no memory for the table of kinds.
    pub fn new(
        device: u64,
        drawn: impl IntoIterator<Item = Format>,
        planes: impl IntoIterator<Item = Format>,
    ) -> std::io::Result<Self> {
        let drawn: Vec<Format> = drawn.into_iter().collect();
        let planes = for_planes(&drawn, planes);
        let builder = DmabufFeedbackBuilder::new(device, drawn);
        Ok(Self {
            drawn: builder.clone().build()?,
            shown: builder
                .add_preference_tranche(device, Some(TrancheFlags::Scanout), planes)
                .build()?,
        })
    }

    /// What a surface is told that was presented so; see [`may_be_shown`].
    pub(crate) fn choose(
        &self,
        presented: Option<Presented>,
        fills: bool,
        clear: bool,
    ) -> &DmabufFeedback {
        if may_be_shown(presented, fills, clear) {
            &self.shown
        } else {
            &self.drawn
        }
    }
}

impl State {
    /// Has programs make buffers on a device, of kinds that can be drawn.
    ///
    /// # Errors
    /// When there is no memory for the table of kinds.
    pub fn offer_dmabufs(
        &mut self,
        device: u64,
        formats: impl IntoIterator<Item = Format>,
    ) -> std::io::Result<()> {
        let feedback = DmabufFeedbackBuilder::new(device, formats).build()?;
        let dmabuf = &mut self.protocols.dmabuf;
        let global = dmabuf.create_global_with_default_feedback::<Self>(&self.display, &feedback);
        self.protocols.dmabuf_global = Some(global);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use smithay::backend::allocator::{Fourcc, Modifier};

    use super::*;

    #[test]
    fn planes_are_fed_only_what_can_be_drawn_as_well() {
        let kind = |code, modifier: u64| Format {
            code,
            modifier: Modifier::from(modifier),
        };
        let (plain, tiled) = (kind(Fourcc::Xrgb8888, 0), kind(Fourcc::Xrgb8888, 7));
        let other = kind(Fourcc::Argb8888, 0);
        assert_eq!(
            for_planes(&[plain, other], [tiled, plain, plain]),
            vec![plain]
        );
        assert!(for_planes(&[other], [tiled]).is_empty());
    }

    #[test]
    fn what_a_plane_shows_or_would_show_is_told_what_planes_take() {
        let drawn = |reason| Some(Presented::Rendering { reason });
        for fills in [false, true] {
            assert!(may_be_shown(Some(Presented::ZeroCopy), fills, true));
            for reason in [
                RenderingReason::FormatUnsupported,
                RenderingReason::ScanoutFailed,
            ] {
                assert!(may_be_shown(drawn(Some(reason)), fills, true));
                assert!(!may_be_shown(drawn(Some(reason)), fills, false));
            }
            assert_eq!(may_be_shown(drawn(None), fills, true), fills);
            assert!(!may_be_shown(drawn(None), fills, false));
            assert!(!may_be_shown(Some(Presented::Skipped), fills, true));
            assert!(!may_be_shown(None, fills, true));
        }
    }
}
