//! `wlr-gamma-control-unstable-v1`: warmer colours at night, as gammastep and wlsunset set them.
//!
//! One control at a time has an output's gamma table. When it goes, by its client's will or with its client,
//! the table is a straight line again. Copies of the screen are made before the table, so it is not in them.

use std::{
    fs::File,
    io,
    os::{fd::OwnedFd, unix::fs::FileExt},
};

use smithay::{
    output::Output,
    reexports::{
        wayland_protocols_wlr::gamma_control::v1::server::{
            zwlr_gamma_control_manager_v1::{self, ZwlrGammaControlManagerV1},
            zwlr_gamma_control_v1::{self, ZwlrGammaControlV1},
        },
        wayland_server::{
            Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource,
            backend::ClientId,
        },
    },
};

use super::sandbox::{Privilege, may};
use crate::state::State;

const VERSION: u32 = 1;

pub(super) fn create_global(dh: &DisplayHandle) {
    dh.create_global::<State, ZwlrGammaControlManagerV1, ()>(VERSION, ());
}

/// The controls that have a table, one for each output at most.
#[derive(Debug, Default)]
pub(crate) struct Gammas(Vec<Control>);

#[derive(Debug)]
struct Control {
    object: ZwlrGammaControlV1,
    output: Output,
    /// Steps of a ramp.
    size: u32,
}

impl Gammas {
    /// Whether a control has the table of an output.
    pub(crate) fn has(&self, output: &Output) -> bool {
        self.0.iter().any(|control| control.output == *output)
    }
}

impl State {
    /// Tells controls of outputs that are gone.
    pub(super) fn tell_gammas(&mut self) {
        let outputs = &self.outputs;
        self.extensions.gammas.0.retain(|control| {
            let output = &control.output;
            let there = outputs.index_of(output).is_some() || outputs.off().contains(output);
            if !there {
                control.object.failed();
            }
            there
        });
    }

    /// Takes the table away from a control, if it has one.
    fn end_gamma(&mut self, object: &ZwlrGammaControlV1) {
        let controls = &mut self.extensions.gammas.0;
        let Some(index) = controls
            .iter()
            .position(|control| control.object == *object)
        else {
            return;
        };
        let control = controls.swap_remove(index);
        if let Err(error) = self.backend.set_gamma(&control.output, None) {
            tracing::warn!("{error}");
        }
        self.rewarm_outputs();
    }
}

/// Reads a table of three ramps of `size` steps.
fn read(file: OwnedFd, size: u32) -> io::Result<Vec<u16>> {
    let file = File::from(file);
    // Whoever waited for a pipe would wait for its client.
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut bytes = vec![0; size as usize * 3 * size_of::<u16>()];
    file.read_exact_at(&mut bytes, 0)?;
    let steps = bytes.chunks_exact(size_of::<u16>());
    Ok(steps
        .map(|step| u16::from_ne_bytes([step[0], step[1]]))
        .collect())
}

impl GlobalDispatch<ZwlrGammaControlManagerV1, ()> for State {
    fn bind(
        _: &mut Self,
        _: &DisplayHandle,
        _: &Client,
        manager: New<ZwlrGammaControlManagerV1>,
        (): &(),
        data_init: &mut DataInit<'_, Self>,
    ) {
        data_init.init(manager, ());
    }

    fn can_view(client: Client, (): &()) -> bool {
        may(&client, Privilege::Outputs)
    }
}

impl Dispatch<ZwlrGammaControlManagerV1, ()> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        _: &ZwlrGammaControlManagerV1,
        request: zwlr_gamma_control_manager_v1::Request,
        (): &(),
        _: &DisplayHandle,
        data_init: &mut DataInit<'_, Self>,
    ) {
        let zwlr_gamma_control_manager_v1::Request::GetGammaControl { id, output } = request else {
            return;
        };
        let object = data_init.init(id, ());
        let controls = &mut state.extensions.gammas.0;
        let output = Output::from_resource(&output)
            .filter(|output| controls.iter().all(|control| control.output != *output));
        let size = output
            .as_ref()
            .map_or(0, |output| state.backend.gamma_size(output));
        match output {
            Some(output) if size > 0 => {
                object.gamma_size(size);
                controls.push(Control {
                    object,
                    output,
                    size,
                });
                // The table is the client's from now on; what it had is the client's to change.
                state.rewarm_outputs();
            }
            _ => object.failed(),
        }
    }
}

impl Dispatch<ZwlrGammaControlV1, ()> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        object: &ZwlrGammaControlV1,
        request: zwlr_gamma_control_v1::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        let zwlr_gamma_control_v1::Request::SetGamma { fd } = request else {
            return;
        };
        let mut controls = state.extensions.gammas.0.iter();
        // A control that failed does nothing more.
        let Some(control) = controls.find(|control| control.object == *object) else {
            return;
        };
        let table = match read(fd, control.size) {
            Ok(table) => table,
            Err(error) => {
                object.post_error(
                    zwlr_gamma_control_v1::Error::InvalidGamma,
                    format!("no table of three times {} steps: {error}", control.size),
                );
                return;
            }
        };
        if let Err(error) = state.backend.set_gamma(&control.output, Some(&table)) {
            tracing::warn!("{error}");
            object.failed();
            state.end_gamma(object);
        }
    }

    fn destroyed(state: &mut Self, _: ClientId, object: &ZwlrGammaControlV1, (): &()) {
        state.end_gamma(object);
    }
}
