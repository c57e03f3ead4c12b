//! Models, and what they make of a text.
//!
//! What the AI service has in memory is asked of it over D-Bus, here and in [`run`] (conversations). Folders
//! are looked at directly: [`import`] and [`pull`] put them into a model directory ([`store`], [`index`],
//! [`transfer`]), [`show`] says what is in them, [`bench`] measures them.

mod bench;
mod import;
mod index;
mod progress;
mod pull;
mod run;
mod show;
pub(crate) mod store;
mod transfer;

use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use argos_bus::ai::{Ai1Proxy, Model, Plan};
use argos_engine::runtime;
use futures_util::StreamExt;
use serde_json::{Value, json};

use self::progress::{Interrupt, OnDrop, Progress};
use crate::args::{AiCommand, ModelCommand, ModelRemoveArgs};
use crate::built::Built;
use crate::bus;
use crate::failure::{Failure, Result, Status};
use crate::output::{Cell, Output, Tone, bytes, lines, one_line, span};

/// How long the service is waited for where its word is a nicety.
const ASKED_IN_PASSING: Duration = Duration::from_secs(2);

/// What is done in this thread, since it looks after Ctrl-C itself or computes all the time; the others come
/// back.
pub(crate) fn alone(
    out: Output,
    command: ModelCommand,
) -> std::result::Result<Result, Box<ModelCommand>> {
    match command {
        ModelCommand::Run(args) => Ok(run::run(out, args)),
        ModelCommand::Bench(args) => Ok(bench::run(out, &args)),
        command => Err(Box::new(command)),
    }
}

pub(crate) async fn run(out: Output, command: ModelCommand) -> Result {
    match command {
        ModelCommand::Import(args) => files(move |i| import::run(out, &args, i)).await,
        ModelCommand::Show(args) => {
            let known = known().await;
            files(move |i| show::run(out, &args, &known, i)).await
        }
        ModelCommand::Check(args) => files(move |i| show::check(out, &args, i)).await,
        ModelCommand::Pull(args) => {
            let said = SayKept(true);
            let result = detached(move |i| pull::run(out, &args, i)).await;
            said.done();
            result
        }
        ModelCommand::Remove(args) => remove(out, &args).await,
        // Handled by `alone`.
        ModelCommand::Run(args) => files(move |_| run::run(out, args)).await,
        ModelCommand::Bench(args) => files(move |_| bench::run(out, &args)).await,
        command => service(out, command).await,
    }
}

/// What the service says of its models; nothing where there is none.
async fn known() -> Vec<Model> {
    let asking = async {
        let bus = bus::system().await.ok()?;
        Ai1Proxy::new(&bus).await.ok()?.list_models().await.ok()
    };
    let known = tokio::time::timeout(ASKED_IN_PASSING, asking).await;
    known.ok().flatten().unwrap_or_default()
}

/// Work on files. Ctrl-C drops this: the work sees it, takes back what it made and is waited for.
async fn files(work: impl FnOnce(&Interrupt) -> Result + Send + 'static) -> Result {
    let interrupt = Interrupt::default();
    let _dropped = OnDrop(interrupt.clone());
    match tokio::task::spawn_blocking(move || work(&interrupt)).await {
        Ok(result) => result,
        Err(error) => Err(Failure::new(Status::Failed, error.to_string())),
    }
}

/// Work that Ctrl-C may leave where it is, waiting for a server or a person as it may be.
async fn detached<T: Send + 'static>(
    work: impl FnOnce(&Interrupt) -> Result<T> + Send + 'static,
) -> Result<T> {
    let interrupt = Interrupt::default();
    let _dropped = OnDrop(interrupt.clone());
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("work".into())
        .spawn(move || drop(sender.send(work(&interrupt))))?;
    match receiver.await {
        Ok(result) => result,
        Err(_) => Err(Failure::new(Status::Failed, "the work panicked")),
    }
}

/// Says on Ctrl-C what becomes of a download.
struct SayKept(bool);

impl SayKept {
    fn done(mut self) {
        self.0 = false;
    }
}

impl Drop for SayKept {
    fn drop(&mut self) {
        if self.0 {
            let line = if std::io::stderr().is_terminal() {
                "\n"
            } else {
                ""
            };
            eprintln!(
                "{line}argos: interrupted; what came so far is kept, the same command goes on with it"
            );
        }
    }
}

