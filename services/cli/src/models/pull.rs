//! `argos model pull`: a model from a server into the model directory.
//!
//! Two kinds of sources: a server with the layout of a model hub (`OWNER/NAME@REVISION`, `--server`), and any
//! web server with a folder that has an `ARGOS-MODEL.json` (a model directory, served). There is no server
//! that is asked where none is named.
//!
//! Small files come first: they say which graph to take. The graph says which files of weights it needs.
//! All of it gathers in `.part-ID`, where the same command finds it again.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use argos_engine::library;
use serde::Deserialize;
use url::Url;

use super::import::{finish, unusable};
use super::index::{self, Entry, Index, MAX_FILES, is_sha256};
use super::progress::{Interrupt, Progress};
use super::store::{self, Staging, failed};
use super::transfer::{Client, PART, Remote};
use crate::args::ModelPullArgs;
use crate::failure::{Failure, Result, Status};
use crate::output::Output;

/// Environment variable that names a server.
pub(crate) const SERVER: &str = "ARGOS_MODEL_SERVER";

/// File in `.part-ID` that says what the rest of it is of.
const KEY: &str = ".source";

/// Longest token, in bytes.
const MAX_TOKEN: u64 = 4096;

/// What a server has.
struct Listing {
    files: BTreeMap<PathBuf, Remote>,
    /// For people.
    source: String,
    licence: Option<String>,
}

pub(crate) fn run(out: Output, args: &ModelPullArgs, interrupt: &Interrupt) -> Result {
    let wanted = Wanted::parse(args)?;
    let id = args
        .into
        .name
        .clone()
        .unwrap_or_else(|| wanted.id().to_owned());
    store::check_id(&id)?;
    let directory = args.into.directory();
    let staging = Staging::kept(&directory, &id)?;
    store::clean(&directory);
    staging.check_free(args.into.force)?;
    let token = args.token_file.as_deref().map(token).transpose()?;
    let silence = Duration::from_secs(args.timeout.max(1));
    let client = Client::new(wanted.server(), token, silence, interrupt.clone())?;
    let listing = wanted.list(&client, args.subfolder.as_deref())?;
    begin(
        &staging,
        &format!("{} {:?}", listing.source, args.subfolder),
    )?;
    let mut fetch = Fetch {
        listing: &listing,
        client: &client,
        staging: &staging,
        progress: Progress::new(out, "pulling", 0),
        entries: Vec::new(),
    };
    let names: Vec<PathBuf> = listing.files.keys().cloned().collect();
    let small: Vec<_> = names
        .iter()
        .filter(|f| library::belongs(f))
        .cloned()
        .collect();
    fetch.all(&small)?;
    let mut more = library::named_files(staging.path()).map_err(unusable)?;
    let graph =
        library::choose_graph(staging.path(), &names, args.variant.as_deref()).map_err(unusable)?;
    more.push(graph.clone());
    if args.all {
        more = names.clone();
    }
    fetch.all(&more)?;
    let weights = library::weights(staging.path(), &graph).map_err(unusable)?;
    let weights: Vec<_> = weights.into_iter().map(|w| w.0).collect();
    fetch.all(&weights)?;
    let entries = std::mem::take(&mut fetch.entries);
    drop(fetch);
    // What earlier attempts brought for another variant.
    keep_only(staging.path(), Path::new(""), &entries)?;
    let model = library::describe(staging.path(), None).map_err(unusable)?;
    let licence = model.licence.clone().or(listing.licence);
    let index = Index::new(listing.source, licence, entries);
    index.write(&staging)?;
    interrupt.check()?;
    let others: Vec<_> = names
        .into_iter()
        .filter(|f| f.extension().is_some_and(|e| e == "onnx") && *f != graph && !args.all)
        .collect();
    let noted = directory.join(&id).join(KEY);
    finish(out, staging, &model, &others, &index, args.into.force)?;
    let _ = fs::remove_file(noted);
    Ok(())
}

/// What was asked for.
enum Wanted {
    Hub {
        server: Url,
        owner: String,
        name: String,
        revision: String,
    },
    Folder(Url),
}

