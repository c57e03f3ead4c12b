//! The chat: a conversation with an agent in a panel at the right edge.

use std::collections::BTreeMap;

use argos_bus::agents::{Agent, ChatMessage};
use iced_core::keyboard::{self, Key, key::Named};
use iced_core::text::Wrapping;
use iced_core::{Alignment, Background, Border, Color, Event, Length, Padding, Size};
use iced_widget::{button, column, container, rich_text, row, scrollable, space, span};

use super::markup::{self, Block, Style};
use super::panel::{state_color, state_word};
use crate::fonts;
use crate::host::Element;
use crate::icons::Icon;
use crate::theme::{GAP, Palette, ROUND, SMALL, TEXT, TEXT_SMALL, TIGHT, WIDE};
use crate::widgets::{self, Kind, SHADOW};
use crate::{l10n, tr};

/// Width of the surface in logical pixels, shadow included.
pub const WIDTH: u32 = 420 + 2 * SHADOW as u32;
/// What it needs where text is large and the screen small.
pub const LEAST: Size = Size::new(WIDTH as f32, 420.0);
/// The text input's name.
pub const INPUT: &str = "chat-input";
/// The conversation's name.
pub const LIST: &str = "chat-list";
/// The agent one talks to unless another is chosen.
pub const STEWARD: &str = "steward";
/// As many messages are kept of a conversation.
pub const KEPT: usize = 200;

// As agents are asked: their planner knows English.
const SUGGESTIONS: [&str; 3] = [
    "What is in my Documents folder?",
    "How much memory is in use?",
    "Make a note: water the plants",
];

/// A conversation as far as it is known here.
#[derive(Debug, Default)]
struct Conversation {
    messages: Vec<Shown>,
    /// What was said and not heard back yet, in order.
    pending: Vec<String>,
}

/// A message with its text taken apart once.
#[derive(Debug)]
struct Shown {
    message: ChatMessage,
    blocks: Vec<Block>,
    time: String,
}

/// The chat's state.
#[derive(Debug)]
pub struct Chat {
    agent: String,
    conversations: BTreeMap<String, Conversation>,
    agents: Vec<Agent>,
    input: String,
    /// Why nothing can be sent, or empty.
    problem: String,
}

impl Default for Chat {
    fn default() -> Self {
        Self {
            agent: STEWARD.to_owned(),
            conversations: BTreeMap::new(),
            agents: Vec::new(),
            input: String::new(),
            problem: String::new(),
        }
    }
}

/// What a person does in it.
#[derive(Debug, Clone)]
pub enum Message {
    /// The words changed.
    Typed(String),
    /// Say what was typed.
    Submit,
    /// Say this.
    Say(String),
    /// Talk to this agent.
    Choose(String),
    /// Away with it.
    Close,
}

/// What follows from it.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing beyond the chat.
    None,
    /// Send this.
    Send {
        /// To whom.
        agent: String,
        /// What.
        text: String,
    },
    /// The history of this agent is wanted.
    History(String),
    /// Close it.
    Close,
}

impl Chat {
    /// The agent one talks to.
    pub fn agent(&self) -> &str {
        &self.agent
    }

    /// Its title.
    pub fn agent_title(&self) -> &str {
        self.agents
            .iter()
            .find(|a| a.name == self.agent)
            .map_or("Steward", |a| a.title.as_str())
    }

    /// Every agent there is.
    pub fn set_agents(&mut self, agents: Vec<Agent>) {
        self.problem.clear();
        self.agents = agents;
    }

    /// The orchestrator went away.
    pub fn lost(&mut self) {
        self.agents.clear();
        self.problem = tr!("agents-not-running");
    }

    /// What was said before.
    pub fn set_history(&mut self, agent: &str, messages: Vec<ChatMessage>) {
        let conversation = self.conversations.entry(agent.to_owned()).or_default();
        conversation.messages = messages.into_iter().map(Shown::new).collect();
    }

