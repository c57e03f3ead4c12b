//! `argos-init` as PID 1 of a namespace of its own, with real processes.
//!
//! Needs the right to make PID and mount namespaces: root, or unprivileged user namespaces.

mod container;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use argos_control::{Client, ErrorCode, Event, TransientUnit, UnitState};

use container::{Container, LIMIT};

#[test]
fn units_start_in_parallel_and_in_order_and_stop_in_reverse() {
    // `a` and `b` end only if both run at once.
    let meet = |me: &str, other: &str| {
        format!(
            "{{kind: oneshot, exec: [/bin/sh, -c, 'touch $T/{me}; until test -e $T/{other}; do sleep 0.01; done']}}"
        )
    };
    let long = |name: &str, needs: &str| {
        format!(
            "{{kind: service, requires: [{needs}], ready: {{fd: 3}}, restart: always, exec: [/bin/sh, -c, \
             'trap \"echo stop {name} >> $T/order; exit 0\" TERM; echo start {name} >> $T/order; echo >&3; while :; do sleep 0.05; done']}}"
        )
    };
    let mut container = Container::boot(&[
        ("default.yaml", "{kind: target, wants: [top]}"),
        ("a.yaml", &meet("a", "b")),
        ("b.yaml", &meet("b", "a")),
        ("low.yaml", &long("low", "a, b")),
        ("mid.yaml", &long("mid", "low")),
        ("top.yaml", &long("top", "mid")),
    ]);
    container.client().start("default").unwrap();
    assert_eq!(container.read("order"), "start low\nstart mid\nstart top\n");
    container.client().poweroff().unwrap();
    assert_eq!(container.wait(), Some(0));
    let order = container.read("order");
    assert_eq!(
        order.lines().skip(3).collect::<Vec<_>>(),
        ["stop top", "stop mid", "stop low"]
    );
}

#[test]
fn a_crashing_service_is_tried_again_ever_more_slowly() {
    let container = Container::boot(&[
        ("default.yaml", "{kind: target, wants: [crash]}"),
        (
            "never.yaml",
            "{kind: service, exec: [/bin/sh, -c, 'exit 4'], ready: {fd: 3}, restart: always}",
        ),
        (
            "crash.yaml",
            "{kind: service, exec: [/bin/sh, -c, 'date +%s%N >> $T/starts; exit 3'], restart: on-failure}",
        ),
    ]);
    container.until("four starts", || {
        container.read("starts").lines().count() >= 4
    });
    let status = container.client().unit("crash").unwrap();
    assert!(status.restarts >= 3, "{status:?}");
    container.until("it says why", || {
        container.client().unit("crash").unwrap().detail == "ended with status 3"
    });
    let starts: Vec<u64> = container
        .read("starts")
        .lines()
        .map(|line| line.parse().unwrap())
        .collect();
    let pauses: Vec<u64> = starts
        .windows(2)
        .map(|pair| (pair[1] - pair[0]) / 1_000_000)
        .collect();
    for (pause, least) in pauses.iter().zip([100, 200, 400]) {
        assert!(*pause >= least, "{pauses:?}");
    }
    // Asking for one that never gets ready tells the truth instead of waiting without end.
    let error = container.client().start("never").unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::Failed));
    let text = error.to_string();
    assert!(
        text.contains("ended with status 4 before it was ready"),
        "{text}"
    );
}

#[test]
fn readiness_by_descriptor_bus_name_and_socket_is_waited_for() {
    let container = Container::boot(&[
        (
            "fd.yaml",
            "{kind: service, ready: {fd: 5}, exec: [/bin/sh, -c, 'until test -e $T/go; do sleep 0.01; done; echo >&5; sleep 1000']}",
        ),
        (
            "named.yaml",
            "{kind: service, ready: {dbus: org.example.Named}, exec: [/bin/sleep, '1000']}",
        ),
        (
            "listens.yaml",
            "{kind: service, ready: {socket: $T/run/argos/control}, exec: [$INIT, --user],
            env: {HOME: $T/home, XDG_RUNTIME_DIR: $T/run, ARGOS_COMPILER: $BIN/argos-unit-compiler}}",
        ),
        (
            "late.yaml",
            "{kind: service, ready: {fd: 3}, ready-timeout: 300ms, exec: [/bin/sleep, '1000']}",
        ),
    ]);
    let mut starting = container.client();
    let waiter = std::thread::spawn(move || starting.start("fd"));
    container.until("it runs", || container.state("fd") == UnitState::Starting);
    container.write("go", "");
    waiter.join().unwrap().unwrap();
    assert_eq!(container.state("fd"), UnitState::Up);

    let error = container.client().start("late").unwrap_err();
    assert_eq!(error.to_string(), "late failed: was not ready after 300 ms");

    // The bridge reports names; here the test is the bridge.
    let mut starting = container.client();
    let waiter = std::thread::spawn(move || starting.start("named"));
    container.until("it runs", || {
        container.state("named") == UnitState::Starting
    });
    let mut bridge = container.client();
    bridge.bus_name("org.example.Other", true).unwrap();
    assert_eq!(container.state("named"), UnitState::Starting);
    bridge.bus_name("org.example.Named", true).unwrap();
    waiter.join().unwrap().unwrap();

    // A supervisor's control socket is as good a socket as any.
    container.client().start("listens").unwrap();
    assert!(container.path("run/argos/control").exists());
}

