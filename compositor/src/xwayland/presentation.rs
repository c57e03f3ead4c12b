//! How large things are to be, as X programs are told it.
//!
//! Those that draw for the [scale](super::scale) by themselves look it up in one of two places: the resources, which
//! are text on the root window that most toolkits read once, and XSETTINGS, which GTK and Qt follow. Both have it as
//! GNOME says it: dots per inch for letters, and for GTK a whole factor for everything, by which letters are not to
//! be enlarged once more.
//!
//! A program reads the resources as soon as it is connected, and the one for which a server was started is connected
//! once there is a window manager. So they have to be there before it gets to read: the compositor connects before
//! it becomes the window manager, and holds the server for itself with its first request ([`say_first`]). The server
//! may still serve the program before that; then it has the sizes of scale 1.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use smithay::{
    reexports::x11rb::{
        protocol::xproto::{
            AtomEnum, ChangePropertyRequest, GetInputFocusRequest, GrabServerRequest, PropMode,
            Setup, SetupRequest, UngrabServerRequest,
        },
        x11_utils::{Serialize, TryParse},
    },
    utils::{Point, Size},
    xwayland::{X11Surface, XWaylandClientData, xwm::settings::Value},
};
use xcursor::parser::Image;

use super::scale::{Factor, wayland_side};
use crate::{config::XScale, cursor::pixels, state::State};

/// Dots per inch at scale 1.
const DPI: f64 = 96.0;
/// XSETTINGS has so many parts of a dot per inch.
const PARTS: f64 = 1024.0;
/// How long the server may take to take in its first client.
const PATIENCE: Duration = Duration::from_secs(10);

/// See the module's page.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Presentation {
    pub(super) factor: Factor,
    /// The cursor's theme.
    theme: String,
    /// The cursor's size in pixels of the X screen.
    cursor: u32,
}

impl Presentation {
    fn new(factor: Factor, theme: &str, size: u32) -> Self {
        Self {
            factor,
            // A line of the resources ends where its value does.
            theme: theme.chars().filter(|c| !c.is_control()).collect(),
            cursor: pixels(size, factor.get()),
        }
    }

    /// As lines of resources.
    pub(super) fn resources(&self) -> String {
        format!(
            "Xft.dpi:\t{}\nXcursor.size:\t{}\nXcursor.theme:\t{}\n",
            (DPI * self.factor.get()).round(),
            self.cursor,
            self.theme,
        )
    }

