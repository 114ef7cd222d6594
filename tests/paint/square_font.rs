//! A font made here, so that tests of drawing need no file and can tell every pixel.

use peniko::{Blob, FontData};

/// 1000 units an em. Glyph 0 is empty, glyph 1 a square from the origin, 500 wide and high, glyph 2 is damaged.
pub(crate) fn square_font() -> FontData {
    font(true, vec![])
}

/// As above, but glyph 0 has one layer: the square in green.
pub(crate) fn layered_font(with_damaged_glyph: bool) -> FontData {
    let colr = [be16(0), be16(1), be32(14), be32(20), be16(1), be16(0), be16(0), be16(1), be16(1), be16(0)];
    let cpal = [be16(0), be16(1), be16(1), be16(1), be32(14), be16(0), vec![0, 255, 0, 255]];
    font(with_damaged_glyph, vec![(b"COLR", colr.concat()), (b"CPAL", cpal.concat())])
}

/// As above, but glyph 0 is `png`, drawn for 20 px an em.
pub(crate) fn picture_font(png: &[u8]) -> FontData {
    let end = 20 + 8 + png.len() as u32;
    let strike = [be16(20), be16(72), be32(20), be32(end), be32(end), be32(end), be16(0), be16(0), b"png ".to_vec()];
    let sbix = [be16(1), be16(1), be32(1), be32(12), strike.concat(), png.to_vec()];
    font(false, vec![(b"sbix", sbix.concat())])
}

fn font(with_damaged_glyph: bool, extra: Vec<(&[u8; 4], Vec<u8>)>) -> FontData {
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
    // The square, hung up at points that it does not have.
    let damaged = [be16(-1), vec![0; 8], be16(0), be16(1), vec![200, 200]].concat();
    let damaged = if with_damaged_glyph { damaged } else { vec![] };
    let ends = [0, 0, square.len(), square.len() + damaged.len()];
    let loca: Vec<u8> = ends.iter().flat_map(|end| be32(*end as u32)).collect();
    let mut tables = extra;
    tables.extend([
        (b"glyf", [square, damaged].concat()),
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
