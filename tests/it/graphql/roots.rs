//! A root that fails is null, and the other roots of the request keep their results.

use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::on_both;
use uuid::Uuid;

on_both! {
    async fn a_mutation_that_fails_keeps_the_results_of_its_neighbours(w: World) {
        let (ada, admin, teacher) = (w.student("UTC").await, Uuid::new_v4(), Uuid::new_v4());
        let as_admin = w.person(admin, Role::Admin);
        let setup = "mutation($teacher: ID!) {
            upsertUser(input: {id: $teacher, displayName: \"Ingrid\", role: TEACHER}) { userErrors { message } }
            createCourse(input: {title: \"Rust\", teacherId: $teacher, lessons: []}) { course { id } userErrors { message } }
            createBadge(input: {name: \"Kind\"}) { achievement { id } userErrors { message } } }";
        let made = as_admin.ask(setup, json!({"teacher": teacher})).await;
        let (course, badge) = (&made.data()["createCourse"]["course"]["id"], &made.data()["createBadge"]["achievement"]["id"]);
        let enroll = "mutation($course: ID!, $ada: ID!) { enroll(input: {courseId: $course, studentId: $ada}) { enrolled } }";
        as_admin.ask(enroll, json!({"course": course, "ada": ada})).await.data();

        let both = "mutation($ada: ID!, $badge: ID!) {
            a: awardBadge(input: {studentId: $ada, badgeId: $badge}) { award { user { id } } duplicate }
            b: createBadge(input: {name: \"Mine\"}) { achievement { id } }
            c: awardBadge(input: {studentId: $ada, badgeId: $badge}) { duplicate } }";
        let answer = w.person(teacher, Role::Teacher).ask(both, json!({"ada": ada, "badge": badge})).await;
        assert_eq!(answer.status, 200);
        let data = json!({"a": {"award": {"user": {"id": ada}}, "duplicate": false}, "b": null, "c": {"duplicate": true}});
        assert_eq!(answer.body["data"], data);
        let errors = answer.body["errors"].as_array().unwrap();
        assert_eq!((errors.len(), &errors[0]["path"], answer.code()), (1, &json!(["b"]), "FORBIDDEN"));
        assert_eq!(w.database.number("SELECT count(*) FROM awards").await, 1);
        w.finish().await;
    }

    async fn a_query_that_fails_keeps_the_results_of_its_neighbours(w: World) {
        let ada = w.student("UTC").await;
        let query = "{ me { id } courses(first: 1000) { totalCount } leaderboard { period } }";
        let answer = w.person(ada, Role::Student).ask(query, json!({})).await;
        assert_eq!(answer.status, 200);
        let data = json!({"me": {"id": ada}, "courses": null, "leaderboard": {"period": "ALL_TIME"}});
        assert_eq!(answer.body["data"], data);
        let errors = answer.body["errors"].as_array().unwrap();
        assert_eq!((errors.len(), &errors[0]["path"], answer.code()), (1, &json!(["courses"]), "INVALID_INPUT"));

        // A field below a root that must not be null nulls the root alone.
        let query = "{ me { id } leaderboard { standings(first: 101) { totalCount } } }";
        let answer = w.person(ada, Role::Student).ask(query, json!({})).await;
        assert_eq!(answer.body["data"], json!({"me": {"id": ada}, "leaderboard": null}));
        assert_eq!(answer.body["errors"][0]["path"], json!(["leaderboard", "standings"]));

        let answer = w.service().ask("{ feedCursor me { id } }", json!({})).await;
        assert_eq!((answer.code(), &answer.body["data"]["me"]), ("FORBIDDEN", &Value::Null));
        assert!(answer.body["data"]["feedCursor"].is_string(), "{}", answer.body);
        w.finish().await;
    }

    async fn an_argument_that_cannot_be_parsed_fails_its_own_root(w: World) {
        let ada = w.student("UTC").await;
        let query = "{ me { id } earned(since: \"yesterday\") { totalCount } }";
        let answer = w.person(ada, Role::Student).ask(query, json!({})).await;
        assert_eq!(answer.body["data"], json!({"me": {"id": ada}, "earned": null}));
        let error = &answer.body["errors"][0];
        assert_eq!((answer.code(), &error["path"]), ("INVALID_INPUT", &json!(["earned"])));
        assert!(error["message"].as_str().unwrap().contains("send RFC 3339"), "{error}");
        w.finish().await;
    }
}
