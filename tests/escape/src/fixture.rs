//! What the hostile program finds outside: a home with a secret, repositories, sockets, servers, a
//! victim; and the specs that it runs under.

use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use argos_sandbox::{Access, Landlock, Namespaces, PathRule, Profile, Spec};

use crate::case::{Case, Handed, Wall};
use crate::ground::HANDED;

/// Sockets of the desktop that the fixture listens on, beneath `home/run`.
const SOCKETS: [&str; 6] = [
    "bus",
    "system_bus_socket",
    "wayland-0",
    "argos/control",
    "argos/ai",
    "other",
];
/// The largest file inside, in bytes.
const FILE_SIZE: u64 = 2 << 20;

/// Set where an ordinary user stands in for root.
const FOR_ROOT: &str = "FOR_ROOT";

/// Makes this process, which is root's, an ordinary user's, who can be root again in a child. The sandboxes
/// are entered by root then, who becomes that user in them, and have no user namespace.
pub(crate) fn stand_in_for_root(user: u32) -> io::Result<()> {
    use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
    let (uid, gid) = (
        rustix::fs::Uid::from_raw(user),
        rustix::fs::Gid::from_raw(user),
    );
    set_thread_groups(&[gid])?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, rustix::fs::Uid::ROOT)?;
    // SAFETY: the process has one thread.
    unsafe { std::env::set_var(FOR_ROOT, "1") };
    Ok(())
}

pub(crate) fn for_root() -> bool {
    std::env::var_os(FOR_ROOT).is_some()
}

/// The hostile program, copied to where every user can run it, and again with set-user-id bits.
#[derive(Debug)]
pub(crate) struct Published {
    folder: PathBuf,
}

