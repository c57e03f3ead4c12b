//! What each of them does, over one connection.

use std::{
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use crate::{
    Attack,
    client::Client,
    wire::{
        Arg::{I, S, U},
        DISPLAY, memory,
    },
};

/// Whether to go on; reads what the compositor said.
fn goes_on(client: &mut Client, stop: &AtomicBool) -> io::Result<bool> {
    client.wire.drain()?;
    Ok(!stop.load(Ordering::Relaxed))
}

pub(crate) fn attack(attack: Attack, socket: UnixStream, stop: &AtomicBool) -> io::Result<()> {
    let mut client = Client::new(socket)?;
    match attack {
        Attack::NeverAcks => never_acks(&mut client, stop),
        Attack::FloodsCommits => floods_commits(&mut client, stop),
        Attack::GiantBuffers => giant_buffers(&mut client, stop),
        Attack::WrongOrder => wrong_order(&mut client),
        Attack::BadDescriptors => bad_descriptors(&mut client),
        Attack::MillionObjects => million_objects(&mut client, stop),
        Attack::NeverReads => never_reads(&mut client, stop),
        Attack::FloodsTitles => floods_titles(&mut client, stop),
        Attack::ManySurfaces => many_surfaces(&mut client, stop),
        Attack::FloodsOffers => floods_offers(&mut client, stop),
    }
}

fn never_acks(client: &mut Client, stop: &AtomicBool) -> io::Result<()> {
    let mut windows = Vec::new();
    for _ in 0..50 {
        windows.push(client.toplevel()?);
    }
    while goes_on(client, stop)? {
        for (surface, _, toplevel) in &windows {
            // Maximised, not, fullscreen, not.
            for opcode in [9, 10, 11, 12] {
                let output: &[_] = if opcode == 11 { &[U(0)] } else { &[] };
                client.wire.send(*toplevel, opcode, output)?;
            }
            client.commit(*surface)?;
        }
    }
    Ok(())
}

fn floods_commits(client: &mut Client, stop: &AtomicBool) -> io::Result<()> {
    let (surface, _, _) = client.window()?;
    let buffer = client.small()?;
    let subcompositor = client.bind("wl_subcompositor")?;
    let child = client.surface()?;
    client
        .wire
        .make(subcompositor, 1, &[U(child), U(surface)])?;
    let fifo = match client.wire.bind("wp_fifo_manager_v1")? {
        Some(manager) => Some(client.wire.make(manager, 1, &[U(surface)])?),
        None => None,
    };
    let mut round = 0_u32;
    while goes_on(client, stop)? {
        round += 1;
        for number in 0..50 {
            for target in [surface, child] {
                client.wire.send(target, 1, &[U(buffer), I(0), I(0)])?;
                for part in 0..20 {
                    let at = [I(part * 3), I(number), I(2), I(1)];
                    client.wire.send(target, 9, &at)?;
                }
                client.commit(target)?;
            }
            // A frame callback in each commit, and every other round one waits for the one before.
            client.wire.make(surface, 3, &[])?;
            if let Some(fifo) = fifo.filter(|_| round.is_multiple_of(64)) {
                client.wire.send(fifo, 0, &[])?;
                client.wire.send(fifo, 1, &[])?;
            }
        }
    }
    Ok(())
}

fn giant_buffers(client: &mut Client, stop: &AtomicBool) -> io::Result<()> {
    let (surface, _, _) = client.window()?;
    let size = i32::MAX & !4095;
    let pool = client.pool_of(memory(size as u64)?, size)?;
    let wide = client.buffer(pool, 16384, 32767)?;
    let tall = client.buffer(pool, 4, 1 << 26)?;
    let (viewporter, region) = (
        client.bind("wp_viewporter")?,
        client.wire.make(client.compositor, 1, &[])?,
    );
    let viewport = client.wire.make(viewporter, 1, &[U(surface)])?;
    for at in 0..2000 {
        let opcode = 1 + (at % 2) as u16;
        let place = [I(at * 7 % 5000), I(at * 13 % 5000), I(50), I(50)];
        client.wire.send(region, opcode, &place)?;
    }
    let mut round = 0;
    while goes_on(client, stop)? {
        round += 1;
        let buffer = if round % 2 == 0 { wide } else { tall };
        client.wire.send(surface, 1, &[U(buffer), I(0), I(0)])?;
        let to = [I(i32::MAX - round % 3), I(1 << (round % 30))];
        client.wire.send(viewport, 2, &to)?;
        for opcode in [2, 9] {
            let all = [I(i32::MIN), I(-1), I(i32::MAX), I(i32::MAX)];
            client.wire.send(surface, opcode, &all)?;
        }
        client.wire.send(surface, 8, &[I(1 + round % 7)])?;
        client.wire.send(surface, 4, &[U(region)])?;
        client.wire.send(surface, 5, &[U(region)])?;
        client.commit(surface)?;
    }
    Ok(())
}

fn wrong_order(client: &mut Client) -> io::Result<()> {
    static TURN: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let turn = TURN.fetch_add(1, Ordering::Relaxed);
    let (surface, xdg, toplevel) = client.window()?;
    let positioner = client.wire.make(client.wm_base, 1, &[])?;
    client.wire.send(positioner, 1, &[I(10), I(10)])?;
    client.wire.send(positioner, 2, &[I(0), I(0), I(1), I(1)])?;
    let above = client.surface()?;
    let above_xdg = client.wire.make(client.wm_base, 2, &[U(above)])?;
    let popup = client.wire.make(above_xdg, 2, &[U(xdg), U(positioner)])?;
    client.commit(above)?;
    let subcompositor = client.bind("wl_subcompositor")?;
    let below = client.surface()?;
    let subsurface = client.wire.make(subcompositor, 1, &[U(below), U(above)])?;
    let pool = client.pool_of(memory(4096)?, 4096)?;
    let buffer = client.buffer(pool, 8, 8)?;
    client.wire.send(below, 1, &[U(buffer), I(0), I(0)])?;
    client.commit(below)?;
    client.commit(above)?;
    let mut objects = vec![
        surface, xdg, toplevel, positioner, above, above_xdg, popup, below, subsurface, buffer,
    ];
    let length = objects.len();
    objects.rotate_left(turn as usize % length);
    if turn / length as u32 % 2 == 1 {
        objects.reverse();
    }
    objects.swap(0, turn as usize / 3 % length);
    for object in objects {
        // Each one's first request is its destruction, and the pool's its second.
        client.wire.send(object, 0, &[])?;
        client.wire.flush()?;
        std::thread::yield_now();
    }
    client.wire.send(pool, 1, &[])?;
    client.commit(surface)?;
    client.wire.drain()?;
    std::thread::sleep(Duration::from_millis(1));
    client.wire.drain()
}

fn bad_descriptors(client: &mut Client) -> io::Result<()> {
    static TURN: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let (surface, _, _) = client.window()?;
    let turn = TURN.fetch_add(1, Ordering::Relaxed);
    match turn % 6 {
        // A folder, one end of a pipe, and something that cannot be mapped.
        0 => {
            client.pool_of(std::fs::File::open("/")?.into(), 4096)?;
        }
        1 => {
            let (reader, _) = std::io::pipe()?;
            client.pool_of(reader.into(), 4096)?;
        }
        2 => {
            client.pool_of(std::fs::File::open("/dev/null")?.into(), 4096)?;
        }
        // Memory that shrinks once it is shown.
        3 => {
            let fd = memory(256 * 256 * 4)?;
            let pool = client.pool_of(fd.try_clone()?, 256 * 256 * 4)?;
            let buffer = client.buffer(pool, 256, 256)?;
            rustix::fs::ftruncate(&fd, 1)?;
            for _ in 0..50 {
                client.wire.send(surface, 1, &[U(buffer), I(0), I(0)])?;
                client
                    .wire
                    .send(surface, 2, &[I(0), I(0), I(256), I(256)])?;
                client.commit(surface)?;
                client.wire.drain()?;
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        // Descriptors that no request takes.
        4 => {
            let fd = memory(1)?;
            for _ in 0..200 {
                client.wire.pass(fd.try_clone()?);
                client.commit(surface)?;
                client.wire.flush()?;
            }
        }
        // A request that takes one, and none.
        _ => {
            client.wire.make(client.shm, 0, &[I(4096)])?;
            client.pool_of(fd_of_socket()?, 0)?;
        }
    }
    client.wire.drain()?;
    std::thread::sleep(Duration::from_millis(5));
    client.wire.drain()
}

fn fd_of_socket() -> io::Result<OwnedFd> {
    let (one, _) = UnixStream::pair()?;
    one.as_fd().try_clone_to_owned()
}

fn million_objects(client: &mut Client, stop: &AtomicBool) -> io::Result<()> {
    let mut made = 0;
    while goes_on(client, stop)? && made < 1_000_000 {
        for _ in 0..500 {
            // Regions with something in them, surfaces, positioners.
            let region = client.wire.make(client.compositor, 1, &[])?;
            client.wire.send(region, 1, &[I(0), I(0), I(1), I(1)])?;
            client.wire.make(client.wm_base, 1, &[])?;
        }
        made += 1000;
        if made % 10_000 == 0 {
            client.surface()?;
        }
    }
    Ok(())
}

fn never_reads(client: &mut Client, stop: &AtomicBool) -> io::Result<()> {
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..100 {
            client.wire.make(DISPLAY, 0, &[])?;
        }
        client.wire.make(DISPLAY, 1, &[])?;
    }
    Ok(())
}

fn floods_titles(client: &mut Client, stop: &AtomicBool) -> io::Result<()> {
    let (_, _, toplevel) = client.window()?;
    let mut sent = 0_u32;
    while goes_on(client, stop)? && sent < 1_000_000 {
        for _ in 0..16 {
            sent += 1;
            let title = format!("{sent:04000}");
            client.wire.send(toplevel, 2, &[S(&title)])?;
        }
    }
    Ok(())
}

fn many_surfaces(client: &mut Client, stop: &AtomicBool) -> io::Result<()> {
    static TURN: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let turn = TURN.fetch_add(1, Ordering::Relaxed);
    let (root, root_xdg, _) = client.window()?;
    let buffer = client.small()?;
    let subcompositor = client.bind("wl_subcompositor")?;
    let (mut parent, mut parent_xdg) = (root, root_xdg);
    let layer_shell = client.wire.bind("zwlr_layer_shell_v1")?;
    let positioner = client.wire.make(client.wm_base, 1, &[])?;
    client.wire.send(positioner, 1, &[I(10), I(10)])?;
    client.wire.send(positioner, 2, &[I(0), I(0), I(1), I(1)])?;
    for number in 0..10_000 {
        let surface = client.surface()?;
        match turn % 5 {
            // Next to each other; on top of each other; the tree from its leaves.
            0 | 1 => {
                client
                    .wire
                    .make(subcompositor, 1, &[U(surface), U(parent)])?;
                client.wire.send(surface, 1, &[U(buffer), I(0), I(0)])?;
                client.wire.send(surface, 2, &[I(0), I(0), I(64), I(64)])?;
                client.commit(surface)?;
                if turn % 5 == 1 {
                    parent = surface;
                } else if number % 100 == 0 {
                    client.commit(root)?;
                }
            }
            2 => {
                client
                    .wire
                    .make(subcompositor, 1, &[U(parent), U(surface)])?;
                parent = surface;
            }
            // Popups of popups.
            3 => {
                let xdg = client.wire.make(client.wm_base, 2, &[U(surface)])?;
                client.wire.make(xdg, 2, &[U(parent_xdg), U(positioner)])?;
                client.commit(surface)?;
                if number % 3 == 0 {
                    parent_xdg = xdg;
                }
            }
            _ => {
                let Some(shell) = layer_shell else {
                    return Ok(());
                };
                let args = [U(surface), U(0), U(number % 4), S("many")];
                let layer = client.wire.make(shell, 0, &args)?;
                client.wire.send(layer, 0, &[U(10), U(10)])?;
                client.commit(surface)?;
            }
        }
        if number % 50 == 0 && !goes_on(client, stop)? {
            return Ok(());
        }
    }
    // What it has it keeps for a while.
    for _ in 0..50 {
        if !goes_on(client, stop)? {
            break;
        }
        client.commit(root)?;
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn floods_offers(client: &mut Client, stop: &AtomicBool) -> io::Result<()> {
    static TURN: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let turn = TURN.fetch_add(1, Ordering::Relaxed);
    let (surface, _, toplevel) = client.window()?;
    let seat = client.bind("wl_seat")?;
    let text = "x".repeat(200);
    match turn % 4 {
        0 => {
            let manager = client.bind("wl_data_device_manager")?;
            let device = client.wire.make(manager, 1, &[U(seat)])?;
            while goes_on(client, stop)? {
                let source = client.wire.make(manager, 0, &[])?;
                for number in 0..1000 {
                    let name = format!("{text}/{number}");
                    client.wire.send(source, 0, &[S(&name)])?;
                }
                client.wire.send(device, 1, &[U(source), U(1)])?;
            }
        }
        // As many as it may, over and over.
        1 => {
            let Some(manager) = client.wire.bind("ext_data_control_manager_v1")? else {
                return Ok(());
            };
            let device = client.wire.make(manager, 1, &[U(seat)])?;
            while goes_on(client, stop)? {
                let source = client.wire.make(manager, 0, &[])?;
                for number in 0..200 {
                    let name = format!("{text}/{number}");
                    client.wire.send(source, 0, &[S(&name)])?;
                }
                client.wire.send(device, 0, &[U(source)])?;
                client.wire.send(source, 1, &[])?;
            }
        }
        2 => {
            let manager = client.bind("xdg_toplevel_icon_manager_v1")?;
            let buffer = client.small()?;
            while goes_on(client, stop)? {
                for scale in 1..100 {
                    let icon = client.wire.make(manager, 1, &[])?;
                    for more in 0..10 {
                        client
                            .wire
                            .send(icon, 2, &[U(buffer), I(scale * 10 + more)])?;
                    }
                    client.wire.send(manager, 2, &[U(toplevel), U(icon)])?;
                    client.commit(surface)?;
                    client.wire.send(icon, 0, &[])?;
                }
            }
        }
        _ => {
            let Some(manager) = client.wire.bind("zwp_input_method_manager_v2")? else {
                return Ok(());
            };
            let method = client.wire.id();
            client.wire.send(manager, 0, &[U(seat), U(method)])?;
            let mut serial = 0;
            while goes_on(client, stop)? {
                for _ in 0..100 {
                    let long = [S(&text), I(0), I(200)];
                    client.wire.send(method, 1, &long)?;
                    client.wire.send(method, 0, &[S(&text)])?;
                    client.wire.send(method, 3, &[U(serial)])?;
                    serial += 1;
                }
                let popup = client.surface()?;
                client.wire.make(method, 4, &[U(popup)])?;
                client.commit(popup)?;
            }
        }
    }
    Ok(())
}
