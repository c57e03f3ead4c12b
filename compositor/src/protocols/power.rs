//! `wlr-output-power-management-unstable-v1`: screens that go dark and come back, as swayidle and wlopm ask
//! for it.
//!
//! A dark output keeps its place, its windows and its global; it is only not driven. A copy of what would be
//! on it is made; one that waits for a change waits until it is lit.

use smithay::{
    output::Output,
    reexports::{
        wayland_protocols_wlr::output_power_management::v1::server::{
            zwlr_output_power_manager_v1::{self, ZwlrOutputPowerManagerV1},
            zwlr_output_power_v1::{self, Mode, ZwlrOutputPowerV1},
        },
        wayland_server::{
            Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource, WEnum,
            backend::ClientId,
        },
    },
};

use super::{
    extensions::{is_full, send_away},
    sandbox::{Privilege, may},
};
use crate::state::State;

const VERSION: u32 = 1;

pub(super) fn create_global(dh: &DisplayHandle) {
    dh.create_global::<State, ZwlrOutputPowerManagerV1, ()>(VERSION, ());
}

/// Who is told whether outputs are dark.
#[derive(Debug, Default)]
pub(crate) struct Powers(Vec<Power>);

#[derive(Debug)]
struct Power {
    object: ZwlrOutputPowerV1,
    output: Output,
    /// Nothing yet, or whether it is dark.
    told: Option<bool>,
}

impl State {
    /// Tells who asked for it which outputs are dark by now.
    pub(super) fn tell_powers(&mut self) {
        let outputs = &self.outputs;
        self.extensions.powers.0.retain_mut(|power| {
            let Some(dark) = outputs.is_dark(&power.output) else {
                power.object.failed();
                return false;
            };
            if power.told.replace(dark) != Some(dark) {
                power.object.mode(if dark { Mode::Off } else { Mode::On });
            }
            true
        });
    }
}

impl GlobalDispatch<ZwlrOutputPowerManagerV1, ()> for State {
    fn bind(
        _: &mut Self,
        _: &DisplayHandle,
        _: &Client,
        manager: New<ZwlrOutputPowerManagerV1>,
        (): &(),
        data_init: &mut DataInit<'_, Self>,
    ) {
        data_init.init(manager, ());
    }

    fn can_view(client: Client, (): &()) -> bool {
        may(&client, Privilege::Outputs)
    }
}

impl Dispatch<ZwlrOutputPowerManagerV1, ()> for State {
    fn request(
        state: &mut Self,
        client: &Client,
        _: &ZwlrOutputPowerManagerV1,
        request: zwlr_output_power_manager_v1::Request,
        (): &(),
        _: &DisplayHandle,
        data_init: &mut DataInit<'_, Self>,
    ) {
        let zwlr_output_power_manager_v1::Request::GetOutputPower { id, output } = request else {
            return;
        };
        let object = data_init.init(id, ());
        let powers = &mut state.extensions.powers.0;
        if is_full(powers.iter().map(|power| power.object.client()), client) {
            send_away(&object, "controls of outputs");
            return;
        }
        match Output::from_resource(&output) {
            Some(output) => powers.push(Power {
                object,
                output,
                told: None,
            }),
            None => object.failed(),
        }
    }
}

impl Dispatch<ZwlrOutputPowerV1, ()> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        object: &ZwlrOutputPowerV1,
        request: zwlr_output_power_v1::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        let zwlr_output_power_v1::Request::SetMode { mode } = request else {
            return;
        };
        let WEnum::Value(mode) = mode else {
            object.post_error(
                zwlr_output_power_v1::Error::InvalidMode,
                "there is no such mode",
            );
            return;
        };
        let mut powers = state.extensions.powers.0.iter();
        let power = powers.find(|power| power.object == *object);
        // An object that failed does nothing more.
        let Some(output) = power.map(|power| power.output.clone()) else {
            return;
        };
        if let Err(error) = state.set_dark(&output, mode == Mode::Off) {
            tracing::warn!("{error}");
            object.failed();
            state
                .extensions
                .powers
                .0
                .retain(|power| power.object != *object);
        }
    }

    fn destroyed(state: &mut Self, _: ClientId, object: &ZwlrOutputPowerV1, (): &()) {
        state
            .extensions
            .powers
            .0
            .retain(|power| power.object != *object);
    }
}
