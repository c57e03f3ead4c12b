//! Agents and conversations.

use std::io::{IsTerminal, Read};
use std::time::Duration;

use argos_bus::agents::{
    Agent, Agents1Proxy, ChatMessage, Event, Intention, Mind, Percept, Thought,
};
use argos_bus::permissions::Permissions1Proxy;
use futures_util::StreamExt;
use serde_json::json;

use crate::args::{AgentsCommand, AskArgs, ChatArgs};
use crate::bus;
use crate::failure::{Failure, Result, Status};
use crate::output::{Cell, Output, Tone, bytes, clock, lines, one_line};

/// Who is talked to where nobody is named.
const DEFAULT_AGENT: &str = "steward";

pub(crate) async fn run(out: Output, command: AgentsCommand) -> Result {
    let bus = bus::session().await?;
    let agents = Agents1Proxy::new(&bus).await?;
    match command {
        AgentsCommand::List => list(out, &agents.list().await?),
        AgentsCommand::Start { agent } => {
            agents.start(&agent).await?;
            out.done(format!("{agent}: started"))
        }
        AgentsCommand::Stop { agent: None, .. } => {
            let count = agents.stop_all().await?;
            out.done(format!(
                "{count} stopped; `argos agents resume` lets agents start again"
            ))
        }
        AgentsCommand::Stop {
            agent: Some(agent), ..
        } => {
            agents.stop(&agent).await?;
            out.done(format!("{agent}: stopped"))
        }
        AgentsCommand::Show { agent } => mind(out, &agents.inspect(&agent).await?),
        AgentsCommand::Events {
            lines: count,
            follow,
        } => events(out, &agents, count, follow).await,
        AgentsCommand::Pause => {
            agents.set_paused(true).await?;
            out.done("paused; `argos agents resume` goes on")
        }
        AgentsCommand::Resume => {
            agents.set_paused(false).await?;
            out.done("running")
        }
        AgentsCommand::Step => {
            agents.step().await?;
            out.done("one step")
        }
        AgentsCommand::Speed { speed } => {
            agents.set_speed(speed).await?;
            out.done(format!("the speed is {speed}"))
        }
        AgentsCommand::History {
            agent,
            lines: count,
        } => {
            let messages = agents.history(&agent, count).await?;
            if out.json {
                return out.value(&json!(messages));
            }
            messages.iter().try_for_each(|message| say(out, message))
        }
    }
}

fn list(out: Output, agents: &[Agent]) -> Result {
    if out.json {
        return out.value(&json!(agents));
    }
    let rows: Vec<_> = agents
        .iter()
        .map(|agent| {
            let tone = match agent.state.as_str() {
                "failed" => Tone::Bad,
                "stopped" => Tone::Faint,
                "idle" => Tone::Good,
                _ => Tone::Busy,
            };
            let about = if agent.detail.is_empty() {
                &agent.description
            } else {
                &agent.detail
            };
            [
                Cell::from(agent.name.as_str()),
                Cell::toned(agent.state.as_str(), tone),
                clock(agent.since_ms).into(),
                about.as_str().into(),
            ]
        })
        .collect();
    out.table(["AGENT", "STATE", "SINCE", ""], &rows)
}

fn mind(out: Output, mind: &Mind) -> Result {
    if out.json {
        return out.value(&json!(mind));
    }
    let percept = |p: &Percept| format!("{}: {}", one_line(&p.from), one_line(&p.text));
    let call = |c: &Intention| format!("{} {}", one_line(&c.tool), one_line(&c.arguments));
    let thought = |t: &Thought| format!("{:3.0} %  {}", t.activation * 100.0, one_line(&t.text));
    let groups: [(&str, Vec<String>); 5] = [
        ("goals", mind.goals.iter().map(|g| one_line(g)).collect()),
        ("attends to", mind.focus.iter().map(percept).collect()),
        ("waiting", mind.waiting.iter().map(percept).collect()),
        ("plan", mind.plan.iter().map(call).collect()),
        ("in mind", mind.thoughts.iter().rev().map(thought).collect()),
    ];
    out.line(format!("{} in room {}", one_line(&mind.agent), mind.room))?;
    for (title, rows) in groups.iter().filter(|(_, rows)| !rows.is_empty()) {
        out.line(out.paint(title, Tone::Faint))?;
        for row in rows {
            out.line(format!("  {row}"))?;
        }
    }
    for usage in &mind.usage {
        out.line(format!(
            "{}  {} of memory, {} ms of processor time, {} tasks",
            out.paint("uses", Tone::Faint),
            bytes(usage.memory),
            usage.cpu_us / 1000,
            usage.tasks
        ))?;
    }
    for tokens in &mind.tokens {
        out.line(format!(
            "{}  {} of {} a day",
            out.paint("tokens", Tone::Faint),
            tokens.used,
            tokens.limit
        ))?;
    }
    out.line(format!(
        "{}  {:.0} %",
        out.paint("familiar with you", Tone::Faint),
        mind.familiarity * 100.0
    ))
}

