//! Badges and the awards people give: made, given, taken back.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, MaybeUndefined, SimpleObject};
use uuid::Uuid;

use super::achievements::{Achievement, Rarity};
use super::awards::Award;
use super::context::{app, request_context};
use super::fault::{Answer, UserError, user_error};
use super::scalars::{GivenDateTime, GivenUrl, parse_uuid};
use crate::auth::policy::{self, Action};
use crate::catalogue::Known;
use crate::pipeline::grant::Outcome;
use crate::refusal::{Failure, Refusal};
use crate::registry::awards::Row;
use crate::registry::badges::Wording;
use crate::registry::{awards, badges};

/// The most rows one call awards.
const MOST_ROWS: usize = 500;

/// A badge to make. Its key is school/ and the name in kebab case; where the name has other letters than a to z and
/// digits, or symbols such as + and #, a mark of its own stands behind that. A key that is taken is a CONFLICT.
#[derive(InputObject)]
pub(crate) struct CreateBadgeInput {
    /// What it is called: 1 to 100 letters.
    name: String,
    /// What it stands for; nothing if omitted.
    description: Option<String>,
    /// Where its picture lies: an absolute http or https URL; a drawn picture with its name and rarity if omitted.
    icon_url: Option<GivenUrl>,
    /// A category's key, of a pack or one of your own; special if omitted.
    category: Option<String>,
    /// What it is given for, in words; answered as requirement.
    criteria: Option<String>,
    /// XP that being given it brings, 0 to 1,000,000.
    #[graphql(default_with = "Some(0)")]
    xp_bonus: Option<i64>,
    /// How rare it is meant to be.
    #[graphql(default_with = "Some(Rarity::Common)")]
    rarity: Option<Rarity>,
}

/// What to change of a badge. Omitted keeps; null clears where that makes sense, and is refused elsewhere.
#[derive(InputObject)]
pub(crate) struct UpdateBadgeInput {
    /// Which badge.
    id: ID,
    /// What it is called; its key stays.
    name: MaybeUndefined<String>,
    /// What it stands for.
    description: MaybeUndefined<String>,
    /// Where its picture lies; null for the drawn one.
    icon_url: MaybeUndefined<GivenUrl>,
    /// A category's key, of a pack or one of your own.
    category: MaybeUndefined<String>,
    /// What it is given for, in words.
    criteria: MaybeUndefined<String>,
    /// How rare it is meant to be.
    rarity: MaybeUndefined<Rarity>,
}

/// A badge to retire.
#[derive(InputObject)]
pub(crate) struct RetireBadgeInput {
    /// Which badge.
    id: ID,
}

/// What became of `createBadge`.
#[derive(SimpleObject)]
pub(crate) struct CreateBadgePayload {
    /// The badge as it is now; null if something was wrong.
    achievement: Option<Achievement>,
    /// What was wrong.
    user_errors: Vec<UserError>,
}

/// What became of `updateBadge`.
#[derive(SimpleObject)]
pub(crate) struct UpdateBadgePayload {
    /// The badge as it is now; null if something was wrong.
    achievement: Option<Achievement>,
    /// What was wrong.
    user_errors: Vec<UserError>,
}

/// What became of `retireBadge`.
#[derive(SimpleObject)]
pub(crate) struct RetireBadgePayload {
    /// The badge as it is now; null if something was wrong.
    achievement: Option<Achievement>,
    /// What was wrong.
    user_errors: Vec<UserError>,
}

/// A badge to give. Who awards is the caller, never an argument.
#[derive(InputObject)]
pub(crate) struct AwardBadgeInput {
    /// Who gets it.
    student_id: ID,
    /// Which badge.
    badge_id: ID,
    /// When it was earned, from 2000 on and at most 5 minutes ahead of the server; now if omitted.
    awarded_at: Option<GivenDateTime>,
    /// What you write to it: at most 2,000 letters, kept in NFC; nothing if blank.
    notes: Option<String>,
}

/// A badge to give to many.
#[derive(InputObject)]
pub(crate) struct AwardBadgesInput {
    /// Which badge.
    badge_id: ID,
    /// Who gets it: up to 500.
    rows: Vec<AwardRow>,
}

/// One of many who get a badge.
#[derive(InputObject)]
pub(crate) struct AwardRow {
    /// Who gets it.
    student_id: ID,
    /// What you write to it: at most 2,000 letters, kept in NFC; nothing if blank.
    notes: Option<String>,
}

