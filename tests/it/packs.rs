//! Each pack, alone and together with the others: every achievement is earned over HTTP at its threshold and not one event
//! before, with the right XP. The packs' own tests define the events and the expected awards.

mod trial;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tests::{Backend, START, World, moment};
use uuid::Uuid;

use trial::{Achievement, Pack, Trial, pack};

const PACKS: [&str; 4] = ["aurora", "tests", "code-lab", "course-portal"];

/// Creates two tests from each line: with these packs, on SQLite and on PostgreSQL.
macro_rules! walk_through {
    ($($name:ident: $packs:expr;)*) => { $(
        mod $name {
            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() {
                super::walk(super::Backend::Sqlite, &$packs).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgres() {
                super::walk(super::Backend::Postgres, &$packs).await;
            }
        }
    )* };
}

walk_through! {
    every_achievement_of_aurora_is_earned_at_its_threshold: ["aurora"];
    every_achievement_of_tests_is_earned_at_its_threshold: ["tests"];
    every_achievement_of_code_lab_is_earned_at_its_threshold: ["code-lab"];
    every_achievement_of_course_portal_is_earned_at_its_threshold: ["course-portal"];
    all_four_packs_work_together: super::PACKS;
}

#[test]
fn every_achievement_has_a_test_that_earns_it_with_one_event_more_than_one_that_does_not() {
    let mut missing = Vec::new();
    for pack in PACKS.map(pack) {
        for achievement in &pack.achievements {
            let (with, without): (Vec<&Trial>, Vec<&Trial>) =
                pack.trials.iter().partition(|trial| trial.expect.contains(&achievement.key));
            let narrow = |with: &&Trial| without.iter().any(|without| with.is_one_event_more_than(without));
            if !with.iter().any(narrow) {
                missing.push(achievement.key.clone());
            }
        }
        let known: BTreeSet<_> = pack.achievements.iter().map(|achievement| &achievement.key).collect();
        for key in pack.trials.iter().flat_map(|trial| &trial.expect) {
            assert!(known.contains(key), "a test of {} expects {key}, which is not there", pack.key);
        }
    }
    assert_eq!(missing, Vec::<String>::new(), "these are not tested to the event");
    assert_eq!(PACKS.map(|key| pack(key).achievements.len()), [19, 4, 66, 10]);
}

/// Runs every test of these packs: one server for each combination of settings, new people for each test.
async fn walk(backend: Backend, loaded: &[&'static str]) {
    let packs: Vec<Pack> = loaded.iter().copied().map(pack).collect();
    let mut settings: Vec<_> = packs
        .iter()
        .flat_map(|pack| &pack.trials)
        .map(|trial| (trial.settings.clone(), trial.pack))
        .filter(|(settings, _)| !settings.is_empty())
        .collect();
    settings.sort();
    settings.dedup();
    settings.insert(0, (BTreeMap::new(), ""));
    for (settings, of) in settings {
        let world = World::with(backend, |config| {
            config.catalogs = loaded.iter().map(|pack| (*pack).to_owned()).collect();
            config.pack_settings =
                settings.iter().map(|(key, value)| ((of.to_owned(), key.clone()), value.clone())).collect();
        });
        let Some(world) = world.await else { return };
        let trials = packs.iter().flat_map(|pack| &pack.trials);
        let trials: Vec<&Trial> = trials.filter(|trial| trial.settings == settings).collect();
        let people = play(&world, &trials).await;
        for (trial, person) in trials.iter().zip(people) {
            compare(&world, &packs, trial, person).await;
        }
        world.finish().await;
    }
}

/// Sends the events of all these tests; returns the person of each.
async fn play(world: &World, trials: &[&Trial]) -> Vec<Uuid> {
    let mut people = Vec::new();
    let mut events = Vec::new();
    for trial in trials {
        if let Some(at) = trial.joins_at() {
            world.tick(at - world.clock.now());
        }
        let person = world.student(&trial.zone).await;
        world.tick(moment(START) - world.clock.now());
        let mut friends = BTreeMap::new();
        for friend in trial.friends() {
            let id = Uuid::new_v4();
            world.upsert(id, json!({"timezone": trial.zone, "referredBy": person})).await;
            friends.insert(friend, id);
        }
        let number = people.len();
        events.extend(trial.events(person, &friends).into_iter().enumerate().map(|(index, mut event)| {
            event["id"] = format!("{number}-{index}").into();
            event
        }));
        people.push(person);
    }
    let service = world.service();
    for batch in events.chunks(1_000) {
        let answer = service.record_all(batch).await;
        assert_eq!(answer["userErrors"], json!([]));
        for (event, result) in batch.iter().zip(answer["results"].as_array().unwrap()) {
            assert_eq!((&result["userErrors"], &result["duplicate"]), (&json!([]), &json!(false)), "{event}");
        }
    }
    people
}

/// Compares the API's data of a person with the expectations of the test.
async fn compare(world: &World, packs: &[Pack], trial: &Trial, person: Uuid) {
    let asked = world
        .service()
        .ask(
            "query($id: ID!, $pack: String) {
               user(id: $id) { xp level { number } streak { longest }
                               earned(first: 100) { totalCount nodes { xpBonus achievement { key } } } }
               summary(userId: $id, pack: $pack) { totalEarned totalBonusXp currentRank } }",
            json!({"id": person, "pack": trial.pack}),
        )
        .await;
    let name = format!("{}: {}", trial.pack, trial.name);
    let (user, summary) = (&asked.data()["user"], &asked.data()["summary"]);
    let awards = user["earned"]["nodes"].as_array().unwrap();
    let brought: BTreeMap<&str, i64> = awards
        .iter()
        .map(|award| (award["achievement"]["key"].as_str().unwrap(), award["xpBonus"].as_i64().unwrap()))
        .collect();
    assert_eq!(user["earned"]["totalCount"], brought.len(), "{name}: each award once");

    let achievements: Vec<&Achievement> = packs.iter().flat_map(|pack| &pack.achievements).collect();
    let bonus = |key: &str| achievements.iter().find(|one| one.key == key).map(|one| one.bonus);
    for (key, xp) in &brought {
        assert_eq!(Some(*xp), bonus(key), "{name}: the bonus of {key}");
    }
    let base = trial.xp - trial.expect.iter().filter_map(|key| bonus(key)).sum::<i64>();
    let xp = base + brought.values().sum::<i64>();
    assert_eq!(user["xp"], xp, "{name}: XP");
    let level = level_at(xp);
    assert_eq!(user["level"]["number"], level, "{name}: level");

    let held: BTreeSet<String> = brought.keys().map(|key| (*key).to_owned()).collect();
    let standing = Standing { xp, level, longest: user["streak"]["longest"].as_i64().unwrap(), held };
    for achievement in &achievements {
        let due = standing.reaches(achievement).unwrap_or_else(|| trial.expect.contains(&achievement.key));
        assert_eq!(standing.held.contains(&achievement.key), due, "{name}: {}", achievement.key);
    }
    let own = achievements.iter().filter(|one| one.pack == trial.pack && standing.held.contains(&one.key));
    assert_eq!(summary["totalEarned"], own.clone().count(), "{name}: awards in the summary");
    assert_eq!(
        summary["totalBonusXp"],
        own.map(|one| one.bonus).sum::<i64>(),
        "{name}: bonus in the summary"
    );
    if let Some(rank) = &trial.rank {
        assert_eq!(summary["currentRank"], **rank, "{name}: rank");
    }
    if let [_alone] = packs {
        assert_eq!(standing.held, trial.expect, "{name}: awards");
        assert_eq!(xp, trial.xp, "{name}: XP as the pack alone brings it");
        assert_eq!(trial.level.unwrap_or(level), level, "{name}: level");
    }
}

/// A person's numbers, over all packs.
struct Standing {
    xp: i64,
    level: i64,
    longest: i64,
    held: BTreeSet<String>,
}

impl Standing {
    /// Whether these numbers suffice for an achievement to which other packs can contribute; `None` for all others.
    fn reaches(&self, achievement: &Achievement) -> Option<bool> {
        let rule = &achievement.rule;
        let target = rule["target"].as_i64();
        let has = match rule["kind"].as_str().unwrap() {
            "xp" => self.xp,
            "level" => self.level,
            "streak" => self.longest,
            "awards" => {
                assert_eq!(rule["category"], Value::Null, "the count below knows no categories");
                let own = format!("{}/", achievement.pack);
                let others = self.held.iter().filter(|key| key.starts_with(&own) && **key != achievement.key);
                i64::try_from(others.count()).unwrap()
            }
            "all" | "any" | "at_least" => {
                let text = rule.to_string();
                let shared = ["\"xp\"", "\"level\"", "\"streak\"", "\"awards\""];
                assert!(
                    !shared.iter().any(|kind| text.contains(kind)),
                    "{text}: what do other packs do to it?"
                );
                return None;
            }
            _ => return None,
        };
        Some(has >= target.unwrap())
    }
}

/// Level n begins at 50·n·(n−1) XP.
fn level_at(xp: i64) -> i64 {
    (1..).take_while(|level| 50 * level * (level - 1) <= xp).last().unwrap()
}
