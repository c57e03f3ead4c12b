//! Input as a back end of smithay's would report it, so that it takes the way that a mouse's and a touch screen's take.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use argos_compositor::State;
use argos_compositor::smithay::backend::input::{
    AbsolutePositionEvent, ButtonState, Device, DeviceCapability, Event as Timed, InputBackend,
    InputEvent, PointerButtonEvent, PointerMotionAbsoluteEvent, PointerMotionEvent, TouchDownEvent,
    TouchEvent, TouchFrameEvent, TouchMotionEvent, TouchSlot, TouchUpEvent, UnusedEvent,
};

/// What the suite's hands do.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Event {
    /// The pointer is there, in the output's pixels.
    To(f64, f64),
    /// The pointer moves by that much.
    By(f64, f64),
    /// A button by Linux's code is pressed or let go.
    Button(u32, bool),
    /// The finger touches.
    Down(f64, f64),
    /// The finger moves.
    Drag(f64, f64),
    /// The finger is lifted.
    Up,
}

/// Gives the compositor what the suite's hands do.
pub(crate) fn feed(event: Event, state: &mut State) {
    let happened = Happened { event, time: now() };
    state.process_input::<Backend>(match event {
        Event::To(..) => InputEvent::PointerMotionAbsolute { event: happened },
        Event::By(..) => InputEvent::PointerMotion { event: happened },
        Event::Button(..) => InputEvent::PointerButton { event: happened },
        Event::Down(..) => InputEvent::TouchDown { event: happened },
        Event::Drag(..) => InputEvent::TouchMotion { event: happened },
        Event::Up => InputEvent::TouchUp { event: happened },
    });
    if matches!(event, Event::Down(..) | Event::Drag(..) | Event::Up) {
        state.process_input::<Backend>(InputEvent::TouchFrame { event: happened });
    }
}

/// A touch screen is plugged in: only then is there a `wl_touch`.
pub(crate) fn touch_screen() -> InputEvent<Backend> {
    InputEvent::DeviceAdded { device: Hand }
}

/// Microseconds that only grow. The real time does not matter here, its order does.
fn now() -> u64 {
    static TIME: AtomicU64 = AtomicU64::new(1_000_000);
    TIME.fetch_add(1000, Ordering::Relaxed)
}

/// The suite's device: pointer and touch screen in one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Hand;

impl Device for Hand {
    fn id(&self) -> String {
        "wlcs".into()
    }

    fn name(&self) -> String {
        "conformance tests".into()
    }

    fn has_capability(&self, capability: DeviceCapability) -> bool {
        matches!(
            capability,
            DeviceCapability::Pointer | DeviceCapability::Touch
        )
    }

    fn usb_id(&self) -> Option<(u32, u32)> {
        None
    }

    fn syspath(&self) -> Option<PathBuf> {
        None
    }
}

/// An event and when it was.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Happened {
    event: Event,
    time: u64,
}

impl Happened {
    fn place(self) -> (f64, f64) {
        match self.event {
            Event::To(x, y) | Event::By(x, y) | Event::Down(x, y) | Event::Drag(x, y) => (x, y),
            Event::Button(..) | Event::Up => (0.0, 0.0),
        }
    }
}

impl Timed<Backend> for Happened {
    fn time(&self) -> u64 {
        self.time
    }

    fn device(&self) -> Hand {
        Hand
    }
}

impl AbsolutePositionEvent<Backend> for Happened {
    fn x(&self) -> f64 {
        self.place().0
    }

    fn y(&self) -> f64 {
        self.place().1
    }

    // The suite speaks in the output's pixels already.
    fn x_transformed(&self, _width: i32) -> f64 {
        self.place().0
    }

    fn y_transformed(&self, _height: i32) -> f64 {
        self.place().1
    }
}

impl PointerMotionAbsoluteEvent<Backend> for Happened {}

impl PointerMotionEvent<Backend> for Happened {
    fn delta_x(&self) -> f64 {
        self.place().0
    }

    fn delta_y(&self) -> f64 {
        self.place().1
    }

    fn delta_x_unaccel(&self) -> f64 {
        self.place().0
    }

    fn delta_y_unaccel(&self) -> f64 {
        self.place().1
    }
}

impl PointerButtonEvent<Backend> for Happened {
    fn button_code(&self) -> u32 {
        match self.event {
            Event::Button(code, _) => code,
            _ => 0,
        }
    }

    fn state(&self) -> ButtonState {
        match self.event {
            Event::Button(_, true) => ButtonState::Pressed,
            _ => ButtonState::Released,
        }
    }
}

impl TouchEvent<Backend> for Happened {
    fn slot(&self) -> TouchSlot {
        // The suite has one finger.
        Some(0).into()
    }
}

impl TouchDownEvent<Backend> for Happened {}
impl TouchMotionEvent<Backend> for Happened {}
impl TouchUpEvent<Backend> for Happened {}
impl TouchFrameEvent<Backend> for Happened {}

/// See the module.
#[derive(Debug)]
pub(crate) struct Backend;

impl InputBackend for Backend {
    type Device = Hand;
    type KeyboardKeyEvent = UnusedEvent;
    type PointerAxisEvent = UnusedEvent;
    type PointerButtonEvent = Happened;
    type PointerMotionEvent = Happened;
    type PointerMotionAbsoluteEvent = Happened;
    type GestureSwipeBeginEvent = UnusedEvent;
    type GestureSwipeUpdateEvent = UnusedEvent;
    type GestureSwipeEndEvent = UnusedEvent;
    type GesturePinchBeginEvent = UnusedEvent;
    type GesturePinchUpdateEvent = UnusedEvent;
    type GesturePinchEndEvent = UnusedEvent;
    type GestureHoldBeginEvent = UnusedEvent;
    type GestureHoldEndEvent = UnusedEvent;
    type TouchDownEvent = Happened;
    type TouchUpEvent = Happened;
    type TouchMotionEvent = Happened;
    type TouchCancelEvent = UnusedEvent;
    type TouchFrameEvent = Happened;
    type TabletToolAxisEvent = UnusedEvent;
    type TabletToolProximityEvent = UnusedEvent;
    type TabletToolTipEvent = UnusedEvent;
    type TabletToolButtonEvent = UnusedEvent;
    type SwitchToggleEvent = UnusedEvent;
    type SpecialEvent = UnusedEvent;
}
