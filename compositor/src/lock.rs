//! The locked session: nothing of it is seen or reached until its person has unlocked it.
//!
//! The protocol is `ext-session-lock-v1`, which only trusted clients see ([`Privilege::Locking`]);
//! the locker is a process of its own (`argos-shell lock`). Who may unlock is the *owner*: the lock
//! object that was taken in, once it was told `locked`. Locked is a state of the compositor, not of
//! the locker:
//!
//! | state | means | then |
//! |---|---|---|
//! | open | the desktop | a key, the bus or a locker: locked, without an owner or with one |
//! | locked, no owner | outputs are one plain colour; a locker was asked for | a locker's `lock`: it is the owner |
//! | owner, not told | the same, until no output shows anything of the session any more | told `locked` |
//! | owner, told | its surfaces are shown, they alone get input | it unlocks: open; it dies: no owner |
//!
//! From the moment of locking on, input goes to the owner's surfaces or nowhere and key bindings do
//! nothing; [`crate::outputs`] keeps for each output whether it may still show the session. A locker
//! that comes while there is an owner is sent away.
//!
//! Where there is nothing behind the lock (the greeter's screen, [`crate::greeter`]), unlocking is the end.
//!
//! A compositor that dies while it is locked must not come back open: a *mark*, a file in the
//! session's runtime folder, says that it is to start locked.

use std::{fs, io, path::PathBuf, time::Duration};

use smithay::{
    desktop::{PopupManager, layer_map_for_output, utils::under_from_surface_tree},
    input::pointer::{CursorImageStatus, MotionEvent},
    output::Output,
    reexports::{
        calloop::timer::{TimeoutAction, Timer},
        wayland_protocols::ext::session_lock::v1::server::{
            ext_session_lock_manager_v1::ExtSessionLockManagerV1,
            ext_session_lock_surface_v1::ExtSessionLockSurfaceV1,
            ext_session_lock_v1::{self, ExtSessionLockV1},
        },
        wayland_server::{
            Client, DataInit, Dispatch, DisplayHandle, Resource,
            backend::ClientId,
            delegate_dispatch, delegate_global_dispatch,
            protocol::{wl_output::WlOutput, wl_surface::WlSurface},
        },
    },
    utils::{Logical, Point, SERIAL_COUNTER, Size},
    wayland::session_lock::{
        ExtLockSurfaceUserData, LockSurface, SessionLockHandler, SessionLockManagerGlobalData,
        SessionLockManagerState, SessionLockState, SessionLocker,
    },
};
use tokio::sync::oneshot;

use crate::{outputs::geometry, protocols::sandbox::Privilege, state::State, windows::has_content};

/// After this long without a locker another one is asked for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether the session is locked, and by whom.
#[derive(Debug)]
pub(crate) struct Lock {
    protocol: SessionLockManagerState,
    locked: Option<Locked>,
    support: Option<Support>,
    /// There is nothing that could be unlocked.
    for_good: bool,
}

/// What locking needs.
struct Support {
    /// Gets a locker started; may be called although there is one.
    start: Box<dyn Fn()>,
    /// Where the mark is.
    mark: PathBuf,
}

impl std::fmt::Debug for Support {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Support")
            .field("mark", &self.mark)
            .finish_non_exhaustive()
    }
}

/// A session that is locked.
#[derive(Debug, Default)]
pub(crate) struct Locked {
    owner: Option<Owner>,
    /// The owner's, one for each output at most.
    surfaces: Vec<(LockSurface, Output)>,
    /// Who waits to hear that nothing is to be seen any more.
    askers: Vec<oneshot::Sender<argos_bus::Result<()>>>,
}

/// The locker's lock object.
#[derive(Debug)]
struct Owner {
    lock: ExtSessionLockV1,
    /// What tells it `locked`, until that is done.
    untold: Option<SessionLocker>,
}

impl Lock {
    pub(crate) fn new(dh: &DisplayHandle) -> Self {
        Self {
            protocol: SessionLockManagerState::new::<State, _>(dh, Privilege::Locking.filter()),
            locked: None,
            support: None,
            for_good: false,
        }
    }

