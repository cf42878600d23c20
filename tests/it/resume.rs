//! A subscriber that disconnects and reconnects sees every award once and in order; who may see what, and how a
//! subscription ends.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use plaudit::auth::Role;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tests::{Backend, Client, Closed, Database, Frame, Process, Socket, on_both};
use uuid::Uuid;

const FOLLOW: &str =
    "subscription($after: String, $userId: ID) { achievementEarned(after: $after, userId: $userId) {
    cursor isReplay award { id achievement { key } user { id } } } }";
const PEOPLE: usize = 60;
/// The number of awards for ten right answers.
const AWARDS: usize = 6;
const WRITERS: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn a_reconnecting_subscriber_sees_every_award_once_and_in_order_on_sqlite() {
    follow_beside_writers(Backend::Sqlite, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_that_changes_processes_sees_every_award_once_and_in_order() {
    follow_beside_writers(Backend::Postgres, 2).await;
}

/// Writers at every process, and a subscriber that disconnects after a few awards and reconnects to any of them.
async fn follow_beside_writers(backend: Backend, processes: usize) {
    let Some(database) = Database::migrated(backend).await else { return };
    let config = tests::settings(&database);
    let mut servers = Vec::new();
    for _ in 0..processes {
        servers.push(Process::serve(&config).await);
    }
    let services: Vec<Client> = servers.iter().map(|server| server.client("school", Role::Service)).collect();
    let seed: u64 = rand::random();
    eprintln!("the subscriber drops by the seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let people: Vec<Uuid> = (0..PEOPLE).map(|_| Uuid::new_v4()).collect();
    for person in &people {
        let input = json!({"id": person, "displayName": "Ada"});
        let register =
            "mutation($input: UpsertUserInput!) { upsertUser(input: $input) { userErrors { message } } }";
        let answer = services[0].ask(register, json!({"input": input})).await;
        assert_eq!(answer.data()["upsertUser"]["userErrors"], json!([]));
    }
    let cursor = feed_cursor(&services[0]).await;
    let writing: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let client = services[writer % processes].clone();
            tokio::spawn(write(client, writer, people.clone()))
        })
        .collect();

    // The first question, 100 XP in two packs, ten in a row, levels 2 and 3.
    let mut seen: Vec<(String, String)> = Vec::new();
    let mut last = cursor.clone();
    while seen.len() < PEOPLE * AWARDS {
        let mut socket = services[random.random_range(0..processes)].socket().await;
        socket.subscribe("1", FOLLOW, json!({"after": last})).await;
        for _ in 0..random.random_range(1..25).min(PEOPLE * AWARDS - seen.len()) {
            let earned = socket.next("1").await["data"]["achievementEarned"].clone();
            last = text(&earned["cursor"]);
            seen.push((last.clone(), text(&earned["award"]["id"])));
        }
        socket.cut();
    }
    for writer in writing {
        writer.await.unwrap();
    }

    let different: BTreeSet<&String> = seen.iter().map(|(_, award)| award).collect();
    assert_eq!(different.len(), seen.len(), "an award was told twice");
    let earned = database.number("SELECT count(*) FROM feed WHERE kind = 'AWARD_EARNED'").await;
    assert_eq!(earned, i64::try_from(seen.len()).unwrap(), "the feed has more awards than were sent");
    assert_eq!(database.number("SELECT count(*) FROM awards").await, i64::try_from(seen.len()).unwrap());
    // The same again, from the start and without a break, at each process.
    for service in &services {
        let mut socket = service.socket().await;
        socket.subscribe("1", FOLLOW, json!({"after": cursor})).await;
        for (cursor, award) in &seen {
            let earned = socket.next("1").await["data"]["achievementEarned"].clone();
            assert_eq!((&earned["cursor"], &earned["award"]["id"]), (&json!(cursor), &json!(award)));
            assert_eq!(earned["isReplay"], true);
        }
        socket.cut();
    }
    for server in servers {
        server.kill().await;
    }
    let report = plaudit::check::run(&config).await.expect("the database can be checked");
    let differences: Vec<String> = report.differences.iter().map(ToString::to_string).collect();
    assert_eq!(differences, Vec::<String>::new());
}

/// Ten right answers of each person in turn, all writers over the same people.
async fn write(client: Client, writer: usize, people: Vec<Uuid>) {
    for nth in (writer..10).step_by(WRITERS) {
        for some in people.chunks(7) {
            let events: Vec<Value> =
                some.iter().map(|person| answered(&format!("{nth}-{person}"), *person)).collect();
            let answer = client.record_all(&events).await;
            for result in answer["results"].as_array().unwrap() {
                assert_eq!(result["userErrors"], json!([]));
            }
        }
    }
}

on_both! {
    async fn no_award_is_lost_between_a_page_and_a_subscription(w: World) {
        let ada = w.student("UTC").await;
        let client = w.person(ada, Role::Student);
        let cursor = feed_cursor(&client).await;
        w.service().record(answered("q1", ada)).await;
        let mut socket = client.socket().await;
        socket.subscribe("1", FOLLOW, json!({"after": cursor})).await;
        let missed = socket.next("1").await["data"]["achievementEarned"].clone();
        assert_eq!((told(&missed), &missed["isReplay"]), (("aurora/first-steps", ada), &json!(true)));
        w.service().record(json!({"userId": ada, "activity": "comment_written"})).await;
        let live = socket.next("1").await["data"]["achievementEarned"].clone();
        assert_eq!((told(&live), &live["isReplay"]), (("course-portal/first-comment-written", ada), &json!(false)));
        assert_eq!(feed_cursor(&client).await, text(&live["cursor"]));
        w.finish().await;
    }

    async fn a_cursor_that_is_not_ours_or_ahead_of_the_feed_is_refused(w: World) {
        let ada = w.student("UTC").await;
        w.service().record(answered("q1", ada)).await;
        let mut socket = w.service().socket().await;
        let page = "{ earned(userId: $id) { edges { cursor } } }".replace("$id", &format!("\"{ada}\""));
        let of_an_award = w.service().ask(&page, json!({})).await.data()["earned"]["edges"][0]["cursor"].clone();
        let ahead = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, "feed 2 7");
        let negative = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, "feed -1 7");
        let cursors = [json!(""), json!("1"), json!("not ours"), of_an_award, json!(ahead), json!(negative)];
        for (nth, after) in cursors.iter().enumerate() {
            let id = nth.to_string();
            socket.subscribe(&id, FOLLOW, json!({"after": after})).await;
            let error = refused(&mut socket, &id).await;
            assert_eq!(error["extensions"]["code"], "INVALID_INPUT", "{after}");
            assert!(error["message"].as_str().unwrap().contains("`after`"), "{error}");
        }
        w.finish().await;
    }

    async fn a_cursor_of_another_database_such_as_a_restored_one_is_refused(w: World) {
        let other = tests::World::on(w.database.backend).await.expect("there is a database");
        for world in [&w, &other] {
            let ada = world.student("UTC").await;
            world.service().record(answered("q1", ada)).await;
            assert_eq!(world.database.number("SELECT max(position) FROM feed").await, 1);
        }
        let mut socket = w.service().socket().await;
        socket.subscribe("1", FOLLOW, json!({"after": feed_cursor(&other.service()).await})).await;
        let error = refused(&mut socket, "1").await;
        assert_eq!(error["extensions"]["code"], "INVALID_INPUT");
        assert!(error["message"].as_str().unwrap().contains("restored from a backup"), "{error}");
        other.finish().await;
        w.finish().await;
    }

    async fn each_subscriber_sees_only_permitted_awards(w: World) {
        let (ada, ben, admin) = (w.student("UTC").await, w.student("UTC").await, Uuid::new_v4());
        let cursor = feed_cursor(&w.service()).await;
        let follow = async |client: Client, of: Option<Uuid>| {
            let mut socket = client.socket().await;
            socket.subscribe("1", FOLLOW, json!({"userId": of, "after": cursor})).await;
            socket
        };
        let mut of_ada = follow(w.person(ada, Role::Student), None).await;
        let mut of_ben = follow(w.person(ben, Role::Student), Some(ben)).await;
        let mut of_service = follow(w.service(), None).await;
        let mut of_admin = follow(w.person(admin, Role::Admin), None).await;
        let mut narrowed = follow(w.person(admin, Role::Admin), Some(ben)).await;
        for (nth, person) in [ada, ben, ada, ben].into_iter().enumerate() {
            let activity = if nth < 2 { "comment_written" } else { "session_join" };
            w.service().record(json!({"userId": person, "activity": activity})).await;
        }
        let (comment, join) = ("course-portal/first-comment-written", "code-lab/warm-welcome");
        for (socket, expected) in [
            (&mut of_ada, vec![(comment, ada), (join, ada)]),
            (&mut of_ben, vec![(comment, ben), (join, ben)]),
            (&mut narrowed, vec![(comment, ben), (join, ben)]),
            (&mut of_service, vec![(comment, ada), (comment, ben), (join, ada), (join, ben)]),
            (&mut of_admin, vec![(comment, ada), (comment, ben), (join, ada), (join, ben)]),
        ] {
            for expected in expected {
                let earned = socket.next("1").await["data"]["achievementEarned"].clone();
                assert_eq!(told(&earned), expected);
            }
        }
        // A subscription to another person is reported as missing, like one to a missing person.
        for of in [ben, Uuid::new_v4()] {
            let mut socket = w.person(ada, Role::Student).socket().await;
            socket.subscribe("1", FOLLOW, json!({"userId": of})).await;
            assert_eq!(refused(&mut socket, "1").await["extensions"]["code"], "NOT_FOUND");
        }
        w.finish().await;
    }

    async fn a_stream_ends_when_the_role_has_changed(w: World) {
        let ada = w.student("UTC").await;
        let mut socket = w.person(ada, Role::Student).socket().await;
        socket.subscribe("1", FOLLOW, json!({"after": feed_cursor(&w.service()).await})).await;
        w.followed_by(1).await;
        let promote = "mutation($input: UpsertUserInput!) { upsertUser(input: $input) { user { role } userErrors { message } } }";
        let input = json!({"id": ada, "displayName": "Ada", "role": "TEACHER"});
        let answer = w.person(Uuid::new_v4(), Role::Admin).ask(promote, json!({"input": input})).await;
        assert_eq!(answer.data()["upsertUser"], json!({"user": {"role": "TEACHER"}, "userErrors": []}));
        w.service().record(answered("q1", ada)).await;
        let reason =
            "Your role has changed since you subscribed: get a new token and subscribe again.".to_owned();
        assert_eq!(socket.frame().await, Frame::Closed(Closed { code: 4403, reason }));
        w.finish().await;
    }

    async fn a_stream_ends_with_its_token(w: World) {
        let ada = w.student("UTC").await;
        let mut socket = w.person(ada, Role::Student).socket().await;
        socket.subscribe("1", FOLLOW, json!({"after": feed_cursor(&w.service()).await})).await;
        w.tick(TimeDelta::minutes(59));
        w.service().record(answered("q1", ada)).await;
        assert_eq!(told(&socket.next("1").await["data"]["achievementEarned"]), ("aurora/first-steps", ada));
        w.tick(TimeDelta::minutes(1));
        w.service().record(json!({"userId": ada, "activity": "comment_written"})).await;
        let reason = "The token has expired. Reconnect with a new one.".to_owned();
        assert_eq!(socket.frame().await, Frame::Closed(Closed { code: 4403, reason }));
        w.finish().await;
    }

    async fn a_stopping_server_closes_sockets_with_a_code_to_reconnect(w: World) {
        let ada = w.student("UTC").await;
        let mut sockets = Vec::new();
        for _ in 0..3 {
            let mut socket = w.person(ada, Role::Student).socket().await;
            socket.subscribe("1", FOLLOW, json!({})).await;
            sockets.push(socket);
        }
        let (stopping, closing) = (w.stop(), async {
            for mut socket in sockets {
                let reason = "The server is restarting. Reconnect.".to_owned();
                assert_eq!(socket.frame().await, Frame::Closed(Closed { code: 1012, reason }));
            }
        });
        tokio::join!(stopping, closing);
    }
}

async fn feed_cursor(client: &Client) -> String {
    text(&client.ask("{ feedCursor }", json!({})).await.data()["feedCursor"])
}

/// The error that ends this operation, which has sent nothing before.
async fn refused(socket: &mut Socket, id: &str) -> Value {
    match socket.frame().await {
        Frame::Message(message) if message["type"] == "error" && message["id"] == id => {
            message["payload"][0].clone()
        }
        other => panic!("expected an error of {id}, got {other:?}"),
    }
}

/// The achievement, and the person who earned it.
fn told(earned: &Value) -> (&str, Uuid) {
    let award = &earned["award"];
    (award["achievement"]["key"].as_str().unwrap(), award["user"]["id"].as_str().unwrap().parse().unwrap())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn answered(id: &str, person: Uuid) -> Value {
    json!({"id": id, "userId": person, "activity": "question_answered", "attributes": {"correct": true}})
}
