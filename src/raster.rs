//! Pixels in memory, and the only place where alpha is converted.
//!
//! In: RGBA8 rasters tagged straight or premultiplied. Not in: painting, scaling, file formats.
//! Imports: `units`.

use std::marker::PhantomData;

use crate::units::DeviceSize;

/// Colour channels are independent of alpha, as in PNG.
#[derive(Clone, Copy, Debug)]
pub enum Straight {}
/// Colour channels are already multiplied by alpha, as painters blend.
#[derive(Clone, Copy, Debug)]
pub enum Premultiplied {}

/// RGBA8, rows top to bottom without padding: `pixels().len() == 4 * width * height`.
#[derive(Clone, Debug)]
pub struct Raster<Alpha> {
    size: DeviceSize,
    pixels: Vec<u8>,
    alpha: PhantomData<Alpha>,
}

impl<Alpha> Raster<Alpha> {
    /// `None` unless `pixels.len() == 4 * width * height`.
    pub fn from_pixels(size: DeviceSize, pixels: Vec<u8>) -> Option<Self> {
        (pixels.len() as u64 == size.pixels() * 4).then_some(Self { size, pixels, alpha: PhantomData })
    }

    /// Width and height in device px.
    pub fn size(&self) -> DeviceSize {
        self.size
    }

    /// The bytes, R G B A.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The bytes, given away.
    pub fn into_pixels(self) -> Vec<u8> {
        self.pixels
    }

    /// One pixel, `[r, g, b, a]`. Panics outside the raster: for tests and tools.
    pub fn pixel(&self, x: u32, y: u32) -> [u8; 4] {
        assert!(x < self.size.width && y < self.size.height, "({x}, {y}) is outside {:?}", self.size);
        let at = (y as usize * self.size.width as usize + x as usize) * 4;
        [self.pixels[at], self.pixels[at + 1], self.pixels[at + 2], self.pixels[at + 3]]
    }

    /// True when every alpha is 255.
    pub fn is_opaque(&self) -> bool {
        // Whole words at a time: this runs on every page before encoding.
        self.pixels.chunks_exact(4).all(|p| p[3] == 255)
    }
}

impl Raster<Premultiplied> {
    /// Takes every pixel for opaque: for rasters known to be, whose alphas rounding may have left a level short.
    pub fn into_opaque(mut self) -> Raster<Straight> {
        self.pixels.chunks_exact_mut(4).for_each(|p| p[3] = 255);
        Raster { size: self.size, pixels: self.pixels, alpha: PhantomData }
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
        Raster { size: self.size, pixels: self.pixels, alpha: PhantomData }
    }
}

impl Raster<Straight> {
    /// Multiplies by alpha, rounding to nearest.
    pub fn into_premultiplied(mut self) -> Raster<Premultiplied> {
        for p in self.pixels.chunks_exact_mut(4) {
            let a = u32::from(p[3]);
            if a != 255 {
                p[..3].iter_mut().for_each(|c| *c = ((u32::from(*c) * a + 127) / 255) as u8);
            }
        }
        Raster { size: self.size, pixels: self.pixels, alpha: PhantomData }
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
    fn wrong_length_is_refused() {
        assert!(Raster::<Straight>::from_pixels(ONE, vec![0; 5]).is_none());
    }
}