impl Published {
    /// As root it also makes a copy that belongs to root and one that belongs to nobody.
    pub(crate) fn new(own: &Path) -> io::Result<Self> {
        let name = format!("argos-escape-{}", std::process::id());
        let place = ["/tmp", "/var/tmp", "/run"]
            .into_iter()
            .find(|place| {
                use rustix::fs::StatVfsMountFlags as Flags;
                rustix::fs::statvfs(*place).is_ok_and(|about| {
                    !about
                        .f_flag
                        .intersects(Flags::NOSUID | Flags::NOEXEC | Flags::RDONLY)
                })
            })
            .unwrap_or("/tmp");
        let published = Self {
            folder: Path::new(place).join(name),
        };
        std::fs::create_dir(&published.folder)?;
        std::fs::set_permissions(&published.folder, PermissionsExt::from_mode(0o755))?;
        let mut copies = vec![("hostile", None, 0o755)];
        if rustix::process::getuid().is_root() {
            copies.push(("of-root", Some(0), 0o4755));
            copies.push(("of-nobody", Some(65534), 0o4755));
        }
        for (name, owner, mode) in copies {
            let to = published.folder.join(name);
            std::fs::copy(own, &to)?;
            if let Some(owner) = owner {
                std::os::unix::fs::chown(&to, Some(owner), Some(owner))?;
            }
            std::fs::set_permissions(&to, PermissionsExt::from_mode(mode))?;
        }
        Ok(published)
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.folder.join("hostile")
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[derive(Debug)]
pub(crate) struct Fixture {
    pub(crate) folder: PathBuf,
    pub(crate) victim: Child,
    program: PathBuf,
    tcp_port: u16,
    udp_port: u16,
    abstract_name: String,
    // Kept open for the lifetime of the fixture.
    _sockets: Vec<UnixListener>,
    _datagrams: [UnixDatagram; 2],
    _tcp: TcpListener,
}

impl Fixture {
    pub(crate) fn new() -> io::Result<Self> {
        let name = format!("argos-escape-fixture-{}", std::process::id());
        let folder = std::env::temp_dir().join(&name);
        for name in [
            "home/run/argos",
            "home/.local/share/applications",
            "home/.local/share/argos/agents",
            "workspace/swap",
            "workspace/one",
            "readonly/two",
            "repository/.git/hooks",
            "tree",
        ] {
            std::fs::create_dir_all(folder.join(name))?;
        }
        for (name, text) in [
            ("home/secret", "the secret"),
            ("readonly/file", "to read"),
            ("workspace/script", "#!/bin/true\n"),
            ("repository/.git/config", "[core]\n"),
            ("repository/.git/HEAD", "ref: refs/heads/main\n"),
            ("tree/.git", "gitdir: ../repository/.git\n"),
        ] {
            std::fs::write(folder.join(name), text)?;
        }
        for name in ["workspace/program", "workspace/script"] {
            if name.ends_with("program") {
                std::fs::copy("/usr/bin/true", folder.join(name))?;
            }
            std::fs::set_permissions(folder.join(name), PermissionsExt::from_mode(0o755))?;
        }
        symlink(folder.join("home/secret"), folder.join("workspace/link"))?;
        symlink(folder.join("home"), folder.join("workspace/to-home"))?;
        let mut sockets = SOCKETS
            .iter()
            .map(|name| UnixListener::bind(folder.join("home/run").join(name)))
            .collect::<io::Result<Vec<_>>>()?;
        sockets.push(UnixListener::bind_addr(&SocketAddr::from_abstract_name(
            &name,
        )?)?);
        let datagram = SocketAddr::from_abstract_name(format!("{name}-datagram"))?;
        let datagrams = [
            UnixDatagram::bind_addr(&datagram)?,
            UnixDatagram::bind(folder.join("home/run/log"))?,
        ];
        let tcp = TcpListener::bind("127.0.0.1:0")?;
        let udp = UdpSocket::bind("127.0.0.1:0")?;
        let program = std::env::current_exe()?;
        let fixture = Self {
            victim: Command::new(&program)
                .arg("victim")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .spawn()?,
            tcp_port: tcp.local_addr()?.port(),
            udp_port: udp.local_addr()?.port(),
            program,
            abstract_name: name,
            folder,
            _sockets: sockets,
            _datagrams: datagrams,
            _tcp: tcp,
        };
        // Answers whatever it is asked; ends with the process.
        std::thread::spawn(move || {
            let mut question = [0; 512];
            while let Ok((_, from)) = udp.recv_from(&mut question) {
                let _ = udp.send_to(b"answer", from);
            }
        });
        Ok(fixture)
    }

    /// Where things are, for the hostile program.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let other = if rustix::process::getuid().is_root() {
            "of-nobody"
        } else {
            "of-root"
        };
        [
            ("FOLDER", self.folder.display().to_string()),
            ("VICTIM", self.victim.id().to_string()),
            ("PORT", self.tcp_port.to_string()),
            ("UDP_PORT", self.udp_port.to_string()),
            ("ABSTRACT", self.abstract_name.clone()),
            ("SETUID", self.beside(other).display().to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.program.with_file_name(name)
    }

    fn spec(&self, case: &Case) -> Spec {
        let mut spec = match case.wall {
            Wall::Agent => {
                let mut spec = Spec::agent();
                for (name, access) in [
                    ("workspace", Access::Write),
                    ("repository", Access::Write),
                    ("tree", Access::Write),
                    ("readonly", Access::Read),
                ] {
                    spec = spec.bind(self.folder.join(name), access);
                }
                spec
            }
            Wall::Worker => Spec::worker(),
            Wall::Landlock => self.landlock_alone(),
        };
        if case.wall != Wall::Landlock {
            for name in ["hostile", "of-root", "of-nobody"] {
                if self.beside(name).exists() {
                    spec = spec.bind(self.beside(name), Access::Execute);
                }
            }
        }
        spec.limits.file_size_bytes = Some(FILE_SIZE);
        spec.keep_fds = match case.handed {
            Handed::Nothing | Handed::Secret | Handed::Terminal => Vec::new(),
            Handed::Ring | Handed::Pidfd | Handed::Accomplice => vec![HANDED],
        };
        spec.environment.extend(self.environment());
        spec
    }

    fn landlock_alone(&self) -> Spec {
        let paths = [
            (PathBuf::from("/usr"), Access::Execute),
            (PathBuf::from("/proc"), Access::Read),
            (PathBuf::from("/dev/null"), Access::Write),
            (self.program.clone(), Access::Execute),
            (self.folder.join("readonly"), Access::Read),
            (self.folder.join("workspace"), Access::Write),
        ];
        Spec {
            namespaces: Namespaces::none(),
            root: None,
            profile: Profile::Service,
            landlock: Landlock {
                paths: paths
                    .into_iter()
                    .map(|(path, access)| PathRule { path, access })
                    .collect(),
                ..Landlock::default()
            },
            ..Spec::default()
        }
    }

    /// The hostile program outside, doing this.
    pub(crate) fn outside(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(words)
            .envs(self.environment())
            .env("OUTSIDE", "1")
            .env("SECRET", "the secret")
            .stdin(Stdio::null());
        command
    }

    /// The hostile program inside, doing this.
    pub(crate) fn inside(&self, case: &Case, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        let mut spec = self.spec(case);
        let as_another = for_root() && case.wall != Wall::Landlock;
        if as_another {
            spec.namespaces.user = false;
            if case.wall == Wall::Worker {
                // Its few would be counted together with the suite's and what has yet to end.
                spec.limits.processes = None;
            }
            let root = rustix::fs::Uid::ROOT;
            // SAFETY: a plain system call.
            unsafe {
                command.pre_exec(move || Ok(rustix::thread::set_thread_res_uid(root, root, root)?));
            }
        }
        command
            .arg(if as_another {
                "enter-as-another"
            } else {
                "enter"
            })
            .arg(spec.to_json())
            .arg(&self.program)
            .args(words)
            .env("SECRET", "the secret")
            .stdin(Stdio::null());
        command
    }

    /// Puts back what an attempt may have changed.
    pub(crate) fn tidy(&self) {
        let at = |name: &str| self.folder.join(name);
        for (from, to) in [
            ("home/program", "workspace/program"),
            ("readonly/program", "workspace/program"),
            ("repository/old", "repository/.git"),
        ] {
            let _ = std::fs::rename(at(from), at(to));
        }
        // The race leaves the two either way round.
        if at("workspace/swap").is_symlink() {
            let _ = std::fs::rename(at("workspace/to-home"), at("workspace/other"));
            let _ = std::fs::rename(at("workspace/swap"), at("workspace/to-home"));
            let _ = std::fs::rename(at("workspace/other"), at("workspace/swap"));
        }
        for name in [
            "home/new",
            "home/.bash_profile",
            "home/.local/share/applications/evil.desktop",
            "home/.local/share/argos/agents/evil.yaml",
            "home/run/fake",
            "readonly/config.yaml",
            "repository/.git/hooks/post-checkout",
            "repository/.git/commondir",
            "workspace/hard",
            "workspace/made",
            "workspace/node",
            "/dev/shm/argos-escape",
        ] {
            let _ = std::fs::remove_file(at(name));
        }
        let _ = std::fs::write(at("readonly/file"), "to read");
        let _ = std::fs::write(at("tree/.git"), "gitdir: ../repository/.git\n");
        let _ = std::os::unix::fs::chown(
            at("workspace/program"),
            Some(rustix::process::getuid().as_raw()),
            Some(rustix::process::getgid().as_raw()),
        );
        let mode = PermissionsExt::from_mode(0o755);
        let _ = std::fs::set_permissions(at("workspace/program"), mode);
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = self.victim.kill();
        let _ = self.victim.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