    /// As XSETTINGS.
    fn settings(&self) -> [(String, Value); 5] {
        let scale = self.factor.get();
        let whole = scale.floor();
        let dpi = |scale: f64| Value::Integer((DPI * PARTS * scale).round() as i32);
        [
            ("Gdk/WindowScalingFactor", Value::Integer(whole as i32)),
            ("Gdk/UnscaledDPI", dpi(scale / whole)),
            ("Xft/DPI", dpi(scale)),
            ("Gtk/CursorThemeName", Value::String(self.theme.clone())),
            ("Gtk/CursorThemeSize", Value::Integer(self.cursor as i32)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
    }
}

/// The name that an entry of resources has.
fn name(entry: &[u8]) -> &[u8] {
    let end = entry.iter().position(|byte| *byte == b':');
    entry[..end.unwrap_or(0)].trim_ascii()
}

/// Resources with others in the place of those of the same name; what else the person has there stays.
pub(super) fn laid_over(there: &[u8], resources: &str) -> Vec<u8> {
    let ours: Vec<_> = resources
        .lines()
        .map(|line| name(line.as_bytes()))
        .collect();
    let mut all = Vec::with_capacity(there.len() + resources.len());
    let mut entry = Vec::new();
    let mut lines = there.split_inclusive(|byte| *byte == b'\n').peekable();
    while let Some(line) = lines.next() {
        entry.extend_from_slice(line);
        // It goes on in the next line.
        if line.ends_with(b"\\\n") && lines.peek().is_some() {
            continue;
        }
        if !ours.contains(&name(&entry)) {
            all.append(&mut entry);
        }
        entry.clear();
    }
    if all.last().is_some_and(|byte| *byte != b'\n') {
        all.push(b'\n');
    }
    all.extend_from_slice(resources.as_bytes());
    all
}

/// Writes resources into a server that takes nobody in yet, before anybody else can read them: see the module's page.
/// Where that fails, those who wait read none.
pub(super) fn say_first(socket: &Path, resources: String) {
    let said = first_in_line(socket).and_then(|stream| {
        std::thread::Builder::new()
            .name("x11-resources".into())
            .spawn(move || {
                if let Err(error) = say(stream, &resources) {
                    tracing::warn!("the first X program is not told how large things are: {error}");
                }
            })
    });
    if let Err(error) = said {
        tracing::warn!("the first X program is not told how large things are: {error}");
    }
}

/// Connects, and asks to be served alone. The server hears of it when it takes clients in; nothing here waits.
fn first_in_line(socket: &Path) -> io::Result<UnixStream> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&fd, &SocketAddrUnix::new(socket)?)?;
    let mut stream = UnixStream::from(fd);
    let setup = SetupRequest {
        byte_order: if cfg!(target_endian = "little") {
            b'l'
        } else {
            b'B'
        },
        protocol_major_version: 11,
        protocol_minor_version: 0,
        authorization_protocol_name: Vec::new(),
        authorization_protocol_data: Vec::new(),
    };
    let mut requests = setup.serialize();
    requests.extend_from_slice(&GrabServerRequest.serialize().0[0]);
    stream.write_all(&requests)?;
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Says it once the server answers. Whatever comes, the server is free for others when this returns.
fn say(mut stream: UnixStream, resources: &str) -> io::Result<()> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut answer = vec![0; 8];
    stream.read_exact(&mut answer)?;
    let rest = 4 * usize::from(u16::from_ne_bytes([answer[6], answer[7]]));
    if answer[0] != 1 {
        return Err(wrong("the server does not take the compositor in"));
    }
    answer.resize(8 + rest, 0);
    stream.read_exact(&mut answer[8..])?;
    let (setup, _) = Setup::try_parse(&answer).map_err(io::Error::other)?;
    let screen = setup.roots.first();
    let root = screen
        .ok_or_else(|| wrong("the server has no screen"))?
        .root;
    let data = resources.as_bytes();
    let change = ChangePropertyRequest {
        mode: PropMode::REPLACE,
        window: root,
        property: AtomEnum::RESOURCE_MANAGER.into(),
        type_: AtomEnum::STRING.into(),
        format: 8,
        data_len: data.len() as u32,
        data: data.into(),
    };
    let (pieces, _) = change.serialize();
    let mut requests = Vec::<u8>::new();
    for piece in &pieces {
        requests.extend_from_slice(piece);
    }
    requests.extend_from_slice(&UngrabServerRequest.serialize().0[0]);
    // Its answer says that all is done.
    requests.extend_from_slice(&GetInputFocusRequest.serialize().0[0]);
    stream.write_all(&requests)?;
    let mut done = [0; 32];
    stream.read_exact(&mut done)?;
    if done[0] == 1 {
        Ok(())
    } else {
        Err(wrong("the server refuses it"))
    }
}

/// The picture as smithay takes it, if X can have it.
fn dimensions(image: &Image) -> Option<[u16; 4]> {
    let [width, height, x, y] = [image.width, image.height, image.xhot, image.yhot]
        .map(|number| u16::try_from(number).ok());
    Some([width?, height?, x?, y?])
}

impl State {
    /// What X programs are to be told.
    pub(super) fn x11_presentation(&self) -> Presentation {
        let factor = match self.config.xwayland.scale {
            XScale::Sharp => {
                let outputs = self.outputs.iter();
                Factor::for_scales(outputs.map(|output| output.current_scale().fractional_scale()))
            }
            XScale::Magnified => Factor::ONE,
        };
        let cursor = &self.config.cursor;
        Presentation::new(factor, &cursor.theme, cursor.size)
    }

