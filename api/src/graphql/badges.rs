//! Mutations that create, change and retire badges, and that award and revoke them.

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
use crate::pipeline::grant::{Outcome, Unawarded};
use crate::refusal::{Failure, Refusal};
use crate::registry::awards::{Revoke, Row};
use crate::registry::badges::Wording;
use crate::registry::{awards, badges};

/// The maximum number of rows of one call.
const MOST_ROWS: usize = 500;

/// The badge to create. Its key is `school/` and the name in kebab case, such as `school/team-player`. If the name
/// has letters other than a to z, or symbols such as + and #, the key ends with 12 hexadecimal digits that are
/// computed from the name. If a badge with this key exists, the result is a CONFLICT.
#[derive(InputObject)]
pub(crate) struct CreateBadgeInput {
    /// The name: one line of 1 to 100 characters.
    name: String,
    /// The description: at most 2,000 characters. Default: empty.
    description: Option<String>,
    /// The URL of the picture: absolute, http or https, without user name and password, at most 2,048 bytes. If
    /// omitted, the server draws a picture with the name and the rarity.
    icon_url: Option<GivenUrl>,
    /// The key of a category of a pack, or a new category: one line of 1 to 50 characters. Default: `special`.
    category: Option<String>,
    /// The criteria for the badge, as text of at most 2,000 characters. `Achievement.requirement` returns it.
    criteria: Option<String>,
    /// XP that the student gains with the badge, 0 to 1,000,000. It cannot change later.
    #[graphql(default_with = "Some(0)")]
    xp_bonus: Option<i64>,
    /// The intended rarity.
    #[graphql(default_with = "Some(Rarity::Common)")]
    rarity: Option<Rarity>,
}

/// The changes of a badge. Omitted fields keep their value. Null clears a field; for `name` and `rarity`, null is
/// INVALID_INPUT.
#[derive(InputObject)]
pub(crate) struct UpdateBadgeInput {
    /// The badge's id.
    id: ID,
    /// The name: one line of 1 to 100 characters. The key does not change.
    name: MaybeUndefined<String>,
    /// The description: at most 2,000 characters. Null: empty.
    description: MaybeUndefined<String>,
    /// The URL of the picture: absolute, http or https. Null: the server draws a picture.
    icon_url: MaybeUndefined<GivenUrl>,
    /// The key of a category of a pack, or a new category: one line of 1 to 50 characters. Null: `special`.
    category: MaybeUndefined<String>,
    /// The criteria for the badge, as text of at most 2,000 characters.
    criteria: MaybeUndefined<String>,
    /// The intended rarity.
    rarity: MaybeUndefined<Rarity>,
}

/// The badge to retire.
#[derive(InputObject)]
pub(crate) struct RetireBadgeInput {
    /// The badge's id.
    id: ID,
}

/// The result of `createBadge`.
#[derive(SimpleObject)]
pub(crate) struct CreateBadgePayload {
    /// The badge. Null on error.
    achievement: Option<Achievement>,
    /// Errors in the input. Empty on success.
    user_errors: Vec<UserError>,
}

/// The result of `updateBadge`.
#[derive(SimpleObject)]
pub(crate) struct UpdateBadgePayload {
    /// The badge. Null on error.
    achievement: Option<Achievement>,
    /// Errors in the input. Empty on success.
    user_errors: Vec<UserError>,
}

/// The result of `retireBadge`.
#[derive(SimpleObject)]
pub(crate) struct RetireBadgePayload {
    /// The badge. Null on error.
    achievement: Option<Achievement>,
    /// Errors in the input. Empty on success.
    user_errors: Vec<UserError>,
}

/// The badge to award, and the student. `Award.awardedBy` is always the caller.
#[derive(InputObject)]
pub(crate) struct AwardBadgeInput {
    /// The student's id.
    student_id: ID,
    /// The badge's id.
    badge_id: ID,
    /// When the student earned it: not before the year 2000, and at most 5 minutes after the server's time. Default:
    /// now.
    awarded_at: Option<GivenDateTime>,
    /// A note for the award: at most 2,000 characters, stored in Unicode NFC. Blank text is stored as null.
    notes: Option<String>,
}

/// The badge to award, and the students.
#[derive(InputObject)]
pub(crate) struct AwardBadgesInput {
    /// The badge's id.
    badge_id: ID,
    /// The students: 1 to 500 rows.
    rows: Vec<AwardRow>,
}

/// One student of `awardBadges`.
#[derive(InputObject)]
pub(crate) struct AwardRow {
    /// The student's id.
    student_id: ID,
    /// A note for the award: at most 2,000 characters, stored in Unicode NFC. Blank text is stored as null.
    notes: Option<String>,
}

/// The result of `awardBadge`.
#[derive(SimpleObject)]
pub(crate) struct AwardBadgePayload {
    /// The new award, or the existing one if the student already had the badge. Null on error.
    award: Option<Award>,
    /// The award of the badge, then the awards of the achievements that its XP unlocked. If the student already had
    /// the badge, the list of the first call. Null on error.
    awards: Option<Vec<Award>>,
    /// True if the student already had the badge. Null on error.
    duplicate: Option<bool>,
    /// Errors in the input. Empty on success.
    user_errors: Vec<UserError>,
}

/// The result of `awardBadges`.
#[derive(SimpleObject)]
pub(crate) struct AwardBadgesPayload {
    /// One result for each row, in the order of the input. Empty if the whole call is refused.
    results: Vec<AwardResult>,
    /// Errors of the whole call, such as too many rows. If there are any, no badge is awarded.
    user_errors: Vec<UserError>,
}

