//! A part of the shell as a program of its own: a card with time and date at the bottom right of the screen, in the
//! theme that the shell had when it started. Its manifest, as `~/.local/share/argos/parts/clock.yaml`:
//!
//! ```yaml
//! description: A clock in the corner
//! exec: [/usr/local/bin/clock]
//! ```

use std::path::Path;
use std::time::{Duration, Instant};

use argos_shell::host::{
    self, Anchor, Connection, Content, Element, Height, KeyboardInteractivity, Layer, Outputs,
    Program, Spec, Tasks, probe,
};
use argos_shell::settings::Settings;
use argos_shell::theme::{ROUND_CARD, TEXT, TIGHT, Theme};
use argos_shell::{fonts, l10n, theme, widgets};
use iced_core::{Alignment, Color, Event, Length, Size};
use iced_widget::{column, container};
use jiff::Zoned;

struct Clock {
    theme: Theme,
    next_minute: Instant,
}

/// It has one surface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Card;

impl Program for Clock {
    type Message = ();
    type Part = Card;

    fn surfaces(&self) -> Vec<Spec<Card>> {
        vec![Spec {
            part: Card,
            on: Outputs::Active,
            layer: Layer::Bottom,
            anchor: Anchor::BOTTOM | Anchor::RIGHT,
            width: 260,
            height: Height::Fixed(96),
            margin: [0, 24, 24, 0],
            shadow: 0,
            exclusive_zone: 0,
            keyboard: KeyboardInteractivity::None,
            namespace: "example-clock",
            content: Content::Widgets,
            window: None,
            keeps_awake: false,
        }]
    }

    fn view(&self, _: Card, _: Size) -> Element<'_, ()> {
        let (now, palette) = (Zoned::now(), &self.theme.colors);
        let time = widgets::label(l10n::minutes(&now), 40.0, palette.text);
        let date = widgets::label(l10n::long_date(&now), TEXT, palette.text_dim);
        let words = column![time, date].spacing(TIGHT);
        let words = container(words.align_x(Alignment::Center)).center(Length::Fill);
        widgets::raised(words, palette.card, ROUND_CARD).into()
    }

    fn update(&mut self, (): (), _: &mut Tasks<Card>) {}

    fn intercept(&self, _: Card, _: &Event) -> Option<()> {
        None
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.next_minute)
    }

    fn tick(&mut self, now: Instant, _: &mut Tasks<Card>) {
        self.next_minute = now + rest_of_minute();
    }

    fn shown(&mut self, _: Card) {}

    fn text_color(&self) -> Color {
        self.theme.colors.text
    }
}

/// Until the clock shows something else.
fn rest_of_minute() -> Duration {
    let second = u64::try_from(Zoned::now().second()).unwrap_or_default();
    Duration::from_secs(60 - second.min(59))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let connection = Connection::connect_to_env()?;
    let settings = Settings::load();
    l10n::speak_chosen(&settings.language);
    fonts::load();
    let clock = Clock {
        theme: theme::load_or_default(&settings.theme),
        next_minute: Instant::now() + rest_of_minute(),
    };
    let renderer = std::env::var(probe::VARIABLE).ok();
    let choice = probe::choose(renderer.as_deref(), Path::new("/sys/class/drm"));
    // Nobody sends it anything.
    let (_sender, inbox) = calloop::channel::channel();
    host::run(clock, connection, choice, inbox)?;
    Ok(())
}
