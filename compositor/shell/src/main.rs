//! `argos-shell`: wallpaper, panel, launcher, chat, power menu, permissions page, settings and
//! notifications.
//! `argos-shell prompt`: the permission prompt, a process of its own.
//! `argos-shell lock`: locks the screen and unlocks it by password, a process of its own.
//! `argos-shell greeter`: logs people in, a process of its own.
//! `argos-shell portal`: dialogs that other programs ask for, a process of its own.
#![allow(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use argos_shell::accounts::Account;
use argos_shell::bus::shell::Shown;
use argos_shell::bus::{self, Notices};
use argos_shell::fonts;
use argos_shell::greeter::{self, Greeter};
use argos_shell::host::{self, Connection, probe};
use argos_shell::l10n;
use argos_shell::lock::{self, Locker};
use argos_shell::plugins::{self, Plugins};
use argos_shell::portal::{self, Portal};
use argos_shell::prompt::{self, Prompt};
use argos_shell::settings::Settings;
use argos_shell::shell::{Message, Shell};
use clap::{Parser, Subcommand};

/// The desktop shell.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// The permission prompt.
    Prompt,
    /// The locker: locks the screen, and unlocks it by the person's password.
    Lock,
    /// The greeter: logs people in. greetd starts it, by `argos-compositor --greeter`.
    Greeter {
        /// The line that starts the usual session, up to its words for `sh`.
        #[arg(long, value_name = "WORDS", default_value = "argos-session")]
        session: String,
        /// Where it is kept who was here last.
        #[arg(long, value_name = "FILE", default_value = greeter::STATE)]
        state: PathBuf,
    },
    /// Dialogs that other programs ask for: the back end of xdg-desktop-portal.
    Portal,
}

fn main() -> ExitCode {
    // SAFETY: the first thing this process does; there is no other thread yet.
    unsafe { fonts::only_ours() };
    let arguments = Arguments::parse();
    let level = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        tracing_subscriber::EnvFilter::new("info,wgpu=warn,naga=warn,zbus=warn")
    });
    tracing_subscriber::fmt()
        .with_env_filter(level)
        .with_writer(std::io::stderr)
        .without_time()
        .init();
    let settings = match &arguments.role {
        Some(Role::Greeter { .. }) => Settings::of_machine(),
        _ => Settings::load(),
    };
    l10n::speak_chosen(&settings.language);
    let ended = match arguments.role {
        None => shell(settings),
        Some(Role::Prompt) => permission_prompt(),
        Some(Role::Lock) => locker(),
        Some(Role::Greeter { session, state }) => greeter(settings, session, state),
        Some(Role::Portal) => portal(settings),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The supervisor starts it again; state that matters is on disk.
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn choice() -> probe::Choice {
    let wanted = std::env::var(probe::VARIABLE).ok();
    probe::choose(wanted.as_deref(), Path::new("/sys/class/drm"))
}

fn connection() -> Result<Connection, host::Error> {
    Connection::connect_to_env().map_err(|e| host::Error::Connect(e.to_string()))
}

fn shell(settings: Settings) -> Result<(), host::Error> {
    let connection = connection()?;
    fonts::load();
    let (inbox, messages) = calloop::channel::channel();
    let look = settings.look();
    let theme = look.theme();
    let seen = inbox.clone();
    let parts = Plugins::start(plugins::folders(), move |parts| {
        // The receiver is gone only when the program ends.
        let _ = seen.send(Message::Parts(parts));
    });
    let commands = bus::shell::start(
        Notices::new(inbox.clone(), Message::Bus),
        Shown {
            frames: theme.frame_colours(),
            look,
        },
        parts,
    );
    let program = Shell::new(settings, theme, commands, inbox);
    host::run(program, connection, choice(), messages)
}

fn permission_prompt() -> Result<(), host::Error> {
    let connection = prompt::PURPOSE.connect()?;
    fonts::load();
    let (inbox, messages) = calloop::channel::channel();
    let commands = bus::prompt::start(Notices::new(inbox, prompt::Message::Bus));
    host::run(Prompt::new(commands), connection, choice(), messages)
}

fn locker() -> Result<(), host::Error> {
    let connection = lock::PURPOSE.connect()?;
    fonts::load();
    let (inbox, messages) = calloop::channel::channel();
    host::run(
        Locker::new(Account::own(), inbox),
        connection,
        choice(),
        messages,
    )
}

fn greeter(settings: Settings, session: String, state: PathBuf) -> Result<(), host::Error> {
    let connection = connection()?;
    fonts::load();
    let (inbox, messages) = calloop::channel::channel();
    let program =
        Greeter::new(settings, vec![session], state, &inbox).map_err(host::Error::Greetd)?;
    host::run(program, connection, choice(), messages)
}

fn portal(settings: Settings) -> Result<(), host::Error> {
    let connection = connection()?;
    fonts::load();
    let look = settings.look();
    let (inbox, messages) = calloop::channel::channel();
    let events = inbox.clone();
    let events = bus::portal::Events::new(move |event| {
        // The receiver is gone only when the program ends.
        let _ = events.send(portal::Message::Bus(event));
    });
    let program = Portal::new(&look, inbox);
    bus::portal::start(events, look);
    host::run(program, connection, choice(), messages)
}
