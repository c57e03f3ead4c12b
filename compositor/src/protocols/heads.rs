//! `wlr-output-management-unstable-v1`: modes, scale, turn, place and adaptive sync of outputs, for tools such as
//! wlr-randr and kanshi.
//!
//! Outputs that were switched off are heads too. A configuration names the serial of what its client knew
//! when it made it; if anything changed since, it is cancelled. One that cannot be is answered with
//! `failed`, the reason is in the log, and the outputs are as they were. The last output stays on: nobody
//! could switch it on again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use smithay::{
    output::{Mode, Output},
    reexports::{
        wayland_protocols_wlr::output_management::v1::server::{
            zwlr_output_configuration_head_v1::{self, ZwlrOutputConfigurationHeadV1},
            zwlr_output_configuration_v1::{self, ZwlrOutputConfigurationV1},
            zwlr_output_head_v1::{self, AdaptiveSyncState, ZwlrOutputHeadV1},
            zwlr_output_manager_v1::{self, ZwlrOutputManagerV1},
            zwlr_output_mode_v1::{self, ZwlrOutputModeV1},
        },
        wayland_server::{
            Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource, WEnum,
            backend::ClientId,
        },
    },
    utils::{Logical, Point, Transform},
};

use super::{
    extensions::{is_full, send_away},
    sandbox::{Privilege, may},
};
use crate::{
    arrangement::FARTHEST,
    config::Config,
    outputs::{Outputs, Settings},
    refresh::VariableRefresh,
    state::State,
};

const VERSION: u32 = 4;
/// Physical pixels to a logical one, as in the settings.
const SCALES: std::ops::RangeInclusive<f64> = 0.5..=4.0;

pub(super) fn create_global(dh: &DisplayHandle) {
    dh.create_global::<State, ZwlrOutputManagerV1, ()>(VERSION, ());
}

/// Who is told of outputs.
#[derive(Debug, Default)]
pub(crate) struct Heads {
    managers: Vec<Manager>,
    /// What clients were told last, and the serial of that.
    told: Vec<Seen>,
    serial: u32,
}

#[derive(Debug)]
struct Manager {
    object: ZwlrOutputManagerV1,
    heads: Vec<Head>,
    /// The serial of what the client was told last.
    serial: Option<u32>,
}

#[derive(Debug)]
struct Head {
    output: Output,
    object: ZwlrOutputHeadV1,
    modes: Vec<(Mode, ZwlrOutputModeV1)>,
    /// Nothing, as long as the client was told only what never changes.
    told: Option<Told>,
}

/// What is told of a head; nothing more than that if it is off.
type Told = Option<Shown>;

/// An output as it is.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    output: Output,
    modes: Vec<Mode>,
    preferred: Option<Mode>,
    shown: Told,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Shown {
    mode: Option<Mode>,
    position: Point<i32, Logical>,
    transform: Transform,
    scale: f64,
    /// Its refresh is to follow its frames, always or at times.
    adaptive: bool,
}

fn seen(outputs: &Outputs, config: &Config) -> Vec<Seen> {
    let adaptive = |output: &Output| {
        let tool = outputs.settings(output).and_then(|it| it.variable);
        let wish = tool.unwrap_or_else(|| config.output(&output.name()).variable_refresh);
        wish != VariableRefresh::Off
    };
    let shown = |output: &Output| Shown {
        adaptive: adaptive(output),
        mode: output.current_mode(),
        position: output.current_location(),
        transform: output.current_transform(),
        scale: output.current_scale().fractional_scale(),
    };
    let on = outputs.iter().map(|output| (output, Some(shown(output))));
    let off = outputs.off().iter().map(|output| (output, None));
    on.chain(off)
        .map(|(output, shown)| Seen {
            output: output.clone(),
            modes: output.modes(),
            preferred: output.preferred_mode(),
            shown,
        })
        .collect()
}

