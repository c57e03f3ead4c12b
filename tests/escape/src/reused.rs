//! A caller on the session bus whose process number belongs to another process by now.
//!
//! The bus says of a connection which process made it, by number. So a program connects, leaves the
//! connection to its child and ends; its number is given to a program of the person's, and the child,
//! which is in a user namespace of its own like every sandbox, decides for the person in that one's
//! name. What it asks for is to take back a permission that nobody has: whoever is let decide is told
//! that there is none, all others that it is not theirs to decide.
//!
//! ```text
//! this ── first: connects, is heard (the control), ends
//!   │       └─ second: waits, enters a namespace, calls on the same connection
//!   └─── third: has the number of `first`
//! ```

use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::link::{Argument, Call, Link};
use crate::sys::{call, checked};

/// How many numbers are tried one by one, where none can be asked for.
const MOST_NUMBERS: u32 = 1 << 17;

/// Prints what was tried and what came of it, as JSON.
pub(crate) fn run(bus: &Path, user: Option<&str>) -> io::Result<bool> {
    let user: Option<u32> = user.map(str::parse).transpose().map_err(io::Error::other)?;
    // The second outlives the first and is to be waited for.
    // SAFETY: plain numbers.
    checked(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) })?;
    let (mut heard, mut said) = io::pipe()?;
    let (mut ready, mut go) = io::pipe()?;
    // SAFETY: the process has one thread.
    let first = checked(unsafe { libc::fork() })?;
    if first == 0 {
        let _ = connect(bus, user, &mut ready, &mut said);
        std::process::exit(0);
    }
    drop((said, ready));
    wait(first)?;
    let third = take(first, user)?;
    let (own, theirs) = (namespace("self")?, namespace(&first.to_string())?);
    let number = json!({
        "case": "take the number of a process that has ended", "good": own == theirs,
        "expected": own, "seen": theirs,
    });
    go.write_all(b"x")?;
    let mut rest = String::new();
    heard.read_to_string(&mut rest)?;
    // SAFETY: a child that was not waited for.
    checked(unsafe { libc::kill(third, libc::SIGKILL) })?;
    wait(third)?;
    let mut rows: Vec<serde_json::Value> = rest
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .map_err(io::Error::other)?;
    rows.push(number);
    let good = rows.len() == 3 && rows.iter().all(|row| row["good"] == true);
    println!("{}", json!(rows));
    Ok(good)
}

/// The first process, and the second.
fn connect(
    bus: &Path,
    user: Option<u32>,
    ready: &mut impl Read,
    said: &mut impl Write,
) -> io::Result<()> {
    become_user(user)?;
    let mut link = Link::to_bus(bus)?;
    let heard = decide(&mut link, "decide for the person as the person", "NotFound")?;
    writeln!(said, "{heard}")?;
    // SAFETY: the process has one thread.
    if checked(unsafe { libc::fork() })? != 0 {
        return Ok(());
    }
    ready.read_exact(&mut [0])?;
    call(libc::SYS_unshare, [libc::CLONE_NEWUSER.into()])?;
    let case = "decide for the person by a number that is another's";
    let refused = decide(&mut link, case, "Denied")?;
    writeln!(said, "{refused}")
}

fn become_user(user: Option<u32>) -> io::Result<()> {
    let Some(user) = user.map(i64::from) else {
        return Ok(());
    };
    call(libc::SYS_setresgid, [user, user, user])?;
    call(libc::SYS_setresuid, [user, user, user])?;
    // Its namespace is to be seen by the broker, as that of any program of the person's.
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::Dumpable)?;
    Ok(())
}

fn decide(link: &mut Link, case: &str, expected: &str) -> io::Result<serde_json::Value> {
    let revoke = Call {
        to: Some("org.argos.Permissions1"),
        path: "/org/argos/Permissions1",
        interface: "org.argos.Permissions1",
        member: "Revoke",
        sender: None,
    };
    let answer = link.call(revoke, &[Argument::Number(u64::MAX)])?;
    let seen = answer.error.unwrap_or_else(|| "it got through".to_owned());
    Ok(json!({
        "case": case, "good": seen.ends_with(expected), "expected": expected,
        "seen": seen, "said": answer.texts.concat(),
    }))
}

/// A process that does nothing, with this number. Whoever may asks for it; others start processes
/// until it comes round.
fn take(wanted: i32, user: Option<u32>) -> io::Result<i32> {
    let wanted_number = [wanted];
    let arguments = [
        0,
        0,
        0,
        0,
        libc::SIGCHLD as u64,
        0,
        0,
        0,
        wanted_number.as_ptr() as u64,
        1,
    ];
    match call(libc::SYS_clone3, [arguments.as_ptr() as i64, 80]) {
        Ok(0) => sleep(user),
        Ok(pid) => return i32::try_from(pid).map_err(io::Error::other),
        Err(error) if error.raw_os_error() != Some(libc::EPERM) => return Err(error),
        Err(_) => {}
    }
    let most = std::fs::read_to_string("/proc/sys/kernel/pid_max")?;
    if most.trim().parse::<u32>().map_err(io::Error::other)? > MOST_NUMBERS {
        return Err(io::Error::other(
            "not tried: this system has too many process numbers to wait for one, and asking for one \
             takes root",
        ));
    }
    let end = Instant::now() + Duration::from_secs(300);
    while Instant::now() < end {
        // SAFETY: the process has one thread; the child only looks at its number, then sleeps or ends.
        let pid = checked(unsafe { libc::fork() })?;
        if pid == 0 {
            // SAFETY: plain numbers.
            if unsafe { libc::getpid() } == wanted {
                sleep(user);
            }
            // SAFETY: ends the child without running anything of the parent's.
            unsafe { libc::_exit(0) };
        }
        if pid == wanted {
            return Ok(pid);
        }
        wait(pid)?;
    }
    Err(io::Error::other(format!(
        "number {wanted} did not come round"
    )))
}

fn sleep(user: Option<u32>) -> ! {
    if become_user(user).is_ok() {
        std::thread::sleep(Duration::from_secs(60));
    }
    std::process::exit(0)
}

fn wait(pid: i32) -> io::Result<()> {
    // SAFETY: no status is stored.
    checked(unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) }).map(|_| ())
}

fn namespace(process: &str) -> io::Result<String> {
    let link = std::fs::read_link(format!("/proc/{process}/ns/user"))?;
    Ok(link.display().to_string())
}
