//! Units that are described over the control socket instead of in a file, such as agents.

use serde::{Deserialize, Serialize};

use crate::graph::{Limits, Restart};

/// A service that exists from the moment it is started until it is down for good.
///
/// File descriptors travel beside it by `SCM_RIGHTS`, one for each number in `fds`, in that order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransientUnit {
    /// Name; must not be in use.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// Program (absolute path) and arguments.
    pub exec: Vec<String>,
    /// Environment besides what the supervisor gives every unit.
    pub env: Vec<(String, String)>,
    /// Where the program starts; `/` if absent.
    pub working_directory: Option<String>,
    /// Whether it is started again when it ends. Passed descriptors are kept for that.
    pub restart: Restart,
    /// Limits of its cgroup.
    pub limits: Limits,
    /// `argos_sandbox::Spec` as JSON; the unit then goes through `argos-exec`.
    pub sandbox: Option<String>,
    /// Numbers that the passed descriptors get in the child, in the order in which they are passed.
    pub fds: Vec<i32>,
}