impl State {
    /// Tells tools that set outputs up what is new with them.
    pub(super) fn tell_heads(&mut self) {
        let heads = &mut self.extensions.heads;
        if heads.managers.is_empty() {
            return;
        }
        let seen = seen(&self.outputs, &self.config);
        if heads.told != seen {
            heads.told = seen;
            heads.serial = heads.serial.wrapping_add(1);
        }
        for manager in &mut heads.managers {
            if manager.serial != Some(heads.serial) {
                manager.tell(&heads.told, &self.display);
                manager.object.done(heads.serial);
                manager.serial = Some(heads.serial);
            }
        }
    }
}

impl Manager {
    fn tell(&mut self, seen: &[Seen], dh: &DisplayHandle) {
        self.heads.retain(|head| {
            let there = seen.iter().any(|seen| seen.output == head.output);
            if !there {
                for (_, mode) in &head.modes {
                    mode.finished();
                }
                head.object.finished();
            }
            there
        });
        let Some(client) = self.object.client() else {
            return;
        };
        for seen in seen {
            let index = match self
                .heads
                .iter()
                .position(|head| head.output == seen.output)
            {
                Some(index) => index,
                None => match self.introduce(&seen.output, &client, dh) {
                    Some(head) => {
                        self.heads.push(head);
                        self.heads.len() - 1
                    }
                    None => return,
                },
            };
            self.heads[index].tell(seen, &client, dh);
        }
    }

    /// A new head, and what never changes of it.
    fn introduce(&self, output: &Output, client: &Client, dh: &DisplayHandle) -> Option<Head> {
        let version = self.object.version();
        let object = client
            .create_resource::<ZwlrOutputHeadV1, Output, State>(dh, version, output.clone())
            .ok()?;
        self.object.head(&object);
        object.name(output.name());
        object.description(output.description());
        let physical = output.physical_properties();
        if physical.size.w > 0 && physical.size.h > 0 {
            object.physical_size(physical.size.w, physical.size.h);
        }
        if version >= zwlr_output_head_v1::EVT_MAKE_SINCE {
            object.make(physical.make);
            object.model(physical.model);
        }
        Some(Head {
            output: output.clone(),
            object,
            modes: Vec::new(),
            told: None,
        })
    }
}

impl Head {
    fn tell(&mut self, seen: &Seen, client: &Client, dh: &DisplayHandle) {
        let object = self.object.clone();
        // A head that its client let go of is kept, so that it is not told as a new one.
        if !object.is_alive() {
            return;
        }
        self.modes.retain(|(mode, object)| {
            let there = seen.modes.contains(mode);
            if !there {
                object.finished();
            }
            there
        });
        for mode in &seen.modes {
            if self.modes.iter().any(|(known, _)| known == mode) {
                continue;
            }
            let Ok(new) = client.create_resource::<ZwlrOutputModeV1, Mode, State>(
                dh,
                object.version(),
                *mode,
            ) else {
                return;
            };
            object.mode(&new);
            new.size(mode.size.w, mode.size.h);
            if mode.refresh > 0 {
                new.refresh(mode.refresh);
            }
            if seen.preferred == Some(*mode) {
                new.preferred();
            }
            self.modes.push((*mode, new));
        }
        if self.told == Some(seen.shown) {
            return;
        }
        let before = self.told.flatten();
        if self.told.map(|told| told.is_some()) != Some(seen.shown.is_some()) {
            object.enabled(i32::from(seen.shown.is_some()));
        }
        self.told = Some(seen.shown);
        let Some(now) = seen.shown else {
            return;
        };
        if before.map(|before| before.mode) != Some(now.mode)
            && let Some((_, mode)) = self.modes.iter().find(|(mode, _)| Some(*mode) == now.mode)
            && mode.is_alive()
        {
            object.current_mode(mode);
        }
        if before.map(|before| before.position) != Some(now.position) {
            object.position(now.position.x, now.position.y);
        }
        if before.map(|before| before.transform) != Some(now.transform) {
            object.transform(now.transform.into());
        }
        if before.map(|before| before.scale) != Some(now.scale) {
            object.scale(now.scale);
        }
        if before.map(|before| before.adaptive) != Some(now.adaptive)
            && object.version() >= zwlr_output_head_v1::EVT_ADAPTIVE_SYNC_SINCE
        {
            object.adaptive_sync(if now.adaptive {
                AdaptiveSyncState::Enabled
            } else {
                AdaptiveSyncState::Disabled
            });
        }
    }
}

