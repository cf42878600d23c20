//! The results are right for every history: old events under a new catalogue, equal times, repeats, and achievements that
//! can no longer be earned.

use plaudit::auth::Role;
use plaudit::start;
use serde_json::{Value, json};
use tests::{Packs, World, on_both};
use uuid::Uuid;

/// A pack of one category whose activities give no XP and do not count for the streak.
pub(crate) fn pack(key: &str, activities: &[Value], achievements: &[Value]) -> Value {
    json!({
        "pack": key, "name": key, "description": "What a history is made of.", "version": 1,
        "categories": [{"key": "all", "name": "All"}], "activities": activities, "achievements": achievements,
    })
}

pub(crate) fn activity(key: &str, attributes: Value) -> Value {
    json!({"key": key, "description": "Something has happened.", "countsForStreak": false, "attributes": attributes})
}

pub(crate) fn achievement(name: &str, rule: Value) -> Value {
    json!({"name": name, "description": name, "requirement": name, "category": "all", "rarity": "common", "rule": rule})
}

pub(crate) fn count(activity: &str, target: i64) -> Value {
    json!({"kind": "count", "activity": activity, "target": target})
}

/// The world with a folder of packs that are not published yet.
pub(crate) fn with_packs(mut w: World) -> (World, Packs) {
    let packs = Packs::none();
    w.config.catalogs = vec![packs.setting()];
    (w, packs)
}

/// Publishes the current packs and restarts the server; returns the number of resulting awards.
pub(crate) async fn publish(w: &mut World) -> usize {
    let published =
        start::bring_up(&w.server.app.db, &w.config, &w.clock).await.expect("the packs are published");
    let next = w.second_server().await;
    std::mem::replace(&mut w.server, next).stop().await;
    published.awarded
}

/// The keys of the awards that resulted from an event.
pub(crate) fn brought(payload: &Value) -> Vec<&str> {
    let awards = payload["awards"].as_array().unwrap_or_else(|| panic!("{payload}"));
    awards.iter().map(|award| award["achievement"]["key"].as_str().unwrap()).collect()
}

/// Key, current and target of everything in progress.
async fn in_progress(w: &World, person: Uuid) -> Vec<(String, i64, i64)> {
    let query = "query($id: ID!) { inProgress(userId: $id, first: 100) { nodes { achievement { key } current target } } }";
    let answer = w.service().ask(query, json!({"id": person})).await;
    let rows = answer.data()["inProgress"]["nodes"].as_array().unwrap().iter();
    let row = |row: &Value| {
        let key = row["achievement"]["key"].as_str().unwrap().to_owned();
        (key, row["current"].as_i64().unwrap(), row["target"].as_i64().unwrap())
    };
    rows.map(row).collect()
}

