//! `tools/NAME.yaml`: a tool provider as the person, or a package, declares it.
//!
//! Three folders are read: `/usr/share/argos/tools` (packages), `/etc/argos/tools` (the machine's
//! owner; a file there stands for one of the same name in `/usr`), `~/.config/argos/tools` (the
//! person; a name that the system has is not taken). What a file says about folders and hosts is all
//! that the provider gets, and a change of one byte makes it another provider.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use argos_tools::host::HostPattern;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::manifest::{Limits, name_is_valid};

/// Most files in one folder that are looked at.
const MAX_FILES: usize = 64;
/// Most entries of any list in a file.
const MAX_ENTRIES: usize = 32;

/// A tool provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "ArgOS tool provider")]
pub struct Declaration {
    /// Name: the file's name; small letters, digits and `-`, at most 32.
    pub name: String,
    /// Title for people; the name where absent.
    #[serde(default)]
    pub title: String,
    /// What it is.
    pub kind: Kind,
    /// `dbus`: its name on the session bus.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub bus_name: String,
    /// `mcp`: the server's program and its arguments. It runs in a sandbox.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// `mcp`: where a server that speaks Streamable HTTP is; its host is one of `hosts`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// Files and folders that the server may read and run, beside `/usr`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub code: Vec<String>,
    /// Files and folders that it may read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub read: Vec<String>,
    /// Folders that it may write.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub write: Vec<String>,
    /// Hosts that it may reach through the proxy: `example.org`, `*.example.org:8443`,
    /// `127.0.0.1:8080`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Its environment, beside `PATH`, `HOME` and `LANG`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// How much of the machine it may use.
    #[serde(default)]
    pub limits: Limits,
    /// Whether it is there at all.
    #[serde(default = "yes")]
    pub enabled: bool,
}

fn yes() -> bool {
    true
}

/// What a provider is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A service on the session bus with `org.argos.ToolProvider1`.
    Dbus,
    /// An MCP server.
    Mcp,
}

impl Kind {
    /// The first part of its tools' names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dbus => "dbus",
            Self::Mcp => "mcp",
        }
    }
}

/// A declaration with its place and hash.
#[derive(Debug, Clone)]
pub struct Declared {
    /// What the file says.
    pub declaration: Declaration,
    /// The file.
    pub file: PathBuf,
    /// BLAKE3 of the file, in hexadecimal.
    pub hash: String,
    /// Whether the person declared it, and can take it back.
    pub own: bool,
    /// `hosts`, read.
    pub hosts: Vec<HostPattern>,
}

impl Declared {
    /// `mcp.NAME`, `dbus.NAME`.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.declaration.kind.name(), self.declaration.name)
    }
}

/// Why a file is no declaration; the text says where and what to do.
pub type Problem = String;

/// Reads a declaration out of text; `file` is what errors call it.
///
/// # Errors
/// Unknown keys, wrong values, what cannot be meant.
pub fn parse(file: &Path, text: &str, home: &Path, own: bool) -> Result<Declared, Problem> {
    let shown = file.display().to_string();
    let mut declaration: Declaration =
        argos_config::parse(&shown, text).map_err(|e| e.to_string())?;
    let hosts = check(&mut declaration, home).map_err(|what| format!("{shown}: {what}"))?;
    Ok(Declared {
        declaration,
        file: file.to_owned(),
        hash: blake3::hash(text.as_bytes()).to_hex().to_string(),
        own,
        hosts,
    })
}

