//! The number of bytes that drawing a CFF glyph executes.
//!
//! A charstring calls subroutines, which call others ten levels deep, so that a few kilobytes can describe a glyph that
//! takes hours to draw. Each glyph is therefore evaluated once, without an outline, until it exceeds a limit.

use std::cell::Cell;

use skrifa::GlyphId;
use skrifa::raw::ps::cff::blend::BlendState;
use skrifa::raw::ps::cff::index::Index;
use skrifa::raw::ps::cff::{CffFontRef, Subfont};
use skrifa::raw::ps::cs::{CharstringContext, CharstringKind, CommandSink, evaluate};
use skrifa::raw::ps::error::Error;
use skrifa::raw::types::Fixed;

use super::complexity::TooComplex;

/// Maximum number of bytes that one glyph executes. A glyph with the maximum number of points takes about half of it.
const MAX_GLYPH_BYTES: u32 = 1 << 20;
/// Maximum number of bytes that all glyphs of a font execute: about two seconds. The largest CJK fonts take a tenth.
const MAX_FONT_BYTES: u32 = 512 << 20;

/// Checks every glyph of a `CFF` or `CFF2` table. Damaged charstrings count as far as they can be read, because they
/// are not drawn.
pub(super) fn check(table: &[u8]) -> Result<(), TooComplex> {
    let Ok(font) = CffFontRef::new(table, 0, None) else { return Ok(()) };
    let mut total = 0;
    for glyph in 0..font.num_glyphs() {
        let bytes = executed(&font, GlyphId::new(glyph)).unwrap_or(0);
        if bytes > MAX_GLYPH_BYTES {
            return Err(TooComplex::new(glyph, MAX_GLYPH_BYTES, "bytes of charstrings"));
        }
        total += bytes;
        if total > MAX_FONT_BYTES {
            return Err(TooComplex::new(
                glyph,
                MAX_FONT_BYTES,
                "bytes of charstrings, with those of glyphs before it,",
            ));
        }
    }
    Ok(())
}

/// Bytes that `glyph` executes; more than [`MAX_GLYPH_BYTES`] stands for any larger number.
fn executed(font: &CffFontRef<'_>, glyph: GlyphId) -> Result<u32, Error> {
    let charstring = font.charstrings().get(glyph.to_u32() as usize)?;
    let subfont = font.subfont(font.subfont_index(glyph).unwrap_or(0), &[])?;
    let subroutines = subroutines(font, &subfont)?;
    let context = Counted {
        global: font.global_subrs(),
        local: &subroutines,
        bytes: Cell::new(u32::try_from(charstring.len()).unwrap_or(u32::MAX)),
    };
    let blend = font.var_store().and_then(|store| BlendState::new(store.clone(), &[], subfont.vs_index()).ok());
    // The outcome does not matter: an error ends the drawing of the glyph at the same place.
    let _ = evaluate(&context, blend, charstring, &mut Nothing);
    Ok(context.bytes.get())
}

fn subroutines<'a>(font: &CffFontRef<'a>, subfont: &Subfont) -> Result<Index<'a>, Error> {
    let data = font.data().get(subfont.subrs_offset() as usize..).filter(|_| subfont.subrs_offset() != 0);
    data.map_or(Ok(Index::Empty), |data| Index::new(data, font.version() == 2))
}

/// Subroutines whose bytes are counted when they are called.
struct Counted<'a> {
    global: &'a Index<'a>,
    local: &'a Index<'a>,
    bytes: Cell<u32>,
}

impl Counted<'_> {
    fn called<'i>(&self, index: &Index<'i>, number: i32) -> Result<&'i [u8], Error> {
        let number = usize::try_from(number + index.subr_bias()).map_err(|_| Error::MissingSubroutines)?;
        let subroutine = index.get(number)?;
        // A call takes time too.
        let bytes = u32::try_from(subroutine.len()).unwrap_or(u32::MAX).saturating_add(1);
        self.bytes.set(self.bytes.get().saturating_add(bytes));
        if self.bytes.get() > MAX_GLYPH_BYTES { Err(Error::MissingSubroutines) } else { Ok(subroutine) }
    }
}

