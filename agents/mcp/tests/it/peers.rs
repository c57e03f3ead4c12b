//! The reference servers and clients of the MCP project, installed into the folder that
//! `ARGOS_MCP_PEERS` names (it is kept for the next run). Without it this does nothing: it needs Python,
//! Node.js and their package registries where the test runs. The build tree has no Node.js and is not
//! handed variables, so `argos-image cargo` leaves this out; CONTRIBUTING.md says how it is run.
//!
//! * `mcp` from PyPI: a server over standard input and output, the same over Streamable HTTP, a client
//!   of `argos-mcp serve`, and a server with the library as it was before revision 2026-07-28;
//! * `@modelcontextprotocol/server-filesystem` from npm as a sandboxed server;
//! * `@modelcontextprotocol/inspector` from npm, in its command-line mode, as a client.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use argos_bus::providers::Providers1Proxy;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::bed::{Bed, PROGRAMS, eventually};
use crate::harness::PERSON;
use crate::servers::{call, text};

const PYTHON: &str = "mcp==2.3.0";
const EARLIER_PYTHON: &str = "mcp==1.30.0";
const FILESYSTEM: &str = "@modelcontextprotocol/server-filesystem@2026.8.31";
const INSPECTOR: &str = "@modelcontextprotocol/inspector@2.12.0";

/// A server with Python's own library: a tool each for a text, a confirmation, and a form. What it
/// wants to know it says in its answer.
const SERVER: &str = r#"
import sys
from typing import Annotated
from mcp.server import MCPServer
from mcp.server.elicitation import ElicitationResult
from mcp.server.mcpserver import Elicit, Resolve
from pydantic import BaseModel

server = MCPServer("reference")

class Sure(BaseModel):
    sure: bool

class Form(BaseModel):
    password: str

async def really(question: str) -> Elicit[Sure]:
    return Elicit(question, Sure)

async def password() -> Elicit[Form]:
    return Elicit("Your password?", Form)

@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers"""
    return a + b

@server.tool()
async def confirm(question: str, answer: Annotated[ElicitationResult[Sure], Resolve(really)]) -> str:
    return answer.action

@server.tool()
async def form(answer: Annotated[ElicitationResult[Form], Resolve(password)]) -> str:
    return answer.action

if sys.argv[1] == "stdio":
    server.run(transport="stdio")
else:
    server.run(transport="streamable-http", host="127.0.0.1", port=int(sys.argv[2]))
"#;

/// The same with the earlier library: what it wants to know it asks in between.
const EARLIER_SERVER: &str = r#"
from mcp.server.fastmcp import Context, FastMCP
from pydantic import BaseModel

server = FastMCP("earlier")

class Sure(BaseModel):
    sure: bool

class Form(BaseModel):
    password: str

@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers"""
    return a + b

@server.tool()
async def confirm(question: str, ctx: Context) -> str:
    answer = await ctx.elicit(message=question, schema=Sure)
    return answer.action

@server.tool()
async def form(ctx: Context) -> str:
    answer = await ctx.elicit(message="Your password?", schema=Form)
    return answer.action

server.run(transport="stdio")
"#;

/// A client with Python's own library.
const CLIENT: &str = r#"
import asyncio, json, sys
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

async def main():
    server = StdioServerParameters(command=sys.argv[1], args=["serve", "--name", "python"], env=json.loads(sys.argv[2]))
    async with Client(stdio_client(server)) as client:
        tools = await client.list_tools()
        names = [tool.name for tool in tools.tools]
        result = await client.call_tool("files_list", {"path": sys.argv[3]})
        print(json.dumps({"names": names, "error": result.is_error, "text": result.content[0].text}))

asyncio.run(main())
"#;

/// Makes the folder, for the ordinary user that the tests become. To be called before that.
pub(crate) fn prepare() {
    let Some(folder) = folder() else { return };
    let made = std::fs::create_dir_all(&folder).and_then(|()| {
        let person = rustix::process::getuid().is_root().then_some(PERSON);
        std::os::unix::fs::chown(&folder, person, person)
    });
    made.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
}

