//! Measures throughput with many pages in flight, then stage times with one page at a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use serde::Serialize;

use super::subject::Subject;
use super::{machine, sinks};
use crate::config::Settings;
use crate::error::Error;
use crate::output::{Format, FormatKind};
use crate::pipeline::{Engine, Stage};

/// Maximum duration of the measurement with one page at a time.
const MAX_SEQUENTIAL_TIME: Duration = Duration::from_secs(30);
/// Unmeasured renders at the start, in which fonts are read, pictures decoded and scaled, and memory grows.
const WARM_UP_RENDERS: usize = 3;

/// Parameters of a measurement.
pub(super) struct Bench {
    pub(super) format: &'static dyn Format,
    /// Pages rendered at once; at least 1.
    pub(super) in_flight: usize,
    pub(super) time: Duration,
}

/// Results of a measurement, serialised as JSON; times in ms, memory in millions of bytes.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Measured {
    pub(super) design: String,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) format: &'static str,
    pub(super) rasterizer: &'static str,
    pub(super) threads: usize,
    pub(super) in_flight: usize,
    pub(super) cold: bool,
    /// Number of pages rendered with `in_flight` at once.
    pub(super) pages: usize,
    pub(super) pages_per_second: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    /// Mean time per stage with `in_flight` at once; includes waiting for a free thread.
    pub(super) stages_in_flight_ms: Stages,
    /// Mean time per stage with one page at a time.
    pub(super) stages_ms: Stages,
    /// Fastest times with one page at a time on one thread: the whole page, its painting, and encoding its pixels
    /// alone.
    pub(super) page_ms: f64,
    pub(super) painting_ms: Option<f64>,
    pub(super) encoding_ms: Option<f64>,
    /// Mean CPU time of the same renders, which excludes waiting for the processor.
    pub(super) page_cpu_ms: Option<f64>,
    pub(super) encoding_cpu_ms: Option<f64>,
    /// `page_cpu_ms / encoding_cpu_ms`: the value to compare on a machine with other load.
    pub(super) cpu_ratio_to_encoding: Option<f64>,
    /// `page_ms / encoding_ms`; `None` for `raw`.
    pub(super) ratio_to_encoding: Option<f64>,
    /// `page_ms / painting_ms`; `None` without painting.
    pub(super) ratio_to_painting: Option<f64>,
    /// Size of the last page's file.
    pub(super) file_bytes: usize,
    pub(super) peak_rss_mb: Option<f64>,
    pub(super) gpu_memory_mb: Option<f64>,
}

/// Time in ms per stage, by the stage names of the report.
pub(super) type Stages = BTreeMap<&'static str, f64>;

/// Measurement of one render.
#[derive(Clone, Debug)]
struct PageTiming {
    took: Duration,
    /// CPU time of the whole process during the render; only measured with one page at a time.
    cpu_ms: Option<f64>,
    stages: Stages,
    pages: usize,
    file_bytes: usize,
    rasterizer: &'static str,
}

impl Bench {
    /// `settings` with enough workers and queue slots for all pages in flight, so that none is refused.
    pub(super) fn settings(&self, settings: &Settings) -> Settings {
        let mut settings = settings.clone();
        settings.render.workers = settings.render.workers.max(self.in_flight);
        settings.render.queue = settings.render.queue.max(self.in_flight);
        settings
    }

    /// Measures with warm caches, as for a template that is rendered again and again.
    pub(super) async fn warm(&self, settings: &Settings, subject: &Subject) -> Result<Measured, Error> {
        machine::reset_peak_rss();
        let engine = Engine::new(settings)?;
        let run = self.run_concurrently(&engine, subject).await?;
        let (peak_rss_mb, gpu_memory_mb) = (machine::peak_rss_mb(), gpu_memory(&engine));
        drop(engine);

        let mut one = settings.clone();
        one.render.threads = 1;
        let engine = Engine::new(&one)?;
        let page = captured_page(&engine, subject).await?;
        let (begun, mut renders, mut encodings) = (Instant::now(), Vec::new(), Vec::new());
        while renders.is_empty() || begun.elapsed() < self.time.min(MAX_SEQUENTIAL_TIME) {
            renders.push(render_page_alone(&engine, subject, self.format).await?);
            encodings.extend(self.encode(&engine, &page).await?);
        }
        let report = self.report(settings, subject, &page, &run, &renders, &encodings);
        Ok(Measured { peak_rss_mb, gpu_memory_mb, ..report })
    }

