//! The permissions page: what was granted and refused, taking it back, what agents did, and deciding
//! ahead ([`ahead`]).
//!
//! It shows what the broker says and decides nothing itself. A grant comes and goes after a second
//! press on its button, so that a slip changes nothing; after [`SURE`] without one it is as before.

use std::time::{Duration, Instant};

use argos_bus::permissions::{Explanation, Grant};
use iced_core::keyboard::{self, Key, key::Named};
use iced_core::{Alignment, Color, Event, Length, Padding, Size};
use iced_widget::{column, container, row, space};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::ahead::{self, Ahead};
use crate::fonts;
use crate::host::Element;
use crate::icons::Icon;
use crate::theme::{GAP, HUGE, Palette, TEXT, TEXT_SMALL, TIGHT, WIDE};
use crate::visible::{in_order, visible};
use crate::widgets::{self, Kind, SHADOW};
use crate::{l10n, tr};

/// Size of the surface in logical pixels, shadow included.
pub const WIDTH: u32 = 780 + 2 * SHADOW as u32;
/// As [`WIDTH`].
pub const HEIGHT: u32 = 560 + 2 * SHADOW as u32;
/// What it needs where text is large and the screen small.
pub const LEAST: Size = Size::new(WIDTH as f32, 450.0);
/// The list's name.
pub const LIST: &str = "permissions-list";
/// How many audit rows are shown.
pub const ROWS: u32 = 200;
/// How long the second press may take.
pub const SURE: Duration = Duration::from_secs(4);

const ROW: f32 = 54.0;
const ROWS_HEIGHT: f32 = 7.5 * ROW;
/// About as many characters of the fixed-width font fit into a row.
const ABOUT_CHARACTERS: usize = 64;

/// What of it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Page {
    /// Grants and refusals.
    #[default]
    Granted,
    /// The audit log.
    Done,
    /// Asking what would happen, and deciding it.
    Ahead,
}

/// In the order of their tabs.
const PAGES: [Page; 3] = [Page::Granted, Page::Done, Page::Ahead];

impl Page {
    fn title(self) -> String {
        match self {
            Self::Granted => tr!("permissions-granted"),
            Self::Done => tr!("permissions-done"),
            Self::Ahead => tr!("permissions-ahead"),
        }
    }
}

/// A row of the audit log, as far as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Deed {
    when: String,
    agent: String,
    tool: String,
    what: String,
    outcome: String,
    by: String,
}

/// The page's state.
#[derive(Debug, Default)]
pub struct Permissions {
    page: Page,
    grants: Vec<Grant>,
    /// Newest first.
    deeds: Vec<Deed>,
    selected: usize,
    /// A grant to be chosen as soon as it is there.
    wanted: Option<u64>,
    ahead: Ahead,
    /// The grant whose button was pressed once, and until when that counts.
    sure: Option<(u64, Instant)>,
    /// Why the last thing did not work, or empty.
    problem: String,
}

/// What a person does on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Show this page.
    Show(Page),
    /// The page so many tabs further.
    Turn(isize),
    /// Choose the row below or above.
    Move(isize),
    /// Take the chosen grant back.
    RevokeChosen,
    /// Take this grant back.
    Revoke(u64),
    /// Decide ahead.
    Ahead(ahead::Message),
    /// Away with it.
    Close,
}

/// What follows from it.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    /// Nothing beyond the page.
    None,
    /// The list is to be scrolled to this many pixels from its top.
    Scroll(f32),
    /// The input is to have the keyboard.
    Focus,
    /// Ask the broker what would happen.
    Ask(ahead::Question),
    /// Grant or refuse this.
    Grant(ahead::Wish),
    /// Take this grant back.
    Revoke(u64),
    /// Close it.
    Close,
}

impl Permissions {
    /// Begins anew; what it shows is asked for. `agents`: those there are, by name and title.
    pub fn open(&mut self, agents: Vec<(String, String)>) {
        *self = Self {
            grants: std::mem::take(&mut self.grants),
            deeds: std::mem::take(&mut self.deeds),
            ahead: std::mem::take(&mut self.ahead),
            ..Self::default()
        };
        self.ahead.open(agents);
    }

    /// What the broker says: grants, and audit rows as JSON, oldest first.
    pub fn set(&mut self, grants: Vec<Grant>, rows: &[String]) -> Outcome {
        self.grants = grants;
        self.deeds = rows.iter().rev().filter_map(|row| deed(row)).collect();
        self.problem.clear();
        self.selected = self.selected.min(self.count().saturating_sub(1));
        let there = |id| self.grants.iter().position(|grant| grant.id == id);
        self.sure = self.sure.filter(|(id, _)| there(*id).is_some());
        match self.wanted.and_then(there) {
            Some(at) => {
                self.wanted = None;
                self.selected = at;
                Outcome::Scroll(widgets::centred(at, ROW, ROWS_HEIGHT))
            }
            None => Outcome::None,
        }
    }

