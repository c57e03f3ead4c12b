//! Every part in a state worth looking at: drawn by tests and by `examples/pictures.rs`.

use std::time::{Duration, Instant};

use argos_apps::App;
use argos_bus::agents::{self as bus_agents, Agent, ChatMessage};
use argos_bus::compositor::{Output, OutputMode};
use argos_bus::devices::{Brightness, Volume};
use argos_bus::network::{Link, Status};
use argos_bus::permissions::{Explanation, Grant, Request};
use argos_shell::accounts::Account;
use argos_shell::bus::tray::{Address, Entry, Item};
use argos_shell::capture;
use argos_shell::greetd::{ErrorType, Heard, Response, Style};
use argos_shell::host::Element;
use argos_shell::host::headless::{Drawn, draw, texts};
use argos_shell::host::larger::Plan;
use argos_shell::icons::Icon;
use argos_shell::pam::{Answer, Verdict};
use argos_shell::parts::chooser::{self, Chooser, Filter, Listing, Mode, Rule, entries};
use argos_shell::parts::consent::{self, Consent};
use argos_shell::parts::notifications::{Notification, Notifications, Urgency};
use argos_shell::parts::permission::{self, GUARD, Permission};
use argos_shell::parts::{
    agents, chat, controls, greeter, launcher, lock, notifications, open_with as opener, panel,
    permissions, picker, power, settings, share, tray,
};
use argos_shell::theme::Theme;
use argos_shell::tr;
use iced_core::keyboard::key::{Key, Named};
use iced_core::{Color, Rectangle, Size};

/// A screen of the same size in pixels as the others' at scale 2.
const SMALL: (u32, u32) = (640, 400);

