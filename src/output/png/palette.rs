//! Converts a picture of at most 256 colours to palette indices.

/// Slots of the hash table of colours: a power of two, four times the palette size, so that probing stays short.
const SLOTS: usize = 1024;
/// Maximum number of colours of a palette.
const MAX_COLOURS: usize = 256;
/// Multiplier that spreads colours which differ in one channel only (Knuth's multiplicative hashing).
const SPREAD: u32 = 0x9e37_79b1;

/// A picture as palette and indices.
pub(super) struct Indexed {
    /// R G B of each colour, in order of first use.
    pub(super) colours: Vec<u8>,
    /// Alpha of each colour; empty when all are opaque.
    pub(super) alphas: Vec<u8>,
    /// Palette index of each pixel.
    pub(super) indices: Vec<u8>,
}

impl Indexed {
    /// Converts `pixels`, R G B A; `None` for more than 256 colours. A photo is recognised after its first few hundred
    /// pixels.
    pub(super) fn of(pixels: &[u8]) -> Option<Self> {
        // Colour and its index plus one; 0 marks a free slot.
        let mut slots = [(0u32, 0u16); SLOTS];
        let mut colours: Vec<[u8; 4]> = Vec::with_capacity(MAX_COLOURS);
        let mut indices = Vec::with_capacity(if few_in_sample(pixels) { pixels.len() / 4 } else { return None });
        let mut last = None;
        for pixel in pixels.chunks_exact(4) {
            let rgba = [pixel[0], pixel[1], pixel[2], pixel[3]];
            let colour = u32::from_le_bytes(rgba);
            // Most pixels equal their left neighbour.
            if let Some((known, number)) = last
                && known == colour
            {
                indices.push(number);
                continue;
            }
            let mut at = (colour.wrapping_mul(SPREAD) >> 22) as usize;
            let number = loop {
                match slots[at] {
                    (_, 0) if colours.len() == MAX_COLOURS => return None,
                    (_, 0) => {
                        colours.push(rgba);
                        slots[at] = (colour, colours.len() as u16);
                        break (colours.len() - 1) as u8;
                    }
                    (known, number) if known == colour => break (number - 1) as u8,
                    _ => at = (at + 1) % SLOTS,
                }
            };
            last = Some((colour, number));
            indices.push(number);
        }
        let opaque = colours.iter().all(|colour| colour[3] == 255);
        let alphas = if opaque { Vec::new() } else { colours.iter().map(|colour| colour[3]).collect() };
        Some(Self { colours: colours.iter().flat_map(|it| [it[0], it[1], it[2]]).collect(), alphas, indices })
    }
}

/// Number of sampled pixels, spread over the picture.
const SAMPLE: usize = 2048;

/// Whether a sample has at most 256 colours. It recognises a page with a photo below plain paper without reading all of
/// the paper.
fn few_in_sample(pixels: &[u8]) -> bool {
    let count = pixels.len() / 4;
    // Odd, so that samples do not stay in one column of pages whose width is a power of two.
    let step = (count / SAMPLE) | 1;
    let mut colours: Vec<u32> =
        pixels.chunks_exact(4).step_by(step).map(|it| u32::from_le_bytes([it[0], it[1], it[2], it[3]])).collect();
    colours.sort_unstable();
    colours.dedup();
    colours.len() <= MAX_COLOURS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn palette_lists_colours_in_order_of_first_use() {
        let pixels = [[9, 8, 7, 255], [1, 2, 3, 255], [9, 8, 7, 255], [9, 8, 7, 255]].concat();
        let indexed = Indexed::of(&pixels).expect("two colours");
        assert_eq!((indexed.colours, indexed.alphas.len()), (vec![9, 8, 7, 1, 2, 3], 0));
        assert_eq!(indexed.indices, [0, 1, 0, 0]);
    }

    #[test]
    fn palette_tells_colours_of_equal_hash_apart() {
        // More colours than can have distinct slots.
        let pixels: Vec<u8> = (0..256u32).flat_map(|at| (at << 10).to_le_bytes()).collect();
        let indexed = Indexed::of(&pixels).expect("256 colours");
        assert_eq!(indexed.indices, (0..=255).collect::<Vec<u8>>());
        assert_eq!(indexed.alphas.len(), 256);
    }

    #[test]
    fn palette_of_a_photo_is_none() {
        let pixels: Vec<u8> = (0..100_000u32).flat_map(|at| (at / 389 * 7).to_le_bytes()).collect();
        assert!(Indexed::of(&pixels).is_none(), "257 colours");
        assert!(!few_in_sample(&pixels));
    }
}
