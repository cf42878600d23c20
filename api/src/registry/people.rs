//! People: created at first sign-in or by `upsertUser`, and changed by admins and services.

use chrono::{DateTime, Utc};
use scoped_futures::ScopedFutureExt;
use uuid::Uuid;

use super::audit::{self, AuditAction, RequestContext};
use super::{Interrupted, attempt, relations};
use crate::app::App;
use crate::auth::policy::{self, Action};
use crate::auth::{Actor, Claims, Role};
use crate::catalogue::Published;
use crate::pipeline::{self, DomainEvent};
use crate::refusal::{Code, Failure, Reason, Refusal};
use crate::store::{Txn, boards, courses, people, scope};
use crate::text;

/// Maximum letters of a name.
const NAME: usize = 100;

/// The new values of a person; `None` keeps the current value, `Some(None)` clears it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Change {
    /// The name that others see.
    pub(crate) display_name: String,
    /// The e-mail address.
    pub(crate) email: Option<Option<String>>,
    /// The role; a new person's is STUDENT if it is not given.
    pub(crate) role: Option<Role>,
    /// An IANA time zone; `Some(None)` means the school's.
    pub(crate) timezone: Option<Option<String>>,
    /// A language tag.
    pub(crate) locale: Option<Option<String>>,
    /// The referrer. It can be set only once.
    pub(crate) referred_by: Option<Option<Uuid>>,
}

/// The actor of a verified token, and their row; a service has none. Creates a person at first sight. Afterwards the
/// stored role applies, and a token with another role is refused.
///
/// # Errors
/// UNAUTHENTICATED if the token's role differs from the stored one. An error if the database fails.
pub(crate) async fn sign_in(app: &App, claims: Claims) -> Result<(Actor, Option<people::Row>), Failure> {
    if app.revocations.has(&claims) {
        let message = "The token, or the key that signed it, was revoked. Get a new token.";
        return Err(unauthenticated(message, Reason::TokenRevoked).into());
    }
    if claims.role == Role::Service {
        return Ok((Actor::Service { source: claims.subject.into(), scopes: claims.scopes }, None));
    }
    let id = claims.subject.parse().map_err(|_| {
        unauthenticated("The token's sub is not a UUID. Get a token for a person.", Reason::TokenInvalid)
    })?;
    let row = match people::by_id(&app.db.reserved(), id).await? {
        Some(row) => row,
        None => welcome(app, id, &claims).await?,
    };
    if row.erased_at.is_some() {
        let message = "The person of this token has been erased and cannot sign in. Use another account.";
        return Err(unauthenticated(message, Reason::PersonErased).into());
    }
    let role = Role::from(row.role);
    if role != claims.role {
        let message = "The token's role differs from the role that is stored for this person. Get a token with the stored role.";
        return Err(unauthenticated(message, Reason::RoleChanged).into());
    }
    Ok((Actor::Person { id, role }, Some(row)))
}

/// Creates or changes a person.
///
/// # Errors
/// `INVALID_INPUT` at the field, or an action that the actor may not do. An error if the database fails.
pub(crate) async fn upsert(
    app: &App,
    request: &RequestContext,
    id: Uuid,
    change: Change,
) -> Result<people::Row, Failure> {
    policy::reach(&request.actor, Action::KeepPeople)?;
    if id.is_nil() {
        return Err(
            Refusal::invalid(["id"], "The nil UUID is not a valid user id. Choose another id.").into()
        );
    }
    let change = &check(change)?;
    attempt(app, |txn, published| {
        async move { upsert_within(app, txn, published, request, id, change).await }.scope_boxed()
    })
    .await
}

