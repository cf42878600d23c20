//! The school of the matrix: a person of every role, and a person in every relation to them.

use std::collections::BTreeMap;

use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::{Client, World};
use uuid::Uuid;

/// The roles in the order of the table.
pub(super) const ROLES: [Role; 6] =
    [Role::SuperAdmin, Role::Admin, Role::Teacher, Role::Student, Role::Parent, Role::Service];

/// All people. The first five are callers. Ended relations and missing relations make a person a stranger.
pub(super) const PEOPLE: [(&str, Role); 18] = [
    ("super admin", Role::SuperAdmin),
    ("admin", Role::Admin),
    ("teacher", Role::Teacher),
    ("student", Role::Student),
    ("parent", Role::Parent),
    ("pupil", Role::Student),
    ("former pupil", Role::Student),
    ("another's pupil", Role::Student),
    ("nobody's pupil", Role::Student),
    ("child", Role::Student),
    ("former child", Role::Student),
    ("pupil and child", Role::Student),
    ("another teacher", Role::Teacher),
    ("another parent", Role::Parent),
    ("colleague", Role::Teacher),
    ("erased pupil", Role::Student),
    ("erased teacher", Role::Teacher),
    ("loner", Role::Student),
];
/// Erased people, with all their data.
pub(super) const ERASED: [&str; 2] = ["erased pupil", "erased teacher"];
/// The secret achievement that every caller has earned. No person has earned the other one.
pub(super) const FOUND: &str = "found";
/// A teacher now, and earlier a pupil and a child of each of the others.
const COLLEAGUE: &str = "colleague";
/// People who are linked to a guardian at some time.
const CHILDREN: [&str; 5] = ["child", "former child", "pupil and child", "erased pupil", COLLEAGUE];
pub(super) const GUARDIANS: [&str; 4] = ["super admin", "admin", "teacher", "parent"];

/// A caller: a role, or without a token.
pub(super) struct Caller {
    pub(super) role: Option<Role>,
    pub(super) client: Client,
}

/// The school and the ids of everything in it.
pub(super) struct School {
    pub(super) callers: Vec<Caller>,
    pub(super) start: String,
    /// The last awards of the feed: one of a person whom all but students see, one of the student.
    pub(super) sentinels: [String; 2],
    pub(super) activity: &'static str,
    pub(super) people: BTreeMap<&'static str, String>,
    pub(super) earned: BTreeMap<&'static str, String>,
    pub(super) given: BTreeMap<&'static str, String>,
    /// Three each: one to keep, one to delete, one deleted.
    pub(super) certificates: BTreeMap<&'static str, [String; 3]>,
    pub(super) courses: BTreeMap<&'static str, (String, String)>,
    /// A comment on each of the three lessons that requests are about, by the lesson's id.
    pub(super) comments: BTreeMap<String, String>,
    /// An entry of the audit log.
    pub(super) entry: String,
    pub(super) webhook: String,
    /// A test of the webhook.
    pub(super) delivery: String,
    pub(super) badges: BTreeMap<&'static str, String>,
    /// The id and the key of each.
    pub(super) secrets: BTreeMap<&'static str, (String, String)>,
}

impl School {
    /// Creates the school.
    pub(super) async fn found(w: &World) -> Self {
        let mut callers = Vec::new();
        let mut people = BTreeMap::new();
        let mut clients = BTreeMap::new();
        for (who, role) in PEOPLE {
            let id = Uuid::new_v4();
            let client = w.person(id, if who == COLLEAGUE { Role::Student } else { role });
            payload(&client, "me { id }").await;
            people.insert(who, id.to_string());
            clients.insert(who, client);
        }
        for (role, (who, _)) in ROLES.into_iter().zip(PEOPLE).take(5) {
            callers.push(Caller { role: Some(role), client: clients[who].clone() });
        }
        callers.push(Caller { role: Some(Role::Service), client: w.service() });
        callers.push(Caller { role: None, client: w.nobody() });
        let start = payload(&w.service(), "feedCursor").await.as_str().unwrap().to_owned();
        let mut school = Self {
            callers,
            start,
            sentinels: [String::new(), String::new()],
            activity: "noted",
            people,
            earned: BTreeMap::new(),
            given: BTreeMap::new(),
            certificates: BTreeMap::new(),
            courses: BTreeMap::new(),
            comments: BTreeMap::new(),
            entry: String::new(),
            webhook: String::new(),
            delivery: String::new(),
            badges: BTreeMap::new(),
            secrets: BTreeMap::new(),
        };
        let (service, admin) = (w.service(), &clients["super admin"]);
        for (who, role) in PEOPLE {
            let id = &school.people[who];
            let loner = &school.people["loner"];
            let referrer = if who == "loner" { "null".to_owned() } else { format!("\"{loner}\"") };
            let ask = format!(
                "upsertUser(input: {{id: \"{id}\", displayName: \"Somebody of the matrix, {who}\", locale: \"en\",
                    email: \"somebody@school.example\", referredBy: {referrer}}}) {{ userErrors {{ message }} }}"
            );
            let client = if matches!(role, Role::SuperAdmin | Role::Admin) { admin } else { &service };
            done(client, &ask).await;
        }
        school.set_courses(&clients).await;
        school.comment(&clients).await;
        school.link(admin).await;
        let head = clients["super admin"].clone();
        school.create_webhook(&head).await;
        school.grant_badges(&clients).await;
        school.hide(&service).await;
        school.end(&clients).await;
        school
    }

