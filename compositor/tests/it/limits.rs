//! What one client may have: all of it and no more. The clients here write to their sockets by hand.

use std::{io, os::unix::net::UnixStream, time::Instant};

use argos_compositor::limits::Limits;
use argos_hostile::{
    client::Client,
    wire::Arg::{I, S, U},
};
use wayland_client::{Connection, Dispatch, Proxy, QueueHandle, delegate_noop};
use wayland_protocols::xdg::activation::v1::client::{
    xdg_activation_token_v1::{self, XdgActivationTokenV1},
    xdg_activation_v1::XdgActivationV1,
};

use crate::fixture::{Events, Fixture, LIMIT, on};

delegate_noop!(Events: XdgActivationV1);
on!(XdgActivationTokenV1, |state, _token, event| {
    if let xdg_activation_token_v1::Event::Done { token } = event {
        state.heard.push(token);
    }
});

const MOST: Limits = Limits::PUBLIC;

/// Has a client do something, and turns the compositor meanwhile.
fn does<T: Send + 'static>(
    f: &mut Fixture,
    trusted: bool,
    run: impl FnOnce(Client) -> io::Result<T> + Send + 'static,
) -> T {
    let (ours, theirs) = UnixStream::pair().unwrap();
    f.state.insert_client(ours, trusted).unwrap();
    let thread = std::thread::spawn(move || {
        let mut client = Client::new(theirs)?;
        client.wire.be_patient()?;
        run(client)
    });
    let start = Instant::now();
    while !thread.is_finished() {
        f.turn();
        assert!(start.elapsed() < LIMIT, "the client does not get through");
    }
    thread.join().unwrap().unwrap()
}

/// A client has as much as it may, which works, and then a little more, which does not.
fn limit(
    what: &str,
    most: usize,
    up_to: impl FnOnce(&mut Client) -> io::Result<u32> + Send + 'static,
    beyond: impl FnOnce(&mut Client, u32) -> io::Result<()> + Send + 'static,
) {
    let mut f = Fixture::new();
    let why = does(&mut f, false, |mut client| {
        let object = up_to(&mut client)?;
        client.wire.roundtrip()?;
        // That it is not taken may be seen at once.
        let _ = beyond(&mut client, object);
        client.wire.refusal()
    });
    let wanted = format!("{what}: more than the {most} ");
    assert!(why.starts_with(&wanted), "`{why}` instead of `{wanted}`");
    // Others go on.
    let mut other = f.client();
    f.window(&mut other, "other", (50, 50), 0x00_ff00);
    assert_eq!(f.titles(), "other*@1");
}

#[test]
fn surfaces() {
    limit(
        "surfaces",
        MOST.surfaces,
        |client| {
            for _ in 0..MOST.surfaces {
                client.surface()?;
            }
            Ok(0)
        },
        |client, _| client.surface().map(drop),
    );
}

#[test]
fn what_is_gone_does_not_count() {
    let mut f = Fixture::new();
    does(&mut f, false, |mut client| {
        for _ in 0..3 {
            let mut surfaces = Vec::new();
            for _ in 0..MOST.surfaces {
                surfaces.push(client.surface()?);
            }
            for surface in surfaces {
                client.wire.send(surface, 0, &[])?;
            }
            for _ in 0..3 {
                let region = client.region(MOST.rectangles)?;
                client.wire.send(region, 0, &[])?;
            }
            let mut pools = Vec::new();
            for _ in 0..MOST.pools {
                pools.push(client.pool(4096)?);
            }
            for pool in pools {
                client.wire.send(pool, 1, &[])?;
            }
            client.wire.roundtrip()?;
        }
        Ok(())
    });
}

#[test]
fn trusted_clients_may_have_more() {
    let mut f = Fixture::new();
    does(&mut f, true, |mut client| {
        for _ in 0..Limits::PRIVATE.surfaces {
            client.surface()?;
        }
        client.wire.roundtrip()
    });
}

