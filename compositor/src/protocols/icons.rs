//! `xdg-toplevel-icon`: the icon of a window, in the title bar that the compositor draws for it.
//!
//! Pixels are copied when the client commits them and belong to the compositor from then on. An
//! icon that has only a name is not shown: the compositor knows no icon themes.

use std::rc::Rc;

use smithay::{
    delegate_xdg_toplevel_icon,
    reexports::{
        wayland_protocols::xdg::shell::server::xdg_toplevel::XdgToplevel,
        wayland_server::{
            DisplayHandle,
            protocol::{wl_buffer::WlBuffer, wl_shm::Format, wl_surface::WlSurface},
        },
    },
    wayland::{
        compositor::with_states,
        shm::{BufferData, with_buffer_contents},
        xdg_toplevel_icon::{
            ToplevelIconCachedState, XdgToplevelIconHandler, XdgToplevelIconManager,
        },
    },
};

use crate::state::State;

/// Side of an icon in a title bar, in logical pixels.
pub(crate) const SIDE: i32 = 18;
/// No icon is read that has more pixels to a side.
pub(crate) const LARGEST: i32 = 512;

/// A square picture.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Icon {
    pub(crate) side: usize,
    /// Blue, green, red and alpha, premultiplied; rows from the top.
    pub(crate) pixels: Vec<[u8; 4]>,
}

/// Smithay's state of the protocol, and whose icon the next commit changes.
#[derive(Debug)]
pub(crate) struct IconProtocol {
    _manager: XdgToplevelIconManager,
    changed: Vec<WlSurface>,
}

impl IconProtocol {
    pub(crate) fn new(dh: &DisplayHandle) -> Self {
        let mut manager = XdgToplevelIconManager::new::<State>(dh);
        for scale in [1, 2] {
            manager.add_icon_size(SIDE * scale);
        }
        Self {
            _manager: manager,
            changed: Vec::new(),
        }
    }
}

/// The bytes of a buffer that can be an icon.
#[allow(unsafe_code)]
fn read(buffer: &WlBuffer) -> Option<Icon> {
    with_buffer_contents(buffer, |pool, length, data| {
        let BufferData {
            offset,
            width,
            height,
            stride,
            format,
        } = data;
        let opaque = match format {
            Format::Argb8888 => false,
            Format::Xrgb8888 => true,
            _ => return None,
        };
        if width != height || !(1..=LARGEST).contains(&width) {
            return None;
        }
        let side = width as usize;
        let (offset, stride) = (usize::try_from(offset).ok()?, usize::try_from(stride).ok()?);
        let mut pixels = vec![[0; 4]; side * side];
        for (row, line) in pixels.chunks_exact_mut(side).enumerate() {
            let start = offset.checked_add(stride.checked_mul(row)?)?;
            if start.checked_add(side * 4)? > length {
                return None;
            }
            // SAFETY: the pool is mapped for `length` bytes while this runs, of which those from
            // `start` on are enough for a row; the row in `pixels` has as many. The client may
            // write meanwhile, so no reference to its memory is made.
            unsafe {
                std::ptr::copy_nonoverlapping(pool.add(start), line.as_mut_ptr().cast(), side * 4);
            }
        }
        if opaque {
            for pixel in &mut pixels {
                pixel[3] = u8::MAX;
            }
        }
        Some(Icon { side, pixels })
    })
    .ok()
    .flatten()
}

impl State {
    /// A toplevel's surface was committed: its new icon, if it has one, holds from now on.
    pub(crate) fn icon_committed(&mut self, surface: &WlSurface) {
        let changed = &mut self.protocols.icons.changed;
        let Some(index) = changed.iter().position(|other| other == surface) else {
            return;
        };
        changed.swap_remove(index);
        let scale = self.windows.by_surface(surface).and_then(|managed| {
            let output = self.windows.layout.output_of(managed.id)?;
            Some(self.outputs.get(output)?.current_scale().fractional_scale())
        });
        let wanted = (f64::from(SIDE) * scale.unwrap_or(1.0)).ceil() as i32;
        let icon = with_states(surface, |states| {
            let mut icon = states.cached_state.get::<ToplevelIconCachedState>();
            let mut buffers: Vec<_> = icon.current().buffers().to_vec();
            let side = |buffer: &WlBuffer| {
                with_buffer_contents(buffer, |_, _, data| data.width).unwrap_or(0)
            };
            // The one that is large enough and has the least to throw away.
            buffers.sort_by_key(|(buffer, _)| {
                let side = side(buffer);
                (side < wanted, side.abs_diff(wanted))
            });
            buffers.iter().find_map(|(buffer, _)| read(buffer))
        });
        if let Some(managed) = self.windows.by_surface_mut(surface) {
            managed.icon = icon.map(Rc::new);
        }
    }
}

impl XdgToplevelIconHandler for State {
    fn set_icon(&mut self, _: XdgToplevel, surface: WlSurface) {
        use smithay::utils::IsAlive;
        let changed = &mut self.protocols.icons.changed;
        changed.retain(IsAlive::alive);
        if !changed.contains(&surface) {
            changed.push(surface);
        }
    }
}

delegate_xdg_toplevel_icon!(State);
