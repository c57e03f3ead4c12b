//! Words for what the tools on windows, screen, sound and network did.

use std::fmt::Write;

use serde_json::Value;

use super::{MAX_SHOWN, code, counted, list, number, plain, size, text};

/// What a call is to do, to stand after "I could not".
pub(super) fn intent(tool: &str, arguments: &Value) -> Option<String> {
    let window = || match text(arguments, &["window"]) {
        Some(window) => format!("the window {}", code(window)),
        None => "the window".to_owned(),
    };
    Some(match tool {
        "windows.list" => "look at the open windows".to_owned(),
        "windows.focus" => format!("switch to {}", window()),
        "windows.close" => format!("close {}", window()),
        "workspace.switch" => format!("switch to workspace {}", plain_number(arguments, "number")),
        "screen.capture" if arguments["window"].is_string() => {
            format!("take a picture of {}", window())
        }
        "screen.capture" => "take a picture of the screen".to_owned(),
        "screen.lock" => "lock the screen".to_owned(),
        "volume.set" => format!("set the volume to {} %", plain_number(arguments, "percent")),
        "brightness.set" => {
            format!(
                "set the brightness to {} %",
                plain_number(arguments, "percent")
            )
        }
        "network.status" => "look at the network".to_owned(),
        "network.set" => switching(arguments).to_owned(),
        _ => return None,
    })
}

/// What became of a call that went well.
pub(super) fn success(tool: &str, arguments: &Value, result: &Value) -> Option<String> {
    match tool {
        "windows.list" => windows_list(result),
        "windows.focus" => Some(format!(
            "{} is in front now.",
            window(result.get("focused")?)?
        )),
        "windows.close" => Some(format!(
            "I asked {} to close.",
            window(result.get("asked_to_close")?)?
        )),
        "workspace.switch" => Some(format!(
            "Workspace {:.0} is on the screen.",
            number(result, &["workspace"])?
        )),
        "screen.capture" => screen_capture(result),
        "screen.lock" => Some("The screen is locked.".to_owned()),
        "volume.set" => {
            let percent = number(result, &["percent"])?;
            Some(if result["muted"] == true || percent == 0.0 {
                "It is silent now.".to_owned()
            } else {
                format!("The volume is at {percent:.0} % now.")
            })
        }
        "brightness.set" => Some(format!(
            "The brightness is at {:.0} % now.",
            number(result, &["percent"])?
        )),
        "network.status" => network(result),
        "network.set" => Some(format!(
            "{} {}",
            if arguments["enabled"] == true {
                "I switched the network on."
            } else {
                "I switched the network off."
            },
            network(result)?
        )),
        _ => None,
    }
}

fn switching(arguments: &Value) -> &'static str {
    match arguments["enabled"].as_bool() {
        Some(true) => "switch the network on",
        Some(false) => "switch the network off",
        None => "switch the network",
    }
}

fn plain_number(arguments: &Value, key: &str) -> String {
    number(arguments, &[key]).map_or_else(|| "?".to_owned(), |n| format!("{n:.0}"))
}

fn window(window: &Value) -> Option<String> {
    let app = text(window, &["app"])?;
    let title = text(window, &["title"]).unwrap_or_default();
    Some(match (app.is_empty(), title.is_empty()) {
        (false, false) => format!("**{}** “{}”", plain(app), plain(title)),
        (true, false) => format!("“{}”", plain(title)),
        (false, true) => format!("**{}**", plain(app)),
        (true, true) => format!("Window {:.0}", number(window, &["window"])?),
    })
}

fn windows_list(result: &Value) -> Option<String> {
    let windows = list(result, &["windows"])?;
    if windows.is_empty() {
        return Some("No window is open.".to_owned());
    }
    let mut out = format!(
        "{}:\n",
        match windows.len() {
            1 => "One window is open".to_owned(),
            many => format!("{} are open", counted(many, "window")),
        }
    );
    for entry in windows.iter().take(MAX_SHOWN) {
        let _ = write!(out, "\n- {}", window(entry)?);
        let _ = write!(
            out,
            ", workspace {:.0}",
            number(entry, &["workspace"]).unwrap_or(1.0)
        );
        if entry["focused"] == true {
            out.push_str(" *(in front)*");
        }
    }
    let hidden = windows.len().saturating_sub(MAX_SHOWN);
    if hidden > 0 || result["truncated"] == true {
        out.push_str("\n\n… and more.");
    }
    Some(out)
}

