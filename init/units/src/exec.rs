//! What a supervisor tells `argos-exec` about the child that it sets up.
//!
//! Handed over as postcard in a sealed memfd (`argos-exec --spec-fd N -- PROGRAM ARGUMENTS`). The
//! supervisor has placed the child in its cgroup and set its standard streams already.

use serde::{Deserialize, Serialize};

use crate::codec::{self, CodecError};

/// Everything that is done between the supervisor's `clone3` and the program's `execve`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecSpec {
    /// User by name or number; the supervisor's own if absent.
    pub user: Option<String>,
    /// Group by name or number; the user's own if absent.
    pub group: Option<String>,
    /// Terminal that becomes standard input, output, error and the controlling terminal.
    pub tty: Option<String>,
    /// Where the program starts.
    pub working_directory: Option<String>,
    /// Folders made before the identity changes, owned by the user.
    pub directories: Vec<Directory>,
    /// Whether the child's own cgroup is given to the user.
    pub delegate: bool,
    /// Most open files, soft limit; the hard limit stays.
    pub open_files: Option<u64>,
    /// `argos_sandbox::Spec` as JSON.
    pub sandbox: Option<String>,
    /// Names of the variables that are meant for the program; a sandbox passes them besides its own
    /// list.
    pub variables: Vec<String>,
    /// Descriptors above 2 that the program gets; a sandbox keeps them besides its own list.
    pub fds: Vec<i32>,
}

/// A folder that exists, with this owner and mode, before the program starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directory {
    /// Absolute path.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
}

impl ExecSpec {
    /// Whether the program can be executed without `argos-exec`.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The bytes for the memfd. Errors: [`CodecError::TooLarge`].
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        codec::encode(codec::EXEC_MAGIC, self)
    }

    /// Reads what [`ExecSpec::encode`] wrote. Errors: [`CodecError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::decode(codec::EXEC_MAGIC, bytes)
    }
}
