//! Gamma tables: who sets them, and when they are a straight line again.

use std::{
    fs::File,
    io::Write,
    os::fd::AsFd,
    sync::{Arc, Mutex},
};

use argos_compositor::backend::headless;
use wayland_client::{Connection, Dispatch, QueueHandle, delegate_noop};
use wayland_protocols_wlr::gamma_control::v1::client::{
    zwlr_gamma_control_manager_v1::ZwlrGammaControlManagerV1,
    zwlr_gamma_control_v1::{self, ZwlrGammaControlV1},
};

use crate::fixture::{Client, Events, Fixture};

#[derive(Debug, Default)]
pub(crate) struct Heard {
    size: u32,
    failed: bool,
}

impl Dispatch<ZwlrGammaControlV1, Arc<Mutex<Heard>>> for Events {
    fn event(
        _: &mut Self,
        _: &ZwlrGammaControlV1,
        event: zwlr_gamma_control_v1::Event,
        heard: &Arc<Mutex<Heard>>,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let mut heard = heard.lock().unwrap();
        match event {
            zwlr_gamma_control_v1::Event::GammaSize { size } => heard.size = size,
            zwlr_gamma_control_v1::Event::Failed => heard.failed = true,
            _ => {}
        }
    }
}

delegate_noop!(Events: ZwlrGammaControlManagerV1);

fn control(f: &mut Fixture, client: &mut Client) -> (ZwlrGammaControlV1, Arc<Mutex<Heard>>) {
    let manager: ZwlrGammaControlManagerV1 = client.bind_version(1, ());
    let heard = Arc::default();
    let output = client.output(0);
    let control = manager.get_gamma_control(&output, &client.qh, Arc::clone(&heard));
    f.roundtrip(client);
    (control, heard)
}

fn file(table: &[u16]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    for step in table {
        file.write_all(&step.to_ne_bytes()).unwrap();
    }
    file
}

#[test]
fn a_table_is_set_by_one_and_gone_with_it() {
    let (mut f, notes) = Fixture::watched();
    notes.gamma_size.set(2);
    let mut tool = f.client();
    let (first, heard) = control(&mut f, &mut tool);
    assert_eq!(heard.lock().unwrap().size, 2);
    let table = [0, 60_000, 0, 50_000, 0, 40_000];
    first.set_gamma(file(&table).as_fd());
    f.roundtrip(&mut tool);
    assert_eq!(notes.gamma.borrow().as_deref(), Some(&table[..]));

    let mut other = f.client();
    let (late, refused) = control(&mut f, &mut other);
    assert!(refused.lock().unwrap().failed, "one at a time");
    late.set_gamma(file(&[9; 6]).as_fd());
    f.dies(other);
    assert_eq!(notes.gamma.borrow().as_deref(), Some(&table[..]));
    f.dies(tool);
    assert_eq!(*notes.gamma.borrow(), None);

    let mut tool = f.client();
    let (_control, heard) = control(&mut f, &mut tool);
    let output = f.output.clone();
    headless::remove_output(&mut f.state, &output);
    f.roundtrip(&mut tool);
    assert!(heard.lock().unwrap().failed, "its output is gone");
}

#[test]
fn an_output_without_a_table_has_no_control() {
    let mut f = Fixture::new();
    let mut tool = f.client();
    let (control, heard) = control(&mut f, &mut tool);
    assert!(heard.lock().unwrap().failed);
    control.set_gamma(file(&[0; 6]).as_fd());
    f.roundtrip(&mut tool);
}

#[test]
fn what_is_no_table_is_a_mistake() {
    let (mut f, notes) = Fixture::watched();
    notes.gamma_size.set(256);
    let mut tool = f.client();
    let (short, _) = control(&mut f, &mut tool);
    short.set_gamma(file(&[0; 100]).as_fd());
    f.is_thrown_out(tool);

    let mut tool = f.client();
    let (endless, _) = control(&mut f, &mut tool);
    let (reader, _writer) = std::io::pipe().unwrap();
    endless.set_gamma(reader.as_fd());
    f.is_thrown_out(tool);
    assert_eq!(*notes.gamma.borrow(), None);
}
