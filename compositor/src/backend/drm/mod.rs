//! The screen itself: DRM/KMS through a seat, libinput for the devices.
//!
//! All graphics devices of the seat ([`card`]) drive the outputs that they have ([`heads`]), also those that come
//! later; the settings may leave some out. A device's driver decides its renderer ([`super::renderer`]) and how
//! pictures get to the screen: smithay's `DrmCompositor` does swapchain, buffer age, damage and atomic commits on
//! GBM buffers for GLES and on dumb buffers for pixman; devices that only show a copy have one buffer
//! ([`super::single`]). Who draws what, where there are several, is in [`roles`]. Each device gives its own displays
//! away ([`super::lease`]).
//!
//! A device that cannot be used is said in the log and left alone; only if none can be used is there no session.
//! One that goes takes its outputs along, the last one too: the session waits for another.
//!
//! Frames are paced by [`crate::outputs`]; this module reports each finished flip.

mod card;
mod heads;
mod replica;
mod roles;

use std::{
    collections::{BTreeMap, BTreeSet},
    os::{fd::OwnedFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
    time::Duration,
};

use smithay::{
    backend::{
        allocator::{Format, dmabuf::Dmabuf, format::FormatSet},
        drm::{DrmDeviceNotifier, DrmError, DrmEvent},
        input::InputEvent,
        libinput::{LibinputInputBackend, LibinputSessionInterface},
        renderer::utils::import_surface_tree,
        session::{Event as SessionEvent, Session, libseat::LibSeatSession},
        udev::{UdevBackend, UdevEvent, all_gpus, primary_gpu},
    },
    desktop::utils::{OutputPresentationFeedback, surface_primary_scanout_output},
    input::keyboard::LedState,
    output::Output,
    reexports::{
        calloop::{
            EventLoop, LoopHandle,
            ping::{Ping, make_ping},
        },
        input::{self as libinput, DeviceCapability, Libinput},
        wayland_server::protocol::{wl_shm, wl_surface::WlSurface},
    },
    utils::{Buffer, Rectangle},
    wayland::compositor::with_states,
};

use self::{
    card::{Card, Graphics},
    heads::{Head, flipped, scan, scan_card},
};
use super::{Backend, Outcome, RendererKind, Setup, lease};
use crate::{
    arrangement::WantedMode,
    dmabuf::{Feedback, Targets},
    error::Error,
    refresh::Ability,
    render::{Picture, Scene},
    state::State,
};

/// What programs are offered.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Offer {
    /// The device on whose buffers they do best.
    device: libc::dev_t,
    shm: Vec<wl_shm::Format>,
    /// None where nothing is drawn by a GPU, or the GPUs have nothing in common.
    dmabuf: Vec<Format>,
}

