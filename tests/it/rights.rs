//! Rights that end during a subscription: afterwards it sends no award of the person, and an award is sent with its
//! current data.

use plaudit::auth::Role;
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::{Value, json};
use tests::{Backend, Client, Closed, Frame, Socket, World, on_both};
use uuid::Uuid;

use crate::courses::{course, enroll, join, leave, mutate, text};

const FOLLOW: &str = "subscription($after: String, $user: ID, $course: ID) {
    achievementEarned(after: $after, userId: $user, courseId: $course) {
        cursor isReplay award { achievement { key } user { id } notes revokedAt revocationReason } } }";
/// A query on a table that recording does not write.
const FOLLOW_CHILDREN: &str =
    "subscription { achievementEarned { award { achievement { key } user { id children { id } } } } }";

/// An activity that earns a person one award, and the award.
const COMMENT: (&str, &str) = ("comment_written", "course-portal/first-comment-written");
const SESSION: (&str, &str) = ("session_join", "code-lab/warm-welcome");

async fn follow(client: &Client, variables: Value) -> Socket {
    let mut socket = client.socket().await;
    socket.subscribe("1", FOLLOW, variables).await;
    socket
}

async fn earn(w: &World, person: Uuid, (activity, key): (&str, &str)) {
    let recorded = w.service().record(json!({"userId": person, "activity": activity})).await;
    assert_eq!(recorded["awards"][0]["achievement"]["key"], json!(key), "{recorded}");
}

/// The next award is this one of this person.
#[track_caller]
fn is_told(socket: &mut Socket, person: Uuid, (_, key): (&str, &str)) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let told = socket.next("1").await["data"]["achievementEarned"]["award"].clone();
        let is = (&told["user"]["id"], &told["achievement"]["key"]);
        assert_eq!(is, (&json!(person), &json!(key)), "{caller}");
    }
}

/// The code of the error that ends the subscription.
async fn end(socket: &mut Socket) -> Value {
    let Frame::Message(message) = socket.frame().await else { panic!("a message tells why it ends") };
    let errors = if message["type"] == "error" { &message["payload"] } else { &message["payload"]["errors"] };
    errors[0]["extensions"]["code"].clone()
}

async fn link(client: &Client, guardian: Uuid, child: Uuid, linked: bool) {
    let input = json!({"parentId": guardian, "studentId": child, "linked": linked});
    assert_eq!(mutate(client, "linkGuardian", "", input).await, json!({"userErrors": []}));
}

async fn set_role(client: &Client, person: Uuid, role: &str) {
    let input = json!({"id": person, "displayName": "Ada", "role": role});
    assert_eq!(mutate(client, "upsertUser", "", input).await, json!({"userErrors": []}));
}

async fn erase(client: &Client, person: Uuid) {
    assert_eq!(mutate(client, "erasePerson", "", json!({"userId": person})).await, json!({"userErrors": []}));
}

/// Ten right answers of a person referred by `friend`: one referral for the friend.
async fn refer(w: &World, friend: Uuid) -> Uuid {
    let person = w.student("UTC").await;
    w.upsert(person, json!({"referredBy": friend})).await;
    person
}

async fn answer_ten(w: &World, person: Uuid) {
    let answer = json!({"userId": person, "activity": "question_answered", "attributes": {"correct": true}});
    let recorded = w.service().record_all(&vec![answer; 10]).await;
    assert!(recorded["results"].as_array().unwrap().iter().all(|row| row["userErrors"] == json!([])));
}

