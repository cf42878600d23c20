//! A person's progress: towards achievements, the next step of every track, and the summary.

use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::{Backend, World, on_both};
use uuid::Uuid;

use super::{assert_argument_refused, deed, pack};

const ON_THE_WAY: &str = "query($id: ID, $pack: String, $category: String, $first: Int) {
    inProgress(userId: $id, category: $category, first: $first) { nodes { achievement { name } current target percent } }
    nextAchievements(userId: $id, pack: $pack) { achievement { name } current target percent }
    summary(userId: $id, pack: $pack) {
        totalEarned totalBonusXp favoriteCategory currentRank nextRank remainingToNextRank } }";

/// A student of the course portal who has watched five lessons and written one comment.
async fn sample(w: &World) -> Uuid {
    let ada = w.student("UTC").await;
    let mut events: Vec<Value> = (1..=5)
        .map(|number| json!({"userId": ada, "activity": "lesson_watched", "attributes": {"lesson": format!("l{number}")}}))
        .collect();
    events.push(json!({"userId": ada, "activity": "comment_written"}));
    assert_eq!(w.service().record_all(&events).await["userErrors"], json!([]));
    ada
}

/// The progress entries as (name, current, target, percent).
fn lines(progress: &Value) -> Vec<(String, i64, i64, f64)> {
    let line = |one: &Value| {
        let name = one["achievement"]["name"].as_str().unwrap().to_owned();
        let number = |field: &str| one[field].as_i64().unwrap();
        (name, number("current"), number("target"), one["percent"].as_f64().unwrap())
    };
    progress.as_array().unwrap().iter().map(line).collect()
}

fn line(name: &str, current: i64, target: i64, percent: f64) -> (String, i64, i64, f64) {
    (name.to_owned(), current, target, percent)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_course_portals_sample_has_the_expected_progress() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let world = World::with(backend, |config| config.catalogs = vec!["course-portal".to_owned()]);
        let Some(w) = world.await else { continue };
        let ada = sample(&w).await;
        let third = 33.33;
        for client in [w.person(ada, Role::Student), w.service()] {
            let answer = client.ask(ON_THE_WAY, json!({"id": ada})).await;
            let nearest_first = [
                line("10 Lessons Watched", 5, 10, 50.0),
                line("3 Comments Written", 1, 3, third),
                line("25 Lessons Watched", 5, 25, 20.0),
                line("5 Comments Written", 1, 5, 20.0),
                line("50 Lessons Watched", 5, 50, 10.0),
                line("10 Comments Written", 1, 10, 10.0),
                line("20 Comments Written", 1, 20, 5.0),
            ];
            assert_eq!(
                lines(&answer.data()["inProgress"]["nodes"]),
                nearest_first,
                "equals as in the catalogue"
            );
            let next = [line("10 Lessons Watched", 5, 10, 50.0), line("3 Comments Written", 1, 3, third)];
            assert_eq!(lines(&answer.data()["nextAchievements"]), next, "one of each track");
            assert_eq!(
                answer.data()["summary"],
                json!({
                    "totalEarned": 3, "totalBonusXp": 0, "favoriteCategory": "lessons",
                    "currentRank": "Beginner", "nextRank": "Intermediate", "remainingToNextRank": 1,
                })
            );
        }
        let narrow =
            w.service().ask(ON_THE_WAY, json!({"id": ada, "category": "comments", "first": 2})).await;
        let names: Vec<_> =
            lines(&narrow.data()["inProgress"]["nodes"]).into_iter().map(|line| line.0).collect();
        assert_eq!(names, ["3 Comments Written", "5 Comments Written"]);
        w.finish().await;
    }
}

