//! `org.argos.Compositor1` on the session bus.
//!
//! The bus has a thread and a tokio runtime of its own, so that it can never hold up a frame. It
//! sees the compositor only as a [`Snapshot`] that is replaced when something changed, and asks
//! for things by [`Request`]s through a channel of the compositor's loop. Without a bus the
//! compositor works as before; the thread waits until there is one ([`crate::bus_socket`]).

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use argos_bus::{
    Error, Result,
    compositor::{Capture, FrameColours, KeyLatency, Output, OutputMode, OutputWish, Window},
};
use smithay::reexports::calloop::channel as calloop;
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    bus_socket::Awaited,
    config::{Colour, Look},
    layout::WindowId,
    night::{NEUTRAL, WARMEST},
    render::Picture,
    sleep,
    state::State,
    zoom::LARGEST,
};

const NAME: &str = "org.argos.Compositor1";
const PATH: &str = "/org/argos/Compositor1";
/// Who may be given a picture of the screen.
const BROKER: &str = "org.argos.Broker1";
/// How long outputs may be on trial, in seconds.
const TRIAL: RangeInclusive<u32> = 5..=60;
/// How many requests for the shell wait while there is no bus; more are dropped.
const WAITING: usize = 8;

/// What the bus shows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Snapshot {
    /// Most recently used first.
    pub windows: Vec<Window>,
    /// From 1.
    pub active: u32,
    /// How many.
    pub workspaces: u32,
    /// `pixman` or `gles`.
    pub renderer: &'static str,
    /// Whether the session is locked.
    pub locked: bool,
    /// Whether the colours are warmer.
    pub night_light: bool,
    /// The temperature of white while they are, in kelvins.
    pub night_temperature: u32,
    /// How many times larger the screen is shown.
    pub zoom: f64,
    /// Whether the person wants less motion.
    pub reduced_motion: bool,
    /// Those that are on, in the order in which they came.
    pub outputs: Vec<Output>,
    /// Whether the session is to be locked before the machine sleeps.
    pub lock_before_sleep: bool,
}

/// What the compositor wants of others on the system bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The machine is to sleep.
    Suspend,
}

/// What somebody on the bus asks for; the answer is whether what was named exists.
#[derive(Debug)]
pub enum Request {
    /// Brings a window to the front.
    Focus(u64, oneshot::Sender<bool>),
    /// Asks a window to close.
    Close(u64, oneshot::Sender<bool>),
    /// Shows a workspace, from 1.
    Workspace(u32, oneshot::Sender<bool>),
    /// Draws frames in other colours.
    Frames(Box<Look>, oneshot::Sender<bool>),
    /// Warmer colours or none, of this temperature or that of the settings.
    NightLight(bool, Option<u32>, oneshot::Sender<bool>),
    /// Shows the screen so many times larger.
    Zoom(f64, oneshot::Sender<bool>),
    /// The output under the pointer; nothing if there is none at all.
    ActiveOutput(oneshot::Sender<Option<String>>),
    /// How protocols call a window; nothing if there is none of that number.
    WindowHandle(u64, oneshot::Sender<Option<String>>),
    /// The modes of an output; nothing if there is none of that name.
    Modes(String, oneshot::Sender<Option<Vec<OutputMode>>>),
    /// Tries outputs otherwise for so long.
    TryOutputs(Vec<OutputWish>, Duration, oneshot::Sender<Result<()>>),
    /// Keeps what is on trial, or takes it back.
    EndTrial(bool, oneshot::Sender<bool>),
    /// Begins or ends to measure keys; what was measured.
    MeasureKeys(bool, oneshot::Sender<Vec<KeyLatency>>),
    /// Locks the session.
    Lock(oneshot::Sender<Result<()>>),
    /// Draws a window, or for 0 an output, into memory.
    Capture(u64, oneshot::Sender<Result<Picture>>),
}

/// The compositor's end.
#[derive(Debug)]
pub struct Link {
    snapshot: watch::Sender<Snapshot>,
    shell: mpsc::Sender<String>,
    orders: mpsc::Sender<Order>,
}

