//! Pictures of the screen, by `wlr-screencopy`, on a connection of their own.
//!
//! Each output is copied as it is shown and put where it stands beside the others. Outputs of
//! different scale are drawn in that of the finest one.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use iced_widget::image::Handle;
use rustix::fs::{MemfdFlags, memfd_create};
use sctk::reexports::client::globals::{GlobalListContents, registry_queue_init};
use sctk::reexports::client::protocol::{
    wl_buffer::WlBuffer,
    wl_output::{self, Transform, WlOutput},
    wl_registry::WlRegistry,
    wl_shm::{self, Format, WlShm},
    wl_shm_pool::WlShmPool,
};
use sctk::reexports::client::{
    Connection, Dispatch, EventQueue, Proxy, QueueHandle, WEnum, delegate_noop,
};
use sctk::reexports::protocols::xdg::xdg_output::zv1::client::{
    zxdg_output_manager_v1::ZxdgOutputManagerV1,
    zxdg_output_v1::{self, ZxdgOutputV1},
};
use sctk::reexports::protocols_wlr::screencopy::v1::client::{
    zwlr_screencopy_frame_v1::{self, ZwlrScreencopyFrameV1},
    zwlr_screencopy_manager_v1::ZwlrScreencopyManagerV1,
};
use smithay_client_toolkit as sctk;

use crate::host;

/// The most pixels of a picture: two screens of 8K.
const MOST_PIXELS: u64 = 68_000_000;

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection to a compositor, or it broke.
    #[error("the compositor cannot be reached: {0}")]
    Connect(String),
    /// It has no means to.
    #[error("the compositor does not offer {0}, by which pictures of the screen are taken")]
    Missing(&'static str),
    /// It would not.
    #[error("the compositor gives no picture; the screen may be locked or off")]
    Refused,
    /// There is too much of it, or too little memory.
    #[error("a picture of {0}x{1} pixels cannot be kept: {2}")]
    Size(u32, u32, String),
}

/// A picture of the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    /// Three bytes a pixel: red, green, blue.
    rgb: Vec<u8>,
}

/// One output and its picture.
#[derive(Debug, Clone)]
pub struct Screen {
    /// By what the compositor calls the output.
    pub name: String,
    /// As a person sees it, each pixel as it was.
    pub picture: Arc<Picture>,
}

impl Picture {
    /// A picture of rows of pixels, each three bytes: red, green, blue. `None` where these are not as many as
    /// that takes, or none.
    pub fn new(width: u32, height: u32, rgb: Vec<u8>) -> Option<Self> {
        let bytes = (width as usize)
            .checked_mul(height as usize)?
            .checked_mul(3)?;
        (bytes > 0 && rgb.len() == bytes).then_some(Self { width, height, rgb })
    }

    /// Width and height in pixels.
    pub fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// The colour at a place.
    pub fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        let at = (y as usize * self.width as usize + x as usize) * 3;
        [self.rgb[at], self.rgb[at + 1], self.rgb[at + 2]]
    }

    /// The same as PNG.
    ///
    /// # Errors
    /// When the encoder fails, which it does not.
    pub fn png(&self) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_compression(png::Compression::Fast);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.rgb)?;
        writer.finish()?;
        Ok(bytes)
    }

    /// The same to be shown, its longer side no longer than `longest` pixels.
    pub fn smaller(&self, longest: u32) -> Handle {
        let step = self.width.max(self.height).div_ceil(longest.max(1)).max(1);
        let (width, height) = (self.width / step, self.height / step);
        let mut rgba = Vec::with_capacity(width as usize * height as usize * 4);
        let count = step * step;
        for y in 0..height {
            for x in 0..width {
                let mut sums = [0_u32; 3];
                for dy in 0..step {
                    for dx in 0..step {
                        let pixel = self.pixel(x * step + dx, y * step + dy);
                        for (sum, value) in sums.iter_mut().zip(pixel) {
                            *sum += u32::from(value);
                        }
                    }
                }
                rgba.extend(sums.map(|sum| (sum / count) as u8));
                rgba.push(255);
            }
        }
        Handle::from_rgba(width, height, rgba)
    }
}

