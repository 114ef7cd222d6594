//! What a GPU page must stay within, found before it is sent.
//!
//! vello 0.11 keeps its intermediate results in buffers of constant size (`vello_encoding::BufferSizes`). What does not
//! fit is left out without an error, and the page comes back blank or incomplete (stack.md §2). So every scene is
//! metered here first, against the same constants.

use kurbo::Rect;
use vello::Scene;

/// Side of vello's tiles, in px.
const TILE: u32 = 16;
/// Side of vello's bins, in tiles.
const BIN: u32 = 16;
/// Part of each buffer that we count on: the meters estimate from above, but not by proof.
const MARGIN: f64 = 0.75;
/// Layers of one tile that need no memory (`BLEND_STACK_SPLIT` in its shaders).
const FREE_LAYERS: u16 = 4;
/// Spills of one layer of one tile: `blend_spill`, 1 << 20 px of 256 a tile. Measured with nested pages: stack.md §2.
const SPILLS: f64 = 4096.0;
/// Tiles of the boxes of all draws: `tiles`.
const TILES: f64 = (1 << 21) as f64;
/// Draws in each bin, added up: `bin_data`.
const BINS: f64 = (1 << 18) as f64;
/// Words of command lists: `ptcl`.
const WORDS: f64 = (1 << 23) as f64;
/// Words that each tile has from the start, and then takes at once (`PTCL_INITIAL_ALLOC`, `PTCL_INCREMENT`).
const WORDS_OF_TILE: u32 = 64;
const WORDS_AT_ONCE: u32 = 256;
/// Words of one draw in one tile, at most: an area, and the longest brush.
const WORDS_OF_DRAW: u32 = 8;
/// Straight lines, and their parts in tiles: `lines`, `segments`.
const LINES: f64 = (1 << 21) as f64;
/// Px of pictures in one scene. The atlas holds 8192 x 8192 and is not packed perfectly: five of 4000 x 4000 did not
/// fit. A quarter leaves room for the scenes before, whose pictures stay for two more.
pub(super) const ATLAS_PIXELS: u64 = 8192 * 8192 / 4;
/// Longest side of a picture in the atlas; beyond 8192 nothing is drawn.
pub(super) const ATLAS_SIDE: u32 = 4096;
/// Gradients of one scene: each is a row of a texture.
const GRADIENTS: u32 = 2048;
/// Pages larger than this are drawn in parts: vello's coarse pass has 256 bins, 4096 x 4096 px.
pub(super) const SIDE: u32 = 4096;

/// Why a page is not painted by the GPU. The names are the labels of `tenter_gpu_fallback_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Too many nested layers.
    Layers,
    /// Pictures that do not fit the atlas.
    Images,
    /// A surface for an effect beyond the largest texture.
    PageSize,
    /// Too many lines, or too many areas one over another.
    Paths,
    /// A blend that vello does not do right.
    Blend,
    /// A blur or shadow too wide.
    Effects,
    /// Too many gradients.
    Gradients,
    /// More jobs wait than are let in.
    Busy,
    /// The GPU is being rebuilt.
    Down,
    /// The device was lost with the page in flight.
    DeviceLost,
    /// The device had no memory left.
    OutOfMemory,
    /// A call of ours was not valid.
    Validation,
    /// The page did not come back in time.
    Hung,
    /// A panic in the driver's libraries.
    Panic,
}

impl Refusal {
    /// All, in the order of the labels' first words.
    pub(super) const ALL: [Self; 14] = [
        Self::Layers,
        Self::Images,
        Self::PageSize,
        Self::Paths,
        Self::Blend,
        Self::Effects,
        Self::Gradients,
        Self::Busy,
        Self::Down,
        Self::DeviceLost,
        Self::OutOfMemory,
        Self::Validation,
        Self::Hung,
        Self::Panic,
    ];

    /// As a label.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Layers => "layers",
            Self::Images => "images",
            Self::PageSize => "page_size",
            Self::Paths => "paths",
            Self::Blend => "blend",
            Self::Effects => "effects",
            Self::Gradients => "gradients",
            Self::Busy => "busy",
            Self::Down => "down",
            Self::DeviceLost => "device_lost",
            Self::OutOfMemory => "out_of_memory",
            Self::Validation => "validation",
            Self::Hung => "hung",
            Self::Panic => "panic",
        }
    }

    /// True when smaller tiles may stay within what the whole breaks.
    pub(super) fn tiling_helps(self) -> bool {
        matches!(self, Self::Layers | Self::Images | Self::Paths)
    }
}

