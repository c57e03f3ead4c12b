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
    Shift(u64, i32, i32),
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
    Cycle(bool, bool),
    CycleTo(u64),
    CycleEnd,
    CycleCancel,
    Workspace(usize),
    MoveToWorkspace(u64, usize),
    Workspaces(usize),
    Tiling(usize, bool),
    Gaps(i32, i32),
    Float(u64, bool),
    FocusTowards(Direction),
    MoveTowards(u64, Direction),
    SwapTowards(u64, Direction),
    Grow(u64, Growth),
    Snap(u64, Zone),
    Unsnap(u64),
    DropTile(u64, i32, i32),
    FocusOutput(usize),
    MoveToOutput(u64, usize),
    MoveWorkspaceToOutput(usize),
    Stack(u64),
    Unstack(u64),
    NextInStack(u64, bool),
}

fn direction() -> impl Strategy<Value = Direction> {
    prop::sample::select(
        &[
            Direction::Left,
            Direction::Right,
            Direction::Up,
            Direction::Down,
        ][..],
    )
}

fn tiling_op() -> impl Strategy<Value = Op> {
    let id = || 0..6u64;
    let growths = [
        Growth::Wider,
        Growth::Narrower,
        Growth::Taller,
        Growth::Shorter,
    ];
    let zones = [Zone::Left, Zone::Right, Zone::TopLeft, Zone::BottomRight];
    prop_oneof![
        (1..7usize).prop_map(Op::Workspaces),
        (0..5usize, any::<bool>()).prop_map(|(number, on)| Op::Tiling(number, on)),
        (0..20i32, 0..20i32).prop_map(|(between, around)| Op::Gaps(between, around)),
        (id(), any::<bool>()).prop_map(|(id, on)| Op::Float(id, on)),
        direction().prop_map(Op::FocusTowards),
        (id(), direction()).prop_map(|(id, to)| Op::MoveTowards(id, to)),
        (id(), direction()).prop_map(|(id, to)| Op::SwapTowards(id, to)),
        (id(), prop::sample::select(growths.to_vec())).prop_map(|(id, by)| Op::Grow(id, by)),
        (id(), prop::sample::select(zones.to_vec())).prop_map(|(id, zone)| Op::Snap(id, zone)),
        id().prop_map(Op::Unsnap),
        (id(), 0..3000i32, 0..1500i32).prop_map(|(id, x, y)| Op::DropTile(id, x, y)),
        (0..3usize).prop_map(Op::FocusOutput),
        (id(), 0..3usize).prop_map(|(id, output)| Op::MoveToOutput(id, output)),
        (0..3usize).prop_map(Op::MoveWorkspaceToOutput),
        id().prop_map(Op::Stack),
        id().prop_map(Op::Unstack),
        (id(), any::<bool>()).prop_map(|(id, backwards)| Op::NextInStack(id, backwards)),
    ]
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
        (id(), place(), place()).prop_map(|(id, x, y)| Op::Shift(id, x, y)),
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
        any::<(bool, bool)>().prop_map(|(everywhere, backwards)| Op::Cycle(everywhere, backwards)),
        id().prop_map(Op::CycleTo),
        Just(Op::CycleEnd),
        Just(Op::CycleCancel),
        (0..6usize).prop_map(Op::Workspace),
        (id(), 0..6usize).prop_map(|(id, number)| Op::MoveToWorkspace(id, number)),
        tiling_op(),
        tiling_op(),
    ]
}

