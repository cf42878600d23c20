//! Late events, revoked awards, consequences for other people, and overflows.

use chrono::{DateTime, Utc};
use engine::{
    AwardKey, Candidates, Catalog, EntryCause, Event, Flag, Further, Late, candidates,
    catalog::achievement_id, further, late, memory::School, needs, owed,
};
use serde_json::json;
use uuid::Uuid;

use crate::playground::{catalog, check, event, key_of, person, school};

fn answer(catalog: &Catalog, number: usize, who: u128, minutes: i64, correct: bool) -> Event {
    event(catalog, number, who, minutes, "answered", json!({ "correct": correct, "points": 0 }))
}

fn record(school: &mut School, catalog: &Catalog, events: &[Event]) -> Vec<(String, bool)> {
    let step = school.record(catalog, events).unwrap();
    step.awards.iter().map(|award| (key_of(catalog, award.key.achievement), award.flagged)).collect()
}

fn flags(school: &School, who: u128) -> Vec<Uuid> {
    let kept = &school.people[&person(who)];
    kept.awards.iter().filter(|(_, award)| award.flagged).map(|((achievement, _), _)| *achievement).collect()
}

/// Three right answers of person 0, and a late wrong one in between: Row is flagged.
fn break_the_row(catalog: &Catalog, school: &mut School) {
    for (number, minutes) in [0, 10, 20, 15].into_iter().enumerate() {
        record(school, catalog, &[answer(catalog, number, 0, minutes, minutes != 15)]);
    }
    assert!(flags(school, 0).contains(&achievement_id("playground/row")));
}

/// The first award of an achievement, of the first person.
fn of(achievement: uuid::Uuid) -> AwardKey {
    AwardKey { person: person(0), achievement, occurrence: 1 }
}

fn held(cause: engine::Cause) -> engine::Held {
    let earned_at = "2026-02-01T00:00:00Z".parse().unwrap();
    engine::Held { cause, earned_at, xp_bonus: 0, revoked: false, flagged: false }
}

#[test]
fn a_late_wrong_answer_flags_the_run_it_broke_and_dependent_awards() {
    let (catalog, mut school) = (catalog(), school());
    let rights: Vec<Event> =
        (0..3).map(|n| answer(&catalog, n, 0, 10 * i64::try_from(n).unwrap(), true)).collect();
    record(&mut school, &catalog, &rights);
    let row = achievement_id("playground/row");
    let kept = &school.people[&person(0)];
    assert!(kept.awards.contains_key(&(row, 1)));
    let xp = kept.xp;

    let wrong = answer(&catalog, 3, 0, 15, false);
    let step = school.record(&catalog, &[wrong]).unwrap();
    assert!(step.flags.contains(&Flag { key: of(row), flagged: true }));
    assert_eq!(school.people[&person(0)].xp, xp, "what was given is not taken back");

    // 20, 30 and 40 minutes: three in a row again.
    let step = school
        .record(&catalog, &[answer(&catalog, 4, 0, 30, true), answer(&catalog, 5, 0, 40, true)])
        .unwrap();
    assert!(step.flags.contains(&Flag { key: of(row), flagged: false }));
    assert!(step.awards.iter().all(|award| award.key.achievement != row), "it is not earned twice");
    assert!(flags(&school, 0).is_empty());
}

#[test]
fn a_flagged_award_does_not_count_for_new_ones() {
    let (catalog, mut school) = (catalog(), school());
    break_the_row(&catalog, &mut school);
    let reads: Vec<Event> = (4..6).map(|number| event(&catalog, number, 0, 60, "read", json!({}))).collect();
    let awards = record(&mut school, &catalog, &reads);
    assert!(awards.iter().all(|(key, _)| key != "after-the-row"), "{awards:?}");
    let rights: Vec<Event> = (6..8).map(|number| answer(&catalog, number, 0, 70, true)).collect();
    let awards = record(&mut school, &catalog, &rights);
    assert!(awards.contains(&("after-the-row".to_owned(), false)), "the row stands again, and so does this");
}

