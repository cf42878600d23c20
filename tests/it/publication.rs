//! A new publication of the catalogue: people silently get the awards that they already meet, and servers switch to it.

use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join_all;
use plaudit::auth::Role;
use plaudit::start;
use serde_json::{Value, json};
use tests::{Backend, Database, Packs, Process, World, command};
use uuid::Uuid;

/// A pack about sowing seeds. `achievements` are its achievements.
fn garden(achievements: Value) -> Value {
    json!({
        "pack": "garden", "name": "Garden", "description": "Seeds sown.", "version": 1,
        "categories": [{"key": "beds", "name": "Beds"}],
        "activities": [{
            "key": "seed_sown", "description": "Somebody has sown seeds.", "xp": {"amount": 1},
            "attributes": {"seeds": {"type": "int", "min": 0, "max": 100, "default": 1, "description": "How many."}},
        }],
        "achievements": achievements,
    })
}

fn first() -> Value {
    achievement("First Seed", 0, json!({"kind": "count", "activity": "seed_sown", "target": 1}))
}

fn thumb() -> Value {
    achievement(
        "Green Thumb",
        30,
        json!({"kind": "sum", "activity": "seed_sown", "attribute": "seeds", "target": 10}),
    )
}

fn veteran() -> Value {
    achievement("Veteran", 5, json!({"kind": "xp", "target": 30}))
}

fn achievement(name: &str, bonus: u32, rule: Value) -> Value {
    json!({"name": name, "description": name, "requirement": name, "category": "beds", "rarity": "common",
           "xpBonus": bonus, "rule": rule})
}