fn folder() -> Option<PathBuf> {
    std::env::var_os("ARGOS_MCP_PEERS").map(PathBuf::from)
}

async fn run(command: &mut Command) -> String {
    let output = command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said} {errors}");
    said
}

/// A virtual environment of Python in the folder, with this package.
async fn python(folder: &Path, package: &str) -> PathBuf {
    if !folder.join("bin/python3").exists() {
        run(Command::new("python3")
            .args(["-m", "venv", "--copies"])
            .arg(folder))
        .await;
    }
    run(Command::new(folder.join("bin/pip"))
        .args(["install", "--quiet", "--disable-pip-version-check", package])
        .env("HOME", folder))
    .await;
    folder.join("bin/python3")
}

/// The folder of packages of Node.js, with the two.
async fn node(folder: &Path) -> PathBuf {
    std::fs::create_dir_all(folder).unwrap();
    run(Command::new("npm")
        .args([
            "install",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--prefix",
        ])
        .arg(folder)
        .args([FILESYSTEM, INSPECTOR])
        .env("HOME", folder))
    .await;
    folder.join("node_modules")
}

/// Adds a server of one of these programs in Python as a provider.
async fn add_python(bed: &Bed, name: &str, interpreter: &Path, program: &str) {
    let script = bed.folder.path().join(format!("{name}.py"));
    std::fs::write(&script, program).unwrap();
    let folder = interpreter.parent().and_then(Path::parent).unwrap();
    let prefix =
        run(Command::new(interpreter).args(["-c", "import sys; print(sys.base_prefix)"])).await;
    let declaration = json!({
        "name": name,
        "kind": "mcp",
        "command": [interpreter, script, "stdio"],
        "code": [folder, prefix.trim()],
        "read": [script],
        "limits": {"memory": "1G", "tasks": 64},
    });
    let providers = Providers1Proxy::new(&bed.bus).await.unwrap();
    providers.add(&declaration.to_string()).await.unwrap();
}

/// A server in Python adds, has its arguments checked, asks for a confirmation and is given no form.
async fn adds_and_asks(bed: &Bed, name: &str) {
    let tool = |tool: &str| format!("mcp.{name}.{tool}");
    let sum = call(bed, &tool("add"), json!({"a": 2, "b": 3}))
        .await
        .unwrap();
    assert_eq!(sum["text"], "5", "{sum}");
    let wrong = call(bed, &tool("add"), json!({"a": "x"})).await;
    assert!(
        matches!(wrong, Err(argos_bus::Error::InvalidArguments(_))),
        "{wrong:?}"
    );
    for (decision, action) in [("once", "accept"), ("deny", "decline")] {
        let confirm = tool("confirm");
        let asking = text(bed, &confirm, json!({"question": "Really?"}));
        let (said, request) = bed.answering(asking, decision).await;
        assert_eq!(said, action);
        assert!(request.summary.contains("Really?"), "{request:?}");
    }
    let form = call(bed, &tool("form"), json!({})).await.unwrap_err();
    assert!(form.to_string().contains("yes or no"), "{form}");
}

