//! The outputs and when each of them is drawn.
//!
//! # When an output is drawn
//!
//! | state | means | a change | then |
//! |---|---|---|---|
//! | `Idle` | what is shown is right | `Queued` | |
//! | `Queued` | something changed | | end of the turn: drawn, or `Delayed` if the last frame is younger than one refresh |
//! | `Flipping` | a frame is on its way to the screen | remembered | flip done: `Queued` if something changed meanwhile, else `Idle` |
//! | `Delayed` | a timer runs | | timer: `Queued` |
//!
//! Virtual displays finish a flip at once and have no refresh of their own, so the age of the last
//! frame is what keeps a busy client from being drawn a thousand times a second; such frames keep step with
//! each other. An output whose refresh follows its frames ([`crate::refresh`]) is drawn as soon as something changed
//! and the last flip is done: its display decides how soon that is. In `Idle` no timer
//! runs: a screen on which nothing changes costs nothing.
//!
//! # Where an output is
//!
//! Outputs stand side by side in the order in which they came, but for those that somebody placed
//! ([`crate::arrangement`]). A dark one
//! is like the others and only not drawn; when all are, a key or a click lights them. One that is
//! switched off is none: it has no place, no windows and no global; only the back end and
//! [`crate::protocols::heads`] still know it.

use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant},
};

use smithay::reexports::wayland_server::{Resource, protocol::wl_surface::WlSurface};
use smithay::{
    backend::renderer::element::{
        Id, RenderElementPresentationState, RenderElementState, RenderElementStates,
        default_primary_scanout_output_compare,
    },
    desktop::{
        layer_map_for_output,
        utils::{
            OutputPresentationFeedback, send_frames_surface_tree,
            surface_presentation_feedback_flags_from_states, surface_primary_scanout_output,
            take_presentation_feedback_surface_tree, update_surface_primary_scanout_output,
            with_surfaces_surface_tree,
        },
    },
    output::{Mode, Output, Scale},
    reexports::{
        calloop::timer::{TimeoutAction, Timer},
        wayland_server::backend::GlobalId,
    },
    utils::{Logical, Point, Transform},
    wayland::compositor::{SurfaceData, send_surface_state, with_states},
    wayland::dmabuf::SurfaceDmabufFeedbackState,
    wayland::fractional_scale::with_fractional_scale,
};

use crate::{
    arrangement::{Spot, Turn},
    backend::{Outcome, Setup},
    config,
    error::Error,
    layers::blank_surfaces,
    layout::Rect,
    protocols::frames::pass_barrier,
    refresh::{VariableRefresh, next_free_flip, presented},
    render::{Glass, View},
    state::State,
    zones,
};

/// A frame after a flip may come this much early: flips are not exact.
const SLACK: Duration = Duration::from_millis(3);

/// See the module's page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Redraw {
    Idle,
    Queued,
    Flipping { again: bool },
    Delayed,
}

/// Whether an output may still show something of the session when it is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sight {
    /// Its last frame was the session's.
    Open,
    /// A frame without it is on its way.
    Closing,
    /// Nothing of the session is on it.
    Closed,
}

/// One output.
#[derive(Debug)]
struct Screen {
    output: Output,
    global: GlobalId,
    redraw: Redraw,
    sight: Sight,
    /// When the next frame may be begun.
    next: Option<Instant>,
    /// When the last flip was, by the clock of frame callbacks.
    flipped: Option<Duration>,
    /// When its last frame in which something moved is seen, by the clock of [`crate::animations`].
    moment: Duration,
    frames: u64,
    /// Where somebody put it.
    placed: Option<Point<i32, Logical>>,
    /// When its refresh is to be variable, as somebody set it.
    variable: Option<VariableRefresh>,
    /// Its refresh follows its frames.
    varies: bool,
    /// It is not driven for the time being, and so not drawn.
    dark: bool,
}

/// When a frame of an output without flips may follow one that was begun now: in step with those before,
/// though timers are late, unless there were none for a while.
fn next_in_step(due: Option<Instant>, begun: Instant, every: Duration) -> Instant {
    due.filter(|due| begun.saturating_duration_since(*due) < every)
        .unwrap_or(begun)
        + every
}

/// When a frame may follow one that was begun now and is on its way to a flip. Where the refresh follows the frames, the
/// flip alone says it.
fn next_after_flip(varies: bool, begun: Instant, every: Duration) -> Option<Instant> {
    (!varies).then(|| begun + every.saturating_sub(SLACK))
}

