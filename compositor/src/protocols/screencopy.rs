//! `wlr-screencopy-unstable-v1`: single pictures of an output or a part of one, as grim takes them.
//!
//! What becomes of copies is in [`super::capture`]. The protocol does not say which modifiers a buffer on the GPU may
//! have; a copy into one with another fails.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use smithay::{
    backend::allocator::Fourcc,
    output::Output,
    reexports::{
        wayland_protocols_wlr::screencopy::v1::server::{
            zwlr_screencopy_frame_v1::{self, ZwlrScreencopyFrameV1},
            zwlr_screencopy_manager_v1::{self, ZwlrScreencopyManagerV1},
        },
        wayland_server::{
            Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource,
            backend::ClientId, protocol::wl_output::WlOutput,
        },
    },
    utils::{Buffer, Logical, Rectangle, Size},
};

use super::{
    capture::{Copied, FORMAT, Failure, Frame, PIXEL, Pending, Target},
    sandbox::{Privilege, may},
};
use crate::{mirror::in_buffer, outputs::geometry, state::State};

const VERSION: u32 = 3;

pub(super) fn create_global(dh: &DisplayHandle) {
    dh.create_global::<State, ZwlrScreencopyManagerV1, ()>(VERSION, ());
}

/// The version that was copied last by a manager's frames, for each output, with the pointer and without.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<(Target, u64)>>>);

impl Seen {
    fn of(&self, target: &Target) -> Option<u64> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter()
            .find(|(other, _)| other == target)
            .map(|(_, version)| *version)
    }

    fn set(&self, target: &Target, version: u64) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|(other, _)| other != target);
        seen.push((target.clone(), version));
    }
}

/// What a frame is going to be a copy of.
#[derive(Debug)]
struct Area {
    target: Target,
    whole: Size<i32, Buffer>,
    region: Rectangle<i32, Buffer>,
}

impl Area {
    /// All of an output, or what of `part`, in its logical pixels, is on it.
    fn new(output: &Output, pointer: bool, part: Option<Rectangle<i32, Logical>>) -> Option<Self> {
        let target = Target::output(output.clone(), pointer);
        let whole = output.current_mode()?.size;
        let whole = Size::from((whole.w, whole.h));
        let region = match part {
            None => Rectangle::from_size(whole),
            Some(part) => {
                let part = part.intersection(Rectangle::from_size(geometry(output).size))?;
                let (scale, transform) = (
                    output.current_scale().fractional_scale(),
                    output.current_transform(),
                );
                let upright = transform.transform_size((whole.w, whole.h).into());
                let part = part
                    .to_physical_precise_round(scale)
                    .intersection(Rectangle::from_size(upright))?;
                in_buffer(part, transform, upright)
            }
        };
        (region.size.w > 0 && region.size.h > 0).then_some(Self {
            target,
            whole,
            region,
        })
    }
}

/// A frame's data.
#[derive(Debug)]
pub(crate) struct FrameData {
    /// Nothing, for a frame that failed when it was made.
    area: Option<Area>,
    seen: Seen,
    used: AtomicBool,
}

impl GlobalDispatch<ZwlrScreencopyManagerV1, ()> for State {
    fn bind(
        state: &mut Self,
        _: &DisplayHandle,
        client: &Client,
        manager: New<ZwlrScreencopyManagerV1>,
        (): &(),
        data_init: &mut DataInit<'_, Self>,
    ) {
        let manager = data_init.init(manager, Seen::default());
        state.extensions.captures.object_made(client, &manager);
    }

    fn can_view(client: Client, (): &()) -> bool {
        may(&client, Privilege::Capture)
    }
}

