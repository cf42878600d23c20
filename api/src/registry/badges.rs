//! Badges. Admins create, change and retire them. Awards of a retired badge remain.

use engine::catalog::{Rarity, achievement_id, kebab_case};
use scoped_futures::ScopedFutureExt;
use uuid::Uuid;

use super::audit::{self, AuditAction, RequestContext};
use super::{Interrupted, attempt};
use crate::app::App;
use crate::auth::policy::{self, Action};
use crate::catalogue::{Definition, Known, SCHOOL};
use crate::refusal::{Code, Failure, Reason, Refusal};
use crate::store::{Txn, catalogue};
use crate::text;

/// Punctuation between and after words. It does not distinguish names.
const PUNCTUATION: &str = "-_.,:;!?'\"()/&\u{2019}\u{2018}\u{201c}\u{201d}\u{2013}\u{2014}\u{2026}";
/// Maximum XP of a badge.
const MOST_XP: i64 = 1_000_000;

/// The new values of a badge; `None` keeps the current value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wording {
    /// The displayed name.
    pub(crate) name: Option<String>,
    /// What it is for; `Some(None)` clears it.
    pub(crate) description: Option<Option<String>>,
    /// The URL of its picture; `Some(None)` clears it.
    pub(crate) icon_url: Option<Option<String>>,
    /// The key of a category; `Some(None)` sets `special`.
    pub(crate) category: Option<Option<String>>,
    /// The criteria for awarding it, in words.
    pub(crate) criteria: Option<Option<String>>,
    /// The intended rarity.
    pub(crate) rarity: Option<Rarity>,
}

/// Creates a badge and returns it.
///
/// # Errors
/// FORBIDDEN by role, `INVALID_INPUT` at the field, CONFLICT if the name is in use. An error if the database fails.
pub(crate) async fn create(
    app: &App,
    request: &RequestContext,
    wording: Wording,
    xp_bonus: i64,
) -> Result<Known, Failure> {
    policy::reach(&request.actor, Action::KeepBadges)?;
    if !(0..=MOST_XP).contains(&xp_bonus) {
        return Err(Refusal::invalid(["xpBonus"], format!("A badge must give 0 to {MOST_XP} XP.")).into());
    }
    let blank = Definition { xp_bonus, ..Definition::badge() };
    let definition = &worded(blank, wording)?;
    let key = &key(&definition.name);
    let known = attempt(app, |txn, _| {
        async move { Ok((create_within(app, txn, request, key, definition).await?, None)) }.scope_boxed()
    })
    .await?;
    reload(app).await;
    Ok(known)
}

async fn create_within(
    app: &App,
    txn: &Txn,
    request: &RequestContext,
    key: &str,
    definition: &Definition,
) -> Result<Known, Interrupted> {
    let now = app.clock.now();
    let row = catalogue::Achievement {
        id: achievement_id(key),
        key: key.to_owned(),
        pack: SCHOOL.to_owned(),
        definition: serde_json::to_value(definition).unwrap_or_default(),
        created_at: now,
        updated_at: now,
    };
    if !catalogue::insert_badge(txn, row.clone()).await? {
        let message = format!("A badge with the key `{key}` exists. Choose another name.");
        return Err(Refusal::new(Code::Conflict, message).at(["name"]).into());
    }
    audit::note(txn, request, AuditAction::CreateBadge, [(None, Some(row.id))], now).await?;
    catalogue::raise_revision(txn).await?;
    Ok(Known::read(row)?)
}

/// Changes a badge and returns it. Its key does not change.
///
/// # Errors
/// FORBIDDEN by role, `NOT_FOUND`, `INVALID_INPUT` at the field. An error if the database fails.
pub(crate) async fn update(
    app: &App,
    request: &RequestContext,
    id: Uuid,
    wording: Wording,
) -> Result<Known, Failure> {
    change(app, request, id, AuditAction::UpdateBadge, |definition| worded(definition, wording.clone())).await
}

