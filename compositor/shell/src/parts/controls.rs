//! Quick settings: sound, light, network, night light and theme, and the display that shows for a moment what a key of the
//! keyboard changed.

use std::time::{Duration, Instant};

use argos_bus::devices::{Brightness, Volume};
use argos_bus::network::Status;
use iced_core::keyboard::{self, Key, key::Named};
use iced_core::{Alignment, Background, Event, Length, Padding};
use iced_widget::{Row, column, container, row, space};

use crate::bus::machine::Command;
use crate::fonts;
use crate::host::{Element, Renderer};
use crate::icons::Icon;
use crate::theme::{Appearance, GAP, Palette, SMALL, TEXT, TEXT_SMALL, TIGHT, WIDE};
use crate::widgets::{self, Kind, SHADOW};
use crate::{l10n, tr};

/// Width of the quick settings in logical pixels, shadow included.
pub const WIDTH: u32 = 320 + 2 * SHADOW as u32;
/// The quick settings are never higher than this.
pub const HIGHEST: u32 = 440;
/// Size of the momentary display in logical pixels, shadow included.
pub const DISPLAY: (u32, u32) = (260 + 2 * SHADOW as u32, 52 + 2 * SHADOW as u32);
/// How long the momentary display stays after the last change.
const STAYS: Duration = Duration::from_millis(1500);
/// How much one press of a key changes, in percent.
const STEP: i32 = 5;

/// What a service said, or why it cannot be asked.
pub type Known<T> = Result<T, String>;

/// What a key changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Sound,
    Light,
}

/// The rows, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Control {
    Sound,
    Light,
    Network,
    Night,
    Theme,
    Settings,
}

const CONTROLS: [Control; 6] = [
    Control::Sound,
    Control::Light,
    Control::Network,
    Control::Night,
    Control::Theme,
    Control::Settings,
];

/// What is known of the machine, and what is shown of it.
#[derive(Debug)]
pub struct Controls {
    sound: Known<Volume>,
    light: Known<Brightness>,
    network: Known<Status>,
    night: Option<bool>,
    selected: Option<usize>,
    changed: Option<(Change, Instant)>,
}

impl Default for Controls {
    fn default() -> Self {
        let unknown = || "not known yet".to_owned();
        Self {
            sound: Err(unknown()),
            light: Err(unknown()),
            network: Err(unknown()),
            night: None,
            selected: None,
            changed: None,
        }
    }
}

/// What a person does in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
    /// Choose the row below or above.
    Move(isize),
    /// More or less of the chosen row, in steps.
    Adjust(i32),
    /// Switch the chosen row.
    Activate,
    /// This loud, in percent.
    Volume(u32),
    /// Silent, or not any more.
    Mute,
    /// This bright, in percent.
    Brightness(u32),
    /// Links on or off.
    Network,
    /// Warmer colours, or none.
    Night,
    /// The other of dark and light.
    Theme,
    /// All settings.
    Settings,
    /// Away with it.
    Close,
}

/// What follows from it.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing beyond the part.
    None,
    /// The machine is to do this.
    Do(Command),
    /// Warmer colours, or none.
    Night(bool),
    /// The other theme.
    Theme,
    /// Show all settings.
    Settings,
    /// Close it.
    Close,
}

impl Controls {
    /// How loud it is.
    pub fn set_sound(&mut self, sound: Known<Volume>) {
        self.sound = sound;
    }

    /// How bright it is.
    pub fn set_light(&mut self, light: Known<Brightness>) {
        self.light = light;
    }

    /// Where the network stands.
    pub fn set_network(&mut self, network: Known<Status>) {
        self.network = network;
    }

    /// Whether the colours are warmer.
    pub fn set_night(&mut self, night: Option<bool>) {
        self.night = night;
    }

    /// Nothing is chosen when it opens.
    pub fn open(&mut self) {
        self.selected = None;
        self.changed = None;
    }

