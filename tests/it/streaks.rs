//! Streaks of people who change their time zone: the zone of an event is fixed when it is recorded.

use serde_json::json;
use tests::{World, on_both};
use uuid::Uuid;

/// A person's streak: current, longest, and the last active date.
async fn streak(w: &World, person: Uuid) -> (i64, i64, String) {
    let query = "query($id: ID!) { user(id: $id) { streak { current longest lastActiveOn } } }";
    let answer = w.service().ask(query, json!({"id": person})).await;
    let streak = &answer.data()["user"]["streak"];
    let number = |name: &str| streak[name].as_i64().unwrap();
    (number("current"), number("longest"), streak["lastActiveOn"].as_str().unwrap().to_owned())
}

/// Moves the person to a zone, and records an activity at this time.
async fn active_in(w: &World, person: Uuid, (zone, at): (&str, &str)) {
    w.upsert(person, json!({"timezone": zone})).await;
    let lesson = json!({"id": format!("{person} {at}"), "userId": person, "activity": "lesson_completed", "occurredAt": at});
    let recorded = w.service().record(lesson).await;
    assert_eq!(recorded["userErrors"], json!([]), "{recorded}");
}

/// 11 and 12 January, 20:00 in Los Angeles, and 16 hours later in Tokyo.
const FLIGHT: [(&str, &str); 3] = [
    ("America/Los_Angeles", "2026-01-12T04:00:00Z"),
    ("America/Los_Angeles", "2026-01-13T04:00:00Z"),
    ("Asia/Tokyo", "2026-01-13T20:00:00Z"),
];

on_both! {
    async fn a_later_change_of_the_zone_breaks_no_streak(w: World) {
        let ada = w.student("America/Los_Angeles").await;
        for event in FLIGHT {
            active_in(&w, ada, event).await;
        }
        // It is noon of 15 January in UTC.
        assert_eq!(streak(&w, ada).await, (3, 3, "2026-01-14".to_owned()), "in Tokyo");
        for zone in ["Europe/Berlin", "Pacific/Pago_Pago", "Pacific/Kiritimati", "Asia/Tokyo"] {
            w.upsert(ada, json!({"timezone": zone})).await;
            assert_eq!(streak(&w, ada).await, (3, 3, "2026-01-14".to_owned()), "{zone}");
            assert_eq!(w.check().await.differences, [], "{zone}");
        }
        active_in(&w, ada, ("Pacific/Pago_Pago", "2026-01-15T11:30:00Z")).await;
        assert_eq!(streak(&w, ada).await, (4, 4, "2026-01-15".to_owned()));
        // Late events: a new day, a day that is active already, and another zone of an active date.
        active_in(&w, ada, ("Pacific/Pago_Pago", "2026-01-11T04:00:00Z")).await;
        active_in(&w, ada, ("America/Los_Angeles", "2026-01-13T05:00:00Z")).await;
        active_in(&w, ada, ("Europe/Berlin", "2026-01-12T05:00:00Z")).await;
        assert_eq!(streak(&w, ada).await, (5, 5, "2026-01-15".to_owned()));
        w.finish().await;
    }

    async fn a_missed_day_breaks_a_streak_also_across_zones(w: World) {
        let ada = w.student("America/Los_Angeles").await;
        active_in(&w, ada, FLIGHT[0]).await;
        active_in(&w, ada, FLIGHT[1]).await;
        active_in(&w, ada, ("Asia/Tokyo", "2026-01-14T20:00:00Z")).await;
        assert_eq!(streak(&w, ada).await, (1, 2, "2026-01-15".to_owned()));
        w.finish().await;
    }

    async fn days_in_two_zones_form_the_same_streak_in_any_order_of_arrival(w: World) {
        let also_in_tokyo = ("Asia/Tokyo", "2026-01-12T05:00:00Z");
        let events = [FLIGHT[0], FLIGHT[1], FLIGHT[2], also_in_tokyo, ("Asia/Tokyo", "2026-01-15T02:00:00Z")];
        for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 4, 0, 3, 1], [4, 0, 2, 1, 3]] {
            let person = w.student("UTC").await;
            for index in order {
                active_in(&w, person, events[index]).await;
            }
            w.upsert(person, json!({"timezone": "Asia/Tokyo"})).await;
            assert_eq!(streak(&w, person).await, (4, 4, "2026-01-15".to_owned()), "{order:?}");
        }
        w.finish().await;
    }

    async fn rows_from_before_the_zones_get_the_zone_of_their_person(w: World) {
        let mut w = w;
        let ada = w.student("Pacific/Auckland").await;
        let idle = w.student("UTC").await;
        for event in [("Pacific/Auckland", "2026-01-13T20:00:00Z"), ("Pacific/Auckland", "2026-01-14T20:00:00Z")] {
            active_in(&w, ada, event).await;
        }
        let before = w.database.contents().await;
        for sql in [
            "ALTER TABLE events DROP COLUMN timezone",
            "ALTER TABLE totals DROP COLUMN last_active_in",
            "CREATE TABLE days AS SELECT person_id, day FROM active_days",
            "DROP TABLE active_days",
            "ALTER TABLE days RENAME TO active_days",
            "DELETE FROM seaql_migrations WHERE version = 'm0010_zones'",
        ] {
            w.database.execute(sql).await;
        }
        plaudit::start::migrate(&w.config, &w.clock).await.expect("the tables are migrated");
        let next = w.second_server().await;
        std::mem::replace(&mut w.server, next).stop().await;
        for table in ["events", "active_days", "totals"] {
            assert_eq!(w.database.contents().await[table], before[table], "{table}");
        }
        assert_eq!(streak(&w, ada).await.0, 2);
        active_in(&w, idle, ("UTC", "2026-01-15T02:00:00Z")).await;
        active_in(&w, ada, ("Pacific/Auckland", "2026-01-15T11:30:00Z")).await;
        assert_eq!(streak(&w, ada).await, (3, 3, "2026-01-16".to_owned()));
        w.finish().await;
    }
}
