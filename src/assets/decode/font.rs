//! Font files to plain TTF, OTF or TTC bytes that the text room can read without surprises.

use peniko::Blob;
use skrifa::raw::{FileRef, TableProvider};
use skrifa::{FontRef, MetadataProvider};

use super::{DecodeError, check_bytes, printable};
use crate::config::AssetLimits;

/// What a compressed font may unpack to: four times the largest CJK faces in use.
const MAX_FONT_BYTES: usize = 64 << 20;

/// Sniffs TTF, OTF, TTC, WOFF and WOFF2 by their bytes and unpacks the last two; CFF outlines are kept as they are.
///
/// Every face has `head`, `hhea`, `hmtx`, `maxp`, `cmap` and outlines or bitmaps that can be read.
pub fn unpack_font(bytes: &[u8], limits: &AssetLimits) -> Result<Blob<u8>, DecodeError> {
    check_bytes(bytes, limits)?;
    let broken = |error: wuff::WuffErr| DecodeError::BrokenFont { reason: format!("it does not unpack ({error:?})") };
    let unpacked = match bytes.get(..4).unwrap_or_default() {
        b"\0\x01\0\0" | b"OTTO" | b"true" | b"ttcf" => bytes.to_vec(),
        b"wOFF" => {
            check_woff_size(bytes)?;
            wuff::decompress_woff1(bytes).map_err(broken)?
        }
        // Browsers load no collections either; their shared tables multiply on unpacking.
        b"wOF2" if bytes.get(4..8) == Some(b"ttcf") => {
            return Err(DecodeError::BrokenFont { reason: "WOFF2 collections are not supported; use one face".into() });
        }
        // wuff itself stops at a ratio of 100 and at 128 MiB.
        b"wOF2" => wuff::decompress_woff2(bytes).map_err(broken)?,
        _ => return Err(DecodeError::UnknownFont { magic: printable(bytes) }),
    };
    if unpacked.len() > MAX_FONT_BYTES {
        return Err(DecodeError::FontTooLarge { limit: MAX_FONT_BYTES });
    }
    check_font(&unpacked)?;
    Ok(Blob::from(unpacked))
}

/// The sizes that a WOFF 1.0 table directory promises, before any is allocated (W3C WOFF §5).
fn check_woff_size(bytes: &[u8]) -> Result<(), DecodeError> {
    let tables = bytes.get(12..14).map_or(0, |it| usize::from(u16::from_be_bytes([it[0], it[1]])));
    let promised: u64 = bytes
        .get(44..)
        .unwrap_or_default()
        .chunks_exact(20)
        .take(tables)
        .map(|entry| u64::from(u32::from_be_bytes([entry[12], entry[13], entry[14], entry[15]])))
        .sum();
    if promised > MAX_FONT_BYTES as u64 { Err(DecodeError::FontTooLarge { limit: MAX_FONT_BYTES }) } else { Ok(()) }
}

fn check_font(bytes: &[u8]) -> Result<(), DecodeError> {
    let broken = |reason: String| DecodeError::BrokenFont { reason };
    let fonts: Vec<_> = match FileRef::new(bytes).map_err(|error| broken(error.to_string()))? {
        FileRef::Font(font) => vec![Ok(font)],
        FileRef::Collection(collection) => collection.iter().collect(),
    };
    if fonts.is_empty() {
        return Err(broken("the collection is empty".into()));
    }
    fonts.into_iter().try_for_each(|font| {
        let font = font.map_err(|error| broken(error.to_string()))?;
        check_face(&font).map_err(|error| broken(error.to_string()))
    })
}

fn check_face(font: &FontRef<'_>) -> Result<(), skrifa::raw::ReadError> {
    font.head()?;
    font.hhea()?;
    font.hmtx()?;
    font.maxp()?;
    font.cmap()?;
    // Reads names, axes and metrics once, as layout will.
    let _ = (font.axes().len(), font.charmap().mappings().next());
    Ok(())
}
