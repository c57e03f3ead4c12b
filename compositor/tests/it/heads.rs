//! Outputs that are set up by clients: what they are told, what they can change, what they cannot.

use std::sync::{Arc, Mutex};

use argos_compositor::backend::headless;
use wayland_client::{
    Connection, Dispatch, Proxy, QueueHandle, delegate_noop, event_created_child,
    protocol::wl_output::Transform,
};
use wayland_protocols_wlr::output_management::v1::client::{
    zwlr_output_configuration_head_v1::ZwlrOutputConfigurationHeadV1,
    zwlr_output_configuration_v1::{self, ZwlrOutputConfigurationV1},
    zwlr_output_head_v1::{self, AdaptiveSyncState, ZwlrOutputHeadV1},
    zwlr_output_manager_v1::{self, ZwlrOutputManagerV1},
    zwlr_output_mode_v1::{self, ZwlrOutputModeV1},
};

use crate::fixture::{Client, Events, Fixture};

const RED: u32 = 0xc0_2020;

type Shared<T> = Arc<Mutex<T>>;

#[derive(Debug, Default)]
struct Known {
    heads: Vec<ZwlrOutputHeadV1>,
    serial: u32,
    /// How often something was told as a whole.
    done: u32,
    finished: bool,
}

#[derive(Debug, Default, Clone)]
struct Head {
    name: String,
    enabled: bool,
    modes: Vec<ZwlrOutputModeV1>,
    current: Option<ZwlrOutputModeV1>,
    position: (i32, i32),
    transform: Option<Transform>,
    scale: f64,
    adaptive: Option<AdaptiveSyncState>,
    finished: bool,
}

#[derive(Debug, Default, Clone)]
struct Mode {
    size: (i32, i32),
    preferred: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Succeeded,
    Failed,
    Cancelled,
}

impl Dispatch<ZwlrOutputManagerV1, Shared<Known>> for Events {
    fn event(
        _: &mut Self,
        _: &ZwlrOutputManagerV1,
        event: zwlr_output_manager_v1::Event,
        known: &Shared<Known>,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use zwlr_output_manager_v1::Event;
        let mut known = known.lock().unwrap();
        match event {
            Event::Head { head } => known.heads.push(head),
            Event::Done { serial } => {
                known.serial = serial;
                known.done += 1;
            }
            Event::Finished => known.finished = true,
            _ => {}
        }
    }

    event_created_child!(Events, ZwlrOutputManagerV1, [
        zwlr_output_manager_v1::EVT_HEAD_OPCODE => (ZwlrOutputHeadV1, Shared::<Head>::default()),
    ]);
}

impl Dispatch<ZwlrOutputHeadV1, Shared<Head>> for Events {
    fn event(
        _: &mut Self,
        _: &ZwlrOutputHeadV1,
        event: zwlr_output_head_v1::Event,
        head: &Shared<Head>,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use zwlr_output_head_v1::Event;
        let mut head = head.lock().unwrap();
        match event {
            Event::Name { name } => head.name = name,
            Event::Enabled { enabled } => head.enabled = enabled != 0,
            Event::Mode { mode } => head.modes.push(mode),
            Event::CurrentMode { mode } => head.current = Some(mode),
            Event::Position { x, y } => head.position = (x, y),
            Event::Transform { transform } => head.transform = transform.into_result().ok(),
            Event::Scale { scale } => head.scale = scale,
            Event::AdaptiveSync { state } => head.adaptive = state.into_result().ok(),
            Event::Finished => head.finished = true,
            _ => {}
        }
    }

    event_created_child!(Events, ZwlrOutputHeadV1, [
        zwlr_output_head_v1::EVT_MODE_OPCODE => (ZwlrOutputModeV1, Shared::<Mode>::default()),
    ]);
}

impl Dispatch<ZwlrOutputModeV1, Shared<Mode>> for Events {
    fn event(
        _: &mut Self,
        _: &ZwlrOutputModeV1,
        event: zwlr_output_mode_v1::Event,
        mode: &Shared<Mode>,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use zwlr_output_mode_v1::Event;
        let mut mode = mode.lock().unwrap();
        match event {
            Event::Size { width, height } => mode.size = (width, height),
            Event::Preferred => mode.preferred = true,
            _ => {}
        }
    }
}

impl Dispatch<ZwlrOutputConfigurationV1, Shared<Option<Answer>>> for Events {
    fn event(
        _: &mut Self,
        _: &ZwlrOutputConfigurationV1,
        event: zwlr_output_configuration_v1::Event,
        answer: &Shared<Option<Answer>>,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use zwlr_output_configuration_v1::Event;
        let mut answer = answer.lock().unwrap();
        assert_eq!(*answer, None, "it is answered once");
        *answer = Some(match event {
            Event::Succeeded => Answer::Succeeded,
            Event::Failed => Answer::Failed,
            Event::Cancelled => Answer::Cancelled,
            _ => return,
        });
    }
}