/// See the module's page.
#[derive(Debug)]
pub struct Drm {
    session: LibSeatSession,
    /// In the order in which they are asked; see [`roles`].
    cards: Vec<Card>,
    /// Devices that are there and not used.
    refused: BTreeSet<libc::dev_t>,
    /// Devices that the settings leave out.
    left_out: Vec<PathBuf>,
    /// What programs were offered last.
    offered: Option<Offer>,
    keyboards: Vec<libinput::Device>,
    /// All input devices.
    devices: Vec<libinput::Device>,
    modes: BTreeMap<String, WantedMode>,
    /// What the settings say of displays that are given away, by name.
    wanted_leases: BTreeMap<String, bool>,
    /// Has all connectors looked at again.
    rescan: Option<Ping>,
    active: bool,
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

fn device_error(what: &'static str, device: &Path, source: impl Into<Cause>) -> Error {
    Error::Device {
        what,
        device: device.to_owned(),
        source: source.into(),
    }
}

fn failed(kind: RendererKind, error: impl std::fmt::Display) -> Error {
    Error::Render {
        renderer: kind.name(),
        reason: error.to_string(),
    }
}

/// Event sources that belong to the loop once there is a state.
#[derive(Debug)]
pub struct Sources {
    notifier: smithay::backend::session::libseat::LibSeatSessionNotifier,
    cards: Vec<(libc::dev_t, DrmDeviceNotifier)>,
    udev: UdevBackend,
}

impl Drm {
    /// Opens the seat and its graphics devices, but for those that are left out. Waits up to `patience` for the seat
    /// and for a device, since the seat manager may be starting, or the seat be another's for a moment, and the kernel
    /// may still be probing.
    ///
    /// # Errors
    /// When there is no seat, or no device works in that time.
    pub fn open(patience: Duration, left_out: &[PathBuf]) -> Result<(Self, Sources), Error> {
        let deadline = std::time::Instant::now() + patience;
        let mut waits = false;
        let (session, notifier) = loop {
            match LibSeatSession::new() {
                Ok(opened) => break opened,
                Err(error) if std::time::Instant::now() >= deadline => {
                    return Err(Error::Seat(error.to_string()));
                }
                Err(error) if !waits => {
                    tracing::info!("no seat yet: {error}");
                    waits = true;
                }
                Err(_) => std::thread::sleep(Duration::from_millis(200)),
            }
        };
        let seat = session.seat();
        let mut drm = Self {
            session,
            cards: Vec::new(),
            refused: BTreeSet::new(),
            left_out: left_out.to_vec(),
            offered: None,
            keyboards: Vec::new(),
            devices: Vec::new(),
            modes: BTreeMap::new(),
            wanted_leases: BTreeMap::new(),
            rescan: None,
            active: true,
        };
        loop {
            // It listens before the devices are listed, so that none is missed.
            let udev =
                UdevBackend::new(&seat).map_err(|error| Error::Seat(format!("udev: {error}")))?;
            let (cards, problems) = drm.open_cards();
            if !cards.is_empty() {
                for problem in problems {
                    tracing::warn!("graphics device not used: {problem}");
                }
                return Ok((
                    drm,
                    Sources {
                        notifier,
                        cards,
                        udev,
                    },
                ));
            }
            if std::time::Instant::now() >= deadline {
                let reason = if !problems.is_empty() {
                    problems.join("; ")
                } else if !drm.refused.is_empty() {
                    "the settings leave all out (`cards.leave-out`)".to_owned()
                } else {
                    "none is there".to_owned()
                };
                return Err(Error::NoDevice(reason));
            }
            drm.refused.clear();
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Opens the seat's devices that are not open yet, and says what is wrong with those that cannot be used. They are
    /// not tried again while they stay.
    fn open_cards(&mut self) -> (Vec<(libc::dev_t, DrmDeviceNotifier)>, Vec<String>) {
        let (mut opened, mut problems) = (Vec::new(), Vec::new());
        let seat = self.session.seat();
        let primary = primary_gpu(&seat).ok().flatten();
        for path in roles::in_order(primary, all_gpus(&seat).unwrap_or_default()) {
            let Ok(id) = std::fs::metadata(&path).map(|device| device.rdev()) else {
                continue;
            };
            if self.refused.contains(&id) || self.card(id).is_some() {
                continue;
            }
            if roles::is_left_out(&path, &self.left_out) {
                tracing::debug!("graphics device {}: left out", path.display());
                self.refused.insert(id);
                continue;
            }
            match Card::open(&mut self.session, &path) {
                Ok((mut card, notifier)) => {
                    card.leases.follow(self.wanted_leases.clone());
                    if let Some(rescan) = &self.rescan {
                        card.leases.rescan_by(rescan.clone());
                    }
                    opened.push((id, notifier));
                    self.cards.push(card);
                }
                Err(error) => {
                    problems.push(error.to_string());
                    self.refused.insert(id);
                }
            }
        }
        (opened, problems)
    }

    fn card(&mut self, id: libc::dev_t) -> Option<&mut Card> {
        self.cards.iter_mut().find(|card| card.id() == id)
    }

    /// The card that shows an output.
    fn card_of(&mut self, output: &Output) -> Option<&mut Card> {
        self.cards.iter_mut().find(|card| card.shows(output))
    }

    fn head(&mut self, output: &Output) -> Option<&mut Head> {
        self.cards.iter_mut().find_map(|card| card.head(output))
    }

    /// How the cards draw.
    fn kinds(&self) -> Vec<RendererKind> {
        self.cards.iter().map(Card::kind).collect()
    }

    /// Index of the main card.
    fn main(&self) -> Option<usize> {
        roles::main_card(&self.kinds())
    }

    /// The card that draws what an output shows; of an output that is gone, the main one.
    fn painter(&mut self, output: &Output) -> Option<&mut Card> {
        let shows = self.cards.iter().position(|card| card.shows(output));
        let index = match shows {
            Some(shows) => roles::painter(&self.kinds(), shows),
            None => self.main()?,
        };
        self.cards.get_mut(index)
    }

    /// The cards with a GPU beside the main one, as far as they draw: what shows nothing need not.
    fn other_gpus(&self, main: usize) -> impl Iterator<Item = &Card> {
        let cards = self.cards.iter().enumerate();
        cards
            .filter(move |(index, card)| *index != main && !card.heads.is_empty())
            .map(|(_, card)| card)
            .filter(|card| card.kind() == RendererKind::Gles)
    }

    /// The buffers into which every card copies what it draws: none where one of them cannot.
    fn copy_targets(&self) -> Option<Targets> {
        let main = self.main()?;
        let formats = |card: &Card| Some(card.targets()?.formats.iter().copied().collect());
        let others: Option<Vec<FormatSet>> = self.other_gpus(main).map(formats).collect();
        let main = &self.cards[main];
        let formats = roles::shared_formats(formats(main)?, &others?);
        let device = main.targets()?.device;
        (!formats.is_empty()).then_some(Targets { device, formats })
    }

    /// What programs can be offered: nothing without a card.
    fn offer(&self) -> Option<Offer> {
        let main = self.main()?;
        let others: Vec<_> = self.other_gpus(main).map(Card::dmabuf_formats).collect();
        let main = &self.cards[main];
        let dmabuf = roles::shared_formats(main.dmabuf_formats(), &others);
        Some(Offer {
            device: main.node.dev_id(),
            shm: main.shm_formats(),
            dmabuf,
        })
    }

    /// Has outputs say which buffers programs are to make for them; see [`Card::feed`].
    fn feed(&mut self, offer: Option<&Offer>, anew: bool) {
        let main = self.main();
        for (index, card) in self.cards.iter_mut().enumerate() {
            card.feed(offer, main == Some(index), anew);
        }
    }

    /// The settings say this of displays that are given away, by name; also of those of cards that come later.
    fn follow_leases(&mut self, wanted: BTreeMap<String, bool>) {
        for card in &mut self.cards {
            card.leases.follow(wanted.clone());
        }
        self.wanted_leases = wanted;
    }

    /// What draws may be another card now.
    fn forget_drawn(&mut self) {
        for head in self.cards.iter_mut().flat_map(|card| &mut card.heads) {
            head.replica = None;
            head.shade = None;
        }
    }
}

/// Binds the back end to the loop: seat, devices, flips, hotplug. Outputs that are connected now
/// are added.
///
/// # Errors
/// When the loop takes no more sources.
pub fn start(
    event_loop: &EventLoop<'static, State>,
    state: &mut State,
    sources: Sources,
    drm: &DrmHandle,
) -> Result<(), Error> {
    let handle: LoopHandle<'static, State> = event_loop.handle();
    let (session, seat) = {
        let drm = drm.borrow_mut();
        (drm.session.clone(), drm.session.seat())
    };
    let names: BTreeMap<_, _> = state
        .config
        .outputs
        .iter()
        .filter(|(_, output)| !output.mode.is_any())
        .map(|(name, output)| (name.clone(), output.mode))
        .collect();
    drm.borrow_mut().modes = names;
    let (ping, rescan) = make_ping().map_err(Error::event_loop)?;
    let rescanned = drm.clone();
    handle
        .insert_source(rescan, move |(), (), state| {
            // Else it waits until the screen is ours again.
            if rescanned.borrow().active {
                scan(state, &rescanned);
            }
        })
        .map_err(|error| Error::event_loop(error.error))?;
    {
        let mut drm = drm.borrow_mut();
        drm.follow_leases(state.config.wanted_leases());
        for card in &mut drm.cards {
            card.leases.rescan_by(ping.clone());
        }
        drm.rescan = Some(ping);
    }

    let mut context =
        Libinput::new_with_udev::<LibinputSessionInterface<LibSeatSession>>(session.into());
    if context.udev_assign_seat(&seat).is_err() {
        return Err(Error::Seat(format!(
            "libinput cannot use the devices of {seat}"
        )));
    }
    let devices = drm.clone();
    handle
        .insert_source(
            LibinputInputBackend::new(context.clone()),
            move |mut event, (), state| {
                match &mut event {
                    InputEvent::DeviceAdded { device } => {
                        configure_device(device, &state.config.pointer);
                        devices.borrow_mut().devices.push(device.clone());
                        if device.has_capability(DeviceCapability::Keyboard) {
                            device.led_update(state.keyboard.led_state().into());
                            devices.borrow_mut().keyboards.push(device.clone());
                        }
                    }
                    InputEvent::DeviceRemoved { device } => {
                        let mut drm = devices.borrow_mut();
                        drm.keyboards.retain(|other| other != device);
                        drm.devices.retain(|other| other != device);
                    }
                    _ => {}
                }
                state.process_input(event);
            },
        )
        .map_err(|error| Error::event_loop(error.error))?;

    let switched = drm.clone();
    handle
        .insert_source(sources.notifier, move |event, (), state| match event {
            SessionEvent::PauseSession => {
                tracing::info!("another virtual terminal has the screen");
                context.suspend();
                let mut drm = switched.borrow_mut();
                drm.cards.iter_mut().for_each(Card::pause);
                drm.active = false;
            }
            SessionEvent::ActivateSession => {
                tracing::info!("the screen is ours again");
                if context.resume().is_err() {
                    tracing::error!("libinput could not open the devices again");
                }
                {
                    let mut drm = switched.borrow_mut();
                    drm.active = true;
                    drm.cards.iter_mut().for_each(Card::resume);
                }
                // Devices that came meanwhile could not be opened.
                look_for_cards(state, &switched);
                scan(state, &switched);
                state.outputs.restart();
            }
        })
        .map_err(|error| Error::event_loop(error.error))?;

    for (id, notifier) in sources.cards {
        watch(state, drm, id, notifier)?;
    }

    let plugged = drm.clone();
    handle
        .insert_source(sources.udev, move |event, (), state| match event {
            UdevEvent::Added { .. } => look_for_cards(state, &plugged),
            UdevEvent::Changed { device_id } => {
                if plugged.borrow().active {
                    scan_card(state, &plugged, device_id);
                    offer_formats(state, &plugged);
                }
            }
            UdevEvent::Removed { device_id } => card_gone(state, &plugged, device_id),
        })
        .map_err(|error| Error::event_loop(error.error))?;

    scan(state, drm);
    if state.outputs.first().is_none() {
        tracing::warn!("no display is connected; waiting for one");
    }
    Ok(())
}

/// The back end, shared between the state (which draws) and the event sources.
#[derive(Debug, Clone)]
pub struct DrmHandle(std::rc::Rc<std::cell::RefCell<Drm>>);

impl DrmHandle {
    /// Shares a back end.
    pub fn new(drm: Drm) -> Self {
        Self(std::rc::Rc::new(std::cell::RefCell::new(drm)))
    }

    fn borrow_mut(&self) -> std::cell::RefMut<'_, Drm> {
        self.0.borrow_mut()
    }

    fn borrow(&self) -> std::cell::Ref<'_, Drm> {
        self.0.borrow()
    }
}

fn configure_device(device: &mut libinput::Device, settings: &crate::config::Pointer) {
    if device.config_tap_finger_count() > 0 {
        let _ = device.config_tap_set_enabled(settings.tap_to_click);
    }
    if device.config_scroll_has_natural_scroll() {
        let _ = device.config_scroll_set_natural_scroll_enabled(settings.natural_scroll);
    }
    if device.config_accel_is_available() {
        let _ = device.config_accel_set_speed(settings.speed.clamp(-1.0, 1.0));
    }
}

/// Has the flips of a card reported.
fn watch(
    state: &State,
    drm: &DrmHandle,
    id: libc::dev_t,
    notifier: DrmDeviceNotifier,
) -> Result<(), Error> {
    let flips = drm.clone();
    let source = state
        .handle
        .insert_source(notifier, move |event, _, state| match event {
            DrmEvent::VBlank(crtc) => flipped(state, &flips, id, crtc),
            DrmEvent::Error(error) => tracing::error!("graphics device: {error}"),
        })
        .map_err(|error| Error::event_loop(error.error))?;
    if let Some(card) = drm.borrow_mut().card(id) {
        card.source = Some(source);
    }
    Ok(())
}

/// Takes in the cards of the seat that have come.
fn look_for_cards(state: &mut State, handle: &DrmHandle) {
    if !handle.borrow().active {
        return;
    }
    let (opened, problems) = handle.borrow_mut().open_cards();
    for problem in problems {
        tracing::warn!("graphics device not used: {problem}");
    }
    if opened.is_empty() {
        return;
    }
    for (id, notifier) in opened {
        if let Some(card) = handle.borrow_mut().card(id) {
            tracing::info!("graphics device {} has come", card.path.display());
        }
        if let Err(error) = watch(state, handle, id, notifier) {
            tracing::error!("{error}");
        }
    }
    handle.borrow_mut().forget_drawn();
    scan(state, handle);
    state.outputs.queue_all();
}

/// A card is gone, and its outputs with it.
fn card_gone(state: &mut State, handle: &DrmHandle, id: libc::dev_t) {
    let (card, mut session) = {
        let mut drm = handle.borrow_mut();
        drm.refused.remove(&id);
        let mut cards = drm.cards.iter();
        let Some(index) = cards.position(|card| card.id() == id) else {
            return;
        };
        let mut card = drm.cards.remove(index);
        // Its leases end. Nothing is asked of it any more, not even as it is let go.
        card.pause();
        drm.forget_drawn();
        (card, drm.session.clone())
    };
    tracing::info!("graphics device {} is gone", card.path.display());
    if let Some(source) = card.source {
        state.handle.remove(source);
    }
    for head in &card.heads {
        state.remove_output(&head.output);
    }
    offer_formats(state, handle);
    card.close(&mut session);
    if handle.borrow().cards.is_empty() {
        tracing::warn!("no graphics device is left; waiting for one");
    }
    state.outputs.queue_all();
}

/// Tells clients which buffers can be drawn, if that is something else than before.
fn offer_formats(state: &mut State, handle: &DrmHandle) {
    let (offer, device) = {
        let mut drm = handle.borrow_mut();
        let offer = drm.offer();
        let changed = drm.offered != offer;
        drm.feed(offer.as_ref(), changed);
        if !changed {
            return;
        }
        drm.offered.clone_from(&offer);
        let main = drm.main().and_then(|index| drm.cards.get(index));
        if main.is_some_and(|card| card.kind() == RendererKind::Gles)
            && offer.as_ref().is_some_and(|offer| offer.dmabuf.is_empty())
        {
            tracing::warn!("the GPUs can draw no buffers in common: programs draw without one");
        }
        (offer, main.map(|card| card.device.device_fd().clone()))
    };
    if let Some(offer) = &offer {
        state
            .protocols
            .shm
            .update_formats(offer.shm.iter().copied());
    }
    let dh = state.display.clone();
    let offer = offer.filter(|offer| !offer.dmabuf.is_empty());
    let device = device.filter(|_| offer.is_some());
    state.protocols.frames.offer_explicit_sync(&dh, device);
    let Some(Offer { device, dmabuf, .. }) = offer else {
        state.withdraw_dmabufs();
        return;
    };
    if let Err(error) = state.offer_dmabufs(device, dmabuf.iter().copied()) {
        tracing::warn!("programs are not told which device draws: {error}");
        if state.protocols.dmabuf_global.is_none() {
            let global = state.protocols.dmabuf.create_global::<State>(&dh, dmabuf);
            state.protocols.dmabuf_global = Some(global);
        }
    }
}

fn not_there(output: &Output) -> Error {
    Error::Output {
        output: output.name(),
        reason: "it is not connected any more".to_owned(),
    }
}

fn card_is_gone() -> Error {
    Error::Lease("the graphics device is gone".to_owned())
}

fn nothing_draws() -> Error {
    failed(
        RendererKind::Pixman,
        "there is no graphics device at the moment",
    )
}

/// Whether the device is not ours at the moment: then the seat will say when it is again.
pub(super) fn is_away(error: &DrmError) -> bool {
    match error {
        DrmError::DeviceInactive => true,
        DrmError::Access(access) => access.source.kind() == std::io::ErrorKind::PermissionDenied,
        _ => false,
    }
}

impl Backend for DrmHandle {
    /// All cards draw so; see [`roles`].
    fn renderer(&self) -> RendererKind {
        let drm = self.borrow();
        let main = drm.main().and_then(|index| drm.cards.get(index));
        main.map_or(RendererKind::Pixman, Card::kind)
    }

