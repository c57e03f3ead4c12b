//! The client of `ext-image-copy-capture-v1`: which outputs and windows there are, and copies of them.

use std::str::FromStr;

use anyhow::{Context, bail};
use wayland_client::globals::{GlobalList, GlobalListContents};
use wayland_client::protocol::{
    wl_buffer::WlBuffer,
    wl_output::{self, WlOutput},
    wl_registry::WlRegistry,
    wl_shm::{self, WlShm},
    wl_shm_pool::WlShmPool,
};
use wayland_client::{
    Connection, Dispatch, Proxy, QueueHandle, WEnum, delegate_noop, event_created_child,
};
use wayland_protocols::ext::{
    foreign_toplevel_list::v1::client::{
        ext_foreign_toplevel_handle_v1::{self, ExtForeignToplevelHandleV1},
        ext_foreign_toplevel_list_v1::{self, ExtForeignToplevelListV1},
    },
    image_capture_source::v1::client::{
        ext_foreign_toplevel_image_capture_source_manager_v1::ExtForeignToplevelImageCaptureSourceManagerV1,
        ext_image_capture_source_v1::ExtImageCaptureSourceV1,
        ext_output_image_capture_source_manager_v1::ExtOutputImageCaptureSourceManagerV1,
    },
    image_copy_capture::v1::client::{
        ext_image_copy_capture_frame_v1::{self, ExtImageCopyCaptureFrameV1, FailureReason},
        ext_image_copy_capture_manager_v1::{ExtImageCopyCaptureManagerV1, Options},
        ext_image_copy_capture_session_v1::{self, ExtImageCopyCaptureSessionV1},
    },
};

use crate::stream::Memory;

/// The format of copies: every compositor has it. In memory that is blue, green, red and a byte of no meaning.
const FORMAT: wl_shm::Format = wl_shm::Format::Xrgb8888;
/// The longest side of a picture, in pixels.
pub(crate) const LARGEST: u32 = 16384;

/// What is wanted, by the name that the compositor has for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// An output, by its name.
    Output(String),
    /// A window, by its identifier.
    Window(String),
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        match text.split_once(':') {
            Some(("output", name)) => named(name).map(Self::Output),
            Some(("window", name)) => named(name).map(Self::Window),
            _ => None,
        }
        .ok_or_else(|| {
            format!("`{text}` names no source; write `output:NAME` or `window:IDENTIFIER`")
        })
    }
}

/// The compositor's outputs and windows, and the copies that are made of some.
#[derive(Debug)]
pub(crate) struct Desk {
    shm: WlShm,
    manager: ExtImageCopyCaptureManagerV1,
    of_outputs: ExtOutputImageCaptureSourceManagerV1,
    of_windows: Option<ExtForeignToplevelImageCaptureSourceManagerV1>,
    outputs: Vec<(WlOutput, Option<String>)>,
    windows: Vec<(ExtForeignToplevelHandleV1, Option<String>)>,
    copies: Vec<Copies>,
}

/// Copies of one source.
#[derive(Debug)]
struct Copies {
    source: ExtImageCaptureSourceV1,
    pointer: bool,
    session: ExtImageCopyCaptureSessionV1,
    /// What the session said of the size so far.
    saying: Option<(u32, u32)>,
    /// How large its pictures are, in pixels.
    size: Option<(u32, u32)>,
    frame: Option<Frame>,
    /// A frame came of this session.
    used: bool,
    stopped: bool,
}

/// A copy under way.
#[derive(Debug)]
struct Frame {
    frame: ExtImageCopyCaptureFrameV1,
    transform: u32,
    time: u64,
    outcome: Option<Result<(), Failure>>,
}

/// A copy that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Copied {
    /// How its rows lie, by the numbers of `wl_output`, which PipeWire has as well.
    pub(crate) transform: u32,
    /// When, in nanoseconds of the monotonic clock.
    pub(crate) time: u64,
}

/// Why there is no copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The picture has another size by now, of which the session tells.
    Size,
    /// The session is locked, or something else that may pass.
    Passing,
    /// The source is gone.
    Stopped,
}

