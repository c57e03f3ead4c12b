//! What requests pass before Smithay gets them.
//!
//! Smithay takes what the protocols allow, and they allow any number and all 32 bits of it. Here is counted what
//! [`crate::limits`] limits, and numbers with which no sum is safe are brought within reason: nobody can see that
//! a window lies a million pixels away and not two thousand million.

use smithay::{
    reexports::{
        wayland_protocols::{
            ext::data_control::v1::server::{
                ext_data_control_device_v1::ExtDataControlDeviceV1,
                ext_data_control_manager_v1::ExtDataControlManagerV1,
                ext_data_control_source_v1::{self, ExtDataControlSourceV1},
            },
            wp::{
                presentation_time::server::{
                    wp_presentation::{self, WpPresentation},
                    wp_presentation_feedback::WpPresentationFeedback,
                },
                primary_selection::zv1::server::{
                    zwp_primary_selection_device_manager_v1::ZwpPrimarySelectionDeviceManagerV1,
                    zwp_primary_selection_device_v1::ZwpPrimarySelectionDeviceV1,
                    zwp_primary_selection_source_v1::{self, ZwpPrimarySelectionSourceV1},
                },
                viewporter::server::{
                    wp_viewport::{self, WpViewport},
                    wp_viewporter::WpViewporter,
                },
            },
            xdg::shell::server::{
                xdg_popup::XdgPopup,
                xdg_positioner::{self, XdgPositioner},
                xdg_surface::{self, XdgSurface},
                xdg_toplevel::{self, XdgToplevel},
                xdg_wm_base::XdgWmBase,
            },
        },
        wayland_protocols_wlr::{
            data_control::v1::server::{
                zwlr_data_control_device_v1::ZwlrDataControlDeviceV1,
                zwlr_data_control_manager_v1::ZwlrDataControlManagerV1,
                zwlr_data_control_source_v1::{self, ZwlrDataControlSourceV1},
            },
            layer_shell::v1::server::{
                zwlr_layer_shell_v1::ZwlrLayerShellV1,
                zwlr_layer_surface_v1::{self, ZwlrLayerSurfaceV1},
            },
        },
        wayland_server::{
            Client, DataInit, Dispatch, DisplayHandle, Resource,
            backend::ClientId,
            delegate_dispatch, delegate_global_dispatch,
            protocol::{
                wl_buffer::WlBuffer,
                wl_callback::WlCallback,
                wl_compositor::WlCompositor,
                wl_data_device::WlDataDevice,
                wl_data_device_manager::WlDataDeviceManager,
                wl_data_source::{self, WlDataSource},
                wl_region::{self, WlRegion},
                wl_shm::{self, WlShm},
                wl_shm_pool::{self, WlShmPool},
                wl_subcompositor::WlSubcompositor,
                wl_subsurface::{self, WlSubsurface},
                wl_surface::{self, WlSurface},
            },
        },
    },
    utils::Rectangle,
    wayland::{
        compositor::{
            CompositorState, Damage, RegionUserData, SubsurfaceUserData, SurfaceAttributes,
            SurfaceUserData, with_states,
        },
        presentation::{PresentationFeedbackState, PresentationState},
        selection::{
            data_device::{DataDeviceState, DataDeviceUserData, DataSourceUserData},
            ext_data_control, primary_selection, wlr_data_control,
        },
        shell::{
            wlr_layer::{WlrLayerShellGlobalData, WlrLayerShellState, WlrLayerSurfaceUserData},
            xdg::{
                XdgPositionerUserData, XdgShellState, XdgShellSurfaceUserData, XdgSurfaceUserData,
                XdgWmBaseUserData,
            },
        },
        shm::{ShmBufferUserData, ShmPoolUserData, ShmState},
        viewporter::{ViewportState, ViewporterState},
    },
};

use crate::{
    limits::{Kept, Limits, add, committed, refuse, remove, usage},
    state::State,
};