#[test]
fn a_flagged_award_costs_only_events_that_reach_a_threshold() {
    let (catalog, mut school) = (catalog(), school());
    break_the_row(&catalog, &mut school);
    let state = engine::State { people: [(person(0), school.whole(person(0)))].into() };
    let (held, entitled) =
        (school.people[&person(0)].xp, engine::entitlement(&catalog, &school.whole(person(0))).xp);
    assert_eq!((held, entitled), (318, 87), "the next threshold of the entitlement is at 100 XP");
    let asked = |amount: i64| {
        let granted = event(&catalog, 9, 0, 60, "granted", json!({ "amount": amount }));
        further(&catalog, &state, &[granted])
    };
    assert_eq!(asked(12), Further::default());
    assert_eq!(asked(13), Further { whole: [person(0)].into(), ..Further::default() });
}

#[test]
fn a_derived_event_can_end_the_flag_of_a_referrer() {
    let (catalog, mut school) = (catalog(), school());
    break_the_row(&catalog, &mut school);
    let hundred = achievement_id("playground/hundred");
    assert!(flags(&school, 0).contains(&hundred));
    let friend: Vec<Event> = (4..7).map(|number| answer(&catalog, number, 1, 60, true)).collect();
    record(&mut school, &catalog, &friend);
    assert!(!flags(&school, 0).contains(&hundred), "the referral brought XP");
    check(&catalog, &school);
}

#[test]
fn a_batch_is_folded_in_time_order() {
    let (catalog, mut school) = (catalog(), school());
    let batch: Vec<Event> = [(0, true), (10, true), (20, true), (15, false)]
        .iter()
        .enumerate()
        .map(|(number, (minutes, correct))| answer(&catalog, number, 0, *minutes, *correct))
        .collect();
    let awards = record(&mut school, &catalog, &batch);
    assert!(awards.iter().all(|(key, _)| key != "row"), "{awards:?}");
    assert!(awards.contains(&("first".to_owned(), false)));
}

#[test]
fn history_is_read_only_for_late_events() {
    let catalog = catalog();
    let state_of = |school: &School| engine::State { people: [(person(0), school.whole(person(0)))].into() };
    let mut school = school();
    record(&mut school, &catalog, &[answer(&catalog, 0, 0, 5000, true)]);
    assert_eq!(late(&catalog, &state_of(&school), &[answer(&catalog, 1, 0, 5001, false)]), Late::default());
    let right = [answer(&catalog, 1, 0, 4999, true)];
    let asked = late(&catalog, &state_of(&school), &right);
    assert_eq!(asked, Late::default(), "it lengthens the open run, on the same local day");
    let wrong = [answer(&catalog, 1, 0, 4999, false)];
    let asked = late(&catalog, &state_of(&school), &wrong);
    let key = wrong[0].key();
    assert!(asked.runs.keys().all(|(who, _)| *who == person(0)), "{asked:?}");
    assert!(asked.runs.values().all(|span| span.from == key && span.to == key), "{asked:?}");
    assert!(!asked.runs.is_empty() && asked.days.is_empty(), "{asked:?}");
    let early = [event(&catalog, 1, 0, 10, "read", json!({}))];
    let mut state = state_of(&school);
    let asked = late(&catalog, &state, &early);
    assert!(asked.days == [(person(0), early[0].local_day())].into() && asked.runs.is_empty(), "{asked:?}");
    assert_eq!(further(&catalog, &state, &early).days, [person(0)].into());
    state.people.get_mut(&person(0)).unwrap().known_days.insert(early[0].local_day());
    assert_eq!(further(&catalog, &state, &early), Further::default(), "the day is already active");
}

#[test]
fn a_revoked_award_is_not_earned_again() {
    let (catalog, mut school) = (catalog(), school());
    let grant = event(&catalog, 0, 1, 0, "granted", json!({ "amount": 300 }));
    let awards = record(&mut school, &catalog, &[grant]);
    assert!(awards.iter().all(|(key, _)| key != "hundred"));
    let grant = event(&catalog, 1, 2, 0, "granted", json!({ "amount": 300 }));
    let awards = record(&mut school, &catalog, &[grant]);
    assert!(awards.iter().any(|(key, _)| key == "hundred"), "person 2 did not lose it");
}