    /// Measures with a new engine, and so with empty caches, for every page.
    pub(super) async fn cold(&self, settings: &Settings, subject: &Subject) -> Result<Measured, Error> {
        let mut one = settings.clone();
        one.render.threads = 1;
        let page = captured_page(&Engine::new(&one)?, subject).await?;
        machine::reset_peak_rss();
        let (begun, mut renders, mut encodings) = (Instant::now(), Vec::new(), Vec::new());
        while renders.is_empty() || begun.elapsed() < self.time {
            let engine = Engine::new(&one)?;
            renders.push(render_page_alone(&engine, subject, self.format).await?);
            encodings.extend(self.encode(&engine, &page).await?);
        }
        let took = renders.iter().map(|it| it.took).sum();
        let run = ConcurrentRun { took, renders: renders.clone() };
        let bench = Self { in_flight: 1, ..*self };
        let report = bench.report(&one, subject, &page, &run, &renders, &encodings);
        // Threads end with their engine, after which their CPU time is no longer available.
        let (page_cpu_ms, encoding_cpu_ms, cpu_ratio_to_encoding) = (None, None, None);
        let peak_rss_mb = machine::peak_rss_mb();
        Ok(Measured { cold: true, peak_rss_mb, page_cpu_ms, encoding_cpu_ms, cpu_ratio_to_encoding, ..report })
    }

    /// Renders with `in_flight` pages at once until the time is over.
    pub(super) async fn run_concurrently(&self, engine: &Engine, subject: &Subject) -> Result<ConcurrentRun, Error> {
        for _ in 0..WARM_UP_RENDERS {
            try_join_all((0..self.in_flight).map(|_| render_page(engine, subject, self.format))).await?;
        }
        let begun = Instant::now();
        let clients = (0..self.in_flight).map(|_| {
            let (engine, subject, format, time) = (engine.clone(), subject.clone(), self.format, self.time);
            // Separate tasks, like connections of a server: none waits for another to be polled.
            let client = tokio::spawn(async move {
                let mut renders = Vec::new();
                while renders.is_empty() || begun.elapsed() < time {
                    renders.push(render_page(&engine, &subject, format).await?);
                }
                Ok::<_, Error>(renders)
            });
            async { client.await.map_err(|error| Error::Internal(error.to_string()))? }
        });
        let renders = try_join_all(clients).await?;
        Ok(ConcurrentRun { took: begun.elapsed(), renders: renders.concat() })
    }

    /// Measures encoding alone; `None` for `raw`, which writes nothing, and for documents, which are written page by
    /// page.
    async fn encode(&self, engine: &Engine, page: &Arc<sinks::CapturedPage>) -> Result<Option<Encoding>, Error> {
        let FormatKind::Pictures(format) = self.format.kind() else { return Ok(None) };
        if self.format.name() == sinks::Raw.name() {
            return Ok(None);
        }
        let page = page.clone();
        let work = move || {
            let begun = Instant::now();
            let file = format.write(&page.raster, &page.options);
            file.map(|_| ms(begun.elapsed()))
        };
        let before = machine::cpu_ms();
        let took_ms = engine.admit().await?.work(Stage::Encode, work).await??;
        Ok(Some(Encoding { took_ms, cpu_ms: since(before) }))
    }

