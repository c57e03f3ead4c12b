//! What one client may have at a time, and what of it it has.
//!
//! Programs make mistakes, and some mean harm; neither may slow the desktop down or use its memory up. What a
//! client has beyond a limit ends it with a protocol error that names the limit. What costs only time ends
//! nobody: such a client is read more slowly ([`crate::clients`]), or what it asked is made cheaper on its way
//! in ([`crate::guards`]).
//!
//! The numbers stand here and nowhere else, and in `docs/desktop.md`. Each is far above what programs were seen
//! to have, and low enough that a client at all of its limits takes no more than 128 MiB.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
};

use smithay::{
    reexports::wayland_server::{Client, Resource, protocol::wl_surface::WlSurface},
    wayland::compositor::{SurfaceData, get_children, get_parent, is_sync_subsurface, with_states},
    xwayland::XWaylandClientData,
};

use crate::{protocols::extensions::TOO_MANY, state::ClientState};

/// What one client may have at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Objects of all kinds. One takes up to a kilobyte here; a browser with a hundred tabs has a few thousand.
    pub objects: usize,
    /// The highest number that it may give an object. Each number below takes 40 bytes, used or not. Libraries
    /// use numbers again; one that does not and asks for 60 frames a second gets here after nine hours.
    pub numbers: u32,
    /// Surfaces: windows and all their parts. Each takes time in every frame that shows it.
    pub surfaces: usize,
    /// Subsurfaces on top of each other. Programs have up to five; each level is a call within a call here.
    pub subsurface_depth: usize,
    /// Popups that belong to each other, as menus and their submenus do.
    pub popup_depth: usize,
    /// Rectangles in a region. Whoever has a round window of 1000 pixels needs as many.
    pub rectangles: usize,
    /// Rectangles in all its regions, and in those that its surfaces keep.
    pub all_rectangles: usize,
    /// Commits of one surface that wait for a parent, a frame, a time or a buffer. Queues of frames have four.
    pub held_of_surface: u32,
    /// Such commits of all its surfaces. One takes a kilobyte.
    pub held: u32,
    /// Pools of shared memory. Each takes a descriptor and a mapping, of which the compositor has 65530, and up to
    /// 2 GiB of address space.
    pub pools: usize,
    /// Buffers of shared memory. Each keeps its pool. A cursor theme has some hundred.
    pub buffers: usize,
    /// Bytes of the types that it offers to paste or drop, with 64 for each. An office suite has 5 KB.
    pub offered: usize,
    /// Offers to paste or drop that it was made and did not destroy. Each has its own copy of the types; nobody needs
    /// another one than the last. They are counted once a second.
    pub offers: usize,
    /// Configures of a window that it asked for itself and did not answer.
    pub configures: usize,
    /// Tokens to hand the focus on by; they go by themselves after ten seconds. Further ones are worth nothing.
    pub tokens: usize,
}

impl Limits {
    /// Of what comes over the public socket or out of a sandbox.
    pub const PUBLIC: Self = Self {
        objects: 1 << 16,
        numbers: 1 << 21,
        surfaces: 1000,
        subsurface_depth: 32,
        popup_depth: 32,
        rectangles: 4096,
        all_rectangles: 1 << 16,
        held_of_surface: 256,
        held: 1024,
        pools: 512,
        buffers: 4096,
        offered: 1 << 20,
        offers: 256,
        configures: 64,
        tokens: 64,
    };

    /// Of what comes over the private socket: the desktop's own parts, of which there are three.
    pub const PRIVATE: Self = Self {
        objects: 1 << 18,
        surfaces: 4000,
        all_rectangles: 1 << 18,
        held: 4096,
        pools: 2048,
        buffers: 16384,
        offered: 1 << 22,
        ..Self::PUBLIC
    };

    /// Of the X server: it is all X programs together.
    pub const X11: Self = Self {
        numbers: u32::MAX,
        surfaces: 16384,
        rectangles: 1 << 14,
        ..Self::PRIVATE
    };

    /// Those of a client.
    pub(crate) fn of(client: &Client) -> &'static Self {
        match client.get_data::<ClientState>() {
            Some(data) if data.trusted => &Self::PRIVATE,
            Some(_) => &Self::PUBLIC,
            None => &Self::X11,
        }
    }
}

/// What a client has of what is limited.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    pub(crate) surfaces: AtomicUsize,
    pub(crate) pools: AtomicUsize,
    pub(crate) buffers: AtomicUsize,
    held: AtomicU32,
    tables: Mutex<Tables>,
}

/// What has to be known of each object, by the object's number.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    /// Rectangles of the regions.
    pub(crate) regions: HashMap<u32, usize>,
    /// Rectangles of the regions, and of what surfaces keep of them.
    pub(crate) rectangles: usize,
    /// Bytes of what sources offer.
    pub(crate) sources: HashMap<u32, usize>,
    /// Their sum.
    pub(crate) offered: usize,
}

