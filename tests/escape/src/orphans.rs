//! Processes that are to outlive the end of what they came from. Not attempts that fail, but ones
//! that must come to nothing: a program forks, its children leave the session, ignore what can be
//! ignored and hold the writing end of a pipe; then the first of them ends or is killed.

use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::case::{Blocked, Control, How, case};
use crate::fixture::Fixture;
use crate::ground::HANDED;

type Check = fn(&Fixture) -> Result<String, String>;

pub(crate) const CASES: &[(&str, Check)] = &[
    ("outlive the end of the program", |fixture| {
        check(fixture, false)
    }),
    ("outlive the kill", |fixture| check(fixture, true)),
];

fn check(fixture: &Fixture, kill: bool) -> Result<String, String> {
    let failed = |error: io::Error| error.to_string();
    let mode = if kill { "orphans-stay" } else { "orphans" };
    // Outside they live on.
    let mut outside = fixture.outside(&[mode]);
    let (mut ours, mut child) = start(&mut outside).map_err(failed)?;
    end(&mut child, kill).map_err(failed)?;
    let alive = !closes(&mut ours, Duration::from_millis(300)).map_err(failed)?;
    if !alive {
        return Err("outside the orphans must live on, and are gone".to_owned());
    }
    // They end when nobody reads any more.
    drop(ours);
    let example = case(
        "",
        Control::Works(How::Plain),
        Blocked::Killed(9),
        || Ok(()),
    )
    .handed(crate::case::Handed::Pidfd);
    let mut inside = fixture.inside(&example, &[mode]);
    let (mut ours, mut child) = start(&mut inside).map_err(failed)?;
    end(&mut child, kill).map_err(failed)?;
    // By themselves they would live for twice as long.
    if closes(&mut ours, Duration::from_secs(30)).map_err(failed)? {
        Ok("gone".to_owned())
    } else {
        Err("inside they live on".to_owned())
    }
}

/// Starts it with the writing end of a pipe, and waits until the orphans are there.
fn start(command: &mut Command) -> io::Result<(io::PipeReader, Child)> {
    let (mut ours, theirs) = io::pipe()?;
    let theirs = OwnedFd::from(theirs);
    // SAFETY: dup2 is async-signal-safe; the closure owns the descriptor.
    unsafe {
        command.pre_exec(move || {
            crate::sys::checked(libc::dup2(theirs.as_raw_fd(), HANDED)).map(|_| ())
        });
    }
    let child = command.spawn()?;
    // With the command goes this process's copy of the writing end.
    *command = Command::new("/nonexistent");
    let mut up = [0; 3];
    ours.read_exact(&mut up)?;
    Ok((ours, child))
}

fn end(child: &mut Child, kill: bool) -> io::Result<()> {
    if kill {
        child.kill()?;
    }
    child.wait().map(|_| ())
}

/// Whether the last writer goes within that time.
fn closes(pipe: &mut io::PipeReader, patience: Duration) -> io::Result<bool> {
    let end = Instant::now() + patience;
    while Instant::now() < end {
        let mut poll = [rustix::event::PollFd::new(
            &*pipe,
            rustix::event::PollFlags::IN,
        )];
        let wait = rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: 20_000_000,
        };
        if rustix::event::poll(&mut poll, Some(&wait))? > 0 {
            let mut some = [0; 64];
            if pipe.read(&mut some)? == 0 {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The hostile half: three children, each further away, then the end, or a wait for the kill.
pub(crate) fn make(stay: bool) -> io::Result<()> {
    let (mut up, there) = io::pipe()?;
    for depth in 0..3 {
        // SAFETY: the process has one thread.
        let pid = crate::sys::checked(unsafe { libc::fork() })?;
        if pid == 0 {
            hide(depth, &there);
        }
    }
    if stay {
        loop {
            std::thread::sleep(Duration::from_secs(60));
        }
    }
    // Only once they are there.
    io::Read::read_exact(&mut up, &mut [0; 3])
}

/// Three of them that hold no pipe: whether they are gone is to be seen in the list of processes.
pub(crate) fn make_without_pipe() -> io::Result<()> {
    for depth in 0..3 {
        // SAFETY: the process has one thread.
        let pid = crate::sys::checked(unsafe { libc::fork() })?;
        if pid == 0 {
            away(depth);
            std::thread::sleep(Duration::from_secs(600));
            std::process::exit(0);
        }
    }
    Ok(())
}

/// Leaves the session and the parent, as far as can be.
fn away(depth: u32) {
    // SAFETY: ignoring signals, leaving the session and forking have no preconditions here.
    unsafe {
        for signal in [libc::SIGTERM, libc::SIGHUP, libc::SIGINT, libc::SIGPIPE] {
            libc::signal(signal, libc::SIG_IGN);
        }
        libc::prctl(libc::PR_SET_PDEATHSIG, 0);
        for _ in 0..depth {
            if libc::fork() > 0 {
                libc::_exit(0);
            }
            libc::setsid();
        }
    }
}

fn hide(depth: u32, mut there: &io::PipeWriter) -> ! {
    away(depth);
    // SAFETY: the bytes and the structure are valid for the calls; nothing else is needed of them.
    unsafe {
        libc::write(HANDED, c"x".as_ptr().cast(), 1);
        let _ = io::Write::write_all(&mut there, b"x");
        // Outside, this is how they find out that the suite is done with them.
        for _ in 0..600 {
            libc::usleep(100_000);
            let mut poll = libc::pollfd {
                fd: HANDED,
                events: 0,
                revents: 0,
            };
            if libc::poll(&raw mut poll, 1, 0) > 0 && poll.revents & libc::POLLERR != 0 {
                break;
            }
        }
        libc::_exit(0)
    }
}
