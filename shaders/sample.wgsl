// Samples a picture at whole device pixels, bilinearly, with weights in sixteenths. The CPU implementation is
// `bilinear` in src/paint/resample.rs. Parameters: for each column and then for each row of the result, the two
// neighbours and the weight of the second. The extent is that of the result.

@group(0) @binding(2) var result: texture_storage_2d<rgba8unorm, write>;

const WEIGHTS: u32 = 16u;

fn mixed(x: u32, upper: u32, lower: u32, weight: u32) -> vec4u {
    return vec4u(levels(vec2u(x, upper))) * (WEIGHTS - weight) + vec4u(levels(vec2u(x, lower))) * weight;
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let size = extent();
    if any(id.xy >= size) {
        return;
    }
    let column = HEADER + 3u * id.x;
    let row = HEADER + 3u * (size.x + id.y);
    let upper = u32(numbers[row]);
    let lower = u32(numbers[row + 1u]);
    let down = u32(numbers[row + 2u]);
    let right = u32(numbers[column + 2u]);
    let sum = mixed(u32(numbers[column]), upper, lower, down) * (WEIGHTS - right)
        + mixed(u32(numbers[column + 1u]), upper, lower, down) * right;
    textureStore(result, id.xy, vec4f(sum / (WEIGHTS * WEIGHTS)) / 255.0);
}
