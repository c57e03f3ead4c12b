//! Notifications: pop-ups at the top right, by the desktop's notification interface.

use std::time::{Duration, Instant};

use iced_core::text::Wrapping;
use iced_core::{Alignment, Length, Padding};
use iced_widget::{column, container, row};

use crate::fonts;
use crate::host::Element;
use crate::icons::Icon;
use crate::theme::{GAP, Palette, SMALL, TEXT, TEXT_SMALL, TIGHT, WIDE};
use crate::widgets::{self, Kind, SHADOW};

/// Width of the surface in logical pixels, shadow included.
pub const WIDTH: u32 = 360 + 2 * SHADOW as u32;
/// The surface is never higher than this.
pub const HIGHEST: u32 = 700;
/// As many are shown at once; the others wait.
const SHOWN: usize = 4;
/// How long one stays that says nothing about it.
const USUAL: Duration = Duration::from_secs(6);
/// The longest text that is shown, in characters.
const LONGEST: usize = 400;

/// How pressing it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// Barely.
    Low,
    /// As usual.
    Normal,
    /// Stays until somebody closes it.
    Critical,
}

/// A notification as an application sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Number, unique while the shell runs.
    pub id: u32,
    /// Name of the application, or empty.
    pub app: String,
    /// What it is about.
    pub summary: String,
    /// More on it; simple markup is taken out.
    pub body: String,
    /// Buttons: key and label. The key `default` is a click on the whole.
    pub actions: Vec<(String, String)>,
    /// How pressing it is.
    pub urgency: Urgency,
    /// How long to show it: negative, as usual; 0, until closed; else milliseconds.
    pub timeout_ms: i32,
}

/// Why one was closed, as the interface numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Its time was over.
    Expired = 1,
    /// The person closed it.
    Dismissed = 2,
    /// Its application closed it.
    Closed = 3,
}

/// The pop-ups.
#[derive(Debug, Default)]
pub struct Notifications {
    queue: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    notification: Notification,
    /// Set when it is first shown.
    until: Option<Instant>,
}

/// What a person does to one.
#[derive(Debug, Clone)]
pub enum Message {
    /// Away with it.
    Close(u32),
    /// A button was pressed.
    Act(u32, String),
}

/// What applications are to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is gone.
    Closed(u32, Reason),
    /// A button was pressed, and it is gone.
    Acted(u32, String),
}

impl Notifications {
    /// Whether nothing is to be shown.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Shows one; one of the same number is replaced in its place.
    pub fn show(&mut self, mut notification: Notification, now: Instant) {
        notification.summary = widgets::shortened(plain(&notification.summary).trim(), LONGEST);
        notification.body = widgets::shortened(plain(&notification.body).trim(), LONGEST);
        let entry = Entry {
            notification,
            until: None,
        };
        match self
            .queue
            .iter_mut()
            .find(|e| e.notification.id == entry.notification.id)
        {
            Some(old) => *old = entry,
            None => self.queue.push(entry),
        }
        self.start_timers(now);
    }

    fn start_timers(&mut self, now: Instant) {
        for entry in self
            .queue
            .iter_mut()
            .take(SHOWN)
            .filter(|entry| entry.until.is_none())
        {
            let Notification {
                timeout_ms,
                urgency,
                ..
            } = entry.notification;
            let stay = match timeout_ms {
                0 => None,
                ms if ms > 0 => Some(Duration::from_millis(ms as u64)),
                _ if urgency == Urgency::Critical => None,
                _ => Some(USUAL),
            };
            entry.until = stay.map(|stay| now + stay);
        }
    }

    /// When the next one is over.
    pub fn deadline(&self) -> Option<Instant> {
        self.queue
            .iter()
            .take(SHOWN)
            .filter_map(|entry| entry.until)
            .min()
    }

    /// Takes away the ones whose time is over.
    pub fn expire(&mut self, now: Instant) -> Vec<Outcome> {
        let over = |entry: &Entry| entry.until.is_some_and(|until| until <= now);
        let expired = self
            .queue
            .iter()
            .filter(|e| over(e))
            .map(|e| Outcome::Closed(e.notification.id, Reason::Expired))
            .collect();
        self.queue.retain(|entry| !over(entry));
        self.start_timers(now);
        expired
    }

