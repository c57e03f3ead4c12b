//! `argos-lease`: asks the compositor for a display by `drm-lease-v1`, and shows one colour on it.
//!
//! It is to displays in front of the eyes what `weston-simple-shm` is to windows: the least that a program for one
//! does, so that the end-to-end tests have one.

use std::{
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::{UnixListener, UnixStream},
    },
    path::PathBuf,
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Parser, Subcommand};
use drm::{
    Device,
    buffer::DrmFourcc,
    control::{ClipRect, Device as ControlDevice},
};
use wayland_client::{
    Connection, Dispatch, EventQueue, QueueHandle, delegate_noop, event_created_child,
    globals::{GlobalList, GlobalListContents, registry_queue_init},
    protocol::wl_registry::{self, WlRegistry},
};
use wayland_protocols::wp::{
    drm_lease::v1::client::{
        wp_drm_lease_connector_v1::{self, WpDrmLeaseConnectorV1},
        wp_drm_lease_device_v1::{self, WpDrmLeaseDeviceV1},
        wp_drm_lease_request_v1::WpDrmLeaseRequestV1,
        wp_drm_lease_v1::{self, WpDrmLeaseV1},
    },
    security_context::v1::client::{
        wp_security_context_manager_v1::WpSecurityContextManagerV1,
        wp_security_context_v1::WpSecurityContextV1,
    },
};

const GLOBAL: &str = "wp_drm_lease_device_v1";

/// Drives a display that the compositor gives away.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the names of the displays that are offered.
    Offers,
    /// Show a colour, written as RRGGBB, on a display until it is taken back.
    Show {
        /// The display's name.
        display: String,
        /// The colour.
        #[arg(value_parser = colour)]
        colour: u32,
    },
    /// Print whether a program in a sandbox sees that displays are given away.
    Sandboxed,
}

fn colour(text: &str) -> Result<u32, String> {
    let parsed = u32::from_str_radix(text, 16).ok();
    parsed
        .filter(|_| text.len() == 6)
        .ok_or_else(|| format!("`{text}` is not a colour; write it as d05030"))
}

/// What the compositor said.
#[derive(Debug, Default)]
struct Told {
    displays: Vec<Display>,
    /// All of that was said.
    done: bool,
    fd: Option<OwnedFd>,
    finished: bool,
}

/// A display that is offered.
#[derive(Debug)]
struct Display {
    object: WpDrmLeaseConnectorV1,
    name: String,
}

impl Dispatch<WlRegistry, GlobalListContents> for Told {
    fn event(
        _: &mut Self,
        _: &WlRegistry,
        _: wl_registry::Event,
        _: &GlobalListContents,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        // The list of globals is looked at once.
    }
}

impl Dispatch<WpDrmLeaseDeviceV1, ()> for Told {
    fn event(
        told: &mut Self,
        _: &WpDrmLeaseDeviceV1,
        event: wp_drm_lease_device_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        match event {
            wp_drm_lease_device_v1::Event::Connector { id } => told.displays.push(Display {
                object: id,
                name: String::new(),
            }),
            wp_drm_lease_device_v1::Event::Done => told.done = true,
            _ => {}
        }
    }

    event_created_child!(Told, WpDrmLeaseDeviceV1, [
        wp_drm_lease_device_v1::EVT_CONNECTOR_OPCODE => (WpDrmLeaseConnectorV1, ()),
    ]);
}

impl Dispatch<WpDrmLeaseConnectorV1, ()> for Told {
    fn event(
        told: &mut Self,
        connector: &WpDrmLeaseConnectorV1,
        event: wp_drm_lease_connector_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use wp_drm_lease_connector_v1::Event;
        let mut displays = told.displays.iter_mut();
        match event {
            Event::Name { name } => {
                if let Some(display) = displays.find(|display| display.object == *connector) {
                    display.name = name;
                }
            }
            Event::Withdrawn => told.displays.retain(|display| display.object != *connector),
            _ => {}
        }
    }
}

impl Dispatch<WpDrmLeaseV1, ()> for Told {
    fn event(
        told: &mut Self,
        _: &WpDrmLeaseV1,
        event: wp_drm_lease_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        match event {
            wp_drm_lease_v1::Event::LeaseFd { leased_fd } => told.fd = Some(leased_fd),
            wp_drm_lease_v1::Event::Finished => told.finished = true,
            _ => {}
        }
    }
}

delegate_noop!(Told: WpDrmLeaseRequestV1);
delegate_noop!(Told: WpSecurityContextManagerV1);
delegate_noop!(Told: WpSecurityContextV1);

/// A connection to the compositor.
struct Client {
    globals: GlobalList,
    queue: EventQueue<Told>,
    told: Told,
}

impl Client {
    fn new(connection: &Connection) -> Result<Self> {
        let (globals, queue) = registry_queue_init(connection)
            .context("the compositor does not say what it offers")?;
        Ok(Self {
            globals,
            queue,
            told: Told::default(),
        })
    }