impl Dispatch<ZwlrScreencopyManagerV1, Seen> for State {
    fn request(
        state: &mut Self,
        client: &Client,
        _: &ZwlrScreencopyManagerV1,
        request: zwlr_screencopy_manager_v1::Request,
        seen: &Seen,
        _: &DisplayHandle,
        data_init: &mut DataInit<'_, Self>,
    ) {
        use zwlr_screencopy_manager_v1::Request;
        let (frame, pointer, output, part): (_, i32, WlOutput, _) = match request {
            Request::CaptureOutput {
                frame,
                overlay_cursor,
                output,
            } => (frame, overlay_cursor, output, None),
            Request::CaptureOutputRegion {
                frame,
                overlay_cursor,
                output,
                x,
                y,
                width,
                height,
            } => {
                let size = (width.max(0), height.max(0));
                let part = Rectangle::new((x, y).into(), size.into());
                (frame, overlay_cursor, output, Some(part))
            }
            _ => return,
        };
        let area = Output::from_resource(&output)
            .filter(|output| !state.is_locked() && state.outputs.index_of(output).is_some())
            .and_then(|output| Area::new(&output, pointer != 0, part));
        let size = area.as_ref().map(|area| area.region.size);
        let frame = data_init.init(
            frame,
            FrameData {
                area,
                seen: seen.clone(),
                used: AtomicBool::new(false),
            },
        );
        state.extensions.captures.object_made(client, &frame);
        let Some(size) = size else {
            frame.failed();
            return;
        };
        let (width, height) = (size.w as u32, size.h as u32);
        frame.buffer(FORMAT, width, height, width * PIXEL as u32);
        if frame.version() >= zwlr_screencopy_frame_v1::EVT_LINUX_DMABUF_SINCE
            && let Some(targets) = state.backend.copy_targets()
            && !targets.modifiers(Fourcc::Xrgb8888).is_empty()
        {
            frame.linux_dmabuf(Fourcc::Xrgb8888 as u32, width, height);
        }
        if frame.version() >= zwlr_screencopy_frame_v1::EVT_BUFFER_DONE_SINCE {
            frame.buffer_done();
        }
    }

    fn destroyed(state: &mut Self, client: ClientId, _: &ZwlrScreencopyManagerV1, _: &Seen) {
        state.capture_object_gone(&client);
    }
}

impl Dispatch<ZwlrScreencopyFrameV1, FrameData> for State {
    fn request(
        state: &mut Self,
        client: &Client,
        frame: &ZwlrScreencopyFrameV1,
        request: zwlr_screencopy_frame_v1::Request,
        data: &FrameData,
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        use zwlr_screencopy_frame_v1::{Error, Request};
        let (buffer, waits) = match request {
            Request::Copy { buffer } => (buffer, false),
            Request::CopyWithDamage { buffer } => (buffer, true),
            _ => return,
        };
        if data.used.swap(true, Ordering::Relaxed) {
            frame.post_error(Error::AlreadyUsed, "a frame is copied once");
            return;
        }
        // A frame that failed before its client heard of it fails no second time.
        let Some(area) = &data.area else {
            return;
        };
        if let Err(why) = state.check_copy(&buffer, area.region.size, &area.target, true) {
            frame.post_error(Error::InvalidBuffer, why);
            return;
        }
        let copy = Pending {
            target: area.target.clone(),
            whole: area.whole,
            region: area.region,
            buffer,
            waits,
            frame: Box::new(Waiting {
                frame: frame.clone(),
                target: area.target.clone(),
                seen: data.seen.clone(),
                with_damage: waits,
            }),
        };
        state.extensions.captures.push(client, copy);
    }

    fn destroyed(state: &mut Self, client: ClientId, _: &ZwlrScreencopyFrameV1, _: &FrameData) {
        state.capture_object_gone(&client);
    }
}

/// A frame whose copy is under way.
#[derive(Debug)]
struct Waiting {
    frame: ZwlrScreencopyFrameV1,
    target: Target,
    seen: Seen,
    with_damage: bool,
}

impl Frame for Waiting {
    fn is_alive(&self) -> bool {
        self.frame.is_alive()
    }

    fn seen(&self) -> Option<u64> {
        self.seen.of(&self.target)
    }

    fn copied(&self, copy: &Copied) {
        self.seen.set(&self.target, copy.version);
        self.frame.flags(zwlr_screencopy_frame_v1::Flags::empty());
        if self.with_damage {
            for rect in &copy.changed {
                self.frame.damage(
                    rect.loc.x as u32,
                    rect.loc.y as u32,
                    rect.size.w as u32,
                    rect.size.h as u32,
                );
            }
        }
        let (high, low, nanoseconds) = copy.split_time();
        self.frame.ready(high, low, nanoseconds);
    }

    fn failed(&self, _: Failure) {
        self.frame.failed();
    }
}
