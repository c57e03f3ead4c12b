//! Displays that a program drives by itself, as one in front of the eyes: which are given away, and what of the
//! graphics device goes with one.
//!
//! The kernel calls it a lease: a descriptor by which its holder drives the connectors, CRTCs and planes that the
//! lease names, and no others. [`crate::protocols::lease`] deals with the programs; here is what a device keeps of
//! it. A display that is given away is none of our outputs, so nothing of the rest of the compositor knows of it.
//!
//! A lease ends when its holder lets go of it, when its display is unplugged or wanted for the desktop, and when the
//! screen becomes somebody else's, since no holder could show anything then.

use std::{
    collections::BTreeMap,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    fs::{Mode, OFlags, open},
    io::Errno,
};
use smithay::{
    backend::drm::{DrmDevice, DrmNode, NodeType, PlaneClaim},
    reexports::{
        calloop::ping::Ping,
        drm::{
            Device as BasicDevice,
            control::{
                Device as ControlDevice, LeaseId, RawResourceHandle, connector, crtc, from_u32,
            },
        },
    },
};

use crate::error::Error;

/// A display that programs may drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The kernel's number of its connector.
    pub connector: u32,
    /// The connector's name.
    pub name: String,
    /// What it is, for people.
    pub description: String,
}

/// A graphics card, and what is given away of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Card {
    /// Its device number.
    pub id: u64,
    /// The displays that programs may drive, whether one does or not.
    pub offers: Vec<Offer>,
    /// The leases that there are.
    pub leases: Vec<u32>,
}

/// A lease that was given.
#[derive(Debug)]
pub struct Grant {
    /// The kernel's number of it, unlike those of the card's other leases.
    pub lease: u32,
    /// What its holder drives the display by.
    pub fd: OwnedFd,
}

/// Whether a display is given away instead of being an output: as the settings say it, else as the kernel does.
pub(super) fn is_given_away(wanted: Option<bool>, non_desktop: bool) -> bool {
    wanted.unwrap_or(non_desktop)
}

/// One for each, of those that it can use, and none twice.
fn assign<C: Copy + PartialEq>(able: &[Vec<C>]) -> Option<Vec<C>> {
    fn go_on<C: Copy + PartialEq>(able: &[Vec<C>], chosen: &mut Vec<C>) -> bool {
        let Some(own) = able.get(chosen.len()) else {
            return true;
        };
        for one in own {
            if !chosen.contains(one) {
                chosen.push(*one);
                if go_on(able, chosen) {
                    return true;
                }
                chosen.pop();
            }
        }
        false
    }
    let mut chosen = Vec::new();
    go_on(able, &mut chosen).then_some(chosen)
}

/// Whether the kernel says of a display that it is not for a desktop.
pub(super) fn is_non_desktop(device: &DrmDevice, connector: connector::Handle) -> bool {
    let Ok(properties) = device.get_properties(connector) else {
        return false;
    };
    properties.iter().any(|(property, value)| {
        *value != 0
            && device
                .get_property(*property)
                .is_ok_and(|info| info.name().to_bytes() == b"non-desktop")
    })
}

/// The CRTCs that a connector can use.
pub(super) fn crtcs_of(device: &DrmDevice, info: &connector::Info) -> Vec<crtc::Handle> {
    let Ok(resources) = device.resource_handles() else {
        return Vec::new();
    };
    let encoders = info.encoders().iter();
    let mut crtcs: Vec<crtc::Handle> = Vec::new();
    for encoder in encoders.filter_map(|encoder| device.get_encoder(*encoder).ok()) {
        for crtc in resources.filter_crtcs(encoder.possible_crtcs()) {
            if !crtcs.contains(&crtc) {
                crtcs.push(crtc);
            }
        }
    }
    crtcs
}

/// A lease and what it holds of the device. The claims keep our own outputs from its planes.
#[derive(Debug)]
struct Lease {
    id: LeaseId,
    connectors: Vec<connector::Handle>,
    crtcs: Vec<crtc::Handle>,
    _planes: Vec<PlaneClaim>,
}

/// What of one device is given away.
#[derive(Debug, Default)]
pub(super) struct Leases {
    /// What the settings say of outputs, by name.
    wanted: BTreeMap<String, bool>,
    offers: Vec<Offer>,
    given: Vec<Lease>,
    /// Leases that are to end and that the kernel did not end yet: what they hold is not ours again.
    ending: Vec<Lease>,
    /// Has the device's connectors looked at again.
    rescan: Option<Ping>,
}

