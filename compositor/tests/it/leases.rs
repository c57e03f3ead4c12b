//! Displays that programs drive by themselves: who is offered which, who gets them, when they come back.

use std::{
    rc::Rc,
    sync::{Arc, Mutex},
};

use argos_compositor::{
    backend::lease::{Card, Offer},
    config::{self, Config},
};
use wayland_client::{
    Connection, Dispatch, Proxy, QueueHandle, delegate_noop, event_created_child,
};
use wayland_protocols::wp::drm_lease::v1::client::{
    wp_drm_lease_connector_v1::{self, WpDrmLeaseConnectorV1},
    wp_drm_lease_device_v1::{self, WpDrmLeaseDeviceV1},
    wp_drm_lease_request_v1::WpDrmLeaseRequestV1,
    wp_drm_lease_v1::{self, WpDrmLeaseV1},
};

use crate::{
    fixture::{Client, Events, Fixture},
    protocols::globals::sandboxed,
    watched::Notes,
};

const GLOBAL: &str = "wp_drm_lease_device_v1";

type Shared<T> = Arc<Mutex<T>>;

#[derive(Debug, Default)]
struct Known {
    has_fd: bool,
    connectors: Vec<WpDrmLeaseConnectorV1>,
    /// How often something was told as a whole.
    done: u32,
    released: bool,
}

#[derive(Debug, Default)]
struct Display {
    name: String,
    number: u32,
    done: bool,
    withdrawn: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Lease {
    has_fd: bool,
    finished: bool,
}

impl Dispatch<WpDrmLeaseDeviceV1, Shared<Known>> for Events {
    fn event(
        _: &mut Self,
        _: &WpDrmLeaseDeviceV1,
        event: wp_drm_lease_device_v1::Event,
        known: &Shared<Known>,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use wp_drm_lease_device_v1::Event;
        let mut known = known.lock().unwrap();
        match event {
            Event::DrmFd { .. } => known.has_fd = true,
            Event::Connector { id } => {
                assert!(known.has_fd, "the descriptor comes first");
                known.connectors.push(id);
            }
            Event::Done => known.done += 1,
            Event::Released => known.released = true,
            _ => {}
        }
    }

    event_created_child!(Events, WpDrmLeaseDeviceV1, [
        wp_drm_lease_device_v1::EVT_CONNECTOR_OPCODE => (WpDrmLeaseConnectorV1, Shared::<Display>::default()),
    ]);
}

impl Dispatch<WpDrmLeaseConnectorV1, Shared<Display>> for Events {
    fn event(
        _: &mut Self,
        _: &WpDrmLeaseConnectorV1,
        event: wp_drm_lease_connector_v1::Event,
        display: &Shared<Display>,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use wp_drm_lease_connector_v1::Event;
        let mut display = display.lock().unwrap();
        match event {
            Event::Name { name } => display.name = name,
            Event::ConnectorId { connector_id } => display.number = connector_id,
            Event::Done => display.done = true,
            Event::Withdrawn => display.withdrawn = true,
            _ => {}
        }
    }
}

impl Dispatch<WpDrmLeaseV1, Shared<Lease>> for Events {
    fn event(
        _: &mut Self,
        _: &WpDrmLeaseV1,
        event: wp_drm_lease_v1::Event,
        lease: &Shared<Lease>,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let mut lease = lease.lock().unwrap();
        match event {
            wp_drm_lease_v1::Event::LeaseFd { .. } => lease.has_fd = true,
            wp_drm_lease_v1::Event::Finished => lease.finished = true,
            _ => {}
        }
    }
}

delegate_noop!(Events: WpDrmLeaseRequestV1);

const GIVEN: Lease = Lease {
    has_fd: true,
    finished: false,
};
const REFUSED: Lease = Lease {
    has_fd: false,
    finished: true,
};

fn card(id: u64, displays: &[(u32, &str)]) -> Card {
    let offer = |(connector, name): &(u32, &str)| Offer {
        connector: *connector,
        name: (*name).to_owned(),
        description: (*name).to_owned(),
    };
    Card {
        id,
        offers: displays.iter().map(offer).collect(),
        leases: Vec::new(),
    }
}

/// A compositor that gives displays away.
fn with_displays(displays: &[(u32, &str)]) -> (Fixture, Rc<Notes>) {
    let (mut f, notes) = Fixture::watched();
    *notes.cards.borrow_mut() = vec![card(1, displays)];
    f.turn();
    (f, notes)
}

/// A program that drives displays.
struct Driver {
    client: Client,
    device: WpDrmLeaseDeviceV1,
    known: Shared<Known>,
}

impl Driver {
    fn new(f: &mut Fixture) -> Self {
        let mut client = f.client();
        let known = Shared::default();
        let device = client.bind_version(1, Arc::clone(&known));
        f.roundtrip(&mut client);
        Self {
            client,
            device,
            known,
        }
    }