/// Retires a badge and returns it. A retired badge cannot be awarded.
///
/// # Errors
/// FORBIDDEN by role, `NOT_FOUND`. An error if the database fails.
pub(crate) async fn retire(app: &App, request: &RequestContext, id: Uuid) -> Result<Known, Failure> {
    change(app, request, id, AuditAction::RetireBadge, |definition| {
        Ok(Definition { active: false, ..definition })
    })
    .await
}

async fn change(
    app: &App,
    request: &RequestContext,
    id: Uuid,
    act: AuditAction,
    to: impl Fn(Definition) -> Result<Definition, Refusal> + Send + Sync,
) -> Result<Known, Failure> {
    policy::reach(&request.actor, Action::KeepBadges)?;
    let to = &to;
    let known = attempt(app, |txn, _| {
        async move { Ok((change_within(app, txn, request, id, act, to).await?, None)) }.scope_boxed()
    })
    .await?;
    reload(app).await;
    Ok(known)
}

async fn change_within(
    app: &App,
    txn: &Txn,
    request: &RequestContext,
    id: Uuid,
    act: AuditAction,
    to: &(impl Fn(Definition) -> Result<Definition, Refusal> + Send + Sync),
) -> Result<Known, Interrupted> {
    let row = catalogue::lock_achievement(txn, id).await?.filter(|row| row.pack == SCHOOL);
    let mut row = row.ok_or_else(|| {
        let message = "No badge that the school created has this id. `catalog(pack: \"school\")` lists them.";
        Refusal::not_found("id", Reason::BadgeNotFound, message)
    })?;
    let definition = to(Definition::read(&row)?)?;
    let now = app.clock.now();
    row.definition = serde_json::to_value(definition).unwrap_or_default();
    row.updated_at = now;
    catalogue::update_badge(txn, row.clone()).await?;
    audit::note(txn, request, act, [(None, Some(id))], now).await?;
    catalogue::raise_revision(txn).await?;
    Ok(Known::read(row)?)
}

/// Makes the change visible in this process at once. The change is already committed. If the read fails, the periodic
/// read shows it a moment later.
async fn reload(app: &App) {
    if let Err(error) = app.catalogue.reload(&app.db).await {
        tracing::warn!(
            error = error.chain(),
            "a badge was stored, but the catalogue could not be read again yet"
        );
    }
}

/// The key for a name: its words, as in other keys. If letters or symbols would be lost, or the key would be empty, a
/// suffix is added, so that two such names have different keys.
fn key(name: &str) -> String {
    let words = kebab_case(name);
    let is_lost = |letter: char| {
        let is_punctuation = letter.is_whitespace() || PUNCTUATION.contains(letter);
        !letter.is_ascii_alphanumeric() && !is_punctuation
    };
    if !name.contains(is_lost) && !words.is_empty() {
        return format!("{SCHOOL}/{words}");
    }
    let mark = achievement_id(&name.to_lowercase()).simple().to_string();
    let mark: String = mark.chars().take(12).collect();
    let parts: Vec<&str> = [words.as_str(), &mark].into_iter().filter(|part| !part.is_empty()).collect();
    format!("{SCHOOL}/{}", parts.join("-"))
}

fn worded(mut definition: Definition, wording: Wording) -> Result<Definition, Refusal> {
    if let Some(name) = wording.name {
        definition.name = text::line("name", &name, 100)?;
    }
    if let Some(description) = wording.description {
        definition.description =
            text::optional_prose("description", description.as_deref(), 2_000)?.unwrap_or_default();
    }
    if let Some(url) = wording.icon_url {
        definition.icon_url = url.map(|url| text::web_url("iconUrl", &url)).transpose()?;
    }
    if let Some(category) = wording.category {
        definition.category = match category {
            Some(category) => text::line("category", &category, 50)?,
            None => "special".to_owned(),
        };
    }
    if let Some(criteria) = wording.criteria {
        definition.requirement =
            text::optional_prose("criteria", criteria.as_deref(), 2_000)?.unwrap_or_default();
    }
    definition.rarity = wording.rarity.unwrap_or(definition.rarity);
    Ok(definition)
}
