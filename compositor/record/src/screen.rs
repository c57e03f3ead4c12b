//! Copies of an output or a window, one after the other, by `ext-image-copy-capture-v1`.
//!
//! A frame is asked for, and given when there is another picture than the last time. Meanwhile this waits for the
//! compositor, for the end that somebody asks for, and for the time at which the next frame may be asked for.

use std::fmt::Display;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::io::Errno;
use wayland_client::backend::WaylandError;
use wayland_client::globals::{GlobalListContents, registry_queue_init};
use wayland_client::protocol::wl_buffer::WlBuffer;
use wayland_client::protocol::wl_output::{self, Transform, WlOutput};
use wayland_client::protocol::wl_registry::{self, WlRegistry};
use wayland_client::protocol::wl_shm::{Format, WlShm};
use wayland_client::protocol::wl_shm_pool::WlShmPool;
use wayland_client::{
    Connection, Dispatch, EventQueue, Proxy, QueueHandle, WEnum, delegate_noop, event_created_child,
};
use wayland_protocols::ext::foreign_toplevel_list::v1::client::{
    ext_foreign_toplevel_handle_v1::{self, ExtForeignToplevelHandleV1},
    ext_foreign_toplevel_list_v1::{self, ExtForeignToplevelListV1},
};
use wayland_protocols::ext::image_capture_source::v1::client::{
    ext_foreign_toplevel_image_capture_source_manager_v1::ExtForeignToplevelImageCaptureSourceManagerV1,
    ext_image_capture_source_v1::ExtImageCaptureSourceV1,
    ext_output_image_capture_source_manager_v1::ExtOutputImageCaptureSourceManagerV1,
};
use wayland_protocols::ext::image_copy_capture::v1::client::{
    ext_image_copy_capture_frame_v1::{self, ExtImageCopyCaptureFrameV1, FailureReason},
    ext_image_copy_capture_manager_v1::{ExtImageCopyCaptureManagerV1, Options},
    ext_image_copy_capture_session_v1::{self, ExtImageCopyCaptureSessionV1},
};
use wayland_protocols::xdg::xdg_output::zv1::client::{
    zxdg_output_manager_v1::ZxdgOutputManagerV1,
    zxdg_output_v1::{self, ZxdgOutputV1},
};

use crate::picture::{Frame, Part, Shape, is_known};
use crate::queue::Queue;
use crate::stop::Stop;
use crate::{Error, Plan, Region, Target};

/// How soon is asked again where the compositor gave no picture, as while the session is locked.
const AGAIN: Duration = Duration::from_millis(250);
/// The same, where the picture has another size by now.
const OTHERWISE: Duration = Duration::from_millis(20);

/// Why there are no more pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Somebody asked for it.
    Stopped,
    /// The output or the window is gone.
    Gone,
}

/// A source of pictures.
#[derive(Debug)]
pub struct Capture {
    queue: EventQueue<Client>,
    client: Client,
    shm: WlShm,
    session: ExtImageCopyCaptureSessionV1,
    part: Option<Part>,
    /// Between two frames.
    pause: Duration,
}

