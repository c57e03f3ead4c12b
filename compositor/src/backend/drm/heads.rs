//! The outputs of a graphics device: what is connected, in which mode, and its colours.

use smithay::{
    backend::{
        allocator::{dumb::DumbAllocator, gbm::GbmAllocator},
        drm::{
            DrmDevice, DrmDeviceFd, VrrSupport, compositor::DrmCompositor,
            exporter::gbm::GbmFramebufferExporter,
        },
    },
    desktop::utils::OutputPresentationFeedback,
    output::{Mode as OutputMode, Output, PhysicalProperties},
    reexports::drm::control::{Device as ControlDevice, Mode, ModeTypeFlags, connector, crtc},
};

use super::{Drm, DrmHandle, device_error, failed};
use crate::{
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
pub(super) use each;

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
}

impl Drm {
    pub(super) fn head(&mut self, output: &Output) -> Option<&mut Head> {
        self.heads.iter_mut().find(|head| head.output == *output)
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

impl Drm {
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
    pub(super) fn variable_refresh(&self, output: &Output) -> Ability {
        let head = self.heads.iter().find(|head| head.output == *output);
        head.map_or(Ability::Fixed, |head| head.ability)
    }

    pub(super) fn set_variable_refresh(&mut self, output: &Output, on: bool) -> Result<(), Error> {
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
    pub(super) fn vary(&mut self, on: bool) -> Result<(), String> {
        match self {
            Self::Single(_) if on => Err("it has a fixed rate only".to_owned()),
            Self::Single(_) => Ok(()),
            Self::Pixman(chain) => chain.use_vrr(on).map_err(|error| error.to_string()),
            Self::Gles(chain) => chain.use_vrr(on).map_err(|error| error.to_string()),
        }
    }
}

/// Loads a gamma table of three ramps of `size` steps, or a straight line.
pub(super) fn load_gamma(
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

/// Compares what is connected with what is shown, after a hotplug event.
pub(super) fn scan(state: &mut State, handle: &DrmHandle) {
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
pub(super) fn flipped(state: &mut State, handle: &DrmHandle, crtc: crtc::Handle) {
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