#[test]
fn a_persons_supervisor_runs_below_and_says_when_it_is_ready() {
    let container = Container::boot(&[
        (
            "session.yaml",
            "{kind: service, ready: notify, exec: [$INIT, --user], stop-timeout: 10s,
            env: {HOME: $T/home, XDG_RUNTIME_DIR: $T/run, ARGOS_UNIT_PATH: $T/user-units, ARGOS_COMPILER: $BIN/argos-unit-compiler}}",
        ),
        (
            "../user-units/desktop.yaml",
            "{kind: target, wants: [shell]}",
        ),
        (
            "../user-units/shell.yaml",
            "{kind: service, exec: [/bin/sh, -c, 'env > $T/whole; mv $T/whole $T/env; exec sleep 1000']}",
        ),
    ]);
    container.client().start("session").unwrap();
    let mut person = Client::connect(container.path("run/argos/control")).unwrap();
    person.start("desktop").unwrap();
    let pid = person.unit("shell").unwrap().pid;
    assert!(pid > 1);
    container.until("the environment", || {
        container.read("env").contains("WAYLAND_DISPLAY=wayland-0")
    });
    let env = container.read("env");
    let bus = format!(
        "DBUS_SESSION_BUS_ADDRESS=unix:path={}/bus",
        container.path("run").display()
    );
    assert!(env.contains(&bus), "{env}");
    assert!(env.contains("DISPLAY=:"), "{env}");
    assert!(!env.contains("NOTIFY_SOCKET"), "{env}");
    let error = person.reboot().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::Invalid));

    container.client().stop("session").unwrap();
    assert_eq!(container.state("session"), UnitState::Down);
    container.run(
        "check",
        "until test ! -e /proc/$(cat $T/pid); do sleep 0.05; done",
        &[("pid", &pid.to_string())],
    );
}

#[test]
fn orphans_are_reaped_and_what_a_unit_leaves_is_ended_with_it() {
    let container = Container::boot(&[
        // One process leaves the session and becomes an orphan; the other stays in the group.
        (
            "messy.yaml",
            "{kind: service, exec: [/bin/sh, -c, 'setsid sh -c \"echo > $T/away; sleep 0.2; echo gone > $T/orphan\" & sleep 1000 & echo $! > $T/left; wait']}",
        ),
    ]);
    container.client().start("messy").unwrap();
    container.until("the child runs", || container.read("left").ends_with('\n'));
    // On a busy machine the unit could be stopped before it had left.
    container.until("the other is away", || container.read("away") == "\n");
    container.client().stop("messy").unwrap();
    container.until("the orphan ends", || container.read("orphan") == "gone\n");
    container.run(
        "left",
        "until test ! -e /proc/$(cat $T/left); do sleep 0.05; done",
        &[],
    );
    container.until("no zombies", || {
        container.run(
            "zombies",
            "! grep -l '^State:.Z' /proc/[0-9]*/status > $T/zombies 2>/dev/null; true",
            &[],
        );
        container.read("zombies").is_empty()
    });
}