    fn sees(&self) -> bool {
        self.globals
            .contents()
            .with_list(|globals| globals.iter().any(|global| global.interface == GLOBAL))
    }

    /// Hears which displays are offered.
    fn device(&mut self) -> Result<WpDrmLeaseDeviceV1> {
        let device = self
            .globals
            .bind(&self.queue.handle(), 1..=1, ())
            .context("the compositor gives no displays away")?;
        while !self.told.done {
            self.queue.blocking_dispatch(&mut self.told)?;
        }
        Ok(device)
    }
}

/// What a lease is driven by.
struct Card(OwnedFd);

impl AsFd for Card {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Device for Card {}
impl ControlDevice for Card {}

/// Shows one colour on the display of a lease.
fn fill(card: &Card, colour: u32) -> Result<()> {
    let resources = card.resource_handles().context("what is leased")?;
    let connector = resources.connectors().first().context("no connector")?;
    let crtc = resources.crtcs().first().context("no CRTC")?;
    ensure!(
        resources.connectors().len() == 1 && resources.crtcs().len() == 1,
        "the lease has {} connectors and {} CRTCs, and not one of each",
        resources.connectors().len(),
        resources.crtcs().len()
    );
    let info = card.get_connector(*connector, true)?;
    let mode = *info.modes().first().context("the display has no mode")?;
    let (width, height) = mode.size();
    let size = (u32::from(width), u32::from(height));
    let mut buffer = card.create_dumb_buffer(size, DrmFourcc::Xrgb8888, 32)?;
    for pixel in card.map_dumb_buffer(&mut buffer)?.chunks_exact_mut(4) {
        pixel.copy_from_slice(&colour.to_le_bytes());
    }
    let framebuffer = card.add_framebuffer(&buffer, 24, 32)?;
    card.set_crtc(*crtc, Some(framebuffer), (0, 0), &[*connector], Some(mode))
        .context("the display cannot be driven")?;
    // Displays that show a copy have to be told; others know no such request.
    let _ = card.dirty_framebuffer(framebuffer, &[ClipRect::new(0, 0, width, height)]);
    Ok(())
}

fn show(connection: &Connection, name: &str, colour: u32) -> Result<()> {
    let mut client = Client::new(connection)?;
    let device = client.device()?;
    let mut displays = client.told.displays.iter();
    let display = displays
        .find(|display| display.name == name)
        .with_context(|| format!("{name} is not offered"))?;
    let handle = client.queue.handle();
    let request = device.create_lease_request(&handle, ());
    request.request_connector(&display.object);
    request.submit(&handle, ());
    while client.told.fd.is_none() {
        ensure!(!client.told.finished, "{name} is not given to us");
        client.queue.blocking_dispatch(&mut client.told)?;
    }
    let Some(fd) = client.told.fd.take() else {
        bail!("there is no lease");
    };
    let card = Card(fd);
    fill(&card, colour)?;
    println!("shown");
    while !client.told.finished {
        client.queue.blocking_dispatch(&mut client.told)?;
    }
    println!("taken back");
    Ok(())
}

/// Whether a program that comes over a sandbox engine's socket sees the global.
fn seen_in_a_sandbox(connection: &Connection) -> Result<bool> {
    let mut client = Client::new(connection)?;
    let folder = std::env::var_os("XDG_RUNTIME_DIR").context("XDG_RUNTIME_DIR is not set")?;
    let path = PathBuf::from(folder).join(format!("argos-lease-{}", std::process::id()));
    let listener = UnixListener::bind(&path)?;
    let (closed, _open) = std::io::pipe()?;
    let handle = client.queue.handle();
    let manager: WpSecurityContextManagerV1 = client.globals.bind(&handle, 1..=1, ())?;
    let context = manager.create_listener(listener.as_fd(), closed.as_fd(), &handle, ());
    context.set_sandbox_engine("argos.test".into());
    context.set_app_id("argos-lease".into());
    context.set_instance_id("1".into());
    context.commit();
    client.queue.roundtrip(&mut client.told)?;
    let socket = UnixStream::connect(&path);
    std::fs::remove_file(&path)?;
    let inside = Connection::from_socket(socket?)?;
    Ok(Client::new(&inside)?.sees())
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let connection = Connection::connect_to_env().context("no compositor answers")?;
    match cli.command {
        Command::Offers => {
            let mut client = Client::new(&connection)?;
            client.device()?;
            for display in &client.told.displays {
                println!("{}", display.name);
            }
            Ok(())
        }
        Command::Show { display, colour } => show(&connection, &display, colour),
        Command::Sandboxed => {
            let seen = seen_in_a_sandbox(&connection)?;
            println!("{}", if seen { "seen" } else { "unseen" });
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_six_digits() {
        assert_eq!(colour("d05030"), Ok(0xd0_5030));
        for wrong in ["#d0503", "d0503", "d050300", "d0503g"] {
            assert!(colour(wrong).unwrap_err().contains("d05030"), "{wrong}");
        }
    }
}
