//! How badges are created, changed and retired, and where they appear.

use serde_json::{Value, json};
use tests::{Frame, on_both};

use super::{School, badge, expect_refused, grant_badge, held};
use crate::courses::{mutate, text};

const SHOWN: &str =
    "achievement { key name description requirement category rarity xpBonus badgeUrl awardedBy
    secret rule earnedCount createdAt updatedAt }";
const CATALOG: &str = "{ catalog(awardedBy: PERSON) { totalCount categories { key achievements { key } } } }";

on_both! {
    async fn a_badge_needs_a_name_and_a_picture_and_has_defaults_for_the_rest(w: World) {
        let school = School::found(&w).await;
        let input = json!({"name": "Team Player!", "iconUrl": "https://school.example/team.svg"});
        let made = mutate(&school.admin, "createBadge", SHOWN, input).await;
        assert_eq!(made, json!({"userErrors": [], "achievement": {
            "key": "school/team-player", "name": "Team Player!", "description": "", "requirement": "",
            "category": "special", "rarity": "COMMON", "xpBonus": 0, "badgeUrl": "https://school.example/team.svg",
            "awardedBy": "PERSON", "secret": false, "rule": made["achievement"]["rule"], "earnedCount": 0,
            "createdAt": "2026-01-15T12:00:00.000Z", "updatedAt": "2026-01-15T12:00:00.000Z",
        }}));
        let all = school.as_student.ask(CATALOG, json!({})).await;
        assert_eq!(all.data()["catalog"], json!({"totalCount": 1, "categories": [
            {"key": "special", "achievements": [{"key": "school/team-player"}]}]}));
        let by_rule = "{ catalog(awardedBy: RULE, search: \"Team Player!\") { totalCount } }";
        assert_eq!(school.as_student.ask(by_rule, json!({})).await.data()["catalog"]["totalCount"], 0);
        let one = "{ achievement(key: \"school/team-player\") { name } }";
        assert_eq!(school.as_student.ask(one, json!({})).await.data()["achievement"]["name"], "Team Player!");
        w.finish().await;
    }

    async fn each_operation_on_a_socket_is_audited_with_its_own_request_id(w: World) {
        let school = School::found(&w).await;
        let create = "mutation($name: String!) { createBadge(input: {name: $name, iconUrl: \"https://school.example/b.png\"}) {
            achievement { id } } }";
        let mut socket = school.admin.socket().await;
        let mut made = Vec::new();
        for nth in ["1", "2"] {
            socket.subscribe(nth, create, json!({"name": format!("Badge {nth}")})).await;
            made.push(socket.next(nth).await["data"]["createBadge"]["achievement"]["id"].clone());
            assert_eq!(socket.frame().await, Frame::Message(json!({"type": "complete", "id": nth})));
        }
        let log = school.admin.ask("{ auditLog(first: 2) { nodes { objectId requestId } } }", json!({})).await;
        let log = log.data()["auditLog"]["nodes"].as_array().unwrap().clone();
        assert_eq!([&log[1]["objectId"], &log[0]["objectId"]], [&made[0], &made[1]]);
        assert_ne!(log[0]["requestId"], log[1]["requestId"]);
        w.finish().await;
    }

    async fn a_key_is_unique(w: World) {
        let school = School::found(&w).await;
        badge(&school.admin, "Team Player", 5).await;
        let again = json!({"name": "team   PLAYER", "iconUrl": "https://school.example/b.png"});
        expect_refused(&w, &school.admin, "createBadge", &again, ("CONFLICT", "name", None)).await;
        let xp = "SELECT count(*) FROM achievements WHERE key = 'school/team-player'";
        assert_eq!(w.database.number(xp).await, 1);
        w.finish().await;
    }

    async fn badge_names_of_every_script_have_different_keys(w: World) {
        let school = School::found(&w).await;
        let names = [
            ("نجمة", ""), ("优秀", ""), ("🌟", ""), ("🏅", ""), ("!!!", ""), ("五年级 1", "1-"), ("六年级 1", "1-"),
            ("Über", "ber-"), ("🏅 שלום", ""), ("Zoë & Zoé", "zo-zo-"),
            ("C++", "c-"), ("C#", "c-"), ("Star 🌟", "star-"), ("Star 🏅", "star-"), ("100 %", "100-"), ("नमस्ते", ""), ("नमसत", ""),
        ];
        let mut keys = std::collections::BTreeSet::new();
        for (name, words) in names {
            let input = json!({"name": name, "iconUrl": "https://school.example/b.png"});
            let made = mutate(&school.admin, "createBadge", "achievement { key name }", input.clone()).await;
            let key = text(&made["achievement"]["key"]);
            assert_eq!(made, json!({"achievement": {"key": key, "name": name}, "userErrors": []}));
            let mark = key.strip_prefix(&format!("school/{words}")).unwrap();
            assert!(mark.len() == 12 && mark.chars().all(|letter| letter.is_ascii_hexdigit()), "{name}: {key}");
            let found = school.as_student.ask("query($key: String!) { achievement(key: $key) { name } }", json!({"key": key})).await;
            assert_eq!(found.data()["achievement"], json!({"name": name}));
            expect_refused(&w, &school.admin, "createBadge", &input, ("CONFLICT", "name", None)).await;
            keys.insert(key);
        }
        assert_eq!(keys.len(), names.len());
        for (name, key) in [("Uber", "uber"), ("C", "c"), ("Star!", "star"), ("1", "1"), ("R&D, Rust_2", "r-d-rust-2"), ("  Team   Player ", "team-player")] {
            let input = json!({"name": name, "iconUrl": "https://school.example/b.png"});
            let made = mutate(&school.admin, "createBadge", "achievement { key }", input).await;
            assert_eq!(made["achievement"]["key"], format!("school/{key}"));
        }
        let shouted = json!({"name": "ÜBER", "iconUrl": "https://school.example/b.png"});
        expect_refused(&w, &school.admin, "createBadge", &shouted, ("CONFLICT", "name", None)).await;
        w.finish().await;
    }

    async fn a_stored_badge_is_returned_although_the_catalogue_cannot_be_read(w: World) {
        let school = School::found(&w).await;
        w.database.execute("CREATE TABLE kept AS SELECT packs FROM publications").await;
        w.database.execute("UPDATE publications SET packs = '{}'").await;
        let input = json!({"name": "Team Player", "iconUrl": "https://school.example/team.png", "xpBonus": 5});
        let shown = "achievement { id key xpBonus badgeUrl earnedCount requirement }";
        let made = mutate(&school.admin, "createBadge", shown, input).await;
        let id = made["achievement"]["id"].clone();
        let mut expected = json!({"id": id, "key": "school/team-player", "xpBonus": 5, "earnedCount": 0,
            "badgeUrl": "https://school.example/team.png", "requirement": ""});
        assert_eq!(made, json!({"achievement": expected, "userErrors": []}));
        let change = json!({"id": id, "criteria": "Play along."});
        expected["requirement"] = json!("Play along.");
        let changed = mutate(&school.admin, "updateBadge", shown, change).await;
        assert_eq!(changed, json!({"achievement": expected, "userErrors": []}));
        w.database.execute("UPDATE publications SET packs = (SELECT packs FROM kept)").await;
        w.database.execute("DROP TABLE kept").await;
        let retired = mutate(&school.admin, "retireBadge", shown, json!({"id": id})).await;
        let entries = "SELECT count(*) FROM audit_log WHERE act = 'retire_badge'";
        assert_eq!(w.database.number(entries).await, 1);
        assert_eq!(retired, json!({"achievement": expected, "userErrors": []}));
        let one = "{ achievement(key: \"school/team-player\") { requirement } }";
        assert_eq!(school.as_student.ask(one, json!({})).await.data()["achievement"]["requirement"], "Play along.");
        w.finish().await;
    }

    async fn a_change_keeps_what_is_left_out_and_clears_what_is_null(w: World) {
        let school = School::found(&w).await;
        let full = json!({"name": "Helper", "description": "Lends\na hand.", "iconUrl": "https://school.example/a.png",
                          "category": "progress", "criteria": "Help three times.", "xpBonus": 40, "rarity": "RARE"});
        let shown = format!("achievement {{ id {}", SHOWN.split_once('{').unwrap().1);
        let made = mutate(&school.admin, "createBadge", &shown, full).await["achievement"].clone();
        assert_eq!((&made["description"], &made["requirement"]), (&json!("Lends\na hand."), &json!("Help three times.")));
        w.tick(chrono::TimeDelta::hours(1));
        let change = json!({"id": made["id"], "name": "Helping Hand", "category": null, "criteria": null, "rarity": "EPIC"});
        let changed = mutate(&school.admin, "updateBadge", &shown, change).await;
        let mut expected = made.clone();
        let news = json!({"name": "Helping Hand", "category": "special", "requirement": "", "rarity": "EPIC",
                          "updatedAt": "2026-01-15T13:00:00.000Z"});
        expected.as_object_mut().unwrap().extend(news.as_object().unwrap().clone());
        assert_eq!(changed, json!({"achievement": expected, "userErrors": []}), "the key stays");
        let picture = json!({"id": made["id"], "iconUrl": "https://school.example/b.png", "description": null});
        let changed = mutate(&school.admin, "updateBadge", "achievement { badgeUrl description }", picture).await;
        assert_eq!(changed["achievement"], json!({"badgeUrl": "https://school.example/b.png", "description": ""}));
        let acts = "SELECT count(*) FROM audit_log WHERE act IN ('create_badge', 'update_badge')";
        assert_eq!(w.database.number(acts).await, 3);
        // Without a picture of the school, it has the generated one.
        let picture = json!({"id": made["id"], "iconUrl": null});
        let changed = mutate(&school.admin, "updateBadge", "achievement { badgeUrl }", picture).await;
        assert!(text(&changed["achievement"]["badgeUrl"]).ends_with("/badges/school/helper.svg"), "{changed}");
        let plain = mutate(&school.admin, "createBadge", "achievement { badgeUrl }", json!({"name": "Plain"})).await;
        assert!(text(&plain["achievement"]["badgeUrl"]).ends_with("/badges/school/plain.svg"), "{plain}");
        let drawn = tests::http().get(format!("{}/badges/school/plain.svg", w.url())).send().await.unwrap();
        assert_eq!(drawn.status().as_u16(), 200);
        assert_eq!(drawn.headers()["content-type"], "image/svg+xml; charset=utf-8");
        w.finish().await;
    }

    async fn a_retired_badge_cannot_be_awarded_and_its_awards_remain(w: World) {
        let school = School::found(&w).await;
        let id = badge(&school.admin, "Team Player", 10).await;
        let award = grant_badge(&school.teacher, &id, school.student).await.0;
        for _ in 0..2 {
            let retired = mutate(&school.admin, "retireBadge", "achievement { key }", json!({"id": id})).await;
            assert_eq!(retired, json!({"achievement": {"key": "school/team-player"}, "userErrors": []}));
        }
        assert_eq!(held(&school.as_student, school.student).await, ["school/team-player"]);
        let all = school.as_student.ask(CATALOG, json!({})).await;
        assert_eq!(all.data()["catalog"]["totalCount"], 0);
        let give_again = json!({"badgeId": id, "studentId": school.student});
        let retired = ("CONFLICT", "badgeId", Some("RETIRED"));
        expect_refused(&w, &school.teacher, "awardBadge", &give_again, retired).await;
        let shown = school.as_student.ask("query($id: ID!) { node(id: $id) { ... on Award { id revokedAt } } }",
            json!({"id": award["id"]})).await;
        assert_eq!(shown.data()["node"], json!({"id": award["id"], "revokedAt": Value::Null}));
        w.finish().await;
    }

    async fn a_second_server_knows_a_new_badge(w: World) {
        if w.database.backend == tests::Backend::Postgres {
            let second = w.second_server().await;
            let school = School::found(&w).await;
            let id = badge(&school.admin, "Team Player", 10).await;
            let elsewhere = school.teacher.at(format!("http://{}", second.address));
            let input = json!({"badgeId": id, "studentId": school.student});
            let given = mutate(&elsewhere, "awardBadge", "award { achievement { key } xpBonus }", input).await;
            let award = json!({"achievement": {"key": "school/team-player"}, "xpBonus": 10});
            assert_eq!(given, json!({"award": award, "userErrors": []}));
            second.stop().await;
        }
        w.finish().await;
    }
}
