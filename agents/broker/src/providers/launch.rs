//! What the sandbox of an MCP server holds: its declared folders, the system's programs, the socket
//! to the broker, and (where it has hosts) the one to the proxy. No network, no bus, no home.

use std::path::{Path, PathBuf};

use argos_sandbox::{Access, Bind, Root, Spec, Tmpfs};
use argos_units::Limits;

use super::declaration::Declared;
use crate::sandbox::{Programs, bytes, workspace_limit};
use crate::spawn::Launch;
use crate::workspace::{Bound, Place};

/// Where the proxy's socket is, inside.
pub(super) const PROXY: &str = "/run/argos-proxy";
/// The certificates that are trusted, for servers reached by HTTPS.
const CERTIFICATES: &str = "/etc/ssl/certs";
/// `/tmp` of a server, which is its home as well.
const TMP_BYTES: u64 = 64 << 20;
/// A server's share of the processor when the person's own programs want it too; theirs is 100.
const WEIGHT: u32 = 50;

/// How an MCP server is started: `argos-mcp` with the server as its child, as unit `mcp-NAME`.
///
/// # Errors
/// A limit cannot be read, or a folder is not there; says which.
pub fn mcp(
    declared: &Declared,
    programs: &Programs,
    proxy: Option<&Path>,
) -> Result<Launch, String> {
    let d = &declared.declaration;
    let wrong = |what: String| format!("{}: {what}", declared.file.display());
    let program = programs.folder.join("argos-mcp");
    let mut spec = Spec::agent();
    spec.hostname = Some(d.name.clone());
    spec.environment
        .insert("HOME".to_owned(), "/tmp".to_owned());
    spec.environment.extend(d.environment.clone());
    spec.working_directory = "/tmp".into();
    spec.limits.processes = Some(u64::from(d.limits.tasks).max(8));
    let size = |key: &str, text: &str| {
        bytes(text).ok_or_else(|| {
            wrong(format!(
                "limits: {key} `{text}` is no size; write `256M` or `1G`"
            ))
        })
    };
    spec.limits.file_size_bytes = Some(size("file-size", &d.limits.file_size)?);
    let root = spec.root.get_or_insert_with(Root::default);
    root.tmpfs = vec![Tmpfs {
        path: "/tmp".into(),
        size_bytes: TMP_BYTES,
    }];
    let mut bind = |source: &Path, target: Option<&str>, access| {
        root.binds.push(Bind {
            source: source.to_owned(),
            target: target.map(PathBuf::from),
            access,
        });
    };
    if !program.starts_with("/usr") {
        bind(&program, None, Access::Execute);
    }
    for (list, access) in [
        (&d.code, Access::Execute),
        (&d.read, Access::Read),
        (&d.write, Access::Write),
    ] {
        for path in list {
            let path = Path::new(path);
            if !path.exists() {
                return Err(wrong(format!("{} is not there", path.display())));
            }
            // All of /usr is there to run already.
            if access != Access::Execute || !path.starts_with("/usr") {
                bind(path, None, access);
            }
        }
    }
    if let Some(proxy) = proxy {
        bind(proxy, Some(PROXY), Access::Read);
        let certificates = Path::new(CERTIFICATES);
        if certificates.is_dir() {
            bind(certificates, None, Access::Read);
        }
        // Debian's are links into this folder.
        let shared = Path::new("/usr/local/share/ca-certificates");
        if shared.is_dir() {
            bind(shared, None, Access::Read);
        }
        spec.environment
            .insert("ARGOS_PROXY".to_owned(), PROXY.to_owned());
    }
    let mut argv = vec![program.display().to_string()];
    if d.url.is_empty() {
        argv.extend(["stdio".to_owned(), "--".to_owned()]);
        argv.extend(d.command.iter().cloned());
    } else {
        argv.extend(["http".to_owned(), d.url.clone()]);
    }
    let cpu = d
        .limits
        .cpu
        .strip_suffix('%')
        .and_then(|n| n.trim().parse::<u32>().ok())
        .filter(|n| (1..=10_000).contains(n))
        .ok_or_else(|| {
            wrong(format!(
                "limits: cpu `{}` is no share; write `50%`",
                d.limits.cpu
            ))
        })?;
    Ok(Launch {
        name: format!("mcp-{}", d.name),
        description: format!("MCP server {}", d.title),
        argv,
        spec,
        limits: Limits {
            memory_bytes: Some(size("memory", &d.limits.memory)?),
            tasks: Some(d.limits.tasks.max(8)),
            cpu_percent: Some(cpu),
            cpu_weight: Some(WEIGHT),
            open_files: None,
        },
    })
}

