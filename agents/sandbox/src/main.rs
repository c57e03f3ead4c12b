//! `argos-sandbox`: run a program under a spec, read a spec aloud, ask what the kernel gives.
//! For people and tests; services enter their sandboxes through `argos-exec`.

use std::ffi::CString;
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;

use argos_sandbox::{Spec, probe, run};

const USAGE: &str = "\
usage: argos-sandbox run SPEC -- PROGRAM [ARGUMENT...]   run a program in a sandbox
       argos-sandbox explain SPEC                        say what a spec allows
       argos-sandbox doctor                              say what this kernel can enforce

SPEC is a JSON file, a JSON object, or one of the built-in names: agent, worker, service.";

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let verb = args.next().and_then(|verb| verb.into_string().ok());
    let rest: Vec<_> = args.collect();
    match (verb.as_deref(), rest.as_slice()) {
        (Some("run"), [spec, dashes, program @ ..]) if dashes == "--" && !program.is_empty() => {
            let spec = match load(&spec.to_string_lossy()) {
                Ok(spec) => spec,
                Err(text) => return fail(&text),
            };
            let argv: Result<Vec<CString>, _> = program
                .iter()
                .cloned()
                .map(|arg| CString::new(arg.into_vec()))
                .collect();
            match argv {
                Ok(argv) => run(&spec, &argv),
                Err(_) => fail("an argument holds a NUL byte"),
            }
        }
        (Some("explain"), [spec]) => match load(&spec.to_string_lossy()) {
            Ok(spec) => print(&spec.explain()),
            Err(text) => fail(&text),
        },
        (Some("doctor"), []) => doctor(),
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn load(text: &str) -> Result<Spec, String> {
    match text {
        "agent" => return Ok(Spec::agent()),
        "worker" => return Ok(Spec::worker()),
        "service" => return Ok(Spec::service()),
        _ => {}
    }
    let json = if text.trim_start().starts_with('{') {
        text.to_owned()
    } else {
        std::fs::read_to_string(text)
            .map_err(|error| format!("cannot read the spec {text}: {error}"))?
    };
    Spec::from_json(&json).map_err(|error| format!("{text}: {error}"))
}

fn doctor() -> ExitCode {
    let levels = probe();
    let mark = |good: bool| if good { "ok     " } else { "missing" };
    let needed = argos_sandbox::DEFAULT_LANDLOCK;
    let mut lines = vec![
        format!("kernel           {}", levels.kernel),
        format!(
            "landlock         {} ABI {} (ArgOS needs {needed})",
            mark(levels.landlock >= needed),
            levels.landlock
        ),
        format!("seccomp          {}", mark(levels.seccomp)),
        format!("user namespaces  {}", mark(levels.user_namespaces.is_ok())),
        format!("cgroup v2        {}", mark(levels.cgroup_v2)),
    ];
    if let Err(why) = &levels.user_namespaces {
        lines.push(format!("                 {why}"));
    }
    let good = levels.landlock >= needed && levels.seccomp && levels.user_namespaces.is_ok();
    print(&lines);
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn print(lines: &[String]) -> ExitCode {
    let mut out = std::io::stdout().lock();
    match lines.iter().try_for_each(|line| writeln!(out, "{line}")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn fail(text: &str) -> ExitCode {
    eprintln!("argos-sandbox: {text}");
    ExitCode::from(126)
}
