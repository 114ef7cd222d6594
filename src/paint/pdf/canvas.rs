//! A content stream under construction.
//!
//! All coordinates are those of the page, in design px, inside groups too: transforms are applied to the points instead
//! of being written, so that rounding is the same everywhere and a page without clips needs no nesting.

use kurbo::Rect;
use pdf_writer::types::{MaskType, TextRenderingMode};
use pdf_writer::{Content, Name, Ref};
use peniko::Color;

use super::color::{ColorUse, PaintKind};
use super::context::FileContext;
use super::error::PdfError;
use super::resources::{PageResources, ResourceKind, StateKey};
use crate::report::{Origin, Warning, WarningCode};

/// A content stream and the state at its current end.
pub(super) struct Canvas<'a> {
    pub(super) file: &'a mut FileContext,
    pub(super) content: Content,
    pub(super) resources: PageResources,
    /// The visible area, in page px.
    pub(super) view: Rect,
    pub(super) warnings: Vec<Warning>,
    pub(super) links: Vec<LinkArea>,
    /// Number of groups around the current node.
    pub(super) depth: usize,
    pub(super) abandoned: &'a dyn Fn() -> bool,
    /// The design element that is being painted.
    pub(super) origin: Option<Origin>,
    /// Parameters that the stream has set.
    state: GraphicsState,
    /// States saved by `q` operators, restored by `Q`.
    state_stack: Vec<GraphicsState>,
}

/// The parameters of the graphics state at the end of the stream; `None` for initial values.
#[derive(Clone, Debug, Default, PartialEq)]
struct GraphicsState {
    fill: Option<([f32; 3], ColorUse)>,
    stroke: Option<([f32; 3], ColorUse)>,
    opacity: Option<StateKey>,
    font: Option<(String, f32)>,
    text_mode: Option<TextRenderingMode>,
}

/// A rectangle of a page that links to a URL.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkArea {
    /// Area in design px, y down, as the content.
    pub rect: Rect,
    /// Target of the link, as written in the design.
    pub url: String,
}

/// A completed content stream with the resources, warnings and links it collected.
pub(super) struct FinishedContent {
    pub(super) content: Vec<u8>,
    pub(super) resources: PageResources,
    pub(super) warnings: Vec<Warning>,
    pub(super) links: Vec<LinkArea>,
}

impl<'a> Canvas<'a> {
    pub(super) fn new(file: &'a mut FileContext, view: Rect, abandoned: &'a dyn Fn() -> bool) -> Self {
        Self {
            file,
            content: Content::new(),
            resources: PageResources::default(),
            view,
            warnings: Vec::new(),
            links: Vec::new(),
            depth: 0,
            abandoned,
            origin: None,
            state: GraphicsState::default(),
            state_stack: Vec::new(),
        }
    }

    pub(super) fn finish(self) -> FinishedContent {
        debug_assert!(self.state_stack.is_empty(), "every save has its restore");
        let Self { content, resources, warnings, links, .. } = self;
        FinishedContent { content: content.finish().into_vec(), resources, warnings, links }
    }

    /// A canvas for a separate content stream, which this one draws as one object.
    pub(super) fn nested(&mut self) -> Canvas<'_> {
        let (origin, depth) = (self.origin.clone(), self.depth);
        Canvas { origin, depth, ..Canvas::new(self.file, self.view, self.abandoned) }
    }

    pub(super) fn save(&mut self) {
        self.content.save_state();
        self.state_stack.push(self.state.clone());
    }

    pub(super) fn restore(&mut self) {
        self.content.restore_state();
        self.state = self.state_stack.pop().expect("restored once for each save");
    }

    /// Sets colour and opacity unless the graphics state has them already.
    pub(super) fn set_color(&mut self, color: Color, kind: PaintKind, purpose: ColorUse) -> Result<(), PdfError> {
        let [r, g, b, alpha] = color.components;
        self.set_opacity(alpha)?;
        let new = Some(([r, g, b], purpose));
        let current = match kind {
            PaintKind::Fill => &mut self.state.fill,
            PaintKind::Stroke => &mut self.state.stroke,
        };
        if *current != new {
            *current = new;
            self.file.objects.settings.colors.set(&mut self.content, color, kind, purpose);
        }
        Ok(())
    }

    /// Sets the opacity of fills and strokes; `alpha`: `0.0..=1.0`.
    pub(super) fn set_opacity(&mut self, alpha: f32) -> Result<(), PdfError> {
        let new = StateKey::opacity(alpha);
        let is_set = self.state.opacity == Some(new) || self.state.opacity.is_none() && new == StateKey::OPAQUE;
        if !is_set {
            self.state.opacity = Some(new);
            let state = self.file.states.get_or_write(new, &mut self.file.objects)?;
            let name = self.resources.name(ResourceKind::State, state);
            self.content.set_parameters(Name(name.as_bytes()));
        }
        Ok(())
    }

    /// Sets the font. `name`: its name in `resources`; `size`: in page px.
    pub(super) fn set_font(&mut self, name: &str, size: f32) {
        if self.state.font.as_ref().is_none_or(|current| current.0 != name || current.1 != size) {
            self.state.font = Some((name.to_owned(), size));
            self.content.set_font(Name(name.as_bytes()), size);
        }
    }

    pub(super) fn set_text_mode(&mut self, mode: TextRenderingMode) {
        if self.state.text_mode.unwrap_or(TextRenderingMode::Fill) != mode {
            self.state.text_mode = Some(mode);
            self.content.set_text_rendering_mode(mode);
        }
    }

    /// Draws a form XObject.
    pub(super) fn draw_form(&mut self, form: Ref) {
        let name = self.resources.name(ResourceKind::XObject, form);
        self.content.x_object(Name(name.as_bytes()));
    }

    /// Sets `form` as the soft mask of the following operators, by its alpha or its luminosity.
    pub(super) fn set_soft_mask(&mut self, form: Ref, by: MaskType) -> Result<(), PdfError> {
        let id = self.file.objects.next_ref()?;
        let mut state = self.file.objects.chunk.ext_graphics(id);
        state.soft_mask().subtype(by).group(form);
        drop(state);
        let name = self.resources.name(ResourceKind::State, id);
        self.content.set_parameters(Name(name.as_bytes()));
        Ok(())
    }

    /// Warns that the current element was left out.
    pub(super) fn skip(&mut self, reason: &str) {
        self.warn(WarningCode::ShapeSkipped, &format!("left out: {reason}"));
    }

    pub(super) fn warn(&mut self, code: WarningCode, message: &str) {
        let nowhere = Origin { path: Default::default(), element: "".into() };
        self.warnings.push(self.origin.as_ref().unwrap_or(&nowhere).warn(code, message));
    }
}
