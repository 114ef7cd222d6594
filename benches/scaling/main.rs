//! Scaling studies: `cargo bench --bench scaling` measures this machine and writes `docs/performance.md` with its
//! plots.
//!
//! Each figure is a separate process of `tenter bench`, so that runs do not share memory or caches.

mod plot;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use plot::{Plot, Series};
use serde_json::{Value, json};
use tenter::options::RenderOptions;
use tenter::output::{Compression, FormatKind, OutputOptions};
use tenter::pipeline::{Engine, Pages, RenderRequest, format_for};
use tenter::raster::{Raster, Straight};
use tenter::report::JsonPath;
use tenter::units::DeviceSize;

/// Duration of each measurement in seconds.
const SECONDS: &str = "2";
const EXAMPLE: &str = "examples/social-post.json";
const PHOTOS: &str = "examples/product-billboard.json";

fn main() {
    // `cargo test --benches` runs the program without `--bench`, only to check that it starts.
    if !std::env::args().any(|it| it == "--bench") {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::env::set_current_dir(root).expect("the repository");
    let mut text = include_str!("head.md").replace("MACHINE", &machine());
    text.push_str(&threads());
    text.push_str(&pixels());
    text.push_str(&elements());
    text.push_str(&memory());
    text.push_str(&formats());
    std::fs::write("docs/performance.md", text).expect("docs/performance.md");
}

fn machine() -> String {
    let known = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = known.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{}, {cores} cores", name.map_or(std::env::consts::ARCH, |(_, name)| name.trim()))
}

/// Runs `tenter bench --json` and returns its result.
fn bench(design: &Path, arguments: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenter"));
    command.arg("bench").arg(design).args(["--json", "--seconds", SECONDS]).args(arguments);
    let output = command.output().expect("tenter runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let measured: Value = serde_json::from_slice(&output.stdout).expect("one object");
    eprintln!("{} {arguments:?}: {}", design.display(), measured["pages_per_second"]);
    measured
}

fn number(measured: &Value, key: &str) -> f64 {
    measured[key].as_f64().unwrap_or_else(|| panic!("{key}: {measured}"))
}

/// Writes the plot to `docs/pictures` and returns the Markdown that shows it.
fn shown(name: &str, plot: &Plot<'_>) -> String {
    std::fs::write(format!("docs/pictures/performance-{name}.svg"), plot.svg()).expect("docs/pictures");
    format!("\n![{}](pictures/performance-{name}.svg)\n", plot.title)
}

fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut text = format!("\n| {} |\n|{}\n", head.join(" | "), " --- |".repeat(head.len()));
    rows.iter().for_each(|row| text.push_str(&format!("| {} |\n", row.join(" | "))));
    text
}

fn threads() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let counts: Vec<usize> = (0..).map(|it| 1 << it).take_while(|it| *it <= cores).collect();
    let mut series = Vec::new();
    let mut rows = Vec::new();
    for (name, design) in [("social-post", EXAMPLE), ("product-billboard", PHOTOS)] {
        for format in ["png", "jpeg"] {
            let points: Vec<_> = counts
                .iter()
                .map(|count| {
                    let measured = bench(Path::new(design), &["--threads", &count.to_string(), "--format", format]);
                    (*count as f64, number(&measured, "pages_per_second"))
                })
                .collect();
            rows.extend(points.iter().map(|(count, rate)| {
                vec![
                    name.to_owned(),
                    format.to_owned(),
                    count.to_string(),
                    format!("{rate:.1}"),
                    format!("{:.2}", rate / points[0].1),
                ]
            }));
            series.push(Series { name: format!("{name}, {format}"), points });
        }
    }
    let plot =
        Plot { title: "Pages a second by threads", x: "threads", y: "pages/s", logarithmic: false, series: &series };
    let mut text = include_str!("threads.md").to_owned();
    text.push_str(&shown("threads", &plot));
    text + &table(&["design", "format", "threads", "pages/s", "times one thread"], &rows)
}

fn pixels() -> String {
    let design: Value = serde_json::from_slice(&std::fs::read(EXAMPLE).expect("the example")).expect("JSON");
    let own = number(&design, "width") * number(&design, "height") / 1e6;
    let mut series = Vec::new();
    let mut rows = Vec::new();
    for format in ["png", "jpeg", "raw"] {
        let points: Vec<_> = [0.1f64, 0.4, 1.0, 4.0, 16.0]
            .iter()
            .map(|megapixels| {
                let options = json!({"pixelRatio": (megapixels / own).sqrt()}).to_string();
                let arguments = ["--threads", "1", "--format", format, "--options", &options];
                (*megapixels, number(&bench(Path::new(EXAMPLE), &arguments), "page_ms"))
            })
            .collect();
        rows.extend(points.iter().map(|(size, ms)| {
            vec![format.to_owned(), format!("{size}"), format!("{ms:.2}"), format!("{:.2}", ms / size)]
        }));
        series.push(Series { name: format.to_owned(), points });
    }
    let plot =
        Plot { title: "Time of a page by its pixels", x: "megapixels", y: "ms", logarithmic: true, series: &series };
    let mut text = include_str!("pixels.md").to_owned();
    text.push_str(&shown("pixels", &plot));
    text + &table(&["format", "megapixels", "ms", "ms a megapixel"], &rows)
}

