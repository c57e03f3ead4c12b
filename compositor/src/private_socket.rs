//! The socket for the process that asks for permissions and for the one that unlocks the screen.
//!
//! Whoever connects here may cover the whole screen, take the keyboard, lock the session and unlock
//! it again, so only this user may
//! open the socket; sandboxed agents have no file system in which it exists.

use std::{
    fs::{self, DirBuilder, Permissions},
    io,
    os::unix::{
        fs::{DirBuilderExt, PermissionsExt},
        net::UnixListener,
    },
    path::Path,
};

/// Makes the folder (mode 0700), removes what a killed compositor left there, and listens.
///
/// The socket gets its name only once its mode is 0600, so there is no moment at which somebody
/// else could open it.
pub(crate) fn bind(path: &Path) -> io::Result<UnixListener> {
    if let Some(folder) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = Path::new(&fresh);
    match fs::remove_file(fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(fresh)?;
    fs::set_permissions(fresh, Permissions::from_mode(0o600))?;
    fs::rename(fresh, path)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn only_the_owner_may_open_it_and_leftovers_do_not_matter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("argos/prompt");
        drop(bind(&path).unwrap());
        let listener = bind(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let mode = fs::metadata(path.parent().unwrap())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
        let _client = UnixStream::connect(&path).unwrap();
        listener.accept().unwrap();
    }
}
