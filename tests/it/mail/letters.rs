//! What mails say, and to whom.

use chrono::TimeDelta;
use plaudit::auth::Role;
use serde_json::json;
use tests::{MailServer, World, on_each};
use uuid::Uuid;

use super::{ada, earn, mails};

on_each! {
    async fn an_award_is_a_mail_with_its_picture_reason_bonus_and_what_comes_next(backend: Backend) {
        let server = MailServer::start().await;
        let Some(w) = World::with(backend, |config| server.receive(config)).await else { return };
        let ada = ada(&w).await;
        let answer = w.service().record(json!({"userId": ada, "activity": "question_answered", "attributes": {"correct": true}})).await;
        assert_eq!(answer["awards"][0]["achievement"]["key"], "aurora/first-steps", "{answer}");
        w.server.settle().await.unwrap();
        let kept = mails(&server);
        let [mail] = kept.as_slice() else { panic!("{} mails", kept.len()) };
        assert_eq!(mail.to, "ada@school.example");
        assert_eq!(mail.subject, "🎉 Congratulations! You earned the “First Steps” badge!");
        for line in [
            "Hello Ada,",
            "Congratulations! You earned the “First Steps” badge!",
            "The first question is the hardest to begin. You began.",
            "Why: Answer 1 question",
            "Bonus: +50\u{a0}XP",
            "You now have 60\u{a0}XP and are at level 1.",
            "What comes next",
            "Getting Warmed Up: 60 of 100 (60%)",
        ] {
            assert!(mail.text.lines().any(|one| one == line), "{line}\n{}", mail.text);
            assert!(mail.html.contains(line), "{line}\n{}", mail.html);
        }
        let png = b"\x89PNG\r\n\x1a\n".to_vec();
        assert_eq!(mail.pictures, [("badge0".to_owned(), png)]);
        assert!(mail.html.contains(r#"<img src="cid:badge0" width="80" height="80" alt="Badge “First Steps”, common""#));
        assert!(mail.id.ends_with("@localhost"), "{}", mail.id);
        assert_eq!(mail.header("Auto-Submitted"), Some("auto-generated"));
        assert_eq!(mail.header("List-Unsubscribe-Post"), Some("List-Unsubscribe=One-Click"));
        assert_eq!(mail.header("Content-Language"), Some("en"));
        w.finish().await;
    }

    async fn a_mail_is_in_the_language_of_its_reader(backend: Backend) {
        let server = MailServer::start().await;
        let Some(w) = World::with(backend, |config| server.receive(config)).await else { return };
        for locale in ["it-CH", "ar", "tlh"] {
            let id = Uuid::new_v4();
            w.upsert(id, json!({"timezone": "UTC", "email": "ada@school.example", "locale": locale})).await;
            earn(&w, id, "comment_written").await;
            w.server.settle().await.unwrap();
        }
        let kept = mails(&server);
        let subjects: Vec<&str> = kept.iter().map(|mail| mail.subject.as_str()).collect();
        assert_eq!(subjects, [
            "🎉 Congratulazioni! Il badge “First Comment Written” è tuo!",
            "🎉 تهانينا! حصلت على شارة «\u{2068}First Comment Written\u{2069}»!",
            "🎉 Congratulations! You earned the “First Comment Written” badge!",
        ]);
        assert!(kept[1].html.contains(r#"<html lang="ar" dir="rtl">"#));
        w.finish().await;
    }

    async fn a_badge_from_a_teacher_comes_with_the_note_and_a_certificate_with_its_number(backend: Backend) {
        let server = MailServer::start().await;
        let Some(w) = World::with(backend, |config| server.receive(config)).await else { return };
        let ada = ada(&w).await;
        let admin = Uuid::new_v4();
        let client = w.person(admin, Role::Admin);
        let created = client.ask(
            "mutation { createBadge(input: {name: \"Team <Player>\", description: \"Helps others.\"}) { achievement { id } userErrors { message } } }",
            json!({}),
        ).await;
        let badge = created.data()["createBadge"]["achievement"]["id"].clone();
        let given = client.ask(
            "mutation($input: AwardBadgeInput!) { awardBadge(input: $input) { awards { id } userErrors { message } } }",
            json!({"input": {"badgeId": badge, "studentId": ada, "notes": "Thank you for\nthe <b>help</b>!"}}),
        ).await;
        assert_eq!(given.data()["awardBadge"]["userErrors"], json!([]));
        let issued = client.ask(
            "mutation($input: CreateCertificateInput!) { createCertificate(input: $input) { certificate { number } userErrors { message } } }",
            json!({"input": {"studentId": ada, "title": "English A1", "issuedBy": "Aurora", "issuedDate": "2026-01-15"}}),
        ).await;
        let number = issued.data()["createCertificate"]["certificate"]["number"].as_str().unwrap().to_owned();
        w.server.settle().await.unwrap();
        let kept = mails(&server);
        assert_eq!(kept.len(), 2);
        let of_badge = kept.iter().find(|mail| mail.subject.contains("Team <Player>")).unwrap();
        assert!(of_badge.text.contains("writes: “Thank you for\nthe <b>help</b>!”"), "{}", of_badge.text);
        assert!(of_badge.html.contains("Team &#60;Player&#62;") && !of_badge.html.contains("<b>help"), "{}", of_badge.html);
        let of_certificate = kept.iter().find(|mail| mail.subject.contains("English A1")).unwrap();
        let line = format!("Issued by Aurora on 2026-01-15. Number {number}.");
        assert!(of_certificate.text.contains(&line), "{}", of_certificate.text);
        w.finish().await;
    }

    async fn what_was_revoked_before_the_mail_is_not_told(backend: Backend) {
        let server = MailServer::start().await;
        let Some(w) = World::with(backend, |config| server.receive(config)).await else { return };
        let ada = ada(&w).await;
        earn(&w, ada, "comment_written").await;
        let admin = w.person(Uuid::new_v4(), Role::Admin);
        let held = admin.ask("query($id: ID!) { earned(userId: $id) { nodes { id } } }", json!({"id": ada})).await;
        let award = held.data()["earned"]["nodes"][0]["id"].clone();
        let revoked = admin.ask(
            "mutation($id: ID!) { revokeAward(input: {awardId: $id, reason: \"A mistake.\"}) { userErrors { message } } }",
            json!({"id": award}),
        ).await;
        assert_eq!(revoked.data()["revokeAward"]["userErrors"], json!([]));
        w.server.settle().await.unwrap();
        assert_eq!(mails(&server).len(), 0);
        assert_eq!(w.database.text("SELECT reason FROM deliveries").await, "everything in it was withdrawn");
        w.finish().await;
    }

    async fn an_event_of_yesterday_and_a_person_without_an_address_cause_no_mail(backend: Backend) {
        let server = MailServer::start().await;
        let Some(w) = World::with(backend, |config| server.receive(config)).await else { return };
        let (ada, nobody) = (ada(&w).await, w.student("UTC").await);
        let at = (w.clock.now() - TimeDelta::hours(25)).to_rfc3339();
        w.service().record(json!({"userId": ada, "activity": "comment_written", "occurredAt": at})).await;
        earn(&w, nobody, "comment_written").await;
        w.server.settle().await.unwrap();
        assert_eq!(w.database.number("SELECT count(*) FROM deliveries").await, 0);
        assert_eq!(mails(&server).len(), 0);
        w.finish().await;
    }
}
