// Draws the graph's lines, what travels along them, and its nodes: each a rectangle around its shape, whose edges
// the fragment's distance to them makes smooth. Shapes, numbers and colours are those of ../canvas.rs; lengths are
// in logical pixels.

struct Sight {
    size: vec2<f32>,
    middle: vec2<f32>,
    zoom: f32,
    // Physical pixels to a logical one.
    scale: f32,
    smallest: f32,
    chosen: u32,
    hovered: u32,
    colors: array<vec4<f32>, 10>,
}

const CARD = 0u;
const RAISED = 1u;
const TEXT = 2u;
const TEXT_DIM = 3u;
const ACCENT = 4u;
const GOOD = 5u;
const WARN = 6u;
const BAD = 7u;
const INSIDE = 8u;
const SPOKE = 9u;

struct Body {
    radius: f32,
    first: u32,
    count: u32,
    look: u32,
}

// Looks.
const PERSON = 0u;
const ROOM = 1u;
const IDLE = 2u;
const BUSY = 3u;
const WAITING = 4u;
const FAILED = 5u;
const STOPPED = 6u;
const OTHER = 7u;
const ABSENT = 8u;

@group(0) @binding(0) var<uniform> sight: Sight;
@group(0) @binding(1) var<storage, read> bodies: array<Body>;
@group(0) @binding(2) var<storage, read> places: array<vec4<f32>>;

// The corner of a rectangle from -1 to 1.
fn corner(vertex: u32) -> vec2<f32> {
    return vec2(f32(vertex & 1u), f32(vertex >> 1u)) * 2.0 - 1.0;
}

fn shown(body: u32) -> vec2<f32> {
    return sight.size * 0.5 + (places[body].xy - sight.middle) * sight.zoom;
}

fn clip(at: vec2<f32>) -> vec4<f32> {
    let place = at / sight.size * 2.0 - 1.0;
    return vec4(place.x, -place.y, 0.0, 1.0);
}

fn nowhere() -> vec4<f32> {
    return vec4(2.0, 2.0, 0.0, 1.0);
}

// How much of a pixel lies within something whose edge is so far away.
fn within(distance: f32) -> f32 {
    return saturate(0.5 - distance * sight.scale);
}

// Laid over what is under it, all with alpha in the colours.
fn over(under: vec4<f32>, color: u32, cover: f32) -> vec4<f32> {
    let ink = sight.colors[color];
    let alpha = ink.a * cover;
    return vec4(ink.rgb * alpha, alpha) + under * (1.0 - alpha);
}

struct LinePoint {
    @builtin(position) position: vec4<f32>,
    @location(0) across: f32,
    @location(1) @interpolate(flat) width: f32,
    @location(2) @interpolate(flat) color: u32,
}

@vertex
fn line_vertex(
    @builtin(vertex_index) vertex: u32,
    @location(0) ends: vec2<u32>,
    @location(1) says: u32,
    @location(2) width: f32,
) -> LinePoint {
    var point: LinePoint;
    point.width = width;
    point.color = INSIDE;
    if says == 1u {
        point.color = SPOKE;
    } else if says == 2u {
        point.color = ACCENT;
    }
    let begin = shown(ends.x);
    let way = shown(ends.y) - begin;
    let long = length(way);
    if bodies[ends.x].look == ABSENT || bodies[ends.y].look == ABSENT || long < 1e-3 {
        point.position = nowhere();
        return point;
    }
    let side = corner(vertex);
    point.across = side.y * (width * 0.5 + 1.0 / sight.scale);
    let normal = vec2(-way.y, way.x) / long;
    point.position = clip(begin + way * (side.x * 0.5 + 0.5) + normal * point.across);
    return point;
}

@fragment
fn line_fragment(point: LinePoint) -> @location(0) vec4<f32> {
    return over(vec4<f32>(0.0), point.color, within(abs(point.across) - point.width * 0.5));
}

struct Spot {
    @builtin(position) position: vec4<f32>,
    @location(0) local: vec2<f32>,
    @location(1) @interpolate(flat) radius: f32,
    @location(2) @interpolate(flat) look: u32,
    @location(3) @interpolate(flat) body: u32,
}

fn disc(at: vec2<f32>, radius: f32) -> f32 {
    return length(at) - radius;
}

