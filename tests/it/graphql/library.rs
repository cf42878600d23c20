//! The behaviour of the pinned GraphQL library that we rely on. Other releases fail some of these tests.

use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::on_both;
use uuid::Uuid;

use super::{assert_argument_refused, text};

on_both! {
    async fn a_field_that_must_not_be_null_and_fails_nulls_its_parent_and_its_siblings_stay(w: World) {
        let ada = w.student("UTC").await;
        let query = "{ before: feedCursor
                       leaderboard { totalCount standings(first: 101) { totalCount } period }
                       me { id } }";
        let answer = w.person(ada, Role::Student).ask(query, json!({})).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body["data"]["leaderboard"], Value::Null);
        assert_eq!(answer.body["data"]["me"], json!({"id": ada}));
        assert!(answer.body["data"]["before"].is_string());
        assert_eq!(answer.body["data"].as_object().unwrap().len(), 3, "nothing is left out");
        let errors = answer.body["errors"].as_array().unwrap();
        assert_eq!((errors.len(), &errors[0]["path"]), (1, &json!(["leaderboard", "standings"])));
        assert_eq!(errors[0]["locations"][0]["line"], 2);
        w.finish().await;
    }

    async fn a_field_that_may_be_null_and_fails_is_null_alone(w: World) {
        let ada = w.student("UTC").await;
        let query = "query($id: ID!) { user(id: $id) { displayName earned(first: 101) { totalCount } xp } }";
        let answer = w.service().ask(query, json!({"id": ada})).await;
        assert_eq!(answer.body["data"]["user"], json!({"displayName": "Ada", "earned": null, "xp": 0}));
        assert_eq!(answer.body["errors"][0]["path"], json!(["user", "earned"]));
        w.finish().await;
    }

    async fn an_answer_keeps_the_order_of_the_question(w: World) {
        let ada = w.student("UTC").await;
        let query = "{ z: __typename me { xp role ...name id level { xpForNext number } } a: __typename }
                     fragment name on User { streak { longest current } displayName }";
        let answer = text(&w, &w.person(ada, Role::Student), query, json!({})).await;
        let expected = format!(
            "{{\"data\":{{\"z\":\"Query\",\"me\":{{\"xp\":0,\"role\":\"STUDENT\",\
             \"streak\":{{\"longest\":0,\"current\":0}},\"displayName\":\"Ada\",\"id\":\"{ada}\",\
             \"level\":{{\"xpForNext\":100,\"number\":1}}}},\"a\":\"Query\"}},\
             \"extensions\":{{\"cost\":{{\"requested\":16,\"limit\":10000}}}}}}"
        );
        assert_eq!(answer, expected);
        w.finish().await;
    }

    async fn an_omitted_value_keeps_and_a_null_clears(w: World) {
        let ada = w.student("UTC").await;
        w.upsert(ada, json!({"email": "ada@school.example", "locale": "de", "timezone": "Asia/Tokyo"})).await;
        let fields = "mutation($id: ID!, $email: String, $locale: String, $zone: String) {
            upsertUser(input: {id: $id, displayName: \"Ada\", email: $email, locale: $locale, timezone: $zone}) {
                userErrors { message } } }";
        let whole =
            "mutation($input: UpsertUserInput!) { upsertUser(input: $input) { userErrors { message } } }";
        let is = "SELECT count(*) FROM people WHERE timezone = ";
        for (document, variables, kept) in [
            (fields, json!({"id": ada}), "'Asia/Tokyo' AND email = 'ada@school.example' AND locale = 'de'"),
            (
                whole,
                json!({"input": {"id": ada, "displayName": "Ada"}}),
                "'Asia/Tokyo' AND email = 'ada@school.example' AND locale = 'de'",
            ),
            (
                fields,
                json!({"id": ada, "locale": null}),
                "'Asia/Tokyo' AND email = 'ada@school.example' AND locale IS NULL",
            ),
            (
                whole,
                json!({"input": {"id": ada, "displayName": "Ada", "email": null}}),
                "'Asia/Tokyo' AND email IS NULL AND locale IS NULL",
            ),
            (fields, json!({"id": ada, "zone": null}), "'UTC' AND email IS NULL AND locale IS NULL"),
        ] {
            let answer = w.service().ask(document, variables.clone()).await;
            assert_eq!(*answer.data(), json!({"upsertUser": {"userErrors": []}}));
            assert_eq!(w.database.number(&format!("{is}{kept}")).await, 1, "{variables} leaves {kept}");
        }
        w.finish().await;
    }

    async fn an_omitted_variable_takes_the_arguments_default(w: World) {
        for number in 0..21 {
            let student = w.student("UTC").await;
            let event =
                json!({"userId": student, "activity": "test_taken", "attributes": {"points": number + 1}});
            assert_eq!(w.service().record(event).await["userErrors"], json!([]));
        }
        let query = "query($n: Int) { leaderboard { standings(first: $n) { nodes { score } } } }";
        for (variables, rows) in [(json!({}), 20), (json!({"n": 2}), 2), (json!({"n": null}), 20)] {
            let answer = w.service().ask(query, variables).await;
            let nodes = &answer.data()["leaderboard"]["standings"]["nodes"];
            assert_eq!((nodes.as_array().unwrap().len(), &nodes[0]["score"]), (rows, &json!(21)));
        }
        w.finish().await;
    }

    async fn a_time_is_returned_in_utc_with_three_decimals(w: World) {
        let ada = w.student("UTC").await;
        for (number, (given, answered)) in [
            ("2026-01-15T11:00:00+01:00", "2026-01-15T10:00:00.000Z"),
            ("2026-01-14T23:30:00.1-01:30", "2026-01-15T01:00:00.100Z"),
            ("2026-01-15T10:00:00.123456789Z", "2026-01-15T10:00:00.123Z"),
        ]
        .into_iter()
        .enumerate()
        {
            let student = w.student("UTC").await;
            let event = json!({"id": number.to_string(), "userId": student, "activity": "question_answered",
                               "occurredAt": given, "attributes": {"correct": false}});
            assert_eq!(w.service().record(event).await["awards"][0]["earnedAt"], answered, "{given}");
            let read = "query($id: ID!) { earned(userId: $id) { nodes { earnedAt } } }";
            let answer = w.service().ask(read, json!({"id": student})).await;
            assert_eq!(answer.data()["earned"]["nodes"][0]["earnedAt"], answered, "read again: {given}");
        }
        let day = "query($id: ID!) { user(id: $id) { streak { lastActiveOn } } }";
        assert_eq!(
            w.service().ask(day, json!({"id": ada})).await.data()["user"]["streak"]["lastActiveOn"],
            Value::Null
        );
        w.service().record(json!({"userId": ada, "activity": "lesson_completed"})).await;
        let answer = w.service().ask(day, json!({"id": ada})).await;
        assert_eq!(answer.data()["user"]["streak"]["lastActiveOn"], "2026-01-15");
        w.finish().await;
    }

    async fn everything_with_an_id_is_a_node(w: World) {
        let ada = w.student("UTC").await;
        w.service()
            .record(json!({"userId": ada, "activity": "question_answered", "attributes": {"correct": true}}))
            .await;
        let query =
            "query($id: ID!) { earned(userId: $id) { nodes { id achievement { id key } user { id } } } }";
        let answer = w.service().ask(query, json!({"id": ada})).await;
        let award = &answer.data()["earned"]["nodes"][0];
        let node = "query($id: ID!) { node(id: $id) {
            __typename id ... on Achievement { key } ... on User { xp } ... on Award { xpBonus } } }";
        for (id, expected) in [
            (&award["id"], json!({"__typename": "Award", "id": award["id"], "xpBonus": 50})),
            (
                &award["achievement"]["id"],
                json!({"__typename": "Achievement", "id": award["achievement"]["id"], "key": "aurora/first-steps"}),
            ),
            (&award["user"]["id"], json!({"__typename": "User", "id": ada, "xp": 60})),
            (&json!(Uuid::from_u128(5)), Value::Null),
        ] {
            assert_eq!(w.service().ask(node, json!({"id": id})).await.data()["node"], expected);
        }
        let answer = w.service().ask(node, json!({"id": "not-an-id"})).await;
        assert_argument_refused(&answer, "id", "send an id as this API returns it");
        w.finish().await;
    }
}
