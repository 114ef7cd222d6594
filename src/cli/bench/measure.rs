//! Measurements: many pages at once for the throughput, then one at a time for where the time goes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use serde::Serialize;

use super::{Subject, machine, sinks};
use crate::config::Settings;
use crate::error::Error;
use crate::output::{Format, FormatKind};
use crate::pipeline::{Engine, Stage};

/// One page at a time never takes longer than this.
const MOST_ALONE: Duration = Duration::from_secs(30);
/// Laps before anything counts: fonts are read, pictures decoded and scaled, memory grown.
const WARM_LAPS: usize = 3;

/// What to measure.
pub(super) struct Bench {
    pub(super) format: &'static dyn Format,
    /// At least 1.
    pub(super) in_flight: usize,
    pub(super) time: Duration,
}

/// What came out, ready for JSON; times in ms, memory in millions of bytes.
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
    /// Pages rendered with `in_flight` at once.
    pub(super) pages: usize,
    pub(super) pages_per_second: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    /// Means with `in_flight` at once: waiting for a free thread included.
    pub(super) stages_in_flight_ms: Stages,
    /// Means, one page at a time.
    pub(super) stages_ms: Stages,
    /// The fastest, one at a time on one thread: the whole page, its painting, and encoding its pixels alone.
    pub(super) page_ms: f64,
    pub(super) painting_ms: Option<f64>,
    pub(super) encoding_ms: Option<f64>,
    /// Computing alone, waiting for the processor left out: means of the same laps.
    pub(super) page_cpu_ms: Option<f64>,
    pub(super) encoding_cpu_ms: Option<f64>,
    /// `page_cpu_ms / encoding_cpu_ms`: what to compare on a machine that does other things too.
    pub(super) cpu_ratio_to_encoding: Option<f64>,
    /// `page_ms / encoding_ms`; none for `raw`.
    pub(super) ratio_to_encoding: Option<f64>,
    /// `page_ms / painting_ms`.
    pub(super) ratio_to_painting: Option<f64>,
    /// Of the last page's file.
    pub(super) file_bytes: usize,
    pub(super) peak_rss_mb: Option<f64>,
    pub(super) gpu_memory_mb: Option<f64>,
}

/// ms by stage, named as in the report.
pub(super) type Stages = BTreeMap<&'static str, f64>;

/// One page.
#[derive(Clone, Debug)]
struct Lap {
    took: Duration,
    /// Of the whole process meanwhile; measured one at a time only.
    cpu_ms: Option<f64>,
    stages: Stages,
    pages: usize,
    file_bytes: usize,
    rasterizer: &'static str,
}

impl Bench {
    /// `settings` with room for what is in flight: nothing is to be refused.
    pub(super) fn settings(&self, settings: &Settings) -> Settings {
        let mut settings = settings.clone();
        settings.render.workers = settings.render.workers.max(self.in_flight);
        settings.render.queue = settings.render.queue.max(self.in_flight);
        settings
    }

    /// Caches filled, as for a template that is rendered again and again.
    pub(super) async fn warm(&self, settings: &Settings, subject: &Subject) -> Result<Measured, Error> {
        machine::reset_peak_rss();
        let engine = Engine::new(settings)?;
        let flight = self.fly(&engine, subject).await?;
        let (peak_rss_mb, gpu_memory_mb) = (machine::peak_rss_mb(), gpu_memory(&engine));
        drop(engine);

        let mut one = settings.clone();
        one.render.threads = 1;
        let engine = Engine::new(&one)?;
        let page = kept_page(&engine, subject).await?;
        let (begun, mut laps, mut encodings) = (Instant::now(), Vec::new(), Vec::new());
        while laps.is_empty() || begun.elapsed() < self.time.min(MOST_ALONE) {
            laps.push(lap_alone(&engine, subject, self.format).await?);
            encodings.extend(self.encode(&engine, &page).await?);
        }
        let report = self.report(settings, subject, &page, &flight, &laps, &encodings);
        Ok(Measured { peak_rss_mb, gpu_memory_mb, ..report })
    }

