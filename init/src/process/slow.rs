//! Mounts, path units and the paths of sockets: where a file system may be slow or dead.
//!
//! The supervisor waits for none. Mounting, unmounting and looking for the path of a path unit are
//! children; a mount is down when its unmounting has ended, and one that hangs is given up like any
//! process that cannot be killed. Unix sockets have to be made and tried by the supervisor itself,
//! and are refused on file systems that a network or another program serves.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use argos_units::{Mount, PathWatch, Unit};
use calloop::generic::Generic;
use calloop::{Interest, Mode, PostAction, RegistrationToken};
use rustix::io::Errno;

use super::{Host, nonblocking, pipe};
use crate::spawn::{self, Child};
use crate::{mounts, paths};

impl Host {
    pub(super) fn start_mount(
        &mut self,
        unit: &Unit,
        mount: &Mount,
        run: u64,
    ) -> Result<u32, String> {
        let (child, output) = self.mount_work(&unit.name, || match mounts::mount_unit(mount) {
            Ok(()) => 0,
            Err(error) => {
                eprintln!("cannot mount {} on {}: {error}", mount.what, mount.path);
                1
            }
        })?;
        let record = self.record(unit, run, child);
        record.output = Some(output);
        record.mounted = true;
        Ok(record.pid)
    }

    /// A child that mounts or unmounts. It may hang, and holds nothing of the supervisor's then.
    fn mount_work(
        &mut self,
        name: &str,
        work: impl FnOnce() -> i32,
    ) -> Result<(Child, RegistrationToken), String> {
        let (output, token) = self.log_pipe(name).map_err(|error| error.to_string())?;
        let work = || {
            crate::edge::close_all_but(io::stderr().as_fd());
            work()
        };
        let child = spawn::function(work, Some(output.as_fd()), None);
        Ok((child.map_err(|error| error.to_string())?, token))
    }

    /// Begins to take down what a mount unit mounted.
    pub(super) fn unmount(&mut self, name: &str, path: &str) {
        let begun = self.mount_work(name, || match mounts::detach(path) {
            Ok(()) => 0,
            Err(error) => {
                eprintln!("cannot unmount {path}: {error}");
                1
            }
        });
        let Some(record) = self.runs.get_mut(name) else {
            return;
        };
        record.mounted = false;
        match begun {
            Ok((child, output)) => {
                self.pids.insert(child.pid, (name.to_owned(), record.run));
                record.pid = child.pid;
                record.pidfd = child.pidfd;
                record.alive = true;
                let earlier = record.output.replace(output);
                self.linger(earlier);
            }
            Err(error) => self
                .notes
                .push(format!("{name}: cannot unmount {path}: {error}")),
        }
    }

    pub(super) fn start_path(
        &mut self,
        unit: &Unit,
        path: &PathWatch,
        run: u64,
    ) -> Result<u32, String> {
        let failed = |error: io::Error| format!("cannot look for {}: {error}", path.exists);
        let (read, write) = pipe().map_err(failed)?;
        nonblocking(&read).map_err(failed)?;
        let name = unit.name.clone();
        let source = Generic::new(read, Interest::READ, Mode::Level);
        let inserted = self
            .handle
            .insert_source(source, move |_, read, supervisor| {
                let mut bytes = [0; 64];
                match rustix::io::read(&**read, &mut bytes) {
                    Ok(count) if count > 0 => {
                        let there = bytes[count - 1] == 1;
                        supervisor.host.path_reported(&name, run, there);
                    }
                    Err(Errno::AGAIN | Errno::INTR) => {}
                    _ => return Ok(PostAction::Remove),
                }
                Ok(PostAction::Continue)
            });
        inserted.map_err(|error| failed(io::Error::other(error.error.to_string())))?;
        let child = paths::look_for(&path.exists, write).map_err(failed)?;
        Ok(self.record(unit, run, child).pid)
    }

    fn path_reported(&mut self, name: &str, run: u64, there: bool) {
        if let Some(record) = self.runs.get_mut(name)
            && record.run == run
        {
            record.path_is_there = there;
        }
    }
}

/// Refuses the path of a socket where making or trying it could take as long as others like.
pub(super) fn refuse_slow(path: &str) -> Result<(), String> {
    match mounts::slow_file_system(Path::new(path)) {
        Some(fstype) => Err(format!(
            "{path} is on a file system of type {fstype}, which could hold up everything; put the socket into /run"
        )),
        None => Ok(()),
    }
}
