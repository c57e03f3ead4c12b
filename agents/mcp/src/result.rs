//! What an MCP server declares and answers, as a provider passes it on: bounded, and without what
//! only a person's eyes or ears could use.

use argos_bus::tool_provider::ProvidedTool;
use argos_bus::{Error, Result};
use rmcp::model::{CallToolResult, Tool};
use serde_json::{Value, json};

/// Most bytes of one result as JSON: what the broker's socket takes, with room for its header.
const MAX_RESULT: usize = 200 << 10;
/// Most bytes of text in a result.
const MAX_TEXT: usize = 128 << 10;
/// Most bytes of what a list of tools takes together, and of one description.
const MAX_LIST: usize = 200 << 10;
const MAX_DESCRIPTION: usize = 2 << 10;
/// Most tools.
pub(crate) const MAX_TOOLS: usize = 128;

/// The tools of a server, as many as fit one message; how many do not.
pub(crate) fn declared(tools: &[Tool]) -> (Vec<ProvidedTool>, usize) {
    let mut room = MAX_LIST;
    let mut taken = Vec::new();
    for tool in tools.iter().take(MAX_TOOLS) {
        let description = tool
            .description
            .as_deref()
            .or(tool.title.as_deref())
            .unwrap_or_default();
        let declared = ProvidedTool {
            name: tool.name.to_string(),
            description: cut(description, MAX_DESCRIPTION).0.to_owned(),
            schema: json!(tool.input_schema).to_string(),
            // What a server says of itself (`readOnlyHint`) is no ground to ask for less.
            action: "control".to_owned(),
            resource: String::new(),
        };
        let size = declared.name.len() + declared.description.len() + declared.schema.len() + 64;
        match room.checked_sub(size) {
            Some(left) => room = left,
            None => continue,
        }
        taken.push(declared);
    }
    let left_out = tools.len() - taken.len();
    (taken, left_out)
}

/// A result as JSON: `text`, `structured` where there is some, `other` for what is no text,
/// `truncated`.
///
/// # Errors
/// `Failed`, in the server's words, where it says that the call failed.
pub(crate) fn passed_on(result: &CallToolResult) -> Result<String> {
    let mut text = String::new();
    let mut other = Vec::new();
    let mut truncated = false;
    let mut add = |piece: &str, text: &mut String| {
        let room = MAX_TEXT.saturating_sub(text.len() + 1);
        let (piece, was_cut) = cut(piece, room);
        if !text.is_empty() && !piece.is_empty() {
            text.push('\n');
        }
        text.push_str(piece);
        truncated |= was_cut;
    };
    for block in &result.content {
        let block = json!(block);
        let string = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match block["type"].as_str() {
            Some("text") => add(&string(&block["text"]), &mut text),
            Some("resource") if block["resource"]["text"].is_string() => {
                add(&string(&block["resource"]["text"]), &mut text);
            }
            kind => {
                let bytes = block["data"]
                    .as_str()
                    .or(block["resource"]["blob"].as_str())
                    .map_or(0, |data| data.len() / 4 * 3);
                let mime = block["mimeType"]
                    .as_str()
                    .or(block["resource"]["mimeType"].as_str());
                let place = block["uri"].as_str().or(block["resource"]["uri"].as_str());
                if other.len() < 32 {
                    other.push(json!({
                        "type": kind.unwrap_or("unknown"),
                        "mime": mime.map(|mime| cut(mime, 100).0),
                        "uri": place.map(|uri| cut(uri, 500).0),
                        "bytes": bytes,
                    }));
                }
            }
        }
    }
    if result.is_error == Some(true) {
        let (text, _) = cut(&text, 4 << 10);
        return Err(Error::Failed(if text.is_empty() {
            "the server says that it failed, and not why".to_owned()
        } else {
            text.to_owned()
        }));
    }
    let structured = result.structured_content.as_ref();
    let fits = structured.is_none_or(|value| value.to_string().len() <= MAX_RESULT / 2);
    truncated |= !fits;
    loop {
        let mut passed = json!({"text": text, "truncated": truncated});
        if let Some(value) = structured.filter(|_| fits) {
            passed["structured"] = value.clone();
        }
        if !other.is_empty() {
            passed["other"] = json!(other);
        }
        let passed = passed.to_string();
        if passed.len() <= MAX_RESULT || text.is_empty() {
            return Ok(passed);
        }
        // What JSON escapes takes up to six times the room.
        text.truncate(text.floor_char_boundary(text.len() / 2));
        truncated = true;
    }
}

fn cut(text: &str, most: usize) -> (&str, bool) {
    let at = text.floor_char_boundary(most);
    (&text[..at], at < text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(value: Value) -> CallToolResult {
        serde_json::from_value(value).unwrap()
    }

    fn passed(value: Value) -> Value {
        serde_json::from_str(&passed_on(&result(value)).unwrap()).unwrap()
    }

    #[test]
    fn text_is_joined_and_the_rest_is_named() {
        let value = passed(json!({"content": [
            {"type": "text", "text": "one"},
            {"type": "image", "data": "AAAA", "mimeType": "image/png"},
            {"type": "resource", "resource": {"uri": "file:///x", "text": "two"}},
            {"type": "resource_link", "uri": "file:///y", "name": "y"},
        ], "structuredContent": {"a": 1}}));
        assert_eq!(value["text"], "one\ntwo");
        assert_eq!(value["other"][0]["mime"], "image/png");
        assert_eq!(value["other"][0]["bytes"], 3);
        assert_eq!(value["other"][1]["uri"], "file:///y");
        assert_eq!(value["structured"]["a"], 1);
        assert_eq!(value["truncated"], false);
    }

    #[test]
    fn however_large_it_fits_one_message() {
        for text in [
            "x".repeat(1 << 20),
            "\u{1}\"\\".repeat(1 << 19),
            "é".repeat(1 << 19),
        ] {
            let result = result(json!({
                "content": [{"type": "text", "text": text}],
                "structuredContent": {"big": text},
            }));
            let passed = passed_on(&result).unwrap();
            assert!(passed.len() <= MAX_RESULT, "{}", passed.len());
            let value: Value = serde_json::from_str(&passed).unwrap();
            assert_eq!(value["truncated"], true);
            assert!(value["structured"].is_null());
        }
    }

    #[test]
    fn a_failure_is_told_in_the_servers_words() {
        let failed =
            result(json!({"content": [{"type": "text", "text": "no such file"}], "isError": true}));
        match passed_on(&failed) {
            Err(Error::Failed(text)) => assert_eq!(text, "no such file"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn lists_are_bounded() {
        let tool = |i: usize| -> Tool {
            let schema = json!({"type": "object", "title": "x".repeat(10_000)});
            serde_json::from_value(json!({"name": format!("t{i}"), "inputSchema": schema})).unwrap()
        };
        let tools: Vec<Tool> = (0..200).map(tool).collect();
        let (declared, left_out) = declared(&tools);
        assert!(declared.len() < 25 && declared.len() + left_out == 200);
    }
}
