//! `theme.set`: how the desktop looks.

use argos_bus::shell::Shell1Proxy;
use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Definition;
use crate::tool::Resolved;
use crate::{Action, Call, Code, Context, Env, ToolError, Verdict};

pub(crate) struct ThemeSet;

/// The theme to set.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// Theme's name: `dark`, `light`.
    #[schemars(length(min = 1, max = 64))]
    theme: String,
}

impl Definition for ThemeSet {
    const NAME: &'static str = "theme.set";
    const DESCRIPTION: &'static str = "Sets the desktop's theme";
    const ACTION: Action = Action::Control;
    const DEFAULT: Verdict = Verdict::Allow;
    const WAITS: bool = false;
    type Arguments = Arguments;

    fn resolve(arguments: Arguments, _: &Context) -> Result<Resolved, ToolError> {
        let theme = words(&arguments.theme);
        // A theme is a file by this name, so only what a name can be gets through.
        let fits = !theme.is_empty()
            && theme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
        if !fits {
            return Err(ToolError::new(
                Code::InvalidArguments,
                Self::NAME,
                "this is no name of a theme",
            )
            .hint("Names are like `dark` and `light`"));
        }
        let summary = format!("Set the desktop's theme to {theme}.");
        Resolved::new(&Arguments { theme }, "appearance", summary, Self::DEFAULT)
    }

    fn execute<'a>(call: &'a Call, env: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(async move {
            let arguments: Arguments = super::arguments_of(Self::NAME, call.arguments.clone())?;
            let tried = format!("theme.set {}", arguments.theme);
            let shell = Shell1Proxy::new(super::session_bus(&tried, env)?)
                .await
                .map_err(|error| super::unavailable(&tried, error))?;
            shell
                .set_theme(&arguments.theme)
                .await
                .map_err(|error| super::from_service(tried.as_str(), error))?;
            Ok(json!({"theme": arguments.theme}))
        })
    }
}

/// What was said, as a theme's name: `the dark mode` is `dark`.
fn words(said: &str) -> String {
    let mut name = said.trim().to_lowercase();
    for article in ["the ", "a "] {
        name = name.strip_prefix(article).unwrap_or(&name).to_owned();
    }
    for kind in [" mode", " theme", " one"] {
        name = name.strip_suffix(kind).unwrap_or(&name).to_owned();
    }
    name.trim().replace(' ', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn themes_are_named_as_people_say_them() {
        for (said, name) in [
            ("dark", "dark"),
            ("the Dark mode", "dark"),
            ("light theme", "light"),
            ("High Contrast", "high-contrast"),
        ] {
            assert_eq!(words(said), name);
        }
    }
}
