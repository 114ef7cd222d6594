//! One paragraph, shaped: clusters in logical order with their glyphs, at the sizes the styles ask for.
//!
//! The face of every grapheme is chosen here (family, then fallback, colour emoji first where they are meant), so parley
//! is left with itemising by script and direction, and shaping.

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

/// Characters between two forced breaks.
#[derive(Clone, Debug)]
pub(super) struct Paragraph {
    pub text: String,
    /// Styles by span number.
    pub styles: Vec<Arc<SpanStyle>>,
    /// Line metrics by span number.
    pub metrics: Vec<LineMetrics>,
    /// Of the backgrounds of styles, likewise.
    pub highlights: Vec<Option<LineMetrics>>,
    /// In logical order.
    pub clusters: Vec<Cluster>,
    pub runs: Vec<Run>,
    pub glyphs: Vec<Glyph>,
    /// Bidi level of each byte of `text`.
    pub levels: Vec<Level>,
    /// Its base direction is right to left.
    pub rtl: bool,
    /// Advances are those of the font size itself, as on curves, not of [`super::blocks::advance_size`].
    pub exact: bool,
}

/// One grapheme.
#[derive(Clone, Debug)]
pub(super) struct Cluster {
    /// Bytes of the paragraph's text.
    pub range: Range<usize>,
    /// px, without letter spacing.
    pub advance: f64,
    /// In `Paragraph::glyphs`, in visual order, from the cluster's left edge.
    pub glyphs: Range<usize>,
    /// In `Paragraph::runs`.
    pub run: usize,
    /// In `Paragraph::styles`.
    pub span: usize,
    pub kind: ClusterKind,
    /// A letter of a joined script that another one follows: no letter spacing comes between them.
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
pub(super) struct Glyph {
    pub id: u32,
    /// From the cluster's left edge on the baseline, px, y down.
    pub offset: Vec2,
    pub advance: f64,
}

impl Paragraph {
    /// What advances of the span are multiplied by where the text as a whole is drawn `factor` as large.
    pub(super) fn advance_factor(&self, span: usize, factor: f64) -> f64 {
        let style = &self.styles[span];
        if self.exact { style.drawn_factor(factor) } else { style.advance_factor(factor) }
    }

    /// After `cluster`, px, where its font is drawn `factor` as large.
    pub(super) fn letter_spacing(&self, cluster: &Cluster, factor: f64) -> f64 {
        let style = &self.styles[cluster.span];
        match (cluster.joined, style.spacing_in_px) {
            (true, _) => 0.0,
            (false, true) => style.letter_spacing,
            (false, false) => style.letter_spacing * factor,
        }
    }

    /// How wide `cluster` is where nothing follows it, px: its advance without kerning.
    pub(super) fn advance_at_end(&self, cluster: &Cluster) -> f64 {
        let (run, size) = (&self.runs[cluster.run], self.styles[cluster.span].font_size);
        let advance = |glyph: &Glyph| faces::advance(&run.font, &run.coords, glyph.id, size).unwrap_or(glyph.advance);
        self.glyphs[cluster.glyphs.clone()].iter().map(advance).sum()
    }

    /// The whole px that a browser says the first glyph covers, where its font is drawn `factor` as large: from its origin, y
    /// down. `None` where it has no outline.
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

    /// Whether some glyphs are others at other sizes, so that the text must be shaped anew where it is drawn at another one.
    pub(super) fn follows_size(&self) -> bool {
        self.runs.iter().any(|run| run.optical)
    }

    /// Finds the clusters that are joined to their successors.
    fn find_joined(&mut self) {
        let cursive = |cluster: &Cluster| self.text[cluster.range.clone()].chars().any(is_cursive);
        let joined = |pair: &[Cluster]| cursive(&pair[0]) && cursive(&pair[1]);
        let found: Vec<bool> = self.clusters.windows(2).map(joined).collect();
        self.clusters.iter_mut().zip(found).for_each(|(cluster, joined)| cluster.joined = joined);
    }

