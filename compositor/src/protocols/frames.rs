//! When a client's content is applied and when it is asked for more: frame callbacks of what is
//! not drawn, `fifo`, `commit-timing`, fences of buffers on the GPU; and what it says of its
//! content, `alpha-modifier` (Smithay's elements honour it, but its pixman renderer not for buffers
//! without an alpha channel) and `content-type` (a hint, for [`crate::refresh`]).
//!
//! Whoever is drawn hears of it with each frame ([`crate::outputs`]). A surface that waits for a
//! frame (it asked for a callback, or holds a fifo barrier) and is not drawn is let on after
//! [`HIDDEN`], so that programs in the background go on, slowly. No timer runs while nobody waits.

use std::time::Duration;

use smithay::{
    backend::drm::DrmDeviceFd,
    delegate_alpha_modifier, delegate_commit_timing, delegate_content_type, delegate_drm_syncobj,
    delegate_fifo,
    reexports::{
        calloop::{
            Interest, RegistrationToken,
            timer::{TimeoutAction, Timer},
        },
        wayland_server::{Client, DisplayHandle, Resource, protocol::wl_surface::WlSurface},
    },
    utils::{IsAlive, Monotonic, Time},
    wayland::{
        alpha_modifier::AlphaModifierState,
        commit_timing::{
            CommitTimerBarrierStateUserData, CommitTimerStateUserData, CommitTimingManagerState,
            Timestamp,
        },
        compositor::{
            BufferAssignment, CompositorHandler, SurfaceAttributes, SurfaceData, add_blocker,
            add_pre_commit_hook, with_states,
        },
        content_type::ContentTypeState,
        dmabuf::get_dmabuf,
        drm_syncobj::{
            DrmSyncobjCachedState, DrmSyncobjHandler, DrmSyncobjState, supports_syncobj_eventfd,
        },
        fifo::{FifoBarrierCachedState, FifoManagerState},
    },
};

use crate::state::State;

/// A surface that waits and is not drawn is let on after this long.
const HIDDEN: Duration = Duration::from_secs(1);
/// A commit that is timed for later than this is looked at again then.
const HORIZON: Duration = Duration::from_secs(3600);

/// Smithay's state of these protocols, and who waits.
#[derive(Debug)]
pub(crate) struct FrameProtocols {
    _fifo: FifoManagerState,
    _commit_timing: CommitTimingManagerState,
    _alpha_modifier: AlphaModifierState,
    _content_type: ContentTypeState,
    explicit_sync: Option<DrmSyncobjState>,
    /// Surfaces that waited for a frame when they were committed, and when that was.
    waiting: Vec<(WlSurface, Duration)>,
    is_watching: bool,
    /// Surfaces with commits for later.
    timed: Vec<WlSurface>,
    alarm: Option<(RegistrationToken, Duration)>,
}

impl FrameProtocols {
    pub(crate) fn new(dh: &DisplayHandle) -> Self {
        Self {
            _fifo: FifoManagerState::new::<State>(dh),
            _commit_timing: CommitTimingManagerState::new::<State>(dh),
            _alpha_modifier: AlphaModifierState::new::<State>(dh),
            _content_type: ContentTypeState::new::<State>(dh),
            explicit_sync: None,
            waiting: Vec::new(),
            is_watching: false,
            timed: Vec::new(),
            alarm: None,
        }
    }

    /// Offers explicit synchronisation by a device, where the kernel can tell when a fence is signalled. Without a
    /// device it is offered no more.
    pub(crate) fn offer_explicit_sync(&mut self, dh: &DisplayHandle, device: Option<DrmDeviceFd>) {
        let Some(device) = device.filter(supports_syncobj_eventfd) else {
            if let Some(offered) = self.explicit_sync.take() {
                dh.disable_global::<State>(offered.into_global());
            }
            return;
        };
        match &mut self.explicit_sync {
            Some(offered) => offered.update_device(device),
            None => self.explicit_sync = Some(DrmSyncobjState::new::<State>(dh, device)),
        }
    }
}

