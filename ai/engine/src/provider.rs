//! Execution providers: what of the machine computes a graph.
//!
//! The processor always can. Graphics processors and others can where the ONNX Runtime library was built
//! for them and finds its drivers. The choice is made when a graph is opened:
//!
//! 1. `ARGOS_EXECUTION_PROVIDER`, one name or several by preference, separated by commas;
//! 2. `execution-providers` in `model.yaml`, by preference;
//! 3. the quickest there is ([`PREFERENCE`]) for a graph that is worth it, else the processor.
//!
//! What was named and is not there is an error, never a silent fall-back; what nobody named and does not
//! start (a library with CUDA on a machine without such a card) is passed over with a word in the log.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use ort::ep::{self, ExecutionProvider};
use serde::{Deserialize, Serialize};

use crate::manifest::{Kind, Manifest};
use crate::session::TINY_BYTES;
use crate::{Error, Result, folder, runtime};

/// Environment variable that overrules the choice.
pub const VARIABLE: &str = "ARGOS_EXECUTION_PROVIDER";

/// What is taken where nobody says, the first that is there.
pub const PREFERENCE: [Provider; 4] = [
    Provider::Cuda,
    Provider::OpenVino,
    Provider::WebGpu,
    Provider::Cpu,
];

/// What computes a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// The processor.
    Cpu,
    /// NVIDIA's graphics processors.
    Cuda,
    /// Intel's processors, graphics processors and accelerators.
    OpenVino,
    /// Any graphics processor with Vulkan, Direct3D 12 or Metal.
    WebGpu,
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::OpenVino => "openvino",
            Self::WebGpu => "webgpu",
        })
    }
}

impl FromStr for Provider {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        PREFERENCE
            .into_iter()
            .find(|p| p.to_string().eq_ignore_ascii_case(text))
            .ok_or_else(|| format!("`{text}` is none of {}", names(&PREFERENCE)))
    }
}

impl Provider {
    /// As ONNX Runtime takes it; an error where it does not start.
    pub(crate) fn registration(self) -> ep::ExecutionProviderDispatch {
        match self {
            Self::Cpu => ep::CPU::default().build(),
            Self::Cuda => ep::CUDA::default().build(),
            Self::OpenVino => ep::OpenVINO::default().build(),
            Self::WebGpu => ep::WebGPU::default().build(),
        }
        .error_on_failure()
    }
}

/// What the ONNX Runtime library was built for, by preference. Loads the library.
///
/// Whether the machine has the device and its drivers shows only when a graph is opened.
pub fn available() -> Result<Vec<Provider>> {
    let _environment = runtime::environment()?;
    let mut found = Vec::new();
    for provider in PREFERENCE {
        let there = match provider {
            Provider::Cpu => Ok(true),
            Provider::Cuda => ep::CUDA::is_available(),
            Provider::OpenVino => ep::OpenVINO::is_available(),
            Provider::WebGpu => ep::WebGPU::is_available(),
        };
        if there.map_err(|e| Error::Runtime {
            path: runtime::library_path(),
            reason: format!("it does not say which execution providers it has: {e}"),
        })? {
            found.push(provider);
        }
    }
    Ok(found)
}

/// Names of providers and who named them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wish {
    /// By preference.
    pub providers: Vec<Provider>,
    /// For the error.
    pub from: &'static str,
}

/// What overrules the choice for a graph with this `model.yaml`: the environment, else that, else nothing.
pub(crate) fn wish(manifest: Option<&Manifest>) -> Result<Option<Wish>> {
    let variable = std::env::var(VARIABLE).unwrap_or_default();
    let named: &[Provider] = manifest.map_or(&[], |manifest| &manifest.execution_providers);
    wish_of(&variable, named)
}

fn wish_of(variable: &str, manifest: &[Provider]) -> Result<Option<Wish>> {
    let named = variable
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(Provider::from_str)
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(|e| Error::InvalidArguments(format!("{VARIABLE}: {e}")))?;
    let (providers, from) = if named.is_empty() {
        (manifest.to_vec(), "execution-providers in model.yaml")
    } else {
        (named, VARIABLE)
    };
    Ok((!providers.is_empty()).then_some(Wish { providers, from }))
}

/// What to try for a graph of this kind and size, in order: of `wish` what is `available`, else all that is, but the
/// processor alone where the graph is tiny or its cache would go to and fro.
///
/// Fails with [`Error::Provider`] where nothing of a wish is available.
pub(crate) fn choose(
    wish: Option<&Wish>,
    available: &[Provider],
    kind: Kind,
    size_bytes: u64,
) -> Result<Vec<Provider>> {
    let Some(wish) = wish else {
        return Ok(if !kind.keeps_cache() && size_bytes >= TINY_BYTES {
            PREFERENCE
                .into_iter()
                .filter(|p| *p == Provider::Cpu || available.contains(p))
                .collect()
        } else {
            vec![Provider::Cpu]
        });
    };
    let chosen: Vec<Provider> = wish
        .providers
        .iter()
        .copied()
        .filter(|p| available.contains(p))
        .collect();
    if chosen.is_empty() {
        return Err(Error::Provider {
            wanted: names(&wish.providers),
            from: wish.from,
            available: names(available),
            reason: "this ONNX Runtime was built without it".into(),
        });
    }
    Ok(chosen)
}

