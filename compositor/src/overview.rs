//! The overview: all windows of all workspaces of an output at once, beside each other.
//!
//! Each workspace is a box, its windows are small [pictures](crate::previews) in it. Arrows choose a window,
//! typing goes to the next one whose title or program has what was typed in it, Return goes to it; a click
//! goes to a window or a workspace, and a window that is dragged to another box is moved to that workspace.
//! While it is open, no key and no click on that output reaches a program.

use std::time::Duration;

use smithay::{
    backend::renderer::{
        Color32F, ImportAll, ImportMem, Renderer,
        element::{
            Kind,
            solid::{SolidColorBuffer, SolidColorRenderElement},
        },
    },
    input::keyboard::Keysym,
    utils::{Logical, Point, Scale, Size},
};

use crate::{
    animations::Pace,
    layout::{Direction, Rect, WindowId, nearness},
    motion::Motion,
    preview::Preview,
    previews::{Cell, Line, PADDING, TITLE, renew},
    render::Element,
    state::State,
    windows::Windows,
};

/// Between boxes, and around them.
const GAP: i32 = 20;
/// How much of the desktop the ground covers.
const COVER: f32 = 0.86;
/// How much of a box does.
const BOX_COVER: f32 = 0.9;
/// Width of a workspace's number.
const LABEL: i32 = 40;
/// A press that has moved this far drags a window.
const FAR: f64 = 8.0;
/// More is not typed.
const LONGEST: usize = 64;

/// What is under a point of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spot {
    Window(WindowId),
    /// A workspace, from 0.
    Workspace(usize),
    Ground,
}

/// What a key does while it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OverviewKey {
    Go(Direction),
    Type(char),
    Erase,
    Choose,
    Close,
    /// Nothing, and no program hears of it.
    Nothing,
}

impl OverviewKey {
    /// What the key does; `typed` is the symbol with what Shift makes of it.
    pub(crate) fn by(key: Keysym, typed: Keysym) -> Self {
        match key {
            Keysym::Left => Self::Go(Direction::Left),
            Keysym::Right => Self::Go(Direction::Right),
            Keysym::Up => Self::Go(Direction::Up),
            Keysym::Down => Self::Go(Direction::Down),
            Keysym::Return | Keysym::KP_Enter => Self::Choose,
            Keysym::Escape => Self::Close,
            Keysym::BackSpace => Self::Erase,
            _ => typed
                .key_char()
                .filter(|c| !c.is_control())
                .map_or(Self::Nothing, Self::Type),
        }
    }
}

/// See the module's page.
#[derive(Debug, Default)]
pub(crate) struct Overview {
    open: Option<Open>,
    /// What was open and fades.
    leaving: Option<Open>,
    /// How much of it is there, 0 to 1, while that changes.
    way: Option<Motion<1>>,
    ground: SolidColorBuffer,
    /// Around the chosen window.
    mark: Preview,
    /// Around the workspace to which a window is dragged.
    target: Preview,
}

#[derive(Debug)]
struct Open {
    /// Index of the output.
    output: usize,
    chosen: Option<WindowId>,
    typed: String,
    drag: Option<Drag>,
    boxes: Vec<Space>,
    cells: Vec<Cell>,
    scale: f64,
}

/// A workspace's box.
#[derive(Debug)]
struct Space {
    number: usize,
    place: Rect,
    ground: SolidColorBuffer,
    label: Line,
}

/// A window that was pressed.
#[derive(Debug, Clone, Copy)]
struct Drag {
    id: WindowId,
    from: Point<f64, Logical>,
    to: Point<f64, Logical>,
}

impl Drag {
    fn is_far(&self) -> bool {
        let moved = self.to - self.from;
        moved.x.hypot(moved.y) >= FAR
    }
}

