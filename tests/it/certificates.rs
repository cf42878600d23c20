//! Certificates: who may issue, change and see them, what is refused, and the number of statements.

mod repeated;
mod withdrawn;

use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::{Answer, Backend, Client, World, on_both};
use uuid::Uuid;

const CREATE: &str = "mutation($input: CreateCertificateInput!) { createCertificate(input: $input) {
    certificate { id number student { id } title issuedBy issuedDate description documentUrl additionalMetadata
                  createdAt updatedAt deletedAt }
    userErrors { field code message reason } } }";
const UPDATE: &str = "mutation($input: UpdateCertificateInput!) { updateCertificate(input: $input) {
    certificate { id number title issuedBy issuedDate description documentUrl additionalMetadata updatedAt }
    userErrors { field code message reason } } }";
const DELETE: &str = "mutation($input: DeleteCertificateInput!) { deleteCertificate(input: $input) {
    certificate { id deletedAt } userErrors { field code message reason } } }";
const ONE: &str = "query($id: ID!) { certificate(id: $id) { id title deletedAt } }";
const NODE: &str = "query($id: ID!) { node(id: $id) { __typename id ... on Certificate { title } } }";
const PAGE: &str = "query($student: ID, $first: Int, $after: String) {
    certificates(studentId: $student, first: $first, after: $after) {
      totalCount nodes { id title } edges { cursor } pageInfo { hasNextPage hasPreviousPage endCursor } } }";
const ACHIEVEMENTS: &str = "query($id: ID!) { studentAchievements(studentId: $id) {
    certificates { id number title issuedBy issuedDate documentUrl student { displayName xp } }
    badges { id achievement { key } } } }";

/// A teacher with one student, a parent linked to that student, and unrelated people.
struct School {
    admin: Client,
    teacher: Client,
    student: Uuid,
    as_student: Client,
    course: Value,
    parent: Client,
    stranger: Uuid,
    as_stranger: Client,
    other_teacher: Client,
}

impl School {
    async fn found(w: &World) -> Self {
        let [admin, teacher, student, parent, stranger, other] = [(); 6].map(|()| Uuid::new_v4());
        let member = async |id: Uuid, role: Role| {
            let client = w.person(id, role);
            assert_eq!(client.ask("{ me { id } }", json!({})).await.data()["me"]["id"], json!(id));
            client
        };
        let mut school = Self {
            course: Value::Null,
            admin: member(admin, Role::Admin).await,
            teacher: member(teacher, Role::Teacher).await,
            student,
            as_student: member(student, Role::Student).await,
            parent: member(parent, Role::Parent).await,
            stranger,
            as_stranger: member(stranger, Role::Student).await,
            other_teacher: member(other, Role::Teacher).await,
        };
        let course = "mutation($input: CreateCourseInput!) { createCourse(input: $input) { course { id } userErrors { message } } }";
        let input = json!({"title": "Science", "lessons": ["One"]});
        let answer = school.teacher.ask(course, json!({"input": input})).await;
        school.course = answer.data()["createCourse"]["course"]["id"].clone();
        school.enroll(true).await;
        let link = "mutation($input: LinkGuardianInput!) { linkGuardian(input: $input) { linked userErrors { message } } }";
        let answer =
            school.admin.ask(link, json!({"input": {"parentId": parent, "studentId": student}})).await;
        assert_eq!(answer.data()["linkGuardian"], json!({"linked": true, "userErrors": []}));
        school
    }

    /// Enrols the student in the teacher's course, or ends the enrolment.
    async fn enroll(&self, enrolled: bool) {
        let enroll =
            "mutation($input: EnrollInput!) { enroll(input: $input) { enrolled userErrors { message } } }";
        let input = json!({"courseId": self.course, "enrolled": enrolled});
        let answer = self.as_student.ask(enroll, json!({"input": input})).await;
        assert_eq!(answer.data()["enroll"], json!({"enrolled": enrolled, "userErrors": []}));
    }
}

