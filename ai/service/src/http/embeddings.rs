//! `POST /v1/embeddings`

use argos_engine::registry::Info;
use axum::body::Body;
use axum::extract::State;
use axum::http::Request;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{ApiError, Result};
use super::{Api, answer, asked, no_model, wire};
use crate::service::MAX_TEXTS;

#[derive(Debug, Deserialize)]
struct Embeddings {
    model: String,
    input: Value,
    encoding_format: Option<String>,
    dimensions: Option<usize>,
}

fn texts(input: &Value) -> Result<Vec<String>> {
    let wrong = || {
        ApiError::param(
            "input",
            "input must be a text or an array of texts; tokens are not taken",
        )
    };
    let texts: Vec<String> = match input {
        Value::String(text) => vec![text.clone()],
        Value::Array(list) => list
            .iter()
            .map(|v| v.as_str().map(str::to_owned).ok_or_else(wrong))
            .collect::<Result<_>>()?,
        _ => return Err(wrong()),
    };
    if texts.is_empty() || texts.len() > MAX_TEXTS {
        return Err(ApiError::param(
            "input",
            format!(
                "{} texts; 1 to {MAX_TEXTS} are embedded at once",
                texts.len()
            ),
        ));
    }
    Ok(texts)
}

/// See the module.
pub(crate) async fn handle(State(shared): Api, request: Request<Body>) -> Result<Response> {
    let asked = asked(&shared, request).await?;
    let wish: Embeddings = wire::parse(&asked.body)?;
    let texts = texts(&wish.input)?;
    let base64 = match wish.encoding_format.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => {
            return Err(ApiError::param(
                "encoding_format",
                "encoding_format must be `float` or `base64`",
            ));
        }
    };
    let list: Vec<Info> = shared.service.list().await;
    if !list.iter().any(|info| info.id == wish.model) {
        return Err(no_model(&wish.model, &list));
    }
    let budget = asked.caller.budget.clone();
    let (vectors, tokens) = shared
        .service
        .embed(wish.model.clone(), texts, budget)
        .await?;
    let width = vectors.first().map_or(0, Vec::len);
    if wish.dimensions.is_some_and(|wished| wished != width) {
        return Err(ApiError::param(
            "dimensions",
            format!(
                "vectors of `{}` have {width} dimensions, no others",
                wish.model
            ),
        ));
    }
    let data: Vec<_> = vectors
        .into_iter()
        .enumerate()
        .map(|(index, vector)| {
            let embedding = if base64 {
                let bytes: Vec<u8> = vector.iter().flat_map(|v| v.to_le_bytes()).collect();
                Value::from(STANDARD.encode(bytes))
            } else {
                Value::from(vector)
            };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    Ok(answer(&json!({
        "object": "list",
        "data": data,
        "model": wish.model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs() {
        assert_eq!(texts(&json!("a")).unwrap(), ["a"]);
        assert_eq!(texts(&json!(["a", "b"])).unwrap(), ["a", "b"]);
        for bad in [json!([]), json!([1, 2]), json!(5), json!(vec!["x"; 300])] {
            assert!(texts(&bad).is_err());
        }
    }
}
