//! What a mail server can do wrong: every mail is delivered, or given up with its reason, and there is at most one duplicate, with
//! the same Message-ID.

use std::time::Duration;

use chrono::TimeDelta;
use plaudit::config::Config;
use tests::{MailFault, MailServer, Phase, World, on_each};

use super::{ada, earn, mails};

const DELIVERED: &str = "SELECT count(*) FROM deliveries WHERE settled_at IS NOT NULL AND buried_at IS NULL";
const BURIED: &str = "SELECT count(*) FROM deliveries WHERE buried_at IS NOT NULL AND settled_at IS NULL";
const WAITING: &str = "SELECT count(*) FROM deliveries WHERE settled_at IS NULL AND buried_at IS NULL";

/// Why the only delivery failed last.
async fn reason(w: &World) -> String {
    w.database.text("SELECT reason FROM deliveries").await
}

on_each! {
    async fn a_failure_before_the_content_is_tried_again_and_delivered_once(backend: Backend) {
        let cases = [
            (MailFault::Answer(Phase::Greeting, "421 4.3.2 not now"), "the mail server refuses the connection (421 4.3.2)"),
            (MailFault::Stall(Phase::Greeting), "the mail server does not answer in time"),
            (MailFault::Cut(Phase::Greeting), "the mail server cannot be reached"),
            (MailFault::Stall(Phase::Hello), "the mail server does not answer in time"),
            (MailFault::Cut(Phase::Hello), "the mail server cannot be reached"),
            (MailFault::Answer(Phase::Sender, "451 4.7.1 try again"), "the mail server does not accept the sender now (451 4.7.1)"),
            (MailFault::Answer(Phase::Sender, "530 5.7.0 use STARTTLS"), "the mail server refuses the sender (530 5.7.0)"),
            (MailFault::Stall(Phase::Sender), "the mail server does not answer in time"),
            (MailFault::Cut(Phase::Sender), "the connection to the mail server ended"),
            (MailFault::Answer(Phase::Recipient, "450 4.2.0 <ada@school.example> greylisted"), "the mail server does not accept the recipient now (450 4.2.0)"),
            (MailFault::Answer(Phase::Recipient, "452 4.2.2 mailbox full"), "the mail server does not accept the recipient now (452 4.2.2)"),
            (MailFault::Stall(Phase::Recipient), "the mail server does not answer in time"),
            (MailFault::Cut(Phase::Recipient), "the connection to the mail server ended"),
            (MailFault::Answer(Phase::Data, "451 no space"), "the mail server does not accept the mail now (451)"),
            (MailFault::Stall(Phase::Data), "the mail server does not answer in time"),
            (MailFault::Cut(Phase::Data), "the connection to the mail server ended"),
            (MailFault::Answer(Phase::Data, "250 fine"), "the mail server does not ask for the content of the mail"),
            (MailFault::Flood(Phase::Greeting, "220 without end"), "the mail server cannot be reached"),
            (MailFault::Flood(Phase::Hello, "250-more\r\n"), "the mail server cannot be reached"),
            (MailFault::Flood(Phase::Sender, "250 without end"), "the connection to the mail server ended"),
            (MailFault::Flood(Phase::Recipient, "250-more\r\n"), "the connection to the mail server ended"),
            (MailFault::Flood(Phase::Data, "354-more\r\n"), "the connection to the mail server ended"),
            (MailFault::Answer(Phase::Content, "452 4.3.1 no space"), "the mail server does not accept the mail now (452 4.3.1)"),
        ];
        for (fault, expected) in cases {
            let server = MailServer::start().await;
            let Some(w) = World::with(backend, |config| server.receive(config)).await else { return };
            let ada = ada(&w).await;
            server.plan([fault]);
            earn(&w, ada, "comment_written").await;
            w.server.settle().await.unwrap();
            assert_eq!(reason(&w).await, expected, "{fault:?}");
            assert_eq!((server.faults_left(), mails(&server).len()), (0, 0), "{fault:?}");
            // The first pause is at most six seconds.
            w.tick(TimeDelta::seconds(6));
            w.server.settle().await.unwrap();
            assert_eq!(mails(&server).len(), 1, "{fault:?}");
            assert_eq!(w.database.number(DELIVERED).await, 1, "{fault:?}");
            w.finish().await;
        }
    }

    async fn a_permanent_refusal_gives_the_mail_up_with_its_reason(backend: Backend) {
        let cases = [
            (MailFault::Answer(Phase::Recipient, "550 5.1.1 <ada@school.example>: unknown"), "the mail server refuses the recipient (550 5.1.1)"),
            (MailFault::Answer(Phase::Data, "554 no"), "the mail server refuses the mail (554)"),
            (MailFault::Answer(Phase::Content, "554 5.6.0 spam"), "the mail server refuses the mail (554 5.6.0)"),
        ];
        for (fault, expected) in cases {
            let server = MailServer::start().await;
            let Some(w) = World::with(backend, |config| server.receive(config)).await else { return };
            let ada = ada(&w).await;
            server.plan([fault]);
            earn(&w, ada, "comment_written").await;
            w.server.settle().await.unwrap();
            assert_eq!((w.database.number(BURIED).await, reason(&w).await.as_str()), (1, expected), "{fault:?}");
            w.tick(TimeDelta::days(2));
            w.server.settle().await.unwrap();
            assert_eq!(mails(&server).len(), 0, "{fault:?}");
            w.finish().await;
        }
    }

    async fn a_server_that_is_down_for_a_day_gets_eight_attempts(backend: Backend) {
        let server = MailServer::start().await;
        let Some(w) = World::with(backend, |config| server.receive(config)).await else { return };
        let ada = ada(&w).await;
        server.plan([MailFault::Answer(Phase::Greeting, "421 down"); 8]);
        earn(&w, ada, "comment_written").await;
        // In steps of a minute, for more than the longest sum of pauses.
        for _ in 0..30 * 60 {
            w.server.settle().await.unwrap();
            w.tick(TimeDelta::minutes(1));
        }
        assert_eq!(server.faults_left(), 0);
        assert_eq!(w.database.number("SELECT CAST(attempts AS bigint) FROM deliveries").await, 8);
        assert_eq!(
            reason(&w).await,
            "the mail server refuses the connection (421); given up after 8 attempts"
        );
        assert_eq!(mails(&server).len(), 0);
        w.finish().await;
    }

    async fn a_cut_after_the_content_causes_at_most_one_duplicate_with_the_same_id(backend: Backend) {
        let server = MailServer::start().await;
        let Some(w) = World::with(backend, |config| server.receive(config)).await else { return };
        let ada = ada(&w).await;
        server.plan([MailFault::KeepAndCut]);
        earn(&w, ada, "comment_written").await;
        w.server.settle().await.unwrap();
        assert_eq!(reason(&w).await, "the connection ended before the mail server accepted the mail");
        w.tick(TimeDelta::seconds(6));
        w.server.settle().await.unwrap();
        let kept = mails(&server);
        assert_eq!(kept.len(), 2);
        assert_eq!(kept[0].id, kept[1].id);
        assert_eq!(w.database.number(DELIVERED).await, 1);
        w.finish().await;
    }

    async fn two_results_that_stay_unknown_end_the_attempts(backend: Backend) {
        let server = MailServer::start().await;
        let Some(w) = World::with(backend, |config| server.receive(config)).await else { return };
        let ada = ada(&w).await;
        server.plan([MailFault::KeepAndCut, MailFault::Stall(Phase::Content)]);
        earn(&w, ada, "comment_written").await;
        for _ in 0..4 {
            w.server.settle().await.unwrap();
            w.tick(TimeDelta::hours(1));
        }
        assert_eq!(mails(&server).len(), 1);
        assert_eq!(w.database.number(BURIED).await, 1);
        assert_eq!(
            reason(&w).await,
            "two attempts ended without an answer of the mail server; it may have been delivered"
        );
        w.finish().await;
    }

    async fn a_stalled_mail_delays_no_other(backend: Backend) {
        let server = MailServer::start().await;
        let Some(w) = World::with(backend, |config| server.receive(config)).await else { return };
        let ada = ada(&w).await;
        server.plan([MailFault::Stall(Phase::Recipient)]);
        for activity in ["comment_written", "session_join", "visualize"] {
            earn(&w, ada, activity).await;
        }
        w.server.settle().await.unwrap();
        assert_eq!((mails(&server).len(), w.database.number(WAITING).await), (2, 1));
        w.tick(TimeDelta::seconds(6));
        w.server.settle().await.unwrap();
        assert_eq!((mails(&server).len(), w.database.number(WAITING).await), (3, 0));
        w.finish().await;
    }

    async fn a_process_that_ended_during_an_attempt_leaves_it_to_another_after_the_lease(backend: Backend) {
        let server = MailServer::start().await;
        let Some(w) = World::with(backend, |config| server.receive(config)).await else { return };
        let ada = ada(&w).await;
        server.plan([MailFault::Answer(Phase::Greeting, "421 later")]);
        earn(&w, ada, "comment_written").await;
        w.server.settle().await.unwrap();
        // As if a process had leased it again and ended.
        let lease = "UPDATE deliveries SET attempts = 2, doubts = 1, fence = 2, available_at = created_at, leased_until =";
        let until = (w.clock.now() + TimeDelta::minutes(1)).to_rfc3339();
        w.database.execute(&format!("{lease} '{until}'")).await;
        w.server.settle().await.unwrap();
        assert_eq!(mails(&server).len(), 0, "the lease holds");
        w.tick(TimeDelta::minutes(1));
        w.server.settle().await.unwrap();
        assert_eq!(mails(&server).len(), 1);
        assert_eq!(w.database.number("SELECT fence FROM deliveries WHERE settled_at IS NOT NULL").await, 3);
        w.finish().await;
    }

    async fn a_stop_stores_what_was_delivered_and_returns_the_leases_of_the_others(backend: Backend) {
        let server = MailServer::start().await;
        let with_worker = |config: &mut Config| {
            server.receive(config);
            config.worker = true;
            config.mail.timeout = Duration::from_secs(60);
        };
        let Some(w) = World::with(backend, with_worker).await else { return };
        let ada = ada(&w).await;
        server.plan([MailFault::Stall(Phase::Recipient)]);
        for activity in ["comment_written", "session_join"] {
            earn(&w, ada, activity).await;
        }
        while server.faults_left() > 0 || server.mails().is_empty() {
            tokio::task::yield_now().await;
        }
        let (database, _, _) = w.stop().await;
        assert_eq!(database.number(DELIVERED).await, 1);
        let returned = "SELECT count(*) FROM deliveries WHERE settled_at IS NULL AND buried_at IS NULL AND leased_until IS NULL \
                        AND attempts = 0 AND doubts = 0 AND fence = 1";
        assert_eq!(database.number(returned).await, 1);
    }

    async fn the_result_of_a_lost_lease_does_not_count(backend: Backend) {
        let server = MailServer::start().await;
        let Some(w) = World::with(backend, |config| server.receive(config)).await else { return };
        let ada = ada(&w).await;
        server.plan([MailFault::Stall(Phase::Recipient)]);
        earn(&w, ada, "comment_written").await;
        let taken_over = async {
            while server.faults_left() > 0 {
                tokio::task::yield_now().await;
            }
            // As if another process had leased it when the lease was over.
            w.database.execute("UPDATE deliveries SET fence = 2, attempts = 2").await;
        };
        let (settled, ()) = tokio::join!(w.server.settle(), taken_over);
        settled.unwrap();
        let untouched = "SELECT count(*) FROM deliveries WHERE fence = 2 AND attempts = 2 AND leased_until IS NOT NULL \
                         AND reason IS NULL";
        assert_eq!(w.database.number(untouched).await, 1);
        w.finish().await;
    }

    async fn two_servers_send_each_mail_once(backend: Backend) {
        let server = MailServer::start().await;
        let Some(w) = World::with(backend, |config| server.receive(config)).await else { return };
        let other = w.second_server().await;
        for _ in 0..30 {
            let ada = ada(&w).await;
            earn(&w, ada, "comment_written").await;
        }
        let (one, two) = tokio::join!(w.server.settle(), other.settle());
        assert_eq!(one.unwrap() + two.unwrap(), 30);
        let mut ids: Vec<String> = mails(&server).into_iter().map(|mail| mail.id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!((ids.len(), server.mails().len()), (30, 30));
        other.stop().await;
        w.finish().await;
    }
}