    /// Something was said by either side.
    pub fn heard(&mut self, message: ChatMessage) {
        let conversation = self.conversations.entry(message.agent.clone()).or_default();
        if message.role == "person"
            && let Some(at) = conversation
                .pending
                .iter()
                .position(|text| *text == message.text)
        {
            conversation.pending.remove(at);
        }
        if conversation
            .messages
            .iter()
            .any(|shown| shown.message.id == message.id)
        {
            return;
        }
        conversation.messages.push(Shown::new(message));
        let excess = conversation.messages.len().saturating_sub(KEPT);
        conversation.messages.drain(..excess);
    }

    /// A message did not get through: it goes back into the input, and the reason is shown.
    pub fn not_sent(&mut self, agent: &str, text: &str, why: String) {
        if let Some(conversation) = self.conversations.get_mut(agent)
            && let Some(at) = conversation
                .pending
                .iter()
                .position(|pending| pending == text)
        {
            conversation.pending.remove(at);
        }
        if self.input.is_empty() && agent == self.agent {
            self.input = text.to_owned();
        }
        self.problem = why;
    }

    /// Something was done.
    pub fn update(&mut self, message: Message) -> Outcome {
        match message {
            Message::Typed(text) => {
                self.input = text;
                Outcome::None
            }
            Message::Submit => {
                let text = std::mem::take(&mut self.input);
                self.say(&text)
            }
            Message::Say(text) => self.say(&text),
            Message::Choose(agent) => {
                self.agent = agent;
                if self.conversations.contains_key(&self.agent) {
                    Outcome::None
                } else {
                    Outcome::History(self.agent.clone())
                }
            }
            Message::Close => Outcome::Close,
        }
    }

    fn say(&mut self, text: &str) -> Outcome {
        let text = text.trim();
        if text.is_empty() {
            return Outcome::None;
        }
        self.problem.clear();
        self.conversations
            .entry(self.agent.clone())
            .or_default()
            .pending
            .push(text.to_owned());
        Outcome::Send {
            agent: self.agent.clone(),
            text: text.to_owned(),
        }
    }

    /// Its keys.
    pub fn intercept(event: &Event) -> Option<Message> {
        match event {
            Event::Keyboard(keyboard::Event::KeyPressed {
                key: Key::Named(Named::Escape),
                ..
            }) => Some(Message::Close),
            _ => None,
        }
    }

    fn state(&self) -> Option<&Agent> {
        self.agents.iter().find(|agent| agent.name == self.agent)
    }

