//! GIF: the first frame, on its canvas. A file that is cut short shows what it has.

use std::borrow::Cow;
use std::io::Cursor;

use gif::{DecodeOptions, Frame};
use image::codecs::gif::GifDecoder;

use super::other::{read, read_cut_short};
use super::{DecodeError, ImageKind, Pixels};
use crate::config::AssetLimits;

/// Passes of an interlaced picture: their first row, and how many rows each of theirs stands for until later passes come.
const PASSES: [(usize, usize); 4] = [(0, 8), (4, 4), (2, 2), (1, 1)];

pub(super) fn decode(bytes: &[u8], limits: &AssetLimits) -> Result<Pixels, DecodeError> {
    let first = first_frame(bytes);
    let bytes = first.as_ref().map_or(Cow::Borrowed(bytes), |frame| with_room_for(frame, bytes));
    let open = || {
        GifDecoder::new(Cursor::new(&*bytes))
            .map_err(|error| DecodeError::Broken { format: ImageKind::Gif, reason: error.to_string() })
    };
    read(ImageKind::Gif, open()?, limits).or_else(|error| {
        let (mut pixels, are_whole) = read_cut_short(ImageKind::Gif, open, limits).ok_or(error)?;
        let covers =
            |frame: &Frame<'_>| u32::from(frame.width) == pixels.width && u32::from(frame.height) == pixels.height;
        if first.is_some_and(|frame| frame.interlaced && covers(&frame)) {
            repeat_rows(&mut pixels, &are_whole);
        }
        Ok(pixels)
    })
}

/// The head of the first frame, when there is one.
fn first_frame(bytes: &[u8]) -> Option<Frame<'static>> {
    let mut decoder = DecodeOptions::new().read_info(bytes).ok()?;
    decoder.next_frame_info().ok()?.cloned()
}

/// The file with a canvas that is large enough for its first frame, as browsers make it.
fn with_room_for<'a>(frame: &Frame<'_>, bytes: &'a [u8]) -> Cow<'a, [u8]> {
    // After the six bytes of the name.
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

/// Shows each row that was read in place of the missing ones below it, as far as its pass does.
fn repeat_rows(pixels: &mut Pixels, are_whole: &[bool]) {
    let stride = pixels.width as usize * 4;
    for (first, count) in PASSES {
        let step = if first == 0 { count } else { count * 2 };
        for row in (first..are_whole.len()).step_by(step).filter(|row| are_whole[*row]) {
            for below in (row + 1..(row + count).min(are_whole.len())).filter(|below| !are_whole[*below]) {
                pixels.rgba.copy_within(row * stride..(row + 1) * stride, below * stride);
            }
        }
    }
}
