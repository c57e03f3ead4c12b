//! System calls and places as the attempts use them.

use std::ffi::CString;
use std::io;
use std::path::PathBuf;

/// Makes a system call of up to five arguments: numbers, or addresses that are valid for it.
pub(crate) fn call<const N: usize>(number: i64, arguments: [i64; N]) -> io::Result<i64> {
    let mut a = [0; 6];
    a[..N].copy_from_slice(&arguments);
    // SAFETY: the callers hand over numbers, null, or addresses of what lives until this returns.
    let result = unsafe { libc::syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]) };
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

/// Makes a socket, which is closed at once.
pub(crate) fn socket(family: i32, kind: i32, protocol: i32) -> io::Result<()> {
    use std::os::fd::{FromRawFd, OwnedFd};
    let fd = call(
        libc::SYS_socket,
        [family.into(), kind.into(), protocol.into()],
    )?;
    // SAFETY: the call just made it; nothing else owns it.
    drop(unsafe { OwnedFd::from_raw_fd(fd as i32) });
    Ok(())
}

/// The result of a C function that returns -1 on failure.
pub(crate) fn checked(result: i32) -> io::Result<i32> {
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

/// A failure that is no system call's: the attempt got nowhere in the way that this errno says.
pub(crate) fn failed(errno: i32) -> io::Result<()> {
    Err(io::Error::from_raw_os_error(errno))
}

/// Whether this runs as a positive control.
pub(crate) fn outside() -> bool {
    std::env::var_os("OUTSIDE").is_some()
}

/// A place in the fixture's folder.
pub(crate) fn folder(name: &str) -> PathBuf {
    PathBuf::from(std::env::var_os("FOLDER").unwrap_or_default()).join(name)
}

pub(crate) fn number(name: &str) -> i32 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(i32::MAX)
}

/// The process outside that is attacked.
pub(crate) fn victim() -> i32 {
    number("VICTIM")
}

pub(crate) fn path(path: impl Into<PathBuf>) -> CString {
    CString::new(path.into().into_os_string().into_encoded_bytes())
        .expect("no NUL in the fixture's paths")
}

pub(crate) fn read(path: impl Into<PathBuf>) -> io::Result<()> {
    std::fs::read(path.into()).map(|_| ())
}

pub(crate) fn create(path: impl Into<PathBuf>) -> io::Result<()> {
    std::fs::File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path.into())
        .map(|_| ())
}

pub(crate) fn open_to_write(path: impl Into<PathBuf>) -> io::Result<()> {
    std::fs::File::options()
        .write(true)
        .open(path.into())
        .map(|_| ())
}

/// A child that does nothing until this process ends.
pub(crate) fn sleeper() -> io::Result<i32> {
    // SAFETY: the process has one thread; the child only sleeps and ends.
    unsafe {
        let parent = libc::getpid();
        let pid = checked(libc::fork())?;
        if pid == 0 {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            // Its parent may be gone already; it would keep the suite's pipe open for nothing.
            if libc::getppid() == parent {
                libc::sleep(60);
            }
            libc::_exit(0);
        }
        Ok(pid)
    }
}

/// Runs a program and waits for it; its exit status.
pub(crate) fn program(command: &mut std::process::Command) -> io::Result<Option<i32>> {
    use std::process::Stdio;
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    Ok(status.code())
}
