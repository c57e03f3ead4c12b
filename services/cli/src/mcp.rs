//! MCP servers as tool providers, and our tools for MCP clients.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use argos_bus::providers::{Provider, Providers1Proxy};
use serde_json::{Map, Value, json};

use crate::args::{McpAddArgs, McpCommand};
use crate::bus;
use crate::failure::{Failure, Result, Status};
use crate::output::{Cell, Output, Tone, lines, one_line};

pub(crate) async fn run(out: Output, command: McpCommand) -> Result {
    match command {
        McpCommand::List => list(out, &providers().await?.list().await?),
        McpCommand::Show { server } => {
            let provider = providers().await?.show(&full_name(&server)).await?;
            show(out, &provider)
        }
        McpCommand::Add(args) => {
            let providers = providers().await?;
            let name = args.name.clone();
            let file = providers.add(&declaration(*args)?).await?;
            out.done(format!("mcp.{name} is declared in {file}"))?;
            // It is declared whether or not it comes up; what keeps it from that is worth knowing now.
            match providers.show(&full_name(&name)).await {
                Ok(_) if out.json => {}
                Ok(provider) => show(out, &provider)?,
                Err(error) => {
                    return Err(Failure::from(error).hint(format!(
                        "`argos mcp remove {name}` takes the declaration away"
                    )));
                }
            }
            Ok(())
        }
        McpCommand::Remove { server } => {
            let name = full_name(&server);
            providers().await?.remove(&name).await?;
            out.done(format!("{name} is gone, and what was granted for it"))
        }
        McpCommand::Serve { name } => serve(&name),
    }
}

/// A variable as it is typed.
pub(crate) fn variable(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

async fn providers() -> Result<Providers1Proxy<'static>> {
    Ok(Providers1Proxy::new(&bus::session().await?).await?)
}

/// `files` is `mcp.files`; a D-Bus provider is named in full.
fn full_name(name: &str) -> String {
    if name.contains('.') {
        name.to_owned()
    } else {
        format!("mcp.{name}")
    }
}

/// The declaration as JSON, which the file may be as well as YAML.
fn declaration(args: McpAddArgs) -> Result<String> {
    let mut hosts = args.hosts;
    let url = args.url.unwrap_or_default();
    // The server's own host is what naming its address means.
    if let Some(host) = host_of(&url)
        && !hosts.contains(&host)
    {
        hosts.push(host);
    }
    let environment: BTreeMap<String, String> = args.environment.into_iter().collect();
    let mut map = Map::new();
    let mut add = |key: &str, value: Value| {
        let empty = match &value {
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(items) => items.is_empty(),
            _ => false,
        };
        if !empty {
            map.insert(key.to_owned(), value);
        }
    };
    add("name", args.name.into());
    add("title", args.title.unwrap_or_default().into());
    add("kind", "mcp".into());
    add("command", json!(args.command));
    add("url", url.into());
    add("code", json!(absolute(&args.code)?));
    add("read", json!(absolute(&args.read)?));
    add("write", json!(absolute(&args.write)?));
    add("hosts", json!(hosts));
    add("environment", json!(environment));
    let mut limits = Map::new();
    for (key, value) in [
        ("memory", args.memory.map(Value::from)),
        ("tasks", args.tasks.map(Value::from)),
        ("workspace", args.workspace.map(Value::from)),
    ] {
        if let Some(value) = value {
            limits.insert(key.to_owned(), value);
        }
    }
    add("limits", limits.into());
    Ok(format!("{:#}\n", Value::Object(map)))
}

/// `example.org:8443` out of `https://example.org:8443/mcp`.
fn host_of(url: &str) -> Option<String> {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))?;
    let authority = rest.split(['/', '?', '#']).next()?;
    (!authority.is_empty()).then(|| authority.to_owned())
}

/// Paths as typed, without links followed: what they lead to is looked at when the server starts.
fn absolute(paths: &[PathBuf]) -> Result<Vec<String>> {
    paths
        .iter()
        .map(|path| {
            if path.starts_with("~") {
                return Ok(path.display().to_string());
            }
            let full = std::path::absolute(path)?;
            full.to_str().map(str::to_owned).ok_or_else(|| {
                Failure::new(
                    Status::Failed,
                    format!("{}: the name is not UTF-8", full.display()),
                )
            })
        })
        .collect()
}