    /// What was decided ahead is granted or refused under this number: it is shown.
    pub fn granted(&mut self, id: u64) {
        self.page = Page::Granted;
        self.wanted = Some(id);
    }

    /// The broker's answer to a question.
    pub fn answered(&mut self, number: u64, said: Result<Explanation, String>) {
        self.ahead.answered(number, said);
    }

    /// Something did not work.
    pub fn failed(&mut self, why: String) {
        self.problem = why;
        self.sure = None;
    }

    /// When what is shown changes by itself next.
    pub fn deadline(&self) -> Option<Instant> {
        let own = self.sure.map(|(_, until)| until);
        own.into_iter().chain(self.ahead.deadline()).min()
    }

    /// Forgets a first press that came to nothing.
    pub fn expire(&mut self, now: Instant) {
        self.sure = self.sure.filter(|(_, until)| *until > now);
        self.ahead.expire(now);
    }

    fn count(&self) -> usize {
        match self.page {
            Page::Granted => self.grants.len(),
            Page::Done => self.deeds.len(),
            Page::Ahead => 0,
        }
    }

    /// Something was done.
    pub fn update(&mut self, message: Message, now: Instant) -> Outcome {
        match message {
            Message::Show(page) => {
                self.page = page;
                self.selected = 0;
                self.sure = None;
                match page {
                    Page::Ahead => Outcome::Focus,
                    Page::Granted | Page::Done => Outcome::Scroll(0.0),
                }
            }
            Message::Turn(by) => {
                let at = PAGES.iter().position(|page| *page == self.page);
                let next = (at.unwrap_or(0) as isize + by).rem_euclid(PAGES.len() as isize);
                self.update(Message::Show(PAGES[next as usize]), now)
            }
            Message::Ahead(message) => {
                let now_ms = Timestamp::now().as_millisecond();
                let now_ms = u64::try_from(now_ms).unwrap_or_default();
                match self.ahead.update(message, now, now_ms) {
                    ahead::Outcome::None => Outcome::None,
                    ahead::Outcome::Ask(question) => Outcome::Ask(question),
                    ahead::Outcome::Grant(wish) => Outcome::Grant(wish),
                }
            }
            Message::Move(by) => {
                let last = self.count().saturating_sub(1);
                self.selected = self.selected.saturating_add_signed(by).min(last);
                // The chosen row in the middle, as far as the list's ends allow.
                Outcome::Scroll(widgets::centred(self.selected, ROW, ROWS_HEIGHT))
            }
            Message::RevokeChosen if self.page == Page::Granted => {
                match self.grants.get(self.selected) {
                    Some(grant) => self.revoke(grant.id, now),
                    None => Outcome::None,
                }
            }
            Message::RevokeChosen => Outcome::None,
            Message::Revoke(id) => self.revoke(id, now),
            Message::Close => Outcome::Close,
        }
    }

    fn revoke(&mut self, id: u64, now: Instant) -> Outcome {
        self.expire(now);
        match self.sure.take() {
            Some((sure, _)) if sure == id => Outcome::Revoke(id),
            _ => {
                self.sure = Some((id, now + SURE));
                Outcome::None
            }
        }
    }

    /// Its keys.
    pub fn intercept(&self, event: &Event) -> Option<Message> {
        let Event::Keyboard(keyboard::Event::KeyPressed {
            key,
            repeat,
            modifiers,
            ..
        }) = event
        else {
            return None;
        };
        match key {
            Key::Named(Named::Escape) => return Some(Message::Close),
            Key::Named(Named::Tab) => {
                return Some(Message::Turn(if modifiers.shift() { -1 } else { 1 }));
            }
            _ => {}
        }
        if self.page == Page::Ahead {
            return self.ahead.intercept(key, *repeat).map(Message::Ahead);
        }
        match key {
            Key::Named(Named::ArrowDown) => Some(Message::Move(1)),
            Key::Named(Named::ArrowUp) => Some(Message::Move(-1)),
            Key::Named(Named::PageDown) => Some(Message::Move(7)),
            Key::Named(Named::PageUp) => Some(Message::Move(-7)),
            Key::Named(Named::ArrowLeft) => Some(Message::Turn(-1)),
            Key::Named(Named::ArrowRight) => Some(Message::Turn(1)),
            // A held key presses once.
            Key::Named(Named::Delete) if !repeat => Some(Message::RevokeChosen),
            _ => None,
        }
    }