impl Link {
    /// A link that leads nowhere; what is asked of the shell and of the system can be read from the
    /// receivers.
    pub fn detached() -> (Self, mpsc::Receiver<String>, mpsc::Receiver<Order>) {
        let (shell, requests) = mpsc::channel(WAITING);
        let (orders, wanted) = mpsc::channel(WAITING);
        let link = Self {
            snapshot: watch::Sender::new(Snapshot::default()),
            shell,
            orders,
        };
        (link, requests, wanted)
    }

    /// What the bus shows now.
    pub(crate) fn shown(&self) -> Snapshot {
        self.snapshot.borrow().clone()
    }

    /// Starts the thread. Requests from the bus come out of the channel.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start() -> std::io::Result<(Self, calloop::Channel<Request>)> {
        let (requests, channel) = calloop::channel();
        let (link, shell, orders) = Self::detached();
        let snapshot = link.snapshot.subscribe();
        std::thread::Builder::new()
            .name("bus".into())
            .spawn(move || {
                match tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                {
                    Ok(runtime) => runtime.block_on(async {
                        let system = sleep::follow(requests.clone(), snapshot.clone(), orders);
                        // It ends with the compositor as the other does.
                        tokio::join!(serve(requests, snapshot, shell), system);
                    }),
                    Err(error) => tracing::error!("no D-Bus: the runtime could not start: {error}"),
                }
            })?;
        Ok((link, channel))
    }

    pub(crate) fn update(&self, snapshot: Snapshot) {
        self.snapshot.send_if_modified(|current| {
            let new = *current != snapshot;
            if new {
                *current = snapshot;
            }
            new
        });
    }

    pub(crate) fn order(&self, order: Order) {
        if self.orders.try_send(order).is_err() {
            tracing::warn!("{order:?}: nobody is there who could be asked");
        }
    }

    pub(crate) fn shell_requested(&self, part: &str) {
        if self.shell.try_send(part.to_owned()).is_err() {
            tracing::warn!(
                "`{part}` was asked for, but nobody on the bus takes requests for the shell"
            );
        }
    }
}

impl State {
    /// Carries out what was asked on the bus.
    pub fn bus_request(&mut self, request: Request) {
        self.turn.urgent = true;
        let (answer, found) = match request {
            Request::Focus(id, answer) => (answer, self.focus_window(WindowId(id))),
            Request::Close(id, answer) => (answer, self.close_window(WindowId(id))),
            Request::Workspace(number, answer) => {
                let mut found = false;
                if let Some(index) = (number as usize).checked_sub(1) {
                    self.focused_layer = None;
                    self.change_layout(|layout| found = layout.activate_workspace(index));
                }
                (answer, found)
            }
            Request::Frames(look, answer) => {
                self.set_theme_look(*look);
                (answer, true)
            }
            Request::NightLight(on, temperature, answer) => {
                self.set_night_light(on, temperature);
                (answer, true)
            }
            Request::Zoom(factor, answer) => {
                self.set_zoom(factor);
                (answer, true)
            }
            Request::Lock(answer) => return self.lock_for(answer),
            Request::Capture(window, answer) => {
                let _ = answer.send(self.capture(window));
                return;
            }
            Request::MeasureKeys(on, answer) => {
                let _ = answer.send(self.measure_keys(on));
                return;
            }
            Request::ActiveOutput(answer) => {
                let output = self.outputs.at(self.pointer_at);
                let output = output.or_else(|| self.outputs.first());
                let _ = answer.send(output.map(smithay::output::Output::name));
                return;
            }
            Request::WindowHandle(id, answer) => {
                let handle = self.protocols.toplevel_list.identifier(WindowId(id));
                let _ = answer.send(handle);
                return;
            }
            Request::Modes(output, answer) => {
                let _ = answer.send(self.modes_of(&output));
                return;
            }
            Request::TryOutputs(wishes, time, answer) => {
                let _ = answer.send(self.try_outputs(&wishes, time));
                return;
            }
            Request::EndTrial(true, answer) => (answer, self.keep_outputs()),
            Request::EndTrial(false, answer) => (answer, self.take_back_outputs()),
        };
        // The asker may have gone meanwhile.
        let _ = answer.send(found);
    }
}