/// `count` equal parts of `area` in rows and columns with `gap` between them, as near to the shape of the
/// area as can be.
fn grid(count: usize, area: Rect, gap: i32) -> Vec<Rect> {
    let count = count.max(1);
    let part = |columns: usize| {
        let rows = count.div_ceil(columns);
        let share = |length: i32, n: usize| (length - gap * (n as i32 - 1)) / n as i32;
        Size::<i32, Logical>::from((
            share(area.size.w, columns).max(1),
            share(area.size.h, rows).max(1),
        ))
    };
    // The arrangement in which windows of the usual shape are largest.
    let side = |columns: &usize| {
        let size = part(*columns);
        (size.w * 10 / 16).min(size.h)
    };
    let columns = (1..=count).max_by_key(side).unwrap_or(1);
    let size = part(columns);
    (0..count)
        .map(|index| {
            let (x, y) = ((index % columns) as i32, (index / columns) as i32);
            let at = Point::from((x * (size.w + gap), y * (size.h + gap)));
            Rect::new(area.loc + at, size)
        })
        .collect()
}

fn inset(rect: Rect, by: i32) -> Rect {
    let size = Size::from(((rect.size.w - 2 * by).max(1), (rect.size.h - 2 * by).max(1)));
    Rect::new(rect.loc + Point::from((by, by)), size)
}

impl Overview {
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether a window's picture is shown.
    pub(crate) fn shows(&self, id: WindowId) -> bool {
        self.open
            .as_ref()
            .is_some_and(|open| open.cells.iter().any(|cell| cell.id == id))
    }

    /// Whether it is, or until now was, open on the output with that index.
    pub(crate) fn is_on(&self, output: usize) -> bool {
        let mut there = self.open.iter().chain(&self.leaving);
        there.any(|open| open.output == output)
    }

    pub(crate) fn is_moving(&self) -> bool {
        self.way.is_some()
    }

    /// Whether it comes or goes on that output.
    pub(crate) fn moves_on(&self, output: usize, moment: Duration) -> bool {
        self.way.is_some_and(|way| !way.is_over(moment)) && self.is_on(output)
    }

    /// It is open or not, and nothing between.
    pub(crate) fn stop(&mut self) {
        self.way = None;
        self.leaving = None;
    }

    /// Ends what is over. Returns whether something else is seen then.
    pub(crate) fn lead(&mut self, pace: Option<Pace>) -> bool {
        let goes_on = |way: Motion<1>| pace.is_some_and(|pace| !way.is_over(pace.begins));
        let ends = self.way.is_some_and(|way| !goes_on(way));
        if ends {
            self.stop();
        }
        ends
    }

    /// Begins to come (1) or to go (0). Returns whether that takes time.
    fn head(&mut self, to: f64, pace: Option<Pace>) -> bool {
        let Some(pace) = pace else {
            self.stop();
            return false;
        };
        match &mut self.way {
            Some(way) => way.turn([to], pace.begins, pace.length),
            none => *none = Some(Motion::new([1.0 - to], [to], pace.begins, pace.length)),
        }
        true
    }

    /// What of it is seen at a moment, and how much of that is there.
    fn seen(&self, moment: Option<Duration>) -> Option<(&Open, f64)> {
        let ways = moment.zip(self.way);
        let part = ways.and_then(|(moment, way)| {
            let [part] = way.at(moment);
            (!way.is_over(moment)).then_some(part.clamp(0.0, 1.0))
        });
        match (&self.open, part) {
            (Some(open), part) => Some((open, part.unwrap_or(1.0))),
            (None, Some(part)) => Some((self.leaving.as_ref()?, part)),
            (None, None) => None,
        }
    }
}

/// The rectangle that lies so far from one to another.
fn between(from: Rect, to: Rect, part: f64) -> Rect {
    let mid = |from: i32, to: i32| {
        let (from, to) = (f64::from(from), f64::from(to));
        (from + (to - from) * part).round() as i32
    };
    let corner = (mid(from.loc.x, to.loc.x), mid(from.loc.y, to.loc.y));
    let size = (mid(from.size.w, to.size.w), mid(from.size.h, to.size.h));
    Rect::new(corner.into(), size.into())
}

impl Open {
    fn spot(&self, point: Point<f64, Logical>) -> Spot {
        let within = |place: Rect| place.to_f64().contains(point);
        if let Some(cell) = self.cells.iter().find(|cell| within(cell.place)) {
            return Spot::Window(cell.id);
        }
        let space = self.boxes.iter().find(|space| within(space.place));
        space.map_or(Spot::Ground, |space| Spot::Workspace(space.number))
    }

