//! Attacks from outside: a document that would end the process, rights that have ended, pictures that would reveal a
//! secret, and forged cursors.

mod clients;

use plaudit::auth::Role;
use serde_json::json;
use tests::{Backend, Closed, Frame, Packs, World, on_both};
use uuid::Uuid;

const UPSERT: &str = "mutation($input: UpsertUserInput!) { upsertUser(input: $input) { user { role } userErrors { message } } }";

on_both! {
    async fn a_socket_closes_when_the_role_of_its_token_changes(w: World) {
        let head = w.person(Uuid::new_v4(), Role::SuperAdmin);
        let admin = Uuid::new_v4();
        let mut socket = w.person(admin, Role::Admin).socket().await;
        let helper = json!({"input": {"id": Uuid::new_v4(), "displayName": "Helper", "role": "ADMIN"}});
        socket.subscribe("1", UPSERT, helper).await;
        let made = json!({"user": {"role": "ADMIN"}, "userErrors": []});
        assert_eq!(socket.next("1").await["data"]["upsertUser"], made);
        assert_eq!(socket.frame().await, Frame::Message(json!({"type": "complete", "id": "1"})));

        let demoted = json!({"input": {"id": admin, "displayName": "Former", "role": "TEACHER"}});
        let answer = head.ask(UPSERT, demoted).await;
        assert_eq!(answer.data()["upsertUser"]["user"]["role"], "TEACHER");
        let people = w.database.number("SELECT count(*) FROM people").await;
        let helper = json!({"input": {"id": Uuid::new_v4(), "displayName": "Second", "role": "ADMIN"}});
        socket.subscribe("2", UPSERT, helper).await;
        let reason = "The token's role differs from the role that is stored for this person. Get a token with the stored role.".to_owned();
        assert_eq!(socket.frame().await, Frame::Closed(Closed { code: 4403, reason }));
        assert_eq!(w.database.number("SELECT count(*) FROM people").await, people);

        // With a token for the new role they can sign in again.
        let mut socket = w.person(admin, Role::Teacher).socket().await;
        socket.subscribe("1", "{ me { displayName role } }", json!({})).await;
        let me = json!({"me": {"displayName": "Former", "role": "TEACHER"}});
        assert_eq!(socket.next("1").await["data"], me);
        w.finish().await;
    }

    async fn a_chain_of_fragments_does_not_end_the_process(w: World) {
        let chain = |fragments: usize, inside: usize| {
            let (open, close) = ("a{".repeat(inside), "}".repeat(inside));
            let links = (0..fragments).map(|level| {
                format!(" fragment F{level} on Query {{{open}...F{}{close}}}", level + 1)
            });
            links.chain([format!(" fragment F{fragments} on Query {{__typename}}")]).collect::<String>()
        };
        for document in [
            format!("{{...F0}}{}", chain(24, 46)),
            format!("{{__typename}}{}", chain(24, 46)),
            format!("{{...F0}}{}", chain(400, 0)),
        ] {
            let answer = w.nobody().ask(&document, json!({})).await;
            assert_eq!((answer.status.as_u16(), answer.code()), (400, "TOO_COMPLEX"), "{}", answer.body);
            let mut socket = w.nobody().socket().await;
            socket.subscribe("1", &document, json!({})).await;
            let Frame::Message(told) = socket.frame().await else { panic!("the socket goes on") };
            assert_eq!(told["payload"][0]["extensions"]["code"], "TOO_COMPLEX");
        }
        // The maximum depth, on the stack size of the runtime.
        let answer = w.nobody().ask(&format!("{{...F0}}{}", chain(48, 0)), json!({})).await;
        assert_eq!(*answer.data(), json!({"__typename": "Query"}));
        w.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_reveals_no_secret() {
    let deed = |name: &str, rarity: &str, secret: bool| {
        json!({
            "name": name, "description": "A deed.", "requirement": "Do something", "category": "odd",
            "rarity": rarity, "secret": secret, "rule": {"kind": "count", "activity": "done", "target": 1},
        })
    };
    let packs = Packs::of(&json!({
        "pack": "deeds", "name": "Deeds", "description": "Something done.", "version": 1,
        "categories": [{"key": "odd", "name": "Odd"}],
        "activities": [{"key": "done", "description": "Something was done.", "xp": {"amount": 5}}],
        "achievements": [deed("First Deed", "common", false), deed("Hidden Treasure", "epic", true)],
    }));
    let world = World::with(Backend::Sqlite, |config| config.catalogs = vec![packs.setting()]);
    let w = world.await.unwrap();
    let get = async |name: &str| {
        let request = tests::http().get(format!("{}/badges/{name}.svg", w.url()));
        let answer = request.send().await.unwrap();
        let own = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
        (answer.status().as_u16(), answer.text().await.unwrap().replace(&own, "mine"))
    };
    let (status, open) = get("deeds/first-deed").await;
    assert_eq!((status, open.contains("<title") && open.contains("First Deed")), (200, true));
    assert_eq!(get("deeds/hidden-treasure").await, get("deeds/no-such-treasure").await);
    assert_eq!(get("deeds/hidden-treasure").await.0, 404);
    assert_eq!(get("secret-mythical").await.0, 404);

    let ada = w.student("UTC").await;
    w.service().record(json!({"userId": ada, "activity": "done"})).await;
    let own = "{ achievement(key: \"deeds/hidden-treasure\") { badgeUrl } }";
    let answer = w.person(ada, Role::Student).ask(own, json!({})).await;
    let url = answer.data()["achievement"]["badgeUrl"].as_str().unwrap();
    let name = url.split_once("/badges/").unwrap().1.strip_suffix(".svg").unwrap();
    assert_eq!(name, "secret-epic");
    let (status, picture) = get(name).await;
    assert_eq!(status, 200);
    assert!(picture.contains(">epic achievement, secret</desc>"), "{picture}");
    assert!(!picture.contains("Treasure") && !picture.contains("odd"), "{picture}");
    w.finish().await;
}