    /// What a key of the keyboard does, by the name that bindings have for it, as `volume-up`. `None` where there
    /// is no such name.
    pub fn key(&mut self, name: &str, now: Instant) -> Option<Command> {
        let (change, command) = match name {
            "volume-up" => (Change::Sound, Command::VolumeBy(STEP)),
            "volume-down" => (Change::Sound, Command::VolumeBy(-STEP)),
            "volume-mute" => (Change::Sound, Command::Mute),
            "brightness-up" => (Change::Light, Command::BrightnessBy(STEP)),
            "brightness-down" => (Change::Light, Command::BrightnessBy(-STEP)),
            _ => return None,
        };
        self.changed = Some((change, now + STAYS));
        Some(command)
    }

    /// Whether the momentary display is there.
    pub fn displays(&self) -> bool {
        self.changed.is_some()
    }

    /// When the momentary display goes.
    pub fn deadline(&self) -> Option<Instant> {
        self.changed.map(|(_, until)| until)
    }

    /// Takes the momentary display away once its time is over.
    pub fn expire(&mut self, now: Instant) {
        self.changed = self.changed.filter(|(_, until)| *until > now);
    }

    /// Something was done.
    pub fn update(&mut self, message: Message) -> Outcome {
        match message {
            Message::Move(by) => {
                self.selected = Some(widgets::next_row(self.selected, by, CONTROLS.len()));
                Outcome::None
            }
            Message::Adjust(steps) => match self.chosen() {
                Some(Control::Sound) => Outcome::Do(Command::VolumeBy(steps * STEP)),
                Some(Control::Light) => Outcome::Do(Command::BrightnessBy(steps * STEP)),
                _ => Outcome::None,
            },
            Message::Activate => match self.chosen() {
                Some(Control::Sound) => Outcome::Do(Command::Mute),
                Some(Control::Network) => self.update(Message::Network),
                Some(Control::Night) => self.update(Message::Night),
                Some(Control::Theme) => Outcome::Theme,
                Some(Control::Settings) => Outcome::Settings,
                Some(Control::Light) | None => Outcome::None,
            },
            // Shown at once; what the service says corrects it.
            Message::Volume(percent) => {
                if let Ok(sound) = &mut self.sound {
                    sound.percent = percent;
                    sound.muted = sound.muted && percent == 0;
                }
                Outcome::Do(Command::Volume(percent))
            }
            Message::Brightness(percent) => {
                if let Ok(light) = &mut self.light {
                    light.percent = percent;
                }
                Outcome::Do(Command::Brightness(percent))
            }
            Message::Mute => Outcome::Do(Command::Mute),
            Message::Network => match &self.network {
                Ok(status) => Outcome::Do(Command::Network(!status.enabled)),
                Err(_) => Outcome::None,
            },
            Message::Night => match self.night {
                Some(on) => Outcome::Night(!on),
                None => Outcome::None,
            },
            Message::Theme => Outcome::Theme,
            Message::Settings => Outcome::Settings,
            Message::Close => Outcome::Close,
        }
    }

    fn chosen(&self) -> Option<Control> {
        self.selected.map(|at| CONTROLS[at])
    }

    /// Its keys.
    pub fn intercept(event: &Event) -> Option<Message> {
        let Event::Keyboard(keyboard::Event::KeyPressed { key, modifiers, .. }) = event else {
            return None;
        };
        match key {
            Key::Named(Named::Escape) => Some(Message::Close),
            Key::Named(Named::Enter | Named::Space) => Some(Message::Activate),
            Key::Named(Named::ArrowDown) => Some(Message::Move(1)),
            Key::Named(Named::ArrowUp) => Some(Message::Move(-1)),
            Key::Named(Named::ArrowRight) => Some(Message::Adjust(1)),
            Key::Named(Named::ArrowLeft) => Some(Message::Adjust(-1)),
            Key::Named(Named::Tab) => Some(Message::Move(if modifiers.shift() { -1 } else { 1 })),
            _ => None,
        }
    }

    /// What the panel shows: network and sound.
    pub fn marks(&self) -> [Icon; 2] {
        [self.network_icon(), self.sound_icon()]
    }

