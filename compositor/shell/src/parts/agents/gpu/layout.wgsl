// One step of the layout (../layout.rs, which has the method and the numbers), all bodies at once. `drift` reads
// where they were and writes where forces take them; `part` reads that, and writes it back with those pushed apart
// that overlap. Bodies are compared each with each, a tile of them at a time from the workgroup's memory.

override REST: f32;
override CROWD: f32;
override REPULSION: f32;
override PULL_X: f32;
override PULL_Y: f32;
override DRAG: f32;
override SPACE: f32;

const TILE = 64u;

struct Body {
    radius: f32,
    first: u32,
    count: u32,
    look: u32,
}

struct Round {
    held_at: vec2<f32>,
    // The body that the pointer holds; none has the last number.
    held: u32,
    bodies: u32,
    heat: f32,
}

@group(0) @binding(0) var<uniform> round_now: Round;
@group(0) @binding(1) var<storage, read> bodies: array<Body>;
@group(0) @binding(2) var<storage, read> neighbours: array<u32>;
// Place and velocity.
@group(0) @binding(3) var<storage, read> before: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> after: array<vec4<f32>>;

var<workgroup> tile: array<vec4<f32>, TILE>;

// The way between two that lie on one place, as seen from the first.
fn aside(own: u32, other: u32) -> vec2<f32> {
    let angle = f32(own ^ other) * 2.4;
    let way = vec2(cos(angle), sin(angle));
    return select(-way, way, own < other);
}

@compute @workgroup_size(TILE)
fn drift(@builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let bodies_all = round_now.bodies;
    let own = id.x;
    // Those beyond the last one help with the tiles.
    let here = before[min(own, bodies_all - 1u)];
    var away = vec2<f32>(0.0);
    for (var start = 0u; start < bodies_all; start += TILE) {
        tile[lane] = before[min(start + lane, bodies_all - 1u)];
        workgroupBarrier();
        let filled = min(TILE, bodies_all - start);
        for (var k = 0u; k < filled; k += 1u) {
            var way = tile[k].xy - here.xy;
            var far = dot(way, way);
            if far < 1e-4 {
                way = select(aside(own, start + k), vec2<f32>(0.0), start + k == own);
                far = 1.0;
            }
            away -= way / max(far, 1.0);
        }
        workgroupBarrier();
    }
    if own >= bodies_all {
        return;
    }
    if own == round_now.held {
        after[own] = vec4(round_now.held_at, 0.0, 0.0);
        return;
    }
    let body = bodies[own];
    let heat = round_now.heat;
    var velocity = here.zw + away * REPULSION * heat;
    for (var at = body.first; at < body.first + body.count; at += 1u) {
        let index = neighbours[at];
        let other = bodies[index];
        let way = before[index].xy - here.xy;
        let long = max(length(way), 0.01);
        let ours = f32(body.count);
        let theirs = f32(other.count);
        let rest = REST + body.radius + other.radius + CROWD * sqrt(max(ours, theirs) - 1.0);
        let pull = (long - rest) / long * heat / max(min(ours, theirs), 1.0);
        velocity += way * pull * (theirs / (ours + theirs));
    }
    velocity = (velocity - here.xy * vec2(PULL_X, PULL_Y) * heat) * DRAG;
    after[own] = vec4(here.xy + velocity, velocity);
}

@compute @workgroup_size(TILE)
fn part(@builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let bodies_all = round_now.bodies;
    let own = id.x;
    let last = bodies_all - 1u;
    let here = before[min(own, last)];
    let radius = bodies[min(own, last)].radius;
    var push = vec2<f32>(0.0);
    for (var start = 0u; start < bodies_all; start += TILE) {
        let loaded = min(start + lane, last);
        tile[lane] = vec4(before[loaded].xy, bodies[loaded].radius, 0.0);
        workgroupBarrier();
        let filled = min(TILE, bodies_all - start);
        for (var k = 0u; k < filled; k += 1u) {
            let other = tile[k];
            let wanted = radius + other.z + SPACE;
            var way = other.xy - here.xy;
            var far = dot(way, way);
            if far < wanted * wanted && start + k != own {
                if far < 1e-4 {
                    way = aside(own, start + k);
                    far = 1.0;
                }
                let long = sqrt(far);
                // One that is held stays, and the other one goes all the way.
                let share = select(0.5f, 1.0f, start + k == round_now.held);
                push -= way / long * max(wanted - long, 0.0) * share;
            }
        }
        workgroupBarrier();
    }
    if own >= bodies_all {
        return;
    }
    if own == round_now.held {
        push = vec2<f32>(0.0);
    }
    // Pushed by many at once it goes too far.
    let long = length(push);
    let most = radius + SPACE;
    if long > most {
        push *= most / long;
    }
    after[own] = vec4(here.xy + push, here.zw);
}
