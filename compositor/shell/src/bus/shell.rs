//! The shell's side of the session bus.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex};

use argos_bus::Error;
use argos_bus::agents::Agents1Proxy;
use argos_bus::ai::{Ai1Proxy, Model};
use argos_bus::compositor::{Compositor1Proxy, FrameColours};
use argos_bus::permissions::Permissions1Proxy;
use argos_bus::power::{self, Refusal, Shutdown};
use argos_bus::recorder::{self, Recorder1Proxy, Wish};
use argos_bus::sharing::Sharing1Proxy;
use argos_bus::shell::Part;
use argos_bus::tools::Tools1Proxy;
use argos_units::TransientUnit;
use futures_util::StreamExt;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use zbus::Connection;
use zbus::object_server::SignalEmitter;

use super::names::Presence;
use super::notify::{self, Notifications};
use super::{Command, Notice, Notices, Pauses, machine, on_own_thread, tray};
use crate::parts::agents::Order;
use crate::parts::ahead::Question;
use crate::parts::chat::KEPT;
use crate::parts::permissions::ROWS;
use crate::parts::power::Item;
use crate::parts::settings::Page;
use crate::plugins::Plugins;
use crate::plugins::manifest::BuiltIn;
use crate::settings::Look;
use crate::theme;
use crate::{l10n, tr};

/// Name of the shell's own service.
const NAME: &str = "org.argos.Shell1";
/// Where it lives.
const PATH: &str = "/org/argos/Shell1";

/// What can be shown and hidden.
const PARTS: [&str; 7] = [
    "launcher",
    "chat",
    "agents",
    "controls",
    "power",
    "permissions",
    "settings",
];

/// How things look.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Theme, accent, text size.
    pub look: Look,
    /// What the compositor draws around windows with it.
    pub frames: FrameColours,
}

/// Starts the thread. It also tells of `plugins`.
pub fn start(notices: Notices, theme: Shown, plugins: Plugins) -> UnboundedSender<Command> {
    let (commands, receiver) = unbounded_channel();
    let theme = Arc::new(Mutex::new(theme));
    on_own_thread("bus", run(notices, receiver, theme, plugins));
    commands
}

async fn run(
    notices: Notices,
    mut commands: UnboundedReceiver<Command>,
    theme: Arc<Mutex<Shown>>,
    plugins: Plugins,
) {
    let mut pauses = Pauses::new();
    // The system's services have nothing to do with the session bus.
    let machine = machine::start(notices.clone());
    loop {
        let served = match connect(&notices, &theme, &plugins).await {
            Ok((connection, arrivals)) => {
                pauses = Pauses::new();
                let watching = watch(&connection, arrivals, &notices, &theme);
                serve(
                    watching,
                    &connection,
                    &notices,
                    &mut commands,
                    &machine,
                    &theme,
                )
                .await
            }
            Err(error) => {
                tracing::debug!("no session bus yet: {error}");
                // What is commanded meanwhile must not wait unanswered.
                let until = pauses.wait();
                tokio::pin!(until);
                loop {
                    tokio::select! {
                        () = &mut until => break Ended::BusGone,
                        command = commands.recv() => match command {
                            Some(Command::Machine(command)) => tell(&machine, command),
                            Some(command) => without_bus(command, &notices, &theme),
                            None => break Ended::ShellGone,
                        },
                    }
                }
            }
        };
        match served {
            Ended::ShellGone => return,
            Ended::BusGone => {
                notices.send(Notice::AgentsLost);
                notices.send(Notice::TrayLost);
                notices.send(Notice::Shares(Vec::new()));
                notices.send(Notice::Recording(None));
            }
        }
    }
}

fn tell(machine: &UnboundedSender<machine::Command>, command: machine::Command) {
    // Its task ends only after this sender.
    let _ = machine.send(command);
}

/// Why serving ended.
enum Ended {
    BusGone,
    ShellGone,
}

