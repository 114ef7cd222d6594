//! Shaping of one paragraph: clusters in logical order with their glyphs, at the sizes of the styles.
//!
//! The face of every grapheme is chosen here (the family, then fallbacks; colour emoji first where the text asks for
//! them). parley itemises by script and direction, and shapes.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use icu_segmenter::GraphemeClusterSegmenter;
use kurbo::{Affine, Rect, Shape as _, Vec2};
use parley::fontique::{Collection, CollectionOptions, FontInfoOverride, SourceCache};
use parley::setting::Tag;
use parley::style::{FontFamily, FontFeatures, FontVariations};
use parley::{FontContext, FontFeature, FontVariation, Layout, LayoutContext, StyleProperty};
use peniko::FontData;
use unicode_bidi::{BidiClass, BidiInfo, Level, bidi_class};

use super::blocks::{Span, SpanStyle};
use super::emoji;
use super::faces::{self, Face};
use super::families::FontSet;
use super::graphemes;
use super::synthetic::{SKEW, boldness};

/// A shaped paragraph: the text between two forced line breaks.
#[derive(Clone, Debug)]
pub(super) struct Paragraph {
    pub text: String,
    /// Style of each span.
    pub styles: Vec<Arc<SpanStyle>>,
    /// Line metrics of each span.
    pub metrics: Vec<LineMetrics>,
    /// Line metrics of each span's background; `None` without one.
    pub highlights: Vec<Option<LineMetrics>>,
    /// Clusters in logical order.
    pub clusters: Vec<Cluster>,
    pub runs: Vec<Run>,
    pub glyphs: Vec<ShapedGlyph>,
    /// Bidi level of each byte of `text`.
    pub levels: Vec<Level>,
    /// The base direction is right to left.
    pub rtl: bool,
    /// Advances are taken at the font size itself, as on curves, not at [`super::blocks::advance_size`].
    pub exact: bool,
}

/// One grapheme with its glyphs.
#[derive(Clone, Debug)]
pub(super) struct Cluster {
    /// Bytes of the paragraph's text.
    pub range: Range<usize>,
    /// Advance without letter spacing, px.
    pub advance: f64,
    /// Range in `Paragraph::glyphs`, in visual order.
    pub glyphs: Range<usize>,
    /// Index of the run in `Paragraph::runs`.
    pub run: usize,
    /// Index of the style in `Paragraph::styles`.
    pub span: usize,
    pub kind: ClusterKind,
    /// A letter of a cursive script before another one, without letter spacing between them.
    pub joined: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClusterKind {
    Text,
    Space,
    Tab,
    SoftHyphen,
    ZeroWidthSpace,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct ShapedGlyph {
    pub id: u32,
    /// Offset from the cluster's left edge on the baseline, px, y down.
    pub offset: Vec2,
    pub advance: f64,
}

impl Paragraph {
    /// Factor of the span's advances where the whole text is drawn `factor` times as large.
    pub(super) fn advance_factor(&self, span: usize, factor: f64) -> f64 {
        let style = &self.styles[span];
        if self.exact { style.drawn_factor(factor) } else { style.advance_factor(factor) }
    }

    /// Letter spacing after `cluster`, px, where its font is drawn `factor` times as large.
    pub(super) fn letter_spacing(&self, cluster: &Cluster, factor: f64) -> f64 {
        let style = &self.styles[cluster.span];
        match (cluster.joined, style.spacing_in_px) {
            (true, _) => 0.0,
            (false, true) => style.letter_spacing,
            (false, false) => style.letter_spacing * factor,
        }
    }

    /// Advance of `cluster` without kerning, px, as at the end of a line.
    pub(super) fn advance_at_end(&self, cluster: &Cluster) -> f64 {
        let (run, size) = (&self.runs[cluster.run], self.styles[cluster.span].font_size);
        let advance =
            |glyph: &ShapedGlyph| faces::advance(&run.font, &run.coords, glyph.id, size).unwrap_or(glyph.advance);
        self.glyphs[cluster.glyphs.clone()].iter().map(advance).sum()
    }

    /// Ink bounds of the first glyph in whole px, as a browser measures them, where its font is drawn `factor` times as
    /// large: relative to its origin, y down. `None` where it has no outline.
    pub(super) fn ink(&self, factor: f64) -> Option<Rect> {
        let cluster = self.clusters.first()?;
        let (run, size) = (&self.runs[cluster.run], self.styles[cluster.span].font_size * factor);
        let glyph = self.glyphs.get(cluster.glyphs.start)?;
        let mut outline = faces::outline(&run.font, &run.coords, glyph.id, size, !run.slant)?;
        if run.slant {
            outline.apply_affine(Affine::new([1.0, 0.0, -SKEW, 1.0, 0.0, 0.0]));
        }
        let bolder = if run.embolden { size * boldness(size) / 2.0 } else { 0.0 };
        (!outline.is_empty()).then(|| outline.bounding_box().inflate(bolder, bolder).expand())
    }

    /// Whether some glyphs depend on the font size, so that the text must be shaped again for each size.
    pub(super) fn follows_size(&self) -> bool {
        self.runs.iter().any(|run| run.optical)
    }

    /// Marks the clusters that are joined to their successors.
    fn find_joined(&mut self) {
        let cursive = |cluster: &Cluster| self.text[cluster.range.clone()].chars().any(is_cursive);
        let joined = |pair: &[Cluster]| cursive(&pair[0]) && cursive(&pair[1]);
        let found: Vec<bool> = self.clusters.windows(2).map(joined).collect();
        self.clusters.iter_mut().zip(found).for_each(|(cluster, joined)| cluster.joined = joined);
    }

    /// Index of the last run when it has the same face and span (words are shaped apart but drawn together), else of
    /// `run`, which is added.
    fn merge_or_push(&mut self, run: Run) -> usize {
        let same =
            |last: &Run| (last.span, last.rtl, &last.font, &last.coords) == (run.span, run.rtl, &run.font, &run.coords);
        if !self.runs.last().is_some_and(same) {
            self.runs.push(run);
        }
        self.runs.len() - 1
    }
}

/// Ascent and descent of a style's family, as fractions of the font size. They hold for all of its text, also for
/// characters from a fallback face, as in browsers.
#[derive(Clone, Copy, Debug)]
pub(super) struct LineMetrics {
    pub ascent_em: f64,
    /// Descent as a fraction of the font size, positive downwards.
    pub descent_em: f64,
}

impl LineMetrics {
    /// Ascent and descent at `font_size`, each rounded to a whole px (rendering.md §9.2).
    pub(super) fn ascent_descent(&self, font_size: f64) -> (f64, f64) {
        ((self.ascent_em * font_size).round(), (self.descent_em * font_size).round())
    }
}

/// A run of clusters of one face in one span.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub font: FontData,
    pub coords: Arc<[i16]>,
    /// Index of the style in `Paragraph::styles`.
    pub span: usize,
    /// The run reads from right to left.
    pub rtl: bool,
    /// The run needs synthetic weight.
    pub embolden: bool,
    /// The run needs synthetic slant.
    pub slant: bool,
    /// The face has the axis `opsz`, so its glyphs depend on the font size.
    pub optical: bool,
}

/// Characters shown of a missing grapheme, which may be as long as the text.
const MAX_SHOWN_CHARS: usize = 16;

/// A grapheme that no face has, and the family it was to be drawn with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct MissingGlyph {
    pub text: String,
    pub family: Arc<str>,
}