fn screen_capture(result: &Value) -> Option<String> {
    // The person's own path: inside of a sandbox is nowhere they can look.
    let path = text(result, &["outside", "path"])?;
    let mut out = format!("I took a picture: {}", code(path));
    if let (Some(width), Some(height)) = (number(result, &["width"]), number(result, &["height"])) {
        let _ = write!(out, " ({width:.0} by {height:.0}");
        if let Some(bytes) = number(result, &["bytes"]) {
            let _ = write!(out, ", {}", size(bytes));
        }
        out.push(')');
    }
    out.push('.');
    Some(out)
}

fn network(result: &Value) -> Option<String> {
    let enabled = result["enabled"].as_bool()?;
    if !enabled {
        return Some("The network is off: this machine has no link to others.".to_owned());
    }
    let links: Vec<&Value> = list(result, &["links"])?
        .iter()
        .filter(|link| link["kind"] != "loopback")
        .collect();
    if links.is_empty() {
        return Some("The network is allowed, and this machine has no link to others.".to_owned());
    }
    let mut out = "The network is allowed. Links:\n".to_owned();
    for link in links.iter().take(MAX_SHOWN) {
        let state = match (link["up"] == true, link["connected"] == true) {
            (true, true) => "connected",
            (true, false) => "on, nothing at the other end",
            (false, _) => "off",
        };
        let _ = write!(
            out,
            "\n- **{}** – {state}",
            plain(text(link, &["link"]).unwrap_or("?"))
        );
        let addresses: Vec<String> = list(link, &["addresses"])
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(code)
            .collect();
        if !addresses.is_empty() {
            let _ = write!(out, ", {}", addresses.join(", "));
        }
    }
    if list(result, &["default_routes"]).is_none_or(Vec::is_empty) {
        out.push_str("\n\nNone of them leads to the internet.");
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_title_is_shown_and_not_interpreted() {
        let result = json!({"windows": [
            {"window": 1, "app": "foot", "title": "[click](https://x) *now*", "workspace": 1, "focused": true},
            {"window": 2, "app": "", "title": "", "workspace": 2, "focused": false},
        ], "truncated": false});
        let told = success("windows.list", &json!({}), &result).unwrap();
        assert!(told.starts_with("2 windows are open:"), "{told}");
        assert!(!told.contains("[click](https"), "{told}");
        assert!(told.contains("Window 2, workspace 2"), "{told}");
        assert!(told.contains("*(in front)*"), "{told}");
    }

    #[test]
    fn what_was_done_is_said_as_it_is_now() {
        let nothing = json!({});
        for (tool, arguments, result, said) in [
            (
                "volume.set",
                json!({"percent": 30}),
                json!({"percent": 31, "muted": false}),
                "31 %",
            ),
            (
                "volume.set",
                json!({"percent": 0}),
                json!({"percent": 0, "muted": false}),
                "silent",
            ),
            (
                "screen.capture",
                nothing.clone(),
                json!({"path": "/workspace/x.png", "outside": "/home/a/x.png", "width": 4, "height": 2, "bytes": 9}),
                "/home/a/x.png",
            ),
            (
                "screen.lock",
                nothing.clone(),
                json!({"locked": true}),
                "locked",
            ),
            (
                "network.status",
                nothing.clone(),
                json!({"enabled": false, "links": []}),
                "off",
            ),
            (
                "network.set",
                json!({"enabled": true}),
                json!({"enabled": true, "links": [{"link": "eth0", "kind": "ethernet", "up": true, "connected": true, "addresses": ["10.0.2.15/24"]}], "default_routes": []}),
                "None of them leads to the internet",
            ),
        ] {
            let told = success(tool, &arguments, &result).unwrap();
            assert!(told.contains(said), "{tool}: {told}");
            assert!(intent(tool, &arguments).is_some(), "{tool}");
        }
        assert_eq!(success("windows.list", &nothing, &nothing), None);
    }
}
