//! What operators do on the command line: list deliveries, try them again, give them up, and ask the doctor.

use chrono::TimeDelta;
use serde_json::json;
use tests::{MailFault, MailServer, Phase, World, command, on_each};
use uuid::Uuid;

/// Runs a command; returns its exit code and its output.
async fn run(w: &World, arguments: &[&str]) -> (i32, String) {
    let output = command(&w.config, arguments).await;
    let text = if output.status.success() { output.stdout } else { [output.stdout, output.stderr].concat() };
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

on_each! {
    async fn deliveries_are_listed_shown_tried_again_and_given_up(backend: Backend) {
        let server = MailServer::start().await;
        let Some(w) = World::with(backend, |config| server.receive(config)).await else { return };
        let ada = Uuid::new_v4();
        w.upsert(ada, json!({"email": "ada@school.example"})).await;
        server.plan([
            MailFault::Answer(Phase::Recipient, "550 5.1.1 <ada@school.example> unknown"),
            MailFault::Answer(Phase::Greeting, "421 later"),
        ]);
        for activity in ["comment_written", "session_join"] {
            w.service().record(json!({"userId": ada, "activity": activity})).await;
            w.server.settle().await.unwrap();
            w.tick(TimeDelta::milliseconds(1));
        }
        let (code, listed) = run(&w, &["outbox", "list"]).await;
        let lines: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!((code, lines.len()), (0, 3), "{listed}");
        assert_eq!(lines[0], ["ID", "CHANNEL", "KIND", "STATE", "ATTEMPTS", "CREATED", "REASON"]);
        assert_eq!(lines[1][1..6], ["mail", "news", "open", "1", "2026-01-15T12:00:00Z"]);
        assert_eq!(lines[2][1..6], ["mail", "news", "given-up", "1", "2026-01-15T12:00:00Z"]);
        assert!(!listed.contains("school.example"), "{listed}");
        let (open, given_up) = (lines[1][0], lines[2][0]);
        let (_, filtered) = run(&w, &["outbox", "list", "--state", "given-up", "--channel", "mail", "--person", &ada.to_string()]).await;
        assert_eq!(filtered.lines().count(), 2, "{filtered}");

        let (_, shown) = run(&w, &["outbox", "show", given_up]).await;
        assert!(shown.lines().any(|line| line == "reason        the mail server refuses the recipient (550 5.1.1)"), "{shown}");
        assert_eq!(run(&w, &["outbox", "bury", open]).await, (0, format!("{open} is given up.\n")));
        let (_, shown) = run(&w, &["outbox", "show", open]).await;
        assert!(shown.lines().any(|line| line.starts_with("about         award.earned msg_")), "{shown}");
        let (code, text) = run(&w, &["outbox", "bury", open]).await;
        assert_eq!((code, text.contains("nothing was changed")), (2, true), "{text}");
        let unknown = Uuid::new_v4().to_string();
        let (code, text) = run(&w, &["outbox", "show", &unknown]).await;
        assert_eq!((code, text), (2, format!("plaudit: no delivery has the id {unknown}: `plaudit outbox list` prints the ids\n")));

        // What an operator gave up is tried again only by its id. What waits for another attempt failed too.
        server.plan([MailFault::Answer(Phase::Greeting, "421 later")]);
        w.service().record(json!({"userId": ada, "activity": "lesson_watched", "attributes": {"lesson": "intro"}})).await;
        w.server.settle().await.unwrap();
        assert_eq!(server.faults_left(), 0);
        assert_eq!(run(&w, &["outbox", "retry", "--channel", "webhook"]).await, (0, "Due now: 0.\n".to_owned()));
        assert_eq!(run(&w, &["outbox", "retry", "--channel", "mail"]).await, (0, "Due now: 2.\n".to_owned()));
        assert_eq!(run(&w, &["outbox", "retry", open]).await.0, 0);
        // The command runs by the clock of this machine, which is ahead of the test's.
        w.tick(TimeDelta::days(3_650));
        w.server.settle().await.unwrap();
        assert_eq!(server.mails().len(), 3);
        w.finish().await;
    }

    async fn the_doctor_finds_what_is_wrong_and_sends_nothing(backend: Backend) {
        let Some(w) = World::on(backend).await else { return };
        let (code, text) = run(&w, &["doctor"]).await;
        assert_eq!(code, 0, "{text}");
        for line in ["ok     database", "ok     clock", "ok     disk", "note   mail      no mails are sent: set PLAUDIT_MAIL_URL"] {
            assert!(text.lines().any(|one| one.starts_with(line)), "{line}\n{text}");
        }
        w.database.execute("DELETE FROM seaql_migrations WHERE version = 'm0013_deliveries'").await;
        let (code, text) = run(&w, &["doctor"]).await;
        assert_eq!(code, 1, "{text}");
        let wrong = "WRONG  database  the tables are outdated, missing migrations: m0013_deliveries. Run `plaudit migrate` first";
        assert!(text.lines().any(|line| line == wrong), "{text}");
        w.stop().await;
    }
}
