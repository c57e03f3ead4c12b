//! Random operations against what must always hold, and the few things worth naming one by one.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Op {
    Areas(Vec<(i32, i32, i32)>),
    Insert {
        id: u64,
        w: i32,
        h: i32,
        bar: bool,
        parent: Option<u64>,
    },
    Remove(u64),
    Drawn {
        id: u64,
        w: i32,
        h: i32,
        settled: bool,
    },
    Limits {
        id: u64,
        min: i32,
        max: i32,
    },
    TitleBar(u64, bool),
    Parent(u64, Option<u64>),
    Move {
        id: u64,
        x: i32,
        y: i32,
    },
    Resize {
        id: u64,
        edges: u8,
        w: i32,
        h: i32,
    },
    ResizeEnd(u64),
    Maximise(u64, bool),
    Fullscreen(u64, bool),
    Minimise(u64, bool),
    Focus(u64),
    Cycle(bool),
    CycleEnd,
    Workspace(usize),
    MoveToWorkspace(u64, usize),
}

fn op() -> impl Strategy<Value = Op> {
    let id = || 0..6u64;
    let place = || -3000..6000i32;
    let length = || prop_oneof![0..4000i32, 1..800i32];
    prop_oneof![
        prop::collection::vec((600..3000i32, 400..2000i32, 0..60i32), 0..3).prop_map(Op::Areas),
        (
            id(),
            length(),
            length(),
            any::<bool>(),
            prop::option::of(id())
        )
            .prop_map(|(id, w, h, bar, parent)| Op::Insert {
                id,
                w,
                h,
                bar,
                parent
            }),
        (
            id(),
            length(),
            length(),
            any::<bool>(),
            prop::option::of(id())
        )
            .prop_map(|(id, w, h, bar, parent)| Op::Insert {
                id,
                w,
                h,
                bar,
                parent
            }),
        id().prop_map(Op::Remove),
        (id(), length(), length(), any::<bool>()).prop_map(|(id, w, h, settled)| Op::Drawn {
            id,
            w,
            h,
            settled
        }),
        (id(), 0..500i32, 0..900i32).prop_map(|(id, min, max)| Op::Limits { id, min, max }),
        (id(), any::<bool>()).prop_map(|(id, on)| Op::TitleBar(id, on)),
        (id(), prop::option::of(id())).prop_map(|(id, parent)| Op::Parent(id, parent)),
        (id(), place(), place()).prop_map(|(id, x, y)| Op::Move { id, x, y }),
        (id(), 0..16u8, length(), length()).prop_map(|(id, edges, w, h)| Op::Resize {
            id,
            edges,
            w,
            h
        }),
        id().prop_map(Op::ResizeEnd),
        (id(), any::<bool>()).prop_map(|(id, on)| Op::Maximise(id, on)),
        (id(), any::<bool>()).prop_map(|(id, on)| Op::Fullscreen(id, on)),
        (id(), any::<bool>()).prop_map(|(id, on)| Op::Minimise(id, on)),
        id().prop_map(Op::Focus),
        any::<bool>().prop_map(Op::Cycle),
        Just(Op::CycleEnd),
        (0..6usize).prop_map(Op::Workspace),
        (id(), 0..6usize).prop_map(|(id, number)| Op::MoveToWorkspace(id, number)),
    ]
}

fn areas(outputs: &[(i32, i32, i32)]) -> Vec<Area> {
    let mut x = 0;
    outputs
        .iter()
        .map(|&(w, h, panel)| {
            let full = Rect::new((x, 0).into(), (w, h).into());
            x += w;
            let usable = Rect::new((full.loc.x, panel).into(), (w, h - panel).into());
            Area { full, usable }
        })
        .collect()
}

