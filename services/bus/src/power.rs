//! Shutting the machine down and putting it to sleep, as every program of ours asks for it: by login1, which lets
//! programs block or delay that.

use zbus::{Connection, DynamicType, Message, fdo};

/// What is to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// The machine is off afterwards.
    PowerOff,
    /// It starts again.
    Reboot,
}

/// Why it does not happen, each with login1's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// A program blocks it.
    Blocked(String),
    /// It happens already.
    Underway(String),
    /// The caller is neither root nor the person at the seat.
    Denied(String),
    /// It was tried, or login1 is not the one that is known.
    Failed(String),
    /// Nobody is there to ask, or nobody answers: PID 1 can still be asked itself.
    Absent(String),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Blocked(why)
            | Self::Underway(why)
            | Self::Denied(why)
            | Self::Failed(why)
            | Self::Absent(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Refusal {}

/// Asks login1 on the system bus. Nobody is asked for a password: whoever calls may, or may not.
///
/// # Errors
/// [`Refusal`].
pub async fn shut_down(system: &Connection, how: Shutdown) -> Result<(), Refusal> {
    let method = match how {
        Shutdown::PowerOff => "PowerOff",
        Shutdown::Reboot => "Reboot",
    };
    ask(system, method, &false).await.map(drop)
}

/// Asks login1 to put the machine to sleep, as [`shut_down`] asks. Returns when it is awake again.
///
/// # Errors
/// [`Refusal`].
pub async fn sleep(system: &Connection) -> Result<(), Refusal> {
    ask(system, "Suspend", &false).await.map(drop)
}

/// Whether the machine can sleep, and the caller may put it to sleep.
///
/// # Errors
/// [`Refusal`].
pub async fn can_sleep(system: &Connection) -> Result<bool, Refusal> {
    let answer = ask(system, "CanSuspend", &()).await?;
    match answer.body().deserialize::<String>() {
        Ok(word) => Ok(word == "yes"),
        Err(error) => Err(Refusal::Failed(error.to_string())),
    }
}

async fn ask(
    system: &Connection,
    method: &str,
    body: &(impl serde::Serialize + DynamicType),
) -> Result<Message, Refusal> {
    let asked = system
        .call_method(
            Some("org.freedesktop.login1"),
            "/org/freedesktop/login1",
            Some("org.freedesktop.login1.Manager"),
            method,
            body,
        )
        .await;
    asked.map_err(refusal)
}

fn refusal(error: zbus::Error) -> Refusal {
    match error {
        zbus::Error::MethodError(name, text, _) => {
            let why = text.unwrap_or_else(|| name.to_string());
            match name.rsplit('.').next() {
                Some("BlockedByInhibitorLock") => Refusal::Blocked(why),
                Some("OperationInProgress") => Refusal::Underway(why),
                Some("AccessDenied") => Refusal::Denied(why),
                _ => Refusal::Failed(why),
            }
        }
        // The errors of D-Bus itself come like this, a refusal among them.
        zbus::Error::FDO(error) => match *error {
            fdo::Error::AccessDenied(why)
            | fdo::Error::AuthFailed(why)
            | fdo::Error::InteractiveAuthorizationRequired(why) => Refusal::Denied(why),
            error => Refusal::Absent(error.to_string()),
        },
        error => Refusal::Absent(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_not_taken_for_a_service_that_is_down() {
        let of = |error: fdo::Error| refusal(zbus::Error::FDO(Box::new(error)));
        let why = || "why".to_owned();
        assert_eq!(
            of(fdo::Error::AccessDenied(why())),
            Refusal::Denied("why".to_owned())
        );
        assert_eq!(
            of(fdo::Error::InteractiveAuthorizationRequired(why())),
            Refusal::Denied("why".to_owned())
        );
        for down in [
            fdo::Error::ServiceUnknown(why()),
            fdo::Error::NoReply(why()),
        ] {
            assert!(matches!(of(down), Refusal::Absent(_)));
        }
    }
}
