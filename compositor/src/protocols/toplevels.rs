//! `wlr-foreign-toplevel-management-unstable-v1`: the windows, for taskbars.
//!
//! Windows are told that have content, on whichever workspace. As a window's outputs those are told that
//! it is on while its workspace is shown, minimised or not: so a taskbar that lists its own output's windows
//! lists those that can be come back to, and none of other workspaces.

use smithay::{
    output::Output,
    reexports::{
        wayland_protocols_wlr::foreign_toplevel::v1::server::{
            zwlr_foreign_toplevel_handle_v1::{self, State as Is, ZwlrForeignToplevelHandleV1},
            zwlr_foreign_toplevel_manager_v1::{self, ZwlrForeignToplevelManagerV1},
        },
        wayland_server::{
            Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource,
            backend::ClientId, protocol::wl_output::WlOutput,
        },
    },
};

use super::{
    extensions::{is_full, send_away},
    sandbox::{Privilege, may},
};
use crate::{
    layout::{Mode, WindowId},
    outputs::geometry,
    state::State,
};

const VERSION: u32 = 3;

pub(super) fn create_global(dh: &DisplayHandle) {
    dh.create_global::<State, ZwlrForeignToplevelManagerV1, ()>(VERSION, ());
}

/// Who is told of windows.
#[derive(Debug, Default)]
pub(crate) struct Toplevels(Vec<Manager>);

#[derive(Debug)]
struct Manager {
    client: Client,
    object: ZwlrForeignToplevelManagerV1,
    /// It hears of no new windows.
    stopped: bool,
    handles: Vec<Handle>,
}

#[derive(Debug)]
struct Handle {
    object: ZwlrForeignToplevelHandleV1,
    id: WindowId,
    /// Nothing, as long as the client only knows that there is such a window.
    told: Option<Window>,
    outputs: Vec<WlOutput>,
}

/// What is told of a window.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Window {
    title: String,
    app_id: String,
    states: Vec<Is>,
    parent: Option<WindowId>,
}

/// A window as it is.
#[derive(Debug)]
struct Seen {
    id: WindowId,
    window: Window,
    outputs: Vec<Output>,
}

impl State {
    /// Tells taskbars what is new with the windows.
    pub(super) fn tell_toplevels(&mut self) {
        if self.extensions.toplevels.0.is_empty() {
            return;
        }
        let seen = self.seen_windows();
        self.extensions.toplevels.0.retain_mut(|manager| {
            manager.tell(&seen, &self.display);
            let mut handles = manager.handles.iter();
            !manager.stopped || handles.any(|handle| handle.object.is_alive())
        });
    }

    fn seen_windows(&self) -> Vec<Seen> {
        let layout = &self.windows.layout;
        let mut ids = layout.recent().to_vec();
        // In the order in which they came.
        ids.sort_unstable();
        ids.into_iter()
            .filter_map(|id| {
                let managed = self.windows.get(id)?;
                let mode = layout.mode(id)?;
                let shown = [
                    (Is::Maximized, mode == Mode::Maximised),
                    (Is::Minimized, layout.is_minimised(id)),
                    (Is::Activated, layout.focused() == Some(id)),
                    (Is::Fullscreen, matches!(mode, Mode::Fullscreen { .. })),
                ];
                Some(Seen {
                    id,
                    window: Window {
                        title: managed.title.clone(),
                        app_id: managed.app_id.clone(),
                        states: shown
                            .into_iter()
                            .filter_map(|(state, is)| is.then_some(state))
                            .collect(),
                        parent: self.windows.parent_of(managed),
                    },
                    outputs: self.outputs_of(id),
                })
            })
            .collect()
    }

    /// The outputs that a window of a workspace on screen is on.
    fn outputs_of(&self, id: WindowId) -> Vec<Output> {
        let layout = &self.windows.layout;
        if !layout.workspace(id).is_some_and(|n| layout.is_shown(n)) {
            return Vec::new();
        }
        let frame = layout.frame(id).unwrap_or_default();
        let touched = self
            .outputs
            .iter()
            .filter(|output| geometry(output).overlaps(frame));
        let touched: Vec<_> = touched.cloned().collect();
        if touched.is_empty() {
            let nearest = layout
                .output_of(id)
                .and_then(|index| self.outputs.get(index));
            return nearest.into_iter().cloned().collect();
        }
        touched
    }
}

impl Manager {
    fn tell(&mut self, seen: &[Seen], dh: &DisplayHandle) {
        self.handles.retain(|handle| {
            let open = seen.iter().any(|window| window.id == handle.id);
            if !open {
                handle.object.closed();
            }
            open
        });
        // All handles come before what is told of any, since windows name each other.
        for window in seen {
            if self.stopped || self.handles.iter().any(|handle| handle.id == window.id) {
                continue;
            }
            let version = self.object.version();
            let Ok(object) = self
                .client
                .create_resource::<ZwlrForeignToplevelHandleV1, WindowId, State>(
                    dh, version, window.id,
                )
            else {
                return;
            };
            self.object.toplevel(&object);
            self.handles.push(Handle {
                object,
                id: window.id,
                told: None,
                outputs: Vec::new(),
            });
        }
        let objects: Vec<_> = self
            .handles
            .iter()
            .map(|handle| (handle.id, handle.object.clone()))
            .collect();
        for handle in &mut self.handles {
            if let Some(window) = seen.iter().find(|window| window.id == handle.id) {
                handle.tell(window, &objects, &self.client);
            }
        }
    }
}

