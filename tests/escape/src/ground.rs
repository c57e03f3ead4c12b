//! Where attempts are made: namespaces with every capability, a terminal, descriptors that came in.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

use rustix::mount::{MountFlags, MountPropagationFlags};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use rustix::thread::UnshareFlags;

use crate::case::Handed;
use crate::fixture::Fixture;
use crate::sys::{call, checked};

/// The number of what a case is handed.
pub(crate) const HANDED: i32 = 8;
/// The number of what is left open by mistake.
pub(crate) const LEFT_OPEN: i32 = 9;

/// Does `act` as process 2 of namespaces of its own, with every capability over them.
pub(crate) fn privileged(act: impl FnOnce() -> ExitCode) -> ExitCode {
    match enter() {
        Ok(Some(status)) => ExitCode::from(status),
        Ok(None) => act(),
        Err(error) => {
            println!("no namespaces to try it in: {error}");
            ExitCode::from(2)
        }
    }
}

/// `None` in process 2; its exit status elsewhere.
fn enter() -> io::Result<Option<u8>> {
    let (uid, gid) = (rustix::process::getuid(), rustix::process::getgid());
    let flags = UnshareFlags::NEWUSER
        | UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWNET
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWCGROUP;
    // SAFETY: the process has one thread, and no flag here touches memory or descriptors.
    unsafe { rustix::thread::unshare_unsafe(flags)? };
    let dumpable = rustix::process::DumpableBehavior::Dumpable;
    rustix::process::set_dumpable_behavior(dumpable)?;
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("0 {} 1", uid.as_raw()))?;
    std::fs::write("/proc/self/gid_map", format!("0 {} 1", gid.as_raw()))?;
    // Process 1, which does nothing but wait, then process 2.
    if let Some(status) = fork_and_wait()? {
        return Ok(Some(status));
    }
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private)?;
    rustix::mount::mount("proc", "/proc", "proc", MountFlags::empty(), None)?;
    rustix::mount::mount("tmpfs", "/mnt", "tmpfs", MountFlags::empty(), None)?;
    std::fs::create_dir("/mnt/old")?;
    fork_and_wait()
}

/// `None` in the child; in the parent the child's exit status once it has ended.
fn fork_and_wait() -> io::Result<Option<u8>> {
    // SAFETY: the process has one thread.
    let pid = checked(unsafe { libc::fork() })?;
    if pid == 0 {
        return Ok(None);
    }
    let mut status = 0;
    // SAFETY: `status` is valid for the call.
    checked(unsafe { libc::waitpid(pid, &raw mut status, 0) })?;
    let code = if libc::WIFEXITED(status) {
        libc::WEXITSTATUS(status)
    } else {
        128 + libc::WTERMSIG(status)
    };
    Ok(Some(u8::try_from(code).unwrap_or(u8::MAX)))
}

/// Gives a command what a case is handed. What is returned must live until the command has ended.
pub(crate) fn hand(
    command: &mut Command,
    handed: Handed,
    fixture: &Fixture,
) -> io::Result<Vec<OwnedFd>> {
    let mut keep = Vec::new();
    match handed {
        Handed::Nothing => {}
        Handed::Secret => {
            let secret = File::open(fixture.folder.join("home/secret"))?;
            place(command, secret.into(), LEFT_OPEN);
        }
        Handed::Ring => {
            let parameters = [0_u8; 256];
            let ring = call(libc::SYS_io_uring_setup, [1, parameters.as_ptr() as i64]);
            // Where the kernel makes none, anything is as good: it must not come to use.
            let ring = match ring {
                // SAFETY: the call just made it; nothing else owns it.
                Ok(fd) => unsafe { OwnedFd::from_raw_fd(fd as i32) },
                Err(_) => File::open("/dev/null")?.into(),
            };
            place(command, ring, HANDED);
        }
        Handed::Pidfd => {
            let pid = rustix::process::Pid::from_child(&fixture.victim);
            let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())?;
            place(command, pidfd, HANDED);
        }
        Handed::Accomplice => {
            let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
            send_descriptor(ours.as_fd(), File::open("/")?.as_fd())?;
            place(command, theirs.into(), HANDED);
            keep.push(ours.into());
        }
        Handed::Terminal => {
            use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
            let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
            grantpt(&ours)?;
            unlockpt(&ours)?;
            let name = ptsname(&ours, Vec::new())?;
            let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY;
            let theirs = rustix::fs::open(&name, flags, rustix::fs::Mode::empty())?;
            command.stdin(Stdio::from(theirs));
            // SAFETY: both are plain system calls.
            unsafe {
                command.pre_exec(|| {
                    rustix::process::setsid()?;
                    checked(libc::ioctl(0, libc::TIOCSCTTY, 0)).map(|_| ())
                });
            }
            keep.push(ours);
        }
    }
    Ok(keep)
}

/// Has `fd` under this number in the command.
fn place(command: &mut Command, fd: OwnedFd, number: i32) {
    // SAFETY: dup2 is async-signal-safe; the closure owns the descriptor.
    unsafe {
        command.pre_exec(move || {
            if fd.as_raw_fd() == number {
                return checked(libc::fcntl(number, libc::F_SETFD, 0)).map(|_| ());
            }
            checked(libc::dup2(fd.as_raw_fd(), number)).map(|_| ())
        });
    }
}

fn send_descriptor(socket: BorrowedFd<'_>, fd: BorrowedFd<'_>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let fds = [fd];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&fds));
    rustix::net::sendmsg(
        socket,
        &[IoSlice::new(b"x")],
        &mut control,
        SendFlags::empty(),
    )?;
    Ok(())
}

/// Takes the descriptor that somebody sent on this socket; it stays open.
pub(crate) fn receive_descriptor(socket: i32) -> io::Result<i32> {
    // SAFETY: the number is that of an open descriptor, or the call says that it is not.
    let socket = unsafe { BorrowedFd::borrow_raw(socket) };
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    rustix::net::recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut byte)],
        &mut control,
        RecvFlags::empty(),
    )?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(mut fds) = message
            && let Some(fd) = fds.next()
        {
            return Ok(std::os::fd::IntoRawFd::into_raw_fd(fd));
        }
    }
    Err(io::Error::other("no descriptor came"))
}