/// When the next flip is due after `now`, if they come in time and the last one was then.
fn next_flip(last: Duration, every: Duration, now: Duration) -> Duration {
    let since = now.saturating_sub(last).as_nanos() / every.as_nanos();
    let flips = u32::try_from(since + 1).unwrap_or(u32::MAX);
    last.saturating_add(every.saturating_mul(flips))
}

/// All outputs, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Outputs {
    screens: Vec<Screen>,
    /// Those that are switched off.
    off: Vec<Output>,
}

/// What can be set of an output that is on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Settings {
    pub(crate) mode: Mode,
    pub(crate) transform: Transform,
    /// Physical pixels to a logical one.
    pub(crate) scale: f64,
    /// Where somebody put it; beside the others, where nobody did.
    pub(crate) position: Option<Point<i32, Logical>>,
    /// When its refresh is variable, as somebody set it; as the settings say it, where nobody did.
    pub(crate) variable: Option<VariableRefresh>,
}

impl Settings {
    /// What of this is the back end's.
    pub(crate) fn setup(self) -> Setup {
        Setup {
            mode: self.mode,
            transform: self.transform,
        }
    }
}

/// Where an output is in the global space, in logical pixels.
pub(crate) fn geometry(output: &Output) -> Rect {
    let size = output.current_mode().map_or_else(Default::default, |mode| {
        output
            .current_transform()
            .transform_size(mode.size)
            .to_f64()
            .to_logical(output.current_scale().fractional_scale())
            .to_i32_round()
    });
    Rect::new(output.current_location(), size)
}

/// How an element is that is on the screen.
const SEEN: RenderElementState = RenderElementState {
    visible_area: 1,
    presentation_state: RenderElementPresentationState::Rendering { reason: None },
};

/// Time between two frames of an output.
pub(crate) fn interval(output: &Output) -> Duration {
    let refresh = output
        .current_mode()
        .map_or(60_000, |mode| mode.refresh)
        .clamp(1_000, 1_000_000);
    Duration::from_nanos(1_000_000_000_000 / refresh as u64)
}

impl Outputs {
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Output> {
        self.screens.iter().map(|screen| &screen.output)
    }

    pub(crate) fn first(&self) -> Option<&Output> {
        self.iter().next()
    }

    /// The output at that index; the layout's areas have the same order.
    pub(crate) fn get(&self, index: usize) -> Option<&Output> {
        self.screens.get(index).map(|screen| &screen.output)
    }

    pub(crate) fn index_of(&self, output: &Output) -> Option<usize> {
        self.iter().position(|other| other == output)
    }

    /// The output that holds a point of the global space.
    pub(crate) fn at(&self, point: Point<f64, Logical>) -> Option<&Output> {
        self.iter()
            .find(|output| geometry(output).to_f64().contains(point))
    }

    /// Whether an output is dark. Of one that is gone that cannot be said.
    pub(crate) fn is_dark(&self, output: &Output) -> Option<bool> {
        let mut screens = self.screens.iter();
        screens
            .find(|screen| screen.output == *output)
            .map(|screen| screen.dark)
    }

    /// The outputs that are switched off.
    pub(crate) fn off(&self) -> &[Output] {
        &self.off
    }

    /// What an output is set to, or was before it was switched off.
    pub(crate) fn settings(&self, output: &Output) -> Option<Settings> {
        let screen = self.screens.iter().find(|screen| screen.output == *output);
        Some(Settings {
            mode: output.current_mode()?,
            transform: output.current_transform(),
            scale: output.current_scale().fractional_scale(),
            position: screen.and_then(|screen| screen.placed),
            variable: screen.and_then(|screen| screen.variable),
        })
    }

    /// Whether the refresh of an output follows its frames now.
    pub(crate) fn varies(&self, output: &Output) -> bool {
        let mut screens = self.screens.iter();
        screens.any(|screen| screen.output == *output && screen.varies)
    }

    /// The refresh of an output follows its frames from now on, or does no more.
    pub(crate) fn set_varies(&mut self, output: &Output, varies: bool) {
        let mut screens = self.screens.iter_mut();
        if let Some(screen) = screens.find(|screen| screen.output == *output) {
            screen.varies = varies;
        }
    }