impl Capture {
    /// Looks for what is to be recorded, over a connection to the compositor.
    ///
    /// # Errors
    /// [`Error`]: it is not there, or cannot be recorded.
    pub fn open(connection: &Connection, plan: &Plan) -> Result<Self, Error> {
        let (globals, mut queue) = registry_queue_init::<Client>(connection).map_err(broken)?;
        let qh = queue.handle();
        let shm: WlShm = globals
            .bind(&qh, 1..=1, ())
            .map_err(|_| Error::Missing("wl_shm"))?;
        let copies: ExtImageCopyCaptureManagerV1 = globals
            .bind(&qh, 1..=1, ())
            .map_err(|_| Error::Missing("ext_image_copy_capture_manager_v1"))?;
        let mut client = Client::default();
        let places: Option<ZxdgOutputManagerV1> = globals.bind(&qh, 1..=3, ()).ok();
        for global in globals.contents().clone_list() {
            if global.interface != WlOutput::interface().name {
                continue;
            }
            let at = client.outputs.len();
            let version = global.version.min(4);
            let output: WlOutput = globals.registry().bind(global.name, version, &qh, at);
            if let Some(places) = &places {
                places.get_xdg_output(&output, &qh, at);
            }
            client.outputs.push(Output::new(output));
        }
        let windows: Option<ExtForeignToplevelListV1> = match plan.target {
            Target::Window(_) => globals.bind(&qh, 1..=1, ()).ok(),
            _ => None,
        };
        // What there is, and then what that is.
        for _ in 0..2 {
            queue.roundtrip(&mut client).map_err(broken)?;
        }
        let mut part = None;
        let source = match &plan.target {
            Target::Window(identifier) => {
                let manager: ExtForeignToplevelImageCaptureSourceManagerV1 =
                    globals.bind(&qh, 1..=1, ()).map_err(|_| {
                        Error::Missing("ext_foreign_toplevel_image_capture_source_manager_v1")
                    })?;
                let mut known = client.windows.iter();
                let found = known.find(|(_, known)| known == identifier);
                let (window, _) = found.ok_or(Error::NoWindow)?;
                manager.create_source(window, &qh, ())
            }
            Target::Output(name) => {
                let output = named(&client.outputs, name)?;
                of_output(&globals, &qh, &output.output)?
            }
            Target::Region(region) => {
                let (output, share) = around(&client.outputs, *region)?;
                part = Some(share);
                of_output(&globals, &qh, &output.output)?
            }
        };
        if let Some(windows) = windows {
            windows.stop();
        }
        let options = if plan.pointer {
            Options::PaintCursors
        } else {
            Options::empty()
        };
        let session = copies.create_session(&source, options, &qh, ());
        source.destroy();
        Ok(Self {
            queue,
            client,
            shm,
            session,
            part,
            pause: Duration::from_secs(1) / plan.rate.max(1),
        })
    }

    /// The part of the pictures that was meant, if it is not all.
    pub fn part(&self) -> Option<Part> {
        self.part
    }

    /// Puts pictures into the queue until it is asked to stop, or the source is gone.
    ///
    /// # Errors
    /// [`Error::Connect`], [`Error::Format`], [`Error::Memory`].
    pub fn follow(mut self, frames: &Queue<Frame>, stop: &Stop) -> Result<End, Error> {
        let qh = self.queue.handle();
        let mut memory: Option<Memory> = None;
        let mut asked: Option<ExtImageCopyCaptureFrameV1> = None;
        let mut next = Instant::now();
        loop {
            if stop.is_asked() {
                return Ok(End::Stopped);
            }
            match std::mem::replace(&mut self.client.frame, Progress::Waits) {
                Progress::Waits => {}
                Progress::Ready => {
                    let at = Instant::now();
                    next = at + self.pause;
                    if let Some(memory) = &memory {
                        frames.put(Frame {
                            pixels: memory.read()?,
                            shape: memory.shape,
                            transform: self.client.transform,
                            at,
                        });
                    }
                    end(&mut asked);
                }
                Progress::Failed(FailureReason::Stopped) => return Ok(End::Gone),
                Progress::Failed(reason) => {
                    let wait = match reason {
                        FailureReason::BufferConstraints => OTHERWISE,
                        _ => AGAIN,
                    };
                    next = Instant::now() + wait;
                    end(&mut asked);
                }
            }
            if self.client.stopped {
                return Ok(End::Gone);
            }
            let wait = next.saturating_duration_since(Instant::now());
            let shape = self.client.shape()?;
            if let Some(shape) = shape.filter(|_| asked.is_none() && wait.is_zero()) {
                if memory.as_ref().map(|memory| memory.shape) != Some(shape) {
                    memory = Some(Memory::new(shape, &self.shm, &qh)?);
                }
                asked = memory.as_ref().map(|memory| self.ask(memory, &qh));
            }
            let waits_for_time = asked.is_none() && shape.is_some();
            self.wait(stop.as_fd(), waits_for_time.then_some(wait))?;
        }
    }

