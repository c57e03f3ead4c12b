//! What of the screen a program may get: outputs, and windows by their handles of `ext-foreign-toplevel-list-v1`.
//!
//! On a connection of its own, as [`crate::capture`], which makes the pictures of the outputs.

use iced_widget::image::Handle;
use sctk::reexports::client::globals::{GlobalListContents, registry_queue_init};
use sctk::reexports::client::protocol::{
    wl_output::{self, Mode, Transform, WlOutput},
    wl_registry::WlRegistry,
};
use sctk::reexports::client::{
    Connection, Dispatch, Proxy, QueueHandle, WEnum, delegate_noop, event_created_child,
};
use sctk::reexports::protocols::ext::foreign_toplevel_list::v1::client::{
    ext_foreign_toplevel_handle_v1::{self, ExtForeignToplevelHandleV1},
    ext_foreign_toplevel_list_v1::{self, ExtForeignToplevelListV1},
};
use sctk::reexports::protocols::xdg::xdg_output::zv1::client::{
    zxdg_output_manager_v1::ZxdgOutputManagerV1,
    zxdg_output_v1::{self, ZxdgOutputV1},
};
use smithay_client_toolkit as sctk;

use crate::capture::{self, Error};

/// As many windows can be chosen from.
const MOST: usize = 256;
/// The longest side of an output's picture in the list, in pixels.
const PREVIEW: u32 = 160;

/// An output.
#[derive(Debug, Clone, Default)]
pub struct Screen {
    /// By what the compositor calls it: a connector's name.
    pub name: String,
    /// What it is, for people; or nothing.
    pub about: String,
    /// Where it stands, in logical pixels.
    pub at: (i32, i32),
    /// How large it is there.
    pub logical: (i32, i32),
    /// How many pixels it has, as a person sees it.
    pub pixels: (i32, i32),
    /// What it shows, made small.
    pub picture: Option<Handle>,
}

/// A window.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Window {
    /// By what the compositor knows it; no other window ever has the same.
    pub identifier: String,
    /// Its title, as its program has it.
    pub title: String,
    /// Its application's id, the same.
    pub app: String,
}

/// What there is.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The outputs.
    pub screens: Vec<Screen>,
    /// The windows.
    pub windows: Vec<Window>,
}

/// Lists what there is. Waits for the compositor: not for the thread that draws.
///
/// # Errors
/// When the compositor cannot be reached.
pub fn list() -> Result<Sources, Error> {
    let connection = Connection::connect_to_env().map_err(|e| Error::Connect(e.to_string()))?;
    list_of(&connection)
}

/// The same of the compositor at the other end of `connection`.
///
/// # Errors
/// When it does not answer.
pub fn list_of(connection: &Connection) -> Result<Sources, Error> {
    let (globals, mut queue) = registry_queue_init::<Lister>(connection)
        .map_err(|error| Error::Connect(error.to_string()))?;
    let qh = queue.handle();
    let places: Option<ZxdgOutputManagerV1> = globals.bind(&qh, 1..=3, ()).ok();
    // Its windows come as events.
    let _list: Option<ExtForeignToplevelListV1> = globals.bind(&qh, 1..=1, ()).ok();
    let mut lister = Lister::default();
    for global in globals.contents().clone_list() {
        if global.interface == WlOutput::interface().name && global.version >= 4 {
            let at = lister.screens.len();
            let output: WlOutput = globals.registry().bind(global.name, 4, &qh, at);
            if let Some(places) = &places {
                places.get_xdg_output(&output, &qh, at);
            }
            lister.screens.push(Output::default());
        }
    }
    // Windows are made known in the first turn, and said what they are in the second at the latest.
    for _ in 0..2 {
        queue
            .roundtrip(&mut lister)
            .map_err(|error| Error::Connect(error.to_string()))?;
    }
    let screens = lister.screens.into_iter().map(Output::upright);
    let windows = lister.windows.into_iter().map(|(_, window)| window);
    Ok(Sources {
        screens: screens.filter(|screen| !screen.name.is_empty()).collect(),
        windows: windows
            .filter(|window| !window.identifier.is_empty())
            .take(MOST)
            .collect(),
    })
}

