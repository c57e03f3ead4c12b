//! What is seen on its way: windows that come, go elsewhere or change their size, workspaces and the overview.
//!
//! Everything else knows nothing of it: the layout, the input and the clients have things where they will be, and so
//! do pictures for others. Only a frame of the screen asks where things are at the moment at which it will be seen
//! ([`crate::render::Glass`]). After a frame in which something moves its output is drawn again, and after one in
//! which all is where it belongs it is not; so no timer drives this, and nothing is done while all is still.
//!
//! | what | moves when | ends at once when |
//! |---|---|---|
//! | a window's frame ([`Way`]) | the layout puts it elsewhere | it is dragged, its client changes its own size, it is hidden |
//! | a window that comes | it has content for the first time | it is hidden |
//! | a window that [goes](crate::farewell) | it loses its content, or is closed | another workspace is shown |
//! | workspaces ([`Slide`]) | an output shows another one of its own | the overview is open there, or was until now |
//! | the [overview](crate::overview) | it is opened or closed | |
//!
//! All of it ends at once when outputs change, the session is locked, or nothing is to move any more: where the CPU
//! draws, or the settings say so. Layer surfaces, prompts, the lock and the pointer never move.

use std::time::Duration;

use smithay::utils::{Logical, Rectangle};

use crate::{
    backend::RendererKind,
    farewell::Ghost,
    layout::{Layout, Rect, WindowId},
    motion::Motion,
    overview::Overview,
    state::State,
    windows::Windows,
};

/// How long a movement takes at speed 1, in seconds. Most of it is done in the first third.
const LENGTH: f64 = 0.32;
/// How large a window is when it begins to come, and when it has gone.
pub(crate) const SMALL: f64 = 0.92;

/// What time it is for movements, if that is not the usual clock; tests have their own.
pub(crate) struct FrameClock(Box<dyn Fn() -> Duration>);

impl std::fmt::Debug for FrameClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FrameClock")
    }
}

/// When a movement begins, and how long it takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) begins: Duration,
    pub(crate) length: Duration,
}

/// A window's movements.
#[derive(Debug, Default)]
pub(crate) struct Way {
    /// Its frame when that was looked at last; none while it is hidden.
    seen: Option<Rect>,
    /// The frame's corner and size.
    frame: Option<Motion<4>>,
    /// How much of it is there, 0 to 1.
    coming: Option<Motion<1>>,
}

/// How a window is drawn that moves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pose {
    /// Where its frame is.
    pub(crate) frame: Rectangle<f64, Logical>,
    /// How large things are in it.
    pub(crate) size: f64,
    pub(crate) alpha: f32,
    /// Its content fills the frame, whatever size it has.
    pub(crate) stretched: bool,
}

impl Way {
    /// That of a window that comes.
    pub(crate) fn coming(pace: Option<Pace>) -> Self {
        Self {
            coming: pace.map(|pace| Motion::new([0.0], [1.0], pace.begins, pace.length)),
            ..Self::default()
        }
    }

    /// The window's frame is there from now on. Without a pace nothing moves. Returns whether it is seen elsewhere than
    /// before, or will be.
    pub(crate) fn lead(&mut self, frame: Rect, pace: Option<Pace>) -> bool {
        let before = self.seen.replace(frame);
        let Some(pace) = pace else {
            let moved = self.frame.take().is_some();
            return self.coming.take().is_some() || moved;
        };
        self.frame.take_if(|way| way.is_over(pace.begins));
        self.coming.take_if(|way| way.is_over(pace.begins));
        let Some(before) = before.filter(|before| *before != frame) else {
            return false;
        };
        let to = numbers(frame);
        match &mut self.frame {
            Some(way) => way.turn(to, pace.begins, pace.length),
            none => *none = Some(Motion::new(numbers(before), to, pace.begins, pace.length)),
        }
        true
    }

    /// The client changed its window's frame, which is there at once unless it is on its way.
    pub(crate) fn allow(&mut self, frame: Rect) {
        if self.frame.is_none() && self.seen.is_some() {
            self.seen = Some(frame);
        }
    }

    fn is_still(&self) -> bool {
        self.frame.is_none() && self.coming.is_none()
    }

    /// How it is drawn at a moment, if not as it is.
    pub(crate) fn pose(&self, moment: Duration) -> Option<Pose> {
        let way = self.frame.filter(|way| !way.is_over(moment));
        let coming = self.coming.filter(|coming| !coming.is_over(moment));
        if way.is_none() && coming.is_none() {
            return None;
        }
        let [x, y, w, h] = way.map_or(numbers(self.seen?), |way| way.at(moment));
        let there = coming.map_or(1.0, |coming| coming.at(moment)[0].clamp(0.0, 1.0));
        let size = SMALL + (1.0 - SMALL) * there;
        // A way that goes on at another speed may go too far.
        let (smaller_w, smaller_h) = (w.max(1.0) * size, h.max(1.0) * size);
        let corner = (x + (w - smaller_w) / 2.0, y + (h - smaller_h) / 2.0);
        Some(Pose {
            frame: Rectangle::new(corner.into(), (smaller_w, smaller_h).into()),
            size,
            alpha: there as f32,
            stretched: way.is_some(),
        })
    }

