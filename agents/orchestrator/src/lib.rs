//! `argos-orchestrator`: agents as beings with attention and memory, and the conversations with
//! them.
//!
//! It decides who attends to what and when, keeps what was said, and is the broker's client for
//! everything that happens to processes. It is not part of the trusted base: it grants nothing and
//! runs no tool. If it dies, agents keep running; if the broker dies, it starts them again.
//!
//! * [`world`]: the entities, components and systems; pure.
//! * [`chat`]: what was said, on disk.
//! * [`registry`]: which agents there are.
//! * [`timers`]: timers and reminders.
//! * [`service`]: session bus, memory and clock around them.

pub mod chat;
pub mod registry;
pub mod service;
pub mod timers;
pub mod world;