struct Compositor {
    requests: Arc<calloop::Sender<Request>>,
    snapshot: watch::Receiver<Snapshot>,
    capturing: tokio::sync::Mutex<()>,
}

impl Compositor {
    fn new(requests: Arc<calloop::Sender<Request>>, snapshot: watch::Receiver<Snapshot>) -> Self {
        Self {
            requests,
            snapshot,
            capturing: tokio::sync::Mutex::default(),
        }
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let gone = || Error::Unavailable("the compositor is shutting down".into());
        self.requests.send(request(answer)).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())
    }

    async fn end_trial(&self, keep: bool) -> Result<()> {
        if self.ask(|answer| Request::EndTrial(keep, answer)).await? {
            return Ok(());
        }
        let text = "nothing is on trial; what nobody keeps in time is taken back";
        Err(Error::NotFound(text.into()))
    }

    async fn ask_window(
        &self,
        id: u64,
        request: impl FnOnce(oneshot::Sender<bool>) -> Request,
    ) -> Result<()> {
        if self.ask(request).await? {
            Ok(())
        } else {
            Err(no_window(id))
        }
    }
}

fn no_window(id: u64) -> Error {
    Error::NotFound(format!(
        "there is no window {id}; ListWindows names those that exist"
    ))
}

#[zbus::interface(name = "org.argos.Compositor1")]
impl Compositor {
    async fn list_windows(&self) -> Result<Vec<Window>> {
        Ok(self.snapshot.borrow().windows.clone())
    }

    async fn focus_window(&self, id: u64) -> Result<()> {
        self.ask_window(id, |answer| Request::Focus(id, answer))
            .await
    }

    async fn close_window(&self, id: u64) -> Result<()> {
        self.ask_window(id, |answer| Request::Close(id, answer))
            .await
    }

    async fn activate_workspace(&self, number: u32) -> Result<()> {
        if self
            .ask(|answer| Request::Workspace(number, answer))
            .await?
        {
            return Ok(());
        }
        let count = self.snapshot.borrow().workspaces;
        Err(Error::InvalidArguments(format!(
            "there is no workspace {number}; there are 1 to {count}"
        )))
    }

    async fn set_frame_colours(&self, colours: FrameColours) -> Result<()> {
        let look = Box::new(look(colours).map_err(Error::InvalidArguments)?);
        self.ask(|answer| Request::Frames(look, answer)).await?;
        Ok(())
    }

    async fn set_night_light(&self, on: bool, temperature: u32) -> Result<()> {
        let temperature = Some(temperature).filter(|kelvin| *kelvin != 0);
        if let Some(kelvin) = temperature.filter(|kelvin| !(WARMEST..=NEUTRAL).contains(kelvin)) {
            return Err(Error::InvalidArguments(format!(
                "{kelvin} kelvins are not {WARMEST} (as a candle) to {NEUTRAL} (as by day)"
            )));
        }
        self.ask(|answer| Request::NightLight(on, temperature, answer))
            .await?;
        Ok(())
    }

    async fn set_zoom(&self, factor: f64) -> Result<()> {
        if !(1.0..=LARGEST).contains(&factor) {
            return Err(Error::InvalidArguments(format!(
                "{factor} times is not 1 to {LARGEST}"
            )));
        }
        self.ask(|answer| Request::Zoom(factor, answer)).await?;
        Ok(())
    }

    async fn list_outputs(&self) -> Result<Vec<Output>> {
        Ok(self.snapshot.borrow().outputs.clone())
    }

    async fn measure_keys(&self, on: bool) -> Result<Vec<KeyLatency>> {
        self.ask(|answer| Request::MeasureKeys(on, answer)).await
    }

    async fn active_output(&self) -> Result<String> {
        let output = self.ask(Request::ActiveOutput).await?;
        output.ok_or_else(|| Error::Unavailable("there is no screen; connect one".to_owned()))
    }

    async fn window_handle(&self, id: u64) -> Result<String> {
        let handle = self.ask(|answer| Request::WindowHandle(id, answer)).await?;
        handle.ok_or_else(|| no_window(id))
    }