    /// Takes one away.
    pub fn close(&mut self, id: u32, reason: Reason, now: Instant) -> Option<Outcome> {
        let at = self
            .queue
            .iter()
            .position(|entry| entry.notification.id == id)?;
        self.queue.remove(at);
        self.start_timers(now);
        Some(Outcome::Closed(id, reason))
    }

    /// Something was done.
    pub fn update(&mut self, message: Message, now: Instant) -> Vec<Outcome> {
        match message {
            Message::Close(id) => self.close(id, Reason::Dismissed, now).into_iter().collect(),
            Message::Act(id, key) => {
                let closed = self.close(id, Reason::Dismissed, now);
                std::iter::once(Outcome::Acted(id, key))
                    .chain(closed)
                    .collect()
            }
        }
    }

    /// The pop-ups' widgets.
    pub fn view(&self, palette: &Palette) -> Element<'_, Message> {
        let shown = self
            .queue
            .iter()
            .take(SHOWN)
            .map(|entry| pop_up(&entry.notification, palette));
        // Shadows of neighbours overlap: the cards themselves stand a gap apart.
        column(shown).spacing(GAP - 2.0 * SHADOW).into()
    }
}

fn pop_up<'a>(notification: &'a Notification, palette: &Palette) -> Element<'a, Message> {
    let (icon, color) = match notification.urgency {
        Urgency::Critical => (Icon::Alert, palette.bad),
        Urgency::Normal | Urgency::Low => (Icon::Bell, palette.accent),
    };
    let mark = widgets::raised(
        container(widgets::icon(icon, 18.0, color)).center(32),
        palette.raised,
        9.0,
    );
    let mut words = column![].spacing(TIGHT).width(Length::Fill);
    if !notification.app.is_empty() {
        words = words.push(widgets::line(
            &notification.app,
            TEXT_SMALL - 0.5,
            palette.text_dim,
            fonts::UI,
        ));
    }
    words = words.push(
        widgets::label(&notification.summary, TEXT, palette.text)
            .font(fonts::UI_STRONG)
            .wrapping(Wrapping::WordOrGlyph),
    );
    if !notification.body.is_empty() {
        words = words.push(
            widgets::label(&notification.body, TEXT - 1.0, palette.text_dim)
                .wrapping(Wrapping::WordOrGlyph),
        );
    }
    let buttons: Vec<Element<'a, Message>> = notification
        .actions
        .iter()
        .filter(|(key, label)| key != "default" && !label.is_empty())
        .take(3)
        .map(|(key, label)| {
            widgets::press(
                widgets::label(label, TEXT - 1.0, palette.text),
                Kind::Raised,
                palette,
            )
            .padding(Padding::from([TIGHT + 1.0, GAP]))
            .on_press(Message::Act(notification.id, key.clone()))
            .into()
        })
        .collect();
    if !buttons.is_empty() {
        words = words.push(
            container(row(buttons).spacing(SMALL).wrap()).padding(Padding {
                top: TIGHT,
                ..Padding::ZERO
            }),
        );
    }
    let close = widgets::icon_button(Icon::Close, 15.0, palette.text_dim, palette)
        .padding(TIGHT)
        .on_press(Message::Close(notification.id));
    let content = row![mark, words, close]
        .spacing(GAP)
        .align_y(Alignment::Start);
    let card = widgets::card(
        container(content).padding(Padding::from([GAP + 1.0, WIDE - 2.0])),
        palette,
    );
    let default = notification
        .actions
        .iter()
        .find(|(key, _)| key == "default");
    match default {
        Some((key, _)) => iced_widget::mouse_area(card)
            .on_press(Message::Act(notification.id, key.clone()))
            .interaction(iced_core::mouse::Interaction::Pointer)
            .into(),
        None => card.into(),
    }
}