/// Shapes paragraphs with the fonts of one request. Each thread needs its own.
pub(super) struct Shaper {
    pub fonts: FontSet,
    context: FontContext,
    layouts: LayoutContext<u16>,
    /// The name under which a face is registered with parley, by the face's address.
    registered: HashMap<usize, Registered>,
    /// The face that owns a blob, by the blob's id.
    by_blob: HashMap<u64, Arc<Face>>,
    pub missing: MissingGlyphs,
    /// [`MAX_FACE_RUNS`], or less in tests.
    max_face_runs: usize,
}

/// The graphemes without a glyph, each once and in the order found. There may be as many as the text has characters, so
/// a set answers whether one is known.
#[derive(Debug, Default)]
pub(super) struct MissingGlyphs {
    known: HashSet<MissingGlyph>,
    /// The first [`MissingGlyphs::MAX_REPORTED`] of them.
    pub first: Vec<MissingGlyph>,
}

impl MissingGlyphs {
    /// Number of graphemes that are reported one by one.
    pub(super) const MAX_REPORTED: usize = 20;

    /// Number of graphemes beyond those in `first`.
    pub(super) fn more(&self) -> usize {
        self.known.len() - self.first.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    fn add(&mut self, missing: MissingGlyph) {
        if self.first.len() < Self::MAX_REPORTED && !self.known.contains(&missing) {
            self.first.push(missing.clone());
        }
        self.known.insert(missing);
    }
}

struct Registered {
    name: String,
    /// Keeps the address from being reused.
    _face: Arc<Face>,
}

/// A stretch of text that is shaped with one face in one style.
struct FaceRun {
    range: Range<usize>,
    span: usize,
    face: Arc<Face>,
    /// Alternates between neighbours that must be shaped apart (see [`graphemes::are_shaped_apart`]).
    parity: bool,
}

/// The units of text that are shaped without their neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Isolation {
    /// The whole text as one string.
    Nothing,
    /// Words and elements, as in lines.
    Words,
    /// Graphemes and elements, as on curves.
    Graphemes,
}