    /// The latest run when it is the same face in the same span (words are shaped apart but drawn together), else `run`.
    fn run_like(&mut self, run: Run) -> usize {
        let same =
            |last: &Run| (last.span, last.rtl, &last.font, &last.coords) == (run.span, run.rtl, &run.font, &run.coords);
        if !self.runs.last().is_some_and(same) {
            self.runs.push(run);
        }
        self.runs.len() - 1
    }
}

/// Ascent and descent of a style's family, as shares of the font size. They hold for all of its text, also for characters
/// that come from another face, as browsers have it.
#[derive(Clone, Copy, Debug)]
pub(super) struct LineMetrics {
    pub ascent_em: f64,
    /// Positive downwards.
    pub descent_em: f64,
}

impl LineMetrics {
    /// Ascent and descent at `font_size`, each rounded to a whole px (rendering.md §9.2).
    pub(super) fn ascent_descent(&self, font_size: f64) -> (f64, f64) {
        ((self.ascent_em * font_size).round(), (self.descent_em * font_size).round())
    }
}

/// One face at one size.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub font: FontData,
    pub coords: Arc<[i16]>,
    /// In `Paragraph::styles`.
    pub span: usize,
    /// Read from right to left.
    pub rtl: bool,
    /// Synthetic weight wanted.
    pub embolden: bool,
    /// Synthetic slant wanted.
    pub slant: bool,
    /// The face has the axis `opsz`: its glyphs are others at other sizes.
    pub optical: bool,
}

/// Characters told of one grapheme; a hostile one has as many as its text.
const SHOWN_CHARS: usize = 16;

/// Characters that no face has: what was asked for, and in which family.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct MissingGlyph {
    pub text: String,
    pub family: Arc<str>,
}

/// Shapes paragraphs with the fonts of one request. Not `Sync`: one for each thread at work.
pub(super) struct Shaper {
    pub fonts: FontSet,
    context: FontContext,
    layouts: LayoutContext<u16>,
    /// By address: the name a face was registered under.
    registered: HashMap<usize, Registered>,
    /// By blob: the face that owns it.
    by_blob: HashMap<u64, Arc<Face>>,
    pub missing: Missing,
    /// [`MOST_PIECES`], or less in tests.
    most_pieces: usize,
}

/// Each once, in the order met. A text may miss as many as it has characters, so looking one up must not take a walk.
#[derive(Debug, Default)]
pub(super) struct Missing {
    known: HashSet<MissingGlyph>,
    /// The first [`Missing::KEPT`].
    pub first: Vec<MissingGlyph>,
}

impl Missing {
    /// Told one by one.
    pub(super) const KEPT: usize = 20;

    /// How many more there were.
    pub(super) fn more(&self) -> usize {
        self.known.len() - self.first.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    fn add(&mut self, missing: MissingGlyph) {
        if self.first.len() < Self::KEPT && !self.known.contains(&missing) {
            self.first.push(missing.clone());
        }
        self.known.insert(missing);
    }
}

struct Registered {
    name: String,
    /// Keeps the address taken.
    _face: Arc<Face>,
}

/// A stretch of text that one face draws in one style.
struct Piece {
    range: Range<usize>,
    span: usize,
    face: Arc<Face>,
    /// Changes where shaping must not look across (see [`graphemes::parted`]).
    odd: bool,
}

/// What is shaped without its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Apart {
    /// Nothing: all is one string.
    Nothing,
    /// Words and elements, as lines are drawn.
    Words,
    /// Graphemes and elements, as curves are drawn.
    Graphemes,
}

/// A stretch of a paragraph that is laid out at once.
struct Part {
    /// Bytes of the paragraph's text.
    range: Range<usize>,
    /// The span of its first piece.
    first_span: usize,
}