/// The farthest that anything is, and the largest that anything is, in logical pixels.
const REACH: i32 = 1 << 20;
/// The largest scale of a buffer.
const LARGEST_SCALE: i32 = 1 << 8;
/// Rectangles of damage that are kept apart in one commit. More are as one that covers everything.
const DAMAGE: usize = 64;
/// An opaque region of more rectangles than these hides nothing: to find out what it hides costs more than to
/// draw that.
const OPAQUE: usize = 32;

fn near<const N: usize>(values: [&mut i32; N]) {
    for value in values {
        *value = (*value).clamp(-REACH, REACH);
    }
}

/// Smithay takes no size for one that is negative, and ends the process.
fn sizes<const N: usize>(values: [&mut i32; N]) {
    for value in values {
        *value = (*value).clamp(0, REACH);
    }
}

/// Lets a request pass a look at it, which may change it; if that says no, the client was ended. Requests that only
/// show new content are named as plain ([`crate::state::Turn`]).
macro_rules! guard {
    ($interface:ty, $data:ty => $to:ty, $look:expr) => {
        guard!($interface, $data => $to, $look, |_, _| {}, |_| false);
    };
    ($interface:ty, $data:ty => $to:ty, $look:expr, $gone:expr) => {
        guard!($interface, $data => $to, $look, $gone, |_| false);
    };
    ($interface:ty, $data:ty => $to:ty, $look:expr, $gone:expr, $plain:expr) => {
        impl Dispatch<$interface, $data> for State {
            fn request(
                state: &mut Self,
                client: &Client,
                object: &$interface,
                mut request: <$interface as Resource>::Request,
                data: &$data,
                handle: &DisplayHandle,
                init: &mut DataInit<'_, Self>,
            ) {
                let look: fn(&Client, &$interface, &mut <$interface as Resource>::Request) -> bool =
                    $look;
                if look(client, object, &mut request) {
                    let plain: fn(&<$interface as Resource>::Request) -> bool = $plain;
                    state.turn.plain += usize::from(plain(&request));
                    <$to as Dispatch<$interface, $data, Self>>::request(
                        state, client, object, request, data, handle, init,
                    );
                }
            }

            fn destroyed(state: &mut Self, client: ClientId, object: &$interface, data: &$data) {
                if let Some(client) = object.client() {
                    let gone: fn(&Client, &$interface) = $gone;
                    gone(&client, object);
                }
                <$to as Dispatch<$interface, $data, Self>>::destroyed(state, client, object, data);
            }
        }
    };
}

// Surfaces.

delegate_global_dispatch!(State: [WlCompositor: ()] => CompositorState);
delegate_global_dispatch!(State: [WlSubcompositor: ()] => CompositorState);
delegate_dispatch!(State: [WlCompositor: ()] => CompositorState);
delegate_dispatch!(State: [WlCallback: ()] => CompositorState);
delegate_dispatch!(State: [WlSubcompositor: ()] => CompositorState);
guard!(WlSurface, SurfaceUserData => CompositorState, surface, |_, _| {}, shows_content);
guard!(WlRegion, RegionUserData => CompositorState, region, region_gone);
guard!(WlSubsurface, SubsurfaceUserData => CompositorState, |_, _, request| {
    if let wl_subsurface::Request::SetPosition { x, y } = request {
        near([x, y]);
    }
    true
});

fn surface(client: &Client, surface: &WlSurface, request: &mut wl_surface::Request) -> bool {
    use wl_surface::Request as R;
    match request {
        R::Damage {
            x,
            y,
            width,
            height,
        }
        | R::DamageBuffer {
            x,
            y,
            width,
            height,
        } => {
            near([x, y]);
            sizes([width, height]);
            with_states(surface, |states| {
                let mut attributes = states.cached_state.get::<SurfaceAttributes>();
                join_damage(&mut attributes.pending().damage);
            });
        }
        R::Attach { x, y, .. } | R::Offset { x, y } => {
            near([x, y]);
        }
        R::SetBufferScale { scale } => *scale = (*scale).min(LARGEST_SCALE),
        R::SetOpaqueRegion { region } => {
            let size = rectangles(client, region.as_ref());
            if size > OPAQUE {
                *region = None;
            }
            let kept = if region.is_some() { size } else { 0 };
            return keeps(client, surface, |held| &held.opaque, kept);
        }
        R::SetInputRegion { region } => {
            let size = rectangles(client, region.as_ref());
            return keeps(client, surface, |held| &held.input, size);
        }
        R::Commit => return committed(client, surface),
        _ => {}
    }
    true
}

