//! What one unit of each kind of work costs: processor time of the server and of PostgreSQL, bytes on disk, and memory. The
//! chapter *Capacity* of the README is calculated from these figures. Processor time does not depend on what else the machine
//! does at the same time, so these figures compare better between machines than rates do.
//! `cargo bench --bench capacity`, or `-- sqlite`.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    reason = "a benchmark ends at the first surprise, and prints what it measured"
)]

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use plaudit::auth::Role;
use plaudit::config::MailTarget;
use serde_json::{Value, json};
use tests::figures::table;
use tests::{Arguments, Backend, Client, Database, MailServer, Meter, Process, Receiver, School, Socket};
use uuid::Uuid;

const SCHOOL: School = School::CROWD;
/// Callers at a time.
const CALLERS: u64 = 16;
/// The duration of the measurement of requests.
const MEASURED: Duration = Duration::from_secs(5);
/// Awards that become requests to webhooks and mails; awards that are sent to sockets; and the number of the sockets.
const AWARDS: u64 = 800;
const TOLD: u64 = 20;
const SOCKETS: usize = 500;

const PAGE: &str = "{
    me { displayName xp level { number xpIntoLevel xpForNext } streak { current longest } }
    earned(first: 20) { nodes { earnedAt achievement { key name rarity } } }
    inProgress(first: 10) { nodes { current target percent achievement { key name } } }
    nextAchievements { current target achievement { key name } }
    summary { totalEarned currentRank nextRank } }";

#[tokio::main]
async fn main() {
    for backend in Arguments::of_process().backends() {
        if let Some(rows) = measure(backend).await {
            let heads =
                [&format!("{backend:?}"), "units", "server µs", "database µs", "one core, per second"];
            println!("{}", table(&heads, &rows));
        }
    }
}

/// A server with its database, and the processor time of both.
struct Bench {
    database: Database,
    server: Process,
    rows: Vec<Vec<String>>,
}

async fn measure(backend: Backend) -> Option<Vec<Vec<String>>> {
    Database::create(backend).await?.drop().await;
    let (receiver, mail) = (Receiver::start().await, MailServer::start().await);
    let database = Database::migrated(backend).await?;
    let mut config = tests::settings(&database);
    mail.receive(&mut config);
    config.worker = true;
    SCHOOL.fill(&database).await;
    let Some(MailTarget::Smtp(target)) = &config.mail.target else { panic!("mails go to a server") };
    let url = format!("smtp://{}:{}", target.host, target.port);
    let settings = [
        ("mail.url", url.as_str()),
        ("mail.per_day", "1000"),
        ("webhooks.allowed_networks", "127.0.0.0/8"),
        ("limits.cost_per_minute", "0"),
        ("limits.sockets_per_user", "1000"),
        ("limits.subscriptions_per_socket", "1000"),
    ];
    let server = Process::serve_with(&config, &settings).await;
    let mut bench = Bench { database, server, rows: Vec::new() };
    bench.record().await;
    bench.read().await;
    bench.watch().await;
    bench.deliver(&receiver, &mail).await;
    bench.server.kill().await;
    Some(bench.rows)
}

impl Bench {
    /// Does some work twice, the second time measured; `work` returns the number of units that it did.
    async fn cost(&mut self, name: &str, work: impl AsyncFn(&Process, u64) -> u64) {
        work(&self.server, 0).await;
        let own = Meter::of(self.server.id(), &self.database);
        let mut both = own.clone();
        both.find_connections().await;
        let before = (own.processor(), both.processor());
        let units = work(&self.server, 1).await;
        let (server, all) = (own.processor() - before.0, both.processor() - before.1);
        let each = |time: Duration| time.as_secs_f64() * 1e6 / units as f64;
        let database = match self.database.backend {
            Backend::Sqlite => "within".to_owned(),
            Backend::Postgres => format!("{:.0}", each(all.saturating_sub(server))),
        };
        self.rows.push(vec![
            name.to_owned(),
            units.to_string(),
            format!("{:.0}", each(server)),
            database,
            format!("{:.0}", 1e6 / each(all)),
        ]);
    }

    fn say(&mut self, name: &str, units: u64, value: String) {
        self.rows.push(vec![name.to_owned(), units.to_string(), value]);
    }

    async fn record(&mut self) {
        for (name, size) in [("an event, sent alone", 1), ("an event of a hundred in a request", 100)] {
            let before = (self.bytes().await, self.events().await);
            self.cost(name, async |server, turn| {
                let clients: Vec<Client> =
                    (0..CALLERS).map(|_| server.client("bench", Role::Service)).collect();
                let started = Instant::now();
                let sent = clients.iter().zip(0..).map(async |(client, caller): (_, u64)| {
                    let mut batch = 0;
                    while started.elapsed() < MEASURED {
                        let event =
                            |nth: u64| everyday(caller * 1_000_003 + batch * size + nth, (size, turn));
                        client.record_all(&(0..size).map(event).collect::<Vec<_>>()).await;
                        batch += 1;
                    }
                    batch * size
                });
                join_all(sent).await.iter().sum()
            })
            .await;
            let (bytes, events) = (self.bytes().await - before.0, self.events().await - before.1);
            if size == 100 {
                self.say(
                    "bytes on disk of an event, with its share of awards",
                    events,
                    (bytes / events).to_string(),
                );
            }
        }
    }