/// Adds the pictures of the outputs, where the compositor gives them.
pub fn add_pictures(sources: &mut Sources) {
    let pictures = match capture::screens() {
        Ok(pictures) => pictures,
        Err(error) => {
            tracing::debug!("a list without pictures: {error}");
            return;
        }
    };
    for screen in &mut sources.screens {
        let picture = pictures.iter().find(|other| other.name == screen.name);
        screen.picture = picture.map(|other| other.picture.smaller(PREVIEW));
    }
}

#[derive(Debug, Default)]
struct Lister {
    screens: Vec<Output>,
    windows: Vec<(ExtForeignToplevelHandleV1, Window)>,
}

#[derive(Debug, Default)]
struct Output {
    screen: Screen,
    turned: bool,
}

impl Output {
    fn upright(self) -> Screen {
        let mut screen = self.screen;
        if self.turned {
            screen.pixels = (screen.pixels.1, screen.pixels.0);
        }
        if screen.logical.0 <= 0 || screen.logical.1 <= 0 {
            screen.logical = screen.pixels;
        }
        screen
    }
}

impl Dispatch<WlRegistry, GlobalListContents> for Lister {
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

delegate_noop!(Lister: ZxdgOutputManagerV1);

impl Dispatch<WlOutput, usize> for Lister {
    fn event(
        lister: &mut Self,
        _: &WlOutput,
        event: wl_output::Event,
        at: &usize,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let Some(output) = lister.screens.get_mut(*at) else {
            return;
        };
        let screen = &mut output.screen;
        match event {
            wl_output::Event::Geometry {
                transform: WEnum::Value(transform),
                ..
            } => {
                output.turned = matches!(
                    transform,
                    Transform::_90 | Transform::_270 | Transform::Flipped90 | Transform::Flipped270
                );
            }
            wl_output::Event::Mode {
                flags: WEnum::Value(flags),
                width,
                height,
                ..
            } if flags.contains(Mode::Current) => screen.pixels = (width, height),
            wl_output::Event::Name { name } => screen.name = name,
            wl_output::Event::Description { description } => screen.about = description,
            _ => {}
        }
    }
}

impl Dispatch<ZxdgOutputV1, usize> for Lister {
    fn event(
        lister: &mut Self,
        _: &ZxdgOutputV1,
        event: zxdg_output_v1::Event,
        at: &usize,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let Some(output) = lister.screens.get_mut(*at) else {
            return;
        };
        match event {
            zxdg_output_v1::Event::LogicalPosition { x, y } => output.screen.at = (x, y),
            zxdg_output_v1::Event::LogicalSize { width, height } => {
                output.screen.logical = (width, height);
            }
            _ => {}
        }
    }
}

impl Dispatch<ExtForeignToplevelListV1, ()> for Lister {
    fn event(
        lister: &mut Self,
        _: &ExtForeignToplevelListV1,
        event: ext_foreign_toplevel_list_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let ext_foreign_toplevel_list_v1::Event::Toplevel { toplevel } = event {
            lister.windows.push((toplevel, Window::default()));
        }
    }

    event_created_child!(Lister, ExtForeignToplevelListV1, [
        ext_foreign_toplevel_list_v1::EVT_TOPLEVEL_OPCODE => (ExtForeignToplevelHandleV1, ()),
    ]);
}

impl Dispatch<ExtForeignToplevelHandleV1, ()> for Lister {
    fn event(
        lister: &mut Self,
        handle: &ExtForeignToplevelHandleV1,
        event: ext_foreign_toplevel_handle_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use ext_foreign_toplevel_handle_v1::Event;
        if matches!(event, Event::Closed) {
            lister.windows.retain(|(other, _)| other != handle);
            return;
        }
        let known = lister.windows.iter_mut().find(|(other, _)| other == handle);
        let Some((_, window)) = known else { return };
        match event {
            Event::Title { title } => window.title = title,
            Event::AppId { app_id } => window.app = app_id,
            Event::Identifier { identifier } => window.identifier = identifier,
            _ => {}
        }
    }
}
