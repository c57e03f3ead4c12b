//! Copies of the screen into clients' buffers: what the two capture protocols have in common.
//!
//! # A copy's way
//!
//! A protocol checks a client's buffer ([`State::check_copy`]) and hands a [`Pending`] copy in. At the end of the turn
//! [`State::serve_captures`] gives out what is due: a copy that does not wait, one whose client has seen
//! nothing yet, and one that waits when the picture is another than the one its client saw last. While
//! none is pending, nothing is drawn.
//!
//! The pictures are the back end's mirrors ([`crate::mirror`]), one for each [`Target`] that is asked for.
//! A mirror is brought up to date at most once a turn however many clients want it, and for copies that
//! wait only if a frame was drawn on the output since. Each change of a mirror has a [version](Stream); a
//! client's part in it is the version that it saw last.
//!
//! Copies go into memory (`wl_shm`), and into buffers on the GPU (`linux-dmabuf`) where that draws and can copy
//! ([`crate::dmabuf::Targets`]).
//!
//! # What is never in a picture
//!
//! Prompts are left out ([`View::Behind`]), and while the session is locked every copy fails.
#![allow(unsafe_code)]

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use smithay::{
    backend::allocator::{Buffer as _, Fourcc},
    output::Output,
    reexports::wayland_server::{
        Client, Resource,
        backend::ClientId,
        protocol::{wl_buffer::WlBuffer, wl_shm},
    },
    utils::{Buffer, Rectangle, Size, Transform},
    wayland::{
        dmabuf::get_dmabuf,
        shm::{BufferAccessError, with_buffer_contents, with_buffer_contents_mut},
    },
};

use crate::{
    layout::WindowId,
    render::{self, View},
    state::State,
};

/// How many objects of the capture protocols a client may have at a time.
const MOST_OBJECTS: usize = 256;
/// How many copies of a client may be under way at a time; of more than that each fails. A turn of the loop
/// makes them all, and has others to think of.
const MOST_PENDING: usize = 16;
/// How many changes of a mirror are remembered. Who saw an older one gets it as changed throughout.
const MOST_CHANGES: usize = 32;
/// The format of copies of what covers its whole place. Every `wl_shm` has it and everybody reads it.
pub(super) const FORMAT: wl_shm::Format = wl_shm::Format::Xrgb8888;
/// Bytes of a pixel of that.
pub(super) const PIXEL: i32 = 4;
/// The longest side of a picture, in pixels.
const LARGEST: i32 = 16384;

/// What there are pictures of.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Source {
    Output(Output),
    Window(WindowId),
}

/// What of it is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// What it shows, with the pointer or without.
    Content { pointer: bool },
    /// The pointer's picture, as large as it is there.
    Cursor,
}

/// What is copied from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Target {
    pub(super) source: Source,
    pub(super) part: Part,
}

impl Target {
    /// An output, with the pointer or without.
    pub(super) fn output(output: Output, pointer: bool) -> Self {
        Self {
            source: Source::Output(output),
            part: Part::Content { pointer },
        }
    }

    fn view(&self) -> View {
        match (&self.source, self.part) {
            (_, Part::Cursor) => View::Cursor,
            (Source::Output(_), Part::Content { pointer }) => View::Behind { pointer },
            (&Source::Window(id), Part::Content { pointer }) => View::Window { id, pointer },
        }
    }

    /// The same as buffers on a GPU call it.
    pub(super) fn fourcc(&self) -> Fourcc {
        match self.part {
            Part::Content { .. } => Fourcc::Xrgb8888,
            Part::Cursor => Fourcc::Argb8888,
        }
    }

    /// The format of its copies.
    pub(super) fn format(&self) -> wl_shm::Format {
        match self.part {
            Part::Content { .. } => FORMAT,
            Part::Cursor => wl_shm::Format::Argb8888,
        }
    }
}

/// Why a client gets no copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// The session is locked, drawing failed, the buffer is gone, or the client wants too much at once.
    Unknown,
    /// The picture has another size by now.
    Constraints,
    /// The output or window is gone.
    Stopped,
}

