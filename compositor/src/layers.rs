//! Layer surfaces: panels, wallpaper, launcher, and the prompts of trusted clients.
//!
//! A layer surface with the namespace `argos-prompt` from a client that came in over the private
//! socket is a *prompt*: it is drawn above everything, it is what a click at its place hits, and as
//! long as it is there it has the keyboard. The same namespace from any other client means nothing.

use std::sync::PoisonError;

use smithay::{
    backend::renderer::{element::Id, utils::RendererSurfaceStateUserData},
    desktop::{LayerSurface, PopupKind, WindowSurfaceType, layer_map_for_output},
    output::Output,
    reexports::wayland_server::{
        Resource,
        protocol::{wl_output::WlOutput, wl_surface::WlSurface},
    },
    utils::{Logical, Point},
    wayland::{
        compositor::{SurfaceData, add_pre_commit_hook, with_states},
        shell::{
            wlr_layer::{
                ExclusiveZone, KeyboardInteractivity, Layer, LayerSurface as WlrLayerSurface,
                LayerSurfaceCachedState, LayerSurfaceData, WlrLayerShellHandler,
                WlrLayerShellState,
            },
            xdg::PopupSurface,
        },
        single_pixel_buffer::get_single_pixel_buffer,
    },
};

use crate::{
    outputs::geometry, protocols::sandbox::is_trusted, state::State, windows::has_content, zones,
};

/// The namespace of prompts.
pub const PROMPT: &str = "argos-prompt";

/// Whether a layer surface is a prompt of a trusted client.
pub(crate) fn is_prompt(layer: &LayerSurface) -> bool {
    layer.namespace() == PROMPT
        && layer
            .wl_surface()
            .client()
            .is_some_and(|client| is_trusted(&client))
}

/// The surfaces of a layer of which there is nothing to see: each is one transparent pixel, enlarged. Such a surface
/// only takes clicks; were it drawn, all behind it would be drawn anew when it comes and goes. So it is left out
/// ([`crate::render`]) and counts as seen ([`crate::outputs`]).
pub(crate) fn blank_surfaces(layer: &LayerSurface) -> Vec<Id> {
    let mut blank = Vec::new();
    layer.with_surfaces(|surface, data| {
        if is_blank(data) {
            blank.push(Id::from_wayland_resource(surface));
        }
    });
    blank
}

fn is_blank(data: &SurfaceData) -> bool {
    let Some(state) = data.data_map.get::<RendererSurfaceStateUserData>() else {
        return false;
    };
    // It is replaced as a whole, so there is nothing half done in it.
    let state = state.lock().unwrap_or_else(PoisonError::into_inner);
    state
        .buffer()
        .and_then(|buffer| get_single_pixel_buffer(buffer).ok())
        .is_some_and(|pixel| pixel.rgba32f()[3] == 0.0)
}

impl State {
    /// The layer surface that must have the keyboard: a prompt before all others, then whoever
    /// asked for it exclusively on the upper layers, the newest first.
    pub(crate) fn exclusive_layer(&self) -> Option<LayerSurface> {
        let mut best: Option<(u8, LayerSurface)> = None;
        for output in self.outputs.iter() {
            for layer in layer_map_for_output(output).layers() {
                let state = layer.cached_state();
                let exclusive = state.keyboard_interactivity == KeyboardInteractivity::Exclusive;
                let rank = match state.layer {
                    _ if is_prompt(layer) => 3,
                    Layer::Overlay if exclusive => 2,
                    Layer::Top if exclusive => 1,
                    _ => continue,
                };
                let is_shown = has_content(layer.wl_surface());
                if is_shown && best.as_ref().is_none_or(|(other, _)| *other <= rank) {
                    best = Some((rank, layer.clone()));
                }
            }
        }
        best.map(|(_, layer)| layer)
    }

    /// Whether a prompt is on the screen. Behind a lock there is none.
    pub(crate) fn is_prompting(&self) -> bool {
        !self.is_locked()
            && self
                .exclusive_layer()
                .is_some_and(|layer| is_prompt(&layer))
    }

    /// The layer surface that a surface, its subsurface or its popup belongs to, and its output.
    pub(crate) fn layer_of(&self, surface: &WlSurface) -> Option<(LayerSurface, Output)> {
        self.outputs.iter().find_map(|output| {
            let map = layer_map_for_output(output);
            map.layer_for_surface(surface, WindowSurfaceType::ALL)
                .map(|layer| (layer.clone(), output.clone()))
        })
    }