/// What a client wants of all outputs.
#[derive(Debug)]
pub(crate) struct Configuration {
    serial: u32,
    /// It was applied or tested.
    used: bool,
    heads: Vec<(Output, Wish)>,
}

/// What a client wants of one output.
#[derive(Debug, Clone, Default)]
struct Wish {
    on: bool,
    /// A refresh rate of 0 is any.
    mode: Option<Mode>,
    position: Option<Point<i32, Logical>>,
    transform: Option<Transform>,
    scale: Option<f64>,
    adaptive_sync: Option<bool>,
}

/// A configuration's data, shared with its heads.
#[derive(Debug, Clone)]
pub(crate) struct Shared(Arc<Mutex<Configuration>>);

impl Shared {
    fn get(&self) -> MutexGuard<'_, Configuration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The data of a configuration's head.
#[derive(Debug)]
pub(crate) struct ConfigurationHead {
    configuration: Shared,
    output: Output,
}

impl Wish {
    /// When the refresh is to be variable, if it was so before. Who only knows on and off does not end `automatic` by
    /// leaving it on.
    fn variable(&self, before: VariableRefresh) -> Option<VariableRefresh> {
        match (self.adaptive_sync?, before) {
            (false, _) => Some(VariableRefresh::Off),
            (true, VariableRefresh::Off) => Some(VariableRefresh::On),
            (true, before) => Some(before),
        }
    }

    /// The settings that this makes of those that an output has or had.
    fn settings(
        &self,
        output: &Output,
        now: Settings,
        variable: VariableRefresh,
    ) -> Result<Option<Settings>, String> {
        if !self.on {
            return Ok(None);
        }
        let name = output.name();
        let scale = self.scale.unwrap_or(now.scale);
        if !SCALES.contains(&scale) {
            return Err(format!(
                "{name}: the scale {scale} is not one from {} to {}",
                SCALES.start(),
                SCALES.end()
            ));
        }
        if let Some(at) = self.position
            && (at.x.abs().max(at.y.abs()) > FARTHEST)
        {
            return Err(format!("{name}: {}, {} is too far away", at.x, at.y));
        }
        let mut mode = self.mode.unwrap_or(now.mode);
        if mode.refresh == 0 {
            let same = output
                .modes()
                .into_iter()
                .find(|other| other.size == mode.size);
            mode.refresh = same.map_or(now.mode.refresh, |same| same.refresh);
        }
        Ok(Some(Settings {
            mode,
            transform: self.transform.unwrap_or(now.transform),
            scale,
            position: self.position.or(now.position),
            variable: self.variable(variable).or(now.variable),
        }))
    }
}

impl State {
    /// What a configuration comes to for each output, or why it cannot be.
    fn resolve(
        &self,
        configuration: &Configuration,
    ) -> Result<Vec<(Output, Option<Settings>)>, String> {
        let mut wanted = Vec::new();
        for (output, wish) in &configuration.heads {
            let now = self
                .outputs
                .settings(output)
                .ok_or_else(|| format!("{}: it has no mode to go by", output.name()))?;
            let variable = self.variable_refresh(output);
            let settings = wish.settings(output, now, variable)?;
            if settings.is_some()
                && let Some(wanted) = wish.variable(variable)
            {
                self.test_variable_refresh(output, wanted)?;
            }
            self.backend
                .test_setup(output, settings.map(Settings::setup))
                .map_err(|error| error.to_string())?;
            wanted.push((output.clone(), settings));
        }
        if wanted.iter().all(|(_, settings)| settings.is_none()) {
            return Err("no output would be left; one has to stay on".to_owned());
        }
        Ok(wanted)
    }