impl Wanted {
    fn parse(args: &ModelPullArgs) -> Result<Self> {
        let wrong = |text: String| Failure::new(Status::Failed, text);
        let source = args.source.as_str();
        if source.starts_with("http://") || source.starts_with("https://") {
            let mut url = address(source)?;
            if !url.path().ends_with('/') {
                let path = format!("{}/", url.path());
                url.set_path(&path);
            }
            return Ok(Self::Folder(url));
        }
        let (model, revision) = source.split_once('@').unwrap_or((source, "main"));
        let good = |part: &str| {
            let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            !part.is_empty()
                && part.len() <= 128
                && !part.starts_with('.')
                && part.chars().all(known)
        };
        let parts = model
            .split_once('/')
            .filter(|(owner, name)| good(owner) && good(name));
        let plain = !revision.is_empty() && revision.len() <= 255 && revision.split('/').all(good);
        let Some((owner, name)) = parts.filter(|_| plain) else {
            let text = format!("`{}` is no model on a server", source.escape_debug());
            return Err(wrong(text).hint(
                "OWNER/NAME or OWNER/NAME@REVISION with --server, or the address of a folder: https://…/",
            ));
        };
        let Some(server) = args.server.as_deref().filter(|s| !s.is_empty()) else {
            let text = format!(
                "no server is named to pull {model} from; none is asked unless you name it"
            );
            return Err(wrong(text).hint(format!(
                "--server https://HOST, or {SERVER}=https://HOST in the environment"
            )));
        };
        Ok(Self::Hub {
            server: address(server)?,
            owner: owner.to_owned(),
            name: name.to_owned(),
            revision: revision.to_owned(),
        })
    }

    fn id(&self) -> &str {
        match self {
            Self::Hub { name, .. } => name,
            Self::Folder(url) => {
                let last = url
                    .path_segments()
                    .and_then(|mut s| s.rfind(|s| !s.is_empty()));
                last.unwrap_or_default()
            }
        }
    }

    fn server(&self) -> &Url {
        match self {
            Self::Hub { server, .. } => server,
            Self::Folder(url) => url,
        }
    }

    /// Asks the server what there is.
    fn list(&self, client: &Client, subfolder: Option<&str>) -> Result<Listing> {
        let below = subfolder
            .map(|s| index::path(s.trim_end_matches('/')))
            .transpose()?;
        let mut listing = match self {
            Self::Hub {
                server,
                owner,
                name,
                revision,
            } => hub(client, server, [owner, name], revision)?,
            Self::Folder(url) => folder(client, url)?,
        };
        if let Some(below) = below {
            let inside = listing.files.into_iter().filter_map(|(path, file)| {
                Some((path.strip_prefix(&below).ok()?.to_owned(), file))
            });
            listing.files = inside.collect();
        }
        listing.files.remove(Path::new(index::NAME));
        listing.files.retain(|path, _| {
            let name = path.to_string_lossy();
            !name.ends_with(PART) && !name.ends_with(".part.etag") && name != KEY
        });
        Ok(listing)
    }
}

fn address(text: &str) -> Result<Url> {
    let wrong = |why: String| {
        let text = format!("`{}` is no address of a server: {why}", text.escape_debug());
        Failure::new(Status::Failed, text)
            .hint("https://HOST, with a path where the server has one")
    };
    let url = Url::parse(text).map_err(|e| wrong(e.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(wrong("it does not begin with https:// or http://".into()));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("it has a query or a fragment".into()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong(
            "it has a name or password in it; a token goes into --token-file".into(),
        ));
    }
    Ok(url)
}

/// `url` with more behind it, one part of the path each.
fn join<'a>(url: &Url, parts: impl IntoIterator<Item = &'a str>) -> Url {
    let mut url = url.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(parts);
    }
    url
}

/// What a hub says of a model; fields that are not of interest are left out.
#[derive(Debug, Deserialize)]
struct HubModel {
    sha: Option<String>,
    #[serde(default)]
    siblings: Vec<HubFile>,
    #[serde(default, rename = "cardData")]
    card: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
struct HubFile {
    rfilename: String,
    size: Option<u64>,
    lfs: Option<HubBlob>,
}

#[derive(Debug, Deserialize)]
struct HubBlob {
    sha256: Option<String>,
    size: Option<u64>,
}

fn hub(client: &Client, server: &Url, model: [&String; 2], revision: &str) -> Result<Listing> {
    let [owner, name] = model.map(String::as_str);
    let mut url = join(server, ["api", "models", owner, name, "revision", revision]);
    url.set_query(Some("blobs=true"));
    let text = client.document(&url, index::MAX_BYTES)?;
    let wrong = |why: String| {
        let text = format!("{url} is no listing of a model: {why}");
        Failure::new(Status::Failed, text).hint("is the --server one with the layout of a hub?")
    };
    let told: HubModel = serde_json::from_slice(&text).map_err(|e| wrong(e.to_string()))?;
    if told.siblings.len() > MAX_FILES {
        return Err(wrong(format!(
            "it has {} files, at most {MAX_FILES}",
            told.siblings.len()
        )));
    }
    // A revision that moves on meanwhile must not mix two models.
    let is_commit = |sha: &String| sha.len() >= 40 && sha.bytes().all(|b| b.is_ascii_hexdigit());
    let commit = told
        .sha
        .filter(is_commit)
        .unwrap_or_else(|| revision.to_owned());
    let mut files = BTreeMap::new();
    for file in told.siblings {
        let path = index::path(&file.rfilename)?;
        let parts = [owner, name, "resolve", &commit].into_iter();
        let remote = Remote {
            url: join(server, parts.chain(file.rfilename.split('/'))),
            size: file.lfs.as_ref().and_then(|l| l.size).or(file.size),
            sha256: file
                .lfs
                .and_then(|l| l.sha256)
                .filter(|sha| is_sha256(sha))
                .map(|sha| sha.to_ascii_lowercase()),
        };
        if files.insert(path, remote).is_some() {
            return Err(wrong(format!(
                "{} is in it twice",
                file.rfilename.escape_debug()
            )));
        }
    }
    let licence = told
        .card
        .as_ref()
        .and_then(|c| c.get("license")?.as_str().map(str::to_owned));
    Ok(Listing {
        files,
        source: format!("{}@{commit}", join(server, [owner, name])),
        licence,
    })
}

fn folder(client: &Client, url: &Url) -> Result<Listing> {
    let place = join(url, [index::NAME]);
    let text = client.document(&place, index::MAX_BYTES)?;
    let index = Index::parse(&text, place.as_str())?;
    let file = |entry: Entry| {
        let remote = Remote {
            url: join(url, entry.path.split('/')),
            size: Some(entry.size),
            sha256: Some(entry.sha256.to_ascii_lowercase()),
        };
        Ok((index::path(&entry.path)?, remote))
    };
    Ok(Listing {
        files: index.files.into_iter().map(file).collect::<Result<_>>()?,
        source: url.to_string(),
        licence: index.licence,
    })
}

struct Fetch<'a> {
    listing: &'a Listing,
    client: &'a Client,
    staging: &'a Staging,
    progress: Progress,
    entries: Vec<Entry>,
}

