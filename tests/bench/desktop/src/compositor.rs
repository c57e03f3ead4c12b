//! The compositors, each without a screen, drawing with pixman into one output of 1280 by 720 pixels.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::client::title;

/// How long one may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many windows there are. They lie side by side, where the compositor can be told that.
pub(crate) const CLIENTS: usize = 10;

/// Rules for the places of all windows, each made of its title, x and y.
fn places(rule: impl Fn(&str, usize, usize) -> String) -> String {
    (0..CLIENTS)
        .map(|number| rule(&title(number), 8 + number % 4 * 316, 8 + number / 4 * 236))
        .collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Argos,
    Sway,
    Labwc,
    Weston,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Argos, Self::Sway, Self::Labwc, Self::Weston];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Argos => "argos",
            Self::Sway => "sway",
            Self::Labwc => "labwc",
            Self::Weston => "weston",
        }
    }

    /// Whether a client can type and see the screen by the protocols of wlroots.
    pub(crate) fn can_be_watched(self) -> bool {
        self != Self::Weston
    }
}

/// One that runs.
#[derive(Debug)]
pub(crate) struct Compositor {
    child: Child,
    /// What it found when it started: its socket is going to be here.
    folder: tempfile::TempDir,
    /// When it was started.
    pub(crate) started: Instant,
}

impl Drop for Compositor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Compositor {
    pub(crate) fn start(kind: Kind) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700))?;
        let own = std::env::current_exe()?.with_file_name("argos-compositor");
        let write = |name: &str, text: &str| -> Result<PathBuf> {
            let path = folder.path().join(name);
            fs::write(&path, text)?;
            Ok(path)
        };
        let mut command = match kind {
            Kind::Argos => {
                let rule = |title: &str, x: usize, y: usize| {
                    format!("- {{match: {{title: {title}}}, set: {{position: [{x}, {y}]}}}}\n")
                };
                let config = write("argos.yaml", &format!("rules:\n{}", places(rule)))?;
                let mut command = Command::new(own);
                command
                    .args(["--backend", "headless", "--size", "1280x720", "--config"])
                    .arg(config);
                command
            }
            Kind::Sway => {
                let rule = |title: &str, x: usize, y: usize| {
                    format!(
                        "for_window [title=\"{title}\"] floating enable, move position {x} {y}\n"
                    )
                };
                let config = write("sway", &places(rule))?;
                let mut command = Command::new("sway");
                command.arg("--config").arg(config);
                command
            }
            Kind::Labwc => {
                let rule = |title: &str, x: usize, y: usize| {
                    format!(
                        "<windowRule title=\"{title}\"><action name=\"MoveTo\" x=\"{x}\" y=\"{y}\"/></windowRule>\n"
                    )
                };
                let rules = places(rule);
                let text = format!(
                    "<labwc_config>\n<windowRules>\n{rules}</windowRules>\n</labwc_config>\n"
                );
                write("rc.xml", &text)?;
                let mut command = Command::new("labwc");
                command.arg("--config-dir").arg(folder.path());
                command
            }
            Kind::Weston => {
                let text = "[shell]\nstartup-animation=none\npanel-position=none\nanimation=none\n";
                let config = write("weston.ini", text)?;
                let mut command = Command::new("weston");
                command
                    .arg(format!("--config={}", config.display()))
                    .args(["--backend=headless", "--renderer=pixman", "--idle-time=0"])
                    .args(["--width=1280", "--height=720", "--refresh-rate=60000"]);
                command
            }
        };
        let log = fs::File::create(folder.path().join("log"))?;
        let started = Instant::now();
        let child = command
            .env("XDG_RUNTIME_DIR", folder.path())
            .env("HOME", folder.path())
            .env("WLR_BACKENDS", "headless")
            .env("WLR_RENDERER", "pixman")
            .env("WLR_LIBINPUT_NO_DEVICES", "1")
            .env("ARGOS_RENDERER", "pixman")
            .env("RUST_LOG", "error")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| kind.name())?;
        Ok(Self {
            child,
            folder,
            started,
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its socket's path, once there is one.
    fn socket(&self) -> Option<PathBuf> {
        let names = fs::read_dir(self.folder.path()).ok()?;
        names
            .filter_map(|name| Some(name.ok()?.path()))
            .find(|path| {
                let name = path.file_name().and_then(|name| name.to_str());
                name.is_some_and(|name| name.starts_with("wayland-") && !name.ends_with(".lock"))
            })
    }

    /// A connection, as soon as it takes one.
    pub(crate) fn connect(&mut self) -> Result<UnixStream> {
        loop {
            if let Some(stream) = self
                .socket()
                .and_then(|path| UnixStream::connect(path).ok())
            {
                return Ok(stream);
            }
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            if let Some(status) = self.child.try_wait()? {
                bail!("the compositor ended with {status}:\n{}", log());
            }
            if self.started.elapsed() > PATIENCE {
                bail!("the compositor does not listen:\n{}", log());
            }
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// What it said last.
    pub(crate) fn last_words(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }

    /// Opens a connection from another thread.
    pub(crate) fn door(&self) -> Option<PathBuf> {
        self.socket()
    }
}