async fn connect(
    notices: &Notices,
    theme: &Arc<Mutex<Shown>>,
    plugins: &Plugins,
) -> zbus::Result<(Connection, tray::Arrivals)> {
    let shell = Shell {
        notices: notices.clone(),
        theme: theme.clone(),
        plugins: plugins.clone(),
    };
    let popups = Notifications {
        notices: notices.clone(),
        last_id: AtomicU32::new(0),
    };
    let (watcher, arrivals) = tray::watcher();
    let connection = zbus::connection::Builder::session()
        .serve_at(PATH, shell)
        .serve_at(notify::PATH, popups)
        .serve_at(tray::PATH, watcher)
        .build()
        .await?;
    for name in [NAME, notify::NAME, tray::NAME] {
        if name == notify::NAME && plugins.replaces(BuiltIn::Notifications) {
            continue;
        }
        if let Err(error) = connection.request_name(name).await {
            tracing::warn!("{name} is served by another program: {error}");
        }
    }
    Ok((connection, arrivals))
}

/// Watches everything on the session bus, as long as it is there.
async fn watch(
    connection: &Connection,
    arrivals: tray::Arrivals,
    notices: &Notices,
    theme: &Mutex<Shown>,
) {
    // Each of them ends only with the connection.
    let (agents, compositor, permissions, recorder, shares, ()) = tokio::join!(
        watch_agents(connection, notices),
        watch_compositor(connection, notices, theme),
        watch_permissions(connection, notices),
        watch_recorder(connection, notices),
        watch_shares(connection, notices),
        tray::follow(arrivals, connection, notices)
    );
    let watched = [agents, compositor, permissions, recorder, shares];
    for error in watched.into_iter().filter_map(Result::err) {
        tracing::debug!("the session bus: {error}");
    }
    connection.closed().await;
}

async fn serve(
    watching: impl Future<Output = ()>,
    connection: &Connection,
    notices: &Notices,
    commands: &mut UnboundedReceiver<Command>,
    machine: &UnboundedSender<machine::Command>,
    theme: &Arc<Mutex<Shown>>,
) -> Ended {
    tokio::pin!(watching);
    loop {
        tokio::select! {
            () = &mut watching => return Ended::BusGone,
            command = commands.recv() => match command {
                Some(Command::Machine(command)) => tell(machine, command),
                Some(command) => {
                    // Tasks of their own: a slow service must not hold the next command up.
                    tokio::spawn(obey(command, connection.clone(), notices.clone(), theme.clone()));
                }
                None => return Ended::ShellGone,
            },
        }
    }
}

async fn watch_agents(connection: &Connection, notices: &Notices) -> zbus::Result<()> {
    let agents = Agents1Proxy::new(connection).await?;
    let mut presence = Presence::of(agents.inner()).await?;
    let mut said = agents.receive_message().await?;
    let mut changed = agents.receive_state_changed().await?;
    let mut happened = agents.receive_happened().await?;
    let mut paces = agents.receive_pace_changed().await?;
    catch_up(&agents, notices).await;
    loop {
        tokio::select! {
            present = presence.changed() => match present {
                Some(true) => catch_up(&agents, notices).await,
                Some(false) => {
                    notices.send(Notice::AgentsLost);
                }
                None => return Ok(()),
            },
            signal = said.next() => match signal {
                Some(signal) => match signal.args() {
                    Ok(args) => {
                        notices.send(Notice::Said(args.message().clone()));
                    }
                    Err(error) => tracing::warn!("Agents1.Message does not fit: {error}"),
                },
                None => return Ok(()),
            },
            signal = changed.next() => match signal {
                Some(signal) => match signal.args() {
                    Ok(args) => {
                        notices.send(Notice::Agent(args.agent().clone()));
                    }
                    Err(error) => tracing::warn!("Agents1.StateChanged does not fit: {error}"),
                },
                None => return Ok(()),
            },
            signal = happened.next() => match signal {
                Some(signal) => match signal.args() {
                    Ok(args) => notices.send(Notice::Happened(Box::new(args.event().clone()))),
                    Err(error) => tracing::warn!("Agents1.Happened does not fit: {error}"),
                },
                None => return Ok(()),
            },
            signal = paces.next() => match signal {
                Some(signal) => match signal.args() {
                    Ok(args) => notices.send(Notice::Pace(*args.pace())),
                    Err(error) => tracing::warn!("Agents1.PaceChanged does not fit: {error}"),
                },
                None => return Ok(()),
            },
        }
    }
}

async fn watch_permissions(connection: &Connection, notices: &Notices) -> zbus::Result<()> {
    let permissions = Permissions1Proxy::new(connection).await?;
    let mut changed = permissions.receive_grants_changed().await?;
    while changed.next().await.is_some() {
        notices.send(Notice::PermissionsChanged);
    }
    Ok(())
}