fn check(declaration: &mut Declaration, home: &Path) -> Result<Vec<HostPattern>, String> {
    let d = declaration;
    if !name_is_valid(&d.name) {
        return Err(format!(
            "name `{}` must be 1 to 32 small letters, digits or `-`, beginning with a letter",
            d.name.escape_debug()
        ));
    }
    if d.title.trim().is_empty() {
        d.title.clone_from(&d.name);
    }
    if d.title.chars().count() > 64 || argos_tools::provided::clean(&d.title, 64) != d.title {
        return Err("title must be plain text of at most 64 characters on one line".to_owned());
    }
    let lists = [&d.command, &d.code, &d.read, &d.write, &d.hosts];
    if lists.iter().any(|list| list.len() > MAX_ENTRIES) || d.environment.len() > MAX_ENTRIES {
        return Err(format!("a list may have at most {MAX_ENTRIES} entries"));
    }
    if d.command
        .iter()
        .chain(d.environment.values())
        .any(|text| text.contains('\0'))
    {
        return Err("command and environment cannot hold NUL".to_owned());
    }
    let unnamed = |name: &&String| name.is_empty() || name.contains(['=', '\0']);
    if let Some(name) = d.environment.keys().find(unnamed) {
        return Err(format!(
            "environment: `{}` is no name of a variable; it is not empty and has no `=`",
            name.escape_debug()
        ));
    }
    for (key, list) in [
        ("code", &mut d.code),
        ("read", &mut d.read),
        ("write", &mut d.write),
    ] {
        for path in list {
            *path = folder(path, home).map_err(|what| format!("{key}: {what}"))?;
        }
    }
    if d.limits.tokens != Limits::default().tokens {
        return Err(
            "limits: tokens are for agents; a provider has no model. Leave it out".to_owned(),
        );
    }
    let hosts = d
        .hosts
        .iter()
        .map(|host| HostPattern::parse(host).map_err(|e| format!("hosts: {e}")))
        .collect::<Result<Vec<_>, _>>()?;
    match d.kind {
        Kind::Dbus => {
            if zbus::names::WellKnownName::try_from(d.bus_name.as_str()).is_err() {
                return Err(
                    "kind dbus needs `bus-name`, as in `bus-name: org.example.Weather`".to_owned(),
                );
            }
            if d.bus_name.starts_with("org.argos.") || d.bus_name.starts_with("org.freedesktop.") {
                return Err(format!("bus-name `{}` belongs to the system", d.bus_name));
            }
            let of_mcp = !d.command.is_empty() || !d.url.is_empty();
            if of_mcp || !d.hosts.is_empty() || lists_any([&d.code, &d.read, &d.write]) {
                return Err(
                    "kind dbus takes `bus-name` only: the service is started by the bus, outside of \
                     any sandbox, so `command`, `url`, folders and hosts would be without effect"
                        .to_owned(),
                );
            }
        }
        Kind::Mcp => {
            if !d.bus_name.is_empty() {
                return Err("kind mcp takes no `bus-name`; write `command` or `url`".to_owned());
            }
            match (d.command.first(), d.url.is_empty()) {
                (None, true) => {
                    return Err("kind mcp needs `command` (a program) or `url`".to_owned());
                }
                (Some(_), false) => {
                    return Err("`command` and `url` are two servers; write one".to_owned());
                }
                (Some(program), true) => check_program(program, &d.code)?,
                (None, false) => check_url(&d.url, &hosts)?,
            }
        }
    }
    Ok(hosts)
}

fn lists_any(lists: [&Vec<String>; 3]) -> bool {
    lists.iter().any(|list| !list.is_empty())
}

/// A path of the declaration, absolute; `~` is the person's home.
fn folder(text: &str, home: &Path) -> Result<String, String> {
    let path = match text.strip_prefix('~') {
        Some("") => home.to_owned(),
        Some(rest) if rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
        _ => PathBuf::from(text),
    };
    let shown = text.escape_debug();
    let Some(plain) = path
        .to_str()
        .filter(|p| crate::permission::well_formed("read", p))
    else {
        return Err(format!("`{shown}` is no plain absolute path"));
    };
    if !plain.starts_with('/') {
        return Err(format!("`{shown}` is no absolute path; `~/…` is fine too"));
    }
    let forbidden = ["/proc", "/sys", "/dev", "/run", "/boot"];
    let top = forbidden.iter().any(|top| path.starts_with(top));
    if plain == "/" || top {
        return Err(format!(
            "`{shown}` is not handed out; name the folder that is needed"
        ));
    }
    let keeps = [
        ".local/state/argos",
        ".config/argos",
        ".local/share/argos/parts",
    ];
    let keeps = keeps.map(|part| home.join(part));
    if keeps
        .iter()
        .any(|keep| path.starts_with(keep) || keep.starts_with(&path))
    {
        return Err(format!(
            "`{shown}` holds what ArgOS keeps on permissions, tools and parts of the shell; name a \
             folder beside it"
        ));
    }
    Ok(plain.to_owned())
}

