//! A tool provider: its declaration, to the sandbox that is made of it, and the tools that it offers, to
//! a call of one.

use std::path::{Component, Path};

use argos_broker::providers::declaration::{Declared, parse};
use argos_broker::providers::launch;
use argos_broker::sandbox::Programs;
use argos_bus::tool_provider::ProvidedTool;
use argos_sandbox::Access;
use argos_tools::provided::Provided;
use serde_json::Value;

use super::closed;

const HOME: &str = "/home/me";

/// A declaration (YAML or JSON); after a line `%%` a tool as the provider offers it (JSON, its schema as
/// an object); after another the arguments of a call of it.
pub fn providers(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut parts = text.split("\n%%\n");
    if let Some(text) = parts.next() {
        declaration(text);
    }
    if let Some(text) = parts.next() {
        tool(text, parts.next().unwrap_or("{}"));
    }
}

fn declaration(text: &str) {
    let read = |text: &str| parse(Path::new("x.yaml"), text, Path::new(HOME), true);
    let declared = match read(text) {
        Ok(declared) => declared,
        Err(why) => {
            assert!(why.starts_with("x.yaml"), "it says where: {why}");
            return;
        }
    };
    let d = &declared.declaration;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    assert!(d.name.chars().all(plain) && (1..=32).contains(&d.name.len()));
    assert!(!d.title.chars().any(char::is_control), "{:?}", d.title);
    for place in [&d.code, &d.read, &d.write].into_iter().flatten() {
        let path = Path::new(place);
        let straight = |c| matches!(c, Component::RootDir | Component::Normal(_));
        assert!(
            path.is_absolute() && path.components().all(straight),
            "{path:?}"
        );
        assert_ne!(path, Path::new("/"));
        for kept in [".local/state/argos", ".config/argos"] {
            let kept = Path::new(HOME).join(kept);
            assert!(
                !path.starts_with(&kept) && !kept.starts_with(path),
                "{path:?}"
            );
        }
        for kept in ["/proc", "/sys", "/dev", "/run"] {
            assert!(!path.starts_with(kept), "{path:?}");
        }
    }
    for host in &declared.hosts {
        assert_ne!(host.to_string(), "*");
    }
    // As it is read back from where `argos mcp show` and the file say it.
    let again = serde_json::to_string(d).expect("a declaration is JSON");
    let again = read(&again).expect("what was taken once is taken again");
    assert_eq!(&again.declaration, d);
    walls(&declared);
}

/// The sandbox gives what was declared and no more.
fn walls(declared: &Declared) {
    let d = &declared.declaration;
    let programs = Programs {
        folder: "/usr/bin".into(),
    };
    if d.command.is_empty() && d.url.is_empty() {
        return;
    }
    let Ok(launch) = launch::mcp(declared, &programs, Some(Path::new("/home/me/proxy"))) else {
        return;
    };
    for bind in &closed(&launch.spec).binds {
        let listed = |list: &[String]| list.iter().any(|place| bind.source == Path::new(place));
        match bind.access {
            Access::Write => assert!(listed(&d.write), "{bind:?}"),
            Access::Execute => assert!(listed(&d.code) || bind.source.starts_with("/usr")),
            _ => {}
        }
    }
    assert!(launch.argv[0] == "/usr/bin/argos-mcp", "{:?}", launch.argv);
}

fn tool(text: &str, arguments: &str) {
    let Ok(offered) = serde_json::from_str::<Value>(text) else {
        return;
    };
    let word = |key: &str| offered[key].as_str().unwrap_or_default().to_owned();
    let declared = ProvidedTool {
        // Each name is remembered for ever.
        name: "tool".to_owned(),
        description: word("description"),
        schema: offered["schema"].to_string(),
        action: word("action"),
        resource: word("resource"),
    };
    let provided = match Provided::new("mcp.x", &declared) {
        Ok(provided) => provided,
        Err(unfit) => {
            let why = unfit.to_string();
            assert!(why.len() < 8192, "{why}");
            return;
        }
    };
    assert_eq!(provided.name(), "mcp.x.tool");
    readable(provided.description());
    let Ok(arguments) = serde_json::from_str::<Value>(arguments) else {
        return;
    };
    let Ok(call) = provided.check(arguments.clone()) else {
        return;
    };
    readable(&call.summary);
    readable(&call.resource);
    // Whatever it says that it is about, it is about itself.
    let about_itself = call.resource == "mcp.x.tool" || call.resource.starts_with("mcp.x.tool:");
    assert!(about_itself, "{:?}", call.resource);
    assert!(!call.is_path());
    assert_eq!(call.arguments, arguments);
}

/// One line that shows as what it is.
fn readable(text: &str) {
    assert!(!text.chars().any(char::is_control), "{text:?}");
    let turned = |c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    assert!(!text.chars().any(turned), "{text:?}");
}