/// Revokes the person's award of this achievement, by its name.
async fn revoke_award(w: &World, person: Uuid, name: &str) {
    let admin = w.person(Uuid::new_v4(), Role::Admin);
    let query = "query($id: ID!) { earned(userId: $id, first: 100) { nodes { id achievement { name } } } }";
    let answer = admin.ask(query, json!({"id": person})).await;
    let awards = answer.data()["earned"]["nodes"].as_array().unwrap();
    let award = awards.iter().find(|award| award["achievement"]["name"] == name).unwrap();
    let revoke = "mutation($id: ID!) { revokeAward(input: {awardId: $id, reason: \"A mistake\"}) { userErrors { code } } }";
    let answer = admin.ask(revoke, json!({"id": award["id"]})).await;
    assert_eq!(answer.data()["revokeAward"], json!({"userErrors": []}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_award_is_not_in_progress_and_does_not_block_its_track() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let world = World::with(backend, |config| config.catalogs = vec!["course-portal".to_owned()]);
        let Some(w) = world.await else { continue };
        let ada = sample(&w).await;
        revoke_award(&w, ada, "First Lesson Watched").await;
        revoke_award(&w, ada, "First Comment Written").await;
        let answer = w.service().ask(ON_THE_WAY, json!({"id": ada, "first": 2})).await;
        let third = 33.33;
        let next = [line("10 Lessons Watched", 5, 10, 50.0), line("3 Comments Written", 1, 3, third)];
        assert_eq!(lines(&answer.data()["inProgress"]["nodes"]), next);
        assert_eq!(lines(&answer.data()["nextAchievements"]), next);
        let summary = &answer.data()["summary"];
        assert_eq!((&summary["totalEarned"], &summary["remainingToNextRank"]), (&json!(1), &json!(3)));
        w.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_occurrence_of_a_repeatable_achievement_is_not_earned_again_but_the_next_one_is() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let mut again = deed("Again", "odd", 2);
        again["repeatable"] = json!(true);
        (again["track"], again["tier"]) = (json!("deeds"), json!(1));
        let packs = pack(&[again]);
        let setting = packs.setting();
        let Some(w) = World::with(backend, |config| config.catalogs = vec![setting]).await else { continue };
        let ada = w.student("UTC").await;
        let done = json!({"userId": ada, "activity": "done"});
        assert_eq!(
            w.service().record_all(&[done.clone(), done.clone(), done.clone()]).await["userErrors"],
            json!([])
        );
        revoke_award(&w, ada, "Again").await;
        let third = [line("Again", 3, 4, 75.0)];
        let answer = w.service().ask(ON_THE_WAY, json!({"id": ada})).await;
        assert_eq!(lines(&answer.data()["inProgress"]["nodes"]), third);
        assert_eq!(lines(&answer.data()["nextAchievements"]), third);
        let recorded = w.service().record(done).await;
        assert_eq!(recorded["awards"][0]["achievement"]["key"], "deeds/again");
        let answer = w.service().ask(ON_THE_WAY, json!({"id": ada})).await;
        assert_eq!(lines(&answer.data()["inProgress"]["nodes"]), [line("Again", 4, 6, 66.67)]);
        assert_eq!(lines(&answer.data()["nextAchievements"]), []);
        w.finish().await;
    }
}

const PAGE: &str = "query($id: ID!, $first: Int, $after: String, $category: String) {
    inProgress(userId: $id, first: $first, after: $after, category: $category) {
        totalCount edges { cursor node { achievement { key } } } nodes { achievement { key } percent }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }
    user(id: $id) { inProgress(first: $first, after: $after, category: $category) { nodes { achievement { key } percent } } } }";

/// A page of everything in progress; both fields must return the same.
async fn page(w: &World, variables: Value) -> Value {
    let answer = w.service().ask(PAGE, variables).await;
    let page = answer.data()["inProgress"].clone();
    assert_eq!(page["nodes"], answer.data()["user"]["inProgress"]["nodes"]);
    let of_edges: Vec<&Value> =
        page["edges"].as_array().unwrap().iter().map(|edge| &edge["node"]["achievement"]).collect();
    let of_nodes: Vec<&Value> =
        page["nodes"].as_array().unwrap().iter().map(|node| &node["achievement"]).collect();
    assert_eq!(of_edges, of_nodes, "edges and nodes say the same");
    page
}

