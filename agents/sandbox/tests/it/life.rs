//! What must work inside, how the processes end together, and what refuses to start.

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Output, Stdio};
use std::time::{Duration, Instant};

use argos_sandbox::{
    Access, Answer, Bind, Identity, Landlock, Namespaces, PathRule, Profile, Spec,
};

use crate::fixture::{Fixture, program, sandbox};

type Test = fn(&Fixture) -> Result<String, String>;

/// How long anything may take on a busy machine. What outlives its sandbox in these tests sleeps longer.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const ALL: &[(&str, Test)] = &[
    ("ordinary work goes on inside", ordinary_work),
    ("it holds no privilege", no_privilege),
    ("its exit status comes out", exit_status),
    ("SIGTERM reaches the program", sigterm),
    ("killing the outer process kills everything", kill_outer),
    ("a daemon does not outlive the program", no_orphans),
    (
        "descriptor 3 arrives, and closes with the program",
        descriptor_3,
    ),
    (
        "a descriptor that is not open is an error",
        missing_descriptor,
    ),
    (
        "a kernel below the minimum is an error that names the level",
        missing_level,
    ),
    ("a bind that does not exist is an error", missing_bind),
    ("a bind inside a bind", nested_bind),
    (
        "Landlock alone holds files, signals and abstract sockets",
        landlock_alone,
    ),
    ("a worker makes no socket", worker_sockets),
    (
        "a sealed process opens nothing, not even beneath a folder it holds",
        sealed,
    ),
    (
        "a trace tells killed, refused and out of reach apart",
        traced,
    ),
    (
        "a trace blames the thread whose call killed, and no other",
        traced_threads,
    ),
    (
        "a running program can be watched and is left running",
        attached,
    ),
    (
        "what the kernel records of an agent is read and told apart",
        recorded,
    ),
    (
        "a repository that is no plain folder is not given to write",
        linked_repository,
    ),
    (
        "without a user namespace root becomes another user for good",
        another_user,
    ),
    (
        "without a user namespace its processes end together as well",
        another_users_end,
    ),
    ("without a user namespace it knows who connects", peers),
    ("spawn time", spawn_time),
];

fn output(mut command: Command) -> Result<Output, String> {
    command
        .output()
        .map_err(|error| format!("cannot run: {error}"))
}

