//! The bar at the top: launcher and workspaces, the time, the sign of a recording, agents at work, chat, power.

use std::time::Duration;

use argos_bus::agents::Agent;
use iced_core::{Alignment, Background, Color, Length, Padding, Size};
use iced_widget::{button, container, row, space};
use jiff::Zoned;

use super::tray::{self, Tray};
use crate::fonts;
use crate::host::Element;
use crate::icons::Icon;
use crate::theme::{GAP, Palette, SMALL, TEXT, TEXT_SMALL, TIGHT};
use crate::widgets::{self, Kind};
use crate::{l10n, tr};

/// Height in logical pixels.
pub const HEIGHT: u32 = 36;
/// What it needs where text is large and the screen small.
pub const LEAST: Size = Size::new(700.0, HEIGHT as f32);
/// As many agents are named; further ones are counted.
const NAMED: usize = 3;
/// Narrower than this, one agent is named, and what it does is not said.
const NARROW: f32 = 1100.0;
/// Narrower than this, none is, and the date is left out.
const NARROWEST: f32 = 840.0;

/// What the panel shows.
#[derive(Debug)]
pub struct Panel {
    date: String,
    time: String,
    /// The workspace on screen, from 1.
    pub workspace: u32,
    /// How many workspaces there are.
    pub workspaces: u32,
    /// Every agent the orchestrator knows.
    pub agents: Vec<Agent>,
    /// Whether an agent said something that was not seen yet.
    pub unread: bool,
    /// Whether the agents' world stands still.
    pub paused: bool,
    /// For which programs something of the screen is recorded.
    pub shares: Vec<String>,
    /// For how long the screen has been recorded, if it is.
    pub recording: Option<Duration>,
}

/// What a person does to it.
#[derive(Debug, Clone)]
pub enum Message {
    /// Open or close the launcher.
    Launcher,
    /// Show a workspace.
    Workspace(u32),
    /// Open or close the chat.
    Chat,
    /// Open the chat with this agent.
    Agent(String),
    /// Open or close the agent view.
    Agents,
    /// Open or close the quick settings.
    Controls,
    /// End the recording.
    Record,
    /// In the tray.
    Tray(tray::Message),
    /// End all recordings of the screen.
    StopSharing,
    /// Open or close the power menu.
    Power,
}

impl Default for Panel {
    fn default() -> Self {
        let mut panel = Self {
            date: String::new(),
            time: String::new(),
            workspace: 1,
            workspaces: 4,
            agents: Vec::new(),
            unread: false,
            paused: false,
            shares: Vec::new(),
            recording: None,
        };
        panel.set_time(&Zoned::now());
        panel
    }
}

impl Panel {
    /// Shows `now` and returns how long that stays true.
    pub fn set_time(&mut self, now: &Zoned) -> Duration {
        self.date = l10n::short_date_with_weekday(now);
        self.time = l10n::minutes(now);
        l10n::minute_left(now)
    }