delegate_noop!(Events: ZwlrOutputConfigurationHeadV1);

/// A client that sets outputs up.
struct Tool {
    client: Client,
    manager: ZwlrOutputManagerV1,
    known: Shared<Known>,
}

/// A configuration that is being made.
struct Plan {
    configuration: ZwlrOutputConfigurationV1,
    answer: Shared<Option<Answer>>,
}

impl Tool {
    fn new(f: &mut Fixture) -> Self {
        let mut client = f.client();
        let known = Shared::default();
        let manager = client.bind_version(4, Arc::clone(&known));
        f.roundtrip(&mut client);
        Self {
            client,
            manager,
            known,
        }
    }

    fn object(&self, name: &str) -> ZwlrOutputHeadV1 {
        let known = self.known.lock().unwrap();
        let mut heads = known.heads.iter();
        let found = heads.find(|head| {
            let head = head.data::<Shared<Head>>().unwrap().lock().unwrap();
            head.name == name && !head.finished
        });
        found.unwrap_or_else(|| panic!("no head {name}")).clone()
    }

    fn head(&self, name: &str) -> Head {
        let object = self.object(name);
        object
            .data::<Shared<Head>>()
            .unwrap()
            .lock()
            .unwrap()
            .clone()
    }

    fn size(&self, name: &str) -> (i32, i32) {
        let mode = self.head(name).current.expect("it has a mode");
        mode.data::<Shared<Mode>>().unwrap().lock().unwrap().size
    }

    /// The mode of a head that has this size.
    fn mode(&self, name: &str, size: (i32, i32)) -> ZwlrOutputModeV1 {
        let modes = self.head(name).modes.into_iter();
        modes
            .into_iter()
            .find(|mode| mode.data::<Shared<Mode>>().unwrap().lock().unwrap().size == size)
            .expect("a mode of that size")
    }

    fn done(&self) -> u32 {
        self.known.lock().unwrap().done
    }

    fn plan(&self) -> Plan {
        let answer = Shared::default();
        let serial = self.known.lock().unwrap().serial;
        let qh = &self.client.qh;
        Plan {
            configuration: self
                .manager
                .create_configuration(serial, qh, Arc::clone(&answer)),
            answer,
        }
    }

    fn enable(&self, plan: &Plan, name: &str) -> ZwlrOutputConfigurationHeadV1 {
        let head = self.object(name);
        plan.configuration.enable_head(&head, &self.client.qh, ())
    }

    fn apply(&mut self, f: &mut Fixture, plan: &Plan) -> Answer {
        plan.configuration.apply();
        f.roundtrip(&mut self.client);
        plan.answer.lock().unwrap().expect("it is answered")
    }

    fn test(&mut self, f: &mut Fixture, plan: &Plan) -> Answer {
        plan.configuration.test();
        f.roundtrip(&mut self.client);
        plan.answer.lock().unwrap().expect("it is answered")
    }
}

#[test]
fn a_tool_is_told_what_outputs_are_and_what_changes() {
    let mut f = Fixture::new();
    let mut tool = Tool::new(&mut f);
    let head = tool.head("one");
    assert!(head.enabled);
    assert_eq!(tool.size("one"), (1280, 800));
    assert_eq!((head.position, head.scale), ((0, 0), 1.0));
    assert_eq!(head.transform, Some(Transform::Normal));
    assert_eq!(tool.done(), 1);
    f.pointer(10.0, 10.0);
    f.roundtrip(&mut tool.client);
    assert_eq!(tool.done(), 1, "nothing is new");

    let second = headless::add_output(&mut f.state, "two", 640, 480);
    f.roundtrip(&mut tool.client);
    assert_eq!((tool.head("two").position, tool.done()), ((1280, 0), 2));
    headless::remove_output(&mut f.state, &second);
    f.roundtrip(&mut tool.client);
    let known = tool.known.lock().unwrap();
    let gone = known.heads[1].data::<Shared<Head>>().unwrap();
    assert!(gone.lock().unwrap().finished);
    drop(known);
    tool.manager.stop();
    f.roundtrip(&mut tool.client);
    assert!(tool.known.lock().unwrap().finished);
}