fn science(student: Uuid) -> Value {
    json!({"studentId": student, "title": "Excellence in Science", "issuedBy": "School Board",
           "issuedDate": "2025-06-15", "documentUrl": "https://cdn.school.com/certs/abc.pdf"})
}

async fn create(client: &Client, input: Value) -> Value {
    let answer = client.ask(CREATE, json!({"input": input})).await;
    let payload = &answer.data()["createCertificate"];
    assert_eq!(payload["userErrors"], json!([]));
    payload["certificate"].clone()
}

/// The only error: (code, field below the input).
fn refused(answer: &Answer, mutation: &str) -> (String, Vec<String>) {
    let payload = &answer.data()[mutation];
    assert_eq!(payload["certificate"], Value::Null);
    let errors = payload["userErrors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{errors:?}");
    let field = errors[0]["field"].as_array().unwrap().iter().map(|part| part.as_str().unwrap().to_owned());
    let field: Vec<String> = field.collect();
    assert_eq!(field[0], "input");
    assert!(errors[0]["message"].as_str().unwrap().len() > 10, "{errors:?}");
    (errors[0]["code"].as_str().unwrap().to_owned(), field[1..].to_vec())
}

async fn rows(w: &World, table: &str) -> i64 {
    w.database.number(&format!("SELECT count(*) FROM {table}")).await
}

