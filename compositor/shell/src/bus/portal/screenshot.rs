//! `org.freedesktop.impl.portal.Screenshot`: a picture of the screen for a program, or one colour of it.
//!
//! The picture is taken first and then shown in the question, so that the person sees what would be
//! given away, and the question is not in it. Without a question it is given only where the front end
//! has the person's standing permission and the program does not ask for a choice.
//!
//! A colour needs no question: the person gives it by picking it, and nothing else of the screen leaves this process.

use std::path::PathBuf;

use tokio::sync::Mutex;
use zbus::fdo;
use zbus::message::Header;
use zbus::wire::{OwnedObjectPath, OwnedVariant, Variant};

use super::desk::{Asked, Waiting};
use super::{Answer, CANCELLED, Desk, OTHER, Question, Results, SUCCESS, options};
use crate::capture::{self, Picture};
use crate::parts::chooser::places;
use crate::parts::consent;
use crate::tr;

/// The longest side of the picture in the question, in pixels.
const PREVIEW: u32 = 1100;

#[derive(Debug)]
pub(super) struct Screenshot {
    desk: Desk,
    /// Held while a colour is picked: that takes all screens.
    picking: Mutex<()>,
}

#[zbus::interface(name = "org.freedesktop.impl.portal.Screenshot")]
impl Screenshot {
    /// Takes a picture of all screens, and returns the URI of its file.
    async fn screenshot(
        &self,
        handle: OwnedObjectPath,
        app_id: String,
        parent_window: String,
        options: Results,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &zbus::Connection,
    ) -> fdo::Result<(u32, Results)> {
        let flag = |name| options::flag(&options, name).unwrap_or(false);
        let asks = flag("interactive") || !flag("permission_store_checked");
        let waiting = Waiting::new(connection, &header, handle).await?;
        let answer = self
            .answer(app_id, &parent_window, &options, asks, &waiting)
            .await;
        waiting.over().await;
        Ok(match answer {
            Ok(Some(file)) => {
                let uri = OwnedVariant::try_from(Variant::from(options::uri(&file)))?;
                (SUCCESS, Results::from([("uri".to_owned(), uri)]))
            }
            Ok(None) => (CANCELLED, Results::new()),
            Err(why) => {
                tracing::warn!("no picture of the screen: {why}");
                (OTHER, Results::new())
            }
        })
    }

    /// Has the person pick a pixel, and returns its colour: red, green and blue of sRGB, from 0 to 1.
    async fn pick_color(
        &self,
        handle: OwnedObjectPath,
        app_id: String,
        parent_window: String,
        options: Results,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &zbus::Connection,
    ) -> fdo::Result<(u32, Results)> {
        let waiting = Waiting::new(connection, &header, handle).await?;
        let answer = self.pick(app_id, &parent_window, &options, &waiting).await;
        waiting.over().await;
        Ok(match answer {
            Ok(Some(colour)) => {
                let [red, green, blue] = colour.map(|part| f64::from(part) / 255.0);
                let colour = OwnedVariant::try_from(Variant::from((red, green, blue)))?;
                (SUCCESS, Results::from([("color".to_owned(), colour)]))
            }
            Ok(None) => (CANCELLED, Results::new()),
            Err(why) => {
                tracing::warn!("no colour of the screen: {why}");
                (OTHER, Results::new())
            }
        })
    }

    /// The interface's version: from 2 on it may be told that the person was asked before.
    #[zbus(property(emits_changed_signal = "const"), name = "version")]
    fn version(&self) -> u32 {
        2
    }
}

impl Screenshot {
    pub(super) fn new(desk: Desk) -> Self {
        Self {
            desk,
            picking: Mutex::default(),
        }
    }

    async fn pick(
        &self,
        app: String,
        parent: &str,
        options: &Results,
        waiting: &Waiting,
    ) -> Result<Option<[u8; 3]>, String> {
        let Ok(_picking) = self.picking.try_lock() else {
            return Err("another one is being picked; one at a time".to_owned());
        };
        let screens = on_a_thread(|| capture::screens().map_err(|error| error.to_string())).await?;
        self.desk.speak();
        let asked = Asked {
            title: tr!("pick-title"),
            parent: options::parent(parent),
            modal: options::flag(options, "modal").unwrap_or(true),
            question: Question::Colour { app, screens },
        };
        match self.desk.ask(self.desk.number(), asked, waiting).await {
            Some(Answer::Colour(colour)) => Ok(Some(colour)),
            Some(_) => Ok(None),
            None => Err("the request was closed".to_owned()),
        }
    }

    async fn answer(
        &self,
        app: String,
        parent: &str,
        options: &Results,
        asks: bool,
        waiting: &Waiting,
    ) -> Result<Option<PathBuf>, String> {
        let picture = on_a_thread(|| capture::screen().map_err(|error| error.to_string())).await?;
        if asks {
            let (handle, picture_size) = (picture.smaller(PREVIEW), picture.size());
            self.desk.speak();
            let asked = Asked {
                title: tr!("screenshot-title"),
                parent: options::parent(parent),
                modal: options::flag(options, "modal").unwrap_or(true),
                question: Question::Consent(Box::new(consent::Request {
                    app,
                    title: tr!("screenshot-asks"),
                    subtitle: String::new(),
                    body: tr!("screenshot-about"),
                    grant: tr!("screenshot-yes"),
                    deny: tr!("screenshot-no"),
                    choices: Vec::new(),
                    picture: Some(consent::Picture {
                        handle,
                        size: picture_size,
                    }),
                })),
            };
            match self.desk.ask(self.desk.number(), asked, waiting).await {
                Some(Answer::Yes(_)) => {}
                Some(_) => return Ok(None),
                None => return Err("the request was closed".to_owned()),
            }
        }
        let folder = places::pictures().ok_or("there is no home to put it into")?;
        on_a_thread(move || {
            save(&picture, &folder).map_err(|error| format!("{}: {error}", folder.display()))
        })
        .await
        .map(Some)
    }
}

pub(super) async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| error.to_string())?
}

/// Puts a picture into a file of its own, named by the time.
fn save(picture: &Picture, folder: &std::path::Path) -> std::io::Result<PathBuf> {
    use std::io::Write;
    std::fs::create_dir_all(folder)?;
    let now = jiff::Zoned::now().strftime("Screenshot %Y-%m-%d %H-%M-%S");
    let png = picture.png()?;
    let mut last = None;
    for number in 1..100 {
        let name = match number {
            1 => format!("{now}.png"),
            number => format!("{now} ({number}).png"),
        };
        let path = folder.join(name);
        let made = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path);
        match made {
            Ok(mut file) => {
                let written = file.write_all(&png).and_then(|()| file.sync_all());
                if let Err(error) = written {
                    // Half a picture is none.
                    let _ = std::fs::remove_file(&path);
                    return Err(error);
                }
                return Ok(path);
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => last = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(last.unwrap_or_else(|| std::io::ErrorKind::AlreadyExists.into()))
}