#[test]
fn mode_scale_place_and_turn_are_changed_and_windows_follow() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let big = f.window(&mut client, "big", (400, 300), RED);
    big.toplevel.set_maximized();
    f.roundtrip(&mut client);
    let mut tool = Tool::new(&mut f);

    let plan = tool.plan();
    let head = tool.enable(&plan, "one");
    head.set_scale(2.0);
    head.set_custom_mode(1600, 1200, 0);
    assert_eq!(tool.test(&mut f, &plan), Answer::Succeeded);
    assert_eq!(tool.size("one"), (1280, 800), "a test changes nothing");

    let plan = tool.plan();
    let head = tool.enable(&plan, "one");
    head.set_scale(2.0);
    head.set_custom_mode(1600, 1200, 0);
    assert_eq!(tool.apply(&mut f, &plan), Answer::Succeeded);
    f.roundtrip(&mut client);
    assert_eq!(client.configured(&big).0, (800, 600));
    assert_eq!(
        (tool.size("one"), tool.head("one").scale),
        ((1600, 1200), 2.0)
    );
    let picture = f.state.screenshot(&f.output.clone()).unwrap();
    assert_eq!((picture.width, picture.height), (1600, 1200));

    // Back to one of its own modes, turned.
    let plan = tool.plan();
    let head = tool.enable(&plan, "one");
    head.set_mode(&tool.mode("one", (1280, 800)));
    head.set_scale(1.0);
    head.set_transform(Transform::_90);
    head.set_position(-100, 50);
    head.set_adaptive_sync(AdaptiveSyncState::Disabled);
    assert_eq!(tool.apply(&mut f, &plan), Answer::Succeeded);
    f.roundtrip(&mut client);
    assert_eq!(client.configured(&big).0, (800, 1280));
    let head = tool.head("one");
    assert_eq!(head.transform, Some(Transform::_90));
    assert_eq!(head.position, (-100, 50));
    let picture = f.state.screenshot(&f.output.clone()).unwrap();
    assert_eq!((picture.width, picture.height), (800, 1280), "upright");

    // One that comes stands beside it; what is not named stays.
    headless::add_output(&mut f.state, "two", 640, 480);
    f.roundtrip(&mut tool.client);
    assert_eq!(tool.head("two").position.0, 700);
    let plan = tool.plan();
    tool.enable(&plan, "one");
    tool.enable(&plan, "two").set_position(700, 50);
    assert_eq!(tool.apply(&mut f, &plan), Answer::Succeeded);
    assert_eq!(tool.head("one").position, (-100, 50));
    assert_eq!(tool.head("two").position, (700, 50));
}

#[test]
fn an_output_is_switched_off_and_on_again_but_never_the_last() {
    let mut f = Fixture::new();
    let mut client = f.client();
    headless::add_output(&mut f.state, "two", 640, 480);
    f.turn();
    let big = f.window(&mut client, "big", (400, 300), RED);
    big.toplevel.set_maximized();
    f.roundtrip(&mut client);
    let mut tool = Tool::new(&mut f);

    let plan = tool.plan();
    plan.configuration.disable_head(&tool.object("one"));
    tool.enable(&plan, "two");
    assert_eq!(tool.apply(&mut f, &plan), Answer::Succeeded);
    f.roundtrip(&mut client);
    assert!(!tool.head("one").enabled && tool.head("two").enabled);
    assert_eq!(tool.head("two").position, (0, 0));
    assert_eq!(client.configured(&big).0, (640, 480));
    assert_eq!(f.state.output_list().len(), 1);

    let plan = tool.plan();
    plan.configuration.disable_head(&tool.object("one"));
    plan.configuration.disable_head(&tool.object("two"));
    assert_eq!(tool.apply(&mut f, &plan), Answer::Failed);
    assert!(tool.head("two").enabled);

    let plan = tool.plan();
    tool.enable(&plan, "one").set_position(640, 0);
    tool.enable(&plan, "two");
    assert_eq!(tool.apply(&mut f, &plan), Answer::Succeeded);
    assert!(tool.head("one").enabled);
    assert_eq!(tool.head("one").position, (640, 0));
    assert_eq!(f.state.output_list().len(), 2);
    let output = f.output.clone();
    assert_eq!(f.state.screenshot(&output).unwrap().width, 1280);

    // One that is off can be unplugged like any other.
    let plan = tool.plan();
    plan.configuration.disable_head(&tool.object("one"));
    tool.enable(&plan, "two");
    assert_eq!(tool.apply(&mut f, &plan), Answer::Succeeded);
    headless::remove_output(&mut f.state, &output);
    f.roundtrip(&mut tool.client);
    let known = tool.known.lock().unwrap();
    let finished = known.heads.iter().filter(|head| {
        let head = head.data::<Shared<Head>>().unwrap();
        head.lock().unwrap().finished
    });
    assert_eq!(finished.count(), 1);
}

