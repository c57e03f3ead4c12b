//! The screen itself: DRM/KMS through a seat, libinput for the devices.
//!
//! One graphics device drives all outputs: the seat's primary one. Its driver decides the renderer
//! ([`super::renderer`]) and how pictures get to the screen: smithay's `DrmCompositor` does
//! swapchain, buffer age, damage and atomic commits on GBM buffers for GLES and on dumb buffers for
//! pixman; devices that only show a copy have one buffer ([`super::single`]).
//!
//! Frames are paced by [`crate::outputs`]; this module reports each finished flip.

use std::{collections::BTreeMap, os::fd::OwnedFd, path::Path, time::Duration};

use smithay::{
    backend::{
        allocator::{
            Format, Fourcc, Modifier,
            dmabuf::Dmabuf,
            dumb::DumbAllocator,
            gbm::{GbmAllocator, GbmBufferFlags, GbmDevice},
        },
        drm::{
            DrmDevice, DrmDeviceFd, DrmError, DrmEvent, DrmNode, DrmSurface, VrrSupport,
            compositor::{
                DrmCompositor, FrameError, FrameFlags, PrimaryPlaneElement, RenderFrameError,
            },
            exporter::gbm::GbmFramebufferExporter,
        },
        egl::{EGLContext, EGLDisplay},
        input::InputEvent,
        libinput::{LibinputInputBackend, LibinputSessionInterface},
        renderer::{
            ImportDma, ImportMemWl,
            gles::{GlesRenderbuffer, GlesRenderer},
            pixman::PixmanRenderer,
            utils::import_surface_tree,
        },
        session::{Event as SessionEvent, Session, libseat::LibSeatSession},
        udev::{UdevBackend, UdevEvent, all_gpus, primary_gpu},
    },
    desktop::utils::OutputPresentationFeedback,
    input::keyboard::LedState,
    output::{Mode as OutputMode, Output, PhysicalProperties},
    reexports::{
        calloop::{EventLoop, LoopHandle, ping::make_ping},
        drm::control::{Device as ControlDevice, Mode, ModeTypeFlags, connector, crtc},
        input::{self as libinput, DeviceCapability, Libinput},
        pixman::Image,
        rustix::fs::OFlags,
        wayland_server::protocol::wl_surface::WlSurface,
    },
    utils::{Buffer, DeviceFd, Rectangle},
};

use super::{
    Backend, Outcome, RendererKind, Setup, copies,
    lease::{self, Leases},
    planes,
    single::{self, Single},
};
use crate::{
    arrangement::WantedMode,
    dmabuf::{Feedback, Targets},
    error::Error,
    mirror::Mirrors,
    refresh::Ability,
    render::{self, Picture, Scene},
    state::State,
    tint::{self, Filter, Shade},
};

type PixmanCompositor = DrmCompositor<DumbAllocator, DrmDeviceFd, (), DrmDeviceFd>;
type GlesCompositor =
    DrmCompositor<GbmAllocator<DrmDeviceFd>, GbmFramebufferExporter<DrmDeviceFd>, (), DrmDeviceFd>;

/// How frames of the device are drawn.
#[derive(Debug)]
enum Graphics {
    /// `single`: the device shows a copy, so one buffer is enough.
    Pixman {
        renderer: PixmanRenderer,
        mirrors: Mirrors<Image<'static, 'static>>,
        single: bool,
    },
    Gles {
        renderer: Box<GlesRenderer>,
        mirrors: Mirrors<GlesRenderbuffer>,
        gbm: GbmDevice<DrmDeviceFd>,
        /// The buffers of clients into which it copies pictures.
        targets: Option<Targets>,
    },
}

