//! What a content stream names, and the small objects behind those names.

use std::collections::BTreeMap;

use pdf_writer::types::BlendMode;
use pdf_writer::{Chunk, Name, Ref, Settings};

use super::{Painter, PdfError};

/// Objects on one line each: a page has thousands of bytes of them.
pub(super) fn new_chunk() -> Chunk {
    Chunk::with_settings(Settings { pretty: false })
}

/// What a content stream names. Names are the object's number behind a letter, so no two streams of a file differ.
#[derive(Clone, Debug, Default)]
pub struct Resources(BTreeMap<(Kind, i32), String>);

/// A dictionary inside the resource dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    State,
    Font,
    Shading,
    XObject,
}

impl Resources {
    /// The name of `object`, noted for the dictionary.
    pub(super) fn name(&mut self, kind: Kind, object: Ref) -> &str {
        let letter = match kind {
            Kind::State => 'g',
            Kind::Font => 'f',
            Kind::Shading => 's',
            Kind::XObject => 'x',
        };
        self.0.entry((kind, object.get())).or_insert_with(|| format!("{letter}{}", object.get()))
    }

    /// Writes the entries of a resource dictionary.
    pub fn write(&self, into: &mut pdf_writer::writers::Resources<'_>) {
        for kind in [Kind::State, Kind::Font, Kind::Shading, Kind::XObject] {
            let mut entries = self.0.range((kind, 0)..=(kind, i32::MAX)).peekable();
            if entries.peek().is_none() {
                continue;
            }
            let mut dictionary = match kind {
                Kind::State => into.ext_g_states(),
                Kind::Font => into.fonts(),
                Kind::Shading => into.shadings(),
                Kind::XObject => into.x_objects(),
            };
            for ((_, object), name) in entries {
                dictionary.pair(Name(name.as_bytes()), Ref::new(*object));
            }
        }
    }
}

/// What a graphics state sets. Opacities in 1/1000, so that equal ones are found again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum StateKey {
    /// Of fills and strokes alike.
    Opacity(u16),
    /// How colours meet what is below.
    Blend(BlendMode),
}

impl StateKey {
    /// What every stream starts with.
    pub(super) const OPAQUE: Self = Self::Opacity(1000);

    /// `alpha`: `0.0..=1.0`.
    pub(super) fn opacity(alpha: f32) -> Self {
        Self::Opacity((alpha.clamp(0.0, 1.0) * 1000.0).round() as u16)
    }
}

impl Painter {
    /// The graphics state that sets `key`, written when it is met first.
    pub(super) fn state(&mut self, key: StateKey) -> Result<Ref, PdfError> {
        if let Some(known) = self.states.get(&key) {
            return Ok(*known);
        }
        let id = self.next_ref()?;
        let mut state = self.chunk.ext_graphics(id);
        match key {
            StateKey::Opacity(thousandths) => {
                let alpha = f32::from(thousandths) / 1000.0;
                // Glyphs that overlap show through each other, as on a canvas (rendering.md §3).
                state.non_stroking_alpha(alpha).stroking_alpha(alpha).text_knockout(false);
            }
            StateKey::Blend(mode) => drop(state.blend_mode(mode)),
        }
        drop(state);
        self.states.insert(key, id);
        Ok(id)
    }
}