/// On a machine that only builds ArgOS the library is beside the default model that was built. What stands
/// beside any other model is not loaded: a model from a USB stick is data, a library would be a program.
pub(crate) fn find_runtime() {
    if runtime::library_path().exists() {
        return;
    }
    if let Some(library) = Built::here().and_then(|built| built.runtime()) {
        runtime::use_library(library);
    }
}

async fn service(out: Output, command: ModelCommand) -> Result {
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
                        or_dash(&model.provider).into(),
                        about.as_str().into(),
                    ]
                })
                .collect();
            out.table(["MODEL", "KIND", "STATE", "SIZE", "RUNS ON", ""], &rows)
        }
        ModelCommand::Load { model } => {
            load(out, &ai, &model).await?;
            out.done(format!("{model}: ready"))
        }
        ModelCommand::Unload { model } => {
            ai.unload_model(&model).await?;
            out.done(format!("{model}: unloaded"))
        }
        ModelCommand::Ps => {
            let models = ai.list_models().await?;
            let loaded = models
                .into_iter()
                .filter(|m| matches!(m.state.as_str(), "ready" | "loading"));
            let loaded: Vec<_> = loaded.map(|m| (m.id, m.kind, m.state)).collect();
            let text = ai.statistics().await?;
            let counters: Value = serde_json::from_str(&text).unwrap_or_default();
            show_loaded(out, &loaded, &counters["models"])
        }
        ModelCommand::Statistics => {
            let text = ai.statistics().await?;
            let counters: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
            out.value(&counters)
        }
        _ => Err(Failure::new(
            Status::Failed,
            "the service is not asked for this",
        )),
    }
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-" } else { text }.to_owned()
}

/// Has the service load a model, and shows on a terminal how far it is.
async fn load(out: Output, ai: &Ai1Proxy<'_>, model: &str) -> Result {
    let mut coming = ai.receive_load_progress().await?;
    let mut loading = std::pin::pin!(ai.load_model(model));
    let mut progress = Progress::new(out, "reading", 0);
    if out.json {
        progress.mute();
    }
    progress.file(model);
    loop {
        tokio::select! {
            biased;
            Some(signal) = coming.next() => {
                let read = signal.args()?;
                if read.id == model {
                    progress.at(read.read_bytes, read.total_bytes);
                }
            }
            loaded = &mut loading => return Ok(loaded?),
        }
    }
}

/// Models in memory, and what they are at as far as the service says.
fn show_loaded(out: Output, loaded: &[(String, String, String)], counters: &Value) -> Result {
    if out.json {
        let rows: Vec<_> = loaded
            .iter()
            .map(|(id, kind, state)| {
                let mut row = json!({"id": id, "kind": kind, "state": state});
                for (name, value) in counters[id].as_object().into_iter().flatten() {
                    row[name] = value.clone();
                }
                row
            })
            .collect();
        return out.value(&json!(rows));
    }
    if loaded.is_empty() {
        return out.line("no model is in memory");
    }
    let rows: Vec<_> = loaded
        .iter()
        .map(|(id, kind, state)| {
            let told = &counters[id];
            let number = |name: &str| told[name].as_u64();
            let text = |name: &str| number(name).map_or_else(|| "-".to_owned(), |n| n.to_string());
            let running = match number("slots") {
                Some(slots) => format!("{} of {slots}", text("running")),
                None => text("running"),
            };
            let idle = told["idle_s"]
                .as_f64()
                .map(|s| (s.max(0.0) * 1000.0) as u64);
            [
                Cell::from(id.as_str()),
                kind.as_str().into(),
                Cell::toned(
                    state.as_str(),
                    if state == "ready" {
                        Tone::Good
                    } else {
                        Tone::Busy
                    },
                ),
                or_dash(told["provider"].as_str().unwrap_or_default()).into(),
                number("memory_bytes")
                    .map_or_else(|| "-".to_owned(), bytes)
                    .into(),
                text("context").into(),
                running.into(),
                text("waiting").into(),
                idle.map_or_else(|| "-".to_owned(), span).into(),
                format!("{} / {}", text("prompt_tokens"), text("completion_tokens")).into(),
            ]
        })
        .collect();
    out.table(
        [
            "MODEL",
            "KIND",
            "STATE",
            "RUNS ON",
            "MEMORY",
            "CONTEXT",
            "RUNNING",
            "WAITING",
            "IDLE",
            "TOKENS IN / OUT",
        ],
        &rows,
    )
}

