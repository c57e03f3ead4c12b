//! Who may use the session bus's interfaces to decide for the person: the person's own programs.
//!
//! Agents, tool workers and tool providers have no bus. This is the second wall: whoever calls is
//! looked at, and other users, and programs in a user namespace of their own (as every sandbox here
//! is), are refused. What cannot be looked at is refused too.
//!
//! A process's number is no identity: a connection outlives the process that made it, and the number
//! may be another's by then. So the bus is asked for a descriptor of the process as well, which is
//! looked at last: while that process lives, its number is its own.

use argos_bus::{Error, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use zbus::Connection;
use zbus::fdo::DBusProxy;
use zbus::message::Header;

use crate::core::Settings;

/// Whether the sender of this message may decide for the person.
///
/// # Errors
/// `Denied`, with the reason.
pub(crate) async fn person(
    settings: &Settings,
    connection: &Connection,
    header: &Header<'_>,
) -> Result<()> {
    let denied = |why: String| {
        Error::Denied(format!(
            "this is for the person's own programs: {why}; use `argos perm` in a terminal"
        ))
    };
    let sender = header
        .sender()
        .ok_or_else(|| denied("the caller has no name on the bus".to_owned()))?;
    let bus = DBusProxy::new(connection).await?;
    let caller = bus
        .get_connection_credentials(sender.clone().into())
        .await
        .map_err(|e| denied(format!("the bus does not say who calls: {e}")))?;
    let me = rustix::process::getuid().as_raw();
    match caller.unix_user_id() {
        Some(user) if user == me => {}
        Some(user) => return Err(denied(format!("the caller is user {user}, not {me}"))),
        None => return Err(denied("the bus does not know the caller's user".to_owned())),
    }
    let process = caller
        .process_id()
        .ok_or_else(|| denied("the bus does not know the caller's process".to_owned()))?;
    let namespace = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/user"));
    let theirs = namespace(&process.to_string())
        .map_err(|e| denied(format!("process {process} cannot be looked at: {e}")))?;
    let mine = namespace("self").map_err(|e| denied(format!("/proc cannot be read: {e}")))?;
    if theirs != mine {
        return Err(denied(format!("process {process} is in a sandbox")));
    }
    // After its number was used: whose number it was is certain only now.
    match caller.process_fd() {
        Some(alive) => {
            let mut fds = [PollFd::new(alive, PollFlags::IN)];
            match poll(&mut fds, Some(&Timespec::default())) {
                Ok(0) => Ok(()),
                Ok(_) => Err(denied(format!(
                    "process {process}, which made this connection, has ended"
                ))),
                Err(e) => Err(denied(format!(
                    "process {process} cannot be looked at: {e}"
                ))),
            }
        }
        None if settings.by_process_number => Ok(()),
        None => Err(Error::Denied(format!(
            "the session bus hands out no descriptor of process {process}, and its number may be \
             another's by now: that takes D-Bus 1.16 and Linux 6.5, or, on a host where that is no \
             danger, `argos-broker --by-process-number`"
        ))),
    }
}
