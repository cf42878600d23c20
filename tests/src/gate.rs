//! A gate between a server and PostgreSQL. It stops a transaction at a chosen statement, so that the test can kill the
//! server there; or it cuts, silences or delays a statement.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use url::Url;

use crate::database::Database;

/// Where a transaction is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Nowhere.
    Never,
    /// Before its n-th statement reaches the database; `BEGIN` is the first. Preparing a statement does not count, because
    /// it depends on the earlier use of the connection.
    Before(usize),
    /// After the database has committed, before the server receives the result.
    Committed,
}

/// What happens to one statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection is cut before the statement reaches the database.
    Cut,
    /// The database runs the statement, and the connection is cut before the answer.
    CutAnswer,
    /// The connection stays open, but no more bytes pass.
    Silence,
    /// The statement reaches the database after this time.
    Delay(Duration),
}

/// The gate. Dropping it closes all connections through it.
pub struct Gate {
    address: SocketAddr,
    stop: watch::Sender<Stop>,
    stopped: watch::Receiver<Option<bool>>,
    fault: Arc<watch::Sender<Option<(usize, Fault)>>>,
    opened: watch::Receiver<u64>,
    silent: watch::Sender<u64>,
    _connections: JoinSet<()>,
}

/// The state shared by all connections through the gate.
#[derive(Clone)]
struct Shared {
    stop: watch::Receiver<Stop>,
    stopped: Arc<watch::Sender<Option<bool>>>,
    fault: Arc<watch::Sender<Option<(usize, Fault)>>>,
    /// Connections up to this number are silent.
    silent: watch::Receiver<u64>,
}

/// What happens to the database's responses on one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answers {
    Pass,
    /// The next one is the last: it belongs to a commit whose result the server must not receive.
    Stop,
    /// The next one cuts the connection.
    Cut,
    /// They are dropped, and so is the end of the connection.
    Silence,
}

impl Gate {
    /// A gate before the server of this database.
    pub async fn before(database: &Database) -> Self {
        let url = Url::parse(&database.url()).expect("the database's URL is one");
        let host = url.host_str().expect("PostgreSQL is reached over TCP").to_owned();
        let server = (host, url.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let (stop, watched) = watch::channel(Stop::Never);
        let (stopped, was_stopped) = watch::channel(None);
        let (opening, opened) = watch::channel(0);
        let (silent, silenced) = watch::channel(0);
        let fault = Arc::new(watch::Sender::new(None));
        let shared =
            Shared { stop: watched, stopped: Arc::new(stopped), fault: Arc::clone(&fault), silent: silenced };
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                opening.send_modify(|opened| *opened += 1);
                let (number, shared) = (*opening.borrow(), shared.clone());
                let server = TcpStream::connect(server.clone()).await.expect("PostgreSQL answers");
                connections.spawn(async move {
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    let (tell, told) = watch::channel(Answers::Pass);
                    // When one direction ends, the whole connection ends.
                    tokio::select! {
                        _ = requests(from_client, to_server, (number, shared.clone()), tell) => {}
                        _ = answers(from_server, to_client, (number, shared.clone()), told) => {}
                    }
                });
            }
        });
        Self { address, stop, stopped: was_stopped, fault, opened, silent, _connections: accepting }
    }

    /// The database's URL through the gate, without TLS, because the gate reads the traffic.
    pub fn url(&self, database: &Database) -> String {
        let mut url = Url::parse(&database.url()).expect("the database's URL is one");
        url.set_host(Some(&self.address.ip().to_string())).expect("an address is a host");
        url.set_port(Some(self.address.port())).expect("a URL of a server takes a port");
        url.set_query(Some("sslmode=disable"));
        url.into()
    }

    /// From now on, stops the first transaction that gets there.
    pub fn set(&self, stop: Stop) {
        self.stop.send_replace(stop);
    }

    /// Waits until a transaction has been stopped; returns whether it was at its commit.
    pub async fn stopped(&self) -> bool {
        let mut stopped = self.stopped.clone();
        let stopped = stopped.wait_for(Option::is_some).await.expect("the gate stands");
        *stopped == Some(true)
    }

    /// Applies this fault once, to the n-th statement of the next transaction that takes the catalogue's
    /// lock; `BEGIN` is the first.
    pub fn strike(&self, nth: usize, fault: Fault) {
        self.fault.send_replace(Some((nth, fault)));
    }

    /// Waits until the fault has happened.
    pub async fn strikes(&self) {
        self.fault.subscribe().wait_for(Option::is_none).await.expect("the gate stands");
    }

    /// Cancels a fault that has not happened; returns whether it has happened.
    pub fn struck(&self) -> bool {
        self.fault.send_replace(None).is_none()
    }

    /// Silences every connection that is open now; new ones work. Returns how many have been opened so far.
    pub fn silence_open(&self) -> u64 {
        let opened = *self.opened.borrow();
        self.silent.send_replace(opened);
        opened
    }
}

