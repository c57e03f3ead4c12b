//! `org.freedesktop.Notifications`, version 1.2 of its specification, without images and markup.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};

use zbus::object_server::SignalEmitter;
use zbus::wire::OwnedVariant;

use super::{Notice, Notices};
use crate::parts::notifications::{Notification, Urgency};

/// Where the service lives.
pub const PATH: &str = "/org/freedesktop/Notifications";
/// Its name.
pub const NAME: &str = "org.freedesktop.Notifications";

/// The service.
#[derive(Debug)]
pub(super) struct Notifications {
    pub(super) notices: Notices,
    pub(super) last_id: AtomicU32,
}

#[zbus::interface(name = "org.freedesktop.Notifications")]
impl Notifications {
    /// What the pop-ups can show.
    fn get_capabilities(&self) -> Vec<&'static str> {
        vec!["actions", "body", "persistence"]
    }

    /// Shows a notification and returns its number. `replaces_id` other than 0 takes its place.
    #[allow(clippy::too_many_arguments)]
    fn notify(
        &self,
        app_name: String,
        replaces_id: u32,
        _app_icon: String,
        summary: String,
        body: String,
        actions: Vec<String>,
        hints: HashMap<String, OwnedVariant>,
        expire_timeout: i32,
    ) -> u32 {
        let id = if replaces_id == 0 {
            next(&self.last_id)
        } else {
            replaces_id
        };
        let urgency = match hints
            .get("urgency")
            .and_then(|hint| u8::try_from(hint).ok())
        {
            Some(0) => Urgency::Low,
            Some(2) => Urgency::Critical,
            _ => Urgency::Normal,
        };
        let actions = actions
            .chunks_exact(2)
            .map(|pair| (pair[0].clone(), pair[1].clone()))
            .collect();
        let notification = Notification {
            id,
            app: app_name,
            summary,
            body,
            actions,
            urgency,
            timeout_ms: expire_timeout,
        };
        self.notices.send(Notice::Notify(notification));
        id
    }

    /// Takes a notification back.
    fn close_notification(&self, id: u32) {
        self.notices.send(Notice::TakeBack(id));
    }

    /// Who serves this.
    #[zbus(out_args("name", "vendor", "version", "spec_version"))]
    fn get_server_information(&self) -> (&'static str, &'static str, &'static str, &'static str) {
        ("argos-shell", "ArgOS", env!("CARGO_PKG_VERSION"), "1.2")
    }

    /// One is gone.
    #[zbus(signal)]
    pub(super) async fn notification_closed(
        emitter: &SignalEmitter<'_>,
        id: u32,
        reason: u32,
    ) -> zbus::Result<()>;

    /// A button of one was pressed.
    #[zbus(signal)]
    pub(super) async fn action_invoked(
        emitter: &SignalEmitter<'_>,
        id: u32,
        action_key: String,
    ) -> zbus::Result<()>;
}

/// The next number that is not 0. The upper half is left to the shell's own notifications.
fn next(last: &AtomicU32) -> u32 {
    let step = |last: u32| if last >= u32::MAX / 2 { 1 } else { last + 1 };
    let old = last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
        Some(step(last))
    });
    step(old.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_begin_at_one_and_never_are_zero() {
        let last = AtomicU32::new(0);
        assert_eq!((next(&last), next(&last)), (1, 2));
        last.store(u32::MAX / 2, Ordering::Relaxed);
        assert_eq!(next(&last), 1);
    }
}