type View = Box<dyn Fn(&Theme, Size, &mut dyn FnMut(Element<'_, ()>))>;

/// A part in some state.
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    pub(crate) size: Size<u32>,
    view: View,
}

impl Scene {
    fn new(name: &'static str, width: u32, height: u32, view: View) -> Self {
        Self {
            name,
            size: Size::new(width, height),
            view,
        }
    }

    pub(crate) fn draw(&self, theme: &Theme, scale: f32, ground: Color) -> Drawn {
        self.see(theme, self.size, |view| {
            draw(view, self.size, scale, ground, theme.colors.text)
        })
    }

    /// Draws it as it is with larger text on a screen of this size.
    #[allow(dead_code, reason = "tests draw it as it is")]
    pub(crate) fn draw_larger(
        &self,
        text_size: f32,
        screen: Size<u32>,
        theme: &Theme,
        ground: Color,
    ) -> Drawn {
        let (size, zoom) = self.larger(text_size, screen);
        self.see(theme, size, |view| {
            draw(view, size, zoom, ground, theme.colors.text)
        })
    }

    /// Its texts at this size, and where they are.
    #[allow(dead_code, reason = "only tests read them")]
    pub(crate) fn texts(&self, theme: &Theme, size: Size<u32>) -> Vec<(String, Rectangle)> {
        self.see(theme, size, |view| texts(view, size))
    }

    /// The size in which it is laid out with larger text on a screen of this size, below the panel; and how many times
    /// larger that is shown.
    pub(crate) fn larger(&self, text_size: f32, screen: Size<u32>) -> (Size<u32>, f32) {
        let (whole, least) = self.needs();
        let beside = if whole || self.name.starts_with("panel") {
            0.0
        } else {
            panel::HEIGHT as f32 * text_size
        };
        let room = Size::new(screen.width as f32, screen.height as f32 - beside);
        let wanted = if whole { screen } else { self.size };
        let plan = Plan::new(text_size, wanted, least, Some(room));
        let zoom = plan.given(text_size, plan.asked);
        let units = |length: u32| (length as f32 / zoom).floor() as u32;
        let size = Size::new(units(plan.asked.width), units(plan.asked.height));
        (size, zoom)
    }

    /// Whether it covers the screen, and what it needs at least.
    fn needs(&self) -> (bool, Option<Size>) {
        let name = self.name.split('-').next().unwrap_or(self.name);
        let dialog = |(width, height): (u32, u32)| Some(size(width, height));
        match name {
            "lock" => (true, Some(lock::LEAST)),
            "greeter" => (true, Some(greeter::LEAST)),
            "prompt" => (true, Some(permission::LEAST)),
            "pick" => (true, Some(picker::LEAST)),
            "panel" => (false, Some(panel::LEAST)),
            "launcher" => (false, Some(launcher::LEAST)),
            "chat" => (false, Some(chat::LEAST)),
            "permissions" => (false, Some(permissions::LEAST)),
            "settings" => (false, Some(settings::LEAST)),
            "agents" => (false, Some(agents::LEAST)),
            "files" => (false, dialog(chooser::LEAST)),
            "open" => (false, dialog(opener::LEAST)),
            _ => (false, None),
        }
    }

    fn see<T>(&self, theme: &Theme, size: Size<u32>, look: impl FnOnce(Element<'_, ()>) -> T) -> T {
        let (mut look, mut seen) = (Some(look), None);
        let units = Size::new(size.width as f32, size.height as f32);
        (self.view)(theme, units, &mut |view| {
            seen = look.take().map(|look| look(view));
        });
        seen.expect("every scene shows one view")
    }
}

macro_rules! scene {
    ($name:literal, $width:expr, $height:expr, $state:expr, |$s:ident, $theme:ident| $view:expr) => {
        scene!($name, $width, $height, $state, |$s, _size, $theme| $view)
    };
    ($name:literal, $width:expr, $height:expr, $state:expr, |$s:ident, $size:ident, $theme:ident| $view:expr) => {{
        let $s = $state;
        Scene::new(
            $name,
            $width,
            $height,
            Box::new(move |$theme, $size, show| show($view.map(|_| ()))),
        )
    }};
}

macro_rules! setting {
    ($name:literal, $state:expr) => {
        scene!(
            $name,
            settings::WIDTH,
            settings::HEIGHT,
            $state,
            |s, theme| s.view(&theme.colors)
        )
    };
}

/// All of them.
pub(crate) fn all(now: Instant) -> Vec<Scene> {
    let quiet = panel::Panel::default();
    let mut busy = panel::Panel::default();
    let mut recorded = panel::Panel::default();
    recorded.recording = Some(Duration::from_secs(83));
    busy.workspace = 2;
    busy.unread = true;
    busy.agents = vec![
        agent("steward", "Steward", "waiting", "files.list"),
        agent("librarian", "Librarian", "thinking", ""),
        agent("old", "Resting", "idle", ""),
    ];
    vec![
        scene!(
            "panel",
            1280,
            panel::HEIGHT,
            (quiet, tray::Tray::default()),
            |s, size, theme| s.0.view(
                &s.1,
                [Icon::Offline, Icon::Muted],
                size.width,
                &theme.colors
            )
        ),
        scene!(
            "panel-busy",
            1280,
            panel::HEIGHT,
            (busy, items()),
            |s, size, theme| s.0.view(
                &s.1,
                [Icon::Network, Icon::Sound],
                size.width,
                &theme.colors
            )
        ),
        scene!(
            "panel-recording",
            1280,
            panel::HEIGHT,
            (recorded, tray::Tray::default()),
            |s, size, theme| s.0.view(
                &s.1,
                [Icon::Network, Icon::Sound],
                size.width,
                &theme.colors
            )
        ),
        scene!("tray-menu", tray::WIDTH, 300, items(), |s, theme| s
            .view(&theme.colors)),
        scene!("controls", controls::WIDTH, 334, machine(), |s, theme| s
            .view(theme.appearance, &theme.colors)),
        scene!(
            "controls-nothing-known",
            controls::WIDTH,
            334,
            controls::Controls::default(),
            |s, theme| s.view(theme.appearance, &theme.colors)
        ),
        scene!(
            "display-volume",
            controls::DISPLAY.0,
            controls::DISPLAY.1,
            {
                let mut machine = machine();
                machine.key("volume-up", now);
                machine
            },
            |s, theme| s.display(&theme.colors)
        ),
        scene!(
            "display-light-fixed",
            controls::DISPLAY.0,
            controls::DISPLAY.1,
            {
                let mut machine = controls::Controls::default();
                machine.key("brightness-up", now);
                machine
            },
            |s, theme| s.display(&theme.colors)
        ),
        scene!(
            "launcher",
            launcher::WIDTH,
            launcher::HEIGHT,
            apps(""),
            |s, theme| s.view("Steward", &theme.colors)
        ),
        scene!(
            "launcher-search",
            launcher::WIDTH,
            launcher::HEIGHT,
            apps("fo"),
            |s, theme| s.view("Steward", &theme.colors)
        ),
        scene!(
            "chat-empty",
            chat::WIDTH,
            760,
            chat::Chat::default(),
            |s, theme| s.view(&theme.colors)
        ),
        scene!("chat", chat::WIDTH, 760, talk(), |s, theme| s
            .view(&theme.colors)),
        scene!(
            "power",
            power::WIDTH,
            310,
            power::Power::default(),
            |s, theme| s.view(theme.appearance, &theme.colors)
        ),
        scene!(
            "notifications",
            notifications::WIDTH,
            420,
            pop_ups(now),
            |s, theme| s.view(&theme.colors)
        ),
        scene!(
            "lock",
            1280,
            800,
            locked(now, Answer::Needs(true), ""),
            |s, theme| s.view(now, &theme.colors)
        ),
        scene!(
            "lock-no-password",
            1280,
            800,
            locked(now, Answer::Needs(false), ""),
            |s, theme| s.view(now, &theme.colors)
        ),
        scene!(
            "lock-wrong",
            1280,
            800,
            locked(now, Answer::Verdict(Verdict::Wrong), "again"),
            |s, theme| s.view(now, &theme.colors)
        ),
        scene!(
            "lock-broken",
            1280,
            800,
            locked(
                now,
                Answer::Verdict(Verdict::Broken("there is no /etc/pam.d/argos-lock".into())),
                ""
            ),
            |s, theme| s.view(now, &theme.colors)
        ),
        scene!(
            "lock-caps",
            1280,
            800,
            {
                let mut lock = locked(now, Answer::Needs(true), &"x".repeat(100));
                lock.caps_lock(true);
                lock
            },
            |s, theme| s.view(now, &theme.colors)
        ),
        scene!(
            "greeter-people",
            1280,
            800,
            greeter(""),
            |s, size, theme| s.view(size, &theme.colors)
        ),
        scene!(
            "greeter-people-small",
            SMALL.0,
            SMALL.1,
            greeter(""),
            |s, size, theme| s.view(size, &theme.colors)
        ),
        scene!(
            "greeter-small",
            SMALL.0,
            SMALL.1,
            asked("ada", Style::Secret, "Password: "),
            |s, size, theme| s.view(size, &theme.colors)
        ),
        scene!(
            "greeter-password",
            1280,
            800,
            {
                let mut greeter = asked("ada", Style::Secret, "Password: ");
                typed(&mut greeter, "xxxxxxx");
                greeter
            },
            |s, size, theme| s.view(size, &theme.colors)
        ),
        scene!(
            "greeter-wrong",
            1280,
            800,
            {
                let mut greeter = asked("ada", Style::Secret, "Password: ");
                typed(&mut greeter, "x");
                press(&mut greeter, Named::Enter);
                greeter.heard(Heard::Response(Response::Error {
                    error_type: ErrorType::AuthError,
                    description: "AUTH_ERR".into(),
                }));
                greeter.heard(Heard::Response(Response::Success));
                says(
                    &mut greeter,
                    Style::Info,
                    "Two more attempts, then ten minutes of rest.",
                );
                says(&mut greeter, Style::Secret, "Password: ");
                greeter.caps_lock(true);
                greeter
            },
            |s, size, theme| s.view(size, &theme.colors)
        ),
        scene!(
            "greeter-question",
            1280,
            800,
            {
                let question =
                    "The number that the card shows on its left side, and after it today's code: ";
                let mut greeter = asked("bea", Style::Visible, question);
                typed(
                    &mut greeter,
                    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                );
                press(&mut greeter, Named::Tab);
                greeter
            },
            |s, size, theme| s.view(size, &theme.colors)
        ),
        scene!(
            "greeter-name",
            1280,
            800,
            {
                let mut greeter = greeter("");
                greeter.update(greeter::Message::Pick(usize::MAX));
                greeter
            },
            |s, size, theme| s.view(size, &theme.colors)
        ),
        scene!(
            "greeter-no-password",
            1280,
            800,
            {
                let mut greeter = greeter("ada");
                greeter.proceed();
                greeter.heard(Heard::Response(Response::Success));
                greeter
            },
            |s, size, theme| s.view(size, &theme.colors)
        ),
        scene!(
            "greeter-refused",
            1280,
            800,
            {
                let mut greeter = greeter("ada");
                greeter.proceed();
                greeter.heard(Heard::Response(Response::Error {
                    error_type: ErrorType::Error,
                    description: "pam_acct_mgmt: ACCT_EXPIRED: user account has expired, long ago"
                        .into(),
                }));
                greeter
            },
            |s, size, theme| s.view(size, &theme.colors)
        ),
        scene!(
            "greeter-gone",
            1280,
            800,
            {
                let mut greeter = greeter("ada");
                greeter.proceed();
                greeter.heard(Heard::Gone(
                    "greetd announces an answer of 4294967295 bytes, and no answer has more than 65536".into(),
                ));
                greeter
            },
            |s, size, theme| s.view(size, &theme.colors)
        ),
        scene!(
            "prompt",
            1280,
            800,
            question(now, true, "/home/argos/Documents"),
            |s, theme| s.view(now + GUARD, &theme.colors)
        ),
        scene!(
            "prompt-early",
            1280,
            800,
            question(now, false, "/home/argos/\u{202e}txt.sdrowssap\n/etc"),
            |s, theme| s.view(now, &theme.colors)
        ),
        scene!("prompt-flood", 1280, 800, flood(now), |s, theme| s
            .view(now + GUARD, &theme.colors)),
        scene!(
            "permissions",
            permissions::WIDTH,
            permissions::HEIGHT,
            granted(now, permissions::Page::Granted),
            |s, theme| s.view(&noon(), &theme.colors)
        ),
        scene!(
            "permissions-done",
            permissions::WIDTH,
            permissions::HEIGHT,
            granted(now, permissions::Page::Done),
            |s, theme| s.view(&noon(), &theme.colors)
        ),
        scene!(
            "permissions-ahead",
            permissions::WIDTH,
            permissions::HEIGHT,
            ahead(now, true),
            |s, theme| s.view(&noon(), &theme.colors)
        ),
        scene!(
            "permissions-ahead-wrong",
            permissions::WIDTH,
            permissions::HEIGHT,
            ahead(now, false),
            |s, theme| s.view(&noon(), &theme.colors)
        ),
        scene!("files", 860, 560, files(open_many()), |s, size, theme| s
            .view(size, &noon(), &theme.colors)),
        scene!("files-many", 860, 560, many_files(), |s, size, theme| s
            .view(size, &noon(), &theme.colors)),
        scene!(
            "files-new-folder",
            860,
            560,
            new_folder(),
            |s, size, theme| s.view(size, &noon(), &theme.colors)
        ),
        scene!("files-save", 860, 560, save(), |s, size, theme| s.view(
            size,
            &noon(),
            &theme.colors
        )),
        scene!("files-replace", 860, 560, replace(), |s, size, theme| s
            .view(size, &noon(), &theme.colors)),
        scene!("files-filters", 860, 560, filters(), |s, size, theme| s
            .view(size, &noon(), &theme.colors)),
        scene!("files-narrow", 560, 420, narrow(), |s, size, theme| s.view(
            size,
            &noon(),
            &theme.colors
        )),
        scene!("files-denied", 860, 560, denied(), |s, size, theme| s.view(
            size,
            &noon(),
            &theme.colors
        )),
        scene!(
            "files-empty",
            860,
            560,
            folder_to_save(),
            |s, size, theme| s.view(size, &noon(), &theme.colors)
        ),
        scene!("files-path", 860, 560, typed_path(), |s, size, theme| s
            .view(size, &noon(), &theme.colors)),
        scene!(
            "consent",
            consent::WIDTH,
            330,
            camera(now),
            |s, size, theme| s.view(now + consent::GUARD, size, &theme.colors)
        ),
        scene!(
            "consent-picture",
            consent::WIDTH_PICTURE,
            590,
            picture(now),
            |s, size, theme| s.view(now + consent::GUARD, size, &theme.colors)
        ),
        scene!(
            "pick-color",
            1280,
            800,
            picking("org.example.Paint", (1280, 800), (417, 305)),
            |s, size, theme| s.view(0, size, &theme.colors)
        ),
        scene!(
            "pick-color-corner",
            SMALL.0,
            SMALL.1,
            picking("", (1280, 800), (1279, 797)),
            |s, size, theme| s.view(0, size, &theme.colors)
        ),
        scene!(
            "open-with",
            440,
            460,
            open_with("photo.png", true),
            |s, size, theme| s.view(size.width, &theme.colors)
        ),
        scene!(
            "open-with-nothing",
            440,
            460,
            open_with(&"a-long-name-".repeat(9), false),
            |s, size, theme| s.view(size.width, &theme.colors)
        ),
        scene!(
            "share",
            560,
            600,
            sharing("org.example.VideoCalls", true),
            |s, size, theme| s.view(now, size.width, &theme.colors)
        ),
        scene!(
            "share-small",
            400,
            420,
            sharing("", false),
            |s, size, theme| s.view(now, size.width, &theme.colors)
        ),
        scene!("agents", 1244, 742, some_agents(now), |s, theme| s
            .view(&theme.colors)),
        scene!("agents-chosen", 1244, 742, chosen_agent(now), |s, theme| s
            .view(&theme.colors)),
        scene!("agents-then", 988, 710, past_agents(now), |s, theme| s
            .view(&theme.colors)),
        scene!("agents-500", 1884, 1022, many_agents(), |s, theme| s
            .view(&theme.colors)),
        scene!("agents-none", 1244, 742, no_agents(), |s, theme| s
            .view(&theme.colors)),
        scene!(
            "agents-lost",
            1244,
            742,
            {
                let mut lost = agents::Agents::default();
                lost.lost();
                lost
            },
            |s, theme| s.view(&theme.colors)
        ),
        scene!(
            "permissions-empty",
            permissions::WIDTH,
            permissions::HEIGHT,
            permissions::Permissions::default(),
            |s, theme| s.view(&noon(), &theme.colors)
        ),
        setting!("settings-appearance", page(settings::Page::Appearance)),
        setting!("settings-windows", page(settings::Page::Windows)),
        setting!("settings-displays", page(settings::Page::Displays)),
        setting!("settings-input", page(settings::Page::Input)),
        setting!(
            "settings-accessibility",
            page(settings::Page::Accessibility)
        ),
        setting!("settings-power", page(settings::Page::Power)),
        setting!("settings-agents", page(settings::Page::Agents)),
        setting!("settings-language", page(settings::Page::Language)),
        setting!("settings-about", page(settings::Page::About)),
        setting!("settings-search", searched("key")),
        setting!("settings-nothing-found", searched("xyzzy")),
        setting!("settings-nothing-known", {
            let mut nothing = settings::Settings::default();
            nothing.open(settings::Page::About);
            nothing
        }),
        setting!("settings-picker", {
            let mut picker = page(settings::Page::Input);
            picker.update(settings::Message::Activate(settings::Item::Layout), now);
            picker
        }),
        setting!("settings-refused", refused()),
        setting!("settings-modes", {
            let mut modes = page(settings::Page::Displays);
            modes.update(settings::Message::Activate(settings::Item::Mode(0)), now);
            modes
        }),
        setting!("settings-trial", {
            let mut trial = page(settings::Page::Displays);
            trial.update(settings::Message::Pick(settings::Item::Mode(0), 3), now);
            trial.tried(Ok(()), now);
            trial
        }),
        setting!("settings-accent-mended", {
            let mut mended = page(settings::Page::Appearance);
            mended.set_own("accent", "#203040");
            mended.set_accent_note(tr!("set-accent-mended", shown = "#8fa6bd"));
            mended
        }),
        setting!("settings-broken", {
            let mut broken = page(settings::Page::Power);
            let why = "compositor.yaml:12:3: unknown key `lock-aftr`; did you mean `lock-after`?";
            broken.set_known(settings::Known {
                compositor: Err(why.into()),
                ..known()
            });
            broken
        }),
    ]
}

fn known() -> settings::Known {
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    settings::Known {
        compositor: Ok(serde_json::json!({
            "idle": {"lock-after": 300, "screen-off-after": 5400},
            "night-light": {"enabled": true},
            "accessibility": {"slow-keys": 300, "sticky-keys": true},
            "outputs": {"eDP-1": {"scale": 1.5}},
        })),
        shell: Ok(serde_json::json!({"theme": "dark"})),
        themes: vec![
            pair("contrast", "High contrast"),
            pair("dark", "Dark"),
            pair("dusk", "Dusk"),
            pair("light", "Light"),
        ],
        wallpapers: vec!["tide-day".into(), "tide-night".into()],
        layouts: [
            ("al", "Albanian"),
            ("ara", "Arabic"),
            ("be", "Belgian"),
            ("br", "Portuguese (Brazil)"),
            ("cz", "Czech"),
            ("dk", "Danish"),
            ("de", "German"),
            ("es", "Spanish"),
            ("fr", "French"),
            ("gb", "English (UK)"),
            ("us", "English (US)"),
        ]
        .map(|(name, title)| pair(name, title))
        .to_vec(),
        about: settings::About {
            system: "ArgOS 0.1.0 (Debian GNU/Linux 13), argos-shell 0.1.0".into(),
            machine: "QEMU Standard PC (Q35 + ICH9, 2009)".into(),
            processor: "Intel(R) Xeon(R) Platinum 8581C CPU @ 2.10GHz × 2".into(),
            memory: Some((2_090_000_000, 1_500_000_000)),
        },
    }
}

/// A page on a machine with two screens, the keyboard on its second row.
fn page(page: settings::Page) -> settings::Settings {
    let output = |name: &str, transform: &str, scale| Output {
        name: name.into(),
        width: 1920,
        height: 1080,
        refresh: 59_940,
        variable_refresh: "off".into(),
        scale,
        transform: transform.into(),
        x: 0,
        y: 0,
        dark: false,
    };
    let mut state = settings::Settings::default();
    state.set_known(known());
    let mode = |width, height, refresh| OutputMode {
        width,
        height,
        refresh,
        preferred: width == 1920 && refresh == 59_940,
    };
    let modes = vec![
        mode(1920, 1080, 59_940),
        mode(1920, 1080, 50_000),
        mode(1680, 1050, 59_883),
        mode(1280, 720, 60_000),
    ];
    state.set_outputs(
        vec![
            output("eDP-1", "normal", 1.5),
            output("HDMI-A-1", "90", 1.0),
        ],
        ["eDP-1", "HDMI-A-1"]
            .map(|name| (name.to_owned(), modes.clone()))
            .into(),
    );
    let model = |name: &str, state: &str| (name.to_owned(), state.to_owned());
    let models = vec![
        model("default", "ready"),
        model("smollm2-135m", "available"),
    ];
    state.set_models(Some(models));
    state.open(page);
    for _ in 0..2 {
        state.update(settings::Message::Move(1), Instant::now());
    }
    state
}

fn searched(query: &str) -> settings::Settings {
    let mut state = page(settings::Page::Appearance);
    state.update(settings::Message::Typed(query.into()), Instant::now());
    state
}

/// A change that could not be made.
fn refused() -> settings::Settings {
    let mut state = page(settings::Page::Windows);
    let wanted = settings::Message::Activate(settings::Item::Tiling);
    if let settings::Outcome::Change(change) = state.update(wanted, Instant::now()) {
        let why = "/home/ada/.config/argos/compositor.yaml cannot be written: Read-only file system (os error 30)";
        state.changed(&change, Err(why.into()));
    }
    state
}

fn size(width: u32, height: u32) -> Size {
    Size::new(width as f32, height as f32)
}

fn filter(label: &str, pattern: &str) -> Filter {
    Filter {
        label: label.into(),
        rules: vec![Rule::Glob(pattern.into())],
    }
}

fn choice(id: &str, label: &str, options: &[&str], chosen: &str) -> chooser::Choice {
    chooser::Choice {
        id: id.into(),
        label: label.into(),
        options: options
            .iter()
            .map(|option| (option.to_lowercase(), (*option).to_owned()))
            .collect(),
        chosen: chosen.into(),
    }
}

fn open_many() -> chooser::Request {
    chooser::Request {
        mode: Mode::Open {
            multiple: true,
            folders: false,
        },
        accept: None,
        folder: Some("/usr/share/doc".into()),
        name: String::new(),
        filters: vec![filter("All files", "*"), filter("Pictures", "*.png")],
        filter: 0,
        choices: vec![choice("follow", "Follow links", &[], "true")],
    }
}

/// A dialog that shows a folder with a few files, two of them chosen.
fn files(request: chooser::Request) -> Chooser {
    use argos_shell::icons::Icon;
    use argos_shell::parts::chooser::places::Place;
    let place = |name: &str, path: &str, icon| Place {
        name: name.into(),
        path: path.into(),
        icon,
        first: false,
    };
    let places = vec![
        place(&tr!("place-home"), "/home/argos", Icon::Home),
        place("Documents", "/usr/share/doc", Icon::File),
        place("Downloads", "/home/argos/Downloads", Icon::Download),
        place("Music", "/home/argos/Music", Icon::Sound),
        place("Pictures", "/home/argos/Pictures", Icon::Picture),
        place(&tr!("place-computer"), "/", Icon::Disk),
        place(
            "A stick with a name that is long",
            "/run/media/argos/s",
            Icon::Disk,
        ),
    ];
    let (mut chooser, _) = Chooser::new(request, places);
    let now = noon().timestamp().as_second();
    let file = |name: &str, size: u64, days: i64| {
        entries::Entry::new(name.into(), false, Some(size), Some(now - days * 86_400))
    };
    let folder = |name: &str, days: i64| {
        entries::Entry::new(name.into(), true, Some(4096), Some(now - days * 86_400))
    };
    let entries = vec![
        folder("Letters", 0),
        folder("Taxes 2025", 12),
        file("budget.ods", 48_213, 0),
        file("cat.png", 2_304_112, 1),
        file("letter to the landlord.odt", 21_004, 20),
        file("photo 2.png", 3_204_112, 300),
        file("photo 10.png", 2_904_112, 301),
        file("read me.txt", 912, 700),
        file("song.ogg", 5_204_112, 4),
        file(
            &format!("{}.tar.gz", "a-very-long-name-".repeat(9)),
            1_200_000_000,
            2,
        ),
        file("turned\u{202e}gnp.exe", 100, 3),
        file(".hidden", 1, 1),
    ];
    let listing = Listing {
        entries,
        left_out: 0,
    };
    chooser.update(chooser::Message::Listed(1, Ok(listing)), Instant::now());
    for row in [3, 4] {
        chooser.update(chooser::Message::Click(row), Instant::now());
        chooser.update(
            chooser::Message::Modifiers(iced_core::keyboard::Modifiers::CTRL),
            Instant::now(),
        );
    }
    chooser
}

fn save() -> Chooser {
    let mut request = open_many();
    request.mode = Mode::Save;
    request.name = "drawing.png".into();
    request.filters = vec![
        filter("PNG picture", "*.png"),
        filter("JPEG picture", "*.jpg"),
    ];
    request.choices = vec![
        choice("encoding", "Encoding", &["Utf-8", "Latin-1"], "utf-8"),
        choice("layers", "Keep the layers", &[], "true"),
        choice("meta", "Leave out where it was taken", &[], "false"),
    ];
    files(request)
}

/// So many that the scroll bar's handle would be a line.
fn many_files() -> Chooser {
    let mut chooser = files(open_many());
    let entries = (0..3000_u64).map(|number| {
        let name = format!("scan {number}.png");
        entries::Entry::new(name.into(), false, Some(number * 1000), Some(number as i64))
    });
    let listing = Listing {
        entries: entries.collect(),
        left_out: 0,
    };
    chooser.update(chooser::Message::Reload, Instant::now());
    chooser.update(chooser::Message::Listed(2, Ok(listing)), Instant::now());
    chooser
}

/// A new folder whose name cannot be.
fn new_folder() -> Chooser {
    let mut request = open_many();
    request.mode = Mode::Save;
    let mut chooser = files(request);
    chooser.update(chooser::Message::NewFolder, Instant::now());
    let typed = chooser::Message::Typed(chooser::Field::Folder, "a/b".into());
    chooser.update(typed, Instant::now());
    let enter = chooser::Message::Key(chooser::Stroke::Enter);
    chooser.update(enter, Instant::now());
    chooser
}

/// Asks whether a file that exists, in every tree, is to be replaced.
fn replace() -> Chooser {
    let mut request = open_many();
    request.mode = Mode::Save;
    request.folder = Some("/etc".into());
    request.name = "passwd".into();
    let mut chooser = files(request);
    let typed = chooser::Message::Typed(chooser::Field::Name, "passwd".into());
    chooser.update(typed, Instant::now());
    chooser.update(chooser::Message::Accept, Instant::now());
    chooser
}

fn filters() -> Chooser {
    let mut request = open_many();
    let many = (3..40).map(|n| filter(&format!("Kind number {n} (*.k{n})"), "*"));
    request.filters.extend(many);
    let mut chooser = files(request);
    chooser.update(chooser::Message::Open(None), Instant::now());
    let down = chooser::Message::Key(chooser::Stroke::Move(1, 0));
    chooser.update(down, Instant::now());
    chooser
}

fn narrow() -> Chooser {
    let mut request = open_many();
    request.accept = Some("A button with a label that is much too long for any button".into());
    files(request)
}

fn denied() -> Chooser {
    let mut chooser = files(open_many());
    let why = tr!("chooser-denied", name = "private");
    chooser.update(chooser::Message::Reload, Instant::now());
    chooser.update(chooser::Message::Listed(2, Err(why)), Instant::now());
    chooser
}

/// A folder without folders, when several files are saved.
fn folder_to_save() -> Chooser {
    let mut request = open_many();
    request.mode = Mode::SaveAll(vec!["a.txt".into(), "b.txt".into()]);
    request.choices.clear();
    let mut chooser = files(request);
    chooser.update(chooser::Message::Reload, Instant::now());
    chooser.update(
        chooser::Message::Listed(2, Ok(Listing::default())),
        Instant::now(),
    );
    chooser
}

fn typed_path() -> Chooser {
    let mut chooser = files(open_many());
    chooser.update(chooser::Message::EditLocation, Instant::now());
    let typed = chooser::Message::Typed(chooser::Field::Location, "/no/such/folder".into());
    chooser.update(typed, Instant::now());
    let enter = chooser::Message::Key(chooser::Stroke::Enter);
    chooser.update(enter, Instant::now());
    chooser
}

fn camera(now: Instant) -> Consent {
    let mut consent = Consent::new(consent::Request {
        app: "org.example.VideoCalls".into(),
        title: "Let Video Calls use the camera?".into(),
        subtitle: "The program wants to see what the camera sees.".into(),
        body: "You can take this back at any time.\nThe camera's light is on while it is used."
            .into(),
        grant: tr!("access-allow"),
        deny: tr!("access-deny"),
        choices: vec![
            choice(
                "device",
                "Camera",
                &["Built-in", "On the screen"],
                "built-in",
            ),
            choice("remember", "Do not ask again", &[], "false"),
        ],
        picture: None,
    });
    consent.on_screen(now);
    consent
}

fn picture(now: Instant) -> Consent {
    let (width, height) = (320_u32, 200_u32);
    let pixels = (0..width * height).flat_map(|at| {
        let (x, y) = (at % width, at / width);
        [(x * 255 / width) as u8, (y * 255 / height) as u8, 150, 255]
    });
    let handle = iced_widget::image::Handle::from_rgba(width, height, pixels.collect::<Vec<u8>>());
    let mut consent = Consent::new(consent::Request {
        app: String::new(),
        title: tr!("screenshot-asks"),
        subtitle: String::new(),
        body: tr!("screenshot-about"),
        grant: tr!("screenshot-yes"),
        deny: tr!("screenshot-no"),
        choices: Vec::new(),
        picture: Some(consent::Picture {
            handle,
            size: (1280, 800),
        }),
    });
    consent.on_screen(now);
    consent
}

/// A picture of many colours, of which one is picked.
fn picking(app: &str, (width, height): (u32, u32), at: (u32, u32)) -> picker::Picker {
    let pixels = (0..width * height).flat_map(|pixel| {
        let (x, y) = (pixel % width, pixel / width);
        [x * 13, y * 7, (x / 5 + y / 3) * 31].map(|part| part as u8)
    });
    let screen = capture::Screen {
        name: "eDP-1".into(),
        picture: capture::Picture::new(width, height, pixels.collect())
            .expect("there are pixels")
            .into(),
    };
    let mut picking = picker::Picker::new(app.into(), vec![screen]).expect("there is a screen");
    picking.update(picker::Message::Point(0, at), Instant::now());
    picking
}

fn open_with(what: &str, apps: bool) -> opener::OpenWith {
    let apps = if apps {
        vec![
            app("Image Viewer", "Looks at pictures", ""),
            app("Painter", "", ""),
            app("Files", "File manager", ""),
        ]
    } else {
        Vec::new()
    };
    opener::OpenWith::new(what.into(), apps, Default::default(), "painter")
}

fn sharing(app: &str, remember: bool) -> share::Share {
    let offer = |name: &str, about: String, window| share::Offer {
        name: name.into(),
        about,
        window,
        picture: None,
    };
    let size = tr!("share-screen", width = 1920, height = 1080);
    let mut share = share::Share::new(share::Request {
        app: app.into(),
        offers: vec![
            offer("ACME 27 (DP-1)", size, false),
            offer(
                "A letter to Mary",
                tr!("share-window", app = "Writer"),
                true,
            ),
            offer(
                &"A long title ".repeat(20),
                tr!("share-window", app = "Films"),
                true,
            ),
        ],
        multiple: true,
        remember,
    });
    share.update(share::Message::Choose(1), Instant::now());
    share
}

fn noon() -> jiff::Zoned {
    "2026-11-25T12:00:00+00:00[UTC]".parse().expect("a time")
}

fn locked(now: Instant, answer: Answer, typed: &str) -> lock::Lock {
    let mut lock = lock::Lock::new("Ada Lovelace".into());
    lock.set_time(&noon());
    lock.answered(answer, now);
    for _ in typed.chars() {
        let message = lock::Lock::intercept(&letter());
        lock.update(message.expect("a letter is typed"), now);
    }
    lock
}

/// The key x.
fn letter() -> iced_core::Event {
    pressed(Key::Character("x".into()), Some("x"))
}

fn pressed(key: Key, text: Option<&str>) -> iced_core::Event {
    iced_core::Event::Keyboard(iced_core::keyboard::Event::KeyPressed {
        key: key.clone(),
        modified_key: key,
        physical_key: iced_core::keyboard::key::Physical::Code(
            iced_core::keyboard::key::Code::KeyX,
        ),
        location: iced_core::keyboard::Location::Standard,
        modifiers: iced_core::keyboard::Modifiers::empty(),
        text: text.map(Into::into),
        repeat: false,
    })
}

/// Seven people and two kinds of session; `last` was here last.
fn greeter(last: &str) -> greeter::Greeter {
    let account = |name: &str, person: &str| Account {
        name: name.into(),
        person: person.into(),
    };
    let people = vec![
        account("ada", "Ada Lovelace"),
        account("bea", "Bea with a name of which nobody knows how to say it"),
        account("cem", "Cem"),
        account("dot", "Dorothea"),
        account("eve", "Ёва"),
        account("fay", "fay"),
        account("gil", "Gil\u{202e}dor"),
    ];
    let session = |id: &str, name: &str| greeter::Session {
        id: id.into(),
        name: name.into(),
        command: vec![id.into()],
    };
    let sessions = vec![session("argos", "ArgOS"), session("sway", "Sway")];
    let mut greeter = greeter::Greeter::new(people, sessions, (last, "argos"), false);
    greeter.set_time(&noon());
    greeter.set_can_sleep(true);
    greeter
}

/// The greeter with a question of PAM's.
fn asked(who: &str, style: Style, question: &str) -> greeter::Greeter {
    let mut greeter = greeter(who);
    greeter.proceed();
    says(&mut greeter, style, question);
    greeter
}

fn says(greeter: &mut greeter::Greeter, style: Style, text: &str) {
    greeter.heard(Heard::Response(Response::AuthMessage {
        auth_message_type: style,
        auth_message: text.into(),
    }));
}

fn typed(greeter: &mut greeter::Greeter, text: &str) {
    for _ in text.chars() {
        let message = greeter.intercept(&letter());
        greeter.update(message.expect("a letter is typed"));
    }
}

fn press(greeter: &mut greeter::Greeter, key: Named) {
    let message = greeter.intercept(&pressed(Key::Named(key), None));
    greeter.update(message.expect("the key does something"));
}

/// Eight questions of one agent, the first about a place that only looks like another.
fn flood(now: Instant) -> Permission {
    let mut state = question(now, true, "/home/argos/D\u{43e}cuments");
    for id in 4..9 {
        state.ask(request(id, "/tmp/y", true), now, 0);
    }
    let mut other = request(9, "/tmp/z", true);
    other.agent = "librarian".into();
    state.ask(other, now, 0);
    state
}

fn granted(now: Instant, page: permissions::Page) -> permissions::Permissions {
    let grant =
        |id, agent: &str, verdict: &str, action: &str, resource: &str, scope: &str, expires| {
            Grant {
                id,
                agent: agent.into(),
                agent_hash: "h".into(),
                action: action.into(),
                resource: resource.into(),
                verdict: verdict.into(),
                scope: scope.into(),
                created_ms: 0,
                expires_ms: expires,
            }
        };
    let soon = 1_795_609_800_000;
    let long = format!(
        "/home/argos/{}/letter.odt",
        "a-folder-in-a-folder/".repeat(9)
    );
    let grants = vec![
        grant(
            1,
            "steward",
            "allow",
            "read",
            "/home/argos/Documents",
            "always",
            0,
        ),
        grant(
            2,
            "steward",
            "deny",
            "read",
            "/home/argos/Documents/private",
            "always",
            0,
        ),
        grant(3, "steward", "allow", "write", "notes", "always", 0),
        grant(
            4,
            "librarian",
            "allow",
            "network",
            "*.example.org",
            "always",
            soon,
        ),
        grant(
            5,
            "librarian",
            "allow",
            "launch",
            "org.gnome.Calculator",
            "session",
            0,
        ),
        grant(
            6,
            "librarian",
            "allow",
            "read",
            &long,
            "always",
            soon + 86_400_000 * 7,
        ),
    ];
    let row = |tool: &str, resource: &str, outcome: &str, by: &str| {
        format!(
            r#"{{"number": 7, "time": "2026-11-25T09:30:12.345Z", "agent": "steward", "hash": "h",
            "tool": "{tool}", "arguments": {{}}, "action": "read", "resource": "{resource}",
            "decision": "allow", "by": "{by}", "outcome": "{outcome}", "duration_ms": 12, "error": ""}}"#
        )
    };
    let rows = [
        row("system.info", "system", "ok", "default"),
        row("files.list", "/home/argos/Documents", "ok", "grant 1"),
        row(
            "files.read",
            "/home/argos/Documents/private/diary.txt",
            "denied",
            "grant 2",
        ),
        row(
            "files.read",
            "/home/argos/budget.ods",
            "ok",
            "person (once)",
        ),
        row("web.fetch", "example.org", "timed-out", "person (session)"),
    ];
    let mut state = permissions::Permissions::default();
    state.set(grants, &rows);
    state.update(permissions::Message::Show(page), now);
    state.update(permissions::Message::Move(1), now);
    state.update(permissions::Message::Revoke(4), now);
    state
}