fn rectangle(at: vec2<f32>, half_size: vec2<f32>, rounded: f32) -> f32 {
    let beyond = abs(at) - half_size + rounded;
    return length(max(beyond, vec2<f32>(0.0))) + min(max(beyond.x, beyond.y), 0.0) - rounded;
}

// A stroke of this width along an edge.
fn along(edge: f32, width: f32) -> f32 {
    return abs(edge) - width * 0.5;
}

@vertex
fn node_vertex(@builtin(vertex_index) vertex: u32, @builtin(instance_index) body: u32) -> Spot {
    var spot: Spot;
    spot.body = body;
    spot.look = bodies[body].look;
    spot.radius = max(bodies[body].radius * sight.zoom, sight.smallest);
    if spot.look == ABSENT {
        spot.position = nowhere();
        return spot;
    }
    // With the rings around it.
    var reach = spot.radius + 1.0;
    if spot.look == BUSY || spot.look == OTHER {
        reach = spot.radius * 1.25 + 3.0;
    }
    if body == sight.chosen || body == sight.hovered {
        reach = max(reach, spot.radius + 7.0);
    }
    spot.local = corner(vertex) * (reach + 1.0 / sight.scale);
    spot.position = clip(shown(body) + spot.local);
    return spot;
}

@fragment
fn node_fragment(spot: Spot) -> @location(0) vec4<f32> {
    let at = spot.local;
    let r = spot.radius;
    let edge = disc(at, r);
    var ink = vec4<f32>(0.0);
    switch spot.look {
        case PERSON: {
            ink = over(ink, TEXT, within(edge));
            ink = over(ink, CARD, within(disc(at, r * 0.45)));
        }
        case ROOM: {
            let square = rectangle(at, vec2(r), r * 0.6);
            ink = over(ink, RAISED, within(square));
            ink = over(ink, TEXT_DIM, within(along(square, 1.5)));
        }
        case IDLE: {
            ink = over(ink, GOOD, within(edge));
        }
        case BUSY: {
            ink = over(ink, ACCENT, within(edge));
            ink = over(ink, ACCENT, within(along(disc(at, r * 1.25 + 2.0), 1.5)));
        }
        case WAITING: {
            ink = over(ink, WARN, within(edge));
            ink = over(ink, CARD, within(disc(at, r * 0.42)));
        }
        case FAILED: {
            ink = over(ink, BAD, within(edge));
            // A cross: two bars, askew.
            let askew = vec2(at.x + at.y, at.x - at.y) * 0.70710678;
            let bar = vec2(r * 0.4 * 1.41421356, max(r * 0.22, 1.25) * 0.5);
            let cross = min(rectangle(askew, bar, 0.0), rectangle(askew, bar.yx, 0.0));
            ink = over(ink, CARD, within(cross));
        }
        case STOPPED: {
            ink = over(ink, CARD, within(edge));
            ink = over(ink, TEXT_DIM, within(along(edge, max(r * 0.2, 1.5))));
        }
        default: {
            ink = over(ink, TEXT_DIM, within(edge));
            ink = over(ink, TEXT_DIM, within(along(disc(at, r * 1.25 + 2.0), 1.5)));
        }
    }
    if spot.body == sight.chosen {
        ink = over(ink, TEXT, within(along(disc(at, r + 6.0), 2.0)));
    } else if spot.body == sight.hovered {
        ink = over(ink, TEXT_DIM, within(along(disc(at, r + 6.0), 1.5)));
    }
    return ink;
}

// A message on its way: a line of which `gone` is how much lies behind it.
@vertex
fn travel_vertex(
    @builtin(vertex_index) vertex: u32,
    @location(0) ends: vec2<u32>,
    @location(2) gone: f32,
) -> Spot {
    var spot: Spot;
    spot.radius = max(4.0 * sqrt(sight.zoom), sight.smallest);
    if bodies[ends.x].look == ABSENT || bodies[ends.y].look == ABSENT {
        spot.position = nowhere();
        return spot;
    }
    spot.local = corner(vertex) * (spot.radius + 1.0 / sight.scale);
    spot.position = clip(mix(shown(ends.x), shown(ends.y), gone) + spot.local);
    return spot;
}

@fragment
fn travel_fragment(spot: Spot) -> @location(0) vec4<f32> {
    return over(vec4<f32>(0.0), ACCENT, within(disc(spot.local, spot.radius)));
}
