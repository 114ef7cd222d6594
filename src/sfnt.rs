//! Font containers: WOFF and WOFF2 unpacked to plain sfnt bytes that text layout can read without surprises.
//!
//! In: sniffing, size limits, unpacking, a first look at the tables. Not in: families and styles (`text`), where the
//! bytes came from (`assets`). Imports nothing of ours.

use skrifa::raw::{FileRef, TableProvider};
use skrifa::{FontRef, MetadataProvider, Tag};

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
/// Every face has the tables that browsers require (`cmap` `head` `hhea` `hmtx` `maxp` `name` `OS/2` `post`), all tables lie
/// within the file, and at least one character maps to a glyph. Browsers refuse other files and draw in their serif font.
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
        check_face(&font).map_err(|error| broken(error.to_string()))?;
        missing_table(&font).map_or(Ok(()), |reason| Err(broken(reason)))
    })
}

/// Tables without which the OpenType sanitiser of browsers refuses a file.
const REQUIRED: [&[u8; 4]; 8] = [b"cmap", b"head", b"hhea", b"hmtx", b"maxp", b"name", b"OS/2", b"post"];

/// What is missing or cut off in a face, in words; `None` when all is there.
fn missing_table(font: &FontRef<'_>) -> Option<String> {
    let data = |tag: Tag| font.table_data(tag);
    if let Some(tag) = REQUIRED.into_iter().find(|tag| data(Tag::new(tag)).is_none()) {
        return Some(format!("it has no {} table", tag.escape_ascii()));
    }
    let cut_off = font.table_directory().table_records().iter().find(|record| data(record.tag()).is_none());
    if let Some(record) = cut_off {
        return Some(format!("its {} table lies beyond the end of the file", record.tag()));
    }
    font.charmap().mappings().next().is_none().then(|| "its cmap table maps no Unicode character".to_owned())
}

fn check_face(font: &FontRef<'_>) -> Result<(), skrifa::raw::ReadError> {
    font.head()?;
    font.hhea()?;
    font.hmtx()?;
    font.maxp()?;
    font.cmap()?;
    // Reads axes once, as layout will.
    let _ = font.axes().len();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROBOTO: &[u8] = include_bytes!("../assets/fonts/Roboto-Regular.ttf");

    /// Where the record of table `tag` stands in the directory of Roboto.
    fn record(tag: &[u8; 4]) -> usize {
        (12..).step_by(16).find(|at| ROBOTO[*at..*at + 4] == *tag).expect("Roboto has the table")
    }

    fn reason(bytes: &[u8]) -> String {
        unpack(bytes).expect_err("refused, as by browsers").to_string()
    }

    #[test]
    fn font_without_a_required_table_is_refused() {
        for tag in [b"name", b"OS/2", b"post"] {
            let mut bytes = ROBOTO.to_vec();
            bytes[record(tag)..record(tag) + 4].copy_from_slice(b"none");
            assert_eq!(reason(&bytes), format!("the font is damaged: it has no {} table", tag.escape_ascii()));
        }
    }

    #[test]
    fn font_cut_short_is_refused() {
        assert!(unpack(ROBOTO).is_ok());
        assert!(reason(&ROBOTO[..ROBOTO.len() / 2]).starts_with("the font is damaged: "));
    }

    #[test]
    fn font_without_unicode_characters_is_refused() {
        let mut bytes = ROBOTO.to_vec();
        let at = record(b"cmap") + 8;
        let cmap = u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize;
        let subtables = usize::from(u16::from_be_bytes([bytes[cmap + 2], bytes[cmap + 3]]));
        for nth in 0..subtables {
            // Platform 1 is the Macintosh, encoding 0 its Roman characters.
            bytes[cmap + 4 + 8 * nth..cmap + 8 + 8 * nth].copy_from_slice(&[0, 1, 0, 0]);
        }
        assert_eq!(reason(&bytes), "the font is damaged: its cmap table maps no Unicode character");
    }
}