/// A stretch of a paragraph that is passed to parley in one call.
struct ParagraphChunk {
    /// Bytes of the paragraph's text.
    range: Range<usize>,
    /// The span of its first face run.
    first_span: usize,
}

/// Maximum number of face runs per call of parley, which numbers styles in 16 bits. Letters do not join across chunks,
/// which only paragraphs with more styles than this have.
const MAX_FACE_RUNS: usize = 60_000;

impl Shaper {
    pub(super) fn new(fonts: FontSet) -> Self {
        let options = CollectionOptions { shared: false, system_fonts: false };
        let context = FontContext { collection: Collection::new(options), source_cache: SourceCache::default() };
        let (registered, by_blob) = (HashMap::new(), HashMap::new());
        Self {
            fonts,
            context,
            layouts: LayoutContext::new(),
            registered,
            by_blob,
            missing: MissingGlyphs::default(),
            max_face_runs: MAX_FACE_RUNS,
        }
    }

    /// The primary face of `style`, which gives the line metrics.
    pub(super) fn primary_face(&self, style: &SpanStyle) -> Option<Arc<Face>> {
        let matches = faces::best_matches(self.fonts.faces(&style.family), style.weight, style.italic);
        matches.into_iter().find(|face| face.load().is_some())
    }

    /// Line metrics of `style`, from its [`Self::primary_face`].
    pub(super) fn metrics(&self, style: &SpanStyle) -> LineMetrics {
        let face = self.primary_face(style);
        let (ascent_em, descent_em) = face
            .as_ref()
            .and_then(|face| face.load())
            .map_or((0.8, 0.2), |it| (it.ascent / it.units_per_em, it.descent / it.units_per_em));
        LineMetrics { ascent_em, descent_em }
    }

    /// Shapes a paragraph. `spans` must not contain line breaks.
    pub(super) fn shape(&mut self, spans: &[Span]) -> Paragraph {
        self.shape_all(spans, &FEATURES, false, Isolation::Words)
    }

    /// Shapes a paragraph whose base direction is right to left where `rtl`, else that of its first letter.
    pub(super) fn shape_towards(&mut self, spans: &[Span], rtl: bool) -> Paragraph {
        self.shape_all(spans, &FEATURES, rtl, Isolation::Words)
    }

    /// Shapes a paragraph without kerning and optional ligatures, for glyphs that are placed one by one.
    pub(super) fn shape_apart(&mut self, spans: &[Span]) -> Paragraph {
        self.shape_all(spans, &FEATURES_APART, false, Isolation::Words)
    }

    /// Shapes every grapheme by itself in its isolated form, except for runs of scripts for which [`is_shaped_as_run`]
    /// holds.
    pub(super) fn shape_on_path(&mut self, spans: &[Span]) -> Paragraph {
        self.shape_all(spans, &FEATURES, false, Isolation::Graphemes)
    }

    /// Advance width of `spans` shaped as one string and drawn `factor` times as large, px, letter spacing included.
    pub(super) fn width_of_whole(&mut self, spans: &[Span], factor: f64) -> f64 {
        let paragraph = self.shape_all(spans, &FEATURES, false, Isolation::Nothing);
        let of = |cluster: &Cluster| {
            let style = &paragraph.styles[cluster.span];
            let spacing = paragraph.letter_spacing(cluster, style.drawn_factor(factor));
            cluster.advance * style.advance_factor(factor) + spacing
        };
        paragraph.clusters.iter().map(of).sum()
    }

    fn shape_all(&mut self, spans: &[Span], features: &'static Features, rtl: bool, isolation: Isolation) -> Paragraph {
        let text: String = spans.iter().map(|span| span.text.as_str()).collect();
        let (levels, rtl) = bidi_levels(&text, rtl);
        let mut paragraph = Paragraph {
            styles: spans.iter().map(|span| span.style.clone()).collect(),
            metrics: spans.iter().map(|span| self.metrics(&span.style)).collect(),
            highlights: spans.iter().map(|span| Some(self.metrics(&span.style.background.as_ref()?.style))).collect(),
            clusters: Vec::with_capacity(text.len()),
            runs: Vec::new(),
            glyphs: Vec::with_capacity(text.len()),
            levels,
            rtl,
            exact: isolation == Isolation::Graphemes,
            text,
        };
        if paragraph.text.is_empty() {
            return paragraph;
        }
        let face_runs = self.choose_faces(&paragraph.text, spans, isolation);
        let mut start = 0;
        for face_runs in face_runs.chunks(self.max_face_runs) {
            let end = face_runs.last().map_or(start, |face_run| face_run.range.end);
            let chunk = ParagraphChunk { range: start..end, first_span: face_runs[0].span };
            let layout = self.lay_out(&paragraph, &chunk, face_runs, features);
            self.collect(&layout, &chunk, &mut paragraph);
            start = end;
        }
        paragraph.clusters.sort_by_key(|cluster| cluster.range.start);
        if paragraph.text.contains(is_cursive) {
            paragraph.find_joined();
        }
        paragraph
    }