fn tone(state: &str) -> Tone {
    match state {
        "running" => Tone::Good,
        "failed" => Tone::Bad,
        _ => Tone::Busy,
    }
}

fn list(out: Output, providers: &[Provider]) -> Result {
    if out.json {
        return out.value(&providers.iter().map(to_json).collect());
    }
    let rows: Vec<_> = providers
        .iter()
        .map(|provider| {
            [
                Cell::from(provider.name.as_str()),
                Cell::toned(provider.state.as_str(), tone(&provider.state)),
                provider.tools.len().to_string().into(),
                provider.file.as_str().into(),
                one_line(&provider.detail).into(),
            ]
        })
        .collect();
    out.table(["PROVIDER", "STATE", "TOOLS", "DECLARED IN", ""], &rows)
}

fn show(out: Output, provider: &Provider) -> Result {
    if out.json {
        return out.value(&to_json(provider));
    }
    out.line(format!(
        "{} - {} ({})",
        provider.name,
        one_line(&provider.title),
        provider.state
    ))?;
    out.line(format!("  declared in {}", provider.file))?;
    if !provider.detail.is_empty() {
        out.line(format!("  {}", lines(&provider.detail)))?;
    }
    for tool in &provider.tools {
        out.line(format!("  {tool}"))?;
    }
    Ok(())
}

fn to_json(provider: &Provider) -> Value {
    json!({
        "name": provider.name,
        "title": provider.title,
        "file": provider.file,
        "state": provider.state,
        "detail": provider.detail,
        "declaration": serde_json::from_str(&provider.declaration).unwrap_or(Value::Null),
        "tools": provider.tools,
    })
}

/// Becomes `argos-mcp serve`, which is beside this program: standard input and output are the
/// client's.
fn serve(name: &str) -> Result {
    let program = bus::beside("argos-mcp");
    let error = Command::new(&program)
        .args(["serve", "--name", name])
        .exec();
    Err(Failure::new(
        Status::NotUp,
        format!("{} cannot be run: {error}", program.display()),
    ))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    fn declared(words: &[&str]) -> Value {
        let cli = Cli::try_parse_from(["argos", "mcp", "add"].iter().chain(words)).unwrap();
        let Command::Mcp {
            command: McpCommand::Add(args),
        } = cli.command
        else {
            panic!("not mcp add");
        };
        serde_json::from_str(&declaration(*args).unwrap()).unwrap()
    }

    #[test]
    fn a_variable_has_a_name_and_a_value() {
        assert_eq!(variable("A=b=c"), Ok(("A".to_owned(), "b=c".to_owned())));
        assert_eq!(variable("A="), Ok(("A".to_owned(), String::new())));
        for wrong in ["A", "=b", ""] {
            let line = ["argos", "mcp", "add", "x", "--env", wrong, "--", "/bin/x"];
            assert!(Cli::try_parse_from(line).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_typed_is_what_is_declared() {
        let typed = declared(&[
            "files",
            "--read",
            "/srv/docs",
            "--write",
            "~/Documents",
            "--env",
            "A=b=c",
            "--",
            "/usr/bin/node",
            "x.js",
            "--read",
        ]);
        let expected = json!({
            "name": "files",
            "kind": "mcp",
            "command": ["/usr/bin/node", "x.js", "--read"],
            "read": ["/srv/docs"],
            "write": ["~/Documents"],
            "environment": {"A": "b=c"},
        });
        assert_eq!(typed, expected);
        let typed = declared(&["web", "--url", "https://example.org:8443/mcp?a"]);
        assert_eq!(typed["hosts"], json!(["example.org:8443"]));
    }

    #[test]
    fn a_server_may_be_named_short() {
        assert_eq!(full_name("files"), "mcp.files");
        assert_eq!(full_name("dbus.weather"), "dbus.weather");
    }
}