    fn seat_name(&self) -> String {
        self.borrow().session.seat()
    }

    fn render(&mut self, scene: &Scene<'_>, output: &Output) -> Result<Outcome, Error> {
        let mut drm = self.borrow_mut();
        if !drm.active {
            return Ok(Outcome::Away);
        }
        let kinds = drm.kinds();
        let cards = &mut drm.cards;
        let Some(shows) = cards.iter().position(|card| card.shows(output)) else {
            return Ok(Outcome::Away);
        };
        let draws = roles::painter(&kinds, shows);
        match cards.get_disjoint_mut([shows, draws]) {
            Ok([card, painter]) => card.show_drawn(painter, scene, output),
            // It is one and the same.
            Err(_) => cards[shows].render(scene, output),
        }
    }

    fn test_setup(&self, output: &Output, setup: Option<Setup>) -> Result<(), Error> {
        let mut drm = self.borrow_mut();
        let card = drm.card_of(output).ok_or_else(|| not_there(output))?;
        card.mode_for(output, setup).map(drop)
    }

    fn set_up(&mut self, output: &Output, setup: Option<Setup>) -> Result<(), Error> {
        let mut drm = self.borrow_mut();
        let card = drm.card_of(output).ok_or_else(|| not_there(output))?;
        card.set_up(output, setup)
    }