    fn choose_faces(&mut self, text: &str, spans: &[Span], isolation: Isolation) -> Vec<FaceRun> {
        let mut face_runs: Vec<FaceRun> = Vec::new();
        let mut start_of_span = 0;
        let (mut previous, mut parity) = ("", false);
        for (index, span) in spans.iter().enumerate() {
            let own = faces::best_matches(self.fonts.faces(&span.style.family), span.style.weight, span.style.italic);
            let mut from = 0;
            for to in GraphemeClusterSegmenter::new().segment_str(&span.text).skip(1) {
                let range = start_of_span + from..start_of_span + to;
                let grapheme = &text[range.clone()];
                parity ^= match isolation {
                    Isolation::Nothing => false,
                    // Elements are shaped apart too.
                    Isolation::Words => from == 0 || graphemes::are_shaped_apart(previous, grapheme),
                    Isolation::Graphemes => from == 0 || !(is_shaped_as_run(previous) && is_shaped_as_run(grapheme)),
                };
                previous = grapheme;
                let face = self.face_for(grapheme, &own, &span.style);
                from = to;
                let Some(face) = face else { continue };
                match face_runs.last_mut() {
                    Some(last)
                        if (last.span, last.parity, last.range.end) == (index, parity, range.start)
                            && Arc::ptr_eq(&last.face, &face) =>
                    {
                        last.range.end = range.end;
                    }
                    _ => face_runs.push(FaceRun { range, span: index, face, parity }),
                }
            }
            start_of_span += span.text.len();
        }
        face_runs
    }

    /// Chooses the face of a grapheme: the family's if it has it, else the standard serif face of browsers, else the
    /// first fallback that has it; the serif face if none has it. Where U+FE0E asks for text presentation, faces
    /// without colour come first.
    fn face_for(&mut self, grapheme: &str, own: &[Arc<Face>], style: &SpanStyle) -> Option<Arc<Face>> {
        if emoji::wants_colour(grapheme)
            && let Some(face) = self.fonts.emoji().find(|face| face.covers(grapheme))
        {
            return Some(face.clone());
        }
        let wants_text = emoji::wants_text(grapheme);
        if let Some(face) = own.iter().find(|face| face.covers(grapheme) && !(wants_text && face.is_coloured())) {
            return Some(face.clone());
        }
        let standard = faces::best_matches(self.fonts.last_resort(), style.weight, style.italic);
        let mut others = standard.iter().chain(self.fonts.fallback());
        if let Some(face) = others.find(|face| face.covers(grapheme) && !(wants_text && face.is_coloured())) {
            return Some(face.clone());
        }
        let mut coloured = own.iter().filter(|_| wants_text).chain(self.fonts.emoji());
        if let Some(face) = coloured.find(|face| face.covers(grapheme)) {
            return Some(face.clone());
        }
        let shown = grapheme.char_indices().nth(MAX_SHOWN_CHARS).map_or(grapheme, |(end, _)| &grapheme[..end]);
        self.missing.add(MissingGlyph { text: shown.to_owned(), family: style.family.clone() });
        standard.iter().chain(own).chain(self.fonts.fallback()).find(|face| face.load().is_some()).cloned()
    }

    fn register(&mut self, face: &Arc<Face>) -> String {
        let key = Arc::as_ptr(face).addr();
        if let Some(known) = self.registered.get(&key) {
            return known.name.clone();
        }
        let name = format!("face-{}", self.registered.len());
        if let Some(loaded) = face.load() {
            let family = FontInfoOverride { family_name: Some(&name), ..FontInfoOverride::default() };
            self.context.collection.register_fonts(loaded.font.data.clone(), Some(family));
            self.by_blob.insert(loaded.font.data.id(), face.clone());
        }
        self.registered.insert(key, Registered { name: name.clone(), _face: face.clone() });
        name
    }

