//! Tools and their calls.

use argos_bus::tools::{OpenCall, Tool, Tools1Proxy};
use serde_json::{Map, Value, json};

use crate::args::ToolsCommand;
use crate::bus;
use crate::failure::{Failure, Result, Status};
use crate::output::{Cell, Output, Tone, clock, exact, lines, one_line};

pub(crate) async fn run(out: Output, command: ToolsCommand) -> Result {
    let bus = bus::session().await?;
    let tools = Tools1Proxy::new(&bus).await?;
    match command {
        ToolsCommand::List => list(out, &tools.list().await?),
        ToolsCommand::Show { tool } => show(out, &find(&tools, &tool).await?),
        ToolsCommand::Call { tool, arguments } => {
            let arguments = parse_arguments(&arguments)?;
            let result = tools.call(&tool, &arguments.to_string()).await?;
            match serde_json::from_str(&result) {
                Ok(result) => out.value(&result),
                Err(_) => out.line(lines(&result)),
            }
        }
        ToolsCommand::Calls => calls(out, &tools.calls().await?),
        ToolsCommand::Cancel { id } => {
            tools.cancel(id).await?;
            out.done(format!("call {id} is cancelled"))
        }
    }
}

async fn find(tools: &Tools1Proxy<'_>, name: &str) -> Result<Tool> {
    let known = tools.list().await?;
    known
        .into_iter()
        .find(|tool| tool.name == name)
        .ok_or_else(|| {
            Failure::new(Status::NotFound, format!("there is no tool `{name}`"))
                .hint("`argos tools list` shows every tool")
        })
}

fn schema(tool: &Tool) -> Value {
    serde_json::from_str(&tool.schema).unwrap_or(Value::Null)
}

fn list(out: Output, tools: &[Tool]) -> Result {
    if out.json {
        let values = tools.iter().map(to_json);
        return out.value(&values.collect());
    }
    let rows: Vec<_> = tools
        .iter()
        .map(|tool| {
            let tone = match tool.default.as_str() {
                "allow" => Tone::Good,
                "confirm" => Tone::Bad,
                _ => Tone::Busy,
            };
            [
                Cell::from(tool.name.as_str()),
                arguments_of(&schema(tool)).into(),
                tool.action.as_str().into(),
                Cell::toned(tool.default.as_str(), tone),
                tool.description.as_str().into(),
            ]
        })
        .collect();
    out.table(["TOOL", "ARGUMENTS", "ACTION", "DEFAULT", ""], &rows)
}

fn show(out: Output, tool: &Tool) -> Result {
    if out.json {
        return out.value(&to_json(tool));
    }
    out.line(format!("{} - {}", tool.name, one_line(&tool.description)))?;
    out.line(format!(
        "  needs `{}`; with no grant: {}",
        tool.action, tool.default
    ))?;
    out.value(&schema(tool))
}

fn to_json(tool: &Tool) -> Value {
    json!({
        "name": tool.name,
        "description": tool.description,
        "schema": schema(tool),
        "action": tool.action,
        "default": tool.default,
    })
}

/// `path max_bytes?`, out of a JSON Schema.
fn arguments_of(schema: &Value) -> String {
    let Some(properties) = schema["properties"].as_object() else {
        return String::new();
    };
    let required: Vec<_> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let names = properties.keys().map(|name| {
        let mark = if required.contains(&name.as_str()) {
            ""
        } else {
            "?"
        };
        format!("{name}{mark}")
    });
    names.collect::<Vec<_>>().join(" ")
}

/// One JSON object, or `name=value` pairs.
fn parse_arguments(words: &[String]) -> Result<Value> {
    let wrong = |text: String| {
        Failure::new(Status::Failed, text).hint(
            "for example: argos tools call files.list path=~/Documents, or '{\"path\": \"~/Documents\"}'",
        )
    };
    if let [only] = words
        && only.trim_start().starts_with('{')
    {
        return serde_json::from_str(only)
            .map_err(|error| wrong(format!("the arguments are no JSON object: {error}")));
    }
    let mut object = Map::new();
    for word in words {
        let Some((name, value)) = word.split_once('=') else {
            return Err(wrong(format!(
                "`{word}` is neither name=value nor a JSON object"
            )));
        };
        let value = match serde_json::from_str(value) {
            Ok(
                value @ (Value::Number(_) | Value::Bool(_) | Value::Array(_) | Value::Object(_)),
            ) => value,
            _ => value.into(),
        };
        object.insert(name.to_owned(), value);
    }
    Ok(object.into())
}

fn calls(out: Output, calls: &[OpenCall]) -> Result {
    if out.json {
        return out.value(&json!(calls));
    }
    let rows: Vec<_> = calls
        .iter()
        .map(|call| {
            [
                Cell::from(call.id.to_string()),
                call.agent.as_str().into(),
                call.tool.as_str().into(),
                Cell::toned(call.state.as_str(), Tone::Busy),
                clock(call.since_ms).into(),
                exact(&call.resource).into(),
            ]
        })
        .collect();
    out.table(["ID", "AGENT", "TOOL", "STATE", "SINCE", "FOR"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Value> {
        parse_arguments(
            &words
                .iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn arguments_are_pairs_or_json() {
        assert_eq!(parse(&[]).unwrap(), json!({}));
        assert_eq!(parse(&[r#"{"path": "~"}"#]).unwrap(), json!({"path": "~"}));
        let pairs = parse(&["path=/a=b", "max_bytes=10", "append=true", "text=null"]).unwrap();
        let expected = json!({"path": "/a=b", "max_bytes": 10, "append": true, "text": "null"});
        assert_eq!(pairs, expected);
        assert!(parse(&["{nope"]).is_err());
        assert!(parse(&["word"]).unwrap_err().hint.is_some());
    }

    #[test]
    fn optional_arguments_are_marked() {
        let schema = json!({"properties": {"path": {}, "max_bytes": {}}, "required": ["path"]});
        assert_eq!(arguments_of(&schema), "path max_bytes?");
        assert_eq!(arguments_of(&Value::Null), "");
    }
}