/// Which copies: a number in the desk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key(usize);

impl Desk {
    /// # Errors
    /// When the compositor has no means to copy what it shows.
    pub(crate) fn new(globals: &GlobalList, qh: &QueueHandle<Self>) -> anyhow::Result<Self> {
        let lacks = |what: &str| {
            format!("the compositor does not offer {what}, by which outputs and windows are copied")
        };
        let registry = globals.registry();
        let mut outputs = Vec::new();
        for global in globals.contents().clone_list() {
            if global.interface == WlOutput::interface().name && global.version >= 4 {
                outputs.push((registry.bind(global.name, 4, qh, ()), None));
            }
        }
        // Its windows come as events.
        let list: Option<ExtForeignToplevelListV1> = globals.bind(qh, 1..=1, ()).ok();
        let of_windows = globals.bind(qh, 1..=1, ()).ok();
        Ok(Self {
            shm: globals
                .bind(qh, 1..=1, ())
                .with_context(|| lacks("wl_shm"))?,
            manager: globals
                .bind(qh, 1..=1, ())
                .with_context(|| lacks("ext_image_copy_capture_manager_v1"))?,
            of_outputs: globals
                .bind(qh, 1..=1, ())
                .with_context(|| lacks("ext_output_image_capture_source_manager_v1"))?,
            of_windows: of_windows.filter(|_| list.is_some()),
            outputs,
            windows: Vec::new(),
            copies: Vec::new(),
        })
    }

    /// Begins to copy something.
    ///
    /// # Errors
    /// When it is not there.
    pub(crate) fn open(
        &mut self,
        wanted: &Wanted,
        pointer: bool,
        qh: &QueueHandle<Self>,
    ) -> anyhow::Result<Key> {
        let source = match wanted {
            Wanted::Output(name) => {
                let found = self.outputs.iter().find(|(_, n)| n.as_ref() == Some(name));
                let Some((output, _)) = found else {
                    let names: Vec<&str> =
                        self.outputs.iter().filter_map(|o| o.1.as_deref()).collect();
                    bail!("there is no output {name}; there are: {}", names.join(", "));
                };
                self.of_outputs.create_source(output, qh, ())
            }
            Wanted::Window(identifier) => {
                let manager = self.of_windows.as_ref().context(
                    "the compositor does not offer copies of single windows; only outputs can be wanted",
                )?;
                let found = self
                    .windows
                    .iter()
                    .find(|(_, n)| n.as_ref() == Some(identifier));
                let (window, _) = found.with_context(|| {
                    format!("there is no window {identifier}; it may be closed")
                })?;
                manager.create_source(window, qh, ())
            }
        };
        let key = self.copies.len();
        let session = self.session(&source, pointer, key, qh);
        self.copies.push(Copies {
            source,
            pointer,
            session,
            saying: None,
            size: None,
            frame: None,
            used: false,
            stopped: false,
        });
        Ok(Key(key))
    }

    fn session(
        &self,
        source: &ExtImageCaptureSourceV1,
        pointer: bool,
        key: usize,
        qh: &QueueHandle<Self>,
    ) -> ExtImageCopyCaptureSessionV1 {
        let options = if pointer {
            Options::PaintCursors
        } else {
            Options::empty()
        };
        self.manager.create_session(source, options, qh, key)
    }

    /// Forgets what was seen: the next copy comes at once, not only when something has changed.
    pub(crate) fn renew(&mut self, Key(key): Key, qh: &QueueHandle<Self>) {
        self.drop_frame(Key(key));
        if self.copies[key].used && !self.copies[key].stopped {
            let session = self.session(&self.copies[key].source, self.copies[key].pointer, key, qh);
            let copies = &mut self.copies[key];
            std::mem::replace(&mut copies.session, session).destroy();
            // A session that is new tells its size again.
            (copies.saying, copies.size, copies.used) = (None, None, false);
        }
    }

