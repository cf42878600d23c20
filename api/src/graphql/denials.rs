//! Logs refusals: one line for each kind of refusal in an answer, with the caller, the operation and the code. A line
//! has no token, no name and no text of a client.

use std::cell::RefCell;
use std::mem::take;

use futures_util::stream::{self, Stream};

use super::context::Caller;
use crate::auth::Actor;
use crate::refusal::{Code, Refusal};

tokio::task_local! {
    /// What has been refused so far in the answer under way.
    static REFUSED: RefCell<Refused>;
}

/// Kinds of refusals, and how often each was met: of five hundred rows, one line is told.
type Refused = Vec<(Code, Option<&'static str>, u64)>;

/// Notes a refusal that becomes a part of the answer under way.
pub(super) fn note(refusal: &Refusal) {
    if !refusal.code.is_denial() {
        return;
    }
    // Where no operation runs there is no answer that it could be a part of.
    let _ = REFUSED.try_with(|refused| {
        let mut refused = refused.borrow_mut();
        let kind = (refusal.code, refusal.reason);
        match refused.iter_mut().find(|(code, reason, _)| (*code, *reason) == kind) {
            Some((_, _, times)) => *times += 1,
            None => refused.push((refusal.code, refusal.reason, 1)),
        }
    });
}

/// Logs a refusal that came before the operation ran.
pub(crate) fn turned_away(caller: &Caller, refusal: &Refusal) {
    // These messages are our own words about the token or a limit; others may repeat what a client sent.
    let why = matches!(refusal.code, Code::Unauthenticated | Code::RateLimited).then_some(&*refusal.message);
    if refusal.code.is_denial() || why.is_some() {
        tell(caller, None, why, (refusal.code, refusal.reason, 1));
    }
}

fn tell(
    caller: &Caller,
    operation: Option<&str>,
    why: Option<&str>,
    (code, reason, times): (Code, Option<&str>, u64),
) {
    let actor = caller.actor.as_ref().map(Actor::name);
    let role = caller.actor.as_ref().map(|actor| actor.role().as_str());
    tracing::warn!(
        code = code.as_str(),
        reason,
        why,
        times,
        actor = actor.as_deref(),
        role,
        operation,
        request_id = &*caller.request_id,
        "denied"
    );
}

/// Who asks for what.
pub(crate) struct Asked {
    /// Who.
    pub(crate) caller: Caller,
    /// Its kind and the fields at its root, such as `mutation awardBadge`.
    pub(crate) operation: String,
}

impl Asked {
    /// Answers, and then tells the log what of it was refused.
    pub(crate) async fn run<F: Future>(self, answer: F) -> F::Output {
        let answer = async {
            let answer = answer.await;
            self.tell_of(REFUSED.with(RefCell::take));
            answer
        };
        REFUSED.scope(RefCell::default(), answer).await
    }

    /// The same for an operation that answers many times.
    pub(crate) fn follow<S: Stream + Send + 'static>(self, answers: S) -> impl Stream<Item = S::Item> + Send {
        let mut answers = Box::pin(answers);
        let mut refused = Refused::default();
        stream::poll_fn(move |cx| {
            let poll = || (answers.as_mut().poll_next(cx), REFUSED.with(RefCell::take));
            let (polled, noted) = REFUSED.sync_scope(RefCell::new(take(&mut refused)), poll);
            refused = noted;
            if polled.is_ready() {
                self.tell_of(take(&mut refused));
            }
            polled
        })
    }

    fn tell_of(&self, refused: Refused) {
        for kind in refused {
            tell(&self.caller, Some(&self.operation), None, kind);
        }
    }
}
