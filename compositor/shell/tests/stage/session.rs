//! What programs of a session find beside the compositor: a bus, and a way to connect.

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};

use argos_compositor::State;
use argos_compositor::smithay::reexports::calloop::generic::Generic;
use argos_compositor::smithay::reexports::calloop::{Interest, Mode, PostAction};
use zbus::Connection;

/// A bus of its own; it ends with it.
pub(super) struct Bus {
    daemon: Child,
    _folder: tempfile::TempDir,
    pub(super) address: String,
}

impl Bus {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("bus.conf");
        let text = format!(
            "<busconfig><type>session</type><listen>unix:path={}</listen><auth>EXTERNAL</auth>\
             <policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/>\
             <allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>",
            folder.path().join("bus").display()
        );
        std::fs::write(&config, text).unwrap();
        let mut daemon = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", config.display()))
            .args(["--nofork", "--nopidfile", "--nosyslog", "--print-address=1"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("dbus-daemon is needed (Debian: dbus-daemon)");
        let mut address = String::new();
        let said = daemon.stdout.take().unwrap();
        BufReader::new(said).read_line(&mut address).unwrap();
        Self {
            daemon,
            _folder: folder,
            address: address.trim().to_owned(),
        }
    }

    pub(super) async fn connect(&self) -> Connection {
        let builder = zbus::connection::Builder::address(self.address.as_str());
        builder.build().await.unwrap()
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// The compositor is for whoever connects to `listener`.
pub(super) fn open_to(listener: UnixListener) -> impl FnOnce(&mut State) + Send + 'static {
    move |state| {
        listener.set_nonblocking(true).unwrap();
        let source = Generic::new(listener, Interest::READ, Mode::Level);
        let added = state.handle.insert_source(source, |_, listener, state| {
            while let Ok((stream, _)) = listener.accept() {
                stream.set_nonblocking(false).unwrap();
                state.insert_client(stream, false).unwrap();
            }
            Ok(PostAction::Continue)
        });
        added.unwrap();
    }
}
