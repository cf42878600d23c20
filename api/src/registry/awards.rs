//! Granting of badges to students, and revocation of awards. The caller is the granting person.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use scoped_futures::ScopedFutureExt;
use uuid::Uuid;

use super::audit::{self, AuditAction, RequestContext};
use super::{Interrupted, attempt};
use crate::app::App;
use crate::auth::Role;
use crate::auth::policy::{self, Action, Reach, Seen};
use crate::catalogue::{Definition, Published};
use crate::clock;
use crate::pipeline::grant::{self, BadgeGrant, Outcome, Revoking, Unawarded};
use crate::refusal::{Code, Failure, Reason, Refusal};
use crate::store::{Txn, awards, catalogue, courses, guardians, people, scope};
use crate::text;

/// A student who receives a badge.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// The student's id.
    pub(crate) student: Uuid,
    /// When it was earned; now if omitted.
    pub(crate) at: Option<DateTime<Utc>>,
    /// The granting person's note.
    pub(crate) notes: Option<String>,
}

/// Grants these students a badge. Returns one result per row; a row that is already refused returns its refusal.
///
/// # Errors
/// FORBIDDEN by role; a refusal of the badge; or when the database fails.
pub(crate) async fn award(
    app: &App,
    request: &RequestContext,
    badge: Uuid,
    rows: &[Result<Row, Refusal>],
) -> Result<Vec<Result<Outcome, Refusal>>, Failure> {
    let reach = policy::reach(&request.actor, Action::AwardBadge)?;
    let now = app.clock.now();
    let checked = rows.iter().map(|row| row.as_ref().map_err(Clone::clone).and_then(|row| check(row, now)));
    let checked = &checked.collect::<Vec<Result<Row, Refusal>>>();
    attempt(app, |txn, published| {
        async move { award_within(app, txn, published, request, &reach, badge, checked).await }.scope_boxed()
    })
    .await
}

async fn award_within(
    app: &App,
    txn: &Txn,
    published: &Published,
    request: &RequestContext,
    reach: &Reach,
    badge: Uuid,
    rows: &[Result<Row, Refusal>],
) -> Result<(Vec<Result<Outcome, Refusal>>, Option<i64>), Interrupted> {
    let (xp_bonus, by) = (find_badge(txn, badge).await?.xp_bonus, request.actor.person());
    courses::hold_taught(txn, reach).await?;
    let wanted: BTreeSet<Uuid> = rows.iter().flatten().map(|row| row.student).collect();
    // Lock the students within the reach. Then check again: a student may have left before the lock.
    let theirs = scope::seen(txn, reach, wanted.iter().copied()).await?.into_keys().collect();
    people::lock(txn, &theirs).await?;
    let seen = scope::seen(txn, reach, theirs).await?;
    // The caller's own child gets a specific refusal, also outside the reach: the caller knows the child anyway.
    let known = scope::seen(txn, &policy::sight(&request.actor), wanted.iter().copied()).await?;
    let children = match by {
        Some(by) => guardians::linked_among(txn, by, &known.values().copied().collect::<Vec<_>>()).await?,
        None => BTreeSet::new(),
    };
    let judged: Vec<Result<BadgeGrant, Refusal>> = rows
        .iter()
        .map(|row| {
            let row = row.clone()?;
            let person = judge(by, &children, &seen, row.student)?;
            let at = row.at.unwrap_or_else(|| app.clock.now());
            Ok(BadgeGrant { person, achievement: badge, xp_bonus, by, notes: row.notes, at })
        })
        .collect();
    let grants: Vec<BadgeGrant> = judged.iter().filter_map(|row| row.as_ref().ok().cloned()).collect();
    let (given, head) = grant::grant(txn, published, &grants, app.clock.now()).await?;
    let noted = given.iter().flatten().filter(|given| !given.duplicate);
    let noted: Vec<_> = noted.map(|given| (Some(given.award.person_id), Some(given.award.id))).collect();
    audit::note(txn, request, AuditAction::AwardBadge, noted, app.clock.now()).await?;
    let mut given = given.into_iter();
    let answers = judged.into_iter().map(|row| match row {
        Ok(_) => given.next().unwrap_or_else(|| Err(no_student())),
        Err(refusal) => Err(refusal),
    });
    Ok((answers.collect(), head))
}