/// The page on which things are decided ahead, answered well or not.
fn ahead(now: Instant, well: bool) -> permissions::Permissions {
    use argos_shell::parts::ahead::{Message, Row};
    let mut state = permissions::Permissions::default();
    state.open(vec![
        ("steward".into(), "Steward".into()),
        ("librarian".into(), "Librarian".into()),
    ]);
    state.update(permissions::Message::Show(permissions::Page::Ahead), now);
    let typed = Message::Typed("~/Documents".into());
    let asked = match state.update(permissions::Message::Ahead(typed), now) {
        permissions::Outcome::Ask(question) => question.number,
        other => panic!("{other:?}"),
    };
    let tools = ["files.find", "files.list", "files.read", "files.search"];
    let tools = tools.map(|tool| (tool.to_owned(), "ask".to_owned()));
    let said = Explanation {
        agent: "steward".into(),
        agent_hash: "h".into(),
        action: "read".into(),
        resource: "/home/argos/Documents".into(),
        verdict: "nothing".into(),
        grant: 0,
        reason: "nothing was said about it: each tool does what it does with no grant".into(),
        tools: [&tools[..], &[("screen.capture".into(), "confirm".into())]].concat(),
    };
    let wrong = "a path begins with /: write it from / on, or from ~/ on".to_owned();
    state.answered(asked, if well { Ok(said) } else { Err(wrong) });
    let allow = Message::Pick(Row::Allow, 0);
    state.update(permissions::Message::Ahead(allow), now);
    state
}