fn expect(good: bool, output: &Output) -> Result<String, String> {
    if good {
        return Ok(String::new());
    }
    Err(format!(
        "{}: {}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    ))
}

fn shell(spec: &Spec, script: &str) -> Command {
    let mut command = Command::new(sandbox());
    command
        .args(["run", &spec.to_json(), "--", "/bin/sh", "-c", script])
        .stdin(Stdio::null());
    command
}

fn ordinary_work(fixture: &Fixture) -> Result<String, String> {
    let output = output(fixture.inside(&fixture.spec(), &["inside-life", "ordinary"]))?;
    expect(output.status.success(), &output)
}

fn no_privilege(fixture: &Fixture) -> Result<String, String> {
    let output = output(shell(
        &fixture.spec(),
        "cat /proc/self/status; ulimit -Hc; umask",
    ))?;
    let text = String::from_utf8_lossy(&output.stdout).replace('\t', "");
    let sets = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];
    let good = sets
        .iter()
        .all(|set| text.contains(&format!("{set}:0000000000000000\n")))
        && text.contains("NoNewPrivs:1\n")
        && text.contains("Seccomp:2\n")
        && text.ends_with("0077\n");
    expect(good, &output)
}

fn exit_status(fixture: &Fixture) -> Result<String, String> {
    for (script, status) in [("exit 7", 7), ("kill -9 $$", 137), ("true", 0)] {
        let output = output(shell(&fixture.spec(), script))?;
        expect(output.status.code() == Some(status), &output)?;
    }
    let spec = fixture.spec();
    let mut command = Command::new(sandbox());
    command.args([
        "run",
        &spec.to_json(),
        "--",
        "/usr/bin/there-is-no-such-program",
    ]);
    let output = output(command)?;
    expect(output.status.code() == Some(127), &output)
}

fn sigterm(fixture: &Fixture) -> Result<String, String> {
    let mut child = shell(
        &fixture.spec(),
        "trap 'exit 42' TERM; echo up; while :; do sleep 0.05; done",
    )
    .stdout(Stdio::piped())
    .spawn()
    .map_err(|error| error.to_string())?;
    wait_for_line(&mut child)?;
    // SAFETY: a signal to a child that was not waited for.
    unsafe { libc::kill(child.id() as i32, libc::SIGTERM) };
    let status = child.wait().map_err(|error| error.to_string())?;
    if status.code() == Some(42) {
        Ok(String::new())
    } else {
        Err(format!("{status}"))
    }
}

fn kill_outer(fixture: &Fixture) -> Result<String, String> {
    let (spec, ours, theirs) = with_pipe(fixture)?;
    ends_with_outer(shell(&spec, DEAF), ours, theirs)
}

/// Does not end by itself, nor when it is asked to.
const DEAF: &str = "trap '' TERM HUP INT; echo up; while :; do sleep 1; done";

/// All that `command` started is gone once the process is killed that is outside of its sandbox.
fn ends_with_outer(
    mut command: Command,
    mut ours: io::PipeReader,
    theirs: OwnedFd,
) -> Result<String, String> {
    pass(&mut command, theirs);
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    drop(command);
    wait_for_line(&mut child)?;
    child.kill().map_err(|error| error.to_string())?;
    let _ = child.wait();
    closes(&mut ours)
}

fn no_orphans(fixture: &Fixture) -> Result<String, String> {
    let (spec, mut ours, theirs) = with_pipe(fixture)?;
    let mut command = shell(
        &spec,
        "trap '' TERM HUP; (setsid sleep 600 >/dev/null 2>&1 &) ; exit 5",
    );
    pass(&mut command, theirs);
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    drop(command);
    let status = child.wait().map_err(|error| error.to_string())?;
    if status.code() != Some(5) {
        return Err(format!("{status}"));
    }
    closes(&mut ours)
}

fn descriptor_3(fixture: &Fixture) -> Result<String, String> {
    let (spec, mut ours, theirs) = with_pipe(fixture)?;
    let mut command = shell(&spec, "echo hello >&3; exec 3>&-; sleep 600");
    pass(&mut command, theirs);
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    drop(command);
    // The end of the file is seen although the reaper and the outer process still live.
    let result = closes(&mut ours).and_then(|text| {
        if text == "hello\n" {
            Ok(String::new())
        } else {
            Err(format!("read {text:?}"))
        }
    });
    let _ = child.kill();
    let _ = child.wait();
    result
}

fn missing_descriptor(fixture: &Fixture) -> Result<String, String> {
    let mut spec = fixture.spec();
    spec.keep_fds = vec![77];
    let output = output(shell(&spec, "exit 0"))?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    expect(
        output.status.code() == Some(126) && text.contains("77"),
        &output,
    )
}

fn missing_level(fixture: &Fixture) -> Result<String, String> {
    let mut spec = fixture.spec();
    spec.landlock.minimum = 99;
    let output = output(shell(&spec, "exit 0"))?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    expect(
        output.status.code() == Some(126) && text.contains("Landlock ABI 99"),
        &output,
    )
}

fn missing_bind(fixture: &Fixture) -> Result<String, String> {
    let spec = fixture
        .spec()
        .bind(fixture.folder.join("nowhere"), Access::Read);
    let output = output(shell(&spec, "exit 0"))?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    expect(
        output.status.code() == Some(126) && text.contains("nowhere"),
        &output,
    )
}

fn nested_bind(fixture: &Fixture) -> Result<String, String> {
    let outer = fixture.folder.join("readonly");
    std::fs::create_dir_all(outer.join("inner")).map_err(|error| error.to_string())?;
    let spec = fixture.spec().bind(outer.join("inner"), Access::Write);
    let script = format!(
        "cd {} && echo x > inner/file && ! echo x > file2",
        outer.display()
    );
    let output = output(shell(&spec, &script))?;
    expect(output.status.success(), &output)
}

fn landlock_alone(fixture: &Fixture) -> Result<String, String> {
    let mut spec = Spec {
        namespaces: Namespaces::none(),
        root: None,
        profile: Profile::Service,
        landlock: Landlock {
            paths: [
                ("/usr", Access::Execute),
                ("/proc", Access::Read),
                ("/dev/null", Access::Write),
            ]
            .into_iter()
            .map(|(path, access)| PathRule {
                path: path.into(),
                access,
            })
            .chain([PathRule {
                path: program(),
                access: Access::Execute,
            }])
            .collect(),
            ..Landlock::default()
        },
        ..Spec::default()
    };
    fixture.describe(&mut spec);
    let output = output(fixture.inside(&spec, &["inside-life", "landlock"]))?;
    expect(output.status.success(), &output)
}

fn worker_sockets(fixture: &Fixture) -> Result<String, String> {
    let mut spec = Spec::worker().bind(program(), Access::Execute);
    spec.keep_fds.clear();
    fixture.describe(&mut spec);
    let output = output(fixture.inside(&spec, &["inside-life", "worker"]))?;
    expect(output.status.success(), &output)
}

fn sealed(fixture: &Fixture) -> Result<String, String> {
    let mut spec = Spec::worker().bind(program(), Access::Execute);
    fixture.describe(&mut spec);
    let folder =
        std::fs::File::open(fixture.folder.join("readonly")).map_err(|error| error.to_string())?;
    // The positive control: the folder is a way to the secret.
    rustix::fs::openat(
        &folder,
        "../home/secret",
        rustix::fs::OFlags::RDONLY,
        rustix::fs::Mode::empty(),
    )
    .map_err(|error| format!("outside it must succeed: {error}"))?;
    let mut command = fixture.inside(&spec, &["inside-life", "sealed"]);
    pass(&mut command, folder.into());
    let output = output(command)?;
    expect(output.status.success(), &output)
}

fn spawn_time(fixture: &Fixture) -> Result<String, String> {
    const RUNS: usize = 41;
    let measure = |mut command: Command| -> Result<f64, String> {
        let mut times = Vec::with_capacity(RUNS);
        for _ in 0..RUNS {
            let start = Instant::now();
            let status = command.status().map_err(|error| error.to_string())?;
            times.push(start.elapsed());
            if !status.success() {
                return Err(format!("{status}"));
            }
        }
        times.sort_unstable();
        Ok(times[RUNS / 2].as_secs_f64() * 1000.0)
    };
    let mut plain = Command::new("/usr/bin/true");
    plain.stdin(Stdio::null());
    let plain = measure(plain)?;
    let mut inside = Command::new(sandbox());
    inside
        .args(["run", &fixture.spec().to_json(), "--", "/usr/bin/true"])
        .stdin(Stdio::null());
    let inside = measure(inside)?;
    Ok(format!(
        "  (median: plain {plain:.2} ms, sandboxed {inside:.2} ms)"
    ))
}

fn traced(fixture: &Fixture) -> Result<String, String> {
    let spec = fixture.spec();
    let secret = fixture.folder.join("home/secret");
    let made = fixture.folder.join("readonly/made");
    // In words of a shell: a look, a write, a run, a call that is refused, one that kills.
    let script = format!(
        "exec 2>/dev/null; cat {}; true > {}; {}/workspace/program; chown 0 .; /usr/sbin/chroot / true; exit 9",
        secret.display(),
        made.display(),
        fixture.folder.display(),
    );
    let argv: Vec<_> = ["/bin/sh", "-c", &script]
        .map(|word| std::ffi::CString::new(word).expect("no NUL"))
        .into();
    let report = argos_sandbox::trace(&spec, &argv).map_err(|error| error.to_string())?;
    if report.status != Some(9) {
        return Err(format!("the program's status: {report:?}"));
    }
    let seen = |call: &str, path: &std::path::Path, answer: Answer| {
        report
            .denials
            .keys()
            .any(|denial| denial.call == call && denial.path == path && denial.answer == answer)
    };
    let program = fixture.folder.join("workspace/program");
    let none = std::path::Path::new("");
    for (call, path, answer) in [
        ("openat", secret.as_path(), Answer::Errno(libc::ENOENT)),
        ("openat", &made, Answer::Errno(libc::EROFS)),
        ("execve", &program, Answer::Errno(libc::EACCES)),
        ("chroot", none, Answer::Killed),
    ] {
        if !seen(call, path, answer) {
            return Err(format!("no {call} {}: {report:#?}", path.display()));
        }
    }
    let refused = |denial: &argos_sandbox::Denial| {
        denial.call == "fchownat" && denial.answer == Answer::Errno(libc::EPERM)
    };
    if !report.denials.keys().any(refused) {
        return Err(format!("no fchownat: {report:#?}"));
    }
    let count = report.denials.len();
    if count > 30 {
        return Err(format!(
            "{count} denials hide the few that matter: {report:#?}"
        ));
    }
    Ok(format!("  ({count} denials, {} processes)", report.watched))
}

fn traced_threads(fixture: &Fixture) -> Result<String, String> {
    let program = program().display().to_string();
    let argv: Vec<_> = [&program, "inside-life", "killed-thread"]
        .map(|word| std::ffi::CString::new(word).expect("no NUL"))
        .into();
    let report = argos_sandbox::trace(&fixture.spec(), &argv).map_err(|e| e.to_string())?;
    let denials = report.denials.iter();
    let killed: Vec<_> = denials
        .filter(|(denial, _)| denial.answer == Answer::Killed)
        .map(|(denial, count)| (denial.call.as_str(), *count))
        .collect();
    if killed == [("chroot", 1)] {
        Ok(String::new())
    } else {
        Err(format!("{report:#?}"))
    }
}

fn attached(fixture: &Fixture) -> Result<String, String> {
    let mut child = shell(
        &fixture.spec(),
        &format!(
            "echo up; while :; do sleep 0.02; cat {} 2>/dev/null; done",
            fixture.folder.join("home/secret").display()
        ),
    )
    .stdout(Stdio::piped())
    .spawn()
    .map_err(|error| error.to_string())?;
    wait_for_line(&mut child)?;
    // The process that was started, the reaper, the program.
    let below = |pid: u32| -> Option<u32> {
        let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
        list.split_whitespace().next()?.parse().ok()
    };
    let program = below(child.id()).and_then(below).ok_or("no program")?;
    let pid = i32::try_from(program).map_err(|error| error.to_string())?;
    let secret = fixture.folder.join("home/secret");
    let begun = Instant::now();
    // On a busy machine it may get no turn meanwhile.
    let report = loop {
        let report = argos_sandbox::attach(&[pid], Duration::from_millis(700));
        let looked = |report: &argos_sandbox::Report| {
            let mut paths = report.denials.keys().map(|denial| &denial.path);
            paths.any(|path| *path == secret)
        };
        if report.as_ref().map_or(true, looked) || begun.elapsed() > PATIENCE {
            break report;
        }
    };
    let alive = child
        .try_wait()
        .map_err(|error| error.to_string())?
        .is_none();
    let state = std::fs::read_to_string(format!("/proc/{program}/status")).unwrap_or_default();
    let _ = child.kill();
    let _ = child.wait();
    let report = report.map_err(|error| error.to_string())?;
    if !alive || state.contains("State:\tt") || !state.contains("TracerPid:\t0") {
        return Err(format!("it was not left running: {state}"));
    }
    if report.denials.keys().any(|denial| denial.path == secret) {
        Ok(String::new())
    } else {
        Err(format!("{report:#?}"))
    }
}

/// A killed call and a port that Landlock denies, of an agent by the name `recorded` that has a shell for
/// its program. The audit system is on for so long: Landlock records nothing else.
fn recorded(fixture: &Fixture) -> Result<String, String> {
    let failed = |error: io::Error| error.to_string();
    let short = Duration::from_millis(50);
    if !rustix::process::getuid().is_root() {
        return match argos_sandbox::recorded("recorded", short) {
            Err(error) if error.to_string().contains("sudo argos") => Ok(String::new()),
            // Where the kernel's log is everybody's.
            Ok(_) => Ok("  (the records may be read)".to_owned()),
            Err(error) => Err(error.to_string()),
        };
    }
    let before = match audit::switch(true) {
        Ok(before) => before,
        Err(error) => return Ok(format!("  (skipped: the audit system: {error})")),
    };
    let _back = audit::Back(before);
    let workspace = fixture.folder.join("agents/recorded/workspace");
    std::fs::create_dir_all(&workspace).map_err(failed)?;
    let mut spec = fixture.spec();
    // Landlock is asked about ports only where there is a network.
    spec.profile = Profile::Service;
    spec.namespaces.net = false;
    let root = spec.root.get_or_insert_default();
    root.binds.push(Bind {
        source: workspace,
        target: Some("/workspace".into()),
        access: Access::Write,
    });
    // Children, one of which is gone before anybody could look at it, again and again.
    let script = format!(
        "echo up; while :; do sleep 1; /usr/sbin/chroot / true; (exec 5<>/dev/tcp/127.0.0.1/{}); done",
        fixture.port
    );
    let mut command = Command::new(sandbox());
    command
        .args(["run", &spec.to_json(), "--", "/bin/bash", "-c", &script])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().map_err(failed)?;
    wait_for_line(&mut child)?;
    let level = argos_sandbox::probe().landlock;
    let has = |recorded: &argos_sandbox::Recorded, call: &str, answer: Answer| {
        let denials = &recorded.report.denials;
        denials
            .keys()
            .any(|denial| denial.call == call && denial.answer == answer)
    };
    let refused = Answer::Errno(libc::EACCES);
    let begun = Instant::now();
    let recorded = loop {
        let recorded = argos_sandbox::recorded("recorded", Duration::from_secs(3));
        let whole = |recorded: &argos_sandbox::Recorded| {
            has(recorded, "chroot", Answer::Killed)
                && (level < 7 || has(recorded, "connect", refused))
        };
        if recorded.as_ref().map_or(true, whole) || begun.elapsed() > PATIENCE {
            break recorded;
        }
    };
    let other = argos_sandbox::recorded("another", short);
    let _ = child.kill();
    let _ = child.wait();
    let recorded = recorded.map_err(|error| error.to_string())?;
    if !has(&recorded, "chroot", Answer::Killed) {
        return Err(format!("no chroot: {recorded:#?}"));
    }
    if level >= 7 && !has(&recorded, "connect", refused) {
        return Err(format!("no connect: {recorded:#?}"));
    }
    let other = other.map_err(|error| error.to_string())?;
    if !other.report.denials.is_empty() {
        return Err(format!("taken for another agent's: {other:#?}"));
    }
    Ok(format!(
        "  ({} denials, Landlock ABI {level})",
        recorded.report.denials.len()
    ))
}

/// Switching the kernel's audit system on and off.
mod audit {
    use std::io;

    /// Switches it back.
    pub(super) struct Back(pub(super) bool);

    impl Drop for Back {
        fn drop(&mut self) {
            let _ = switch(self.0);
        }
    }

    /// Whether it was on before.
    pub(super) fn switch(on: bool) -> io::Result<bool> {
        // AUDIT_GET, AUDIT_SET of what the mask 1 says: whether it is enabled.
        let status = ask(1000, &[])?;
        let was = status.get(4..8).is_some_and(|word| word != [0; 4]);
        let mut wanted = [0; 44];
        wanted[0] = 1;
        wanted[4] = u8::from(on);
        ask(1001, &wanted)?;
        Ok(was)
    }

    fn ask(kind: u16, body: &[u8]) -> io::Result<Vec<u8>> {
        // SAFETY: plain numbers; the descriptor is closed below, and nothing else knows of it.
        let socket =
            unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 9) };
        if socket == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: as above.
        let socket = unsafe { <std::fs::File as std::os::fd::FromRawFd>::from_raw_fd(socket) };
        let fd = std::os::fd::AsRawFd::as_raw_fd(&socket);
        let mut message = Vec::from((16 + body.len() as u32).to_ne_bytes());
        message.extend_from_slice(&kind.to_ne_bytes());
        // NLM_F_REQUEST and NLM_F_ACK.
        message.extend_from_slice(&5_u16.to_ne_bytes());
        message.extend_from_slice(&[0; 8]);
        message.extend_from_slice(body);
        // SAFETY: the bytes are valid for the call.
        if unsafe { libc::send(fd, message.as_ptr().cast(), message.len(), 0) } == -1 {
            return Err(io::Error::last_os_error());
        }
        let mut answer = vec![0; 1024];
        // SAFETY: the kernel writes at most that many bytes.
        let receive =
            |into: &mut Vec<u8>| unsafe { libc::recv(fd, into.as_mut_ptr().cast(), into.len(), 0) };
        let length = receive(&mut answer);
        let word = |bytes: &[u8], at: usize| {
            i32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        match usize::try_from(length) {
            // NLMSG_ERROR: an acknowledgement, which is no error where it is 0.
            Ok(length) if length >= 20 && answer[4] == 2 => match word(&answer, 16) {
                0 if kind == 1001 => Ok(Vec::new()),
                0 => {
                    let length = usize::try_from(receive(&mut answer)).unwrap_or(0);
                    Ok(answer.get(16..length).unwrap_or_default().to_vec())
                }
                error => Err(io::Error::from_raw_os_error(-error)),
            },
            Ok(length) if length > 16 => Ok(answer[16..length].to_vec()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

fn linked_repository(fixture: &Fixture) -> Result<String, String> {
    let folder = fixture.folder.join("linked");
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    std::os::unix::fs::symlink(fixture.folder.join("home"), folder.join(".git"))
        .map_err(|error| error.to_string())?;
    let output = output(shell(
        &fixture.spec().bind(&folder, Access::Write),
        "exit 0",
    ))?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    expect(
        output.status.code() == Some(126) && text.contains(".git") && text.contains("symbolic"),
        &output,
    )
}

/// Whom root becomes.
const OTHER: u32 = 1234;
const OTHERS_GROUPS: [u32; 2] = [7, OTHER];

/// The sandbox of this process, which root enters as [`OTHER`].
pub(crate) fn run_as(spec: &str, program: &[&str]) -> ! {
    let spec = Spec::from_json(spec).expect("a spec");
    assert!(spec.needs_root());
    let identity = Identity {
        uid: OTHER,
        gid: OTHER,
        groups: OTHERS_GROUPS.to_vec(),
    };
    let argv: Vec<_> = program
        .iter()
        .map(|word| std::ffi::CString::new(*word).expect("a word"))
        .collect();
    argos_sandbox::run_as(&spec, Some(&identity), &argv)
}

/// The fixture's spec without a user namespace, with a workspace that everybody may write.
fn other_spec(fixture: &Fixture) -> Result<Spec, String> {
    let workspace = fixture.folder.join("workspace");
    // An earlier test's, and whose it was.
    let _ = std::fs::remove_file(workspace.join("s"));
    let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(workspace, everybody).map_err(|e| e.to_string())?;
    let mut spec = fixture.spec();
    spec.namespaces.user = false;
    Ok(spec)
}

fn as_other(spec: &Spec, words: &[&str]) -> Command {
    let mut command = Command::new(program());
    command
        .args(["run-as", &spec.to_json()])
        .args(words)
        .stdin(Stdio::null());
    command
}

/// What these tests say of themselves where they are not root's.
const FOR_ROOT: &str = " (left out: only root can do without a user namespace)";

fn is_root() -> bool {
    rustix::process::getuid().is_root()
}

/// Whether a process's status says that it is [`OTHER`] and can be nobody else.
fn is_other(status: &str) -> bool {
    let status = status.replace('\t', " ");
    let sets = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];
    sets.iter()
        .all(|set| status.contains(&format!("{set}: 0000000000000000\n")))
        && ["Uid", "Gid"]
            .iter()
            .all(|id| status.contains(&format!("{id}: {OTHER} {OTHER} {OTHER} {OTHER}\n")))
        && status.contains(&format!("Groups: 7 {OTHER} \n"))
        && status.contains("NoNewPrivs: 1\n")
}

fn another_user(fixture: &Fixture) -> Result<String, String> {
    if !is_root() {
        let mut spec = fixture.spec();
        spec.namespaces.user = false;
        let output = output(shell(&spec, "true"))?;
        let text = String::from_utf8_lossy(&output.stderr);
        let refused = output.status.code() == Some(126) && text.contains("CAP_SYS_ADMIN");
        return expect(refused, &output).map(|_| FOR_ROOT.to_owned());
    }
    let spec = other_spec(fixture)?;
    let own = program().display().to_string();
    let work = output(as_other(&spec, &[&own, "inside-life", "ordinary"]))?;
    expect(work.status.success(), &work)?;
    let script = "cat /proc/self/status /proc/self/uid_map; umask; stat -c '%a %u %g' /tmp";
    let told = output(as_other(&spec, &["/bin/sh", "-c", script]))?;
    let text = String::from_utf8_lossy(&told.stdout);
    let map = std::fs::read_to_string("/proc/self/uid_map").map_err(|e| e.to_string())?;
    let good = is_other(&text)
        && text.contains("Seccomp:\t2\n")
        && text.contains(&map)
        && text.ends_with(&format!("0077\n700 {OTHER} {OTHER}\n"));
    expect(good, &told)?;
    // What is root's in the folders that it was given is as closed to it as to that user outside.
    std::fs::write(fixture.folder.join("readonly/secret"), "s").map_err(|e| e.to_string())?;
    let secret = fixture.folder.join("readonly/secret");
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&secret, closed).map_err(|e| e.to_string())?;
    let secret = secret.display().to_string();
    let denied = output(as_other(&spec, &["/bin/cat", &secret]))?;
    let text = String::from_utf8_lossy(&denied.stderr);
    expect(text.contains("Permission denied"), &denied)
}

fn another_users_end(fixture: &Fixture) -> Result<String, String> {
    if !is_root() {
        return Ok(FOR_ROOT.to_owned());
    }
    let script = "trap 'exit 42' TERM; echo up; while :; do sleep 0.05; done";
    let mut child = as_other(&other_spec(fixture)?, &["/bin/sh", "-c", script])
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    wait_for_line(&mut child)?;
    // The one that waits outside gives root up beside what happens inside.
    let file = format!("/proc/{}/status", child.id());
    let start = Instant::now();
    loop {
        let status = std::fs::read_to_string(&file).map_err(|error| error.to_string())?;
        if is_other(&status) {
            break;
        }
        if start.elapsed() > PATIENCE {
            return Err(format!("the outer process stays: {status}"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    // SAFETY: a signal to a child that was not waited for.
    unsafe { libc::kill(child.id() as i32, libc::SIGTERM) };
    let status = child.wait().map_err(|error| error.to_string())?;
    if status.code() != Some(42) {
        return Err(format!("SIGTERM came to {status}"));
    }
    let (_, ours, theirs) = with_pipe(fixture)?;
    let mut spec = other_spec(fixture)?;
    spec.keep_fds = vec![3];
    ends_with_outer(as_other(&spec, &["/bin/sh", "-c", DEAF]), ours, theirs)
}

fn peers(fixture: &Fixture) -> Result<String, String> {
    if !is_root() {
        return Ok(FOR_ROOT.to_owned());
    }
    let own = program().display().to_string();
    let nobody =
        std::fs::read_to_string("/proc/sys/kernel/overflowuid").map_err(|e| e.to_string())?;
    let nobody = nobody.trim();
    let with = fixture.inside(&fixture.spec(), &["inside-life", "peers"]);
    let without = as_other(&other_spec(fixture)?, &[&own, "inside-life", "peers"]);
    for (mut command, expected) in [
        (with, format!("{nobody}\n{nobody}\n")),
        (without, "1001\n1002\n".to_owned()),
    ] {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        wait_for_line(&mut child)?;
        let socket = fixture.folder.join("workspace/peers");
        for uid in [1001, 1002] {
            let socket = socket.clone();
            let connecting = std::thread::spawn(move || {
                // This thread's own, and for good.
                let uid = rustix::process::Uid::from_raw(uid);
                rustix::thread::set_thread_res_uid(uid, uid, uid)?;
                std::os::unix::net::UnixStream::connect(socket).map(drop)
            });
            let connected = connecting.join().map_err(|_| "it panicked")?;
            connected.map_err(|error| format!("a client: {error}"))?;
        }
        let output = child.wait_with_output().map_err(|e| e.to_string())?;
        std::fs::remove_file(&socket).map_err(|e| e.to_string())?;
        let seen = String::from_utf8_lossy(&output.stdout);
        expect(seen == expected, &output)?;
    }
    Ok(String::new())
}

/// Says whose the next two connections are.
fn peers_inside() -> Result<(), String> {
    let failed = |error: io::Error| error.to_string();
    let path = folder("workspace/peers");
    let listener = std::os::unix::net::UnixListener::bind(&path).map_err(failed)?;
    let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    std::fs::set_permissions(&path, everybody).map_err(failed)?;
    println!("up");
    for _ in 0..2 {
        let (stream, _) = listener.accept().map_err(failed)?;
        // rustix has no peer whose process is in another namespace.
        let mut peer = libc::ucred {
            pid: 0,
            uid: 0,
            gid: 0,
        };
        let mut size = std::mem::size_of::<libc::ucred>() as libc::socklen_t;
        // SAFETY: both pointers are valid for the call, and the size is that of the structure.
        let result = unsafe {
            libc::getsockopt(
                stream.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERCRED,
                (&raw mut peer).cast(),
                &raw mut size,
            )
        };
        if result != 0 {
            return Err(io::Error::last_os_error().to_string());
        }
        println!("{}", peer.uid);
    }
    Ok(())
}

/// A pipe whose writing end becomes the program's descriptor 3.
fn with_pipe(fixture: &Fixture) -> Result<(Spec, io::PipeReader, OwnedFd), String> {
    let (ours, theirs) = io::pipe().map_err(|error| error.to_string())?;
    let mut spec = fixture.spec();
    spec.keep_fds = vec![3];
    Ok((spec, ours, theirs.into()))
}

fn pass(command: &mut Command, fd: OwnedFd) {
    // SAFETY: dup2 is async-signal-safe; the closure owns the descriptor.
    unsafe {
        command.pre_exec(move || {
            if libc::dup2(fd.as_raw_fd(), 3) == -1 {
                return Err(io::Error::last_os_error());
            }
            Ok(())
        });
    }
}

/// Reads until the last writer is gone, for [`PATIENCE`] at most.
fn closes(pipe: &mut io::PipeReader) -> Result<String, String> {
    let start = Instant::now();
    let mut text = Vec::new();
    loop {
        let mut poll = [rustix::event::PollFd::new(
            &*pipe,
            rustix::event::PollFlags::IN,
        )];
        let wait = rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: 50_000_000,
        };
        let ready =
            rustix::event::poll(&mut poll, Some(&wait)).map_err(|error| error.to_string())?;
        if ready > 0 {
            let mut buffer = [0; 256];
            match pipe.read(&mut buffer).map_err(|error| error.to_string())? {
                0 => return Ok(String::from_utf8_lossy(&text).into_owned()),
                count => text.extend_from_slice(&buffer[..count]),
            }
        }
        if start.elapsed() > PATIENCE {
            return Err(format!(
                "somebody still holds the program's descriptor after {PATIENCE:?}"
            ));
        }
    }
}

fn wait_for_line(child: &mut std::process::Child) -> Result<(), String> {
    let mut byte = [0];
    let out = child.stdout.as_mut().ok_or("no pipe")?;
    while byte != *b"\n" {
        out.read_exact(&mut byte)
            .map_err(|error| format!("the program did not come up: {error}"))?;
    }
    Ok(())
}

/// The inside half of the tests above.
pub(crate) fn run_inside(name: &str) -> ExitCode {
    let result = match name {
        "ordinary" => ordinary_inside(),
        "landlock" => landlock_inside(),
        "worker" => worker_inside(),
        "sealed" => sealed_inside(),
        "peers" => peers_inside(),
        "killed-thread" => killed_thread_inside(),
        _ => Err("no such test".to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            println!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn folder(name: &str) -> PathBuf {
    PathBuf::from(std::env::var_os("FOLDER").unwrap_or_default()).join(name)
}

/// One thread waits, another is at work, a third makes a call that kills.
fn killed_thread_inside() -> Result<(), String> {
    std::thread::spawn(|| std::thread::sleep(Duration::from_secs(60)));
    std::thread::spawn(|| {
        loop {
            let _ = std::fs::metadata("/");
        }
    });
    std::thread::sleep(Duration::from_millis(100));
    std::thread::spawn(|| std::os::unix::fs::chroot("/"))
        .join()
        .map_or_else(
            |_| Err("it panicked".to_owned()),
            |_| Err("it lives".to_owned()),
        )
}

fn ordinary_inside() -> Result<(), String> {
    let at = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
    let workspace = folder("workspace");
    std::fs::write(workspace.join("a"), "a").map_err(at("write"))?;
    std::fs::create_dir(workspace.join("d")).map_err(at("mkdir"))?;
    std::fs::rename(workspace.join("a"), workspace.join("d/b")).map_err(at("rename across"))?;
    std::fs::remove_dir_all(workspace.join("d")).map_err(at("remove"))?;
    std::fs::read(folder("readonly/file")).map_err(at("read"))?;
    std::fs::write("/tmp/x", "x").map_err(at("write to /tmp"))?;
    std::fs::read_dir("/usr/bin").map_err(at("list /usr/bin"))?;
    std::fs::read_dir("/").map_err(at("list /"))?;
    let mut null = std::fs::File::options()
        .write(true)
        .open("/dev/null")
        .map_err(at("open /dev/null"))?;
    null.write_all(b"x").map_err(at("write /dev/null"))?;
    let mut random = [0; 8];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut random))
        .map_err(at("random"))?;
    std::os::unix::net::UnixStream::pair().map_err(at("socketpair"))?;
    let _listener =
        std::os::unix::net::UnixListener::bind(workspace.join("s")).map_err(at("own socket"))?;
    std::os::unix::net::UnixStream::connect(workspace.join("s"))
        .map_err(at("connect to own socket"))?;
    std::thread::spawn(|| 42)
        .join()
        .map_err(|_| "thread".to_owned())?;
    let status = Command::new("/bin/sh")
        .args(["-c", "ls /proc | grep -q '^1$'"])
        .status()
        .map_err(at("run"))?;
    if !status.success() {
        return Err("a child process could not list /proc".to_owned());
    }
    Ok(())
}

fn is<T>(what: &str, result: io::Result<T>, errno: i32) -> Result<(), String> {
    match result {
        Err(error) if error.raw_os_error() == Some(errno) => Ok(()),
        Err(error) => Err(format!("{what}: {error}")),
        Ok(_) => Err(format!("{what}: it worked")),
    }
}

fn landlock_inside() -> Result<(), String> {
    let victim: i32 = std::env::var("VICTIM")
        .unwrap_or_default()
        .parse()
        .unwrap_or(0);
    is(
        "read the home",
        std::fs::read(folder("home/secret")),
        libc::EACCES,
    )?;
    is(
        "write to the workspace",
        std::fs::write(folder("workspace/z"), ""),
        libc::EACCES,
    )?;
    // SAFETY: signal 0 only asks.
    let kill = if unsafe { libc::kill(victim, 0) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    };
    is("signal the victim", kill, libc::EPERM)?;
    let name = std::env::var("ABSTRACT").unwrap_or_default();
    let address =
        <std::os::unix::net::SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(
            name,
        )
        .map_err(|error| error.to_string())?;
    is(
        "abstract socket",
        std::os::unix::net::UnixStream::connect_addr(&address),
        libc::EPERM,
    )?;
    let port: u16 = std::env::var("PORT")
        .unwrap_or_default()
        .parse()
        .unwrap_or(0);
    is(
        "TCP",
        std::net::TcpStream::connect(("127.0.0.1", port)),
        libc::EACCES,
    )
}

fn worker_inside() -> Result<(), String> {
    std::os::unix::net::UnixStream::pair().map_err(|error| format!("socketpair: {error}"))?;
    is(
        "socket",
        std::os::unix::net::UnixDatagram::unbound(),
        libc::EPERM,
    )
}

fn sealed_inside() -> Result<(), String> {
    use rustix::fs::{Mode, OFlags};
    // SAFETY: the test passed an open folder as descriptor 3.
    let folder = unsafe { std::os::fd::BorrowedFd::borrow_raw(3) };
    let open = |path: &str| {
        rustix::fs::openat(folder, path, OFlags::RDONLY, Mode::empty()).map_err(io::Error::from)
    };
    // A folder from outside is a way out of any root; Landlock alone is what closes it.
    is(
        "open above the folder before sealing",
        open("../home/secret"),
        libc::EACCES,
    )?;
    argos_sandbox::seal().map_err(|error| error.to_string())?;
    is("open beneath the folder", open("file"), libc::EACCES)?;
    is(
        "open above the folder",
        open("../home/secret"),
        libc::EACCES,
    )?;
    is("open by path", std::fs::read("/usr/bin/true"), libc::EACCES)?;
    is(
        "run a program",
        Command::new("/usr/bin/true").status(),
        libc::EPERM,
    )?;
    let names = rustix::fs::Dir::read_from(folder).map_err(|error| error.to_string());
    // `read_from` opens the folder anew, which is forbidden; the descriptor itself can be listed.
    if names.is_ok() {
        return Err("a folder could be opened anew".to_owned());
    }
    let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
    let mut raw = rustix::fs::RawDir::new(folder, &mut buffer);
    let mut seen = false;
    while let Some(entry) = raw.next() {
        seen |= entry.map_err(|error| error.to_string())?.file_name() == c"file";
    }
    if seen {
        Ok(())
    } else {
        Err("the folder handed over could not be listed".to_owned())
    }
}
