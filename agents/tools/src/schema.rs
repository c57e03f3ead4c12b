//! Arguments against a tool's JSON Schema, with limits that hold before the schema is looked at.

use serde_json::Value;

use crate::{Code, ToolError};

/// Most bytes a string anywhere in the arguments may have.
pub const MAX_STRING: usize = 256 << 10;
/// Most values (of any kind) in the arguments.
pub const MAX_VALUES: usize = 1000;
/// Deepest nesting of the arguments.
pub const MAX_DEPTH: usize = 16;

/// Checks the arguments of `tool`: size, depth and schema.
pub(crate) fn check(
    tool: &str,
    validator: &jsonschema::Validator,
    schema: &Value,
    arguments: &Value,
) -> Result<(), ToolError> {
    let tried = || format!("call {tool}");
    let mut left = MAX_VALUES;
    bounded(arguments, MAX_DEPTH, &mut left)
        .map_err(|why| ToolError::new(Code::LimitReached, tried(), why))?;
    if let Some(error) = validator.iter_errors(arguments).next() {
        let place = error.instance_path().to_string();
        let place = if place.is_empty() {
            String::new()
        } else {
            format!(" at {place}")
        };
        let mut why: String = error.masked_with("the value given").to_string();
        why.truncate(why.char_indices().nth(300).map_or(why.len(), |(at, _)| at));
        return Err(
            ToolError::new(Code::InvalidArguments, tried(), format!("{why}{place}"))
                .hint(format!("It takes {}", takes(schema))),
        );
    }
    Ok(())
}

fn bounded(value: &Value, depth: usize, left: &mut usize) -> Result<(), String> {
    *left = left
        .checked_sub(1)
        .ok_or(format!("more than {MAX_VALUES} values"))?;
    let deeper = || {
        depth
            .checked_sub(1)
            .ok_or(format!("nested deeper than {MAX_DEPTH}"))
    };
    match value {
        Value::String(text) if text.len() > MAX_STRING => Err(format!(
            "a text of {} bytes; the most is {MAX_STRING}",
            text.len()
        )),
        Value::Array(items) => {
            let depth = deeper()?;
            items.iter().try_for_each(|item| bounded(item, depth, left))
        }
        Value::Object(map) => {
            let depth = deeper()?;
            map.iter().try_for_each(|(key, item)| {
                if key.len() > 256 {
                    return Err("a name of more than 256 bytes".to_owned());
                }
                bounded(item, depth, left)
            })
        }
        _ => Ok(()),
    }
}

/// The arguments in one line, for hints: `path, max_bytes?`.
fn takes(schema: &Value) -> String {
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let names: Vec<String> = schema["properties"]
        .as_object()
        .into_iter()
        .flat_map(|properties| properties.keys())
        .map(|name| {
            if required.contains(&name.as_str()) {
                name.clone()
            } else {
                format!("{name}?")
            }
        })
        .collect();
    if names.is_empty() {
        "no arguments".to_owned()
    } else {
        names.join(", ")
    }
}
