//! Who may record and who may read. Objects out of scope are reported as missing.

use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::{Backend, Client, Packs, World, on_both};
use uuid::Uuid;

use super::{Kept, No, RECORD, refused, with};

const RECORD_MANY: &str =
    "mutation($input: RecordEventsInput!) { recordEvents(input: $input) { results { index } } }";

/// Every query about one person.
const ABOUT: [&str; 7] = [
    "query($id: ID!) { user(id: $id) { id displayName role xp } }",
    "query($id: ID!) { node(id: $id) { id __typename } }",
    "query($id: ID!) { earned(userId: $id) { totalCount nodes { id } } }",
    "query($id: ID!) { inProgress(userId: $id) { totalCount } }",
    "query($id: ID!) { nextAchievements(userId: $id) { current } }",
    "query($id: ID!) { summary(userId: $id) { totalEarned } }",
    "query($id: ID!) { a: user(id: $id) { id } b: earned(userId: $id) { totalCount } }",
];

/// A signed-in person of each role that may not read other people's records.
async fn bystanders(w: &World) -> Vec<Client> {
    let mut clients = Vec::new();
    for role in [Role::Student, Role::Teacher, Role::Parent] {
        let client = w.person(Uuid::new_v4(), role);
        assert_eq!(client.ask("{ me { xp } }", json!({})).await.data()["me"]["xp"], 0);
        clients.push(client);
    }
    clients
}

/// The bytes of an answer.
async fn bytes(w: &World, client: &Client, query: &str, id: Uuid) -> String {
    let request = tests::http()
        .post(format!("{}/graphql", w.url()))
        .bearer_auth(client.token().unwrap())
        .json(&json!({"query": query, "variables": {"id": id}}));
    let answer = request.send().await.unwrap();
    let own = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    format!("{} {}", answer.status(), answer.text().await.unwrap().replace(&own, "one"))
}