fn agent(name: &str, title: &str, state: &str, detail: &str) -> Agent {
    Agent {
        name: name.into(),
        title: title.into(),
        description: String::new(),
        state: state.into(),
        detail: detail.into(),
        since_ms: 0,
    }
}

/// A world of these agents, each in a room of its own.
fn world(agents: Vec<Agent>) -> bus_agents::World {
    let room = |agent: &Agent| bus_agents::Room {
        name: agent.name.clone(),
        occupants: vec![agent.name.clone()],
    };
    bus_agents::World {
        rooms: agents.iter().map(room).collect(),
        agents,
        pace: bus_agents::Pace::default(),
        newest: 0,
    }
}

/// Events, from what each is: kind, agent, source, text, state before.
fn events(of: &[(&str, &str, &str, &str, &str)]) -> Vec<bus_agents::Event> {
    let event = |(at, (kind, agent, from, text, was)): (usize, &(&str, &str, &str, &str, &str))| {
        bus_agents::Event {
            number: at as u64 + 1,
            at_ms: 1_795_607_000_000 + at as u64 * 1_700,
            kind: (*kind).into(),
            agent: (*agent).into(),
            from: (*from).into(),
            // What an agent turns to or answers is the last that was said to it.
            message: of[..=at]
                .iter()
                .rposition(|(other, whom, ..)| *other == "said" && whom == agent)
                .map_or(0, |said| said as u64 + 1),
            text: (*text).into(),
            was: (*was).into(),
        }
    };
    of.iter().enumerate().map(event).collect()
}

