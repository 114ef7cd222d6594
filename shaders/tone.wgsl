// Tone changes, which depend on the lightness and saturation of each pixel (rendering.md §4.3). The CPU implementation
// is src/paint/passes/tone.rs. Parameters: the kind of the change and its amount.

const VIBRANCE: f32 = 0.0;
const DARK: f32 = 1.0;
const LIGHT: f32 = 2.0;
// Natural is 3.

// Mean of the channels that separates dark pixels from light ones.
const MIDDLE: f32 = 128.0;

fn mean(rgb: vec3f) -> f32 {
    return (rgb.r + rgb.g + rgb.b) / 3.0;
}

fn recolored(rgb: vec3f) -> vec3f {
    let kind = numbers[OWN];
    let amount = numbers[OWN + 1u];
    if kind == VIBRANCE {
        return vibrance(rgb, amount);
    }
    let light = mean(rgb);
    if kind == DARK {
        return rgb * select(1.0, 1.0 + amount * (1.0 - light / MIDDLE), light < MIDDLE);
    }
    if kind == LIGHT {
        return rgb * select(1.0, 1.0 + amount * (light - MIDDLE) / (255.0 - MIDDLE), light >= MIDDLE);
    }
    let brighter = min(1.1 * rgb, vec3f(255.0));
    let middle = mean(brighter);
    let full = middle + 1.2 * (brighter - middle);
    return rgb + amount * (full - rgb);
}

fn vibrance(rgb: vec3f, amount: f32) -> vec3f {
    let largest = max(max(rgb.r, rgb.g), rgb.b);
    var share = 0.0;
    if amount >= 0.0 {
        share = -amount / 2.0;
    } else if largest > 0.0 {
        share = -amount * 1.5 * mean(rgb) / largest;
    }
    return rgb + (largest - rgb) * share;
}
