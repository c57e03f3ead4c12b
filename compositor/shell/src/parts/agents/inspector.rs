//! Beside the graph: everything that is known of what is chosen, and what happened lately.

use argos_bus::agents::{Agent, Event, Mind, Percept, Thought};
use iced_core::{Alignment, Length, Padding};
use iced_widget::{Column, column, container, row, space};

use super::timeline::speaker;
use super::track::color;
use super::{Agents, Filter, Key, Message, Order, clock};
use crate::fonts;
use crate::host::{Element, Renderer};
use crate::parts::markup;
use crate::parts::panel::{state_color, state_word};
use crate::parts::permissions::may;
use crate::theme::{GAP, Palette, SMALL, TEXT, TEXT_SMALL, TIGHT, WIDE};
use crate::visible::{in_order, visible};
use crate::widgets::{self, Kind};
use crate::{l10n, tr};

/// Its width in logical pixels.
pub(super) const WIDTH: f32 = 340.0;
/// The name of what scrolls in it.
const LIST: &str = "agents-inspector";
/// The name of the list of events.
const FEED: &str = "agents-feed";
/// As many events are listed.
const LISTED: usize = 60;
/// Longest text in a row of the list, in characters.
const LONGEST: usize = 90;
/// Longest text elsewhere.
const LONG: usize = 220;

type Rows<'a> = Column<'a, Message, iced_core::Theme, Renderer>;

/// Text of others on one line that ends.
fn one_line(text: &str, longest: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    widgets::shortened(&words.join(" "), longest)
}

