//! `argos-mcp serve`: our tools for an MCP client outside.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};

use crate::bed::{Bed, PATIENCE, eventually};

/// A client that speaks JSON-RPC by hand.
struct Client {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    next: u64,
}

impl Client {
    async fn start(bed: &Bed, name: &str) -> Self {
        let mut child = bed
            .plain_command("argos-mcp")
            .args(["serve", "--name", name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut client = Self {
            child,
            input,
            output,
            next: 1,
        };
        let hello = client
            .request(
                "initialize",
                json!({
                    "protocolVersion": "2025-06-18",
                    "capabilities": {},
                    "clientInfo": {"name": "test", "version": "1"},
                }),
            )
            .await;
        assert_eq!(hello["result"]["protocolVersion"], "2025-06-18", "{hello}");
        assert_eq!(hello["result"]["serverInfo"]["name"], "argos");
        client
            .say(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))
            .await;
        client
    }

    async fn say(&mut self, message: Value) {
        let line = format!("{message}\n");
        self.input.write_all(line.as_bytes()).await.unwrap();
    }

    async fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.next;
        self.next += 1;
        self.say(json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
            .await;
        loop {
            let line = self.output.next_line().await.unwrap().expect("an answer");
            let message: Value = serde_json::from_str(&line).unwrap();
            if message["id"] == id {
                return message;
            }
        }
    }

    async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.request("tools/call", json!({"name": tool, "arguments": arguments}))
            .await
    }
}

pub(crate) async fn a_client_outside_is_asked_for_like_an_agent() {
    let bed = Bed::new(20.0).await;
    let mut client = Client::start(&bed, "editor").await;
    let list = client.request("tools/list", json!({})).await;
    let tools = list["result"]["tools"].as_array().unwrap();
    let files = tools
        .iter()
        .find(|tool| tool["name"] == "files_list")
        .unwrap();
    assert_eq!(files["inputSchema"]["type"], "object");
    let arguments = json!({"path": bed.home().join("Documents")});
    let (result, request) = bed
        .answering(client.call("files_list", arguments.clone()), "once")
        .await;
    assert_ne!(result["result"]["isError"], true, "{result}");
    assert!(result.to_string().contains("budget.ods"), "{result}");
    assert_eq!(request.agent, "mcp-client:editor");
    assert!(request.resource.ends_with("/Documents"));
    // The other name is understood as well; a no is the call's error, with the reason.
    let (result, _) = bed
        .answering(client.call("files.list", arguments), "deny")
        .await;
    assert_eq!(result["result"]["isError"], true);
    assert!(result.to_string().contains("refused"), "{result}");
    let wrong = client.call("files_list", json!({"pth": 1})).await;
    assert_eq!(wrong["result"]["isError"], true, "{wrong}");
    let unknown = client.call("files_format", json!({})).await;
    assert!(
        unknown["error"]["message"]
            .as_str()
            .unwrap()
            .contains("files_format"),
        "{unknown}"
    );
    let rows = bed.audit();
    assert!(
        rows.iter().all(|row| row["agent"] == "mcp-client:editor"),
        "{rows:?}"
    );
    let outcomes: Vec<&str> = rows
        .iter()
        .map(|row| row["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["ok", "denied", "invalid"]);
    // The limits of an agent: a burst, then a pace.
    let mut limited = false;
    for _ in 0..500 {
        let result = client.call("apps_list", json!({})).await;
        limited = result.to_string().contains("too many");
        if limited {
            break;
        }
    }
    assert!(limited);
}

pub(crate) async fn a_client_that_leaves_takes_its_questions_along() {
    let bed = Bed::new(20.0).await;
    let mut client = Client::start(&bed, "editor").await;
    let ask = json!({
        "jsonrpc": "2.0", "id": 9, "method": "tools/call",
        "params": {"name": "files_list", "arguments": {"path": bed.home()}},
    });
    client.say(ask).await;
    let permissions = bed.permissions1().await;
    eventually("it asks", async || {
        (permissions.pending().await.ok()?.len() == 1).then_some(())
    })
    .await;
    client.child.kill().await.unwrap();
    eventually("the question is gone", async || {
        permissions.pending().await.ok()?.is_empty().then_some(())
    })
    .await;
    let row = eventually("the call is recorded", async || bed.audit().pop()).await;
    assert_eq!(row["outcome"], "cancelled");
    // A name that could be taken for something else is refused.
    for name in ["", "Editor", "a:b", "steward\u{202e}", "x/../y"] {
        let child = bed
            .plain_command("argos-mcp")
            .args(["serve", "--name", name])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let waiting = tokio::time::timeout(PATIENCE, child.wait_with_output());
        let output = waiting.await.unwrap().unwrap();
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("is no name"), "{name:?}: {said}");
    }
}

pub(crate) async fn what_a_client_cancels_is_called_back() {
    let bed = Bed::new(20.0).await;
    let mut client = Client::start(&bed, "editor").await;
    let permissions = bed.permissions1().await;
    let ask = |id: u64| {
        json!({
            "jsonrpc": "2.0", "id": id, "method": "tools/call",
            "params": {"name": "files_list", "arguments": {"path": bed.home()}},
        })
    };
    let cancel = |id: u64| {
        json!({
            "jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id},
        })
    };
    client.say(ask(70)).await;
    eventually("it asks", async || {
        (permissions.pending().await.ok()?.len() == 1).then_some(())
    })
    .await;
    client.say(cancel(70)).await;
    let row = eventually("the call is recorded", async || bed.audit().pop()).await;
    assert_eq!(row["outcome"], "cancelled", "{row}");
    assert!(
        row["error"].as_str().unwrap().contains("the agent itself"),
        "{row}"
    );
    assert!(permissions.pending().await.unwrap().is_empty());
    // At once: it may not even have come to the broker, and in no case does it stay there.
    client.say(ask(71)).await;
    client.say(cancel(71)).await;
    // The client goes on.
    let apps = client.call("apps_list", json!({})).await;
    assert_ne!(apps["result"]["isError"], true, "{apps}");
    let tools = bed.tools1().await;
    eventually("nothing is open", async || {
        let open = tools.calls().await.ok()?.len() + permissions.pending().await.ok()?.len();
        (open == 0).then_some(())
    })
    .await;
    let rows = bed.audit();
    let mut lists = rows.iter().filter(|row| row["tool"] == "files.list");
    assert!(lists.all(|row| row["outcome"] == "cancelled"), "{rows:?}");
}
