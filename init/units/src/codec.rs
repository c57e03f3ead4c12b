//! The form in which graphs and exec specifications cross between processes.
//!
//! ```text
//! magic (4 bytes) | version (1 byte) | postcard
//! ```
//!
//! Version history:
//! * 1: first.
//!
//! Both ends come from the same build, so an unknown version is refused and never guessed at.

use serde::{Serialize, de::DeserializeOwned};

use crate::graph::{Graph, GraphError};

/// Version of both formats.
pub const VERSION: u8 = 2;
/// Largest encoded value, in bytes. A graph of a desktop takes some tens of kilobytes.
pub const MAX_BYTES: usize = 4 << 20;

const GRAPH_MAGIC: &[u8; 4] = b"ArUg";
pub(crate) const EXEC_MAGIC: &[u8; 4] = b"ArEx";

/// Why bytes were not taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CodecError {
    /// Over [`MAX_BYTES`].
    #[error("{0} bytes are more than the {MAX_BYTES} allowed")]
    TooLarge(usize),
    /// The magic number is missing: this is something else.
    #[error("these {0} bytes are not of the expected format")]
    NotOurs(usize),
    /// Written by another version of the programs.
    #[error(
        "format version {0}, but this program knows {VERSION}; were the programs updated while running?"
    )]
    Version(u8),
    /// The right version but damaged.
    #[error("damaged data: {0}")]
    Damaged(String),
    /// A graph that decodes but cannot be run.
    #[error("unusable unit graph: {0}")]
    Graph(#[from] GraphError),
}

pub(crate) fn encode<T: Serialize>(magic: &[u8; 4], value: &T) -> Result<Vec<u8>, CodecError> {
    let mut bytes = magic.to_vec();
    bytes.push(VERSION);
    let bytes =
        postcard::to_extend(value, bytes).map_err(|e| CodecError::Damaged(e.to_string()))?;
    if bytes.len() > MAX_BYTES {
        return Err(CodecError::TooLarge(bytes.len()));
    }
    Ok(bytes)
}

pub(crate) fn decode<T: DeserializeOwned>(magic: &[u8; 4], bytes: &[u8]) -> Result<T, CodecError> {
    if bytes.len() > MAX_BYTES {
        return Err(CodecError::TooLarge(bytes.len()));
    }
    let Some((version, payload)) = bytes.strip_prefix(magic).and_then(<[u8]>::split_first) else {
        return Err(CodecError::NotOurs(bytes.len()));
    };
    if *version != VERSION {
        return Err(CodecError::Version(*version));
    }
    match postcard::take_from_bytes(payload) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(CodecError::Damaged(format!(
            "{} bytes too many",
            rest.len()
        ))),
        Err(error) => Err(CodecError::Damaged(error.to_string())),
    }
}

/// Encodes a graph. Errors: [`CodecError::TooLarge`], [`CodecError::Graph`] if it does not pass
/// [`Graph::check`].
pub fn encode_graph(graph: &Graph) -> Result<Vec<u8>, CodecError> {
    graph.check()?;
    encode(GRAPH_MAGIC, graph)
}

/// Decodes and checks a graph. Errors: [`CodecError`].
pub fn decode_graph(bytes: &[u8]) -> Result<Graph, CodecError> {
    let graph: Graph = decode(GRAPH_MAGIC, bytes)?;
    graph.check()?;
    Ok(graph)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Unit;

    fn sample() -> Graph {
        let mut b = Unit::target("b");
        b.requires.push("a".into());
        Graph {
            units: vec![Unit::target("a"), b],
            ..Graph::default()
        }
    }

    #[test]
    fn a_graph_survives_the_trip() {
        let bytes = encode_graph(&sample()).unwrap();
        assert_eq!(decode_graph(&bytes).unwrap(), sample());
    }

    #[test]
    fn every_truncation_and_every_flipped_byte_is_survived() {
        let bytes = encode_graph(&sample()).unwrap();
        for cut in 0..bytes.len() {
            assert!(decode_graph(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        for at in 0..bytes.len() {
            for flip in [1u8, 0x80, 0xff] {
                let mut bad = bytes.clone();
                bad[at] ^= flip;
                // Some flips only change a letter; what counts is that none panics or allocates wildly.
                let _ = decode_graph(&bad);
            }
        }
        let mut long = bytes.clone();
        long.push(0);
        assert!(matches!(decode_graph(&long), Err(CodecError::Damaged(_))));
    }

    #[test]
    fn another_version_is_named() {
        let mut bytes = encode_graph(&sample()).unwrap();
        bytes[4] = 9;
        assert_eq!(decode_graph(&bytes), Err(CodecError::Version(9)));
        assert_eq!(decode_graph(b"hello"), Err(CodecError::NotOurs(5)));
        assert_eq!(
            decode_graph(&vec![0; MAX_BYTES + 1]),
            Err(CodecError::TooLarge(MAX_BYTES + 1))
        );
    }
}
