//! Mails by the calendar: a streak that ends tonight, and a guardian's summary of the week.

use chrono::TimeDelta;
use plaudit::auth::Role;
use serde_json::json;
use tests::{MailServer, World, on_each};
use uuid::Uuid;

use super::{ada, mails};

/// Chooses these mails for a person.
async fn choose(w: &World, person: Uuid, role: Role, mail: &str) {
    let document = format!("mutation {{ updateMe(input: {{mail: {mail}}}) {{ userErrors {{ message }} }} }}");
    let answer = w.person(person, role).ask(&document, json!({})).await;
    assert_eq!(answer.data()["updateMe"]["userErrors"], json!([]));
}

/// An event that makes the day active.
async fn learn(w: &World, person: Uuid) {
    let event = json!({"userId": person, "activity": "question_answered", "attributes": {"correct": false}});
    let answer = w.service().record(event).await;
    assert_eq!(answer["userErrors"], json!([]), "{answer}");
}

on_each! {
    async fn a_streak_that_ends_tonight_is_a_mail_once_and_only_without_a_lesson_today(backend: Backend) {
        let server = MailServer::start().await;
        let Some(w) = World::with(backend, |config| server.receive(config)).await else { return };
        let (lazy, diligent) = (ada(&w).await, ada(&w).await);
        for person in [lazy, diligent] {
            choose(&w, person, Role::Student, "{streakReminder: true}").await;
        }
        for _ in 0..2 {
            learn(&w, lazy).await;
            learn(&w, diligent).await;
            w.tick(TimeDelta::days(1));
        }
        learn(&w, diligent).await;
        w.server.settle().await.unwrap();
        let before = mails(&server).len();
        // Noon is too early; 18 o'clock is not.
        w.tick(TimeDelta::hours(6));
        for _ in 0..5 {
            w.server.settle().await.unwrap();
            w.tick(TimeDelta::hours(1));
        }
        let kept = mails(&server);
        let reminders: Vec<&str> = kept[before..].iter().map(|mail| mail.subject.as_str()).collect();
        assert_eq!(reminders, ["Your streak of 2 days ends tonight"]);
        w.finish().await;
    }

    async fn a_guardian_gets_the_week_of_the_children_on_sunday_afternoon(backend: Backend) {
        let server = MailServer::start().await;
        let Some(w) = World::with(backend, |config| server.receive(config)).await else { return };
        let (ada, parent) = (w.student("UTC").await, Uuid::new_v4());
        let fields = json!({"displayName": "Grace", "role": "PARENT", "timezone": "UTC", "email": "grace@home.example"});
        w.upsert(parent, fields).await;
        w.link(parent, ada).await;
        choose(&w, parent, Role::Parent, "{weeklySummary: true}").await;
        // Thursday to Sunday, 16:00.
        for _ in 0..3 {
            learn(&w, ada).await;
            w.tick(TimeDelta::days(1));
        }
        w.tick(TimeDelta::hours(4));
        w.server.settle().await.unwrap();
        assert_eq!(mails(&server).len(), 0);
        for _ in 0..4 {
            w.tick(TimeDelta::hours(1));
            w.server.settle().await.unwrap();
        }
        let kept = mails(&server);
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].subject, "The week of your children");
        for line in ["Ada", "245\u{a0}XP this week", "6 new badges", "3 days in a row"] {
            assert!(kept[0].text.lines().any(|one| one == line), "{line}\n{}", kept[0].text);
        }
        w.finish().await;
    }
}
