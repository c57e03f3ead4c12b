//! `POST /v1/rerank`, which OpenAI does not have; as other local servers shape it.

use axum::body::Body;
use axum::extract::State;
use axum::http::Request;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{ApiError, Result};
use super::{Api, answer, asked, no_model, wire};
use crate::service::MAX_TEXTS;

#[derive(Debug, Deserialize)]
struct Rerank {
    model: String,
    query: String,
    documents: Vec<Document>,
    top_n: Option<usize>,
    #[serde(default)]
    return_documents: bool,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Document {
    Text(String),
    Object { text: String },
}

/// See the module.
pub(crate) async fn handle(State(shared): Api, request: Request<Body>) -> Result<Response> {
    let asked = asked(&shared, request).await?;
    let wish: Rerank = wire::parse(&asked.body)?;
    if wish.documents.is_empty() || wish.documents.len() > MAX_TEXTS {
        return Err(ApiError::param(
            "documents",
            format!(
                "{} documents; 1 to {MAX_TEXTS} are ranked at once",
                wish.documents.len()
            ),
        ));
    }
    let list = shared.service.list().await;
    if !list.iter().any(|info| info.id == wish.model) {
        return Err(no_model(&wish.model, &list));
    }
    let texts: Vec<String> = wish
        .documents
        .into_iter()
        .map(|document| match document {
            Document::Text(text) | Document::Object { text } => text,
        })
        .collect();
    let budget = asked.caller.budget.clone();
    let ranking = shared
        .service
        .rank(wish.model.clone(), wish.query, texts.clone(), budget);
    let results = results(&ranking.await?, &texts, wish.top_n, wish.return_documents);
    Ok(answer(&json!({
        "object": "list",
        "model": wish.model,
        "results": results,
    })))
}

/// The best `top_n` documents, best first.
fn results(scores: &[f32], texts: &[String], top_n: Option<usize>, whole: bool) -> Vec<Value> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
    order.truncate(top_n.unwrap_or(usize::MAX));
    let result = |index: usize| {
        let mut result = json!({"index": index, "relevance_score": scores[index]});
        if whole {
            result["document"] = json!({"text": texts[index]});
        }
        result
    };
    order.into_iter().map(result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn best_first_and_no_more_than_asked_for() {
        let texts: Vec<String> = ["a", "b", "c"].map(String::from).into();
        let scores = [0.25, 1.0, 0.25];
        let order = |top_n| -> Vec<u64> {
            let results = results(&scores, &texts, top_n, false);
            results.iter().filter_map(|r| r["index"].as_u64()).collect()
        };
        assert_eq!(order(None), [1, 0, 2]);
        assert_eq!(order(Some(2)), [1, 0]);
        let best = &results(&scores, &texts, Some(1), true)[0];
        assert_eq!(best["document"]["text"], "b");
        assert_eq!(best["relevance_score"], 1.0);
    }
}