    async fn set_courses(&mut self, clients: &BTreeMap<&'static str, Client>) {
        let admin = &clients["super admin"];
        for (name, teacher) in [
            ("teacher's", Some("teacher")),
            ("another's", Some("another teacher")),
            ("empty", Some("another teacher")),
            ("orphaned", Some("erased teacher")),
            ("hall", None),
            ("kept", None),
        ] {
            let teacher = teacher.map_or("null".to_owned(), |who| format!("\"{}\"", self.people[who]));
            let ask = format!(
                "createCourse(input: {{title: \"{name}\", lessons: [\"One\"], teacherId: {teacher}}}) {{ course {{ id lessons {{ id }} }} userErrors {{ message }} }}"
            );
            let course = done(admin, &ask).await["course"].clone();
            self.courses.insert(name, (text(&course["id"]), text(&course["lessons"][0]["id"])));
        }
        for who in self.of_role(Role::Student).into_iter().chain([COLLEAGUE]) {
            self.enroll(admin, "hall", who, true).await;
        }
        for who in ["student", "pupil", "former pupil", "pupil and child", "erased pupil", COLLEAGUE] {
            self.enroll(admin, "teacher's", who, true).await;
        }
        for who in ["student", "pupil", "another's pupil"] {
            self.enroll(admin, "another's", who, true).await;
        }
    }

    /// Writes the comments, and finds an entry of the audit log.
    async fn comment(&mut self, clients: &BTreeMap<&'static str, Client>) {
        let admin = &clients["super admin"];
        // The empty course has no students now. A former student wrote its comment.
        self.enroll(admin, "empty", "nobody's pupil", true).await;
        for (course, author) in
            [("teacher's", "student"), ("another's", "student"), ("empty", "nobody's pupil")]
        {
            let lesson = self.courses[course].1.clone();
            let write = format!(
                "writeComment(input: {{lessonId: \"{lesson}\", body: \"Here\"}}) {{ userErrors {{ message }} }}"
            );
            done(&clients[author], &write).await;
            let read = format!("comments(lessonId: \"{lesson}\") {{ nodes {{ id }} }}");
            let comment = text(&payload(admin, &read).await["nodes"][0]["id"]);
            self.comments.insert(lesson, comment);
        }
        self.enroll(admin, "empty", "nobody's pupil", false).await;
        self.entry = text(&payload(admin, "auditLog(first: 1) { nodes { id } }").await["nodes"][0]["id"]);
    }

    async fn link(&self, admin: &Client) {
        // A parent who was a student in between is a stranger to the former child.
        self.link_one(admin, "parent", "former child", true).await;
        for role in ["STUDENT", "PARENT"] {
            self.set_role(admin, "parent", role).await;
        }
        for guardian in GUARDIANS {
            for child in CHILDREN.into_iter().filter(|child| (guardian, *child) != ("parent", "former child"))
            {
                self.link_one(admin, guardian, child, true).await;
            }
        }
        self.link_one(admin, "another parent", "nobody's pupil", true).await;
    }