#[test]
fn a_referred_person_brings_the_referrer_one_event() {
    let (catalog, mut school) = (catalog(), school());
    let events: Vec<Event> =
        (0..5).map(|n| answer(&catalog, n, 1, i64::try_from(n).unwrap(), true)).collect();
    let step = school.record(&catalog, &events).unwrap();
    let derived: Vec<(&str, String, Uuid)> = step
        .derived
        .iter()
        .map(|event| (&*event.source, event.external_id.to_string(), event.person))
        .collect();
    assert_eq!(derived, [("plaudit", format!("referred:{}", person(1)), person(0))]);
    assert_eq!(step.derived[0].occurred_at, events[2].occurred_at);
    let social =
        step.awards.iter().find(|award| key_of(&catalog, award.key.achievement) == "social").unwrap();
    assert_eq!((social.key.person, social.event), (person(0), Some(step.derived[0].id)));
    // The referrer's 15 XP and bonus do not count as the gain of the person who answered.
    let own: i64 =
        step.entries.iter().filter(|entry| entry.person == person(1)).map(|entry| entry.amount).sum();
    assert_eq!(step.gains.iter().map(|gain| gain.total).sum::<i64>(), own);
}

#[test]
fn a_referrer_set_late_gets_the_earlier_referral_events() {
    let (catalog, mut school) = (catalog(), School::default());
    school.join(person(1), chrono_tz::UTC, None);
    school.join(person(0), chrono_tz::UTC, None);
    let at: DateTime<Utc> = "2026-04-01T00:00:00Z".parse().unwrap();
    let referrer = (person(0), chrono_tz::Asia::Tokyo);
    let two: Vec<Event> = (0..2).map(|n| answer(&catalog, n, 1, 0, true)).collect();
    school.record(&catalog, &two).unwrap();
    assert_eq!(owed(&catalog, person(1), &school.whole(person(1)), referrer, at), []);
    let step = school.record(&catalog, &[answer(&catalog, 2, 1, 0, true)]).unwrap();
    assert_eq!(step.derived, [], "there is no referrer yet");
    let owed = owed(&catalog, person(1), &school.whole(person(1)), referrer, at);
    assert_eq!(owed.len(), 1);
    assert_eq!((owed[0].person, owed[0].occurred_at, owed[0].local_hour), (person(0), at, 9));
    let awards = record(&mut school, &catalog, &owed);
    assert!(awards.iter().any(|(key, _)| key == "social"));
}

#[test]
fn a_daily_cap_holds_whatever_the_batches() {
    let (catalog, mut school) = (catalog(), school());
    let read = |number: usize, minutes| event(&catalog, number, 2, minutes, "read", json!({}));
    let step = school.record(&catalog, &[read(0, 60), read(1, 61)]).unwrap();
    assert_eq!(step.gains.iter().map(|gain| gain.base).collect::<Vec<_>>(), [20, 20]);
    let step = school.record(&catalog, &[read(2, 62), read(3, 63), read(4, 1500)]).unwrap();
    assert_eq!(step.gains.iter().map(|gain| gain.base).collect::<Vec<_>>(), [10, 0, 20]);
    let amounts: Vec<i64> = step
        .entries
        .iter()
        .filter(|entry| matches!(entry.cause, EntryCause::Base { .. }))
        .map(|entry| entry.amount)
        .collect();
    assert_eq!(amounts, [10, 20], "an entry is never zero");
}

#[test]
fn own_reports_share_the_cap_of_the_day_on_which_they_are_recorded() {
    let (catalog, mut school) = (catalog(), school());
    let read = |number: usize, minutes| event(&catalog, number, 2, minutes, "read", json!({}));
    let reported = |number: usize, minutes| Event {
        reported_on: Some(read(0, 3_000).local_date),
        ..read(number, minutes)
    };
    let batch = [reported(0, 60), read(1, 61), reported(2, 1_500), reported(3, 3_000), read(4, 3_001)];
    let step = school.record(&catalog, &batch).unwrap();
    assert_eq!(step.gains.iter().map(|gain| gain.base).collect::<Vec<_>>(), [20, 20, 20, 10, 0]);
    let rebuilt = engine::rebuild(&catalog, &school.events_of(person(2)));
    assert_eq!((rebuilt.base_xp, rebuilt.day_totals), (70, school.people[&person(2)].day_totals.clone()));
}

