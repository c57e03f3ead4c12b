//! `argos-screencast`: gives what outputs and windows show to PipeWire, as one stream each.
//!
//! The portal (`argos-shell portal`) starts one for each session, so that only this program needs libpipewire and a
//! fault in it ends nothing else. It knows nothing of D-Bus and asks nobody: whoever may start it on the
//! compositor's socket may copy the screen by itself.
//!
//! # What it says and hears
//!
//! A line on its output each, in any order of the numbers, which count the sources from 0:
//!
//! | line | says |
//! |---|---|
//! | `stream NUMBER NODE WIDTH HEIGHT` | PipeWire has the stream, under this node, of so many pixels |
//! | `ended NUMBER` | the output or window is gone, and its stream with it |
//!
//! It ends when its input ends, when no stream is left, and with status 1 and the reason on its error output when it
//! cannot go on.
//!
//! # A frame's way
//!
//! [`source`] is the client of `ext-image-copy-capture-v1`, [`stream`] the producer of PipeWire, [`format`] what is
//! agreed on there. A buffer is memory that this program made ([`stream::Memory`]); the compositor writes into it and
//! the consumer reads it, so a frame is copied once. A frame is asked for when a consumer takes frames, a buffer is
//! free and as much time has passed as the consumer wants; the compositor answers when something changed. While
//! nothing changes and while nobody looks, nothing is done.

mod cast;
mod format;
mod source;
mod stream;

use std::io::Write;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::{Parser, ValueEnum};
use pipewire::loop_::Timeout;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use wayland_client::backend::WaylandError;
use wayland_client::globals::registry_queue_init;
use wayland_client::{Connection, EventQueue};

use cast::Cast;
use source::{Desk, Wanted};
use stream::PipeWire;

/// The most sources of one session.
const MOST: usize = 16;
/// How long PipeWire may take to answer.
const PATIENCE: Duration = Duration::from_secs(8);

/// Gives what outputs and windows show to PipeWire, until its input ends.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// An output by its name, as `output:DP-1`, or a window by its identifier of `ext-foreign-toplevel-list-v1`, as
    /// `window:IDENTIFIER`.
    #[arg(required = true, value_name = "SOURCE")]
    sources: Vec<Wanted>,
    /// Whether the pointer is in the frames.
    #[arg(long, value_enum, default_value_t = Pointer::Hidden)]
    pointer: Pointer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Pointer {
    /// It is not.
    Hidden,
    /// It is.
    Embedded,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let level = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(level)
        .with_writer(std::io::stderr)
        .without_time()
        .init();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.sources.len() > MOST {
        bail!(
            "{} sources are wanted; the most is {MOST}",
            arguments.sources.len()
        );
    }
    let connection = Connection::connect_to_env().context("the compositor cannot be reached")?;
    let (globals, mut queue) =
        registry_queue_init::<Desk>(&connection).context("the compositor cannot be reached")?;
    let mut desk = Desk::new(&globals, &queue.handle())?;
    // Names of outputs and windows come after the globals.
    for _ in 0..2 {
        queue
            .roundtrip(&mut desk)
            .context("the compositor does not answer")?;
    }
    let pipewire = PipeWire::connect()?;
    let pointer = arguments.pointer == Pointer::Embedded;
    let mut casts = Vec::new();
    for wanted in &arguments.sources {
        casts.push(Cast::new(wanted, pointer, &mut desk, &queue.handle())?);
    }
    let begun = Instant::now();
    loop {
        let now = Instant::now();
        let mut due: Option<Instant> = None;
        for (number, cast) in casts.iter_mut().enumerate() {
            let next = cast.turn(&mut desk, &pipewire, &queue.handle(), now)?;
            due = due.into_iter().chain(next).min();
            for line in cast.news(number) {
                say(&line)?;
            }
        }
        if casts.iter().all(Cast::is_over) {
            return Ok(());
        }
        if let Some(why) = pipewire.lost() {
            bail!("PipeWire is gone: {why}");
        }
        if casts.iter().any(|cast| !cast.is_known()) {
            let end = begun + PATIENCE;
            if now >= end {
                bail!(
                    "PipeWire has not taken the streams within {} seconds; is it well?",
                    PATIENCE.as_secs()
                );
            }
            due = due.into_iter().chain([end]).min();
        }
        let pause = due.map(|due| due.saturating_duration_since(now));
        if wait(&mut queue, &mut desk, &pipewire, pause)? == Heard::End {
            return Ok(());
        }
    }
}

/// Tells the portal something.
fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .context("nobody hears what the streams are")
}

#[derive(Debug, PartialEq, Eq)]
enum Heard {
    /// Of what goes on.
    Something,
    /// That the session is over.
    End,
}

/// Waits for the compositor, PipeWire or the portal, or for so long, and takes in what they say.
fn wait(
    queue: &mut EventQueue<Desk>,
    desk: &mut Desk,
    pipewire: &PipeWire,
    pause: Option<Duration>,
) -> anyhow::Result<Heard> {
    const GONE: &str = "the compositor is gone";
    match queue.flush() {
        Err(WaylandError::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {}
        flushed => flushed.context(GONE)?,
    }
    let Some(reading) = queue.prepare_read() else {
        queue.dispatch_pending(desk).context(GONE)?;
        return Ok(Heard::Something);
    };
    let stdin = std::io::stdin();
    let [wayland, own, portal] = {
        let compositor = reading.connection_fd();
        let mut ends = [
            PollFd::from_borrowed_fd(compositor, PollFlags::IN),
            PollFd::from_borrowed_fd(pipewire.descriptor(), PollFlags::IN),
            PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN),
        ];
        let pause = pause.map(|pause| Timespec {
            tv_sec: pause.as_secs() as i64,
            tv_nsec: pause.subsec_nanos().into(),
        });
        match poll(&mut ends, pause.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("waiting fails"),
        }
        ends.map(|end| !end.revents().is_empty())
    };
    if wayland {
        match reading.read() {
            Err(WaylandError::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            read => read.map(drop).context(GONE)?,
        }
    } else {
        drop(reading);
    }
    queue.dispatch_pending(desk).context(GONE)?;
    if own {
        pipewire.turn(Timeout::None);
    }
    if portal {
        // What is said there means nothing yet, except for its end.
        let mut said = [0; 256];
        match rustix::io::read(stdin.as_fd(), &mut said) {
            Ok(0) | Err(Errno::IO | Errno::BADF) => return Ok(Heard::End),
            Ok(_) | Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(error).context("the portal cannot be heard"),
        }
    }
    Ok(Heard::Something)
}
