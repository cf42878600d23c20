//! Data protection: the audit log, the export of a person's data, and its erasure.

mod export;

use plaudit::auth::Role;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tests::{Client, World, on_both};
use uuid::Uuid;

const EXPORT: &str = "mutation($id: ID!) { exportPerson(input: {userId: $id}) {
    export userErrors { field code message reason } } }";
const ERASE: &str = "mutation($id: ID!) { erasePerson(input: {userId: $id}) {
    user { id displayName xp } userErrors { field code message reason } } }";
const AUDIT: &str =
    "query($id: ID, $first: Int, $after: String) { auditLog(userId: $id, first: $first, after: $after) {
    totalCount nodes { actor actorUser { id } role act user { id } objectId at requestId }
    pageInfo { hasNextPage endCursor } } }";
const BOARD: &str =
    "{ leaderboard { totalCount standings { nodes { rank score reachedAt user { id displayName } } } } }";
const CERTIFY: &str = "mutation($input: CreateCertificateInput!) { createCertificate(input: $input) {
    certificate { id } userErrors { message } } }";
const COURSE: &str = "mutation($input: CreateCourseInput!) { createCourse(input: $input) {
    course { id lessons { id } } userErrors { message } } }";
const ENROLL: &str =
    "mutation($course: ID!, $student: ID) { enroll(input: {courseId: $course, studentId: $student}) {
    enrolled userErrors { field code } } }";
const COMPLETE: &str = "mutation($lesson: ID!) { completeLesson(input: {lessonId: $lesson}) {
    lesson { id } userErrors { message } } }";
const COMMENT: &str =
    "mutation($lesson: ID!, $body: String!) { writeComment(input: {lessonId: $lesson, body: $body}) {
    userErrors { message } } }";
const LINK: &str =
    "mutation($parent: ID!, $child: ID!) { linkGuardian(input: {parentId: $parent, studentId: $child}) {
    linked userErrors { message } } }";

/// A person with this role who has signed in once.
async fn member(w: &World, role: Role) -> (Uuid, Client) {
    let id = Uuid::new_v4();
    let client = w.person(id, role);
    assert_eq!(client.ask("{ me { id } }", json!({})).await.data()["me"]["id"], json!(id));
    (id, client)
}

/// A student with a name, an address, rows in every table, and a teacher and a parent.
struct Ada {
    id: Uuid,
    client: Client,
    teacher_id: Uuid,
    teacher: Client,
    parent_id: Uuid,
    parent: Client,
    course: Value,
    lesson: Value,
    certificate: Value,
}

impl Ada {
    async fn with_a_past(w: &World, head: &Client) -> Self {
        let id = Uuid::new_v4();
        let fields = json!({"displayName": "Ada Lovelace", "email": "ada@school.example", "timezone": "Europe/London", "locale": "en-GB"});
        w.upsert(id, fields).await;
        let client = w.person(id, Role::Student);
        let (teacher_id, teacher) = member(w, Role::Teacher).await;
        let (guardian, parent) = member(w, Role::Parent).await;
        let input = json!({"title": "Engines", "lessons": ["One", "Two"]});
        let answer = teacher.ask(COURSE, json!({"input": input})).await;
        let course = &answer.data()["createCourse"]["course"];
        let (course, lesson) = (course["id"].clone(), course["lessons"][0]["id"].clone());
        assert_eq!(client.ask(ENROLL, json!({"course": course})).await.data()["enroll"]["enrolled"], true);
        assert_eq!(
            client.ask(COMPLETE, json!({"lesson": lesson})).await.data()["completeLesson"]["userErrors"],
            json!([])
        );
        let comment = json!({"lesson": lesson, "body": "I am Ada Lovelace."});
        assert_eq!(client.ask(COMMENT, comment).await.data()["writeComment"]["userErrors"], json!([]));
        let link = json!({"parent": guardian, "child": id});
        assert_eq!(head.ask(LINK, link).await.data()["linkGuardian"]["linked"], true);
        let input = json!({"studentId": id, "title": "For Ada Lovelace", "issuedBy": "The Lovelaces",
            "issuedDate": "2026-01-14", "description": "Ada's own.", "documentUrl": "https://school.example/ada.pdf",
            "additionalMetadata": {"name": "Ada Lovelace"}});
        let answer = teacher.ask(CERTIFY, json!({"input": input})).await;
        let certificate = answer.data()["createCertificate"]["certificate"]["id"].clone();
        // Right answers at one moment, ordered in the run only by their ids, and a wrong one among them.
        for nth in [7, 3, 12, 1, 9, 10] {
            w.service()
                .record(json!({
                    "id": format!("ada@school.example/{nth}"), "userId": id, "activity": "question_answered",
                    "occurredAt": "2026-01-15T09:00:00Z", "attributes": {"correct": nth != 3},
                }))
                .await;
        }
        Self { id, client, teacher_id, teacher, parent_id: guardian, parent, course, lesson, certificate }
    }
}