    fn follow_modes(&mut self, modes: BTreeMap<String, WantedMode>, others: &[Output]) {
        let mut drm = self.borrow_mut();
        drm.modes = modes;
        for output in others {
            if let Some(head) = drm.head(output) {
                head.chosen = None;
            }
        }
    }

    fn variable_refresh(&self, output: &Output) -> Ability {
        let mut drm = self.borrow_mut();
        let card = drm.card_of(output);
        card.map_or(Ability::Fixed, |card| card.variable_refresh(output))
    }

    fn set_variable_refresh(&mut self, output: &Output, on: bool) -> Result<(), Error> {
        let mut drm = self.borrow_mut();
        let card = drm.card_of(output);
        card.map_or(Ok(()), |card| card.set_variable_refresh(output, on))
    }

    fn gamma_size(&self, output: &Output) -> u32 {
        let mut drm = self.borrow_mut();
        let card = drm.card_of(output);
        card.map_or(0, |card| card.gamma_size(output) as u32)
    }

    fn set_gamma(&mut self, output: &Output, table: Option<&[u16]>) -> Result<(), Error> {
        let mut drm = self.borrow_mut();
        let card = drm.card_of(output).ok_or_else(|| not_there(output))?;
        card.set_gamma(output, table)
    }

    fn capture(&mut self, scene: &Scene<'_>, output: &Output) -> Result<Picture, Error> {
        let mut drm = self.borrow_mut();
        let card = drm.painter(output).ok_or_else(nothing_draws)?;
        card.capture(scene, output)
    }