    fn lay_out(
        &mut self,
        paragraph: &Paragraph,
        chunk: &ParagraphChunk,
        face_runs: &[FaceRun],
        features: &'static Features,
    ) -> Layout<u16> {
        let text = &with_undecomposed(&paragraph.text[chunk.range.clone()], chunk.range.start, face_runs);
        let names: Vec<String> = face_runs.iter().map(|face_run| self.register(&face_run.face)).collect();
        let mut builder = self.layouts.ranged_builder(&mut self.context, text, 1.0, false);
        for (face_run, name) in face_runs.iter().zip(&names) {
            let style = &paragraph.styles[face_run.span];
            let range = face_run.range.start - chunk.range.start..face_run.range.end - chunk.range.start;
            builder.push(StyleProperty::FontFamily(FontFamily::named(name)), range.clone());
            builder.push(StyleProperty::FontSize(style.font_size as f32), range.clone());
            builder.push(StyleProperty::Brush((face_run.span - chunk.first_span) as u16), range.clone());
            let weight = face_run.face.weight_variation(style.weight).map(|value| (Tag::new(b"wght"), value));
            let optical = face_run.face.optical_variation(style.optical_size()).map(|value| (Tag::new(b"opsz"), value));
            let axes = weight.into_iter().chain(optical);
            let variations: Vec<_> = axes.map(|(tag, value)| FontVariation { tag, value }).collect();
            if !variations.is_empty() {
                let variations = FontVariations::from(variations.as_slice());
                builder.push(StyleProperty::FontVariations(variations), range.clone());
            }
            // Spaced letters do not join (rendering.md §9.1); the spacing itself is added when lines are laid out.
            // Kerning is the default: naming it makes a different list, and parley shapes runs with different lists
            // apart.
            let list = features.list(style.letter_spacing != 0.0, face_run.parity);
            builder.push(StyleProperty::FontFeatures(FontFeatures::from(list)), range);
        }
        let mut layout = builder.build(text);
        layout.break_all_lines(None);
        layout
    }

    fn collect(&self, layout: &Layout<u16>, chunk: &ParagraphChunk, paragraph: &mut Paragraph) {
        for run in layout.lines().flat_map(|line| line.runs().collect::<Vec<_>>()) {
            let Some(face) = self.by_blob.get(&run.font().data.id()) else { continue };
            let Some(loaded) = face.load() else { continue };
            let coords: Arc<[i16]> = run.normalized_coords().iter().map(|c| c.to_bits()).collect();
            let mut of_span: Option<(usize, usize)> = None;
            for cluster in run.clusters() {
                let span = chunk.first_span + usize::from(cluster.style().brush);
                let span = span.min(paragraph.styles.len().saturating_sub(1));
                let run_index = match of_span {
                    Some((known, index)) if known == span => index,
                    _ => {
                        let style = &paragraph.styles[span];
                        let index = paragraph.merge_or_push(Run {
                            font: run.font().clone(),
                            coords: coords.clone(),
                            span,
                            rtl: run.is_rtl(),
                            embolden: style.weight >= 600.0 && *face.style.weights.end() < 600.0 && !loaded.bold,
                            slant: style.italic && !face.style.italic && !loaded.slanted,
                            optical: loaded.optical_axis.is_some(),
                        });
                        of_span = Some((span, index));
                        index
                    }
                };
                let mut cluster = collect_cluster(&cluster, chunk.range.start, run_index, span, paragraph);
                restore_undecomposed(&mut cluster, face, paragraph);
                paragraph.clusters.push(cluster);
            }
        }
    }
}

/// `text`, which starts at `start` of the paragraph, with characters replaced by others of the same length where the
/// shaper would decompose them although the face cannot draw the parts: see [`Face::undecomposed`].
fn with_undecomposed<'t>(text: &'t str, start: usize, face_runs: &[FaceRun]) -> Cow<'t, str> {
    if !text.contains(['\u{e33}', '\u{eb3}']) {
        return text.into();
    }
    let shaped = |face_run: &FaceRun| -> String {
        let text = &text[face_run.range.start - start..face_run.range.end - start];
        text.chars().map(|c| face_run.face.undecomposed(c).map_or(c, |(other, _)| other)).collect()
    };
    // Characters that no face draws belong to no face run.
    let whole: String = face_runs.iter().map(shaped).collect();
    if whole.len() == text.len() { whole.into() } else { text.into() }
}

/// Replaces the glyph of a cluster that was shaped as another character by its own.
fn restore_undecomposed(cluster: &mut Cluster, face: &Face, paragraph: &mut Paragraph) {
    let mut chars = paragraph.text[cluster.range.clone()].chars();
    let (Some(c), None) = (chars.next(), chars.next()) else { return };
    let Some((_, id)) = face.undecomposed(c) else { return };
    let (size, coords) = (paragraph.styles[cluster.span].font_size, &paragraph.runs[cluster.run].coords);
    let Some(advance) = face.advance(id, size, coords) else { return };
    paragraph.glyphs.truncate(cluster.glyphs.start);
    paragraph.glyphs.push(ShapedGlyph { id: id.to_u32(), offset: Vec2::ZERO, advance });
    cluster.glyphs.end = paragraph.glyphs.len();
    cluster.advance = advance;
}

