//! Line plots as SVG, with one or more series over a logarithmic or linear x axis and a y axis from 0.

use std::fmt::Write as _;

/// A plot: title, labels of the axes and data.
pub(crate) struct Plot<'a> {
    pub(crate) title: &'a str,
    pub(crate) x: &'a str,
    pub(crate) y: &'a str,
    /// Whether the x axis is logarithmic.
    pub(crate) logarithmic: bool,
    pub(crate) series: &'a [Series],
}

/// A line of the plot with its name in the legend.
pub(crate) struct Series {
    pub(crate) name: String,
    /// Points (x, y) with x increasing and above 0.
    pub(crate) points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 36.0;
const BOTTOM: f64 = 48.0;
/// Palette of Okabe and Ito, distinguishable in print and with colour blindness.
const COLOURS: [&str; 5] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00"];

impl Plot<'_> {
    /// The plot as an SVG document.
    pub(crate) fn svg(&self) -> String {
        let all = || self.series.iter().flat_map(|it| &it.points);
        let along = |x: f64| if self.logarithmic { x.ln() } else { x };
        let (low, high) =
            all().fold((f64::MAX, f64::MIN), |(low, high), (x, _)| (low.min(along(*x)), high.max(along(*x))));
        let top = all().map(|(_, y)| *y).fold(0.0, f64::max);
        let step = nice_step(top / 5.0);
        let y_max = (top / step).ceil().max(1.0) * step;
        let at_x = |x: f64| LEFT + (along(x) - low) / (high - low).max(f64::MIN_POSITIVE) * (WIDTH - LEFT - RIGHT);
        let at_y = |y: f64| HEIGHT - BOTTOM - y / y_max * (HEIGHT - TOP - BOTTOM);

        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
             font-size=\"12\" fill=\"#333\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n\
             <text x=\"{LEFT}\" y=\"20\" font-size=\"14\" font-weight=\"bold\">{}</text>\n",
            self.title
        );
        let mut y = 0.0;
        while y <= y_max * 1.001 {
            let at = at_y(y);
            let _ = writeln!(svg, "<path d=\"M{LEFT} {at:.1}H{:.1}\" stroke=\"#ddd\"/>", WIDTH - RIGHT);
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 6.0,
                at + 4.0,
                short(y)
            );
            y += step;
        }
        let mut ticks: Vec<f64> = all().map(|(x, _)| *x).collect();
        ticks.sort_by(f64::total_cmp);
        ticks.dedup();
        for x in ticks {
            let at = at_x(x);
            let _ = writeln!(
                svg,
                "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                HEIGHT - BOTTOM + 16.0,
                short(x)
            );
        }
        for (series, colour) in self.series.iter().zip(COLOURS) {
            let points: Vec<_> =
                series.points.iter().map(|(x, y)| format!("{:.1},{:.1}", at_x(*x), at_y(*y))).collect();
            let _ = writeln!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
                points.join(" ")
            );
            for (x, y) in &series.points {
                let _ =
                    writeln!(svg, "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{colour}\"/>", at_x(*x), at_y(*y));
            }
            if let Some((x, y)) = series.points.last() {
                let (x, y) = (at_x(*x) + 8.0, at_y(*y) + 4.0);
                let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"{colour}\">{}</text>", series.name);
            }
        }
        let (middle_x, middle_y) = ((LEFT + WIDTH - RIGHT) / 2.0, (TOP + HEIGHT - BOTTOM) / 2.0);
        let _ = writeln!(
            svg,
            "<text x=\"{middle_x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            HEIGHT - 10.0,
            self.x
        );
        let _ = writeln!(
            svg,
            "<text transform=\"translate(14 {middle_y:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            self.y
        );
        svg.push_str("</svg>\n");
        svg
    }
}

/// The smallest number of the form 1, 2 or 5 times a power of ten that is at least `step`.
fn nice_step(step: f64) -> f64 {
    let power = 10f64.powf(step.max(f64::MIN_POSITIVE).log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|it| it * power).into_iter().find(|it| *it >= step * 0.999).unwrap_or(step)
}

fn short(value: f64) -> String {
    let text = if value >= 10.0 || value == 0.0 { format!("{value:.0}") } else { format!("{value:.2}") };
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}
