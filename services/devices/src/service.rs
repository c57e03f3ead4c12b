//! `org.argos.Devices1` on the system bus.
//!
//! Reading is open. Changing is for root and the person at the seat, decided here from the caller's
//! uid as the bus knows it.

use std::sync::Arc;

use argos_bus::devices::{Brightness, Volume};
use argos_bus::{Error, Result, caller};
use tokio::sync::Mutex;
use tracing::info;
use zbus::message::Header;
use zbus::{Connection, interface};

use crate::backend::{Light, Sound};

/// Bus name.
pub(crate) const NAME: &str = "org.argos.Devices1";
/// Object path.
pub(crate) const PATH: &str = "/org/argos/Devices1";

/// The object on the bus.
pub(crate) struct Devices {
    sound: Arc<dyn Sound>,
    light: Arc<dyn Light>,
    /// Devices are asked one after the other.
    turn: Mutex<()>,
}

impl Devices {
    pub(crate) fn new(sound: Arc<dyn Sound>, light: Arc<dyn Light>) -> Self {
        Self {
            sound,
            light,
            turn: Mutex::default(),
        }
    }

    /// Asks a device, where that may block.
    async fn ask<D, T>(
        &self,
        device: &Arc<D>,
        work: impl FnOnce(&D) -> Result<T> + Send + 'static,
    ) -> Result<T>
    where
        D: ?Sized + Send + Sync + 'static,
        T: Send + 'static,
    {
        let _turn = self.turn.lock().await;
        let device = Arc::clone(device);
        match tokio::task::spawn_blocking(move || work(&device)).await {
            Ok(result) => result,
            Err(error) => Err(Error::Failed(format!("asking the device: {error}"))),
        }
    }
}

fn check(what: &str, percent: u32) -> Result<()> {
    if percent <= 100 {
        return Ok(());
    }
    Err(Error::InvalidArguments(format!(
        "a {what} of {percent} %: there are 0 to 100"
    )))
}

#[interface(name = "org.argos.Devices1")]
impl Devices {
    /// The volume.
    async fn volume(&self) -> Result<Volume> {
        self.ask(&self.sound, Sound::volume).await
    }

    /// Sets the volume.
    async fn set_volume(
        &self,
        percent: u32,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Volume> {
        caller::root_or_seat("setting the volume", connection, &header).await?;
        check("volume", percent)?;
        let set = self
            .ask(&self.sound, move |sound| sound.set_volume(percent))
            .await?;
        info!("volume {} % ({})", set.percent, set.device);
        Ok(set)
    }

    /// Mutes, or not.
    async fn set_muted(
        &self,
        muted: bool,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Volume> {
        caller::root_or_seat("muting", connection, &header).await?;
        self.ask(&self.sound, move |sound| sound.set_muted(muted))
            .await
    }

    /// The brightness.
    async fn brightness(&self) -> Result<Brightness> {
        self.ask(&self.light, Light::brightness).await
    }

    /// Sets the brightness.
    async fn set_brightness(
        &self,
        percent: u32,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Brightness> {
        caller::root_or_seat("setting the brightness", connection, &header).await?;
        check("brightness", percent)?;
        let set = self
            .ask(&self.light, move |light| light.set_brightness(percent))
            .await?;
        info!("brightness {} % ({})", set.percent, set.device);
        Ok(set)
    }
}