/// OpenType features: kerning, then optional ligatures and contextual alternates, which are switched off. `always`:
/// also for text without letter spacing.
struct Features {
    all: [FontFeature; 6],
    always: bool,
}

impl Features {
    /// One of two equivalent lists, by `parity`: parley shapes neighbours with different lists apart.
    fn list(&self, spaced: bool, parity: bool) -> &[FontFeature] {
        match (self.always, spaced, parity) {
            // Without kerning, neighbours do not affect each other.
            (true, ..) => &self.all,
            (false, false, false) => &self.all[..0],
            (false, false, true) => &self.all[..1],
            (false, true, true) => &self.all[..],
            (false, true, false) => &self.all[1..],
        }
    }
}

const fn features(kern: u16) -> [FontFeature; 6] {
    [
        FontFeature { tag: Tag::new(b"kern"), value: kern },
        FontFeature { tag: Tag::new(b"liga"), value: 0 },
        FontFeature { tag: Tag::new(b"clig"), value: 0 },
        FontFeature { tag: Tag::new(b"dlig"), value: 0 },
        FontFeature { tag: Tag::new(b"hlig"), value: 0 },
        // Chromium counts contextual alternates as ligatures and switches them off with letter spacing.
        FontFeature { tag: Tag::new(b"calt"), value: 0 },
    ]
}

static FEATURES: Features = Features { all: features(1), always: false };
static FEATURES_APART: Features = Features { all: features(0), always: true };

/// Converts a cluster of parley. `start`: offset of the layout's text in the paragraph's.
fn collect_cluster(
    cluster: &parley::Cluster<'_, u16>,
    start: usize,
    run: usize,
    span: usize,
    paragraph: &mut Paragraph,
) -> Cluster {
    let range = cluster.text_range();
    let range = start + range.start..start + range.end;
    let kind = match &paragraph.text[range.clone()] {
        " " => ClusterKind::Space,
        "\t" => ClusterKind::Tab,
        "\u{ad}" => ClusterKind::SoftHyphen,
        "\u{200b}" => ClusterKind::ZeroWidthSpace,
        _ => ClusterKind::Text,
    };
    let first = paragraph.glyphs.len();
    let mut pen = 0.0;
    if matches!(kind, ClusterKind::Text | ClusterKind::Space) {
        for glyph in cluster.glyphs() {
            let offset = Vec2::new(pen + f64::from(glyph.x), f64::from(glyph.y));
            paragraph.glyphs.push(ShapedGlyph { id: glyph.id, offset, advance: f64::from(glyph.advance) });
            pen += f64::from(glyph.advance);
        }
    }
    // The width of a tab depends on its position; a soft hyphen is shown only at the end of a line.
    let advance = match kind {
        ClusterKind::Text | ClusterKind::Space => f64::from(cluster.advance()),
        ClusterKind::Tab | ClusterKind::SoftHyphen | ClusterKind::ZeroWidthSpace => 0.0,
    };
    Cluster { range, advance, glyphs: first..paragraph.glyphs.len(), run, span, kind, joined: false }
}

/// The bidi level of each byte, and whether the base direction is right to left: where `rtl`, or where the first strong
/// character is (rendering.md §9.5).
fn bidi_levels(text: &str, rtl: bool) -> (Vec<Level>, bool) {
    if text.is_ascii() && !rtl {
        return (vec![Level::ltr(); text.len()], false);
    }
    let info = BidiInfo::new(text, rtl.then(Level::rtl));
    let rtl = info.paragraphs.first().map_or(rtl, |paragraph| paragraph.level.is_rtl());
    (info.levels, rtl)
}

/// True when `text` has a letter of a right-to-left script.
pub(super) fn has_rtl_letter(text: &str) -> bool {
    !text.is_ascii() && text.chars().any(|c| matches!(bidi_class(c), BidiClass::R | BidiClass::AL))
}

/// True for scripts that join, reorder or stack, whose graphemes the editor shapes with their neighbours on a curve.
pub(super) fn is_shaped_as_run(grapheme: &str) -> bool {
    grapheme.chars().any(|c| {
        matches!(u32::from(c), 0x590..=0x86f | 0x8a0..=0x109f | 0x1780..=0x18af | 0xfb1d..=0xfdff | 0xfe70..=0xfeff)
    })
}

/// True for letters and marks of cursive scripts: Arabic, Syriac, N'Ko, Mandaic, Mongolian.
pub(super) fn is_cursive(c: char) -> bool {
    let in_block = matches!(
        u32::from(c),
        0x600..=0x77f | 0x7c0..=0x7ff | 0x840..=0x8ff | 0x1800..=0x18af | 0xfb50..=0xfdff | 0xfe70..=0xfefc
    );
    in_block && !matches!(bidi_class(c), BidiClass::AN | BidiClass::EN | BidiClass::CS | BidiClass::ET | BidiClass::ON)
}