/// Whether a surface wants to hear of a frame.
fn waits(states: &SurfaceData) -> bool {
    let mut attributes = states.cached_state.get::<SurfaceAttributes>();
    let mut fifo = states.cached_state.get::<FifoBarrierCachedState>();
    !attributes.current().frame_callbacks.is_empty() || fifo.current().barrier.is_some()
}

/// The surface's frame was shown, or would have been: the next commit may follow. Returns whether
/// there was one to hold.
pub(crate) fn pass_barrier(states: &SurfaceData) -> bool {
    let mut fifo = states.cached_state.get::<FifoBarrierCachedState>();
    let barrier = fifo.current().barrier.take();
    barrier.map(|barrier| barrier.signal()).is_some()
}

/// Holds the commits of a new surface until they may be applied.
pub(crate) fn hold_commits(surface: &WlSurface) {
    add_pre_commit_hook::<State, _>(surface, |state, _, surface| {
        let (dmabuf, acquire, timestamp) = with_states(surface, |states| {
            let mut attributes = states.cached_state.get::<SurfaceAttributes>();
            let dmabuf = match attributes.pending().buffer.as_ref() {
                Some(BufferAssignment::NewBuffer(buffer)) => get_dmabuf(buffer).cloned().ok(),
                _ => None,
            };
            let mut fences = states.cached_state.get::<DrmSyncobjCachedState>();
            let timestamp = states
                .data_map
                .get::<CommitTimerStateUserData>()
                .and_then(|timer| timer.borrow().timestamp);
            (dmabuf, fences.pending().acquire_point.clone(), timestamp)
        });
        if let Some(timestamp) = timestamp {
            state.expect_commit(surface, timestamp);
        }
        let (Some(dmabuf), Some(client)) = (dmabuf, surface.client()) else {
            return;
        };
        // A buffer on the GPU is shown only once the client's drawing is done: when its fence says
        // so, or else the buffer itself.
        let fence = acquire.and_then(|acquire| {
            acquire
                .generate_blocker()
                .inspect_err(|error| {
                    tracing::warn!("a client's fence cannot be waited for: {error}");
                })
                .ok()
        });
        if let Some((blocker, source)) = fence {
            let cleared = state.handle.insert_source(source, move |(), _, state| {
                state.apply_held(&client);
                Ok(())
            });
            if cleared.is_ok() {
                add_blocker(surface, blocker);
            }
        } else if let Ok((blocker, source)) = dmabuf.generate_blocker(Interest::READ) {
            let cleared = state.handle.insert_source(source, move |(), _, state| {
                state.apply_held(&client);
                Ok(())
            });
            if cleared.is_ok() {
                add_blocker(surface, blocker);
            }
        }
    });
}

impl State {
    /// Applies those of a client's commits that nothing holds any more.
    fn apply_held(&mut self, client: &Client) {
        let dh = self.display.clone();
        self.client_compositor_state(client)
            .blocker_cleared(self, &dh);
    }

    /// Applies clients' commits in the next turn, which begins at once.
    pub(crate) fn apply_held_soon(&mut self, clients: Vec<Client>) {
        if clients.is_empty() {
            return;
        }
        let next = self
            .handle
            .insert_source(Timer::immediate(), move |_, (), state| {
                for client in &clients {
                    state.apply_held(client);
                }
                TimeoutAction::Drop
            });
        if let Err(error) = next {
            tracing::warn!("commits stay held: {}", error.error);
        }
    }

    /// A surface was committed: if it waits for a frame, it is not forgotten should none come. Returns whether it
    /// waits.
    pub(crate) fn watch_frames(&mut self, surface: &WlSurface) -> bool {
        if !with_states(surface, waits) {
            return false;
        }
        let now = self.now();
        let waiting = &mut self.protocols.frames.waiting;
        match waiting.iter_mut().find(|(other, _)| other == surface) {
            Some((_, since)) => *since = now,
            None => waiting.push((surface.clone(), now)),
        }
        if self.protocols.frames.is_watching {
            return true;
        }
        let timer = self
            .handle
            .insert_source(Timer::from_duration(HIDDEN), |_, (), state| {
                state.let_overdue_on()
            });
        self.protocols.frames.is_watching = timer.is_ok();
        true
    }