    /// The page's widgets. `now` is the time, for what is over soon.
    pub fn view(&self, now: &Zoned, palette: &Palette) -> Element<'_, Message> {
        let tab = |page: Page| {
            let chosen = self.page == page;
            let (kind, ink) = if chosen {
                (Kind::Chosen, palette.text)
            } else {
                (Kind::Plain, palette.text_dim)
            };
            widgets::press(
                widgets::label(page.title(), TEXT, ink).font(fonts::UI_MEDIUM),
                kind,
                palette,
            )
            .on_press(Message::Show(page))
        };
        let mut head = row![
            widgets::icon(Icon::Shield, 22.0, palette.accent),
            widgets::label(tr!("permissions"), TEXT + 3.0, palette.text).font(fonts::UI_STRONG),
            space().width(Length::Fill),
        ]
        .spacing(GAP)
        .padding(Padding::from([0.0, WIDE + 2.0]))
        .height(58)
        .align_y(Alignment::Center);
        for page in PAGES {
            head = head.push(tab(page));
        }
        widgets::sheet(
            head.into(),
            self.content(now, palette),
            self.keys(palette),
            palette,
        )
    }

    fn content(&self, now: &Zoned, palette: &Palette) -> Element<'_, Message> {
        let (rows, nothing): (Vec<Element<'_, Message>>, _) = match self.page {
            Page::Ahead => return self.ahead.view(LIST, palette).map(Message::Ahead),
            Page::Granted => (
                self.grants
                    .iter()
                    .enumerate()
                    .map(|(at, grant)| self.grant_row(at, grant, now, palette))
                    .collect(),
                tr!("permissions-nothing-granted"),
            ),
            Page::Done => (
                self.deeds
                    .iter()
                    .enumerate()
                    .map(|(at, deed)| self.deed_row(at, deed, palette))
                    .collect(),
                tr!("permissions-nothing-done"),
            ),
        };
        if rows.is_empty() {
            return container(widgets::label(nothing, TEXT, palette.text_dim))
                .center(Length::Fill)
                .into();
        }
        widgets::list(column(rows), LIST, palette)
    }

    fn keys(&self, palette: &Palette) -> Element<'_, Message> {
        let mut keys = row![
            widgets::hint("↑↓", tr!("does-choose"), palette),
            widgets::hint(tr!("key-tab"), tr!("does-other-page"), palette),
        ];
        match self.page {
            Page::Granted => {
                let (key, does) = (tr!("key-delete"), tr!("does-take-back"));
                keys = keys.push(widgets::hint(key, does, palette));
            }
            Page::Done => {}
            Page::Ahead => {
                keys = keys
                    .push(widgets::hint("←→", tr!("does-change"), palette))
                    .push(widgets::hint(tr!("key-enter"), tr!("does-press"), palette));
            }
        }
        keys.push(widgets::hint(tr!("key-escape"), tr!("does-close"), palette))
            .push(space().width(Length::Fill))
            .push(widgets::label(
                self.problem.clone(),
                TEXT_SMALL,
                palette.bad,
            ))
            .spacing(WIDE)
            .align_y(Alignment::Center)
            .into()
    }

    fn grant_row<'a>(
        &'a self,
        at: usize,
        grant: &'a Grant,
        now: &Zoned,
        palette: &Palette,
    ) -> Element<'a, Message> {
        let allowed = grant.verdict == "allow";
        let color = if allowed { palette.good } else { palette.bad };
        let sure = self.sure.is_some_and(|(id, _)| id == grant.id);
        let (label, kind) = if sure {
            (tr!("sure"), Kind::Primary)
        } else {
            (tr!("permissions-take-back"), Kind::Danger)
        };
        let words = row![
            widgets::label(visible(&grant.agent), TEXT, palette.text).font(fonts::UI_MEDIUM),
            widgets::label(may(&grant.verdict, &grant.action), TEXT, palette.text),
            widgets::label(
                format!("·  {}", lasts(grant, now)),
                TEXT_SMALL,
                palette.text_dim
            ),
        ]
        .spacing(TIGHT + 2.0)
        .align_y(Alignment::Center);
        let button = widgets::press(
            widgets::label(
                label,
                TEXT_SMALL,
                if sure {
                    palette.accent_text
                } else {
                    palette.bad
                },
            ),
            kind,
            palette,
        )
        .padding(Padding::from([TIGHT + 1.0, GAP]))
        .on_press(Message::Revoke(grant.id));
        self.line(
            at,
            color,
            words.into(),
            resource(&grant.resource, palette),
            button.into(),
            palette,
        )
    }

    fn deed_row<'a>(
        &'a self,
        at: usize,
        deed: &'a Deed,
        palette: &Palette,
    ) -> Element<'a, Message> {
        let color = match deed.outcome.as_str() {
            "ok" => palette.good,
            "denied" | "cancelled" | "begun" => palette.warn,
            _ => palette.bad,
        };
        let words = row![
            widgets::label(&deed.agent, TEXT, palette.text).font(fonts::UI_MEDIUM),
            widgets::label(&deed.tool, TEXT_SMALL, palette.text).font(fonts::MONO),
            widgets::label(
                tr!(
                    "permissions-deed",
                    outcome = outcome(&deed.outcome),
                    by = &deed.by
                ),
                TEXT_SMALL,
                palette.text_dim
            ),
        ]
        .spacing(TIGHT + 2.0)
        .align_y(Alignment::Center);
        let when = widgets::label(&deed.when, TEXT_SMALL, palette.text_dim);
        self.line(
            at,
            color,
            words.into(),
            resource(&deed.what, palette),
            when.into(),
            palette,
        )
    }

    fn line<'a>(
        &'a self,
        at: usize,
        color: Color,
        words: Element<'a, Message>,
        below: Element<'a, Message>,
        end: Element<'a, Message>,
        palette: &Palette,
    ) -> Element<'a, Message> {
        let text = column![container(words).width(Length::Fill).clip(true), below]
            .spacing(2)
            .width(Length::Fill);
        let content = row![widgets::dot(8.0, color), text, end]
            .spacing(GAP)
            .align_y(Alignment::Center)
            .padding(Padding::from([0.0, GAP]))
            .height(ROW);
        let ground = if at == self.selected {
            palette.hover
        } else {
            Color::TRANSPARENT
        };
        widgets::raised(content, ground, HUGE / 3.0)
            .width(Length::Fill)
            .into()
    }
}