/// As large as it is, or so that it fills what it is shown on.
impl host::Picture for Picture {
    fn draw(&self, pixels: &mut [u8], width: usize) {
        let rows = pixels.chunks_exact_mut(width * 4);
        let height = rows.len();
        for (y, row) in rows.enumerate() {
            let from_y = (y * self.height as usize / height) as u32;
            for (x, to) in row.chunks_exact_mut(4).enumerate() {
                let from_x = (x * self.width as usize / width) as u32;
                let [red, green, blue] = self.pixel(from_x, from_y);
                to.copy_from_slice(&[blue, green, red, 255]);
            }
        }
    }
}

/// Takes a picture of all screens. Waits for the compositor: not for the thread that draws.
///
/// # Errors
/// [`Error`].
pub fn screen() -> Result<Picture, Error> {
    let connection = Connection::connect_to_env().map_err(|e| Error::Connect(e.to_string()))?;
    screen_of(&connection)
}

/// The same of the compositor at the other end of `connection`.
///
/// # Errors
/// [`Error`].
pub fn screen_of(connection: &Connection) -> Result<Picture, Error> {
    compose(&outputs_of(connection)?)
}

/// Takes a picture of each screen; there is one at least. Waits for the compositor as [`screen`] does.
///
/// # Errors
/// [`Error`].
pub fn screens() -> Result<Vec<Screen>, Error> {
    let connection = Connection::connect_to_env().map_err(|e| Error::Connect(e.to_string()))?;
    screens_of(&connection)
}

/// The same of the compositor at the other end of `connection`.
///
/// # Errors
/// [`Error`].
pub fn screens_of(connection: &Connection) -> Result<Vec<Screen>, Error> {
    let mut left = MOST_PIXELS;
    let mut screens = Vec::new();
    for output in outputs_of(connection)? {
        let (width, height) = output.upright();
        let pixels = u64::from(width) * u64::from(height);
        left = left.checked_sub(pixels).ok_or_else(|| {
            Error::Size(width, height, format!("the most is {MOST_PIXELS} pixels"))
        })?;
        let picture = output.picture().ok_or(Error::Refused)?;
        screens.push(Screen {
            name: output.name.ok_or(Error::Missing("wl_output 4"))?,
            picture: Arc::new(picture),
        });
    }
    if screens.is_empty() {
        return Err(Error::Refused);
    }
    Ok(screens)
}

/// Has every output copied.
fn outputs_of(connection: &Connection) -> Result<Vec<Output>, Error> {
    let (globals, mut queue) = registry_queue_init::<Taker>(connection)
        .map_err(|error| Error::Connect(error.to_string()))?;
    let qh = queue.handle();
    let shm: WlShm = globals
        .bind(&qh, 1..=1, ())
        .map_err(|_| Error::Missing("wl_shm"))?;
    let manager: ZwlrScreencopyManagerV1 = globals
        .bind(&qh, 1..=3, ())
        .map_err(|_| Error::Missing("zwlr_screencopy_manager_v1"))?;
    let places: Option<ZxdgOutputManagerV1> = globals.bind(&qh, 1..=3, ()).ok();
    let mut taker = Taker::default();
    let registry = globals.registry();
    let listed = globals.contents().clone_list();
    for global in listed
        .iter()
        .filter(|g| g.interface == WlOutput::interface().name)
    {
        let at = taker.outputs.len();
        let version = global.version.min(4);
        let output: WlOutput = registry.bind(global.name, version, &qh, at);
        if let Some(places) = &places {
            places.get_xdg_output(&output, &qh, at);
        }
        taker.outputs.push(Output::new(output));
    }
    roundtrip(&mut queue, &mut taker)?;
    for at in 0..taker.outputs.len() {
        let frame = manager.capture_output(0, &taker.outputs[at].output, &qh, at);
        roundtrip(&mut queue, &mut taker)?;
        take(&frame, at, &shm, &mut queue, &mut taker)?;
    }
    Ok(taker.outputs)
}

