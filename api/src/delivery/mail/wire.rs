//! The connection to a mail server: TCP, encrypted by TLS if the settings or the server say so. What the server says between two
//! commands has a limit, so that a hostile one cannot fill the memory.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use lettre::transport::smtp::client::AsyncTokioStream;
use lettre::transport::smtp::extension::ClientId;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::config::{SmtpServer, Tls};

/// Bytes of the server's answer to one command.
const ANSWER: usize = 16 * 1_024;
/// The greeting that the library waits for on a connection whose greeting was read here.
const GREETING: &[u8] = b"220 ready\r\n";

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum Broken {
    /// The network failed, or the server broke the protocol.
    Io(io::Error),
    /// The server refuses, with this code.
    Refused(String),
    /// The server offers no STARTTLS, which the settings require.
    NoTls,
    /// The server sends more than its answer before the encryption begins.
    Injected,
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) if error.to_string().contains("certificate") => {
                f.write_str("the mail server's certificate is not accepted (ca_file)")
            }
            Self::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                f.write_str("the mail server refuses connections at this address and port (mail.url)")
            }
            Self::Io(_) => f.write_str("the mail server cannot be reached"),
            Self::Refused(code) => write!(f, "the mail server refuses the connection ({code})"),
            Self::NoTls => {
                f.write_str("the mail server offers no encryption (STARTTLS), which mail.url requires")
            }
            Self::Injected => f.write_str(
                "something between here and the mail server adds text before the encryption begins",
            ),
        }
    }
}

/// A connection.
#[derive(Debug)]
pub(super) struct Wire {
    stream: Stream,
    /// What the library reads first.
    before: &'static [u8],
    /// Bytes that the server may still send before the next command.
    left: usize,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Encrypted(Box<TlsStream<TcpStream>>),
}

impl Wire {
    /// Connects, and begins the encryption.
    ///
    /// # Errors
    /// Why there is no connection.
    pub(super) async fn open(
        server: &SmtpServer,
        tls: &Arc<ClientConfig>,
        hello: &ClientId,
    ) -> Result<Self, Broken> {
        let mut tcp = TcpStream::connect((server.host.as_str(), server.port)).await?;
        tcp.set_nodelay(true)?;
        let encrypts = match server.tls {
            Tls::Never => return Ok(Self::of(Stream::Plain(tcp), b"")),
            Tls::Always => return Ok(Self::of(encrypted(tcp, server, tls).await?, b"")),
            Tls::Required | Tls::Offered => begins_tls(&mut tcp, hello).await?,
        };
        if encrypts {
            return Ok(Self::of(encrypted(tcp, server, tls).await?, GREETING));
        }
        match server.tls {
            Tls::Offered => Ok(Self::of(Stream::Plain(tcp), GREETING)),
            _ => Err(Broken::NoTls),
        }
    }

    fn of(stream: Stream, before: &'static [u8]) -> Self {
        Self { stream, before, left: ANSWER }
    }
}

async fn encrypted(tcp: TcpStream, server: &SmtpServer, tls: &Arc<ClientConfig>) -> Result<Stream, Broken> {
    let name = ServerName::try_from(server.host.clone()).map_err(io::Error::other)?;
    let stream = TlsConnector::from(Arc::clone(tls)).connect(name, tcp).await?;
    Ok(Stream::Encrypted(Box::new(stream)))
}

/// Greets the server and asks for encryption, if it offers that. Returns whether it begins now.
async fn begins_tls(tcp: &mut TcpStream, hello: &ClientId) -> Result<bool, Broken> {
    let mut server = BufReader::new(tcp);
    answer(&mut server).await?;
    server.write_all(format!("EHLO {hello}\r\n").as_bytes()).await?;
    let offers = answer(&mut server).await?;
    let is_offered =
        |line: &str| line.get(4..).is_some_and(|word| word.trim().eq_ignore_ascii_case("STARTTLS"));
    if !offers.lines().any(is_offered) {
        return Ok(false);
    }
    server.write_all(b"STARTTLS\r\n").await?;
    answer(&mut server).await?;
    // Someone in between could have added text that would count as encrypted.
    if server.buffer().is_empty() { Ok(true) } else { Err(Broken::Injected) }
}

/// A positive answer.
async fn answer(server: &mut BufReader<&mut TcpStream>) -> Result<String, Broken> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    let mut text = String::new();
    loop {
        let start = text.len();
        let left = u64::try_from(ANSWER.saturating_sub(start)).unwrap_or_default();
        (&mut *server).take(left).read_line(&mut text).await?;
        let line = text.get(start..).filter(|line| line.ends_with('\n')).ok_or_else(invalid)?;
        if line.as_bytes().get(3) != Some(&b'-') {
            break;
        }
    }
    match text.get(..3) {
        Some(code) if code.starts_with('2') => Ok(text),
        Some(code) if code.bytes().all(|byte| byte.is_ascii_digit()) => {
            Err(Broken::Refused(with_enhanced(code, &text)))
        }
        _ => Err(invalid().into()),
    }
}

