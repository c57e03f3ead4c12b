//! Copies of the screen: what is in them, when they come, who gets none.

use std::{
    fs::File,
    os::{fd::AsFd, unix::fs::FileExt},
    rc::Rc,
    sync::{Arc, Mutex},
};

use argos_compositor::{
    backend::headless,
    dmabuf::Targets,
    render::Picture,
    smithay::{
        backend::allocator::{Format as Kind, Fourcc},
        utils::Transform,
    },
};
use wayland_client::{
    Connection, Dispatch, Proxy, QueueHandle, WEnum, delegate_noop,
    protocol::{wl_buffer::WlBuffer, wl_shm::Format},
};
use wayland_protocols::ext::{
    foreign_toplevel_list::v1::client::ext_foreign_toplevel_list_v1::ExtForeignToplevelListV1,
    image_capture_source::v1::client::{
        ext_foreign_toplevel_image_capture_source_manager_v1::ExtForeignToplevelImageCaptureSourceManagerV1,
        ext_image_capture_source_v1::ExtImageCaptureSourceV1,
        ext_output_image_capture_source_manager_v1::ExtOutputImageCaptureSourceManagerV1,
    },
    image_copy_capture::v1::client::{
        ext_image_copy_capture_cursor_session_v1::{self, ExtImageCopyCaptureCursorSessionV1},
        ext_image_copy_capture_frame_v1::{self, ExtImageCopyCaptureFrameV1, FailureReason},
        ext_image_copy_capture_manager_v1::{ExtImageCopyCaptureManagerV1, Options},
        ext_image_copy_capture_session_v1::{self, ExtImageCopyCaptureSessionV1},
    },
};
use wayland_protocols_wlr::{
    layer_shell::v1::client::{zwlr_layer_shell_v1::Layer, zwlr_layer_surface_v1::Anchor},
    screencopy::v1::client::{
        zwlr_screencopy_frame_v1::{self, ZwlrScreencopyFrameV1},
        zwlr_screencopy_manager_v1::ZwlrScreencopyManagerV1,
    },
};

use crate::{
    dmabuf::{self, DEVICE, kind},
    fixture::{Client, Events, Fixture, on, rgb},
    watched::Notes,
};

const WHOLE: (i32, i32) = (1280, 800);
const RED: u32 = 0xc0_2020;
const GREEN: u32 = 0x20_c020;
const BLUE: u32 = 0x20_20c0;

/// What a client heard of a frame of either protocol.
#[derive(Debug, Default, Clone, PartialEq)]
struct Heard {
    /// Width, height, bytes of a row.
    buffer: Option<(u32, u32, u32)>,
    /// Format, width, height of a buffer on the GPU.
    dmabuf: Option<(u32, u32, u32)>,
    damage: Vec<(i32, i32, i32, i32)>,
    ready: bool,
    failed: bool,
    reason: Option<FailureReason>,
}

type Shared<T> = Arc<Mutex<T>>;

/// What a client heard of a session.
#[derive(Debug, Default, Clone, PartialEq)]
struct Constraints {
    sizes: Vec<(u32, u32)>,
    /// The device of buffers on the GPU.
    device: Option<u64>,
    /// Their formats and the modifiers of these.
    dmabufs: Vec<(u32, Vec<u64>)>,
    done: u32,
    stopped: bool,
}

impl Dispatch<ZwlrScreencopyFrameV1, Shared<Heard>> for Events {
    fn event(
        _: &mut Self,
        _: &ZwlrScreencopyFrameV1,
        event: zwlr_screencopy_frame_v1::Event,
        heard: &Shared<Heard>,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use zwlr_screencopy_frame_v1::Event;
        let mut heard = heard.lock().unwrap();
        match event {
            Event::Buffer {
                format,
                width,
                height,
                stride,
            } => {
                assert_eq!(format, WEnum::Value(Format::Xrgb8888));
                heard.buffer = Some((width, height, stride));
            }
            Event::LinuxDmabuf {
                format,
                width,
                height,
            } => heard.dmabuf = Some((format, width, height)),
            Event::Damage {
                x,
                y,
                width,
                height,
            } => {
                heard
                    .damage
                    .push((x as i32, y as i32, width as i32, height as i32));
            }
            Event::Ready { .. } => heard.ready = true,
            Event::Failed => heard.failed = true,
            _ => {}
        }
    }
}

impl Dispatch<ExtImageCopyCaptureFrameV1, Shared<Heard>> for Events {
    fn event(
        _: &mut Self,
        _: &ExtImageCopyCaptureFrameV1,
        event: ext_image_copy_capture_frame_v1::Event,
        heard: &Shared<Heard>,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use ext_image_copy_capture_frame_v1::Event;
        let mut heard = heard.lock().unwrap();
        match event {
            Event::Damage {
                x,
                y,
                width,
                height,
            } => heard.damage.push((x, y, width, height)),
            Event::Ready => heard.ready = true,
            Event::Failed { reason } => {
                heard.failed = true;
                heard.reason = reason.into_result().ok();
            }
            _ => {}
        }
    }
}