/// Forwards requests from the tested server to the database, one at a time.
async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    (number, shared): (u64, Shared),
    answers: watch::Sender<Answers>,
) -> std::io::Result<()> {
    // The first message of a connection has a length but no kind.
    to.write_all(&message(&mut from).await?).await?;
    let mut statements: HashMap<Vec<u8>, bool> = HashMap::new();
    let (mut request, mut executes, mut nth, mut locks) = (Vec::new(), false, 0, false);
    loop {
        let kind = from.read_u8().await?;
        let message = message(&mut from).await?;
        let body = message.get(4..).unwrap_or_default();
        request.push(kind);
        request.extend(&message);
        executes |= matches!(kind, b'E' | b'Q');
        locks |= match kind {
            b'Q' => takes_lock(body),
            b'P' => {
                let (name, text) = text(body);
                statements.insert(name.to_vec(), takes_lock(text));
                false
            }
            b'B' => statements.get(text(text(body).1).0).copied().unwrap_or_default(),
            _ => false,
        };
        // A request ends with a Sync, or is a single Query; all messages before belong to it.
        if !matches!(kind, b'S' | b'Q' | b'p' | b'X') {
            continue;
        }
        nth = match (kind, body) {
            (b'Q', text) if text.starts_with(b"BEGIN") => 1,
            _ if nth > 0 && executes => nth + 1,
            _ => nth,
        };
        let commits = nth > 0 && body.starts_with(b"COMMIT");
        let stop = *shared.stop.borrow();
        if executes && nth > 0 && stop == Stop::Before(nth) {
            shared.stopped.send_replace(Some(commits));
            return std::future::pending().await;
        }
        let strikes = executes && nth > 0 && (locks || nth == 1);
        let mut fault = None;
        shared.fault.send_if_modified(|planned| {
            fault = planned.take_if(|(statement, _)| strikes && *statement == nth);
            fault.is_some()
        });
        answers.send_replace(match fault {
            _ if commits && stop == Stop::Committed => Answers::Stop,
            Some((_, Fault::Cut)) => return Ok(()),
            Some((_, Fault::CutAnswer)) => Answers::Cut,
            Some((_, Fault::Silence)) => Answers::Silence,
            _ if number <= *shared.silent.borrow() => Answers::Silence,
            Some((_, Fault::Delay(_))) | None => Answers::Pass,
        });
        if *answers.borrow() == Answers::Silence {
            return std::future::pending().await;
        }
        if let Some((_, Fault::Delay(time))) = fault {
            tokio::time::sleep(time).await;
        }
        to.write_all(&request).await?;
        request.clear();
        executes = false;
        if commits || body.starts_with(b"ROLLBACK") {
            (nth, locks) = (0, false);
        }
    }
}

/// A text that ends with a zero byte, and the following bytes.
fn text(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    (bytes.get(..end).unwrap_or_default(), bytes.get(end + 1..).unwrap_or_default())
}

/// Whether this statement takes the catalogue's lock, shared or exclusive. A migration's lock has its key in the SQL text.
fn takes_lock(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    text.contains("pg_advisory_xact_lock($1)") || text.contains("pg_advisory_xact_lock_shared($1)")
}

/// Reads a length and as many bytes.
async fn message(from: &mut OwnedReadHalf) -> std::io::Result<Vec<u8>> {
    let length = from.read_u32().await?;
    let mut message = length.to_be_bytes().to_vec();
    message.resize(usize::try_from(length).unwrap_or(4), 0);
    from.read_exact(message.get_mut(4..).unwrap_or_default()).await?;
    Ok(message)
}

/// Forwards responses from the database to the tested server, unless the server must not receive them.
async fn answers(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    (number, shared): (u64, Shared),
    told: watch::Receiver<Answers>,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await;
        let becomes = *told.borrow();
        match becomes {
            Answers::Stop => {
                shared.stopped.send_replace(Some(true));
                return std::future::pending().await;
            }
            Answers::Cut => return Ok(()),
            Answers::Silence => return std::future::pending().await,
            Answers::Pass if number <= *shared.silent.borrow() => return std::future::pending().await,
            Answers::Pass => {}
        }
        let read = read?;
        if read == 0 {
            return Ok(());
        }
        to.write_all(buffer.get(..read).unwrap_or_default()).await?;
    }
}
