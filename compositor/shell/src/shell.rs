//! The shell: which parts are on screen, and what connects them with each other and the services.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use argos_apps::App;
use argos_bus::recorder::{Outcome, Recording};
use calloop::channel::Sender;
use iced_core::{Color, Event, Size, mouse};
use iced_widget::image::Handle;
use iced_widget::space;
use jiff::Zoned;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

use crate::bus::shell::Shown;
use crate::bus::{Command, Notice, machine};
use crate::host::{
    Anchor, Content, Element, Height, KeyboardInteractivity, Layer, Outputs, Picture, Program,
    Spec, Tasks,
};
use crate::icons;
use crate::parts::notifications::{Notification, Notifications, Reason, Urgency};
use crate::parts::{
    agents, ahead, chat, controls, launcher, notifications, panel, permissions, power, settings,
    tray, wallpaper,
};
use crate::plugins::manifest::BuiltIn;
use crate::plugins::{Problem, Seen};
use crate::preferences::{Change, File, Files, Writer};
use crate::settings::Settings;
use crate::theme::{self, Appearance, Palette, Theme, least_contrast};
use crate::widgets::SHADOW;
use crate::{inventory, l10n, tr};

/// Applications' icons are decoded at twice their size in the list, for sharp screens.
const ICON_PIXELS: u32 = 64;
/// Numbers of the shell's own notifications, apart from those it gives to applications.
const OWN_NOTIFICATIONS: u32 = u32::MAX / 2 + 1;

/// The surfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Behind everything.
    Wallpaper,
    /// At the top.
    Panel,
    /// In the middle.
    Launcher,
    /// At the right.
    Chat,
    /// Below the panel's right end.
    Power,
    /// In the middle.
    Permissions,
    /// Over everything but the panel.
    Agents,
    /// In the middle.
    Settings,
    /// At the top right.
    Notifications,
    /// Below the panel's right end.
    Controls,
    /// At the bottom, for a moment.
    Display,
    /// Below the panel's right end.
    Tray,
    /// Nothing to see; clicks on it close what is open in front of it.
    Outside,
}

/// What can happen.
#[derive(Debug)]
pub enum Message {
    /// On the panel.
    Panel(panel::Message),
    /// In the launcher.
    Launcher(launcher::Message),
    /// In the chat.
    Chat(chat::Message),
    /// In the quick settings.
    Controls(controls::Message),
    /// In the tray's menu.
    Tray(tray::Message),
    /// In the power menu.
    Power(power::Message),
    /// On the permissions page.
    Permissions(permissions::Message),
    /// In the agent view.
    Agents(agents::Message),
    /// In the settings.
    Settings(settings::Message),
    /// What the settings say, and what there is to choose from.
    Known(Box<settings::Known>),
    /// What became of a change of the settings.
    Kept(Change, Result<(), String>),
    /// On a pop-up.
    Notifications(notifications::Message),
    /// The chat got the keyboard.
    ChatFocused,
    /// A click beside what is open.
    Outside,
    /// From the services.
    Bus(Notice),
    /// Of the parts that are programs of their own.
    Parts(Seen),
    /// What is installed.
    Apps(Vec<App>),
    /// An application's icon was decoded.
    Icon(String, Handle),
}

/// What lies in the middle of the screen, at most one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Launcher,
    Controls,
    Tray,
    Power,
    Permissions,
    Agents,
    Settings,
}

impl Open {
    /// The part that another one may stand in for.
    fn built_in(self) -> Option<BuiltIn> {
        match self {
            Self::Nothing | Self::Tray | Self::Permissions => None,
            Self::Launcher => Some(BuiltIn::Launcher),
            Self::Controls => Some(BuiltIn::Controls),
            Self::Power => Some(BuiltIn::Power),
            Self::Agents => Some(BuiltIn::Agents),
            Self::Settings => Some(BuiltIn::Settings),
        }
    }
}

/// The shell's state.
#[derive(Debug)]
pub struct Shell {
    own: Settings,
    theme: Theme,
    /// How many times larger things are shown.
    text_size: f32,
    picture: Arc<dyn Picture>,
    panel: panel::Panel,
    launcher: launcher::Launcher,
    chat: chat::Chat,
    controls: controls::Controls,
    tray: tray::Tray,
    power: power::Power,
    permissions: permissions::Permissions,
    agents: agents::Agents,
    settings: settings::Settings,
    notifications: Notifications,
    writer: Writer,
    open: Open,
    chat_open: bool,
    /// Whether the chat still has to be given the keyboard.
    chat_wants_keyboard: bool,
    next_minute: Instant,
    /// The recording of the screen that is being made, and since when.
    recording: Option<(Recording, Instant)>,
    next_own: u32,
    others: Seen,
    /// The notifications about what is wrong with others' parts, by their names.
    complaints: BTreeMap<String, u32>,
    commands: UnboundedSender<Command>,
    inbox: Sender<Message>,
}

