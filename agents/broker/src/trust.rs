//! Who may use the session bus's interfaces to decide for the person: the person's own programs.
//!
//! Agents, tool workers and tool providers have no bus. This is the second wall: whoever calls is
//! looked at, and other users, and programs in a user namespace of their own (as every sandbox here
//! is), are refused. What cannot be looked at is refused too.

use argos_bus::{Error, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use zbus::Connection;
use zbus::fdo::DBusProxy;
use zbus::message::Header;

/// Whether the sender of this message may decide for the person.
///
/// # Errors
/// `Denied`, with the reason.
pub(crate) async fn person(connection: &Connection, header: &Header<'_>) -> Result<()> {
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
    // Its number may be another's by now. A bus that hands out no descriptor leaves this open.
    if let Some(alive) = caller.process_fd() {
        let mut fds = [PollFd::new(alive, PollFlags::IN)];
        let ended = poll(&mut fds, Some(&Timespec::default()));
        if ended != Ok(0) {
            return Err(denied(format!("process {process} has ended")));
        }
    }
    Ok(())
}
