// Stack blur along one axis (rendering.md §4.2) in integers, with edge pixels replicated. The CPU implementation is
// src/paint/passes/stack_blur.rs. It runs twice: along rows, then along columns.
// Parameters: 1 for columns; 1 when the source is straight; the radius, at least 1; factor and shift of the division.

@group(0) @binding(2) var result: texture_storage_2d<rgba8unorm, write>;

fn pixel(at: vec2u) -> vec4u {
    let found = levels(at);
    if numbers[HEADER + 1u] == 1.0 {
        return vec4u(into_premultiplied(found));
    }
    return vec4u(found);
}

// `weighted * factor >> shift`. The product may take 42 bits, so its halves are computed separately.
fn divided(weighted: u32, factor: u32, shift: u32) -> u32 {
    let low = (weighted & 0xffffu) * factor;
    let high = (weighted >> 16u) * factor + (low >> 16u);
    if shift >= 16u {
        return high >> (shift - 16u);
    }
    return ((high << 16u) | (low & 0xffffu)) >> shift;
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let size = extent();
    if any(id.xy >= size) {
        return;
    }
    let along = select(vec2i(1, 0), vec2i(0, 1), numbers[HEADER] == 1.0);
    let radius = i32(numbers[HEADER + 2u]);
    let last = vec2i(size) - 1;
    var weighted = vec4u(0u);
    for (var step = -radius; step <= radius; step += 1) {
        let neighbour = clamp(vec2i(id.xy) + step * along, vec2i(0), last);
        weighted += pixel(vec2u(neighbour)) * u32(radius + 1 - abs(step));
    }
    let factor = u32(numbers[HEADER + 3u]);
    let shift = u32(numbers[HEADER + 4u]);
    let mean = vec4f(
        f32(divided(weighted.r, factor, shift)),
        f32(divided(weighted.g, factor, shift)),
        f32(divided(weighted.b, factor, shift)),
        f32(divided(weighted.a, factor, shift)),
    );
    textureStore(result, id.xy, mean / 255.0);
}