    /// Carries a configuration out, or only looks whether that could be.
    fn use_configuration(
        &mut self,
        object: &ZwlrOutputConfigurationV1,
        configuration: &mut Configuration,
        apply: bool,
    ) {
        use zwlr_output_configuration_v1::Error;
        configuration.used = true;
        let heads = &self.extensions.heads;
        let seen = seen(&self.outputs, &self.config);
        if configuration.serial != heads.serial || heads.told != seen {
            object.cancelled();
            return;
        }
        let missing = seen.iter().map(|seen| &seen.output).find(|output| {
            let mut named = configuration.heads.iter();
            !named.any(|(other, _)| other == *output)
        });
        if let Some(output) = missing {
            object.post_error(
                Error::UnconfiguredHead,
                format!("nothing is said of the head {}", output.name()),
            );
            return;
        }
        let done = self.resolve(configuration).and_then(|wanted| {
            if apply {
                self.set_up_outputs(&wanted)
                    .map_err(|error| error.to_string())
            } else {
                Ok(())
            }
        });
        match done {
            Ok(()) => object.succeeded(),
            Err(why) => {
                tracing::warn!("outputs cannot be set up as a client wants it: {why}");
                object.failed();
            }
        }
    }
}

impl GlobalDispatch<ZwlrOutputManagerV1, ()> for State {
    fn bind(
        state: &mut Self,
        _: &DisplayHandle,
        client: &Client,
        manager: New<ZwlrOutputManagerV1>,
        (): &(),
        data_init: &mut DataInit<'_, Self>,
    ) {
        let object = data_init.init(manager, ());
        let managers = &mut state.extensions.heads.managers;
        if is_full(
            managers.iter().map(|manager| manager.object.client()),
            client,
        ) {
            send_away(&object, "managers of outputs");
            return;
        }
        managers.push(Manager {
            object,
            heads: Vec::new(),
            serial: None,
        });
    }

    fn can_view(client: Client, (): &()) -> bool {
        may(&client, Privilege::Outputs)
    }
}

impl Dispatch<ZwlrOutputManagerV1, ()> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        manager: &ZwlrOutputManagerV1,
        request: zwlr_output_manager_v1::Request,
        (): &(),
        _: &DisplayHandle,
        data_init: &mut DataInit<'_, Self>,
    ) {
        match request {
            zwlr_output_manager_v1::Request::CreateConfiguration { id, serial } => {
                let configuration = Configuration {
                    serial,
                    used: false,
                    heads: Vec::new(),
                };
                data_init.init(id, Shared(Arc::new(Mutex::new(configuration))));
            }
            zwlr_output_manager_v1::Request::Stop => {
                let managers = &mut state.extensions.heads.managers;
                managers.retain(|other| other.object != *manager);
                manager.finished();
            }
            _ => {}
        }
    }

    fn destroyed(state: &mut Self, _: ClientId, manager: &ZwlrOutputManagerV1, (): &()) {
        let managers = &mut state.extensions.heads.managers;
        managers.retain(|other| other.object != *manager);
    }
}

impl Dispatch<ZwlrOutputHeadV1, Output> for State {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &ZwlrOutputHeadV1,
        _: zwlr_output_head_v1::Request,
        _: &Output,
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        // Its only request lets it go.
    }
}

impl Dispatch<ZwlrOutputModeV1, Mode> for State {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &ZwlrOutputModeV1,
        _: zwlr_output_mode_v1::Request,
        _: &Mode,
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        // Its only request lets it go.
    }
}

