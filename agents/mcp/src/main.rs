//! `argos-mcp`: MCP both ways.
//!
//! * `stdio` and `http` are the client of one MCP server. The broker starts this program in the
//!   server's sandbox, with the server as its child (or, over HTTP, with the proxy as its only way
//!   out). It serves `org.argos.ToolProvider1` on fd 3, so that JSON-RPC of a stranger is read inside
//!   these walls and the broker only meets D-Bus messages with limits ([`provider`], [`gate`]).
//! * `serve` is the server of one MCP client outside: our tools, as the broker lets that client have
//!   them ([`serve`]).
//!
//! Permissions, audit and limits are the broker's. This program is trusted with nothing.

mod gate;
mod provider;
mod result;
mod serve;
mod server;
mod socket;

use clap::{Parser, Subcommand};

/// MCP servers as providers of tools, and our tools for MCP clients.
#[derive(Debug, Parser)]
#[command(name = "argos-mcp", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Provide the tools of a server that speaks on its standard input and output (for the broker)
    Stdio {
        /// The server's program and its arguments
        #[arg(required = true, last = true)]
        command: Vec<String>,
    },
    /// Provide the tools of a server that speaks Streamable HTTP, through the proxy (for the broker)
    Http {
        /// Where it is
        url: String,
    },
    /// Serve our tools to an MCP client on standard input and output
    Serve {
        /// Under which name its calls are asked for and recorded: `mcp-client:NAME`
        #[arg(long, default_value = "default")]
        name: String,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let outcome = match Arguments::parse().command {
        Command::Stdio { command } => server::stdio(&command).await,
        Command::Http { url } => server::http(&url).await,
        Command::Serve { name } => serve::run(&name).await,
    };
    if let Err(error) = &outcome {
        // In one piece: the broker may end this process as soon as its connection is gone.
        let words = format!("argos-mcp: {error:#}\n");
        eprint!("{words}");
    }
    // Not by returning: a read of standard input that nobody ends would hold the runtime.
    std::process::exit(i32::from(outcome.is_err()));
}