impl Shell {
    /// A shell with these settings and their theme, that gives `commands` to the services, and hears from
    /// its own threads through `inbox`.
    pub fn new(
        own: Settings,
        theme: Theme,
        commands: UnboundedSender<Command>,
        inbox: Sender<Message>,
    ) -> Self {
        let done = inbox.clone();
        let done = move |change, outcome| {
            // The receiver is gone only when the program ends.
            let _ = done.send(Message::Kept(change, outcome));
        };
        let mut shell = Self {
            picture: wallpaper::picture(&theme, &own.wallpaper),
            text_size: own.look().enlarged(),
            own,
            theme,
            panel: panel::Panel::default(),
            launcher: launcher::Launcher::default(),
            chat: chat::Chat::default(),
            controls: controls::Controls::default(),
            tray: tray::Tray::default(),
            power: power::Power::default(),
            permissions: permissions::Permissions::default(),
            agents: agents::Agents::default(),
            settings: settings::Settings::default(),
            writer: Writer::start(Files::usual(), done),
            notifications: Notifications::default(),
            open: Open::Nothing,
            chat_open: false,
            chat_wants_keyboard: false,
            next_minute: Instant::now(),
            recording: None,
            next_own: OWN_NOTIFICATIONS,
            others: Seen::default(),
            complaints: BTreeMap::new(),
            commands,
            inbox,
        };
        shell.set_clock(Instant::now());
        shell.find_apps();
        shell
    }

    fn palette(&self) -> &Palette {
        &self.theme.colors
    }

    fn set_clock(&mut self, now: Instant) {
        self.next_minute = now + self.panel.set_time(&Zoned::now());
    }

    fn command(&self, command: Command) {
        // The thread ends only after this process's main loop.
        let _ = self.commands.send(command);
    }

    /// Reads what is installed, off the main thread, and then the icons one by one.
    fn find_apps(&self) {
        let inbox = self.inbox.clone();
        let known = self.launcher.icon_names();
        let search = move || {
            let apps = argos_apps::list();
            let mut names: Vec<String> = apps.iter().map(|app| app.icon.clone()).collect();
            let _ = inbox.send(Message::Apps(apps));
            names.sort();
            names.dedup();
            for name in names.into_iter().filter(|name| !known.contains(name)) {
                if let Some(icons::Pixels { size, rgba }) = icons::load_app_icon(&name, ICON_PIXELS)
                {
                    let _ = inbox.send(Message::Icon(name, Handle::from_rgba(size, size, rgba)));
                }
            }
        };
        if let Err(error) = std::thread::Builder::new()
            .name("apps".to_owned())
            .spawn(search)
        {
            tracing::warn!("the installed applications cannot be read: {error}");
        }
    }

    fn toggle(&mut self, part: &str, tasks: &mut Tasks<Part>) {
        if self.leaves_to_another(part) {
            return;
        }
        match part {
            "launcher" if self.open == Open::Launcher => self.open = Open::Nothing,
            "launcher" => {
                self.open = Open::Launcher;
                self.launcher.open();
                tasks.focus(Part::Launcher, launcher::INPUT);
            }
            "controls" if self.open == Open::Controls => self.open = Open::Nothing,
            "controls" => {
                self.open = Open::Controls;
                self.controls.open();
                self.command(Command::Machine(machine::Command::Tell));
            }
            "power" if self.open == Open::Power => self.open = Open::Nothing,
            "power" => {
                self.open = Open::Power;
                self.power = power::Power::default();
            }
            "permissions" if self.open == Open::Permissions => self.open = Open::Nothing,
            "permissions" => {
                self.open = Open::Permissions;
                let agents = self.panel.agents.iter();
                let agents = agents.map(|agent| (agent.name.clone(), agent.title.clone()));
                self.permissions.open(agents.collect());
                self.command(Command::Permissions);
            }
            "agents" if self.open == Open::Agents => self.open = Open::Nothing,
            "agents" => {
                self.open = Open::Agents;
                self.agents.open(Instant::now());
                self.command(Command::World);
                self.command(Command::Permissions);
            }
            "settings" if self.open == Open::Settings => self.open = Open::Nothing,
            "settings" => self.open_settings(settings::Page::default(), tasks),
            "chat" if self.chat_open => self.chat_open = false,
            "chat" => self.open_chat(tasks),
            "record" => self.command(Command::Record),
            other if other.starts_with("settings/") => {
                let page = other
                    .strip_prefix("settings/")
                    .and_then(settings::Page::named);
                match page {
                    Some(page) if self.open == Open::Settings && self.settings.page() == page => {
                        self.open = Open::Nothing;
                    }
                    Some(page) => self.open_settings(page, tasks),
                    None => tracing::warn!("asked to show `{other}`, which is no page"),
                }
            }
            other => match self.controls.key(other, Instant::now()) {
                Some(command) => self.command(Command::Machine(command)),
                None => tracing::warn!("asked to show `{other}`, which is no part of the shell"),
            },
        }
    }

    fn is_replaced(&self, part: BuiltIn) -> bool {
        self.others.replaced.contains(&part)
    }

    /// Whether another part stands in for what is to be shown; that is then told of it.
    fn leaves_to_another(&mut self, part: &str) -> bool {
        let replaced = BuiltIn::toggled(part).is_some_and(|part| self.is_replaced(part));
        if replaced {
            self.command(Command::Requested(part.to_owned()));
        }
        replaced
    }

    fn open_chat(&mut self, tasks: &mut Tasks<Part>) {
        self.open = Open::Nothing;
        if self.leaves_to_another("chat") {
            return;
        }
        self.chat_open = true;
        self.chat_wants_keyboard = true;
        self.panel.unread = false;
        tasks.focus(Part::Chat, chat::INPUT);
    }

