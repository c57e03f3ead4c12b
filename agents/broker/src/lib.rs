//! `argos-broker`: between agents and everything they may do.
//!
//! An agent's process has one way out, fd 3, and this is where it ends. The broker starts agents
//! in their sandboxes, hands them messages, relays the model, checks and runs their tool calls,
//! asks the person, and records what was done. It is part of the trusted base and kept small: it
//! does not decide what an agent should do, and holds no conversation; the orchestrator does that,
//! as its client on the session bus.
//!
//! | module | subject |
//! |---|---|
//! | [`permission`], [`host`], [`index`] | the rule: need, grant, decision; hosts; finding grants (pure) |
//! | [`grants`] | remembered decisions and their file |
//! | [`prompts`] | questions that wait for the person (pure) |
//! | [`audit`] | the log of every call, a crate of its own: the command line reads it too |
//! | [`manifest`] | `agent.yaml` and the hash that grants hang on |
//! | [`socket`], [`session`], `link` | fd 3: limits, one connected agent, its interface |
//! | `call`, `calls` | the way of one tool call; the open ones, and calling them back |
//! | `permit`, `asking`, `record` | its steps: may it run; what the person answers; its audit rows |
//! | `model` | what an agent has language models write: its session with the AI service, its tokens |
//! | `lifecycle` | start, end and restart of an agent |
//! | [`sandbox`], [`spawn`], [`worker`] | what runs, how it is started, the tool worker |
//! | `workspace` | how much an agent keeps, in sum |
//! | [`providers`], `proxy` | tools from outside, and how their providers reach a host |
//! | `bus`, `trust`, `byhand` | the interfaces on the session bus; who may use them; what the person grants and asks |
//! | `unattended` | the broker without a bus of its own, to be tested by hand |
//!
//! What survives a `kill -9` of the broker is on disk already: grants and audit rows. Agents end
//! with it, since their socket closes, and the orchestrator starts them again.

#[cfg(test)]
mod alone;
mod asking;
mod bus;
mod byhand;
mod call;
mod calls;
pub mod core;
pub mod grants;
pub mod host;
pub mod index;
mod lifecycle;
mod link;
pub mod manifest;
mod model;
pub mod permission;
mod permit;
pub mod prompts;
pub mod providers;
mod proxy;
mod record;
mod run;
pub mod sandbox;
pub mod session;
pub mod socket;
pub mod spawn;
mod trust;
mod unattended;
pub mod worker;
mod workspace;

pub use argos_audit as audit;
pub use run::{Options, explain, probe_sandbox, serve};
pub use unattended::Unattended;
