//! Traces: a request's `traceparent` goes on to webhooks, and spans go to a collector that the environment names.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Attribute;
use opentelemetry_proto::tonic::trace::v1::Span;
use plaudit::auth::Role;
use plaudit::config::Config;
use prost::Message;
use serde_json::json;
use tests::{Client, Database, Process, Receiver, Reply, on_each};
use uuid::Uuid;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A server process that sends webhooks to `receiver`.
async fn serve(config: &Config, receiver: &Receiver, environment: &[(&str, &str)]) -> (Process, Uuid) {
    let allowed = [("webhooks.allowed_networks", "127.0.0.0/8")];
    let server = Process::serve_in(config, &allowed, environment).await;
    let hook =
        "mutation($input: CreateWebhookInput!) { createWebhook(input: $input) { userErrors { message } } }";
    let input = json!({"url": receiver.url(), "types": ["AWARD_EARNED"], "description": "A system"});
    let admin = server.client(&Uuid::new_v4().to_string(), Role::Admin);
    let created = admin.ask(hook, json!({"input": input})).await;
    assert_eq!(created.data()["createWebhook"]["userErrors"], json!([]));
    let ada = Uuid::new_v4();
    let person =
        "mutation($input: UpsertUserInput!) { upsertUser(input: $input) { userErrors { message } } }";
    let input = json!({"id": ada, "displayName": "Ada"});
    let upserted = server.client("school", Role::Service).ask(person, json!({"input": input})).await;
    assert_eq!(upserted.data()["upsertUser"]["userErrors"], json!([]));
    (server, ada)
}

/// Records the event that earns the first award.
async fn first_award(service: &Client, person: Uuid) {
    let recorded = service.record(json!({"userId": person, "activity": "comment_written"})).await;
    assert_eq!(recorded["userErrors"], json!([]));
    assert_ne!(recorded["awards"], json!([]));
}