    /// The box at a point.
    fn space_at(&self, point: Point<f64, Logical>) -> Option<&Space> {
        let mut boxes = self.boxes.iter();
        boxes.find(|space| space.place.to_f64().contains(point))
    }

    /// Chooses the next window on one side.
    fn go(&mut self, to: Direction) {
        let chosen = self.cells.iter().find(|cell| Some(cell.id) == self.chosen);
        let Some(from) = chosen.map(|cell| cell.place) else {
            self.chosen = self.cells.first().map(|cell| cell.id);
            return;
        };
        let next = self
            .cells
            .iter()
            .filter_map(|cell| {
                let middle = |rect: Rect| rect.loc + rect.size.downscale(2).to_point();
                let apart = middle(cell.place) - middle(from);
                let distance = apart.x.abs() + apart.y.abs();
                Some((nearness(from, cell.place, to)?, distance, cell.id))
            })
            .min();
        if let Some((.., id)) = next {
            self.chosen = Some(id);
        }
    }
}

impl State {
    /// Opens the overview on the output where the person is, or closes it.
    pub(crate) fn toggle_overview(&mut self) {
        if self.windows.overview.is_open() {
            self.close_overview();
            return;
        }
        let layout = &self.windows.layout;
        let Some(output) = layout.active_output() else {
            return;
        };
        self.windows.overview.open = Some(Open {
            output,
            chosen: layout.focused(),
            typed: String::new(),
            drag: None,
            boxes: Vec::new(),
            cells: Vec::new(),
            scale: 0.0,
        });
        let pace = self.pace();
        self.windows.overview.leaving = None;
        self.windows.overview.head(1.0, pace);
        self.outputs.queue_all();
    }

    pub(crate) fn close_overview(&mut self) {
        let pace = self.pace();
        let overview = &mut self.windows.overview;
        if let Some(open) = overview.open.take() {
            overview.mark = Preview::default();
            overview.target = Preview::default();
            if overview.head(0.0, pace) {
                overview.leaving = Some(open);
            }
            self.outputs.queue_all();
        }
    }

    /// Has everything arranged as it is now.
    pub(crate) fn prepare_overview(&mut self) {
        let Some(mut open) = self.windows.overview.open.take() else {
            return;
        };
        let layout = &self.windows.layout;
        let (Some(area), Some(output)) = (
            layout.areas().get(open.output),
            self.outputs.get(open.output),
        ) else {
            // The output is gone.
            self.close_overview();
            self.windows.overview.stop();
            return;
        };
        let (full, usable) = (area.full, area.usable);
        let scale = output.current_scale().fractional_scale();
        let numbers: Vec<_> = (0..layout.workspaces())
            .filter(|number| layout.output_of_workspace(*number) == Some(open.output))
            .collect();
        let places = grid(numbers.len(), inset(usable, GAP), GAP);
        let mut changed = open.boxes.len() != numbers.len();
        let mut wanted = Vec::new();
        for (number, place) in numbers.iter().zip(&places) {
            let mut ids: Vec<_> = layout.recent().to_vec();
            ids.retain(|id| layout.workspace(*id) == Some(*number));
            // In the order in which they came, so that none jumps when it is used.
            ids.sort_unstable();
            let mut room = inset(*place, PADDING);
            room.loc.y += TITLE;
            room.size.h = (room.size.h - TITLE).max(1);
            let cells = grid(ids.len(), room, 0);
            wanted.extend(ids.into_iter().zip(cells));
        }
        changed |= open
            .boxes
            .iter()
            .zip(numbers.iter().zip(&places))
            .any(|(space, (number, place))| space.number != *number || space.place != *place)
            || open.scale != scale;
        if changed {
            open.scale = scale;
            let ground = self.look.title_bar_inactive.linear();
            open.boxes = numbers
                .iter()
                .zip(&places)
                .map(|(number, place)| Space {
                    number: *number,
                    place: *place,
                    ground: SolidColorBuffer::new(place.size, ground.map(|part| part * BOX_COVER)),
                    label: {
                        let text = (number + 1).to_string();
                        Line::paint(&text, None, LABEL, scale, &self.painter)
                    },
                })
                .collect();
        }
        changed |= renew(
            &mut open.cells,
            &wanted,
            &self.windows,
            scale,
            &self.painter,
        );
        if !open.cells.iter().any(|cell| Some(cell.id) == open.chosen) {
            open.chosen = open.cells.first().map(|cell| cell.id);
        }
        let chosen = open.cells.iter().find(|cell| Some(cell.id) == open.chosen);
        let mark = chosen.map(|cell| cell.place);
        let drag = open.drag.filter(Drag::is_far);
        let target = drag.and_then(|drag| Some(open.space_at(drag.to)?.place));
        let overview = &mut self.windows.overview;
        overview
            .ground
            .update(full.size, Color32F::new(0.0, 0.0, 0.0, COVER));
        if overview.mark.frame() != mark || overview.target.frame() != target {
            overview.mark.set(mark, self.look.title);
            overview.target.set(target, self.look.title);
            changed = true;
        }
        overview.open = Some(open);
        if changed {
            self.outputs.queue_all();
        }
    }