impl Usage {
    pub(crate) fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a client has. Nothing is known of one that was ended.
pub(crate) fn usage(client: &Client) -> Option<&Usage> {
    if let Some(data) = client.get_data::<ClientState>() {
        return Some(&data.usage);
    }
    let x11 = client.get_data::<XWaylandClientData>()?;
    Some(x11.user_data().get_or_insert_threadsafe(Usage::default))
}

/// One more of something. Returns whether that is within the limit.
pub(crate) fn add(count: &AtomicUsize, most: usize) -> bool {
    count.fetch_add(1, Ordering::Relaxed) < most
}

/// One less.
pub(crate) fn remove(count: &AtomicUsize) {
    let less = |count: usize| Some(count.saturating_sub(1));
    // The closure always has an answer.
    let _ = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
}

/// Ends the client of an object: it has too much of something.
pub(crate) fn refuse(object: &impl Resource, what: &str, most: impl std::fmt::Display) {
    let why = format!("{what}: more than the {most} that one client may have");
    tracing::warn!("a client is sent away: {why}");
    object.post_error(TOO_MANY, why);
}

/// What of a surface is limited: commits that are not applied yet, and the rectangles of its regions.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Commits on their own.
    alone: AtomicU32,
    /// Commits that wait for the parent's.
    with_parent: AtomicU32,
    pub(crate) opaque: AtomicUsize,
    pub(crate) input: AtomicUsize,
}

impl Kept {
    pub(crate) fn of(states: &SurfaceData) -> &Self {
        states.data_map.get_or_insert_threadsafe(Self::default)
    }

    fn commits(&self) -> u32 {
        self.alone.load(Ordering::Relaxed) + self.with_parent.load(Ordering::Relaxed)
    }

    fn rectangles(&self) -> usize {
        self.opaque.load(Ordering::Relaxed) + self.input.load(Ordering::Relaxed)
    }
}

fn take(held: &AtomicU32, number: u32) {
    let less = |count: u32| Some(count.saturating_sub(number));
    let _ = held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
}

/// A surface is being committed. Returns whether its client may have one more commit that waits, until
/// [`applied`] says that it does not.
pub(crate) fn committed(client: &Client, surface: &WlSurface) -> bool {
    let Some(usage) = usage(client) else {
        return true;
    };
    let limits = Limits::of(client);
    let sync = is_sync_subsurface(surface);
    let own = with_states(surface, |states| {
        let kept = Kept::of(states);
        let count = if sync { &kept.with_parent } else { &kept.alone };
        count.fetch_add(1, Ordering::Relaxed);
        kept.commits()
    });
    let all = usage.held.fetch_add(1, Ordering::Relaxed) + 1;
    if own > limits.held_of_surface {
        refuse(
            surface,
            "commits of a surface that wait",
            limits.held_of_surface,
        );
        return false;
    }
    if all > limits.held {
        refuse(surface, "commits that wait", limits.held);
        return false;
    }
    true
}

/// Something of a surface was applied: one commit of its own, or all those that waited for its parent.
pub(crate) fn applied(surface: &WlSurface) {
    let gone = with_states(surface, |states| {
        let kept = Kept::of(states);
        let alone = kept.alone.load(Ordering::Relaxed).min(1);
        kept.alone.fetch_sub(alone, Ordering::Relaxed);
        kept.with_parent.swap(0, Ordering::Relaxed) + alone
    });
    if let Some(client) = surface.client()
        && let Some(usage) = usage(&client)
    {
        take(&usage.held, gone);
    }
}

/// A surface is gone, and what it kept.
pub(crate) fn surface_gone(surface: &WlSurface) {
    let Some(client) = surface.client() else {
        return;
    };
    let Some(usage) = usage(&client) else {
        return;
    };
    remove(&usage.surfaces);
    let (commits, rectangles) = with_states(surface, |states| {
        let kept = Kept::of(states);
        (kept.commits(), kept.rectangles())
    });
    take(&usage.held, commits);
    let mut tables = usage.tables();
    tables.rectangles = tables.rectangles.saturating_sub(rectangles);
}

/// How many levels of subsurfaces there are below a surface.
fn height(surface: &WlSurface) -> usize {
    let children = get_children(surface);
    children
        .iter()
        .map(|child| height(child) + 1)
        .max()
        .unwrap_or(0)
}

/// How many subsurfaces lie on top of each other where this one is.
pub(crate) fn subsurface_depth(surface: &WlSurface) -> usize {
    let ancestors = std::iter::successors(get_parent(surface), get_parent).count();
    ancestors + height(surface)
}