    /// The refresh of an output does not become variable, until somebody wants it again.
    pub(crate) fn fix_refresh(&mut self, output: &Output) {
        let mut screens = self.screens.iter_mut();
        if let Some(screen) = screens.find(|screen| screen.output == *output) {
            screen.variable = Some(VariableRefresh::Off);
            screen.varies = false;
        }
    }

    /// Those that are on, as the bus shows them.
    pub(crate) fn told(&self, config: &config::Config) -> Vec<argos_bus::compositor::Output> {
        let told = |screen: &Screen| {
            let output = &screen.output;
            let mode = output.current_mode()?;
            let location = output.current_location();
            Some(argos_bus::compositor::Output {
                name: output.name(),
                width: mode.size.w as u32,
                height: mode.size.h as u32,
                refresh: mode.refresh as u32,
                scale: output.current_scale().fractional_scale(),
                transform: Turn(output.current_transform()).to_string(),
                x: location.x,
                y: location.y,
                dark: screen.dark,
                variable_refresh: screen
                    .variable
                    .unwrap_or_else(|| config.output(&output.name()).variable_refresh)
                    .to_string(),
            })
        };
        self.screens.iter().filter_map(told).collect()
    }

    pub(crate) fn frames(&self) -> u64 {
        self.screens.iter().map(|screen| screen.frames).sum()
    }

    /// How many frames have been drawn on an output.
    pub(crate) fn drawn(&self, output: &Output) -> u64 {
        self.screens
            .iter()
            .find(|screen| screen.output == *output)
            .map_or(0, |screen| screen.frames)
    }

    /// Something on this output changed.
    pub(crate) fn queue(&mut self, output: &Output) {
        if let Some(screen) = self
            .screens
            .iter_mut()
            .find(|screen| screen.output == *output)
        {
            screen.queue();
        }
    }

    /// Something changed and it is not known where.
    pub(crate) fn queue_all(&mut self) {
        self.screens.iter_mut().for_each(Screen::queue);
    }

    /// Something in this part of the global space changed.
    pub(crate) fn queue_rect(&mut self, rect: Rect) {
        for screen in &mut self.screens {
            if geometry(&screen.output).overlaps(rect) {
                screen.queue();
            }
        }
    }

    /// Whether no output shows anything of the session any more.
    pub(crate) fn all_closed(&self) -> bool {
        self.screens
            .iter()
            .all(|screen| screen.sight == Sight::Closed)
    }

    /// Whether some output is drawn soon, by a timer, after a flip or now.
    pub(crate) fn is_frame_coming(&self) -> bool {
        let coming = |screen: &Screen| match screen.redraw {
            Redraw::Idle => false,
            Redraw::Flipping { again } => again,
            Redraw::Queued | Redraw::Delayed => !screen.dark,
        };
        self.screens.iter().any(coming)
    }

    /// After the screen was somebody else's: whatever was on its way is lost, all is drawn anew.
    pub(crate) fn restart(&mut self) {
        for screen in &mut self.screens {
            screen.redraw = Redraw::Queued;
        }
    }

    /// The latest moment at which a frame is seen in which something moves.
    pub(crate) fn latest_moment(&self) -> Duration {
        let moments = self.screens.iter().map(|screen| screen.moment);
        moments.max().unwrap_or_default()
    }

    /// When a frame of the output with that index will be seen that is begun now: with the next flip, or else at once.
    /// It is never earlier than the one before.
    pub(crate) fn next_moment(&mut self, index: usize, now: Duration) -> Duration {
        let screen = &mut self.screens[index];
        let every = interval(&screen.output);
        let varies = screen.varies;
        let due = screen.flipped.map_or(now, |last| {
            if varies {
                next_free_flip(last, every, now)
            } else {
                next_flip(last, every, now)
            }
        });
        screen.moment = screen.moment.max(due);
        screen.moment
    }

    /// The back end showed the frame of this output.
    pub(crate) fn flipped(&mut self, output: &Output, now: Duration) {
        if let Some(screen) = self
            .screens
            .iter_mut()
            .find(|screen| screen.output == *output)
            && let Redraw::Flipping { again } = screen.redraw
        {
            screen.flipped = Some(now);
            screen.redraw = if again { Redraw::Queued } else { Redraw::Idle };
            if screen.sight == Sight::Closing {
                screen.sight = Sight::Closed;
            }
        }
    }
}