    /// Every page by an engine that has seen nothing.
    pub(super) async fn cold(&self, settings: &Settings, subject: &Subject) -> Result<Measured, Error> {
        let mut one = settings.clone();
        one.render.threads = 1;
        let page = kept_page(&Engine::new(&one)?, subject).await?;
        machine::reset_peak_rss();
        let (begun, mut laps, mut encodings) = (Instant::now(), Vec::new(), Vec::new());
        while laps.is_empty() || begun.elapsed() < self.time {
            let engine = Engine::new(&one)?;
            laps.push(lap_alone(&engine, subject, self.format).await?);
            encodings.extend(self.encode(&engine, &page).await?);
        }
        let took = laps.iter().map(|it| it.took).sum();
        let flight = Flight { took, laps: laps.clone() };
        let bench = Self { in_flight: 1, ..*self };
        let report = bench.report(&one, subject, &page, &flight, &laps, &encodings);
        // Threads end with their engine, and what they computed is no longer counted.
        let (page_cpu_ms, encoding_cpu_ms, cpu_ratio_to_encoding) = (None, None, None);
        let peak_rss_mb = machine::peak_rss_mb();
        Ok(Measured { cold: true, peak_rss_mb, page_cpu_ms, encoding_cpu_ms, cpu_ratio_to_encoding, ..report })
    }

    /// Renders with `in_flight` at once until the time is over.
    pub(super) async fn fly(&self, engine: &Engine, subject: &Subject) -> Result<Flight, Error> {
        for _ in 0..WARM_LAPS {
            try_join_all((0..self.in_flight).map(|_| lap(engine, subject, self.format))).await?;
        }
        let begun = Instant::now();
        let clients = (0..self.in_flight).map(|_| {
            let (engine, subject, format, time) = (engine.clone(), subject.clone(), self.format, self.time);
            // Tasks of their own, as connections are: none waits for another to be polled.
            let client = tokio::spawn(async move {
                let mut laps = Vec::new();
                while laps.is_empty() || begun.elapsed() < time {
                    laps.push(lap(&engine, &subject, format).await?);
                }
                Ok::<_, Error>(laps)
            });
            async { client.await.map_err(|error| Error::Internal(error.to_string()))? }
        });
        let laps = try_join_all(clients).await?;
        Ok(Flight { took: begun.elapsed(), laps: laps.concat() })
    }

