//! What the hostile program finds outside: a home with a secret, an abstract socket,
//! a TCP listener, a victim process; and the spec that it runs under.

use std::io;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use argos_sandbox::{Access, Spec};

/// The test program, copied to a place that every user can reach.
pub(crate) struct Exe {
    folder: PathBuf,
}

impl Exe {
    pub(crate) fn program(&self) -> PathBuf {
        self.folder.join("hostile")
    }
}

impl Drop for Exe {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub(crate) fn publish_exe(own: &Path) -> io::Result<Exe> {
    let folder = std::env::temp_dir().join(format!("argos-sandbox-exe-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    let exe = Exe { folder };
    std::fs::set_permissions(&exe.folder, PermissionsExt::from_mode(0o755))?;
    std::fs::copy(own, exe.program())?;
    std::fs::copy(
        env!("CARGO_BIN_EXE_argos-sandbox"),
        exe.folder.join("argos-sandbox"),
    )?;
    for file in ["hostile", "argos-sandbox"] {
        std::fs::set_permissions(exe.folder.join(file), PermissionsExt::from_mode(0o755))?;
    }
    Ok(exe)
}

pub(crate) struct Fixture {
    pub(crate) folder: PathBuf,
    pub(crate) victim: Child,
    pub(crate) port: u16,
    pub(crate) abstract_name: String,
    // Kept open for the lifetime of the fixture.
    _abstract: UnixListener,
    _tcp: TcpListener,
}

impl Fixture {
    pub(crate) fn new() -> io::Result<Self> {
        let folder =
            std::env::temp_dir().join(format!("argos-sandbox-test-{}", std::process::id()));
        for name in ["home", "workspace", "readonly"] {
            std::fs::create_dir_all(folder.join(name))?;
        }
        std::fs::write(folder.join("home/secret"), "the secret")?;
        std::fs::write(folder.join("readonly/file"), "to read")?;
        std::fs::copy("/usr/bin/true", folder.join("workspace/program"))?;
        let abstract_name = format!("argos-sandbox-test-{}", std::process::id());
        let tcp = TcpListener::bind("127.0.0.1:0")?;
        Ok(Self {
            victim: Command::new("/usr/bin/sleep")
                .arg("600")
                .stdin(Stdio::null())
                .spawn()?,
            port: tcp.local_addr()?.port(),
            _abstract: UnixListener::bind_addr(&SocketAddr::from_abstract_name(&abstract_name)?)?,
            _tcp: tcp,
            abstract_name,
            folder,
        })
    }

    /// An agent with a workspace and a read-only folder, and the hostile program to run.
    pub(crate) fn spec(&self) -> Spec {
        let mut spec = Spec::agent()
            .bind(self.folder.join("workspace"), Access::Write)
            .bind(self.folder.join("readonly"), Access::Read)
            .bind(program(), Access::Execute);
        spec.keep_fds.clear();
        self.describe(&mut spec);
        spec
    }

    /// Tells the hostile program where things are.
    pub(crate) fn describe(&self, spec: &mut Spec) {
        spec.environment
            .insert("FOLDER".to_owned(), self.folder.display().to_string());
        spec.environment
            .insert("VICTIM".to_owned(), self.victim.id().to_string());
        spec.environment
            .insert("PORT".to_owned(), self.port.to_string());
        spec.environment
            .insert("ABSTRACT".to_owned(), self.abstract_name.clone());
    }

    /// The hostile program, inside.
    pub(crate) fn inside(&self, spec: &Spec, args: &[&str]) -> Command {
        let mut command = Command::new(sandbox());
        command
            .args(["run", &spec.to_json(), "--"])
            .arg(program())
            .args(args);
        command.stdin(Stdio::null());
        command
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = self.victim.kill();
        let _ = self.victim.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub(crate) fn program() -> PathBuf {
    std::env::current_exe().expect("a running program has a path")
}

pub(crate) fn sandbox() -> PathBuf {
    program()
        .parent()
        .unwrap_or(Path::new("/"))
        .join("argos-sandbox")
}
