//! Font containers: WOFF and WOFF2 unpacked to plain sfnt bytes that text layout can read without surprises.
//!
//! In: sniffing, size limits, unpacking, a first look at the tables. Not in: families and styles (`text`), where the
//! bytes came from (`assets`). Imports nothing of ours.

use skrifa::raw::{FileRef, TableProvider};
use skrifa::{FontRef, MetadataProvider};

/// What a compressed font may unpack to, in bytes: four times the largest CJK faces in use.
pub const MAX_UNPACKED_BYTES: usize = 64 << 20;

/// Why bytes are not a font we can use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SfntError {
    /// Not TTF, OTF, TTC, WOFF or WOFF2.
    #[error("not a font we read (starts with {magic}); use TTF, OTF, WOFF or WOFF2")]
    Unknown {
        /// The first bytes, printable.
        magic: String,
    },
    /// More than [`MAX_UNPACKED_BYTES`].
    #[error("the font unpacks to more than {MAX_UNPACKED_BYTES} bytes")]
    TooLarge,
    /// Damaged, or without the tables that drawing needs.
    #[error("the font is damaged: {reason}")]
    Broken {
        /// What is wrong.
        reason: String,
    },
}

/// Sniffs TTF, OTF, TTC, WOFF and WOFF2 by their bytes and unpacks the last two; CFF outlines are kept as they are.
///
/// Every face has `head`, `hhea`, `hmtx`, `maxp`, `cmap` that can be read.
pub fn unpack(bytes: &[u8]) -> Result<Vec<u8>, SfntError> {
    let broken = |error: wuff::WuffErr| SfntError::Broken { reason: format!("it does not unpack ({error:?})") };
    let unpacked = match bytes.get(..4).unwrap_or_default() {
        b"\0\x01\0\0" | b"OTTO" | b"true" | b"ttcf" => bytes.to_vec(),
        b"wOFF" => {
            check_woff_size(bytes)?;
            wuff::decompress_woff1(bytes).map_err(broken)?
        }
        // Browsers load no collections either; their shared tables multiply on unpacking.
        b"wOF2" if bytes.get(4..8) == Some(b"ttcf") => {
            return Err(SfntError::Broken { reason: "WOFF2 collections are not supported; use one face".into() });
        }
        // wuff itself stops at a ratio of 100 and at 128 MiB.
        b"wOF2" => wuff::decompress_woff2(bytes).map_err(broken)?,
        other => return Err(SfntError::Unknown { magic: other.escape_ascii().to_string() }),
    };
    if unpacked.len() > MAX_UNPACKED_BYTES {
        return Err(SfntError::TooLarge);
    }
    check_font(&unpacked)?;
    Ok(unpacked)
}

/// The sizes that a WOFF 1.0 table directory promises, before any is allocated (W3C WOFF §5).
fn check_woff_size(bytes: &[u8]) -> Result<(), SfntError> {
    let tables = bytes.get(12..14).map_or(0, |it| usize::from(u16::from_be_bytes([it[0], it[1]])));
    let promised: u64 = bytes
        .get(44..)
        .unwrap_or_default()
        .chunks_exact(20)
        .take(tables)
        .map(|entry| u64::from(u32::from_be_bytes([entry[12], entry[13], entry[14], entry[15]])))
        .sum();
    if promised > MAX_UNPACKED_BYTES as u64 { Err(SfntError::TooLarge) } else { Ok(()) }
}

fn check_font(bytes: &[u8]) -> Result<(), SfntError> {
    let broken = |reason: String| SfntError::Broken { reason };
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