#[test]
fn output_is_kept_and_written_to_files() {
    let container = Container::boot(&[(
        "talk.yaml",
        "{kind: oneshot, exec: [/bin/sh, -c, 'for i in 1 2 3; do echo line $i; done; echo problem >&2; printf unfinished']}",
    )]);
    let mut client = container.client();
    client.start("talk").unwrap();
    container.until("the output", || {
        container.client().log("talk", 10).unwrap().len() == 5
    });
    let lines = client.log("talk", 2).unwrap();
    assert!(
        lines[0].ends_with("Z problem") && lines[1].ends_with("Z unfinished"),
        "{lines:?}"
    );
    container.until("the file", || {
        container.read("log/talk.log").ends_with(" unfinished\n")
    });
    assert_eq!(
        client.log("nobody", 1).unwrap_err().code(),
        Some(ErrorCode::NotFound)
    );
}

#[test]
fn a_broken_unit_is_reported_and_mended_by_a_reload() {
    let container = Container::boot(&[
        ("default.yaml", "{kind: target, wants: [good, bad]}"),
        ("good.yaml", "{kind: service, exec: [/bin/sleep, '1000']}"),
        ("bad.yaml", "kind: service\nexce: [/bin/sleep]\n"),
    ]);
    let mut client = container.client();
    container.until("the good one", || container.state("good") == UnitState::Up);
    assert_eq!(
        client.start("bad").unwrap_err().code(),
        Some(ErrorCode::NotFound)
    );
    let problems = client.reload().unwrap();
    assert_eq!(problems.len(), 1);
    assert_eq!(client.problems().unwrap(), problems);
    assert!(
        problems[0].contains("bad.yaml:2:1: unknown key `exce`; did you mean `exec`?"),
        "{problems:?}"
    );
    let pid = client.unit("good").unwrap().pid;

    container.write(
        "units/bad.yaml",
        "{kind: service, exec: [/bin/sleep, '1000']}",
    );
    assert_eq!(client.reload().unwrap(), [] as [&str; 0]);
    client.start("bad").unwrap();
    assert_eq!(
        client.unit("good").unwrap().pid,
        pid,
        "a reload leaves alone what runs"
    );
}

#[test]
fn a_transient_unit_gets_its_descriptors_and_vanishes() {
    let container = Container::boot(&[]);
    let mut client = container.client();
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let unit = TransientUnit {
        name: "agent-test".into(),
        exec: [
            "/bin/sh",
            "-c",
            "read word <&3; echo \"$GREETING $word\" >&3; read word <&3",
        ]
        .map(str::to_owned)
        .to_vec(),
        env: vec![("GREETING".into(), "hello".into())],
        fds: vec![3],
        ..TransientUnit::default()
    };
    let events = container.client().subscribe().unwrap();
    client
        .start_transient(unit.clone(), vec![OwnedFd::from(theirs)])
        .unwrap();
    let twice = client.start_transient(unit, vec![]).unwrap_err();
    assert_eq!(twice.code(), Some(ErrorCode::Invalid));
    ours.write_all(b"world\n").unwrap();
    let mut answer = [0; 12];
    ours.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"hello world\n");
    drop(ours);
    client.wait("agent-test").unwrap();
    assert_eq!(
        client.unit("agent-test").unwrap_err().code(),
        Some(ErrorCode::NotFound)
    );
    let mut seen_up = false;
    for event in events {
        match event.unwrap() {
            Event::Unit(status) if status.name == "agent-test" => {
                seen_up |= status.state == UnitState::Up;
            }
            Event::Removed(name) if name == "agent-test" => break,
            _ => {}
        }
    }
    assert!(seen_up);
}

#[test]
fn a_socket_unit_starts_its_service_for_the_first_guest() {
    let container = Container::boot(&[
        (
            "echo-socket.yaml",
            "{kind: socket, listen: $T/echo.sock, unit: echo}",
        ),
        (
            "echo.yaml",
            "{kind: service, exec: [/bin/sh, -c, 'test $LISTEN_PID = $$ && echo $LISTEN_FDS > $T/fds; exec sleep 1000']}",
        ),
    ]);
    container.client().start("echo-socket").unwrap();
    assert_eq!(container.state("echo"), UnitState::Down);
    let _guest = UnixStream::connect(container.path("echo.sock")).unwrap();
    container.until("the service", || container.read("fds") == "1\n");
}