async fn watch_shares(connection: &Connection, notices: &Notices) -> zbus::Result<()> {
    let sharing = Sharing1Proxy::new(connection).await?;
    let mut presence = Presence::of(sharing.inner()).await?;
    let mut changed = sharing.receive_shares_changed().await;
    shares(&sharing, notices).await;
    loop {
        tokio::select! {
            present = presence.changed() => match present {
                Some(true) => shares(&sharing, notices).await,
                Some(false) => notices.send(Notice::Shares(Vec::new())),
                None => return Ok(()),
            },
            change = changed.next() => match change {
                Some(_) => shares(&sharing, notices).await,
                None => return Ok(()),
            },
        }
    }
}

async fn shares(sharing: &Sharing1Proxy<'_>, notices: &Notices) {
    // Whoever is not there records nothing.
    let shares = sharing.shares().await.unwrap_or_default();
    notices.send(Notice::Shares(shares));
}

async fn watch_recorder(connection: &Connection, notices: &Notices) -> zbus::Result<()> {
    let recorder = Recorder1Proxy::new(connection).await?;
    let mut presence = Presence::of(recorder.inner()).await?;
    let mut ended = recorder.receive_ended().await?;
    recording(&recorder, notices).await;
    loop {
        tokio::select! {
            // What it says at its end comes before it goes.
            biased;
            signal = ended.next() => match signal {
                Some(signal) => match signal.args() {
                    Ok(args) => notices.send(Notice::Recorded(args.outcome().clone())),
                    Err(error) => tracing::warn!("Recorder1.Ended does not fit: {error}"),
                },
                None => return Ok(()),
            },
            present = presence.changed() => match present {
                Some(true) => recording(&recorder, notices).await,
                Some(false) => notices.send(Notice::Recording(None)),
                None => return Ok(()),
            },
        }
    }
}

/// The recording that is being made, if there is one. It is waited for until it has begun.
async fn recording(recorder: &Recorder1Proxy<'_>, notices: &Notices) {
    // Nobody records, or ends before anything is recorded.
    notices.send(Notice::Recording(recorder.recording().await.ok()));
}

/// Ends the recording that is being made, or begins one.
async fn record(connection: &Connection, notices: &Notices) -> zbus::Result<()> {
    let recorder = Recorder1Proxy::new(connection).await?;
    let names = zbus::fdo::DBusProxy::new(connection).await?;
    let name = recorder.inner().destination().clone();
    if names.name_has_owner(name).await? {
        // How it ends is told to all.
        if let Err(error) = recorder.stop().await {
            tracing::debug!("the recording: {error}");
        }
        return Ok(());
    }
    let notices = notices.clone();
    // The control socket's client blocks.
    let _ = tokio::task::spawn_blocking(move || locally(Command::Record, &notices)).await;
    Ok(())
}

/// Grants and the last audit rows.
async fn permissions(connection: &Connection, notices: &Notices) -> zbus::Result<()> {
    let broker = Permissions1Proxy::new(connection).await?;
    let tools = Tools1Proxy::new(connection).await?;
    let notice = match tokio::join!(broker.list_grants(), tools.audit(ROWS)) {
        (Ok(grants), Ok(rows)) => Notice::Permissions { grants, rows },
        (Err(error), _) | (_, Err(error)) => no_permissions(&error),
    };
    notices.send(notice);
    Ok(())
}

async fn catch_up(agents: &Agents1Proxy<'_>, notices: &Notices) {
    match agents.list().await {
        Ok(all) => {
            for agent in &all {
                history(agents, &agent.name, notices).await;
            }
            notices.send(Notice::Agents(all));
            world(agents, notices).await;
        }
        Err(error) => tracing::debug!("no agents yet: {error}"),
    }
}

/// The agents' world, and what is known of its past.
async fn world(agents: &Agents1Proxy<'_>, notices: &Notices) {
    // In this order: what happens in between is told as well.
    let asked = match agents.world().await {
        Ok(world) => agents.events(0).await.map(|events| (world, events)),
        Err(error) => Err(error),
    };
    match asked {
        Ok((world, events)) => notices.send(Notice::World(Box::new(world), events)),
        Err(error) => {
            tracing::debug!("the agents' world cannot be seen: {error}");
            notices.send(Notice::AgentsLost);
        }
    }
}