    /// The surface of a layer that takes input at a point of the global space, with its origin.
    pub(crate) fn layer_under(
        &self,
        output: &Output,
        point: Point<f64, Logical>,
        wanted: impl Fn(&LayerSurface) -> bool,
    ) -> Option<(LayerSurface, WlSurface, Point<f64, Logical>)> {
        let origin = geometry(output).loc;
        let map = layer_map_for_output(output);
        map.layers()
            .rev()
            .filter(|layer| wanted(layer))
            .find_map(|layer| {
                let place = map.layer_geometry(layer)?.loc + origin;
                let (surface, loc) =
                    layer.surface_under(point - place.to_f64(), WindowSurfaceType::ALL)?;
                Some((layer.clone(), surface, (loc + place).to_f64()))
            })
    }

    /// A layer surface, or something that belongs to one, was committed. Returns whether it was.
    pub(crate) fn layer_committed(&mut self, surface: &WlSurface) -> bool {
        let Some((layer, output)) = self.layer_of(surface) else {
            return false;
        };
        if layer.wl_surface() == surface {
            // The client's wishes (anchors, zone, size) count before its first configure.
            zones::committed(surface);
            zones::arrange_output(&output);
            let told = with_states(surface, |states| {
                states
                    .data_map
                    .get::<LayerSurfaceData>()
                    .and_then(|data| data.lock().ok().map(|data| data.initial_configure_sent))
                    .unwrap_or(false)
            });
            if !told {
                layer.layer_surface().send_configure();
            }
        }
        self.outputs.queue(&output);
        true
    }

    /// Puts a layer surface at a point of the global space, whatever its client asked. Other surfaces stay.
    pub(crate) fn place_layer(&mut self, surface: &WlSurface, at: Point<i32, Logical>) {
        if let Some((layer, output)) = self.layer_of(surface)
            && layer.wl_surface() == surface
        {
            zones::put(surface, at - geometry(&output).loc);
            zones::arrange_output(&output);
            self.outputs.queue(&output);
        }
    }
}

/// Clients may ask for any zone and margin that fits 32 bits, of which sums are made. No screen has
/// that many pixels.
fn keep_within_reason(surface: &WlSurface) {
    const MOST: i32 = 1 << 14;
    with_states(surface, |states| {
        let mut cached = states.cached_state.get::<LayerSurfaceCachedState>();
        let pending = cached.pending();
        if let ExclusiveZone::Exclusive(zone) = &mut pending.exclusive_zone {
            *zone = (*zone).min(MOST as u32);
        }
        let margin = &mut pending.margin;
        for side in [
            &mut margin.top,
            &mut margin.right,
            &mut margin.bottom,
            &mut margin.left,
        ] {
            *side = (*side).clamp(-MOST, MOST);
        }
    });
}

impl WlrLayerShellHandler for State {
    fn shell_state(&mut self) -> &mut WlrLayerShellState {
        &mut self.protocols.layer_shell
    }

    fn new_layer_surface(
        &mut self,
        surface: WlrLayerSurface,
        output: Option<WlOutput>,
        _layer: Layer,
        namespace: String,
    ) {
        let output = output
            .as_ref()
            .and_then(Output::from_resource)
            .or_else(|| self.outputs.at(self.pointer_at).cloned())
            .or_else(|| self.outputs.first().cloned());
        let Some(output) = output else {
            // Without an output there is no place; the client will see the next one come.
            surface.send_close();
            return;
        };
        self.announce_scale(surface.wl_surface());
        add_pre_commit_hook::<Self, _>(surface.wl_surface(), |_, _, surface| {
            keep_within_reason(surface);
        });
        let layer = LayerSurface::new(surface, namespace);
        if let Err(error) = layer_map_for_output(&output).map_layer(&layer) {
            tracing::warn!("layer surface `{}`: {error}", layer.namespace());
        }
    }

    fn new_popup(&mut self, _parent: WlrLayerSurface, popup: PopupSurface) {
        if !self.may_pop_up(&popup) {
            return;
        }
        self.unconstrain_popup(&popup);
        if let Err(error) = self.popups.track_popup(PopupKind::from(popup)) {
            tracing::warn!("popup of a layer surface: {error}");
        }
    }

    fn layer_destroyed(&mut self, surface: WlrLayerSurface) {
        let found = self.outputs.iter().find_map(|output| {
            let map = layer_map_for_output(output);
            let layer = map
                .layers()
                .find(|layer| *layer.layer_surface() == surface)
                .cloned();
            layer.map(|layer| (output.clone(), layer))
        });
        if let Some((output, layer)) = found {
            layer_map_for_output(&output).unmap_layer(&layer);
            zones::forget(layer.wl_surface());
            zones::arrange_output(&output);
            self.outputs.queue(&output);
        }
    }
}
