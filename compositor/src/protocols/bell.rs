//! The bell of `xdg-system-bell`: it is seen, not heard. The window that rang lights up for a
//! moment, no more than twice a second.

use std::time::Duration;

use smithay::{
    backend::renderer::element::solid::SolidColorBuffer,
    delegate_xdg_system_bell,
    reexports::{
        calloop::timer::{TimeoutAction, Timer},
        wayland_server::{DisplayHandle, protocol::wl_surface::WlSurface},
    },
    wayland::xdg_system_bell::{XdgSystemBellHandler, XdgSystemBellState},
};

use super::root_of;
use crate::{layout::WindowId, state::State};

/// How long a window is lit.
const LIT: Duration = Duration::from_millis(120);
/// From one ring to the next that is taken notice of.
const PAUSE: Duration = Duration::from_millis(500);
/// How much of the accent colour covers the window.
const STRENGTH: f32 = 0.25;

/// A window that is lit.
#[derive(Debug)]
pub(crate) struct Flash {
    pub(crate) window: WindowId,
    /// Over the whole frame.
    pub(crate) cover: SolidColorBuffer,
}

/// Keeps the global alive, and when it was rung last.
#[derive(Debug)]
pub(crate) struct BellProtocol {
    _bell: XdgSystemBellState,
    rung: Option<Duration>,
}

impl BellProtocol {
    pub(crate) fn new(dh: &DisplayHandle) -> Self {
        Self {
            _bell: XdgSystemBellState::new::<State>(dh),
            rung: None,
        }
    }
}

impl XdgSystemBellHandler for State {
    fn ring(&mut self, surface: Option<WlSurface>) {
        let now = self.now();
        let last = self.protocols.bell.rung;
        if last.is_some_and(|last| now.saturating_sub(last) < PAUSE) {
            return;
        }
        self.protocols.bell.rung = Some(now);
        // Who does not say which window rings may be in the background: then nothing is shown.
        let Some(window) = surface.and_then(|surface| {
            let managed = self.windows.by_surface(&root_of(&surface))?;
            self.windows
                .layout
                .is_visible(managed.id)
                .then_some(managed.id)
        }) else {
            tracing::debug!("the bell was rung by something that is not on the screen");
            return;
        };
        let Some(frame) = self.windows.layout.frame(window) else {
            return;
        };
        let colour: [f32; 4] = self.look.accent.linear();
        let cover = SolidColorBuffer::new(frame.size, colour.map(|part| part * STRENGTH));
        self.windows.flash = Some(Flash { window, cover });
        self.outputs.queue_rect(frame);
        let out = self
            .handle
            .insert_source(Timer::from_duration(LIT), |_, (), state| {
                state.windows.flash = None;
                state.outputs.queue_all();
                TimeoutAction::Drop
            });
        if let Err(error) = out {
            // Nothing would put it out again.
            self.windows.flash = None;
            tracing::warn!("the bell cannot be shown: {}", error.error);
        }
    }
}

delegate_xdg_system_bell!(State);
