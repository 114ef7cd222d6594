// Code shared by all passes; src/paint/gpu/passes.rs prepends it to each module.
//
// Textures are premultiplied RGBA8 unless a pass says otherwise. Inside a pass, colours are numbers from 0 to 255, as
// in the CPU's passes, so that both round in the same places.

// Width and height of the picture, which may be smaller than its texture, then the parameters of the pass.
@group(0) @binding(0) var<storage, read> numbers: array<f32>;
@group(0) @binding(1) var source: texture_2d<f32>;

const HEADER: u32 = 2u;

fn extent() -> vec2u {
    return vec2u(u32(numbers[0]), u32(numbers[1]));
}

// The texel at `at`, 0 to 255, rounded to integers.
fn levels(at: vec2u) -> vec4f {
    return round(textureLoad(source, at, 0) * 255.0);
}

// Clamps to 0 to 255 and rounds half to even, as on the CPU.
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