/// Pieces laid out at once: parley numbers styles, and we spans, in 16 bits. Letters on both sides of the border do not
/// join; nobody writes a paragraph of 60 000 styles.
const MOST_PIECES: usize = 60_000;

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
            missing: Missing::default(),
            most_pieces: MOST_PIECES,
        }
    }

    /// The best regular match for `style`, without any text: for struts and empty lines.
    pub(super) fn strut(&self, style: &SpanStyle) -> Option<Arc<Face>> {
        let matches = faces::best_matches(self.fonts.faces(&style.family), style.weight, style.italic);
        matches.into_iter().find(|face| face.load().is_some())
    }

    /// Line metrics of `style`: of the face that [`Self::strut`] gives.
    pub(super) fn metrics(&self, style: &SpanStyle) -> LineMetrics {
        let face = self.strut(style);
        let (ascent_em, descent_em) = face
            .as_ref()
            .and_then(|face| face.load())
            .map_or((0.8, 0.2), |it| (it.ascent / it.units_per_em, it.descent / it.units_per_em));
        LineMetrics { ascent_em, descent_em }
    }

    /// `spans` must not hold line breaks.
    pub(super) fn shape(&mut self, spans: &[Span]) -> Paragraph {
        self.shape_all(spans, &FEATURES, false, Apart::Words)
    }

    /// As [`Self::shape`], but read from right to left throughout where `rtl`.
    pub(super) fn shape_towards(&mut self, spans: &[Span], rtl: bool) -> Paragraph {
        self.shape_all(spans, &FEATURES, rtl, Apart::Words)
    }

    /// Without kerning and optional ligatures: for glyphs that are placed one by one.
    pub(super) fn shape_apart(&mut self, spans: &[Span]) -> Paragraph {
        self.shape_all(spans, &FEATURES_APART, false, Apart::Words)
    }

    /// Every grapheme by itself, in the form that it has alone, but runs of scripts for which [`is_shaped_as_run`] holds as
    /// wholes.
    pub(super) fn shape_on_path(&mut self, spans: &[Span]) -> Paragraph {
        self.shape_all(spans, &FEATURES, false, Apart::Graphemes)
    }

    /// Advance width of `spans` as one string, px, letter spacing included, drawn `factor` as large.
    pub(super) fn width_of_whole(&mut self, spans: &[Span], factor: f64) -> f64 {
        let paragraph = self.shape_all(spans, &FEATURES, false, Apart::Nothing);
        let of = |cluster: &Cluster| {
            let style = &paragraph.styles[cluster.span];
            let spacing = paragraph.letter_spacing(cluster, style.drawn_factor(factor));
            cluster.advance * style.advance_factor(factor) + spacing
        };
        paragraph.clusters.iter().map(of).sum()
    }

    fn shape_all(&mut self, spans: &[Span], features: &'static Features, rtl: bool, apart: Apart) -> Paragraph {
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
            exact: apart == Apart::Graphemes,
            text,
        };
        if paragraph.text.is_empty() {
            return paragraph;
        }
        let pieces = self.choose_faces(&paragraph.text, spans, apart);
        let mut start = 0;
        for pieces in pieces.chunks(self.most_pieces) {
            let end = pieces.last().map_or(start, |piece| piece.range.end);
            let part = Part { range: start..end, first_span: pieces[0].span };
            let layout = self.lay_out(&paragraph, &part, pieces, features);
            self.collect(&layout, &part, &mut paragraph);
            start = end;
        }
        paragraph.clusters.sort_by_key(|cluster| cluster.range.start);
        if paragraph.text.contains(is_cursive) {
            paragraph.find_joined();
        }
        paragraph
    }

    fn choose_faces(&mut self, text: &str, spans: &[Span], apart: Apart) -> Vec<Piece> {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut start_of_span = 0;
        let (mut previous, mut odd) = ("", false);
        for (index, span) in spans.iter().enumerate() {
            let own = faces::best_matches(self.fonts.faces(&span.style.family), span.style.weight, span.style.italic);
            let mut from = 0;
            for to in GraphemeClusterSegmenter::new().segment_str(&span.text).skip(1) {
                let range = start_of_span + from..start_of_span + to;
                let grapheme = &text[range.clone()];
                odd ^= match apart {
                    Apart::Nothing => false,
                    // Nothing passes from one element to the next either.
                    Apart::Words => from == 0 || graphemes::parted(previous, grapheme),
                    Apart::Graphemes => from == 0 || !(is_shaped_as_run(previous) && is_shaped_as_run(grapheme)),
                };
                previous = grapheme;
                let face = self.face_for(grapheme, &own, &span.style);
                from = to;
                let Some(face) = face else { continue };
                match pieces.last_mut() {
                    Some(last)
                        if (last.span, last.odd, last.range.end) == (index, odd, range.start)
                            && Arc::ptr_eq(&last.face, &face) =>
                    {
                        last.range.end = range.end;
                    }
                    _ => pieces.push(Piece { range, span: index, face, odd }),
                }
            }
            start_of_span += span.text.len();
        }
        pieces
    }

    /// The family's face when it has the grapheme, else the standard serif face of browsers, else the first fallback that
    /// has it; if no face has it, the serif face all the same. Where U+FE0E asks for text, faces without colour are asked
    /// first.
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
        let shown = grapheme.char_indices().nth(SHOWN_CHARS).map_or(grapheme, |(end, _)| &grapheme[..end]);
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
        part: &Part,
        pieces: &[Piece],
        features: &'static Features,
    ) -> Layout<u16> {
        let text = &to_shape(&paragraph.text[part.range.clone()], part.range.start, pieces);
        let names: Vec<String> = pieces.iter().map(|piece| self.register(&piece.face)).collect();
        let mut builder = self.layouts.ranged_builder(&mut self.context, text, 1.0, false);
        for (piece, name) in pieces.iter().zip(&names) {
            let style = &paragraph.styles[piece.span];
            let range = piece.range.start - part.range.start..piece.range.end - part.range.start;
            builder.push(StyleProperty::FontFamily(FontFamily::named(name)), range.clone());
            builder.push(StyleProperty::FontSize(style.font_size as f32), range.clone());
            builder.push(StyleProperty::Brush((piece.span - part.first_span) as u16), range.clone());
            let weight = piece.face.weight_variation(style.weight).map(|value| (Tag::new(b"wght"), value));
            let optical = piece.face.optical_variation(style.optical_size()).map(|value| (Tag::new(b"opsz"), value));
            let axes = weight.into_iter().chain(optical);
            let variations: Vec<_> = axes.map(|(tag, value)| FontVariation { tag, value }).collect();
            if !variations.is_empty() {
                let variations = FontVariations::from(variations.as_slice());
                builder.push(StyleProperty::FontVariations(variations), range.clone());
            }
            // Spaced letters do not join (rendering.md §9.1); the spacing itself is added when lines are laid out.
            // Kerning is on anyway: naming it makes the list another one, and so shaping ends where it changes.
            let list = features.list(style.letter_spacing != 0.0, piece.odd);
            builder.push(StyleProperty::FontFeatures(FontFeatures::from(list)), range);
        }
        let mut layout = builder.build(text);
        layout.break_all_lines(None);
        layout
    }

    fn collect(&self, layout: &Layout<u16>, part: &Part, paragraph: &mut Paragraph) {
        for run in layout.lines().flat_map(|line| line.runs().collect::<Vec<_>>()) {
            let Some(face) = self.by_blob.get(&run.font().data.id()) else { continue };
            let Some(loaded) = face.load() else { continue };
            let coords: Arc<[i16]> = run.normalized_coords().iter().map(|c| c.to_bits()).collect();
            let mut of_span: Option<(usize, usize)> = None;
            for cluster in run.clusters() {
                let span = part.first_span + usize::from(cluster.style().brush);
                let span = span.min(paragraph.styles.len().saturating_sub(1));
                let run_index = match of_span {
                    Some((known, index)) if known == span => index,
                    _ => {
                        let style = &paragraph.styles[span];
                        let index = paragraph.run_like(Run {
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
                let mut cluster = collect_cluster(&cluster, part.range.start, run_index, span, paragraph);
                keep_undivided(&mut cluster, face, paragraph);
                paragraph.clusters.push(cluster);
            }
        }
    }
}

/// `text`, which starts at `start` of the paragraph, with other characters of the same length where the shaper would do
/// what the face cannot: see [`Face::undivided`].
fn to_shape<'t>(text: &'t str, start: usize, pieces: &[Piece]) -> Cow<'t, str> {
    if !text.contains(['\u{e33}', '\u{eb3}']) {
        return text.into();
    }
    let shaped = |piece: &Piece| -> String {
        let text = &text[piece.range.start - start..piece.range.end - start];
        text.chars().map(|c| piece.face.undivided(c).map_or(c, |(other, _)| other)).collect()
    };
    // Characters that no face at all draws belong to no piece.
    let whole: String = pieces.iter().map(shaped).collect();
    if whole.len() == text.len() { whole.into() } else { text.into() }
}

/// Gives a cluster that was shaped as something else its own glyph.
fn keep_undivided(cluster: &mut Cluster, face: &Face, paragraph: &mut Paragraph) {
    let mut chars = paragraph.text[cluster.range.clone()].chars();
    let (Some(c), None) = (chars.next(), chars.next()) else { return };
    let Some((_, id)) = face.undivided(c) else { return };
    let (size, coords) = (paragraph.styles[cluster.span].font_size, &paragraph.runs[cluster.run].coords);
    let Some(advance) = face.advance(id, size, coords) else { return };
    paragraph.glyphs.truncate(cluster.glyphs.start);
    paragraph.glyphs.push(Glyph { id: id.to_u32(), offset: Vec2::ZERO, advance });
    cluster.glyphs.end = paragraph.glyphs.len();
    cluster.advance = advance;
}

/// Kerning, then optional ligatures and contextual forms off; and which part of that holds for text that is not spaced.
struct Features {
    all: [FontFeature; 6],
    always: bool,
}

impl Features {
    /// Two lists that mean the same, for neighbours that shaping must keep apart.
    fn list(&self, spaced: bool, odd: bool) -> &[FontFeature] {
        match (self.always, spaced, odd) {
            // Without kerning nothing passes between neighbours anyway.
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
        // Chromium takes these for ligatures too: spaced letters keep the forms they have alone.
        FontFeature { tag: Tag::new(b"calt"), value: 0 },
    ]
}

static FEATURES: Features = Features { all: features(1), always: false };
static FEATURES_APART: Features = Features { all: features(0), always: true };

/// `start`: where the layout's text begins in the paragraph's.
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
            paragraph.glyphs.push(Glyph { id: glyph.id, offset, advance: f64::from(glyph.advance) });
            pen += f64::from(glyph.advance);
        }
    }
    // Tabs get their width from where they stand; a soft hyphen shows only at the end of a line.
    let advance = match kind {
        ClusterKind::Text | ClusterKind::Space => f64::from(cluster.advance()),
        ClusterKind::Tab | ClusterKind::SoftHyphen | ClusterKind::ZeroWidthSpace => 0.0,
    };
    Cluster { range, advance, glyphs: first..paragraph.glyphs.len(), run, span, kind, joined: false }
}