    fn report(
        &self,
        settings: &Settings,
        subject: &Subject,
        page: &sinks::CapturedPage,
        run: &ConcurrentRun,
        alone: &[PageTiming],
        encodings: &[Encoding],
    ) -> Measured {
        let size = page.raster.size();
        let page_ms = fastest(alone.iter().map(|it| ms(it.took))).unwrap_or_default();
        let painting_ms = fastest(alone.iter().filter_map(|it| it.stages.get(PAINT).copied()));
        let encoding_ms = fastest(encodings.iter().map(|it| it.took_ms));
        let page_cpu_ms = mean(alone.iter().map(|it| it.cpu_ms));
        let encoding_cpu_ms = mean(encodings.iter().map(|it| it.cpu_ms));
        let last = run.renders.last();
        Measured {
            design: subject.name.clone(),
            width: size.width,
            height: size.height,
            format: self.format.name(),
            rasterizer: last.map_or("", |it| it.rasterizer),
            threads: settings.render.threads,
            in_flight: self.in_flight,
            cold: false,
            pages: run.pages(),
            pages_per_second: run.pages_per_second(),
            p50_ms: run.percentile(0.5),
            p99_ms: run.percentile(0.99),
            stages_in_flight_ms: means(&run.renders),
            stages_ms: means(alone),
            page_ms,
            painting_ms,
            encoding_ms,
            page_cpu_ms,
            encoding_cpu_ms,
            cpu_ratio_to_encoding: page_cpu_ms.zip(encoding_cpu_ms).map(|(page, encoding)| page / encoding),
            ratio_to_encoding: encoding_ms.map(|it| page_ms / it),
            ratio_to_painting: painting_ms.map(|it| page_ms / it),
            file_bytes: last.map_or(0, |it| it.file_bytes),
            peak_rss_mb: None,
            gpu_memory_mb: None,
        }
    }
}

/// Measurement of one encoding of the captured pixels.
struct Encoding {
    took_ms: f64,
    cpu_ms: Option<f64>,
}

/// Measurements with many pages in flight.
pub(super) struct ConcurrentRun {
    took: Duration,
    renders: Vec<PageTiming>,
}

impl ConcurrentRun {
    fn pages(&self) -> usize {
        self.renders.iter().map(|it| it.pages).sum()
    }

    pub(super) fn pages_per_second(&self) -> f64 {
        self.pages() as f64 / self.took.as_secs_f64()
    }

    /// The time in ms that a `share` (0 to 1) of all renders does not exceed (nearest rank).
    pub(super) fn percentile(&self, share: f64) -> f64 {
        let mut renders: Vec<_> = self.renders.iter().map(|it| ms(it.took)).collect();
        renders.sort_by(f64::total_cmp);
        let rank = (share * renders.len() as f64).ceil() as usize;
        renders.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }

    /// Painter of the last page.
    pub(super) fn rasterizer(&self) -> &'static str {
        self.renders.last().map_or("", |it| it.rasterizer)
    }

    pub(super) fn stages(&self) -> Stages {
        means(&self.renders)
    }
}

/// Renders one page like a served request.
async fn render_page(engine: &Engine, subject: &Subject, format: &'static dyn Format) -> Result<PageTiming, Error> {
    let begun = Instant::now();
    let mut session = engine.admit().await?;
    let (bytes, parser) = (subject.bytes.clone(), subject.parser);
    let design = session.work(Stage::Parse, move || Subject::parse(&bytes, parser)).await??;
    let rendered = session.render(subject.request(design, format)).await?;
    let took = begun.elapsed();
    let mut stages = Stages::new();
    for (stage, took) in session.timings().iter() {
        if let Some(name) = name(stage) {
            *stages.entry(name).or_default() += ms(took);
        }
    }
    let file_bytes = rendered.pages.iter().map(|it| it.bytes.len()).sum();
    Ok(PageTiming {
        took,
        cpu_ms: None,
        stages,
        pages: rendered.pages.len(),
        file_bytes,
        rasterizer: rendered.pages.last().map_or("", |it| it.rasterizer),
    })
}

