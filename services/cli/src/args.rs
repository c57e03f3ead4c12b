//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use argos_bus::recorder::Region;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// Units, agents, tools, permissions, memory, models and the desktop of an ArgOS system.
#[derive(Debug, Parser)]
#[command(
    name = "argos",
    version,
    disable_help_subcommand = true,
    after_help = "Exit status: 0 done, 1 failed, 2 wrong usage, 3 not up, 4 not found, 5 denied, \
                  6 timed out, 130 interrupted."
)]
pub(crate) struct Cli {
    /// Print one JSON document instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show every unit, or one with its last log lines.
    Status(StatusArgs),
    /// Start units and what they require.
    Start(UnitArgs),
    /// Stop units and what requires them.
    Stop(UnitArgs),
    /// Stop and start units.
    Restart(UnitArgs),
    /// Show what a unit printed.
    Log(LogArgs),
    /// Read the unit files again.
    Reload(ScopeArgs),
    /// Stop everything in order and switch the machine off.
    #[command(visible_alias = "shutdown")]
    Poweroff(PowerArgs),
    /// Stop everything in order and restart the machine.
    Reboot(PowerArgs),
    /// Say something to an agent and wait for its answer.
    Chat(ChatArgs),
    /// Ask the assistant for something; with --plan, see what it would do.
    Ask(AskArgs),
    /// List agents; start, stop, pause them, look into them, read a conversation.
    Agents {
        #[command(subcommand)]
        command: Option<AgentsCommand>,
    },
    /// List tools and call them.
    Tools {
        #[command(subcommand)]
        command: ToolsCommand,
    },
    /// MCP servers whose tools agents can have; our tools for MCP clients.
    Mcp {
        #[command(subcommand)]
        command: McpCommand,
    },
    /// What agents may do: questions, grants, refusals, and the record of what they did.
    #[command(visible_alias = "permissions")]
    Perm {
        #[command(subcommand)]
        command: PermCommand,
    },
    /// What was said and done.
    Memory {
        #[command(subcommand)]
        command: MemoryCommand,
    },
    /// Timers and reminders that are set: list them, take one back.
    Timers {
        #[command(subcommand)]
        command: Option<TimersCommand>,
    },
    /// Models on this machine.
    Model {
        #[command(subcommand)]
        command: ModelCommand,
    },
    /// Ask the models directly.
    Ai {
        #[command(subcommand)]
        command: AiCommand,
    },
    /// The index of the documentation that agents look things up in: make it, measure it.
    #[command(hide = true)]
    Docs {
        #[command(subcommand)]
        command: DocsCommand,
    },
    /// What agents did: each tool call with who decided and how it ended.
    Audit(AuditArgs),
    /// Windows, workspaces, appearance.
    Desktop {
        #[command(subcommand)]
        command: DesktopCommand,
    },
    /// Run programs in sandboxes, read sandboxes aloud, see what they deny.
    Sandbox {
        #[command(subcommand)]
        command: SandboxCommand,
    },
    /// Look at everything that has to be there and say what is not.
    Doctor,
    /// Print completions for a shell: `argos completions bash > …/bash-completion/completions/argos`.
    Completions {
        /// Shell.
        shell: Shell,
    },
}

/// Whose units.
#[derive(Debug, Args)]
pub(crate) struct ScopeArgs {
    /// The units of this person's desktop instead of the system's.
    #[arg(long)]
    pub(crate) user: bool,
    /// Ask the supervisor at this control socket.
    #[arg(long, value_name = "SOCKET", hide = true, conflicts_with = "user")]
    pub(crate) control: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// One unit only.
    pub(crate) unit: Option<String>,
    /// Also units that are down and that nobody wants.
    #[arg(short, long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) scope: ScopeArgs,
}

#[derive(Debug, Args)]
pub(crate) struct UnitArgs {
    /// Names of units.
    #[arg(required = true)]
    pub(crate) units: Vec<String>,
    #[command(flatten)]
    pub(crate) scope: ScopeArgs,
}