/// A copy that was made.
#[derive(Debug)]
pub(super) struct Copied {
    pub(super) version: u64,
    /// What is new to the client, in the buffer's pixels.
    pub(super) changed: Vec<Rectangle<i32, Buffer>>,
    /// When, on the monotonic clock.
    pub(super) time: Duration,
    /// How the rows lie on the output.
    pub(super) transform: Transform,
}

impl Copied {
    /// The time as the protocols send it: the upper and the lower half of the seconds, nanoseconds.
    pub(super) fn split_time(&self) -> (u32, u32, u32) {
        let seconds = self.time.as_secs();
        (
            (seconds >> 32) as u32,
            seconds as u32,
            self.time.subsec_nanos(),
        )
    }
}

/// The protocol's object that waits for a copy.
pub(super) trait Frame: std::fmt::Debug {
    /// Whether its client still wants it.
    fn is_alive(&self) -> bool;
    /// The version that the client saw last.
    fn seen(&self) -> Option<u64>;
    /// The buffer holds the copy.
    fn copied(&self, copy: &Copied);
    /// There will be none.
    fn failed(&self, why: Failure);
}

/// A copy that a client waits for.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) target: Target,
    /// The size of the whole picture that the client knows of.
    pub(super) whole: Size<i32, Buffer>,
    /// The part that is copied.
    pub(super) region: Rectangle<i32, Buffer>,
    pub(super) buffer: WlBuffer,
    /// Whether it waits for a change.
    pub(super) waits: bool,
    pub(super) frame: Box<dyn Frame>,
}

/// How a mirror came to be what it is.
#[derive(Debug)]
struct Stream {
    target: Target,
    /// What [`State::drawn`] was when the mirror was last brought up to date.
    drawn: u64,
    /// It was brought up to date in this turn.
    fresh: bool,
    /// The version that each of the last changes made, and what changed.
    changes: VecDeque<(u64, Vec<Rectangle<i32, Buffer>>)>,
    /// All before this version is forgotten.
    since: u64,
}

impl Stream {
    fn version(&self) -> u64 {
        self.changes
            .back()
            .map_or(self.since, |(version, _)| *version)
    }

    /// What changed in `region` after the version `seen`, counted from the region's corner.
    fn changed_since(
        &self,
        seen: Option<u64>,
        region: Rectangle<i32, Buffer>,
    ) -> Vec<Rectangle<i32, Buffer>> {
        let whole = Rectangle::from_size(region.size);
        let Some(seen) = seen.filter(|seen| *seen >= self.since) else {
            return vec![whole];
        };
        self.changes
            .iter()
            .filter(|(version, _)| *version > seen)
            .flat_map(|(_, changed)| changed)
            .filter_map(|rect| rect.intersection(region))
            .map(|rect| Rectangle::new(rect.loc - region.loc, rect.size))
            .collect()
    }
}

/// Copies under way.
#[derive(Debug, Default)]
pub(crate) struct Captures {
    pending: Vec<Pending>,
    streams: Vec<Stream>,
    /// The last version that was given out.
    version: u64,
    /// How many objects of the protocols each client has.
    objects: HashMap<ClientId, usize>,
}

impl Captures {
    /// Takes a copy in that a client asked for.
    pub(super) fn push(&mut self, client: &Client, copy: Pending) {
        let pending = self.pending.iter();
        let of_client = pending.filter(|pending| pending.buffer.client().as_ref() == Some(client));
        if of_client.count() < MOST_PENDING {
            self.pending.push(copy);
        } else {
            copy.frame.failed(Failure::Unknown);
        }
    }

    /// A client made one more object of the protocols. One that makes too many is sent away.
    pub(super) fn object_made(&mut self, client: &Client, object: &impl Resource) {
        let objects = self.objects.entry(client.id()).or_default();
        *objects += 1;
        if *objects > MOST_OBJECTS {
            super::extensions::send_away(object, "objects for capturing the screen");
        }
    }

    fn stream(&self, target: &Target) -> Option<&Stream> {
        self.streams.iter().find(|stream| stream.target == *target)
    }