fn roundtrip(queue: &mut EventQueue<Taker>, taker: &mut Taker) -> Result<(), Error> {
    let done = queue.roundtrip(taker);
    done.map(drop)
        .map_err(|error| Error::Connect(error.to_string()))
}

/// Has one output copied.
fn take(
    frame: &ZwlrScreencopyFrameV1,
    at: usize,
    shm: &WlShm,
    queue: &mut EventQueue<Taker>,
    taker: &mut Taker,
) -> Result<(), Error> {
    let qh = queue.handle();
    let Some(shape) = taker.outputs[at].shape else {
        return Err(Error::Refused);
    };
    let size = |why: String| Error::Size(shape.width, shape.height, why);
    let bytes = u64::from(shape.stride) * u64::from(shape.height);
    let length = i32::try_from(bytes).map_err(|_| size("it is too large".to_owned()))?;
    if u64::from(shape.width) * 4 > u64::from(shape.stride) || bytes == 0 {
        return Err(size("its rows do not fit".to_owned()));
    }
    let memory = memfd_create("screen", MemfdFlags::CLOEXEC).map_err(|e| size(e.to_string()))?;
    rustix::fs::ftruncate(&memory, bytes).map_err(|e| size(e.to_string()))?;
    let pool = shm.create_pool(memory.as_fd(), length, &qh, ());
    let buffer = pool.create_buffer(
        0,
        shape.width as i32,
        shape.height as i32,
        shape.stride as i32,
        shape.format,
        &qh,
        (),
    );
    frame.copy(&buffer);
    while taker.outputs[at].copied.is_none() {
        let heard = queue.blocking_dispatch(taker);
        heard.map_err(|error| Error::Connect(error.to_string()))?;
    }
    let mut pixels = vec![0; bytes as usize];
    let read = File::from(memory).read_exact_at(&mut pixels, 0);
    read.map_err(|error| size(error.to_string()))?;
    buffer.destroy();
    pool.destroy();
    frame.destroy();
    if taker.outputs[at].copied != Some(true) {
        return Err(Error::Refused);
    }
    taker.outputs[at].pixels = pixels;
    Ok(())
}

/// How a copy lies in memory.
#[derive(Debug, Clone, Copy)]
struct Shape {
    format: Format,
    width: u32,
    height: u32,
    stride: u32,
}

#[derive(Debug)]
struct Output {
    output: WlOutput,
    name: Option<String>,
    transform: Transform,
    /// Where it stands and how large it is, in logical pixels.
    at: (i32, i32),
    logical: Option<(i32, i32)>,
    shape: Option<Shape>,
    upside_down: bool,
    /// Whether copying worked, once that is known.
    copied: Option<bool>,
    pixels: Vec<u8>,
}

impl Output {
    fn new(output: WlOutput) -> Self {
        Self {
            output,
            name: None,
            transform: Transform::Normal,
            at: (0, 0),
            logical: None,
            shape: None,
            upside_down: false,
            copied: None,
            pixels: Vec::new(),
        }
    }

    /// Width and height in pixels, as a person sees it.
    fn upright(&self) -> (u32, u32) {
        let shape = self
            .shape
            .map_or((0, 0), |shape| (shape.width, shape.height));
        match self.transform {
            Transform::_90 | Transform::_270 | Transform::Flipped90 | Transform::Flipped270 => {
                (shape.1, shape.0)
            }
            _ => shape,
        }
    }

    fn logical(&self) -> (u32, u32) {
        let (width, height) = self.upright();
        match self.logical {
            Some((w, h)) if w > 0 && h > 0 => (w as u32, h as u32),
            _ => (width, height),
        }
    }

    /// The whole of it as a person sees it.
    fn picture(&self) -> Option<Picture> {
        let (width, height) = self.upright();
        let rows = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let rgb = rows.flat_map(|(x, y)| self.pixel(x, y)).collect();
        Picture::new(width, height, rgb)
    }