#[tokio::test(flavor = "multi_thread")]
async fn migrating_an_empty_database_logs_no_notice_of_it() {
    let Some(database) = Database::create(Backend::Postgres).await else { return };
    let done = command(&tests::settings(&database), &["migrate"]).await;
    let log = String::from_utf8(done.stderr).unwrap();
    let told: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let notices: Vec<_> = told.iter().filter(|line| line["target"] == "sqlx::postgres::notice").collect();
    assert_eq!((done.status.code(), notices), (Some(0), vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn achievements_earned_before_their_publication_are_awarded_silently_on_sqlite() {
    backfill(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn achievements_earned_before_their_publication_are_awarded_silently_on_postgres() {
    backfill(Backend::Postgres).await;
}

async fn backfill(backend: Backend) {
    let packs = Packs::of(&garden(json!([first()])));
    let Some(mut w) = World::with(backend, |config| config.catalogs = vec![packs.setting()]).await else {
        return;
    };
    let (ada, ben) = (w.student("UTC").await, w.student("UTC").await);
    for (person, seeds) in [(ada, 4), (ada, 5), (ada, 6), (ada, 7), (ben, 9)] {
        let event = json!({"userId": person, "activity": "seed_sown", "attributes": {"seeds": seeds}});
        assert_eq!(w.service().record(event).await["userErrors"], json!([]));
        w.tick(TimeDelta::minutes(1));
    }
    assert_eq!(
        earned(&w, ada).await,
        [("garden/first-seed".to_owned(), "2026-01-15T12:00:00.000Z".to_owned())]
    );

    packs.write(&garden(json!([first(), thumb(), veteran()])));
    match backend {
        // SQLite publishes when a server starts.
        Backend::Sqlite => {
            let next = w.second_server().await;
            std::mem::replace(&mut w.server, next).stop().await;
        }
        // On PostgreSQL the running server notices the publication.
        Backend::Postgres => {
            let migrated = start::migrate(&w.config, &w.clock).await.unwrap();
            assert_eq!((migrated.version, migrated.published, migrated.awarded), (2, true, 2));
        }
    }
    // The third sowing reached ten seeds; its bonus made 30 XP.
    assert_eq!(
        earned(&w, ada).await,
        [
            ("garden/first-seed".to_owned(), "2026-01-15T12:00:00.000Z".to_owned()),
            ("garden/green-thumb".to_owned(), "2026-01-15T12:02:00.000Z".to_owned()),
            ("garden/veteran".to_owned(), "2026-01-15T12:02:00.000Z".to_owned()),
        ]
    );
    let silent = "SELECT count(*) FROM outbox o JOIN awards a ON a.id = o.award_id WHERE a.xp_bonus > 0 \
                  AND o.silent_because = 'earned before it was published' AND o.planned_at IS NOT NULL";
    assert_eq!(w.database.number(silent).await, 2);
    assert_eq!(w.database.number("SELECT count(*) FROM outbox").await, 4);
    assert_eq!(w.database.number("SELECT count(*) FROM feed").await, 4);
    assert_eq!(
        w.database.number("SELECT CAST(sum(amount) AS bigint) FROM xp_entries WHERE kind = 'BONUS'").await,
        35
    );
    assert_eq!(w.database.number("SELECT max(xp) FROM totals").await, 39);

    // From now on events count as usual: Ben's tenth seed is announced like every award.
    let event = json!({"userId": ben, "activity": "seed_sown"});
    let answer = w.service().record(event).await;
    let keys: Vec<_> =
        answer["awards"].as_array().unwrap().iter().map(|award| &award["achievement"]["key"]).collect();
    assert_eq!(keys, ["garden/green-thumb", "garden/veteran"]);
    assert_eq!(w.database.number("SELECT count(*) FROM outbox WHERE silent_because IS NULL").await, 4);
    w.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_that_changes_only_texts_reads_no_history() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let mut costs = Vec::new();
        for number in [1, 200] {
            let packs = Packs::of(&garden(json!([first(), thumb()])));
            let world = World::with(backend, |config| config.catalogs = vec![packs.setting()]);
            let Some(w) = world.await else { continue };
            let people: Vec<Uuid> = (0..number).map(|_| Uuid::new_v4()).collect();
            for some in people.chunks(20) {
                join_all(some.iter().map(|id| w.upsert(*id, json!({})))).await;
            }
            let sown = |id| json!({"userId": id, "activity": "seed_sown", "attributes": {"seeds": 4}});
            let rows: Vec<Value> = people.iter().map(sown).collect();
            w.service().record_all(&rows).await;
            let mut pack = garden(json!([first(), thumb()]));
            pack["achievements"][0]["name"] = json!("First Seed");
            pack["achievements"][0]["description"] = json!("A seed lies in the ground.");
            pack["achievements"][1]["rarity"] = json!("epic");
            pack["categories"][0]["name"] = json!("Flower beds");
            packs.write(&pack);
            let before = w.server.app.db.statements();
            let published = start::bring_up(&w.server.app.db, &w.config, &w.clock).await.unwrap();
            costs.push(w.server.app.db.statements() - before);
            assert_eq!((published.version, published.published, published.awarded), (2, true, 0));
            // A changed requirement reads the events it needs.
            pack["achievements"][1]["rule"]["target"] = json!(4);
            packs.write(&pack);
            let published = start::bring_up(&w.server.app.db, &w.config, &w.clock).await.unwrap();
            assert_eq!((published.version, published.awarded), (3, number));
            // A new name without a key would create another achievement, which everyone would earn again.
            pack["achievements"][0]["name"] = json!("First of Seeds");
            packs.write(&pack);
            let refused =
                start::bring_up(&w.server.app.db, &w.config, &w.clock).await.unwrap_err().to_string();
            let told = "achievements[0].key: `First of Seeds` has no key and is new, while the published pack has \
                        `first-seed` and this one has not";
            assert!(refused.contains(told), "{refused}");
            pack["achievements"][0]["key"] = json!("first-seed");
            packs.write(&pack);
            let published = start::bring_up(&w.server.app.db, &w.config, &w.clock).await.unwrap();
            assert_eq!((published.version, published.awarded), (4, 0));
            // A pack must not contain text that readers cannot see.
            pack["achievements"][0]["name"] = json!("First\u{202e}Seed");
            packs.write(&pack);
            let refused =
                start::bring_up(&w.server.app.db, &w.config, &w.clock).await.unwrap_err().to_string();
            assert!(refused.contains("achievements[0].name: the text has the character U+202E"), "{refused}");
            w.finish().await;
        }
        if let [one, many] = costs[..] {
            assert_eq!(one, many, "{backend:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_switch_to_a_new_publication() {
    let packs = Packs::of(&garden(json!([first()])));
    let Some(w) = World::with(Backend::Postgres, |config| config.catalogs = vec![packs.setting()]).await
    else {
        return;
    };
    let ada = w.student("UTC").await;
    packs.write(&garden(json!([first(), thumb()])));
    start::migrate(&w.config, &w.clock).await.unwrap();
    // No message is sent: the server checks periodically.
    let client = w.person(ada, Role::Student);
    let changed = async {
        while client.ask("{ achievement(key: \"garden/green-thumb\") { name } }", json!({})).await.data()["achievement"]
            == Value::Null
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), changed).await.expect("the server changes over");
    // Publishing the same again creates no publication.
    let again = start::migrate(&w.config, &w.clock).await.unwrap();
    assert_eq!((again.version, again.published, again.awarded), (2, false, 0));
    w.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_warns_when_its_files_differ_from_the_published_catalogue() {
    let packs = Packs::of(&garden(json!([first()])));
    let Some(w) = World::with(Backend::Postgres, |config| config.catalogs = vec![packs.setting()]).await
    else {
        return;
    };
    let says = async || {
        let server = Process::serve(&w.config).await;
        let said = server.log.iter().any(|line| line.contains("differs from the published one"));
        // It uses the published catalogue nevertheless.
        let client = server.client(&Uuid::new_v4().to_string(), Role::Student);
        let asked = "{ a: achievement(key: \"garden/first-seed\") { name } b: achievement(key: \"garden/green-thumb\") { name } }";
        let answer = client.ask(asked, json!({})).await;
        assert_eq!(*answer.data(), json!({"a": {"name": "First Seed"}, "b": null}));
        server.kill().await;
        said
    };
    assert!(!says().await);
    packs.write(&garden(json!([first(), thumb()])));
    assert!(says().await);
    w.finish().await;
}

/// (key, earnedAt) of everything that this person holds, oldest first.
async fn earned(w: &World, person: Uuid) -> Vec<(String, String)> {
    let query = "query($id: ID!) { earned(userId: $id) { nodes { earnedAt achievement { key } } } }";
    let answer = w.service().ask(query, json!({"id": person})).await;
    let nodes = answer.data()["earned"]["nodes"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut earned: Vec<_> =
        nodes.iter().map(|node| (text(&node["achievement"]["key"]), text(&node["earnedAt"]))).collect();
    earned.sort_by(|(a, at), (b, bt)| (at, a).cmp(&(bt, b)));
    earned
}
