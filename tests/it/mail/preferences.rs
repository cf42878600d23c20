//! Which mails a person gets is their choice.

use chrono::TimeDelta;
use plaudit::auth::Role;
use plaudit::config::Config;
use serde_json::json;
use tests::{MailFault, MailServer, Phase, World, on_each};
use uuid::Uuid;

use super::{ada, earn, mails};

on_each! {
    async fn the_link_of_a_mail_ends_all_mails_only_by_its_button(backend: Backend) {
        let server = MailServer::start().await;
        let Some(w) = World::with(backend, |config| server.receive(config)).await else { return };
        let ada = ada(&w).await;
        earn(&w, ada, "comment_written").await;
        w.server.settle().await.unwrap();
        let link = format!("{}{}", w.url(), mails(&server)[0].unsubscribe());
        let client = tests::http();
        let asked = client.get(&link).header("accept-language", "it").send().await.unwrap();
        assert_eq!(asked.status(), 200);
        assert!(asked.text().await.unwrap().contains("Sì, annulla l’iscrizione"));
        let chosen = "SELECT count(*) FROM mail_settings WHERE mode = 'NONE'";
        assert_eq!(w.database.number(chosen).await, 0, "opening the page changes nothing");

        let wrong = link.replace("?t=", "?t=0");
        for url in [wrong.as_str(), &format!("{}/unsubscribe", w.url()), &link[..link.len() - 1]] {
            assert_eq!(client.post(url).send().await.unwrap().status(), 404, "{url}");
        }
        assert_eq!(w.database.number(chosen).await, 0);

        let done = client.post(&link).body("List-Unsubscribe=One-Click").send().await.unwrap();
        assert_eq!(done.status(), 200);
        assert_eq!(w.database.number(chosen).await, 1);
        earn(&w, ada, "session_join").await;
        w.server.settle().await.unwrap();
        assert_eq!(mails(&server).len(), 1);
        w.finish().await;
    }

    async fn in_quiet_hours_no_mail_is_sent_although_its_next_attempt_is_due(backend: Backend) {
        let server = MailServer::start().await;
        let Some(w) = World::with(backend, |config| server.receive(config)).await else { return };
        let ada = ada(&w).await;
        server.plan([MailFault::Answer(Phase::Recipient, "450 4.2.0 greylisted")]);
        earn(&w, ada, "comment_written").await;
        w.server.settle().await.unwrap();
        let quiet = "mutation { updateMe(input: {mail: {quietHours: {from: 12, until: 14}}}) { userErrors { message } } }";
        let answer = w.person(ada, Role::Student).ask(quiet, json!({})).await;
        assert_eq!(answer.data()["updateMe"]["userErrors"], json!([]));
        w.tick(TimeDelta::minutes(1));
        w.server.settle().await.unwrap();
        assert_eq!(mails(&server).len(), 0);
        let state = w.database.text("SELECT attempts || ' ' || available_at FROM deliveries").await;
        assert!(state.starts_with("1 2026-01-15") && state.contains("14:00:00"), "{state}");
        w.tick(TimeDelta::hours(2));
        w.server.settle().await.unwrap();
        assert_eq!(mails(&server).len(), 1);
        w.finish().await;
    }

    async fn what_a_person_does_not_want_any_more_is_skipped_and_not_given_up(backend: Backend) {
        let server = MailServer::start().await;
        let Some(w) = World::with(backend, |config| server.receive(config)).await else { return };
        let ada = ada(&w).await;
        server.plan([MailFault::Answer(Phase::Recipient, "450 4.2.0 greylisted")]);
        earn(&w, ada, "comment_written").await;
        w.server.settle().await.unwrap();
        let none = "mutation { updateMe(input: {mail: {mode: NONE}}) { userErrors { message } } }";
        w.person(ada, Role::Student).ask(none, json!({})).await;
        w.tick(TimeDelta::minutes(1));
        w.server.settle().await.unwrap();
        let list = "{ deliveries { nodes { state reason } } }";
        let listed = w.person(Uuid::new_v4(), Role::Admin).ask(list, json!({})).await;
        let skipped = json!([{"state": "SKIPPED", "reason": "the person wants no mails"}]);
        assert_eq!(listed.data()["deliveries"]["nodes"], skipped);
        w.finish().await;
    }

    async fn a_guardian_gets_copies_if_they_wish(backend: Backend) {
        let server = MailServer::start().await;
        let Some(w) = World::with(backend, |config| server.receive(config)).await else { return };
        let ada = ada(&w).await;
        let parent = uuid::Uuid::new_v4();
        let fields = json!({"displayName": "Grace", "role": "PARENT", "timezone": "UTC", "email": "grace@home.example"});
        w.upsert(parent, fields).await;
        w.link(parent, ada).await;
        earn(&w, ada, "comment_written").await;
        w.server.settle().await.unwrap();
        assert_eq!(mails(&server).len(), 1, "not unless they wish");
        let wish = "mutation { updateMe(input: {mail: {copiesOfChildren: true}}) { mailSettings { copiesOfChildren } userErrors { message } } }";
        let answer = w.person(parent, Role::Parent).ask(wish, json!({})).await;
        assert_eq!(answer.data()["updateMe"], json!({"mailSettings": {"copiesOfChildren": true}, "userErrors": []}));
        earn(&w, ada, "session_join").await;
        w.server.settle().await.unwrap();
        let kept = mails(&server);
        let of_parent = kept.iter().find(|mail| mail.to == "grace@home.example").unwrap();
        assert_eq!(kept.len(), 3);
        assert!(of_parent.subject.starts_with("🎉 Ada earned the “"), "{}", of_parent.subject);
        assert!(!of_parent.text.contains("You now have"), "{}", of_parent.text);
        w.finish().await;
    }

    async fn people_choose_the_hour_the_language_and_the_quiet_hours(backend: Backend) {
        let server = MailServer::start().await;
        let Some(w) = World::with(backend, |config| server.receive(config)).await else { return };
        let ada = ada(&w).await;
        let change = async |input: &str| {
            let document = format!(
                "mutation {{ updateMe(input: {input}) {{ user {{ locale }} mailSettings {{ mode digestHour quietHours {{ from until }} }} \
                 userErrors {{ field code message }} }} }}"
            );
            w.person(ada, Role::Student).ask(&document, json!({})).await.data()["updateMe"].clone()
        };
        let answer = change("{locale: \"it\", mail: {mode: DAILY, digestHour: 18, quietHours: {from: 21, until: 7}}}").await;
        let settings = json!({"mode": "DAILY", "digestHour": 18, "quietHours": {"from": 21, "until": 7}});
        assert_eq!(answer, json!({"user": {"locale": "it"}, "mailSettings": settings, "userErrors": []}));
        let asked = w.person(ada, Role::Student).ask("{ mailSettings { mode digestHour quietHours { from until } } }", json!({})).await;
        assert_eq!(asked.data()["mailSettings"], settings);

        // The clock is at noon: two things wait for 18 o'clock and are one mail.
        earn(&w, ada, "comment_written").await;
        earn(&w, ada, "session_join").await;
        w.server.settle().await.unwrap();
        assert_eq!(mails(&server).len(), 0);
        w.tick(TimeDelta::hours(6));
        w.server.settle().await.unwrap();
        let kept = mails(&server);
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].subject, "🎉 2 motivi per festeggiare");
        assert!(kept[0].text.contains("Ecco che cosa è successo dall’ultima e-mail."), "{}", kept[0].text);

        let answer = change("{mail: {mode: EACH, quietHours: null}}").await;
        assert_eq!(answer["mailSettings"], json!({"mode": "EACH", "digestHour": 18, "quietHours": null}));
        for (input, field) in [
            ("{mail: {digestHour: 24}}", json!(["input", "mail", "digestHour"])),
            ("{mail: {digestHour: -1}}", json!(["input", "mail", "digestHour"])),
            ("{mail: {quietHours: {from: 7, until: 7}}}", json!(["input", "mail", "quietHours", "until"])),
            ("{mail: {quietHours: {from: 70000, until: 7}}}", json!(["input", "mail", "quietHours", "from"])),
            ("{locale: \"not a language\"}", json!(["input", "locale"])),
        ] {
            let refused = change(input).await;
            assert_eq!((&refused["userErrors"][0]["field"], &refused["user"]), (&field, &json!(null)), "{input}");
        }
        w.finish().await;
    }

    async fn more_mails_than_the_limit_of_a_day_wait_for_the_daily_one(backend: Backend) {
        let server = MailServer::start().await;
        let with_limit = |config: &mut Config| {
            server.receive(config);
            config.mail.per_day = 2;
        };
        let Some(w) = World::with(backend, with_limit).await else { return };
        let ada = ada(&w).await;
        for activity in ["comment_written", "session_join", "visualize"] {
            earn(&w, ada, activity).await;
            w.server.settle().await.unwrap();
        }
        assert_eq!(mails(&server).len(), 2);
        w.tick(TimeDelta::hours(5));
        w.server.settle().await.unwrap();
        assert_eq!(mails(&server).len(), 3);
        assert_eq!(w.database.number("SELECT count(*) FROM deliveries WHERE kind = 'DIGEST'").await, 1);
        w.finish().await;
    }

    async fn a_daily_mail_that_still_collects_news_is_not_sent_early(backend: Backend) {
        let server = MailServer::start().await;
        let Some(w) = World::with(backend, |config| server.receive(config)).await else { return };
        let ada = ada(&w).await;
        let daily = "mutation { updateMe(input: {mail: {mode: DAILY}}) { userErrors { message } } }";
        w.person(ada, Role::Student).ask(daily, json!({})).await;
        earn(&w, ada, "comment_written").await;
        w.server.settle().await.unwrap();
        let admin = w.person(Uuid::new_v4(), Role::Admin);
        let listed = admin.ask("{ deliveries { nodes { id kind state } } }", json!({})).await;
        let digest = &listed.data()["deliveries"]["nodes"][0];
        assert_eq!((&digest["kind"], &digest["state"]), (&json!("DIGEST"), &json!("OPEN")));
        let retry = "mutation($id: ID!) { retryDelivery(input: {deliveryId: $id}) { userErrors { reason } } }";
        let refused = admin.ask(retry, json!({"id": digest["id"]})).await;
        assert_eq!(refused.data()["retryDelivery"]["userErrors"], json!([{"reason": "DELIVERY_UNDER_WAY"}]));
        earn(&w, ada, "session_join").await;
        w.server.settle().await.unwrap();
        w.tick(TimeDelta::hours(5));
        w.server.settle().await.unwrap();
        let kept = mails(&server);
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].subject, "🎉 2 reasons to celebrate");
        w.finish().await;
    }
}
