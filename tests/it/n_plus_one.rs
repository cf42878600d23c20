//! The number of statements of a list is the same for two rows and for twenty.

use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::{Backend, Client, World, on_both};
use uuid::Uuid;

const AWARDS: &str = "query($id: ID, $first: Int!) { earned(userId: $id, first: $first) {
    totalCount nodes { id earnedAt achievement { key earnedCount badgeUrl }
                       user { displayName xp level { number } streak { current } summary { totalEarned } } } } }";

const BOARD: &str = "query($first: Int!) { leaderboard { totalCount standings(first: $first) {
    totalCount nodes { rank score user {
        displayName xp level { number } streak { current } summary { totalEarned }
        earned(first: 2) { totalCount nodes { achievement { key } } } } } } } }";

const PROGRESS: &str = "query($id: ID, $first: Int!) { inProgress(userId: $id, first: $first) {
    totalCount nodes { current target percent achievement { key earnedCount } } } }";

const PROGRESS_OF_MANY: &str = "query($first: Int!) { leaderboard { standings(first: $first) {
    nodes { user { inProgress(first: 3) { nodes { current achievement { key } } } } } } } }";

const CATALOG: &str = "query($category: String) { catalog(pack: \"code-lab\", category: $category) {
    totalCount categories { key achievements { key earnedCount } } } }";

/// The page of a learner.
const PAGE: &str = "{
    me { displayName xp level { number } streak { current } }
    earned(first: 20) { nodes { earnedAt achievement { key name } } }
    inProgress(first: 10) { nodes { current target achievement { key name } } }
    nextAchievements { current target achievement { key } }
    summary { totalEarned currentRank } }";

/// The number of statements of this request, and its answer. Statements of the server's own tasks are counted separately,
/// so the test needs no waiting and no repetition.
async fn statements(w: &World, client: &Client, query: &str, variables: Value) -> (u64, Value) {
    let before = w.server.app.db.statements();
    let answer = client.ask(query, variables).await;
    (w.server.app.db.statements() - before, answer.data().clone())
}

/// The number of statements that recording these events takes.
async fn statements_to_record(w: &World, events: &[Value]) -> u64 {
    let before = w.server.app.db.statements();
    let answer = w.service().record_all(events).await;
    let after = w.server.app.db.statements();
    for result in answer["results"].as_array().unwrap() {
        assert_eq!((&result["userErrors"], &result["duplicate"]), (&json!([]), &json!(false)));
    }
    after - before
}

fn answered(person: Uuid) -> Value {
    json!({"userId": person, "activity": "question_answered", "attributes": {"correct": true}})
}

/// Twenty students with awards, XP and a streak; the first with twenty awards and more.
async fn school(w: &World) -> Vec<Uuid> {
    let mut people = Vec::new();
    let mut events = Vec::new();
    for _ in 0..20 {
        let id = w.student("UTC").await;
        people.push(id);
        events.push(answered(id));
        events.push(json!({"userId": id, "activity": "lesson_watched", "attributes": {"lesson": "l1"}}));
    }
    for activity in ["code_run", "ai_explain", "ai_debug", "snippet_create", "session_join", "visualize"] {
        let language = |number: i64| json!({"language": format!("language {number}")});
        events.extend(
            (0..20).map(|n| json!({"userId": people[0], "activity": activity, "attributes": language(n)})),
        );
    }
    statements_to_record(w, &events).await;
    people
}

/// How many rows the list of an answer has.
fn rows(answer: &Value) -> usize {
    let lists = ["/earned/nodes", "/leaderboard/standings/nodes", "/inProgress/nodes"]
        .map(|path| answer.pointer(path));
    lists.into_iter().flatten().map(|list| list.as_array().unwrap().len()).sum()
}