impl Leases {
    /// Has `rescan` called for when the settings say something else of an output.
    pub(super) fn rescan_by(&mut self, rescan: Ping) {
        self.rescan = Some(rescan);
    }

    /// The settings say this of outputs, by name.
    pub(super) fn follow(&mut self, wanted: BTreeMap<String, bool>) {
        if self.wanted != wanted {
            self.wanted = wanted;
            if let Some(rescan) = &self.rescan {
                rescan.ping();
            }
        }
    }

    /// Whether a display is given away instead of being an output.
    pub(super) fn take(&self, name: &str, device: &DrmDevice, info: &connector::Info) -> bool {
        let wanted = self.wanted.get(name).copied();
        is_given_away(
            wanted,
            wanted.is_none() && is_non_desktop(device, info.handle()),
        )
    }

    /// Whether a lease has a CRTC.
    pub(super) fn hold(&self, crtc: crtc::Handle) -> bool {
        let mut leases = self.given.iter().chain(&self.ending);
        leases.any(|lease| lease.crtcs.contains(&crtc))
    }

    /// The displays that are given away.
    pub(super) fn offers(&self) -> &[Offer] {
        &self.offers
    }

    /// What the protocol has to know of it. While the screen is somebody else's there is nothing.
    pub(super) fn card(&self, id: u64, active: bool) -> Card {
        if !active {
            return Card {
                id,
                ..Card::default()
            };
        }
        Card {
            id,
            offers: self.offers.clone(),
            leases: self.given.iter().map(|lease| lease.id.get()).collect(),
        }
    }

    /// The displays that are given away are these from now on. Leases of others end, and those are forgotten that
    /// the kernel ended since their holders are gone.
    pub(super) fn update(&mut self, device: &DrmDevice, offers: Vec<Offer>) {
        self.offers = offers;
        if let Ok(alive) = device.list_lessees() {
            for leases in [&mut self.given, &mut self.ending] {
                leases.retain(|lease| alive.contains(&lease.id));
            }
        }
        let offered: Vec<_> = self.offers.iter().map(|offer| offer.connector).collect();
        let stays = |lease: &Lease| {
            let mut connectors = lease.connectors.iter();
            connectors.all(|connector| offered.contains(&u32::from(*connector)))
        };
        let (given, ended): (Vec<_>, Vec<_>) = self.given.drain(..).partition(stays);
        self.given = given;
        self.ending.extend(ended);
        self.revoke(device);
    }

    /// All leases end.
    pub(super) fn end_all(&mut self, device: &DrmDevice) {
        self.ending.append(&mut self.given);
        self.revoke(device);
    }

    /// A lease ends.
    pub(super) fn end(&mut self, device: &DrmDevice, id: u32) {
        if let Some(index) = self.given.iter().position(|lease| lease.id.get() == id) {
            self.ending.push(self.given.swap_remove(index));
        }
        self.revoke(device);
    }

    /// Has the kernel end what is to end. It refuses while the device is somebody else's; then it is asked again.
    fn revoke(&mut self, device: &DrmDevice) {
        self.ending.retain(|lease| {
            let revoked = device.revoke_lease(lease.id);
            match revoked.map_err(|error| Errno::from_io_error(&error)) {
                // It ended by itself.
                Ok(()) | Err(Some(Errno::NOENT)) => false,
                Err(_) => true,
            }
        });
    }

    /// Gives displays away, each with a CRTC that neither an output of ours nor another lease has, and that one's
    /// primary plane. `busy` says which our outputs have.
    pub(super) fn give(
        &mut self,
        device: &DrmDevice,
        connectors: &[u32],
        busy: impl Fn(crtc::Handle) -> bool,
    ) -> Result<Grant, Error> {
        let wrong = Error::Lease;
        let mut handles = Vec::new();
        let mut able = Vec::new();
        for number in connectors {
            let offer = self.offers.iter().find(|offer| offer.connector == *number);
            let offer = offer.ok_or_else(|| wrong(format!("no display {number} is offered")))?;
            let handle = from_u32::<connector::Handle>(*number);
            let handle = handle.ok_or_else(|| wrong(format!("{number} is no connector")))?;
            let mut leases = self.given.iter().chain(&self.ending);
            if leases.any(|lease| lease.connectors.contains(&handle)) {
                return Err(wrong(format!("{} is given away already", offer.name)));
            }
            let info = device
                .get_connector(handle, false)
                .map_err(|error| wrong(format!("{}: {error}", offer.name)))?;
            let mut crtcs = crtcs_of(device, &info);
            crtcs.retain(|crtc| {
                !busy(*crtc) && !self.hold(*crtc) && primary_plane(device, *crtc).is_some()
            });
            handles.push(handle);
            able.push(crtcs);
        }
        let crtcs = assign(&able)
            .ok_or_else(|| wrong("the graphics device cannot drive one more display".to_owned()))?;
        let planes: Option<Vec<_>> = crtcs
            .iter()
            .map(|crtc| primary_plane(device, *crtc))
            .collect();
        let planes = planes.ok_or_else(|| wrong("there is no plane left".to_owned()))?;
        let objects: Vec<RawResourceHandle> = handles
            .iter()
            .copied()
            .map(RawResourceHandle::from)
            .chain(crtcs.iter().copied().map(RawResourceHandle::from))
            .chain(planes.iter().map(|claim| claim.plane().into()))
            .collect();
        let (id, fd) = device
            .create_lease(&objects, OFlags::CLOEXEC.bits())
            .map_err(|error| wrong(format!("the kernel refuses: {error}")))?;
        self.given.push(Lease {
            id,
            connectors: handles,
            crtcs,
            _planes: planes,
        });
        Ok(Grant {
            lease: id.get(),
            fd,
        })
    }
}