on_both! {
    async fn a_teacher_issues_a_certificate_that_the_student_finds(w: World) {
        let school = School::found(&w).await;
        let issued = create(&school.teacher, science(school.student)).await;
        let number = issued["number"].as_str().unwrap().to_owned();
        assert!(number.starts_with("CERT-2025-") && number.len() == 29, "{number}");
        assert_eq!(issued, json!({
            "id": issued["id"], "number": number, "student": {"id": school.student},
            "title": "Excellence in Science", "issuedBy": "School Board", "issuedDate": "2025-06-15",
            "description": null, "documentUrl": "https://cdn.school.com/certs/abc.pdf", "additionalMetadata": null,
            "createdAt": "2026-01-15T12:00:00.000Z", "updatedAt": "2026-01-15T12:00:00.000Z", "deletedAt": null,
        }));
        // An achievement of a rule is not a badge: people award badges.
        let answered = json!({"userId": school.student, "activity": "question_answered", "attributes": {"correct": true}});
        assert_eq!(w.service().record(answered).await["awards"].as_array().unwrap().len(), 1);
        let found = school.as_student.ask(ACHIEVEMENTS, json!({"id": school.student})).await;
        assert_eq!(found.data()["studentAchievements"], json!({"badges": [], "certificates": [{
            "id": issued["id"], "number": number, "title": "Excellence in Science", "issuedBy": "School Board",
            "issuedDate": "2025-06-15", "documentUrl": "https://cdn.school.com/certs/abc.pdf",
            "student": {"displayName": found.data()["studentAchievements"]["certificates"][0]["student"]["displayName"], "xp": 60},
        }]}));
        let typed = match w.database.backend {
            Backend::Postgres => "SELECT count(*) FROM information_schema.columns WHERE table_name = 'certificates'
                                  AND column_name = 'issued_date' AND data_type = 'date'",
            Backend::Sqlite => "SELECT count(*) FROM certificates WHERE issued_date = '2025-06-15'",
        };
        assert_eq!(w.database.number(typed).await, 1);
        w.finish().await;
    }

    async fn certificates_are_visible_in_every_field_or_in_none(w: World) {
        let school = School::found(&w).await;
        let id = create(&school.teacher, science(school.student)).await["id"].clone();
        let (here, nowhere) = (json!({"id": id}), json!({"id": Uuid::new_v4()}));
        let service = w.service();
        for client in [&school.admin, &school.teacher, &school.as_student, &school.parent, &service] {
            let one = client.ask(ONE, here.clone()).await;
            assert_eq!(one.data()["certificate"]["title"], "Excellence in Science");
            assert_eq!(client.ask(NODE, here.clone()).await.data()["node"]["__typename"], "Certificate");
            for student in [Value::Null, json!(school.student)] {
                let page = client.ask(PAGE, json!({"student": student})).await;
                assert_eq!(page.data()["certificates"]["totalCount"], 1);
                assert_eq!(page.data()["certificates"]["nodes"][0]["id"], id);
            }
            let all = client.ask(ACHIEVEMENTS, json!({"id": school.student})).await;
            assert_eq!(all.data()["studentAchievements"]["certificates"][0]["id"], id);
        }
        for client in [&school.as_stranger, &school.other_teacher] {
            for document in [ONE, NODE] {
                let (seen, missing) = (client.ask(document, here.clone()).await, client.ask(document, nowhere.clone()).await);
                assert_eq!(seen.body, missing.body);
                assert!(seen.data().as_object().unwrap().values().all(Value::is_null));
            }
            let own = client.ask(PAGE, json!({})).await;
            assert_eq!(own.data()["certificates"]["totalCount"], 0);
            assert_eq!(own.data()["certificates"]["nodes"], json!([]));
            let (theirs, nobodys) = (json!({"student": school.student}), json!({"student": Uuid::new_v4()}));
            let (seen, missing) = (client.ask(PAGE, theirs).await, client.ask(PAGE, nobodys).await);
            assert_eq!(seen.body, missing.body);
            assert_eq!(seen.data()["certificates"], Value::Null);
            let (seen, missing) = (client.ask(ACHIEVEMENTS, json!({"id": school.student})).await, client.ask(ACHIEVEMENTS, nowhere.clone()).await);
            assert_eq!(seen.body, missing.body);
            assert_eq!(seen.data()["studentAchievements"], Value::Null);
        }
        assert_eq!(w.nobody().ask(ONE, here).await.code(), "UNAUTHENTICATED");
        w.finish().await;
    }

    async fn only_permitted_roles_issue_change_and_delete(w: World) {
        let school = School::found(&w).await;
        let id = create(&school.admin, science(school.student)).await["id"].clone();
        let before = (rows(&w, "certificates").await, rows(&w, "audit_log").await);
        let missing = school.teacher.ask(CREATE, json!({"input": science(Uuid::new_v4())})).await;
        assert_eq!(refused(&missing, "createCertificate"), ("NOT_FOUND".to_owned(), vec!["studentId".to_owned()]));
        let not_theirs = school.teacher.ask(CREATE, json!({"input": science(school.stranger)})).await;
        assert_eq!(not_theirs.body, missing.body, "a student of nobody reads like a missing one");
        let not_theirs = school.other_teacher.ask(CREATE, json!({"input": science(school.student)})).await;
        assert_eq!(not_theirs.body, missing.body);
        let service = w.service();
        for client in [&school.as_student, &school.parent, &service] {
            assert_eq!(client.ask(CREATE, json!({"input": science(school.student)})).await.code(), "FORBIDDEN");
        }
        for client in [&school.teacher, &school.as_student, &school.parent, &service] {
            for target in [id.clone(), json!(Uuid::new_v4())] {
                let input = json!({"input": {"id": target, "title": "Changed"}});
                assert_eq!(client.ask(UPDATE, input).await.code(), "FORBIDDEN");
            }
        }
        let nowhere = json!({"input": {"id": Uuid::new_v4()}});
        let of_admin = json!({"input": {"id": id}});
        for client in [&school.as_student, &school.parent, &service] {
            for target in [&of_admin, &nowhere] {
                assert_eq!(client.ask(DELETE, target.clone()).await.code(), "FORBIDDEN");
            }
        }
        let (update, delete) = (school.admin.ask(UPDATE, nowhere.clone()).await, school.admin.ask(DELETE, nowhere).await);
        let not_theirs = school.teacher.ask(DELETE, of_admin).await;
        assert_eq!(not_theirs.body, delete.body, "a certificate that an admin issued reads like a missing one");
        for (answer, mutation) in [(update, "updateCertificate"), (delete, "deleteCertificate")] {
            assert_eq!(refused(&answer, mutation), ("NOT_FOUND".to_owned(), vec!["id".to_owned()]));
            assert_eq!(answer.data()[mutation]["userErrors"][0]["reason"], "CERTIFICATE_NOT_FOUND");
        }
        assert_eq!((rows(&w, "certificates").await, rows(&w, "audit_log").await), before, "a denial leaves nothing");
        w.finish().await;
    }

    async fn a_change_keeps_what_is_left_out_and_clears_what_is_null(w: World) {
        let school = School::found(&w).await;
        let mut input = science(school.student);
        input["description"] = json!("For the\nvolcano.");
        input["additionalMetadata"] = json!({"grade": "A", "points": [1, 2.5, null]});
        let issued = create(&school.teacher, input).await;
        w.tick(chrono::TimeDelta::hours(1));
        let change = json!({"id": issued["id"], "title": "Excellence", "issuedDate": "2025-06-16", "documentUrl": null});
        let changed = school.admin.ask(UPDATE, json!({"input": change})).await;
        let entries = "SELECT count(*) FROM audit_log WHERE act = 'update_certificate'";
        assert_eq!(w.database.number(entries).await, 1);
        assert_eq!(changed.data()["updateCertificate"], json!({"userErrors": [], "certificate": {
            "id": issued["id"], "number": issued["number"], "title": "Excellence", "issuedBy": "School Board",
            "issuedDate": "2025-06-16", "description": "For the\nvolcano.", "documentUrl": null,
            "additionalMetadata": {"grade": "A", "points": [1, 2.5, null]}, "updatedAt": "2026-01-15T13:00:00.000Z",
        }}));
        for required in ["title", "issuedBy", "issuedDate"] {
            let answer = school.admin.ask(UPDATE, json!({"input": {"id": issued["id"], required: null}})).await;
            assert_eq!(refused(&answer, "updateCertificate"), ("INVALID_INPUT".to_owned(), vec![required.to_owned()]));
        }
        w.finish().await;
    }

    async fn only_admins_see_a_deleted_certificate(w: World) {
        let school = School::found(&w).await;
        let id = create(&school.teacher, science(school.student)).await["id"].clone();
        let (here, nowhere) = (json!({"id": id}), json!({"id": Uuid::new_v4()}));
        let deleted = school.admin.ask(DELETE, json!({"input": {"id": id}})).await;
        let gone = json!({"certificate": {"id": id, "deletedAt": "2026-01-15T12:00:00.000Z"}, "userErrors": []});
        assert_eq!(deleted.data()["deleteCertificate"], gone);
        w.tick(chrono::TimeDelta::hours(1));
        let again = school.admin.ask(DELETE, json!({"input": {"id": id}})).await;
        assert_eq!(again.data()["deleteCertificate"], gone, "deleted once, it stays as it is");
        let changed = school.admin.ask(UPDATE, json!({"input": {"id": id, "title": "Back"}})).await;
        assert_eq!(refused(&changed, "updateCertificate"), ("CONFLICT".to_owned(), vec!["id".to_owned()]));
        let service = w.service();
        for client in [&school.teacher, &school.as_student, &school.parent, &service] {
            for document in [ONE, NODE] {
                let (seen, missing) = (client.ask(document, here.clone()).await, client.ask(document, nowhere.clone()).await);
                assert_eq!(seen.body, missing.body);
            }
            assert_eq!(client.ask(PAGE, json!({})).await.data()["certificates"]["totalCount"], 0);
            let all = client.ask(ACHIEVEMENTS, json!({"id": school.student})).await;
            assert_eq!(all.data()["studentAchievements"]["certificates"], json!([]));
        }
        let kept = school.admin.ask(ONE, here).await;
        assert_eq!(kept.data()["certificate"]["deletedAt"], "2026-01-15T12:00:00.000Z");
        assert_eq!(school.admin.ask(PAGE, json!({})).await.data()["certificates"]["totalCount"], 1);
        let acts = "SELECT count(*) FROM audit_log WHERE act = 'delete_certificate'";
        assert_eq!(w.database.number(acts).await, 1, "what was done once is written down once");
        w.finish().await;
    }

    async fn pages_hold_every_certificate_once_newest_first(w: World) {
        let school = School::found(&w).await;
        let mut expected = Vec::new();
        for nth in 0..7 {
            let mut input = science(school.student);
            input["title"] = json!(format!("Certificate {nth}"));
            expected.insert(0, create(&school.teacher, input).await["id"].clone());
            // Pairs have the same time, so ids decide their order.
            w.tick(chrono::TimeDelta::milliseconds(nth % 2));
        }
        create(&school.admin, science(school.stranger)).await;
        let (mut found, mut after, mut sizes) = (Vec::new(), Value::Null, Vec::new());
        loop {
            let page = school.parent.ask(PAGE, json!({"first": 3, "after": after})).await;
            let page = &page.data()["certificates"];
            assert_eq!(page["totalCount"], 7);
            assert_eq!(page["pageInfo"]["hasPreviousPage"], json!(!after.is_null()));
            let nodes = page["nodes"].as_array().unwrap();
            sizes.push(nodes.len());
            found.extend(nodes.iter().map(|node| node["id"].clone()));
            after = page["pageInfo"]["endCursor"].clone();
            if page["pageInfo"]["hasNextPage"] == json!(false) {
                break;
            }
        }
        assert_eq!((found, sizes), (expected, vec![3, 3, 1]));
        for (first, after) in [(json!(101), Value::Null), (json!(-1), Value::Null), (json!(1), json!("nonsense"))] {
            let answer = school.parent.ask(PAGE, json!({"first": first, "after": after})).await;
            assert_eq!(answer.code(), "INVALID_INPUT");
        }
        w.finish().await;
    }

    async fn bad_input_is_refused_in_its_field_and_nothing_is_stored(w: World) {
        let school = School::found(&w).await;
        let long = "x".repeat(201);
        let far = format!("https://school.example/{}", "a".repeat(2_048));
        let wrong: Vec<(&str, Value)> = vec![
            ("studentId", json!("nobody")), ("studentId", json!("")),
            ("title", json!("")), ("title", json!(" \u{a0}")), ("title", json!(long)), ("title", json!("a\nb")),
            ("title", json!("a\0b")), ("title", json!("a\u{2066}b")), ("title", json!("a\u{202e}\u{1}b")), ("title", json!("\u{316}".repeat(3_000))),
            ("issuedBy", json!("")), ("issuedBy", json!(long)), ("issuedBy", json!("a\tb")),
            ("issuedDate", json!("2025-02-30")), ("issuedDate", json!("15.6.2025")), ("issuedDate", json!("2025-6-15")),
            ("issuedDate", json!("2025-06-15T00:00:00Z")), ("issuedDate", json!("0000-01-01")),
            ("issuedDate", json!("+10000-01-01")), ("issuedDate", json!(" 2025-06-15")), ("issuedDate", json!(20250615)),
            ("description", json!("x".repeat(2_001))), ("description", json!("a\0b")),
            ("documentUrl", json!("")), ("documentUrl", json!("abc.pdf")), ("documentUrl", json!("javascript:alert(1)")),
            ("documentUrl", json!("ftp://school.example/a")), ("documentUrl", json!("https://ada:secret@school.example/a")),
            ("documentUrl", json!(far)), ("documentUrl", json!(7)),
            ("additionalMetadata", json!([])), ("additionalMetadata", json!("text")), ("additionalMetadata", json!(1)),
            ("additionalMetadata", json!({"a": "\0"})), ("additionalMetadata", json!({"a": [{"\0": 1}]})),
            ("additionalMetadata", json!({"a": "x".repeat(16 * 1_024)})),
        ];
        let kept = create(&school.admin, science(school.student)).await;
        let before = rows(&w, "audit_log").await;
        for (field, value) in wrong {
            let mut input = science(school.student);
            input[field] = value.clone();
            let answer = school.teacher.ask(CREATE, json!({"input": input})).await;
            assert_eq!(refused(&answer, "createCertificate"), ("INVALID_INPUT".to_owned(), vec![field.to_owned()]), "{field}: {value}");
            if field != "studentId" {
                let answer = school.admin.ask(UPDATE, json!({"input": {"id": kept["id"], field: value}})).await;
                assert_eq!(refused(&answer, "updateCertificate"), ("INVALID_INPUT".to_owned(), vec![field.to_owned()]), "{field}: {value}");
            }
        }
        assert_eq!((rows(&w, "certificates").await, rows(&w, "audit_log").await), (1, before));
        let untouched = "SELECT count(*) FROM certificates WHERE title = 'Excellence in Science'";
        assert_eq!(w.database.number(untouched).await, 1);
        w.finish().await;
    }

    async fn text_of_every_script_is_returned_unchanged(w: World) {
        let school = School::found(&w).await;
        let title = "👩‍🔬 שלום — عَرَبِيّ — q̣̇ — 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 — नमस्ते";
        let mut input = science(school.student);
        input["title"] = json!(title);
        input["issuedBy"] = json!("校 🏫");
        input["description"] = json!("ligne 1\nשורה 2\r\n🎓🎓");
        input["documentUrl"] = json!("https://school.example/a?b=%D7%A9#c");
        input["additionalMetadata"] = json!({"naïve 🦉": ["שלום", {"deep": [true, null, 1.5, -3]}], "quote": "\"\\\n"});
        let issued = create(&school.teacher, input.clone()).await;
        for field in ["title", "issuedBy", "description", "documentUrl", "additionalMetadata"] {
            assert_eq!(issued[field], input[field]);
        }
        let read = "query($id: ID!) { certificate(id: $id) { title issuedBy description documentUrl additionalMetadata } }";
        let read = school.as_student.ask(read, json!({"id": issued["id"]})).await;
        for field in ["title", "issuedBy", "description", "documentUrl", "additionalMetadata"] {
            assert_eq!(read.data()["certificate"][field], input[field]);
        }
        w.finish().await;
    }

    async fn a_hundred_certificates_cost_as_many_statements_as_one(w: World) {
        let school = School::found(&w).await;
        let mut numbers = std::collections::BTreeSet::new();
        numbers.insert(create(&school.teacher, science(school.student)).await["number"].to_string());
        let statements = async |client: &Client, document: &str, variables: Value| {
            let before = w.server.app.db.statements();
            let answer = client.ask(document, variables).await;
            assert_eq!(answer.body.get("errors"), None);
            (w.server.app.db.statements() - before, answer)
        };
        let page = "query($first: Int) { certificates(first: $first) {
            totalCount nodes { id number student { displayName xp level { number } } } } }";
        let mut costs = Vec::new();
        for client in [&school.admin, &school.teacher, &school.parent, &school.as_student] {
            let (of_page, _) = statements(client, page, json!({"first": 100})).await;
            let (of_all, _) = statements(client, ACHIEVEMENTS, json!({"id": school.student})).await;
            costs.push((of_page, of_all));
        }
        for _ in 1..100 {
            numbers.insert(create(&school.teacher, science(school.student)).await["number"].to_string());
        }
        assert_eq!(numbers.len(), 100, "no two certificates have one number");
        let clients = [&school.admin, &school.teacher, &school.parent, &school.as_student];
        for (client, (of_page, of_all)) in clients.into_iter().zip(costs) {
            let (cost, answer) = statements(client, page, json!({"first": 100})).await;
            assert_eq!(answer.data()["certificates"]["nodes"].as_array().unwrap().len(), 100);
            assert_eq!(cost, of_page);
            let (cost, answer) = statements(client, ACHIEVEMENTS, json!({"id": school.student})).await;
            assert_eq!(answer.data()["studentAchievements"]["certificates"].as_array().unwrap().len(), 100);
            assert_eq!(cost, of_all);
        }
        w.finish().await;
    }
}
