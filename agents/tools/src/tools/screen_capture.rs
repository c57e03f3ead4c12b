//! `screen.capture`: a picture of the screen or of one window, as a file.
//!
//! The compositor draws it, without prompts and pointer, and gives it to the broker alone
//! (`services/bus/src/compositor.rs`). It goes into a file and not into the result: a screen has
//! hundreds of kilobytes, more than an agent's socket takes in one message, and most agents want to
//! hand a picture on rather than read it as text. An agent finds it in its own workspace, which the
//! agent may fill with links while this happens: the file is made anew in the folder itself.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use argos_bus::compositor::Capture;
use futures_util::future::BoxFuture;
use rustix::fs::{AtFlags, Mode, OFlags, SealFlags, fcntl_get_seals, openat, unlinkat};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Definition, windows};
use crate::beneath::open_folder;
use crate::tool::Resolved;
use crate::{Action, Call, Code, Context, Env, ToolError, Verdict};

/// The largest picture that is taken from the compositor.
const MOST_BYTES: u64 = 64 << 20;
/// How many pictures of one second get a name.
const MOST_NAMES: u32 = 100;

pub(crate) struct ScreenCapture;

/// What to take a picture of.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// One window: application, words of the title, or the number from windows.list. The whole
    /// screen where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    window: Option<windows::Name>,
}

impl Definition for ScreenCapture {
    const NAME: &'static str = "screen.capture";
    const DESCRIPTION: &'static str = "Takes a picture of the screen or of one window";
    const ACTION: Action = Action::Read;
    const DEFAULT: Verdict = Verdict::Confirm;
    type Arguments = Arguments;

    fn resolve(arguments: Arguments, _: &Context) -> Result<Resolved, ToolError> {
        let window = match &arguments.window {
            Some(name) => Some(name.plain(Self::NAME)?),
            None => None,
        };
        let summary = match &window {
            Some(window) => format!("Take a picture of {}.", window.named()),
            None => "Take a picture of all that is on the screen.".to_owned(),
        };
        Resolved::new(&Arguments { window }, "screen", summary, Self::DEFAULT)
    }

    fn execute<'a>(call: &'a Call, env: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(async move {
            let arguments: Arguments = super::arguments_of(Self::NAME, call.arguments.clone())?;
            let tried = match &arguments.window {
                Some(name) => format!("{} {}", Self::NAME, name.as_str()),
                None => Self::NAME.to_owned(),
            };
            let place = Place::of(&tried, &env.context)?;
            let failed = |error| super::from_service(tried.as_str(), error);
            let (compositor, window) = match &arguments.window {
                Some(name) => {
                    let (compositor, window) = windows::meant(&tried, name, env).await?;
                    (compositor, window.id)
                }
                None => (windows::compositor(&tried, env).await?, 0),
            };
            let capture = compositor.capture(window).await.map_err(failed)?;
            let (width, height, bytes) = (capture.width, capture.height, capture.bytes);
            let (place, name) = {
                let tried = tried.clone();
                super::blocking(Self::NAME, move || {
                    let name = place.keep(&tried, capture)?;
                    Ok((place, name))
                })
                .await?
            };
            let mut result = json!({
                "path": place.seen.join(&name),
                "media_type": "image/png",
                "width": width,
                "height": height,
                "bytes": bytes,
            });
            if place.seen != place.folder {
                result["outside"] = place.folder.join(&name).to_string_lossy().into();
            }
            Ok(result)
        })
    }
}

/// Where a picture goes.
struct Place {
    /// The folder.
    folder: PathBuf,
    /// The same, as whoever called sees it.
    seen: PathBuf,
}

impl Place {
    /// An agent's workspace; the person's pictures.
    fn of(tried: &str, context: &Context) -> Result<Self, ToolError> {
        if context.agent.is_none() {
            let folder = context.home.join("Pictures");
            return Ok(Self {
                seen: folder.clone(),
                folder,
            });
        }
        match &context.workspace {
            Some(folder) => Ok(Self {
                folder: folder.clone(),
                seen: "/workspace".into(),
            }),
            None => Err(ToolError::new(
                Code::Unavailable,
                tried,
                "this agent has no workspace to put a picture into",
            )),
        }
    }

