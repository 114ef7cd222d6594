//! The golden tests in `golden/`, and tests of their harness.

#![expect(clippy::unwrap_used, reason = "tests panic on failure")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::golden::{Column, Goldens, Share, Tolerance, Verdict};
use support::painter::{self, Painter};
use tempfile::TempDir;
use tenter::raster::{Raster, Straight};
use tenter::units::DeviceSize;

/// Cases that may differ by more than one level.
const TOLERANCES: &[Tolerance] = &[];

#[test]
fn goldens() {
    Goldens::of_the_repository(TOLERANCES).check(render);
}

/// Cases in which more pixels may differ on the GPU than in others.
const GPU_EXCEPTIONS: &[Share] = &[Share {
    case: "line/thin_as_hairline",
    visible: 0.02,
    why: "lines thinner than a px are all edge: vello rounds their coverage elsewhere, up to 11 levels",
}];

/// Renders every case on a GPU or on Mesa's software adapter (`mesa-vulkan-drivers`, `libvulkan1`). Skipped without an
/// adapter, unless `GPU_COLUMN=required` makes that a failure.
#[test]
#[cfg(feature = "gpu")]
#[expect(clippy::disallowed_methods, reason = "GPU_COLUMN configures this test, not the program")]
fn goldens_on_the_gpu() {
    let goldens = Goldens::on_the_gpu(GPU_EXCEPTIONS);
    let painter = match Painter::on_the_gpu() {
        Ok(painter) => painter,
        Err(why) => {
            let required = std::env::var("GPU_COLUMN").is_ok_and(|it| it == "required");
            assert!(!required, "the GPU column is required, and {} cases would be skipped: {why}", goldens.count());
            println!("skipped: {} cases of the GPU column: {why}", goldens.count());
            return;
        }
    };
    println!("{} cases on {}", goldens.count(), painter.adapter());
    goldens.check(|case| {
        let page = painter.page(serde_json::from_str(case).map_err(|error| error.to_string())?)?;
        if page.rasterizer == "cpu" {
            return Err("the guards left it to the CPU".into());
        }
        painter::decode(&page.bytes)
    });
}

/// Caches never change a picture: an engine without caches, one with cold caches and the same one with warm caches give
/// equal bytes.
#[test]
fn warm_and_cold_caches_give_equal_bytes() {
    let cases = cases();
    assert!(cases.len() > 50, "{} cases", cases.len());
    let (cold, warm) = (Painter::without_caches(), Painter::shared());
    let encode = |painter: &Painter, path: &Path| {
        let case: Value = serde_json::from_slice(&fs::read(path).expect("readable")).expect("JSON");
        painter.encode(case).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let expected: Vec<_> = cases.iter().map(|path| encode(&cold, path)).collect();
    // The second pass is in reverse order, so that each case finds caches that others filled.
    let (once, again) = (cases.iter().zip(&expected), cases.iter().zip(&expected).rev());
    for (path, expected) in once.chain(again) {
        assert!(encode(warm, path) == *expected, "{} comes out differently", path.display());
    }
}

/// Paths of all designs in `golden/*/` and `examples/`.
fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = fs::read_dir(root.join("golden")).expect("golden/").map(|it| it.expect("an entry").path());
    let folders = folders.filter(|it| it.is_dir()).chain([root.join("examples")]);
    let files = folders.flat_map(|it| fs::read_dir(it).expect("a folder")).map(|it| it.expect("an entry").path());
    let mut cases: Vec<_> = files.filter(|it| it.extension().is_some_and(|it| it == "json")).collect();
    cases.sort();
    cases
}

/// Renders a case on the CPU.
fn render(case: &str) -> Result<Raster<Straight>, String> {
    Painter::shared().paint(serde_json::from_str(case).map_err(|error| error.to_string())?)
}

/// Stands in for rendering in tests of the harness: the "design" `WxH:grey` is a picture of that size and grey level.
fn flat(design: &str) -> Result<Raster<Straight>, String> {
    let (size, grey) = design.trim().split_once(':').ok_or("no colour")?;
    let (width, height) = size.split_once('x').ok_or("no size")?;
    let size = DeviceSize { width: width.parse().unwrap(), height: height.parse().unwrap() };
    let grey: u8 = grey.parse().unwrap();
    Ok(Raster::from_pixels(size, [grey, grey, grey, 255].repeat(size.pixels() as usize)).unwrap())
}