    async fn list_modes(&self, output: String) -> Result<Vec<OutputMode>> {
        let modes = self
            .ask(|answer| Request::Modes(output.clone(), answer))
            .await?;
        modes.ok_or_else(|| Error::NotFound(format!("there is no screen `{output}`")))
    }

    async fn try_outputs(&self, outputs: Vec<OutputWish>, seconds: u32) -> Result<()> {
        if !TRIAL.contains(&seconds) {
            let (least, most) = TRIAL.into_inner();
            return Err(Error::InvalidArguments(format!(
                "a trial of {seconds} s is not one of {least} to {most} s"
            )));
        }
        let time = Duration::from_secs(seconds.into());
        self.ask(|answer| Request::TryOutputs(outputs, time, answer))
            .await?
    }

    async fn keep_outputs(&self) -> Result<()> {
        self.end_trial(true).await
    }

    async fn take_back_outputs(&self) -> Result<()> {
        self.end_trial(false).await
    }

    /// Returns once nothing of the session is to be seen; the locker may come a moment later.
    async fn lock(&self) -> Result<()> {
        self.ask(Request::Lock).await?
    }

    /// For the broker alone: a picture shows what every window shows, and it is the broker that asks
    /// the person for it, each time. That it is the broker is the bus's word on who has its name.
    async fn capture(
        &self,
        window: u64,
        #[zbus(connection)] connection: &zbus::Connection,
        #[zbus(header)] header: zbus::message::Header<'_>,
    ) -> Result<Capture> {
        if !argos_bus::caller::owns(BROKER, connection, &header).await? {
            return Err(Error::Denied(format!(
                "pictures of the screen are given to {BROKER} alone, which asks the person; \
                 call the tool screen.capture"
            )));
        }
        // One at a time: a picture of a large screen is a large piece of memory.
        let _turn = self.capturing.lock().await;
        let picture = self
            .ask(|answer| Request::Capture(window, answer))
            .await??;
        let (width, height) = (picture.width, picture.height);
        // Compressing takes longer than others on the bus should wait.
        let sealed = tokio::task::spawn_blocking(move || crate::screenshot::seal(&picture)).await;
        let sealed = sealed.map_err(|error| Error::Failed(format!("no picture: {error}")))?;
        let (png, bytes) = sealed.map_err(|error| match error.kind() {
            std::io::ErrorKind::FileTooLarge => Error::LimitReached(error.to_string()),
            _ => Error::Failed(format!("the picture cannot be kept: {error}")),
        })?;
        Ok(Capture {
            png: png.into(),
            bytes,
            width,
            height,
        })
    }

    #[zbus(property)]
    async fn active_workspace(&self) -> u32 {
        self.snapshot.borrow().active
    }

    #[zbus(property)]
    async fn workspaces(&self) -> u32 {
        self.snapshot.borrow().workspaces
    }

    #[zbus(property)]
    async fn locked(&self) -> bool {
        self.snapshot.borrow().locked
    }

    #[zbus(property)]
    async fn night_light(&self) -> bool {
        self.snapshot.borrow().night_light
    }

    #[zbus(property)]
    async fn night_temperature(&self) -> u32 {
        self.snapshot.borrow().night_temperature
    }

    #[zbus(property)]
    async fn zoom(&self) -> f64 {
        self.snapshot.borrow().zoom
    }

    #[zbus(property)]
    async fn reduced_motion(&self) -> bool {
        self.snapshot.borrow().reduced_motion
    }

    #[zbus(property(emits_changed_signal = "const"))]
    async fn renderer(&self) -> String {
        self.snapshot.borrow().renderer.to_owned()
    }

    #[zbus(signal)]
    async fn windows_changed(emitter: &zbus::object_server::SignalEmitter<'_>) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn output_added(
        emitter: &zbus::object_server::SignalEmitter<'_>,
        output: Output,
    ) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn output_changed(
        emitter: &zbus::object_server::SignalEmitter<'_>,
        output: Output,
    ) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn output_removed(
        emitter: &zbus::object_server::SignalEmitter<'_>,
        name: &str,
    ) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn shell_requested(
        emitter: &zbus::object_server::SignalEmitter<'_>,
        part: &str,
    ) -> zbus::Result<()>;
}

