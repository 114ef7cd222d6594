//! A document rewritten so that usvg can read it: style sheets resolved, references without cycles, within all limits.

use super::error::SvgError;
use super::font_face::FontFaceRule;
use super::source::{DEFAULT_SIZE, SizeAttributes};
use super::{budget, source, style};

/// Maximum number of rounds in which reference cycles are broken in copies of what `use` shows, before they are broken
/// in the originals.
const MAX_COPY_ROUNDS: usize = 4;

/// A document in the subset of SVG that usvg reads, within all limits.
pub(super) struct NormalizedSvg {
    pub(super) source: String,
    pub(super) sizing: SizeAttributes,
    pub(super) faces: Vec<FontFaceRule>,
    /// Sentences about dropped parts.
    pub(super) notes: Vec<String>,
}

impl NormalizedSvg {
    pub(super) fn new(bytes: &[u8]) -> Result<Self, SvgError> {
        let text = source::to_text(bytes);
        let document = source::parse(&text)?;
        budget::check_element_count(&document)?;
        let mut notes = Vec::new();
        if source::has_html(&document) {
            notes.push("HTML inside the SVG (foreignObject) is not drawn".to_owned());
        }
        let viewport = SizeAttributes::of(document.root_element()).within(DEFAULT_SIZE);
        let mut styles = style::resolve(&document, viewport)?;
        let faces = std::mem::take(&mut styles.faces);
        let source = source::write(&document, &mut |part| styles.replacement(part));
        let sizing = SizeAttributes::of(source::parse(&source)?.root_element());
        let (source, changes_drawing) = without_cycles(source)?;
        if changes_drawing {
            notes.push("a part of the SVG that refers to itself is not drawn there".to_owned());
        }
        Ok(Self { sizing, faces, notes, source })
    }
}

/// The document without circular references, and whether removing them changes what is drawn.
fn without_cycles(mut source: String) -> Result<(String, bool), SvgError> {
    let mut changes_drawing = false;
    for round in 0..=MAX_COPY_ROUNDS {
        let document = source::parse(&source)?;
        let dropped = budget::check(&document, round < MAX_COPY_ROUNDS)?;
        changes_drawing |= dropped.changes_drawing();
        if dropped.is_empty() {
            break;
        }
        let done = !dropped.has_copies();
        source = source::write(&document, &mut |part| dropped.replacement(part));
        if done {
            break;
        }
    }
    Ok((source, changes_drawing))
}