fn areas(outputs: &[(i32, i32, i32)]) -> Vec<Area> {
    let mut x = 0;
    outputs
        .iter()
        .enumerate()
        .map(|(index, &(w, h, panel))| {
            let name = format!("{index}");
            let full = Rect::new((x, 0).into(), (w, h).into());
            x += w;
            let usable = Rect::new((full.loc.x, panel).into(), (w, h - panel).into());
            Area { name, full, usable }
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
            let opening = Opening {
                client: (*width, *h).into(),
                title_bar: bar,
                parent: parent.map(w),
                at: (10, 10).into(),
                unfocused: *id == 5,
                ..Opening::default()
            };
            layout.insert(w(*id), &opening);
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
        Op::Shift(id, x, y) => layout.shift(w(*id), (*x, *y).into()),
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
        Op::Cycle(everywhere, backwards) => {
            let reach = if *everywhere {
                Reach::Everywhere
            } else {
                Reach::Workspace
            };
            layout.cycle(reach, *backwards);
        }
        Op::CycleTo(id) => layout.cycle_to(w(*id)),
        Op::CycleEnd => layout.cycle_end(),
        Op::CycleCancel => layout.cycle_cancel(),
        Op::Workspace(number) => {
            layout.activate_workspace(*number);
        }
        Op::MoveToWorkspace(id, number) => {
            layout.move_to_workspace(w(*id), *number);
        }
        Op::Workspaces(count) => layout.set_workspaces(*count),
        Op::Tiling(number, on) => layout.set_tiling(*number, *on),
        Op::Gaps(between, around) => layout.set_gaps(Gaps {
            between: *between,
            around: *around,
        }),
        Op::Float(id, on) => layout.set_floating(w(*id), *on),
        Op::FocusTowards(to) => layout.focus_towards(*to),
        Op::MoveTowards(id, to) => layout.move_towards(w(*id), *to),
        Op::SwapTowards(id, to) => layout.swap_towards(w(*id), *to),
        Op::Grow(id, by) => layout.grow(w(*id), *by),
        Op::Snap(id, zone) => layout.snap(w(*id), *zone),
        Op::Unsnap(id) => layout.unsnap(w(*id)),
        Op::DropTile(id, x, y) => {
            if let Some((drop, _)) = layout.drop_at(w(*id), (f64::from(*x), f64::from(*y)).into()) {
                layout.drop_tile(w(*id), drop);
            }
        }
        Op::FocusOutput(output) => {
            layout.focus_output(*output);
        }
        Op::MoveToOutput(id, output) => {
            layout.move_to_output(w(*id), *output);
        }
        Op::MoveWorkspaceToOutput(output) => {
            layout.move_workspace_to_output(*output);
        }
        Op::Stack(id) => {
            layout.stack(w(*id));
        }
        Op::Unstack(id) => layout.unstack(w(*id)),
        Op::NextInStack(id, backwards) => layout.next_in_stack(w(*id), *backwards),
    }
}

/// What must hold of workspaces and outputs.
fn verify_workspaces(layout: &Layout) {
    assert!(layout.active < layout.spaces.len());
    assert!(
        layout.is_shown(layout.active),
        "where the person is can be seen"
    );
    assert_eq!(layout.shown.len(), layout.areas.len());
    for (output, number) in layout.shown.iter().enumerate() {
        assert_eq!(
            layout.spaces[*number].output, output,
            "an output shows what belongs to it: {:?}",
            layout.shown
        );
    }
    for (id, entry) in &layout.windows {
        assert!(entry.workspace < layout.spaces.len());
        let mut later = layout.clone();
        assert!(later.focus(*id));
        assert_eq!(later.focused(), Some(*id), "every window can be got at");
    }
}

/// What must hold of stacks.
fn verify_stacks(layout: &Layout) {
    let mut members: Vec<_> = layout.stacks.concat();
    members.sort();
    for stack in &layout.stacks {
        assert!(stack.len() > 1);
        let shown = stack.iter().filter(|id| !layout.windows[id].behind);
        assert_eq!(shown.count(), 1, "one is shown: {stack:?}");
        let first = layout.workspace(stack[0]);
        assert!(stack.iter().all(|id| layout.workspace(*id) == first));
    }
    let count = members.len();
    members.dedup();
    assert_eq!(members.len(), count, "no window is in two stacks");
    for (id, entry) in &layout.windows {
        assert!(!entry.behind || members.contains(id));
    }
}

/// What must hold of the tiles of each workspace.
fn verify_tiles(layout: &Layout) {
    for (number, space) in layout.spaces.iter().enumerate() {
        let mut tiles = Vec::new();
        let area = layout.tiled_area(number);
        for id in space.tree.windows() {
            let entry = &layout.windows[&id];
            assert_eq!(entry.workspace, number);
            assert!(space.tiling && !layout.is_floating(id));
            assert_eq!(entry.tile.is_none(), entry.minimised);
            tiles.extend(entry.tile);
        }
        let gap = i64::from(layout.gaps.between);
        for (index, tile) in tiles.iter().enumerate() {
            assert!(area.contains_rect(*tile), "{tile:?} is in {area:?}");
            assert!(
                tiles[index + 1..]
                    .iter()
                    .all(|other| !other.overlaps(*tile)),
                "tiles do not lie over each other: {tiles:?}"
            );
        }
        // With the gap on its right and below, tiles are a partition of the area.
        let room = |rect: &Rect| (i64::from(rect.size.w) + gap) * (i64::from(rect.size.h) + gap);
        if !tiles.is_empty() {
            assert_eq!(
                tiles.iter().map(room).sum::<i64>(),
                room(&area),
                "tiles fill the area but for the gaps: {tiles:?} in {area:?}"
            );
        }
    }
    for (id, entry) in &layout.windows {
        let wanted = layout.is_tiling(entry.workspace) && !layout.is_floating(*id) && !entry.behind;
        assert_eq!(layout.is_tile(*id), wanted, "{id:?} {entry:?}");
        assert!(entry.tile.is_none() || layout.is_tile(*id));
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
    verify_workspaces(layout);
    verify_tiles(layout);
    verify_stacks(layout);

    match layout.focused() {
        Some(id) => assert!(layout.is_visible(id), "what has the focus can be seen"),
        None => assert!(
            layout
                .visible()
                .all(|id| layout.windows[&id].workspace != layout.active),
            "something visible has the focus"
        ),
    }
    if let Some(cycle) = &layout.cycle {
        assert!(cycle.at < cycle.order.len());
        assert!(cycle.order.iter().all(|id| layout.windows.contains_key(id)));
    }

    for (id, entry) in &layout.windows {
        let (frame, client) = (layout.frame(*id).unwrap(), layout.client(*id).unwrap());
        let area = layout.area_of(*id);
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
            _ if entry.behind => {}
            Mode::Maximised => assert_eq!(frame, area.usable),
            Mode::Fullscreen { .. } => {
                assert_eq!(frame, area.full);
                assert_eq!(client, area.full, "full screen has no title bar");
            }
            Mode::Normal if entry.tile.is_some() => assert_eq!(Some(frame), entry.tile),
            Mode::Normal if entry.zone.is_some() => {
                assert_eq!(area.usable.intersection(frame), Some(frame));
            }
            Mode::Normal => {
                let mut areas = layout.areas.clone();
                if areas.is_empty() {
                    areas.push(area);
                }
                assert!(
                    areas
                        .iter()
                        .any(|area| reachable(entry.frame, area) == entry.frame.loc),
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

    #[test]
    fn floating_again_every_window_has_the_frame_that_it_had(
        ops in prop::collection::vec(op(), 1..40),
        tiled in prop::collection::vec((0..6u64, direction()), 0..20),
    ) {
        let mut layout = Layout::new(4);
        layout.set_areas(areas(&[(1280, 800, 36)]));
        for op in &ops {
            apply(&mut layout, op);
        }
        for number in 0..layout.workspaces() {
            layout.set_tiling(number, false);
        }
        let frames = |layout: &Layout| -> Vec<_> {
            layout.windows.iter().map(|(id, entry)| (*id, entry.frame.size, entry.mode)).collect()
        };
        let places = |layout: &Layout| -> Vec<_> {
            layout.windows.values().filter(|e| e.parent.is_none()).map(|entry| entry.frame.loc).collect()
        };
        // Tiling ends Alt-Tab, which may bring another window of a stack forward.
        layout.cycle_end();
        let active = layout.active_workspace();
        for id in 0..6 {
            // What is snapped gets a tile instead, and floats afterwards.
            layout.unsnap(WindowId(id));
        }
        let before = (frames(&layout), places(&layout));
        layout.set_tiling(active, true);
        for (id, to) in &tiled {
            if layout.tile(WindowId(*id)).is_some() {
                layout.swap_towards(WindowId(*id), *to);
                layout.grow(WindowId(*id), Growth::Wider);
            }
        }
        layout.set_tiling(active, false);
        prop_assert_eq!(before, (frames(&layout), places(&layout)));
    }

    #[test]
    fn an_output_that_returns_gets_its_workspaces_back(
        places in prop::collection::vec((0..2500i32, 40..700i32), 1..6),
        active in 0..4usize,
    ) {
        let two = areas(&[(1280, 800, 36), (1920, 1080, 0)]);
        let mut layout = Layout::new(4);
        layout.set_areas(two.clone());
        for (id, (x, y)) in places.iter().enumerate() {
            open(&mut layout, id as u64);
            layout.move_to(WindowId(id as u64), (*x, *y).into());
        }
        layout.activate_workspace(active);
        let look = |layout: &Layout| {
            let windows: Vec<_> =
                layout.windows.values().map(|entry| (entry.workspace, entry.frame)).collect();
            (windows, layout.shown.clone(), layout.active)
        };
        let before = look(&layout);
        layout.set_areas(two[..1].to_vec());
        verify_invariants(&layout);
        let windows = layout.windows.keys().copied().collect::<Vec<_>>();
        for id in windows {
            prop_assert_eq!(layout.output_of(id), Some(0));
        }
        layout.set_areas(two);
        verify_invariants(&layout);
        prop_assert_eq!(before, look(&layout));
    }
}

fn screen() -> Layout {
    let mut layout = Layout::new(4);
    layout.set_areas(areas(&[(1280, 800, 40)]));
    layout
}

fn open(layout: &mut Layout, id: u64) -> Rect {
    open_over(layout, id, (400, 300), None)
}

fn open_over(layout: &mut Layout, id: u64, size: (i32, i32), parent: Option<u64>) -> Rect {
    let opening = Opening {
        client: size.into(),
        parent: parent.map(WindowId),
        ..Opening::default()
    };
    layout.insert(WindowId(id), &opening)
}

fn frame(layout: &Layout, id: u64) -> Rect {
    layout.frame(WindowId(id)).unwrap()
}

fn rect(x: i32, y: i32, w: i32, h: i32) -> Rect {
    Rect::new((x, y).into(), (w, h).into())
}

#[test]
fn windows_are_centred_below_the_panel_and_then_cascade() {
    let mut layout = screen();
    assert_eq!(open(&mut layout, 1).loc, (440, 270).into());
    assert_eq!(open(&mut layout, 2).loc, (472, 302).into());
    let dialog = open_over(&mut layout, 3, (100, 100), Some(1));
    assert_eq!(dialog.loc, (590, 370).into());
}

#[test]
fn alt_tab_goes_through_the_order_of_use_and_counts_once_let_go() {
    let mut layout = screen();
    for id in 1..=3 {
        open(&mut layout, id);
    }
    layout.cycle(Reach::Workspace, false);
    assert_eq!(layout.focused(), Some(WindowId(2)));
    layout.cycle(Reach::Workspace, false);
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
fn alt_tab_that_is_given_up_changes_nothing() {
    let mut layout = screen();
    for id in 1..=3 {
        open(&mut layout, id);
    }
    let before: Vec<_> = layout.visible().collect();
    layout.cycle(Reach::Workspace, false);
    layout.cycle_to(WindowId(1));
    assert_eq!(layout.visible().next(), Some(WindowId(1)));
    layout.cycle_cancel();
    assert_eq!(layout.visible().collect::<Vec<_>>(), before);
    assert_eq!(layout.recent(), [WindowId(3), WindowId(2), WindowId(1)]);
}

#[test]
fn alt_tab_through_all_windows_goes_to_a_workspace_once_let_go() {
    let mut layout = screen();
    open(&mut layout, 1);
    open(&mut layout, 2);
    layout.move_to_workspace(WindowId(1), 2);
    layout.cycle(Reach::Workspace, false);
    assert_eq!(
        layout.focused(),
        Some(WindowId(2)),
        "there is no other here"
    );
    layout.cycle_end();
    layout.cycle(Reach::Everywhere, false);
    assert_eq!(layout.candidates().unwrap().0.len(), 2);
    assert_eq!(layout.focused(), Some(WindowId(2)), "it is not gone to yet");
    assert_eq!(layout.active_workspace(), 0);
    layout.cycle_end();
    assert_eq!(layout.active_workspace(), 2);
    assert_eq!(layout.focused(), Some(WindowId(1)));
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

fn tiled(count: u64) -> Layout {
    let mut layout = screen();
    layout.set_tiling(0, true);
    for id in 1..=count {
        open(&mut layout, id);
    }
    layout
}

#[test]
fn a_new_tile_halves_the_one_used_last_along_its_longer_side() {
    let mut layout = screen();
    layout.set_gaps(Gaps {
        between: 10,
        around: 20,
    });
    layout.set_tiling(0, true);
    open(&mut layout, 1);
    assert_eq!(frame(&layout, 1), rect(20, 60, 1240, 720));
    open(&mut layout, 2);
    assert_eq!(frame(&layout, 1), rect(20, 60, 615, 720));
    assert_eq!(frame(&layout, 2), rect(645, 60, 615, 720));
    open(&mut layout, 3);
    assert_eq!(frame(&layout, 2), rect(645, 60, 615, 355));
    assert_eq!(frame(&layout, 3), rect(645, 425, 615, 355));
    layout.set_minimised(WindowId(1), true);
    assert_eq!(
        frame(&layout, 2).size.w,
        1240,
        "its neighbours take its place"
    );
    layout.focus(WindowId(1));
    assert_eq!(
        frame(&layout, 1),
        rect(20, 60, 615, 720),
        "it comes back to it"
    );
}

#[test]
fn dialogs_and_windows_of_one_size_float_above_the_tiles() {
    let mut layout = tiled(2);
    open_over(&mut layout, 3, (200, 100), Some(1));
    let fixed = Opening {
        client: (300, 200).into(),
        limits: Limits {
            min: (300, 200).into(),
            max: (300, 200).into(),
        },
        ..Opening::default()
    };
    layout.insert(WindowId(4), &fixed);
    layout.focus(WindowId(2));
    let order: Vec<_> = layout.visible().map(|id| id.0).collect();
    assert_eq!(order[2..], [2, 1]);
    assert_eq!(frame(&layout, 4).size, (300, 200).into());

    let floating = layout.windows[&WindowId(2)].frame;
    layout.set_floating(WindowId(2), true);
    assert_eq!(layout.client(WindowId(2)).unwrap().size, floating.size);
    assert_eq!(frame(&layout, 1), rect(0, 40, 1280, 760));
    layout.set_floating(WindowId(2), false);
    assert!(layout.is_tile(WindowId(2)));
}

#[test]
fn tiles_are_used_moved_swapped_and_resized_by_direction() {
    let mut layout = tiled(3);
    // 1 on the left, 2 above 3 on the right.
    layout.focus_towards(Direction::Left);
    assert_eq!(layout.focused(), Some(WindowId(1)));
    layout.focus_towards(Direction::Right);
    assert_eq!(layout.focused(), Some(WindowId(3)), "the one used last");
    layout.focus_towards(Direction::Up);
    assert_eq!(layout.focused(), Some(WindowId(2)));

    layout.swap_towards(WindowId(2), Direction::Left);
    assert_eq!(frame(&layout, 2), rect(0, 40, 640, 760));
    assert_eq!(frame(&layout, 1), rect(640, 40, 640, 380));

    layout.grow(WindowId(2), Growth::Wider);
    assert_eq!(frame(&layout, 2).size.w, 688);
    assert_eq!(frame(&layout, 3), rect(688, 420, 592, 380));
    layout.grow(WindowId(3), Growth::Taller);
    assert_eq!(frame(&layout, 3), rect(688, 372, 592, 428));

    // Past its neighbour, then along the whole side.
    layout.move_towards(WindowId(1), Direction::Down);
    assert_eq!(frame(&layout, 1).loc.y, 40 + 760 - frame(&layout, 1).size.h);
    layout.move_towards(WindowId(1), Direction::Down);
    assert_eq!(frame(&layout, 1).size.w, 1280);
}

#[test]
fn what_a_client_needs_at_least_is_kept_where_it_can_be() {
    let mut layout = tiled(2);
    let limits = Limits {
        min: (900, 100).into(),
        max: (0, 0).into(),
    };
    layout.set_limits(WindowId(2), limits);
    assert_eq!(frame(&layout, 2), rect(380, 40, 900, 760));
    layout.grow(WindowId(1), Growth::Wider);
    assert_eq!(frame(&layout, 2).size.w, 900);
}

#[test]
fn a_dragged_border_moves_both_neighbours() {
    let mut layout = tiled(2);
    let edges = Edges {
        left: true,
        ..Edges::default()
    };
    let start = frame(&layout, 2);
    layout.resize(WindowId(2), start, edges, (800, 760).into());
    assert_eq!(frame(&layout, 1), rect(0, 40, 480, 760));
    assert_eq!(frame(&layout, 2), rect(480, 40, 800, 760));
}

#[test]
fn a_dragged_tile_changes_places_or_goes_beside_another() {
    let mut layout = tiled(3);
    let (drop, shown) = layout.drop_at(WindowId(3), (320.0, 400.0).into()).unwrap();
    assert_eq!(
        (drop, shown),
        (TileDrop::Swap(WindowId(1)), frame(&layout, 1))
    );
    layout.drop_tile(WindowId(3), drop);
    assert_eq!(frame(&layout, 3), rect(0, 40, 640, 760));

    let (drop, shown) = layout.drop_at(WindowId(1), (10.0, 400.0).into()).unwrap();
    assert_eq!(drop, TileDrop::Beside(WindowId(3), Direction::Left));
    assert_eq!(shown, rect(0, 40, 320, 760));
    layout.drop_tile(WindowId(1), drop);
    assert_eq!(frame(&layout, 1), rect(0, 40, 320, 760));
    assert_eq!(frame(&layout, 2), rect(640, 40, 640, 760));
    assert_eq!(layout.drop_at(WindowId(1), (10.0, 400.0).into()), None);
}

#[test]
fn a_tile_that_is_used_is_not_hidden_by_one_that_fills_the_screen() {
    let mut layout = tiled(2);
    layout.set_fullscreen(WindowId(2), true);
    assert_eq!(layout.fullscreen_on(0), Some(WindowId(2)));
    layout.focus(WindowId(1));
    assert_eq!(layout.fullscreen_on(0), None);
    assert_eq!(frame(&layout, 2).size, (640, 760).into());
}

#[test]
fn snapped_windows_fill_a_part_and_come_back() {
    let mut layout = screen();
    let before = open(&mut layout, 1);
    let at = |layout: &Layout, x: f64, y: f64| layout.snap_at(WindowId(1), (x, y).into());
    assert_eq!(at(&layout, 640.0, 400.0), None);
    assert_eq!(
        at(&layout, 2.0, 400.0),
        Some((Snap::Zone(Zone::Left), rect(0, 40, 640, 760)))
    );
    assert_eq!(
        at(&layout, 1279.0, 790.0),
        Some((Snap::Zone(Zone::BottomRight), rect(640, 420, 640, 380)))
    );
    assert_eq!(
        at(&layout, 640.0, 3.0),
        Some((Snap::Maximise, rect(0, 40, 1280, 760)))
    );
    layout.snap(WindowId(1), Zone::Left);
    assert_eq!(frame(&layout, 1), rect(0, 40, 640, 760));
    layout.set_maximised(WindowId(1), true);
    layout.set_maximised(WindowId(1), false);
    assert_eq!(frame(&layout, 1), rect(0, 40, 640, 760));
    layout.snap_towards(WindowId(1), Direction::Left);
    assert_eq!(frame(&layout, 1), before);
}

#[test]
fn edges_pull_a_window_that_comes_near() {
    let mut layout = screen();
    open(&mut layout, 1);
    layout.move_to(WindowId(1), (600, 100).into());
    open(&mut layout, 2);
    let pulled = |x: i32, y: i32| layout.attracted(WindowId(2), (x, y).into(), 8);
    assert_eq!(pulled(5, 45), (0, 40).into(), "the corner below the panel");
    assert_eq!(
        pulled(195, 300),
        (200, 300).into(),
        "the other window's left side"
    );
    assert_eq!(pulled(100, 300), (100, 300).into());
}

fn two_screens() -> Layout {
    let mut layout = Layout::new(4);
    layout.set_areas(areas(&[(1280, 800, 0), (1920, 1080, 0)]));
    layout
}

#[test]
fn each_output_shows_a_workspace_of_its_own() {
    let mut layout = two_screens();
    assert_eq!(layout.shown, [0, 1]);
    open(&mut layout, 1);
    layout.activate_workspace(1);
    assert!(
        layout.is_visible(WindowId(1)),
        "the other output goes on showing it"
    );
    assert_eq!(layout.focused(), None);
    layout.activate_workspace(2);
    assert_eq!(layout.shown, [0, 2], "it comes to where it is asked for");
    layout.focus_towards(Direction::Left);
    assert_eq!(layout.focused(), Some(WindowId(1)));

    layout.move_to(WindowId(1), (2000, 500).into());
    assert_eq!((layout.workspace(WindowId(1)), layout.active), (Some(2), 2));

    layout.set_tiling(0, true);
    layout.move_to(WindowId(1), (100, 100).into());
    assert_eq!(layout.workspace(WindowId(1)), Some(0));
    assert!(
        !layout.is_tile(WindowId(1)),
        "it floats above the tiles there"
    );
}

#[test]
fn a_workspace_is_moved_to_another_output_with_its_windows() {
    let mut layout = two_screens();
    let frame_before = open(&mut layout, 1);
    assert!(layout.move_workspace_to_output(1));
    assert_eq!((layout.shown[1], layout.active), (0, 0));
    assert_eq!(
        frame(&layout, 1).loc,
        frame_before.loc + Point::from((1280, 0))
    );
    assert_eq!(layout.focused(), Some(WindowId(1)));
    assert!(!layout.move_workspace_to_output(1) && !layout.move_workspace_to_output(7));
}

#[test]
fn a_window_that_opens_without_the_focus_is_behind_the_one_in_use() {
    let mut layout = screen();
    open(&mut layout, 1);
    let opening = Opening {
        client: (100, 100).into(),
        unfocused: true,
        ..Opening::default()
    };
    layout.insert(WindowId(2), &opening);
    assert_eq!(layout.focused(), Some(WindowId(1)));
    assert_eq!(layout.visible().next(), Some(WindowId(1)));
}

#[test]
fn windows_of_a_stack_share_a_tile_and_the_one_used_last_is_shown() {
    let mut layout = tiled(3);
    let place = frame(&layout, 2);
    layout.focus(WindowId(2));
    layout.focus(WindowId(3));
    assert!(layout.stack(WindowId(3)));
    // Three takes the place of two, and its own goes to its neighbour.
    let shared = frame(&layout, 3);
    assert_eq!(shared.loc, place.loc);
    assert_eq!(
        layout.stack_of(WindowId(2)),
        Some(&[WindowId(2), WindowId(3)][..])
    );
    assert!(!layout.is_visible(WindowId(2)) && layout.is_tile(WindowId(3)));

    layout.next_in_stack(WindowId(3), false);
    assert_eq!(layout.focused(), Some(WindowId(2)));
    assert_eq!(frame(&layout, 2), shared);
    assert!(!layout.is_visible(WindowId(3)));
    layout.focus(WindowId(3));
    assert!(!layout.is_visible(WindowId(2)), "whoever is used is shown");

    layout.unstack(WindowId(3));
    assert_eq!(layout.stack_of(WindowId(3)), None);
    assert!(layout.is_visible(WindowId(2)) && layout.is_visible(WindowId(3)));
    assert!(!frame(&layout, 2).overlaps(frame(&layout, 3)));
}

#[test]
fn who_is_behind_comes_forward_when_the_shown_window_goes() {
    let mut layout = screen();
    let first = open(&mut layout, 1);
    open(&mut layout, 2);
    assert!(layout.stack(WindowId(2)));
    assert_eq!(frame(&layout, 2).loc, first.loc);
    layout.move_to(WindowId(2), (100, 100).into());
    assert!(layout.move_to_workspace(WindowId(2), 1));
    assert_eq!(
        layout.workspace(WindowId(1)),
        Some(1),
        "a stack stays together"
    );
    layout.remove(WindowId(2));
    layout.activate_workspace(1);
    assert_eq!(layout.focused(), Some(WindowId(1)));
    assert_eq!(frame(&layout, 1).loc, (100, 100).into());
    assert_eq!(layout.stack_of(WindowId(1)), None);
}
