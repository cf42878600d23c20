//! Badges: made, changed and retired by admins; what has been awarded stays with those who have it.

use engine::catalog::{Rarity, achievement_id, kebab_case};
use uuid::Uuid;

use super::audit::{self, Act, Author};
use super::{Interrupted, attempt};
use crate::app::App;
use crate::auth::policy::{self, Action};
use crate::catalogue::Definition;
use crate::refusal::{Code, Failure, Refusal};
use crate::store::{Txn, catalogue};
use crate::text;

/// The pack that badges of the school's own belong to.
pub(crate) const SCHOOL: &str = "school";
/// The most XP a badge brings.
const MOST_XP: i64 = 1_000_000;

/// What to write of a badge; `None` keeps what is there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wording {
    /// What it is called.
    pub(crate) name: Option<String>,
    /// What it stands for; cleared, nothing.
    pub(crate) description: Option<Option<String>>,
    /// Where its picture lies.
    pub(crate) icon_url: Option<String>,
    /// A category's key; cleared, `special`.
    pub(crate) category: Option<Option<String>>,
    /// What it is given for, in words.
    pub(crate) criteria: Option<Option<String>>,
    /// How rare it is meant to be.
    pub(crate) rarity: Option<Rarity>,
}

/// Makes a badge.
///
/// # Errors
/// FORBIDDEN by role, what is wrong with which field, CONFLICT for a name that is taken; or when the database fails.
pub(crate) async fn create(
    app: &App,
    author: &Author,
    wording: Wording,
    xp_bonus: i64,
) -> Result<Uuid, Failure> {
    policy::reach(&author.actor, Action::KeepBadges)?;
    if !(0..=MOST_XP).contains(&xp_bonus) {
        return Err(Refusal::invalid(["xpBonus"], format!("A badge brings 0 to {MOST_XP} XP.")).into());
    }
    let blank = Definition { xp_bonus, ..Definition::badge() };
    let definition = &worded(blank, wording)?;
    let key = &format!("{SCHOOL}/{}", kebab_case(&definition.name));
    if *key == format!("{SCHOOL}/") {
        return Err(Refusal::invalid(
            ["name"],
            "A badge's name has a letter from a to z or a digit: its key is made of them.",
        )
        .into());
    }
    let id =
        attempt(
            app,
            |txn, _| async move { Ok((create_within(app, &txn, author, key, definition).await?, None)) },
        )
        .await?;
    app.catalogue.reload(&app.db).await?;
    Ok(id)
}

async fn create_within(
    app: &App,
    txn: &Txn,
    author: &Author,
    key: &str,
    definition: &Definition,
) -> Result<Uuid, Interrupted> {
    let now = app.clock.now();
    let row = catalogue::Achievement {
        id: achievement_id(key),
        key: key.to_owned(),
        pack: SCHOOL.to_owned(),
        definition: serde_json::to_value(definition).unwrap_or_default(),
        created_at: now,
        updated_at: now,
    };
    let id = row.id;
    if !catalogue::insert_badge(txn, row).await? {
        let message = format!("A badge has the key `{key}` already: give this one another name.");
        return Err(Refusal::new(Code::Conflict, message).at(["name"]).into());
    }
    audit::note(txn, author, Act::CreateBadge, [(None, Some(id))], now).await?;
    Ok(id)
}

/// Changes a badge; its key stays.
///
/// # Errors
/// FORBIDDEN by role, `NOT_FOUND`, what is wrong with which field; or when the database fails.
pub(crate) async fn update(app: &App, author: &Author, id: Uuid, wording: Wording) -> Result<(), Failure> {
    change(app, author, id, Act::UpdateBadge, |definition| worded(definition, wording.clone())).await
}

/// Retires a badge: nobody is given it any more.
///
/// # Errors
/// FORBIDDEN by role, `NOT_FOUND`; or when the database fails.
pub(crate) async fn retire(app: &App, author: &Author, id: Uuid) -> Result<(), Failure> {
    change(app, author, id, Act::RetireBadge, |definition| Ok(Definition { active: false, ..definition }))
        .await
}

async fn change(
    app: &App,
    author: &Author,
    id: Uuid,
    act: Act,
    to: impl Fn(Definition) -> Result<Definition, Refusal> + Send + Sync,
) -> Result<(), Failure> {
    policy::reach(&author.actor, Action::KeepBadges)?;
    let to = &to;
    attempt(app, |txn, _| async move { Ok((change_within(app, &txn, author, id, act, to).await?, None)) })
        .await?;
    app.catalogue.reload(&app.db).await?;
    Ok(())
}

async fn change_within(
    app: &App,
    txn: &Txn,
    author: &Author,
    id: Uuid,
    act: Act,
    to: &(impl Fn(Definition) -> Result<Definition, Refusal> + Send + Sync),
) -> Result<(), Interrupted> {
    let row = catalogue::lock_achievement(txn, id).await?.filter(|row| row.pack == SCHOOL);
    let mut row =
        row.ok_or_else(|| Refusal::new(Code::NotFound, "No badge of the school has this id.").at(["id"]))?;
    let definition = to(Definition::read(&row)?)?;
    let now = app.clock.now();
    row.definition = serde_json::to_value(definition).unwrap_or_default();
    // Later than before in any case: that is what other processes tell the change by.
    row.updated_at = now.max(row.updated_at + chrono::TimeDelta::milliseconds(1));
    catalogue::update_badge(txn, row).await?;
    audit::note(txn, author, act, [(None, Some(id))], now).await?;
    Ok(())
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
        definition.icon_url = Some(text::web_url("iconUrl", &url)?);
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