    /// The colour at a place as a person sees it.
    fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        let Some(shape) = self.shape else {
            return [0; 3];
        };
        let (x, y) = panel((x, y), self.upright(), self.transform);
        let y = if self.upside_down {
            shape.height - 1 - y
        } else {
            y
        };
        let at = y as usize * shape.stride as usize + x as usize * 4;
        let [a, b, c] = [self.pixels[at], self.pixels[at + 1], self.pixels[at + 2]];
        match shape.format {
            Format::Xbgr8888 | Format::Abgr8888 => [a, b, c],
            _ => [c, b, a],
        }
    }
}

/// Where a place on the upright screen of a size is on its panel.
fn panel((x, y): (u32, u32), (width, height): (u32, u32), transform: Transform) -> (u32, u32) {
    let (right, down) = (width - 1 - x, height - 1 - y);
    match transform {
        Transform::_90 => (y, right),
        Transform::_180 => (right, down),
        Transform::_270 => (down, x),
        Transform::Flipped => (right, y),
        Transform::Flipped90 => (y, x),
        Transform::Flipped180 => (x, down),
        Transform::Flipped270 => (down, right),
        _ => (x, y),
    }
}

/// Puts the outputs beside each other.
fn compose(outputs: &[Output]) -> Result<Picture, Error> {
    if outputs.is_empty() {
        return Err(Error::Refused);
    }
    let left = outputs.iter().map(|o| i64::from(o.at.0)).min().unwrap_or(0);
    let top = outputs.iter().map(|o| i64::from(o.at.1)).min().unwrap_or(0);
    let scale = outputs
        .iter()
        .map(|o| f64::from(o.upright().0) / f64::from(o.logical().0.max(1)))
        .fold(0.0_f64, f64::max);
    let scaled = |length: i64| (length as f64 * scale).round().max(0.0) as u64;
    let places = outputs.iter().map(|output| {
        let (width, height) = output.logical();
        let (x, y) = (i64::from(output.at.0) - left, i64::from(output.at.1) - top);
        let end = (scaled(x + i64::from(width)), scaled(y + i64::from(height)));
        (output, (scaled(x), scaled(y)), end)
    });
    let places: Vec<_> = places.collect();
    let width = places.iter().map(|(.., end)| end.0).max().unwrap_or(0);
    let height = places.iter().map(|(.., end)| end.1).max().unwrap_or(0);
    if width.saturating_mul(height) > MOST_PIXELS || width == 0 || height == 0 {
        let short = |length: u64| u32::try_from(length).unwrap_or(u32::MAX);
        let why = format!("the most is {MOST_PIXELS} pixels");
        return Err(Error::Size(short(width), short(height), why));
    }
    let mut rgb = vec![0; width as usize * height as usize * 3];
    for (output, begin, end) in places {
        let (from_width, from_height) = output.upright();
        let (to_width, to_height) = (end.0 - begin.0, end.1 - begin.1);
        for y in 0..to_height {
            let from_y = (y * u64::from(from_height) / to_height) as u32;
            let row = ((begin.1 + y) * width + begin.0) as usize * 3;
            for x in 0..to_width {
                let from_x = (x * u64::from(from_width) / to_width) as u32;
                let at = row + x as usize * 3;
                rgb[at..at + 3].copy_from_slice(&output.pixel(from_x, from_y));
            }
        }
    }
    Ok(Picture {
        width: width as u32,
        height: height as u32,
        rgb,
    })
}

#[derive(Debug, Default)]
struct Taker {
    outputs: Vec<Output>,
}

impl Dispatch<WlRegistry, GlobalListContents> for Taker {
    fn event(
        _: &mut Self,
        _: &WlRegistry,
        _: <WlRegistry as Proxy>::Event,
        _: &GlobalListContents,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
    }
}

delegate_noop!(Taker: ignore WlShm);
delegate_noop!(Taker: WlShmPool);
delegate_noop!(Taker: ignore WlBuffer);
delegate_noop!(Taker: ZxdgOutputManagerV1);
delegate_noop!(Taker: ZwlrScreencopyManagerV1);

impl Dispatch<WlOutput, usize> for Taker {
    fn event(
        taker: &mut Self,
        _: &WlOutput,
        event: wl_output::Event,
        at: &usize,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let Some(output) = taker.outputs.get_mut(*at) else {
            return;
        };
        match event {
            wl_output::Event::Geometry {
                x, y, transform, ..
            } => {
                output.at = (x, y);
                if let WEnum::Value(transform) = transform {
                    output.transform = transform;
                }
            }
            wl_output::Event::Name { name } => output.name = Some(name),
            _ => {}
        }
    }
}

