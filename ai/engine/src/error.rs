//! What can go wrong, one variant a failed step.

use std::path::PathBuf;

/// A failed step of the engine. The text is meant for people.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `libonnxruntime` is missing, too old or broken.
    #[error(
        "cannot load ONNX Runtime from {path}: {reason} (install it there or name another one in ARGOS_ONNXRUNTIME)"
    )]
    Runtime {
        /// The library that was tried.
        path: PathBuf,
        /// What the loader said.
        reason: String,
    },
    /// No folder of that name among the models.
    #[error("there is no model `{id}`; known models: {known}")]
    NotFound {
        /// What was asked for.
        id: String,
        /// What there is, or `none`.
        known: String,
    },
    /// A model's folder is incomplete or does not fit what the engine runs.
    #[error("model in {path} is not usable: {reason}")]
    Model {
        /// The model's folder or file.
        path: PathBuf,
        /// What is wrong and, where known, what to do.
        reason: String,
    },
    /// What was to compute a model is not there.
    #[error(
        "execution provider {wanted} ({from}) cannot be used: {reason}; available: {available}"
    )]
    Provider {
        /// What was named.
        wanted: String,
        /// Who named it.
        from: &'static str,
        /// What ONNX Runtime was built for.
        available: String,
        /// Why not.
        reason: String,
    },
    /// The machine has too little memory for it now.
    #[error(
        "model {model} needs {} MiB of memory, {} MiB are free; unload another model or take a smaller one",
        needed >> 20, free >> 20
    )]
    Memory {
        /// The model.
        model: String,
        /// Bytes that it needs at least.
        needed: u64,
        /// Bytes that there are.
        free: u64,
    },
    /// More requests wait than the model's limits allow.
    #[error("model {model} has {requests} requests to answer already; try again later")]
    Busy {
        /// The model.
        model: String,
        /// Requests that are queued or running.
        requests: usize,
    },
    /// One caller has as many requests on a model as it may have in the company of others.
    #[error(
        "model {model} has {requests} requests of yours to answer already; wait for some of them"
    )]
    Share {
        /// The model.
        model: String,
        /// Requests of the caller that are queued or running.
        requests: usize,
    },
    /// The input does not fit. It is never cut silently.
    #[error("{what} has {tokens} tokens, the model takes at most {limit}; shorten it")]
    TooLong {
        /// What is too long.
        what: &'static str,
        /// Its length in tokens.
        tokens: usize,
        /// The model's limit in tokens.
        limit: usize,
    },
    /// A caller's budget has fewer tokens left than a request begins with. Nothing was taken from it.
    #[error("{what} {tokens} tokens, more than the {left} that are left of the budget")]
    Budget {
        /// What has them: `the prompt has`.
        what: &'static str,
        /// The tokens that it begins with.
        tokens: usize,
        /// The tokens that are left.
        left: u32,
    },
    /// An argument is malformed or out of range.
    #[error("{0}")]
    InvalidArguments(String),
    /// ONNX Runtime or the tokenizer failed while running.
    #[error("model {model} failed while {step}: {reason}")]
    Inference {
        /// The model.
        model: String,
        /// The step that failed.
        step: &'static str,
        /// What it said.
        reason: String,
    },
}

impl Error {
    /// [`Self::Inference`].
    pub(crate) fn inference(
        model: &str,
        step: &'static str,
        reason: impl std::fmt::Display,
    ) -> Self {
        Self::Inference {
            model: model.to_owned(),
            step,
            reason: reason.to_string(),
        }
    }
}

/// The result of the engine's calls.
pub type Result<T> = std::result::Result<T, Error>;