/// Has the orchestrator do something; what came of it, in words.
async fn order(agents: &Agents1Proxy<'_>, order: Order) -> Result<String, String> {
    let done = match &order {
        Order::Start(agent) => agents.start(agent).await,
        Order::Stop(agent) => agents.stop(agent).await,
        Order::StopAll => agents.stop_all().await.map(|_| ()),
        Order::Pause(paused) => agents.set_paused(*paused).await,
        Order::Step => agents.step().await,
        Order::Speed(speed) => agents.set_speed(*speed).await,
    };
    match done {
        Ok(()) => Ok(match order {
            Order::Start(agent) => tr!("order-started", agent = agent),
            Order::Stop(agent) => tr!("order-stopped", agent = agent),
            Order::StopAll => tr!("order-stopped-all"),
            Order::Pause(true) => tr!("order-paused"),
            Order::Pause(false) => tr!("order-resumed"),
            Order::Step => tr!("order-stepped"),
            Order::Speed(speed) => tr!("order-speed", speed = l10n::number(speed)),
        }),
        Err(error) => Err(reason(&error)),
    }
}

async fn history(agents: &Agents1Proxy<'_>, agent: &str, notices: &Notices) {
    match agents.history(agent, KEPT as u32).await {
        Ok(messages) => {
            notices.send(Notice::History {
                agent: agent.to_owned(),
                messages,
            });
        }
        Err(error) => tracing::warn!("the conversation with {agent} cannot be read: {error}"),
    }
}

async fn watch_compositor(
    connection: &Connection,
    notices: &Notices,
    theme: &Mutex<Shown>,
) -> zbus::Result<()> {
    let compositor = Compositor1Proxy::new(connection).await?;
    let mut presence = Presence::of(compositor.inner()).await?;
    let mut requested = compositor.receive_shell_requested().await?;
    let mut active = compositor.receive_active_workspace_changed().await;
    let mut night = compositor.receive_night_light_changed().await;
    let mut motion = compositor.receive_reduced_motion_changed().await;
    workspaces(&compositor, notices).await;
    night_light(&compositor, notices).await;
    reduced_motion(&compositor, notices).await;
    dress(&compositor, theme).await;
    loop {
        tokio::select! {
            present = presence.changed() => match present {
                Some(true) => {
                    workspaces(&compositor, notices).await;
                    night_light(&compositor, notices).await;
                    reduced_motion(&compositor, notices).await;
                    dress(&compositor, theme).await;
                }
                Some(false) => notices.send(Notice::Night(None)),
                None => return Ok(()),
            },
            signal = requested.next() => match signal {
                Some(signal) => match signal.args() {
                    Ok(args) => {
                        notices.send(Notice::Toggle(args.part().to_string()));
                    }
                    Err(error) => tracing::warn!("Compositor1.ShellRequested does not fit: {error}"),
                },
                None => return Ok(()),
            },
            change = active.next() => match change {
                Some(_) => workspaces(&compositor, notices).await,
                None => return Ok(()),
            },
            change = night.next() => match change {
                Some(_) => night_light(&compositor, notices).await,
                None => return Ok(()),
            },
            change = motion.next() => match change {
                Some(_) => reduced_motion(&compositor, notices).await,
                None => return Ok(()),
            },
        }
    }
}

/// Has the compositor draw window frames in the theme's colours.
async fn dress(compositor: &Compositor1Proxy<'_>, theme: &Mutex<Shown>) {
    let colours = current(theme).frames;
    if let Err(error) = compositor.set_frame_colours(&colours).await {
        tracing::debug!("window frames keep their colours: {error}");
    }
}

async fn night_light(compositor: &Compositor1Proxy<'_>, notices: &Notices) {
    notices.send(Notice::Night(compositor.night_light().await.ok()));
}

async fn reduced_motion(compositor: &Compositor1Proxy<'_>, notices: &Notices) {
    // Who does not say so wants nothing else than before.
    if let Ok(reduced) = compositor.reduced_motion().await {
        notices.send(Notice::ReducedMotion(reduced));
    }
}

async fn workspaces(compositor: &Compositor1Proxy<'_>, notices: &Notices) {
    if let (Ok(active), Ok(count)) = (
        compositor.active_workspace().await,
        compositor.workspaces().await,
    ) {
        notices.send(Notice::Workspaces { active, count });
    }
}

