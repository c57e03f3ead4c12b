//! `argos-compositor`: picks a back end, listens, runs.

use std::{path::PathBuf, time::Duration};

use anyhow::Context;
use argos_compositor::{
    State,
    backend::{Backend, drm, headless, nested},
    bus, notify, settings, state,
};
use clap::{Parser, ValueEnum};
use smithay::reexports::calloop::{EventLoop, channel};

/// The desktop's compositor.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Where to draw. Without it: in a window if WAYLAND_DISPLAY or DISPLAY name a desktop that is
    /// not ours, else on the screen.
    #[arg(long, value_enum)]
    backend: Option<Place>,
    /// Name of the socket for clients, in $XDG_RUNTIME_DIR.
    #[arg(long, default_value = "wayland-0")]
    socket: String,
    /// A second socket, mode 0600, for the processes that ask for permissions and that unlock the
    /// screen; a relative path is taken from $XDG_RUNTIME_DIR.
    #[arg(long)]
    private_socket: Option<PathBuf>,
    /// Show nothing but this program, which has the screen locked, and end when it ends: a greeter. It comes
    /// last on the line, with its arguments.
    #[arg(
        long,
        value_name = "PROGRAM",
        num_args = 1..,
        allow_hyphen_values = true,
        conflicts_with_all = ["socket", "private_socket"]
    )]
    greeter: Option<Vec<String>>,
    /// Settings to use instead of the usual files.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Say what is wrong with the settings, and do nothing else. Fails if something is.
    #[arg(long)]
    check: bool,
    /// Seconds to wait for the seat and for a graphics device to appear.
    #[arg(long, default_value_t = 10)]
    patience: u64,
    /// Size of the headless output.
    #[arg(long, default_value = "1280x800", value_parser = size)]
    size: (i32, i32),
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Place {
    /// The screen of this machine.
    Drm,
    /// A window on another desktop.
    Nested,
    /// Nowhere: memory.
    Headless,
}

fn size(text: &str) -> Result<(i32, i32), String> {
    let parsed = text
        .split_once('x')
        .and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    parsed
        .filter(|(w, h)| (1..=16384).contains(w) && (1..=16384).contains(h))
        .ok_or_else(|| format!("`{text}` is not a size; write it as 1280x800"))
}

fn main() -> anyhow::Result<()> {
    // Smithay warns of things that are as they should be, as that a seat owns the device.
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| "info,smithay=error".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .without_time()
        .init();
    let options = Options::parse();
    if options.check {
        return check(&options);
    }
    run(&options)
}

fn check(options: &Options) -> anyhow::Result<()> {
    let mistakes = settings::check(options.config.as_deref());
    for mistake in &mistakes {
        println!("{mistake}");
    }
    anyhow::ensure!(mistakes.is_empty(), "the settings have mistakes");
    Ok(())
}