/// What became of `awardBadge`.
#[derive(SimpleObject)]
pub(crate) struct AwardBadgePayload {
    /// The award: this one, or the one that was there before it.
    award: Option<Award>,
    /// The student had the badge already.
    duplicate: Option<bool>,
    /// What was wrong.
    user_errors: Vec<UserError>,
}

/// What became of `awardBadges`.
#[derive(SimpleObject)]
pub(crate) struct AwardBadgesPayload {
    /// One row a student, in the order in which they were sent.
    results: Vec<AwardResult>,
    /// What was wrong with the whole; then nothing is given.
    user_errors: Vec<UserError>,
}

/// What became of one of many.
#[derive(SimpleObject)]
pub(crate) struct AwardResult {
    /// Its place in the array that was sent, from 0.
    index: i64,
    /// The award: this one, or the one that was there before it.
    award: Option<Award>,
    /// The student had the badge already.
    duplicate: bool,
    /// What was wrong.
    user_errors: Vec<UserError>,
}

/// An award to take back.
#[derive(InputObject)]
pub(crate) struct RevokeAwardInput {
    /// Which award.
    award_id: ID,
    /// Why: 1 to 500 letters, kept in NFC and shown with the award.
    reason: String,
}

/// What became of `revokeAward`.
#[derive(SimpleObject)]
pub(crate) struct RevokeAwardPayload {
    /// The award as it is now.
    award: Option<Award>,
    /// What was wrong.
    user_errors: Vec<UserError>,
}

/// Makes a badge.
pub(crate) async fn create(ctx: &Context<'_>, input: CreateBadgeInput) -> Answer<CreateBadgePayload> {
    let (request, app) = (request_context(ctx)?, app(ctx)?);
    let made = async {
        policy::reach(&request.actor, Action::KeepBadges)?;
        let wording = Wording {
            name: Some(input.name),
            description: Some(input.description),
            icon_url: Some(input.icon_url.map(|url| url.read("iconUrl")).transpose()?),
            category: Some(input.category),
            criteria: Some(input.criteria),
            rarity: input.rarity.map(Into::into),
        };
        badges::create(app, &request, wording, input.xp_bonus.unwrap_or(0)).await
    };
    let (achievement, user_errors) = badge(made.await)?;
    Ok(CreateBadgePayload { achievement, user_errors })
}

/// Changes a badge.
pub(crate) async fn update(ctx: &Context<'_>, input: UpdateBadgeInput) -> Answer<UpdateBadgePayload> {
    let (request, app) = (request_context(ctx)?, app(ctx)?);
    let changed = async {
        // The right is asked before anything is said about the input.
        policy::reach(&request.actor, Action::KeepBadges)?;
        let id = given("id", &input.id)?;
        let wording = Wording {
            name: required("name", input.name)?,
            description: input.description.as_opt_ref().map(|text| text.cloned()),
            icon_url: match input.icon_url {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(None),
                MaybeUndefined::Value(url) => Some(Some(url.read("iconUrl")?)),
            },
            category: input.category.as_opt_ref().map(|text| text.cloned()),
            criteria: input.criteria.as_opt_ref().map(|text| text.cloned()),
            rarity: required("rarity", input.rarity)?.map(Into::into),
        };
        badges::update(app, &request, id, wording).await
    };
    let (achievement, user_errors) = badge(changed.await)?;
    Ok(UpdateBadgePayload { achievement, user_errors })
}

/// Retires a badge.
pub(crate) async fn retire(ctx: &Context<'_>, input: RetireBadgeInput) -> Answer<RetireBadgePayload> {
    let (request, app) = (request_context(ctx)?, app(ctx)?);
    let retired = async {
        policy::reach(&request.actor, Action::KeepBadges)?;
        let id = given("id", &input.id)?;
        badges::retire(app, &request, id).await
    };
    let (achievement, user_errors) = badge(retired.await)?;
    Ok(RetireBadgePayload { achievement, user_errors })
}

fn badge(kept: Result<Known, Failure>) -> Answer<(Option<Achievement>, Vec<UserError>)> {
    match kept {
        Ok(known) => Ok((Some(Achievement(Arc::new(known))), Vec::new())),
        Err(failure) => Ok((None, vec![user_error(failure, &["input"])?])),
    }
}