#[test]
fn who_knows_too_little_is_cancelled() {
    let mut f = Fixture::new();
    let mut tool = Tool::new(&mut f);
    let stale = tool.plan();
    tool.enable(&stale, "one").set_scale(2.0);
    let output = f.output.clone();
    headless::resize_output(&mut f.state, &output, 1920, 1080);
    assert_eq!(tool.apply(&mut f, &stale), Answer::Cancelled);
    assert_eq!(tool.head("one").scale, 1.0);

    // Two at once: the first changes what the second was made for.
    let (first, second) = (tool.plan(), tool.plan());
    tool.enable(&first, "one").set_scale(1.5);
    tool.enable(&second, "one").set_scale(2.0);
    first.configuration.apply();
    assert_eq!(tool.apply(&mut f, &second), Answer::Cancelled);
    assert_eq!(*first.answer.lock().unwrap(), Some(Answer::Succeeded));
    assert_eq!(tool.head("one").scale, 1.5);
}

#[test]
fn what_cannot_be_fails_and_leaves_everything_as_it_was() {
    let mut f = Fixture::new();
    headless::add_output(&mut f.state, "two", 640, 480);
    f.turn();
    let mut tool = Tool::new(&mut f);
    let before = tool.done();
    let wishes: [fn(&ZwlrOutputConfigurationHeadV1); 4] = [
        |head| head.set_scale(40.0),
        |head| head.set_custom_mode(1 << 20, 600, 0),
        |head| head.set_position(i32::MAX, 0),
        |head| head.set_adaptive_sync(AdaptiveSyncState::Enabled),
    ];
    for wish in wishes {
        let plan = tool.plan();
        tool.enable(&plan, "one").set_scale(2.0);
        wish(&tool.enable(&plan, "two"));
        assert_eq!(tool.apply(&mut f, &plan), Answer::Failed);
    }
    assert_eq!(tool.done(), before, "nothing changed");
    assert_eq!(tool.head("one").scale, 1.0);
}

#[test]
fn adaptive_sync_is_told_and_switched_where_a_display_can() {
    use argos_compositor::refresh::{Ability, VariableRefresh};
    let (mut f, notes) = Fixture::watched();
    let mut tool = Tool::new(&mut f);
    let ask = |f: &mut Fixture, tool: &mut Tool, state| {
        let plan = tool.plan();
        tool.enable(&plan, "one").set_adaptive_sync(state);
        tool.apply(f, &plan)
    };
    let (on, off) = (AdaptiveSyncState::Enabled, AdaptiveSyncState::Disabled);
    assert_eq!(ask(&mut f, &mut tool, on), Answer::Failed);
    assert_eq!(tool.head("one").adaptive, Some(off));
    notes.ability.set(Ability::Seamless);
    assert_eq!(ask(&mut f, &mut tool, on), Answer::Succeeded);
    assert_eq!(tool.head("one").adaptive, Some(on));
    assert_eq!(f.state.shown_on_bus().outputs[0].variable_refresh, "on");
    assert_eq!(*notes.varied.borrow(), [true]);
    assert_eq!(ask(&mut f, &mut tool, off), Answer::Succeeded);
    assert_eq!(tool.head("one").adaptive, Some(off));
    assert_eq!(*notes.varied.borrow(), [true, false]);

    // Who leaves on what is on at times leaves it so.
    let mut config = argos_compositor::config::Config::default();
    let output = config.outputs.entry("one".into()).or_default();
    output.variable_refresh = VariableRefresh::Automatic;
    f.state.apply_settings(config);
    f.roundtrip(&mut tool.client);
    assert_eq!(tool.head("one").adaptive, Some(on));
    assert_eq!(ask(&mut f, &mut tool, on), Answer::Succeeded);
    let told = f.state.shown_on_bus().outputs.remove(0);
    assert_eq!(told.variable_refresh, "automatic");
}

#[test]
fn mistakes_end_the_client() {
    let mut f = Fixture::new();
    headless::add_output(&mut f.state, "two", 640, 480);
    f.turn();
    let mistakes: [fn(&Tool, &Plan); 7] = [
        |tool, plan| {
            tool.enable(plan, "one");
            tool.enable(plan, "one");
        },
        |tool, plan| {
            tool.enable(plan, "one");
            plan.configuration.apply();
        },
        |tool, plan| {
            tool.enable(plan, "one");
            tool.enable(plan, "two");
            plan.configuration.test();
            plan.configuration.apply();
        },
        |tool, plan| {
            let head = tool.enable(plan, "one");
            head.set_scale(1.0);
            head.set_scale(1.0);
        },
        |tool, plan| tool.enable(plan, "one").set_scale(-1.0),
        |tool, plan| tool.enable(plan, "one").set_custom_mode(0, 100, 0),
        |tool, plan| {
            tool.enable(plan, "one")
                .set_mode(&tool.mode("two", (640, 480)));
        },
    ];
    for mistake in mistakes {
        let tool = Tool::new(&mut f);
        let plan = tool.plan();
        mistake(&tool, &plan);
        f.is_thrown_out(tool.client);
    }
}