/// What of a surface only shows new content. Of a commit the handler says whether it does.
fn shows_content(request: &wl_surface::Request) -> bool {
    use wl_surface::Request as R;
    matches!(
        request,
        R::Attach { .. } | R::Damage { .. } | R::DamageBuffer { .. } | R::Frame { .. } | R::Commit
    )
}

/// Makes one of many rectangles.
pub(crate) fn join_damage(damage: &mut Vec<Damage>) {
    if damage.len() >= DAMAGE {
        let all = Rectangle::new((-REACH, -REACH).into(), (2 * REACH, 2 * REACH).into());
        *damage = vec![Damage::Surface(all)];
    }
}

/// How many rectangles a region has.
fn rectangles(client: &Client, region: Option<&WlRegion>) -> usize {
    region
        .zip(usage(client))
        .and_then(|(region, usage)| {
            let number = region.id().protocol_id();
            usage.tables().regions.get(&number).copied()
        })
        .unwrap_or(0)
}

/// A surface keeps that many rectangles from now on. Returns whether it may.
fn keeps(
    client: &Client,
    surface: &WlSurface,
    which: fn(&Kept) -> &std::sync::atomic::AtomicUsize,
    size: usize,
) -> bool {
    let Some(usage) = usage(client) else {
        return true;
    };
    let before = with_states(surface, |states| {
        which(Kept::of(states)).swap(size, std::sync::atomic::Ordering::Relaxed)
    });
    let mut tables = usage.tables();
    tables.rectangles = tables.rectangles.saturating_sub(before) + size;
    let (all, most) = (tables.rectangles, Limits::of(client).all_rectangles);
    drop(tables);
    if all > most {
        refuse(surface, "rectangles in all regions", most);
    }
    all <= most
}

fn region(client: &Client, region: &WlRegion, request: &mut wl_region::Request) -> bool {
    use wl_region::Request as R;
    let (R::Add {
        x,
        y,
        width,
        height,
    }
    | R::Subtract {
        x,
        y,
        width,
        height,
    }) = request
    else {
        return true;
    };
    near([x, y]);
    sizes([width, height]);
    let Some(usage) = usage(client) else {
        return true;
    };
    let limits = Limits::of(client);
    let mut tables = usage.tables();
    let number = region.id().protocol_id();
    let own = tables.regions.entry(number).or_default();
    *own += 1;
    let own = *own;
    tables.rectangles += 1;
    let all = tables.rectangles;
    drop(tables);
    if own > limits.rectangles {
        refuse(region, "rectangles in a region", limits.rectangles);
        return false;
    }
    if all > limits.all_rectangles {
        refuse(region, "rectangles in all regions", limits.all_rectangles);
        return false;
    }
    true
}

fn region_gone(client: &Client, region: &WlRegion) {
    if let Some(usage) = usage(client) {
        let mut tables = usage.tables();
        let number = region.id().protocol_id();
        let own = tables.regions.remove(&number).unwrap_or(0);
        tables.rectangles = tables.rectangles.saturating_sub(own);
    }
}

delegate_global_dispatch!(State: [WpViewporter: ()] => ViewporterState);
delegate_dispatch!(State: [WpViewporter: ()] => ViewporterState);
guard!(WpViewport, ViewportState => ViewportState, |_, _, request| {
    if let wp_viewport::Request::SetDestination { width, height } = request {
        near([width, height]);
    }
    true
});

delegate_global_dispatch!(State: [WpPresentation: u32] => PresentationState);
delegate_dispatch!(State: [WpPresentationFeedback: ()] => PresentationFeedbackState);
guard!(WpPresentation, u32 => PresentationState, |_, _, _| true, |_, _| {}, |request| {
    matches!(request, wp_presentation::Request::Feedback { .. })
});