    fn sound_icon(&self) -> Icon {
        match &self.sound {
            Ok(sound) if !sound.muted && sound.percent > 0 => Icon::Sound,
            _ => Icon::Muted,
        }
    }

    fn network_icon(&self) -> Icon {
        match &self.network {
            Ok(status) if links(status).next().is_some() => Icon::Network,
            _ => Icon::Offline,
        }
    }

    /// The quick settings' widgets.
    pub fn view(&self, appearance: Appearance, palette: &Palette) -> Element<'_, Message> {
        let sound = match &self.sound {
            Ok(sound) => self.slider(
                Control::Sound,
                sound.percent,
                sound.muted,
                Message::Volume,
                palette,
            ),
            Err(_) => self.missing(Control::Sound, tr!("controls-no-sound"), palette),
        };
        let light = match &self.light {
            Ok(light) => self.slider(
                Control::Light,
                light.percent,
                false,
                Message::Brightness,
                palette,
            ),
            Err(_) => self.missing(Control::Light, tr!("controls-light-fixed"), palette),
        };
        let (network, known) = match &self.network {
            Ok(status) => (network_words(status), true),
            Err(_) => (tr!("controls-not-known"), false),
        };
        let theme = match appearance {
            Appearance::Dark => tr!("controls-dark"),
            Appearance::Light => tr!("controls-light"),
        };
        let network = self.tile(
            Control::Network,
            tr!("controls-network"),
            network,
            known.then_some(Message::Network),
            palette,
        );
        let night = match self.night {
            Some(true) => tr!("on"),
            Some(false) => tr!("off"),
            None => tr!("controls-not-known"),
        };
        let night = self.tile(
            Control::Night,
            tr!("controls-night-light"),
            night,
            self.night.map(|_| Message::Night),
            palette,
        );
        let theme = self.tile(
            Control::Theme,
            tr!("controls-theme"),
            theme,
            Some(Message::Theme),
            palette,
        );
        let settings = self.tile(
            Control::Settings,
            tr!("controls-settings"),
            String::new(),
            Some(Message::Settings),
            palette,
        );
        let content = column![
            sound,
            light,
            container(widgets::divider(palette)).padding(Padding::from([TIGHT, SMALL])),
            network,
            night,
            theme,
            settings,
        ]
        .spacing(TIGHT / 2.0)
        .padding(SMALL);
        widgets::card(content, palette).into()
    }

    /// The momentary display's widgets.
    pub fn display(&self, palette: &Palette) -> Element<'_, Message> {
        let (icon, value) = match self.changed {
            Some((Change::Light, _)) => (
                Icon::Sun,
                self.light.as_ref().ok().map(|light| light.percent),
            ),
            _ => {
                let sound = self.sound.as_ref().ok();
                let heard = sound.map(|s| if s.muted { 0 } else { s.percent });
                (self.sound_icon(), heard)
            }
        };
        let words = match (value, self.changed) {
            (Some(percent), _) => l10n::percent(percent),
            (None, Some((Change::Light, _))) => tr!("controls-display-fixed"),
            (None, _) => tr!("controls-display-silent"),
        };
        let content = row![
            widgets::icon(icon, 20.0, palette.text),
            bar(value.unwrap_or(0), palette),
            container(widgets::label(words, TEXT, palette.text).font(fonts::UI_MEDIUM))
                .width(if value.is_some() { 44 } else { 64 })
                .align_right(Length::Shrink),
        ]
        .spacing(GAP)
        .align_y(Alignment::Center);
        widgets::card(
            container(content)
                .padding(Padding::from([0.0, WIDE]))
                .height(Length::Fill)
                .align_y(Alignment::Center),
            palette,
        )
        .into()
    }

    fn is_chosen(&self, control: Control) -> bool {
        self.chosen() == Some(control)
    }

    fn slider<'a>(
        &self,
        control: Control,
        percent: u32,
        off: bool,
        changed: fn(u32) -> Message,
        palette: &Palette,
    ) -> Element<'a, Message> {
        let ink = if off { palette.text_dim } else { palette.text };
        let mark: Element<'a, Message> = if control == Control::Sound {
            widgets::icon_button(self.sound_icon(), 18.0, ink, palette)
                .on_press(Message::Mute)
                .into()
        } else {
            container(widgets::icon(Icon::Sun, 18.0, ink))
                .padding(SMALL - 2.0)
                .into()
        };
        let words = widgets::label(l10n::percent(percent), TEXT_SMALL, palette.text_dim);
        self.framed(
            control,
            row![
                mark,
                widgets::slider(percent, changed, palette),
                container(words).width(36).align_right(36),
            ],
            palette,
        )
    }

    fn missing<'a>(
        &self,
        control: Control,
        words: String,
        palette: &Palette,
    ) -> Element<'a, Message> {
        let icon = match control {
            Control::Sound => Icon::Muted,
            _ => Icon::Sun,
        };
        self.framed(
            control,
            row![
                container(widgets::icon(icon, 18.0, palette.text_dim)).padding(SMALL - 2.0),
                widgets::label(words, TEXT - 1.0, palette.text_dim),
            ],
            palette,
        )
    }

    fn framed<'a>(
        &self,
        control: Control,
        content: Row<'a, Message, iced_core::Theme, Renderer>,
        palette: &Palette,
    ) -> Element<'a, Message> {
        let ground = self.is_chosen(control).then_some(palette.hover);
        container(
            content
                .spacing(SMALL)
                .align_y(Alignment::Center)
                .width(Length::Fill),
        )
        // The icons keep a distance of their own, as those of the rows below do.
        .padding(Padding {
            right: 2.0 * SMALL - 2.0,
            ..Padding::from([TIGHT, SMALL])
        })
        .height(44)
        .align_y(Alignment::Center)
        .style(move |_| container::Style {
            background: ground.map(Background::Color),
            border: widgets::rounded(crate::theme::ROUND),
            ..container::Style::default()
        })
        .into()
    }

    /// A row that is switched by a press.
    fn tile<'a>(
        &self,
        control: Control,
        title: String,
        state: String,
        message: Option<Message>,
        palette: &Palette,
    ) -> Element<'a, Message> {
        let icon = match control {
            Control::Network => self.network_icon(),
            Control::Night => Icon::NightLight,
            Control::Settings => Icon::Settings,
            _ => Icon::Moon,
        };
        let kind = if self.is_chosen(control) {
            Kind::Chosen
        } else {
            Kind::Plain
        };
        widgets::press(
            row![
                widgets::icon(icon, 18.0, palette.text_dim),
                widgets::label(title, TEXT, palette.text),
                space().width(Length::Fill),
                widgets::label(widgets::shortened(&state, 24), TEXT_SMALL, palette.text_dim),
            ]
            .spacing(GAP)
            .align_y(Alignment::Center),
            kind,
            palette,
        )
        .width(Length::Fill)
        .padding(Padding::from([10.0, SMALL + SMALL - 2.0]))
        .on_press_maybe(message)
        .into()
    }
}

