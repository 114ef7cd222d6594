//! Surfaces written by the steps of a plan, and the part of each that is not fully transparent.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use kurbo::Rect;
use peniko::ImageAlphaType;
use vello_cpu::{PixelMetadata, Pixmap};

use super::plan::SurfaceId;
use crate::units::DeviceSize;

/// The surfaces that steps of a plan have written so far, by id.
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

/// The pixels that a step has written. Cheap to clone.
#[derive(Clone)]
pub(super) struct Surface {
    pub(super) pixmap: Arc<Pixmap>,
    /// The part outside of which all pixels are transparent; `None` where all of them are.
    pub(super) visible: Option<VisibleArea>,
}

impl Surface {
    /// `pixels`: premultiplied, `4 * width * height` bytes.
    pub(super) fn new(size: DeviceSize, pixels: Vec<u8>) -> Self {
        let visible = VisibleArea::of(&pixels, size);
        let metadata = PixelMetadata::new(ImageAlphaType::AlphaPremultiplied, true);
        Self { pixmap: Arc::new(Pixmap::from_parts(pixels, size.width as u16, size.height as u16, metadata)), visible }
    }
}

/// The smallest rectangle of a surface that holds all pixels that are not fully transparent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct VisibleArea {
    pub(super) columns: Range<usize>,
    pub(super) rows: Range<usize>,
}

impl VisibleArea {
    /// Finds the area in premultiplied RGBA8 `pixels` of `size`; `None` where all of them are transparent.
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

    /// The area as a rectangle in px.
    pub(super) fn rect(&self) -> Rect {
        let (columns, rows) = (&self.columns, &self.rows);
        Rect::new(columns.start as f64, rows.start as f64, columns.end as f64, rows.end as f64)
    }

    /// The bytes of each row of the area, from the `pixels` of a surface with `width` columns.
    pub(super) fn lines<'a>(&self, pixels: &'a [u8], width: usize) -> impl Iterator<Item = &'a [u8]> {
        let columns = self.columns.clone();
        self.rows.clone().map(move |row| &pixels[(row * width + columns.start) * 4..(row * width + columns.end) * 4])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visible_area_is_the_smallest_around_all_opaque_pixels() {
        let size = DeviceSize { width: 6, height: 5 };
        let mut pixels = vec![0; 6 * 5 * 4];
        assert_eq!(VisibleArea::of(&pixels, size), None);
        // Column 4 of row 1, column 2 of row 3.
        pixels[(6 + 4) * 4 + 3] = 1;
        pixels[(3 * 6 + 2) * 4 + 3] = 255;
        let visible = VisibleArea::of(&pixels, size).expect("two px");
        assert_eq!(visible, VisibleArea { columns: 2..5, rows: 1..4 });
        assert_eq!(visible.rect(), Rect::new(2.0, 1.0, 5.0, 4.0));
        let alphas: Vec<Vec<u8>> = visible.lines(&pixels, 6).map(|it| it.chunks(4).map(|px| px[3]).collect()).collect();
        assert_eq!(alphas, [[0, 0, 1], [0, 0, 0], [255, 0, 0]]);
    }
}
