//! A parent sees a child's record while they are linked, and not afterwards.

use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::{Client, Frame, Socket, World, on_both};
use uuid::Uuid;

use super::{join, mutate, refused};

const ABOUT: &str =
    "query($id: ID!) { user(id: $id) { id xp } earned(userId: $id) { totalCount } node(id: $id) { id }
    me { children { id xp earned { totalCount } } } }";
const FOLLOW: &str =
    "subscription($id: ID) { achievementEarned(userId: $id) { award { achievement { key } user { id } } } }";

/// Earns the child's first XP: 10, and the 50 of First Steps.
async fn answer(w: &World, id: &str, child: Uuid) {
    let event =
        json!({"id": id, "userId": child, "activity": "question_answered", "attributes": {"correct": true}});
    assert_eq!(w.service().record(event).await["userErrors"], json!([]));
}

async fn link(client: &Client, parent: Uuid, child: Uuid, linked: bool) {
    let input = json!({"parentId": parent, "studentId": child, "linked": linked});
    let payload = mutate(client, "linkGuardian", "parent { id } student { id } linked", input).await;
    let is = json!({"parent": {"id": parent}, "student": {"id": child}, "linked": linked, "userErrors": []});
    assert_eq!(payload, is);
}

/// The code with which a subscription ends.
async fn end(socket: &mut Socket) -> Value {
    let Frame::Message(message) = socket.frame().await else { panic!("a message tells why it ends") };
    let errors = if message["type"] == "error" { &message["payload"] } else { &message["payload"]["errors"] };
    errors[0]["extensions"]["code"].clone()
}

on_both! {
    async fn a_parent_sees_a_child_only_while_they_are_linked(w: World) {
        let (parent_id, parent) = join(&w, Role::Parent).await;
        let (ada, eve) = (w.student("UTC").await, w.student("UTC").await);
        let about = async |id: Uuid| parent.ask(ABOUT, json!({"id": id})).await.data().clone();
        let nothing = json!({"user": null, "earned": null, "node": null, "me": {"children": []}});
        assert_eq!(about(ada).await, nothing);
        let mut socket = parent.socket().await;
        socket.subscribe("1", FOLLOW, json!({"id": ada})).await;
        assert_eq!(end(&mut socket).await, "NOT_FOUND");

        link(&w.service(), parent_id, ada, true).await;
        let (mut one, mut all) = (parent.socket().await, parent.socket().await);
        one.subscribe("1", FOLLOW, json!({"id": ada})).await;
        all.subscribe("1", FOLLOW, json!({})).await;
        w.followed_by(2).await;
        answer(&w, "e", eve).await;
        answer(&w, "a", ada).await;
        for socket in [&mut one, &mut all] {
            let told = json!({"achievement": {"key": "aurora/first-steps"}, "user": {"id": ada}});
            assert_eq!(socket.next("1").await, json!({"data": {"achievementEarned": {"award": told}}}));
        }
        let child = json!({"id": ada, "xp": 60, "earned": {"totalCount": 1}});
        let seen = json!({"user": {"id": ada, "xp": 60}, "earned": {"totalCount": 1}, "node": {"id": ada},
                          "me": {"children": [child]}});
        assert_eq!(about(ada).await, seen);
        let other = json!({"user": null, "earned": null, "node": null, "me": {"children": [child]}});
        assert_eq!(about(eve).await, other);

        link(&w.service(), parent_id, ada, false).await;
        assert_eq!(about(ada).await, nothing);
        for nth in 0..10 {
            answer(&w, &format!("a{nth}"), ada).await;
        }
        assert_eq!(end(&mut one).await, "NOT_FOUND");
        link(&w.service(), parent_id, eve, true).await;
        let more: Vec<Value> = (0..9).map(|nth| json!({"id": format!("e{nth}"), "userId": eve,
            "activity": "question_answered", "attributes": {"correct": true}})).collect();
        w.service().record_all(&more).await;
        let told = all.next("1").await;
        let user = &told["data"]["achievementEarned"]["award"]["user"]["id"];
        assert_eq!(user, &json!(eve), "what Ada earned meanwhile is passed over");
        w.finish().await;
    }

    async fn links_require_valid_roles_and_are_unique(w: World) {
        let (admin_id, admin) = join(&w, Role::Admin).await;
        let (parent, _) = join(&w, Role::Parent).await;
        let (teacher, _) = join(&w, Role::Teacher).await;
        let (ada, eve) = (w.student("UTC").await, w.student("UTC").await);
        let rows = w.database.rows().await;
        let stranger = Uuid::new_v4();
        for (from, to, linked, code, field) in [
            (json!("x"), json!(ada), true, "INVALID_INPUT", "parentId"),
            (json!(parent), json!("y"), true, "INVALID_INPUT", "studentId"),
            (json!(stranger), json!(ada), true, "NOT_FOUND", "parentId"),
            (json!(parent), json!(stranger), true, "NOT_FOUND", "studentId"),
            (json!(stranger), json!(ada), false, "NOT_FOUND", "parentId"),
            (json!(eve), json!(ada), true, "INVALID_INPUT", "parentId"),
            (json!(parent), json!(teacher), true, "INVALID_INPUT", "studentId"),
            (json!(parent), json!(parent), true, "INVALID_INPUT", "studentId"),
        ] {
            let input = json!({"parentId": from, "studentId": to, "linked": linked});
            let error = refused(&admin, "linkGuardian", &input).await;
            assert_eq!((&error["code"], &error["field"]), (&json!(code), &json!(["input", field])), "{input}");
        }
        link(&admin, parent, ada, false).await;
        assert_eq!(w.database.rows().await, rows, "to end what is not there changes nothing");
        for guardian in [parent, teacher, admin_id] {
            for linked in [true, true, false, false, true] {
                link(&admin, guardian, ada, linked).await;
            }
        }
        assert_eq!(w.database.number("SELECT count(*) FROM guardians WHERE ended_at IS NULL").await, 3);
        let acts = "SELECT count(*) FROM audit_log WHERE act IN ('link_guardian', 'unlink_guardian')";
        assert_eq!(w.database.number(acts).await, 3 * 3);
        w.finish().await;
    }
}
