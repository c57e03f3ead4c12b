//! What a graph takes and gives, read from the graph itself.

use ort::session::Session;
use ort::value::{TensorElementType, ValueType};

use super::names::Names;

/// Says to a graph with two branches that there is a cache.
pub(super) const CACHE_BRANCH: &str = "use_cache_branch";

/// One layer's half of the KV cache: `past` goes in, `present` comes out.
#[derive(Debug, Clone)]
pub(super) struct CacheSlot {
    pub past: String,
    pub present: String,
    /// Heads, and numbers a head.
    pub heads: i64,
    pub width: i64,
    pub element: TensorElementType,
}

/// Inputs and outputs of a causal language model.
#[derive(Debug, Clone)]
pub(super) struct Geometry {
    pub names: Names,
    pub cache: Vec<CacheSlot>,
    pub position_ids: bool,
    pub attention_mask: bool,
    /// `num_logits_to_keep`: the graph can leave out the logits of all but the last tokens.
    pub keeps_logits: bool,
    /// `use_cache_branch`: two graphs in one, of which one begins an answer and knows no cache, the other goes on.
    pub cache_branch: bool,
    /// The graph appends to its cache in place, where `past` and `present` are one memory.
    pub in_place: bool,
    pub vocabulary: usize,
    /// What the logits are made of.
    pub logits: TensorElementType,
}

impl CacheSlot {
    pub(super) fn element_bytes(&self) -> usize {
        if self.element == TensorElementType::Float16 {
            2
        } else {
            4
        }
    }

    /// Bytes that one token takes in this tensor.
    pub(super) fn token_bytes(&self) -> usize {
        self.heads as usize * self.width as usize * self.element_bytes()
    }
}

impl Geometry {
    /// Bytes of cache that one token of one sequence takes.
    pub(super) fn token_bytes(&self) -> usize {
        self.cache.iter().map(CacheSlot::token_bytes).sum()
    }

    /// Reads it; an error says what the graph wants that is not provided. `in_place` is told by the graph's
    /// operators, which a session does not show.
    pub(super) fn of(session: &Session, in_place: bool, names: Names) -> Result<Self, String> {
        let mut geometry = Self {
            names: names.clone(),
            cache: Vec::new(),
            position_ids: false,
            attention_mask: false,
            keeps_logits: false,
            cache_branch: false,
            in_place,
            vocabulary: 0,
            logits: TensorElementType::Float32,
        };
        let mut ids = false;
        for input in session.inputs() {
            let name = input.name();
            if name == names.input_ids {
                ids = true;
                if !is_of(input.dtype(), TensorElementType::Int64) {
                    return Err(format!("{name} is not of type int64"));
                }
            } else if name == names.attention_mask {
                geometry.attention_mask = true;
            } else if name == names.position_ids {
                geometry.position_ids = true;
            } else if name == "num_logits_to_keep" {
                geometry.keeps_logits = true;
            } else if name == CACHE_BRANCH {
                geometry.cache_branch = true;
                if !is_of(input.dtype(), TensorElementType::Bool) {
                    return Err(format!("{name} is not of type bool"));
                }
            } else if let Some(present) = names.present(name) {
                let slot = cache_slot(name, present, input.dtype())?;
                geometry.cache.push(slot);
            } else {
                return Err(format!(
                    "its graph wants the input `{name}`, which this engine does not provide; it takes \
                     exports with input_ids, attention_mask, position_ids and past_key_values.*"
                ));
            }
        }
        if !ids {
            return Err(format!("its graph has no {}", names.input_ids));
        }
        if geometry.cache.is_empty() {
            return Err(
                "its graph has no past_key_values.*; export it with the task \
                        text-generation-with-past"
                    .into(),
            );
        }
        for slot in &geometry.cache {
            if !session.outputs().iter().any(|o| o.name() == slot.present) {
                return Err(format!(
                    "its graph has `{}` but no `{}`",
                    slot.past, slot.present
                ));
            }
        }
        let logits = session
            .outputs()
            .iter()
            .find(|o| o.name() == names.logits)
            .ok_or_else(|| format!("its graph has no output `{}`", names.logits))?;
        match logits.dtype() {
            ValueType::Tensor {
                ty: element @ (TensorElementType::Float32 | TensorElementType::Float16),
                shape,
                ..
            } if shape.len() == 3 && shape[2] > 0 => {
                geometry.vocabulary = shape[2] as usize;
                geometry.logits = *element;
            }
            other => {
                return Err(format!(
                    "its logits are {other}; expected [batch, tokens, vocabulary] in fp32 or fp16"
                ));
            }
        }
        Ok(geometry)
    }
}

fn is_of(kind: &ValueType, element: TensorElementType) -> bool {
    matches!(kind, ValueType::Tensor { ty, .. } if *ty == element)
}

fn cache_slot(name: &str, present: String, kind: &ValueType) -> Result<CacheSlot, String> {
    let ValueType::Tensor {
        ty: element, shape, ..
    } = kind
    else {
        return Err(format!("`{name}` is not a tensor"));
    };
    let fits = shape.len() == 4 && shape[1] > 0 && shape[3] > 0;
    if !fits
        || !matches!(
            element,
            TensorElementType::Float32 | TensorElementType::Float16
        )
    {
        return Err(format!(
            "`{name}` has shape {:?} of {element}; expected [batch, heads, tokens, width] in fp32 or fp16",
            &shape[..]
        ));
    }
    Ok(CacheSlot {
        past: name.to_owned(),
        present,
        heads: shape[1],
        width: shape[3],
        element: *element,
    })
}
