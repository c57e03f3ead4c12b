//! The one program that all compositors show: a window of 300 by 200 pixels that is painted anew with each
//! frame, or with each key.

use std::{
    os::{fd::AsFd, unix::net::UnixStream},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use wayland_client::{
    Connection, Dispatch, EventQueue, QueueHandle, WEnum, delegate_noop,
    globals::{GlobalList, GlobalListContents, registry_queue_init},
    protocol::{
        wl_buffer::{self, WlBuffer},
        wl_callback::{self, WlCallback},
        wl_compositor::WlCompositor,
        wl_keyboard::{self, WlKeyboard},
        wl_registry::{self, WlRegistry},
        wl_seat::{self, WlSeat},
        wl_shm::{self, WlShm},
        wl_shm_pool::WlShmPool,
        wl_surface::WlSurface,
    },
};
use wayland_protocols::{
    wp::presentation_time::client::{
        wp_presentation::WpPresentation,
        wp_presentation_feedback::{self, WpPresentationFeedback},
    },
    xdg::shell::client::{
        xdg_surface::{self, XdgSurface},
        xdg_toplevel::XdgToplevel,
        xdg_wm_base::{self, XdgWmBase},
    },
};

const WIDTH: usize = 300;
const HEIGHT: usize = 200;
const BYTES: usize = WIDTH * HEIGHT * 4;

/// The colours that a key switches between, 0xRRGGBB; nobody's background has them.
pub(crate) const COLOURS: [u32; 2] = [0x12_ff34, 0xff_1234];

/// The title of a window, by which the compositors know where it goes.
pub(crate) fn title(number: usize) -> String {
    format!("bench {number}")
}

/// What is painted anew, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    EachFrame,
    EachKey,
}

/// A window on a connection of its own.
pub(crate) struct Window {
    connection: Connection,
    queue: EventQueue<Inner>,
    qh: QueueHandle<Inner>,
    pub(crate) inner: Inner,
    _globals: GlobalList,
}

/// What it heard, and what it paints on.
pub(crate) struct Inner {
    paint: Paint,
    surface: WlSurface,
    _toplevel: XdgToplevel,
    keyboard: Option<WlKeyboard>,
    presentation: Option<WpPresentation>,
    memory: std::fs::File,
    /// Each with whether the compositor reads it.
    buffers: Vec<(WlBuffer, bool)>,
    /// A frame is to be painted that there was no buffer for.
    owes: bool,
    colour: u32,
    configured: bool,
    /// Frames that were asked for.
    pub(crate) frames: u32,
    /// Frames that were shown, and that never were.
    pub(crate) presented: u32,
    pub(crate) discarded: u32,
    /// When the first frame was shown.
    pub(crate) first: Option<Instant>,
    pub(crate) focused: bool,
    /// Longest time between two frames.
    pub(crate) longest: Duration,
    last: Option<Instant>,
}

impl Window {
    /// Connects, and shows a window.
    pub(crate) fn open(socket: UnixStream, paint: Paint, number: usize) -> Result<Self> {
        let connection = Connection::from_socket(socket)?;
        let (globals, queue) = registry_queue_init::<Inner>(&connection)?;
        let qh = queue.handle();
        let compositor: WlCompositor = globals.bind(&qh, 4..=6, ())?;
        let shm: WlShm = globals.bind(&qh, 1..=1, ())?;
        let wm_base: XdgWmBase = globals.bind(&qh, 1..=5, ())?;
        if paint == Paint::EachKey {
            // Weston has none without a screen.
            let _: Option<WlSeat> = globals.bind(&qh, 1..=7, ()).ok();
        }
        let surface = compositor.create_surface(&qh, ());
        let xdg = wm_base.get_xdg_surface(&surface, &qh, ());
        let toplevel = xdg.get_toplevel(&qh, ());
        toplevel.set_app_id("bench".into());
        toplevel.set_title(title(number));
        surface.commit();
        let memory = tempfile::tempfile()?;
        memory.set_len(2 * BYTES as u64)?;
        let pool = shm.create_pool(memory.as_fd(), 2 * BYTES as i32, &qh, ());
        let buffers = (0..2)
            .map(|index: usize| {
                let (offset, stride) = ((index * BYTES) as i32, WIDTH as i32 * 4);
                let (w, h) = (WIDTH as i32, HEIGHT as i32);
                let format = wl_shm::Format::Xrgb8888;
                let buffer = pool.create_buffer(offset, w, h, stride, format, &qh, index);
                (buffer, false)
            })
            .collect();
        let inner = Inner {
            paint,
            surface,
            _toplevel: toplevel,
            keyboard: None,
            presentation: globals.bind(&qh, 1..=1, ()).ok(),
            memory,
            buffers,
            owes: false,
            colour: COLOURS[0],
            configured: false,
            frames: 0,
            presented: 0,
            discarded: 0,
            first: None,
            focused: false,
            longest: Duration::ZERO,
            last: None,
        };
        let mut window = Self {
            connection,
            queue,
            qh,
            inner,
            _globals: globals,
        };
        window.connection.flush()?;
        window.until(Duration::from_secs(30), "a configure", |inner| {
            inner.configured
        })?;
        let qh = window.qh.clone();
        window.inner.draw(&qh)?;
        Ok(window)
    }