impl Dispatch<ZxdgOutputV1, usize> for Taker {
    fn event(
        taker: &mut Self,
        _: &ZxdgOutputV1,
        event: zxdg_output_v1::Event,
        at: &usize,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let Some(output) = taker.outputs.get_mut(*at) else {
            return;
        };
        match event {
            zxdg_output_v1::Event::LogicalPosition { x, y } => output.at = (x, y),
            zxdg_output_v1::Event::LogicalSize { width, height } => {
                output.logical = Some((width, height));
            }
            _ => {}
        }
    }
}

impl Dispatch<ZwlrScreencopyFrameV1, usize> for Taker {
    fn event(
        taker: &mut Self,
        _: &ZwlrScreencopyFrameV1,
        event: zwlr_screencopy_frame_v1::Event,
        at: &usize,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use zwlr_screencopy_frame_v1::{Event, Flags};
        let Some(output) = taker.outputs.get_mut(*at) else {
            return;
        };
        match event {
            Event::Buffer {
                format: WEnum::Value(format),
                width,
                height,
                stride,
            } => {
                // The first one that can be read.
                let readable = matches!(
                    format,
                    wl_shm::Format::Xrgb8888
                        | wl_shm::Format::Argb8888
                        | wl_shm::Format::Xbgr8888
                        | wl_shm::Format::Abgr8888
                );
                if readable && output.shape.is_none() {
                    output.shape = Some(Shape {
                        format,
                        width,
                        height,
                        stride,
                    });
                }
            }
            Event::Flags {
                flags: WEnum::Value(flags),
            } => output.upside_down = flags.contains(Flags::YInvert),
            Event::Ready { .. } => output.copied = Some(true),
            Event::Failed => output.copied = Some(false),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_all_its_pixels_and_fills_what_it_is_shown_on() {
        assert_eq!(Picture::new(2, 1, vec![0; 5]), None);
        assert_eq!(Picture::new(0, 3, Vec::new()), None);
        let picture = Picture::new(2, 1, vec![1, 2, 3, 4, 5, 6]).unwrap();
        let drawn = |width: usize, height: usize| {
            let mut pixels = vec![0; width * height * 4];
            host::Picture::draw(&picture, &mut pixels, width);
            pixels
        };
        let [left, right] = [[3_u8, 2, 1, 255], [6, 5, 4, 255]];
        assert_eq!(drawn(2, 1), [left, right].concat());
        let row = [left, left, right, right].concat();
        assert_eq!(drawn(4, 2), [row.clone(), row].concat());
    }

    #[test]
    fn a_screen_that_hangs_otherwise_is_seen_upright() {
        // The panel's corners, counted from its upper left one clockwise, as a person sees them.
        let corners = |transform| {
            let turned = matches!(
                transform,
                Transform::_90 | Transform::_270 | Transform::Flipped90 | Transform::Flipped270
            );
            let size = if turned { (2, 4) } else { (4, 2) };
            let (right, down) = (size.0 - 1, size.1 - 1);
            [(0, 0), (right, 0), (right, down), (0, down)].map(|place| {
                match panel(place, size, transform) {
                    (0, 0) => 1,
                    (3, 0) => 2,
                    (3, 1) => 3,
                    (0, 1) => 4,
                    other => panic!("{other:?} is no corner"),
                }
            })
        };
        assert_eq!(corners(Transform::Normal), [1, 2, 3, 4]);
        assert_eq!(corners(Transform::_90), [4, 1, 2, 3]);
        assert_eq!(corners(Transform::_180), [3, 4, 1, 2]);
        assert_eq!(corners(Transform::_270), [2, 3, 4, 1]);
        assert_eq!(corners(Transform::Flipped), [2, 1, 4, 3]);
        assert_eq!(corners(Transform::Flipped180), [4, 3, 2, 1]);
    }
}