    fn ask(&self, memory: &Memory, qh: &QueueHandle<Client>) -> ExtImageCopyCaptureFrameV1 {
        let frame = self.session.create_frame(qh, ());
        let (width, height) = (memory.shape.width as i32, memory.shape.height as i32);
        frame.attach_buffer(&memory.buffer);
        frame.damage_buffer(0, 0, width, height);
        frame.capture();
        frame
    }

    /// Waits until the compositor said something, `stop` can be read, or the time is over.
    fn wait(&mut self, stop: BorrowedFd<'_>, time: Option<Duration>) -> Result<(), Error> {
        let (queue, client) = (&mut self.queue, &mut self.client);
        match queue.flush() {
            // Its side is full: it is read and written further later.
            Err(WaylandError::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            flushed => flushed.map_err(broken)?,
        }
        let Some(guard) = queue.prepare_read() else {
            queue.dispatch_pending(client).map_err(broken)?;
            return Ok(());
        };
        let time = time.and_then(|time| Timespec::try_from(time).ok());
        let mut fds = [
            PollFd::from_borrowed_fd(guard.connection_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(stop, PollFlags::IN),
        ];
        match poll(&mut fds, time.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(broken(error)),
        }
        if !fds[0].revents().is_empty() {
            match guard.read() {
                Err(WaylandError::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                read => {
                    read.map_err(broken)?;
                }
            }
        }
        queue.dispatch_pending(client).map_err(broken)?;
        Ok(())
    }
}

/// Lets go of a frame.
fn end(frame: &mut Option<ExtImageCopyCaptureFrameV1>) {
    if let Some(frame) = frame.take() {
        frame.destroy();
    }
}

fn broken(error: impl Display) -> Error {
    Error::Connect(error.to_string())
}

fn of_output(
    globals: &wayland_client::globals::GlobalList,
    qh: &QueueHandle<Client>,
    output: &WlOutput,
) -> Result<ExtImageCaptureSourceV1, Error> {
    let manager: ExtOutputImageCaptureSourceManagerV1 = globals
        .bind(qh, 1..=1, ())
        .map_err(|_| Error::Missing("ext_output_image_capture_source_manager_v1"))?;
    Ok(manager.create_source(output, qh, ()))
}

/// The output of that name.
fn named<'a>(outputs: &'a [Output], name: &str) -> Result<&'a Output, Error> {
    let found = outputs.iter().find(|output| output.name == name);
    found.ok_or_else(|| Error::NoOutput {
        name: name.to_owned(),
        there: outputs.iter().map(|output| output.name.clone()).collect(),
    })
}

/// The output that a part lies on, and its share of that.
fn around(outputs: &[Output], region: Region) -> Result<(&Output, Part), Error> {
    let found = outputs.iter().find_map(|output| {
        let share = output.place.share(region)?;
        Some((output, share))
    });
    found.ok_or_else(|| Error::Outside {
        region,
        there: outputs.iter().map(Output::described).collect(),
    })
}

/// What the compositor said.
#[derive(Debug)]
struct Client {
    outputs: Vec<Output>,
    /// With their identifiers.
    windows: Vec<(ExtForeignToplevelHandleV1, String)>,
    size: Option<(u32, u32)>,
    /// Those that were told, and those that are being told.
    formats: Vec<Format>,
    coming: Vec<Format>,
    /// The session has ended.
    stopped: bool,
    frame: Progress,
    transform: Transform,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            outputs: Vec::new(),
            windows: Vec::new(),
            size: None,
            formats: Vec::new(),
            coming: Vec::new(),
            stopped: false,
            frame: Progress::Waits,
            transform: Transform::Normal,
        }
    }
}