impl Dispatch<ExtImageCopyCaptureSessionV1, Shared<Constraints>> for Events {
    fn event(
        _: &mut Self,
        _: &ExtImageCopyCaptureSessionV1,
        event: ext_image_copy_capture_session_v1::Event,
        heard: &Shared<Constraints>,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use ext_image_copy_capture_session_v1::Event;
        let mut heard = heard.lock().unwrap();
        match event {
            Event::BufferSize { width, height } => heard.sizes.push((width, height)),
            Event::DmabufDevice { device } => {
                heard.device = Some(u64::from_ne_bytes(device.try_into().unwrap()));
            }
            Event::DmabufFormat { format, modifiers } => {
                let modifiers = modifiers.chunks_exact(8);
                let modifiers = modifiers.map(|it| u64::from_ne_bytes(it.try_into().unwrap()));
                heard.dmabufs.push((format, modifiers.collect()));
            }
            Event::Done => heard.done += 1,
            Event::Stopped => heard.stopped = true,
            _ => {}
        }
    }
}

delegate_noop!(Events: ZwlrScreencopyManagerV1);
delegate_noop!(Events: ExtOutputImageCaptureSourceManagerV1);
delegate_noop!(Events: ExtImageCaptureSourceV1);
delegate_noop!(Events: ExtImageCopyCaptureManagerV1);
delegate_noop!(Events: ExtForeignToplevelImageCaptureSourceManagerV1);
on!(
    ExtImageCopyCaptureCursorSessionV1,
    |state, _session, event| {
        use ext_image_copy_capture_cursor_session_v1::Event;
        state.heard.push(match event {
            Event::Enter => "enter".into(),
            Event::Leave => "leave".into(),
            Event::Position { x, y } => format!("position {x} {y}"),
            Event::Hotspot { x, y } => format!("hotspot {x} {y}"),
            _ => return,
        });
    }
);

/// A buffer whose memory can be read.
struct Memory {
    file: File,
    buffer: WlBuffer,
    size: (i32, i32),
    stride: i32,
}

impl Memory {
    fn new(client: &Client, size: (i32, i32)) -> Self {
        Self::of(client, size, size.0 * 4, Format::Xrgb8888)
    }

    fn of(client: &Client, (w, h): (i32, i32), stride: i32, format: Format) -> Self {
        let file = tempfile::tempfile().unwrap();
        file.set_len((stride * h) as u64).unwrap();
        let pool = client
            .shm
            .create_pool(file.as_fd(), stride * h, &client.qh, ());
        let buffer = pool.create_buffer(0, w, h, stride, format, &client.qh, ());
        pool.destroy();
        Self {
            file,
            buffer,
            size: (w, h),
            stride,
        }
    }

    /// One that the compositor takes for a buffer on the GPU.
    fn on_gpu(client: &Client, (w, h): (i32, i32), kind: Kind) -> Self {
        let file = tempfile::tempfile().unwrap();
        file.set_len((w * h * 4) as u64).unwrap();
        let buffer = dmabuf::buffer(client, &file, (w, h), kind);
        Self {
            file,
            buffer,
            size: (w, h),
            stride: w * 4,
        }
    }

    /// Red, green and blue of all pixels, row by row.
    fn pixels(&self) -> Vec<[u8; 3]> {
        let mut bytes = vec![0; (self.stride * self.size.1) as usize];
        self.file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
            .chunks_exact(self.stride as usize)
            .flat_map(|row| row[..self.size.0 as usize * 4].chunks_exact(4))
            .map(|pixel| [pixel[2], pixel[1], pixel[0]])
            .collect()
    }

    /// How much each pixel of its rows, which have no gaps, hides.
    fn alpha(&self) -> Vec<u8> {
        let mut bytes = vec![0; (self.stride * self.size.1) as usize];
        self.file.read_exact_at(&mut bytes, 0).unwrap();
        bytes.chunks_exact(4).map(|pixel| pixel[3]).collect()
    }

    fn pixel(&self, x: i32, y: i32) -> [u8; 3] {
        self.pixels()[(y * self.size.0 + x) as usize]
    }
}

/// Red, green and blue of a picture's pixels.
fn colours(picture: &Picture) -> Vec<[u8; 3]> {
    let pixels = picture.rgba.chunks_exact(4);
    pixels.map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect()
}

/// A frame of wlr-screencopy.
struct Shot {
    frame: ZwlrScreencopyFrameV1,
    heard: Shared<Heard>,
}

impl Shot {
    fn heard(&self) -> Heard {
        self.heard.lock().unwrap().clone()
    }
}

/// A client of wlr-screencopy.
struct Shooter {
    client: Client,
    manager: ZwlrScreencopyManagerV1,
}

impl Shooter {
    fn new(f: &mut Fixture) -> Self {
        let client = f.client();
        let manager = client.bind_version(3, ());
        Self { client, manager }
    }

    fn frame(&self, pointer: bool) -> Shot {
        let heard = Shared::default();
        let frame = self.manager.capture_output(
            i32::from(pointer),
            &self.client.output(0),
            &self.client.qh,
            Arc::clone(&heard),
        );
        Shot { frame, heard }
    }

    fn region(&self, (x, y, w, h): (i32, i32, i32, i32)) -> Shot {
        let heard = Shared::default();
        let frame = self.manager.capture_output_region(
            0,
            &self.client.output(0),
            x,
            y,
            w,
            h,
            &self.client.qh,
            Arc::clone(&heard),
        );
        Shot { frame, heard }
    }