    /// Goes on for that long, or until something is so; that it is not is an error.
    pub(crate) fn until(
        &mut self,
        limit: Duration,
        what: &str,
        is: impl Fn(&Inner) -> bool,
    ) -> Result<()> {
        let end = Instant::now() + limit;
        while !is(&self.inner) {
            ensure!(Instant::now() < end, "the client waits in vain for {what}");
            self.wait(end)?;
        }
        Ok(())
    }

    /// Goes on until it is told to stop.
    pub(crate) fn go_on(&mut self, stop: &AtomicBool) -> Result<()> {
        while !stop.load(Ordering::Relaxed) {
            self.wait(Instant::now() + Duration::from_millis(20))?;
        }
        self.inner.note_gap();
        Ok(())
    }

    /// Hears what there is, or waits for something until then.
    fn wait(&mut self, end: Instant) -> Result<()> {
        self.queue.dispatch_pending(&mut self.inner)?;
        self.connection.flush()?;
        let Some(guard) = self.queue.prepare_read() else {
            return Ok(());
        };
        let left = end.saturating_duration_since(Instant::now());
        let left = Timespec {
            tv_sec: left.as_secs() as i64,
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        let fd = guard.connection_fd();
        let mut ready = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
        if poll(&mut ready, Some(&left))? > 0 {
            guard.read()?;
        } else {
            drop(guard);
        }
        self.queue.dispatch_pending(&mut self.inner)?;
        self.connection.flush()?;
        Ok(())
    }

    /// Forgets what was counted.
    pub(crate) fn reset(&mut self) {
        let inner = &mut self.inner;
        (inner.frames, inner.presented, inner.discarded) = (0, 0, 0);
        (inner.longest, inner.last) = (Duration::ZERO, Some(Instant::now()));
    }
}

impl Inner {
    fn note_gap(&mut self) {
        let now = Instant::now();
        if let Some(last) = self.last.replace(now) {
            self.longest = self.longest.max(now - last);
        }
    }

    /// Paints a buffer that the compositor does not read, and commits it.
    fn draw(&mut self, qh: &QueueHandle<Self>) -> Result<()> {
        use std::os::unix::fs::FileExt;
        let Some(index) = self.buffers.iter().position(|(_, busy)| !busy) else {
            // Both are read: as soon as one is not.
            self.owes = true;
            return Ok(());
        };
        let shade = if self.paint == Paint::EachFrame {
            self.frames.wrapping_mul(0x0005_0301) & 0x003f_3f3f
        } else {
            0
        };
        let pixel = (0xff00_0000 | (self.colour ^ shade)).to_le_bytes();
        let row = pixel.repeat(WIDTH * HEIGHT);
        self.memory.write_all_at(&row, (index * BYTES) as u64)?;
        let (buffer, busy) = &mut self.buffers[index];
        *busy = true;
        self.surface.attach(Some(buffer), 0, 0);
        self.surface.damage(0, 0, WIDTH as i32, HEIGHT as i32);
        if self.paint == Paint::EachFrame {
            self.surface.frame(qh, ());
        }
        self.commit(qh);
        Ok(())
    }