#[test]
fn objects() {
    // They are counted now and then.
    const SLACK: usize = MOST.objects / 16;
    limit(
        "objects",
        MOST.objects,
        |client| {
            for number in 0..MOST.objects - SLACK {
                client.region(0)?;
                if number % 1000 == 0 {
                    client.wire.roundtrip()?;
                }
            }
            Ok(0)
        },
        |client, _| {
            for _ in 0..3 * SLACK {
                client.region(0)?;
            }
            Ok(())
        },
    );
}

#[test]
fn numbers_of_objects() {
    let mut f = Fixture::new();
    let why = does(&mut f, false, |mut client| {
        let mut some = || -> io::Result<()> {
            for _ in 0..1000 {
                // Those that are gone leave their numbers unused.
                let region = client.region(0)?;
                client.wire.send(region, 0, &[])?;
            }
            client.wire.drain()
        };
        // It is looked at now and then.
        while some().is_ok() {}
        client.wire.refusal()
    });
    let wanted = format!("objects: numbered beyond {}", MOST.numbers);
    assert!(why.starts_with(&wanted), "`{why}` instead of `{wanted}`");
}

#[test]
fn activation_tokens() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let activation: XdgActivationV1 = client.bind();
    let other = f.window(&mut client, "other", (200, 100), 0);
    f.window(&mut client, "used", (200, 100), 0);
    assert_eq!(f.titles(), "used*@1 other@1");
    let (seat, qh) = (client.seat().clone(), client.qh.clone());
    for _ in 0..=MOST.tokens {
        let token = activation.get_activation_token(&qh, ());
        token.set_serial(client.events.entered, &seat);
        token.commit();
    }
    f.roundtrip(&mut client);
    let tokens = std::mem::take(&mut client.events.heard);
    assert_eq!(tokens.len(), MOST.tokens + 1);
    activation.activate(tokens[MOST.tokens].clone(), &other.surface);
    f.roundtrip(&mut client);
    assert_eq!(
        f.titles(),
        "used*@1 other@1",
        "one too many is worth nothing"
    );
    activation.activate(tokens[MOST.tokens - 1].clone(), &other.surface);
    f.roundtrip(&mut client);
    assert_eq!(f.titles(), "other*@1 used@1");
}

#[test]
fn subsurfaces_on_top_of_each_other() {
    fn on_top(client: &mut Client, from_leaves: bool) -> io::Result<(u32, u32)> {
        let subcompositor = client.bind("wl_subcompositor")?;
        let mut end = client.surface()?;
        for _ in 0..MOST.subsurface_depth {
            let next = client.surface()?;
            let (child, parent) = if from_leaves {
                (end, next)
            } else {
                (next, end)
            };
            client.wire.make(subcompositor, 1, &[U(child), U(parent)])?;
            end = next;
        }
        Ok((subcompositor, end))
    }
    for from_leaves in [false, true] {
        limit(
            "subsurfaces on top of each other",
            MOST.subsurface_depth,
            move |client| Ok(on_top(client, from_leaves)?.1),
            move |client, end| {
                let subcompositor = client.bind("wl_subcompositor")?;
                let next = client.surface()?;
                let (child, parent) = if from_leaves {
                    (end, next)
                } else {
                    (next, end)
                };
                client
                    .wire
                    .make(subcompositor, 1, &[U(child), U(parent)])
                    .map(drop)
            },
        );
    }
}

#[test]
fn popups_of_popups() {
    fn popup(client: &mut Client, parent: u32, positioner: u32) -> io::Result<u32> {
        let surface = client.surface()?;
        let xdg = client.wire.make(client.wm_base, 2, &[U(surface)])?;
        client.wire.make(xdg, 2, &[U(parent), U(positioner)])?;
        client.commit(surface)?;
        Ok(xdg)
    }
    limit(
        "popups of popups",
        MOST.popup_depth,
        |client| {
            let (_, mut parent, _) = client.window()?;
            let positioner = client.positioner()?;
            for _ in 0..MOST.popup_depth {
                parent = popup(client, parent, positioner)?;
            }
            Ok(parent)
        },
        |client, parent| {
            let positioner = client.positioner()?;
            popup(client, parent, positioner).map(drop)
        },
    );
}

