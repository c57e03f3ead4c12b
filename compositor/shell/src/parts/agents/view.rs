//! How the agent view is put together: head, graph and inspector, timeline, foot.

use argos_bus::agents::Pace;
use iced_core::{Alignment, Length, Padding};
use iced_widget::{column, container, row, space};

use super::canvas::Canvas;
use super::gpu::Picture;
use super::track::{HEIGHT, Track};
use super::{Agents, INPUT, Message, Order, Source, clock, command};
use crate::fonts;
use crate::host::Element;
use crate::icons::Icon;
use crate::theme::{GAP, Palette, SMALL, TEXT, TEXT_SMALL, TIGHT, WIDE};
use crate::widgets::{self, Kind};
use crate::{l10n, tr};

impl Agents {
    /// The view's widgets.
    pub fn view(&self, palette: &Palette) -> Element<'_, Message> {
        let body: Element<'_, Message> = match &self.source {
            Source::World(world) if !world.agents.is_empty() => column![
                row![
                    self.graph_view(palette),
                    divider_down(palette),
                    self.side(palette)
                ]
                .height(Length::Fill),
                widgets::divider(palette),
                self.moment(palette),
            ]
            .into(),
            Source::World(_) => notice(
                Icon::Spark,
                tr!("agents-none"),
                tr!("agents-none-about"),
                palette,
            ),
            Source::Unheard => notice(Icon::Spark, tr!("agents-unheard"), String::new(), palette),
            Source::Lost => notice(
                Icon::Alert,
                tr!("agents-lost"),
                tr!("agents-lost-about"),
                palette,
            ),
        };
        let content = column![
            self.head(palette),
            widgets::divider(palette),
            container(body).height(Length::Fill),
            widgets::divider(palette),
            self.foot(palette),
        ];
        widgets::card(container(content).height(Length::Fill), palette).into()
    }

    fn head(&self, palette: &Palette) -> Element<'_, Message> {
        let mut head = row![
            widgets::icon(Icon::Graph, 22.0, palette.accent),
            widgets::label(tr!("agents"), TEXT + 3.0, palette.text).font(fonts::UI_STRONG),
            widgets::label(self.summary(), TEXT_SMALL, palette.text_dim),
            space().width(Length::Fill),
        ]
        .spacing(GAP)
        .padding(Padding::from([0.0, WIDE]))
        .height(54)
        .align_y(Alignment::Center);
        if let Some(world) = self.world() {
            head = head.push(self.pace_buttons(world.pace, palette));
        }
        head.push(
            widgets::icon_button(Icon::Close, 18.0, palette.text_dim, palette)
                .on_press(Message::Close),
        )
        .into()
    }

    fn summary(&self) -> String {
        let Some(world) = self.world() else {
            return String::new();
        };
        let mut parts = vec![
            tr!("agents-count-agents", count = world.agents.len()),
            tr!("agents-count-rooms", count = world.rooms.len()),
        ];
        let waiting = world.agents.iter().filter(|a| a.state == "waiting").count();
        if waiting > 0 {
            parts.push(tr!("agents-count-waiting", count = waiting));
        }
        parts.join(" · ")
    }

    fn pace_buttons(&self, pace: Pace, palette: &Palette) -> Element<'_, Message> {
        let (shown, word) = match pace.paused {
            true => (Icon::Play, tr!("agents-resume")),
            false => (Icon::Pause, tr!("agents-pause")),
        };
        let kind = if pace.paused {
            Kind::Primary
        } else {
            Kind::Raised
        };
        let ink = if pace.paused {
            palette.accent_text
        } else {
            palette.text
        };
        let with_icon = |shown, word: String, ink, kind| {
            let content = row![
                widgets::icon(shown, 15.0, ink),
                widgets::label(word, TEXT_SMALL, ink).font(fonts::UI_MEDIUM),
            ]
            .spacing(TIGHT + 2.0)
            .align_y(Alignment::Center);
            widgets::press(content, kind, palette).padding(Padding::from([TIGHT + 2.0, GAP]))
        };
        let small = |word, by| {
            let label = widgets::label(word, TEXT, palette.text).font(fonts::UI_STRONG);
            widgets::press(label, Kind::Plain, palette)
                .padding(Padding::from([TIGHT, SMALL]))
                .on_press(Message::Faster(by))
        };
        let step_ink = if pace.paused {
            palette.text
        } else {
            palette.text_dim
        };
        let sure = self.sure.is_some();
        let (stop, stop_kind, stop_ink) = if sure {
            (tr!("sure"), Kind::Primary, palette.accent_text)
        } else {
            (tr!("agents-stop-all"), Kind::Danger, palette.bad)
        };
        row![
            with_icon(shown, word, ink, kind).on_press(Message::PauseOrResume),
            with_icon(Icon::Step, tr!("agents-step"), step_ink, Kind::Raised)
                .on_press_maybe(pace.paused.then_some(Message::Order(Order::Step))),
            row![
                small("−", -1),
                container(
                    widgets::label(
                        format!("×{}", l10n::number(pace.speed)),
                        TEXT_SMALL,
                        palette.text
                    )
                    .font(fonts::UI_MEDIUM)
                )
                .center_x(38),
                small("+", 1),
            ]
            .align_y(Alignment::Center),
            with_icon(Icon::Stop, stop, stop_ink, stop_kind).on_press(Message::StopAll),
        ]
        .spacing(SMALL)
        .align_y(Alignment::Center)
        .into()
    }

    fn graph_view(&self, palette: &Palette) -> Element<'_, Message> {
        let canvas = Canvas {
            graph: &self.graph,
            timeline: &self.timeline,
            agents: self.world().map_or(&[][..], |world| &world.agents),
            selected: self.selected.as_ref(),
            hovered: self.hovered.as_ref(),
            drawn: &self.graph_drawn,
            palette: *palette,
        };
        let picture = Picture {
            canvas,
            link: &self.link,
            travels: &self.travels,
            still: self.still,
        };
        // A layer of its own: its text stays within, and is left alone where something else changes.
        container(picture)
            .width(Length::Fill)
            .height(Length::Fill)
            .clip(true)
            .into()
    }

    fn moment(&self, palette: &Palette) -> Element<'_, Message> {
        let live = self.timeline.is_live();
        let (words, when) = match self.timeline.at() {
            Some(event) => (self.tell(event), clock(event.at_ms)),
            None => (tr!("agents-nothing-yet"), String::new()),
        };
        let words: Vec<&str> = words.split_whitespace().collect();
        let words = widgets::shortened(&words.join(" "), 140);
        let (ground, ink, word) = if live {
            (palette.raised, palette.good, tr!("agents-now"))
        } else {
            (palette.raised, palette.warn, tr!("agents-then"))
        };
        let badge = widgets::label(word, TEXT_SMALL, ink).font(fonts::UI_STRONG);
        let mut caption = row![
            widgets::raised(badge, ground, 6.0).padding(Padding::from([2.0, SMALL])),
            widgets::label(when, TEXT_SMALL, palette.text_dim),
            widgets::line(words, TEXT_SMALL + 1.0, palette.text, fonts::UI),
        ]
        .spacing(GAP)
        .height(34)
        .padding(Padding::from([0.0, WIDE]))
        .align_y(Alignment::Center);
        if !live {
            let label = widgets::label(tr!("agents-back-to-now"), TEXT_SMALL, palette.text);
            caption = caption.push(
                widgets::press(label, Kind::Raised, palette)
                    .padding(Padding::from([TIGHT, GAP]))
                    .on_press(Message::Live),
            );
        }
        let track = iced_widget::canvas(Track {
            timeline: &self.timeline,
            drawn: &self.track_drawn,
            palette: *palette,
        });
        let track = container(track.width(Length::Fill).height(HEIGHT)).clip(true);
        column![caption, track].into()
    }

    fn foot(&self, palette: &Palette) -> Element<'_, Message> {
        let content: Element<'_, Message> = if let Some(line) = &self.line {
            row![
                widgets::label("›", TEXT + 2.0, palette.accent).font(fonts::UI_STRONG),
                widgets::field(&command::help(), line, TEXT, palette)
                    .id(INPUT)
                    .on_input(Message::Typed),
            ]
            .spacing(SMALL)
            .align_y(Alignment::Center)
            .into()
        } else if self.agents().next().is_none() {
            widgets::hint(tr!("key-escape"), tr!("does-close"), palette).into()
        } else {
            let command = row![
                widgets::key_cap("/", palette),
                widgets::label(tr!("does-command"), TEXT_SMALL, palette.text_dim)
            ]
            .spacing(TIGHT + 2.0)
            .align_y(Alignment::Center);
            let pause = if self.pace().paused {
                tr!("does-resume")
            } else {
                tr!("does-pause")
            };
            row![
                widgets::press(command, Kind::Plain, palette)
                    .padding(0)
                    .on_press(Message::OpenBar),
                widgets::hint(
                    format!("{} ↑↓←→", tr!("key-tab")),
                    tr!("does-choose"),
                    palette
                ),
                widgets::hint(tr!("key-enter"), tr!("does-talk"), palette),
                widgets::hint(tr!("key-space"), pause, palette),
                widgets::hint(tr!("key-pages"), tr!("does-in-time"), palette),
                widgets::hint("+ − 0", tr!("does-zoom"), palette),
                widgets::hint(tr!("key-escape"), tr!("does-back"), palette),
            ]
            .spacing(WIDE)
            .align_y(Alignment::Center)
            .into()
        };
        let mut foot = column![container(content).center_y(38)].padding(Padding::from([0.0, WIDE]));
        if let Some((well, words)) = &self.answer {
            let color = if *well { palette.good } else { palette.bad };
            foot = foot.push(container(widgets::label(words, TEXT_SMALL, color)).padding(
                Padding {
                    bottom: SMALL,
                    ..Padding::ZERO
                },
            ));
        }
        foot.width(Length::Fill).into()
    }
}

fn divider_down<'a>(palette: &Palette) -> Element<'a, Message> {
    let line = space().width(1).height(Length::Fill);
    widgets::raised(line, palette.line, 0.0).into()
}

/// What is said in the middle when there is no graph.
fn notice<'a>(
    shown: Icon,
    title: String,
    below: String,
    palette: &Palette,
) -> Element<'a, Message> {
    let content = column![
        widgets::icon(shown, 40.0, palette.text_dim),
        widgets::label(title, TEXT + 4.0, palette.text).font(fonts::UI_STRONG),
        widgets::label(below, TEXT, palette.text_dim),
    ]
    .spacing(GAP)
    .align_x(Alignment::Center);
    container(content).center(Length::Fill).into()
}