impl Screen {
    fn queue(&mut self) {
        match &mut self.redraw {
            Redraw::Idle => self.redraw = Redraw::Queued,
            Redraw::Flipping { again } => *again = true,
            Redraw::Queued | Redraw::Delayed => {}
        }
    }
}

impl State {
    /// Takes a new output in, right of the others or where the settings want it, with the scale and turn that they
    /// give it.
    pub(crate) fn add_output(&mut self, output: Output, mode: Mode) {
        let config::Output {
            scale, transform, ..
        } = self.config.output(&output.name());
        let turned = Setup {
            mode,
            transform: transform.0,
        };
        let transform = if transform == Turn::default() {
            transform.0
        } else {
            let tested = self.backend.test_setup(&output, Some(turned));
            let upright = |error: Error| {
                tracing::warn!("it is not turned as the settings want it: {error}");
                Transform::Normal
            };
            tested.map_or_else(upright, |()| transform.0)
        };
        let x = self
            .outputs
            .iter()
            .map(geometry)
            .map(|g| g.loc.x + g.size.w)
            .max()
            .unwrap_or(0);
        if output.preferred_mode().is_none() {
            output.set_preferred(mode);
        }
        output.change_current_state(
            Some(mode),
            Some(transform),
            Some(Scale::Fractional(scale)),
            Some((x, 0).into()),
        );
        let global = output.create_global::<Self>(&self.display);
        tracing::info!(
            "output {}: {}x{} at {:.1} Hz, scale {scale}",
            output.name(),
            mode.size.w,
            mode.size.h,
            f64::from(mode.refresh) / 1000.0
        );
        let first = self.outputs.screens.is_empty();
        self.outputs.screens.push(Screen {
            output: output.clone(),
            global,
            redraw: Redraw::Queued,
            sight: Sight::Closed,
            next: None,
            flipped: None,
            moment: Duration::ZERO,
            frames: 0,
            placed: None,
            variable: None,
            varies: false,
            dark: false,
        });
        if first {
            let middle = geometry(&output);
            self.pointer_at = (
                f64::from(middle.size.w) / 2.0,
                f64::from(middle.size.h) / 2.0,
            )
                .into();
            self.pointer.set_location(self.pointer_at);
        }
        let mut outputs = self.config.outputs.values();
        if outputs.any(|output| output.place != Spot::Beside) {
            self.arrange_outputs();
        }
        self.rewarm_outputs();
        // One that was switched off may still be as it was before.
        if let Err(error) = self.backend.set_variable_refresh(&output, false) {
            tracing::warn!("{error}");
        }
        self.check_refresh();
    }

    /// The mode of an output changed.
    pub(crate) fn output_resized(&mut self, output: &Output, mode: Mode) {
        if output.current_mode() == Some(mode) {
            return;
        }
        tracing::info!(
            "output {}: now {}x{}",
            output.name(),
            mode.size.w,
            mode.size.h
        );
        output.set_preferred(mode);
        output.change_current_state(Some(mode), None, None, None);
        self.arrange_outputs();
    }

    /// An output is gone.
    pub(crate) fn remove_output(&mut self, output: &Output) {
        self.outputs.off.retain(|other| other != output);
        if self.take_screen(output) {
            tracing::info!("output {} is gone", output.name());
            self.arrange_outputs();
        }
    }

    /// Takes an output out of what there is to see. Its layer surfaces are closed, its windows come within
    /// reach elsewhere once the others are arranged. Returns whether it was there.
    fn take_screen(&mut self, output: &Output) -> bool {
        let Some(index) = self.outputs.index_of(output) else {
            return false;
        };
        let screen = self.outputs.screens.remove(index);
        for layer in layer_map_for_output(output).layers() {
            layer.layer_surface().send_close();
        }
        self.windows.output_gone(output);
        self.display.remove_global::<Self>(screen.global);
        true
    }

