//! Windows, workspaces, appearance.

use std::collections::HashMap;
use std::os::unix::process::CommandExt;
use std::process::Command;

use argos_bus::compositor::{self, Compositor1Proxy};
use argos_bus::portal::{self, ScreenshotProxy};
use argos_bus::recorder::{self, Recorder1Proxy, Region, Source, Wish};
use argos_bus::shell::{Part, Shell1Proxy};
use futures_util::StreamExt;
use serde_json::json;
use zbus::{Connection, ObjectPath};

use crate::args::{DesktopCommand, RecordArgs, Switch, Warmth};
use crate::bus;
use crate::failure::{Failure, Result, Status};
use crate::output::{Cell, Output, Tone};

pub(crate) async fn run(out: Output, command: DesktopCommand) -> Result {
    let command = match command {
        DesktopCommand::Record(args) if !args.stop => return record(out, *args),
        command => command,
    };
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
        DesktopCommand::NightLight {
            warmth: Some(warmth),
        } => {
            let (on, temperature) = match warmth {
                Warmth::On => (true, 0),
                Warmth::Off => (false, 0),
                Warmth::At(kelvin) => (true, kelvin),
            };
            Ok(compositor.set_night_light(on, temperature).await?)
        }
        DesktopCommand::NightLight { warmth: None } => {
            let (on, kelvin) = (
                compositor.night_light().await?,
                compositor.night_temperature().await?,
            );
            if out.json {
                return out.value(&json!({"on": on, "temperature": kelvin}));
            }
            out.line(if on {
                format!("on, {kelvin} K")
            } else {
                "off".to_owned()
            })
        }
        DesktopCommand::Zoom {
            factor: Some(factor),
        } => Ok(compositor.set_zoom(factor).await?),
        DesktopCommand::Zoom { factor: None } => {
            let factor = compositor.zoom().await?;
            if out.json {
                return out.value(&json!({"zoom": factor}));
            }
            out.line(factor.to_string())
        }
        DesktopCommand::Outputs { follow } => outputs(out, &compositor, follow).await,
        DesktopCommand::PickColor => pick_colour(out, &bus).await,
        DesktopCommand::Record(_) => stop_recording(out, &bus).await,
        DesktopCommand::Latency { switch } => {
            let on = switch != Some(Switch::Off);
            let measured = compositor.measure_keys(on).await?;
            if out.json {
                return out.value(&json!(measured));
            }
            let rows: Vec<_> = measured
                .iter()
                .map(|key| {
                    [
                        Cell::from(format!("{:.1}", key.milliseconds)),
                        if key.appeared { "appeared" } else { "changed" }.into(),
                        key.surface.as_str().into(),
                    ]
                })
                .collect();
            out.table(["MS", "", "SURFACE"], &rows)
        }
        DesktopCommand::Lock => Ok(compositor.lock().await?),
        DesktopCommand::Toggle { part } => Ok(Shell1Proxy::new(&bus).await?.toggle(&part).await?),
        DesktopCommand::Parts {
            restart: Some(part),
        } => Ok(Shell1Proxy::new(&bus).await?.restart_part(&part).await?),
        DesktopCommand::Parts { restart: None } => {
            parts(out, &Shell1Proxy::new(&bus).await?.list_parts().await?)
        }
        DesktopCommand::Settings { page } => {
            let part =
                page.map_or_else(|| "settings".to_owned(), |page| format!("settings/{page}"));
            Ok(Shell1Proxy::new(&bus).await?.toggle(&part).await?)
        }
    }
}

async fn pick_colour(out: Output, bus: &Connection) -> Result {
    let handle = format!(
        "/org/freedesktop/portal/desktop/request/argos/{}",
        std::process::id()
    );
    let handle = ObjectPath::try_from(handle.as_str())?;
    let (response, results) = ScreenshotProxy::new(bus)
        .await?
        .pick_color(&handle, "argos", "", HashMap::new())
        .await?;
    let colour = results.get("color");
    let colour = colour.and_then(|colour| <(f64, f64, f64)>::try_from(&**colour).ok());
    match (response, colour) {
        (portal::SUCCESS, Some(colour)) => {
            let name = hex(colour);
            if out.json {
                return out.value(&json!({"color": name, "rgb": colour}));
            }
            out.line(name)
        }
        (portal::CANCELLED, _) => Err(Failure::new(Status::Denied, "no colour was picked")),
        _ => Err(Failure::new(Status::Failed, "no colour can be picked")
            .hint("`argos log --user portal` shows why; while the screen is locked, none can")),
    }
}

