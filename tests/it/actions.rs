//! A publication counts earlier actions: actions in Plaudit, joining before the launch date was set, and referrals. People
//! get the awards that the pack would have given from the start.

use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::{World, on_both};
use uuid::Uuid;

use crate::courses::{comment, complete, course, enroll, join};
use crate::history::{achievement, activity, count, pack, publish, with_packs};

/// The keys of a person's awards, sorted.
async fn held(w: &World, person: Uuid) -> Vec<String> {
    let query = "query($id: ID!) { earned(userId: $id, first: 50) { nodes { achievement { key } } } }";
    let answer = w.service().ask(query, json!({"id": person})).await;
    let nodes = answer.data()["earned"]["nodes"].as_array().unwrap().iter();
    let mut keys: Vec<String> =
        nodes.map(|node| node["achievement"]["key"].as_str().unwrap().to_owned()).collect();
    keys.sort();
    keys
}

/// An activity of this action that makes its day active.
fn hearing(key: &str, on: &str, attributes: Value) -> Value {
    json!({"key": key, "description": "An action.", "on": on, "attributes": attributes})
}

fn text(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

/// A pack with an activity for every action.
fn listener() -> Value {
    let activities = [
        hearing("came", "joined", json!({})),
        hearing("took", "enroll", json!({"course": text("Which course.")})),
        hearing("learnt", "lesson", json!({"lesson": text("Which lesson.")})),
        hearing("spoke", "comment", json!({"text": text("A hash."), "lesson": text("Which lesson.")})),
    ];
    let rules = [
        achievement("Came", count("came", 1)),
        achievement("Took", count("took", 1)),
        achievement("Learnt", json!({"kind": "distinct", "activity": "learnt", "by": "lesson", "target": 2})),
        achievement("Spoke", json!({"kind": "distinct", "activity": "spoke", "by": "text", "target": 2})),
        achievement(
            "Spoke Again",
            json!({"kind": "distinct", "activity": "spoke", "by": "text", "target": 3}),
        ),
        achievement("Two Days", json!({"kind": "streak", "target": 2})),
        achievement("Three Days", json!({"kind": "streak", "target": 3})),
    ];
    pack("listener", &activities, &rules)
}

on_both! {
    async fn actions_before_their_pack_is_published_count_once_it_is_published(w: World) {
        let (mut w, packs) = with_packs(w);
        packs.write(&pack("quiet", &[activity("dug", json!({}))], &[achievement("Digger", count("dug", 1))]));
        publish(&mut w).await;
        let (_, teacher) = join(&w, Role::Teacher).await;
        let (ada_id, ada) = join(&w, Role::Student).await;
        let rust = course(&teacher, 3).await;
        enroll(&ada, &rust, None).await;
        complete(&ada, &rust.lessons[0], None).await;
        for said in ["Hello", "hello ", "Bye"] {
            comment(&ada, &rust.lessons[0], said).await;
        }
        w.tick(chrono::TimeDelta::days(1));
        let ada = w.person(ada_id, Role::Student);
        complete(&ada, &rust.lessons[1], None).await;
        assert_eq!(held(&w, ada_id).await, Vec::<String>::new());
        assert_eq!(w.check().await.differences, []);

        packs.write(&listener());
        assert_eq!(publish(&mut w).await, 5);
        let keys = ["listener/came", "listener/learnt", "listener/spoke", "listener/took", "listener/two-days"];
        assert_eq!(held(&w, ada_id).await, keys);
        let told = "SELECT count(*) FROM outbox WHERE silent_because IS NULL";
        assert_eq!(w.database.number(told).await, 0, "a publication is silent");
        assert_eq!(w.database.number("SELECT count(*) FROM events WHERE activity LIKE 'plaudit:%'").await, 0);
        assert_eq!(w.database.number("SELECT count(*) FROM events").await, 7);
        assert_eq!(w.check().await.differences, []);

        let ada = ada.at(w.url());
        comment(&ada, &rust.lessons[0], "HELLO").await;
        assert_eq!(held(&w, ada_id).await, keys);
        comment(&ada, &rust.lessons[0], "New").await;
        assert!(held(&w, ada_id).await.contains(&"listener/spoke-again".to_owned()));
        w.tick(chrono::TimeDelta::days(1));
        let ada = w.person(ada_id, Role::Student);
        complete(&ada, &rust.lessons[2], None).await;
        assert!(held(&w, ada_id).await.contains(&"listener/three-days".to_owned()));
        w.finish().await;
    }

    async fn actions_while_their_pack_is_not_loaded_count_once_it_is_back(w: World) {
        let (mut w, packs) = with_packs(w);
        packs.write(&listener());
        publish(&mut w).await;
        let (_, teacher) = join(&w, Role::Teacher).await;
        let (ada_id, ada) = join(&w, Role::Student).await;
        let rust = course(&teacher, 3).await;
        enroll(&ada, &rust, None).await;
        complete(&ada, &rust.lessons[0], None).await;
        packs.write(&pack("quiet", &[activity("dug", json!({}))], &[]));
        packs.remove("listener");
        publish(&mut w).await;
        w.tick(chrono::TimeDelta::days(1));
        complete(&w.person(ada_id, Role::Student), &rust.lessons[1], None).await;
        assert_eq!(w.check().await.differences, []);
        // It is loaded again without its activity for lessons, and then with it.
        let mut deaf = listener();
        deaf["activities"][2].as_object_mut().unwrap().remove("on");
        packs.write(&deaf);
        assert_eq!(publish(&mut w).await, 0);
        assert_eq!(w.check().await.differences, []);
        packs.write(&listener());
        assert_eq!(publish(&mut w).await, 2);
        assert_eq!(held(&w, ada_id).await, ["listener/came", "listener/learnt", "listener/took", "listener/two-days"]);
        w.finish().await;
    }

    async fn a_pack_that_replaces_another_one_counts_the_same_actions(w: World) {
        let (mut w, packs) = with_packs(w);
        let by_lesson = |key: &str, target: i64| json!({"kind": "distinct", "activity": key, "by": "lesson", "target": target});
        let learns = |name: &str, key: &str, attributes: Value, counts: bool, rules: &[Value]| {
            let mut one = hearing(key, "lesson", attributes);
            one["countsForStreak"] = counts.into();
            pack(name, &[one], rules)
        };
        let lesson = json!({"lesson": {"type": "string", "required": true, "description": "Which lesson."}});
        let first = learns("first", "learnt", lesson.clone(), true, &[achievement("Three", by_lesson("learnt", 3))]);
        let bare = learns("bare", "went", json!({}), false, &[achievement("Went", count("went", 2))]);
        let other = json!({"lesson": {"type": "string", "required": true, "description": "Which lesson."},
            "mood": {"type": "int", "default": 3, "description": "How it was."}});
        let last = learns("last", "did", other, true, &[achievement("Did", by_lesson("did", 2))]);
        packs.write(&first);
        publish(&mut w).await;
        let (_, teacher) = join(&w, Role::Teacher).await;
        let (ada_id, ada) = join(&w, Role::Student).await;
        let rust = course(&teacher, 3).await;
        enroll(&ada, &rust, None).await;
        for lesson in &rust.lessons[..2] {
            complete(&ada, lesson, None).await;
        }
        // A pack without the attribute, then one that requires it, then the first one again.
        packs.write(&bare);
        packs.remove("first");
        assert_eq!(publish(&mut w).await, 1);
        assert_eq!(w.check().await.differences, [], "a day that is active stays active");
        packs.write(&last);
        packs.remove("bare");
        assert_eq!(publish(&mut w).await, 1);
        assert_eq!(w.check().await.differences, []);
        packs.write(&first);
        packs.remove("last");
        assert_eq!(publish(&mut w).await, 0);
        complete(&ada.at(w.url()), &rust.lessons[2], None).await;
        assert_eq!(held(&w, ada_id).await, ["bare/went", "first/three", "last/did"]);
        assert_eq!(w.check().await.differences, []);
        // The activity loses its action while another pack gets it; then its pack goes.
        let mut deaf = first.clone();
        deaf["activities"][0].as_object_mut().unwrap().remove("on");
        packs.write(&deaf);
        packs.write(&learns("heir", "heard", json!({}), true, &[achievement("Heir", count("heard", 3))]));
        assert_eq!(publish(&mut w).await, 0);
        packs.remove("first");
        assert_eq!(publish(&mut w).await, 1);
        assert!(held(&w, ada_id).await.contains(&"heir/heir".to_owned()));
        w.finish().await;
    }

    async fn a_launch_date_that_is_set_later_awards_people_who_joined_in_its_month(w: World) {
        let mut w = w;
        let early = w.student("UTC").await;
        w.tick(chrono::TimeDelta::days(20));
        let (late, teacher) = (w.student("UTC").await, Uuid::new_v4());
        w.upsert(teacher, json!({"role": "TEACHER"})).await;
        for (launch, awarded, holders) in [("2026-01-20", 1, [false, true]), ("2026-01-15", 1, [true, true]), ("2025-01-01", 0, [true, true])] {
            w.config.pack_settings.insert(("aurora".to_owned(), "launchedOn".to_owned()), launch.to_owned());
            let published = publish(&mut w).await;
            for (person, holds) in [early, late].into_iter().zip(holders) {
                let keys = held(&w, person).await;
                assert_eq!(keys.contains(&"aurora/early-adopter".to_owned()), holds, "{launch}: {keys:?}");
            }
            // Its XP earns four others.
            assert_eq!(published, 5 * awarded, "{launch}");
        }
        assert_eq!(held(&w, teacher).await, Vec::<String>::new());
        let all = ["aurora/early-adopter", "aurora/getting-warmed-up", "code-lab/century", "code-lab/rising-star", "tests/level-up"];
        assert_eq!(held(&w, late).await, all);
        w.finish().await;
    }

    async fn referrals_before_their_achievement_and_before_the_referrer_is_known_count(w: World) {
        let (mut w, packs) = with_packs(w);
        let digs = |activities: &[Value], rules: &[Value]| {
            let all: Vec<Value> = [activity("dug", json!({}))].into_iter().chain(activities.to_vec()).collect();
            pack("past", &all, rules)
        };
        packs.write(&digs(&[], &[]));
        publish(&mut w).await;
        let referrer = w.student("UTC").await;
        let friends = [w.student("UTC").await, w.student("UTC").await, w.student("UTC").await];
        let dig = async |person: Uuid, times: usize| {
            let dug = json!({"userId": person, "activity": "dug"});
            w.service().record_all(&vec![dug; times]).await;
        };
        w.upsert(friends[0], json!({"referredBy": referrer})).await;
        dig(friends[0], 2).await;
        dig(friends[1], 5).await;
        w.upsert(friends[1], json!({"referredBy": referrer})).await;
        dig(friends[2], 2).await;

        let brought = json!({"key": "brought", "description": "A friend dug twice.", "countsForStreak": false,
            "on": "referral", "derive": {"activity": "dug", "target": 2}});
        let rules = [1, 2, 3, 4].map(|target| achievement(&format!("{target} Friends"), count("brought", target)));
        packs.write(&digs(&[brought], &rules));
        assert_eq!(publish(&mut w).await, 2);
        assert_eq!(held(&w, referrer).await, ["past/1-friends", "past/2-friends"]);
        assert_eq!(w.check().await.differences, []);
        // This referrer is known only now.
        w.upsert(friends[2], json!({"referredBy": referrer})).await;
        assert_eq!(held(&w, referrer).await, ["past/1-friends", "past/2-friends", "past/3-friends"]);
        w.finish().await;
    }
}