    /// The chat's widgets.
    pub fn view(&self, palette: &Palette) -> Element<'_, Message> {
        let content = column![
            self.head(palette),
            widgets::divider(palette),
            self.conversation(palette),
            self.foot(palette),
        ];
        widgets::card(container(content).height(Length::Fill), palette).into()
    }

    fn head(&self, palette: &Palette) -> Element<'_, Message> {
        let mark = widgets::raised(
            container(widgets::icon(Icon::Spark, 20.0, palette.accent)).center(36),
            palette.raised,
            10.0,
        );
        let (word, detail, color) = match self.state() {
            Some(agent) => (
                state_word(&agent.state),
                agent.detail.as_str(),
                state_color(&agent.state, palette),
            ),
            None => (tr!("chat-not-running"), "", palette.text_dim),
        };
        let below = if detail.is_empty() {
            word
        } else {
            format!("{word} · {detail}")
        };
        let state = row![
            widgets::dot(7.0, color),
            widgets::line(below, TEXT_SMALL, palette.text_dim, fonts::UI)
        ]
        .spacing(TIGHT + 2.0)
        .align_y(Alignment::Center);
        let words = column![
            widgets::line(
                self.agent_title(),
                TEXT + 1.0,
                palette.text,
                fonts::UI_STRONG
            ),
            state,
        ]
        .spacing(TIGHT / 2.0);
        let mut head = column![
            row![
                mark,
                words,
                widgets::icon_button(Icon::Close, 18.0, palette.text_dim, palette)
                    .on_press(Message::Close),
            ]
            .spacing(GAP)
            .align_y(Alignment::Center)
        ]
        .spacing(GAP);
        if self.agents.len() > 1 {
            let chips = self.agents.iter().map(|agent| self.chip(agent, palette));
            head = head.push(row(chips).spacing(TIGHT).wrap());
        }
        head.padding(Padding::from([GAP, WIDE])).into()
    }

    fn chip<'a>(&'a self, agent: &'a Agent, palette: &Palette) -> Element<'a, Message> {
        let kind = if agent.name == self.agent {
            Kind::Chosen
        } else {
            Kind::Plain
        };
        widgets::press(
            widgets::label(&agent.title, TEXT_SMALL, palette.text),
            kind,
            palette,
        )
        .padding(Padding::from([TIGHT, SMALL]))
        .on_press(Message::Choose(agent.name.clone()))
        .into()
    }

    fn conversation(&self, palette: &Palette) -> Element<'_, Message> {
        let conversation = self.conversations.get(&self.agent);
        let silent = conversation.is_none_or(|c| c.messages.is_empty() && c.pending.is_empty());
        if silent {
            return self.welcome(palette);
        }
        let mut lines = column![].spacing(SMALL).width(Length::Fill);
        if let Some(conversation) = conversation {
            for shown in &conversation.messages {
                lines = lines.push(bubble(shown, palette));
            }
            for text in &conversation.pending {
                lines = lines.push(person_bubble(text, tr!("chat-sends"), true, palette));
            }
        }
        if let Some(agent) = self.state() {
            let about = match agent.state.as_str() {
                "thinking" => Some(tr!("chat-thinks")),
                "acting" if agent.detail.is_empty() => Some(tr!("chat-works")),
                "acting" => Some(tr!("chat-works-at", what = &agent.detail)),
                "waiting" => Some(tr!("chat-waits")),
                "starting" => Some(tr!("chat-starts")),
                _ => None,
            };
            if let Some(about) = about {
                let color = state_color(&agent.state, palette);
                lines = lines.push(
                    row![
                        widgets::dot(7.0, color),
                        widgets::label(about, TEXT_SMALL, palette.text_dim)
                    ]
                    .spacing(SMALL)
                    .padding(Padding::from([TIGHT, TIGHT]))
                    .align_y(Alignment::Center),
                );
            }
        }
        scrollable(lines.padding(Padding::from([GAP, WIDE])))
            .id(LIST)
            .height(Length::Fill)
            .width(Length::Fill)
            .anchor_bottom()
            .direction(scrollable::Direction::Vertical(
                scrollable::Scrollbar::new()
                    .width(6)
                    .scroller_width(6)
                    .margin(3)
                    .anchor(scrollable::Anchor::End),
            ))
            .style(widgets::scroll_style(palette))
            .into()
    }

    fn welcome(&self, palette: &Palette) -> Element<'_, Message> {
        let mut suggestions = column![].spacing(SMALL).align_x(Alignment::Center);
        for suggestion in SUGGESTIONS {
            suggestions = suggestions.push(
                widgets::press(
                    widgets::label(suggestion, TEXT - 1.0, palette.text),
                    Kind::Raised,
                    palette,
                )
                .on_press(Message::Say(suggestion.to_owned())),
            );
        }
        let content = column![
            widgets::icon(Icon::Argos, 44.0, palette.accent),
            space().height(GAP),
            widgets::label(tr!("chat-welcome"), TEXT + 4.0, palette.text).font(fonts::UI_STRONG),
            container(
                widgets::label(
                    tr!("chat-welcome-about"),
                    TEXT_SMALL + 0.5,
                    palette.text_dim,
                )
                .align_x(Alignment::Center),
            )
            .max_width(300),
            space().height(WIDE),
            suggestions,
        ]
        .spacing(SMALL)
        .align_x(Alignment::Center);
        container(content).center(Length::Fill).into()
    }

    fn foot(&self, palette: &Palette) -> Element<'_, Message> {
        let ready = !self.input.trim().is_empty();
        let ink = if ready {
            palette.accent_text
        } else {
            palette.text_dim
        };
        let style = *palette;
        let send = button(container(widgets::icon(Icon::Send, 18.0, ink)).center(Length::Fill))
            .width(34)
            .height(34)
            .padding(0)
            .style(move |_, status| {
                let kind = if ready { Kind::Primary } else { Kind::Plain };
                widgets::button_style(kind, status, &style, 17.0)
            })
            .on_press_maybe(ready.then_some(Message::Submit));
        let field = row![
            widgets::field(
                &tr!("chat-message-to", agent = self.agent_title()),
                &self.input,
                TEXT,
                palette
            )
            .id(INPUT)
            .on_input(Message::Typed)
            .on_submit(Message::Submit),
            send,
        ]
        .spacing(SMALL)
        .align_y(Alignment::Center);
        let framed = container(field)
            .padding(Padding {
                left: WIDE,
                ..Padding::from(5.0)
            })
            .style(move |_| container::Style {
                background: Some(Background::Color(style.raised)),
                border: Border {
                    color: style.line,
                    width: 1.0,
                    radius: 22.0.into(),
                },
                ..container::Style::default()
            });
        let mut foot = column![].spacing(SMALL);
        if !self.problem.is_empty() {
            foot = foot.push(
                row![
                    widgets::icon(Icon::Alert, 16.0, palette.warn),
                    widgets::label(&self.problem, TEXT_SMALL, palette.warn),
                ]
                .spacing(SMALL)
                .align_y(Alignment::Center),
            );
        }
        foot.push(framed).padding(GAP).into()
    }
}

