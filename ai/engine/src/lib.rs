//! Local models on ONNX Runtime.
//!
//! A model is a folder ([`registry`] finds them and says what state they are in). Two kinds run:
//!
//! * [`planner`]: one small encoder that turns a request into a tool call, and texts into sentence
//!   embeddings. The image ships one as `default`.
//! * [`causal`]: causal language models as the community exports them (Optimum graphs and
//!   onnxruntime-genai folders), which generate text token by token.
//!
//! The library is synchronous and knows no D-Bus: `ai/service` gives it threads, queues and a bus.
//! Everything it cannot do is an [`Error`] that says what was tried, on what, and what to do. A broken
//! model is a state with a reason, never a crash.

pub mod causal;
mod error;
mod graph;
pub mod library;
pub mod planner;
pub mod registry;
pub mod runtime;
mod session;

pub use error::{Error, Result};