/// A resource with nothing in it that does not show as itself. One that is too long is cut in its
/// middle: both ends matter.
fn resource<'a>(text: &str, palette: &Palette) -> Element<'a, Message> {
    let shown = visible(text);
    let count = shown.chars().count();
    let shown = if count > ABOUT_CHARACTERS {
        let half = ABOUT_CHARACTERS / 2;
        let begin: String = shown.chars().take(half).collect();
        let end: String = shown.chars().skip(count - half).collect();
        format!("{begin}…{end}")
    } else {
        shown
    };
    widgets::line(in_order(&shown), TEXT_SMALL, palette.text_dim, fonts::MONO)
}

/// An action as it stands behind "may".
pub(super) fn verb(action: &str) -> String {
    tr!("action", action = action)
}

/// "may read", "may not read".
pub(super) fn may(verdict: &str, action: &str) -> String {
    tr!("may", verdict = verdict, action = action)
}

/// What became of a call.
fn outcome(word: &str) -> String {
    tr!("permissions-outcome", outcome = word)
}

fn lasts(grant: &Grant, now: &Zoned) -> String {
    match (grant.expires_ms, grant.scope.as_str()) {
        (0, "session") => tr!("lasts-session"),
        (0, _) => tr!("lasts-always"),
        (at, _) => {
            let at = i64::try_from(at)
                .ok()
                .and_then(|ms| Timestamp::from_millisecond(ms).ok())
                .map(|at| at.to_zoned(now.time_zone().clone()));
            match at {
                Some(at) if at.date() == now.date() => {
                    tr!("lasts-until", when = l10n::minutes(&at))
                }
                Some(at) => {
                    let (day, time) = (l10n::short_date_with_year(&at), l10n::minutes(&at));
                    tr!("lasts-until-day", day = day, time = time)
                }
                None => tr!("lasts-long"),
            }
        }
    }
}