fn run(options: &Options) -> anyhow::Result<()> {
    match &options.greeter {
        Some(command) => check_greeter(command)?,
        None => drop(runtime_folder()?),
    }
    let loaded = settings::load(options.config.as_deref());
    let config = loaded.config.clone();
    let mut event_loop: EventLoop<'static, State> =
        EventLoop::try_new().context("no event loop")?;
    // A greeter is nobody's session: there is no bus for it.
    let (link, requests) = match options.greeter {
        Some(_) => (bus::Link::detached().0, None),
        None => {
            let started = bus::Link::start();
            let (link, requests) = started.context("the thread for D-Bus could not be started")?;
            (link, Some(requests))
        }
    };

    let mut state = match options.backend.unwrap_or_else(|| guess(&options.socket)) {
        Place::Drm => {
            let patience = Duration::from_secs(options.patience);
            let (backend, sources) = drm::Drm::open(patience, &config.cards.leave_out)?;
            let backend = drm::DrmHandle::new(backend);
            let mut state = State::new(&event_loop, config, Box::new(backend.clone()), link)?;
            drm::start(&event_loop, &mut state, sources, &backend)?;
            state
        }
        Place::Nested => {
            let (mut backend, events) = nested::Nested::open()?;
            let (formats, mode) = backend.abilities();
            let mut state = State::new(&event_loop, config, Box::new(backend), link)?;
            nested::offer_formats(&mut state, formats);
            nested::start(&event_loop, &mut state, events, mode)?;
            state
        }
        Place::Headless => {
            let backend: Box<dyn Backend> = Box::new(headless::Headless::paced()?);
            let mut state = State::new(&event_loop, config, backend, link)?;
            headless::add_output(&mut state, "headless", options.size.0, options.size.1);
            state
        }
    };

    if let Some(requests) = requests {
        event_loop
            .handle()
            .insert_source(requests, |event, (), state| {
                if let channel::Event::Msg(request) = event {
                    state.bus_request(request);
                }
            })
            .map_err(|error| anyhow::anyhow!("the loop takes no D-Bus requests: {error}"))?;
    }
    let signals = {
        use calloop::signals::{Signal, Signals};
        Signals::new(&[Signal::SIGTERM, Signal::SIGINT]).context("signals cannot be watched")?
    };
    event_loop
        .handle()
        .insert_source(signals, |event, (), state| {
            tracing::info!("{:?}: ending", event.signal());
            state.stop();
        })
        .map_err(|error| anyhow::anyhow!("the loop takes no signals: {error}"))?;

    state.watch_settings(&loaded, options.config.clone())?;
    match &options.greeter {
        Some(command) => state.greet(command)?,
        None => serve(options, &mut state)?,
    }
    state.settle();
    notify::ready();
    state::run(&mut event_loop, &mut state)?;
    Ok(())
}

/// All that follows `--greeter` is the greeter's: an option of ours there would be taken for its program.
fn check_greeter(command: &[String]) -> anyhow::Result<()> {
    let program = command.first().map_or("", String::as_str);
    anyhow::ensure!(
        !program.is_empty() && !program.starts_with('-'),
        "--greeter: `{program}` is no program; the compositor's own options go before --greeter, and the program \
         with its arguments comes last: argos-compositor --backend drm --greeter argos-shell greeter"
    );
    Ok(())
}

fn runtime_folder() -> anyhow::Result<PathBuf> {
    std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).context(
        "XDG_RUNTIME_DIR is not set; the session sets it, or try XDG_RUNTIME_DIR=/run/user/$(id -u)",
    )
}

/// Lets clients in.
fn serve(options: &Options, state: &mut State) -> anyhow::Result<()> {
    if let Some(path) = &options.private_socket {
        let path = runtime_folder()?.join(path);
        let mark = path.with_file_name("locked");
        state.listen_private(path)?;
        state.allow_lock(argos_compositor::start_locker, mark);
    }
    state.listen(&options.socket)?;
    state.allow_x11();
    Ok(())
}

/// A desktop around us means a window; our own name there means that it is the unit's environment,
/// which names the socket that we are going to make.
fn guess(socket: &str) -> Place {
    let other =
        std::env::var("WAYLAND_DISPLAY").is_ok_and(|name| !name.is_empty() && name != socket);
    if other || std::env::var("DISPLAY").is_ok_and(|name| !name.is_empty()) {
        Place::Nested
    } else {
        Place::Drm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeter_needs_a_program_behind_all_that_is_the_compositors() {
        let parse = |line: &[&str]| {
            let line = ["argos-compositor"].iter().chain(line);
            Options::try_parse_from(line).map(|options| options.greeter.unwrap())
        };
        let command = parse(&["--backend", "drm", "--greeter", "shell", "--state", "x"]).unwrap();
        assert_eq!(command, ["shell", "--state", "x"]);
        check_greeter(&command).unwrap();
        let missing = parse(&["--greeter"]).unwrap_err().to_string();
        assert!(missing.contains("--greeter <PROGRAM>"), "{missing}");
        for wrong in [&["--greeter", "--backend", "drm"][..], &["--greeter", ""]] {
            let wrong = check_greeter(&parse(wrong).unwrap());
            let wrong = wrong.unwrap_err().to_string();
            assert!(wrong.contains("before --greeter"), "{wrong}");
        }
        let both = parse(&["--private-socket", "p", "--greeter", "shell"]);
        assert!(both.is_err());
    }
}