/// Like [`render_page`], and measures CPU time; nothing else may run in this process.
async fn render_page_alone(
    engine: &Engine,
    subject: &Subject,
    format: &'static dyn Format,
) -> Result<PageTiming, Error> {
    let before = machine::cpu_ms();
    let timing = render_page(engine, subject, format).await?;
    Ok(PageTiming { cpu_ms: since(before), ..timing })
}

fn since(before: Option<f64>) -> Option<f64> {
    Some(machine::cpu_ms()? - before?)
}

/// Pixels of the page, for measuring encoding alone.
async fn captured_page(engine: &Engine, subject: &Subject) -> Result<Arc<sinks::CapturedPage>, Error> {
    render_page(engine, subject, &sinks::CAPTURE).await?;
    let page = sinks::CAPTURE.take().ok_or_else(|| Error::Internal("a render without a page".into()))?;
    Ok(Arc::new(page))
}

/// Size of the page in device px.
pub(super) async fn size(engine: &Engine, subject: &Subject) -> Result<(u32, u32), Error> {
    let size = captured_page(engine, subject).await?.raster.size();
    Ok((size.width, size.height))
}

const PAINT: &str = "paint";

/// Stage names of the report, in order.
pub(super) const STAGES: [&str; 6] = ["parse", "assets", "text", "plan", PAINT, "encode"];

/// Name of a stage in the report; resolving is mostly text layout. Waiting for a worker is no work, and nothing is
/// answered.
fn name(stage: Stage) -> Option<&'static str> {
    match stage {
        Stage::Resolve => Some("text"),
        Stage::Queue | Stage::Answer => None,
        Stage::Parse | Stage::Assets | Stage::Plan | Stage::Paint | Stage::Encode => Some(stage.as_str()),
    }
}

fn gpu_memory(engine: &Engine) -> Option<f64> {
    if engine.rasterizer() == "cpu" { None } else { machine::gpu_memory_mb() }
}

fn means(renders: &[PageTiming]) -> Stages {
    let mut sums = Stages::new();
    for (name, took) in renders.iter().flat_map(|it| &it.stages) {
        *sums.entry(name).or_default() += took;
    }
    sums.values_mut().for_each(|sum| *sum /= renders.len().max(1) as f64);
    sums
}

/// Arithmetic mean; `None` when a value is unknown.
fn mean(times: impl ExactSizeIterator<Item = Option<f64>>) -> Option<f64> {
    let count = times.len();
    let sum: Option<f64> = times.sum();
    sum.filter(|_| count > 0).map(|sum| sum / count as f64)
}

/// The minimum: other processes only ever add time, so it is nearest to the work itself.
fn fastest(times: impl Iterator<Item = f64>) -> Option<f64> {
    times.min_by(f64::total_cmp)
}

fn ms(took: Duration) -> f64 {
    took.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render_page(ms: u64, paint: f64) -> PageTiming {
        let stages = Stages::from([(PAINT, paint)]);
        PageTiming { took: Duration::from_millis(ms), cpu_ms: None, stages, pages: 1, file_bytes: 0, rasterizer: "cpu" }
    }

    #[test]
    fn percentiles_are_measured_times() {
        let run =
            ConcurrentRun { took: Duration::from_secs(2), renders: (1..=200).map(|it| render_page(it, 1.0)).collect() };
        assert_eq!((run.percentile(0.5), run.percentile(0.99)), (100.0, 198.0));
        assert_eq!(run.pages_per_second(), 100.0);
        assert_eq!(ConcurrentRun { renders: vec![render_page(7, 1.0)], ..run }.percentile(0.99), 7.0);
    }

    #[test]
    fn stages_are_means_and_ratios_take_the_fastest() {
        let renders = [render_page(40, 8.0), render_page(30, 12.0)];
        assert_eq!(means(&renders)[PAINT], 10.0);
        assert_eq!(fastest(renders.iter().map(|it| it.stages[PAINT])), Some(8.0));
        assert!(fastest(std::iter::empty()).is_none());
    }
}
