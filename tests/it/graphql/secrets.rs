//! A secret achievement cannot be found through any field before it is earned; afterwards only its earner finds it.

use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::{Backend, Client, World};

use super::{deed, pack};

const ROADS: &str = "query($id: ID!) {
    catalog { totalCount categories { achievements { name } } }
    found: catalog(search: \"hidden\") { totalCount }
    achievement(key: \"deeds/hidden-treasure\") { name secret earnedCount }
    node(id: $id) { __typename }
    leaderboard(achievement: \"deeds/hidden-treasure\") { totalCount } }";

const OWN: &str =
    "{ inProgress { nodes { achievement { name } } } nextAchievements { achievement { name } } }";

/// Whether the client finds the secret achievement. Every field must give the same result.
async fn finds(w: &World, client: &Client) -> bool {
    let id = treasure(w).await;
    let answer = client.ask(ROADS, json!({"id": id})).await;
    let data = answer.data();
    let by_road = [
        data["catalog"]["totalCount"] == 3,
        data["catalog"]["categories"].to_string().contains("Hidden Treasure"),
        data["found"]["totalCount"] == 1,
        data["achievement"]["secret"] == true,
        data["node"]["__typename"] == "Achievement",
        data["leaderboard"] != Value::Null,
    ];
    assert!(by_road.iter().all(|found| *found == by_road[0]), "{by_road:?}: {data}");
    by_road[0]
}

/// The id, which an admin can read.
async fn treasure(w: &World) -> Value {
    let query = "{ achievement(key: \"deeds/hidden-treasure\") { id } }";
    w.service().ask(query, json!({})).await.data()["achievement"]["id"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_found_only_by_its_earner() {
    let mut secret = deed("Hidden Treasure", "odd", 2);
    for (field, value) in [("secret", json!(true)), ("track", json!("deeds")), ("tier", json!(2))] {
        secret[field] = value;
    }
    let packs = pack(&[deed("First Deed", "odd", 1), secret, deed("Tenth Deed", "even", 10)]);
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let world = World::with(backend, |config| config.catalogs = vec![packs.setting()]);
        let Some(w) = world.await else { continue };
        let (ada, bob) = (w.student("UTC").await, w.student("UTC").await);
        let (by_ada, by_bob) = (w.person(ada, Role::Student), w.person(bob, Role::Student));
        let done = json!({"userId": ada, "activity": "done"});
        w.service().record(done.clone()).await;
        for client in [&by_ada, &by_bob] {
            assert!(!finds(&w, client).await, "one event short of it");
            let own = client.ask(OWN, json!({})).await;
            assert!(!own.data().to_string().contains("Hidden Treasure"), "{}", own.body);
        }
        assert!(finds(&w, &w.service()).await, "those who see everyone see it");

        let answer = w.service().record(done).await;
        assert_eq!(answer["awards"][0]["achievement"]["key"], "deeds/hidden-treasure");
        assert!(finds(&w, &by_ada).await, "who has earned it finds it");
        assert!(!finds(&w, &by_bob).await, "nobody else does");
        let counted =
            by_ada.ask("{ achievement(key: \"deeds/hidden-treasure\") { earnedCount } }", json!({})).await;
        assert_eq!(counted.data()["achievement"]["earnedCount"], 1);
        w.finish().await;
    }
}