#[test]
fn all_overflowing_events_are_found_at_once() {
    let (catalog, mut school) = (catalog(), school());
    let grant = |number, amount: i64| event(&catalog, number, 0, 0, "granted", json!({ "amount": amount }));
    let state = |xp: i64, school: &mut School| {
        let kept = school.people.get_mut(&person(0)).unwrap();
        kept.xp = xp;
        kept.awards.extend(catalog.achievements().iter().map(|achievement| {
            let held = held(engine::Cause::Person);
            ((achievement.id, 1), held)
        }));
        engine::State { people: [(person(0), school.whole(person(0)))].into() }
    };
    let again = |amount| Event { id: uuid::Uuid::from_u128(9), ..grant(3, amount) };
    // The third has the same identity as the second, which does not fit, and the last the same as a folded one.
    let batch = [grant(1, 5), grant(3, 3), again(2), grant(4, 1), again(3)];
    let overflows = engine::overflows(&catalog, state(2_147_483_640, &mut school), &batch);
    assert_eq!(overflows.iter().map(|overflow| overflow.event).collect::<Vec<_>>(), [1, 3]);
    // The remaining events fit, and `advance` refuses exactly the others, one after the other.
    let fitting: Vec<Event> = [0, 2].iter().map(|at: &usize| batch[*at].clone()).collect();
    assert!(engine::advance(&catalog, state(2_147_483_640, &mut school), &fitting).is_ok());
    assert_eq!(
        engine::advance(&catalog, state(2_147_483_640, &mut school), &batch[..2]).unwrap_err(),
        overflows[0]
    );
    assert!(engine::overflows(&catalog, state(0, &mut school), &batch).is_empty());
}

#[test]
fn an_event_over_the_maximum_xp_is_named_and_not_stored() {
    let (catalog, mut school) = (catalog(), school());
    let kept = school.people.get_mut(&person(0)).unwrap();
    kept.xp = 2_147_483_640;
    kept.awards.extend(catalog.achievements().iter().map(|achievement| {
        let held = held(engine::Cause::Person);
        ((achievement.id, 1), held)
    }));
    let grant = |number, amount: i64| event(&catalog, number, 0, 0, "granted", json!({ "amount": amount }));
    let overflow = school.record(&catalog, &[grant(0, 7), grant(1, 1)]).unwrap_err();
    assert_eq!(overflow.event, 1);
    assert_eq!(school.events.len(), 0);
    assert_eq!(school.record(&catalog, &[grant(0, 7)]).unwrap().people[0].xp, 2_147_483_647);
}

#[test]
fn a_batch_needs_its_people_their_referrers_and_only_the_data_it_can_change() {
    let catalog = catalog();
    let referrers = [(person(1), person(0))].into();
    let asked = needs(&catalog, &[answer(&catalog, 0, 1, 0, true)], &referrers);
    assert_eq!(asked.people.keys().copied().collect::<Vec<_>>(), [person(0), person(1)]);
    let asked = needs(&catalog, &[event(&catalog, 0, 1, 0, "read", json!({}))], &referrers);
    assert_eq!(asked.people.keys().copied().collect::<Vec<_>>(), [person(1)]);
    let wrong = needs(&catalog, &[answer(&catalog, 0, 1, 0, false)], &referrers);
    assert!(!wrong.people.contains_key(&person(0)), "a wrong answer does not count for the referrer");
    let first = candidates(&catalog, &wrong, &engine::State::default()).awards;
    let hundred = (person(1), achievement_id("playground/hundred"));
    assert!(first.contains(&hundred), "no XP of its own, but the bonus of First");
}

