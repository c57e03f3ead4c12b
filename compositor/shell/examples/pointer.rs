//! A pointer for compositors without one (headless sway): reads `move X Y`, `click` and
//! `wheel STEPS` from standard input and stays as long as that is open. `pointer WIDTH HEIGHT`
//! names the size of the output that X and Y count in.

use std::io::BufRead;
use std::time::{Duration, Instant};

use smithay_client_toolkit::reexports::client::globals::{GlobalListContents, registry_queue_init};
use smithay_client_toolkit::reexports::client::protocol::{wl_pointer, wl_registry};
use smithay_client_toolkit::reexports::client::{Connection, Dispatch, QueueHandle};
use smithay_client_toolkit::reexports::protocols_wlr::virtual_pointer::v1::client::{
    zwlr_virtual_pointer_manager_v1::{self, ZwlrVirtualPointerManagerV1},
    zwlr_virtual_pointer_v1::{self, ZwlrVirtualPointerV1},
};

struct State;

impl Dispatch<wl_registry::WlRegistry, GlobalListContents> for State {
    fn event(
        _: &mut Self,
        _: &wl_registry::WlRegistry,
        _: wl_registry::Event,
        _: &GlobalListContents,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
    }
}
impl Dispatch<ZwlrVirtualPointerManagerV1, ()> for State {
    fn event(
        _: &mut Self,
        _: &ZwlrVirtualPointerManagerV1,
        _: zwlr_virtual_pointer_manager_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
    }
}
impl Dispatch<ZwlrVirtualPointerV1, ()> for State {
    fn event(
        _: &mut Self,
        _: &ZwlrVirtualPointerV1,
        _: zwlr_virtual_pointer_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut sizes = std::env::args().skip(1).map(|size| size.parse::<u32>());
    let (Some(width), Some(height)) = (sizes.next().transpose()?, sizes.next().transpose()?) else {
        return Err("usage: pointer WIDTH HEIGHT".into());
    };
    let connection = Connection::connect_to_env()?;
    let (globals, mut queue) = registry_queue_init::<State>(&connection)?;
    let manager: ZwlrVirtualPointerManagerV1 = globals.bind(&queue.handle(), 1..=2, ())?;
    let pointer = manager.create_virtual_pointer(None, &queue.handle(), ());
    queue.roundtrip(&mut State)?;
    let start = Instant::now();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let now = start.elapsed().as_millis() as u32;
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["move", x, y] => pointer.motion_absolute(now, x.parse()?, y.parse()?, width, height),
            ["click"] => {
                pointer.button(now, 0x110, wl_pointer::ButtonState::Pressed);
                pointer.frame();
                queue.roundtrip(&mut State)?;
                std::thread::sleep(Duration::from_millis(60));
                pointer.button(now + 60, 0x110, wl_pointer::ButtonState::Released);
            }
            ["wheel", steps] => {
                let steps: i32 = steps.parse()?;
                pointer.axis_source(wl_pointer::AxisSource::Wheel);
                pointer.axis_discrete(
                    now,
                    wl_pointer::Axis::VerticalScroll,
                    f64::from(steps) * 15.0,
                    steps,
                );
            }
            _ => return Err(format!("`{line}`: neither move, click nor wheel").into()),
        }
        pointer.frame();
        queue.roundtrip(&mut State)?;
    }
    Ok(())
}