/// What its writable folders may take together; none where it has none.
///
/// # Errors
/// The limit cannot be read.
pub(super) fn bound(declared: &Declared) -> Result<Option<Bound>, String> {
    let d = &declared.declaration;
    let limit = workspace_limit(&d.limits.workspace)
        .map_err(|what| format!("{}: {what}", declared.file.display()))?;
    let places = d.write.iter().map(|path| Place {
        folder: path.into(),
        inside: path.into(),
    });
    Ok((!d.write.is_empty()).then(|| Bound {
        places: places.collect(),
        limit,
        keeps_reserve: true,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::declaration::parse;

    #[test]
    fn a_server_gets_what_is_declared_and_no_more() {
        let text = "name: files\nkind: mcp\ncommand: [/usr/bin/node, /usr/lib/x.js]\n\
                    write: [/tmp]\nhosts: [example.org]\n";
        let declared = parse(Path::new("files.yaml"), text, Path::new("/home/me"), true).unwrap();
        let programs = Programs {
            folder: "/usr/bin".into(),
        };
        let launch = mcp(&declared, &programs, None).unwrap();
        launch.spec.check().unwrap();
        assert!(launch.spec.namespaces.net && launch.spec.namespaces.user);
        assert_eq!(launch.spec.keep_fds, [3]);
        let binds = launch.spec.root.unwrap().binds;
        let all: Vec<_> = binds
            .iter()
            .map(|b| (b.source.to_str().unwrap(), b.access))
            .collect();
        assert_eq!(all, [("/usr", Access::Execute), ("/tmp", Access::Write)]);
        assert_eq!(launch.argv[..3], ["/usr/bin/argos-mcp", "stdio", "--"]);
        let launch = mcp(&declared, &programs, Some(Path::new("/x/proxy"))).unwrap();
        assert!(
            launch
                .spec
                .root
                .unwrap()
                .binds
                .iter()
                .any(|b| b.target() == Path::new(PROXY))
        );
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let text = "name: x\nkind: mcp\ncommand: [/usr/bin/a]\nread: [/nowhere/at/all]\n";
        let declared = parse(Path::new("x.yaml"), text, Path::new("/home/me"), true).unwrap();
        let programs = Programs {
            folder: "/usr/bin".into(),
        };
        let error = mcp(&declared, &programs, None).unwrap_err();
        assert!(error.contains("x.yaml: /nowhere/at/all"), "{error}");
    }

    #[test]
    fn what_it_may_write_is_bounded_in_sum() {
        let read = |rest: &str| {
            let text = format!("name: x\nkind: mcp\ncommand: [/usr/bin/a]\n{rest}");
            bound(&parse(Path::new("x.yaml"), &text, Path::new("/home/me"), true).unwrap())
        };
        assert!(read("").unwrap().is_none());
        let by_default = read("write: [~/a, /srv/b]\n").unwrap().unwrap();
        assert_eq!((by_default.limit, by_default.places.len()), (512 << 20, 2));
        let said = read("write: [~/a]\nlimits: {workspace: 2G}\n").unwrap();
        assert_eq!(said.unwrap().limit, 2 << 30);
        for wrong in ["much", "65G"] {
            let error = read(&format!("limits: {{workspace: {wrong}}}\n")).unwrap_err();
            let says = format!("x.yaml: limits: workspace `{wrong}`");
            assert!(error.starts_with(&says), "{error}");
        }
    }
}