    /// Lets those surfaces on that waited too long.
    fn let_overdue_on(&mut self) -> TimeoutAction {
        let now = self.now();
        let mut held = Vec::new();
        let mut next: Option<Duration> = None;
        self.protocols.frames.waiting.retain(|(surface, since)| {
            if !surface.alive() {
                return false;
            }
            with_states(surface, |states| {
                let left = HIDDEN.saturating_sub(now.saturating_sub(*since));
                if !left.is_zero() {
                    let waits = waits(states);
                    if waits {
                        next = Some(next.map_or(left, |next| next.min(left)));
                    }
                    return waits;
                }
                let mut attributes = states.cached_state.get::<SurfaceAttributes>();
                for callback in attributes.current().frame_callbacks.drain(..) {
                    callback.done(now.as_millis() as u32);
                }
                if pass_barrier(states) {
                    held.extend(surface.client());
                }
                false
            })
        });
        for client in &held {
            self.apply_held(client);
        }
        // What was applied may wait again.
        if next.is_none() && !self.protocols.frames.waiting.is_empty() {
            next = Some(HIDDEN);
        }
        self.protocols.frames.is_watching = next.is_some();
        next.map_or(TimeoutAction::Drop, TimeoutAction::ToDuration)
    }

    /// How long it is to a moment that a client named, [`HORIZON`] at most.
    fn time_to(&self, timestamp: Timestamp) -> Duration {
        let now = self.clock.now();
        if timestamp <= Timestamp::from(now) {
            Duration::ZERO
        } else if timestamp > Timestamp::from(now + HORIZON) {
            HORIZON
        } else {
            Time::<Monotonic>::elapsed(&now, timestamp.into())
        }
    }

    /// A surface has a commit that is to be applied at a certain time.
    fn expect_commit(&mut self, surface: &WlSurface, timestamp: Timestamp) {
        let timed = &mut self.protocols.frames.timed;
        if !timed.contains(surface) {
            timed.push(surface.clone());
        }
        let wait = self.time_to(timestamp);
        self.set_alarm(wait);
    }

    /// Looks at timed commits after this long, if not before.
    fn set_alarm(&mut self, wait: Duration) {
        let at = self.now() + wait;
        if let Some((token, earlier)) = self.protocols.frames.alarm {
            if earlier <= at {
                return;
            }
            self.handle.remove(token);
        }
        let timer = self
            .handle
            .insert_source(Timer::from_duration(wait), |_, (), state| {
                state.protocols.frames.alarm = None;
                state.apply_timed();
                TimeoutAction::Drop
            });
        self.protocols.frames.alarm = timer
            .inspect_err(|error| tracing::warn!("timed commits stay held: {}", error.error))
            .ok()
            .map(|token| (token, at));
    }

    fn apply_timed(&mut self) {
        let now = Timestamp::from(self.clock.now());
        let mut held = Vec::new();
        let mut next = Vec::new();
        self.protocols.frames.timed.retain(|surface| {
            surface.alive()
                && with_states(surface, |states| {
                    let Some(Ok(mut timers)) = states
                        .data_map
                        .get::<CommitTimerBarrierStateUserData>()
                        .map(|timers| timers.lock())
                    else {
                        return false;
                    };
                    if timers.signal_until(now) {
                        held.extend(surface.client());
                    }
                    next.extend(timers.next_deadline());
                    timers.next_deadline().is_some()
                })
        });
        if let Some(next) = next.into_iter().min() {
            let wait = self.time_to(next);
            self.set_alarm(wait);
        }
        for client in &held {
            self.apply_held(client);
        }
    }
}

impl DrmSyncobjHandler for State {
    fn drm_syncobj_state(&mut self) -> Option<&mut DrmSyncobjState> {
        self.protocols.frames.explicit_sync.as_mut()
    }
}

delegate_fifo!(State);
delegate_commit_timing!(State);
delegate_drm_syncobj!(State);
delegate_alpha_modifier!(State);
delegate_content_type!(State);
