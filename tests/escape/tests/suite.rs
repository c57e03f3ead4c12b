//! Runs the suite on this host: `cargo test -p argos-escape [-- WORD…]`.

use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--list") {
        return ExitCode::SUCCESS;
    }
    let words = words.iter().filter(|word| !word.starts_with('-'));
    let status = Command::new(env!("CARGO_BIN_EXE_argos-escape"))
        .arg("suite")
        .args(words)
        .status();
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("argos-escape cannot be run: {error}");
            ExitCode::FAILURE
        }
    }
}