pub(crate) async fn the_servers_and_clients_of_the_mcp_project() {
    let Some(folder) = folder() else {
        println!("  (left out: ARGOS_MCP_PEERS names no folder)");
        return;
    };
    let interpreter = python(&folder.join("python"), PYTHON).await;
    let earlier = python(&folder.join("python-earlier"), EARLIER_PYTHON).await;
    let packages = node(&folder.join("node")).await;
    let bed = Bed::new(30.0).await;
    let providers = Providers1Proxy::new(&bed.bus).await.unwrap();

    // Node's server on files, in a sandbox: what is its folder, and what is not.
    let program = packages.join("@modelcontextprotocol/server-filesystem/dist/index.js");
    let documents = bed.home().join("Documents");
    let declaration = json!({
        "name": "files",
        "kind": "mcp",
        "command": ["/usr/bin/node", program, documents],
        "code": [packages],
        "write": [documents],
        "limits": {"memory": "1G", "tasks": 64},
    });
    providers.add(&declaration.to_string()).await.unwrap();
    let listed = text(&bed, "mcp.files.list_directory", json!({"path": documents})).await;
    assert!(listed.contains("budget.ods"), "{listed}");
    let file = documents.join("new.txt");
    call(
        &bed,
        "mcp.files.write_file",
        json!({"path": file, "content": "by a server"}),
    )
    .await
    .unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "by a server");
    let outside = call(
        &bed,
        "mcp.files.read_text_file",
        json!({"path": bed.home().join("secret.txt")}),
    )
    .await;
    assert!(outside.is_err(), "{outside:?}");

    // Python's, over standard input and output.
    add_python(&bed, "reference", &interpreter, SERVER).await;
    adds_and_asks(&bed, "reference").await;
    add_python(&bed, "earlier", &earlier, EARLIER_SERVER).await;
    adds_and_asks(&bed, "earlier").await;

    // The same over Streamable HTTP, outside of any sandbox of ours, through the proxy.
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    let mut server = Command::new(&interpreter)
        .arg(bed.folder.path().join("reference.py"))
        .args(["streamable-http", &port.to_string()])
        .kill_on_drop(true)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("the server listens", async || {
        tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .ok()
    })
    .await;
    let declaration = json!({
        "name": "web",
        "kind": "mcp",
        "url": format!("http://127.0.0.1:{port}/mcp"),
        "hosts": [format!("127.0.0.1:{port}")],
    });
    providers.add(&declaration.to_string()).await.unwrap();
    let sum = call(&bed, "mcp.web.add", json!({"a": 20, "b": 3}))
        .await
        .unwrap();
    assert_eq!(sum["text"], "23", "{sum}");
    server.kill().await.unwrap();

    // Python's client of our own server.
    let program = PROGRAMS.get().unwrap().join("argos-mcp");
    let environment: Value = json!({
        "DBUS_SESSION_BUS_ADDRESS": &bed.address,
        "HOME": bed.home(),
        "PATH": "/usr/bin:/bin",
    });
    let mut client = Command::new(&interpreter);
    client
        .args(["-c", CLIENT])
        .arg(&program)
        .arg(environment.to_string())
        .arg(&documents);
    let (said, request) = bed.answering(run(&mut client), "once").await;
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["error"], false, "{said}");
    assert!(
        said["text"].as_str().unwrap().contains("budget.ods"),
        "{said}"
    );
    assert_eq!(request.agent, "mcp-client:python");

    // The inspector, as a client of it.
    let config = bed.folder.path().join("inspector.json");
    let server =
        json!({"command": program, "args": ["serve", "--name", "inspector"], "env": environment});
    std::fs::write(
        &config,
        json!({"mcpServers": {"argos": server}}).to_string(),
    )
    .unwrap();
    let inspector = async |words: &[&str]| {
        let mut command = Command::new("node");
        command
            .arg(packages.join(".bin/mcp-inspector"))
            .arg("--cli")
            .arg("--config")
            .arg(&config)
            .args(["--server", "argos", "--connect-timeout", "120000"])
            .args(words)
            .env("HOME", bed.folder.path())
            .env("MCP_INSPECTOR_SECRET_STORE", "memory");
        run(&mut command).await
    };
    let list: Value = serde_json::from_str(&inspector(&["--method", "tools/list"]).await).unwrap();
    let tools = list["tools"].as_array().unwrap();
    assert!(
        tools.iter().any(|tool| tool["name"] == "files_list"),
        "{list}"
    );
    assert!(
        tools.iter().any(|tool| tool["name"] == "mcp_reference_add"),
        "{list}"
    );
    let path = format!("path={}", documents.display());
    let words = [
        "--method",
        "tools/call",
        "--tool-name",
        "files_list",
        "--tool-arg",
        &path,
    ];
    let (said, request) = bed.answering(inspector(&words), "once").await;
    assert!(said.contains("budget.ods"), "{said}");
    assert_eq!(request.agent, "mcp-client:inspector");
}
