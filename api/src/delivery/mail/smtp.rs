//! Sends mails to a mail server, step by step, so that it is known whether a mail that failed can have been delivered.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use deadpool::managed::{self, Metrics, Object, Pool, RecycleError, RecycleResult};
use lettre::address::Envelope;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use lettre::transport::smtp::response::{Response, Severity};
use rustls::ClientConfig;
use tokio::time::timeout;

use super::wire::{Broken, Wire, with_enhanced};
use crate::config::{Config, SmtpServer};
use crate::delivery::retry::Outcome;
use crate::delivery::tls;

/// How much longer than for another step a server may take to accept a mail, because it checks the mail. To give up too early
/// means a duplicate.
pub(super) const ACCEPTANCE: u32 = 4;
/// How to log in.
const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];
/// An idle connection older than this is closed, because servers close theirs.
const IDLE: Duration = Duration::from_secs(10);

/// A mail server with a pool of connections.
pub(crate) struct Smtp {
    pool: Pool<Opener>,
    step: Duration,
}

/// Opens connections to the server.
struct Opener {
    server: SmtpServer,
    hello: ClientId,
    tls: Arc<ClientConfig>,
    step: Duration,
}

/// Why a connection cannot be opened.
#[derive(Debug)]
enum Closed {
    /// There is no connection.
    Broken(Broken),
    /// No greeting, or no login.
    Smtp(Error),
    /// The server offers no login, although the settings have a password.
    NoLogin,
    /// It takes too long.
    Late,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(broken) => write!(f, "{broken}"),
            Self::NoLogin => f.write_str("the mail server takes no password on this connection (mail.url)"),
            Self::Smtp(error) => match code(error) {
                Some(code) => write!(f, "the mail server refuses the connection or the password ({code})"),
                None => f.write_str("the mail server cannot be reached"),
            },
            Self::Late => f.write_str("the mail server does not answer in time"),
        }
    }
}

impl std::error::Error for Closed {}

impl From<Error> for Closed {
    fn from(error: Error) -> Self {
        Self::Smtp(error)
    }
}

impl managed::Manager for Opener {
    type Type = AsyncSmtpConnection;
    type Error = Closed;

    async fn create(&self) -> Result<AsyncSmtpConnection, Closed> {
        timeout(self.step, self.open()).await.unwrap_or(Err(Closed::Late))
    }

    async fn recycle(
        &self,
        connection: &mut AsyncSmtpConnection,
        metrics: &Metrics,
    ) -> RecycleResult<Closed> {
        if connection.has_broken() || metrics.last_used() >= IDLE {
            return Err(RecycleError::message("the connection is broken or old"));
        }
        Ok(())
    }
}

impl Opener {
    async fn open(&self) -> Result<AsyncSmtpConnection, Closed> {
        let wire = Wire::open(&self.server, &self.tls, &self.hello).await.map_err(Closed::Broken)?;
        let mut connection = AsyncSmtpConnection::connect_with_transport(Box::new(wire), &self.hello).await?;
        if let Some((user, password)) = &self.server.login {
            if connection.server_info().get_auth_mechanism(&MECHANISMS).is_none() {
                return Err(Closed::NoLogin);
            }
            let credentials = Credentials::new(user.clone(), password.clone());
            connection.auth(&MECHANISMS, &credentials).await?;
        }
        Ok(connection)
    }
}

impl Smtp {
    /// A server of the settings. No connection is opened yet.
    ///
    /// # Errors
    /// If the certificates of the settings cannot be used, with what to do.
    pub(super) fn new(config: &Config, server: SmtpServer) -> Result<Self, String> {
        let tls = Arc::new(tls::client(config)?);
        let hello = ClientId::Domain(config.mail.from.email.domain().to_owned());
        let opener = Opener { server, hello, tls, step: config.mail.timeout };
        let pool = Pool::builder(opener).max_size(config.mail.connections).build();
        Ok(Self { pool: pool.map_err(|error| error.to_string())?, step: config.mail.timeout })
    }