    /// What is at a point of the global space, if the overview is open there.
    pub(crate) fn overview_at(&self, point: Point<f64, Logical>) -> Option<Spot> {
        let open = self.windows.overview.open.as_ref()?;
        let here = self.outputs.at(point)?;
        (self.outputs.index_of(here) == Some(open.output)).then(|| open.spot(point))
    }

    /// A key was pressed.
    pub(crate) fn overview_key(&mut self, key: OverviewKey) {
        let Some(open) = &mut self.windows.overview.open else {
            return;
        };
        match key {
            OverviewKey::Go(to) => {
                open.typed.clear();
                open.go(to);
            }
            OverviewKey::Type(c) if open.typed.chars().count() < LONGEST => {
                open.typed.push(c);
                self.find_in_overview();
            }
            OverviewKey::Erase => {
                open.typed.pop();
                self.find_in_overview();
            }
            OverviewKey::Choose => {
                let chosen = open.chosen;
                self.close_overview();
                if let Some(id) = chosen {
                    self.focus_window(id);
                }
            }
            OverviewKey::Close => self.close_overview(),
            OverviewKey::Type(_) | OverviewKey::Nothing => {}
        }
    }

    /// Chooses the first window that has what was typed in its title or its program's name.
    fn find_in_overview(&mut self) {
        let windows = &self.windows;
        let Some(open) = &windows.overview.open else {
            return;
        };
        let typed = open.typed.to_lowercase();
        let fits = |id: WindowId| {
            windows.get(id).is_some_and(|managed| {
                managed.title.to_lowercase().contains(&typed)
                    || managed.app_id.to_lowercase().contains(&typed)
            })
        };
        let mut ids = open.cells.iter().map(|cell| cell.id);
        let found = ids.find(|id| !typed.is_empty() && fits(*id));
        if let Some(open) = &mut self.windows.overview.open
            && let Some(id) = found
        {
            open.chosen = Some(id);
        }
    }

    /// It was pressed at a spot.
    pub(crate) fn overview_pressed(&mut self, spot: Spot) {
        let at = self.pointer_at;
        match spot {
            Spot::Window(id) => {
                if let Some(open) = &mut self.windows.overview.open {
                    open.chosen = Some(id);
                    open.drag = Some(Drag {
                        id,
                        from: at,
                        to: at,
                    });
                }
            }
            Spot::Workspace(number) => {
                self.close_overview();
                self.focused_layer = None;
                self.change_layout(|layout| {
                    layout.activate_workspace(number);
                });
            }
            Spot::Ground => self.close_overview(),
        }
    }

    /// It was touched at a spot: a finger chooses and does not drag.
    pub(crate) fn overview_touched(&mut self, spot: Spot) {
        if let Spot::Window(id) = spot {
            self.close_overview();
            self.focus_window(id);
        } else {
            self.overview_pressed(spot);
        }
    }

