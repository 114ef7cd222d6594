//! Rasters in memory, and the only place that converts alpha.
//!
//! In: RGBA8 rasters tagged straight or premultiplied. Not in: painting, scaling, file formats.
//! Imports: `units`.

use std::marker::PhantomData;

use crate::units::DeviceSize;

/// Marks straight alpha: colour channels are independent of alpha, as in PNG.
#[derive(Clone, Copy, Debug)]
pub enum Straight {}
/// Marks premultiplied alpha: colour channels are multiplied by alpha, as painters blend.
#[derive(Clone, Copy, Debug)]
pub enum Premultiplied {}

/// An RGBA8 raster, rows from top to bottom without padding: `pixels().len() == 4 * width * height`.
#[derive(Clone, Debug)]
pub struct Raster<Alpha> {
    size: DeviceSize,
    pixels: Vec<u8>,
    /// True when every alpha is known to be 255, so that [`Raster::is_opaque`] need not read the pixels.
    known_opaque: bool,
    alpha: PhantomData<Alpha>,
}

impl<Alpha> Raster<Alpha> {
    /// Creates a raster; `None` unless `pixels.len() == 4 * width * height`.
    pub fn from_pixels(size: DeviceSize, pixels: Vec<u8>) -> Option<Self> {
        let known_opaque = false;
        (pixels.len() as u64 == size.pixels() * 4).then_some(Self { size, pixels, known_opaque, alpha: PhantomData })
    }

    /// Width and height in device px.
    pub fn size(&self) -> DeviceSize {
        self.size
    }

    /// The pixels as bytes, R G B A.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Converts into the pixels' bytes.
    pub fn into_pixels(self) -> Vec<u8> {
        self.pixels
    }

    /// One pixel, `[r, g, b, a]`. Panics outside the raster: for tests and tools.
    pub fn pixel(&self, x: u32, y: u32) -> [u8; 4] {
        assert!(x < self.size.width && y < self.size.height, "({x}, {y}) is outside {:?}", self.size);
        let at = (y as usize * self.size.width as usize + x as usize) * 4;
        [self.pixels[at], self.pixels[at + 1], self.pixels[at + 2], self.pixels[at + 3]]
    }

    /// Whether every alpha is 255.
    pub fn is_opaque(&self) -> bool {
        if self.known_opaque {
            return true;
        }
        // This runs on pages before encoding: it checks many pixels at a time and stops at the first translucent block.
        let (blocks, rest) = self.pixels.as_chunks::<64>();
        let is_opaque = |pixels: &[u8]| pixels.chunks_exact(4).fold(255, |all, pixel| all & pixel[3]) == 255;
        blocks.iter().all(|block| is_opaque(block)) && is_opaque(rest)
    }
}

impl Raster<Premultiplied> {
    /// Sets every alpha to 255: for rasters known to be opaque, whose alphas may be off by rounding.
    pub fn into_opaque(mut self) -> Raster<Straight> {
        self.pixels.chunks_exact_mut(4).for_each(|p| p[3] = 255);
        Raster { size: self.size, pixels: self.pixels, known_opaque: true, alpha: PhantomData }
    }

    /// Divides by alpha, rounding to nearest; a transparent pixel becomes 0,0,0,0.
    pub fn into_straight(mut self) -> Raster<Straight> {
        for p in self.pixels.chunks_exact_mut(4) {
            let a = u32::from(p[3]);
            match a {
                255 => {}
                0 => p[..3].fill(0),
                _ => p[..3].iter_mut().for_each(|c| *c = ((u32::from(*c) * 255 + a / 2) / a).min(255) as u8),
            }
        }
        Raster { size: self.size, pixels: self.pixels, known_opaque: self.known_opaque, alpha: PhantomData }
    }
}

impl Raster<Straight> {
    /// Copies the pixels without alpha, R G B: for formats without alpha, when [`Self::is_opaque`].
    pub fn to_rgb(&self) -> Vec<u8> {
        let mut rgb = vec![0; self.pixels.len() / 4 * 3];
        // Four pixels are packed into three words: copying single bytes takes as long as filtering a PNG.
        let (fours, rest) = self.pixels.as_chunks::<16>();
        let (packed, tail) = rgb.split_at_mut(fours.len() * 12);
        for (from, into) in fours.iter().zip(packed.as_chunks_mut::<12>().0) {
            let [a, b, c, d] = [0, 4, 8, 12]
                .map(|at| u32::from_le_bytes([from[at], from[at + 1], from[at + 2], from[at + 3]]) & 0x00ff_ffff);
            into[..4].copy_from_slice(&(a | b << 24).to_le_bytes());
            into[4..8].copy_from_slice(&(b >> 8 | c << 16).to_le_bytes());
            into[8..].copy_from_slice(&(c >> 16 | d << 8).to_le_bytes());
        }
        for (from, into) in rest.chunks_exact(4).zip(tail.chunks_exact_mut(3)) {
            into.copy_from_slice(&from[..3]);
        }
        rgb
    }

    /// Multiplies by alpha, rounding to nearest.
    pub fn into_premultiplied(mut self) -> Raster<Premultiplied> {
        for p in self.pixels.chunks_exact_mut(4) {
            let a = u32::from(p[3]);
            if a != 255 {
                p[..3].iter_mut().for_each(|c| *c = ((u32::from(*c) * a + 127) / 255) as u8);
            }
        }
        Raster { size: self.size, pixels: self.pixels, known_opaque: self.known_opaque, alpha: PhantomData }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: DeviceSize = DeviceSize { width: 1, height: 1 };

    #[test]
    fn alpha_round_trip_keeps_colour() {
        let raster = Raster::<Straight>::from_pixels(ONE, vec![255, 127, 0, 128]).expect("one pixel");
        let premultiplied = raster.into_premultiplied();
        assert_eq!(premultiplied.pixels(), [128, 64, 0, 128]);
        assert_eq!(premultiplied.into_straight().pixels(), [255, 128, 0, 128]);
    }

    #[test]
    fn rgb_is_every_pixel_without_alpha() {
        for count in [0, 1, 3, 4, 5, 11, 16, 17] {
            let pixels: Vec<u8> = (0..count * 4).map(|at| (at * 37 % 251) as u8).collect();
            let size = DeviceSize { width: count, height: 1 };
            let raster = Raster::<Straight>::from_pixels(size, pixels.clone()).expect("one row");
            let expected: Vec<u8> = pixels.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
            assert_eq!(raster.to_rgb(), expected, "{count}");
        }
    }

    #[test]
    fn opacity_depends_on_every_pixel() {
        for (count, clear) in [(1, 0), (16, 15), (17, 16), (40, 3), (40, 39)] {
            let mut pixels = [1, 2, 3, 255].repeat(count);
            let size = DeviceSize { width: count as u32, height: 1 };
            let is_opaque =
                |pixels: &[u8]| Raster::<Straight>::from_pixels(size, pixels.to_vec()).expect("a row").is_opaque();
            assert!(is_opaque(&pixels));
            pixels[clear * 4 + 3] = 254;
            assert!(!is_opaque(&pixels), "{count} {clear}");
            let painted = Raster::<Premultiplied>::from_pixels(size, pixels.clone()).expect("a row");
            assert!(!painted.is_opaque() && painted.into_opaque().is_opaque(), "{count} {clear}");
        }
    }

    #[test]
    fn wrong_length_is_refused() {
        assert!(Raster::<Straight>::from_pixels(ONE, vec![0; 5]).is_none());
    }
}