    fn open_settings(&mut self, page: settings::Page, tasks: &mut Tasks<Part>) {
        if self.leaves_to_another(&format!("settings/{}", page.name())) {
            self.open = Open::Nothing;
            return;
        }
        self.open = Open::Settings;
        self.settings.open(page);
        self.take_accent();
        self.read_settings();
        self.command(Command::About);
        tasks.focus(Part::Settings, settings::INPUT);
    }

    /// Reads what the settings say, off the main thread.
    fn read_settings(&self) {
        let inbox = self.inbox.clone();
        let read = move || {
            let known = inventory::take(&Files::usual());
            let _ = inbox.send(Message::Known(Box::new(known)));
        };
        let started = std::thread::Builder::new()
            .name("inventory".to_owned())
            .spawn(read);
        if let Err(error) = started {
            tracing::warn!("the settings cannot be read: {error}");
        }
    }

    /// Has something of the shell's own settings kept.
    fn keep(&mut self, key: &str, value: impl Into<Value>) {
        let value = value.into();
        self.settings.set_own(key, value.clone());
        self.write(Change {
            file: File::Shell,
            values: vec![(vec![key.to_owned()], value)],
        });
    }

    fn write(&mut self, change: Change) {
        if let Err(change) = self.writer.change(change) {
            let why = tr!("settings-no-thread");
            let _ = self.inbox.send(Message::Kept(change, Err(why)));
        }
    }

    fn set_wallpaper(&mut self, name: String) {
        self.keep("wallpaper", name.as_str());
        self.own.wallpaper = name;
        self.picture = wallpaper::picture(&self.theme, &self.own.wallpaper);
    }

    fn set_language(&mut self, code: String) {
        self.keep("language", code.as_str());
        l10n::speak_chosen(&code);
        self.own.language = code;
        self.set_clock(Instant::now());
        self.agents.retell();
        // Settings are found by names of the language.
        self.find_apps();
    }

    /// What follows from the settings.
    fn set(&mut self, outcome: settings::Outcome, tasks: &mut Tasks<Part>) {
        use settings::Outcome;
        match outcome {
            Outcome::None => {}
            Outcome::Focus => {
                tasks.focus(Part::Settings, settings::INPUT);
                tasks.scroll_to(Part::Settings, settings::LIST, 0.0);
            }
            Outcome::Scroll(offset) => tasks.scroll_to(Part::Settings, settings::LIST, offset),
            Outcome::Change(change) => self.write(change),
            Outcome::Theme(name) => self.set_theme(&name),
            Outcome::Accent(accent) => self.set_accent(accent),
            Outcome::TextSize(percent) => self.set_text_size(percent),
            Outcome::Wallpaper(name) => self.set_wallpaper(name),
            Outcome::Language(code) => self.set_language(code),
            Outcome::Try(wish) => self.command(Command::Try(wish, settings::TRIAL_SECONDS)),
            Outcome::EndTrial(keep) => {
                self.command(Command::EndTrial(keep));
                if !keep {
                    self.command(Command::About);
                }
                tasks.focus(Part::Settings, settings::INPUT);
            }
            Outcome::Permissions => self.toggle("permissions", tasks),
            Outcome::Agents => self.toggle("agents", tasks),
            Outcome::Read => self.read_settings(),
            Outcome::Close => self.open = Open::Nothing,
        }
    }

    fn set_theme(&mut self, name: &str) {
        match theme::load(name) {
            Ok(theme) => {
                if theme.wallpaper != self.theme.wallpaper && self.own.wallpaper.is_empty() {
                    self.picture = wallpaper::picture(&theme, "");
                }
                self.theme = theme;
                self.own.theme = name.to_owned();
                self.take_accent();
                self.keep("theme", name);
                self.tell_look();
            }
            Err(error) => self.tell(&tr!("shell-theme-not-changed"), &error.to_string()),
        }
    }

    fn set_accent(&mut self, accent: String) {
        self.keep("accent", accent.as_str());
        self.own.accent = accent;
        self.theme = theme::load_or_default(&self.own.theme);
        self.take_accent();
        self.agents.retell();
        self.tell_look();
    }

    /// Gives the theme the person's accent, and says so in the settings where it is not quite that.
    fn take_accent(&mut self) {
        let least = least_contrast(&self.own.theme);
        let note = match self.theme.take_accent(&self.own.accent, least) {
            Ok(false) => String::new(),
            Ok(true) => {
                let shown = theme::hex(self.theme.colors.accent);
                tr!("set-accent-mended", shown = shown)
            }
            Err(_) => tr!("set-accent-refused", accent = self.own.accent.as_str()),
        };
        self.settings.set_accent_note(note);
    }

    fn set_text_size(&mut self, percent: u32) {
        self.keep("text-size", percent);
        self.own.text_size = percent;
        self.text_size = self.own.look().enlarged();
        self.tell_look();
    }

    /// Tells the compositor and the other processes how things look.
    fn tell_look(&self) {
        self.command(Command::Look(Shown {
            look: self.own.look(),
            frames: self.theme.frame_colours(),
        }));
    }

    fn close_tray(&mut self) {
        self.tray.close();
        if self.open == Open::Tray {
            self.open = Open::Nothing;
        }
    }