impl Shown {
    fn new(message: ChatMessage) -> Self {
        let blocks = markup::parse(&message.text);
        let time = jiff::Timestamp::from_millisecond(message.when_ms as i64)
            .map(|when| l10n::minutes(&when.to_zoned(jiff::tz::TimeZone::system())))
            .unwrap_or_default();
        Self {
            message,
            blocks,
            time,
        }
    }
}

/// Bubbles are at most this wide, so that one sees at a glance who speaks.
const BUBBLE: f32 = 330.0;

fn bubble<'a>(shown: &'a Shown, palette: &Palette) -> Element<'a, Message> {
    match shown.message.role.as_str() {
        "person" => person_bubble(&shown.message.text, shown.time.clone(), false, palette),
        "agent" => {
            let blocks = shown.blocks.iter().map(|block| block_view(block, palette));
            let content = column![
                column(blocks).spacing(SMALL - 2.0),
                stamp(shown.time.clone(), palette.text_dim)
            ]
            .spacing(TIGHT);
            left(framed(content, palette.raised))
        }
        _ => container(
            widgets::label(&shown.message.text, TEXT_SMALL, palette.text_dim)
                .align_x(Alignment::Center),
        )
        .center_x(Length::Fill)
        .padding(Padding::from([TIGHT, WIDE]))
        .into(),
    }
}

fn person_bubble<'a>(
    text: &'a str,
    time: String,
    pending: bool,
    palette: &Palette,
) -> Element<'a, Message> {
    let ground = if pending {
        palette.person.scale_alpha(0.6)
    } else {
        palette.person
    };
    let content = column![
        widgets::label(text, TEXT, palette.person_text).wrapping(Wrapping::WordOrGlyph),
        stamp(
            time,
            widgets::mix(palette.person_text, palette.person, 0.25)
        ),
    ]
    .spacing(TIGHT)
    .align_x(Alignment::End);
    container(framed(content, ground))
        .align_right(Length::Fill)
        .into()
}

fn stamp<'a>(time: String, color: Color) -> Element<'a, Message> {
    widgets::label(time, TEXT_SMALL - 1.5, color).into()
}