fn check_program(program: &str, code: &[String]) -> Result<(), String> {
    let path = Path::new(program);
    let shown = program.escape_debug();
    if !program.starts_with('/') || !crate::permission::well_formed("read", program) {
        return Err(format!(
            "command: `{shown}` must be the program's absolute path"
        ));
    }
    if path.starts_with("/usr") || code.iter().any(|folder| path.starts_with(folder)) {
        Ok(())
    } else {
        Err(format!(
            "command: `{shown}` is neither below /usr nor below a folder of `code`; add its folder \
             there"
        ))
    }
}

fn check_url(text: &str, hosts: &[HostPattern]) -> Result<(), String> {
    let wrong = |why: &str| format!("url `{}`: {why}", text.escape_debug());
    let rest = text
        .strip_prefix("https://")
        .map(|rest| (rest, 443))
        .or_else(|| text.strip_prefix("http://").map(|rest| (rest, 80)));
    let Some((rest, port)) = rest else {
        return Err(wrong("must begin with http:// or https://"));
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let target = argos_tools::host::Target::parse(authority, Some(port))
        .map_err(|error| wrong(&error.to_string()))?;
    if hosts.iter().any(|host| host.covers(&target)) {
        Ok(())
    } else {
        Err(wrong(&format!(
            "its host is not among `hosts`; add `{}`",
            target.resource()
        )))
    }
}

/// Every declaration, and what is wrong with the files that are none, by name.
pub fn load_all(
    system: &[PathBuf],
    own: &Path,
    home: &Path,
) -> (
    BTreeMap<String, Declared>,
    BTreeMap<String, (PathBuf, Problem)>,
) {
    let mut found: BTreeMap<String, Declared> = BTreeMap::new();
    let mut wrong = BTreeMap::new();
    let folders = system
        .iter()
        .map(|folder| (folder.as_path(), false))
        .chain([(own, true)]);
    for (folder, is_own) in folders {
        for file in files(folder) {
            let name = file.file_stem().map(|n| n.to_string_lossy().into_owned());
            let name = name.unwrap_or_default();
            let read = load(&file, home, is_own);
            if is_own && found.get(&name).is_some_and(|other| !other.own) {
                let what = format!(
                    "{}: the system has a provider of this name; rename yours",
                    file.display()
                );
                wrong.insert(format!("{name} (yours)"), (file, what));
                continue;
            }
            wrong.remove(&name);
            match read {
                Ok(declared) => {
                    found.insert(name, declared);
                }
                Err(what) => {
                    // One that is broken does not bring back what it stands for.
                    found.remove(&name);
                    wrong.insert(name, (file, what));
                }
            }
        }
    }
    (found, wrong)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    // A folder that is not there has no files.
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .take(MAX_FILES)
        .collect();
    files.sort();
    files
}

fn load(file: &Path, home: &Path, own: bool) -> Result<Declared, Problem> {
    let size = std::fs::metadata(file).map_or(0, |data| data.len());
    if size > argos_config::MAX_FILE_BYTES {
        return Err(format!("{}: too large", file.display()));
    }
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("{}: cannot be read: {error}", file.display()))?;
    let declared = parse(file, &text, home, own)?;
    if file
        .file_stem()
        .is_some_and(|stem| stem != declared.declaration.name.as_str())
    {
        return Err(format!(
            "{}: name `{}` differs from the file's; rename one of them",
            file.display(),
            declared.declaration.name
        ));
    }
    Ok(declared)
}

