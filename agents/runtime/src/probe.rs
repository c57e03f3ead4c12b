//! Tries to get out of the sandbox, from inside, and reports what happened.
//!
//! The broker runs this in the very sandbox that it would start the agent in. Each attempt runs in
//! a process of its own, since a system call that could hurt the host may kill whoever makes it.
//! The report is one JSON object on fd 3: attempt -> `{"ok": bool, "error": …, "found": …}`, where
//! `ok` means that the attempt succeeded, so for all but the last few it is to be `false`.

use std::io::{self, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType};
use serde_json::{Map, Value, json};

type Attempt = (&'static str, fn() -> io::Result<Value>);

/// What is tried. All but those from `workspace` on are to fail.
const ATTEMPTS: &[Attempt] = &[
    ("read_shadow", || {
        std::fs::read("/etc/shadow").map(|b| json!(b.len()))
    }),
    ("read_passwd", || {
        std::fs::read("/etc/passwd").map(|b| json!(b.len()))
    }),
    ("list_home", || list("/home")),
    ("list_person_home", || list("/home/argos")),
    ("list_root_home", || list("/root")),
    ("list_run", || list("/run")),
    ("list_sys", || list("/sys")),
    ("inet_socket", || {
        socket(AddressFamily::INET, SocketType::STREAM)
    }),
    ("inet_datagram", || {
        socket(AddressFamily::INET, SocketType::DGRAM)
    }),
    ("inet6_socket", || {
        socket(AddressFamily::INET6, SocketType::STREAM)
    }),
    ("netlink_socket", || {
        socket(AddressFamily::NETLINK, SocketType::RAW)
    }),
    ("packet_socket", || {
        socket(AddressFamily::PACKET, SocketType::RAW)
    }),
    ("connect_loopback", || {
        TcpStream::connect_timeout(&([127, 0, 0, 1], 22).into(), Duration::from_secs(2))
            .map(|_| Value::Null)
    }),
    ("session_bus", || connect("/run/user/1000/bus")),
    ("session_bus_of_uid", || {
        connect(&format!("/run/user/{}/bus", uid()))
    }),
    ("system_bus", || connect("/run/dbus/system_bus_socket")),
    ("wayland", || {
        connect(&format!("/run/user/{}/wayland-0", uid()))
    }),
    ("supervisor", || {
        connect(&format!("/run/user/{}/argos/control", uid()))
    }),
    ("init", || connect("/run/argos/control")),
    ("write_usr", || {
        std::fs::write("/usr/lib/argos-probe", "x").map(|()| Value::Null)
    }),
    ("write_root", || {
        std::fs::write("/argos-probe", "x").map(|()| Value::Null)
    }),
    ("run_shell", || {
        Command::new("/bin/sh")
            .arg("-c")
            .arg("true")
            .status()
            .map(|s| json!(s.success()))
    }),
    ("mount", || {
        rustix::mount::mount(
            "none",
            "/tmp",
            "tmpfs",
            rustix::mount::MountFlags::empty(),
            None,
        )
        .map(|()| Value::Null)
        .map_err(Into::into)
    }),
    ("foreign_processes", foreign_processes),
    ("workspace", || {
        let file = "argos-probe";
        std::fs::write(file, "x")?;
        std::fs::remove_file(file)?;
        Ok(json!(std::env::current_dir()?.display().to_string()))
    }),
    ("own_processes", || list("/proc")),
    ("own_descriptors", || list("/proc/self/fd")),
    ("environment", || {
        Ok(json!(std::env::vars().map(|(k, _)| k).collect::<Vec<_>>()))
    }),
];

/// Makes every attempt and reports on fd 3.
pub(crate) fn all() -> anyhow::Result<()> {
    let mut report = Map::new();
    for (name, _) in ATTEMPTS {
        report.insert((*name).to_owned(), in_child(name));
    }
    let mut socket = crate::link::take_socket()?;
    writeln!(socket, "{}", Value::Object(report))?;
    Ok(())
}

/// Makes one attempt and reports on standard output.
pub(crate) fn one(name: &str) -> anyhow::Result<()> {
    let (_, attempt) = ATTEMPTS
        .iter()
        .find(|(n, _)| *n == name)
        .ok_or_else(|| anyhow::anyhow!("there is no attempt {name}"))?;
    let outcome = match attempt() {
        Ok(found) => json!({"ok": true, "found": found}),
        Err(e) => json!({"ok": false, "error": e.to_string(), "errno": e.raw_os_error()}),
    };
    println!("{outcome}");
    Ok(())
}

fn in_child(name: &str) -> Value {
    let myself = std::env::args().next().unwrap_or_default();
    let output = Command::new(myself)
        .args(["probe", name])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    match output {
        Err(e) => {
            json!({"ok": false, "error": format!("could not be tried: {e}"), "untried": true})
        }
        Ok(output) => match (
            output.status.signal(),
            serde_json::from_slice(&output.stdout),
        ) {
            (Some(signal), _) => {
                json!({"ok": false, "error": format!("killed by signal {signal}")})
            }
            (None, Ok(outcome)) => outcome,
            (None, Err(_)) => json!({"ok": false, "error": "it said nothing", "untried": true}),
        },
    }
}

fn list(folder: &str) -> io::Result<Value> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(json!(names))
}

fn socket(family: AddressFamily, kind: SocketType) -> io::Result<Value> {
    rustix::net::socket(family, kind, None)
        .map(|_| Value::Null)
        .map_err(Into::into)
}

fn connect(path: &str) -> io::Result<Value> {
    UnixStream::connect(path).map(|_| json!(path))
}

fn uid() -> u32 {
    rustix::process::getuid().as_raw()
}

/// Processes that are neither this one nor its parents inside the sandbox.
fn foreign_processes() -> io::Result<Value> {
    let mut foreign = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.parse::<u32>().is_err() {
            continue;
        }
        let command = std::fs::read_to_string(format!("/proc/{name}/cmdline")).unwrap_or_default();
        if !command.contains("argos-agent") && !command.contains("argos-exec") {
            foreign.push(format!("{name} {}", command.replace('\0', " ").trim()));
        }
    }
    if foreign.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            "only own processes are to be seen",
        ));
    }
    Ok(json!(foreign))
}