fn elements() -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut series = Vec::new();
    let mut rows = Vec::new();
    for (name, kind) in [("texts", "text"), ("figures", "figure")] {
        let mut points = Vec::new();
        for count in [10u32, 50, 200, 800, 2000] {
            let path = folder.path().join(format!("{name}-{count}.json"));
            std::fs::write(&path, page_of(kind, count).to_string()).expect("written");
            let measured = bench(&path, &["--threads", "1", "--format", "raw"]);
            let ms = number(&measured, "page_ms");
            let stages = &measured["stages_ms"];
            let stage = |name: &str| stages[name].as_f64().map_or("-".to_owned(), |it| format!("{it:.2}"));
            let mut row = vec![
                name.to_owned(),
                count.to_string(),
                format!("{ms:.2}"),
                format!("{:.1}", ms * 1000.0 / f64::from(count)),
            ];
            row.extend(["parse", "text", "plan", "paint"].map(stage));
            rows.push(row);
            points.push((f64::from(count), ms));
        }
        series.push(Series { name: name.to_owned(), points });
    }
    let plot =
        Plot { title: "Time of a page by its elements", x: "elements", y: "ms", logarithmic: true, series: &series };
    let mut text = include_str!("elements.md").to_owned();
    text.push_str(&shown("elements", &plot));
    text + &table(&["of", "elements", "ms", "µs an element", "parse", "resolve", "plan", "paint"], &rows)
}

/// A page of 1080 × 1080 px with `count` elements of this kind in a grid; all texts are different.
fn page_of(kind: &str, count: u32) -> Value {
    let columns = f64::from(count).sqrt().ceil();
    let side = 1080.0 / columns;
    let children: Vec<_> = (0..count)
        .map(|at| {
            let (row, column) = ((f64::from(at) / columns).floor(), f64::from(at) % columns);
            let hue = at * 47 % 360;
            let figure = ["rect", "star", "circle", "heart"][at as usize % 4];
            json!({
                "id": format!("e{at}"), "type": kind, "subType": figure,
                "x": column * side, "y": row * side, "width": side, "height": side, "fill": format!("hsl({hue}, 60%, 45%)"),
                "text": format!("Line {at} of words"), "fontSize": (side / 5.0).max(4.0), "fontFamily": "Roboto",
            })
        })
        .collect();
    json!({"width": 1080, "height": 1080, "pages": [{"id": "p", "background": "white", "children": children}]})
}

fn memory() -> String {
    let mut series = Vec::new();
    let mut rows = Vec::new();
    for (name, design) in [("social-post", EXAMPLE), ("product-billboard", PHOTOS)] {
        let mut points = Vec::new();
        for in_flight in ["1", "2", "4", "8", "16"] {
            let measured = bench(Path::new(design), &["--in-flight", in_flight]);
            let rss = number(&measured, "peak_rss_mb");
            points.push((in_flight.parse().expect("a number"), rss));
            let rate = format!("{:.1}", number(&measured, "pages_per_second"));
            rows.push(vec![
                name.to_owned(),
                in_flight.to_owned(),
                format!("{rss:.0}"),
                rate,
                format!("{:.1}", number(&measured, "p99_ms")),
            ]);
        }
        series.push(Series { name: name.to_owned(), points });
    }
    let plot = Plot {
        title: "Peak memory by requests in flight",
        x: "in flight",
        y: "MB",
        logarithmic: true,
        series: &series,
    };
    let mut text = include_str!("memory.md").to_owned();
    text.push_str(&shown("memory", &plot));
    text + &table(&["design", "in flight", "peak RSS, MB", "pages/s", "p99, ms"], &rows)
}

/// Encoding time and file size of every format and effort, for photos and for flat art.
fn formats() -> String {
    const LAPS: usize = 5;
    let pages = [("social-post", EXAMPLE), ("product-billboard", PHOTOS)].map(|(name, design)| (name, painted(design)));
    let mut rows = Vec::new();
    let kinds = [("png", None), ("jpeg", None), ("jpeg", Some(0.8)), ("webp", None), ("webp", Some(1.0))];
    for (format, quality) in kinds {
        let writer = format_for(Some((format, JsonPath::root())), &RenderOptions::default()).expect("a format");
        let FormatKind::Pictures(writer) = writer.kind() else { unreachable!("pictures only") };
        for compression in Compression::ALL {
            let options = OutputOptions { quality, compression, ..OutputOptions::default() };
            let mut row = vec![
                format.to_owned(),
                quality.map_or("-".to_owned(), |it| it.to_string()),
                compression.as_str().to_owned(),
            ];
            for (_, raster) in &pages {
                let (mut best, mut bytes) = (f64::MAX, 0);
                for _ in 0..LAPS {
                    let begun = Instant::now();
                    bytes = writer.write(raster, &options).expect("written").len();
                    best = best.min(begun.elapsed().as_secs_f64() * 1000.0);
                }
                row.extend([format!("{best:.1}"), format!("{:.0}", bytes as f64 / 1000.0)]);
            }
            rows.push(row);
        }
    }
    let head = ["format", "quality", "compression", "social-post, ms", "kB", "product-billboard, ms", "kB"];
    include_str!("formats.md").to_owned() + &table(&head, &rows)
}

/// Pixels of the first page.
fn painted(design: &str) -> Raster<Straight> {
    let path = PathBuf::from(design);
    let design = serde_json::from_slice(&std::fs::read(&path).expect("the example")).expect("JSON");
    let engine = Engine::new(&Default::default()).expect("an engine");
    let options = RenderOptions::default();
    let format = format_for(None, &options).expect("PNG");
    let request = RenderRequest { design, at: JsonPath::root(), options, format, pages: Pages::First };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let rendered = runtime.block_on(engine.render(request)).expect("rendered");
    let picture = image::load_from_memory(&rendered.pages[0].bytes).expect("a PNG").into_rgba8();
    let size = DeviceSize { width: picture.width(), height: picture.height() };
    Raster::from_pixels(size, picture.into_raw()).expect("four bytes a pixel")
}