    /// Sets outputs up; nothing for those that are to be off. If one of them cannot be, all are as they were.
    ///
    /// # Errors
    /// What the back end cannot do.
    pub(crate) fn set_up_outputs(
        &mut self,
        wanted: &[(Output, Option<Settings>)],
    ) -> Result<(), Error> {
        let before: Vec<_> = wanted
            .iter()
            .map(|(output, _)| {
                let on = self.outputs.index_of(output).is_some();
                let settings = self.outputs.settings(output).filter(|_| on);
                (output.clone(), settings)
            })
            .collect();
        // Those that are on come first, so that windows go from one output to another.
        let (on, off): (Vec<_>, Vec<_>) =
            wanted.iter().partition(|(_, settings)| settings.is_some());
        let done = on
            .into_iter()
            .chain(off)
            .try_for_each(|(output, settings)| self.set_up_output(output, *settings));
        if done.is_err() {
            for (output, settings) in &before {
                if let Err(error) = self.set_up_output(output, *settings) {
                    tracing::error!("not as it was before: {error}");
                }
            }
        }
        self.arrange_outputs();
        done
    }

    fn set_up_output(&mut self, output: &Output, wanted: Option<Settings>) -> Result<(), Error> {
        self.backend.set_up(output, wanted.map(Settings::setup))?;
        let Some(settings) = wanted else {
            if self.take_screen(output) {
                tracing::info!("output {} is switched off", output.name());
                self.outputs.off.push(output.clone());
            }
            return Ok(());
        };
        if self.outputs.off.contains(output) {
            self.outputs.off.retain(|other| other != output);
            self.add_output(output.clone(), settings.mode);
        }
        output.change_current_state(
            Some(settings.mode),
            Some(settings.transform),
            Some(Scale::Fractional(settings.scale)),
            None,
        );
        let mut screens = self.outputs.screens.iter_mut();
        if let Some(screen) = screens.find(|screen| screen.output == *output) {
            screen.placed = settings.position;
            screen.variable = settings.variable;
            screen.dark = false;
        }
        Ok(())
    }

    /// Has an output driven no more, or again.
    ///
    /// # Errors
    /// When the back end cannot do that.
    pub(crate) fn set_dark(&mut self, output: &Output, dark: bool) -> Result<(), Error> {
        if self.outputs.is_dark(output) != Some(!dark) {
            return Ok(());
        }
        let settings = self.outputs.settings(output).filter(|_| !dark);
        self.backend.set_up(output, settings.map(Settings::setup))?;
        let mut screens = self.outputs.screens.iter_mut();
        if let Some(screen) = screens.find(|screen| screen.output == *output) {
            screen.dark = dark;
            // Whatever was on its way to the screen does not come there any more.
            screen.redraw = Redraw::Queued;
            if dark {
                screen.sight = Sight::Closed;
            }
        }
        Ok(())
    }

    /// Somebody is there: if all outputs are dark, they are lit, since nothing can be seen that would.
    pub(crate) fn light_outputs(&mut self) {
        if self.outputs.screens.iter().any(|screen| !screen.dark) {
            return;
        }
        let dark: Vec<_> = self.outputs.iter().cloned().collect();
        for output in dark {
            if let Err(error) = self.set_dark(&output, false) {
                tracing::error!("{error}");
            }
        }
    }

    /// Puts the outputs where they are to be and tells everybody.
    pub(crate) fn arrange_outputs(&mut self) {
        for (output, location) in self.outputs.iter().zip(self.output_places()) {
            if output.current_location() != location {
                output.change_current_state(None, None, None, Some(location));
            }
            zones::arrange_output(output);
        }
        self.pointer_at = self.clamp_to_outputs(self.pointer_at);
        self.pointer.set_location(self.pointer_at);
        self.update_areas();
        self.arrange_lock();
        self.outputs.queue_all();
    }

    /// Draws what is queued and old enough.
    pub(crate) fn redraw_queued(&mut self) {
        for index in 0..self.outputs.screens.len() {
            if self.is_due(index) {
                let output = self.outputs.screens[index].output.clone();
                self.draw(index, &output);
            }
        }
    }

    /// Has what is queued wait until it is old enough. Returns whether something is left that is drawn now.
    pub(crate) fn delay_frames(&mut self) -> bool {
        let mut due = false;
        for index in 0..self.outputs.screens.len() {
            due |= self.is_due(index);
        }
        due
    }

