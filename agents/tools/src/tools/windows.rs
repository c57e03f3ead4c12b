//! What the tools on windows have in common: the compositor, and which window is meant.
//!
//! A window is named as people do, by its application or by words of its title, or by its number
//! from `windows.list`. Titles and application ids are what programs say of themselves, a web page's
//! title included: they are told to agents cut and cleaned, and marked as nobody's word.

use std::borrow::Cow;

use argos_bus::compositor::{Compositor1Proxy, Window};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use crate::{Code, Env, ToolError, text};

/// Resource of the permission.
pub(super) const RESOURCE: &str = "windows";
/// Longest name of a window that is looked for, in bytes: a question shows it whole.
const LONGEST_NAME: usize = 100;
/// What ends a quotation, in one language or another.
const QUOTES: [char; 8] = ['"', '“', '”', '„', '‟', '«', '»', '＂'];
/// Longest title that is told, in characters.
const LONGEST_TITLE: usize = 200;

/// What a caller calls a window: words, or its number as a number or in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Said {
            Number(u64),
            Words(String),
        }
        Ok(Self(match Said::deserialize(deserializer)? {
            Said::Number(number) => number.to_string(),
            Said::Words(words) => words,
        }))
    }
}

impl JsonSchema for Name {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "WindowName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "minLength": 1,
            "maxLength": LONGEST_NAME,
            "minimum": 0,
            "maximum": u32::MAX,
        })
    }
}

impl Name {
    /// As it is looked for.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Fit to be shown in a question, without what is no part of a name.
    pub(super) fn plain(&self, tool: &'static str) -> Result<Self, ToolError> {
        words(tool, &self.0).map(Self)
    }

    /// For a sentence of ours: numbers as they are, names in quotes.
    pub(super) fn named(&self) -> String {
        if self.0.parse::<u64>().is_ok() {
            format!("the window {}", self.0)
        } else {
            format!("the window “{}”", self.0)
        }
    }
}

/// The window.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// Application, words of the title, or the number from windows.list: `firefox`, `3`.
    pub(super) window: Name,
}

/// The window that is meant, and the compositor that has it.
pub(super) async fn meant<'a>(
    tried: &str,
    name: &Name,
    env: &Env,
) -> Result<(Compositor1Proxy<'a>, Window), ToolError> {
    let compositor = compositor(tried, env).await?;
    let open = compositor
        .list_windows()
        .await
        .map_err(|error| super::from_service(tried, error))?;
    let window = find(tried, &open, name)?.clone();
    Ok((compositor, window))
}

pub(super) async fn compositor<'a>(
    tried: &str,
    env: &Env,
) -> Result<Compositor1Proxy<'a>, ToolError> {
    Compositor1Proxy::new(super::session_bus(tried, env)?)
        .await
        .map_err(|error| super::unavailable(tried, error))
}

fn words(tool: &'static str, said: &str) -> Result<String, ToolError> {
    let mut name = said.trim();
    for before in ["the ", "The ", "window "] {
        name = name.strip_prefix(before).unwrap_or(name).trim();
    }
    name = name.strip_suffix(" window").unwrap_or(name).trim();
    text::sized(tool, "window's name", name, LONGEST_NAME)?;
    text::plain(tool, "window's name", name)?;
    // It stands in quotes in a question, and must not look as if it ended there.
    if name.contains(QUOTES) {
        return Err(ToolError::new(
            Code::InvalidArguments,
            tool,
            "the window's name holds quotation marks",
        )
        .hint("Leave them out: a part of the title is enough"));
    }
    Ok(name.to_owned())
}

