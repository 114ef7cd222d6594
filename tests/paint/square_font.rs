//! Fonts built in memory, with square glyphs whose pixels a test can compute.

use peniko::{Blob, FontData};

/// Font of 1000 units per em: glyph 0 is empty, glyph 1 is a square of 500 units at the origin, glyph 2 is damaged.
pub(crate) fn square_font() -> FontData {
    font(damaged(), vec![])
}

/// Like [`square_font`], but glyph 0 has one COLR version 0 layer: glyph `layer` in green.
pub(crate) fn layered_font(layer: i16) -> FontData {
    let colr = [be16(0), be16(1), be32(14), be32(20), be16(1), be16(0), be16(0), be16(1), be16(layer), be16(0)];
    font(damaged(), vec![(b"COLR", colr.concat()), (b"CPAL", green_and_blue())])
}

/// Like [`square_font`], but glyph 0 is one solid COLR version 1 paint of a glyph with two contours: the square, cut at
/// a quarter of its width, with the right part in the opposite direction.
pub(crate) fn cut_font() -> FontData {
    let right = [[125, -500], [0, 500], [375, 0], [0, -500]];
    let left = [[0_i16, 0], [125, 0], [0, 500], [-125, 0]];
    let steps = [left, right].concat();
    let coordinates = |axis: usize| steps.iter().flat_map(move |step| be16(step[axis])).collect::<Vec<u8>>();
    let header = [be16(2), be16(0), be16(0), be16(500), be16(500), be16(3), be16(7), be16(0), vec![1; 8]];
    let cut = [header.concat(), coordinates(0), coordinates(1)].concat();
    // PaintGlyph of glyph 2, then PaintSolid of colour 0, at offset 6.
    let paint = [vec![10, 0, 0, 6], be16(2), vec![2], be16(0), be16(0x4000)];
    font(cut, vec![(b"COLR", colr_1(&paint.concat())), (b"CPAL", green_and_blue())])
}

/// Like [`square_font`], but glyph 0 is a COLR version 1 linear gradient in the square, green on the left, blue on the
/// right.
pub(crate) fn gradient_font() -> FontData {
    let stop = |offset: i16, color: i16| [be16(offset), be16(color), be16(0x4000)].concat();
    let line = [vec![0], be16(2), stop(0, 0), stop(0x4000, 1)].concat();
    let points = [0, 0, 500, 0, 0, 500].map(be16).concat();
    // PaintGlyph of glyph 1, then PaintLinearGradient, whose colour line is at offset 16.
    let paint = [vec![10, 0, 0, 6], be16(1), vec![4, 0, 0, 16], points, line];
    font(vec![], vec![(b"COLR", colr_1(&paint.concat())), (b"CPAL", green_and_blue())])
}

/// Like [`square_font`], but glyph 1 also has an SVG document with a red circle.
pub(crate) fn svg_font() -> FontData {
    let document = b"<svg xmlns='http://www.w3.org/2000/svg'><circle id='glyph1' r='500' fill='red'/></svg>";
    let list = [be16(1), be16(1), be16(1), be32(14), be32(document.len() as u32), document.to_vec()];
    font(damaged(), vec![(b"SVG ", [be16(0), be32(10), be32(0), list.concat()].concat())])
}

fn green_and_blue() -> Vec<u8> {
    [be16(0), be16(2), be16(1), be16(2), be32(14), be16(0), vec![0, 255, 0, 255, 255, 0, 0, 255]].concat()
}

/// COLR version 1 table in which glyph 0 is `paint`.
fn colr_1(paint: &[u8]) -> Vec<u8> {
    let nothing = [be16(0), be32(0), be32(0), be16(0)].concat();
    let list = [be32(1), be16(0), be32(10), paint.to_vec()].concat();
    [be16(1), nothing, be32(34), be32(0), be32(0), be32(0), be32(0), list].concat()
}

/// Like [`square_font`], but glyph 0 is the bitmap `png`, drawn for 20 px per em.
pub(crate) fn picture_font(png: &[u8]) -> FontData {
    let end = 20 + 8 + png.len() as u32;
    let strike = [be16(20), be16(72), be32(20), be32(end), be32(end), be32(end), be16(0), be16(0), b"png ".to_vec()];
    let sbix = [be16(1), be16(1), be32(1), be32(12), strike.concat(), png.to_vec()];
    font(vec![], vec![(b"sbix", sbix.concat())])
}

/// Composite glyph that attaches the square at point numbers it does not have.
fn damaged() -> Vec<u8> {
    [be16(-1), vec![0; 8], be16(0), be16(1), vec![200, 200]].concat()
}

/// Builds a font with `last` as glyph 2 and the tables `extra`.
fn font(last: Vec<u8>, extra: Vec<(&[u8; 4], Vec<u8>)>) -> FontData {
    let head = [
        be32(0x0001_0000),
        be32(0x0001_0000),
        be32(0),
        be32(0x5F0F_3CF5),
        be16(0),
        be16(1000),
        vec![0; 16],
        be16(0),
        be16(0),
        be16(500),
        be16(500),
        be16(0),
        be16(8),
        be16(2),
        be16(1),
        be16(0),
    ];
    let maxp = [be32(0x0001_0000), be16(3), vec![0; 26]];
    let hhea = [be32(0x0001_0000), be16(800), be16(-200), vec![0; 26], be16(3)];
    let hmtx = [be16(500), be16(0), be16(500), be16(0), be16(500), be16(0)];
    // One contour, bounds, last point 3, no instructions, four on-curve points with 16-bit steps.
    let square = [
        be16(1),
        be16(0),
        be16(0),
        be16(500),
        be16(500),
        be16(3),
        be16(0),
        vec![1; 4],
        be16(0),
        be16(0),
        be16(500),
        be16(0),
        be16(0),
        be16(500),
        be16(0),
        be16(-500),
    ]
    .concat();
    let ends = [0, 0, square.len(), square.len() + last.len()];
    let loca: Vec<u8> = ends.iter().flat_map(|end| be32(*end as u32)).collect();
    let mut tables = extra;
    tables.extend([
        (b"glyf", [square, last].concat()),
        (b"head", head.concat()),
        (b"hhea", hhea.concat()),
        (b"hmtx", hmtx.concat()),
        (b"loca", loca),
        (b"maxp", maxp.concat()),
    ]);
    tables.sort();
    FontData::new(Blob::from(sfnt(&tables)), 0)
}

fn sfnt(tables: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut file = [be32(0x0001_0000), be16(tables.len() as i16), vec![0; 6]].concat();
    let mut body = Vec::new();
    for (tag, table) in tables {
        let offset = 12 + 16 * tables.len() + body.len();
        file.extend([tag.to_vec(), be32(0), be32(offset as u32), be32(table.len() as u32)].concat());
        body.extend_from_slice(table);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    file.extend(body);
    file
}

fn be16(value: i16) -> Vec<u8> {
    value.to_be_bytes().to_vec()
}

fn be32(value: u32) -> Vec<u8> {
    value.to_be_bytes().to_vec()
}
