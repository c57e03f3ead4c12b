//! `argos-unit-compiler`: compiles unit files for a supervisor, or checks them for a person.
//!
//! ```text
//! argos-unit-compiler [--user] FOLDER...          the graph on standard output
//! argos-unit-compiler --check [--user] FOLDER...  what is wrong, as text; status 1 if something is
//! argos-unit-compiler --schema                    the JSON Schema of a unit file
//! ```

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use argos_unit_compiler::{Scope, compile, file};
use argos_units::codec;

fn main() -> ExitCode {
    let mut scope = Scope::System;
    let mut check = false;
    let mut folders = Vec::new();
    for argument in std::env::args_os().skip(1) {
        match argument.to_str() {
            Some("--user") => scope = Scope::User,
            Some("--check") => check = true,
            Some("--schema") => {
                println!("{:#}", file::schema());
                return ExitCode::SUCCESS;
            }
            Some(option) if option.starts_with("--") => {
                eprintln!(
                    "argos-unit-compiler: unknown option {option}; there are --user, --check and --schema"
                );
                return ExitCode::from(2);
            }
            _ => folders.push(PathBuf::from(argument)),
        }
    }
    if folders.is_empty() {
        eprintln!("argos-unit-compiler: name at least one folder with unit files");
        return ExitCode::from(2);
    }
    let graph = compile(scope, &folders);
    if check {
        for problem in &graph.problems {
            println!("{}", problem.message);
        }
        println!(
            "{} units, {} templates, {} problems",
            graph.units.len(),
            graph.templates.len(),
            graph.problems.len()
        );
        return ExitCode::from(u8::from(!graph.problems.is_empty()));
    }
    let written = match codec::encode_graph(&graph) {
        Ok(bytes) => std::io::stdout()
            .write_all(&bytes)
            .map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("argos-unit-compiler: the unit graph cannot be handed over: {error}");
            ExitCode::FAILURE
        }
    }
}
