//! A tool provider on the session bus, and `web.fetch`: through the real broker, on loopback.

use std::sync::{Arc, Mutex};

use argos_bus::Error;
use argos_bus::tool_provider::{PATH, ProvidedTool};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::bed::{Bed, eventually};

/// A provider that tells the weather, and sometimes lies.
#[derive(Clone, Default)]
struct Weather {
    cancelled: Arc<Mutex<Vec<u64>>>,
}

#[zbus::interface(name = "org.argos.ToolProvider1")]
impl Weather {
    async fn list_tools(&self) -> Vec<ProvidedTool> {
        let tool = |name: &str, resource: &str| ProvidedTool {
            name: name.to_owned(),
            description: "Tells the weather\nof a city".to_owned(),
            schema: json!({
                "type": "object",
                "properties": {"city": {"type": "string", "maxLength": 40}},
                "required": ["city"],
                "additionalProperties": false,
            })
            .to_string(),
            action: "read".to_owned(),
            resource: resource.to_owned(),
        };
        let mut all = vec![
            tool("forecast", "{city}"),
            // It would like to be covered by a grant on the home.
            tool("claims", "/home"),
            tool("slow", ""),
            tool("nonsense", ""),
            tool("big", ""),
            tool("fails", ""),
        ];
        all.push(ProvidedTool {
            action: "everything".to_owned(),
            ..tool("greedy", "")
        });
        all
    }

    async fn call_tool(
        &self,
        _id: u64,
        tool: String,
        arguments: String,
    ) -> argos_bus::Result<String> {
        let arguments: Value = serde_json::from_str(&arguments).expect("JSON");
        match tool.as_str() {
            "slow" => std::future::pending().await,
            "nonsense" => Ok("{nope".to_owned()),
            "big" => Ok(json!({"text": "x".repeat(300 << 10)}).to_string()),
            "fails" => Err(Error::Failed("no\u{1b}[31m weather".to_owned())),
            _ => Ok(json!({"weather": "rain", "city": arguments["city"]}).to_string()),
        }
    }

    async fn cancel(&self, id: u64) {
        self.cancelled.lock().expect("a lock").push(id);
    }
}

