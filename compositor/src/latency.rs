//! How long a key takes to be seen: from its event to the frame on the screen that shows what followed.
//!
//! Nothing is measured unless somebody on the bus asks for it, and nothing of what is typed at a prompt or on the
//! locked screen. It begins with the time of the event as the kernel gave it, so that a compositor that comes
//! late to it is late, and ends when the back end says that the frame is shown. What follows a key is
//!
//! | of a key | is |
//! |---|---|
//! | that has the shell show a part | the first frame with a layer surface that was not there and takes the keyboard |
//! | that is typed | the first frame with another buffer of the surface that has the keyboard |
//!
//! One key at a time: those that are typed before the last one was seen are not measured. A surface that changes by
//! itself at that moment, as a blinking caret does, can make a single number too small; the largest of many is right.

use std::time::{Duration, Instant};

use argos_bus::compositor::KeyLatency;
use smithay::{
    desktop::layer_map_for_output,
    output::Output,
    reexports::wayland_server::{Resource, protocol::wl_surface::WlSurface},
    wayland::{
        compositor::with_states,
        seat::WaylandFocus,
        shell::wlr_layer::{KeyboardInteractivity, LayerSurfaceCachedState},
    },
};

use crate::{protocols::root_of, state::State};

/// More are not kept.
const KEPT: usize = 1000;
/// An event that is older than this has another clock than ours.
const OLDEST: Duration = Duration::from_secs(60);

/// See the module's page.
#[derive(Debug, Default)]
pub(crate) struct Latency {
    on: bool,
    pending: Option<Pending>,
    measured: Vec<KeyLatency>,
}

/// A key that is not seen yet.
#[derive(Debug)]
struct Pending {
    pressed: Instant,
    follows: Follows,
    stage: Stage,
}

#[derive(Debug)]
enum Follows {
    /// A layer surface besides these.
    Part(Vec<WlSurface>),
    /// Another buffer of this one.
    Buffer(WlSurface),
}

#[derive(Debug)]
enum Stage {
    Waits,
    /// It is committed, by the surface of this name.
    Committed(String),
    /// It is drawn on this output.
    Drawn(String, Output),
}

impl Latency {
    /// Whether a key waits for what follows it.
    pub(crate) fn waits(&self) -> bool {
        let pending = self.pending.as_ref();
        pending.is_some_and(|pending| matches!(pending.stage, Stage::Waits))
    }

    /// What follows the key is drawn on this output.
    pub(crate) fn drawn(&mut self, output: &Output, changed: bool) {
        let Some(pending) = &mut self.pending else {
            return;
        };
        if let Stage::Committed(name) = &mut pending.stage {
            pending.stage = if changed {
                Stage::Drawn(std::mem::take(name), output.clone())
            } else {
                // Nothing of it is to be seen; something else may follow.
                Stage::Waits
            };
        }
    }

    /// A frame of this output is on the screen.
    pub(crate) fn presented(&mut self, output: &Output) {
        let here =
            |pending: &mut Pending| matches!(&pending.stage, Stage::Drawn(_, on) if on == output);
        let Some(Pending {
            pressed,
            follows,
            stage: Stage::Drawn(surface, _),
        }) = self.pending.take_if(here)
        else {
            return;
        };
        if self.measured.len() < KEPT {
            self.measured.push(KeyLatency {
                surface,
                appeared: matches!(follows, Follows::Part(_)),
                milliseconds: pressed.elapsed().as_secs_f64() * 1000.0,
            });
        }
    }
}

impl State {
    /// Begins to measure keys, or ends it. Returns what was measured since the last time.
    pub fn measure_keys(&mut self, on: bool) -> Vec<KeyLatency> {
        self.latency.on = on;
        self.latency.pending = None;
        std::mem::take(&mut self.latency.measured)
    }

    /// A key was pressed at this time, which the shell answers (`part`) or whoever has the keyboard.
    pub(crate) fn key_to_measure(&mut self, time: u32, part: bool) {
        if !self.latency.on || self.is_prompting() || self.is_locked() {
            return;
        }
        let open = |pending: &Pending| match &pending.follows {
            // A part that was shown is hidden by the same key.
            Follows::Part(_) => !part,
            Follows::Buffer(surface) => surface.is_alive() && !part,
        };
        if self.latency.pending.as_ref().is_some_and(open) {
            return;
        }
        let follows = if part {
            Follows::Part(self.layer_surfaces())
        } else {
            let focus = self.keyboard.current_focus();
            let surface =
                focus.and_then(|focus| focus.wl_surface().map(|surface| root_of(&surface)));
            match surface {
                Some(surface) => Follows::Buffer(surface),
                None => return,
            }
        };
        // The clocks are one; the time is in milliseconds, and its upper bits are missing.
        let age = (self.now().as_millis() as u32).wrapping_sub(time);
        let age = Some(Duration::from_millis(age.into())).filter(|age| *age <= OLDEST);
        let now = Instant::now();
        self.latency.pending = Some(Pending {
            pressed: now.checked_sub(age.unwrap_or_default()).unwrap_or(now),
            follows,
            stage: Stage::Waits,
        });
    }

    fn layer_surfaces(&self) -> Vec<WlSurface> {
        let outputs = self.outputs.iter();
        let layers = outputs.flat_map(|output| {
            let map = layer_map_for_output(output);
            let layers = map.layers().map(|layer| layer.wl_surface().clone());
            layers.collect::<Vec<_>>()
        });
        layers.collect()
    }

    /// A surface has another buffer, while a key waits for one.
    pub(crate) fn latency_committed(&mut self, root: &WlSurface) {
        let Some(pending) = self.latency.pending.as_ref() else {
            return;
        };
        let layer = self.layer_of(root).map(|(layer, _)| layer);
        let name = match (&pending.follows, layer) {
            (Follows::Buffer(surface), layer) if surface == root => {
                layer.map_or_else(String::new, |layer| layer.namespace().to_owned())
            }
            (Follows::Part(before), Some(layer)) if !before.contains(root) => {
                let keyboard = with_states(root, |states| {
                    let mut cached = states.cached_state.get::<LayerSurfaceCachedState>();
                    cached.current().keyboard_interactivity
                });
                if keyboard == KeyboardInteractivity::None {
                    return;
                }
                layer.namespace().to_owned()
            }
            _ => return,
        };
        if let Some(pending) = &mut self.latency.pending {
            pending.stage = Stage::Committed(name);
        }
    }
}