/// What is shown of an audit row.
fn deed(row: &str) -> Option<Deed> {
    // What the shell reads of a row, whatever else is in it.
    #[derive(serde::Deserialize)]
    struct Row {
        time: String,
        agent: String,
        tool: String,
        action: String,
        resource: String,
        by: String,
        outcome: String,
        #[serde(default)]
        error: String,
        #[serde(default)]
        event: Option<String>,
    }
    let row: Row = serde_json::from_str(row).ok()?;
    let when = row.time.parse::<Timestamp>().ok().map_or_else(
        || widgets::shortened(&visible(&row.time), 24),
        |at| {
            let at = at.to_zoned(TimeZone::system());
            format!("{}, {}", l10n::short_date(&at), l10n::seconds(&at))
        },
    );
    let short = |text: &str| widgets::shortened(&visible(text), 40);
    Some(match row.event {
        Some(event) => Deed {
            when,
            agent: tr!("permissions-the-log"),
            tool: short(&event),
            what: row.error,
            outcome: row.outcome,
            by: short(&row.by),
        },
        None => Deed {
            when,
            agent: short(&row.agent),
            tool: short(&row.tool),
            what: match row.resource.is_empty() {
                true => row.error,
                false => format!("{} {}", row.action, row.resource),
            },
            outcome: short(&row.outcome),
            by: match row.by.as_str() {
                "" => tr!("permissions-nobody"),
                by => short(by),
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(id: u64) -> Grant {
        Grant {
            id,
            agent: "steward".into(),
            agent_hash: "h".into(),
            action: "read".into(),
            resource: format!("/home/argos/{id}"),
            verdict: "allow".into(),
            scope: "always".into(),
            created_ms: 0,
            expires_ms: 0,
        }
    }

    fn page(ids: &[u64]) -> Permissions {
        let mut page = Permissions::default();
        page.set(ids.iter().map(|id| grant(*id)).collect(), &[]);
        page
    }

    #[test]
    fn a_grant_is_taken_back_by_the_second_press() {
        let now = Instant::now();
        let mut page = page(&[1, 2]);
        assert_eq!(page.update(Message::Revoke(1), now), Outcome::None);
        assert_eq!(
            page.update(Message::Revoke(2), now),
            Outcome::None,
            "another one"
        );
        assert_eq!(page.update(Message::Revoke(2), now), Outcome::Revoke(2));
        // One that comes late is a first one.
        assert_eq!(page.update(Message::Revoke(1), now), Outcome::None);
        let late = now + SURE;
        assert_eq!(page.deadline(), Some(late));
        assert_eq!(page.update(Message::Revoke(1), late), Outcome::None);
        assert_eq!(page.update(Message::Revoke(1), late), Outcome::Revoke(1));
        // The chosen one, by the keyboard; not on the other page.
        page.update(Message::Move(5), late);
        page.update(Message::RevokeChosen, late);
        assert_eq!(page.update(Message::RevokeChosen, late), Outcome::Revoke(2));
        page.update(Message::Turn(1), late);
        page.update(Message::RevokeChosen, late);
        assert_eq!(page.update(Message::RevokeChosen, late), Outcome::None);
    }

    #[test]
    fn a_grant_that_went_meanwhile_is_not_taken_back() {
        let now = Instant::now();
        let mut page = page(&[1, 2]);
        page.update(Message::Move(1), now);
        page.update(Message::Revoke(2), now);
        page.set(vec![grant(1)], &[]);
        assert_eq!((page.selected, page.deadline()), (0, None));
        page.set(Vec::new(), &[]);
        assert_eq!(page.update(Message::RevokeChosen, now), Outcome::None);
    }

    #[test]
    fn rows_are_shown_newest_first_with_nothing_hidden() {
        let row = |tool: &str, resource: &str| {
            format!(
                r#"{{"number": 1, "time": "2026-11-25T09:30:12.345Z", "agent": "steward",
                "tool": "{tool}", "action": "read", "resource": "{resource}", "by": "default",
                "outcome": "ok", "duration_ms": 3, "error": ""}}"#
            )
        };
        let mut page = page(&[]);
        let rows = [row("a.b", "/x"), "nonsense".into(), row("c.d\\u202e", "/y")];
        page.set(Vec::new(), &rows);
        let tools: Vec<&str> = page.deeds.iter().map(|d| d.tool.as_str()).collect();
        assert_eq!(tools, ["c.d⟨U+202E⟩", "a.b"]);
        assert_eq!(page.deeds[1].what, "read /x");
    }

    #[test]
    fn when_a_grant_ends_is_told_as_people_say_it() {
        let now: Zoned = "2026-11-25T09:30:00+00:00[UTC]".parse().unwrap();
        let mut one = grant(1);
        assert_eq!(lasts(&one, &now), "from now on");
        let ms = |minutes: i64| (now.timestamp().as_millisecond() + minutes * 60_000) as u64;
        one.expires_ms = ms(45);
        assert_eq!(lasts(&one, &now), "until 10:15");
        one.expires_ms = ms(24 * 60);
        assert_eq!(lasts(&one, &now), "until 26 Nov 2026, 09:30");
        one.expires_ms = u64::MAX;
        assert_eq!(lasts(&one, &now), "for a long time");
    }
}
