//! `argos-escape`: tries to leave the sandbox, one way per case, and judges how that went.
//!
//! The same program is the hostile one, the one that puts it into the sandbox, and the judge:
//!
//! ```text
//! argos-escape suite [WORD…]      every case: as an ordinary user, and where root starts it as root and as
//!                                 a user that root becomes in a sandbox without a user namespace
//! argos-escape list               their names
//! argos-escape enter SPEC PROG…   a program in a sandbox          (used by the judge)
//! argos-escape act CASE           the attempt, as it is           (used by the judge)
//! argos-escape privileged CASE    with every capability           (used by the judge)
//! argos-escape reused SOCKET [USER]   decides for the person by a process number that is another's now
//! argos-escape serve              a web server on loopback, which the agent below may reach
//! argos-escape                    as an agent, under the broker
//! ```
//!
//! A case first runs outside, where the attempt must succeed, so that a failure inside means the
//! sandbox and not a broken attempt; then inside, where it must fail with the errno or the signal
//! that it names. [`case`] is what a case is, [`cases`] lists them by subject, [`ground`] is where
//! attempts are made, [`fixture`] what they find, [`suite`] the judge. [`agent`] is the
//! hostile program under the live broker, which `tests/src` drives in the booted image.
#![allow(unsafe_code)]

mod agent;
mod case;
mod cases;
#[path = "../../../agents/sandbox/tests/it/chroot.rs"]
mod chroot;
mod fixture;
mod ground;
mod link;
mod orphans;
mod reused;
mod suite;
mod sys;

use std::ffi::CString;
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

const USAGE: &str = "usage: argos-escape suite [WORD...] | list";
/// Whom the suite runs as besides root.
const UNPRIVILEGED: u32 = 1000;
/// Whom root puts into sandboxes. No account has this number: without a user namespace the limit of
/// processes counts those outside as well.
const STAND_IN: u32 = 61_000;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let plain: Vec<&str> = words.iter().map(String::as_str).collect();
    match plain.as_slice() {
        ["suite", ..] => answer(suite(&words[1..])),
        ["suite-as-this-user", ..] => answer(suite::run(&words[1..])),
        ["suite-for-root", ..] => {
            answer(fixture::stand_in_for_root(STAND_IN).and_then(|()| suite::run(&words[1..])))
        }
        ["list"] => {
            for (subject, cases) in cases::ALL {
                for case in *cases {
                    println!("{subject}: {}", case.name);
                }
            }
            ExitCode::SUCCESS
        }
        ["enter", spec, program @ ..] if !program.is_empty() => enter(spec, program, None),
        ["enter-as-another", spec, program @ ..] if !program.is_empty() => {
            let another = argos_sandbox::Identity {
                uid: STAND_IN,
                gid: STAND_IN,
                groups: vec![STAND_IN],
            };
            enter(spec, program, Some(&another))
        }
        ["act", name] => act(name),
        ["privileged", name] => ground::privileged(|| act(name)),
        ["reused", socket, user @ ..] => {
            answer(reused::run(socket.as_ref(), user.first().copied()))
        }
        ["serve"] => answer(serve().map(|()| true)),
        [] => answer(agent::serve().map(|()| true)),
        ["take-memory"] => {
            agent::take_memory();
            ExitCode::SUCCESS
        }
        ["hide"] => answer(orphans::make_without_pipe().map(|()| true)),
        ["orphans"] => answer(orphans::make(false).map(|()| true)),
        ["orphans-stay"] => answer(orphans::make(true).map(|()| true)),
        ["victim"] => victim(),
        ["changed-user"] => {
            let (real, effective) = (rustix::process::getuid(), rustix::process::geteuid());
            ExitCode::from(if real == effective { 3 } else { 0 })
        }
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn answer(result: io::Result<bool>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("argos-escape: {error}");
            ExitCode::FAILURE
        }
    }
}

/// As root, as an ordinary user, and as one whom root puts into sandboxes without a user namespace; started
/// by an ordinary user, as that one.
fn suite(words: &[String]) -> io::Result<bool> {
    // Asked first: it has no path in another mount namespace.
    let own = std::env::current_exe()?;
    chroot::leave()?;
    let published = fixture::Published::new(&own)?;
    let mut users = vec![(None, "suite-as-this-user")];
    if rustix::process::getuid().is_root() {
        users.push((Some(UNPRIVILEGED), "suite-as-this-user"));
        users.push((None, "suite-for-root"));
    }
    let mut good = true;
    let mut without = Vec::new();
    for (user, verb) in &users {
        let mut command = Command::new(published.program());
        command
            .arg(verb)
            .args(words)
            .current_dir("/")
            .stdout(Stdio::piped());
        if let Some(id) = *user {
            command.uid(id).gid(id);
        }
        let mut child = command.spawn()?;
        if let Some(out) = child.stdout.take() {
            for line in BufReader::new(out).lines() {
                let line = line?;
                match suite::without_control(&line) {
                    Some(reason) => without.push(reason.to_owned()),
                    None => println!("{line}"),
                }
            }
        }
        good &= child.wait()?.success();
    }
    Ok(suite::enough_controls(&without, users.len()) && good)
}

fn enter(spec: &str, program: &[&str], identity: Option<&argos_sandbox::Identity>) -> ExitCode {
    let spec = match argos_sandbox::Spec::from_json(spec) {
        Ok(spec) => spec,
        Err(error) => {
            eprintln!("argos-escape: {error}");
            return ExitCode::from(126);
        }
    };
    let arguments: Result<Vec<CString>, _> =
        program.iter().map(|word| CString::new(*word)).collect();
    match arguments {
        Ok(arguments) => argos_sandbox::run_as(&spec, identity, &arguments),
        Err(_) => ExitCode::from(126),
    }
}

/// Makes the attempt. Its failure is the number on standard output and status 1.
fn act(name: &str) -> ExitCode {
    let Some(case) = cases::find(name) else {
        return ExitCode::from(2);
    };
    match (case.act)() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.raw_os_error() {
            Some(number) => {
                println!("{number}");
                ExitCode::from(1)
            }
            None => {
                println!("{error}");
                ExitCode::from(2)
            }
        },
    }
}

/// Says its port, then a word to whoever asks.
fn serve() -> io::Result<()> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?.port());
    loop {
        let (mut stream, _) = listener.accept()?;
        let mut request = [0; 4096];
        let _ = io::Read::read(&mut stream, &mut request);
        let answer =
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n\r\nreached";
        // Whoever hangs up early wanted no more.
        let _ = io::Write::write_all(&mut stream, answer);
    }
}

/// Lets itself be attacked, where the kernel asks for that.
fn victim() -> ExitCode {
    // PR_SET_PTRACER, PR_SET_PTRACER_ANY.
    // SAFETY: plain numbers; a kernel without Yama says EINVAL.
    unsafe {
        libc::prctl(0x5961_6d61, libc::c_ulong::MAX, 0, 0, 0);
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
    }
    std::thread::sleep(std::time::Duration::from_secs(600));
    ExitCode::SUCCESS
}
