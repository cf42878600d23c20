//! A real server logs every denial: the caller and the reason, without any text of the caller.

use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::{Backend, Client, Closed, Database, Frame, Process};
use uuid::Uuid;

const MALFORMED: &str = "The token is not a JWT; send its three base64url parts, separated by dots.";
const MISSING: &str = "Sign in first: send the header `Authorization: Bearer <token>`, or on a socket the payload \
    {\"authorization\": \"Bearer <token>\"} of connection_init.";
const OTHER_ROLE: &str = "The token's role differs from the role that is stored for this person. Get a token with the stored role.";
const NAME: &str = "Xiomara Quist";
const NOTES: &str = "Secretly unwell";
const UPSERT: &str =
    "mutation($input: UpsertUserInput!) { upsertUser(input: $input) { userErrors { message } } }";
const ERASE: &str = "mutation($input: ErasePersonInput!) { erasePerson(input: $input) { user { id } } }";
// The document does not select the errors, because a denial must be logged without that too.
const AWARD: &str = "mutation($input: AwardBadgesInput!) { ...f }
    fragment f on Mutation { given: awardBadges(input: $input) { results { index } } }";
const FOLLOW: &str =
    "subscription($id: ID) { achievementEarned(userId: $id) { cursor award { user { displayName } } } }";

