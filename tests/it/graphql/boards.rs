//! Leaderboards: highest score first, then the earlier one; each place once; equal scores share a rank on every page.

use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::{World, on_both};
use uuid::Uuid;

use super::assert_argument_refused;
use crate::courses::{join, mutate};

const STANDINGS: &str = "query($first: Int, $after: String, $around: ID, $of: ID, $achievement: String) {
    leaderboard(achievement: $achievement) {
        metric period totalCount standing(userId: $of) { rank score user { id } reachedAt }
        standings(first: $first, after: $after, around: $around) {
            totalCount nodes { rank score user { id } }
            pageInfo { hasNextPage hasPreviousPage endCursor } } } }";

/// The points of nine people, in the order in which they reached them: a minute apart, but the last two at the same
/// time.
const POINTS: [i64; 9] = [30, 50, 30, 90, 10, 50, 70, 20, 20];

/// The people, highest score first.
async fn ranked(w: &World) -> Vec<(Uuid, i64)> {
    let mut people = Vec::new();
    for (points, number) in POINTS.into_iter().zip((1..100).rev()) {
        // Later people have smaller ids, so only the time can put the earlier ones first.
        let id = Uuid::from_u128(number);
        w.upsert(id, json!({})).await;
        people.push((id, points));
        let event = json!({"userId": id, "activity": "test_taken", "attributes": {"points": points}});
        assert_eq!(w.service().record(event).await["xpGained"], points);
        if people.len() < POINTS.len() - 1 {
            w.tick(chrono::TimeDelta::minutes(1));
        }
    }
    people[7..].sort();
    people.sort_by_key(|(_, points)| -points);
    people
}

/// The ranks of these people: equal scores share one.
fn ranks(ranked: &[(Uuid, i64)]) -> Vec<i64> {
    let above = |points: i64| ranked.iter().filter(|(_, other)| *other > points).count();
    ranked.iter().map(|(_, points)| 1 + i64::try_from(above(*points)).unwrap()).collect()
}

/// The nodes of a page as (rank, person, points).
fn rows(answer: &Value) -> Vec<(i64, Uuid, i64)> {
    let nodes = answer["leaderboard"]["standings"]["nodes"].as_array().unwrap();
    let row = |node: &Value| {
        let id = node["user"]["id"].as_str().unwrap().parse().unwrap();
        (node["rank"].as_i64().unwrap(), id, node["score"].as_i64().unwrap())
    };
    nodes.iter().map(row).collect()
}