/// Serves until the compositor ends; comes back when the bus does.
async fn serve(
    requests: calloop::Sender<Request>,
    mut snapshot: watch::Receiver<Snapshot>,
    mut shell: mpsc::Receiver<String>,
) {
    let requests = Arc::new(requests);
    let mut bus = Awaited::session();
    let mut warned = false;
    loop {
        bus.begin();
        match connection(&requests, &mut snapshot, &mut shell, &mut bus).await {
            Ok(()) => return,
            Err(error) => {
                if !warned {
                    tracing::warn!("no {NAME} on the session bus yet: {error}; it is waited for");
                    warned = true;
                }
            }
        }
        tokio::select! {
            () = bus.another() => {}
            () = end(&mut snapshot) => return,
        }
    }
}

/// Returns when the compositor ends.
pub(crate) async fn end(snapshot: &mut watch::Receiver<Snapshot>) {
    while snapshot.changed().await.is_ok() {}
}

/// A theme's colours; what a theme does not say is as ever.
fn look(colours: FrameColours) -> std::result::Result<Look, String> {
    Ok(Look {
        title_bar: Colour::try_from(colours.title_bar)?,
        title_bar_inactive: Colour::try_from(colours.title_bar_inactive)?,
        title: Colour::try_from(colours.title)?,
        title_inactive: Colour::try_from(colours.title_inactive)?,
        border: Colour::try_from(colours.border)?,
        accent: Colour::try_from(colours.accent)?,
        accent_text: Colour::try_from(colours.accent_text)?,
        ..Look::default()
    })
}

/// What of a window is news: not its place, which a drag changes with every step.
fn news(window: &Window) -> (u64, &str, &str, u32, bool) {
    let w = window;
    (w.id, &w.app_id, &w.title, w.workspace, w.focused)
}

/// Says which screens came, went and changed.
async fn tell_outputs(
    emitter: &zbus::object_server::SignalEmitter<'_>,
    before: &[Output],
    now: &[Output],
) -> zbus::Result<()> {
    let named = |list: &[Output], name: &str| list.iter().any(|output| output.name == name);
    for gone in before.iter().filter(|output| !named(now, &output.name)) {
        Compositor::output_removed(emitter, &gone.name).await?;
    }
    for output in now.iter().filter(|output| !before.contains(output)) {
        if named(before, &output.name) {
            Compositor::output_changed(emitter, output.clone()).await?;
        } else {
            Compositor::output_added(emitter, output.clone()).await?;
        }
    }
    Ok(())
}

