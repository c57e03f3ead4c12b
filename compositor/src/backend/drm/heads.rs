//! The outputs of a graphics device: what is connected, in which mode, and its colours.

use std::{collections::BTreeMap, path::PathBuf};

use smithay::{
    backend::{
        allocator::{Format, dumb::DumbAllocator, gbm::GbmAllocator},
        drm::{
            DrmDevice, DrmDeviceFd, VrrSupport, compositor::DrmCompositor,
            exporter::gbm::GbmFramebufferExporter,
        },
    },
    desktop::utils::OutputPresentationFeedback,
    output::{Mode as OutputMode, Output, PhysicalProperties},
    reexports::drm::control::{Device as ControlDevice, Mode, ModeTypeFlags, connector, crtc},
};

use super::{
    Drm, DrmHandle, Offer, card::Card, device_error, failed, offer_formats, replica::Replica, roles,
};
use crate::{
    arrangement::WantedMode,
    backend::{Setup, lease, single::Single},
    dmabuf::Feedback,
    error::Error,
    refresh::Ability,
    state::State,
    tint::Shade,
};

type PixmanCompositor = DrmCompositor<DumbAllocator, DrmDeviceFd, (), DrmDeviceFd>;
type GlesCompositor =
    DrmCompositor<GbmAllocator<DrmDeviceFd>, GbmFramebufferExporter<DrmDeviceFd>, (), DrmDeviceFd>;

/// The swapchain of one output.
#[derive(Debug)]
pub(super) enum Swapchain {
    Single(Box<Single>),
    Pixman(Box<PixmanCompositor>),
    Gles(Box<GlesCompositor>),
}

/// Does the same for either swapchain.
macro_rules! each {
    ($swapchain:expr, $name:ident => $what:expr) => {
        match $swapchain {
            Swapchain::Single($name) => $what,
            Swapchain::Pixman($name) => $what,
            Swapchain::Gles($name) => $what,
        }
    };
}

/// One connected output.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) output: Output,
    pub(super) connector: connector::Handle,
    pub(super) crtc: crtc::Handle,
    pub(super) swapchain: Swapchain,
    pub(super) feedback: Option<OutputPresentationFeedback>,
    /// The mode that somebody chose since the start.
    pub(super) chosen: Option<Mode>,
    /// It is switched off, and kept to be switched on again.
    pub(super) off: bool,
    /// Whether its refresh can follow its frames.
    pub(super) ability: Ability,
    /// It does.
    pub(super) varies: bool,
    /// Which buffers programs are to make for it.
    pub(super) buffers: Option<Feedback>,
    /// The gamma table that somebody set.
    pub(super) gamma: Option<Vec<u16>>,
    /// What is shown in warmer colours, where pixman draws it.
    pub(super) shade: Option<Shade>,
    /// What another device drew of it.
    pub(super) replica: Option<Replica>,
}

impl Drm {
    /// What the display on a connector of a card is called: the same as long as it is there.
    fn name_of(&self, card: &Card, info: &connector::Info) -> String {
        if let Some(name) = card.name_on(info.handle()) {
            return name;
        }
        let connector = format!("{}-{}", info.interface().as_str(), info.interface_id());
        let others = self.cards.iter().filter(|other| other.id() != card.id());
        let taken: Vec<_> = others.flat_map(Card::names).collect();
        roles::output_name(&connector, &card.path, |name| {
            taken.iter().any(|other| other == name)
        })
    }
}

impl Card {
    /// The names of its outputs, and of its displays that are given away.
    fn names(&self) -> impl Iterator<Item = String> {
        let offers = self.leases.offers().iter().map(|offer| offer.name.clone());
        self.heads
            .iter()
            .map(|head| head.output.name())
            .chain(offers)
    }

    /// The name of what was on a connector at the last look.
    fn name_on(&self, connector: connector::Handle) -> Option<String> {
        let mut heads = self.heads.iter();
        let head = heads.find(|head| head.connector == connector);
        head.map(|head| head.output.name()).or_else(|| {
            let mut offers = self.leases.offers().iter();
            let offer = offers.find(|offer| offer.connector == u32::from(connector));
            offer.map(|offer| offer.name.clone())
        })
    }