fn framed<'a>(content: impl Into<Element<'a, Message>>, ground: Color) -> Element<'a, Message> {
    widgets::raised(content, ground, 14.0)
        .padding(Padding {
            top: 9.0,
            bottom: 6.0,
            left: 13.0,
            right: 13.0,
        })
        .max_width(BUBBLE)
        .into()
}

fn left<'a>(content: Element<'a, Message>) -> Element<'a, Message> {
    container(content).align_left(Length::Fill).into()
}

fn block_view<'a>(block: &'a Block, palette: &Palette) -> Element<'a, Message> {
    match block {
        Block::Paragraph(spans) => spans_view(spans, TEXT, palette),
        Block::Heading(spans) => spans_view(spans, TEXT + 1.0, palette),
        Block::Item(mark, spans) => row![
            container(widgets::label(mark, TEXT, palette.text_dim)).width(if mark == "•" {
                14
            } else {
                22
            }),
            spans_view(spans, TEXT, palette),
        ]
        .into(),
        Block::Code(code) => widgets::raised(
            widgets::label(code, TEXT - 1.5, palette.text)
                .font(fonts::MONO)
                .wrapping(Wrapping::Glyph),
            palette.card,
            ROUND,
        )
        .padding(SMALL + 2.0)
        .into(),
    }
}

fn spans_view<'a>(spans: &'a [markup::Span], size: f32, palette: &Palette) -> Element<'a, Message> {
    let heading = size > TEXT;
    let spans: Vec<_> = spans
        .iter()
        .map(|part| {
            let shown: iced_core::text::Span<'a, (), iced_core::Font> = span(part.text.as_str());
            match part.style {
                Style::Plain if heading => shown.font(fonts::UI_STRONG),
                Style::Plain => shown.font(fonts::UI),
                Style::Strong => shown.font(fonts::UI_STRONG),
                Style::Code => shown
                    .font(fonts::MONO)
                    .size(size - 1.0)
                    .color(palette.accent),
            }
        })
        .collect();
    rich_text(spans)
        .size(size)
        .color(palette.text)
        .wrapping(Wrapping::WordOrGlyph)
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: u64, role: &str, text: &str) -> ChatMessage {
        ChatMessage {
            id,
            in_reply_to: 0,
            agent: STEWARD.into(),
            role: role.into(),
            text: text.into(),
            when_ms: 1_800_000_000_000,
        }
    }

    #[test]
    fn what_was_said_is_shown_once() {
        let mut chat = Chat::default();
        chat.update(Message::Typed(" list my files ".into()));
        let Outcome::Send { agent, text } = chat.update(Message::Submit) else {
            panic!("not sent")
        };
        assert_eq!((agent.as_str(), text.as_str()), (STEWARD, "list my files"));
        assert_eq!(chat.conversations[STEWARD].pending.len(), 1);
        chat.heard(message(1, "person", "list my files"));
        chat.heard(message(1, "person", "list my files"));
        let conversation = &chat.conversations[STEWARD];
        assert_eq!(
            (conversation.pending.len(), conversation.messages.len()),
            (0, 1)
        );
    }

    #[test]
    fn what_was_not_sent_is_not_lost() {
        let mut chat = Chat::default();
        chat.update(Message::Say("hello".into()));
        chat.not_sent(STEWARD, "hello", "no bus".into());
        assert!(chat.conversations[STEWARD].pending.is_empty());
        assert_eq!(
            (chat.input.as_str(), chat.problem.as_str()),
            ("hello", "no bus")
        );
    }

    #[test]
    fn nothing_is_not_sent_and_old_messages_go() {
        let mut chat = Chat::default();
        chat.update(Message::Typed("  ".into()));
        assert_eq!(chat.update(Message::Submit), Outcome::None);
        for id in 0..KEPT as u64 + 5 {
            chat.heard(message(id, "agent", "x"));
        }
        let messages = &chat.conversations[STEWARD].messages;
        assert_eq!((messages.len(), messages[0].message.id), (KEPT, 5));
    }
}