    /// A copy of the whole first output, at once.
    fn shoot(&mut self, f: &mut Fixture, pointer: bool) -> Memory {
        let shot = self.frame(pointer);
        let memory = Memory::new(&self.client, WHOLE);
        shot.frame.copy(&memory.buffer);
        f.roundtrip(&mut self.client);
        assert!(shot.heard().ready, "{:?}", shot.heard());
        shot.frame.destroy();
        memory
    }

    /// A copy that waits for a change.
    fn wait(&mut self, f: &mut Fixture) -> (Shot, Memory) {
        let shot = self.frame(false);
        let memory = Memory::new(&self.client, WHOLE);
        shot.frame.copy_with_damage(&memory.buffer);
        f.roundtrip(&mut self.client);
        (shot, memory)
    }
}

/// Locks the session as its person does.
fn lock(f: &mut Fixture) {
    let folder = tempfile::tempdir().unwrap();
    f.state.allow_lock(|| {}, folder.path().join("locked"));
    f.chord(&[125, 38]);
    assert!(f.state.is_locked());
}

#[test]
fn a_copy_has_the_pixels_that_are_drawn() {
    let mut f = Fixture::new();
    let mut client = f.client();
    f.window(&mut client, "below", (400, 300), RED);
    f.pointer(640.0, 400.0);
    let mut shooter = Shooter::new(&mut f);

    let shot = shooter.frame(true);
    f.roundtrip(&mut shooter.client);
    assert_eq!(shot.heard().buffer, Some((1280, 800, 5120)));
    assert!(!shot.heard().ready, "nobody gave a buffer yet");

    let with_pointer = shooter.shoot(&mut f, true);
    let on_screen = f.state.screenshot(&f.output.clone()).unwrap();
    assert!(with_pointer.pixels() == colours(&on_screen));
    let without = shooter.shoot(&mut f, false);
    let behind = f.state.capture(0).unwrap();
    assert!(without.pixels() == colours(&behind));
    assert!(without.pixels() != with_pointer.pixels());

    // What a client draws later is in the next copy; only the change is drawn for it.
    f.window(&mut client, "above", (300, 200), GREEN);
    let later = shooter.shoot(&mut f, false);
    assert!(later.pixels() == colours(&f.state.capture(0).unwrap()));
    assert_eq!(later.pixel(640, 400), rgb(GREEN));
}

#[test]
fn a_part_is_cut_to_the_output_and_rows_may_be_longer_than_needed() {
    let mut f = Fixture::new();
    let mut client = f.client();
    f.window(&mut client, "below", (400, 300), RED);
    let mut shooter = Shooter::new(&mut f);
    // The window is at 440, 250.
    let shot = shooter.region((430, 240, 20, 30));
    let outside = shooter.region((1270, 790, 50, 50));
    let nowhere = shooter.region((1280, 0, 10, 10));
    let negative = shooter.region((10, 10, -5, 5));
    let memory = Memory::of(&shooter.client, (20, 30), 128, Format::Xrgb8888);
    shot.frame.copy(&memory.buffer);
    f.roundtrip(&mut shooter.client);
    assert!(shot.heard().ready);
    assert_eq!(memory.pixel(10, 10), rgb(RED));
    assert_ne!(memory.pixel(9, 10), rgb(RED));
    assert_ne!(memory.pixel(10, 9), rgb(RED));
    assert_eq!(outside.heard().buffer, Some((10, 10, 40)));
    for none in [nowhere, negative] {
        assert!(none.heard().failed);
        // A late copy of a frame that failed is no mistake.
        none.frame.copy(&memory.buffer);
    }
    f.roundtrip(&mut shooter.client);
}

#[test]
fn a_turned_output_is_copied_as_its_rows_lie() {
    let mut f = Fixture::new();
    f.output
        .change_current_state(None, Some(Transform::_90), None, None);
    f.turn();
    let mut client = f.client();
    let panel = client.layer("panel", Layer::Top, |layer| {
        layer.set_anchor(Anchor::Top | Anchor::Left);
        layer.set_size(100, 50);
    });
    f.roundtrip(&mut client);
    client.fill(&panel.surface, (100, 50), BLUE);
    f.roundtrip(&mut client);
    assert_eq!(
        f.pixel(99, 49),
        rgb(BLUE),
        "a picture for people is upright"
    );
    assert_ne!(f.pixel(100, 50), rgb(BLUE));

    // A display that is turned by a quarter has its upper left corner at the lower left of its rows.
    let mut shooter = Shooter::new(&mut f);
    let memory = shooter.shoot(&mut f, false);
    for (x, y) in [(0, 700), (49, 700), (0, 799), (49, 799)] {
        assert_eq!(memory.pixel(x, y), rgb(BLUE), "{x}, {y}");
    }
    for (x, y) in [(50, 750), (25, 699), (0, 0), (1279, 799)] {
        assert_ne!(memory.pixel(x, y), rgb(BLUE), "{x}, {y}");
    }
    let part = shooter.region((90, 0, 20, 10));
    let memory = Memory::new(&shooter.client, (10, 20));
    part.frame.copy(&memory.buffer);
    f.roundtrip(&mut shooter.client);
    assert_eq!(part.heard().buffer, Some((10, 20, 40)));
    assert_eq!(memory.pixel(5, 19), rgb(BLUE));
    assert_ne!(memory.pixel(5, 9), rgb(BLUE));
}