#[test]
fn rectangles_in_a_region() {
    limit(
        "rectangles in a region",
        MOST.rectangles,
        |client| client.region(MOST.rectangles),
        |client, region| client.add(region, 0),
    );
}

#[test]
fn rectangles_in_all_regions() {
    limit(
        "rectangles in all regions",
        MOST.all_rectangles,
        |client| {
            // What surfaces keep of regions counts, and an opaque region that is not used does not.
            let half = MOST.all_rectangles / 2;
            let region = client.region(MOST.rectangles)?;
            for _ in 0..half / MOST.rectangles {
                let surface = client.surface()?;
                client.wire.send(surface, 4, &[U(region)])?;
                client.wire.send(surface, 5, &[U(region)])?;
                client.wire.send(surface, 5, &[U(region)])?;
            }
            for _ in 1..half / MOST.rectangles {
                client.region(MOST.rectangles)?;
            }
            client.region(0)
        },
        |client, region| client.add(region, 0),
    );
}

/// A surface whose commits wait for its parent's.
fn waiting(client: &mut Client, parent: u32) -> io::Result<u32> {
    let subcompositor = client.bind("wl_subcompositor")?;
    let child = client.surface()?;
    client.wire.make(subcompositor, 1, &[U(child), U(parent)])?;
    Ok(child)
}

#[test]
fn commits_of_a_surface_that_wait() {
    limit(
        "commits of a surface that wait",
        MOST.held_of_surface as usize,
        |client| {
            let parent = client.surface()?;
            let child = waiting(client, parent)?;
            // Those that the parent takes along wait no more.
            for _ in 0..3 {
                for _ in 0..MOST.held_of_surface {
                    client.commit(child)?;
                }
                client.commit(parent)?;
            }
            for _ in 0..MOST.held_of_surface {
                client.commit(child)?;
            }
            Ok(child)
        },
        |client, child| client.commit(child),
    );
}

#[test]
fn commits_that_wait() {
    limit(
        "commits that wait",
        MOST.held as usize,
        |client| {
            let parent = client.surface()?;
            let mut left = MOST.held;
            let mut gone = 0;
            while left > 0 {
                let child = waiting(client, parent)?;
                let own = left.min(MOST.held_of_surface - 1);
                for _ in 0..own {
                    client.commit(child)?;
                }
                left -= own;
                gone = child;
            }
            // Those of a surface that is gone wait no more.
            client.wire.send(gone, 0, &[])?;
            let child = waiting(client, parent)?;
            let own = MOST.held % (MOST.held_of_surface - 1);
            for _ in 0..own {
                client.commit(child)?;
            }
            Ok(child)
        },
        |client, child| client.commit(child),
    );
}

#[test]
fn pools_of_shared_memory() {
    limit(
        "pools of shared memory",
        MOST.pools,
        |client| {
            for _ in 0..MOST.pools {
                client.pool(4096)?;
            }
            Ok(0)
        },
        |client, _| client.pool(4096).map(drop),
    );
}

#[test]
fn buffers_of_shared_memory() {
    limit(
        "buffers of shared memory",
        MOST.buffers,
        |client| {
            let pool = client.pool(4096)?;
            for _ in 0..MOST.buffers {
                client.buffer(pool, 1, 1)?;
            }
            Ok(pool)
        },
        |client, pool| client.buffer(pool, 1, 1).map(drop),
    );
}

#[test]
fn types_that_are_offered() {
    const LENGTH: usize = 1024 - 64;
    for manager in [
        "wl_data_device_manager",
        "zwp_primary_selection_device_manager_v1",
        "ext_data_control_manager_v1",
        "zwlr_data_control_manager_v1",
    ] {
        limit(
            "bytes of types that are offered",
            MOST.offered,
            move |client| {
                let manager = client.bind(manager)?;
                let gone = client.wire.make(manager, 0, &[])?;
                let text = "x".repeat(LENGTH);
                for _ in 0..10 {
                    client.wire.send(gone, 0, &[S(&text)])?;
                }
                client.wire.send(gone, 1, &[])?;
                let source = client.wire.make(manager, 0, &[])?;
                for _ in 0..MOST.offered / 1024 {
                    client.wire.send(source, 0, &[S(&text)])?;
                }
                Ok(source)
            },
            |client, source| client.wire.send(source, 0, &[S("x")]),
        );
    }
}

