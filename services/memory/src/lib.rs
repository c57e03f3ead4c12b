//! What was said and done: a store that is searched by meaning.
//!
//! A [`Record`] is a text with an owner, a kind, tags and a time. The [`Store`] keeps records as JSON
//! in LMDB, so that what `remember` returned for is on disk, and beside them the embedding vectors of
//! their texts. It computes no vectors itself: its user asks for [`Store::pending`] texts and hands in
//! the vectors when it has them. Until then, and where there is no model at all, a record is found by
//! its words ([`words`]).
//!
//! [`recovery`] deals with a damaged store: what can be read is carried over into a new one, the
//! damaged one is kept aside. The program `argos-memory` serves a store as `org.argos.Memory1`.

mod environment;
mod error;
mod record;
pub mod recovery;
mod store;
pub mod transfer;
pub mod vector;
pub mod words;

pub use error::{Error, Result};
pub use record::{KINDS, MAX_TEXT, Record};
pub use store::{Found, Pending, Store};
