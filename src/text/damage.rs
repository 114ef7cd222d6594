//! Glyphs whose outlines cannot be drawn because their font is damaged.
//!
//! Painters meet such a glyph only when nothing is known any more about the element that shows it, so glyphs are tried
//! here first. Those that can be drawn are remembered, so that each is tried once per thread.

use std::cell::RefCell;
use std::collections::HashSet;

use skrifa::instance::{LocationRef, Size};
use skrifa::outline::{DrawSettings, OutlinePen};
use skrifa::raw::types::F2Dot14;
use skrifa::{FontRef, GlyphId, MetadataProvider as _};

use crate::scene::{GlyphRun, Node};

/// Maximum number of glyphs that a thread remembers: 2 MB. Then it forgets all.
const MAX_REMEMBERED: usize = 100_000;

thread_local! {
    /// Glyphs that can be drawn: id of the font's bytes, index of the face, glyph.
    static DRAWABLE: RefCell<HashSet<(u64, u32, u32)>> = RefCell::default();
}

/// A glyph that cannot be drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedGlyph {
    /// Index of the glyph in its font.
    pub glyph: u32,
    /// What is wrong with it.
    pub reason: String,
}

/// Removes the glyphs from `nodes` that cannot be drawn, and returns each of them once.
pub fn remove_damaged_glyphs(nodes: &mut [Node]) -> Vec<DamagedGlyph> {
    let mut damaged = Vec::new();
    let mut groups = vec![nodes];
    while let Some(nodes) = groups.pop() {
        for node in nodes {
            match node {
                Node::Glyphs(run) => check_run(run, &mut damaged),
                Node::Group(group) => {
                    groups.push(&mut group.children);
                    groups.extend(group.mask.as_mut().map(|mask| mask.children.as_mut_slice()));
                }
                Node::Path(_) | Node::Image(_) => {}
            }
        }
    }
    damaged
}

fn check_run(run: &mut GlyphRun, damaged: &mut Vec<DamagedGlyph>) {
    let key = |glyph: u32| (run.font.data.id(), run.font.index, glyph);
    let is_known = |glyph: u32| DRAWABLE.with_borrow(|known| known.contains(&key(glyph)));
    if run.glyphs.iter().all(|glyph| is_known(glyph.id)) {
        return;
    }
    // A file that is damaged as a whole is an error of the font.
    let Ok(font) = FontRef::from_index(run.font.data.data(), run.font.index) else { return };
    let coords: Vec<_> = run.coords.iter().map(|coord| F2Dot14::from_bits(*coord)).collect();
    let outlines = font.outline_glyphs();
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for glyph in run.glyphs.iter().map(|glyph| glyph.id).filter(|glyph| !is_known(*glyph)) {
        if good.contains(&glyph) || bad.contains(&glyph) {
            continue;
        }
        // Glyphs without an outline are blank, a bitmap, or layers.
        let settings = DrawSettings::unhinted(Size::unscaled(), LocationRef::new(&coords));
        let drawn = outlines.get(GlyphId::new(glyph)).map(|outline| outline.draw(settings, &mut NoOutline));
        match drawn {
            Some(Err(error)) => {
                bad.push(glyph);
                let found = DamagedGlyph { glyph, reason: error.to_string() };
                if !damaged.contains(&found) {
                    damaged.push(found);
                }
            }
            Some(Ok(_)) | None => good.push(glyph),
        }
    }
    DRAWABLE.with_borrow_mut(|known| {
        if known.len() + good.len() > MAX_REMEMBERED {
            known.clear();
        }
        known.extend(good.into_iter().map(key));
    });
    if !bad.is_empty() {
        run.glyphs.retain(|glyph| !bad.contains(&glyph.id));
    }
}

/// An outline that is not stored.
struct NoOutline;

impl OutlinePen for NoOutline {
    fn move_to(&mut self, _: f32, _: f32) {}
    fn line_to(&mut self, _: f32, _: f32) {}
    fn quad_to(&mut self, _: f32, _: f32, _: f32, _: f32) {}
    fn curve_to(&mut self, _: f32, _: f32, _: f32, _: f32, _: f32, _: f32) {}
    fn close(&mut self) {}
}