    async fn create_webhook(&mut self, admin: &Client) {
        let ask = "createWebhook(input: {url: \"http://127.0.0.1:9/\", types: [AWARD_EARNED], description: \"A system\"}) { webhook { id } userErrors { message } }";
        self.webhook = text(&done(admin, ask).await["webhook"]["id"]);
        let ask = format!(
            "testWebhook(input: {{webhookId: \"{}\"}}) {{ delivery {{ id }} userErrors {{ message }} }}",
            self.webhook
        );
        self.delivery = text(&done(admin, &ask).await["delivery"]["id"]);
    }

    async fn grant_badges(&mut self, clients: &BTreeMap<&'static str, Client>) {
        let admin = &clients["super admin"];
        for name in ["Kind", "Given before", "Sentinel", "Old"] {
            let ask = format!(
                "createBadge(input: {{name: \"{name}\", iconUrl: \"https://school.example/b.png\"}}) {{ achievement {{ id }} userErrors {{ message }} }}"
            );
            let badge = text(&done(admin, &ask).await["achievement"]["id"]);
            self.badges.insert(name, badge);
        }
        for (who, role) in PEOPLE {
            let id = &self.people[who];
            let event =
                json!({"userId": id, "activity": "question_answered", "attributes": {"correct": true}});
            let recorded = admin
                .ask(
                    "mutation($input: RecordEventInput!) { recordEvent(input: $input) { awards { id } } }",
                    json!({"input": event}),
                )
                .await;
            self.earned.insert(who, text(&recorded.data()["recordEvent"]["awards"][0]["id"]));
            let giver = match who {
                "student" | "pupil" | "former pupil" | "pupil and child" => "teacher",
                "another's pupil" => "another teacher",
                // A person cannot award themselves or a linked child.
                "super admin" => "admin",
                _ => "super admin",
            };
            let own_child = CHILDREN.contains(&who);
            if own_child {
                self.link_one(admin, giver, who, false).await;
            }
            self.given.insert(who, self.award(&clients[giver], "Given before", who).await);
            if own_child {
                self.link_one(admin, giver, who, true).await;
            }
            if role != Role::Student {
                continue;
            }
            let note = format!(
                "writeComment(input: {{lessonId: \"{}\", body: \"Noted\"}}) {{ userErrors {{ message }} }}",
                self.courses["hall"].1
            );
            done(&clients[who], &note).await;
            let mut three = [String::new(), String::new(), String::new()];
            for (nth, one) in three.iter_mut().enumerate() {
                let ask = format!(
                    "createCertificate(input: {{studentId: \"{id}\", title: \"Well done\", issuedBy: \"The school\", issuedDate: \"2026-01-15\"}}) {{ certificate {{ id }} userErrors {{ message }} }}"
                );
                // The spare one is issued by a teacher if the student has one.
                let issuer = if nth == 1 { &clients[giver] } else { admin };
                *one = text(&done(issuer, &ask).await["certificate"]["id"]);
            }
            let ask =
                format!("deleteCertificate(input: {{id: \"{}\"}}) {{ userErrors {{ message }} }}", three[2]);
            done(admin, &ask).await;
            self.certificates.insert(who, three);
        }
    }

    /// Lets every caller earn one of the secrets.
    async fn hide(&mut self, service: &Client) {
        for (who, key) in [(FOUND, "diary/found"), ("hidden", "diary/hidden")] {
            let id = text(&payload(service, &format!("achievement(key: \"{key}\") {{ id }}")).await["id"]);
            self.secrets.insert(who, (id, key.to_owned()));
        }
        for (who, _) in &PEOPLE[..5] {
            let recorded = service.record(json!({"userId": self.people[who], "activity": "found"})).await;
            assert_eq!(recorded["awards"][0]["achievement"]["key"], "diary/found");
        }
    }

    /// Ends the relations that must be over, and adds the last awards to the feed.
    async fn end(&mut self, clients: &BTreeMap<&'static str, Client>) {
        let admin = &clients["super admin"];
        self.enroll(admin, "teacher's", "former pupil", false).await;
        // The parent's link has already ended with the change of role.
        for guardian in GUARDIANS.into_iter().filter(|guardian| *guardian != "parent") {
            self.link_one(admin, guardian, "former child", false).await;
        }
        self.set_role(admin, COLLEAGUE, "TEACHER").await;
        for who in ERASED {
            let ask = format!(
                "erasePerson(input: {{userId: \"{}\"}}) {{ userErrors {{ message }} }}",
                self.people[who]
            );
            done(admin, &ask).await;
        }
        self.link_one(admin, "super admin", "pupil and child", false).await;
        let first = self.award(admin, "Sentinel", "pupil and child").await;
        self.link_one(admin, "super admin", "pupil and child", true).await;
        self.sentinels = [first, self.award(admin, "Sentinel", "student").await];
    }