/// The result of one row of `awardBadges`.
#[derive(SimpleObject)]
pub(crate) struct AwardResult {
    /// The row's index in `input.rows`, starting at 0.
    index: i64,
    /// The new award, or the existing one if the student already had the badge. Null on error.
    award: Option<Award>,
    /// The award of the badge, then the awards of the achievements that its XP unlocked. If the student already had
    /// the badge, the list of the first call. Empty on error.
    awards: Vec<Award>,
    /// True if the student already had the badge. False on error.
    duplicate: bool,
    /// Errors in the input. Empty on success.
    user_errors: Vec<UserError>,
}

/// The award to revoke.
#[derive(InputObject)]
pub(crate) struct RevokeAwardInput {
    /// The award's id.
    award_id: ID,
    /// The reason: 1 to 500 characters, stored in Unicode NFC. `Award.revocationReason` returns it.
    reason: String,
    /// True: also revokes the student's RULE awards that no longer hold without the award, with the same reason,
    /// for example achievements that its XP led to. Who may revoke the award may use it. False: these
    /// awards remain and are flagged. If the award was already revoked, nothing changes.
    #[graphql(default)]
    cascade: bool,
}

/// The result of `revokeAward`.
#[derive(SimpleObject)]
pub(crate) struct RevokeAwardPayload {
    /// The revoked award. Null on error.
    award: Option<Award>,
    /// All awards that the call revoked: `award` first, then those of `cascade`. If the award was already revoked,
    /// the list of the first call. Null on error.
    revoked: Option<Vec<Award>>,
    /// The student's awards that are flagged now, because the rules would not award them. They keep their XP until a
    /// person revokes them. Null on error.
    flagged: Option<Vec<Award>>,
    /// Errors in the input. Empty on success.
    user_errors: Vec<UserError>,
}

/// Creates a badge.
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
        // Checks the role first, so that a caller without the right gets FORBIDDEN and no errors about the input.
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

/// Awards a badge.
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
        Ok(Outcome { award, awards, duplicate }) => AwardBadgePayload {
            award: Some(Award(award)),
            awards: Some(all(awards)),
            duplicate: Some(duplicate),
            user_errors: Vec::new(),
        },
        Err(failure) => {
            let user_errors = vec![user_error(failure, &["input"])?];
            AwardBadgePayload { award: None, awards: None, duplicate: None, user_errors }
        }
    })
}

/// Awards a badge to many students. Each row has its own result.
pub(crate) async fn award_many(ctx: &Context<'_>, input: AwardBadgesInput) -> Answer<AwardBadgesPayload> {
    let (request, app) = (request_context(ctx)?, app(ctx)?);
    let refused = |failure: Failure| -> Answer<AwardBadgesPayload> {
        Ok(AwardBadgesPayload { results: Vec::new(), user_errors: vec![user_error(failure, &["input"])?] })
    };
    policy::reach(&request.actor, Action::AwardBadge)?;
    if input.rows.is_empty() || input.rows.len() > MOST_ROWS {
        let message = match input.rows.len() {
            0 => format!("A call takes 1 to {MOST_ROWS} rows and this one has none: send at least one."),
            rows => format!("A call takes 1 to {MOST_ROWS} rows and this one has {rows}: split it."),
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
        Ok(Outcome { award, awards, duplicate }) => {
            let (award, awards) = (Some(Award(award)), all(awards));
            AwardResult { index, award, awards, duplicate, user_errors: Vec::new() }
        }
        Err(refusal) => {
            let refusal = refusal.below(["input".to_owned(), "rows".to_owned(), place.to_string()]);
            let user_errors = vec![refusal.into()];
            AwardResult { index, award: None, awards: Vec::new(), duplicate: false, user_errors }
        }
    }
}

/// Revokes an award.
pub(crate) async fn revoke(ctx: &Context<'_>, input: RevokeAwardInput) -> Answer<RevokeAwardPayload> {
    let (request, app) = (request_context(ctx)?, app(ctx)?);
    let revoked = async {
        policy::reach(&request.actor, Action::RevokeAward)?;
        let id = given("awardId", &input.award_id)?;
        awards::revoke(app, &request, Revoke { award: id, reason: input.reason, cascade: input.cascade })
            .await
    };
    Ok(match revoked.await {
        Ok(Unawarded { revoked, flagged, .. }) => RevokeAwardPayload {
            award: revoked.first().cloned().map(Award),
            revoked: Some(all(revoked)),
            flagged: Some(all(flagged)),
            user_errors: Vec::new(),
        },
        Err(failure) => {
            let user_errors = vec![user_error(failure, &["input"])?];
            RevokeAwardPayload { award: None, revoked: None, flagged: None, user_errors }
        }
    })
}

fn all(awards: Vec<crate::store::awards::Row>) -> Vec<Award> {
    awards.into_iter().map(Award).collect()
}

/// Reads a field that can change but cannot be cleared.
fn required<T>(field: &str, value: MaybeUndefined<T>) -> Result<Option<T>, Refusal> {
    match value {
        MaybeUndefined::Undefined => Ok(None),
        MaybeUndefined::Value(value) => Ok(Some(value)),
        MaybeUndefined::Null => Err(Refusal::invalid(
            [field],
            "This field is required: send a value, or omit the field to keep the stored one.",
        )),
    }
}

fn given(field: &str, id: &ID) -> Result<Uuid, Refusal> {
    parse_uuid(id).ok_or_else(|| no_uuid(field))
}

fn no_uuid(field: &str) -> Refusal {
    Refusal::invalid([field], "Not a UUID: send an id as this API returns it.")
}
