//! The screen itself: DRM/KMS through a seat, libinput for the devices.
//!
//! One graphics device drives all outputs: the seat's primary one. Its driver decides the renderer
//! ([`super::renderer`]) and how pictures get to the screen: smithay's `DrmCompositor` does
//! swapchain, buffer age, damage and atomic commits on GBM buffers for GLES and on dumb buffers for
//! pixman; devices that only show a copy have one buffer ([`super::single`]).
//!
//! Frames are paced by [`crate::outputs`]; this module reports each finished flip.

mod card;
mod heads;

use std::{collections::BTreeMap, os::fd::OwnedFd, path::Path, time::Duration};

use smithay::{
    backend::{
        allocator::dmabuf::Dmabuf,
        drm::{
            DrmDevice, DrmError, DrmEvent, DrmNode,
            compositor::{FrameError, FrameFlags, PrimaryPlaneElement, RenderFrameError},
        },
        input::InputEvent,
        libinput::{LibinputInputBackend, LibinputSessionInterface},
        renderer::{ImportDma, ImportMemWl, gles::GlesRenderbuffer, utils::import_surface_tree},
        session::{Event as SessionEvent, Session, libseat::LibSeatSession},
        udev::{UdevBackend, UdevEvent, all_gpus, primary_gpu},
    },
    desktop::utils::OutputPresentationFeedback,
    input::keyboard::LedState,
    output::Output,
    reexports::{
        calloop::{EventLoop, LoopHandle, ping::make_ping},
        input::{self as libinput, DeviceCapability, Libinput},
        pixman::Image,
        wayland_server::protocol::wl_surface::WlSurface,
    },
    utils::{Buffer, Rectangle},
};

use self::{
    card::Graphics,
    heads::{Head, Swapchain, each, flipped, load_gamma, scan},
};
use super::{
    Backend, Outcome, RendererKind, Setup, copies,
    lease::{self, Leases},
    planes,
};
use crate::{
    arrangement::WantedMode,
    dmabuf::{Feedback, Targets},
    error::Error,
    refresh::Ability,
    render::{self, Picture, Scene},
    state::State,
    tint::{self, Filter},
};

/// See the module's page.
#[derive(Debug)]
pub struct Drm {
    session: LibSeatSession,
    device: DrmDevice,
    node: DrmNode,
    graphics: Graphics,
    heads: Vec<Head>,
    keyboards: Vec<libinput::Device>,
    /// All input devices.
    devices: Vec<libinput::Device>,
    modes: BTreeMap<String, WantedMode>,
    leases: Leases,
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
    drm: smithay::backend::drm::DrmDeviceNotifier,
    udev: UdevBackend,
}