    /// Whether it is not yet where it goes, and will be seen within `area`.
    fn moves_in(&self, area: Rectangle<f64, Logical>, moment: Duration) -> bool {
        let seen = self.seen.map(Rectangle::to_f64);
        self.pose(moment)
            .zip(seen)
            .is_some_and(|(pose, seen)| pose.frame.merge(seen).overlaps(area))
    }
}

fn numbers(rect: Rect) -> [f64; 4] {
    [rect.loc.x, rect.loc.y, rect.size.w, rect.size.h].map(f64::from)
}

/// An output goes from one workspace to another one: they lie side by side, and it passes over them.
#[derive(Debug)]
struct Slide {
    /// Its index.
    output: usize,
    /// Numbers of workspaces, and where each lies, in widths of the output.
    strip: Vec<(usize, i32)>,
    /// Where the output is.
    way: Motion<1>,
}

/// What moves besides single windows, and what that needs to be known.
#[derive(Debug, Default)]
pub(crate) struct Movements {
    slides: Vec<Slide>,
    /// Windows that go, the last one in front.
    pub(crate) ghosts: Vec<Ghost>,
    /// The workspace that each output showed when that was looked at last.
    seen: Vec<usize>,
    /// The window that is dragged: it is where the pointer has it.
    pub(crate) held: Option<WindowId>,
    /// Tells the time; the usual clock does if there is none.
    clock: Option<FrameClock>,
}

impl Movements {
    /// Forgets what was seen: nothing moves until it was looked at again.
    fn forget(&mut self) {
        self.slides.clear();
        self.ghosts.clear();
        self.seen.clear();
    }

    /// Lets windows go that have gone. Returns whether one was still to be seen.
    pub(crate) fn end_farewells(&mut self, pace: Option<Pace>) -> bool {
        let before = self.ghosts.len();
        self.ghosts
            .retain(|ghost| pace.is_some_and(|pace| !ghost.is_over(pace.begins)));
        pace.is_none() && before > 0
    }

    /// Looks at what the outputs show. Returns whether something is seen elsewhere than before, or will be.
    pub(crate) fn lead(
        &mut self,
        layout: &Layout,
        overview: &Overview,
        pace: Option<Pace>,
    ) -> bool {
        let before = self.slides.len();
        self.slides
            .retain(|slide| pace.is_some_and(|pace| !slide.way.is_over(pace.begins)));
        let stopped = pace.is_none() && before > 0;
        let outputs = layout.areas().len();
        let shown = |output: usize| layout.workspace_on(output);
        if self.seen.len() == outputs
            && (0..outputs).all(|output| shown(output) == Some(self.seen[output]))
        {
            return stopped;
        }
        let now = (0..outputs).filter_map(shown).collect();
        let before = std::mem::replace(&mut self.seen, now);
        if before.len() != self.seen.len() {
            self.slides.clear();
            return stopped;
        }
        for output in 0..before.len() {
            let (from, to) = (before[output], self.seen[output]);
            if from == to {
                continue;
            }
            // A workspace that goes to another output takes its windows along.
            let apart = layout.output_of_workspace(from) == Some(output) && !before.contains(&to);
            match pace.filter(|_| apart && !overview.is_on(output)) {
                Some(pace) => self.slide(output, from, to, pace),
                None => self.slides.retain(|slide| slide.output != output),
            }
        }
        true
    }

    fn slide(&mut self, output: usize, from: usize, to: usize, pace: Pace) {
        self.ghosts.clear();
        let mut slides = self.slides.iter_mut();
        let Some(slide) = slides.find(|slide| slide.output == output) else {
            let next = if to > from { 1 } else { -1 };
            self.slides.push(Slide {
                output,
                strip: vec![(from, 0), (to, next)],
                way: Motion::new([0.0], [f64::from(next)], pace.begins, pace.length),
            });
            return;
        };
        let at = |(_, at): &(usize, i32)| *at;
        let next = match slide.strip.iter().find(|(number, _)| *number == to) {
            Some((_, next)) => *next,
            None => {
                let next = if to > from {
                    slide.strip.iter().map(at).max().unwrap_or(0) + 1
                } else {
                    slide.strip.iter().map(at).min().unwrap_or(0) - 1
                };
                slide.strip.push((to, next));
                next
            }
        };
        slide.way.turn([f64::from(next)], pace.begins, pace.length);
    }

    /// The workspaces that an output passes over at a moment, and how far from their place each is, in widths of
    /// the output.
    fn passed(&self, output: usize, moment: Duration) -> impl Iterator<Item = (usize, f64)> {
        self.slides
            .iter()
            .filter(move |slide| slide.output == output && !slide.way.is_over(moment))
            .flat_map(move |slide| {
                let [here] = slide.way.at(moment);
                let strip = slide.strip.iter();
                strip.map(move |(number, at)| (*number, f64::from(*at) - here))
            })
    }
}