#[tokio::test(flavor = "multi_thread")]
async fn denials_go_to_the_log_on_sqlite() {
    denials_go_to_the_log(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn denials_go_to_the_log_on_postgres() {
    denials_go_to_the_log(Backend::Postgres).await;
}

async fn denials_go_to_the_log(backend: Backend) {
    let Some(database) = Database::migrated(backend).await else { return };
    let config = tests::settings(&database);
    let mut school = School { server: Process::serve(&config).await, log: Vec::new() };
    school.deny_over_http().await;
    school.deny_on_a_socket().await;
    let words: String = school.log.iter().map(|line| line.to_string()).collect();
    for word in ["eyJ", "not.a.token", NAME, NOTES, "x@school.example", "SELECT", "INSERT"] {
        assert!(!words.contains(word), "{word} is in the log: {words}");
    }
    school.server.kill().await;
}

struct School {
    server: Process,
    /// All log lines so far.
    log: Vec<Value>,
}

impl School {
    async fn deny_over_http(&mut self) {
        let [admin, teacher, student] = [1, 2, 3].map(Uuid::from_u128);
        let as_admin = self.client(admin, Role::Admin);
        let named = json!({"id": student, "displayName": NAME, "email": "x@school.example"});
        assert_eq!(self.ask(&as_admin, UPSERT, named).await, json!([]));
        let badge = json!({"name": "Team Player", "iconUrl": "https://school.example/badge.png"});
        let create =
            "mutation($input: CreateBadgeInput!) { createBadge(input: $input) { userErrors { message } } }";
        assert_eq!(self.ask(&as_admin, create, badge).await, json!([]));

        let as_student = self.client(student, Role::Student);
        let told = self.ask(&as_student, ERASE, json!({"userId": admin})).await;
        let denied = json!({"code": "FORBIDDEN", "times": 1, "actor": student, "role": "student",
            "operation": "mutation erasePerson", "request_id": "mine"});
        assert_eq!(told, json!([denied]));

        let as_teacher = self.client(teacher, Role::Teacher);
        let row = |id: Uuid| json!({"studentId": id, "notes": NOTES});
        let rows = [row(student), row(teacher), row(Uuid::from_u128(4))];
        let input = json!({"badgeId": "8e5c4c2e-0413-5ccb-be2c-9c1fdfa2c528", "rows": rows});
        let told = self.ask(&as_teacher, AWARD, input).await;
        let denied = |code: &str, reason: &str, times: u32| {
            json!({"code": code, "reason": reason, "times": times, "actor": teacher,
            "role": "teacher", "operation": "mutation awardBadges", "request_id": "mine"})
        };
        let (missing, own) =
            (denied("NOT_FOUND", "STUDENT_NOT_FOUND", 2), denied("FORBIDDEN", "SELF_AWARD", 1));
        assert_eq!(told, json!([missing, own]), "a line for each kind of refusal");

        let nobody = Client::new(self.server.url.clone(), None);
        let told = self.ask(&nobody, "{ me { id } }", json!({})).await;
        let denied = json!({"code": "UNAUTHENTICATED", "reason": "TOKEN_MISSING", "times": 1, "why": MISSING, "request_id": "mine"});
        assert_eq!(told, json!([denied]));
        assert_eq!(self.ask(&nobody, "{ __typename }", json!({})).await, json!([]));

        let unbelieved = |why: &str, reason: &str| json!([{"code": "UNAUTHENTICATED", "reason": reason, "times": 1, "why": why, "request_id": "mine"}]);
        let stranger = Client::new(self.server.url.clone(), Some("not.a.token".to_owned()));
        assert_eq!(
            self.ask(&stranger, "{ me { id } }", json!({})).await,
            unbelieved(MALFORMED, "TOKEN_INVALID")
        );
        let promoted = self.client(student, Role::SuperAdmin);
        assert_eq!(
            self.ask(&promoted, "{ me { id } }", json!({})).await,
            unbelieved(OTHER_ROLE, "ROLE_CHANGED")
        );

        for query in ["{ me { displayName xp } }", "{ leaderboard { totalCount } }", "{ wrong }"] {
            assert_eq!(self.ask(&as_student, query, json!({})).await, json!([]), "{query}");
        }
    }

    async fn deny_on_a_socket(&mut self) {
        let [admin, student] = [1, 3].map(Uuid::from_u128);
        let mut socket = self.client(student, Role::Student).socket().await;
        self.wait_for_log("answered").await;
        socket.subscribe("1", FOLLOW, json!({"id": admin})).await;
        let Frame::Message(refused) = socket.frame().await else { panic!("the socket goes on") };
        let missing = refused["payload"][0]["extensions"].clone();
        assert_eq!(missing["code"], "NOT_FOUND");
        socket.subscribe("2", "{ me { displayName } }", json!({})).await;
        assert_eq!(socket.next("2").await["data"]["me"]["displayName"], NAME);
        assert_eq!(socket.frame().await, Frame::Message(json!({"type": "complete", "id": "2"})));
        socket.subscribe("3", ERASE, json!({"input": {"userId": admin}})).await;
        let forbidden = socket.next("3").await["errors"][0]["extensions"].clone();
        assert_eq!(forbidden["code"], "FORBIDDEN");
        assert_eq!(socket.frame().await, Frame::Message(json!({"type": "complete", "id": "3"})));

        let teacher = json!({"id": student, "displayName": NAME, "role": "TEACHER"});
        let as_admin = self.client(admin, Role::Admin);
        let answer = as_admin.ask(UPSERT, json!({"input": teacher})).await;
        assert_eq!(answer.data()["upsertUser"]["userErrors"], json!([]));
        socket.subscribe("4", "{ me { displayName } }", json!({})).await;
        assert!(matches!(socket.frame().await, Frame::Closed(Closed { code: 4403, .. })));
        socket.cut();
        let told = denied_in(&self.wait_for_log("a socket closed").await);
        let denied = |told: &Value, operation: &str| {
            json!({"code": told["code"], "times": 1, "actor": student,
            "role": "student", "operation": operation, "request_id": told["requestId"]})
        };
        // A request with an outdated role is not processed, and no id in it is logged.
        let gone = json!({"code": "UNAUTHENTICATED", "reason": "ROLE_CHANGED", "times": 1, "actor": student, "role": "student",
            "why": OTHER_ROLE, "request_id": told[2]["request_id"]});
        let mut unseen = denied(&missing, "subscription achievementEarned");
        unseen["reason"] = json!("PERSON_NOT_FOUND");
        let expected = [unseen, denied(&forbidden, "mutation erasePerson"), gone];
        assert_eq!(told, json!(expected));

        let mut socket = tests::Socket::open(&self.server.url).await;
        let opened = self.wait_for_log("answered").await;
        let id = &opened.last().expect("the socket was opened")["fields"]["request_id"];
        let payload = json!({"authorization": "Bearer not.a.token"});
        socket.send(json!({"type": "connection_init", "payload": payload})).await;
        assert!(matches!(socket.frame().await, Frame::Closed(Closed { code: 4401, .. })));
        socket.cut();
        let unbelieved = json!([{"code": "UNAUTHENTICATED", "reason": "TOKEN_INVALID", "times": 1, "why": MALFORMED,
            "request_id": id}]);
        assert_eq!(denied_in(&self.wait_for_log("a socket closed").await), unbelieved);
    }

    fn client(&self, id: Uuid, role: Role) -> Client {
        self.server.client(&id.to_string(), role)
    }

    /// Sends a request; returns the denials that it logged.
    async fn ask(&mut self, client: &Client, query: &str, input: Value) -> Value {
        client.exchange(query, json!({"input": input}), "mine").await;
        let lines = self.wait_for_log("answered").await;
        let answered = &lines.last().expect("a line for the answer")["fields"];
        assert_eq!(answered["client_request_id"], "mine");
        let mut denied = denied_in(&lines);
        for line in denied.as_array_mut().unwrap() {
            assert_eq!(line["request_id"], answered["request_id"], "every line has the id of the answer");
            line["request_id"] = json!("mine");
        }
        denied
    }

    async fn wait_for_log(&mut self, message: &str) -> Vec<Value> {
        let lines = self.server.log_until(message).await;
        self.log.extend(lines.iter().cloned());
        lines
    }
}

/// The denials among these lines, without their message text.
fn denied_in(lines: &[Value]) -> Value {
    let denied = lines.iter().filter(|line| line["fields"]["message"] == "denied");
    let fields = denied.map(|line| {
        assert_eq!(line["level"], "WARN");
        let mut fields = line["fields"].clone();
        fields.as_object_mut().unwrap().remove("message");
        fields
    });
    fields.collect()
}