    /// Writes the picture into a new file and returns its name.
    fn keep(&self, tried: &str, capture: Capture) -> Result<String, ToolError> {
        let picture = sealed(tried, capture)?;
        let failed = |error: &std::io::Error| {
            ToolError::io(
                format!("{tried}: keep the picture in {}", self.folder.display()),
                error,
            )
        };
        std::fs::create_dir_all(&self.folder).map_err(|error| failed(&error))?;
        let folder = open_place(&self.folder).map_err(|error| failed(&error))?;
        let now = jiff::Zoned::now().strftime("%Y-%m-%d %H-%M-%S").to_string();
        for number in 0..MOST_NAMES {
            let suffix = match number {
                0 => String::new(),
                more => format!(" ({more})"),
            };
            let name = format!("Screen {now}{suffix}.png");
            // EXCL follows no link and takes no file that is there.
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let made = openat(&folder, &name, flags, Mode::RUSR | Mode::WUSR);
            let file = match made {
                Ok(file) => file,
                Err(rustix::io::Errno::EXIST) => continue,
                Err(error) => return Err(failed(&error.into())),
            };
            let mut from = (&picture).take(MOST_BYTES);
            if let Err(error) = std::io::copy(&mut from, &mut File::from(file)) {
                // Half a picture is of use to nobody.
                let _ = unlinkat(&folder, &name, AtFlags::empty());
                return Err(failed(&error));
            }
            return Ok(name);
        }
        Err(ToolError::new(
            Code::LimitReached,
            tried,
            format!("{MOST_NAMES} pictures in one second"),
        ))
    }
}

/// The folder itself. Above it are the person's own folders, of which one may be a link.
fn open_place(folder: &Path) -> std::io::Result<OwnedFd> {
    match (folder.parent(), folder.file_name()) {
        (Some(above), Some(name)) => open_folder(&above.canonicalize()?.join(name)),
        _ => open_folder(folder),
    }
}

/// The compositor's file, if it is what it says: of that size, and nobody's to change any more.
fn sealed(tried: &str, capture: Capture) -> Result<File, ToolError> {
    let wrong = |why: String| ToolError::new(Code::Failed, tried, why);
    let file = File::from(OwnedFd::from(capture.png));
    let seals = fcntl_get_seals(&file)
        .map_err(|error| wrong(format!("the compositor gave no memory file: {error}")))?;
    if !seals.contains(SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW) {
        return Err(wrong("the compositor's picture is not sealed".to_owned()));
    }
    let is = file
        .metadata()
        .map_err(|error| ToolError::io(tried, &error))?
        .len();
    if is != capture.bytes || is > MOST_BYTES {
        return Err(wrong(format!(
            "the compositor's picture has {is} bytes; it said {}, and the most is {MOST_BYTES}",
            capture.bytes
        )));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use rustix::fs::{MemfdFlags, fcntl_add_seals, memfd_create};

    use super::*;

    fn capture(content: &[u8], seals: SealFlags) -> Capture {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let mut file = File::from(memfd_create("t", flags).unwrap());
        file.write_all(content).unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        fcntl_add_seals(&file, seals).unwrap();
        Capture {
            png: OwnedFd::from(file).into(),
            bytes: content.len() as u64,
            width: 1,
            height: 1,
        }
    }

    const SEALED: SealFlags = SealFlags::WRITE
        .union(SealFlags::SHRINK)
        .union(SealFlags::GROW);

    #[test]
    fn a_picture_follows_no_link_of_the_agents() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("workspace");
        std::fs::create_dir(&folder).unwrap();
        let target = home.path().join("precious");
        std::fs::write(&target, "mine").unwrap();
        // The agent puts links wherever the next seconds' pictures may go.
        let now = jiff::Zoned::now();
        for second in -2..60 {
            let at = &now + jiff::Span::new().seconds(second);
            let name = at.strftime("Screen %Y-%m-%d %H-%M-%S.png").to_string();
            std::os::unix::fs::symlink(&target, folder.join(name)).unwrap();
        }
        let place = Place {
            seen: "/workspace".into(),
            folder: folder.clone(),
        };
        let name = place.keep("t", capture(b"picture", SEALED)).unwrap();
        assert!(name.ends_with("(1).png"), "{name}");
        assert_eq!(std::fs::read(folder.join(&name)).unwrap(), b"picture");
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "mine");

        // Nor one that stands in the workspace's place.
        std::fs::remove_dir_all(&folder).unwrap();
        std::os::unix::fs::symlink(home.path(), &folder).unwrap();
        assert!(place.keep("t", capture(b"picture", SEALED)).is_err());
    }

    #[test]
    fn what_could_still_change_is_not_taken() {
        for (capture, why) in [
            (capture(b"x", SealFlags::empty()), "not sealed"),
            (
                Capture {
                    bytes: 2,
                    ..capture(b"x", SEALED)
                },
                "1 bytes; it said 2",
            ),
        ] {
            let error = sealed("t", capture).unwrap_err();
            assert!(error.why.contains(why), "{error}");
        }
    }
}