/// The JSON Schema of `tools/NAME.yaml`.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Declaration).to_value()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Declared, String> {
        parse(Path::new("x.yaml"), text, Path::new("/home/me"), true)
    }

    #[test]
    fn documented_providers_are_read() {
        argos_docs::check("tool-provider", |block| read(&block.text).map(|_| ()));
    }

    #[test]
    fn what_would_open_too_much_is_refused() {
        for (text, why) in [
            ("name: x\nkind: mcp\n", "needs `command`"),
            ("name: X\nkind: mcp\ncommand: [/usr/bin/a]\n", "name `X`"),
            ("name: ../x\nkind: mcp\ncommand: [/usr/bin/a]\n", "name"),
            ("name: x\nkind: mcp\ncommand: [a]\n", "absolute"),
            ("name: x\nkind: mcp\ncommand: [/opt/a]\n", "`code`"),
            ("name: x\nkind: mcp\ncommand: [/usr/../opt/a]\n", "absolute"),
            (
                "name: x\nkind: mcp\ncommand: [/usr/bin/a]\nread: [/]\n",
                "not handed out",
            ),
            (
                "name: x\nkind: mcp\ncommand: [/usr/bin/a]\nwrite: [/proc/1]\n",
                "not handed out",
            ),
            (
                "name: x\nkind: mcp\ncommand: [/usr/bin/a]\nwrite: [/run/user/1000]\n",
                "not handed out",
            ),
            (
                "name: x\nkind: mcp\ncommand: [/usr/bin/a]\nwrite: [\"~\"]\n",
                "permissions",
            ),
            (
                "name: x\nkind: mcp\ncommand: [/usr/bin/a]\nread: [~/.config]\n",
                "permissions",
            ),
            (
                "name: x\nkind: mcp\ncommand: [/usr/bin/a]\nread: [~/.local/state/argos/agents]\n",
                "permissions",
            ),
            (
                "name: x\nkind: mcp\ncommand: [/usr/bin/a]\nread: [Documents]\n",
                "absolute",
            ),
            (
                "name: x\nkind: mcp\ncommand: [/usr/bin/a]\nhosts: ['*']\n",
                "hosts",
            ),
            (
                "name: x\nkind: mcp\nurl: https://example.org/mcp\n",
                "add `example.org`",
            ),
            (
                "name: x\nkind: mcp\nurl: https://example.org@evil.example/\nhosts: [example.org]\n",
                "url",
            ),
            (
                "name: x\nkind: mcp\nurl: ftp://example.org\nhosts: [example.org]\n",
                "http://",
            ),
            (
                "name: x\nkind: mcp\ncommand: [/usr/bin/a]\nurl: http://127.0.0.1\nhosts: [127.0.0.1]\n",
                "two servers",
            ),
            (
                "name: x\nkind: mcp\ncommand: [/usr/bin/a]\nenvironment: {\"\": a}\n",
                "no name of a variable",
            ),
            (
                "name: x\nkind: mcp\ncommand: [/usr/bin/a]\nenvironment: {A=B: a}\n",
                "no name of a variable",
            ),
            ("name: x\nkind: dbus\n", "bus-name"),
            (
                "name: x\nkind: dbus\nbus-name: org.argos.Permissions1\n",
                "belongs",
            ),
            (
                "name: x\nkind: dbus\nbus-name: org.example.X\nhosts: [example.org]\n",
                "only",
            ),
            ("name: x\nkind: dbus\nbusname: org.example.X\n", "bus-name"),
            (
                "name: x\ntitle: \"a\\u202eb\"\nkind: dbus\nbus-name: org.example.X\n",
                "title",
            ),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
            assert!(error.starts_with("x.yaml"), "{error}");
        }
    }

    #[test]
    fn the_persons_home_is_meant_by_a_tilde() {
        let declared =
            read("name: x\nkind: mcp\ncommand: [/usr/bin/a]\nread: [~/Documents]\n").unwrap();
        assert_eq!(declared.declaration.read, ["/home/me/Documents"]);
        assert_eq!(declared.declaration.title, "x");
        assert_eq!(declared.full_name(), "mcp.x");
    }

    #[test]
    fn the_owner_of_the_machine_comes_before_packages_and_a_person_after_both() {
        let base = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let folder = base.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            folder
        };
        let (usr, etc, own) = (folder("usr"), folder("etc"), folder("own"));
        let write = |folder: &Path, name: &str, title: &str| {
            let text = format!("name: {name}\ntitle: {title}\nkind: mcp\ncommand: [/usr/bin/a]\n");
            std::fs::write(folder.join(format!("{name}.yaml")), text).unwrap();
        };
        write(&usr, "a", "usr");
        write(&usr, "b", "usr");
        write(&usr, "c", "usr");
        write(&etc, "b", "etc");
        std::fs::write(etc.join("c.yaml"), "name: c\nkind: no\n").unwrap();
        write(&own, "a", "own");
        write(&own, "d", "own");
        write(&own, "e", "own");
        std::fs::rename(own.join("e.yaml"), own.join("f.yaml")).unwrap();
        let (found, wrong) = load_all(&[usr, etc], &own, Path::new("/home/me"));
        let titles: Vec<_> = found
            .values()
            .map(|d| (d.declaration.name.as_str(), d.declaration.title.as_str()))
            .collect();
        assert_eq!(titles, [("a", "usr"), ("b", "etc"), ("d", "own")]);
        assert_eq!(wrong.keys().collect::<Vec<_>>(), ["a (yours)", "c", "f"]);
    }
}
