//! `org.argos.Providers1`: the person's view of tool providers, and the door for programs outside.

use std::path::Path;
use std::sync::Arc;

use argos_bus::providers::Provider;
use argos_bus::{Error, Result};
use serde_json::json;
use zbus::Connection;
use zbus::message::Header;
use zbus::wire::OwnedFd;

use super::declaration::{self, Kind};
use super::{Slot, clients};
use crate::core::Broker;
use crate::permission::Verdict;
use crate::session::lock;
use crate::trust;

const PATH: &str = "/org/argos/Providers1";

struct Server(Arc<Broker>);

#[zbus::interface(name = "org.argos.Providers1")]
impl Server {
    async fn list(&self) -> Result<Vec<Provider>> {
        let providers = &self.0.providers;
        let mut all = Vec::new();
        for slot in providers.slots(&self.0).await {
            all.push(slot.describe().await);
        }
        for (name, (file, what)) in lock(&providers.broken).iter() {
            all.push(Provider {
                name: name.clone(),
                title: name.clone(),
                file: file.display().to_string(),
                state: "failed".to_owned(),
                detail: what.clone(),
                declaration: "{}".to_owned(),
                tools: Vec::new(),
            });
        }
        Ok(all)
    }

    async fn show(&self, name: String) -> Result<Provider> {
        let slot = self.0.providers.slot(&self.0, &name).await?;
        if slot.declared.declaration.enabled {
            slot.tools(&self.0).await?;
        }
        Ok(slot.describe().await)
    }

    async fn add(
        &self,
        declaration: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        trust::person(&self.0.settings, connection, &header).await?;
        if declaration.len() as u64 > argos_config::MAX_FILE_BYTES {
            return Err(Error::LimitReached("a declaration of that size".to_owned()));
        }
        let providers = &self.0.providers;
        let home = self.0.settings.home.clone();
        let folder = providers.folders.own.clone();
        let declared = declaration::parse(Path::new("declaration"), &declaration, &home, true)
            .map_err(Error::InvalidArguments)?;
        if declared.declaration.kind != Kind::Mcp {
            return Err(Error::InvalidArguments(
                "only MCP servers are added like this; a D-Bus service is declared in \
                 /etc/argos/tools"
                    .to_owned(),
            ));
        }
        let name = declared.full_name();
        if let Ok(other) = providers.slot(&self.0, &name).await
            && !other.declared.own
        {
            return Err(Error::InvalidArguments(format!(
                "{name} comes with the system ({}); take another name",
                other.declared.file.display()
            )));
        }
        let file = folder.join(format!("{}.yaml", declared.declaration.name));
        let path = file.clone();
        tokio::task::spawn_blocking(move || {
            argos_config::write_atomically(&path, declaration.as_bytes())
        })
        .await
        .map_err(|error| Error::Failed(error.to_string()))?
        .map_err(|error| Error::Failed(error.to_string()))?;
        providers.slots(&self.0).await;
        Ok(file.display().to_string())
    }

    async fn remove(
        &self,
        name: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        trust::person(&self.0.settings, connection, &header).await?;
        let providers = &self.0.providers;
        let slots = providers.slots(&self.0).await;
        let file = match slots.iter().find(|slot| slot.declared.full_name() == name) {
            Some(slot) if !slot.declared.own => {
                return Err(Error::Denied(format!(
                    "{name} comes with the system; `enabled: false` in a file of that name in \
                     /etc/argos/tools switches it off"
                )));
            }
            Some(slot) => slot.declared.file.clone(),
            None => {
                let broken = lock(&providers.broken);
                let own = broken.get(name.strip_prefix("mcp.").unwrap_or(&name));
                match own.filter(|(file, _)| file.starts_with(&providers.folders.own)) {
                    Some((file, _)) => file.clone(),
                    None => return Err(Error::NotFound(format!("there is no provider {name}"))),
                }
            }
        };
        std::fs::remove_file(&file)
            .map_err(|error| Error::Failed(format!("{}: {error}", file.display())))?;
        // Ends it.
        providers.slots(&self.0).await;
        let prefix = format!("{name}.");
        super::revoke(&self.0, "its provider is gone", |grant| {
            let of_a_tool = grant.verdict == Verdict::Allow && grant.resource.starts_with(&prefix);
            of_a_tool || grant.agent == name
        });
        Ok(())
    }

    async fn open_client(
        &self,
        name: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<OwnedFd> {
        trust::person(&self.0.settings, connection, &header).await?;
        clients::open(&self.0, &self.0.providers.clients, &name).map(OwnedFd::from)
    }
}

impl Slot {
    async fn describe(&self) -> Provider {
        let running = self.running.lock().await;
        let up = running.as_ref().is_some_and(|running| running.is_alive());
        let fault = running.as_ref().and_then(|running| running.fault());
        let fault = fault.map(str::to_owned);
        drop(running);
        let known = lock(&self.known);
        let declaration = &self.declared.declaration;
        let (state, detail) = match &known.failed {
            _ if !declaration.enabled => ("off", String::new()),
            _ if up => ("running", known.left_out.join("; ")),
            _ if fault.is_some() => ("failed", fault.unwrap_or_default()),
            Some((_, why)) => ("failed", why.clone()),
            None => ("stopped", known.left_out.join("; ")),
        };
        Provider {
            name: self.declared.full_name(),
            title: declaration.title.clone(),
            file: self.declared.file.display().to_string(),
            state: state.to_owned(),
            detail,
            declaration: json!(declaration).to_string(),
            tools: known
                .tools
                .iter()
                .flatten()
                .map(|tool| tool.name().to_owned())
                .collect(),
        }
    }
}

/// Serves the interface.
pub(crate) async fn serve(broker: &Arc<Broker>, connection: &Connection) -> zbus::Result<()> {
    connection
        .object_server()
        .at(PATH, Server(Arc::clone(broker)))
        .await?;
    Ok(())
}