#[test]
fn only_achievements_that_a_batch_may_reach_are_loaded() {
    let (catalog, mut school) = (catalog(), school());
    let reads = |numbers: std::ops::Range<usize>, minutes: i64| -> Vec<Event> {
        let read = |number| event(&catalog, number, 0, minutes, "read", json!({ "lesson": "one" }));
        numbers.map(read).collect()
    };
    let asked = |school: &School, events: &[Event]| {
        let members = school.people[&person(0)].members.clone();
        let person_state = engine::PersonState { members, ..school.whole(person(0)) };
        let state = engine::State { people: [(person(0), person_state)].into() };
        candidates(&catalog, &needs(&catalog, events, &std::collections::BTreeMap::new()), &state)
    };
    let names = |asked: Candidates| -> Vec<String> {
        asked.awards.iter().map(|(_, achievement)| key_of(&catalog, *achievement)).collect()
    };
    record(&mut school, &catalog, &reads(0..1, 60));
    // The second and the third lesson, on the same day.
    let third = names(asked(&school, &reads(1..3, 70)));
    assert!(third.contains(&"kind-collector".to_owned()), "{third:?}");
    record(&mut school, &catalog, &reads(1..3, 70));
    assert_eq!(asked(&school, &reads(3..4, 80)), Candidates::default());
    assert_eq!(asked(&school, &reads(3..4, 50)).dated, [person(0)].into(), "before the last event");
}

#[test]
fn only_awards_of_current_rules_are_checked() {
    let (catalog, school) = (catalog(), school());
    for who in [1, 2, 3] {
        let none = engine::misjudged(&catalog, &school.whole(person(who)));
        assert!(none.is_empty(), "given, revoked, retired and imported awards stay: {none:?}");
    }
    let mut state = school.whole(person(0));
    let held = held(engine::Cause::Rule);
    let row = (achievement_id("playground/row"), 1);
    state.awards.insert(row, held);
    assert_eq!(engine::misjudged(&catalog, &state), [(row, true)].into());
}

#[test]
fn a_late_event_moves_the_moments_of_awards() {
    let catalog = catalog();
    let reads = |minutes: &[i64]| -> Vec<Event> {
        let read = |(number, minutes): (usize, &i64)| {
            event(&catalog, number, 0, *minutes, "read", json!({ "lesson": format!("l{minutes}") }))
        };
        minutes.iter().enumerate().map(read).collect()
    };
    let newest_first = reads(&[9_000, 7_000, 5_000, 3_000, 1_000]);
    let moments = |school: &School| -> Vec<(String, i64, DateTime<Utc>)> {
        let awards = school.people[&person(0)].awards.iter();
        awards.map(|((id, occurrence), held)| (key_of(&catalog, *id), *occurrence, held.earned_at)).collect()
    };
    let mut at_once = school();
    at_once.record(&catalog, &newest_first).unwrap();
    let mut oldest_first = school();
    let mut one_by_one = school();
    for event in newest_first.iter().rev() {
        oldest_first.record(&catalog, std::slice::from_ref(event)).unwrap();
    }
    for event in &newest_first {
        one_by_one.record(&catalog, std::slice::from_ref(event)).unwrap();
    }
    assert!(moments(&oldest_first).len() > 1);
    assert_eq!(moments(&one_by_one), moments(&oldest_first));
    assert_eq!(moments(&at_once), moments(&oldest_first));
}

#[test]
fn the_events_since_a_late_one_date_the_awards_after_it() {
    let catalog = catalog();
    let history: Vec<Event> = (0..40)
        .map(|number| answer(&catalog, number, 0, i64::try_from(number).unwrap() * 10, true))
        .collect();
    let (mut late, mut in_order) = (school(), school());
    // The answer of minute 375 comes last: it is the 39th, and every third earns an award.
    let missing = answer(&catalog, 40, 0, 375, true);
    for batch in history.chunks(7) {
        late.record(&catalog, batch).unwrap();
    }
    let step = late.record(&catalog, std::slice::from_ref(&missing)).unwrap();
    let sorted: Vec<Event> = history[..38].iter().chain([&missing]).chain(&history[38..]).cloned().collect();
    for event in &sorted {
        in_order.record(&catalog, std::slice::from_ref(event)).unwrap();
    }
    assert!(!step.redated.is_empty(), "no award lies after the late event");
    assert_eq!(late.whole_pasts, 0);
    assert_eq!(late.people[&person(0)].awards, in_order.people[&person(0)].awards);
    assert_eq!(late.people[&person(0)].xp_reached_at, in_order.people[&person(0)].xp_reached_at);
}
