//! `apps.launch`: starts an application, as the person's own program.

use argos_apps::App;
use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Definition;
use crate::tool::Resolved;
use crate::{Action, Call, Code, Context, Env, ToolError, Verdict, text};

pub(crate) struct AppsLaunch;

/// The application to start.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// Application: its id, its name, or what it is (`terminal`).
    #[schemars(length(min = 1, max = 200))]
    app: String,
    /// What to open with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    args: Option<String>,
}

impl Definition for AppsLaunch {
    const NAME: &'static str = "apps.launch";
    const DESCRIPTION: &'static str = "Starts an application";
    const ACTION: Action = Action::Launch;
    const DEFAULT: Verdict = Verdict::Ask;
    type Arguments = Arguments;

    fn resolve(arguments: Arguments, _: &Context) -> Result<Resolved, ToolError> {
        resolve(arguments, &argos_apps::list())
    }

    fn execute<'a>(call: &'a Call, _: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        let id = call.resource.clone();
        Box::pin(super::blocking(Self::NAME, move || {
            let tried = format!("apps.launch {id}");
            let apps = argos_apps::list();
            // By the exact id that was permitted; nothing is searched for again.
            let Some(app) = apps.iter().find(|app| app.id == id) else {
                return Err(ToolError::new(
                    Code::NotFound,
                    tried,
                    "it was removed meanwhile",
                ));
            };
            let unit = argos_apps::launch(app, &[])
                .map_err(|error| ToolError::new(Code::Failed, tried, error.to_string()))?;
            Ok(json!({"app": app.id, "name": app.name, "unit": unit}))
        }))
    }
}

fn resolve(arguments: Arguments, apps: &[App]) -> Result<Resolved, ToolError> {
    let tried = format!("apps.launch {:?}", text::shown(&arguments.app, 80));
    text::sized(&tried, "name of the application", &arguments.app, 200)?;
    text::plain(&tried, "name of the application", &arguments.app)?;
    if arguments
        .args
        .as_deref()
        .is_some_and(|args| !args.trim().is_empty())
    {
        // What a program takes for an option or a command (`foot FILE` runs it) must not come from
        // an agent; which applications take files is not known to `argos-apps` yet.
        return Err(ToolError::new(
            Code::InvalidArguments,
            tried,
            "opening something with an application is not built yet",
        )
        .hint("Call it without `args`, to start the application alone"));
    }
    let wanted = words(&arguments.app);
    let Some(app) = argos_apps::find(apps, &wanted) else {
        return Err(not_found(&tried, &wanted, apps));
    };
    text::plain(&tried, "application's id", &app.id)?;
    let name = text::shown(&app.name, 80);
    let summary = format!("Start the application {name}.");
    let arguments = Arguments {
        app: app.id.clone(),
        args: None,
    };
    Resolved::new(&arguments, app.id.clone(), summary, AppsLaunch::DEFAULT)
}

/// What was said, without what only makes it a sentence: `the terminal app` is `terminal`.
fn words(said: &str) -> String {
    let mut words: Vec<&str> = said.split_whitespace().collect();
    while words.len() > 1
        && ["the", "a", "an", "my", "up"]
            .iter()
            .any(|word| words[0].eq_ignore_ascii_case(word))
    {
        words.remove(0);
    }
    while words.len() > 1
        && ["app", "application", "program", "window", "please"]
            .iter()
            .any(|word| {
                words[words.len() - 1]
                    .trim_end_matches('.')
                    .eq_ignore_ascii_case(word)
            })
    {
        words.pop();
    }
    words.join(" ")
}

fn not_found(tried: &str, wanted: &str, apps: &[App]) -> ToolError {
    let error = ToolError::new(
        Code::NotFound,
        tried,
        "no installed application is called that",
    );
    let mut near: Vec<(f64, &str)> = apps
        .iter()
        .map(|app| {
            (
                strsim::jaro_winkler(&app.name.to_lowercase(), &wanted.to_lowercase()),
                app.name.as_str(),
            )
        })
        .filter(|(score, _)| *score > 0.75)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    let near: Vec<String> = near
        .into_iter()
        .take(3)
        .map(|(_, name)| text::shown(name, 80))
        .collect();
    if near.is_empty() {
        error.hint("apps.list lists what is installed")
    } else {
        error.hint(format!("Did you mean {}?", near.join(" or ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(id: &str, name: &str, generic_name: &str) -> App {
        App {
            id: id.into(),
            name: name.into(),
            generic_name: generic_name.into(),
            exec: vec!["/bin/true".into()],
            ..App::default()
        }
    }

    fn launch(said: &str, args: Option<&str>) -> Result<Resolved, ToolError> {
        let apps = [
            app("foot", "Foot", "Terminal"),
            app("org.x.Editor", "Text Editor", ""),
        ];
        resolve(
            Arguments {
                app: said.to_owned(),
                args: args.map(str::to_owned),
            },
            &apps,
        )
    }

    #[test]
    fn what_people_say_finds_the_application() {
        for said in [
            "terminal",
            "the terminal",
            "Terminal",
            "my terminal app",
            "foot",
            "Foot",
        ] {
            assert_eq!(launch(said, None).unwrap().resource, "foot", "{said}");
        }
        assert_eq!(
            launch("text editor", None).unwrap().resource,
            "org.x.Editor"
        );
    }

    #[test]
    fn what_is_not_there_is_not_found_with_near_names() {
        let error = launch("text edtor", None).unwrap_err();
        assert_eq!(error.code, Code::NotFound);
        assert!(error.hint.contains("Text Editor"), "{error}");
        assert_eq!(
            launch("a\u{202e}b", None).unwrap_err().code,
            Code::InvalidArguments
        );
    }

    #[test]
    fn arguments_are_refused_with_a_reason() {
        assert_eq!(
            launch("foot", Some("-e rm")).unwrap_err().code,
            Code::InvalidArguments
        );
        assert!(launch("foot", Some("")).is_ok());
    }
}