#[test]
fn offers_that_it_did_not_destroy() {
    fn select(client: &mut Client, (manager, device): (u32, u32)) -> io::Result<()> {
        let source = client.wire.make(manager, 0, &[])?;
        client.wire.send(source, 0, &[S("text/plain")])?;
        client.wire.send(device, 0, &[U(source)])?;
        client.wire.roundtrip()
    }
    let mut f = Fixture::new();
    let why = does(&mut f, false, |mut client| {
        let manager = client.bind("ext_data_control_manager_v1")?;
        let seat = client.bind("wl_seat")?;
        let device = client.wire.make(manager, 1, &[U(seat)])?;
        for _ in 0..MOST.offers {
            select(&mut client, (manager, device))?;
        }
        // They are counted within a second; then one too many is there.
        std::thread::sleep(std::time::Duration::from_millis(1100));
        client.wire.roundtrip()?;
        let mut asked = 0;
        while select(&mut client, (manager, device)).is_ok() {
            asked += 1;
            assert!(asked < 100_000, "as many offers as it likes");
        }
        client.wire.refusal()
    });
    let wanted = "offers that it did not destroy: more than the 256 ";
    assert!(why.starts_with(wanted), "{why}");
}

#[test]
fn configures_that_are_not_answered() {
    limit(
        "configures that it asked for and did not answer",
        MOST.configures,
        |client| {
            let (_, _, toplevel) = client.toplevel()?;
            // The first one is no answer to a wish.
            for _ in 1..MOST.configures {
                client.wire.send(toplevel, 9, &[])?;
            }
            Ok(toplevel)
        },
        |client, toplevel| client.wire.send(toplevel, 9, &[]),
    );
}

#[test]
fn who_does_not_answer_is_not_told_more() {
    let mut f = Fixture::new();
    let mut other = f.client();
    f.window(&mut other, "other", (50, 50), 0x00_ff00);
    does(&mut f, false, |mut client| {
        let (_, _, toplevel) = client.window()?;
        for _ in 0..20 * MOST.configures {
            // Full screen and not: each changes what the layout wants.
            client.wire.send(toplevel, 11, &[U(0)])?;
            client.wire.send(toplevel, 12, &[])?;
            client.wire.roundtrip()?;
        }
        Ok(())
    });
}

#[test]
fn a_pool_does_not_lose_its_size() {
    let mut f = Fixture::new();
    for size in [0, -1, i32::MIN] {
        let why = does(&mut f, false, move |mut client| {
            let pool = client.pool(4096)?;
            client.wire.send(pool, 2, &[I(size)])?;
            client.wire.refusal()
        });
        assert_eq!(why, format!("a pool cannot have {size} bytes"));
    }
    does(&mut f, false, |mut client| {
        let pool = client.pool(4096)?;
        client.wire.send(pool, 2, &[I(8192)])?;
        client.wire.roundtrip()
    });
}

#[test]
fn no_window_has_a_negative_size() {
    let mut f = Fixture::new();
    for (which, opcode, args) in [
        (1, 3, vec![I(0), I(0), I(-1), I(10)]),
        (2, 7, vec![I(10), I(i32::MIN)]),
        (2, 8, vec![I(-1), I(0)]),
    ] {
        let why = does(&mut f, false, move |mut client| {
            let window = client.window()?;
            let object = [window.0, window.1, window.2][which];
            client.wire.send(object, opcode, &args)?;
            client.wire.refusal()
        });
        assert_eq!(why, "a window has no negative size");
    }
}

