//! A spec in plain words, for the person who decides whether to run something.

use crate::spec::{Access, Proc, Profile, Spec};

impl Spec {
    /// What a process with this spec may and may not do, one plain sentence a line.
    #[must_use]
    pub fn explain(&self) -> Vec<String> {
        let mut lines = Vec::new();
        match &self.root {
            Some(root) => {
                if root.binds.is_empty() {
                    lines.push("It sees no file of this machine.".to_owned());
                }
                for bind in &root.binds {
                    let mut line =
                        format!("It may {} {}", verb(bind.access), bind.source.display());
                    if bind.target() != bind.source {
                        line.push_str(&format!(", which it sees as {}", bind.target().display()));
                    }
                    line.push('.');
                    lines.push(line);
                }
                if root.binds.iter().any(|bind| bind.access == Access::Write) {
                    lines.push(
                        "What it may change it cannot run, and a git repository at the top of it \
                         stays as it is."
                            .to_owned(),
                    );
                }
                for tmpfs in &root.tmpfs {
                    lines.push(format!(
                        "It may keep up to {} MiB in {}, gone when it ends.",
                        tmpfs.size_bytes >> 20,
                        tmpfs.path.display()
                    ));
                }
                lines.push(match root.proc {
                    Proc::None => "It has no /proc.".to_owned(),
                    Proc::Processes => "In /proc it sees its own processes only.".to_owned(),
                    Proc::Full => {
                        "In /proc it sees its own processes and facts on the machine.".to_owned()
                    }
                });
            }
            None => {
                for rule in &self.landlock.paths {
                    lines.push(format!(
                        "It may {} {}.",
                        verb(rule.access),
                        rule.path.display()
                    ));
                }
                lines.push("All other files are out of its reach.".to_owned());
            }
        }
        lines.push(match (self.namespaces.net, self.profile) {
            (true, _) => "It has no network.".to_owned(),
            (false, Profile::Service) => format!(
                "It has the machine's network; by TCP it may connect to {} and listen on {}.",
                ports(&self.landlock.connect_tcp),
                ports(&self.landlock.bind_tcp)
            ),
            (false, _) => "It may create no network socket.".to_owned(),
        });
        lines.push(if self.namespaces.pid {
            "It sees and signals no process but its own.".to_owned()
        } else {
            "It sees the machine's processes, and signals none but its own.".to_owned()
        });
        if !self.keep_fds.is_empty() {
            let fds: Vec<String> = self.keep_fds.iter().map(ToString::to_string).collect();
            lines.push(format!(
                "It is handed the open descriptors {}.",
                fds.join(", ")
            ));
        }
        lines.push(format!(
            "Its system calls are those of the profile `{}`; it can gain no privilege.",
            self.profile.name()
        ));
        lines.push(format!(
            "The kernel must have Landlock ABI {} or it does not start.",
            self.landlock.minimum
        ));
        lines
    }
}

fn verb(access: Access) -> &'static str {
    match access {
        Access::Read => "read",
        Access::Execute => "read and run",
        Access::Write => "read and change",
    }
}

fn ports(ports: &[u16]) -> String {
    if ports.is_empty() {
        return "no port".to_owned();
    }
    let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
    format!("port {}", ports.join(", "))
}