    /// Encoding alone; none for `raw`, which has nothing to do, and for documents, which are written while they are made.
    async fn encode(&self, engine: &Engine, page: &Arc<sinks::Page>) -> Result<Option<Encoding>, Error> {
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
        page: &sinks::Page,
        flight: &Flight,
        alone: &[Lap],
        encodings: &[Encoding],
    ) -> Measured {
        let size = page.raster.size();
        let page_ms = fastest(alone.iter().map(|it| ms(it.took))).unwrap_or_default();
        let painting_ms = fastest(alone.iter().filter_map(|it| it.stages.get(PAINT).copied()));
        let encoding_ms = fastest(encodings.iter().map(|it| it.took_ms));
        let page_cpu_ms = mean(alone.iter().map(|it| it.cpu_ms));
        let encoding_cpu_ms = mean(encodings.iter().map(|it| it.cpu_ms));
        let last = flight.laps.last();
        Measured {
            design: subject.name.clone(),
            width: size.width,
            height: size.height,
            format: self.format.name(),
            rasterizer: last.map_or("", |it| it.rasterizer),
            threads: settings.render.threads,
            in_flight: self.in_flight,
            cold: false,
            pages: flight.pages(),
            pages_per_second: flight.pages_per_second(),
            p50_ms: flight.percentile(0.5),
            p99_ms: flight.percentile(0.99),
            stages_in_flight_ms: means(&flight.laps),
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

/// One encoding of the kept pixels.
struct Encoding {
    took_ms: f64,
    cpu_ms: Option<f64>,
}

/// Many pages at once.
pub(super) struct Flight {
    took: Duration,
    laps: Vec<Lap>,
}

impl Flight {
    fn pages(&self) -> usize {
        self.laps.iter().map(|it| it.pages).sum()
    }

    pub(super) fn pages_per_second(&self) -> f64 {
        self.pages() as f64 / self.took.as_secs_f64()
    }

    /// `share`: 0 to 1. In ms: the lap that this share of all laps does not exceed (nearest rank).
    pub(super) fn percentile(&self, share: f64) -> f64 {
        let mut laps: Vec<_> = self.laps.iter().map(|it| ms(it.took)).collect();
        laps.sort_by(f64::total_cmp);
        let rank = (share * laps.len() as f64).ceil() as usize;
        laps.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }

    /// Of the last page.
    pub(super) fn rasterizer(&self) -> &'static str {
        self.laps.last().map_or("", |it| it.rasterizer)
    }

    pub(super) fn stages(&self) -> Stages {
        means(&self.laps)
    }
}

/// One page as a served request has it.
async fn lap(engine: &Engine, subject: &Subject, format: &'static dyn Format) -> Result<Lap, Error> {
    let begun = Instant::now();
    let mut session = engine.admit().await?;
    let (bytes, depth) = (subject.bytes.clone(), subject.json_depth);
    let design = session.work(Stage::Parse, move || Subject::parse(&bytes, depth)).await??;
    let rendered = session.render(subject.request(design, format)).await?;
    let took = begun.elapsed();
    let mut stages = Stages::new();
    for (stage, took) in session.timings().iter() {
        if let Some(name) = name(stage) {
            *stages.entry(name).or_default() += ms(took);
        }
    }
    let file_bytes = rendered.pages.iter().map(|it| it.bytes.len()).sum();
    Ok(Lap {
        took,
        cpu_ms: None,
        stages,
        pages: rendered.pages.len(),
        file_bytes,
        rasterizer: rendered.pages.last().map_or("", |it| it.rasterizer),
    })
}

/// [`lap`], with nothing else going on in this process.
async fn lap_alone(engine: &Engine, subject: &Subject, format: &'static dyn Format) -> Result<Lap, Error> {
    let before = machine::cpu_ms();
    let lap = lap(engine, subject, format).await?;
    Ok(Lap { cpu_ms: since(before), ..lap })
}

fn since(before: Option<f64>) -> Option<f64> {
    Some(machine::cpu_ms()? - before?)
}

/// The pixels that encoding alone is measured with.
async fn kept_page(engine: &Engine, subject: &Subject) -> Result<Arc<sinks::Page>, Error> {
    lap(engine, subject, &sinks::KEPT).await?;
    let page = sinks::KEPT.take().ok_or_else(|| Error::Internal("a render without a page".into()))?;
    Ok(Arc::new(page))
}

/// Width and height of the page in device px.
pub(super) async fn size(engine: &Engine, subject: &Subject) -> Result<(u32, u32), Error> {
    let size = kept_page(engine, subject).await?.raster.size();
    Ok((size.width, size.height))
}

const PAINT: &str = "paint";

/// Stages in the report, in order.
pub(super) const STAGES: [&str; 6] = ["parse", "assets", "text", "plan", PAINT, "encode"];

/// Text is most of resolving, and what readers look for. Waiting for a worker is no work, and nothing is answered.
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

fn means(laps: &[Lap]) -> Stages {
    let mut sums = Stages::new();
    for (name, took) in laps.iter().flat_map(|it| &it.stages) {
        *sums.entry(name).or_default() += took;
    }
    sums.values_mut().for_each(|sum| *sum /= laps.len().max(1) as f64);
    sums
}

/// `None` when one of them is not known.
fn mean(times: impl ExactSizeIterator<Item = Option<f64>>) -> Option<f64> {
    let count = times.len();
    let sum: Option<f64> = times.sum();
    sum.filter(|_| count > 0).map(|sum| sum / count as f64)
}

/// What other processes take adds to every time: the least is nearest to the work itself.
fn fastest(times: impl Iterator<Item = f64>) -> Option<f64> {
    times.min_by(f64::total_cmp)
}

fn ms(took: Duration) -> f64 {
    took.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lap(ms: u64, paint: f64) -> Lap {
        let stages = Stages::from([(PAINT, paint)]);
        Lap { took: Duration::from_millis(ms), cpu_ms: None, stages, pages: 1, file_bytes: 0, rasterizer: "cpu" }
    }

    #[test]
    fn flight_percentiles_are_laps_that_were_flown() {
        let flight = Flight { took: Duration::from_secs(2), laps: (1..=200).map(|it| lap(it, 1.0)).collect() };
        assert_eq!((flight.percentile(0.5), flight.percentile(0.99)), (100.0, 198.0));
        assert_eq!(flight.pages_per_second(), 100.0);
        assert_eq!(Flight { laps: vec![lap(7, 1.0)], ..flight }.percentile(0.99), 7.0);
    }

    #[test]
    fn stages_are_means_and_ratios_take_the_fastest() {
        let laps = [lap(40, 8.0), lap(30, 12.0)];
        assert_eq!(means(&laps)[PAINT], 10.0);
        assert_eq!(fastest(laps.iter().map(|it| it.stages[PAINT])), Some(8.0));
        assert!(fastest(std::iter::empty()).is_none());
    }
}