/// Does what needs no bus; says of the rest that it cannot be done.
fn without_bus(command: Command, notices: &Notices, theme: &Arc<Mutex<Shown>>) {
    match command {
        Command::Power(Item::Lock) => {
            notices.send(Notice::Problem(tr!("no-bus-to-lock")));
        }
        Command::Record => {
            notices.send(Notice::Problem(tr!("no-bus-to-record")));
        }
        Command::Launch(_) | Command::Power(_) => {
            tokio::task::spawn_blocking({
                let notices = notices.clone();
                move || locally(command, &notices)
            });
        }
        Command::Look(shown) => set(theme, shown),
        Command::Send { agent, text } => {
            let why = tr!("no-bus-for-agents");
            notices.send(Notice::NotSent { agent, text, why });
        }
        Command::World => notices.send(Notice::AgentsLost),
        Command::Order(_) => {
            let why = tr!("no-bus-for-agents");
            notices.send(Notice::Ordered(Err(why)));
        }
        Command::Permissions | Command::Revoke(_) | Command::Explain(_) | Command::Grant(_) => {
            let why = tr!("no-bus-for-broker");
            notices.send(Notice::NoPermissions(why));
        }
        Command::About => notices.send(Notice::Models(None)),
        // It is asked about when there is a bus again.
        Command::ServeNotifications(_) => {}
        Command::Try(..) => notices.send(Notice::Tried(Err(tr!("trial-no-bus")))),
        Command::EndTrial(true) => notices.send(Notice::TrialKept(Err(tr!("trial-no-bus")))),
        Command::Workspace(_)
        | Command::Night(_)
        | Command::StopSharing
        | Command::Requested(_)
        | Command::EndTrial(false)
        | Command::DenyAll(_)
        | Command::History(_)
        | Command::Inspect(_)
        | Command::NotificationClosed(..)
        | Command::NotificationActed(..)
        | Command::Answer(..)
        | Command::Tray(_)
        | Command::Machine(_) => {}
    }
}

async fn obey(
    command: Command,
    connection: Connection,
    notices: Notices,
    theme: Arc<Mutex<Shown>>,
) {
    if let Err(error) = try_obey(command, &connection, &notices, &theme).await {
        tracing::debug!("the session bus: {error}");
    }
}