async fn events(out: Output, agents: &Agents1Proxy<'_>, count: usize, follow: bool) -> Result {
    // Listened for first, so that none is missed in between.
    let mut coming = agents.receive_happened().await?;
    let known = agents.events(0).await?;
    let last = known.last().map_or(0, |event| event.number);
    let shown = &known[known.len().saturating_sub(count)..];
    if out.json && !follow {
        return out.value(&json!(shown));
    }
    shown.iter().try_for_each(|event| happened(out, event))?;
    while follow {
        let signal = coming.next().await.ok_or_else(gone)?;
        let event = signal.args()?.event;
        if event.number > last {
            happened(out, &event)?;
        }
    }
    Ok(())
}

/// An event on one line.
fn happened(out: Output, event: &Event) -> Result {
    if out.json {
        return out.value(&json!(event));
    }
    let what = match event.kind.as_str() {
        "said" => format!("{}: {}", event.from, event.text),
        "state" => format!("{} -> {}", event.was, event.text),
        "attended" => format!("turns to message {} of {}", event.message, event.from),
        "answered" if event.text.trim().is_empty() => "has nothing to say".to_owned(),
        "answered" => format!("answers: {}", event.text),
        "unanswered" => format!("message {} stays unanswered", event.message),
        "speed" => format!("speed {}", event.text),
        other => other.to_owned(),
    };
    out.line(format!(
        "{} {:12} {}",
        out.paint(&clock(event.at_ms), Tone::Faint),
        one_line(&event.agent),
        one_line(&what)
    ))
}

fn say(out: Output, message: &ChatMessage) -> Result {
    let who = if message.role == "agent" {
        &message.agent
    } else {
        &message.role
    };
    let head = out.paint(
        &format!("{} {}", clock(message.when_ms), one_line(who)),
        Tone::Faint,
    );
    out.line(format!("{head}\n{}\n", lines(&message.text)))
}

/// Says something and prints the answer.
pub(crate) async fn chat(out: Output, args: ChatArgs) -> Result {
    let bus = bus::session().await?;
    let agents = Agents1Proxy::new(&bus).await?;
    let (agent, text) = address(&agents, args.words).await?;

    // Listen before speaking: a fast agent answers before `send` returns.
    let mut messages = agents.receive_message().await?;
    let permissions = Permissions1Proxy::new(&bus).await?;
    let mut questions = permissions.receive_requested().await?;
    let id = agents.send(&agent, &text).await?;

    let answer = async {
        loop {
            tokio::select! {
                message = messages.next() => {
                    let Some(message) = message else { return Err(gone()) };
                    let message = message.args()?.message;
                    if message.in_reply_to == id && message.role != "person" {
                        return Ok(message);
                    }
                }
                question = questions.next() => {
                    let Some(question) = question else { return Err(gone()) };
                    let question = question.args()?.request;
                    // Standard output is for the answer alone.
                    eprintln!(
                        "{} asks: {}\n  answer on the screen, or: argos perm answer {} once",
                        one_line(&question.title),
                        one_line(&question.summary),
                        question.id
                    );
                }
            }
        }
    };
    let limit = Duration::from_secs(args.timeout);
    let answer = tokio::time::timeout(limit, answer).await.map_err(|_| {
        let text = format!("{agent} did not answer within {} s", args.timeout);
        Failure::new(Status::TimedOut, text)
            .hint(format!("`argos agents` shows what it is at; its answer will be in `argos agents history {agent}`"))
    })??;
    if out.json {
        return out.value(&json!(answer));
    }
    out.line(lines(&answer.text))?;
    if answer.role == "agent" {
        Ok(())
    } else {
        Err(Failure::silent(Status::Failed))
    }
}

/// As [`chat`], always to the assistant.
pub(crate) async fn ask(out: Output, args: AskArgs) -> Result {
    let words = std::iter::once(DEFAULT_AGENT.to_owned()).chain(args.text);
    let args = ChatArgs {
        words: words.collect(),
        timeout: args.timeout,
    };
    chat(out, args).await
}

fn gone() -> Failure {
    Failure::new(Status::NotUp, "the desktop's message bus went away")
        .hint("`argos status --user` shows what is up")
}

/// Who is meant and what is said to them.
async fn address(agents: &Agents1Proxy<'_>, mut words: Vec<String>) -> Result<(String, String)> {
    let mut agent = DEFAULT_AGENT.to_owned();
    // A single word is what is said; with more of them the first may be an agent's name.
    if words.len() > 1
        && agents
            .list()
            .await?
            .iter()
            .any(|known| known.name == words[0])
    {
        agent = words.remove(0);
    }
    let mut text = words.join(" ");
    if text.is_empty() || text == "-" {
        if std::io::stdin().is_terminal() {
            return Err(Failure::new(Status::Failed, "there is nothing to say")
                .hint("argos chat \"what is in my Documents folder?\""));
        }
        text.clear();
        std::io::stdin().read_to_string(&mut text)?;
    }
    Ok((agent, text.trim().to_owned()))
}
