//! Models, and what they make of a text.

use std::io::{BufRead, BufReader, Write};

use argos_bus::ai::{Ai1Proxy, Plan};
use serde_json::{Value, json};

use crate::args::{AiCommand, ModelCommand};
use crate::bus;
use crate::failure::{Failure, Result, Status};
use crate::output::{Cell, Output, Tone, bytes, lines};

pub(crate) async fn run(out: Output, command: ModelCommand) -> Result {
    let bus = bus::system().await?;
    let ai = Ai1Proxy::new(&bus).await?;
    match command {
        ModelCommand::List => {
            let models = ai.list_models().await?;
            if out.json {
                return out.value(&json!(models));
            }
            let rows: Vec<_> = models
                .iter()
                .map(|model| {
                    let tone = match model.state.as_str() {
                        "ready" => Tone::Good,
                        "failed" => Tone::Bad,
                        "loading" => Tone::Busy,
                        _ => Tone::Plain,
                    };
                    let about = if model.detail.is_empty() {
                        &model.path
                    } else {
                        &model.detail
                    };
                    [
                        Cell::from(model.id.as_str()),
                        model.kind.as_str().into(),
                        Cell::toned(model.state.as_str(), tone),
                        bytes(model.size_bytes).into(),
                        about.as_str().into(),
                    ]
                })
                .collect();
            out.table(["MODEL", "KIND", "STATE", "SIZE", ""], &rows)
        }
        ModelCommand::Load { model } => {
            ai.load_model(&model).await?;
            out.done(format!("{model}: ready"))
        }
        ModelCommand::Unload { model } => {
            ai.unload_model(&model).await?;
            out.done(format!("{model}: unloaded"))
        }
        ModelCommand::Statistics => {
            let text = ai.statistics().await?;
            let counters: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
            out.value(&counters)
        }
    }
}

pub(crate) async fn ask(out: Output, command: AiCommand) -> Result {
    let bus = bus::system().await?;
    let ai = Ai1Proxy::new(&bus).await?;
    match command {
        AiCommand::Plan { text, tools } => {
            let now = jiff::Zoned::now().strftime("%Y-%m-%dT%H:%M:%S").to_string();
            let context = json!({"now": now}).to_string();
            let answer = ai
                .plan(&text.join(" "), &json!(tools).to_string(), &context)
                .await?;
            let plan: Plan = serde_json::from_str(&answer).map_err(|error| {
                Failure::new(
                    Status::Failed,
                    format!("the AI service's plan cannot be read: {error}"),
                )
            })?;
            if out.json {
                return out.value(&json!(plan));
            }
            let calls = plan.calls.iter();
            show_plan(
                out,
                calls.map(|c| (c.tool.as_str(), &c.arguments, c.confidence)),
                plan.question.as_deref(),
                plan.reply.as_deref(),
            )?;
            if plan.calls.is_empty() && plan.question.is_none() && plan.reply.is_none() {
                out.line("nothing fits")?;
            }
            out.line(out.paint(&format!("model: {}", plan.model), Tone::Faint))
        }
        AiCommand::Generate {
            text,
            model,
            max_tokens,
        } => {
            let messages = json!([{"role": "user", "content": text.join(" ")}]).to_string();
            let options = json!({"max_tokens": max_tokens}).to_string();
            let (reader, writer) = std::io::pipe()?;
            let reading =
                tokio::task::spawn_blocking(move || show_events(out, BufReader::new(reader)));
            ai.generate(
                &model,
                &messages,
                &options,
                std::os::fd::OwnedFd::from(writer).into(),
            )
            .await?;
            // The service holds the only writing end by now.
            match reading.await {
                Ok(result) => result,
                Err(error) => Err(Failure::new(Status::Failed, error.to_string())),
            }
        }
    }
}

/// Prints a plan: tool, arguments and confidence of each call, then what is asked or said instead.
pub(crate) fn show_plan<'a>(
    out: Output,
    calls: impl Iterator<Item = (&'a str, &'a Value, f64)>,
    question: Option<&str>,
    reply: Option<&str>,
) -> Result {
    for (tool, arguments, confidence) in calls {
        let sure = format!("{:3.0} %", confidence * 100.0);
        out.line(format!("{sure}  {tool} {arguments}"))?;
    }
    for (name, text) in [("asks", question), ("says", reply)] {
        if let Some(text) = text {
            out.line(format!("{name}: {}", lines(text)))?;
        }
    }
    Ok(())
}

/// Prints generated text as it comes.
fn show_events(out: Output, events: impl BufRead) -> Result {
    let mut ended = false;
    for line in events.lines() {
        let event: Value = serde_json::from_str(&line?).unwrap_or(Value::Null);
        ended |= event.get("done").is_some();
        if let Some(error) = event.get("error") {
            let text = error
                .as_str()
                .map_or_else(|| error.to_string(), str::to_owned);
            return Err(Failure::new(Status::Failed, text));
        }
        let mut stdout = std::io::stdout().lock();
        if out.json {
            writeln!(stdout, "{event}")?;
        } else if let Some(text) = event["text"].as_str() {
            write!(stdout, "{}", lines(text))?;
            stdout.flush()?;
        }
    }
    if !out.json {
        out.line("")?;
    }
    if ended {
        Ok(())
    } else {
        Err(
            Failure::new(Status::NotUp, "the AI service stopped in the middle")
                .hint("`argos log ai` shows why"),
        )
    }
}