on_both! {
    async fn awards_of_a_student_who_left_the_course_are_not_sent(w: World) {
        let (_, head) = join(&w, Role::SuperAdmin).await;
        let (_, teacher) = join(&w, Role::Teacher).await;
        let (ada, ben) = (w.student("UTC").await, w.student("UTC").await);
        let rust = course(&teacher, 0).await;
        for student in [ada, ben] {
            enroll(&head, &rust, Some(student)).await;
        }
        let mut all = follow(&teacher, json!({})).await;
        let mut of_course = follow(&head, json!({"course": rust.id})).await;
        let mut of_ada = follow(&teacher, json!({"user": ada})).await;
        w.followed_by(3).await;
        earn(&w, ada, COMMENT).await;
        for socket in [&mut all, &mut of_course, &mut of_ada] {
            is_told(socket, ada, COMMENT).await;
        }

        leave(&head, &rust, Some(ada)).await;
        earn(&w, ada, SESSION).await;
        earn(&w, ben, SESSION).await;
        for socket in [&mut all, &mut of_course] {
            is_told(socket, ben, SESSION).await;
        }
        assert_eq!(end(&mut of_ada).await, "NOT_FOUND");
        w.finish().await;
    }

    async fn awards_of_a_child_whose_link_ended_are_not_sent(w: World) {
        let (_, head) = join(&w, Role::SuperAdmin).await;
        let (parent_id, parent) = join(&w, Role::Parent).await;
        let (ada, ben) = (w.student("UTC").await, w.student("UTC").await);
        for child in [ada, ben] {
            link(&head, parent_id, child, true).await;
        }
        let mut all = follow(&parent, json!({})).await;
        let mut of_ada = follow(&parent, json!({"user": ada})).await;
        w.followed_by(2).await;
        earn(&w, ada, COMMENT).await;
        for socket in [&mut all, &mut of_ada] {
            is_told(socket, ada, COMMENT).await;
        }

        link(&head, parent_id, ada, false).await;
        earn(&w, ada, SESSION).await;
        earn(&w, ben, SESSION).await;
        is_told(&mut all, ben, SESSION).await;
        assert_eq!(end(&mut of_ada).await, "NOT_FOUND");
        w.finish().await;
    }

    async fn a_teacher_who_hands_a_course_over_gets_no_awards_of_its_students(w: World) {
        let (_, head) = join(&w, Role::SuperAdmin).await;
        let (_, before) = join(&w, Role::Teacher).await;
        let (after_id, after) = join(&w, Role::Teacher).await;
        let (ada, ben) = (w.student("UTC").await, w.student("UTC").await);
        let zoe = w.student("UTC").await;
        let (given, kept, own) = (course(&before, 0).await, course(&before, 0).await, course(&after, 0).await);
        for (course, student) in [(&given, ada), (&kept, ben), (&own, zoe)] {
            enroll(&head, course, Some(student)).await;
        }
        let mut of_before = follow(&before, json!({})).await;
        let mut of_after = follow(&after, json!({})).await;
        w.followed_by(2).await;
        earn(&w, ada, COMMENT).await;
        earn(&w, zoe, COMMENT).await;
        is_told(&mut of_before, ada, COMMENT).await;
        is_told(&mut of_after, zoe, COMMENT).await;

        let input = json!({"id": given.id, "teacherId": after_id});
        assert_eq!(mutate(&head, "updateCourse", "", input).await, json!({"userErrors": []}));
        earn(&w, ada, SESSION).await;
        earn(&w, ben, SESSION).await;
        is_told(&mut of_before, ben, SESSION).await;
        is_told(&mut of_after, ada, SESSION).await;
        w.finish().await;
    }

    async fn awards_of_a_former_student_are_sent_to_neither_teacher_nor_parent(w: World) {
        let (_, head) = join(&w, Role::SuperAdmin).await;
        let (_, teacher) = join(&w, Role::Teacher).await;
        let (parent_id, parent) = join(&w, Role::Parent).await;
        let (ada, ben) = (w.student("UTC").await, w.student("UTC").await);
        let rust = course(&teacher, 0).await;
        for student in [ada, ben] {
            enroll(&head, &rust, Some(student)).await;
            link(&head, parent_id, student, true).await;
        }
        let mut sockets = [follow(&teacher, json!({})).await, follow(&parent, json!({})).await];
        w.followed_by(2).await;
        earn(&w, ada, COMMENT).await;
        for socket in &mut sockets {
            is_told(socket, ada, COMMENT).await;
        }

        set_role(&head, ada, "TEACHER").await;
        earn(&w, ada, SESSION).await;
        earn(&w, ben, SESSION).await;
        for socket in &mut sockets {
            is_told(socket, ben, SESSION).await;
        }
        // The old role does not restore the old relations.
        set_role(&head, ada, "STUDENT").await;
        for client in [&teacher, &parent] {
            let answer = client.ask("query($id: ID!) { user(id: $id) { id } }", json!({"id": ada})).await;
            assert_eq!(answer.data()["user"], Value::Null);
        }
        w.finish().await;
    }

    async fn restoring_a_role_does_not_restore_children_and_courses(w: World) {
        let (_, head) = join(&w, Role::SuperAdmin).await;
        let (teacher_id, teacher) = join(&w, Role::Teacher).await;
        let (pupil, child) = (w.student("UTC").await, w.student("UTC").await);
        let rust = course(&teacher, 0).await;
        enroll(&head, &rust, Some(pupil)).await;
        link(&head, teacher_id, child, true).await;
        let sees = async |person: Uuid| {
            let answer = teacher.ask("query($id: ID!) { user(id: $id) { id } }", json!({"id": person})).await;
            answer.data()["user"] != Value::Null
        };
        let course_of = async || {
            let ask = "query($id: ID!) { node(id: $id) { ... on Course { teacher { id } } } }";
            head.ask(ask, json!({"id": rust.id})).await.data()["node"]["teacher"].clone()
        };
        // A change that keeps the role also keeps the relations.
        set_role(&head, teacher_id, "TEACHER").await;
        assert_eq!((sees(pupil).await, sees(child).await), (true, true));
        assert_eq!(course_of().await, json!({"id": teacher_id}));
        // An admin can also teach and be a guardian.
        set_role(&head, teacher_id, "ADMIN").await;
        set_role(&head, teacher_id, "TEACHER").await;
        assert_eq!((sees(pupil).await, sees(child).await), (true, true));
        // A parent cannot teach.
        set_role(&head, teacher_id, "PARENT").await;
        set_role(&head, teacher_id, "TEACHER").await;
        assert_eq!((sees(pupil).await, sees(child).await), (false, true));
        assert_eq!(course_of().await, Value::Null);
        // A student cannot be a guardian.
        set_role(&head, teacher_id, "STUDENT").await;
        set_role(&head, teacher_id, "TEACHER").await;
        assert_eq!((sees(pupil).await, sees(child).await), (false, false));
        w.finish().await;
    }

    async fn awards_of_an_erased_person_are_not_sent(w: World) {
        let (_, head) = join(&w, Role::SuperAdmin).await;
        let (_, teacher) = join(&w, Role::Teacher).await;
        let (parent_id, parent) = join(&w, Role::Parent).await;
        let (ada, ben) = (w.student("UTC").await, w.student("UTC").await);
        let rust = course(&teacher, 0).await;
        for student in [ada, ben] {
            enroll(&head, &rust, Some(student)).await;
            link(&head, parent_id, student, true).await;
        }
        let mut friends = Vec::new();
        for _ in 0..3 {
            friends.push(refer(&w, ada).await);
        }
        for friend in &friends[..2] {
            answer_ten(&w, *friend).await;
        }
        let start = text(&head.ask("{ feedCursor }", json!({})).await.data()["feedCursor"]);
        let mut sockets = Vec::new();
        for client in [&head, &w.service(), &teacher, &parent] {
            sockets.push(follow(client, json!({})).await);
        }
        w.followed_by(4).await;
        earn(&w, ada, COMMENT).await;
        for socket in &mut sockets {
            is_told(socket, ada, COMMENT).await;
        }

        erase(&head, ada).await;
        // The tenth answer of her third friend still earns her the award for three friends.
        let before = w.database.number("SELECT count(*) FROM awards").await;
        answer_ten(&w, friends[2]).await;
        assert_eq!(w.database.number("SELECT count(*) FROM awards").await - before, 13, "Ada has earned something");
        earn(&w, ben, SESSION).await;
        for client in [&head, &w.service()] {
            sockets.push(follow(client, json!({"after": start})).await);
        }
        for (nth, socket) in sockets.iter_mut().enumerate() {
            // Callers who see everyone get the friend's six awards before Ben's.
            let passed = if [2, 3].contains(&nth) { 0 } else { 6 };
            for _ in 0..passed {
                let told = socket.next("1").await["data"]["achievementEarned"]["award"].clone();
                assert_eq!(told["user"]["id"], json!(friends[2]), "{nth}: {told}");
            }
            is_told(socket, ben, SESSION).await;
        }
        w.finish().await;
    }

    async fn an_erased_subscriber_gets_no_more_awards(w: World) {
        let (_, head) = join(&w, Role::SuperAdmin).await;
        let ada = w.student("UTC").await;
        let mut callers = Vec::new();
        for role in [Role::SuperAdmin, Role::Admin, Role::Teacher, Role::Parent] {
            callers.push(join(&w, role).await);
        }
        let rust = course(&callers[2].1, 0).await;
        enroll(&head, &rust, Some(ada)).await;
        link(&head, callers[3].0, ada, true).await;
        let mut sockets = Vec::new();
        for (_, client) in &callers {
            sockets.push(follow(client, json!({})).await);
            sockets.push(follow(client, json!({"user": ada})).await);
        }
        w.followed_by(8).await;
        earn(&w, ada, COMMENT).await;
        for socket in &mut sockets {
            is_told(socket, ada, COMMENT).await;
        }

        for (id, _) in &callers {
            erase(&head, *id).await;
        }
        earn(&w, ada, SESSION).await;
        for socket in &mut sockets {
            let reason = "The person of this token has been erased and cannot sign in. Use another account.".to_owned();
            assert_eq!(socket.frame().await, Frame::Closed(Closed { code: 4403, reason }));
        }
        w.finish().await;
    }

    async fn missed_awards_are_sent_with_their_current_data(w: World) {
        let (_, head) = join(&w, Role::SuperAdmin).await;
        let (teacher_id, teacher) = join(&w, Role::Teacher).await;
        let ada = w.student("UTC").await;
        let rust = course(&teacher, 0).await;
        enroll(&head, &rust, Some(ada)).await;
        let input = json!({"name": "Kind", "iconUrl": "https://school.example/b.png"});
        let badge = mutate(&head, "createBadge", "achievement { id }", input).await["achievement"]["id"].clone();
        let start = text(&head.ask("{ feedCursor }", json!({})).await.data()["feedCursor"]);
        let mut live = follow(&head, json!({})).await;
        w.followed_by(1).await;
        let input = json!({"badgeId": badge, "studentId": ada, "notes": "From Ms Lovelace"});
        let award = mutate(&teacher, "awardBadge", "award { id }", input).await["award"]["id"].clone();
        let told = live.next("1").await["data"]["achievementEarned"].clone();
        let state = |told: &Value| {
            let award = &told["award"];
            [&told["isReplay"], &award["notes"], &award["revokedAt"], &award["revocationReason"]].map(Value::clone)
        };
        assert_eq!(state(&told), [json!(false), json!("From Ms Lovelace"), Value::Null, Value::Null]);

        let input = json!({"awardId": award, "reason": "A mistake"});
        assert_eq!(mutate(&head, "revokeAward", "", input).await, json!({"userErrors": []}));
        let mut again = follow(&head, json!({"after": start})).await;
        let told = again.next("1").await["data"]["achievementEarned"].clone();
        let now = json!("2026-01-15T12:00:00.000Z");
        assert_eq!(state(&told), [json!(true), json!("From Ms Lovelace"), now.clone(), json!("A mistake")]);

        erase(&head, teacher_id).await;
        let mut again = follow(&head, json!({"after": start})).await;
        let told = again.next("1").await["data"]["achievementEarned"].clone();
        assert_eq!(state(&told), [json!(true), Value::Null, now, json!("A mistake")]);
        w.finish().await;
    }
}

