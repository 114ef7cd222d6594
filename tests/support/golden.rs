//! Golden tests: `<topic>/<case>.json` is a design and `<topic>/<case>.png` its reference picture.
//! `golden/README.md` describes how to add or change one.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder, RgbaImage};
use tenter::raster::{Raster, Straight};

use super::compare::{self, Difference};
use super::painter::FILE;
use super::report;

/// Allowed difference in levels on the CPU: SIMD widths round float sums differently (see `paint::ops_cpu`). A larger
/// difference is a change that must be reviewed.
pub(crate) const CPU_TOLERANCE: u8 = 1;
/// Longest side of a reference picture, in px. Test cases use the smallest canvas that shows their subject.
const MAX_SIDE: u32 = 300;
/// Largest reference picture in bytes, because git keeps every version.
const MAX_BYTES: u64 = 20 * 1024;
/// Folders beside the topics with the files that test cases use as `file:NAME`.
const NOT_TOPICS: &[&str] = &["assets", "fonts"];
/// Extensions of licences and notes, which no test case uses.
const NOTES: &[&str] = &["md", "txt"];

/// A test case that may differ by more than [`CPU_TOLERANCE`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tolerance {
    /// Name of the test case as `topic/case`.
    pub(crate) case: &'static str,
    /// Allowed difference of any channel, in levels.
    pub(crate) max: u8,
    /// Reason, which failure messages quote.
    pub(crate) why: &'static str,
}

/// The painter under test, and how close to the references it must come.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column {
    /// The CPU painter, which also writes the references.
    Cpu,
    /// The GPU painter, which is only compared with the references, with exceptions from [`GPU_VISIBLE_SHARE`].
    Gpu(&'static [Share]),
}

/// Share of px that the GPU may paint more than [`compare::VISIBLE`] levels off. vello computes the same coverage in
/// other steps: it rounds line ends at tile borders, and rounds layers to 8 bits at other stages. The largest share on
/// llvmpipe is 0.32 %, at edges of small text; the largest difference is 13 levels.
pub(crate) const GPU_VISIBLE_SHARE: f64 = 0.005;

/// A test case in which more pixels may differ on the GPU than [`GPU_VISIBLE_SHARE`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    /// Name of the test case as `topic/case`.
    pub(crate) case: &'static str,
    /// Allowed share of visibly different px, `0.0..=1.0`.
    pub(crate) visible: f64,
    /// Reason, which failure messages quote.
    pub(crate) why: &'static str,
}

/// A folder of test cases, and how to check them.
pub(crate) struct Goldens {
    /// Folder with one folder per topic.
    pub(crate) root: PathBuf,
    /// Folder for the report and the pictures of failed cases; emptied at the start of each run.
    pub(crate) report: PathBuf,
    /// Names of references to rewrite, from `BLESS`: `topic/case`, `topic/*` or `*`, separated by commas.
    pub(crate) bless: String,
    /// Exceptions from [`CPU_TOLERANCE`].
    pub(crate) tolerances: &'static [Tolerance],
    /// The painter under test.
    pub(crate) column: Column,
}

/// The result of one test case.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// Name of the test case as `topic/case`.
    pub(crate) case: String,
    /// Whether the case passed, was rewritten or failed.
    pub(crate) verdict: Verdict,
    /// Differences from the reference; `None` without two pictures of the same size.
    pub(crate) difference: Option<Difference>,
}

/// Verdict on a test case.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// The picture is within the tolerance.
    Passed,
    /// The reference was rewritten because `BLESS` names the case.
    Written,
    /// The case failed; the message says why and what to do.
    Failed(String),
}

impl Verdict {
    /// Name of the verdict in the JSON report.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Written => "written",
            Self::Failed(_) => "failed",
        }
    }
}

