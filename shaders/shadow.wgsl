// Tints the alpha of a shadow (rendering.md §5), which shadow_spread.wgsl has blurred. The CPU implementation is
// src/paint/passes/shadow.rs.
// Parameters: 1 when the source is RGBA8, of which the alpha is read, 0 when it has coverage in red; the colour,
// straight, 0 to 1.

@group(0) @binding(2) var result: texture_storage_2d<rgba8unorm, write>;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if any(id.xy >= extent()) {
        return;
    }
    var alpha = textureLoad(source, id.xy, 0).r;
    if numbers[HEADER] == 1.0 {
        alpha = levels(id.xy).a;
    }
    let level = alpha * numbers[HEADER + 4u];
    let color = vec3f(numbers[HEADER + 1u], numbers[HEADER + 2u], numbers[HEADER + 3u]);
    let pixel = vec4f(whole(color * level), round(clamp(level, 0.0, 255.0)));
    textureStore(result, id.xy, pixel / 255.0);
}