    /// The pointer moved.
    pub(crate) fn overview_drag(&mut self, to: Point<f64, Logical>) {
        if let Some(drag) = self
            .windows
            .overview
            .open
            .as_mut()
            .and_then(|open| open.drag.as_mut())
        {
            drag.to = to;
            self.outputs.queue_all();
        }
    }

    /// The button was let go of. Returns whether it had pressed a window here.
    pub(crate) fn overview_released(&mut self) -> bool {
        let Some(open) = &mut self.windows.overview.open else {
            return false;
        };
        let Some(drag) = open.drag.take() else {
            return false;
        };
        if !drag.is_far() {
            self.close_overview();
            self.focus_window(drag.id);
            return true;
        }
        if let Some(number) = open.space_at(drag.to).map(|space| space.number) {
            self.change_layout(|layout| {
                layout.move_to_workspace(drag.id, number);
            });
        }
        self.outputs.queue_all();
        true
    }
}

impl Windows {
    /// The overview on the output that covers `area`, front to back; at a moment, as much of it as is there then.
    pub(crate) fn overview_elements<R>(
        &self,
        renderer: &mut R,
        (index, area): (usize, Rect),
        scale: Scale<f64>,
        moment: Option<Duration>,
        list: &mut Vec<Element<R>>,
    ) where
        R: Renderer + ImportAll + ImportMem,
        R::TextureId: Clone + Send + 'static,
    {
        let overview = &self.overview;
        let seen = overview.seen(moment);
        let Some((open, part)) = seen.filter(|(open, _)| open.output == index) else {
            return;
        };
        let alpha = part as f32;
        let solid = |buffer: &SolidColorBuffer, loc: Point<i32, Logical>| {
            let at = (loc - area.loc).to_physical_precise_round(scale);
            SolidColorRenderElement::from_buffer(buffer, at, scale, alpha, Kind::Unspecified)
        };
        if let Some(drag) = open.drag.filter(Drag::is_far)
            && let Some(cell) = open.cells.iter().find(|cell| cell.id == drag.id)
        {
            let mut picture = cell.picture;
            picture.loc += (drag.to - drag.from).to_i32_round();
            self.picture_elements(drag.id, (picture, alpha), renderer, area, scale, list);
        }
        for cell in &open.cells {
            // Pictures of windows that are on the screen come from there and go back there.
            let window = self.layout.client(cell.id);
            let picture = match window.filter(|_| part < 1.0 && self.layout.is_visible(cell.id)) {
                Some(window) => (between(window, cell.picture, part), 1.0),
                None => (cell.picture, alpha),
            };
            self.picture_elements(cell.id, picture, renderer, area, scale, list);
            cell.line_elements(renderer, area, scale, alpha, list);
        }
        if part == 1.0 {
            overview.mark.elements(area, scale, list);
            overview.target.elements(area, scale, list);
        }
        for space in &open.boxes {
            let at = space.place.loc + Point::from((PADDING, PADDING / 2)) - area.loc;
            space.label.elements(renderer, at, scale, alpha, list);
            list.push(solid(&space.ground, space.place.loc).into());
        }
        list.push(solid(&overview.ground, area.loc).into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_grid_are_apart_and_within_it() {
        let area = Rect::new((10, 40).into(), (1240, 720).into());
        for count in 1..30 {
            let parts = grid(count, area, GAP);
            assert_eq!(parts.len(), count);
            for (index, part) in parts.iter().enumerate() {
                assert!(area.contains_rect(*part), "{count}: {part:?}");
                assert!(parts[..index].iter().all(|other| !other.overlaps(*part)));
            }
        }
        let four = grid(4, area, GAP);
        assert_eq!(four[0].size, (610, 350).into(), "two by two");
    }

    #[test]
    fn keys_move_type_choose_and_close() {
        use OverviewKey as Is;
        let by = |key| OverviewKey::by(key, key);
        assert_eq!(by(Keysym::Left), Is::Go(Direction::Left));
        assert_eq!(OverviewKey::by(Keysym::a, Keysym::A), Is::Type('A'));
        assert_eq!(by(Keysym::Escape), Is::Close);
        assert_eq!(by(Keysym::F5), Is::Nothing);
        assert_eq!(by(Keysym::Tab), Is::Nothing);
    }
}