on_both! {
    async fn a_board_is_paged_once_each_with_its_ranks(w: World) {
        let ranked = ranked(&w).await;
        w.student("UTC").await;
        assert_eq!(ranks(&ranked), [1, 2, 3, 3, 5, 5, 7, 7, 9]);
        let expected: Vec<_> =
            ranks(&ranked).into_iter().zip(&ranked).map(|(rank, (id, points))| (rank, *id, *points)).collect();
        for step in [1, 2, 4, 9, 100] {
            let (mut found, mut after) = (Vec::new(), Value::Null);
            loop {
                let answer = w
                    .service()
                    .ask(STANDINGS, json!({"first": step, "after": after, "of": ranked[0].0}))
                    .await;
                let board = &answer.data()["leaderboard"];
                assert_eq!((&board["metric"], &board["period"]), (&json!("xp"), &json!("ALL_TIME")));
                assert_eq!(
                    (&board["totalCount"], &board["standings"]["totalCount"]),
                    (&json!(9), &json!(9)),
                    "whoever has no XP is on no board"
                );
                let info = &board["standings"]["pageInfo"];
                assert_eq!(info["hasPreviousPage"], json!(!found.is_empty()));
                found.extend(rows(answer.data()));
                after = info["endCursor"].clone();
                if info["hasNextPage"] == false {
                    break;
                }
            }
            assert_eq!(found, expected, "by {step}");
        }
        w.finish().await;
    }

    async fn around_returns_the_places_next_to_a_person(w: World) {
        let ranked = ranked(&w).await;
        for (place, first, places) in [
            (4, 5, vec![3, 4, 5, 6, 7]),
            (4, 4, vec![3, 4, 5, 6]),
            (4, 1, vec![5]),
            (0, 5, vec![1, 2, 3, 4, 5]),
            (1, 5, vec![1, 2, 3, 4, 5]),
            (8, 3, vec![8, 9]),
        ] {
            let (around, _) = ranked[place];
            let answer =
                w.service().ask(STANDINGS, json!({"first": first, "around": around, "of": around})).await;
            let rows = rows(answer.data());
            let expected: Vec<Uuid> = places.iter().map(|place| ranked[place - 1].0).collect();
            assert_eq!(
                rows.iter().map(|row| row.1).collect::<Vec<_>>(),
                expected,
                "{first} around place {}",
                place + 1
            );
            let ranks = ranks(&ranked);
            assert!(rows.iter().zip(&places).all(|(row, place)| row.0 == ranks[place - 1]));
            let info = &answer.data()["leaderboard"]["standings"]["pageInfo"];
            assert_eq!(info["hasPreviousPage"], json!(places[0] > 1));
            assert_eq!(info["hasNextPage"], json!(*places.last().unwrap() < 9));
        }
        let absent = w.student("UTC").await;
        let answer = w.service().ask(STANDINGS, json!({"around": absent, "of": absent})).await;
        assert_eq!((rows(answer.data()), &answer.data()["leaderboard"]["standing"]), (vec![], &Value::Null));
        w.finish().await;
    }

    async fn a_standing_is_the_callers_unless_a_person_is_named(w: World) {
        let ranked = ranked(&w).await;
        let (second, fifth) = (ranked[1], ranked[4]);
        let client = w.person(fifth.0, Role::Student);
        let own = client.ask(STANDINGS, json!({})).await;
        let standing = &own.data()["leaderboard"]["standing"];
        assert_eq!(
            (&standing["rank"], &standing["score"], &standing["user"]["id"]),
            (&json!(5), &json!(30), &json!(fifth.0))
        );
        assert_eq!(standing["reachedAt"], "2026-01-15T12:00:00.000Z");
        let other = client.ask(STANDINGS, json!({"of": second.0})).await;
        assert_eq!(
            other.data()["leaderboard"]["standing"]["rank"],
            2,
            "boards are open to everyone signed in"
        );
        w.finish().await;
    }

    async fn more_xp_at_a_later_time_ranks_a_person_after_equal_scores(w: World) {
        let ranked = ranked(&w).await;
        w.tick(chrono::TimeDelta::minutes(1));
        let (last, _) = ranked[8];
        w.service()
            .record(json!({"userId": last, "activity": "test_taken", "attributes": {"points": 40}}))
            .await;
        let answer = w.service().ask(STANDINGS, json!({"of": last})).await;
        let standing = &answer.data()["leaderboard"]["standing"];
        assert_eq!((&standing["rank"], &standing["score"]), (&json!(3), &json!(50)));
        assert_eq!(standing["reachedAt"], "2026-01-15T12:08:00.000Z");
        w.finish().await;
    }

    async fn an_achievements_leaderboard_ranks_by_time(w: World) {
        let mut people = Vec::new();
        for minute in [30, 10, 20] {
            let id = w.student("UTC").await;
            people.push((minute, id));
            let at = format!("2026-01-15T11:{minute}:00Z");
            let attributes = json!({"correct": true});
            let event = json!({"userId": id, "activity": "question_answered", "occurredAt": at, "attributes": attributes});
            assert_eq!(w.service().record(event).await["userErrors"], json!([]));
        }
        people.sort();
        let answer =
            w.service().ask(STANDINGS, json!({"achievement": "aurora/first-steps", "of": people[2].1})).await;
        let board = &answer.data()["leaderboard"];
        assert_eq!((&board["metric"], &board["totalCount"]), (&json!("aurora/first-steps"), &json!(3)));
        let expected: Vec<_> = (1..).zip(&people).map(|(rank, (_, id))| (rank, *id, 1)).collect();
        assert_eq!(rows(answer.data()), expected);
        let third = json!({"rank": 3, "score": 1, "user": {"id": people[2].1}, "reachedAt": "2026-01-15T11:30:00.000Z"});
        assert_eq!(board["standing"], third);
        let missing = w
            .service()
            .ask(STANDINGS, json!({"achievement": "aurora/no-such-thing", "of": people[0].1}))
            .await;
        assert_eq!(missing.data()["leaderboard"], Value::Null);
        let unknown = w.service().ask("{ leaderboard(metric: \"height\") { totalCount } }", json!({})).await;
        assert_argument_refused(&unknown, "metric", "send xp");
        w.finish().await;
    }

    async fn only_learners_are_ranked(w: World) {
        let ranked = ranked(&w).await;
        let (best, points) = ranked[0];
        let right = json!({"userId": best, "activity": "question_answered", "attributes": {"correct": true}});
        w.service().record(right).await;
        let (_, head) = join(&w, Role::SuperAdmin).await;
        for (role, people) in [("TEACHER", 8), ("PARENT", 8), ("STUDENT", 9)] {
            let input = json!({"id": best, "displayName": "Ada", "role": role});
            assert_eq!(mutate(&head, "upsertUser", "", input).await, json!({"userErrors": []}));
            for (achievement, total) in [(Value::Null, people), (json!("aurora/first-steps"), people - 8)] {
                let about = json!({"of": best, "around": best, "achievement": achievement});
                let answer = w.service().ask(STANDINGS, about).await;
                let board = &answer.data()["leaderboard"];
                assert_eq!(board["totalCount"], total, "{role}");
                assert_eq!(board["standing"].is_null(), role != "STUDENT", "{role}");
                assert_eq!(rows(answer.data()).is_empty(), role != "STUDENT", "{role}");
            }
            let next = w.service().ask(STANDINGS, json!({"of": ranked[1].0})).await;
            assert_eq!(next.data()["leaderboard"]["standing"]["rank"], people - 7, "{role}");
        }
        // XP and awards stay with the person.
        assert!(w.database.number("SELECT max(xp) FROM totals").await > points);
        w.finish().await;
    }
}
