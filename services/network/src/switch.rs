//! The switch: whether this machine may have links to others.
//!
//! *On* (as every machine begins): links are as somebody set them, and nothing is touched. *Off*:
//! every link but loopback is down, and one that comes up is taken down within moments, whoever
//! brought it up. What was taken is kept with what the kernel forgets of it; switching on gives it
//! back.
//!
//! The new position is on disk before the first link is touched. Whatever ends the service in
//! between, the next start carries on: off takes down what is still up, on brings back what is still
//! missing.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use argos_bus::network::Status;
use argos_bus::{Error, Result};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::sync::Mutex;
use tracing::{info, warn};

use crate::kept::{Kept, Taken};
use crate::links::Links;

/// See the module's page.
#[derive(Debug)]
pub(crate) struct Switch {
    links: Links,
    file: PathBuf,
    kept: Mutex<Kept>,
}

impl Switch {
    /// The switch as it was left. Nothing is done yet.
    pub(crate) fn open(links: Links, file: PathBuf) -> Self {
        Self {
            links,
            kept: Mutex::new(Kept::load(&file)),
            file,
        }
    }

    /// Carries on where the last start ended.
    pub(crate) async fn settle(&self) {
        let mut kept = self.kept.lock().await;
        if let Err(error) = self.apply(&mut kept).await {
            warn!("{error}");
        }
    }

    /// Keeps links down while the switch is off. Ends when the kernel says no more.
    pub(crate) async fn guard(self: Arc<Self>, mut changes: BoxStream<'static, ()>) {
        while changes.next().await.is_some() {
            let mut kept = self.kept.lock().await;
            if !kept.enabled
                && let Err(error) = self.take_down(&mut kept).await
            {
                warn!("{error}");
            }
        }
    }

    /// Where the network stands.
    pub(crate) async fn status(&self) -> Result<Status> {
        let enabled = self.kept.lock().await.enabled;
        self.links
            .status(enabled)
            .await
            .map_err(|error| Error::Unavailable(format!("the kernel's links: {error}")))
    }

    /// Turns the switch. Returns whether that changed anything.
    pub(crate) async fn set(&self, enabled: bool) -> Result<bool> {
        let mut kept = self.kept.lock().await;
        let changed = kept.enabled != enabled;
        if changed {
            let wanted = Kept {
                enabled,
                ..kept.clone()
            };
            // Nothing is touched that could not be carried on with.
            self.keep(&wanted)
                .map_err(|error| Error::Failed(format!("{error}; the network stays as it is")))?;
            *kept = wanted;
            info!("the network is {}", if enabled { "on" } else { "off" });
        }
        self.apply(&mut kept).await?;
        Ok(changed)
    }

    /// Makes the links what the position says.
    async fn apply(&self, kept: &mut Kept) -> Result<()> {
        if kept.enabled {
            self.bring_back(kept).await
        } else {
            self.take_down(kept).await
        }
    }

    /// Puts it on disk. The error names the file.
    fn keep(&self, kept: &Kept) -> io::Result<()> {
        kept.save(&self.file)
    }

    async fn take_down(&self, kept: &mut Kept) -> Result<()> {
        let seen = self.links.all().await.map_err(of_kernel)?;
        let up: Vec<_> = seen
            .into_iter()
            .filter(|link| link.up && !link.loopback)
            .collect();
        if up.is_empty() {
            return Ok(());
        }
        let mut wrong = Vec::new();
        for link in &up {
            match self.links.about(link).await {
                Ok(taken) => remember(&mut kept.links, taken),
                // Off is what counts; what cannot be told cannot be given back.
                Err(error) => warn!("{}: {error}; it will come back bare", link.name),
            }
        }
        if let Err(error) = self.keep(kept) {
            wrong.push(error.to_string());
        }
        for link in &up {
            match self.links.set_up(link.index, false).await {
                Ok(()) => info!("{} is down", link.name),
                // It went away by itself.
                Err(error) if is_gone(&error) => {}
                Err(error) => wrong.push(format!("{} cannot be taken down: {error}", link.name)),
            }
        }
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(Error::Failed(wrong.join("; ")))
        }
    }

    async fn bring_back(&self, kept: &mut Kept) -> Result<()> {
        if kept.links.is_empty() {
            return Ok(());
        }
        let seen = self.links.all().await.map_err(of_kernel)?;
        let mut wrong = Vec::new();
        for taken in &kept.links {
            let Some(link) = seen.iter().find(|link| link.name == taken.name) else {
                info!("{} is not there any more", taken.name);
                continue;
            };
            let back = match self.links.set_up(link.index, true).await {
                Ok(()) => self.links.restore(link.index, taken).await,
                Err(error) => Err(error),
            };
            match back {
                Ok(()) => info!("{} is back", taken.name),
                Err(error) if is_gone(&error) => {}
                Err(error) => wrong.push(format!("{} is not all back: {error}", taken.name)),
            }
        }
        // Tried once: what could not be given back now would come as a surprise later.
        kept.links.clear();
        if let Err(error) = self.keep(kept) {
            wrong.push(error.to_string());
        }
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(Error::Failed(wrong.join("; ")))
        }
    }
}

