//! Landlock: the second wall around files, and the only one around TCP ports, signals and abstract
//! sockets where there is no namespace.
//!
//! The crate's default is best effort; here every rule is a hard requirement. All rights that the
//! running kernel knows are handled (denied unless granted), and a kernel below the spec's minimum
//! is an error before anything else happens.

use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath,
    PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr, Scope,
};

use crate::Error;
use crate::probe::{LANDLOCK_LEVELS, landlock_abi};
use crate::spec::{Access, Proc, Spec};

/// Fails where the kernel has less than the spec requires.
pub(crate) fn require(minimum: u32) -> Result<(), Error> {
    let has = landlock_abi();
    if has >= minimum {
        return Ok(());
    }
    Err(Error::Unsupported {
        rule: missing(has).to_owned(),
        needs: format!("Landlock ABI {minimum}"),
        has: if has == 0 {
            "no Landlock".to_owned()
        } else {
            format!("ABI {has}")
        },
        hint:
            "Boot a newer kernel with `landlock` in its `lsm=` list, or lower `landlock.minimum` \
               and accept that this is not enforced"
                .to_owned(),
    })
}

/// What the first level that is missing above `has` would have enforced.
fn missing(has: u32) -> &'static str {
    usize::try_from(has)
        .ok()
        .and_then(|has| LANDLOCK_LEVELS.get(has))
        .unwrap_or(&"a rule")
}

/// Restricts this process to what follows from the spec. It must see the paths as the program will.
pub(crate) fn restrict(spec: &Spec) -> Result<(), Error> {
    require(spec.landlock.minimum)?;
    let Some(abi) = level() else { return Ok(()) };
    let mut rules: Vec<(&Path, BitFlags<AccessFs>)> = Vec::new();
    if let Some(root) = &spec.root {
        // All names in the new root were declared, so they may be listed.
        rules.push((Path::new("/"), AccessFs::ReadDir.into()));
        for bind in &root.binds {
            rules.push((bind.target(), rights(bind.access)));
        }
        for tmpfs in &root.tmpfs {
            rules.push((&tmpfs.path, rights(Access::Write)));
        }
        if root.proc != Proc::None {
            rules.push((Path::new("/proc"), rights(Access::Read)));
        }
        if root.devices {
            rules.push((
                Path::new("/dev"),
                rights(Access::Read) | AccessFs::WriteFile,
            ));
        }
    }
    for rule in &spec.landlock.paths {
        rules.push((&rule.path, rights(rule.access)));
    }
    let failed = |error: &dyn std::fmt::Display| {
        Error::step(
            "building the Landlock rules",
            std::io::Error::other(error.to_string()),
        )
    };
    let mut ruleset = ruleset(abi)?;
    for (path, rights) in rules {
        let fd = PathFd::new(path).map_err(|error| {
            Error::step_hint(
                format!("allowing {} in Landlock", path.display()),
                std::io::Error::other(error.to_string()),
                ". A path that is allowed must exist inside",
            )
        })?;
        let is_dir = rustix::fs::fstat(&fd)
            .map(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode))
            .map_err(|error| failed(&error))?
            == rustix::fs::FileType::Directory;
        let most = if is_dir {
            AccessFs::from_all(abi)
        } else {
            AccessFs::from_file(abi)
        };
        ruleset = ruleset
            .add_rule(PathBeneath::new(fd, rights & most))
            .map_err(|error| failed(&error))?;
    }
    if abi >= ABI::V4 {
        for port in &spec.landlock.bind_tcp {
            ruleset = ruleset
                .add_rule(NetPort::new(*port, AccessNet::BindTcp))
                .map_err(|error| failed(&error))?;
        }
        for port in &spec.landlock.connect_tcp {
            ruleset = ruleset
                .add_rule(NetPort::new(*port, AccessNet::ConnectTcp))
                .map_err(|error| failed(&error))?;
        }
    }
    if abi >= ABI::V7 {
        // What the program is denied is recorded, where the audit system is on: by default the kernel
        // does that only until the program is executed.
        ruleset = ruleset.log_new_exec(true).map_err(|error| failed(&error))?;
    }
    ruleset.restrict_self().map(|_| ()).map_err(|error| {
        Error::step(
            "entering the Landlock domain",
            std::io::Error::other(error.to_string()),
        )
    })
}

/// Restricts this process to nothing: no file can be opened, run, made or removed by name.
pub(crate) fn restrict_to_nothing() -> Result<(), Error> {
    require(crate::DEFAULT_LANDLOCK)?;
    let Some(abi) = level() else { return Ok(()) };
    ruleset(abi)?.restrict_self().map(|_| ()).map_err(|error| {
        Error::step(
            "entering the Landlock domain",
            std::io::Error::other(error.to_string()),
        )
    })
}

/// The running kernel's level, as far as the crate knows it; `None` where there is no Landlock
/// (and the spec's minimum is 0, or [`require`] had failed).
fn level() -> Option<ABI> {
    match landlock_abi() {
        0 => None,
        level => Some(ABI::from(i32::try_from(level).unwrap_or(i32::MAX))),
    }
}

fn ruleset(abi: ABI) -> Result<landlock::RulesetCreated, Error> {
    let build = || {
        let mut ruleset = Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(abi))?;
        if abi >= ABI::V4 {
            ruleset = ruleset.handle_access(AccessNet::from_all(abi))?;
        }
        if abi >= ABI::V6 {
            ruleset = ruleset.scope(Scope::from_all(abi))?;
        }
        ruleset.create()
    };
    build().map_err(|error: landlock::RulesetError| {
        Error::step(
            "creating the Landlock ruleset",
            std::io::Error::other(error.to_string()),
        )
    })
}

fn rights(access: Access) -> BitFlags<AccessFs> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    match access {
        Access::Read => read,
        Access::Execute => read | AccessFs::Execute,
        // Everything that changes files, except device nodes and device controls.
        Access::Write => {
            read | AccessFs::WriteFile
                | AccessFs::RemoveDir
                | AccessFs::RemoveFile
                | AccessFs::MakeDir
                | AccessFs::MakeReg
                | AccessFs::MakeSym
                | AccessFs::MakeSock
                | AccessFs::MakeFifo
                | AccessFs::Refer
                | AccessFs::Truncate
                | AccessFs::ResolveUnix
        }
    }
}
