//! `org.freedesktop.impl.portal.Settings`: how the desktop looks, for programs that follow it.
//!
//! | key of `org.freedesktop.appearance` | is |
//! |---|---|
//! | `color-scheme` | 1 with a dark theme, 2 with a light one |
//! | `accent-color` | the one that is shown, as red, green and blue from 0 to 1 |
//! | `contrast` | 1 with the theme of high contrast, else 0 |
//! | `reduced-motion` | 1 where the person wants less of it, else 0 |
//!
//! How things look is the shell's to say, how they move the compositor's.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use argos_bus::compositor::Compositor1Proxy;
use argos_bus::shell::Shell1Proxy;
use futures_util::StreamExt;
use zbus::Connection;
use zbus::fdo;
use zbus::object_server::SignalEmitter;
use zbus::wire::{OwnedVariant, Variant};

use super::{Desk, Event, PATH};
use crate::bus::names::Presence;
use crate::settings::Look;
use crate::theme::{Appearance, HIGH_CONTRAST};

const NAMESPACE: &str = "org.freedesktop.appearance";

/// What the settings say now.
#[derive(Debug, Clone)]
pub(super) struct Shared(Arc<Mutex<(Look, Told)>>);

/// The look as far as other programs can follow it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Told {
    dark: bool,
    high_contrast: bool,
    accent: [f64; 3],
    reduced_motion: bool,
}

impl Told {
    fn of(look: &Look, reduced_motion: bool) -> Self {
        let theme = look.theme();
        let accent = theme.colors.accent;
        Self {
            dark: theme.appearance == Appearance::Dark,
            high_contrast: look.theme == HIGH_CONTRAST,
            accent: [accent.r, accent.g, accent.b].map(f64::from),
            reduced_motion,
        }
    }

    fn values(self) -> BTreeMap<&'static str, Variant<'static>> {
        let [red, green, blue] = self.accent;
        let scheme: u32 = if self.dark { 1 } else { 2 };
        BTreeMap::from([
            ("color-scheme", Variant::from(scheme)),
            ("accent-color", Variant::from((red, green, blue))),
            ("contrast", Variant::from(u32::from(self.high_contrast))),
            (
                "reduced-motion",
                Variant::from(u32::from(self.reduced_motion)),
            ),
        ])
    }
}

impl Shared {
    pub(super) fn new(look: &Look) -> Self {
        Self(Arc::new(Mutex::new((look.clone(), Told::of(look, false)))))
    }

    fn now(&self) -> (Look, Told) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Another look. Returns whether it is another one for our own dialogs, and what of it changed for other programs.
    fn set(
        &self,
        look: &Look,
        reduced_motion: bool,
    ) -> (bool, Vec<(&'static str, Variant<'static>)>) {
        let told = Told::of(look, reduced_motion);
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, old) = std::mem::replace(&mut *shared, (look.clone(), told));
        let old = old.values();
        let mut changed: Vec<_> = told.values().into_iter().collect();
        changed.retain(|(key, value)| old.get(key) != Some(value));
        (before != *look, changed)
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
        for (key, value) in self.0.now().1.values() {
            values.insert(key, OwnedVariant::try_from(value)?);
        }
        Ok(HashMap::from([(NAMESPACE, values)]))
    }

    /// One setting.
    fn read(&self, namespace: &str, key: &str) -> fdo::Result<OwnedVariant> {
        let found = (namespace == NAMESPACE)
            .then(|| self.0.now().1.values().remove(key))
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

/// Follows the shell and the compositor.
pub(super) async fn follow(
    connection: &Connection,
    desk: &Desk,
    shared: &Shared,
) -> zbus::Result<()> {
    let shell = Shell1Proxy::new(connection).await?;
    let compositor = Compositor1Proxy::new(connection).await?;
    let mut shells = Presence::of(shell.inner()).await?;
    let mut compositors = Presence::of(compositor.inner()).await?;
    let mut themes = shell.receive_theme_changed().await;
    let mut accents = shell.receive_accent_changed().await;
    let mut sizes = shell.receive_text_size_changed().await;
    let mut motions = compositor.receive_reduced_motion_changed().await;
    loop {
        // They may have changed before anybody listened. Who does not answer changes nothing.
        let (before, told) = shared.now();
        let look = Look {
            theme: shell.theme().await.unwrap_or(before.theme),
            accent: shell.accent().await.unwrap_or(before.accent),
            text_size: shell.text_size().await.unwrap_or(before.text_size),
        };
        let reduced = compositor.reduced_motion().await;
        let (ours, changed) = shared.set(&look, reduced.unwrap_or(told.reduced_motion));
        if ours {
            desk.events.send(Event::Look(look));
        }
        let emitter = SignalEmitter::new(connection, PATH)?;
        for (key, value) in changed {
            Settings::setting_changed(&emitter, NAMESPACE, key, value).await?;
        }
        let on = tokio::select! {
            present = shells.changed() => present.is_some(),
            present = compositors.changed() => present.is_some(),
            change = themes.next() => change.is_some(),
            change = accents.next() => change.is_some(),
            change = sizes.next() => change.is_some(),
            change = motions.next() => change.is_some(),
        };
        if !on {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_hear_of_what_changes_for_them() {
        let mut look = crate::settings::Settings::default().look();
        let shared = Shared::new(&look);
        let set = |look: &Look, reduced: bool| {
            let (ours, changed) = shared.set(look, reduced);
            (ours, changed.into_iter().collect::<BTreeMap<_, _>>())
        };
        assert_eq!(set(&look, false), (false, BTreeMap::new()));
        look.theme = HIGH_CONTRAST.to_owned();
        let (ours, changed) = set(&look, false);
        assert!(ours);
        assert_eq!(changed.get("contrast"), Some(&Variant::from(1_u32)));
        look.theme = "light".to_owned();
        let (_, changed) = set(&look, false);
        assert_eq!(changed.get("color-scheme"), Some(&Variant::from(2_u32)));
        look.accent = "#1f5fc4".to_owned();
        let (ours, changed) = set(&look, false);
        let part = |byte: u8| f64::from(f32::from(byte) / 255.0);
        let blue = (part(0x1f), part(0x5f), part(0xc4));
        assert_eq!(
            changed,
            BTreeMap::from([("accent-color", Variant::from(blue))])
        );
        assert!(ours);
        // Larger text is for our own dialogs, less motion for theirs.
        look.text_size = 150;
        assert_eq!(set(&look, false), (true, BTreeMap::new()));
        let (ours, changed) = set(&look, true);
        assert_eq!(
            changed,
            BTreeMap::from([("reduced-motion", Variant::from(1_u32))])
        );
        assert!(!ours);
    }
}