/// Checks whether the caller may grant a badge to this student.
fn judge(
    by: Option<Uuid>,
    children: &BTreeSet<Uuid>,
    seen: &HashMap<Uuid, Seen>,
    student: Uuid,
) -> Result<Seen, Refusal> {
    let forbidden = |message: &str| Refusal::new(Code::Forbidden, message).at(["studentId"]);
    if by == Some(student) {
        return Err(forbidden("You cannot award yourself: ask another teacher or an admin.")
            .because(Reason::SelfAward));
    }
    if children.contains(&student) {
        let message = "You cannot award a child you are linked to: ask another teacher or an admin.";
        return Err(forbidden(message).because(Reason::OwnChild));
    }
    seen.get(&student).copied().ok_or_else(no_student)
}

async fn find_badge(txn: &Txn, id: Uuid) -> Result<Definition, Interrupted> {
    let row = catalogue::hold_achievement(txn, id).await?;
    let message = "No badge has this id. `catalog(awardedBy: PERSON)` lists the badges.";
    let missing = || Refusal::not_found("badgeId", Reason::BadgeNotFound, message);
    let definition = Definition::read(&row.ok_or_else(missing)?)?;
    if !definition.by_people && definition.secret {
        return Err(missing().into());
    }
    if !definition.by_people {
        let message = "Events earn this achievement: send the id of a badge that people award.";
        return Err(Refusal::invalid(["badgeId"], message).because(Reason::NotABadge).into());
    }
    if !definition.active {
        let message = "This badge is retired. Choose another badge.";
        return Err(Refusal::new(Code::Conflict, message).at(["badgeId"]).because(Reason::Retired).into());
    }
    Ok(definition)
}

fn check(row: &Row, now: DateTime<Utc>) -> Result<Row, Refusal> {
    let at = row.at.map(|at| clock::past("awardedAt", at, now)).transpose()?;
    let notes = text::optional_prose("notes", row.notes.as_deref(), 2_000)?;
    Ok(Row { student: row.student, at, notes })
}

fn no_student() -> Refusal {
    let message = "No student whom you may award has this id. Send the id they sign in with.";
    Refusal::not_found("studentId", Reason::StudentNotFound, message)
}

/// An award to revoke.
#[derive(Debug, Clone)]
pub(crate) struct Revoke {
    /// The award's id.
    pub(crate) award: Uuid,
    /// The reason.
    pub(crate) reason: String,
    /// Whether RULE awards that no longer hold without it are revoked too, also by a person who could not revoke them
    /// alone.
    pub(crate) cascade: bool,
}

/// Revokes an award, with a reason.
///
/// # Errors
/// FORBIDDEN by role; `NOT_FOUND` for an award that the caller cannot revoke; or when the database fails.
pub(crate) async fn revoke(
    app: &App,
    request: &RequestContext,
    revoke: Revoke,
) -> Result<Unawarded, Failure> {
    let reach = policy::reach(&request.actor, Action::RevokeAward)?;
    let revoke = &Revoke { reason: text::prose("reason", &revoke.reason, text::REASON)?, ..revoke };
    attempt(app, |txn, published| {
        async move { revoke_within(app, txn, published, request, &reach, revoke).await }.scope_boxed()
    })
    .await
}

async fn revoke_within(
    app: &App,
    txn: &Txn,
    published: &Published,
    request: &RequestContext,
    reach: &Reach,
    Revoke { award, reason, cascade }: &Revoke,
) -> Result<(Unawarded, Option<i64>), Interrupted> {
    let message =
        "No award that you may revoke has this id. A teacher can revoke only awards that they granted.";
    let missing = || Refusal::not_found("awardId", Reason::AwardNotFound, message);
    let award = awards::by_id(txn, reach, *award).await?.ok_or_else(missing)?;
    // The holder may have left the reach meanwhile. The locks keep them in it.
    courses::hold_taught(txn, reach).await?;
    people::lock(txn, &[award.person_id].into()).await?;
    scope::see(txn, reach, award.person_id).await?.ok_or_else(missing)?;
    let by = request.actor.person();
    // A teacher can revoke only their own grants.
    if request.actor.role() == Role::Teacher && award.awarded_by != by {
        return Err(missing().into());
    }
    let revoking = Revoking { award: &award, by, reason, cascade: *cascade };
    let (outcome, head) = grant::revoke(txn, published, revoking, app.clock.now()).await?;
    if outcome.is_new {
        let on: Vec<_> = outcome.revoked.iter().map(|row| (Some(row.person_id), Some(row.id))).collect();
        audit::note(txn, request, AuditAction::RevokeAward, on, app.clock.now()).await?;
    }
    Ok((outcome, head))
}
