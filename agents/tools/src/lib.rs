//! The built-in tools of ArgOS.

mod catalogue;
mod client;
mod error;
pub mod schema;
mod tool;
mod tools;

pub use catalogue::Catalogue;
pub use client::Worker;
pub use error::{Code, ToolError};
pub use tool::{Action, Call, Context, Env, Tool, Verdict, execute};