    fn refresh(
        &mut self,
        scene: &Scene<'_>,
        output: &Output,
    ) -> Result<Vec<Rectangle<i32, Buffer>>, Error> {
        let mut drm = self.borrow_mut();
        let card = drm.painter(output).ok_or_else(nothing_draws)?;
        card.refresh(scene, output)
    }

    fn read(
        &mut self,
        scene: &Scene<'_>,
        output: &Output,
        region: Rectangle<i32, Buffer>,
    ) -> Result<Vec<u8>, Error> {
        let mut drm = self.borrow_mut();
        let card = drm.painter(output).ok_or_else(nothing_draws)?;
        card.read(scene, output, region)
    }

    fn copy_targets(&self) -> Option<Targets> {
        self.borrow().copy_targets()
    }

    fn copy(
        &mut self,
        scene: &Scene<'_>,
        output: &Output,
        region: Rectangle<i32, Buffer>,
        buffer: &mut Dmabuf,
    ) -> Result<(), Error> {
        let mut drm = self.borrow_mut();
        let card = drm.painter(output).ok_or_else(nothing_draws)?;
        card.copy(scene, output, region, buffer)
    }

    fn forget_mirrors(&mut self) {
        let mut drm = self.borrow_mut();
        drm.cards.iter_mut().for_each(Card::forget_mirrors);
    }

