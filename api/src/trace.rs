//! Traces by OpenTelemetry. The trace of a request goes on from its `traceparent` header (W3C Trace Context), is stored with
//! the messages of the request, and goes on to the receivers of webhooks. If the environment names a collector, spans are
//! exported to it; otherwise a trace only passes through.
//!
//! Spans of traces have the target [`TARGET`] and are not shown in the log. They have ids, counts and names of the schema,
//! and no data of people.

use std::env::var_os;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_otlp::{SpanExporter as OtlpExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanData, SpanExporter,
};
use tracing::{Metadata, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::registry::LookupSpan;

use crate::config::Config;
use crate::delivery::tls;

/// The target of spans that are part of a trace: of level INFO if a trace passes through them, of level DEBUG if they only
/// measure.
pub const TARGET: &str = "trace";
/// The header with the trace of a request.
pub(crate) const TRACEPARENT: &str = "traceparent";
/// Spans that wait for an export, and spans of one export.
const QUEUE: usize = 2_048;
const BATCH: usize = 512;
/// The time that a stop waits for the last export.
const LAST_EXPORT: Duration = Duration::from_secs(3);

/// The exporter of spans.
#[derive(Debug, Default)]
pub struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// The exporter that the environment describes; without a collector there, spans are not exported.
    ///
    /// # Errors
    /// If the variables of OpenTelemetry are not valid.
    pub fn of_environment(config: &Config) -> Result<Self, String> {
        let is_set = |name| var_os(name).is_some_and(|value| !value.is_empty());
        let off = var_os("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if off
            || !["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"].into_iter().any(is_set)
        {
            return Ok(Self(None));
        }
        let resource = Resource::builder();
        let named = is_set("OTEL_SERVICE_NAME")
            || std::env::var("OTEL_RESOURCE_ATTRIBUTES").is_ok_and(|value| value.contains("service.name="));
        let resource = if named { resource } else { resource.with_service_name("plaudit") };
        let tls = tls::client(config)?;
        // The blocking client must not be made by a thread of the runtime.
        let exporter = std::thread::spawn(move || {
            let client = reqwest::blocking::Client::builder().tls_backend_preconfigured(tls).build();
            let client = client.map_err(|error| error.to_string())?;
            let exporter = OtlpExporter::builder().with_http().with_http_client(client).build();
            // The library's text repeats the endpoint, which may contain a password.
            exporter.map_err(|_| "a variable OTEL_EXPORTER_OTLP_… is not valid".to_owned())
        });
        let exporter = exporter.join().map_err(|_| "the exporter of traces cannot be made".to_owned())?;
        let exporter = exporter.map_err(|problem| format!("traces cannot be exported: {problem}"))?;
        let exporter = Reporting { exporter, has_failed: AtomicBool::new(false) };
        let limits =
            BatchConfigBuilder::default().with_max_queue_size(QUEUE).with_max_export_batch_size(BATCH);
        let processor = BatchSpanProcessor::builder(exporter).with_batch_config(limits.build()).build();
        let provider =
            SdkTracerProvider::builder().with_resource(resource.build()).with_span_processor(processor);
        Ok(Self(Some(provider.build())))
    }

    /// Whether spans are exported.
    #[must_use]
    pub fn are_exported(&self) -> bool {
        self.0.is_some()
    }

    /// Follows the spans of the server.
    pub fn layer<S>(&self) -> Box<dyn Layer<S> + Send + Sync>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let layer = tracing_opentelemetry::layer().with_location(false).with_threads(false);
        let most = if self.0.is_some() { LevelFilter::DEBUG } else { LevelFilter::INFO };
        let ours =
            move |about: &Metadata<'_>| about.is_span() && about.target() == TARGET && *about.level() <= most;
        let ours = filter_fn(ours).with_max_level_hint(most);
        match &self.0 {
            Some(provider) => layer.with_tracer(provider.tracer("plaudit")).with_filter(ours).boxed(),
            None => layer.with_filter(ours).boxed(),
        }
    }

    /// Exports the last spans.
    pub async fn end(self) {
        let Some(provider) = self.0 else { return };
        let ended = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(LAST_EXPORT));
        if !matches!(ended.await, Ok(Ok(()))) {
            tracing::warn!("the last spans could not be exported");
        }
    }
}

/// An exporter that logs when exports begin to fail and when they succeed again, without the collector's address.
#[derive(Debug)]
struct Reporting<E> {
    exporter: E,
    has_failed: AtomicBool,
}

impl<E: SpanExporter> SpanExporter for Reporting<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let exported = self.exporter.export(batch).await;
        match (&exported, self.has_failed.swap(exported.is_err(), Ordering::Relaxed)) {
            (Err(_), false) => {
                tracing::warn!(spans, "spans cannot be exported to the collector; they are lost")
            }
            (Ok(()), true) => tracing::info!("spans are exported again"),
            _ => {}
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// Makes `span`, which has not been entered yet, a part of this trace. A value that is not valid is ignored.
pub(crate) fn go_on(span: &Span, traceparent: Option<&str>) {
    if let Some(traceparent) = traceparent {
        let context = TraceContextPropagator::new().extract(&Header(traceparent));
        // Without an exporter of spans in this process there is no layer, and nothing to do.
        let _ = span.set_parent(context);
    }
}

/// The trace of this span as a `traceparent`, if it is part of one.
pub(crate) fn of(span: &Span) -> Option<String> {
    let context = span.context();
    let span = context.span();
    let found = span.span_context();
    let header = || format!("00-{}-{}-{:02x}", found.trace_id(), found.span_id(), found.trace_flags());
    found.is_valid().then(header)
}

/// One header, as the library reads it.
struct Header<'a>(&'a str);

impl Extractor for Header<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == TRACEPARENT).then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}