    /// Whether an output is queued and its last frame old enough. If that is too young, it is `Delayed`.
    fn is_due(&mut self, index: usize) -> bool {
        let screen = &self.outputs.screens[index];
        if screen.dark || screen.redraw != Redraw::Queued {
            return false;
        }
        let wait = screen.next.map_or(Duration::ZERO, |next| {
            next.saturating_duration_since(Instant::now())
        });
        if wait.is_zero() || !self.backend.needs_pacing() {
            return true;
        }
        let output = screen.output.clone();
        let timer = self
            .handle
            .insert_source(Timer::from_duration(wait), move |_, (), state| {
                let mut screens = state.outputs.screens.iter_mut();
                if let Some(screen) = screens.find(|screen| screen.output == output)
                    && screen.redraw == Redraw::Delayed
                {
                    screen.redraw = Redraw::Queued;
                }
                TimeoutAction::Drop
            });
        if timer.is_ok() {
            self.outputs.screens[index].redraw = Redraw::Delayed;
        }
        timer.is_err()
    }

    fn draw(&mut self, index: usize, output: &Output) {
        let started = Instant::now();
        self.update_refresh(index, output);
        let glass = Glass {
            filter: self.filter_of(output),
            zoom: self.zoom_of(output),
            moment: self.next_moment(index),
        };
        let (moment, clear) = (glass.moment, glass.is_clear());
        let outcome = self.through_glass(View::Screen, output, glass, |backend, scene| {
            backend.render(scene, output)
        });
        let locked = self.is_locked();
        let every = interval(output);
        let screen = &mut self.outputs.screens[index];
        screen.sight = match &outcome {
            Err(_) => screen.sight,
            Ok(_) if !locked => Sight::Open,
            Ok(Outcome::Flipping(_)) if screen.sight != Sight::Closed => Sight::Closing,
            // What another virtual terminal shows is not the session either.
            Ok(_) => Sight::Closed,
        };
        let drawn = !matches!(outcome, Err(_) | Ok(Outcome::Away));
        match &outcome {
            Ok(Outcome::Flipping(_) | Outcome::Shown(_)) => self.latency.drawn(output, true),
            Ok(Outcome::Unchanged(_)) => self.latency.drawn(output, false),
            _ => {}
        }
        match outcome {
            Ok(Outcome::Flipping(states)) => {
                screen.redraw = Redraw::Flipping { again: false };
                screen.next = next_after_flip(screen.varies, started, every);
                screen.frames += 1;
                self.after_frame(index, output, clear, states);
            }
            Ok(Outcome::Shown(states)) => {
                screen.redraw = Redraw::Idle;
                screen.next = Some(next_in_step(screen.next, started, every));
                screen.frames += 1;
                self.after_frame(index, output, clear, states);
                self.presented(output);
            }
            Ok(Outcome::Unchanged(states)) => {
                screen.redraw = Redraw::Idle;
                screen.next = Some(next_in_step(screen.next, started, every));
                self.after_frame(index, output, clear, states);
            }
            Ok(Outcome::Away) => screen.redraw = Redraw::Idle,
            Err(error) => {
                // The next change tries again; retrying at once would only fill the log.
                screen.redraw = Redraw::Idle;
                tracing::error!("output {}: {error}", output.name());
            }
        }
        if drawn && self.is_followed(index, moment) {
            self.outputs.screens[index].queue();
            if self.is_due(index) {
                // Nothing else may begin the turn in which it is drawn.
                self.signal.wakeup();
            }
        } else if !self.windows.movements.ghosts.is_empty() {
            // Nothing else may begin the turn in which pictures are let go that nobody sees any more.
            self.signal.wakeup();
        }
    }