impl Client {
    /// How the next copy lies in memory, once that was said.
    fn shape(&self) -> Result<Option<Shape>, Error> {
        let Some((width, height)) = self.size.filter(|_| !self.formats.is_empty()) else {
            return Ok(None);
        };
        let mut formats = self.formats.iter().copied();
        let format = formats.find(|format| is_known(*format));
        Ok(Some(Shape {
            format: format.ok_or(Error::Format)?,
            width,
            height,
        }))
    }
}

/// What became of the frame that was asked for last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Waits,
    Ready,
    Failed(FailureReason),
}

#[derive(Debug)]
struct Output {
    output: WlOutput,
    name: String,
    place: Place,
}

/// Where an output is in the space that all share, in logical pixels.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    at: (i32, i32),
    size: (i32, i32),
}

impl Output {
    fn new(output: WlOutput) -> Self {
        Self {
            output,
            name: String::new(),
            place: Place::default(),
        }
    }

    fn described(&self) -> String {
        let ((x, y), (width, height)) = (self.place.at, self.place.size);
        format!("{} at {x},{y},{width},{height}", self.name)
    }
}

impl Place {
    /// The share of it that a part is, if all of that lies on it.
    fn share(self, region: Region) -> Option<Part> {
        let span = |from: i32, length: u32, at: i32, size: i32| {
            let begin = i64::from(from) - i64::from(at);
            let fits = begin >= 0 && length > 0 && begin + i64::from(length) <= i64::from(size);
            fits.then(|| {
                let size = f64::from(size);
                (begin as f64 / size, f64::from(length) / size)
            })
        };
        let (x, width) = span(region.x, region.width, self.at.0, self.size.0)?;
        let (y, height) = span(region.y, region.height, self.at.1, self.size.1)?;
        Some(Part {
            x,
            y,
            width,
            height,
        })
    }
}

/// A buffer whose memory can be read.
#[derive(Debug)]
struct Memory {
    shape: Shape,
    file: File,
    buffer: WlBuffer,
}

impl Memory {
    fn new(shape: Shape, shm: &WlShm, qh: &QueueHandle<Client>) -> Result<Self, Error> {
        let failed = |why: String| Error::Memory(shape.width, shape.height, why);
        let length = i32::try_from(shape.bytes()).map_err(|_| failed("it is too large".into()))?;
        let file =
            memfd_create("recording", MemfdFlags::CLOEXEC).map_err(|e| failed(e.to_string()))?;
        ftruncate(&file, shape.bytes()).map_err(|e| failed(e.to_string()))?;
        let pool = shm.create_pool(file.as_fd(), length, qh, ());
        let buffer = pool.create_buffer(
            0,
            shape.width as i32,
            shape.height as i32,
            shape.stride() as i32,
            shape.format,
            qh,
            (),
        );
        pool.destroy();
        Ok(Self {
            shape,
            file: file.into(),
            buffer,
        })
    }

    fn read(&self) -> Result<Vec<u8>, Error> {
        let Shape { width, height, .. } = self.shape;
        let mut pixels = vec![0; self.shape.bytes() as usize];
        let read = self.file.read_exact_at(&mut pixels, 0);
        read.map_err(|error| Error::Memory(width, height, error.to_string()))?;
        Ok(pixels)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.buffer.destroy();
    }
}

delegate_noop!(Client: ignore WlShm);
delegate_noop!(Client: WlShmPool);
delegate_noop!(Client: ignore WlBuffer);
delegate_noop!(Client: ZxdgOutputManagerV1);
delegate_noop!(Client: ExtImageCaptureSourceV1);
delegate_noop!(Client: ExtImageCopyCaptureManagerV1);
delegate_noop!(Client: ExtOutputImageCaptureSourceManagerV1);
delegate_noop!(Client: ExtForeignToplevelImageCaptureSourceManagerV1);

impl Dispatch<WlRegistry, GlobalListContents> for Client {
    fn event(
        _: &mut Self,
        _: &WlRegistry,
        _: wl_registry::Event,
        _: &GlobalListContents,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
    }
}

