//! Buffers on the GPU: which kinds of them programs are told to make, for what they show and for pictures of the screen.
//!
//! What a program draws can be shown as it is, by a plane of the display, without being drawn once more; but only if its
//! buffers are of a kind that the plane takes. A surface that could be shown so is told of these kinds first
//! ([`Feedback`]). All of them can be drawn as well: a plane is never sure to take a buffer, and pictures for others are
//! drawn from it. Which surfaces planes show is decided by the back end with each frame; not while colours are warmer or
//! things are larger, which planes cannot show ([`crate::render::Glass`]).
//!
//! Pictures can be copied into such a buffer without passing through memory ([`Targets`]).

use smithay::{
    backend::{
        allocator::{Format, Fourcc},
        renderer::element::{RenderElementPresentationState as Presented, RenderingReason},
    },
    desktop::layer_map_for_output,
    reexports::{
        wayland_protocols::wp::linux_dmabuf::zv1::server::zwp_linux_dmabuf_feedback_v1::TrancheFlags,
        wayland_server::protocol::wl_surface::WlSurface,
    },
    utils::{Buffer, Size},
    wayland::{
        compositor::SurfaceData,
        dmabuf::{DmabufFeedback, DmabufFeedbackBuilder, SurfaceDmabufFeedbackState},
    },
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

/// The buffers on the GPU into which pictures are copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Targets {
    /// Number of the device that they are made on.
    pub device: u64,
    /// Their kinds.
    pub formats: Vec<Format>,
}

impl Targets {
    /// The modifiers that buffers of a format may have; none, where there is no buffer of that format.
    pub(crate) fn modifiers(&self, code: Fourcc) -> Vec<u64> {
        let formats = self.formats.iter().filter(|format| format.code == code);
        formats.map(|format| u64::from(format.modifier)).collect()
    }

    /// Looks whether a buffer of that size and kind can take a copy; if not, why. Who was not told the modifiers
    /// (`any_modifier`) hears of a wrong one when the copy fails.
    ///
    /// # Errors
    /// What is wrong with the buffer.
    pub(crate) fn check(
        &self,
        (size, code): (Size<i32, Buffer>, Fourcc),
        (given, kind): (Size<i32, Buffer>, Format),
        any_modifier: bool,
    ) -> Result<(), String> {
        if given != size {
            return Err(format!(
                "the buffer has {}x{} pixels; it needs {}x{}",
                given.w, given.h, size.w, size.h
            ));
        }
        if kind.code != code {
            return Err(format!("the format is {}; it has to be {code}", kind.code));
        }
        if !any_modifier && !self.formats.contains(&kind) {
            return Err(format!(
                "the modifier {:?} is none of those that were told",
                kind.modifier
            ));
        }
        Ok(())
    }
}

impl State {
    /// Has programs make buffers on a device, of kinds that can be drawn. Those that were told of others are told anew.
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
        if let Some(global) = &self.protocols.dmabuf_global {
            dmabuf.set_default_feedback(global, &feedback);
            self.tell_surfaces(&feedback);
            return Ok(());
        }
        let global = dmabuf.create_global_with_default_feedback::<Self>(&self.display, &feedback);
        self.protocols.dmabuf_global = Some(global);
        Ok(())
    }

    /// Programs make no buffers on a GPU any more.
    pub(crate) fn withdraw_dmabufs(&mut self) {
        if let Some(global) = self.protocols.dmabuf_global.take() {
            let dmabuf = &mut self.protocols.dmabuf;
            dmabuf.disable_global::<Self>(&self.display, &global);
        }
    }

    /// Tells the programs that asked for a surface which buffers can be drawn. What planes take is told with the next
    /// frame.
    fn tell_surfaces(&self, feedback: &DmabufFeedback) {
        let tell = |_: &WlSurface, data: &SurfaceData| {
            if let Some(asked) = SurfaceDmabufFeedbackState::from_states(data) {
                asked.set_feedback(feedback);
            }
        };
        for managed in self.windows.iter() {
            managed.window.with_surfaces(tell);
        }
        for output in self.outputs.iter() {
            for layer in layer_map_for_output(output).layers() {
                layer.with_surfaces(tell);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use smithay::backend::allocator::Modifier;

    use super::*;

    fn kind(code: Fourcc, modifier: u64) -> Format {
        Format {
            code,
            modifier: Modifier::from(modifier),
        }
    }

    #[test]
    fn a_copy_goes_into_a_buffer_of_its_size_and_of_a_kind_that_was_told() {
        let targets = Targets {
            device: 1,
            formats: vec![
                kind(Fourcc::Xrgb8888, 0),
                kind(Fourcc::Argb8888, 0),
                kind(Fourcc::Xrgb8888, 7),
            ],
        };
        assert_eq!(targets.modifiers(Fourcc::Xrgb8888), [0, 7]);
        assert!(targets.modifiers(Fourcc::Abgr8888).is_empty());
        let size = |w: i32, h: i32| Size::<i32, Buffer>::from((w, h));
        let wanted = (size(4, 3), Fourcc::Xrgb8888);
        let check = |given, any| targets.check(wanted, given, any);
        assert_eq!(
            check((size(4, 3), kind(Fourcc::Xrgb8888, 7)), false),
            Ok(())
        );
        let wrong = |given| check(given, false).unwrap_err();
        assert!(wrong((size(3, 4), kind(Fourcc::Xrgb8888, 7))).contains("4x3"));
        assert!(wrong((size(4, 3), kind(Fourcc::Argb8888, 0))).contains("format"));
        let strange = (size(4, 3), kind(Fourcc::Xrgb8888, 8));
        assert!(wrong(strange).contains("modifier"));
        assert_eq!(check(strange, true), Ok(()));
    }

    #[test]
    fn planes_are_fed_only_what_can_be_drawn_as_well() {
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