    /// By the card that drew the surface last: others need not have it.
    fn early_import(&mut self, surface: &WlSurface) {
        let output = with_states(surface, |states| {
            surface_primary_scanout_output(surface, states)
        });
        let mut drm = self.borrow_mut();
        let card = match output {
            Some(output) => drm.painter(&output),
            None => drm.main().and_then(|index| drm.cards.get_mut(index)),
        };
        if let Some(Card {
            graphics: Graphics::Gles { renderer, .. },
            ..
        }) = card
            && let Err(error) = import_surface_tree(renderer.as_mut(), surface)
        {
            tracing::warn!("a client's buffer cannot be drawn: {error}");
        }
    }

    /// Whether the main card can draw it. Another one that cannot has outputs without it, which the log says: a
    /// client whose buffer is refused would end.
    fn import_dmabuf(&mut self, dmabuf: &Dmabuf) -> bool {
        let mut drm = self.borrow_mut();
        let Some(main) = drm.main() else {
            return false;
        };
        if !drm.cards[main].import_dmabuf(dmabuf) {
            return false;
        }
        // Planes take only buffers that are said to be of their own device; programs were told to make them on this one.
        dmabuf.set_node(drm.cards[main].node);
        for (index, card) in drm.cards.iter_mut().enumerate() {
            let draws = card.kind() == RendererKind::Gles && !card.heads.is_empty();
            if index != main && draws && !card.import_dmabuf(dmabuf) {
                tracing::warn!(
                    "{}: a client's buffer ({:?}) cannot be drawn there",
                    card.path.display(),
                    smithay::backend::allocator::Buffer::format(dmabuf)
                );
            }
        }
        true
    }