    /// The mirror of a target was brought up to date.
    fn refreshed(&mut self, target: &Target, drawn: u64, changed: Vec<Rectangle<i32, Buffer>>) {
        let index = self
            .streams
            .iter()
            .position(|stream| stream.target == *target)
            .unwrap_or_else(|| {
                self.streams.push(Stream {
                    target: target.clone(),
                    drawn,
                    fresh: true,
                    changes: VecDeque::new(),
                    // Whatever a client saw of a mirror before, it did not see this one.
                    since: self.version + 1,
                });
                self.version += 1;
                self.streams.len() - 1
            });
        let stream = &mut self.streams[index];
        stream.drawn = drawn;
        stream.fresh = true;
        if changed.is_empty() {
            return;
        }
        self.version += 1;
        stream.changes.push_back((self.version, changed));
        if stream.changes.len() > MOST_CHANGES
            && let Some((forgotten, _)) = stream.changes.pop_front()
        {
            stream.since = forgotten;
        }
    }
}

impl State {
    /// One object less. Without any the mirrors are let go.
    pub(super) fn capture_object_gone(&mut self, client: &ClientId) {
        let captures = &mut self.extensions.captures;
        if let Some(objects) = captures.objects.get_mut(client) {
            *objects -= 1;
            if *objects == 0 {
                captures.objects.remove(client);
            }
        }
        if captures.objects.is_empty() {
            captures.pending.clear();
            captures.streams.clear();
            self.backend.forget_mirrors();
        }
    }

    /// The output on which a source is, or would be. Nothing, if the source is gone.
    pub(super) fn output_of_source(&self, source: &Source) -> Option<Output> {
        match source {
            Source::Output(output) => {
                self.outputs.index_of(output)?;
                Some(output.clone())
            }
            Source::Window(id) => {
                self.windows.get(*id).filter(|managed| managed.mapped)?;
                let output = self.windows.layout.output_of(*id);
                let output = output.and_then(|index| self.outputs.get(index));
                output.or_else(|| self.outputs.first()).cloned()
            }
        }
    }

    /// The size of the whole picture of a target, and how its rows lie. Nothing, where there is nothing to be seen.
    pub(super) fn picture(&self, target: &Target) -> Option<(Size<i32, Buffer>, Transform)> {
        let output = self.output_of_source(&target.source)?;
        let (size, transform) =
            render::dimensions(target.view(), &self.windows, &self.cursor, &output)?;
        (size.w.max(size.h) <= LARGEST).then_some(((size.w, size.h).into(), transform))
    }

    /// Becomes more when a picture of the target may have become another one.
    fn drawn(&self, target: &Target) -> u64 {
        match (&target.source, target.part) {
            (_, Part::Cursor) => self.cursor.changes,
            (Source::Output(output), _) => self.outputs.drawn(output),
            (Source::Window(id), Part::Content { pointer }) => {
                let changes = self.windows.get(*id).map_or(0, |managed| managed.changes);
                // The pointer moves in the output's frames.
                changes + if pointer { self.outputs.frames() } else { 0 }
            }
        }
    }

    /// Lets go of mirrors of outputs and windows that are gone.
    pub(super) fn drop_stale_mirrors(&mut self) {
        let gone = |stream: &Stream| self.output_of_source(&stream.target.source).is_none();
        if self.extensions.captures.streams.iter().any(gone) {
            self.extensions.captures.streams.clear();
            self.backend.forget_mirrors();
        }
    }

    /// Gives out the copies that are due; see the module's page.
    pub(crate) fn serve_captures(&mut self) {
        if self.extensions.captures.pending.is_empty() {
            return;
        }
        let locked = self.is_locked();
        for pending in std::mem::take(&mut self.extensions.captures.pending) {
            if !pending.frame.is_alive() {
                continue;
            }
            let served = if locked || !pending.buffer.is_alive() {
                Err(Failure::Unknown)
            } else {
                self.serve(&pending)
            };
            match served {
                Ok(Some(copied)) => pending.frame.copied(&copied),
                Ok(None) => self.extensions.captures.pending.push(pending),
                Err(why) => pending.frame.failed(why),
            }
        }
        for stream in &mut self.extensions.captures.streams {
            stream.fresh = false;
        }
    }

