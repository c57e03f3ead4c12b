//! Windows, workspaces, appearance.

use argos_bus::compositor::Compositor1Proxy;
use argos_bus::shell::Shell1Proxy;
use serde_json::json;

use crate::args::DesktopCommand;
use crate::bus;
use crate::failure::Result;
use crate::output::{Cell, Output, Tone};

pub(crate) async fn run(out: Output, command: DesktopCommand) -> Result {
    let bus = bus::session().await?;
    let compositor = Compositor1Proxy::new(&bus).await?;
    match command {
        DesktopCommand::Windows => {
            let windows = compositor.list_windows().await?;
            if out.json {
                return out.value(&json!(windows));
            }
            let rows: Vec<_> = windows
                .iter()
                .map(|window| {
                    let tone = if window.focused {
                        Tone::Good
                    } else {
                        Tone::Plain
                    };
                    [
                        Cell::from(window.id.to_string()),
                        window.workspace.to_string().into(),
                        if window.focused { "*" } else { "" }.into(),
                        Cell::toned(window.app_id.as_str(), tone),
                        window.title.as_str().into(),
                    ]
                })
                .collect();
            out.table(["ID", "WORKSPACE", "", "APPLICATION", "TITLE"], &rows)
        }
        DesktopCommand::Focus { window } => Ok(compositor.focus_window(window).await?),
        DesktopCommand::Close { window } => Ok(compositor.close_window(window).await?),
        DesktopCommand::Workspace {
            number: Some(number),
        } => Ok(compositor.activate_workspace(number).await?),
        DesktopCommand::Workspace { number: None } => {
            let (active, count) = (
                compositor.active_workspace().await?,
                compositor.workspaces().await?,
            );
            if out.json {
                return out.value(&json!({"active": active, "count": count}));
            }
            out.line(format!("{active} of {count}"))
        }
        DesktopCommand::Theme { name: Some(name) } => {
            Ok(Shell1Proxy::new(&bus).await?.set_theme(&name).await?)
        }
        DesktopCommand::Theme { name: None } => {
            let theme = Shell1Proxy::new(&bus).await?.theme().await?;
            if out.json {
                out.value(&json!({"theme": theme}))
            } else {
                out.line(theme)
            }
        }
        DesktopCommand::Lock => Ok(compositor.lock().await?),
        DesktopCommand::Toggle { part } => Ok(Shell1Proxy::new(&bus).await?.toggle(&part).await?),
    }
}
