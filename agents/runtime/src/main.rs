//! `argos-agent`: the native agent, as it runs inside the sandbox.
//!
//! It has nothing but fd 3, which speaks peer-to-peer D-Bus with the broker. It waits for a
//! message, has the model turn it into tool calls, makes the calls through the broker, and puts
//! what came back into words. It decides nothing about permissions: the broker does, whatever is
//! attempted here.
//!
//! `dialogue` is the conversation, `wording` the words, `probe` a check of the walls from inside.

mod dialogue;
mod link;
mod probe;
mod wording;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        [] => serve(),
        ["probe"] => probe::all(),
        ["probe", attempt] => probe::one(attempt),
        _ => Err(anyhow::anyhow!(
            "argos-agent takes no arguments: the broker starts it"
        )),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            // In one piece: the broker may end this process as soon as its connection is gone.
            let words = format!("argos-agent: {e:#}\n");
            eprint!("{words}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> anyhow::Result<()> {
    // One thread is plenty for one conversation, and the least for the sandbox to allow.
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(link::serve())
}
