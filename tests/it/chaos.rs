//! Chaos: three servers on one PostgreSQL under load, while servers are killed, connections to the database are cut and
//! silenced, and the mail server and the receiver of webhooks fail. In the end every acknowledged event counts once, a
//! subscriber has seen every award once and in order, and every mail and request is delivered or given up.
//!
//! `PLAUDIT_CHAOS_FAULTS=5000 cargo test -p tests --test it chaos -- --nocapture` runs longer.

mod crowd;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use mail_parser::MessageParser;
use plaudit::auth::Role;
use plaudit::clock::Clock;
use plaudit::config::{Config, MailTarget};
use plaudit::start;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use tests::{
    Backend, Database, Fault, Gate, MailFault, MailServer, Phase, Process, Receiver, Reply, SECRET, client_of,
};
use tokio::time::timeout;
use uuid::Uuid;

use crowd::{Crowd, Shared, follow};

const FAULTS: usize = 200;
const SERVERS: usize = 3;
const SENDERS: usize = 3;
const SUBSCRIBERS: usize = 2;
/// How long a fault in the database's traffic waits for a transaction.
const PATIENCE: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn whatever_fails_nothing_is_lost_and_nothing_comes_twice() {
    let Some(database) = Database::migrated(Backend::Postgres).await else { return };
    let (mail, receiver) = (MailServer::start().await, Receiver::start().await);
    let gate = Gate::before(&database).await;
    let mut config = tests::settings(&database);
    mail.receive(&mut config);
    config.worker = true;
    config.mail.per_day = 1_000;
    config.database_statement_seconds = 1;
    config.auth.secret = Some(SECRET.to_owned());
    let seed: u64 = rand::random();
    eprintln!("the faults have the seed {seed}");
    let mut chaos = Chaos {
        through: Config { database_url: gate.url(&database), ..config.clone() },
        servers: Vec::new(),
        shared: Arc::default(),
        random: StdRng::seed_from_u64(seed),
        gate,
        mail,
        receiver,
        done: BTreeMap::new(),
    };
    for _ in 0..SERVERS {
        chaos.start().await;
    }
    chaos.hook().await;
    let cursor = chaos.cursor().await;
    let mut subscribers: Vec<_> =
        (0..SUBSCRIBERS).map(|_| tokio::spawn(follow(Arc::clone(&chaos.shared), cursor.clone()))).collect();
    let senders: Vec<_> =
        (0..SENDERS).map(|_| tokio::spawn(Crowd::new(Arc::clone(&chaos.shared)).send())).collect();
    let wanted =
        std::env::var("PLAUDIT_CHAOS_FAULTS").ok().and_then(|text| text.parse().ok()).unwrap_or(FAULTS);
    while chaos.done.values().sum::<usize>() < wanted {
        chaos.strike().await;
        chaos.shared.progress().await;
    }
    eprintln!("faults: {:?}", chaos.done);
    chaos.gate.struck();
    chaos.shared.stop_sending();
    let mut events = 0;
    for sender in senders {
        events += sender.await.unwrap();
    }
    for server in chaos.servers.drain(..) {
        server.kill().await;
    }

    // A server without faults: the subscribers catch up.
    config.worker = false;
    let calm = start::start(config.clone(), Clock::System).await.unwrap();
    chaos.shared.only(format!("http://{}", calm.address));
    let earned = database.number("SELECT count(*) FROM feed WHERE kind = 'AWARD_EARNED'").await;
    let order = "SELECT string_agg(CAST(award_id AS text), ',' ORDER BY position) FROM feed WHERE kind = 'AWARD_EARNED'";
    let order = database.text(order).await;
    chaos.shared.expect(usize::try_from(earned).unwrap());
    for subscriber in subscribers.drain(..) {
        let seen = subscriber.await.unwrap();
        assert!(
            seen.join(",") == order,
            "{} awards were told instead of {earned}, or in another order",
            seen.len()
        );
    }
    calm.stop().await;
    // Days pass until every delivery has ended.
    let clock = Clock::hand(Clock::System.now() + TimeDelta::minutes(10));
    let calm = start::start(config.clone(), clock.clone()).await.unwrap();
    for _ in 0..60 {
        calm.settle().await.unwrap();
        clock.advance(TimeDelta::hours(1));
    }
    calm.stop().await;

    let stored = "SELECT count(*) FROM events WHERE source = 'school'";
    assert_eq!(database.number(stored).await, events, "every acknowledged event is stored once");
    let report = plaudit::check::run(&config).await.unwrap();
    assert_eq!(report.differences.iter().map(ToString::to_string).collect::<Vec<_>>(), Vec::<String>::new());
    check_deliveries(&database, &chaos.mail, &chaos.receiver, events, earned).await;
}