on_both! {
    async fn a_list_of_twenty_takes_as_many_statements_as_a_list_of_two(w: World) {
        let people = school(&w).await;
        let id = people[0];
        for client in [w.service(), w.person(id, Role::Student)] {
            for query in [AWARDS, BOARD, PROGRESS, PROGRESS_OF_MANY] {
                // Of one row, the person could be the caller, who is known from signing in.
                let (of_two, two) = statements(&w, &client, query, json!({"id": id, "first": 2})).await;
                let (of_twenty, twenty) =
                    statements(&w, &client, query, json!({"id": id, "first": 20})).await;
                assert_eq!((rows(&two), rows(&twenty)), (2, 20), "{query}");
                assert_eq!(of_twenty, of_two, "{query}");
                assert!(of_two <= 12, "{of_two} statements are many: {query}");
            }
        }
        w.finish().await;
    }

    async fn the_callers_row_is_read_once_per_request(w: World) {
        let people = school(&w).await;
        let ada = w.person(people[0], Role::Student);
        let (number, me) = statements(&w, &ada, "{ me { displayName xp } }", json!({})).await;
        assert_eq!(number, 2, "signing in, and the totals: {me}");
        let (number, page) = statements(&w, &ada, PAGE, json!({})).await;
        assert_eq!(number, 5, "signing in, totals, awards, a page of awards, and metrics");
        let nodes = |list: &str| page[list]["nodes"].as_array().unwrap().len();
        assert_eq!((nodes("earned"), nodes("inProgress"), &page["summary"]["totalEarned"]), (20, 10, &json!(27)));
        // Another person's record: their row and the caller's right to see it.
        let (number, _) = statements(&w, &w.service(), "query($id: ID!) { user(id: $id) { displayName xp email } }", json!({"id": people[0]})).await;
        assert_eq!(number, 3);
        w.finish().await;
    }

    async fn a_catalogue_takes_as_many_statements_as_a_category_of_it(w: World) {
        school(&w).await;
        let (of_category, category) =
            statements(&w, &w.service(), CATALOG, json!({"category": "streak"})).await;
        let (of_catalogue, catalogue) = statements(&w, &w.service(), CATALOG, json!({})).await;
        assert_eq!(
            (&category["catalog"]["categories"][1], &catalogue["catalog"]["totalCount"]),
            (&Value::Null, &json!(66))
        );
        assert_eq!((of_category, of_catalogue), (1, 1), "all numbers of holders are read at once");
        w.finish().await;
    }

    async fn a_thousand_events_take_the_statements_of_one(w: World) {
        let people = school(&w).await;
        // Enrolments earn no award, so the number of awards does not matter here.
        let enrolled = |person: Uuid| json!({"userId": person, "activity": "course_enrolled"});
        let one = statements_to_record(&w, &[enrolled(people[0])]).await;
        assert!(one <= 15, "{one} statements are many");
        for rows in [2, 100, 1_000] {
            let of_one_person: Vec<Value> = (0..rows).map(|_| enrolled(people[0])).collect();
            let of_all: Vec<Value> = (0..rows).map(|row| enrolled(people[row % 20])).collect();
            let one_person = statements_to_record(&w, &of_one_person).await;
            let many_people = statements_to_record(&w, &of_all).await;
            // Everything but the events is read and written once. On SQLite they are written 64 per statement, on
            // PostgreSQL 14 KiB.
            let more = if w.database.backend == Backend::Sqlite {
                assert_eq!(one_person, many_people, "{rows}");
                (rows - 1) / 64..=(rows - 1) / 64
            } else {
                rows / 64..=rows / 40
            };
            for statements in [one_person, many_people] {
                assert!(more.contains(&usize::try_from(statements - one).unwrap()), "{rows}: {statements}");
            }
        }
        w.finish().await;
    }

    async fn awards_of_twenty_people_take_as_many_statements_as_those_of_one(w: World) {
        let mut counts = Vec::new();
        for number in [1, 20] {
            let mut events = Vec::new();
            for _ in 0..number {
                events.push(answered(w.student("UTC").await));
            }
            counts.push(statements_to_record(&w, &events).await);
            let awards = w.database.number("SELECT count(*) FROM awards").await;
            assert_eq!(awards, if number == 1 { 1 } else { 21 });
        }
        assert_eq!(counts[1], counts[0]);
        w.finish().await;
    }
}