    /// The panel's widgets, for a panel of this width; `marks` say how the machine stands.
    pub fn view<'a>(
        &'a self,
        tray: &'a Tray,
        marks: [Icon; 2],
        width: f32,
        palette: &Palette,
    ) -> Element<'a, Message> {
        let launcher = bar_button(
            row![
                widgets::icon(Icon::Argos, 18.0, palette.accent),
                widgets::label("ArgOS", TEXT, palette.text).font(fonts::UI_STRONG),
            ]
            .spacing(SMALL)
            .align_y(Alignment::Center),
            palette,
        )
        .on_press(Message::Launcher);
        let workspaces =
            row((1..=self.workspaces.clamp(1, 9)).map(|n| self.workspace_button(n, palette)))
                .spacing(TIGHT / 2.0);
        let date = (width >= NARROWEST).then_some(self.date.as_str());
        let clock = row![
            widgets::label(date.unwrap_or_default(), TEXT, palette.text_dim),
            widgets::label(&self.time, TEXT, palette.text).font(fonts::UI_STRONG),
        ]
        .spacing(SMALL + 2.0)
        .align_y(Alignment::Center);

        let left = row![launcher, workspaces]
            .spacing(GAP)
            .align_y(Alignment::Center);
        let right = row![
            self.shares(width, palette),
            self.recording_sign(palette),
            self.agents(width, palette),
            self.agents_button(palette),
            tray.icons(palette).map(Message::Tray),
            self.chat_button(palette),
            controls_button(marks, palette),
            bar_button(widgets::icon(Icon::Power, 17.0, palette.text), palette)
                .on_press(Message::Power),
        ]
        .spacing(TIGHT)
        .align_y(Alignment::Center);

        let ground = palette.panel;
        let bar = row![
            container(left).width(Length::Fill),
            clock,
            container(right)
                .width(Length::Fill)
                .align_right(Length::Fill),
        ]
        .align_y(Alignment::Center)
        .height(Length::Fill);
        container(bar)
            .padding(Padding::from([0.0, SMALL]))
            .width(Length::Fill)
            .height(Length::Fill)
            .style(move |_| container::Style {
                background: Some(Background::Color(ground)),
                ..container::Style::default()
            })
            .into()
    }

    fn workspace_button(&self, number: u32, palette: &Palette) -> Element<'_, Message> {
        let active = number == self.workspace;
        let palette = *palette;
        let ink = if active {
            palette.accent_text
        } else {
            palette.text_dim
        };
        let font = if active {
            fonts::UI_STRONG
        } else {
            fonts::UI_MEDIUM
        };
        let digit = widgets::label(number.to_string(), TEXT_SMALL + 0.5, ink).font(font);
        button(container(digit).center(Length::Fill))
            .width(26)
            .height(24)
            .padding(0)
            .style(move |_, status| {
                let kind = if active { Kind::Primary } else { Kind::Plain };
                let mut style = widgets::button_style(kind, status, &palette, 7.0);
                style.text_color = ink;
                style
            })
            .on_press(Message::Workspace(number))
            .into()
    }

    /// Says that the screen is recorded, and for how long now. A click ends that.
    fn recording_sign(&self, palette: &Palette) -> Element<'_, Message> {
        let Some(elapsed) = self.recording else {
            return space().into();
        };
        let words = row![
            widgets::dot(9.0, palette.bad),
            widgets::label(elapsed_text(elapsed), TEXT_SMALL + 0.5, palette.text)
                .font(fonts::UI_MEDIUM),
        ]
        .spacing(SMALL)
        .align_y(Alignment::Center);
        bar_button(words, palette).on_press(Message::Record).into()
    }

    /// The agents that do something or need somebody; the resting ones only where none does.
    fn agents(&self, width: f32, palette: &Palette) -> Element<'_, Message> {
        let at_work = |agent: &&Agent| !matches!(agent.state.as_str(), "idle" | "stopped");
        let mut shown: Vec<&Agent> = self.agents.iter().filter(at_work).collect();
        if shown.is_empty() {
            shown = self
                .agents
                .iter()
                .filter(|agent| agent.state == "idle")
                .collect();
        }
        let named = match width {
            _ if width < NARROWEST => 0,
            // The sign needs the room.
            _ if width < NARROW && self.recording.is_some() => 0,
            _ if width < NARROW => 1,
            _ => NAMED,
        };
        let further = shown.len().saturating_sub(named);
        let mut agents = row![].spacing(TIGHT / 2.0).align_y(Alignment::Center);
        for agent in shown.into_iter().take(named) {
            let ink = if agent.state == "idle" {
                palette.text_dim
            } else {
                palette.text
            };
            let mut words = row![
                widgets::dot(8.0, state_color(&agent.state, palette)),
                widgets::label(&agent.title, TEXT - 1.0, ink),
            ]
            .spacing(SMALL)
            .align_y(Alignment::Center);
            if agent.state != "idle" && width >= NARROW {
                words = words.push(widgets::label(
                    state_word(&agent.state),
                    TEXT_SMALL,
                    palette.text_dim,
                ));
            }
            agents = agents
                .push(bar_button(words, palette).on_press(Message::Agent(agent.name.clone())));
        }
        if further > 0 {
            agents = agents.push(widgets::label(
                format!("+{further}"),
                TEXT_SMALL,
                palette.text_dim,
            ));
        }
        agents.into()
    }

    /// While something of the screen is recorded: that it is, and how often. A press ends it all.
    fn shares(&self, width: f32, palette: &Palette) -> Element<'_, Message> {
        if self.shares.is_empty() {
            return space().into();
        }
        let mut content = row![
            widgets::dot(9.0, palette.bad),
            widgets::icon(Icon::Display, 17.0, palette.bad),
        ]
        .spacing(SMALL)
        .align_y(Alignment::Center);
        if width >= NARROWEST {
            let says = tr!("panel-shares", count = self.shares.len());
            content = content.push(widgets::label(says, TEXT_SMALL, palette.bad));
        }
        // What a press does is seen.
        content = content.push(widgets::icon(Icon::Stop, 13.0, palette.bad));
        bar_button(content, palette)
            .on_press(Message::StopSharing)
            .into()
    }

    /// Opens the agent view, and says if it was told to stand still.
    fn agents_button(&self, palette: &Palette) -> Element<'_, Message> {
        let mut content =
            row![widgets::icon(Icon::Graph, 18.0, palette.text)].align_y(Alignment::Center);
        if self.paused {
            content = content.spacing(SMALL).push(widgets::label(
                tr!("panel-paused"),
                TEXT_SMALL,
                palette.warn,
            ));
        }
        bar_button(content, palette)
            .on_press(Message::Agents)
            .into()
    }

    fn chat_button(&self, palette: &Palette) -> Element<'_, Message> {
        let mut content =
            row![widgets::icon(Icon::Chat, 18.0, palette.text)].align_y(Alignment::Center);
        if self.unread {
            content = content
                .push(space().width(5))
                .push(widgets::dot(7.0, palette.accent));
        }
        bar_button(content, palette).on_press(Message::Chat).into()
    }
}