impl CharstringContext for Counted<'_> {
    fn kind(&self) -> CharstringKind {
        CharstringKind::Type2
    }

    /// Accented characters made of two glyphs, each of which is counted by itself.
    fn seac_components(&self, base_code: i32, _: i32) -> Result<[&[u8]; 2], Error> {
        Err(Error::InvalidSeacCode(base_code))
    }

    fn global_subr(&self, index: i32) -> Result<&[u8], Error> {
        self.called(self.global, index)
    }

    fn subr(&self, index: i32) -> Result<&[u8], Error> {
        self.called(self.local, index)
    }
}

/// An outline that is not stored.
struct Nothing;

impl CommandSink for Nothing {
    fn move_to(&mut self, _: Fixed, _: Fixed) {}
    fn line_to(&mut self, _: Fixed, _: Fixed) {}
    fn curve_to(&mut self, _: Fixed, _: Fixed, _: Fixed, _: Fixed, _: Fixed, _: Fixed) {}
    fn close(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An INDEX of CFF with offsets of four bytes.
    fn index(items: &[Vec<u8>]) -> Vec<u8> {
        let mut out = (items.len() as u16).to_be_bytes().to_vec();
        if items.is_empty() {
            return out;
        }
        out.push(4);
        let mut offset = 1_u32;
        out.extend(offset.to_be_bytes());
        for item in items {
            offset += item.len() as u32;
            out.extend(offset.to_be_bytes());
        }
        out.extend(items.concat());
        out
    }

    /// An operand of five bytes of a DICT.
    fn operand(number: u32) -> Vec<u8> {
        [&[29][..], &number.to_be_bytes()].concat()
    }

    /// A CFF table of one glyph that calls global subroutine 0, which calls the next one `calls` times, and so on.
    fn nested(levels: usize, calls: usize) -> Vec<u8> {
        // Numbers are stored with a bias of 107; one byte holds -107 to 107.
        let call = |number: usize| vec![(number as i32 - 107 + 139) as u8, 29];
        let level = |at: usize| match at + 1 < levels {
            true => [call(at + 1).repeat(calls), vec![11]].concat(),
            false => vec![11],
        };
        let subroutines = index(&(0..levels).map(level).collect::<Vec<_>>());
        let charstrings = index(&[[call(0), vec![14]].concat()]);
        let before = [vec![1, 0, 4, 4], index(&[b"A".to_vec()])].concat();
        // CharStrings and Private, whose offsets have a fixed size.
        let top = |strings: u32, private: u32| {
            index(&[[operand(strings), vec![17], operand(0), operand(private), vec![18]].concat()])
        };
        let start = before.len() + top(0, 0).len() + index(&[]).len() + subroutines.len();
        let (strings, private) = (start as u32, (start + charstrings.len()) as u32);
        [before, top(strings, private), index(&[]), subroutines, charstrings].concat()
    }

    #[test]
    fn bytes_of_subroutines_count_as_often_as_they_are_called() {
        let bytes = |levels, calls| {
            let table = nested(levels, calls);
            executed(&CffFontRef::new(&table, 0, None).expect("a font"), GlyphId::new(0)).expect("a glyph")
        };
        // The glyph has 3 bytes, a subroutine of n calls 2 n + 1, and each call counts one more.
        assert_eq!(bytes(1, 0), 3 + 2);
        assert_eq!(bytes(2, 5), 3 + (11 + 1) + 5 * 2);
        assert_eq!(bytes(3, 5), 3 + 12 + 5 * 12 + 25 * 2);
    }

    #[test]
    fn subroutine_bombs_are_refused_at_once() {
        assert_eq!(check(&nested(4, 40)), Ok(()));
        let refused = TooComplex::new(0, MAX_GLYPH_BYTES, "bytes of charstrings");
        assert_eq!(check(&nested(9, 60)), Err(refused));
    }
}
