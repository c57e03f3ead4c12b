//! Who types and looks at the screen: a virtual keyboard and copies of the output.

use std::{
    io::Write,
    os::{
        fd::AsFd,
        unix::{fs::FileExt, net::UnixStream},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use wayland_client::{
    Connection, Dispatch, EventQueue, Proxy, QueueHandle, WEnum, delegate_noop,
    globals::{GlobalListContents, registry_queue_init},
    protocol::{
        wl_buffer::WlBuffer,
        wl_output::WlOutput,
        wl_registry::{self, WlRegistry},
        wl_seat::WlSeat,
        wl_shm::{self, WlShm},
        wl_shm_pool::WlShmPool,
    },
};
use wayland_protocols_misc::zwp_virtual_keyboard_v1::client::{
    zwp_virtual_keyboard_manager_v1::ZwpVirtualKeyboardManagerV1,
    zwp_virtual_keyboard_v1::ZwpVirtualKeyboardV1,
};
use wayland_protocols_wlr::screencopy::v1::client::{
    zwlr_screencopy_frame_v1::{self, ZwlrScreencopyFrameV1},
    zwlr_screencopy_manager_v1::ZwlrScreencopyManagerV1,
};

/// One key is enough.
const KEYMAP: &str = r#"xkb_keymap {
xkb_keycodes "bench" { minimum = 8; maximum = 255; <AC01> = 38; };
xkb_types "bench" { type "ONE_LEVEL" { modifiers = none; level_name[Level1] = "Any"; }; };
xkb_compatibility "bench" { };
xkb_symbols "bench" { key <AC01> { [ a ] }; };
};
"#;
/// Linux's code of that key.
const KEY: u32 = 30;
/// The window is larger than the steps in which it is looked for.
const STEP: usize = 40;
const LIMIT: Duration = Duration::from_secs(10);

/// See the module.
pub(crate) struct Observer {
    connection: Connection,
    queue: EventQueue<Seen>,
    qh: QueueHandle<Seen>,
    output: WlOutput,
    shm: WlShm,
    screencopy: ZwlrScreencopyManagerV1,
    keyboard: ZwpVirtualKeyboardV1,
    seen: Seen,
    picture: Option<(WlBuffer, std::fs::File)>,
}

/// What it heard of the copy that is being made.
#[derive(Debug, Default)]
struct Seen {
    /// Format, width, height, bytes in a row.
    wanted: Option<(wl_shm::Format, u32, u32, u32)>,
    told: bool,
    done: Option<bool>,
}

impl Observer {
    pub(crate) fn new(socket: UnixStream) -> Result<Self> {
        let connection = Connection::from_socket(socket)?;
        let (globals, queue) = registry_queue_init::<Seen>(&connection)?;
        let qh = queue.handle();
        let seat: WlSeat = globals.bind(&qh, 1..=7, ())?;
        let manager: ZwpVirtualKeyboardManagerV1 = globals.bind(&qh, 1..=1, ())?;
        let keyboard = manager.create_virtual_keyboard(&seat, &qh, ());
        let mut keymap = tempfile::tempfile()?;
        keymap.write_all(KEYMAP.as_bytes())?;
        keymap.write_all(&[0])?;
        let size = KEYMAP.len() as u32 + 1;
        // 1: a text for libxkbcommon.
        keyboard.keymap(1, keymap.as_fd(), size);
        let mut observer = Self {
            output: globals.bind(&qh, 1..=2, ())?,
            shm: globals.bind(&qh, 1..=1, ())?,
            screencopy: globals.bind(&qh, 3..=3, ())?,
            keyboard,
            connection,
            queue,
            qh,
            seen: Seen::default(),
            picture: None,
        };
        observer.queue.roundtrip(&mut observer.seen)?;
        Ok(observer)
    }

    fn wait(&mut self, is: impl Fn(&Seen) -> bool) -> Result<()> {
        let begin = Instant::now();
        while !is(&self.seen) {
            self.queue.blocking_dispatch(&mut self.seen)?;
            ensure!(begin.elapsed() < LIMIT, "no copy of the output comes");
        }
        Ok(())
    }

    /// Asks for a copy: now, or with the next change.
    fn ask(&mut self, with_change: bool) -> Result<ZwlrScreencopyFrameV1> {
        self.seen = Seen::default();
        let frame = self
            .screencopy
            .capture_output(0, &self.output, &self.qh, ());
        self.wait(|seen| seen.told)?;
        let (format, width, height, stride) = self.seen.wanted.context("no format for copies")?;
        if self.picture.is_none() {
            let size = (stride * height) as i32;
            let file = tempfile::tempfile()?;
            file.set_len(size as u64)?;
            let pool = self.shm.create_pool(file.as_fd(), size, &self.qh, ());
            let (w, h, stride) = (width as i32, height as i32, stride as i32);
            let buffer = pool.create_buffer(0, w, h, stride, format, &self.qh, ());
            self.picture = Some((buffer, file));
        }
        let (buffer, _) = self.picture.as_ref().context("no buffer")?;
        if with_change {
            frame.copy_with_damage(buffer);
        } else {
            frame.copy(buffer);
        }
        self.connection.flush()?;
        Ok(frame)
    }

    /// Waits for the copy, and says whether a colour is in it.
    fn shows(&mut self, frame: &ZwlrScreencopyFrameV1, colour: u32) -> Result<bool> {
        self.wait(|seen| seen.done.is_some())?;
        ensure!(self.seen.done == Some(true), "the output cannot be copied");
        frame.destroy();
        let (_, width, height, stride) = self.seen.wanted.context("no format for copies")?;
        let (_, file) = self.picture.as_ref().context("no buffer")?;
        let mut row = vec![0; stride as usize];
        for y in (0..height as usize).step_by(STEP) {
            file.read_exact_at(&mut row, (y * stride as usize) as u64)?;
            for x in (0..width as usize).step_by(STEP) {
                let pixel = &row[x * 4..x * 4 + 3];
                let [b, g, r, _] = colour.to_le_bytes();
                // Either order of red and blue.
                if pixel == [b, g, r] || pixel == [r, g, b] {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Waits until a colour is on the screen.
    pub(crate) fn sees(&mut self, colour: u32) -> Result<()> {
        let begin = Instant::now();
        loop {
            let frame = self.ask(false)?;
            if self.shows(&frame, colour)? {
                return Ok(());
            }
            ensure!(begin.elapsed() < LIMIT, "the window is not on the screen");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Presses the key; how long it takes until a copy of the output has the colour.
    pub(crate) fn key_to(&mut self, colour: u32) -> Result<Duration> {
        let mut frame = self.ask(true)?;
        let begin = Instant::now();
        self.keyboard.key(0, KEY, 1);
        self.connection.flush()?;
        while !self.shows(&frame, colour)? {
            frame = self.ask(false)?;
        }
        let took = begin.elapsed();
        self.keyboard.key(0, KEY, 0);
        self.connection.flush()?;
        Ok(took)
    }
}

impl Dispatch<ZwlrScreencopyFrameV1, ()> for Seen {
    fn event(
        state: &mut Self,
        frame: &ZwlrScreencopyFrameV1,
        event: zwlr_screencopy_frame_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use zwlr_screencopy_frame_v1::Event;
        match event {
            Event::Buffer {
                format: WEnum::Value(format),
                width,
                height,
                stride,
            } => {
                state.wanted = Some((format, width, height, stride));
                state.told |= frame.version() < 3;
            }
            Event::BufferDone => state.told = true,
            Event::Ready { .. } => state.done = Some(true),
            Event::Failed => state.done = Some(false),
            _ => {}
        }
    }
}

impl Dispatch<WlRegistry, GlobalListContents> for Seen {
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

delegate_noop!(Seen: ignore WlOutput);
delegate_noop!(Seen: ignore WlSeat);
delegate_noop!(Seen: ignore WlShm);
delegate_noop!(Seen: WlShmPool);
delegate_noop!(Seen: ignore WlBuffer);
delegate_noop!(Seen: ZwpVirtualKeyboardManagerV1);
delegate_noop!(Seen: ZwpVirtualKeyboardV1);
delegate_noop!(Seen: ZwlrScreencopyManagerV1);
