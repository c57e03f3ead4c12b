//! The system tray: programs that register a `StatusNotifierItem`, and their menus (`com.canonical.dbusmenu`).
//!
//! The shell is watcher and host in one. Items are programs of the person's own, and still nothing they say is taken
//! as it comes: how many there are, how large an icon is, how deep and long a menu, all have an end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use zbus::fdo::{self, DBusProxy, PropertiesProxy};
use zbus::message::Header;
use zbus::names::{BusName, InterfaceName};
use zbus::object_server::SignalEmitter;
use zbus::wire::{OwnedVariant, Variant};
use zbus::{Connection, Proxy};

use super::names::Presence;
use super::{Notice, Notices};
use crate::icons::{Pixels, load_app_icon};
use crate::tr;
use crate::widgets::shortened;

/// Name of the watcher.
pub(super) const NAME: &str = "org.kde.StatusNotifierWatcher";
/// Where it lives.
pub(super) const PATH: &str = "/StatusNotifierWatcher";
const ITEM: &str = "org.kde.StatusNotifierItem";
const MENU: &str = "com.canonical.dbusmenu";

/// As many items are shown.
const MOST_ITEMS: usize = 24;
/// As many entries of one menu.
const MOST_ENTRIES: usize = 200;
/// Menus inside menus inside menus.
const DEEPEST: usize = 4;
/// Longest title or label, in characters.
const LONGEST: usize = 60;
/// Side of an icon in pixels: twice its size in the panel, for sharp screens.
const ICON: u32 = 36;
/// Largest side of a picture that an item sends, in pixels.
const LARGEST: i32 = 256;
/// Items tell of several changes one after the other.
const SETTLES: Duration = Duration::from_millis(40);
/// How long an item may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where an item is on the bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Name of its program on the bus.
    pub bus: String,
    /// Path of its object.
    pub path: String,
}

/// An item as it wants to be shown.
#[derive(Debug, Clone)]
pub struct Item {
    /// Where it is.
    pub address: Address,
    /// What it is called.
    pub title: String,
    /// Its picture, if it has one that can be read.
    pub icon: Option<Pixels>,
    /// Whether it is to be seen at all.
    pub visible: bool,
    /// Whether it wants to be looked at.
    pub attention: bool,
    /// Path of its menu's object.
    pub menu: Option<String>,
    /// Whether a click opens the menu.
    pub only_menu: bool,
}

/// A line of a menu.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// The menu's number for it.
    pub id: i32,
    /// What it says.
    pub label: String,
    /// Whether it can be chosen.
    pub enabled: bool,
    /// A line between groups, and nothing else.
    pub separator: bool,
    /// For what is on or off: whether it is on.
    pub on: Option<bool>,
    /// The menu behind it.
    pub children: Vec<Entry>,
}

/// Something an item is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// It was clicked.
    Activate(Address),
    /// Its menu is wanted; `about` is the entry whose menu is going to be shown, 0 for the whole.
    Menu {
        /// Whose.
        item: Address,
        /// Path of the menu's object.
        menu: String,
        /// The entry.
        about: i32,
    },
    /// An entry of its menu was chosen.
    Click {
        /// Whose.
        item: Address,
        /// Path of the menu's object.
        menu: String,
        /// The entry's number.
        id: i32,
    },
}

type Registered = Arc<Mutex<Vec<String>>>;

fn lock(registered: &Registered) -> MutexGuard<'_, Vec<String>> {
    registered.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The watcher's interface.
#[derive(Debug)]
pub(super) struct Watcher {
    registered: Registered,
    arrivals: UnboundedSender<Address>,
}

/// What registered and is not followed yet.
#[derive(Debug)]
pub(super) struct Arrivals {
    registered: Registered,
    arrivals: UnboundedReceiver<Address>,
}