impl Drm {
    /// Opens the seat and its first graphics device that works. Waits up to `patience` for both,
    /// since the seat manager may be starting, or the seat be another's for a moment, and the kernel
    /// may still be probing.
    ///
    /// # Errors
    /// When there is no seat, or no device works in that time.
    pub fn open(patience: Duration) -> Result<(Self, Sources), Error> {
        let deadline = std::time::Instant::now() + patience;
        let mut waits = false;
        let (mut session, notifier) = loop {
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
        loop {
            let udev =
                UdevBackend::new(&seat).map_err(|error| Error::Seat(format!("udev: {error}")))?;
            // Boot VGA first; a card that renders for others and has no outputs fails below.
            let mut paths: Vec<_> = primary_gpu(&seat).ok().flatten().into_iter().collect();
            paths.extend(all_gpus(&seat).unwrap_or_default());
            paths.dedup();
            let mut reason = "none is there".to_owned();
            for path in paths {
                match Self::open_device(&mut session, &path) {
                    Ok((device, drm, node, graphics)) => {
                        let backend = Self {
                            session,
                            device,
                            node,
                            graphics,
                            heads: Vec::new(),
                            keyboards: Vec::new(),
                            devices: Vec::new(),
                            modes: BTreeMap::new(),
                            leases: Leases::default(),
                            active: true,
                        };
                        return Ok((
                            backend,
                            Sources {
                                notifier,
                                drm,
                                udev,
                            },
                        ));
                    }
                    Err(error) => reason = error.to_string(),
                }
            }
            if std::time::Instant::now() >= deadline {
                return Err(Error::NoDevice(reason));
            }
            std::thread::sleep(Duration::from_millis(50));
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
        .insert_source(rescan, move |(), (), state| scan(state, &rescanned))
        .map_err(|error| Error::event_loop(error.error))?;
    {
        let mut drm = drm.borrow_mut();
        drm.leases.follow(state.config.wanted_leases());
        drm.leases.rescan_by(ping);
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
                let Drm { device, leases, .. } = &mut *drm;
                leases.end_all(device);
                device.pause();
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
                    if let Err(error) = drm.device.activate(false) {
                        tracing::error!("the graphics device could not be taken back: {error}");
                    }
                    for head in &mut drm.heads {
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
                    }
                    let Drm { device, heads, .. } = &mut *drm;
                    for head in heads {
                        if let Some(table) = &head.gamma
                            && let Err(error) =
                                load_gamma(device, head.crtc, table.len() / 3, Some(table))
                        {
                            tracing::warn!("output {}: {error}", head.output.name());
                        }
                    }
                }
                scan(state, &switched);
                state.outputs.restart();
            }
        })
        .map_err(|error| Error::event_loop(error.error))?;

    let flips = drm.clone();
    handle
        .insert_source(sources.drm, move |event, _, state| match event {
            DrmEvent::VBlank(crtc) => flipped(state, &flips, crtc),
            DrmEvent::Error(error) => tracing::error!("graphics device: {error}"),
        })
        .map_err(|error| Error::event_loop(error.error))?;

    let plugged = drm.clone();
    handle
        .insert_source(sources.udev, move |event, (), state| {
            if let UdevEvent::Changed { device_id } = event
                && plugged.borrow().device.device_id() == device_id
            {
                scan(state, &plugged);
            }
        })
        .map_err(|error| Error::event_loop(error.error))?;