    /// Makes a copy, or leaves it if it has to wait.
    fn serve(&mut self, pending: &Pending) -> Result<Option<Copied>, Failure> {
        let target = &pending.target;
        let Some(output) = self.output_of_source(&target.source) else {
            return Err(Failure::Stopped);
        };
        let Some((whole, transform)) = self.picture(target) else {
            return match target.part {
                // Until the pointer is shown again.
                Part::Cursor => Ok(None),
                Part::Content { .. } => Err(Failure::Constraints),
            };
        };
        if whole != pending.whole {
            return Err(Failure::Constraints);
        }
        let seen = pending.frame.seen();
        let waits = pending.waits && seen.is_some();
        self.refresh_mirror(target, &output, waits)?;
        let Some(stream) = self.extensions.captures.stream(target) else {
            return Err(Failure::Unknown);
        };
        let changed = stream.changed_since(seen, pending.region);
        let version = stream.version();
        if waits && changed.is_empty() {
            return Ok(None);
        }
        self.copy(pending, &output)?;
        Ok(Some(Copied {
            version,
            changed,
            time: self.now(),
            transform,
        }))
    }

    /// Copies the mirror of a target into a client's buffer.
    fn copy(&mut self, pending: &Pending, output: &Output) -> Result<(), Failure> {
        let (target, region) = (&pending.target, pending.region);
        if let Ok(dmabuf) = get_dmabuf(&pending.buffer) {
            let mut buffer = dmabuf.clone();
            let copied = self.with_scene(target.view(), output, |backend, scene| {
                backend.copy(scene, output, region, &mut buffer)
            });
            return copied.map_err(|error| {
                tracing::warn!("output {}: no copy for a client: {error}", output.name());
                Failure::Unknown
            });
        }
        let pixels = self.with_scene(target.view(), output, |backend, scene| {
            backend.read(scene, output, region)
        });
        let pixels = pixels.map_err(|error| {
            tracing::error!("output {}: {error}", output.name());
            Failure::Unknown
        })?;
        if fill(&pending.buffer, region.size, target.format(), &pixels) {
            Ok(())
        } else {
            Err(Failure::Unknown)
        }
    }

    /// Looks whether a client's buffer can take a copy of that size of a target; if not, why. `any_modifier`: the client
    /// was told no modifiers of buffers on the GPU.
    pub(super) fn check_copy(
        &self,
        buffer: &WlBuffer,
        size: Size<i32, Buffer>,
        target: &Target,
        any_modifier: bool,
    ) -> Result<(), String> {
        let Ok(dmabuf) = get_dmabuf(buffer) else {
            return check(buffer, size, target.format());
        };
        let targets = self.backend.copy_targets();
        let targets = targets.ok_or_else(|| "only wl_shm buffers are copied to".to_owned())?;
        if dmabuf.y_inverted() {
            return Err("the buffer is upside down".to_owned());
        }
        let wanted = (size, target.fourcc());
        targets.check(wanted, (dmabuf.size(), dmabuf.format()), any_modifier)
    }

    /// Brings the mirror of a target up to date, unless it is. For a copy that waits it is as long as no
    /// frame was drawn.
    fn refresh_mirror(
        &mut self,
        target: &Target,
        output: &Output,
        waits: bool,
    ) -> Result<(), Failure> {
        let drawn = self.drawn(target);
        if let Some(stream) = self.extensions.captures.stream(target)
            && (stream.fresh || (waits && stream.drawn == drawn))
        {
            return Ok(());
        }
        let changed = self.with_scene(target.view(), output, |backend, scene| {
            backend.refresh(scene, output)
        });
        match changed {
            Ok(changed) => {
                let captures = &mut self.extensions.captures;
                captures.refreshed(target, drawn, changed);
                Ok(())
            }
            Err(error) => {
                tracing::error!("output {}: {error}", output.name());
                let streams = &mut self.extensions.captures.streams;
                streams.retain(|stream| stream.target != *target);
                Err(Failure::Unknown)
            }
        }
    }
}

/// Whether a client's buffer in memory can take a copy of that size and format; if not, why.
fn check(buffer: &WlBuffer, size: Size<i32, Buffer>, format: wl_shm::Format) -> Result<(), String> {
    let data = match with_buffer_contents(buffer, |_, _, data| data) {
        Ok(data) => data,
        Err(BufferAccessError::NotManaged) => {
            return Err("the buffer is neither of wl_shm nor of linux-dmabuf".to_owned());
        }
        Err(error) => return Err(error.to_string()),
    };
    if data.format != format {
        return Err(format!(
            "the format is {:?}; it has to be {format:?}",
            data.format
        ));
    }
    let stride = size.w * PIXEL;
    if (data.width, data.height) != (size.w, size.h) || data.stride < stride {
        return Err(format!(
            "the buffer has {}x{} pixels and rows of {} bytes; it needs {}x{} and {stride}",
            data.width, data.height, data.stride, size.w, size.h
        ));
    }
    Ok(())
}

