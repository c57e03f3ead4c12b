//! The way to the compositor of the programs that it has to be able to trust: prompt and locker.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use crate::host::{Connection, Error};

/// Where the socket is looked for where nothing is named.
const USUAL: &str = "argos/prompt-wayland";

/// One of these programs.
#[derive(Debug, Clone, Copy)]
pub struct Purpose {
    /// The variable that names the socket, beneath `$XDG_RUNTIME_DIR` unless it is absolute.
    pub variable: &'static str,
    /// What needs it, for error messages.
    pub what: &'static str,
    /// What is amiss without it.
    pub otherwise: &'static str,
}

impl Purpose {
    /// Connects to the compositor's private socket.
    ///
    /// On ArgOS the unit names the socket, and then it is that one or none: over the public socket the
    /// question could be covered by anybody, and the session is not locked for just anybody. Elsewhere
    /// (another compositor, development) it is the usual one if it is there, else the one that every
    /// client uses, with a warning.
    pub fn connect(self) -> Result<Connection, Error> {
        let variable = |name| std::env::var_os(name).map(PathBuf::from);
        match self.socket(variable(self.variable), variable("XDG_RUNTIME_DIR"))? {
            Some(path) => {
                let failed = |error: &dyn std::fmt::Display| {
                    Error::Connect(format!(
                        "its socket for {}, {}: {error}",
                        self.what,
                        path.display()
                    ))
                };
                let stream = UnixStream::connect(&path).map_err(|e| failed(&e))?;
                Connection::from_socket(stream).map_err(|e| failed(&e))
            }
            None => {
                tracing::warn!(
                    "{} is not set and there is no {USUAL}: {}",
                    self.variable,
                    self.otherwise
                );
                Connection::connect_to_env().map_err(|e| Error::Connect(e.to_string()))
            }
        }
    }

    /// The socket; none only where none was named and the usual one is not there.
    fn socket(
        self,
        named: Option<PathBuf>,
        runtime: Option<PathBuf>,
    ) -> Result<Option<PathBuf>, Error> {
        match (named, runtime) {
            (Some(path), _) if path.is_absolute() => Ok(Some(path)),
            (Some(path), Some(runtime)) => Ok(Some(runtime.join(path))),
            (Some(path), None) => Err(Error::Connect(format!(
                "{} is {}, but XDG_RUNTIME_DIR is not set",
                self.variable,
                path.display()
            ))),
            (None, runtime) => Ok(runtime
                .map(|folder| folder.join(USUAL))
                .filter(|path| path.exists())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_socket_is_used_or_nothing() {
        let purpose = Purpose {
            variable: "ARGOS_TEST_SOCKET",
            what: "tests",
            otherwise: "nothing",
        };
        let folder = tempfile::tempdir().unwrap();
        let runtime = Some(folder.path().to_owned());
        let socket = |named: &str| purpose.socket(Some(named.into()), runtime.clone()).unwrap();
        // Whether it is there or not: only connecting may fail.
        assert_eq!(
            socket("argos/other"),
            Some(folder.path().join("argos/other"))
        );
        assert_eq!(socket("/x/prompt"), Some("/x/prompt".into()));
        assert!(purpose.socket(Some("prompt".into()), None).is_err());
        assert_eq!(purpose.socket(None, runtime.clone()).unwrap(), None);
        assert_eq!(purpose.socket(None, None).unwrap(), None);
        std::fs::create_dir(folder.path().join("argos")).unwrap();
        std::fs::write(folder.path().join(USUAL), "").unwrap();
        assert_eq!(
            purpose.socket(None, runtime).unwrap(),
            Some(folder.path().join(USUAL))
        );
    }
}