/// Adds what was taken, to what was taken of the same link before.
fn remember(all: &mut Vec<Taken>, taken: Taken) {
    let Some(known) = all.iter_mut().find(|known| known.name == taken.name) else {
        all.push(taken);
        return;
    };
    for address in taken.addresses {
        if !known.addresses.contains(&address) {
            known.addresses.push(address);
        }
    }
    for route in taken.routes {
        if !known.routes.contains(&route) {
            known.routes.push(route);
        }
    }
}

fn is_gone(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error())
}

fn of_kernel(error: io::Error) -> Error {
    Error::Failed(format!("the kernel's links: {error}"))
}

#[cfg(test)]
mod tests {
    //! In a network namespace of the test's own thread, with the kernel's real links.

    use std::time::{Duration, Instant};

    use rtnetlink::{Handle, LinkVeth};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    struct World {
        _folder: tempfile::TempDir,
        file: PathBuf,
        handle: Handle,
    }

    #[allow(unsafe_code)]
    fn own_network() -> std::result::Result<(), rustix::io::Errno> {
        // SAFETY: only the network is made this thread's own; descriptors stay shared.
        unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET) }
    }

    /// A namespace with a pair of links, `a0` and `b0`, of which `a0` is up with an address and a
    /// default route. `None` where this user may not make one.
    async fn world() -> Option<World> {
        if own_network().is_err() {
            // Needs root, which the builder's own test run is.
            return None;
        }
        let (connection, handle, _) = rtnetlink::new_connection().unwrap();
        tokio::spawn(connection);
        let pair = LinkVeth::new("a0", "b0").build();
        handle.link().add(pair).execute().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let world = World {
            file: folder.path().join("state.json"),
            _folder: folder,
            handle,
        };
        let (links, _) = Links::open().unwrap();
        for link in links.all().await.unwrap() {
            links.set_up(link.index, true).await.unwrap();
            if link.name == "a0" {
                let taken = Taken {
                    name: link.name.clone(),
                    addresses: vec!["10.7.0.2/24".into(), "fd00:7::2/64".into()],
                    routes: vec![
                        way("0.0.0.0/0", Some("10.7.0.1"), 100),
                        way("10.9.0.0/16", None, 0),
                    ],
                };
                links.restore(link.index, &taken).await.unwrap();
            }
        }
        Some(world)
    }

    fn way(to: &str, gateway: Option<&str>, metric: u32) -> crate::kept::Way {
        crate::kept::Way {
            to: to.into(),
            gateway: gateway.map(|ip| ip.parse().unwrap()),
            metric,
        }
    }

    /// The service, until it is dropped.
    struct Service {
        switch: Arc<Switch>,
        guard: tokio::task::JoinHandle<()>,
    }

    impl std::ops::Deref for Service {
        type Target = Switch;

        fn deref(&self) -> &Switch {
            &self.switch
        }
    }

    impl Drop for Service {
        fn drop(&mut self) {
            self.guard.abort();
        }
    }

    impl World {
        /// The service, as if started anew.
        async fn start(&self) -> Service {
            let (links, changes) = Links::open().unwrap();
            let switch = Arc::new(Switch::open(links, self.file.clone()));
            switch.settle().await;
            let guard = tokio::spawn(Arc::clone(&switch).guard(changes));
            Service { switch, guard }
        }
    }

    fn up(status: &Status) -> Vec<&str> {
        let up = status.links.iter().filter(|link| link.up);
        let mut up: Vec<&str> = up.map(|link| link.name.as_str()).collect();
        up.sort_unstable();
        up
    }

    #[tokio::test]
    async fn off_takes_all_but_loopback_and_on_gives_it_back() {
        let Some(world) = world().await else { return };
        let switch = world.start().await;
        // The kernel tells a little later that both ends of the pair are up.
        let end = Instant::now() + PATIENCE;
        let before = loop {
            let status = switch.status().await.unwrap();
            let mut links = status.links.iter();
            if links.any(|link| link.name == "a0" && link.connected) {
                break status;
            }
            assert!(Instant::now() < end, "{status:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        assert!(before.enabled, "nobody used the switch");
        assert!(!world.file.exists());
        assert_eq!(up(&before), ["a0", "b0", "lo"]);
        let a0 = before.links.iter().find(|link| link.name == "a0").unwrap();
        assert_eq!((a0.kind.as_str(), a0.connected), ("ethernet", true));
        assert!(a0.addresses.contains(&"10.7.0.2/24".to_owned()), "{a0:?}");
        assert_eq!(before.default_routes.len(), 1);
        assert_eq!(before.default_routes[0].gateway, "10.7.0.1");

        assert!(switch.set(false).await.unwrap());
        let off = switch.status().await.unwrap();
        assert!(!off.enabled);
        assert_eq!(up(&off), ["lo"]);
        assert!(off.default_routes.is_empty());
        assert!(!switch.set(false).await.unwrap(), "it is off already");

        assert!(switch.set(true).await.unwrap());
        let on = switch.status().await.unwrap();
        assert_eq!(up(&on), ["a0", "b0", "lo"]);
        assert_eq!(on.default_routes, before.default_routes);
        let again = on.links.iter().find(|link| link.name == "a0").unwrap();
        for address in ["10.7.0.2/24", "fd00:7::2/64"] {
            assert!(
                again.addresses.contains(&address.to_owned()),
                "{address}: {again:?}"
            );
        }
        let seen = switch.links.all().await.unwrap();
        let a0 = seen.iter().find(|link| link.name == "a0").unwrap();
        let now = switch.links.about(a0).await.unwrap();
        assert!(now.routes.contains(&way("10.9.0.0/16", None, 0)), "{now:?}");
    }

    #[tokio::test]
    async fn off_outlives_a_restart_and_what_somebody_switches_on() {
        let Some(world) = world().await else { return };
        let switch = world.start().await;
        switch.set(false).await.unwrap();
        drop(switch);

        // A link comes up while the service is away; one is plugged in while it runs.
        let (links, _) = Links::open().unwrap();
        let all = links.all().await.unwrap();
        let b0 = all.iter().find(|link| link.name == "b0").unwrap().index;
        links.set_up(b0, true).await.unwrap();
        let switch = world.start().await;
        let status = switch.status().await.unwrap();
        assert!(!status.enabled);
        assert_eq!(up(&status), ["lo"]);

        let pair = LinkVeth::new("c0", "d0").up().build();
        world.handle.link().add(pair).execute().await.unwrap();
        let end = Instant::now() + PATIENCE;
        loop {
            let status = switch.status().await.unwrap();
            assert!(status.links.iter().any(|link| link.name == "c0"));
            if up(&status) == ["lo"] {
                break;
            }
            assert!(Instant::now() < end, "{status:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }

        // Killed after the position was written and before anything was brought back.
        let mut kept = Kept::load(&world.file);
        assert!(kept.links.iter().any(|taken| taken.name == "a0"));
        kept.enabled = true;
        kept.save(&world.file).unwrap();
        drop(switch);
        let switch = world.start().await;
        let status = switch.status().await.unwrap();
        assert!(up(&status).contains(&"a0"), "{status:?}");
        assert_eq!(status.default_routes.len(), 1);
        assert!(Kept::load(&world.file).links.is_empty());
    }

    #[tokio::test]
    async fn a_position_that_cannot_be_kept_changes_nothing() {
        let Some(world) = world().await else { return };
        std::fs::create_dir(&world.file).unwrap();
        let (links, _) = Links::open().unwrap();
        let switch = Switch {
            links,
            file: world.file.clone(),
            kept: Mutex::new(Kept::default()),
        };
        let error = switch.set(false).await.unwrap_err();
        assert!(
            matches!(&error, Error::Failed(text) if text.contains("state.json")),
            "{error}"
        );
        let status = switch.status().await.unwrap();
        assert!(status.enabled);
        assert_eq!(up(&status), ["a0", "b0", "lo"]);
    }

    #[tokio::test]
    async fn many_may_ask_at_once() {
        let Some(world) = world().await else { return };
        let switch = world.start().await;
        // While links change, too, which has the guard look at them.
        let asked = futures_util::future::join_all((0..20).map(|_| switch.status()));
        let (all, set) = tokio::join!(asked, switch.set(false));
        assert!(set.unwrap());
        for status in all {
            assert_eq!(status.unwrap().links.len(), 3);
        }
        for _ in 0..20 {
            assert_eq!(up(&switch.status().await.unwrap()), ["lo"]);
        }
    }
}