/// A few agents at work.
fn some_agents(_: Instant) -> agents::Agents {
    let mut librarian = agent("librarian", "Librarian", "idle", "");
    librarian.description = "Finds what you wrote down.".into();
    let all = vec![
        agent("archivist", "Archivist", "stopped", ""),
        agent(
            "gardener",
            "Gardener of the notes",
            "acting",
            "notes.search",
        ),
        librarian,
        agent("scout", "Scout", "failed", "its program ended five times"),
        agent("steward", "Steward", "waiting", "files.list"),
    ];
    let mut world = world(all);
    // Two of them share a room.
    world.rooms.retain(|room| room.name != "gardener");
    world.rooms[1].occupants.push("gardener".into());
    let mut state = agents::Agents::default();
    let mut past = vec![
        ("appeared", "steward", "", "", ""),
        ("appeared", "librarian", "", "", ""),
        ("state", "steward", "", "starting", "stopped"),
        ("state", "librarian", "", "starting", "stopped"),
        ("state", "steward", "", "idle", "starting"),
        ("state", "librarian", "", "idle", "starting"),
        (
            "said",
            "librarian",
            "person",
            "Where did I write about the boiler?",
            "",
        ),
        ("attended", "librarian", "person", "", ""),
        ("state", "librarian", "", "thinking", "idle"),
        ("state", "librarian", "", "acting", "thinking"),
        (
            "answered",
            "librarian",
            "",
            "In **letters/landlord.odt**, on 3 November.",
            "",
        ),
        ("state", "librarian", "", "idle", "acting"),
        ("paused", "", "", "", ""),
        ("resumed", "", "", "", ""),
        ("state", "scout", "", "failed", "starting"),
    ];
    for _ in 0..3 {
        past.push((
            "said",
            "steward",
            "person",
            "What is in my Documents folder?",
            "",
        ));
    }
    past.extend([
        (
            "said",
            "librarian",
            "agent:steward",
            "Is there a list of all letters?",
            "",
        ),
        ("attended", "steward", "person", "", ""),
        ("state", "steward", "", "thinking", "idle"),
        ("state", "steward", "", "waiting", "thinking"),
        (
            "said",
            "steward",
            "person",
            "And read the letter to the landlord to me, please",
            "",
        ),
    ]);
    state.set_world(world, events(&past));
    state
}

