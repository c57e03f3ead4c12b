//! Which bus names have owners, told to the supervisor.

use std::future::Future;

use anyhow::{Context, Result, anyhow};
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tracing::debug;
use zbus::Connection;
use zbus::fdo::DBusProxy;
use zbus::names::BusName;

use crate::supervisor::Supervisor;

/// Reports every well-known name that has an owner now, and then every change.
///
/// Returns once listening has begun; the future it yields ends only with an error.
pub(crate) async fn watch(
    connection: &Connection,
    supervisor: &Supervisor,
) -> Result<impl Future<Output = Result<()>> + use<>> {
    let bus = DBusProxy::new(connection).await?;
    // Listen first, list second: a change between the two is reported after the list.
    let mut changes = bus.receive_name_owner_changed().await?;
    let owned = bus
        .list_names()
        .await
        .context("cannot list the names on the bus")?;
    let (reports, failure) = report_in_order(supervisor)?;
    for name in owned {
        if let BusName::WellKnown(name) = name.inner() {
            reports.send((name.to_string(), true)).await?;
        }
    }
    Ok(async move {
        let changed = async {
            while let Some(signal) = changes.next().await {
                let change = signal.args()?;
                if let BusName::WellKnown(name) = &change.name {
                    let present = change.new_owner.is_some();
                    debug!(%name, present, "bus name");
                    reports.send((name.to_string(), present)).await?;
                }
            }
            Err(anyhow!("the bus went away"))
        };
        // The reporter knows better why a report could not be handed over.
        tokio::select! {
            biased;
            error = failure => Err(error),
            result = changed => result,
        }
    })
}

/// A thread that tells the supervisor one name after the other, and why it had to stop.
fn report_in_order(
    supervisor: &Supervisor,
) -> Result<(
    mpsc::Sender<(String, bool)>,
    impl Future<Output = anyhow::Error> + use<>,
)> {
    let mut client = supervisor.connect()?;
    let (sender, mut names) = mpsc::channel::<(String, bool)>(256);
    let (failed, failure) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("bus-names".to_owned())
        .spawn(move || {
            while let Some((name, present)) = names.blocking_recv() {
                if let Err(error) = client.bus_name(&name, present) {
                    // Nobody listens only if the bridge is ending already.
                    let _ = failed.send(error);
                    return;
                }
            }
        })?;
    Ok((sender, async move {
        match failure.await {
            Ok(error) => error.into(),
            Err(_) => anyhow!("the reporting thread ended"),
        }
    }))
}