    /// Dark instead of light, or light instead of dark.
    fn other_theme(&mut self) {
        self.set_theme(match self.theme.appearance {
            Appearance::Dark => "light",
            Appearance::Light => "dark",
        });
    }

    /// Shows a notification of the shell itself.
    fn tell(&mut self, summary: &str, body: &str) {
        self.tell_as(Urgency::Normal, summary, body);
    }

    /// The same, as pressing as it is. Returns its number.
    fn tell_as(&mut self, urgency: Urgency, summary: &str, body: &str) -> u32 {
        let id = self.next_own;
        self.next_own = self.next_own.checked_add(1).unwrap_or(OWN_NOTIFICATIONS);
        let notification = Notification {
            id,
            app: String::new(),
            summary: summary.to_owned(),
            body: body.to_owned(),
            actions: Vec::new(),
            urgency,
            timeout_ms: -1,
        };
        self.notifications.show(notification, Instant::now());
        id
    }

    /// The screen is recorded, or is not any more. One that went without a word was ended by force.
    fn set_recording(&mut self, recording: Option<Recording>, now: Instant) {
        let before = self.recording.take();
        match (recording, before) {
            (Some(recording), _) => {
                let elapsed = Duration::from_millis(recording.elapsed_ms);
                self.recording = Some((recording, now.checked_sub(elapsed).unwrap_or(now)));
            }
            (None, Some((recording, _))) => {
                let body = tr!("recorded-lost", file = recording.file);
                self.tell(&tr!("recorded-broken"), &body);
            }
            (None, None) => {}
        }
        self.show_elapsed(now);
    }

    /// A recording has ended as it should, or could not be begun.
    fn recorded(&mut self, outcome: &Outcome) {
        self.recording = None;
        self.panel.recording = None;
        let Outcome {
            file,
            left_out,
            error,
            ..
        } = outcome;
        if file.is_empty() {
            let text = tr!("problem-record", why = error.as_str());
            self.tell(&tr!("shell-problem"), &text);
        } else if !error.is_empty() {
            self.tell(&tr!("recorded-broken"), error);
        } else if *left_out > 0 {
            let missed = tr!("recorded-left-out", count = *left_out);
            self.tell(&tr!("recorded"), &format!("{file}\n{missed}"));
        } else {
            self.tell(&tr!("recorded"), file);
        }
    }

    /// The panel shows for how long the screen has been recorded.
    fn show_elapsed(&mut self, now: Instant) {
        let since = self.recording.as_ref().map(|(_, since)| *since);
        self.panel.recording = since.map(|since| now.saturating_duration_since(since));
    }

    /// When that is another second.
    fn next_second(&self) -> Option<Instant> {
        let (_, since) = self.recording.as_ref()?;
        let shown = self.panel.recording?;
        Some(*since + Duration::from_secs(shown.as_secs() + 1))
    }

    /// Others' parts stand so: what they stand in for leaves, or comes back.
    fn set_others(&mut self, others: Seen) {
        let before = std::mem::replace(&mut self.others, others);
        let serves = !self.is_replaced(BuiltIn::Notifications);
        if serves == before.replaced.contains(&BuiltIn::Notifications) {
            self.command(Command::ServeNotifications(serves));
        }
        if self
            .open
            .built_in()
            .is_some_and(|part| self.is_replaced(part))
        {
            self.open = Open::Nothing;
        }
        self.chat_open &= !self.is_replaced(BuiltIn::Chat);
        let problems = self.others.problems.clone();
        for (part, problem) in &before.problems {
            if problems.get(part) != Some(problem)
                && let Some(id) = self.complaints.remove(part)
            {
                self.notifications.close(id, Reason::Closed, Instant::now());
            }
        }
        for (part, problem) in &problems {
            if before.problems.get(part) != Some(problem) {
                let (summary, body) = complaint(part, problem);
                // It stays until it is closed, or mended.
                let id = self.tell_as(Urgency::Critical, &summary, &body);
                self.complaints.insert(part.clone(), id);
            }
        }
    }