impl Dispatch<ZwlrOutputConfigurationV1, Shared> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        object: &ZwlrOutputConfigurationV1,
        request: zwlr_output_configuration_v1::Request,
        shared: &Shared,
        _: &DisplayHandle,
        data_init: &mut DataInit<'_, Self>,
    ) {
        use zwlr_output_configuration_v1::{Error, Request};
        let mut configuration = shared.get();
        let used = configuration.used;
        let mut name = |head: &ZwlrOutputHeadV1, on: bool| {
            let output = head.data::<Output>()?.clone();
            if configuration
                .heads
                .iter()
                .any(|(other, _)| *other == output)
            {
                object.post_error(
                    Error::AlreadyConfiguredHead,
                    format!("the head {} is named twice", output.name()),
                );
            } else {
                let wish = Wish {
                    on,
                    ..Wish::default()
                };
                configuration.heads.push((output.clone(), wish));
            }
            Some(output)
        };
        match request {
            Request::Destroy => return,
            Request::EnableHead { id, head } => {
                if let Some(output) = name(&head, true) {
                    data_init.init(
                        id,
                        ConfigurationHead {
                            configuration: shared.clone(),
                            output,
                        },
                    );
                }
            }
            Request::DisableHead { head } => {
                name(&head, false);
            }
            Request::Apply | Request::Test if !used => {
                let apply = matches!(request, Request::Apply);
                state.use_configuration(object, &mut configuration, apply);
            }
            _ => {}
        }
        if used {
            object.post_error(Error::AlreadyUsed, "a configuration is used once");
        }
    }
}

impl Dispatch<ZwlrOutputConfigurationHeadV1, ConfigurationHead> for State {
    fn request(
        _: &mut Self,
        _: &Client,
        object: &ZwlrOutputConfigurationHeadV1,
        request: zwlr_output_configuration_head_v1::Request,
        data: &ConfigurationHead,
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        use zwlr_output_configuration_head_v1::{Error, Request};
        let mut configuration = data.configuration.get();
        let mut heads = configuration.heads.iter_mut();
        let Some((_, wish)) = heads.find(|(output, _)| *output == data.output) else {
            return;
        };
        let twice = match request {
            Request::SetMode { mode } => {
                let mode = mode.data::<Mode>().copied();
                let Some(mode) = mode.filter(|mode| data.output.modes().contains(mode)) else {
                    object.post_error(Error::InvalidMode, "the mode is not one of this head");
                    return;
                };
                wish.mode.replace(mode).is_some()
            }
            Request::SetCustomMode {
                width,
                height,
                refresh,
            } => {
                if width <= 0 || height <= 0 || refresh < 0 {
                    object.post_error(
                        Error::InvalidCustomMode,
                        format!("{width}x{height} at {refresh} mHz is no mode"),
                    );
                    return;
                }
                let size = (width, height).into();
                wish.mode.replace(Mode { size, refresh }).is_some()
            }
            Request::SetPosition { x, y } => wish.position.replace((x, y).into()).is_some(),
            Request::SetTransform { transform } => {
                let WEnum::Value(transform) = transform else {
                    object.post_error(Error::InvalidTransform, "there is no such transform");
                    return;
                };
                wish.transform.replace(transform.into()).is_some()
            }
            Request::SetScale { scale } => {
                if scale.is_nan() || scale <= 0.0 {
                    object.post_error(Error::InvalidScale, format!("{scale} is no scale"));
                    return;
                }
                wish.scale.replace(scale).is_some()
            }
            Request::SetAdaptiveSync { state } => {
                let WEnum::Value(state) = state else {
                    object.post_error(Error::InvalidAdaptiveSyncState, "there is no such state");
                    return;
                };
                let on = state == AdaptiveSyncState::Enabled;
                wish.adaptive_sync.replace(on).is_some()
            }
            _ => return,
        };
        if twice {
            object.post_error(Error::AlreadySet, "a property is set once");
        }
    }
}
