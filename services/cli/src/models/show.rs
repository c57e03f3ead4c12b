//! `argos model show` and `check`: what a model's files say, and whether they are still what they were.

use std::path::Path;

use argos_bus::ai::Model;
use argos_engine::{library, provider};
use serde_json::json;

use super::import::unusable;
use super::index::Index;
use super::progress::{Interrupt, Progress};
use super::store;
use crate::args::{ModelCheckArgs, ModelShowArgs};
use crate::failure::{Failure, Result, Status};
use crate::output::{Cell, Output, Tone, bytes, one_line};

/// Slots that memory is told for besides those that were asked for.
const SLOTS: u64 = 8;

/// `known` is what the service says of its models.
pub(crate) fn run(
    out: Output,
    args: &ModelShowArgs,
    known: &[Model],
    interrupt: &Interrupt,
) -> Result {
    let folder = store::find(&args.model, args.directory.as_deref())?;
    let model = library::describe(&folder, args.variant.as_deref()).map_err(unusable)?;
    let index = Index::read(&folder)?;
    let candidates =
        provider::candidates(&folder, model.kind, model.size_bytes()).map_err(unusable)?;
    let running = known
        .iter()
        .find(|m| Path::new(&m.path) == folder && !m.provider.is_empty())
        .map(|m| m.provider.as_str());
    let licence = model
        .licence
        .clone()
        .or_else(|| index.as_ref()?.licence.clone());
    let slots = args.slots.map_or(SLOTS, u64::from);
    let language = model.language.as_ref();
    if out.json {
        let files: Vec<_> = model
            .files
            .iter()
            .map(|(name, size)| json!({"path": name, "size_bytes": size}))
            .collect();
        let mut value = json!({
            "path": folder,
            "kind": model.kind.to_string(),
            "architecture": model.architecture,
            "precision": model.precision,
            "graph": model.graph,
            "other_graphs": model.other_graphs,
            "size_bytes": model.size_bytes(),
            "memory_bytes": model.memory_bytes(slots),
            "slots": slots,
            "provider": running,
            "execution_providers": candidates,
            "licence": licence,
            "source": index.as_ref().map(|i| &i.source),
            "imported": index.as_ref().map(|i| &i.time),
            "files": files,
        });
        if let Some(l) = language {
            value["layers"] = json!(l.layers);
            value["heads"] = json!(l.heads);
            value["kv_heads"] = json!(l.kv_heads);
            value["head_width"] = json!(l.head_width);
            value["kv_bytes_per_token"] = json!(l.kv_token_bytes);
            value["context"] = json!(l.context);
            value["vocabulary"] = json!(l.vocabulary);
            value["chat_template"] = json!(l.chat_template);
        }
        out.value(&value)?;
    } else {
        let unknown = || "unknown".to_owned();
        let number = |n: Option<u64>| n.map_or_else(unknown, |n| n.to_string());
        let mut rows = vec![
            ("path", folder.display().to_string()),
            ("kind", model.kind.to_string()),
            (
                "architecture",
                model.architecture.clone().unwrap_or_else(unknown),
            ),
            ("precision", model.precision.clone()),
        ];
        if let Some(l) = language {
            rows.extend([
                ("layers", l.layers.to_string()),
                (
                    "heads",
                    format!(
                        "{}, {} of keys and values",
                        number(l.heads),
                        number(l.kv_heads)
                    ),
                ),
                (
                    "KV cache",
                    l.kv_token_bytes
                        .map_or_else(unknown, |n| format!("{} a token", bytes(n))),
                ),
                ("context", format!("{} tokens", l.context)),
                ("vocabulary", format!("{} tokens", l.vocabulary)),
                (
                    "chat template",
                    if l.chat_template {
                        "yes"
                    } else {
                        "no: it completes text but does not chat"
                    }
                    .into(),
                ),
            ]);
        }
        let memory = |slots| model.memory_bytes(slots).map_or_else(unknown, bytes);
        let needs = if language.is_some() {
            format!(
                "{} with one slot, {} with {slots}",
                memory(1),
                memory(slots)
            )
        } else {
            memory(1)
        };
        let runs_on = match (running, &candidates[..]) {
            (Some(provider), _) => format!("{provider}, in memory now"),
            (None, [only]) => only.to_string(),
            (None, several) => {
                let names: Vec<_> = several.iter().map(ToString::to_string).collect();
                format!("the first of {} that there is", names.join(", "))
            }
        };
        rows.extend([
            ("memory", needs),
            ("runs on", runs_on),
            (
                "licence",
                licence.unwrap_or_else(|| "no licence stated".into()),
            ),
        ]);
        if let Some(index) = &index {
            rows.push(("source", format!("{}, {}", index.source, index.time)));
        }
        rows.push(("graph", model.graph.display().to_string()));
        if !model.other_graphs.is_empty() {
            let names: Vec<_> = model
                .other_graphs
                .iter()
                .map(|g| g.display().to_string())
                .collect();
            rows.push(("other graphs", names.join(", ")));
        }
        rows.push((
            "size",
            format!(
                "{} in {} files",
                bytes(model.size_bytes()),
                model.files.len()
            ),
        ));
        for (name, value) in rows {
            let name = out.paint(&format!("{name:<14}"), Tone::Faint);
            out.line(format!("{name} {}", one_line(&value)))?;
        }
        let rows: Vec<_> = model
            .files
            .iter()
            .map(|(name, size)| [Cell::from(name.display().to_string()), bytes(*size).into()])
            .collect();
        out.line("")?;
        out.table(["FILE", "SIZE"], &rows)?;
    }
    if args.verify {
        verify(out, &folder, interrupt)?;
    }
    Ok(())
}

pub(crate) fn check(out: Output, args: &ModelCheckArgs, interrupt: &Interrupt) -> Result {
    let folder = store::find(&args.model, args.directory.as_deref())?;
    library::describe(&folder, None).map_err(unusable)?;
    verify(out, &folder, interrupt)
}

/// Compares the files with the index.
fn verify(out: Output, folder: &Path, interrupt: &Interrupt) -> Result {
    let Some(index) = Index::read(folder)? else {
        let text = format!("{} has no {}", folder.display(), super::index::NAME);
        return Err(Failure::new(Status::NotFound, text)
            .hint("what was copied by hand has none; `argos model import PATH --name NAME` makes a copy with one"));
    };
    let quiet = Output::new(false);
    let mut progress = Progress::new(if out.json { quiet } else { out }, "checking", index.size());
    let wrong = index.verify(folder, &mut progress, interrupt)?;
    progress.clear();
    if wrong.is_empty() {
        let count = index.files.len();
        return out.done(format!(
            "{count} files are as they were on {}",
            one_line(&index.time)
        ));
    }
    let text = format!("{} was changed: {}", folder.display(), wrong.join("; "));
    Err(Failure::new(Status::Failed, text).hint("import or pull it again with --force"))
}