    /// A CRTC that the connector can use and neither another output nor a lease does.
    fn free_crtc(&self, connector: &connector::Info) -> Option<crtc::Handle> {
        let mut crtcs = lease::crtcs_of(&self.device, connector).into_iter();
        crtcs.find(|crtc| {
            !self.leases.hold(*crtc) && self.heads.iter().all(|head| head.crtc != *crtc)
        })
    }

    /// The mode that somebody chose since the start, else the one that the settings name, else the one
    /// that the display prefers.
    fn pick_mode(
        &self,
        named: &BTreeMap<String, WantedMode>,
        name: &str,
        connector: &connector::Info,
    ) -> Option<Mode> {
        let modes = connector.modes();
        let head = self
            .heads
            .iter()
            .find(|head| head.connector == connector.handle());
        if let Some(chosen) = head
            .and_then(|head| head.chosen)
            .filter(|it| modes.contains(it))
        {
            return Some(chosen);
        }
        let wanted = named.get(name).and_then(|wanted| {
            let found = wanted.pick(modes, |mode| OutputMode::from(**mode));
            if found.is_none() {
                tracing::warn!(
                    "outputs: {name}: the display has no mode {wanted}; using the one it prefers"
                );
            }
            found
        });
        wanted
            .or_else(|| {
                modes
                    .iter()
                    .find(|mode| mode.mode_type().contains(ModeTypeFlags::PREFERRED))
            })
            .or_else(|| modes.first())
            .copied()
    }
}

impl Card {
    /// The display's mode for what an output is to be; none for one that is to be off.
    pub(super) fn mode_for(
        &self,
        output: &Output,
        setup: Option<Setup>,
    ) -> Result<Option<Mode>, Error> {
        let wrong = |reason: String| Error::Output {
            output: output.name(),
            reason,
        };
        let head = self.heads.iter().find(|head| head.output == *output);
        let head = head.ok_or_else(|| wrong("it is not connected any more".to_owned()))?;
        let Some(Setup { mode, .. }) = setup else {
            return Ok(None);
        };
        let info = self
            .device
            .get_connector(head.connector, false)
            .map_err(|error| wrong(format!("its modes cannot be read: {error}")))?;
        let mut modes = info.modes().iter().copied();
        let found = modes.find(|other| OutputMode::from(*other) == mode);
        found.map(Some).ok_or_else(|| {
            wrong(format!(
                "the display has no mode {}x{} at {:.3} Hz",
                mode.size.w,
                mode.size.h,
                f64::from(mode.refresh) / 1000.0
            ))
        })
    }

    pub(super) fn set_up(&mut self, output: &Output, setup: Option<Setup>) -> Result<(), Error> {
        let mode = self.mode_for(output, setup)?;
        let wrong = |error: &dyn std::fmt::Display| Error::Output {
            output: output.name(),
            reason: error.to_string(),
        };
        let Some(head) = self.head(output) else {
            return Ok(());
        };
        let Some(mode) = mode else {
            each!(&mut head.swapchain, chain => chain.clear()).map_err(|error| wrong(&error))?;
            head.off = true;
            return Ok(());
        };
        if std::mem::take(&mut head.off) {
            each!(&mut head.swapchain, chain => chain.reset_state())
                .map_err(|error| wrong(&error))?;
        }
        if each!(&head.swapchain, chain => chain.pending_mode()) != mode {
            each!(&mut head.swapchain, chain => {
                chain.use_mode(mode).map_err(|error| wrong(&error))
            })?;
            head.chosen = Some(mode);
        }
        Ok(())
    }
}

impl Card {
    pub(super) fn gamma_size(&self, output: &Output) -> usize {
        let head = self.heads.iter().find(|head| head.output == *output);
        head.and_then(|head| self.device.get_crtc(head.crtc).ok())
            .map_or(0, |info| info.gamma_length() as usize)
    }

    pub(super) fn set_gamma(
        &mut self,
        output: &Output,
        table: Option<&[u16]>,
    ) -> Result<(), Error> {
        let size = self.gamma_size(output);
        let active = self.device.is_active();
        let wrong = |reason: String| Error::Output {
            output: output.name(),
            reason,
        };
        if size == 0 || table.is_some_and(|table| table.len() != 3 * size) {
            return Err(wrong(format!(
                "its gamma table has three ramps of {size} steps"
            )));
        }
        let Some(head) = self.heads.iter_mut().find(|head| head.output == *output) else {
            return Ok(());
        };
        head.gamma = table.map(<[u16]>::to_vec);
        // While the screen is somebody else's, the table waits until it is ours again.
        if active {
            let set = load_gamma(&self.device, head.crtc, size, table);
            set.map_err(|error| wrong(format!("its gamma table cannot be set: {error}")))?;
        }
        Ok(())
    }
}

