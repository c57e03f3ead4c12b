//! Input devices that do not exist, with events as libinput's.

use std::path::PathBuf;

use argos_compositor::smithay::backend::input::{
    AbsolutePositionEvent, Axis, AxisRelativeDirection, AxisSource, Device, DeviceCapability,
    Event, GestureBeginEvent, GestureEndEvent, GestureSwipeBeginEvent, GestureSwipeEndEvent,
    GestureSwipeUpdateEvent, InputBackend, InputEvent, PointerAxisEvent, PointerMotionEvent,
    ProximityState, TabletToolAxisEvent, TabletToolCapabilities, TabletToolDescriptor,
    TabletToolEvent, TabletToolProximityEvent, TabletToolTipEvent, TabletToolTipState,
    TabletToolType, TouchDownEvent, TouchEvent, TouchSlot, UnusedEvent,
};

use crate::fixture::Fixture;

#[derive(Debug)]
pub(crate) struct Fake;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Surface {
    Tablet,
    Screen,
}

impl Device for Surface {
    fn id(&self) -> String {
        self.name()
    }
    fn name(&self) -> String {
        format!("{self:?}")
    }
    fn has_capability(&self, capability: DeviceCapability) -> bool {
        let own = match self {
            Self::Tablet => DeviceCapability::TabletTool,
            Self::Screen => DeviceCapability::Touch,
        };
        capability == own
    }
    fn usb_id(&self) -> Option<(u32, u32)> {
        None
    }
    fn syspath(&self) -> Option<PathBuf> {
        None
    }
}

/// The mouse moved by so much.
#[derive(Debug)]
pub(crate) struct Moved(f64, f64);
/// The wheel was turned so many steps down.
#[derive(Debug)]
pub(crate) struct Turned(f64);
/// A finger was put down, in parts of the screen.
#[derive(Debug)]
pub(crate) struct Touched(f64, f64);
#[derive(Debug)]
pub(crate) struct SwipeBegins(u32);
#[derive(Debug)]
pub(crate) struct Swipes(f64, f64);
#[derive(Debug)]
pub(crate) struct SwipeEnds;

/// Where the pen is, in parts of the tablet, and how hard it presses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pen {
    pub(crate) at: (f64, f64),
    pub(crate) pressure: f64,
    pub(crate) near: bool,
    pub(crate) down: bool,
}

macro_rules! events {
    ($($event:ty),*) => {
        $(impl Event<Fake> for $event {
            fn time(&self) -> u64 {
                1_000_000
            }
            fn device(&self) -> Surface {
                Surface::Tablet
            }
        })*
    };
}
events!(Moved, Turned, Touched, SwipeBegins, Swipes, SwipeEnds, Pen);

impl PointerMotionEvent<Fake> for Moved {
    fn delta_x(&self) -> f64 {
        self.0
    }
    fn delta_y(&self) -> f64 {
        self.1
    }
    fn delta_x_unaccel(&self) -> f64 {
        self.0 / 2.0
    }
    fn delta_y_unaccel(&self) -> f64 {
        self.1 / 2.0
    }
}

impl PointerAxisEvent<Fake> for Turned {
    fn amount(&self, _: Axis) -> Option<f64> {
        None
    }
    fn amount_v120(&self, axis: Axis) -> Option<f64> {
        (axis == Axis::Vertical).then_some(self.0 * 120.0)
    }
    fn source(&self) -> AxisSource {
        AxisSource::Wheel
    }
    fn relative_direction(&self, _: Axis) -> AxisRelativeDirection {
        AxisRelativeDirection::Identical
    }
}

impl TouchEvent<Fake> for Touched {
    fn slot(&self) -> TouchSlot {
        Some(0).into()
    }
}
impl AbsolutePositionEvent<Fake> for Touched {
    fn x(&self) -> f64 {
        self.0
    }
    fn y(&self) -> f64 {
        self.1
    }
    fn x_transformed(&self, width: i32) -> f64 {
        self.0 * f64::from(width)
    }
    fn y_transformed(&self, height: i32) -> f64 {
        self.1 * f64::from(height)
    }
}
impl TouchDownEvent<Fake> for Touched {}

impl GestureBeginEvent<Fake> for SwipeBegins {
    fn fingers(&self) -> u32 {
        self.0
    }
}
impl GestureSwipeBeginEvent<Fake> for SwipeBegins {}
impl GestureSwipeUpdateEvent<Fake> for Swipes {
    fn delta_x(&self) -> f64 {
        self.0
    }
    fn delta_y(&self) -> f64 {
        self.1
    }
}
impl GestureEndEvent<Fake> for SwipeEnds {
    fn cancelled(&self) -> bool {
        false
    }
}
impl GestureSwipeEndEvent<Fake> for SwipeEnds {}

impl AbsolutePositionEvent<Fake> for Pen {
    fn x(&self) -> f64 {
        self.at.0
    }
    fn y(&self) -> f64 {
        self.at.1
    }
    fn x_transformed(&self, width: i32) -> f64 {
        self.at.0 * f64::from(width)
    }
    fn y_transformed(&self, height: i32) -> f64 {
        self.at.1 * f64::from(height)
    }
}

