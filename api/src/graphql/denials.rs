//! Logs refusals: one line for each kind of refusal in a response, with the caller, the operation and the code. A line
//! contains no token, no person's name and no text from the client.

use std::cell::RefCell;
use std::mem::take;

use futures_util::stream::{self, Stream};

use super::context::Caller;
use super::reason::ErrorReason;
use crate::auth::Actor;
use crate::refusal::{Code, Reason, Refusal};

tokio::task_local! {
    /// The refusals in the current response so far.
    static REFUSED: RefCell<Refused>;
}

/// The kinds of refusals with their number, so that a call with 500 refused rows logs one line.
type Refused = Vec<(Code, Option<Reason>, u64)>;

/// Counts a refusal that becomes part of the current response.
pub(super) fn note(refusal: &Refusal) {
    if !refusal.code.is_denial() {
        return;
    }
    // Outside of an operation there is no current response.
    let _ = REFUSED.try_with(|refused| {
        let mut refused = refused.borrow_mut();
        let kind = (refusal.code, refusal.reason);
        match refused.iter_mut().find(|(code, reason, _)| (*code, *reason) == kind) {
            Some((_, _, times)) => *times += 1,
            None => refused.push((refusal.code, refusal.reason, 1)),
        }
    });
}

/// Logs a refusal that happened before the operation ran.
pub(crate) fn turned_away(caller: &Caller, refusal: &Refusal) {
    // The messages of these codes describe the token or a limit. Other messages may repeat text from the client.
    let why = matches!(refusal.code, Code::Unauthenticated | Code::RateLimited).then_some(&*refusal.message);
    if refusal.code.is_denial() || why.is_some() {
        log(caller, None, why, (refusal.code, refusal.reason, 1));
    }
}

fn log(
    caller: &Caller,
    operation: Option<&str>,
    why: Option<&str>,
    (code, reason, times): (Code, Option<Reason>, u64),
) {
    let actor = caller.actor.as_ref().map(Actor::name);
    let role = caller.actor.as_ref().map(|actor| actor.role().as_str());
    tracing::warn!(
        code = code.as_str(),
        reason = reason.map(|reason| ErrorReason::from(reason).name()),
        why,
        times,
        actor = actor.as_deref(),
        role,
        operation,
        request_id = &*caller.request_id,
        "denied"
    );
}

/// The caller and the operation, for the log.
pub(crate) struct Asked {
    /// The caller.
    pub(crate) caller: Caller,
    /// Its kind and the fields at its root, such as `mutation awardBadge`.
    pub(crate) operation: String,
}

impl Asked {
    /// Awaits the response, then logs the refusals in it.
    pub(crate) async fn run<F: Future>(self, answer: F) -> F::Output {
        let answer = async {
            let answer = answer.await;
            self.log_all(REFUSED.with(RefCell::take));
            answer
        };
        REFUSED.scope(RefCell::default(), answer).await
    }

    /// The same for a subscription, which has many responses.
    pub(crate) fn follow<S: Stream + Send + 'static>(self, answers: S) -> impl Stream<Item = S::Item> + Send {
        let mut answers = Box::pin(answers);
        let mut refused = Refused::default();
        stream::poll_fn(move |cx| {
            let poll = || (answers.as_mut().poll_next(cx), REFUSED.with(RefCell::take));
            let (polled, noted) = REFUSED.sync_scope(RefCell::new(take(&mut refused)), poll);
            refused = noted;
            if polled.is_ready() {
                self.log_all(take(&mut refused));
            }
            polled
        })
    }

    fn log_all(&self, refused: Refused) {
        for kind in refused {
            log(&self.caller, Some(&self.operation), None, kind);
        }
    }
}