fn controls_button<'a>(marks: [Icon; 2], palette: &Palette) -> Element<'a, Message> {
    let marks = marks.map(|mark| widgets::icon(mark, 17.0, palette.text).into());
    bar_button(
        row(marks).spacing(SMALL).align_y(Alignment::Center),
        palette,
    )
    .on_press(Message::Controls)
    .into()
}

fn bar_button<'a>(
    content: impl Into<Element<'a, Message>>,
    palette: &Palette,
) -> iced_widget::Button<'a, Message, iced_core::Theme, crate::host::Renderer> {
    widgets::press(
        container(content).center_y(Length::Fill),
        Kind::Plain,
        palette,
    )
    .height(28)
    .padding(Padding::from([0.0, 9.0]))
}

/// A time that goes on, in whole seconds: `0:07`, `1:02:03`.
pub fn elapsed_text(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// The colour of an agent's state.
pub fn state_color(state: &str, palette: &Palette) -> Color {
    match state {
        "thinking" | "acting" | "starting" => palette.accent,
        "waiting" => palette.warn,
        "failed" => palette.bad,
        "idle" => palette.good,
        _ => palette.text_dim,
    }
}

/// An agent's state for people.
pub fn state_word(state: &str) -> String {
    tr!("agent-state", state = state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elapsed_time_is_told_in_seconds() {
        for (seconds, text) in [
            (0, "0:00"),
            (7, "0:07"),
            (61, "1:01"),
            (3599, "59:59"),
            (3723, "1:02:03"),
        ] {
            let elapsed = Duration::from_secs(seconds) + Duration::from_millis(999);
            assert_eq!(elapsed_text(elapsed), text);
        }
    }

    #[test]
    fn the_clock_is_right_until_the_next_minute() {
        let mut panel = Panel::default();
        let now: Zoned = "2026-11-22T14:05:42.25[UTC]".parse().unwrap();
        let left = panel.set_time(&now);
        assert_eq!(
            (panel.date.as_str(), panel.time.as_str()),
            ("Sun 22 Nov", "14:05")
        );
        assert_eq!(left, Duration::from_millis(17_750));
    }
}