#[test]
fn a_copy_with_damage_waits_and_says_what_changed() {
    let (mut f, notes) = Fixture::watched();
    let drawn = &notes.refreshed;
    let mut client = f.client();
    let toplevel = f.window(&mut client, "below", (400, 300), RED);
    let mut shooter = Shooter::new(&mut f);
    f.turn();
    assert_eq!(drawn.get(), 0, "nobody asked yet");

    let (first, _) = shooter.wait(&mut f);
    assert_eq!(first.heard().damage, [(0, 0, 1280, 800)], "all is new");
    let (second, memory) = shooter.wait(&mut f);
    let before = drawn.get();
    for _ in 0..10 {
        f.turn();
    }
    f.roundtrip(&mut shooter.client);
    assert!(!second.heard().ready && !second.heard().failed);
    assert_eq!(drawn.get(), before, "nothing changed, nothing is drawn");

    client.draw(&toplevel, (400, 300), GREEN);
    f.roundtrip(&mut client);
    f.roundtrip(&mut shooter.client);
    assert!(second.heard().ready);
    assert_eq!(memory.pixel(640, 400), rgb(GREEN));
    assert_eq!(second.heard().damage, [(440, 250, 400, 300)]);
    assert_eq!(drawn.get(), before + 1);

    // A change between two copies does not have to be waited for.
    client.draw(&toplevel, (400, 300), BLUE);
    f.roundtrip(&mut client);
    let (third, memory) = shooter.wait(&mut f);
    assert!(third.heard().ready);
    assert_eq!(memory.pixel(640, 400), rgb(BLUE));

    // A part that did not change waits on, and the pointer is not in the picture.
    let part = shooter.region((0, 0, 100, 100));
    let small = Memory::new(&shooter.client, (100, 100));
    part.frame.copy_with_damage(&small.buffer);
    client.draw(&toplevel, (400, 300), RED);
    f.roundtrip(&mut client);
    f.pointer(50.0, 50.0);
    f.roundtrip(&mut shooter.client);
    assert!(!part.heard().ready);
}

#[test]
fn who_asks_in_one_turn_shares_one_drawing_and_nothing_is_kept_for_nobody() {
    let (mut f, notes) = Fixture::watched();
    let drawn = &notes.refreshed;
    let mut shooter = Shooter::new(&mut f);
    let memory = Memory::new(&shooter.client, WHOLE);
    let shots: Vec<_> = (0..10).map(|_| shooter.frame(false)).collect();
    f.roundtrip(&mut shooter.client);
    for shot in &shots {
        shot.frame.copy(&memory.buffer);
    }
    f.roundtrip(&mut shooter.client);
    assert!(shots.iter().all(|shot| shot.heard().ready));
    assert_eq!(drawn.get(), 1);
    let shots: Vec<_> = (0..20).map(|_| shooter.frame(false)).collect();
    for shot in &shots {
        shot.frame.copy_with_damage(&memory.buffer);
    }
    f.roundtrip(&mut shooter.client);
    let refused = shots.iter().filter(|shot| shot.heard().failed).count();
    assert_eq!(refused, 4, "sixteen may be under way");
    f.dies(shooter.client);
    f.pointer(300.0, 300.0);
    assert_eq!(drawn.get(), 1);
}

#[test]
fn a_prompt_is_in_no_copy_and_wakes_none() {
    let mut f = Fixture::new();
    let mut client = f.client();
    f.window(&mut client, "below", (400, 300), RED);
    let mut shooter = Shooter::new(&mut f);
    let (_, _) = shooter.wait(&mut f);
    let (waiting, _) = shooter.wait(&mut f);

    let mut shell = f.trusted_client();
    let prompt = shell.layer("argos-prompt", Layer::Top, |layer| {
        layer.set_size(1280, 800);
    });
    f.roundtrip(&mut shell);
    shell.fill(&prompt.surface, WHOLE, BLUE);
    f.roundtrip(&mut shell);
    assert_eq!(f.pixel(100, 700), rgb(BLUE), "the person sees it");
    for pointer in [false, true] {
        let memory = shooter.shoot(&mut f, pointer);
        assert!(!memory.pixels().contains(&rgb(BLUE)));
        assert!(memory.pixels().contains(&rgb(RED)));
    }
    assert!(!waiting.heard().ready);
}

#[test]
fn while_the_session_is_locked_every_copy_fails() {
    let mut f = Fixture::new();
    let mut shooter = Shooter::new(&mut f);
    let (_, _) = shooter.wait(&mut f);
    let (waiting, _) = shooter.wait(&mut f);
    let announced = shooter.frame(false);
    let mut recorder = Recorder::new(&mut f, Options::empty());
    f.roundtrip(&mut shooter.client);
    lock(&mut f);
    f.roundtrip(&mut shooter.client);
    assert!(waiting.heard().failed && !waiting.heard().ready);

    let memory = Memory::new(&shooter.client, WHOLE);
    announced.frame.copy(&memory.buffer);
    let late = shooter.frame(false);
    f.roundtrip(&mut shooter.client);
    assert!(announced.heard().failed && late.heard().failed);
    assert_eq!(late.heard().buffer, None);
    let (_, heard, memory) = recorder.capture(&mut f, WHOLE);
    assert_eq!(heard.lock().unwrap().reason, Some(FailureReason::Unknown));
    assert!(memory.pixels().iter().all(|pixel| *pixel == [0; 3]));
}

