//! Mails: the target of the settings, and one attempt to send one mail.

mod compose;
mod letter;
mod smtp;
pub(crate) mod unsubscribe;
mod wire;

use std::path::{Path, PathBuf};
use std::time::Duration;

use lettre::address::Envelope;
use lettre::message::Mailbox;
use tracing::Instrument;
use tracing::field::Empty;

use self::compose::Frame;
use self::letter::Unsent;
use self::smtp::Smtp;
use super::retry::Outcome;
use crate::app::App;
use crate::config::{Config, MailConfig, MailTarget};
use crate::store::{self, Database, deliveries};
use crate::{trace, words};

/// Where mails go.
pub(crate) enum Mailer {
    /// Nowhere: no mails are planned.
    Off,
    /// A folder; each mail is a file that mail programs open.
    Folder(PathBuf),
    /// A mail server.
    Smtp(Smtp),
}

impl Mailer {
    /// The target of the settings. Creates its folder; opens no connection.
    ///
    /// # Errors
    /// Why it cannot be used, and what to do.
    pub(crate) fn new(config: &Config) -> Result<Self, String> {
        match &config.mail.target {
            None => Ok(Self::Off),
            Some(MailTarget::Folder(folder)) => {
                std::fs::create_dir_all(folder).map_err(|error| {
                    format!(
                        "the folder of mails {} cannot be created ({error}): see PLAUDIT_MAIL_URL",
                        folder.display()
                    )
                })?;
                Ok(Self::Folder(folder.clone()))
            }
            Some(MailTarget::Smtp(server)) => Smtp::new(config, server.clone()).map(Self::Smtp),
        }
    }

    async fn send(
        &self,
        db: &Database,
        delivery: &deliveries::Row,
        envelope: &Envelope,
        mail: Vec<u8>,
    ) -> Outcome {
        match self {
            Self::Off => Outcome::Later("mail is off (mail.url)".to_owned()),
            Self::Folder(folder) => write(folder, delivery, mail).await,
            Self::Smtp(smtp) => smtp.send(envelope, &mail, doubt(db, delivery)).await,
        }
    }
}

/// The longest time of one attempt: to connect, to announce the mail, and to have it accepted.
pub(super) fn longest_attempt(config: &MailConfig) -> Duration {
    config.timeout * (2 + smtp::ACCEPTANCE)
}

/// One attempt to send a mail.
pub(super) async fn send(app: &App, delivery: &deliveries::Row) -> Outcome {
    let read = {
        let _turn = app.delivery_reads.acquire().await;
        letter::read(app, delivery).await
    };
    let letter = match read {
        Ok(Ok(letter)) => letter,
        Ok(Err(Unsent::Never(reason))) => return Outcome::Skipped(reason),
        Ok(Err(Unsent::Until(at))) => return Outcome::Waits(at),
        Err(error) => {
            tracing::warn!(error = error.chain(), delivery = %delivery.id, "a mail's content cannot be read");
            return Outcome::Later("the database failed".to_owned());
        }
    };
    let config = &app.config.mail;
    let Some(address) = letter.reader.email.as_deref().and_then(|email| email.parse().ok()) else {
        return Outcome::Refused("the person's address is not valid".to_owned());
    };
    let to = Mailbox::new(Some(letter.reader.display_name.clone()), address);
    let Ok(envelope) = Envelope::new(Some(config.from.email.clone()), vec![to.email.clone()]) else {
        return Outcome::Refused("the person's address is not valid".to_owned());
    };
    let words = words::of(letter.reader.locale.as_deref(), &config.language);
    let frame = Frame {
        id: delivery.id,
        from: config.from.clone(),
        to,
        link: config.link.as_ref().unwrap_or(&app.config.public_url).to_string(),
        unsubscribe: app.unsubscribing.url(&app.config.public_url, letter.reader.id),
        date: app.clock.now().into(),
    };
    // Pictures take milliseconds of processor time.
    let written = tokio::task::spawn_blocking(move || compose::mail(&letter, words, &frame)).await;
    match written {
        Ok(Some(mail)) => {
            let span = tracing::debug_span!(
                target: trace::TARGET,
                "deliver a mail",
                otel.kind = "client",
                delivery = %delivery.id,
                attempt = i64::from(delivery.attempts),
                otel.status_code = Empty,
            );
            let sent = app.mailer.send(&app.db, delivery, &envelope, mail).instrument(span.clone()).await;
            if sent != Outcome::Delivered {
                span.record("otel.status_code", "ERROR");
            }
            sent
        }
        Ok(None) | Err(_) => Outcome::Refused("it cannot be written; the log has the error".to_owned()),
    }
}

/// Notes that the mail may be delivered from now on. If the process ends before the result is stored, the note stays.
async fn doubt(db: &Database, delivery: &deliveries::Row) -> Result<(), Outcome> {
    let noted = async {
        let txn = db.begin().await?;
        let is_ours = deliveries::doubt(&txn, delivery.id, delivery.fence).await?;
        txn.commit().await?;
        Ok::<bool, store::Error>(is_ours)
    };
    match noted.await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Outcome::Later("another process has taken it over".to_owned())),
        Err(_) => Err(Outcome::Later("the database failed".to_owned())),
    }
}

/// Writes a mail as a file. The file has its name only when it is complete; a second attempt replaces it.
async fn write(folder: &Path, delivery: &deliveries::Row, mail: Vec<u8>) -> Outcome {
    let (part, whole) =
        (folder.join(format!("{}.part", delivery.id)), folder.join(format!("{}.eml", delivery.id)));
    let written = tokio::task::spawn_blocking(move || {
        std::fs::write(&part, mail)?;
        std::fs::rename(&part, &whole)
    });
    match written.await {
        Ok(Ok(())) => Outcome::Delivered,
        Ok(Err(error)) => {
            Outcome::Failed(format!("the folder of mails cannot be written ({})", error.kind()))
        }
        Err(_) => Outcome::Failed("the folder of mails cannot be written".to_owned()),
    }
}