/// A bar that is filled as far as `percent` says.
fn bar<'a>(percent: u32, palette: &Palette) -> Element<'a, Message> {
    const HEIGHT: f32 = 6.0;
    let filled = percent.min(100) as u16;
    let part = |portion: u16, color| {
        widgets::raised(space().height(HEIGHT), color, HEIGHT / 2.0)
            .width(Length::FillPortion(portion))
    };
    let mut parts = row![];
    if filled > 0 {
        parts = parts.push(part(filled, palette.accent));
    }
    if filled < 100 {
        parts = parts.push(part(100 - filled, palette.line));
    }
    container(parts.width(Length::Fill))
        .width(Length::Fill)
        .into()
}

/// The links that lead to others.
fn links(status: &Status) -> impl Iterator<Item = &argos_bus::network::Link> {
    status
        .links
        .iter()
        .filter(|link| link.kind != "loopback" && link.up && link.connected)
}

fn network_words(status: &Status) -> String {
    if !status.enabled {
        return tr!("off");
    }
    match links(status).next() {
        Some(link) => match link.addresses.first() {
            Some(address) => address.split('/').next().unwrap_or(address).to_owned(),
            None => tr!("controls-no-address", link = &link.name),
        },
        None => tr!("controls-not-connected"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(percent: u32, muted: bool) -> Known<Volume> {
        Ok(Volume {
            percent,
            muted,
            device: "card".into(),
        })
    }

    fn network(enabled: bool, connected: bool, addresses: &[&str]) -> Status {
        let link =
            |name: &str, kind: &str, connected, addresses: &[&str]| argos_bus::network::Link {
                name: name.into(),
                kind: kind.into(),
                up: true,
                connected,
                addresses: addresses.iter().map(|a| (*a).to_owned()).collect(),
            };
        Status {
            enabled,
            links: vec![
                link("lo", "loopback", true, &["127.0.0.1/8"]),
                link("eth0", "ethernet", connected, addresses),
            ],
            default_routes: vec![],
        }
    }

    #[test]
    fn a_key_changes_a_step_and_is_shown_for_a_moment() {
        let mut controls = Controls::default();
        let now = Instant::now();
        assert_eq!(
            controls.key("volume-down", now),
            Some(Command::VolumeBy(-STEP))
        );
        assert_eq!(controls.deadline(), Some(now + STAYS));
        controls.expire(now + STAYS / 2);
        assert!(controls.displays());
        // Another press prolongs it.
        controls.key("brightness-up", now + STAYS / 2);
        controls.expire(now + STAYS);
        assert!(controls.displays());
        controls.expire(now + STAYS * 2);
        assert!(!controls.displays());
        assert_eq!(controls.key("louder", now), None);
        assert!(
            !controls.displays(),
            "a name that means nothing shows nothing"
        );
    }

    #[test]
    fn the_keyboard_reaches_every_row() {
        let mut controls = Controls::default();
        controls.set_network(Ok(network(true, true, &[])));
        controls.set_night(Some(false));
        assert_eq!(controls.update(Message::Activate), Outcome::None);
        assert_eq!(controls.update(Message::Adjust(1)), Outcome::None);
        let expected = [
            (Message::Adjust(1), Outcome::Do(Command::VolumeBy(STEP))),
            (
                Message::Adjust(-1),
                Outcome::Do(Command::BrightnessBy(-STEP)),
            ),
            (Message::Activate, Outcome::Do(Command::Network(false))),
            (Message::Activate, Outcome::Night(true)),
            (Message::Activate, Outcome::Theme),
            (Message::Activate, Outcome::Settings),
            (Message::Activate, Outcome::Do(Command::Mute)),
        ];
        for (message, outcome) in expected {
            assert_eq!(controls.update(Message::Move(1)), Outcome::None);
            assert_eq!(controls.update(message), outcome);
        }
    }

    #[test]
    fn what_is_dragged_is_shown_at_once() {
        let mut controls = Controls::default();
        controls.set_sound(sound(0, true));
        assert_eq!(controls.sound_icon(), Icon::Muted);
        assert_eq!(
            controls.update(Message::Volume(40)),
            Outcome::Do(Command::Volume(40))
        );
        assert_eq!(controls.sound_icon(), Icon::Sound);
        assert_eq!(controls.sound, sound(40, false));
    }

    #[test]
    fn the_network_is_told_in_one_word() {
        assert_eq!(network_words(&network(false, true, &[])), "Off");
        assert_eq!(network_words(&network(true, false, &[])), "Not connected");
        assert_eq!(network_words(&network(true, true, &[])), "eth0, no address");
        assert_eq!(
            network_words(&network(true, true, &["10.0.2.15/24"])),
            "10.0.2.15"
        );
        // What is not known cannot be switched.
        let mut controls = Controls::default();
        assert_eq!(controls.update(Message::Network), Outcome::None);
        assert_eq!(controls.update(Message::Night), Outcome::None);
    }
}