/// A client of ext-image-copy-capture, with a session of the first output.
struct Recorder {
    client: Client,
    manager: ExtImageCopyCaptureManagerV1,
    source: ExtImageCaptureSourceV1,
    session: ExtImageCopyCaptureSessionV1,
    heard: Shared<Constraints>,
}

impl Recorder {
    fn new(f: &mut Fixture, options: Options) -> Self {
        let client = f.client();
        let sources: ExtOutputImageCaptureSourceManagerV1 = client.bind_version(1, ());
        let source = sources.create_source(&client.output(0), &client.qh, ());
        Self::of(f, client, source, options)
    }

    fn of(
        f: &mut Fixture,
        mut client: Client,
        source: ExtImageCaptureSourceV1,
        options: Options,
    ) -> Self {
        let manager: ExtImageCopyCaptureManagerV1 = client.bind_version(1, ());
        let heard = Shared::default();
        let session = manager.create_session(&source, options, &client.qh, Arc::clone(&heard));
        f.roundtrip(&mut client);
        Self {
            client,
            manager,
            source,
            session,
            heard,
        }
    }

    fn constraints(&self) -> Constraints {
        self.heard.lock().unwrap().clone()
    }

    fn frame(&self) -> (ExtImageCopyCaptureFrameV1, Shared<Heard>) {
        let heard = Shared::default();
        let frame = self
            .session
            .create_frame(&self.client.qh, Arc::clone(&heard));
        (frame, heard)
    }

    /// Asks for a frame in a buffer of that size.
    fn capture(
        &mut self,
        f: &mut Fixture,
        size: (i32, i32),
    ) -> (ExtImageCopyCaptureFrameV1, Shared<Heard>, Memory) {
        let (frame, heard) = self.frame();
        let memory = Memory::new(&self.client, size);
        frame.attach_buffer(&memory.buffer);
        frame.damage_buffer(0, 0, size.0, size.1);
        frame.capture();
        f.roundtrip(&mut self.client);
        (frame, heard, memory)
    }
}

#[test]
fn a_session_tells_its_size_and_gives_a_frame_for_each_change() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let toplevel = f.window(&mut client, "below", (400, 300), RED);
    f.pointer(640.0, 400.0);
    let mut recorder = Recorder::new(&mut f, Options::PaintCursors);
    assert_eq!(recorder.constraints().sizes, [(1280, 800)]);
    assert_eq!(recorder.constraints().done, 1);

    let (frame, heard, memory) = recorder.capture(&mut f, WHOLE);
    assert!(heard.lock().unwrap().ready);
    assert_eq!(heard.lock().unwrap().damage, [(0, 0, 1280, 800)]);
    let on_screen = f.state.screenshot(&f.output.clone()).unwrap();
    assert!(memory.pixels() == colours(&on_screen));
    frame.destroy();

    let (frame, heard, memory) = recorder.capture(&mut f, WHOLE);
    f.turn();
    f.roundtrip(&mut recorder.client);
    assert_eq!(*heard.lock().unwrap(), Heard::default(), "it waits");
    client.draw(&toplevel, (400, 300), GREEN);
    f.roundtrip(&mut client);
    f.roundtrip(&mut recorder.client);
    assert!(heard.lock().unwrap().ready);
    assert_eq!(memory.pixel(450, 260), rgb(GREEN));
    frame.destroy();

    // Another size: who waits with a buffer of the old one hears of it, and so does the session.
    let (frame, heard, _) = recorder.capture(&mut f, WHOLE);
    let output = f.output.clone();
    headless::resize_output(&mut f.state, &output, 640, 480);
    f.roundtrip(&mut recorder.client);
    assert_eq!(
        heard.lock().unwrap().reason,
        Some(FailureReason::BufferConstraints)
    );
    assert_eq!(recorder.constraints().sizes, [(1280, 800), (640, 480)]);
    frame.destroy();
    let (frame, heard, _) = recorder.capture(&mut f, WHOLE);
    assert_eq!(
        heard.lock().unwrap().reason,
        Some(FailureReason::BufferConstraints)
    );
    frame.destroy();
    let (frame, heard, _) = recorder.capture(&mut f, (640, 480));
    assert!(heard.lock().unwrap().ready);
    frame.destroy();

    let (_frame, heard, _) = recorder.capture(&mut f, (640, 480));
    headless::remove_output(&mut f.state, &output);
    f.roundtrip(&mut recorder.client);
    assert!(recorder.constraints().stopped);
    assert_eq!(heard.lock().unwrap().reason, Some(FailureReason::Stopped));
    let heard = Shared::<Constraints>::default();
    recorder.manager.create_session(
        &recorder.source,
        Options::empty(),
        &recorder.client.qh,
        Arc::clone(&heard),
    );
    f.roundtrip(&mut recorder.client);
    assert!(heard.lock().unwrap().stopped, "its output is gone");
}

/// A session for one window of another client.
fn window_recorder(f: &mut Fixture, options: Options) -> Recorder {
    let mut client = f.client();
    let _list: ExtForeignToplevelListV1 = client.bind();
    f.roundtrip(&mut client);
    let sources: ExtForeignToplevelImageCaptureSourceManagerV1 = client.bind_version(1, ());
    let handle = client.events.handles[0].clone();
    let source = sources.create_source(&handle, &client.qh, ());
    Recorder::of(f, client, source, options)
}

