//! `drm-lease-v1`: programs that drive a display by themselves, as those for displays in front of the eyes.
//!
//! There is a global for each graphics card. What is offered, and which leases there are, is compared with what
//! clients were told once a turn, as the other protocols for tools do it ([`super::extensions`]); what becomes of a
//! card's displays is in [`crate::backend::lease`]. A display that is given away is offered to nobody else until its
//! lease ends. While the session is locked none is given; those that there are go on, since they show only what
//! their own holders draw.
//!
//! Smithay has this protocol as well. There a client is ended that asks for a display which was given to another a
//! moment before, displays that are given away are offered anew after another virtual terminal had the screen, and it
//! needs a card that can be opened, so that no test without one could see it.

use std::{
    os::fd::AsFd,
    sync::{Mutex, PoisonError},
};

use smithay::reexports::{
    wayland_protocols::wp::drm_lease::v1::server::{
        wp_drm_lease_connector_v1::{self, WpDrmLeaseConnectorV1},
        wp_drm_lease_device_v1::{self, WpDrmLeaseDeviceV1},
        wp_drm_lease_request_v1::{self, WpDrmLeaseRequestV1},
        wp_drm_lease_v1::{self, WpDrmLeaseV1},
    },
    wayland_server::{
        Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource,
        backend::{ClientId, GlobalId},
    },
};

use super::{
    extensions::{is_full, send_away},
    sandbox::{Privilege, may},
};
use crate::{
    backend::lease::{Card, Offer},
    state::State,
};

const VERSION: u32 = 1;

/// The cards, who is told of them, and the leases.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    globals: Vec<Global>,
    devices: Vec<Device>,
    given: Vec<Given>,
}

#[derive(Debug)]
struct Global {
    card: u64,
    id: GlobalId,
}

/// A client's view of a card.
#[derive(Debug)]
struct Device {
    card: u64,
    object: WpDrmLeaseDeviceV1,
    /// It was told what there is.
    told: bool,
    connectors: Vec<(Offer, WpDrmLeaseConnectorV1)>,
}

/// A lease that a client has.
#[derive(Debug)]
struct Given {
    card: u64,
    lease: u32,
    connectors: Vec<u32>,
    object: WpDrmLeaseV1,
}

/// A global's and a device's data: which card it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OfCard(u64);

/// What a connector of a client's stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Connector {
    card: u64,
    number: u32,
}

/// What a client asks for.
#[derive(Debug)]
pub(crate) struct Wish {
    card: u64,
    /// The numbers of connectors.
    connectors: Mutex<Vec<u32>>,
}

impl Leases {
    fn is_given(&self, card: u64, connector: u32) -> bool {
        self.given
            .iter()
            .any(|given| given.card == card && given.connectors.contains(&connector))
    }

    /// Tells clients of leases that the back end ended.
    fn end_gone(&mut self, cards: &[Card]) {
        self.given.retain(|given| {
            let mut cards = cards.iter();
            let there =
                cards.any(|card| card.id == given.card && card.leases.contains(&given.lease));
            if !there {
                given.object.finished();
            }
            there
        });
    }
}

impl Device {
    /// Tells the client of what is offered to it.
    fn tell(&mut self, offers: &[&Offer], dh: &DisplayHandle) {
        let before = self.connectors.len();
        self.connectors.retain(|(offer, object)| {
            let stays = offers.contains(&offer);
            if !stays {
                object.withdrawn();
            }
            stays
        });
        let mut changed = self.connectors.len() != before || !self.told;
        self.told = true;
        let Some(client) = self.object.client() else {
            return;
        };
        for offer in offers {
            if self.connectors.iter().any(|(known, _)| known == *offer) {
                continue;
            }
            let data = Connector {
                card: self.card,
                number: offer.connector,
            };
            let version = self.object.version();
            let Ok(object) = client
                .create_resource::<WpDrmLeaseConnectorV1, Connector, State>(dh, version, data)
            else {
                return;
            };
            self.object.connector(&object);
            object.name(offer.name.clone());
            object.description(offer.description.clone());
            object.connector_id(offer.connector);
            object.done();
            self.connectors.push(((*offer).clone(), object));
            changed = true;
        }
        if changed {
            self.object.done();
        }
    }
}

impl State {
    /// Tells clients which displays they can have, and which they have no more.
    pub(super) fn tell_leases(&mut self) {
        let cards = self.backend.cards();
        let leases = &mut self.extensions.leases;
        leases.end_gone(&cards);
        let dh = &self.display;
        leases.globals.retain(|global| {
            let there = cards.iter().any(|card| card.id == global.card);
            if !there {
                dh.remove_global::<Self>(global.id.clone());
            }
            there
        });
        for card in &cards {
            if leases.globals.iter().all(|global| global.card != card.id) {
                let id =
                    dh.create_global::<Self, WpDrmLeaseDeviceV1, OfCard>(VERSION, OfCard(card.id));
                leases.globals.push(Global { card: card.id, id });
            }
        }
        let mut devices = std::mem::take(&mut leases.devices);
        devices.retain_mut(|device| {
            let card = cards.iter().find(|card| card.id == device.card);
            let offers = card.map_or(&[][..], |card| card.offers.as_slice());
            let free: Vec<_> = offers
                .iter()
                .filter(|offer| !leases.is_given(device.card, offer.connector))
                .collect();
            device.tell(&free, dh);
            if card.is_none() {
                device.object.released();
            }
            card.is_some()
        });
        leases.devices = devices;
    }