/// Becomes `argos-record`, which is beside this program: Ctrl-C is for it.
fn record(out: Output, args: RecordArgs) -> Result {
    let wish = serde_json::to_string(&wish(args)).map_err(|error| {
        // A path need not be text.
        Failure::new(Status::Failed, format!("the file's name: {error}"))
    })?;
    let program = bus::beside(recorder::PROGRAM);
    let json = out.json.then_some("--json");
    let error = Command::new(&program).args(json).arg(wish).exec();
    Err(Failure::new(
        Status::NotUp,
        format!("{} cannot be run: {error}", program.display()),
    ))
}

fn wish(args: RecordArgs) -> Wish {
    let source = match (args.output, args.window, args.region) {
        (Some(output), ..) => Source::Output(output),
        (_, Some(window), _) => Source::Window(window),
        (.., Some(region)) => Source::Region(region),
        _ => Source::Screen,
    };
    Wish {
        source,
        pointer: !args.no_pointer,
        rate: args.rate,
        seconds: args.seconds,
        file: args.file,
    }
}

async fn stop_recording(out: Output, bus: &Connection) -> Result {
    let recorder = Recorder1Proxy::new(bus).await?;
    let there = zbus::fdo::DBusProxy::new(bus)
        .await?
        .name_has_owner(recorder.inner().destination().clone())
        .await?;
    if !there {
        return Err(Failure::new(Status::NotFound, "nothing is being recorded")
            .hint("`argos desktop record` begins a recording"));
    }
    let outcome = recorder.stop().await?;
    if !outcome.error.is_empty() {
        return Err(Failure::new(Status::Failed, outcome.error));
    }
    if out.json {
        return out.value(&json!(outcome));
    }
    out.line(outcome.file)
}

/// Reads a part of the screen: `100,50,800,600`.
pub(crate) fn region(text: &str) -> std::result::Result<Region, String> {
    let wrong = || {
        format!(
            "`{text}` is no part of the screen; write left, upper, width and height: `100,50,800,600`"
        )
    };
    let numbers: Vec<&str> = text.split(',').map(str::trim).collect();
    let [x, y, width, height] = numbers[..] else {
        return Err(wrong());
    };
    let region = Region {
        x: x.parse().map_err(|_| wrong())?,
        y: y.parse().map_err(|_| wrong())?,
        width: width.parse().map_err(|_| wrong())?,
        height: height.parse().map_err(|_| wrong())?,
    };
    match region {
        Region { width: 0, .. } | Region { height: 0, .. } => Err(wrong()),
        region => Ok(region),
    }
}

/// Red, green and blue from 0 to 1 as `#rrggbb`.
fn hex((red, green, blue): (f64, f64, f64)) -> String {
    let byte = |part: f64| (part.clamp(0.0, 1.0) * 255.0).round() as u8;
    format!("#{:02x}{:02x}{:02x}", byte(red), byte(green), byte(blue))
}

fn parts(out: Output, parts: &[Part]) -> Result {
    if out.json {
        return out.value(&json!(parts));
    }
    let or_dash = |number: u32| match number {
        0 => "-".to_owned(),
        number => number.to_string(),
    };
    let rows: Vec<_> = parts
        .iter()
        .map(|part| {
            let tone = match part.state.as_str() {
                "up" => Tone::Good,
                "starting" | "stopping" | "waiting" => Tone::Busy,
                "disabled" | "stopped" => Tone::Faint,
                _ => Tone::Bad,
            };
            let about = match part.error.as_str() {
                "" => &part.description,
                error => error,
            };
            [
                Cell::from(part.name.as_str()),
                Cell::toned(part.state.as_str(), tone),
                or_dash(part.pid).into(),
                or_dash(part.restarts).into(),
                part.replaces.join(", ").into(),
                about.into(),
            ]
        })
        .collect();
    out.table(["PART", "STATE", "PID", "RESTARTS", "REPLACES", ""], &rows)
}

