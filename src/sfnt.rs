//! Unpacks font containers (WOFF, WOFF2) to plain sfnt bytes and validates them.
//!
//! In: detecting the format, size limits, unpacking, validating tables. Not in: families and styles (`text`), where the
//! bytes came from (`assets`). Imports nothing of the crate.

mod charstrings;
mod complexity;

use skrifa::raw::{FileRef, TableProvider};
use skrifa::{FontRef, MetadataProvider, Tag};

pub use self::complexity::TooComplex;

/// Maximum unpacked size of a font in bytes: four times the largest CJK faces in use.
pub const MAX_UNPACKED_BYTES: usize = 64 << 20;

/// Reason why bytes are not a usable font.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SfntError {
    /// The format is not TTF, OTF, TTC, WOFF or WOFF2.
    #[error("the format of the font is unknown (it starts with {magic}); use TTF, OTF, WOFF or WOFF2")]
    Unknown {
        /// The first bytes in printable form.
        magic: String,
    },
    /// The font unpacks to more than [`MAX_UNPACKED_BYTES`].
    #[error("the font unpacks to more than {MAX_UNPACKED_BYTES} bytes")]
    TooLarge,
    /// A glyph of the font is too complex to be drawn.
    #[error("the font is too complex: {0}")]
    TooComplex(#[from] TooComplex),
    /// The font is damaged, or lacks tables that are needed for drawing.
    #[error("the font is damaged: {reason}")]
    Broken {
        /// Description of the defect.
        reason: String,
    },
}

/// Detects TTF, OTF, TTC, WOFF and WOFF2 by their bytes and unpacks the last two; CFF outlines are not converted.
///
/// Checks that every face has the tables that browsers require (`cmap` `head` `hhea` `hmtx` `maxp` `name` `OS/2`
/// `post`), that all tables lie within the file, and that at least one character maps to a glyph. Browsers refuse other
/// files and substitute their serif font.
pub fn unpack(bytes: &[u8]) -> Result<Vec<u8>, SfntError> {
    let broken = |error: wuff::WuffErr| SfntError::Broken { reason: format!("it does not unpack ({error:?})") };
    let unpacked = match bytes.get(..4).unwrap_or_default() {
        b"\0\x01\0\0" | b"OTTO" | b"true" | b"ttcf" => bytes.to_vec(),
        b"wOFF" => {
            check_woff_size(bytes)?;
            wuff::decompress_woff1(bytes).map_err(broken)?
        }
        // Browsers do not load collections either; their shared tables are duplicated on unpacking.
        b"wOF2" if bytes.get(4..8) == Some(b"ttcf") => {
            return Err(SfntError::Broken { reason: "WOFF2 collections are not supported; use one face".into() });
        }
        // wuff itself limits the ratio to 100 and the size to 128 MiB.
        b"wOF2" => wuff::decompress_woff2(bytes).map_err(broken)?,
        other => return Err(SfntError::Unknown { magic: other.escape_ascii().to_string() }),
    };
    if unpacked.len() > MAX_UNPACKED_BYTES {
        return Err(SfntError::TooLarge);
    }
    check_font(&unpacked)?;
    Ok(unpacked)
}

/// Checks the sizes in a WOFF 1.0 table directory before anything is allocated (W3C WOFF §5).
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
        missing_table(&font).map_or(Ok(()), |reason| Err(broken(reason)))?;
        Ok(complexity::check(&font)?)
    })
}

/// Tables that the OpenType sanitiser of browsers requires.
const REQUIRED: [&[u8; 4]; 8] = [b"cmap", b"head", b"hhea", b"hmtx", b"maxp", b"name", b"OS/2", b"post"];

/// Describes a missing or truncated table of a face; `None` when the face is complete.
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
    // Reads the axes once, like layout.
    let _ = font.axes().len();
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    pub(super) const ROBOTO: &[u8] = include_bytes!("../assets/fonts/Roboto-Regular.ttf");

    /// Offset of the record of table `tag` in the directory of Roboto.
    fn record(tag: &[u8; 4]) -> usize {
        (12..).step_by(16).find(|at| ROBOTO[*at..*at + 4] == *tag).expect("Roboto has the table")
    }

    /// Roboto with tables added or replaced.
    pub(super) fn with_tables(tables: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
        let font = FontRef::new(ROBOTO).expect("a font");
        let mut all: BTreeMap<[u8; 4], &[u8]> = BTreeMap::new();
        for record in font.table_directory().table_records() {
            let data = font.table_data(record.tag()).expect("a table");
            all.insert(record.tag().to_be_bytes(), data.as_bytes());
        }
        all.extend(tables.iter().map(|(tag, data)| (**tag, data.as_slice())));
        let mut bytes = [&ROBOTO[..4], &(all.len() as u16).to_be_bytes(), &[0; 6]].concat();
        let mut at = 12 + 16 * all.len();
        for (tag, data) in &all {
            bytes.extend(
                [tag.as_slice(), &[0; 4], &(at as u32).to_be_bytes(), &(data.len() as u32).to_be_bytes()].concat(),
            );
            at += data.len().next_multiple_of(4);
        }
        for data in all.values() {
            bytes.extend_from_slice(data);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
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