/// Writes pixels into a client's buffer. Returns false if it does not hold them, as when its client
/// made its memory smaller.
fn fill(buffer: &WlBuffer, size: Size<i32, Buffer>, format: wl_shm::Format, pixels: &[u8]) -> bool {
    let (Ok(row), Ok(rows)) = (usize::try_from(size.w * PIXEL), usize::try_from(size.h)) else {
        return false;
    };
    let written = with_buffer_contents_mut(buffer, |memory, length, data| {
        let (Ok(offset), Ok(stride)) = (usize::try_from(data.offset), usize::try_from(data.stride))
        else {
            return false;
        };
        let fits = data.format == format
            && row <= stride
            && rows > 0
            && pixels.len() >= row * rows
            && offset + stride * (rows - 1) + row <= length;
        if !fits {
            return false;
        }
        for (number, row) in pixels.chunks_exact(row).take(rows).enumerate() {
            // SAFETY: `memory` has `length` bytes while this closure runs, and the row ends within them,
            // as was just computed for the last one. The client may change the memory meanwhile, so no
            // reference to it is made. It cannot overlap `pixels`, which is memory of our own.
            unsafe {
                std::ptr::copy_nonoverlapping(
                    row.as_ptr(),
                    memory.add(offset + number * stride),
                    row.len(),
                );
            }
        }
        true
    });
    written.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use smithay::output::{PhysicalProperties, Subpixel};

    use super::*;

    fn target() -> Target {
        let output = Output::new(
            "one".into(),
            PhysicalProperties {
                size: (0, 0).into(),
                subpixel: Subpixel::Unknown,
                make: String::new(),
                model: String::new(),
            },
        );
        Target::output(output, false)
    }

    fn rect(x: i32, y: i32, w: i32, h: i32) -> Rectangle<i32, Buffer> {
        Rectangle::new((x, y).into(), (w, h).into())
    }

    #[test]
    fn who_saw_a_version_is_told_what_came_after_it_and_who_saw_none_everything() {
        let mut captures = Captures::default();
        let target = target();
        let whole = rect(0, 0, 100, 100);
        captures.refreshed(&target, 1, vec![whole]);
        let first = captures.stream(&target).unwrap().version();
        captures.refreshed(&target, 2, Vec::new());
        assert_eq!(captures.stream(&target).unwrap().version(), first);
        captures.refreshed(&target, 3, vec![rect(10, 10, 20, 20)]);
        let stream = captures.stream(&target).unwrap();
        assert_eq!(stream.changed_since(None, whole), [whole]);
        assert_eq!(
            stream.changed_since(Some(first), whole),
            [rect(10, 10, 20, 20)]
        );
        assert_eq!(
            stream.changed_since(Some(first), rect(20, 20, 50, 50)),
            [rect(0, 0, 10, 10)],
            "a part's changes are counted from its corner"
        );
        assert!(
            stream
                .changed_since(Some(stream.version()), whole)
                .is_empty()
        );
    }

    #[test]
    fn an_old_version_and_one_of_a_mirror_that_is_gone_are_as_none() {
        let mut captures = Captures::default();
        let target = target();
        let whole = rect(0, 0, 100, 100);
        captures.refreshed(&target, 1, vec![whole]);
        let first = captures.stream(&target).unwrap().version();
        for drawn in 0..2 * MOST_CHANGES as u64 {
            captures.refreshed(&target, drawn, vec![rect(0, 0, 1, 1)]);
        }
        let stream = captures.stream(&target).unwrap();
        assert_eq!(stream.changed_since(Some(first), whole), [whole]);
        let last = stream.version();
        captures.streams.clear();
        captures.refreshed(&target, 1, vec![whole]);
        let stream = captures.stream(&target).unwrap();
        assert_eq!(stream.changed_since(Some(last), whole), [whole]);
    }
}
