//! `agent.yaml`: what an agent is and may wish for, and the hash that its grants hang on.
//!
//! An agent is a folder. Its hash covers every file in it by name and content, so that a grant
//! given to one content is not inherited by another. What a manifest says is a wish: only the
//! broker's answer to a call lets anything happen.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::permission::{Need, Subject};

/// Most files, and most bytes in them, that an agent's folder may have.
const MAX_FILES: usize = 4096;
const MAX_BYTES: u64 = 64 << 20;

/// An agent's manifest.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "ArgOS agent")]
pub struct Manifest {
    /// Name: the folder's name; small letters, digits and `-`, at most 32.
    pub name: String,
    /// Title for people.
    pub title: String,
    /// One line on what it is for.
    #[serde(default)]
    pub description: String,
    /// How it speaks and behaves, in prose.
    #[serde(default)]
    pub persona: String,
    /// What it is after.
    #[serde(default)]
    pub goals: Vec<String>,
    /// Tools it may call: names, or `area.*` for a whole area. Others do not exist for it.
    #[serde(default)]
    pub tools: Vec<String>,
    /// What runs inside the sandbox.
    #[serde(default)]
    pub code: Code,
    /// How much of the machine it may use.
    #[serde(default)]
    pub limits: Limits,
    /// Permissions it would like to have. Those of agents that come with the system are given when
    /// the agent is first seen; others are asked for when they are needed.
    #[serde(default)]
    pub permissions: Vec<Need>,
    /// Whether it is started with the session. Read by the orchestrator.
    #[serde(default)]
    pub autostart: bool,
}

/// What runs inside the sandbox.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// The runtime that comes with the system.
    #[default]
    Native,
    /// A program in the agent's own folder and its arguments; the folder is `/agent` inside.
    Command(Vec<String>),
}

/// How much of the machine an agent may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Limits {
    /// Memory, as in a unit file: `256M`.
    pub memory: String,
    /// Processes and threads.
    pub tasks: u32,
    /// Share of one processor: `50%`.
    pub cpu: String,
    /// Largest file it may write: `64M`.
    pub file_size: String,
    /// What all files in its workspace may take together: `512M`.
    pub workspace: String,
    /// Tokens that language models may read and write for it in a day; 0: none.
    pub tokens: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: "256M".to_owned(),
            tasks: 32,
            cpu: "100%".to_owned(),
            file_size: "64M".to_owned(),
            workspace: "512M".to_owned(),
            tokens: 1_000_000,
        }
    }
}

/// A manifest with its folder and hash.
#[derive(Debug, Clone)]
pub struct Agent {
    /// What the manifest says.
    pub manifest: Manifest,
    /// Where it was found.
    pub folder: PathBuf,
    /// BLAKE3 of every file in the folder, in hexadecimal.
    pub hash: String,
}

