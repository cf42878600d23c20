//! The identity of a socket's client, and the look-up that confirms it before each operation.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::app::App;
use crate::budget::Subject;
use crate::http::answer::explain;
use crate::http::identity::{self, Identity};
use crate::http::operation::charge_bad_request;
use crate::refusal::{Code, Failure, Reason, Refusal};
use crate::store;

/// The client of a socket.
pub(super) struct Introduction {
    /// The caller, until its token ends.
    pub(super) identity: Identity,
    /// The subject that its operations are charged to.
    pub(super) subject: Subject,
    /// How many confirmations have been requested so far.
    wanted: AtomicU64,
    /// The number of the last confirmation that the last look-up covers, and the result of that look-up.
    last: Mutex<(u64, Result<(), Refusal>)>,
}

/// Verifies the authorization of `connection_init` and looks up the person.
///
/// # Errors
/// `UNAUTHENTICATED` if the token is not valid. An error if the database fails or does not respond in time.
pub(super) async fn introduce(
    app: &App,
    authorization: Option<String>,
    address: Option<IpAddr>,
) -> Result<Introduction, Failure> {
    let identity = match authorization {
        Some(text) => {
            let believed = in_time(app, identity::of_authorization(app, &text, in_all(app))).await;
            // An invalid token is charged to the address and stays UNAUTHENTICATED, so that its client gets a new
            // one. A failure of the database costs nothing.
            if let Err(Failure::Refused(refusal)) = &believed
                && refusal.code == Code::Unauthenticated
            {
                let _ = charge_bad_request(app, &Subject::of(None, address));
            }
            believed?
        }
        None => Identity::default(),
    };
    let subject = Subject::of(identity.actor.as_ref(), address);
    Ok(Introduction { identity, subject, wanted: AtomicU64::new(0), last: Mutex::new((0, Ok(()))) })
}

impl Introduction {
    /// Confirms that the caller still has the role of its token. Operations that arrive during a look-up share
    /// the next one, so each is confirmed by a look-up that began after it arrived.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` if the role has changed or the token has expired. An error if the database fails.
    pub(super) async fn confirm(&self, app: &App) -> Result<(), Refusal> {
        let place = self.wanted.fetch_add(1, Ordering::SeqCst) + 1;
        let mut last = self.last.lock().await;
        if last.0 < place {
            let newest = self.wanted.load(Ordering::SeqCst);
            let confirmed = in_time(app, self.identity.confirm(app, in_all(app))).await;
            *last = (newest, confirmed.map_err(|failure| explain(failure).1));
        }
        last.1.clone()?;
        if self.identity.expires_at().is_some_and(|ends| app.clock.now() >= ends) {
            let message = "The token has expired: connect again with a new one.";
            return Err(Refusal::new(Code::Unauthenticated, message).because(Reason::TokenExpired));
        }
        Ok(())
    }
}

/// The total time that a look-up may take.
fn in_all(app: &App) -> Duration {
    Duration::from_secs(app.config.limits.request_seconds)
}

async fn in_time<T>(app: &App, look_up: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    timeout(in_all(app), look_up).await.unwrap_or(Err(Failure::Store(store::Error::Busy)))
}