#[test]
fn no_number_is_too_large() {
    let mut f = Fixture::new();
    does(&mut f, false, |mut client| {
        let (surface, xdg, toplevel) = client.window()?;
        let child = waiting(&mut client, surface)?;
        let viewporter = client.bind("wp_viewporter")?;
        let viewport = client.wire.make(viewporter, 1, &[U(surface)])?;
        let subsurface = child + 1;
        let pool = client.pool(64 * 64 * 4)?;
        let buffer = client.buffer(pool, 64, 64)?;
        let region = client.region(0)?;
        let (low, high) = (I(i32::MIN), I(i32::MAX));
        for (x, width) in [(low, high), (high, high), (low, low), (high, low)] {
            for target in [child, surface] {
                client.wire.send(target, 1, &[U(buffer), I(0), I(0)])?;
                for opcode in [2, 9] {
                    client.wire.send(target, opcode, &[x, x, width, width])?;
                }
                for opcode in [1, 2] {
                    client.wire.send(region, opcode, &[x, x, width, width])?;
                }
                client.wire.send(target, 4, &[U(region)])?;
                client.wire.send(target, 5, &[U(region)])?;
                client.wire.send(target, 10, &[x, width])?;
            }
            client.wire.send(subsurface, 1, &[x, width])?;
            client
                .wire
                .send(xdg, 3, &[x, x, I(i32::MAX), I(i32::MAX)])?;
            client.wire.send(viewport, 2, &[high, high])?;
            client.wire.send(toplevel, 7, &[high, high])?;
            client.commit(child)?;
            client.commit(surface)?;
            client.wire.roundtrip()?;
        }
        Ok(())
    });
    // It is drawn, whatever that looks like.
    f.pixel(5, 5);
}

#[test]
fn the_documentation_names_them_all() {
    let text = include_str!("../../../docs/desktop.md");
    let kinds = [Limits::PUBLIC, Limits::PRIVATE, Limits::X11];
    let row = |name: &str, of: &dyn Fn(&Limits) -> String| {
        let numbers: Vec<_> = kinds.iter().map(of).collect();
        let row = format!("| {name} | {} |", numbers.join(" | "));
        assert!(text.contains(&row), "docs/desktop.md has no `{row}`");
    };
    row("objects", &|l| l.objects.to_string());
    row("highest number of an object", &|l| match l.numbers {
        u32::MAX => "any".into(),
        number => number.to_string(),
    });
    row("surfaces (windows and their parts)", &|l| {
        l.surfaces.to_string()
    });
    row("subsurfaces on top of each other", &|l| {
        l.subsurface_depth.to_string()
    });
    row("popups of popups", &|l| l.popup_depth.to_string());
    row("rectangles in a region", &|l| l.rectangles.to_string());
    row("rectangles in all regions", &|l| {
        l.all_rectangles.to_string()
    });
    row(
        "commits of a surface that wait for a parent, a frame, a time or a buffer",
        &|l| l.held_of_surface.to_string(),
    );
    row("commits that wait", &|l| l.held.to_string());
    row("pools of shared memory", &|l| l.pools.to_string());
    row("buffers of shared memory", &|l| l.buffers.to_string());
    row("bytes of types that are offered to paste or drop", &|l| {
        l.offered.to_string()
    });
    row("offers to paste or drop that it did not destroy", &|l| {
        l.offers.to_string()
    });
    row(
        "configures of a window that it asked for and did not answer",
        &|l| l.configures.to_string(),
    );
    row("activation tokens", &|l| l.tokens.to_string());
}

#[test]
fn a_null_where_a_text_has_to_be_is_the_end_of_that_client_alone() {
    let mut f = Fixture::new();
    let mut other = f.client();
    f.window(&mut other, "other", (50, 50), 0x00_ff00);
    for _ in 0..3 {
        let answered = does(&mut f, false, |mut client| {
            let (_, _, toplevel) = client.window()?;
            // Of no length at all, not even a zero at its end.
            client.wire.send(toplevel, 2, &[U(0)])?;
            Ok(client.wire.roundtrip().is_ok())
        });
        assert!(!answered, "the client goes on");
    }
    f.roundtrip(&mut other);
    assert_eq!(f.titles(), "other*@1");
}