fn apply(layout: &mut Layout, op: &Op) {
    let w = WindowId;
    match op {
        Op::Areas(outputs) => {
            layout.set_areas(areas(outputs));
        }
        Op::Insert {
            id,
            w: width,
            h,
            bar,
            parent,
        } => {
            let bar = if *bar { 32 } else { 0 };
            layout.insert(
                w(*id),
                (*width, *h).into(),
                bar,
                parent.map(w),
                (10, 10).into(),
            );
        }
        Op::Remove(id) => layout.remove(w(*id)),
        Op::Drawn {
            id,
            w: width,
            h,
            settled,
        } => layout.drawn(w(*id), (*width, *h).into(), *settled),
        Op::Limits { id, min, max } => {
            let limits = Limits {
                min: (*min, *min).into(),
                max: (*max, *max).into(),
            };
            layout.set_limits(w(*id), limits);
        }
        Op::TitleBar(id, on) => layout.set_title_bar(w(*id), if *on { 32 } else { 0 }),
        Op::Parent(id, parent) => layout.set_parent(w(*id), parent.map(w)),
        Op::Move { id, x, y } => layout.move_to(w(*id), (*x, *y).into()),
        Op::Resize {
            id,
            edges,
            w: width,
            h,
        } => {
            let edges = Edges {
                left: edges & 1 != 0,
                right: edges & 2 != 0 && edges & 1 == 0,
                top: edges & 4 != 0,
                bottom: edges & 8 != 0 && edges & 4 == 0,
            };
            if let Some(start) = layout.frame(w(*id)) {
                // A drag can go past the opposite side.
                let mut size = start.size;
                size.w = width - 1000;
                size.h = h - 1000;
                layout.resize(w(*id), start, edges, size);
            }
        }
        Op::ResizeEnd(id) => layout.resize_end(w(*id)),
        Op::Maximise(id, on) => layout.set_maximised(w(*id), *on),
        Op::Fullscreen(id, on) => layout.set_fullscreen(w(*id), *on),
        Op::Minimise(id, on) => layout.set_minimised(w(*id), *on),
        Op::Focus(id) => {
            layout.focus(w(*id));
        }
        Op::Cycle(backwards) => layout.cycle(*backwards),
        Op::CycleEnd => layout.cycle_end(),
        Op::Workspace(number) => {
            layout.activate_workspace(*number);
        }
        Op::MoveToWorkspace(id, number) => {
            layout.move_to_workspace(w(*id), *number);
        }
    }
}