/// A watcher, and what it hears.
pub(super) fn watcher() -> (Watcher, Arrivals) {
    let (sender, arrivals) = unbounded_channel();
    let registered = Registered::default();
    let watcher = Watcher {
        registered: Arc::clone(&registered),
        arrivals: sender,
    };
    let arrivals = Arrivals {
        registered,
        arrivals,
    };
    (watcher, arrivals)
}

#[zbus::interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    /// Registers an item: by the name of its program, with the object `/StatusNotifierItem`, or by the path of an
    /// object of the caller's.
    async fn register_status_notifier_item(
        &self,
        service: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> fdo::Result<()> {
        let sender = header
            .sender()
            .ok_or_else(|| fdo::Error::AccessDenied("the caller has no name on the bus".into()))?;
        let address = if service.starts_with('/') {
            Address {
                bus: sender.to_string(),
                path: service,
            }
        } else {
            BusName::try_from(service.as_str()).map_err(|_| {
                fdo::Error::InvalidArgs(format!("`{service}` is no name on a bus and no path"))
            })?;
            Address {
                bus: service,
                path: "/StatusNotifierItem".to_owned(),
            }
        };
        let name = address.name();
        {
            let mut registered = lock(&self.registered);
            if registered.contains(&name) {
                return Ok(());
            }
            if registered.len() >= MOST_ITEMS {
                return Err(fdo::Error::LimitsExceeded(format!(
                    "there are {MOST_ITEMS} items in the tray already"
                )));
            }
            registered.push(name.clone());
        }
        // The receiver is gone only with the connection.
        let _ = self.arrivals.send(address);
        Self::status_notifier_item_registered(&emitter, &name).await?;
        Ok(())
    }

    /// Another host; this one stays.
    fn register_status_notifier_host(&self, _service: &str) {}

    /// Every item.
    #[zbus(property)]
    fn registered_status_notifier_items(&self) -> Vec<String> {
        lock(&self.registered).clone()
    }

    /// Whether items are shown: the shell does.
    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    /// Always 0.
    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }

    /// There is another one.
    #[zbus(signal)]
    async fn status_notifier_item_registered(
        emitter: &SignalEmitter<'_>,
        service: &str,
    ) -> zbus::Result<()>;

    /// One is gone.
    #[zbus(signal)]
    async fn status_notifier_item_unregistered(
        emitter: &SignalEmitter<'_>,
        service: &str,
    ) -> zbus::Result<()>;
}

impl Address {
    fn name(&self) -> String {
        format!("{}{}", self.bus, self.path)
    }
}

/// Follows every item that registers, for as long as the connection is there.
pub(super) async fn follow(mut arrivals: Arrivals, connection: &Connection, notices: &Notices) {
    while let Some(address) = arrivals.arrivals.recv().await {
        let (connection, notices) = (connection.clone(), notices.clone());
        let registered = Arc::clone(&arrivals.registered);
        tokio::spawn(async move {
            if let Err(error) = follow_one(&address, &connection, &notices).await {
                tracing::debug!("{}: {error}", address.name());
            }
            let name = address.name();
            lock(&registered).retain(|other| *other != name);
            notices.send(Notice::TrayGone(address));
            if let Ok(emitter) = SignalEmitter::new(&connection, PATH) {
                let _ = Watcher::status_notifier_item_unregistered(&emitter, &name).await;
            }
        });
    }
}

