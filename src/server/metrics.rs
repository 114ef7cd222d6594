//! Counters and gauges for Prometheus, in the OpenMetrics 1.0 text format.
//!
//! Other modules own their counters. This file registers them under their names, and adds values that are read at the
//! time of a scrape (queue, memory). No label contains text from a caller.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::signed::PictureCounts;
use crate::error::Error;
use crate::jobs::{Counts, StoreError};
use crate::pipeline::seconds;
use crate::renderers::{ProcessesReport, Renderers};

/// The registry and the metrics of HTTP requests. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Metrics {
    registry: Arc<Registry>,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabel, Histogram, fn() -> Histogram>,
    in_progress: Gauge,
    jobs: JobGauges,
}

/// Counts of the job store, updated at every scrape.
#[derive(Clone, Debug, Default)]
struct JobGauges {
    scheduled: Gauge,
    progress: Gauge,
    deliveries: Gauge,
    rows_scheduled: Gauge,
    rows_progress: Gauge,
    /// 1 when the store answered the last scrape, else 0; then the other values are stale.
    store_up: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    method: &'static str,
    /// Status code of the answer; `left` when the client disconnected before.
    status: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabel {
    route: String,
}

impl Metrics {
    pub(super) fn new(renderers: &Renderers, pictures: &PictureCounts) -> Self {
        let durations = Family::<RouteLabel, Histogram, fn() -> Histogram>::new_with_constructor(seconds);
        let (requests, in_progress) = (Family::default(), Gauge::default());
        let mut registry = Registry::with_prefix("tenter");
        let version = [("version", env!("CARGO_PKG_VERSION").into()), ("rasterizer", renderers.rasterizer())];
        let version = Info::new(version);
        registry.register("build", "Version and painter of this process", version);
        registry.register("http_requests", "Answers by route, method and status", Family::clone(&requests));
        registry.register_with_unit(
            "http_request_duration",
            "From the head of a request to the head of its answer",
            Unit::Seconds,
            durations.clone(),
        );
        registry.register("http_requests_in_progress", "Requests not yet answered", Gauge::clone(&in_progress));
        let pipeline = renderers.counts();
        registry.register_with_unit(
            "stage_duration",
            "Time of one render in each stage; queue is the wait for a worker",
            Unit::Seconds,
            pipeline.stages.clone(),
        );
        registry.register(
            "renders_refused",
            "Renders answered with 429 because workers and queue were full",
            pipeline.refused.clone(),
        );
        registry.register("result_cache_hits", "Renders answered with files made before", pipeline.result_hits.clone());
        registry.register(
            "result_cache_misses",
            "Renders that the result cache could not answer",
            pipeline.result_misses.clone(),
        );
        let assets = renderers.asset_counts();
        registry.register("asset_cache_hits", "Pictures and fonts found in memory", assets.cache_hits.clone());
        registry.register(
            "asset_cache_misses",
            "Pictures and fonts fetched, asked about again, or decoded",
            assets.cache_misses.clone(),
        );
        registry.register("asset_fetched_bytes", "Received from the network for designs", assets.fetched_bytes.clone());
        registry.register("asset_failures", "Pictures and fonts that could not be loaded", assets.failures.clone());
        registry.register(
            "fetch_refusals",
            "Requests of designs for addresses that are not allowed",
            assets.refusals.clone(),
        );
        registry.register("pictures_painted", "Pictures of signed URLs that were painted", pictures.painted.clone());
        registry.register("picture_hits", "Answers to signed URLs without painting", pictures.hits.clone());
        let jobs = JobGauges::default();
        registry.register("jobs_scheduled", "Jobs waiting for a worker", jobs.scheduled.clone());
        registry.register("jobs_progress", "Jobs being rendered", jobs.progress.clone());
        registry.register("rows_scheduled", "Rows of batches that wait for a worker", jobs.rows_scheduled.clone());
        registry.register("rows_progress", "Rows of batches being rendered", jobs.rows_progress.clone());
        registry.register("webhooks_waiting", "Webhooks not delivered yet", jobs.deliveries.clone());
        registry.register("jobs_store_up", "1 when the store of jobs answers, else 0", jobs.store_up.clone());
        registry.register_collector(Box::new(LiveValues(renderers.clone())));
        Self { registry: Arc::new(registry), requests, durations, in_progress, jobs }
    }

    /// All metrics as text, with `counts` of the job store, or the reason why there are none.
    ///
    /// # Errors
    /// [`Error::Internal`] when a metric cannot be encoded.
    pub(super) fn encode(&self, counts: Result<Counts, StoreError>) -> Result<String, Error> {
        let gauges = &self.jobs;
        match counts {
            Ok(Counts { scheduled, progress, deliveries, rows_scheduled, rows_progress }) => {
                let as_gauge = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
                gauges.scheduled.set(as_gauge(scheduled));
                gauges.progress.set(as_gauge(progress));
                gauges.deliveries.set(as_gauge(deliveries));
                gauges.rows_scheduled.set(as_gauge(rows_scheduled));
                gauges.rows_progress.set(as_gauge(rows_progress));
                gauges.store_up.set(1);
            }
            Err(error) => {
                tracing::warn!(%error, "cannot count the jobs in the store");
                gauges.store_up.set(0);
            }
        }
        let mut text = String::new();
        encode(&mut text, &self.registry).map_err(|error| Error::Internal(format!("metrics: {error}")))?;
        Ok(text)
    }
}

/// Values that are read from the renderers at every scrape.
struct LiveValues(Renderers);

impl fmt::Debug for LiveValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LiveValues")
    }
}

