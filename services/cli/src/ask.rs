//! `argos ask --plan`: what would be done about a request, without doing any of it.
//!
//! The model runs in this process: no bus, no service, no special rights. It is how the planner is tried
//! and measured, on a machine that runs ArgOS and on one that only builds it.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

use argos_engine::planner::{Offered, Plan, Planner};
use jiff::civil::DateTime;
use serde_json::{Value, json};

use crate::args::AskArgs;
use crate::built::Built;
use crate::failure::{Failure, Result, Status};
use crate::models::{self, store};
use crate::output::{Output, Tone};

/// Longest line of a batch, in bytes. The model's own limit is much lower.
const MAX_LINE: usize = 1 << 20;

pub(crate) fn plan(out: Output, args: AskArgs) -> Result {
    let now = args.now.unwrap_or_else(|| jiff::Zoned::now().datetime());
    let text = args.text.join(" ");
    if !args.batch && text.trim().is_empty() {
        return Err(
            Failure::new(Status::Failed, "there is no request to plan for")
                .hint("argos ask --plan \"what is in my Documents folder?\""),
        );
    }
    let planner = load(args.model)?;
    let tools = offered(&planner, args.tools, args.described)?;
    if args.batch {
        return batch(&planner, &tools, now);
    }
    let plan = planner.plan(&text, &tools, now).map_err(failed)?;
    if out.json {
        return out.value(&value(&plan));
    }
    let calls = plan.calls.iter();
    models::show_plan(
        out,
        calls.map(|c| (c.tool.as_str(), &c.arguments, c.confidence)),
        plan.question.as_deref(),
        plan.reply.as_deref(),
    )?;
    out.line(out.paint("nothing was done", Tone::Faint))
}

/// The tools that may be proposed: names, and a file with tools that the model was not trained on.
fn offered(planner: &Planner, names: Vec<String>, file: Option<PathBuf>) -> Result<Vec<Offered>> {
    let all = names.is_empty() && file.is_some();
    let mut tools: Vec<Offered> = names.into_iter().map(Offered::Known).collect();
    if all {
        tools.extend(planner.tools().map(Offered::from));
    }
    if let Some(path) = file {
        let wrong = |reason: String| {
            Failure::new(Status::Failed, format!("{}: {reason}", path.display())).hint(
                "a JSON array of {\"name\", \"description\", \"examples\": [...], \"parameters\": JSON Schema}",
            )
        };
        let text = std::fs::read_to_string(&path).map_err(|e| wrong(e.to_string()))?;
        let described: Vec<Offered> =
            serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
        tools.extend(described);
    }
    Ok(tools)
}

/// One request a line in, one JSON object a line out. A request that cannot be planned is an object with
/// `error`: the others are answered all the same.
fn batch(planner: &Planner, tools: &[Offered], now: DateTime) -> Result {
    let mut stdout = std::io::stdout().lock();
    let mut stdin = std::io::stdin().lock();
    let mut line = Vec::new();
    loop {
        line.clear();
        // One byte more than is taken, so that a line that is too long is seen to be.
        let limit = MAX_LINE as u64 + 1;
        std::io::Read::take(&mut stdin, limit).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(());
        }
        if line.len() > MAX_LINE {
            let text = format!("a line is longer than {MAX_LINE} bytes");
            return Err(Failure::new(Status::Failed, text).hint("one request a line"));
        }
        let request = String::from_utf8_lossy(&line);
        let answer = match planner.plan(request.trim_end_matches(['\n', '\r']), tools, now) {
            Ok(plan) => value(&plan),
            Err(e) => json!({"calls": [], "error": e.to_string()}),
        };
        writeln!(stdout, "{answer}")?;
        stdout.flush()?;
    }
}

/// `{"calls": [...]}`, with `question` or `reply` where there are none.
fn value(plan: &Plan) -> Value {
    // What a yes to the question would call is not called now.
    let calls = if plan.question.is_some() {
        &[][..]
    } else {
        &plan.calls
    };
    let mut object = json!({ "calls": calls });
    for (name, text) in [("question", &plan.question), ("reply", &plan.reply)] {
        if let Some(text) = text {
            object[name] = text.as_str().into();
        }
    }
    object
}

fn load(named: Option<PathBuf>) -> Result<Planner> {
    let folder = match named {
        Some(folder) => folder,
        None => find()?,
    };
    models::find_runtime();
    Planner::load(&folder).map_err(failed)
}

/// The default model that the checkout made that this is called in, else that of this system, else the newest that any
/// checkout made.
fn find() -> Result<PathBuf> {
    let built = Built::here();
    if let Some(folder) = built.as_ref().and_then(Built::of_checkout) {
        return Ok(folder);
    }
    let mut installed = store::INSTALLED
        .iter()
        .map(|dir| Path::new(dir).join("default"));
    if let Some(folder) = installed.find(|f| f.join("planner.json").exists()) {
        return Ok(folder);
    }
    built.as_ref().and_then(Built::newest).ok_or_else(|| {
        Failure::new(Status::Failed, "there is no default model on this machine").hint(
            "name one with --model DIR; in a checkout, `sh ai/train/build.sh CACHE DIR` makes \
             DIR/default",
        )
    })
}

fn failed(error: argos_engine::Error) -> Failure {
    Failure::new(Status::Failed, error.to_string())
}
