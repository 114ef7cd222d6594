//! Pixel passes on the CPU: pure functions from pixels and parameters to pixels.
//!
//! In: `apply`, the passes of a picture (`scene::PixelPass`), and `run`, those of a surface of a plan (`Kernel`). Not
//! in: the composition of a design's filters (`design`), scaling, placement. Imports: `scene`, `units`.
//! The shaders of the GPU painter compute the same pixels; tests compare the two.

mod color_matrix;
mod recolor;
mod rgb;
mod shadow;
mod stack_blur;
mod tone;

use super::plan::Kernel;
use crate::scene::{DecodedImage, PixelPass};
use crate::units::DeviceSize;

pub(super) use shadow::sigma_of;
#[cfg(feature = "gpu")]
pub(super) use shadow::spreads;
#[cfg(feature = "gpu")]
pub(super) use stack_blur::division as blur_division;

/// Runs one pass over a premultiplied RGBA8 surface of `size`; the result has the same size and format.
pub(super) fn run(kernel: &Kernel, source: &[u8], size: DeviceSize) -> Vec<u8> {
    match kernel {
        Kernel::Blur { radius } => stack_blur::blur(source, size.width, *radius),
        Kernel::Recolor(passes) => {
            let mut pixels = source.to_vec();
            recolor::recolor(&mut pixels, passes);
            pixels
        }
        Kernel::Shadow { sigma, color } => shadow::shadow(source, size.width as usize, *sigma, *color),
    }
}

/// Applies `passes` in order to `picture`, at its natural size.
pub(super) fn apply(picture: &DecodedImage, passes: &[PixelPass]) -> DecodedImage {
    let mut pixels = picture.pixels.data().to_vec();
    // Adjacent colour passes share one conversion from premultiplied to straight and back.
    for run in passes.chunk_by(|a, b| is_color_pass(a) && is_color_pass(b)) {
        match run {
            [PixelPass::Blur { radius }] => pixels = stack_blur::blur(&pixels, picture.width, *radius),
            colours => recolor::recolor(&mut pixels, colours),
        }
    }
    DecodedImage::new(picture.width, picture.height, pixels).expect("passes keep the number of bytes")
}

fn is_color_pass(pass: &PixelPass) -> bool {
    match pass {
        PixelPass::ColorMatrix(_) | PixelPass::Tone(_) => true,
        PixelPass::Blur { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Tone;

    const HALVED: PixelPass =
        PixelPass::ColorMatrix([[0.5, 0.0, 0.0, 0.0], [0.0, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.0]]);

    fn after(pixel: [u8; 4], passes: &[PixelPass]) -> Vec<u8> {
        let picture = DecodedImage::new(1, 1, pixel.to_vec()).expect("one pixel");
        apply(&picture, passes).pixels.data().to_vec()
    }

    #[test]
    fn passes_round_half_to_even_after_each_step() {
        // 101 / 2 = 50.5 rounds to 50, then 25; 102 / 2 / 2 = 25.5 rounds to 26.
        assert_eq!(after([101, 102, 255, 255], &[HALVED, HALVED]), [25, 26, 64, 255]);
    }

    #[test]
    fn passes_clamp_after_each_step() {
        let brighter =
            PixelPass::ColorMatrix([[1.0, 0.0, 0.0, 200.0], [0.0, 1.0, 0.0, 200.0], [0.0, 0.0, 1.0, -200.0]]);
        assert_eq!(after([100, 0, 100, 255], &[brighter, HALVED]), [128, 100, 0, 255]);
    }

    #[test]
    fn passes_work_on_straight_colours_and_keep_alpha() {
        // Straight (199, 100, 50) at half alpha is halved to (100, 50, 25) and then premultiplied again.
        assert_eq!(after([100, 50, 25, 128], &[HALVED]), [50, 25, 13, 128]);
        let brighter = PixelPass::ColorMatrix([[1.0, 0.0, 0.0, 55.0], [0.0, 1.0, 0.0, 55.0], [0.0, 0.0, 1.0, 55.0]]);
        assert_eq!(after([0, 0, 0, 0], &[brighter]), [0, 0, 0, 0]);
        assert_eq!(after([0, 0, 0, 51], &[brighter]), [11, 11, 11, 51]);
    }

    #[test]
    fn passes_run_in_order_across_a_blur() {
        let picture = DecodedImage::new(2, 1, vec![0, 0, 0, 255, 200, 200, 200, 255]).expect("two pixels");
        let reds = |passes: &[PixelPass]| -> Vec<u8> {
            apply(&picture, passes).pixels.data().chunks_exact(4).map(|pixel| pixel[0]).collect()
        };
        let (blur, darker) = (PixelPass::Blur { radius: 1 }, PixelPass::Tone(Tone::Dark(-1.0)));
        assert_eq!(reds(&[blur]), [50, 150]);
        // 50 · (1 − (1 − 50/128)) = 19.5 rounds to 20.
        assert_eq!(reds(&[blur, darker]), [20, 150]);
        assert_eq!(reds(&[darker, blur]), [50, 150]);
    }
}
