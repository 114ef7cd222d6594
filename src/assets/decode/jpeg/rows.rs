//! The complete rows of a JPEG that lacks its end marker.

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::segments::{SCAN, Segment, segments};

const END: [u8; 2] = [0xff, 0xd9];

/// Number of filler bytes that are appended for the missing ones, enough to begin every block of a row.
const FILLER_BYTES: usize = 64 << 10;

/// Number of bytes that libjpeg-turbo, the decoder of browsers, reads ahead. With fewer it waits for more, so that a
/// file which lacks only its end marker is shown without its last blocks.
const READ_AHEAD: usize = 7;

/// Number of rows before a missing block that are not shown when the chroma is subsampled, because chroma upsampling
/// reads adjacent rows.
const UPSAMPLING_ROWS: usize = 2;

/// Number of rows at the top that a browser shows of `file`, if it has one baseline scan and no end marker; `None` for
/// any other file. `decoded_bytes`: length of the output of a decoder with `options`.
///
/// The file is decoded with two different endings into two differently filled buffers. The first rows that differ
/// depend on missing blocks or were not written.
pub(super) fn whole(file: &[u8], options: DecoderOptions, decoded_bytes: usize) -> Option<usize> {
    let frame = frame(file)?;
    let file = &file[..file.len().saturating_sub(READ_AHEAD)];
    let decode = |filler: u8| {
        let mut bytes = file.to_vec();
        bytes.resize(file.len() + FILLER_BYTES, filler);
        bytes.extend_from_slice(&END);
        // The buffers differ too, because the decoder writes nothing after an error.
        let mut samples = vec![filler; decoded_bytes];
        let _ = JpegDecoder::new_with_options(ZCursor::new(&bytes), options).decode_into(&mut samples);
        samples
    };
    // Neither value can begin a marker.
    let (first, second) = (decode(0x55), decode(0xaa));
    let stride = decoded_bytes / frame.height.max(1);
    let differs =
        first.chunks_exact(stride.max(1)).zip(second.chunks_exact(stride.max(1))).position(|(a, b)| a != b)?;
    let hidden_rows = if frame.block_rows > 8 { UPSAMPLING_ROWS } else { 0 };
    let blocks = (differs + hidden_rows) / frame.block_rows * frame.block_rows;
    Some(blocks.saturating_sub(hidden_rows))
}

struct Frame {
    height: usize,
    /// Number of rows of an MCU, which contains complete blocks of every channel.
    block_rows: usize,
}

/// The frame of a file with one baseline scan and no end marker; `None` for any other file.
fn frame(file: &[u8]) -> Option<Frame> {
    // This is true for almost all files.
    if file.ends_with(&END) {
        return None;
    }
    let mut found = None;
    for Segment { marker, body, rest } in segments(file) {
        match marker {
            // Baseline and extended sequential frames with Huffman coding.
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