pub(crate) async fn a_provider_on_the_bus_is_asked_for_and_kept_in_its_place() {
    // A worker is started within that time too.
    let bed = Bed::with_tool_time(20.0, 8.0).await;
    std::fs::create_dir_all(bed.providers()).unwrap();
    std::fs::write(
        bed.providers().join("weather.yaml"),
        "name: weather\nkind: dbus\nbus-name: org.example.Weather\n",
    )
    .unwrap();
    let tools = bed.tools1().await;
    // Declared and not there: an error for its tools only.
    let city = r#"{"city": "Berlin"}"#;
    let error = tools.call("dbus.weather.forecast", city).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    let weather = Weather::default();
    bed.bus
        .object_server()
        .at(PATH, weather.clone())
        .await
        .unwrap();
    bed.bus.request_name("org.example.Weather").await.unwrap();
    let listed = eventually("its tools are listed", async || {
        let listed = tools.list().await.ok()?;
        listed
            .iter()
            .any(|tool| tool.name == "dbus.weather.forecast")
            .then_some(listed)
    })
    .await;
    let forecast = listed
        .iter()
        .find(|tool| tool.name == "dbus.weather.forecast")
        .unwrap();
    assert_eq!(
        forecast.description,
        "(dbus.weather says:) Tells the weather of a city"
    );
    assert_eq!(forecast.default, "ask");
    assert!(!listed.iter().any(|tool| tool.name.ends_with("greedy")));

    let (_connection, link) = bed.client().await;
    let (result, request) = bed
        .answering(link.call_tool("dbus.weather.forecast", city), "always")
        .await;
    assert!(result.unwrap().contains("rain"));
    assert_eq!(
        (request.action.as_str(), request.resource.as_str()),
        ("read", "dbus.weather.forecast:Berlin")
    );
    link.call_tool("dbus.weather.forecast", city).await.unwrap();
    // For another city it is another permission, and no grant on paths is one for its claims.
    let (result, _) = bed
        .answering(
            link.call_tool("dbus.weather.forecast", r#"{"city": "Paris"}"#),
            "deny",
        )
        .await;
    assert!(matches!(result, Err(Error::Denied(_))));
    let read = json!({"path": bed.home()}).to_string();
    let (result, _) = bed
        .answering(link.call_tool("files.list", &read), "always")
        .await;
    result.unwrap();
    let (_, request) = bed
        .answering(link.call_tool("dbus.weather.claims", city), "deny")
        .await;
    assert_eq!(request.resource, "dbus.weather.claims:/home");

    for (arguments, why) in [
        ("{}", "city"),
        (r#"{"city": 1}"#, "city"),
        (r#"{"city": "a", "b": 1}"#, "b"),
    ] {
        let error = link
            .call_tool("dbus.weather.forecast", arguments)
            .await
            .unwrap_err();
        assert!(
            matches!(&error, Error::InvalidArguments(text) if text.contains(why)),
            "{error}"
        );
    }
    for (tool, why) in [
        ("nonsense", "not JSON"),
        ("big", "bytes"),
        ("fails", "no [31m weather"),
    ] {
        let error = tools
            .call(&format!("dbus.weather.{tool}"), city)
            .await
            .unwrap_err();
        assert!(
            matches!(&error, Error::Failed(text) if text.contains(why)),
            "{error}"
        );
    }
    let error = tools.call("dbus.weather.slow", city).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut(_)), "{error}");
    eventually("it hears that nobody waits", async || {
        (!weather.cancelled.lock().expect("a lock").is_empty()).then_some(())
    })
    .await;
    // It goes away in the middle of things.
    bed.bus.release_name("org.example.Weather").await.unwrap();
    let error = tools.call("dbus.weather.forecast", city).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    tools.call("apps.list", "{}").await.unwrap();
}

/// A web server of one answer for each path; its port.
async fn web() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = Vec::new();
                // To its end: closing over what was not read would take the answer away.
                while !request.ends_with(b"\r\n\r\n") {
                    if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                let request = String::from_utf8_lossy(&request).into_owned();
                let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                let html = |text: &str| {
                    format!(
                        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{text}",
                        text.len()
                    )
                };
                let to = |place: &str| {
                    format!("HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n")
                };
                let answer = match path.as_str() {
                    "/page" => html(
                        "<html><head><title>t</title><script>evil()</script></head><body><h1>Hello</h1><p>World</p></body></html>",
                    ),
                    "/moved" => to("/page"),
                    "/loop" => to("/loop"),
                    "/away" => to("http://elsewhere.example/x"),
                    "/inside" => to("http://localhost/x"),
                    "/endless" => {
                        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n";
                        let _ = stream.write_all(head.as_bytes()).await;
                        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
                        return;
                    }
                    "/picture" => {
                        "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n\u{1}".to_owned()
                    }
                    _ => "garbage\r\n".to_owned(),
                };
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    port
}

pub(crate) async fn a_page_is_fetched_from_the_host_that_was_granted_and_no_other() {
    let port = web().await;
    let bed = Bed::new(20.0).await;
    let (_connection, link) = bed.client().await;
    let at = |path: &str| json!({"url": format!("http://127.0.0.1:{port}{path}")}).to_string();
    let (result, request) = bed
        .answering(link.call_tool("web.fetch", &at("/page#x")), "session")
        .await;
    let result: Value = serde_json::from_str(&result.unwrap()).unwrap();
    let text = result["text"].as_str().unwrap();
    assert!(
        text.contains("Hello") && text.contains("World") && !text.contains("evil"),
        "{text}"
    );
    assert_eq!(request.action, "network");
    assert_eq!(request.resource, format!("127.0.0.1:{port}"));
    assert!(request.summary.contains("/page"), "{request:?}");
    // Granted for this host and port, however written.
    let fetch = async |arguments: String| -> Result<Value, Error> {
        let text = link.call_tool("web.fetch", &arguments).await?;
        Ok(serde_json::from_str(&text).unwrap())
    };
    let other = json!({"url": format!("HTTP://0x7f.1:{port}/moved")}).to_string();
    let moved = fetch(other).await.unwrap();
    assert!(moved["url"].as_str().unwrap().ends_with("/page"), "{moved}");
    for (path, place) in [("/away", "elsewhere.example"), ("/inside", "localhost")] {
        let told = fetch(at(path)).await.unwrap();
        assert!(told["redirect"].as_str().unwrap().contains(place), "{told}");
        assert!(told["text"].is_null());
    }
    let endless = fetch(at("/endless")).await.unwrap();
    assert_eq!(endless["truncated"], true);
    assert!(endless["text"].as_str().unwrap().len() <= 64 << 10);
    for (path, why) in [
        ("/loop", "redirects"),
        ("/picture", "only text"),
        ("/garbage", "not HTTP"),
    ] {
        let error = fetch(at(path)).await.unwrap_err().to_string();
        assert!(error.contains(why), "{path}: {error}");
    }
    // A name that leads to this machine is not followed, granted or not.
    let inside = json!({"url": format!("http://localhost:{port}/page")}).to_string();
    let (result, request) = bed
        .answering(link.call_tool("web.fetch", &inside), "once")
        .await;
    assert_eq!(request.resource, format!("localhost:{port}"));
    assert!(
        matches!(&result, Err(Error::Denied(why)) if why.contains("open network")),
        "{result:?}"
    );
    let row = bed.audit().pop().unwrap();
    assert_eq!(
        (row["tool"].as_str(), row["outcome"].as_str()),
        (Some("web.fetch"), Some("failed"))
    );
}
