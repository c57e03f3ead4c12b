//! The proxy, from inside a real sandbox, and a server that is reached through it. Loopback only.

use argos_bus::permissions::Permissions1Proxy;
use argos_bus::providers::Providers1Proxy;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use crate::bed::{Bed, eventually};
use crate::servers::{call, declaration, declare, text};

/// A listener on loopback that sends back what it is sent; its port.
async fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.into_split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    port
}

pub(crate) async fn a_server_reaches_its_hosts_and_no_others() {
    let (granted, other) = (echo().await, echo().await);
    let bed = Bed::new(20.0).await;
    declare(
        &bed,
        "small",
        "plain",
        &format!("hosts: [\"127.0.0.1:{granted}\", \"localhost:{other}\", example.org]\n"),
    );
    let connect =
        async |target: String| text(&bed, "mcp.small.connect", json!({"text": target})).await;
    // The address that was granted, in every way to write it.
    for target in [
        format!("127.0.0.1:{granted}"),
        format!("127.1:{granted}"),
        format!("0x7f.0.0.1:{granted}"),
        format!("[::ffff:127.0.0.1]:{granted}"),
    ] {
        assert_eq!(connect(target.clone()).await, "200 hello\n", "{target}");
    }
    // Another port, another address of this machine, names and tricks.
    for (target, status) in [
        (format!("127.0.0.1:{other}"), "403"),
        (format!("127.0.0.2:{granted}"), "403"),
        (format!("[::1]:{granted}"), "403"),
        // Granted as a name: that is no word on where it leads.
        (format!("localhost:{other}"), "403"),
        (format!("LOCALHOST.:{other}"), "403"),
        (format!("localhost:{granted}"), "403"),
        (format!("127.0.0.1:{granted}\\0.example.org:443"), "400"),
        (format!("127.0.0.1\\0:{granted}"), "400"),
        ("example.org:22".to_owned(), "403"),
        ("example.org.evil.example:443".to_owned(), "403"),
        ("exаmple.org:443".to_owned(), "403"),
        ("user@example.org:443".to_owned(), "400"),
        ("example.org".to_owned(), "400"),
        ("example.org:0".to_owned(), "400"),
        (":443".to_owned(), "400"),
        ("a b:443".to_owned(), "400"),
        ("x".repeat(20_000), "400"),
    ] {
        let got = connect(target.clone()).await;
        assert!(got.starts_with(status), "{target:.60}: {got}");
    }
    let rows: Vec<Value> = bed
        .audit()
        .into_iter()
        .filter(|row| row["tool"] == "proxy.connect")
        .collect();
    assert_eq!(rows.len(), 4 + 17, "every connection is a row");
    assert!(rows.iter().all(|row| row["agent"] == "mcp.small"));
    assert_eq!(rows[0]["resource"], format!("127.0.0.1:{granted}"));
    assert_eq!(rows[0]["outcome"], "ok");
    assert!(
        rows[0]["by"].as_str().unwrap().starts_with("grant "),
        "{}",
        rows[0]
    );
    let inside = rows
        .iter()
        .find(|row| row["resource"] == format!("localhost:{other}"));
    assert_eq!(inside.unwrap()["outcome"], "denied");
    assert!(
        inside.unwrap()["error"]
            .as_str()
            .unwrap()
            .contains("open network")
    );
    // Taken back, it is asked about again.
    let permissions: Permissions1Proxy<'_> = bed.permissions1().await;
    for grant in permissions.list_grants().await.unwrap() {
        assert_eq!(grant.agent, "mcp.small");
        permissions.revoke(grant.id).await.unwrap();
    }
    let (got, request) = bed
        .answering(connect(format!("127.0.0.1:{granted}")), "deny")
        .await;
    assert!(got.starts_with("403"), "{got}");
    assert_eq!(request.resource, format!("127.0.0.1:{granted}"));
    assert_eq!(
        (request.action.as_str(), request.agent.as_str()),
        ("network", "mcp.small")
    );
}

