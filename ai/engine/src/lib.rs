//! Local models on ONNX Runtime.
//!
//! A model is a folder ([`registry`] finds them and says what state they are in). What runs:
//!
//! * [`planner`]: one small encoder that turns a request into a tool call, and texts into sentence
//!   embeddings. The image ships one as `default`.
//! * [`causal`]: causal language models as the community exports them (Optimum graphs and
//!   onnxruntime-genai folders), which generate text token by token.
//! * [`embedding`]: texts to vectors, as sentence-transformers and Optimum export them.
//! * [`reranker`]: how well texts answer a query, by cross-encoders.
//! * [`perception`]: pictures to vectors and labels, speech and lines of text to text.
//!
//! [`manifest`] is what a folder may say about itself, [`provider`] what of the machine computes a graph.
//!
//! The library is synchronous and knows no D-Bus: `ai/service` gives it threads, queues and a bus.
//! Everything it cannot do is an [`Error`] that says what was tried, on what, and what to do. A broken
//! model is a state with a reason, never a crash.

pub mod causal;
pub mod embedding;
mod encoder;
mod error;
mod folder;
mod graph;
#[cfg(target_os = "linux")]
mod large_pages;
pub mod library;
pub mod manifest;
mod pages;
pub mod perception;
pub mod planner;
pub mod provider;
pub mod registry;
pub mod reranker;
pub mod runtime;
mod session;

pub use error::{Error, Result};