    /// The request of this caller, with the ids of the school filled in.
    pub(super) fn fill(&self, ask: &str, role: Option<Role>) -> String {
        let of = |teacher: &str, others: &str| match role {
            Some(Role::Teacher) => teacher.to_owned(),
            _ => others.to_owned(),
        };
        let learns = role == Some(Role::Student);
        let room = of("teacher's", if learns { "teacher's" } else { "hall" });
        let pupil = if learns { "student" } else { "pupil" };
        let gift = self.sentinels[usize::from(learns)].clone();
        [
            ("@RECORD", super::RECORD.to_owned()),
            ("@HALL", self.courses["hall"].0.clone()),
            ("@KEPT", self.courses[of("teacher's", "kept").as_str()].0.clone()),
            ("@ROOM", self.courses[room.as_str()].0.clone()),
            ("@TASK", self.courses[room.as_str()].1.clone()),
            ("@NOTED", self.courses["hall"].1.clone()),
            ("@PUPIL", self.people[pupil].clone()),
            ("@GIFT", gift),
            ("@CHILD", self.people["pupil and child"].clone()),
            ("@LONER", self.people["loner"].clone()),
            ("@NEIGHBOUR", self.people["another parent"].clone()),
            ("@BADGE", self.badges["Kind"].clone()),
            ("@NEW", Uuid::new_v4().to_string()),
            ("@CALLER", role.map_or("nobody", Role::as_str).to_owned()),
            ("@ACTIVITY", self.activity.to_owned()),
            ("@START", self.start.clone()),
        ]
        .iter()
        .fold(ask.to_owned(), |ask, (stands, id)| ask.replace(stands, id))
    }

    fn of_role(&self, role: Role) -> Vec<&'static str> {
        PEOPLE.into_iter().filter(|(_, of)| *of == role).map(|(who, _)| who).collect()
    }

    async fn enroll(&self, admin: &Client, course: &str, who: &str, enrolled: bool) {
        let (course, id) = (&self.courses[course].0, &self.people[who]);
        let ask = format!(
            "enroll(input: {{courseId: \"{course}\", studentId: \"{id}\", enrolled: {enrolled}}}) {{ userErrors {{ message }} }}"
        );
        done(admin, &ask).await;
    }

    async fn link_one(&self, admin: &Client, guardian: &str, child: &str, linked: bool) {
        let (guardian, child) = (&self.people[guardian], &self.people[child]);
        let ask = format!(
            "linkGuardian(input: {{parentId: \"{guardian}\", studentId: \"{child}\", linked: {linked}}}) {{ userErrors {{ message }} }}"
        );
        done(admin, &ask).await;
    }

    async fn set_role(&self, admin: &Client, who: &str, role: &str) {
        let id = &self.people[who];
        let ask = format!(
            "upsertUser(input: {{id: \"{id}\", displayName: \"Somebody of the matrix, {who}\", role: {role}}}) {{ userErrors {{ message }} }}"
        );
        done(admin, &ask).await;
    }

    async fn award(&self, client: &Client, badge: &str, who: &str) -> String {
        let (badge, id) = (&self.badges[badge], &self.people[who]);
        let ask = format!(
            "awardBadge(input: {{badgeId: \"{badge}\", studentId: \"{id}\"}}) {{ award {{ id }} userErrors {{ message }} }}"
        );
        text(&done(client, &ask).await["award"]["id"])
    }
}

/// The payload of a mutation that must succeed.
async fn done(client: &Client, ask: &str) -> Value {
    let answer = client.ask(&format!("mutation {{ {ask} }}"), json!({})).await;
    let payload = answer.data().as_object().unwrap().values().next().unwrap().clone();
    assert_eq!(payload["userErrors"], json!([]), "{ask}");
    payload
}

/// The single field of a query that must succeed.
async fn payload(client: &Client, ask: &str) -> Value {
    let answer = client.ask(&format!("{{ {ask} }}"), json!({})).await;
    answer.data().as_object().unwrap().values().next().unwrap().clone()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
