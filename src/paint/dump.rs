//! Text form of a plan, for test snapshots and bug reports.

use std::fmt::{self, Write as _};

use kurbo::Affine;
use peniko::{BlendMode, Brush, GradientKind};

use super::plan::{FramePlan, Glyphs, Op, Snap, Step};
use crate::scene::GlyphStyle;

impl FramePlan {
    /// Describes the plan with one line per operation, indented by open clips and layers. Numbers are rounded to 0.01.
    pub fn dump(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        for (index, size) in self.surfaces.iter().enumerate() {
            writeln!(out, "surface {index}: {}x{}", size.width, size.height)?;
        }
        for step in &self.steps {
            let (into, ops) = match step {
                Step::Draw { into, ops } => (into, ops),
                Step::Filter { from, into, kernel } => {
                    writeln!(out, "filter {} into {}: {kernel:?}", from.0, into.0)?;
                    continue;
                }
            };
            writeln!(out, "draw into {}", into.0)?;
            let mut depth = 1;
            for op in ops {
                if matches!(op, Op::PopClip | Op::PopLayer) {
                    depth -= 1;
                    continue;
                }
                write!(out, "{:1$}", "", depth * 2)?;
                write_op(out, op)?;
                depth += usize::from(matches!(op, Op::PushClip { .. } | Op::PushLayer { .. }));
            }
        }
        self.warnings.iter().try_for_each(|warning| writeln!(out, "warning {warning}"))
    }
}

fn write_op(out: &mut String, op: &Op) -> fmt::Result {
    match op {
        Op::PopClip | Op::PopLayer => Ok(()),
        Op::PushClip { outline, transform } => writeln!(out, "clip {}{}", outline.to_svg(), TransformText(transform)),
        Op::PushLayer { clip, transform, opacity, blend } => {
            write!(out, "layer opacity {:.2}", opacity.get())?;
            if *blend != BlendMode::default() {
                write!(out, " blend {:?}/{:?}", blend.mix, blend.compose)?;
            }
            if let Some(clip) = clip {
                write!(out, " clip {}{}", clip.to_svg(), TransformText(transform))?;
            }
            writeln!(out)
        }
        Op::Fill { outline, paint, transform, .. } => {
            writeln!(out, "fill {} {}{}", outline.to_svg(), BrushText(&paint.brush), TransformText(transform))
        }
        Op::Stroke { outline, stroke, paint, transform } => {
            writeln!(
                out,
                "stroke {:.2} {} {}{}",
                stroke.width,
                outline.to_svg(),
                BrushText(&paint.brush),
                TransformText(transform)
            )
        }
        Op::Glyphs(run) => write_glyphs(out, run),
        Op::Surface { surface, transform } => {
            let [a, b, c, d, x, y] = transform.as_coeffs();
            write!(out, "surface {} at {x:.2} {y:.2}", surface.0)?;
            if [a, b, c, d] != [1.0, 0.0, 0.0, 1.0] {
                write!(out, " linear {a:.2} {b:.2} {c:.2} {d:.2}")?;
            }
            writeln!(out)
        }
        Op::Image { picture, source, dest, passes, opacity, transform } => {
            let (s, d) = (source, dest);
            write!(
                out,
                "image {}x{} source {:.2} {:.2} {:.2} {:.2}",
                picture.width, picture.height, s.x0, s.y0, s.x1, s.y1
            )?;
            write!(out, " dest {:.2} {:.2} {:.2} {:.2} opacity {:.2}", d.x0, d.y0, d.x1, d.y1, opacity.get())?;
            passes.iter().try_for_each(|pass| write!(out, " {pass:?}"))?;
            writeln!(out, "{}", TransformText(transform))
        }
    }
}

fn write_glyphs(out: &mut String, run: &Glyphs) -> fmt::Result {
    let style = match run.style {
        GlyphStyle::Fill => "fill",
        GlyphStyle::Stroke(_) => "stroke",
    };
    let snapped = match run.snap {
        Snap::Rows => " snapped",
        Snap::Columns => " snapped to columns",
        Snap::Quarters => "",
    };
    write!(out, "glyphs {style} {:.2}px{snapped}{}", run.size, TransformText(&run.linear))?;
    run.glyphs.iter().try_for_each(|glyph| write!(out, " {}@{:.2},{:.2}", glyph.id, glyph.at.x, glyph.at.y))?;
    writeln!(out)
}

/// Displays a solid colour as eight hex digits, and a gradient as its line and stops.
struct BrushText<'a>(&'a Brush);

impl fmt::Display for BrushText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |f: &mut fmt::Formatter<'_>, color: peniko::Color| {
            write!(f, "#{:08x}", color.to_rgba8().to_u32().swap_bytes())
        };
        match self.0 {
            Brush::Solid(color) => hex(f, *color),
            Brush::Gradient(gradient) => {
                match &gradient.kind {
                    GradientKind::Linear(line) => {
                        let (from, to) = (line.start, line.end);
                        write!(f, "linear {:.2},{:.2} to {:.2},{:.2}", from.x, from.y, to.x, to.y)?;
                    }
                    GradientKind::Radial(_) => f.write_str("radial")?,
                    GradientKind::Sweep(_) => f.write_str("sweep")?,
                }
                gradient.stops.iter().try_for_each(|stop| {
                    write!(f, " {:.2} ", stop.offset)?;
                    hex(f, stop.color.to_alpha_color())
                })
            }
            Brush::Image(_) => f.write_str("picture"),
        }
    }
}

/// Displays a transform, or nothing for the identity.
struct TransformText<'a>(&'a Affine);

impl fmt::Display for TransformText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self.0 == Affine::IDENTITY {
            return Ok(());
        }
        let [a, b, c, d, x, y] = self.0.as_coeffs();
        write!(f, " at [{a:.2} {b:.2} {c:.2} {d:.2} {x:.2} {y:.2}]")
    }
}
