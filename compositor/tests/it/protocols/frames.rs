//! When content is applied, and how often a client is asked for more.

use std::time::{Duration, Instant};

use wayland_client::{delegate_noop, protocol::wl_shm::Format};
use wayland_protocols::wp::{
    alpha_modifier::v1::client::{
        wp_alpha_modifier_surface_v1::WpAlphaModifierSurfaceV1,
        wp_alpha_modifier_v1::WpAlphaModifierV1,
    },
    commit_timing::v1::client::{
        wp_commit_timer_v1::WpCommitTimerV1, wp_commit_timing_manager_v1::WpCommitTimingManagerV1,
    },
    fifo::v1::client::{wp_fifo_manager_v1::WpFifoManagerV1, wp_fifo_v1::WpFifoV1},
};

use crate::fixture::{Client, Events, Fixture, HIDDEN, LIMIT, Toplevel, rgb};

const RED: u32 = 0xc0_2020;
const GREEN: u32 = 0x20_c020;
const BLUE: u32 = 0x20_20c0;
const SIZE: (i32, i32) = (300, 200);

delegate_noop!(Events: ignore WpFifoManagerV1);
delegate_noop!(Events: ignore WpFifoV1);
delegate_noop!(Events: ignore WpCommitTimingManagerV1);
delegate_noop!(Events: ignore WpCommitTimerV1);
delegate_noop!(Events: ignore WpAlphaModifierV1);
delegate_noop!(Events: ignore WpAlphaModifierSurfaceV1);

fn window(f: &mut Fixture) -> (Client, Toplevel) {
    let mut client = f.client();
    let toplevel = f.window(&mut client, "film", SIZE, 0);
    f.pointer(10.0, 10.0);
    (client, toplevel)
}

/// What the monotonic clock shows, and a little more.
fn in_a_while(more: Duration) -> (u32, u32, u32) {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let at = Duration::new(now.tv_sec as u64, now.tv_nsec as u32) + more;
    let seconds = at.as_secs();
    ((seconds >> 32) as u32, seconds as u32, at.subsec_nanos())
}

#[test]
fn frames_in_a_row_are_shown_one_after_the_other() {
    let mut f = Fixture::new();
    let (mut client, toplevel) = window(&mut f);
    let manager: WpFifoManagerV1 = client.bind();
    let fifo = manager.get_fifo(&toplevel.surface, &client.qh, ());
    fifo.set_barrier();
    client.draw(&toplevel, SIZE, RED);
    for colour in [GREEN, BLUE] {
        fifo.wait_barrier();
        fifo.set_barrier();
        client.draw(&toplevel, SIZE, colour);
    }
    client.pump();
    let mut shown = Vec::new();
    let start = Instant::now();
    while shown.last() != Some(&rgb(BLUE)) {
        assert!(start.elapsed() < LIMIT, "{shown:?}");
        f.turn();
        let pixel = f.pixel(640, 400);
        if shown.last() != Some(&pixel) {
            shown.push(pixel);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    shown.retain(|pixel| *pixel != [0, 0, 0]);
    assert_eq!(shown, [rgb(RED), rgb(GREEN), rgb(BLUE)]);
}

#[test]
fn a_row_of_frames_goes_on_where_nobody_sees_it() {
    let mut f = Fixture::new();
    let (mut client, toplevel) = window(&mut f);
    f.chord(&[125, 4]); // Super+3
    let manager: WpFifoManagerV1 = client.bind();
    let fifo = manager.get_fifo(&toplevel.surface, &client.qh, ());
    fifo.set_barrier();
    client.draw(&toplevel, SIZE, RED);
    fifo.wait_barrier();
    client.draw(&toplevel, SIZE, GREEN);
    f.go_on(&mut client, Duration::from_millis(1200));
    f.chord(&[125, 2]); // Super+1
    assert_eq!(f.pixel(640, 400), rgb(GREEN));
}

#[test]
fn a_frame_for_later_is_shown_later_and_nothing_overtakes_it() {
    let mut f = Fixture::new();
    let (mut client, toplevel) = window(&mut f);
    let manager: WpCommitTimingManagerV1 = client.bind();
    let timer = manager.get_timer(&toplevel.surface, &client.qh, ());
    let started = Instant::now();
    let (hi, lo, nanos) = in_a_while(Duration::from_millis(300));
    timer.set_timestamp(hi, lo, nanos);
    client.draw(&toplevel, SIZE, RED);
    client.draw(&toplevel, SIZE, GREEN);
    f.roundtrip(&mut client);
    let pixel = f.pixel(640, 400);
    if started.elapsed() < Duration::from_millis(280) {
        assert_eq!(pixel, [0, 0, 0]);
    }
    f.go_on(&mut client, Duration::from_millis(400));
    assert_eq!(f.pixel(640, 400), rgb(GREEN));
}

#[test]
fn a_frame_for_the_end_of_time_harms_nobody() {
    let mut f = Fixture::new();
    let (mut client, toplevel) = window(&mut f);
    let manager: WpCommitTimingManagerV1 = client.bind();
    let timer = manager.get_timer(&toplevel.surface, &client.qh, ());
    timer.set_timestamp(0x7fff_ffff, u32::MAX, u32::MAX);
    client.draw(&toplevel, SIZE, RED);
    f.roundtrip(&mut client);
    assert_eq!(f.pixel(640, 400), [0, 0, 0]);
    let other = f.window(&mut client, "other", SIZE, BLUE);
    assert_ne!(other.surface, toplevel.surface);
    assert_eq!(f.titles(), "other*@1 film@1");
}

#[test]
fn a_hidden_window_is_asked_for_a_frame_each_second() {
    let mut f = Fixture::new();
    let (mut client, toplevel) = window(&mut f);
    f.chord(&[125, 4]); // Super+3
    f.roundtrip(&mut client);
    // Twice, so that the second does not come sooner than the first.
    for _ in 0..2 {
        let (frames, asked) = (client.events.frames, Instant::now());
        client.frame_callback(&toplevel.surface);
        // Each step takes a millisecond at least, so that this is more than the time; on a busy machine it
        // takes fewer steps, and longer.
        let steps = HIDDEN.as_millis() + 200;
        let heard = (0..steps).any(|_| {
            f.step(&mut client);
            client.events.frames > frames
        });
        assert!(heard);
        assert!(asked.elapsed() > HIDDEN / 2, "{:?}", asked.elapsed());
        assert_eq!(client.events.frames, frames + 1);
    }
}

#[test]
fn a_surface_is_as_transparent_as_its_client_says() {
    let mut f = Fixture::new();
    let (mut client, toplevel) = window(&mut f);
    let ground = f.pixel(100, 100);
    let white = client.buffer(SIZE, 0xff_ffff, Format::Argb8888);
    toplevel.surface.attach(Some(&white), 0, 0);
    toplevel.surface.damage_buffer(0, 0, SIZE.0, SIZE.1);
    toplevel.surface.commit();
    f.roundtrip(&mut client);
    assert_eq!(f.pixel(640, 400), [255; 3]);
    let manager: WpAlphaModifierV1 = client.bind();
    let alpha = manager.get_surface(&toplevel.surface, &client.qh, ());
    alpha.set_multiplier(0);
    toplevel.surface.commit();
    f.roundtrip(&mut client);
    assert_eq!(f.pixel(640, 400), ground);
    alpha.set_multiplier(u32::MAX / 2);
    toplevel.surface.commit();
    f.roundtrip(&mut client);
    let half = f.pixel(640, 400);
    assert!(half[0] > ground[0] + 50 && half[0] < 255, "{half:?}");
}
