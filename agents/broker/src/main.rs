//! Starts the broker, or probes an agent's sandbox from inside.

use argos_broker::Options;
use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// Starts agents, checks and records what they do, asks the person.
#[derive(Debug, Parser)]
#[command(name = "argos-broker", version)]
struct Arguments {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Try to break out of an agent's sandbox from inside, and print what was refused, as JSON
    ProbeSandbox {
        /// Agent
        agent: String,
    },
    /// Print what an agent may do, as JSON (`argos sandbox explain` puts it into words)
    Explain {
        /// Agent
        agent: String,
    },
    /// Print the JSON Schema of agent.yaml
    Schema,
    /// Print the JSON Schema of tools/NAME.yaml, which declares a tool provider
    ProviderSchema,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,zbus=warn")),
        )
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
    let arguments = Arguments::parse();
    match arguments.command {
        None => argos_broker::serve(&arguments.options).await,
        Some(Command::ProbeSandbox { agent }) => {
            println!(
                "{}",
                argos_broker::probe_sandbox(&arguments.options, &agent).await?
            );
            Ok(())
        }
        Some(Command::Explain { agent }) => {
            println!("{}", argos_broker::explain(&arguments.options, &agent)?);
            Ok(())
        }
        Some(Command::Schema) => {
            println!("{:#}", argos_broker::manifest::schema());
            Ok(())
        }
        Some(Command::ProviderSchema) => {
            println!("{:#}", argos_broker::providers::declaration::schema());
            Ok(())
        }
    }
}