    /// Has X programs draw for the outputs that there are, as the settings want it.
    pub(crate) fn follow_x11_scale(&mut self) {
        let Some(server) = &self.xwayland.server else {
            return;
        };
        let wanted = self.x11_presentation();
        if server.told.as_ref() == Some(&wanted) {
            return;
        }
        let (factor, up) = (wanted.factor, server.wm.is_some());
        if Factor::of_server(&server.client) != factor
            && let Some(data) = server.client.get_data::<XWaylandClientData>()
        {
            tracing::debug!("X programs draw for scale {}", factor.get());
            wayland_side(data).set_client_scale(factor.get());
            // The server hears how large its screen is now.
            for output in self.outputs.iter() {
                output.change_current_state(None, None, None, None);
            }
            self.outputs.queue_all();
        }
        if up {
            self.tell_x11(&wanted);
            if let Some(server) = &mut self.xwayland.server {
                server.told = Some(wanted);
            }
        }
    }

    fn tell_x11(&mut self, wanted: &Presentation) {
        let arrow = self.cursor.arrow(wanted.factor.get());
        let Some(manager) = self.xwayland.manager() else {
            return;
        };
        if let Err(error) = manager.set_xsettings(wanted.settings().into_iter()) {
            tracing::debug!("X programs are not told how large things are: {error}");
        }
        // What has no cursor of its own shows this one; the server's is as small at any scale.
        if let Some((image, [width, height, x, y])) =
            arrow.and_then(|image| dimensions(&image).map(|numbers| (image, numbers)))
        {
            let (size, tip) = (Size::from((width, height)), Point::from((x, y)));
            // The file's order of bytes is that of X here.
            if let Err(error) = manager.set_cursor(&image.pixels_rgba, size, tip) {
                tracing::debug!("X programs have a small cursor: {error}");
            }
        }
        // This sends what smithay has in its buffer without doing anything; while a part of it is there the server
        // may wait for the rest, and does not answer others.
        let nothing = std::iter::empty::<&X11Surface>();
        if let Err(error) = manager.update_stacking_order_downwards(nothing) {
            tracing::debug!("the X server hears nothing: {error}");
        }
        if let Some(hints) = &self.xwayland.hints
            && let Err(error) = hints.set_resources(&wanted.resources())
        {
            tracing::debug!("X programs are not told how large things are: {error}");
        }
        // What came with the answers wakes nobody any more.
        self.x11_says();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(scale: f64) -> Presentation {
        let factor = Factor::for_scales([scale].into_iter());
        Presentation::new(factor, "Adwaita", 24)
    }

    fn number(presentation: &Presentation, wanted: &str) -> i32 {
        let settings = presentation.settings();
        let found = settings.iter().find(|(name, _)| name == wanted);
        match found {
            Some((_, Value::Integer(number))) => *number,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn letters_are_as_large_as_the_scale_says_and_enlarged_once() {
        for (scale, whole, unscaled, dpi) in [
            (1.0, 1, 96, 96),
            (1.5, 1, 144, 144),
            (2.0, 2, 96, 192),
            (2.5, 2, 120, 240),
        ] {
            let told = at(scale);
            assert_eq!(number(&told, "Gdk/WindowScalingFactor"), whole);
            assert_eq!(number(&told, "Gdk/UnscaledDPI"), unscaled * 1024);
            assert_eq!(number(&told, "Xft/DPI"), dpi * 1024);
            assert!(told.resources().starts_with(&format!("Xft.dpi:\t{dpi}\n")));
        }
        assert_eq!(number(&at(1.5), "Gtk/CursorThemeSize"), 36);
        assert!(at(1.5).resources().contains("Xcursor.size:\t36\n"));
    }

    #[test]
    fn a_theme_of_two_lines_is_one_line() {
        let told = Presentation::new(Factor::ONE, "a\nXft.dpi: 900", 24);
        assert_eq!(told.resources().lines().count(), 3);
    }

    #[test]
    fn what_else_is_in_the_resources_stays() {
        let ours = at(2.0).resources();
        assert_eq!(laid_over(b"", &ours), ours.as_bytes());
        let there = b"XTerm*font: \\\n  Xft.dpi: 7\nXft.dpi:\t96\nXft.dpiX: 1\nXcursor.size : \\\n 9\nlast: 1";
        let laid = String::from_utf8(laid_over(there, &ours)).unwrap();
        let kept = "XTerm*font: \\\n  Xft.dpi: 7\nXft.dpiX: 1\nlast: 1\n";
        assert_eq!(laid, format!("{kept}{ours}"));
        assert_eq!(laid_over(laid.as_bytes(), &ours), laid.as_bytes());
    }
}