    /// Gives displays to a client, or says why not.
    fn give_lease(
        &mut self,
        card: u64,
        connectors: Vec<u32>,
        object: &WpDrmLeaseV1,
    ) -> Result<(), String> {
        if self.is_locked() {
            return Err("the session is locked".to_owned());
        }
        let leases = &self.extensions.leases;
        let mut wanted = connectors.iter();
        if let Some(taken) = wanted.find(|connector| leases.is_given(card, **connector)) {
            return Err(format!("the display {taken} was given away before"));
        }
        let given = self.backend.give(card, &connectors);
        let grant = given.map_err(|error| error.to_string())?;
        object.lease_fd(grant.fd.as_fd());
        tracing::info!("the displays {connectors:?} are given to a program");
        self.extensions.leases.given.push(Given {
            card,
            lease: grant.lease,
            connectors,
            object: object.clone(),
        });
        Ok(())
    }
}

impl GlobalDispatch<WpDrmLeaseDeviceV1, OfCard> for State {
    fn bind(
        state: &mut Self,
        _: &DisplayHandle,
        client: &Client,
        device: New<WpDrmLeaseDeviceV1>,
        &OfCard(card): &OfCard,
        data_init: &mut DataInit<'_, Self>,
    ) {
        let object = data_init.init(device, OfCard(card));
        let devices = &mut state.extensions.leases.devices;
        if is_full(devices.iter().map(|device| device.object.client()), client) {
            send_away(&object, "views of graphics cards");
            return;
        }
        match state.backend.open_card(card) {
            Ok(fd) => object.drm_fd(fd.as_fd()),
            Err(error) => {
                tracing::warn!("{error}");
                object.released();
                return;
            }
        }
        devices.push(Device {
            card,
            object,
            told: false,
            connectors: Vec::new(),
        });
    }

    fn can_view(client: Client, _: &OfCard) -> bool {
        may(&client, Privilege::Leasing)
    }
}

impl Dispatch<WpDrmLeaseDeviceV1, OfCard> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        device: &WpDrmLeaseDeviceV1,
        request: wp_drm_lease_device_v1::Request,
        &OfCard(card): &OfCard,
        _: &DisplayHandle,
        data_init: &mut DataInit<'_, Self>,
    ) {
        match request {
            wp_drm_lease_device_v1::Request::CreateLeaseRequest { id } => {
                data_init.init(
                    id,
                    Wish {
                        card,
                        connectors: Mutex::default(),
                    },
                );
            }
            wp_drm_lease_device_v1::Request::Release => {
                let devices = &mut state.extensions.leases.devices;
                devices.retain(|other| other.object != *device);
                device.released();
            }
            _ => {}
        }
    }

    fn destroyed(state: &mut Self, _: ClientId, device: &WpDrmLeaseDeviceV1, _: &OfCard) {
        let devices = &mut state.extensions.leases.devices;
        devices.retain(|other| other.object != *device);
    }
}

impl Dispatch<WpDrmLeaseConnectorV1, Connector> for State {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &WpDrmLeaseConnectorV1,
        _: wp_drm_lease_connector_v1::Request,
        _: &Connector,
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        // Its only request lets it go.
    }
}

impl Dispatch<WpDrmLeaseRequestV1, Wish> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        object: &WpDrmLeaseRequestV1,
        request: wp_drm_lease_request_v1::Request,
        wish: &Wish,
        _: &DisplayHandle,
        data_init: &mut DataInit<'_, Self>,
    ) {
        use wp_drm_lease_request_v1::{Error, Request};
        let mut connectors = wish
            .connectors
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match request {
            Request::RequestConnector { connector } => {
                let connector = connector.data::<Connector>();
                let Some(connector) = connector.filter(|it| it.card == wish.card) else {
                    object.post_error(
                        Error::WrongDevice,
                        "the connector is of another device than the request",
                    );
                    return;
                };
                if connectors.contains(&connector.number) {
                    object.post_error(Error::DuplicateConnector, "a connector is asked for twice");
                    return;
                }
                connectors.push(connector.number);
            }
            Request::Submit { id } => {
                let lease = data_init.init(id, ());
                let connectors = std::mem::take(&mut *connectors);
                if connectors.is_empty() {
                    object.post_error(Error::EmptyLease, "no connector is asked for");
                    return;
                }
                if let Err(why) = state.give_lease(wish.card, connectors, &lease) {
                    tracing::warn!("a program gets no display: {why}");
                    lease.finished();
                }
            }
            _ => {}
        }
    }
}

impl Dispatch<WpDrmLeaseV1, ()> for State {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &WpDrmLeaseV1,
        _: wp_drm_lease_v1::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        // Its only request lets it go.
    }

    fn destroyed(state: &mut Self, _: ClientId, lease: &WpDrmLeaseV1, (): &()) {
        let given = &mut state.extensions.leases.given;
        if let Some(index) = given.iter().position(|given| given.object == *lease) {
            let Given { card, lease, .. } = given.swap_remove(index);
            state.backend.take_back(card, lease);
        }
    }
}