/// The swapchain of one output.
#[derive(Debug)]
enum Swapchain {
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
struct Head {
    output: Output,
    connector: connector::Handle,
    crtc: crtc::Handle,
    swapchain: Swapchain,
    feedback: Option<OutputPresentationFeedback>,
    /// The mode that somebody chose since the start.
    chosen: Option<Mode>,
    /// It is switched off, and kept to be switched on again.
    off: bool,
    /// Whether its refresh can follow its frames.
    ability: Ability,
    /// It does.
    varies: bool,
    /// Which buffers programs are to make for it.
    buffers: Option<Feedback>,
    /// The gamma table that somebody set.
    gamma: Option<Vec<u16>>,
    /// What is shown in warmer colours, where pixman draws it.
    shade: Option<Shade>,
}

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

    #[allow(clippy::type_complexity)]
    fn open_device(
        session: &mut LibSeatSession,
        path: &Path,
    ) -> Result<
        (
            DrmDevice,
            smithay::backend::drm::DrmDeviceNotifier,
            DrmNode,
            Graphics,
        ),
        Error,
    > {
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        let fd = session
            .open(path, flags)
            .map_err(|e| device_error("cannot open", path, e))?;
        let fd = DrmDeviceFd::new(DeviceFd::from(fd));
        let node =
            DrmNode::from_file(&fd).map_err(|e| device_error("not a DRM device:", path, e))?;
        let kind = RendererKind::forced().unwrap_or_else(|| RendererKind::for_device(&fd));
        let (device, notifier) = DrmDevice::new(fd.clone(), true)
            .map_err(|e| device_error("no modesetting on", path, e))?;
        let pixman = || {
            let driver = smithay::reexports::drm::Device::get_driver(&fd);
            let single = driver.is_ok_and(|driver| single::suits(&driver.name().to_string_lossy()));
            PixmanRenderer::new()
                .map(|renderer| Graphics::Pixman {
                    renderer,
                    mirrors: Mirrors::new("pixman", Fourcc::Xrgb8888),
                    single,
                })
                .map_err(|error| failed(RendererKind::Pixman, error))
        };
        let graphics = match kind {
            RendererKind::Pixman => pixman()?,
            RendererKind::Gles => match gles(&fd, node) {
                Ok(graphics) => graphics,
                Err(error) => {
                    tracing::warn!("{}: {error}; drawing with pixman instead", path.display());
                    pixman()?
                }
            },
        };
        Ok((device, notifier, node, graphics))
    }

    fn kind(&self) -> RendererKind {
        match self.graphics {
            Graphics::Pixman { .. } => RendererKind::Pixman,
            Graphics::Gles { .. } => RendererKind::Gles,
        }
    }

    fn head(&mut self, output: &Output) -> Option<&mut Head> {
        self.heads.iter_mut().find(|head| head.output == *output)
    }

    /// A CRTC that the connector can use and neither another output nor a lease does.
    fn free_crtc(&self, connector: &connector::Info) -> Option<crtc::Handle> {
        let mut crtcs = lease::crtcs_of(&self.device, connector).into_iter();
        crtcs.find(|crtc| {
            !self.leases.hold(*crtc) && self.heads.iter().all(|head| head.crtc != *crtc)
        })
    }

    fn swapchain(&mut self, output: &Output, surface: DrmSurface) -> Result<Swapchain, Error> {
        let cursor = self.device.cursor_size();
        match &self.graphics {
            Graphics::Pixman { single: true, .. } => Single::new(surface, output)
                .map(|single| Swapchain::Single(Box::new(single)))
                .map_err(|error| failed(RendererKind::Pixman, error)),
            Graphics::Pixman { .. } => {
                let fd = self.device.device_fd().clone();
                // Dumb buffers are linear and pixman draws into all of these.
                let formats = [Fourcc::Xrgb8888, Fourcc::Argb8888].map(|code| Format {
                    code,
                    modifier: Modifier::Linear,
                });
                DrmCompositor::new(
                    output,
                    surface,
                    None,
                    DumbAllocator::new(fd.clone()),
                    fd,
                    [Fourcc::Xrgb8888, Fourcc::Argb8888],
                    formats,
                    cursor,
                    None,
                )
                .map(|compositor| Swapchain::Pixman(Box::new(compositor)))
                .map_err(|error| failed(RendererKind::Pixman, error))
            }
            Graphics::Gles { renderer, gbm, .. } => {
                let flags = GbmBufferFlags::RENDERING | GbmBufferFlags::SCANOUT;
                DrmCompositor::new(
                    output,
                    surface,
                    None,
                    GbmAllocator::new(gbm.clone(), flags),
                    GbmFramebufferExporter::new(gbm.clone(), Some(self.node)),
                    [Fourcc::Abgr8888, Fourcc::Argb8888, Fourcc::Xrgb8888],
                    renderer.egl_context().dmabuf_render_formats().clone(),
                    cursor,
                    Some(gbm.clone()),
                )
                .map(|compositor| Swapchain::Gles(Box::new(compositor)))
                .map_err(|error| failed(RendererKind::Gles, error))
            }
        }
    }

