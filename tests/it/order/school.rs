//! A small school with people around the world, and one year of their events, the same in every run.

use chrono::{DateTime, TimeDelta, Utc};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tests::{World, moment};
use uuid::Uuid;

/// Time zones on both sides of the date line, with odd offsets, and with clock changes in different weeks.
const ZONES: [&str; 10] = [
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "America/St_Johns",
    "Africa/Casablanca",
    "UTC",
];
/// Days on which the clock changes in one of these zones.
const CHANGES: [&str; 4] =
    ["2025-03-09T00:00:00Z", "2025-03-30T00:00:00Z", "2025-10-26T00:00:00Z", "2025-11-02T00:00:00Z"];
const PEOPLE: u128 = 20;
const EVENTS: usize = 5_000;
const LEVELS: [&str; 6] = ["A1", "A2", "B1", "B2", "C1", "C2"];
const SKILLS: [&str; 3] = ["grammar", "vocabulary", "listening"];
const LANGUAGES: [&str; 8] = ["rust", "python", "html", "css", "javascript", "go", "haskell", "c"];

/// Creates the people: the first of every five has referred the next four.
pub(super) async fn open(w: &World) {
    for nth in 0..PEOPLE {
        let zone = ZONES[usize::try_from(nth).unwrap() % ZONES.len()];
        let referrer = (nth % 5 != 0).then(|| person(nth / 5 * 5));
        w.upsert(person(nth), json!({"timezone": zone, "referredBy": referrer})).await;
    }
}

/// Their events, in the order in which they happened.
pub(super) fn events() -> Vec<Value> {
    let mut random = StdRng::seed_from_u64(20_260_115);
    let mut happened: Vec<(DateTime<Utc>, Value)> = (0..EVENTS)
        .map(|nth| {
            let who = random.random_range(0..PEOPLE);
            let at = time(&mut random, who);
            let (activity, attributes) = act(&mut random);
            (
                at,
                json!({"id": format!("e{nth}"), "userId": person(who), "activity": activity,
                        "occurredAt": at, "attributes": attributes}),
            )
        })
        .collect();
    happened.sort_by_key(|(at, event)| (*at, event["id"].as_str().unwrap().to_owned()));
    // Each event has its own time, because simultaneous events are ordered by their position in the request, which varies.
    let mut last = DateTime::<Utc>::MIN_UTC;
    for (at, event) in &mut happened {
        last = (*at).max(last + TimeDelta::milliseconds(1));
        event["occurredAt"] = json!(last);
    }
    happened.into_iter().map(|(_, event)| event).collect()
}

fn person(nth: u128) -> Uuid {
    Uuid::from_u128(0x5eed_0000_0000_4000_8000_0000_0000_0000 + nth)
}

/// A time within a person's own eighty busy days, or within a day of a clock change; in whole minutes, so that some times
/// are equal.
fn time(random: &mut StdRng, who: u128) -> DateTime<Utc> {
    if random.random_bool(0.1) {
        let change = moment(CHANGES.choose(random).unwrap());
        return change + TimeDelta::minutes(random.random_range(-1_440..1_440));
    }
    let begin = if who.is_multiple_of(2) { "2025-02-20T00:00:00Z" } else { "2025-10-10T00:00:00Z" };
    moment(begin) + TimeDelta::minutes(random.random_range(0..80 * 1_440))
}

fn act(random: &mut StdRng) -> (&'static str, Value) {
    let lesson = format!("lesson {}", random.random_range(1..=40));
    let language = LANGUAGES.choose(random).unwrap();
    match random.random_range(0..100) {
        0..40 => {
            let (level, skill) = (LEVELS.choose(random).unwrap(), SKILLS.choose(random).unwrap());
            let (correct, quick) = (random.random_bool(0.75), random.random_bool(0.5));
            (
                "question_answered",
                json!({"correct": correct, "level": level, "skill": skill, "timeBonus": quick}),
            )
        }
        40..50 => ("lesson_completed", json!({"lesson": lesson})),
        50..52 => ("xp_awarded", json!({"amount": random.random_range(1..60)})),
        52..58 => ("test_taken", json!({"points": random.random_range(0..40)})),
        58..72 => ("code_run", json!({"language": language, "lines": random.random_range(0..200)})),
        72..76 => ("ai_explain", json!({"language": language})),
        76..80 => ("ai_debug", json!({"language": language})),
        80..84 => ("snippet_create", json!({"language": language})),
        84..87 => ("session_join", json!({"language": language})),
        87..90 => ("visualize", json!({"language": language})),
        90..96 => ("lesson_watched", json!({"lesson": lesson})),
        96..99 => ("comment_written", json!({})),
        _ => ("course_enrolled", json!({"course": "Rust"})),
    }
}