/// Counts what one scene takes of vello's buffers.
pub(super) struct Meter {
    columns: u32,
    rows: u32,
    /// Layers open above each tile, and the most there were.
    depth: Vec<u16>,
    deepest: Vec<u16>,
    /// Words of each tile's commands, as differences along both axes; one more column and row.
    words: Vec<i32>,
    tiles: u64,
    bins: u64,
    pixels: u64,
    longest: u32,
    gradients: u32,
    open: Vec<Tiles>,
}

/// A box in tiles: columns and rows, the ends not included.
#[derive(Clone, Copy)]
struct Tiles {
    x: (u32, u32),
    y: (u32, u32),
}

impl Meter {
    /// For a scene of `width` x `height` px.
    pub(super) fn new(width: u32, height: u32) -> Self {
        let (columns, rows) = (width.div_ceil(TILE), height.div_ceil(TILE));
        let tiles = columns as usize * rows as usize;
        Self {
            columns,
            rows,
            depth: vec![0; tiles],
            deepest: vec![0; tiles],
            words: vec![0; (columns as usize + 1) * (rows as usize + 1)],
            tiles: 0,
            bins: 0,
            pixels: 0,
            longest: 0,
            gradients: 0,
            open: Vec::new(),
        }
    }

    /// Something is drawn in `bounds`, in px of the scene.
    pub(super) fn draw(&mut self, bounds: Rect) {
        let tiles = self.tiles(bounds);
        self.count(tiles);
    }

    /// And it is drawn with a gradient.
    pub(super) fn gradient(&mut self) {
        self.gradients += 1;
    }

    /// And with a picture of this size, which was not drawn in this scene before.
    pub(super) fn picture(&mut self, width: u32, height: u32) {
        self.pixels += u64::from(width) * u64::from(height);
        self.longest = self.longest.max(width).max(height);
    }

    /// A clip or layer begins. Clips count like layers: vello keeps what is below in the same way.
    pub(super) fn push(&mut self, bounds: Rect) {
        let tiles = self.tiles(bounds);
        self.count(tiles);
        for at in self.each(tiles) {
            self.depth[at] += 1;
            self.deepest[at] = self.deepest[at].max(self.depth[at]);
        }
        self.open.push(tiles);
    }

    /// The latest ends.
    pub(super) fn pop(&mut self) {
        let Some(tiles) = self.open.pop() else { return };
        self.count(tiles);
        for at in self.each(tiles) {
            self.depth[at] -= 1;
        }
    }

    /// Px of pictures.
    pub(super) fn pixels(&self) -> u64 {
        self.pixels
    }

    /// Refuses what vello would leave out.
    pub(super) fn check(&self, scene: &Scene) -> Result<(), Refusal> {
        let spills: u64 = self.deepest.iter().map(|depth| u64::from(depth.saturating_sub(FREE_LAYERS))).sum();
        let estimate = scene.bump_estimate(None);
        let over = |found: u64, limit: f64| found as f64 > limit * MARGIN;
        if over(spills, SPILLS) {
            return Err(Refusal::Layers);
        }
        if self.pixels > ATLAS_PIXELS || self.longest > ATLAS_SIDE {
            return Err(Refusal::Images);
        }
        if over(self.tiles, TILES)
            || over(self.bins, BINS)
            || over(self.words(), WORDS)
            || over(estimate.lines.len().into(), LINES)
            || over(estimate.segments.len().into(), LINES)
        {
            return Err(Refusal::Paths);
        }
        if self.gradients > GRADIENTS { Err(Refusal::Gradients) } else { Ok(()) }
    }

    fn tiles(&self, bounds: Rect) -> Tiles {
        let range = |low: f64, high: f64, count: u32| {
            let tile = |px: f64| (px / f64::from(TILE)).clamp(0.0, f64::from(count));
            (tile(low).floor() as u32, tile(high).ceil() as u32)
        };
        Tiles { x: range(bounds.x0, bounds.x1, self.columns), y: range(bounds.y0, bounds.y1, self.rows) }
    }