    /// What follows a frame: who is on which output, frame callbacks, presentation feedback.
    /// Surfaces that were not drawn hear nothing of it, so hidden windows draw seldom
    /// ([`crate::protocols::frames`]).
    fn after_frame(
        &mut self,
        index: usize,
        output: &Output,
        clear: bool,
        mut states: RenderElementStates,
    ) {
        let time = self.now();
        // What has nothing to see is not drawn, and is on the screen all the same.
        for layer in layer_map_for_output(output).layers() {
            let blank = blank_surfaces(layer).into_iter();
            states.states.extend(blank.map(|id| (id, SEEN)));
        }
        let states = &states;
        let (scale, transform) = (output.current_scale(), output.current_transform());
        let shown = RefCell::new(Vec::new());
        let buffers = self.backend.feedback(output);
        let fills = Cell::new(false);
        let on_screen = |surface: &WlSurface, data: &SurfaceData| {
            let on = update_surface_primary_scanout_output(
                surface,
                output,
                data,
                states,
                default_primary_scanout_output_compare,
            );
            if on.as_ref() == Some(output) && pass_barrier(data) {
                shown.borrow_mut().extend(surface.client());
            }
            if on.as_ref() == Some(output)
                && let Some(buffers) = &buffers
                && let Some(told) = SurfaceDmabufFeedbackState::from_states(data)
            {
                let state = states.element_render_state(Id::from_wayland_resource(surface));
                let presented = state.map(|state| state.presentation_state);
                told.set_feedback(buffers.choose(presented, fills.get(), clear));
            }
            with_fractional_scale(data, |fractional| {
                fractional.set_preferred_scale(scale.fractional_scale());
            });
            send_surface_state(surface, data, scale.integer_scale(), transform);
        };
        let mut feedback = OutputPresentationFeedback::new(output);
        let flags = |surface: &WlSurface, _: &SurfaceData| {
            surface_presentation_feedback_flags_from_states(surface, states)
        };
        // What is behind a lock is not drawn either.
        if let Some(locked) = self.lock.locked() {
            if let Some(surface) = locked.surface_on(output) {
                with_surfaces_surface_tree(surface, on_screen);
                send_frames_surface_tree(
                    surface,
                    output,
                    time,
                    None,
                    surface_primary_scanout_output,
                );
                take_presentation_feedback_surface_tree(
                    surface,
                    &mut feedback,
                    surface_primary_scanout_output,
                    flags,
                );
            }
        } else {
            let full = self.windows.layout.fullscreen_on(index);
            let full = full.and_then(|id| Some(&self.windows.get(id)?.window));
            for window in self.windows.visible_on(index) {
                fills.set(full == Some(window));
                window.with_surfaces(on_screen);
                window.send_frame(output, time, None, surface_primary_scanout_output);
                let primary = surface_primary_scanout_output;
                window.take_presentation_feedback(&mut feedback, primary, flags);
            }
            fills.set(false);
            for layer in layer_map_for_output(output).layers() {
                layer.with_surfaces(on_screen);
                layer.send_frame(output, time, None, surface_primary_scanout_output);
                let primary = surface_primary_scanout_output;
                layer.take_presentation_feedback(&mut feedback, primary, flags);
            }
        }
        for surface in self.cursor.surfaces() {
            with_surfaces_surface_tree(surface, on_screen);
            send_frames_surface_tree(surface, output, time, None, surface_primary_scanout_output);
        }
        self.backend.keep_feedback(output, feedback);
        self.apply_held_soon(shown.into_inner());
    }

    /// Tells clients that asked for it when their content was shown.
    pub(crate) fn presented(&mut self, output: &Output) {
        use smithay::reexports::wayland_protocols::wp::presentation_time::server::wp_presentation_feedback::Kind;
        self.latency.presented(output);
        if let Some(mut feedback) = self.backend.take_feedback(output) {
            feedback.presented::<_, smithay::utils::Monotonic>(
                self.clock.now(),
                presented(output, self.outputs.varies(output)),
                0,
                Kind::empty(),
            );
        }
    }

    /// Tells a new surface the scale it will be shown at, so that its first frame is right.
    pub(crate) fn announce_scale(&self, surface: &WlSurface) {
        let Some(output) = self.outputs.at(self.pointer_at).or(self.outputs.first()) else {
            return;
        };
        let scale = output.current_scale();
        with_states(surface, |data| {
            with_fractional_scale(data, |fractional| {
                fractional.set_preferred_scale(scale.fractional_scale());
            });
            send_surface_state(
                surface,
                data,
                scale.integer_scale(),
                output.current_transform(),
            );
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_seen_with_the_next_flip() {
        let ms = Duration::from_millis;
        let next = |now| next_flip(ms(100), ms(10), ms(now));
        assert_eq!((next(100), next(109)), (ms(110), ms(110)));
        assert_eq!((next(110), next(1_234)), (ms(120), ms(1_240)));
        assert_eq!(next(90), ms(110), "clocks that disagree a little");
        let begun = Instant::now();
        assert_eq!(
            next_after_flip(false, begun, ms(10)),
            Some(begun + ms(10) - SLACK)
        );
        assert_eq!(next_after_flip(true, begun, ms(10)), None);
        let ages = Duration::from_secs(1 << 40);
        assert!(next_flip(ms(1), ms(1), ages) > ms(1), "nothing overflows");
    }
}