#[test]
fn nonsense_on_the_control_socket_hurts_nobody() {
    let container = Container::boot(&[("x.yaml", "{kind: service, exec: [/bin/sleep, '1000']}")]);
    let mut state = 1u64;
    let mut random = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    for round in 0..200 {
        let mut stream = UnixStream::connect(container.path("sock/control")).unwrap();
        let mut bytes: Vec<u8> = (0..random() % 64).map(|_| random() as u8).collect();
        if round % 2 == 0 {
            // A believable header, so that the payload is looked at.
            let length = u32::try_from(bytes.len()).unwrap();
            bytes.splice(0..0, [1].into_iter().chain(length.to_le_bytes()));
        }
        // The supervisor may hang up while we write: that is its right.
        let _ = stream.write_all(&bytes);
    }
    container.client().start("x").unwrap();
    assert_eq!(container.state("x"), UnitState::Up);
}

#[test]
fn a_deaf_unit_does_not_hold_up_the_end_for_long() {
    let mut container = Container::boot(&[
        ("default.yaml", "{kind: target, wants: [deaf]}"),
        (
            "deaf.yaml",
            "{kind: service, stop-timeout: 300ms, ready: {fd: 3}, exec: [/bin/sh, -c, 'trap \"\" TERM; echo >&3; while :; do sleep 1; done']}",
        ),
    ]);
    container.client().start("default").unwrap();
    let begin = Instant::now();
    container.client().poweroff().unwrap();
    assert_eq!(container.wait(), Some(0));
    // By itself it would never end.
    assert!(
        begin.elapsed() < Duration::from_secs(60),
        "{:?}",
        begin.elapsed()
    );
}

#[test]
fn a_unit_can_be_another_user() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not tested: only root can become another user");
        return;
    }
    let container = Container::boot(&[(
        "who.yaml",
        "{kind: oneshot, user: nobody, state-directory: who, exec: [/bin/sh, -c, 'id -u; id -g; echo $USER; touch $T/state/who/mine; cat /proc/self/status | grep CapEff']}",
    )]);
    container.client().start("who").unwrap();
    container.until("the output", || {
        container.client().log("who", 10).unwrap().len() == 4
    });
    let lines: Vec<String> = container.client().log("who", 10).unwrap();
    let words: Vec<&str> = lines
        .iter()
        .map(|line| line.split_once(' ').unwrap().1)
        .collect();
    assert_eq!(
        words,
        ["65534", "65534", "nobody", "CapEff:\t0000000000000000"]
    );
    assert!(container.path("state/who/mine").exists());
}

#[test]
fn a_killed_supervisor_of_a_person_comes_back_and_stays_away_when_it_is_stopped() {
    let container = Container::boot(&[(
        "session.yaml",
        "{kind: service, ready: notify, restart: on-failure, exec: [$INIT, --user],
            env: {HOME: $T/home, XDG_RUNTIME_DIR: $T/run, ARGOS_UNIT_PATH: $T/user-units, ARGOS_COMPILER: $BIN/argos-unit-compiler}}",
    )]);
    let mut system = container.client();
    system.start("session").unwrap();
    let pid = system.unit("session").unwrap().pid;
    container.run("kill", &format!("kill -9 {pid}"), &[]);
    container.until("it is back", || {
        let unit = container.client().unit("session").unwrap();
        unit.restarts == 1 && unit.state == UnitState::Up && unit.pid != pid
    });
    Client::connect(container.path("run/argos/control"))
        .and_then(|mut person| person.status())
        .unwrap();
    // On SIGTERM it ends well, which is no failure.
    let pid = system.unit("session").unwrap().pid;
    container.run("end", &format!("kill -TERM {pid}"), &[]);
    system.wait("session").unwrap();
    let unit = system.unit("session").unwrap();
    assert_eq!((unit.state, unit.wanted), (UnitState::Down, false));
    system.start("session").unwrap();
    system.stop("session").unwrap();
    assert_eq!(container.state("session"), UnitState::Down);
}

#[test]
fn a_mount_is_there_while_its_unit_is_up() {
    let container = Container::boot(&[
        (
            "disk.yaml",
            "{kind: mount, what: none, type: tmpfs, path: $T/disk}",
        ),
        (
            "odd.yaml",
            "{kind: mount, what: none, type: no-such-type, path: $T/odd}",
        ),
    ]);
    let mut client = container.client();
    client.start("disk").unwrap();
    container.run("there", "grep -q \" $T/disk \" /proc/self/mountinfo", &[]);
    client.stop("disk").unwrap();
    container.run("gone", "! grep -q \" $T/disk \" /proc/self/mountinfo", &[]);
    let error = client.start("odd").unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::Failed));
}

