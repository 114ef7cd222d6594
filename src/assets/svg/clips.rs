//! Clip paths that can be expressed as outlines with the nonzero rule.

use kurbo::{Affine, BezPath, PathEl, Point, Rect, Shape, Vec2};

use super::paints::{affine, outline, rule};

/// Outlines to clip by in turn, outermost first, in the clipped group's coordinates; `None` when outlines with the
/// nonzero rule cannot express the clip path.
pub(super) fn outlines(clip: &usvg::ClipPath) -> Option<Vec<BezPath>> {
    let mut out = match clip.clip_path() {
        Some(outer) => outlines(outer)?,
        None => Vec::new(),
    };
    let mut parts = Vec::new();
    collect(clip.root(), affine(clip.transform()), &mut parts)?;
    out.push(union(parts)?);
    Some(out)
}

fn collect(group: &usvg::Group, transform: Affine, parts: &mut Vec<(BezPath, peniko::Fill)>) -> Option<()> {
    for node in group.children() {
        match node {
            usvg::Node::Path(path) if !path.is_visible() => {}
            usvg::Node::Path(path) => {
                if let Some(fill) = path.fill() {
                    parts.push((transform * outline(path.data()), rule(fill.rule())));
                }
            }
            usvg::Node::Group(group) if group.clip_path().is_some() => return None,
            usvg::Node::Group(group) => collect(group, transform * affine(group.transform()), parts)?,
            usvg::Node::Text(text) => collect(text.flattened(), transform, parts)?,
            // Images do not clip.
            usvg::Node::Image(_) => {}
        }
    }
    Some(())
}

/// One outline that covers the union of all parts.
fn union(mut parts: Vec<(BezPath, peniko::Fill)>) -> Option<BezPath> {
    // A convex part covers the same area by either rule.
    if parts.iter().any(|(part, rule)| *rule == peniko::Fill::EvenOdd && !is_convex(part)) {
        return None;
    }
    if parts.len() > 1 && !are_apart(&parts) {
        if !parts.iter().all(|(part, _)| is_convex(part)) {
            return None;
        }
        // With a uniform direction, overlaps add up instead of cancelling.
        for (part, _) in &mut parts {
            if part.area() < 0.0 {
                *part = part.reverse_subpaths();
            }
        }
    }
    Some(parts.into_iter().flat_map(|(part, _)| part).collect())
}

fn are_apart(parts: &[(BezPath, peniko::Fill)]) -> bool {
    // Quadratic: with more parts than this a bitmap is the better clip.
    const MANY: usize = 200;
    let boxes: Vec<Rect> = parts.iter().map(|(part, _)| part.control_box()).collect();
    let overlap = |a: &Rect, b: &Rect| a.x0 < b.x1 && b.x0 < a.x1 && a.y0 < b.y1 && b.y0 < a.y1;
    boxes.len() <= MANY && boxes.iter().enumerate().all(|(at, a)| boxes[at + 1..].iter().all(|b| !overlap(a, b)))
}

/// True for a single subpath whose control points turn in one direction, once around, so that the curve is convex.
fn is_convex(path: &BezPath) -> bool {
    let mut points: Vec<Point> = Vec::new();
    for (at, element) in path.elements().iter().enumerate() {
        match *element {
            PathEl::MoveTo(_) if at > 0 => return false,
            PathEl::MoveTo(p) | PathEl::LineTo(p) => points.push(p),
            PathEl::QuadTo(a, p) => points.extend([a, p]),
            PathEl::CurveTo(a, b, p) => points.extend([a, b, p]),
            PathEl::ClosePath => {}
        }
    }
    let sides: Vec<Vec2> = (0..points.len())
        .map(|at| points[(at + 1) % points.len()] - points[at])
        .filter(|side| side.hypot2() > 1e-12)
        .collect();
    let turns: Vec<f64> = (0..sides.len())
        .map(|at| {
            let (a, b) = (sides[at], sides[(at + 1) % sides.len()]);
            a.cross(b).atan2(a.dot(b))
        })
        .collect();
    let one_way = turns.iter().all(|it| *it > -1e-6) || turns.iter().all(|it| *it < 1e-6);
    let around: f64 = turns.iter().sum();
    one_way && (around.abs() - std::f64::consts::TAU).abs() < 1e-3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(data: &str) -> BezPath {
        BezPath::from_svg(data).expect("a path")
    }

    #[test]
    fn convexity_is_one_turn_around() {
        assert!(is_convex(&path("M0 0H10V10H0Z")));
        assert!(is_convex(&kurbo::Circle::new((5.0, 5.0), 3.0).to_path(0.1)));
        assert!(!is_convex(&path("M0 0H10V10H5V5H0Z")), "an L");
        assert!(!is_convex(&path("M0 -10L6 8L-9 -3H9L-6 8Z")), "a star turns one way, twice around");
        assert!(!is_convex(&path("M0 0H10V10H0Z M20 0h1v1z")));
    }

    #[test]
    fn union_of_overlapping_squares_covers_both() {
        let nonzero = |data: &str| (path(data), peniko::Fill::NonZero);
        // Opposite directions: a plain join would cancel where they overlap.
        let both = union(vec![nonzero("M0 0H10V10H0Z"), nonzero("M5 5V15H15V5Z")]).expect("convex");
        assert_ne!(both.winding(Point::new(7.0, 7.0)), 0);
        assert_ne!(both.winding(Point::new(12.0, 12.0)), 0);
        assert!(union(vec![nonzero("M0 0H10V10H5V5H0Z"), nonzero("M0 0H10V10H0Z")]).is_none());
    }
}
