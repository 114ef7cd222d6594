//! Sets up log lines and traces.
//!
//! Lines go to standard error; standard output is for results. Traces are the spans of the target [`SPANS`], which are
//! sent to a collector when the settings name one; they are never part of a line.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData};
use tokio::runtime::Handle;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use super::failure::Failure;
use crate::config::{LogFormat, LogLevel, LogSettings};
use crate::report::SPANS;

/// Time limit for sending one batch of traces to the collector.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);

/// Starts log lines without traces.
pub(super) fn start(settings: &LogSettings) {
    // Fails only for a second start in one process, which keeps the first log.
    drop(tracing_subscriber::registry().with(lines(settings)).try_init());
}

/// Starts log lines, and traces when the settings name a collector. Traces are sent from `runtime`; dropping the
/// returned value sends the last ones.
pub(super) fn start_with_traces(settings: &LogSettings, runtime: &Handle) -> Result<Option<Traces>, Failure> {
    let Some(url) = &settings.traces_url else {
        start(settings);
        return Ok(None);
    };
    let wrong = |reason: String| Failure::Usage(format!("TENTER_TRACES_URL={url}: {reason}"));
    let client = crate::assets::operators_client().map_err(|error| wrong(error.to_string()))?;
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_endpoint(url.as_str())
        .with_timeout(EXPORT_TIMEOUT)
        .build()
        .map_err(|error| wrong(error.to_string()))?;
    let provider = SdkTracerProvider::builder()
        .with_resource(Resource::builder().with_service_name("tenter").build())
        .with_batch_exporter(OnRuntime { exporter: Arc::new(exporter), runtime: runtime.clone() })
        .build();
    let spans = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("tenter"))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_filter(Targets::new().with_target(SPANS, LevelFilter::INFO));
    drop(tracing_subscriber::registry().with(lines(settings)).with(spans).try_init());
    Ok(Some(Traces(provider)))
}

fn lines<S>(settings: &LogSettings) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let level = settings.level.as_str();
    // Libraries log at their own levels: only their warnings are written, unless the level is `trace`.
    let filter = match settings.level {
        LogLevel::Error | LogLevel::Warn | LogLevel::Trace => level.to_owned(),
        LogLevel::Info | LogLevel::Debug => format!("warn,tenter={level}"),
    };
    let filter = EnvFilter::new(format!("{filter},{SPANS}=off"));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match settings.format {
        LogFormat::Text => {
            lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).with_filter(filter).boxed()
        }
        LogFormat::Json => lines.json().flatten_event(true).with_filter(filter).boxed(),
    }
}

/// The trace exporter; dropping it sends the last traces.
pub(super) struct Traces(SdkTracerProvider);

impl Drop for Traces {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "cannot send the last traces");
        }
    }
}

/// Exporter that runs on `runtime`: the SDK exports from a thread without tokio, but the HTTP client needs it.
#[derive(Debug)]
struct OnRuntime {
    exporter: Arc<SpanExporter>,
    runtime: Handle,
}

impl opentelemetry_sdk::trace::SpanExporter for OnRuntime {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let exporter = self.exporter.clone();
        let spans = batch.len();
        let sent = self.runtime.spawn(async move { exporter.export(batch).await }).await;
        let sent = sent.unwrap_or_else(|error| Err(OTelSdkError::InternalFailure(error.to_string())));
        sent.inspect_err(|error| tracing::warn!(%error, spans, "the collector rejected traces (TENTER_TRACES_URL)"))
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }
}