/// What would be tried for the model in `folder`, in order, on a machine that has it all. Nothing is loaded.
pub fn candidates(folder: &Path, kind: Kind, size_bytes: u64) -> Result<Vec<Provider>> {
    let manifest = folder::optional_manifest(folder)?;
    let wish = wish(manifest.as_ref())?;
    choose(wish.as_ref(), &PREFERENCE, kind, size_bytes)
}

/// Names for people.
pub(crate) fn names(providers: &[Provider]) -> String {
    providers
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// What computes each graph that was opened, by the graph's file.
static OPENED: Mutex<BTreeMap<PathBuf, Provider>> = Mutex::new(BTreeMap::new());

pub(crate) fn remember(graph: &Path, provider: Provider) {
    OPENED
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(graph.to_owned(), provider);
}

/// What computes the model in `folder`, as it was last opened by this process.
pub fn of(folder: &Path) -> Option<Provider> {
    OPENED
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .iter()
        .find(|(graph, _)| graph.starts_with(folder))
        .map(|(_, provider)| *provider)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Provider::{Cpu, Cuda, OpenVino, WebGpu};

    #[test]
    fn the_environment_is_before_the_model_and_that_before_the_choice() {
        assert_eq!(wish_of("", &[]).unwrap(), None);
        assert_eq!(wish_of(" , ", &[]).unwrap(), None);
        let manifest = wish_of("", &[Cuda, Cpu]).unwrap().unwrap();
        assert_eq!(manifest.providers, [Cuda, Cpu]);
        let variable = wish_of("WebGPU, cpu", &[Cuda]).unwrap().unwrap();
        assert_eq!(
            (variable.providers, variable.from),
            (vec![WebGpu, Cpu], VARIABLE)
        );
        let error = wish_of("gpu", &[]).unwrap_err().to_string();
        assert!(
            error
                .contains("ARGOS_EXECUTION_PROVIDER: `gpu` is none of cuda, openvino, webgpu, cpu"),
            "{error}"
        );
    }

    #[test]
    fn choice_by_what_is_there() {
        let choose = |wish: &[Provider], available: &[Provider], worthwhile| {
            let wish = wish_of("", wish).unwrap();
            let size = if worthwhile {
                TINY_BYTES
            } else {
                TINY_BYTES - 1
            };
            super::choose(wish.as_ref(), available, Kind::Embedding, size)
        };
        assert_eq!(choose(&[], &[Cpu], true).unwrap(), [Cpu]);
        assert_eq!(
            choose(&[], &[Cpu, WebGpu, Cuda], true).unwrap(),
            [Cuda, WebGpu, Cpu]
        );
        assert_eq!(choose(&[], &[Cpu, Cuda], false).unwrap(), [Cpu]);
        let language = super::choose(None, &[Cpu, Cuda], Kind::CausalLm, TINY_BYTES);
        assert_eq!(language.unwrap(), [Cpu]);
        // Named is named, worthwhile or not; what is not there is passed over if something else was named.
        assert_eq!(choose(&[Cuda], &[Cuda, Cpu], false).unwrap(), [Cuda]);
        assert_eq!(choose(&[OpenVino, Cpu], &[Cuda, Cpu], true).unwrap(), [Cpu]);
        let error = choose(&[OpenVino, Cuda], &[Cpu], true)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("openvino, cuda")
                && error.contains("execution-providers in model.yaml")
                && error.contains("available: cpu"),
            "{error}"
        );
    }

    #[test]
    fn candidates_are_told_by_kind_size_and_manifest() {
        // The variable, where somebody has it, overrules all of it.
        if std::env::var_os(VARIABLE).is_some() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let of = |kind, size| candidates(dir.path(), kind, size).unwrap();
        assert_eq!(of(Kind::CausalLm, TINY_BYTES), [Provider::Cpu]);
        assert_eq!(of(Kind::Embedding, TINY_BYTES - 1), [Provider::Cpu]);
        assert_eq!(of(Kind::Embedding, TINY_BYTES), PREFERENCE);
        let yaml = "kind: causal-lm\nexecution-providers: [cuda, cpu]\n";
        std::fs::write(dir.path().join("model.yaml"), yaml).unwrap();
        let wished = [Provider::Cuda, Provider::Cpu];
        assert_eq!(of(Kind::CausalLm, 1), wished);
    }
}