async fn try_obey(
    command: Command,
    connection: &Connection,
    notices: &Notices,
    theme: &Arc<Mutex<Shown>>,
) -> zbus::Result<()> {
    match command {
        Command::Workspace(number) => {
            let compositor = Compositor1Proxy::new(connection).await?;
            if let Err(error) = compositor.activate_workspace(number).await {
                tracing::warn!("workspace {number} cannot be shown: {error}");
            }
        }
        Command::About => {
            // Of the system bus, which may be slow or not there.
            tokio::spawn(models(notices.clone()));
            let compositor = Compositor1Proxy::new(connection).await?;
            if let Ok(outputs) = compositor.list_outputs().await {
                let mut modes = BTreeMap::new();
                for output in &outputs {
                    let theirs = compositor.list_modes(&output.name).await;
                    modes.insert(output.name.clone(), theirs.unwrap_or_default());
                }
                notices.send(Notice::Outputs(outputs, modes));
            }
        }
        Command::Try(wish, seconds) => {
            let compositor = Compositor1Proxy::new(connection).await?;
            let tried = compositor.try_outputs(&[wish], seconds).await;
            notices.send(Notice::Tried(tried.map_err(|error| by_compositor(&error))));
        }
        Command::EndTrial(true) => {
            let compositor = Compositor1Proxy::new(connection).await?;
            let kept = compositor.keep_outputs().await;
            notices.send(Notice::TrialKept(
                kept.map_err(|error| by_compositor(&error)),
            ));
        }
        Command::EndTrial(false) => {
            let compositor = Compositor1Proxy::new(connection).await?;
            // It may have been taken back already.
            if let Err(error) = compositor.take_back_outputs().await {
                tracing::debug!("{error}");
            }
        }
        Command::StopSharing => {
            if let Err(error) = Sharing1Proxy::new(connection).await?.stop_all().await {
                let why = error.text();
                notices.send(Notice::Problem(tr!("problem-sharing", why = why)));
            }
        }
        Command::Night(on) => {
            let compositor = Compositor1Proxy::new(connection).await?;
            if let Err(error) = compositor.set_night_light(on, 0).await {
                let why = error.to_string();
                notices.send(Notice::Problem(tr!("problem-colours", why = why)));
            }
        }
        Command::Send { agent, text } => {
            let agents = Agents1Proxy::new(connection).await?;
            if let Err(error) = agents.send(&agent, &text).await {
                let why = reason(&error);
                notices.send(Notice::NotSent { agent, text, why });
            }
        }
        Command::History(agent) => {
            history(&Agents1Proxy::new(connection).await?, &agent, notices).await;
        }
        Command::World => world(&Agents1Proxy::new(connection).await?, notices).await,
        Command::Inspect(agent) => {
            let agents = Agents1Proxy::new(connection).await?;
            match agents.inspect(&agent).await {
                Ok(mind) => notices.send(Notice::Mind(Box::new(mind))),
                Err(error) => tracing::debug!("{agent} cannot be looked into: {error}"),
            }
        }
        Command::Order(wanted) => {
            let agents = Agents1Proxy::new(connection).await?;
            let said = order(&agents, wanted).await;
            notices.send(Notice::Ordered(said));
        }
        Command::Permissions => permissions(connection, notices).await?,
        Command::Revoke(id) => {
            let broker = Permissions1Proxy::new(connection).await?;
            match broker.revoke(id).await {
                // What is there now comes after the signal.
                Ok(()) => {}
                Err(error) => {
                    notices.send(no_permissions(&error));
                }
            }
        }
        Command::Explain(question) => explain(connection, notices, question).await?,
        Command::Grant(wish) => {
            let broker = Permissions1Proxy::new(connection).await?;
            let granted = broker
                .grant(
                    &wish.agent,
                    &wish.action,
                    &wish.resource,
                    wish.verdict,
                    wish.scope,
                    wish.expires_ms,
                )
                .await;
            notices.send(match granted {
                Ok(id) => Notice::Granted(id),
                Err(error) => no_permissions(&error),
            });
        }
        Command::Power(Item::Lock) => {
            let compositor = Compositor1Proxy::new(connection).await?;
            if let Err(error) = compositor.lock().await {
                let why = error.to_string();
                notices.send(Notice::Problem(tr!("problem-lock", why = why)));
            }
        }
        Command::Power(item @ (Item::PowerOff | Item::Restart)) => {
            // Programs may delay it: nothing else waits for that.
            tokio::spawn(shut_down(item, notices.clone()));
        }
        Command::Record => record(connection, notices).await?,
        Command::Launch(_) | Command::Power(_) => {
            let notices = notices.clone();
            // The control socket's client blocks.
            let _ = tokio::task::spawn_blocking(move || locally(command, &notices)).await;
        }
        Command::Look(shown) => {
            let before = current(theme).look;
            let after = shown.look.clone();
            set(theme, shown);
            dress(&Compositor1Proxy::new(connection).await?, theme).await;
            let shell = connection
                .object_server()
                .interface::<_, Shell>(PATH)
                .await?;
            let emitter = shell.signal_emitter();
            let served = shell.get().await;
            if before.theme != after.theme {
                served.theme_changed(emitter).await?;
            }
            if before.accent != after.accent {
                served.accent_changed(emitter).await?;
            }
            if before.text_size != after.text_size {
                served.text_size_changed(emitter).await?;
            }
        }
        Command::Requested(part) => {
            Shell::requested(&SignalEmitter::new(connection, PATH)?, &part).await?;
        }
        Command::ServeNotifications(true) => {
            // The part may have the name for a moment yet: it comes back when that lets go of it.
            let waits = zbus::fdo::RequestNameFlags::empty();
            connection
                .request_name_with_flags(notify::NAME, waits)
                .await?;
        }
        Command::ServeNotifications(false) => {
            connection.release_name(notify::NAME).await?;
        }
        Command::NotificationClosed(id, reason) => {
            let emitter = SignalEmitter::new(connection, notify::PATH)?;
            Notifications::notification_closed(&emitter, id, reason as u32).await?;
        }
        Command::NotificationActed(id, key) => {
            let emitter = SignalEmitter::new(connection, notify::PATH)?;
            Notifications::action_invoked(&emitter, id, key).await?;
        }
        Command::Tray(command) => tray::obey(command, connection, notices).await?,
        Command::Answer(..) | Command::DenyAll(_) | Command::Machine(_) => {}
    }
    Ok(())
}