impl Card {
    pub(super) fn variable_refresh(&self, output: &Output) -> Ability {
        let head = self.heads.iter().find(|head| head.output == *output);
        head.map_or(Ability::Fixed, |head| head.ability)
    }

    pub(super) fn set_variable_refresh(&mut self, output: &Output, on: bool) -> Result<(), Error> {
        let active = self.device.is_active();
        let Some(head) = self.head(output) else {
            return Ok(());
        };
        // While the screen is somebody else's, it waits until it is ours again.
        let before = std::mem::replace(&mut head.varies, on);
        if !active || before == on {
            return Ok(());
        }
        head.swapchain.vary(on).map_err(|error| {
            head.varies = before;
            Error::Output {
                output: output.name(),
                reason: format!("its refresh cannot be changed: {error}"),
            }
        })
    }
}

impl Card {
    /// Has its outputs say which buffers programs are to make for them: those that are offered, and first those that
    /// planes take, which take the main device's only. What is offered may be something else than before (`anew`).
    pub(super) fn feed(&mut self, offer: Option<&Offer>, is_main: bool, anew: bool) {
        let offer = offer.filter(|offer| !offer.dmabuf.is_empty());
        for head in &mut self.heads {
            if !anew && head.buffers.is_some() {
                continue;
            }
            head.buffers = offer.and_then(|offer| {
                let planes = if is_main {
                    head.swapchain.plane_formats()
                } else {
                    Vec::new()
                };
                Feedback::new(offer.device, offer.dmabuf.iter().copied(), planes)
                    .inspect_err(|error| {
                        tracing::warn!("programs are not told what planes take: {error}");
                    })
                    .ok()
            });
        }
    }
}

impl Swapchain {
    /// The kinds of buffers that planes of the display take from programs: none where no GPU draws.
    fn plane_formats(&self) -> Vec<Format> {
        let Self::Gles(chain) = self else {
            return Vec::new();
        };
        let surface = chain.surface();
        let overlays = surface.planes().overlay.iter();
        let formats = overlays.flat_map(|plane| plane.formats.iter());
        let planes = surface.plane_info().formats.iter().chain(formats);
        planes.copied().collect()
    }

    /// Whether the refresh of a display can follow its frames. It is the display's device that says so, whichever draws.
    fn ability(&self, connector: connector::Handle) -> Ability {
        let support = match self {
            Self::Single(_) => return Ability::Fixed,
            Self::Pixman(chain) => chain.vrr_supported(connector).ok(),
            Self::Gles(chain) => chain.vrr_supported(connector).ok(),
        };
        match support {
            Some(VrrSupport::Supported) => Ability::Seamless,
            Some(VrrSupport::RequiresModeset) => Ability::Blinks,
            Some(VrrSupport::NotSupported) | None => Ability::Fixed,
        }
    }

    /// Has the refresh of the display follow its frames, or not.
    fn vary(&mut self, on: bool) -> Result<(), String> {
        match self {
            Self::Single(_) if on => Err("it has a fixed rate only".to_owned()),
            Self::Single(_) => Ok(()),
            Self::Pixman(chain) => chain.use_vrr(on).map_err(|error| error.to_string()),
            Self::Gles(chain) => chain.use_vrr(on).map_err(|error| error.to_string()),
        }
    }
}

impl Card {
    /// The screen is somebody else's: no holder of a lease could show anything.
    pub(super) fn pause(&mut self) {
        let Self { device, leases, .. } = self;
        leases.end_all(device);
        device.pause();
    }