on_both! {
    async fn events_without_xp_and_streak_count_for_an_achievement_published_later(w: World) {
        let (mut w, packs) = with_packs(w);
        packs.write(&pack("past", &[activity("note_read", json!({}))], &[]));
        publish(&mut w).await;
        let ada = w.student("UTC").await;
        let read = json!({"userId": ada, "activity": "note_read"});
        w.service().record_all(&vec![read.clone(); 5]).await;
        let rules = [achievement("Reader", count("note_read", 3)), achievement("Avid Reader", count("note_read", 6))];
        packs.write(&pack("past", &[activity("note_read", json!({}))], &rules));
        assert_eq!(publish(&mut w).await, 1);
        assert_eq!(in_progress(&w, ada).await, [("past/avid-reader".to_owned(), 5, 6)]);
        assert_eq!(brought(&w.service().record(read).await), ["past/avid-reader"]);
        w.finish().await;
    }

    async fn events_of_one_moment_follow_one_another_as_they_were_sent(w: World) {
        let (mut w, packs) = with_packs(w);
        let attributes = json!({"right": {"type": "bool", "description": "Whether it was right."}});
        let rule = json!({"kind": "run", "activity": "answer_given", "holds": {"right": true}, "target": 10});
        packs.write(&pack("past", &[activity("answer_given", attributes)], &[achievement("Ten in a Row", rule)]));
        publish(&mut w).await;
        for times in [json!(null), json!("2026-01-10T10:00:00Z")] {
            let ada = w.student("UTC").await;
            // In the text order of their ids the wrong one would be in the middle: 1, 10, 11, 12, 2, 3, …
            let answers = (1..=12).map(|nth| json!({
                "id": format!("{ada} {nth}"), "userId": ada, "activity": "answer_given", "occurredAt": times,
                "attributes": {"right": nth != 2},
            }));
            let answers: Vec<Value> = answers.collect();
            let told = w.service().record_all(&answers).await;
            let results = told["results"].as_array().unwrap();
            let awards: Vec<usize> = results.iter().map(|result| brought(result).len()).collect();
            assert_eq!(awards, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], "{times}");
        }
        w.finish().await;
    }

    async fn an_event_is_a_repeat_also_after_the_catalogue_has_changed(w: World) {
        let (mut w, packs) = with_packs(w);
        let depth = json!({"depth": {"type": "int", "min": 0, "max": 9, "description": "How deep."}});
        let both = [activity("hole_dug", depth.clone()), activity("tree_planted", json!({}))];
        packs.write(&pack("past", &both, &[]));
        publish(&mut w).await;
        let ada = w.student("UTC").await;
        let dug = json!({"id": "dug", "userId": ada, "activity": "hole_dug", "attributes": {"depth": 3}});
        let planted = json!({"id": "planted", "userId": ada, "activity": "tree_planted"});
        for event in [&dug, &planted] {
            assert_eq!(w.service().record(event.clone()).await["duplicate"], false);
        }
        // Adds an attribute with a default, and renames the other activity.
        let mut more = depth;
        more["width"] = json!({"type": "int", "min": 0, "max": 9, "default": 1, "description": "How wide."});
        let changed = [activity("hole_dug", more), activity("tree_set", json!({}))];
        packs.write(&pack("past", &changed, &[]));
        publish(&mut w).await;
        for event in [&dug, &planted] {
            let again = w.service().record(event.clone()).await;
            assert_eq!((&again["duplicate"], &again["userErrors"]), (&json!(true), &json!([])), "{event}");
        }
        for (event, code) in [
            (json!({"id": "dug", "userId": ada, "activity": "hole_dug", "attributes": {"depth": 4}}), "CONFLICT"),
            (json!({"id": "planted", "userId": ada, "activity": "tree_felled"}), "INVALID_INPUT"),
            (json!({"id": "another", "userId": ada, "activity": "tree_planted"}), "INVALID_INPUT"),
        ] {
            assert_eq!(w.service().record(event.clone()).await["userErrors"][0]["code"], code, "{event}");
        }
        w.finish().await;
    }

    async fn achievements_that_can_no_longer_be_earned_are_not_offered(w: World) {
        let (mut w, packs) = with_packs(w);
        let dug = || activity("hole_dug", json!({}));
        let mut over = achievement("Over", count("hole_dug", 3));
        over["window"] = json!({"from": "2025-01-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"});
        let mut soon = achievement("Soon", count("hole_dug", 3));
        soon["window"] = json!({"from": "2027-01-01T00:00:00Z", "until": "2028-01-01T00:00:00Z"});
        let mut unset = achievement("Unset", count("hole_dug", 3));
        unset["window"] = json!({"from": {"setting": "opened"}, "until": {"setting": "opened", "plusMonths": 1}});
        let mut gone = achievement("Gone", count("hole_dug", 30));
        gone["state"] = json!("retired");
        let mut behind = achievement("Behind", count("hole_dug", 2));
        behind["prerequisites"] = json!(["gone"]);
        let mut far_behind = achievement("Far Behind", count("hole_dug", 2));
        far_behind["prerequisites"] = json!(["behind"]);
        let collector = achievement("Collector", json!({"kind": "awards", "pack": "past", "target": 3}));
        let open = achievement("Open", count("hole_dug", 9));
        let all = [over, soon, unset, gone, behind, far_behind, collector, open];
        let mut pack = pack("past", &[dug()], &all);
        pack["settings"] = json!({"opened": {"type": "date", "description": "The day it opened."}});
        packs.write(&pack);
        publish(&mut w).await;
        let ada = w.student("UTC").await;
        w.service().record_all(&vec![json!({"userId": ada, "activity": "hole_dug"}); 6]).await;
        let expected = [("past/open".to_owned(), 6, 9), ("past/soon".to_owned(), 0, 3)];
        let mut offered = in_progress(&w, ada).await;
        offered.sort();
        assert_eq!(offered, expected);
        w.finish().await;
    }

    async fn a_pack_that_is_no_longer_loaded_offers_nothing_and_its_awards_stay(w: World) {
        let (mut w, packs) = with_packs(w);
        let dug = activity("hole_dug", json!({}));
        let other = pack("other", &[], &[achievement("Ever", count("hole_dug", 100))]);
        packs.write(&pack("past", &[dug], &[]));
        packs.write(&other);
        let first = pack("first", &[], &[achievement("Once", count("hole_dug", 1)), achievement("Ten", count("hole_dug", 10))]);
        packs.write(&first);
        publish(&mut w).await;
        let ada = w.student("UTC").await;
        assert_eq!(brought(&w.service().record(json!({"userId": ada, "activity": "hole_dug"})).await), ["first/once"]);
        packs.remove("first");
        publish(&mut w).await;
        let query = "query($id: ID!) { catalog { categories { achievements { key } } }
            earned(userId: $id) { nodes { achievement { key name } } } }";
        let answer = w.service().ask(query, json!({"id": ada})).await;
        assert_eq!(*answer.data(), json!({
            "catalog": {"categories": [{"achievements": [{"key": "other/ever"}]}]},
            "earned": {"nodes": [{"achievement": {"key": "first/once", "name": "Once"}}]},
        }));
        assert_eq!(in_progress(&w, ada).await, [("other/ever".to_owned(), 1, 100)]);
        w.finish().await;
    }

    async fn the_earlier_of_equal_scores_ranks_higher_whenever_recorded(w: World) {
        let (mut w, packs) = with_packs(w);
        let mut dug = activity("hole_dug", json!({}));
        dug["xp"] = json!({"amount": 10});
        packs.write(&pack("past", &[dug], &[]));
        publish(&mut w).await;
        let people = [w.student("UTC").await, w.student("UTC").await, w.student("UTC").await];
        let events: Vec<Value> = people.iter().zip([3, 2, 1]).map(|(person, day)| {
            json!({"userId": person, "activity": "hole_dug", "occurredAt": format!("2026-01-0{day}T10:00:00Z")})
        }).collect();
        w.service().record_all(&events).await;
        let board = async |w: &World| {
            let query = "{ leaderboard { standings { nodes { user { id } reachedAt } } } }";
            let answer = w.service().ask(query, json!({})).await;
            answer.data()["leaderboard"]["standings"]["nodes"].clone()
        };
        let stands = |person: Uuid, day: u32| json!({"user": {"id": person}, "reachedAt": format!("2026-01-0{day}T10:00:00.000Z")});
        let expected = json!([stands(people[2], 1), stands(people[1], 2), stands(people[0], 3)]);
        assert_eq!(board(&w).await, expected);

        // An awarded and revoked badge leaves no trace.
        let admin = w.person(Uuid::new_v4(), Role::Admin);
        let made = "mutation($input: CreateBadgeInput!) { createBadge(input: $input) { achievement { id } } }";
        let input = json!({"name": "Kind", "iconUrl": "https://school.example/b.png", "xpBonus": 5});
        let badge = admin.ask(made, json!({"input": input})).await.data()["createBadge"]["achievement"]["id"].clone();
        let award = "mutation($input: AwardBadgeInput!) { awardBadge(input: $input) { award { id earnedAt } userErrors { code } } }";
        // A time two seconds ahead of our clock is accepted, like that of an event.
        let input = json!({"badgeId": badge, "studentId": people[2], "awardedAt": "2026-01-15T12:00:02Z"});
        let given = admin.ask(award, json!({"input": input})).await.data()["awardBadge"].clone();
        assert_eq!((&given["award"]["earnedAt"], &given["userErrors"]), (&json!("2026-01-15T12:00:02.000Z"), &json!([])));
        let first = board(&w).await[0].clone();
        assert_eq!(first, json!({"user": {"id": people[2]}, "reachedAt": "2026-01-15T12:00:02.000Z"}));
        let revoke = "mutation($input: RevokeAwardInput!) { revokeAward(input: $input) { userErrors { code } } }";
        let input = json!({"awardId": given["award"]["id"], "reason": "A mistake"});
        assert_eq!(admin.ask(revoke, json!({"input": input})).await.data()["revokeAward"]["userErrors"], json!([]));
        assert_eq!(board(&w).await, expected);
        w.finish().await;
    }

    async fn staff_and_parents_earn_nothing_by_signing_in(w: World) {
        for role in [Role::SuperAdmin, Role::Admin, Role::Teacher, Role::Parent] {
            w.person(Uuid::new_v4(), role).ask("{ me { id } }", json!({})).await.data();
        }
        assert_eq!(w.database.number("SELECT count(*) FROM events").await, 0);
        w.person(Uuid::new_v4(), Role::Student).ask("{ me { id } }", json!({})).await.data();
        assert_eq!(w.database.number("SELECT count(*) FROM events").await, 1);
        w.finish().await;
    }
}
