//! Documents and bodies over the limits: each would record an event, and none does.

use serde_json::{Value, json};
use tests::{Frame, Socket, on_both};
use uuid::Uuid;

use super::Kept;

/// A mutation that records an event with this attribute and selects these additional fields.
fn recording(ada: Uuid, lesson: &str, fields: &str) -> String {
    format!(
        "mutation {{ recordEvent(input: {{userId: \"{ada}\", activity: \"lesson_completed\", \
         attributes: {{lesson: {lesson}}}}}) {{ eventId {fields} }} }}"
    )
}

/// Documents over each limit, and the limit that the error names.
fn beyond(ada: Uuid) -> Vec<(&'static str, String)> {
    let with = |lesson: &str, fields: &str| recording(ada, lesson, fields);
    let lesson = "\"l1\"";
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let include = "@include(if: true) ";
    let aliases: String = (0..31).map(|number| format!("a{number}: eventId ")).collect();
    let once = with(lesson, "");
    let deep =
        format!("user {{ {} id {} }}", "earned(first: 1) { nodes { user { ".repeat(5), "} } } ".repeat(5));
    let wide = "user { earned(first: 100) { nodes { user { earned(first: 100) { nodes { id } } } } } }";
    let circle = "} } fragment round on RecordEventPayload { ...round user { id";
    let operations: String = (0..5).map(|number| format!(" query q{number} {{ __typename }}")).collect();
    vec![
        ("(limits.nesting)", with(&nested(47), "")),
        ("(limits.nesting)", with(&nested(7_000), "")),
        ("(limits.nesting)", "{".repeat(16_000)),
        ("(limits.query_bytes). Send values as variables.", format!("{once}{}", " ".repeat(16 * 1024))),
        (
            "(limits.query_bytes). Send values as variables.",
            with(&format!("\"{}\"", "x".repeat(16 * 1024)), ""),
        ),
        ("(limits.tokens). Send values as variables.", with(&format!("[{}]", "1 ".repeat(5_000)), "")),
        ("(limits.nodes)", with(lesson, &format!("user {{ {} }}", "id ".repeat(2_000)))),
        ("(limits.nodes)", with(lesson, &format!("...round {circle}"))),
        ("(limits.aliases)", with(lesson, &aliases)),
        ("(limits.directives_per_field)", with(lesson, &format!("duplicate {}", include.repeat(6)))),
        ("(limits.directives)", with(lesson, &"duplicate @include(if: true) @skip(if: false) ".repeat(26))),
        ("(limits.operations)", format!("{}{operations}", once.replacen("mutation", "mutation r", 1))),
        ("(limits.depth)", with(lesson, &deep)),
        ("(limits.complexity). Ask for fewer rows, lists or counts.", with(lesson, wide)),
    ]
}

/// Documents with another fault, and a part of the error's message.
fn wrong(ada: Uuid) -> Vec<(&'static str, Value)> {
    let input = format!("{{userId: \"{ada}\", activity: \"lesson_completed\"}}");
    let record = format!("recordEvent(input: {input}) {{ eventId }}");
    vec![
        ("expected", json!({"query": format!("mutation {{ {record}")})),
        ("expected", json!({"query": ""})),
        ("Unknown field \"nothing\"", json!({"query": format!("mutation {{ {record} nothing }}")})),
        ("operationName", json!({"query": format!("mutation a {{ {record} }} mutation b {{ {record} }}")})),
        (
            "no operation named `c`",
            json!({"query": format!("mutation a {{ {record} }}"), "operationName": "c"}),
        ),
        (
            "`$input` is required",
            json!({"query": "mutation($input: RecordEventInput!) { recordEvent(input: $input) { eventId } }"}),
        ),
        ("block string", json!({"query": format!("mutation {{ {record} }} \"\"\" ")})),
        ("query", json!({"query": null})),
        ("Batches are not supported", json!([{"query": format!("mutation {{ {record} }}")}])),
        ("parameters are invalid", json!({"query": format!("mutation {{ {record} }}"), "variables": [1]})),
    ]
}