/// Tells what one item is like, again after each change, until its program is gone.
async fn follow_one(
    address: &Address,
    connection: &Connection,
    notices: &Notices,
) -> zbus::Result<()> {
    let item = Proxy::new(connection, address.bus.clone(), address.path.clone(), ITEM).await?;
    let mut presence = Presence::of(&item).await?;
    let mut changes = item.receive_all_signals().await?;
    let name = BusName::try_from(address.bus.clone())?;
    if !DBusProxy::new(connection)
        .await?
        .name_has_owner(name)
        .await?
    {
        return Ok(());
    }
    loop {
        match tokio::time::timeout(PATIENCE, read(address, connection)).await {
            Ok(read) => notices.send(Notice::TrayItem(Box::new(read?))),
            Err(_) => tracing::debug!("{} does not answer", address.name()),
        }
        tokio::select! {
            present = presence.changed() => if present != Some(true) {
                return Ok(());
            },
            change = changes.next() => {
                if change.is_none() {
                    return Ok(());
                }
                tokio::time::sleep(SETTLES).await;
                while futures_util::FutureExt::now_or_never(changes.next()).flatten().is_some() {}
            }
        }
    }
}

async fn read(address: &Address, connection: &Connection) -> zbus::Result<Item> {
    let properties = PropertiesProxy::builder(connection)
        .destination(address.bus.clone())
        .path(address.path.clone())
        .build()
        .await?;
    let said = properties.get_all(InterfaceName::try_from(ITEM)?).await?;
    let address = address.clone();
    // Icons are files.
    let item = tokio::task::spawn_blocking(move || item(address, &said)).await;
    item.map_err(|error| zbus::Error::Failure(error.to_string()))
}

fn item(address: Address, said: &HashMap<String, OwnedVariant>) -> Item {
    let text = |name: &str| match said.get(name).map(|value| &**value) {
        Some(Variant::Str(text)) => text.as_str(),
        Some(Variant::ObjectPath(path)) => path.as_str(),
        _ => "",
    };
    let title = [text("Title"), text("Id"), "Item"]
        .into_iter()
        .find(|title| !title.trim().is_empty())
        .unwrap_or_default();
    let status = text("Status");
    let attention = status == "NeedsAttention";
    let kinds: &[&str] = if attention {
        &["AttentionIcon", "Icon"]
    } else {
        &["Icon"]
    };
    let icon = kinds.iter().find_map(|kind| {
        named(text(&format!("{kind}Name")), text("IconThemePath")).or_else(|| {
            let pictures = said.get(&format!("{kind}Pixmap"))?;
            pictures_of(pictures)
        })
    });
    let menu = Some(text("Menu")).filter(|path| path.len() > 1 && *path != "/NO_DBUSMENU");
    Item {
        title: shortened(title.trim(), LONGEST),
        icon,
        visible: status != "Passive",
        attention,
        menu: menu.map(str::to_owned),
        only_menu: matches!(
            said.get("ItemIsMenu").map(|v| &**v),
            Some(Variant::Bool(true))
        ),
        address,
    }
}

/// The icon of that name, of the item's own folder before the desktop's.
fn named(name: &str, folder: &str) -> Option<Pixels> {
    if name.is_empty() {
        return None;
    }
    let own = ["svg", "png"].into_iter().find_map(|ending| {
        let plain = !name.contains('/') && folder.starts_with('/');
        plain
            .then(|| load_app_icon(&format!("{folder}/{name}.{ending}"), ICON))
            .flatten()
    });
    own.or_else(|| load_app_icon(name, ICON))
}

/// The picture that fits best of those an item sends: width, height, and ARGB in the network's byte order each.
fn pictures_of(value: &Variant<'_>) -> Option<Pixels> {
    let Variant::Array(pictures) = value else {
        return None;
    };
    let sizes = pictures.inner().iter().take(16).filter_map(|picture| {
        let Variant::Structure(fields) = picture else {
            return None;
        };
        match fields.fields() {
            [
                Variant::I32(width),
                Variant::I32(height),
                Variant::Array(data),
            ] if (1..=LARGEST).contains(width) && width == height => Some((*width as u32, data)),
            _ => None,
        }
    });
    // The smallest that is large enough, else the largest.
    let (size, data) = sizes.min_by_key(|(size, _)| (*size < ICON, size.abs_diff(ICON)))?;
    let bytes: Vec<u8> = data
        .inner()
        .iter()
        .map_while(|byte| match byte {
            Variant::U8(byte) => Some(*byte),
            _ => None,
        })
        .collect();
    if bytes.len() != (size * size * 4) as usize {
        return None;
    }
    let rgba = bytes
        .chunks_exact(4)
        .flat_map(|argb| [argb[1], argb[2], argb[3], argb[0]])
        .collect();
    Some(Pixels { size, rgba })
}

