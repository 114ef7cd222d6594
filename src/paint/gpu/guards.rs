//! Limits of a scene on the GPU, checked before the scene is submitted.
//!
//! vello 0.11 keeps its intermediate results in buffers of constant size (`vello_encoding::BufferSizes`). It drops what
//! does not fit without an error, and the page comes back blank or incomplete. Therefore every scene is metered here
//! first, against the same constants.

use kurbo::Rect;
use vello::Scene;

use super::fallback::FallbackReason;

/// Side of vello's tiles, in px.
const TILE: u32 = 16;
/// Side of vello's bins, in tiles.
const BIN: u32 = 16;
/// Usable fraction of each buffer. The meters overestimate by design, which is not proven for every scene.
const MARGIN: f64 = 0.75;
/// Nested layers of one tile that need no memory (`BLEND_STACK_SPLIT` in vello's shaders).
const FREE_LAYERS: u16 = 4;
/// Capacity of `blend_spill`, in spilled layers of one tile: 1 << 20 px, of which each takes 256. Pages with nested
/// layers confirm the value (`tests/guards.rs`).
const MAX_SPILLS: f64 = 4096.0;
/// Capacity of `tiles`: tiles in the bounding boxes of all draws, added up.
const MAX_TILES: f64 = (1 << 21) as f64;
/// Capacity of `bin_data`: draws in each bin, added up.
const MAX_BIN_DRAWS: f64 = (1 << 18) as f64;
/// Capacity of `ptcl`, the command lists of all tiles, in 32-bit words.
const MAX_PTCL_WORDS: f64 = (1 << 23) as f64;
/// Words that each tile owns from the start (`PTCL_INITIAL_ALLOC`).
const INITIAL_TILE_WORDS: u32 = 64;
/// Words that a tile allocates whenever it runs out (`PTCL_INCREMENT`).
const TILE_WORDS_INCREMENT: u32 = 256;
/// Maximum number of words that one draw takes in one tile: an area and the longest brush.
const MAX_DRAW_WORDS: u32 = 8;
/// Capacity of `lines` and of `segments`, the parts of lines in tiles.
const MAX_LINES: f64 = (1 << 21) as f64;
/// Maximum px of all pictures in one scene. The atlas has 8192 x 8192 px and is not packed perfectly: five pictures of
/// 4000 x 4000 did not fit. A quarter leaves space for the pictures of earlier scenes, which stay for two more.
pub(super) const MAX_ATLAS_PIXELS: u64 = 8192 * 8192 / 4;
/// Maximum side of a picture in the atlas, in px. vello draws nothing of a picture beyond 8192.
pub(super) const MAX_ATLAS_SIDE: u32 = 4096;
/// Maximum number of gradients in one scene; each is one row of a texture.
const MAX_GRADIENTS: u32 = 2048;
/// Maximum side of a scene, in px; larger surfaces are drawn in tiles. The command lists of 4096 x 4096 px take half of
/// [`MAX_PTCL_WORDS`] before anything is drawn, those of 8192 x 4096 all of it, and a page of 8192 x 8192 lacks its
/// lower half.
pub(super) const MAX_SCENE_SIDE: u32 = 4096;

/// Estimates from above how much of vello's buffers one scene takes.
pub(super) struct Meter {
    columns: u32,
    rows: u32,
    /// Number of layers open in each tile.
    depth: Vec<u16>,
    /// Maximum of `depth` so far.
    max_depth: Vec<u16>,
    /// Words in the command list of each tile, as differences along both axes, with one more column and row.
    words: Vec<i32>,
    tiles: u64,
    bins: u64,
    pixels: u64,
    longest_side: u32,
    gradients: u32,
    open: Vec<TileRange>,
}

/// A rectangle in tiles: ranges of columns and rows, ends excluded.
#[derive(Clone, Copy)]
struct TileRange {
    x: (u32, u32),
    y: (u32, u32),
}

impl Meter {
    /// Creates the meter of an empty scene of `width` x `height` px.
    pub(super) fn new(width: u32, height: u32) -> Self {
        let (columns, rows) = (width.div_ceil(TILE), height.div_ceil(TILE));
        let tiles = columns as usize * rows as usize;
        Self {
            columns,
            rows,
            depth: vec![0; tiles],
            max_depth: vec![0; tiles],
            words: vec![0; (columns as usize + 1) * (rows as usize + 1)],
            tiles: 0,
            bins: 0,
            pixels: 0,
            longest_side: 0,
            gradients: 0,
            open: Vec::new(),
        }
    }

    /// Counts a draw within `bounds`, in px of the scene.
    pub(super) fn draw(&mut self, bounds: Rect) {
        let tiles = self.tiles(bounds);
        self.count(tiles);
    }

    /// Counts a gradient brush of a draw.
    pub(super) fn gradient(&mut self) {
        self.gradients += 1;
    }

    /// Counts a picture of this size, in px, that the scene has not shown before.
    pub(super) fn picture(&mut self, width: u32, height: u32) {
        self.pixels += u64::from(width) * u64::from(height);
        self.longest_side = self.longest_side.max(width).max(height);
    }

    /// Opens a clip or layer. Clips count like layers, because vello saves the backdrop of both.
    pub(super) fn push(&mut self, bounds: Rect) {
        let tiles = self.tiles(bounds);
        self.count(tiles);
        for at in self.indices(tiles) {
            self.depth[at] += 1;
            self.max_depth[at] = self.max_depth[at].max(self.depth[at]);
        }
        self.open.push(tiles);
    }

    /// Ends the innermost open clip or layer.
    pub(super) fn pop(&mut self) {
        let Some(tiles) = self.open.pop() else { return };
        self.count(tiles);
        for at in self.indices(tiles) {
            self.depth[at] -= 1;
        }
    }

