//! Leaves a chroot: the kernel creates no user namespace for a process in one, and the tree that
//! tests are compiled in may be entered by `chroot`. Makes that tree the root of a mount namespace.

use std::io;

use rustix::fs::CWD;
use rustix::mount::{MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};

pub(crate) fn leave() -> io::Result<()> {
    if !rustix::process::getuid().is_root() || argos_sandbox::probe().user_namespaces.is_ok() {
        return Ok(());
    }
    let tree = rustix::fs::open("/", rustix::fs::OFlags::PATH, rustix::fs::Mode::empty())?;
    let cwd = std::env::current_dir()?;
    // SAFETY: single-threaded, and no flag here touches memory or descriptors.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS)? };
    // Entering one's own mount namespace moves to its true root.
    let own = std::fs::File::open("/proc/self/ns/mnt")?;
    rustix::thread::move_into_link_name_space(
        std::os::fd::AsFd::as_fd(&own),
        Some(LinkNameSpaceType::Mount),
    )?;
    rustix::mount::mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )?;
    // The descriptor still means the old namespace; its path is good in the new one.
    let tree = std::fs::read_link(format!(
        "/proc/self/fd/{}",
        std::os::fd::AsRawFd::as_raw_fd(&tree)
    ))?;
    let copy = rustix::mount::open_tree(
        CWD,
        &tree,
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::AT_RECURSIVE,
    )?;
    rustix::mount::move_mount(
        &copy,
        "",
        CWD,
        "/mnt",
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )?;
    rustix::process::fchdir(&copy)?;
    rustix::process::pivot_root(".", ".")?;
    rustix::mount::unmount(".", UnmountFlags::DETACH)?;
    rustix::process::chdir(&cwd)?;
    Ok(())
}