    /// The displays that are offered now.
    fn offered(&self) -> Vec<(u32, String)> {
        let known = self.known.lock().unwrap();
        let displays = known.connectors.iter().filter_map(|connector| {
            let display = connector.data::<Shared<Display>>().unwrap().lock().unwrap();
            assert!(display.done, "it is told as a whole");
            (!display.withdrawn).then(|| (display.number, display.name.clone()))
        });
        displays.collect()
    }

    fn connector(&self, number: u32) -> WpDrmLeaseConnectorV1 {
        let known = self.known.lock().unwrap();
        let mut connectors = known.connectors.iter().rev();
        let found = connectors.find(|connector| {
            let display = connector.data::<Shared<Display>>().unwrap().lock().unwrap();
            display.number == number
        });
        found.expect("it was offered").clone()
    }

    /// Asks for displays.
    fn ask(&mut self, f: &mut Fixture, numbers: &[u32]) -> (WpDrmLeaseV1, Shared<Lease>) {
        let lease = Shared::default();
        let request = self.device.create_lease_request(&self.client.qh, ());
        for number in numbers {
            request.request_connector(&self.connector(*number));
        }
        let object = request.submit(&self.client.qh, Arc::clone(&lease));
        f.roundtrip(&mut self.client);
        (object, lease)
    }
}

fn state_of(lease: &Shared<Lease>) -> Lease {
    *lease.lock().unwrap()
}

#[test]
fn a_display_is_given_to_one_program_until_that_lets_go_of_it() {
    let (mut f, notes) = with_displays(&[(31, "DP-1"), (32, "DP-2")]);
    let mut first = Driver::new(&mut f);
    let mut second = Driver::new(&mut f);
    let both = [(31, "DP-1".to_owned()), (32, "DP-2".to_owned())];
    assert_eq!(first.offered(), both);
    assert_eq!(first.known.lock().unwrap().done, 1);

    let (object, lease) = first.ask(&mut f, &[31]);
    assert_eq!(state_of(&lease), GIVEN);
    assert_eq!(*notes.given.borrow(), [[31]]);
    f.roundtrip(&mut second.client);
    assert_eq!(first.offered(), both[1..]);
    assert_eq!(second.offered(), both[1..]);
    assert_eq!(second.known.lock().unwrap().done, 2);

    // Who knows of it from before is refused, and goes on.
    let (_, refused) = second.ask(&mut f, &[31]);
    assert_eq!(state_of(&refused), REFUSED);
    assert_eq!(notes.given.borrow().len(), 1);

    object.destroy();
    f.roundtrip(&mut first.client);
    f.roundtrip(&mut second.client);
    assert_eq!(notes.cards.borrow()[0].leases, [0; 0]);
    assert_eq!(second.offered(), [both[1].clone(), both[0].clone()]);

    let (_, all) = second.ask(&mut f, &[31, 32]);
    assert_eq!(state_of(&all), GIVEN);
    assert!(second.offered().is_empty());
    // A program that ends gives back what it had.
    f.dies(second.client);
    f.roundtrip(&mut first.client);
    assert_eq!(first.offered(), both);
    assert_eq!(notes.cards.borrow()[0].leases, [0; 0]);
}

#[test]
fn what_the_back_end_ends_is_told_and_what_is_unplugged_is_withdrawn() {
    let (mut f, notes) = with_displays(&[(31, "DP-1")]);
    let mut driver = Driver::new(&mut f);
    let (_, lease) = driver.ask(&mut f, &[31]);
    // As another virtual terminal has the screen.
    *notes.cards.borrow_mut() = vec![card(1, &[])];
    f.roundtrip(&mut driver.client);
    let ended = Lease {
        has_fd: true,
        finished: true,
    };
    assert_eq!(state_of(&lease), ended);
    assert!(driver.offered().is_empty());

    *notes.cards.borrow_mut() = vec![card(1, &[(31, "DP-1")])];
    f.roundtrip(&mut driver.client);
    assert_eq!(driver.offered(), [(31, "DP-1".to_owned())]);
    let (_, again) = driver.ask(&mut f, &[31]);
    assert_eq!(state_of(&again), GIVEN);

    // The card itself goes.
    notes.cards.borrow_mut().clear();
    f.roundtrip(&mut driver.client);
    assert!(state_of(&again).finished && driver.known.lock().unwrap().released);
    assert_eq!(f.client().offered(GLOBAL), None);
}

#[test]
fn a_locked_session_gives_no_display_and_takes_none_back() {
    let (mut f, notes) = with_displays(&[(31, "DP-1"), (32, "DP-2")]);
    let mut driver = Driver::new(&mut f);
    let (_, before) = driver.ask(&mut f, &[31]);
    let folder = tempfile::tempdir().unwrap();
    f.state.allow_lock(|| {}, folder.path().join("locked"));
    f.chord(&[125, 38]);
    assert!(f.state.is_locked());
    let (_, refused) = driver.ask(&mut f, &[32]);
    assert_eq!(state_of(&refused), REFUSED);
    assert_eq!(state_of(&before), GIVEN);
    assert_eq!(*notes.given.borrow(), [[31]]);
}

#[test]
fn cards_are_apart() {
    let (mut f, notes) = with_displays(&[(31, "DP-1")]);
    let mut driver = Driver::new(&mut f);
    notes.cards.borrow_mut().push(card(2, &[(31, "DP-3")]));
    f.roundtrip(&mut driver.client);
    assert_eq!(driver.offered(), [(31, "DP-1".to_owned())]);
    let (_, lease) = driver.ask(&mut f, &[31]);
    assert_eq!(state_of(&lease), GIVEN);
    let cards = notes.cards.borrow();
    assert_eq!((cards[0].leases.len(), cards[1].leases.len()), (1, 0));
}

#[test]
fn mistakes_end_the_client() {
    let (mut f, _notes) = with_displays(&[(31, "DP-1")]);
    let mistakes: [(fn(&Driver), u32); 2] = [
        (
            |driver| {
                let request = driver.device.create_lease_request(&driver.client.qh, ());
                request.request_connector(&driver.connector(31));
                request.request_connector(&driver.connector(31));
            },
            1,
        ),
        (
            |driver| {
                let request = driver.device.create_lease_request(&driver.client.qh, ());
                request.submit(&driver.client.qh, Shared::<Lease>::default());
            },
            2,
        ),
    ];
    for (mistake, code) in mistakes {
        let driver = Driver::new(&mut f);
        mistake(&driver);
        assert_eq!(f.is_thrown_out(driver.client).code, code);
    }
}

#[test]
fn a_sandboxed_program_sees_no_card() {
    let (mut f, _notes) = with_displays(&[(31, "DP-1")]);
    let mut engine = f.client();
    assert_eq!(engine.offered(GLOBAL), Some(1));
    let (client, _open) = sandboxed(&mut f, &mut engine);
    assert_eq!(client.offered(GLOBAL), None);
}

#[test]
fn the_settings_say_which_outputs_are_given_away() {
    let (mut f, notes) = Fixture::watched();
    let mut config = Config::default();
    let given = config::Output {
        lease: Some(true),
        ..config::Output::default()
    };
    config.outputs.insert("DP-1".into(), given);
    config
        .outputs
        .insert("DP-2".into(), config::Output::default());
    f.state.apply_settings(config);
    let wanted = notes.wanted_leases.borrow().clone();
    assert_eq!(
        wanted.into_iter().collect::<Vec<_>>(),
        [("DP-1".to_owned(), true)]
    );
    f.state.apply_settings(Config::default());
    assert!(notes.wanted_leases.borrow().is_empty());
}