impl Handle {
    fn tell(
        &mut self,
        seen: &Seen,
        objects: &[(WindowId, ZwlrForeignToplevelHandleV1)],
        client: &Client,
    ) {
        let (object, window) = (&self.object, &seen.window);
        // A handle that its client destroyed is kept, so that the window is not told as a new one.
        if !object.is_alive() {
            return;
        }
        let told = self.told.as_ref();
        let mut changed = told != Some(window);
        if changed {
            let news = |read: fn(&Window) -> &str| told.map(read) != Some(read(window));
            if news(|window| &window.title) {
                object.title(window.title.clone());
            }
            if news(|window| &window.app_id) {
                object.app_id(window.app_id.clone());
            }
            if told.map(|told| &told.states) != Some(&window.states) {
                let states = window.states.iter();
                object.state(
                    states
                        .flat_map(|state| (*state as u32).to_ne_bytes())
                        .collect(),
                );
            }
            if object.version() >= zwlr_foreign_toplevel_handle_v1::EVT_PARENT_SINCE
                && told.map_or(window.parent.is_some(), |told| told.parent != window.parent)
            {
                let parent = window.parent.and_then(|parent| {
                    let (_, object) = objects.iter().find(|(id, _)| *id == parent)?;
                    object.is_alive().then_some(object)
                });
                object.parent(parent);
            }
            self.told = Some(window.clone());
        }
        // A client may bind an output at any time, and several times.
        let now: Vec<_> = seen
            .outputs
            .iter()
            .flat_map(|output| output.client_outputs(client).collect::<Vec<_>>())
            .collect();
        for output in self.outputs.iter().filter(|output| !now.contains(output)) {
            if output.is_alive() {
                object.output_leave(output);
            }
            changed = true;
        }
        for output in now.iter().filter(|output| !self.outputs.contains(output)) {
            object.output_enter(output);
            changed = true;
        }
        self.outputs = now;
        if changed {
            object.done();
        }
    }
}

impl GlobalDispatch<ZwlrForeignToplevelManagerV1, ()> for State {
    fn bind(
        state: &mut Self,
        _: &DisplayHandle,
        client: &Client,
        manager: New<ZwlrForeignToplevelManagerV1>,
        (): &(),
        data_init: &mut DataInit<'_, Self>,
    ) {
        let object = data_init.init(manager, ());
        let managers = &mut state.extensions.toplevels.0;
        if is_full(
            managers.iter().map(|manager| Some(manager.client.clone())),
            client,
        ) {
            send_away(&object, "managers of windows");
            return;
        }
        managers.push(Manager {
            client: client.clone(),
            object,
            stopped: false,
            handles: Vec::new(),
        });
    }

    fn can_view(client: Client, (): &()) -> bool {
        may(&client, Privilege::Toplevels)
    }
}

impl Dispatch<ZwlrForeignToplevelManagerV1, ()> for State {
    fn request(
        _: &mut Self,
        _: &Client,
        manager: &ZwlrForeignToplevelManagerV1,
        request: zwlr_foreign_toplevel_manager_v1::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        if let zwlr_foreign_toplevel_manager_v1::Request::Stop = request {
            // That ends the object; windows that it told of go on being told of.
            manager.finished();
        }
    }

    fn destroyed(state: &mut Self, _: ClientId, object: &ZwlrForeignToplevelManagerV1, (): &()) {
        let mut managers = state.extensions.toplevels.0.iter_mut();
        if let Some(manager) = managers.find(|manager| manager.object == *object) {
            manager.stopped = true;
        }
    }
}

impl Dispatch<ZwlrForeignToplevelHandleV1, WindowId> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        handle: &ZwlrForeignToplevelHandleV1,
        request: zwlr_foreign_toplevel_handle_v1::Request,
        id: &WindowId,
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        use zwlr_foreign_toplevel_handle_v1::{Error, Request};
        let id = *id;
        // The layout ignores windows that are gone.
        match request {
            // Who is to fill the screen is to be seen.
            Request::SetMaximized => state.change_layout(|layout| {
                layout.set_minimised(id, false);
                layout.set_maximised(id, true);
            }),
            Request::UnsetMaximized => {
                state.change_layout(|layout| layout.set_maximised(id, false));
            }
            Request::SetMinimized => state.change_layout(|layout| layout.set_minimised(id, true)),
            Request::UnsetMinimized => {
                state.change_layout(|layout| layout.set_minimised(id, false));
            }
            Request::SetFullscreen { .. } => state.change_layout(|layout| {
                layout.set_minimised(id, false);
                layout.set_fullscreen(id, true);
            }),
            Request::UnsetFullscreen => {
                state.change_layout(|layout| layout.set_fullscreen(id, false));
            }
            Request::Activate { .. } => {
                state.focus_window(id);
            }
            Request::Close => {
                state.close_window(id);
            }
            // Where windows go when they are hidden is not shown, so the place is looked at and not kept.
            Request::SetRectangle {
                x,
                y,
                width,
                height,
                ..
            } if width < 0 || height < 0 => handle.post_error(
                Error::InvalidRectangle,
                format!("{width}x{height} at {x}, {y} is no rectangle"),
            ),
            _ => {}
        }
    }
}
