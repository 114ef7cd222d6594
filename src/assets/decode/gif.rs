//! GIF decoder for the first frame on its canvas. A truncated file shows the rows it has.

use std::borrow::Cow;
use std::io::Cursor;

use gif::{DecodeOptions, Frame};
use image::codecs::gif::GifDecoder;

use super::error::DecodeError;
use super::image_crate::{read, read_truncated};
use super::image_kind::ImageKind;
use super::limits::DecodeLimits;
use super::pixels::DecodedPixels;

/// Passes of an interlaced picture: the first row, and the number of rows that each row stands for until later passes.
const PASSES: [(usize, usize); 4] = [(0, 8), (4, 4), (2, 2), (1, 1)];

pub(super) fn decode(bytes: &[u8], limits: &DecodeLimits<'_>) -> Result<DecodedPixels, DecodeError> {
    let first = first_frame(bytes);
    let bytes = first.as_ref().map_or(Cow::Borrowed(bytes), |frame| enlarge_canvas(frame, bytes));
    let open = || {
        GifDecoder::new(Cursor::new(&*bytes))
            .map_err(|error| DecodeError::Broken { format: ImageKind::Gif, reason: error.into() })
    };
    read(ImageKind::Gif, open()?, limits).or_else(|error| {
        let (mut pixels, is_complete) = read_truncated(ImageKind::Gif, open, limits).ok_or(error)?;
        let covers =
            |frame: &Frame<'_>| u32::from(frame.width) == pixels.width && u32::from(frame.height) == pixels.height;
        if first.is_some_and(|frame| frame.interlaced && covers(&frame)) {
            repeat_rows(&mut pixels, &is_complete);
        }
        Ok(pixels)
    })
}

/// Descriptor of the first frame, if there is one.
fn first_frame(bytes: &[u8]) -> Option<Frame<'static>> {
    let mut decoder = DecodeOptions::new().read_info(bytes).ok()?;
    decoder.next_frame_info().ok()?.cloned()
}

/// Enlarges the canvas in the header so that it contains the first frame, as browsers do.
fn enlarge_canvas<'a>(frame: &Frame<'_>, bytes: &'a [u8]) -> Cow<'a, [u8]> {
    // The size follows the six bytes of the signature.
    const SIZE: [(usize, usize); 2] = [(6, 8), (8, 10)];
    let needed = [frame.left.saturating_add(frame.width), frame.top.saturating_add(frame.height)];
    let mut bytes = Cow::Borrowed(bytes);
    for ((from, to), needed) in SIZE.into_iter().zip(needed) {
        let Some(side) = bytes.get(from..to) else { continue };
        if u16::from_le_bytes([side[0], side[1]]) < needed {
            bytes.to_mut()[from..to].copy_from_slice(&needed.to_le_bytes());
        }
    }
    bytes
}

/// Copies each complete row to the missing rows below it that it stands for in its pass.
fn repeat_rows(pixels: &mut DecodedPixels, is_complete: &[bool]) {
    let stride = pixels.width as usize * 4;
    for (first, count) in PASSES {
        let step = if first == 0 { count } else { count * 2 };
        for row in (first..is_complete.len()).step_by(step).filter(|row| is_complete[*row]) {
            for below in (row + 1..(row + count).min(is_complete.len())).filter(|below| !is_complete[*below]) {
                pixels.rgba.copy_within(row * stride..(row + 1) * stride, below * stride);
            }
        }
    }
}
