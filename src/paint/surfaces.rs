//! Surfaces that steps of a plan have written, and where something is seen on them.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use kurbo::Rect;
use peniko::ImageAlphaType;
use vello_cpu::{PixelMetadata, Pixmap};

use super::plan::SurfaceId;
use crate::units::DeviceSize;

/// What steps of a plan have written so far.
#[derive(Default)]
pub(super) struct Surfaces(HashMap<usize, Surface>);

impl Surfaces {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn insert(&mut self, id: SurfaceId, surface: Surface) {
        self.0.insert(id.0, surface);
    }

    pub(super) fn get(&self, id: SurfaceId) -> Option<&Surface> {
        self.0.get(&id.0)
    }
}

/// Pixels that a step has written; cheap to clone.
#[derive(Clone)]
pub(super) struct Surface {
    pub(super) pixmap: Arc<Pixmap>,
    /// Where something is seen; `None` where all of it is transparent.
    pub(super) seen: Option<Seen>,
}

impl Surface {
    /// `pixels`: premultiplied, `4 * width * height` bytes.
    pub(super) fn new(size: DeviceSize, pixels: Vec<u8>) -> Self {
        let seen = Seen::of(&pixels, size);
        let metadata = PixelMetadata::new(ImageAlphaType::AlphaPremultiplied, true);
        Self { pixmap: Arc::new(Pixmap::from_parts(pixels, size.width as u16, size.height as u16, metadata)), seen }
    }
}

/// A part of a surface; outside of it all is transparent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Seen {
    pub(super) columns: Range<usize>,
    pub(super) rows: Range<usize>,
}

impl Seen {
    /// The least part of premultiplied RGBA8 of `size`; `None` where nothing is seen.
    pub(super) fn of(pixels: &[u8], size: DeviceSize) -> Option<Self> {
        let mut values = vec![0; size.width as usize * 4];
        let mut rows: Option<Range<usize>> = None;
        for (row, line) in pixels.chunks_exact(values.len()).enumerate() {
            let mut any = 0;
            for (values, value) in values.iter_mut().zip(line) {
                *values |= value;
                any |= value;
            }
            if any != 0 {
                rows = Some(rows.map_or(row, |rows| rows.start)..row + 1);
            }
        }
        let first = values.iter().position(|value| *value != 0)? / 4;
        let last = values.iter().rposition(|value| *value != 0)? / 4;
        Some(Self { columns: first..last + 1, rows: rows? })
    }

    /// The same in px.
    pub(super) fn rect(&self) -> Rect {
        let (columns, rows) = (&self.columns, &self.rows);
        Rect::new(columns.start as f64, rows.start as f64, columns.end as f64, rows.end as f64)
    }

    /// The pixels of each row of it, out of those of a surface with `width` columns.
    pub(super) fn lines<'a>(&self, pixels: &'a [u8], width: usize) -> impl Iterator<Item = &'a [u8]> {
        let columns = self.columns.clone();
        self.rows.clone().map(move |row| &pixels[(row * width + columns.start) * 4..(row * width + columns.end) * 4])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seen_is_the_least_part_with_anything_on_it() {
        let size = DeviceSize { width: 6, height: 5 };
        let mut pixels = vec![0; 6 * 5 * 4];
        assert_eq!(Seen::of(&pixels, size), None);
        // Column 4 of row 1, column 2 of row 3.
        pixels[(6 + 4) * 4 + 3] = 1;
        pixels[(3 * 6 + 2) * 4 + 3] = 255;
        let seen = Seen::of(&pixels, size).expect("two px");
        assert_eq!(seen, Seen { columns: 2..5, rows: 1..4 });
        assert_eq!(seen.rect(), Rect::new(2.0, 1.0, 5.0, 4.0));
        let alphas: Vec<Vec<u8>> = seen.lines(&pixels, 6).map(|it| it.chunks(4).map(|px| px[3]).collect()).collect();
        assert_eq!(alphas, [[0, 0, 1], [0, 0, 0], [255, 0, 0]]);
    }
}