/// Takes out the markup that applications send although it is not offered.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['<', '&']) {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let tag = rest.strip_prefix('<').and_then(|tag| {
            let end = tag.find('>')?;
            let name = tag[..end].trim_start_matches('/');
            name.starts_with(|c: char| c.is_ascii_alphabetic())
                .then_some(end + 2)
        });
        let entity = [
            ("&lt;", "<"),
            ("&gt;", ">"),
            ("&amp;", "&"),
            ("&quot;", "\""),
            ("&apos;", "'"),
            ("&#39;", "'"),
        ]
        .into_iter()
        .find(|(name, _)| rest.starts_with(name));
        match (tag, entity) {
            (Some(end), _) => rest = &rest[end..],
            (None, Some((name, means))) => {
                plain.push_str(means);
                rest = &rest[name.len()..];
            }
            (None, None) => {
                plain.push_str(&rest[..1]);
                rest = &rest[1..];
            }
        }
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notification(id: u32, timeout_ms: i32, urgency: Urgency) -> Notification {
        Notification {
            id,
            app: String::new(),
            summary: "s".into(),
            body: String::new(),
            actions: vec![("open".into(), "Open".into())],
            urgency,
            timeout_ms,
        }
    }

    #[test]
    fn each_stays_as_long_as_it_asks() {
        let now = Instant::now();
        let mut all = Notifications::default();
        all.show(notification(1, 1000, Urgency::Normal), now);
        all.show(notification(2, -1, Urgency::Normal), now);
        all.show(notification(3, -1, Urgency::Critical), now);
        all.show(notification(4, 0, Urgency::Low), now);
        assert_eq!(all.deadline(), Some(now + Duration::from_secs(1)));
        assert_eq!(
            all.expire(now + Duration::from_secs(1)),
            [Outcome::Closed(1, Reason::Expired)]
        );
        assert_eq!(
            all.expire(now + USUAL),
            [Outcome::Closed(2, Reason::Expired)]
        );
        assert_eq!(all.deadline(), None);
        assert_eq!(all.queue.len(), 2);
    }

    #[test]
    fn the_waiting_ones_get_their_full_time() {
        let now = Instant::now();
        let mut all = Notifications::default();
        for id in 0..=SHOWN as u32 {
            all.show(notification(id, 1000, Urgency::Normal), now);
        }
        let later = now + Duration::from_secs(1);
        assert_eq!(all.expire(later).len(), SHOWN);
        assert_eq!(all.deadline(), Some(later + Duration::from_secs(1)));
    }

    #[test]
    fn a_button_acts_and_closes() {
        let now = Instant::now();
        let mut all = Notifications::default();
        all.show(notification(7, 0, Urgency::Normal), now);
        let outcomes = all.update(Message::Act(7, "open".into()), now);
        assert_eq!(
            outcomes,
            [
                Outcome::Acted(7, "open".into()),
                Outcome::Closed(7, Reason::Dismissed)
            ]
        );
        assert!(all.is_empty() && all.close(7, Reason::Closed, now).is_none());
    }

    #[test]
    fn the_same_number_replaces() {
        let now = Instant::now();
        let mut all = Notifications::default();
        all.show(notification(1, 0, Urgency::Normal), now);
        all.show(
            Notification {
                summary: "new".into(),
                ..notification(1, 500, Urgency::Normal)
            },
            now,
        );
        assert_eq!(
            (all.queue.len(), all.queue[0].notification.summary.as_str()),
            (1, "new")
        );
        assert!(all.deadline().is_some());
    }

    #[test]
    fn markup_is_taken_out_and_the_rest_kept() {
        assert_eq!(
            plain("<b>Done</b>: 3 &lt; 4 &amp; a <3 b<br/>"),
            "Done: 3 < 4 & a <3 b"
        );
        assert_eq!(
            plain("<a href=\"x\">öffnen</a> & mehr <"),
            "öffnen & mehr <"
        );
        assert_eq!(
            widgets::shortened(&"ä".repeat(LONGEST + 1), LONGEST)
                .chars()
                .count(),
            LONGEST + 1
        );
    }
}
