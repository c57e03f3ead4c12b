//! Links, addresses and routes, as the kernel has them, by rtnetlink.

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use argos_bus::network::{Link, Route, Status};
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt, TryStreamExt};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkLayerType, LinkMessage};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteType,
};
use rtnetlink::{Handle, IpVersion, LinkUnspec, MulticastGroup, RouteMessageBuilder};
use tokio::sync::Mutex;

use crate::kept::{Taken, Way};

/// Where the kernel shows what is wireless.
const CLASS: &str = "/sys/class/net";

/// A way to the kernel's links.
#[derive(Debug, Clone)]
pub(crate) struct Links {
    handle: Handle,
    /// The kernel lists one thing at a time to a socket: a second list meanwhile is `EBUSY`.
    listing: Arc<Mutex<()>>,
}

/// One link, as far as it counts here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) loopback: bool,
    pub(crate) up: bool,
    running: bool,
    ethernet: bool,
}

/// One address of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Address {
    index: u32,
    text: String,
    /// Set by somebody, not learned from the network and not made by the kernel.
    permanent: bool,
}

impl Links {
    /// Connects, from the network namespace of the calling thread, in a tokio runtime. The stream
    /// has an item for each change of a link, or several in one.
    ///
    /// # Errors
    /// The kernel has no rtnetlink, or too many descriptors are open.
    pub(crate) fn open() -> io::Result<(Self, BoxStream<'static, ()>)> {
        let (connection, handle, changes) =
            rtnetlink::new_multicast_connection(&[MulticastGroup::Link])?;
        tokio::spawn(connection);
        let links = Self {
            handle,
            listing: Arc::default(),
        };
        Ok((links, changes.map(drop).boxed()))
    }

    /// A whole list. It is asked for only when it is its turn.
    async fn listed<S, T>(&self, ask: impl FnOnce() -> S) -> io::Result<Vec<T>>
    where
        S: Stream<Item = Result<T, rtnetlink::Error>>,
    {
        let _turn = self.listing.lock().await;
        ask().map_err(in_words).try_collect().await
    }

    /// Every link, by number.
    pub(crate) async fn all(&self) -> io::Result<Vec<Seen>> {
        let found: Vec<LinkMessage> = self.listed(|| self.handle.link().get().execute()).await?;
        let mut seen: Vec<Seen> = found.into_iter().filter_map(link).collect();
        seen.sort_by_key(|link| link.index);
        Ok(seen)
    }

    /// Switches a link on or off.
    pub(crate) async fn set_up(&self, index: u32, up: bool) -> io::Result<()> {
        let link = LinkUnspec::new_with_index(index);
        let message = if up { link.up() } else { link.down() };
        let set = self.handle.link().set(message.build()).execute().await;
        set.map_err(in_words)
    }

    /// What a link loses when it is switched off.
    pub(crate) async fn about(&self, link: &Seen) -> io::Result<Taken> {
        let addresses = self.addresses().await?.into_iter();
        let routes = self.routes().await?;
        Ok(Taken {
            name: link.name.clone(),
            addresses: addresses
                .filter(|address| address.index == link.index && address.permanent)
                .map(|address| address.text)
                .collect(),
            routes: routes
                .iter()
                .filter(|route| output(route) == Some(link.index) && is_set(route))
                .filter_map(way)
                .collect(),
        })
    }

    /// Gives a link that was switched on again what it had. What it has is left as it is.
    pub(crate) async fn restore(&self, index: u32, taken: &Taken) -> io::Result<()> {
        for text in &taken.addresses {
            let Some((address, length)) = network(text) else {
                continue;
            };
            let added = self.handle.address().add(index, address, length).execute();
            there(added.await)?;
        }
        for way in &taken.routes {
            let Some((to, length)) = network(&way.to) else {
                continue;
            };
            let wrong = |error: &dyn std::fmt::Display| {
                io::Error::new(io::ErrorKind::InvalidInput, format!("{}: {error}", way.to))
            };
            let mut route = RouteMessageBuilder::<IpAddr>::new()
                .output_interface(index)
                .priority(way.metric)
                .destination_prefix(to, length)
                .map_err(|error| wrong(&error))?;
            if let Some(gateway) = way.gateway {
                route = route.gateway(gateway).map_err(|error| wrong(&error))?;
            } else {
                route = route.scope(netlink_packet_route::route::RouteScope::Link);
            }
            there(self.handle.route().add(route.build()).execute().await)?;
        }
        Ok(())
    }

    /// Everything, as the bus shows it.
    pub(crate) async fn status(&self, enabled: bool) -> io::Result<Status> {
        let seen = self.all().await?;
        let addresses = self.addresses().await?;
        let routes = self.routes().await?;
        let links = seen.iter().map(|link| Link {
            name: link.name.clone(),
            kind: kind(link).to_owned(),
            up: link.up,
            connected: link.up && link.running,
            addresses: addresses
                .iter()
                .filter(|address| address.index == link.index)
                .map(|address| address.text.clone())
                .collect(),
        });
        let links = links.collect();
        let mut default_routes: Vec<(bool, Route)> = routes
            .iter()
            .filter(|route| route.header.destination_prefix_length == 0)
            .filter_map(|route| {
                let index = output(route)?;
                let link = seen.iter().find(|link| link.index == index)?;
                let way = way(route)?;
                Some((
                    route.header.address_family == AddressFamily::Inet6,
                    Route {
                        gateway: way.gateway.map(|ip| ip.to_string()).unwrap_or_default(),
                        link: link.name.clone(),
                        metric: way.metric,
                    },
                ))
            })
            .collect();
        default_routes.sort_by_key(|(six, route)| (*six, route.metric));
        Ok(Status {
            enabled,
            links,
            default_routes: default_routes.into_iter().map(|(_, route)| route).collect(),
        })
    }