// Shared memory.

delegate_global_dispatch!(State: [WlShm: ()] => ShmState);
guard!(WlShm, () => ShmState, shm);
guard!(WlShmPool, ShmPoolUserData => ShmState, pool, pool_gone);
guard!(WlBuffer, ShmBufferUserData => ShmState, |_, _, _| true, |client, _| {
    if let Some(usage) = usage(client) {
        remove(&usage.buffers);
    }
}, |_| true);

fn shm(client: &Client, shm: &WlShm, request: &mut wl_shm::Request) -> bool {
    if !matches!(request, wl_shm::Request::CreatePool { .. }) {
        return true;
    }
    let most = Limits::of(client).pools;
    let may = usage(client).is_none_or(|usage| add(&usage.pools, most));
    if !may {
        refuse(shm, "pools of shared memory", most);
    }
    may
}

fn pool(client: &Client, pool: &WlShmPool, request: &mut wl_shm_pool::Request) -> bool {
    match request {
        wl_shm_pool::Request::CreateBuffer { .. } => {
            let most = Limits::of(client).buffers;
            let may = usage(client).is_none_or(|usage| add(&usage.buffers, most));
            if !may {
                refuse(pool, "buffers of shared memory", most);
            }
            may
        }
        // Smithay says so, and then takes it all the same.
        wl_shm_pool::Request::Resize { size } if *size <= 0 => {
            pool.post_error(
                wl_shm::Error::InvalidFd,
                format!("a pool cannot have {size} bytes"),
            );
            false
        }
        _ => true,
    }
}

fn pool_gone(client: &Client, _: &WlShmPool) {
    if let Some(usage) = usage(client) {
        remove(&usage.pools);
    }
}

// Windows, popups, panels.

delegate_global_dispatch!(State: [XdgWmBase: ()] => XdgShellState);
delegate_dispatch!(State: [XdgWmBase: XdgWmBaseUserData] => XdgShellState);
delegate_dispatch!(State: [XdgPopup: XdgShellSurfaceUserData] => XdgShellState);
guard!(XdgPositioner, XdgPositionerUserData => XdgShellState, |_, _, request| {
    use xdg_positioner::Request as R;
    match request {
        R::SetSize { width, height } => {
            near([width, height]);
        }
        R::SetAnchorRect { x, y, width, height } => {
            near([x, y, width, height]);
        }
        R::SetOffset { x, y } => {
            near([x, y]);
        }
        R::SetParentSize { parent_width, parent_height } => {
            sizes([parent_width, parent_height]);
        }
        _ => {}
    }
    true
});
guard!(XdgSurface, XdgSurfaceUserData => XdgShellState, |_, object, request| {
    if let xdg_surface::Request::SetWindowGeometry { x, y, width, height } = request {
        if *width < 0 || *height < 0 {
            object.post_error(xdg_surface::Error::InvalidSize, "a window has no negative size");
            return false;
        }
        near([x, y]);
        sizes([width, height]);
    }
    true
});
guard!(XdgToplevel, XdgShellSurfaceUserData => XdgShellState, |_, object, request| {
    use xdg_toplevel::Request as R;
    if let R::SetMaxSize { width, height } | R::SetMinSize { width, height } = request {
        if *width < 0 || *height < 0 {
            object.post_error(xdg_toplevel::Error::InvalidSize, "a window has no negative size");
            return false;
        }
        sizes([width, height]);
    }
    true
});

delegate_global_dispatch!(State: [ZwlrLayerShellV1: WlrLayerShellGlobalData] => WlrLayerShellState);
delegate_dispatch!(State: [ZwlrLayerShellV1: ()] => WlrLayerShellState);
guard!(ZwlrLayerSurfaceV1, WlrLayerSurfaceUserData => WlrLayerShellState, |_, _, request| {
    if let zwlr_layer_surface_v1::Request::SetSize { width, height } = request {
        for side in [width, height] {
            *side = (*side).min(REACH as u32);
        }
    }
    true
});

