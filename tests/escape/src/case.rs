//! What a case is: an attempt, how it is shown to work, and how the sandbox must answer.

use std::fmt;
use std::io;

/// One way out.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// The attempt. Outside it may prepare something first ([`crate::sys::outside`]); inside the
    /// first thing it does is what must be answered.
    pub(crate) act: fn() -> io::Result<()>,
    pub(crate) control: Control,
    pub(crate) blocked: Blocked,
    pub(crate) wall: Wall,
    pub(crate) handed: Handed,
    /// Why it says nothing about root, where that is so.
    pub(crate) not_for_root: Option<&'static str>,
}

/// Where the attempt is shown to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// As it is.
    Plain,
    /// With every capability, in namespaces of its own: what needs root there hurts nobody. Process
    /// 1 is a disposable one, `/proc` shows only these, a memory file system is on `/mnt`.
    Privileged,
    /// As the host's root.
    Root,
}

/// The positive control.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Control {
    /// It succeeds there.
    Works(How),
    /// It succeeds there, unless the kernel answers with this errno, for this reason.
    Unless(How, i32, &'static str),
}

/// How the sandbox must answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Blocked {
    /// The call fails with one of these.
    Errno(&'static [i32]),
    /// The process is killed by this signal.
    Killed(i32),
}

/// What the attempt runs under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wall {
    /// What an agent has.
    Agent,
    /// What a tool worker has, before it seals itself.
    Worker,
    /// No namespace: Landlock and the system calls of a service.
    Landlock,
}

/// What the process is started with besides its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handed {
    Nothing,
    /// A terminal as standard input; outside it controls the session.
    Terminal,
    /// The secret as descriptor 9, which the sandbox is not told to keep.
    Secret,
    /// As descriptor 8, kept: an io_uring.
    Ring,
    /// As descriptor 8, kept: a pidfd of the victim.
    Pidfd,
    /// As descriptor 8, kept: a socket on which an accomplice sends the host's root folder.
    Accomplice,
}

pub(crate) const PLAIN: Control = Control::Works(How::Plain);
pub(crate) const PRIVILEGED: Control = Control::Works(How::Privileged);
pub(crate) const ROOT: Control = Control::Works(How::Root);

pub(crate) const KILLED: Blocked = Blocked::Killed(libc::SIGSYS);
pub(crate) const GONE: Blocked = Blocked::Errno(&[libc::ENOENT]);
pub(crate) const REFUSED: Blocked = Blocked::Errno(&[libc::EPERM]);
pub(crate) const DENIED: Blocked = Blocked::Errno(&[libc::EACCES]);
pub(crate) const READ_ONLY: Blocked = Blocked::Errno(&[libc::EROFS]);
pub(crate) const MISSING: Blocked = Blocked::Errno(&[libc::ENOSYS]);

/// A case under an agent's walls.
pub(crate) const fn case(
    name: &'static str,
    control: Control,
    blocked: Blocked,
    act: fn() -> io::Result<()>,
) -> Case {
    Case {
        name,
        act,
        control,
        blocked,
        wall: Wall::Agent,
        handed: Handed::Nothing,
        not_for_root: None,
    }
}

impl Case {
    pub(crate) const fn under(mut self, wall: Wall) -> Self {
        self.wall = wall;
        self
    }

    pub(crate) const fn not_for_root(mut self, why: &'static str) -> Self {
        self.not_for_root = Some(why);
        self
    }

    pub(crate) const fn handed(mut self, handed: Handed) -> Self {
        self.handed = handed;
        self
    }
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Errno(numbers) => {
                for (at, number) in numbers.iter().enumerate() {
                    if at > 0 {
                        f.write_str(" or ")?;
                    }
                    f.write_str(&errno(*number))?;
                }
                Ok(())
            }
            Self::Killed(signal) => f.write_str(&killed(*signal)),
        }
    }
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "works",
            Self::Privileged => "works with every capability",
            Self::Root => "works as root",
        })
    }
}

/// An errno as people call it.
pub(crate) fn errno(number: i32) -> String {
    let name = match number {
        libc::EPERM => "EPERM",
        libc::ENOENT => "ENOENT",
        libc::ESRCH => "ESRCH",
        libc::EBADF => "EBADF",
        libc::EAGAIN => "EAGAIN",
        libc::EACCES => "EACCES",
        libc::EXDEV => "EXDEV",
        libc::EBUSY => "EBUSY",
        libc::EINVAL => "EINVAL",
        libc::EMFILE => "EMFILE",
        libc::EFBIG => "EFBIG",
        libc::ENOSPC => "ENOSPC",
        libc::EROFS => "EROFS",
        libc::ENOSYS => "ENOSYS",
        libc::ENXIO => "ENXIO",
        libc::ENOTTY => "ENOTTY",
        libc::EAFNOSUPPORT => "EAFNOSUPPORT",
        libc::ECONNREFUSED => "ECONNREFUSED",
        libc::EOPNOTSUPP => "EOPNOTSUPP",
        _ => return format!("errno {number}"),
    };
    name.to_owned()
}

/// An end by a signal as people call it.
pub(crate) fn killed(signal: i32) -> String {
    match signal {
        libc::SIGSYS => "killed (SIGSYS)".to_owned(),
        libc::SIGXFSZ => "killed (SIGXFSZ)".to_owned(),
        libc::SIGKILL => "killed (SIGKILL)".to_owned(),
        _ => format!("killed (signal {signal})"),
    }
}