impl Fetch<'_> {
    /// Brings files that are not there yet.
    fn all(&mut self, names: &[PathBuf]) -> Result {
        let new = |name: &&PathBuf| {
            !self
                .entries
                .iter()
                .any(|e| Path::new(&e.path) == name.as_path())
        };
        let mut names: Vec<PathBuf> = names.iter().filter(new).cloned().collect();
        names.sort();
        names.dedup();
        let mut wanted = Vec::new();
        let (mut total, mut missing) = (0u64, 0u64);
        for name in names {
            let Some(remote) = self.listing.files.get(&name) else {
                let text = format!(
                    "the model needs {}, which the server does not have",
                    name.display()
                );
                return Err(Failure::new(Status::NotFound, text));
            };
            let size = remote.size.unwrap_or(0);
            let mut part = self.staging.path().join(&name).into_os_string();
            part.push(PART);
            let there = fs::metadata(self.staging.path().join(&name))
                .or_else(|_| fs::metadata(&part))
                .map_or(0, |m| m.len());
            total = total.saturating_add(size);
            missing = missing.saturating_add(size.saturating_sub(there));
            wanted.push((name, remote));
        }
        self.staging.check_room(missing)?;
        self.progress.grow(total);
        for (name, remote) in wanted {
            let entry = self
                .client
                .file(&name, remote, self.staging, &mut self.progress)?;
            self.entries.push(entry);
        }
        Ok(())
    }
}

/// Throws away what is there of something else, and notes what this is of.
fn begin(staging: &Staging, key: &str) -> Result {
    let path = staging.path().join(KEY);
    if fs::read_to_string(&path).is_ok_and(|noted| noted == key) {
        return Ok(());
    }
    keep_only(staging.path(), Path::new(""), &[])?;
    fs::write(&path, key).map_err(|e| failed("cannot write", &path, &e))
}

/// Removes everything in a folder that is not among `entries`.
fn keep_only(folder: &Path, below: &Path, entries: &[Entry]) -> Result {
    let here = folder.join(below);
    let children = fs::read_dir(&here).map_err(|e| failed("cannot read", &here, &e))?;
    for child in children.flatten() {
        let name = below.join(child.file_name());
        let path = child.path();
        let is_folder = child.file_type().is_ok_and(|t| t.is_dir());
        // What this is a download of is known until it is published: until then it can be gone on with.
        let noted = !entries.is_empty() && name == Path::new(KEY);
        if noted || entries.iter().any(|e| Path::new(&e.path) == name) {
            continue;
        }
        let removed = if !is_folder {
            fs::remove_file(&path)
        } else if entries
            .iter()
            .any(|e| Path::new(&e.path).starts_with(&name))
        {
            keep_only(folder, &name, entries)?;
            Ok(())
        } else {
            fs::remove_dir_all(&path)
        };
        removed.map_err(|e| failed("cannot remove", &path, &e))?;
    }
    Ok(())
}

/// The first line of a file.
fn token(path: &Path) -> Result<String> {
    let mut text = String::new();
    fs::File::open(path)
        .and_then(|file| file.take(MAX_TOKEN).read_to_string(&mut text))
        .map_err(|e| failed("cannot read the token in", path, &e))?;
    let token = text.lines().next().unwrap_or_default().trim();
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        let text = format!("{} has no token in its first line", path.display());
        return Err(Failure::new(Status::Failed, text));
    }
    Ok(token.to_owned())
}
