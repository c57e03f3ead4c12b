//! `org.freedesktop.impl.portal.AppChooser`: with which application something is opened.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use argos_apps::App;
use iced_widget::image::Handle;
use zbus::fdo;
use zbus::message::Header;
use zbus::wire::{OwnedObjectPath, OwnedVariant, Variant};

use super::desk::{Asked, Waiting};
use super::{Answer, CANCELLED, Desk, Event, OTHER, Question, Results, SUCCESS, options};
use crate::icons::load_app_icon;
use crate::parts::open_with::MOST;
use crate::tr;

/// Pixels of an icon: twice its size in the list, for sharp screens.
const ICON: u32 = 60;

#[derive(Debug)]
pub(super) struct AppChooser {
    desk: Desk,
    /// Numbers of the dialogs that are open, by their handles.
    open: Mutex<BTreeMap<String, u32>>,
}

impl AppChooser {
    pub(super) fn new(desk: Desk) -> Self {
        Self {
            desk,
            open: Mutex::default(),
        }
    }

    fn open(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, u32>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[zbus::interface(name = "org.freedesktop.impl.portal.AppChooser")]
impl AppChooser {
    /// Lets the person choose one of these applications.
    #[allow(clippy::too_many_arguments)]
    async fn choose_application(
        &self,
        handle: OwnedObjectPath,
        app_id: String,
        parent_window: String,
        choices: Vec<String>,
        options: Results,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &zbus::Connection,
    ) -> fdo::Result<(u32, Results)> {
        tracing::debug!("{app_id:?} asks with which application to open something");
        let waiting = Waiting::new(connection, &header, handle.clone()).await?;
        let what = ["filename", "uri", "content_type"];
        let what = what.iter().find_map(|name| options::text(&options, name));
        self.desk.speak();
        let (apps, icons) = installed(choices).await;
        let asked = Asked {
            title: tr!("open-with"),
            parent: options::parent(&parent_window),
            modal: options::flag(&options, "modal").unwrap_or(true),
            question: Question::Apps {
                what: what.unwrap_or_default(),
                apps,
                icons,
                last: options::text(&options, "last_choice").unwrap_or_default(),
            },
        };
        let id = self.desk.number();
        self.open().insert(handle.to_string(), id);
        let answer = self.desk.ask(id, asked, &waiting).await;
        self.open().remove(handle.as_str());
        waiting.over().await;
        let mut results = Results::new();
        Ok(match answer {
            Some(Answer::App(app)) => {
                let app = OwnedVariant::try_from(Variant::from(app))?;
                results.insert("choice".to_owned(), app);
                (SUCCESS, results)
            }
            Some(Answer::Cancelled) => (CANCELLED, results),
            _ => (OTHER, results),
        })
    }

    /// Other applications can be chosen from now.
    async fn update_choices(
        &self,
        handle: OwnedObjectPath,
        choices: Vec<String>,
    ) -> fdo::Result<()> {
        let id = self.open().get(handle.as_str()).copied();
        let id = id.ok_or_else(|| {
            fdo::Error::InvalidArgs(format!("no application is being chosen at {handle}"))
        })?;
        let (apps, _) = installed(choices).await;
        self.desk.events.send(Event::Apps(id, apps));
        Ok(())
    }
}

/// Those of the applications that are there, in their order, with their icons.
async fn installed(ids: Vec<String>) -> (Vec<App>, HashMap<String, Handle>) {
    let read = move || {
        let all = argos_apps::list();
        let named = |id: &String| {
            let id = id.strip_suffix(".desktop").unwrap_or(id);
            all.iter().find(|app| app.id == id).cloned()
        };
        let apps: Vec<App> = ids.iter().take(MOST).filter_map(named).collect();
        let mut icons = HashMap::new();
        for app in &apps {
            if !icons.contains_key(&app.icon)
                && let Some(pixels) = load_app_icon(&app.icon, ICON)
            {
                let handle = Handle::from_rgba(pixels.size, pixels.size, pixels.rgba);
                icons.insert(app.icon.clone(), handle);
            }
        }
        (apps, icons)
    };
    // It reads many files.
    tokio::task::spawn_blocking(read).await.unwrap_or_default()
}