impl Agents {
    /// The column at the right.
    pub(super) fn side<'a>(&'a self, palette: &Palette) -> Element<'a, Message> {
        let about = match &self.selected {
            Some(Key::Agent(name)) => match self.agent(name) {
                Some(agent) => self.of_agent(agent, palette),
                None => self.overview(palette),
            },
            Some(Key::Room(name)) => self.of_room(name, palette),
            Some(Key::Person) => self.of_person(palette),
            None => self.overview(palette),
        };
        let about = about.spacing(WIDE).padding(Padding {
            top: WIDE,
            right: SMALL,
            bottom: WIDE,
            left: SMALL,
        });
        let upper =
            container(widgets::list(column![about], LIST, palette)).height(Length::FillPortion(3));
        column![upper, widgets::divider(palette), self.feed(palette)]
            .width(WIDTH)
            .height(Length::Fill)
            .into()
    }

    fn overview<'a>(&'a self, palette: &Palette) -> Rows<'a> {
        let mut rows = column![title(
            tr!("everyone"),
            tr!("agents-nothing-chosen"),
            palette
        )];
        let mut counts = column![].spacing(SMALL);
        for state in [
            "waiting", "failed", "acting", "thinking", "starting", "idle", "stopped",
        ] {
            let count = self
                .agents()
                .filter(|a| self.timeline.state(&a.name, &a.state) == Some(state))
                .count();
            if count > 0 {
                counts = counts.push(
                    row![
                        widgets::dot(8.0, state_color(state, palette)),
                        widgets::label(count.to_string(), TEXT, palette.text)
                            .font(fonts::UI_STRONG),
                        widgets::label(state_word(state), TEXT, palette.text),
                    ]
                    .spacing(SMALL)
                    .align_y(Alignment::Center),
                );
            }
        }
        rows = rows.push(counts);
        rows.push(quiet(tr!("agents-how-to-choose"), palette))
    }

    fn of_person<'a>(&'a self, palette: &Palette) -> Rows<'a> {
        let said = self.timeline.said();
        let said = said.iter().filter(|(from, ..)| *from == "person");
        let rows = said.map(|(_, room, count)| {
            let said = tr!(
                "agents-messages-to",
                agent = self.title(room),
                count = *count
            );
            words(said, palette)
        });
        let rows: Vec<Element<'a, Message>> = rows.collect();
        let head = column![title(tr!("you"), tr!("agents-you-about"), palette)];
        push_group(head, tr!("agents-said-lately"), rows, palette)
    }

    fn of_room<'a>(&'a self, name: &'a str, palette: &Palette) -> Rows<'a> {
        let occupants = self.occupants(name);
        let below = tr!("agents-room-with", count = occupants.len());
        let occupants = occupants.iter().map(|agent| {
            let state = self.agent(agent).map_or("stopped", |a| a.state.as_str());
            let content = row![
                widgets::dot(8.0, state_color(state, palette)),
                widgets::label(self.title(agent), TEXT, palette.text),
                widgets::label(state_word(state), TEXT_SMALL, palette.text_dim),
            ]
            .spacing(SMALL)
            .align_y(Alignment::Center);
            widgets::press(content, Kind::Raised, palette)
                .width(Length::Fill)
                .on_press(Message::Choose(Some(Key::Agent(agent.clone()))))
                .into()
        });
        let occupants: Vec<Element<'a, Message>> = occupants.collect();
        let head = column![title(format!("#{name}"), below, palette)];
        push_group(head, tr!("agents-in-it"), occupants, palette)
    }

    fn of_agent<'a>(&'a self, agent: &'a Agent, palette: &Palette) -> Rows<'a> {
        let state = self
            .timeline
            .state(&agent.name, &agent.state)
            .unwrap_or("stopped");
        let mut below = state_word(state);
        if self.timeline.is_live() {
            if !agent.detail.is_empty() {
                below.push_str(&format!(" · {}", one_line(&agent.detail, 120)));
            }
            let since = tr!("agents-since", time = clock(agent.since_ms));
            below.push_str(&format!(" · {since}"));
        }
        let mut head = column![
            row![
                widgets::dot(10.0, state_color(state, palette)),
                widgets::label(&agent.title, TEXT + 3.0, palette.text).font(fonts::UI_STRONG),
            ]
            .spacing(SMALL)
            .align_y(Alignment::Center),
            widgets::label(below, TEXT_SMALL, palette.text_dim),
        ]
        .spacing(TIGHT);
        if !agent.description.is_empty() {
            head = head.push(words(&agent.description, palette));
        }
        let runs = !matches!(agent.state.as_str(), "stopped" | "failed");
        let (word, order) = if runs {
            (tr!("agents-stop"), Order::Stop(agent.name.clone()))
        } else {
            (tr!("agents-start"), Order::Start(agent.name.clone()))
        };
        let button = |word: String, message| {
            let label = widgets::label(word, TEXT_SMALL, palette.text).font(fonts::UI_MEDIUM);
            widgets::press(label, Kind::Raised, palette).on_press(message)
        };
        let buttons = row![
            button(tr!("agents-talk-to"), Message::Talk(agent.name.clone())),
            button(word, Message::Order(order)),
        ]
        .spacing(SMALL);
        let rows = column![head, buttons];
        let Some(mind) = self.mind.as_ref().filter(|mind| mind.agent == agent.name) else {
            return rows;
        };
        let rows = if self.timeline.is_live() {
            self.of_mind(rows, mind, palette)
        } else {
            // What was on its mind then is not known.
            push_group(
                rows,
                tr!("agents-goals"),
                mind.goals.iter().map(|goal| words(goal, palette)).collect(),
                palette,
            )
        };
        self.of_permissions(rows, &agent.name, palette)
    }

    fn of_mind<'a>(&'a self, rows: Rows<'a>, mind: &'a Mind, palette: &Palette) -> Rows<'a> {
        let percept = |percept: &Percept| {
            let who = self.who(&percept.from);
            words(format!("{who}: {}", one_line(&percept.text, LONG)), palette)
        };
        let group = |rows, name, content| push_group(rows, name, content, palette);
        let goals = mind.goals.iter().map(|goal| words(goal, palette));
        let rows = group(rows, tr!("agents-goals"), goals.collect());
        let rows = group(
            rows,
            tr!("agents-attends"),
            mind.focus.iter().map(percept).collect(),
        );
        let plan = mind.plan.iter().enumerate().map(|(at, call)| {
            let tool = widgets::label(
                format!("{}. {}", at + 1, visible(&call.tool)),
                TEXT_SMALL,
                palette.text,
            )
            .font(fonts::MONO);
            let arguments = in_order(&visible(&call.arguments));
            let arguments = widgets::label(arguments, TEXT_SMALL, palette.text_dim)
                .font(fonts::MONO)
                .wrapping(iced_core::text::Wrapping::WordOrGlyph);
            column![tool, arguments].spacing(2).into()
        });
        let rows = group(rows, tr!("agents-plan"), plan.collect());
        let rows = group(
            rows,
            tr!("agents-waiting"),
            mind.waiting.iter().map(percept).collect(),
        );
        let thoughts = mind.thoughts.iter().rev();
        let thoughts = thoughts.map(|thought| self.thought(thought, palette));
        let rows = group(rows, tr!("agents-memory"), thoughts.collect());
        let awaited = mind.awaited.iter().map(|(message, until)| {
            let until = clock(*until);
            words(
                tr!("agents-owes", message = *message, until = until),
                palette,
            )
        });
        let rows = group(rows, tr!("agents-owes-to"), awaited.collect());
        let familiar = bar(mind.familiarity, palette);
        let rows = group(rows, tr!("agents-familiar"), vec![familiar]);
        let uses = mind.usage.iter().map(|usage| {
            let memory = usage.memory as f64 / f64::from(1 << 20);
            let seconds = usage.cpu_us as f64 / 1e6;
            let used = tr!(
                "agents-usage",
                memory = l10n::decimal(memory, 1),
                seconds = l10n::decimal(seconds, 2),
                tasks = usage.tasks
            );
            words(used, palette)
        });
        group(rows, tr!("agents-uses"), uses.collect())
    }

    fn thought<'a>(&self, thought: &'a Thought, palette: &Palette) -> Element<'a, Message> {
        let text = match thought.text.split_once(" said: ") {
            Some((from, text)) => format!("{}: {text}", self.who(from)),
            None => thought.text.clone(),
        };
        column![
            words(one_line(&text, LONG), palette),
            bar(thought.activation, palette)
        ]
        .spacing(TIGHT)
        .into()
    }

    fn of_permissions<'a>(&'a self, rows: Rows<'a>, agent: &str, palette: &Palette) -> Rows<'a> {
        let grants = self.grants.iter().filter(|grant| grant.agent == agent);
        let grants = grants.map(|grant| {
            let color = match grant.verdict.as_str() {
                "allow" => palette.good,
                _ => palette.bad,
            };
            let what = in_order(&visible(&grant.resource));
            row![
                container(widgets::dot(8.0, color)).padding(Padding::from([5.0, 0.0])),
                column![
                    widgets::label(may(&grant.verdict, &grant.action), TEXT_SMALL, palette.text),
                    widgets::label(what, TEXT_SMALL, palette.text_dim)
                        .font(fonts::MONO)
                        .wrapping(iced_core::text::Wrapping::WordOrGlyph),
                ]
                .spacing(2)
            ]
            .spacing(SMALL)
            .into()
        });
        push_group(rows, tr!("permissions"), grants.collect(), palette)
    }

    fn feed<'a>(&'a self, palette: &Palette) -> Element<'a, Message> {
        let chip = |filter: Filter, word: String| {
            let chosen = self.filter == filter;
            let (kind, ink) = if chosen {
                (Kind::Chosen, palette.text)
            } else {
                (Kind::Plain, palette.text_dim)
            };
            widgets::press(widgets::label(word, TEXT_SMALL, ink), kind, palette)
                .padding(Padding::from([TIGHT, SMALL]))
                .on_press(Message::Filter(filter))
        };
        let about = match &self.selected {
            Some(Key::Agent(name) | Key::Room(name)) => self.title(name).to_owned(),
            Some(Key::Person) => tr!("you"),
            None => tr!("everyone"),
        };
        let head = row![
            widgets::line(
                tr!("agents-events-of", who = about),
                TEXT_SMALL,
                palette.text_dim,
                fonts::UI_MEDIUM
            ),
            chip(Filter::All, tr!("agents-all")),
            chip(Filter::Talk, tr!("agents-talk")),
            chip(Filter::States, tr!("agents-states")),
        ]
        .spacing(TIGHT)
        .align_y(Alignment::Center)
        .height(38)
        .padding(Padding {
            left: WIDE,
            right: SMALL,
            ..Padding::ZERO
        });
        let now = self.timeline.at().map(|event| event.number);
        let rows = self.listed().take(LISTED);
        let rows: Vec<Element<'a, Message>> =
            rows.map(|event| self.event(event, now, palette)).collect();
        let list: Element<'a, Message> = if rows.is_empty() {
            container(quiet(tr!("agents-nothing-listed"), palette))
                .center(Length::Fill)
                .into()
        } else {
            widgets::list(column(rows), FEED, palette)
        };
        column![head, container(list).height(Length::Fill)]
            .height(Length::FillPortion(2))
            .into()
    }

    fn event<'a>(
        &self,
        event: &'a Event,
        now: Option<u64>,
        palette: &Palette,
    ) -> Element<'a, Message> {
        let time = widgets::label(clock(event.at_ms), TEXT_SMALL - 1.0, palette.text_dim);
        let content = row![
            container(widgets::dot(7.0, color(event, palette))).padding(Padding::from([5.0, 0.0])),
            widgets::label(
                one_line(&self.tell(event), LONGEST),
                TEXT_SMALL,
                palette.text
            )
            .width(Length::Fill),
            time,
        ]
        .spacing(SMALL);
        let kind = if now == Some(event.number) {
            Kind::Chosen
        } else {
            Kind::Plain
        };
        widgets::press(content, kind, palette)
            .width(Length::Fill)
            .padding(Padding::from([TIGHT, SMALL]))
            .on_press(Message::GoTo(event.number))
            .into()
    }

    /// An event in a sentence.
    pub(super) fn tell(&self, event: &Event) -> String {
        let title = self.title(&event.agent);
        // On one line, where marks for emphasis are only in the way.
        let text = markup::plain(&event.text);
        match event.kind.as_str() {
            "appeared" => tr!("event-appeared", agent = title),
            "said" => {
                let from = self.who(&event.from);
                tr!("event-said", from = from, agent = title, text = text)
            }
            "attended" => tr!("event-attended", agent = title, message = self.what(event)),
            "answered" if text.trim().is_empty() => tr!("event-answered-nothing", agent = title),
            "answered" => format!("{title}: {text}"),
            "unanswered" => tr!(
                "event-unanswered",
                agent = title,
                message = self.what(event)
            ),
            "state" => format!(
                "{title}: {} → {}",
                state_word(&event.was),
                state_word(&event.text)
            ),
            "paused" => tr!("event-paused"),
            "resumed" => tr!("event-resumed"),
            "stepped" => tr!("event-stepped"),
            "speed" => tr!("event-speed", speed = text),
            "stopped-all" => tr!("event-stopped-all"),
            other => other.to_owned(),
        }
    }

    /// The message of an event, by its words if they are known.
    fn what(&self, event: &Event) -> String {
        let mut said = self.timeline.events();
        match said.find(|other| other.kind == "said" && other.message == event.message) {
            Some(said) => tr!("quoted", text = one_line(&markup::plain(&said.text), 40)),
            None => tr!("event-message", number = event.message),
        }
    }

    /// Who speaks, for people.
    fn who(&self, from: &str) -> String {
        match speaker(from) {
            "person" => tr!("you"),
            "timer" => tr!("event-timer"),
            agent => {
                let name = agent.strip_prefix("agent:").unwrap_or(agent);
                self.title(name).to_owned()
            }
        }
    }
}