    async fn addresses(&self) -> io::Result<Vec<Address>> {
        let found = self
            .listed(|| self.handle.address().get().execute())
            .await?;
        let addresses = found.into_iter().filter_map(|message| {
            // Where there is a peer, `Local` is ours and `Address` theirs.
            let local = message.attributes.iter().find_map(|a| match a {
                AddressAttribute::Local(ip) => Some(*ip),
                _ => None,
            });
            let any = message.attributes.iter().find_map(|a| match a {
                AddressAttribute::Address(ip) => Some(*ip),
                _ => None,
            });
            let ip = local.or(any)?;
            let own = matches!(ip, IpAddr::V6(six) if six.is_unicast_link_local());
            Some(Address {
                index: message.header.index,
                text: format!("{ip}/{}", message.header.prefix_len),
                permanent: message.header.flags.contains(AddressHeaderFlags::Permanent) && !own,
            })
        });
        Ok(addresses.collect())
    }

    /// The routes of the main table that lead somewhere.
    async fn routes(&self) -> io::Result<Vec<RouteMessage>> {
        let mut all = Vec::new();
        for version in [IpVersion::V4, IpVersion::V6] {
            let asked = match version {
                IpVersion::V4 => RouteMessageBuilder::<std::net::Ipv4Addr>::new().build(),
                IpVersion::V6 => RouteMessageBuilder::<std::net::Ipv6Addr>::new().build(),
            };
            let found = self
                .listed(|| self.handle.route().get(asked).execute())
                .await;
            match found {
                Ok(found) => all.extend(found),
                // A kernel without IPv6.
                Err(error)
                    if error.raw_os_error()
                        == Some(rustix::io::Errno::OPNOTSUPP.raw_os_error()) => {}
                Err(error) => return Err(error),
            }
        }
        all.retain(|route| {
            route.header.table == RouteHeader::RT_TABLE_MAIN
                && route.header.kind == RouteType::Unicast
        });
        Ok(all)
    }
}

fn in_words(error: rtnetlink::Error) -> io::Error {
    match error {
        rtnetlink::Error::NetlinkError(error) => error.to_io(),
        other => io::Error::other(other.to_string()),
    }
}

/// What is there already need not be made.
fn there(result: Result<(), rtnetlink::Error>) -> io::Result<()> {
    match result.map_err(in_words) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

fn link(message: LinkMessage) -> Option<Seen> {
    let name = message.attributes.iter().find_map(|a| match a {
        LinkAttribute::IfName(name) => Some(name.clone()),
        _ => None,
    })?;
    let flags = message.header.flags;
    Some(Seen {
        index: message.header.index,
        name,
        loopback: flags.contains(LinkFlags::Loopback),
        up: flags.contains(LinkFlags::Up),
        running: flags.contains(LinkFlags::LowerUp),
        ethernet: message.header.link_layer_type == LinkLayerType::Ether,
    })
}

fn kind(link: &Seen) -> &'static str {
    if link.loopback {
        return "loopback";
    }
    // The kernel has no `/` in names.
    let folder = Path::new(CLASS).join(&link.name);
    if folder.join("wireless").exists() || folder.join("phy80211").exists() {
        "wireless"
    } else if link.ethernet {
        "ethernet"
    } else {
        "other"
    }
}

fn output(route: &RouteMessage) -> Option<u32> {
    route.attributes.iter().find_map(|a| match a {
        RouteAttribute::Oif(index) => Some(*index),
        _ => None,
    })
}

/// Whether somebody set it: the kernel makes its own again, and routers announce theirs.
fn is_set(route: &RouteMessage) -> bool {
    !matches!(
        route.header.protocol,
        RouteProtocol::Kernel | RouteProtocol::Ra | RouteProtocol::IcmpRedirect
    )
}

fn way(route: &RouteMessage) -> Option<Way> {
    let address = |address: &RouteAddress| match address {
        RouteAddress::Inet(ip) => Some(IpAddr::V4(*ip)),
        RouteAddress::Inet6(ip) => Some(IpAddr::V6(*ip)),
        _ => None,
    };
    let everywhere = match route.header.address_family {
        AddressFamily::Inet => IpAddr::from([0; 4]),
        AddressFamily::Inet6 => IpAddr::from([0; 16]),
        _ => return None,
    };
    let (mut to, mut gateway, mut metric) = (everywhere, None, 0);
    for attribute in &route.attributes {
        match attribute {
            RouteAttribute::Destination(ip) => to = address(ip)?,
            RouteAttribute::Gateway(ip) => gateway = Some(address(ip)?),
            RouteAttribute::Priority(n) => metric = *n,
            _ => {}
        }
    }
    Some(Way {
        to: format!("{to}/{}", route.header.destination_prefix_length),
        gateway,
        metric,
    })
}

/// `10.0.2.0/24` in its two parts.
fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (ip, length) = text.split_once('/')?;
    Some((ip.parse().ok()?, length.parse().ok()?))
}