    /// Number of px of all pictures counted so far.
    pub(super) fn pixels(&self) -> u64 {
        self.pixels
    }

    /// Checks the estimates against vello's limits. `scene` is the scene that was metered.
    ///
    /// # Errors
    /// The reason why vello would draw the scene incompletely.
    pub(super) fn check(&self, scene: &Scene) -> Result<(), FallbackReason> {
        let spills: u64 = self.max_depth.iter().map(|depth| u64::from(depth.saturating_sub(FREE_LAYERS))).sum();
        let estimate = scene.bump_estimate(None);
        let exceeds = |found: u64, limit: f64| found as f64 > limit * MARGIN;
        if exceeds(spills, MAX_SPILLS) {
            return Err(FallbackReason::Layers);
        }
        if self.pixels > MAX_ATLAS_PIXELS || self.longest_side > MAX_ATLAS_SIDE {
            return Err(FallbackReason::Images);
        }
        if exceeds(self.tiles, MAX_TILES)
            || exceeds(self.bins, MAX_BIN_DRAWS)
            || exceeds(self.ptcl_words(), MAX_PTCL_WORDS)
            || exceeds(estimate.lines.len().into(), MAX_LINES)
            || exceeds(estimate.segments.len().into(), MAX_LINES)
        {
            return Err(FallbackReason::Paths);
        }
        if self.gradients > MAX_GRADIENTS { Err(FallbackReason::Gradients) } else { Ok(()) }
    }

    fn tiles(&self, bounds: Rect) -> TileRange {
        let range = |low: f64, high: f64, count: u32| {
            let tile = |px: f64| (px / f64::from(TILE)).clamp(0.0, f64::from(count));
            (tile(low).floor() as u32, tile(high).ceil() as u32)
        };
        TileRange { x: range(bounds.x0, bounds.x1, self.columns), y: range(bounds.y0, bounds.y1, self.rows) }
    }

    fn count(&mut self, TileRange { x, y }: TileRange) {
        if x.0 >= x.1 || y.0 >= y.1 {
            return;
        }
        let side = |range: (u32, u32), step: u32| u64::from(range.1.div_ceil(step) - range.0 / step);
        self.tiles += side(x, 1) * side(y, 1);
        self.bins += side(x, BIN) * side(y, BIN);
        let stride = self.columns as usize + 1;
        let words = MAX_DRAW_WORDS as i32;
        for (column, row, change) in [(x.0, y.0, words), (x.1, y.0, -words), (x.0, y.1, -words), (x.1, y.1, words)] {
            self.words[row as usize * stride + column as usize] += change;
        }
    }

    fn indices(&self, TileRange { x, y }: TileRange) -> impl Iterator<Item = usize> + use<> {
        let columns = self.columns as usize;
        (y.0..y.1).flat_map(move |row| (x.0..x.1).map(move |column| row as usize * columns + column as usize))
    }

    /// Words of `ptcl` that all tiles allocate together.
    fn ptcl_words(&self) -> u64 {
        let stride = self.columns as usize + 1;
        let (mut above, mut total) = (vec![0i64; stride], 0);
        for row in self.words.chunks_exact(stride).take(self.rows as usize) {
            let mut along = 0i64;
            for (above, change) in above.iter_mut().zip(row).take(self.columns as usize) {
                along += i64::from(*change);
                *above += along;
                let beyond = u64::try_from(*above).unwrap_or(0).saturating_sub(INITIAL_TILE_WORDS.into());
                let allocated = beyond.div_ceil(TILE_WORDS_INCREMENT.into()) * u64::from(TILE_WORDS_INCREMENT);
                total += u64::from(INITIAL_TILE_WORDS) + allocated;
            }
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(side: u32, deep: u32) -> Result<(), FallbackReason> {
        let mut meter = Meter::new(side, side);
        let page = Rect::new(0.0, 0.0, f64::from(side), f64::from(side));
        (0..deep).for_each(|_| meter.push(page));
        (0..deep).for_each(|_| meter.pop());
        meter.check(&Scene::new())
    }

    #[test]
    fn layers_are_counted_by_tile() {
        // 4624 tiles: four layers are free, and the fifth alone takes more than the whole buffer.
        assert_eq!([nested(1080, 4), nested(1080, 5)], [Ok(()), Err(FallbackReason::Layers)]);
        // 16 tiles: 3072 / 16 = 192 layers beyond the free ones.
        assert_eq!([nested(64, 196), nested(64, 197)], [Ok(()), Err(FallbackReason::Layers)]);
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
        assert_eq!([stacked(1080, 100), stacked(1080, 400)], [Ok(()), Err(FallbackReason::Paths)]);
        assert_eq!([stacked(4096, 1), stacked(4096, 40)], [Ok(()), Err(FallbackReason::Paths)]);
    }

    #[test]
    fn command_lists_grow_in_increments() {
        let mut meter = Meter::new(32, 16);
        assert_eq!(meter.ptcl_words(), 2 * 64);
        (0..9).for_each(|_| meter.draw(Rect::new(0.0, 0.0, 16.0, 16.0)));
        assert_eq!(meter.ptcl_words(), 2 * 64 + 256);
    }

    #[test]
    fn pictures_are_checked_against_the_atlas() {
        let of = |count: u32, width, height| {
            let mut meter = Meter::new(64, 64);
            (0..count).for_each(|_| meter.picture(width, height));
            meter.check(&Scene::new())
        };
        assert_eq!([of(1, 4096, 4096), of(2, 4096, 4096)], [Ok(()), Err(FallbackReason::Images)]);
        assert_eq!(of(1, 9000, 16), Err(FallbackReason::Images));
    }
}
