//! ArgOS's compositor as the Wayland conformance test suite (`wlcs`) wants it: a library with a server that is
//! started in the suite's process, gets its clients over socket pairs, and is given input by function calls.
//!
//! `tests/conformance.rs` runs the suite and holds it to the list of what passes; see there.
//!
//! The compositor runs on a thread of its own, on the headless back end with one output, exactly as its own tests
//! drive it. What the suite asks goes over a channel into its event loop.

// The suite's interface is one of C pointers.
#![allow(unsafe_code)]

mod input;
mod server;

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::thread::JoinHandle;

use argos_compositor::smithay::reexports::calloop::channel::{Sender, channel};
use wayland_sys::client::{wayland_client_handle, wl_display, wl_proxy};
use wayland_sys::common::wl_fixed_t;
use wayland_sys::ffi_dispatch;
use wlcs::ffi_display_server_api::{
    WlcsExtensionDescriptor, WlcsIntegrationDescriptor, WlcsServerIntegration,
};
use wlcs::ffi_wrappers::wlcs_server;
use wlcs::{Pointer, Touch, Wlcs, extension_list, wlcs_server_integration};

use server::{Asked, Request, ask};

wlcs_server_integration!(Argos);

/// What the suite may expect, with the newest version that it may use.
static EXTENSIONS: &[WlcsExtensionDescriptor] = extension_list!(
    ("wl_compositor", 6),
    ("wl_subcompositor", 1),
    ("wl_data_device_manager", 3),
    ("wl_seat", 9),
    ("wl_output", 4),
    ("xdg_wm_base", 6),
    ("zwlr_layer_shell_v1", 4),
    ("zwp_primary_selection_device_manager_v1", 1),
    ("zxdg_decoration_manager_v1", 1),
    ("wp_viewporter", 1),
);

static DESCRIPTOR: WlcsIntegrationDescriptor = WlcsIntegrationDescriptor {
    version: 1,
    num_extensions: EXTENSIONS.len(),
    supported_extensions: EXTENSIONS.as_ptr(),
};

/// A server of the suite: one for each test.
#[derive(Debug, Default)]
struct Argos {
    running: Option<Running>,
    /// The server's name for each client, by the client's end of its socket.
    clients: Mutex<HashMap<RawFd, u32>>,
}

#[derive(Debug)]
struct Running {
    requests: Sender<Asked>,
    thread: JoinHandle<()>,
}

impl Argos {
    fn requests(&self) -> io::Result<&Sender<Asked>> {
        let running = self.running.as_ref();
        running.map(|running| &running.requests).ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotConnected, "the server was not started")
        })
    }
}

impl Wlcs for Argos {
    type Pointer = Device;
    type Touch = Device;

    fn new() -> Self {
        Self::default()
    }

    fn start(&mut self) {
        let (requests, inbox) = channel();
        let thread = std::thread::spawn(move || server::run(inbox));
        self.running = Some(Running { requests, thread });
    }

    fn stop(&mut self) {
        if let Some(Running { requests, thread }) = self.running.take() {
            ask(&requests, Request::Stop);
            // Fails only where the server panicked, which the test has noticed then.
            let _ = thread.join();
        }
    }

    fn create_client_socket(&self) -> io::Result<OwnedFd> {
        let (ours, theirs) = UnixStream::pair()?;
        let mut clients = self
            .clients
            .lock()
            .map_err(|_| io::Error::other("poisoned"))?;
        let number = clients.len() as u32;
        clients.insert(theirs.as_raw_fd(), number);
        ask(self.requests()?, Request::Client(number, ours));
        Ok(theirs.into())
    }

    fn position_window_absolute(
        &self,
        display: *mut wl_display,
        surface: *mut wl_proxy,
        x: i32,
        y: i32,
    ) {
        // SAFETY: the suite gives a display that is connected and a surface of it, both alive during this call.
        let (socket, surface) = unsafe {
            (
                ffi_dispatch!(wayland_client_handle(), wl_display_get_fd, display),
                ffi_dispatch!(wayland_client_handle(), wl_proxy_get_id, surface),
            )
        };
        let client = self
            .clients
            .lock()
            .ok()
            .and_then(|clients| clients.get(&socket).copied());
        if let (Some(client), Ok(requests)) = (client, self.requests()) {
            let at = (x, y);
            ask(
                requests,
                Request::Place {
                    client,
                    surface,
                    at,
                },
            );
        }
    }

    fn create_pointer(&mut self) -> Option<Device> {
        Device::of(self)
    }

    fn create_touch(&mut self) -> Option<Device> {
        Device::of(self)
    }

    fn get_descriptor(&self) -> &WlcsIntegrationDescriptor {
        &DESCRIPTOR
    }
}

/// A pointer or touch screen in the suite's hand.
#[derive(Debug)]
struct Device {
    requests: Sender<Asked>,
}

impl Device {
    fn of(server: &Argos) -> Option<Self> {
        let requests = server.requests().ok()?.clone();
        Some(Self { requests })
    }

    fn send(&self, input: input::Event) {
        ask(&self.requests, Request::Input(input));
    }
}

/// Fixed point with 8 bits behind the point, as on the wire.
fn real(fixed: wl_fixed_t) -> f64 {
    f64::from(fixed) / 256.0
}

impl Pointer for Device {
    fn move_absolute(&mut self, x: wl_fixed_t, y: wl_fixed_t) {
        self.send(input::Event::To(real(x), real(y)));
    }

    fn move_relative(&mut self, dx: wl_fixed_t, dy: wl_fixed_t) {
        self.send(input::Event::By(real(dx), real(dy)));
    }

    fn button_up(&mut self, button: i32) {
        self.send(input::Event::Button(button as u32, false));
    }

    fn button_down(&mut self, button: i32) {
        self.send(input::Event::Button(button as u32, true));
    }
}

// Whatever the types say, fingers are given in whole pixels.
impl Touch for Device {
    fn touch_down(&mut self, x: wl_fixed_t, y: wl_fixed_t) {
        self.send(input::Event::Down(x.into(), y.into()));
    }

    fn touch_move(&mut self, x: wl_fixed_t, y: wl_fixed_t) {
        self.send(input::Event::Drag(x.into(), y.into()));
    }

    fn touch_up(&mut self) {
        self.send(input::Event::Up);
    }
}