/// The keys on a page.
fn keys(page: &Value) -> Vec<String> {
    let nodes = page["nodes"].as_array().unwrap();
    nodes.iter().map(|node| node["achievement"]["key"].as_str().unwrap().to_owned()).collect()
}

on_both! {
    async fn pages_of_progress_contain_each_achievement_once_in_one_order(w: World) {
        let ada = sample(&w).await;
        let all = page(&w, json!({"id": ada, "first": 100})).await;
        let whole = keys(&all);
        assert_eq!((whole.len(), &all["totalCount"]), (95, &json!(95)));
        let none = json!({"hasNextPage": false, "hasPreviousPage": false,
            "startCursor": all["edges"][0]["cursor"], "endCursor": all["edges"][94]["cursor"]});
        assert_eq!(all["pageInfo"], none);
        for step in [1, 7, 94, 95, 96] {
            let (mut found, mut after) = (Vec::new(), Value::Null);
            loop {
                let one = page(&w, json!({"id": ada, "first": step, "after": after})).await;
                assert_eq!(one["pageInfo"]["hasPreviousPage"], !found.is_empty());
                found.extend(keys(&one));
                after = one["pageInfo"]["endCursor"].clone();
                if one["pageInfo"]["hasNextPage"] == false {
                    break;
                }
                assert_eq!(found.len() % step, 0, "a page before the last is full");
            }
            assert_eq!(found, whole, "by {step}");
        }
        let empty = page(&w, json!({"id": ada, "first": 5, "after": all["edges"][94]["cursor"]})).await;
        let info = json!({"hasNextPage": false, "hasPreviousPage": true, "startCursor": null, "endCursor": null});
        assert_eq!((&empty["nodes"], &empty["pageInfo"]), (&json!([]), &info));
        // A cursor of the whole list continues a list of one category.
        let ten = whole.iter().position(|key| key == "course-portal/10-lessons-watched").unwrap();
        let after = &all["edges"][ten]["cursor"];
        let lessons = page(&w, json!({"id": ada, "after": after, "category": "lessons"})).await;
        assert_eq!(keys(&lessons), ["course-portal/25-lessons-watched", "course-portal/50-lessons-watched"]);
        w.finish().await;
    }

    async fn a_cursor_of_progress_stays_valid_when_its_achievement_is_earned(w: World) {
        let ada = sample(&w).await;
        let lessons = json!({"id": ada, "first": 1, "category": "lessons"});
        let first = page(&w, lessons.clone()).await;
        assert_eq!(keys(&first), ["course-portal/10-lessons-watched"]);
        let watched = |number: i64| {
            json!({"userId": ada, "activity": "lesson_watched", "attributes": {"lesson": format!("m{number}")}})
        };
        let events: Vec<Value> = (1..=5).map(watched).collect();
        assert_eq!(w.service().record_all(&events).await["userErrors"], json!([]));
        // "10 Lessons Watched" is earned, and "25 Lessons Watched" has risen to 40 %, below the cursor's 50 %.
        let mut rest = lessons;
        rest["after"] = first["pageInfo"]["endCursor"].clone();
        assert_eq!(keys(&page(&w, rest.clone()).await), ["course-portal/25-lessons-watched"]);
        rest["first"] = json!(5);
        let both = ["course-portal/25-lessons-watched", "course-portal/50-lessons-watched"];
        assert_eq!(keys(&page(&w, rest).await), both);
        w.finish().await;
    }

    async fn only_cursors_of_progress_continue_a_list_of_progress(w: World) {
        let ada = sample(&w).await;
        let query = "query($id: ID!) { earned(userId: $id) { edges { cursor } } inProgress(userId: $id) { edges { cursor } } feedCursor }";
        let answer = w.service().ask(query, json!({"id": ada})).await;
        let award = &answer.data()["earned"]["edges"][0]["cursor"];
        for bad in [&json!(""), &json!("x"), &json!("cHJvZ3Jlc3MgMTAxIDEy"), award, &answer.data()["feedCursor"]] {
            let query = "query($id: ID!, $after: String) { inProgress(userId: $id, after: $after) { totalCount } }";
            let answer = w.service().ask(query, json!({"id": ada, "after": bad})).await;
            assert_argument_refused(&answer, "after", "send one that this list returned");
        }
        let own = &answer.data()["inProgress"]["edges"][0]["cursor"];
        let query = "query($id: ID!, $after: String) { earned(userId: $id, after: $after) { totalCount } }";
        assert_argument_refused(&w.service().ask(query, json!({"id": ada, "after": own})).await, "after", "send one that this list returned");
        w.finish().await;
    }

    async fn progress_of_a_pack_covers_only_that_pack(w: World) {
        let ada = sample(&w).await;
        let whole = w.service().ask(ON_THE_WAY, json!({"id": ada})).await;
        let portal = w.service().ask(ON_THE_WAY, json!({"id": ada, "pack": "course-portal"})).await;
        let names: Vec<_> =
            lines(&portal.data()["nextAchievements"]).into_iter().map(|line| line.0).collect();
        assert_eq!(names, ["10 Lessons Watched", "3 Comments Written"]);
        assert!(lines(&whole.data()["nextAchievements"]).len() > 2, "other packs have tracks, too");
        for summary in [&whole.data()["summary"], &portal.data()["summary"]] {
            let ranks = [&summary["currentRank"], &summary["nextRank"], &summary["remainingToNextRank"]];
            assert_eq!(
                ranks,
                [&json!("Beginner"), &json!("Intermediate"), &json!(1)],
                "the ranks of the first pack that has any"
            );
        }
        let aurora = w.service().ask(ON_THE_WAY, json!({"id": ada, "pack": "aurora"})).await;
        assert_eq!(
            aurora.data()["summary"],
            json!({
                "totalEarned": 0, "totalBonusXp": 0, "favoriteCategory": null,
                "currentRank": null, "nextRank": null, "remainingToNextRank": null,
            })
        );
        let unknown = w
            .service()
            .ask(
                "query($id: ID!) { summary(userId: $id, pack: \"music\") { totalEarned } }",
                json!({"id": ada}),
            )
            .await;
        assert_argument_refused(&unknown, "pack", "send one of aurora, code-lab, course-portal, tests.");
        w.finish().await;
    }

    async fn an_achievement_not_started_is_in_progress_at_zero(w: World) {
        let ada = w.student("UTC").await;
        let answer = w.person(ada, Role::Student).ask(ON_THE_WAY, json!({"first": 100})).await;
        let lines = lines(&answer.data()["inProgress"]["nodes"]);
        assert_eq!(lines.len(), 98, "all there is but Early Adopter, whose window is not set");
        assert!(lines.iter().filter(|line| line.1 == 0).all(|line| line.3 == 0.0), "{lines:?}");
        w.finish().await;
    }

    async fn a_streak_shows_the_current_one_and_ends_with_a_missed_day(w: World) {
        let ada = w.student("Asia/Tokyo").await;
        for day in [12, 13, 14, 15] {
            let at = format!("2026-01-{day}T12:00:00Z");
            w.service()
                .record(json!({"userId": ada, "activity": "lesson_completed", "occurredAt": at}))
                .await;
        }
        let query = "query($id: ID!) { user(id: $id) { streak { current longest lastActiveOn activeToday } }
            inProgress(userId: $id, category: \"streak\", first: 1) { nodes { achievement { name } current target } } }";
        // Noon in London is 21:00 in Tokyo; the day there ends three hours later.
        for (hours, current, today) in [(0, 4, true), (3, 4, false), (23, 4, false), (1, 0, false)] {
            w.tick(chrono::TimeDelta::hours(hours));
            let answer = w.service().ask(query, json!({"id": ada})).await;
            let streak =
                json!({"current": current, "longest": 4, "lastActiveOn": "2026-01-15", "activeToday": today});
            assert_eq!(answer.data()["user"]["streak"], streak, "{}", w.clock.now());
            assert_eq!(answer.data()["inProgress"]["nodes"][0]["current"], if current == 0 { 0 } else { 4 });
        }
        w.finish().await;
    }
}