on_both! {
    async fn an_action_on_another_persons_record_is_in_the_audit_log_for_admins(w: World) {
        let (_, head) = member(&w, Role::SuperAdmin).await;
        let (admin, as_admin) = member(&w, Role::Admin).await;
        let ada = w.student("UTC").await;
        let input = json!({"studentId": ada, "title": "Science", "issuedBy": "Board", "issuedDate": "2026-01-01"});
        let issued = as_admin.ask(CERTIFY, json!({"input": input})).await;
        let request = issued.headers["x-request-id"].to_str().unwrap();
        let log = head.ask(AUDIT, json!({"id": ada})).await;
        let log = &log.data()["auditLog"];
        assert_eq!(log["totalCount"], 2);
        assert_eq!(log["nodes"][0], json!({
            "actor": admin.to_string(), "actorUser": {"id": admin}, "role": "ADMIN", "act": "create_certificate",
            "user": {"id": ada}, "objectId": issued.data()["createCertificate"]["certificate"]["id"],
            "at": "2026-01-15T12:00:00.000Z", "requestId": request,
        }));
        let made = &log["nodes"][1];
        assert_eq!(
            [&made["actor"], &made["actorUser"], &made["role"], &made["act"], &made["objectId"]],
            [&json!("school"), &json!(null), &json!("SERVICE"), &json!("upsert_user"), &json!(null)],
        );
        // A denial creates no audit entry, and neither does an action on the own record.
        let refused = as_admin.ask(ERASE, json!({"id": ada})).await;
        assert_eq!(refused.code(), "FORBIDDEN");
        w.person(ada, Role::Student).ask(EXPORT, json!({"id": ada})).await.data();
        let first = head.ask(AUDIT, json!({"first": 1})).await;
        let first = &first.data()["auditLog"];
        assert_eq!((&first["totalCount"], &first["pageInfo"]["hasNextPage"]), (&json!(2), &json!(true)));
        let rest = head.ask(AUDIT, json!({"first": 5, "after": first["pageInfo"]["endCursor"]})).await;
        assert_eq!(rest.data()["auditLog"]["nodes"], json!([made]));
        assert_eq!(head.ask(AUDIT, json!({"id": Uuid::new_v4()})).await.data()["auditLog"], Value::Null);
        for role in [Role::Teacher, Role::Student, Role::Parent] {
            let (_, client) = member(&w, role).await;
            assert_eq!(client.ask(AUDIT, json!({})).await.code(), "FORBIDDEN");
        }
        assert_eq!(w.service().ask(AUDIT, json!({})).await.code(), "FORBIDDEN");
        w.finish().await;
    }

    async fn an_erased_person_is_named_and_ranked_nowhere(w: World) {
        let (_, head) = member(&w, Role::SuperAdmin).await;
        let ada = Ada::with_a_past(&w, &head).await;
        let ben = w.student("UTC").await;
        w.service().record(json!({"userId": ben, "activity": "question_answered", "attributes": {"correct": true}})).await;
        let before = head.ask(BOARD, json!({})).await.data().clone();
        w.tick(chrono::TimeDelta::minutes(1));

        let erased = head.ask(ERASE, json!({"id": ada.id})).await;
        assert_eq!(erased.data()["erasePerson"], json!({
            "user": {"id": ada.id, "displayName": "Erased person", "xp": null}, "userErrors": [],
        }));

        let places = |board: &Value| board["leaderboard"]["standings"]["nodes"].as_array().unwrap().clone();
        let after = head.ask(BOARD, json!({})).await.data().clone();
        let (before, after) = (places(&before), places(&after));
        let of = |one: &Value| one["user"]["id"].clone();
        assert_eq!(before.iter().map(of).collect::<Vec<_>>(), [json!(ada.id), json!(ben)]);
        assert_eq!(after.iter().map(of).collect::<Vec<_>>(), [json!(ben)]);
        assert_eq!((&after[0]["rank"], &after[0]["score"]), (&json!(1), &before[1]["score"]), "whoever is behind moves up");

        for (table, words) in [
            ("people", "display_name || coalesce(email, '') || search_name || search_key || coalesce(locale, '')"),
            ("events", "external_id"), ("comments", "body"), ("awards", "coalesce(notes, '')"), ("metrics", "coalesce(run_external_id, '')"),
            ("certificates", "title || issued_by || coalesce(description, '') || coalesce(document_url, '') || coalesce(cast(metadata AS text), '') || coalesce(client_mutation_id, '')"),
        ] {
            // Not "ada" alone, because an id can contain it as a hexadecimal number.
            for word in ["lovelace", "ada@", "ada.", "ada''s", "en-gb"] {
                let named = format!("SELECT count(*) FROM {table} WHERE lower({words}) LIKE '%{word}%'");
                assert_eq!(w.database.number(&named).await, 0, "{word} in {table}");
            }
        }
        for relation in ["enrollments", "guardians"] {
            let holding = format!("SELECT count(*) FROM {relation} WHERE ended_at IS NULL");
            assert_eq!(w.database.number(&holding).await, 0, "{relation}");
        }
        // Of six events, in the order of their old ids; and no word finds data that only she had.
        let named = "SELECT count(DISTINCT external_id) FROM events WHERE external_id LIKE 'erased:%' AND source = 'school'";
        assert_eq!(w.database.number(named).await, 6);
        let search = "query($name: String!) { people(search: $name) { totalCount nodes { id } } }";
        for name in ["Ada Lovelace", "love", "Erased person", "erased"] {
            let found = head.ask(search, json!({"name": name})).await;
            assert_eq!(found.data()["people"], json!({"totalCount": 0, "nodes": []}), "{name}");
        }
        let number = "SELECT count(*) FROM certificates WHERE number LIKE 'CERT-ERASED-%-1'";
        assert_eq!(w.database.number(number).await, 1);
        w.finish().await;
    }

    async fn the_name_of_an_erased_teacher_is_removed_from_others_data(w: World) {
        let (_, head) = member(&w, Role::SuperAdmin).await;
        let teacher_id = Uuid::new_v4();
        w.upsert(teacher_id, json!({"displayName": "Grace Hopper", "role": "TEACHER"})).await;
        let teacher = w.person(teacher_id, Role::Teacher);
        let (ada, as_ada) = member(&w, Role::Student).await;
        let (other_id, _) = member(&w, Role::Teacher).await;
        let teach = async |title: &str| {
            let input = json!({"title": title, "lessons": ["One"], "certificateTitle": format!("{title} done")});
            let course = teacher.ask(COURSE, json!({"input": input})).await.data()["createCourse"]["course"].clone();
            as_ada.ask(ENROLL, json!({"course": course["id"]})).await.data();
            let done = as_ada.ask(COMPLETE, json!({"lesson": course["lessons"][0]["id"]})).await;
            assert_eq!(done.data()["completeLesson"]["userErrors"], json!([]));
            course["id"].clone()
        };
        let (kept, given) = (teach("Compilers").await, teach("Machines").await);
        let hand_over = json!({"input": {"id": given, "teacherId": other_id}});
        let update = "mutation($input: UpdateCourseInput!) { updateCourse(input: $input) { course { teacher { displayName } } userErrors { message } } }";
        assert_eq!(head.ask(update, hand_over).await.data()["updateCourse"]["userErrors"], json!([]));
        for (client, by) in [(&teacher, "Grace Hopper"), (&teacher, "Navy"), (&head, "Grace Hopper")] {
            let input = json!({"studentId": ada, "title": format!("From {by}"), "issuedBy": by, "issuedDate": "2026-01-14"});
            client.ask(CERTIFY, json!({"input": input})).await.data();
        }
        let badge = "mutation($name: String!) { createBadge(input: {name: $name, iconUrl: \"https://school.example/b.png\"}) { achievement { id } } }";
        let give = "mutation($badge: ID!, $student: ID!, $notes: String) { awardBadge(input: {badgeId: $badge, studentId: $student, notes: $notes}) { award { id } userErrors { message } } }";
        let revoke = "mutation($award: ID!, $reason: String!) { revokeAward(input: {awardId: $award, reason: $reason}) { userErrors { message } } }";
        let mut awards = Vec::new();
        for (name, client) in [("Kind", &teacher), ("Brave", &head), ("Calm", &teacher)] {
            let badge = head.ask(badge, json!({"name": name})).await.data()["createBadge"]["achievement"]["id"].clone();
            let given = client.ask(give, json!({"badge": badge, "student": ada, "notes": format!("{name}, says G. Hopper")})).await;
            awards.push(given.data()["awardBadge"]["award"]["id"].clone());
        }
        for (client, award) in [(&head, &awards[0]), (&teacher, &awards[2])] {
            let revoked = client.ask(revoke, json!({"award": award, "reason": "Not so, says G. Hopper"})).await;
            assert_eq!(revoked.data()["revokeAward"]["userErrors"], json!([]));
        }

        assert_eq!(head.ask(ERASE, json!({"id": teacher_id})).await.data()["erasePerson"]["userErrors"], json!([]));

        let page = "{ certificates { nodes { title issuedBy } } }";
        let by = |title: &str, by: &str| json!({"title": title, "issuedBy": by});
        // Newest first. Texts of other people remain.
        assert_eq!(as_ada.ask(page, json!({})).await.data()["certificates"]["nodes"], json!([
            by("From Grace Hopper", "Grace Hopper"), by("From Navy", "Navy"), by("From Grace Hopper", "Erased"),
            by("Machines done", "Machines"), by("Compilers done", "Compilers"),
        ]));
        let award = "query($id: ID!) { node(id: $id) { ... on Award { awardedBy { displayName xp } notes revocationReason } } }";
        let mut told = Vec::new();
        for id in &awards {
            let node = head.ask(award, json!({"id": id})).await.data()["node"].clone();
            let giver = node["awardedBy"]["displayName"].as_str().unwrap().split(' ').next();
            told.push(json!([giver, node["awardedBy"]["xp"], node["notes"], node["revocationReason"]]));
        }
        assert_eq!(told, [
            json!(["Erased", null, null, "Not so, says G. Hopper"]),
            json!(["Admin", 0, "Brave, says G. Hopper", null]),
            json!(["Erased", null, null, null]),
        ]);
        let course = "query($id: ID!) { node(id: $id) { ... on Course { teacher { id } } } }";
        for (id, teacher) in [(&kept, Value::Null), (&given, json!({"id": other_id}))] {
            assert_eq!(head.ask(course, json!({"id": id})).await.data()["node"]["teacher"], teacher);
        }
        // Another person teaches it from now on.
        let hand_over = json!({"input": {"id": kept, "teacherId": other_id}});
        assert_eq!(head.ask(update, hand_over).await.data()["updateCourse"]["userErrors"], json!([]));
        w.finish().await;
    }

    async fn an_erasure_takes_as_many_statements_for_thousands_of_events_as_for_one(w: World) {
        let (_, head) = member(&w, Role::SuperAdmin).await;
        let mut counts = Vec::new();
        for events in [1, 2_500] {
            let id = w.student("UTC").await;
            let event = |nth: i32| json!({"id": format!("{id}-{nth}"), "userId": id, "activity": "course_enrolled"});
            for some in (0..events).collect::<Vec<_>>().chunks(1_000) {
                let recorded = w.service().record_all(&some.iter().map(|nth| event(*nth)).collect::<Vec<_>>()).await;
                assert_eq!(recorded["userErrors"], json!([]));
            }
            let before = w.server.app.db.statements();
            assert_eq!(head.ask(ERASE, json!({"id": id})).await.data()["erasePerson"]["userErrors"], json!([]));
            counts.push(w.server.app.db.statements() - before);
        }
        let left = "SELECT count(*) FROM events WHERE source = 'school' AND external_id NOT LIKE 'erased:%'";
        assert_eq!((counts[1], w.database.number(left).await), (counts[0], 0));
        w.finish().await;
    }

    async fn an_erased_person_is_reported_as_missing_and_cannot_be_recreated(w: World) {
        let (head_id, head) = member(&w, Role::SuperAdmin).await;
        let ada = Ada::with_a_past(&w, &head).await;
        let ben = w.student("UTC").await;
        w.upsert(ben, json!({"referredBy": ada.id})).await;
        assert_eq!(head.ask(ERASE, json!({"id": ada.id})).await.data()["erasePerson"]["userErrors"], json!([]));
        let entries = "SELECT count(*) FROM audit_log WHERE act = 'erase_person'";
        assert_eq!(w.database.number(entries).await, 1);
        let rows = async |table: &str| w.database.number(&format!("SELECT count(*) FROM {table}")).await;
        let kept = (rows("events").await, rows("certificates").await, rows("people").await, rows("audit_log").await);

        let refused = ada.client.ask("{ me { id } }", json!({})).await;
        assert_eq!((refused.status, refused.code()), (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED"));
        for document in [
            "query($id: ID!) { user(id: $id) { id } }", "query($id: ID!) { node(id: $id) { id } }",
            "query($id: ID!) { earned(userId: $id) { totalCount } }", "query($id: ID!) { studentAchievements(studentId: $id) { certificates { id } } }",
        ] {
            for client in [&head, &ada.teacher, &ada.parent] {
                let (hers, missing) = (client.ask(document, json!({"id": ada.id})).await, client.ask(document, json!({"id": Uuid::new_v4()})).await);
                assert_eq!(hers.body, missing.body, "{document}");
            }
        }
        for document in [EXPORT, ERASE] {
            let (hers, missing) = (head.ask(document, json!({"id": ada.id})).await, head.ask(document, json!({"id": Uuid::new_v4()})).await);
            assert_eq!(hers.body, missing.body);
        }
        for id in 0..2 {
            let event = json!({"id": format!("ada@school.example/{id}"), "userId": ada.id, "activity": "question_answered", "attributes": {"correct": true}});
            let answer = w.service().record(event).await;
            assert_eq!((&answer["userErrors"][0]["code"], &answer["userErrors"][0]["field"]), (&json!("NOT_FOUND"), &json!(["input", "userId"])));
        }
        let input = json!({"studentId": ada.id, "title": "Again", "issuedBy": "Board", "issuedDate": "2026-01-01"});
        assert_eq!(head.ask(CERTIFY, json!({"input": input})).await.data()["createCertificate"]["certificate"], Value::Null);
        let enrolled = head.ask(ENROLL, json!({"course": ada.course, "student": ada.id})).await;
        assert_eq!(enrolled.data()["enroll"]["userErrors"][0]["code"], "NOT_FOUND");
        let upsert = "mutation($input: UpsertUserInput!) { upsertUser(input: $input) { user { id } userErrors { field code reason } } }";
        let back = head.ask(upsert, json!({"input": {"id": ada.id, "displayName": "Ada"}})).await;
        assert_eq!(back.data()["upsertUser"], json!({"user": null, "userErrors": [
            {"field": ["input", "id"], "code": "CONFLICT", "reason": "PERSON_ERASED"}]}));
        assert_eq!((rows("events").await, rows("certificates").await, rows("people").await, rows("audit_log").await), kept);

        let kept = head.ask("query($id: ID!) { certificate(id: $id) { title issuedBy description documentUrl additionalMetadata } }", json!({"id": ada.certificate})).await;
        assert_eq!(kept.data()["certificate"], json!({"title": "Erased", "issuedBy": "Erased", "description": null, "documentUrl": null, "additionalMetadata": null}));
        let own = head.ask(ERASE, json!({"id": head_id})).await;
        assert_eq!(own.data()["erasePerson"]["userErrors"][0]["code"], "FORBIDDEN");

        // Actions of people whom she referred still count for both.
        let answers: Vec<Value> = (0..10).map(|_| json!({"userId": ben, "activity": "question_answered", "attributes": {"correct": true}})).collect();
        let recorded = w.service().record_all(&answers).await;
        assert!(recorded["results"].as_array().unwrap().iter().all(|row| row["userErrors"] == json!([])));
        w.finish().await;
    }

    async fn only_a_super_admin_erases(w: World) {
        let ada = w.student("UTC").await;
        for role in [Role::Admin, Role::Teacher, Role::Parent, Role::Student] {
            let (id, client) = member(&w, role).await;
            for target in [ada, id, Uuid::new_v4()] {
                assert_eq!(client.ask(ERASE, json!({"id": target})).await.code(), "FORBIDDEN");
            }
        }
        assert_eq!(w.service().ask(ERASE, json!({"id": ada})).await.code(), "FORBIDDEN");
        assert_eq!(w.database.number("SELECT count(*) FROM people WHERE erased_at IS NOT NULL").await, 0);
        w.finish().await;
    }
}