/// Has an item do something.
pub(super) async fn obey(
    command: Command,
    connection: &Connection,
    notices: &Notices,
) -> zbus::Result<()> {
    match command {
        Command::Activate(item) => {
            let proxy = Proxy::new(connection, item.bus, item.path, ITEM).await?;
            proxy.call_noreply("Activate", &(0_i32, 0_i32)).await
        }
        Command::Menu { item, menu, about } => {
            let proxy = Proxy::new(connection, item.bus.clone(), menu, MENU).await?;
            let layout = async {
                // Many menus are filled only now; that some have no such method does not matter.
                let _: zbus::Result<bool> = proxy.call("AboutToShow", &(about,)).await;
                let names: [&str; 0] = [];
                let whole = (0_i32, -1_i32, &names[..]);
                let answer: zbus::Result<(u32, Node)> = proxy.call("GetLayout", &whole).await;
                answer
            };
            match tokio::time::timeout(PATIENCE, layout).await {
                Ok(answer) => {
                    let (_, (id, properties, children)) = answer?;
                    let root = entry(id, &properties, &children);
                    notices.send(Notice::TrayMenu(item, root.children));
                }
                Err(_) => notices.send(Notice::Problem(tr!(
                    "problem-tray",
                    program = &item.bus,
                    seconds = PATIENCE.as_secs()
                ))),
            }
            Ok(())
        }
        Command::Click { item, menu, id } => {
            let proxy = Proxy::new(connection, item.bus, menu, MENU).await?;
            let event = (id, "clicked", Variant::I32(0), 0_u32);
            proxy.call_noreply("Event", &event).await
        }
    }
}

/// A menu's node on the wire: number, properties, children.
type Node = (i32, HashMap<String, OwnedVariant>, Vec<OwnedVariant>);

/// The root of a menu.
fn entry(id: i32, said: &HashMap<String, OwnedVariant>, children: &[OwnedVariant]) -> Entry {
    let mut left = MOST_ENTRIES;
    let property = |name: &str| said.get(name).map(|value| &**value);
    let children = children.iter().map(|child| &**child);
    build(id, property, children, DEEPEST, &mut left)
}

/// Builds an entry and what is below it, as long as there are entries `left`.
fn build<'a>(
    id: i32,
    property: impl Fn(&str) -> Option<&'a Variant<'a>>,
    children: impl Iterator<Item = &'a Variant<'a>>,
    depth: usize,
    left: &mut usize,
) -> Entry {
    let text = |name: &str| match property(name) {
        Some(Variant::Str(text)) => text.as_str(),
        _ => "",
    };
    let on = match (text("toggle-type"), property("toggle-state")) {
        ("", _) => None,
        (_, Some(Variant::I32(state))) => Some(*state == 1),
        _ => Some(false),
    };
    let children = if depth == 0 {
        Vec::new()
    } else {
        children
            .filter_map(|child| child_of(child, depth - 1, left))
            .collect()
    };
    Entry {
        id,
        label: shortened(&without_mnemonic(text("label")), LONGEST),
        enabled: !matches!(property("enabled"), Some(Variant::Bool(false))),
        separator: text("type") == "separator",
        on,
        children,
    }
}