    fn cards(&self) -> Vec<lease::Card> {
        let drm = self.borrow();
        let cards = drm.cards.iter();
        cards
            .map(|card| card.leases.card(card.id(), drm.active))
            .collect()
    }

    fn open_card(&self, card: u64) -> Result<OwnedFd, Error> {
        let mut drm = self.borrow_mut();
        let card = drm.card(card).ok_or_else(card_is_gone)?;
        lease::open_card(&card.device, &card.node)
    }

    fn give(&mut self, card: u64, connectors: &[u32]) -> Result<lease::Grant, Error> {
        let mut drm = self.borrow_mut();
        let Card {
            device,
            leases,
            heads,
            ..
        } = drm.card(card).ok_or_else(card_is_gone)?;
        leases.give(device, connectors, |crtc| {
            heads.iter().any(|head| head.crtc == crtc)
        })
    }

    fn take_back(&mut self, card: u64, lease: u32) {
        if let Some(Card { device, leases, .. }) = self.borrow_mut().card(card) {
            leases.end(device, lease);
        }
    }

    fn follow_leases(&mut self, wanted: BTreeMap<String, bool>) {
        self.borrow_mut().follow_leases(wanted);
    }

    fn feedback(&self, output: &Output) -> Option<Feedback> {
        self.borrow_mut().head(output)?.buffers.clone()
    }

    fn change_vt(&mut self, vt: i32) {
        if let Err(error) = self.borrow_mut().session.change_vt(vt) {
            tracing::warn!("virtual terminal {vt}: {error}");
        }
    }

    fn set_pointers(&mut self, settings: &crate::config::Pointer) {
        for device in &mut self.borrow_mut().devices {
            configure_device(device, settings);
        }
    }

    fn set_leds(&mut self, leds: LedState) {
        for keyboard in &mut self.borrow_mut().keyboards {
            keyboard.led_update(leds.into());
        }
    }

    fn keep_feedback(&mut self, output: &Output, feedback: OutputPresentationFeedback) {
        if let Some(head) = self.borrow_mut().head(output) {
            head.feedback = Some(feedback);
        }
    }

    fn take_feedback(&mut self, output: &Output) -> Option<OutputPresentationFeedback> {
        self.borrow_mut().head(output)?.feedback.take()
    }
}