/// What must hold after every operation.
fn verify_invariants(layout: &Layout) {
    let mut known: Vec<_> = layout.windows.keys().copied().collect();
    let mut stack = layout.stack.clone();
    let mut recent = layout.recent.clone();
    known.sort();
    stack.sort();
    recent.sort();
    assert_eq!(stack, known, "the stack holds every window once");
    assert_eq!(recent, known, "the order of use holds every window once");
    assert!(layout.active < layout.workspaces);

    match layout.focused() {
        Some(id) => assert!(layout.is_visible(id), "what has the focus can be seen"),
        None => assert_eq!(
            layout.visible().count(),
            0,
            "something visible has the focus"
        ),
    }
    if let Some(cycle) = &layout.cycle {
        assert!(cycle.at < cycle.order.len());
        assert!(
            cycle
                .order
                .iter()
                .all(|id| layout.workspace(*id) == Some(layout.active))
        );
    }

    for (id, entry) in &layout.windows {
        let (frame, client) = (layout.frame(*id).unwrap(), layout.client(*id).unwrap());
        let area = layout.area_of(*id);
        assert!(entry.workspace < layout.workspaces);
        assert!(
            client.size.w >= 1 && client.size.h >= 1,
            "a client is never asked for nothing: {client:?}"
        );
        assert_ne!(entry.parent, Some(*id));
        assert!(
            entry
                .parent
                .is_none_or(|parent| layout.windows.contains_key(&parent))
        );
        match entry.mode {
            Mode::Maximised => assert_eq!(frame, area.usable),
            Mode::Fullscreen { .. } => {
                assert_eq!(frame, area.full);
                assert_eq!(client, area.full, "full screen has no title bar");
            }
            Mode::Floating => {
                let mut areas = layout.areas.clone();
                if areas.is_empty() {
                    areas.push(area);
                }
                assert!(
                    areas
                        .iter()
                        .any(|area| reachable(entry.frame, *area) == entry.frame.loc),
                    "some of the window can be seen and grabbed: {entry:?}"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_layout_holds(ops in prop::collection::vec(op(), 1..60)) {
        let mut layout = Layout::new(4);
        layout.set_areas(areas(&[(1280, 800, 36)]));
        for op in &ops {
            apply(&mut layout, op);
            verify_invariants(&layout);
        }
    }
}

fn screen() -> Layout {
    let mut layout = Layout::new(4);
    layout.set_areas(areas(&[(1280, 800, 40)]));
    layout
}

fn open(layout: &mut Layout, id: u64) -> Rect {
    layout.insert(WindowId(id), (400, 300).into(), 0, None, (0, 0).into())
}

#[test]
fn windows_are_centred_below_the_panel_and_then_cascade() {
    let mut layout = screen();
    assert_eq!(open(&mut layout, 1).loc, (440, 270).into());
    assert_eq!(open(&mut layout, 2).loc, (472, 302).into());
    let dialog = layout.insert(
        WindowId(3),
        (100, 100).into(),
        0,
        Some(WindowId(1)),
        (0, 0).into(),
    );
    assert_eq!(dialog.loc, (590, 370).into());
}

#[test]
fn alt_tab_goes_through_the_order_of_use_and_counts_once_let_go() {
    let mut layout = screen();
    for id in 1..=3 {
        open(&mut layout, id);
    }
    layout.cycle(false);
    assert_eq!(layout.focused(), Some(WindowId(2)));
    layout.cycle(false);
    assert_eq!(layout.focused(), Some(WindowId(1)));
    assert_eq!(
        layout.recent(),
        [WindowId(3), WindowId(2), WindowId(1)],
        "not used yet"
    );
    layout.cycle_end();
    assert_eq!(layout.recent(), [WindowId(1), WindowId(3), WindowId(2)]);
    assert_eq!(layout.visible().next(), Some(WindowId(1)));
}

#[test]
fn maximising_respects_panels_and_comes_back() {
    let mut layout = screen();
    let frame = open(&mut layout, 1);
    layout.set_maximised(WindowId(1), true);
    assert_eq!(
        layout.frame(WindowId(1)),
        Some(Rect::new((0, 40).into(), (1280, 760).into()))
    );
    layout.set_fullscreen(WindowId(1), true);
    assert_eq!(layout.fullscreen_on(0), Some(WindowId(1)));
    layout.set_fullscreen(WindowId(1), false);
    assert_eq!(layout.mode(WindowId(1)), Some(Mode::Maximised));
    layout.set_maximised(WindowId(1), false);
    assert_eq!(layout.frame(WindowId(1)), Some(frame));
}

#[test]
fn resizing_from_the_left_keeps_the_right_side_where_it_is() {
    let mut layout = screen();
    let start = open(&mut layout, 1);
    let right = start.loc.x + start.size.w;
    let edges = Edges {
        left: true,
        ..Edges::default()
    };
    layout.resize(WindowId(1), start, edges, (500, 300).into());
    let frame = layout.frame(WindowId(1)).unwrap();
    assert_eq!(frame, start, "the client has not drawn yet");
    assert_eq!(layout.client(WindowId(1)).unwrap().size, (500, 300).into());
    // The client rounds down to its grid.
    layout.drawn(WindowId(1), (490, 300).into(), true);
    let frame = layout.frame(WindowId(1)).unwrap();
    assert_eq!((frame.loc.x + frame.size.w, frame.size.w), (right, 490));
    let revision = layout.revision(WindowId(1));
    layout.drawn(WindowId(1), (490, 300).into(), true);
    assert_eq!(
        layout.revision(WindowId(1)),
        revision,
        "nobody argues about the size"
    );
}

#[test]
fn focusing_a_window_shows_its_workspace() {
    let mut layout = screen();
    open(&mut layout, 1);
    layout.move_to_workspace(WindowId(1), 2);
    assert_eq!(layout.focused(), None);
    assert!(layout.focus(WindowId(1)));
    assert_eq!(layout.active_workspace(), 2);
    assert!(!layout.activate_workspace(4));
}