#[cfg(test)]
mod tests {
    use super::super::blocks::{LineHeight, VerticalShift};
    use super::super::families::FontLibrary;
    use super::*;
    use crate::config::FontSettings;

    fn shaper() -> Shaper {
        let library = FontLibrary::new(&FontSettings::default()).expect("bundled fonts need no folder");
        Shaper::new(FontSet::new(Arc::new(library)))
    }

    fn span(text: &str, family: &str, weight: f32) -> Span {
        let style = SpanStyle {
            family: family.into(),
            font_size: 100.0,
            px_size: None,
            optical_factor: 1.0,
            weight,
            italic: false,
            color: None,
            background: None,
            decorations: Vec::new(),
            letter_spacing: 0.0,
            spacing_in_px: false,
            line_height: LineHeight::Times(1.2),
            shift: VerticalShift::None,
            link: None,
        };
        Span { text: text.into(), style: Arc::new(style) }
    }

    #[test]
    fn shaping_gives_one_cluster_a_grapheme_with_unhinted_advances() {
        let paragraph = shaper().shape(&[span("HH i", "Liberation Sans", 400.0)]);
        let advances: Vec<_> = paragraph.clusters.iter().map(|c| (c.advance * 100.0).round() / 100.0).collect();
        // Liberation Sans: H 1479, space 569, i 455 of 2048 units.
        assert_eq!(advances, [72.22, 72.22, 27.78, 22.22]);
        assert_eq!(paragraph.clusters[2].kind, ClusterKind::Space);
        assert_eq!(paragraph.runs.len(), 1);
    }

    #[test]
    fn shaping_knows_which_faces_must_be_emboldened() {
        let mut shaper = shaper();
        assert!(!shaper.shape(&[span("a", "Roboto", 700.0)]).runs[0].embolden);
        let regular = shaper.fonts.faces("Liberation Sans")[0].clone();
        let bytes = regular.load().expect("bundled").font.data.clone();
        shaper.fonts.declare("Only", Face::from_memory(bytes, 0, super::super::FaceStyle::REGULAR));
        assert!(shaper.shape(&[span("a", "Only", 600.0)]).runs[0].embolden);
    }

    #[test]
    fn shaping_does_not_kern_across_elements_and_soft_hyphens() {
        let width = |spans: &[Span]| shaper().shape(spans).clusters.iter().map(|it| it.advance).sum::<f64>();
        let of = |text: &str| span(text, "Liberation Sans", 400.0);
        let apart = width(&[of("A")]) + width(&[of("V")]);
        assert!(width(&[of("AV")]) < apart - 5.0, "kerned");
        // Another style with the same face.
        let mut other = of("V");
        other.style = SpanStyle { color: Some(peniko::Color::BLACK), ..(*other.style).clone() }.into();
        for spans in [vec![of("A"), other], vec![of("A\u{ad}V")], vec![of("A\u{200b}V")]] {
            assert!((width(&spans) - apart).abs() < 1e-3, "{spans:?}");
        }
    }

    #[test]
    fn shaping_for_curves_takes_graphemes_apart_but_not_runs_of_joined_scripts() {
        let widths = |text: &str| -> Vec<f64> {
            let spans = [span(text, "Liberation Sans", 400.0)];
            shaper().shape_on_path(&spans).clusters.iter().map(|it| it.advance).collect()
        };
        // A and V are kerned in a word, alone they are not.
        assert_eq!(widths("AV"), [widths("A"), widths("V")].concat());
        let joined = |shape: fn(&mut Shaper, &[Span]) -> Paragraph| -> Vec<u32> {
            let spans = [span("\u{628}\u{628}", "Liberation Serif", 400.0)];
            shape(&mut shaper(), &spans).glyphs.iter().map(|it| it.id).collect()
        };
        assert_eq!(joined(Shaper::shape_on_path), joined(Shaper::shape));
    }

    #[test]
    fn bullets_are_measured_in_whole_px_as_they_are_hinted() {
        // Measured in Chromium: ascent, descent, left and right of the glyph in Roboto.
        let ink = |size: f64, weight: f32| {
            let mut bullet = span("\u{2022}", "Roboto", weight);
            bullet.style = SpanStyle { font_size: size, ..(*bullet.style).clone() }.into();
            let ink = shaper().shape(&[bullet]).ink(1.0).expect("an outline");
            [-ink.y0, ink.y1, ink.x0, ink.x1]
        };
        assert_eq!(ink(24.0, 400.0), [12.0, -6.0, 1.0, 7.0]);
        assert_eq!(ink(20.0, 400.0), [10.0, -5.0, 1.0, 6.0]);
        assert_eq!(ink(48.0, 400.0), [24.0, -13.0, 3.0, 13.0]);
        assert_eq!(ink(27.77, 400.0), [13.0, -7.0, 1.0, 8.0]);
        assert_eq!(ink(27.77, 700.0), [14.0, -7.0, 1.0, 9.0]);
    }

