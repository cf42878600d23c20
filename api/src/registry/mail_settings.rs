//! Which mails people get: changed by themselves, or ended by the link of a mail.

use scoped_futures::ScopedFutureExt;
use uuid::Uuid;

use std::collections::BTreeSet;

use super::{Interrupted, attempt};
use crate::app::App;
use crate::refusal::Failure;
use crate::store::mail_settings::{self, Mode};
use crate::store::{Txn, people};

/// Ends all mails to a person whose link was checked. Unknown and erased people have none.
///
/// # Errors
/// If the database fails.
pub(crate) async fn unsubscribe(app: &App, person: Uuid) -> Result<(), Failure> {
    attempt(app, |txn, _| async move { Ok((unsubscribe_within(app, txn, person).await?, None)) }.scope_boxed()).await
}

async fn unsubscribe_within(app: &App, txn: &Txn, person: Uuid) -> Result<(), Interrupted> {
    let locked = people::lock(txn, &BTreeSet::from([person])).await?;
    if !locked.iter().any(|row| row.erased_at.is_none()) {
        return Ok(());
    }
    let chosen = mail_settings::of_people(txn, [person]).await?.pop();
    let before = chosen.unwrap_or_else(|| app.config.mail.usual_settings(person));
    let after = mail_settings::Row {
        mode: Mode::None,
        copies: false,
        weekly_summary: false,
        streak_reminder: false,
        updated_at: app.clock.now(),
        ..before
    };
    mail_settings::put(txn, after).await?;
    Ok(())
}
