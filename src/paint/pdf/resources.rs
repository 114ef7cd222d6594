//! Resource dictionaries of content streams, and graphics states.

use std::collections::{BTreeMap, HashMap};

use pdf_writer::types::BlendMode;
use pdf_writer::{Name, Ref};

use super::error::PdfError;
use super::objects::ObjectWriter;

/// The named resources of a content stream.
///
/// A name is a letter followed by the object number, so that an object has the same name in all streams of a file.
#[derive(Clone, Debug, Default)]
pub struct PageResources(BTreeMap<(ResourceKind, i32), String>);

/// Category of a resource: a dictionary inside the resource dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ResourceKind {
    State,
    Font,
    Shading,
    XObject,
}

impl PageResources {
    /// Returns the name of `object` and adds it to the dictionary.
    pub(super) fn name(&mut self, kind: ResourceKind, object: Ref) -> &str {
        let letter = match kind {
            ResourceKind::State => 'g',
            ResourceKind::Font => 'f',
            ResourceKind::Shading => 's',
            ResourceKind::XObject => 'x',
        };
        self.0.entry((kind, object.get())).or_insert_with(|| format!("{letter}{}", object.get()))
    }

    /// Writes the entries of a resource dictionary.
    pub fn write(&self, into: &mut pdf_writer::writers::Resources<'_>) {
        for kind in [ResourceKind::State, ResourceKind::Font, ResourceKind::Shading, ResourceKind::XObject] {
            let mut entries = self.0.range((kind, 0)..=(kind, i32::MAX)).peekable();
            if entries.peek().is_none() {
                continue;
            }
            let mut dictionary = match kind {
                ResourceKind::State => into.ext_g_states(),
                ResourceKind::Font => into.fonts(),
                ResourceKind::Shading => into.shadings(),
                ResourceKind::XObject => into.x_objects(),
            };
            for ((_, object), name) in entries {
                dictionary.pair(Name(name.as_bytes()), Ref::new(*object));
            }
        }
    }
}

/// The parameter that a graphics state object sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum StateKey {
    /// Opacity of fills and strokes, in thousandths.
    Opacity(u16),
    /// Blend mode with the backdrop.
    Blend(BlendMode),
}

impl StateKey {
    /// The initial opacity of every content stream.
    pub(super) const OPAQUE: Self = Self::Opacity(1000);

    /// The key of an opacity; `alpha`: `0.0..=1.0`.
    pub(super) fn opacity(alpha: f32) -> Self {
        Self::Opacity((alpha.clamp(0.0, 1.0) * 1000.0).round() as u16)
    }
}

/// Graphics states of one file, by the parameter they set.
#[derive(Default)]
pub(super) struct GraphicsStates(HashMap<StateKey, Ref>);

impl GraphicsStates {
    /// Returns the graphics state that sets `key`, and writes it on first use.
    pub(super) fn get_or_write(&mut self, key: StateKey, objects: &mut ObjectWriter) -> Result<Ref, PdfError> {
        if let Some(known) = self.0.get(&key) {
            return Ok(*known);
        }
        let id = objects.next_ref()?;
        let mut state = objects.chunk.ext_graphics(id);
        match key {
            StateKey::Opacity(thousandths) => {
                let alpha = f32::from(thousandths) / 1000.0;
                // Overlapping translucent glyphs add up, as on a canvas (rendering.md §3).
                state.non_stroking_alpha(alpha).stroking_alpha(alpha).text_knockout(false);
            }
            StateKey::Blend(mode) => drop(state.blend_mode(mode)),
        }
        drop(state);
        self.0.insert(key, id);
        Ok(id)
    }
}