    /// Sends one mail to one address. `before_content` is done when the next step may deliver the mail, and can stop it.
    pub(super) async fn send(
        &self,
        envelope: &Envelope,
        mail: &[u8],
        before_content: impl Future<Output = Result<(), Outcome>>,
    ) -> Outcome {
        let mut connection = match self.pool.get().await {
            Ok(connection) => connection,
            Err(managed::PoolError::Backend(closed)) => return Outcome::Failed(closed.to_string()),
            Err(_) => return Outcome::Later("no connection to the mail server is free".to_owned()),
        };
        let outcome = converse(&mut connection, envelope, mail, self.step, before_content).await;
        if outcome != Outcome::Delivered {
            // What the server expects next is uncertain.
            drop(Object::take(connection));
        }
        outcome
    }

    /// Opens a connection as for a mail, without sending one.
    ///
    /// # Errors
    /// Why it cannot be opened.
    pub(crate) async fn probe(&self) -> Result<(), String> {
        match self.pool.get().await {
            Ok(_) => Ok(()),
            Err(managed::PoolError::Backend(closed)) => Err(closed.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// One mail over an open connection.
async fn converse(
    connection: &mut AsyncSmtpConnection,
    envelope: &Envelope,
    mail: &[u8],
    step: Duration,
    before_content: impl Future<Output = Result<(), Outcome>>,
) -> Outcome {
    match timeout(step, announce(connection, envelope)).await {
        Ok(Ok(())) => {}
        Ok(Err(refused)) => return refused,
        Err(_) => return Outcome::Failed("the mail server does not answer in time".to_owned()),
    }
    if let Err(stopped) = before_content.await {
        return stopped;
    }
    match timeout(step * ACCEPTANCE, connection.message(mail)).await {
        Ok(Ok(answer)) if answer.code().severity == Severity::PositiveCompletion => Outcome::Delivered,
        Ok(Ok(_)) => Outcome::Unknown("the mail server did not say that it accepts the mail".to_owned()),
        Ok(Err(error)) if error.status().is_some() => refusal("the mail", &error),
        Ok(Err(_)) => {
            Outcome::Unknown("the connection ended before the mail server accepted the mail".to_owned())
        }
        Err(_) => Outcome::Unknown("the mail server did not accept the mail in time".to_owned()),
    }
}

/// The commands before the content.
async fn announce(connection: &mut AsyncSmtpConnection, envelope: &Envelope) -> Result<(), Outcome> {
    let mut parameters = Vec::new();
    let addresses = envelope.to().iter().chain(envelope.from());
    if addresses.map(AsRef::<str>::as_ref).any(|address| !address.is_ascii()) {
        if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
            return Err(Outcome::Refused("the mail server takes only ASCII addresses".to_owned()));
        }
        parameters.push(MailParameter::SmtpUtfEight);
    }
    let of = |what: &'static str| move |error: Error| refusal(what, &error);
    // A refusal of the sender or of the connection is a wrong setting, which an operator corrects.
    let for_now = |what: &'static str| {
        move |error: Error| match refusal(what, &error) {
            Outcome::Refused(reason) => Outcome::Failed(reason),
            other => other,
        }
    };
    let _: Response = connection
        .command(Mail::new(envelope.from().cloned(), parameters))
        .await
        .map_err(for_now("the sender"))?;
    for to in envelope.to() {
        connection.command(Rcpt::new(to.clone(), Vec::new())).await.map_err(of("the recipient"))?;
    }
    let answer: Response = connection.command(Data).await.map_err(of("the mail"))?;
    if answer.code().severity == Severity::PositiveIntermediate {
        return Ok(());
    }
    Err(Outcome::Failed("the mail server does not ask for the content of the mail".to_owned()))
}

/// The outcome of a negative answer: for good with 5xx, for now with 4xx or without an answer. The server's text may contain
/// addresses, so only its codes are kept.
fn refusal(what: &str, error: &Error) -> Outcome {
    match code(error) {
        Some(code) if error.is_permanent() => {
            Outcome::Refused(format!("the mail server refuses {what} ({code})"))
        }
        Some(code) => Outcome::Failed(format!("the mail server does not accept {what} now ({code})")),
        None => Outcome::Failed("the connection to the mail server ended".to_owned()),
    }
}

/// The code of an answer, such as `550 5.1.1`.
fn code(error: &Error) -> Option<String> {
    let status = error.status()?;
    Some(with_enhanced(&status.to_string(), &error.to_string()))
}