    /// How large the pictures are, in pixels, once that is known.
    pub(crate) fn size(&self, Key(key): Key) -> Option<(u32, u32)> {
        self.copies[key].size
    }

    /// Whether the source is gone.
    pub(crate) fn is_stopped(&self, Key(key): Key) -> bool {
        self.copies[key].stopped
    }

    /// Whether a copy is under way.
    pub(crate) fn is_copying(&self, Key(key): Key) -> bool {
        self.copies[key].frame.is_some()
    }

    /// Has the compositor copy into a buffer as soon as there is something new.
    pub(crate) fn copy(&mut self, Key(key): Key, buffer: &WlBuffer, qh: &QueueHandle<Self>) {
        let copies = &mut self.copies[key];
        let frame = copies.session.create_frame(qh, key);
        frame.attach_buffer(buffer);
        if let Some((width, height)) = copies.size {
            frame.damage_buffer(0, 0, width as i32, height as i32);
        }
        frame.capture();
        copies.frame = Some(Frame {
            frame,
            transform: 0,
            time: 0,
            outcome: None,
        });
    }

    /// What became of the copy under way, once that is known.
    pub(crate) fn outcome(&mut self, Key(key): Key) -> Option<Result<Copied, Failure>> {
        let copies = &mut self.copies[key];
        let frame = copies.frame.as_ref()?;
        let outcome = frame.outcome?;
        let copied = Copied {
            transform: frame.transform,
            time: frame.time,
        };
        frame.frame.destroy();
        copies.frame = None;
        copies.used |= outcome.is_ok();
        Some(outcome.map(|()| copied))
    }

    /// Gives up the copy under way.
    pub(crate) fn drop_frame(&mut self, Key(key): Key) {
        if let Some(frame) = self.copies[key].frame.take() {
            frame.frame.destroy();
        }
    }

    /// The source is of no use any more.
    pub(crate) fn close(&mut self, key: Key) {
        self.drop_frame(key);
        let copies = &mut self.copies[key.0];
        if !std::mem::replace(&mut copies.stopped, true) {
            tracing::debug!("a source is given up");
        }
        copies.session.destroy();
        copies.source.destroy();
    }

    /// Memory as the compositor knows it.
    pub(crate) fn buffer(&self, memory: &Memory, qh: &QueueHandle<Self>) -> WlBuffer {
        let (width, height) = memory.size();
        let stride = width * 4;
        let pool = self
            .shm
            .create_pool(memory.descriptor(), (stride * height) as i32, qh, ());
        let buffer = pool.create_buffer(
            0,
            width as i32,
            height as i32,
            stride as i32,
            FORMAT,
            qh,
            (),
        );
        pool.destroy();
        buffer
    }

    fn of_frame(&mut self, key: usize, frame: &ExtImageCopyCaptureFrameV1) -> Option<&mut Frame> {
        let copies = self.copies.get_mut(key)?;
        copies.frame.as_mut().filter(|now| now.frame == *frame)
    }
}

impl Dispatch<WlRegistry, GlobalListContents> for Desk {
    fn event(
        _: &mut Self,
        _: &WlRegistry,
        _: <WlRegistry as Proxy>::Event,
        _: &GlobalListContents,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        // What comes later was not wanted; what goes is told by the sessions.
    }
}

impl Dispatch<WlOutput, ()> for Desk {
    fn event(
        desk: &mut Self,
        output: &WlOutput,
        event: wl_output::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let wl_output::Event::Name { name } = event
            && let Some(known) = desk.outputs.iter_mut().find(|(o, _)| o == output)
        {
            known.1 = Some(name);
        }
    }
}

impl Dispatch<ExtForeignToplevelListV1, ()> for Desk {
    fn event(
        desk: &mut Self,
        _: &ExtForeignToplevelListV1,
        event: ext_foreign_toplevel_list_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let ext_foreign_toplevel_list_v1::Event::Toplevel { toplevel } = event {
            desk.windows.push((toplevel, None));
        }
    }