// What is offered to paste and drop.

/// What a type takes besides its name.
const TYPE: usize = 64;

/// A source offers one more type. Returns whether it may.
fn offers(client: &Client, source: &impl Resource, name: &str) -> bool {
    let Some(usage) = usage(client) else {
        return true;
    };
    let most = Limits::of(client).offered;
    let mut tables = usage.tables();
    let size = name.len() + TYPE;
    *tables.sources.entry(source.id().protocol_id()).or_default() += size;
    tables.offered += size;
    let all = tables.offered;
    drop(tables);
    if all > most {
        refuse(source, "bytes of types that are offered", most);
    }
    all <= most
}

fn source_gone(client: &Client, source: &impl Resource) {
    if let Some(usage) = usage(client) {
        let mut tables = usage.tables();
        let number = source.id().protocol_id();
        let own = tables.sources.remove(&number).unwrap_or(0);
        tables.offered = tables.offered.saturating_sub(own);
    }
}

delegate_global_dispatch!(State: [WlDataDeviceManager: ()] => DataDeviceState);
delegate_dispatch!(State: [WlDataDeviceManager: ()] => DataDeviceState);
delegate_dispatch!(State: [WlDataDevice: DataDeviceUserData] => DataDeviceState);
guard!(WlDataSource, DataSourceUserData => DataDeviceState, |client, source, request| {
    match request {
        wl_data_source::Request::Offer { mime_type } => offers(client, source, mime_type),
        _ => true,
    }
}, source_gone);

delegate_global_dispatch!(State: [
    ZwpPrimarySelectionDeviceManagerV1: primary_selection::PrimaryDeviceManagerGlobalData
] => primary_selection::PrimarySelectionState);
delegate_dispatch!(State: [ZwpPrimarySelectionDeviceManagerV1: ()] => primary_selection::PrimarySelectionState);
delegate_dispatch!(State: [
    ZwpPrimarySelectionDeviceV1: primary_selection::PrimaryDeviceUserData
] => primary_selection::PrimarySelectionState);
guard!(
    ZwpPrimarySelectionSourceV1, primary_selection::PrimarySourceUserData
        => primary_selection::PrimarySelectionState,
    |client, source, request| match request {
        zwp_primary_selection_source_v1::Request::Offer { mime_type } => offers(client, source, mime_type),
        _ => true,
    },
    source_gone
);

delegate_global_dispatch!(State: [
    ExtDataControlManagerV1: ext_data_control::ExtDataControlManagerGlobalData
] => ext_data_control::DataControlState);
delegate_dispatch!(State: [
    ExtDataControlManagerV1: ext_data_control::ExtDataControlManagerUserData
] => ext_data_control::DataControlState);
delegate_dispatch!(State: [
    ExtDataControlDeviceV1: ext_data_control::ExtDataControlDeviceUserData
] => ext_data_control::DataControlState);
guard!(
    ExtDataControlSourceV1, ext_data_control::ExtDataControlSourceUserData
        => ext_data_control::DataControlState,
    |client, source, request| match request {
        ext_data_control_source_v1::Request::Offer { mime_type } => offers(client, source, mime_type),
        _ => true,
    },
    source_gone
);

delegate_global_dispatch!(State: [
    ZwlrDataControlManagerV1: wlr_data_control::DataControlManagerGlobalData
] => wlr_data_control::DataControlState);
delegate_dispatch!(State: [
    ZwlrDataControlManagerV1: wlr_data_control::DataControlManagerUserData
] => wlr_data_control::DataControlState);
delegate_dispatch!(State: [
    ZwlrDataControlDeviceV1: wlr_data_control::DataControlDeviceUserData
] => wlr_data_control::DataControlState);
guard!(
    ZwlrDataControlSourceV1, wlr_data_control::DataControlSourceUserData
        => wlr_data_control::DataControlState,
    |client, source, request| match request {
        zwlr_data_control_source_v1::Request::Offer { mime_type } => offers(client, source, mime_type),
        _ => true,
    },
    source_gone
);
