//! Starting programs for key bindings.

use std::{
    os::unix::process::CommandExt,
    process::{Command, Stdio},
};

use crate::state::State;

impl State {
    /// Starts a program as a client of this compositor. What it prints goes to this log.
    pub(crate) fn spawn(&self, command: &[String]) {
        let Some((program, arguments)) = command.split_first() else { return };
        let mut child = Command::new(program);
        child.args(arguments).stdin(Stdio::null()).process_group(0).env_remove("NOTIFY_SOCKET");
        if let Some(socket) = &self.socket {
            child.env("WAYLAND_DISPLAY", socket);
        }
        match child.spawn() {
            Ok(mut child) => {
                // Somebody has to wait for it, or it stays as a zombie.
                let _ = std::thread::Builder::new().name("child".into()).stack_size(64 * 1024).spawn(move || {
                    let _ = child.wait();
                });
            }
            Err(error) => tracing::warn!("cannot start {program}: {error}"),
        }
    }
}