#[test]
fn a_path_unit_starts_its_unit_when_the_path_appears() {
    let container = Container::boot(&[
        ("look.yaml", "{kind: path, exists: $T/here, unit: job}"),
        ("job.yaml", "{kind: oneshot, exec: [/bin/touch, $T/done]}"),
    ]);
    let mut client = container.client();
    client.start("look").unwrap();
    assert_eq!(container.state("job"), UnitState::Down);
    container.write("here", "");
    container.until("the job", || container.path("done").exists());
    client.stop("look").unwrap();
    assert_eq!(container.state("look"), UnitState::Down);
}

/// A file system whose program never answers holds up everybody who looks at it.
#[test]
fn a_dead_file_system_does_not_hold_up_the_supervisor() {
    if !rustix::process::geteuid().is_root()
        || File::options().write(true).open("/dev/fuse").is_err()
    {
        eprintln!("not tested: FUSE cannot be used here");
        return;
    }
    let container = Container::boot(&[
        (
            "dead.yaml",
            "{kind: service, ready: {fd: 4}, exec: [/bin/sh, -c, 'exec 3<>/dev/fuse; mkdir -p $T/dead; \
            mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 dead $T/dead; echo >&4; exec sleep 1000']}",
        ),
        ("look.yaml", "{kind: path, exists: $T/dead/x, unit: job}"),
        ("job.yaml", "{kind: oneshot, exec: [/bin/true]}"),
        (
            "below.yaml",
            "{kind: mount, what: none, type: tmpfs, path: $T/dead/y, ready-timeout: 500ms, stop-timeout: 200ms}",
        ),
        ("sock.yaml", "{kind: socket, listen: $T/dead/s, unit: job}"),
        (
            "probed.yaml",
            "{kind: service, exec: [/bin/sleep, '1000'], ready: {socket: $T/dead/s}}",
        ),
    ]);
    let mut client = container.client();
    client.start("dead").unwrap();
    client.start("look").unwrap();
    let late = client.start("below").unwrap_err().to_string();
    assert!(late.contains("was not ready after 500 ms"), "{late}");
    for unit in ["sock", "probed"] {
        let refused = client.start(unit).unwrap_err().to_string();
        assert!(refused.contains("file system of type fuse"), "{refused}");
    }
    client.stop("look").unwrap();
    assert_eq!(container.state("look"), UnitState::Down);
    client.stop("dead").unwrap();
}

#[test]
fn units_do_not_get_the_supervisors_many_descriptors() {
    let container = Container::boot(&[(
        "limits.yaml",
        "{kind: oneshot, exec: [/bin/sh, -c, 'ulimit -Sn > $T/unit; ulimit -Hn >> $T/unit; grep \"open files\" /proc/1/limits > $T/first']}",
    )]);
    container.client().start("limits").unwrap();
    let own = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let number = |limit: Option<u64>| limit.map_or("unlimited".into(), |most| most.to_string());
    let unit = format!("{}\n{}\n", number(own.current), number(own.maximum));
    assert_eq!(container.read("unit"), unit);
    let first = container.read("first");
    let soft: u64 = first.split_whitespace().nth(3).unwrap().parse().unwrap();
    let most = own.maximum.unwrap_or(u64::MAX).min(65_536);
    assert!(soft >= most, "{first}");
}

/// Clients of a user who may do nothing ask for a lot and read nothing.
#[test]
fn clients_that_do_not_read_cost_little() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not tested: only root can become another user");
        return;
    }
    let container = Container::boot(&[(
        "talk.yaml",
        "{kind: oneshot, exec: [/bin/sh, -c, 'for i in $(seq 70); do head -c 4000 /dev/zero | tr \"\\0\" x; echo; done']}",
    )]);
    container.client().start("talk").unwrap();
    container.until("the output", || {
        container.client().log("talk", 1000).unwrap().len() >= 60
    });
    let memory = || -> u64 {
        container.run("memory", "grep VmRSS /proc/1/status > $T/memory", &[]);
        let text = container.read("memory");
        text.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let before = memory();
    let path = container.path("sock/control");
    let flood = move || -> Vec<UnixStream> {
        let nobody = rustix::thread::Uid::from_raw(65_534);
        // Of this thread alone.
        rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
        let connect = |_| UnixStream::connect(&path).unwrap();
        let clients: Vec<_> = (0..60).map(connect).collect();
        // `Log { name: "talk", lines: 100 }` in its frame.
        let mut request = vec![1, 7, 0, 0, 0, 5, 4];
        request.extend_from_slice(b"talk\x64");
        for mut client in &clients {
            client.set_nonblocking(true).unwrap();
            let _ = client.write_all(&request.repeat(28));
        }
        clients
    };
    let clients = std::thread::spawn(flood).join().unwrap();
    container.until("the flood was looked at", || {
        let said = container.client().log("argos-init", 1000).unwrap();
        said.iter()
            .any(|line| line.contains("user 65534 was cut off"))
    });
    let grown = memory().saturating_sub(before);
    assert!(grown < 64 << 10, "{grown} KiB more than before");
    drop(clients);
    // Everybody else is served as ever.
    container.client().status().unwrap();
}

