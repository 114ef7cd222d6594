// What all passes share. Put before each of them when its module is made (src/paint/gpu/passes.rs).
//
// Textures hold premultiplied RGBA8 unless a pass says otherwise. Inside, colours are numbers from 0 to 255, as in the
// CPU's passes, so that both round at the same places.

// What the pass is told: `width` and `height` of the picture (textures may be larger), then its own numbers.
@group(0) @binding(0) var<storage, read> numbers: array<f32>;
@group(0) @binding(1) var source: texture_2d<f32>;

const HEADER: u32 = 2u;

fn extent() -> vec2u {
    return vec2u(u32(numbers[0]), u32(numbers[1]));
}

// The texel at `at`, 0 to 255, whole numbers for 8-bit textures.
fn levels(at: vec2u) -> vec4f {
    return round(textureLoad(source, at, 0) * 255.0);
}

// Half to even, as on the CPU.
fn whole(rgb: vec3f) -> vec3f {
    return round(clamp(rgb, vec3f(0.0), vec3f(255.0)));
}

fn into_straight(pixel: vec4f) -> vec4f {
    if pixel.a == 0.0 {
        return vec4f(0.0);
    }
    return vec4f(whole(pixel.rgb * 255.0 / pixel.a), pixel.a);
}

fn into_premultiplied(pixel: vec4f) -> vec4f {
    return vec4f(whole(pixel.rgb * pixel.a / 255.0), pixel.a);
}