    fn heard(&mut self, notice: Notice, tasks: &mut Tasks<Part>) {
        match notice {
            Notice::Workspaces { active, count } => {
                self.panel.workspace = active;
                self.panel.workspaces = count;
            }
            Notice::Toggle(part) => self.toggle(&part, tasks),
            Notice::SetTheme(name) => self.set_theme(&name),
            Notice::Agents(agents) => {
                self.panel.agents.clone_from(&agents);
                self.chat.set_agents(agents);
            }
            Notice::Agent(agent) => {
                self.agents.set_agent(&agent);
                let mut agents = std::mem::take(&mut self.panel.agents);
                match agents.iter_mut().find(|known| known.name == agent.name) {
                    Some(known) => *known = agent,
                    None => agents.push(agent),
                }
                self.panel.agents.clone_from(&agents);
                self.chat.set_agents(agents);
            }
            Notice::AgentsLost => {
                self.panel.agents.clear();
                self.panel.paused = false;
                self.chat.lost();
                self.agents.lost();
            }
            Notice::World(world, events) => {
                self.panel.paused = world.pace.paused;
                self.agents.set_world(*world, events);
            }
            Notice::Happened(event) => {
                // What is missed while nobody looks is asked for when somebody does.
                if self.open == Open::Agents {
                    let outcome = self.agents.happened(*event);
                    self.watched(outcome, tasks);
                }
            }
            Notice::Pace(pace) => {
                self.panel.paused = pace.paused;
                self.agents.set_pace(pace);
            }
            Notice::Mind(mind) => self.agents.set_mind(*mind),
            Notice::Ordered(said) => self.agents.answered(said),
            Notice::History { agent, messages } => self.chat.set_history(&agent, messages),
            Notice::Said(message) => {
                if message.role != "person" && !self.chat_open {
                    self.panel.unread = true;
                }
                self.chat.heard(message);
            }
            Notice::NotSent { agent, text, why } => {
                self.agents.answered(Err(why.clone()));
                self.chat.not_sent(&agent, &text, why);
            }
            Notice::Notify(notification) => self.notifications.show(notification, Instant::now()),
            Notice::TakeBack(id) => {
                let closed = self.notifications.close(id, Reason::Closed, Instant::now());
                self.report(closed);
            }
            Notice::Permissions { grants, rows } => {
                self.agents.set_grants(grants.clone());
                let outcome = self.permissions.set(grants, &rows);
                self.decided(outcome, tasks);
            }
            Notice::Explained(number, said) => self.permissions.answered(number, said),
            Notice::Granted(id) => {
                self.permissions.granted(id);
                self.command(Command::Permissions);
            }
            Notice::NoPermissions(why) => self.permissions.failed(why),
            Notice::PermissionsChanged if matches!(self.open, Open::Permissions | Open::Agents) => {
                self.command(Command::Permissions);
            }
            Notice::PermissionsChanged => {}
            Notice::Problem(text) => self.tell(&tr!("shell-problem"), &text),
            Notice::TrayItem(item) => self.tray.set(*item),
            Notice::TrayGone(address) => {
                if self.tray.remove(&address) {
                    self.close_tray();
                }
            }
            Notice::TrayMenu(address, entries) => {
                if self.tray.set_menu(&address, entries) {
                    self.open = Open::Tray;
                }
            }
            Notice::TrayLost => {
                self.tray.clear();
                self.close_tray();
            }
            Notice::Sound(sound) => self.controls.set_sound(sound),
            Notice::Light(light) => self.controls.set_light(light),
            Notice::Network(network) => self.controls.set_network(network),
            Notice::Night(night) => self.controls.set_night(night),
            Notice::Shares(shares) => self.panel.shares = shares,
            Notice::Outputs(outputs, modes) => self.settings.set_outputs(outputs, modes),
            Notice::Tried(done) => {
                if let Some(keep) = self.settings.tried(done, Instant::now()) {
                    self.command(Command::EndTrial(keep));
                }
                self.command(Command::About);
            }
            Notice::TrialKept(kept) => {
                let outcome = self.settings.kept(kept);
                self.set(outcome, tasks);
                self.command(Command::About);
            }
            Notice::Recording(recording) => self.set_recording(recording, Instant::now()),
            Notice::Recorded(outcome) => self.recorded(&outcome),
            Notice::ReducedMotion(reduced) => self.agents.set_still(reduced),
            Notice::Models(models) => self.settings.set_models(models),
            // The prompt's, which is a process of its own.
            Notice::Requested(_)
            | Notice::Resolved(_)
            | Notice::NotAnswered(_)
            | Notice::BrokerLost => {}
        }
    }

    /// What follows from the permissions page.
    fn decided(&mut self, outcome: permissions::Outcome, tasks: &mut Tasks<Part>) {
        use permissions::Outcome;
        match outcome {
            Outcome::None => {}
            Outcome::Scroll(offset) => {
                tasks.scroll_to(Part::Permissions, permissions::LIST, offset);
            }
            Outcome::Focus => tasks.focus(Part::Permissions, ahead::INPUT),
            Outcome::Ask(question) => self.command(Command::Explain(question)),
            Outcome::Grant(wish) => self.command(Command::Grant(wish)),
            Outcome::Revoke(id) => self.command(Command::Revoke(id)),
            Outcome::Close => self.open = Open::Nothing,
        }
    }

    /// What follows from the agent view.
    fn watched(&mut self, outcome: agents::Outcome, tasks: &mut Tasks<Part>) {
        use agents::Outcome;
        match outcome {
            Outcome::None => {}
            Outcome::Focus => tasks.focus(Part::Agents, agents::INPUT),
            Outcome::Inspect(agent) => self.command(Command::Inspect(agent)),
            Outcome::World => self.command(Command::World),
            Outcome::Order(order) => self.command(Command::Order(order)),
            Outcome::Say { agent, text } => self.command(Command::Send { agent, text }),
            Outcome::Talk(agent) => self.talk(agent, tasks),
            Outcome::Close => self.open = Open::Nothing,
        }
    }

    /// Opens the chat with an agent.
    fn talk(&mut self, agent: String, tasks: &mut Tasks<Part>) {
        if let chat::Outcome::History(agent) = self.chat.update(chat::Message::Choose(agent)) {
            self.command(Command::History(agent));
        }
        self.open_chat(tasks);
    }

    /// Tells applications what became of their notifications.
    fn report(&self, outcomes: impl IntoIterator<Item = notifications::Outcome>) {
        use notifications::Outcome;
        for outcome in outcomes {
            match outcome {
                Outcome::Closed(id, reason) if id < OWN_NOTIFICATIONS => {
                    self.command(Command::NotificationClosed(id, reason));
                }
                Outcome::Acted(id, key) if id < OWN_NOTIFICATIONS => {
                    self.command(Command::NotificationActed(id, key));
                }
                Outcome::Closed(..) | Outcome::Acted(..) => {}
            }
        }
    }

