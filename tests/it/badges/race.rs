//! Sixty-four concurrent requests for one badge of one person: in the end all data is consistent.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tests::{Backend, Client, World, on_both};

use super::{School, badge, grant_badge, held, xp};
use crate::courses::{mutate, text};

const SIXTY_FOUR: usize = 64;

on_both! {
    async fn sixty_four_connections_award_revoke_and_award_again(w: World) {
        struggle(&w, &[w.url()]).await;
        w.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_award_revoke_and_award_again() {
    let Some(w) = World::on(Backend::Postgres).await else { return };
    let second = w.second_server().await;
    struggle(&w, &[w.url(), format!("http://{}", second.address)]).await;
    second.stop().await;
    w.finish().await;
}

async fn struggle(w: &World, urls: &[String]) {
    let school = School::found(w).await;
    let id = badge(&school.admin, "Team Player", 100).await;
    let callers = (0..SIXTY_FOUR).map(|nth| {
        let whose = if nth % 2 == 0 { &school.teacher } else { &school.admin };
        Client::new(urls[nth / 2 % urls.len()].clone(), whose.token().map(str::to_owned))
    });
    let callers: Vec<Client> = callers.collect();
    let admin = &school.admin;
    let rounds = callers.iter().map(|caller| {
        let (id, student) = (&id, school.student);
        async move {
            let (first, was_there) = grant_badge(caller, id, student).await;
            // If the award already existed, an admin revokes it, because teachers can revoke only their own awards.
            let taken = revoke_award(admin, &first).await;
            let (second, was_there_again) = grant_badge(caller, id, student).await;
            assert_eq!(taken["id"], first["id"]);
            (was_there, was_there_again, text(&second["id"]))
        }
    });
    let rounds = join_all(rounds).await;
    let fresh = rounds.iter().map(|(one, two, _)| i64::from(!one) + i64::from(!two)).sum::<i64>();
    assert!(fresh >= 2, "given, taken back and given again at least once");

    let number = async |sql: &str| w.database.number(sql).await;
    assert_eq!(number("SELECT count(*) FROM awards WHERE cause = 'PERSON'").await, fresh);
    assert_eq!(number("SELECT count(*) FROM awards WHERE cause = 'RULE'").await, 3);
    assert_eq!(number("SELECT max(occurrence) FROM awards").await, fresh);
    let taken = number("SELECT count(*) FROM awards WHERE revoked_at IS NOT NULL").await;
    assert_eq!(number("SELECT count(*) FROM xp_entries WHERE kind = 'REVERSAL'").await, taken);
    assert_eq!(number("SELECT count(*) FROM xp_entries WHERE kind = 'BONUS'").await, fresh + 2);
    assert_eq!(number("SELECT count(*) FROM feed WHERE kind = 'AWARD_EARNED'").await, fresh + 3);
    assert_eq!(number("SELECT count(*) FROM feed WHERE kind = 'AWARD_REVOKED'").await, taken);
    assert_eq!(number("SELECT count(*) FROM audit_log WHERE act = 'award_badge'").await, fresh);
    assert_eq!(number("SELECT count(*) FROM audit_log WHERE act = 'revoke_award'").await, taken);
    assert!(fresh - taken <= 1, "one is held at most");
    let (last, _) = grant_badge(&school.admin, &id, school.student).await;
    assert_eq!(last["revokedAt"], Value::Null);
    let all = ["aurora/getting-warmed-up", "code-lab/century", "school/team-player", "tests/level-up"];
    assert_eq!(held(&school.as_student, school.student).await, all);
    assert_eq!(xp(&school.as_student, school.student).await, 210);
}

async fn revoke_award(client: &Client, award: &Value) -> Value {
    let input = json!({"awardId": award["id"], "reason": "A race"});
    let taken = mutate(client, "revokeAward", "award { id revokedAt }", input).await;
    assert_eq!(taken["userErrors"], json!([]));
    taken["award"].clone()
}
