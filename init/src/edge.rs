//! The remaining system calls that have no safe wrapper, each in a safe function of its own.
#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::{Path, PathBuf};

/// Makes `path` the controlling terminal and the standard streams of this process, which leads a
/// session that has none.
pub fn take_terminal(path: &Path) -> io::Result<()> {
    let terminal = OpenOptions::new().read(true).write(true).open(path)?;
    // SAFETY: an ioctl with a plain number on an open descriptor. 1: take it even from another
    // session, whose processes get SIGHUP.
    if unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY, 1) } != 0 {
        return Err(io::Error::last_os_error());
    }
    for number in 0..3 {
        // SAFETY: the standard streams belong to the whole process, which asks for this.
        if unsafe { libc::dup2(terminal.as_raw_fd(), number) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Brings the loopback interface up.
pub fn loopback_up() -> io::Result<()> {
    let socket = rustix::net::socket_with(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )?;
    // SAFETY: all zero is a valid request; the name is shorter than its field.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: the request is valid for the call and of the type that SIOCSIFFLAGS expects.
    let done = unsafe {
        libc::ioctl(
            socket.as_raw_fd(),
            libc::SIOCSIFFLAGS as _,
            &raw const request,
        )
    };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Has Ctrl-Alt-Del send SIGINT to PID 1 instead of restarting the machine on the spot.
pub fn catch_ctrl_alt_del() {
    // SAFETY: a system call with plain numbers.
    unsafe { libc::reboot(libc::RB_DISABLE_CAD) };
}

/// Signals every process that this one may signal, except itself and PID 1.
pub fn signal_everybody(signal: i32) {
    // SAFETY: a system call with plain numbers.
    unsafe { libc::kill(-1, signal) };
}

/// What `LOOP_CONFIGURE` takes (`linux/loop.h`).
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo64,
    reserved: [u64; 8],
}

#[repr(C)]
struct LoopInfo64 {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    sizelimit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// Puts a loop device over `backing`, read-only; it disappears when its last user does. Yields the
/// device's path and an open descriptor that keeps it until it is mounted.
pub fn attach_loop(backing: BorrowedFd<'_>) -> io::Result<(PathBuf, File)> {
    const LOOP_CTL_GET_FREE: u32 = 0x4C82;
    const LOOP_CONFIGURE: u32 = 0x4C0A;
    const LO_FLAGS_READ_ONLY: u32 = 1;
    const LO_FLAGS_AUTOCLEAR: u32 = 4;
    let control = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/loop-control")?;
    // Another program may take the free number first; then there is another one.
    for _ in 0..16 {
        // SAFETY: an ioctl without an argument.
        let number = unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE as _) };
        if number < 0 {
            return Err(io::Error::last_os_error());
        }
        let path = PathBuf::from(format!("/dev/loop{number}"));
        let device = OpenOptions::new().read(true).open(&path)?;
        // SAFETY: all zero is valid for this structure of numbers.
        let mut config: LoopConfig = unsafe { std::mem::zeroed() };
        config.fd = backing.as_raw_fd() as u32;
        config.info.flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR;
        // SAFETY: the structure has the layout that the kernel documents and outlives the call.
        let done =
            unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE as _, &raw const config) };
        match done {
            0 => return Ok((path, device)),
            _ if io::Error::last_os_error().raw_os_error() == Some(libc::EBUSY) => {}
            _ => return Err(io::Error::last_os_error()),
        }
    }
    Err(io::Error::new(
        io::ErrorKind::ResourceBusy,
        "no free loop device",
    ))
}

/// Loads a kernel module; one that is there already is fine. Compressed ones (`.xz`, `.zst`, `.gz`)
/// are unpacked by the kernel.
pub fn load_module(path: &Path, parameters: &std::ffi::CStr) -> io::Result<()> {
    const MODULE_INIT_COMPRESSED_FILE: i32 = 4;
    let file = File::open(path)?;
    let plain = path.extension().is_some_and(|extension| extension == "ko");
    let flags = if plain {
        0
    } else {
        MODULE_INIT_COMPRESSED_FILE
    };
    match rustix::system::finit_module(file.as_fd(), parameters, flags) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// For a child that goes on without executing anything: closes all that came over from the parent,
/// except the standard streams and `keep`. Nothing else may be used afterwards.
pub fn close_all_but(keep: BorrowedFd<'_>) {
    let keep = keep.as_raw_fd() as u32;
    // SAFETY: the caller is a forked child, which by contract uses no other descriptor any more;
    // their owners in this copy of the memory are never dropped, since the child ends by _exit.
    unsafe {
        if keep > 3 {
            libc::syscall(libc::SYS_close_range, 3, keep - 1, 0);
        }
        libc::syscall(libc::SYS_close_range, keep + 1, u32::MAX, 0);
    }
}

/// Receives one datagram without waiting, and the number of the process that sent it (0: unknown,
/// or outside this PID namespace). Descriptors that came along are closed.
pub fn receive_from(socket: BorrowedFd<'_>, bytes: &mut [u8]) -> io::Result<(usize, u32)> {
    // Room for credentials and the most descriptors that the kernel lets through (253).
    let mut control = [0u64; 256];
    let mut part = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    // SAFETY: all zero is valid for this structure.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    // SAFETY: all pointers are valid for the sizes that are said and outlive the call.
    let count = unsafe {
        libc::recvmsg(
            socket.as_raw_fd(),
            &raw mut message,
            libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC,
        )
    };
    let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
    let mut pid = 0;
    // SAFETY: walks what the kernel wrote into `control`, which is aligned for it; each part is read
    // within its own length.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(&raw const message);
        while !header.is_null() {
            let data = libc::CMSG_DATA(header);
            let length = (*header).cmsg_len as usize - (data as usize - header as usize);
            match ((*header).cmsg_level, (*header).cmsg_type) {
                (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) if length >= size_of::<libc::ucred>() => {
                    let sender = data.cast::<libc::ucred>().read_unaligned();
                    pid = u32::try_from(sender.pid).unwrap_or(0);
                }
                (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {
                    for at in 0..length / size_of::<libc::c_int>() {
                        libc::close(data.cast::<libc::c_int>().add(at).read_unaligned());
                    }
                }
                _ => {}
            }
            header = libc::CMSG_NXTHDR(&raw const message, header);
        }
    }
    Ok((count, pid))
}