    #[test]
    fn shaping_reports_each_missing_character_once() {
        let mut shaper = shaper();
        let paragraph = shaper.shape(&[span("a\u{1f9ff}b\u{1f9ff}", "Roboto", 400.0)]);
        assert_eq!(paragraph.clusters.len(), 4);
        assert_eq!((shaper.missing.first.len(), shaper.missing.more()), (1, 0));
        assert_eq!(shaper.missing.first[0].text, "\u{1f9ff}");
    }

    #[test]
    fn shaping_counts_missing_characters_beyond_the_first() {
        let mut shaper = shaper();
        let rare: String = ('\u{20000}'..).take(3000).collect();
        let marks = "\u{1f9ff}".to_owned() + &"\u{e0041}".repeat(100);
        shaper.shape(&[span(&(marks + &rare + &rare), "Roboto", 400.0)]);
        assert_eq!(
            (shaper.missing.first.len(), shaper.missing.more()),
            (MissingGlyphs::MAX_REPORTED, 3001 - MissingGlyphs::MAX_REPORTED)
        );
        assert!(shaper.missing.first.iter().all(|it| it.text.chars().count() <= MAX_SHOWN_CHARS));
    }

    #[test]
    fn shaping_falls_back_by_grapheme() {
        // Roboto has no Hebrew, Liberation Sans does.
        let paragraph = shaper().shape(&[span("a\u{5d0}", "Roboto", 400.0)]);
        assert_eq!(paragraph.runs.len(), 2);
        assert!(paragraph.levels[1].is_rtl());
    }

    #[test]
    fn shaping_falls_back_to_the_serif_face_first() {
        // Roboto has no Hebrew; Liberation Serif and Liberation Sans do.
        let mut shaper = shaper();
        let serif = shaper.shape(&[span("\u{5d0}", "Liberation Serif", 400.0)]).runs[0].font.clone();
        assert_eq!(shaper.shape(&[span("\u{5d0}", "Roboto", 400.0)]).runs[0].font, serif);
        // No face has this one.
        assert_eq!(shaper.shape(&[span("\u{1f9ff}", "Roboto", 400.0)]).runs[0].font, serif);
    }

    #[test]
    fn shaping_takes_more_pieces_than_parley_has_numbers_for() {
        // Every word is a face run.
        let paragraph = shaper().shape(&[span(&"\u{5d0} a".repeat(30_000), "Roboto", 400.0)]);
        assert_eq!(paragraph.clusters.len(), 90_000);
    }

    #[test]
    fn shaping_in_parts_gives_the_same_as_at_once() {
        let spans = [span("a \u{5d0}b", "Roboto", 400.0), span("c d", "Roboto", 700.0), span("e", "Roboto", 400.0)];
        let shaped = |max_face_runs| {
            let mut shaper = Shaper { max_face_runs, ..shaper() };
            let paragraph = shaper.shape(&spans);
            let cluster =
                |it: &Cluster| (it.range.clone(), it.advance, it.span, paragraph.runs[it.run].font.data.len());
            paragraph.clusters.iter().map(cluster).collect::<Vec<_>>()
        };
        assert_eq!(shaped(1), shaped(MAX_FACE_RUNS));
    }

    #[test]
    fn base_direction_is_the_first_letters_unless_it_is_given() {
        let base = |text: &str, rtl: bool| shaper().shape_towards(&[span(text, "Roboto", 400.0)], rtl).rtl;
        assert_eq!([base("x \u{5d0}", false), base("\u{5d0} x", false), base("x", false)], [false, true, false]);
        assert_eq!([base("x \u{5d0}", true), base("x", true)], [true, true]);
        assert!(has_rtl_letter("x \u{5d0}") && has_rtl_letter("\u{628}") && !has_rtl_letter("x \u{e9} \u{661}"));
    }

    #[test]
    fn letter_spacing_stands_at_the_ends_of_joined_words_only() {
        let mut spaced = span("\u{628}\u{62a} \u{628}x\u{5d0}\u{5d1}", "Roboto", 400.0);
        spaced.style = SpanStyle { letter_spacing: 10.0, ..(*spaced.style).clone() }.into();
        let paragraph = shaper().shape(&[spaced]);
        let spacing: Vec<f64> =
            paragraph.clusters.iter().map(|cluster| paragraph.letter_spacing(cluster, 1.0)).collect();
        assert_eq!(spacing, [0.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0]);
    }
}