/// Removes models of the person, after a question.
async fn remove(out: Output, args: &ModelRemoveArgs) -> Result {
    let directory = args.directory.clone().unwrap_or_else(|| store::OWN.into());
    // All are looked at before one is removed.
    for id in &args.models {
        store::check_id(id)?;
        let place = directory.join(id);
        if !store::exists(&directory, id, args.partial) {
            if args.partial {
                let text = format!("there is no download of `{id}` in {}", directory.display());
                return Err(Failure::new(Status::NotFound, text)
                    .hint("without --partial the model itself is removed"));
            }
            if store::exists(&directory, id, true) {
                let text = format!("of `{id}` there is only a part, in {}", directory.display());
                return Err(Failure::new(Status::NotFound, text).hint(
                    "--partial removes it; the `argos model pull` that began it goes on with it",
                ));
            }
            let shipped = Path::new(store::INSTALLED[1]).join(id);
            if args.directory.is_none() && shipped.is_dir() {
                let text = format!("{id} is part of the system ({})", shipped.display());
                return Err(Failure::new(Status::Denied, text)
                    .hint("a model of the same name in your directory takes its place"));
            }
            let text = format!("there is no model `{id}` in {}", directory.display());
            return Err(
                Failure::new(Status::NotFound, text).hint("`argos model list` has them all")
            );
        }
        if std::fs::canonicalize(&directory).is_ok_and(|d| d.starts_with("/usr")) {
            let text = format!("{} is part of the system", place.display());
            return Err(Failure::new(Status::Denied, text));
        }
    }
    if !args.yes {
        let what = args.models.join(", ");
        let what = match args.partial {
            true => format!("what was downloaded of {what}"),
            false => what,
        };
        if !std::io::stdin().is_terminal() {
            let text = format!("{what} would be removed for good");
            return Err(Failure::new(Status::Failed, text).hint("--yes does it without a question"));
        }
        let question = format!("remove {what} from {}? [y/N] ", directory.display());
        eprint!("{}", crate::output::one_line(&question));
        let answer = detached(|_| {
            let mut answer = String::new();
            std::io::stdin().read_line(&mut answer)?;
            Ok(answer)
        });
        let answer = answer.await?;
        if !matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") {
            return Err(Failure::new(Status::Denied, "nothing was removed"));
        }
    }
    for id in &args.models {
        let (directory, id) = (directory.clone(), id.clone());
        let name = id.clone();
        if args.partial {
            files(move |_| store::remove_partial(&directory, &id)).await?;
            out.done(format!("{name}: its download was removed"))?;
            continue;
        }
        unload(&directory.join(&id), &id).await;
        files(move |_| store::remove(&directory, &id)).await?;
        out.done(format!("{name}: removed"))?;
    }
    let cleaned = directory.clone();
    files(move |_| {
        store::clean(&cleaned);
        Ok(())
    })
    .await
}

/// Has the service forget a model that is about to go. Where there is no service nothing is in memory.
async fn unload(place: &Path, id: &str) {
    let Ok(bus) = bus::system().await else { return };
    let Ok(ai) = Ai1Proxy::new(&bus).await else {
        return;
    };
    let models = ai.list_models().await.unwrap_or_default();
    if models
        .iter()
        .any(|m| m.id == id && Path::new(&m.path) == place)
    {
        let _ = ai.unload_model(id).await;
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
            ai.generate(
                &model,
                &messages,
                &options,
                std::os::fd::OwnedFd::from(writer).into(),
            )
            .await?;
            // The service holds the only writing end by now. On Ctrl-C nobody waits for it: the reading end goes
            // with this process, and the service stops.
            detached(move |_| show_events(out, BufReader::new(reader))).await
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
        out.line(one_line(&format!("{sure}  {tool} {arguments}")))?;
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
        show_event(out, &event)?;
    }
    if !out.json {
        out.line("")?;
    }
    if ended { Ok(()) } else { Err(cut_off()) }
}

/// Prints one event of a generation; its error is one.
fn show_event(out: Output, event: &Value) -> Result {
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
    Ok(())
}

/// Events that ended without an end.
fn cut_off() -> Failure {
    Failure::new(Status::NotUp, "the AI service stopped in the middle")
        .hint("`argos log ai` shows why")
}