    /// The lock, if the session is locked.
    pub(crate) fn locked(&self) -> Option<&Locked> {
        self.locked.as_ref()
    }

    fn mark(&self, locked: bool) {
        let Some(Support { mark, .. }) = &self.support else {
            return;
        };
        let done = if locked {
            fs::write(mark, "")
        } else {
            fs::remove_file(mark)
        };
        match done {
            Err(error) if error.kind() != io::ErrorKind::NotFound || locked => tracing::error!(
                "{}: {error}; should the compositor end now, it comes back {}",
                mark.display(),
                if locked { "unlocked" } else { "locked" }
            ),
            _ => {}
        }
    }
}

impl Locked {
    /// What the locker shows on an output.
    pub(crate) fn surface_on(&self, output: &Output) -> Option<&WlSurface> {
        self.surfaces
            .iter()
            .find(|(surface, on)| on == output && surface.alive())
            .map(|(surface, _)| surface.wl_surface())
    }

    fn output_of(&self, surface: &WlSurface) -> Option<&Output> {
        self.surfaces
            .iter()
            .find(|(other, _)| other.wl_surface() == surface)
            .map(|(_, output)| output)
    }

    fn is_owner(&self, lock: &ExtSessionLockV1) -> bool {
        self.owner.as_ref().is_some_and(|owner| owner.lock == *lock)
    }
}

impl State {
    /// Lets the session be locked. `start` gets a locker started, one that connects to the private
    /// socket. `mark` is the file that says to a compositor that starts that it is to be locked;
    /// if it is there, the session is locked now.
    pub fn allow_lock(&mut self, start: impl Fn() + 'static, mark: PathBuf) {
        let was_locked = mark.exists();
        self.lock.support = Some(Support {
            start: Box::new(start),
            mark,
        });
        if was_locked {
            tracing::info!("the session was locked when the last compositor ended");
            self.lock_session();
        }
    }

    /// Whether the session is locked.
    pub fn is_locked(&self) -> bool {
        self.lock.locked.is_some()
    }

    /// Locks the session at once and gets a locker started. `answer` is given when no output shows
    /// anything of the session any more.
    pub(crate) fn lock_for(&mut self, answer: oneshot::Sender<argos_bus::Result<()>>) {
        if self.lock.support.is_none() {
            // The asker may have gone meanwhile.
            let _ = answer.send(Err(argos_bus::Error::Unavailable(
                "this compositor has no private socket, over which a locker could unlock the screen \
                 again; start it with --private-socket"
                    .to_owned(),
            )));
            return;
        }
        if self.lock_session()
            && let Some(locked) = &mut self.lock.locked
        {
            locked.askers.push(answer);
        }
    }

    /// Locks the session, where that can be undone. Returns whether it is locked.
    pub(crate) fn lock_session(&mut self) -> bool {
        if self.is_locked() {
            return true;
        }
        if self.lock.support.is_none() {
            tracing::warn!("not locked: without --private-socket nothing could unlock it");
            return false;
        }
        self.draw_the_curtain();
        self.want_locker();
        true
    }

    /// Locks the session until the compositor ends. Nobody is started who could unlock it.
    pub(crate) fn lock_for_good(&mut self) {
        self.lock.for_good = true;
        self.draw_the_curtain();
    }

    fn draw_the_curtain(&mut self) {
        tracing::info!("locked");
        self.lock.locked = Some(Locked::default());
        self.lock.mark(true);
        // Whatever was under way with keyboard and pointer ends, and ends without effect: a drag is
        // over nothing when it is let go of.
        self.tap = None;
        self.release_modifiers();
        self.pending_drag = None;
        self.last_title_press = None;
        self.change_layout(crate::layout::Layout::cycle_end);
        self.close_overview();
        let keyboard = self.keyboard.clone();
        if keyboard.is_grabbed() {
            keyboard.unset_grab(self);
        }
        let pointer = self.pointer.clone();
        let (serial, time) = (SERIAL_COUNTER.next_serial(), self.now().as_millis() as u32);
        let location = self.pointer_at;
        let nowhere = MotionEvent {
            location,
            serial,
            time,
        };
        pointer.motion(self, None, &nowhere);
        if pointer.is_grabbed() {
            pointer.unset_grab(self, serial, time);
        }
        pointer.frame(self);
        self.touched.clear();
        if let Some(touch) = self.seat.get_touch() {
            touch.cancel(self);
            touch.unset_grab(self);
        }
        self.close_menus();
        self.cursor.drag_icon = None;
        self.cursor.set_status(CursorImageStatus::default_named());
        self.outputs.queue_all();
    }

