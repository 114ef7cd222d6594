// Reduces a picture by averaging whole pixels. The CPU implementation is `reduce` in src/paint/resample.rs.
// Parameters: for each column and then for each row of the result, the first source pixel and one past the last. The
// extent is that of the result.

@group(0) @binding(2) var result: texture_storage_2d<rgba8unorm, write>;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let size = extent();
    if any(id.xy >= size) {
        return;
    }
    let column = HEADER + 2u * id.x;
    let row = HEADER + 2u * (size.x + id.y);
    let start = vec2u(u32(numbers[column]), u32(numbers[row]));
    let end = vec2u(u32(numbers[column + 1u]), u32(numbers[row + 1u]));
    var total = vec4u(0u);
    for (var y = start.y; y < end.y; y += 1u) {
        for (var x = start.x; x < end.x; x += 1u) {
            total += vec4u(levels(vec2u(x, y)));
        }
    }
    let count = (end.x - start.x) * (end.y - start.y);
    textureStore(result, id.xy, vec4f((total + count / 2u) / count) / 255.0);
}
