//! `org.freedesktop.impl.portal.Settings`: how the desktop looks, for programs that follow it.
//!
//! | key of `org.freedesktop.appearance` | is |
//! |---|---|
//! | `color-scheme` | 1 with a dark theme, 2 with a light one |
//! | `accent-color` | the theme's, as red, green and blue from 0 to 1 |
//! | `contrast` | 1 with the theme of high contrast, else 0 |
//! | `reduced-motion` | 0: the desktop has no setting that says otherwise |

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use argos_bus::shell::Shell1Proxy;
use futures_util::StreamExt;
use zbus::Connection;
use zbus::fdo;
use zbus::object_server::SignalEmitter;
use zbus::wire::{OwnedVariant, Variant};

use super::{Desk, Event, PATH};
use crate::bus::names::Presence;
use crate::theme::{self, Appearance, HIGH_CONTRAST};

const NAMESPACE: &str = "org.freedesktop.appearance";

/// What the settings say now.
#[derive(Debug, Clone)]
pub(super) struct Shared(Arc<Mutex<Look>>);

/// A theme as far as other programs can follow it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Look {
    dark: bool,
    high_contrast: bool,
    accent: [f64; 3],
}

impl Look {
    fn of(name: &str) -> Self {
        let theme = theme::load_or_default(name);
        let accent = theme.colors.accent;
        Self {
            dark: theme.appearance == Appearance::Dark,
            high_contrast: name == HIGH_CONTRAST,
            accent: [accent.r, accent.g, accent.b].map(f64::from),
        }
    }

    fn values(self) -> BTreeMap<&'static str, Variant<'static>> {
        let [red, green, blue] = self.accent;
        let scheme: u32 = if self.dark { 1 } else { 2 };
        BTreeMap::from([
            ("color-scheme", Variant::from(scheme)),
            ("accent-color", Variant::from((red, green, blue))),
            ("contrast", Variant::from(u32::from(self.high_contrast))),
            ("reduced-motion", Variant::from(0_u32)),
        ])
    }
}

impl Shared {
    pub(super) fn new(theme: &str) -> Self {
        Self(Arc::new(Mutex::new(Look::of(theme))))
    }

    fn now(&self) -> Look {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another theme. Returns what changed.
    fn set(&self, theme: &str) -> Vec<(&'static str, Variant<'static>)> {
        let new = Look::of(theme);
        let mut look = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *look, new).values();
        let changed = new.values().into_iter();
        changed
            .filter(|(key, value)| old.get(key) != Some(value))
            .collect()
    }
}

#[derive(Debug)]
pub(super) struct Settings(pub(super) Shared);

#[zbus::interface(name = "org.freedesktop.impl.portal.Settings")]
impl Settings {
    /// All settings of namespaces that fit one of these: a name, one that ends with `*`, or none for
    /// all there are.
    fn read_all(
        &self,
        namespaces: Vec<String>,
    ) -> fdo::Result<HashMap<&'static str, HashMap<&'static str, OwnedVariant>>> {
        let fits = |wanted: &String| match wanted.strip_suffix('*') {
            Some(begin) => NAMESPACE.starts_with(begin),
            None => wanted.is_empty() || wanted == NAMESPACE,
        };
        if !namespaces.is_empty() && !namespaces.iter().any(fits) {
            return Ok(HashMap::new());
        }
        let mut values = HashMap::new();
        for (key, value) in self.0.now().values() {
            values.insert(key, OwnedVariant::try_from(value)?);
        }
        Ok(HashMap::from([(NAMESPACE, values)]))
    }

    /// One setting.
    fn read(&self, namespace: &str, key: &str) -> fdo::Result<OwnedVariant> {
        let found = (namespace == NAMESPACE)
            .then(|| self.0.now().values().remove(key))
            .flatten();
        let found = found.ok_or_else(|| {
            fdo::Error::Failed(format!("there is no setting `{key}` in `{namespace}`"))
        })?;
        Ok(OwnedVariant::try_from(found)?)
    }

    /// A setting has another value.
    #[zbus(signal)]
    async fn setting_changed(
        emitter: &SignalEmitter<'_>,
        namespace: &str,
        key: &str,
        value: Variant<'_>,
    ) -> zbus::Result<()>;

    /// The interface's version.
    #[zbus(property(emits_changed_signal = "const"), name = "version")]
    fn version(&self) -> u32 {
        2
    }
}

/// Follows the shell's theme.
pub(super) async fn follow(
    connection: &Connection,
    desk: &Desk,
    shared: &Shared,
) -> zbus::Result<()> {
    let shell = Shell1Proxy::new(connection).await?;
    let mut presence = Presence::of(shell.inner()).await?;
    let mut themes = shell.receive_theme_changed().await;
    loop {
        // The theme may have changed before anybody listened.
        if let Ok(theme) = shell.theme().await {
            let changed = shared.set(&theme);
            if !changed.is_empty() {
                desk.events.send(Event::Theme(theme));
            }
            let emitter = SignalEmitter::new(connection, PATH)?;
            for (key, value) in changed {
                Settings::setting_changed(&emitter, NAMESPACE, key, value).await?;
            }
        }
        tokio::select! {
            present = presence.changed() => if present.is_none() {
                return Ok(());
            },
            theme = themes.next() => if theme.is_none() {
                return Ok(());
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_hear_of_what_a_theme_changes() {
        let shared = Shared::new("dark");
        assert!(shared.set("dark").is_empty());
        let changed = shared.set(HIGH_CONTRAST);
        let contrast = changed.iter().find(|(key, _)| *key == "contrast");
        assert_eq!(contrast, Some(&("contrast", Variant::from(1_u32))));
        let changed = shared.set("light");
        let scheme = changed.iter().find(|(key, _)| *key == "color-scheme");
        assert_eq!(scheme, Some(&("color-scheme", Variant::from(2_u32))));
    }
}