    /// The screen is ours again: nothing of what was set is there any more.
    pub(super) fn resume(&mut self) {
        if let Err(error) = self.device.activate(false) {
            tracing::error!(
                "the graphics device {} could not be taken back: {error}",
                self.path.display()
            );
        }
        let Self { heads, device, .. } = self;
        for head in heads {
            let reset = each!(&mut head.swapchain, chain => {
                let reset = chain.reset_state();
                if head.off { reset.and_then(|()| chain.clear()) } else { reset }
            });
            if let Err(error) = reset {
                tracing::warn!("output {}: {error}", head.output.name());
            }
            if let Err(error) = head.swapchain.vary(head.varies) {
                tracing::warn!("output {}: {error}", head.output.name());
            }
            if let Some(table) = &head.gamma
                && let Err(error) = load_gamma(device, head.crtc, table.len() / 3, Some(table))
            {
                tracing::warn!("output {}: {error}", head.output.name());
            }
        }
    }
}

/// Loads a gamma table of three ramps of `size` steps, or a straight line.
fn load_gamma(
    device: &DrmDevice,
    crtc: crtc::Handle,
    size: usize,
    table: Option<&[u16]>,
) -> std::io::Result<()> {
    if let Some(table) = table {
        let (red, rest) = table.split_at(size);
        let (green, blue) = rest.split_at(size);
        return device.set_gamma(crtc, red, green, blue);
    }
    let last = size.saturating_sub(1).max(1);
    let straight: Vec<_> = (0..size)
        .map(|step| (step * usize::from(u16::MAX) / last) as u16)
        .collect();
    device.set_gamma(crtc, &straight, &straight, &straight)
}

/// Compares what is connected with what is shown, on all devices.
pub(super) fn scan(state: &mut State, handle: &DrmHandle) {
    let cards: Vec<_> = handle.borrow().cards.iter().map(Card::id).collect();
    for card in cards {
        scan_card(state, handle, card);
    }
    offer_formats(state, handle);
}

/// The same on one device, after a hotplug event.
pub(super) fn scan_card(state: &mut State, handle: &DrmHandle, id: libc::dev_t) {
    let (gone, present) = {
        let mut drm = handle.borrow_mut();
        let Some(index) = drm.cards.iter().position(|card| card.id() == id) else {
            return;
        };
        let card = &drm.cards[index];
        let connectors: Vec<_> = card
            .device
            .resource_handles()
            .map(|resources| resources.connectors().to_vec())
            .unwrap_or_default()
            .into_iter()
            .filter_map(|connector| card.device.get_connector(connector, true).ok())
            .filter(|info| info.state() == connector::State::Connected && !info.modes().is_empty())
            .map(|info| (drm.name_of(card, &info), info))
            .collect();
        let Card {
            device,
            leases,
            heads,
            ..
        } = &mut drm.cards[index];
        let (given, present): (Vec<_>, Vec<_>) = connectors
            .into_iter()
            .partition(|(name, info)| leases.take(name, device, info));
        let offers = given.iter().map(|(name, info)| offer(name, info));
        leases.update(device, offers.collect());
        let gone: Vec<_> = heads
            .iter()
            .filter(|head| {
                let mut present = present.iter();
                present.all(|(_, info)| info.handle() != head.connector)
            })
            .map(|head| head.output.clone())
            .collect();
        (gone, present)
    };
    for output in gone {
        if let Some(card) = handle.borrow_mut().card(id) {
            card.heads.retain(|head| head.output != output);
        }
        state.remove_output(&output);
    }
    for (name, info) in present {
        let known = handle.borrow_mut().card(id).is_some_and(|card| {
            let mut heads = card.heads.iter();
            heads.any(|head| head.connector == info.handle())
        });
        let result = if known {
            change_mode(state, handle, id, &info)
        } else {
            connect(state, handle, id, name, &info)
        };
        if let Err(error) = result {
            tracing::error!("{error}");
        }
    }
}

/// A display that is given away instead of being an output.
fn offer(name: &str, info: &connector::Info) -> lease::Offer {
    let size = info.modes().first().map(Mode::size).unwrap_or_default();
    lease::Offer {
        connector: info.handle().into(),
        name: name.to_owned(),
        description: format!("{name}, {}x{}", size.0, size.1),
    }
}