fn title<'a>(
    title: impl Into<String>,
    below: impl Into<String>,
    palette: &Palette,
) -> Element<'a, Message> {
    widgets::heading(title.into(), below.into(), palette)
}

fn words<'a>(text: impl Into<String>, palette: &Palette) -> Element<'a, Message> {
    widgets::label(text.into(), TEXT_SMALL + 1.0, palette.text)
        .width(Length::Fill)
        .wrapping(iced_core::text::Wrapping::WordOrGlyph)
        .into()
}

fn quiet<'a>(text: String, palette: &Palette) -> Element<'a, Message> {
    widgets::label(text, TEXT_SMALL, palette.text_dim).into()
}

/// A heading with rows below it, where there are any.
fn push_group<'a>(
    rows: Rows<'a>,
    name: String,
    content: Vec<Element<'a, Message>>,
    palette: &Palette,
) -> Rows<'a> {
    if content.is_empty() {
        return rows;
    }
    let name = widgets::label(name, TEXT_SMALL, palette.text_dim).font(fonts::UI_MEDIUM);
    let mut group = column![name].spacing(TIGHT + 2.0);
    for row in content {
        group = group.push(row);
    }
    rows.push(group)
}

/// How much of something there is, 0 to 1.
fn bar<'a>(share: f64, palette: &Palette) -> Element<'a, Message> {
    const WIDE_BAR: f32 = 120.0;
    let share = share.clamp(0.0, 1.0);
    let filled = widgets::raised(
        space().width(WIDE_BAR * share as f32).height(5),
        palette.accent,
        2.5,
    );
    let whole = widgets::raised(container(filled).width(WIDE_BAR), palette.line, 2.5);
    row![
        whole,
        widgets::label(
            l10n::percent((share * 100.0).round() as u32),
            TEXT_SMALL - 1.0,
            palette.text_dim
        )
    ]
    .spacing(GAP)
    .align_y(Alignment::Center)
    .into()
}