on_both! {
    async fn a_document_beyond_a_limit_is_refused_with_the_limits_name(w: World) {
        let ada = w.student("UTC").await;
        let kept = Kept::of(&w).await;
        let mut socket = w.service().socket().await;
        for (place, (limit, document)) in beyond(ada).into_iter().enumerate() {
            let answer = w.service().ask(&document, json!({})).await;
            let shown: String = document.chars().take(150).collect();
            assert_eq!(
                (answer.status.as_u16(), answer.code()),
                (400, "TOO_COMPLEX"),
                "{limit}: {shown} {}",
                answer.body
            );
            assert_eq!(answer.body.get("data"), None, "{limit}");
            let errors = answer.body["errors"].as_array().unwrap();
            assert_eq!(errors.len(), 1, "{limit}: one error");
            let message = errors[0]["message"].as_str().unwrap().to_owned();
            assert!(message.contains(limit), "{message:?} does not name {limit}");

            let id = place.to_string();
            socket.subscribe(&id, &document, json!({})).await;
            let Frame::Message(told) = socket.frame().await else { panic!("{limit}: the socket goes on") };
            assert_eq!((&told["type"], &told["id"]), (&json!("error"), &json!(id)), "{limit}");
            assert_eq!(told["payload"][0]["message"], *message, "{limit}: the same on both transports");
            assert_eq!(told["payload"][0]["extensions"]["code"], "TOO_COMPLEX", "{limit}");
            kept.check(&w, &shown).await;
        }
        w.finish().await;
    }

    async fn documents_within_every_limit_are_accepted(w: World) {
        let ada = w.student("UTC").await;
        let padding = " ".repeat(16 * 1024 - recording(ada, "\"l1\"", "").len());
        let documents = [
            format!("{}{padding}", recording(ada, "\"l1\"", "")),
            recording(
                ada,
                "\"l1\"",
                &(0..30).map(|number| format!("a{number}: eventId ")).collect::<String>(),
            ),
            recording(ada, "\"l1\"", &"duplicate @include(if: true) @skip(if: false) ".repeat(25)),
            recording(ada, "\"l1\"", &format!("user {{ {} }}", "id ".repeat(1_996))),
        ];
        for document in &documents {
            let answer = w.service().ask(document, json!({})).await;
            assert!(answer.data()["recordEvent"]["eventId"].is_string(), "{document}");
        }
        let brim = format!("{}{}", "[".repeat(46), "]".repeat(46));
        let answer = w.service().ask(&recording(ada, &brim, "userErrors { message }"), json!({})).await;
        let message = &answer.data()["recordEvent"]["userErrors"][0]["message"];
        assert_eq!(message, "`lesson` must be text of at most 200 characters, not a list");
        assert_eq!(w.database.number("SELECT count(*) FROM events WHERE source = 'school'").await, 4);
        w.finish().await;
    }

    async fn invalid_requests_are_refused_with_the_reason(w: World) {
        let ada = w.student("UTC").await;
        let kept = Kept::of(&w).await;
        for (words, body) in wrong(ada) {
            let answer = w.service().post("application/json", body.to_string()).await;
            assert_eq!((answer.status.as_u16(), answer.code()), (400, "INVALID_INPUT"), "{body}");
            let message = answer.body["errors"][0]["message"].as_str().unwrap();
            assert!(message.contains(words), "{body}: {message}");
            assert_eq!(answer.body.get("data"), None, "{body}");
            kept.check(&w, &body.to_string()).await;
        }
        let fine = json!({"query": recording(ada, "\"l1\"", "")}).to_string();
        let deep = format!(
            r#"{{"query": "{{ __typename }}", "variables": {{"x": {}1{}}}}}"#,
            "[".repeat(10_000),
            "]".repeat(10_000)
        );
        for (body, words) in [
            ("", "not JSON"),
            ("mutation { recordEvent }", "not JSON"),
            (&fine[..fine.len() - 1], "not JSON"),
            ("\"query\"", "parameters are invalid"),
            ("{\"query\": \"\u{0}\"}", "not JSON"),
            (&deep, "recursion limit"),
        ] {
            let answer = w.service().post("application/json", body.to_owned()).await;
            assert_eq!((answer.status.as_u16(), answer.code()), (400, "INVALID_INPUT"), "{words}");
            assert!(answer.body.to_string().contains(words), "{words}: {}", answer.body);
        }
        let answer = w.service().post("application/json", b"{\"query\": \"\xff\xfe\"}".to_vec()).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (400, "INVALID_INPUT"));
        for content_type in [
            "text/plain",
            "application/graphql",
            "multipart/form-data; boundary=x",
            "application/json; charset=latin1",
            "application/x-www-form-urlencoded",
        ] {
            let answer = w.service().post(content_type, fine.clone()).await;
            assert_eq!((answer.status.as_u16(), answer.code()), (415, "INVALID_INPUT"), "{content_type}");
            assert!(answer.body.to_string().contains("application/json"), "{}", answer.body);
        }
        let padded = format!("{fine}{}", " ".repeat(2 * 1024 * 1024 - fine.len() + 1));
        let answer = w.service().post("application/json", padded.clone()).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (413, "TOO_COMPLEX"));
        assert!(answer.body.to_string().contains("(limits.body_bytes)"), "{}", answer.body);
        kept.check(&w, "what is no request").await;
        let answer = w.service().post("application/json", padded[1..].trim_start().to_owned()).await;
        assert_eq!(answer.status, 400, "without its first brace it is no JSON either");
        let answer = w.service().post("application/json", padded[..2 * 1024 * 1024].to_owned()).await;
        assert!(answer.data()["recordEvent"]["eventId"].is_string(), "two megabytes to the byte are taken");
        w.finish().await;
    }

    async fn nothing_is_recorded_by_get(w: World) {
        let ada = w.student("UTC").await;
        let kept = Kept::of(&w).await;
        let http = tests::http();
        let token = w.service().token().unwrap().to_owned();
        let address = format!("{}/graphql", w.url());
        for (query, status, allow) in [
            (recording(ada, "\"l1\"", ""), 405, Some("POST")),
            ("subscription { achievementEarned { cursor } }".to_owned(), 400, None),
            ("{ feedCursor }".to_owned(), 200, None),
        ] {
            let query = query.replace(' ', "%20").replace('"', "%22");
            let request = http.get(format!("{address}?query={query}")).bearer_auth(&token);
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status().as_u16(), status, "{query}");
            assert_eq!(answer.headers().get("allow").map(|value| value.to_str().unwrap()), allow, "{query}");
        }
        let answer = http.put(&address).bearer_auth(&token).send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), answer.headers()["allow"].to_str().unwrap()),
            (405, "GET, POST")
        );
        kept.check(&w, "a mutation by GET").await;
        w.finish().await;
    }

    async fn a_socket_closes_on_an_invalid_message(w: World) {
        let ada = w.student("UTC").await;
        let kept = Kept::of(&w).await;
        let padding = json!({"x": "x".repeat(64 * 1024)});
        let big = json!({"id": "1", "type": "subscribe", "payload": {"query": "{ __typename }", "variables": padding}});
        let early =
            json!({"id": "1", "type": "subscribe", "payload": {"query": recording(ada, "\"l1\"", "")}});
        for (acknowledged, message, code) in [
            (true, big, 1009),
            (true, json!({"type": "record"}), 4400),
            (true, json!([]), 4400),
            (true, json!({"id": "1", "type": "subscribe"}), 4400),
            (true, json!({"type": "connection_init"}), 4429),
            (false, early, 4401),
        ] {
            let mut socket =
                if acknowledged { w.service().socket().await } else { Socket::open(&w.url()).await };
            let shown: String = message.to_string().chars().take(80).collect();
            socket.send(message).await;
            let Frame::Closed(closed) = socket.frame().await else { panic!("{shown}: the socket closes") };
            assert_eq!(closed.code, code, "{shown}");
            assert!(!closed.reason.is_empty() && closed.reason.len() <= 123, "{shown}: {:?}", closed.reason);
        }
        kept.check(&w, "what is no message").await;
        w.finish().await;
    }
}