/// The level of each byte, and whether the base direction is right to left: where `rtl`, or where the first strong
/// character says so (rendering.md §9.5).
fn bidi_levels(text: &str, rtl: bool) -> (Vec<Level>, bool) {
    if text.is_ascii() && !rtl {
        return (vec![Level::ltr(); text.len()], false);
    }
    let info = BidiInfo::new(text, rtl.then(Level::rtl));
    let rtl = info.paragraphs.first().map_or(rtl, |paragraph| paragraph.level.is_rtl());
    (info.levels, rtl)
}

/// True when `text` holds a letter that is written from right to left.
pub(super) fn has_rtl_letter(text: &str) -> bool {
    !text.is_ascii() && text.chars().any(|c| matches!(bidi_class(c), BidiClass::R | BidiClass::AL))
}

/// Whether the editor shapes `grapheme` together with its neighbours on a curve: scripts that join, reorder or stack.
pub(super) fn is_shaped_as_run(grapheme: &str) -> bool {
    grapheme.chars().any(|c| {
        matches!(u32::from(c), 0x590..=0x86f | 0x8a0..=0x109f | 0x1780..=0x18af | 0xfb1d..=0xfdff | 0xfe70..=0xfeff)
    })
}

/// Letters and marks of scripts whose letters join: Arabic, Syriac, N'Ko, Mandaic, Mongolian.
pub(super) fn is_cursive(c: char) -> bool {
    let in_block = matches!(u32::from(c), 0x600..=0x77f | 0x7c0..=0x7ff | 0x840..=0x8ff | 0x1800..=0x18af | 0xfb50..=0xfdff | 0xfe70..=0xfefc);
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
        // The style is another one, the face is not.
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
    fn shaping_reports_characters_nobody_has_once() {
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
        assert_eq!((shaper.missing.first.len(), shaper.missing.more()), (Missing::KEPT, 3001 - Missing::KEPT));
        assert!(shaper.missing.first.iter().all(|it| it.text.chars().count() <= SHOWN_CHARS));
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
        // Nobody has this one.
        assert_eq!(shaper.shape(&[span("\u{1f9ff}", "Roboto", 400.0)]).runs[0].font, serif);
    }

    #[test]
    fn shaping_takes_more_pieces_than_parley_has_numbers_for() {
        // Every word is a piece.
        let paragraph = shaper().shape(&[span(&"\u{5d0} a".repeat(30_000), "Roboto", 400.0)]);
        assert_eq!(paragraph.clusters.len(), 90_000);
    }

    #[test]
    fn shaping_in_parts_gives_the_same_as_at_once() {
        let spans = [span("a \u{5d0}b", "Roboto", 400.0), span("c d", "Roboto", 700.0), span("e", "Roboto", 400.0)];
        let shaped = |most_pieces| {
            let mut shaper = Shaper { most_pieces, ..shaper() };
            let paragraph = shaper.shape(&spans);
            let cluster =
                |it: &Cluster| (it.range.clone(), it.advance, it.span, paragraph.runs[it.run].font.data.len());
            paragraph.clusters.iter().map(cluster).collect::<Vec<_>>()
        };
        assert_eq!(shaped(1), shaped(MOST_PIECES));
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