    /// Commits, and is told when that is shown: a commit takes the place of the one before.
    fn commit(&self, qh: &QueueHandle<Self>) {
        if let Some(presentation) = &self.presentation {
            presentation.feedback(&self.surface, qh, ());
        }
        self.surface.commit();
    }

    fn repaint(&mut self, qh: &QueueHandle<Self>) {
        if let Err(error) = self.draw(qh) {
            eprintln!("argos-bench-desktop: the client cannot paint: {error:#}");
        }
    }
}

impl Dispatch<XdgSurface, ()> for Inner {
    fn event(
        state: &mut Self,
        xdg: &XdgSurface,
        event: xdg_surface::Event,
        (): &(),
        _: &Connection,
        qh: &QueueHandle<Self>,
    ) {
        if let xdg_surface::Event::Configure { serial } = event {
            xdg.ack_configure(serial);
            if std::mem::replace(&mut state.configured, true) {
                state.commit(qh);
            }
        }
    }
}

impl Dispatch<XdgWmBase, ()> for Inner {
    fn event(
        _: &mut Self,
        base: &XdgWmBase,
        event: xdg_wm_base::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let xdg_wm_base::Event::Ping { serial } = event {
            base.pong(serial);
        }
    }
}

impl Dispatch<WlCallback, ()> for Inner {
    fn event(
        state: &mut Self,
        _: &WlCallback,
        _: wl_callback::Event,
        (): &(),
        _: &Connection,
        qh: &QueueHandle<Self>,
    ) {
        state.frames += 1;
        state.note_gap();
        state.repaint(qh);
    }
}

impl Dispatch<WlBuffer, usize> for Inner {
    fn event(
        state: &mut Self,
        _: &WlBuffer,
        event: wl_buffer::Event,
        index: &usize,
        _: &Connection,
        qh: &QueueHandle<Self>,
    ) {
        if let wl_buffer::Event::Release = event {
            state.buffers[*index].1 = false;
            if std::mem::take(&mut state.owes) {
                state.repaint(qh);
            }
        }
    }
}

impl Dispatch<WpPresentationFeedback, ()> for Inner {
    fn event(
        state: &mut Self,
        _: &WpPresentationFeedback,
        event: wp_presentation_feedback::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        match event {
            wp_presentation_feedback::Event::Presented { .. } => {
                state.presented += 1;
                state.first.get_or_insert_with(Instant::now);
            }
            wp_presentation_feedback::Event::Discarded => state.discarded += 1,
            _ => {}
        }
    }
}

impl Dispatch<WlSeat, ()> for Inner {
    fn event(
        state: &mut Self,
        seat: &WlSeat,
        event: wl_seat::Event,
        (): &(),
        _: &Connection,
        qh: &QueueHandle<Self>,
    ) {
        if let wl_seat::Event::Capabilities {
            capabilities: WEnum::Value(capabilities),
        } = event
            && capabilities.contains(wl_seat::Capability::Keyboard)
            && state.keyboard.is_none()
        {
            state.keyboard = Some(seat.get_keyboard(qh, ()));
        }
    }
}

impl Dispatch<WlKeyboard, ()> for Inner {
    fn event(
        state: &mut Self,
        _: &WlKeyboard,
        event: wl_keyboard::Event,
        (): &(),
        _: &Connection,
        qh: &QueueHandle<Self>,
    ) {
        match event {
            wl_keyboard::Event::Enter { .. } => state.focused = true,
            wl_keyboard::Event::Leave { .. } => state.focused = false,
            wl_keyboard::Event::Key {
                state: WEnum::Value(wl_keyboard::KeyState::Pressed),
                ..
            } => {
                let [one, other] = COLOURS;
                state.colour = if state.colour == one { other } else { one };
                state.repaint(qh);
            }
            _ => {}
        }
    }
}

impl Dispatch<WlRegistry, GlobalListContents> for Inner {
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

delegate_noop!(Inner: WlCompositor);
delegate_noop!(Inner: WlShmPool);
delegate_noop!(Inner: ignore WlShm);
delegate_noop!(Inner: ignore WlSurface);
delegate_noop!(Inner: ignore XdgToplevel);
delegate_noop!(Inner: ignore WpPresentation);