/// The same, with the one that waits chosen.
fn chosen_agent(now: Instant) -> agents::Agents {
    let mut state = some_agents(now);
    let steward = agents::Key::Agent("steward".into());
    state.update(agents::Message::Choose(Some(steward)), now);
    let percept = |message, text: &str| bus_agents::Percept {
        message,
        from: "person".into(),
        text: text.into(),
        at_ms: 0,
        salience: 0.8,
    };
    let thought = |text: &str, activation| bus_agents::Thought {
        text: text.into(),
        activation,
    };
    let intention = |tool: &str, arguments: &str| bus_agents::Intention {
        tool: tool.into(),
        arguments: arguments.into(),
    };
    state.set_mind(bus_agents::Mind {
        agent: "steward".into(),
        room: "steward".into(),
        wanted: true,
        goals: vec!["Do what the person asks with as few questions as possible.".into()],
        focus: vec![percept(1, "What is in my Documents folder?")],
        waiting: vec![percept(
            2,
            "And read the letter to the landlord to me, please",
        )],
        plan: vec![
            intention("files.list", r#"{"path":"/home/argos/Documents"}"#),
            intention(
                "files.read",
                r#"{"path":"/home/argos/Documents/letter.odt"}"#,
            ),
        ],
        thoughts: vec![
            thought("I answered: The volume is at 40 %.", 0.21),
            thought("person said: What is in my Documents folder?", 0.9),
        ],
        awaited: vec![(1, 1_795_607_600_000)],
        familiarity: 0.34,
        usage: vec![bus_agents::Usage {
            memory: 4_300_000,
            cpu_us: 120_000,
            tasks: 2,
        }],
        tokens: Vec::new(),
    });
    let grants = [
        ("read", "/home/argos/Documents", "allow"),
        ("write", "notes", "deny"),
    ];
    let grants = grants.map(|(action, resource, verdict)| Grant {
        id: 1,
        agent: "steward".into(),
        agent_hash: "h".into(),
        action: action.into(),
        resource: resource.into(),
        verdict: verdict.into(),
        scope: "always".into(),
        created_ms: 0,
        expires_ms: 0,
    });
    state.set_grants(grants.to_vec());
    state.answered(Ok("steward is started.".into()));
    state
}

/// The same a while before, paused, with the command bar open.
fn past_agents(now: Instant) -> agents::Agents {
    let mut state = some_agents(now);
    state.set_pace(bus_agents::Pace {
        paused: true,
        speed: 2.0,
    });
    state.update(agents::Message::Scrub(-11), now);
    state.update(agents::Message::OpenBar, now);
    state.update(agents::Message::Typed("find libr".into()), now);
    state
}

fn many_agents() -> agents::Agents {
    const STATES: [&str; 9] = [
        "idle", "idle", "stopped", "idle", "acting", "idle", "waiting", "idle", "failed",
    ];
    let one = |n: usize| {
        let name = format!("agent-{n:03}");
        let title = format!("Agent {n}");
        agent(&name, &title, STATES[n * 7 % STATES.len()], "")
    };
    let mut state = agents::Agents::default();
    let names: Vec<String> = (0..500).map(|n| format!("agent-{n:03}")).collect();
    let said: Vec<_> = (0..500)
        .step_by(5)
        .map(|n| ("said", names[n].as_str(), "person", "hello", ""))
        .collect();
    state.set_world(world((0..500).map(one).collect()), events(&said));
    // As it is when it has settled.
    let mut now = Instant::now();
    while let Some(at) = state.deadline() {
        now = now.max(at);
        state.tick(now);
    }
    state
}

fn no_agents() -> agents::Agents {
    let mut state = agents::Agents::default();
    state.set_world(world(Vec::new()), Vec::new());
    state
}

fn app(name: &str, generic: &str, comment: &str) -> App {
    App {
        id: name.to_lowercase(),
        name: name.into(),
        generic_name: generic.into(),
        comment: comment.into(),
        ..App::default()
    }
}

fn apps(query: &str) -> launcher::Launcher {
    let mut state = launcher::Launcher::default();
    state.set_apps(vec![
        app("Calculator", "Calculator", "Perform arithmetic, scientific or financial calculations"),
        app("Files", "File manager", "Access and organise files"),
        app("Foot", "Terminal", "A fast, lightweight and minimalistic Wayland terminal emulator that has a very long description"),
        app("Fonts", "", "View fonts on your system"),
        app("Image Viewer", "", "Look at pictures"),
        app("Text Editor", "", ""),
    ]);
    state.update(launcher::Message::Typed(query.into()));
    state
}

fn message(id: u64, role: &str, text: &str) -> ChatMessage {
    ChatMessage {
        id,
        in_reply_to: 0,
        agent: chat::STEWARD.into(),
        role: role.into(),
        text: text.into(),
        when_ms: 1_795_000_000_000 + id * 61_000,
    }
}

fn talk() -> chat::Chat {
    let mut state = chat::Chat::default();
    state.set_agents(vec![agent("steward", "Steward", "waiting", "")]);
    state.set_history(chat::STEWARD, vec![
        message(1, "person", "What is in my Documents folder?"),
        message(2, "agent", "There are **3 files** in `~/Documents`:\n\n- budget.ods\n- letter to the landlord.odt\n- a-very-long-file-name-that-does-not-fit-into-one-line-of-a-bubble.txt\n\nShall I open one of them?"),
        message(3, "person", "How much memory is in use?"),
        message(4, "agent", "311 MB of 2.0 GB are in use 🙂\n\n```\ntotal  2048 MB\nused    311 MB\nfree   1737 MB\n```"),
        message(5, "system", "Steward was restarted"),
        message(6, "person", "Read ~/Documents/letter to the landlord.odt to me, please, and tell me what it says about the heating"),
    ]);
    state
}

fn pop_ups(now: Instant) -> Notifications {
    let mut state = Notifications::default();
    let one = |id, app: &str, summary: &str, body: &str, actions: &[(&str, &str)], urgency| {
        Notification {
            id,
            app: app.into(),
            summary: summary.into(),
            body: body.into(),
            actions: actions
                .iter()
                .map(|(k, l)| ((*k).into(), (*l).into()))
                .collect(),
            urgency,
            timeout_ms: 0,
        }
    };
    state.show(
        one(
            1,
            "Steward",
            "The tea is ready",
            "You asked to be told after ten minutes.",
            &[("snooze", "In 5 minutes"), ("ok", "Thanks")],
            Urgency::Normal,
        ),
        now,
    );
    state.show(
        one(
            2,
            "Battery",
            "7 % left",
            "Connect the charger; the machine sleeps at 3 %.",
            &[],
            Urgency::Critical,
        ),
        now,
    );
    state.show(one(3, "", "Without more", "", &[], Urgency::Low), now);
    state
}

fn request(id: u64, resource: &str, grantable: bool) -> Request {
    Request {
        id,
        agent: "steward".into(),
        title: "Steward".into(),
        tool: "files.list".into(),
        action: "read".into(),
        resource: resource.into(),
        summary: "List the names, sizes and dates of what is in this folder.".into(),
        grantable,
        asked_ms: 0,
        expires_ms: 60_000,
    }
}

fn question(now: Instant, grantable: bool, resource: &str) -> Permission {
    let mut state = Permission::default();
    state.ask(request(1, resource, grantable), now, 0);
    state.ask(request(2, "/tmp", grantable), now, 0);
    state.ask(request(3, "/tmp/x", grantable), now, 0);
    state.on_screen(now);
    state.count_down(Duration::from_secs(18).as_millis() as u64);
    state
}

/// A machine with sound, light and a link, where the keyboard is on the light.
fn machine() -> controls::Controls {
    let mut controls = controls::Controls::default();
    controls.set_sound(Ok(Volume {
        percent: 65,
        muted: false,
        device: "card".to_owned(),
    }));
    controls.set_light(Ok(Brightness {
        percent: 40,
        device: "screen".to_owned(),
    }));
    controls.set_network(Ok(Status {
        enabled: true,
        links: vec![Link {
            name: "eth0".to_owned(),
            kind: "ethernet".to_owned(),
            up: true,
            connected: true,
            addresses: vec!["10.0.2.15/24".to_owned()],
        }],
        default_routes: vec![],
    }));
    controls.set_night(Some(true));
    controls.update(controls::Message::Move(1));
    controls.update(controls::Message::Move(1));
    controls
}

/// Two items in the tray, and the menu of the second one.
fn items() -> tray::Tray {
    let mut items = tray::Tray::default();
    for (path, title, attention) in [("/a", "Mail", true), ("/b", "Files in step", false)] {
        items.set(Item {
            address: Address {
                bus: ":1.7".to_owned(),
                path: path.to_owned(),
            },
            title: title.to_owned(),
            icon: None,
            visible: true,
            attention,
            menu: Some("/menu".to_owned()),
            only_menu: false,
        });
    }
    items.update(tray::Message::OpenMenu(1));
    let entry = |id, label: &str| Entry {
        id,
        label: label.to_owned(),
        enabled: true,
        ..Entry::default()
    };
    let mut more = entry(3, "More");
    more.children = vec![entry(4, "About")];
    let mut running = entry(1, "Run while nobody is there");
    running.on = Some(true);
    let mut off = entry(2, "Nothing to send");
    off.enabled = false;
    let mut line = entry(5, "");
    line.separator = true;
    let address = Address {
        bus: ":1.7".to_owned(),
        path: "/b".to_owned(),
    };
    items.set_menu(&address, vec![running, off, line, more, entry(6, "End it")]);
    items.update(tray::Message::Move(1));
    items
}