async fn outputs(out: Output, compositor: &Compositor1Proxy<'_>, follow: bool) -> Result {
    // Listened for first, so that none is missed in between.
    let mut added = compositor.receive_output_added().await?;
    let mut changed = compositor.receive_output_changed().await?;
    let mut removed = compositor.receive_output_removed().await?;
    let outputs = compositor.list_outputs().await?;
    if out.json {
        out.value(&json!(outputs))?;
    } else {
        let rows: Vec<_> = outputs.iter().map(row).collect();
        let head = ["OUTPUT", "MODE", "SCALE", "TURNED", "AT", "VARIABLE", ""];
        out.table(head, &rows)?;
    }
    while follow {
        tokio::select! {
            signal = added.next() => {
                happened(out, "added", signal.ok_or_else(gone)?.args()?.output())?;
            }
            signal = changed.next() => {
                happened(out, "changed", signal.ok_or_else(gone)?.args()?.output())?;
            }
            signal = removed.next() => {
                let signal = signal.ok_or_else(gone)?;
                let arguments = signal.args()?;
                let name = arguments.name();
                if out.json {
                    out.value(&json!({"event": "removed", "name": name}))?;
                } else {
                    out.line(format!("removed  {name}"))?;
                }
            }
        }
    }
    Ok(())
}

fn gone() -> Failure {
    Failure::new(Status::NotUp, "the desktop's message bus is gone")
        .hint("`argos status --user bus` shows what became of it")
}

fn row(output: &compositor::Output) -> [Cell; 7] {
    let hertz = f64::from(output.refresh) / 1000.0;
    [
        output.name.as_str().into(),
        format!("{}x{} at {hertz:.1} Hz", output.width, output.height).into(),
        output.scale.to_string().into(),
        output.transform.as_str().into(),
        format!("{},{}", output.x, output.y).into(),
        output.variable_refresh.as_str().into(),
        if output.dark { "dark" } else { "" }.into(),
    ]
}

fn happened(out: Output, event: &str, output: &compositor::Output) -> Result {
    if out.json {
        return out.value(&json!({"event": event, "output": output}));
    }
    let hertz = f64::from(output.refresh) / 1000.0;
    out.line(format!(
        "{event:8} {} {}x{} at {hertz:.1} Hz, scale {}, {}, at {},{}, variable refresh {}{}",
        output.name,
        output.width,
        output.height,
        output.scale,
        output.transform,
        output.x,
        output.y,
        output.variable_refresh,
        if output.dark { ", dark" } else { "" }
    ))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command as Asked};

    /// What a command line wishes, or what is wrong with it.
    fn wished(words: &[&str]) -> std::result::Result<Wish, String> {
        let line = ["argos", "desktop", "record"].iter().chain(words);
        match Cli::try_parse_from(line)
            .map_err(|error| error.to_string())?
            .command
        {
            Asked::Desktop {
                command: DesktopCommand::Record(args),
            } => Ok(wish(*args)),
            other => panic!("{other:?} is no recording"),
        }
    }

    #[test]
    fn what_is_recorded_is_said_by_at_most_one_option() {
        assert_eq!(wished(&[]).unwrap(), Wish::default());
        let part = Region {
            x: -100,
            y: 50,
            width: 800,
            height: 600,
        };
        for (words, source) in [
            (["--output", "eDP-1"], Source::Output("eDP-1".into())),
            (["--window", "4"], Source::Window(4)),
            (["--region", "-100,50,800,600"], Source::Region(part)),
        ] {
            assert_eq!(wished(&words).unwrap().source, source);
        }
        let all = wished(&["--no-pointer", "--rate", "5", "--seconds", "3", "a.mkv"]).unwrap();
        let wanted = Wish {
            pointer: false,
            rate: 5,
            seconds: Some(3),
            file: Some("a.mkv".into()),
            ..Wish::default()
        };
        assert_eq!(all, wanted);
        for (words, why) in [
            (&["--output", "a", "--window", "4"][..], "cannot be used"),
            (&["--window", "4", "--region", "1,1,1,1"], "cannot be used"),
            (&["--stop", "--seconds", "3"], "cannot be used"),
            (&["--stop", "a.mkv"], "cannot be used"),
            (&["--rate", "0"], "1..=120"),
            (&["--rate", "1000"], "1..=120"),
            (&["--seconds", "0"], "1..=86400"),
            (&["--window", "foot"], "invalid digit"),
            (&["--region", "1,2,3"], "100,50,800,600"),
            (&["--region", "1,2,3,0"], "100,50,800,600"),
            (&["--region", "1,2,3,-4"], "100,50,800,600"),
            (&["--region", "1,2,3,4,5"], "100,50,800,600"),
        ] {
            let said = wished(words).unwrap_err();
            assert!(said.contains(why), "{words:?}: {said}");
        }
    }

    #[test]
    fn colours_are_written_as_everywhere() {
        assert_eq!(hex((0.2, 0.4, 0.6)), "#336699");
        assert_eq!(hex((0.0, 1.0, 1.0 / 255.0)), "#00ff01");
        assert_eq!(hex((-1.0, 7.0, 0.5)), "#00ff80");
    }
}