macro_rules! constants {
    ($($name:ident: $type:ty = $value:expr;)*) => {
        $(fn $name(&self) -> $type {
            $value
        })*
    };
}

impl TabletToolEvent<Fake> for Pen {
    fn tool(&self) -> TabletToolDescriptor {
        TabletToolDescriptor {
            tool_type: TabletToolType::Pen,
            hardware_serial: 1,
            hardware_id_wacom: 2,
            capabilities: TabletToolCapabilities::PRESSURE,
        }
    }
    fn pressure(&self) -> f64 {
        self.pressure
    }
    constants! {
        pressure_has_changed: bool = true;
        delta_x: f64 = 0.0;
        delta_y: f64 = 0.0;
        distance: f64 = 0.0;
        distance_has_changed: bool = false;
        slider_position: f64 = 0.0;
        slider_has_changed: bool = false;
        tilt_x: f64 = 0.0;
        tilt_x_has_changed: bool = false;
        tilt_y: f64 = 0.0;
        tilt_y_has_changed: bool = false;
        rotation: f64 = 0.0;
        rotation_has_changed: bool = false;
        wheel_delta: f64 = 0.0;
        wheel_delta_discrete: i32 = 0;
        wheel_has_changed: bool = false;
    }
}
impl TabletToolAxisEvent<Fake> for Pen {}
impl TabletToolProximityEvent<Fake> for Pen {
    fn state(&self) -> ProximityState {
        if self.near {
            ProximityState::In
        } else {
            ProximityState::Out
        }
    }
}
impl TabletToolTipEvent<Fake> for Pen {
    fn tip_state(&self) -> TabletToolTipState {
        if self.down {
            TabletToolTipState::Down
        } else {
            TabletToolTipState::Up
        }
    }
}

impl InputBackend for Fake {
    type Device = Surface;
    type KeyboardKeyEvent = UnusedEvent;
    type PointerAxisEvent = Turned;
    type PointerButtonEvent = UnusedEvent;
    type PointerMotionEvent = Moved;
    type PointerMotionAbsoluteEvent = UnusedEvent;
    type GestureSwipeBeginEvent = SwipeBegins;
    type GestureSwipeUpdateEvent = Swipes;
    type GestureSwipeEndEvent = SwipeEnds;
    type GesturePinchBeginEvent = UnusedEvent;
    type GesturePinchUpdateEvent = UnusedEvent;
    type GesturePinchEndEvent = UnusedEvent;
    type GestureHoldBeginEvent = UnusedEvent;
    type GestureHoldEndEvent = UnusedEvent;
    type TouchDownEvent = Touched;
    type TouchUpEvent = UnusedEvent;
    type TouchMotionEvent = UnusedEvent;
    type TouchCancelEvent = UnusedEvent;
    type TouchFrameEvent = UnusedEvent;
    type TabletToolAxisEvent = Pen;
    type TabletToolProximityEvent = Pen;
    type TabletToolTipEvent = Pen;
    type TabletToolButtonEvent = UnusedEvent;
    type SwitchToggleEvent = UnusedEvent;
    type SpecialEvent = ();
}

impl Fixture {
    fn event(&mut self, event: InputEvent<Fake>) {
        self.state.process_input(event);
        self.turn();
    }

    /// The mouse moves by so many pixels.
    pub(crate) fn mouse(&mut self, x: f64, y: f64) {
        self.event(InputEvent::PointerMotion { event: Moved(x, y) });
    }

    /// That many fingers swipe over the touchpad.
    pub(crate) fn swipe(&mut self, fingers: u32, x: f64, y: f64) {
        self.event(InputEvent::GestureSwipeBegin {
            event: SwipeBegins(fingers),
        });
        self.event(InputEvent::GestureSwipeUpdate {
            event: Swipes(x, y),
        });
        self.event(InputEvent::GestureSwipeEnd { event: SwipeEnds });
    }

    /// The wheel is turned so many steps down.
    pub(crate) fn wheel(&mut self, steps: f64) {
        self.event(InputEvent::PointerAxis {
            event: Turned(steps),
        });
    }

    /// A touch screen is plugged in.
    pub(crate) fn plug_touch_screen(&mut self) {
        let device = Surface::Screen;
        self.event(InputEvent::DeviceAdded { device });
    }

    /// A finger is put on the first screen, which has 1280 by 800 pixels.
    pub(crate) fn touch(&mut self, x: f64, y: f64) {
        self.plug_touch_screen();
        let event = Touched(x / 1280.0, y / 800.0);
        self.event(InputEvent::TouchDown { event });
    }

    /// A drawing tablet is plugged in.
    pub(crate) fn plug_tablet(&mut self) {
        let device = Surface::Tablet;
        self.event(InputEvent::DeviceAdded { device });
    }

    /// The pen comes near or goes away.
    pub(crate) fn pen_near(&mut self, event: Pen) {
        self.event(InputEvent::TabletToolProximity { event });
    }

    /// The pen moves.
    pub(crate) fn pen_moves(&mut self, event: Pen) {
        self.event(InputEvent::TabletToolAxis { event });
    }

    /// The pen's tip is put down or lifted.
    pub(crate) fn pen_tip(&mut self, event: Pen) {
        self.event(InputEvent::TabletToolTip { event });
    }
}
