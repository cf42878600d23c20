//! A gate between a server and PostgreSQL that stops a transaction where a test wants it, for the server to
//! be killed there.

use std::net::SocketAddr;
use std::sync::Arc;

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
    /// Before its so-many-th statement reaches the database; `BEGIN` is the first. That a statement is prepared
    /// does not count: whether it was before depends on what else its connection has done.
    Before(usize),
    /// After the database has committed, before the server hears of it.
    Committed,
}

/// The gate. When it goes, so do all connections through it.
pub struct Gate {
    address: SocketAddr,
    stop: watch::Sender<Stop>,
    stopped: watch::Receiver<Option<bool>>,
    _connections: JoinSet<()>,
}

/// What every connection through the gate knows.
#[derive(Clone)]
struct Shared {
    stop: watch::Receiver<Stop>,
    stopped: Arc<watch::Sender<Option<bool>>>,
}

impl Gate {
    /// A gate before the server that this database lives on.
    pub async fn before(database: &Database) -> Self {
        let url = Url::parse(&database.url()).expect("the database's URL is one");
        let host = url.host_str().expect("PostgreSQL is reached over TCP").to_owned();
        let server = (host, url.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let (stop, watched) = watch::channel(Stop::Never);
        let (stopped, was_stopped) = watch::channel(None);
        let shared = Shared { stop: watched, stopped: Arc::new(stopped) };
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(server.clone()).await.expect("PostgreSQL answers");
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                let (committing, commits) = watch::channel(false);
                connections.spawn(requests(from_client, to_server, shared.clone(), committing));
                connections.spawn(answers(from_server, to_client, shared.clone(), commits));
            }
        });
        Self { address, stop, stopped: was_stopped, _connections: accepting }
    }

    /// The database's URL through the gate, in the clear: a gate has to read what passes.
    pub fn url(&self, database: &Database) -> String {
        let mut url = Url::parse(&database.url()).expect("the database's URL is one");
        url.set_host(Some(&self.address.ip().to_string())).expect("an address is a host");
        url.set_port(Some(self.address.port())).expect("a URL of a server takes a port");
        url.set_query(Some("sslmode=disable"));
        url.into()
    }

    /// Stops whichever transaction gets there first from now on.
    pub fn set(&self, stop: Stop) {
        self.stop.send_replace(stop);
    }

    /// Waits until a transaction has been stopped; says whether it asked for its commit.
    pub async fn stopped(&self) -> bool {
        let mut stopped = self.stopped.clone();
        let stopped = stopped.wait_for(Option::is_some).await.expect("the gate stands");
        *stopped == Some(true)
    }
}

/// From the server we test to the database, a request at a time.
async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    shared: Shared,
    committing: watch::Sender<bool>,
) -> std::io::Result<()> {
    // What opens a connection has no kind before its length.
    to.write_all(&message(&mut from).await?).await?;
    let (mut request, mut executes, mut nth) = (Vec::new(), false, 0);
    loop {
        let kind = from.read_u8().await?;
        let message = message(&mut from).await?;
        let body = message.get(4..).unwrap_or_default();
        request.push(kind);
        request.extend(&message);
        executes |= matches!(kind, b'E' | b'Q');
        // A request ends with a Sync, or is a Query by itself; all before it goes with it.
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
        committing.send_replace(commits && stop == Stop::Committed);
        to.write_all(&request).await?;
        request.clear();
        executes = false;
        nth = if commits || body.starts_with(b"ROLLBACK") { 0 } else { nth };
    }
}

/// A length and as much as it says.
async fn message(from: &mut OwnedReadHalf) -> std::io::Result<Vec<u8>> {
    let length = from.read_u32().await?;
    let mut message = length.to_be_bytes().to_vec();
    message.resize(usize::try_from(length).unwrap_or(4), 0);
    from.read_exact(message.get_mut(4..).unwrap_or_default()).await?;
    Ok(message)
}

/// From the database to the server we test, unless that should not hear of its commit.
async fn answers(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    shared: Shared,
    committing: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        if *committing.borrow() {
            shared.stopped.send_replace(Some(true));
            return std::future::pending().await;
        }
        to.write_all(buffer.get(..read).unwrap_or_default()).await?;
    }
}
