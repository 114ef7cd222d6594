//! Which rows a JPEG has that ends before its end marker.

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::{SCAN, Segment, segments};

const END: [u8; 2] = [0xff, 0xd9];

/// Bytes that stand for the missing ones: more than the blocks of any row begin with.
const TAIL: usize = 64 << 10;

/// libjpeg-turbo, which browsers have, reads so many bytes ahead, and waits for more where there are fewer: a file that lacks
/// nothing but its end marker is shown without its last blocks.
const READ_AHEAD: usize = 7;

/// With halved columns and rows of colour, a row is made with the colours of the rows around it: the last rows before a
/// missing block are not shown.
const LOOK_AHEAD: usize = 2;

/// Rows at the top that a browser shows of `file`, one baseline scan without an end marker; `None` for any other file. `decoded_bytes` is the length of what a decoder with `options` makes of it.
///
/// The file is decoded with two different endings, over two different buffers: the first rows that differ are made of blocks that
/// are not there, or were not made at all.
pub(super) fn whole(file: &[u8], options: DecoderOptions, decoded_bytes: usize) -> Option<usize> {
    let frame = frame(file)?;
    let file = &file[..file.len().saturating_sub(READ_AHEAD)];
    let decode = |filler: u8| {
        let mut bytes = file.to_vec();
        bytes.resize(file.len() + TAIL, filler);
        bytes.extend_from_slice(&END);
        // Over different bytes, too: after an error nothing is written any more.
        let mut samples = vec![filler; decoded_bytes];
        let _ = JpegDecoder::new_with_options(ZCursor::new(&bytes), options).decode_into(&mut samples);
        samples
    };
    // Neither can begin a marker.
    let (first, second) = (decode(0x55), decode(0xaa));
    let stride = decoded_bytes / frame.height.max(1);
    let differs =
        first.chunks_exact(stride.max(1)).zip(second.chunks_exact(stride.max(1))).position(|(a, b)| a != b)?;
    let look_ahead = if frame.block_rows > 8 { LOOK_AHEAD } else { 0 };
    let blocks = (differs + look_ahead) / frame.block_rows * frame.block_rows;
    Some(blocks.saturating_sub(look_ahead))
}

struct Frame {
    height: usize,
    /// Rows of the smallest unit that holds whole blocks of every channel.
    block_rows: usize,
}

/// The frame of a file with one baseline scan and no end; `None` for any other file.
fn frame(file: &[u8]) -> Option<Frame> {
    // By far the most files.
    if file.ends_with(&END) {
        return None;
    }
    let mut found = None;
    for Segment { marker, body, rest } in segments(file) {
        match marker {
            // Baseline and extended, by Huffman's code.
            0xc0 | 0xc1 => {
                let [_, high, low, _, _, _, channels @ ..] = body else { return None };
                let halvings = channels.chunks_exact(3).map(|channel| usize::from(channel[1] & 15));
                let height = usize::from(u16::from_be_bytes([*high, *low]));
                found = Some((Frame { height, block_rows: 8 * halvings.max()?.max(1) }, channels.len() / 3));
            }
            SCAN => {
                let (frame, channels) = found?;
                let is_only_scan = body.first().is_some_and(|count| usize::from(*count) == channels);
                let has_end = rest.windows(2).any(|bytes| bytes == END);
                return (is_only_scan && !has_end).then_some(frame);
            }
            _ => {}
        }
    }
    None
}