    fn count(&mut self, Tiles { x, y }: Tiles) {
        if x.0 >= x.1 || y.0 >= y.1 {
            return;
        }
        let side = |range: (u32, u32), part: u32| u64::from(range.1.div_ceil(part) - range.0 / part);
        self.tiles += side(x, 1) * side(y, 1);
        self.bins += side(x, BIN) * side(y, BIN);
        let stride = self.columns as usize + 1;
        let words = WORDS_OF_DRAW as i32;
        for (column, row, change) in [(x.0, y.0, words), (x.1, y.0, -words), (x.0, y.1, -words), (x.1, y.1, words)] {
            self.words[row as usize * stride + column as usize] += change;
        }
    }

    fn each(&self, Tiles { x, y }: Tiles) -> impl Iterator<Item = usize> + use<> {
        let columns = self.columns as usize;
        (y.0..y.1).flat_map(move |row| (x.0..x.1).map(move |column| row as usize * columns + column as usize))
    }

    /// Of all tiles, as they are taken.
    fn words(&self) -> u64 {
        let stride = self.columns as usize + 1;
        let (mut above, mut total) = (vec![0i64; stride], 0);
        for row in self.words.chunks_exact(stride).take(self.rows as usize) {
            let mut along = 0i64;
            for (above, change) in above.iter_mut().zip(row).take(self.columns as usize) {
                along += i64::from(*change);
                *above += along;
                let beyond = u64::try_from(*above).unwrap_or(0).saturating_sub(WORDS_OF_TILE.into());
                let taken = beyond.div_ceil(WORDS_AT_ONCE.into()) * u64::from(WORDS_AT_ONCE);
                total += u64::from(WORDS_OF_TILE) + taken;
            }
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(side: u32, deep: u32) -> Result<(), Refusal> {
        let mut meter = Meter::new(side, side);
        let page = Rect::new(0.0, 0.0, f64::from(side), f64::from(side));
        (0..deep).for_each(|_| meter.push(page));
        (0..deep).for_each(|_| meter.pop());
        meter.check(&Scene::new())
    }

    #[test]
    fn layers_are_counted_by_tile() {
        // 4624 tiles: four layers are free, the fifth alone takes more than all there is.
        assert_eq!([nested(1080, 4), nested(1080, 5)], [Ok(()), Err(Refusal::Layers)]);
        // 16 tiles: 3072 / 16 = 192 layers beyond the free ones.
        assert_eq!([nested(64, 196), nested(64, 197)], [Ok(()), Err(Refusal::Layers)]);
        let mut meter = Meter::new(1080, 1080);
        (0..40).for_each(|_| meter.push(Rect::new(500.0, 500.0, 580.0, 580.0)));
        assert_eq!(meter.check(&Scene::new()), Ok(()), "small layers on a large page");
        let mut meter = Meter::new(1080, 1080);
        for _ in 0..40 {
            meter.push(Rect::new(0.0, 0.0, 1080.0, 1080.0));
            meter.pop();
        }
        assert_eq!(meter.check(&Scene::new()), Ok(()), "layers one after another");
    }

    #[test]
    fn draws_one_over_another_are_counted_by_tile() {
        let stacked = |side: u32, draws: u32| {
            let mut meter = Meter::new(side, side);
            (0..draws).for_each(|_| meter.draw(Rect::new(0.0, 0.0, f64::from(side), f64::from(side))));
            meter.check(&Scene::new())
        };
        assert_eq!([stacked(1080, 100), stacked(1080, 400)], [Ok(()), Err(Refusal::Paths)]);
        assert_eq!([stacked(4096, 1), stacked(4096, 40)], [Ok(()), Err(Refusal::Paths)]);
    }

    #[test]
    fn words_are_taken_in_steps() {
        let mut meter = Meter::new(32, 16);
        assert_eq!(meter.words(), 2 * 64);
        (0..9).for_each(|_| meter.draw(Rect::new(0.0, 0.0, 16.0, 16.0)));
        assert_eq!(meter.words(), 2 * 64 + 256);
    }

    #[test]
    fn pictures_are_held_against_the_atlas() {
        let of = |count: u32, width, height| {
            let mut meter = Meter::new(64, 64);
            (0..count).for_each(|_| meter.picture(width, height));
            meter.check(&Scene::new())
        };
        assert_eq!([of(1, 4096, 4096), of(2, 4096, 4096)], [Ok(()), Err(Refusal::Images)]);
        assert_eq!(of(1, 9000, 16), Err(Refusal::Images));
    }

    #[test]
    fn labels_are_unique() {
        let mut labels = Refusal::ALL.map(Refusal::label).to_vec();
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), Refusal::ALL.len());
    }
}