pub(crate) async fn hosts_of_a_package_are_asked_about() {
    let port = echo().await;
    let bed = Bed::new(20.0).await;
    let folder = bed.providers();
    std::fs::create_dir_all(&folder).unwrap();
    let hosts = format!("hosts: [\"127.0.0.1:{port}\"]\n");
    std::fs::write(
        folder.join("small.yaml"),
        declaration("small", "plain", &hosts),
    )
    .unwrap();
    let connect = async || {
        text(
            &bed,
            "mcp.small.connect",
            json!({"text": format!("127.0.0.1:{port}")}),
        )
        .await
    };
    let (got, request) = bed.answering(connect(), "always").await;
    assert_eq!(got, "200 hello\n");
    assert_eq!(
        request.summary,
        format!("Let mcp.small connect to 127.0.0.1:{port}.")
    );
    assert_eq!(connect().await, "200 hello\n");
}

/// Path and query of the server, as a request to it names them.
const TARGET: &str = "/mcp?of=us";

/// A small MCP server over HTTP: answers each POST to [`TARGET`] with JSON. Returns its port.
async fn http_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                while serve_one(&mut stream).await.is_some() {}
            });
        }
    });
    port
}

async fn serve_one(stream: &mut BufReader<tokio::net::TcpStream>) -> Option<()> {
    let (mut first, mut length, mut host) = (String::new(), 0, String::new());
    stream
        .read_line(&mut first)
        .await
        .ok()
        .filter(|read| *read > 0)?;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if let Some(value) = line.strip_prefix("host:") {
            value.trim().clone_into(&mut host);
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let message: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let id = message["id"].clone();
    let result = match message["method"].as_str() {
        Some("initialize") => Some(json!({
            "protocolVersion": message["params"]["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "web", "version": "1"},
        })),
        Some("tools/list") => Some(json!({"tools": [
            {"name": "greet", "inputSchema": {"type": "object"}},
        ]})),
        Some("tools/call") => Some(json!({"content": [{"type": "text", "text": "good day"}]})),
        _ => None,
    };
    let right = first.split(' ').nth(1) == Some(TARGET) && host.starts_with("127.0.0.1:");
    let (status, text) = match (first.starts_with("POST"), id.is_null(), result) {
        _ if !right => ("404 Not Found", String::new()),
        (false, ..) => ("405 Method Not Allowed", String::new()),
        (true, true, _) => ("202 Accepted", String::new()),
        (true, false, Some(result)) => (
            "200 OK",
            json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string(),
        ),
        (true, false, None) => (
            "200 OK",
            json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "no"}})
                .to_string(),
        ),
    };
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    );
    stream.write_all(answer.as_bytes()).await.ok()
}

pub(crate) async fn a_server_over_http_is_reached_through_the_proxy() {
    let port = http_server().await;
    let bed = Bed::new(20.0).await;
    let providers = Providers1Proxy::new(&bed.bus).await.unwrap();
    let at = |port: u16| {
        format!(
            "name: web\nkind: mcp\nurl: http://127.0.0.1:{port}{TARGET}\nhosts: [\"127.0.0.1:{port}\"]\n"
        )
    };
    providers.add(&at(port)).await.unwrap();
    assert_eq!(text(&bed, "mcp.web.greet", json!({})).await, "good day");
    let connected = bed.audit();
    let connected = connected
        .iter()
        .find(|row| row["tool"] == "proxy.connect")
        .unwrap();
    assert_eq!(connected["resource"], format!("127.0.0.1:{port}"));
    // A server that is not there is an error that says where it was looked for.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = silent.local_addr().unwrap().port();
    drop(silent);
    providers.add(&at(gone)).await.unwrap();
    let error = eventually("it fails for that reason", async || {
        let error = call(&bed, "mcp.web.greet", json!({}))
            .await
            .err()?
            .to_string();
        error
            .contains(&format!("127.0.0.1:{gone}"))
            .then_some(error)
    })
    .await;
    assert!(error.contains("mcp.web"), "{error}");
}