/// Two awards are read from the feed together. A lock delays the sending of the first. Meanwhile the person of the second
/// is erased.
#[tokio::test(flavor = "multi_thread")]
async fn an_award_read_before_an_erasure_is_not_sent_after_it() {
    let Some(w) = World::on(Backend::Postgres).await else { return };
    let (_, admin) = join(&w, Role::Admin).await;
    let (ada, ben) = (w.student("UTC").await, w.student("UTC").await);
    let mut socket = admin.socket().await;
    socket.subscribe("1", FOLLOW_CHILDREN, json!({})).await;
    w.followed_by(1).await;
    let database = w.database.connect().await;
    let held = database.begin().await.unwrap();
    held.execute_unprepared("LOCK TABLE guardians IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let events = [ben, ada].map(|person| json!({"userId": person, "activity": COMMENT.0}));
    w.service().record_all(&events).await;
    let waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'guardians'::regclass AND NOT granted";
    let held_up = async { while w.database.number(waiting).await == 0 {} };
    tokio::time::timeout(std::time::Duration::from_secs(60), held_up).await.expect("the telling waits");
    // An erasure also ends links, and would wait: only this column matters here.
    w.database.execute(&format!("UPDATE people SET erased_at = created_at WHERE id = '{ada}'")).await;
    held.commit().await.unwrap();
    earn(&w, ben, SESSION).await;
    for key in [COMMENT.1, SESSION.1] {
        let told = socket.next("1").await["data"]["achievementEarned"]["award"].clone();
        assert_eq!((&told["user"]["id"], &told["achievement"]["key"]), (&json!(ben), &json!(key)));
    }
    database.close().await.unwrap();
    w.finish().await;
}