/// Every delivery has ended, with a reason if it was given up; what was delivered has arrived; a mail came twice at most.
async fn check_deliveries(
    database: &Database,
    mail: &MailServer,
    receiver: &Receiver,
    events: i64,
    earned: i64,
) {
    let number =
        async |of: &str| database.number(&format!("SELECT count(*) FROM deliveries WHERE {of}")).await;
    assert_eq!(database.number("SELECT count(*) FROM outbox WHERE planned_at IS NULL").await, 0);
    assert_eq!(number("settled_at IS NULL AND buried_at IS NULL").await, 0, "deliveries are open");
    assert_eq!(number("buried_at IS NOT NULL AND reason IS NULL").await, 0);
    assert_eq!(
        number("channel = 'MAIL'").await,
        events,
        "one mail for each event, since each earned something"
    );
    assert_eq!(number("channel = 'WEBHOOK'").await, earned, "one request for each award");
    let buried = (
        number("channel = 'MAIL' AND buried_at IS NOT NULL").await,
        number("channel = 'WEBHOOK' AND buried_at IS NOT NULL").await,
    );

    let mut copies: BTreeMap<String, usize> = BTreeMap::new();
    for (_, content) in mail.mails() {
        let message = MessageParser::default().parse(&content).unwrap();
        let id = message.message_id().unwrap().split('@').next().unwrap().to_owned();
        *copies.entry(id).or_default() += 1;
    }
    let delivered = "SELECT string_agg(CAST(id AS text), ',') FROM deliveries WHERE channel = 'MAIL' AND settled_at IS NOT NULL";
    for id in database.text(delivered).await.split(',') {
        assert!(copies.contains_key(id), "the delivered mail {id} has not arrived");
    }
    let twice = copies.values().filter(|copies| **copies == 2).count();
    assert!(copies.values().all(|copies| *copies <= 2), "a mail came more than twice");

    let requests: BTreeSet<Uuid> = receiver
        .requests()
        .iter()
        .map(|one| one.header("webhook-id").unwrap().strip_prefix("msg_").unwrap().parse().unwrap())
        .collect();
    let delivered = "SELECT string_agg(CAST(m.message_id AS text), ',') FROM deliveries d \
                     JOIN delivery_messages m ON m.delivery_id = d.id \
                     WHERE d.channel = 'WEBHOOK' AND d.settled_at IS NOT NULL";
    for id in database.text(delivered).await.split(',') {
        assert!(requests.contains(&id.parse().unwrap()), "the delivered message {id} has not arrived");
    }
    eprintln!(
        "{events} events, {earned} awards, {twice} mails came twice, {buried:?} mails and requests were given up"
    );
}

/// The servers, and what can fail.
struct Chaos {
    /// The settings of the servers, whose database is behind the gate.
    through: Config,
    servers: Vec<Process>,
    shared: Arc<Shared>,
    random: StdRng,
    gate: Gate,
    mail: MailServer,
    receiver: Receiver,
    /// The faults that have happened, by kind.
    done: BTreeMap<&'static str, usize>,
}

impl Chaos {
    async fn start(&mut self) {
        let Some(MailTarget::Smtp(server)) = &self.through.mail.target else {
            panic!("mails go to a server")
        };
        let url = format!("smtp://{}:{}", server.host, server.port);
        let settings = [
            ("mail.url", url.as_str()),
            ("mail.timeout_seconds", "1"),
            ("mail.per_day", "1000"),
            ("webhooks.allowed_networks", "127.0.0.0/8"),
        ];
        self.servers.push(Process::serve_with(&self.through, &settings).await);
        self.tell();
    }

    /// Tells the senders and the subscribers where the servers are.
    fn tell(&self) {
        self.shared.at(self.servers.iter().map(|server| server.url.clone()).collect());
    }

    /// Creates the webhook.
    async fn hook(&self) {
        let create = "mutation($input: CreateWebhookInput!) { createWebhook(input: $input) { userErrors { message } } }";
        let input = json!({"url": self.receiver.url(), "types": ["AWARD_EARNED"], "description": "A system"});
        let admin = client_of(&self.servers[0].url, &Uuid::new_v4().to_string(), Role::Admin);
        let answer = admin.ask(create, json!({"input": input})).await;
        assert_eq!(answer.data()["createWebhook"]["userErrors"], json!([]));
    }

    async fn cursor(&self) -> String {
        let client = client_of(&self.servers[0].url, "school", Role::Service);
        client.ask("{ feedCursor }", json!({})).await.data()["feedCursor"].as_str().unwrap().to_owned()
    }

    /// One fault.
    async fn strike(&mut self) {
        let nth = self.random.random_range(1..14);
        let (name, happened) = match self.random.random_range(0..100) {
            0..15 => {
                let victim = self.random.random_range(0..self.servers.len());
                self.servers.swap_remove(victim).kill().await;
                self.tell();
                self.start().await;
                ("a server is killed", true)
            }
            15..45 => ("a connection is cut", self.strike_database(nth, Fault::Cut).await),
            45..60 => ("an answer of the database is cut", self.strike_database(nth, Fault::CutAnswer).await),
            60..72 => {
                let pause = Duration::from_millis(self.random.random_range(20..400));
                ("a statement is late", self.strike_database(nth, Fault::Delay(pause)).await)
            }
            72..76 => ("a connection is silent", self.strike_database(nth, Fault::Silence).await),
            76..90 => {
                let faults = [
                    MailFault::Answer(Phase::Greeting, "421 later"),
                    MailFault::Cut(Phase::Sender),
                    MailFault::Answer(Phase::Recipient, "450 4.2.0 greylisted"),
                    MailFault::Stall(Phase::Data),
                    MailFault::KeepAndCut,
                    MailFault::Cut(Phase::Content),
                    MailFault::Answer(Phase::Content, "554 5.6.0 no"),
                ];
                self.mail.plan([faults[self.random.random_range(0..faults.len())]]);
                ("the mail server fails", true)
            }
            _ => {
                let replies = [
                    Reply::Status(500, "broken"),
                    Reply::Cut,
                    Reply::Redirect("http://127.0.0.1:9/".to_owned()),
                ];
                self.receiver.plan([replies[self.random.random_range(0..replies.len())].clone()]);
                ("the receiver fails", true)
            }
        };
        if happened {
            *self.done.entry(name).or_default() += 1;
        }
    }

    async fn strike_database(&self, nth: usize, fault: Fault) -> bool {
        self.gate.strike(nth, fault);
        // A transaction may be shorter than that.
        let _ = timeout(PATIENCE, self.gate.strikes()).await;
        self.gate.struck()
    }
}