#[test]
fn a_window_is_recorded_by_itself_wherever_it_is() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let toplevel = f.window(&mut client, "recorded", (400, 300), RED);
    let mut other = f.client();
    let above = f.window(&mut other, "above", (500, 400), BLUE);
    let mut recorder = window_recorder(&mut f, Options::empty());
    assert_eq!(recorder.constraints().sizes, [(400, 300)]);

    let (frame, heard, memory) = recorder.capture(&mut f, (400, 300));
    assert!(heard.lock().unwrap().ready);
    assert_eq!(heard.lock().unwrap().damage, [(0, 0, 400, 300)]);
    assert!(
        memory.pixels().iter().all(|pixel| *pixel == rgb(RED)),
        "what covers it is not in it"
    );
    frame.destroy();

    // What happens elsewhere is no news, its own content is, though it is not shown.
    toplevel.toplevel.set_minimized();
    f.roundtrip(&mut client);
    let (frame, heard, memory) = recorder.capture(&mut f, (400, 300));
    other.draw(&above, (500, 400), GREEN);
    f.roundtrip(&mut other);
    f.turn();
    f.roundtrip(&mut recorder.client);
    assert_eq!(*heard.lock().unwrap(), Heard::default(), "it waits");
    client.draw(&toplevel, (400, 300), GREEN);
    f.roundtrip(&mut client);
    f.roundtrip(&mut recorder.client);
    assert!(heard.lock().unwrap().ready);
    assert_eq!(memory.pixel(399, 299), rgb(GREEN));
    frame.destroy();

    // Another size is told, and the end.
    client.draw(&toplevel, (300, 200), GREEN);
    f.roundtrip(&mut client);
    f.roundtrip(&mut recorder.client);
    assert_eq!(recorder.constraints().sizes.last(), Some(&(300, 200)));
    let (frame, heard, _) = recorder.capture(&mut f, (400, 300));
    assert_eq!(
        heard.lock().unwrap().reason,
        Some(FailureReason::BufferConstraints)
    );
    frame.destroy();
    let (frame, heard, _) = recorder.capture(&mut f, (300, 200));
    assert!(heard.lock().unwrap().ready);
    frame.destroy();
    let (_frame, heard, _) = recorder.capture(&mut f, (300, 200));
    toplevel.toplevel.destroy();
    f.roundtrip(&mut client);
    f.roundtrip(&mut recorder.client);
    assert!(recorder.constraints().stopped);
    assert_eq!(heard.lock().unwrap().reason, Some(FailureReason::Stopped));
}

#[test]
fn a_window_is_recorded_with_the_pointer_for_who_wants_it() {
    let mut f = Fixture::new();
    let mut client = f.client();
    f.window(&mut client, "recorded", (400, 300), RED);
    let place = f.state.window_list().remove(0);
    let (x, y) = (f64::from(place.x), f64::from(place.y));
    f.pointer(x + 100.0, y + 100.0);
    let mut recorder = window_recorder(&mut f, Options::PaintCursors);
    let (frame, _, memory) = recorder.capture(&mut f, (400, 300));
    frame.destroy();
    let differs = |memory: &Memory, x, y| {
        (x..x + 12).any(|x| (y..y + 12).any(|y| memory.pixel(x, y) != rgb(RED)))
    };
    assert!(differs(&memory, 100, 100), "the pointer is in it");
    let (frame, heard, memory) = recorder.capture(&mut f, (400, 300));
    f.pointer(x + 200.0, y + 100.0);
    f.turn();
    f.roundtrip(&mut recorder.client);
    assert!(heard.lock().unwrap().ready, "that it moved is news");
    assert!(differs(&memory, 200, 100) && !differs(&memory, 100, 100));
    frame.destroy();
}

#[test]
fn a_cursor_session_tells_where_the_pointer_is_and_shows_it_alone() {
    let mut f = Fixture::new();
    f.pointer(300.0, 200.0);
    let mut recorder = Recorder::new(&mut f, Options::empty());
    let pointer = recorder.client.seat().get_pointer(&recorder.client.qh, ());
    let qh = recorder.client.qh.clone();
    let cursor =
        recorder
            .manager
            .create_pointer_cursor_session(&recorder.source, &pointer, &qh, ());
    let heard = Shared::<Constraints>::default();
    let session = cursor.get_capture_session(&qh, Arc::clone(&heard));
    f.roundtrip(&mut recorder.client);
    let told = std::mem::take(&mut recorder.client.events.heard);
    assert_eq!(told[..2], ["enter", "position 300 200"]);
    assert!(told[2].starts_with("hotspot "), "{told:?}");
    let size = heard.lock().unwrap().sizes[0];
    let size = (size.0 as i32, size.1 as i32);

    let picture = |recorder: &mut Recorder, f: &mut Fixture, format| {
        let told = Shared::<Heard>::default();
        let frame = session.create_frame(&qh, Arc::clone(&told));
        let memory = Memory::of(&recorder.client, size, size.0 * 4, format);
        frame.attach_buffer(&memory.buffer);
        frame.capture();
        f.roundtrip(&mut recorder.client);
        (frame, told, memory)
    };
    let (frame, told, _) = picture(&mut recorder, &mut f, Format::Xrgb8888);
    assert_eq!(
        told.lock().unwrap().reason,
        Some(FailureReason::BufferConstraints),
        "what it does not cover can be seen through"
    );
    frame.destroy();
    let (frame, told, memory) = picture(&mut recorder, &mut f, Format::Argb8888);
    assert!(told.lock().unwrap().ready);
    let covered = memory.alpha().iter().filter(|alpha| **alpha > 0).count();
    assert!(
        covered > 20 && covered < (size.0 * size.1) as usize,
        "{covered}"
    );
    frame.destroy();

    // That it moves is told, and is no other picture.
    let (_frame, told, _) = picture(&mut recorder, &mut f, Format::Argb8888);
    f.pointer(310.0, 205.0);
    f.roundtrip(&mut recorder.client);
    let moved = std::mem::take(&mut recorder.client.events.heard);
    assert_eq!(moved, ["position 310 205"]);
    assert_eq!(*told.lock().unwrap(), Heard::default(), "it waits");
    lock(&mut f);
    f.turn();
    f.roundtrip(&mut recorder.client);
    assert_eq!(recorder.client.events.heard, ["leave"]);
    assert!(told.lock().unwrap().failed, "the session is locked");

    cursor.get_capture_session(&qh, Shared::<Constraints>::default());
    f.is_thrown_out(recorder.client);
}

