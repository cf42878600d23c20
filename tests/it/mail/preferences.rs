//! Which mails a person gets is their choice.

use serde_json::json;
use tests::{MailServer, World, on_each};

use super::{ada, earn, mails};

on_each! {
    async fn the_link_of_a_mail_ends_all_mails_only_by_its_button(backend: Backend) {
        let server = MailServer::start().await;
        let Some(w) = World::with(backend, |config| server.receive(config)).await else { return };
        let ada = ada(&w).await;
        earn(&w, ada, "comment_written").await;
        w.server.settle().await.unwrap();
        let link = format!("{}{}", w.url(), mails(&server)[0].unsubscribe());
        let client = reqwest::Client::new();
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
        let wish = "INSERT INTO mail_settings (person_id, mode, digest_hour, copies, weekly_summary, streak_reminder, updated_at) \
                    SELECT id, 'EACH', 17, TRUE, FALSE, FALSE, created_at FROM people WHERE display_name = 'Grace'";
        w.database.execute(wish).await;
        earn(&w, ada, "session_join").await;
        w.server.settle().await.unwrap();
        let kept = mails(&server);
        let of_parent = kept.iter().find(|mail| mail.to == "grace@home.example").unwrap();
        assert_eq!(kept.len(), 3);
        assert!(of_parent.subject.starts_with("🎉 Ada earned the “"), "{}", of_parent.subject);
        assert!(!of_parent.text.contains("You now have"), "{}", of_parent.text);
        w.finish().await;
    }
}