async fn connection(
    requests: &Arc<calloop::Sender<Request>>,
    snapshot: &mut watch::Receiver<Snapshot>,
    shell: &mut mpsc::Receiver<String>,
    bus: &mut Awaited,
) -> zbus::Result<()> {
    let served = Compositor::new(Arc::clone(requests), snapshot.clone());
    let connection = zbus::connection::Builder::session()
        .serve_at(PATH, served)
        .name(NAME)
        .build()
        .await?;
    bus.reached();
    tracing::info!("serving {NAME}");
    let interface = connection
        .object_server()
        .interface::<_, Compositor>(PATH)
        .await?;
    let mut last = snapshot.borrow_and_update().clone();
    loop {
        tokio::select! {
            changed = snapshot.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                let new = snapshot.borrow_and_update().clone();
                let emitter = interface.signal_emitter();
                if !new.windows.iter().map(news).eq(last.windows.iter().map(news)) {
                    Compositor::windows_changed(emitter).await?;
                }
                if new.active != last.active {
                    interface.get().await.active_workspace_changed(emitter).await?;
                }
                if new.workspaces != last.workspaces {
                    interface.get().await.workspaces_changed(emitter).await?;
                }
                if new.locked != last.locked {
                    interface.get().await.locked_changed(emitter).await?;
                }
                if new.night_light != last.night_light {
                    interface.get().await.night_light_changed(emitter).await?;
                }
                if new.night_temperature != last.night_temperature {
                    interface.get().await.night_temperature_changed(emitter).await?;
                }
                if new.zoom != last.zoom {
                    interface.get().await.zoom_changed(emitter).await?;
                }
                if new.reduced_motion != last.reduced_motion {
                    interface.get().await.reduced_motion_changed(emitter).await?;
                }
                tell_outputs(emitter, &last.outputs, &new.outputs).await?;
                last = new;
            }
            part = shell.recv() => {
                let Some(part) = part else { return Ok(()) };
                Compositor::shell_requested(interface.signal_emitter(), &part).await?;
            }
            () = connection.closed() => {
                return Err(zbus::Error::Failure("the session bus is gone".to_owned()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use argos_bus::compositor::Compositor1Proxy;
    use futures_util::StreamExt;
    use zbus::connection::Builder;

    use super::*;

    fn screen(name: &str, scale: f64) -> Output {
        Output {
            name: name.into(),
            width: 1280,
            height: 800,
            refresh: 60_000,
            scale,
            transform: "normal".into(),
            x: 0,
            y: 0,
            dark: false,
            variable_refresh: "off".into(),
        }
    }

    #[tokio::test]
    async fn screens_that_come_change_and_go_are_told() {
        let (requests, _channel) = calloop::channel();
        let snapshot = watch::Sender::new(Snapshot::default());
        let served = Compositor::new(Arc::new(requests), snapshot.subscribe());
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let server = Builder::unix_stream(ours)
            .server(zbus::Guid::generate())
            .p2p()
            .serve_at(PATH, served);
        let (server, client) =
            tokio::try_join!(server.build(), Builder::unix_stream(theirs).p2p().build()).unwrap();
        let proxy = Compositor1Proxy::new(&client).await.unwrap();
        let mut added = proxy.receive_output_added().await.unwrap();
        let mut changed = proxy.receive_output_changed().await.unwrap();
        let mut removed = proxy.receive_output_removed().await.unwrap();
        let interface = server.object_server().interface::<_, Compositor>(PATH);
        let interface = interface.await.unwrap();
        let emitter = interface.signal_emitter();
        let (one, two) = (screen("one", 1.0), screen("two", 2.0));
        tell_outputs(emitter, &[], std::slice::from_ref(&one))
            .await
            .unwrap();
        let larger = screen("one", 1.5);
        let now = [larger.clone(), two.clone()];
        tell_outputs(emitter, &[one.clone()], &now).await.unwrap();
        tell_outputs(emitter, &now, &now).await.unwrap();
        tell_outputs(emitter, &now, std::slice::from_ref(&two))
            .await
            .unwrap();
        for came in [one, two] {
            assert_eq!(*added.next().await.unwrap().args().unwrap().output(), came);
        }
        let change = changed.next().await.unwrap();
        assert_eq!(*change.args().unwrap().output(), larger);
        let gone = removed.next().await.unwrap();
        assert_eq!(*gone.args().unwrap().name(), "one");
    }

    #[tokio::test]
    async fn calls_reach_the_compositor_and_what_does_not_exist_is_said() {
        let (requests, channel) = calloop::channel();
        let window = Window {
            id: 7,
            app_id: "foot".into(),
            title: "a title".into(),
            workspace: 2,
            focused: true,
            x: 10,
            y: 42,
            width: 700,
            height: 500,
        };
        let shown = Snapshot {
            windows: vec![window],
            active: 2,
            workspaces: 4,
            renderer: "pixman",
            locked: true,
            night_light: true,
            night_temperature: 3500,
            zoom: 1.5,
            reduced_motion: true,
            outputs: vec![screen("one", 1.0)],
            lock_before_sleep: true,
        };
        let seen = KeyLatency {
            surface: "argos-launcher".into(),
            appeared: true,
            milliseconds: 120.5,
        };
        let measured = seen.clone();
        let mode = OutputMode {
            width: 1280,
            height: 800,
            refresh: 60_000,
            preferred: true,
        };
        let snapshot = watch::Sender::new(shown.clone());
        let served = Compositor::new(Arc::new(requests), snapshot.subscribe());
        // The loop's side: knows window 7 and workspaces 1 to 4.
        std::thread::spawn(move || {
            while let Ok(request) = channel.recv() {
                let (answer, found) = match request {
                    Request::Focus(id, answer) | Request::Close(id, answer) => (answer, id == 7),
                    Request::Workspace(number, answer) => (answer, (1..=4).contains(&number)),
                    Request::Frames(look, answer) => {
                        (answer, look.title_bar == Colour([0xee, 0xf2, 0xf5]))
                    }
                    Request::NightLight(on, kelvin, answer) => {
                        assert!(on && (kelvin.is_none() || kelvin == Some(2000)));
                        (answer, true)
                    }
                    Request::Zoom(factor, answer) => (answer, factor == 8.0),
                    Request::Lock(answer) => {
                        let why = "no private socket".to_owned();
                        answer.send(Err(Error::Unavailable(why))).unwrap();
                        continue;
                    }
                    Request::Capture(..) => unreachable!("nobody here is the broker"),
                    Request::MeasureKeys(on, answer) => {
                        assert!(on);
                        answer.send(vec![measured.clone()]).unwrap();
                        continue;
                    }
                    Request::ActiveOutput(answer) => {
                        answer.send(Some("one".to_owned())).unwrap();
                        continue;
                    }
                    Request::WindowHandle(id, answer) => {
                        let handle = (id == 7).then(|| "seven".to_owned());
                        answer.send(handle).unwrap();
                        continue;
                    }
                    Request::Modes(name, answer) => {
                        answer.send((name == "one").then(|| vec![mode])).unwrap();
                        continue;
                    }
                    Request::TryOutputs(wishes, time, answer) => {
                        assert_eq!((wishes[0].mode.as_str(), time.as_secs()), ("1280x800", 15));
                        answer.send(Ok(())).unwrap();
                        continue;
                    }
                    Request::EndTrial(keep, answer) => (answer, keep),
                };
                answer.send(found).unwrap();
            }
        });

        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let guid = zbus::Guid::generate();
        let server = Builder::unix_stream(ours)
            .server(guid)
            .p2p()
            .serve_at(PATH, served);
        let (_server, client) =
            tokio::try_join!(server.build(), Builder::unix_stream(theirs).p2p().build()).unwrap();
        let proxy = Compositor1Proxy::new(&client).await.unwrap();

        assert_eq!(proxy.list_windows().await.unwrap(), shown.windows);
        assert_eq!(proxy.active_workspace().await.unwrap(), 2);
        assert_eq!(proxy.renderer().await.unwrap(), "pixman");
        assert!(proxy.locked().await.unwrap());
        assert!(proxy.night_light().await.unwrap());
        assert_eq!(proxy.night_temperature().await.unwrap(), 3500);
        assert_eq!(proxy.zoom().await.unwrap(), 1.5);
        assert!(proxy.reduced_motion().await.unwrap());
        assert_eq!(proxy.list_outputs().await.unwrap(), shown.outputs);
        assert_eq!(proxy.measure_keys(true).await.unwrap(), [seen]);
        assert_eq!(proxy.active_output().await.unwrap(), "one");
        assert_eq!(proxy.window_handle(7).await.unwrap(), "seven");
        assert!(matches!(
            proxy.window_handle(8).await,
            Err(Error::NotFound(text)) if text.contains("window 8")
        ));
        assert_eq!(proxy.list_modes("one").await.unwrap(), [mode]);
        assert!(matches!(
            proxy.list_modes("two").await,
            Err(Error::NotFound(_))
        ));
        let wish = OutputWish {
            name: "one".into(),
            mode: "1280x800".into(),
            ..OutputWish::default()
        };
        proxy.try_outputs(&[wish.clone()], 15).await.unwrap();
        assert!(matches!(
            proxy.try_outputs(&[wish], 0).await,
            Err(Error::InvalidArguments(_))
        ));
        proxy.keep_outputs().await.unwrap();
        assert!(matches!(
            proxy.take_back_outputs().await,
            Err(Error::NotFound(text)) if text.contains("trial")
        ));
        proxy.set_night_light(true, 0).await.unwrap();
        proxy.set_night_light(true, 2000).await.unwrap();
        for wrong in [100, 7000] {
            let refused = proxy.set_night_light(true, wrong).await.unwrap_err();
            assert!(
                matches!(&refused, Error::InvalidArguments(text) if text.contains("1700")),
                "{refused}"
            );
        }
        proxy.set_zoom(8.0).await.unwrap();
        for wrong in [0.5, 9.0, f64::NAN] {
            let refused = proxy.set_zoom(wrong).await.unwrap_err();
            assert!(matches!(refused, Error::InvalidArguments(_)), "{refused}");
        }
        assert!(matches!(proxy.lock().await, Err(Error::Unavailable(_))));
        proxy.focus_window(7).await.unwrap();
        proxy.activate_workspace(4).await.unwrap();
        assert!(matches!(
            proxy.close_window(8).await,
            Err(Error::NotFound(_))
        ));
        let mut colours = FrameColours {
            title_bar: "#eef2f5".into(),
            title_bar_inactive: "#ffffff".into(),
            title: "#14212b".into(),
            title_inactive: "#4c5f6e".into(),
            border: "#d2dce3".into(),
            accent: "#b3261e".into(),
            accent_text: "#ffffff".into(),
        };
        proxy.set_frame_colours(&colours).await.unwrap();
        colours.border = "red".into();
        assert!(matches!(
            proxy.set_frame_colours(&colours).await,
            Err(Error::InvalidArguments(text)) if text.contains("#rrggbb")
        ));
        assert!(matches!(
            proxy.activate_workspace(5).await,
            Err(Error::InvalidArguments(_))
        ));
    }

    /// A session bus of its own; ends with the value.
    struct Bus(std::process::Child, String);

    impl Bus {
        fn start() -> Self {
            use std::io::BufRead;
            let mut daemon = std::process::Command::new("dbus-daemon")
                .args(["--session", "--print-address", "--nofork", "--nopidfile"])
                .stdout(std::process::Stdio::piped())
                .spawn()
                .expect("dbus-daemon (package dbus) is needed for this test");
            let mut address = String::new();
            std::io::BufReader::new(daemon.stdout.take().unwrap())
                .read_line(&mut address)
                .unwrap();
            Self(daemon, address.trim().to_owned())
        }

        async fn connect(&self) -> zbus::Connection {
            let builder = Builder::address(self.1.as_str());
            builder.build().await.unwrap()
        }
    }

    impl Drop for Bus {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[tokio::test]
    async fn pictures_are_for_whoever_is_the_broker_now() {
        let bus = Bus::start();
        let (requests, channel) = calloop::channel();
        let snapshot = watch::Sender::new(Snapshot::default());
        let served = Compositor::new(Arc::new(requests), snapshot.subscribe());
        std::thread::spawn(move || {
            while let Ok(Request::Capture(window, answer)) = channel.recv() {
                let picture = Picture {
                    width: 2,
                    height: 1,
                    rgba: vec![window as u8; 8],
                };
                let _ = answer.send(match window {
                    9 => Err(Error::NotFound("there is no window 9".into())),
                    _ => Ok(picture),
                });
            }
        });
        let server = bus.connect().await;
        server.object_server().at(PATH, served).await.unwrap();
        server.request_name(NAME).await.unwrap();

        let stranger = bus.connect().await;
        let asks = Compositor1Proxy::new(&stranger).await.unwrap();
        // Nobody has the broker's name; then somebody else has it.
        let refused = asks.capture(0).await.unwrap_err();
        assert!(
            matches!(&refused, Error::Denied(text) if text.contains("screen.capture")),
            "{refused}"
        );
        let broker = bus.connect().await;
        broker.request_name(BROKER).await.unwrap();
        assert!(matches!(asks.capture(0).await, Err(Error::Denied(_))));

        let given = Compositor1Proxy::new(&broker).await.unwrap();
        let capture = given.capture(7).await.unwrap();
        assert_eq!((capture.width, capture.height), (2, 1));
        let seals = rustix::fs::fcntl_get_seals(&capture.png).unwrap();
        assert!(seals.contains(rustix::fs::SealFlags::WRITE | rustix::fs::SealFlags::SHRINK));
        assert!(matches!(given.capture(9).await, Err(Error::NotFound(_))));

        // Who was the broker is not any more.
        broker.release_name(BROKER).await.unwrap();
        assert!(matches!(given.capture(0).await, Err(Error::Denied(_))));
    }
}
