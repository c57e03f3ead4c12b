//! ONNX Runtime itself: a shared library, loaded once per process when the first model needs it.
//!
//! It is loaded at run time and not linked, so that the service starts and explains itself on a
//! machine where the library is missing.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;

use crate::{Error, Result};

/// Where the image keeps the library.
pub const DEFAULT_LIBRARY: &str = "/usr/lib/argos/libonnxruntime.so";

/// Environment variable that names another library.
pub const LIBRARY_VARIABLE: &str = "ARGOS_ONNXRUNTIME";

static CHOSEN: Mutex<Option<PathBuf>> = Mutex::new(None);

static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);

/// Takes this library instead. What is loaded already stays.
pub fn use_library(path: PathBuf) {
    *CHOSEN.lock().unwrap_or_else(PoisonError::into_inner) = Some(path);
}

/// The library to load: what [`use_library`] named, else `$ARGOS_ONNXRUNTIME`, else
/// [`DEFAULT_LIBRARY`].
pub fn library_path() -> PathBuf {
    let chosen = CHOSEN
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    if let Some(path) = chosen {
        return path;
    }
    std::env::var_os(LIBRARY_VARIABLE)
        .filter(|v| !v.is_empty())
        .map_or_else(|| PathBuf::from(DEFAULT_LIBRARY), PathBuf::from)
}

/// The process's ONNX Runtime environment, loading the library on first use.
///
/// A failure is not remembered: a library that was put in place later is found by the next call.
pub(crate) fn environment() -> Result<Environment> {
    let mut slot = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(environment) = &*slot {
        return Ok(environment.clone());
    }
    let environment = load(&library_path())?;
    *slot = Some(environment.clone());
    Ok(environment)
}

fn load(path: &Path) -> Result<Environment> {
    let failed = |reason: String| Error::Runtime {
        path: path.to_owned(),
        reason,
    };
    if !path.is_file() {
        return Err(failed("no such file".into()));
    }
    // Nothing leaves the machine: the published builds carry no telemetry on Linux, and it is switched
    // off by name for the builds that do.
    ort::init_from(path)
        .map_err(|e| failed(e.to_string()))?
        .with_name("argos")
        .with_telemetry(false)
        .build()
        .map_err(|e| failed(e.to_string()))
}
