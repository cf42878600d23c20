//! The attacks. Each is made by one person with a valid token, as fast as the server permits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use plaudit::auth::Role;
use serde_json::{Value, json};
use tests::{Client, Expensive, Frame, Socket, client_of};

/// The attack of one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attack {
    /// 300 operations at once on one socket, repeatedly.
    Socket,
    /// 20 sockets with 100 replays each from the feed's first position, by a student.
    Replays,
    /// As `Replays`, by a person who may see every award.
    ReplaysOfAll,
    /// 30 exports of the person's own data at once, repeatedly.
    Exports,
    /// The most expensive documents, eight at once.
    Documents,
}

/// The cursor before the first award: `feed 0`.
const FIRST_POSITION: &str = "ZmVlZCAw";
/// The pause after a failure. Without it a refused attacker would only open connections.
const PAUSE: Duration = Duration::from_millis(20);

impl Attack {
    pub(crate) const ALL: [Self; 5] =
        [Self::Socket, Self::Replays, Self::ReplaysOfAll, Self::Exports, Self::Documents];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Socket => "300-on-a-socket",
            Self::Replays => "replays-by-a-student",
            Self::ReplaysOfAll => "replays-by-an-admin",
            Self::Exports => "30-exports",
            Self::Documents => "expensive-documents",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|attack| attack.name() == name)
    }
}

/// The number of the attacker's answers, by kind.
#[derive(Debug, Default)]
struct Answers {
    good: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
}

impl Answers {
    fn add(&self, answer: &Value) {
        let is_refused = answer.get("errors").is_some();
        let counter = if is_refused { &self.refused } else { &self.good };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Attacks the server at this URL for this duration, and prints the number of answers.
pub(crate) async fn run(attack: Attack, url: &str, seconds: Duration) {
    let end = Instant::now() + seconds;
    let answers = Arc::new(Answers::default());
    let clients: Vec<Client> = match attack {
        Attack::Socket => vec![client(url, Role::Student)],
        Attack::Replays => vec![client(url, Role::Student); 20],
        Attack::ReplaysOfAll => vec![client(url, Role::SuperAdmin); 20],
        Attack::Exports => vec![client(url, Role::Student); 30],
        Attack::Documents => vec![client(url, Role::Student); 8],
    };
    let each = clients.into_iter().enumerate().map(|(number, client)| {
        let (answers, url) = (answers.clone(), url.to_owned());
        tokio::spawn(tokio::time::timeout_at(end.into(), async move {
            for round in number.. {
                // If the server closes a connection, the client's assertions fail. The loop then opens the next one.
                let (client, answers, url) = (client.clone(), answers.clone(), url.clone());
                let counters = answers.clone();
                let once = async move { strike(attack, round, &url, &client, &counters).await };
                if tokio::spawn(once).await.is_err() {
                    answers.failed.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }))
    });
    join_all(each).await;
    let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    println!(
        "{} good, {} refused, {} failed",
        number(&answers.good),
        number(&answers.refused),
        number(&answers.failed)
    );
}

fn client(url: &str, role: Role) -> Client {
    client_of(url, &Expensive::subject(role).to_string(), role)
}

async fn strike(attack: Attack, round: usize, url: &str, client: &Client, answers: &Answers) {
    match attack {
        Attack::Socket => {
            let mut socket = client.socket().await;
            for number in 0..300 {
                socket.subscribe(&number.to_string(), "{ me { xp } }", json!({})).await;
            }
            read(&mut socket, 300, answers).await;
        }
        Attack::Replays | Attack::ReplaysOfAll => {
            let mut socket = client.socket().await;
            let replay = "subscription($after: String) { achievementEarned(after: $after) {
                            cursor award { earnedAt achievement { name } user { displayName } } } }";
            for number in 0..100 {
                socket.subscribe(&number.to_string(), replay, json!({"after": FIRST_POSITION})).await;
            }
            read(&mut socket, 100, answers).await;
        }
        Attack::Exports => {
            let person = Expensive::subject(Role::Student);
            let export = "mutation($input: ExportPersonInput!) { exportPerson(input: $input) { export } }";
            answers.add(&client.ask(export, json!({"input": {"userId": person}})).await.body);
        }
        Attack::Documents => {
            let all = Expensive::all();
            let Some(document) = all.get(round % all.len().max(1)) else { return };
            let client = client_of(url, &document.subject.to_string(), document.role);
            answers.add(&client.ask(&document.text, json!({})).await.body);
        }
    }
}

/// Reads until this number of operations has ended, or the socket is closed.
async fn read(socket: &mut Socket, operations: usize, answers: &Answers) {
    let mut ended = 0;
    while ended < operations {
        match socket.frame().await {
            Frame::Message(message) => match message.get("type").and_then(Value::as_str) {
                Some("next") => answers.add(message.get("payload").unwrap_or(&Value::Null)),
                Some("error") => {
                    answers.refused.fetch_add(1, Ordering::Relaxed);
                    ended += 1;
                }
                Some("complete") => ended += 1,
                _ => {}
            },
            Frame::Closed(_) => {
                answers.failed.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(PAUSE).await;
                return;
            }
        }
    }
}
