//! What differs between hosts: how a program is told to end, and how a child's fault shows.

#[cfg(unix)]
pub(crate) use unix::{end, faulted};
#[cfg(windows)]
pub(crate) use windows::{end, faulted};

#[cfg(unix)]
mod unix {
    use std::process::ExitStatus;

    use tokio::signal::unix::{SignalKind, signal};

    /// Takes the signals that ask a program to end; ready, with what was said, when one comes.
    pub(crate) fn end() -> std::io::Result<impl Future<Output = &'static str>> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        Ok(async move {
            tokio::select! {
                _ = terminate.recv() => "told to stop",
                _ = interrupt.recv() => "interrupted",
            }
        })
    }

    /// Whether the process was ended by a fault, or by somebody, and not by itself.
    pub(crate) fn faulted(status: ExitStatus) -> bool {
        status.code().is_none()
    }
}

#[cfg(windows)]
mod windows {
    use std::process::ExitStatus;

    use tokio::signal::windows::{ctrl_c, ctrl_close, ctrl_shutdown};

    /// Takes the console's requests to end; ready, with what was said, when one comes.
    pub(crate) fn end() -> std::io::Result<impl Future<Output = &'static str>> {
        let mut close = ctrl_close()?;
        let mut shutdown = ctrl_shutdown()?;
        let mut interrupt = ctrl_c()?;
        Ok(async move {
            tokio::select! {
                _ = close.recv() => "told to stop",
                _ = shutdown.recv() => "the system shuts down",
                _ = interrupt.recv() => "interrupted",
            }
        })
    }

    /// Whether the process was ended by a fault. Its status is then the exception's, an NTSTATUS of
    /// severity "error" (the two highest bits).
    pub(crate) fn faulted(status: ExitStatus) -> bool {
        status.code().is_some_and(|code| code as u32 >> 30 == 3)
    }
}
