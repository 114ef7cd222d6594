// Colour matrix. The CPU implementation is src/paint/passes/color_matrix.rs.
// Parameters: one row for each new channel: factors of red, green and blue, and a constant.

fn row(at: u32, rgb: vec3f) -> f32 {
    let first = OWN + 4u * at;
    return numbers[first] * rgb.r + numbers[first + 1u] * rgb.g + numbers[first + 2u] * rgb.b + numbers[first + 3u];
}

fn recolored(rgb: vec3f) -> vec3f {
    return vec3f(row(0u, rgb), row(1u, rgb), row(2u, rgb));
}
