// Convolves alpha along one axis; outside is zero. The CPU implementation is in src/paint/passes/shadow.rs.
// Parameters: 1 for columns; 1 when the source is RGBA8, of which the alpha is read, 0 when it has coverage in red; the
// number of weights; the number of neighbours to the left; the weights.

@group(0) @binding(2) var result: texture_storage_2d<r32float, write>;

fn alpha(at: vec2u) -> f32 {
    if numbers[HEADER + 1u] == 1.0 {
        return levels(at).a;
    }
    return textureLoad(source, at, 0).r;
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let size = extent();
    if any(id.xy >= size) {
        return;
    }
    let columns = numbers[HEADER] == 1.0;
    let at = select(i32(id.x), i32(id.y), columns);
    let end = select(i32(size.x), i32(size.y), columns);
    let count = i32(numbers[HEADER + 2u]);
    let first = at - i32(numbers[HEADER + 3u]);
    var sum = 0.0;
    for (var index = max(0, -first); index < min(count, end - first); index += 1) {
        let neighbour = select(vec2u(u32(first + index), id.y), vec2u(id.x, u32(first + index)), columns);
        sum += numbers[HEADER + 4u + u32(index)] * alpha(neighbour);
    }
    textureStore(result, id.xy, vec4f(sum, 0.0, 0.0, 0.0));
}