async fn upsert_within(
    app: &App,
    txn: &Txn,
    published: &Published,
    request: &RequestContext,
    id: Uuid,
    change: &Change,
) -> Result<(people::Row, Option<i64>), Interrupted> {
    let referrer = change.referred_by.flatten();
    if change.role.is_some() {
        // A change of role may end what they teach. Courses are locked before people.
        courses::lock_taught(txn, id).await?;
    }
    let locked = people::lock(txn, &[id].into_iter().chain(referrer).collect()).await?;
    let before = locked.iter().find(|row| row.id == id);
    if before.is_some_and(|row| row.erased_at.is_some()) {
        let message = "This user has been erased. Use a new id for a new user.";
        return Err(Refusal::new(Code::Conflict, message).at(["id"]).because(Reason::PersonErased).into());
    }
    let now_role = before.map(|row| Role::from(row.role));
    let role = change.role.or(now_role).unwrap_or(Role::Student);
    policy::give_role(&request.actor, id, now_role, role)?;
    if let Some(referrer) = referrer {
        check_referrer(
            id,
            referrer,
            before,
            locked.iter().any(|row| row.id == referrer && row.erased_at.is_none()),
        )?;
    }
    if change.referred_by == Some(None) && before.is_some_and(|row| row.referred_by.is_some()) {
        return Err(Refusal::invalid(
            ["referredBy"],
            "The referrer of a user cannot be removed. Omit the field.",
        )
        .into());
    }
    let row = merge(app, id, before, change, app.clock.now());
    let mut head = None;
    if before.is_some() {
        people::update(txn, row.clone()).await?;
        if now_role != Some(role) {
            end_relations(app, txn, request, id, role).await?;
        }
    } else {
        if !people::insert(txn, row.clone()).await? {
            // Another transaction has just created the person: read again, and change instead.
            return Err(Interrupted::Again);
        }
        head = joined(app, txn, published, &row).await?;
    }
    if referrer.is_some() && before.is_some_and(|row| row.referred_by.is_none()) {
        head = pipeline::settle_referral(app, txn, published, &row).await?.or(head);
    }
    audit::note(txn, request, AuditAction::UpsertUser, [(Some(id), None)], app.clock.now()).await?;
    if now_role.is_some_and(|before| before != role) {
        // Only learners are ranked.
        boards::log(txn, &[id].into()).await?;
    }
    Ok((row, head))
}

/// Ends the relations that this role cannot have. They do not return with the old role.
async fn end_relations(
    app: &App,
    txn: &Txn,
    request: &RequestContext,
    id: Uuid,
    role: Role,
) -> Result<(), Interrupted> {
    let reach = policy::reach(&request.actor, Action::KeepPeople)?;
    let seen = scope::see(txn, &reach, id).await?.ok_or(Interrupted::Again)?;
    let now = app.clock.now();
    if role == Role::Student {
        relations::end_guarding(txn, request, seen, now).await?;
    } else {
        relations::end_learning(txn, request, seen, now).await?;
    }
    if !matches!(role, Role::SuperAdmin | Role::Admin | Role::Teacher) {
        relations::end_teaching(txn, request, seen, now).await?;
    }
    Ok(())
}

fn merge(
    app: &App,
    id: Uuid,
    before: Option<&people::Row>,
    change: &Change,
    now: DateTime<Utc>,
) -> people::Row {
    let kept = |given: &Option<Option<String>>, of: fn(&people::Row) -> Option<String>| match given {
        Some(value) => value.clone(),
        None => before.and_then(of),
    };
    let school = || app.config.timezone.name().to_owned();
    let role = change.role.map(people::Role::from);
    people::Row {
        id,
        display_name: change.display_name.clone(),
        search_name: text::folded(&change.display_name),
        search_key: text::search_key(&change.display_name),
        role: role.or(before.map(|row| row.role)).unwrap_or(people::Role::Student),
        email: kept(&change.email, |row| row.email.clone()),
        timezone: kept(&change.timezone, |row| Some(row.timezone.clone())).unwrap_or_else(school),
        locale: kept(&change.locale, |row| row.locale.clone()),
        referred_by: change.referred_by.flatten().or_else(|| before.and_then(|row| row.referred_by)),
        created_at: before.map_or(now, |row| row.created_at),
        updated_at: now,
        erased_at: None,
        ranked: before.is_none_or(|row| row.ranked),
    }
}

fn check_referrer(
    id: Uuid,
    referrer: Uuid,
    before: Option<&people::Row>,
    exists: bool,
) -> Result<(), Refusal> {
    let field = ["referredBy"];
    if referrer == id {
        return Err(Refusal::invalid(field, "You cannot refer yourself. Send another person's id."));
    }
    if !exists {
        let message = "No person has this id. Create the referrer first.";
        return Err(Refusal::not_found("referredBy", Reason::PersonNotFound, message));
    }
    match before.and_then(|row| row.referred_by) {
        Some(known) if known != referrer => {
            let message = "This user already has a referrer, which cannot be changed. Omit the field.";
            Err(Refusal::new(Code::Conflict, message).at(field))
        }
        _ => Ok(()),
    }
}