/// Gives a badge.
pub(crate) async fn award(ctx: &Context<'_>, input: AwardBadgeInput) -> Answer<AwardBadgePayload> {
    let (request, app) = (request_context(ctx)?, app(ctx)?);
    let given = async {
        policy::reach(&request.actor, Action::AwardBadge)?;
        let badge = given("badgeId", &input.badge_id)?;
        let student = given("studentId", &input.student_id)?;
        let at = input.awarded_at.map(|at| at.read("awardedAt")).transpose()?;
        let row = Row { student, at, notes: input.notes };
        let mut rows = awards::award(app, &request, badge, &[Ok(row)]).await?;
        Ok(rows.pop().unwrap_or_else(|| Err(no_uuid("studentId")))?)
    };
    let given: Result<Outcome, Failure> = given.await;
    Ok(match given {
        Ok(Outcome { award, duplicate }) => AwardBadgePayload {
            award: Some(Award(award)),
            duplicate: Some(duplicate),
            user_errors: Vec::new(),
        },
        Err(failure) => {
            let user_errors = vec![user_error(failure, &["input"])?];
            AwardBadgePayload { award: None, duplicate: None, user_errors }
        }
    })
}

/// Gives a badge to many; each row answers for itself.
pub(crate) async fn award_many(ctx: &Context<'_>, input: AwardBadgesInput) -> Answer<AwardBadgesPayload> {
    let (request, app) = (request_context(ctx)?, app(ctx)?);
    let refused = |failure: Failure| -> Answer<AwardBadgesPayload> {
        Ok(AwardBadgesPayload { results: Vec::new(), user_errors: vec![user_error(failure, &["input"])?] })
    };
    policy::reach(&request.actor, Action::AwardBadge)?;
    if input.rows.is_empty() || input.rows.len() > MOST_ROWS {
        let message = match input.rows.len() {
            0 => format!("A call awards 1 to {MOST_ROWS} and this one none: send at least one row."),
            rows => format!("A call awards 1 to {MOST_ROWS} and this one {rows}: split it."),
        };
        return refused(Refusal::invalid(["rows"], message).into());
    }
    let badge = match given("badgeId", &input.badge_id) {
        Ok(badge) => badge,
        Err(refusal) => return refused(refusal.into()),
    };
    let rows = input.rows.into_iter().map(|row| {
        given("studentId", &row.student_id).map(|student| Row { student, at: None, notes: row.notes })
    });
    let rows: Vec<_> = rows.collect();
    let rows = match awards::award(app, &request, badge, &rows).await {
        Ok(rows) => rows,
        Err(failure) => return refused(failure),
    };
    let results = rows.into_iter().enumerate().map(|(place, row)| result(place, row)).collect();
    Ok(AwardBadgesPayload { results, user_errors: Vec::new() })
}

fn result(place: usize, row: Result<Outcome, Refusal>) -> AwardResult {
    let index = i64::try_from(place).unwrap_or(i64::MAX);
    match row {
        Ok(Outcome { award, duplicate }) => {
            AwardResult { index, award: Some(Award(award)), duplicate, user_errors: Vec::new() }
        }
        Err(refusal) => {
            let refusal = refusal.below(["input".to_owned(), "rows".to_owned(), place.to_string()]);
            AwardResult { index, award: None, duplicate: false, user_errors: vec![refusal.into()] }
        }
    }
}

/// Takes an award back.
pub(crate) async fn revoke(ctx: &Context<'_>, input: RevokeAwardInput) -> Answer<RevokeAwardPayload> {
    let (request, app) = (request_context(ctx)?, app(ctx)?);
    let revoked = async {
        policy::reach(&request.actor, Action::RevokeAward)?;
        let id = given("awardId", &input.award_id)?;
        awards::revoke(app, &request, id, &input.reason).await
    };
    match revoked.await {
        Ok(row) => Ok(RevokeAwardPayload { award: Some(Award(row)), user_errors: Vec::new() }),
        Err(failure) => {
            Ok(RevokeAwardPayload { award: None, user_errors: vec![user_error(failure, &["input"])?] })
        }
    }
}

/// A value that can be changed and not cleared.
fn required<T>(field: &str, value: MaybeUndefined<T>) -> Result<Option<T>, Refusal> {
    match value {
        MaybeUndefined::Undefined => Ok(None),
        MaybeUndefined::Value(value) => Ok(Some(value)),
        MaybeUndefined::Null => {
            Err(Refusal::invalid([field], "This cannot be empty: send a value, or leave it out to keep it."))
        }
    }
}

fn given(field: &str, id: &ID) -> Result<Uuid, Refusal> {
    parse_uuid(id).ok_or_else(|| no_uuid(field))
}

fn no_uuid(field: &str) -> Refusal {
    Refusal::invalid([field], "Not a UUID: send an id as this API answers it.")
}
