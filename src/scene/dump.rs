//! Text form of a page, for test snapshots and bug reports.

use std::fmt::{self, Write as _};

use super::{Bitmap, BitmapGrid, GlyphStyle, Group, Link, Node, Page};

impl Page {
    /// Describes the page with one line per node, indented by depth. Numbers are rounded to 0.01.
    pub fn dump(&self) -> String {
        let mut out = String::new();
        let Self { size, bleed, root } = self;
        let _ = writeln!(
            out,
            "page {}x{} bleed {} {} {} {}",
            size.width, size.height, bleed.x0, bleed.y0, bleed.x1, bleed.y1
        );
        // Writing to a String cannot fail.
        let _ = dump_group(&mut out, root, 1);
        out
    }
}

fn dump_group(out: &mut String, group: &Group, depth: usize) -> fmt::Result {
    write!(out, "{:1$}group", "", depth * 2)?;
    if let Some(origin) = &group.origin {
        write!(out, " {}", origin.path)?;
    }
    let [a, b, c, d, e, f] = group.transform.as_coeffs();
    if group.transform != kurbo::Affine::IDENTITY {
        write!(out, " transform {a:.2} {b:.2} {c:.2} {d:.2} {e:.2} {f:.2}")?;
    }
    if let Some(clip) = &group.clip {
        write!(out, " clip {}", clip.to_svg())?;
    }
    if let Some(Bitmap { area, grid }) = &group.bitmap {
        let grid = match grid {
            BitmapGrid::Covering => "",
            BitmapGrid::Stretched => " stretched",
        };
        write!(out, " bitmap {:.2},{:.2} {:.2}x{:.2}{grid}", area.x0, area.y0, area.width(), area.height())?;
    }
    if group.blur.0 > 0.0 {
        write!(out, " blur {:.2}", group.blur.0)?;
    }
    group.recolor.iter().try_for_each(|pass| write!(out, " {pass:?}"))?;
    if let Some(shadow) = &group.shadow {
        let (x, y) = (shadow.offset.x, shadow.offset.y);
        write!(out, " shadow {x:.2},{y:.2} sigma {:.2} {:?}", shadow.sigma.0, shadow.color)?;
    }
    if group.opacity.get() < 1.0 {
        write!(out, " opacity {:.2}", group.opacity.get())?;
    }
    writeln!(out)?;
    for Link { area, href } in &group.links {
        let (x, y, width, height) = (area.x0, area.y0, area.width(), area.height());
        writeln!(out, "{:1$}link {x:.2},{y:.2} {width:.2}x{height:.2} {href:?}", "", depth * 2 + 2)?;
    }
    group.children.iter().try_for_each(|child| dump_node(out, child, depth + 1))?;
    let Some(mask) = &group.mask else { return Ok(()) };
    writeln!(out, "{:1$}mask", "", depth * 2 + 2)?;
    dump_group(out, mask, depth + 2)
}

fn dump_node(out: &mut String, node: &Node, depth: usize) -> fmt::Result {
    let indent = depth * 2;
    match node {
        Node::Group(group) => dump_group(out, group, depth),
        Node::Path(path) => {
            write!(out, "{:indent$}path {}", "", path.outline.to_svg())?;
            if let Some((paint, _)) = &path.fill {
                write!(out, " fill {:?}", paint.brush)?;
            }
            if let Some((paint, stroke)) = &path.stroke {
                write!(out, " stroke {:.2} {:?}", stroke.width, paint.brush)?;
            }
            writeln!(out)
        }
        Node::Glyphs(run) => {
            let style = match run.style {
                GlyphStyle::Fill => "fill",
                GlyphStyle::Stroke(_) => "stroke",
            };
            let (x, y) = (run.origin.x, run.origin.y);
            writeln!(out, "{:indent$}glyphs {style} {:.2}px at {x:.2},{y:.2} {:?}", "", run.font_size.0, run.text)
        }
        Node::Image(image) => {
            let (s, d) = (image.source, image.dest);
            write!(
                out,
                "{:indent$}image {}x{} source {:.2},{:.2} {:.2}x{:.2} dest {:.2},{:.2} {:.2}x{:.2}",
                "",
                image.picture.width,
                image.picture.height,
                s.x0,
                s.y0,
                s.width(),
                s.height(),
                d.x0,
                d.y0,
                d.width(),
                d.height()
            )?;
            image.passes.iter().try_for_each(|pass| write!(out, " {pass:?}"))?;
            writeln!(out)
        }
    }
}
