// Frame of the colour passes, which operate on straight colours. Adjacent colour passes share one conversion from
// premultiplied to straight and back.

@group(0) @binding(2) var result: texture_storage_2d<rgba8unorm, write>;

// Parameters: 1 for the first of several adjacent passes, and 1 for the last.
const IS_FIRST: u32 = HEADER;
const IS_LAST: u32 = HEADER + 1u;
const OWN: u32 = HEADER + 2u;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let at = id.xy;
    if any(at >= extent()) {
        return;
    }
    var pixel = levels(at);
    if numbers[IS_FIRST] == 1.0 {
        pixel = into_straight(pixel);
    }
    // A fully transparent pixel has no colour to change.
    if pixel.a > 0.0 {
        pixel = vec4f(whole(recolored(pixel.rgb)), pixel.a);
    }
    if numbers[IS_LAST] == 1.0 {
        pixel = into_premultiplied(pixel);
    }
    textureStore(result, at, pixel / 255.0);
}
