//! Who draws the title bar, by `xdg-decoration` and by the KDE protocol that came before it, which
//! GTK 3 still speaks.

use std::cell::Cell;

use smithay::{
    delegate_kde_decoration, delegate_xdg_decoration,
    reexports::{
        wayland_protocols::xdg::decoration::zv1::server::zxdg_toplevel_decoration_v1::Mode,
        wayland_protocols_misc::server_decoration::server::{
            org_kde_kwin_server_decoration::{Mode as KdeMode, OrgKdeKwinServerDecoration},
            org_kde_kwin_server_decoration_manager::Mode as KdeDefault,
        },
        wayland_server::{DisplayHandle, WEnum, protocol::wl_surface::WlSurface},
    },
    wayland::{
        compositor::with_states,
        shell::{
            kde::decoration::{KdeDecorationHandler, KdeDecorationState},
            xdg::{
                ToplevelSurface,
                decoration::{XdgDecorationHandler, XdgDecorationState},
            },
        },
    },
};

use crate::state::State;

/// Smithay's state of these protocols.
#[derive(Debug)]
pub(crate) struct DecorationProtocols {
    _xdg: XdgDecorationState,
    kde: KdeDecorationState,
}

impl DecorationProtocols {
    pub(crate) fn new(dh: &DisplayHandle) -> Self {
        Self {
            _xdg: XdgDecorationState::new::<State>(dh),
            // Clients of the old protocol draw their own unless they ask.
            kde: KdeDecorationState::new::<State>(dh, KdeDefault::Client),
        }
    }
}

/// Whether a surface asked over the KDE protocol for a title bar of the compositor's. It may do so
/// before it is a toplevel.
#[derive(Debug, Default)]
struct WantsTitleBar(Cell<bool>);

impl State {
    /// A toplevel is new: what its surface asked for earlier holds.
    pub(crate) fn recall_decoration(&mut self, toplevel: &ToplevelSurface) {
        let wanted = with_states(toplevel.wl_surface(), |states| {
            states
                .data_map
                .get::<WantsTitleBar>()
                .is_some_and(|wants| wants.0.get())
        });
        if wanted {
            self.set_decoration(toplevel, Mode::ServerSide);
        }
    }

    fn set_kde_decoration(&mut self, surface: &WlSurface, server: bool) {
        with_states(surface, |states| {
            states
                .data_map
                .get_or_insert(WantsTitleBar::default)
                .0
                .set(server);
        });
        let toplevel = self
            .windows
            .by_surface(surface)
            .and_then(|managed| managed.toplevel().cloned());
        if let Some(toplevel) = toplevel {
            let mode = if server {
                Mode::ServerSide
            } else {
                Mode::ClientSide
            };
            self.set_decoration(&toplevel, mode);
        }
    }
}

impl XdgDecorationHandler for State {
    fn new_decoration(&mut self, toplevel: ToplevelSurface) {
        self.unset_mode(toplevel);
    }

    fn request_mode(&mut self, toplevel: ToplevelSurface, mode: Mode) {
        self.set_decoration(&toplevel, mode);
    }

    /// Who can have either and does not mind gets what most windows have. Qt is such a client; its own title bars
    /// are like nobody else's.
    fn unset_mode(&mut self, toplevel: ToplevelSurface) {
        self.set_decoration(&toplevel, Mode::ServerSide);
    }
}

impl KdeDecorationHandler for State {
    fn kde_decoration_state(&self) -> &KdeDecorationState {
        &self.protocols.decorations.kde
    }

    fn new_decoration(&mut self, _: &WlSurface, decoration: &OrgKdeKwinServerDecoration) {
        decoration.mode(KdeMode::Client);
    }

    fn request_mode(
        &mut self,
        surface: &WlSurface,
        decoration: &OrgKdeKwinServerDecoration,
        mode: WEnum<KdeMode>,
    ) {
        // Whatever is asked for is granted, so there is nothing to argue about in a loop.
        let WEnum::Value(mode) = mode else {
            return;
        };
        decoration.mode(mode);
        self.set_kde_decoration(surface, mode == KdeMode::Server);
    }

    fn release(&mut self, _: &OrgKdeKwinServerDecoration, surface: &WlSurface) {
        use smithay::utils::IsAlive;
        if surface.alive() {
            self.set_kde_decoration(surface, false);
        }
    }
}

delegate_xdg_decoration!(State);
delegate_kde_decoration!(State);