/// Why a folder is no agent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no manifest.
    #[error("{}: there is no agent here (no agent.yaml)", .0.display())]
    Missing(PathBuf),
    /// The manifest cannot be used.
    #[error(transparent)]
    Manifest(#[from] argos_config::Error),
    /// The manifest can be read and says something that cannot be.
    #[error("{}: {what}", file.display())]
    Wrong {
        /// Manifest.
        file: PathBuf,
        /// What is wrong and what to do.
        what: String,
    },
    /// The folder cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// File or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Reads the agent in `folder`.
///
/// # Errors
/// See [`Error`].
pub fn load(folder: &Path) -> Result<Agent, Error> {
    let file = folder.join("agent.yaml");
    if !file.is_file() {
        return Err(Error::Missing(folder.to_owned()));
    }
    // Hash first: a file that changes in between leads to a hash of the older content, which has
    // no grants that the newer one should not have.
    let hash = hash_folder(folder)?;
    let manifest: Manifest = argos_config::load(&file)?;
    let wrong = |what: String| {
        Err(Error::Wrong {
            file: file.clone(),
            what,
        })
    };
    if !name_is_valid(&manifest.name) {
        return wrong(format!(
            "name `{}` must be 1 to 32 small letters, digits or `-`, beginning with a letter",
            manifest.name
        ));
    }
    if manifest.name == Subject::person().agent {
        return wrong(format!(
            "name `{}` stands for you in the audit log, and among refusals; choose another, for the \
             folder too",
            manifest.name
        ));
    }
    if folder
        .file_name()
        .is_some_and(|n| n != manifest.name.as_str())
    {
        return wrong(format!(
            "name `{}` differs from the folder's; rename one of them",
            manifest.name
        ));
    }
    if manifest.title.trim().is_empty() || manifest.title.chars().count() > 64 {
        return wrong("title must have 1 to 64 characters".to_owned());
    }
    if let Code::Command(argv) = &manifest.code {
        match argv.first() {
            None => return wrong("code: command needs a program".to_owned()),
            Some(p) if p.starts_with('/') || p.split('/').any(|c| c == "..") => {
                return wrong(format!(
                    "code: `{p}` must be a program inside the agent's folder"
                ));
            }
            Some(_) => {}
        }
        if let Some(word) = argv.iter().find(|word| word.contains('\0')) {
            return wrong(format!(
                "code: {word:?} holds a NUL, which no program can be given"
            ));
        }
    }
    // They end up in questions, in lists and in the names of things: a break would imitate another
    // line, a NUL or a character that turns the direction of text hides what follows.
    let lines = manifest
        .tools
        .iter()
        .map(|tool| ("tools", tool))
        .chain(manifest.permissions.iter().flat_map(|need| {
            [
                ("permissions: action", &need.action),
                ("permissions: resource", &need.resource),
            ]
        }))
        .chain([
            ("title", &manifest.title),
            ("description", &manifest.description),
        ]);
    for (key, text) in lines {
        if let Some(bad) = text.chars().find(|c| argos_config::misleads(*c)) {
            return wrong(format!(
                "{key}: {text:?} holds {bad:?}; write plain text on one line"
            ));
        }
    }
    Ok(Agent {
        manifest,
        folder: folder.to_owned(),
        hash,
    })
}

impl Manifest {
    /// Whether the agent may call `tool` at all.
    pub fn may_call(&self, tool: &str) -> bool {
        self.tools.iter().any(|t| match t.strip_suffix(".*") {
            Some(area) => tool
                .strip_prefix(area)
                .is_some_and(|rest| rest.starts_with('.')),
            None => t == tool,
        })
    }
}

impl Manifest {
    /// Whether the agent may call any tool of a provider (`mcp.files`).
    pub fn may_call_some_of(&self, provider: &str) -> bool {
        self.tools.iter().any(|tool| {
            let below = |name: &str| {
                name.strip_prefix(provider)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            match tool.strip_suffix(".*") {
                Some(area) => below(area) || provider.starts_with(&format!("{area}.")),
                None => below(tool),
            }
        })
    }
}

/// The JSON Schema of `agent.yaml`.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Manifest).to_value()
}

/// Whether `name` can be an agent's name, and so part of unit and file names.
pub fn name_is_valid(name: &str) -> bool {
    name.len() <= 32
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn hash_folder(folder: &Path) -> Result<String, Error> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        let unreadable = |source| Error::Unreadable {
            path: at.clone(),
            source,
        };
        for entry in std::fs::read_dir(&at).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let kind = entry.file_type().map_err(unreadable)?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else {
                files.push((entry.path(), kind));
            }
            if files.len() + folders.len() > MAX_FILES {
                return Err(Error::Wrong {
                    file: folder.to_owned(),
                    what: format!("an agent's folder may have at most {MAX_FILES} files"),
                });
            }
        }
    }
    files.sort_by(|a, b| a.0.cmp(&b.0));
    let mut hasher = blake3::Hasher::new();
    let mut total = 0;
    for (path, kind) in files {
        let unreadable = |source| Error::Unreadable {
            path: path.clone(),
            source,
        };
        let name = path
            .strip_prefix(folder)
            .unwrap_or(&path)
            .as_os_str()
            .as_encoded_bytes();
        let content = if kind.is_symlink() {
            std::fs::read_link(&path)
                .map_err(unreadable)?
                .into_os_string()
                .into_encoded_bytes()
        } else if kind.is_file() {
            total += std::fs::metadata(&path).map_err(unreadable)?.len();
            if total > MAX_BYTES {
                return Err(Error::Wrong {
                    file: folder.to_owned(),
                    what: format!("an agent's folder may hold at most {} MiB", MAX_BYTES >> 20),
                });
            }
            std::fs::read(&path).map_err(unreadable)?
        } else {
            return Err(Error::Wrong {
                file: path.clone(),
                what: "only files, folders and links belong into an agent's folder".to_owned(),
            });
        };
        // Lengths in front: no two different folders give the same stream.
        for part in [name, &content] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        hasher.update(&[u8::from(kind.is_symlink())]);
    }
    Ok(hasher.finalize().to_hex().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("steward");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("agent.yaml"), text).unwrap();
        (dir, folder)
    }

    #[test]
    fn the_shipped_steward_is_an_agent() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../library/steward");
        let steward = load(&folder).unwrap();
        assert!(steward.manifest.autostart);
        for tool in ["files.list", "memory.recall", "apps.launch", "system.info"] {
            assert!(steward.manifest.may_call(tool), "{tool}");
        }
        assert!(!steward.manifest.may_call("power.off"));
    }

    #[test]
    fn no_agent_is_called_like_the_person() {
        let dir = tempfile::tempdir().unwrap();
        let name = crate::permission::Subject::person().agent;
        let folder = dir.path().join(&name);
        std::fs::create_dir(&folder).unwrap();
        let manifest = format!("name: {name}\ntitle: Steward\n");
        std::fs::write(folder.join("agent.yaml"), manifest).unwrap();
        let message = load(&folder).unwrap_err().to_string();
        assert!(message.contains("stands for you"), "{message}");
    }

    #[test]
    fn the_schema_knows_every_key_and_no_other() {
        let schema = schema();
        assert_eq!(schema["additionalProperties"], false);
        for key in [
            "name",
            "title",
            "tools",
            "code",
            "limits",
            "permissions",
            "autostart",
        ] {
            assert!(schema["properties"].get(key).is_some(), "{key}");
        }
    }

    #[test]
    fn a_mistyped_key_is_named_with_its_line() {
        let (_dir, folder) = agent("name: steward\ntitle: Steward\ntolls: [files.list]\n");
        let message = load(&folder).unwrap_err().to_string();
        assert!(
            message.contains("agent.yaml:3:") && message.contains("`tools`"),
            "{message}"
        );
    }

    #[test]
    fn tools_are_names_or_areas() {
        let (_dir, folder) = agent(
            "name: steward\ntitle: S\ntools: ['files.*', system.info]\ncode: {command: [run]}\n",
        );
        let m = load(&folder).unwrap().manifest;
        assert!(m.may_call("files.read") && m.may_call("system.info"));
        assert!(
            !m.may_call("filesystem.read") && !m.may_call("files") && !m.may_call("system.halt")
        );
        assert_eq!(m.code, Code::Command(vec!["run".into()]));
    }

    #[test]
    fn a_program_outside_the_folder_is_refused() {
        let (_dir, folder) = agent("name: steward\ntitle: S\ncode: {command: [../../bin/sh]}\n");
        assert!(
            load(&folder)
                .unwrap_err()
                .to_string()
                .contains("inside the agent's folder")
        );
    }

    #[test]
    fn nothing_that_hides_or_breaks_a_line_gets_into_a_manifest() {
        for (text, part) in [
            ("title: \"St\\nReally from the system\"", "title"),
            ("title: \"St\\u202edrawets\"", "title"),
            ("title: \"St\\u200beward\"", "title"),
            ("title: S\ndescription: \"a\\0b\"", "description"),
            ("title: S\ntools: [\"files.list\\nfiles.delete\"]", "tools"),
            (
                "title: S\npermissions: [{action: read, resource: \"/home/x\\n/etc\"}]",
                "resource",
            ),
            ("title: S\ncode: {command: [run, \"a\\0b\"]}", "NUL"),
        ] {
            let (_dir, folder) = agent(&format!("name: steward\n{text}\n"));
            let error = load(&folder).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn every_file_is_part_of_the_hash() {
        let (_dir, folder) = agent("name: steward\ntitle: S\n");
        let first = load(&folder).unwrap().hash;
        std::fs::create_dir(folder.join("lib")).unwrap();
        std::fs::write(folder.join("lib/a"), "x").unwrap();
        let second = load(&folder).unwrap().hash;
        std::fs::rename(folder.join("lib/a"), folder.join("lib/b")).unwrap();
        let third = load(&folder).unwrap().hash;
        assert!(first != second && second != third && first != third);
    }

    /// The manifests in the documentation, with limits that can be read and tools that there are.
    #[test]
    fn documented_agents_are_agents() {
        let catalogue = argos_tools::Catalogue::builtin();
        let programs = crate::sandbox::Programs {
            folder: "/usr/bin".into(),
        };
        argos_docs::check("agent", |block| {
            let name = block.value("name").unwrap_or("example");
            let dir = tempfile::tempdir().unwrap();
            let folder = dir.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            std::fs::write(folder.join("agent.yaml"), &block.text).unwrap();
            let agent = load(&folder).map_err(|e| e.to_string())?;
            crate::sandbox::agent(&agent, &programs, Path::new("/tmp"), false)
                .map_err(|e| e.to_string())?;
            for tool in &agent.manifest.tools {
                let only = Manifest {
                    tools: vec![tool.clone()],
                    ..agent.manifest.clone()
                };
                if !catalogue.names().any(|known| only.may_call(known)) {
                    return Err(format!("there is no tool `{tool}`"));
                }
            }
            Ok(())
        });
    }

    #[test]
    fn every_key_is_documented() {
        let page = argos_docs::page("docs/agents.md").text;
        let schema = schema();
        for keys in [
            &schema["properties"],
            &schema["$defs"]["Limits"]["properties"],
        ] {
            for key in keys.as_object().unwrap().keys() {
                assert!(
                    page.contains(&format!("`{key}`")),
                    "docs/agents.md: no `{key}`"
                );
            }
        }
    }

    #[test]
    fn every_tool_is_documented() {
        let page = argos_docs::page("docs/permissions.md").text;
        for tool in argos_tools::Catalogue::builtin().iter() {
            let row = format!(
                "| `{}` | `{}` | {} |",
                tool.name(),
                tool.action().name(),
                tool.default().name()
            );
            assert!(page.contains(&row), "docs/permissions.md: no row `{row}`");
        }
    }
}
