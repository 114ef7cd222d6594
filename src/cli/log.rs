//! Log lines and traces: where they go and which are written.
//!
//! Lines go to standard error; standard output is for results. Traces are the spans of the target [`SPANS`], sent to a
//! collector when the settings name one; they are never part of a line.

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

use super::Failure;
use crate::config::{LogFormat, LogLevel, LogSettings};
use crate::report::SPANS;

/// For one batch of traces to be taken by the collector.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);

/// Starts lines only.
pub(super) fn start(settings: &LogSettings) {
    // Only a second start in one process fails, and the first log is as good.
    drop(tracing_subscriber::registry().with(lines(settings)).try_init());
}

/// Starts lines, and traces when the settings say where to. Traces are sent from `runtime`; dropping what is returned
/// sends the last ones.
pub(super) fn start_with_traces(settings: &LogSettings, runtime: &Handle) -> Result<Option<Traces>, Failure> {
    let Some(url) = &settings.traces_url else {
        start(settings);
        return Ok(None);
    };
    let wrong = |reason: String| Failure::Usage(format!("TENTER_TRACES_URL = {url}: {reason}"));
    let client = crate::assets::operators_client().map_err(|error| wrong(error.to_string()))?;
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_endpoint(url)
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
    // Libraries tell their own story at their own levels: warnings are enough unless everything is asked for.
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

/// Traces on their way. The last ones are sent when this is dropped.
pub(super) struct Traces(SdkTracerProvider);

impl Drop for Traces {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// The SDK exports from a thread of its own, where no tokio runs; the HTTP client needs tokio.
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
        sent.inspect_err(|error| tracing::warn!(%error, spans, "the collector did not take traces (TENTER_TRACES_URL)"))
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }
}