    fn say(&mut self, text: String) {
        if let chat::Outcome::Send { agent, text } = self.chat.update(chat::Message::Say(text)) {
            self.command(Command::Send { agent, text });
        }
    }
}

/// What is wrong with another's part, in the person's language: what it is about, and more on it.
fn complaint(part: &str, problem: &Problem) -> (String, String) {
    match problem {
        Problem::Mistake(why) => (
            tr!("part-mistake", part = part),
            format!("{why}\n{}", tr!("part-mistake-meanwhile")),
        ),
        Problem::GivenUp { deaths, why } => (
            tr!("part-given-up", part = part),
            tr!(
                "part-given-up-why",
                count = *deaths,
                why = why.as_str(),
                log = format!("argos log --user part-{part}")
            ),
        ),
        Problem::Refused(why) => (tr!("part-refused", part = part), why.clone()),
    }
}

impl Program for Shell {
    type Message = Message;
    type Part = Part;

    fn surfaces(&self) -> Vec<Spec<Part>> {
        let shadow = SHADOW as i32;
        let base = Spec {
            layer: Layer::Background,
            keyboard: KeyboardInteractivity::None,
            content: Content::Picture(self.picture.clone()),
            ..Spec::cover(Part::Wallpaper, Outputs::Each, "argos-wallpaper")
        };
        let overlay = Spec {
            on: Outputs::Active,
            layer: Layer::Overlay,
            exclusive_zone: 0,
            content: Content::Widgets,
            ..base.clone()
        };
        let mut surfaces = Vec::new();
        if !self.is_replaced(BuiltIn::Panel) {
            surfaces.push(Spec {
                part: Part::Panel,
                layer: Layer::Top,
                anchor: Anchor::TOP | Anchor::LEFT | Anchor::RIGHT,
                height: Height::Fixed(panel::HEIGHT),
                exclusive_zone: panel::HEIGHT as i32,
                namespace: "argos-panel",
                content: Content::Widgets,
                ..base.clone()
            });
        }
        if !self.is_replaced(BuiltIn::Wallpaper) {
            surfaces.push(base);
        }
        if self.chat_open {
            surfaces.push(Spec {
                part: Part::Chat,
                layer: Layer::Top,
                anchor: Anchor::TOP | Anchor::BOTTOM | Anchor::RIGHT,
                width: chat::WIDTH,
                margin: [8 - shadow, 10 - shadow, 10 - shadow, 0],
                shadow: SHADOW as u32,
                // At first exclusive, because some compositors give a new surface no keyboard on
                // demand; once it has it, windows may take it again.
                keyboard: if self.chat_wants_keyboard {
                    KeyboardInteractivity::Exclusive
                } else {
                    KeyboardInteractivity::OnDemand
                },
                namespace: "argos-chat",
                ..overlay.clone()
            });
        }
        if self.open != Open::Nothing {
            surfaces.push(Spec {
                part: Part::Outside,
                layer: Layer::Top,
                exclusive_zone: -1,
                namespace: "argos-outside",
                content: Content::Nothing,
                ..overlay.clone()
            });
        }
        // Below the panel's right end.
        let menu = Spec {
            anchor: Anchor::TOP | Anchor::RIGHT,
            margin: [6 - shadow, 8 - shadow, 0, 0],
            shadow: SHADOW as u32,
            keyboard: KeyboardInteractivity::Exclusive,
            ..overlay.clone()
        };
        match self.open {
            Open::Nothing => {}
            Open::Launcher => surfaces.push(Spec {
                part: Part::Launcher,
                anchor: Anchor::empty(),
                width: launcher::WIDTH,
                height: Height::Fixed(launcher::HEIGHT),
                shadow: SHADOW as u32,
                keyboard: KeyboardInteractivity::Exclusive,
                namespace: "argos-launcher",
                ..overlay.clone()
            }),
            Open::Controls => surfaces.push(Spec {
                part: Part::Controls,
                width: controls::WIDTH,
                height: Height::Fit(controls::HIGHEST),
                namespace: "argos-controls",
                ..menu.clone()
            }),
            Open::Tray => surfaces.push(Spec {
                part: Part::Tray,
                width: tray::WIDTH,
                height: Height::Fit(tray::HIGHEST),
                namespace: "argos-tray",
                ..menu.clone()
            }),
            Open::Power => surfaces.push(Spec {
                part: Part::Power,
                width: power::WIDTH,
                height: Height::Fit(400),
                namespace: "argos-power",
                ..menu.clone()
            }),
            Open::Permissions => surfaces.push(Spec {
                part: Part::Permissions,
                anchor: Anchor::empty(),
                width: permissions::WIDTH,
                height: Height::Fixed(permissions::HEIGHT),
                shadow: SHADOW as u32,
                keyboard: KeyboardInteractivity::Exclusive,
                namespace: "argos-permissions",
                ..overlay.clone()
            }),
            Open::Settings => surfaces.push(Spec {
                part: Part::Settings,
                anchor: Anchor::empty(),
                width: settings::WIDTH,
                height: Height::Fixed(settings::HEIGHT),
                shadow: SHADOW as u32,
                keyboard: KeyboardInteractivity::Exclusive,
                namespace: "argos-settings",
                ..overlay.clone()
            }),
            Open::Agents => surfaces.push(Spec {
                part: Part::Agents,
                anchor: Anchor::all(),
                width: 0,
                height: Height::Fixed(0),
                margin: [10 - shadow; 4],
                shadow: SHADOW as u32,
                keyboard: KeyboardInteractivity::Exclusive,
                namespace: "argos-agents",
                ..overlay.clone()
            }),
        }
        if self.controls.displays() && !self.is_replaced(BuiltIn::Display) {
            let (width, height) = controls::DISPLAY;
            surfaces.push(Spec {
                part: Part::Display,
                anchor: Anchor::BOTTOM,
                width,
                height: Height::Fixed(height),
                margin: [0, 0, 64 - shadow, 0],
                shadow: SHADOW as u32,
                namespace: "argos-display",
                ..overlay.clone()
            });
        }
        if !self.notifications.is_empty() {
            // Beside an open chat rather than over it.
            let beside = if self.chat_open {
                chat::WIDTH as i32 - 2 * shadow + 8
            } else {
                0
            };
            surfaces.push(Spec {
                part: Part::Notifications,
                anchor: Anchor::TOP | Anchor::RIGHT,
                width: notifications::WIDTH,
                height: Height::Fit(notifications::HIGHEST),
                margin: [10 - shadow, 10 + beside - shadow, 0, 0],
                shadow: SHADOW as u32,
                namespace: "argos-notifications",
                ..overlay
            });
        }
        surfaces
    }