/// Claims a CRTC's primary plane, unless another CRTC has it.
fn primary_plane(device: &DrmDevice, crtc: crtc::Handle) -> Option<PlaneClaim> {
    let planes = device.planes(&crtc).ok()?;
    let mut planes = planes.primary.iter();
    planes.find_map(|plane| device.claim_plane(plane.handle, crtc))
}

/// A descriptor of the device with which nothing can be driven.
struct Watcher(OwnedFd);

impl AsFd for Watcher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl BasicDevice for Watcher {}

/// A descriptor of a card by which a program learns of its displays, and drives none. Where the file cannot be
/// opened, since the seat manager opens devices for us, it is a lease of nothing.
pub(super) fn open_card(device: &DrmDevice, node: &DrmNode) -> Result<OwnedFd, Error> {
    let path = node.dev_path_with_type(NodeType::Primary);
    let path = path.ok_or_else(|| Error::Lease("the device has no file".to_owned()))?;
    let opened = open(
        path.as_path(),
        OFlags::RDWR | OFlags::CLOEXEC,
        Mode::empty(),
    );
    let refused = match opened {
        Ok(fd) => {
            let card = Watcher(fd);
            // Whoever opens a device that nobody drives drives it.
            if !card.authenticated().unwrap_or(false) || card.release_master_lock().is_ok() {
                return Ok(card.0);
            }
            "it would drive the device".to_owned()
        }
        Err(errno) => errno.to_string(),
    };
    device
        .create_lease(&[], OFlags::CLOEXEC.bits())
        .map(|(_, fd)| fd)
        .map_err(|error| {
            Error::Lease(format!(
                "{} cannot be handed out: {refused}; an empty lease: {error}",
                path.display()
            ))
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_settings_go_before_the_kernel() {
        assert!(is_given_away(None, true) && !is_given_away(None, false));
        assert!(is_given_away(Some(true), false) && !is_given_away(Some(false), true));
    }

    #[test]
    fn each_gets_one_that_it_can_use_though_the_first_ones_would_not_do() {
        assert_eq!(assign(&[vec![1, 2], vec![1]]), Some(vec![2, 1]));
        assert_eq!(
            assign(&[vec![1, 2], vec![2, 3], vec![1, 2]]),
            Some(vec![1, 3, 2])
        );
        assert_eq!(assign(&[vec![1], vec![1]]), None);
        assert_eq!(assign::<u32>(&[vec![]]), None);
        assert_eq!(assign::<u32>(&[]), Some(vec![]));
    }

    /// Whether there is a way at all, found by trying every combination.
    fn can_be(able: &[Vec<u8>], taken: &mut Vec<u8>) -> bool {
        let Some((own, rest)) = able.split_first() else {
            return true;
        };
        own.iter().any(|one| {
            if taken.contains(one) {
                return false;
            }
            taken.push(*one);
            let can = can_be(rest, taken);
            taken.pop();
            can
        })
    }

    proptest! {
        #[test]
        fn nobody_gets_what_another_has_or_what_it_cannot_use(
            able in prop::collection::vec(prop::collection::vec(0_u8..5, 0..4), 0..5)
        ) {
            match assign(&able) {
                Some(chosen) => {
                    prop_assert_eq!(chosen.len(), able.len());
                    for (at, one) in chosen.iter().enumerate() {
                        prop_assert!(able[at].contains(one) && !chosen[..at].contains(one));
                    }
                }
                None => prop_assert!(!can_be(&able, &mut Vec::new())),
            }
        }
    }
}
