//! Frames in a buffer: the part that both halves share and that malformed input must not break.

use serde::{Serialize, de::DeserializeOwned};

use crate::protocol::VERSION;

/// Bytes before the payload.
pub(crate) const HEADER: usize = 5;

/// Why no frame could be read; the connection is of no use after it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The first byte is no version that is known here.
    #[error("protocol version {0}, but {VERSION} is spoken here")]
    Version(u8),
    /// The payload is over the limit.
    #[error("a frame of {size} bytes, but at most {limit} are allowed")]
    TooLarge {
        /// Announced size.
        size: usize,
        /// What is allowed.
        limit: usize,
    },
    /// The payload is no valid message.
    #[error("damaged message: {0}")]
    Damaged(String),
}

/// Appends one frame. Errors: [`FrameError::TooLarge`], after which `out` is as it was.
pub(crate) fn write<T: Serialize>(
    out: &mut Vec<u8>,
    value: &T,
    limit: usize,
) -> Result<(), FrameError> {
    let payload = postcard::to_stdvec(value).map_err(|e| FrameError::Damaged(e.to_string()))?;
    let too_large = FrameError::TooLarge {
        size: payload.len(),
        limit,
    };
    let Some(length) = u32::try_from(payload.len())
        .ok()
        .filter(|_| payload.len() <= limit)
    else {
        return Err(too_large);
    };
    out.push(VERSION);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&payload);
    Ok(())
}

/// Size of the frame at the front of `bytes`, header included, once that is known.
pub(crate) fn size(bytes: &[u8], limit: usize) -> Result<Option<usize>, FrameError> {
    let Some(&version) = bytes.first() else {
        return Ok(None);
    };
    if version != VERSION {
        return Err(FrameError::Version(version));
    }
    let Some(length) = bytes.get(1..HEADER).and_then(|raw| raw.try_into().ok()) else {
        return Ok(None);
    };
    let size = u32::from_le_bytes(length) as usize;
    if size > limit {
        return Err(FrameError::TooLarge { size, limit });
    }
    Ok(Some(HEADER + size))
}

/// Takes the frame at the front of `bytes` if all of it is there.
pub(crate) fn take<T: DeserializeOwned>(
    bytes: &mut Vec<u8>,
    limit: usize,
) -> Result<Option<T>, FrameError> {
    let Some(size) = size(bytes, limit)?.filter(|size| *size <= bytes.len()) else {
        return Ok(None);
    };
    let value = match postcard::take_from_bytes(&bytes[HEADER..size]) {
        Ok((value, [])) => value,
        Ok((_, rest)) => {
            return Err(FrameError::Damaged(format!(
                "{} bytes too many",
                rest.len()
            )));
        }
        Err(error) => return Err(FrameError::Damaged(error.to_string())),
    };
    bytes.drain(..size);
    Ok(Some(value))
}