    /// Which buffers programs are to make, by what the renderer draws and the display's planes take.
    fn buffers(&self, swapchain: &Swapchain) -> Option<Feedback> {
        let (Graphics::Gles { renderer, .. }, Swapchain::Gles(chain)) = (&self.graphics, swapchain)
        else {
            return None;
        };
        let surface = chain.surface();
        let overlays = surface.planes().overlay.iter();
        let formats = overlays.flat_map(|plane| plane.formats.iter());
        let planes = surface.plane_info().formats.iter().chain(formats).copied();
        Feedback::new(self.node.dev_id(), renderer.dmabuf_formats(), planes)
            .inspect_err(|error| tracing::warn!("programs are not told what planes take: {error}"))
            .ok()
    }

    /// The mode that somebody chose since the start, else the one that the settings name, else the one
    /// that the display prefers.
    fn pick_mode(&self, name: &str, connector: &connector::Info) -> Option<Mode> {
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
        let wanted = self.modes.get(name).and_then(|wanted| {
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

impl Drm {
    /// The display's mode for what an output is to be; none for one that is to be off.
    fn mode_for(&self, output: &Output, setup: Option<Setup>) -> Result<Option<Mode>, Error> {
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

    fn set_up(&mut self, output: &Output, setup: Option<Setup>) -> Result<(), Error> {
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

impl Drm {
    fn gamma_size(&self, output: &Output) -> usize {
        let head = self.heads.iter().find(|head| head.output == *output);
        head.and_then(|head| self.device.get_crtc(head.crtc).ok())
            .map_or(0, |info| info.gamma_length() as usize)
    }

    fn set_gamma(&mut self, output: &Output, table: Option<&[u16]>) -> Result<(), Error> {
        let size = self.gamma_size(output);
        let active = self.active;
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

impl Drm {
    fn variable_refresh(&self, output: &Output) -> Ability {
        let head = self.heads.iter().find(|head| head.output == *output);
        head.map_or(Ability::Fixed, |head| head.ability)
    }

    fn set_variable_refresh(&mut self, output: &Output, on: bool) -> Result<(), Error> {
        let active = self.active;
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

impl Swapchain {
    /// Whether the refresh of a display can follow its frames.
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

fn gles(fd: &DrmDeviceFd, node: DrmNode) -> Result<Graphics, Error> {
    let wrong = |error: &dyn std::fmt::Display| failed(RendererKind::Gles, error);
    let gbm = GbmDevice::new(fd.clone()).map_err(|error| wrong(&error))?;
    let mut renderer = new_gles(&gbm).map_err(|error| wrong(&error))?;
    let targets = copies::targets(&mut renderer, node);
    Ok(Graphics::Gles {
        targets,
        renderer: Box::new(renderer),
        mirrors: Mirrors::new("gles", Fourcc::Abgr8888),
        gbm,
    })
}

#[allow(unsafe_code)]
fn new_gles(gbm: &GbmDevice<DrmDeviceFd>) -> Result<GlesRenderer, Cause> {
    // SAFETY: the display keeps a clone of the GBM device, so it outlives what EGL does with it.
    let display = unsafe { EGLDisplay::new(gbm.clone())? };
    let context = EGLContext::new(&display)?;
    // SAFETY: the context is new, is current on no other thread and stays on this one.
    Ok(unsafe { GlesRenderer::new(context)? })
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

/// Compares what is connected with what is shown, after a hotplug event.
fn scan(state: &mut State, handle: &DrmHandle) {
    let (gone, present) = {
        let mut drm = handle.borrow_mut();
        let connectors: Vec<_> = drm
            .device
            .resource_handles()
            .map(|resources| resources.connectors().to_vec())
            .unwrap_or_default()
            .into_iter()
            .filter_map(|connector| drm.device.get_connector(connector, true).ok())
            .filter(|info| info.state() == connector::State::Connected && !info.modes().is_empty())
            .collect();
        let Drm { device, leases, .. } = &mut *drm;
        let (given, connectors): (Vec<_>, Vec<_>) = connectors
            .into_iter()
            .partition(|info| leases.take(&name_of(info), device, info));
        leases.update(device, given.iter().map(offer).collect());
        let gone: Vec<_> = drm
            .heads
            .iter()
            .filter(|head| {
                connectors
                    .iter()
                    .all(|info| info.handle() != head.connector)
            })
            .map(|head| head.output.clone())
            .collect();
        (gone, connectors)
    };
    for output in gone {
        handle
            .borrow_mut()
            .heads
            .retain(|head| head.output != output);
        state.remove_output(&output);
    }
    for info in present {
        let name = name_of(&info);
        let known = handle
            .borrow()
            .heads
            .iter()
            .any(|head| head.connector == info.handle());
        let result = if known {
            change_mode(state, handle, &name, &info)
        } else {
            connect(state, handle, name, &info)
        };
        if let Err(error) = result {
            tracing::error!("{error}");
        }
    }
}

/// What an output on a connector is called.
fn name_of(info: &connector::Info) -> String {
    format!("{}-{}", info.interface().as_str(), info.interface_id())
}

/// A display that is given away instead of being an output.
fn offer(info: &connector::Info) -> lease::Offer {
    let name = name_of(info);
    let size = info.modes().first().map(Mode::size).unwrap_or_default();
    lease::Offer {
        connector: info.handle().into(),
        description: format!("{name}, {}x{}", size.0, size.1),
        name,
    }
}

fn connect(
    state: &mut State,
    handle: &DrmHandle,
    name: String,
    info: &connector::Info,
) -> Result<(), Error> {
    let mut drm = handle.borrow_mut();
    let at = std::path::PathBuf::from(&name);
    let Some(mode) = drm.pick_mode(&name, info) else {
        return Ok(());
    };
    let Some(crtc) = drm.free_crtc(info) else {
        tracing::warn!("output {name}: the graphics device cannot drive one more display");
        return Ok(());
    };
    let surface = drm
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
    let swapchain = drm.swapchain(&output, surface)?;
    let ability = swapchain.ability(info.handle());
    let buffers = drm.buffers(&swapchain);
    drm.heads.push(Head {
        output: output.clone(),
        connector: info.handle(),
        crtc,
        swapchain,
        feedback: None,
        chosen: None,
        off: false,
        ability,
        varies: false,
        buffers,
        gamma: None,
        shade: None,
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
    name: &str,
    info: &connector::Info,
) -> Result<(), Error> {
    let mut drm = handle.borrow_mut();
    let Some(mode) = drm.pick_mode(name, info) else {
        return Ok(());
    };
    let kind = drm.kind();
    let Some(head) = drm
        .heads
        .iter_mut()
        .find(|head| head.connector == info.handle())
    else {
        return Ok(());
    };
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
fn flipped(state: &mut State, handle: &DrmHandle, crtc: crtc::Handle) {
    let output = {
        let mut drm = handle.borrow_mut();
        let Some(head) = drm.heads.iter_mut().find(|head| head.crtc == crtc) else {
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
