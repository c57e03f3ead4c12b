//! Running tests that drive the real programs: copies of them where every user can run them, outside of
//! a chroot, as an ordinary user, before there are threads. Also the harness of `argos-mcp`'s tests.
//!
//! A word as argument runs only the tests with it in their name.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use crate::{bed, chroot};

pub(crate) type Test = fn() -> Pin<Box<dyn Future<Output = ()>>>;

macro_rules! tests {
    ($($module:ident :: $name:ident),* $(,)?) => {
        &[$((stringify!($name), || Box::pin($module::$name()))),*]
    };
}

/// What a suite is made of.
pub(crate) struct Suite {
    /// A word for its folder.
    pub(crate) name: &'static str,
    /// The package's own program; the others are built beside it.
    pub(crate) own: &'static str,
    /// The programs that the tests start.
    pub(crate) programs: &'static [&'static str],
    /// How the programs of other packages are built.
    pub(crate) build: &'static str,
    pub(crate) tests: &'static [(&'static str, Test)],
    /// How long the test of a name may take.
    pub(crate) limit: fn(&str) -> Duration,
}

/// An ordinary user whom every tree knows (`nobody`): dbus-daemon looks its own user up.
pub(crate) const PERSON: u32 = 65534;

impl Suite {
    pub(crate) fn main(&self) -> ExitCode {
        let args: Vec<String> = std::env::args().skip(1).collect();
        if let ["suite", programs, filter @ ..] = args
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .as_slice()
        {
            return self.run(Path::new(programs), filter);
        }
        if args.iter().any(|a| a == "--list") {
            return ExitCode::SUCCESS;
        }
        let folder =
            std::env::temp_dir().join(format!("argos-{}-it-{}", self.name, std::process::id()));
        let test = match self.publish(&folder) {
            Ok(test) => test,
            Err(e) => {
                eprintln!("{e}");
                return ExitCode::FAILURE;
            }
        };
        // After the copies: a program's own path is not the same any more out there.
        if let Err(e) = chroot::leave() {
            eprintln!("cannot leave the chroot this runs in: {e}");
            return ExitCode::FAILURE;
        }
        let mut command = Command::new(test);
        command
            .arg("suite")
            .arg(&folder)
            .args(args.iter().filter(|a| !a.starts_with('-')));
        if rustix::process::getuid().is_root() {
            command.uid(PERSON).gid(PERSON);
        }
        let good = command.status().is_ok_and(|s| s.success());
        // Only copies; what stays is removed with the rest of the temporary folder.
        let _ = std::fs::remove_dir_all(&folder);
        if good {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    /// Copies the programs to where every user can run them.
    fn publish(&self, folder: &Path) -> Result<PathBuf, String> {
        let built = Path::new(self.own).parent().unwrap_or(Path::new("."));
        std::fs::create_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        std::fs::set_permissions(folder, PermissionsExt::from_mode(0o755))
            .map_err(|e| e.to_string())?;
        let test = std::env::current_exe().map_err(|e| e.to_string())?;
        let mut sources: Vec<(PathBuf, PathBuf)> = self
            .programs
            .iter()
            .map(|p| (built.join(p), folder.join(p)))
            .collect();
        sources.push((test, folder.join("it")));
        for (from, to) in sources {
            std::fs::copy(&from, &to).map_err(|e| {
                format!(
                    "{}: {e}\nthese tests drive the real programs; build them first: cargo build \
                     {} with the same profile",
                    from.display(),
                    self.build
                )
            })?;
        }
        Ok(folder.join("it"))
    }

    fn run(&self, programs: &Path, filter: &[&str]) -> ExitCode {
        bed::PROGRAMS
            .set(programs.to_owned())
            .expect("the suite begins once");
        let wanted: Vec<_> = self
            .tests
            .iter()
            .filter(|(name, _)| filter.is_empty() || filter.iter().any(|word| name.contains(word)))
            .collect();
        let mut failed = 0;
        for (name, test) in &wanted {
            let started = Instant::now();
            println!("test {name} ...");
            let limit = (self.limit)(name);
            let outcome = std::panic::catch_unwind(|| {
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("a runtime")
                    .block_on(async { tokio::time::timeout(limit, test()).await })
            });
            let seconds = started.elapsed().as_secs_f32();
            match outcome {
                Ok(Ok(())) => println!("test {name} ... ok ({seconds:.1} s)"),
                Ok(Err(_)) => {
                    failed += 1;
                    println!("test {name} ... FAILED: no end after {seconds:.0} s");
                }
                Err(_) => {
                    failed += 1;
                    println!("test {name} ... FAILED ({seconds:.1} s)");
                }
            }
        }
        println!("{} passed, {failed} failed", wanted.len() - failed);
        if failed == 0 && !wanted.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}
