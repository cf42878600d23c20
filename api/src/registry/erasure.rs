//! Erasure: what identifies a person is removed, and what they did stays as numbers.
//! Events, awards and ledger are what others' ranks and the check stand on, so they lose their words only.

use std::collections::HashMap;

use uuid::Uuid;

use super::audit::{self, Act, Author};
use super::{Interrupted, attempt_alone};
use crate::app::App;
use crate::auth::policy::{self, Action, Seen};
use crate::pipeline::OWN_SOURCE;
use crate::refusal::{Code, Failure, Refusal};
use crate::store::{Txn, events, holdings, metrics, people, scope};
use crate::text;

/// What is written where somebody's name was.
const NAME: &str = "Erased person";
/// What is written where a certificate has to say something.
const WORD: &str = "Erased";

/// Removes what identifies a person; answers them as they are from now on.
///
/// # Errors
/// FORBIDDEN by role, and at `userId` for oneself; `NOT_FOUND`; or when the database fails.
pub(crate) async fn erase(app: &App, author: &Author, person: Uuid) -> Result<people::Row, Failure> {
    policy::reach(&author.actor, Action::ErasePerson)?;
    if author.actor.person() == Some(person) {
        let message = "Nobody erases themselves: ask another super admin.";
        return Err(Refusal::new(Code::Forbidden, message).at(["userId"]).because("OWN_ERASURE").into());
    }
    attempt_alone(app, |txn, _| async move { Ok((erase_within(app, &txn, author, person).await?, None)) })
        .await
}

async fn erase_within(
    app: &App,
    txn: &Txn,
    author: &Author,
    person: Uuid,
) -> Result<people::Row, Interrupted> {
    let reach = policy::reach(&author.actor, Action::ErasePerson)?;
    let before = people::lock(txn, &[person].into()).await?.pop().ok_or_else(no_person)?;
    let seen = scope::see(txn, &reach, person).await?.ok_or_else(no_person)?;
    let now = app.clock.now();
    let row = people::Row {
        display_name: NAME.to_owned(),
        search_name: text::folded(NAME),
        email: None,
        timezone: app.config.timezone.name().to_owned(),
        locale: None,
        updated_at: now,
        erased_at: Some(now),
        ..before
    };
    people::update(txn, row.clone()).await?;
    holdings::end_relations(txn, seen, now).await?;
    holdings::blank_words(txn, seen).await?;
    holdings::blank_certificates(txn, seen, now, WORD).await?;
    rename_events(txn, seen).await?;
    audit::note(txn, author, Act::ErasePerson, [(Some(person), None)], now).await?;
    Ok(row)
}

/// The ids that senders gave a person's events may say who it was. The new ones stand in the order of the old,
/// because that order decides which of two events at one moment comes first in a run.
async fn rename_events(txn: &Txn, person: Seen) -> Result<(), Interrupted> {
    let mut sent = events::of_person(txn, person.person()).await?;
    // Our own ids are made of other ids, and are how we know what we have sent.
    sent.retain(|event| event.source != OWN_SOURCE);
    sent.sort_by(|a, b| (&a.source, &a.external_id).cmp(&(&b.source, &b.external_id)));
    let mut names = HashMap::with_capacity(sent.len());
    let mut of_run = HashMap::with_capacity(sent.len());
    for (place, event) in sent.into_iter().enumerate() {
        let name = format!("erased:{place:012}:{}", event.id);
        of_run.insert((event.source, event.external_id), name.clone());
        names.insert(event.id, name);
    }
    let mut runs = metrics::of_people(txn, [person.person()]).await?;
    runs.retain_mut(|metric| {
        let at = metric.run_source.clone().zip(metric.run_external_id.clone());
        let name = at.and_then(|at| of_run.get(&at).cloned());
        let stands = name.is_some();
        metric.run_external_id = name.or_else(|| metric.run_external_id.take());
        stands
    });
    Ok(holdings::rename_events(txn, &names, &runs).await?)
}

fn no_person() -> Refusal {
    let message = "No person with this id is within what you may see.";
    Refusal::new(Code::NotFound, message).at(["userId"]).because("PERSON_NOT_FOUND")
}