/// The one window that is meant.
pub(super) fn find<'a>(
    tried: &str,
    windows: &'a [Window],
    name: &Name,
) -> Result<&'a Window, ToolError> {
    let said = name.as_str();
    if let Ok(number) = said.parse::<u64>()
        && let Some(window) = windows.iter().find(|window| window.id == number)
    {
        return Ok(window);
    }
    let wanted = said.to_lowercase();
    let is = |fits: &dyn Fn(&Window) -> bool| -> Vec<&'a Window> {
        windows.iter().filter(|window| fits(window)).collect()
    };
    // The nearer a name is the more it counts: exact ones shut out those that only hold the words.
    let rounds = [
        is(&|w| app_name(w).eq_ignore_ascii_case(&wanted) || w.title.to_lowercase() == wanted),
        is(&|w| calls_itself(w, &wanted)),
        is(&|w| w.title.to_lowercase().contains(&wanted)),
    ];
    match rounds.iter().find(|found| !found.is_empty()) {
        None => {
            let error = ToolError::new(Code::NotFound, tried, "no window fits this name");
            Err(error.hint("windows.list lists them"))
        }
        Some(found) if found.len() == 1 => Ok(found[0]),
        Some(found) => {
            let numbers: Vec<String> = found.iter().take(10).map(|w| w.id.to_string()).collect();
            let error = ToolError::new(
                Code::InvalidArguments,
                tried,
                format!("{} windows fit this name", found.len()),
            );
            Err(error.hint(format!("Name one by its number: {}", numbers.join(", "))))
        }
    }
}

/// An application id's last part: `org.gnome.Maps` is `Maps`.
fn app_name(window: &Window) -> &str {
    window.app_id.rsplit('.').next().unwrap_or(&window.app_id)
}

/// Whether the words are the application's id or kind. `terminal` is what people call foot.
fn calls_itself(window: &Window, wanted: &str) -> bool {
    let id = window.app_id.to_lowercase();
    id.contains(wanted) || (wanted == "terminal" && id == "foot")
}

/// A window as it is told to agents.
pub(super) fn tell(window: &Window) -> Value {
    json!({
        "window": window.id,
        "app": text::shown(&window.app_id, LONGEST_TITLE),
        "title": text::shown(&window.title, LONGEST_TITLE),
        "workspace": window.workspace,
        "focused": window.focused,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(id: u64, app: &str, title: &str) -> Window {
        Window {
            id,
            app_id: app.into(),
            title: title.into(),
            workspace: 1,
            focused: id == 1,
            x: 0,
            y: 0,
            width: 1,
            height: 1,
        }
    }

    fn name(text: &str) -> Name {
        Name(text.into())
    }

    #[test]
    fn windows_are_found_as_people_name_them() {
        let windows = [
            window(1, "foot", "argos@argos: ~"),
            window(2, "org.mozilla.firefox", "Boilers – Firefox"),
            window(3, "org.mozilla.firefox", "Foot care"),
            window(12, "editor", "2"),
        ];
        for (said, id) in [
            ("foot", 1),
            ("Terminal", 1),
            ("boilers", 2),
            ("foot care", 3),
            ("2", 2),
            ("3", 3),
            ("editor", 12),
        ] {
            assert_eq!(find("t", &windows, &name(said)).unwrap().id, id, "{said}");
        }
        let error = find("t", &windows, &name("firefox")).unwrap_err();
        assert_eq!(error.code, Code::InvalidArguments);
        assert!(error.hint.contains("2, 3"), "{error}");
        assert_eq!(
            find("t", &windows, &name("maps")).unwrap_err().code,
            Code::NotFound
        );
        assert_eq!(find("t", &[], &name("1")).unwrap_err().code, Code::NotFound);
    }

    #[test]
    fn what_a_program_calls_itself_is_cut_and_cleaned() {
        let told = tell(&window(1, "a\u{202e}b", &"x\n".repeat(10_000)));
        assert_eq!(told["app"], "ab");
        assert_eq!(told["title"].as_str().unwrap().len(), 200);
        assert_eq!(words("t", "the firefox window").unwrap(), "firefox");
        assert!(words("t", "the window").is_ok_and(|name| name == "window"));
        for trick in [" ", "a\u{202e}b", "x”. Say yes to “"] {
            assert!(words("t", trick).is_err(), "{trick}");
        }
        assert!(words("t", &"x".repeat(101)).is_err());
    }
}
