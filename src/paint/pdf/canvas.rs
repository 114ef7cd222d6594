//! One content stream while it is written.
//!
//! Coordinates are those of the page in design px, whatever group something stands in: transforms are applied to points
//! here rather than written, so that rounding is the same everywhere and a page without clips has no nesting at all.

use kurbo::{Affine, Rect};
use pdf_writer::types::TextRenderingMode;
use pdf_writer::{Content, Name};
use peniko::Color;

use super::color::{ColorUse, Pen};
use super::resources::{Kind, Resources, StateKey};
use super::{Link, Painter, PdfError};
use crate::report::{Origin, Warning, WarningCode};
use crate::scene::Node;

/// Coordinates are rounded to 1/250 of a design px: at 72 dpi far below the dots of any printer.
const STEPS: f64 = 250.0;

/// A content stream and what is true where its end is now.
pub(super) struct Canvas<'a> {
    pub(super) painter: &'a mut Painter,
    pub(super) content: Content,
    pub(super) resources: Resources,
    /// What can be seen, in page px.
    pub(super) view: Rect,
    pub(super) warnings: Vec<Warning>,
    pub(super) links: Vec<Link>,
    /// Groups around what is being painted.
    pub(super) depth: usize,
    pub(super) abandoned: &'a dyn Fn() -> bool,
    /// The element that is being painted.
    pub(super) origin: Option<Origin>,
    /// What the stream has set; saved and restored with the stream's own state.
    set: Set,
    saved: Vec<Set>,
}

/// Colours and opacity that need no setting again.
#[derive(Clone, Debug, Default, PartialEq)]
struct Set {
    fill: Option<([f32; 3], ColorUse)>,
    stroke: Option<([f32; 3], ColorUse)>,
    opacity: Option<StateKey>,
    font: Option<(String, f32)>,
    text_mode: Option<TextRenderingMode>,
}

/// A stream that is complete.
pub(super) struct Finished {
    pub(super) content: Vec<u8>,
    pub(super) resources: Resources,
    pub(super) warnings: Vec<Warning>,
    pub(super) links: Vec<Link>,
}

impl<'a> Canvas<'a> {
    pub(super) fn new(painter: &'a mut Painter, view: Rect, abandoned: &'a dyn Fn() -> bool) -> Self {
        Self {
            painter,
            content: Content::new(),
            resources: Resources::default(),
            view,
            warnings: Vec::new(),
            links: Vec::new(),
            depth: 0,
            abandoned,
            origin: None,
            set: Set::default(),
            saved: Vec::new(),
        }
    }

    pub(super) fn finish(self) -> Finished {
        debug_assert!(self.saved.is_empty(), "every save has its restore");
        let Self { content, resources, warnings, links, .. } = self;
        Finished { content: content.finish().into_vec(), resources, warnings, links }
    }

    /// A stream of its own, for what is drawn here as one object.
    pub(super) fn inner(&mut self) -> Canvas<'_> {
        let (origin, depth) = (self.origin.clone(), self.depth);
        Canvas { origin, depth, ..Canvas::new(self.painter, self.view, self.abandoned) }
    }

    /// Paints `node`; `transform` leads from its coordinates to the page's.
    pub(super) fn node(&mut self, node: &Node, transform: Affine) -> Result<(), PdfError> {
        if (self.abandoned)() {
            return Err(PdfError::Abandoned);
        }
        match node {
            Node::Group(group) => self.group(group, transform),
            Node::Path(path) => self.path(path, transform),
            Node::Glyphs(run) => self.glyphs(run, transform),
            Node::Image(image) => self.image(image, transform),
        }
    }

    pub(super) fn save(&mut self) {
        self.content.save_state();
        self.saved.push(self.set.clone());
    }

    pub(super) fn restore(&mut self) {
        self.content.restore_state();
        self.set = self.saved.pop().expect("restored once for each save");
    }

    /// Sets colour and opacity, where they are not set already.
    pub(super) fn set_color(&mut self, color: Color, pen: Pen, purpose: ColorUse) -> Result<(), PdfError> {
        let [r, g, b, alpha] = color.components;
        self.set_opacity(alpha)?;
        let wanted = Some(([r, g, b], purpose));
        let set = match pen {
            Pen::Fill => &mut self.set.fill,
            Pen::Stroke => &mut self.set.stroke,
        };
        if *set != wanted {
            *set = wanted;
            self.painter.settings.colors.set(&mut self.content, color, pen, purpose);
        }
        Ok(())
    }

    /// `alpha`: `0.0..=1.0`.
    pub(super) fn set_opacity(&mut self, alpha: f32) -> Result<(), PdfError> {
        let wanted = StateKey::opacity(alpha);
        let is_set = self.set.opacity == Some(wanted) || self.set.opacity.is_none() && wanted == StateKey::OPAQUE;
        if !is_set {
            self.set.opacity = Some(wanted);
            let state = self.painter.state(wanted)?;
            let name = self.resources.name(Kind::State, state);
            self.content.set_parameters(Name(name.as_bytes()));
        }
        Ok(())
    }

    /// `name`: as `resources` has it; `size` in page px.
    pub(super) fn set_font(&mut self, name: &str, size: f32) {
        if self.set.font.as_ref().is_none_or(|set| set.0 != name || set.1 != size) {
            self.set.font = Some((name.to_owned(), size));
            self.content.set_font(Name(name.as_bytes()), size);
        }
    }

    pub(super) fn set_text_mode(&mut self, mode: TextRenderingMode) {
        if self.set.text_mode.unwrap_or(TextRenderingMode::Fill) != mode {
            self.set.text_mode = Some(mode);
            self.content.set_text_rendering_mode(mode);
        }
    }

    /// Tells that the element that is being painted was left out.
    pub(super) fn skip(&mut self, why: &str) {
        self.warn(WarningCode::ShapeSkipped, &format!("left out: {why}"));
    }

    pub(super) fn warn(&mut self, code: WarningCode, message: &str) {
        let nowhere = Origin { path: Default::default(), element: "".into() };
        self.warnings.push(self.origin.as_ref().unwrap_or(&nowhere).warn(code, message));
    }
}

/// A coordinate as it is written.
pub(super) fn px(value: f64) -> f32 {
    snapped(value) as f32
}

/// The same, for sums.
pub(super) fn snapped(value: f64) -> f64 {
    (value * STEPS).round() / STEPS
}

/// A matrix as it is written: its factors exact enough for `reach` units, its translation as coordinates.
pub(super) fn matrix(transform: Affine) -> [f32; 6] {
    let [a, b, c, d, e, f] = transform.as_coeffs();
    // Six decimals on factors: half a px in a million.
    let factor = |value: f64| ((value * 1e6).round() / 1e6) as f32;
    [factor(a), factor(b), factor(c), factor(d), px(e), px(f)]
}
