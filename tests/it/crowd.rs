//! Many operations of one caller on a socket do not block the answers of other callers.

use std::collections::{BTreeMap, BTreeSet};

use plaudit::auth::Role;
use plaudit::config::{Config, Limits};
use serde_json::{Value, json};
use tests::{Backend, Frame, Socket, World};
use uuid::Uuid;

const REPLAY: &str = "subscription($after: String) { achievementEarned(after: $after) {
    cursor award { id achievement { key } user { id displayName } } } }";
/// The number of requests of others that must succeed.
const OTHERS: usize = 15;
/// People whose awards are replayed, six each.
const PEOPLE: usize = 20;

/// Creates two tests from one body, on SQLite and on PostgreSQL, with the default limits.
macro_rules! as_delivered {
    ($(async fn $name:ident($world:ident: World) $body:block)*) => { $(
        mod $name {
            use super::*;

            async fn body($world: World) $body

            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() {
                if let Some(world) = World::with(Backend::Sqlite, deliver).await {
                    body(world).await;
                }
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgres() {
                if let Some(world) = World::with(Backend::Postgres, deliver).await {
                    body(world).await;
                }
            }
        }
    )* };
}

fn deliver(config: &mut Config) {
    config.limits = Limits { shutdown_seconds: config.limits.shutdown_seconds, ..Limits::default() };
}

as_delivered! {
    async fn a_socket_with_300_queries_leaves_room_for_other_callers(w: World) {
        let (ada, ben) = (w.student("UTC").await, w.student("UTC").await);
        let mut socket = w.person(ada, Role::Student).socket().await;
        for id in 0..300 {
            socket.subscribe(&id.to_string(), "{ me { xp } }", json!({})).await;
        }
        others_are_served(&w, ben).await;
        // Each operation is answered once, or refused because a hundred were running.
        let mut ended: BTreeMap<String, &str> = BTreeMap::new();
        let mut answers = BTreeSet::new();
        while ended.len() < 300 {
            let message = message(&mut socket).await;
            let id = message["id"].as_str().unwrap().to_owned();
            match message["type"].as_str().unwrap() {
                "next" => {
                    assert_eq!(message["payload"]["data"], json!({"me": {"xp": 0}}));
                    assert!(answers.insert(id));
                }
                "complete" => assert_eq!(ended.insert(id, "complete"), None),
                _ => {
                    assert_eq!(message["payload"][0]["extensions"]["code"], "TOO_COMPLEX");
                    assert_eq!(ended.insert(id, "error"), None);
                }
            }
        }
        let completed = ended.iter().filter(|(_, end)| **end == "complete").map(|(id, _)| id.clone());
        assert_eq!(completed.collect::<BTreeSet<_>>(), answers);
        assert!(answers.len() >= 100, "{} answers", answers.len());
        socket.cut();
        w.finish().await;
    }

    async fn three_hundred_replays_come_up_and_leave_room_for_other_callers(w: World) {
        let start = w.service().ask("{ feedCursor }", json!({})).await.data()["feedCursor"].clone();
        let mut people = Vec::new();
        for _ in 0..PEOPLE {
            people.push(w.student("UTC").await);
        }
        for nth in 0..10 {
            let events: Vec<Value> = people.iter().map(|person| answered(nth, *person)).collect();
            w.service().record_all(&events).await;
        }
        let ben = w.student("UTC").await;
        let admin = w.person(Uuid::new_v4(), Role::Admin);
        let mut sockets = Vec::new();
        for _ in 0..3 {
            let mut socket = admin.socket().await;
            for id in 0..100 {
                socket.subscribe(&id.to_string(), REPLAY, json!({"after": start})).await;
            }
            sockets.push(socket);
        }
        others_are_served(&w, ben).await;
        // One of them is read until each of its subscriptions has sent a message.
        let mut told = BTreeSet::new();
        let mut first = sockets.remove(0);
        while told.len() < 100 {
            let message = message(&mut first).await;
            assert_eq!(message["type"], "next", "{message}");
            assert_eq!(message["payload"].get("errors"), None, "{message}");
            told.insert(message["id"].as_str().unwrap().to_owned());
        }
        first.cut();
        sockets.into_iter().for_each(Socket::cut);
        w.finish().await;
    }

    async fn a_subscription_stopped_during_its_confirmation_sends_no_message(w: World) {
        let ada = w.student("UTC").await;
        let mut socket = w.person(ada, Role::Student).socket().await;
        for _ in 0..50 {
            socket.subscribe("1", "{ me { xp } }", json!({})).await;
            socket.send(json!({"type": "complete", "id": "1"})).await;
        }
        socket.subscribe("2", "{ me { displayName } }", json!({})).await;
        // An answer may have been sent before its operation was stopped; no other message arrives.
        loop {
            let message = message(&mut socket).await;
            if message["id"] == "2" {
                assert_eq!(message["payload"]["data"], json!({"me": {"displayName": "Ada"}}));
                break;
            }
            assert_eq!(message["id"], "1");
        }
        assert_eq!(message(&mut socket).await, json!({"type": "complete", "id": "2"}));
        socket.cut();
        w.finish().await;
    }
}

/// Another person queries and the school's backend records, again and again: every request succeeds.
async fn others_are_served(w: &World, person: Uuid) {
    let (client, service) = (w.person(person, Role::Student), w.service());
    for nth in 0..OTHERS {
        let answer = client.ask("{ me { displayName } }", json!({})).await;
        assert_eq!(answer.data(), &json!({"me": {"displayName": "Ada"}}));
        let recorded = service.record(answered(nth, person)).await;
        assert_eq!((&recorded["duplicate"], &recorded["userErrors"]), (&json!(false), &json!([])));
    }
}

async fn message(socket: &mut Socket) -> Value {
    match socket.frame().await {
        Frame::Message(message) => message,
        closed => panic!("the socket stays open: {closed:?}"),
    }
}

fn answered(nth: usize, person: Uuid) -> Value {
    let attributes = json!({"correct": true});
    json!({"id": format!("{nth}-{person}"), "userId": person, "activity": "question_answered", "attributes": attributes})
}