    /// Menus lost their grab; without one they could not be left.
    fn close_menus(&self) {
        let windows = self.windows.list();
        let windows = windows
            .iter()
            .filter_map(|window| self.windows.surface(crate::layout::WindowId(window.id)));
        let layers: Vec<_> = self
            .outputs
            .iter()
            .flat_map(|output| {
                let map = layer_map_for_output(output);
                map.layers()
                    .map(|layer| layer.wl_surface().clone())
                    .collect::<Vec<_>>()
            })
            .collect();
        for root in windows.chain(layers) {
            for (popup, _) in PopupManager::popups_for_surface(&root).collect::<Vec<_>>() {
                // One that closed with its parent is gone already.
                let _ = PopupManager::dismiss_popup(&root, &popup);
            }
        }
    }

    /// Asks for a locker, and asks again as long as there is none.
    fn want_locker(&self) {
        let Some(support) = &self.lock.support else {
            return;
        };
        (support.start)();
        let again = Timer::from_duration(PATIENCE);
        let timer = self.handle.insert_source(again, |_, (), state| {
            match (&state.lock.locked, &state.lock.support) {
                (Some(Locked { owner: None, .. }), Some(support)) => {
                    tracing::warn!("locked, and there is no locker yet; asking for one again");
                    (support.start)();
                    TimeoutAction::ToDuration(PATIENCE)
                }
                _ => TimeoutAction::Drop,
            }
        });
        if let Err(error) = timer {
            tracing::error!("no second attempt to start a locker: {error}");
        }
    }

    /// Tells who waits for it once nothing of the session is to be seen.
    pub(crate) fn confirm_lock(&mut self) {
        let Some(locked) = &mut self.lock.locked else {
            return;
        };
        if !self.outputs.all_closed() {
            return;
        }
        if let Some(untold) = locked.owner.as_mut().and_then(|owner| owner.untold.take()) {
            untold.lock();
        }
        for asker in locked.askers.drain(..) {
            // The asker may have gone meanwhile.
            let _ = asker.send(Ok(()));
        }
    }

    /// The surface of the locker that has the keyboard: where the pointer is, or else any.
    pub(crate) fn lock_focus(&self) -> Option<WlSurface> {
        let locked = self.lock.locked.as_ref()?;
        let shown = |output: &Output| {
            locked
                .surface_on(output)
                .filter(|surface| has_content(surface))
                .cloned()
        };
        let here = self.outputs.at(self.pointer_at).and_then(shown);
        here.or_else(|| self.outputs.iter().find_map(shown))
    }

    /// The surface of the locker at a point of the global space, with its origin.
    pub(crate) fn lock_under(
        &self,
        locked: &Locked,
        output: &Output,
        point: Point<f64, Logical>,
    ) -> Option<(WlSurface, Point<f64, Logical>)> {
        use smithay::desktop::WindowSurfaceType;
        let origin = geometry(output).loc;
        let root = locked.surface_on(output)?;
        under_from_surface_tree(root, point, origin, WindowSurfaceType::ALL)
            .map(|(surface, origin)| (surface, origin.to_f64()))
    }

    /// A surface of the locker was committed. Returns whether it was one.
    pub(crate) fn lock_committed(&mut self, surface: &WlSurface) -> bool {
        let output = self
            .lock
            .locked
            .as_ref()
            .and_then(|locked| locked.output_of(surface).cloned());
        if let Some(output) = &output {
            self.outputs.queue(output);
        }
        output.is_some()
    }

    /// Outputs changed: the locker's surfaces have their size.
    pub(crate) fn arrange_lock(&mut self) {
        let Some(locked) = &mut self.lock.locked else {
            return;
        };
        locked
            .surfaces
            .retain(|(surface, output)| surface.alive() && self.outputs.index_of(output).is_some());
        for (surface, output) in &locked.surfaces {
            fit(surface, output);
            surface.send_configure();
        }
    }