impl Dispatch<WlOutput, usize> for Client {
    fn event(
        client: &mut Self,
        _: &WlOutput,
        event: wl_output::Event,
        at: &usize,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let wl_output::Event::Name { name } = event
            && let Some(output) = client.outputs.get_mut(*at)
        {
            output.name = name;
        }
    }
}

impl Dispatch<ZxdgOutputV1, usize> for Client {
    fn event(
        client: &mut Self,
        _: &ZxdgOutputV1,
        event: zxdg_output_v1::Event,
        at: &usize,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let Some(output) = client.outputs.get_mut(*at) else {
            return;
        };
        match event {
            zxdg_output_v1::Event::LogicalPosition { x, y } => output.place.at = (x, y),
            zxdg_output_v1::Event::LogicalSize { width, height } => {
                output.place.size = (width, height);
            }
            _ => {}
        }
    }
}

impl Dispatch<ExtForeignToplevelListV1, ()> for Client {
    fn event(
        _: &mut Self,
        _: &ExtForeignToplevelListV1,
        _: ext_foreign_toplevel_list_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        // What is told of a window comes by its handle.
    }

    event_created_child!(Client, ExtForeignToplevelListV1, [
        ext_foreign_toplevel_list_v1::EVT_TOPLEVEL_OPCODE => (ExtForeignToplevelHandleV1, ()),
    ]);
}

impl Dispatch<ExtForeignToplevelHandleV1, ()> for Client {
    fn event(
        client: &mut Self,
        window: &ExtForeignToplevelHandleV1,
        event: ext_foreign_toplevel_handle_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let ext_foreign_toplevel_handle_v1::Event::Identifier { identifier } = event {
            client.windows.push((window.clone(), identifier));
        }
    }
}

impl Dispatch<ExtImageCopyCaptureSessionV1, ()> for Client {
    fn event(
        client: &mut Self,
        _: &ExtImageCopyCaptureSessionV1,
        event: ext_image_copy_capture_session_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use ext_image_copy_capture_session_v1::Event;
        match event {
            Event::BufferSize { width, height } => client.size = Some((width, height)),
            Event::ShmFormat {
                format: WEnum::Value(format),
            } => client.coming.push(format),
            Event::Done => client.formats = std::mem::take(&mut client.coming),
            Event::Stopped => client.stopped = true,
            _ => {}
        }
    }
}

impl Dispatch<ExtImageCopyCaptureFrameV1, ()> for Client {
    fn event(
        client: &mut Self,
        _: &ExtImageCopyCaptureFrameV1,
        event: ext_image_copy_capture_frame_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use ext_image_copy_capture_frame_v1::Event;
        match event {
            Event::Transform {
                transform: WEnum::Value(transform),
            } => client.transform = transform,
            Event::Ready => client.frame = Progress::Ready,
            Event::Failed { reason } => {
                let reason = reason.into_result().unwrap_or(FailureReason::Unknown);
                client.frame = Progress::Failed(reason);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_to_lie_on_the_screen() {
        let place = Place {
            at: (1280, -100),
            size: (1000, 500),
        };
        let region = |x, y, width, height| Region {
            x,
            y,
            width,
            height,
        };
        let share = place.share(region(1380, 150, 500, 250)).unwrap();
        let wanted = Part {
            x: 0.1,
            y: 0.5,
            width: 0.5,
            height: 0.5,
        };
        assert_eq!(share, wanted);
        assert!(place.share(region(1280, -100, 1000, 500)).is_some());
        for outside in [
            region(1279, 0, 10, 10),
            region(1280, -101, 10, 10),
            region(2271, 0, 10, 10),
            region(1280, 0, 10, 401),
            region(1280, 0, 0, 10),
            region(i32::MAX, 0, u32::MAX, 10),
        ] {
            assert_eq!(place.share(outside), None, "{outside:?}");
        }
        assert_eq!(Place::default().share(region(0, 0, 1, 1)), None);
    }
}