/// A terminal of which the test has the other end.
fn terminal() -> Option<(File, PathBuf)> {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).ok()?;
    grantpt(&ours).ok()?;
    unlockpt(&ours).ok()?;
    let name = ptsname(&ours, Vec::new()).ok()?.into_string().ok()?;
    let path = PathBuf::from(name);
    path.exists().then(|| (File::from(ours), path))
}

/// Reads from a terminal until `text` has come; at most for that long.
fn read_for(terminal: &mut File, text: &str, limit: Duration) -> Result<(), String> {
    let mut seen = String::new();
    let begin = Instant::now();
    while !seen.contains(text) {
        if begin.elapsed() > limit {
            return Err(seen);
        }
        let mut fds = [rustix::event::PollFd::new(
            &*terminal,
            rustix::event::PollFlags::IN,
        )];
        let second = rustix::event::Timespec {
            tv_sec: 1,
            tv_nsec: 0,
        };
        rustix::event::poll(&mut fds, Some(&second)).unwrap();
        if !fds[0].revents().contains(rustix::event::PollFlags::IN) {
            continue;
        }
        let mut bytes = [0; 1024];
        let count = terminal.read(&mut bytes).unwrap();
        seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    Ok(())
}

/// Types a line until it is answered with `text`: what is typed before a shell is there may get lost.
fn type_until(terminal: &mut File, line: &str, text: &str) {
    let begin = Instant::now();
    loop {
        terminal.write_all(line.as_bytes()).unwrap();
        match read_for(terminal, text, Duration::from_secs(3)) {
            Ok(()) => return,
            Err(seen) => assert!(begin.elapsed() < LIMIT, "{seen}"),
        }
    }
}

#[test]
fn a_start_that_fails_is_told_on_the_console_and_gives_a_shell_there() {
    let Some((mut terminal, path)) = terminal() else {
        eprintln!("not tested: there are no pseudo-terminals here");
        return;
    };
    // What it keeps open on this side, so that the terminal lives before anybody else uses it.
    let _kept = File::options().read(true).write(true).open(&path).unwrap();
    let container = Container::boot_at(
        &[
            ("default.yaml", "{kind: target, requires: [screen]}"),
            (
                "screen.yaml",
                "{kind: service, ready: {fd: 3}, restart: always, exec: [/bin/sh, -c, 'exit 7']}",
            ),
        ],
        Some(&path),
    );
    read_for(&mut terminal, "A root shell follows", LIMIT).unwrap();
    type_until(&mut terminal, "echo $((6 * 7))-$$\n", "42-");
    let said = container.client().log("argos-init", 100).unwrap();
    let why = "`default` does not come up: `screen` keeps failing: ended with status 7";
    assert!(said.iter().any(|line| line.contains(why)), "{said:?}");
    // It is started again when it ends.
    terminal.write_all(b"exit\n").unwrap();
    type_until(&mut terminal, "echo $((5 * 5))-$$\n", "25-");
}

#[test]
fn a_start_that_fails_for_good_is_told_and_what_is_only_wanted_as_well() {
    let failed = Container::boot(&[
        ("default.yaml", "{kind: target, requires: [screen]}"),
        ("screen.yaml", "{kind: oneshot, exec: [/bin/false]}"),
    ]);
    let partial = Container::boot(&[
        ("default.yaml", "{kind: target, wants: [screen]}"),
        ("screen.yaml", "{kind: oneshot, exec: [/bin/false]}"),
    ]);
    for (container, line) in [
        (
            failed,
            "`default` does not come up: `screen`, which it requires, is not up",
        ),
        (partial, "screen is not up: ended with status 1"),
    ] {
        container.until(line, || {
            let said = container.client().log("argos-init", 100).unwrap();
            said.iter().any(|said| said.contains(line))
        });
    }
}