#[test]
fn wrong_buffers_and_second_uses_are_mistakes() {
    let mut f = Fixture::new();
    let wrong = [
        ((1279, 800), 5120, Format::Xrgb8888),
        ((1280, 801), 5120, Format::Xrgb8888),
        ((1280, 800), 5120, Format::Argb8888),
    ];
    for (size, stride, format) in wrong {
        let shooter = Shooter::new(&mut f);
        let shot = shooter.frame(false);
        let memory = Memory::of(&shooter.client, size, stride, format);
        shot.frame.copy(&memory.buffer);
        f.is_thrown_out(shooter.client);
    }
    let mut shooter = Shooter::new(&mut f);
    let shot = shooter.frame(false);
    let memory = Memory::new(&shooter.client, WHOLE);
    shot.frame.copy(&memory.buffer);
    f.roundtrip(&mut shooter.client);
    shot.frame.copy(&memory.buffer);
    f.is_thrown_out(shooter.client);

    let misuses: [fn(&Recorder, &Memory); 5] = [
        |recorder, _| recorder.frame().0.capture(),
        |recorder, _| {
            let (_first, _second) = (recorder.frame(), recorder.frame());
        },
        |recorder, memory| {
            let (frame, _) = recorder.frame();
            frame.attach_buffer(&memory.buffer);
            frame.damage_buffer(0, 0, 0, 5);
        },
        |recorder, memory| {
            let (frame, _) = recorder.frame();
            frame.attach_buffer(&memory.buffer);
            frame.capture();
            frame.attach_buffer(&memory.buffer);
        },
        |recorder, _| {
            recorder.manager.create_session(
                &recorder.source,
                Options::from_bits_retain(64),
                &recorder.client.qh,
                Shared::<Constraints>::default(),
            );
        },
    ];
    for misuse in misuses {
        let recorder = Recorder::new(&mut f, Options::empty());
        let memory = Memory::new(&recorder.client, WHOLE);
        misuse(&recorder, &memory);
        f.is_thrown_out(recorder.client);
    }
    // Nobody else noticed.
    Shooter::new(&mut f).shoot(&mut f, false);
}

#[test]
fn a_buffer_that_is_gone_is_not_written_to() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let toplevel = f.window(&mut client, "below", (400, 300), RED);
    let mut shooter = Shooter::new(&mut f);
    let (_, _) = shooter.wait(&mut f);
    let (waiting, memory) = shooter.wait(&mut f);
    memory.buffer.destroy();
    f.roundtrip(&mut shooter.client);
    assert!(waiting.heard().failed);

    // Memory that its client took back is its client's mistake.
    let (waiting, memory) = shooter.wait(&mut f);
    memory.file.set_len(4096).unwrap();
    client.draw(&toplevel, (400, 300), GREEN);
    f.roundtrip(&mut client);
    f.is_thrown_out(shooter.client);
    assert!(!waiting.heard().ready);

    // A client that ends while it waits.
    let mut shooter = Shooter::new(&mut f);
    let (_, _) = shooter.wait(&mut f);
    let (_, _) = shooter.wait(&mut f);
    f.dies(shooter.client);
    client.draw(&toplevel, (400, 300), BLUE);
    f.roundtrip(&mut client);
}

#[test]
fn who_wants_hundreds_of_frames_at_once_is_sent_away() {
    let mut f = Fixture::new();
    let mut shooter = Shooter::new(&mut f);
    for _ in 0..250 {
        shooter.frame(false);
    }
    f.roundtrip(&mut shooter.client);
    for _ in 0..10 {
        shooter.frame(false);
    }
    f.is_thrown_out(shooter.client);
    // One after the other they are no harm.
    let mut shooter = Shooter::new(&mut f);
    let part = Memory::new(&shooter.client, (8, 8));
    for _ in 0..600 {
        let shot = shooter.region((0, 0, 8, 8));
        shot.frame.copy(&part.buffer);
        f.roundtrip(&mut shooter.client);
        assert!(shot.heard().ready);
        shot.frame.destroy();
    }
}