impl Goldens {
    /// The test cases in `golden/`, with reports in `target/golden/` and names to rewrite from `BLESS`.
    #[expect(clippy::disallowed_methods, reason = "BLESS configures this test, not the program")]
    pub(crate) fn of_the_repository(tolerances: &'static [Tolerance]) -> Self {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        Self {
            root: Path::new(env!("CARGO_MANIFEST_DIR")).join("golden"),
            report: target.join("golden"),
            bless: std::env::var("BLESS").unwrap_or_default(),
            tolerances,
            column: Column::Cpu,
        }
    }

    /// The same cases on a GPU. Reports go to `target/golden-gpu/`; `BLESS` is ignored.
    pub(crate) fn on_the_gpu(exceptions: &'static [Share]) -> Self {
        let cpu = Self::of_the_repository(&[]);
        let report = cpu.report.with_file_name("golden-gpu");
        Self { report, bless: String::new(), column: Column::Gpu(exceptions), ..cpu }
    }

    /// Number of test cases.
    pub(crate) fn count(&self) -> usize {
        self.names("json").len()
    }

    /// Renders every case with `render` (design JSON to picture, or an error message), writes the report, and panics
    /// with the list of failed cases.
    pub(crate) fn check(&self, render: impl Fn(&str) -> Result<Raster<Straight>, String>) {
        let outcomes = self.run(render);
        let failed: Vec<String> = outcomes
            .iter()
            .filter_map(|outcome| match &outcome.verdict {
                Verdict::Failed(message) => Some(format!("  {}: {message}", outcome.case)),
                Verdict::Passed | Verdict::Written => None,
            })
            .collect();
        assert!(
            failed.is_empty(),
            "{} of {} goldens failed:\n{}\nlook: {}\naccept: BLESS=topic/case cargo test --test golden",
            failed.len(),
            outcomes.len(),
            failed.join("\n"),
            self.report.join("index.html").display(),
        );
    }

    /// Returns one outcome for each case, and a failed one for each file or exception that belongs to no case.
    pub(crate) fn run(&self, render: impl Fn(&str) -> Result<Raster<Straight>, String>) -> Vec<Outcome> {
        // Pictures of earlier failures must not be taken for those of this run.
        let _ = fs::remove_dir_all(&self.report);
        fs::create_dir_all(&self.report).unwrap();
        let mut outcomes = Vec::new();
        let (designs, pictures) = (self.names("json"), self.names("png"));
        for case in &designs {
            let (verdict, difference) = match self.case(case, &render) {
                Ok((verdict, difference)) => (verdict, difference),
                Err(message) => (Verdict::Failed(message), None),
            };
            outcomes.push(Outcome { case: case.clone(), verdict, difference });
        }
        let fail = |case: &str, message: &str| Outcome {
            case: case.to_owned(),
            verdict: Verdict::Failed(message.to_owned()),
            difference: None,
        };
        let unread = pictures.difference(&designs);
        outcomes.extend(unread.map(|case| fail(case, "a picture that no case reads: remove it or add its .json")));
        let unnamed = self.unnamed_files(&designs);
        outcomes.extend(unnamed.iter().map(|file| fail(file, "a file that no case names: remove it or use it")));
        let unused = self.tolerances.iter().filter(|tolerance| !designs.contains(tolerance.case));
        outcomes.extend(unused.map(|tolerance| fail(tolerance.case, "a tolerance for a case that does not exist")));
        if let Column::Gpu(exceptions) = self.column {
            let unused = exceptions.iter().filter(|exception| !designs.contains(exception.case));
            outcomes.extend(unused.map(|it| fail(it.case, "an exception for a case that does not exist")));
        }
        report::write(&self.report, &outcomes).unwrap();
        outcomes
    }

    fn case(
        &self,
        case: &str,
        render: &impl Fn(&str) -> Result<Raster<Straight>, String>,
    ) -> Result<(Verdict, Option<Difference>), String> {
        let design = fs::read_to_string(self.root.join(format!("{case}.json"))).map_err(|error| error.to_string())?;
        let raster = render(&design).map_err(|error| format!("not rendered: {error}"))?;
        let size = raster.size();
        if size.width.max(size.height) > MAX_SIDE {
            let (width, height) = (size.width, size.height);
            return Err(format!("{width} x {height} px; at most {MAX_SIDE} a side, to keep the repository small"));
        }
        let actual = RgbaImage::from_raw(size.width, size.height, raster.into_pixels()).unwrap();
        let path = self.root.join(format!("{case}.png"));
        if self.blesses(case) {
            return write_small(&path, &actual).map(|()| (Verdict::Written, None));
        }
        if !path.exists() {
            self.keep(case, "actual", &actual);
            return Err(format!("no reference picture; to accept this one: BLESS={case}"));
        }
        check_bytes(&path)?;
        let expected = image::open(&path).map_err(|error| error.to_string())?.into_rgba8();
        let difference = compare::compare(&expected, &actual);
        let (near, allowed) = self.is_near(case, difference.as_ref().ok());
        if near {
            return Ok((Verdict::Passed, difference.ok()));
        }
        self.keep(case, "expected", &expected);
        self.keep(case, "difference", &compare::picture(&expected, &actual));
        self.keep(case, "actual", &actual);
        let difference = difference?;
        let message = format!(
            "differs by up to {} levels ({allowed}), {:.2} % of the pixels by more than {}",
            difference.max,
            difference.visible_share * 100.0,
            compare::VISIBLE,
        );
        Ok((Verdict::Failed(message), Some(difference)))
    }

    /// Whether the difference is within the tolerance, and a text that states the tolerance.
    fn is_near(&self, case: &str, difference: Option<&Difference>) -> (bool, String) {
        match self.column {
            Column::Cpu => {
                let tolerance = self.tolerances.iter().find(|it| it.case == case);
                let (max, why) = tolerance.map_or((CPU_TOLERANCE, "rounding"), |it| (it.max, it.why));
                (difference.is_some_and(|it| it.max <= max), format!("allowed: {max}, {why}"))
            }
            Column::Gpu(exceptions) => {
                let exception = exceptions.iter().find(|it| it.case == case);
                let (share, why) = exception.map_or((GPU_VISIBLE_SHARE, "vello's steps"), |it| (it.visible, it.why));
                let near = difference.is_some_and(|it| it.visible_share <= share);
                (near, format!("allowed: {} % visibly, {why}", share * 100.0))
            }
        }
    }

    fn blesses(&self, case: &str) -> bool {
        let named = |name: &str| match name.trim().strip_suffix('*') {
            Some(start) => case.starts_with(start),
            None => name.trim() == case,
        };
        !self.bless.is_empty() && self.bless.split(',').any(named)
    }

    fn keep(&self, case: &str, part: &str, picture: &RgbaImage) {
        let path = self.report.join(format!("{case}.{part}.png"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        picture.save(path).unwrap();
    }

    /// `folder/NAME` of every file in [`NOT_TOPICS`] that no case uses, sorted.
    fn unnamed_files(&self, cases: &BTreeSet<String>) -> Vec<String> {
        let read = |case: &String| fs::read_to_string(self.root.join(format!("{case}.json"))).unwrap_or_default();
        let cases: String = cases.iter().map(read).collect();
        let files = NOT_TOPICS
            .iter()
            .flat_map(|folder| entries(&self.root.join(folder)).map(|path| (*folder, path)).collect::<Vec<_>>());
        let used = files.filter(|(_, path)| !path.extension().is_some_and(|it| NOTES.iter().any(|note| it == *note)));
        let named = used.map(|(folder, path)| (folder, path.file_name().unwrap().to_string_lossy().into_owned()));
        let unnamed = named.filter(|(_, name)| !cases.contains(&format!("\"{FILE}{name}\"")));
        let mut unnamed: Vec<_> = unnamed.map(|(folder, name)| format!("{folder}/{name}")).collect();
        unnamed.sort();
        unnamed
    }

    /// `topic/case` of every file with this extension, sorted.
    fn names(&self, extension: &str) -> BTreeSet<String> {
        let topics = entries(&self.root).filter(|it| it.is_dir()).filter(|it| {
            let name = it.file_name().unwrap().to_string_lossy();
            !NOT_TOPICS.contains(&name.as_ref())
        });
        let files = topics.flat_map(|topic| entries(&topic).collect::<Vec<_>>());
        let named = files.filter(|it| it.extension().is_some_and(|it| it == extension));
        named
            .map(|it| it.with_extension("").strip_prefix(&self.root).unwrap().to_string_lossy().replace('\\', "/"))
            .collect()
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn check_bytes(path: &Path) -> Result<(), String> {
    let bytes = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if bytes > MAX_BYTES {
        return Err(format!(
            "the picture takes {bytes} bytes, at most {MAX_BYTES}: use a smaller canvas or less noise"
        ));
    }
    Ok(())
}

fn write_small(path: &Path, picture: &RgbaImage) -> Result<(), String> {
    let mut file = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut file, CompressionType::Best, FilterType::Adaptive);
    let (width, height) = picture.dimensions();
    encoder
        .write_image(picture.as_raw(), width, height, ExtendedColorType::Rgba8)
        .map_err(|error| error.to_string())?;
    fs::write(path, file).map_err(|error| error.to_string())?;
    check_bytes(path)
}