    /// The lock object is gone: by its client's will, or with its client.
    fn lock_object_gone(&mut self, lock: &ExtSessionLockV1) {
        let Some(locked) = &mut self.lock.locked else {
            return;
        };
        if locked.is_owner(lock) {
            tracing::warn!("the locker is gone; the session stays locked");
            locked.owner = None;
            locked.surfaces.clear();
            self.outputs.queue_all();
            self.want_locker();
        }
    }
}

/// Says how large the output is; the next configure tells it.
fn fit(surface: &LockSurface, output: &Output) {
    let size = geometry(output).size;
    let size = Size::from((size.w.max(0) as u32, size.h.max(0) as u32));
    surface.with_pending_state(|pending| pending.size = Some(size));
}

impl SessionLockHandler for State {
    fn lock_state(&mut self) -> &mut SessionLockManagerState {
        &mut self.lock.protocol
    }

    fn lock(&mut self, confirmation: SessionLocker) {
        if !self.is_locked() {
            self.draw_the_curtain();
        }
        let Some(locked) = &mut self.lock.locked else {
            return;
        };
        if locked.owner.is_some() {
            // Dropping the confirmation tells the client that it is not its lock.
            tracing::warn!("a second locker came; the session has one");
            return;
        }
        locked.surfaces.clear();
        locked.owner = Some(Owner {
            lock: confirmation.ext_session_lock().clone(),
            untold: Some(confirmation),
        });
        self.outputs.queue_all();
    }

    fn unlock(&mut self) {
        // That it is the owner who asks was seen to in `request` below.
        if self.lock.for_good {
            tracing::info!("nothing is behind this lock: ending");
            self.stop();
            return;
        }
        tracing::info!("unlocked");
        self.lock.locked = None;
        self.lock.mark(false);
        self.outputs.queue_all();
    }

    fn new_surface(&mut self, surface: LockSurface, output: WlOutput) {
        let Some(output) = Output::from_resource(&output) else {
            return;
        };
        self.announce_scale(surface.wl_surface());
        fit(&surface, &output);
        let Some(locked) = &mut self.lock.locked else {
            return;
        };
        let owners = locked
            .owner
            .as_ref()
            .is_some_and(|owner| owner.lock.id().same_client_as(&surface.wl_surface().id()));
        if owners {
            locked.surfaces.retain(|(_, other)| *other != output);
            locked.surfaces.push((surface, output));
        }
    }
}

impl Dispatch<ExtSessionLockV1, SessionLockState> for State {
    fn request(
        state: &mut Self,
        client: &Client,
        lock: &ExtSessionLockV1,
        request: ext_session_lock_v1::Request,
        data: &SessionLockState,
        dh: &DisplayHandle,
        data_init: &mut DataInit<'_, Self>,
    ) {
        // Smithay would unlock for any lock object, also one that was sent away or not yet told.
        if matches!(request, ext_session_lock_v1::Request::UnlockAndDestroy) {
            let may = state.lock.locked.as_ref().is_some_and(|locked| {
                let told = |owner: &Owner| owner.untold.is_none();
                locked.is_owner(lock) && locked.owner.as_ref().is_some_and(told)
            });
            if !may {
                lock.post_error(
                    ext_session_lock_v1::Error::InvalidUnlock,
                    "this lock is not the one that holds the session locked",
                );
                return;
            }
        }
        <SessionLockManagerState as Dispatch<ExtSessionLockV1, SessionLockState, Self>>::request(
            state, client, lock, request, data, dh, data_init,
        );
    }

    fn destroyed(state: &mut Self, _: ClientId, lock: &ExtSessionLockV1, _: &SessionLockState) {
        state.lock_object_gone(lock);
    }
}

delegate_global_dispatch!(State: [ExtSessionLockManagerV1: SessionLockManagerGlobalData] => SessionLockManagerState);
delegate_dispatch!(State: [ExtSessionLockManagerV1: ()] => SessionLockManagerState);
delegate_dispatch!(State: [ExtSessionLockSurfaceV1: ExtLockSurfaceUserData] => SessionLockManagerState);