on_both! {
    async fn people_cannot_record_events_that_are_not_self_reportable(w: World) {
        let bob = w.student("UTC").await;
        let bystanders = bystanders(&w).await;
        let kept = Kept::of(&w).await;
        for client in &bystanders {
            let me = client.ask("{ me { id } }", json!({})).await.data()["me"]["id"].clone();
            for whose in [me, json!(bob), json!(Uuid::new_v4())] {
                let event = json!({"userId": whose, "activity": "lesson_completed"});
                for (document, input) in [(RECORD, event.clone()), (RECORD_MANY, json!({"events": [event]}))] {
                    let answer = client.ask(document, json!({"input": input})).await;
                    assert_eq!(answer.code(), "FORBIDDEN", "{document}");
                    assert!(answer.body["data"].as_object().unwrap().values().all(Value::is_null), "{document}");
                    let message = answer.body["errors"][0]["message"].as_str().unwrap();
                    assert!(message.contains("Ask an admin or a service to record this event"), "{message}");
                }
                kept.check(&w, "what is not theirs to report").await;
            }
        }
        for client in
            [w.service(), w.person(Uuid::new_v4(), Role::Admin), w.person(Uuid::new_v4(), Role::SuperAdmin)]
        {
            let answer = client.record(json!({"userId": bob, "activity": "lesson_completed"})).await;
            assert_eq!((&answer["userErrors"], &answer["xpGained"]), (&json!([]), &json!(20)));
        }
        assert_eq!(
            w.database.number("SELECT count(*) FROM events WHERE activity = 'lesson_completed'").await,
            3
        );
        w.finish().await;
    }

    async fn an_object_out_of_scope_has_the_same_bytes_as_a_missing_one(w: World) {
        let bob = w.student("UTC").await;
        w.service()
            .record(json!({"userId": bob, "activity": "question_answered", "attributes": {"correct": true}}))
            .await;
        let award = w
            .service()
            .ask("query($id: ID!) { earned(userId: $id) { nodes { id } } }", json!({"id": bob}))
            .await;
        let award: Uuid = award.data()["earned"]["nodes"][0]["id"].as_str().unwrap().parse().unwrap();
        for client in bystanders(&w).await {
            for query in ABOUT {
                let missing = bytes(&w, &client, query, Uuid::from_u128(99)).await;
                assert!(missing.starts_with("200 OK {\"data\":{"), "{query}: {missing}");
                assert!(missing.contains("null") && !missing.contains("errors"), "{query}: {missing}");
                for hidden in [bob, award] {
                    assert_eq!(bytes(&w, &client, query, hidden).await, missing, "{query}");
                }
            }
            let follow = "subscription($id: ID) { achievementEarned(userId: $id) { cursor } }";
            let mut socket = client.socket().await;
            let mut told = Vec::new();
            for (number, id) in [bob, Uuid::from_u128(99)].into_iter().enumerate() {
                socket.subscribe(&number.to_string(), follow, json!({"id": id})).await;
                let tests::Frame::Message(message) = socket.frame().await else {
                    panic!("the socket goes on")
                };
                assert_eq!(
                    (&message["type"], &message["payload"][0]["extensions"]["code"]),
                    (&json!("error"), &json!("NOT_FOUND"))
                );
                let mut payload = message["payload"].clone();
                // Each operation has its own request id.
                assert!(payload[0]["extensions"]["requestId"].take().is_string());
                told.push(payload);
            }
            assert_eq!(told[0], told[1]);
        }
        w.finish().await;
    }

    async fn those_in_scope_see_the_record(w: World) {
        let bob = w.student("UTC").await;
        let readers = [
            w.service(),
            w.person(Uuid::new_v4(), Role::Admin),
            w.person(Uuid::new_v4(), Role::SuperAdmin),
            w.person(bob, Role::Student),
        ];
        for client in readers {
            for query in ABOUT {
                let answer = client.ask(query, json!({"id": bob})).await;
                for (field, value) in answer.data().as_object().unwrap() {
                    assert_ne!(*value, Value::Null, "{field} of {query}");
                }
            }
        }
        w.finish().await;
    }

    async fn a_name_on_a_board_is_all_that_strangers_see(w: World) {
        let bob = w.student("UTC").await;
        w.service()
            .record(json!({"userId": bob, "activity": "question_answered", "attributes": {"correct": true}}))
            .await;
        let board = "{ leaderboard { standings { nodes { rank score user {
            id displayName role xp level { number } streak { current } earned { totalCount }
            inProgress { totalCount } summary { totalEarned } } } } } }";
        let expected = json!({"rank": 1, "score": 60, "user": {
            "id": bob, "displayName": "Ada", "role": "STUDENT", "xp": null, "level": null, "streak": null,
            "earned": null, "inProgress": null, "summary": null}});
        for client in bystanders(&w).await {
            let answer = client.ask(board, json!({})).await;
            assert_eq!(answer.data()["leaderboard"]["standings"]["nodes"], json!([expected]));
        }
        let own = w.person(bob, Role::Student).ask(board, json!({})).await;
        assert_eq!(own.data()["leaderboard"]["standings"]["nodes"][0]["user"]["xp"], 60);
        w.finish().await;
    }

    async fn a_service_is_not_a_person(w: World) {
        let kept = Kept::of(&w).await;
        let answer = w.service().ask("{ me { id } }", json!({})).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code(), &answer.body["data"]),
            (200, "FORBIDDEN", &json!({"me": null}))
        );
        for (field, rest) in [
            ("earned", "{ totalCount }"),
            ("inProgress", "{ totalCount }"),
            ("nextAchievements", "{ current }"),
            ("summary", "{ totalEarned }"),
        ] {
            let answer = w.service().ask(&format!("{{ {field} {rest} }}"), json!({})).await;
            assert_eq!(answer.code(), "INVALID_INPUT", "{field}");
            assert_eq!(answer.body["errors"][0]["extensions"]["field"], json!(["userId"]), "{field}");
            assert_eq!(answer.body["data"], json!({field: null}), "{field}");
        }
        kept.check(&w, "a service that signs in").await;
        w.finish().await;
    }

    async fn without_a_token_only_the_schema_is_readable(w: World) {
        let ada = w.student("UTC").await;
        let kept = Kept::of(&w).await;
        let nobody = w.nobody();
        let answer = nobody
            .ask("{ __typename __schema { queryType { name } } __type(name: \"User\") { kind } }", json!({}))
            .await;
        assert_eq!(
            *answer.data(),
            json!({"__typename": "Query", "__schema": {"queryType": {"name": "Query"}}, "__type": {"kind": "OBJECT"}})
        );
        let id = format!("id: \"{ada}\"");
        for field in [
            "me { id }",
            &format!("node({id}) {{ id }}"),
            &format!("user({id}) {{ id }}"),
            "catalog { totalCount }",
            "achievement(key: \"aurora/first-steps\") { id }",
            "earned { totalCount }",
            "inProgress { totalCount }",
            "nextAchievements { current }",
            "summary { totalEarned }",
            "leaderboard { totalCount }",
            "feedCursor",
        ] {
            let answer = nobody.ask(&format!("{{ {field} }}"), json!({})).await;
            assert_eq!((answer.status.as_u16(), answer.code()), (401, "UNAUTHENTICATED"), "{field}");
            assert_eq!(answer.headers["www-authenticate"], "Bearer", "{field}");
            assert_eq!(answer.body["errors"][0]["extensions"]["reason"], "TOKEN_MISSING", "{field}");
            let message = answer.body["errors"][0]["message"].as_str().unwrap();
            assert!(message.contains("Authorization: Bearer <token>"), "{field}: {message}");
            assert_eq!(answer.body.get("data"), None, "{field}");
        }
        let event = json!({"userId": ada, "activity": "lesson_completed"});
        for (document, input) in [
            (RECORD, event.clone()),
            (RECORD_MANY, json!({"events": [event]})),
        ] {
            let answer = nobody.ask(document, json!({"input": input})).await;
            assert_eq!((answer.code(), answer.body.get("data")), ("UNAUTHENTICATED", None), "{document}");
        }
        let mut socket = nobody.socket().await;
        socket.subscribe("1", "subscription { achievementEarned { cursor } }", json!({})).await;
        let tests::Frame::Message(told) = socket.frame().await else { panic!("the socket goes on") };
        assert_eq!(
            (&told["type"], &told["payload"][0]["extensions"]["code"]),
            (&json!("error"), &json!("UNAUTHENTICATED"))
        );
        kept.check(&w, "what nobody asked").await;
        w.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_can_record_their_own_self_reportable_events() {
    let packs = Packs::of(&json!({
        "pack": "diary", "name": "Diary", "description": "What people say of themselves.", "version": 1,
        "categories": [], "achievements": [],
        "activities": [{"key": "page_written", "description": "A page.", "xp": {"amount": 5}, "selfReportable": true}],
    }));
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let world = World::with(backend, |config| config.catalogs = vec![packs.setting()]);
        let Some(w) = world.await else { continue };
        let (ada, bob) = (w.student("UTC").await, w.student("UTC").await);
        let page = json!({"id": "p1", "userId": ada, "activity": "page_written"});
        let answer = w.person(ada, Role::Student).record(page.clone()).await;
        assert_eq!((&answer["xpGained"], &answer["userErrors"]), (&json!(5), &json!([])));
        let kept = Kept::of(&w).await;
        for whose in [bob, Uuid::new_v4()] {
            let errors =
                refused(&w.person(ada, Role::Student), &with(page.clone(), &json!({"userId": whose}))).await;
            let unseen =
                No { code: "NOT_FOUND", field: &["userId"], remedy: "everyone else sends only their own id" };
            unseen.check(&errors, &["input"], "another's page");
        }
        kept.check(&w, "another's page").await;
        let source =
            w.database.number("SELECT count(DISTINCT source) FROM events WHERE source <> 'plaudit'").await;
        assert_eq!(source, 1, "the source is the person");
        w.finish().await;
    }
}
