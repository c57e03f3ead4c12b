//! A home of a person, and the worker's own program behind a socket pair.

use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use argos_tools::{Call, Catalogue, Context, Env, ToolError, Worker};
use serde_json::Value;

pub(crate) struct Rig {
    pub(crate) catalogue: Catalogue,
    pub(crate) env: Env,
    pub(crate) home: PathBuf,
    process: Child,
    _folder: tempfile::TempDir,
}

impl Rig {
    /// Starts the worker: the same program as on the system, outside of the outer sandbox but sealed.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().canonicalize().unwrap();
        let (process, worker) = start_worker();
        let context = Context::new(Some("steward".to_owned()), &home);
        let env = Env {
            context,
            session: None,
            system: None,
            worker: Some(worker),
            granted: None,
            refused: Vec::new(),
        };
        Self {
            catalogue: Catalogue::builtin(),
            env,
            home,
            process,
            _folder: folder,
        }
    }

    pub(crate) fn check(&self, tool: &str, arguments: Value) -> Result<Call, ToolError> {
        self.catalogue
            .find(tool)?
            .check(arguments, &self.env.context)
    }

    /// Checks and carries out, as if everything had been allowed.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Result<Value, ToolError> {
        self.check(tool, arguments)?.execute(&self.env).await
    }

    pub(crate) fn process(&mut self) -> &mut Child {
        &mut self.process
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The worker's process, with its end of the pair as descriptor 3.
pub(crate) fn start_raw() -> (Child, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_argos-tools"));
    command.arg("worker").stdin(Stdio::null());
    pass(&mut command, theirs);
    (command.spawn().unwrap(), ours)
}

pub(crate) fn start_worker() -> (Child, Worker) {
    let (process, ours) = start_raw();
    (process, Worker::new(ours).unwrap())
}

#[allow(unsafe_code)]
fn pass(command: &mut Command, socket: UnixStream) {
    // SAFETY: dup2 is async-signal-safe, and the closure owns the socket.
    unsafe {
        command.pre_exec(move || {
            let fd = std::os::fd::BorrowedFd::borrow_raw(socket.as_raw_fd());
            let mut three = std::mem::ManuallyDrop::new(std::os::fd::FromRawFd::from_raw_fd(3));
            rustix::io::dup2(fd, &mut three)?;
            Ok(())
        });
    }
}