/// Creates the person of a token at first sight.
async fn welcome(app: &App, id: Uuid, claims: &Claims) -> Result<people::Row, Failure> {
    // A name from a token is cleaned, not refused: otherwise the person could not sign in.
    let name = claims.name.as_deref().map(text::hidden::removed);
    let name = match name.map(|name| text::line("name", &name, NAME)) {
        Some(Ok(name)) => name,
        _ => stand_in_name(id, claims.role),
    };
    let change = &Change { display_name: name, role: Some(claims.role), ..Change::default() };
    attempt(app, |txn, published| {
        async move { welcome_within(app, txn, published, id, change).await }.scope_boxed()
    })
    .await
}

async fn welcome_within(
    app: &App,
    txn: &Txn,
    published: &Published,
    id: Uuid,
    change: &Change,
) -> Result<(people::Row, Option<i64>), Interrupted> {
    let row = merge(app, id, None, change, app.clock.now());
    if people::insert(txn, row.clone()).await? {
        let head = joined(app, txn, published, &row).await?;
        return Ok((row, head));
    }
    let row = people::by_id(txn, id).await?;
    row.map(|row| (row, None)).ok_or(Interrupted::Again)
}

/// "Student 3f2a": the name of a person until a real one is set.
fn stand_in_name(id: Uuid, role: Role) -> String {
    let word = match role {
        Role::SuperAdmin | Role::Admin => "Admin",
        Role::Teacher => "Teacher",
        Role::Parent => "Parent",
        Role::Student | Role::Service => "Student",
    };
    let (first, ..) = id.as_fields();
    format!("{word} {:04x}", first >> 16)
}

/// Sends the pipeline an event about a new learner, if a loaded pack uses it.
async fn joined(
    app: &App,
    txn: &Txn,
    published: &Published,
    row: &people::Row,
) -> Result<Option<i64>, Interrupted> {
    if Role::from(row.role) != Role::Student {
        return Ok(None);
    }
    let person = row.id;
    let event =
        DomainEvent { kind: engine::DomainEventKind::Joined, id: person.to_string(), person, facts: &[] };
    let (_, head) = pipeline::record_domain_event(app, txn, published, event).await?;
    Ok(head)
}

/// Locks a person before a change of their record, together with their referrer, in the pipeline's order. `None` if the
/// person does not exist.
pub(super) async fn lock(txn: &Txn, id: Uuid) -> Result<Option<people::Row>, Interrupted> {
    let Some(before) = people::by_id(txn, id).await? else { return Ok(None) };
    let both = [id].into_iter().chain(before.referred_by).collect();
    let row = people::lock(txn, &both).await?.into_iter().find(|row| row.id == id);
    match row {
        // The referrer was set between the two reads, so this lock could be out of order.
        Some(row) if row.referred_by != before.referred_by => Err(Interrupted::Again),
        row => Ok(row),
    }
}

fn unauthenticated(message: &str, reason: Reason) -> Refusal {
    Refusal::new(Code::Unauthenticated, message).because(reason)
}

fn check(mut change: Change) -> Result<Change, Refusal> {
    change.display_name = text::line("displayName", &change.display_name, NAME)?;
    if let Some(Some(email)) = &change.email {
        check_email(email)?;
    }
    if let Some(Some(zone)) = &change.timezone
        && zone.parse::<chrono_tz::Tz>().is_err()
    {
        return Err(Refusal::invalid(
            ["timezone"],
            "Not an IANA time zone. Send a name such as Europe/Berlin.",
        ));
    }
    if let Some(Some(locale)) = &change.locale {
        check_locale(locale)?;
    }
    if change.role == Some(Role::Service) {
        return Err(Refusal::invalid(["role"], "A service is not a user. Choose another role."));
    }
    Ok(change)
}

fn check_email(email: &str) -> Result<(), Refusal> {
    let parts = email.split_once('@');
    let plain = !email.chars().any(|letter| letter.is_control() || letter.is_whitespace())
        && text::hidden::first(email, text::hidden::Kind::Name).is_none();
    let whole = parts
        .is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.') && !domain.contains('@'));
    // The form in which mails are sent decides.
    if plain
        && whole
        && email.len() <= 254
        && email.parse::<lettre::Address>().is_ok_and(|address| !address.domain().starts_with('['))
    {
        return Ok(());
    }
    Err(Refusal::invalid(["email"], "Not an e-mail address. Send one such as ada@school.example."))
}

pub(super) fn check_locale(locale: &str) -> Result<String, Refusal> {
    let part = |part: &str| {
        (1..=8).contains(&part.len()) && part.chars().all(|letter| letter.is_ascii_alphanumeric())
    };
    if locale.len() <= 35 && locale.split('-').all(part) {
        return Ok(locale.to_owned());
    }
    Err(Refusal::invalid(["locale"], "Not a language tag. Send one such as en or pt-BR."))
}