/// The AI service's models, if it runs; it is not started for this.
async fn models(notices: Notices) {
    let asked = async {
        let bus = Connection::system().await?;
        let ai = Ai1Proxy::new(&bus).await?;
        let names = zbus::fdo::DBusProxy::new(&bus).await?;
        let there = names
            .name_has_owner(ai.inner().destination().clone())
            .await?;
        zbus::Result::Ok(match there {
            true => ai.list_models().await.ok(),
            false => None,
        })
    };
    let models = match asked.await {
        Ok(models) => models,
        Err(error) => {
            tracing::debug!("the AI service's models are not known: {error}");
            None
        }
    };
    let told = |models: Vec<Model>| models.into_iter().map(|model| (model.id, model.state));
    notices.send(Notice::Models(models.map(|models| told(models).collect())));
}

/// Has the machine shut down by login1, or by PID 1 where login1 is not there.
async fn shut_down(item: Item, notices: Notices) {
    let how = match item {
        Item::Restart => Shutdown::Reboot,
        _ => Shutdown::PowerOff,
    };
    let asked = match Connection::system().await {
        Ok(bus) => power::shut_down(&bus, how).await,
        Err(error) => Err(Refusal::Absent(error.to_string())),
    };
    match asked {
        Ok(()) => {}
        Err(Refusal::Absent(_)) => {
            let by_init = move || locally(Command::Power(item), &notices);
            let _ = tokio::task::spawn_blocking(by_init).await;
        }
        Err(refusal) => notices.send(Notice::Problem(not_done(item, &refusal.to_string()))),
    }
}

/// Why the machine does not shut down, or the session does not end.
fn not_done(item: Item, why: &str) -> String {
    match item {
        Item::Restart => tr!("problem-restart", why = why),
        Item::LogOut => tr!("problem-log-out", why = why),
        _ => tr!("problem-power-off", why = why),
    }
}

/// What goes over the control sockets of the supervisors.
fn locally(command: Command, notices: &Notices) {
    use argos_control::Client;
    let done = match command {
        Command::Launch(app) => argos_apps::launch(&app, &[])
            .map(|_| ())
            .map_err(|e| e.to_string()),
        Command::Power(Item::PowerOff) => Client::system()
            .and_then(|mut init| init.poweroff())
            .map_err(|e| not_done(Item::PowerOff, &e.to_string())),
        Command::Power(Item::Restart) => Client::system()
            .and_then(|mut init| init.reboot())
            .map_err(|e| not_done(Item::Restart, &e.to_string())),
        // The session waits for this target; when it is down, the login takes over.
        Command::Power(Item::LogOut) => Client::user()
            .and_then(|mut supervisor| supervisor.stop("desktop"))
            .map_err(|e| not_done(Item::LogOut, &e.to_string())),
        Command::Record => recording_unit()
            .and_then(|unit| {
                let mut supervisor = Client::user().map_err(|e| e.to_string())?;
                let started = supervisor.start_transient(unit, Vec::new());
                started.map_err(|e| e.to_string())
            })
            .map_err(|why| tr!("problem-record", why = why)),
        _ => Ok(()),
    };
    if let Err(problem) = done {
        notices.send(Notice::Problem(problem));
    }
}

/// The program that records, as a unit: it goes on when the shell does not.
fn recording_unit() -> Result<TransientUnit, String> {
    let beside = std::env::current_exe().ok();
    let beside = beside.map(|shell| shell.with_file_name(recorder::PROGRAM));
    let program = beside.filter(|program| program.is_file());
    let program = program.ok_or_else(|| format!("{} is not installed", recorder::PROGRAM))?;
    let wish = serde_json::to_string(&Wish::default()).map_err(|e| e.to_string())?;
    let now = jiff::Timestamp::now().as_millisecond();
    Ok(TransientUnit {
        name: format!("record-{now:x}"),
        description: "Recording of the screen".to_owned(),
        exec: vec![program.display().to_string(), "--tell".to_owned(), wish],
        working_directory: std::env::var("HOME").ok(),
        ..TransientUnit::default()
    })
}

async fn explain(
    connection: &Connection,
    notices: &Notices,
    question: Question,
) -> zbus::Result<()> {
    let broker = Permissions1Proxy::new(connection).await?;
    let Question {
        number,
        agent,
        action,
        resource,
    } = question;
    let said = broker.explain(&agent, action, &resource).await;
    notices.send(Notice::Explained(number, said.map_err(|e| by_broker(&e))));
    Ok(())
}

