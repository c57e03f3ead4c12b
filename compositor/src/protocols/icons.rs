//! `xdg-toplevel-icon`: the icon of a window, in the title bar that the compositor draws for it.
//!
//! Pixels are copied when the client commits them and belong to the compositor from then on. An
//! icon that has only a name is not shown: the compositor knows no icon themes.
//!
//! Smithay 0.7 has this protocol, but mistakes which buffers an icon still needs: a client that is done with an
//! icon and then with its buffer, as Chromium is, would be sent away for the second.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::{Mutex, MutexGuard, PoisonError},
};

use smithay::{
    reexports::{
        wayland_protocols::xdg::toplevel_icon::v1::server::{
            xdg_toplevel_icon_manager_v1::{self, XdgToplevelIconManagerV1},
            xdg_toplevel_icon_v1::{self, XdgToplevelIconV1},
        },
        wayland_server::{
            Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource,
            backend::ClientId,
            protocol::{wl_buffer::WlBuffer, wl_shm::Format, wl_surface::WlSurface},
        },
    },
    utils::IsAlive,
    wayland::{
        compositor::with_states,
        shm::{BufferData, with_buffer_contents},
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

/// The most buffers of one icon that are looked at. Programs give a handful.
const MOST: usize = 32;

/// What an icon object was told.
#[derive(Debug, Default)]
pub(crate) struct Draft(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    buffers: Vec<WlBuffer>,
    /// A window has it: nothing of it may change any more.
    given: bool,
}

impl Draft {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The buffers of the icon that holds from a surface's next commit on.
#[derive(Debug, Default)]
struct Next(RefCell<Vec<WlBuffer>>);

/// Which buffers have to last, and whose icon the next commit changes.
#[derive(Debug)]
pub(crate) struct IconProtocol {
    needed: Vec<(WlBuffer, XdgToplevelIconV1)>,
    changed: Vec<WlSurface>,
}

impl IconProtocol {
    pub(crate) fn new(dh: &DisplayHandle) -> Self {
        dh.create_global::<State, XdgToplevelIconManagerV1, ()>(1, ());
        Self {
            needed: Vec::new(),
            changed: Vec::new(),
        }
    }

    /// A buffer is gone: an icon that was made of it may not be there any more.
    pub(crate) fn buffer_destroyed(&mut self, buffer: &WlBuffer) {
        self.needed.retain(|(needed, icon)| {
            if needed == buffer && icon.is_alive() {
                icon.post_error(
                    xdg_toplevel_icon_v1::Error::NoBuffer,
                    "a buffer of this icon was destroyed before it",
                );
            }
            needed != buffer
        });
    }
}

/// Length of a square buffer's sides in pixels; none of one that cannot be an icon.
fn side(buffer: &WlBuffer) -> Option<i32> {
    with_buffer_contents(buffer, |_, _, data| {
        (data.width == data.height).then_some(data.width)
    })
    .ok()
    .flatten()
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
        let mut buffers = with_states(surface, |states| {
            let next = states.data_map.get::<Next>();
            next.map(|next| next.0.take()).unwrap_or_default()
        });
        // The one that is large enough and has the least to throw away.
        buffers.sort_by_key(|buffer| {
            let side = side(buffer).unwrap_or(0);
            (side < wanted, side.abs_diff(wanted))
        });
        let icon = buffers.iter().find_map(read);
        if let Some(managed) = self.windows.by_surface_mut(surface) {
            managed.icon = icon.map(Rc::new);
        }
    }

    fn set_icon(&mut self, surface: WlSurface, buffers: Vec<WlBuffer>) {
        with_states(&surface, |states| {
            let next = states.data_map.get_or_insert(Next::default);
            *next.0.borrow_mut() = buffers;
        });
        let changed = &mut self.protocols.icons.changed;
        changed.retain(IsAlive::alive);
        if !changed.contains(&surface) {
            changed.push(surface);
        }
    }
}

impl GlobalDispatch<XdgToplevelIconManagerV1, ()> for State {
    fn bind(
        _: &mut Self,
        _: &DisplayHandle,
        _: &Client,
        manager: New<XdgToplevelIconManagerV1>,
        (): &(),
        data_init: &mut DataInit<'_, Self>,
    ) {
        let manager = data_init.init(manager, ());
        for scale in [1, 2] {
            manager.icon_size(SIDE * scale);
        }
        manager.done();
    }
}

impl Dispatch<XdgToplevelIconManagerV1, ()> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        _: &XdgToplevelIconManagerV1,
        request: xdg_toplevel_icon_manager_v1::Request,
        (): &(),
        _: &DisplayHandle,
        data_init: &mut DataInit<'_, Self>,
    ) {
        match request {
            xdg_toplevel_icon_manager_v1::Request::CreateIcon { id } => {
                data_init.init(id, Draft::default());
            }
            xdg_toplevel_icon_manager_v1::Request::SetIcon { toplevel, icon } => {
                let draft = icon.as_ref().and_then(|icon| icon.data::<Draft>());
                let buffers = draft.map_or_else(Vec::new, |draft| {
                    let mut told = draft.told();
                    told.given = true;
                    told.buffers.clone()
                });
                let toplevel = state.protocols.xdg_shell.get_toplevel(&toplevel);
                if let Some(toplevel) = toplevel {
                    state.set_icon(toplevel.wl_surface().clone(), buffers);
                }
            }
            _ => {}
        }
    }
}

impl Dispatch<XdgToplevelIconV1, Draft> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        icon: &XdgToplevelIconV1,
        request: xdg_toplevel_icon_v1::Request,
        draft: &Draft,
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        use xdg_toplevel_icon_v1::{Error, Request};
        let mut told = draft.told();
        let changes = matches!(request, Request::SetName { .. } | Request::AddBuffer { .. });
        if changes && told.given {
            icon.post_error(Error::Immutable, "a window has this icon already");
            return;
        }
        if let Request::AddBuffer { buffer, .. } = request {
            let Some(new) = side(&buffer) else {
                icon.post_error(
                    Error::InvalidBuffer,
                    "an icon is a square in shared memory (wl_shm)",
                );
                return;
            };
            let needed = &mut state.protocols.icons.needed;
            // The last of one size is the one that counts; for what scale it was drawn says nothing here.
            let same = told.buffers.iter().position(|old| side(old) == Some(new));
            if let Some(same) = same {
                let old = told.buffers.remove(same);
                needed.retain(|(buffer, of)| *buffer != old || of != icon);
            }
            if told.buffers.len() < MOST {
                needed.push((buffer.clone(), icon.clone()));
                told.buffers.push(buffer);
            }
        }
    }

    fn destroyed(state: &mut Self, _: ClientId, icon: &XdgToplevelIconV1, _: &Draft) {
        let needed = &mut state.protocols.icons.needed;
        needed.retain(|(_, other)| other != icon);
    }
}