#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// Name of the unit.
    pub(crate) unit: String,
    /// How many of the last lines.
    #[arg(short = 'n', long, default_value_t = 200)]
    pub(crate) lines: u32,
    #[command(flatten)]
    pub(crate) scope: ScopeArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PowerArgs {
    /// Do it even though a program blocks it (`argos poweroff` says which and why).
    #[arg(short, long)]
    pub(crate) force: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TimersCommand {
    /// List those that have not gone off, the next one first.
    List,
    /// Take one back.
    Cancel {
        /// Number, as in the list.
        id: u64,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ChatArgs {
    /// Agent (steward if none is named first) and what to say; nothing or `-`: from standard input.
    #[arg(value_name = "[AGENT] TEXT")]
    pub(crate) words: Vec<String>,
    /// Seconds to wait for the answer, permission questions included.
    #[arg(long, default_value_t = 180)]
    pub(crate) timeout: u64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AgentsCommand {
    /// Every agent and what it is at (the default).
    List,
    /// Start an agent.
    Start {
        /// Name of the agent.
        agent: String,
    },
    /// Stop an agent, or all of them.
    Stop {
        /// Name of the agent.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        agent: Option<String>,
        /// All of them; nothing starts again until `argos agents resume`.
        #[arg(long)]
        all: bool,
    },
    /// What is on an agent's mind: goals, attention, plan, working memory.
    Show {
        /// Name of the agent.
        #[arg(default_value = "steward")]
        agent: String,
    },
    /// What happened among the agents.
    Events {
        /// How many of the last ones.
        #[arg(short = 'n', long, default_value_t = 20)]
        lines: usize,
        /// Go on with what happens from now on.
        #[arg(short, long)]
        follow: bool,
    },
    /// No agent turns to anything new; what one is at it finishes.
    Pause,
    /// Undo `pause` and `stop --all`.
    Resume,
    /// While paused: each agent turns to the next thing, once.
    Step,
    /// How many times as fast as usual agents forget and learn.
    Speed {
        /// 0.1 to 20.
        speed: f64,
    },
    /// Read a conversation.
    History {
        /// Name of the agent.
        #[arg(default_value = "steward")]
        agent: String,
        /// How many of the last messages.
        #[arg(short = 'n', long, default_value_t = 20)]
        lines: u32,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ToolsCommand {
    /// Every tool, with the permission that an agent needs for it.
    List,
    /// Show a tool's arguments.
    Show {
        /// Name: `files.list`.
        tool: String,
    },
    /// Call a tool yourself: no permission is asked, the call is audited.
    Call {
        /// Name: `files.list`.
        tool: String,
        /// Arguments: one JSON object, or `name=value` pairs (values are JSON where they parse).
        arguments: Vec<String>,
    },
    /// Calls that have not ended.
    Calls,
    /// Cancel a call, whoever made it.
    Cancel {
        /// Number of the call.
        id: u64,
    },
}

#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// How many of the last rows.
    #[arg(short = 'n', long, default_value_t = 50)]
    pub(crate) lines: u32,
    /// Only the calls of this agent; `person` for yours.
    #[arg(long)]
    pub(crate) agent: Option<String>,
    /// Only calls that ended so: `ok`, `denied`, `failed`, ...
    #[arg(long)]
    pub(crate) outcome: Option<String>,
    /// Check that no row was changed, removed, inserted, reordered or cut off.
    #[arg(long, conflicts_with_all = ["agent", "outcome"])]
    pub(crate) verify: bool,
    /// With --verify: the log must still contain this row, as an earlier --verify printed it.
    #[arg(long, value_name = "NUMBER:DIGEST", requires = "verify")]
    pub(crate) pin: Option<argos_audit::Pin>,
    /// Read this log instead of yours (a copy, another person's).
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum McpCommand {
    /// Every tool provider and how it is doing.
    List,
    /// Start a provider if need be and show what it offers.
    Show {
        /// Name: `files`, `mcp.files`, `dbus.weather`.
        server: String,
    },
    /// Declare an MCP server of yours: a program, run in a sandbox, or an address.
    Add(Box<McpAddArgs>),
    /// Take a server of yours away, and what was granted for it.
    Remove {
        /// Name: `files`.
        server: String,
    },
    /// Serve our tools to an MCP client on standard input and output. Its calls are asked for,
    /// limited and recorded as those of `mcp-client:NAME`.
    Serve {
        /// Name of the client.
        #[arg(long, default_value = "default")]
        name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct McpAddArgs {
    /// Name: small letters, digits and `-`. Its tools are `mcp.NAME.TOOL`.
    pub(crate) name: String,
    /// Title for people.
    #[arg(long)]
    pub(crate) title: Option<String>,
    /// Where a server is that speaks Streamable HTTP.
    #[arg(
        long,
        value_name = "URL",
        conflicts_with = "command",
        required_unless_present = "command"
    )]
    pub(crate) url: Option<String>,
    /// File or folder that it may read and run, beside /usr; may be given again.
    #[arg(long, value_name = "PATH")]
    pub(crate) code: Vec<PathBuf>,
    /// File or folder that it may read; may be given again.
    #[arg(long, value_name = "PATH")]
    pub(crate) read: Vec<PathBuf>,
    /// Folder that it may write; may be given again.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) write: Vec<PathBuf>,
    /// Host that it may reach: `example.org`, `*.example.org:8443`, `127.0.0.1:8080`; may be given again.
    #[arg(long = "host", value_name = "HOST")]
    pub(crate) hosts: Vec<String>,
    /// Variable of its environment; may be given again.
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = crate::mcp::variable)]
    pub(crate) environment: Vec<(String, String)>,
    /// Memory it may use: `256M`.
    #[arg(long)]
    pub(crate) memory: Option<String>,
    /// Processes and threads it may have.
    #[arg(long)]
    pub(crate) tasks: Option<u32>,
    /// What all files in the folders that it may write may take together: `512M`.
    #[arg(long)]
    pub(crate) workspace: Option<String>,
    /// Behind `--`: the server's program (absolute path) and its arguments.
    #[arg(last = true)]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PermCommand {
    /// Grants and standing refusals.
    List {
        /// Only those of this agent.
        agent: Option<String>,
    },
    /// Grant something without being asked, or refuse it.
    Grant {
        /// Name of the agent.
        agent: String,
        /// Action: `read`, `write`, `launch`, `control`, `network` or `message`.
        action: String,
        /// Resource: a path and all beneath it, an application's id, a host or `*.example.org`
        /// (with `:PORT`), or a word such as `notes`.
        resource: String,
        /// Refuse it instead.
        #[arg(long)]
        deny: bool,
        /// For this long: `30m`, `12h`, `7d`; for ever if left out.
        #[arg(long = "for", value_name = "TIME", value_parser = crate::perm::duration)]
        lasting: Option<std::time::Duration>,
        /// Until the session ends.
        #[arg(long)]
        session: bool,
    },
    /// Say what would happen if an agent wanted this, and on whose word.
    Explain {
        /// Name of the agent.
        agent: String,
        /// Action.
        action: String,
        /// Resource.
        resource: String,
    },
    /// What agents did: each tool call with who decided and how it ended.
    Audit(AuditArgs),
    /// Questions that wait for an answer.
    Pending,
    /// Answer a question.
    Answer {
        /// Number of the question.
        id: u64,
        /// Answer.
        decision: Decision,
    },
    /// Deny every question of an agent that waits, this time.
    DenyAll {
        /// Name of the agent.
        agent: String,
    },
    /// Take a grant or a refusal back.
    Revoke {
        /// Number of the grant.
        id: u64,
    },
}

/// An answer to a question.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Decision {
    /// Yes, this time.
    Once,
    /// Yes, until the session ends.
    Session,
    /// Yes, from now on.
    Always,
    /// No, this time.
    Deny,
    /// No, from now on.
    Never,
}

impl Decision {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Session => "session",
            Self::Always => "always",
            Self::Deny => "deny",
            Self::Never => "never",
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum MemoryCommand {
    /// Find by meaning, best first.
    Search {
        /// What to look for.
        #[arg(required = true)]
        query: Vec<String>,
        /// How many at most.
        #[arg(short = 'n', long, default_value_t = 10)]
        limit: u32,
        /// Only one owner's: an agent's name or `shared`.
        #[arg(long, default_value = "")]
        owner: String,
    },
    /// The newest, newest first.
    Recent {
        /// How many at most.
        #[arg(short = 'n', long, default_value_t = 20)]
        limit: u32,
        /// Only one owner's: an agent's name or `shared`.
        #[arg(long, default_value = "")]
        owner: String,
    },
    /// Remember something.
    Add {
        /// What to remember.
        #[arg(required = true)]
        text: Vec<String>,
        /// `fact`, `said` or `done`.
        #[arg(long, default_value = "fact")]
        kind: String,
        /// Whose memory it becomes.
        #[arg(long, default_value = "shared")]
        owner: String,
        /// Labels; may be given again.
        #[arg(long = "tag")]
        tags: Vec<String>,
    },
    /// Forget one.
    Forget {
        /// Number of the memory.
        id: u64,
    },
    /// Write all of it as JSON lines.
    Export {
        /// File; `-` is standard output.
        #[arg(default_value = "-")]
        file: PathBuf,
    },
    /// Read JSON lines as `export` writes them; all or nothing.
    Import {
        /// File; `-` is standard input.
        #[arg(default_value = "-")]
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Every model found in the model folders.
    #[command(visible_alias = "ls")]
    List,
    /// What a model is: kind, size, precision, context, memory, licence.
    Show(ModelShowArgs),
    /// Compare a model's files with the digests that import or pull noted.
    Check(ModelCheckArgs),
    /// Copy a model from a folder or a mounted disk into the model directory.
    Import(ModelImportArgs),
    /// Download a model from a server that you name.
    Pull(ModelPullArgs),
    /// Talk with a language model; with a prompt or piped input, answer once.
    Run(ModelRunArgs),
    /// Models in memory and what they are at.
    Ps,
    /// Load a model.
    Load {
        /// Name of its folder.
        model: String,
    },
    /// Free a model's memory.
    #[command(visible_alias = "stop")]
    Unload {
        /// Name of its folder.
        model: String,
    },
    /// Remove models for good.
    #[command(name = "rm", visible_alias = "remove")]
    Remove(ModelRemoveArgs),
    /// Measure how fast a language model reads and writes, in this process.
    Bench(ModelBenchArgs),
    /// Counters of the AI service.
    Statistics,
}

/// Where a new model goes.
#[derive(Debug, Args)]
pub(crate) struct ModelTargetArgs {
    /// Name of the model; that of its source if none is given.
    #[arg(long, value_name = "ID")]
    pub(crate) name: Option<String>,
    /// Put it into this directory instead of /var/lib/argos/models.
    #[arg(long, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    /// Replace a model of the same name.
    #[arg(long)]
    pub(crate) force: bool,
}

impl ModelTargetArgs {
    pub(crate) fn directory(&self) -> PathBuf {
        let own = || crate::models::store::OWN.into();
        self.directory.clone().unwrap_or_else(own)
    }
}

#[derive(Debug, Args)]
pub(crate) struct ModelImportArgs {
    /// Folder of the model, or one graph (*.onnx) in it.
    pub(crate) path: PathBuf,
    #[command(flatten)]
    pub(crate) into: ModelTargetArgs,
    /// Which of several graphs: a path, a file's name, or what stands behind `model_`: int8, q4.
    #[arg(long)]
    pub(crate) variant: Option<String>,
    /// Copy every file, not only those that the model needs.
    #[arg(long, conflicts_with = "variant")]
    pub(crate) all: bool,
    /// Copy what links lead to, also outside the folder.
    #[arg(long)]
    pub(crate) follow_links: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ModelPullArgs {
    /// OWNER/NAME or OWNER/NAME@REVISION on the server, or the address of a folder with an
    /// ARGOS-MODEL.json: https://HOST/PATH/.
    pub(crate) source: String,
    /// Server with the layout of a model hub; none is asked that is not named.
    #[arg(long, value_name = "URL", env = "ARGOS_MODEL_SERVER")]
    pub(crate) server: Option<String>,
    #[command(flatten)]
    pub(crate) into: ModelTargetArgs,
    /// Which of several graphs: a path, a file's name, or what stands behind `model_`: int8, q4.
    #[arg(long)]
    pub(crate) variant: Option<String>,
    /// The model is in this folder of the source.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) subfolder: Option<String>,
    /// Download every file, not only those that the model needs.
    #[arg(long, conflicts_with = "variant")]
    pub(crate) all: bool,
    /// File whose first line is your token for the server.
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Seconds that the server may send nothing before it is tried again.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub(crate) timeout: u64,
}

#[derive(Debug, Args)]
pub(crate) struct ModelShowArgs {
    /// Name of a model, or path of a folder: ./folder.
    pub(crate) model: String,
    /// Look for the name in this directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    /// Which of several graphs.
    #[arg(long)]
    pub(crate) variant: Option<String>,
    /// Say the memory for so many requests at once (8).
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) slots: Option<u32>,
    /// Also compare the files with the digests that import or pull noted.
    #[arg(long)]
    pub(crate) verify: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ModelCheckArgs {
    /// Name of a model, or path of a folder: ./folder.
    pub(crate) model: String,
    /// Look for the name in this directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ModelRunArgs {
    /// Name of the model's folder.
    pub(crate) model: String,
    /// What to answer; none: a conversation, or standard input where it is no terminal.
    pub(crate) prompt: Vec<String>,
    /// What the model is told first.
    #[arg(long, value_name = "TEXT")]
    pub(crate) system: Option<String>,
    /// Most tokens of an answer.
    #[arg(long)]
    pub(crate) max_tokens: Option<u32>,
    /// 0 takes the likeliest token each time; the model's own if none is given.
    #[arg(long)]
    pub(crate) temperature: Option<f64>,
    /// Same seed, same answer.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct ModelRemoveArgs {
    /// Names of models.
    #[arg(required = true)]
    pub(crate) models: Vec<String>,
    /// Remove what came of a download that did not end, and not the model.
    #[arg(long)]
    pub(crate) partial: bool,
    /// Ask nothing.
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Remove from this directory instead of /var/lib/argos/models.
    #[arg(long, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ModelBenchArgs {
    /// Name of a model, or path of a folder: ./folder.
    pub(crate) model: String,
    /// Look for the name in this directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    /// Tokens of a prompt.
    #[arg(long, default_value_t = 512, value_parser = at_least_one)]
    pub(crate) prompt: usize,
    /// Tokens of an answer.
    #[arg(long, default_value_t = 128, value_parser = at_least_one)]
    pub(crate) tokens: usize,
    /// How many at once, one row each.
    #[arg(long, value_delimiter = ',', default_value = "1,8", value_parser = at_least_one)]
    pub(crate) streams: Vec<usize>,
    /// Runs of each row.
    #[arg(long, default_value_t = 3, value_parser = at_least_one)]
    pub(crate) repeat: usize,
    /// Threads of the processor; by load and size if not given.
    #[arg(long, value_parser = at_least_one)]
    pub(crate) threads: Option<usize>,
}

/// A count, bounded so that sums of counts stay numbers.
fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ 1..=1_000_000) => Ok(count),
        _ => Err("it is a number from 1 to 1000000".into()),
    }
}

/// Without `--plan` as `argos chat`, to the assistant.
#[derive(Debug, Subcommand)]
pub(crate) enum DocsCommand {
    /// Split pages into passages and embed them.
    Index(DocsIndexArgs),
    /// Ask questions whose page is known and say how many find it: by words, by meaning, by both.
    Measure(DocsMeasureArgs),
}

#[derive(Debug, Args)]
pub(crate) struct DocsIndexArgs {
    /// Folder that the index is written to.
    pub(crate) out: PathBuf,
    /// Folder of Markdown files; may be given again.
    #[arg(long, value_name = "DIR", required_unless_present = "manuals")]
    pub(crate) pages: Vec<PathBuf>,
    /// Folder of manual pages, which holds man1, man5 and so on; may be given again. Needs mandoc.
    #[arg(long, value_name = "DIR")]
    pub(crate) manuals: Vec<PathBuf>,
    /// Folder of the default model.
    #[arg(long, value_name = "DIR")]
    pub(crate) model: PathBuf,
    /// An earlier index, whose embeddings are taken over for passages that stayed the same.
    #[arg(long, value_name = "DIR")]
    pub(crate) reuse: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct DocsMeasureArgs {
    /// Lines of {"question": …, "sources": [pages that answer it]}.
    pub(crate) questions: PathBuf,
    /// Folder of the index.
    #[arg(long, value_name = "DIR")]
    pub(crate) index: PathBuf,
    /// Folder of the default model.
    #[arg(long, value_name = "DIR")]
    pub(crate) model: PathBuf,
    /// Show the questions that do not find their page among the first three.
    #[arg(long)]
    pub(crate) misses: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AskArgs {
    /// The request.
    #[arg(required_unless_present = "batch")]
    pub(crate) text: Vec<String>,
    /// Print the calls that would be made and make none.
    #[arg(long)]
    pub(crate) plan: bool,
    /// Read many requests from standard input, one a line; print a JSON object a line.
    #[arg(long, requires = "plan", conflicts_with = "text")]
    pub(crate) batch: bool,
    /// Folder of the model; if none is named, the default model that was built in this checkout, else that of this
    /// system, else the newest that was built in any checkout.
    #[arg(long, value_name = "DIR", requires = "plan")]
    pub(crate) model: Option<PathBuf>,
    /// The time that "tomorrow" counts from: 2026-03-18T10:30:00.
    #[arg(long, value_name = "TIME", requires = "plan")]
    pub(crate) now: Option<jiff::civil::DateTime>,
    /// Tools that may be proposed; all if none is named.
    #[arg(long = "tool", value_name = "TOOL", requires = "plan")]
    pub(crate) tools: Vec<String>,
    /// JSON file with tools that the model was not trained on: their names, descriptions, examples, parameters.
    #[arg(long, value_name = "FILE", requires = "plan")]
    pub(crate) described: Option<PathBuf>,
    /// Seconds to wait for the answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    pub(crate) timeout: u64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AiCommand {
    /// What the model makes of a request, without doing any of it.
    Plan {
        /// The request.
        #[arg(required = true)]
        text: Vec<String>,
        /// Tools that may be proposed; all if none is named.
        #[arg(long = "tool")]
        tools: Vec<String>,
    },
    /// Write text with a causal language model.
    Generate {
        /// The prompt.
        #[arg(required = true)]
        text: Vec<String>,
        /// Name of the model's folder.
        #[arg(long)]
        model: String,
        /// Most tokens.
        #[arg(long, default_value_t = 256)]
        max_tokens: u32,
    },
}

/// How warm the colours are to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Warmth {
    On,
    Off,
    /// Of so many kelvins.
    At(u32),
}

impl std::str::FromStr for Warmth {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "on" => Ok(Self::On),
            "off" => Ok(Self::Off),
            // The compositor says what is warm enough and not too warm; 0 would be something else to it.
            _ => match text.parse() {
                Ok(kelvin) if kelvin > 0 => Ok(Self::At(kelvin)),
                _ => Err("it is `on`, `off` or a number of kelvins, as 3500".to_owned()),
            },
        }
    }
}

/// Whether something is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

const RECORD_EXAMPLES: &str = "\
Examples:
  argos desktop record                           until Ctrl-C, into a file in ~/Videos
  argos desktop record --seconds 10 demo.mkv
  argos desktop record --window 4 --no-pointer   number as in `argos desktop windows`
  argos desktop record --region 100,100,800,600

The film is Matroska with a JPEG for each picture; `ffmpeg -i demo.mkv demo.webm` makes a smaller one of it.";

#[derive(Debug, Subcommand)]
pub(crate) enum DesktopCommand {
    /// Every window, most recently used first.
    Windows,
    /// Bring a window to the front.
    Focus {
        /// Number of the window.
        window: u64,
    },
    /// Ask a window to close.
    Close {
        /// Number of the window.
        window: u64,
    },
    /// Show a workspace, or say which one is shown.
    Workspace {
        /// Number, from 1.
        number: Option<u32>,
    },
    /// Set the theme, or say which one is set.
    Theme {
        /// Name: `dark`, `light`.
        name: Option<String>,
    },
    /// Lock the screen.
    Lock,
    /// Make the colours warmer until the settings would change that, or say how they are.
    NightLight {
        /// `on`, `off`, or a temperature in kelvins from 1700 (as a candle) to 6500 (as by day).
        warmth: Option<Warmth>,
    },
    /// Show the screen larger, or say how much larger it is.
    Zoom {
        /// How many times, 1 to 8.
        factor: Option<f64>,
    },
    /// The screens that are on.
    Outputs {
        /// Go on with what changes of them from now on.
        #[arg(short, long)]
        follow: bool,
    },
    /// Pick the colour of a pixel on the screen, and print it as `#rrggbb`.
    PickColor,
    /// Record the screen into a film, until Ctrl-C.
    ///
    /// The screen that the pointer is on is recorded, if nothing else is said. A picture is taken when there is
    /// something new to be seen. Meanwhile the panel shows a red dot with the time; a click on it ends the recording,
    /// and so do Super+Shift+R and `argos desktop record --stop`. One recording is made at a time. Prompts and the
    /// locked screen are never in it.
    #[command(after_long_help = RECORD_EXAMPLES)]
    Record(Box<RecordArgs>),
    /// How long keys take to be seen, in milliseconds: what was measured since the last time.
    Latency {
        /// `on` begins to measure, `off` ends it; without it, it goes on.
        switch: Option<Switch>,
    },
    /// Show or hide a part of the shell.
    Toggle {
        /// `launcher`, `chat`, `agents`, `controls`, `power`, `permissions` or `settings`.
        part: String,
    },
    /// The parts of the shell that are programs of their own, or have one started anew.
    Parts {
        /// Name of a part that is to be started anew, also if it was given up.
        #[arg(long, value_name = "PART")]
        restart: Option<String>,
    },
    /// Show or hide the settings, or a page of them.
    Settings {
        /// `appearance`, `windows`, `displays`, `input`, `accessibility`, `power`, `agents`, `language` or
        /// `about`.
        page: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    /// File that is made; one that is there is not overwritten [default: named by the time, in ~/Videos].
    pub(crate) file: Option<PathBuf>,
    /// Record the screen of this name, as `argos desktop outputs` shows it.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["window", "region"])]
    pub(crate) output: Option<String>,
    /// Record this window alone, wherever it goes and whatever covers it.
    #[arg(long, value_name = "ID", conflicts_with = "region")]
    pub(crate) window: Option<u64>,
    /// Record this part of one screen, in logical pixels of the space that all screens share.
    #[arg(
        long,
        value_name = "X,Y,WIDTH,HEIGHT",
        allow_hyphen_values = true,
        value_parser = crate::desktop::region
    )]
    pub(crate) region: Option<Region>,
    /// Leave the pointer out.
    #[arg(long)]
    pub(crate) no_pointer: bool,
    /// The most pictures a second: 1 to 120.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 30,
        value_parser = clap::value_parser!(u32).range(1..=120)
    )]
    pub(crate) rate: u32,
    /// End after so many seconds: 1 to 86400.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) seconds: Option<u32>,
    /// End the recording that is being made, whoever began it.
    #[arg(
        long,
        conflicts_with_all = ["file", "output", "window", "region", "no_pointer", "rate", "seconds"]
    )]
    pub(crate) stop: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SandboxCommand {
    /// Run a program in a sandbox; its exit status is the program's (126: it was not started).
    Run {
        #[command(flatten)]
        walls: WallsArgs,
        /// Program and arguments.
        #[arg(last = true, required = true, value_name = "PROGRAM")]
        program: Vec<OsString>,
    },
    /// Say in plain words what an agent may do, or what a sandbox allows.
    Explain {
        /// Name of the agent; none: the sandbox that the options describe.
        #[arg(conflicts_with_all = ["spec", "read", "write", "exec"])]
        agent: Option<String>,
        #[command(flatten)]
        walls: WallsArgs,
    },
    /// Run a program in a sandbox, or watch an agent that runs, and show what it is denied.
    Trace {
        /// Name of the agent.
        #[arg(
            required_unless_present = "program",
            conflicts_with_all = ["program", "spec", "read", "write", "exec"]
        )]
        agent: Option<String>,
        /// Seconds to watch the agent for.
        #[arg(long, default_value_t = 10, conflicts_with = "program")]
        seconds: u64,
        /// Do not watch, but show what the kernel itself recorded: before, and in these seconds. For root.
        #[arg(long, conflicts_with = "program")]
        recorded: bool,
        #[command(flatten)]
        walls: WallsArgs,
        /// Program and arguments.
        #[arg(last = true, value_name = "PROGRAM")]
        program: Vec<OsString>,
    },
}

/// A sandbox.
#[derive(Debug, Args)]
pub(crate) struct WallsArgs {
    /// A file (YAML), or `agent`, `worker`, `service`.
    #[arg(long, default_value = "agent", value_name = "FILE|NAME")]
    pub(crate) spec: String,
    /// A file or folder that it may also read; may be given again.
    #[arg(long, value_name = "PATH")]
    pub(crate) read: Vec<PathBuf>,
    /// A file or folder that it may also change.
    #[arg(long, value_name = "PATH")]
    pub(crate) write: Vec<PathBuf>,
    /// A file or folder that it may also read and run.
    #[arg(long, value_name = "PATH")]
    pub(crate) exec: Vec<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }

    #[test]
    fn documented_commands_parse() {
        for command in argos_docs::commands("argos") {
            if let Err(error) = super::Cli::try_parse_from(&command.words) {
                // Help is what was asked for.
                assert!(!error.use_stderr(), "{}: {error}", command.place);
            }
        }
    }
}