fn connect(
    state: &mut State,
    handle: &DrmHandle,
    id: libc::dev_t,
    name: String,
    info: &connector::Info,
) -> Result<(), Error> {
    let mut drm = handle.borrow_mut();
    let Drm { cards, modes, .. } = &mut *drm;
    let Some(card) = cards.iter_mut().find(|card| card.id() == id) else {
        return Ok(());
    };
    let at = PathBuf::from(&name);
    let Some(mode) = card.pick_mode(modes, &name, info) else {
        return Ok(());
    };
    let Some(crtc) = card.free_crtc(info) else {
        tracing::warn!("output {name}: the graphics device cannot drive one more display");
        return Ok(());
    };
    let surface = card
        .device
        .create_surface(crtc, mode, &[info.handle()])
        .map_err(|error| device_error("cannot drive output", &at, error))?;
    let (width, height) = info.size().unwrap_or_default();
    let output = Output::new(
        name,
        PhysicalProperties {
            size: (width as i32, height as i32).into(),
            subpixel: info.subpixel().into(),
            make: "Unknown".into(),
            model: "Unknown".into(),
        },
    );
    let output_mode = OutputMode::from(mode);
    advertise_modes(&output, info);
    // The swapchain follows the output's mode, so the output has one first.
    output.change_current_state(Some(output_mode), None, None, None);
    let swapchain = card.swapchain(&output, surface)?;
    let ability = swapchain.ability(info.handle());
    card.heads.push(Head {
        output: output.clone(),
        connector: info.handle(),
        crtc,
        swapchain,
        feedback: None,
        chosen: None,
        off: false,
        ability,
        varies: false,
        buffers: None,
        gamma: None,
        shade: None,
        replica: None,
    });
    drop(drm);
    state.add_output(output, output_mode);
    Ok(())
}

/// Has the output say which modes its display has.
fn advertise_modes(output: &Output, info: &connector::Info) {
    let modes: Vec<_> = info
        .modes()
        .iter()
        .map(|mode| OutputMode::from(*mode))
        .collect();
    for gone in output.modes() {
        if !modes.contains(&gone) && output.current_mode() != Some(gone) {
            output.delete_mode(gone);
        }
    }
    for mode in &modes {
        output.add_mode(*mode);
    }
    let mut prefers = info
        .modes()
        .iter()
        .filter(|mode| mode.mode_type().contains(ModeTypeFlags::PREFERRED));
    if let Some(preferred) = prefers
        .next()
        .copied()
        .map(OutputMode::from)
        .or(modes.first().copied())
    {
        output.set_preferred(preferred);
    }
}

/// A virtual display prefers another mode once its window is resized.
fn change_mode(
    state: &mut State,
    handle: &DrmHandle,
    id: libc::dev_t,
    info: &connector::Info,
) -> Result<(), Error> {
    let mut drm = handle.borrow_mut();
    let Drm { cards, modes, .. } = &mut *drm;
    let Some(card) = cards.iter_mut().find(|card| card.id() == id) else {
        return Ok(());
    };
    let kind = card.kind();
    let mut heads = card.heads.iter();
    let Some(index) = heads.position(|head| head.connector == info.handle()) else {
        return Ok(());
    };
    let name = card.heads[index].output.name();
    let Some(mode) = card.pick_mode(modes, &name, info) else {
        return Ok(());
    };
    let head = &mut card.heads[index];
    if each!(&head.swapchain, chain => chain.pending_mode()) == mode {
        return Ok(());
    }
    each!(&mut head.swapchain, chain => chain.use_mode(mode).map_err(|error| failed(kind, error)))?;
    let output = head.output.clone();
    drop(drm);
    state.output_resized(&output, OutputMode::from(mode));
    advertise_modes(&output, info);
    Ok(())
}

/// A frame is on the screen.
pub(super) fn flipped(state: &mut State, handle: &DrmHandle, id: libc::dev_t, crtc: crtc::Handle) {
    let output = {
        let mut drm = handle.borrow_mut();
        let Some(card) = drm.card(id) else { return };
        let Some(head) = card.heads.iter_mut().find(|head| head.crtc == crtc) else {
            return;
        };
        let submitted = match &mut head.swapchain {
            Swapchain::Single(_) => Ok(()),
            Swapchain::Pixman(chain) => chain
                .frame_submitted()
                .map(drop)
                .map_err(|error| error.to_string()),
            Swapchain::Gles(chain) => chain
                .frame_submitted()
                .map(drop)
                .map_err(|error| error.to_string()),
        };
        if let Err(error) = submitted {
            tracing::warn!("output {}: {error}", head.output.name());
        }
        head.output.clone()
    };
    state.presented(&output);
    let now = state.now();
    state.outputs.flipped(&output, now);
}
