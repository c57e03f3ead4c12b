//! `org.freedesktop.impl.portal.FileChooser`: files to open, and where to save.

use zbus::fdo;
use zbus::message::Header;
use zbus::wire::{OwnedObjectPath, OwnedVariant, Variant};

use super::desk::{Asked, Waiting};
use super::{Answer, CANCELLED, Desk, OTHER, Question, Results, SUCCESS, options};
use crate::parts::chooser::{self, Filter, Mode, Rule};
use crate::tr;
use crate::widgets::shortened;

#[derive(Debug)]
pub(super) struct FileChooser(pub(super) Desk);

#[zbus::interface(name = "org.freedesktop.impl.portal.FileChooser")]
impl FileChooser {
    /// Lets the person choose files or folders that exist.
    #[allow(clippy::too_many_arguments)]
    async fn open_file(
        &self,
        handle: OwnedObjectPath,
        app_id: String,
        parent_window: String,
        title: String,
        options: Results,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &zbus::Connection,
    ) -> fdo::Result<(u32, Results)> {
        let flag = |name| options::flag(&options, name).unwrap_or(false);
        let folders = flag("directory");
        let mode = Mode::Open {
            multiple: flag("multiple"),
            folders,
        };
        let request = request(mode, &options);
        let waiting = Waiting::new(connection, &header, handle).await?;
        self.0.speak();
        let otherwise = if folders {
            tr!("chooser-title-folder")
        } else {
            tr!("open")
        };
        let call = Call {
            app_id,
            parent_window,
            title,
            otherwise,
        };
        self.choose(call, request, &options, waiting).await
    }

    /// Lets the person choose where a file is put, and its name.
    #[allow(clippy::too_many_arguments)]
    async fn save_file(
        &self,
        handle: OwnedObjectPath,
        app_id: String,
        parent_window: String,
        title: String,
        options: Results,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &zbus::Connection,
    ) -> fdo::Result<(u32, Results)> {
        let mut request = request(Mode::Save, &options);
        // A file that exists says both: its folder and its name.
        if let Some(file) = options::path(&options, "current_file") {
            request.folder = request
                .folder
                .or_else(|| file.parent().map(std::path::Path::to_owned));
            if let (true, Some(name)) = (request.name.is_empty(), file.file_name()) {
                request.name = options::file_name(&name.to_string_lossy());
            }
        }
        let waiting = Waiting::new(connection, &header, handle).await?;
        self.0.speak();
        let call = Call {
            app_id,
            parent_window,
            title,
            otherwise: tr!("save"),
        };
        self.choose(call, request, &options, waiting).await
    }

    /// Lets the person choose a folder that several files are put into.
    #[allow(clippy::too_many_arguments)]
    async fn save_files(
        &self,
        handle: OwnedObjectPath,
        app_id: String,
        parent_window: String,
        title: String,
        options: Results,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &zbus::Connection,
    ) -> fdo::Result<(u32, Results)> {
        let names = options::file_names(&options, "files");
        if names.is_empty() {
            return Err(fdo::Error::InvalidArgs(
                "`files` names no file; give the names as arrays of bytes".to_owned(),
            ));
        }
        let request = request(Mode::SaveAll(names), &options);
        let waiting = Waiting::new(connection, &header, handle).await?;
        self.0.speak();
        let call = Call {
            app_id,
            parent_window,
            title,
            otherwise: tr!("chooser-title-files"),
        };
        self.choose(call, request, &options, waiting).await
    }
}

struct Call {
    app_id: String,
    parent_window: String,
    title: String,
    /// The window's title where the caller gives none.
    otherwise: String,
}

fn request(mode: Mode, options: &Results) -> chooser::Request {
    let (filters, filter) = options::filters(options);
    let name = options::text(options, "current_name").unwrap_or_default();
    chooser::Request {
        mode,
        accept: options::label(options, "accept_label"),
        folder: options::path(options, "current_folder"),
        name: options::file_name(&name),
        filters,
        filter,
        choices: options::choices(options),
    }
}

impl FileChooser {
    async fn choose(
        &self,
        call: Call,
        request: chooser::Request,
        options: &Results,
        waiting: Waiting,
    ) -> fdo::Result<(u32, Results)> {
        tracing::debug!("{:?} asks for files: {:?}", call.app_id, request.mode);
        let title = call.title.trim();
        let asked = Asked {
            title: if title.is_empty() {
                call.otherwise
            } else {
                shortened(title, 120)
            },
            parent: options::parent(&call.parent_window),
            modal: options::flag(options, "modal").unwrap_or(true),
            question: Question::Files(Box::new(request)),
        };
        let answer = self.0.ask(self.0.number(), asked, &waiting).await;
        waiting.over().await;
        Ok(match answer {
            Some(Answer::Files(answer)) => (SUCCESS, results(&answer)?),
            Some(Answer::Cancelled) => (CANCELLED, Results::new()),
            _ => (OTHER, Results::new()),
        })
    }
}

fn results(answer: &chooser::Answer) -> zbus::Result<Results> {
    let uris: Vec<String> = answer.paths.iter().map(|path| options::uri(path)).collect();
    let mut results = Results::new();
    let mut put = |name: &str, value: Variant<'_>| -> zbus::Result<()> {
        results.insert(name.to_owned(), OwnedVariant::try_from(value)?);
        Ok(())
    };
    put("uris", uris.into())?;
    put("choices", answer.choices.clone().into())?;
    put("writable", true.into())?;
    if let Some(filter) = &answer.filter {
        put("current_filter", wire(filter).into())?;
    }
    Ok(results)
}

/// A filter as it is written on the bus.
fn wire(filter: &Filter) -> (String, Vec<(u32, String)>) {
    let rules = filter.rules.iter().map(|rule| match rule {
        Rule::Glob(pattern) => (0, pattern.clone()),
        Rule::Type(kind) => (1, kind.clone()),
    });
    (filter.label.clone(), rules.collect())
}