    async fn read(&mut self) {
        for (name, document) in
            [("a small query, { me { xp } }", "{ me { xp } }"), ("a learner's page", PAGE)]
        {
            self.cost(name, async |server, _| {
                let clients: Vec<Client> = (0..CALLERS)
                    .map(|nth| server.client(&SCHOOL.student(nth * 101).to_string(), Role::Student))
                    .collect();
                let started = Instant::now();
                let asked = clients.iter().map(async |client| {
                    let mut answers = 0;
                    while started.elapsed() < MEASURED {
                        assert!(client.ask(document, json!({})).await.data()["me"]["xp"].is_i64());
                        answers += 1;
                    }
                    answers
                });
                join_all(asked).await.iter().sum()
            })
            .await;
        }
    }

    /// Awards to subscribed sockets, and the memory of the sockets.
    async fn watch(&mut self) {
        let meter = Meter::of(self.server.id(), &self.database);
        let (before, _) = meter.memory();
        let client = self.server.client("display", Role::Service);
        let query = "subscription { achievementEarned { cursor award { earnedAt achievement { name } user { displayName } } } }";
        let mut sockets = Vec::with_capacity(SOCKETS);
        for _ in 0..SOCKETS {
            let mut socket = client.socket().await;
            socket.subscribe("1", query, json!({})).await;
            sockets.push(socket);
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        let (after, _) = meter.memory();
        let each = after.saturating_sub(before) / SOCKETS as u64;
        self.say("bytes of memory of a socket with a subscription", SOCKETS as u64, each.to_string());
        let sockets = tokio::sync::Mutex::new(sockets);
        self.cost("an award told to one of 500 sockets", async |server, turn| {
            let service = server.client("bench", Role::Service);
            let mut sockets = sockets.lock().await;
            for nth in 0..TOLD {
                award(&service, 100 + turn * TOLD + nth).await;
            }
            let told = sockets.iter_mut().map(async |socket: &mut Socket| {
                for _ in 0..TOLD {
                    socket.next("1").await;
                }
            });
            join_all(told).await;
            TOLD * SOCKETS as u64
        })
        .await;
    }

    /// Mails and webhooks, each with the award that it tells.
    async fn deliver(&mut self, receiver: &Receiver, mail: &MailServer) {
        let set = "UPDATE people SET email = 'ada@home.example'";
        self.cost("an award, its event sent alone", async |server, turn| {
            awards(server, 1_000 + turn * AWARDS).await;
            AWARDS
        })
        .await;
        let admin = self.server.client(&Uuid::new_v4().to_string(), Role::Admin);
        let create = "mutation($input: CreateWebhookInput!) { createWebhook(input: $input) { webhook { id } userErrors { message } } }";
        let input = json!({"url": receiver.url(), "types": ["AWARD_EARNED"], "description": "A system"});
        let made = admin.ask(create, json!({"input": input})).await;
        let id = made.data()["createWebhook"]["webhook"]["id"].clone();
        self.cost("the same, with a request to a webhook", async |server, turn| {
            awards(server, 3_000 + turn * AWARDS).await;
            while (receiver.requests().len() as u64) < (turn + 1) * AWARDS {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            AWARDS
        })
        .await;
        let disable = "mutation($input: UpdateWebhookInput!) { updateWebhook(input: $input) { userErrors { message } } }";
        let off = admin.ask(disable, json!({"input": {"webhookId": id, "enabled": false}})).await;
        assert_eq!(off.data()["updateWebhook"]["userErrors"], json!([]));
        self.database.execute(set).await;
        self.cost("the same, with a mail", async |server, turn| {
            awards(server, 5_000 + turn * AWARDS).await;
            while (mail.mails().len() as u64) < (turn + 1) * AWARDS {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            AWARDS
        })
        .await;
    }

    /// The size of the database.
    async fn bytes(&self) -> u64 {
        let size = match self.database.backend {
            Backend::Sqlite => "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
            Backend::Postgres => "SELECT pg_database_size(current_database())",
        };
        u64::try_from(self.database.number(size).await).expect("a size")
    }

    async fn events(&self) -> u64 {
        u64::try_from(self.database.number("SELECT count(*) FROM events").await).expect("a number")
    }
}

/// Awards to this and the following students, sent by several callers.
async fn awards(server: &Process, first: u64) {
    let sent = (0..CALLERS).map(async |caller| {
        let service = server.client("bench", Role::Service);
        for nth in (caller..AWARDS).step_by(usize::try_from(CALLERS).expect("few callers")) {
            award(&service, first + nth).await;
        }
    });
    join_all(sent).await;
}

/// The first comment of a student, which is an award.
async fn award(service: &Client, number: u64) {
    let done = service.record(json!({"userId": SCHOOL.student(number), "activity": "comment_written"})).await;
    assert_ne!(done["awards"], json!([]), "{done}");
}

/// Everyday events of all students.
fn everyday(nth: u64, run: (u64, u64)) -> Value {
    let kind = nth.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let (activity, attributes) = match kind % 10 {
        0..6 => (
            "question_answered",
            json!({"correct": !(kind / 10).is_multiple_of(4), "level": "B1", "skill": "grammar"}),
        ),
        6 => ("lesson_completed", json!({"lesson": format!("lesson {}", kind % 50)})),
        7 => ("code_run", json!({"language": "rust", "lines": kind % 80})),
        8 => ("lesson_watched", json!({"lesson": format!("lesson {}", kind % 50)})),
        _ => ("test_taken", json!({"points": kind % 30})),
    };
    let id = format!("{nth} of {} in {}", run.0, run.1);
    json!({"id": id, "userId": SCHOOL.student(nth * 7_919), "activity": activity, "attributes": attributes})
}