fn child_of<'a>(value: &'a Variant<'a>, depth: usize, left: &mut usize) -> Option<Entry> {
    let fields = match value {
        Variant::Variant(inner) => return child_of(inner, depth, left),
        Variant::Structure(fields) => fields.fields(),
        _ => return None,
    };
    let [
        Variant::I32(id),
        Variant::Dict(said),
        Variant::Array(children),
    ] = fields
    else {
        return None;
    };
    let property = |name: &str| {
        said.iter()
            .find(|(key, _)| matches!(key, Variant::Str(key) if key.as_str() == name))
            .map(|(_, value)| match value {
                Variant::Variant(inner) => &**inner,
                value => value,
            })
    };
    if matches!(property("visible"), Some(Variant::Bool(false))) {
        return None;
    }
    *left = left.checked_sub(1)?;
    Some(build(*id, property, children.inner().iter(), depth, left))
}

/// `_Save` is "Save"; `__` is an underscore.
fn without_mnemonic(label: &str) -> String {
    let mut plain = String::with_capacity(label.len());
    let mut characters = label.chars();
    while let Some(c) = characters.next() {
        match c {
            '_' => plain.extend(characters.next()),
            c if c.is_control() => plain.push(' '),
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbus::wire::{Array, Dict, Structure};

    fn picture(size: i32, bytes: usize) -> Variant<'static> {
        Variant::Structure(Structure::from((size, size, vec![7_u8; bytes])))
    }

    #[test]
    fn the_picture_that_fits_best_is_taken_and_a_wrong_one_is_not() {
        let size = |pictures: Vec<Variant<'static>>| {
            let mut array = Array::new(pictures[0].value_signature());
            for picture in pictures {
                array.append(picture).unwrap();
            }
            pictures_of(&Variant::Array(array)).map(|pixels| pixels.size)
        };
        let right = |side: i32| picture(side, (side * side * 4) as usize);
        assert_eq!(size(vec![right(16), right(48), right(128)]), Some(48));
        assert_eq!(size(vec![right(16), right(22)]), Some(22));
        // Fewer bytes than it says, no size, more than anybody needs.
        assert_eq!(size(vec![picture(32, 100)]), None);
        assert_eq!(size(vec![picture(-4, 64)]), None);
        assert_eq!(size(vec![picture(LARGEST + 1, 16)]), None);
    }

    fn node(id: i32, label: &str, children: Vec<Variant<'static>>) -> Variant<'static> {
        let mut said = Dict::new(&zbus::wire::Signature::Str, &zbus::wire::Signature::Variant);
        said.add("label", Variant::from(label.to_owned())).unwrap();
        let mut list = Array::new(&zbus::wire::Signature::Variant);
        for child in children {
            list.append(Variant::Variant(Box::new(child))).unwrap();
        }
        Variant::Structure(
            Structure::builder()
                .append_field(Variant::I32(id))
                .append_field(Variant::Dict(said))
                .append_field(Variant::Array(list))
                .build()
                .unwrap(),
        )
    }

    #[test]
    fn a_menu_is_read_as_far_as_it_may_go() {
        let mut left = MOST_ENTRIES;
        let menu = node(1, "_File", vec![node(2, "Sa__ve", vec![])]);
        let read = child_of(&menu, DEEPEST, &mut left).unwrap();
        assert_eq!((read.label.as_str(), read.enabled), ("File", true));
        assert_eq!(read.children[0].label, "Sa_ve");

        let deep = (0..20).fold(node(0, "end", vec![]), |below, n| {
            node(n, "down", vec![below])
        });
        let mut read = child_of(&deep, DEEPEST, &mut left).unwrap();
        let mut depth = 0;
        while let Some(below) = read.children.pop() {
            read = below;
            depth += 1;
        }
        assert_eq!(depth, DEEPEST);

        let long = node(0, "", (1..1000).map(|n| node(n, "x", vec![])).collect());
        let mut left = MOST_ENTRIES;
        let read = child_of(&long, DEEPEST, &mut left).unwrap();
        assert_eq!(read.children.len(), MOST_ENTRIES - 1);
        assert_eq!(child_of(&Variant::I32(4), DEEPEST, &mut left), None);
    }
}