impl Collector for LiveValues {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let fill = self.0.queue_usage();
        let mut gauges = vec![
            ("renders_working", "Renders at work", fill.working as i64),
            ("renders_waiting", "Renders waiting for a worker", fill.waiting as i64),
            ("renders_working_limit", "TENTER_WORKERS", fill.workers as i64),
            ("renders_waiting_limit", "TENTER_QUEUE", fill.queue as i64),
            ("result_cache_bytes", "Bytes of files in the result cache", self.0.result_cache_bytes() as i64),
        ];
        gauges.extend(resident_bytes().map(|it| ("memory_resident_bytes", "Memory of this process", it)));
        gauges.push(("stuck_threads", "Parser threads that did not end in time", self.0.stuck_threads() as i64));
        gauges.extend(open_files().map(|it| ("open_files", "File descriptors of this process", it)));
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        let painted = self.0.paint_report();
        by_label(&mut encoder, "pages_painted", "Pages by what painted them", "rasterizer", &painted.pages)?;
        let help = "Pages that the CPU painted instead of a GPU";
        by_label(&mut encoder, "gpu_fallback", help, "reason", &painted.fallbacks)?;
        let checks = [
            ("same".into(), painted.checked.saturating_sub(painted.differing)),
            ("different".into(), painted.differing),
        ];
        by_label(&mut encoder, "gpu_checks", "Pages painted twice (TENTER_GPU_CHECK)", "outcome", &checks)?;
        self.0.processes().map_or(Ok(()), |report| encode_processes(&mut encoder, report))
    }
}

/// The metrics of render processes.
fn encode_processes(encoder: &mut DescriptorEncoder<'_>, report: ProcessesReport) -> Result<(), fmt::Error> {
    let ProcessesReport { processes, restarts, culprits, .. } = report;
    let restarts: Vec<_> = restarts.into_iter().map(|(cause, count)| (Cow::Borrowed(cause), count)).collect();
    by_label(encoder, "renderer_restarts", "Render processes that were replaced", "reason", &restarts)?;
    by_label(
        encoder,
        "renderer_culprits",
        "Requests refused because they ended two render processes",
        "reason",
        &[("ended".into(), culprits)],
    )?;
    let serving = processes.iter().filter(|it| it.serving).count();
    let gauges = [("serving", serving), ("draining", processes.len() - serving)];
    gauges_by_label(encoder, "renderers", "Render processes by state", "state", &gauges)?;
    let memory: Vec<_> =
        processes.iter().enumerate().map(|(index, it)| (index.to_string(), it.resident_bytes as usize)).collect();
    gauges_by_label(encoder, "renderer_memory_bytes", "Resident memory of each render process", "renderer", &memory)
}

/// A family of gauges: one for each of `values`, with its name as the value of `label`.
fn gauges_by_label(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &str,
    values: &[(impl AsRef<str>, usize)],
) -> Result<(), fmt::Error> {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (value, number) in values {
        ConstGauge::new(*number as i64).encode(family.encode_family(&[(label, value.as_ref())])?)?;
    }
    Ok(())
}

/// A family of counters: one for each of `counts`, with its name as the value of `label`.
fn by_label(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &str,
    counts: &[(Cow<'static, str>, u64)],
) -> Result<(), fmt::Error> {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (value, count) in counts {
        ConstCounter::new(*count).encode(family.encode_family(&[(label, value.as_ref())])?)?;
    }
    Ok(())
}

/// Resident memory of this process in bytes; `None` where there is no `/proc`.
fn resident_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<i64>().ok()? * 1024)
}

fn open_files() -> Option<i64> {
    i64::try_from(std::fs::read_dir("/proc/self/fd").ok()?.count()).ok()
}

/// Layer that counts and times requests by route pattern; requests without a route count as `none`.
pub(super) async fn count(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let mut timer =
        RequestTimer { method: method_label(request.method()), route, status: None, started: Instant::now(), metrics };
    timer.metrics.in_progress.inc();
    let response = next.run(request).await;
    timer.status = Some(response.status().as_u16());
    response
}

/// Label of a method: `other` for methods that no route takes, since callers can invent any number of them.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// Counts the request when it is dropped: after the answer, or when the client disconnects.
struct RequestTimer {
    metrics: Metrics,
    route: String,
    method: &'static str,
    status: Option<u16>,
    started: Instant,
}

impl Drop for RequestTimer {
    fn drop(&mut self) {
        let Self { metrics, method, status, started, .. } = self;
        let route = std::mem::take(&mut self.route);
        metrics.in_progress.dec();
        let labels = RouteLabel { route: route.clone() };
        metrics.durations.get_or_create(&labels).observe(started.elapsed().as_secs_f64());
        let status = status.map_or_else(|| "left".to_owned(), |it| it.to_string());
        metrics.requests.get_or_create(&RequestLabels { route, method, status }).inc();
    }
}