    offer_formats(state, drm);
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

/// Tells clients which buffers can be drawn.
fn offer_formats(state: &mut State, drm: &DrmHandle) {
    let drm = drm.borrow();
    match &drm.graphics {
        Graphics::Pixman { renderer, .. } => {
            state.protocols.shm.update_formats(renderer.shm_formats());
        }
        Graphics::Gles { renderer, .. } => {
            state.protocols.shm.update_formats(renderer.shm_formats());
            let formats = renderer.dmabuf_formats();
            let dh = state.display.clone();
            if let Err(error) = state.offer_dmabufs(drm.node.dev_id(), formats.clone()) {
                tracing::warn!("programs are not told which device draws: {error}");
                let global = state.protocols.dmabuf.create_global::<State>(&dh, formats);
                state.protocols.dmabuf_global = Some(global);
            }
            let device = drm.device.device_fd().clone();
            state.protocols.frames.offer_explicit_sync(&dh, device);
        }
    }
}

/// Draws one frame with either pair of renderer and swapchain and sends it on its way.
macro_rules! draw {
    ($renderer:expr, $chain:expr, $elements:expr, $ground:expr, $flags:expr, $kind:expr) => {{
        let frame = match $chain.render_frame($renderer, $elements, $ground, $flags) {
            Ok(frame) => frame,
            Err(RenderFrameError::PrepareFrame(FrameError::DrmError(error))) if is_away(&error) => {
                return Ok(Outcome::Away);
            }
            Err(error) => {
                // The screen may have been left in a state that ours does not fit.
                let error = failed($kind, error);
                let _ = $chain.reset_state();
                return Err(error);
            }
        };
        if frame.needs_sync()
            && let PrimaryPlaneElement::Swapchain(element) = &frame.primary_element
        {
            let _ = element.sync.wait();
        }
        let (empty, states) = (frame.is_empty, frame.states);
        if empty {
            return Ok(Outcome::Unchanged(states));
        }
        match $chain.queue_frame(()) {
            Ok(()) => Ok(Outcome::Flipping(states)),
            Err(FrameError::DrmError(error)) if is_away(&error) => Ok(Outcome::Away),
            Err(error) => {
                let error = failed($kind, error);
                let _ = $chain.reset_state();
                Err(error)
            }
        }
    }};
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
    fn renderer(&self) -> RendererKind {
        self.borrow().kind()
    }

    fn seat_name(&self) -> String {
        self.borrow().session.seat()
    }

    fn render(&mut self, scene: &Scene<'_>, output: &Output) -> Result<Outcome, Error> {
        let mut drm = self.borrow_mut();
        if !drm.active {
            return Ok(Outcome::Away);
        }
        let kind = drm.kind();
        let Drm {
            graphics, heads, ..
        } = &mut *drm;
        let Some(head) = heads.iter_mut().find(|head| head.output == *output) else {
            return Ok(Outcome::Away);
        };
        match (graphics, &mut head.swapchain) {
            (Graphics::Pixman { renderer, .. }, Swapchain::Single(chain)) => chain
                .draw(renderer, scene, output, &mut head.shade)
                .map_err(|error| failed(kind, error)),
            (Graphics::Pixman { renderer, .. }, Swapchain::Pixman(chain)) => {
                let (ground, flags) = (scene.ground(), FrameFlags::DEFAULT);
                let Some(Filter { tint, .. }) = scene.glass.filter else {
                    head.shade = None;
                    let elements = scene.elements(renderer, output);
                    return draw!(renderer, chain, &elements, ground, flags, kind);
                };
                let (sheet, states) = tint::shaded(&mut head.shade, renderer, scene, output, tint)
                    .map_err(|error| failed(kind, error))?;
                let elements = [sheet];
                let drawn = (|| draw!(renderer, chain, &elements, ground, flags, kind))();
                drawn.map(|outcome| outcome.with_states(states))
            }
            (Graphics::Gles { renderer, .. }, Swapchain::Gles(chain)) => {
                let renderer = renderer.as_mut();
                let elements = tint::tinted(scene, renderer, output);
                let flags = planes::flags(&scene.glass);
                draw!(renderer, chain, &elements, scene.ground(), flags, kind)
            }
            _ => Err(failed(kind, "the output was set up for another renderer")),
        }
    }

    fn test_setup(&self, output: &Output, setup: Option<Setup>) -> Result<(), Error> {
        let drm = self.borrow();
        drm.mode_for(output, setup).map(drop)
    }

    fn set_up(&mut self, output: &Output, setup: Option<Setup>) -> Result<(), Error> {
        self.borrow_mut().set_up(output, setup)
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
        self.borrow().variable_refresh(output)
    }

    fn set_variable_refresh(&mut self, output: &Output, on: bool) -> Result<(), Error> {
        self.borrow_mut().set_variable_refresh(output, on)
    }

    fn gamma_size(&self, output: &Output) -> u32 {
        self.borrow().gamma_size(output) as u32
    }

    fn set_gamma(&mut self, output: &Output, table: Option<&[u16]>) -> Result<(), Error> {
        self.borrow_mut().set_gamma(output, table)
    }

    fn capture(&mut self, scene: &Scene<'_>, output: &Output) -> Result<Picture, Error> {
        match &mut self.borrow_mut().graphics {
            Graphics::Pixman { renderer, .. } => {
                render::capture::<_, Image<'static, 'static>>(renderer, scene, output, "pixman")
            }
            Graphics::Gles { renderer, .. } => {
                render::capture::<_, GlesRenderbuffer>(renderer.as_mut(), scene, output, "gles")
            }
        }
    }

    fn refresh(
        &mut self,
        scene: &Scene<'_>,
        output: &Output,
    ) -> Result<Vec<Rectangle<i32, Buffer>>, Error> {
        match &mut self.borrow_mut().graphics {
            Graphics::Pixman {
                renderer, mirrors, ..
            } => mirrors.refresh(renderer, scene, output),
            Graphics::Gles {
                renderer, mirrors, ..
            } => mirrors.refresh(renderer.as_mut(), scene, output),
        }
    }

    fn read(
        &mut self,
        scene: &Scene<'_>,
        output: &Output,
        region: Rectangle<i32, Buffer>,
    ) -> Result<Vec<u8>, Error> {
        match &mut self.borrow_mut().graphics {
            Graphics::Pixman {
                renderer, mirrors, ..
            } => mirrors.read(renderer, scene, output, region),
            Graphics::Gles {
                renderer, mirrors, ..
            } => mirrors.read(renderer.as_mut(), scene, output, region),
        }
    }

    fn copy_targets(&self) -> Option<Targets> {
        match &self.borrow().graphics {
            Graphics::Pixman { .. } => None,
            Graphics::Gles { targets, .. } => targets.clone(),
        }
    }

    fn copy(
        &mut self,
        scene: &Scene<'_>,
        output: &Output,
        region: Rectangle<i32, Buffer>,
        buffer: &mut Dmabuf,
    ) -> Result<(), Error> {
        match &mut self.borrow_mut().graphics {
            Graphics::Pixman { .. } => Err(failed(
                RendererKind::Pixman,
                "it copies into no buffers on a GPU",
            )),
            Graphics::Gles {
                renderer, mirrors, ..
            } => {
                mirrors.give(renderer.as_mut(), scene, output, region, buffer)?;
                copies::finish(renderer).map_err(|error| failed(RendererKind::Gles, error))
            }
        }
    }

    fn forget_mirrors(&mut self) {
        match &mut self.borrow_mut().graphics {
            Graphics::Pixman { mirrors, .. } => mirrors.clear(),
            Graphics::Gles { mirrors, .. } => mirrors.clear(),
        }
    }

    fn early_import(&mut self, surface: &WlSurface) {
        if let Graphics::Gles { renderer, .. } = &mut self.borrow_mut().graphics
            && let Err(error) = import_surface_tree(renderer.as_mut(), surface)
        {
            tracing::warn!("a client's buffer cannot be drawn: {error}");
        }
    }

    fn import_dmabuf(&mut self, dmabuf: &Dmabuf) -> bool {
        match &mut self.borrow_mut().graphics {
            Graphics::Pixman { .. } => false,
            Graphics::Gles { renderer, .. } => renderer.import_dmabuf(dmabuf, None).is_ok(),
        }
    }

    fn cards(&self) -> Vec<lease::Card> {
        let drm = self.borrow();
        vec![drm.leases.card(drm.device.device_id(), drm.active)]
    }

    fn open_card(&self, _: u64) -> Result<OwnedFd, Error> {
        let drm = self.borrow();
        lease::open_card(&drm.device, &drm.node)
    }

    fn give(&mut self, _: u64, connectors: &[u32]) -> Result<lease::Grant, Error> {
        let mut drm = self.borrow_mut();
        let Drm {
            device,
            leases,
            heads,
            ..
        } = &mut *drm;
        leases.give(device, connectors, |crtc| {
            heads.iter().any(|head| head.crtc == crtc)
        })
    }

    fn feedback(&self, output: &Output) -> Option<Feedback> {
        let drm = self.borrow();
        let head = drm.heads.iter().find(|head| head.output == *output)?;
        head.buffers.clone()
    }

    fn take_back(&mut self, _: u64, lease: u32) {
        let mut drm = self.borrow_mut();
        let Drm { device, leases, .. } = &mut *drm;
        leases.end(device, lease);
    }

    fn follow_leases(&mut self, wanted: BTreeMap<String, bool>) {
        self.borrow_mut().leases.follow(wanted);
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