struct Folder {
    folder: TempDir,
    tolerances: &'static [Tolerance],
}

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        let new = Self { folder, tolerances: &[] };
        files.iter().for_each(|(path, text)| new.write(path, text));
        new
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    /// Runs the harness and returns one line per case with its verdict.
    fn run(&self, bless: &str) -> String {
        let report = self.root().join("report");
        let goldens = Goldens {
            root: self.root().join("golden"),
            report,
            bless: bless.into(),
            tolerances: self.tolerances,
            column: Column::Cpu,
        };
        let line = |verdict: Verdict| match verdict {
            Verdict::Failed(message) => message,
            other => other.name().to_owned(),
        };
        let outcomes = goldens.run(flat);
        outcomes.into_iter().map(|it| format!("{}: {}\n", it.case, line(it.verdict))).collect()
    }
}

#[test]
fn golden_is_written_only_when_blessed() {
    let folder = Folder::new(&[("golden/a/one.json", "4x4:10"), ("golden/a/two.json", "4x4:20")]);
    assert_eq!(
        folder.run(""),
        "a/one: no reference picture; to accept this one: BLESS=a/one\n\
         a/two: no reference picture; to accept this one: BLESS=a/two\n"
    );
    assert!(!folder.root().join("golden/a/one.png").exists());
    assert!(folder.run("a/one").starts_with("a/one: written\na/two: no reference"));
    assert_eq!(folder.run("a/*"), "a/one: written\na/two: written\n");
    assert_eq!(folder.run(""), "a/one: passed\na/two: passed\n");
}

#[test]
fn golden_difference_fails_and_writes_pictures() {
    let mut folder = Folder::new(&[("golden/a/one.json", "4x4:10")]);
    folder.run("*");
    folder.write("golden/a/one.json", "4x4:11");
    assert_eq!(folder.run(""), "a/one: passed\n");
    folder.write("golden/a/one.json", "4x4:30");
    let differs = "a/one: differs by up to 20 levels (allowed: 1, rounding), 100.00 % of the pixels by more than 8\n";
    assert_eq!(folder.run(""), differs);
    for part in ["a/one.expected.png", "a/one.difference.png", "a/one.actual.png", "index.html", "report.json"] {
        assert!(folder.root().join("report").join(part).exists(), "{part}");
    }
    let numbers: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.root().join("report/report.json")).unwrap()).unwrap();
    assert_eq!(numbers["cases"][0]["max"], 20);
    folder.tolerances = &[
        Tolerance { case: "a/one", max: 20, why: "shows that tolerances count" },
        Tolerance { case: "a/gone", max: 2, why: "shows that stale ones are found" },
    ];
    assert_eq!(folder.run(""), "a/one: passed\na/gone: a tolerance for a case that does not exist\n");
    folder.write("golden/a/one.json", "5x4:10");
    assert!(folder.run("").starts_with("a/one: the size is 5 x 4, expected 4 x 4\n"));
}

#[test]
fn golden_file_that_no_case_uses_fails() {
    let folder = Folder::new(&[
        ("golden/a/one.png", "?"),
        ("golden/assets/map.png", "?"),
        ("golden/fonts/sans.ttf", "?"),
        ("golden/fonts/sans.LICENSE.txt", "?"),
    ]);
    assert_eq!(
        folder.run(""),
        "a/one: a picture that no case reads: remove it or add its .json\n\
         assets/map.png: a file that no case names: remove it or use it\n\
         fonts/sans.ttf: a file that no case names: remove it or use it\n"
    );
}

#[test]
fn golden_above_the_size_limit_fails() {
    let folder = Folder::new(&[("golden/a/wide.json", "301x4:10"), ("golden/a/heavy.json", "4x4:10")]);
    fs::write(folder.root().join("golden/a/heavy.png"), vec![0; 21 * 1024]).unwrap();
    assert_eq!(
        folder.run(""),
        "a/heavy: the picture takes 21504 bytes, at most 20480: use a smaller canvas or less noise\n\
         a/wide: 301 x 4 px; at most 300 a side, to keep the repository small\n"
    );
}

#[test]
fn golden_failures_say_what_to_do() {
    let folder = Folder::new(&[("golden/a/one.json", "4x4:10")]);
    let goldens = Goldens {
        root: folder.root().join("golden"),
        report: folder.root().join("report"),
        bless: String::new(),
        tolerances: &[],
        column: Column::Cpu,
    };
    let failed = std::panic::catch_unwind(|| goldens.check(flat)).unwrap_err();
    let message = failed.downcast_ref::<String>().unwrap();
    assert!(message.contains("1 of 1 goldens failed") && message.contains("index.html"), "{message}");
    assert!(message.contains("BLESS=a/one"), "{message}");
}