/// The trace and the span of a `traceparent`.
fn parts(traceparent: &str) -> (String, String) {
    let parts: Vec<&str> = traceparent.split('-').collect();
    let [version, trace, span, flags] = parts[..] else { panic!("{traceparent}") };
    assert_eq!((version, flags), ("00", "01"));
    (trace.to_owned(), span.to_owned())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// All spans that the collector received, and the name of the service that sent them.
fn spans(collector: &Receiver) -> (Vec<Span>, Vec<String>) {
    let (mut spans, mut names) = (Vec::new(), Vec::new());
    for request in collector.requests() {
        assert_eq!(request.line, "POST /v1/traces HTTP/1.1");
        assert_eq!(request.header("content-type"), Some("application/x-protobuf"));
        let export = ExportTraceServiceRequest::decode(&*request.body).expect("an export of spans");
        for of_service in export.resource_spans {
            let resource = of_service.resource.expect("a resource").attributes;
            let name = resource.into_iter().find(|one| one.key == "service.name").and_then(|one| one.value);
            let Some(Attribute::StringValue(name)) = name.and_then(|value| value.value) else {
                panic!("no name of the service")
            };
            names.push(name);
            spans.extend(of_service.scope_spans.into_iter().flat_map(|of_scope| of_scope.spans));
        }
    }
    names.dedup();
    (spans, names)
}

/// All texts in a span.
fn texts(span: &Span) -> String {
    format!("{span:?}")
}

on_each! {
    async fn the_trace_of_a_request_goes_on_to_webhooks(backend: Backend) {
        let Some(database) = Database::migrated(backend).await else { return };
        let mut config = tests::settings(&database);
        config.worker = true;
        let receiver = Receiver::start().await;
        let (server, ada) = serve(&config, &receiver, &[]).await;
        let service = server.client("school", Role::Service);
        first_award(&service.traced(CALLER), ada).await;
        let first = receiver.wait_for(1).await;
        assert_eq!(first[0].header("traceparent"), Some(CALLER));
        server.kill().await;

        // Without a trace, and with one that is not valid, there is none to go on with.
        for header in [None, Some("00-00000000000000000000000000000000-00f067aa0ba902b7-01"), Some("a\u{e9}b")] {
            let receiver = Receiver::start().await;
            let (server, bob) = serve(&config, &receiver, &[]).await;
            let service = server.client("school", Role::Service);
            let service = header.map_or_else(|| service.clone(), |header| service.traced(header));
            first_award(&service, bob).await;
            assert_eq!(receiver.wait_for(1).await[0].header("traceparent"), None, "{header:?}");
            server.kill().await;
        }
    }

    async fn spans_of_a_trace_go_to_the_collector(backend: Backend) {
        let Some(database) = Database::migrated(backend).await else { return };
        let mut config = tests::settings(&database);
        config.worker = true;
        let (receiver, collector) = (Receiver::start().await, Receiver::start().await);
        let endpoint = collector.url().replace("/hook", "");
        let (server, ada) = serve(&config, &receiver, &[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str())]).await;
        let service = server.client("school", Role::Service).traced(CALLER);
        first_award(&service, ada).await;
        let (trace, parent) = parts(receiver.wait_for(1).await[0].header("traceparent").expect("a trace"));
        assert_eq!(trace, TRACE);
        server.stop().await;

        let (spans, names) = spans(&collector);
        assert_eq!(names, ["plaudit"]);
        let of_trace: Vec<&Span> = spans.iter().filter(|span| hex(&span.trace_id) == TRACE).collect();
        let find = |name: &str| {
            let found: Vec<_> = of_trace.iter().filter(|span| span.name == name).collect();
            assert_eq!(found.len(), 1, "{name} among {:?}", of_trace.iter().map(|one| &one.name).collect::<Vec<_>>());
            *found[0]
        };
        let (request, operation, delivery) =
            (find("POST /graphql"), find("mutation recordEvent"), find("deliver to a webhook"));
        assert_eq!(hex(&request.parent_span_id), "00f067aa0ba902b7");
        assert_eq!(operation.parent_span_id, request.span_id);
        assert_eq!(delivery.parent_span_id, operation.span_id);
        assert_eq!(hex(&delivery.span_id), parent);
        // One transaction serves several callers. So it has its own trace, with a link to the trace of each caller.
        let linked: Vec<_> = spans
            .iter()
            .filter(|span| span.links.iter().any(|link| link.span_id == operation.span_id))
            .map(|span| span.name.as_str())
            .collect();
        assert_eq!(linked, ["record"]);
        for span in &spans {
            let text = texts(span);
            assert!(!text.contains(&ada.to_string()) && !text.contains("Ada"), "{text}");
        }
    }

    async fn a_collector_that_fails_delays_nothing_and_is_logged_once(backend: Backend) {
        let Some(database) = Database::migrated(backend).await else { return };
        let mut config = tests::settings(&database);
        config.worker = true;
        let (receiver, collector) = (Receiver::start().await, Receiver::start().await);
        collector.plan([Reply::Status(400, "no"), Reply::Status(400, "no")]);
        let endpoint = collector.url();
        let environment = [
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint.as_str()),
            ("OTEL_BSP_SCHEDULE_DELAY", "50"),
        ];
        let (mut server, ada) = serve(&config, &receiver, &environment).await;
        first_award(&server.client("school", Role::Service), ada).await;
        receiver.wait_for(1).await;
        let log = server.log_until("spans are exported again").await;
        let failed = log.iter().filter(|line| line["fields"]["message"].as_str().is_some_and(|text| text.starts_with("spans cannot"))).count();
        assert_eq!(failed, 1);
        let port = endpoint.split(':').nth(2).and_then(|rest| rest.split('/').next()).expect("a port");
        assert!(log.iter().all(|line| !line.to_string().contains(port)), "the collector's address is not logged");
        server.stop().await;
    }
}