/// A compositor that copies into buffers on a GPU, as far as programs know.
fn with_gpu() -> (Fixture, Rc<Notes>) {
    let (mut f, notes) = Fixture::watched();
    let drawn = [
        kind(Fourcc::Xrgb8888, 0),
        kind(Fourcc::Xrgb8888, 7),
        kind(Fourcc::Argb8888, 0),
    ];
    f.state.offer_dmabufs(DEVICE, drawn).unwrap();
    *notes.targets.borrow_mut() = Some(Targets {
        device: DEVICE,
        formats: vec![drawn[0], drawn[2]],
    });
    f.turn();
    (f, notes)
}

/// What programs call the format of pictures in buffers on a GPU.
const XRGB: u32 = Fourcc::Xrgb8888 as u32;

#[test]
fn where_no_gpu_copies_only_memory_is_offered() {
    let mut f = Fixture::new();
    let recorder = Recorder::new(&mut f, Options::empty());
    let constraints = recorder.constraints();
    assert_eq!((constraints.device, constraints.dmabufs.len()), (None, 0));
    let mut shooter = Shooter::new(&mut f);
    let shot = shooter.frame(false);
    f.roundtrip(&mut shooter.client);
    assert_eq!(shot.heard().dmabuf, None);
}

#[test]
fn where_a_gpu_copies_pictures_need_not_go_through_memory() {
    let (mut f, notes) = with_gpu();
    let mut client = f.client();
    f.window(&mut client, "below", (400, 300), RED);
    let mut recorder = Recorder::new(&mut f, Options::empty());
    let constraints = recorder.constraints();
    assert_eq!(constraints.device, Some(DEVICE));
    assert_eq!(constraints.dmabufs, [(XRGB, vec![0_u64])]);
    assert_eq!(constraints.done, 1);

    let memory = Memory::on_gpu(&recorder.client, WHOLE, kind(Fourcc::Xrgb8888, 0));
    let (frame, heard) = recorder.frame();
    frame.attach_buffer(&memory.buffer);
    frame.capture();
    f.roundtrip(&mut recorder.client);
    assert!(heard.lock().unwrap().ready, "{heard:?}");
    assert!(memory.pixels() == colours(&f.state.capture(0).unwrap()));
    assert_eq!(notes.copied.get(), 1);
    frame.destroy();

    // Memory is as good as before.
    let (_frame, heard, memory) = recorder.capture(&mut f, WHOLE);
    f.window(&mut client, "above", (400, 300), GREEN);
    f.roundtrip(&mut recorder.client);
    assert!(heard.lock().unwrap().ready);
    assert_eq!(memory.pixel(640, 400), rgb(GREEN));
    assert_eq!(notes.copied.get(), 1);
}

#[test]
fn a_buffer_on_the_gpu_of_another_kind_takes_no_frame() {
    let (mut f, notes) = with_gpu();
    let mut recorder = Recorder::new(&mut f, Options::empty());
    for (size, kind) in [
        ((640, 480), kind(Fourcc::Xrgb8888, 0)),
        (WHOLE, kind(Fourcc::Xrgb8888, 7)),
        (WHOLE, kind(Fourcc::Argb8888, 0)),
    ] {
        let memory = Memory::on_gpu(&recorder.client, size, kind);
        let (frame, heard) = recorder.frame();
        frame.attach_buffer(&memory.buffer);
        frame.capture();
        f.roundtrip(&mut recorder.client);
        let reason = heard.lock().unwrap().reason;
        assert_eq!(reason, Some(FailureReason::BufferConstraints), "{kind:?}");
        frame.destroy();
    }
    assert_eq!(notes.copied.get(), 0);
}

#[test]
fn a_part_of_an_output_is_copied_into_a_buffer_on_the_gpu() {
    let (mut f, notes) = with_gpu();
    let mut client = f.client();
    f.window(&mut client, "below", (400, 300), RED);
    let mut shooter = Shooter::new(&mut f);
    // The window is at 440, 250.
    let shot = shooter.region((430, 240, 20, 30));
    f.roundtrip(&mut shooter.client);
    assert_eq!(shot.heard().dmabuf, Some((XRGB, 20, 30)));
    let memory = Memory::on_gpu(&shooter.client, (20, 30), kind(Fourcc::Xrgb8888, 0));
    shot.frame.copy(&memory.buffer);
    f.roundtrip(&mut shooter.client);
    assert!(shot.heard().ready);
    assert_eq!(memory.pixel(10, 10), rgb(RED));
    assert_ne!(memory.pixel(9, 10), rgb(RED));
    assert_eq!(notes.copied.get(), 1);

    // Another size is a mistake, as it is in memory.
    let shot = shooter.region((430, 240, 20, 30));
    let memory = Memory::on_gpu(&shooter.client, (30, 20), kind(Fourcc::Xrgb8888, 0));
    shot.frame.copy(&memory.buffer);
    assert_eq!(f.is_thrown_out(shooter.client).code, 1);
}

#[test]
fn a_locked_session_copies_nothing_into_buffers_on_the_gpu() {
    let (mut f, notes) = with_gpu();
    let mut recorder = Recorder::new(&mut f, Options::empty());
    lock(&mut f);
    let memory = Memory::on_gpu(&recorder.client, WHOLE, kind(Fourcc::Xrgb8888, 0));
    let (frame, heard) = recorder.frame();
    frame.attach_buffer(&memory.buffer);
    frame.capture();
    f.roundtrip(&mut recorder.client);
    assert_eq!(heard.lock().unwrap().reason, Some(FailureReason::Unknown));
    assert_eq!(notes.copied.get(), 0);
}
