//! Erasure: removes the data that identifies a person, and keeps their activity as numbers.
//! Ranks of other people and the check depend on events, awards and ledger, so these lose only their texts.

use scoped_futures::ScopedFutureExt;
use uuid::Uuid;

use super::audit::{self, AuditAction, RequestContext};
use super::{Interrupted, attempt_alone, relations};
use crate::app::App;
use crate::auth::policy::{self, Action};
use crate::id;
use crate::pipeline::{OWN_SOURCE, persist};
use crate::refusal::{Code, Failure, Reason, Refusal};
use crate::store::{Txn, boards, people, personal_data, scope};
use crate::text;

/// Replaces a person's name.
const NAME: &str = "Erased person";
/// Replaces a required text of a certificate.
const WORD: &str = "Erased";

/// Removes the data that identifies a person; returns the erased person.
///
/// # Errors
/// FORBIDDEN by role, and at `userId` for the caller's own person; `NOT_FOUND`. An error if the database fails.
pub(crate) async fn erase(app: &App, request: &RequestContext, person: Uuid) -> Result<people::Row, Failure> {
    policy::reach(&request.actor, Action::ErasePerson)?;
    if request.actor.person() == Some(person) {
        let message = "You cannot erase yourself. Ask another super admin.";
        return Err(Refusal::new(Code::Forbidden, message).at(["userId"]).because(Reason::OwnErasure).into());
    }
    attempt_alone(app, |txn, _| {
        async move { Ok((erase_within(app, txn, request, person).await?, None)) }.scope_boxed()
    })
    .await
}

async fn erase_within(
    app: &App,
    txn: &Txn,
    request: &RequestContext,
    person: Uuid,
) -> Result<people::Row, Interrupted> {
    let reach = policy::reach(&request.actor, Action::ErasePerson)?;
    let before = people::lock(txn, &[person].into()).await?.pop().ok_or_else(no_person)?;
    let seen = scope::see(txn, &reach, person).await?.ok_or_else(no_person)?;
    let now = app.clock.now();
    let name = before.display_name.clone();
    let row = people::Row {
        display_name: NAME.to_owned(),
        search_name: text::folded(NAME),
        search_key: text::search_key(NAME),
        email: None,
        timezone: app.config.timezone.name().to_owned(),
        locale: None,
        updated_at: now,
        erased_at: Some(now),
        ..before
    };
    people::update(txn, row.clone()).await?;
    // Must run while the person is still the teacher of the courses.
    personal_data::rename_issuer(txn, seen, &name, now, WORD).await?;
    relations::end_learning(txn, request, seen, now).await?;
    relations::end_guarding(txn, request, seen, now).await?;
    relations::end_teaching(txn, request, seen, now).await?;
    personal_data::blank_words(txn, seen).await?;
    // Event ids from senders and printed certificate numbers may identify the person, so new ones replace them.
    let drawn = id::new(now);
    let number = format!("CERT-ERASED-{drawn}-");
    personal_data::blank_certificates(txn, seen, now, WORD, &number).await?;
    // Ids of our own events are derived from other ids. They identify what has been sent.
    personal_data::rename_events(txn, seen, OWN_SOURCE, &format!("erased:{drawn}:")).await?;
    persist::tell_erasure(txn, person, now).await?;
    audit::note(txn, request, AuditAction::ErasePerson, [(Some(person), None)], now).await?;
    boards::log(txn, &[person].into()).await?;
    Ok(row)
}

fn no_person() -> Refusal {
    let message = "No person whom you may erase has this id.";
    Refusal::not_found("userId", Reason::PersonNotFound, message)
}
