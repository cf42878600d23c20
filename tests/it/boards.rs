//! Leaderboards of periods against a naive computation: random histories with ties, late events, revocations, changes of roles and
//! erasures, at the edges of periods, read through two servers.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use plaudit::auth::Role;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tests::{Backend, Client, World, moment, on_both, on_each};
use uuid::Uuid;

use crate::courses::mutate;

const PEOPLE: u128 = 9;
const STEPS: usize = 60;
const BOARD: &str = "query($metric: String, $period: LeaderboardPeriod, $at: DateTime, $course: ID, $first: Int, $after: String, $last: Int, $before: String, $around: ID, $of: ID) {
    leaderboard(metric: $metric, period: $period, at: $at, courseId: $course) {
        metric period opensAt closesAt totalCount standing(userId: $of) { rank score user { id } reachedAt }
        standings(first: $first, after: $after, last: $last, before: $before, around: $around) {
            totalCount nodes { rank score user { id } reachedAt } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }";

/// What one person did: (time, XP) of events.
type Did = BTreeMap<Uuid, Vec<(DateTime<Utc>, i64)>>;

/// A line of a board: rank, person, score, and when it was reached.
type Line = (i64, Uuid, i64, DateTime<Utc>);

struct Crowd {
    head: Uuid,
    course: Value,
    badge: Value,
    did: Did,
    /// Whether each person is a learner now.
    learners: BTreeMap<Uuid, bool>,
    /// Whether each person wants to be ranked.
    ranked: BTreeMap<Uuid, bool>,
    erased: Vec<Uuid>,
    random: StdRng,
}

/// The awards of a person that count: (time, XP).
async fn awards(service: &Client, person: Uuid) -> Vec<(DateTime<Utc>, i64)> {
    let query = "query($id: ID!) { earned(userId: $id, first: 100) { nodes { earnedAt xpBonus } pageInfo { hasNextPage } } }";
    let answer = service.ask(query, json!({"id": person})).await;
    let page = &answer.data()["earned"];
    assert_eq!(page["pageInfo"]["hasNextPage"], false);
    let award =
        |node: &Value| (moment(node["earnedAt"].as_str().unwrap()), node["xpBonus"].as_i64().unwrap());
    page["nodes"].as_array().unwrap().iter().map(award).collect()
}

async fn enroll(service: &Client, course: &Value, student: Uuid) {
    let input = json!({"courseId": course, "studentId": student});
    assert_eq!(mutate(service, "enroll", "", input).await["userErrors"], json!([]));
}

fn zone_day(at: DateTime<Utc>) -> NaiveDate {
    // Rome: UTC+1 until 29 March 2026, then UTC+2.
    let hours = if at < moment("2026-03-29T01:00:00Z") { 1 } else { 2 };
    (at + TimeDelta::hours(hours)).date_naive()
}

/// Whether a day is within the period of another day.
fn is_within(day: NaiveDate, period: &str, of: NaiveDate) -> bool {
    match period {
        "DAY" => day == of,
        "WEEK" => day.iso_week() == of.iso_week(),
        "MONTH" => (day.year(), day.month()) == (of.year(), of.month()),
        "YEAR" => day.year() == of.year(),
        _ => true,
    }
}

impl Crowd {
    async fn of(w: &World, seed: u64) -> Self {
        let head = Uuid::new_v4();
        let admin = w.person(head, Role::SuperAdmin);
        let course =
            mutate(&admin, "createCourse", "course { id }", json!({"title": "Rust", "lessons": []})).await;
        let badge = json!({"name": "Helper", "description": "Helps.", "category": "special", "rarity": "RARE", "xpBonus": 20});
        let badge = mutate(&admin, "createBadge", "achievement { id }", badge).await;
        let mut crowd = Self {
            head,
            course: course["course"]["id"].clone(),
            badge: badge["achievement"]["id"].clone(),
            did: Did::new(),
            learners: BTreeMap::new(),
            ranked: BTreeMap::new(),
            erased: Vec::new(),
            random: StdRng::seed_from_u64(seed),
        };
        for number in 1..=PEOPLE {
            let id = Uuid::from_u128(number);
            w.upsert(
                id,
                json!({"timezone": if number % 2 == 0 { "Pacific/Apia" } else { "America/New_York" }}),
            )
            .await;
            crowd.did.insert(id, Vec::new());
            crowd.learners.insert(id, true);
            crowd.ranked.insert(id, true);
            if number % 3 > 0 {
                enroll(&w.service(), &crowd.course, id).await;
            }
        }
        crowd
    }

    fn someone(&mut self) -> Uuid {
        Uuid::from_u128(self.random.random_range(1..=PEOPLE))
    }

    /// A time within the last 40 days, often near midnight in Rome or at a time that others have too.
    fn some_time(&mut self, now: DateTime<Utc>) -> DateTime<Utc> {
        let days = TimeDelta::days(self.random.random_range(0..40));
        let at = match self.random.random_range(0..4) {
            0 => now - days,
            1 => (now - days).date_naive().and_hms_opt(22, 59, 59).unwrap().and_utc(),
            2 => (now - days).date_naive().and_hms_opt(22, 0, 0).unwrap().and_utc(),
            _ => now - days - TimeDelta::seconds(self.random.random_range(0..86_400)),
        };
        if at > now { now } else { at }
    }

    async fn act(&mut self, w: &World) {
        let person = self.someone();
        if self.erased.contains(&person) {
            return;
        }
        let now = w.clock.now();
        // Their tokens are valid for an hour of this clock.
        let (admin, service) = (w.person(self.head, Role::SuperAdmin), w.service());
        match self.random.random_range(0..13) {
            0..7 => {
                let (at, points) = (self.some_time(now), self.random.random_range(1..4) * 10);
                let event = json!({"userId": person, "activity": "test_taken", "occurredAt": at, "attributes": {"points": points}});
                assert_eq!(service.record(event).await["userErrors"], json!([]));
                self.did.get_mut(&person).unwrap().push((at, points));
            }
            7 => w.tick(TimeDelta::hours(self.random.random_range(1..30))),
            8 if self.learners[&person] => {
                let at = self.some_time(now);
                let input = json!({"studentId": person, "badgeId": self.badge, "awardedAt": at});
                let ask = "mutation($input: AwardBadgeInput!) { awardBadge(input: $input) { award { id } userErrors { message } } }";
                let given = admin.ask(ask, json!({"input": input})).await;
                assert_eq!(given.data()["awardBadge"]["userErrors"], json!([]));
            }
            9 => {
                let list = "query($id: ID!) { earned(userId: $id, first: 100) { nodes { id cause } } }";
                let answer = service.ask(list, json!({"id": person})).await;
                let nodes = answer.data()["earned"]["nodes"].as_array().unwrap().clone();
                if let Some(award) = nodes.first() {
                    let revoke = "mutation($id: ID!) { revokeAward(input: {awardId: $id, reason: \"A mistake\", cascade: true}) { userErrors { message } } }";
                    let taken = admin.ask(revoke, json!({"id": award["id"]})).await;
                    assert_eq!(taken.data()["revokeAward"]["userErrors"], json!([]));
                }
            }
            10 => {
                let learner = !self.learners[&person];
                let role = if learner { "STUDENT" } else { "PARENT" };
                let input = json!({"id": person, "displayName": "Ada", "role": role});
                assert_eq!(mutate(&admin, "upsertUser", "", input).await, json!({"userErrors": []}));
                self.learners.insert(person, learner);
                if learner {
                    enroll(&service, &self.course, person).await;
                }
            }
            12 => {
                let (wants, role) = (
                    !self.ranked[&person],
                    if self.learners[&person] { Role::Student } else { Role::Parent },
                );
                let choose = "mutation($on: Boolean) { updateMe(input: {onLeaderboards: $on}) { user { onLeaderboards } userErrors { message } } }";
                let chosen = w.person(person, role).ask(choose, json!({"on": wants})).await;
                assert_eq!(
                    chosen.data()["updateMe"],
                    json!({"user": {"onLeaderboards": wants}, "userErrors": []})
                );
                self.ranked.insert(person, wants);
            }
            11 if self.erased.len() < 2 && self.random.random_bool(0.2) => {
                let erase =
                    "mutation($id: ID!) { erasePerson(input: {userId: $id}) { userErrors { message } } }";
                let admin = w.person(Uuid::new_v4(), Role::SuperAdmin);
                assert_eq!(
                    admin.ask(erase, json!({"id": person})).await.data()["erasePerson"]["userErrors"],
                    json!([])
                );
                self.erased.push(person);
                self.learners.insert(person, false);
            }
            _ => {}
        }
    }

    /// The lines of a board, by looking at everything that happened.
    async fn naive(&self, w: &World, metric: &str, period: &str, of: NaiveDate) -> Vec<Line> {
        let mut places = Vec::new();
        for (person, did) in
            self.did.iter().filter(|(person, _)| self.learners[person] && self.ranked[person])
        {
            let awards = awards(&w.service(), *person).await;
            let counted: Vec<(DateTime<Utc>, i64)> = match metric {
                "awards" => awards.iter().map(|(at, _)| (*at, 1)).collect(),
                _ => did.iter().copied().chain(awards.into_iter().filter(|(_, xp)| *xp > 0)).collect(),
            };
            let within = counted.iter().filter(|(at, _)| is_within(zone_day(*at), period, of));
            let score: i64 = within.clone().map(|(_, xp)| xp).sum();
            if let Some(reached_at) = within.map(|(at, _)| *at).max().filter(|_| score > 0) {
                places.push((*person, score, reached_at));
            }
        }
        places.sort_by_key(|(person, score, at)| (-score, *at, *person));
        let rank =
            |score| 1 + i64::try_from(places.iter().filter(|(_, other, _)| *other > score).count()).unwrap();
        places.iter().map(|(person, score, at)| (rank(*score), *person, *score, *at)).collect()
    }
}

fn line(node: &Value) -> Line {
    (
        node["rank"].as_i64().unwrap(),
        node["user"]["id"].as_str().unwrap().parse().unwrap(),
        node["score"].as_i64().unwrap(),
        moment(node["reachedAt"].as_str().unwrap()),
    )
}

/// Every page of a board, every standing and some places around a person, compared with these lines.
async fn compare(
    reader: &Client,
    wanted: &Value,
    people: impl Iterator<Item = Uuid>,
    expected: &[Line],
    step: usize,
) {
    let ask = async |more: Value| {
        let mut variables = wanted.clone();
        variables.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        reader.ask(BOARD, variables).await.data()["leaderboard"].clone()
    };
    let (mut found, mut after) = (Vec::new(), Value::Null);
    loop {
        let board = ask(json!({"first": step, "after": after})).await;
        assert_eq!(board["totalCount"], json!(expected.len()), "{wanted}");
        let page = &board["standings"];
        assert_eq!(page["pageInfo"]["hasPreviousPage"], json!(!found.is_empty()), "{wanted}");
        found.extend(page["nodes"].as_array().unwrap().iter().map(line));
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    assert_eq!(found, expected, "{wanted}");
    let (mut found, mut before) = (Vec::new(), Value::Null);
    loop {
        let board = ask(json!({"last": step, "before": before})).await;
        let page = &board["standings"];
        assert_eq!(page["pageInfo"]["hasNextPage"], json!(!found.is_empty()), "{wanted}");
        found.splice(0..0, page["nodes"].as_array().unwrap().iter().map(line));
        before = page["pageInfo"]["startCursor"].clone();
        if page["pageInfo"]["hasPreviousPage"] == false {
            break;
        }
    }
    assert_eq!(found, expected, "{wanted} backwards");
    for person in people {
        let board = ask(json!({"of": person, "around": person, "first": 3})).await;
        let index = expected.iter().position(|(_, other, ..)| *other == person);
        let standing = index.map(|index| expected[index]);
        assert_eq!(
            Some(&board["standing"]).filter(|one| !one.is_null()).map(line),
            standing,
            "{wanted} {person}"
        );
        let around: Vec<Line> = board["standings"]["nodes"].as_array().unwrap().iter().map(line).collect();
        let from = index.map_or(0, |index| index.saturating_sub(1));
        let most = if index.is_some() { 3 } else { 0 };
        assert_eq!(
            around,
            expected.iter().skip(from).take(most).copied().collect::<Vec<_>>(),
            "{wanted} {person}"
        );
    }
}

on_each! {
    async fn boards_equal_a_naive_computation(backend: Backend) {
        let rome = |config: &mut plaudit::config::Config| config.timezone = "Europe/Rome".parse().unwrap();
        let Some(w) = World::with(backend, rome).await else { return };
        let seed: u64 = rand::random();
        eprintln!("the histories have the seed {seed}");
        w.clock.advance(moment("2026-03-30T12:00:00Z") - w.clock.now());
        let other = match backend {
            Backend::Sqlite => None,
            Backend::Postgres => Some(w.second_server().await),
        };
        let mut crowd = Crowd::of(&w, seed).await;
        for step in 0..STEPS {
            crowd.act(&w).await;
            let url = match &other {
                Some(other) if step % 2 == 0 => format!("http://{}", other.address),
                _ => w.url(),
            };
            let reader = w.service().at(url);
            let metric = ["xp", "awards"][crowd.random.random_range(0..2)];
            let period = ["ALL_TIME", "YEAR", "MONTH", "WEEK", "DAY"][crowd.random.random_range(0..5)];
            let (now, past) = (w.clock.now(), crowd.some_time(w.clock.now()));
            let at = if crowd.random.random_bool(0.5) { now } else { past };
            let sent = if period == "ALL_TIME" { Value::Null } else { json!(at) };
            let wanted = json!({"metric": metric, "period": period, "at": sent});
            let expected = crowd.naive(&w, metric, period, zone_day(at)).await;
            let someone = [crowd.someone(), crowd.someone()].into_iter();
            compare(&reader, &wanted, someone, &expected, crowd.random.random_range(1..5)).await;
        }
        // In the end each board of a course, and everyone's.
        let enrolled = w.person(crowd.head, Role::SuperAdmin).ask("query($id: ID!) { node(id: $id) { ... on Course { students(first: 100) { nodes { id } } } } }", json!({"id": crowd.course})).await;
        let members: Vec<Uuid> = enrolled.data()["node"]["students"]["nodes"].as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap().parse().unwrap()).collect();
        for period in ["ALL_TIME", "MONTH"] {
            let mut expected = crowd.naive(&w, "xp", period, zone_day(w.clock.now())).await;
            expected.retain(|(_, person, ..)| members.contains(person));
            let scores: Vec<i64> = expected.iter().map(|line| line.2).collect();
            for line in &mut expected {
                line.0 = 1 + i64::try_from(scores.iter().filter(|other| **other > line.2).count()).unwrap();
            }
            let wanted = json!({"metric": "xp", "period": period, "course": crowd.course});
            compare(&w.service(), &wanted, crowd.did.keys().copied(), &expected, 2).await;
        }
        if let Some(other) = other {
            other.stop().await;
        }
        w.finish().await;
    }
}

on_both! {
    async fn a_board_in_memory_follows_a_repair(w: World) {
        let ada = w.student("UTC").await;
        w.service().record(json!({"userId": ada, "activity": "comment_written"})).await;
        w.database.execute("UPDATE person_days SET awards = awards + 5").await;
        let read = "{ leaderboard(metric: \"awards\", period: WEEK) { standings { nodes { score } } } }";
        let scores = async || {
            let answer = w.service().ask(read, json!({})).await;
            answer.data()["leaderboard"]["standings"]["nodes"].clone()
        };
        assert_eq!(scores().await, json!([{"score": 6}]), "it was loaded with the damage");
        plaudit::repair::run(&w.config, &w.clock).await.unwrap();
        assert_eq!(scores().await, json!([{"score": 1}]));
        w.finish().await;
    }

    async fn wrong_arguments_of_a_board_are_named(w: World) {
        let ask = async |arguments: &str| {
            let document = format!("{{ leaderboard({arguments}) {{ totalCount standings {{ totalCount }} }} }}");
            let answer = w.service().ask(&document, json!({})).await;
            let error = &answer.body["errors"][0];
            (error["extensions"]["code"].clone(), error["extensions"]["field"].clone())
        };
        for (arguments, field) in [
            ("metric: \"height\"", "metric"),
            ("at: \"2026-01-01T00:00:00Z\"", "at"),
            ("period: DAY, at: \"2026-01-17T12:00:01Z\"", "at"),
            ("period: DAY, achievement: \"aurora/first-steps\"", "period"),
            ("courseId: \"x\"", "courseId"),
        ] {
            assert_eq!(ask(arguments).await, (json!("INVALID_INPUT"), json!([field])), "{arguments}");
        }
        let unknown = format!("courseId: \"{}\"", Uuid::new_v4());
        assert_eq!(ask(&unknown).await, (json!("NOT_FOUND"), json!(["courseId"])));
        w.finish().await;
    }
}
