//! The baseline on PostgreSQL. A proxy records the bytes that a server sends to PostgreSQL while it records events. The
//! benchmark sends the same bytes again, over as many connections, to a new database with the same people. So the same
//! statements write the same rows, without the engine and without GraphQL. Its connections have no TLS.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use url::Url;

/// A proxy in front of PostgreSQL that records the bytes of its clients.
pub(crate) struct Recorder {
    url: Url,
    sent: Arc<Mutex<Vec<Vec<u8>>>>,
    connections: JoinSet<()>,
}

impl Recorder {
    /// Records the connections to this database.
    pub(crate) async fn before(database: &str) -> Self {
        let mut url = Url::parse(database).unwrap();
        let server = address(&url);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        // Without TLS, because the proxy reads the traffic.
        url.set_query(Some("sslmode=disable"));
        let sent = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&sent);
        let mut connections = JoinSet::new();
        connections.spawn(async move {
            let mut accepted = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                let number = {
                    let mut kept = kept.lock().unwrap();
                    kept.push(Vec::new());
                    kept.len() - 1
                };
                accepted.spawn(forward(client, server, number, Arc::clone(&kept)));
            }
        });
        Self { url, sent, connections }
    }

    /// The database's URL through the proxy.
    pub(crate) fn url(&self) -> String {
        self.url.to_string()
    }

    /// Closes the connections. Returns the bytes of each connection that inserted events.
    pub(crate) async fn end(mut self) -> Vec<Vec<u8>> {
        self.connections.shutdown().await;
        let mut sent = std::mem::take(&mut *self.sent.lock().unwrap());
        let insert = b"INSERT INTO \"events\"";
        sent.retain(|bytes| bytes.windows(insert.len()).any(|some| some == insert));
        sent
    }
}

async fn forward(client: TcpStream, server: TcpStream, number: usize, kept: Arc<Mutex<Vec<Vec<u8>>>>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let requests = async {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = from_client.read(&mut buffer).await?;
            if read == 0 {
                return io::Result::Ok(());
            }
            kept.lock().unwrap()[number].extend(&buffer[..read]);
            to_server.write_all(&buffer[..read]).await?;
        }
    };
    tokio::select! {
        _ = requests => {}
        _ = tokio::io::copy(&mut from_server, &mut to_client) => {}
    }
}

/// Sends the recorded requests to another database; returns the duration in seconds. Panics if PostgreSQL reports an error.
pub(crate) async fn replay(sent: &[Vec<u8>], database: &str) -> f64 {
    let url = Url::parse(database).unwrap();
    let opened = join_all(sent.iter().map(async |bytes| {
        let mut connection = TcpStream::connect(address(&url)).await.unwrap();
        connection.set_nodelay(true).unwrap();
        let (start, rest) = bytes.split_at(length(bytes));
        connection.write_all(&at(start, url.path().trim_start_matches('/'))).await.unwrap();
        until_ready(&mut connection).await;
        (connection, rest)
    }));
    let opened = opened.await;
    let start = Instant::now();
    let running = opened.into_iter().map(|(connection, rest)| {
        let requests: Vec<Vec<u8>> = requests(rest).into_iter().map(<[u8]>::to_vec).collect();
        tokio::spawn(async move {
            let mut connection = connection;
            for request in requests {
                connection.write_all(&request).await.unwrap();
                until_ready(&mut connection).await;
            }
        })
    });
    for ended in join_all(running).await {
        ended.unwrap();
    }
    start.elapsed().as_secs_f64()
}

fn address(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432))
}

/// The length in these bytes: of the startup message, or of a message after its kind.
fn length(bytes: &[u8]) -> usize {
    u32::from_be_bytes(bytes[..4].try_into().unwrap()).try_into().unwrap()
}

/// The same startup message for another database.
fn at(start: &[u8], database: &str) -> Vec<u8> {
    let mut words: Vec<&[u8]> = start[8..].split(|byte| *byte == 0).collect();
    let name = words.iter().position(|word| *word == b"database").expect("a connection names its database");
    words[name + 1] = database.as_bytes();
    let body = words.join(&0);
    let length = u32::try_from(body.len() + 8).unwrap().to_be_bytes();
    [&length, &start[4..8], &body].concat()
}

/// The requests in these bytes: each ends with a Sync or is one Query. An incomplete one at the end is omitted.
fn requests(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut requests = Vec::new();
    let mut end = 0;
    while let Some(head) = bytes.get(end..end + 5) {
        end += 1 + length(&head[1..]);
        if matches!(head[0], b'S' | b'Q') && end <= bytes.len() {
            let (request, rest) = bytes.split_at(end);
            requests.push(request);
            (bytes, end) = (rest, 0);
        }
    }
    requests
}

/// Reads the answers up to "ready for query".
async fn until_ready(connection: &mut TcpStream) {
    let mut body = Vec::new();
    loop {
        let kind = connection.read_u8().await.unwrap();
        let length = connection.read_u32().await.unwrap();
        body.resize(usize::try_from(length).unwrap() - 4, 0);
        connection.read_exact(&mut body).await.unwrap();
        assert!(kind != b'E', "PostgreSQL refuses: {}", String::from_utf8_lossy(&body));
        if kind == b'Z' {
            return;
        }
    }
}