fn no_permissions(error: &Error) -> Notice {
    Notice::NoPermissions(by_broker(error))
}

/// The broker's error in words.
fn by_broker(error: &Error) -> String {
    match error {
        Error::ZBus(_) => tr!("broker-not-running"),
        error => reason(error),
    }
}

/// The compositor's error in words.
fn by_compositor(error: &Error) -> String {
    match error {
        Error::ZBus(_) => tr!("trial-no-bus"),
        error => reason(error),
    }
}

/// A service's error in words for the chat.
fn reason(error: &argos_bus::Error) -> String {
    match error {
        Error::ZBus(_) => tr!("agents-not-running"),
        Error::Denied(text)
        | Error::NoAnswer(text)
        | Error::InvalidArguments(text)
        | Error::NotFound(text)
        | Error::LimitReached(text)
        | Error::TimedOut(text)
        | Error::Cancelled(text)
        | Error::Unavailable(text)
        | Error::Failed(text) => text.clone(),
    }
}

fn current(theme: &Mutex<Shown>) -> Shown {
    theme.lock().map_or_else(
        |poisoned| poisoned.into_inner().clone(),
        |theme| theme.clone(),
    )
}

fn set(theme: &Mutex<Shown>, shown: Shown) {
    match theme.lock() {
        Ok(mut theme) => *theme = shown,
        Err(poisoned) => *poisoned.into_inner() = shown,
    }
}

/// `org.argos.Shell1`; see [`argos_bus::shell`].
#[derive(Debug)]
struct Shell {
    notices: Notices,
    theme: Arc<Mutex<Shown>>,
    plugins: Plugins,
}

#[zbus::interface(name = "org.argos.Shell1")]
impl Shell {
    /// Shows a part: `launcher`, `chat`, `agents`, `controls`, `power`, `permissions`, `settings`, or a page of
    /// the settings, as `settings/displays`. Shown again, it hides. Where another part stands in for it, that is
    /// told by `Requested`. Errors: `InvalidArguments`.
    fn toggle(&self, part: &str) -> argos_bus::Result<()> {
        let page = part.strip_prefix("settings/");
        if let Some(page) = page.filter(|page| Page::named(page).is_none()) {
            let pages = Page::ALL.map(Page::name).join(", ");
            let text = format!("the settings have no page `{page}`; there are: {pages}");
            return Err(argos_bus::Error::InvalidArguments(text));
        }
        if page.is_none() && !PARTS.contains(&part) {
            let text = format!(
                "`{part}` is no part of the shell; there are: {}",
                PARTS.join(", ")
            );
            return Err(argos_bus::Error::InvalidArguments(text));
        }
        self.notices.send(Notice::Toggle(part.to_owned()));
        Ok(())
    }

    /// The parts that are programs of their own, by name.
    fn list_parts(&self) -> Vec<Part> {
        self.plugins.list()
    }

    /// Starts such a part anew, also one that was given up; returns when that is begun. Errors: `NotFound`.
    fn restart_part(&self, name: &str) -> argos_bus::Result<()> {
        self.plugins.restart(name)
    }

    /// A part that another one stands in for is to be shown or hidden.
    #[zbus(signal)]
    async fn requested(emitter: &SignalEmitter<'_>, part: &str) -> zbus::Result<()>;

    /// Sets the theme by name. Errors: `NotFound` with the names there are, `InvalidArguments` if
    /// its file is wrong.
    fn set_theme(&self, name: &str) -> argos_bus::Result<()> {
        match theme::load(name) {
            Ok(_) => {
                self.notices.send(Notice::SetTheme(name.to_owned()));
                Ok(())
            }
            Err(error @ theme::Error::Unknown { .. }) => {
                Err(argos_bus::Error::NotFound(error.to_string()))
            }
            Err(error) => Err(argos_bus::Error::InvalidArguments(error.to_string())),
        }
    }

    /// The theme's name.
    #[zbus(property)]
    fn theme(&self) -> String {
        current(&self.theme).look.theme
    }

    /// The accent that the person chose: a name, or `#rrggbb`; empty for the theme's.
    #[zbus(property)]
    fn accent(&self) -> String {
        current(&self.theme).look.accent
    }

    /// How large text is, in percent.
    #[zbus(property)]
    fn text_size(&self) -> u32 {
        current(&self.theme).look.text_size
    }
}