/// The code of a refusal with its enhanced code, if the text has one, such as `550 5.1.1`. The other words may contain
/// addresses.
pub(super) fn with_enhanced(code: &str, text: &str) -> String {
    let is_enhanced = |word: &&str| {
        let parts: Vec<&str> = word.split('.').collect();
        let [class, subject, detail] = parts.as_slice() else { return false };
        let is_number =
            |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        matches!(*class, "4" | "5") && is_number(subject) && is_number(detail)
    };
    match text.split_whitespace().find(is_enhanced) {
        Some(enhanced) => format!("{code} {enhanced}"),
        None => code.to_owned(),
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        if !wire.before.is_empty() {
            let (now, later) = wire.before.split_at(wire.before.len().min(buffer.remaining()));
            buffer.put_slice(now);
            wire.before = later;
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = match &mut wire.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Encrypted(stream) => Pin::new(&mut **stream).poll_read(context, buffer),
        };
        match wire.left.checked_sub(buffer.filled().len().saturating_sub(before)) {
            Some(left) => wire.left = left,
            None => return Poll::Ready(Err(io::Error::from(io::ErrorKind::InvalidData))),
        }
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        wire.left = ANSWER;
        match &mut wire.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Encrypted(stream) => Pin::new(&mut **stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Encrypted(stream) => Pin::new(&mut **stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Encrypted(stream) => Pin::new(&mut **stream).poll_shutdown(context),
        }
    }
}

impl AsyncTokioStream for Wire {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.stream {
            Stream::Plain(stream) => stream.peer_addr(),
            Stream::Encrypted(stream) => stream.get_ref().0.peer_addr(),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::config::Config;
    use crate::delivery::tls;

    /// Opens a wire to a server that sends these texts, each after a line of the client.
    async fn open(encryption: Tls, texts: &'static [&'static str]) -> Result<Wire, Broken> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = tokio::spawn(async move {
            let mut client = BufReader::new(listener.accept().await.unwrap().0);
            for text in texts {
                client.write_all(text.as_bytes()).await.unwrap();
                if client.read_line(&mut String::new()).await.unwrap_or_default() == 0 {
                    return;
                }
            }
            // A client that reads on gets the last text again and again.
            while let Some(last) = texts.last()
                && client.write_all(last.as_bytes()).await.is_ok()
            {}
        });
        let server = SmtpServer { host: "127.0.0.1".to_owned(), port, tls: encryption, login: None };
        let tls = Arc::new(tls::client(&Config::demo()).unwrap());
        let wire = Wire::open(&server, &tls, &ClientId::Domain("school.example".to_owned())).await;
        serving.abort();
        wire
    }

    #[tokio::test]
    async fn text_before_the_encryption_ends_the_connection() {
        let injected = ["220 ready\r\n", "250-mail\r\n250 STARTTLS\r\n", "220 go\r\n250 ok\r\n"];
        let injected: &'static [&'static str] = Box::leak(Box::new(injected));
        for encryption in [Tls::Required, Tls::Offered] {
            assert!(matches!(open(encryption, injected).await, Err(Broken::Injected)));
        }
    }

    #[tokio::test]
    async fn without_starttls_only_a_server_that_may_be_plain_is_used() {
        let plain: &'static [&'static str] = &["220 ready\r\n", "250-mail\r\n250 SIZE 1000\r\n"];
        assert!(matches!(open(Tls::Required, plain).await, Err(Broken::NoTls)));
        let wire = open(Tls::Offered, plain).await.unwrap();
        assert!(matches!(wire.stream, Stream::Plain(_)));
    }

    #[tokio::test]
    async fn an_answer_without_end_ends_the_connection() {
        for endless in [&["220 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"], &["220-more\r\n"]] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let sending = tokio::spawn(async move {
                let (mut client, _) = listener.accept().await.unwrap();
                while client.write_all(endless[0].as_bytes()).await.is_ok() {}
            });
            let mut tcp = TcpStream::connect(address).await.unwrap();
            let answered = answer(&mut BufReader::new(&mut tcp)).await;
            assert!(matches!(answered, Err(Broken::Io(_))), "{answered:?}");
            drop(tcp);
            sending.await.unwrap();
        }
    }

    #[test]
    fn a_refusal_has_its_codes_and_no_other_word() {
        assert_eq!(with_enhanced("550", "550 5.1.1 <ada@school.example> unknown"), "550 5.1.1");
        assert_eq!(with_enhanced("421", "421 mail.example 10.0.0.1 later"), "421");
    }
}