    event_created_child!(Desk, ExtForeignToplevelListV1, [
        ext_foreign_toplevel_list_v1::EVT_TOPLEVEL_OPCODE => (ExtForeignToplevelHandleV1, ()),
    ]);
}

impl Dispatch<ExtForeignToplevelHandleV1, ()> for Desk {
    fn event(
        desk: &mut Self,
        window: &ExtForeignToplevelHandleV1,
        event: ext_foreign_toplevel_handle_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        match event {
            ext_foreign_toplevel_handle_v1::Event::Identifier { identifier } => {
                if let Some(known) = desk.windows.iter_mut().find(|(w, _)| w == window) {
                    known.1 = Some(identifier);
                }
            }
            ext_foreign_toplevel_handle_v1::Event::Closed => {
                desk.windows.retain(|(other, _)| other != window);
                window.destroy();
            }
            _ => {}
        }
    }
}

impl Dispatch<ExtImageCopyCaptureSessionV1, usize> for Desk {
    fn event(
        desk: &mut Self,
        session: &ExtImageCopyCaptureSessionV1,
        event: ext_image_copy_capture_session_v1::Event,
        key: &usize,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use ext_image_copy_capture_session_v1::Event;
        let copies = desk.copies.get_mut(*key);
        let Some(copies) = copies.filter(|copies| copies.session == *session) else {
            return;
        };
        match event {
            Event::BufferSize { width, height } => copies.saying = Some((width, height)),
            Event::Done => {
                let fits = |(width, height): &(u32, u32)| {
                    (1..=LARGEST).contains(width) && (1..=LARGEST).contains(height)
                };
                copies.size = copies.saying.filter(fits);
            }
            Event::Stopped => copies.stopped = true,
            _ => {}
        }
    }
}

impl Dispatch<ExtImageCopyCaptureFrameV1, usize> for Desk {
    fn event(
        desk: &mut Self,
        frame: &ExtImageCopyCaptureFrameV1,
        event: ext_image_copy_capture_frame_v1::Event,
        key: &usize,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use ext_image_copy_capture_frame_v1::Event;
        let Some(under_way) = desk.of_frame(*key, frame) else {
            return;
        };
        match event {
            Event::Transform {
                transform: WEnum::Value(transform),
            } => under_way.transform = transform.into(),
            Event::PresentationTime {
                tv_sec_hi,
                tv_sec_lo,
                tv_nsec,
            } => {
                let seconds = u64::from(tv_sec_hi) << 32 | u64::from(tv_sec_lo);
                under_way.time = seconds
                    .saturating_mul(1_000_000_000)
                    .saturating_add(tv_nsec.into());
            }
            Event::Ready => under_way.outcome = Some(Ok(())),
            Event::Failed { reason } => {
                under_way.outcome = Some(Err(match reason {
                    WEnum::Value(FailureReason::BufferConstraints) => Failure::Size,
                    WEnum::Value(FailureReason::Stopped) => Failure::Stopped,
                    _ => Failure::Passing,
                }));
            }
            _ => {}
        }
    }
}

delegate_noop!(Desk: ignore WlShm);
delegate_noop!(Desk: WlShmPool);
// Who reads the memory is known by PipeWire, not by the buffer's release.
delegate_noop!(Desk: ignore WlBuffer);
delegate_noop!(Desk: ExtImageCaptureSourceV1);
delegate_noop!(Desk: ExtOutputImageCaptureSourceManagerV1);
delegate_noop!(Desk: ExtForeignToplevelImageCaptureSourceManagerV1);
delegate_noop!(Desk: ExtImageCopyCaptureManagerV1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_named_by_kind_and_name() {
        assert_eq!("output:DP-1".parse(), Ok(Wanted::Output("DP-1".into())));
        // Names may have colons.
        assert_eq!("window:a:b".parse(), Ok(Wanted::Window("a:b".into())));
        for bad in ["", "DP-1", "output:", "screen:DP-1"] {
            let error = bad.parse::<Wanted>().unwrap_err();
            assert!(error.contains("output:NAME"), "{error}");
        }
    }
}
