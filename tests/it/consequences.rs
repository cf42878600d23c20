//! Everything worth telling is recorded in the feed and the outbox, in order, with the id of its cause.

use serde_json::{Value, json};
use tests::{World, on_both};

use crate::history::{achievement, activity, count, pack, publish, with_packs};

/// The kinds of the feed's items, in order.
async fn kinds(w: &World) -> Vec<i64> {
    let number = "CASE kind WHEN 'AWARD_EARNED' THEN 1 WHEN 'AWARD_REVOKED' THEN 2 WHEN 'LEVEL_REACHED' THEN 3 \
                  WHEN 'RANK_REACHED' THEN 4 WHEN 'STREAK_REACHED' THEN 5 ELSE 6 END";
    w.database.numbers(&format!("SELECT CAST({number} AS bigint) FROM feed ORDER BY position")).await
}

const EARNED: i64 = 1;
const LEVEL: i64 = 3;
const RANK: i64 = 4;
const STREAK: i64 = 5;

on_both! {
    async fn awards_levels_ranks_and_streaks_are_recorded_with_their_cause(w: World) {
        let (mut w, packs) = with_packs(w);
        let mut dug = activity("dug", json!({}));
        dug["xp"] = json!({"amount": 60});
        dug["countsForStreak"] = json!(true);
        let mut first = achievement("First", count("dug", 1));
        first["xpBonus"] = json!(50);
        let mut garden = pack("garden", &[dug], &[first, achievement("Third", count("dug", 3))]);
        garden["ranks"] = json!([{"name": "Novice", "awards": 0}, {"name": "Digger", "awards": 1}, {"name": "Master", "awards": 2}]);
        packs.write(&garden);
        publish(&mut w).await;
        let ada = w.student("UTC").await;
        for day in 1..=3 {
            let at = format!("2026-01-{day:02}T12:00:00Z");
            let recorded = w.service().record(json!({"userId": ada, "activity": "dug", "occurredAt": at})).await;
            assert_eq!(recorded["userErrors"], json!([]));
        }
        // 60 and 50 XP are level 2; 110, 170 and 230 XP stay there. The third day is a streak of three.
        assert_eq!(kinds(&w).await, [EARNED, LEVEL, RANK, EARNED, RANK, STREAK]);
        for (sql, number) in [
            ("SELECT count(DISTINCT group_id) FROM feed", 2),
            ("SELECT count(*) FROM feed f JOIN events e ON e.id = f.group_id", 6),
            ("SELECT count(*) FROM feed f JOIN outbox o ON o.kind = f.kind AND o.group_id = f.group_id", 6),
            ("SELECT count(*) FROM outbox WHERE silent_because IS NOT NULL", 0),
            ("SELECT count(*) FROM feed WHERE CAST(detail AS text) LIKE '%\"to\"%2%'", 1),
            ("SELECT count(*) FROM feed WHERE CAST(detail AS text) LIKE '%Master%'", 1),
            ("SELECT count(*) FROM feed WHERE CAST(detail AS text) LIKE '%\"days\"%3%'", 1),
            ("SELECT count(*) FROM feed WHERE (award_id IS NULL) = (kind = 'AWARD_EARNED')", 0),
        ] {
            assert_eq!(w.database.number(sql).await, number, "{sql}");
        }
        // Subscribers of awards see the awards alone, and resume at any item's position.
        let mut socket = w.service().socket().await;
        let follow = "subscription { achievementEarned(after: \"ZmVlZCAw\") { award { achievement { key } } } }";
        socket.subscribe("1", follow, Value::Null).await;
        for key in ["garden/first", "garden/third"] {
            assert_eq!(socket.next("1").await["data"]["achievementEarned"]["award"]["achievement"]["key"], key);
        }
        w.finish().await;
    }
}