    fn view(&self, part: Part, size: Size) -> Element<'_, Message> {
        let palette = self.palette();
        match part {
            Part::Panel => self
                .panel
                .view(&self.tray, self.controls.marks(), size.width, palette)
                .map(Message::Panel),
            Part::Launcher => self
                .launcher
                .view(self.chat.agent_title(), palette)
                .map(Message::Launcher),
            Part::Chat => self.chat.view(palette).map(Message::Chat),
            Part::Power => self
                .power
                .view(self.theme.appearance, palette)
                .map(Message::Power),
            Part::Permissions => self
                .permissions
                .view(&Zoned::now(), palette)
                .map(Message::Permissions),
            Part::Agents => self.agents.view(palette).map(Message::Agents),
            Part::Settings => self.settings.view(palette).map(Message::Settings),
            Part::Notifications => self.notifications.view(palette).map(Message::Notifications),
            Part::Controls => self
                .controls
                .view(self.theme.appearance, palette)
                .map(Message::Controls),
            Part::Tray => self.tray.view(palette).map(Message::Tray),
            Part::Display => self.controls.display(palette).map(Message::Controls),
            Part::Wallpaper | Part::Outside => space().into(),
        }
    }

    fn update(&mut self, message: Message, tasks: &mut Tasks<Part>) {
        match message {
            Message::Panel(panel::Message::Launcher) => self.toggle("launcher", tasks),
            Message::Panel(panel::Message::Controls) => self.toggle("controls", tasks),
            Message::Panel(panel::Message::Tray(message)) | Message::Tray(message) => {
                match self.tray.update(message) {
                    tray::Outcome::None => {}
                    tray::Outcome::Do(command) => self.command(Command::Tray(command)),
                    tray::Outcome::DoAndClose(command) => {
                        self.close_tray();
                        self.command(Command::Tray(command));
                    }
                    tray::Outcome::Close => self.close_tray(),
                }
            }
            Message::Panel(panel::Message::StopSharing) => self.command(Command::StopSharing),
            Message::Panel(panel::Message::Record) => self.command(Command::Record),
            Message::Panel(panel::Message::Power) => self.toggle("power", tasks),
            Message::Panel(panel::Message::Chat) => self.toggle("chat", tasks),
            Message::Panel(panel::Message::Workspace(number)) => {
                // Shown at once; the compositor's answer corrects it where it must.
                self.panel.workspace = number;
                self.command(Command::Workspace(number));
            }
            Message::Panel(panel::Message::Agent(agent)) => self.talk(agent, tasks),
            Message::Panel(panel::Message::Agents) => self.toggle("agents", tasks),
            Message::Launcher(message) => match self.launcher.update(message) {
                launcher::Outcome::None => {}
                launcher::Outcome::Scroll(offset) => {
                    tasks.scroll_to(Part::Launcher, launcher::LIST, offset);
                }
                launcher::Outcome::Launch(app) => {
                    self.open = Open::Nothing;
                    self.command(Command::Launch(app));
                }
                launcher::Outcome::Settings(page) => self.open_settings(page, tasks),
                launcher::Outcome::Ask(question) => {
                    self.open_chat(tasks);
                    self.say(question);
                }
                launcher::Outcome::Close => self.open = Open::Nothing,
            },
            Message::Chat(message) => match self.chat.update(message) {
                chat::Outcome::None => {}
                chat::Outcome::Send { agent, text } => self.command(Command::Send { agent, text }),
                chat::Outcome::History(agent) => self.command(Command::History(agent)),
                chat::Outcome::Close => self.chat_open = false,
            },
            Message::Power(message) => match self.power.update(message) {
                power::Outcome::None => {}
                power::Outcome::Do(power::Item::SwitchTheme) => {
                    self.open = Open::Nothing;
                    self.other_theme();
                }
                power::Outcome::Do(power::Item::Permissions) => {
                    self.open = Open::Nothing;
                    self.toggle("permissions", tasks);
                }
                power::Outcome::Do(item) => {
                    self.open = Open::Nothing;
                    self.command(Command::Power(item));
                }
                power::Outcome::Close => self.open = Open::Nothing,
            },
            Message::Controls(message) => match self.controls.update(message) {
                controls::Outcome::None => {}
                controls::Outcome::Do(command) => self.command(Command::Machine(command)),
                controls::Outcome::Night(on) => self.command(Command::Night(on)),
                controls::Outcome::Theme => self.other_theme(),
                controls::Outcome::Settings => self.open_settings(settings::Page::default(), tasks),
                controls::Outcome::Close => self.open = Open::Nothing,
            },
            Message::Permissions(message) => {
                let outcome = self.permissions.update(message, Instant::now());
                self.decided(outcome, tasks);
            }
            Message::Agents(message) => {
                let outcome = self.agents.update(message, Instant::now());
                self.watched(outcome, tasks);
            }
            Message::Settings(message) => {
                let outcome = self.settings.update(message, Instant::now());
                self.set(outcome, tasks);
            }
            Message::Known(known) => self.settings.set_known(*known),
            Message::Kept(change, outcome) => {
                if let Err(why) = &outcome
                    && self.open != Open::Settings
                {
                    self.tell(&tr!("settings-not-kept-title"), why);
                }
                let outcome = self.settings.changed(&change, outcome);
                self.set(outcome, tasks);
            }
            Message::Notifications(message) => {
                let outcomes = self.notifications.update(message, Instant::now());
                self.report(outcomes);
            }
            Message::ChatFocused => self.chat_wants_keyboard = false,
            Message::Outside => {
                self.open = Open::Nothing;
                self.tray.close();
            }
            Message::Bus(notice) => self.heard(notice, tasks),
            Message::Parts(others) => self.set_others(others),
            Message::Apps(apps) => self.launcher.set_apps(apps),
            Message::Icon(name, handle) => self.launcher.set_icon(name, handle),
        }
        // Nobody can be asked any more whether the screen is to stay as it is.
        if self.open != Open::Settings && self.settings.abandon() {
            self.command(Command::EndTrial(false));
        }
    }

    fn intercept(&self, part: Part, event: &Event) -> Option<Message> {
        match part {
            Part::Launcher => launcher::Launcher::intercept(event).map(Message::Launcher),
            Part::Power => power::Power::intercept(event).map(Message::Power),
            Part::Tray => tray::Tray::intercept(event).map(Message::Tray),
            Part::Controls => controls::Controls::intercept(event).map(Message::Controls),
            Part::Permissions => self.permissions.intercept(event).map(Message::Permissions),
            Part::Agents => self.agents.intercept(event).map(Message::Agents),
            Part::Settings => self.settings.intercept(event).map(Message::Settings),
            Part::Chat => {
                let focused = matches!(event, Event::Window(iced_core::window::Event::Focused));
                if focused && self.chat_wants_keyboard {
                    // The widgets need this event too; it is only noted here.
                    let _ = self.inbox.send(Message::ChatFocused);
                }
                chat::Chat::intercept(event).map(Message::Chat)
            }
            Part::Outside => {
                let pressed = matches!(event, Event::Mouse(mouse::Event::ButtonPressed(_)));
                pressed.then_some(Message::Outside)
            }
            Part::Wallpaper | Part::Panel | Part::Notifications | Part::Display => None,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let parts = [
            self.notifications.deadline(),
            self.permissions.deadline(),
            self.controls.deadline(),
            (self.open == Open::Agents)
                .then(|| self.agents.deadline())
                .flatten(),
            self.settings.deadline(),
            self.next_second(),
        ];
        parts.into_iter().flatten().chain([self.next_minute]).min()
    }

    fn tick(&mut self, now: Instant, tasks: &mut Tasks<Part>) {
        if now >= self.next_minute {
            // Timers may fire a little early; a minute that looks unchanged is asked for again.
            self.set_clock(now + Duration::from_millis(1));
        }
        if self.next_second().is_some_and(|due| now >= due) {
            self.show_elapsed(now);
        }
        self.permissions.expire(now);
        self.controls.expire(now);
        if self.open == Open::Agents {
            let outcome = self.agents.tick(now);
            self.watched(outcome, tasks);
        }
        let outcome = self.settings.tick(now);
        self.set(outcome, tasks);
        let expired = self.notifications.expire(now);
        self.report(expired);
    }

    fn shown(&mut self, part: Part) {
        // Programs may have been installed since. Nobody waits for that before there is something to be seen.
        if part == Part::Launcher {
            self.find_apps();
        }
    }

    fn text_color(&self) -> Color {
        self.palette().text
    }

    fn text_size(&self) -> f32 {
        self.text_size
    }

    fn least(&self, part: Part) -> Option<Size> {
        match part {
            Part::Panel => Some(panel::LEAST),
            Part::Launcher => Some(launcher::LEAST),
            Part::Chat => Some(chat::LEAST),
            Part::Permissions => Some(permissions::LEAST),
            Part::Agents => Some(agents::LEAST),
            Part::Settings => Some(settings::LEAST),
            _ => None,
        }
    }
}