impl Windows {
    /// Whether anything moves.
    fn is_moving(&self) -> bool {
        !self.movements.slides.is_empty()
            || !self.movements.ghosts.is_empty()
            || self.overview.is_moving()
            || self.iter().any(|managed| !managed.way.is_still())
    }

    /// Whether something on an output is not yet where it goes.
    fn moves_on(&self, (output, area): (usize, Rect), moment: Duration) -> bool {
        let mut ghosts = self.movements.ghosts.iter();
        let precise = area.to_f64();
        self.movements.passed(output, moment).next().is_some()
            || ghosts.any(|ghost| ghost.is_in(area, moment))
            || self.overview.moves_on(output, moment)
            || self
                .iter()
                .any(|managed| managed.way.moves_in(precise, moment))
    }

    /// Everything is where it belongs.
    pub(crate) fn stop(&mut self) {
        self.movements.forget();
        self.overview.stop();
        for managed in self.iter_mut() {
            managed.way = Way::default();
        }
    }

    /// A window is where the layout has it, at once.
    pub(crate) fn put(&mut self, id: WindowId) {
        let frame = self.layout.frame(id);
        if let Some((managed, frame)) = self.get_mut(id).zip(frame) {
            managed.way.lead(frame, None);
        }
    }

    /// How far from its place a window's workspace is at a moment, in logical pixels, and on which output, if it
    /// slides.
    fn slid(&self, id: WindowId, moment: Duration) -> Option<(usize, f64)> {
        if self.movements.slides.is_empty() {
            return None;
        }
        let number = self.layout.workspace(id)?;
        let output = self.layout.output_of(id)?;
        let width = self.layout.areas().get(output)?.full.size.w;
        let mut passed = self.movements.passed(output, moment);
        let (_, away) = passed.find(|(other, _)| *other == number)?;
        Some((output, away * f64::from(width)))
    }

    /// How a window is drawn on an output at a moment: as it is ([`None`]), moving, or not at all.
    pub(crate) fn pose_on(
        &self,
        output: usize,
        id: WindowId,
        moment: Option<Duration>,
    ) -> Result<Option<Pose>, Elsewhere> {
        let Some(moment) = moment else {
            return Ok(None);
        };
        let pose = self.get(id).and_then(|managed| managed.way.pose(moment));
        let Some((on, away)) = self.slid(id, moment) else {
            return Ok(pose);
        };
        if on != output {
            return Err(Elsewhere);
        }
        let frame = self.layout.frame(id).ok_or(Elsewhere)?;
        let mut pose = pose.unwrap_or(Pose {
            frame: frame.to_f64(),
            size: 1.0,
            alpha: 1.0,
            stretched: false,
        });
        pose.frame.loc.x += away;
        Ok(Some(pose))
    }

    /// The windows of the workspaces that leave an output at a moment, topmost first.
    pub(crate) fn leaving(
        &self,
        output: usize,
        moment: Option<Duration>,
    ) -> impl Iterator<Item = WindowId> {
        moment
            .into_iter()
            .flat_map(move |moment| self.movements.passed(output, moment))
            .filter(move |(number, away)| {
                away.abs() < 1.0
                    && !self.layout.is_shown(*number)
                    && self.layout.output_of_workspace(*number) == Some(output)
            })
            .flat_map(move |(number, _)| self.layout.on_workspace(number))
    }
}

/// A window slides on another output and is not seen on this one.
#[derive(Debug)]
pub(crate) struct Elsewhere;

impl State {
    /// Has things move whatever draws, and has somebody else tell the time at which frames are seen; tests do.
    pub fn set_frame_clock(&mut self, clock: impl Fn() -> Duration + 'static) {
        self.windows.movements.clock = Some(FrameClock(Box::new(clock)));
    }

    fn frame_time(&self) -> Duration {
        match &self.windows.movements.clock {
            Some(FrameClock(clock)) => clock(),
            None => self.now(),
        }
    }

    /// How things move that begin to now, if they are to move at all. They begin no earlier than at what is on the
    /// screen already.
    pub(crate) fn pace(&self) -> Option<Pace> {
        let by_cpu = self.backend.renderer() == RendererKind::Pixman
            && self.windows.movements.clock.is_none();
        if by_cpu || self.config.accessibility.reduced_motion || self.is_locked() {
            return None;
        }
        // At speed 0 that is no time.
        let length = Duration::try_from_secs_f64(LENGTH / self.config.animations.speed).ok()?;
        let begins = self.frame_time().max(self.outputs.latest_moment());
        Some(Pace { begins, length })
    }

    /// When the next frame of an output will be seen, if that matters for what is on it.
    pub(crate) fn next_moment(&mut self, index: usize) -> Option<Duration> {
        if !self.windows.is_moving() {
            return None;
        }
        let now = self.frame_time();
        Some(self.outputs.next_moment(index, now))
    }

    /// Whether a frame that is seen at `moment` has to be followed by another one.
    pub(crate) fn is_followed(&self, index: usize, moment: Option<Duration>) -> bool {
        let area = self.outputs.get(index).map(crate::outputs::geometry);
        moment.zip(area).is_some_and(|(moment, area)| {
            !self.is_locked() && self.windows.moves_on((index, area), moment)
        })
    }
}
